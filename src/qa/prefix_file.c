#include "qa/prefix_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/status.h"
#include "qa/code_vectors.h"
#include "qa/question_rows.h"

struct prefixes {
    const struct questions *questions;
    int64_t *offsets, *rows; /* [n + 1], of the codes of all stems */
    struct code_vectors vectors;
    int64_t most;
};

static void prefixes_free(struct prefixes *x) {
    free(x->offsets);
    free(x->rows);
    code_vectors_free(&x->vectors);
}

static int read_vectors(struct prefixes *x, const char *path, struct table *table) {
    struct code_index index = {0};
    const struct questions *q = x->questions;
    int status;
    TRY_DONE(mem_alloc(&x->offsets, q->n + 1, sizeof *x->offsets));
    for (int64_t i = 0; i < q->n; i++) x->offsets[i + 1] = x->offsets[i] + q->items[i].n_codes;
    TRY_DONE(mem_alloc(&x->rows, x->offsets[q->n], sizeof *x->rows));
    TRY_DONE(question_rows_index(&index, table));
    for (int64_t i = 0; i < q->n; i++)
        TRY_DONE(question_rows(&index, path, q->items[i].n_codes, q->items[i].codes, x->rows + x->offsets[i]));
    TRY_DONE(code_vectors_read(&x->vectors, table, x->offsets[q->n], x->rows));
done:
    code_index_free(&index);
    return status;
}

/* The first vectors of question i, at most x->most; returns how many. */
static int32_t vectors_of(const struct prefixes *x, int64_t i, const float **found) {
    int32_t n = 0;
    for (int64_t c = x->offsets[i]; c < x->offsets[i + 1] && n < x->most; c++) {
        const float *v = code_vector(&x->vectors, x->rows[c]);
        if (v) found[n++] = v;
    }
    return n;
}

/* NPY version 1.0: magic, version, length of the header, the header padded so that the data begin at a multiple of 64. */
static void write_head(FILE *out, const char *type, const char *shape) {
    char header[192];
    int n = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", type, shape);
    int padded = (10 + n + 1 + 63) / 64 * 64 - 10;
    fwrite("\x93NUMPY\x01\x00", 1, 8, out);
    fputc(padded & 255, out);
    fputc(padded >> 8, out);
    fprintf(out, "%s%*s\n", header, padded - n - 1, "");
}

static void write_vectors(FILE *out, const struct prefixes *x, const float **found) {
    const int64_t width = x->vectors.width;
    char shape[96];
    snprintf(shape, sizeof shape, "%lld, %lld, %lld", (long long)x->questions->n, (long long)x->most, (long long)width);
    write_head(out, "<f4", shape);
    for (int64_t i = 0; i < x->questions->n; i++) {
        const float zero = 0;
        int32_t n = vectors_of(x, i, found);
        for (int32_t k = 0; k < n; k++) fwrite(found[k], sizeof zero, (size_t)width, out);
        for (int64_t k = 0; k < (x->most - n) * width; k++) fwrite(&zero, sizeof zero, 1, out);
    }
}

static void write_counts(FILE *out, const struct prefixes *x, const float **found) {
    char shape[32];
    snprintf(shape, sizeof shape, "%lld,", (long long)x->questions->n);
    write_head(out, "<i4", shape);
    for (int64_t i = 0; i < x->questions->n; i++) {
        int32_t n = vectors_of(x, i, found);
        fwrite(&n, sizeof n, 1, out);
    }
}

static void write_ids(FILE *out, const struct prefixes *x, const float **found) {
    (void)found;
    fputs("id\n", out);
    for (int64_t i = 0; i < x->questions->n; i++) fprintf(out, "%s\n", x->questions->items[i].id);
}

int prefix_files_write(const char *folder, const struct questions *questions, const char *path, struct table *table,
                       int64_t most) {
    static const struct {
        const char *name;
        void (*write)(FILE *out, const struct prefixes *x, const float **found);
    } FILES[] = {{"vectors.npy", write_vectors}, {"counts.npy", write_counts}, {"questions.tsv", write_ids}};
    struct prefixes x = {.questions = questions, .most = most};
    struct atomic_file file = {0};
    const float **found = NULL;
    char name[PATH_MAX];
    int status;
    TRY_DONE(read_vectors(&x, path, table));
    TRY_DONE(mem_alloc(&found, most, sizeof *found));
    for (size_t f = 0; f < sizeof FILES / sizeof *FILES; f++) {
        if (snprintf(name, sizeof name, "%s/%s", folder, FILES[f].name) >= (int)sizeof name)
            TRY_DONE(status_set(STATUS_FAILED, "the path is too long: %.200s...", name));
        TRY_DONE(atomic_file_open(&file, name));
        FILES[f].write(file.stream, &x, found);
        TRY_DONE(atomic_file_close(&file, STATUS_OK));
    }
done:
    free(found);
    prefixes_free(&x);
    return status;
}
