/* Vectors and the optimiser. Sizes: n; whether the numbers are the awkward ones. */
#include <math.h>

#include "cases/families.h"

static const int64_t VECTORS[][CASE_SIZES] = {{0}, {1}, {3}, {31}, {257}, {1025}, {70001}, {300007}};
static const int64_t AWKWARD_VECTORS[][CASE_SIZES] = {{0, 1}, {1, 1}, {257, 1}, {0},       {1},
                                                      {33},   {1025}, {300007}, {70001, 1}};

/* As the table of nodes. */
static void vector_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->graph_nodes * step->node_dim;
}

static int64_t length(struct call *c) {
    call_shape(c, "%lld", (long long)c->size[0]);
    return c->size[0];
}

static void fill(struct call *c) {
    int64_t n = length(c);
    struct operand x = call_out(c, n);
    CALL(c, fill, n, 0.7, x.real);
    REFERENCE(c) for (int64_t i = 0; i < n; i++) x.host[i] = 0.7;
}

static void axpy(struct call *c) {
    int64_t n = length(c);
    struct operand x = call_in(c, n, NUMBERS), y = call_inout(c, n, NUMBERS);
    CALL(c, axpy, n, -0.25, x.real, y.real);
    REFERENCE(c) for (int64_t i = 0; i < n; i++) y.host[i] -= 0.25 * x.host[i];
}

static void blend(struct call *c) {
    int64_t n = length(c);
    struct operand keep = call_in(c, 1, POSITIVE), x = call_in(c, n, NUMBERS), y = call_inout(c, n, NUMBERS);
    CALL(c, blend, n, keep.real, x.real, y.real);
    REFERENCE(c)
    for (int64_t i = 0; i < n; i++) y.host[i] = keep.host[0] * y.host[i] + (1 - keep.host[0]) * x.host[i];
}

static void dot(struct call *c) {
    int64_t n = length(c);
    struct operand a = call_in(c, n, NUMBERS), b = call_in(c, n, NUMBERS), out = call_inout(c, 1, NUMBERS);
    CALL(c, dot, n, 0.5, a.real, b.real, out.real);
    REFERENCE(c) for (int64_t i = 0; i < n; i++) out.host[0] += 0.5 * a.host[i] * b.host[i];
}

static void squared_distance(struct call *c) {
    int64_t n = length(c);
    struct operand a = call_in(c, n, NUMBERS), b = call_in(c, n, NUMBERS), out = call_inout(c, 1, NUMBERS);
    CALL(c, squared_distance, n, 0.25, a.real, b.real, out.real);
    REFERENCE(c)
    for (int64_t i = 0; i < n; i++) out.host[0] += 0.25 * (a.host[i] - b.host[i]) * (a.host[i] - b.host[i]);
}

static void squared_distance_backward(struct call *c) {
    int64_t n = length(c);
    struct operand a = call_in(c, n, NUMBERS), b = call_in(c, n, NUMBERS), da = call_inout(c, n, NUMBERS);
    CALL(c, squared_distance_backward, n, 0.25, a.real, b.real, da.real);
    REFERENCE(c) for (int64_t i = 0; i < n; i++) da.host[i] += 0.25 * 2 * (a.host[i] - b.host[i]);
}

static void norm_loss(struct call *c) {
    int64_t n = length(c);
    struct operand x = call_in(c, n, c->size[1] ? ALL_ZERO : NUMBERS), loss = call_inout(c, 1, NUMBERS),
                   dx = call_out(c, n);
    CALL(c, norm_loss, n, 3, x.real, loss.real, dx.real);
    REFERENCE(c) {
        double square = 0;
        for (int64_t i = 0; i < n; i++) square += x.host[i] * x.host[i];
        for (int64_t i = 0; i < n; i++) dx.host[i] = square > 0 ? 3 * x.host[i] / sqrt(square) : 0;
        loss.host[0] += 3 * sqrt(square);
    }
}

/* With and without weight decay. What `constants` holds for a step number is tested by itself. */
static void adam(struct call *c) {
    int64_t n = length(c);
    struct adam adam = {0.9, 0.95, 1e-6, c->size[1] ? 0.1 : 0};
    struct operand constants = call_in(c, N_ADAM_CONSTANTS, POSITIVE), gradient = call_in(c, n, NUMBERS);
    struct operand value = call_inout(c, n, NUMBERS), m = call_inout(c, n, NUMBERS), v = call_inout(c, n, POSITIVE);
    CALL(c, adam, n, adam, constants.real, gradient.real, ((struct adam_state){value.real, m.real, v.real}));
    REFERENCE(c)
    for (int64_t i = 0; i < n; i++) {
        double g = constants.host[ADAM_GRADIENT_SCALE] * gradient.host[i];
        m.host[i] = adam.beta1 * m.host[i] + (1 - adam.beta1) * g;
        v.host[i] = adam.beta2 * v.host[i] + (1 - adam.beta2) * g * g;
        value.host[i] -= constants.host[ADAM_RATE] * adam.weight_decay * value.host[i];
        value.host[i] -= constants.host[ADAM_CORRECTED_RATE] * m.host[i] /
                         (sqrt(v.host[i]) * constants.host[ADAM_CORRECTION] + adam.epsilon);
    }
}

const struct kernel_case VECTOR_CASES[] = {
    {"fill", fill, SHAPES(VECTORS), vector_of_a_step},
    {"axpy", axpy, SHAPES(VECTORS), vector_of_a_step},
    {"blend", blend, SHAPES(VECTORS), vector_of_a_step},
    {"dot", dot, SHAPES(VECTORS), vector_of_a_step},
    {"squared_distance", squared_distance, SHAPES(VECTORS), vector_of_a_step},
    {"squared_distance_backward", squared_distance_backward, SHAPES(VECTORS), vector_of_a_step},
    {"norm_loss", norm_loss, SHAPES(AWKWARD_VECTORS), vector_of_a_step},
    {"adam", adam, SHAPES(AWKWARD_VECTORS), vector_of_a_step},
};
END_OF_FAMILY(VECTOR_CASES);
