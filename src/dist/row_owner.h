/* Rows of a large table (the KG nodes' vectors), each owned by one rank: a batch fetches the rows it needs and sends
 * back their gradients.
 *
 * Rank r owns rows first(r) .. first(r+1)-1, blocks of equal size. An exchange plan is made for each batch from its
 * sorted list of distinct rows; the same plan serves the fetch and the return. Messages go only between ranks that have something
 * to say: one each with the numbers of the wanted rows, one with the rows, one with their gradients. Sums are made in rank order, so
 * the result is the same from run to run. A single rank copies and adds on its device.
 */
#ifndef MEDTOK_DIST_ROW_OWNER_H
#define MEDTOK_DIST_ROW_OWNER_H

#include "dist/comm.h"
#include "kernels.h"

/* First row owned by `rank` of `size`; row_owner_first(n, size, size) == n. */
int64_t row_owner_first(int64_t n_rows, int rank, int size);

/* Who asks whom for what in one batch. Reused from batch to batch; zero it before the first. */
struct row_plan {
    int *want_counts, *want_displacements; /* [size]: this batch's rows by owner */
    int *give_counts, *give_displacements; /* [size]: rows of ours that other ranks want */
    int32_t *give_rows;                    /* [n_give]: as indices in our own block */
    int n_want, n_give;
    int32_t *heard; /* what was asked, in the order in which it came; heard_first [size]: where a rank's part begins */
    int *heard_first;
    MPI_Request *requests; /* [2 size] */
    long long give_capacity, heard_capacity;
    real *host;              /* staging for n_give + n_want rows; of device_host_alloc_reals */
    dev_int give_on_device;  /* give_rows */
    dev_real rows_on_device; /* [n_give, cols] */
    long long host_values, device_rows, device_values; /* their sizes */
};

/* Collective, but each rank hears from those alone that want rows of it: the ranks do not tell each other whom they ask; that all have
 * been heard is known by a barrier that does not block (Hoefler, Siebert, Lumsdaine, "Scalable communication protocols for dynamic
 * sparse data exchange", PPoPP 2010). `rows`[n] ascending, distinct, global numbers, of a table of n_rows x cols; copied as needed. */
int row_plan_make(struct row_plan *plan, const struct comm *comm, struct device *device, int64_t n_rows, int64_t cols,
                  const int32_t *rows, int n);
void row_plan_free(struct row_plan *plan, struct device *device);

/* Collective. out [n_want, cols] = the wanted rows, from the owners' blocks `owned` [own rows, cols]. */
int row_plan_fetch(struct row_plan *plan, const struct comm *comm, struct device *device, int64_t cols, dev_real owned,
                   dev_real out);

/* Collective. owned_grad [own rows, cols] += all ranks' gradients [n_want, cols] of the rows they fetched. */
int row_plan_return(struct row_plan *plan, const struct comm *comm, struct device *device, int64_t cols, dev_real grad,
                    dev_real owned_grad);

#endif
