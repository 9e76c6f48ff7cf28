#include "measure/class_comparison.h"

#include <math.h>
#include <stdio.h>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/status.h"

enum { DIGITS = 17 };

int class_comparison_compute(struct class_comparison *c, const struct bootstrap *bootstrap) {
    for (int a = 0; a < c->n_arms; a++) {
        struct class_arm *arm = &c->arms[a];
        TRY(comm_agree(bootstrap->comm, class_scores_compute(&arm->predictions, &arm->scores)));
        TRY(class_scores_bootstrap(bootstrap, &arm->predictions, arm->estimates));
    }
    if (c->n_arms < 2) return STATUS_OK;
    return class_scores_bootstrap_difference(bootstrap, &c->arms[0].predictions, &c->arms[1].predictions,
                                             c->difference);
}

void class_comparison_free(struct class_comparison *c) {
    for (int a = 0; a < 2; a++) class_scores_free(&c->arms[a].scores);
}

/* ---- for people ---- */
static void print_estimates(const struct estimate *estimates) {
    printf("%-27s %-27s %s\n", "", "each sample counts once", "each subject counts once");
    for (int m = 0; m < N_CLASS_SCORES_MEASURES; m++) {
        if (estimates[m].n == 0) continue;
        printf("%-27s", CLASS_SCORES_NAMES[m]);
        for (int w = 0; w < N_WEIGHTINGS; w++) {
            const struct estimate *e = &estimates[w * N_CLASS_SCORES_MEASURES + m];
            printf(" %7.4f (%.4f to %.4f)%s", e->value, e->low, e->high, w + 1 < N_WEIGHTINGS ? " " : "\n");
        }
    }
}

void class_comparison_print(const struct class_comparison *c, const struct bootstrap *bootstrap) {
    const struct class_scores *s = &c->arms[0].scores;
    printf(
        "%lld samples of %lld subjects, %d classes, %d without a positive sample and %d without a negative one, which "
        "means over classes leave out\na random score has an average precision of about %.4f (micro) or %.4f (macro): "
        "the prevalence\n",
        (long long)s->n, (long long)s->n_subjects, s->n_classes, s->n_without_positive, s->n_without_negative,
        s->prevalence[BY_SAMPLES][0], s->prevalence[BY_SAMPLES][1]);
    for (int a = 0; a < c->n_arms; a++) {
        printf("\n%s\n", c->arms[a].name);
        if (!isnan(c->arms[a].predictions.threshold))
            printf("threshold chosen on other samples: %.9g\n", c->arms[a].predictions.threshold);
        print_estimates(c->arms[a].estimates);
    }
    if (c->n_arms > 1) {
        printf("\n%s less %s\n", c->arms[0].name, c->arms[1].name);
        print_estimates(c->difference);
    }
    printf("\nintervals: 95 %%, from %lld resamples of subjects%s\n", (long long)bootstrap->resamples,
           c->n_arms > 1 ? ", the same of both" : "");
}

/* ---- JSON ---- */
/* scores: NULL for a difference. */
static void write_estimates(struct json *j, const struct class_scores *scores, const struct estimate *estimates) {
    static const char *const NAMES[N_WEIGHTINGS] = {"by_samples", "by_subjects"};
    for (int w = 0; w < N_WEIGHTINGS; w++) {
        json_object(j, NAMES[w]);
        for (int m = 0; m < N_CLASS_SCORES_MEASURES; m++) {
            const struct estimate *e = &estimates[w * N_CLASS_SCORES_MEASURES + m];
            json_object(j, CLASS_SCORES_NAMES[m]);
            json_real(j, "value", e->n ? e->value : NAN, DIGITS);
            json_real(j, "low", e->n ? e->low : NAN, DIGITS);
            json_real(j, "high", e->n ? e->high : NAN, DIGITS);
            if (scores && m <= CLASS_AVERAGE_PRECISION_SAMPLES)
                json_real(j, "prevalence", scores->prevalence[w][m], DIGITS);
            json_end(j);
        }
        json_end(j);
    }
}

static void write_arm(struct json *j, const struct class_arm *arm, char *const *names) {
    json_object(j, NULL);
    json_text(j, "predictions", arm->name);
    json_real(j, "threshold", arm->predictions.threshold, DIGITS);
    write_estimates(j, &arm->scores, arm->estimates);
    json_array(j, "classes");
    for (int32_t c = 0; c < arm->scores.n_classes; c++) {
        const struct class_score *s = &arm->scores.classes[c];
        json_object(j, NULL);
        json_text(j, "class", names[c]);
        json_integer(j, "true", s->n_positive);
        json_real(j, "prevalence", s->prevalence, DIGITS);
        json_real(j, "auroc", s->auroc, DIGITS);
        json_real(j, "average_precision", s->average_precision, DIGITS);
        json_end(j);
    }
    json_end(j);
    json_end(j);
}

int class_comparison_write(const struct class_comparison *c, const struct bootstrap *bootstrap, const char *path) {
    const struct class_scores *s = &c->arms[0].scores;
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    struct json j = json_begin(file.stream, 1);
    json_object(&j, NULL);
    json_integer(&j, "samples", s->n);
    json_integer(&j, "subjects", s->n_subjects);
    json_integer(&j, "classes", s->n_classes);
    json_integer(&j, "without_positive", s->n_without_positive);
    json_integer(&j, "without_negative", s->n_without_negative);
    json_integer(&j, "resamples", bootstrap->resamples);
    json_integer(&j, "seed", (int64_t)bootstrap->seed);
    json_array(&j, "arms");
    for (int a = 0; a < c->n_arms; a++) write_arm(&j, &c->arms[a], c->class_names);
    json_end(&j);
    if (c->n_arms > 1) {
        json_object(&j, "difference");
        write_estimates(&j, NULL, c->difference);
        json_end(&j);
    }
    json_end(&j);
    fputc('\n', file.stream);
    return atomic_file_close(&file, STATUS_OK);
}
