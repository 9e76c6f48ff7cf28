/* A small MedTok model that no graph was run through: its parameters, codebook and optimiser, and a batch of made-up tokens. */
#ifndef MEDTOK_TESTS_MADE_MODEL_H
#define MEDTOK_TESTS_MADE_MODEL_H

#include <math.h>

#include "base/rng.h"
#include "base/status.h"
#include "medtok/codebook.h"
#include "model_settings.h"

enum { SIZE = 12, DIM = 8, K = 2, N = 5, N_PRESENT = 3, TEXT_DIM = 6, N_NODES = 7 };

/* float32 values of size 1 through a handful of operations: a few times 2^-24. */
static const double TOLERANCE = 1e-6;

struct world {
    struct config config;
    struct comm comm;
    struct device device;
    struct parameter_set parameters;
    struct model model;
    struct optimiser optimiser;
    struct codebook codebook;
    struct usage usage;
    struct row_shares all, present;
    int n_all, n_present, zero;
    struct model_output output;
    struct var u[N_GROUPS];
};

static inline int rows_of(int group) { return group == GRAPH_SPECIFIC || group == SHARED_GRAPH ? N_PRESENT : N; }

static inline void make_tokens(struct world *w) {
    for (int g = 0; g < N_GROUPS; g++) {
        int n = rows_of(g);
        struct region r = quantizer_region(&w->config.quantizer, (enum token_group)g);
        struct quantized *q = &w->output.groups[g];
        w->u[g] = (struct var){.rows = n, .cols = DIM, .value = device_alloc_reals(&w->device, n * DIM)};
        q->u = &w->u[g];
        q->tokens = device_alloc_ints(&w->device, n * K);
        q->weights = device_alloc_reals(&w->device, n * K);
        for (int i = 0; i < n; i++) {
            double square = 0;
            for (int j = 0; j < DIM; j++) {
                real x = (real)rng_normal(5, 1, (uint32_t)g, (uint64_t)(i * DIM + j));
                q->u->value.at[i * DIM + j] = x;
                square += (double)x * x;
            }
            for (int j = 0; j < DIM; j++) q->u->value.at[i * DIM + j] /= (real)sqrt(square);
            /* the last row of each region is never picked */
            for (int k = 0; k < K; k++) q->tokens.at[i * K + k] = (int32_t)(r.first + (i + k) % (r.last - r.first - 1));
            q->weights.at[i * K] = 0.75f;
            q->weights.at[i * K + 1] = 0.25f;
        }
        usage_add(&w->usage, (enum token_group)g, q->tokens.at, n * K);
    }
}

static inline struct world *make_world(const char *const *settings) {
    static const char *const SMALL[] = {
        "quantizer.size=12", "quantizer.dim=8",  "quantizer.top_k=2",  "attention.heads=2",
        "graph.hidden=5",    "graph.node_dim=4", "attention.layers=1", NULL};
    struct world *w;
    mem_alloc(&w, 1, sizeof *w);
    assert_int_equal(config_defaults(&w->config), STATUS_OK);
    assert_int_equal(config_read_file(&w->config, PLAIN_SETTINGS), STATUS_OK);
    for (int i = 0; SMALL[i]; i++) assert_int_equal(config_set(&w->config, SMALL[i]), STATUS_OK);
    for (int i = 0; settings[i]; i++) assert_int_equal(config_set(&w->config, settings[i]), STATUS_OK);
    w->comm = comm_self();
    w->n_all = N, w->n_present = N_PRESENT;
    w->all = (struct row_shares){&w->n_all, &w->zero, N};
    w->present = (struct row_shares){&w->n_present, &w->zero, N_PRESENT};
    assert_int_equal(device_open_cpu(&w->device, 1), 0);
    struct model_settings of_model = model_settings(&w->config);
    struct parameter_set *p = &w->parameters;
    struct region regions[N_GROUPS];
    assert_int_equal(model_make(&w->model, p, &of_model, TEXT_DIM, N_NODES), STATUS_OK);
    assert_int_equal(codebook_make(&w->codebook, &w->model, &w->comm, &w->device, p), STATUS_OK);
    assert_int_equal(parameter_set_allocate(p, &w->device, 0, 1, 1), STATUS_OK);
    assert_int_equal(parameter_set_initialize(p, 5), STATUS_OK);
    assert_int_equal(optimiser_make(&w->optimiser, p, &w->config.train), STATUS_OK);
    assert_int_equal(codebook_begin(&w->codebook, &w->optimiser, 0), STATUS_OK);
    quantizer_regions(&w->config.quantizer, regions);
    assert_int_equal(usage_make(&w->usage, w->config.quantizer.size, regions), STATUS_OK);
    make_tokens(w);
    return w;
}

static inline void free_world(struct world *w) {
    for (int g = 0; g < N_GROUPS; g++) {
        device_free_reals(&w->device, w->u[g].value);
        device_free_ints(&w->device, w->output.groups[g].tokens);
        device_free_reals(&w->device, w->output.groups[g].weights);
    }
    usage_free(&w->usage);
    codebook_free(&w->codebook);
    optimiser_free(&w->optimiser);
    model_free(&w->model);
    parameter_set_free(&w->parameters);
    device_close(&w->device);
    config_free(&w->config);
    free(w);
}

static inline void close_to(double found, double wanted, const char *what, int64_t i) {
    if (!(fabs(found - wanted) <= TOLERANCE * (1 + fabs(wanted))))
        fail_msg("%s[%lld] is %.9g, not %.9g", what, (long long)i, found, wanted);
}

#endif
