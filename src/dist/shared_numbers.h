/* Things that ranks have found, each for itself, numbered over all ranks: by first appearance, rank after rank, in each rank's order, as one
 * rank alone would number them that goes through the parts of all. No rank sees more than its own, and, of those whose hash says so, the
 * names of a share of all. Things may be of several kinds, each numbered by itself, all in the same messages.
 *
 * A thing is known by a hash of 128 bits, as files are: that two of ten million differ and share one has a chance of 10^-25.
 */
#ifndef MEDTOK_DIST_SHARED_NUMBERS_H
#define MEDTOK_DIST_SHARED_NUMBERS_H

#include "dist/comm.h"

struct shared_name {
    uint64_t high, low;
};

/* Of one kind. */
struct shared_numbers {
    int64_t n; /* different things of all ranks */
    int64_t first,
        count;          /* numbers of those that appear first on this rank: first .. first + count - 1, in its order */
    int64_t n_own;      /* things of this rank */
    int32_t *number;    /* [n_own] of each */
    int32_t *home, *at; /* [n_own] the rank on which each appears first, and its index there */
};

/* Collective. kinds[n_kinds]; n_own [n_kinds] things of each kind, whose names follow each other in `names`, different ones in each kind. Fails where there are
 * more than 2^31 - 1 different things. `status`: what failed on this rank on the way here, which becomes every rank's. Free kinds[0] in any case, with which
 * all go. */
int shared_numbers_make(struct shared_numbers *kinds, const struct comm *comm, int n_kinds, const int64_t *n_own,
                        const struct shared_name *names, int status);
void shared_numbers_free(struct shared_numbers *kinds);

static inline int shared_numbers_is_first(const struct shared_numbers *s, const struct comm *comm, int64_t i) {
    return s->home[i] == comm->rank;
}

/* Collective. values[n_own]: those of things that appear first on this rank are known; afterwards those of all. */
int shared_numbers_look_up(const struct shared_numbers *numbers, const struct comm *comm, int64_t *values);

#endif
