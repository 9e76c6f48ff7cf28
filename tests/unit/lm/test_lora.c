/* Adapters against `peft` (tests/golden/make_lora_golden.py): logits, also of the model that it has merged them into; gradients of
 * one step; its files. Queries and values alone (llama3), and all maps of a layer (qwen2). */
#include "golden_rows.h"

#include <math.h>
#include <unistd.h>

#include "base/status.h"
#include "lm/lora.h"

#define GOLDEN "tests/golden/llama"

static const char *const FAMILIES[] = {"llama3", "qwen2"};
enum { N_FAMILIES = 2, MOST = 64, MOST_VOCABULARY = 512 };

static struct device device;

/* A model with adapters, values as peft saved them or (fresh) as they begin. */
struct adapted {
    struct llama llama;
    struct parameter_set set;
    struct lora lora;
    struct tape tape;
    char folder[256]; /* of the adapter */
    dev_int ints;
    struct llama_rows rows;
    dev_int last;
};

static void open_adapted(struct adapted *a, const char *name, int fresh, double dropout, int recompute) {
    struct lora_options options;
    char base[256];
    memset(a, 0, sizeof *a);
    snprintf(base, sizeof base, GOLDEN "/%s", name);
    snprintf(a->folder, sizeof a->folder, GOLDEN "/%s/lora", name);
    if (llama_open(&a->llama, &device, base, PRODUCTS_F32, recompute)) fail_msg("%s", status_message());
    if (lora_options_read(&options, a->folder)) fail_msg("%s", status_message());
    options.dropout = dropout;
    assert_int_equal(lora_add(&a->lora, &a->llama, &a->set, &options), STATUS_OK);
    assert_int_equal(parameter_set_allocate(&a->set, &device, 0, 1, 1), STATUS_OK);
    assert_int_equal(parameter_set_initialize(&a->set, 7), STATUS_OK);
    if (!fresh && lora_load(&a->lora, a->folder)) fail_msg("%s", status_message());
    tape_init(&a->tape, &device);
}

static void close_adapted(struct adapted *a) {
    device_free_ints(&device, a->ints);
    tape_free(&a->tape);
    lora_free(&a->lora);
    parameter_set_free(&a->set);
    llama_close(&a->llama);
}

/* Texts of ids, end to end; the last of each is what its row before should choose. */
static void send(struct adapted *a, int64_t n_texts, const int64_t *length, const int32_t *ids) {
    int32_t host[8 * MOST], *at = host, offsets[MOST], n = 0;
    for (int64_t i = 0; i < n_texts; i++) offsets[i] = n, n += (int32_t)length[i];
    offsets[n_texts] = n;
    memcpy(at, ids, (size_t)n * sizeof *at);
    at += n;
    for (int64_t i = 0; i < n_texts; i++)
        for (int32_t r = 0; r < length[i]; r++) *at++ = r;
    for (int64_t i = 0; i <= n_texts; i++) *at++ = offsets[i];
    for (int64_t i = 0; i < n_texts; i++) *at++ = (int32_t)i;
    for (int64_t i = 0; i < n_texts; i++) *at++ = offsets[i + 1] - 1;
    device_free_ints(&device, a->ints);
    a->ints = device_alloc_ints(&device, at - host);
    device_upload_ints(&device, a->ints, host, at - host);
    dev_int behind = dev_int_at(a->ints, 2 * n);
    a->rows = (struct llama_rows){.segments = {{n_texts, n, behind}, dev_int_at(behind, n_texts + 1)},
                                  .token = a->ints,
                                  .position = dev_int_at(a->ints, n),
                                  .dropout = {.seed = 5, .step = 2}};
    a->last = dev_int_at(behind, 2 * n_texts + 1);
}

/* Logits behind the last token of a text. */
static void logits_of(struct adapted *a, int64_t n, const int32_t *ids, int evaluating, real *logits) {
    send(a, 1, &n, ids);
    tape_reset(&a->tape, evaluating);
    struct var *h = nn_gather(&a->tape, llama_hidden(&a->llama, &a->tape, &a->rows, NULL), a->last, 1);
    struct var *y = nn_linear(&a->tape, h, llama_head(&a->llama, &a->tape), NULL);
    if (tape_status(&a->tape)) fail_msg("%s", status_message());
    device_download_reals(&device, logits, y->value, y->cols);
}

static void logits_are_those_of_peft_and_of_its_merged_model(void **state) {
    (void)state;
    for (int f = 0; f < N_FAMILIES; f++) {
        struct adapted a;
        char path[300];
        int32_t ids[MOST];
        real logits[MOST_VOCABULARY];
        double wanted[MOST_VOCABULARY];
        open_adapted(&a, FAMILIES[f], 0, 0, 0);
        snprintf(path, sizeof path, "%s/logits.tsv", a.folder);
        struct golden_rows rows = golden_open(path);
        assert_true(golden_next(&rows));
        int64_t n = golden_ids(rows.field[0], MOST, ids), v = a.llama.config.vocabulary;
        logits_of(&a, n, ids, 1, logits);
        for (int k = 1; k < 3; k++) { /* with the adapter beside the weights, and merged into them */
            assert_int_equal(golden_numbers(rows.field[k], MOST_VOCABULARY, wanted), v);
            for (int64_t j = 0; j < v; j++)
                if (!(fabs((double)logits[j] - wanted[j]) < 1e-4))
                    fail_msg("%s: logit %lld is %g, not %g", FAMILIES[f], (long long)j, (double)logits[j], wanted[j]);
        }
        assert_false(golden_next(&rows));
        close_adapted(&a);
    }
}

static void a_zero_b_changes_no_bit_of_the_logits(void **state) {
    (void)state;
    const int32_t ids[] = {4, 90, 17, 55, 200};
    for (int f = 0; f < N_FAMILIES; f++) {
        struct adapted a;
        real base[MOST_VOCABULARY], adapted[MOST_VOCABULARY];
        open_adapted(&a, FAMILIES[f], 1, 0.2, 0);
        logits_of(&a, 5, ids, 0, adapted); /* in training, with dropout of what A reads */
        lora_free(&a.lora);
        logits_of(&a, 5, ids, 1, base);
        assert_memory_equal(adapted, base, (size_t)a.llama.config.vocabulary * sizeof *base);
        close_adapted(&a);
    }
}

/* The mean cross-entropy of the texts' last tokens. Returns the loss. */
static double step(struct adapted *a) {
    char path[300];
    int32_t ids[MOST], target[8];
    int64_t length[8], n = 0, n_texts = 0;
    double wanted = 0;
    real loss;
    snprintf(path, sizeof path, "%s/loss.tsv", a->folder);
    struct golden_rows rows = golden_open(path);
    for (; golden_next(&rows); n_texts++) {
        int64_t more = golden_ids(rows.field[0], MOST, ids + n);
        length[n_texts] = more - 1;
        target[n_texts] = ids[n + more - 1];
        n += more - 1;
        golden_numbers(rows.field[1], 1, &wanted);
    }
    send(a, n_texts, length, ids);
    tape_reset(&a->tape, 0);
    dev_real sum = tape_reals(&a->tape, 1);
    dev_int targets = tape_ints(&a->tape, n_texts);
    device_upload_ints(&device, targets, target, n_texts);
    device.run->fill(&device, 1, 0, sum);
    struct var *h = nn_gather(&a->tape, llama_hidden(&a->llama, &a->tape, &a->rows, NULL), a->last, n_texts);
    struct cross_entropy how = {.scale = 1, .weight = 1 / (double)n_texts, .target = targets};
    nn_cross_entropy(&a->tape, h, llama_head(&a->llama, &a->tape), NULL, how, sum, (dev_real){NULL});
    tape_backward(&a->tape);
    if (tape_status(&a->tape)) fail_msg("%s", status_message());
    device_download_reals(&device, &loss, sum, 1);
    assert_true(fabs((double)loss - wanted) < 1e-5 * wanted);
    return loss;
}

static void gradients_of_a_step_are_those_of_peft(void **state) {
    (void)state;
    for (int k = 0; k < 2 * N_FAMILIES; k++) { /* once with recomputation */
        struct adapted a;
        struct safetensors file;
        char path[300];
        static float wanted[8192];
        static real got[8192];
        open_adapted(&a, FAMILIES[k / 2], 0, 0, k % 2);
        step(&a);
        snprintf(path, sizeof path, "%s/gradients.safetensors", a.folder);
        assert_int_equal(safetensors_open(&file, path), STATUS_OK);
        assert_int_equal(file.n, a.lora.n_parameters);
        for (int64_t i = 0; i < a.lora.n_parameters; i++) {
            const struct parameter *p = a.lora.parameters[i];
            const struct tensor *t = safetensors_find(&file, p->name);
            double largest = 0;
            if (!t) fail_msg("peft has no %s", p->name);
            assert_int_equal(t->count, p->rows * p->cols);
            tensor_values(t, wanted);
            device_download_reals(&device, got, p->grad, t->count);
            for (int64_t j = 0; j < t->count; j++) largest = fmax(largest, fabs((double)wanted[j]));
            assert_true(largest > 0);
            for (int64_t j = 0; j < t->count; j++) /* both round sums of some tens of float32 */
                if (!(fabs((double)got[j] - (double)wanted[j]) < 1e-4 * largest))
                    fail_msg("%s: gradient %lld is %g, not %g", p->name, (long long)j, (double)got[j],
                             (double)wanted[j]);
        }
        safetensors_close(&file);
        close_adapted(&a);
    }
}

static void adapters_are_saved_as_peft_saves_them(void **state) {
    (void)state;
    for (int f = 0; f < N_FAMILIES; f++) {
        struct adapted a;
        struct safetensors ours, theirs;
        struct lora_options options;
        char folder[] = "/tmp/medtok-lora-XXXXXX", path[300], command[300];
        assert_non_null(mkdtemp(folder));
        open_adapted(&a, FAMILIES[f], 0, 0, 0);
        if (lora_save(&a.lora, folder)) fail_msg("%s", status_message());
        assert_int_equal(lora_options_read(&options, folder), STATUS_OK);
        assert_int_equal(options.rank, a.lora.options.rank);
        assert_int_equal(options.targets, a.lora.options.targets);
        assert_true(options.alpha == a.lora.options.alpha);
        snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
        assert_int_equal(safetensors_open(&ours, path), STATUS_OK);
        snprintf(path, sizeof path, "%s/adapter_model.safetensors", a.folder);
        assert_int_equal(safetensors_open(&theirs, path), STATUS_OK);
        assert_int_equal(ours.n, theirs.n);
        for (int64_t i = 0; i < ours.n; i++) {
            assert_string_equal(ours.tensors[i].name, theirs.tensors[i].name);
            assert_int_equal(ours.tensors[i].type, theirs.tensors[i].type);
            assert_int_equal(ours.tensors[i].dims[0], theirs.tensors[i].dims[0]);
            assert_int_equal(ours.tensors[i].count, theirs.tensors[i].count);
            assert_memory_equal(ours.tensors[i].bytes, theirs.tensors[i].bytes, (size_t)ours.tensors[i].count * 4);
        }
        safetensors_close(&ours);
        safetensors_close(&theirs);
        close_adapted(&a);
        snprintf(command, sizeof command, "rm -r %s", folder);
        assert_int_equal(system(command), 0);
    }
}

static void another_adapter_is_refused_by_name(void **state) {
    (void)state;
    struct adapted a;
    open_adapted(&a, "llama3", 1, 0, 0);
    assert_int_equal(lora_load(&a.lora, GOLDEN "/qwen2/lora"), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "28 tensors, but 8 were expected"));
    assert_int_equal(lora_load(&a.lora, GOLDEN "/llama3"), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "adapter_model.safetensors"));
    close_adapted(&a);
}

/* Its A and B are to be added to what is left of the base model's weights, which are not in the model's folder. */
static void an_adapter_of_residual_weights_is_refused(void **state) {
    (void)state;
    char command[512], folder[] = "/tmp/medtok-lora-XXXXXX";
    struct lora_options options;
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command,
             "sed 's/\"init_lora_weights\": true/\"init_lora_weights\": \"pissa_niter_4\"/' " GOLDEN
             "/llama3/lora/adapter_config.json >%s/adapter_config.json",
             folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(lora_options_read(&options, folder), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "init_lora_weights is pissa"));
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_those_of_peft_and_of_its_merged_model),
        cmocka_unit_test(a_zero_b_changes_no_bit_of_the_logits),
        cmocka_unit_test(gradients_of_a_step_are_those_of_peft),
        cmocka_unit_test(adapters_are_saved_as_peft_saves_them),
        cmocka_unit_test(another_adapter_is_refused_by_name),
        cmocka_unit_test(an_adapter_of_residual_weights_is_refused),
    };
    if (device_open_cpu(&device, 1)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&device);
    return failed;
}
