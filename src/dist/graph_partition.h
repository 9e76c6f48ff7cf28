/* Things that share parts, cut into pieces of equal weight between which few parts are shared: codes by the nodes of their subgraphs.
 *
 * Things and parts are the two sides of a bipartite graph, which METIS cuts by recursive bisection (Karypis and Kumar, "A fast and high
 * quality multilevel scheme for partitioning irregular graphs", SIAM J. Sci. Comput. 20, 1998), so that pieces with near numbers are
 * near in the graph. A part that many things have is one vertex with many edges, no clique among the things. One that a single thing has cannot be
 * shared, and is left out.
 */
#ifndef MEDTOK_DIST_GRAPH_PARTITION_H
#define MEDTOK_DIST_GRAPH_PARTITION_H

#include <stdint.h>

struct sharing {
    int64_t n, n_parts;
    const int64_t *offsets; /* [n + 1] */
    const int32_t *parts;   /* [offsets[n]] of each thing, distinct */
    const double *weight;   /* [n] what is balanced */
    const int64_t *links;   /* [n] what it costs that a thing and a part of it are in different pieces */
};

/* Whether this program was built with METIS; STATUS_USAGE, with what to install, if not. `setting` is what asks for it. */
int graph_partition_is_there(void);
int graph_partition_check(const char *setting);

/* Which METIS cuts, e.g. "5.1.0-32-32" (of 32 bits, integers and reals), for a file's provenance: another may cut otherwise. "none"
 * without it. */
const char *graph_partition_version(void);

/* piece [n] = 0 .. n_pieces - 1; of few things fewer pieces. The same for the same graph; one process, one thread. Fails with STATUS_USAGE
 * without METIS, and if the graph has more edges than METIS was built to count. */
int graph_partition(const struct sharing *sharing, int n_pieces, int32_t *piece);

#endif
