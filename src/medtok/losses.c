/* Values and gradients of the packing loss, with the exchanges that make them those of the global batch. */
#include "medtok/losses.h"

#include "base/status.h"

const char *const LOSS_TERM_NAMES[N_TERMS] = {"codebook_text",
                                              "codebook_graph",
                                              "codebook_shared_text",
                                              "codebook_shared_graph",
                                              "shared",
                                              "align",
                                              "specific_text",
                                              "specific_graph",
                                              "orthogonal_text",
                                              "orthogonal_graph",
                                              "reconstruction_text",
                                              "reconstruction_graph"};

static void keep_status(struct losses *losses, int status) {
    if (losses->status == STATUS_OK) losses->status = status;
}

/* The classes of all ranks' rows. */
static dev_int gather_classes(struct losses *losses, const struct row_shares *shares, dev_int local) {
    if (!local.at) return local;
    dev_int all = tape_ints(losses->tape, shares->total);
    keep_status(losses, gather_ints_over_ranks(losses->comm, losses->tape->device, shares, local, all));
    return all;
}

void loss_nce(struct losses *losses, enum loss_term term, struct var *a, struct var *b, const struct row_shares *shares,
              dev_int sibling_class) {
    struct tape *tape = losses->tape;
    struct device *d = tape->device;
    const struct comm *comm = losses->comm;
    if (shares->total == 0) return;
    struct var *u = nn_l2_normalize(tape, a), *v = nn_l2_normalize(tape, b);
    int64_t n = u->rows, dim = u->cols, total = shares->total;
    const dev_real none = {NULL};
    struct cross_entropy nce = {.n = n,
                                .m = n,
                                .dim = dim,
                                .scale = 1 / losses->temperature,
                                .a = u->value,
                                .b = v->value,
                                .weight = 1.0 / shares->total,
                                .row_class = sibling_class,
                                .column_class = sibling_class,
                                .exact = 1};
    if (!losses->global_negatives || comm->size == 1) {
        if (!tape->failed)
            d->run->cross_entropy(d, &nce, loss_term(losses, term), none, tape_grad(tape, u), tape_grad(tape, v), none);
        return;
    }
    /* Whether there is a gradient to be summed must be the same on all ranks, so it is not asked of v, which may have failed. */
    int backward = !tape->evaluating;
    dev_real all = tape_scratch(tape, total * dim), all_grad = backward ? tape_scratch(tape, total * dim) : none;
    dev_int all_classes = gather_classes(losses, shares, sibling_class);
    keep_status(losses, gather_rows_over_ranks(comm, d, shares, dim, v->value, all));
    if (!tape->failed) {
        if (backward) d->run->fill(d, total * dim, 0, all_grad);
        nce.m = total;
        nce.b = all;
        nce.first = shares->first[comm->rank];
        nce.column_class = all_classes;
        d->run->cross_entropy(d, &nce, loss_term(losses, term), none, tape_grad(tape, u), all_grad, none);
    }
    if (backward)
        keep_status(losses, scatter_sum_rows_over_ranks(comm, d, shares, dim, all_grad, tape_grad_or_scratch(tape, v)));
}

void loss_cosine(struct losses *losses, enum loss_term term, double weight, struct var *a, struct var *b, int total) {
    struct tape *tape = losses->tape;
    struct device *d = tape->device;
    if (total == 0) return;
    struct var *u = nn_l2_normalize(tape, a), *v = nn_l2_normalize(tape, b);
    if (tape->failed) return;
    int64_t n = u->rows * u->cols;
    double share = weight / total;
    d->run->dot(d, n, share, u->value, v->value, loss_term(losses, term));
    if (u->needs_grad) d->run->axpy(d, n, share, v->value, tape_grad(tape, u));
    if (v->needs_grad) d->run->axpy(d, n, share, u->value, tape_grad(tape, v));
}

void loss_orthogonality(struct losses *losses, enum loss_term term, double weight, struct var *a, struct var *b) {
    struct tape *tape = losses->tape;
    struct device *d = tape->device;
    int64_t n = a->rows, dim = a->cols;
    dev_real product = tape_scratch(tape, dim * dim), gradient = tape_scratch(tape, dim * dim);
    if (tape_reads(tape, a, b)) d->run->gemm(d, 1, 0, dim, dim, n, 1, a->value, dim, b->value, dim, 0, product, dim);
    if (losses->global_negatives) keep_status(losses, sum_over_ranks(losses->comm, d, product, dim * dim));
    if (tape->failed) return;
    /* Each rank reports its share 1/size of the value. The norm of the global product has the full gradient on every
     * rank's rows; a rank's own norm counts with its share only. */
    double share = weight / losses->comm->size;
    d->run->norm_loss(d, dim * dim, share, product, loss_term(losses, term), gradient);
    double scale = losses->global_negatives ? losses->comm->size : 1;
    if (a->needs_grad)
        d->run->gemm(d, 0, 1, n, dim, dim, scale, b->value, dim, gradient, dim, 1, tape_grad(tape, a), dim);
    if (b->needs_grad)
        d->run->gemm(d, 0, 0, n, dim, dim, scale, a->value, dim, gradient, dim, 1, tape_grad(tape, b), dim);
}
