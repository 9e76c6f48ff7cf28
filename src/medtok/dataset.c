/* Reading a rank's piece. */
#include "medtok/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/device_status.h"
#include "store/vocabulary_pick.h"
#include "terms/code_hierarchy.h"

/* A side's fixed work for a code (quantiser, losses) in units of one node's work (GCN, attention), measured in the forward pass of a training, where
 * ranks wait for each other first: 17 there, 4 in the backward pass, which is half as long. */
static const double COST_OF_A_SIDE = 16;

static int ascending(const void *a, const void *b) {
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int copy_codes(struct dataset *d, const int64_t *codes) {
    TRY(mem_alloc(&d->codes, d->n_codes, sizeof *d->codes));
    if (d->n_codes == 0) return STATUS_OK;
    memcpy(d->codes, codes, (size_t)d->n_codes * sizeof *codes);
    qsort(d->codes, (size_t)d->n_codes, sizeof *d->codes, ascending);
    return STATUS_OK;
}

void dataset_pack_edges(struct dataset *d) {
    struct vocabulary *v = &d->vocabulary;
    int64_t most = 0, n_edges = v->edge_offsets[v->n_codes];
    for (int64_t i = 0; i < v->n_codes; i++)
        if (v->node_offsets[i + 1] - v->node_offsets[i] > most) most = v->node_offsets[i + 1] - v->node_offsets[i];
    free(v->n_listed);
    free(v->edge_relation);
    v->n_listed = NULL;
    v->edge_relation = NULL;
    if (most > UINT8_MAX + 1) return;
    for (int64_t e = 0; e < n_edges; e++) v->edge_source[e] |= (uint16_t)(v->edge_target[e] << 8);
    free(v->edge_target);
    d->edge_ends = v->edge_source;
    v->edge_source = v->edge_target = NULL;
}

int dataset_read(struct dataset *d, const struct comm *comm, const char *vocabulary_path, struct text_source *source,
                 enum sides sides, const int64_t *codes, int64_t n_codes, int status) {
    *d = (struct dataset){.n_codes = n_codes, .source = source, .sides = sides};
    if (status == STATUS_OK) status = copy_codes(d, codes);
    TRY(vocabulary_pick(comm, vocabulary_path, d->codes, n_codes, VOCABULARY_GRAPHS, &d->vocabulary, status));
    dataset_pack_edges(d);
    return source->features_path
               ? text_features_read(comm, source->features_path, vocabulary_path, d->codes, n_codes, &d->text, status)
               : text_source_read_ids(source, comm, vocabulary_path, d->codes, n_codes, &d->ids);
}

int64_t dataset_index(const struct dataset *d, int64_t code) {
    int64_t low = 0, high = d->n_codes - 1;
    if (d->codes[high] - d->codes[0] == high) return code - d->codes[0]; /* neighbours */
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (d->codes[middle] < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct code_view dataset_view(const struct dataset *d, int64_t code) {
    int64_t i = dataset_index(d, code);
    const struct vocabulary *v = &d->vocabulary;
    const int64_t edge = v->edge_offsets[i];
    const int64_t *text = (d->ids.offsets ? d->ids.offsets : d->text.token_offsets) + i;
    struct code_view view = {.tokens = (d->ids.offsets ? d->ids.ids : d->text.token_row) + text[0],
                             .nodes = v->nodes + v->node_offsets[i],
                             .ends = d->edge_ends ? d->edge_ends + edge : NULL,
                             .source = d->edge_ends ? NULL : v->edge_source + edge,
                             .target = d->edge_ends ? NULL : v->edge_target + edge};
    if (d->sides != SIDES_GRAPH && vocabulary_has_text(v, i)) view.n_tokens = text[1] - text[0];
    if (d->sides == SIDES_TEXT || !vocabulary_has_graph(v, i)) return view;
    view.n_nodes = v->node_offsets[i + 1] - v->node_offsets[i];
    view.n_edges = v->edge_offsets[i + 1] - v->edge_offsets[i];
    return view;
}

int dataset_count_nodes(const struct dataset *d, int64_t **uses) {
    TRY(mem_alloc(uses, d->vocabulary.n_nodes, sizeof **uses));
    for (int64_t i = 0; i < d->n_codes; i++) {
        struct code_view c = dataset_view(d, d->codes[i]);
        for (int64_t k = 0; k < c.n_nodes; k++) (*uses)[c.nodes[k]]++;
    }
    return STATUS_OK;
}

/* float32 rows as they are; the double build of the tests widens them. */
static int keep_reals(struct dataset *d, struct device *device) {
    int64_t n = d->text.n_rows * d->text.dim;
    real *wide;
    d->resident = device_alloc_reals(device, n);
    if (sizeof(real) == sizeof(float)) {
        device_upload_reals(device, d->resident, (const real *)(const void *)d->text.rows_f32, n);
        return STATUS_OK;
    }
    TRY(mem_alloc(&wide, n, sizeof *wide));
    for (int64_t i = 0; i < n; i++) wide[i] = (real)d->text.rows_f32[i];
    device_upload_reals(device, d->resident, wide, n);
    free(wide);
    return STATUS_OK;
}

int dataset_keep_on_device(struct dataset *d, struct device *device) {
    int64_t left, total, n = d->text.n_rows * d->text.dim;
    int64_t size = d->text.rows_f16 ? (int64_t)sizeof *d->text.rows_f16 : (int64_t)sizeof(real);
    device_memory(device, &left, &total);
    if (n == 0 || n * size > left / 2) return STATUS_OK;
    d->device = device;
    if (d->text.rows_f16) {
        d->resident_halves = device_alloc_halves(device, n);
        device_upload_halves(device, d->resident_halves, d->text.rows_f16, n);
    } else {
        TRY(keep_reals(d, device));
    }
    return device_status(device);
}

static int32_t sibling_class(const char *system, const char *code) {
    char parent[80], name[192];
    if (!code_parent(system, code, parent, sizeof parent)) return -1;
    int n = snprintf(name, sizeof name, "%s:%s", system, parent);
    return (int32_t)(XXH3_64bits(name, (size_t)n) & INT32_MAX);
}

int dataset_find_siblings(struct dataset *d, const struct comm *comm, const char *vocabulary_path, int status) {
    struct vocabulary names;
    if (status == STATUS_OK) status = mem_alloc(&d->sibling_class, d->n_codes, sizeof *d->sibling_class);
    TRY(vocabulary_pick(comm, vocabulary_path, d->codes, d->n_codes, VOCABULARY_NAMES, &names, status));
    for (int64_t i = 0; i < names.n_codes; i++)
        d->sibling_class[i] = sibling_class(vocabulary_system(&names, i), vocabulary_code(&names, i));
    vocabulary_free(&names);
    return STATUS_OK;
}

void dataset_free(struct dataset *d) {
    free(d->codes);
    free(d->sibling_class);
    free(d->edge_ends);
    if (d->device) {
        device_free_reals(d->device, d->resident);
        device_free_halves(d->device, d->resident_halves);
    }
    vocabulary_free(&d->vocabulary);
    text_features_free(&d->text);
    text_ids_free(&d->ids);
    *d = (struct dataset){0};
}

/* ---- costs ---- */
/* Codes whose offsets are read at a time. */
enum { PIECE = 16384 };

/* Of a code with these sides (n_nodes 0: without a graph). */
static double cost_of_code(int has_text, int64_t n_nodes) {
    return (has_text ? COST_OF_A_SIDE : 0) + (n_nodes > 0 ? COST_OF_A_SIDE + (double)n_nodes : 0);
}

/* Of codes first .. first + n - 1. */
static int add_costs(struct h5file *file, enum sides sides, int64_t first, int64_t n, double *cost) {
    int64_t nodes[PIECE + 1], bytes[PIECE + 1];
    TRY(h5file_read(file, "node_offsets", H5_I64, first, n + 1, nodes));
    TRY(h5file_read(file, "description_offsets", H5_I64, first, n + 1, bytes));
    for (int64_t i = 0; i < n; i++) {
        int has_text = sides != SIDES_GRAPH && bytes[i + 1] > bytes[i];
        cost[first + i] = cost_of_code(has_text, sides == SIDES_TEXT ? 0 : nodes[i + 1] - nodes[i]);
    }
    return STATUS_OK;
}

int dataset_costs(const char *vocabulary_path, enum sides sides, double **cost, int64_t *n_codes) {
    struct h5file *file = NULL;
    int status;
    *cost = NULL;
    TRY_DONE(h5file_open(&file, vocabulary_path, KIND_VOCABULARY));
    TRY_DONE(h5file_get_int(file, "n_codes", n_codes));
    TRY_DONE(mem_alloc(cost, *n_codes, sizeof **cost));
    for (int64_t first = 0; first < *n_codes; first += PIECE)
        TRY_DONE(add_costs(file, sides, first, *n_codes - first < PIECE ? *n_codes - first : PIECE, *cost));
done:
    h5file_close(file);
    return status;
}
