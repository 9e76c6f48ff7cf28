#include "ingest/row_faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "dist/gather.h"

#define ASCENDING(a, b) (((a) > (b)) - ((a) < (b)))

int row_faults_init(struct row_faults *f, const struct string_list *files) {
    *f = (struct row_faults){.files = files, .last = {-1, 0}, .last_fault = {-1, 0}};
    return mem_alloc(&f->rows, files->n, sizeof *f->rows);
}

void row_faults_free(struct row_faults *f) {
    free(f->rows);
    free(f->kinds);
    free(f->left_out);
    *f = (struct row_faults){0};
}

void row_position_text(const struct string_list *files, struct row_position at, char *text, int64_t size) {
    const char *name = files->items[at.file];
    size_t n = strlen(name);
    int parquet = n > 8 && strcmp(name + n - 8, ".parquet") == 0;
    snprintf(text, (size_t)size, "%s, %s %lld", name, parquet ? "row" : "line", (long long)at.line);
}

static int same_row(struct row_position a, struct row_position b) { return a.file == b.file && a.line == b.line; }

void row_faults_see(struct row_faults *f, struct row_position at) {
    f->rows[at.file] += !same_row(f->last, at);
    f->last = at;
}

/* ---- faults ---- */
static int add_kind(struct row_faults *f, int32_t file, const char *kind, struct fault_kind **found) {
    for (long long i = f->n_kinds - 1; i >= 0; i--)
        if (f->kinds[i].file == file && strcmp(f->kinds[i].kind, kind) == 0) {
            *found = &f->kinds[i];
            return STATUS_OK;
        }
    TRY(mem_grow(&f->kinds, &f->kinds_capacity, f->n_kinds + 1, sizeof *f->kinds));
    *found = &f->kinds[f->n_kinds++];
    memset(*found, 0, sizeof **found);
    (*found)->file = file;
    snprintf((*found)->kind, sizeof(*found)->kind, "%s", kind);
    return STATUS_OK;
}

/* Keeps the first lines. */
static void add_example(struct fault_kind *k, int64_t line, const char *text) {
    int at = k->n_examples;
    while (at > 0 && k->examples[at - 1].line > line) at--;
    if (at == FAULT_EXAMPLES) return;
    int n = k->n_examples < FAULT_EXAMPLES ? k->n_examples : FAULT_EXAMPLES - 1;
    memmove(&k->examples[at + 1], &k->examples[at], (size_t)(n - at) * sizeof *k->examples);
    k->examples[at].line = line;
    snprintf(k->examples[at].text, sizeof k->examples[at].text, "%s", text);
    k->n_examples = n + 1;
}

int row_faults_add(struct row_faults *f, struct row_position at, const char *format, va_list arguments) {
    char text[FAULT_TEXT_BYTES], kind[FAULT_KIND_BYTES];
    struct fault_kind *k;
    if (same_row(f->last_fault, at)) return STATUS_OK; /* what is wrong with a row first says it */
    f->last_fault = at;
    vsnprintf(text, sizeof text, format, arguments);
    snprintf(kind, sizeof kind, "%s", format);
    TRY(add_kind(f, at.file, kind, &k));
    k->rows++;
    add_example(k, at.line, text);
    return STATUS_OK;
}

/* ---- rows left out ---- */
static int add_left_out(struct row_faults *f, int32_t file, const char *rule, int64_t rows) {
    long long i = f->n_left_out - 1;
    while (i >= 0 && (f->left_out[i].file != file || strcmp(f->left_out[i].rule, rule) != 0)) i--;
    if (i < 0) {
        TRY(mem_grow(&f->left_out, &f->left_out_capacity, f->n_left_out + 1, sizeof *f->left_out));
        i = f->n_left_out++;
        memset(&f->left_out[i], 0, sizeof f->left_out[i]);
        f->left_out[i].file = file;
        snprintf(f->left_out[i].rule, sizeof f->left_out[i].rule, "%s", rule);
    }
    f->left_out[i].rows += rows;
    return STATUS_OK;
}

int row_faults_leave_out(struct row_faults *f, struct row_position at, const char *rule) {
    char cut[FAULT_KIND_BYTES];
    snprintf(cut, sizeof cut, "%s", rule);
    return add_left_out(f, at.file, cut, 1);
}

/* ---- of all ranks ---- */
static int kind_order(const void *a, const void *b) {
    const struct fault_kind *x = a, *y = b;
    if (x->file != y->file) return ASCENDING(x->file, y->file);
    if (x->examples[0].line != y->examples[0].line) return ASCENDING(x->examples[0].line, y->examples[0].line);
    return strcmp(x->kind, y->kind);
}

static int left_out_order(const void *a, const void *b) {
    const struct left_out_kind *x = a, *y = b;
    return x->file != y->file ? ASCENDING(x->file, y->file) : strcmp(x->rule, y->rule);
}

static int merge(struct row_faults *all, int64_t n_kinds, const struct fault_kind *kinds, int64_t n_left_out,
                 const struct left_out_kind *left_out) {
    for (int64_t i = 0; i < n_kinds; i++) {
        struct fault_kind *to;
        TRY(add_kind(all, kinds[i].file, kinds[i].kind, &to));
        to->rows += kinds[i].rows;
        for (int k = 0; k < kinds[i].n_examples; k++)
            add_example(to, kinds[i].examples[k].line, kinds[i].examples[k].text);
    }
    for (int64_t i = 0; i < n_left_out; i++)
        TRY(add_left_out(all, left_out[i].file, left_out[i].rule, left_out[i].rows));
    if (all->n_kinds) qsort(all->kinds, (size_t)all->n_kinds, sizeof *all->kinds, kind_order);
    if (all->n_left_out) qsort(all->left_out, (size_t)all->n_left_out, sizeof *all->left_out, left_out_order);
    return STATUS_OK;
}

int row_faults_gather(const struct row_faults *f, const struct comm *comm, struct row_faults *all) {
    struct fault_kind *kinds = NULL;
    struct left_out_kind *left_out = NULL;
    int64_t n_kinds, n_left_out;
    int status = comm_agree(comm, row_faults_init(all, f->files));
    if (status == STATUS_OK) status = comm_gather_rows(comm, f->n_kinds, sizeof *kinds, f->kinds, &n_kinds, &kinds);
    if (status == STATUS_OK)
        status = comm_gather_rows(comm, f->n_left_out, sizeof *left_out, f->left_out, &n_left_out, &left_out);
    if (status == STATUS_OK) status = comm_agree(comm, merge(all, n_kinds, kinds, n_left_out, left_out));
    free(kinds);
    free(left_out);
    if (status != STATUS_OK) return status;
    if (f->files->n) memcpy(all->rows, f->rows, (size_t)f->files->n * sizeof *f->rows);
    return comm_sum_int64(comm, all->rows, f->files->n);
}

int64_t row_faults_of_file(const struct row_faults *all, int32_t file) {
    int64_t n = 0;
    for (long long i = 0; i < all->n_kinds; i++) n += all->kinds[i].file == file ? all->kinds[i].rows : 0;
    return n;
}

/* ---- what is said ---- */
/* The next fault of a file behind a line; NULL: there is none. */
static const struct fault_example *next_example(const struct row_faults *all, int32_t file, int64_t line) {
    const struct fault_example *best = NULL;
    for (long long i = 0; i < all->n_kinds; i++)
        for (int k = 0; all->kinds[i].file == file && k < all->kinds[i].n_examples; k++) {
            const struct fault_example *e = &all->kinds[i].examples[k];
            if (e->line > line && (!best || e->line < best->line)) best = e;
        }
    return best;
}

static int too_many(const struct row_faults *all, int32_t file, int64_t n, double most_bad) {
    enum { SHOWN = 5 };
    char text[3000] = "", place[FAULT_TEXT_BYTES];
    size_t used = 0;
    const struct fault_example *e = next_example(all, file, INT64_MIN);
    for (int k = 0; e && k < SHOWN; k++) {
        row_position_text(all->files, (struct row_position){file, e->line}, place, sizeof place);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s: %s", k ? "; " : "", place, e->text);
        if (used >= sizeof text) break;
        e = next_example(all, file, e->line);
    }
    return status_set(STATUS_FAILED,
                      "%s%s (of %lld rows of this file, %lld cannot be used: more than cohort.most_bad, a share of %g, "
                      "lets pass)",
                      text, n > SHOWN ? "; ..." : "", (long long)all->rows[file], (long long)n, most_bad);
}

int row_faults_check(const struct row_faults *all, double most_bad) {
    for (int32_t file = 0; file < all->files->n; file++) {
        int64_t n = row_faults_of_file(all, file);
        if ((double)n > most_bad * (double)all->rows[file]) return too_many(all, file, n, most_bad);
    }
    return STATUS_OK;
}

void row_faults_log(const struct row_faults *all) {
    enum { MOST_LINES = 20 };
    char place[FAULT_TEXT_BYTES];
    int64_t rows = 0;
    for (long long i = 0; i < all->n_kinds; i++) {
        const struct fault_kind *k = &all->kinds[i];
        rows += k->rows;
        if (i >= MOST_LINES) continue;
        row_position_text(all->files, (struct row_position){k->file, k->examples[0].line}, place, sizeof place);
        if (k->rows > 1)
            log_warn("%s: %s; left out, and %lld more rows of the file like it", place, k->examples[0].text,
                     (long long)(k->rows - 1));
        else
            log_warn("%s: %s; left out", place, k->examples[0].text);
    }
    if (all->n_kinds > MOST_LINES)
        log_warn("rows of %lld more kinds cannot be used", (long long)(all->n_kinds - MOST_LINES));
    if (rows) log_warn("%lld rows cannot be used", (long long)rows);
}

int row_fault_fails(const char *path, struct row_position at, const char *format, va_list arguments) {
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    return status_set(STATUS_FAILED, "%s:%lld: %s", path, (long long)at.line, text);
}
