/* Log lines and progress, both on standard error: `2026-11-25 22:05:31 [0] info: text`.
 *
 * Every line has the date (trainings last days, and requeued jobs append to one file), the time, the MPI rank and the level.
 * Progress is the same kind of line, at most one in `interval` seconds, so that it reads well on a terminal and in a SLURM
 * log file alike; on a terminal the line is overwritten in place.
 */
#ifndef MEDTOK_BASE_LOG_H
#define MEDTOK_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Says which rank this process is and the most detailed level that is written. Before it: rank 0, info. */
void log_configure(int rank, enum log_level level);

/* Writes one line. Info lines are written by rank 0 only; warnings and errors by the rank that meets them. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn_once(const char *format, ...)
    __attribute__((format(printf, 1, 2))); /* of what all ranks know: rank 0 alone */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Seconds since an arbitrary point, from a clock that never steps back. */
double clock_seconds(void);

/* A piece of work whose length is known: `progress_update` writes `tokenize 40960/327891 codes 12 %, 5210 codes/s,
 * 55 s left` when it is due. Rank 0 only; the values are those of all ranks if the caller scales them so. */
struct progress {
    const char *what, *unit; /* borrowed */
    long long total, done;   /* done: for callers who count over several pieces; progress_update does not look at it */
    double started, last;
};
void progress_begin(struct progress *progress, const char *what, long long total, const char *unit);
void progress_update(struct progress *progress, long long done);
void progress_end(struct progress *progress, long long done); /* writes the closing line with rate and time */

/* A copy of the one that was begun last and how much of it is done, for another thread; zeros: none was begun. `what` and `unit` must
 * therefore be texts of the program. */
struct progress progress_now(void);

#endif
