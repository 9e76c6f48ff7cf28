/* Read arm_gains_compute first. */
#include "qa/arm_gains.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "measure/sign_flips.h"
#include "measure/student.h"

/* ---- groups ---- */
static int is_in(const struct compared_question *q, const struct question_group *g) {
    return (g->set < 0 || q->set == g->set) && (g->codes < 0 || q->with_codes == g->codes) &&
           (g->options < 0 || q->n_options == g->options);
}

static int fill(const struct compared_answers *x, struct question_group *g) {
    int64_t letters[26] = {0};
    TRY(mem_alloc(&g->members, x->n, sizeof *g->members));
    for (int64_t i = 0; i < x->n; i++) {
        const struct compared_question *q = &x->questions[i];
        if (!is_in(q, g)) continue;
        g->members[g->n++] = i;
        g->chance += 1.0 / q->n_options;
        if (q->answer >= 'A' && q->answer <= 'Z') letters[q->answer - 'A']++;
    }
    int most = 0;
    for (int k = 1; k < 26; k++)
        if (letters[k] > letters[most]) most = k;
    g->majority_letter = (char)('A' + most);
    g->majority = g->n ? (double)letters[most] / (double)g->n : 0;
    g->chance /= g->n ? (double)g->n : 1;
    return STATUS_OK;
}

/* A group is kept if a question is in it. */
static int add(const struct compared_answers *x, int *n, struct question_group *groups, int set, int codes,
               int options) {
    static const char *const CODES[] = {"without codes", "with codes"};
    struct question_group *g = &groups[*n];
    char name[64] = "all";
    *g = (struct question_group){.set = set, .codes = codes, .options = options};
    if (set >= 0) {
        const int64_t *at = x->sets.offsets + set;
        snprintf(name, sizeof name, "%.*s", (int)(at[1] - at[0]), x->sets.bytes + at[0]);
    }
    if (options >= 0)
        snprintf(g->name, sizeof g->name, "%d options", options);
    else if (codes >= 0)
        snprintf(g->name, sizeof g->name, "%s%s%s", set >= 0 ? name : "", set >= 0 ? ", " : "", CODES[codes]);
    else
        snprintf(g->name, sizeof g->name, "%s", name);
    TRY(fill(x, g));
    if (g->n)
        (*n)++;
    else
        free(g->members);
    return STATUS_OK;
}

/* By number of options, if not all have the same. */
static int add_options(const struct compared_answers *x, int *n, struct question_group *groups) {
    uint8_t there[32] = {0};
    int kinds = 0;
    for (int64_t i = 0; i < x->n; i++) there[x->questions[i].n_options & 31] = 1;
    for (int k = 0; k < 32; k++) kinds += there[k];
    for (int k = 0; k < 32 && kinds > 1; k++)
        if (there[k]) TRY(add(x, n, groups, -1, -1, k));
    return STATUS_OK;
}

int question_groups_make(const struct compared_answers *x, int *n, struct question_group **groups) {
    static const int CODES[] = {-1, 1, 0};
    int sets = (int)x->sets.n;
    *n = 0;
    TRY(mem_alloc(groups, 3 + 32 + 3 * (long long)sets, sizeof **groups));
    for (int k = 0; k < 3; k++) TRY(add(x, n, *groups, -1, CODES[k], -1));
    TRY(add_options(x, n, *groups));
    for (int s = 0; s < sets && sets > 1; s++)
        for (int k = 0; k < 3; k++) TRY(add(x, n, *groups, s, CODES[k], -1));
    return STATUS_OK;
}

void question_groups_free(int n, struct question_group *groups) {
    for (int i = 0; i < n; i++) free(groups[i].members);
    free(groups);
}

/* ---- accuracies ---- */
static void describe(const struct compared_arm *arm, enum answer_orders orders, const struct question_group *g,
                     struct arm_gain *to) {
    double mean = 0, square = 0;
    for (int s = 0; s < arm->n_seeds; s++) {
        int64_t right = 0;
        for (int64_t i = 0; i < g->n; i++) right += arm->right[s][orders][g->members[i]];
        to->by_seed[s] = (double)right / (double)g->n;
        mean += to->by_seed[s] / arm->n_seeds;
    }
    for (int s = 0; s < arm->n_seeds; s++) square += (to->by_seed[s] - mean) * (to->by_seed[s] - mean);
    to->deviation = arm->n_seeds > 1 ? sqrt(square / (arm->n_seeds - 1)) : NAN;
    to->accuracy = proportion_wilson_share(mean, g->n);
}

/* ---- gains ---- */
/* Units are the group's questions and behind them the runs of all arms. */
struct resampled {
    const struct compared_answers *answers;
    const struct question_group *group;
    enum answer_orders orders;
    int over;
};

static double accuracy_of_run(const struct resampled *r, const uint8_t *right, const uint8_t *weights) {
    double sum = 0, n = 0;
    for (int64_t i = 0; i < r->group->n; i++) {
        n += weights[i];
        sum += weights[i] * right[r->group->members[i]];
    }
    return n > 0 ? sum / n : NAN;
}

/* An arm's accuracy on resampled questions and runs, of k runs each with weights[run] of mean and variance 1: a run counts
 * 1/k + (its weight - their mean) / sqrt(k (k - 1)), so that the mean over runs varies by their sample variance / k, as it does over
 * drawings of seeds; counting a run as often as its weight says would make that too small by (k - 1) / k. */
static double resample_arm(const struct resampled *r, const struct compared_arm *arm, const uint8_t *weights,
                           const uint8_t *run_weights) {
    double mean = 0, sum = 0, k = arm->n_seeds, spread = k > 1 ? 1 / sqrt(k * (k - 1)) : 0;
    for (int s = 0; s < arm->n_seeds; s++) mean += run_weights[s] / k;
    for (int s = 0; s < arm->n_seeds; s++)
        sum += (1 / k + spread * (run_weights[s] - mean)) * accuracy_of_run(r, arm->right[s][r->orders], weights);
    return sum;
}

static void compute(const void *context, const uint8_t *weights, void *scratch, double *results) {
    const struct resampled *r = context;
    const struct compared_answers *x = r->answers;
    const uint8_t *run_weights = weights + r->group->n;
    (void)scratch;
    for (int a = 0; a < x->n_arms; run_weights += x->arms[a++].n_seeds)
        results[a] = resample_arm(r, &x->arms[a], weights, run_weights);
    double over = results[r->over];
    for (int a = 0; a < x->n_arms; a++) results[a] = over - results[a];
}

static int greatest_divisor(int a, int b) { return b ? greatest_divisor(b, a % b) : a; }

/* Variances of a gain's parts. */
struct gain_variance {
    double questions, seeds, seeds_squared; /* seeds_squared: sum over arms of variance^2 / (seeds - 1) */
    double degrees;                         /* of freedom; INFINITY without seeds */
};

/* Adds that of an arm's mean over seeds; nothing of one run. */
static void add_seeds(const struct compared_arm *arm, const struct arm_gain *of, struct gain_variance *to) {
    if (arm->n_seeds < 2) return;
    double variance = of->deviation * of->deviation / arm->n_seeds;
    to->seeds += variance;
    to->seeds_squared += variance * variance / (arm->n_seeds - 1);
}

static void widen(const struct gain_variance *v, struct arm_gain *to) {
    double normal = student_t(0.95, INFINITY);
    to->t = student_t(0.95, v->degrees);
    to->gain.low = fmax(-1, to->gain.value + (to->gain.low - to->gain.value) * to->t / normal);
    to->gain.high = fmin(1, to->gain.value + (to->gain.high - to->gain.value) * to->t / normal);
}

/* p, and what could have been seen, of the variances over questions and over seeds. The test is of whole numbers: differences
 * times the least multiple of both numbers of seeds. */
static int test(const struct compared_arm *a, const struct compared_arm *b, enum answer_orders orders,
                const struct question_group *g, struct gain_variance *variance, struct arm_gain *to) {
    int divisor = greatest_divisor(a->n_seeds, b->n_seeds);
    int32_t *d;
    double sum = 0, square = 0, unit = (double)a->n_seeds * b->n_seeds / divisor;
    TRY(mem_alloc(&d, g->n, sizeof *d));
    for (int64_t i = 0; i < g->n; i++) {
        for (int s = 0; s < a->n_seeds; s++) d[i] += a->right[s][orders][g->members[i]] * (b->n_seeds / divisor);
        for (int s = 0; s < b->n_seeds; s++) d[i] -= b->right[s][orders][g->members[i]] * (a->n_seeds / divisor);
        sum += d[i] / unit;
        square += (double)d[i] * d[i] / (unit * unit);
    }
    double n = (double)g->n;
    variance->questions = (square - sum * sum / n) / n / n;
    double all = variance->questions + variance->seeds;
    variance->degrees = variance->seeds_squared > 0 ? all * all / variance->seeds_squared : INFINITY;
    double percentiles = student_t(0.95, variance->degrees) + student_t(0.6, variance->degrees);
    to->detectable = fmin(1, percentiles * sqrt(square / n / n + variance->seeds));
    int status = sign_flips_exact(g->n, d, &to->p);
    free(d);
    return status;
}

static void pair_seeds(const struct compared_arm *a, const struct compared_arm *b, const struct arm_gain *of_a,
                       struct arm_gain *to) {
    for (int s = 0; s < a->n_seeds; s++)
        for (int t = 0; t < b->n_seeds; t++)
            if (a->seeds[s] == b->seeds[t]) to->paired[to->n_paired++] = of_a->by_seed[s] - to->by_seed[t];
}

static int n_runs(const struct compared_answers *x) {
    int n = 0;
    for (int a = 0; a < x->n_arms; a++) n += x->arms[a].n_seeds;
    return n;
}

/* Several seeds tell how far trainings of the arm differ; what was not trained has none. */
static int is_sampled(const struct compared_arm *arm) { return arm->n_seeds > 1 || !arm->is_trained; }

int arm_gains_compute(const struct compared_answers *x, enum answer_orders orders, const struct question_group *g,
                      int over, const struct bootstrap *bootstrap, struct arm_gain *gains) {
    struct resampled r = {x, g, orders, over};
    struct bootstrap_measure measure = {
        .n_units = g->n + n_runs(x), .n_results = x->n_arms, .compute = compute, .context = &r};
    struct estimate estimates[COMPARED_ARMS];
    memset(gains, 0, (size_t)x->n_arms * sizeof *gains);
    TRY(bootstrap_run(bootstrap, &measure, estimates));
    for (int a = 0; a < x->n_arms; a++) describe(&x->arms[a], orders, g, &gains[a]);
    for (int a = 0; a < x->n_arms; a++) {
        if (a == over) continue;
        gains[a].gain = estimates[a];
        gains[a].gain.n = g->n;
        pair_seeds(&x->arms[over], &x->arms[a], &gains[over], &gains[a]);
        struct gain_variance variance = {0};
        add_seeds(&x->arms[over], &gains[over], &variance);
        add_seeds(&x->arms[a], &gains[a], &variance);
        TRY(comm_agree(bootstrap->comm, test(&x->arms[over], &x->arms[a], orders, g, &variance, &gains[a])));
        widen(&variance, &gains[a]);
        gains[a].runs_alone = !is_sampled(&x->arms[over]) || !is_sampled(&x->arms[a]);
        gains[a].differ = (gains[a].gain.low > 0 || gains[a].gain.high < 0) && gains[a].p < 0.05;
    }
    return STATUS_OK;
}

int arm_gains_best_other(const struct compared_answers *x, const struct arm_gain *gains, int over) {
    int best = -1;
    for (int a = 0; a < x->n_arms; a++)
        if (a != over && (best < 0 || gains[a].accuracy.value > gains[best].accuracy.value)) best = a;
    return best;
}
