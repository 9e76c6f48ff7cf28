/* Contingency tables and sums of pairs, each resampled as a whole. */
#include "measure/stability.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "measure/keyed_sort.h"

enum { STREAM_CODES = 0, STREAM_QUERIES = 3 };

static const int32_t *tokens_of(const struct stability_tokens *t, int64_t row, int group) {
    return t->tokens + (row * N_GROUPS + group) * t->top_k;
}

static const float *weights_of(const struct stability_tokens *t, int64_t row, int group) {
    return t->weights + (row * N_GROUPS + group) * t->top_k;
}

static int both_have(const struct stability_tokens tables[2], int64_t row, int group) {
    return tokens_of(&tables[0], row, group)[0] >= 0 && tokens_of(&tables[1], row, group)[0] >= 0;
}

/* ---- codes: tokens kept, and the clusters of first tokens ---- */
struct clusters {
    int64_t n, n_cells, sizes[2]; /* units; pairs of first tokens that occur; rows of the codebooks */
    int32_t *cell;                /* [n] of each unit */
    int32_t *of_cell[2];          /* [n_cells] its first tokens */
    double *kept;                 /* [n] */
};

static void clusters_free(struct clusters *c) {
    free(c->cell);
    free(c->of_cell[0]);
    free(c->of_cell[1]);
    free(c->kept);
}

static double share_kept(const struct stability_tokens tables[2], int64_t row, int group) {
    const int32_t *now = tokens_of(&tables[0], row, group), *before = tokens_of(&tables[1], row, group);
    int64_t same = 0;
    for (int64_t j = 0; j < tables[1].top_k; j++)
        for (int64_t k = 0; k < tables[0].top_k; k++) same += before[j] == now[k];
    return (double)same / (double)tables[1].top_k;
}

/* Numbers the pairs of first tokens that occur, sorted [n]. */
static void number_cells(struct clusters *c, struct keyed *sorted) {
    keyed_sort(c->n, sorted);
    for (int64_t i = 0; i < c->n; i++) {
        if (i == 0 || sorted[i].key != sorted[i - 1].key) {
            c->of_cell[0][c->n_cells] = (int32_t)(sorted[i].key >> 32);
            c->of_cell[1][c->n_cells++] = (int32_t)(sorted[i].key & UINT32_MAX);
        }
        c->cell[sorted[i].unit] = (int32_t)(c->n_cells - 1);
    }
}

static int clusters_make(struct clusters *c, int64_t n, const struct stability_tokens tables[2], int group) {
    struct keyed *sorted;
    *c = (struct clusters){.sizes = {tables[0].codebook_size, tables[1].codebook_size}};
    TRY(mem_alloc(&c->cell, n, sizeof *c->cell));
    TRY(mem_alloc(&c->of_cell[0], n, sizeof *c->of_cell[0]));
    TRY(mem_alloc(&c->of_cell[1], n, sizeof *c->of_cell[1]));
    TRY(mem_alloc(&c->kept, n, sizeof *c->kept));
    TRY(mem_alloc(&sorted, n, sizeof *sorted));
    for (int64_t i = 0; i < n; i++) {
        if (!both_have(tables, i, group)) continue;
        uint64_t first = (uint64_t)tokens_of(&tables[0], i, group)[0],
                 second = (uint64_t)tokens_of(&tables[1], i, group)[0];
        c->kept[c->n] = share_kept(tables, i, group);
        sorted[c->n] = (struct keyed){first << 32 | second, (uint32_t)c->n, 0};
        c->n++;
    }
    number_cells(c, sorted);
    free(sorted);
    return STATUS_OK;
}

/* Pairs of different units within groups of the counts[n]; alone: sum of the squares of the units' weights. */
static double pairs_within(const double *counts, int64_t n, double alone) {
    double squares = 0;
    for (int64_t i = 0; i < n; i++) squares += counts[i] * counts[i];
    return (squares - alone) / 2;
}

/* scratch: doubles [n_cells + sizes[0] + sizes[1]] */
static void measure_clusters(const void *context, const uint8_t *weights, void *scratch, double *results) {
    const struct clusters *c = context;
    double *cells = scratch, *first = cells + c->n_cells, *second = first + c->sizes[0], total = 0, alone = 0, kept = 0;
    memset(cells, 0, (size_t)(c->n_cells + c->sizes[0] + c->sizes[1]) * sizeof *cells);
    for (int64_t i = 0; i < c->n; i++) {
        double w = weights[i];
        cells[c->cell[i]] += w;
        total += w;
        alone += w * w;
        kept += w * c->kept[i];
    }
    for (int64_t k = 0; k < c->n_cells; k++) {
        first[c->of_cell[0][k]] += cells[k];
        second[c->of_cell[1][k]] += cells[k];
    }
    double together = pairs_within(cells, c->n_cells, alone), a = pairs_within(first, c->sizes[0], alone),
           b = pairs_within(second, c->sizes[1], alone), all = (total * total - alone) / 2;
    double chance = all > 0 ? a * b / all : NAN, most = (a + b) / 2;
    results[0] = total > 0 ? kept / total : NAN;
    results[1] =
        all > 0 && most == chance ? 1 : (together - chance) / (most - chance); /* all codes in one, or each alone */
}

int stability_measure_tokens(struct stability *s, const struct bootstrap *b, int64_t n,
                             const struct stability_tokens tables[2]) {
    for (int g = 0; g < N_GROUPS; g++) {
        struct clusters c;
        struct estimate estimates[2];
        int status = comm_agree(b->comm, clusters_make(&c, n, tables, g));
        struct bootstrap_measure measure = {
            .n_units = c.n,
            .n_results = 2,
            .stream = STREAM_CODES,
            .scratch_bytes = (c.n_cells + c.sizes[0] + c.sizes[1]) * (int64_t)sizeof(double),
            .compute = measure_clusters,
            .context = &c};
        if (status == STATUS_OK) status = bootstrap_run(b, &measure, estimates);
        clusters_free(&c);
        TRY(status);
        s->kept[g] = estimates[0];
        s->rand_index[g] = estimates[1];
    }
    return STATUS_OK;
}

/* ---- queries: overlaps of near pairs ---- */
/* Sums over the pairs of a query, of overlaps x in the one table and y in the other. */
struct pair_sums {
    double n, x, y, xx, xy, yy;
};

struct near_pairs {
    int64_t n_queries;
    struct pair_sums *sums; /* [n_queries, 4] */
    double *in_common;      /* [n_queries] share of the nearest; NaN: there are none */
};

static double overlap(const struct stability_tokens *t, int64_t a, int64_t b, int group) {
    const int32_t *i = tokens_of(t, a, group), *j = tokens_of(t, b, group);
    const float *v = weights_of(t, a, group), *w = weights_of(t, b, group);
    double dot = 0, aa = 0, bb = 0;
    for (int64_t k = 0; k < t->top_k; k++) {
        aa += (double)v[k] * (double)v[k];
        bb += (double)w[k] * (double)w[k];
        for (int64_t l = 0; l < t->top_k; l++)
            if (i[k] == j[l]) dot += (double)v[k] * (double)w[l];
    }
    return aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : 0;
}

static void add_pair(const struct stability_tokens tables[2], int64_t a, int64_t b, struct pair_sums sums[N_GROUPS]) {
    for (int g = 0; g < N_GROUPS; g++) {
        if (!both_have(tables, a, g) || !both_have(tables, b, g)) continue;
        double x = overlap(&tables[0], a, b, g), y = overlap(&tables[1], a, b, g);
        struct pair_sums *s = &sums[g];
        *s = (struct pair_sums){s->n + 1, s->x + x, s->y + y, s->xx + x * x, s->xy + x * y, s->yy + y * y};
    }
}

static int is_near(const int32_t *near, int32_t row) {
    for (int k = 0; k < STABILITY_NEAR; k++)
        if (near[k] == row) return 1;
    return 0;
}

/* The pairs of query q, each once. */
static void add_query(struct near_pairs *p, const struct stability_tokens tables[2], int64_t q, int64_t query,
                      const int32_t *first, const int32_t *second) {
    int n = 0, common = 0;
    for (int k = 0; k < STABILITY_NEAR; k++) {
        if (first[k] >= 0) {
            n++;
            common += is_near(second, first[k]);
            add_pair(tables, query, first[k], p->sums + q * N_GROUPS);
        }
        if (second[k] >= 0 && !is_near(first, second[k])) add_pair(tables, query, second[k], p->sums + q * N_GROUPS);
    }
    p->in_common[q] = n > 0 ? (double)common / n : NAN;
}

static void measure_pairs(const void *context, const uint8_t *weights, void *scratch, double *results) {
    const struct near_pairs *p = context;
    double common = 0, queries = 0;
    (void)scratch;
    for (int g = 0; g < N_GROUPS; g++) {
        struct pair_sums t = {0};
        for (int64_t q = 0; q < p->n_queries; q++) {
            const struct pair_sums *s = &p->sums[q * N_GROUPS + g];
            double w = weights[q];
            t = (struct pair_sums){t.n + w * s->n,   t.x + w * s->x,   t.y + w * s->y,
                                   t.xx + w * s->xx, t.xy + w * s->xy, t.yy + w * s->yy};
        }
        double xx = t.xx * t.n - t.x * t.x, yy = t.yy * t.n - t.y * t.y;
        results[g] = xx > 0 && yy > 0 ? (t.xy * t.n - t.x * t.y) / sqrt(xx * yy) : NAN;
    }
    for (int64_t q = 0; q < p->n_queries; q++) {
        if (isnan(p->in_common[q])) continue;
        queries += weights[q];
        common += weights[q] * p->in_common[q];
    }
    results[N_GROUPS] = queries > 0 ? common / queries : NAN;
}

int stability_measure_pairs(struct stability *s, const struct bootstrap *b, const struct stability_tokens tables[2],
                            int64_t n_queries, const int64_t *queries, const int32_t *const near[2]) {
    struct near_pairs p = {.n_queries = n_queries};
    struct estimate estimates[N_GROUPS + 1];
    struct bootstrap_measure measure = {.n_units = n_queries,
                                        .n_results = N_GROUPS + 1,
                                        .stream = STREAM_QUERIES,
                                        .compute = measure_pairs,
                                        .context = &p};
    int status = mem_alloc(&p.sums, n_queries * N_GROUPS, sizeof *p.sums);
    if (status == STATUS_OK) status = mem_alloc(&p.in_common, n_queries, sizeof *p.in_common);
    TRY_DONE(comm_agree(b->comm, status));
    for (int64_t q = 0; q < n_queries; q++)
        add_query(&p, tables, q, queries[q], near[0] + q * STABILITY_NEAR, near[1] + q * STABILITY_NEAR);
    TRY_DONE(bootstrap_run(b, &measure, estimates));
    memcpy(s->overlap, estimates, sizeof s->overlap);
    s->nearest = estimates[N_GROUPS];
done:
    free(p.sums);
    free(p.in_common);
    return status;
}

/* ---- writing ---- */
static const char *const GROUPS[N_GROUPS][2] = {{"text_specific", "text-specific"},
                                                {"graph_specific", "graph-specific"},
                                                {"shared_text", "shared-text"},
                                                {"shared_graph", "shared-graph"}};
static const char NO_VALUE[] = "too few codes have tokens of this group in both tables, or all have the same";

static void print_line(FILE *out, const char *what, const char *group, const struct estimate *e) {
    char title[64];
    snprintf(title, sizeof title, "%s%s%s", what, group[0] ? ", " : "", group);
    fprintf(out, "%-40s", title);
    if (e->n == 0)
        fprintf(out, "  none: %s\n", NO_VALUE);
    else
        fprintf(out, " %13.4f %13.4f %13.4f %9lld\n", e->value, e->low, e->high, (long long)e->n);
}

void stability_print(FILE *out, const struct stability *s) {
    fprintf(out, "%-40s %13s %13s %13s %9s\n", "measure", "value", "2.5 %", "97.5 %", "from");
    for (int g = 0; g < N_GROUPS; g++) print_line(out, "tokens kept", GROUPS[g][1], &s->kept[g]);
    for (int g = 0; g < N_GROUPS; g++) print_line(out, "rand index", GROUPS[g][1], &s->rand_index[g]);
    for (int g = 0; g < N_GROUPS; g++) print_line(out, "overlap correlation", GROUPS[g][1], &s->overlap[g]);
    print_line(out, "nearest codes in common", "", &s->nearest);
}

static void write_estimate(struct json *j, const char *name, const struct estimate *e) {
    json_object(j, name);
    if (e->n == 0) {
        json_text(j, "value", NULL);
        json_text(j, "reason", NO_VALUE);
    } else {
        json_real(j, "value", e->value, 9);
        json_real(j, "low", e->low, 9);
        json_real(j, "high", e->high, 9);
        json_integer(j, "n", e->n);
    }
    json_end(j);
}

static void write_groups(struct json *j, const char *name, const struct estimate estimates[N_GROUPS]) {
    json_object(j, name);
    for (int g = 0; g < N_GROUPS; g++) write_estimate(j, GROUPS[g][0], &estimates[g]);
    json_end(j);
}

void stability_write_json(struct json *j, const struct stability *s) {
    write_groups(j, "kept", s->kept);
    write_groups(j, "rand_index", s->rand_index);
    write_groups(j, "overlap_correlation", s->overlap);
    write_estimate(j, "nearest", &s->nearest);
}
