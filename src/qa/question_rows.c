#include "qa/question_rows.h"

#include <stdlib.h>

#include "base/status.h"

int question_rows_index(struct code_index *index, const struct table *table) {
    return code_index_make(index, (struct strings){table->code, NULL, table->code_bytes},
                           (struct strings){table->system, NULL, table->system_bytes}, table->shape.n_codes);
}

int question_rows(const struct code_index *index, const char *path, int64_t n, const struct question_code *codes,
                  int64_t *rows) {
    for (int64_t i = 0; i < n; i++) {
        if (codes[i].row >= 0 && index->n != QUESTION_NO_ROW)
            return status_set(
                STATUS_FAILED,
                "%s: its codes are row numbers of MedTok's own table of %d codes, and this table has %lld: "
                "look its codes up with `medtok qa-link`",
                path, QUESTION_NO_ROW, (long long)index->n);
        rows[i] = codes[i].row >= 0 ? codes[i].row : code_index_same(index, codes[i].system, codes[i].code);
        if (rows[i] >= index->n) return status_set(STATUS_FAILED, "%s: there is no row %lld", path, (long long)rows[i]);
    }
    return STATUS_OK;
}

int question_rows_all(const struct table *table, const char *path, const struct questions *q, int64_t *n,
                      int64_t **rows) {
    struct code_index index = {0};
    int64_t all = 0;
    int status;
    *n = 0;
    *rows = NULL;
    for (int64_t i = 0; i < q->n; i++) all += q->items[i].n_codes;
    TRY_DONE(mem_alloc(rows, all, sizeof **rows));
    TRY_DONE(question_rows_index(&index, table));
    for (int64_t i = 0; i < q->n; i++) {
        int64_t first = *n;
        TRY_DONE(question_rows(&index, path, q->items[i].n_codes, q->items[i].codes, *rows + first));
        for (int64_t k = 0; k < q->items[i].n_codes; k++)
            if ((*rows)[first + k] >= 0) (*rows)[(*n)++] = (*rows)[first + k];
    }
done:
    code_index_free(&index);
    return status;
}
