/* checkpoint.h5: the state of training after a step: parameters, Adam's moments, and what is needed to go on.
 *
 * Each parameter NAME [rows, cols] is stored as the datasets NAME, NAME.m and NAME.v (float32, [rows, cols]), and
 * NAME.average when the training keeps an average of the parameters. What a training option keeps of the codebook stands
 * beside them: codebook.ema [size, dim + 1] and codebook.idle [size, 1] (medtok/codebook.h). A parameter is either
 * replicated (rank 0 writes it) or cut by rows (each rank writes its rows); the file does not show which, so it can be read
 * by any number of ranks. Root attributes: step, beside the settings and inputs of the provenance.
 */
#ifndef MEDTOK_STORE_CHECKPOINT_H
#define MEDTOK_STORE_CHECKPOINT_H

#include <stdint.h>

#include "store/h5file.h"

/* What a dataset takes beside its values, at most: CHECKPOINT_DATASET_BYTES, and while the file is written the room that is
 * reserved for it, CHECKPOINT_RESERVED_BYTES. */
enum { CHECKPOINT_DATASET_BYTES = 1 << 12, CHECKPOINT_RESERVED_BYTES = 1 << 16 };

/* One parameter in host memory: rows first .. first+count-1 of [rows, cols] are held here. */
struct checkpoint_entry {
    const char *name; /* borrowed */
    int64_t rows, cols, first, count;
    float *value, *m, *v, *average; /* [count, cols], borrowed; NULL: not written, or not wanted */
};

/* Collective. Writes all entries atomically to `path`. For a replicated parameter, ranks other than 0 pass count 0. */
int checkpoint_write(const struct comm *comm, const char *path, const struct provenance *provenance, int64_t step,
                     const struct checkpoint_entry *entries, int n_entries);

/* Reads this process's rows of each entry. A missing parameter, or one of another shape than the configuration gives, is
 * an error that names it and both shapes. */
int checkpoint_read(const char *path, const struct checkpoint_entry *entries, int n_entries, int64_t *step);

#endif
