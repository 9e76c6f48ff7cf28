/* A training, set up to have its steps measured: on files.vocabulary and files.text, or on made-up ones of the configured
 * sizes (bench.data), which lie beside bench.json while the steps run. */
#ifndef MEDTOK_BENCH_STEP_H
#define MEDTOK_BENCH_STEP_H

#include "bench/workbench.h"
#include "medtok/trainer.h"

struct bench_step {
    struct config config; /* a view of the job's, with other files; owns nothing */
    const struct comm *comm;
    struct trainer trainer;
    char *vocabulary, *text; /* made-up files; NULL: none */
};

/* Collective. Free in any case. */
int bench_step_make(struct bench_step *step, const struct config *config, const struct step_sizes *sizes,
                    const struct comm *comm, struct device *device);
void bench_step_free(struct bench_step *step);

/* Collective: one step; `context` is the bench_step. */
int bench_step_run(void *context);

#endif
