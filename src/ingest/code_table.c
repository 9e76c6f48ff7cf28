/* Rows of code tables into growing arrays. */
#include "ingest/code_table.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/status.h"
#include "ingest/table_reader.h"
#include "ingest/row_faults.h"
#include "terms/code_form.h"

void code_table_free(struct code_table *t) {
    free(t->text);
    free(t->code);
    free(t->system);
    free(t->description);
    free(t->node_offsets);
    free(t->nodes);
    free(t->line);
    free(t->file);
    free(t->read.number);
    free(t->read.at);
    free(t->read.text);
    *t = (struct code_table){0};
}

static struct field trim(struct field f) {
    while (f.size > 0 && isspace((unsigned char)f.text[0])) f.text++, f.size--;
    while (f.size > 0 && isspace((unsigned char)f.text[f.size - 1])) f.size--;
    return f;
}

static int add_text(struct code_table *t, struct field f, int64_t *offset) {
    TRY(mem_grow(&t->text, &t->text_capacity, t->text_size + f.size + 1, 1));
    *offset = t->text_size;
    char *to = t->text + t->text_size;
    memcpy(to, f.text, (size_t)f.size);
    to[f.size] = 0;
    for (int64_t i = 0; i < f.size; i++)
        if (to[i] == '\n' || to[i] == '\r' || to[i] == '\t') to[i] = ' ';
    t->text_size += f.size + 1;
    return STATUS_OK;
}

static int add_system(struct code_table *t, struct field f, int64_t *offset) {
    char name[32];
    if (f.size < (int64_t)sizeof name) {
        snprintf(name, sizeof name, "%.*s", (int)f.size, f.text);
        f.text = code_system_name(name);
        f.size = (int64_t)strlen(f.text);
    }
    return add_text(t, f, offset);
}

/* Adds the numbers of a node list, each once. */
static int add_nodes(struct code_table *t, const char *path, int64_t line, const char *column, struct field f) {
    int64_t first = t->n_nodes;
    const char *p = f.text, *end = f.text + f.size;
    while (p < end) {
        if (strchr("[](){};,| \"'", *p)) {
            p++;
            continue;
        }
        const char *stop = p;
        while (stop < end && !strchr("[](){};,| \"'", *stop)) stop++;
        int64_t node;
        TRY(row_integer(path, line, column, (struct field){p, stop - p}, 0, INT32_MAX - 1, &node));
        p = stop;
        int repeated = 0;
        for (int64_t i = first; i < t->n_nodes && !repeated; i++) repeated = t->nodes[i] == node;
        t->n_repeated_nodes += repeated;
        if (repeated) continue;
        if (t->n_nodes - first == CODE_MAX_NODES)
            return status_set(STATUS_FAILED, "%s:%lld: the code lists more than %d nodes", path, (long long)line,
                              CODE_MAX_NODES);
        TRY(mem_grow(&t->nodes, &t->nodes_capacity, t->n_nodes + 1, sizeof *t->nodes));
        t->nodes[t->n_nodes++] = (int32_t)node;
    }
    return STATUS_OK;
}

static int grow(struct code_table *t) {
    TRY(mem_grow(&t->code, &t->capacity[0], t->n + 1, sizeof *t->code));
    TRY(mem_grow(&t->system, &t->capacity[1], t->n + 1, sizeof *t->system));
    TRY(mem_grow(&t->description, &t->capacity[2], t->n + 1, sizeof *t->description));
    TRY(mem_grow(&t->line, &t->capacity[3], t->n + 1, sizeof *t->line));
    TRY(mem_grow(&t->file, &t->capacity[4], t->n + 1, sizeof *t->file));
    TRY(mem_grow(&t->nodes, &t->nodes_capacity, t->n_nodes + 1, sizeof *t->nodes)); /* there, even if no code has any */
    return mem_grow(&t->node_offsets, &t->offsets_capacity, t->n + 2, sizeof *t->node_offsets);
}

/* Fields as rows give them. */
enum { CODE, SYSTEM, DESCRIPTION, NODES };

/* A file that is read. */
struct code_file {
    struct code_table *table;
    const char *path, *nodes_name;
    int number, medtok, has_nodes; /* medtok: MedTok's names of columns */
};

static int add_row(const void *state, const struct field *fields, struct row_position at,
                   const struct record_sink *sink) {
    const struct code_file *f = sink->self;
    struct code_table *t = f->table;
    struct field code = trim(fields[CODE]), system = trim(fields[SYSTEM]), description = trim(fields[DESCRIPTION]);
    (void)state;
    if (code.size == 0 || system.size == 0)
        return status_set(STATUS_FAILED, "%s:%lld: the %s is empty", f->path, (long long)at.line,
                          code.size == 0 ? "code" : "system");
    if (code.size > 64 || system.size > 64)
        return status_set(STATUS_FAILED, "%s:%lld: the %s is longer than 64 bytes: \"%.64s...\"", f->path,
                          (long long)at.line, code.size > 64 ? "code" : "system",
                          code.size > 64 ? code.text : system.text);
    TRY(grow(t));
    t->node_offsets[t->n] = t->n_nodes;
    TRY(add_text(t, code, &t->code[t->n]));
    TRY(add_system(t, system, &t->system[t->n]));
    t->n_without_description += description.size == 0;
    t->description[t->n] = t->code[t->n];
    if (description.size) TRY(add_text(t, description, &t->description[t->n]));
    TRY(add_nodes(t, f->path, at.line, f->nodes_name, fields[NODES]));
    t->line[t->n] = at.line;
    t->file[t->n] = f->number;
    t->node_offsets[++t->n] = t->n_nodes;
    return STATUS_OK;
}

static int row_fault(void *self, struct row_position at, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int row_fault(void *self, struct row_position at, const char *format, ...) {
    const struct code_file *f = self;
    va_list arguments;
    va_start(arguments, format);
    int status = row_fault_fails(f->path, at, format, arguments);
    va_end(arguments);
    return status;
}

static const char MEDTOK_NODES[] = "pkg_index_list";
static const struct table_kind OURS = {
    .columns = {"code", "system", "description"}, .optional = {"nodes"}, .row = add_row};
static const struct table_kind OF_MEDTOK = {
    .columns = {"med_code", "code_system", "desc"}, .optional = {MEDTOK_NODES}, .row = add_row};

/* Which columns a file has. Rank 0. */
static int find_columns(struct code_file *f) {
    struct delimited reader;
    int status = delimited_open(&reader, f->path);
    if (status == STATUS_OK) {
        f->medtok = delimited_column(&reader, "med_code") >= 0;
        f->has_nodes = delimited_column(&reader, f->medtok ? MEDTOK_NODES : "nodes") >= 0;
    }
    delimited_close(&reader);
    return status;
}

/* Collective. */
static int read_file(struct code_table *t, const struct comm *comm, int number) {
    struct code_file f = {.table = t, .path = t->files->items[number], .number = number};
    const struct record_sink sink = {.self = &f, .fault = row_fault};
    TRY(comm_agree(comm, comm->rank == 0 ? find_columns(&f) : STATUS_OK));
    int found[2] = {f.medtok, f.has_nodes};
    TRY(comm_broadcast(comm, found, sizeof found));
    f.medtok = found[0];
    f.has_nodes = found[1];
    f.nodes_name = f.medtok ? MEDTOK_NODES : "nodes";
    if (f.medtok && f.has_nodes) t->of_medtok = f.path;
    if (!f.has_nodes && t->n_without_nodes++ == 0) t->without_nodes = f.path;
    const struct source_table table = {f.medtok ? &OF_MEDTOK : &OURS, t->files->items[number]};
    return source_tables_read(comm, &table, 1, NULL, &sink, NULL);
}

/* ---- what the table holds ---- */
/* What is said behind a code that is there already: its spelling there, if it is another, and how many are like it. */
static const char *details(const char *code, const char *there, int64_t n, char text[160]) {
    int used = 0;
    text[0] = 0;
    if (strcmp(code, there) != 0) used = snprintf(text, 160, ", spelled %s", there);
    if (n > 1) snprintf(text + used, (size_t)(160 - used), "; %lld more are like it", (long long)n - 1);
    return text;
}

static int check_duplicates(const struct code_table *t) {
    struct code_index index;
    int64_t n, pair[2];
    char more[160];
    int status =
        code_index_make(&index, (struct strings){t->text, t->code, 0}, (struct strings){t->text, t->system, 0}, t->n);
    if (status == STATUS_OK && (n = code_index_twice(&index, pair)) > 0) {
        int64_t i = pair[1], j = pair[0];
        const char *code = t->text + t->code[i];
        status =
            status_set(STATUS_FAILED, "%s:%lld: %s:%s is listed twice; first at %s:%lld%s", t->files->items[t->file[i]],
                       (long long)t->line[i], t->text + t->system[i], code, t->files->items[t->file[j]],
                       (long long)t->line[j], details(code, t->text + t->code[j], n, more));
    }
    code_index_free(&index);
    return status;
}

int code_table_read(struct code_table *t, const struct comm *comm, const struct string_list *files) {
    *t = (struct code_table){.files = files};
    for (int f = 0; f < files->n; f++) TRY(read_file(t, comm, f));
    if (comm->size > 1) TRY(code_table_unite(t, comm));
    if (t->n == 0)
        return status_set(STATUS_FAILED, "%s holds no codes: there is nothing behind the header", files->items[0]);
    if (t->n > INT32_MAX) return status_set(STATUS_FAILED, "more than 2^31 codes");
    return comm_agree(comm, comm->rank == 0 ? check_duplicates(t) : STATUS_OK);
}

int code_table_check_new(const struct code_table *t, const struct code_index *known, const char *path) {
    int64_t n = 0, first = 0, first_row = 0;
    char more[160];
    for (int64_t i = 0; i < t->n; i++) {
        int64_t row = code_index_same(known, t->text + t->system[i], t->text + t->code[i]);
        if (row >= 0 && ++n == 1) first = i, first_row = row;
    }
    if (n == 0) return STATUS_OK;
    const char *code = t->text + t->code[first];
    return status_set(STATUS_FAILED, "%s:%lld: %s:%s is no new code: it is code number %lld of %s%s",
                      t->files->items[t->file[first]], (long long)t->line[first], t->text + t->system[first], code,
                      (long long)first_row, path, details(code, string_at(&known->code, first_row), n, more));
}

/* The first node of code i that no row of the graph names, or -1. */
static int32_t node_in_gap(const struct code_table *t, int64_t i, const struct knowledge_graph *graph) {
    for (int64_t k = t->node_offsets[i]; k < t->node_offsets[i + 1]; k++)
        if (!graph->identities.of[t->nodes[k]]) return t->nodes[k];
    return -1;
}

static void warn_of_gaps(struct code_table *t, const struct knowledge_graph *graph, const char *graph_path) {
    int64_t first = 0;
    for (int64_t i = 0; i < t->n; i++)
        if (node_in_gap(t, i, graph) >= 0 && ++t->n_in_gaps == 1) first = i;
    if (t->n_in_gaps == 0) return;
    log_warn_once(
        "%lld codes name a node that occurs in no edge of %s; the first, at %s:%lld, is %s:%s with node %d: is it the "
        "graph that the table was made for?",
        (long long)t->n_in_gaps, graph_path, t->files->items[t->file[first]], (long long)t->line[first],
        t->text + t->system[first], t->text + t->code[first], node_in_gap(t, first, graph));
}

int code_table_check_nodes(struct code_table *t, const struct knowledge_graph *graph, const char *graph_path) {
    for (int64_t i = 0; i < t->n; i++)
        for (int64_t k = t->node_offsets[i]; k < t->node_offsets[i + 1]; k++)
            if (t->nodes[k] >= graph->n_nodes)
                return status_set(STATUS_FAILED,
                                  "%s:%lld: %s:%s names node %d, but %s has nodes 0 to %lld: is it the "
                                  "graph that the table was made for?",
                                  t->files->items[t->file[i]], (long long)t->line[i], t->text + t->system[i],
                                  t->text + t->code[i], t->nodes[k], graph_path, (long long)graph->n_nodes - 1);
    warn_of_gaps(t, graph, graph_path);
    return STATUS_OK;
}
