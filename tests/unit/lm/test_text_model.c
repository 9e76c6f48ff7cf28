/* Language models: WordPiece and hidden states against files that Hugging Face's libraries made (tests/golden), and folders
 * that are damaged in every way we could think of. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/status.h"
#include "lm/bert.h"
#include "lm/safetensors_header.h"
#include "text/bert_encoder.h"

#define GOLDEN "tests/golden/text"

static const char *const MODELS[] = {"plain", "cased-old-names", "bf16-shards", "f16"};
enum { N_MODELS = sizeof MODELS / sizeof *MODELS, MOST_TOKENS = 64 };

/* ---- reading the golden files ---- */
static int64_t from_hex(const char *hex, char *bytes) {
    int64_t n = 0;
    unsigned byte;
    for (; hex[0] && hex[1] && sscanf(hex, "%2x", &byte) == 1; hex += 2) bytes[n++] = (char)byte;
    return n;
}

static int64_t read_ids(const char *field, int32_t *ids) {
    int64_t n = 0;
    char *end;
    for (const char *p = field; n < MOST_TOKENS; p = end) {
        long id = strtol(p, &end, 10);
        if (end == p) break;
        ids[n++] = (int32_t)id;
    }
    return n;
}

static FILE *open_golden(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("%s is missing: run the tests from the top of the source", path);
    return file;
}

static void read_vocabulary(struct wordpiece *w) {
    char line[256];
    int32_t number;
    FILE *file = open_golden(GOLDEN "/vocab.txt");
    while (fgets(line, sizeof line, file))
        assert_int_equal(dictionary_add(&w->vocabulary, line, (int64_t)strcspn(line, "\n"), &number), STATUS_OK);
    fclose(file);
    assert_int_equal(wordpiece_ready(w, "vocab.txt"), STATUS_OK);
}

static void wordpiece_gives_the_ids_of_hugging_face(void **state) {
    (void)state;
    struct wordpiece w = {0};
    char *line = NULL, bytes[4096];
    size_t capacity = 0;
    int n_texts = 0;
    read_vocabulary(&w);
    FILE *file = open_golden(GOLDEN "/wordpiece.tsv");
    while (getline(&line, &capacity, file) > 0) {
        int32_t wanted[MOST_TOKENS], ids[MOST_TOKENS];
        char *hex = strchr(line, '\t') + 1, *field = strchr(hex, '\t');
        *field++ = 0;
        int64_t size = from_hex(hex, bytes), n_wanted = read_ids(field, wanted), n;
        w.rules = (struct wordpiece_rules){
            .lower = line[0] == '1', .strip_accents = line[1] == '1', .set_cjk_apart = line[2] == '1', .clean = 1};
        assert_int_equal(wordpiece_encode(&w, bytes, size, MOST_TOKENS, ids, &n), STATUS_OK);
        if (n != n_wanted || memcmp(ids, wanted, (size_t)n * sizeof *ids) != 0)
            fail_msg("rules %.3s, text \"%.*s\": %lld ids, %lld expected, or others", line, (int)size, bytes,
                     (long long)n, (long long)n_wanted);
        n_texts++;
    }
    assert_true(n_texts > 200);
    free(line);
    fclose(file);
    wordpiece_free(&w);
}

/* ---- hidden states ---- */
struct golden_text {
    char text[512];
    int64_t size, n;
    int32_t ids[MOST_TOKENS];
    double *hidden; /* [n, dim] */
};

static int read_texts(const char *name, int64_t dim, struct golden_text *texts, int most) {
    char path[256], *line = NULL;
    size_t capacity = 0;
    int n_texts = 0;
    snprintf(path, sizeof path, GOLDEN "/%s", name);
    FILE *file = open_golden(path);
    while (n_texts < most && getline(&line, &capacity, file) > 0) {
        struct golden_text *t = &texts[n_texts++];
        char *ids = strchr(line, '\t'), *values = strchr(ids + 1, '\t');
        *ids++ = *values++ = 0;
        t->size = from_hex(line, t->text);
        t->n = read_ids(ids, t->ids);
        t->hidden = calloc((size_t)(t->n * dim), sizeof *t->hidden);
        for (int64_t i = 0; i < t->n * dim; i++) t->hidden[i] = strtod(values, &values);
    }
    free(line);
    fclose(file);
    return n_texts;
}

static void hidden_states(struct bert *b, int n_texts, const struct golden_text *const *texts, real *out) {
    int32_t offsets[16] = {0}, ids[16 * MOST_TOKENS];
    struct bert_hidden hidden;
    int64_t n = 0;
    for (int i = 0; i < n_texts; i++) {
        for (int64_t t = 0; t < texts[i]->n; t++) ids[n++] = texts[i]->ids[t];
        offsets[i + 1] = (int32_t)n;
    }
    assert_int_equal(bert_forward(b, n_texts, offsets, ids, NULL, &hidden), STATUS_OK);
    device_download_reals(b->device, out, hidden.rows, n * b->config.hidden);
}

static void check_model(const char *name, struct device *device, enum precision_of_products precision) {
    struct model_folder folder;
    struct bert b;
    struct golden_text texts[8];
    char path[256];
    static real together[8 * MOST_TOKENS * 64], alone[MOST_TOKENS * 64];
    snprintf(path, sizeof path, GOLDEN "/%s", name);
    if (model_folder_open(&folder, path) != STATUS_OK) fail_msg("%s", status_message());
    int64_t dim = folder.config.hidden, row = 0;
    snprintf(path, sizeof path, "%s/hidden.tsv", name);
    int n_texts = read_texts(path, dim, texts, 8);
    const struct golden_text *order[8] = {NULL};
    if (bert_open(&b, device, &folder, precision) != STATUS_OK) {
        if (precision == PRODUCTS_F32 || !strstr(status_message(), "bf16")) fail_msg("%s", status_message());
        print_message("bf16: skipped, %s\n", status_message());
        device->error[0] = 0;
    } else {
        for (int i = 0; i < n_texts; i++) order[i] = &texts[i];
        hidden_states(&b, n_texts, order, together);
        for (int i = 0; i < n_texts; i++) {
            struct golden_text *t = &texts[i];
            int32_t ids[MOST_TOKENS];
            int64_t n;
            assert_int_equal(wordpiece_encode(&folder.wordpiece, t->text, t->size, MOST_TOKENS, ids, &n), STATUS_OK);
            assert_int_equal(n, t->n);
            assert_memory_equal(ids, t->ids, (size_t)n * sizeof *ids);
            hidden_states(&b, 1, (const struct golden_text *[]){t}, alone); /* not a bit depends on the neighbours */
            assert_memory_equal(alone, together + row * dim, (size_t)(n * dim) * sizeof(real));
            for (int64_t k = 0; k < n; k++, row++) {
                double along = 0, ours = 0, theirs = 0;
                for (int64_t c = 0; c < dim; c++) {
                    double found = together[row * dim + c], wanted = t->hidden[k * dim + c];
                    /* float32 on both sides; hidden states reach 5 */
                    if (precision == PRODUCTS_F32 && !(fabs(found - wanted) < 2e-5))
                        fail_msg("%s, text %d, token %lld: %.8g, not %.8g", name, i, (long long)k, found, wanted);
                    along += found * wanted;
                    ours += found * found;
                    theirs += wanted * wanted;
                }
                if (!(along > 0.999 * sqrt(ours * theirs)))
                    fail_msg("%s, text %d, token %lld: cosine %.6f", name, i, (long long)k,
                             along / sqrt(ours * theirs));
            }
        }
        bert_close(&b);
    }
    for (int i = 0; i < n_texts; i++) free(texts[i].hidden);
    model_folder_close(&folder);
}

static void hidden_states_are_those_of_transformers(void **state) {
    (void)state;
    struct device device;
    assert_int_equal(device_open_cpu(&device, 2), 0);
    for (int m = 0; m < N_MODELS; m++) {
        check_model(MODELS[m], &device, PRODUCTS_F32);
        check_model(MODELS[m], &device, PRODUCTS_BF16);
    }
    device_close(&device);
}

/* Hidden states under dropout are those of a PyTorch forward pass with the same masks (dropout.tsv): the keys, streams and
 * positions of every mask, and the same text under another key. */
static void dropout_is_drawn_by_key(void **state) {
    (void)state;
    struct device device;
    struct model_folder folder;
    struct bert b;
    struct golden_text texts[4];
    struct bert_hidden hidden;
    static real found[4 * MOST_TOKENS * 32];
    int32_t offsets[5] = {0}, ids[4 * MOST_TOKENS];
    static const int32_t KEYS[] = {77, 78, 5};
    assert_int_equal(device_open_cpu(&device, 2), 0);
    assert_int_equal(model_folder_open(&folder, GOLDEN "/plain"), STATUS_OK);
    assert_int_equal(bert_open(&b, &device, &folder, PRODUCTS_F32), STATUS_OK);
    int n_texts = read_texts("plain/dropout.tsv", 32, texts, 4), n = 0;
    assert_int_equal(n_texts, 3);
    for (int i = 0; i < n_texts; i++) {
        for (int64_t t = 0; t < texts[i].n; t++) ids[n++] = texts[i].ids[t];
        offsets[i + 1] = n;
    }
    struct bert_dropout d = {.seed = 1, .stream = 0x800, .step = 5, .keys = KEYS};
    assert_int_equal(bert_forward(&b, n_texts, offsets, ids, &d, &hidden), STATUS_OK);
    device_download_reals(&device, found, hidden.rows, n * 32);
    for (int i = 0; i < n_texts; i++)
        for (int64_t k = 0; k < texts[i].n * 32; k++) {
            double wanted = texts[i].hidden[k];
            /* float32 on both sides, as without dropout */
            if (!(fabs(found[offsets[i] * 32 + k] - wanted) < 2e-5))
                fail_msg("text %d, value %lld: %.8g, not %.8g", i, (long long)k, found[offsets[i] * 32 + k], wanted);
        }
    for (int i = 0; i < n_texts; i++) free(texts[i].hidden);
    bert_close(&b);
    model_folder_close(&folder);
    device_close(&device);
}

/* The second layer's values take the memory of the first one's, under dropout as without. */
static void memory_does_not_grow_with_the_layers(void **state) {
    (void)state;
    static const int32_t OFFSETS[] = {0, 5}, IDS[] = {1, 2, 3, 4, 5}, KEYS[] = {3};
    const struct bert_dropout dropout = {.seed = 1, .keys = KEYS};
    struct device device;
    struct model_folder folder;
    struct bert_hidden hidden;
    int64_t bytes[2][2];
    assert_int_equal(device_open_cpu(&device, 1), 0);
    assert_int_equal(model_folder_open(&folder, GOLDEN "/plain"), STATUS_OK);
    for (int layers = 1; layers <= 2; layers++)
        for (int drops = 0; drops < 2; drops++) {
            struct bert b;
            assert_int_equal(bert_open(&b, &device, &folder, PRODUCTS_F32), STATUS_OK);
            assert_true(b.config.layers >= layers);
            b.config.layers = layers;
            assert_int_equal(bert_forward(&b, 1, OFFSETS, IDS, drops ? &dropout : NULL, &hidden), STATUS_OK);
            bytes[layers - 1][drops] = tape_peak_bytes(&b.tape);
            bert_close(&b);
        }
    assert_memory_equal(bytes[0], bytes[1], sizeof bytes[0]);
    model_folder_close(&folder);
    device_close(&device);
}

/* ---- damaged safetensors ---- */
/* A file with this header and `data` bytes behind it; header_size < 0: its true length. */
static int read_made(struct safetensors *s, const char *header, int64_t header_size, size_t data) {
    static char bytes[4096];
    uint64_t size = header_size < 0 ? strlen(header) : (uint64_t)header_size;
    for (int i = 0; i < 8; i++) bytes[i] = (char)(size >> (8 * i));
    memcpy(bytes + 8, header, strlen(header));
    memset(bytes + 8 + strlen(header), 0, data);
    return safetensors_read(s, "made", bytes, 8 + strlen(header) + data);
}

static void damaged_safetensors_are_errors(void **state) {
    (void)state;
    static const struct {
        const char *header;
        int64_t size;
        const char *message;
    } BAD[] = {
        {"{}", (int64_t)4 << 30, "claims a header"},
        {"{}", 99, "claims a header"},
        {"", -1, "no JSON"},
        {"[]", -1, "no JSON object"},
        {"{\"a\":", -1, "no JSON"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a\":{}}", -1, "duplicate"},
        {"{\"a\":3}", -1, "not an object"},
        {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", -1, "dtype"},
        {"{\"a\":{\"dtype\":\"F99\",\"shape\":[2],\"data_offsets\":[0,8]}}", -1, "unknown dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", -1, "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", -1, "not a count"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", -1, "not a count"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", -1, "too many"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}}", -1, "too large"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,8]}}", -1, "do not fit"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", -1, "do not fit"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", -1, "two numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[\"0\",8]}}", -1, "two numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", -1, "outside"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", -1, "outside"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[12,20]}}", -1, "outside"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],"
         "\"data_offsets\":[4,12]}}",
         -1, "overlap"},
    };
    struct safetensors s;
    assert_int_equal(read_made(&s,
                               "{\"__metadata__\":{\"x\":\"y\"},\"a\":{\"dtype\":\"BF16\",\"shape\":[2,3],"
                               "\"data_offsets\":[4,16]}}   ",
                               -1, 16),
                     STATUS_OK);
    assert_non_null(safetensors_find(&s, "a"));
    assert_null(safetensors_find(&s, "b"));
    safetensors_close(&s);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        assert_int_equal(read_made(&s, BAD[i].header, BAD[i].size, 16), STATUS_FAILED);
        if (!strstr(status_message(), BAD[i].message)) fail_msg("case %zu: %s", i, status_message());
    }
    assert_int_equal(safetensors_read(&s, "made", "1234567", 7), STATUS_FAILED);
}

/* The reader's own checks: ranges that fit shapes and types, without overlap, within the file. */
static void a_header_that_was_written_is_read(void **state) {
    (void)state;
    static const struct tensor_shape SHAPES[] = {
        {"ab", "F32", 4, 2, {2, 3}}, {"c", "U8", 1, 1, {5}}, {"d", "I32", 4, 0, {0}}};
    char *text = NULL;
    size_t size = 0, values = 24 + 5 + 4;
    struct safetensors s;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(safetensors_write_header(out, 3, SHAPES), STATUS_OK);
    fflush(out);
    assert_int_equal(size % 8, 0);
    for (size_t i = 0; i < values; i++) fputc(i < 24 ? 0 : (int)i, out);
    fclose(out);
    assert_int_equal(safetensors_read(&s, "made", text, size), STATUS_OK);
    assert_int_equal(s.n, 3);
    const struct tensor *ab = safetensors_find(&s, "ab"), *c = safetensors_find(&s, "c"),
                        *d = safetensors_find(&s, "d");
    assert_non_null(ab);
    assert_int_equal(ab->type, TENSOR_F32);
    assert_int_equal(ab->dims[0] * 10 + ab->dims[1], 23);
    assert_int_equal(c->bytes[4], 28);
    assert_int_equal(d->end, (int64_t)values);
    safetensors_close(&s);
    free(text);
}

/* ---- damaged folders ---- */
static char scratch[256];

static int make_scratch(void **state) {
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/medtok-model-XXXXXX");
    return mkdtemp(scratch) == NULL;
}

static int remove_scratch(void **state) {
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s", scratch);
    return system(command);
}

/* A copy of a golden model, changed by a shell command that runs in it; then opened, with its weights. */
static void expect_refusal(const char *model, const char *change, const char *message) {
    char command[2048];
    struct device device;
    struct model_folder folder;
    struct bert b;
    snprintf(command, sizeof command, "rm -rf %s/m && cp -r " GOLDEN "/%s %s/m && cd %s/m && chmod u+w * && %s",
             scratch, model, scratch, scratch, change);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "%s/m", scratch);
    int status = model_folder_open(&folder, command);
    if (status == STATUS_OK) {
        assert_int_equal(device_open_cpu(&device, 1), 0);
        status = bert_open(&b, &device, &folder, PRODUCTS_F32);
        if (status == STATUS_OK) bert_close(&b);
        device_close(&device);
        model_folder_close(&folder);
    }
    if (status == STATUS_OK) fail_msg("%s: accepted", change);
    if (!strstr(status_message(), message)) fail_msg("%s: %s", change, status_message());
}

static void damaged_folders_are_errors(void **state) {
    (void)state;
    expect_refusal("plain", "rm config.json", "config.json: No such file");
    expect_refusal("plain", "echo '{' > config.json", "config.json:");
    expect_refusal("plain", "sed -i 's/\"bert\"/\"roberta\"/' config.json", "model_type is roberta");
    expect_refusal("plain", "sed -i 's/\"gelu\"/\"swish\"/' config.json", "hidden_act swish");
    expect_refusal("plain", "sed -i 's/\"hidden_size\": 32/\"hidden_size\": -1/' config.json", "hidden_size must be");
    expect_refusal("plain", "sed -i 's/\"num_attention_heads\": 2/\"num_attention_heads\": 3/' config.json",
                   "does not divide");
    expect_refusal("plain", "sed -i 's/\"intermediate_size\": 64/\"intermediate_size\": 65/' config.json",
                   "encoder.layer.0.intermediate.dense.weight is [64, 32]");
    expect_refusal("plain", "sed -i 's/\"num_hidden_layers\": 2/\"num_hidden_layers\": 3/' config.json",
                   "lack tensor encoder.layer.2.attention.self.query.weight");
    expect_refusal("plain", "rm vocab.txt", "neither vocab.txt nor tokenizer.json");
    expect_refusal("plain", "sed -i '/CLS/d' vocab.txt", "lacks [CLS]");
    expect_refusal("plain", "echo the >> vocab.txt", "is there twice");
    expect_refusal("plain", "seq 1000 1999 >> vocab.txt", "vocab_size");
    expect_refusal("plain", "mv model.safetensors pytorch_model.bin", "pickle");
    expect_refusal("plain", "rm model.safetensors", "no model.safetensors");
    expect_refusal("plain", "truncate -s 60000 model.safetensors", "truncated");
    expect_refusal("plain", ": > model.safetensors", "empty");
    expect_refusal("bf16-shards", "rm model-00002*", "model-00002-of-00002.safetensors: No such file");
    expect_refusal("bf16-shards", "sed -i 's/model-00001-of/..\\/model-00001-of/' model.safetensors.index.json",
                   "no file name");
    expect_refusal("bf16-shards", "sed -i 's/\"WordPiece\"/\"BPE\"/' tokenizer.json", "only WordPiece");
    expect_refusal("bf16-shards", "sed -i 's/\"\\[UNK\\]\": *1,/\"[UNK]\":900,/' tokenizer.json", "id of token");
}

/* ---- the encoder: distinct texts, whole or their [CLS] rows alone ---- */
enum { N_CODES = 5, MOST_ROWS = N_CODES * MOST_TOKENS };

/* Returns the encoder's rows, [plan.n_rows, dim]. */
static real *encode_texts(struct device *device, enum text_features_kept features, struct text_plan *plan,
                          int64_t *dim) {
    char text[] = "type 2 diabetes heart failure type 2 diabetes a";
    int64_t offsets[N_CODES + 1] = {0, 15, 29, 29, 45, 47};
    struct text_options options = {.model = GOLDEN "/plain", .max_tokens = 16, .features = features};
    struct text_encoder encoder;
    struct vocabulary v = {.n_codes = N_CODES, .description = text, .description_offsets = offsets};
    assert_int_equal(bert_encoder_open(&encoder, &options, device), STATUS_OK);
    assert_int_equal(encoder.plan(&encoder, &v, plan), STATUS_OK);
    *dim = encoder.dim;
    real *rows = calloc(MOST_ROWS * (size_t)*dim, sizeof *rows);
    struct text_unit list[N_CODES];
    struct text_units units = {.n = plan->n_units, .list = list, .bytes = encoder.dictionaries[0]->bytes};
    for (int64_t i = 0; i < units.n; i++) {
        const int64_t *offset = encoder.dictionaries[0]->offsets + i;
        list[i] = (struct text_unit){(int32_t)i, (int32_t)(offset[1] - offset[0]), offset[0]};
    }
    int64_t half = plan->n_units / 2; /* in two stretches */
    assert_int_equal(encoder.rows(&encoder, &units, 0, half, rows), STATUS_OK);
    assert_int_equal(
        encoder.rows(&encoder, &units, half, plan->n_units - half, rows + text_plan_row(plan, half) * *dim), STATUS_OK);
    encoder.close(&encoder);
    return rows;
}

static void sentences_are_the_first_rows_of_tokens(void **state) {
    (void)state;
    struct device device;
    struct text_plan tokens, sentence;
    int64_t dim, sentence_dim;
    assert_int_equal(device_open_cpu(&device, 1), 0);
    real *all = encode_texts(&device, FEATURES_TOKENS, &tokens, &dim);
    real *cls = encode_texts(&device, FEATURES_SENTENCE, &sentence, &sentence_dim);
    assert_int_equal(dim, sentence_dim);
    assert_int_equal(sentence.n_rows, N_CODES - 1); /* two codes have one text */
    assert_true(tokens.n_rows > sentence.n_rows);
    assert_int_equal(sentence.token_row[0], sentence.token_row[3]);
    for (int64_t i = 0; i < N_CODES; i++) {
        assert_int_equal(sentence.token_offsets[i], i);
        const real *of_all = all + tokens.token_row[tokens.token_offsets[i]] * dim;
        const real *of_cls = cls + sentence.token_row[i] * dim;
        assert_memory_equal(of_all, of_cls, (size_t)dim * sizeof *of_all);
        assert_true(of_all[0] != 0);
    }
    free(all);
    free(cls);
    text_plan_free(&tokens);
    text_plan_free(&sentence);
    device_close(&device);
}

/* Names of nodes: the first has its first row alone, as a description of a sentence has, beside all tokens of a description; the second is none. */
static void names_of_nodes_are_sentences(void **state) {
    (void)state;
    char text[] = "type 2 diabetes", name[] = "heart failure";
    const int64_t named[] = {0, 13, 13};
    int64_t described[] = {0, 15};
    struct text_options options = {.model = GOLDEN "/plain", .max_tokens = 16};
    struct text_options sentences = {.model = GOLDEN "/plain", .max_tokens = 16, .features = FEATURES_SENTENCE};
    struct vocabulary v = {.n_codes = 1, .description = text, .description_offsets = described};
    int64_t one[] = {0, 13};
    struct vocabulary w = {.n_codes = 1, .description = name, .description_offsets = one};
    struct device device;
    struct text_encoder encoder, other;
    struct text_plan plan, wanted;
    char bytes[512];
    assert_int_equal(device_open_cpu(&device, 1), 0);
    assert_int_equal(bert_encoder_open(&encoder, &options, &device), STATUS_OK);
    assert_int_equal(bert_encoder_open(&other, &sentences, &device), STATUS_OK);
    assert_int_equal(encoder.plan(&encoder, &v, &plan), STATUS_OK);
    assert_int_equal(encoder.plan_names(&encoder, 2, named, name, &plan), STATUS_OK);
    assert_int_equal(other.plan(&other, &w, &wanted), STATUS_OK);
    assert_true(plan.node_row[0] == 0 && plan.node_row[1] == -1);
    const struct dictionary *texts = encoder.dictionaries[0], *names = encoder.dictionaries[1];
    int32_t size[2] = {(int32_t)texts->offsets[1], (int32_t)names->offsets[1]};
    memcpy(bytes, texts->bytes, (size_t)size[0]);
    memcpy(bytes + size[0], names->bytes, (size_t)size[1]);
    struct text_unit list[2] = {{0, size[0], 0}, {1, size[1], size[0]}}, single = {0, size[1], 0};
    struct text_units units = {.n = 2, .kind_first = {0, 1}, .list = list, .bytes = bytes};
    struct text_units alone = {.n = 1, .list = &single, .bytes = bytes + size[0]};
    real *rows = calloc((size_t)((plan.n_rows + 1) * encoder.dim), sizeof *rows);
    real *row = calloc((size_t)encoder.dim, sizeof *row);
    assert_int_equal(encoder.rows(&encoder, &units, 0, 2, rows), STATUS_OK);
    assert_int_equal(other.rows(&other, &alone, 0, 1, row), STATUS_OK);
    assert_true(row[0] != 0);
    assert_memory_equal(rows + plan.n_rows * encoder.dim, row, (size_t)encoder.dim * sizeof *row);
    free(rows);
    free(row);
    encoder.close(&encoder);
    other.close(&other);
    text_plan_free(&plan);
    text_plan_free(&wanted);
    device_close(&device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wordpiece_gives_the_ids_of_hugging_face),
        cmocka_unit_test(hidden_states_are_those_of_transformers),
        cmocka_unit_test(dropout_is_drawn_by_key),
        cmocka_unit_test(memory_does_not_grow_with_the_layers),
        cmocka_unit_test(sentences_are_the_first_rows_of_tokens),
        cmocka_unit_test(names_of_nodes_are_sentences),
        cmocka_unit_test(damaged_safetensors_are_errors),
        cmocka_unit_test(a_header_that_was_written_is_read),
        cmocka_unit_test(damaged_folders_are_errors),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
