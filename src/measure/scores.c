/* Samples are sorted by score once; all measures then come of one walk over them, with how much the samples of each subject count. */
#include "measure/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/gather.h"
#include "measure/keyed_sort.h"
#include "measure/tally.h"

enum { STREAM_SUBJECTS = 4 }; /* of the bootstrap; 0 to 3 are those of quality.c */

#define SCORES_NAME(NAME, name) #name,
const char *const SCORES_NAMES[N_SCORES_MEASURES] = {SCORES_MEASURES(SCORES_NAME)};

/* ---- gathering ---- */
static int by_number(const void *a, const void *b) {
    int64_t x = ((const struct scored_sample *)a)->sample, y = ((const struct scored_sample *)b)->sample;
    return (x > y) - (x < y);
}

static int are_in_order(int64_t n, const struct scored_sample *s) {
    for (int64_t i = 1; i < n; i++)
        if (s[i].sample < s[i - 1].sample) return 0;
    return 1;
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
    if (!are_in_order(*n_all, *all)) qsort(*all, (size_t)*n_all, sizeof **all, by_number);
    int status = check_samples(*n_all, *all);
    if (status == STATUS_OK) return STATUS_OK;
    free(*all);
    *all = NULL;
    return status;
}

/* ---- samples by score ---- */
/* The mark of a sample: these bits. A decision that is lacking is none of those that `has` counts. */
enum { MARK_LABEL = 1, MARK_HALF = 2, MARK_CHOSEN = 4, MARK_GIVEN = 8, N_MARKS = 16 };

struct ranking {
    int64_t n;
    struct subject_units units;
    struct keyed *samples; /* [n] from the highest score on */
    double (*losses)[2]; /* [units] sums over each subject's samples: Brier's and log loss; NULL: there are scores that
                              are no probabilities */
    int has;             /* MARK_CHOSEN, MARK_GIVEN: all samples have the decision */
};

static uint32_t mark_of(const struct scored_sample *s) {
    return (s->label ? MARK_LABEL : 0U) | (s->score >= 0.5 ? MARK_HALF : 0U) |
           (s->chosen == DECISION_TRUE ? MARK_CHOSEN : 0U) | (s->given == DECISION_TRUE ? MARK_GIVEN : 0U);
}

static double log_loss_of(const struct scored_sample *s) {
    static const double LEAST = 0x1p-52;
    double p = fmin(fmax(s->score, LEAST), 1 - LEAST);
    return s->label ? -log(p) : -log1p(-p);
}

static int add_losses(struct ranking *r, const struct scored_sample *samples) {
    TRY(mem_alloc(&r->losses, r->units.n, sizeof *r->losses));
    for (int64_t i = 0; i < r->n; i++) {
        double off = samples[i].score - (samples[i].label ? 1 : 0), *losses = r->losses[r->units.unit[i]];
        losses[0] += off * off;
        losses[1] += log_loss_of(&samples[i]);
    }
    return STATUS_OK;
}

static void ranking_free(struct ranking *r) {
    subject_units_free(&r->units);
    free(r->samples);
    free(r->losses);
    *r = (struct ranking){0};
}

/* Free in any case. */
static int ranking_make(struct ranking *r, int64_t n, const struct scored_sample *samples) {
    int are_probabilities = n > 0;
    *r = (struct ranking){.n = n, .has = n > 0 ? MARK_CHOSEN | MARK_GIVEN : 0};
    TRY(subject_units_make(&r->units, n, &samples->subject, sizeof *samples));
    TRY(mem_alloc(&r->samples, n, sizeof *r->samples));
    for (int64_t i = 0; i < n; i++) {
        const struct scored_sample *s = &samples[i];
        r->samples[i] = (struct keyed){key_of_score(s->score), r->units.unit[i], mark_of(s)};
        if (s->chosen == DECISION_NONE) r->has &= ~MARK_CHOSEN;
        if (s->given == DECISION_NONE) r->has &= ~MARK_GIVEN;
        if (!(s->score >= 0 && s->score <= 1)) are_probabilities = 0;
    }
    keyed_sort(n, r->samples);
    return are_probabilities ? add_losses(r, samples) : STATUS_OK;
}

/* ---- measures ---- */
struct bin_sums {
    double weight, score, positive;
};

/* What a walk finds. */
struct walk {
    struct tally tally;
    double marks[N_MARKS]; /* weight of the samples of each mark */
    struct bin_sums bins[CALIBRATION_BINS];
};

/* weights [units]: of a sample of each subject. */
static void walk_samples(const struct ranking *r, const double *weights, struct walk *w) {
    int bin = CALIBRATION_BINS - 1;
    *w = (struct walk){0};
    for (int64_t i = 0; i < r->n; i++) {
        const struct keyed *s = &r->samples[i];
        double weight = weights[s->unit], score = score_of_key(s->key);
        while (bin > 0 && score <= 0.1 * bin) bin--;
        w->bins[bin].weight += weight;
        w->bins[bin].score += weight * score;
        if (s->mark & MARK_LABEL) w->bins[bin].positive += weight;
        w->marks[s->mark] += weight;
        tally_add(&w->tally, s->key, s->mark & MARK_LABEL, weight);
    }
    tally_settle(&w->tally);
}

static double calibration_error(const struct walk *w) {
    double error = 0;
    int used = 0;
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        if (!(w->bins[b].weight > 0)) continue;
        error += fabs(w->bins[b].positive - w->bins[b].score) / w->bins[b].weight;
        used++;
    }
    return used ? error / used : NAN;
}

/* Of the decisions `mark`. */
static void measure_decisions(const struct walk *w, int mark, double *accuracy, double *f1) {
    double counts[2][2] = {{0}}, total; /* decision, label */
    for (int m = 0; m < N_MARKS; m++) counts[(m & mark) != 0][(m & MARK_LABEL) != 0] += w->marks[m];
    total = counts[0][0] + counts[0][1] + counts[1][0] + counts[1][1];
    *accuracy = total > 0 ? (counts[0][0] + counts[1][1]) / total : NAN;
    *f1 = f1_of(counts[1][1], counts[1][0], counts[0][1]);
    if (isnan(*f1) && total > 0) *f1 = 0;
}

static void measure_losses(const struct ranking *r, const double *weights, double *values) {
    double brier = 0, log_loss = 0, total = 0;
    for (int64_t u = 0; u < r->units.n; u++) {
        brier += weights[u] * r->losses[u][0];
        log_loss += weights[u] * r->losses[u][1];
        total += weights[u] * r->units.rows[u];
    }
    values[ESTIMATE_BRIER] = total > 0 ? brier / total : NAN;
    values[ESTIMATE_LOG_LOSS] = total > 0 ? log_loss / total : NAN;
}

/* values [N_SCORES_MEASURES] */
static void measure(const struct ranking *r, const double *weights, struct walk *w, double *values) {
    static const struct {
        int mark, accuracy, f1;
    } DECISIONS[] = {{MARK_HALF, ESTIMATE_ACCURACY, ESTIMATE_F1},
                     {MARK_CHOSEN, ESTIMATE_ACCURACY_CHOSEN, ESTIMATE_F1_CHOSEN},
                     {MARK_GIVEN, ESTIMATE_ACCURACY_GIVEN, ESTIMATE_F1_GIVEN}};
    for (int i = 0; i < N_SCORES_MEASURES; i++) values[i] = NAN;
    walk_samples(r, weights, w);
    values[ESTIMATE_AUROC] = tally_auroc(&w->tally);
    values[ESTIMATE_AVERAGE_PRECISION] = tally_average_precision(&w->tally);
    for (int i = 0; i < 3; i++)
        if ((r->has | MARK_HALF) & DECISIONS[i].mark)
            measure_decisions(w, DECISIONS[i].mark, &values[DECISIONS[i].accuracy], &values[DECISIONS[i].f1]);
    if (!r->losses) return;
    measure_losses(r, weights, values);
    values[ESTIMATE_CALIBRATION_ERROR] = calibration_error(w);
}

static void fill_bins(const struct ranking *r, const struct walk *w, struct scores *s) {
    int bin = CALIBRATION_BINS - 1;
    for (int64_t i = 0; i < r->n; i++) {
        while (bin > 0 && score_of_key(r->samples[i].key) <= 0.1 * bin) bin--;
        s->bins[bin].n++;
    }
    for (int b = 0; b < CALIBRATION_BINS; b++)
        if (s->bins[b].n) {
            s->bins[b].score = w->bins[b].score / w->bins[b].weight;
            s->bins[b].positive = w->bins[b].positive / w->bins[b].weight;
        }
}

int scores_compute_by(enum weighting weighting, int64_t n, const struct scored_sample *samples, struct scores *s) {
    struct ranking r;
    struct walk w;
    double *weights = NULL, values[N_SCORES_MEASURES];
    int status;
    *s = (struct scores){.n = n};
    TRY_DONE(ranking_make(&r, n, samples));
    TRY_DONE(mem_alloc(&weights, r.units.n, sizeof *weights));
    subject_units_weigh(&r.units, weighting, NULL, weights);
    measure(&r, weights, &w, values);
    s->n_subjects = r.units.n;
    for (int64_t i = 0; i < n; i++) s->n_positive += samples[i].label != 0;
    s->prevalence = tally_prevalence(&w.tally);
#define SCORES_SET(NAME, name) s->name = values[ESTIMATE_##NAME];
    SCORES_MEASURES(SCORES_SET)
    if (r.losses) fill_bins(&r, &w, s);
done:
    ranking_free(&r);
    free(weights);
    return status;
}

int scores_compute(int64_t n, const struct scored_sample *samples, struct scores *s) {
    return scores_compute_by(BY_SAMPLES, n, samples, s);
}

/* ---- the threshold ---- */
int scores_choose_threshold(int64_t n, const struct scored_sample *samples, double *threshold) {
    struct ranking r;
    int64_t counts[2] = {0}, positive = 0;
    double best = 0;
    *threshold = INFINITY;
    int status = ranking_make(&r, n, samples);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) positive += r.samples[i].mark & MARK_LABEL;
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) {
        counts[r.samples[i].mark & MARK_LABEL]++;
        if (i + 1 < n && r.samples[i + 1].key == r.samples[i].key) continue;
        double f1 = f1_of((double)counts[1], (double)counts[0], (double)(positive - counts[1]));
        if (f1 > best) {
            best = f1;
            *threshold = score_of_key(r.samples[i].key);
        }
    }
    ranking_free(&r);
    return status;
}

void scored_samples_decide(int64_t n, struct scored_sample *samples, double threshold) {
    for (int64_t i = 0; i < n; i++) samples[i].chosen = samples[i].score >= threshold ? DECISION_TRUE : DECISION_FALSE;
}

/* ---- intervals ---- */
struct arms {
    struct ranking ranking[2]; /* the second is empty if there is one arm */
    int n;
};

static void measure_arms(const void *context, const uint8_t *times, void *scratch, double *results) {
    const struct arms *arms = context;
    double *weights = scratch, values[N_SCORES_MEASURES];
    struct walk walk;
    for (int a = 0; a < arms->n; a++)
        for (int weighting = 0; weighting < N_WEIGHTINGS; weighting++) {
            double *out = results + (ptrdiff_t)weighting * N_SCORES_MEASURES;
            subject_units_weigh(&arms->ranking[a].units, (enum weighting)weighting, times, weights);
            measure(&arms->ranking[a], weights, &walk, values);
            for (int i = 0; i < N_SCORES_MEASURES; i++) out[i] = a ? out[i] - values[i] : values[i];
        }
}

/* Takes over the rankings, made with `status`. */
static int run_bootstrap(const struct bootstrap *b, struct arms *arms, int status, struct estimate *estimates) {
    int64_t n_units = arms->ranking[0].units.n;
    struct bootstrap_measure resampled = {.n_units = n_units,
                                          .scratch_bytes = n_units * (int64_t)sizeof(double),
                                          .n_results = N_SCORES_ESTIMATES,
                                          .shift = UINT64_C(1) << ESTIMATE_CALIBRATION_ERROR |
                                                   UINT64_C(1) << (N_SCORES_MEASURES + ESTIMATE_CALIBRATION_ERROR),
                                          .stream = STREAM_SUBJECTS,
                                          .compute = measure_arms,
                                          .context = arms};
    status = comm_agree(b->comm, status);
    if (status == STATUS_OK) status = bootstrap_run(b, &resampled, estimates);
    for (int a = 0; a < arms->n; a++) ranking_free(&arms->ranking[a]);
    return status;
}

int scores_bootstrap(const struct bootstrap *b, int64_t n, const struct scored_sample *samples,
                     struct estimate estimates[N_SCORES_ESTIMATES]) {
    struct arms arms = {.n = 1};
    int status = run_bootstrap(b, &arms, ranking_make(&arms.ranking[0], n, samples), estimates);
    for (int w = 0; w < N_WEIGHTINGS && status == STATUS_OK; w++) {
        struct estimate *e = &estimates[w * N_SCORES_MEASURES + ESTIMATE_CALIBRATION_ERROR];
        e->low = fmax(e->low, 0);
    }
    return status;
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
    if (status == STATUS_OK) status = ranking_make(&arms.ranking[0], n, a);
    if (status == STATUS_OK) status = ranking_make(&arms.ranking[1], n, b);
    return run_bootstrap(bootstrap, &arms, status, estimates);
}
