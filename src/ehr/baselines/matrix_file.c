/* The rows as svmlight, rank by rank. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/atomic_file.h"
#include "base/status.h"
#include "dist/gather.h"
#include "ehr/baselines/report.h"

enum { NAME_BYTES = 256 };

static void print_head(FILE *out, const struct features *f) {
    char name[NAME_BYTES];
    fprintf(out, "# medtok baseline rows of %s, svmlight, columns from 0\n", f->task);
    for (int64_t c = 0; c < features_n_columns(f); c++) {
        code_columns_name(&f->columns, c, name, sizeof name);
        fprintf(out, "# column %" PRId64 " %s\n", c, name);
    }
}

static void print_label(FILE *out, const struct features *f, int64_t sample) {
    if (f->form != LABEL_SET) {
        fprintf(out, "%" PRId32, f->label[sample]);
        return;
    }
    for (int64_t i = f->set_offsets[sample]; i < f->set_offsets[sample + 1]; i++)
        fprintf(out, "%s%" PRId32, i > f->set_offsets[sample] ? "," : "", f->set[i]);
}

static void print_row(FILE *out, const struct features *f, int64_t row) {
    int64_t sample = f->first + row;
    print_label(out, f, sample);
    for (int64_t e = f->rows.offsets[row]; e < f->rows.offsets[row + 1]; e++)
        fprintf(out, " %" PRId32 ":%.9g", f->rows.column[e], (double)f->rows.value[e]);
    fprintf(out, " # %s %" PRId64 " %" PRId64 "\n", SPLIT_NAMES[f->split[sample]], f->subject[row], sample);
}

/* This rank's rows first .. end - 1 as text. */
static int print_rows(const struct features *f, int64_t first, int64_t end, char **text, size_t *size) {
    FILE *out = open_memstream(text, size);
    if (!out) return status_set(STATUS_FAILED, "out of memory for rows as text");
    for (int64_t i = first; i < end; i++) print_row(out, f, i);
    int failed = ferror(out);
    if (fclose(out) || failed) return status_set(STATUS_FAILED, "out of memory for rows as text");
    return STATUS_OK;
}

/* Collective. Some rows of one rank, written by rank 0. */
static int write_block(const struct features *f, const struct comm *comm, int rank, int64_t first, int64_t end,
                       FILE *out) {
    char *text = NULL, *got = NULL;
    size_t size = 0;
    int64_t n;
    int status = comm->rank == rank ? print_rows(f, first, end, &text, &size) : STATUS_OK;
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = comm_gather_rows(comm, (int64_t)size, 1, text ? text : "", &n, &got);
    if (status == STATUS_OK && comm->rank == 0) fwrite(got, 1, (size_t)n, out);
    free(text);
    free(got);
    return status;
}

int baseline_matrix_write(const struct features *f, const struct comm *comm, const char *path) {
    enum { BLOCK = 8192 };
    struct atomic_file file = {0};
    int status = comm_agree(comm, comm->rank == 0 ? atomic_file_open(&file, path) : STATUS_OK);
    if (status != STATUS_OK) return status;
    if (comm->rank == 0) print_head(file.stream, f);
    for (int r = 0; r < comm->size && status == STATUS_OK; r++) {
        int64_t n = comm->rank == r ? f->rows.n : 0;
        status = comm_max_int64(comm, &n, 1);
        for (int64_t first = 0; first < n && status == STATUS_OK; first += BLOCK)
            status = write_block(f, comm, r, first, first + BLOCK < n ? first + BLOCK : n, file.stream);
    }
    return comm_agree(comm, comm->rank == 0 ? atomic_file_close(&file, status) : status);
}
