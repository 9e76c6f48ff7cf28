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

static int make_files(struct bench_step *s, const struct step_sizes *sizes, const struct comm *comm) {
    int status = path_beside(s->config.bench.json, ".vocabulary.h5", &s->vocabulary);
    if (status == STATUS_OK) status = path_beside(s->config.bench.json, ".text.h5", &s->text);
    TRY(comm_agree(comm, status));
    s->config.files.vocabulary = s->vocabulary;
    s->config.files.text = s->text;
    s->config.text.mode = TEXT_CACHED;
    return synthetic_write(comm, sizes, CODES_FOR_A_BATCH_CODE * sizes->batch, s->vocabulary, s->text);
}

int bench_step_make(struct bench_step *s, const struct config *config, const struct step_sizes *sizes,
                    const struct comm *comm, struct device *device) {
    *s = (struct bench_step){.config = *config, .comm = comm};
    if (config->bench.data == BENCH_SYNTHETIC) TRY(make_files(s, sizes, comm));
    TRY(trainer_make(&s->trainer, &s->config, comm, device));
    return trainer_begin(&s->trainer);
}

void bench_step_free(struct bench_step *s) {
    if (s->vocabulary && s->comm->rank == 0) unlink(s->vocabulary);
    if (s->text && s->comm->rank == 0) unlink(s->text);
    trainer_free(&s->trainer);
    free(s->vocabulary);
    free(s->text);
}

int bench_step_run(void *context) {
    struct bench_step *s = context;
    struct step_report report;
    return trainer_step(&s->trainer, 0, &report);
}
