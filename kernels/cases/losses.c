/* Losses: values and gradients at once. */
#include <math.h>

#include "cases/families.h"

typedef long long ll;

/* Which of the gradients is not asked for, as of a constant. */
enum { WANTS_ALL, WITHOUT_A, WITHOUT_B, WITHOUT_BIAS, WANTS_NONE };

static dev_real wanted(struct operand gradient, int is) { return is ? gradient.real : (dev_real){NULL}; }

/* ---- cross-entropy. Sizes: rows, columns, dim; with what (WITH_.. added up), what is constant. Without targets row i's is column m
 * - n + i, as with negatives of other ranks. With them every third row is ignored. With classes, columns are of -1, 0, 1, 2 in
 * turn, and rows of their target's. Measured: every row has a class of its own. ---- */
enum { WITH_BIAS = 1, WITH_TARGETS = 2, WITH_WEIGHTS = 4, WITH_CLASSES = 8 };
static const int64_t ENTROPIES[][CASE_SIZES] = {{0, 5, 3},
                                                {0, 5, 3, 15},
                                                {1, 1, 4},
                                                {1, 1, 4, 15},
                                                {5, 5, 7, 1},
                                                {5, 5, 7, 8},
                                                {4, 11, 6},
                                                {4, 11, 6, 2},
                                                {4, 11, 6, 4},
                                                {4, 11, 6, 12},
                                                {4, 11, 6, 15, WITHOUT_A},
                                                {4, 11, 6, 15, WITHOUT_B},
                                                {4, 11, 6, 15, WITHOUT_BIAS},
                                                {4, 11, 6, 15, WANTS_NONE},
                                                {130, 300, 16, 8},
                                                {130, 300, 16, 15},
                                                {33, 257, 64, 15},
                                                {100, 257, 33},
                                                {700, 4, 5, 3}};

struct entropy {
    int64_t n, m, dim;
    struct operand a, b, bias, weights, target, row_class, column_class;
    int with;
};

static int64_t target_of(const struct entropy *e, int64_t i) {
    return e->with & WITH_TARGETS ? e->target.host_ints[i] : e->m - e->n + i;
}

static struct entropy entropy(struct call *c) {
    struct entropy e = {.n = c->size[0], .m = c->size[1], .dim = c->size[2], .with = (int)c->size[3]};
    e.a = call_in_rows(c, e.n, e.dim, c->measured ? UNIT_ROWS : NUMBERS);
    e.b = call_in_rows(c, e.m, e.dim, c->measured ? UNIT_ROWS : NUMBERS);
    e.bias = call_in(c, e.m, NUMBERS);
    e.weights = call_in(c, e.n, NUMBERS);
    e.target = call_ints(c, e.n);
    e.row_class = call_ints(c, e.n);
    e.column_class = call_ints(c, e.m);
    LAY_OUT(c) {
        for (int64_t i = 0; i < e.n; i++) e.target.host_ints[i] = i % 3 == 2 ? -1 : (int32_t)(i * 7 % e.m);
        for (int64_t j = 0; j < e.m; j++) e.column_class.host_ints[j] = (int32_t)(c->measured ? j : j % 4 - 1);
        for (int64_t i = 0; i < e.n; i++)
            e.row_class.host_ints[i] = target_of(&e, i) < 0 ? 1 : e.column_class.host_ints[target_of(&e, i)];
    }
    call_shape(c, "%lld to %lld x %lld", (ll)e.n, (ll)e.m, (ll)e.dim);
    return e;
}

static struct cross_entropy asked(const struct entropy *e) {
    struct cross_entropy c = {.n = e->n, .m = e->m, .dim = e->dim, .scale = 2.5, .weight = 0.5, .exact = 1};
    c.a = e->a.real;
    c.b = e->b.real;
    c.first = e->m - e->n;
    if (e->with & WITH_BIAS) c.bias = e->bias.real;
    if (e->with & WITH_WEIGHTS) c.weights = e->weights.real;
    if (e->with & WITH_TARGETS) c.target = e->target.ints;
    if (e->with & WITH_CLASSES) c.row_class = e->row_class.ints, c.column_class = e->column_class.ints;
    return c;
}

static double logit(const struct entropy *e, int64_t i, int64_t j) {
    double s = e->with & WITH_BIAS ? e->bias.host[j] : 0;
    int32_t class = e->row_class.host_ints[i];
    if (e->with & WITH_CLASSES && class >= 0 && class == e->column_class.host_ints[j] && j != target_of(e, i))
        return -INFINITY;
    for (int64_t l = 0; l < e->dim; l++) s += 2.5 * e->a.host[i * e->dim + l] * e->b.host[j * e->dim + l];
    return s;
}

static double log_softmax(const struct entropy *e, int64_t i) {
    double total = 0;
    if (target_of(e, i) < 0) return 0;
    for (int64_t j = 0; j < e->m; j++) total += exp(logit(e, i, j));
    return logit(e, i, target_of(e, i)) - log(total);
}

static void cross_entropy(struct call *c) {
    struct entropy e = entropy(c);
    int64_t constant = c->size[4];
    struct operand loss = call_inout(c, 1, NUMBERS), log_probability = call_out(c, e.n);
    int of_a = constant != WITHOUT_A && constant != WANTS_NONE, of_b = constant != WITHOUT_B && constant != WANTS_NONE;
    int of_bias = constant != WITHOUT_BIAS && constant != WANTS_NONE && (e.with & WITH_BIAS) != 0;
    struct operand da = call_gradient(c, of_a ? e.a : call_point(c, 0, NUMBERS), 1);
    struct operand db = call_gradient(c, of_b ? e.b : call_point(c, 0, NUMBERS), 1);
    struct operand dbias = call_gradient(c, of_bias ? e.bias : call_point(c, 0, NUMBERS), 1);
    struct cross_entropy s = asked(&e);
    call_differentiate(c, loss);
    CALL(c, cross_entropy, &s, loss.real, wanted(log_probability, !c->measured), wanted(da, of_a), wanted(db, of_b),
         wanted(dbias, of_bias));
    REFERENCE(c)
    for (int64_t i = 0; i < e.n; i++) {
        log_probability.host[i] = log_softmax(&e, i);
        loss.host[0] -= 0.5 * (e.with & WITH_WEIGHTS ? e.weights.host[i] : 1) * log_probability.host[i];
    }
}

/* As MedTok's: views of a batch's codes, each a class of its own. */
static void codes_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = size[1] = step->batch;
    size[2] = 2 * step->dim;
    size[3] = WITH_CLASSES;
}

/* ---- divergence of softmaxes. Sizes: rows, columns, dim of p, dim of g, 1 + the column that row 0 leaves out (0: none), and what
 * is constant; COLUMNS_ALIKE: p and g have the same columns, and one gradient of them. ---- */
enum { CONSTANT_P_ROWS = 1, CONSTANT_G_ROWS = 2, CONSTANT_P_COLUMNS = 4, CONSTANT_G_COLUMNS = 8, COLUMNS_ALIKE = 16 };
enum {
    CONSTANT_P = CONSTANT_P_ROWS | CONSTANT_P_COLUMNS,
    CONSTANT_ALL = CONSTANT_P | CONSTANT_G_ROWS | CONSTANT_G_COLUMNS
};
static const int64_t DIVERGENCES[][CASE_SIZES] = {{0, 5, 3, 3, 0},
                                                  {1, 1, 1, 2, 0},
                                                  {1, 1, 1, 2, 1},
                                                  {1, 3, 4, 4, 0, COLUMNS_ALIKE},
                                                  {5, 7, 3, 4, 0},
                                                  {5, 7, 3, 4, 3},
                                                  {5, 7, 3, 3, 0, COLUMNS_ALIKE},
                                                  {5, 7, 3, 3, 2, COLUMNS_ALIKE | CONSTANT_P_ROWS},
                                                  {5, 7, 3, 4, 1, CONSTANT_P},
                                                  {5, 7, 3, 4, 0, CONSTANT_G_ROWS},
                                                  {5, 7, 3, 4, 0, CONSTANT_G_COLUMNS},
                                                  {5, 7, 3, 4, 2, CONSTANT_ALL},
                                                  {130, 300, 16, 24, 171, CONSTANT_P},
                                                  {300, 300, 33, 16, 1, CONSTANT_P},
                                                  {130, 293, 16, 16, 0, COLUMNS_ALIKE},
                                                  {20, 40000, 3, 3, 39000, COLUMNS_ALIKE | CONSTANT_ALL}};

struct sides {
    struct operand rows, columns, drows, dcolumns;
    int64_t dim;
    int of_rows, of_columns;
};

static struct sides sides(struct call *c, int64_t dim, int of_rows, int of_columns, const struct sides *alike) {
    struct sides s = {.dim = dim, .of_rows = of_rows, .of_columns = of_columns};
    s.rows = call_in_rows(c, c->size[0], dim, UNIT_ROWS);
    s.columns = alike ? alike->columns : call_in_rows(c, c->size[1], dim, UNIT_ROWS);
    s.drows = call_gradient(c, of_rows ? s.rows : call_point(c, 0, NUMBERS), 1);
    s.dcolumns = alike ? alike->dcolumns : call_gradient(c, of_columns ? s.columns : call_point(c, 0, NUMBERS), 1);
    return s;
}

/* log of the softmax of row i at column j, for all j of 0 .. m - 1 but `left_out` */
static void log_shares(const struct sides *s, int64_t i, int64_t m, int64_t left_out, double *to) {
    double total = 0;
    for (int64_t j = 0; j < m; j++) {
        to[j] = 0;
        for (int64_t l = 0; l < s->dim; l++)
            to[j] += 2 * s->rows.host[i * s->dim + l] * s->columns.host[j * s->dim + l];
        if (j != left_out) total += exp(to[j]);
    }
    for (int64_t j = 0; j < m; j++) to[j] -= log(total);
}

static void softmax_divergence(struct call *c) {
    int64_t n = c->size[0], m = c->size[1], own = c->size[4] - 1;
    int with = (int)c->size[5], alike = with & COLUMNS_ALIKE;
    struct operand loss = call_inout(c, 1, NUMBERS),
                   shares = call_point(c, 2 * m, NUMBERS); /* room for the reference */
    struct sides p = sides(c, c->size[2], !(with & CONSTANT_P_ROWS), !(with & CONSTANT_P_COLUMNS), NULL);
    struct sides g = sides(c, c->size[3], !(with & CONSTANT_G_ROWS), !(with & CONSTANT_G_COLUMNS), alike ? &p : NULL);
    struct softmax_divergence d = {
        n, m, {p.dim, 2, p.rows.real, p.columns.real}, {g.dim, 2, g.rows.real, g.columns.real}, own, 0.5};
    struct softmax_divergence_gradients to = {wanted(p.drows, p.of_rows), wanted(p.dcolumns, p.of_columns),
                                              wanted(g.drows, g.of_rows), wanted(g.dcolumns, g.of_columns)};
    call_shape(c, "%lld to %lld x %lld", (ll)n, (ll)m, (ll)p.dim);
    call_differentiate(c, loss);
    CALL(c, softmax_divergence, &d, loss.real, to);
    REFERENCE(c)
    for (int64_t i = 0; i < n; i++) {
        double *of_p = shares.host, *of_g = of_p + m;
        int64_t left_out = own < 0 ? -1 : own + i;
        log_shares(&p, i, m, left_out, of_p);
        log_shares(&g, i, m, left_out, of_g);
        for (int64_t j = 0; j < m; j++)
            if (j != left_out) loss.host[0] += 0.5 * exp(of_p[j]) * (of_p[j] - of_g[j]);
    }
}

/* As MedTok's: what a batch's rows are, to each other, and what their tokens are. */
static void rows_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = size[1] = step->batch;
    size[2] = 384;
    size[3] = 2 * step->dim;
    size[4] = 1;
    size[5] = CONSTANT_P;
}

/* ---- binary cross-entropy. Sizes: rows, labels, with weights of positives, without the gradient. A third of the labels is not
 * known. ---- */
static const int64_t LABELS[][CASE_SIZES] = {{0, 3},       {1, 1},        {7, 5},     {7, 5, 1},       {7, 5, 1, 1},
                                             {33, 257, 1}, {3, 20001, 1}, {40001, 1}, {40001, 1, 1, 1}};

static void bce(struct call *c) {
    int64_t rows = c->size[0], labels = c->size[1], n = rows * labels;
    int weighted = c->size[2] != 0, gradient = c->size[3] == 0;
    struct operand x = call_in(c, n, NUMBERS), y = call_indices(c, n, c->measured ? 0 : -1, 2, PICKS);
    struct operand weights = call_in(c, labels, NUMBERS), loss = call_inout(c, 1, NUMBERS);
    struct operand dx = call_gradient(c, gradient ? x : call_point(c, 0, NUMBERS), 1);
    struct bce b = {.rows = rows, .labels = labels, .x = x.real, .y = y.ints, .weight = 0.25};
    b.positive_weights = wanted(weights, weighted);
    call_shape(c, "%lld x %lld", (ll)rows, (ll)labels);
    call_differentiate(c, loss);
    CALL(c, bce, &b, loss.real, wanted(dx, gradient));
    REFERENCE(c)
    for (int64_t i = 0; i < n; i++) {
        double share = 1 / (1 + exp(-x.host[i])), w = weighted ? weights.host[i % labels] : 1;
        if (y.host_ints[i] >= 0) loss.host[0] -= 0.25 * (y.host_ints[i] ? w * log(share) : log(1 - share));
    }
}

/* As drug recommendation's: some hundreds of labels. */
static void labels_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch;
    size[1] = 200;
}

const struct kernel_case LOSS_CASES[] = {
    {"cross_entropy", cross_entropy, SHAPES(ENTROPIES), codes_of_a_step},
    {"softmax_divergence", softmax_divergence, SHAPES(DIVERGENCES), rows_of_a_step},
    {"bce", bce, SHAPES(LABELS), labels_of_a_step},
};
END_OF_FAMILY(LOSS_CASES);
