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
    const char *group, *vocabulary, *code;
    struct dictionary set, found; /* numbers of concepts, as 8 bytes: those of the group; those that map to them */
    int64_t n;                    /* codes that were added */
};

static int add_number(struct dictionary *set, int64_t concept) {
    int32_t number;
    return dictionary_add(set, &concept, sizeof concept, &number);
}

static int has_number(const struct dictionary *set, int64_t concept) {
    return dictionary_find(set, &concept, sizeof concept) >= 0;
}

static int take_root(void *self, const struct omop_concept_row *row) {
    struct descent *d = self;
    return strcmp(row->vocabulary, d->vocabulary) == 0 && strcmp(row->code, d->code) == 0
               ? add_number(&d->set, row->concept)
               : STATUS_OK;
}

static int take_name(void *self, const struct omop_concept_row *row) {
    struct descent *d = self;
    if (!has_number(&d->set, row->concept) && !has_number(&d->found, row->concept)) return STATUS_OK;
    d->n++;
    return code_groups_add(d->groups, d->group, row->vocabulary, row->code);
}

/* Rows of a table of pairs: where `from` is in `in`, `to` comes into `out`. `relationship`: NULL, or what relationship_id has to be. */
static int take_pairs(struct delimited *rows, const char *from, const char *to, const char *relationship,
                      const struct dictionary *in, struct dictionary *out) {
    int column[3] = {-1, -1, -1}, more;
    TRY(delimited_need(rows, from, &column[0]));
    TRY(delimited_need(rows, to, &column[1]));
    if (relationship) TRY(delimited_need(rows, "relationship_id", &column[2]));
    for (;;) {
        int64_t a, b;
        char text[CELL_BYTES];
        TRY(delimited_next(rows, &more));
        if (!more) return STATUS_OK;
        if (relationship) {
            code_column_copy(rows->fields[column[2]], text, CELL_BYTES);
            if (strcmp(text, relationship) != 0) continue;
        }
        TRY(delimited_integer(rows, from, rows->fields[column[0]], 0, INT64_MAX, &a));
        if (!has_number(in, a)) continue;
        TRY(delimited_integer(rows, to, rows->fields[column[1]], 0, INT64_MAX, &b));
        TRY(add_number(out, b));
    }
}

static int read_pairs(const char *path, const char *from, const char *to, const char *relationship,
                      const struct dictionary *in, struct dictionary *out) {
    struct delimited *rows;
    TRY(mem_alloc(&rows, 1, sizeof *rows));
    int status = delimited_open(rows, path);
    if (status == STATUS_OK) status = take_pairs(rows, from, to, relationship, in, out);
    delimited_close(rows);
    free(rows);
    return status;
}

static int copy_numbers(struct dictionary *to, const struct dictionary *from) {
    int32_t number;
    for (int64_t i = 0; i < from->n; i++)
        TRY(dictionary_add(to, from->bytes + from->offsets[i], from->offsets[i + 1] - from->offsets[i], &number));
    return STATUS_OK;
}

static int descend(struct descent *d, const char *folder) {
    char concepts[PATH_MAX], ancestors[PATH_MAX], relationships[PATH_MAX];
    struct dictionary root = {0};
    if (!table_file_find(folder, "concept", concepts) || !table_file_find(folder, "concept_ancestor", ancestors))
        return status_set(STATUS_FAILED, "%s: concept.csv and concept_ancestor.csv of an OMOP vocabulary are needed",
                          folder);
    TRY(omop_concepts_walk(concepts, d, take_root));
    if (d->set.n == 0) return status_set(STATUS_FAILED, "%s has no concept %s of %s", concepts, d->code, d->vocabulary);
    int status = copy_numbers(&root, &d->set);
    if (status == STATUS_OK)
        status = read_pairs(ancestors, "ancestor_concept_id", "descendant_concept_id", NULL, &root, &d->set);
    dictionary_free(&root);
    if (status == STATUS_OK && table_file_find(folder, "concept_relationship", relationships))
        status = read_pairs(relationships, "concept_id_2", "concept_id_1", "Maps to", &d->set, &d->found);
    if (status == STATUS_OK) status = omop_concepts_walk(concepts, d, take_name);
    if (status == STATUS_OK) log_info("%s: %" PRId64 " codes below %s %s", d->group, d->n, d->vocabulary, d->code);
    return status;
}

int code_groups_read_descendants(struct code_groups *groups, const char *group, const char *folder,
                                 const char *vocabulary, const char *code) {
    struct descent d = {.groups = groups, .group = group, .vocabulary = vocabulary, .code = code};
    int status = descend(&d, folder);
    dictionary_free(&d.set);
    dictionary_free(&d.found);
    return status;
}
