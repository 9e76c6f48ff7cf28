/* score: predictions of anyone's model in, what they are worth out: scores with intervals, alone or beside other predictions of the same
 * samples, as JSON of ours and of meds-evaluation; and of many trainings EHRSHOT's leaderboard. Rank 0 reads; all ranks resample. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/output.h"
#include "base/path.h"
#include "base/status.h"
#include "ehr/leaderboard.h"
#include "ingest/class_predictions.h"
#include "jobs.h"
#include "measure/comparison.h"
#include "measure/scores_report.h"

struct score {
    const struct config *config;
    struct bootstrap bootstrap;
    struct comparison comparison;
    struct leaderboard_result *results; /* [score.shots] */
    char (*tasks)[64];                  /* of the results */
};

/* ---- reading ---- */
static int to_samples(const struct predictions *p, struct scored_sample **samples) {
    TRY(mem_alloc(samples, p->n, sizeof **samples));
    for (long long i = 0; i < p->n; i++) {
        const struct prediction *row = &p->rows[i];
        (*samples)[i] = (struct scored_sample){.sample = i,
                                               .subject = row->subject,
                                               .label = row->label,
                                               .score = row->probability,
                                               .given = row->decided < 0 ? DECISION_NONE
                                                        : row->decided   ? DECISION_TRUE
                                                                         : DECISION_FALSE};
    }
    return STATUS_OK;
}

static int read_file(const struct score *x, const char *path, struct predictions *predictions) {
    TRY(predictions_read(predictions, path, x->config->score.python, "score.python"));
    log_info("%s: %lld samples", path, predictions->n);
    return STATUS_OK;
}

/* Collective. Of the rows that rank 0 has read, with `status` there, the samples on every rank. */
static int share(const struct comm *comm, int status, const struct predictions *rows, int64_t *n,
                 struct scored_sample **samples) {
    struct scored_sample *own = NULL;
    if (status == STATUS_OK && comm->rank == 0) status = to_samples(rows, &own);
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = scored_samples_gather(comm, own ? rows->n : 0, own, n, samples);
    free(own);
    return status;
}

/* The files of both arms: predictions, and those of validation samples. */
enum { SCORED, TUNING, N_ROLES };

/* On rank 0. rows [arm][role]; a file that is not named stays empty. */
static int read_arms(const struct score *x, const char *const paths[2][N_ROLES], struct predictions rows[2][N_ROLES]) {
    for (int a = 0; a < 2; a++)
        for (int r = 0; r < N_ROLES; r++)
            if (paths[a][r][0]) TRY(read_file(x, paths[a][r], &rows[a][r]));
    if (rows[1][SCORED].n) TRY(predictions_match(&rows[0][SCORED], &rows[1][SCORED]));
    for (int a = 0; a < 2; a++) TRY(predictions_check_apart(&rows[a][TUNING], &rows[a][SCORED]));
    return STATUS_OK;
}

/* The threshold of validation samples; NaN if there are none. */
static int choose_threshold(const struct comm *comm, const struct predictions *rows, double *threshold) {
    struct scored_sample *samples = NULL;
    int64_t n = 0;
    *threshold = NAN;
    TRY(share(comm, STATUS_OK, rows, &n, &samples));
    int status = n ? scores_choose_threshold(n, samples, threshold) : STATUS_OK;
    free(samples);
    return comm_agree(comm, status);
}

static int load(struct score *x) {
    const struct score_options *o = &x->config->score;
    const struct comm *comm = x->bootstrap.comm;
    const char *const paths[2][N_ROLES] = {{o->predictions, o->tuning}, {o->against, o->against_tuning}};
    struct comparison *c = &x->comparison;
    struct predictions rows[2][N_ROLES] = {{{0}}};
    int status = comm_agree(comm, comm->rank == 0 ? read_arms(x, paths, rows) : STATUS_OK);
    const int n_arms = c->n_arms = o->against[0] ? 2 : 1;
    for (int a = 0; a < n_arms && status == STATUS_OK; a++) {
        struct scored_arm *arm = &c->arms[a];
        arm->name = paths[a][SCORED];
        status = share(comm, STATUS_OK, &rows[a][SCORED], &arm->n, &arm->samples);
        if (status == STATUS_OK) status = choose_threshold(comm, &rows[a][TUNING], &arm->threshold);
    }
    for (int a = 0; a < 2; a++)
        for (int r = 0; r < N_ROLES; r++) predictions_free(&rows[a][r]);
    return status;
}

/* ---- one task ---- */
/* Whether the predictions are of many classes. Collective. */
static int are_classes(const struct score *x, int *answer) {
    const struct score_options *o = &x->config->score;
    const struct comm *comm = x->bootstrap.comm;
    *answer = comm->rank == 0 && class_predictions_are(o->predictions);
    TRY(comm_broadcast(comm, answer, sizeof *answer));
    if (!*answer || !o->meds[0]) return STATUS_OK;
    return status_set(STATUS_USAGE, "score.meds: meds-evaluation has no scores of many classes, as %s holds",
                      o->predictions);
}

static int report(const struct score *x) {
    const struct score_options *o = &x->config->score;
    comparison_print(&x->comparison, &x->bootstrap);
    TRY(output_flush());
    TRY(comparison_write(&x->comparison, &x->bootstrap, o->report));
    log_info("wrote %s", o->report);
    if (!o->meds[0]) return STATUS_OK;
    TRY(meds_evaluation_write(o->meds, x->comparison.arms[0].scores));
    log_info("wrote %s", o->meds);
    return STATUS_OK;
}

static int score(struct score *x) {
    struct progress progress;
    int many;
    TRY(are_classes(x, &many));
    if (many) return score_classes(x->config, &x->bootstrap);
    TRY(load(x));
    progress_begin(&progress, "intervals", (2 * x->comparison.n_arms - 1) * x->bootstrap.resamples, "resamples");
    x->bootstrap.progress = &progress;
    int status = comparison_compute(&x->comparison, &x->bootstrap);
    x->bootstrap.progress = NULL;
    if (status == STATUS_OK) progress_end(&progress, progress.done);
    if (status == STATUS_OK && x->bootstrap.comm->rank == 0) status = report(x);
    return comm_agree(x->bootstrap.comm, status);
}

/* ---- the leaderboard ---- */
/* Cuts TASK:K=FILE. */
static int parse_shots(const char *item, char task[64], int64_t *shots, const char **path) {
    const char *equals = strchr(item, '='), *colon = equals;
    char *end;
    while (colon && colon > item && *colon != ':') colon--;
    if (!equals || !equals[1] || *colon != ':' || colon == item || colon - item >= 64)
        return status_set(STATUS_USAGE, "score.shots: \"%.200s\": expected TASK:K=FILE, for example guo_los:8=FILE",
                          item);
    snprintf(task, 64, "%.*s", (int)(colon - item), item);
    *shots = strtoll(colon + 1, &end, 10);
    if (strncmp(colon, ":all=", 5) == 0)
        *shots = SHOTS_ALL;
    else if (end != equals || *shots < 1 || !leaderboard_has_shots(*shots))
        return status_set(STATUS_USAGE,
                          "score.shots: \"%.200s\": expected 1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 128 or all for K",
                          item);
    *path = equals + 1;
    return STATUS_OK;
}

/* Only of `all` are intervals shown. */
static int score_training(struct score *x, const char *item, char task[64], struct leaderboard_result *result) {
    struct scored_sample *samples = NULL;
    struct scores scores;
    const char *path;
    int64_t n = 0;
    TRY(parse_shots(item, task, &result->shots, &path));
    result->task = task;
    const struct comm *comm = x->bootstrap.comm;
    struct predictions rows = {0};
    int status = share(comm, comm->rank == 0 ? read_file(x, path, &rows) : STATUS_OK, &rows, &n, &samples);
    predictions_free(&rows);
    if (status != STATUS_OK) return status;
    if (result->shots == SHOTS_ALL) {
        status = scores_bootstrap(&x->bootstrap, n, samples, result->estimates);
    } else {
        status = comm_agree(comm, scores_compute(n, samples, &scores));
        result->estimates[ESTIMATE_AUROC] = (struct estimate){.value = scores.auroc, .n = !isnan(scores.auroc)};
        result->estimates[ESTIMATE_AVERAGE_PRECISION] =
            (struct estimate){.value = scores.average_precision, .n = !isnan(scores.average_precision)};
    }
    free(samples);
    return status;
}

static int score_all(struct score *x) {
    const struct score_options *o = &x->config->score;
    const struct comm *comm = x->bootstrap.comm;
    int status = mem_alloc(&x->results, o->shots.n, sizeof *x->results);
    if (status == STATUS_OK) status = mem_alloc(&x->tasks, o->shots.n, sizeof *x->tasks);
    TRY(comm_agree(comm, status));
    for (int i = 0; i < o->shots.n; i++) TRY(score_training(x, o->shots.items[i], x->tasks[i], &x->results[i]));
    if (comm->rank == 0) status = leaderboard_write(o->leaderboard, o->model, o->shots.n, x->results);
    TRY(comm_agree(comm, status));
    log_info("wrote %s", o->leaderboard);
    return STATUS_OK;
}

/* ---- the job ---- */
static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)arguments;
    struct score x = {.config = config,
                      .bootstrap = {.comm = comm,
                                    .seed = (uint64_t)config->run.seed,
                                    .resamples = config->score.resamples,
                                    .threads = comm_threads(comm, (int)config->run.threads),
                                    .poll = interrupt_poll}};
    int status = config->score.predictions[0] ? score(&x) : STATUS_OK;
    if (status == STATUS_OK && config->score.leaderboard[0]) status = score_all(&x);
    comparison_free(&x.comparison);
    free(x.results);
    free(x.tasks);
    return status;
}

/* The files of score.shots are inputs that the table of settings does not know. */
static int check_shots(const struct score_options *o) {
    const char *const outputs[] = {o->leaderboard, o->report, o->meds};
    for (int i = 0; i < o->shots.n; i++) {
        char task[64];
        const char *path;
        int64_t shots;
        TRY(parse_shots(o->shots.items[i], task, &shots, &path));
        if (!leaderboard_task(task))
            return status_set(STATUS_USAGE,
                              "score.shots: %s is no task of EHRSHOT's leaderboard, as \"Long LOS\" is, or guo_los",
                              task);
        for (int k = 0; k < 3; k++)
            if (outputs[k][0] && path_same(outputs[k], path))
                return status_set(STATUS_USAGE, "score.shots reads %s, which this job would write", path);
    }
    return STATUS_OK;
}

static int check(const struct config *config) {
    const struct score_options *o = &config->score;
    if (!o->predictions[0] && !o->leaderboard[0])
        return status_set(STATUS_USAGE, "score.predictions is empty: name a file of predictions");
    if (!o->predictions[0] && (o->against[0] || o->tuning[0] || o->meds[0]))
        return status_set(STATUS_USAGE,
                          "score.predictions is empty: score.against, score.tuning and score.meds need it");
    if (o->against_tuning[0] && !o->against[0])
        return status_set(STATUS_USAGE, "score.against is empty: score.against_tuning needs it");
    if (!o->leaderboard[0] != (o->shots.n == 0))
        return status_set(STATUS_USAGE, "score.leaderboard and score.shots go together: set both, or neither");
    return check_shots(o);
}

const struct job_entry SCORE_JOB = {
    .job = JOB_SCORE,
    .name = "score",
    .arguments = "",
    .summary = "predictions of any model into scores with intervals, and paired differences",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .check = check,
    .run = run,
};
