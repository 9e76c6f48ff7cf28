/* u = z/|z|; the K nearest rows; w = softmax(-distance); q = sum w c. Backward: straight-through to z, and from the
 * codebook loss through q's weights and code vectors. */
#include "medtok/quantizer.h"

struct region quantizer_region(const struct quantizer_options *options, enum token_group group) {
    int64_t n = options->size, third = n / 3;
    switch (group) {
        case TEXT_SPECIFIC: return (struct region){0, third};
        case GRAPH_SPECIFIC: return (struct region){n - third, n};
        default:
            return options->shared_region == SHARED_MIDDLE ? (struct region){third, n - third} : (struct region){0, n};
    }
}

void quantizer_regions(const struct quantizer_options *options, struct region regions[N_GROUPS]) {
    for (int g = 0; g < N_GROUPS; g++) regions[g] = quantizer_region(options, (enum token_group)g);
}

struct quantize_op {
    struct op op;
    struct var *z, *codebook;
    struct quantized out;
    struct var *dq; /* of the codebook loss */
    int64_t top_k;
    struct codebook_loss loss;
};

static void quantize_backward(struct tape *tape, struct op *op) {
    struct quantize_op *o = (struct quantize_op *)op;
    struct device *d = tape->device;
    const struct kernels *run = d->run;
    struct var *q = o->out.value, *u = o->out.u, *target = o->loss.normalized ? u : o->z;
    int64_t n = q->rows * q->cols;
    run->axpy(d, n, 1, tape_grad(tape, q), tape_grad(tape, o->z));
    if (o->loss.weight == 0) return;
    run->squared_distance_backward(d, n, o->loss.weight * o->loss.commit, target->value, q->value,
                                   tape_grad(tape, target));
    dev_real dq = tape_grad(tape, o->dq);
    run->squared_distance_backward(d, n, o->loss.weight, q->value, target->value, dq);
    run->quantize_backward(d, q->rows, q->cols, o->top_k, u->value, o->codebook->value, o->out.tokens, o->out.weights,
                           dq, tape_grad(tape, u), tape_grad(tape, o->codebook));
}

struct quantized quantizer_apply(struct tape *tape, struct var *z, struct var *codebook, struct region region,
                                 int64_t top_k, struct codebook_loss loss) {
    struct device *d = tape->device;
    struct var *u = nn_l2_normalize(tape, z);
    struct quantized out = {.z = z,
                            .u = u,
                            .value = tape_var(tape, z->rows, z->cols),
                            .tokens = {(int32_t *)tape_reals(tape, z->rows * top_k).at},
                            .weights = tape_reals(tape, z->rows * top_k)};
    if (tape->failed) return out;
    d->run->quantize(d, z->rows, z->cols, region.first, region.last, top_k, u->value, codebook->value, out.tokens,
                     out.weights, out.value->value);
    if (loss.weight > 0)
        d->run->squared_distance(d, z->rows * z->cols, loss.weight * (1 + loss.commit),
                                 loss.normalized ? u->value : z->value, out.value->value, loss.loss);
    struct quantize_op *o = tape_record(tape, sizeof *o, quantize_backward);
    if (!o) return out;
    o->z = z, o->codebook = codebook, o->out = out, o->top_k = top_k, o->loss = loss;
    if (loss.weight > 0) o->dq = tape_gradient(tape, z->rows, z->cols);
    return out;
}
