#include "ehr/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/status.h"
#include "measure/scores_report.h"

/* Mean and standard deviation over seeds; NaN: there is one. */
static void over_seeds(const struct ehr_report *r, int estimate, double *mean, double *sd) {
    double sum = 0, square = 0;
    for (int64_t i = 0; i < r->n; i++) sum += r->trials[i].estimates[estimate].value;
    *mean = sum / (double)r->n;
    for (int64_t i = 0; i < r->n; i++) {
        double off = r->trials[i].estimates[estimate].value - *mean;
        square += off * off;
    }
    *sd = r->n > 1 ? sqrt(square / (double)(r->n - 1)) : NAN;
}

void ehr_report_print(const struct ehr_report *r) {
    const struct scores *s = &r->trials[0].scores[BY_SAMPLES];
    double mean, sd;
    printf("%s: %lld samples, %lld true: a random score has an average precision of %.4f (the prevalence)\n\n",
           SPLIT_NAMES[ehr_scored_split(r->options)], (long long)s->n, (long long)s->n_positive, s->prevalence);
    printf("%-10s %6s %8s  %-24s %-24s\n", "seed", "step", "tuning", "AUROC", "average precision");
    for (int64_t i = 0; i < r->n; i++) {
        const struct trial *t = &r->trials[i];
        const struct estimate *a = &t->estimates[ESTIMATE_AUROC], *p = &t->estimates[ESTIMATE_AVERAGE_PRECISION];
        printf("%-10" PRIu64 " %6lld %8.4f  %.4f (%.4f to %.4f) %.4f (%.4f to %.4f)\n", t->seed, (long long)t->step,
               t->tuning, a->value, a->low, a->high, p->value, p->low, p->high);
    }
    for (int e = 0; e <= ESTIMATE_AVERAGE_PRECISION; e++) {
        over_seeds(r, e, &mean, &sd);
        printf("%s%s: mean %.4f", e ? "" : "\n", SCORES_NAMES[e], mean);
        if (r->n > 1) printf(", standard deviation over seeds %.4f", sd);
        printf("\n");
    }
    printf("intervals: 95 %%, from %lld resamples of subjects\n", (long long)r->options->resamples);
}

static void write_trial(struct json *j, const struct trial *t) {
    enum { DIGITS = 9 };
    json_object(j, NULL);
    json_integer(j, "seed", (int64_t)t->seed);
    json_integer(j, "step", t->step);
    json_real(j, "tuning_average_precision", t->tuning, DIGITS);
    json_real(j, "threshold", t->threshold, 17); /* scores are compared with it */
    scores_write_estimates(j, BY_SAMPLES, t->scores[BY_SAMPLES].prevalence, t->estimates);
    scores_write_calibration(j, &t->scores[BY_SAMPLES]);
    json_object(j, "by_subjects");
    scores_write_estimates(j, BY_SUBJECTS, t->scores[BY_SUBJECTS].prevalence, t->estimates);
    json_end(j);
    json_end(j);
}

static void write_data(struct json *j, const struct ehr_data *d) {
    json_object(j, "samples");
    for (int s = 0; s < N_SPLITS; s++) {
        json_object(j, SPLIT_NAMES[s]);
        json_integer(j, "n", d->tasks[0].samples[s]);
        json_integer(j, "true", d->tasks[0].positive[s]);
        json_end(j);
    }
    json_end(j);
    json_object(j, "codes");
    json_integer(j, "n", d->n_codes);
    json_integer(j, "missing", d->n_missing_codes);
    json_integer(j, "tokens", d->n_tokens);
    json_integer(j, "missing_tokens", d->n_missing_tokens);
    json_integer(j, "cut_samples", d->n_cut);
    json_integer(j, "cut_tokens", d->n_dropped);
    json_end(j);
}

static void write_json(const struct ehr_report *r, FILE *out) {
    static const char *const MODELS[] = {EHR_MODELS(OPTION_CHOICE_NAME)}, *const ARMS[] = {
                                                                              EHR_ARMS(OPTION_CHOICE_NAME)};
    enum { DIGITS = 9 };
    struct json j = json_begin(out, 1);
    json_object(&j, NULL);
    json_text(&j, "cohort_id", r->cohort_id);
    json_text(&j, "table_id", r->table_id);
    json_text(&j, "task", r->data->tasks[0].name);
    json_text(&j, "model", MODELS[r->options->model]);
    json_text(&j, "embedding", ARMS[r->options->arm]);
    json_text(&j, "split", SPLIT_NAMES[ehr_scored_split(r->options)]);
    json_integer(&j, "parameters", r->trials[0].parameters);
    json_integer(&j, "resamples", r->options->resamples);
    write_data(&j, r->data);
    json_real(&j, "prevalence", r->trials[0].scores[BY_SAMPLES].prevalence, DIGITS);
    for (int e = 0; e < N_SCORES_MEASURES; e++) {
        double mean, sd;
        if (r->trials[0].estimates[e].n == 0) continue;
        over_seeds(r, e, &mean, &sd);
        json_object(&j, SCORES_NAMES[e]);
        json_real(&j, "mean", mean, DIGITS);
        json_real(&j, "sd_over_seeds", sd, DIGITS);
        json_end(&j);
    }
    json_array(&j, "seeds");
    for (int64_t i = 0; i < r->n; i++) write_trial(&j, &r->trials[i]);
    json_end(&j);
    json_end(&j);
    fputc('\n', out);
}

int ehr_report_write(const struct ehr_report *r, const char *path) {
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    write_json(r, file.stream);
    return atomic_file_close(&file, STATUS_OK);
}
