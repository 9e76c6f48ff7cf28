/* Layer norm and RMS norm. */
#include <math.h>

#include "cases/families.h"

typedef long long ll;

/* Sizes: rows, columns, parts, and for the backward wanted gradients and accumulate; for the forward what lies over what. */
enum { CENTER = 1, RESIDUAL = 2, GAIN = 4, BIAS = 8, KEPT = 16 }; /* parts; KEPT: sum, mean and rstd are wanted */
enum { DX = 1, DGAIN = 2, DBIAS = 4 };
enum over { APART, Y_OVER_X, Y_OVER_RESIDUAL, SUM_OVER_X };
#define LAYER_NORM (CENTER | GAIN | BIAS)

#define EACH_PART(rows, cols, more)                                                                                    \
    {rows, cols, LAYER_NORM, more}, {rows, cols, LAYER_NORM | RESIDUAL, more},                                         \
        {rows, cols, LAYER_NORM | RESIDUAL | KEPT, more}, {rows, cols, GAIN | KEPT, more}, {rows, cols, CENTER, more}, \
        {rows, cols, GAIN | RESIDUAL | KEPT, more}, {                                                                  \
        rows, cols, LAYER_NORM | KEPT, more                                                                            \
    }
#define EACH_OVER(rows, cols)                                                                                          \
    {rows, cols, LAYER_NORM | RESIDUAL, Y_OVER_RESIDUAL}, {rows, cols, GAIN | RESIDUAL, Y_OVER_RESIDUAL},              \
        {rows, cols, LAYER_NORM | RESIDUAL | KEPT, SUM_OVER_X}, {                                                      \
        rows, cols, GAIN | RESIDUAL | KEPT, SUM_OVER_X                                                                 \
    }
static const int64_t NORMS[][CASE_SIZES] = {
    EACH_PART(0, 4, 0),     EACH_PART(1, 1, 0),    EACH_PART(3, 5, 1),    EACH_PART(33, 31, 0),  EACH_PART(64, 64, 1),
    EACH_PART(257, 100, 0), EACH_PART(2, 4099, 0), EACH_PART(300, 33, 1), EACH_PART(5, 1024, 1), EACH_PART(1025, 64, 0),
    EACH_OVER(3, 5),        EACH_OVER(33, 64),     EACH_PART(1025, 1, 0)};

/* Every subset of gradients: what is frozen gets none. */
#define EACH_WANTED(rows, cols, parts)                                                                                 \
    {rows, cols, parts, 0, 0}, {rows, cols, parts, DX, 1}, {rows, cols, parts, DX | DGAIN, 0},                         \
        {rows, cols, parts, DX | DGAIN | DBIAS, 0}, {rows, cols, parts, DX | DGAIN | DBIAS, 1},                        \
        {rows, cols, parts, DGAIN, 0}, {rows, cols, parts, DBIAS, 0}, {                                                \
        rows, cols, parts, DX, 0                                                                                       \
    }
#define EACH_NORM(rows, cols)                                                                                          \
    EACH_WANTED(rows, cols, LAYER_NORM), EACH_WANTED(rows, cols, LAYER_NORM | RESIDUAL),                               \
        EACH_WANTED(rows, cols, GAIN | RESIDUAL), EACH_WANTED(rows, cols, CENTER)
/* Large ones are few: a difference costs a pass over all of it. */
#define SOME_NORM(rows, cols)                                                                                          \
    {rows, cols, LAYER_NORM, DX | DGAIN | DBIAS, 1}, {rows, cols, GAIN | RESIDUAL, DX | DGAIN, 0}, {                   \
        rows, cols, LAYER_NORM, DX, 0                                                                                  \
    }
static const int64_t NORM_GRADIENTS[][CASE_SIZES] = {
    EACH_NORM(0, 4),    EACH_NORM(1, 1),    EACH_NORM(3, 5),    EACH_NORM(9, 31),   EACH_NORM(17, 64),
    SOME_NORM(300, 16), SOME_NORM(257, 33), SOME_NORM(2, 4099), SOME_NORM(40, 260),
};

/* The operands of a norm. */
struct parts {
    struct norm norm;
    struct operand x, residual, gain, bias, sum, mean, rstd;
};

static struct operand written(struct call *c, int64_t n, int made) { return made ? call_made(c, n) : call_out(c, n); }

/* made: what is kept is made before the call, which reads it. */
static struct parts parts_of(struct call *c, enum over over, int made) {
    int64_t rows = c->size[0], cols = c->size[1], parts = c->size[2], n = rows * cols;
    struct parts p = {.norm = {.rows = rows, .cols = cols, .center = parts & CENTER, .epsilon = 1e-3}};
    int over_x = over == Y_OVER_X || over == SUM_OVER_X;
    p.x = over_x ? call_inout(c, n, NUMBERS) : call_in(c, n, NUMBERS);
    if (parts & RESIDUAL) p.residual = over == Y_OVER_RESIDUAL ? call_inout(c, n, NUMBERS) : call_in(c, n, NUMBERS);
    if (parts & GAIN) p.gain = call_in(c, cols, NUMBERS);
    if (parts & BIAS) p.bias = call_in(c, cols, NUMBERS);
    if (over == SUM_OVER_X)
        p.sum = p.x;
    else if (parts & RESIDUAL && (made || parts & KEPT))
        p.sum = written(c, n, made);
    if (made || parts & KEPT) p.mean = written(c, rows, made), p.rstd = written(c, rows, made);
    p.norm.x = p.x.real, p.norm.residual = p.residual.real, p.norm.gain = p.gain.real, p.norm.bias = p.bias.real;
    p.norm.sum = p.sum.real, p.norm.mean = p.mean.real, p.norm.rstd = p.rstd.real;
    call_shape(c, "%lld x %lld", (ll)rows, (ll)cols);
    return p;
}

static double summed(const struct parts *p, int64_t i) {
    return p->x.host[i] + (p->residual.host ? p->residual.host[i] : 0);
}

/* Row r into y, which may be x or the residual. */
static void normalize(const struct parts *p, int64_t r, double *y) {
    int64_t cols = p->norm.cols, first = r * cols;
    double mean = 0, square = 0;
    for (int64_t j = 0; j < cols && p->norm.center; j++) mean += summed(p, first + j) / (double)cols;
    for (int64_t j = 0; j < cols; j++) square += pow(summed(p, first + j) - mean, 2) / (double)cols;
    for (int64_t j = 0; j < cols; j++) {
        double unit = (summed(p, first + j) - mean) / sqrt(square + p->norm.epsilon);
        y[first + j] = unit * (p->gain.host ? p->gain.host[j] : 1) + (p->bias.host ? p->bias.host[j] : 0);
    }
    if (p->mean.host) p->mean.host[r] = mean;
    if (p->rstd.host) p->rstd.host[r] = 1 / sqrt(square + p->norm.epsilon);
}

static void norm(struct call *c) {
    enum over over = (enum over)c->size[3];
    struct parts p = parts_of(c, over, 0);
    struct operand y = over == Y_OVER_X          ? p.x
                       : over == Y_OVER_RESIDUAL ? p.residual
                                                 : call_out(c, p.norm.rows * p.norm.cols);
    CALL(c, norm, &p.norm, y.real);
    REFERENCE(c) {
        for (int64_t i = 0; i < p.sum.n && over != SUM_OVER_X; i++) p.sum.host[i] = summed(&p, i);
        for (int64_t r = 0; r < p.norm.rows; r++) normalize(&p, r, y.host);
        for (int64_t i = 0; i < p.sum.n && over == SUM_OVER_X; i++) p.sum.host[i] = summed(&p, i);
    }
}

static void norm_backward(struct call *c) {
    int64_t wanted = c->size[3];
    struct parts p = parts_of(c, APART, 1);
    struct operand y = call_made(c, p.norm.rows * p.norm.cols), dy = call_cotangent(c, y);
    struct norm_gradients to = {.accumulate = (int)c->size[4]};
    if (wanted & DX) to.dx = call_gradient(c, p.x, to.accumulate).real;
    if (wanted & DGAIN && c->size[2] & GAIN) to.dgain = call_gradient(c, p.gain, 1).real;
    if (wanted & DBIAS && c->size[2] & BIAS) to.dbias = call_gradient(c, p.bias, 1).real;
    PREPARE(c, norm, &p.norm, y.real);
    CALL(c, norm_backward, &p.norm, dy.real, to);
    p.mean.host = p.rstd.host = NULL; /* they stay as they were made */
    REFERENCE(c) for (int64_t r = 0; r < p.norm.rows; r++) normalize(&p, r, y.host);
}

static void nodes_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_nodes;
    size[1] = step->dim;
    size[2] = LAYER_NORM | KEPT;
}

static void gradients_of_a_step(const struct step_sizes *step, int64_t *size) {
    nodes_of_a_step(step, size);
    size[3] = DX | DGAIN | DBIAS;
}

/* At the end of a post-norm block, no gradient follows. */
static void tokens_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_tokens;
    size[1] = step->text_dim;
    size[2] = LAYER_NORM | RESIDUAL;
}

const struct kernel_case NORM_CASES[] = {
    {"norm", norm, SHAPES(NORMS), nodes_of_a_step},
    {"norm.residual", norm, NO_SHAPES, tokens_of_a_step},
    {"norm_backward", norm_backward, SHAPES(NORM_GRADIENTS), gradients_of_a_step},
};
END_OF_FAMILY(NORM_CASES);
