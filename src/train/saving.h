/* A parameter set and what its optimiser keeps, to and from checkpoint.h5 (store/checkpoint.h).
 *
 * A trained parameter is saved with its moments and its average, a frozen one as it is. Parameters are found by name,
 * so that a file can be read by any number of ranks, and in part.
 */
#ifndef MEDTOK_TRAIN_SAVING_H
#define MEDTOK_TRAIN_SAVING_H

#include "dist/comm.h"
#include "store/checkpoint.h"
#include "train/optimiser.h"

/* What a training goes on from. */
struct training_state {
    struct parameter_set *parameters; /* borrowed */
    struct optimiser optimiser;
    int64_t step; /* updates made */
};

/* Collective. Writes all of it to `path`. */
int training_state_save(const struct training_state *state, const struct comm *comm, const char *path,
                        const struct provenance *provenance);

/* The size of such a file, at most, and what more it takes while it is written. */
int64_t training_state_file_bytes(const struct training_state *state, int64_t *while_written);

/* Reads what this rank holds. */
int training_state_load(struct training_state *state, const char *path);

/* Reads the values to use of a set allocated without gradients: with `averaged` the averages of parameters that are not
 * frozen, as their training kept them (train.average). */
int parameters_load(struct parameter_set *parameters, const char *path, int averaged, int64_t *step);

#endif
