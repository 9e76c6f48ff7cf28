/* Rank 0 looks codes up and reads; the others are told. */
#include "ehr/medtok_vectors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "store/table_walk.h"
#include "terms/code_hierarchy.h"
#include "terms/code_index.h"
#include "terms/meds_code.h"

/* ---- finding ---- */
static int64_t find_code(struct medtok_vectors *v, const struct code_index *index, const char *text) {
    char system[MEDS_PART_BYTES], code[MEDS_PART_BYTES], parent[MEDS_PART_BYTES];
    if (!meds_code_split(text, system, code)) return VECTOR_OWN_ROW;
    if (!index) return 0;
    int64_t row = code_index_same(index, system, code);
    v->n_exact += row >= 0;
    while (row < 0 && code_parent(system, code, parent, sizeof parent)) {
        strcpy(code, parent);
        row = code_index_same(index, system, code);
        v->n_ancestor += row >= 0;
    }
    return row >= 0 ? row : VECTOR_MISSING;
}

static void find_all(struct medtok_vectors *v, const struct code_index *index, const struct cohort *cohort,
                     const uint8_t *wanted, int64_t *row) {
    v->n_exact = v->n_ancestor = 0;
    for (int64_t i = 0; i < cohort->n_codes; i++)
        row[i] = wanted[i] ? find_code(v, index, cohort_code(cohort, i)) : VECTOR_MISSING;
}

static int find_no_table(void *self, const struct cohort *cohort, const uint8_t *wanted, int64_t *row) {
    find_all(self, NULL, cohort, wanted, row);
    return STATUS_OK;
}

static int find(void *self, const struct cohort *cohort, const uint8_t *wanted, int64_t *row) {
    struct medtok_vectors *v = self;
    struct table table;
    struct code_index index = {0};
    TRY(table_open(&table, v->path));
    int status =
        code_index_make(&index, (struct strings){.text = table.code, .stride = table.code_bytes},
                        (struct strings){.text = table.system, .stride = table.system_bytes}, table.shape.n_codes);
    if (status == STATUS_OK) find_all(v, &index, cohort, wanted, row);
    code_index_free(&index);
    table_close(&table);
    return status;
}

void medtok_vectors_make(struct medtok_vectors *v, const char *table) {
    *v = (struct medtok_vectors){.source = {table ? find : find_no_table, v, !table}, .path = table};
}

/* ---- reading ---- */
/* Copies the rows of the table that are in hand to where they are wanted; several codes may want the same. */
static void take(const struct table_walk *w, int64_t width, int64_t n, const int64_t *rows, float *out) {
    for (int64_t i = 0; i < n; i++)
        if (rows[i] >= w->first && rows[i] < w->first + w->count)
            memcpy(out + i * width, w->embedding + (rows[i] - w->first) * width, (size_t)width * sizeof *out);
}

static int read_rows(struct table *table, int64_t width, int64_t n, const int64_t *rows, float *out) {
    struct table_walk w;
    int status = table_walk_begin(&w, table, TABLE_EMBEDDING, 0, table->shape.n_codes);
    while (status == STATUS_OK && (status = table_walk_next(&w)) == STATUS_OK && w.count > 0)
        take(&w, width, n, rows, out);
    table_walk_end(&w);
    return status;
}

static void standardise(int64_t n, int64_t width, int64_t n_mean, float *x) {
    double square = 0;
    if (n_mean == 0) return;
    for (int64_t j = 0; j < width; j++) {
        double mean = 0;
        for (int64_t i = 0; i < n_mean; i++) mean += x[i * width + j];
        mean /= (double)n_mean;
        for (int64_t i = 0; i < n; i++) x[i * width + j] -= (float)mean;
        for (int64_t i = 0; i < n_mean; i++) square += (double)x[i * width + j] * x[i * width + j];
    }
    double scale = square > 0 ? sqrt((double)n_mean / square) : 1;
    for (int64_t i = 0; i < n * width; i++) x[i] *= (float)scale;
}

static int read_all(const struct comm *comm, struct table *table, int64_t n, const int64_t *rows, int64_t n_mean,
                    int64_t width, float *out) {
    int status = comm->rank == 0 ? read_rows(table, width, n, rows, out) : STATUS_OK;
    TRY(comm_agree(comm, status));
    TRY(comm_broadcast(comm, out, n * width * (int64_t)sizeof *out));
    standardise(n, width, n_mean, out);
    return STATUS_OK;
}

int medtok_vectors_read(const struct medtok_vectors *v, const struct comm *comm, int64_t n, const int64_t *rows,
                        int64_t n_mean, int64_t *width, float **out) {
    struct table table = {0};
    *out = NULL;
    *width = 0;
    int status = comm->rank == 0 ? table_open(&table, v->path) : STATUS_OK;
    TRY(comm_agree(comm, status));
    *width = TABLE_GROUPS * table.shape.dim;
    TRY_DONE(comm_broadcast(comm, width, sizeof *width));
    TRY_DONE(comm_agree(comm, mem_alloc(out, n * *width, sizeof **out)));
    status = read_all(comm, &table, n, rows, n_mean, *width, *out);
done:
    if (comm->rank == 0) table_close(&table);
    return status;
}
