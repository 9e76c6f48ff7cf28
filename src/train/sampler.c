/* Strata, their shuffles, and the cut among ranks. */
#include "train/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"

static int64_t stratum_first(const struct sampler *s, int64_t stratum) { return s->n_samples * stratum / s->n_strata; }

/* Cuts the strata where the running cost passes each rank's share; every rank gets at least one. */
static void cut_by_cost(struct sampler *s, const struct comm *comm, const int64_t *order, const double *cost) {
    double total = 0, sum = 0;
    for (int64_t i = 0; i < s->n_samples; i++) total += cost[i];
    int64_t at = 0;
    for (int r = 0; r <= comm->rank; r++) {
        s->first_stratum = at;
        double target = total * (r + 1) / comm->size;
        int64_t most = s->n_strata - (comm->size - r - 1); /* leaves one for each rank behind */
        do {
            for (int64_t i = stratum_first(s, at); i < stratum_first(s, at + 1); i++) sum += cost[order[i]];
            at++;
        } while (at < most && (r == comm->size - 1 || sum + 0.5 * total / (double)s->n_strata <= target));
        s->end_stratum = at;
    }
}

int sampler_holds_out(uint64_t seed, double holdout, int64_t sample) {
    return holdout > 0 && rng_uniform(seed, RNG_HOLDOUT, 0, (uint64_t)sample) < holdout;
}

/* Sizes for s->n_samples samples. */
static int cut_strata(struct sampler *s, const struct comm *comm, const char *what, int64_t batch) {
    s->n_strata = batch < s->n_samples ? batch : s->n_samples;
    if (s->n_strata < comm->size)
        return status_set(
            STATUS_USAGE,
            "%d ranks are too many for a batch of %lld %s (of %lld in all): each rank needs at least one; start fewer "
            "ranks, or set a larger batch",
            comm->size, (long long)s->n_strata, what, (long long)s->n_samples);
    s->batches_per_epoch = (s->n_samples + s->n_strata - 1) / s->n_strata;
    return STATUS_OK;
}

int sampler_make(struct sampler *s, const struct comm *comm, enum partition partition, const int64_t *graph_order,
                 uint64_t seed, double holdout, const char *what, int64_t n, int64_t batch, const double *cost) {
    int64_t *order;
    *s = (struct sampler){.seed = seed, .epoch = -1};
    TRY(mem_alloc(&order, n, sizeof *order));
    for (int64_t i = 0; i < n; i++) {
        int64_t sample = partition == PARTITION_GRAPH ? graph_order[i] : i;
        if (!sampler_holds_out(seed, holdout, sample)) order[s->n_samples++] = sample;
    }
    int status = cut_strata(s, comm, what, batch);
    if (status != STATUS_OK) {
        free(order);
        return status;
    }
    if (partition == PARTITION_RANDOM) rng_shuffle(seed, RNG_ORDER, 0, 0, order, s->n_samples);
    cut_by_cost(s, comm, order, cost);
    s->first = stratum_first(s, s->first_stratum);
    s->n_local = stratum_first(s, s->end_stratum) - s->first;
    status = mem_alloc(&s->order, s->n_local, sizeof *s->order);
    if (status == STATUS_OK) status = mem_alloc(&s->shuffled, s->n_local, sizeof *s->shuffled);
    if (status == STATUS_OK) memcpy(s->order, order + s->first, (size_t)s->n_local * sizeof *order);
    free(order);
    return status;
}

void sampler_free(struct sampler *s) {
    free(s->order);
    free(s->shuffled);
    *s = (struct sampler){0};
}

static void shuffle_strata(struct sampler *s, int64_t epoch) {
    memcpy(s->shuffled, s->order, (size_t)s->n_local * sizeof *s->order);
    for (int64_t k = s->first_stratum; k < s->end_stratum; k++) {
        int64_t first = stratum_first(s, k), n = stratum_first(s, k + 1) - first;
        rng_shuffle(s->seed, RNG_SAMPLER, (uint32_t)epoch, (uint64_t)k, s->shuffled + (first - s->first), n);
    }
    s->epoch = epoch;
}

/* Which of its samples a stratum gives to batch `b` of an epoch; -1: it passes over it. */
static int64_t element_of_batch(const struct sampler *s, int64_t stratum, int64_t b) {
    int64_t first = stratum_first(s, stratum), n = stratum_first(s, stratum + 1) - first;
    if (n == s->batches_per_epoch) return b;
    int64_t short_before = stratum * s->batches_per_epoch - first, passed = short_before % s->batches_per_epoch;
    return b == passed ? -1 : b < passed ? b : b - 1;
}

/* How many of the first n strata pass over batch `b` of an epoch. */
static int64_t count_passing(const struct sampler *s, int64_t n, int64_t b) {
    int64_t n_short = n * s->batches_per_epoch - stratum_first(s, n);
    return n_short > b ? (n_short - b - 1) / s->batches_per_epoch + 1 : 0;
}

void sampler_position(const struct sampler *s, int64_t batch, int64_t *before, int64_t *total) {
    int64_t b = batch % s->batches_per_epoch;
    *before = s->first_stratum - count_passing(s, s->first_stratum, b);
    *total = s->n_strata - count_passing(s, s->n_strata, b);
}

int64_t sampler_draw(struct sampler *s, int64_t batch, int64_t *samples) {
    int64_t epoch = batch / s->batches_per_epoch, n = 0;
    if (epoch != s->epoch) shuffle_strata(s, epoch);
    for (int64_t k = s->first_stratum; k < s->end_stratum; k++) {
        int64_t element = element_of_batch(s, k, batch % s->batches_per_epoch);
        if (element >= 0) samples[n++] = s->shuffled[stratum_first(s, k) - s->first + element];
    }
    return n;
}
