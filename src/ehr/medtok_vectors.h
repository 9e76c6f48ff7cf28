/* The vectors of MedTok's token table (store/table.h) for the codes of a cohort: a source of vectors (ehr/data.h).
 *
 * A code of the cohort is the table's code of the same system and form (terms/meds_code.h, terms/code_form.h); failing that its
 * nearest ancestor that the table has (terms/code_hierarchy.h). A text that tells no system is no medical code, and gets a row of its own.
 */
#ifndef MEDTOK_EHR_MEDTOK_VECTORS_H
#define MEDTOK_EHR_MEDTOK_VECTORS_H

#include "ehr/data.h"

struct medtok_vectors {
    struct vector_source source; /* of the table */
    const char *path;            /* borrowed; NULL: see below */
    int64_t n_exact, n_ancestor; /* codes that were found so; on rank 0 */
};

/* table NULL: there is no table, and each medical code that train has is found, as number 0: for random vectors in their place. */
void medtok_vectors_make(struct medtok_vectors *vectors, const char *table);

/* Collective. The vectors of rows[n] of the table, as float [n, *width] in *out, which the caller frees; their mean over the first
 * n_mean is taken off, and then they are scaled so that the mean of these vectors' squared lengths is 1. */
int medtok_vectors_read(const struct medtok_vectors *vectors, const struct comm *comm, int64_t n, const int64_t *rows,
                        int64_t n_mean, int64_t *width, float **out);

#endif
