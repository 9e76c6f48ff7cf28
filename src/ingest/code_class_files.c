/* Ranges are few; groups come from code_group_files. */
#include "ingest/code_class_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "ingest/code_columns.h"
#include "ingest/code_group_files.h"
#include "terms/code_category.h"

enum { CELL_BYTES = 64, MOST_RANGES = 1024 };

struct ranges {
    int n;
    struct range {
        char first[CODE_FORM_BYTES], last[CODE_FORM_BYTES]; /* categories */
    } of[MOST_RANGES];
};

static int read_ranges(struct delimited *rows, struct ranges *r) {
    int column[2], more;
    TRY(delimited_need(rows, "code_start", &column[0]));
    TRY(delimited_need(rows, "code_end", &column[1]));
    for (;;) {
        char cell[2][CELL_BYTES];
        TRY(delimited_next(rows, &more));
        if (!more) return STATUS_OK;
        for (int i = 0; i < 2; i++) code_column_copy(rows->fields[column[i]], cell[i], CELL_BYTES);
        if (r->n == MOST_RANGES || !code_category(SYSTEM_ICD10CM, cell[0], r->of[r->n].first) ||
            !code_category(SYSTEM_ICD10CM, cell[1], r->of[r->n].last) ||
            strcmp(r->of[r->n].first, r->of[r->n].last) > 0)
            return status_set(STATUS_FAILED,
                              "%s:%lld: %s to %s is no range of categories of ICD-10-CM such as A00 to B99, of which "
                              "there may be %d",
                              rows->path, (long long)rows->row_line, cell[0], cell[1], MOST_RANGES);
        r->n++;
    }
}

/* The class of a name, or -1. */
static int32_t range_of(const struct ranges *r, const char *name, int64_t size) {
    char code[CODE_FORM_BYTES] = "", category[CODE_FORM_BYTES];
    static const char SYSTEM[] = "ICD10CM/";
    int64_t front = sizeof SYSTEM - 1;
    if (size <= front || size - front >= CODE_FORM_BYTES || memcmp(name, SYSTEM, (size_t)front) != 0) return -1;
    memcpy(code, name + front, (size_t)(size - front));
    if (!code_category(SYSTEM_ICD10CM, code, category)) return -1;
    for (int i = 0; i < r->n; i++)
        if (strcmp(category, r->of[i].first) >= 0 && strcmp(category, r->of[i].last) <= 0) return i;
    return -1;
}

static void classes_of_groups(const struct code_groups *g, const struct dictionary *names, int32_t *class_of) {
    for (long long e = 0; e < g->n; e++) {
        const struct dictionary *d = &g->members;
        int64_t at = d->offsets[g->entries[e].member], size = d->offsets[g->entries[e].member + 1] - at;
        int32_t name = dictionary_find(names, d->bytes + at, size);
        if (name >= 0 && class_of[name] < 0) class_of[name] = g->entries[e].group;
    }
}

/* Titles of the groups; they have the groups' numbers, since no two are equal. */
static int title_groups(const struct dictionary *names, const char *of, struct dictionary *titles) {
    int32_t number;
    for (int64_t g = 0; g < names->n; g++) {
        char title[CLASS_NAME_BYTES + CELL_BYTES * 16];
        int size = snprintf(title, sizeof title, "%s/%.*s", of, (int)(names->offsets[g + 1] - names->offsets[g]),
                            names->bytes + names->offsets[g]);
        TRY(dictionary_add(titles, title, size < (int)sizeof title ? size : (int)sizeof title - 1, &number));
    }
    return STATUS_OK;
}

static int title_ranges(const struct ranges *r, const char *path, struct dictionary *titles) {
    int32_t number;
    for (int i = 0; i < r->n; i++) {
        char title[2 * CODE_FORM_BYTES + 16];
        int size = snprintf(title, sizeof title, "ICD10CM/%s-%s", r->of[i].first, r->of[i].last);
        TRY(dictionary_add(titles, title, size, &number));
        if (number != i)
            return status_set(STATUS_FAILED, "%s: the range %s to %s stands there twice", path, r->of[i].first,
                              r->of[i].last);
    }
    return STATUS_OK;
}

static int read_groups(const char *path, const struct dictionary *names, const char *of, int32_t *class_of,
                       struct dictionary *titles) {
    struct code_groups groups = {0};
    int status = code_groups_read(&groups, path);
    if (status == STATUS_OK) classes_of_groups(&groups, names, class_of);
    if (status == STATUS_OK && titles) status = title_groups(&groups.names, of, titles);
    code_groups_free(&groups);
    return status;
}

static int classes_of_ranges(struct delimited *rows, const struct dictionary *names, int32_t *class_of,
                             struct dictionary *titles) {
    struct ranges *ranges;
    TRY(mem_alloc(&ranges, 1, sizeof *ranges));
    int status = read_ranges(rows, ranges);
    for (int64_t i = 0; i < names->n && status == STATUS_OK; i++)
        class_of[i] = range_of(ranges, names->bytes + names->offsets[i], names->offsets[i + 1] - names->offsets[i]);
    if (status == STATUS_OK && titles) status = title_ranges(ranges, rows->path, titles);
    free(ranges);
    return status;
}

/* titles: NULL: not wanted. */
static int read_classes(const char *path, const struct dictionary *names, int may_be_none, char name[CLASS_NAME_BYTES],
                        struct dictionary *titles, int32_t *class_of) {
    struct delimited *rows;
    int64_t n = 0;
    TRY(mem_alloc(&rows, 1, sizeof *rows));
    int status = delimited_open(rows, path);
    for (int64_t i = 0; i < names->n; i++) class_of[i] = -1;
    if (status == STATUS_OK && delimited_column(rows, "code_start") >= 0) {
        snprintf(name, CLASS_NAME_BYTES, "chapter");
        status = classes_of_ranges(rows, names, class_of, titles);
    } else if (status == STATUS_OK) {
        int is_ccs = delimited_column(rows, "ccs_desc") >= 0 || delimited_column(rows, "ccs_name") >= 0;
        snprintf(name, CLASS_NAME_BYTES, is_ccs ? "CCS" : "group");
        status = read_groups(path, names, name, class_of, titles);
    }
    delimited_close(rows);
    free(rows);
    for (int64_t i = 0; i < names->n; i++) n += class_of[i] >= 0;
    if (status == STATUS_OK) log_info("classes %s: %lld codes of the vocabulary", path, (long long)n);
    if (status == STATUS_OK && n == 0 && !may_be_none)
        return status_set(STATUS_FAILED, "%s gives no code of the vocabulary a class", path);
    return status;
}

int code_classes_read(const char *path, const struct dictionary *names, char name[CLASS_NAME_BYTES],
                      int32_t *class_of) {
    return read_classes(path, names, 0, name, NULL, class_of);
}

int code_classes_read_titled(const char *path, const struct dictionary *names, int may_be_none,
                             struct dictionary *titles, int32_t *class_of) {
    char name[CLASS_NAME_BYTES];
    return read_classes(path, names, may_be_none, name, titles, class_of);
}
