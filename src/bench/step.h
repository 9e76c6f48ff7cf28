/* A training, set up to have its steps measured: on files.vocabulary and files.text, or on made-up ones of the
 * configured sizes (bench.data), which lie beside bench.json while the steps run. */
#ifndef MEDTOK_BENCH_STEP_H
#define MEDTOK_BENCH_STEP_H

#include "bench/options.h"
#include "cases/cases.h"
#include "medtok/learner.h"
#include "train/step.h"

struct bench_step {
    const struct comm *comm;
    struct text_options texts; /* of made-up files: cached */
    struct medtok_learner learner;
    struct training training;
    char *vocabulary, *text; /* made-up files; NULL: none */
};

/* Collective. options: of the configured training (borrowed, like what it points to). Free in any case. */
int bench_step_make(struct bench_step *step, const struct bench_options *bench, const struct step_sizes *sizes,
                    const struct medtok_learner_options *options, const struct comm *comm, struct device *device);
void bench_step_free(struct bench_step *step);

/* Collective: one step; `context` is the bench_step. */
int bench_step_run(void *context);

#endif
