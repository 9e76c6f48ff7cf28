#include "measure/comparison.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/atomic_file.h"
#include "base/status.h"
#include "measure/scores_report.h"

int comparison_compute(struct comparison *c, const struct bootstrap *bootstrap) {
    for (int a = 0; a < c->n_arms; a++) {
        struct scored_arm *arm = &c->arms[a];
        int status = STATUS_OK;
        if (!isnan(arm->threshold)) scored_samples_decide(arm->n, arm->samples, arm->threshold);
        for (int w = 0; w < N_WEIGHTINGS && status == STATUS_OK; w++)
            status = scores_compute_by((enum weighting)w, arm->n, arm->samples, &arm->scores[w]);
        TRY(comm_agree(bootstrap->comm, status));
        TRY(scores_bootstrap(bootstrap, arm->n, arm->samples, arm->estimates));
    }
    if (c->n_arms < 2) return STATUS_OK;
    return scores_bootstrap_difference(bootstrap, c->arms[0].n, c->arms[0].samples, c->arms[1].samples, c->difference);
}

void comparison_free(struct comparison *c) {
    for (int a = 0; a < 2; a++) free(c->arms[a].samples);
    *c = (struct comparison){0};
}

void comparison_print(const struct comparison *c, const struct bootstrap *bootstrap) {
    const struct scores *s = c->arms[0].scores;
    printf(
        "%lld samples of %lld subjects, %lld true: a random score has an average precision of %.4f (the prevalence; "
        "%.4f where each subject counts once)\n",
        (long long)s[0].n, (long long)s[0].n_subjects, (long long)s[0].n_positive, s[BY_SAMPLES].prevalence,
        s[BY_SUBJECTS].prevalence);
    for (int a = 0; a < c->n_arms; a++) {
        printf("\n%s\n", c->arms[a].name);
        if (!isnan(c->arms[a].threshold)) printf("threshold chosen on other samples: %.9g\n", c->arms[a].threshold);
        scores_print(c->arms[a].estimates);
    }
    if (c->n_arms > 1) {
        printf("\n%s less %s\n", c->arms[0].name, c->arms[1].name);
        scores_print(c->difference);
    }
    printf("\nintervals: 95 %%, from %lld resamples of subjects%s\n", (long long)bootstrap->resamples,
           c->n_arms > 1 ? ", the same of both" : "");
}

static void write_estimates(struct json *j, const struct scores *scores, const struct estimate *estimates) {
    static const char *const NAMES[N_WEIGHTINGS] = {"by_samples", "by_subjects"};
    for (int w = 0; w < N_WEIGHTINGS; w++) {
        json_object(j, NAMES[w]);
        scores_write_estimates(j, (enum weighting)w, scores ? scores[w].prevalence : NAN, estimates);
        json_end(j);
    }
}

static void write_arm(struct json *j, const struct scored_arm *arm) {
    json_object(j, NULL);
    json_text(j, "predictions", arm->name);
    json_real(j, "threshold", arm->threshold, 17); /* scores are compared with it */
    write_estimates(j, arm->scores, arm->estimates);
    scores_write_calibration(j, &arm->scores[BY_SAMPLES]);
    json_end(j);
}

int comparison_write(const struct comparison *c, const struct bootstrap *bootstrap, const char *path) {
    const struct scores *s = c->arms[0].scores;
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    struct json j = json_begin(file.stream, 1);
    json_object(&j, NULL);
    json_integer(&j, "samples", s->n);
    json_integer(&j, "subjects", s->n_subjects);
    json_integer(&j, "true", s->n_positive);
    json_integer(&j, "resamples", bootstrap->resamples);
    json_integer(&j, "seed", (int64_t)bootstrap->seed);
    json_array(&j, "arms");
    for (int a = 0; a < c->n_arms; a++) write_arm(&j, &c->arms[a]);
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
