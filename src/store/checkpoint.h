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

#include "store/h5layout.h"

/* What a dataset takes beside its values, at most: CHECKPOINT_DATASET_BYTES, and while the file is written the room that is
 * reserved for it, CHECKPOINT_RESERVED_BYTES. */
enum { CHECKPOINT_DATASET_BYTES = 1 << 14, CHECKPOINT_RESERVED_BYTES = 1 << 16 };

/* One parameter in host memory: rows first .. first+count-1 of [rows, cols] are held here. by_rows: each rank holds those that
 * row_owner_first gives it; else all hold all, and to write them rank 0 alone needs to (others: count 0). */
struct checkpoint_entry {
    const char *name; /* borrowed */
    int64_t rows, cols, first, count;
    int by_rows;
    float *value, *m, *v, *average; /* [count, cols], borrowed; NULL: not written, or not wanted */
};

/* Writes checkpoints of the same entries, one after the other, atomically: as store/h5layout.h, whose functions these are, with the same
 * collective calls. */
struct checkpoint_writer {
    struct h5layout layout;
    const struct checkpoint_entry *entries; /* [n_entries], borrowed */
    int n_entries, n_sets;
    struct h5layout_set *sets; /* [n_sets], owned, with their names */
    int64_t bytes;
};

int checkpoint_writer_make(struct checkpoint_writer *writer, const struct comm *comm,
                           const struct checkpoint_entry *entries, int n_entries);
void checkpoint_writer_free(struct checkpoint_writer *writer);
int checkpoint_writer_begin(struct checkpoint_writer *writer, const char *path, const struct provenance *provenance,
                            int64_t step, int status);
int checkpoint_writer_write(struct checkpoint_writer *writer); /* all of this rank, on any thread */
int checkpoint_writer_end(struct checkpoint_writer *writer, int status);
int checkpoint_writer_complete(struct checkpoint_writer *writer); /* rank 0 */
int checkpoint_writer_seal(struct checkpoint_writer *writer);     /* rank 0, on any thread */
int checkpoint_writer_close(struct checkpoint_writer *writer, int status);

/* Reads this process's rows of each entry. A missing parameter, or one of another shape than the configuration gives, is
 * an error that names it and both shapes. */
int checkpoint_read(const char *path, const struct checkpoint_entry *entries, int n_entries, int64_t *step);

#endif
