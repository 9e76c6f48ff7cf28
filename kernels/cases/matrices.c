/* Matrices: products, bias and sums over rows, copies, lengths of rows. */
#include <math.h>

#include "cases/families.h"

typedef long long ll;

/* ---- products. Sizes: transpose a, b; m, n, k; how much wider than needed the rows lie; how c is updated; count ---- */
enum update { OVERWRITTEN, BLENDED, ADDED_TO };
#define FOUR_WAYS(m, n, k, slack, update)                                                                              \
    {0, 0, m, n, k, slack, update}, {1, 0, m, n, k, slack, update}, {0, 1, m, n, k, slack, update}, {                  \
        1, 1, m, n, k, slack, update                                                                                   \
    }
static const int64_t PRODUCTS[][CASE_SIZES] = {
    FOUR_WAYS(0, 3, 2, 1, BLENDED),        FOUR_WAYS(1, 1, 1, 0, OVERWRITTEN),   FOUR_WAYS(3, 5, 0, 1, BLENDED),
    FOUR_WAYS(7, 5, 3, 2, BLENDED),        FOUR_WAYS(1, 257, 3, 0, OVERWRITTEN), FOUR_WAYS(65, 33, 129, 3, BLENDED),
    FOUR_WAYS(64, 64, 64, 0, OVERWRITTEN), FOUR_WAYS(128, 200, 64, 1, BLENDED),  FOUR_WAYS(300, 65, 1025, 0, ADDED_TO),
    FOUR_WAYS(1025, 32, 33, 2, BLENDED),
};

static double alpha_of(enum update update) { return update == OVERWRITTEN ? 1 : update == BLENDED ? 0.7 : 1e-3; }
static double beta_of(enum update update) { return update == OVERWRITTEN ? 0 : update == BLENDED ? 0.3 : 1; }

/* Rows of c may be wider than what is written: the rest stays as it is. */
static struct operand product(struct call *c, int64_t n) {
    return c->size[5] == 0 && c->size[6] == OVERWRITTEN ? call_out(c, n) : call_inout(c, n, NUMBERS);
}

/* A product, and how far apart the rows of its matrices begin. */
struct plain_product {
    struct gemm g;
    int64_t lda, ldb, ldc;
};

static void multiply(const struct plain_product *p, const double *a, const double *b, double *c) {
    const struct gemm *g = &p->g;
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t j = 0; j < g->n; j++) {
            double sum = 0, old = g->beta != 0 ? g->beta * c[i * p->ldc + j] : 0;
            for (int64_t l = 0; l < g->k; l++)
                sum += a[g->transpose_a ? l * p->lda + i : i * p->lda + l] *
                       b[g->transpose_b ? j * p->ldb + l : l * p->ldb + j];
            c[i * p->ldc + j] = g->alpha * sum + old;
        }
}

static struct plain_product product_of(const struct call *c, int64_t count) {
    const int64_t *s = c->size;
    struct gemm g = {(int)s[0], (int)s[1], s[2], s[3], s[4], alpha_of(s[6]), beta_of(s[6])};
    return (struct plain_product){
        .g = g, .lda = count * (s[0] ? g.m : g.k) + s[5], .ldb = (s[1] ? g.k : g.n) + s[5], .ldc = count * g.n + s[5]};
}

static void gemm(struct call *c) {
    struct plain_product p = product_of(c, 1);
    const struct gemm *g = &p.g;
    struct operand a = call_in(c, (g->transpose_a ? g->k : g->m) * p.lda, NUMBERS);
    struct operand b = call_in(c, (g->transpose_b ? g->n : g->k) * p.ldb, NUMBERS), out = product(c, g->m * p.ldc);
    call_shape(c, "%lld x %lld x %lld", (ll)g->m, (ll)g->n, (ll)g->k);
    CALL(c, gemm, g, ((struct matrix){a.real, p.lda}), ((struct matrix){b.real, p.ldb}),
         ((struct matrix){out.real, p.ldc}));
    REFERENCE(c) multiply(&p, a.host, b.host, out.host);
}

/* The map of the text: y = x W^T. */
static void map_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[1] = 1;
    size[2] = step->batch_tokens;
    size[3] = step->dim;
    size[4] = step->text_dim;
}

/* The gradient of its weight: dW += dy^T x. */
static void gradient_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = 1;
    size[2] = step->dim;
    size[3] = step->text_dim;
    size[4] = step->batch_tokens;
    size[6] = ADDED_TO;
}

#define FOUR_BATCHES(count, m, n, k, slack, update)                                                                    \
    {0, 0, m, n, k, slack, update, count}, {1, 0, m, n, k, slack, update, count},                                      \
        {0, 1, m, n, k, slack, update, count}, {                                                                       \
        1, 1, m, n, k, slack, update, count                                                                            \
    }
static const int64_t BATCHES[][CASE_SIZES] = {
    FOUR_BATCHES(0, 3, 5, 2, 1, BLENDED),        FOUR_BATCHES(1, 3, 5, 2, 0, OVERWRITTEN),
    FOUR_BATCHES(4, 7, 1, 3, 3, BLENDED),        FOUR_BATCHES(3, 600, 16, 5, 2, BLENDED),
    FOUR_BATCHES(2, 5, 4, 0, 1, BLENDED),        FOUR_BATCHES(5, 33, 600, 9, 1, ADDED_TO),
    FOUR_BATCHES(4, 65, 33, 64, 0, OVERWRITTEN),
};

/* Heads side by side in the rows of a and c, one below the other in b. */
static void gemm_batch(struct call *c) {
    int64_t count = c->size[7];
    struct plain_product p = product_of(c, count);
    const struct gemm *g = &p.g;
    int64_t a_stride = g->transpose_a ? g->m : g->k, b_stride = (g->transpose_b ? g->n : g->k) * p.ldb;
    struct operand a = call_in(c, (g->transpose_a ? g->k : g->m) * p.lda, NUMBERS),
                   b = call_in(c, count * b_stride, NUMBERS);
    struct operand out = product(c, g->m * p.ldc);
    call_shape(c, "%lld of %lld x %lld x %lld", (ll)count, (ll)g->m, (ll)g->n, (ll)g->k);
    CALL(c, gemm_batch, count, g, ((struct matrices){a.real, p.lda, a_stride}),
         ((struct matrices){b.real, p.ldb, b_stride}), ((struct matrices){out.real, p.ldc, g->n}));
    REFERENCE(c)
    for (int64_t h = 0; h < count; h++) multiply(&p, a.host + h * a_stride, b.host + h * b_stride, out.host + h * g->n);
}

/* A projection head by head. */
static void heads_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[1] = 1;
    size[2] = step->batch;
    size[3] = step->dim / step->heads;
    size[4] = step->dim;
    size[7] = step->heads;
}

/* ---- rows and columns. Sizes: rows, columns ---- */
static const int64_t MATRICES[][CASE_SIZES] = {{0, 4},    {1, 1},    {1, 257},    {3, 5},    {31, 32},
                                               {33, 31},  {64, 64},  {257, 100},  {1025, 1}, {1025, 64},
                                               {5, 1024}, {2, 4099}, {1500, 200}, {300, 33}, {300, 2100}};

static void matrix(struct call *c, int64_t *rows, int64_t *cols) {
    *rows = c->size[0];
    *cols = c->size[1];
    call_shape(c, "%lld x %lld", (ll)*rows, (ll)*cols);
}

static void hidden_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_nodes;
    size[1] = step->hidden;
}

static void add_bias(struct call *c) {
    int64_t rows, cols;
    matrix(c, &rows, &cols);
    struct operand bias = call_in(c, cols, NUMBERS), y = call_inout(c, rows * cols, NUMBERS);
    CALL(c, add_bias, rows, cols, bias.real, y.real);
    REFERENCE(c) for (int64_t i = 0; i < rows * cols; i++) y.host[i] += bias.host[i % cols];
}

static void sum_rows(struct call *c) {
    int64_t rows, cols;
    matrix(c, &rows, &cols);
    struct operand x = call_in(c, rows * cols, NUMBERS), out = call_inout(c, cols, NUMBERS);
    CALL(c, sum_rows, rows, cols, x.real, out.real);
    REFERENCE(c) for (int64_t i = 0; i < rows * cols; i++) out.host[i % cols] += x.host[i];
}

/* ---- copies. Sizes: rows, columns, how much wider the rows of x and of y lie, accumulate ---- */
static const int64_t COPIES[][CASE_SIZES] = {{0, 4, 1, 1, 0},    {1, 1, 0, 0, 0},    {3, 5, 0, 2, 1},
                                             {3, 5, 2, 0, 0},    {17, 64, 0, 64, 0}, {300, 64, 64, 0, 1},
                                             {1025, 1, 3, 0, 1}, {33, 257, 3, 1, 0}, {2, 4099, 0, 0, 1}};

static void copy_matrix(struct call *c) {
    int64_t rows, cols, ldx = c->size[1] + c->size[2], ldy = c->size[1] + c->size[3];
    int accumulate = (int)c->size[4];
    matrix(c, &rows, &cols);
    struct operand x = call_in(c, rows * ldx, NUMBERS);
    struct operand y = accumulate || ldy > cols ? call_inout(c, rows * ldy, NUMBERS) : call_out(c, rows * ldy);
    CALL(c, copy_matrix, rows, cols, ((struct matrix){x.real, ldx}), ((struct matrix){y.real, ldy}), accumulate);
    REFERENCE(c)
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < cols; j++)
            y.host[r * ldy + j] = (accumulate ? y.host[r * ldy + j] : 0) + x.host[r * ldx + j];
}

/* As in putting two vectors of a code side by side. */
static void halves_of_rows_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_nodes;
    size[1] = size[3] = step->dim;
}

/* ---- lengths ---- */
static void normalized(int64_t rows, int64_t cols, const double *x, double *y, double *norm) {
    for (int64_t r = 0; r < rows; r++) {
        double square = 0;
        for (int64_t j = 0; j < cols; j++) square += x[r * cols + j] * x[r * cols + j];
        norm[r] = fmax(sqrt(square), 1e-12);
        for (int64_t j = 0; j < cols; j++) y[r * cols + j] = x[r * cols + j] / norm[r];
    }
}

/* Sizes: rows, columns, whether all is zero. */
static const int64_t NORMALIZED[][CASE_SIZES] = {{0, 4},     {1, 1},    {1, 257},  {3, 5},    {33, 31},  {64, 64},
                                                 {257, 100}, {3, 5, 1}, {1025, 1}, {2, 4099}, {300, 33}, {1025, 64}};

static void l2_normalize(struct call *c) {
    int64_t rows, cols;
    matrix(c, &rows, &cols);
    struct operand x = call_in(c, rows * cols, c->size[2] ? ALL_ZERO : NUMBERS);
    struct operand y = call_out(c, rows * cols), norm = call_out(c, rows);
    CALL(c, l2_normalize, rows, cols, x.real, y.real, norm.real);
    REFERENCE(c) normalized(rows, cols, x.host, y.host, norm.host);
}

static void l2_normalize_backward(struct call *c) {
    int64_t rows, cols;
    matrix(c, &rows, &cols);
    struct operand x = call_in(c, rows * cols, NUMBERS), y = call_made(c, rows * cols), norm = call_made(c, rows);
    struct operand dy = call_cotangent(c, y), dx = call_gradient(c, x, 1);
    PREPARE(c, l2_normalize, rows, cols, x.real, y.real, norm.real);
    CALL(c, l2_normalize_backward, rows, cols, y.real, norm.real, dy.real, dx.real);
    REFERENCE(c) normalized(rows, cols, x.host, y.host, norm.host);
}

static void codebook_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->codebook;
    size[1] = step->dim;
}

const struct kernel_case MATRIX_CASES[] = {
    {"gemm", gemm, SHAPES(PRODUCTS), map_of_a_step},
    {"gemm.gradient", gemm, NO_SHAPES, gradient_of_a_step},
    {"gemm_batch", gemm_batch, SHAPES(BATCHES), heads_of_a_step},
    {"add_bias", add_bias, SHAPES(MATRICES), hidden_of_a_step},
    {"sum_rows", sum_rows, SHAPES(MATRICES), hidden_of_a_step},
    {"copy_matrix", copy_matrix, SHAPES(COPIES), halves_of_rows_of_a_step},
    {"l2_normalize", l2_normalize, SHAPES(NORMALIZED), codebook_of_a_step},
    {"l2_normalize_backward", l2_normalize_backward, SHAPES(MATRICES), codebook_of_a_step},
};
END_OF_FAMILY(MATRIX_CASES);
