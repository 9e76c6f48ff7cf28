/* The model in evaluation: no dropout, no second view, no losses. */
#include "medtok/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/device_status.h"
#include "store/checkpoint.h"
#include "train/saving.h"

int token_rows_make(struct token_rows *rows, int64_t n, const struct quantizer_options *options) {
    int64_t picks = N_GROUPS * options->top_k;
    *rows = (struct token_rows){.n = n, .top_k = options->top_k, .dim = options->dim};
    TRY(mem_alloc(&rows->tokens, n * picks, sizeof *rows->tokens));
    TRY(mem_alloc(&rows->weights, n * picks, sizeof *rows->weights));
    return mem_alloc(&rows->embedding, n * N_GROUPS * options->dim, sizeof *rows->embedding);
}

void token_rows_free(struct token_rows *rows) {
    free(rows->tokens);
    free(rows->weights);
    free(rows->embedding);
    *rows = (struct token_rows){0};
}

void token_rows_clear(struct token_rows *rows, int64_t count) {
    int64_t picks = count * N_GROUPS * rows->top_k;
    memset(rows->tokens, 0xff, (size_t)picks * sizeof *rows->tokens); /* -1 */
    memset(rows->weights, 0, (size_t)picks * sizeof *rows->weights);
    memset(rows->embedding, 0, (size_t)(count * N_GROUPS * rows->dim) * sizeof *rows->embedding);
}

static void set_row(struct token_rows *rows, int64_t row, int group, const int32_t *tokens, const real *weights,
                    const real *value, double scale) {
    int64_t k = rows->top_k, d = rows->dim;
    memcpy(rows->tokens + (row * N_GROUPS + group) * k, tokens, (size_t)k * sizeof *tokens);
    for (int64_t j = 0; j < k; j++) rows->weights[(row * N_GROUPS + group) * k + j] = (float)weights[j];
    for (int64_t j = 0; j < d; j++)
        rows->embedding[(row * N_GROUPS + group) * d + j] = (float)(scale * (double)value[j]);
}

/* Row i of the group belongs to row offset + positions[i]; scale: of its part of the embedding. */
static int set_group(struct token_rows *rows, struct device *device, int group, const struct quantized *q,
                     const int32_t *positions, int64_t offset, double scale) {
    int64_t n = q->value->rows, k = rows->top_k, d = rows->dim;
    int32_t *tokens = NULL;
    real *weights = NULL, *value = NULL;
    int status;
    TRY_DONE(mem_alloc(&tokens, n * k, sizeof *tokens));
    TRY_DONE(mem_alloc(&weights, n * k, sizeof *weights));
    TRY_DONE(mem_alloc(&value, n * d, sizeof *value));
    device_download_ints(device, tokens, q->tokens, n * k);
    device_download_reals(device, weights, q->weights, n * k);
    device_download_reals(device, value, q->value->value, n * d);
    for (int64_t i = 0; i < n; i++)
        set_row(rows, offset + positions[i], group, tokens + i * k, weights + i * k, value + i * d, scale);
done:
    free(tokens);
    free(weights);
    free(value);
    return status;
}

int token_rows_set(struct token_rows *rows, const struct inference *inference, int64_t offset, double graph_weight) {
    for (int g = 0; g < N_GROUPS; g++)
        TRY(set_group(rows, inference->tape.device, g, &inference->output.groups[g],
                      group_positions(&inference->batch, (enum token_group)g), offset,
                      group_is_of_graph((enum token_group)g) ? graph_weight : 1));
    return STATUS_OK;
}

/* ---- a trained model ---- */
/* The model but for its nodes, of which the parameters get no row: the window has them. */
static int make_model(struct tokenizer *t) {
    const struct model_settings *m = &t->options.model;
    struct vocabulary sizes;
    int64_t step;
    TRY(vocabulary_read_sizes(t->options.vocabulary, &sizes));
    TRY(text_source_open(&t->text, t->options.text, t->options.features, m->seed, t->device));
    TRY(model_make(&t->model, &t->parameters, m, t->text.dim, sizes.n_nodes));
    TRY(parameter_set_allocate(&t->parameters, t->device, 0, 0, 0));
    inference_make(&t->inference, &t->model, &t->self, t->device);
    return parameters_load(&t->parameters, t->options.checkpoint, t->options.averaged, &step);
}

/* This rank's rows of the node table. */
static int read_nodes(struct tokenizer *t, const struct parameter *p) {
    int64_t step;
    struct checkpoint_entry entry = {
        .name = p->name, .rows = p->rows, .cols = p->cols, .first = t->table.first, .count = t->table.count};
    *(t->options.averaged ? &entry.average : &entry.value) = t->table.own;
    return checkpoint_read(t->options.checkpoint, &entry, 1, &step);
}

int tokenizer_make(struct tokenizer *t, const struct comm *comm, const struct tokenizer_options *options,
                   struct device *device, int status) {
    *t = (struct tokenizer){.options = *options, .device = device, .self = comm_self()};
    if (status == STATUS_OK) status = make_model(t);
    const struct parameter *p = status == STATUS_OK ? t->model.nodes : &t->nodes;
    TRY(row_window_open(&t->table, comm, p->rows, p->cols, status));
    TRY(row_window_share(&t->table, read_nodes(t, p)));
    t->nodes = (struct parameter){.name = p->name, .cols = p->cols};
    t->model.nodes = &t->nodes;
    return STATUS_OK;
}

void tokenizer_turn_to(struct tokenizer *t, const char *vocabulary, const char *features) {
    t->options.vocabulary = vocabulary;
    t->options.features = features;
    if (t->text.features_path) t->text.features_path = features;
}

void tokenizer_free(struct tokenizer *t) {
    if (!t->device) return;
    inference_free(&t->inference);
    model_free(&t->model);
    parameter_set_free(&t->parameters);
    text_source_close(&t->text);
    row_window_close(&t->table);
    device_free_reals(t->device, t->nodes.value);
    free(t->list);
    free(t->rows);
}

/* ---- nodes of the codes in hand ---- */
/* Lists the distinct nodes of the dataset, ascending, and numbers them in their places: to the model they are all there are. */
static int number_nodes(struct tokenizer *t, struct vocabulary *v, int64_t *n) {
    int64_t words = (v->n_nodes + 63) / 64, all = v->node_offsets[v->n_codes];
    uint64_t *bits = NULL;
    int32_t *before = NULL;
    int status;
    *n = 0;
    TRY_DONE(mem_alloc(&bits, words, sizeof *bits));
    TRY_DONE(mem_alloc(&before, words, sizeof *before));
    for (int64_t k = 0; k < all; k++) bits[v->nodes[k] / 64] |= (uint64_t)1 << v->nodes[k] % 64;
    for (int64_t w = 0; w < words; w++) {
        before[w] = (int32_t)*n;
        *n += __builtin_popcountll(bits[w]);
    }
    TRY_DONE(mem_grow(&t->list, &t->list_capacity, *n + 1, sizeof *t->list));
    for (int64_t k = 0; k < all; k++) {
        int64_t node = v->nodes[k], w = node / 64;
        v->nodes[k] = before[w] + __builtin_popcountll(bits[w] & (((uint64_t)1 << node % 64) - 1));
        t->list[v->nodes[k]] = (int32_t)node;
    }
    v->n_nodes = *n;
done:
    free(bits);
    free(before);
    return status;
}

/* float32 rows as they are; the double build of the tests widens them. */
static int upload_nodes(struct tokenizer *t, int64_t n_values) {
    real *wide;
    if (sizeof(real) == sizeof(float)) {
        device_upload_reals(t->device, t->nodes.value, (const real *)(const void *)t->rows, n_values);
        return STATUS_OK;
    }
    TRY(mem_alloc(&wide, n_values, sizeof *wide));
    for (int64_t i = 0; i < n_values; i++) wide[i] = (real)t->rows[i];
    device_upload_reals(t->device, t->nodes.value, wide, n_values);
    free(wide);
    return STATUS_OK;
}

static int fetch_nodes(struct tokenizer *t, struct vocabulary *v) {
    struct parameter *p = &t->nodes;
    int64_t n, values;
    TRY(number_nodes(t, v, &n));
    values = n * p->cols;
    TRY(mem_grow(&t->rows, &t->rows_capacity, values + 1, sizeof *t->rows));
    TRY(row_window_read(&t->table, n, t->list, t->rows));
    if (values > t->nodes_capacity || !p->value.at) {
        device_free_reals(t->device, p->value);
        t->nodes_capacity = values + values / 8 + p->cols;
        p->value = device_alloc_reals(t->device, t->nodes_capacity);
        TRY(device_status(t->device));
    }
    p->rows = p->count = n;
    return upload_nodes(t, values);
}

/* ---- codes ---- */
int tokenizer_run(struct tokenizer *t, int64_t first, int64_t count, struct token_rows *rows) {
    struct dataset dataset = {0};
    struct batch_builder builder = {0};
    int64_t *codes = NULL, block = t->options.block;
    int status;
    token_rows_clear(rows, count);
    if (count == 0) return STATUS_OK;
    TRY_DONE(mem_alloc(&codes, count, sizeof *codes));
    for (int64_t i = 0; i < count; i++) codes[i] = first + i;
    TRY_DONE(dataset_read(&dataset, &t->self, t->options.vocabulary, &t->text, t->options.model.sides, codes, count,
                          STATUS_OK));
    TRY_DONE(fetch_nodes(t, &dataset.vocabulary));
    TRY_DONE(batch_builder_make(&builder, t->device, &dataset));
    for (int64_t at = 0; at < count; at += block) {
        int64_t n = at + block < count ? block : count - at;
        comm_progress(); /* for those who read this rank's nodes */
        TRY_DONE(inference_run(&t->inference, &dataset, &builder, codes + at, n, STATUS_OK));
        TRY_DONE(token_rows_set(rows, &t->inference, at, t->options.graph_weight));
    }
done:
    free(codes);
    batch_builder_free(&builder);
    dataset_free(&dataset);
    return status;
}

int tokenizer_codebook(struct tokenizer *t, float *codebook) {
    const struct parameter *c = t->model.codebook;
    struct tape *tape = &t->inference.tape;
    real *host;
    tape_reset(tape, 1);
    struct var *rows = nn_l2_normalize(tape, parameter_var(tape, c));
    TRY(tape_status(tape));
    TRY(mem_alloc(&host, c->rows * c->cols, sizeof *host));
    device_download_reals(t->device, host, rows->value, c->rows * c->cols);
    for (int64_t i = 0; i < c->rows * c->cols; i++) codebook[i] = (float)host[i];
    free(host);
    return STATUS_OK;
}
