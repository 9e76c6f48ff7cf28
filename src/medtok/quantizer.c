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
    struct var *codebook;
    struct quantized out;
    int64_t top_k;
    struct codebook_loss loss;
};

/* The codebook loss: of target = sg(z), the gradient of q goes on through q's weights and code vectors. */
static void codebook_loss_backward(struct tape *tape, struct quantize_op *o) {
    struct device *d = tape->device;
    const struct kernels *run = d->run;
    struct var *q = o->out.value, *u = o->out.u, *target = o->loss.normalized ? u : o->out.z;
    int64_t n = q->rows * q->cols;
    dev_real none = {NULL}, dq = tape_scratch(tape, n);
    if (target->needs_grad)
        run->squared_distance_backward(d, n, o->loss.weight * o->loss.commit, target->value, q->value,
                                       tape_grad(tape, target));
    run->fill(d, n, 0, dq);
    run->squared_distance_backward(d, n, o->loss.weight, q->value, target->value, dq);
    run->quantize_backward(d, q->rows, q->cols, o->top_k, u->value, o->codebook->value, o->out.tokens, o->out.weights,
                           dq, tape_grad_or_scratch(tape, u),
                           o->codebook->needs_grad ? tape_grad(tape, o->codebook) : none);
}

static void quantize_backward(struct tape *tape, struct op *op) {
    struct quantize_op *o = (struct quantize_op *)op;
    struct var *q = o->out.value, *z = o->out.z;
    if (z->needs_grad)
        tape->device->run->axpy(tape->device, q->rows * q->cols, 1, tape_grad(tape, q), tape_grad(tape, z));
    if (o->loss.weight != 0) codebook_loss_backward(tape, o);
}

struct quantized quantizer_apply(struct tape *tape, struct var *z, struct var *codebook, struct region region,
                                 int64_t top_k, struct codebook_loss loss) {
    struct device *d = tape->device;
    struct var *u = nn_l2_normalize(tape, z);
    struct quantized out = {.z = z,
                            .u = u,
                            .value = tape_var(tape, z->rows, z->cols, u, codebook),
                            .tokens = tape_ints(tape, z->rows * top_k),
                            .weights = tape_reals(tape, z->rows * top_k)};
    tape_keep(out.z);
    tape_keep(out.u);
    tape_keep(out.value);
    if (tape->failed) return out;
    d->run->quantize(d, z->rows, z->cols, region.first, region.last, top_k, u->value, codebook->value, out.tokens,
                     out.weights, out.value->value);
    if (loss.weight > 0)
        d->run->squared_distance(d, z->rows * z->cols, loss.weight * (1 + loss.commit),
                                 loss.normalized ? u->value : z->value, out.value->value, loss.loss);
    struct quantize_op *o = tape_record(tape, sizeof *o, quantize_backward, out.value);
    if (!o) return out;
    o->codebook = codebook, o->out = out, o->top_k = top_k, o->loss = loss;
    tape_save(z);
    tape_save(u);
    tape_save(codebook);
    tape_save(out.value);
    return out;
}
