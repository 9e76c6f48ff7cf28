/* Linear maps, trained and frozen. */
#include <math.h>

#include "cases/families.h"

typedef long long ll;

/* Sizes: rows, inputs, outputs, f (of the backward: wanted gradients), parts, precision of frozen maps. */
enum { BIAS = 1, ACCUMULATE = 2, FROZEN = 4 }; /* parts */
enum { DX = 1, DWEIGHT = 2, DBIAS = 4 };

#define EACH_PART(rows, in, out, f)                                                                                    \
    {rows, in, out, f, 0}, {rows, in, out, f, BIAS}, {rows, in, out, f, BIAS | ACCUMULATE},                            \
        {rows, in, out, f, FROZEN}, {rows, in, out, f, FROZEN | BIAS}, {                                               \
        rows, in, out, f, FROZEN | BIAS | ACCUMULATE                                                                   \
    }
static const int64_t MAPS[][CASE_SIZES] = {
    EACH_PART(0, 5, 3, ACTIVATION_RELU),          EACH_PART(1, 1, 1, ACTIVATION_NONE),
    EACH_PART(3, 37, 29, ACTIVATION_GELU),        EACH_PART(255, 8, 16, ACTIVATION_SILU),
    EACH_PART(257, 33, 17, ACTIVATION_TANH),      EACH_PART(600, 37, 29, ACTIVATION_NONE),
    EACH_PART(33, 100, 257, ACTIVATION_SIGMOID),  EACH_PART(300, 384, 128, ACTIVATION_GELU_TANH),
    EACH_PART(64, 64, 64, ACTIVATION_LEAKY_RELU),
};

#define EACH_WANTED(rows, in, out)                                                                                     \
    {rows, in, out, DX, 0}, {rows, in, out, DX | DWEIGHT | DBIAS, ACCUMULATE}, {rows, in, out, DWEIGHT, 0},            \
        {rows, in, out, DBIAS, 0}, {rows, in, out, DX | DWEIGHT | DBIAS, 0}, {rows, in, out, 0, 0},                    \
        {rows, in, out, DX, FROZEN}, {                                                                                 \
        rows, in, out, DX, FROZEN | ACCUMULATE                                                                         \
    }
static const int64_t MAP_GRADIENTS[][CASE_SIZES] = {
    EACH_WANTED(0, 5, 3),      EACH_WANTED(1, 1, 1),   EACH_WANTED(3, 37, 29),
    EACH_WANTED(33, 8, 65),    EACH_WANTED(2, 9, 300), {300, 16, 17, DX | DWEIGHT | DBIAS, ACCUMULATE},
    {300, 16, 17, DX, FROZEN}, {300, 19, 17, DX, 0},   {257, 33, 40, DX | DWEIGHT, 0},
};

/* A map and its operands. weight: none where frozen maps are measured, which share one. */
struct map {
    struct linear map;
    struct operand weight, bias;
};

static struct operand weight_of(struct call *c, const struct linear *map) {
    return call_in(c, c->measured && c->size[4] & FROZEN ? 0 : map->out * map->in, NUMBERS);
}

/* Packs the case's weights once. */
static void pack(struct call *c, const struct map *m) {
    int64_t n = m->map.in * m->map.out;
    if (c->pass != PASS_PREPARE || c->packed || c->device->error[0]) return;
    real *weight = device_host_alloc_reals(c->device, n);
    if (!weight) return;
    if (m->weight.n > 0)
        device_download_reals(c->device, weight, m->weight.real, n);
    else
        for (int64_t i = 0; i < n; i++) weight[i] = (real)(number_normal(WEIGHTS, i) / sqrt((double)m->map.in));
    c->packed = c->device->run->linear_pack(c->device, m->map.in, m->map.out, weight, STORAGE_REAL,
                                            (enum precision_of_products)c->size[5]);
    device_host_free_reals(c->device, weight);
}

static struct map map_of(struct call *c) {
    struct map m = {.map = {.in = c->size[1], .out = c->size[2], .accumulate = (c->size[4] & ACCUMULATE) != 0}};
    m.weight = weight_of(c, &m.map);
    m.map.weight = m.weight.real;
    if (c->size[4] & FROZEN) pack(c, &m);
    m.map.packed = c->packed;
    return m;
}

static double before_activation(const struct map *m, const double *x, int64_t o) {
    double sum = m->bias.host ? m->bias.host[o] : 0;
    for (int64_t i = 0; i < m->map.in; i++) sum += x[i] * m->weight.host[o * m->map.in + i];
    return sum;
}

static void linear(struct call *c) {
    struct map m = map_of(c);
    int64_t rows = c->size[0], in = m.map.in, out = m.map.out;
    int accumulate = m.map.accumulate;
    struct operand x = call_in(c, rows * in, NUMBERS);
    struct operand y = accumulate ? call_inout(c, rows * out, NUMBERS) : call_out(c, rows * out);
    if (c->size[4] & BIAS) m.bias = call_in(c, out, NUMBERS), m.map.bias = m.bias.real;
    m.map.f = (enum activation)c->size[3];
    call_shape(c, m.map.f == ACTIVATION_GELU ? "%lld x %lld x %lld, GELU" : "%lld x %lld x %lld", (ll)rows, (ll)out,
               (ll)in);
    CALL(c, linear, &m.map, rows, x.real, y.real);
    REFERENCE(c)
    for (int64_t i = 0; i < rows * out; i++)
        y.host[i] = case_activation(
            m.map.f, before_activation(&m, x.host + i / out * in, i % out) + (accumulate ? y.host[i] : 0));
}

static void linear_backward(struct call *c) {
    struct map m = map_of(c);
    int64_t rows = c->size[0], in = m.map.in, out = m.map.out, wanted = c->size[3];
    struct operand x = call_in(c, rows * in, NUMBERS), y = call_value(c, rows * out), dy = call_cotangent(c, y);
    struct linear_gradients to = {.accumulate = m.map.accumulate};
    m.bias = call_point(c, out, NUMBERS);
    if (wanted & DX) to.dx = call_gradient(c, x, to.accumulate).real;
    if (wanted & DWEIGHT) to.dweight = call_gradient(c, m.weight, 1).real;
    if (wanted & DBIAS) to.dbias = call_gradient(c, m.bias, 1).real;
    call_shape(c, "%lld x %lld x %lld", (ll)rows, (ll)out, (ll)in);
    CALL(c, linear_backward, &m.map, rows, x.real, dy.real, to);
    REFERENCE(c)
    for (int64_t i = 0; i < rows * out; i++) y.host[i] = before_activation(&m, x.host + i / out * in, i % out);
}

/* BERT's inner map. */
static void frozen_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_tokens < step->linear_rows ? step->batch_tokens : step->linear_rows;
    size[1] = step->text_dim;
    size[2] = 4 * step->text_dim;
    size[3] = ACTIVATION_GELU;
    size[4] = FROZEN | BIAS;
    size[5] = step->text_precision;
}

/* A map of the nodes' vectors. */
static void trained_of_a_step(const struct step_sizes *step, int64_t *size) {
    size[0] = step->batch_nodes;
    size[1] = step->node_dim;
    size[2] = step->hidden;
    size[4] = BIAS;
}

static void gradients_of_a_step(const struct step_sizes *step, int64_t *size) {
    trained_of_a_step(step, size);
    size[3] = DX | DWEIGHT | DBIAS;
}

const struct kernel_case LINEAR_CASES[] = {
    {"linear", linear, SHAPES(MAPS), frozen_of_a_step},
    {"linear.trained", linear, NO_SHAPES, trained_of_a_step},
    {"linear_backward", linear_backward, SHAPES(MAP_GRADIENTS), gradients_of_a_step},
};
END_OF_FAMILY(LINEAR_CASES);
