/* A history as ETHOS reads it: a line of units (ethos_vocabulary.h), each with its time.
 *
 *   events by time, each its units and, if it has deciles, that of its value behind them; between two times that are 5 minutes apart or
 *   more the interval, of 6 months and more so many times that of 6 months; at the end, of all that is known, ETHOS_END
 *
 * The cohort's times hold, but that of diagnoses of a stay that stand at its discharge all come behind its marker, as they are known then.
 *
 * A window is what the model reads at once: the context, made for the window's first time, and units of the line from there on. The context:
 * codes without time, the age, and the year, both in steps of 5. */
#ifndef MEDTOK_EHR_MODELS_ETHOS_TIMELINE_H
#define MEDTOK_EHR_MODELS_ETHOS_TIMELINE_H

#include "ehr/models/ethos_vocabulary.h"

struct ethos_timeline {
    int64_t *time; /* [n] microseconds, ascending; owned, as what follows */
    int32_t *unit; /* [n] */
    long long n, time_capacity, unit_capacity;
    int32_t *fixed; /* [n_fixed] units of codes without time */
    long long n_fixed, fixed_capacity;
    int64_t birth, now; /* of the history */
};

/* Zeroed it is empty; it is reused. whole: the history is all that is known of the subject. */
int ethos_timeline_make(struct ethos_timeline *timeline, const struct ethos_vocabulary *vocabulary,
                        const struct sample_history *history, int whole);
void ethos_timeline_free(struct ethos_timeline *timeline);

/* Puts a unit behind the others, as one that is made is. */
int ethos_timeline_add(struct ethos_timeline *timeline, int64_t time, int32_t unit);

/* How many units a window of max_length has before the line's; and how many of the line's go in. */
int64_t ethos_context_length(const struct ethos_timeline *timeline, int64_t max_length);
int64_t ethos_window_room(const struct ethos_timeline *timeline, int64_t max_length);

/* The same before there is a line: beside so many units of codes without time. */
int64_t ethos_room_beside(int64_t n_fixed, int64_t max_length);

/* Where a window of `room` units begins that is drawn by u from 0 to below 1: at places from room - 1 before the line to its last unit,
 * moved inside. So the first and the last unit, as a death, are in as many as one in the middle; drawn from the places inside alone, they
 * would be in one window of n - room + 1. */
int64_t ethos_window_drawn(const struct ethos_timeline *timeline, int64_t room, double u);

/* Writes a window, the line's units first .. first + n - 1 behind the context, to units[ethos_context_length + n]. */
void ethos_window(const struct ethos_timeline *timeline, const struct ethos_vocabulary *vocabulary, int64_t max_length,
                  int64_t first, int64_t n, int32_t *units);

/* The interval between two times: how many units, and which; 0 of less than 5 minutes. */
int64_t ethos_intervals(int64_t gap, int32_t *unit);

/* How long an interval stands for, in microseconds: the middle of its bounds, of the last one 6 months; 0 of other units. */
int64_t ethos_duration(int32_t unit);

/* The same of what of its bounds lies behind `gap`; and how much of them does, as a share: of the last one all, of other units nothing. */
int64_t ethos_duration_behind(int32_t unit, int64_t gap);
double ethos_share_behind(int32_t unit, int64_t gap);

#endif
