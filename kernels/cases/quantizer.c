/* The quantiser and the moving averages of its picks. */
#include <math.h>

#include "cases/families.h"

typedef long long ll;
enum { MOST_PICKS = 16 };

static double squared(int64_t dim, const double *a, const double *b) {
    double sum = 0;
    for (int64_t l = 0; l < dim; l++) sum += (a[l] - b[l]) * (a[l] - b[l]);
    return sum;
}

/* weight = softmax(-distance) over the picks, q = their mean; all of one vector */
static void soft_mean(int64_t dim, int64_t k, const double *u, const double *rows, const int32_t *index, double *weight,
                      double *q) {
    double total = 0;
    for (int64_t j = 0; j < k; j++) total += weight[j] = exp(-squared(dim, u, rows + index[j] * dim));
    for (int64_t j = 0; j < k; j++) weight[j] /= total;
    for (int64_t l = 0; l < dim; l++) {
        q[l] = 0;
        for (int64_t j = 0; j < k; j++) q[l] += weight[j] * rows[index[j] * dim + l];
    }
}

/* ---- quantize. Sizes: vectors, dim, rows of the codebook, first and last candidate, top_k, whether many are equal ---- */
static const int64_t QUANTIZED[][CASE_SIZES] = {{0, 4, 9, 0, 9, 3},
                                                {1, 1, 6, 2, 5, 3},
                                                {5, 3, 40, 7, 31, 5},
                                                {33, 33, 257, 0, 257, 1},
                                                {150, 64, 1500, 500, 1500, 5},
                                                {33, 64, 700, 0, 700, 16},
                                                {40, 100, 400, 3, 400, 5},
                                                {40, 257, 300, 0, 300, 5},
                                                {9, 4, 1200, 100, 1200, 5, 1},
                                                {65, 64, 700, 3, 700, 16, 1}};

static int is_listed(const int32_t *list, int64_t n, int64_t row) {
    for (int64_t j = 0; j < n; j++)
        if (list[j] == row) return 1;
    return 0;
}

/* The picks of one vector: nearest first, ties to the smaller index. float32 distances near 2 are off by 1e-6, so that a row that
 * is as near to within 1e-5 is taken as found; one that is exactly as near is not. */
static void nearest(const struct call *c, const double *u, const double *rows, const int32_t *found, int32_t *index) {
    int64_t dim = c->size[1], first = c->size[3], last = c->size[4], k = c->size[5];
    for (int64_t j = 0; j < k; j++) {
        double least = INFINITY;
        for (int64_t r = first; r < last; r++) {
            double distance = is_listed(index, j, r) ? INFINITY : squared(dim, u, rows + r * dim);
            if (distance < least) least = distance, index[j] = (int32_t)r;
        }
        int32_t other = found[j];
        if (other < first || other >= last || is_listed(index, j, other)) continue;
        double more = squared(dim, u, rows + other * dim) - least;
        if (more != 0 && more < 1e-5) index[j] = other;
    }
}

/* `bench.export` (jobs/bench.c) writes the first three operands. */
static void quantize(struct call *c) {
    int64_t n = c->size[0], dim = c->size[1], size = c->size[2], first = c->size[3], last = c->size[4], k = c->size[5];
    enum fill fill = c->size[6] ? ONE_HOT_ROWS : UNIT_ROWS;
    struct operand u = call_in_rows(c, n, dim, fill), rows = call_in_rows(c, size, dim, fill);
    struct operand index = call_out_ints(c, n * k), weight = call_out(c, n * k), q = call_out(c, n * dim);
    call_shape(c, "top %lld of %lld to %lld x %lld", (ll)k, (ll)n, (ll)size, (ll)dim);
    struct quantize z = {n, dim, first, last, k, u.real, rows.real};
    CALL(c, quantize, &z, ((struct picks){.index = index.ints, .weight = weight.real}), q.real);
    REFERENCE(c)
    for (int64_t i = 0; i < n; i++) {
        nearest(c, u.host + i * dim, rows.host, index.found + i * k, index.host_ints + i * k);
        soft_mean(dim, k, u.host + i * dim, rows.host, index.host_ints + i * k, weight.host + i * k, q.host + i * dim);
    }
}

static void quantized_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->queries;
    size[1] = step->dim;
    size[2] = size[4] = step->codebook;
    size[5] = step->top_k;
}

/* ---- its gradient. Sizes: vectors, dim, rows of the codebook, top_k, whether the codebook has a gradient ---- */
static const int64_t DIFFERENTIATED[][CASE_SIZES] = {{0, 4, 9, 3, 1},      {1, 1, 6, 3, 1},      {7, 5, 20, 4, 1},
                                                     {7, 5, 20, 4, 0},     {33, 33, 257, 1, 1},  {130, 64, 3001, 5, 1},
                                                     {65, 64, 700, 16, 1}, {40, 257, 300, 5, 0}, {40, 257, 300, 5, 1}};

static int64_t picks(struct call *c) {
    call_shape(c, "%lld x %lld rows x %lld", (ll)c->size[0], (ll)c->size[3], (ll)c->size[1]);
    return c->size[0];
}

/* q is differentiated as the mean of the rows that were picked. */
static void quantize_backward(struct call *c) {
    int64_t n = picks(c), dim = c->size[1], size = c->size[2], k = c->size[3];
    struct operand u = call_in_rows(c, n, dim, UNIT_ROWS), rows = call_in_rows(c, size, dim, UNIT_ROWS);
    struct operand index = call_made_ints(c, n * k), weight = call_made(c, n * k), q = call_made(c, n * dim);
    struct operand dq = call_cotangent(c, q), du = call_gradient(c, u, 1), drows = {0};
    if (c->size[4]) drows = call_gradient(c, rows, 1);
    struct quantize z = {n, dim, 0, size, k, u.real, rows.real};
    struct picks picked = {.index = index.ints, .weight = weight.real};
    PREPARE(c, quantize, &z, picked, q.real);
    CALL(c, quantize_backward, &z, picked, dq.real, du.real, drows.real);
    REFERENCE(c)
    for (int64_t i = 0; i < n; i++)
        soft_mean(dim, k, u.host + i * dim, rows.host, index.host_ints + i * k, weight.host + i * k, q.host + i * dim);
}

static void picks_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->queries;
    size[1] = step->dim;
    size[2] = step->codebook;
    size[3] = step->top_k;
    size[4] = 1;
}

/* ---- the rotation trick. Sizes: rows, dim, whether z and q are the same or orthogonal ---- */
static const int64_t ROTATED[][CASE_SIZES] = {{0, 3},   {1, 2},    {7, 5},    {7, 5, 1},
                                              {33, 64}, {130, 33}, {700, 64}, {3, 257}};

/* y = |q|/|z| R x with R fixed by z and q, written as two reflections, (I - 2 q' q'^T)(I - 2 h h^T): the first turns z' to -q', the
 * second that to q'. */
static void rotate(int64_t dim, const double *z, const double *q, const double *x, double *y) {
    double length_z = 0, length_q = 0, square = 0, along = 0;
    for (int64_t l = 0; l < dim; l++) length_z += z[l] * z[l], length_q += q[l] * q[l];
    length_z = sqrt(length_z), length_q = sqrt(length_q);
    for (int64_t l = 0; l < dim; l++) {
        double s = z[l] / length_z + q[l] / length_q;
        square += s * s, along += s * x[l];
    }
    for (int64_t l = 0; l < dim; l++) y[l] = x[l] - 2 * along / square * (z[l] / length_z + q[l] / length_q);
    along = 0;
    for (int64_t l = 0; l < dim; l++) along += y[l] * q[l] / length_q;
    for (int64_t l = 0; l < dim; l++) y[l] = length_q / length_z * (y[l] - 2 * along * q[l] / length_q);
}

/* The gradient of y = |q|/|z| R x at x = z, with R as it is there. */
static void rotate_backward(struct call *c) {
    int64_t n = c->size[0], dim = c->size[1];
    struct operand x = call_point(c, n * dim, NUMBERS), y = call_value(c, n * dim);
    enum fill fill = c->size[2] ? ONE_HOT_ROWS : NUMBERS;
    struct operand z = call_in_rows(c, n, dim, fill), q = call_in_rows(c, n, dim, fill);
    struct operand dy = call_cotangent(c, y), dx = call_gradient(c, x, 1);
    call_shape(c, "%lld x %lld", (ll)n, (ll)dim);
    CALL(c, rotate_backward, n, dim, z.real, q.real, dy.real, dx.real);
    REFERENCE(c)
    for (int64_t i = 0; i < n * dim; i += dim) rotate(dim, z.host + i, q.host + i, x.host + i, y.host + i);
}

static void vectors_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->queries;
    size[1] = step->dim;
}

/* ---- sums of picks. Sizes: as of the gradient ---- */
static const int64_t SUMMED[][CASE_SIZES] = {
    {0, 3, 4, 2}, {1, 1, 3, 1}, {9, 5, 40, 3}, {700, 64, 90, 5}, {40, 257, 300, 5}};

static void sum_picks(struct call *c) {
    int64_t n = picks(c), dim = c->size[1], size = c->size[2], k = c->size[3];
    struct operand u = call_in_rows(c, n, dim, UNIT_ROWS), index = call_indices(c, n * k, 0, size, PICKS);
    struct operand weight = call_in(c, n * k, POSITIVE), sums = call_inout(c, size * (dim + 1), NUMBERS);
    struct picks picked = {.index = index.ints, .weight = weight.real};
    CALL(c, sum_picks, n, dim, k, u.real, picked, sums.real);
    REFERENCE(c)
    for (int64_t i = 0; i < n * k; i++)
        for (int64_t j = 0; j <= dim; j++)
            sums.host[index.host_ints[i] * (dim + 1) + j] += weight.host[i] * (j < dim ? u.host[i / k * dim + j] : 1);
}

/* ---- moving averages. Sizes: rows, dim ---- */
static const int64_t AVERAGED[][CASE_SIZES] = {{1, 1}, {4, 3}, {40, 5}, {90, 64}, {700, 33}, {3001, 64}};

/* In tests half of the rows have no picks. */
static void ema_rows(struct call *c) {
    int64_t size = c->size[0], dim = c->size[1], width = dim + 1;
    const double decay = 0.9, epsilon = 0.01;
    struct ema ema = {size, dim, decay, epsilon};
    struct operand sums = call_in(c, size * width, c->measured ? POSITIVE : RECTIFIED);
    struct operand average = call_inout(c, size * width, POSITIVE), rows = call_inout(c, size * dim, NUMBERS);
    call_shape(c, "%lld x %lld", (ll)size, (ll)dim);
    CALL(c, ema_rows, &ema, sums.real, average.real, rows.real);
    REFERENCE(c) {
        double total = 0;
        for (int64_t i = 0; i < size * width; i++)
            average.host[i] = decay * average.host[i] + (1 - decay) * sums.host[i];
        for (int64_t r = 0; r < size; r++) total += average.host[r * width + dim];
        for (int64_t r = 0; r < size; r++) {
            double count = total * (average.host[r * width + dim] + epsilon) / (total + epsilon * (double)size);
            for (int64_t j = 0; j < dim && sums.host[r * width + dim] > 0; j++)
                rows.host[r * dim + j] = average.host[r * width + j] / count;
        }
    }
}

static void codebook_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->codebook;
    size[1] = step->dim;
}

const struct kernel_case QUANTIZER_CASES[] = {
    {"quantize", quantize, SHAPES(QUANTIZED), quantized_of_a_step},
    {"quantize_backward", quantize_backward, SHAPES(DIFFERENTIATED), picks_of_a_step},
    {"rotate_backward", rotate_backward, SHAPES(ROTATED), vectors_of_a_step},
    {"sum_picks", sum_picks, SHAPES(SUMMED), picks_of_a_step},
    {"ema_rows", ema_rows, SHAPES(AVERAGED), codebook_of_a_step},
};
END_OF_FAMILY(QUANTIZER_CASES);
