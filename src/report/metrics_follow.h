/* The metrics of a training (train/metrics.h) while they are written: each look reads what is new since the last one. */
#ifndef MEDTOK_REPORT_METRICS_FOLLOW_H
#define MEDTOK_REPORT_METRICS_FOLLOW_H

#include <stdint.h>
#include <sys/types.h>

enum { FOLLOWED_ROWS = 240, FOLLOWED_COLUMNS = 40 };

/* Lines of one kind. All arrays are owned; a member that a line lacks is NaN. */
struct followed_lines {
    int n_columns; /* members of all lines that were kept or newest, FOLLOWED_COLUMNS at most; column 0 is the step */
    char **names;  /* [n_columns] */
    int64_t n,
        every; /* lines so far; each `every`th is kept (multiples of it, to meet those of the log), never more than FOLLOWED_ROWS */
    int n_kept, n_rows; /* n_rows: with the newest line behind the others, where that is not kept */
    double *rows;       /* [n_rows, FOLLOWED_COLUMNS], of which n_columns are there */
    double *last;       /* [n_columns] the newest line */
};

struct metrics_follow {
    ino_t file;     /* the file that was read, */
    int64_t offset; /* up to here */
    struct followed_lines steps, evaluations;
};

/* Reads on; a file that is not there, or a line that is being written, is nothing new. One that was cut, or is another, is read anew. Fails
 * only without memory. Zeros are a file of which nothing was read; free in any case. */
int metrics_follow(struct metrics_follow *metrics, const char *path);
void metrics_follow_free(struct metrics_follow *metrics);

/* The column of a name, or -1. */
int followed_column(const struct followed_lines *lines, const char *name);

#endif
