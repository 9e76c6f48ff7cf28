#include "cohort_match.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "store/cohort.h"
#include "terms/vocabulary_match.h"

/* How a code is matched has one number in both. */
_Static_assert((int)MATCH_MISSING == (int)CODE_MATCH_MISSING && (int)MATCH_ANCESTOR == (int)CODE_MATCH_ANCESTOR &&
                   (int)MATCH_EXACT == (int)CODE_MATCH_EXACT,
               "enum match_kind and enum code_match_how");

static int make_dictionary(const struct collected *c, struct dictionary *codes) {
    int32_t number;
    for (int64_t i = 0; i < c->n_codes; i++) {
        const char *code = c->code + i * c->code_bytes;
        TRY(dictionary_add(codes, code, (int64_t)strlen(code), &number));
    }
    return STATUS_OK;
}

/* Rank 0. */
static int look_up(struct cohort_match *m, const char *path, const struct collected *c) {
    struct dictionary codes = {0};
    struct vocabulary vocabulary = {0};
    struct vocabulary_match match = {0};
    int status = vocabulary_read(path, 0, -1, VOCABULARY_NAMES, &vocabulary);
    if (status != STATUS_OK) return status;
    status = make_dictionary(c, &codes);
    if (status == STATUS_OK) status = vocabulary_match_make(&match, &vocabulary, &codes);
    for (int64_t i = 0; i < c->n_codes && status == STATUS_OK; i++) {
        m->row[i] = match.row[i];
        m->how[i] = match.kind[i];
    }
    vocabulary_match_free(&match);
    vocabulary_free(&vocabulary);
    dictionary_free(&codes);
    return status;
}

int cohort_match_make(struct cohort_match *m, const struct comm *comm, const struct cohort_options *options,
                      const struct collected *c) {
    *m = (struct cohort_match){0};
    if (!options->vocabulary[0]) return STATUS_OK;
    int status = mem_alloc(&m->row, c->n_codes, sizeof *m->row);
    if (status == STATUS_OK) status = mem_alloc(&m->how, c->n_codes, sizeof *m->how);
    if (status == STATUS_OK && comm->rank == 0) status = look_up(m, options->vocabulary, c);
    TRY(comm_agree(comm, status));
    TRY(comm_broadcast(comm, m->row, c->n_codes * (int64_t)sizeof *m->row));
    return comm_broadcast(comm, m->how, c->n_codes);
}

void cohort_match_free(struct cohort_match *m) {
    free(m->row);
    free(m->how);
    *m = (struct cohort_match){0};
}

int cohort_match_report(const struct cohort_match *m, const struct cohort_options *options, const struct collected *c,
                        const int64_t *counts) {
    enum { SHOWN = 10 };
    struct dictionary codes = {0};
    struct vocabulary_match match = {.n = c->n_codes, .kind = m->how};
    struct match_report report = {0};
    if (!m->row) return STATUS_OK;
    int status = make_dictionary(c, &codes);
    if (status == STATUS_OK) status = mem_alloc(&match.row, c->n_codes, sizeof *match.row);
    for (int64_t i = 0; i < c->n_codes && status == STATUS_OK; i++) match.row[i] = (int32_t)m->row[i];
    if (status == STATUS_OK) status = match_report_make(&report, &match, &codes, counts);
    if (status == STATUS_OK) {
        match_report_log(&report, &codes, counts, SHOWN);
        if (options->unmapped[0]) status = match_report_write(&report, &codes, counts, options->unmapped);
    }
    match_report_free(&report);
    free(match.row);
    dictionary_free(&codes);
    return status;
}
