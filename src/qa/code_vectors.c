#include "qa/code_vectors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

void code_vectors_free(struct code_vectors *v) {
    free(v->rows);
    free(v->unit);
    *v = (struct code_vectors){0};
}

static int ascending(const void *a, const void *b) {
    int64_t p = *(const int64_t *)a, q = *(const int64_t *)b;
    return p < q ? -1 : p > q;
}

static int sort_rows(struct code_vectors *v, int64_t n, const int64_t *rows) {
    TRY(mem_alloc(&v->rows, n, sizeof *v->rows));
    for (int64_t i = 0; i < n; i++)
        if (rows[i] >= 0) v->rows[v->n++] = rows[i];
    n = v->n;
    if (n) qsort(v->rows, (size_t)n, sizeof *v->rows, ascending);
    v->n = 0;
    for (int64_t i = 0; i < n; i++)
        if (v->n == 0 || v->rows[v->n - 1] != v->rows[i]) v->rows[v->n++] = v->rows[i];
    return STATUS_OK;
}

static double norm(const float *a, int64_t width) {
    double sum = 0;
    for (int64_t k = 0; k < width; k++) sum += (double)a[k] * (double)a[k];
    return sqrt(sum);
}

static void to_unit(float *to, const float *from, int64_t width) {
    double length = norm(from, width);
    for (int64_t k = 0; k < width; k++) to[k] = length > 0 ? (float)((double)from[k] / length) : 0;
}

/* Rows are read in runs: over gaps of up to GAP rows, which cost less to read than another request, at most RUN rows at once. */
enum { GAP = 64, RUN = 4096 };

int code_vectors_read(struct code_vectors *v, struct table *table, int64_t n, const int64_t *rows) {
    float *block = NULL;
    int status;
    *v = (struct code_vectors){.width = TABLE_GROUPS * table->shape.dim};
    TRY_DONE(sort_rows(v, n, rows));
    if (v->n && v->rows[v->n - 1] >= table->shape.n_codes)
        TRY_DONE(status_set(STATUS_FAILED, "row %lld is beyond the table's %lld", (long long)v->rows[v->n - 1],
                            (long long)table->shape.n_codes));
    TRY_DONE(mem_alloc(&v->unit, v->n * v->width, sizeof *v->unit));
    TRY_DONE(mem_alloc(&block, RUN * v->width, sizeof *block));
    for (int64_t i = 0, end; i < v->n; i = end) {
        for (end = i + 1; end < v->n; end++)
            if (v->rows[end] - v->rows[end - 1] > GAP || v->rows[end] - v->rows[i] >= RUN) break;
        TRY_DONE(table_read(table, v->rows[i], v->rows[end - 1] - v->rows[i] + 1, NULL, NULL, block));
        for (int64_t k = i; k < end; k++)
            to_unit(v->unit + k * v->width, block + (v->rows[k] - v->rows[i]) * v->width, v->width);
    }
done:
    free(block);
    return status;
}

const float *code_vector(const struct code_vectors *v, int64_t row) {
    const int64_t *found = v->n ? bsearch(&row, v->rows, (size_t)v->n, sizeof row, ascending) : NULL;
    if (!found) return NULL;
    const float *unit = v->unit + (found - v->rows) * v->width;
    for (int64_t k = 0; k < v->width; k++)
        if (unit[k] != 0) return unit;
    return NULL;
}

double vector_cosine(const float *a, const float *b, int64_t width) {
    double dot = 0, lengths = norm(a, width) * norm(b, width);
    for (int64_t k = 0; k < width; k++) dot += (double)a[k] * (double)b[k];
    return lengths > 0 ? dot / lengths : 0;
}
