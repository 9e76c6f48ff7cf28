/* Rows of a global batch of which each rank holds a part: who holds how many, and the exchange of several lists of such rows at
 * once, for losses that compare a row with those of all ranks.
 *
 * However many lists there are, an exchange is one message of each rank. Its memory, and how long messages may be, is fixed when it is
 * made, so that nothing can fail on one rank alone between two collective calls. The values travel through host memory, from
 * a GPU too; between ranks of one node they need no messages (dist/node_memory.h).
 */
#ifndef MEDTOK_DIST_ROW_LISTS_H
#define MEDTOK_DIST_ROW_LISTS_H

#include "dist/node_memory.h"
#include "kernels.h"

/* Rank r holds n[r] rows from first[r] on; total over all ranks. */
struct row_shares {
    int *n, *first; /* [size], owned */
    int total;
};

/* Memory for the shares of `size` ranks, without rows. Free in any case. */
int row_shares_make(struct row_shares *shares, int size);
void row_shares_free(struct row_shares *shares);

/* Rank r holds n[r] rows: n[size]. */
void row_shares_set(struct row_shares *shares, int size, const int64_t *n);

/* One list: the rows [n_local, cols] that this rank holds, and those of all ranks [total, cols] in rank order. A rank that has failed,
 * and lacks memory of the device (.at NULL), takes part with zeros and is given nothing. */
struct row_list {
    const struct row_shares *shares;
    int64_t cols;
    dev_real local, all;
};

/* The same of one integer a row. */
struct int_list {
    const struct row_shares *shares;
    dev_int local, all;
};

struct row_lists {
    const struct comm *comm; /* borrowed */
    struct device *device;   /* borrowed */
    int64_t most_own, most_all, most_summed, most_message;
    struct node_memory node;         /* where all ranks are of one: in place of messages */
    real *own, *all, *lists, *round; /* host; see row_lists.c */
    int *counts, *displacements;     /* [size] of a round */
    int64_t *first;                  /* [size + 1] where each rank's values begin in `all` */
};

/* Memory for exchanges of at most most_own values of this rank (an integer is one) and most_all of all ranks, of which most_summed are summed. Not collective; on one rank
 * alone there is none, and nothing may be exchanged. Messages hold at most most_message values of all ranks together (0: 2^28), at
 * least one of each; longer ones are split. Free in any case. */
int row_lists_make(struct row_lists *lists, const struct comm *comm, struct device *device, int64_t most_own,
                   int64_t most_all, int64_t most_summed, int64_t most_message);
void row_lists_free(struct row_lists *lists);

/* Collective, before the first exchange: where all ranks are of one node and can share memory, exchanges go through it. Each
 * rank takes room there for what the one with the most gathers of its own, or most_summed if that is more, whether it is used or not. */
int row_lists_share(struct row_lists *lists);

/* Collective: `all` from all ranks' `local`, of n lists of rows and n_ints of integers. */
int row_lists_gather(struct row_lists *lists, int n, const struct row_list *rows, int n_ints,
                     const struct int_list *ints);

/* Collective: `local` += the sum over ranks of their `all`, each rank being given its rows. */
int row_lists_scatter_sum(struct row_lists *lists, int n, const struct row_list *rows);

/* Collective: values[count] = their sum over ranks; count is at most most_summed. */
int row_lists_sum(struct row_lists *lists, dev_real values, int64_t count);

#endif
