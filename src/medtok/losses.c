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

/* ---- contrastive ---- */
/* Both sides of a contrastive loss: own rows, and all that they are compared with. */
struct compared {
    const struct contrast *of;
    struct var *u, *v;
    dev_real all, all_grad; /* [total, dim] */
    dev_int all_classes;
};

static void nce_of_part(struct losses *losses, const struct compared *c, int part) {
    struct device *d = losses->tape->device;
    const struct row_shares *shares = c->of->shares;
    const dev_real none = {NULL};
    int64_t first, end, dim = c->u->cols, begin = part_first(c->of->parts, shares, part);
    own_rows(losses, shares, c->of->parts, part, &first, &end);
    if (end <= first) return;
    struct cross_entropy nce = {.n = end - first,
                                .m = part_first(c->of->parts, shares, part + 1) - begin,
                                .dim = dim,
                                .scale = 1 / losses->temperature,
                                .a = at_row(c->u->value, first, dim),
                                .b = at_row(c->all, begin, dim),
                                .first = shares->first[losses->comm->rank] + first - begin,
                                .weight = 1.0 / shares->total,
                                .row_class = int_at(c->of->sibling_class, first),
                                .column_class = int_at(c->all_classes, begin),
                                .exact = 1};
    d->run->cross_entropy(d, &nce, loss_term(losses, c->of->term), none,
                          at_row(tape_grad(losses->tape, c->u), first, dim), at_row(c->all_grad, begin, dim), none);
}

/* The rows of all ranks, and memory for their gradients. */
static void gather_compared(struct losses *losses, int n, struct compared *compared) {
    struct tape *tape = losses->tape;
    struct row_list rows[MOST_CONTRASTS];
    struct int_list classes[MOST_CONTRASTS];
    int n_classes = 0;
    for (int i = 0; i < n; i++) {
        struct compared *c = &compared[i];
        int64_t values = c->of->shares->total * c->v->cols;
        c->all = tape_scratch(tape, values);
        if (!tape->evaluating) c->all_grad = tape_scratch(tape, values);
        rows[i] = (struct row_list){c->of->shares, c->v->cols, c->v->value, c->all};
        if (!c->of->sibling_class.at) continue;
        c->all_classes = tape_ints(tape, c->of->shares->total);
        classes[n_classes++] = (struct int_list){c->of->shares, c->of->sibling_class, c->all_classes};
    }
    keep_status(losses, row_lists_gather(losses->lists, n, rows, n_classes, classes));
}

/* The gradients of rows, from all ranks to those that hold the rows. */
static void return_gradients(struct losses *losses, int n, const struct compared *compared) {
    struct row_list rows[MOST_CONTRASTS];
    for (int i = 0; i < n; i++) {
        const struct compared *c = &compared[i];
        rows[i] = (struct row_list){c->of->shares, c->v->cols, tape_grad_or_scratch(losses->tape, c->v), c->all_grad};
    }
    keep_status(losses, row_lists_scatter_sum(losses->lists, n, rows));
}

/* Leaves out those without rows, on all ranks. */
static int list_compared(struct losses *losses, int n, const struct contrast *contrasts, struct compared *compared) {
    int kept = 0;
    for (int i = 0; i < n; i++) {
        const struct contrast *c = &contrasts[i];
        if (c->shares->total == 0) continue;
        struct var *u = nn_l2_normalize(losses->tape, c->a), *v = nn_l2_normalize(losses->tape, c->b);
        compared[kept++] = (struct compared){.of = c, .u = u, .v = v, .all = v->value, .all_classes = c->sibling_class};
    }
    return kept;
}

void loss_contrasts(struct losses *losses, int n_contrasts, const struct contrast *contrasts) {
    struct tape *tape = losses->tape;
    struct device *d = tape->device;
    struct compared compared[MOST_CONTRASTS];
    int n = list_compared(losses, n_contrasts, contrasts, compared);
    /* Whether there is a gradient to be summed must be the same on all ranks, so it is not asked of v, which may have failed. */
    int apart = losses->comm->size > 1 && n > 0, backward = !tape->evaluating;
    if (apart) gather_compared(losses, n, compared);
    for (int i = 0; i < n && !tape->failed; i++) {
        struct compared *c = &compared[i];
        if (apart && backward) d->run->fill(d, c->of->shares->total * c->v->cols, 0, c->all_grad);
        if (!apart) c->all_grad = tape_grad(tape, c->v);
        for (int part = 0; part < part_count(c->of->parts); part++) nce_of_part(losses, c, part);
    }
    if (apart && backward) return_gradients(losses, n, compared);
}

/* ---- cosine ---- */
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

/* ---- orthogonality ---- */
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

/* a^T b over a rank's own rows of each part: products [parts, dim, dim]. */
static void own_products(const struct losses *losses, const struct orthogonality *o, dev_real products) {
    struct device *d = losses->tape->device;
    int64_t dim = o->a->cols, square = dim * dim, first, end;
    for (int part = 0; part < part_count(o->parts); part++) {
        own_rows(losses, o->shares, o->parts, part, &first, &end);
        struct gemm g = {.transpose_a = 1, .m = dim, .n = dim, .k = end - first, .alpha = 1};
        if (end > first)
            d->run->gemm(d, &g, rows_from(o->a->value, first, dim), rows_from(o->b->value, first, dim),
                         (struct matrix){at_row(products, part, square), dim});
        else
            d->run->fill(d, square, 0, at_row(products, part, square));
    }
}

/* Each rank reports its share 1/size of the value; the gradient is needed in full on every rank's rows. */
static void add_orthogonality(struct losses *losses, const struct orthogonality *o, dev_real products,
                              dev_real gradient) {
    struct tape *tape = losses->tape;
    struct device *d = tape->device;
    int64_t square = o->a->cols * o->a->cols, first, end;
    int n_parts = part_count(o->parts);
    for (int part = 0; part < n_parts; part++) {
        double share = o->weight / n_parts / losses->comm->size;
        d->run->norm_loss(d, square, share, at_row(products, part, square), loss_term(losses, o->term), gradient);
        own_rows(losses, o->shares, o->parts, part, &first, &end);
        if (end > first) spread_orthogonality(tape, o->a, o->b, first, end, losses->comm->size, gradient);
    }
}

void loss_orthogonalities(struct losses *losses, int n, const struct orthogonality *terms) {
    struct tape *tape = losses->tape;
    int64_t square = terms[0].a->cols * terms[0].a->cols, each = part_count(terms[0].parts) * square;
    dev_real products = tape_scratch(tape, n * each), gradient = tape_scratch(tape, square);
    int ready = 1;
    for (int i = 0; i < n; i++) ready = tape_reads(tape, terms[i].a, terms[i].b) && ready;
    for (int i = 0; i < n && ready; i++) own_products(losses, &terms[i], at_row(products, i, each));
    if (losses->comm->size > 1) keep_status(losses, row_lists_sum(losses->lists, products, n * each));
    for (int i = 0; i < n && !tape->failed; i++)
        add_orthogonality(losses, &terms[i], at_row(products, i, each), gradient);
}

int losses_make_lists(struct row_lists *lists, const struct comm *comm, struct device *device, int64_t most_own,
                      int64_t most_all, int64_t parts, int64_t dim) {
    /* two lists of one token a code and two of two tokens, and a class for each row */
    int64_t of_code = 6 * dim + MOST_CONTRASTS, products = MOST_ORTHOGONALITIES * parts * dim * dim;
    int64_t all = most_all * of_code > products ? most_all * of_code : products;
    return row_lists_make(lists, comm, device, most_own * of_code, all, 0);
}
