/* The loop. */
#include "train/train.h"

#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "train/metrics.h"

struct run {
    struct training *training;
    const struct checkpoint_ring *ring;
    struct metrics metrics;
    struct measures measures; /* of the last evaluation */
};

static int evaluate(struct run *run) {
    struct training *t = run->training;
    const struct learner *l = t->learner;
    double since = clock_seconds();
    stage_begin(&t->stages, STAGE_EVALUATE);
    measures_clear(&run->measures);
    optimiser_swap_averages(&t->state.optimiser);
    int status = l->evaluate(l->self, &run->measures);
    optimiser_swap_averages(&t->state.optimiser);
    TRY(status);
    TRY(comm_agree(t->comm, metrics_evaluation(&run->metrics, t, &run->measures, clock_seconds() - since)));
    stage_end(&t->stages);
    return STATUS_OK;
}

static int is_evaluated(const struct training *t) {
    int64_t every = t->options->eval_every, step = t->state.step;
    return t->learner->evaluate && every && (step % every == 0 || step == t->options->steps);
}

static int save(struct run *run) {
    struct training *t = run->training;
    stage_begin(&t->stages, STAGE_SAVE);
    TRY(checkpoint_ring_save(run->ring, t->comm, &t->state));
    stage_end(&t->stages);
    return STATUS_OK;
}

static int run_steps(struct run *run) {
    struct training *t = run->training;
    const struct train_options *o = t->options;
    while (t->state.step < o->steps) {
        struct step_report report;
        TRY(training_step(t, interrupt_asked(), &report));
        TRY(comm_agree(t->comm, metrics_step(&run->metrics, t, &report)));
        if (is_evaluated(t)) TRY(evaluate(run));
        if (t->state.step == o->steps) break;
        if (report.stop) {
            TRY(save(run));
            return status_set(STATUS_INTERRUPTED,
                              "stopped by a signal after step %lld of %lld; run the same command again to go on",
                              (long long)t->state.step, (long long)o->steps);
        }
        if (o->checkpoint_every && t->state.step % o->checkpoint_every == 0) TRY(save(run));
    }
    stage_begin(&t->stages, STAGE_SAVE);
    return checkpoint_ring_finish(run->ring, t->comm, &t->state);
}

int train(struct training *t, const struct learner *learner, const struct checkpoint_ring *ring,
          const char *metrics_path) {
    const struct train_options *o = t->options;
    struct run run = {.training = t, .ring = ring};
    int status;
    TRY_DONE(training_make(t, learner));
    if (o->resume == RESUME_AUTO) TRY_DONE(checkpoint_ring_resume(ring, t->comm, &t->state));
    TRY_DONE(comm_agree(t->comm, interrupt_poll()));
    if (t->state.step == 0) TRY_DONE(training_begin(t));
    TRY_DONE(checkpoint_ring_check_room(ring, t->comm, &t->state, o->steps, o->checkpoint_every,
                                        o->steps * metrics_line_bytes(learner)));
    TRY_DONE(metrics_open(&run.metrics, t, metrics_path));
    status = run_steps(&run);
done:
    if (metrics_close(&run.metrics) != STATUS_OK && status == STATUS_OK) status = STATUS_ALONE;
    measures_free(&run.measures);
    return status;
}
