/* Rows of a file that ranks want in any mixture (store/row_fetch.h). */
#include "store/row_fetch.h"

#include "base/rng.h"
#include "dist/row_owner.h"
#include "mpi_check.h"

enum { N_ROWS = 40009, COLS = 64, N_ITEMS = 900 }; /* 10 MB: more than a piece that is read at once */

static char path[PATH_MAX + 16];
static int64_t rows_read; /* of all datasets, by this rank */

int __real_h5file_read(struct h5file *file, const char *name, enum h5type type, int64_t first, int64_t count,
                       void *data);
int __wrap_h5file_read(struct h5file *file, const char *name, enum h5type type, int64_t first, int64_t count,
                       void *data);
int __wrap_h5file_read(struct h5file *file, const char *name, enum h5type type, int64_t first, int64_t count,
                       void *data) {
    rows_read += count;
    return __real_h5file_read(file, name, type, first, count, data);
}

static int32_t value(int64_t row, int64_t column) { return (int32_t)(row * COLS + column); }

/* Item i has i % 5 values. */
static void write_file(const struct comm *comm) {
    struct provenance p = {.job = "train", .config = "seed: 1\n"};
    struct h5file *file;
    int64_t first = row_owner_first(N_ROWS, comm->rank, comm->size), offsets[N_ITEMS + 1];
    int64_t count = row_owner_first(N_ROWS, comm->rank + 1, comm->size) - first;
    int32_t *rows = malloc((size_t)count * COLS * sizeof *rows);
    for (int64_t i = 0; i < count * COLS; i++) rows[i] = value(first + i / COLS, i % COLS);
    offsets[0] = 0;
    for (int64_t i = 0; i < N_ITEMS; i++) offsets[i + 1] = offsets[i] + i % 5;
    provenance_finish(&p, KIND_CHECKPOINT);
    CHECK(h5file_create(&file, comm, path, KIND_CHECKPOINT, &p, 0) == STATUS_OK);
    CHECK(h5file_write(file, "rows", H5_I32, N_ROWS, COLS, first, count, rows, 0) == STATUS_OK);
    CHECK(h5file_write(file, "offsets", H5_I64, N_ITEMS + 1, 1, 0, comm->rank ? 0 : N_ITEMS + 1, offsets, 1) ==
          STATUS_OK);
    CHECK(h5file_commit(file) == STATUS_OK);
    free(rows);
}

/* Of every row the chance `share`, so that ranges are short and long; how many ranges, and rows in *n_rows. */
static int64_t draw_ranges(uint64_t seed, double share, struct row_range *ranges, int64_t *n_rows) {
    int64_t n = 0;
    *n_rows = 0;
    for (int64_t row = 0; row < N_ROWS; row++) {
        if (rng_uniform(seed, RNG_QUERY, 0, (uint64_t)(share < 0.5 ? row : row / 100)) >= share) continue;
        if (n > 0 && ranges[n - 1].first + ranges[n - 1].count == row)
            ranges[n - 1].count++;
        else
            ranges[n++] = (struct row_range){row, 1};
        ++*n_rows;
    }
    return n;
}

static void fetch_and_check(const struct comm *comm, struct h5file *file, int64_t n, const struct row_range *ranges,
                            int64_t n_rows) {
    int32_t *rows = malloc((size_t)(n_rows * COLS + 1) * sizeof *rows), *at = rows;
    int64_t bad = 0;
    rows_read = 0;
    CHECK(h5file_fetch(file, comm, "rows", H5_I32, n, ranges, rows, STATUS_OK) == STATUS_OK);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < ranges[i].count; k++)
            for (int64_t c = 0; c < COLS; c++) bad += *at++ != value(ranges[i].first + k, c);
    CHECK(bad == 0);
    CHECK(rows_read <= N_ROWS / comm->size + 1); /* its share, whatever it wants */
    free(rows);
}

static int each_rank_gets_what_it_wants_and_reads_its_share(const struct comm *comm) {
    static const double SHARES[] = {0.01, 0.9, 1};
    struct row_range *ranges = malloc(N_ROWS * sizeof *ranges);
    struct h5file *file;
    int64_t n_rows;
    CHECK(h5file_open(&file, path, KIND_CHECKPOINT) == STATUS_OK);
    for (int i = 0; i < 3; i++) {
        int64_t n = draw_ranges((uint64_t)(comm->rank + 10 * i), SHARES[i], ranges, &n_rows);
        fetch_and_check(comm, file, n, ranges, n_rows);
    }
    /* One wants nothing, the others the ends of all shares. */
    int64_t n = 0;
    for (int r = 0; r < comm->size && comm->rank != comm->size - 1; r++)
        ranges[n++] = (struct row_range){row_owner_first(N_ROWS, r + 1, comm->size) - 2, r + 1 < comm->size ? 3 : 2};
    fetch_and_check(comm, file, n, ranges, n ? 3 * n - 1 : 0);
    h5file_close(file);
    free(ranges);
    return behaviour_failed(comm, "each_rank_gets_what_it_wants_and_reads_its_share");
}

static int ragged_items_are_found_by_their_offsets(const struct comm *comm) {
    int64_t items[N_ITEMS], n = 0, n_values, sum = 0, offsets[N_ITEMS + 1];
    struct row_range *spans;
    struct h5file *file;
    CHECK(h5file_open(&file, path, KIND_CHECKPOINT) == STATUS_OK);
    for (int64_t i = 0; i < N_ITEMS; i++)
        if (rng_uniform((uint64_t)comm->rank, RNG_QUERY, 0, (uint64_t)i) < 0.6) items[n++] = i;
    CHECK(h5file_fetch_spans(file, comm, "offsets", n, items, &spans, &n_values, STATUS_OK) == STATUS_OK);
    for (int64_t i = 0; spans && i < n; i++) {
        int64_t first = items[i] / 5 * 10 + (items[i] % 5) * (items[i] % 5 - 1) / 2; /* 0 + 1 + 2 + 3 + 4 are 10 */
        CHECK(spans[i].first == first && spans[i].count == items[i] % 5);
        sum += spans[i].count;
    }
    CHECK(sum == n_values);
    if (spans) offsets_of_spans(n, spans, offsets);
    CHECK(spans && offsets[n] == sum);
    free(spans);
    h5file_close(file);
    return behaviour_failed(comm, "ragged_items_are_found_by_their_offsets");
}

/* The last rank alone is at fault, or was before. */
static int a_fault_of_one_rank_is_that_of_all(const struct comm *comm) {
    static const struct row_range GOOD[] = {{5, 2}}, BEHIND[] = {{N_ROWS - 1, 2}}, DESCENDING[] = {{7, 1}, {3, 1}};
    int last = comm->rank == comm->size - 1;
    int32_t rows[3 * COLS];
    struct h5file *file;
    CHECK(h5file_open(&file, path, KIND_CHECKPOINT) == STATUS_OK);
    CHECK(h5file_fetch(file, comm, "rows", H5_I32, 1, last ? BEHIND : GOOD, rows, STATUS_OK) == STATUS_FAILED);
    CHECK(strstr(status_message(), "rows 40008 to 40009"));
    CHECK(h5file_fetch(file, comm, "rows", H5_I32, last ? 2 : 1, last ? DESCENDING : GOOD, rows, STATUS_OK) ==
          STATUS_FAILED);
    CHECK(strstr(status_message(), "behind row 8"));
    int before = last ? status_set(STATUS_FAILED, "no memory") : STATUS_OK;
    CHECK(h5file_fetch(file, comm, "rows", H5_I32, 1, GOOD, rows, before) == STATUS_FAILED);
    CHECK(strstr(status_message(), "no memory"));
    h5file_close(file);
    return behaviour_failed(comm, "a_fault_of_one_rank_is_that_of_all");
}

int main(int argc, char **argv) {
    char folder[PATH_MAX];
    struct comm comm;
    int failed;
    if (comm_start(&comm, &argc, &argv) != STATUS_OK || make_folder(&comm, "fetch", folder) != STATUS_OK) return 1;
    snprintf(path, sizeof path, "%s/rows.h5", folder);
    write_file(&comm);
    failed = each_rank_gets_what_it_wants_and_reads_its_share(&comm);
    failed |= ragged_items_are_found_by_their_offsets(&comm);
    failed |= a_fault_of_one_rank_is_that_of_all(&comm);
    if (comm.rank == 0) remove_folder(folder);
    comm_stop(&comm);
    return failed;
}
