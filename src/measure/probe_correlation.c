/* Pairs are sorted once by likeness; a resample then only sums weights along that order. */
#include "measure/probe_correlation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* ---- likeness ---- */
void likeness_of_vectors(const struct probe_question *q, const struct vector_rows *rows, double *likeness) {
    int64_t width = rows->width;
    for (int64_t i = 0; i < q->n_pairs; i++) {
        const float *a = vector_row(rows, q->queries[q->pairs[i].a]), *b = vector_row(rows, q->queries[q->pairs[i].b]);
        int common = __builtin_popcount(vector_parts(a, width, rows->parts) & vector_parts(b, width, rows->parts));
        double sum = 0;
        for (int64_t c = 0; c < width; c++) sum += (double)a[c] * (double)b[c];
        likeness[i] = common ? sum / common : NAN;
    }
}

static double bag_sum(const struct bags *b, int32_t code) {
    double sum = 0;
    for (int64_t k = b->offsets[code]; k < b->offsets[code + 1]; k++) sum += (double)b->weights[k];
    return sum;
}

/* Both bags are merged by item: what both have is the smaller part; what either has is 2 less that, since each sums to 1. */
static double overlap(const struct bags *b, int32_t x, int32_t y) {
    double of_x = bag_sum(b, x), of_y = bag_sum(b, y), both = 0;
    int64_t i = b->offsets[x], j = b->offsets[y];
    if (of_x == 0 || of_y == 0) return NAN;
    while (i < b->offsets[x + 1] && j < b->offsets[y + 1])
        if (b->items[i] == b->items[j]) {
            both += fmin((double)b->weights[i] / of_x, (double)b->weights[j] / of_y);
            i++;
            j++;
        } else if (b->items[i] < b->items[j])
            i++;
        else
            j++;
    return both / (2 - both);
}

void likeness_of_bags(const struct probe_question *q, const struct bags *bags, double *likeness) {
    for (int64_t i = 0; i < q->n_pairs; i++)
        likeness[i] = overlap(bags, q->queries[q->pairs[i].a], q->queries[q->pairs[i].b]);
}

/* ---- ranks ---- */
enum { MOST_DISTANCES = 256 };

/* The pairs of one space that count, by likeness. */
struct sorted_pairs {
    int64_t n;
    const struct code_pair **pair; /* [n] */
    uint8_t *begins;               /* [n] whether the likeness differs from the one before */
};

struct correlating {
    int n_spaces, is_difference;
    struct sorted_pairs *spaces; /* [n_spaces] */
};

struct ranked {
    double likeness;
    const struct code_pair *pair;
};

static int by_likeness(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    if (x->likeness != y->likeness) return x->likeness < y->likeness ? -1 : 1;
    return (x->pair > y->pair) - (x->pair < y->pair);
}

/* beside: NaN there counts too; or NULL. */
static int sort_pairs(struct sorted_pairs *s, const struct probe_question *q, const double *likeness,
                      const double *beside) {
    struct ranked *all;
    TRY(mem_alloc(&s->pair, q->n_pairs, sizeof(const struct code_pair *)));
    TRY(mem_alloc(&s->begins, q->n_pairs, 1));
    TRY(mem_alloc(&all, q->n_pairs, sizeof *all));
    for (int64_t i = 0; i < q->n_pairs; i++)
        if (!isnan(likeness[i]) && !(beside && isnan(beside[i])))
            all[s->n++] = (struct ranked){likeness[i], &q->pairs[i]};
    if (s->n > 0) qsort(all, (size_t)s->n, sizeof *all, by_likeness);
    for (int64_t i = 0; i < s->n; i++) {
        s->pair[i] = all[i].pair;
        s->begins[i] = i == 0 || all[i].likeness != all[i - 1].likeness;
    }
    free(all);
    return STATUS_OK;
}

static double pair_weight(const struct code_pair *pair, const uint8_t *weights) {
    return (double)weights[pair->a] * (double)weights[pair->b];
}

/* Ranks of the distances, less their mean; returns the weight of all pairs. */
static double rank_distances(const struct sorted_pairs *s, const uint8_t *weights, double rank[MOST_DISTANCES]) {
    double weight[MOST_DISTANCES] = {0}, all = 0, before = 0;
    for (int64_t i = 0; i < s->n; i++) weight[s->pair[i]->distance] += pair_weight(s->pair[i], weights);
    for (int d = 0; d < MOST_DISTANCES; d++) all += weight[d];
    for (int d = 0; d < MOST_DISTANCES; d++) {
        rank[d] = before + weight[d] / 2 - all / 2;
        before += weight[d];
    }
    return all;
}

/* Pearson's correlation of the ranks, where each pair stands `weight` times: those of equal values are the mean of the places that they
 * take. */
static double correlate(const struct sorted_pairs *s, const uint8_t *weights) {
    double of_distance[MOST_DISTANCES], before = 0, xx = 0, xy = 0, yy = 0;
    double all = rank_distances(s, weights, of_distance);
    for (int64_t first = 0, end; first < s->n; first = end) {
        double weight = 0, y = 0;
        for (end = first; end < s->n && (end == first || !s->begins[end]); end++) {
            double w = pair_weight(s->pair[end], weights), rank = of_distance[s->pair[end]->distance];
            weight += w;
            y += w * rank;
            yy += w * rank * rank;
        }
        double x = before + weight / 2 - all / 2;
        xx += weight * x * x;
        xy += x * y;
        before += weight;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

static void compute(const void *context, const uint8_t *weights, void *scratch, double *results) {
    const struct correlating *c = context;
    (void)scratch;
    if (c->is_difference)
        results[0] = correlate(&c->spaces[0], weights) - correlate(&c->spaces[1], weights);
    else
        for (int i = 0; i < c->n_spaces; i++) results[i] = correlate(&c->spaces[i], weights);
}

static int run(const struct bootstrap *bootstrap, const struct probe_question *q, int n, const double *const *likeness,
               int is_difference, struct estimate *estimates) {
    enum { STREAM = 0x91 }; /* one: all spaces of a question are resampled alike */
    struct correlating c = {.n_spaces = n, .is_difference = is_difference};
    struct bootstrap_measure measure = {.n_units = q->n_queries,
                                        .n_results = is_difference ? 1 : n,
                                        .stream = STREAM,
                                        .compute = compute,
                                        .context = &c};
    int status = mem_alloc(&c.spaces, n, sizeof *c.spaces);
    for (int i = 0; i < n && status == STATUS_OK; i++)
        status = sort_pairs(&c.spaces[i], q, likeness[i], is_difference ? likeness[1 - i] : NULL);
    status = comm_agree(bootstrap->comm, status);
    if (status == STATUS_OK) status = bootstrap_run(bootstrap, &measure, estimates);
    for (int i = 0; i < n && c.spaces; i++) {
        free(c.spaces[i].pair);
        free(c.spaces[i].begins);
    }
    free(c.spaces);
    return status;
}

int correlate_with_distance(const struct bootstrap *bootstrap, const struct probe_question *q, int n,
                            const double *likeness, struct estimate *estimates) {
    const double *rows[BOOTSTRAP_MOST_RESULTS];
    for (int i = 0; i < n; i++) rows[i] = likeness + i * q->n_pairs;
    return run(bootstrap, q, n, rows, 0, estimates);
}

int correlation_difference(const struct bootstrap *bootstrap, const struct probe_question *q, const double *a,
                           const double *b, struct estimate *estimate) {
    const double *rows[2] = {a, b};
    return run(bootstrap, q, 2, rows, 1, estimate);
}
