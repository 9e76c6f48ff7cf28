/* Rows are read in the order of the file, in windows. */
#include "store/node_features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "half.h"
#include "store/text_features.h"

enum { WINDOW_ROWS = 2048, DIFFER_NODES = 256 };

/* A feature row that is wanted, and the place among the nodes asked for of the one that wants it. */
struct node_at {
    int64_t row, node;
};

static int damaged(const struct node_features *f, const char *what, int64_t node) {
    return status_set(STATUS_FAILED, "%s is damaged: %s of node %lld; run `medtok encode` again", h5file_path(f->file),
                      what, (long long)node);
}

static int read_sizes(struct node_features *f) {
    int64_t cols, rows = 0;
    char *precision = NULL;
    TRY(h5file_get_int(f->file, "dim", &f->dim));
    TRY(h5file_get_int(f->file, "n_rows", &f->n_rows));
    TRY(h5file_get_int_or(f->file, "n_nodes", 0, &f->n_nodes));
    if (f->n_nodes == 0)
        return status_set(STATUS_FAILED,
                          "%s has no features of the names of nodes, which graph.node_start: text begins with: run "
                          "`medtok encode` again with text.nodes=yes, or set graph.node_start=random",
                          h5file_path(f->file));
    TRY(h5file_get_text(f->file, "precision", &precision));
    f->type = strcmp(precision, "fp16") == 0 ? H5_F16 : H5_F32;
    free(precision);
    TRY(h5file_shape(f->file, "node_row", H5_I32, &rows, &cols));
    return rows == f->n_nodes ? STATUS_OK : damaged(f, "the number", rows);
}

int node_features_open(struct node_features *f, const char *path, const char *vocabulary_path) {
    *f = (struct node_features){.file = NULL};
    TRY(h5file_open(&f->file, path, KIND_TEXT));
    TRY(text_features_check_vocabulary(f->file, vocabulary_path));
    TRY(read_sizes(f));
    if (f->type == H5_F16) return mem_alloc(&f->halves, WINDOW_ROWS * f->dim, sizeof *f->halves);
    return mem_alloc(&f->window, WINDOW_ROWS * f->dim, sizeof *f->window);
}

void node_features_close(struct node_features *f) {
    h5file_close(f->file);
    free(f->row);
    free(f->at);
    free(f->halves);
    free(f->window);
    *f = (struct node_features){.file = NULL};
}

static int by_row(const void *a, const void *b) {
    const struct node_at *x = a, *y = b;
    if (x->row != y->row) return x->row < y->row ? -1 : 1;
    return (x->node > y->node) - (x->node < y->node);
}

/* The rows that are wanted, in order: n_at of them. */
static int find_rows(struct node_features *f, int64_t n, const int64_t *nodes, unsigned char *named, int64_t *n_at) {
    int64_t first = nodes[0], span = nodes[n - 1] - first + 1;
    TRY(mem_grow(&f->row, &f->row_capacity, span, sizeof *f->row));
    TRY(mem_grow(&f->at, &f->at_capacity, n, sizeof *f->at));
    TRY(h5file_read(f->file, "node_row", H5_I32, first, span, f->row));
    *n_at = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t row = f->row[nodes[i] - first];
        if (row < -1 || row >= f->n_rows) return damaged(f, "a row number", nodes[i]);
        named[i] = row >= 0;
        if (named[i]) f->at[(*n_at)++] = (struct node_at){row, i};
    }
    qsort(f->at, (size_t)*n_at, sizeof *f->at, by_row);
    return STATUS_OK;
}

/* Row `k` of the window into out. */
static int copy_row(const struct node_features *f, int64_t k, int64_t node, float *out) {
    for (int64_t c = 0; c < f->dim; c++) {
        out[c] = f->halves ? half_to_float(f->halves[k * f->dim + c]) : f->window[k * f->dim + c];
        if (!isfinite(out[c])) return damaged(f, "a feature that is NaN or infinite", node);
    }
    return STATUS_OK;
}

int node_features_read(struct node_features *f, int64_t n, const int64_t *nodes, float *rows, unsigned char *named) {
    int64_t n_at, end;
    if (n == 0) return STATUS_OK;
    TRY(find_rows(f, n, nodes, named, &n_at));
    memset(rows, 0, (size_t)(n * f->dim) * sizeof *rows);
    for (int64_t i = 0; i < n_at; i = end) {
        int64_t row = f->at[i].row;
        for (end = i + 1; end < n_at && f->at[end].row < row + WINDOW_ROWS;) end++;
        void *window = f->halves ? (void *)f->halves : (void *)f->window;
        TRY(h5file_read(f->file, "features", f->type, row, f->at[end - 1].row - row + 1, window));
        for (int64_t k = i; k < end; k++)
            TRY(copy_row(f, f->at[k].row - row, nodes[f->at[k].node], rows + f->at[k].node * f->dim));
    }
    return STATUS_OK;
}

/* ---- whether names tell nodes apart ---- */
/* Whether two rows are further apart than rounding, by the size of the first. */
static int rows_differ(const float *a, const float *b, int64_t dim) {
    const double NEAR = 2e-5;
    double apart = 0, size = 0;
    for (int64_t j = 0; j < dim; j++) {
        apart += fabs((double)a[j] - (double)b[j]);
        size += fabs((double)a[j]);
    }
    return apart > NEAR * size;
}

int node_features_differ(struct node_features *f, int *differ) {
    int64_t numbers[DIFFER_NODES], first_named = -1;
    unsigned char named[DIFFER_NODES];
    float *rows, *one;
    int status = mem_alloc(&rows, (DIFFER_NODES + 1) * f->dim, sizeof *rows);
    *differ = 0;
    TRY(status);
    one = rows + DIFFER_NODES * f->dim;
    for (int64_t at = 0; at < f->n_nodes && !*differ && status == STATUS_OK; at += DIFFER_NODES) {
        int64_t n = f->n_nodes - at < DIFFER_NODES ? f->n_nodes - at : DIFFER_NODES;
        for (int64_t i = 0; i < n; i++) numbers[i] = at + i;
        status = node_features_read(f, n, numbers, rows, named);
        for (int64_t i = 0; i < n && status == STATUS_OK && !*differ; i++) {
            if (!named[i]) continue;
            if (first_named < 0) memcpy(one, rows + i * f->dim, (size_t)f->dim * sizeof *one);
            if (first_named < 0) first_named = at + i;
            *differ = rows_differ(one, rows + i * f->dim, f->dim);
        }
    }
    free(rows);
    return status;
}
