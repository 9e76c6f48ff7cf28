/* Percents in words and tables, shares in JSON. */
#include "qa/compare_report.h"

#include <math.h>

#include "qa/choice_report.h"

static const char *const ORDERS[N_ANSWER_ORDERS] = {"as_they_stand", "all_orders"};

static const struct arm_gain *gain_of(const struct compare_report *r, int orders, int group, int arm) {
    return &r->gains[orders][(int64_t)group * r->answers->n_arms + arm];
}

/* ---- in words ---- */
/* As it is written of p: ".52", ".003", "< .0001". */
static void print_p(FILE *out, double p) {
    char text[32];
    if (p < 0.0001) {
        fprintf(out, "p < .0001");
        return;
    }
    snprintf(text, sizeof text, p < 0.01 ? "%.4f" : "%.2f", p);
    fprintf(out, "p = %s", text[0] == '0' ? text + 1 : text);
}

static void print_seeds(FILE *out, const struct arm_gain *g) {
    if (g->n_paired < 2) return;
    fprintf(out, "; by seed");
    for (int s = 0; s < g->n_paired; s++) fprintf(out, "%s %+.1f", s ? "," : "", 100 * g->paired[s]);
}

static const char *verdict(const struct arm_gain *g) {
    if (g->runs_alone) return g->differ ? ": these runs differ" : ": these runs are not told apart";
    return g->differ ? "" : ": not told apart";
}

/* "MedTok over null prefix: +0.4 points (95 %: -0.8 to +1.6), exact paired test p = .52: not told apart" */
static void print_gain(const struct compare_report *r, FILE *out, int orders, int group, int arm, const char *what) {
    const struct compared_answers *x = r->answers;
    const struct arm_gain *g = gain_of(r, orders, group, arm);
    int n = x->arms[r->over].n_seeds, m = x->arms[arm].n_seeds;
    fprintf(out, "- %s over %s%s%s: %+.1f points (95 %%: %+.1f to %+.1f), %s ", x->arms[r->over].name, what,
            x->arms[arm].name, g->runs_alone ? ", these runs" : "", 100 * g->gain.value, 100 * g->gain.low,
            100 * g->gain.high,
            n != m   ? "paired test"
            : n == 1 ? "McNemar"
                     : "exact paired test");
    print_p(out, g->p);
    fprintf(out, "%s", verdict(g));
    print_seeds(out, g);
    if (g->detectable > 0)
        fprintf(out, ". A difference of %.1f could have been seen in four of five cases.\n", 100 * g->detectable);
    else
        fprintf(out, ". No question is answered otherwise.\n");
}

static void print_group(const struct compare_report *r, FILE *out, int orders, int group) {
    const struct question_group *g = &r->groups[group];
    const struct arm_gain *gains = gain_of(r, orders, group, 0);
    int best = arm_gains_best_other(r->answers, gains, r->over);
    fprintf(out, "\n%s, %lld questions:\n\n", g->name, (long long)g->n);
    if (best >= 0) print_gain(r, out, orders, group, best, "the best other arm, ");
    for (int a = 0; a < r->answers->n_arms; a++)
        if (a != r->over && a != best) print_gain(r, out, orders, group, a, "");
}

/* ---- tables ---- */
static void print_table(const struct compare_report *r, FILE *out, int orders) {
    const struct compared_answers *x = r->answers;
    fprintf(out, "\n| questions | n | chance | always one letter |");
    for (int a = 0; a < x->n_arms; a++) fprintf(out, " %s |", x->arms[a].name);
    fprintf(out, "\n|---|---|---|---|");
    for (int a = 0; a < x->n_arms; a++) fprintf(out, "---|");
    fprintf(out, "\n");
    for (int g = 0; g < r->n_groups; g++) {
        const struct question_group *group = &r->groups[g];
        fprintf(out, "| %s | %lld | %.1f | %c %.1f |", group->name, (long long)group->n, 100 * group->chance,
                group->majority_letter, 100 * group->majority);
        for (int a = 0; a < x->n_arms; a++) {
            const struct arm_gain *e = gain_of(r, orders, g, a);
            fprintf(out, " %.1f (%.1f to %.1f)", 100 * e->accuracy.value, 100 * e->accuracy.low,
                    100 * e->accuracy.high);
            if (x->arms[a].n_seeds > 1) fprintf(out, " ±%.1f", 100 * e->deviation);
            fprintf(out, " |");
        }
        fprintf(out, "\n");
    }
}

void compare_report_print(const struct compare_report *r, FILE *out) {
    static const char *const HEADINGS[N_ANSWER_ORDERS] = {"Options as they stand",
                                                          "Options in all orders, by their mean scores"};
    const struct compared_answers *x = r->answers;
    fprintf(out, "%lld questions, %d arms:", (long long)x->n, x->n_arms);
    for (int a = 0; a < x->n_arms; a++)
        fprintf(out, "%s %s (%d %s)", a ? "," : "", x->arms[a].name, x->arms[a].n_seeds,
                x->arms[a].n_seeds == 1 ? "run" : "seeds");
    fprintf(out,
            ". Percent right, with Wilson's 95 %% interval of one run, and ± the standard deviation over seeds. Gains: "
            "bootstrap of %lld resamples over questions and, within an arm, over seeds, widened by Student's t for few "
            "seeds; the paired permutation test is "
            "over "
            "questions, of these runs, and exact where both arms have as many seeds, of one run each McNemar's. Arms "
            "are told "
            "apart with two seeds or more of each that is trained.\n",
            (long long)r->resamples);
    for (int o = 0; o < x->n_orders; o++) {
        fprintf(out, "\n## %s\n", HEADINGS[o]);
        print_table(r, out, o);
        for (int g = 0; g < r->n_groups && x->n_arms > 1; g++) print_group(r, out, o, g);
    }
}

/* ---- JSON ---- */
static void write_shares(struct json *j, const char *name, int n, const double *shares) {
    json_array(j, name);
    for (int i = 0; i < n; i++) json_real(j, NULL, shares[i], 6);
    json_end(j);
}

static void write_gain(struct json *j, const struct compare_report *r, int a, const struct arm_gain *g) {
    json_object(j, NULL);
    json_text(j, "arm", r->answers->arms[a].name);
    choice_report_proportion(j, "accuracy", &g->accuracy);
    write_shares(j, "by_seed", r->answers->arms[a].n_seeds, g->by_seed);
    json_real(j, "deviation", g->deviation, 6);
    if (a != r->over) {
        json_object(j, "gain_of_compared_arm");
        json_real(j, "value", g->gain.value, 6);
        json_real(j, "low", g->gain.low, 6);
        json_real(j, "high", g->gain.high, 6);
        json_real(j, "student_t", g->t, 6);
        json_real(j, "paired_p", g->p, 6);
        json_real(j, "detectable", g->detectable, 6);
        json_integer(j, "told_apart", g->differ && !g->runs_alone);
        json_integer(j, "these_runs_alone", g->runs_alone);
        write_shares(j, "by_seed", g->n_paired, g->paired);
        json_end(j);
    }
    json_end(j);
}

static void write_group(struct json *j, const struct compare_report *r, int orders, int group) {
    const struct question_group *g = &r->groups[group];
    const char letter[2] = {g->majority_letter, 0};
    int best = arm_gains_best_other(r->answers, gain_of(r, orders, group, 0), r->over);
    json_object(j, NULL);
    json_text(j, "group", g->name);
    json_integer(j, "questions", g->n);
    json_real(j, "chance", g->chance, 6);
    json_text(j, "majority_letter", letter);
    json_real(j, "majority", g->majority, 6);
    json_text(j, "best_other_arm", best < 0 ? NULL : r->answers->arms[best].name);
    json_array(j, "arms");
    for (int a = 0; a < r->answers->n_arms; a++) write_gain(j, r, a, gain_of(r, orders, group, a));
    json_end(j);
    json_end(j);
}

void compare_report_write(const struct compare_report *r, FILE *out) {
    const struct compared_answers *x = r->answers;
    struct json j = json_begin(out, 4);
    json_object(&j, NULL);
    json_text(&j, "compared_arm", x->arms[r->over].name);
    json_integer(&j, "questions", x->n);
    json_integer(&j, "resamples", r->resamples);
    json_array(&j, "arms");
    for (int a = 0; a < x->n_arms; a++) {
        json_object(&j, NULL);
        json_text(&j, "arm", x->arms[a].name);
        json_array(&j, "seeds");
        for (int s = 0; s < x->arms[a].n_seeds; s++) json_integer(&j, NULL, x->arms[a].seeds[s]);
        json_end(&j);
        json_end(&j);
    }
    json_end(&j);
    for (int o = 0; o < x->n_orders; o++) {
        json_array(&j, ORDERS[o]);
        for (int g = 0; g < r->n_groups; g++) write_group(&j, r, o, g);
        json_end(&j);
    }
    json_end(&j);
    fputc('\n', out);
}
