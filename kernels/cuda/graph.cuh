/* What graph convolution and graph attention share: the transposed sum over edges. */
#ifndef MEDTOK_KERNELS_CUDA_GRAPH_CUH
#define MEDTOK_KERNELS_CUDA_GRAPH_CUH

#include "cuda/cuda.cuh"

/* A node's neighbours are itself, then the sources of its incoming edges: n_rows + edges in all, as in graph_attention's
 * probs. */
struct transposed_sum {
    struct ragged nodes;
    struct edges edges;
    int64_t heads, cols; /* columns h * cols .. of a row belong to head h */
    const real *scale;   /* [n_rows]; NULL: 1 */
    const real *weight;  /* [neighbours, heads]; NULL: 1 */
    const real *g;       /* [n_rows, heads * cols]; NULL: 1 */
    real *out;           /* [n_rows, heads * cols] */
    int accumulate;
};

/* out[u,c] = (or += with accumulate) scale[u] * sum over the nodes v of which u is a neighbour of weight[that neighbour, head of c] scale[v] g[v,c], always in
 * the same order. */
void transposed_sum(struct device *device, const char *name, struct transposed_sum sum);

#endif
