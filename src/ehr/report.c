/* Which trainings stand beside each other, and what they came to. */
#include "ehr/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ehr/grid.h"
#include "ehr/result_samples.h"

const char *const PART_NAMES[N_PARTS] = {"all",
                                         "some code unseen in training",
                                         "all codes unseen in training",
                                         "codes in training: median below 1",
                                         "median 1 to 9",
                                         "median 10 to 99",
                                         "median 100 to 999",
                                         "median 1,000 or more"};

/* ---- cells ---- */
/* Shots of tuning are drawn by the seed: only trainings that are scored on the same samples stand beside each other. */
static int same_samples(const struct ehr_report *x, const struct result *r, const struct result *q) {
    const struct result_samples *a = x->results->lists[r->list[report_split(x)]];
    const struct result_samples *b = x->results->lists[q->list[report_split(x)]];
    return a->n == b->n && (a->n == 0 || memcmp(a->sample, b->sample, (size_t)a->n * sizeof *a->sample) == 0);
}

static int is_of_cell(const struct ehr_report *x, const struct report_cell *c, const struct result *r) {
    return strcmp(c->first->task, r->task) == 0 && strcmp(c->first->model, r->model) == 0 &&
           c->first->train_samples == r->train_samples && c->first->shots == r->shots && same_samples(x, c->first, r);
}

static int add_to_cell(struct report_cell *c, const struct result *r) {
    int a = 0;
    while (a < c->n_arms && strcmp(c->arms[a].name, r->arm) != 0) a++;
    if (a == MOST_COMPARED_ARMS)
        return status_set(STATUS_FAILED, "more than %d arms cannot be compared", MOST_COMPARED_ARMS);
    struct report_arm *arm = &c->arms[a];
    if (a == c->n_arms) {
        *arm = (struct report_arm){.name = r->arm};
        c->n_arms++;
    }
    long long capacity = arm->n;
    TRY(mem_grow(&arm->trials, &capacity, arm->n + 1, sizeof(struct result *)));
    arm->trials[arm->n++] = r;
    arm->tuning += (r->tuning - arm->tuning) / (double)arm->n;
    return STATUS_OK;
}

static int add_trial(struct ehr_report *x, const struct result *r) {
    int64_t c = 0;
    x->trials[x->n_trials++].result = r;
    while (c < x->n_cells && !is_of_cell(x, &x->cells[c], r)) c++;
    if (c == x->n_cells) x->cells[x->n_cells++] = (struct report_cell){.first = r, .reference = {-1, -1}};
    return add_to_cell(&x->cells[c], r);
}

static int has_seed(const struct report_arm *arm, int64_t seed) {
    for (int64_t t = 0; t < arm->n; t++)
        if (arm->trials[t]->seed == seed) return 1;
    return 0;
}

static int is_of_all_arms(const struct report_cell *c, int64_t seed) {
    for (int a = 0; a < c->n_arms; a++)
        if (!has_seed(&c->arms[a], seed)) return 0;
    return 1;
}

/* Where trainings failed: the arms are compared by the seeds that all of them have, if there are any. */
static void keep_common_seeds(struct report_cell *c) {
    int64_t common = 0;
    for (int64_t t = 0; t < c->arms[0].n; t++) common += is_of_all_arms(c, c->arms[0].trials[t]->seed);
    for (int a = 0; a < c->n_arms && common > 0; a++) {
        struct report_arm *arm = &c->arms[a];
        int64_t n = 0;
        double sum = 0;
        for (int64_t t = 0; t < arm->n; t++) {
            if (!is_of_all_arms(c, arm->trials[t]->seed)) continue;
            sum += arm->trials[t]->tuning;
            arm->trials[n++] = arm->trials[t];
        }
        arm->n = n;
        arm->tuning = sum / (double)n;
    }
}

static void choose_references(struct report_cell *c) {
    int *base = &c->reference[REFERENCE_BASE], *control = &c->reference[REFERENCE_CONTROL];
    for (int a = 0; a < c->n_arms; a++) {
        const char *name = c->arms[a].name;
        if (strcmp(name, ehr_arm_name(ARM_BASE)) == 0)
            *base = a;
        else if (strncmp(name, "medtok", strlen("medtok")) != 0 &&
                 (*control < 0 || c->arms[a].tuning > c->arms[*control].tuning))
            *control = a;
    }
}

/* ---- parts ---- */
static int band_of(float median) {
    if (isnan(median)) return -1;
    return (median >= 1) + (median >= 10) + (median >= 100) + (median >= 1000);
}

static uint8_t is_in_part(const struct result_samples *s, int64_t i, int part) {
    if (part == PART_ALL) return 1;
    if (part == PART_SOME_UNSEEN) return s->unseen[i] > 0;
    if (part == PART_ALL_UNSEEN) return s->codes[i] > 0 && s->unseen[i] == s->codes[i];
    return band_of(s->frequency[i]) == part - PART_BANDS;
}

/* Whether each sample is in a part, of each list that a cell has. */
struct masks {
    int64_t n;
    uint8_t **taken; /* [n] of lists; NULL: the cell has it not */
};

static void masks_free(struct masks *m) {
    for (int64_t i = 0; m->taken && i < m->n; i++) free(m->taken[i]);
    free(m->taken);
}

static int masks_add(struct masks *m, const struct results *r, int64_t list, int part) {
    const struct result_samples *s = r->lists[list];
    if (m->taken[list]) return STATUS_OK;
    TRY(mem_alloc(&m->taken[list], s->n, 1));
    for (int64_t i = 0; i < s->n; i++) m->taken[list][i] = is_in_part(s, i, part);
    return STATUS_OK;
}

static int masks_make(struct masks *m, const struct ehr_report *x, const struct report_cell *c, int part) {
    *m = (struct masks){.n = x->results->n_lists};
    TRY(mem_alloc(&m->taken, m->n, sizeof *m->taken));
    for (int a = 0; a < c->n_arms; a++)
        for (int64_t t = 0; t < c->arms[a].n; t++)
            TRY(masks_add(m, x->results, c->arms[a].trials[t]->list[report_split(x)], part));
    return STATUS_OK;
}

/* How many samples of a part there are, and the prevalence: means over the seeds of an arm. */
static void count_part(const struct ehr_report *x, const struct report_arm *arm, const struct masks *masks,
                       struct report_part_scores *part) {
    double n = 0, n_positive = 0, prevalence = 0, formed = 0;
    for (int64_t t = 0; t < arm->n; t++) {
        int64_t list = arm->trials[t]->list[report_split(x)], of, positive;
        struct compared_samples s = result_compared(x->results->lists[list]);
        s.taken = masks->taken[list];
        double share = compared_prevalence(&s, &of, &positive);
        n += (double)of / (double)arm->n;
        n_positive += (double)positive / (double)arm->n;
        if (isnan(share)) continue;
        prevalence += share;
        formed++;
    }
    part->n = llround(n);
    part->n_positive = llround(n_positive);
    part->prevalence = formed > 0 ? prevalence / formed : NAN;
}

/* ---- scores of a cell ---- */
/* Those of its arms and seeds, which are in memory while the cell is compared. */
struct arm_rows {
    struct compared_arm arms[MOST_COMPARED_ARMS];
    double **scores[MOST_COMPARED_ARMS]; /* [seeds] of [n, outputs] */
    const uint8_t **taken[MOST_COMPARED_ARMS];
};

static int arm_rows_read(struct arm_rows *rows, const struct ehr_report *x, const struct report_cell *c) {
    for (int a = 0; a < c->n_arms; a++) {
        const struct report_arm *arm = &c->arms[a];
        TRY(mem_alloc(&rows->scores[a], arm->n, sizeof(double *)));
        TRY(mem_alloc(&rows->taken[a], arm->n, sizeof(uint8_t *)));
        for (int64_t t = 0; t < arm->n; t++)
            TRY(result_scores_read(x->results, arm->trials[t], report_split(x), &rows->scores[a][t]));
        rows->arms[a] = (struct compared_arm){(int)arm->n, (const double *const *)rows->scores[a], rows->taken[a]};
    }
    return STATUS_OK;
}

static void arm_rows_free(struct arm_rows *rows, const struct report_cell *c) {
    for (int a = 0; a < c->n_arms; a++) {
        for (int64_t t = 0; rows->scores[a] && t < c->arms[a].n; t++) free(rows->scores[a][t]);
        free(rows->scores[a]);
        free(rows->taken[a]);
    }
}

static void take_part(struct arm_rows *rows, const struct ehr_report *x, const struct report_cell *c,
                      const struct masks *masks) {
    for (int a = 0; a < c->n_arms; a++)
        for (int64_t t = 0; t < c->arms[a].n; t++)
            rows->taken[a][t] = masks->taken[c->arms[a].trials[t]->list[report_split(x)]];
}

static int compare_part(const struct ehr_report *x, const struct bootstrap *b, struct report_cell *c, int part,
                        struct arm_rows *rows) {
    struct report_part_scores *scores = &c->parts[part];
    struct compared_samples samples = result_compared(x->results->lists[c->first->list[report_split(x)]]);
    struct masks masks;
    int64_t most = 0; /* the same on every rank, but where one lacks memory */
    int status = comm_agree(b->comm, masks_make(&masks, x, c, part));
    if (status == STATUS_OK) {
        count_part(x, &c->arms[0], &masks, scores);
        take_part(rows, x, c, &masks);
        most = scores->n;
        status = comm_max_int64(b->comm, &most, 1);
    }
    if (status == STATUS_OK && most > 0)
        status = comm_agree(b->comm, scores->n > 0 ? STATUS_OK : status_set(STATUS_FAILED, "out of memory for scores"));
    if (status == STATUS_OK && most > 0)
        status = arms_compare(b, &samples, c->n_arms, rows->arms, c->reference, scores->arms);
    masks_free(&masks);
    return status;
}

/* The standard deviation over seeds of each measure on the whole split. */
static int spread_arm(const struct ehr_report *x, struct report_arm *arm, double *const *scores) {
    double mean[N_ARMS_MEASURES] = {0}, square[N_ARMS_MEASURES] = {0};
    for (int64_t t = 0; t < arm->n; t++) {
        struct compared_samples samples = result_compared(x->results->lists[arm->trials[t]->list[report_split(x)]]);
        double values[N_ARMS_MEASURES];
        TRY(arm_measure(&samples, scores[t], values));
        for (int m = 0; m < N_ARMS_MEASURES; m++) { /* Welford */
            double off = values[m] - mean[m];
            mean[m] += off / (double)(t + 1);
            square[m] += off * (values[m] - mean[m]);
        }
    }
    for (int m = 0; m < N_ARMS_MEASURES; m++)
        arm->spread[m] = arm->n > 1 ? sqrt(square[m] / (double)(arm->n - 1)) : NAN;
    return STATUS_OK;
}

static int compare_cell(const struct ehr_report *x, const struct bootstrap *b, struct report_cell *c) {
    struct arm_rows rows = {0};
    int status = arm_rows_read(&rows, x, c);
    for (int a = 0; a < c->n_arms && status == STATUS_OK; a++) status = spread_arm(x, &c->arms[a], rows.scores[a]);
    status = comm_agree(b->comm, status);
    for (int part = 0; part < N_PARTS && status == STATUS_OK; part++) status = compare_part(x, b, c, part, &rows);
    arm_rows_free(&rows, c);
    return status;
}

/* ---- trainings ---- */

/* The values without intervals, which a grid has no time for. */
static struct estimate value_alone(double value) {
    return isnan(value) ? (struct estimate){0} : (struct estimate){value, NAN, NAN, 1};
}

static int score_binary(const struct ehr_report *x, const struct bootstrap *b, const struct result_samples *s,
                        const double *score, struct report_trial *t) {
    struct scored_sample *samples;
    int status = result_scored(s, score, &samples);
    if (status == STATUS_OK && report_split(x) == RESULT_HELD_OUT)
        scored_samples_decide(s->n, samples, t->result->threshold);
    for (int w = 0; w < N_WEIGHTINGS && status == STATUS_OK; w++) {
        struct estimate *e = t->estimates + (ptrdiff_t)w * N_SCORES_MEASURES;
        status = scores_compute_by((enum weighting)w, s->n, samples, &t->scores[w]);
#define VALUE(NAME, name) e[ESTIMATE_##NAME] = value_alone(t->scores[w].name);
        SCORES_MEASURES(VALUE)
#undef VALUE
    }
    status = comm_agree(b->comm, status);
    if (status == STATUS_OK && !grid_is_listed(x->options)) status = scores_bootstrap(b, s->n, samples, t->estimates);
    free(samples);
    return status;
}

static int score_classes(const struct ehr_report *x, const struct bootstrap *b, const struct result_samples *s,
                         const double *score, struct report_trial *t) {
    struct class_predictions p;
    struct class_scores scores = {0};
    float *floats = NULL;
    int status = result_predictions(s, score, &p, &floats);
    if (report_split(x) == RESULT_HELD_OUT) p.threshold = t->result->threshold;
    if (status == STATUS_OK) status = class_scores_compute(&p, &scores);
    status = comm_agree(b->comm, status);
    for (int i = 0; i < N_CLASS_SCORES_ESTIMATES && status == STATUS_OK; i++)
        t->class_estimates[i] = value_alone(scores.values[i]);
    if (status == STATUS_OK && !grid_is_listed(x->options)) status = class_scores_bootstrap(b, &p, t->class_estimates);
    class_scores_free(&scores);
    free(floats);
    return status;
}

static int score_trial(const struct ehr_report *x, const struct bootstrap *b, struct report_trial *t) {
    const struct result_samples *s = x->results->lists[t->result->list[report_split(x)]];
    double *score = NULL;
    int status = comm_agree(b->comm, result_scores_read(x->results, t->result, report_split(x), &score));
    if (status == STATUS_OK)
        status = s->form == LABEL_BINARY ? score_binary(x, b, s, score, t) : score_classes(x, b, s, score, t);
    free(score);
    return status;
}

/* ---- the whole ---- */
static int make_cells(struct ehr_report *x) {
    TRY(mem_alloc(&x->trials, x->results->n, sizeof *x->trials));
    TRY(mem_alloc(&x->cells, x->results->n, sizeof *x->cells));
    for (int64_t i = 0; i < x->results->n; i++)
        if (!x->results->trials[i].failure[0]) TRY(add_trial(x, &x->results->trials[i]));
    for (int64_t c = 0; c < x->n_cells; c++) {
        keep_common_seeds(&x->cells[c]);
        choose_references(&x->cells[c]);
    }
    return STATUS_OK;
}

int ehr_report_make(struct ehr_report *x, const struct bootstrap *b) {
    TRY(comm_agree(b->comm, make_cells(x)));
    for (int64_t c = 0; c < x->n_cells; c++) TRY(compare_cell(x, b, &x->cells[c]));
    for (int64_t i = 0; i < x->n_trials; i++) TRY(score_trial(x, b, &x->trials[i]));
    return STATUS_OK;
}

void ehr_report_free(struct ehr_report *x) {
    for (int64_t c = 0; x->cells && c < x->n_cells; c++)
        for (int a = 0; a < x->cells[c].n_arms; a++) free(x->cells[c].arms[a].trials);
    free(x->cells);
    free(x->trials);
    x->cells = NULL;
    x->trials = NULL;
}
