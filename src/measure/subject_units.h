/* Subjects as units of resampling, and how much a row counts: as one of the samples, or as its share of one subject. */
#ifndef MEDTOK_MEASURE_SUBJECT_UNITS_H
#define MEDTOK_MEASURE_SUBJECT_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* By samples: each row counts once. By subjects: 1 / rows of its subject, which is what drawing as many rows of each subject gives on
 * average (meds-evaluation draws four, by chance). */
enum weighting { BY_SAMPLES, BY_SUBJECTS, N_WEIGHTINGS };
extern const char *const WEIGHTING_NAMES[N_WEIGHTINGS]; /* "samples", "subjects" */

struct subject_units {
    int64_t n; /* subjects, by their numbers */
    int64_t n_rows;
    uint32_t *unit; /* [n_rows], owned */
    uint32_t *rows; /* [n] of each, owned */
};

/* Of n rows less than 2^32, whose subjects stand `stride` bytes apart. Free in any case. */
int subject_units_make(struct subject_units *units, int64_t n, const int64_t *subjects, size_t stride);
void subject_units_free(struct subject_units *units);

/* weights [units->n]: what a row of each subject counts where the subject counts `times` times (NULL: once). */
void subject_units_weigh(const struct subject_units *units, enum weighting weighting, const uint8_t *times,
                         double *weights);

#endif
