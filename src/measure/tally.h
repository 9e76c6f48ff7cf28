/* AUROC and average precision in one walk over samples from the highest score on, each with a weight (measure/scores.h). Beside each
 * other, tallies of many classes go through one list of (sample, class) pairs. */
#ifndef MEDTOK_MEASURE_TALLY_H
#define MEDTOK_MEASURE_TALLY_H

#include <math.h>
#include <stdint.h>

/* Sums of weights of negative [0] and positive [1] samples. A zeroed tally has seen none. */
struct tally {
    uint64_t key; /* of the score of those in tied */
    double tied[2], above[2];
    double wins; /* of positive samples over negative ones, ties counting half */
    double precisions;
};

/* Those that are tied are above whatever comes. */
static inline void tally_settle(struct tally *t) {
    t->wins += t->tied[0] * (t->above[1] + t->tied[1] / 2);
    t->above[0] += t->tied[0];
    t->above[1] += t->tied[1];
    if (t->tied[1] > 0) t->precisions += t->tied[1] * (t->above[1] / (t->above[0] + t->above[1]));
    t->tied[0] = t->tied[1] = 0;
}

static inline void tally_add(struct tally *t, uint64_t key, unsigned label, double weight) {
    if (key != t->key) {
        tally_settle(t);
        t->key = key;
    }
    t->tied[label] += weight;
}

/* Of a tally that was settled; NaN where they cannot be formed. */
static inline double tally_auroc(const struct tally *t) {
    return t->above[0] > 0 && t->above[1] > 0 ? t->wins / (t->above[0] * t->above[1]) : NAN;
}

static inline double tally_average_precision(const struct tally *t) {
    return t->above[1] > 0 ? t->precisions / t->above[1] : NAN;
}

static inline double tally_prevalence(const struct tally *t) {
    return t->above[0] + t->above[1] > 0 ? t->above[1] / (t->above[0] + t->above[1]) : NAN;
}

/* F1 of so many true positives, false positives and false negatives; NaN of none. */
static inline double f1_of(double true_positive, double false_positive, double false_negative) {
    double n = 2 * true_positive + false_positive + false_negative;
    return n > 0 ? 2 * true_positive / n : NAN;
}

#endif
