/* The model in evaluation: no dropout, no second view, no losses. */
#include "medtok/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

int token_rows_make(struct token_rows *rows, int64_t n, const struct config *config) {
    int64_t picks = N_GROUPS * config->quantizer.top_k;
    *rows = (struct token_rows){.n = n};
    TRY(mem_alloc(&rows->tokens, n * picks, sizeof *rows->tokens));
    TRY(mem_alloc(&rows->weights, n * picks, sizeof *rows->weights));
    return mem_alloc(&rows->embedding, n * N_GROUPS * config->quantizer.dim, sizeof *rows->embedding);
}

void token_rows_free(struct token_rows *rows) {
    free(rows->tokens);
    free(rows->weights);
    free(rows->embedding);
    *rows = (struct token_rows){0};
}

int tokenizer_make(struct tokenizer *t, const struct config *config, struct device *device, const struct comm *comm) {
    struct vocabulary sizes;
    int64_t step;
    *t = (struct tokenizer){.config = config, .device = device};
    tape_init(&t->tape, device);
    TRY(vocabulary_read_sizes(config->files.vocabulary, &sizes));
    TRY(text_source_open(&t->text, config, device));
    TRY(parameters_make(&t->parameters, device, comm, config, t->text.dim, sizes.n_nodes, 0));
    return parameters_load(&t->parameters, config->files.checkpoint, &step);
}

void tokenizer_turn_to(struct tokenizer *t, const struct config *config) {
    t->config = config;
    if (t->text.features_path) t->text.features_path = config->files.text;
}

void tokenizer_free(struct tokenizer *t) {
    if (!t->device) return;
    tape_free(&t->tape);
    parameters_free(&t->parameters);
    text_source_close(&t->text);
}

static void place_row(const struct config *c, struct token_rows *rows, int64_t row, int group, const int32_t *tokens,
                      const real *weights, const real *value) {
    int64_t k = c->quantizer.top_k, d = c->quantizer.dim;
    memcpy(rows->tokens + (row * N_GROUPS + group) * k, tokens, (size_t)k * sizeof *tokens);
    for (int64_t j = 0; j < k; j++) rows->weights[(row * N_GROUPS + group) * k + j] = (float)weights[j];
    for (int64_t j = 0; j < d; j++) rows->embedding[(row * N_GROUPS + group) * d + j] = (float)value[j];
}

int token_rows_place(struct token_rows *rows, const struct config *config, struct device *device, int group,
                     const struct quantized *q, const int32_t *place, int64_t offset) {
    int64_t n = q->value->rows, k = config->quantizer.top_k, d = config->quantizer.dim;
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
        place_row(config, rows, offset + place[i], group, tokens + i * k, weights + i * k, value + i * d);
done:
    free(tokens);
    free(weights);
    free(value);
    return status;
}

static int run_block(struct tokenizer *t, const struct dataset *dataset, struct batch_builder *builder, int64_t first,
                     int64_t n, int64_t offset, struct token_rows *rows) {
    struct batch batch;
    struct model model = {t->config, &t->parameters};
    const struct parameter *table = &t->parameters.list[t->parameters.nodes];
    int64_t *codes = NULL;
    int status;
    TRY_DONE(mem_alloc(&codes, n, sizeof *codes));
    for (int64_t i = 0; i < n; i++) codes[i] = first + i;
    TRY_DONE(batch_build(&batch, builder, dataset, codes, n, (struct edge_drop){0}));
    batch_arrives(builder);
    tape_reset(&t->tape, 1);
    struct var *node_table = tape_borrow(&t->tape, table->rows, table->cols, table->value, (dev_real){NULL});
    struct var *nodes = nn_gather(&t->tape, node_table, batch.distinct, batch.n_distinct);
    struct model_output out = model_forward(&model, &t->tape, &batch, nodes, NULL);
    TRY_DONE(tape_status(&t->tape));
    for (int g = 0; g < N_GROUPS; g++) {
        int graph_side = g == GRAPH_SPECIFIC || g == SHARED_GRAPH;
        TRY_DONE(token_rows_place(rows, t->config, t->device, g, &out.groups[g],
                                  graph_side ? batch.graph_position : batch.text_position, offset));
    }
done:
    free(codes);
    return status;
}

void token_rows_clear(struct token_rows *rows, const struct config *c, int64_t count) {
    int64_t picks = count * N_GROUPS * c->quantizer.top_k;
    memset(rows->tokens, 0xff, (size_t)picks * sizeof *rows->tokens); /* -1 */
    memset(rows->weights, 0, (size_t)picks * sizeof *rows->weights);
    memset(rows->embedding, 0, (size_t)(count * N_GROUPS * c->quantizer.dim) * sizeof *rows->embedding);
}

int tokenizer_run(struct tokenizer *t, int64_t first, int64_t count, struct token_rows *rows) {
    const struct config *c = t->config;
    struct dataset dataset = {0};
    struct batch_builder builder = {0};
    int64_t *codes = NULL, block = c->tokenize.batch;
    int status;
    token_rows_clear(rows, c, count);
    if (count == 0) return STATUS_OK;
    TRY_DONE(mem_alloc(&codes, count, sizeof *codes));
    for (int64_t i = 0; i < count; i++) codes[i] = first + i;
    TRY_DONE(dataset_read(&dataset, c->files.vocabulary, &t->text, codes, count));
    TRY_DONE(batch_builder_make(&builder, t->device, &dataset));
    for (int64_t at = 0; at < count; at += block)
        TRY_DONE(run_block(t, &dataset, &builder, first + at, at + block < count ? block : count - at, at, rows));
done:
    free(codes);
    batch_builder_free(&builder);
    dataset_free(&dataset);
    return status;
}

int tokenizer_codebook(struct tokenizer *t, float *codebook) {
    const struct parameter *c = &t->parameters.list[t->parameters.codebook];
    real *host;
    tape_reset(&t->tape, 1);
    struct var *rows = nn_l2_normalize(&t->tape, tape_borrow(&t->tape, c->rows, c->cols, c->value, (dev_real){NULL}));
    TRY(tape_status(&t->tape));
    TRY(mem_alloc(&host, c->rows * c->cols, sizeof *host));
    device_download_reals(t->device, host, rows->value, c->rows * c->cols);
    for (int64_t i = 0; i < c->rows * c->cols; i++) codebook[i] = (float)host[i];
    free(host);
    return STATUS_OK;
}
