#include "measure/scores_report.h"

#include <math.h>

#include "base/atomic_file.h"
#include "base/status.h"

enum { ALL_DIGITS = 17 };

void scores_write_estimates(struct json *j, enum weighting weighting, double prevalence,
                            const struct estimate estimates[N_SCORES_ESTIMATES]) {
    for (int m = 0; m < N_SCORES_MEASURES; m++) {
        const struct estimate *e = &estimates[weighting * N_SCORES_MEASURES + m];
        int is_formed = e->n > 0;
        json_object(j, SCORES_NAMES[m]);
        json_real(j, "value", is_formed ? e->value : NAN, ALL_DIGITS);
        json_real(j, "low", is_formed ? e->low : NAN, ALL_DIGITS);
        json_real(j, "high", is_formed ? e->high : NAN, ALL_DIGITS);
        if (m == ESTIMATE_AVERAGE_PRECISION && !isnan(prevalence)) json_real(j, "prevalence", prevalence, ALL_DIGITS);
        json_end(j);
    }
}

void scores_write_calibration(struct json *j, const struct scores *s) {
    json_array(j, "calibration");
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        json_object(j, NULL);
        json_integer(j, "n", s->bins[b].n);
        json_real(j, "score", s->bins[b].score, ALL_DIGITS);
        json_real(j, "positive", s->bins[b].positive, ALL_DIGITS);
        json_end(j);
    }
    json_end(j);
}

int meds_evaluation_write(const char *path, const struct scores scores[N_WEIGHTINGS]) {
    static const char *const NAMES[N_WEIGHTINGS] = {"samples_equally_weighted", "subjects_equally_weighted"};
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    struct json j = json_begin(file.stream, 2);
    json_object(&j, NULL);
    for (int w = 0; w < N_WEIGHTINGS; w++) {
        const struct scores *s = &scores[w];
        int given = !isnan(s->accuracy_given);
        json_object(&j, NAMES[w]);
        json_real(&j, "binary_accuracy", given ? s->accuracy_given : s->accuracy, ALL_DIGITS);
        json_real(&j, "f1_score", given ? s->f1_given : s->f1, ALL_DIGITS);
        json_real(&j, "roc_auc_score", s->auroc, ALL_DIGITS);
        json_real(&j, "average_precision_score", s->average_precision, ALL_DIGITS);
        json_real(&j, "calibration_error", s->calibration_error, ALL_DIGITS);
        json_real(&j, "brier_score", s->brier, ALL_DIGITS);
        json_end(&j);
    }
    json_end(&j);
    fputc('\n', file.stream);
    return atomic_file_close(&file, STATUS_OK);
}

void scores_print(const struct estimate estimates[N_SCORES_ESTIMATES]) {
    printf("%-20s %-27s %s\n", "", "each sample counts once", "each subject counts once");
    for (int m = 0; m < N_SCORES_MEASURES; m++) {
        if (estimates[m].n == 0) continue;
        printf("%-20s", SCORES_NAMES[m]);
        for (int w = 0; w < N_WEIGHTINGS; w++) {
            const struct estimate *e = &estimates[w * N_SCORES_MEASURES + m];
            printf(" %7.4f (%.4f to %.4f)%s", e->value, e->low, e->high, w + 1 < N_WEIGHTINGS ? " " : "\n");
        }
    }
}
