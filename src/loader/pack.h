/* Ragged batches on their way to the device: many small arrays, sent in one copy.
 *
 * An array is declared once, by how many values it has and where its device pointer shall stand; the caller fills it on
 * the host, at once or later, and finds the pointer there when the pack has been sent:
 *
 *     pack_begin(pack);
 *     TRY(pack_ints(pack, n + 1, &offsets, &batch->offsets));
 *     for (...) offsets[i] = ...;
 *     TRY(pack_send(pack));                                  now batch->offsets is on the device
 *
 * Memory grows as needed and is reused: after the first batches a pack allocates nothing. Two packs let the host pack
 * the next batch while the device works on the other. Only pack_send asks anything of the device, so that another
 * thread may do all that comes before it.
 */
#ifndef MEDTOK_LOADER_PACK_H
#define MEDTOK_LOADER_PACK_H

#include "device.h"

enum { PACK_MOST_CHUNKS = 48 }; /* each twice as large as the one before */

struct pack {
    struct device *device; /* borrowed */
    struct pack_chunk {
        int32_t *host;
        int64_t used, capacity, base; /* base: values in the chunks before */
    } chunks
        [PACK_MOST_CHUNKS]; /* so that host pointers stay valid while the pack grows; one, once it is large enough */
    int n_chunks;
    struct pack_array {
        int64_t offset; /* in the pack, in units of int32_t */
        dev_int *ints;  /* one of the two */
        dev_real *reals;
    } * arrays;
    long long n_arrays, arrays_capacity;
    dev_int on_device;
    int64_t device_capacity;
};

/* `device` is borrowed. A zeroed struct pack may be freed. */
void pack_make(struct pack *pack, struct device *device);
void pack_free(struct pack *pack);

/* Forgets the arrays declared so far: host and device pointers to them become invalid. */
void pack_begin(struct pack *pack);

/* Declares an array of n values. *host: its memory, undefined, 64-byte aligned, valid until the next pack_begin. *to is
 * NULL until pack_send sets it to the array on the device, 64-byte aligned, valid until the next pack_send; `to` itself
 * must stay where it is until then. */
int pack_ints(struct pack *pack, int64_t n, int32_t **host, dev_int *to);
int pack_reals(struct pack *pack, int64_t n, real **host, dev_real *to);

/* Leaves the array of integers declared last with its first n values, n at most as many as it has: for what is counted
 * while it is written. */
void pack_trim(struct pack *pack, int64_t n);

/* Sends all arrays and sets their device pointers. Fails if the device has failed. */
int pack_send(struct pack *pack);

#endif
