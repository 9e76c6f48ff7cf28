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
                                              "reconstruction_graph",
                                              "kl"};

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

/* The rows of this rank in a part of the global list: local rows first .. end - 1, none if end <= first. */
static void own_rows(const struct losses *losses, const struct row_shares *shares, const struct part_rows *parts,
                     int part, int64_t *first, int64_t *end) {
    int64_t before = shares->first[losses->comm->rank], n = shares->n[losses->comm->rank];
    *first = part_first(parts, shares, part) - before;
    *end = part_first(parts, shares, part + 1) - before;
    if (*first < 0) *first = 0;
    if (*end > n) *end = n;
}

static dev_real at_row(dev_real x, int64_t row, int64_t cols) { return x.at ? dev_real_at(x, row * cols) : x; }

static dev_int int_at(dev_int x, int64_t i) { return x.at ? (dev_int){x.at + i} : x; }

/* Both sides of a contrastive loss: own rows, and all that they are compared with. */
struct compared {
    struct var *u;
    dev_real u_grad, all, all_grad; /* all [total, dim] */
    dev_int classes, all_classes;
};

static void nce_of_part(struct losses *losses, enum loss_term term, const struct compared *c,
                        const struct row_shares *shares, const struct part_rows *parts, int part) {
    struct device *d = losses->tape->device;
    const dev_real none = {NULL};
    int64_t first, end, dim = c->u->cols, begin = part_first(parts, shares, part);
    own_rows(losses, shares, parts, part, &first, &end);
    if (end <= first) return;
    struct cross_entropy nce = {.n = end - first,
                                .m = part_first(parts, shares, part + 1) - begin,
                                .dim = dim,
                                .scale = 1 / losses->temperature,
                                .a = at_row(c->u->value, first, dim),
                                .b = at_row(c->all, begin, dim),
                                .first = shares->first[losses->comm->rank] + first - begin,
                                .weight = 1.0 / shares->total,
                                .row_class = int_at(c->classes, first),
                                .column_class = int_at(c->all_classes, begin),
                                .exact = 1};
    d->run->cross_entropy(d, &nce, loss_term(losses, term), none, at_row(c->u_grad, first, dim),
                          at_row(c->all_grad, begin, dim), none);
}

void loss_nce(struct losses *losses, enum loss_term term, struct var *a, struct var *b, const struct row_shares *shares,
              const struct part_rows *parts, dev_int sibling_class) {
    struct tape *tape = losses->tape;
    struct device *d = tape->device;
    const struct comm *comm = losses->comm;
    if (shares->total == 0) return;
    struct var *u = nn_l2_normalize(tape, a), *v = nn_l2_normalize(tape, b);
    int64_t dim = u->cols, total = shares->total;
    struct compared c = {.u = u, .all = v->value, .classes = sibling_class, .all_classes = sibling_class};
    /* Whether there is a gradient to be summed must be the same on all ranks, so it is not asked of v, which may have failed. */
    int backward = !tape->evaluating, apart = comm->size > 1;
    if (apart) {
        c.all = tape_scratch(tape, total * dim);
        if (backward) c.all_grad = tape_scratch(tape, total * dim);
        c.all_classes = gather_classes(losses, shares, sibling_class);
        keep_status(losses, gather_rows_over_ranks(comm, d, shares, dim, v->value, c.all));
    }
    if (!tape->failed) {
        if (apart && backward) d->run->fill(d, total * dim, 0, c.all_grad);
        if (!apart) c.all_grad = tape_grad(tape, v);
        c.u_grad = tape_grad(tape, u);
        for (int part = 0; part < part_count(parts); part++) nce_of_part(losses, term, &c, shares, parts, part);
    }
    if (apart && backward)
        keep_status(losses,
                    scatter_sum_rows_over_ranks(comm, d, shares, dim, c.all_grad, tape_grad_or_scratch(tape, v)));
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

static struct matrix rows_from(dev_real x, int64_t first, int64_t cols) {
    return (struct matrix){at_row(x, first, cols), cols};
}

/* Gradients of a part's own rows; gradient: of its norm with respect to the product. */
static void spread_orthogonality(struct tape *tape, struct var *a, struct var *b, int64_t first, int64_t end,
                                 double scale, dev_real gradient) {
    struct device *d = tape->device;
    int64_t dim = a->cols;
    struct gemm g = {.transpose_b = 1, .m = end - first, .n = dim, .k = dim, .alpha = scale, .beta = 1};
    if (a->needs_grad)
        d->run->gemm(d, &g, rows_from(b->value, first, dim), (struct matrix){gradient, dim},
                     rows_from(tape_grad(tape, a), first, dim));
    g.transpose_b = 0;
    if (b->needs_grad)
        d->run->gemm(d, &g, rows_from(a->value, first, dim), (struct matrix){gradient, dim},
                     rows_from(tape_grad(tape, b), first, dim));
}

void loss_orthogonality(struct losses *losses, enum loss_term term, double weight, struct var *a, struct var *b,
                        const struct row_shares *shares, const struct part_rows *parts) {
    struct tape *tape = losses->tape;
    struct device *d = tape->device;
    int64_t dim = a->cols, square = dim * dim, first, end;
    int n_parts = part_count(parts);
    dev_real products = tape_scratch(tape, n_parts * square), gradient = tape_scratch(tape, square);
    int ready = tape_reads(tape, a, b);
    for (int part = 0; part < n_parts && ready; part++) {
        own_rows(losses, shares, parts, part, &first, &end);
        struct gemm g = {.transpose_a = 1, .m = dim, .n = dim, .k = end - first, .alpha = 1};
        if (end > first)
            d->run->gemm(d, &g, rows_from(a->value, first, dim), rows_from(b->value, first, dim),
                         (struct matrix){at_row(products, part, square), dim});
        else
            d->run->fill(d, square, 0, at_row(products, part, square));
    }
    keep_status(losses, sum_over_ranks(losses->comm, d, products, n_parts * square));
    if (tape->failed) return;
    /* Each rank reports its share 1/size of the value; the gradient is needed in full on every rank's rows. */
    for (int part = 0; part < n_parts; part++) {
        double share = weight / n_parts / losses->comm->size;
        d->run->norm_loss(d, square, share, at_row(products, part, square), loss_term(losses, term), gradient);
        own_rows(losses, shares, parts, part, &first, &end);
        if (end > first) spread_orthogonality(tape, a, b, first, end, losses->comm->size, gradient);
    }
}
