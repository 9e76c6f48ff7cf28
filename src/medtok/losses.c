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
                                              "kl",
                                              "neighbours_text",
                                              "neighbours_graph"};

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

/* ---- neighbours ---- */
/* Own rows of length 1, and all that they are compared with. */
struct located {
    const struct neighbours *of;
    struct var *known, *found;
    dev_real all_known, all_found, all_grad; /* [total, .]; the gradient is that of all_found */
};

static void neighbours_of_part(struct losses *losses, const struct located *l, int part) {
    struct device *d = losses->tape->device;
    const struct neighbours *of = l->of;
    const dev_real none = {NULL};
    int64_t first, end, begin = part_first(of->parts, of->shares, part);
    int64_t known = l->known->cols, found = l->found->cols;
    own_rows(losses, of->shares, of->parts, part, &first, &end);
    if (end <= first) return;
    struct softmax_divergence divergence = {
        .n = end - first,
        .m = part_first(of->parts, of->shares, part + 1) - begin,
        .p = {known, 1 / of->known_temperature, at_row(l->known->value, first, known),
              at_row(l->all_known, begin, known)},
        .g = {found, 1 / of->found_temperature, at_row(l->found->value, first, found),
              at_row(l->all_found, begin, found)},
        .own = of->shares->first[losses->comm->rank] + first - begin,
        .weight = of->weight / of->shares->total};
    struct softmax_divergence_gradients to = {none, none, at_row(tape_grad(losses->tape, l->found), first, found),
                                              at_row(l->all_grad, begin, found)};
    d->run->softmax_divergence(d, &divergence, loss_term(losses, of->term), to);
}

/* ---- both, and what travels for them ---- */
struct comparisons {
    struct compared contrasts[MOST_CONTRASTS];
    struct located neighbours[MOST_NEIGHBOURS];
    int n_contrasts, n_neighbours;
};

/* Room for the rows of all ranks of v, which are asked for by *list. */
static dev_real rows_everywhere(struct tape *tape, const struct row_shares *shares, struct var *v,
                                struct row_list *list) {
    dev_real all = tape_scratch(tape, shares->total * v->cols);
    *list = (struct row_list){shares, v->cols, v->value, all};
    return all;
}

/* The rows of all ranks, and memory for their gradients. */
static void gather_compared(struct losses *losses, struct comparisons *x) {
    struct tape *tape = losses->tape;
    struct row_list rows[MOST_CONTRASTS + 2 * MOST_NEIGHBOURS];
    struct int_list classes[MOST_CONTRASTS];
    int n = 0, n_classes = 0;
    for (int i = 0; i < x->n_contrasts; i++) {
        struct compared *c = &x->contrasts[i];
        c->all = rows_everywhere(tape, c->of->shares, c->v, &rows[n++]);
        if (!tape->evaluating) c->all_grad = tape_scratch(tape, c->of->shares->total * c->v->cols);
        if (!c->of->sibling_class.at) continue;
        c->all_classes = tape_ints(tape, c->of->shares->total);
        classes[n_classes++] = (struct int_list){c->of->shares, c->of->sibling_class, c->all_classes};
    }
    for (int i = 0; i < x->n_neighbours; i++) {
        struct located *l = &x->neighbours[i];
        l->all_known = rows_everywhere(tape, l->of->shares, l->known, &rows[n++]);
        l->all_found = rows_everywhere(tape, l->of->shares, l->found, &rows[n++]);
        if (!tape->evaluating) l->all_grad = tape_scratch(tape, l->of->shares->total * l->found->cols);
    }
    keep_status(losses, row_lists_gather(losses->lists, n, rows, n_classes, classes));
}

/* A list of gradients, to be summed over ranks and added to those of v. */
static struct row_list to_return(struct losses *losses, const struct row_shares *shares, struct var *v, dev_real all) {
    return (struct row_list){shares, v->cols, tape_grad_or_scratch(losses->tape, v), all};
}

/* The gradients of rows, from all ranks to those that hold the rows. */
static void return_gradients(struct losses *losses, const struct comparisons *x) {
    struct row_list rows[MOST_CONTRASTS + MOST_NEIGHBOURS];
    int n = 0;
    for (int i = 0; i < x->n_contrasts; i++, n++)
        rows[n] = to_return(losses, x->contrasts[i].of->shares, x->contrasts[i].v, x->contrasts[i].all_grad);
    for (int i = 0; i < x->n_neighbours; i++, n++)
        rows[n] = to_return(losses, x->neighbours[i].of->shares, x->neighbours[i].found, x->neighbours[i].all_grad);
    keep_status(losses, row_lists_scatter_sum(losses->lists, n, rows));
}

/* Leaves out those without rows, on all ranks. */
static struct comparisons list_compared(struct losses *losses, int n_contrasts, const struct contrast *contrasts,
                                        int n_neighbours, const struct neighbours *neighbours) {
    struct comparisons x = {.n_contrasts = 0};
    for (int i = 0; i < n_contrasts; i++) {
        const struct contrast *c = &contrasts[i];
        if (c->shares->total == 0) continue;
        struct var *u = nn_l2_normalize(losses->tape, c->a), *v = nn_l2_normalize(losses->tape, c->b);
        x.contrasts[x.n_contrasts++] =
            (struct compared){.of = c, .u = u, .v = v, .all = v->value, .all_classes = c->sibling_class};
    }
    for (int i = 0; i < n_neighbours; i++) {
        const struct neighbours *of = &neighbours[i];
        if (of->shares->total == 0) continue;
        struct var *known = nn_l2_normalize(losses->tape, of->known), *found = nn_l2_normalize(losses->tape, of->found);
        x.neighbours[x.n_neighbours++] = (struct located){
            .of = of, .known = known, .found = found, .all_known = known->value, .all_found = found->value};
    }
    return x;
}

/* The memory for the gradients that all rows get: on one rank the rows' own. */
static dev_real begin_gradient(struct losses *losses, struct var *v, const struct row_shares *shares, dev_real all) {
    struct device *d = losses->tape->device;
    if (losses->comm->size == 1) return tape_grad(losses->tape, v);
    if (!losses->tape->evaluating) d->run->fill(d, shares->total * v->cols, 0, all);
    return all;
}

void loss_comparisons(struct losses *losses, int n_contrasts, const struct contrast *contrasts, int n_neighbours,
                      const struct neighbours *neighbours) {
    struct tape *tape = losses->tape;
    struct comparisons x = list_compared(losses, n_contrasts, contrasts, n_neighbours, neighbours);
    /* Whether there is a gradient to be summed must be the same on all ranks, so it is not asked of v, which may have failed. */
    int apart = losses->comm->size > 1 && x.n_contrasts + x.n_neighbours > 0;
    if (apart) gather_compared(losses, &x);
    for (int i = 0; i < x.n_contrasts && !tape->failed; i++) {
        struct compared *c = &x.contrasts[i];
        c->all_grad = begin_gradient(losses, c->v, c->of->shares, c->all_grad);
        for (int part = 0; part < part_count(c->of->parts); part++) nce_of_part(losses, c, part);
    }
    for (int i = 0; i < x.n_neighbours && !tape->failed; i++) {
        struct located *l = &x.neighbours[i];
        l->all_grad = begin_gradient(losses, l->found, l->of->shares, l->all_grad);
        for (int part = 0; part < part_count(l->of->parts); part++) neighbours_of_part(losses, l, part);
    }
    if (apart && !tape->evaluating) return_gradients(losses, &x);
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
                      int64_t most_all, int64_t parts, int64_t dim, int64_t known, int64_t found) {
    /* two lists of one token a code and two of two tokens, and a class for each row */
    int64_t returned = 6 * dim + found, of_code = returned + MOST_CONTRASTS + known;
    int64_t products = MOST_ORTHOGONALITIES * parts * dim * dim;
    int64_t all = most_all * of_code > products ? most_all * of_code : products;
    int64_t summed = most_all * returned > products ? most_all * returned : products;
    return row_lists_make(lists, comm, device, most_own * of_code, all, summed, 0);
}
