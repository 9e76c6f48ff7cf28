/* The whole method against the PyTorch implementation in tests/golden/medtok_reference.py, from the files that it wrote
 * (tests/golden/medtok; its header says what they hold and how to make them again): initial values, forward values, every loss
 * term, the gradient of every parameter, and ten steps of a training on files written by the store.
 *
 * Tensors are compared relative to their largest entry, since that is what their rounding scales with. */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/status.h"
#include "jobs.h"
#include "model_settings.h"
#include "train/step.h"

/* The promise of the project. float32 rounds by 6e-8; a value here passes some 20 products and sums of up to 30 terms of
 * either sign, and 1 / temperature = 14 stands before the logits of the contrastive losses: the worst entries of these cases
 * are off by 2e-6 of the largest, so that a wrong term in a formula is seen and rounding is not. */
static const double TOLERANCE = 1e-4;
/* After ten steps, relative to how far the parameter moved. Adam divides by the size of the gradient: an entry whose gradient
 * is a thousandth of the largest moves as far as the others, with a thousand times their relative rounding. */
static const double TOLERANCE_OF_STEPS = 1e-3;

/* ---- a reference file ---- */
struct golden {
    char name[64];
    int64_t rows, cols;
    double *values;
};

enum { MOST_TENSORS = 256, MOST_SETTINGS = 64 };

struct reference {
    struct golden tensors[MOST_TENSORS];
    char settings[MOST_SETTINGS][80];
    int n_tensors, n_settings;
};

static void read_tensor(FILE *file, struct golden *t) {
    long long rows, cols;
    assert_int_equal(fscanf(file, "%63s %lld %lld", t->name, &rows, &cols), 3);
    t->rows = rows, t->cols = cols;
    assert_int_equal(mem_alloc(&t->values, rows * cols, sizeof *t->values), STATUS_OK);
    for (int64_t i = 0; i < rows * cols; i++) assert_int_equal(fscanf(file, "%lf", &t->values[i]), 1);
}

static void read_reference(const char *name, struct reference *r) {
    char path[PATH_MAX], word[16];
    snprintf(path, sizeof path, "tests/golden/medtok/%s.txt", name);
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("cannot open %s: run in the project's folder, or make it with medtok_reference.py", path);
    while (fscanf(file, "%15s", word) == 1) {
        if (strcmp(word, "set") == 0) {
            assert_true(r->n_settings < MOST_SETTINGS);
            assert_int_equal(fscanf(file, "%79s", r->settings[r->n_settings++]), 1);
        } else {
            assert_string_equal(word, "tensor");
            assert_true(r->n_tensors < MOST_TENSORS);
            read_tensor(file, &r->tensors[r->n_tensors++]);
        }
    }
    fclose(file);
}

static const struct golden *find(const struct reference *r, const char *part, const char *name) {
    char whole[128];
    snprintf(whole, sizeof whole, "%s.%s", part, name);
    for (int i = 0; i < r->n_tensors; i++)
        if (strcmp(r->tensors[i].name, whole) == 0) return &r->tensors[i];
    fail_msg("the reference file has no %s", whole);
    return NULL;
}

/* ---- comparing ---- */
static void compare(const char *what, const char *name, const real *found, const double *wanted, int64_t n,
                    double scale, double tolerance) {
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(found[i] - wanted[i]) <= tolerance * scale))
            fail_msg("%s %s[%lld] is %.9g, not %.9g: off by %.2g of %.3g", what, name, (long long)i, (double)found[i],
                     wanted[i], fabs(found[i] - wanted[i]) / scale, scale);
}

static double largest(const double *x, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fabs(x[i]) > most ? fabs(x[i]) : most;
    return most;
}

static void compare_tensor(const struct golden *t, const real *found, int64_t rows, int64_t cols, double tolerance) {
    assert_int_equal(rows, t->rows);
    assert_int_equal(cols, t->cols);
    compare("value", t->name, found, t->values, rows * cols, largest(t->values, rows * cols), tolerance);
}

/* ---- what happens inside the model: the linker's --wrap lets the test see the arguments of three functions ---- */
static struct var *z_of_call[8], *t_compared, *g_compared;
static int n_calls;

__typeof__(quantizer_apply) __real_quantizer_apply, __wrap_quantizer_apply;
__typeof__(quantizer_pass) __real_quantizer_pass, __wrap_quantizer_pass;
__typeof__(loss_cosine) __real_loss_cosine, __wrap_loss_cosine;

struct quantized __wrap_quantizer_apply(struct tape *tape, struct var *z, struct var *codebook,
                                        struct assignment assign, struct codebook_loss loss) {
    z_of_call[n_calls++ % 8] = z;
    return __real_quantizer_apply(tape, z, codebook, assign, loss);
}

struct quantized __wrap_quantizer_pass(struct tape *tape, struct var *z) {
    z_of_call[n_calls++ % 8] = z;
    return __real_quantizer_pass(tape, z);
}

void __wrap_loss_cosine(struct losses *losses, enum loss_term term, double weight, struct var *a, struct var *b,
                        int total) {
    if (term == TERM_ALIGN) {
        tape_keep(a); /* they are compared after the backward pass */
        tape_keep(b);
        t_compared = a, g_compared = b;
    }
    __real_loss_cosine(losses, term, weight, a, b, total);
}

/* ---- the inputs as files ---- */
static struct comm comm;

#define TO_INTEGERS(type, array, tensor)                                                                               \
    do {                                                                                                               \
        assert_int_equal(mem_alloc(&(array), (tensor)->rows *(tensor)->cols, sizeof *(array)), STATUS_OK);             \
        for (int64_t k = 0; k < (tensor)->rows * (tensor)->cols; k++) (array)[k] = (type)(tensor)->values[k];          \
    } while (0)

static struct provenance made_by(const char *job) {
    struct provenance p = {.job = job, .config = "seed: 1\n"};
    provenance_finish(&p, KIND_CHECKPOINT);
    return p;
}

/* Codes of one family are siblings in ICD-10-CM; -1: a system without a hierarchy. */
static void name_code(struct vocabulary *v, int64_t i, int family) {
    char *code = v->code + i * v->code_bytes, *system = v->system + i * v->system_bytes;
    if (family < 0)
        snprintf(code, (size_t)v->code_bytes, "C%d", (int)i);
    else
        snprintf(code, (size_t)v->code_bytes, "A%02d.%c", family % 100, 'A' + (int)i);
    snprintf(system, (size_t)v->system_bytes, "%s", family < 0 ? "TEST" : "ICD10CM");
}

static void write_vocabulary(const struct reference *r, const char *path) {
    enum { NAME = 8 };
    struct vocabulary v = {.n_relations = 1, .code_bytes = NAME, .system_bytes = NAME, .relation_bytes = NAME};
    struct provenance provenance = made_by("prepare");
    v.n_codes = v.n_codes_total = find(r, "input", "node_offsets")->cols - 1;
    v.n_nodes = find(r, "initial", "graph.nodes")->rows;
    TO_INTEGERS(int64_t, v.node_offsets, find(r, "input", "node_offsets"));
    TO_INTEGERS(int32_t, v.nodes, find(r, "input", "nodes"));
    TO_INTEGERS(int64_t, v.edge_offsets, find(r, "input", "edge_offsets"));
    TO_INTEGERS(uint16_t, v.edge_source, find(r, "input", "edge_source"));
    TO_INTEGERS(uint16_t, v.edge_target, find(r, "input", "edge_target"));
    mem_alloc(&v.edge_relation, find(r, "input", "edge_source")->cols, 1);
    mem_alloc(&v.n_listed, v.n_codes, sizeof *v.n_listed);
    mem_alloc(&v.relation, 1, NAME);
    mem_alloc(&v.code, v.n_codes, NAME);
    mem_alloc(&v.system, v.n_codes, NAME);
    mem_alloc(&v.description, v.n_codes, 1);
    mem_alloc(&v.description_offsets, v.n_codes + 1, sizeof *v.description_offsets);
    for (int64_t i = 0; i < v.n_codes; i++) {
        name_code(&v, i, (int)find(r, "input", "family")->values[i]);
        v.description[i] = 'a';
        v.description_offsets[i + 1] = v.description_offsets[i] + (find(r, "input", "has_text")->values[i] > 0);
    }
    assert_int_equal(vocabulary_write(&comm, path, &v, &provenance), STATUS_OK);
    vocabulary_free(&v);
}

static void write_text(const struct reference *r, const char *path, const char *vocabulary) {
    const struct golden *features = find(r, "input", "features");
    struct provenance provenance = made_by("encode");
    struct h5file *file;
    char *id;
    int64_t *offsets, n_offsets = find(r, "input", "token_offsets")->cols;
    int32_t *rows, n_tokens = (int32_t)find(r, "input", "token_row")->cols;
    float *values;
    TO_INTEGERS(int64_t, offsets, find(r, "input", "token_offsets"));
    TO_INTEGERS(int32_t, rows, find(r, "input", "token_row"));
    TO_INTEGERS(float, values, features);
    assert_int_equal(h5file_open(&file, vocabulary, KIND_VOCABULARY), STATUS_OK);
    assert_int_equal(h5file_get_text(file, "content_id", &id), STATUS_OK);
    h5file_close(file);
    assert_int_equal(h5file_create(&file, &comm, path, KIND_TEXT, &provenance, 0), STATUS_OK);
    assert_int_equal(h5file_set_text(file, "vocabulary_id", id), STATUS_OK);
    assert_int_equal(h5file_set_text(file, "precision", "fp32"), STATUS_OK);
    assert_int_equal(h5file_set_int(file, "dim", features->cols), STATUS_OK);
    assert_int_equal(h5file_set_int(file, "n_codes", n_offsets - 1), STATUS_OK);
    assert_int_equal(h5file_set_int(file, "n_rows", features->rows), STATUS_OK);
    assert_int_equal(h5file_write(file, "token_offsets", H5_I64, n_offsets, 1, 0, n_offsets, offsets, 1), STATUS_OK);
    assert_int_equal(h5file_write(file, "token_row", H5_I32, n_tokens, 1, 0, n_tokens, rows, 1), STATUS_OK);
    assert_int_equal(
        h5file_write(file, "features", H5_F32, features->rows, features->cols, 0, features->rows, values, 0),
        STATUS_OK);
    assert_int_equal(h5file_commit(file), STATUS_OK);
    free(id);
    free(offsets);
    free(rows);
    free(values);
}

/* ---- a training at step 0 with the reference's parameters ---- */
struct world {
    struct reference reference;
    struct config config;
    struct device device;
    struct medtok_learner learner;
    struct training training;
    char folder[64], vocabulary[80], text[80], checkpoint[80];
};

static void set_path(struct config *config, const char *key, const char *path) {
    char setting[128];
    snprintf(setting, sizeof setting, "%s=%s", key, path);
    assert_int_equal(config_set(config, setting), STATUS_OK);
}

static int make_world(void **state) {
    const char *name = *state;
    struct world *w;
    assert_int_equal(mem_alloc(&w, 1, sizeof *w), STATUS_OK);
    read_reference(name, &w->reference);
    snprintf(w->folder, sizeof w->folder, "/tmp/medtok-golden-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->vocabulary, sizeof w->vocabulary, "%s/vocabulary.h5", w->folder);
    snprintf(w->text, sizeof w->text, "%s/text.h5", w->folder);
    snprintf(w->checkpoint, sizeof w->checkpoint, "%s/checkpoint.h5", w->folder);
    write_vocabulary(&w->reference, w->vocabulary);
    write_text(&w->reference, w->text, w->vocabulary);
    assert_int_equal(config_defaults(&w->config), STATUS_OK);
    assert_int_equal(config_read_file(&w->config, PLAIN_SETTINGS), STATUS_OK);
    for (int i = 0; i < w->reference.n_settings; i++)
        if (config_set(&w->config, w->reference.settings[i]) != STATUS_OK) fail_msg("%s: %s", name, status_message());
    set_path(&w->config, "files.vocabulary", w->vocabulary);
    set_path(&w->config, "files.text", w->text);
    set_path(&w->config, "files.checkpoint", w->checkpoint);
    assert_int_equal(TRAIN_JOB.check(&w->config), STATUS_OK);
    assert_int_equal(device_open_cpu(&w->device, 2), 0);
    struct medtok_learner_options options = learner_options(&w->config, 1);
    if (medtok_learner_make(&w->learner, &options, &comm, &w->device) != STATUS_OK)
        fail_msg("%s: %s", name, status_message());
    training_open(&w->training, &comm, &w->device, &w->config.train);
    assert_int_equal(training_make(&w->training, &w->learner.learner), STATUS_OK);
    assert_int_equal(training_begin(&w->training), STATUS_OK);
    *state = w;
    return 0;
}

static int free_world(void **state) {
    struct world *w = *state;
    training_free(&w->training);
    medtok_learner_free(&w->learner);
    device_close(&w->device);
    config_free(&w->config);
    for (int i = 0; i < w->reference.n_tensors; i++) free(w->reference.tensors[i].values);
    unlink(w->vocabulary);
    unlink(w->text);
    unlink(w->checkpoint);
    rmdir(w->folder);
    free(w);
    return 0;
}

/* Ours are a float32 rounding of the same double, but for the last bit of the C library's log and cos. */
static void initial_values_agree(struct world *w) {
    for (int p = 0; p < w->learner.parameters.n; p++) {
        const struct parameter *q = w->learner.parameters.list[p];
        if (q->flags & PARAMETER_FROZEN) continue;
        const struct golden *t = find(&w->reference, "initial", q->name);
        compare_tensor(t, q->value.at, q->rows, q->cols, 1e-6);
        for (int64_t i = 0; i < q->rows * q->cols; i++) q->value.at[i] = (real)t->values[i];
    }
}

/* Step 0 up to the gradients, without an update: the learner's calls as training_step makes them. */
static void differentiate(struct world *w) {
    struct training *t = &w->training;
    const struct learner *l = &w->learner.learner;
    int64_t vectors[N_GROUPS] = {0};
    struct loss_sums sums = {
        .terms = t->scalars, .lengths = dev_real_at(t->scalars, N_TERMS), .vectors = vectors, .first = 1};
    assert_int_equal(l->draw(l->self, 0, 0), STATUS_OK);
    assert_int_equal(l->send(l->self, 0), STATUS_OK);
    enum { MOST_SHARED = 64 };
    int64_t shared[MOST_SHARED] = {0};
    assert_in_range(l->n_shared, N_LISTS, MOST_SHARED);
    l->tell(l->self, 0, shared);
    l->share(l->self, 0, shared);
    tape_reset(&t->tape, 0);
    row_exchange_reset(&t->rows);
    parameter_set_clear_gradients(l->parameters);
    w->device.run->fill(&w->device, N_TERMS, 0, t->scalars);
    assert_int_equal(l->fetch(l->self, &t->rows, &t->tape, 0), STATUS_OK);
    n_calls = 0;
    l->loss(l->self, &t->tape, 0, &sums);
    tape_backward(&t->tape);
    assert_int_equal(row_exchange_return(&t->rows, &t->tape), STATUS_OK);
    assert_int_equal(tape_status(&t->tape), STATUS_OK);
    assert_int_equal(sums.status, STATUS_OK);
}

static const char *const GROUP_NAMES[N_GROUPS] = {"text", "graph", "shared_text", "shared_graph"};

static void compare_var(const struct world *w, const char *part, const char *name, const struct var *x) {
    compare_tensor(find(&w->reference, part, name), x->value.at, x->rows, x->cols, TOLERANCE);
}

static void forward_values_agree(void **state) {
    struct world *w = *state;
    const struct batch *batch = &w->learner.slots[0].batch;
    initial_values_agree(w);
    differentiate(w);
    const struct golden *codes = find(&w->reference, "forward", "codes");
    assert_int_equal(batch->n, codes->cols);
    for (int64_t i = 0; i < batch->n; i++) assert_int_equal(batch->codes[i], (int32_t)codes->values[i]);
    compare_var(w, "forward", "t", t_compared);
    compare_var(w, "forward", "g", g_compared);
    assert_int_equal(n_calls, N_GROUPS + 2);
    compare_var(w, "forward.second", "text", z_of_call[N_GROUPS]);
    compare_var(w, "forward.second", "graph", z_of_call[N_GROUPS + 1]);
    for (int g = 0; g < N_GROUPS; g++) {
        const struct quantized *q = &w->learner.output.groups[g];
        const struct golden *tokens = find(&w->reference, "forward.tokens", GROUP_NAMES[g]);
        compare_var(w, "forward.z", GROUP_NAMES[g], z_of_call[g]);
        compare_var(w, "forward.q", GROUP_NAMES[g], q->value);
        assert_int_equal(q->tokens.at != NULL, w->config.quantizer.warmup == 0); /* the first step */
        if (!q->tokens.at) continue;
        compare_tensor(find(&w->reference, "forward.weights", GROUP_NAMES[g]), q->weights.at, q->value->rows,
                       w->config.quantizer.top_k, TOLERANCE);
        for (int64_t i = 0; i < tokens->rows * tokens->cols; i++)
            assert_int_equal(q->tokens.at[i], (int32_t)tokens->values[i]);
    }
}

static void loss_terms_and_gradients_agree(void **state) {
    struct world *w = *state;
    initial_values_agree(w);
    differentiate(w);
    for (int i = 0; i < N_TERMS; i++) {
        const struct golden *t = find(&w->reference, "loss", LOSS_TERM_NAMES[i]);
        compare_tensor(t, w->training.scalars.at + i, 1, 1, TOLERANCE);
    }
    for (int p = 0; p < w->learner.parameters.n; p++) {
        const struct parameter *q = w->learner.parameters.list[p];
        if (q->flags & PARAMETER_FROZEN) continue;
        compare_tensor(find(&w->reference, "gradient", q->name), q->grad.at, q->rows, q->cols, TOLERANCE);
    }
}

/* The table that the present parameters make, by way of a checkpoint. */
static void compare_table(struct world *w) {
    const struct golden *wanted = find(&w->reference, "table", "tokens");
    struct provenance provenance = made_by("train");
    struct tokenizer tokenizer;
    struct token_rows rows;
    int64_t n = w->learner.sampler.n_samples, picks = N_GROUPS * w->config.quantizer.top_k;
    struct tokenizer_options options = tokenizer_options(&w->config);
    struct saver saver;
    int sealed;
    assert_int_equal(saver_make(&saver, &comm, &w->training.state), STATUS_OK);
    assert_int_equal(saver_begin(&saver, w->checkpoint, &provenance, STATUS_OK), STATUS_OK);
    assert_int_equal(saver_end(&saver), STATUS_OK);
    assert_int_equal(saver_seal(&saver, 1, &sealed), STATUS_OK);
    assert_true(sealed);
    saver_free(&saver);
    assert_int_equal(tokenizer_make(&tokenizer, &comm, &options, &w->device, STATUS_OK), STATUS_OK);
    assert_int_equal(token_rows_make(&rows, n, &w->config.quantizer), STATUS_OK);
    if (tokenizer_run(&tokenizer, 0, n, &rows) != STATUS_OK) fail_msg("%s", status_message());
    assert_int_equal(wanted->rows, n);
    assert_int_equal(wanted->cols, picks);
    for (int64_t i = 0; i < n * picks; i++) assert_int_equal(rows.tokens[i], (int32_t)wanted->values[i]);
    compare_tensor(find(&w->reference, "table", "weights"), rows.weights, n, picks, TOLERANCE_OF_STEPS);
    compare_tensor(find(&w->reference, "table", "embedding"), rows.embedding, n, N_GROUPS * w->config.quantizer.dim,
                   TOLERANCE_OF_STEPS);
    token_rows_free(&rows);
    tokenizer_free(&tokenizer);
}

/* Where the reference has sure.NAME, `wanted` becomes what was found in all entries that rounding may have moved. Returns how many
 * entries are left to compare. */
static int64_t pass_over_unsure(const struct reference *r, const char *name, int64_t n, const real *found,
                                double *wanted) {
    char sure[128];
    int64_t left = n;
    snprintf(sure, sizeof sure, "sure.%s", name);
    for (int t = 0; t < r->n_tensors; t++)
        for (int64_t i = 0; strcmp(r->tensors[t].name, sure) == 0 && i < n; i++) {
            if (r->tensors[t].values[i] != 0) continue;
            wanted[i] = (double)found[i];
            left--;
        }
    return left;
}

static void ten_steps_and_their_table_agree(void **state) {
    struct world *w = *state;
    const struct golden *terms = find(&w->reference, "steps", "terms"), *norm = find(&w->reference, "steps", "norm");
    initial_values_agree(w);
    assert_int_equal(terms->rows, 10);
    for (int64_t step = 0; step < terms->rows; step++) {
        struct step_report report;
        if (training_step(&w->training, 0, &report) != STATUS_OK) fail_msg("step %d: %s", (int)step, status_message());
        for (int i = 0; i < N_TERMS; i++) {
            const double *wanted = terms->values + step * N_TERMS + i;
            real found = (real)report.terms[i];
            compare("step's term", LOSS_TERM_NAMES[i], &found, wanted, 1, fabs(*wanted), TOLERANCE_OF_STEPS);
        }
        real found = (real)report.gradient_norm;
        compare("step's", "norm", &found, norm->values + step, 1, norm->values[step], TOLERANCE_OF_STEPS);
    }
    int64_t n_compared = 0;
    for (int p = 0; p < w->learner.parameters.n; p++) {
        const struct parameter *q = w->learner.parameters.list[p];
        if (q->flags & PARAMETER_FROZEN) continue;
        const struct golden *after = find(&w->reference, "after", q->name);
        const double *before = find(&w->reference, "initial", q->name)->values;
        double moved = 0;
        for (int64_t i = 0; i < q->rows * q->cols; i++) moved = fmax(moved, fabs(after->values[i] - before[i]));
        assert_true(moved > 0);
        int64_t n_sure = pass_over_unsure(&w->reference, q->name, q->rows * q->cols, q->value.at, after->values);
        assert_true(n_sure > 0);
        n_compared += n_sure;
        compare("value", after->name, q->value.at, after->values, q->rows * q->cols, moved, TOLERANCE_OF_STEPS);
    }
    assert_true(n_compared > 200);
    compare_table(w);
}

#define CASE(name)                                                                                                     \
    {"forward_values_agree: " name, forward_values_agree, make_world, free_world, (void *)(name)},                     \
        {"loss_terms_and_gradients_agree: " name, loss_terms_and_gradients_agree, make_world, free_world,              \
         (void *)(name)},                                                                                              \
    {                                                                                                                  \
        "ten_steps_and_their_table_agree: " name, ten_steps_and_their_table_agree, make_world, free_world,             \
            (void *)(name)                                                                                             \
    }

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {CASE("gcn-raw-all"),
                                       CASE("gat-normalized-middle"),
                                       CASE("gat-raw-all-unclipped"),
                                       CASE("absent-sides-and-siblings"),
                                       CASE("ema-schedule-decay"),
                                       CASE("residual"),
                                       CASE("residual-ema"),
                                       CASE("parts-absent-sides"),
                                       CASE("publication"),
                                       CASE("divergence-rotation"),
                                       CASE("residual-rotation-apart"),
                                       CASE("neighbours"),
                                       CASE("sparse"),
                                       CASE("specific-of-features")};
    if (comm_start(&comm, &argc, &argv) != STATUS_OK) return 1;
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    comm_stop(&comm);
    return failures;
}
