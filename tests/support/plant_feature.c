/* Writes a text file like another one but for one value, with the checksums that belong to it: what an encoder that went wrong
 * would have written. `plant_feature IN.h5 OUT.h5 ROW COLUMN VALUE`; features in fp32. */
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "store/text_features.h"

static int copy_texts(struct h5file *from, struct h5file *to) {
    static const char *const NAMES[] = {"vocabulary_id", "encoder", "precision"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        char *text = NULL;
        int status = h5file_get_text(from, NAMES[i], &text);
        if (status == STATUS_OK) status = h5file_set_text(to, NAMES[i], text);
        free(text);
        TRY(status);
    }
    return STATUS_OK;
}

static int copy_numbers(struct h5file *from, struct h5file *to) {
    static const char *const NAMES[] = {"dim", "n_codes", "n_rows"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        int64_t number;
        TRY(h5file_get_int(from, NAMES[i], &number));
        TRY(h5file_set_int(to, NAMES[i], number));
    }
    return STATUS_OK;
}

/* at >= 0: with `value` at that index. */
static int copy_rows(struct h5file *from, struct h5file *to, const char *name, enum h5type type, int64_t size,
                     int64_t at, float value) {
    int64_t rows, cols;
    char *data = NULL;
    TRY(h5file_shape(from, name, type, &rows, &cols));
    TRY(mem_alloc(&data, rows * cols, size));
    int status = h5file_read(from, name, type, 0, rows, data);
    if (at >= 0) ((float *)(void *)data)[at] = value;
    if (status == STATUS_OK) status = h5file_write(to, name, type, rows, cols, 0, rows, data, 0);
    free(data);
    return status;
}

static int plant(const char *in, const char *out, int64_t row, int64_t column, float value) {
    struct comm self = comm_self();
    struct provenance provenance = {.job = "encode", .config = ""};
    struct h5file *from = NULL, *to = NULL;
    int64_t dim;
    int status;
    provenance_finish(&provenance, KIND_TEXT);
    TRY_DONE(h5file_open(&from, in, KIND_TEXT));
    TRY_DONE(h5file_create(&to, &self, out, KIND_TEXT, &provenance, 0));
    TRY_DONE(h5file_get_int(from, "dim", &dim));
    TRY_DONE(copy_texts(from, to));
    TRY_DONE(copy_numbers(from, to));
    TRY_DONE(copy_rows(from, to, "token_offsets", H5_I64, 8, -1, 0));
    TRY_DONE(copy_rows(from, to, "token_row", H5_I32, 4, -1, 0));
    TRY_DONE(copy_rows(from, to, "features", H5_F32, 4, row * dim + column, value));
    status = h5file_commit(to);
    to = NULL;
done:
    h5file_abandon(to);
    h5file_close(from);
    return status;
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    int status = argc == 6 ? plant(argv[1], argv[2], atoll(argv[3]), atoll(argv[4]), strtof(argv[5], NULL))
                           : status_set(STATUS_USAGE, "usage: %s IN.h5 OUT.h5 ROW COLUMN VALUE", argv[0]);
    if (status != STATUS_OK) fprintf(stderr, "%s\n", status_message());
    MPI_Finalize();
    return status;
}
