/* Steps of a new training. */
#include "bench/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"
#include "bench/synthetic.h"

/* Codes of a made-up vocabulary for each code of a batch: two steps in a row share none. */
enum { CODES_FOR_A_BATCH_CODE = 2 };

static int path_beside(const char *path, const char *ending, char **out) {
    size_t size = strlen(path) + strlen(ending) + 1;
    TRY(mem_alloc(out, (long long)size, 1));
    snprintf(*out, size, "%s%s", path, ending);
    return STATUS_OK;
}

/* Made-up files, which `options` is turned to. */
static int make_files(struct bench_step *s, const struct bench_options *bench, const struct step_sizes *sizes,
                      struct medtok_learner_options *options) {
    int status = path_beside(bench->json, ".vocabulary.h5", &s->vocabulary);
    if (status == STATUS_OK) status = path_beside(bench->json, ".text.h5", &s->text);
    TRY(comm_agree(s->comm, status));
    options->vocabulary = s->vocabulary;
    options->features = s->text;
    s->texts.mode = TEXT_CACHED;
    return synthetic_write(s->comm, sizes, CODES_FOR_A_BATCH_CODE * sizes->batch, s->vocabulary, s->text);
}

int bench_step_make(struct bench_step *s, const struct bench_options *bench, const struct step_sizes *sizes,
                    const struct medtok_learner_options *configured, const struct comm *comm, struct device *device) {
    struct medtok_learner_options options = *configured;
    *s = (struct bench_step){.comm = comm, .texts = *configured->text};
    options.text = &s->texts;
    options.model.graph.node_start = NODE_START_RANDOM; /* what a step costs is asked, not what it is for */
    options.model.text_map = TEXT_MAP_RANDOM;
    options.model.quantizer.init = INIT_NORMAL;
    options.continuation.checkpoint = "";
    if (bench->data == BENCH_SYNTHETIC) TRY(make_files(s, bench, sizes, &options));
    training_open(&s->training, comm, device, options.train);
    TRY(medtok_learner_make(&s->learner, &options, comm, device));
    TRY(training_make(&s->training, &s->learner.learner));
    return training_begin(&s->training);
}

void bench_step_free(struct bench_step *s) {
    if (s->vocabulary && s->comm->rank == 0) unlink(s->vocabulary);
    if (s->text && s->comm->rank == 0) unlink(s->text);
    training_free(&s->training);
    medtok_learner_free(&s->learner);
    free(s->vocabulary);
    free(s->text);
}

int bench_step_run(void *context) {
    struct bench_step *s = context;
    struct step_report report;
    return training_step(&s->training, 0, &report);
}
