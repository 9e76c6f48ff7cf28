/* The model in evaluation: no dropout, no second view, no losses. */
#include "medtok/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
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
                    const real *value) {
    int64_t k = rows->top_k, d = rows->dim;
    memcpy(rows->tokens + (row * N_GROUPS + group) * k, tokens, (size_t)k * sizeof *tokens);
    for (int64_t j = 0; j < k; j++) rows->weights[(row * N_GROUPS + group) * k + j] = (float)weights[j];
    for (int64_t j = 0; j < d; j++) rows->embedding[(row * N_GROUPS + group) * d + j] = (float)value[j];
}

/* Row i of the group belongs to row offset + positions[i]. */
static int set_group(struct token_rows *rows, struct device *device, int group, const struct quantized *q,
                     const int32_t *positions, int64_t offset) {
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
        set_row(rows, offset + positions[i], group, tokens + i * k, weights + i * k, value + i * d);
done:
    free(tokens);
    free(weights);
    free(value);
    return status;
}

int token_rows_set(struct token_rows *rows, const struct inference *inference, int64_t offset) {
    for (int g = 0; g < N_GROUPS; g++)
        TRY(set_group(rows, inference->tape.device, g, &inference->output.groups[g],
                      group_positions(&inference->batch, (enum token_group)g), offset));
    return STATUS_OK;
}

/* ---- a trained model ---- */
int tokenizer_make(struct tokenizer *t, const struct tokenizer_options *options, struct device *device) {
    const struct model_settings *m = &options->model;
    struct vocabulary sizes;
    int64_t step;
    *t = (struct tokenizer){.options = *options, .device = device, .self = comm_self()};
    TRY(vocabulary_read_sizes(options->vocabulary, &sizes));
    TRY(text_source_open(&t->text, options->text, options->features, m->seed, device));
    TRY(model_make(&t->model, &t->parameters, m, t->text.dim, sizes.n_nodes));
    TRY(parameter_set_allocate(&t->parameters, device, 0, 1, 0));
    inference_make(&t->inference, &t->model, &t->self, device);
    return parameters_load(&t->parameters, options->checkpoint, options->averaged, &step);
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
}

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
    TRY_DONE(batch_builder_make(&builder, t->device, &dataset));
    for (int64_t at = 0; at < count; at += block) {
        int64_t n = at + block < count ? block : count - at;
        TRY_DONE(inference_run(&t->inference, &dataset, &builder, codes + at, n, STATUS_OK));
        TRY_DONE(token_rows_set(rows, &t->inference, at));
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
