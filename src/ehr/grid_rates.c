/* The candidates' trainings, and the best of them in each cell. */
#include "ehr/grid_rates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/status.h"
#include "ehr/trial_files.h"

/* What is chosen from: the candidates and, on rank 0, what they came to, by cell, rate and seed. */
struct choice {
    const struct ehr_options *options;
    struct grid candidates;
    struct results results;
};

static int64_t candidate(const struct grid_rates *r, const struct choice *c, int64_t cell, int64_t rate, int64_t seed) {
    return (cell * r->n_rates + rate) * c->options->seeds + seed;
}

static int failed(const struct grid_rates *r, const struct choice *c, int64_t cell, int64_t rate, int64_t seed) {
    return c->results.trials[candidate(r, c, cell, rate, seed)].failure[0] != 0;
}

/* Whether a seed failed with every rate, which is not for the rate. */
static int is_hopeless(const struct grid_rates *r, const struct choice *c, int64_t cell, int64_t seed) {
    for (int64_t k = 0; k < r->n_rates; k++)
        if (!failed(r, c, cell, k, seed)) return 0;
    return 1;
}

static double mean_tuning(const struct grid_rates *r, const struct choice *c, int64_t cell, int64_t rate) {
    double sum = 0;
    int64_t n = 0;
    for (int64_t s = 0; s < c->options->seeds; s++) {
        if (is_hopeless(r, c, cell, s)) continue;
        if (failed(r, c, cell, rate, s)) return NAN;
        sum += c->results.trials[candidate(r, c, cell, rate, s)].tuning;
        n++;
    }
    return n ? sum / (double)n : NAN;
}

static double rate_of(const struct grid_rates *r, const struct choice *c, int64_t rate) {
    return c->candidates.trials[candidate(r, c, 0, rate, 0)].options.rate;
}

static int is_better(const struct grid_rates *r, const struct choice *c, const double *tuning, int32_t k,
                     int32_t best) {
    if (isnan(tuning[k]) || isnan(tuning[best])) return !isnan(tuning[k]);
    return tuning[k] > tuning[best] || (tuning[k] == tuning[best] && rate_of(r, c, k) < rate_of(r, c, best));
}

static void choose(struct grid_rates *r, const struct choice *c) {
    for (int64_t cell = 0; cell < r->n; cell++) {
        double *tuning = &r->tuning[cell * r->n_rates];
        for (int32_t k = 0; k < r->n_rates; k++) {
            tuning[k] = mean_tuning(r, c, cell, k);
            if (k && is_better(r, c, tuning, k, r->chosen[cell])) r->chosen[cell] = k;
        }
        int32_t best = r->chosen[cell];
        if (!isnan(tuning[best]))
            log_info("%s is the best of its rates, average precision %.4f on tuning: the other arms have it too",
                     c->candidates.trials[candidate(r, c, cell, best, 0)].name, tuning[best]);
    }
}

/* The candidates that were not chosen: their failures are kept, their weights go if weights go. */
static int leave(struct grid_rates *r, struct choice *c, const struct grid_run *run) {
    for (int64_t i = 0; i < c->candidates.n; i++) {
        const struct grid_trial *t = &c->candidates.trials[i];
        struct result *result = &c->results.trials[i];
        if (t->rate == r->chosen[t->cell]) continue;
        if (!result->failure[0]) {
            if (c->options->weights == WEIGHTS_DROP) trial_weights_drop(run, t);
            continue;
        }
        struct result taken = *result;
        *result = (struct result){0};
        if (r->n_failed++ == 0)
            snprintf(r->first_failure, sizeof r->first_failure, "%s: %s", taken.name, taken.failure);
        TRY(results_add(&r->failed, &taken));
    }
    return STATUS_OK;
}

static int run_candidates(struct grid_rates *r, struct choice *c, const struct grid_run *run) {
    struct grid_run of_candidates = *run;
    int64_t n_failed;
    int status = STATUS_OK;
    of_candidates.grid = &c->candidates;
    TRY(grid_run(&of_candidates, &c->results, &n_failed));
    if (run->comm->rank == 0) {
        choose(r, c);
        status = leave(r, c, run);
    }
    TRY(comm_agree(run->comm, status));
    TRY(comm_broadcast(run->comm, &r->n_failed, sizeof r->n_failed));
    TRY(comm_broadcast(run->comm, r->first_failure, sizeof r->first_failure));
    TRY(comm_broadcast(run->comm, r->chosen, r->n * (int64_t)sizeof *r->chosen));
    return comm_broadcast(run->comm, r->tuning, r->n * r->n_rates * (int64_t)sizeof *r->tuning);
}

int grid_rates_choose(struct grid_rates *r, const struct grid_run *run, const struct ehr_options *o, uint64_t seed) {
    struct choice c = {.options = o};
    *r = (struct grid_rates){.n = o->grid_rates.n ? grid_cells(o) : 0, .n_rates = o->grid_rates.n};
    if (r->n == 0) return STATUS_OK;
    int status = mem_alloc(&r->chosen, r->n, sizeof *r->chosen);
    if (status == STATUS_OK) status = mem_alloc(&r->tuning, r->n * r->n_rates, sizeof *r->tuning);
    if (status == STATUS_OK) status = grid_make(&c.candidates, o, seed);
    if (status == STATUS_OK) status = grid_keep_candidates(&c.candidates);
    status = comm_agree(run->comm, status);
    if (status == STATUS_OK) status = run_candidates(r, &c, run);
    results_free(&c.results);
    grid_free(&c.candidates);
    return status;
}

void grid_rates_free(struct grid_rates *r) {
    free(r->chosen);
    free(r->tuning);
    results_free(&r->failed);
    *r = (struct grid_rates){0};
}
