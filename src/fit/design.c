/* Columns are counted, rows and columns cut into runs, and entries sent to the owners of both. */
#include "fit/design.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/exchange.h"
#include "dist/gather.h"
#include "fit/design_dense.h"

struct maker {
    const struct design_source *source;
    const struct chosen_row *chosen;
    int64_t n_chosen;
    struct design *design;
    int64_t from, end;  /* chosen rows that this rank's samples are */
    int64_t *rows_with; /* [source's columns] rows that have the column */
    double *largest;    /* [source's columns] */
    int32_t *new_of;    /* [source's columns] number in the design, or -1 */
    struct sparse_entry *entries, *sorted;
    int64_t *count, *next; /* [ranks] */
    int64_t n_entries;
};

/* The entries of a chosen row in the source. */
static int64_t source_row(const struct maker *m, int64_t k) { return m->chosen[k].sample - m->source->first; }

/* ---- columns ---- */
static void count_columns(struct maker *m) {
    const struct sparse_rows *rows = m->source->rows;
    int64_t end = m->source->first + rows->n;
    while (m->from < m->n_chosen && m->chosen[m->from].sample < m->source->first) m->from++;
    for (m->end = m->from; m->end < m->n_chosen && m->chosen[m->end].sample < end;) m->end++;
    for (int64_t k = m->from; k < m->end; k++)
        for (int64_t e = rows->offsets[source_row(m, k)]; e < rows->offsets[source_row(m, k) + 1]; e++) {
            m->rows_with[rows->column[e]]++;
            m->largest[rows->column[e]] = fmax(m->largest[rows->column[e]], fabs((double)rows->value[e]));
        }
}

static int number_columns(struct maker *m, int64_t min_count) {
    struct design *d = m->design;
    int64_t n = m->source->n_columns;
    for (int64_t c = 0; c < n; c++)
        m->new_of[c] = m->rows_with[c] >= min_count && m->largest[c] > 0 ? (int32_t)d->n_columns++ : -1;
    TRY(mem_alloc(&d->column_of, d->n_columns, sizeof *d->column_of));
    TRY(mem_alloc(&d->scale, d->n_columns, sizeof *d->scale));
    for (int64_t c = 0; c < n; c++)
        if (m->new_of[c] >= 0) {
            d->column_of[m->new_of[c]] = (int32_t)c;
            d->scale[m->new_of[c]] = m->source->unscaled ? 1 : 1 / m->largest[c];
        }
    return STATUS_OK;
}

/* ---- who has what ---- */
/* Runs of rows are whole chunks; runs of columns have about as many entries each. */
static void cut_runs(struct maker *m) {
    struct design *d = m->design;
    int64_t size = d->comm->size, n_chunks = (d->n_rows + DESIGN_CHUNK - 1) / DESIGN_CHUNK, all = 0, before = 0;
    for (int64_t r = 0; r <= size; r++) {
        d->first_chunks[r] = n_chunks * r / size;
        int64_t row = d->first_chunks[r] * DESIGN_CHUNK;
        d->first_rows[r] = row < d->n_rows ? row : d->n_rows;
    }
    for (int64_t c = 0; c < d->n_columns; c++) all += m->rows_with[d->column_of[c]];
    int64_t rank = 1;
    for (int64_t c = 0; c < d->n_columns; c++) {
        while (rank < size && before >= all * rank / size) d->first_columns[rank++] = c;
        before += m->rows_with[d->column_of[c]];
    }
    while (rank <= size) d->first_columns[rank++] = d->n_columns;
    d->first_row = d->first_rows[d->comm->rank];
    d->n_own_rows = d->first_rows[d->comm->rank + 1] - d->first_row;
    d->first_column = d->first_columns[d->comm->rank];
    d->n_own_columns = d->first_columns[d->comm->rank + 1] - d->first_column;
}

static int owner(const int64_t *first, int size, int64_t i) {
    int low = 0, high = size;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (first[middle] <= i)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int list_entries(struct maker *m) {
    const struct sparse_rows *rows = m->source->rows;
    int64_t most = 0;
    for (int64_t k = m->from; k < m->end; k++)
        most += rows->offsets[source_row(m, k) + 1] - rows->offsets[source_row(m, k)];
    TRY(mem_alloc(&m->entries, most, sizeof *m->entries));
    TRY(mem_alloc(&m->sorted, most, sizeof *m->sorted));
    for (int64_t k = m->from; k < m->end; k++)
        for (int64_t e = rows->offsets[source_row(m, k)]; e < rows->offsets[source_row(m, k) + 1]; e++)
            if (m->new_of[rows->column[e]] >= 0)
                m->entries[m->n_entries++] =
                    (struct sparse_entry){(int32_t)k, m->new_of[rows->column[e]], rows->value[e]};
    return STATUS_OK;
}

static int owner_of(const struct maker *m, int columns, const struct sparse_entry *entry) {
    int size = m->design->comm->size;
    return columns ? owner(m->design->first_columns, size, entry->column)
                   : owner(m->design->first_rows, size, entry->row);
}

/* m->sorted: the entries by the owners of their rows or columns, for each in the order that they have; count [ranks]. */
static void sort_by_owner(struct maker *m, int columns, int64_t *count, int64_t *next) {
    int size = m->design->comm->size;
    for (int r = 0; r < size; r++) count[r] = 0;
    for (int64_t i = 0; i < m->n_entries; i++) count[owner_of(m, columns, &m->entries[i])]++;
    next[0] = 0;
    for (int r = 0; r + 1 < size; r++) next[r + 1] = next[r] + count[r];
    for (int64_t i = 0; i < m->n_entries; i++) m->sorted[next[owner_of(m, columns, &m->entries[i])]++] = m->entries[i];
}

/* Collective. Sends entries to the owners of their rows or columns. Ranks have runs of samples, so that what comes is by row. */
static int deal(struct maker *m, int columns, struct sparse_rows *out) {
    const struct design *d = m->design;
    struct received_rows received = {0};
    sort_by_owner(m, columns, m->count, m->next);
    int status = comm_exchange_rows(d->comm, sizeof *m->sorted, m->count, m->sorted, &received);
    struct sparse_entry *got = (struct sparse_entry *)(void *)received.rows;
    for (int64_t i = 0; i < received.n && status == STATUS_OK; i++)
        if (columns)
            got[i].column -= (int32_t)d->first_column;
        else
            got[i].row -= (int32_t)d->first_row;
    if (status == STATUS_OK)
        status = comm_agree(d->comm, sparse_rows_from_entries(out, columns ? d->n_own_columns : d->n_own_rows,
                                                              received.n, got, columns));
    received_rows_free(&received);
    return status;
}

/* ---- the whole ---- */
static int read_labels(struct maker *m) {
    struct design *d = m->design;
    TRY(mem_alloc(&d->weight, d->n_rows, sizeof *d->weight));
    TRY(mem_alloc(&d->label, d->n_rows, sizeof *d->label));
    for (int64_t k = 0; k < d->n_rows; k++) {
        d->weight[k] = m->chosen[k].weight;
        d->label[k] = m->source->label[m->chosen[k].sample];
        d->total_weight += d->weight[k];
    }
    return STATUS_OK;
}

static int allocate(struct maker *m) {
    struct design *d = m->design;
    int64_t n = m->source->n_columns, size = d->comm->size;
    if (m->n_chosen > INT32_MAX || n > INT32_MAX)
        return status_set(STATUS_FAILED, "%lld rows of %lld columns are more than a regression can be fitted to",
                          (long long)m->n_chosen, (long long)n);
    TRY(mem_alloc(&m->rows_with, n, sizeof *m->rows_with));
    TRY(mem_alloc(&m->largest, n, sizeof *m->largest));
    TRY(mem_alloc(&m->new_of, n, sizeof *m->new_of));
    TRY(mem_alloc(&d->first_rows, size + 1, sizeof *d->first_rows));
    TRY(mem_alloc(&d->first_chunks, size + 1, sizeof *d->first_chunks));
    TRY(mem_alloc(&d->first_columns, size + 1, sizeof *d->first_columns));
    TRY(mem_alloc(&d->all_chunks, (d->n_rows / DESIGN_CHUNK + 1) * DESIGN_SUMS, sizeof *d->all_chunks));
    TRY(mem_alloc(&m->count, size, sizeof *m->count));
    TRY(mem_alloc(&m->next, size, sizeof *m->next));
    return STATUS_OK;
}

static int make(struct maker *m, int64_t min_count) {
    struct design *d = m->design;
    TRY(comm_agree(d->comm, allocate(m)));
    count_columns(m);
    TRY(comm_sum_int64(d->comm, m->rows_with, m->source->n_columns));
    TRY(comm_max_double(d->comm, m->largest, m->source->n_columns));
    int status = number_columns(m, min_count);
    if (status == STATUS_OK) status = read_labels(m);
    if (status == STATUS_OK) status = list_entries(m);
    TRY(comm_agree(d->comm, status));
    cut_runs(m);
    TRY(deal(m, 0, &d->by_row));
    return deal(m, 1, &d->by_column);
}

int design_make(struct design *d, const struct comm *comm, int threads, const struct design_source *source,
                int64_t n_chosen, const struct chosen_row *chosen, int64_t min_count) {
    struct maker m = {.source = source, .chosen = chosen, .n_chosen = n_chosen, .design = d};
    *d = (struct design){.comm = comm, .threads = threads, .n_rows = n_chosen};
    int status = make(&m, min_count);
    free(m.rows_with);
    free(m.largest);
    free(m.new_of);
    free(m.entries);
    free(m.sorted);
    free(m.count);
    free(m.next);
    return status;
}

void design_free(struct design *d) {
    free(d->first_rows);
    free(d->first_chunks);
    free(d->first_columns);
    free(d->all_chunks);
    free(d->column_of);
    free(d->scale);
    free(d->weight);
    free(d->label);
    sparse_rows_free(&d->by_row);
    sparse_rows_free(&d->by_column);
    dense_rows_free(d->dense);
    *d = (struct design){0};
}

/* ---- sums over rows ---- */
int64_t design_own_chunks(const struct design *d) { return (d->n_own_rows + DESIGN_CHUNK - 1) / DESIGN_CHUNK; }

int design_sum_chunks(const struct design *d, const double *chunks, int n, double *sums) {
    TRY(comm_gather_known(d->comm, d->first_chunks, n * (int64_t)sizeof *chunks, chunks, d->all_chunks));
    for (int k = 0; k < n; k++) sums[k] = 0;
    for (int64_t i = 0; i < d->first_chunks[d->comm->size]; i++)
        for (int k = 0; k < n; k++) sums[k] += d->all_chunks[i * n + k];
    return STATUS_OK;
}

/* ---- products ---- */
int design_multiply(const struct design *d, int n, const double *weights, const double *intercepts, double *out) {
    const struct sparse_rows *rows = &d->by_row;
    if (d->dense) return dense_rows_multiply(d->dense, n, weights, intercepts, out);
#pragma omp parallel for num_threads(d->threads) schedule(dynamic, DESIGN_CHUNK)
    for (int64_t i = 0; i < d->n_own_rows; i++) {
        double *sum = out + i * n;
        for (int k = 0; k < n; k++) sum[k] = intercepts[k];
        for (int64_t e = rows->offsets[i]; e < rows->offsets[i + 1]; e++)
            for (int k = 0; k < n; k++) sum[k] += (double)rows->value[e] * weights[(int64_t)rows->column[e] * n + k];
    }
    return STATUS_OK;
}

int design_multiply_transposed(const struct design *d, int n, const double *residuals, double *out) {
    const struct sparse_rows *columns = &d->by_column;
    if (d->dense) return dense_rows_multiply_transposed(d->dense, n, residuals, out);
#pragma omp parallel for num_threads(d->threads) schedule(dynamic, 16)
    for (int64_t j = 0; j < d->n_own_columns; j++) {
        double *sum = out + j * n;
        for (int k = 0; k < n; k++) sum[k] = 0;
        for (int64_t e = columns->offsets[j]; e < columns->offsets[j + 1]; e++)
            for (int k = 0; k < n; k++)
                sum[k] += (double)columns->value[e] * residuals[(int64_t)columns->column[e] * n + k];
    }
    return STATUS_OK;
}

int design_squares(const struct design *d, double *out) {
    const struct sparse_rows *columns = &d->by_column;
    if (d->dense) return dense_rows_squares(d->dense, d->weight, out);
    for (int64_t j = 0; j < d->n_own_columns; j++) {
        out[j] = 0;
        for (int64_t e = columns->offsets[j]; e < columns->offsets[j + 1]; e++)
            out[j] += d->weight[columns->column[e]] * (double)columns->value[e] * (double)columns->value[e];
    }
    return STATUS_OK;
}
