/* Files by their settings. */
#include "ingest/code_lists.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ingest/code_group_files.h"
#include "ingest/omop_concepts.h"
#include "ingest/table_files.h"

enum { PARENT_BYTES = 128 };

/* ---- parents ---- */
static int add_parents(struct source_code_rules *rules, struct field code, struct field parents) {
    static const char BETWEEN[] = "[]'\",;| \t\n";
    const char *p = parents.text, *end = p + parents.size;
    while (p < end) {
        char parent[PARENT_BYTES];
        while (p < end && strchr(BETWEEN, *p)) p++;
        const char *begin = p;
        while (p < end && !strchr(BETWEEN, *p)) p++;
        if (p == begin || p - begin >= PARENT_BYTES) continue;
        memcpy(parent, begin, (size_t)(p - begin));
        parent[p - begin] = 0;
        TRY(source_code_rules_add_parent(rules, code.text, code.size, parent));
    }
    return STATUS_OK;
}

static int read_parents(struct source_code_rules *rules, struct delimited *rows) {
    int code, parents = delimited_column(rows, "parent_codes"), more;
    TRY(delimited_need(rows, "code", &code));
    while (parents >= 0) {
        TRY(delimited_next(rows, &more));
        if (!more) break;
        TRY(add_parents(rules, rows->fields[code], rows->fields[parents]));
    }
    return STATUS_OK;
}

int code_parents_read(struct source_code_rules *rules, const char *path) {
    struct delimited *rows;
    TRY(mem_alloc(&rows, 1, sizeof *rows));
    int status = delimited_open(rows, path);
    if (status == STATUS_OK) status = read_parents(rules, rows);
    delimited_close(rows);
    free(rows);
    return status;
}

/* ---- OMOP's vocabulary ---- */
static const char *concept_folder(const struct cohort_options *options) {
    return options->concepts[0] ? options->concepts : options->folder;
}

int code_vocabulary_file(const struct cohort_options *options, const char *name, char path[PATH_MAX]) {
    return table_file_find(concept_folder(options), name, path);
}

int code_concepts_find(const struct cohort_options *options, struct source_files *files) {
    char path[PATH_MAX];
    if (!code_vocabulary_file(options, "concept", path)) {
        if (!options->concepts[0]) return STATUS_OK;
        return status_set(STATUS_FAILED, "%s: there is no concept.csv (cohort.concepts)", options->concepts);
    }
    TRY(string_list_add(&files->roles, CODE_LIST_ROLE));
    return string_list_add(&files->paths, path);
}

int code_concepts_set(const struct cohort_options *options, const struct source_files *files,
                      struct source_code_rules *rules) {
    const char *path = source_files_path(files, CODE_LIST_ROLE);
    (void)options;
    if (!path) return STATUS_OK;
    char *copy = strdup(path);
    if (!copy) return status_set(STATUS_FAILED, "out of memory");
    source_code_rules_set_reader(rules, copy, omop_concepts_read, free);
    return STATUS_OK;
}

int code_groups_of_settings(struct code_groups *groups, const struct cohort_options *options,
                            const char *const *concepts, int n) {
    char path[PATH_MAX];
    for (int i = 0; i < options->groups.n; i++) TRY(code_groups_read(groups, options->groups.items[i]));
    if (n == 0 || !code_vocabulary_file(options, "concept_ancestor", path)) return STATUS_OK;
    return code_groups_read_descendants(groups, concept_folder(options), "SNOMED", concepts, n);
}
