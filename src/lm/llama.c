/* Names of tensors become blocks, and the blocks are run: read llama_hidden first. */
#include "lm/llama.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* ---- weights ---- */
/* The tensor [rows, cols] (cols 0: a vector). */
static int find(const struct llama *m, const char *name, int64_t rows, int64_t cols, const struct tensor **tensor) {
    *tensor = weight_files_find(&m->weights, name);
    if (!*tensor) return status_set(STATUS_FAILED, "%s: the weights lack tensor %s", m->folder, name);
    return weight_files_check(m->folder, *tensor, rows, cols);
}

/* How the tensor's values could be used where they are mapped; -1: not at all. */
static int storage_of(const struct tensor *t) {
    uintptr_t at = (uintptr_t)t->bytes;
    if (t->type == TENSOR_F32 && sizeof(real) == sizeof(float) && at % sizeof(float) == 0) return STORAGE_REAL;
    return t->type == TENSOR_BF16 && at % sizeof(uint16_t) == 0 ? STORAGE_BF16 : -1;
}

static int values_of(const struct tensor *t, real *values) {
    float *floats;
    TRY(mem_alloc(&floats, t->count, sizeof *floats));
    tensor_values(t, floats);
    for (int64_t i = 0; i < t->count; i++) values[i] = floats[i];
    free(floats);
    return STATUS_OK;
}

/* A parameter and the tensors of which it consists, one below the other. */
struct source {
    struct parameter *to;
    const char *names[2];
};

static int find_all(const struct llama *m, const char *prefix, const struct source *s,
                    const struct tensor *tensors[2]) {
    const struct parameter *p = s->to;
    int is_vector = p->rows == 1, n = s->names[1] ? 2 : 1;
    int64_t rows = (is_vector ? p->cols : p->rows) / n, cols = is_vector ? 0 : p->cols;
    char name[128];
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s%s", prefix, s->names[i]);
        TRY(find(m, name, rows, cols, &tensors[i]));
    }
    return STATUS_OK;
}

/* Packs n tensors that both are bf16 without widening them, so that they take half the memory. */
static int pack_narrow(struct llama *m, struct parameter *p, const struct tensor *const tensors[2],
                       enum precision_of_products precision) {
    size_t half = (size_t)tensors[0]->count * sizeof(uint16_t);
    char *bytes;
    TRY(mem_alloc(&bytes, 2 * (long long)half, 1));
    memcpy(bytes, tensors[0]->bytes, half);
    memcpy(bytes + half, tensors[1]->bytes, half);
    int status = parameter_pack(&m->parameters, p, bytes, STORAGE_BF16, precision);
    free(bytes);
    return status;
}

static int load(struct llama *m, const char *prefix, const struct source *s, enum precision_of_products precision) {
    const struct tensor *tensors[2] = {NULL, NULL};
    struct parameter *p = s->to;
    real *values = NULL;
    TRY(find_all(m, prefix, s, tensors));
    int packed = (p->flags & PARAMETER_PACKED) != 0, storage = storage_of(tensors[0]);
    if (packed && !tensors[1] && storage >= 0)
        return parameter_borrow(&m->parameters, p, tensors[0]->bytes, (enum storage)storage, precision);
    if (packed && tensors[1] && tensors[0]->type == TENSOR_BF16 && tensors[1]->type == TENSOR_BF16)
        return pack_narrow(m, p, tensors, precision);
    TRY(mem_alloc(&values, p->rows * p->cols, sizeof *values));
    int status = values_of(tensors[0], values);
    if (status == STATUS_OK && tensors[1]) status = values_of(tensors[1], values + tensors[0]->count);
    if (status == STATUS_OK && packed)
        status = parameter_pack(&m->parameters, p, values, STORAGE_REAL, precision);
    else if (status == STATUS_OK)
        device_upload_reals(m->device, p->value, values, p->rows * p->cols);
    device_synchronize(m->device);
    free(values);
    return status;
}

static int load_layer(struct llama *m, int64_t layer, enum precision_of_products precision) {
    const struct block *b = &m->blocks[layer];
    const struct source sources[] = {
        {b->self.norm.gain, {"input_layernorm.weight"}},
        {b->self.query.weight, {"self_attn.q_proj.weight"}},
        {b->self.key_value.weight, {"self_attn.k_proj.weight", "self_attn.v_proj.weight"}},
        {b->self.output.weight, {"self_attn.o_proj.weight"}},
        {b->norm.gain, {"post_attention_layernorm.weight"}},
        {b->gate.weight, {"mlp.gate_proj.weight"}},
        {b->up.weight, {"mlp.up_proj.weight"}},
        {b->down.weight, {"mlp.down_proj.weight"}},
        {b->self.query.bias, {"self_attn.q_proj.bias"}},
        {b->self.key_value.bias, {"self_attn.k_proj.bias", "self_attn.v_proj.bias"}},
    };
    char prefix[64];
    snprintf(prefix, sizeof prefix, "model.layers.%lld.", (long long)layer);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (sources[i].to) TRY(load(m, prefix, &sources[i], precision));
    return STATUS_OK;
}

/* On the CPU a table of float32 stays where it is mapped. */
static int load_table(struct llama *m, const char *name, struct llama_table *table) {
    const struct tensor *t;
    real *values = NULL;
    TRY(find(m, name, m->config.vocabulary, m->config.hidden, &t));
    if (strcmp(m->device->name, "cpu") == 0 && storage_of(t) == STORAGE_REAL) {
        table->rows.at = (real *)(uintptr_t)t->bytes;
        return STATUS_OK;
    }
    TRY(mem_alloc(&values, t->count, sizeof *values));
    int status = values_of(t, values);
    table->rows = device_alloc_reals(m->device, t->count);
    table->is_owned = 1;
    if (status == STATUS_OK) device_upload_reals(m->device, table->rows, values, t->count);
    device_synchronize(m->device);
    free(values);
    return status;
}

static int load_tables(struct llama *m) {
    const struct source norm = {m->norm.gain, {"model.norm.weight"}};
    TRY(load(m, "", &norm, PRODUCTS_F32));
    TRY(load_table(m, "model.embed_tokens.weight", &m->embeddings));
    if (!m->config.tied) return load_table(m, "lm_head.weight", &m->head);
    m->head = (struct llama_table){.rows = m->embeddings.rows};
    return STATUS_OK;
}

static int load_frequencies(struct llama *m) {
    int64_t n = m->config.head_dim / 2;
    double *frequency;
    real *values;
    TRY(mem_alloc(&frequency, n, sizeof *frequency));
    llama_frequencies(&m->config, frequency);
    int status = mem_alloc(&values, n, sizeof *values);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) values[i] = (real)frequency[i];
    m->frequency = device_alloc_reals(m->device, n);
    if (status == STATUS_OK) device_upload_reals(m->device, m->frequency, values, n);
    device_synchronize(m->device);
    free(frequency);
    free(values);
    return status;
}

/* ---- the model ---- */
static void add_parameters(struct llama *m) {
    const struct llama_config *c = &m->config;
    struct parameter_set *set = &m->parameters;
    char name[32];
    m->norm = norm_map_add(set, c->hidden, 0, PARAMETER_FROZEN, "norm");
    for (int64_t l = 0; l < c->layers; l++) {
        snprintf(name, sizeof name, "layer.%lld", (long long)l);
        block_add(set, &m->blocks[l], &m->shape, c->hidden, c->intermediate, PARAMETER_FROZEN | PARAMETER_PACKED, name);
    }
}

int llama_open(struct llama *m, struct device *device, const char *folder, enum precision_of_products precision,
               int recompute) {
    int status;
    *m = (struct llama){.device = device, .folder = strdup(folder)};
    const struct llama_config *c = &m->config;
    TRY_DONE(m->folder ? STATUS_OK : status_set(STATUS_FAILED, "out of memory"));
    TRY_DONE(llama_config_read(&m->config, folder));
    TRY_DONE(weight_files_open(&m->weights, folder));
    TRY_DONE(load_frequencies(m));
    m->shape = (struct block_shape){.heads = c->heads,
                                    .kv_heads = c->kv_heads,
                                    .head_dim = c->head_dim,
                                    .pre_norm = 1,
                                    .causal = 1,
                                    .gated = 1,
                                    .without_bias = 1,
                                    .attention_bias = c->attention_bias,
                                    .recompute = recompute,
                                    .f = ACTIVATION_SILU,
                                    .epsilon = c->epsilon,
                                    .rotary_base = c->rotary_base,
                                    .rotary_frequency = m->frequency};
    TRY_DONE(mem_alloc(&m->blocks, c->layers, sizeof *m->blocks));
    add_parameters(m);
    TRY_DONE(parameter_set_allocate(&m->parameters, device, 0, 1, 0));
    TRY_DONE(load_tables(m));
    for (int64_t l = 0; l < c->layers; l++) TRY_DONE(load_layer(m, l, precision));
    if (device_error(device)) status = status_set(STATUS_FAILED, "%s: %s", folder, device_error(device));
done:
    if (status != STATUS_OK) llama_close(m);
    return status;
}

void llama_close(struct llama *m) {
    if (!m->device) return;
    parameter_set_free(&m->parameters);
    if (m->embeddings.is_owned) device_free_reals(m->device, m->embeddings.rows);
    if (m->head.is_owned) device_free_reals(m->device, m->head.rows);
    device_free_reals(m->device, m->frequency);
    free(m->blocks);
    weight_files_close(&m->weights);
    free(m->folder);
    *m = (struct llama){0};
}

/* ---- the forward pass ---- */
static struct var *table_var(const struct llama *m, struct tape *tape, dev_real rows) {
    return tape_borrow(tape, m->config.vocabulary, m->config.hidden, rows, (dev_real){NULL});
}

struct var *llama_hidden(const struct llama *m, struct tape *tape, const struct llama_rows *r,
                         const struct kv_cache *caches) {
    struct block_rows rows = {
        .segments = r->segments, .n_pairs = r->n_pairs, .position = r->position, .dropout = r->dropout};
    int64_t n = r->segments.rows.n_rows;
    struct tape_scope scope = tape_scope_begin(tape);
    struct var *x = nn_gather(tape, table_var(m, tape, m->embeddings.rows), r->token, n);
    if (r->prefix) x = nn_add(tape, nn_gather(tape, r->prefix, r->prefix_row, n), x);
    for (int64_t l = 0; l < m->config.layers; l++) {
        x = nn_block(tape, x, &m->blocks[l], &m->shape, &rows, caches ? &caches[l] : NULL, BLOCK_SITES * (int)l);
        x = tape_scope_end(tape, scope, x);
    }
    return nn_norm(tape, x, norm_map_terms(tape, m->norm, m->shape.epsilon, 0));
}

struct var *llama_head(const struct llama *m, struct tape *tape) {
    return table_var(m, tape, m->head.rows);
}
