/* ethos_generation [DIM LAYERS HEADS [FUTURES [UNITS [THREADS]]]]: units a second that ETHOS makes when its lines are UNITS long (1,024),
 * with keys and values kept and without, one after the other in one run, and what their ratio is. Weights are first values, the
 * vocabulary has ETHOS's size (Renc et al., 2024: 4,367). Defaults are ehr.size small, 20 futures, 1 thread.
 *
 *   cmake --build build --target ethos_generation && build/tests/ethos_generation
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/status.h"
#include "ehr/models.h"
#include "ehr/models/ethos_generate.h"

enum { CODES = 4224, CODE_BYTES = 12, MOST_ROUNDS = 100 };
static const double LEAST_SECONDS = 3; /* of a measurement */

struct bench {
    struct ehr_data data;
    struct ehr_task task;
    char code[CODES][CODE_BYTES];
    uint8_t kind[CODES];
    int64_t in_train[CODES];
    int32_t row[CODES];
    struct sample_event *events; /* [n_events] a minute apart, one unit each */
    int64_t n_events;
    struct comm comm;
    struct device device;
    struct ehr_options options;
    struct code_rows codes;
    struct parameter_set set;
    void *ethos;
};

static int make(struct bench *b, int64_t n_events) {
    static char task[] = "";
    static struct string_list death;
    int64_t no_samples[1] = {0}, width;
    TRY(string_list_add(&death, "death"));
    b->options = (struct ehr_options){.task = task,
                                      .model = EHR_ETHOS,
                                      .max_length = n_events * 5 / 4 + 16,
                                      .dim = b->options.dim,
                                      .layers = b->options.layers,
                                      .heads = b->options.heads,
                                      .inner = 4 * b->options.dim,
                                      .futures = 1,
                                      .outcome = death};
    b->task = (struct ehr_task){.name = task, .form = LABEL_BINARY, .n_classes = 2};
    b->data = (struct ehr_data){.n_tasks = 1,
                                .tasks = &b->task,
                                .n_own = CODES,
                                .n_rows = TOKEN_FIRST_CODE + CODES,
                                .n_cohort_codes = CODES,
                                .code_bytes = CODE_BYTES,
                                .code = b->code[0],
                                .code_kind = b->kind,
                                .in_train = b->in_train,
                                .row = b->row};
    b->data.sets[SPLIT_TRAIN].offsets = no_samples;
    for (int c = 0; c < CODES; c++) {
        snprintf(b->code[c], CODE_BYTES, "CODE//%d", c);
        b->in_train[c] = 1;
        b->row[c] = (int32_t)(TOKEN_FIRST_CODE + c);
    }
    b->n_events = n_events;
    TRY(mem_alloc(&b->events, n_events, sizeof *b->events));
    for (int64_t i = 0; i < n_events; i++)
        b->events[i] = (struct sample_event){.time = i * 60000000, .code = (int32_t)(i * 37 % CODES), .visit = -1};
    struct ehr_model_terms terms = {&b->comm, &b->options, &b->data, 1, &b->codes, &b->set};
    TRY(ehr_model(EHR_ETHOS)->make(&b->ethos, &terms, &width));
    TRY(parameter_set_allocate(&b->set, &b->device, 0, 1, 0));
    return parameter_set_initialize(&b->set, 1);
}

/* Units a second; every round makes the line's next unit for all futures, whatever they were. */
static int measure(const struct bench *b, int64_t n, int keeps, double *speed) {
    const struct ethos_outcome never = {.event = ETHOS_GETS_CODE, .horizon = (int64_t)1 << 60};
    const struct sample_history history = {.n = b->n_events, .events = b->events, .code_kind = b->kind};
    struct ethos_generator g;
    double begun = 0;
    int64_t round = 0;
    int status;
    TRY_DONE(ethos_generator_make(&g, b->ethos, (struct device *)&b->device, n, keeps));
    TRY_DONE(ethos_generator_begin(&g, &never, &history));
    for (; round < MOST_ROUNDS && (round < 3 || clock_seconds() - begun < LEAST_SECONDS); round++) {
        TRY_DONE(ethos_generator_step(&g, &never, 0, round));
        for (int64_t i = 0; i < n; i++) g.futures[i].verdict = ETHOS_OPEN;
        if (round == 0) begun = clock_seconds(); /* the history is what keeping costs once */
    }
    *speed = (double)((round - 1) * n) / (clock_seconds() - begun);
done:
    ethos_generator_free(&g);
    return status;
}

static int run(struct bench *b, int64_t n_futures, int64_t units) {
    double speed[2];
    TRY(make(b, units));
    for (int keeps = 0; keeps < 2; keeps++) TRY(measure(b, n_futures, keeps, &speed[keeps]));
    printf(
        "%lld layers of width %lld, %lld futures, lines of %lld units: %.0f units a second kept, %.1f computed anew: "
        "%.1f times\n",
        (long long)b->options.layers, (long long)b->options.dim, (long long)n_futures, (long long)units, speed[1],
        speed[0], speed[1] / speed[0]);
    return STATUS_OK;
}

int main(int argc, char **argv) {
    static struct bench b;
    int64_t arguments[] = {64, 2, 4, 20, 1024, 1};
    for (int i = 1; i < argc && i <= 6; i++) arguments[i - 1] = atoll(argv[i]);
    b.comm = comm_self();
    b.options.dim = arguments[0], b.options.layers = arguments[1], b.options.heads = arguments[2];
    int failed = device_open_cpu(&b.device, (int)arguments[5]) != 0;
    if (!failed) failed = run(&b, arguments[3], arguments[4]) != STATUS_OK;
    if (failed) fprintf(stderr, "ethos_generation: %s\n", status_message());
    return failed;
}
