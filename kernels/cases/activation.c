/* Activations and gated units. */
#include <math.h>

#include "cases/families.h"

typedef long long ll;

static double value(enum activation f, double x) {
    switch (f) {
        case ACTIVATION_RELU: return x > 0 ? x : 0;
        case ACTIVATION_LEAKY_RELU: return x > 0 ? x : x / 5;
        case ACTIVATION_TANH: return tanh(x);
        case ACTIVATION_SIGMOID: return 1 / (1 + exp(-x));
        case ACTIVATION_GELU: return x / 2 * (1 + erf(x / sqrt(2)));
        case ACTIVATION_GELU_TANH: return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
        case ACTIVATION_SILU: return x / (1 + exp(-x));
        default: return x;
    }
}

double case_activation(enum activation f, double x) { return value(f, x); }

/* ---- activations. Sizes: values, f, accumulate or in place ---- */
#define EACH_F(n, more)                                                                                                \
    {n, ACTIVATION_NONE, more}, {n, ACTIVATION_RELU, more}, {n, ACTIVATION_LEAKY_RELU, more},                          \
        {n, ACTIVATION_TANH, more}, {n, ACTIVATION_SIGMOID, more}, {n, ACTIVATION_GELU, more},                         \
        {n, ACTIVATION_GELU_TANH, more}, {                                                                             \
        n, ACTIVATION_SILU, more                                                                                       \
    }
static const int64_t ACTIVATIONS[][CASE_SIZES] = {EACH_F(0, 0),  EACH_F(1, 0),    EACH_F(7, 1),
                                                  EACH_F(33, 0), EACH_F(1025, 1), EACH_F(33003, 0)};

static const char *const NAMES[N_ACTIVATIONS] = {"none",    "ReLU", "leaky ReLU",   "tanh",
                                                 "sigmoid", "GELU", "GELU by tanh", "SiLU"};

static enum activation sizes(struct call *c, int64_t *n) {
    *n = c->size[0];
    call_shape(c, "%lld, %s", (ll)*n, NAMES[c->size[1]]);
    return (enum activation)c->size[1];
}

static void activate(struct call *c) {
    int64_t n;
    enum activation f = sizes(c, &n);
    struct operand x = call_in(c, c->size[2] ? 0 : n, NUMBERS);
    struct operand y = c->size[2] ? call_inout(c, n, NUMBERS) : call_out(c, n);
    CALL(c, activate, f, n, c->size[2] ? y.real : x.real, y.real);
    REFERENCE(c) for (int64_t i = 0; i < n; i++) y.host[i] = value(f, c->size[2] ? y.host[i] : x.host[i]);
}

static void activate_backward(struct call *c) {
    int64_t n;
    enum activation f = sizes(c, &n);
    struct operand x = call_in(c, n, NUMBERS), y = call_made(c, n), dy = call_cotangent(c, y);
    struct operand dx = call_gradient(c, x, (int)c->size[2]);
    PREPARE(c, activate, f, n, x.real, y.real);
    CALL(c, activate_backward, f, n, activation_from_output(f) ? y.real : x.real, dy.real, dx.real, (int)c->size[2]);
    REFERENCE(c) for (int64_t i = 0; i < n; i++) y.host[i] = value(f, x.host[i]);
}

/* The first layer's nodes: in place. */
static void hidden_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_nodes * step->hidden;
    size[1] = ACTIVATION_RELU;
    size[2] = 1;
}

static void hidden_gradient_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_nodes * step->hidden;
    size[1] = ACTIVATION_RELU;
}

static void gelu_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_nodes * step->hidden;
    size[1] = ACTIVATION_GELU;
}

/* ---- gated units. Sizes: values, f, accumulate, wanted: 1 dgate, 2 dup ---- */
static const int64_t UNITS[][CASE_SIZES] = {EACH_F(0, 0), EACH_F(1, 0), EACH_F(33, 0), EACH_F(33003, 0)};
#define WANTED(n, accumulate, wanted)                                                                                  \
    {n, ACTIVATION_RELU, accumulate, wanted}, {n, ACTIVATION_TANH, accumulate, wanted},                                \
        {n, ACTIVATION_GELU, accumulate, wanted}, {n, ACTIVATION_NONE, accumulate, wanted}, {                          \
        n, ACTIVATION_SILU, accumulate, wanted                                                                         \
    }
static const int64_t UNIT_GRADIENTS[][CASE_SIZES] = {WANTED(0, 0, 3),    WANTED(1, 1, 3),    WANTED(33, 0, 1),
                                                     WANTED(33, 1, 2),   WANTED(33, 0, 0),   WANTED(1025, 0, 2),
                                                     WANTED(1025, 1, 1), WANTED(33003, 0, 3)};

static void glu(struct call *c) {
    int64_t n;
    enum activation f = sizes(c, &n);
    struct operand gate = call_in(c, n, NUMBERS), up = call_in(c, n, NUMBERS), y = call_out(c, n);
    struct glu g = {.n = n, .f = f, .gate = gate.real, .up = up.real};
    CALL(c, glu, &g, y.real);
    REFERENCE(c) for (int64_t i = 0; i < n; i++) y.host[i] = value(f, gate.host[i]) * up.host[i];
}

static void glu_backward(struct call *c) {
    int64_t n;
    enum activation f = sizes(c, &n);
    int accumulate = (int)c->size[2];
    struct operand gate = call_in(c, n, NUMBERS), up = call_in(c, n, NUMBERS), y = call_value(c, n);
    struct operand dy = call_cotangent(c, y);
    struct glu g = {.n = n, .f = f, .gate = gate.real, .up = up.real};
    struct glu_gradients to = {.accumulate = accumulate};
    if (c->size[3] & 1) to.dgate = call_gradient(c, gate, accumulate).real;
    if (c->size[3] & 2) to.dup = call_gradient(c, up, accumulate).real;
    CALL(c, glu_backward, &g, dy.real, to);
    REFERENCE(c) for (int64_t i = 0; i < n; i++) y.host[i] = value(f, gate.host[i]) * up.host[i];
}

/* SwiGLU. */
static void unit_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_nodes * step->hidden;
    size[1] = ACTIVATION_SILU;
    size[3] = 3;
}

const struct kernel_case ACTIVATION_CASES[] = {
    {"activate", activate, SHAPES(ACTIVATIONS), hidden_of_a_step},
    {"activate.gelu", activate, NO_SHAPES, gelu_of_a_step},
    {"activate_backward", activate_backward, SHAPES(ACTIVATIONS), hidden_gradient_of_a_step},
    {"activate_backward.gelu", activate_backward, NO_SHAPES, gelu_of_a_step},
    {"glu", glu, SHAPES(UNITS), unit_of_a_step},
    {"glu_backward", glu_backward, SHAPES(UNIT_GRADIENTS), unit_of_a_step},
};
END_OF_FAMILY(ACTIVATION_CASES);
