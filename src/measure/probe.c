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

static int is_of_classes(const struct probe_question *q) {
    return q->kind == QUESTION_NEAREST || q->kind == QUESTION_LINEAR;
}

static int tells(const struct probe_run *r, const struct probe_question *q, int class) {
    const int32_t *class_of = r->classes[class].class_of;
    return q->kind == QUESTION_LINEAR ? linear_probe_tells(q, r->codes->n, class_of)
                                      : probe_question_tells(q, class_of);
}

static int name_metrics(struct probe_run *r, int64_t number) {
    const struct probe_question *q = &r->questions->items[number];
    struct probe_result *x = &r->report.results[number];
    x->is_of_hierarchy = q->kind != QUESTION_RANK && probe_codes_know_hierarchy(r->codes);
    for (int m = 0; q->kind == QUESTION_RANK && m < N_RANK_METRICS; m++)
        snprintf(x->metric[x->n_metrics++], QUESTION_NAME_BYTES, "%s", RANK_METRICS[m]);
    for (int c = 0; is_of_classes(q) && c < r->n_classes; c++) {
        if (!tells(r, q, c)) continue;
        r->metric_class[number][x->n_metrics] = (int8_t)c;
        snprintf(x->metric[x->n_metrics++], QUESTION_NAME_BYTES, "%s, %.70s",
                 q->kind == QUESTION_NEAREST ? "nearest" : "linear", r->classes[c].name);
    }
    if (q->kind == QUESTION_DISTANCE) snprintf(x->metric[x->n_metrics++], QUESTION_NAME_BYTES, "distance, Spearman");
    for (int m = 0; m < x->n_metrics; m++) {
        const int32_t *class_of = is_of_classes(q) ? r->classes[r->metric_class[number][m]].class_of : NULL;
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
    TRY(mem_alloc(&r->memory, n, sizeof *r->memory));
    TRY(mem_alloc(&r->values, n * PROBE_MOST_SPACES, sizeof *r->values));
    for (int64_t i = 0; i < n; i++) {
        const struct probe_question *q = &r->questions->items[i];
        struct probe_result *x = &r->report.results[i];
        snprintf(x->name, sizeof x->name, "%s", q->name);
        x->kind = q->kind;
        x->n_queries = q->n_queries;
        x->n_candidates = q->kind == QUESTION_DISTANCE ? q->n_pairs : q->n_candidates;
        r->n_searched += q->kind == QUESTION_RANK || q->kind == QUESTION_NEAREST;
        TRY(mem_alloc(&r->unit[i], q->n_queries, sizeof **r->unit));
        TRY(number_units(r->codes, q, r->unit[i], &x->n_units));
        TRY(name_metrics(r, i));
    }
    return STATUS_OK;
}

static void forget_maps(const struct probe_run *r) {
    for (int64_t i = 0; i < r->questions->n; i++)
        for (int m = 0; m < PROBE_MOST_METRICS; m++) linear_memory_forget(&r->memory[i][m]);
}

void probe_run_free(struct probe_run *r) {
    for (int64_t i = 0; r->unit && i < r->questions->n; i++) free(r->unit[i]);
    for (int64_t i = 0; r->values && i < r->questions->n * PROBE_MOST_SPACES; i++) free(r->values[i]);
    free(r->unit);
    free(r->metric_class);
    if (r->memory) forget_maps(r);
    free(r->memory);
    free(r->values);
    free(r->report.results);
    *r = (struct probe_run){0};
}

void probe_run_mark_used(const struct probe_run *r, uint8_t *used) {
    for (int64_t i = 0; i < r->questions->n; i++) {
        const struct probe_question *q = &r->questions->items[i];
        for (int64_t k = 0; k < q->n_queries; k++) used[q->queries[k]] = 1;
        for (int64_t c = 0; c < r->codes->n && q->is_candidate; c++) used[c] |= q->is_candidate[c];
    }
}

/* ---- figures ---- */
/* Values of a question for each metric: one a query, or one a pair. */
static int64_t n_answers(const struct probe_question *q) {
    return q->kind == QUESTION_DISTANCE ? q->n_pairs : q->n_queries;
}

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

static struct query_units units_of(const struct probe_run *r, int64_t number) {
    return (struct query_units){r->report.results[number].n_units, r->unit[number]};
}

/* Collective. estimates [n_rows] of values [n_rows, answers]. */
static int estimate(const struct probe_run *r, int64_t number, int n_rows, const double *values,
                    struct estimate *estimates) {
    const struct probe_question *q = &r->questions->items[number];
    const struct probe_result *x = &r->report.results[number];
    struct query_units units = units_of(r, number);
    if (q->kind == QUESTION_DISTANCE)
        return correlate_with_distance(r->bootstrap, q, &units, n_rows, values, estimates);
    return probe_estimate(r->bootstrap, x->n_queries, r->unit[number], x->n_units, n_rows, values, estimates);
}

/* Collective: room for the values of a question in a space, 0. */
static int make_values(const struct probe_run *r, int64_t number, int space, double **values) {
    double **of = &r->values[number * PROBE_MOST_SPACES + space];
    int64_t n = r->report.results[number].n_metrics * n_answers(&r->questions->items[number]);
    int status = comm_agree(r->comm, mem_alloc(of, n, sizeof **of));
    *values = *of;
    return status;
}

static int next_space(struct probe_run *r, const char *name) {
    int s = r->report.n_spaces++;
    r->report.space[s] = name;
    return s;
}

/* ---- linear maps ---- */
/* Not collective: asks the maps of a question that are this rank's, numbered on from *task, into values [n_metrics, n_queries]. */
static int ask_linear(const struct probe_run *r, int64_t number, const struct linear_rows *rows, int *task,
                      double *values) {
    const struct probe_question *q = &r->questions->items[number];
    struct linear_probe probe = {.question = q,
                                 .n_codes = r->codes->n,
                                 .rows = *rows,
                                 .device = r->device,
                                 .seed = r->bootstrap->seed,
                                 .poll = r->bootstrap->poll};
    for (int m = 0; m < r->report.results[number].n_metrics; m++) {
        if ((*task)++ % r->comm->size != r->comm->rank) continue;
        probe.class_of = r->classes[r->metric_class[number][m]].class_of;
        TRY(linear_probe_ask(&probe, &r->memory[number][m], values + m * q->n_queries));
    }
    return STATUS_OK;
}

/* Collective: maps and distances of a space, of vectors or of bags. */
static int ask_others(const struct probe_run *r, int space, const struct linear_rows *rows) {
    int task = 0;
    forget_maps(r);
    for (int64_t i = r->n_searched; i < r->questions->n; i++) {
        const struct probe_question *q = &r->questions->items[i];
        struct probe_result *x = &r->report.results[i];
        double *values;
        int status = STATUS_OK;
        TRY(make_values(r, i, space, &values));
        if (q->kind == QUESTION_LINEAR)
            status = ask_linear(r, i, rows, &task, values);
        else if (rows->vectors)
            likeness_of_vectors(q, rows->vectors, values);
        else
            likeness_of_bags(q, rows->bags, values);
        TRY(comm_agree(r->comm, status));
        if (q->kind == QUESTION_LINEAR) TRY(comm_sum_double(r->comm, values, x->n_metrics * x->n_queries));
        TRY(estimate(r, i, x->n_metrics, values, x->spaces[space]));
    }
    return STATUS_OK;
}

/* ---- spaces ---- */
/* Collective: the searches of a space of vectors. */
static int search_vectors(const struct probe_run *r, int space, const struct vector_source *source,
                          const struct vector_rows *rows) {
    int n = r->n_searched;
    struct probe_answers *answers = NULL;
    int status = mem_alloc(&answers, n, sizeof *answers);
    for (int i = 0; i < n && status == STATUS_OK; i++)
        status = probe_answers_make(&answers[i], &r->questions->items[i], r->k);
    TRY_DONE(comm_agree(r->comm, status));
    TRY_DONE(vector_search(r->comm, r->device, source, rows, n, r->questions->items, answers));
    for (int i = 0; i < n; i++) {
        double *values;
        TRY_DONE(make_values(r, i, space, &values));
        values_of(r, i, &answers[i], values);
        TRY_DONE(estimate(r, i, r->report.results[i].n_metrics, values, r->report.results[i].spaces[space]));
    }
done:
    for (int i = 0; answers && i < n; i++) probe_answers_free(&answers[i]);
    free(answers);
    return status;
}

int probe_run_vectors(struct probe_run *r, const char *name, const struct vector_source *source, int *space) {
    struct vector_rows rows;
    int s = next_space(r, name);
    if (space) *space = s;
    int status = vector_rows_make(&rows, r->comm, source, (int)r->questions->n, r->questions->items);
    if (status == STATUS_OK) status = search_vectors(r, s, source, &rows);
    if (status == STATUS_OK) status = ask_others(r, s, &(struct linear_rows){.vectors = &rows});
    vector_rows_free(&rows);
    return status;
}

/* Values [n_metrics, n_queries] of this rank's queries, the others undefined. */
static int search_bags(const struct probe_run *r, int64_t number, const struct bags *bags, double *values) {
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
    for (int64_t i = 0; i < r->n_searched; i++) {
        struct probe_result *x = &r->report.results[i];
        double *values;
        TRY(make_values(r, i, s, &values));
        TRY(comm_agree(r->comm, search_bags(r, i, bags, values)));
        TRY(share_values(r->comm, x->n_metrics, x->n_queries, values));
        TRY(estimate(r, i, x->n_metrics, values, x->spaces[s]));
    }
    return ask_others(r, s, &(struct linear_rows){.bags = bags});
}

/* ---- the curve ---- */
/* values[questions] [n_metrics, answers] of one point: of this rank's queries or maps. */
static int ask_point(const struct probe_run *r, const struct bags *bags, double **values) {
    int task = 0;
    for (int64_t i = 0; i < r->questions->n; i++) {
        const struct probe_question *q = &r->questions->items[i];
        if (i < r->n_searched)
            TRY(search_bags(r, i, bags, values[i]));
        else if (q->kind == QUESTION_LINEAR)
            TRY(ask_linear(r, i, &(struct linear_rows){.bags = bags}, &task, values[i]));
        else
            likeness_of_bags(q, bags, values[i]);
    }
    return STATUS_OK;
}

/* values[questions] [points, n_metrics, answers] */
static int ask_points(const struct probe_run *r, const struct token_bags *tokens, int n_points, double **values,
                      double **point) {
    int64_t n = r->questions->n;
    for (int64_t i = 0; i < n; i++)
        TRY(mem_alloc(&values[i], n_points * r->report.results[i].n_metrics * n_answers(&r->questions->items[i]),
                      sizeof **values));
    for (int p = n_points - 1; p >= 0; p--) { /* from all tokens on, whose linear maps are there */
        struct bags bags = {0};
        for (int64_t i = 0; i < n; i++)
            point[i] = values[i] + p * r->report.results[i].n_metrics * n_answers(&r->questions->items[i]);
        int status = bags_of_tokens(&bags, tokens, p + 1);
        if (status == STATUS_OK) status = ask_point(r, &bags, point);
        bags_free(&bags);
        TRY(status);
    }
    return STATUS_OK;
}

/* Collective: as many points at a time as one bootstrap has results. */
static int estimate_points(const struct probe_run *r, int64_t number, int n_points, double *values) {
    const struct probe_question *q = &r->questions->items[number];
    struct probe_result *x = &r->report.results[number];
    struct estimate estimates[BOOTSTRAP_MOST_RESULTS];
    int at_once = BOOTSTRAP_MOST_RESULTS / x->n_metrics;
    if (number < r->n_searched) TRY(share_values(r->comm, n_points * x->n_metrics, x->n_queries, values));
    if (q->kind == QUESTION_LINEAR) TRY(comm_sum_double(r->comm, values, n_points * x->n_metrics * x->n_queries));
    for (int first = 0; first < n_points; first += at_once) {
        int count = n_points - first < at_once ? n_points - first : at_once;
        TRY(estimate(r, number, count * x->n_metrics, values + first * x->n_metrics * n_answers(q), estimates));
        for (int i = 0; i < count * x->n_metrics; i++)
            x->curve[first + i / x->n_metrics][i % x->n_metrics] = estimates[i];
    }
    return STATUS_OK;
}

int probe_run_curve(struct probe_run *r, const struct token_bags *tokens, int n_points) {
    double **values = NULL, **point = NULL;
    int status = mem_alloc(&values, r->questions->n, sizeof *values);
    if (status == STATUS_OK) status = mem_alloc(&point, r->questions->n, sizeof *point);
    if (status == STATUS_OK) status = ask_points(r, tokens, n_points, values, point);
    status = comm_agree(r->comm, status);
    for (int64_t i = 0; i < r->questions->n && status == STATUS_OK; i++)
        status = estimate_points(r, i, n_points, values[i]);
    for (int64_t i = 0; values && i < r->questions->n; i++) free(values[i]);
    free(values);
    free(point);
    r->report.n_curve = n_points;
    return status;
}

/* ---- differences ---- */
/* Collective. Of the means of values [n_metrics, answers] of two spaces. */
static int difference_of_means(const struct probe_run *r, int64_t number, const double *a, const double *b,
                               struct estimate *estimates) {
    const struct probe_result *x = &r->report.results[number];
    int64_t n = x->n_metrics * x->n_queries;
    double *difference = NULL;
    TRY(comm_agree(r->comm, mem_alloc(&difference, n, sizeof *difference)));
    for (int64_t k = 0; k < n; k++) difference[k] = a[k] - b[k];
    int status = estimate(r, number, x->n_metrics, difference, estimates);
    free(difference);
    return status;
}

int probe_run_difference(struct probe_run *r, int a, int b) {
    int p = r->report.n_pairs++, status = STATUS_OK;
    r->report.pairs[p] = (struct space_pair){a, b};
    for (int64_t i = 0; i < r->questions->n && status == STATUS_OK; i++) {
        const struct probe_question *q = &r->questions->items[i];
        const double *of_a = r->values[i * PROBE_MOST_SPACES + a], *of_b = r->values[i * PROBE_MOST_SPACES + b];
        struct estimate *estimates = r->report.results[i].pairs[p];
        struct query_units units = units_of(r, i);
        status = q->kind == QUESTION_DISTANCE ? correlation_difference(r->bootstrap, q, &units, of_a, of_b, estimates)
                                              : difference_of_means(r, i, of_a, of_b, estimates);
    }
    return status;
}
