/* The gradient of every parameter of the whole model against central differences, in double precision.
 *
 * The quantiser's straight-through and stop-gradient rules are not derivatives of the loss, so the differences are taken of
 * the function that they stand for: with z0 and q0 frozen at the point of differentiation, the value passed on is z + (q0 - z0),
 * or, with the rotation trick, |q0|/|z0| R z with the rotation R that turns z0 to q0, and the codebook loss is |z0 - q|^2 + commit |z - q0|^2. The linker's --wrap puts that function instead of
 * quantizer_apply while differences are taken. Likewise the graph's feature is frozen where it is what tokens are decoded to. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "model_settings.h"
#include "made_dataset.h"

enum { N_CODES = 7, N_NODES = 12, TEXT_DIM = 5, N_TEXT_ROWS = 11, CALLS = 8 };

/* ---- the frozen quantiser ---- */
static int frozen, call;
static double *z0[CALLS], *q0[CALLS], *target0[CALLS]; /* target: what the codebook loss compares, z or z / |z| */

struct quantized __real_quantizer_apply(struct tape *, struct var *, struct var *, struct assignment,
                                        struct codebook_loss);
struct quantized __wrap_quantizer_apply(struct tape *, struct var *, struct var *, struct assignment,
                                        struct codebook_loss);

static double *keep(double *old, const double *values, int64_t n) {
    double *copy = realloc(old, (size_t)(n + 1) * sizeof *copy); /* n may be 0 */
    if (n > 0) memcpy(copy, values, (size_t)n * sizeof *copy);
    return copy;
}

static double *make_target(const struct var *z, int normalized) {
    double *t = keep(NULL, z->value.at, z->rows * z->cols);
    for (int64_t r = 0; normalized && r < z->rows; r++) {
        double square = 0;
        for (int64_t c = 0; c < z->cols; c++) square += t[r * z->cols + c] * t[r * z->cols + c];
        for (int64_t c = 0; c < z->cols; c++) t[r * z->cols + c] /= sqrt(square);
    }
    return t;
}

static double dot(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* x [n] becomes |q|/|z| (I - 2 r r^T + 2 q' z'^T) x, with r halfway between the directions z' and q' (Fifty et al., 2024). */
static void rotate(int64_t n, const double *z, const double *q, double *x) {
    double of_z = sqrt(dot(z, z, n)), of_q = sqrt(dot(q, q, n)), square = 0, along = 0, along_z = dot(z, x, n) / of_z;
    for (int64_t i = 0; i < n; i++) {
        double s = z[i] / of_z + q[i] / of_q;
        square += s * s;
        along += s * x[i];
    }
    for (int64_t i = 0; i < n; i++)
        x[i] = of_q / of_z * (x[i] - 2 * along / square * (z[i] / of_z + q[i] / of_q) + 2 * along_z * q[i] / of_q);
}

struct quantized __wrap_quantizer_apply(struct tape *tape, struct var *z, struct var *codebook,
                                        struct assignment assign, struct codebook_loss loss) {
    int64_t n = z->rows * z->cols;
    int i = call++;
    assert_true(i < CALLS);
    if (!frozen) {
        struct quantized out = __real_quantizer_apply(tape, z, codebook, assign, loss);
        z0[i] = keep(z0[i], z->value.at, n);
        q0[i] = keep(q0[i], out.value->value.at, n);
        free(target0[i]);
        target0[i] = make_target(z, loss.normalized);
        return out;
    }
    struct codebook_loss none = loss;
    none.weight = 0;
    struct quantized out = __real_quantizer_apply(tape, z, codebook, assign, none);
    double *q = out.value->value.at, *target = make_target(z, loss.normalized), sum = 0;
    for (int64_t k = 0; k < n; k++) {
        double to_code = target0[i][k] - q[k], to_z = target[k] - q0[i][k];
        sum += to_code * to_code + loss.commit * to_z * to_z;
        q[k] = z->value.at[k] + q0[i][k] - z0[i][k];
    }
    for (int64_t k = 0; k < n && assign.gradient == GRADIENT_ROTATION; k += z->cols) {
        memcpy(q + k, z->value.at + k, (size_t)z->cols * sizeof *q);
        rotate(z->cols, z0[i] + k, q0[i] + k, q + k);
    }
    free(target);
    if (loss.weight > 0) loss.loss.at[0] += loss.weight * sum;
    return out;
}

/* ---- the graph's feature as a target, which is constant too ---- */
static double *graph_target;
__typeof__(loss_cosine) __real_loss_cosine, __wrap_loss_cosine;
__typeof__(loss_comparisons) __real_loss_comparisons, __wrap_loss_comparisons;

static struct var *constant_target(struct tape *tape, struct var *g) {
    if (!frozen) graph_target = keep(graph_target, g->value.at, g->rows * g->cols);
    return frozen ? tape_borrow(tape, g->rows, g->cols, (dev_real){graph_target}, (dev_real){NULL}) : g;
}

void __wrap_loss_cosine(struct losses *losses, enum loss_term term, double weight, struct var *a, struct var *b,
                        int total) {
    if (term == TERM_RECONSTRUCTION_GRAPH) b = constant_target(losses->tape, b);
    __real_loss_cosine(losses, term, weight, a, b, total);
}

void __wrap_loss_comparisons(struct losses *losses, int n_contrasts, const struct contrast *contrasts, int n_neighbours,
                             const struct neighbours *neighbours) {
    struct neighbours constant[MOST_NEIGHBOURS];
    for (int i = 0; i < n_neighbours; i++) {
        constant[i] = neighbours[i];
        if (constant[i].term == TERM_NEIGHBOURS_GRAPH)
            constant[i].known = constant_target(losses->tape, constant[i].known);
    }
    __real_loss_comparisons(losses, n_contrasts, contrasts, n_neighbours, constant);
}

/* ---- a small world ---- */
struct world {
    struct config config;
    struct comm comm;
    struct device device;
    struct parameter_set parameters;
    struct model model;
    struct dataset dataset;
    struct batch_builder builder;
    struct tape tape;
    struct row_shares text, graph, both;
    int text_n[1], graph_n[1], both_n[1], zero[1];
    dev_real terms, nodes_grad;
};

static uint32_t random_word(uint64_t i) {
    uint32_t w[4];
    rng_words(7, 1, 0, i, 0, w);
    return w[0];
}

/* Codes 2 and 5 have no graph; the others have 1 to 5 nodes and some edges. Every code has 1 to 4 tokens. */
static void fill_dataset(struct dataset *d) {
    static const int NODES[N_CODES] = {3, 5, 0, 1, 4, 0, 2};
    struct vocabulary *v = &d->vocabulary;
    struct text_features *t = &d->text;
    make_dataset(d, 0, N_CODES, N_NODES, 64, 256, 64, N_TEXT_ROWS, TEXT_DIM);
    for (int i = 0; i < N_TEXT_ROWS * TEXT_DIM; i++) t->rows_f32[i] = (float)rng_normal(3, 1, 0, (uint64_t)i);
    for (int i = 0; i < N_CODES; i++) {
        int64_t node = v->node_offsets[i], edge = v->edge_offsets[i], token = t->token_offsets[i];
        for (int k = 0; k < NODES[i]; k++) v->nodes[node++] = (i * 3 + k * 2) % N_NODES;
        for (int target = 0; target < NODES[i]; target++)
            for (int source = 0; source < NODES[i]; source++)
                if (source != target && random_word((uint64_t)(i * 100 + source * 10 + target)) % 3) {
                    v->edge_source[edge] = (uint16_t)source;
                    v->edge_target[edge++] = (uint16_t)target;
                }
        for (int k = 0; k < 1 + i % 4; k++) t->token_row[token++] = k == 0 ? i : 7 + (i + k) % 4;
        v->node_offsets[i + 1] = node;
        v->edge_offsets[i + 1] = edge;
        t->token_offsets[i + 1] = token;
    }
}

static int make_world_of(void **state, const char *encoder) {
    static const char *const SETTINGS[] = {
        "quantizer.size=24", "quantizer.dim=8",          "quantizer.top_k=3",          "attention.heads=2",
        "graph.node_dim=6",  "graph.hidden=7",           "loss.temperature=0.3",       "graph.edge_drop=0.3",
        "text.dropout=0.2",  "quantizer.loss_space=raw", "quantizer.shared_region=all"};
    struct world *w;
    mem_alloc(&w, 1, sizeof *w);
    assert_int_equal(config_defaults(&w->config), STATUS_OK);
    assert_int_equal(config_read_file(&w->config, PLAIN_SETTINGS), STATUS_OK);
    for (size_t i = 0; i < sizeof SETTINGS / sizeof *SETTINGS; i++)
        assert_int_equal(config_set(&w->config, SETTINGS[i]), STATUS_OK);
    assert_int_equal(config_set(&w->config, encoder), STATUS_OK);
    w->comm = comm_self();
    assert_int_equal(device_open_cpu(&w->device, 1), 0);
    fill_dataset(&w->dataset);
    struct model_settings settings = model_settings(&w->config);
    assert_int_equal(model_make(&w->model, &w->parameters, &settings, TEXT_DIM, N_NODES), STATUS_OK);
    assert_int_equal(parameter_set_allocate(&w->parameters, &w->device, 0, 1, 1), STATUS_OK);
    assert_int_equal(parameter_set_initialize(&w->parameters, 5), STATUS_OK);
    assert_int_equal(batch_builder_make(&w->builder, &w->device, &w->dataset), STATUS_OK);
    tape_init(&w->tape, &w->device);
    w->terms = device_alloc_reals(&w->device, N_TERMS);
    *state = w;
    return 0;
}

static int make_world(void **state) { return make_world_of(state, "graph.encoder=gcn"); }
static int make_gat_world(void **state) { return make_world_of(state, "graph.encoder=gat"); }
static int make_decoding_world(void **state) { return make_world_of(state, "loss.reconstruction=0.7"); }

static int make_feature_world(void **state) { return make_world_of(state, "model.text_specific=feature"); }

static int free_world(void **state) {
    struct world *w = *state;
    tape_free(&w->tape);
    batch_builder_free(&w->builder);
    dataset_free(&w->dataset);
    model_free(&w->model);
    parameter_set_free(&w->parameters);
    device_free_reals(&w->device, w->terms);
    device_close(&w->device);
    config_free(&w->config);
    for (int i = 0; i < CALLS; i++) {
        free(z0[i]);
        free(q0[i]);
        free(target0[i]);
        z0[i] = q0[i] = target0[i] = NULL;
    }
    free(graph_target);
    graph_target = NULL;
    free(w);
    return 0;
}

static struct row_shares one_share(int *n, int *zero, int64_t rows) {
    *n = (int)rows;
    return (struct row_shares){n, zero, (int)rows};
}

/* The loss at the current parameters. With `backward`, all gradients too: the node table's are put together here, as the
 * training does through the row exchange. */
static double evaluate(struct world *w, int backward) {
    struct batch batch;
    int64_t codes[N_CODES];
    for (int i = 0; i < N_CODES; i++) codes[i] = i;
    struct view_drop drop = {w->config.graph.edge_drop, 1, 11, 3, w->config.graph.node_drop};
    assert_int_equal(batch_build(&batch, &w->builder, &w->dataset, codes, N_CODES, drop), STATUS_OK);
    w->text = one_share(w->text_n, w->zero, batch.n_text);
    w->graph = one_share(w->graph_n, w->zero, batch.n_graph);
    w->both = one_share(w->both_n, w->zero, batch.n_both);
    const struct parameter *table = w->model.nodes;
    tape_reset(&w->tape, 0);
    w->device.run->fill(&w->device, N_TERMS, 0, w->terms);
    parameter_set_clear_gradients(&w->parameters);
    struct var *nodes = tape_leaf(&w->tape, batch.n_distinct, table->cols);
    w->device.run->gather_rows(&w->device, batch.n_distinct, table->cols, table->value, batch.distinct, nodes->value);
    w->model.settings = model_settings(&w->config); /* tests change some */
    struct losses losses = {
        .tape = &w->tape, .comm = &w->comm, .temperature = w->config.loss.temperature, .terms = w->terms};
    struct model_training training = {
        .losses = &losses, .text = &w->text, .graph = &w->graph, .both = &w->both, .step = 3};
    call = 0;
    model_forward(&w->model, &w->tape, &batch, nodes, &training);
    if (backward) {
        tape_backward(&w->tape);
        w->device.run->scatter_add_rows(&w->device, batch.n_distinct, table->cols, tape_grad(&w->tape, nodes),
                                        batch.distinct, table->grad);
    }
    assert_int_equal(tape_status(&w->tape), STATUS_OK);
    double sum = 0;
    for (int i = 0; i < N_TERMS; i++) sum += w->terms.at[i];
    return sum;
}

static int begins_with_one_of(const char *name, const char *const *prefixes) {
    for (; *prefixes; prefixes++)
        if (strncmp(name, *prefixes, strlen(*prefixes)) == 0) return 1;
    return 0;
}

/* unused: beginnings of the names of parameters whose gradient is 0; all others have some. */
static void check_gradients(struct world *w, const char *const *unused) {
    frozen = 0;
    double base = evaluate(w, 1);
    assert_true(isfinite(base));
    double *gradients[N_PARAMETER_GROUPS] = {NULL};
    for (int g = 0; g < PARAMETERS_FROZEN; g++) {
        const struct parameter_stretch *s = &w->parameters.group[g];
        gradients[g] = malloc((size_t)s->n * sizeof **gradients);
        memcpy(gradients[g], s->grad.at, (size_t)s->n * sizeof **gradients);
    }
    frozen = 1;
    assert_true(fabs(evaluate(w, 0) - base) < 1e-9 * fabs(base)); /* the frozen function agrees where it was frozen */
    for (int p = 0; p < w->parameters.n; p++) {
        const struct parameter *q = w->parameters.list[p];
        const double *gradient = gradients[q->group] + q->offset;
        double worst = 0, largest = 0;
        for (int64_t i = 0; i < q->rows * q->cols; i++) {
            double old = q->value.at[i], step = 1e-5;
            q->value.at[i] = old + step;
            double up = evaluate(w, 0);
            q->value.at[i] = old - step;
            double down = evaluate(w, 0), slope = (up - down) / (2 * step);
            q->value.at[i] = old;
            if (fabs(slope - gradient[i]) > worst) worst = fabs(slope - gradient[i]);
            if (fabs(slope) > largest) largest = fabs(slope);
        }
        if (q == w->model.codebook && w->config.quantizer.update == UPDATE_EMA) {
            for (int64_t i = 0; i < q->rows * q->cols; i++) assert_true(gradient[i] == 0);
            continue;
        }
        /* Central differences of step h are off by h^2 f''' / 6 and by rounding, 1e-16 |f| / h: about 1e-9 here. */
        if (worst > 1e-6 * (1 + largest)) fail_msg("%s: a gradient is off by %g (largest %g)", q->name, worst, largest);
        int used = !begins_with_one_of(q->name, unused);
        /* What is added to all logits of a softmax alike cancels: a key's bias, and graph attention's target but where
         * the logits of a node lie on both sides of LeakyReLU's kink. */
        int may_cancel = strstr(q->name, "key_value.bias") != NULL || strstr(q->name, ".target") != NULL;
        if (used && !may_cancel && largest == 0) fail_msg("%s has no gradient at all", q->name);
        if (!used && largest > 0) fail_msg("%s has a gradient", q->name);
    }
    for (int g = 0; g < PARAMETERS_FROZEN; g++) free(gradients[g]);
}

static void check_all_gradients(struct world *w) {
    static const char *const NONE[] = {NULL};
    check_gradients(w, NONE);
}

static void model_gradients_are_those_of_the_loss(void **state) { check_all_gradients(*state); }

static void model_gradients_are_those_of_the_loss_with_graph_attention(void **state) { check_all_gradients(*state); }

static void model_gradients_hold_for_normalized_loss_space_and_middle_region(void **state) {
    struct world *w = *state;
    config_set(&w->config, "quantizer.loss_space=normalized");
    config_set(&w->config, "quantizer.shared_region=middle");
    check_all_gradients(w);
}

static void model_gradients_hold_for_residual_quantisation(void **state) {
    struct world *w = *state;
    config_set(&w->config, "quantizer.assign=residual");
    config_set(&w->config, "quantizer.loss_space=normalized");
    config_set(&w->config, "quantizer.shared_region=middle");
    check_all_gradients(w);
}

static void model_gradients_hold_for_sparse_coding(void **state) {
    struct world *w = *state;
    config_set(&w->config, "quantizer.assign=sparse");
    check_all_gradients(w);
    config_set(&w->config, "quantizer.loss_space=normalized");
    config_set(&w->config, "quantizer.shared_region=middle");
    check_all_gradients(w);
}

static void model_gradients_hold_for_text_specific_vectors_of_features(void **state) { check_all_gradients(*state); }

static void model_gradients_hold_for_reconstruction(void **state) {
    struct world *w = *state;
    check_all_gradients(w);
    assert_true(w->terms.at[TERM_RECONSTRUCTION_TEXT] != 0 && w->terms.at[TERM_RECONSTRUCTION_GRAPH] != 0);
}

/* Views of fewer nodes, with dropout of their entries. */
static void model_gradients_hold_for_stronger_views(void **state) {
    struct world *w = *state;
    frozen = 0;
    double base = evaluate(w, 0), text = w->terms.at[TERM_SPECIFIC_TEXT], graph = w->terms.at[TERM_SPECIFIC_GRAPH];
    config_set(&w->config, "graph.node_drop=0.4");
    double fewer = evaluate(w, 0);
    config_set(&w->config, "graph.dropout=0.3");
    assert_true(fewer != base && evaluate(w, 0) != fewer);
    assert_true(w->terms.at[TERM_SPECIFIC_GRAPH] != graph);
    assert_true(w->terms.at[TERM_SPECIFIC_TEXT] == text); /* the second view of the graph meets the graph alone */
    /* A dropped entry of a node without neighbours is 0, which with a bias of 0 is ReLU's kink: there are no slopes there. */
    const struct parameter *bias = w->model.graph[0].map.bias;
    for (int64_t c = 0; c < bias->cols; c++) bias->value.at[c] = c % 2 ? 0.1 : -0.1;
    check_all_gradients(w);
}

static void take_text(struct world *w, const char *has_text);

static void model_gradients_hold_for_the_rotation_trick(void **state) {
    struct world *w = *state;
    config_set(&w->config, "quantizer.gradient=rotation");
    check_all_gradients(w);
    config_set(&w->config, "quantizer.assign=residual");
    config_set(&w->config, "quantizer.shared_region=middle");
    check_all_gradients(w);
}

static void model_gradients_hold_for_the_divergence_of_shared_vectors(void **state) {
    struct world *w = *state;
    config_set(&w->config, "loss.kl=3");
    take_text(w, "1101111");
    check_all_gradients(w);
    assert_true(w->terms.at[TERM_KL] > 0);
    config_set(&w->config, "quantizer.shared_region=middle");
    config_set(&w->config, "quantizer.update=ema"); /* constant rows */
    check_all_gradients(w);
}

static void model_gradients_hold_for_the_neighbours_of_codes(void **state) {
    struct world *w = *state;
    config_set(&w->config, "loss.neighbours=3");
    config_set(&w->config, "loss.neighbours_temperature=0.4");
    config_set(&w->config, "loss.neighbours_token_temperature=0.6");
    check_all_gradients(w);
    assert_true(w->terms.at[TERM_NEIGHBOURS_TEXT] > 0 && w->terms.at[TERM_NEIGHBOURS_GRAPH] > 0);
    take_text(w, "1101011");
    check_all_gradients(w);
}

static void under_ema_all_but_the_codebook_have_the_same_gradients(void **state) {
    struct world *w = *state;
    config_set(&w->config, "quantizer.update=ema");
    check_all_gradients(w);
}

static void model_ignores_absent_graphs(void **state) {
    struct world *w = *state;
    frozen = 0;
    evaluate(w, 1);
    for (int i = 0; i < N_TERMS; i++) assert_true(isfinite(w->terms.at[i]));
    assert_int_equal(call, 6); /* four groups and two second views */
}

/* Takes the text from the codes whose entry in `has_text` is 0. */
static void take_text(struct world *w, const char *has_text) {
    int64_t *offsets;
    mem_alloc(&offsets, N_CODES + 1, sizeof *offsets);
    for (int i = 0; i < N_CODES; i++) offsets[i + 1] = offsets[i] + (has_text[i] == '1');
    free(w->dataset.vocabulary.description_offsets);
    w->dataset.vocabulary.description_offsets = offsets;
}

static void take_graphs(struct world *w) {
    memset(w->dataset.vocabulary.node_offsets, 0, (N_CODES + 1) * sizeof(int64_t));
    memset(w->dataset.vocabulary.edge_offsets, 0, (N_CODES + 1) * sizeof(int64_t));
}

static void model_gradients_hold_with_absent_sides_mixed(void **state) {
    struct world *w = *state;
    take_text(w, "1001010"); /* codes 0 and 3 have both sides; 1, 4 and 6 a graph only; 5 text only; 2 neither */
    check_all_gradients(w);
    assert_int_equal(w->text_n[0], 3);
    assert_int_equal(w->graph_n[0], 5);
    assert_int_equal(w->both_n[0], 2);
}

/* With one side alone, by model.sides and by codes that lack the other (`take` leaves them none): what only the other needs is
 * unused, and cross-attention over no keys is 0, so that only the bias of its output map is used. */
static void check_one_side(struct world *w, enum sides sides, const char *others, void (*take)(struct world *)) {
    const char *unused[] = {others,
                            "attention.0.query",
                            "attention.0.key_value",
                            "attention.0.output.weight",
                            "attention.1.query",
                            "attention.1.key_value",
                            "attention.1.output.weight",
                            NULL};
    w->dataset.sides = sides;
    check_gradients(w, unused);
    double by_setting = evaluate(w, 0);
    w->dataset.sides = SIDES_BOTH;
    take(w);
    assert_true(evaluate(w, 0) == by_setting);
}

static void model_gradients_hold_with_text_alone(void **state) {
    check_one_side(*state, SIDES_TEXT, "graph.", take_graphs);
}

static void take_all_texts(struct world *w) { take_text(w, "0000000"); }

static void model_gradients_hold_with_graphs_alone(void **state) {
    check_one_side(*state, SIDES_GRAPH, "text.", take_all_texts);
}

static void a_batch_without_any_side_has_no_loss(void **state) {
    struct world *w = *state;
    take_text(w, "0000000");
    take_graphs(w);
    frozen = 0;
    assert_true(evaluate(w, 1) == 0);
    const struct parameter_stretch *dense = &w->parameters.group[PARAMETERS_DENSE];
    for (int64_t i = 0; i < dense->n; i++) assert_true(dense->grad.at[i] == 0);
}

static void absent_sides_hold_with_graph_attention(void **state) {
    model_gradients_hold_with_absent_sides_mixed(state);
    a_batch_without_any_side_has_no_loss(state);
}

static void model_gradients_hold_with_siblings_left_out(void **state) {
    static const int32_t CLASSES[N_CODES] = {4, 4, -1, 4, 9, 9, -1};
    struct world *w = *state;
    frozen = 0;
    evaluate(w, 0);
    double with = w->terms.at[TERM_SHARED], with_text = w->terms.at[TERM_SPECIFIC_TEXT];
    mem_alloc(&w->dataset.sibling_class, N_CODES, sizeof(int32_t));
    memcpy(w->dataset.sibling_class, CLASSES, sizeof CLASSES);
    check_all_gradients(w);
    assert_true(w->terms.at[TERM_SHARED] < with && w->terms.at[TERM_SPECIFIC_TEXT] < with_text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(model_gradients_are_those_of_the_loss, make_world, free_world),
        cmocka_unit_test_setup_teardown(model_gradients_hold_for_normalized_loss_space_and_middle_region, make_world,
                                        free_world),
        cmocka_unit_test_setup_teardown(model_gradients_hold_for_residual_quantisation, make_world, free_world),
        cmocka_unit_test_setup_teardown(model_gradients_hold_for_sparse_coding, make_world, free_world),
        cmocka_unit_test_setup_teardown(model_gradients_hold_for_text_specific_vectors_of_features, make_feature_world,
                                        free_world),
        cmocka_unit_test_setup_teardown(model_gradients_hold_for_reconstruction, make_decoding_world, free_world),
        cmocka_unit_test_setup_teardown(model_gradients_hold_for_stronger_views, make_world, free_world),
        cmocka_unit_test_setup_teardown(model_gradients_hold_for_stronger_views, make_gat_world, free_world),
        cmocka_unit_test_setup_teardown(model_gradients_hold_for_the_rotation_trick, make_world, free_world),
        cmocka_unit_test_setup_teardown(model_gradients_hold_for_the_divergence_of_shared_vectors, make_world,
                                        free_world),
        cmocka_unit_test_setup_teardown(model_gradients_hold_for_the_neighbours_of_codes, make_world, free_world),
        cmocka_unit_test_setup_teardown(under_ema_all_but_the_codebook_have_the_same_gradients, make_world, free_world),
        cmocka_unit_test_setup_teardown(model_gradients_are_those_of_the_loss_with_graph_attention, make_gat_world,
                                        free_world),
        cmocka_unit_test_setup_teardown(model_ignores_absent_graphs, make_world, free_world),
        cmocka_unit_test_setup_teardown(model_gradients_hold_with_absent_sides_mixed, make_world, free_world),
        cmocka_unit_test_setup_teardown(model_gradients_hold_with_text_alone, make_world, free_world),
        cmocka_unit_test_setup_teardown(model_gradients_hold_with_graphs_alone, make_world, free_world),
        cmocka_unit_test_setup_teardown(a_batch_without_any_side_has_no_loss, make_world, free_world),
        cmocka_unit_test_setup_teardown(absent_sides_hold_with_graph_attention, make_gat_world, free_world),
        cmocka_unit_test_setup_teardown(model_gradients_hold_with_siblings_left_out, make_world, free_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
