/* Samples are sorted by score once; each measure is then one walk over groups of equal scores, with how often each
 * subject counts. */
#include "measure/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/gather.h"

enum { STREAM_SUBJECTS = 4 }; /* of the bootstrap; 0 to 3 are those of quality.c */

/* ---- gathering ---- */
static int by_number(const void *a, const void *b) {
    int64_t x = ((const struct scored_sample *)a)->sample, y = ((const struct scored_sample *)b)->sample;
    return (x > y) - (x < y);
}

static int check_samples(int64_t n, const struct scored_sample *s) {
    for (int64_t i = 0; i < n; i++) {
        if (i && s[i].sample == s[i - 1].sample)
            return status_set(STATUS_FAILED, "sample %lld is scored twice", (long long)s[i].sample);
        if (isnan(s[i].score))
            return status_set(STATUS_FAILED, "the score of sample %lld (subject %lld) is not a number",
                              (long long)s[i].sample, (long long)s[i].subject);
    }
    return STATUS_OK;
}

int scored_samples_gather(const struct comm *comm, int64_t n, const struct scored_sample *samples, int64_t *n_all,
                          struct scored_sample **all) {
    TRY(comm_gather_rows(comm, n, sizeof *samples, samples, n_all, all));
    qsort(*all, (size_t)*n_all, sizeof **all, by_number);
    int status = check_samples(*n_all, *all);
    if (status == STATUS_OK) return STATUS_OK;
    free(*all);
    *all = NULL;
    return status;
}

/* ---- samples by score ---- */
/* Samples from the highest score on, and the unit of resampling of each. */
struct ranking {
    int64_t n, n_units;
    struct ranked {
        double score;
        int64_t label, unit;
    } * samples; /* [n] */
};

static int by_score(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->unit > y->unit) - (x->unit < y->unit);
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int rank_samples(struct ranking *r, int64_t n, const struct scored_sample *samples) {
    int64_t *subjects;
    *r = (struct ranking){.n = n};
    TRY(mem_alloc(&r->samples, n, sizeof *r->samples));
    TRY(mem_alloc(&subjects, n, sizeof *subjects));
    for (int64_t i = 0; i < n; i++) subjects[i] = samples[i].subject;
    qsort(subjects, (size_t)n, sizeof *subjects, ascending);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || subjects[i] != subjects[i - 1]) subjects[r->n_units++] = subjects[i];
    for (int64_t i = 0; i < n; i++) {
        const int64_t *found = bsearch(&samples[i].subject, subjects, (size_t)r->n_units, sizeof *subjects, ascending);
        r->samples[i] = (struct ranked){samples[i].score, samples[i].label != 0, found - subjects};
    }
    qsort(r->samples, (size_t)n, sizeof *r->samples, by_score);
    free(subjects);
    return STATUS_OK;
}

/* ---- measures; weights: how often each unit counts ---- */
static void measure_order(const struct ranking *r, const uint8_t *weights, double *auroc, double *average_precision) {
    double total[2] = {0}, above[2] = {0}, wins = 0, precisions = 0; /* negative, positive */
    for (int64_t i = 0; i < r->n; i++) total[r->samples[i].label] += weights[r->samples[i].unit];
    for (int64_t i = 0; i < r->n;) {
        double tied[2] = {0}, score = r->samples[i].score;
        for (; i < r->n && r->samples[i].score == score; i++) tied[r->samples[i].label] += weights[r->samples[i].unit];
        wins += tied[1] * (total[0] - above[0] - tied[0] / 2);
        above[0] += tied[0];
        above[1] += tied[1];
        if (tied[1] > 0) precisions += tied[1] * (above[1] / (above[0] + above[1]));
    }
    *auroc = total[0] > 0 && total[1] > 0 ? wins / (total[0] * total[1]) : NAN;
    *average_precision = total[1] > 0 ? precisions / total[1] : NAN;
}

static int are_probabilities(const struct ranking *r) {
    return r->n > 0 && r->samples[0].score <= 1 && r->samples[r->n - 1].score >= 0;
}

static double brier(const struct ranking *r, const uint8_t *weights) {
    double sum = 0, n = 0;
    if (!are_probabilities(r)) return NAN;
    for (int64_t i = 0; i < r->n; i++) {
        double off = r->samples[i].score - (double)r->samples[i].label, weight = weights[r->samples[i].unit];
        sum += weight * off * off;
        n += weight;
    }
    return n > 0 ? sum / n : NAN;
}

static double log_loss(const struct ranking *r) {
    static const double LEAST = 0x1p-52;
    double sum = 0;
    for (int64_t i = 0; i < r->n; i++) {
        double p = fmin(fmax(r->samples[i].score, LEAST), 1 - LEAST);
        sum -= r->samples[i].label ? log(p) : log1p(-p);
    }
    return sum / (double)r->n;
}

static void calibrate(const struct ranking *r, struct scores *s) {
    double error = 0;
    int used = 0;
    for (int64_t i = 0; i < r->n; i++) {
        int bin = 0;
        while (bin < CALIBRATION_BINS - 1 && r->samples[i].score > 0.1 * (bin + 1)) bin++;
        s->bins[bin].n++;
        s->bins[bin].score += r->samples[i].score;
        s->bins[bin].positive += (double)r->samples[i].label;
    }
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        struct calibration_bin *bin = &s->bins[b];
        if (bin->n == 0) continue;
        bin->score /= (double)bin->n;
        bin->positive /= (double)bin->n;
        error += fabs(bin->positive - bin->score);
        used++;
    }
    s->calibration_error = error / used;
}

int scores_compute(int64_t n, const struct scored_sample *samples, struct scores *s) {
    struct ranking r;
    uint8_t *weights = NULL;
    int status;
    *s = (struct scores){.n = n, .prevalence = NAN, .brier = NAN, .log_loss = NAN, .calibration_error = NAN};
    TRY_DONE(rank_samples(&r, n, samples));
    TRY_DONE(mem_alloc(&weights, r.n_units, sizeof *weights));
    memset(weights, 1, (size_t)r.n_units);
    for (int64_t i = 0; i < n; i++) s->n_positive += r.samples[i].label;
    if (n) s->prevalence = (double)s->n_positive / (double)n;
    measure_order(&r, weights, &s->auroc, &s->average_precision);
    if (are_probabilities(&r)) {
        s->brier = brier(&r, weights);
        s->log_loss = log_loss(&r);
        calibrate(&r, s);
    }
done:
    free(r.samples);
    free(weights);
    return status;
}

/* ---- intervals ---- */
struct arms {
    struct ranking ranking[2]; /* the second is empty if there is one arm */
    int n;
};

static void measure_arms(const void *context, const uint8_t *weights, void *scratch, double *results) {
    const struct arms *arms = context;
    (void)scratch;
    for (int a = 0; a < arms->n; a++) {
        double values[N_SCORES_ESTIMATES];
        measure_order(&arms->ranking[a], weights, &values[ESTIMATE_AUROC], &values[ESTIMATE_AVERAGE_PRECISION]);
        values[ESTIMATE_BRIER] = brier(&arms->ranking[a], weights);
        for (int i = 0; i < N_SCORES_ESTIMATES; i++) results[i] = a ? results[i] - values[i] : values[i];
    }
}

/* Takes over the rankings, made with `status`. */
static int run_bootstrap(const struct bootstrap *b, struct arms *arms, int status, struct estimate *estimates) {
    struct bootstrap_measure measure = {.n_units = arms->ranking[0].n_units,
                                        .n_results = N_SCORES_ESTIMATES,
                                        .stream = STREAM_SUBJECTS,
                                        .compute = measure_arms,
                                        .context = arms};
    status = comm_agree(b->comm, status);
    if (status == STATUS_OK) status = bootstrap_run(b, &measure, estimates);
    for (int a = 0; a < arms->n; a++) free(arms->ranking[a].samples);
    return status;
}

int scores_bootstrap(const struct bootstrap *b, int64_t n, const struct scored_sample *samples,
                     struct estimate estimates[N_SCORES_ESTIMATES]) {
    struct arms arms = {.n = 1};
    int status = rank_samples(&arms.ranking[0], n, samples);
    return run_bootstrap(b, &arms, status, estimates);
}

static int check_arms(int64_t n, const struct scored_sample *a, const struct scored_sample *b) {
    for (int64_t i = 0; i < n; i++)
        if (a[i].sample != b[i].sample || a[i].subject != b[i].subject || a[i].label != b[i].label)
            return status_set(
                STATUS_FAILED,
                "two arms are compared on different samples: row %lld is sample %lld (subject %lld, label "
                "%lld) of the one, and sample %lld (subject %lld, label %lld) of the other",
                (long long)i, (long long)a[i].sample, (long long)a[i].subject, (long long)a[i].label,
                (long long)b[i].sample, (long long)b[i].subject, (long long)b[i].label);
    return STATUS_OK;
}

int scores_bootstrap_difference(const struct bootstrap *bootstrap, int64_t n, const struct scored_sample *a,
                                const struct scored_sample *b, struct estimate estimates[N_SCORES_ESTIMATES]) {
    struct arms arms = {.n = 2};
    int status = check_arms(n, a, b);
    if (status == STATUS_OK) status = rank_samples(&arms.ranking[0], n, a);
    if (status == STATUS_OK) status = rank_samples(&arms.ranking[1], n, b);
    return run_bootstrap(bootstrap, &arms, status, estimates);
}
