/* Layout, initial values, and the way to and from the checkpoint. */
#include "nn/parameters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/status.h"
#include "dist/row_owner.h"

/* ---- layout ---- */
static int add(struct parameters *p, const char *name, int64_t rows, int64_t cols) {
    struct parameter *q = &p->list[p->n];
    *q = (struct parameter){.rows = rows, .cols = cols, .count = rows};
    snprintf(q->name, sizeof q->name, "%s", name);
    return p->n++;
}

/* weight [out, in] and bias [1, out]; `bound` < 0: PyTorch's nn.Linear, U(-1/sqrt(in), 1/sqrt(in)) for both. Otherwise the
 * weight is U(-bound, bound) and the bias 0. */
static void add_linear(struct parameters *p, const char *name, int64_t out, int64_t in, double bound, int places[2]) {
    char text[48];
    snprintf(text, sizeof text, "%s.weight", name);
    places[0] = add(p, text, out, in);
    snprintf(text, sizeof text, "%s.bias", name);
    places[1] = add(p, text, 1, out);
    p->list[places[0]].decays = 1;
    p->list[places[0]].uniform = bound < 0 ? 1 / sqrt((double)in) : bound;
    p->list[places[1]].uniform = bound < 0 ? 1 / sqrt((double)in) : 0;
}

static double xavier(int64_t in, int64_t out) { return sqrt(6.0 / (double)(in + out)); }

static void add_attention(struct parameters *p, int64_t layer, int64_t d) {
    struct attention_layer *a = &p->attention[layer];
    char name[48];
    /* nn.MultiheadAttention: one [3d, d] input projection, Xavier-uniform, cut into query and key-value here. */
    snprintf(name, sizeof name, "attention.%d.query", (int)layer);
    add_linear(p, name, d, d, xavier(d, 3 * d), a->query);
    snprintf(name, sizeof name, "attention.%d.key_value", (int)layer);
    add_linear(p, name, 2 * d, d, xavier(d, 3 * d), a->key_value);
    snprintf(name, sizeof name, "attention.%d.output", (int)layer);
    add_linear(p, name, d, d, 1 / sqrt((double)d), a->output);
    snprintf(name, sizeof name, "attention.%d.norm.gain", (int)layer);
    a->norm[0] = add(p, name, 1, d);
    p->list[a->norm[0]].constant = 1;
    snprintf(name, sizeof name, "attention.%d.norm.bias", (int)layer);
    a->norm[1] = add(p, name, 1, d);
}

/* A GCN layer, or `heads` > 0 heads of graph attention [heads * out, in], both with Glorot's initial values as in PyTorch
 * Geometric. */
static void add_graph_layer(struct parameters *p, int layer, int64_t out, int64_t in, int64_t heads) {
    struct graph_layer *g = &p->graph[layer];
    int64_t width = heads ? heads * out : out;
    char name[48];
    snprintf(name, sizeof name, "graph.layer%d", layer);
    add_linear(p, name, width, in, xavier(in, width), g->linear);
    if (!heads) return;
    snprintf(name, sizeof name, "graph.layer%d.source", layer);
    g->source = add(p, name, 1, width);
    snprintf(name, sizeof name, "graph.layer%d.target", layer);
    g->target = add(p, name, 1, width);
    p->list[g->source].uniform = p->list[g->target].uniform = xavier(heads, out);
}

static void lay_out(struct parameters *p, const struct config *c, int64_t text_dim, int64_t n_nodes) {
    int64_t d = c->quantizer.dim;
    p->codebook = add(p, "codebook", c->quantizer.size, d);
    p->list[p->codebook].normal = 1;
    add_linear(p, "text.map", d, text_dim, -1, p->text_map);
    int64_t heads = c->graph.encoder == GRAPH_GAT ? c->graph.heads : 0;
    add_graph_layer(p, 0, c->graph.hidden, c->graph.node_dim, heads);
    add_graph_layer(p, 1, d, c->graph.hidden * (heads ? heads : 1), heads > 0);
    for (int64_t l = 0; l < c->attention.layers; l++) add_attention(p, l, d);
    add_linear(p, "text.specific", d, d, -1, p->text_specific);
    add_linear(p, "graph.specific", d, d, -1, p->graph_specific);
    p->nodes = add(p, "graph.nodes", n_nodes, c->graph.node_dim);
    p->list[p->nodes].normal = 1;
}

static dev_real place(dev_real buffer, int64_t at) { return buffer.at ? dev_real_at(buffer, at) : buffer; }

static int check_device(const struct parameters *p) {
    const struct device *d = p->device;
    if (device_error(d)) return status_set(STATUS_FAILED, "device %s: parameters: %s", d->name, device_error(d));
    return STATUS_OK;
}

static int allocate(struct parameters *p, int training) {
    const struct parameter *nodes = &p->list[p->nodes];
    int64_t n_node_values = nodes->count * nodes->cols;
    struct device *d = p->device;
    p->value = device_alloc_reals(d, p->n_dense);
    p->node_value = device_alloc_reals(d, n_node_values);
    if (training) {
        p->now = device_alloc_reals(d, N_ADAM_NOW + 1);
        dev_real *dense[3] = {&p->grad, &p->m, &p->v}, *node[3] = {&p->node_grad, &p->node_m, &p->node_v};
        for (int i = 0; i < 3; i++) {
            *dense[i] = device_alloc_reals(d, p->n_dense);
            *node[i] = device_alloc_reals(d, n_node_values);
            if (device_error(d)) break;
            d->run->fill(d, p->n_dense, 0, *dense[i]);
            d->run->fill(d, n_node_values, 0, *node[i]);
        }
    }
    if (training && p->averaged) {
        p->average = device_alloc_reals(d, p->n_dense);
        p->node_average = device_alloc_reals(d, n_node_values);
    }
    return check_device(p);
}

int parameters_add_state(struct parameters *p, const char *name, int64_t rows, int64_t cols, dev_real *value) {
    *value = device_alloc_reals(p->device, rows * cols);
    p->states[p->n_states++] = (struct training_state){name, rows, cols, *value};
    TRY(check_device(p));
    p->device->run->fill(p->device, rows * cols, 0, *value);
    return STATUS_OK;
}

int parameters_make(struct parameters *p, struct device *device, const struct comm *comm, const struct config *config,
                    int64_t text_dim, int64_t n_nodes, int training) {
    *p = (struct parameters){.device = device, .averaged = config->train.average > 0};
    if (config->attention.layers > MAX_LAYERS)
        return status_set(STATUS_USAGE, "attention.layers is %lld: at most %d", (long long)config->attention.layers,
                          MAX_LAYERS);
    lay_out(p, config, text_dim, n_nodes);
    struct parameter *nodes = &p->list[p->nodes];
    if (training) {
        nodes->first = row_owner_first(n_nodes, comm->rank, comm->size);
        nodes->count = row_owner_first(n_nodes, comm->rank + 1, comm->size) - nodes->first;
    }
    for (int i = 0; i < p->n; i++)
        if (i != p->nodes) p->n_dense += p->list[i].rows * p->list[i].cols;
    p->n_codebook = p->list[p->codebook].rows * p->list[p->codebook].cols;
    TRY(allocate(p, training));
    int64_t at = 0;
    for (int i = 0; i < p->n; i++) {
        struct parameter *q = &p->list[i];
        if (i == p->nodes) {
            q->value = p->node_value, q->grad = p->node_grad, q->m = p->node_m, q->v = p->node_v;
            q->average = p->node_average;
        } else {
            q->value = place(p->value, at), q->grad = place(p->grad, at), q->m = place(p->m, at);
            q->v = place(p->v, at), q->average = place(p->average, at);
            at += q->rows * q->cols;
        }
    }
    return STATUS_OK;
}

void parameters_free(struct parameters *p) {
    if (!p->device) return;
    dev_real all[] = {p->now,        p->value,     p->grad,   p->m,      p->v,           p->average,
                      p->node_value, p->node_grad, p->node_m, p->node_v, p->node_average};
    for (int i = 0; i < (int)(sizeof all / sizeof *all); i++) device_free_reals(p->device, all[i]);
    for (int i = 0; i < p->n_states; i++) device_free_reals(p->device, p->states[i].value);
    *p = (struct parameters){0};
}

/* ---- initial values ---- */
static double initial_value(const struct parameter *q, uint64_t seed, int number, uint64_t element) {
    if (q->uniform > 0) return q->uniform * (2 * rng_uniform(seed, RNG_INIT, (uint32_t)number, element) - 1);
    if (q->normal > 0) return q->normal * rng_normal(seed, RNG_INIT, (uint32_t)number, element);
    return q->constant;
}

int parameters_initialize(struct parameters *p, uint64_t seed) {
    for (int i = 0; i < p->n; i++) {
        const struct parameter *q = &p->list[i];
        int64_t n = q->count * q->cols, first = q->first * q->cols;
        real *host;
        TRY(mem_alloc(&host, n, sizeof *host));
        for (int64_t j = 0; j < n; j++) host[j] = (real)initial_value(q, seed, i, (uint64_t)(first + j));
        device_upload_reals(p->device, q->value, host, n);
        if (q->average.at) device_upload_reals(p->device, q->average, host, n);
        device_synchronize(p->device);
        free(host);
    }
    return STATUS_OK;
}

/* ---- updates ---- */

static struct adam adam_of(const struct config *config) {
    return (struct adam){.beta1 = config->train.beta1, .beta2 = config->train.beta2, .epsilon = config->train.epsilon};
}

void parameters_begin_update(struct parameters *p, const struct config *config, double rate, int64_t step,
                             double gradient_scale) {
    double warm = (1 + (double)step) / (10 + (double)step), decay = config->train.average;
    real now[N_ADAM_NOW + 1];
    adam_now(adam_of(config), rate, step, gradient_scale, now);
    now[N_ADAM_NOW] = (real)(decay < warm ? decay : warm);
    device_upload_reals(p->device, p->now, now, N_ADAM_NOW + 1);
}

/* The dense parameters lie in one buffer: one call for each run of neighbours that decay alike. */
void parameters_update(struct parameters *p, const struct config *config) {
    struct adam adam = adam_of(config);
    double decay = config->train.weight_decay;
    int ema = config->quantizer.update == UPDATE_EMA;
    for (int i = 0, end; i < p->n; i = end) {
        const struct parameter *first = &p->list[i];
        int64_t n = first->count * first->cols;
        end = i + 1;
        if (i == p->codebook && ema) continue;
        adam.weight_decay = first->decays ? decay : 0;
        for (; i != p->nodes && end < p->n && end != p->nodes; end++) {
            if (decay != 0 && p->list[end].decays != first->decays) break;
            n += p->list[end].rows * p->list[end].cols;
        }
        p->device->run->adam(p->device, n, adam, p->now, first->grad, first->value, first->m, first->v);
    }
}

void parameters_average(struct parameters *p) {
    const struct parameter *nodes = &p->list[p->nodes];
    dev_real keep = dev_real_at(p->now, N_ADAM_NOW);
    if (!p->averaged) return;
    p->device->run->blend(p->device, p->n_dense, keep, p->value, p->average);
    p->device->run->blend(p->device, nodes->count * nodes->cols, keep, nodes->value, nodes->average);
}

struct parameters parameters_to_use(const struct parameters *p) {
    struct parameters view = *p;
    for (int i = 0; i < view.n; i++)
        if (view.average.at) view.list[i].value = view.list[i].average;
    return view;
}

/* ---- checkpoint ---- */
#ifndef MEDTOK_REAL_DOUBLE
enum { MAX_ENTRIES = MAX_PARAMETERS + MAX_STATES };

static void free_entries(struct checkpoint_entry *entries) {
    for (int i = 0; i < MAX_ENTRIES; i++) {
        free(entries[i].value);
        free(entries[i].m);
        free(entries[i].v);
        free(entries[i].average);
    }
}

/* Host copies of every parameter and state. */
static int make_entries(struct parameters *p, struct checkpoint_entry *entries) {
    for (int i = 0; i < p->n; i++) {
        const struct parameter *q = &p->list[i];
        int64_t n = q->count * q->cols;
        int training = q->m.at != NULL;
        entries[i] = (struct checkpoint_entry){
            .name = q->name, .rows = q->rows, .cols = q->cols, .first = q->first, .count = q->count};
        if (training || !p->averaged) TRY(mem_alloc(&entries[i].value, n, sizeof(float)));
        if (p->averaged) TRY(mem_alloc(&entries[i].average, n, sizeof(float)));
        if (!training) continue;
        TRY(mem_alloc(&entries[i].m, n, sizeof(float)));
        TRY(mem_alloc(&entries[i].v, n, sizeof(float)));
    }
    for (int i = 0; i < p->n_states; i++) {
        const struct training_state *s = &p->states[i];
        entries[p->n + i] =
            (struct checkpoint_entry){.name = s->name, .rows = s->rows, .cols = s->cols, .count = s->rows};
        TRY(mem_alloc(&entries[p->n + i].value, s->rows * s->cols, sizeof(float)));
    }
    return STATUS_OK;
}

/* The dense parameters and the states are the same everywhere: only rank 0 brings them to a file. */
static void fetch_entries(struct parameters *p, const struct comm *comm, struct checkpoint_entry *entries) {
    for (int i = 0; i < p->n; i++) {
        const struct parameter *q = &p->list[i];
        if (i != p->nodes && comm->rank > 0) entries[i].count = 0;
        int64_t n = entries[i].count * q->cols;
        device_download_reals(p->device, entries[i].value, q->value, n);
        device_download_reals(p->device, entries[i].m, q->m, n);
        device_download_reals(p->device, entries[i].v, q->v, n);
        if (q->average.at) device_download_reals(p->device, entries[i].average, q->average, n);
    }
    for (int i = 0; i < p->n_states; i++) {
        const struct training_state *s = &p->states[i];
        if (comm->rank > 0) entries[p->n + i].count = 0;
        device_download_reals(p->device, entries[p->n + i].value, s->value, entries[p->n + i].count * s->cols);
    }
}

int parameters_save(struct parameters *p, const struct comm *comm, const char *path,
                    const struct provenance *provenance, int64_t step) {
    struct checkpoint_entry entries[MAX_ENTRIES] = {0};
    int status = make_entries(p, entries);
    if (status == STATUS_OK) fetch_entries(p, comm, entries);
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = checkpoint_write(comm, path, provenance, step, entries, p->n + p->n_states);
    free_entries(entries);
    return status;
}

int64_t parameters_file_bytes(const struct parameters *p, int64_t *while_written) {
    int64_t values = 0, parts = p->averaged ? 4 : 3, datasets = p->n * parts + p->n_states;
    for (int i = 0; i < p->n; i++) values += parts * p->list[i].rows * p->list[i].cols;
    for (int i = 0; i < p->n_states; i++) values += p->states[i].rows * p->states[i].cols;
    *while_written = datasets * CHECKPOINT_RESERVED_BYTES;
    return values * (int64_t)sizeof(float) + datasets * CHECKPOINT_DATASET_BYTES;
}

int parameters_load(struct parameters *p, const char *path, int64_t *step) {
    struct checkpoint_entry entries[MAX_ENTRIES] = {0};
    int status;
    TRY_DONE(make_entries(p, entries));
    TRY_DONE(checkpoint_read(path, entries, p->n + p->n_states, step));
    for (int i = 0; i < p->n; i++) {
        const struct parameter *q = &p->list[i];
        int64_t n = q->count * q->cols;
        device_upload_reals(p->device, q->value, entries[i].value ? entries[i].value : entries[i].average, n);
        if (!q->m.at) continue;
        device_upload_reals(p->device, q->m, entries[i].m, n);
        device_upload_reals(p->device, q->v, entries[i].v, n);
        if (q->average.at) device_upload_reals(p->device, q->average, entries[i].average, n);
    }
    for (int i = 0; i < p->n_states; i++)
        device_upload_reals(p->device, p->states[i].value, entries[p->n + i].value,
                            p->states[i].rows * p->states[i].cols);
    device_synchronize(p->device);
done:
    free_entries(entries);
    return status;
}
#endif
