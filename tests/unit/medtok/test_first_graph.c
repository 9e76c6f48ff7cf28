/* What the graph side begins with: rows of nodes against plain sums, the first graph vectors against averages by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "made_dataset.h"
#include "medtok/first_graph.h"
#include "medtok/inference.h"
#include "model_settings.h"
#include "store/text_features.h"

enum { DIM = 4, TEXT_DIM = 6, N_NODES = 5, N_CODES = 2, N_ROWS = 6 };

/* float32 rounds by 6e-8, and a value here passes some ten products and sums. */
static const double TOLERANCE = 1e-5;

/* Nodes 0 and 4 have the same name, node 2 has none; rows 0 and 1 are the codes'. Row 2 + k lies at m + 3 e_2 s + 2 e_5 s', with all signs. */
static const int32_t NODE_ROW[N_NODES] = {5, 2, -1, 3, 5};
static const int32_t ALIKE[N_NODES] = {3, 3, -1, 3, 3};
static const int64_t OFFSETS[N_CODES + 1] = {0, 1, 2};
static const int32_t TOKEN_ROW[N_CODES] = {0, 1};

static float feature(int64_t row, int64_t j) {
    float x = (float)(10 + j);
    if (row < 2) return x + (float)(row * j);
    if (j == 2) x += row & 1 ? 3 : -3;
    if (j == 5) x += row & 2 ? 2 : -2;
    return x;
}

/* ---- files ---- */
static struct comm comm;
static char folder[] = "/tmp/medtok_first_graph_XXXXXX";

static struct provenance made_by(const char *job, enum file_kind kind) {
    struct provenance p = {.job = job, .config = "seed: 1\n"};
    provenance_finish(&p, kind);
    return p;
}

static void write_vocabulary(void) {
    struct provenance provenance = made_by("prepare", KIND_VOCABULARY);
    struct h5file *file;
    assert_int_equal(h5file_create(&file, &comm, "vocabulary.h5", KIND_VOCABULARY, &provenance, 0), STATUS_OK);
    assert_int_equal(h5file_commit(file), STATUS_OK);
}

static void write_features(const char *path, const int32_t *node_row) {
    struct provenance provenance = made_by("encode", KIND_TEXT);
    struct text_features_writer writer;
    struct text_features_index index = {.vocabulary = "vocabulary.h5",
                                        .encoder = "test",
                                        .n_codes = N_CODES,
                                        .n_tokens = N_CODES,
                                        .n_rows = N_ROWS,
                                        .dim = TEXT_DIM,
                                        .n_offsets = N_CODES + 1,
                                        .n_own_tokens = N_CODES,
                                        .token_offsets = OFFSETS,
                                        .token_row = TOKEN_ROW,
                                        .n_nodes = node_row ? N_NODES : 0,
                                        .n_own_nodes = node_row ? N_NODES : 0,
                                        .node_row = node_row};
    float rows[N_ROWS * TEXT_DIM];
    for (int i = 0; i < N_ROWS * TEXT_DIM; i++) rows[i] = feature(i / TEXT_DIM, i % TEXT_DIM);
    assert_int_equal(text_features_create(&writer, &comm, path, &index, &provenance, 0), STATUS_OK);
    assert_int_equal(text_features_close(&writer, text_features_write(&writer, 0, N_ROWS, rows, NULL)), STATUS_OK);
}

static int make_files(void **state) {
    (void)state;
    comm = comm_self();
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    write_vocabulary();
    write_features("text.h5", NODE_ROW);
    write_features("codes_alone.h5", NULL);
    write_features("alike.h5", ALIKE);
    return 0;
}

static int remove_files(void **state) {
    (void)state;
    unlink("vocabulary.h5");
    unlink("text.h5");
    unlink("codes_alone.h5");
    unlink("alike.h5");
    return rmdir(folder);
}

/* ---- a model ---- */
struct world {
    struct config config;
    struct device device;
    struct parameter_set parameters;
    struct model model;
    struct node_start start;
    struct optimiser optimiser;
};

static void make_world(struct world *w, const char *const *settings) {
    static const char *const SMALL[] = {"quantizer.size=24", "quantizer.dim=4",    "quantizer.top_k=2",
                                        "attention.heads=2", "graph.node_dim=4",   "graph.hidden=9",
                                        "graph.heads=2",     "attention.layers=1", NULL};
    *w = (struct world){.start = {0}};
    assert_int_equal(config_defaults(&w->config), STATUS_OK);
    assert_int_equal(config_read_file(&w->config, PLAIN_SETTINGS), STATUS_OK);
    for (int i = 0; SMALL[i]; i++) assert_int_equal(config_set(&w->config, SMALL[i]), STATUS_OK);
    for (int i = 0; settings[i]; i++) assert_int_equal(config_set(&w->config, settings[i]), STATUS_OK);
    assert_int_equal(device_open_cpu(&w->device, 1), 0);
    struct model_settings of_model = model_settings(&w->config);
    struct parameter_set *p = &w->parameters;
    assert_int_equal(model_make(&w->model, p, &of_model, TEXT_DIM, N_NODES), STATUS_OK);
    assert_int_equal(node_start_make(&w->start, &w->model, p, "text.h5", "vocabulary.h5", TEXT_DIM), STATUS_OK);
    assert_int_equal(parameter_set_allocate(p, &w->device, 0, 1, 1), STATUS_OK);
    assert_int_equal(parameter_set_initialize(p, 5), STATUS_OK);
    assert_int_equal(optimiser_make(&w->optimiser, p, &w->config.train), STATUS_OK);
}

static void free_world(struct world *w) {
    optimiser_free(&w->optimiser);
    model_free(&w->model);
    parameter_set_free(&w->parameters);
    device_close(&w->device);
    config_free(&w->config);
}

static void close_to(double found, double wanted, const char *what, int64_t i) {
    if (!(fabs(found - wanted) <= TOLERANCE * (1 + fabs(wanted))))
        fail_msg("%s[%lld] is %.9g, not %.9g", what, (long long)i, found, wanted);
}

/* ---- rows ---- */
static void node_rows_are_the_text_map_of_their_names(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {"graph.node_start=text", "model.text_map=principal", NULL};
    struct world w;
    real random[N_NODES * DIM];
    make_world(&w, SETTINGS);
    memcpy(random, w.model.nodes->value.at, sizeof random);
    assert_int_equal(node_start_check(&w.start), STATUS_OK);
    assert_int_equal(node_start_begin(&w.start, &w.model, &comm, &w.optimiser), STATUS_OK);
    const real *weight = w.model.text.weight->value.at, *bias = w.model.text.bias->value.at;
    for (int v = 0; v < N_NODES; v++)
        for (int i = 0; i < DIM; i++) {
            double wanted = bias[i];
            for (int j = 0; j < TEXT_DIM; j++)
                wanted += (double)weight[i * TEXT_DIM + j] * (double)feature(NODE_ROW[v], j);
            if (NODE_ROW[v] < 0) wanted = random[v * DIM + i]; /* without a name */
            close_to(w.model.nodes->value.at[v * DIM + i], wanted, "row", v * DIM + i);
        }
    free_world(&w);
}

/* Five names at m + 3 e_2 s + 2 e_5 s': rows 5, 2, 3, 5. Their components by hand, from the covariance of these four points. */
static void without_a_text_map_they_are_principal_components_of_names(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {"graph.node_start=text", "graph.node_dim=2", "graph.hidden=4", NULL};
    static const int NAMED[4] = {0, 1, 3, 4};
    struct world w;
    double mean[2] = {0}, c[3] = {0};
    make_world(&w, SETTINGS);
    assert_int_equal(node_start_begin(&w.start, &w.model, &comm, &w.optimiser), STATUS_OK);
    for (int k = 0; k < 4; k++)
        for (int a = 0; a < 2; a++) mean[a] += (double)feature(NODE_ROW[NAMED[k]], a ? 5 : 2) / 4;
    for (int k = 0; k < 4; k++) {
        double x = (double)feature(NODE_ROW[NAMED[k]], 2) - mean[0],
               y = (double)feature(NODE_ROW[NAMED[k]], 5) - mean[1];
        c[0] += x * x / 4, c[1] += x * y / 4, c[2] += y * y / 4;
    }
    double half = (c[0] + c[2]) / 2, apart = hypot((c[0] - c[2]) / 2, c[1]), scale = sqrt(2 / (c[0] + c[2]));
    for (int i = 0; i < 2; i++) {
        double value = i == 0 ? half + apart : half - apart, x = c[1], y = value - c[0], length = hypot(x, y);
        x /= length, y /= length;
        if ((fabs(x) > fabs(y) ? x : y) < 0) x = -x, y = -y; /* the larger of a direction is positive */
        for (int k = 0; k < 4; k++) {
            double a = (double)feature(NODE_ROW[NAMED[k]], 2) - mean[0],
                   b = (double)feature(NODE_ROW[NAMED[k]], 5) - mean[1];
            close_to(w.model.nodes->value.at[NAMED[k] * 2 + i], scale * (x * a + y * b), "component", NAMED[k] * 2 + i);
        }
    }
    free_world(&w);
}

static void a_text_file_without_names_of_nodes_is_an_error(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {"graph.node_start=text", NULL};
    struct world w;
    make_world(&w, SETTINGS);
    w.start.features = "codes_alone.h5";
    assert_int_equal(node_start_check(&w.start), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "codes_alone.h5 has no features of the names of nodes"));
    assert_non_null(strstr(status_message(), "text.nodes=yes"));
    free_world(&w);
}

/* By either map: they would become rounding, or one vector. */
static void names_that_are_all_alike_are_an_error(void **state) {
    (void)state;
    static const char *const MAPS[2][3] = {{"graph.node_start=text", NULL},
                                           {"graph.node_start=text", "model.text_map=principal", NULL}};
    for (int m = 0; m < 2; m++) {
        struct world w;
        make_world(&w, MAPS[m]);
        w.start.features = "alike.h5";
        assert_int_equal(w.start.same_as_text, m);
        assert_int_equal(node_start_begin(&w.start, &w.model, &comm, &w.optimiser), STATUS_FAILED);
        assert_non_null(strstr(status_message(), "in alike.h5 the names of all nodes have the same features"));
        free_world(&w);
    }
}

/* ---- the encoder ---- */
/* Code 0: nodes 3, 0, 2 in a line 3 - 0 - 2; code 1: node 1 alone. */
static void fill_dataset(struct dataset *d, struct text_features *text) {
    static const int32_t NODES[4] = {3, 0, 2, 1};
    static const uint16_t SOURCE[4] = {1, 0, 2, 1}, TARGET[4] = {0, 1, 1, 2};
    make_dataset(d, 0, N_CODES, N_NODES, 4, 4, N_CODES, N_CODES, TEXT_DIM);
    memcpy(d->vocabulary.nodes, NODES, sizeof NODES);
    memcpy(d->vocabulary.edge_source, SOURCE, sizeof SOURCE);
    memcpy(d->vocabulary.edge_target, TARGET, sizeof TARGET);
    d->vocabulary.node_offsets[1] = 3;
    d->vocabulary.node_offsets[2] = d->vocabulary.edge_offsets[1] = d->vocabulary.edge_offsets[2] = 4;
    for (int i = 0; i < N_CODES; i++) {
        text->token_offsets[i + 1] = i + 1;
        text->token_row[i] = i;
        for (int j = 0; j < TEXT_DIM; j++) text->rows_f32[i * TEXT_DIM + j] = feature(i, j);
    }
}

/* share[v, u]: what node v of the line takes of node u in one layer. */
static void check_first_graph_vectors(const char *encoder, const double share[3][3]) {
    static const int32_t NODES[3] = {3, 0, 2};
    const char *settings[] = {encoder, "graph.node_start=text", "graph.encoder_start=mean", NULL};
    struct world w;
    struct dataset d;
    struct batch_builder builder = {0};
    struct inference inference;
    const int64_t codes[N_CODES] = {0, 1};
    make_world(&w, settings);
    assert_int_equal(node_start_begin(&w.start, &w.model, &comm, &w.optimiser), STATUS_OK);
    assert_int_equal(first_encoder_make(&w.model, &w.optimiser), STATUS_OK);
    fill_dataset(&d, &d.text);
    assert_int_equal(batch_builder_make(&builder, &w.device, &d), STATUS_OK);
    inference_make(&inference, &w.model, &comm, &w.device);
    assert_int_equal(inference_run(&inference, &d, &builder, codes, N_CODES, STATUS_OK), STATUS_OK);
    const real *x = w.model.nodes->value.at, *z = inference.output.groups[GRAPH_SPECIFIC].z->value.at;
    for (int c = 0; c < DIM; c++) {
        double sum = 0;
        for (int v = 0; v < 3; v++)
            for (int k = 0; k < 3; k++)
                for (int u = 0; u < 3; u++) sum += share[v][k] * share[k][u] * x[NODES[u] * DIM + c] / 3;
        close_to(z[c], sum, "three nodes", c);
        close_to(z[DIM + c], x[1 * DIM + c], "one node", c);
    }
    inference_free(&inference);
    batch_builder_free(&builder);
    dataset_free(&d);
    free_world(&w);
}

/* Ends have 2 neighbours with themselves, the middle 3. */
static void the_first_graph_vector_is_the_mean_over_neighbours(void **state) {
    (void)state;
    const double across = 1 / sqrt(6.0);
    const double gcn[3][3] = {{0.5, across, 0}, {across, 1.0 / 3, across}, {0, across, 0.5}};
    const double gat[3][3] = {{0.5, 0.5, 0}, {1.0 / 3, 1.0 / 3, 1.0 / 3}, {0, 0.5, 0.5}};
    check_first_graph_vectors("graph.encoder=gcn", gcn);
    check_first_graph_vectors("graph.encoder=gat", gat);
}

/* Wider code vectors than nodes, and narrower: what both have is kept, and in the order of the components. */
static void widths_may_differ(void **state) {
    (void)state;
    static const char *const WIDER[] = {"graph.node_dim=2", "graph.encoder_start=mean", NULL};
    static const char *const NARROWER[] = {"quantizer.dim=2", "graph.encoder_start=mean", NULL};
    for (int wider = 0; wider < 2; wider++) {
        struct world w;
        make_world(&w, wider ? WIDER : NARROWER);
        assert_int_equal(first_encoder_make(&w.model, &w.optimiser), STATUS_OK);
        const struct parameter *one = w.model.graph[0].map.weight, *two = w.model.graph[1].map.weight;
        for (int64_t i = 0; i < two->rows; i++)
            for (int64_t j = 0; j < one->cols; j++) {
                double sum = 0, absolute = 0;
                for (int64_t h = 0; h < one->rows; h++) {
                    double product = (double)two->value.at[i * two->cols + h] * one->value.at[h * one->cols + j];
                    sum += product, absolute += fabs(product);
                }
                close_to(sum, i == j ? 2 : 0, "of both signs", i * one->cols + j);
                close_to(absolute, i == j ? 2 : 0, "nothing else", i * one->cols + j);
            }
        free_world(&w);
    }
}

static void too_few_hidden_values_are_an_error(void **state) {
    (void)state;
    struct config config;
    assert_int_equal(config_defaults(&config), STATUS_OK);
    assert_int_equal(config_set(&config, "graph.encoder_start=mean"), STATUS_OK);
    assert_int_equal(model_options_check(&config.graph, &config.attention, &config.quantizer), STATUS_OK);
    assert_int_equal(config_set(&config, "graph.hidden=127"), STATUS_OK);
    assert_int_equal(model_options_check(&config.graph, &config.attention, &config.quantizer), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "graph.hidden of at least 128"));
    config_free(&config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_rows_are_the_text_map_of_their_names),
        cmocka_unit_test(without_a_text_map_they_are_principal_components_of_names),
        cmocka_unit_test(a_text_file_without_names_of_nodes_is_an_error),
        cmocka_unit_test(names_that_are_all_alike_are_an_error),
        cmocka_unit_test(the_first_graph_vector_is_the_mean_over_neighbours),
        cmocka_unit_test(widths_may_differ),
        cmocka_unit_test(too_few_hidden_values_are_an_error),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
