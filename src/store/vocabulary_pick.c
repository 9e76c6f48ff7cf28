/* Offsets say where the values of the chosen codes lie; then those are fetched. */
#include "store/vocabulary_pick.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "store/row_fetch.h"

struct picking {
    struct h5file *file;
    const struct comm *comm;
    const int64_t *codes;
    int64_t n;
};

/* values [n_values] of `size` bytes, of these spans. */
static int pick_values(struct picking *p, const char *name, enum h5type type, int64_t size, int64_t n_spans,
                       const struct row_range *spans, int64_t n_values, void *out) {
    void *data = NULL;
    int status = mem_alloc(out, n_values, size);
    if (status == STATUS_OK) memcpy(&data, out, sizeof data);
    return h5file_fetch(p->file, p->comm, name, type, n_spans, spans, data, status);
}

/* Where the codes themselves lie, neighbours as one range. */
static int pick_rows(struct picking *p, struct row_range **rows, int64_t *n_rows) {
    *n_rows = 0;
    TRY(mem_alloc(rows, p->n, sizeof **rows));
    for (int64_t i = 0; i < p->n; i++) {
        if (i > 0 && p->codes[i] == p->codes[i - 1] + 1)
            (*rows)[*n_rows - 1].count++;
        else
            (*rows)[(*n_rows)++] = (struct row_range){p->codes[i], 1};
    }
    return STATUS_OK;
}

static int pick_text(struct picking *p, const char *name, int64_t n_rows, const struct row_range *rows, int64_t *bytes,
                     char **out) {
    int64_t all;
    int status = h5file_shape(p->file, name, H5_TEXT, &all, bytes);
    if (status == STATUS_OK) status = mem_alloc(out, p->n * *bytes + 1, 1);
    TRY(h5file_fetch(p->file, p->comm, name, H5_TEXT, n_rows, rows, *out, status));
    for (int64_t i = 0; i < p->n && status == STATUS_OK; i++)
        if ((*out)[(i + 1) * *bytes - 1])
            status = status_set(STATUS_FAILED, "%s is damaged: %s %lld has no end", h5file_path(p->file), name,
                                (long long)p->codes[i]);
    return comm_agree(p->comm, status);
}

static int pick_names(struct picking *p, struct vocabulary *v) {
    struct row_range *rows = NULL;
    int64_t n_rows;
    int status;
    TRY_DONE(comm_agree(p->comm, pick_rows(p, &rows, &n_rows)));
    TRY_DONE(pick_text(p, "code", n_rows, rows, &v->code_bytes, &v->code));
    TRY_DONE(pick_text(p, "system", n_rows, rows, &v->system_bytes, &v->system));
done:
    free(rows);
    return status;
}

/* Ragged data: offsets [n + 1] from 0, and the spans of its values, which the caller frees in any case. */
static int pick_offsets(struct picking *p, const char *name, int64_t **offsets, struct row_range **spans,
                        int64_t *n_values) {
    int status = mem_alloc(offsets, p->n + 1, sizeof **offsets);
    TRY(h5file_fetch_spans(p->file, p->comm, name, p->n, p->codes, spans, n_values, status));
    offsets_of_spans(p->n, *spans, *offsets);
    return STATUS_OK;
}

static int pick_descriptions(struct picking *p, int with_bytes, struct vocabulary *v) {
    struct row_range *spans = NULL;
    int64_t bytes;
    int status = pick_offsets(p, "description_offsets", &v->description_offsets, &spans, &bytes);
    if (status == STATUS_OK && with_bytes)
        status = pick_values(p, "description_bytes", H5_U8, 1, p->n, spans, bytes, &v->description);
    free(spans);
    return status;
}

static int pick_edges(struct picking *p, struct vocabulary *v) {
    struct row_range *spans = NULL;
    int64_t edges;
    int status;
    TRY_DONE(pick_offsets(p, "edge_offsets", &v->edge_offsets, &spans, &edges));
    TRY_DONE(pick_values(p, "edge_source", H5_U16, 2, p->n, spans, edges, &v->edge_source));
    TRY_DONE(pick_values(p, "edge_target", H5_U16, 2, p->n, spans, edges, &v->edge_target));
    TRY_DONE(pick_values(p, "edge_relation", H5_U8, 1, p->n, spans, edges, &v->edge_relation));
done:
    free(spans);
    return status;
}

static int pick_graphs(struct picking *p, struct vocabulary *v) {
    struct row_range *rows = NULL, *spans = NULL;
    int64_t n_rows, nodes;
    int status;
    TRY_DONE(comm_agree(p->comm, pick_rows(p, &rows, &n_rows)));
    TRY_DONE(pick_values(p, "n_listed", H5_I32, 4, n_rows, rows, p->n, &v->n_listed));
    TRY_DONE(pick_offsets(p, "node_offsets", &v->node_offsets, &spans, &nodes));
    TRY_DONE(pick_values(p, "nodes", H5_I32, 4, p->n, spans, nodes, &v->nodes));
    TRY_DONE(pick_edges(p, v));
    status = comm_agree(p->comm, vocabulary_check_graphs(p->file, v, p->codes));
done:
    free(rows);
    free(spans);
    return status;
}

static int pick_parts(struct picking *p, unsigned parts, struct vocabulary *v) {
    if (parts & VOCABULARY_NAMES) TRY(pick_names(p, v));
    if (parts & (VOCABULARY_DESCRIPTIONS | VOCABULARY_GRAPHS))
        TRY(pick_descriptions(p, (parts & VOCABULARY_DESCRIPTIONS) != 0, v));
    return parts & VOCABULARY_GRAPHS ? pick_graphs(p, v) : STATUS_OK;
}

int vocabulary_pick(const struct comm *comm, const char *path, const int64_t *codes, int64_t n, unsigned parts,
                    struct vocabulary *v, int status) {
    struct picking p = {.comm = comm, .codes = codes, .n = n};
    *v = (struct vocabulary){0};
    if (status == STATUS_OK) status = vocabulary_read_sizes(path, v);
    if (status == STATUS_OK) status = h5file_open(&p.file, path, KIND_VOCABULARY);
    v->n_codes = n;
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = pick_parts(&p, parts, v);
    h5file_close(p.file);
    if (status != STATUS_OK) vocabulary_free(v);
    return status;
}
