/* The block of a transformer (Vaswani et al., 2017), over ragged rows: self-attention, attention to another sequence if it is
 * wanted, and a feed-forward map; each is added to what came in, with a norm after the sum or before the part.
 *
 *                   pre_norm  causal  cross  gated  without_bias  center  rotary_base  kv_heads
 *   BERT, BEHRT        0        0       0      0         0           1         0           0
 *   BART's encoder     0        0       0      0         0           1         0           0
 *   BART's decoder     0        1       1      0         0           1         0           0
 *   GPT-2, ETHOS       1        1       0      0       0, 1          1         0           0
 *   Llama              1        1       0      1         1           0        1e4       fewer
 *
 * Embeddings, the norm that a stack of pre-norm blocks ends with, and heads are the model's.
 */
#ifndef MEDTOK_NN_TRANSFORMER_H
#define MEDTOK_NN_TRANSFORMER_H

#include "nn/parameters.h"

/* What all blocks of a stack have in common. */
struct block_shape {
    int64_t heads;
    int64_t kv_heads; /* heads of keys and values, which divide `heads` (Ainslie et al., 2023); 0: as many */
    int64_t head_dim; /* 0: dim / heads */
    int pre_norm;     /* x + part(norm(x)); else norm(x + part(x)) */
    int causal;       /* a row sees itself and the rows before it, not those after it */
    int cross;        /* between the two others: attention to block_rows.memory */
    int gated;        /* feed-forward down(f(gate x) up x) (Shazeer, 2020); else down(f(up x)) */
    int without_bias; /* maps and norms have none */
    int recompute; /* of a block's values only the result is kept; backward computes the others again (nn_recompute) */
    enum activation f;  /* of the feed-forward map */
    double epsilon;     /* of the norms */
    int center;         /* 1: layer norms, 0: RMS norms */
    int attention_bias; /* with without_bias: the maps of queries, keys and values have one all the same (Qwen2) */
    double rotary_base; /* queries and keys of self-attention turn by block_rows.position (struct rope); 0: none */
    dev_real
        rotary_frequency; /* [head_dim / 2] by which pairs turn instead of by the base (struct rope), borrowed; NULL: none */
    double hidden_dropout, attention_dropout; /* of what each part adds; of the attention's probabilities */
    double std, output_std; /* of first values: of weights, and of those whose result is added; 0: as std */
};

/* Keys and values of a block's self-attention to past rows, when a sequence is made row by row. Only while evaluating. */
struct kv_cache {
    dev_real rows; /* [capacity, 2 kv_heads head_dim], borrowed; those that hold no row yet are 0 */
    int64_t capacity;
    struct spans spans; /* of each segment in `rows`, its rows of this call included; shared by the blocks */
    dev_int added;      /* [rows of x] where in `rows` the row's go; shared by the blocks */
};

/* One row of each segment of x, none of which is empty: of causal blocks the last. */
struct block_wanted {
    dev_int index;            /* [segments] rows of x; NULL: all rows of x are wanted */
    struct segments segments; /* [segments] of one row each, with the keys of x's segments */
};

/* Between which rows, in all blocks of a stack. */
struct block_rows {
    struct segments segments; /* of x; their keys key all dropout */
    int64_t n_pairs;    /* of a query and a key that it sees, to count work; 0: as if segments had equal lengths */
    dev_int position;   /* [rows of x], read with rotary_base */
    struct var *memory; /* [memory rows, dim], with `cross`: segment i attends to segment i of it */
    struct segments memory_segments;
    int64_t n_memory_pairs;
    struct dropout dropout; /* seed, step, and the stream of site 0; its rate is not read */
    /* For a stack's last block, if its model reads one row of each segment: the block gives these alone. Of the other rows it computes
     * what the wanted ones see of them, keys and values. Not with rotary heads, nor with a cache. */
    struct block_wanted wanted;
};

/* Numbers of random streams that a block draws from, from its site on: attention, what it adds, what feed-forward adds, and with
 * `cross` its attention and what that adds. */
enum { BLOCK_SITES = 3, CROSS_BLOCK_SITES = 5 };

struct attention_maps {
    struct linear_map query, key_value, output; /* key_value: [keys' rows ; values' rows] */
    struct norm_map norm;
};

struct block {
    struct attention_maps self, cross; /* cross, gate: with the shape's `cross` and `gated` */
    struct linear_map up, gate, down;
    struct norm_map norm; /* of the feed-forward map */
};

/* Adds a block of width dim, whose feed-forward map is `inner` wide: NAME.self.query and so on, as the fields are called; flags:
 * further ones of all (enum parameter_flags). Numbers of heads that do not fit fail parameter_set_allocate. */
void block_add(struct parameter_set *set, struct block *block, const struct block_shape *shape, int64_t dim,
               int64_t inner, unsigned flags, const char *name);

/* x [rows, dim] -> [rows, dim], or [segments, dim] of the rows that are wanted. site: the block's first, added to the stream. cache: NULL, or of this block. x is not
 * overwritten. With `recompute`, block and shape stay until the backward pass. Fails the tape if rows lack what the shape asks for,
 * or a cache is there in training. */
struct var *nn_block(struct tape *tape, struct var *x, const struct block *block, const struct block_shape *shape,
                     const struct block_rows *rows, const struct kv_cache *cache, int site);

#endif
