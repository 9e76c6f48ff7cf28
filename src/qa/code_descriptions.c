#include "qa/code_descriptions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "qa/question_rows.h"
#include "store/vocabulary.h"

void code_descriptions_free(struct code_descriptions *d) {
    for (int64_t i = 0; d->texts && i < d->offsets[d->n_questions]; i++) free(d->texts[i]);
    free(d->texts);
    free(d->offsets);
    *d = (struct code_descriptions){0};
}

const char *const *code_descriptions_of(const struct code_descriptions *d, int64_t question, int *n) {
    *n = d->offsets ? (int)(d->offsets[question + 1] - d->offsets[question]) : 0;
    return *n ? (const char *const *)d->texts + d->offsets[question] : NULL;
}

static int read_id(struct code_descriptions *d, const char *path) {
    struct h5file *file = NULL;
    char *id = NULL;
    int status;
    TRY_DONE(h5file_open(&file, path, KIND_VOCABULARY));
    TRY_DONE(h5file_get_text(file, "content_id", &id));
    snprintf(d->vocabulary_id, sizeof d->vocabulary_id, "%s", id);
done:
    free(id);
    h5file_close(file);
    return status;
}

/* Whether the question has the text already, from number `first` on. */
static int is_there(const struct code_descriptions *d, int64_t first, int64_t end, const char *text, int64_t size) {
    for (int64_t i = first; i < end; i++)
        if ((int64_t)strlen(d->texts[i]) == size && memcmp(d->texts[i], text, (size_t)size) == 0) return 1;
    return 0;
}

/* Those of rows[n], from number `first` on; *end is the number behind the last. */
static int add_question(struct code_descriptions *d, const struct vocabulary *v, int64_t n, const int64_t *rows,
                        int64_t most, int64_t first, int64_t *end) {
    *end = first;
    for (int64_t i = 0; i < n && *end - first < most; i++) {
        if (rows[i] < 0 || !vocabulary_has_text(v, rows[i])) continue;
        const int64_t *at = v->description_offsets + rows[i];
        const char *text = v->description + at[0];
        if (is_there(d, first, *end, text, at[1] - at[0])) continue;
        char *copy = strndup(text, (size_t)(at[1] - at[0]));
        if (!copy) return status_set(STATUS_FAILED, "out of memory");
        d->texts[(*end)++] = copy;
    }
    return STATUS_OK;
}

static int64_t most_codes(const struct questions *q, int64_t *all) {
    int64_t most = 0;
    *all = 0;
    for (int64_t i = 0; i < q->n; i++) {
        *all += q->items[i].n_codes;
        if (q->items[i].n_codes > most) most = q->items[i].n_codes;
    }
    return most;
}

int code_descriptions_read(struct code_descriptions *d, const char *path, const struct questions *q,
                           const char *questions_path, int64_t most) {
    struct vocabulary v = {0};
    struct code_index index = {0};
    int64_t n_all, n_most = most_codes(q, &n_all), *rows = NULL;
    int status;
    *d = (struct code_descriptions){0};
    TRY_DONE(read_id(d, path));
    TRY_DONE(vocabulary_read(path, 0, -1, VOCABULARY_NAMES | VOCABULARY_DESCRIPTIONS, &v));
    TRY_DONE(code_index_make(&index, (struct strings){v.code, NULL, v.code_bytes},
                             (struct strings){v.system, NULL, v.system_bytes}, v.n_codes));
    TRY_DONE(mem_alloc(&rows, n_most, sizeof *rows));
    TRY_DONE(mem_alloc(&d->offsets, q->n + 1, sizeof *d->offsets));
    TRY_DONE(mem_alloc(&d->texts, n_all, sizeof *d->texts));
    for (; d->n_questions < q->n; d->n_questions++) {
        const struct question *item = &q->items[d->n_questions];
        TRY_DONE(question_rows(&index, questions_path, item->n_codes, item->codes, rows));
        TRY_DONE(add_question(d, &v, item->n_codes, rows, most, d->offsets[d->n_questions],
                              &d->offsets[d->n_questions + 1]));
    }
done:
    free(rows);
    code_index_free(&index);
    vocabulary_free(&v);
    return status;
}
