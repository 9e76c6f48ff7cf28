#include "live.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/status.h"
#include "ehr/grid.h"
#include "ehr/models.h"
#include "paths.h"
#include "report/live_page.h"

enum { MOMENTS = 16 };          /* by which the rate is told */
static const double REST = 100; /* times what a version took */

/* By which a file is known to have changed, without a clock that another machine's may not follow; zeros: it is not there. */
struct mark {
    ino_t file;
    off_t size;
    struct timespec time;
};

/* Of a training. */
enum followed_file { FOLLOWED_BEFORE, FOLLOWED_METRICS, FOLLOWED_RESULTS, N_FOLLOWED_FILES };
struct marks {
    struct mark of[N_FOLLOWED_FILES];
};

struct live {
    const struct config *config;
    enum job job;
    struct live_page page;
    char path[PATH_MAX], host[256], message[1024];
    struct grid grid; /* evaluate */
    struct live_training *trainings;
    struct marks *marks; /* of each training, as its files were when the job began */
    struct moment {
        double time, done;
    } moments[MOMENTS]; /* the newest last */
    int n_moments;
    int has_written, has_warned;
    pthread_t thread;
    pthread_mutex_t guard;
    pthread_cond_t ended;
    int is_ended;
};

/* ---- what is looked at ---- */
static struct mark mark_of(const char *path) {
    struct stat info;
    if (stat(path, &info)) return (struct mark){0};
    return (struct mark){info.st_ino, info.st_size, info.st_mtim};
}

static int is_same(const struct mark *a, const struct mark *b) {
    return a->file == b->file && a->size == b->size && a->time.tv_sec == b->time.tv_sec &&
           a->time.tv_nsec == b->time.tv_nsec;
}

static void path_of(const struct live *l, const struct live_training *t, enum followed_file file, char path[PATH_MAX]) {
    static const char *const ENDINGS[] = {".pretrained.jsonl", ".jsonl", ".results.h5"};
    if (l->job == JOB_TRAIN)
        config_metrics_path(l->config, path);
    else
        config_trial_path(l->config, t->name, ENDINGS[file], path);
}

static int make_trainings(struct live *l) {
    const struct config *c = l->config;
    if (l->job == JOB_EVALUATE) TRY(grid_make(&l->grid, &c->ehr, (uint64_t)c->run.seed));
    l->page.n = l->job == JOB_EVALUATE ? l->grid.n : l->job == JOB_TRAIN;
    TRY(mem_alloc(&l->trainings, l->page.n + 1, sizeof *l->trainings));
    TRY(mem_alloc(&l->marks, l->page.n + 1, sizeof *l->marks));
    for (int64_t i = 0; i < l->page.n; i++) {
        struct live_training *t = &l->trainings[i];
        const struct ehr_options *o = l->job == JOB_EVALUATE ? &l->grid.trials[i].options : NULL;
        *t = (struct live_training){.name = o ? l->grid.trials[i].name : "", .steps = c->train.steps};
        if (o) t->steps = o->pretrain_steps + (ehr_model(o->model)->score ? 0 : o->steps);
        for (int file = 0; file < N_FOLLOWED_FILES; file++) {
            char path[PATH_MAX];
            path_of(l, t, (enum followed_file)file, path);
            l->marks[i].of[file] = mark_of(path);
        }
    }
    l->page.trainings = l->trainings;
    return STATUS_OK;
}

static int64_t last_step(const struct metrics_follow *m) {
    return m->steps.n_columns > 0 ? (int64_t)m->steps.last[0] : 0;
}

/* Follows metrics that this job writes: those that are as they were before it are not yet its own. */
static int follow(struct live *l, int64_t i, enum followed_file file, struct metrics_follow *m) {
    struct live_training *t = &l->trainings[i];
    char path[PATH_MAX];
    path_of(l, t, file, path);
    struct mark now = mark_of(path);
    if (now.file == 0 || is_same(&now, &l->marks[i].of[file])) return STATUS_OK;
    if (now.time.tv_sec > t->changed) t->changed = now.time.tv_sec;
    t->state = LIVE_TRAINING_BEGUN;
    return metrics_follow(m, path);
}

/* A training of evaluate is done when its results are there: whole, since they are renamed into place. */
static int has_results(const struct live *l, int64_t i) {
    char path[PATH_MAX];
    path_of(l, &l->trainings[i], FOLLOWED_RESULTS, path);
    struct mark now = mark_of(path);
    if (!is_same(&now, &l->marks[i].of[FOLLOWED_RESULTS])) return 1;
    return now.file != 0 && !l->config->force && l->trainings[i].state == LIVE_TRAINING_TO_COME;
}

static int look_at(struct live *l, int64_t i) {
    struct live_training *t = &l->trainings[i];
    if (t->state == LIVE_TRAINING_DONE) return STATUS_OK;
    int is_done = l->job == JOB_EVALUATE && has_results(l, i);
    if (l->job == JOB_EVALUATE) TRY(follow(l, i, FOLLOWED_BEFORE, &t->before));
    TRY(follow(l, i, FOLLOWED_METRICS, &t->metrics));
    if (l->job == JOB_EVALUATE && t->metrics.steps.n > 0) { /* it may go on from a pre-training of an earlier run */
        char path[PATH_MAX];
        path_of(l, t, FOLLOWED_BEFORE, path);
        TRY(metrics_follow(&t->before, path));
    }
    t->step = is_done ? t->steps : last_step(&t->before) + last_step(&t->metrics);
    if (is_done) t->state = LIVE_TRAINING_DONE;
    return STATUS_OK;
}

/* ---- how far it is ---- */
static void take_progress(struct live *l) {
    struct progress p = progress_now();
    l->page.what = p.what;
    l->page.unit = p.unit;
    l->page.done = (double)p.done;
    l->page.total = (double)p.total;
}

static void take_steps(struct live *l) {
    l->page.done = l->page.total = 0;
    l->page.what = l->job == JOB_TRAIN ? "training" : "all trainings";
    l->page.unit = "steps";
    for (int64_t i = 0; i < l->page.n; i++) {
        l->page.done += (double)l->trainings[i].step;
        l->page.total += (double)l->trainings[i].steps;
    }
}

/* Metrics reach their file by many lines at once: the rate is that between moments at which there was more than before. */
static void take_rate(struct live *l) {
    struct live_page *p = &l->page;
    if (l->n_moments > 0 && p->done < l->moments[l->n_moments - 1].done) l->n_moments = 0; /* another piece of work */
    if (l->n_moments == 0 || p->done > l->moments[l->n_moments - 1].done) {
        if (l->n_moments == MOMENTS) memmove(l->moments, l->moments + 1, (MOMENTS - 1) * sizeof *l->moments);
        l->n_moments += l->n_moments < MOMENTS;
        l->moments[l->n_moments - 1] = (struct moment){clock_seconds(), p->done};
    }
    const struct moment *first = l->moments, *last = l->moments + (l->n_moments > 0 ? l->n_moments - 1 : 0);
    p->rate = last > first ? (last->done - first->done) / (last->time - first->time) : NAN;
}

static int look(struct live *l) {
    for (int64_t i = 0; i < l->page.n; i++) TRY(look_at(l, i));
    if (l->page.n > 0)
        take_steps(l);
    else
        take_progress(l);
    take_rate(l);
    return STATUS_OK;
}

/* ---- the page ---- */
static void write_version(struct live *l) {
    l->page.now = time(NULL);
    int status = look(l);
    if (status == STATUS_OK) status = live_page_write(&l->page, l->path);
    l->has_written |= status == STATUS_OK;
    if (status != STATUS_OK && !l->has_warned)
        log_warn("the page that shows how far this is cannot be written, which changes nothing else: %s",
                 status_message());
    l->has_warned |= status != STATUS_OK;
}

/* Waits so long, or until the job has ended, and says whether it has. The guard is held. */
static int rest(struct live *l, double seconds) {
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)seconds + 1;
    while (!l->is_ended && pthread_cond_timedwait(&l->ended, &l->guard, &end) != ETIMEDOUT) continue;
    return l->is_ended;
}

static void *serve(void *context) {
    struct live *l = context;
    double pause = l->page.every;
    pthread_setname_np(pthread_self(), "medtok-live");
    pthread_mutex_lock(&l->guard);
    while (!rest(l, pause)) {
        pthread_mutex_unlock(&l->guard);
        double began = clock_seconds();
        write_version(l);
        pause = fmax(l->page.every, REST * (clock_seconds() - began));
        pthread_mutex_lock(&l->guard);
    }
    pthread_mutex_unlock(&l->guard);
    return NULL;
}

static void live_free(struct live *l) {
    for (int64_t i = 0; l->trainings && i < l->page.n; i++) {
        metrics_follow_free(&l->trainings[i].before);
        metrics_follow_free(&l->trainings[i].metrics);
    }
    free(l->trainings);
    free(l->marks);
    grid_free(&l->grid);
    free(l);
}

static int start(struct live *l) {
    pthread_condattr_t by_monotonic_clock;
    pthread_condattr_init(&by_monotonic_clock);
    pthread_condattr_setclock(&by_monotonic_clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&l->guard, NULL);
    pthread_cond_init(&l->ended, &by_monotonic_clock);
    pthread_condattr_destroy(&by_monotonic_clock);
    return pthread_create(&l->thread, NULL, serve, l) == 0 ? STATUS_OK
                                                           : status_set(STATUS_FAILED, "no thread can be made");
}

struct live *live_begin(const struct comm *comm, const struct config *config, const struct job_entry *entry) {
    struct live *l = NULL;
    if (comm->rank != 0 || !(entry->job & LIVE_JOBS) || config->run.live_page == 0) return NULL;
    int status = mem_alloc(&l, 1, sizeof *l);
    if (status == STATUS_OK) {
        *l = (struct live){.config = config, .job = entry->job};
        l->page = (struct live_page){.job = entry->name,
                                     .output = config_live_output(config, entry->job),
                                     .host = l->host,
                                     .ranks = comm->size,
                                     .message = l->message,
                                     .began = time(NULL),
                                     .every = (int)config->run.live_page};
        if (gethostname(l->host, sizeof l->host - 1)) strcpy(l->host, "?");
        config_live_path(config, entry->job, l->path);
        status = make_trainings(l);
        if (status == STATUS_OK) status = start(l);
    }
    if (status == STATUS_OK) return l;
    log_warn("there will be no page that shows how far this is: %s", status_message());
    if (l) live_free(l);
    return NULL;
}

void live_end(struct live *l, int status) {
    if (!l) return;
    pthread_mutex_lock(&l->guard);
    l->is_ended = 1;
    pthread_cond_signal(&l->ended);
    pthread_mutex_unlock(&l->guard);
    pthread_join(l->thread, NULL);
    l->page.state = status == STATUS_OK ? LIVE_DONE : status == STATUS_INTERRUPTED ? LIVE_STOPPED : LIVE_FAILED;
    if (status != STATUS_OK) snprintf(l->message, sizeof l->message, "%s", status_message());
    /* One of an earlier run must not go on telling of this output. */
    if (l->has_written || access(l->path, F_OK) == 0) write_version(l);
    pthread_cond_destroy(&l->ended);
    pthread_mutex_destroy(&l->guard);
    live_free(l);
}
