/* Llama-family models against logits, replies and chats that Hugging Face's transformers gives
 * (tests/golden/make_llama_golden.py): Llama 3 with scaled frequencies in float32, Qwen2 with biases in bf16 shards, SmolLM2's
 * shape in f16. */
#include "golden_rows.h"

#include <math.h>

#include "base/status.h"
#include "lm/chat.h"
#include "lm/generate.h"

#define GOLDEN "tests/golden/llama"

static const char *const FAMILIES[] = {"llama3", "qwen2", "smollm2"};
enum { N_FAMILIES = 3, MOST = 64, MOST_VOCABULARY = 512 };

static struct device device;

static struct llama open_model(const char *name) {
    char folder[256];
    struct llama m;
    snprintf(folder, sizeof folder, GOLDEN "/%s", name);
    if (llama_open(&m, &device, folder, PRODUCTS_F32, 0) != STATUS_OK) fail_msg("%s", status_message());
    return m;
}

static struct golden_rows open_rows(const char *name, const char *file) {
    char path[256];
    snprintf(path, sizeof path, GOLDEN "/%s/%s", name, file);
    return golden_open(path);
}

/* Texts on the device, and the memory that they lie in. */
struct sent {
    dev_int offsets, keys, token, position;
    struct llama_rows rows;
};

static struct sent send(int64_t n_texts, const int32_t *offsets, const int32_t *ids) {
    int64_t n = offsets[n_texts];
    int32_t position[8 * MOST];
    struct sent s = {.offsets = device_alloc_ints(&device, n_texts + 1),
                     .keys = device_alloc_ints(&device, n_texts),
                     .token = device_alloc_ints(&device, n),
                     .position = device_alloc_ints(&device, n)};
    for (int64_t i = 0; i < n_texts; i++)
        for (int64_t r = offsets[i]; r < offsets[i + 1]; r++) position[r] = (int32_t)(r - offsets[i]);
    device_upload_ints(&device, s.offsets, offsets, n_texts + 1);
    device_upload_ints(&device, s.token, ids, n);
    device_upload_ints(&device, s.position, position, n);
    s.rows =
        (struct llama_rows){.segments = {{n_texts, n, s.offsets}, s.keys}, .token = s.token, .position = s.position};
    return s;
}

static void discard(struct sent *s) {
    device_free_ints(&device, s->offsets);
    device_free_ints(&device, s->keys);
    device_free_ints(&device, s->token);
    device_free_ints(&device, s->position);
}

/* Logits of all rows. */
static void logits_of(const struct llama *m, int64_t n_texts, const int32_t *offsets, const int32_t *ids,
                      real *logits) {
    struct tape tape;
    struct sent s = send(n_texts, offsets, ids);
    tape_init(&tape, &device);
    tape_reset(&tape, 1);
    struct var *y = nn_linear(&tape, llama_hidden(m, &tape, &s.rows, NULL), llama_head(m, &tape), NULL);
    if (tape_status(&tape) != STATUS_OK) fail_msg("%s", status_message());
    device_download_reals(&device, logits, y->value, y->rows * y->cols);
    tape_free(&tape);
    discard(&s);
}

/* Rounding of float32 sums of 32 to 64 terms in 2 layers, where logits are of size 1 to 10. */
static void logits_are_those_of_transformers(void **state) {
    (void)state;
    for (int f = 0; f < N_FAMILIES; f++) {
        struct llama m = open_model(FAMILIES[f]);
        struct golden_rows rows = open_rows(FAMILIES[f], "logits.tsv");
        int64_t v = m.config.vocabulary;
        int n_texts = 0;
        for (; golden_next(&rows); n_texts++) {
            int32_t ids[MOST];
            static real logits[MOST * MOST_VOCABULARY];
            double wanted[MOST_VOCABULARY];
            int64_t n = golden_ids(rows.field[0], MOST, ids);
            const int32_t offsets[2] = {0, (int32_t)n};
            const int64_t at[3] = {0, n / 2, n - 1};
            logits_of(&m, 1, offsets, ids, logits);
            for (int k = 0; k < 3; k++) {
                assert_int_equal(golden_numbers(rows.field[1 + k], MOST_VOCABULARY, wanted), v);
                for (int64_t j = 0; j < v; j++)
                    if (!(fabs((double)logits[at[k] * v + j] - wanted[j]) < 1e-4))
                        fail_msg("%s, text %d: logit %lld behind token %lld is %g, not %g", FAMILIES[f], n_texts,
                                 (long long)j, (long long)at[k], (double)logits[at[k] * v + j], wanted[j]);
            }
        }
        assert_int_equal(n_texts, 3);
        llama_close(&m);
    }
}

static void a_text_does_not_depend_on_those_beside_it(void **state) {
    (void)state;
    struct llama m = open_model("qwen2");
    static real together[MOST * MOST_VOCABULARY], alone[MOST * MOST_VOCABULARY];
    const int32_t ids[] = {5, 9, 100, 7, 200, 31, 8, 40, 41, 42, 3}, offsets[] = {0, 4, 4, 11}, second[] = {0, 7};
    int64_t v = m.config.vocabulary;
    logits_of(&m, 3, offsets, ids, together);
    logits_of(&m, 1, second, ids + 4, alone);
    for (int64_t i = 0; i < 7 * v; i++) assert_true(fabs((double)(together[4 * v + i] - alone[i])) < 1e-5);
    llama_close(&m);
}

static void greedy_replies_are_those_of_transformers(void **state) {
    (void)state;
    const struct generation how = {.most = 12};
    for (int f = 0; f < N_FAMILIES; f++) {
        struct llama m = open_model(FAMILIES[f]);
        struct golden_rows rows = open_rows(FAMILIES[f], "greedy.tsv");
        while (golden_next(&rows)) {
            int32_t ids[MOST], wanted[MOST];
            struct tokens made = {0};
            int64_t n = golden_ids(rows.field[0], MOST, ids), n_wanted = golden_ids(rows.field[1], MOST, wanted);
            assert_int_equal(llama_generate(&m, ids, n, &how, &made), STATUS_OK);
            assert_true(n_wanted > 0 && made.n >= n_wanted); /* transformers stops at its end token */
            assert_memory_equal(made.ids, wanted, (size_t)n_wanted * sizeof *wanted);
            tokens_free(&made);
        }
        llama_close(&m);
    }
}

static void drawn_replies_are_keyed_by_the_seed(void **state) {
    (void)state;
    struct llama m = open_model("smollm2");
    const int32_t prompt[] = {17, 50, 12};
    struct generation how = {.most = 20, .temperature = 0.9, .top_p = 0.95, .seed = 5};
    struct tokens first = {0}, again = {0}, other = {0}, narrow = {0}, greedy = {0};
    assert_int_equal(llama_generate(&m, prompt, 3, &how, &first), STATUS_OK);
    assert_int_equal(llama_generate(&m, prompt, 3, &how, &again), STATUS_OK);
    assert_int_equal(first.n, 20);
    assert_memory_equal(first.ids, again.ids, 20 * sizeof *first.ids);
    how.seed = 6;
    assert_int_equal(llama_generate(&m, prompt, 3, &how, &other), STATUS_OK);
    assert_memory_not_equal(first.ids, other.ids, 20 * sizeof *first.ids);
    how.top_p = 1e-9; /* the most probable token alone */
    assert_int_equal(llama_generate(&m, prompt, 3, &how, &narrow), STATUS_OK);
    how.temperature = 0;
    how.stops = &narrow.ids[4], how.n_stops = 1;
    assert_int_equal(llama_generate(&m, prompt, 3, &how, &greedy), STATUS_OK);
    assert_true(greedy.n >= 1 && greedy.n <= 5);
    assert_memory_equal(narrow.ids, greedy.ids, (size_t)greedy.n * sizeof *greedy.ids);
    assert_int_equal(greedy.ids[greedy.n - 1], narrow.ids[4]);
    how.most = 1000;
    assert_int_equal(llama_generate(&m, prompt, 3, &how, &greedy), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "256 positions"));
    struct tokens *all[] = {&first, &again, &other, &narrow, &greedy};
    for (int i = 0; i < 5; i++) tokens_free(all[i]);
    llama_close(&m);
}

/* Of the nucleus, tokens are drawn as often as they are probable. */
static void drawn_tokens_have_the_probabilities_of_the_model(void **state) {
    (void)state;
    enum { DRAWS = 400 };
    struct llama m = open_model("smollm2");
    static real logits[MOST * MOST_VOCABULARY];
    const int32_t prompt[] = {17, 50}, offsets[] = {0, 2};
    int64_t v = m.config.vocabulary, best = 0, hits = 0;
    double sum = 0, t = 2;
    logits_of(&m, 1, offsets, prompt, logits);
    const real *last = logits + v;
    for (int64_t i = 1; i < v; i++)
        if (last[i] > last[best]) best = i;
    for (int64_t i = 0; i < v; i++) sum += exp(((double)last[i] - (double)last[best]) / t);
    for (int d = 0; d < DRAWS; d++) {
        struct generation how = {.most = 1, .temperature = t, .top_p = 1, .seed = (uint64_t)d};
        struct tokens made = {0};
        assert_int_equal(llama_generate(&m, prompt, 2, &how, &made), STATUS_OK);
        hits += made.ids[0] == best;
        tokens_free(&made);
    }
    double p = 1 / sum, error = sqrt(p * (1 - p) / DRAWS);
    if (!(fabs((double)hits / DRAWS - p) < 4 * error)) fail_msg("drawn %g, probability %g", (double)hits / DRAWS, p);
    llama_close(&m);
}

static void chats_are_those_of_the_templates(void **state) {
    (void)state;
    for (int f = 0; f < N_FAMILIES; f++) {
        char folder[256];
        struct bpe bpe;
        struct chat chat;
        struct golden_rows rows = open_rows(FAMILIES[f], "chat.tsv");
        snprintf(folder, sizeof folder, GOLDEN "/%s", FAMILIES[f]);
        assert_int_equal(bpe_open(&bpe, folder), STATUS_OK);
        assert_int_equal(chat_open(&chat, &bpe, folder), STATUS_OK);
        while (golden_next(&rows)) {
            int32_t wanted[2 * MOST];
            struct tokens made = {0};
            int64_t n = golden_ids(rows.field[2], 2 * MOST, wanted);
            int64_t system = golden_bytes(rows.field[0]), user = golden_bytes(rows.field[1]);
            assert_int_equal(chat_begin(&chat, &made), STATUS_OK);
            assert_int_equal(chat_turn(&chat, "system", rows.field[0], system, &made), STATUS_OK);
            assert_int_equal(chat_turn(&chat, "user", rows.field[1], user, &made), STATUS_OK);
            assert_int_equal(chat_reply(&chat, &made), STATUS_OK);
            assert_int_equal(made.n, n);
            assert_memory_equal(made.ids, wanted, (size_t)n * sizeof *wanted);
            tokens_free(&made);
        }
        bpe_close(&bpe);
    }
}

/* ---- what the program must refuse ---- */
/* Runs sed on a file of a copy of the folder llama3. */
static void copy_llama3(char *folder, const char *sed, const char *file) {
    char command[1024];
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command, "cp -r " GOLDEN "/llama3/* %s && sed -i '%s' %s/%s", folder, sed, folder, file);
    assert_int_equal(system(command), 0);
}

static void write_text(const char *folder, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void remove_folder(const char *folder) {
    char command[256];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void check_refused(const char *sed, const char *file, const char *message) {
    char folder[] = "/tmp/medtok-llama-XXXXXX";
    struct llama m;
    struct bpe bpe = {0};
    copy_llama3(folder, sed, file);
    int status =
        strcmp(file, "tokenizer.json") == 0 ? bpe_open(&bpe, folder) : llama_open(&m, &device, folder, PRODUCTS_F32, 0);
    assert_int_equal(status, STATUS_FAILED);
    if (!strstr(status_message(), message)) fail_msg("\"%s\" does not say \"%s\"", status_message(), message);
    remove_folder(folder);
}

static void what_is_not_known_is_refused_by_name(void **state) {
    (void)state;
    check_refused("s/\"llama\"/\"mamba\"/", "config.json", "model_type is mamba");
    check_refused("s/\"llama3\"/\"yarn\"/", "config.json", "yarn");
    check_refused("s/\"silu\"/\"gelu\"/", "config.json", "hidden_act is gelu");
    check_refused("s/\"num_hidden_layers\": 2/\"num_hidden_layers\": 3/", "config.json", "model.layers.2.");
    check_refused("s/\"intermediate_size\": 48/\"intermediate_size\": 47/", "config.json",
                  "mlp.gate_proj.weight is [48, 32]");
    check_refused("s/\"num_key_value_heads\": 2/\"num_key_value_heads\": 3/", "config.json", "4 heads over 3");
    check_refused("s/\"factor\": 8.0/\"factor\": 0/", "config.json", "rope_scaling");
    check_refused("s/\"rope_type\": \"llama3\"/\"kind\": 1/", "config.json", "rope_type of rope_scaling is missing");
    check_refused("s/\"type\": \"BPE\"/\"type\": \"Unigram\"/", "tokenizer.json", "model is Unigram");
    check_refused("s/Isolated/Removed/", "tokenizer.json", "Removed");
    check_refused("s/\"lstrip\": false/\"lstrip\": true/", "tokenizer.json", "lstrip");
    check_refused("s/{1,3}/{1,3/; s/\\\\\\\\p{L}+/(/", "tokenizer.json", "expression");
    check_refused("s/\"normalizer\": null/\"normalizer\": {\"type\": \"Lowercase\"}/", "tokenizer.json", "Lowercase");
    check_refused(
        "s/\"normalizer\": null/\"normalizer\": {\"type\": \"NFC\"}/; s/\"normalized\": false/\"normalized\": true/",
        "tokenizer.json", "<|begin_of_text|> is normalized");
    check_refused("s/\"end_of_word_suffix\": null/\"end_of_word_suffix\": \"@\"/", "tokenizer.json",
                  "end_of_word_suffix is @");
    check_refused("s/\"content\": \"<|begin_of_text|>\"/\"content\": \"he\"/", "tokenizer.json",
                  "he, is there twice, has two ids");
}

static void a_prompt_of_other_tokens_than_the_model_has_is_refused(void **state) {
    (void)state;
    const int32_t prompt[2] = {1, 436};
    const struct generation how = {.most = 1};
    struct tokens made = {0};
    struct llama m = open_model("llama3");
    assert_int_equal(llama_generate(&m, prompt, 2, &how, &made), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "token 1 of the prompt is 436"));
    tokens_free(&made);
    llama_close(&m);
}

static void rope_theta_may_stand_outside_rope_parameters(void **state) {
    (void)state;
    char folder[] = "/tmp/medtok-llama-XXXXXX";
    struct llama_config c;
    copy_llama3(folder, "s/\"rope_scaling\"/\"rope_parameters\"/", "config.json");
    assert_int_equal(llama_config_read(&c, folder), STATUS_OK);
    assert_true(c.rotary_base == 500000 && c.scaling.factor == 8);
    remove_folder(folder);
}

static void where_both_families_tokens_are_there_the_chat_template_decides(void **state) {
    (void)state;
    char folder[] = "/tmp/medtok-llama-XXXXXX";
    struct bpe bpe;
    struct chat chat;
    copy_llama3(folder,
                "s/{\"id\": 429, \"content\": \"<|end_of_text|>\"/{\"id\": 440, \"content\": \"<|im_end|>\"}, {\"id\": "
                "429, \"content\": "
                "\"<|im_start|>\"/",
                "tokenizer.json");
    assert_int_equal(bpe_open(&bpe, folder), STATUS_OK);
    assert_int_equal(chat_open(&chat, &bpe, folder), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "the chat tokens of Llama 3 and of ChatML"));
    write_text(folder, "tokenizer_config.json", "{\"chat_template\": \"{{ '<|im_start|>' + role }}\"}");
    assert_int_equal(chat_open(&chat, &bpe, folder), STATUS_OK);
    assert_int_equal(chat.family, CHAT_ML);
    write_text(folder, "chat_template.jinja", "{{ '<|start_header_id|>' + role }}");
    assert_int_equal(chat_open(&chat, &bpe, folder), STATUS_OK);
    assert_int_equal(chat.family, CHAT_LLAMA3);
    bpe_close(&bpe);
    remove_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_those_of_transformers),
        cmocka_unit_test(a_text_does_not_depend_on_those_beside_it),
        cmocka_unit_test(greedy_replies_are_those_of_transformers),
        cmocka_unit_test(drawn_replies_are_keyed_by_the_seed),
        cmocka_unit_test(drawn_tokens_have_the_probabilities_of_the_model),
        cmocka_unit_test(chats_are_those_of_the_templates),
        cmocka_unit_test(what_is_not_known_is_refused_by_name),
        cmocka_unit_test(a_prompt_of_other_tokens_than_the_model_has_is_refused),
        cmocka_unit_test(rope_theta_may_stand_outside_rope_parameters),
        cmocka_unit_test(where_both_families_tokens_are_there_the_chat_template_decides),
    };
    if (device_open_cpu(&device, 1)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&device);
    return failed;
}
