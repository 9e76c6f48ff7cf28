/* A parameter set and what its optimiser keeps, to and from checkpoint.h5 (store/checkpoint.h).
 *
 * A trained parameter is saved with its moments and its average, a frozen one as it is. Parameters are found by name,
 * so that a file can be read by any number of ranks, and in part.
 */
#ifndef MEDTOK_TRAIN_SAVING_H
#define MEDTOK_TRAIN_SAVING_H

#include <limits.h>

#include "base/worker.h"
#include "dist/row_order.h"
#include "store/checkpoint.h"
#include "train/optimiser.h"

/* What a training goes on from. */
struct training_state {
    struct parameter_set *parameters; /* borrowed */
    struct optimiser optimiser;
    int64_t step; /* updates made */
    struct row_order
        *row_order; /* of the parameters cut by rows (borrowed), among the ranks of `comm`; NULL: by number */
    const struct comm *comm;
    /* Collective, before a copy: brings together what ranks keep apart in memory (train/step.h); NULL: all is there. */
    void (*join)(void *context);
    void *context;
};

/* Writes a state to files while it goes on changing: it is copied, and a thread brings the copy to the file. At most one file is under way;
 * nothing of it has the file's name before all of it is there. Collective calls a file: three messages, of which one is the
 * caller's; where there is a row_order, rows go beforehand from the ranks that hold them to those that write them. */
struct saver {
    const struct comm *comm;            /* borrowed */
    const struct training_state *state; /* borrowed */
    struct checkpoint_entry *entries;   /* the copy, owned */
    struct checkpoint_writer writer;
    struct worker *worker;
    char path[PATH_MAX]; /* of the file under way, and its step */
    int64_t step;
    int is_writing; /* between saver_begin and saver_end: the same on all ranks */
    int is_sealing; /* rank 0: from then until saver_seal */
    int copied;     /* status of the copy; completed: rank 0's, of ending the file */
    int completed;
};

/* Memory and a thread for a state whose parameters have their memory. Not collective. Free it in any case; a file under way is
 * abandoned. */
int saver_make(struct saver *saver, const struct comm *comm, const struct training_state *state);
void saver_free(struct saver *saver);

/* Collective, one message. Copies the state and begins to write it to `path`; nothing else is under way. `status`: of rank 0, whose
 * failure becomes every rank's. */
int saver_begin(struct saver *saver, const char *path, const struct provenance *provenance, int status);

/* Whether this rank's part of the file under way is still being written. */
int saver_is_busy(const struct saver *saver);

/* Collective, one message: waits for this rank's part. Fails on all ranks if one could not write; what fails on rank 0 alone afterwards
 * is said by saver_seal. */
int saver_end(struct saver *saver);

/* Rank 0, after saver_end: gives the file its name, waiting for it if `waits`; *sealed: whether it has it. Not collective. */
int saver_seal(struct saver *saver, int waits, int *sealed);

/* The size of such a file, at most, and what more it takes while it is written. */
int64_t training_state_file_bytes(const struct training_state *state, int64_t *while_written);

/* Reads what this rank holds. Collective if there is a row_order: then all ranks fail if one does. */
int training_state_load(struct training_state *state, const char *path);

/* Reads the values to use of a set allocated without gradients: with `averaged` the averages of parameters that are not
 * frozen, as their training kept them (train.average). */
int parameters_load(struct parameter_set *parameters, const char *path, int averaged, int64_t *step);

#endif
