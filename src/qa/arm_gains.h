/* What arms that answered the same questions are worth on groups of these, and what one of them gains over each other one.
 *
 * An arm's value of a question is the share of its seeds that have it right. Seeds do not count as further questions, and how far they
 * differ is said beside.
 *
 *   accuracy     mean over questions; Wilson's interval as if of one run (seeds make the mean no less sure than that)
 *   gain         difference of accuracies; bootstrap of two levels, over questions (the same resamples for all arms) and over the seeds
 *                within each arm: what other questions and other trainings would give. Arms of one run have no second level.
 *                Few seeds tell their own spread badly: both ends are moved from the gain by Student's t over the normal
 *                distribution's, its degrees of freedom Welch's and Satterthwaite's (1946, Biometrics Bulletin 2:110) of the variances
 *                over questions (as if of many) and over each arm's seeds (seeds - 1)
 *   p            paired permutation test over questions, of these runs: exact where both arms have as many seeds, McNemar's with one each
 *   detectable   c sqrt(mean d^2 / n + sum over both arms of deviation^2 / seeds), d the differences by question, 1 at most: the gain
 *                that is seen in four of five cases, nearly. c: the 97.5th and 80th percentiles of Student's t, summed, with the degrees of
 *                freedom above; 2.80 of one run, whose deviation counts as 0
 */
#ifndef MEDTOK_QA_ARM_GAINS_H
#define MEDTOK_QA_ARM_GAINS_H

#include "measure/bootstrap.h"
#include "measure/proportion.h"
#include "qa/compared_answers.h"

struct question_group {
    char name[96];
    int set, codes, options; /* -1: any */
    int64_t n, *members;     /* [n] questions, owned */
    double chance;           /* mean of 1 / options */
    char majority_letter;    /* that is right most often, and how often */
    double majority;
};

/* All; with codes and without; by number of options, if there are several; of each set, if there are several, all, with codes and
 * without. Groups without a question are left out. *groups [*n]: free with question_groups_free in any case. */
int question_groups_make(const struct compared_answers *answers, int *n, struct question_group **groups);
void question_groups_free(int n, struct question_group *groups);

struct arm_gain {
    struct proportion accuracy;
    double by_seed[COMPARED_SEEDS], deviation; /* accuracies; their standard deviation (n - 1), NaN of one */
    /* of the arm that is asked for over this one; nothing of itself */
    struct estimate gain;
    double t; /* by which the interval was formed: 1.96 without seeds, up to 12.7 of two */
    double p, detectable;
    int n_paired;                  /* seeds that both have */
    double paired[COMPARED_SEEDS]; /* [n_paired] gains by seed, in the arm's order of seeds */
    int differ;                    /* the interval does not hold 0, and p < 0.05 */
    int runs_alone; /* an arm was trained from one seed: what differs are these runs, and the arms cannot be told apart */
};

/* Collective. gains [answers->n_arms]; over: the number of the arm whose gains are told. */
int arm_gains_compute(const struct compared_answers *answers, enum answer_orders orders,
                      const struct question_group *group, int over, const struct bootstrap *bootstrap,
                      struct arm_gain *gains);

/* The other arm that has the highest accuracy; -1: there is no other. */
int arm_gains_best_other(const struct compared_answers *answers, const struct arm_gain *gains, int over);

#endif
