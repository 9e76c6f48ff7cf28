/* The page of a job under way, which a browser loads again by itself: how far it is, and of its trainings the curves so far. It loads
 * nothing else. */
#ifndef MEDTOK_REPORT_LIVE_PAGE_H
#define MEDTOK_REPORT_LIVE_PAGE_H

#include <time.h>

#include "report/metrics_follow.h"

enum live_state { LIVE_RUNNING, LIVE_DONE, LIVE_STOPPED, LIVE_FAILED };
enum live_training_state { LIVE_TRAINING_TO_COME, LIVE_TRAINING_BEGUN, LIVE_TRAINING_DONE, N_LIVE_TRAINING_STATES };

struct live_training {
    const char *name; /* "": the job's only one */
    enum live_training_state state;
    int64_t step, steps;                   /* of its pre-training and itself */
    time_t changed;                        /* when its metrics last were */
    struct metrics_follow before, metrics; /* of the pre-training, and of the training */
};

struct live_page {
    const char *job, *output; /* what it makes */
    const char *host;
    int ranks;
    enum live_state state;
    const char *message;      /* why it stopped or failed */
    time_t began, now;        /* since 1970 */
    int every;                /* seconds between two versions */
    const char *what, *unit;  /* the piece of work, as "tokenize", "codes"; NULL: not known yet */
    double done, total, rate; /* units, and units a second; NaN: not known */
    int64_t n;
    const struct live_training *trainings; /* [n] */
};

/* Writes it, whole or not at all. */
int live_page_write(const struct live_page *page, const char *path);

#endif
