/* The candidates' trainings, and the best of them in each cell. */
#include "ehr/grid_rates.h"

#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/status.h"

/* The mean over seeds of a rate; trials: those of its seeds. */
static double mean_tuning(const struct result *trials, int64_t seeds) {
    double sum = 0;
    for (int64_t s = 0; s < seeds; s++) sum += trials[s].failure[0] ? NAN : trials[s].tuning;
    return sum / (double)seeds;
}

/* On rank 0, which has the results: those of candidates, in their order. */
static void choose(struct grid_rates *r, const struct results *results, int64_t seeds) {
    for (int64_t i = 0; i < r->n * r->n_rates; i++) r->tuning[i] = mean_tuning(&results->trials[i * seeds], seeds);
    for (int64_t c = 0; c < r->n; c++) {
        const double *tuning = &r->tuning[c * r->n_rates];
        int32_t best = 0;
        for (int32_t k = 1; k < r->n_rates; k++)
            if (tuning[k] > tuning[best] || (isnan(tuning[best]) && !isnan(tuning[k]))) best = k;
        r->chosen[c] = best;
    }
}

static void log_choices(const struct grid_rates *r, const struct grid *candidates, const struct ehr_options *o) {
    for (int64_t c = 0; c < r->n; c++) {
        const struct grid_trial *t = &candidates->trials[(c * r->n_rates + r->chosen[c]) * o->seeds];
        if (isnan(r->tuning[c * r->n_rates + r->chosen[c]])) continue; /* all failed, as the log has it */
        log_info("%s is the best of its rates, average precision %.4f on tuning: the other arms have it too", t->name,
                 r->tuning[c * r->n_rates + r->chosen[c]]);
    }
}

static int run_candidates(struct grid_rates *r, const struct grid_run *run, const struct grid *candidates,
                          const struct ehr_options *o) {
    struct grid_run of_candidates = *run;
    struct results results = {0};
    int64_t n_failed;
    of_candidates.grid = candidates;
    int status = grid_run(&of_candidates, &results, &n_failed);
    if (status == STATUS_OK && run->comm->rank == 0) {
        choose(r, &results, o->seeds);
        log_choices(r, candidates, o);
    }
    results_free(&results);
    TRY(status);
    TRY(comm_broadcast(run->comm, r->chosen, r->n * (int64_t)sizeof *r->chosen));
    return comm_broadcast(run->comm, r->tuning, r->n * r->n_rates * (int64_t)sizeof *r->tuning);
}

int grid_rates_choose(struct grid_rates *r, const struct grid_run *run, const struct ehr_options *o, uint64_t seed) {
    struct grid candidates = {0};
    *r = (struct grid_rates){.n = o->grid_rates.n ? grid_cells(o) : 0, .n_rates = o->grid_rates.n};
    if (r->n == 0) return STATUS_OK;
    int status = mem_alloc(&r->chosen, r->n, sizeof *r->chosen);
    if (status == STATUS_OK) status = mem_alloc(&r->tuning, r->n * r->n_rates, sizeof *r->tuning);
    if (status == STATUS_OK) status = grid_make(&candidates, o, seed, NULL);
    if (status == STATUS_OK) status = grid_keep(&candidates, NULL);
    status = comm_agree(run->comm, status);
    if (status == STATUS_OK) status = run_candidates(r, run, &candidates, o);
    grid_free(&candidates);
    return status;
}

void grid_rates_free(struct grid_rates *r) {
    free(r->chosen);
    free(r->tuning);
    *r = (struct grid_rates){0};
}
