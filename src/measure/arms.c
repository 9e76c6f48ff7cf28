/* The scores of each replicate are sorted once; a resample is a walk over them (measure/tally.h). */
#include "measure/arms.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"
#include "measure/keyed_sort.h"
#include "measure/subject_units.h"
#include "measure/tally.h"

enum { STREAM_SUBJECTS = 4, MARK_LABEL = 1, MARK_BITS = 1 }; /* the stream of scores.c: subjects are resampled alike */

/* Pairs of a sample and a class from the highest score on; mark: the class above MARK_LABEL. */
struct ranked {
    int64_t n;
    struct keyed *pairs; /* owned */
};

struct walked {
    const struct compared_samples *samples;
    struct subject_units units;
    int n_arms, *reference;   /* [MOST_REFERENCES] */
    const int *n_replicates;  /* [n_arms] */
    struct ranked **replicas; /* [n_arms][n_replicates] owned */
};

/* ---- samples ---- */
static int is_taken(const struct compared_samples *s, int64_t row) { return !s->taken || s->taken[row]; }

/* Marks those of a sample's pairs that are its labels. */
static void mark_labels(const struct compared_samples *s, int64_t row, struct keyed *pairs) {
    if (s->form == LABEL_BINARY)
        pairs[0].mark |= s->label[row] ? MARK_LABEL : 0U;
    else if (s->form == LABEL_CLASS)
        pairs[s->label[row]].mark |= MARK_LABEL;
    else
        for (int64_t i = s->set_offsets[row]; i < s->set_offsets[row + 1]; i++) pairs[s->set[i]].mark |= MARK_LABEL;
}

static int ranked_make(struct ranked *r, const struct compared_samples *s, const struct subject_units *units,
                       const double *scores) {
    int32_t n = compared_outputs(s);
    int64_t rows = 0;
    for (int64_t i = 0; i < s->n; i++) rows += is_taken(s, i);
    TRY(mem_alloc(&r->pairs, rows * n, sizeof *r->pairs));
    for (int64_t i = 0; i < s->n; i++) {
        if (!is_taken(s, i)) continue;
        for (int32_t c = 0; c < n; c++) {
            double score = scores[i * n + c];
            if (isnan(score))
                return status_set(STATUS_FAILED, "the score of sample %lld (subject %lld) is not a number",
                                  (long long)i, (long long)s->subject[i]);
            r->pairs[r->n + c] = (struct keyed){key_of_score(score), units->unit[i], (uint32_t)c << MARK_BITS};
        }
        mark_labels(s, i, r->pairs + r->n);
        r->n += n;
    }
    keyed_sort(r->n, r->pairs);
    return STATUS_OK;
}

double compared_prevalence(const struct compared_samples *s, int64_t *n, int64_t *n_positive) {
    int32_t outputs = compared_outputs(s), formed = 0;
    int64_t *positive = calloc((size_t)outputs, sizeof *positive);
    double sum = 0;
    *n = *n_positive = 0;
    for (int64_t i = 0; i < s->n && positive; i++) {
        if (!is_taken(s, i)) continue;
        (*n)++;
        if (s->form == LABEL_BINARY)
            positive[0] += s->label[i] != 0;
        else if (s->form == LABEL_CLASS)
            positive[s->label[i]]++;
        else
            for (int64_t k = s->set_offsets[i]; k < s->set_offsets[i + 1]; k++) positive[s->set[k]]++;
    }
    for (int32_t c = 0; c < outputs && positive; c++) {
        *n_positive += positive[c];
        if (positive[c] == 0) continue;
        sum += (double)positive[c] / (double)*n;
        formed++;
    }
    free(positive);
    return formed ? sum / formed : NAN;
}

/* ---- a walk ---- */
/* times [units]; tallies: memory for the outputs. */
static void walk(const struct ranked *r, int32_t outputs, const uint8_t *times, struct tally *tallies,
                 double values[N_ARMS_MEASURES]) {
    double sum[N_ARMS_MEASURES] = {0};
    int formed[N_ARMS_MEASURES] = {0};
    for (int32_t c = 0; c < outputs; c++) tallies[c] = (struct tally){0};
    for (int64_t i = 0; i < r->n; i++) {
        const struct keyed *pair = &r->pairs[i];
        tally_add(&tallies[pair->mark >> MARK_BITS], pair->key, pair->mark & MARK_LABEL, times[pair->unit]);
    }
    for (int32_t c = 0; c < outputs; c++) {
        tally_settle(&tallies[c]);
        double of_class[N_ARMS_MEASURES] = {tally_average_precision(&tallies[c]), tally_auroc(&tallies[c])};
        for (int m = 0; m < N_ARMS_MEASURES; m++) {
            if (isnan(of_class[m])) continue;
            sum[m] += of_class[m];
            formed[m]++;
        }
    }
    for (int m = 0; m < N_ARMS_MEASURES; m++) values[m] = formed[m] ? sum[m] / formed[m] : NAN;
}

/* results: [arms][1 + MOST_REFERENCES][measures] */
static void measure(const void *context, const uint8_t *times, void *scratch, double *results) {
    const struct walked *w = context;
    int32_t outputs = compared_outputs(w->samples);
    double means[MOST_COMPARED_ARMS][N_ARMS_MEASURES] = {{0}}, values[N_ARMS_MEASURES];
    for (int a = 0; a < w->n_arms; a++)
        for (int r = 0; r < w->n_replicates[a]; r++) {
            walk(&w->replicas[a][r], outputs, times, scratch, values);
            for (int m = 0; m < N_ARMS_MEASURES; m++) means[a][m] += values[m] / w->n_replicates[a];
        }
    for (int a = 0; a < w->n_arms; a++)
        for (int m = 0; m < N_ARMS_MEASURES; m++) {
            double *out = results + (ptrdiff_t)a * (1 + MOST_REFERENCES) * N_ARMS_MEASURES + m;
            *out = means[a][m];
            for (int k = 0; k < MOST_REFERENCES; k++) {
                int other = w->reference[k];
                out[(1 + k) * N_ARMS_MEASURES] = other < 0 ? NAN : means[a][m] - means[other][m];
            }
        }
}

int arm_measure(const struct compared_samples *samples, const double *scores, double values[N_ARMS_MEASURES]) {
    struct subject_units units;
    struct ranked ranked = {0};
    struct tally *tallies = NULL;
    uint8_t *once = NULL;
    int status;
    TRY_DONE(subject_units_make(&units, samples->n, samples->subject, sizeof *samples->subject));
    TRY_DONE(mem_alloc(&tallies, compared_outputs(samples), sizeof *tallies));
    TRY_DONE(mem_alloc(&once, units.n, 1));
    TRY_DONE(ranked_make(&ranked, samples, &units, scores));
    for (int64_t u = 0; u < units.n; u++) once[u] = 1;
    walk(&ranked, compared_outputs(samples), once, tallies, values);
done:
    subject_units_free(&units);
    free(ranked.pairs);
    free(tallies);
    free(once);
    return status;
}

/* ---- arms ---- */
static void walked_free(struct walked *w) {
    for (int a = 0; w->replicas && a < w->n_arms; a++) {
        for (int r = 0; w->replicas[a] && r < w->n_replicates[a]; r++) free(w->replicas[a][r].pairs);
        free(w->replicas[a]);
    }
    free(w->replicas);
    subject_units_free(&w->units);
}

static int walked_make(struct walked *w, const struct compared_arm *arms) {
    const struct compared_samples *s = w->samples;
    TRY(subject_units_make(&w->units, s->n, s->subject, sizeof *s->subject));
    TRY(mem_alloc(&w->replicas, w->n_arms, sizeof *w->replicas));
    for (int a = 0; a < w->n_arms; a++) {
        TRY(mem_alloc(&w->replicas[a], arms[a].n_replicates, sizeof **w->replicas));
        for (int r = 0; r < arms[a].n_replicates; r++) {
            struct compared_samples of = *s;
            if (arms[a].taken) of.taken = arms[a].taken[r];
            TRY(ranked_make(&w->replicas[a][r], &of, &w->units, arms[a].scores[r]));
        }
    }
    return STATUS_OK;
}

static void sort_out(int n_arms, const struct estimate *results, struct arm_estimates *estimates) {
    for (int a = 0; a < n_arms; a++)
        for (int m = 0; m < N_ARMS_MEASURES; m++) {
            const struct estimate *from = results + (ptrdiff_t)a * (1 + MOST_REFERENCES) * N_ARMS_MEASURES + m;
            estimates[a].value[m] = *from;
            for (int k = 0; k < MOST_REFERENCES; k++) estimates[a].over[k][m] = from[(1 + k) * N_ARMS_MEASURES];
        }
}

int arms_compare(const struct bootstrap *b, const struct compared_samples *samples, int n_arms,
                 const struct compared_arm *arms, const int reference[MOST_REFERENCES],
                 struct arm_estimates *estimates) {
    struct estimate results[BOOTSTRAP_MOST_RESULTS];
    int n_replicates[MOST_COMPARED_ARMS], references[MOST_REFERENCES];
    struct walked w = {.samples = samples, .n_arms = n_arms, .n_replicates = n_replicates, .reference = references};
    if (n_arms > MOST_COMPARED_ARMS)
        return status_set(STATUS_FAILED, "%d arms are too many to compare at once: at most %d", n_arms,
                          MOST_COMPARED_ARMS);
    for (int a = 0; a < n_arms; a++) n_replicates[a] = arms[a].n_replicates;
    for (int k = 0; k < MOST_REFERENCES; k++) references[k] = reference[k];
    int status = comm_agree(b->comm, walked_make(&w, arms));
    if (status == STATUS_OK) {
        struct bootstrap_measure resampled = {
            .n_units = w.units.n,
            .scratch_bytes = compared_outputs(samples) * (int64_t)sizeof(struct tally),
            .n_results = n_arms * (1 + MOST_REFERENCES) * N_ARMS_MEASURES,
            .stream = STREAM_SUBJECTS,
            .compute = measure,
            .context = &w};
        status = bootstrap_run(b, &resampled, results);
    }
    if (status == STATUS_OK) sort_out(n_arms, results, estimates);
    walked_free(&w);
    return status;
}
