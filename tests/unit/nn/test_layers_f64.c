/* Every layer, in double precision: the gradient of each input against central differences, and each input frozen in
 * turn. The loss is sum y w over the layer's result with random weights w; losses are their own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "medtok/losses.h"
#include "medtok/quantizer.h"
#include "nn/layers.h"

enum { MOST_INPUTS = 4, ALL = (1 << MOST_INPUTS) - 1, ROWS = 5, QUERIES = 4, SEGMENTS = 3, EDGES = 4, HEADS = 2 };

/* Rows in 3 segments, one of them empty; as many queries, each of which has keys, or none has; graphs on the rows. */
static int32_t ROW_OFFSETS[] = {0, 2, 2, 5}, QUERY_OFFSETS[] = {0, 1, 1, 4};
static int32_t KEYS[] = {7, 8, 9}, EDGE_OFFSETS[] = {0, 1, 1, 2, 4, 4}, SOURCES[] = {1, 3, 2, 4};
static int32_t PAGES[] = {4, 0, 1, 4, 2}, QUERY_KINDS[] = {0, 1, 1, 0, 1}, KEY_KINDS[] = {0, 2, 1, 0, 2},
               TYPES[] = {0, 1, 2, 1, 1, 0};
static int32_t PICKED[] = {2, -1, 0, 2}, ALL_ROWS[] = {0, 1, 2, 3, 4}, CLASSES[] = {0, 1, 1, -1};

static const struct segments ROW_SEGMENTS = {{SEGMENTS, ROWS, {ROW_OFFSETS}}, {KEYS}};
static const struct segments QUERY_SEGMENTS = {{SEGMENTS, QUERIES, {QUERY_OFFSETS}}, {KEYS}};
static const struct graphs GRAPHS = {{{SEGMENTS, ROWS, {ROW_OFFSETS}}, {KEYS}}, {EDGES, {EDGE_OFFSETS}, {SOURCES}}};
static const struct dropout DROPOUT = {0.4, 3, 1, 2};

static struct device device;
static struct comm comm;
static struct tape tape;
static dev_real loss;
static struct var *second; /* a second result of a layer, or NULL */

/* ---- the layers, by the name and shapes of their inputs ---- */
struct layer {
    const char *name;
    struct var *(*apply)(struct var **in); /* NULL: a loss, which went to `loss` */
    int n_inputs;
    int64_t shape[MOST_INPUTS][2];
};

static struct var *linear(struct var **in) { return nn_linear(&tape, in[0], in[1], in[2]); }
static struct var *linear_without_bias(struct var **in) { return nn_linear(&tape, in[0], in[1], NULL); }

/* What works in place gets a copy, as the tape overwrites only what is its own. */
static struct var *copy(struct var *x) { return nn_gather(&tape, x, (dev_int){ALL_ROWS}, x->rows); }
static struct var *add_bias(struct var **in) { return nn_add_bias(&tape, copy(in[0]), in[1]); }
static struct var *add(struct var **in) { return nn_add(&tape, in[0], copy(in[1])); }
static struct var *combine(struct var **in) {
    return nn_combine(&tape, 3, (const double[]){2, -0.5, 1}, (struct var *[]){in[0], in[1], in[0]});
}
static struct var *mix(struct var **in) { return nn_mix(&tape, in[0], in[1], in[2]); }
static struct var *relu(struct var **in) { return nn_activate(&tape, ACTIVATION_RELU, copy(in[0])); }
static struct var *gelu(struct var **in) { return nn_activate(&tape, ACTIVATION_GELU, in[0]); }
static struct var *activations(struct var **in) {
    struct var *y = in[0];
    for (int f = 0; f < N_ACTIVATIONS; f++) y = nn_activate(&tape, (enum activation)f, copy(y));
    return y;
}
static struct var *glu(struct var **in) { return nn_glu(&tape, ACTIVATION_SILU, in[0], in[1]); }
static struct var *glu_of_one(struct var **in) { return nn_glu(&tape, ACTIVATION_SIGMOID, in[0], in[0]); }
static struct var *linear_tanh(struct var **in) {
    return nn_linear_map(&tape, in[0], (struct linear_terms){.weight = in[1], .bias = in[2], .f = ACTIVATION_TANH});
}
static struct var *linear_gelu(struct var **in) {
    return nn_linear_map(&tape, in[0], (struct linear_terms){.weight = in[1], .bias = in[2], .f = ACTIVATION_GELU});
}
/* Frozen weights of fixed numbers, [4, 3]; the bias is not. */
static struct packed_weights *packed;
static struct var *linear_frozen(struct var **in) {
    return nn_linear_map(&tape, in[0], (struct linear_terms){.packed = packed, .bias = in[1], .f = ACTIVATION_SIGMOID});
}
static struct var *dropout(struct var **in) { return nn_dropout(&tape, copy(in[0]), ROW_SEGMENTS, DROPOUT); }
static struct var *add_scaled_bias(struct var **in) { return nn_add_scaled_bias(&tape, copy(in[0]), in[1], in[2]); }
static struct var *relu_of_bias_of_sum(struct var **in) {
    return nn_activate(&tape, ACTIVATION_RELU, nn_add_bias(&tape, nn_add(&tape, in[0], copy(in[1])), in[2]));
}

static struct var *gather(struct var **in) { return nn_gather(&tape, in[0], (dev_int){PICKED}, QUERIES); }
static struct bag bags(void) { return (struct bag){.items = {2, 4, {NULL}}, .index = {PICKED}}; }
static struct var *bag(struct var **in) { return nn_bag(&tape, in[0], NULL, bags()); }
static struct var *weighted_bag(struct var **in) { return nn_bag(&tape, in[0], in[1], bags()); }
/* Two heads of two, and a column that stays. */
static struct var *rope(struct var **in) {
    struct rope rope = {.heads = 2, .head_dim = 2, .position = {ALL_ROWS}, .base = 100};
    return nn_rope(&tape, copy(in[0]), rope);
}
static struct var *segment_mean(struct var **in) { return nn_segment_mean(&tape, in[0], ROW_SEGMENTS); }
/* The mean of segments of parts of rows. */
static struct var *split_rows(struct var **in) {
    return nn_segment_mean(&tape, nn_split_rows(&tape, nn_add(&tape, in[0], copy(in[0])), 2), ROW_SEGMENTS);
}
static struct var *concat(struct var **in) { return nn_concat(&tape, in[0], in[1]); }
static struct norm_terms norm_by(struct var *gain, struct var *bias, int center) {
    return (struct norm_terms){.gain = gain, .bias = bias, .epsilon = 1e-5, .center = center};
}
static struct var *layer_norm(struct var **in) { return nn_norm(&tape, in[0], norm_by(in[1], in[2], 1)); }
static struct var *rms_norm(struct var **in) { return nn_norm(&tape, in[0], norm_by(in[1], NULL, 0)); }
static struct var *add_norm(struct var **in) {
    return nn_add_norm(&tape, in[0], copy(in[1]), norm_by(in[2], in[3], 1), NULL);
}
/* A pre-norm block's way: the sum goes on as well. */
static struct var *pre_norm(struct var **in) {
    struct var *sum, *y = nn_add_norm(&tape, in[0], copy(in[1]), norm_by(in[2], NULL, 0), &sum);
    return nn_concat(&tape, sum, y);
}
static struct var *l2_normalize(struct var **in) { return nn_l2_normalize(&tape, in[0]); }
static struct var *gcn_aggregate(struct var **in) { return nn_gcn_aggregate(&tape, in[0], GRAPHS); }
static struct var *head_dots(struct var **in) { return nn_head_dots(&tape, in[0], in[1], HEADS); }
static struct var *graph_attention(struct var **in) { return nn_graph_attention(&tape, in[0], in[1], in[2], GRAPHS); }
static struct var *head_linear(struct var **in) { return nn_head_linear(&tape, in[0], in[1], HEADS); }
static struct var *head_linear_transposed(struct var **in) {
    return nn_head_linear_transposed(&tape, in[0], in[1], HEADS);
}
/* Of the query segments, or of the rows themselves, to the rows. */
static struct nn_attention attention_of(struct var *q, struct var *k, struct var *v, int64_t kv_heads,
                                        int64_t head_dim) {
    struct nn_attention a = {.q = q, .k = k, .v = v};
    a.shape.queries = spans_of(q->rows == QUERIES ? QUERY_SEGMENTS.rows : ROW_SEGMENTS.rows);
    a.shape.keys = spans_of(ROW_SEGMENTS.rows);
    a.shape.heads = HEADS, a.shape.kv_heads = kv_heads, a.shape.head_dim = head_dim;
    a.shape.scale = 0.5, a.shape.drop_keys.at = KEYS, a.shape.dropout = DROPOUT;
    return a;
}
static struct var *attention(struct var **in) {
    struct nn_attention a = attention_of(in[0], in[1], in[1], HEADS, 3);
    a.v_column = 6;
    return nn_attention(&tape, &a, NULL);
}
/* One row has queries, keys and values. */
static struct var *attention_fused(struct var **in) {
    struct nn_attention a = attention_of(in[0], in[0], in[0], 1, 3);
    a.k_column = 6, a.v_column = 9, a.shape.causal = 1;
    return nn_attention(&tape, &a, NULL);
}
/* The same beside columns that it does not use. */
static struct var *attention_of_some_columns(struct var **in) {
    struct nn_attention a = attention_of(in[0], in[0], in[0], 1, 2);
    a.q_column = 1, a.k_column = 5, a.v_column = 9;
    return nn_attention(&tape, &a, NULL);
}
/* Keys and values may be each other's rows, and the queries', in part. */
static struct var *attention_to_itself(struct var **in) {
    struct nn_attention a = attention_of(in[0], in[1], in[0], HEADS, 3);
    return nn_attention(&tape, &a, NULL);
}
static struct var *attention_of_types(struct var **in) {
    struct nn_attention a = attention_of(in[0], in[1], in[2], 1, 4);
    a.bias = in[3];
    a.shape.types = (struct pair_types){3, 3, {QUERY_KINDS}, {KEY_KINDS}, {TYPES}, {NULL}, {NULL}};
    return nn_attention(&tape, &a, &second);
}
/* What types add to keys depends on the query. */
static struct var *attention_of_types_of_queries(struct var **in) {
    struct nn_attention a = attention_of(in[0], in[1], in[2], 1, 4);
    a.dots = in[3];
    a.shape.types = (struct pair_types){3, 3, {QUERY_KINDS}, {KEY_KINDS}, {TYPES}, {NULL}, {NULL}};
    return nn_attention(&tape, &a, &second);
}
static struct var *attention_to_pages(struct var **in) {
    struct nn_attention a = attention_of(in[0], in[1], in[2], HEADS, 3);
    a.shape.key_index.at = PAGES;
    return nn_attention(&tape, &a, NULL);
}
/* Queries, keys and values of one variable whose gradient begins here: the rows that are picked are added to. */
static struct var *attention_to_own_pages(struct var **in) {
    struct var *x = nn_linear(&tape, in[0], in[1], NULL);
    struct nn_attention a = attention_of(x, x, x, 1, 3);
    a.k_column = 6, a.v_column = 9, a.shape.key_index.at = PAGES;
    return nn_attention(&tape, &a, NULL);
}
static struct var *attention_to_shared_rows(struct var **in) {
    struct nn_attention a = attention_of(in[0], in[1], in[1], 1, 4);
    a.shape.queries = spans_of_single_rows(SEGMENTS);
    return nn_attention(&tape, &a, &second);
}
/* Gradients of keys or of values alone have begun when attention's turn comes. */
static struct var *attention_beside_keys(struct var **in) {
    struct nn_attention a = attention_of(in[0], in[1], in[2], HEADS, 3);
    return nn_add(&tape, in[1], copy(nn_attention(&tape, &a, NULL)));
}
static struct var *attention_beside_values(struct var **in) {
    struct nn_attention a = attention_of(in[0], in[1], in[2], HEADS, 3);
    return nn_add(&tape, in[2], copy(nn_attention(&tape, &a, NULL)));
}
/* An input that is used twice collects both gradients, in whatever order they come. */
static struct var *used_twice(struct var **in) {
    struct var *q = nn_linear(&tape, in[0], in[1], NULL);
    struct var *kv = nn_concat(&tape, q, in[0]);
    struct nn_attention a = attention_of(q, kv, kv, HEADS, 2);
    a.v_column = 4;
    struct var *y = copy(nn_attention(&tape, &a, NULL));
    return nn_add(&tape, nn_norm(&tape, q, norm_by(in[2], in[3], 1)), y);
}

static struct losses losses_of_one_rank(void) {
    return (struct losses){.tape = &tape, .comm = &comm, .temperature = 0.5, .terms = loss};
}
static struct var *nce(struct var **in) {
    static int n = QUERIES, zero;
    struct row_shares shares = {&n, &zero, QUERIES};
    struct losses losses = losses_of_one_rank();
    losses.terms.at -= TERM_SHARED;
    loss_comparisons(&losses, 1, &(struct contrast){TERM_SHARED, in[0], in[1], &shares, NULL, {CLASSES}}, 0, NULL);
    return NULL;
}
static int four = 4, none_before;
static const struct row_shares FOUR = {&four, &none_before, 4};
static int begins[] = {0, 1, 4};
static const struct part_rows PARTS = {2, begins};
static struct var *nce_of_parts(struct var **in) {
    struct losses losses = losses_of_one_rank();
    losses.terms.at -= TERM_SHARED;
    loss_comparisons(&losses, 1, &(struct contrast){TERM_SHARED, in[0], in[1], &FOUR, &PARTS, {NULL}}, 0, NULL);
    return NULL;
}
/* Rows in[0] should have the neighbours that constant rows have, one of them alone in its part. */
static struct var *neighbours_of(struct var **in, const struct part_rows *parts) {
    static double known[4 * 2] = {1, 0.3, -0.2, 1, 0.8, 0.9, -1, 0.1};
    struct losses losses = losses_of_one_rank();
    losses.terms.at -= TERM_NEIGHBOURS_TEXT;
    struct neighbours near = {TERM_NEIGHBOURS_TEXT,
                              0.7,
                              0.5,
                              0.8,
                              tape_borrow(&tape, 4, 2, (dev_real){known}, (dev_real){NULL}),
                              in[0],
                              &FOUR,
                              parts};
    loss_comparisons(&losses, 0, NULL, 1, &near);
    return NULL;
}
static struct var *neighbours(struct var **in) { return neighbours_of(in, NULL); }
static struct var *neighbours_of_parts(struct var **in) { return neighbours_of(in, &PARTS); }
static struct var *cosine(struct var **in) {
    struct losses losses = losses_of_one_rank();
    losses.terms.at -= TERM_ALIGN;
    loss_cosine(&losses, TERM_ALIGN, -2, in[0], in[1], 3);
    return NULL;
}
static struct var *orthogonality(struct var **in) {
    struct losses losses = losses_of_one_rank();
    losses.terms.at -= TERM_ORTHOGONAL_TEXT;
    loss_orthogonalities(&losses, 1, &(struct orthogonality){TERM_ORTHOGONAL_TEXT, 0.7, in[0], in[1], &FOUR, NULL});
    return NULL;
}
static struct var *orthogonality_of_parts(struct var **in) {
    struct losses losses = losses_of_one_rank();
    losses.terms.at -= TERM_ORTHOGONAL_TEXT;
    loss_orthogonalities(&losses, 1, &(struct orthogonality){TERM_ORTHOGONAL_TEXT, 0.7, in[0], in[1], &FOUR, &PARTS});
    return NULL;
}

static struct var *sum_of_squares(struct var **in) {
    nn_sum(&tape, nn_glu(&tape, ACTIVATION_NONE, in[0], in[0]), -0.3, loss);
    return NULL;
}
static struct var *softmax_divergence(struct var **in) {
    nn_softmax_divergence(&tape, in[0], in[1], in[2], 1, 4, 0.7, 2, loss);
    return NULL;
}
static struct var *cross_entropy(struct var **in) {
    nn_cross_entropy(&tape, in[0], in[1], in[2], (struct cross_entropy){.scale = 0.7, .weight = 2, .target = {PICKED}},
                     loss, (dev_real){NULL});
    return NULL;
}
/* The logits are themselves the result of layers. */
static struct var *bce_of_linear(struct var **in) {
    static int32_t labels[] = {1, 0, -1, 1, 0, 0, 1, -1};
    nn_bce(&tape, nn_linear(&tape, in[0], in[1], NULL), (struct bce){.y = {labels}, .weight = 0.5}, loss);
    return NULL;
}

static const struct layer LAYERS[] = {
    {"linear", linear, 3, {{5, 3}, {4, 3}, {1, 4}}},
    {"linear without bias", linear_without_bias, 2, {{5, 3}, {4, 3}}},
    {"add_bias", add_bias, 2, {{5, 3}, {1, 3}}},
    {"add", add, 2, {{5, 3}, {5, 3}}},
    {"combine", combine, 2, {{5, 3}, {5, 3}}},
    {"mix", mix, 3, {{1, 1}, {5, 3}, {5, 3}}},
    {"linear and tanh", linear_tanh, 3, {{5, 3}, {4, 3}, {1, 4}}},
    {"linear and gelu", linear_gelu, 3, {{5, 3}, {4, 3}, {1, 4}}},
    {"frozen linear", linear_frozen, 2, {{5, 3}, {1, 4}}},
    {"relu", relu, 1, {{5, 3}}},
    {"gelu", gelu, 1, {{5, 3}}},
    {"all activations", activations, 1, {{5, 3}}},
    {"glu", glu, 2, {{5, 3}, {5, 3}}},
    {"glu of one", glu_of_one, 1, {{5, 3}}},
    {"dropout", dropout, 1, {{5, 3}}},
    {"add_scaled_bias", add_scaled_bias, 3, {{5, 6}, {5, 2}, {1, 6}}},
    {"relu of bias of sum", relu_of_bias_of_sum, 3, {{5, 3}, {5, 3}, {1, 3}}},
    {"gather", gather, 1, {{5, 3}}},
    {"bag", bag, 1, {{5, 3}}},
    {"weighted bag", weighted_bag, 2, {{5, 3}, {4, 1}}},
    {"rope", rope, 1, {{5, 5}}},
    {"segment_mean", segment_mean, 1, {{5, 3}}},
    {"split_rows", split_rows, 1, {{5, 4}}},
    {"concat", concat, 2, {{5, 3}, {5, 2}}},
    {"layer norm", layer_norm, 3, {{5, 6}, {1, 6}, {1, 6}}},
    {"rms norm", rms_norm, 2, {{5, 6}, {1, 6}}},
    {"norm of a sum", add_norm, 4, {{5, 6}, {5, 6}, {1, 6}, {1, 6}}},
    {"norm of a sum that goes on", pre_norm, 3, {{5, 6}, {5, 6}, {1, 6}}},
    {"l2_normalize", l2_normalize, 1, {{5, 3}}},
    {"gcn_aggregate", gcn_aggregate, 1, {{5, 3}}},
    {"head_dots", head_dots, 2, {{5, 6}, {1, 6}}},
    {"graph_attention", graph_attention, 3, {{5, 6}, {5, 2}, {5, 2}}},
    {"head_linear", head_linear, 2, {{5, 6}, {8, 3}}},
    {"head_linear_transposed", head_linear_transposed, 2, {{5, 8}, {8, 3}}},
    {"attention", attention, 2, {{4, 6}, {5, 12}}},
    {"attention, fused", attention_fused, 1, {{5, 12}}},
    {"attention of some columns", attention_of_some_columns, 1, {{5, 12}}},
    {"attention to itself", attention_to_itself, 2, {{5, 6}, {5, 6}}},
    {"attention of types", attention_of_types, 4, {{4, 8}, {5, 4}, {5, 4}, {2, 3}}},
    {"attention of types of queries", attention_of_types_of_queries, 4, {{4, 8}, {5, 4}, {5, 4}, {4, 6}}},
    {"attention to pages", attention_to_pages, 3, {{4, 6}, {5, 6}, {5, 6}}},
    {"attention to its own pages", attention_to_own_pages, 2, {{5, 3}, {12, 3}}},
    {"attention to shared rows", attention_to_shared_rows, 2, {{3, 8}, {5, 4}}},
    {"attention beside its keys", attention_beside_keys, 3, {{5, 6}, {5, 6}, {5, 6}}},
    {"attention beside its values", attention_beside_values, 3, {{5, 6}, {5, 6}, {5, 6}}},
    {"an input used twice", used_twice, 4, {{5, 4}, {4, 4}, {1, 4}, {1, 4}}},
    {"nce", nce, 2, {{4, 3}, {4, 3}}},
    {"nce of parts", nce_of_parts, 2, {{4, 3}, {4, 3}}},
    {"neighbours", neighbours, 1, {{4, 3}}},
    {"neighbours_of_parts", neighbours_of_parts, 1, {{4, 3}}},
    {"softmax_divergence", softmax_divergence, 3, {{4, 3}, {4, 3}, {5, 3}}},
    {"cross_entropy", cross_entropy, 3, {{4, 3}, {5, 3}, {1, 5}}},
    {"sum of squares", sum_of_squares, 1, {{4, 3}}},
    {"bce of linear", bce_of_linear, 2, {{4, 3}, {2, 3}}},
    {"cosine", cosine, 2, {{4, 3}, {4, 3}}},
    {"orthogonality", orthogonality, 2, {{4, 3}, {4, 3}}},
    {"orthogonality of parts", orthogonality_of_parts, 2, {{4, 3}, {4, 3}}},
};
enum { N_LAYERS = sizeof LAYERS / sizeof *LAYERS };

/* ---- differentiation ---- */
struct operand {
    double value[64], gradient[64];
};

static void fill_operands(struct operand *operands, const struct layer *layer) {
    for (int i = 0; i < layer->n_inputs; i++)
        for (int64_t k = 0; k < layer->shape[i][0] * layer->shape[i][1]; k++)
            operands[i].value[k] = rng_normal(5, 1, (uint32_t)i, (uint64_t)k);
}

static double weighted_sum(struct var *y, uint32_t stream, int backward) {
    double sum = 0;
    dev_real dy = {NULL};
    if (!y) return 0;
    if (backward && y->needs_grad) dy = tape_grad(&tape, y);
    for (int64_t k = 0; k < y->rows * y->cols; k++) {
        double w = rng_normal(6, stream, 0, (uint64_t)k);
        sum += w * y->value.at[k];
        if (dy.at) dy.at[k] += w;
    }
    return sum;
}

/* The loss; bit i of `frozen`: input i is a constant. backward: gradients too, added to the operands'. */
static double run(const struct layer *layer, struct operand *operands, unsigned frozen, int backward) {
    struct var *in[MOST_INPUTS];
    tape_reset(&tape, 0);
    loss.at[0] = 0;
    second = NULL;
    for (int i = 0; i < layer->n_inputs; i++)
        in[i] = tape_borrow(&tape, layer->shape[i][0], layer->shape[i][1], (dev_real){operands[i].value},
                            (dev_real){frozen >> i & 1 ? NULL : operands[i].gradient});
    struct var *y = layer->apply(in);
    double sum = loss.at[0] + weighted_sum(y, 1, backward) + weighted_sum(second, 2, backward);
    if (backward) tape_backward(&tape);
    if (tape_status(&tape) != STATUS_OK) fail_msg("%s: %s", layer->name, status_message());
    return sum;
}

static void clear_gradients(struct operand *operands) {
    for (int i = 0; i < MOST_INPUTS; i++) memset(operands[i].gradient, 0, sizeof operands[i].gradient);
}

/* Central differences of step 1e-5 err by some 1e-10 times the third derivative, and by 1e-16 / 1e-5 of the loss. */
static void gradients_agree_with_differences(void **state) {
    (void)state;
    for (int l = 0; l < N_LAYERS; l++) {
        const struct layer *layer = &LAYERS[l];
        struct operand operands[MOST_INPUTS];
        fill_operands(operands, layer);
        clear_gradients(operands);
        run(layer, operands, 0, 1);
        for (int i = 0; i < layer->n_inputs; i++) {
            double largest = 0;
            for (int64_t k = 0; k < layer->shape[i][0] * layer->shape[i][1]; k++) {
                double *x = &operands[i].value[k], old = *x, step = 1e-5;
                *x = old + step;
                double up = run(layer, operands, ALL, 0);
                *x = old - step;
                double slope = (up - run(layer, operands, ALL, 0)) / (2 * step);
                *x = old;
                largest = fmax(largest, fabs(slope));
                if (!(fabs(slope - operands[i].gradient[k]) < 2e-8))
                    fail_msg("%s, input %d, value %lld: gradient %.12g, difference %.12g", layer->name, i, (long long)k,
                             operands[i].gradient[k], slope);
            }
            if (largest < 1e-3) fail_msg("%s: input %d makes no difference", layer->name, i);
        }
    }
}

static void a_frozen_input_changes_no_other_gradient(void **state) {
    (void)state;
    for (int l = 0; l < N_LAYERS; l++) {
        const struct layer *layer = &LAYERS[l];
        struct operand whole[MOST_INPUTS], part[MOST_INPUTS];
        fill_operands(whole, layer);
        fill_operands(part, layer);
        clear_gradients(whole);
        double value = run(layer, whole, 0, 1);
        for (unsigned frozen = 1; frozen < 1U << layer->n_inputs; frozen++) {
            clear_gradients(part);
            assert_true(run(layer, part, frozen, 1) == value);
            for (int i = 0; i < layer->n_inputs; i++)
                for (int64_t k = 0; k < layer->shape[i][0] * layer->shape[i][1]; k++)
                    if (part[i].gradient[k] != (frozen >> i & 1 ? 0 : whole[i].gradient[k]))
                        fail_msg("%s, frozen %x: input %d, value %lld has the gradient %.17g", layer->name, frozen, i,
                                 (long long)k, part[i].gradient[k]);
        }
    }
}

static void constants_alone_record_nothing(void **state) {
    (void)state;
    for (int l = 0; l < N_LAYERS; l++) {
        const struct layer *layer = &LAYERS[l];
        struct operand operands[MOST_INPUTS];
        fill_operands(operands, layer);
        run(layer, operands, ALL, 0);
        if (tape.last) fail_msg("%s records constants", layer->name);
    }
}

/* ---- the quantiser: its rules are no derivatives (test_model_gradients_f64 differentiates a frozen function) ---- */
enum { CODES = 6, DIM = 3 };

static void quantize(struct operand *operands, unsigned frozen, int normalized, enum quantizer_gradient gradient) {
    struct var *in[2];
    int64_t rows[2] = {ROWS, CODES};
    tape_reset(&tape, 0);
    loss.at[0] = 0;
    for (int i = 0; i < 2; i++)
        in[i] = tape_borrow(&tape, rows[i], DIM, (dev_real){operands[i].value},
                            (dev_real){frozen >> i & 1 ? NULL : operands[i].gradient});
    struct quantized q = quantizer_apply(&tape, in[0], nn_l2_normalize(&tape, in[1]),
                                         (struct assignment){{0, CODES}, 2, ASSIGN_NEAREST, gradient},
                                         (struct codebook_loss){0.5, 0.25, normalized, loss});
    weighted_sum(q.value, 3, 1);
    tape_backward(&tape);
    assert_int_equal(tape_status(&tape), STATUS_OK);
    assert_non_null(q.z->value.at); /* all of it stays until reset */
    assert_non_null(q.u->value.at);
    assert_non_null(q.value->value.at);
}

static void the_quantizer_takes_frozen_inputs(void **state) {
    (void)state;
    const struct layer shapes = {"quantizer", NULL, 2, {{ROWS, DIM}, {CODES, DIM}}};
    for (int kind = 0; kind < 4; kind++) {
        int normalized = kind % 2;
        enum quantizer_gradient gradient = kind / 2 ? GRADIENT_ROTATION : GRADIENT_STRAIGHT_THROUGH;
        struct operand whole[MOST_INPUTS], part[MOST_INPUTS];
        fill_operands(whole, &shapes);
        fill_operands(part, &shapes);
        clear_gradients(whole);
        quantize(whole, 0, normalized, gradient);
        for (unsigned frozen = 1; frozen < 4; frozen++) {
            clear_gradients(part);
            quantize(part, frozen, normalized, gradient);
            for (int i = 0; i < 2; i++)
                for (int k = 0; k < (i ? CODES : ROWS) * DIM; k++)
                    assert_true(part[i].gradient[k] == (frozen >> i & 1 ? 0 : whole[i].gradient[k]));
        }
        assert_true(whole[0].gradient[0] != 0);
        assert_true(whole[1].gradient[0] != 0 || whole[1].gradient[DIM] != 0);
    }
}

static int open_world(void **state) {
    (void)state;
    comm = comm_self();
    if (device_open_cpu(&device, 1)) return -1;
    tape_init(&tape, &device);
    loss = device_alloc_reals(&device, 1);
    real weight[12];
    for (int i = 0; i < 12; i++) weight[i] = rng_normal(7, 1, 0, (uint64_t)i);
    packed = device.run->linear_pack(&device, 3, 4, weight, STORAGE_REAL, PRODUCTS_F32);
    return loss.at && packed ? 0 : -1;
}

static int close_world(void **state) {
    (void)state;
    tape_free(&tape);
    device_free_reals(&device, loss);
    device.run->linear_free(&device, packed);
    device_close(&device);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_agree_with_differences),
        cmocka_unit_test(a_frozen_input_changes_no_other_gradient),
        cmocka_unit_test(constants_alone_record_nothing),
        cmocka_unit_test(the_quantizer_takes_frozen_inputs),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
