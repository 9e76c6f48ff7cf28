/* CCS in one pass; descendants by numbers of concepts. */
#include "ingest/code_group_files.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "ingest/code_columns.h"
#include "ingest/omop_concepts.h"
#include "ingest/table_files.h"
#include "terms/code_form.h"

enum { CELL_BYTES = 256 };

/* ---- CCS ---- */
struct group_columns {
    int code, system_column, name, number; /* system_column, number: -1: none */
    const char *system;
};

static int find_columns(const struct delimited *rows, struct group_columns *c) {
    static const char *const NAMES[] = {"ccs_desc", "ccs_name", "group", "description"};
    *c = (struct group_columns){-1, delimited_column(rows, "system"), -1, delimited_column(rows, "ccs"), NULL};
    for (int i = 0; i < 4 && c->name < 0; i++) c->name = delimited_column(rows, NAMES[i]);
    if (c->system_column >= 0) TRY(delimited_need(rows, "code", &c->code));
    for (int i = 0; i < rows->n_columns && c->code < 0; i++)
        if ((c->system = code_column_system(rows->header[i].text))) c->code = i;
    if (c->code >= 0 && c->name >= 0) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "%s: %s: codes stand in a column named after their system (icd9cm, icd10cm, icd10pcs), "
                      "names of groups in ccs_desc, ccs_name, group or description",
                      rows->path, c->code < 0 ? "no column has codes" : "no column has the names of groups");
}

static int is_of_procedures(const char *system) {
    enum code_system s = code_system(system);
    return s == SYSTEM_ICD9PROC || s == SYSTEM_ICD10PCS || s == SYSTEM_CPT || s == SYSTEM_HCPCS;
}

static int add_row(struct code_groups *g, const struct delimited *rows, const struct group_columns *c) {
    char code[CELL_BYTES], system[CELL_BYTES], name[CELL_BYTES], number[CELL_BYTES], numbered[CELL_BYTES + 32];
    code_column_copy(rows->fields[c->code], code, CELL_BYTES);
    code_column_copy(rows->fields[c->name], name, CELL_BYTES);
    snprintf(system, sizeof system, "%s", c->system ? c->system : "");
    if (c->system_column >= 0) code_column_copy(rows->fields[c->system_column], system, CELL_BYTES);
    if (!code[0] || !name[0] || !system[0])
        return status_set(STATUS_FAILED, "%s:%lld: a code without a group, or a group without a code", rows->path,
                          (long long)rows->row_line);
    TRY(code_groups_add(g, name, system, code));
    if (c->number < 0) return STATUS_OK;
    code_column_copy(rows->fields[c->number], number, CELL_BYTES);
    snprintf(numbered, sizeof numbered, "CCS %s%s", is_of_procedures(system) ? "procedure " : "", number);
    return number[0] ? code_groups_add(g, numbered, system, code) : STATUS_OK;
}

static int read_groups(struct code_groups *g, struct delimited *rows) {
    struct group_columns columns;
    int64_t n = 0;
    int more;
    TRY(find_columns(rows, &columns));
    for (;; n++) {
        TRY(delimited_next(rows, &more));
        if (!more) break;
        TRY(add_row(g, rows, &columns));
    }
    log_info("groups %s: %" PRId64 " codes", rows->path, n);
    return STATUS_OK;
}

int code_groups_read(struct code_groups *groups, const char *path) {
    struct delimited *rows;
    TRY(mem_alloc(&rows, 1, sizeof *rows));
    int status = delimited_open(rows, path);
    if (status == STATUS_OK) status = read_groups(groups, rows);
    delimited_close(rows);
    free(rows);
    return status;
}

/* ---- descendants ---- */
struct descent {
    struct code_groups *groups;
    const char *vocabulary, *const *code;
    int n;
    struct dictionary roots, below,
        sources;     /* struct member: the concepts themselves; those below; what maps to them */
    int64_t n_codes; /* that were added */
};

/* A concept in a group, as a key of a dictionary. */
struct member {
    int64_t concept, group;
};

static int add_member(struct dictionary *set, int64_t concept, int64_t group) {
    struct member member = {concept, group};
    int32_t number;
    return dictionary_add(set, &member, sizeof member, &number);
}

static int is_member(const struct dictionary *set, int64_t concept, int64_t group) {
    struct member member = {concept, group};
    return dictionary_find(set, &member, sizeof member) >= 0;
}

static int take_root(void *self, const struct omop_concept_row *row) {
    struct descent *d = self;
    if (strcmp(row->vocabulary, d->vocabulary) != 0) return STATUS_OK;
    for (int i = 0; i < d->n; i++) {
        if (strcmp(row->code, d->code[i]) != 0) continue;
        TRY(add_member(&d->roots, row->concept, i));
        TRY(add_member(&d->below, row->concept, i));
    }
    return STATUS_OK;
}

static void group_name(const struct descent *d, int i, char name[CELL_BYTES]) {
    snprintf(name, CELL_BYTES, "%s %s", d->vocabulary, d->code[i]);
}

static int take_name(void *self, const struct omop_concept_row *row) {
    struct descent *d = self;
    char name[CELL_BYTES];
    for (int i = 0; i < d->n; i++) {
        if (!is_member(&d->below, row->concept, i) && !is_member(&d->sources, row->concept, i)) continue;
        d->n_codes++;
        group_name(d, i, name);
        TRY(code_groups_add(d->groups, name, row->vocabulary, row->code));
    }
    return STATUS_OK;
}

/* Rows of a table of pairs: where `from` is in a group of `in`, `to` comes into that of `out`. relationship: NULL, or
 * what relationship_id has to be. */
static int take_pairs(struct delimited *rows, const char *const columns[2], const char *relationship, int n,
                      const struct dictionary *in, struct dictionary *out) {
    int column[2], kind = -1, more;
    for (int i = 0; i < 2; i++) TRY(delimited_need(rows, columns[i], &column[i]));
    if (relationship) TRY(delimited_need(rows, "relationship_id", &kind));
    for (;;) {
        int64_t concept[2];
        char text[CELL_BYTES];
        TRY(delimited_next(rows, &more));
        if (!more) return STATUS_OK;
        if (relationship) {
            code_column_copy(rows->fields[kind], text, CELL_BYTES);
            if (strcmp(text, relationship) != 0) continue;
        }
        for (int i = 0; i < 2; i++)
            TRY(delimited_integer(rows, columns[i], rows->fields[column[i]], 0, INT64_MAX, &concept[i]));
        for (int i = 0; i < n; i++)
            if (is_member(in, concept[0], i)) TRY(add_member(out, concept[1], i));
    }
}

static int read_pairs(const char *path, const char *const columns[2], const char *relationship, int n,
                      const struct dictionary *in, struct dictionary *out) {
    struct delimited *rows;
    TRY(mem_alloc(&rows, 1, sizeof *rows));
    int status = delimited_open(rows, path);
    if (status == STATUS_OK) status = take_pairs(rows, columns, relationship, n, in, out);
    delimited_close(rows);
    free(rows);
    return status;
}

static void tell_missing_roots(const struct descent *d, const char *path) {
    uint8_t found[64] = {0};
    for (int64_t i = 0; i < d->roots.n; i++) {
        struct member member;
        memcpy(&member, d->roots.bytes + d->roots.offsets[i], sizeof member);
        found[member.group] = 1;
    }
    for (int i = 0; i < d->n; i++)
        if (!found[i]) log_info("%s has no concept %s of %s", path, d->code[i], d->vocabulary);
}

static int descend(struct descent *d, const char *folder) {
    static const char *const DOWN[2] = {"ancestor_concept_id", "descendant_concept_id"};
    static const char *const MAPPED[2] = {"concept_id_2", "concept_id_1"};
    char concepts[PATH_MAX], ancestors[PATH_MAX], relationships[PATH_MAX];
    if (!table_file_find(folder, "concept", concepts) || !table_file_find(folder, "concept_ancestor", ancestors))
        return status_set(STATUS_FAILED, "%s: concept.csv and concept_ancestor.csv of an OMOP vocabulary are needed",
                          folder);
    TRY(omop_concepts_walk(concepts, d, take_root));
    tell_missing_roots(d, concepts);
    TRY(read_pairs(ancestors, DOWN, NULL, d->n, &d->roots, &d->below));
    if (table_file_find(folder, "concept_relationship", relationships))
        TRY(read_pairs(relationships, MAPPED, "Maps to", d->n, &d->below, &d->sources));
    TRY(omop_concepts_walk(concepts, d, take_name));
    log_info("%s: %" PRId64 " codes below %d concepts of %s", folder, d->n_codes, d->n, d->vocabulary);
    return STATUS_OK;
}

int code_groups_read_descendants(struct code_groups *groups, const char *folder, const char *vocabulary,
                                 const char *const *code, int n) {
    struct descent d = {.groups = groups, .vocabulary = vocabulary, .code = code, .n = n};
    if (n > 64) return status_set(STATUS_FAILED, "more than 64 concepts at a time");
    int status = descend(&d, folder);
    dictionary_free(&d.roots);
    dictionary_free(&d.below);
    dictionary_free(&d.sources);
    return status;
}
