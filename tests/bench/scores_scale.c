/* Scores at full size: ten million samples of a binary task, and 100,000 samples of any of 500 classes; time and memory. By hand:
 *
 *   cmake --build build --target scores_scale && build/tests/scores_scale [RESAMPLES]
 */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/rng.h"
#include "base/status.h"
#include "measure/class_scores.h"
#include "measure/scores.h"

enum { N_BINARY = 10000000, N_SUBJECTS = 1000003, N_SETS = 100000, N_CLASSES = 500, MOST_CLASSES = 40 };

static double gigabytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1e6;
}

/* Seconds of processors, of all threads: the machine may be busy. */
static double processor_seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

static void tell(const char *what, double begun, double before, double value) {
    printf("%-44s %8.2f s of processors   peak %.2f GB, before %.2f   %.6f\n", what, processor_seconds() - begun,
           gigabytes(), before, value);
}

static int score_binary(const struct bootstrap *bootstrap) {
    struct scored_sample *samples;
    struct scores scores;
    struct estimate estimates[N_SCORES_ESTIMATES];
    TRY(mem_alloc(&samples, N_BINARY, sizeof *samples));
    for (int64_t i = 0; i < N_BINARY; i++) {
        double u = rng_uniform(1, 0, 0, (uint64_t)i);
        int label = rng_uniform(2, 0, 0, (uint64_t)i) < 0.1;
        samples[i] = (struct scored_sample){
            .sample = i, .subject = i * 7919 % N_SUBJECTS, .label = label, .score = label ? sqrt(u) : u};
    }
    double before = gigabytes(), begun = processor_seconds();
    int status = scores_compute(N_BINARY, samples, &scores);
    tell("1e7 samples, sorted and all measures; AUROC", begun, before, scores.auroc);
    begun = processor_seconds();
    if (status == STATUS_OK) status = scores_bootstrap(bootstrap, N_BINARY, samples, estimates);
    tell("the resamples, by samples and subjects; low", begun, before, estimates[ESTIMATE_AUROC].low);
    free(samples);
    return status;
}

static int score_sets(const struct bootstrap *bootstrap) {
    static struct estimate estimates[N_CLASS_SCORES_ESTIMATES];
    struct class_scores scores;
    float *values;
    int64_t *subject, *offsets;
    int32_t *set;
    TRY(mem_alloc(&values, (long long)N_SETS * N_CLASSES, sizeof *values));
    TRY(mem_alloc(&subject, N_SETS, sizeof *subject));
    TRY(mem_alloc(&offsets, N_SETS + 1, sizeof *offsets));
    TRY(mem_alloc(&set, (long long)N_SETS * MOST_CLASSES, sizeof *set));
    for (int64_t i = 0; i < N_SETS; i++) {
        int64_t n = 0;
        subject[i] = i / 3;
        for (int32_t c = 0; c < N_CLASSES; c++) {
            uint64_t pair = (uint64_t)(i * N_CLASSES + c);
            double u = rng_uniform(1, 0, 0, pair);
            int label = n < MOST_CLASSES && rng_uniform(2, 0, 0, pair) < 0.02;
            if (label) set[offsets[i] + n++] = c;
            values[i * N_CLASSES + c] = (float)(label ? sqrt(u) : u);
        }
        offsets[i + 1] = offsets[i] + n;
    }
    struct class_predictions predictions = {.form = LABEL_SET,
                                            .n = N_SETS,
                                            .n_classes = N_CLASSES,
                                            .subject = subject,
                                            .scores = values,
                                            .set_offsets = offsets,
                                            .set = set,
                                            .threshold = 0.5};
    double before = gigabytes(), begun = processor_seconds();
    int status = class_scores_compute(&predictions, &scores);
    tell("1e5 samples x 500 classes; macro AUROC", begun, before, scores.values[CLASS_AUROC_MACRO]);
    begun = processor_seconds();
    if (status == STATUS_OK) status = class_scores_bootstrap(bootstrap, &predictions, estimates);
    tell("the resamples, by samples and subjects; low", begun, before, estimates[CLASS_AUROC_MACRO].low);
    class_scores_free(&scores);
    free(values);
    free(subject);
    free(offsets);
    free(set);
    return status;
}

int main(int argc, char **argv) {
    struct comm comm = comm_self();
    struct bootstrap bootstrap = {.comm = &comm,
                                  .seed = 1,
                                  .resamples = argc > 1 ? strtol(argv[1], NULL, 10) : 20,
                                  .threads = omp_get_max_threads()};
    printf("%lld resamples, %d threads\n", (long long)bootstrap.resamples, bootstrap.threads);
    int status = score_sets(&bootstrap);
    if (status == STATUS_OK) status = score_binary(&bootstrap);
    if (status != STATUS_OK) fprintf(stderr, "%s\n", status_message());
    return status;
}
