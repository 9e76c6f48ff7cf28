/* Operands for measuring primitives: made-up data of the sizes of a training step, on a device.
 *
 * A primitive's item (primitives.c) is one function that takes its operands from the workbench and calls the primitive. It
 * is run in three passes: PASS_COUNT adds up what it takes, PASS_FILL fills that with numbers, PASS_RUN calls. There are so
 * many sets of operands, taken in turn, that together they do not fit the caches: each call reads from memory, as in a step
 * whose other tensors have gone through the caches since.
 */
#ifndef MEDTOK_BENCH_WORKBENCH_H
#define MEDTOK_BENCH_WORKBENCH_H

#include "config/config.h"
#include "kernels.h"

/* Sizes of a step: so many codes, with graphs and texts of random lengths around a mean. */
struct bench_sizes {
    int64_t batch, queries;       /* codes; vectors to quantise */
    int64_t nodes, edges, tokens; /* mean of a code */
    int64_t graph_nodes;          /* of the whole knowledge graph */
    int64_t node_dim, hidden, graph_heads;
    int64_t dim, heads; /* of the cross-attention and the quantiser */
    int64_t codebook, top_k, text_dim;
};

struct bench_sizes bench_sizes(const struct config *config);

/* Lengths of text or graph i: 1 .. 2 mean - 1, by chance, `mean` on average. */
int64_t bench_length(int64_t mean, uint64_t stream, int64_t i);
/* Edges of a graph of n nodes where `edges` in `nodes` is the mean; edge e goes from source to target, targets ascending. */
int64_t bench_edge_count(const struct bench_sizes *sizes, int64_t n);
void bench_edge(int64_t n, int64_t n_edges, int64_t e, int64_t *source, int64_t *target);
/* A random number, 0 .. n-1, and a roughly normal one of variance 1, by their keys. */
int64_t bench_pick(int64_t n, uint64_t stream, int64_t i);
float bench_normal(uint64_t stream, int64_t i);

extern const struct adam BENCH_ADAM;

/* What random numbers are for. OPERANDS + place of the operand. */
enum bench_stream { GRAPH_LENGTHS, TEXT_LENGTHS, SOURCES, NODES, WORDS, PLACES, PICKS, WEIGHTS, FEATURES, OPERANDS };

/* Of bert-base: word pieces, and positions of a text. */
enum { BENCH_WORDS = 30522, BENCH_POSITIONS = 512 };

enum bench_pass { PASS_COUNT, PASS_FILL, PASS_RUN };

struct workbench {
    struct device *device;
    struct bench_sizes sizes;
    enum bench_pass pass;
    dev_real slab; /* all sets of operands, set_reals values each */
    int64_t slab_reals, set_reals, n_sets, set, at;
    real *host; /* what the slab is filled from */
    char shape[96];

    /* shared by all sets; they are small beside what they point to */
    struct ragged graphs, texts; /* [batch]: nodes and tokens of each code */
    struct edges edges;
    struct attention_pairs pairs;         /* nodes to tokens */
    dev_int keys;                         /* [batch] 0, 1, 2, ... */
    dev_int node;                         /* [graphs.n_rows] nodes of the knowledge graph */
    dev_int word;                         /* [texts.n_rows] word pieces */
    dev_int last;                         /* [graph_nodes] of adam_rows */
    dev_int token;                        /* [texts.n_rows, 2] them, and BENCH_WORDS + their positions */
    dev_int index;                        /* [queries, top_k] rows of the codebook */
    struct linear *linear;                /* [4 text_dim, text_dim], as BERT's */
    dev_real now, keep;                   /* of adam, [N_ADAM_NOW], and of blend */
    dev_real u, c;                        /* what quantize last ran on */
    enum precision_of_products precision; /* of `linear`: text.compute */
};

/* Makes the shared parts. Free in any case. */
int workbench_make(struct workbench *workbench, struct device *device, const struct config *config);
void workbench_free(struct workbench *workbench);

/* Lays out the operands of an item and fills them; then `shape` says its sizes. workbench_run calls it once, on the next set. */
int workbench_prepare(struct workbench *workbench, void (*item)(struct workbench *));
void workbench_run(struct workbench *workbench, void (*item)(struct workbench *));

/* For items: n values, normal, or positive, or rows of length 1; and what the sizes are, printf style. */
dev_real bench_reals(struct workbench *workbench, int64_t n);
dev_real bench_positive(struct workbench *workbench, int64_t n);
dev_real bench_unit_rows(struct workbench *workbench, int64_t rows, int64_t cols);
void bench_shape(struct workbench *workbench, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
