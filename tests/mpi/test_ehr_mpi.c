/* A model of health records, trained and scored as `evaluate` does, on made-up cohorts whose answer is known: it finds the code that
 * makes the label, and nothing in labels that were permuted; what happened after the prediction time, the other samples of a batch
 * and the number of ranks do not matter. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/status.h"
#include "ehr/learner.h"
#include "ehr/models/ethos.h"
#include "train/train.h"
#include "made_cohort.h"
#include "mpi_check.h"

/* ---- the made-up cohort ---- */
enum { SUBJECTS = 600, CODES = 12, NEW_CODES = 2, MOST_EVENTS = 20, LATER_EVENTS = 3, WIDTH = 16 };
static const int64_t DAY = (int64_t)86400 * 1000000, NOW = (int64_t)20000 * 86400 * 1000000; /* of all predictions */
/* Code 5 makes the label; codes 3 and 13 are new with later events. */
enum { CAUSE = 5, MEASURED = 7, FIRST_NEW = 3 };

struct made {
    int later;         /* events after the prediction time, some of codes that are otherwise unknown */
    uint64_t permuted; /* not 0: each subject has the label of another, by this seed */
    int measured;      /* code 7 has values */
};

static double draw(uint32_t what, int64_t i) { return rng_uniform(21, 1, what, (uint64_t)i); }

/* Codes ascend: the new ones stand among the others, so that indices behind them are other ones. */
static int32_t code_index(int code, struct made made) {
    return (int32_t)(made.later ? code + 1 + (code >= FIRST_NEW) : code);
}

struct arrays {
    char code[CODES + NEW_CODES][8], task[1][8];
    int64_t count[CODES + NEW_CODES], subject[SUBJECTS], birth[SUBJECTS], offsets[SUBJECTS + 1], task_offsets[2];
    int64_t sample_time[SUBJECTS];
    uint8_t split[SUBJECTS];
    int32_t sample_subject[SUBJECTS], label[SUBJECTS];
    int64_t time[SUBJECTS * (MOST_EVENTS + LATER_EVENTS)];
    int32_t event_code[SUBJECTS * (MOST_EVENTS + LATER_EVENTS)];
    float value[SUBJECTS * (MOST_EVENTS + LATER_EVENTS)];
};

static void add_event(struct arrays *a, int64_t subject, int64_t time, int32_t code) {
    int64_t at = a->offsets[subject + 1]++;
    a->time[at] = time;
    a->event_code[at] = code;
    a->value[at] = NAN;
    a->count[code]++;
}

static void make_subject(struct arrays *a, int64_t s, struct made made) {
    int64_t n = 2 + (int64_t)(draw(1, s) * (MOST_EVENTS - 2)), time = NOW - 4000 * DAY;
    int has_cause = 0;
    a->subject[s] = 100 + 3 * s;
    a->birth[s] = s % 50 ? NOW - (int64_t)(10000 + 10000 * draw(2, s)) * DAY : COHORT_NO_TIME;
    a->split[s] = s % 5 < 3 ? SPLIT_TRAIN : s % 5 == 3 ? SPLIT_TUNING : SPLIT_HELD_OUT;
    a->offsets[s + 1] = a->offsets[s];
    if (s % 3) add_event(a, s, COHORT_NO_TIME, code_index(0, made));
    for (int64_t i = 1; i < n; i++) {
        int code = 1 + (int)(draw(3, s * MOST_EVENTS + i) * (CODES - 1));
        if (code == CAUSE && draw(4, s * MOST_EVENTS + i) < 0.6) code = CAUSE + 1;
        time += (int64_t)(draw(5, s * MOST_EVENTS + i) * 3) * 60 * DAY; /* often the same day */
        if (i == n - 1) time = NOW;                                     /* known: inclusive */
        add_event(a, s, time, code_index(code, made));
        if (made.measured && code == MEASURED) a->value[a->offsets[s + 1] - 1] = (float)draw(6, s * MOST_EVENTS + i);
        has_cause |= code == CAUSE;
    }
    for (int i = 0; made.later && i < LATER_EVENTS; i++)
        add_event(a, s, NOW + 1 + i, i == 0 ? code_index(CAUSE, made) : i == 1 ? 0 : FIRST_NEW + 1);
    a->label[s] = has_cause;
    a->sample_subject[s] = (int32_t)s;
    a->sample_time[s] = NOW;
}

static void permute(int32_t *label, uint64_t seed) {
    int64_t order[SUBJECTS];
    int32_t old[SUBJECTS];
    for (int64_t s = 0; s < SUBJECTS; s++) order[s] = s;
    memcpy(old, label, sizeof old);
    rng_shuffle(seed, 1, 0, 0, order, SUBJECTS);
    for (int64_t s = 0; s < SUBJECTS; s++) label[s] = old[order[s]];
}

static int write_cohort(const char *path, struct made made) {
    static struct arrays a;
    struct provenance provenance = {.job = "cohort", .config = "", .inputs = strdup("")};
    a = (struct arrays){.task = {"cause"}, .task_offsets = {0, SUBJECTS}};
    int n_codes = CODES + (made.later ? NEW_CODES : 0);
    for (int code = 0; code < CODES; code++) snprintf(a.code[code_index(code, made)], 8, "C//%02d", 2 * code);
    if (made.later) {
        strcpy(a.code[0], "A//new");
        snprintf(a.code[FIRST_NEW + 1], 8, "C//%02d", 2 * FIRST_NEW - 1);
    }
    for (int64_t s = 0; s < SUBJECTS; s++) make_subject(&a, s, made);
    if (made.permuted) permute(a.label, made.permuted);
    struct cohort_events events = {
        .n_subjects = SUBJECTS, .offsets = a.offsets, .time = a.time, .code = a.event_code, .value = a.value};
    struct cohort c = {.n_codes = n_codes,
                       .code_bytes = sizeof a.code[0],
                       .code = a.code[0],
                       .code_count = a.count,
                       .code_count_train = a.count,
                       .n_subjects = SUBJECTS,
                       .subject = a.subject,
                       .birth = a.birth,
                       .split = a.split,
                       .n_tasks = 1,
                       .task_bytes = sizeof a.task[0],
                       .task = a.task[0],
                       .task_offsets = a.task_offsets,
                       .sample_subject = a.sample_subject,
                       .sample_time = a.sample_time,
                       .sample_label = a.label,
                       .events = &events};
    provenance_finish(&provenance, KIND_COHORT);
    int status = made_cohort_write(path, &c, &provenance);
    provenance_free(&provenance);
    return status;
}

/* The same where the behaviour cannot go on. */
#define NEED(condition)                                                                                                \
    do {                                                                                                               \
        CHECK(condition);                                                                                              \
        if (faults) return;                                                                                            \
    } while (0)

/* ---- a training, and scores ---- */
struct world {
    const struct comm *comm;
    char folder[PATH_MAX];
    struct device device;
};

/* A model as it was trained, with what it was made from. */
struct trained {
    struct ehr_options options;
    struct ehr_data data;
    float *vectors;
    int32_t *system;
    struct code_bags bags;
    struct train_options train; /* of training */
    struct training training;
    struct ehr_learner learner;
    int64_t n;
    struct scored_sample *samples; /* of held_out */
};

enum { STEPS = 320, SOME_STEPS = 80, FEW_STEPS = 20 };

/* mult-ehr takes two layers; with one, ethos-probe finds the cause in four seeds of six. */
static struct ehr_options usual_options(enum ehr_model_number model, enum ehr_arm arm) {
    static char task[] = "";
    return (struct ehr_options){.task = task,
                                .model = model,
                                .arm = arm,
                                .min_count = 1,
                                .max_length = 64,
                                .dim = model == EHR_GT_BEHRT ? 40 : 32, /* its graphs have a fifth of it */
                                .layers = model == EHR_MULT_EHR || model == EHR_ETHOS_PROBE ? 2 : 1,
                                .heads = 2,
                                .inner = 32,
                                .dropout = 0.1,
                                .batch = 40,
                                .rate = 3e-3,
                                .warmup = 10,
                                .weight_decay = 0.01,
                                .eval_every = 40,
                                .patience = 10,
                                .log_every = 1000};
}

/* Of the source of vectors each code C//NN has number NN, but the static one. */
static int find(void *self, const struct cohort *cohort, const int64_t *in_train, const uint8_t *wanted, int64_t *row) {
    (void)self;
    (void)in_train;
    for (int64_t i = 0; i < cohort->n_codes; i++) {
        const char *code = cohort_code(cohort, i);
        row[i] = !wanted[i] || code[0] != 'C' ? VECTOR_MISSING : atoi(code + 3);
        if (row[i] == 0) row[i] = VECTOR_OWN_ROW;
    }
    return STATUS_OK;
}

/* By the codes' numbers, so that codes that are added change nothing. */
static int make_vectors(struct trained *t) {
    int64_t n = t->data.n_vectors;
    TRY(mem_alloc(&t->vectors, n * WIDTH, sizeof *t->vectors));
    TRY(mem_alloc(&t->system, n, sizeof *t->system));
    for (int64_t i = 0; i < n * WIDTH; i++)
        t->vectors[i] = 0.25f * (float)rng_normal(23, 1, (uint32_t)t->data.vector[i / WIDTH], (uint64_t)(i % WIDTH));
    return STATUS_OK;
}

/* A row of its own, by its number, and one of three that codes share. */
static int make_bags(const struct ehr_data *d, struct code_bags *b) {
    enum { SHARED = 3 };
    *b = (struct code_bags){
        .n_rows = 2 * CODES + SHARED, .n_items = 2 * d->n_vectors, .top_k = 1, .std = EHR_INIT / sqrt(2)};
    TRY(mem_alloc(&b->offsets, d->n_vectors + 1, sizeof *b->offsets));
    TRY(mem_alloc(&b->row, b->n_items, sizeof *b->row));
    TRY(mem_alloc(&b->weight, b->n_items, sizeof *b->weight));
    for (int64_t i = 0; i < d->n_vectors; i++) {
        b->row[2 * i] = (int32_t)d->vector[i];
        b->row[2 * i + 1] = (int32_t)(2 * CODES + d->vector[i] % SHARED);
        b->weight[2 * i] = b->weight[2 * i + 1] = 1;
        b->offsets[i + 1] = 2 * (i + 1);
    }
    return STATUS_OK;
}

static struct code_rows_source source_of(const struct trained *t, enum ehr_arm arm) {
    struct code_rows_source s = {.arm = arm,
                                 .n_own = t->data.n_own,
                                 .n_vectors = t->data.n_vectors,
                                 .n_train_vectors = t->data.n_train_vectors,
                                 .width = WIDTH,
                                 .system = t->system};
    if (arm_rows_shape(arm) == ROWS_OF_BAGS) s.bags = &t->bags;
    if (arm != ARM_BASE && arm != ARM_RANDOM_FROZEN && !s.bags) s.vectors = t->vectors;
    return s;
}

/* Writes the cohort and makes the learner of a training on it, with first values; `end` frees in any case. */
static int begin(const struct world *w, const struct comm *comm, const char *name, struct made made,
                 enum ehr_model_number model, enum ehr_arm arm, int64_t steps, struct trained *t) {
    char cohort[2 * PATH_MAX];
    snprintf(cohort, sizeof cohort, "%s/%s.cohort.h5", w->folder, name);
    struct ehr_options options_given = usual_options(model, arm);
    options_given.steps = steps;
    *t = (struct trained){0};
    TRY(ehr_options_sized(&options_given, &t->options));
    t->train = ehr_train_options(&t->options, STAGE_TASK);
    training_open(&t->training, comm, (struct device *)&w->device, &t->train);
    TRY(comm_agree(comm, comm->rank == 0 ? write_cohort(cohort, made) : STATUS_OK));
    struct vector_source source = {find, NULL, 0};
    TRY(ehr_data_make(&t->data, comm, cohort, &t->options, 1, arm == ARM_BASE ? NULL : &source));
    TRY(make_vectors(t));
    TRY(make_bags(&t->data, &t->bags));
    struct ehr_learner_terms terms = {&t->options, &t->data, source_of(t, arm), 7};
    return ehr_learner_make(&t->learner, &terms, STAGE_TASK, comm, (struct device *)&w->device, 1);
}

/* Trains over `comm` on the cohort and scores held_out; `end` frees in any case. */
static int learn(const struct world *w, const struct comm *comm, const char *name, struct made made,
                 enum ehr_model_number model, enum ehr_arm arm, int64_t steps, struct trained *t) {
    char checkpoint[2 * PATH_MAX], metrics[2 * PATH_MAX];
    struct provenance provenance = {.job = "evaluate", .config = "seed: 1\n"};
    snprintf(checkpoint, sizeof checkpoint, "%s/%s.h5", w->folder, name);
    snprintf(metrics, sizeof metrics, "%s/%s.jsonl", w->folder, name);
    TRY(begin(w, comm, name, made, model, arm, steps, t));
    provenance_finish(&provenance, KIND_CHECKPOINT);
    struct checkpoint_ring ring = {checkpoint, &provenance, 1, "files.scores"};
    int status = train(&t->training, &t->learner.learner, &ring, metrics);
    provenance_free(&provenance);
    TRY(status);
    return ehr_learner_score(&t->learner, SPLIT_HELD_OUT, &t->n, &t->samples);
}

static void end(struct trained *t) {
    training_free(&t->training);
    ehr_learner_free(&t->learner);
    ehr_data_free(&t->data);
    free(t->vectors);
    free(t->system);
    code_bags_free(&t->bags);
    free(t->samples);
}

static double average_precision(int64_t n, const struct scored_sample *samples) {
    struct scores scores;
    CHECK(scores_compute(n, samples, &scores) == STATUS_OK);
    return scores.average_precision;
}

/* Others have tests of their own. */
static int learns_labels(enum ehr_model_number model) { return !ehr_model(model)->score; }

/* ---- behaviours ---- */
/* So that what differs between arms of a seed is what they know of codes. (What ETHOS spells codes with is of the arm.) */
static void first_values_are_equal(const struct world *w, enum ehr_model_number model, enum ehr_arm arm) {
    struct trained base, other;
    int64_t n_same = 0, n_shared = 0;
    NEED(begin(w, w->comm, "first-base", (struct made){0}, model, ARM_BASE, STEPS, &base) == STATUS_OK);
    NEED(begin(w, w->comm, "first", (struct made){0}, model, arm, STEPS, &other) == STATUS_OK);
    for (long long i = 0; i < base.learner.parameters.n; i++) {
        const struct parameter *p = base.learner.parameters.list[i];
        if (strncmp(p->name, "codes.", 6) == 0) continue;
        n_shared++;
        for (long long k = 0; k < other.learner.parameters.n; k++) {
            const struct parameter *q = other.learner.parameters.list[k];
            if (strcmp(p->name, q->name) != 0 || p->rows != q->rows) continue;
            CHECK(memcmp(p->value.at, q->value.at, (size_t)(p->count * p->cols) * sizeof(real)) == 0);
            n_same++;
        }
    }
    CHECK(n_same > 0 && (n_same == n_shared || model == EHR_ETHOS_PROBE));
    end(&base);
    end(&other);
}

static void all_arms_of_a_seed_start_from_the_same_encoder(const struct world *w) {
    for (enum ehr_arm arm = ARM_BASE + 1; arm <= ARM_SHUFFLED; arm++) first_values_are_equal(w, EHR_BEHRT, arm);
    for (enum ehr_model_number model = EHR_BEHRT + 1; model < N_EHR_MODELS; model++)
        if (learns_labels(model)) first_values_are_equal(w, model, ARM_MEDTOK_FROZEN);
}

static void cause_is_found(const struct world *w, enum ehr_model_number model, enum ehr_arm arm) {
    struct trained t;
    char name[32];
    snprintf(name, sizeof name, "model-%d-arm-%d", (int)model, (int)arm);
    int64_t steps = model == EHR_BEHRT ? STEPS : 2 * STEPS;
    NEED(learn(w, w->comm, name, (struct made){0}, model, arm, steps, &t) == STATUS_OK);
    CHECK(t.data.n_own == (arm == ARM_BASE ? CODES : 1) && t.data.n_own + t.data.n_vectors == CODES);
    double value = average_precision(t.n, t.samples);
    if (value <= 0.999) fprintf(stderr, "model %d, arm %d: average precision %.4f\n", (int)model, (int)arm, value);
    CHECK(t.n == SUBJECTS / 5 && value > 0.999);
    end(&t);
}

static void a_code_that_makes_the_label_is_found_by_each_arm(const struct world *w) {
    for (enum ehr_arm arm = ARM_BASE; arm <= ARM_SHUFFLED; arm++) cause_is_found(w, EHR_BEHRT, arm);
}

static void a_code_that_makes_the_label_is_found_by_each_model(const struct world *w) {
    for (enum ehr_model_number model = EHR_BEHRT + 1; model < N_EHR_MODELS; model++) {
        if (!learns_labels(model)) continue;
        cause_is_found(w, model, ARM_BASE);
        cause_is_found(w, model, ARM_MEDTOK_FROZEN);
    }
}

/* The mean and standard deviation of average precision where scores say nothing: the same scores with labels in other orders. */
static void chance(int64_t n, const struct scored_sample *samples, double *mean, double *sd) {
    enum { ORDERS = 400 };
    struct scored_sample shuffled[SUBJECTS];
    int64_t order[SUBJECTS];
    double sum = 0, square = 0;
    for (uint32_t k = 0; k < ORDERS; k++) {
        for (int64_t i = 0; i < n; i++) order[i] = i;
        rng_shuffle(24, 1, k, 0, order, n);
        for (int64_t i = 0; i < n; i++) {
            shuffled[i] = samples[i];
            shuffled[i].label = samples[order[i]].label;
        }
        double value = average_precision(n, shuffled);
        sum += value;
        square += value * value;
    }
    *mean = sum / ORDERS;
    *sd = sqrt(square / ORDERS - *mean * *mean);
}

/* The mean over three permutations, in standard deviations of one: of 3 / sqrt(3). */
static void permuted_labels_are_scored_as_by_chance(const struct world *w) {
    enum { PERMUTATIONS = 3 };
    double sum = 0;
    for (uint64_t k = 0; k < PERMUTATIONS; k++) {
        struct trained t;
        double mean, sd;
        char name[32];
        snprintf(name, sizeof name, "permuted-%d", (int)k);
        NEED(learn(w, w->comm, name, (struct made){.permuted = 22 + k}, EHR_BEHRT, ARM_BASE, STEPS, &t) == STATUS_OK);
        chance(t.n, t.samples, &mean, &sd);
        CHECK(sd > 0 && sd < 0.1);
        sum += (average_precision(t.n, t.samples) - mean) / sd;
        end(&t);
    }
    CHECK(fabs(sum / PERMUTATIONS) < 3 / sqrt(PERMUTATIONS));
}

/* Also what later events bring: codes that stand between the others, the cause of the label itself. */
static void events_after_the_prediction_time_change_no_bit(const struct world *w) {
    static const enum ehr_arm ARMS[] = {ARM_BASE, ARM_HIERARCHY, ARM_MEDTOK_INIT, ARM_MEDTOK_FROZEN};
    enum { N_ARMS = sizeof ARMS / sizeof *ARMS };
    for (int i = 0; i < N_ARMS + N_EHR_MODELS - 1;
         i++) { /* the arms with one model, then the other models with one arm */
        enum ehr_arm arm = i < N_ARMS ? ARMS[i] : ARM_MEDTOK_FROZEN;
        enum ehr_model_number model = i < N_ARMS ? EHR_BEHRT : (enum ehr_model_number)(EHR_BEHRT + i - N_ARMS + 1);
        if (!learns_labels(model)) continue;
        struct trained a, b;
        NEED(learn(w, w->comm, "before", (struct made){0}, model, arm, FEW_STEPS, &a) == STATUS_OK);
        NEED(learn(w, w->comm, "after", (struct made){.later = 1}, model, arm, FEW_STEPS, &b) == STATUS_OK);
        CHECK(a.n == b.n && a.learner.parameters.n == b.learner.parameters.n);
        for (int64_t i = 0; i < a.n && a.n == b.n; i++)
            if (a.samples[i].score != b.samples[i].score || a.samples[i].label != b.samples[i].label) {
                CHECK(a.samples[i].score == b.samples[i].score);
                break;
            }
        end(&a);
        end(&b);
        if (w->comm->rank == 0) {
            char path[2 * PATH_MAX];
            const char *const NAMES[] = {"before", "after"};
            for (int k = 0; k < 2; k++) {
                snprintf(path, sizeof path, "%s/%s.h5", w->folder, NAMES[k]);
                unlink(path);
            }
        }
    }
}

/* 3e-6: products of other shapes add in another order, in single precision, through a block. */
static void the_other_samples_of_a_batch_do_not_matter(const struct world *w) {
    for (enum ehr_model_number model = EHR_BEHRT; model < N_EHR_MODELS; model++) {
        if (!learns_labels(model)) continue;
        struct trained t;
        struct scored_sample *alone = NULL;
        int64_t n = 0;
        char name[32];
        snprintf(name, sizeof name, "batches-%d", (int)model);
        NEED(learn(w, w->comm, name, (struct made){0}, model, ARM_BASE, FEW_STEPS, &t) == STATUS_OK);
        t.learner.most_tokens = 1;
        CHECK(ehr_learner_score(&t.learner, SPLIT_HELD_OUT, &n, &alone) == STATUS_OK && n == t.n);
        double most = 0;
        for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(alone[i].score - t.samples[i].score));
        CHECK(most < 3e-6);
        free(alone);
        end(&t);
    }
}

/* 2e-3 after 80 steps, whose gradients are summed in another order; scores reach from 0 to 1. Rank 0 trains alone for all. */
static void the_number_of_ranks_does_not_matter(const struct world *w) {
    struct comm self = comm_self();
    for (enum ehr_model_number model = EHR_BEHRT; model < N_EHR_MODELS; model++) {
        if (!learns_labels(model)) continue;
        struct trained one = {0}, all;
        char name[32];
        int64_t steps = model == EHR_BEHRT ? SOME_STEPS : FEW_STEPS;
        const enum ehr_arm arm = ARM_MEDTOK_FROZEN;
        struct scored_sample alone[SUBJECTS / 5] = {{0}};
        snprintf(name, sizeof name, "one-%d", (int)model);
        int status = w->comm->rank == 0 ? learn(w, &self, name, (struct made){0}, model, arm, steps, &one) : STATUS_OK;
        NEED(comm_agree(w->comm, status) == STATUS_OK);
        snprintf(name, sizeof name, "all-%d", (int)model);
        NEED(learn(w, w->comm, name, (struct made){0}, model, arm, steps, &all) == STATUS_OK);
        if (w->comm->rank == 0) {
            CHECK(one.n == all.n && one.data.n_vectors == all.data.n_vectors && one.data.n_tokens == all.data.n_tokens);
            if (one.n == SUBJECTS / 5) memcpy(alone, one.samples, sizeof alone);
        }
        NEED(comm_broadcast(w->comm, alone, sizeof alone) == STATUS_OK && all.n == SUBJECTS / 5);
        double most = 0;
        for (int64_t i = 0; i < all.n; i++) {
            CHECK(alone[i].sample == all.samples[i].sample && alone[i].subject == all.samples[i].subject);
            most = fmax(most, fabs(alone[i].score - all.samples[i].score));
        }
        CHECK(most < 2e-3);
        end(&one);
        end(&all);
    }
}

/* ---- scores by generation ---- */
/* Of a model with first values, over `comm`: nothing in them is summed over ranks. */
static int generate(const struct world *w, const struct comm *comm, const char *cohort, struct trained *t) {
    static char *outcome[] = {"C//10"}; /* code 5 */
    struct ehr_options options = usual_options(EHR_ETHOS, ARM_BASE);
    options.pretrain_steps = 1;
    options.max_length = 24; /* so that a history is several windows, which ranks may share; its values count once */
    options.outcome = (struct string_list){1, outcome};
    options.futures = 5;
    *t = (struct trained){0};
    TRY(ehr_options_sized(&options, &t->options));
    TRY(ehr_data_make(&t->data, comm, cohort, &t->options, 1, NULL));
    struct ehr_learner_terms terms = {&t->options, &t->data, {.arm = ARM_BASE, .n_own = t->data.n_own}, 7};
    TRY(ehr_learner_make(&t->learner, &terms, STAGE_TASK, comm, (struct device *)&w->device, 0));
    return ehr_learner_score(&t->learner, SPLIT_HELD_OUT, &t->n, &t->samples);
}

static const struct ethos_vocabulary *vocabulary_of(const struct trained *t) {
    return &((const struct ethos *)t->learner.self)->vocabulary;
}

static void deciles_and_futures_are_the_same_on_any_number_of_ranks(const struct world *w) {
    struct comm self = comm_self();
    struct trained one, all;
    char cohort[2 * PATH_MAX];
    double least = 1, most = 0;
    snprintf(cohort, sizeof cohort, "%s/futures.cohort.h5", w->folder);
    NEED(comm_agree(w->comm, w->comm->rank == 0 ? write_cohort(cohort, (struct made){.measured = 1}) : STATUS_OK) ==
         STATUS_OK);
    NEED(generate(w, &self, cohort, &one) == STATUS_OK);
    NEED(generate(w, w->comm, cohort, &all) == STATUS_OK);
    CHECK(one.n == all.n && one.n == SUBJECTS / 5);
    for (int64_t i = 0; i < one.n && one.n == all.n; i++) {
        CHECK(one.samples[i].sample == all.samples[i].sample && one.samples[i].score == all.samples[i].score);
        least = fmin(least, one.samples[i].score);
        most = fmax(most, one.samples[i].score);
    }
    CHECK(least < most);
    CHECK(one.data.n_pretrain == all.data.n_pretrain && one.data.n_pretrain > SUBJECTS);
    const struct ethos_vocabulary *a = vocabulary_of(&one), *b = vocabulary_of(&all);
    CHECK(a->n_numeric == 1 && b->n_numeric == 1 && a->deciles[0] > 0 && a->deciles[0] < a->deciles[8]);
    CHECK(memcmp(a->deciles, b->deciles, (N_ETHOS_DECILES - 1) * sizeof *a->deciles) == 0);
    end(&one);
    end(&all);
}

/* ---- main ---- */
static int make_world(struct world *w, const struct comm *comm) {
    *w = (struct world){.comm = comm};
    TRY(make_folder(comm, "ehr", w->folder));
    return device_open_cpu(&w->device, 1) ? status_set(STATUS_FAILED, "%s", w->device.error) : STATUS_OK;
}

#define BEHAVIOUR(name, ranks)                                                                                         \
    { #name, name, ranks }

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*check)(const struct world *w);
        int ranks; /* on so many; 0: on several */
    } BEHAVIOURS[] = {BEHAVIOUR(all_arms_of_a_seed_start_from_the_same_encoder, 1),
                      BEHAVIOUR(a_code_that_makes_the_label_is_found_by_each_arm, 1),
                      BEHAVIOUR(a_code_that_makes_the_label_is_found_by_each_model, 1),
                      BEHAVIOUR(permuted_labels_are_scored_as_by_chance, 1),
                      BEHAVIOUR(the_other_samples_of_a_batch_do_not_matter, 1),
                      BEHAVIOUR(events_after_the_prediction_time_change_no_bit, 2),
                      BEHAVIOUR(the_number_of_ranks_does_not_matter, 0),
                      BEHAVIOUR(deciles_and_futures_are_the_same_on_any_number_of_ranks, 0)};
    static struct world w;
    struct comm comm;
    int bad = 0, status = comm_start(&comm, &argc, &argv);
    if (status == STATUS_OK) status = make_world(&w, &comm);
    if (status != STATUS_OK) {
        fprintf(stderr, "%s\n", status_message());
        return 2;
    }
    log_configure(comm.rank, LOG_LEVEL_WARN);
    for (size_t b = 0; b < sizeof BEHAVIOURS / sizeof *BEHAVIOURS; b++) {
        if (BEHAVIOURS[b].ranks ? comm.size != BEHAVIOURS[b].ranks : comm.size == 1) continue; /* nothing new */
        BEHAVIOURS[b].check(&w);
        bad += behaviour_failed(&comm, BEHAVIOURS[b].name);
    }
    if (comm.rank == 0) remove_folder(w.folder);
    device_close(&w.device);
    comm_stop(&comm);
    return bad > 0;
}
