/* A hash table of the vocabulary's codes by form (terms/code_index.h), and up the hierarchy until one is there. */
#include "terms/vocabulary_match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/status.h"
#include "terms/code_form.h"
#include "terms/code_index.h"
#include "terms/code_map.h"

const char *const MATCH_KIND_NAMES[N_MATCH_KINDS] = {"missing", "ancestor", "exact"};

/* ---- matching ---- */
/* The code's row, or -1; `name` is SYSTEM/FORM. */
static int64_t find(const struct code_index *index, const char *name) {
    char system[CODE_FORM_BYTES];
    const char *slash = strchr(name, '/');
    if (!slash || slash - name >= CODE_FORM_BYTES || slash[1] == '/') return -1;
    memcpy(system, name, (size_t)(slash - name));
    system[slash - name] = 0;
    return code_index_same(index, system, slash + 1);
}

static void match_one(const struct code_index *index, char name[CODE_NAME_BYTES], int32_t *row, uint8_t *kind) {
    char parent[CODE_NAME_BYTES], *unit = code_name_unit(name);
    if (unit) *unit = 0;
    int64_t found = find(index, name);
    *kind = MATCH_EXACT;
    while (found < 0 && code_name_parent(name, parent)) {
        memcpy(name, parent, sizeof parent);
        found = find(index, name);
        *kind = MATCH_ANCESTOR;
    }
    if (found < 0) *kind = MATCH_MISSING;
    *row = (int32_t)found;
}

static void copy_name(const struct dictionary *codes, int64_t i, char name[CODE_NAME_BYTES]) {
    int64_t size = codes->offsets[i + 1] - codes->offsets[i];
    if (size >= CODE_NAME_BYTES) size = CODE_NAME_BYTES - 1;
    memcpy(name, codes->bytes + codes->offsets[i], (size_t)size);
    name[size] = 0;
}

int vocabulary_match_make(struct vocabulary_match *match, const struct vocabulary *v, const struct dictionary *codes) {
    struct code_index index = {0};
    int status;
    *match = (struct vocabulary_match){.n = codes->n};
    TRY_DONE(code_index_make(&index, (struct strings){v->code, NULL, v->code_bytes},
                             (struct strings){v->system, NULL, v->system_bytes}, v->n_codes));
    TRY_DONE(mem_alloc(&match->row, match->n, sizeof *match->row));
    TRY_DONE(mem_alloc(&match->kind, match->n, sizeof *match->kind));
    for (int64_t i = 0; i < match->n; i++) {
        char name[CODE_NAME_BYTES];
        copy_name(codes, i, name);
        match_one(&index, name, &match->row[i], &match->kind[i]);
    }
done:
    code_index_free(&index);
    if (status != STATUS_OK) vocabulary_match_free(match);
    return status;
}

void vocabulary_match_free(struct vocabulary_match *match) {
    free(match->row);
    free(match->kind);
    *match = (struct vocabulary_match){0};
}

/* ---- the report ---- */
static void system_of(const char *name, char *system, size_t size) {
    size_t n = strcspn(name, "/");
    int known = name[n] == '/' && name[n + 1] != '/';
    if (n > size - 3) n = size - 3;
    snprintf(system, size, known ? "%.*s" : "(%.*s)", (int)n, name);
}

static int64_t total(const int64_t *n) { return n[MATCH_MISSING] + n[MATCH_ANCESTOR] + n[MATCH_EXACT]; }

static int by_events(const void *a, const void *b) {
    const struct match_row *x = a, *y = b;
    int64_t n = total(x->events), m = total(y->events);
    return n != m ? (n < m) - (n > m) : strcmp(x->system, y->system);
}

/* What a comparison of codes looks at. qsort has no place for it. */
struct missing_code {
    int64_t events;
    const char *bytes;
    int64_t size;
    int32_t number;
};

static int by_count(const void *a, const void *b) {
    const struct missing_code *x = a, *y = b;
    if (x->events != y->events) return (x->events < y->events) - (x->events > y->events);
    int order = memcmp(x->bytes, y->bytes, (size_t)(x->size < y->size ? x->size : y->size));
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

static int list_missing(struct match_report *report, const struct vocabulary_match *match,
                        const struct dictionary *codes, const int64_t *count) {
    struct missing_code *list;
    int64_t n = 0;
    TRY(mem_alloc(&list, match->n, sizeof *list));
    for (int64_t i = 0; i < match->n; i++)
        if (match->kind[i] == MATCH_MISSING)
            list[n++] = (struct missing_code){count[i], codes->bytes + codes->offsets[i],
                                              codes->offsets[i + 1] - codes->offsets[i], (int32_t)i};
    if (n > 0) qsort(list, (size_t)n, sizeof *list, by_count);
    int status = mem_alloc(&report->missing, n, sizeof *report->missing);
    for (int64_t i = 0; status == STATUS_OK && i < n; i++) report->missing[i] = list[i].number;
    report->n_missing = n;
    free(list);
    return status;
}

static int make_report(struct match_report *report, struct dictionary *systems, const struct vocabulary_match *match,
                       const struct dictionary *codes, const int64_t *count) {
    long long capacity = 0;
    snprintf(report->all.system, sizeof report->all.system, "all");
    for (int64_t i = 0; i < match->n; i++) {
        char name[CODE_NAME_BYTES], system[sizeof report->all.system];
        int32_t s;
        copy_name(codes, i, name);
        system_of(name, system, sizeof system);
        TRY(dictionary_add(systems, system, (int64_t)strlen(system), &s));
        if (systems->n > report->n_systems) {
            TRY(mem_grow(&report->systems, &capacity, systems->n, sizeof *report->systems));
            report->systems[report->n_systems] = (struct match_row){0};
            memcpy(report->systems[report->n_systems++].system, system, sizeof system);
        }
        int kind = match->kind[i];
        report->systems[s].codes[kind]++;
        report->systems[s].events[kind] += count[i];
        report->all.codes[kind]++;
        report->all.events[kind] += count[i];
    }
    if (report->n_systems) qsort(report->systems, (size_t)report->n_systems, sizeof *report->systems, by_events);
    return list_missing(report, match, codes, count);
}

int match_report_make(struct match_report *report, const struct vocabulary_match *match, const struct dictionary *codes,
                      const int64_t *count) {
    struct dictionary systems = {0};
    *report = (struct match_report){0};
    int status = make_report(report, &systems, match, codes, count);
    dictionary_free(&systems);
    if (status != STATUS_OK) match_report_free(report);
    return status;
}

void match_report_free(struct match_report *report) {
    free(report->systems);
    free(report->missing);
    *report = (struct match_report){0};
}

/* ---- for people ---- */
static double percent(int64_t part, int64_t whole) { return whole ? 100. * (double)part / (double)whole : 0; }

static void log_row(const struct match_row *row) {
    int64_t events = total(row->events);
    log_info("%s: %lld events with %lld codes: %.1f %% in the vocabulary, %.1f %% by an ancestor, %.1f %% missing",
             row->system, (long long)events, (long long)total(row->codes), percent(row->events[MATCH_EXACT], events),
             percent(row->events[MATCH_ANCESTOR], events), percent(row->events[MATCH_MISSING], events));
}

void match_report_log(const struct match_report *report, const struct dictionary *codes, const int64_t *count,
                      int most) {
    log_row(&report->all);
    for (int64_t i = 0; i < report->n_systems; i++) log_row(&report->systems[i]);
    for (int64_t i = 0; i < report->n_missing && i < most; i++) {
        char name[CODE_NAME_BYTES];
        copy_name(codes, report->missing[i], name);
        log_info("missing: %s, %lld events", name, (long long)count[report->missing[i]]);
    }
}

static void write_rows(FILE *file, const struct match_report *report, const struct dictionary *codes,
                       const int64_t *count) {
    int64_t events = total(report->all.events);
    fprintf(file, "system\tcode\tevents\tshare_of_events\n");
    for (int64_t i = 0; i < report->n_missing; i++) {
        char name[CODE_NAME_BYTES], system[sizeof report->all.system];
        int32_t code = report->missing[i];
        copy_name(codes, code, name);
        system_of(name, system, sizeof system);
        fprintf(file, "%s\t%s\t%lld\t%.9g\n", system, name, (long long)count[code],
                events ? (double)count[code] / (double)events : 0);
    }
}

int match_report_write(const struct match_report *report, const struct dictionary *codes, const int64_t *count,
                       const char *path) {
    struct atomic_file file = {0};
    TRY(atomic_file_open(&file, path));
    write_rows(file.stream, report, codes, count);
    return atomic_file_close(&file, atomic_file_error(&file));
}
