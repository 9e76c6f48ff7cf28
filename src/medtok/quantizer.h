/* The quantiser (METHOD.md section 3): a vector becomes the softmax-weighted mean of its K nearest code vectors, or a sum of K,
 * each of which explains what those before it leave, or of K near ones by least squares. */
#ifndef MEDTOK_MEDTOK_QUANTIZER_H
#define MEDTOK_MEDTOK_QUANTIZER_H

#include "measure/token_groups.h"
#include "medtok/options.h"
#include "nn/layers.h"

/* Whether a group's vectors come from the graph; else they come from the text. */
static inline int group_is_of_graph(enum token_group group) { return group == GRAPH_SPECIFIC || group == SHARED_GRAPH; }

/* The region of a group: the first third, the last third, or all (or the middle) of the rows. */
struct region quantizer_region(const struct quantizer_options *options, enum token_group group);

/* Of all four. */
void quantizer_regions(const struct quantizer_options *options, struct region regions[N_GROUPS]);

/* How the vectors of a group get their tokens. */
struct assignment {
    struct region region;
    int64_t top_k;
    enum quantizer_assignment how;
    enum quantizer_gradient gradient; /* what z gets of the value's */
};
struct assignment quantizer_assignment(const struct quantizer_options *options, enum token_group group);

/* The parts of a region whose rows are candidates for the same tokens: top_k under `residual`, else one. */
int64_t quantizer_levels(const struct quantizer_options *options);
struct region quantizer_level(const struct quantizer_options *options, struct region region, int64_t level);

/* All of it stays until the tape is reset. */
struct quantized {
    struct var *z;     /* what was quantised */
    struct var *value; /* q(z) [n, d]; its gradient goes to z unchanged (straight-through), or rotated */
    struct var *u;     /* z / |z| [n, d] */
    dev_int tokens;    /* [n, K] */
    dev_real weights;  /* [n, K] */
    dev_real before;   /* residual: [n, K, d] what each level was given, u first; else .at NULL */
};

/* Weight of the codebook loss of one group: weight * (sum (sg(z)-q)^2 + commit * sum (z-sg(q))^2), added to loss[0] with
 * its gradients. weight 0: no loss. normalized: u = z/|z| in place of z. */
struct codebook_loss {
    double weight, commit;
    int normalized;
    dev_real loss;
};

/* z [n, d]; codebook [N, d] with rows already normalised. */
struct quantized quantizer_apply(struct tape *tape, struct var *z, struct var *codebook, struct assignment assign,
                                 struct codebook_loss loss);

/* Before there is a codebook to quantise with (quantizer.warmup): the value is u, with its gradient; there are no
 * tokens (.at NULL). */
struct quantized quantizer_pass(struct tape *tape, struct var *z);

#endif
