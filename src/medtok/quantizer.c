/* u = z/|z|; the K nearest rows, w = softmax(-distance), or K levels of residuals, or K near rows by least squares; q = sum w c. Backward: straight-through to z,
 * or rotated, and from the codebook loss through q's weights and code vectors. */
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

struct assignment quantizer_assignment(const struct quantizer_options *options, enum token_group group) {
    return (struct assignment){quantizer_region(options, group), options->top_k, options->assign, options->gradient};
}

int64_t quantizer_levels(const struct quantizer_options *options) {
    return options->assign == ASSIGN_RESIDUAL ? options->top_k : 1;
}

struct region quantizer_level(const struct quantizer_options *options, struct region region, int64_t level) {
    int64_t levels = quantizer_levels(options);
    return (struct region){residual_level_first(region.first, region.last, levels, level),
                           residual_level_first(region.first, region.last, levels, level + 1)};
}

struct quantize_op {
    struct op op;
    struct var *codebook;
    struct quantized out;
    struct assignment assign;
    struct codebook_loss loss;
};

static struct picks picks_of(const struct quantized *out) {
    return (struct picks){.index = out->tokens, .weight = out->weights, .before = out->before};
}

/* dq's way through the weights and code vectors, to u and to the codebook. */
static void assignment_backward(struct tape *tape, struct quantize_op *o, dev_real dq) {
    struct device *d = tape->device;
    const struct quantized *out = &o->out;
    struct var *u = out->u, *c = o->codebook;
    dev_real none = {NULL}, du = tape_grad_or_scratch(tape, u), dc = c->needs_grad ? tape_grad(tape, c) : none;
    struct quantize z = {.n = u->rows, .dim = u->cols, .top_k = o->assign.top_k, .u = u->value, .c = c->value};
    switch (o->assign.how) {
        case ASSIGN_NEAREST: d->run->quantize_backward(d, &z, picks_of(out), dq, du, dc); break;
        case ASSIGN_RESIDUAL: d->run->quantize_residual_backward(d, &z, picks_of(out), dq, du, dc); break;
        case ASSIGN_SPARSE: d->run->quantize_sparse_backward(d, &z, picks_of(out), dq, du, dc); break;
    }
}

/* The codebook loss: of target = sg(z), the gradient of q goes on through q's weights and code vectors. */
static void codebook_loss_backward(struct tape *tape, struct quantize_op *o) {
    struct device *d = tape->device;
    const struct kernels *run = d->run;
    struct var *q = o->out.value, *u = o->out.u, *target = o->loss.normalized ? u : o->out.z;
    int64_t n = q->rows * q->cols;
    dev_real dq = tape_scratch(tape, n);
    if (target->needs_grad)
        run->squared_distance_backward(d, n, o->loss.weight * o->loss.commit, target->value, q->value,
                                       tape_grad(tape, target));
    run->fill(d, n, 0, dq);
    run->squared_distance_backward(d, n, o->loss.weight, q->value, target->value, dq);
    assignment_backward(tape, o, dq);
}

static void quantize_backward(struct tape *tape, struct op *op) {
    struct quantize_op *o = (struct quantize_op *)op;
    struct var *q = o->out.value, *z = o->out.z;
    if (z->needs_grad && o->assign.gradient == GRADIENT_ROTATION)
        tape->device->run->rotate_backward(tape->device, q->rows, q->cols, z->value, q->value, tape_grad(tape, q),
                                           tape_grad(tape, z));
    else if (z->needs_grad)
        tape->device->run->axpy(tape->device, q->rows * q->cols, 1, tape_grad(tape, q), tape_grad(tape, z));
    if (o->loss.weight != 0) codebook_loss_backward(tape, o);
}

static void find_tokens(struct device *d, const struct assignment *a, const struct quantized *out,
                        const struct var *codebook) {
    const struct var *u = out->u;
    struct quantize z = {.n = u->rows,
                         .dim = u->cols,
                         .first = a->region.first,
                         .last = a->region.last,
                         .top_k = a->top_k,
                         .u = u->value,
                         .c = codebook->value};
    switch (a->how) {
        case ASSIGN_NEAREST: d->run->quantize(d, &z, picks_of(out), out->value->value); break;
        case ASSIGN_RESIDUAL: d->run->quantize_residual(d, &z, picks_of(out), out->value->value); break;
        case ASSIGN_SPARSE: d->run->quantize_sparse(d, &z, picks_of(out), out->value->value); break;
    }
}

struct quantized quantizer_apply(struct tape *tape, struct var *z, struct var *codebook, struct assignment assign,
                                 struct codebook_loss loss) {
    struct device *d = tape->device;
    int64_t picks = z->rows * assign.top_k;
    struct var *u = nn_l2_normalize(tape, z);
    struct quantized out = {.z = z,
                            .u = u,
                            .value = tape_var(tape, z->rows, z->cols, u, codebook),
                            .tokens = tape_ints(tape, picks),
                            .weights = tape_reals(tape, picks)};
    if (assign.how == ASSIGN_RESIDUAL) out.before = tape_reals(tape, picks * z->cols);
    tape_keep(out.z);
    tape_keep(out.u);
    tape_keep(out.value);
    if (tape->failed) return out;
    find_tokens(d, &assign, &out, codebook);
    if (loss.weight > 0)
        d->run->squared_distance(d, z->rows * z->cols, loss.weight * (1 + loss.commit),
                                 loss.normalized ? u->value : z->value, out.value->value, loss.loss);
    struct quantize_op *o = tape_record(tape, sizeof *o, quantize_backward, out.value);
    if (!o) return out;
    o->codebook = codebook, o->out = out, o->assign = assign, o->loss = loss;
    tape_save(z);
    tape_save(u);
    tape_save(codebook);
    tape_save(out.value);
    return out;
}

struct quantized quantizer_pass(struct tape *tape, struct var *z) {
    struct var *u = nn_l2_normalize(tape, z);
    tape_keep(z);
    tape_keep(u);
    return (struct quantized){.z = z, .value = u, .u = u};
}
