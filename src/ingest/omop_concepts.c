/* Numbers that are wanted in a set, then one pass over the file. */
#include "ingest/omop_concepts.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "ingest/code_columns.h"

enum { CELL_BYTES = 256 };

static int walk_rows(struct delimited *rows, void *self, int (*take)(void *self, const struct omop_concept_row *row)) {
    int concept, vocabulary, code, more;
    char vocabulary_text[CELL_BYTES], code_text[CELL_BYTES];
    TRY(delimited_need(rows, "concept_id", &concept));
    TRY(delimited_need(rows, "vocabulary_id", &vocabulary));
    TRY(delimited_need(rows, "concept_code", &code));
    for (;;) {
        struct omop_concept_row row = {0, vocabulary_text, code_text};
        TRY(delimited_next(rows, &more));
        if (!more) return STATUS_OK;
        TRY(delimited_integer(rows, "concept_id", rows->fields[concept], 0, INT64_MAX, &row.concept));
        code_column_copy(rows->fields[vocabulary], vocabulary_text, CELL_BYTES);
        code_column_copy(rows->fields[code], code_text, CELL_BYTES);
        TRY(take(self, &row));
    }
}

int omop_concepts_walk(const char *path, void *self, int (*take)(void *self, const struct omop_concept_row *row)) {
    struct delimited *rows;
    TRY(mem_alloc(&rows, 1, sizeof *rows));
    int status = delimited_open(rows, path);
    if (status == STATUS_OK) status = walk_rows(rows, self, take);
    delimited_close(rows);
    free(rows);
    return status;
}

/* ---- those that codes name ---- */
struct wanted {
    struct dictionary set; /* numbers of concepts, as 8 bytes */
    struct source_code_rules *rules;
    int64_t n_found;
};

static int take_wanted(void *self, const struct omop_concept_row *row) {
    struct wanted *w = self;
    if (dictionary_find(&w->set, &row->concept, sizeof row->concept) < 0) return STATUS_OK;
    w->n_found++;
    return source_code_rules_add_concept(w->rules, row->concept, row->vocabulary, row->code);
}

static int collect(struct wanted *w, const struct dictionary *codes) {
    for (int64_t i = 0; i < codes->n; i++) {
        int64_t concepts[2];
        int32_t number;
        source_code_concepts(codes->bytes + codes->offsets[i], codes->offsets[i + 1] - codes->offsets[i], concepts);
        for (int k = 0; k < 2; k++)
            if (concepts[k]) TRY(dictionary_add(&w->set, &concepts[k], sizeof concepts[k], &number));
    }
    return STATUS_OK;
}

int omop_concepts_read(void *self, struct source_code_rules *rules, const struct dictionary *codes) {
    const char *path = self;
    struct wanted w = {.rules = rules};
    int status = collect(&w, codes);
    if (status == STATUS_OK && w.set.n > 0) {
        status = omop_concepts_walk(path, &w, take_wanted);
        if (status == STATUS_OK)
            log_info("%s: %lld of the %lld concepts that codes name", path, (long long)w.n_found, (long long)w.set.n);
    }
    dictionary_free(&w.set);
    return status;
}
