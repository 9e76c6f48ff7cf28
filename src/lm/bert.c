/* Names of tensors become blocks, and the blocks are run: read bert_forward first. */
#include "lm/bert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* ---- weights ---- */
/* The tensor, [rows, cols] (cols 0: a vector), to `values`. */
static int read_tensor(const struct model_folder *folder, const char *name, int64_t rows, int64_t cols, real *values) {
    int64_t n = rows * (cols ? cols : 1);
    float *tensor = NULL;
    TRY(mem_alloc(&tensor, n, sizeof *tensor));
    int status = model_folder_tensor(folder, name, rows, cols, tensor);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) values[i] = tensor[i];
    free(tensor);
    return status;
}

/* A parameter and the tensors of which it consists, one below the other. */
struct source {
    struct parameter *to;
    const char *names[2];
};

static int load(struct bert *b, const struct model_folder *folder, const char *prefix, const struct source *source,
                enum precision_of_products precision) {
    struct parameter *p = source->to;
    int is_vector = p->rows == 1, n = source->names[1] ? 2 : 1, status = STATUS_OK;
    int64_t rows = (is_vector ? p->cols : p->rows) / n, cols = is_vector ? 0 : p->cols;
    char name[128];
    real *values = NULL;
    TRY(mem_alloc(&values, p->rows * p->cols, sizeof *values));
    for (int i = 0; i < n && status == STATUS_OK; i++) {
        snprintf(name, sizeof name, "%s%s", prefix, source->names[i]);
        status = read_tensor(folder, name, rows, cols, values + i * (p->rows * p->cols / n));
    }
    if (status == STATUS_OK && p->flags & PARAMETER_PACKED)
        status = parameter_pack(&b->parameters, p, values, STORAGE_REAL, precision);
    else if (status == STATUS_OK)
        device_upload_reals(b->device, p->value, values, p->rows * p->cols);
    free(values);
    return status;
}

static int load_layer(struct bert *b, const struct model_folder *folder, int64_t layer,
                      enum precision_of_products precision) {
    const struct block *l = &b->blocks[layer];
    const struct source sources[] = {
        {l->self.query.weight, {"attention.self.query.weight"}},
        {l->self.query.bias, {"attention.self.query.bias"}},
        {l->self.key_value.weight, {"attention.self.key.weight", "attention.self.value.weight"}},
        {l->self.key_value.bias, {"attention.self.key.bias", "attention.self.value.bias"}},
        {l->self.output.weight, {"attention.output.dense.weight"}},
        {l->self.output.bias, {"attention.output.dense.bias"}},
        {l->self.norm.gain, {"attention.output.LayerNorm.weight"}},
        {l->self.norm.bias, {"attention.output.LayerNorm.bias"}},
        {l->up.weight, {"intermediate.dense.weight"}},
        {l->up.bias, {"intermediate.dense.bias"}},
        {l->down.weight, {"output.dense.weight"}},
        {l->down.bias, {"output.dense.bias"}},
        {l->norm.gain, {"output.LayerNorm.weight"}},
        {l->norm.bias, {"output.LayerNorm.bias"}},
    };
    char prefix[64];
    snprintf(prefix, sizeof prefix, "encoder.layer.%lld.", (long long)layer);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) TRY(load(b, folder, prefix, &sources[i], precision));
    return STATUS_OK;
}

/* All tokens are of type 0, so that its vector is a part of each position's. */
static int load_embeddings(struct bert *b, const struct model_folder *folder) {
    const struct bert_config *c = &b->config;
    const struct source gain = {b->norm.gain, {"LayerNorm.weight"}}, bias = {b->norm.bias, {"LayerNorm.bias"}};
    int64_t n_words = c->vocabulary * c->hidden, n_positions = c->positions * c->hidden;
    real *values = NULL, *types = NULL;
    int status;
    TRY_DONE(mem_alloc(&values, n_words + n_positions, sizeof *values));
    TRY_DONE(mem_alloc(&types, c->types * c->hidden, sizeof *types));
    TRY_DONE(read_tensor(folder, "embeddings.word_embeddings.weight", c->vocabulary, c->hidden, values));
    TRY_DONE(read_tensor(folder, "embeddings.position_embeddings.weight", c->positions, c->hidden, values + n_words));
    TRY_DONE(read_tensor(folder, "embeddings.token_type_embeddings.weight", c->types, c->hidden, types));
    for (int64_t i = 0; i < n_positions; i++) values[n_words + i] += types[i % c->hidden];
    device_upload_reals(b->device, b->embeddings->value, values, n_words + n_positions);
    TRY_DONE(load(b, folder, "embeddings.", &gain, PRODUCTS_F32));
    TRY_DONE(load(b, folder, "embeddings.", &bias, PRODUCTS_F32));
done:
    free(values);
    free(types);
    return status;
}

static void add_parameters(struct bert *b) {
    const struct bert_config *c = &b->config;
    struct parameter_set *set = &b->parameters;
    unsigned frozen = PARAMETER_FROZEN;
    char name[32];
    b->embeddings = parameter_add(set, c->vocabulary + c->positions, c->hidden, (struct init){0}, frozen, "embeddings");
    b->norm = norm_map_add(set, c->hidden, 1, frozen, "norm");
    for (int64_t i = 0; i < c->layers; i++) {
        snprintf(name, sizeof name, "layer.%lld", (long long)i);
        block_add(set, &b->blocks[i], &b->shape, c->hidden, c->intermediate, frozen | PARAMETER_PACKED, name);
    }
}

int bert_open(struct bert *b, struct device *device, const struct model_folder *folder,
              enum precision_of_products precision) {
    const struct bert_config *c = &folder->config;
    int status;
    *b = (struct bert){.config = *c, .device = device};
    b->shape = (struct block_shape){.heads = c->heads,
                                    .f = c->activation,
                                    .epsilon = c->layer_norm_epsilon,
                                    .center = 1,
                                    .hidden_dropout = c->hidden_dropout,
                                    .attention_dropout = c->attention_dropout};
    tape_init(&b->tape, device);
    TRY_DONE(mem_alloc(&b->blocks, c->layers, sizeof *b->blocks));
    add_parameters(b);
    TRY_DONE(parameter_set_allocate(&b->parameters, device, 0, 1, 0));
    TRY_DONE(load_embeddings(b, folder));
    for (int64_t i = 0; i < c->layers; i++) TRY_DONE(load_layer(b, folder, i, precision));
    status = tape_status(&b->tape);
done:
    if (status != STATUS_OK) bert_close(b);
    return status;
}

void bert_close(struct bert *b) {
    if (!b->device) return;
    tape_free(&b->tape);
    parameter_set_free(&b->parameters);
    free(b->blocks);
    free(b->host);
    *b = (struct bert){0};
}

/* ---- the forward pass ---- */
/* Sends the texts to the device in one piece. Each token is a bag of two rows of the embeddings: its word and its position. */
static int send_texts(struct bert *b, const int32_t *offsets, const int32_t *ids, const int32_t *keys,
                      struct block_rows *rows, struct bag *tokens) {
    int64_t n = rows->segments.rows.n, n_tokens = rows->segments.rows.n_rows, count = 2 * n + 1 + 2 * n_tokens;
    TRY(mem_grow(&b->host, &b->host_capacity, count, sizeof *b->host));
    int32_t *index = b->host + n + 1;
    memcpy(b->host, offsets, (size_t)(n + 1) * sizeof *offsets);
    for (int64_t i = 0; i < n; i++) {
        int64_t length = offsets[i + 1] - offsets[i];
        for (int64_t k = 0, at = offsets[i]; k < length; k++, at++) {
            index[2 * at] = ids[at];
            index[2 * at + 1] = (int32_t)(b->config.vocabulary + k);
        }
        rows->n_pairs += length * length;
        index[2 * n_tokens + i] = keys ? keys[i] : 0;
    }
    dev_int on_device = tape_ints(&b->tape, count);
    TRY(tape_status(&b->tape));
    device_upload_ints(b->device, on_device, b->host, count);
    rows->segments.rows.offsets = on_device;
    *tokens = (struct bag){.items = {n_tokens, 2 * n_tokens, {NULL}}, .index = dev_int_at(on_device, n + 1)};
    rows->segments.keys = dev_int_at(tokens->index, 2 * n_tokens);
    return STATUS_OK;
}

int bert_forward(struct bert *b, int64_t n_texts, const int32_t *offsets, const int32_t *ids,
                 const struct bert_dropout *dropout, struct bert_hidden *hidden) {
    struct tape *tape = &b->tape;
    struct block_rows rows = {.segments = {.rows = {n_texts, offsets[n_texts], {NULL}}}};
    struct bag tokens;
    tape_reset(tape, dropout == NULL);
    TRY(send_texts(b, offsets, ids, dropout ? dropout->keys : NULL, &rows, &tokens));
    if (dropout) rows.dropout = (struct dropout){0, dropout->seed, dropout->stream, dropout->step};
    struct dropout first = rows.dropout;
    first.rate = b->config.hidden_dropout;
    struct tape_scope scope = tape_scope_begin(tape);
    struct var *x = nn_bag(tape, parameter_var(tape, b->embeddings), NULL, tokens);
    x = nn_norm(tape, x, norm_map_terms(tape, b->norm, b->shape.epsilon, b->shape.center));
    x = nn_dropout(tape, x, rows.segments, first);
    for (int64_t i = 0; i < b->config.layers; i++) {
        x = nn_block(tape, x, &b->blocks[i], &b->shape, &rows, NULL, 1 + BLOCK_SITES * (int)i);
        x = tape_scope_end(tape, scope, x);
    }
    *hidden = (struct bert_hidden){x->value, rows.segments.rows.offsets};
    return tape_status(tape);
}
