/* Read bert_forward first. */
#include "lm/bert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

#define RUN(bert) (bert)->device->run

/* ---- weights ---- */
static int device_status(const struct bert *b) {
    return device_error(b->device) ? status_set(STATUS_FAILED, "%s", device_error(b->device)) : STATUS_OK;
}

/* Tensors in the order of their rows, one under the other, as host values [rows of all, cols]; the caller frees. */
static int load(const struct model_folder *folder, const char *prefix, const char *const *names, const char *suffix,
                int n, int64_t rows, int64_t cols, float **values) {
    char name[128];
    int64_t size = rows * (cols ? cols : 1);
    int status = mem_alloc(values, n * size, sizeof **values);
    for (int i = 0; i < n && status == STATUS_OK; i++) {
        snprintf(name, sizeof name, "%s%s.%s", prefix, names[i], suffix);
        status = model_folder_tensor(folder, name, rows, cols, *values + i * size);
    }
    return status;
}

static int upload(struct bert *b, const float *values, int64_t count, dev_real to) {
    real *host;
    TRY(mem_alloc(&host, count, sizeof *host));
    for (int64_t i = 0; i < count; i++) host[i] = values[i];
    device_upload_reals(b->device, to, host, count);
    free(host);
    return device_status(b);
}

static int to_device(struct bert *b, const float *values, int64_t count, dev_real *to) {
    *to = device_alloc_reals(b->device, count);
    return upload(b, values, count, *to);
}

static int load_vector(struct bert *b, const struct model_folder *folder, const char *prefix, const char *name,
                       const char *suffix, dev_real *to) {
    float *values = NULL;
    int status = load(folder, prefix, &name, suffix, 1, b->config.hidden, 0, &values);
    if (status == STATUS_OK) status = to_device(b, values, b->config.hidden, to);
    free(values);
    return status;
}

/* One linear map out of n tensors whose outputs lie side by side. */
static int load_linear(struct bert *b, const struct model_folder *folder, const char *prefix, const char *const *names,
                       int n, int64_t in, int64_t out, enum precision_of_products precision, struct linear *to) {
    float *weight = NULL, *bias = NULL;
    real *host = NULL;
    int64_t n_weights = n * out * in;
    int status;
    *to = (struct linear){.in = in, .out = n * out};
    TRY_DONE(load(folder, prefix, names, "weight", n, out, in, &weight));
    TRY_DONE(load(folder, prefix, names, "bias", n, out, 0, &bias));
    TRY_DONE(mem_alloc(&host, n_weights, sizeof *host));
    for (int64_t i = 0; i < n_weights; i++) host[i] = weight[i];
    to->packed = RUN(b)->linear_pack(b->device, in, n * out, host, STORAGE_REAL, precision);
    status = to_device(b, bias, n * out, &to->bias);
done:
    free(weight);
    free(bias);
    free(host);
    return status;
}

static int load_layer(struct bert *b, const struct model_folder *folder, int64_t number,
                      enum precision_of_products precision) {
    static const char *const QUERY[] = {"attention.self.query"},
                             *const KEY_VALUE[] = {"attention.self.key", "attention.self.value"},
                             *const ATTENDED[] = {"attention.output.dense"}, *const INNER[] = {"intermediate.dense"},
                             *const OUTER[] = {"output.dense"};
    struct bert_layer *l = &b->layers[number];
    int64_t d = b->config.hidden, wide = b->config.intermediate;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "encoder.layer.%lld.", (long long)number);
    TRY(load_linear(b, folder, prefix, QUERY, 1, d, d, precision, &l->query));
    TRY(load_linear(b, folder, prefix, KEY_VALUE, 2, d, d, precision, &l->key_value));
    TRY(load_linear(b, folder, prefix, ATTENDED, 1, d, d, precision, &l->attended));
    TRY(load_linear(b, folder, prefix, INNER, 1, d, wide, precision, &l->inner));
    l->inner.f = b->config.activation;
    TRY(load_linear(b, folder, prefix, OUTER, 1, wide, d, precision, &l->outer));
    TRY(load_vector(b, folder, prefix, "attention.output.LayerNorm", "weight", &l->attended_gain));
    TRY(load_vector(b, folder, prefix, "attention.output.LayerNorm", "bias", &l->attended_bias));
    TRY(load_vector(b, folder, prefix, "output.LayerNorm", "weight", &l->outer_gain));
    return load_vector(b, folder, prefix, "output.LayerNorm", "bias", &l->outer_bias);
}

static int load_embeddings(struct bert *b, const struct model_folder *folder) {
    static const char *const WORDS[] = {"word_embeddings"}, *const POSITIONS[] = {"position_embeddings"},
                             *const TYPES[] = {"token_type_embeddings"};
    const struct bert_config *c = &b->config;
    int64_t n_words = c->vocabulary * c->hidden, n_positions = c->positions * c->hidden;
    float *words = NULL, *positions = NULL, *types = NULL;
    int status;
    TRY_DONE(load(folder, "embeddings.", WORDS, "weight", 1, c->vocabulary, c->hidden, &words));
    TRY_DONE(load(folder, "embeddings.", POSITIONS, "weight", 1, c->positions, c->hidden, &positions));
    TRY_DONE(load(folder, "embeddings.", TYPES, "weight", 1, c->types, c->hidden, &types));
    for (int64_t i = 0; i < n_positions; i++) positions[i] += types[i % c->hidden];
    b->embeddings = device_alloc_reals(b->device, n_words + n_positions);
    TRY_DONE(upload(b, words, n_words, b->embeddings));
    TRY_DONE(upload(b, positions, n_positions, dev_real_at(b->embeddings, n_words)));
    TRY_DONE(load_vector(b, folder, "embeddings.", "LayerNorm", "weight", &b->gain));
    TRY_DONE(load_vector(b, folder, "embeddings.", "LayerNorm", "bias", &b->bias));
done:
    free(words);
    free(positions);
    free(types);
    return status;
}

int bert_open(struct bert *b, struct device *device, const struct model_folder *folder,
              enum precision_of_products precision) {
    *b = (struct bert){.config = folder->config, .device = device};
    int status = mem_alloc(&b->layers, b->config.layers, sizeof *b->layers);
    if (status == STATUS_OK) status = load_embeddings(b, folder);
    for (int64_t i = 0; i < b->config.layers && status == STATUS_OK; i++) status = load_layer(b, folder, i, precision);
    if (status != STATUS_OK) bert_close(b);
    return status;
}

static void free_all(struct bert *b, dev_real *const *buffers, int n) {
    for (int i = 0; i < n; i++) {
        device_free_reals(b->device, *buffers[i]);
        *buffers[i] = (dev_real){NULL};
    }
}

static void free_activations(struct bert *b) {
    dev_real *const all[] = {&b->x, &b->y, &b->q, &b->kv, &b->inner};
    free_all(b, all, 5);
    b->token_capacity = 0;
}

void bert_close(struct bert *b) {
    if (!b->device) return;
    dev_real *const embeddings[] = {&b->embeddings, &b->gain, &b->bias};
    for (int64_t i = 0; b->layers && i < b->config.layers; i++) {
        struct bert_layer *l = &b->layers[i];
        struct linear *const maps[] = {&l->query, &l->key_value, &l->attended, &l->inner, &l->outer};
        dev_real *const norms[] = {&l->attended_gain, &l->attended_bias, &l->outer_gain, &l->outer_bias};
        for (int k = 0; k < 5; k++) {
            RUN(b)->linear_free(b->device, maps[k]->packed);
            device_free_reals(b->device, maps[k]->bias);
        }
        free_all(b, norms, 4);
    }
    free(b->layers);
    free_all(b, embeddings, 3);
    free_activations(b);
    device_free_ints(b->device, b->ints);
    free(b->host);
    *b = (struct bert){0};
}

/* ---- the forward pass ---- */
static void make_room(struct bert *b, int64_t n_tokens) {
    if (n_tokens <= b->token_capacity) return;
    int64_t n = n_tokens + n_tokens / 4, d = b->config.hidden;
    free_activations(b);
    b->x = device_alloc_reals(b->device, n * d);
    b->y = device_alloc_reals(b->device, n * d);
    b->q = device_alloc_reals(b->device, n * d);
    b->kv = device_alloc_reals(b->device, n * 2 * d);
    b->inner = device_alloc_reals(b->device, n * b->config.intermediate);
    b->token_capacity = n;
}

struct texts {
    struct ragged tokens;
    int64_t n_pairs; /* of tokens of a text */
    dev_int rows;    /* of the embeddings, two a token: word and position */
    dev_int keys;
    const struct bert_dropout *dropout;
};

/* Sends the texts to the device in one piece. */
static int send_texts(struct bert *b, const int32_t *offsets, const int32_t *ids, struct texts *t) {
    int64_t n = t->tokens.n, tokens = t->tokens.n_rows, count = 2 * n + 1 + 2 * tokens;
    long long before = b->int_capacity;
    TRY(mem_grow(&b->host, &b->int_capacity, count, sizeof *b->host));
    if (b->int_capacity != before) {
        device_free_ints(b->device, b->ints);
        b->ints = device_alloc_ints(b->device, b->int_capacity);
    }
    int32_t *to = b->host, *rows = to + n + 1;
    memcpy(to, offsets, (size_t)(n + 1) * sizeof *to);
    for (int64_t i = 0; i < n; i++) {
        int64_t length = offsets[i + 1] - offsets[i];
        for (int64_t k = 0, at = offsets[i]; k < length; k++, at++) {
            rows[2 * at] = ids[at];
            rows[2 * at + 1] = (int32_t)(b->config.vocabulary + k);
        }
        t->n_pairs += length * length;
    }
    if (t->dropout) memcpy(rows + 2 * tokens, t->dropout->keys, (size_t)n * sizeof *to);
    if (!t->dropout) count -= n;
    device_upload_ints(b->device, b->ints, b->host, count);
    t->tokens.offsets = b->ints;
    t->rows = dev_int_at(b->ints, n + 1);
    t->keys = dev_int_at(t->rows, 2 * tokens);
    return device_status(b);
}

static struct dropout dropout_at(const struct texts *t, double rate, uint32_t site) {
    if (!t->dropout) return (struct dropout){0};
    return (struct dropout){
        .rate = rate, .seed = t->dropout->seed, .stream = t->dropout->stream + site, .step = t->dropout->step};
}

/* y = dropout(y), in place. */
static void drop(struct bert *b, const struct texts *t, uint32_t site, dev_real y) {
    if (t->dropout)
        RUN(b)->dropout(b->device, t->tokens, b->config.hidden, t->keys, dropout_at(t, b->config.hidden_dropout, site),
                        y, y, 0);
}

/* x = layer norm of x + residual (.at NULL: none), for all tokens. */
static void normalize(struct bert *b, const struct texts *t, dev_real x, dev_real residual, dev_real gain,
                      dev_real bias, dev_real y) {
    struct norm norm = {.rows = t->tokens.n_rows, .cols = b->config.hidden, .center = 1};
    norm.epsilon = b->config.layer_norm_epsilon;
    norm.x = x, norm.residual = residual, norm.gain = gain, norm.bias = bias;
    RUN(b)->norm(b->device, &norm, y);
}

static void layer_forward(struct bert *b, const struct bert_layer *l, const struct texts *t, uint32_t site) {
    struct device *device = b->device;
    const struct kernels *run = RUN(b);
    const struct bert_config *c = &b->config;
    int64_t tokens = t->tokens.n_rows;
    struct attention attention = {.queries = spans_of(t->tokens),
                                  .keys = spans_of(t->tokens),
                                  .heads = c->heads,
                                  .kv_heads = c->heads,
                                  .head_dim = c->hidden / c->heads,
                                  .ld_q = c->hidden,
                                  .ld_kv = 2 * c->hidden,
                                  .scale = 1 / sqrt((double)(c->hidden / c->heads)),
                                  .q = b->q,
                                  .k = b->kv,
                                  .v = dev_real_at(b->kv, c->hidden),
                                  .drop_keys = t->keys,
                                  .dropout = dropout_at(t, c->attention_dropout, site),
                                  .n_pairs = t->n_pairs};
    run->linear(device, &l->query, tokens, b->x, b->q);
    run->linear(device, &l->key_value, tokens, b->x, b->kv);
    run->attention(device, &attention, b->y, (dev_real){NULL});
    run->linear(device, &l->attended, tokens, b->y, b->q);
    drop(b, t, site + 1, b->q);
    normalize(b, t, b->q, b->x, l->attended_gain, l->attended_bias, b->x);
    run->linear(device, &l->inner, tokens, b->x, b->inner);
    run->linear(device, &l->outer, tokens, b->inner, b->q);
    drop(b, t, site + 2, b->q);
    normalize(b, t, b->q, b->x, l->outer_gain, l->outer_bias, b->x);
}

int bert_forward(struct bert *b, int64_t n_texts, const int32_t *offsets, const int32_t *ids,
                 const struct bert_dropout *dropout, struct bert_hidden *hidden) {
    struct texts t = {.tokens = {n_texts, offsets[n_texts], {NULL}}, .dropout = dropout};
    make_room(b, t.tokens.n_rows);
    TRY(send_texts(b, offsets, ids, &t));
    struct bag tokens = {
        .items = {t.tokens.n_rows, 2 * t.tokens.n_rows, {NULL}}, .cols = b->config.hidden, .index = t.rows};
    RUN(b)->bag(b->device, &tokens, b->embeddings, b->x, 0);
    normalize(b, &t, b->x, (dev_real){NULL}, b->gain, b->bias, b->x);
    drop(b, &t, 0, b->x);
    for (int64_t i = 0; i < b->config.layers; i++) layer_forward(b, &b->layers[i], &t, (uint32_t)(1 + 3 * i));
    *hidden = (struct bert_hidden){b->x, t.tokens.offsets};
    return device_status(b);
}
