/* Checks first, then parameter by parameter. */
#include "medtok/continuation.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/device_status.h"
#include "base/log.h"
#include "base/status.h"
#include "store/vocabulary.h"

enum { BLOCK_ROWS = 4096 };

/* ---- the vocabulary of the other training ---- */
/* Its checksum, from the lines `role<TAB>path<TAB>checksum`. */
static int find_checksum(const char *inputs, char sum[64]) {
    static const char ROLE[] = "vocabulary\t";
    const char *line = inputs;
    while (line && strncmp(line, ROLE, sizeof ROLE - 1) != 0) {
        line = strchr(line, '\n');
        if (line) line++;
    }
    return line && sscanf(line, "vocabulary\t%*[^\t]\t%63[0-9a-f]", sum) == 1;
}

static int no_vocabulary(const struct continuation_options *c, const char *path) {
    return status_set(
        STATUS_FAILED,
        "%s was trained on another vocabulary than is at %s now, which tells what its nodes are: name the one that "
        "it was trained on, --set train.from_vocabulary=PATH",
        c->checkpoint, path);
}

/* Its path, if what is there is what the checkpoint was trained on. */
static int find_vocabulary(const struct continuation_options *c, char path[PATH_MAX]) {
    struct h5file *checkpoint = NULL, *vocabulary = NULL;
    char *inputs = NULL, *id = NULL, sum[64];
    int status;
    TRY_DONE(h5file_open(&checkpoint, c->checkpoint, KIND_CHECKPOINT));
    TRY_DONE(h5file_get_text(checkpoint, "inputs", &inputs));
    snprintf(path, PATH_MAX, "%s", c->old_vocabulary);
    if (!path[0]) provenance_find_path(inputs, "vocabulary", path, PATH_MAX);
    if (!find_checksum(inputs, sum)) {
        status = status_set(STATUS_FAILED, "%s does not say what vocabulary it was trained on", c->checkpoint);
        goto done;
    }
    if (access(path, F_OK)) {
        status = no_vocabulary(c, path);
        goto done;
    }
    TRY_DONE(h5file_open(&vocabulary, path, KIND_VOCABULARY));
    TRY_DONE(h5file_get_text(vocabulary, "content_id", &id));
    if (strcmp(id, sum) != 0) status = no_vocabulary(c, path);
done:
    free(inputs);
    free(id);
    h5file_close(checkpoint);
    h5file_close(vocabulary);
    return status;
}

/* What a vocabulary's graph was made without, "" for nothing; the caller frees it. */
static int read_removed(const char *path, char **removed) {
    struct h5file *file;
    TRY(h5file_open(&file, path, KIND_VOCABULARY));
    int status = h5file_get_text_or(file, "removed_sha256", "", removed);
    h5file_close(file);
    return status;
}

/* By induction all trainings before were made without them. */
static int check_removed(const struct continuation_options *c, const char *path) {
    char *now = NULL, *before = NULL;
    int status;
    TRY_DONE(read_removed(c->vocabulary, &now));
    TRY_DONE(read_removed(path, &before));
    if (now[0] && strcmp(now, before) != 0)
        status = status_set(
            STATUS_FAILED,
            "%s was made without edges that %s, which %s was trained on, was not made without: its model may know "
            "them, "
            "and `probe` would take that for found; train anew, or from a checkpoint whose vocabulary lacked the same "
            "edges",
            c->vocabulary, path, c->checkpoint);
done:
    free(now);
    free(before);
    return status;
}

int continuation_add_provenance(const struct continuation_options *c, struct provenance *provenance) {
    struct h5file *file = NULL;
    struct vocabulary sizes;
    char path[PATH_MAX], vocabulary[PATH_MAX], sum[64], *inputs = NULL;
    int status;
    TRY_DONE(h5file_open(&file, c->checkpoint, KIND_CHECKPOINT));
    TRY_DONE(h5file_get_text(file, "inputs", &inputs));
    provenance_find_path(inputs, CONTINUATION_HIERARCHY, path, sizeof path);
    if (path[0]) {
        status = provenance_copy_inputs(provenance, inputs, CONTINUATION_HIERARCHY);
        goto done;
    }
    TRY_DONE(find_vocabulary(c, vocabulary));
    TRY_DONE(vocabulary_read_sizes(vocabulary, &sizes));
    if (sizes.n_hierarchy > 0 && find_checksum(inputs, sum))
        status = provenance_add_checksum(provenance, CONTINUATION_HIERARCHY, vocabulary, sum);
done:
    free(inputs);
    h5file_close(file);
    return status;
}

int continuation_check(const struct continuation_options *c, int64_t text_dim) {
    char path[PATH_MAX];
    struct h5file *file;
    int64_t rows, cols;
    if (!c->checkpoint[0]) return STATUS_OK;
    TRY(find_vocabulary(c, path));
    TRY(check_removed(c, path));
    TRY(h5file_open(&file, c->checkpoint, KIND_CHECKPOINT));
    int status = h5file_shape(file, "text.map.weight", H5_F32, &rows, &cols);
    h5file_close(file);
    if (status != STATUS_OK || cols == text_dim) return status;
    return status_set(
        STATUS_FAILED,
        "%s was trained on text features of %lld values, and those here have %lld: encode with the text encoder that "
        "it was trained with",
        c->checkpoint, (long long)cols, (long long)text_dim);
}

/* ---- reading ---- */
struct loading {
    struct continuation *to;
    const struct node_start *node_start;
    struct h5file *file;
    int averaged; /* it has averages */
};

/* The dataset of a parameter. */
static void name_dataset(const struct loading *l, const struct parameter *p, char name[128]) {
    snprintf(name, 128, "%.100s%s", p->name, l->averaged ? ".average" : "");
}

/* A look that fails says nothing. */
static int has_dataset(struct h5file *file, const char *name) {
    int64_t rows, cols;
    return h5file_shape(file, name, H5_F32, &rows, &cols) == STATUS_OK;
}

/* Reads rows of a dataset as reals. */
static int read_rows(const struct loading *l, const char *name, int64_t first, int64_t count, int64_t cols, float *read,
                     real *rows) {
    TRY(h5file_read(l->file, name, H5_F32, first, count, read));
    for (int64_t i = 0; i < count * cols; i++) {
        if (!isfinite(read[i]))
            return status_set(STATUS_FAILED, "%s: parameter %s holds a NaN or infinite value", h5file_path(l->file),
                              name);
        rows[i] = (real)read[i];
    }
    return STATUS_OK;
}

static int check_shape(const struct loading *l, const struct parameter *p, const char *name, int any_rows,
                       int64_t *rows) {
    int64_t cols;
    TRY(h5file_shape(l->file, name, H5_F32, rows, &cols));
    if (cols == p->cols && (any_rows || *rows == p->rows)) return STATUS_OK;
    return status_set(
        STATUS_FAILED,
        "%s: parameter %s is [%lld, %lld] there and [%lld, %lld] here: it was trained with other settings",
        h5file_path(l->file), name, (long long)*rows, (long long)cols, (long long)p->rows, (long long)p->cols);
}

static dev_real start_of(const struct continuation *c, const struct parameter *p) {
    return dev_real_at(c->start[p->group], p->offset);
}

/* Notes that rows first .. first + n - 1 (of those held here) are held to their start. */
static int anchor_rows(struct continuation *c, const struct parameter *p, int64_t first, int64_t n) {
    struct anchored_values *last = c->n_anchored > 0 ? &c->anchored[c->n_anchored - 1] : NULL;
    int64_t at = p->offset + first * p->cols;
    if (last && last->group == p->group && last->first + last->n == at) {
        last->n += n * p->cols;
        return STATUS_OK;
    }
    TRY(mem_grow(&c->anchored, &c->capacity, c->n_anchored + 1, sizeof *c->anchored));
    c->anchored[c->n_anchored++] = (struct anchored_values){p->group, at, n * p->cols};
    return STATUS_OK;
}

/* Reads a parameter that has one dataset, whatever is averaged, and that nothing holds to its start: it is frozen. */
static int load_frozen(struct loading *l, const struct parameter *p) {
    int64_t rows, n = p->rows * p->cols;
    float *read = NULL;
    real *values = NULL;
    int status;
    TRY_DONE(check_shape(l, p, p->name, 0, &rows));
    TRY_DONE(mem_alloc(&read, n, sizeof *read));
    TRY_DONE(mem_alloc(&values, n, sizeof *values));
    TRY_DONE(read_rows(l, p->name, 0, p->rows, p->cols, read, values));
    device_upload_reals(l->to->parameters->device, p->value, values, n);
    device_synchronize(l->to->parameters->device);
done:
    free(read);
    free(values);
    return status;
}

/* The map by which new nodes begin. */
static int load_node_map(struct loading *l) {
    const struct node_start *s = l->node_start;
    const char *path = l->to->options.checkpoint;
    int there = has_dataset(l->file, "graph.node_map.weight"), here = s->weight != NULL;
    if (there != here)
        return status_set(
            STATUS_FAILED,
            "train.from: %s was trained with graph.node_start: %s: train with the same, so that new nodes "
            "begin as its nodes did",
            path, there ? "text" : "random");
    if (!here) return STATUS_OK;
    TRY(load_frozen(l, s->weight));
    return load_frozen(l, s->bias);
}

/* A parameter that all ranks have whole. */
static int load_whole(struct loading *l, const struct model *model, const struct parameter *p) {
    char name[128];
    int64_t rows, n = p->rows * p->cols;
    float *read = NULL;
    real *values = NULL;
    int status;
    name_dataset(l, p, name);
    TRY_DONE(check_shape(l, p, name, 0, &rows));
    TRY_DONE(mem_alloc(&read, n, sizeof *read));
    TRY_DONE(mem_alloc(&values, n, sizeof *values));
    TRY_DONE(read_rows(l, name, 0, p->rows, p->cols, read, values));
    device_upload_reals(l->to->parameters->device, start_of(l->to, p), values, n);
    device_synchronize(l->to->parameters->device);
    if (p != model->codebook) status = anchor_rows(l->to, p, 0, p->rows);
done:
    free(read);
    free(values);
    return status;
}

/* ---- nodes ---- */
struct identified {
    uint64_t identity;
    int64_t row;
};

static int by_identity(const void *a, const void *b) {
    const struct identified *x = a, *y = b;
    if (x->identity != y->identity) return x->identity < y->identity ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Of nodes with one identity the first. */
static int64_t find_row(const struct identified *old, int64_t n, uint64_t identity) {
    int64_t low = 0, high = n;
    if (identity == 0) return -1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (old[middle].identity < identity)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && old[low].identity == identity ? old[low].row : -1;
}

/* from[n_new]: the old row of each node, or -1. */
static int match_nodes(const struct loading *l, int64_t n_new, int64_t n_rows, int64_t *from, int64_t *n_known) {
    char path[PATH_MAX];
    uint64_t *before = NULL, *now = NULL;
    struct identified *old = NULL;
    int64_t n_before = 0, n_now = 0;
    int status;
    TRY_DONE(find_vocabulary(&l->to->options, path));
    TRY_DONE(vocabulary_read_identities(path, &before, &n_before));
    TRY_DONE(vocabulary_read_identities(l->to->options.vocabulary, &now, &n_now));
    if (n_before != n_rows || n_now != n_new) {
        status = status_set(STATUS_FAILED, "%s has %lld nodes, but %s is of %lld", path, (long long)n_before,
                            h5file_path(l->file), (long long)n_rows);
        goto done;
    }
    TRY_DONE(mem_alloc(&old, n_before, sizeof *old));
    for (int64_t i = 0; i < n_before; i++) old[i] = (struct identified){before[i], i};
    if (n_before > 0) qsort(old, (size_t)n_before, sizeof *old, by_identity);
    *n_known = 0;
    for (int64_t i = 0; i < n_new; i++) {
        from[i] = find_row(old, n_before, now[i]);
        *n_known += from[i] >= 0;
    }
done:
    free(before);
    free(now);
    free(old);
    return status;
}

/* Copies what this rank's rows want from a block of old rows. */
static void copy_block(const struct parameter *p, const int64_t *from, int64_t first, int64_t count, const real *block,
                       real *values) {
    for (int64_t i = 0; i < p->count; i++) {
        int64_t row = from[parameter_row(p, i)];
        if (row >= first && row < first + count)
            memcpy(values + i * p->cols, block + (row - first) * p->cols, (size_t)p->cols * sizeof *values);
    }
}

static int anchor_known(struct loading *l, const struct parameter *p, const int64_t *from) {
    for (int64_t i = 0; i < p->count; i++)
        if (from[parameter_row(p, i)] >= 0) TRY(anchor_rows(l->to, p, i, 1));
    return STATUS_OK;
}

/* The node table in blocks of the old one's rows; a new node keeps its first value, or begins with its name. */
static int load_nodes(struct loading *l, const struct parameter *p) {
    char name[128];
    struct device *device = l->to->parameters->device;
    int64_t n_rows, n_known, *from = NULL;
    float *read = NULL;
    real *block = NULL, *values = NULL;
    int status;
    if (p->rows == 0) return STATUS_OK;
    name_dataset(l, p, name);
    TRY_DONE(check_shape(l, p, name, 1, &n_rows));
    TRY_DONE(mem_alloc(&from, p->rows, sizeof *from));
    TRY_DONE(match_nodes(l, p->rows, n_rows, from, &n_known));
    TRY_DONE(mem_alloc(&read, BLOCK_ROWS * p->cols, sizeof *read));
    TRY_DONE(mem_alloc(&block, BLOCK_ROWS * p->cols, sizeof *block));
    TRY_DONE(mem_alloc(&values, p->count * p->cols, sizeof *values));
    device_download_reals(device, values, p->value, p->count * p->cols);
    if (l->node_start->weight) TRY_DONE(node_start_rows(l->node_start, device, values));
    for (int64_t first = 0; first < n_rows; first += BLOCK_ROWS) {
        int64_t count = n_rows - first < BLOCK_ROWS ? n_rows - first : BLOCK_ROWS;
        TRY_DONE(read_rows(l, name, first, count, p->cols, read, block));
        copy_block(p, from, first, count, block, values);
    }
    device_upload_reals(device, start_of(l->to, p), values, p->count * p->cols);
    device_synchronize(device);
    log_info("%lld of %lld nodes are known from %s; the others begin anew", (long long)n_known, (long long)p->rows,
             l->to->options.checkpoint);
    status = anchor_known(l, p, from);
done:
    free(from);
    free(read);
    free(block);
    free(values);
    return status;
}

static int is_decoder(const struct model *model, const struct parameter *p) {
    return p == model->text_decoder.weight || p == model->text_decoder.bias || p == model->graph_decoder.weight ||
           p == model->graph_decoder.bias;
}

static int load(struct loading *l, const struct model *model) {
    const struct parameter_set *set = l->to->parameters;
    char name[128];
    TRY(h5file_open(&l->file, l->to->options.checkpoint, KIND_CHECKPOINT));
    l->averaged = has_dataset(l->file, "codebook.average");
    TRY(load_node_map(l));
    for (int i = 0; i < set->n; i++) {
        const struct parameter *p = set->list[i];
        name_dataset(l, p, name);
        if (p->flags & PARAMETER_FROZEN || (is_decoder(model, p) && !has_dataset(l->file, name))) continue;
        TRY(p == model->nodes ? load_nodes(l, p) : load_whole(l, model, p));
    }
    return device_status(set->device);
}

/* ---- the whole ---- */
int continuation_make(struct continuation *c, const struct continuation_options *options, const struct model *model,
                      const struct node_start *node_start, struct parameter_set *parameters) {
    struct device *device = parameters->device;
    struct loading l = {.to = c, .node_start = node_start};
    dev_real none = {NULL};
    *c = (struct continuation){.options = *options, .keep = none};
    if (!options->checkpoint[0]) return STATUS_OK;
    c->parameters = parameters;
    c->keep = device_alloc_reals(device, 1);
    for (int g = 0; g < PARAMETERS_FROZEN; g++) {
        const struct parameter_stretch *s = &parameters->group[g];
        c->start[g] = device_alloc_reals(device, s->n);
        if (device_status(device) != STATUS_OK) return STATUS_FAILED;
        device->run->fill(device, s->n, 0, c->start[g]);
        device->run->axpy(device, s->n, 1, s->value, c->start[g]);
    }
    int status = load(&l, model);
    h5file_close(l.file);
    return status;
}

void continuation_free(struct continuation *c) {
    if (!c->parameters) return;
    for (int g = 0; g < PARAMETERS_FROZEN; g++) device_free_reals(c->parameters->device, c->start[g]);
    device_free_reals(c->parameters->device, c->keep);
    free(c->anchored);
    *c = (struct continuation){.parameters = NULL};
}

int continuation_begin(const struct continuation *c, struct optimiser *optimiser) {
    for (int i = 0; i < c->parameters->n; i++) {
        const struct parameter *p = c->parameters->list[i];
        real *values;
        if (p->flags & PARAMETER_FROZEN || p->count == 0) continue;
        TRY(mem_alloc(&values, p->count * p->cols, sizeof *values));
        device_download_reals(c->parameters->device, values, start_of(c, p), p->count * p->cols);
        optimiser_set_rows(optimiser, p, 0, p->count, values);
        device_synchronize(c->parameters->device);
        free(values);
    }
    return device_status(c->parameters->device);
}

void continuation_set_rate(struct continuation *c, double rate) {
    real keep = (real)fmax(0, 1 - rate * c->options.anchor);
    device_upload_reals(c->parameters->device, c->keep, &keep, 1);
}

void continuation_hold(const struct continuation *c) {
    struct device *device = c->parameters->device;
    if (c->options.anchor == 0) return;
    for (long long i = 0; i < c->n_anchored; i++) {
        const struct anchored_values *a = &c->anchored[i];
        device->run->blend(device, a->n, c->keep, dev_real_at(c->start[a->group], a->first),
                           dev_real_at(c->parameters->group[a->group].value, a->first));
    }
}
