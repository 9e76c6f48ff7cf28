/* Answers into values of queries, values into figures. */
#include "measure/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/gather.h"

/* ---- metrics ---- */
enum { HIT_1, HIT_10, RECIPROCAL, N_RANK_METRICS };
static const char *const RANK_METRICS[N_RANK_METRICS] = {"hit at 1", "hit at 10", "MRR"};

static int name_metrics(struct probe_run *r, int64_t number) {
    const struct probe_question *q = &r->questions->items[number];
    struct probe_result *x = &r->report.results[number];
    x->is_of_hierarchy = q->kind == QUESTION_NEAREST && r->codes->ancestors.n_nodes > 0;
    for (int m = 0; q->kind == QUESTION_RANK && m < N_RANK_METRICS; m++)
        snprintf(x->metric[x->n_metrics++], QUESTION_NAME_BYTES, "%s", RANK_METRICS[m]);
    for (int c = 0; q->kind == QUESTION_NEAREST && c < r->n_classes; c++) {
        if (!probe_question_tells(q, r->classes[c].class_of)) continue;
        r->metric_class[number][x->n_metrics] = (int8_t)c;
        snprintf(x->metric[x->n_metrics++], QUESTION_NAME_BYTES, "nearest, %.70s", r->classes[c].name);
    }
    for (int m = 0; m < x->n_metrics; m++) {
        const int32_t *class_of = q->kind == QUESTION_RANK ? NULL : r->classes[r->metric_class[number][m]].class_of;
        TRY(probe_question_seen(r->codes, q, class_of, &x->seen[m]));
    }
    return STATUS_OK;
}

/* ---- making ---- */
static int number_units(const struct probe_codes *c, const struct probe_question *q, int32_t *unit, int64_t *n_units) {
    int32_t *number;
    *n_units = 0;
    TRY(mem_alloc(&number, c->categories.n, sizeof *number));
    for (int64_t i = 0; i < q->n_queries; i++) {
        int32_t *of = &number[c->category[q->queries[i]]];
        if (*of == 0) *of = (int32_t)++ * n_units;
        unit[i] = *of - 1;
    }
    free(number);
    return STATUS_OK;
}

int probe_run_make(struct probe_run *r) {
    int64_t n = r->questions->n;
    r->report.n_results = n;
    TRY(mem_alloc(&r->report.results, n, sizeof *r->report.results));
    TRY(mem_alloc(&r->unit, n, sizeof *r->unit));
    TRY(mem_alloc(&r->metric_class, n, sizeof *r->metric_class));
    TRY(mem_alloc(&r->values, n * PROBE_MOST_SPACES, sizeof *r->values));
    for (int64_t i = 0; i < n; i++) {
        const struct probe_question *q = &r->questions->items[i];
        struct probe_result *x = &r->report.results[i];
        snprintf(x->name, sizeof x->name, "%s", q->name);
        x->n_queries = q->n_queries;
        x->n_candidates = q->n_candidates;
        TRY(mem_alloc(&r->unit[i], q->n_queries, sizeof **r->unit));
        TRY(number_units(r->codes, q, r->unit[i], &x->n_units));
        TRY(name_metrics(r, i));
    }
    return STATUS_OK;
}

void probe_run_free(struct probe_run *r) {
    for (int64_t i = 0; r->unit && i < r->questions->n; i++) free(r->unit[i]);
    for (int64_t i = 0; r->values && i < r->questions->n * PROBE_MOST_SPACES; i++) free(r->values[i]);
    free(r->unit);
    free(r->metric_class);
    free(r->values);
    free(r->report.results);
    *r = (struct probe_run){0};
}

void probe_run_mark_used(const struct probe_run *r, uint8_t *used) {
    for (int64_t i = 0; i < r->questions->n; i++) {
        const struct probe_question *q = &r->questions->items[i];
        for (int64_t k = 0; k < q->n_queries; k++) used[q->queries[k]] = 1;
        for (int64_t c = 0; c < r->codes->n; c++) used[c] |= q->is_candidate[c];
    }
}

/* ---- figures ---- */
/* values [n_metrics, n_queries] */
static void values_of(const struct probe_run *r, int64_t number, const struct probe_answers *a, double *values) {
    const struct probe_question *q = &r->questions->items[number];
    int64_t n = q->n_queries;
    for (int64_t i = 0; q->kind == QUESTION_RANK && i < n; i++) {
        values[HIT_1 * n + i] = rank_hit(a->ranks[i], 1);
        values[HIT_10 * n + i] = rank_hit(a->ranks[i], 10);
        values[RECIPROCAL * n + i] = rank_reciprocal(a->ranks[i]);
    }
    for (int m = 0; q->kind == QUESTION_NEAREST && m < r->report.results[number].n_metrics; m++) {
        const int32_t *class_of = r->classes[r->metric_class[number][m]].class_of;
        for (int64_t i = 0; i < n; i++) {
            int32_t class = class_of[q->queries[i]];
            values[m * n + i] = class < 0 ? NAN : nearest_class(a->nearest + i * a->k, a->k, class_of) == class;
        }
    }
}

static int estimate(const struct probe_run *r, int64_t number, const double *values, struct estimate *estimates) {
    const struct probe_result *x = &r->report.results[number];
    return probe_estimate(r->bootstrap, x->n_queries, r->unit[number], x->n_units, x->n_metrics, values, estimates);
}

/* Collective: the answers of a space, the same on all ranks, as values that stay, and figures. */
static int take_answers(const struct probe_run *r, int64_t number, const struct probe_answers *a, int space) {
    struct probe_result *x = &r->report.results[number];
    double **values = &r->values[number * PROBE_MOST_SPACES + space];
    TRY(comm_agree(r->comm, mem_alloc(values, x->n_metrics * x->n_queries, sizeof **values)));
    values_of(r, number, a, *values);
    return estimate(r, number, *values, x->spaces[space]);
}

static int next_space(struct probe_run *r, const char *name) {
    int s = r->report.n_spaces++;
    r->report.space[s] = name;
    return s;
}

static void free_answers(const struct probe_run *r, struct probe_answers *answers) {
    for (int64_t i = 0; answers && i < r->questions->n; i++) probe_answers_free(&answers[i]);
    free(answers);
}

int probe_run_vectors(struct probe_run *r, const char *name, const struct vector_source *source, int *space) {
    int64_t n = r->questions->n;
    struct probe_answers *answers = NULL;
    int s = next_space(r, name), status = mem_alloc(&answers, n, sizeof *answers);
    if (space) *space = s;
    for (int64_t i = 0; i < n && status == STATUS_OK; i++)
        status = probe_answers_make(&answers[i], &r->questions->items[i], r->k);
    TRY_DONE(comm_agree(r->comm, status));
    TRY_DONE(vector_search(r->comm, r->device, source, (int)n, r->questions->items, answers));
    for (int64_t i = 0; i < n; i++) TRY_DONE(take_answers(r, i, &answers[i], s));
done:
    free_answers(r, answers);
    return status;
}

/* Values [n_metrics, n_queries] of this rank's queries, the others undefined. */
static int ask_bags(const struct probe_run *r, int64_t number, const struct bags *bags, double *values) {
    const struct probe_question *q = &r->questions->items[number];
    struct probe_answers a;
    int status = probe_answers_make(&a, q, r->k);
    if (status == STATUS_OK) status = bag_search(r->comm, r->device->host_threads, bags, q, &a);
    if (status == STATUS_OK) values_of(r, number, &a, values);
    probe_answers_free(&a);
    return status;
}

/* Collective: values [rows, n_queries] of which each rank has those of its queries, on all. */
static int share_values(const struct comm *comm, int64_t rows, int64_t n_queries, double *values) {
    double *by_query = NULL;
    TRY(comm_agree(comm, mem_alloc(&by_query, rows * n_queries, sizeof *by_query)));
    for (int64_t i = 0; i < rows * n_queries; i++) by_query[i] = values[i % rows * n_queries + i / rows];
    int status = comm_gather_blocks(comm, n_queries, BAG_QUERY_BLOCK, rows * (int64_t)sizeof *by_query, by_query);
    for (int64_t i = 0; i < rows * n_queries; i++) values[i % rows * n_queries + i / rows] = by_query[i];
    free(by_query);
    return status;
}

int probe_run_bags(struct probe_run *r, const char *name, const struct bags *bags, int *space) {
    int s = next_space(r, name);
    if (space) *space = s;
    for (int64_t i = 0; i < r->questions->n; i++) {
        struct probe_result *x = &r->report.results[i];
        double **values = &r->values[i * PROBE_MOST_SPACES + s];
        int status = mem_alloc(values, x->n_metrics * x->n_queries, sizeof **values);
        if (status == STATUS_OK) status = ask_bags(r, i, bags, *values);
        TRY(comm_agree(r->comm, status));
        TRY(share_values(r->comm, x->n_metrics, x->n_queries, *values));
        TRY(estimate(r, i, *values, x->spaces[s]));
    }
    return STATUS_OK;
}

/* ---- the curve ---- */
/* Into values[questions] [points, n_metrics, n_queries] of this rank's queries. */
static int ask_points(const struct probe_run *r, const struct token_bags *tokens, int n_points, double **values) {
    for (int64_t i = 0; i < r->questions->n; i++)
        TRY(mem_alloc(&values[i], n_points * r->report.results[i].n_metrics * r->report.results[i].n_queries,
                      sizeof **values));
    for (int p = 0; p < n_points; p++) {
        struct bags bags = {0};
        int status = bags_of_tokens(&bags, tokens, p + 1);
        for (int64_t i = 0; i < r->questions->n && status == STATUS_OK; i++) {
            const struct probe_result *x = &r->report.results[i];
            status = ask_bags(r, i, &bags, values[i] + p * x->n_metrics * x->n_queries);
        }
        bags_free(&bags);
        TRY(status);
    }
    return STATUS_OK;
}

/* Collective: as many points at a time as one bootstrap has results. */
static int estimate_points(const struct probe_run *r, int64_t number, int n_points, double *values) {
    struct probe_result *x = &r->report.results[number];
    struct estimate estimates[BOOTSTRAP_MOST_RESULTS];
    int at_once = BOOTSTRAP_MOST_RESULTS / x->n_metrics;
    TRY(share_values(r->comm, n_points * x->n_metrics, x->n_queries, values));
    for (int first = 0; first < n_points; first += at_once) {
        int count = n_points - first < at_once ? n_points - first : at_once;
        TRY(probe_estimate(r->bootstrap, x->n_queries, r->unit[number], x->n_units, count * x->n_metrics,
                           values + first * x->n_metrics * x->n_queries, estimates));
        for (int i = 0; i < count * x->n_metrics; i++)
            x->curve[first + i / x->n_metrics][i % x->n_metrics] = estimates[i];
    }
    return STATUS_OK;
}

int probe_run_curve(struct probe_run *r, const struct token_bags *tokens, int n_points) {
    double **values = NULL;
    int status = mem_alloc(&values, r->questions->n, sizeof *values);
    if (status == STATUS_OK) status = ask_points(r, tokens, n_points, values);
    status = comm_agree(r->comm, status);
    for (int64_t i = 0; i < r->questions->n && status == STATUS_OK; i++)
        status = estimate_points(r, i, n_points, values[i]);
    for (int64_t i = 0; values && i < r->questions->n; i++) free(values[i]);
    free(values);
    r->report.n_curve = n_points;
    return status;
}

int probe_run_difference(struct probe_run *r, int a, int b) {
    int p = r->report.n_pairs++, status = STATUS_OK;
    r->report.pairs[p] = (struct space_pair){a, b};
    for (int64_t i = 0; i < r->questions->n && status == STATUS_OK; i++) {
        struct probe_result *x = &r->report.results[i];
        int64_t n = x->n_metrics * x->n_queries;
        const double *of_a = r->values[i * PROBE_MOST_SPACES + a], *of_b = r->values[i * PROBE_MOST_SPACES + b];
        double *difference = NULL;
        TRY(comm_agree(r->comm, mem_alloc(&difference, n, sizeof *difference)));
        for (int64_t k = 0; k < n; k++) difference[k] = of_a[k] - of_b[k];
        status = estimate(r, i, difference, x->pairs[p]);
        free(difference);
    }
    return status;
}
