/* The map of names, the rows that it gives, and the first weights of the graph encoder. */
#include "medtok/first_graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/device_status.h"
#include "base/log.h"
#include "base/status.h"
#include "medtok/feature_components.h"
#include "store/node_features.h"

/* Nodes whose features are held at a time. */
enum { BLOCK_NODES = 1024 };

int node_start_make(struct node_start *s, const struct model *model, struct parameter_set *set, const char *features,
                    const char *vocabulary, int64_t text_dim) {
    static const struct init ZERO = {0};
    int64_t width = model->settings.graph.node_dim;
    *s = (struct node_start){.nodes = model->nodes, .features = features, .vocabulary = vocabulary};
    if (model->settings.graph.node_start == NODE_START_RANDOM) return STATUS_OK;
    s->same_as_text = model->settings.text_map == TEXT_MAP_PRINCIPAL && model->settings.sides != SIDES_GRAPH &&
                      width == model->settings.quantizer.dim;
    s->weight = parameter_add(set, width, text_dim, ZERO, PARAMETER_FROZEN, "graph.node_map.weight");
    s->bias = parameter_add(set, 1, width, ZERO, PARAMETER_FROZEN, "graph.node_map.bias");
    return set->status;
}

int node_start_check(const struct node_start *s) {
    struct node_features f = {0};
    if (!s->weight) return STATUS_OK;
    int status = node_features_open(&f, s->features, s->vocabulary);
    if (status == STATUS_OK && s->weight->rows > f.dim)
        status = status_set(STATUS_USAGE,
                            "graph.node_start: text needs text features as wide as graph.node_dim (%lld); they have "
                            "%lld",
                            (long long)s->weight->rows, (long long)f.dim);
    node_features_close(&f);
    return status;
}

/* ---- the features of this rank's nodes, a block at a time ---- */
struct name_rows {
    struct node_features features;
    const struct parameter *nodes; /* whose rows this rank holds, in whatever order they are dealt */
    int64_t n;
    int64_t begin, end;   /* of these, those held */
    int64_t *numbers;     /* [BLOCK_NODES] */
    float *rows;          /* [BLOCK_NODES, dim] */
    unsigned char *named; /* [BLOCK_NODES] */
};

static int open_rows(struct name_rows *r, const struct node_start *s) {
    *r = (struct name_rows){.nodes = s->nodes, .n = s->nodes->count};
    TRY(node_features_open(&r->features, s->features, s->vocabulary));
    if (r->features.n_nodes != s->nodes->rows)
        return status_set(STATUS_FAILED,
                          "%s is damaged: it has %lld nodes, and the graph %lld; run `medtok encode` again",
                          s->features, (long long)r->features.n_nodes, (long long)s->nodes->rows);
    TRY(mem_alloc(&r->numbers, BLOCK_NODES, sizeof *r->numbers));
    TRY(mem_alloc(&r->rows, BLOCK_NODES * r->features.dim, sizeof *r->rows));
    return mem_alloc(&r->named, BLOCK_NODES, sizeof *r->named);
}

static void close_rows(struct name_rows *r) {
    node_features_close(&r->features);
    free(r->numbers);
    free(r->rows);
    free(r->named);
}

/* Row i of this rank's nodes; NULL in *row: the node has no name. */
static int find_row(struct name_rows *r, int64_t i, const float **row) {
    if (i < r->begin || i >= r->end) {
        int64_t n = r->n - i < BLOCK_NODES ? r->n - i : BLOCK_NODES;
        for (int64_t k = 0; k < n; k++) r->numbers[k] = parameter_row(r->nodes, i + k);
        TRY(node_features_read(&r->features, n, r->numbers, r->rows, r->named));
        r->begin = i;
        r->end = i + n;
    }
    *row = r->named[i - r->begin] ? r->rows + (i - r->begin) * r->features.dim : NULL;
    return STATUS_OK;
}

static int read_row(void *self, int64_t i, float *out, int *counts) {
    struct name_rows *r = self;
    const float *row;
    TRY(find_row(r, i, &row));
    *counts = row != NULL;
    if (row) memcpy(out, row, (size_t)r->features.dim * sizeof *out);
    return STATUS_OK;
}

/* ---- whether names tell nodes apart ---- */
/* most[2 dim], of the named rows of this rank: the largest f, then the largest -f, of each value. */
static int find_range(const struct node_start *s, int64_t dim, double *most) {
    struct name_rows names = {0};
    const float *row;
    int status;
    for (int64_t j = 0; j < 2 * dim; j++) most[j] = -INFINITY;
    TRY_DONE(open_rows(&names, s));
    for (int64_t i = 0; i < names.n; i++) {
        TRY_DONE(find_row(&names, i, &row));
        for (int64_t j = 0; row && j < dim; j++) {
            most[j] = fmax(most[j], (double)row[j]);
            most[dim + j] = fmax(most[dim + j], -(double)row[j]);
        }
    }
done:
    close_rows(&names);
    return status;
}

/* Of names that are all alike no map makes vectors that tell nodes apart: they would be rounding, or one vector. Collective. */
static int check_unlike(const struct node_start *s, const struct comm *comm) {
    const double NEAR = 1e-5; /* of the size of the values: more than float32 rounds by */
    int64_t dim = s->weight->cols;
    double *most = NULL, apart = 0, size = 0;
    int status = mem_alloc(&most, 2 * dim, sizeof *most);
    if (status == STATUS_OK) status = find_range(s, dim, most);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(comm_max_double(comm, most, 2 * dim));
    if (isinf(most[0])) goto done; /* no node has a name */
    for (int64_t j = 0; j < dim; j++) {
        apart += most[j] + most[dim + j];
        size += fmax(fabs(most[j]), fabs(most[dim + j]));
    }
    if (apart <= NEAR * size)
        status = status_set(STATUS_FAILED,
                            "graph.node_start: text: in %s the names of all nodes have the same features, so that they "
                            "tell no node from another: train with graph.node_start: random, or give the graph names",
                            s->features);
done:
    free(most);
    return status;
}

/* ---- the map ---- */
static void copy_parameter(struct device *device, const struct parameter *from, const struct parameter *to) {
    device->run->fill(device, to->rows * to->cols, 0, to->value);
    device->run->axpy(device, to->rows * to->cols, 1, from->value, to->value);
}

static int upload_map(const struct node_start *s, struct device *device, const struct feature_components *c) {
    real *weight = NULL, *bias = NULL;
    int status = mem_alloc(&weight, c->width * c->dim, sizeof *weight);
    if (status == STATUS_OK) status = mem_alloc(&bias, c->width, sizeof *bias);
    if (status == STATUS_OK) {
        double share = feature_components_map(c, 0, c->width, weight, bias);
        device_upload_reals(device, s->weight->value, weight, c->width * c->dim);
        device_upload_reals(device, s->bias->value, bias, c->width);
        device_synchronize(device);
        log_info("node map: %lld principal components of %.0f names have %.1f %% of their variance",
                 (long long)c->width, c->n, 100 * share);
    }
    free(weight);
    free(bias);
    return status;
}

static int find_own_map(const struct node_start *s, const struct comm *comm, struct device *device) {
    struct name_rows names = {0};
    struct feature_components c = {0};
    int status;
    TRY_DONE(comm_agree(comm, open_rows(&names, s)));
    struct feature_rows rows = {&names, names.n, names.features.dim, read_row};
    TRY_DONE(feature_components_make(&c, comm, device, &rows, s->weight->rows));
    if (c.n > 0) status = comm_agree(comm, upload_map(s, device, &c));
done:
    feature_components_free(&c);
    close_rows(&names);
    return status;
}

/* Collective. */
static int find_map(const struct node_start *s, const struct model *model, const struct comm *comm,
                    struct device *device) {
    if (!s->same_as_text) return find_own_map(s, comm, device);
    copy_parameter(device, model->text.weight, s->weight);
    copy_parameter(device, model->text.bias, s->bias);
    return STATUS_OK;
}

/* ---- the rows ---- */
/* The map on the host, transposed: weight [text_dim, node_dim], so that the sums of a row go on side by side. */
struct host_map {
    int64_t dim, width;
    double *weight, *bias, *sums; /* sums [width] is scratch */
};

static int download_map(struct host_map *m, const struct node_start *s, struct device *device) {
    real *values = NULL;
    int status;
    *m = (struct host_map){.dim = s->weight->cols, .width = s->weight->rows};
    TRY_DONE(mem_alloc(&values, m->dim * m->width, sizeof *values));
    TRY_DONE(mem_alloc(&m->weight, m->dim * m->width, sizeof *m->weight));
    TRY_DONE(mem_alloc(&m->bias, m->width, sizeof *m->bias));
    TRY_DONE(mem_alloc(&m->sums, m->width, sizeof *m->sums));
    device_download_reals(device, values, s->weight->value, m->dim * m->width);
    for (int64_t i = 0; i < m->width; i++)
        for (int64_t j = 0; j < m->dim; j++) m->weight[j * m->width + i] = values[i * m->dim + j];
    device_download_reals(device, values, s->bias->value, m->width);
    for (int64_t i = 0; i < m->width; i++) m->bias[i] = values[i];
    status = device_status(device);
done:
    free(values);
    return status;
}

static void host_map_free(struct host_map *m) {
    free(m->weight);
    free(m->bias);
    free(m->sums);
}

static void map_row(const struct host_map *m, const float *row, real *out) {
    int64_t width = m->width;
    double *restrict sums = m->sums;
    for (int64_t i = 0; i < width; i++) sums[i] = m->bias[i];
    for (int64_t j = 0; j < m->dim; j++) {
        const double *restrict weight = m->weight + j * width;
        double x = (double)row[j];
#pragma omp simd
        for (int64_t i = 0; i < width; i++) sums[i] += weight[i] * x;
    }
    for (int64_t i = 0; i < width; i++) out[i] = (real)sums[i];
}

int node_start_rows(const struct node_start *s, struct device *device, real *values) {
    struct name_rows names = {0};
    struct host_map map = {0};
    const float *row;
    int status;
    TRY_DONE(open_rows(&names, s));
    TRY_DONE(download_map(&map, s, device));
    for (int64_t i = 0; i < names.n; i++) {
        TRY_DONE(find_row(&names, i, &row));
        if (row) map_row(&map, row, values + i * map.width);
    }
done:
    host_map_free(&map);
    close_rows(&names);
    return status;
}

static int set_rows(const struct node_start *s, struct optimiser *optimiser) {
    struct device *device = optimiser->parameters->device;
    real *values;
    TRY(mem_alloc(&values, s->nodes->count * s->nodes->cols, sizeof *values));
    device_download_reals(device, values, s->nodes->value, s->nodes->count * s->nodes->cols);
    int status = node_start_rows(s, device, values);
    if (status == STATUS_OK) optimiser_set_rows(optimiser, s->nodes, 0, s->nodes->count, values);
    free(values);
    return status;
}

int node_start_begin(const struct node_start *s, const struct model *model, const struct comm *comm,
                     struct optimiser *optimiser) {
    if (!s->weight || s->nodes->rows == 0) return STATUS_OK;
    TRY(check_unlike(s, comm));
    TRY(find_map(s, model, comm, optimiser->parameters->device));
    return comm_agree(comm, s->nodes->count > 0 ? set_rows(s, optimiser) : STATUS_OK);
}

/* ---- the encoder ---- */
/* Sets m[i, columns + i] = value of a matrix with `cols` columns. */
static void set_diagonal(real *m, int64_t cols, int64_t first_row, int64_t first_column, int64_t n, real value) {
    for (int64_t i = 0; i < n; i++) m[(first_row + i) * cols + first_column + i] = value;
}

/* Values of a parameter; the caller frees. */
static int download(struct device *device, const struct parameter *p, real **values) {
    TRY(mem_alloc(values, p->rows * p->cols, sizeof **values));
    device_download_reals(device, *values, p->value, p->rows * p->cols);
    return STATUS_OK;
}

/* Sets the first n of a [1, cols] parameter to 0. */
static int clear_first(struct optimiser *optimiser, const struct parameter *p, int64_t n) {
    real *values;
    if (!p) return STATUS_OK;
    TRY(download(optimiser->parameters->device, p, &values));
    memset(values, 0, (size_t)n * sizeof *values);
    optimiser_set_rows(optimiser, p, 0, 1, values);
    free(values);
    return STATUS_OK;
}

int first_encoder_make(const struct model *model, struct optimiser *optimiser) {
    const struct parameter *one = model->graph[0].map.weight, *two = model->graph[1].map.weight;
    int64_t n = one->cols < two->rows ? one->cols : two->rows;
    real *first = NULL, *second = NULL;
    int status;
    TRY_DONE(download(optimiser->parameters->device, one, &first));
    TRY_DONE(mem_alloc(&second, two->rows * two->cols, sizeof *second));
    memset(first, 0, (size_t)(2 * n * one->cols) * sizeof *first);
    set_diagonal(first, one->cols, 0, 0, n, 1);
    set_diagonal(first, one->cols, n, 0, n, -1);
    set_diagonal(second, two->cols, 0, 0, n, 1);
    set_diagonal(second, two->cols, 0, n, n, -1);
    optimiser_set_rows(optimiser, one, 0, one->rows, first);
    optimiser_set_rows(optimiser, two, 0, two->rows, second);
    for (int l = 0; l < 2; l++) {
        int64_t width = l == 0 ? model->settings.graph.hidden : two->rows;
        TRY_DONE(clear_first(optimiser, model->graph[l].source, width));
        TRY_DONE(clear_first(optimiser, model->graph[l].target, width));
    }
    status = set_identity_map(optimiser, model->graph_specific);
done:
    free(first);
    free(second);
    return status;
}
