/* The loop. */
#include "train/train.h"

#include <math.h>
#include <stdio.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "train/metrics.h"

struct run {
    struct training *training;
    const struct checkpoint_ring *ring;
    struct saver saver;
    struct metrics metrics;
    struct measures measures; /* of the last evaluation */
    /* train.patience: the best watched measure so far and its step; evaluations since */
    double best;
    int64_t best_step, waited;
};

/* ---- checkpoints ---- */
/* A checkpoint comes after the lines of metrics up to its step, or not at all. */
static int save(struct run *run) {
    struct training *t = run->training;
    stage_begin(&t->stages, STAGE_SAVE);
    TRY(checkpoint_ring_save(run->ring, &run->saver, metrics_flush(&run->metrics)));
    stage_end(&t->stages);
    return STATUS_OK;
}

/* After a step: goes on with what is under way, if anything is. */
static void advance(struct run *run, const struct step_report *report) {
    struct training *t = run->training;
    if (!run->saver.is_writing && !run->saver.is_sealing) return;
    stage_begin(&t->stages, STAGE_SAVE);
    training_hold(t, checkpoint_ring_advance(run->ring, &run->saver, report->n_writing));
    stage_end(&t->stages);
}

/* A training that fails on all ranks keeps the checkpoint that it had begun to write. */
static int keep_begun(struct run *run, int status) {
    struct kept_status failure = {0};
    if (status == STATUS_OK || status == STATUS_ALONE || !run->saver.comm) return status;
    status_keep(&failure, status);
    int kept = checkpoint_ring_wait(run->ring, &run->saver);
    if (kept != STATUS_OK && run->saver.comm->rank == 0) log_warn("%s", status_message());
    return status_take(&failure);
}

static int wait_for_begun(struct run *run) {
    struct training *t = run->training;
    stage_begin(&t->stages, STAGE_SAVE);
    TRY(checkpoint_ring_wait(run->ring, &run->saver));
    stage_end(&t->stages);
    return STATUS_OK;
}

/* ---- evaluation ---- */
static int is_evaluated(const struct training *t) {
    int64_t every = t->options->eval_every, step = t->state.step;
    return t->learner->evaluate && every && (step % every == 0 || step == t->options->steps);
}

static int measure(struct run *run) {
    struct training *t = run->training;
    const struct learner *l = t->learner;
    measures_clear(&run->measures);
    optimiser_swap_averages(&t->state.optimiser);
    int status = l->evaluate(l->self, &run->measures);
    optimiser_swap_averages(&t->state.optimiser);
    return status;
}

/* The measure that is watched; there may be none, which is the worst. */
static double watched(const struct measures *m) {
    double value = m->watched < m->n ? m->list[m->watched].value : NAN;
    return isnan(value) ? -INFINITY : value;
}

/* What the last evaluation means for patience: the weights are the best so far, or one more that are not. */
static int judge(struct run *run) {
    struct training *t = run->training;
    run->waited++;
    if (!t->options->patience || !(watched(&run->measures) > run->best)) return STATUS_OK;
    run->best = watched(&run->measures);
    run->best_step = t->state.step;
    run->waited = 0;
    stage_begin(&t->stages, STAGE_SAVE);
    return checkpoint_ring_save_best(run->ring, &run->saver);
}

static int evaluate(struct run *run) {
    struct training *t = run->training;
    double since = clock_seconds();
    stage_begin(&t->stages, STAGE_EVALUATE);
    TRY(measure(run));
    TRY(training_agree(t, metrics_evaluation(&run->metrics, t, &run->measures, clock_seconds() - since)));
    TRY(judge(run));
    stage_end(&t->stages);
    return STATUS_OK;
}

static int has_patience(const struct run *run) {
    int64_t most = run->training->options->patience;
    return most == 0 || run->waited < most;
}

/* For a training that was resumed: the best weights so far are measured again, since a checkpoint does not tell their
 * measure. What an interrupted run found best behind the step that is resumed is found again. */
static int find_best(struct run *run) {
    struct training *t = run->training;
    int64_t step = t->state.step, every = t->options->eval_every;
    int found;
    run->best = -INFINITY;
    if (!t->options->patience || step == 0) return STATUS_OK;
    TRY(checkpoint_ring_load_best(run->ring, t->comm, &t->state, &found));
    if (!found) return STATUS_OK;
    run->best_step = t->state.step;
    run->waited = step / every - run->best_step / every;
    TRY(measure(run));
    run->best = watched(&run->measures);
    return checkpoint_ring_resume(run->ring, t->comm, &t->state);
}

/* At the end. */
static int take_best(struct run *run) {
    struct training *t = run->training;
    int found;
    if (!t->options->patience || run->best_step == t->state.step || run->best == -INFINITY) return STATUS_OK;
    log_info("training ends after step %lld; kept are the best weights, those of step %lld", (long long)t->state.step,
             (long long)run->best_step);
    TRY(checkpoint_ring_load_best(run->ring, t->comm, &t->state, &found));
    if (found) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "the best weights, those of step %lld, are no longer where training put them, beside %s: run the "
                      "same command again",
                      (long long)run->best_step, run->ring->final_path);
}

/* ---- the whole ---- */
/* What fails here counts if nothing failed before; being stopped is no failure. */
static int close_metrics(struct run *run, int status) {
    struct kept_status outcome = {0};
    status_keep(&outcome, status);
    if (metrics_close(&run->metrics) == STATUS_OK) return status;
    return status == STATUS_OK || status == STATUS_INTERRUPTED ? STATUS_ALONE : status_take(&outcome);
}

static int run_steps(struct run *run) {
    struct training *t = run->training;
    const struct train_options *o = t->options;
    while (t->state.step < o->steps) {
        struct step_report report;
        t->is_writing = saver_is_busy(&run->saver);
        TRY(training_step(t, interrupt_asked(), &report));
        if (t->comm->size == 1) comm_progress(); /* for those that train beside it */
        t->stages.done += report.samples;
        t->stages.unit = t->learner->samples;
        training_hold(t, metrics_step(&run->metrics, t, &report));
        advance(run, &report);
        if (is_evaluated(t)) TRY(evaluate(run));
        if (t->state.step == o->steps || !has_patience(run)) break;
        if (report.stop) {
            TRY(save(run));
            TRY(wait_for_begun(run));
            TRY(training_agree(t, STATUS_OK));
            return status_set(STATUS_INTERRUPTED,
                              "stopped by a signal after step %lld of %lld; run the same command again to go on",
                              (long long)t->state.step, (long long)o->steps);
        }
        if (o->checkpoint_every && t->state.step % o->checkpoint_every == 0) TRY(save(run));
    }
    stage_begin(&t->stages, STAGE_SAVE);
    TRY(training_agree(t, metrics_flush(&run->metrics)));
    TRY(take_best(run));
    return checkpoint_ring_finish(run->ring, &run->saver);
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
    TRY_DONE(find_best(&run));
    TRY_DONE(checkpoint_ring_check_room(ring, t->comm, &t->state, o->steps, o->checkpoint_every, o->patience > 0,
                                        o->steps * metrics_line_bytes(learner)));
    TRY_DONE(comm_agree(t->comm, saver_make(&run.saver, t->comm, &t->state)));
    TRY_DONE(metrics_open(&run.metrics, t, metrics_path));
    status = run_steps(&run);
done:
    status = keep_begun(&run, status);
    saver_free(&run.saver);
    status = close_metrics(&run, status);
    measures_free(&run.measures);
    return status;
}
