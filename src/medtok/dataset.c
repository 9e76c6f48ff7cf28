/* Reading a rank's piece. */
#include "medtok/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/device_status.h"
#include "terms/code_hierarchy.h"

/* A side's fixed work for a code (quantiser, losses) in units of one node's work (GCN, attention), measured in training. */
static const double COST_OF_A_SIDE = 8;

static int index_codes(struct dataset *d, int64_t *count) {
    int64_t last = 0;
    d->first = INT64_MAX;
    for (int64_t i = 0; i < d->n_codes; i++) {
        if (d->codes[i] < d->first) d->first = d->codes[i];
        if (d->codes[i] > last) last = d->codes[i];
    }
    if (d->n_codes == 0) d->first = 0;
    *count = d->n_codes ? last - d->first + 1 : 0;
    TRY(mem_alloc(&d->index, *count, sizeof *d->index));
    for (int64_t i = 0; i < *count; i++) d->index[i] = -1;
    for (int64_t i = 0; i < d->n_codes; i++) d->index[d->codes[i] - d->first] = i;
    return STATUS_OK;
}

int dataset_read(struct dataset *d, const char *vocabulary_path, struct text_source *source, enum sides sides,
                 const int64_t *codes, int64_t n_codes) {
    int64_t count;
    *d = (struct dataset){.n_codes = n_codes, .source = source, .sides = sides};
    TRY(mem_alloc(&d->codes, n_codes, sizeof *d->codes));
    memcpy(d->codes, codes, (size_t)n_codes * sizeof *codes);
    TRY(index_codes(d, &count));
    TRY(vocabulary_read(vocabulary_path, d->first, count, VOCABULARY_GRAPHS, &d->vocabulary));
    return source->features_path
               ? text_features_read(source->features_path, vocabulary_path, codes, n_codes, &d->text)
               : text_source_read_ids(source, vocabulary_path, codes, n_codes, d->first, count, &d->ids);
}

struct code_view dataset_view(const struct dataset *d, int64_t code) {
    int64_t i = code - d->first, t = d->index[i];
    const struct vocabulary *v = &d->vocabulary;
    const int64_t *text = (d->ids.offsets ? d->ids.offsets : d->text.token_offsets) + t;
    struct code_view view = {.tokens = (d->ids.offsets ? d->ids.ids : d->text.token_row) + text[0],
                             .nodes = v->nodes + v->node_offsets[i],
                             .source = v->edge_source + v->edge_offsets[i],
                             .target = v->edge_target + v->edge_offsets[i]};
    if (dataset_has_text(d, code)) view.n_tokens = text[1] - text[0];
    if (!dataset_has_graph(d, code)) return view;
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

int dataset_find_siblings(struct dataset *d, const char *vocabulary_path) {
    struct vocabulary names;
    TRY(vocabulary_read(vocabulary_path, d->first, d->vocabulary.n_codes, VOCABULARY_NAMES, &names));
    int status = mem_alloc(&d->sibling_class, names.n_codes, sizeof *d->sibling_class);
    for (int64_t i = 0; i < names.n_codes && status == STATUS_OK; i++)
        d->sibling_class[i] = sibling_class(vocabulary_system(&names, i), vocabulary_code(&names, i));
    vocabulary_free(&names);
    return status;
}

void dataset_free(struct dataset *d) {
    free(d->codes);
    free(d->index);
    free(d->sibling_class);
    if (d->device) {
        device_free_reals(d->device, d->resident);
        device_free_halves(d->device, d->resident_halves);
    }
    vocabulary_free(&d->vocabulary);
    text_features_free(&d->text);
    text_ids_free(&d->ids);
    *d = (struct dataset){0};
}

/* An offsets dataset of all codes: [n_codes + 1]. */
static int read_offsets(struct h5file *file, const char *name, int64_t **offsets, int64_t *n_codes) {
    int64_t rows, cols;
    TRY(h5file_shape(file, name, H5_I64, &rows, &cols));
    *n_codes = rows - 1;
    TRY(mem_alloc(offsets, rows, sizeof **offsets));
    return h5file_read(file, name, H5_I64, 0, rows, *offsets);
}

double dataset_cost_of_code(int has_text, int64_t n_nodes) {
    return (has_text ? COST_OF_A_SIDE : 0) + (n_nodes > 0 ? COST_OF_A_SIDE + (double)n_nodes : 0);
}

int dataset_costs(const char *vocabulary_path, enum sides sides, double **cost, int64_t *n_codes) {
    struct h5file *file = NULL;
    int64_t *nodes = NULL, *bytes = NULL;
    int status;
    *cost = NULL;
    TRY(h5file_open(&file, vocabulary_path, KIND_VOCABULARY));
    TRY_DONE(read_offsets(file, "node_offsets", &nodes, n_codes));
    TRY_DONE(read_offsets(file, "description_offsets", &bytes, n_codes));
    TRY_DONE(mem_alloc(cost, *n_codes, sizeof **cost));
    for (int64_t i = 0; i < *n_codes; i++) {
        int64_t n_nodes = nodes[i + 1] - nodes[i];
        int has_text = sides != SIDES_GRAPH && bytes[i + 1] > bytes[i];
        (*cost)[i] = dataset_cost_of_code(has_text, sides == SIDES_TEXT ? 0 : n_nodes);
    }
done:
    free(nodes);
    free(bytes);
    h5file_close(file);
    return status;
}
