/* Pre-training in folds and with several seeds: what it makes is of the fold's train alone, whatever the other subjects have; each seed has
 * its own; and it is made once. Of ETHOS long histories are read in several windows. */
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

#include "base/rng.h"
#include "base/status.h"
#include "ehr/evaluation.h"
#include "made_cohort.h"
#include "train/train.h"

/* Known codes are all subjects'; new ones are of subjects outside train, if these are others. */
enum { SUBJECTS = 60, FOLDS = 5, TRAIN_FOLDS = 3, EVENTS = 12, KNOWN = 10, NEW = 4, WIDTH = 8, STEPS = 3 };
static const int64_t DAY = (int64_t)86400 * 1000000, NOW = (int64_t)20000 * 86400 * 1000000;
static char folder[] = "/tmp/medtok-pretraining-XXXXXX";
static struct device device;

/* ---- the cohort of a fold ---- */
static enum cohort_split split_of(int64_t subject, int fold) {
    int64_t part = (subject + fold) % FOLDS;
    return part < TRAIN_FOLDS ? SPLIT_TRAIN : part == TRAIN_FOLDS ? SPLIT_TUNING : SPLIT_HELD_OUT;
}

/* others: subjects outside the fold's train have other histories and codes. New codes stand in front, so that the known ones have other
 * numbers there. */
static float value_of_events = NAN;

static void write_cohort(const char *path, int fold, int others) {
    static char code[NEW + KNOWN][16], task[1][8] = {"task"};
    static int64_t count[NEW + KNOWN], subject[SUBJECTS], birth[SUBJECTS], offsets[SUBJECTS + 1],
        time[SUBJECTS * EVENTS];
    static int64_t sample_time[SUBJECTS], task_offsets[] = {0, SUBJECTS};
    static int32_t event_code[SUBJECTS * EVENTS], sample_subject[SUBJECTS], label[SUBJECTS];
    static uint8_t split[SUBJECTS];
    static float value[SUBJECTS * EVENTS];
    struct provenance provenance = {.job = "cohort", .config = "", .inputs = strdup("")};
    int n_new = others ? NEW : 0;
    for (int c = 0; c < n_new + KNOWN; c++)
        snprintf(code[c], sizeof code[c], c < n_new ? "B//%02d" : "C//%02d", c < n_new ? c : c - n_new);
    for (int64_t s = 0; s < SUBJECTS; s++) {
        int is_other = others && split_of(s, fold) != SPLIT_TRAIN;
        subject[s] = 100 + s, birth[s] = NOW - (20000 + s) * DAY, split[s] = (uint8_t)split_of(s, fold);
        for (int64_t i = 0; i < EVENTS; i++) {
            int64_t at = s * EVENTS + i;
            double drawn = rng_uniform(31, 1, (uint32_t)is_other, (uint64_t)at);
            time[at] = NOW - (EVENTS - 1 - i) / 3 * 40 * DAY;
            event_code[at] = (int32_t)(is_other ? drawn * (n_new + KNOWN) : n_new + drawn * KNOWN);
            value[at] = value_of_events;
            count[event_code[at]]++;
        }
        offsets[s + 1] = (s + 1) * EVENTS;
        sample_subject[s] = (int32_t)s, sample_time[s] = NOW, label[s] = (int32_t)(s / FOLDS % 2);
    }
    struct cohort_events events = {
        .n_subjects = SUBJECTS, .offsets = offsets, .time = time, .code = event_code, .value = value};
    struct cohort c = {.n_codes = n_new + KNOWN,
                       .code_bytes = sizeof code[0],
                       .code = code[0],
                       .code_count = count,
                       .code_count_train = count,
                       .n_subjects = SUBJECTS,
                       .subject = subject,
                       .birth = birth,
                       .split = split,
                       .n_tasks = 1,
                       .task_bytes = sizeof task[0],
                       .task = task[0],
                       .task_offsets = task_offsets,
                       .sample_subject = sample_subject,
                       .sample_time = sample_time,
                       .sample_label = label,
                       .events = &events};
    provenance_finish(&provenance, KIND_COHORT);
    assert_int_equal(made_cohort_write(path, &c, &provenance), STATUS_OK);
    provenance_free(&provenance);
}

static struct ehr_options options_of(enum ehr_model_number model, enum ehr_arm arm) {
    static char task[] = "";
    static char *outcome[] = {"C//03"};
    struct ehr_options sized, o = {.task = task,
                                   .model = model,
                                   .arm = arm,
                                   .outcome = {1, outcome},
                                   .futures = 2,
                                   .min_count = 1,
                                   .max_length = 32,
                                   .dim = model == EHR_GT_BEHRT ? 40 : 16,  /* its graphs have a fifth of it */
                                   .layers = model == EHR_MULT_EHR ? 2 : 1, /* as many as it takes */
                                   .heads = 2,
                                   .inner = 16,
                                   .dropout = 0.1,
                                   .position_scale = 1,
                                   .batch = 12,
                                   .pretrain_steps = STEPS,
                                   .pretrain_rate = 3e-3,
                                   .steps = STEPS,
                                   .rate = 3e-3,
                                   .weight_decay = 0.01,
                                   .eval_every = 1,
                                   .patience = 10,
                                   .log_every = 1000};
    if (ehr_options_sized(&o, &sized) != STATUS_OK) fail_msg("%s", status_message());
    return sized;
}

/* ---- a pre-training ---- */
struct pretrained {
    struct ehr_options options;
    struct ehr_data data;
    float *vectors;
    struct ehr_learner learner;
};

/* All codes have a vector. */
static int find(void *self, const struct cohort *cohort, const int64_t *in_train, const uint8_t *wanted, int64_t *row) {
    (void)self;
    (void)in_train;
    for (int64_t i = 0; i < cohort->n_codes; i++) {
        const char *code = cohort_code(cohort, i);
        row[i] = wanted[i] ? (code[0] == 'B' ? 100 : 0) + atoi(code + 3) : VECTOR_MISSING;
    }
    return STATUS_OK;
}

static void pretrain(struct pretrained *p, enum ehr_model_number model, enum ehr_arm arm, int fold, int others) {
    struct comm comm = comm_self();
    struct vector_source source = {find, NULL, 0};
    struct provenance provenance = {.job = "evaluate", .config = ""};
    struct checkpoint_ring ring = {"pretrained.h5", &provenance, 1, "files.scores"};
    struct training training = {0};
    *p = (struct pretrained){.options = options_of(model, arm)};
    write_cohort("cohort.h5", fold, others);
    assert_int_equal(ehr_data_make(&p->data, &comm, "cohort.h5", &p->options, 1, arm == ARM_BASE ? NULL : &source),
                     STATUS_OK);
    assert_int_equal(mem_alloc(&p->vectors, p->data.n_vectors * WIDTH, sizeof *p->vectors), STATUS_OK);
    for (int64_t i = 0; i < p->data.n_vectors * WIDTH; i++)
        p->vectors[i] = (float)rng_normal(33, 1, (uint32_t)p->data.vector[i / WIDTH], (uint64_t)(i % WIDTH));
    struct ehr_learner_terms terms = {&p->options,
                                      &p->data,
                                      {.arm = arm,
                                       .n_own = p->data.n_own,
                                       .n_vectors = p->data.n_vectors,
                                       .n_train_vectors = p->data.n_train_vectors,
                                       .width = WIDTH,
                                       .vectors = arm == ARM_BASE ? NULL : p->vectors},
                                      7};
    struct train_options options = ehr_train_options(&p->options, STAGE_PRETRAIN);
    assert_int_equal(ehr_learner_make(&p->learner, &terms, STAGE_PRETRAIN, &comm, &device, 1), STATUS_OK);
    provenance_finish(&provenance, KIND_CHECKPOINT);
    training_open(&training, &comm, &device, &options);
    assert_int_equal(train(&training, &p->learner.learner, &ring, "pretrained.jsonl"), STATUS_OK);
    training_free(&training);
    provenance_free(&provenance);
    assert_int_equal(unlink("pretrained.h5"), 0);
}

static void end(struct pretrained *p) {
    ehr_learner_free(&p->learner);
    ehr_data_free(&p->data);
    free(p->vectors);
}

static int64_t count_of(const struct parameter *p) { return p->rows * p->cols; }

static real *values_of(const struct parameter *p) {
    real *values;
    assert_int_equal(mem_alloc(&values, count_of(p), sizeof *values), STATUS_OK);
    device_download_reals(&device, values, p->value, count_of(p));
    device_synchronize(&device);
    return values;
}

/* Whether all parameters are the same bits. Rows of codes that train has not stand behind those of the others, and are left out. */
static int same_values(const struct pretrained *a, const struct pretrained *b) {
    const struct parameter_set *x = &a->learner.parameters, *y = &b->learner.parameters;
    int same = 1;
    assert_int_equal(x->n, y->n);
    for (long long i = 0; i < x->n; i++) {
        const struct parameter *p = x->list[i], *q = y->list[i];
        int64_t n = count_of(p) < count_of(q) ? count_of(p) : count_of(q);
        if (strncmp(p->name, "codes.", 6) != 0 && count_of(p) != count_of(q))
            fail_msg("%s: %lld values and %lld", p->name, (long long)count_of(p), (long long)count_of(q));
        real *u = values_of(p), *v = values_of(q);
        same = same && memcmp(u, v, (size_t)n * sizeof *u) == 0;
        free(u);
        free(v);
    }
    return same;
}

static int64_t told_codes(const struct pretrained *p) {
    int64_t n = 0;
    for (int64_t i = 0; i < p->data.n_cohort_codes; i++) n += p->data.in_train[i] > 0;
    return n;
}

static void it_tells_codes_of_the_folds_train_alone(void **state) {
    (void)state;
    static const enum ehr_arm ARMS[] = {ARM_MEDTOK_INIT, ARM_MEDTOK_FROZEN, ARM_BASE};
    int n_models = 0;
    for (int model = 0; model < N_EHR_MODELS; model++) {
        if (!ehr_model((enum ehr_model_number)model)->pretrain) continue;
        n_models++;
        for (int a = 0; a < (model == EHR_BEHRT ? 3 : 2); a++) {
            struct pretrained p[2], other;
            for (int fold = 0; fold < 2; fold++) {
                pretrain(&p[fold], (enum ehr_model_number)model, ARMS[a], fold, 0);
                pretrain(&other, (enum ehr_model_number)model, ARMS[a], fold, 1);
                assert_int_equal(p[fold].data.n_pretrain, SUBJECTS * TRAIN_FOLDS / FOLDS);
                assert_true(told_codes(&p[fold]) == KNOWN && told_codes(&other) == KNOWN);
                assert_int_equal(other.data.n_vectors - p[fold].data.n_vectors, ARMS[a] == ARM_BASE ? 0 : NEW);
                assert_true(same_values(&p[fold], &other));
                end(&other);
            }
            assert_false(same_values(&p[0], &p[1])); /* each fold has its own */
            for (int fold = 0; fold < 2; fold++) end(&p[fold]);
        }
    }
    assert_true(n_models >= 4);
}

/* ---- windows ---- */
/* 12 codes of one part each at four times, 40 days apart: 15 units, beside which a window has an age and a year. */
static struct pretrained read_histories(enum ehr_model_number model, int64_t max_length) {
    struct comm comm = comm_self();
    struct pretrained p = {.options = options_of(model, ARM_BASE)};
    p.options.max_length = max_length;
    write_cohort("cohort.h5", 0, 0);
    assert_int_equal(ehr_data_make(&p.data, &comm, "cohort.h5", &p.options, 1, NULL), STATUS_OK);
    return p;
}

/* Codes are counted once a subject all the same; a history is held once. */
static void long_histories_are_read_as_often_as_they_fill_windows(void **state) {
    (void)state;
    static const struct {
        enum ehr_model_number model;
        int64_t max_length, windows;
    } CASES[] = {
        {EHR_ETHOS, 17, 1}, {EHR_ETHOS_PROBE, 16, 2}, {EHR_ETHOS_PROBE, 10, 2}, {EHR_ETHOS, 9, 3}, {EHR_BEHRT, 9, 1}};
    struct pretrained whole = read_histories(EHR_ETHOS, 17);
    for (size_t c = 0; c < sizeof CASES / sizeof *CASES; c++) {
        struct pretrained p = read_histories(CASES[c].model, CASES[c].max_length);
        const struct sample_set *set = &p.data.pretrain;
        int64_t windows = CASES[c].windows;
        assert_int_equal(set->n, windows * SUBJECTS * TRAIN_FOLDS / FOLDS);
        assert_int_equal(p.data.n_pretrain, set->n);
        assert_int_equal(set->offsets[set->n], EVENTS * SUBJECTS * TRAIN_FOLDS / FOLDS);
        for (int64_t i = 0; i < set->n; i++) {
            int64_t first = i / windows * windows;
            struct sample_history a = sample_set_history(set, first), b = sample_set_history(set, i);
            assert_int_equal(set->window[i], i - first);
            assert_true(set->subject[i] == set->subject[first] && set->number[i] == set->number[first]);
            assert_true(a.events == b.events && a.n == b.n && a.n == EVENTS && a.birth == b.birth);
        }
        if (CASES[c].model != EHR_BEHRT)
            for (int64_t k = 0; k < p.data.n_cohort_codes; k++)
                assert_int_equal(p.data.in_train[k], whole.data.in_train[k]);
        ehr_data_free(&p.data);
    }
    ehr_data_free(&whole.data);
}

/* Behind a code with values stands a decile: 27 units. */
static void values_are_units_of_the_windows(void **state) {
    (void)state;
    value_of_events = 1;
    struct pretrained p = read_histories(EHR_ETHOS, 17);
    value_of_events = NAN;
    assert_int_equal(p.data.pretrain.n, 2 * SUBJECTS * TRAIN_FOLDS / FOLDS);
    ehr_data_free(&p.data);
}

/* The mean loss of the units that two of the windows tell, without dropout. */
static double loss_of(struct ehr_learner *l, int64_t a, int64_t b, uint32_t step) {
    const int64_t which[] = {a, b};
    struct ehr_slot *slot = &l->slots[0];
    slot->batch.step = step;
    tape_reset(&l->tape, 1);
    assert_int_equal(ehr_learner_pack(l, slot, &l->terms.data->pretrain, 2, which), STATUS_OK);
    assert_int_equal(pack_send(&slot->pack), STATUS_OK);
    real loss = 0;
    dev_real on_device = tape_scratch(&l->tape, 1);
    device.run->fill(&device, 1, 0, on_device);
    l->model->pretrain(l->self, &l->tape, &slot->batch, 1 / (double)l->model->targets(slot->batch.input), on_device);
    device_download_reals(&device, &loss, on_device, 1);
    device_synchronize(&device);
    assert_int_equal(tape_status(&l->tape), STATUS_OK);
    return loss;
}

/* The first two are of one history: were their places drawn alike, the mean would be that of one of them. */
static void windows_of_a_history_are_drawn_apart(void **state) {
    (void)state;
    struct comm comm = comm_self();
    struct pretrained p = read_histories(EHR_ETHOS_PROBE, 8);
    struct ehr_learner_terms terms = {&p.options, &p.data, {.arm = ARM_BASE, .n_own = p.data.n_own}, 7};
    assert_int_equal(ehr_learner_make(&p.learner, &terms, STAGE_PRETRAIN, &comm, &device, 1), STATUS_OK);
    int apart = 0;
    for (uint32_t step = 0; step < 4; step++)
        apart += fabs(loss_of(&p.learner, 0, 1, step) - loss_of(&p.learner, 0, 0, step)) > 1e-5; /* rounding: 1e-7 */
    assert_true(apart >= 2); /* of 11 places two may be the same by chance */
    end(&p);
}

/* ---- once ---- */
static void train_seed(struct ehr_evaluation *x, uint64_t seed, const char *path, const char *metrics) {
    struct provenance provenance = {.job = "evaluate", .config = seed == 1 ? "seed: 1\n" : "seed: 2\n"};
    struct checkpoint_ring ring = {path, &provenance, 1, "files.scores"};
    provenance_finish(&provenance, KIND_CHECKPOINT);
    assert_int_equal(ehr_evaluation_train(x, seed, &ring, metrics), STATUS_OK);
    provenance_free(&provenance);
}

static struct timespec made_at(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_mtim;
}

static int same_time(struct timespec a, struct timespec b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

/* What a checkpoint holds. */
static void content_of(const char *path, char id[64]) {
    struct h5file *file;
    char *text;
    assert_int_equal(h5file_open(&file, path, KIND_CHECKPOINT), STATUS_OK);
    assert_int_equal(h5file_get_text(file, "content_id", &text), STATUS_OK);
    snprintf(id, 64, "%s", text);
    free(text);
    h5file_close(file);
}

/* Of a run that is killed between pre-training and the end, pre-training is taken over. */
static void each_seed_pretrains_once(void **state) {
    (void)state;
    struct comm comm = comm_self();
    struct ehr_options options = options_of(EHR_BEHRT, ARM_BASE);
    struct ehr_evaluation x = {
        .comm = &comm, .device = &device, .threads = 1, .settings = &options, .data_seed = 1, .cohort = "cohort.h5"};
    char first[64], again[64], second[64];
    write_cohort("cohort.h5", 0, 1);
    assert_int_equal(ehr_evaluation_load(&x), STATUS_OK);
    train_seed(&x, 1, "one.h5", "one.jsonl");
    train_seed(&x, 2, "two.h5", "two.jsonl");
    content_of("one.pretrained.h5", first);
    content_of("two.pretrained.h5", second);
    assert_string_not_equal(first, second);
    struct timespec since = made_at("one.pretrained.h5");
    content_of("one.h5", first);
    assert_int_equal(unlink("one.h5"), 0);
    train_seed(&x, 1, "one.h5", "one.jsonl");
    content_of("one.h5", again);
    assert_string_equal(first, again);
    assert_true(same_time(since, made_at("one.pretrained.h5")));
    x.anew = 1; /* --force */
    assert_int_equal(unlink("one.h5"), 0);
    train_seed(&x, 1, "one.h5", "one.jsonl");
    content_of("one.h5", again);
    assert_string_equal(first, again);
    assert_false(same_time(since, made_at("one.pretrained.h5")));
    ehr_evaluation_free(&x);
}

static int enter(void **state) {
    (void)state;
    return !mkdtemp(folder) || chdir(folder) || device_open_cpu(&device, 1);
}

static int leave(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    device_close(&device);
    return chdir("/") || system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_tells_codes_of_the_folds_train_alone),
                                       cmocka_unit_test(long_histories_are_read_as_often_as_they_fill_windows),
                                       cmocka_unit_test(values_are_units_of_the_windows),
                                       cmocka_unit_test(windows_of_a_history_are_drawn_apart),
                                       cmocka_unit_test(each_seed_pretrains_once)};
    return cmocka_run_group_tests(tests, enter, leave);
}
