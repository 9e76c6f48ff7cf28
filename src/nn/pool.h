/* Device memory that is taken and given back piece by piece, without asking the device: blocks with lists of what is
 * free.
 *
 * What is queued on a device runs in order, so that memory may be given back while queued work still uses it: who takes
 * it next queues his work behind.
 */
#ifndef MEDTOK_NN_POOL_H
#define MEDTOK_NN_POOL_H

#include "kernels.h"

struct pool_block;

struct pool {
    struct device *device;     /* borrowed */
    struct pool_block *blocks; /* oldest first */
    int64_t held;              /* values of all blocks */
    int64_t used, most_used;   /* values that are handed out now, and the most that ever were */
};

/* An empty pool on `device`. */
void pool_init(struct pool *pool, struct device *device);
void pool_free(struct pool *pool);

/* Memory for `count` values (0 is allowed), 64-byte aligned, contents undefined; .at is NULL if memory is out (the
 * device has the message). It is valid until pool_give or pool_reset. */
dev_real pool_take(struct pool *pool, int64_t count);

/* Gives back what pool_take(pool, count) gave. */
void pool_give(struct pool *pool, dev_real values, int64_t count);

/* Takes everything back. Several blocks become one in which what they held finds room, so that steps that are alike
 * soon allocate nothing. */
void pool_reset(struct pool *pool);

#endif
