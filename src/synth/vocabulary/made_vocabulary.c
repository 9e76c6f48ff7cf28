/* What there is to write is cut into parts of some thousand rows, which stand in the order of the files; ranks take them in turns, and
 * each round puts the parts of all ranks behind each other. */
#include "synth/vocabulary/made_vocabulary.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "synth/table_files.h"

enum made_file { FILE_CODES, FILE_PARENTS, FILE_EQUIVALENTS, FILE_CLASSES, FILE_GRAPH, N_FILES };
static const char *const FILE_NAMES[N_FILES] = {"codes", "parents", "equivalents", "classes", "kg"};
enum { PART_CODES = 4096, PART_EDGES = 8192 };

static const enum made_terminology EQUIVALENTS[N_EQUIVALENTS][2] = {{MADE_ICD9CM, MADE_ICD10CM},
                                                                    {MADE_SNOMED_CONDITIONS, MADE_ICD9CM},
                                                                    {MADE_RXNORM, MADE_ATC},
                                                                    {MADE_NDC, MADE_ATC},
                                                                    {MADE_CPT, MADE_ICD10PCS}};

/* ---- what is made ---- */
/* Tables of ICD-10-PCS are no codes that a map leads to. */
static int is_target(const struct terminology *t, int64_t position) {
    return t->which != MADE_ICD10PCS || terminology_above(t, position) >= 0;
}

/* The codes of a terminology by concept. */
static int list_by_concept(struct concept_codes *list, const struct terminology *t, int64_t n_concepts) {
    TRY(mem_alloc(&list->offsets, n_concepts + 2, sizeof *list->offsets));
    TRY(mem_alloc(&list->codes, t->n, sizeof *list->codes));
    int64_t *next = list->offsets + 1; /* one ahead: filled, offsets[c + 1] is the end of c */
    for (int64_t p = 0; p < t->n; p++) next[t->concept[p] + 1] += is_target(t, p);
    for (int64_t c = 0; c < n_concepts; c++) next[c + 1] += next[c];
    for (int64_t p = 0; p < t->n; p++)
        if (is_target(t, p)) list->codes[next[t->concept[p]]++] = (int32_t)p;
    return STATUS_OK;
}

int made_vocabulary_make(struct made_vocabulary *v, double scale, uint64_t seed) {
    int64_t n_concepts[N_MADE_DOMAINS];
    memset(v, 0, sizeof *v);
    for (int d = 0; d < N_MADE_DOMAINS; d++) n_concepts[d] = node_kind_count(domain_nodes((enum made_domain)d), scale);
    TRY(made_graph_make(&v->graph, scale, seed));
    TRY(terminologies_make(v->terminologies, scale, n_concepts, seed));
    for (int e = 0; e < N_EQUIVALENTS; e++) {
        const struct terminology *to = &v->terminologies[EQUIVALENTS[e][1]];
        TRY(list_by_concept(&v->equivalents[e], to, n_concepts[to->domain]));
    }
    return STATUS_OK;
}

void made_vocabulary_free(struct made_vocabulary *v) {
    terminologies_free(v->terminologies);
    made_graph_free(&v->graph);
    for (int e = 0; e < N_EQUIVALENTS; e++) {
        free(v->equivalents[e].offsets);
        free(v->equivalents[e].codes);
    }
}

/* ---- parts ---- */
struct part {
    enum made_file file;
    int of; /* terminology, number in EQUIVALENTS, or relation */
    int64_t first, end;
};

struct parts {
    struct part *items;
    long long n, capacity;
};

static int add_part(struct parts *parts, enum made_file file, int of, int64_t first, int64_t end) {
    TRY(mem_grow(&parts->items, &parts->capacity, parts->n + 1, sizeof *parts->items));
    parts->items[parts->n++] = (struct part){file, of, first, end};
    return STATUS_OK;
}

static int add_codes(struct parts *parts, enum made_file file, int of, int64_t n) {
    for (int64_t first = 0; first < n; first += PART_CODES)
        TRY(add_part(parts, file, of, first, first + PART_CODES < n ? first + PART_CODES : n));
    return STATUS_OK;
}

static int add_relation(struct parts *parts, const struct made_graph *g, int relation) {
    enum node_kind from = made_relation_from(relation);
    int64_t n = g->first[from + 1] - g->first[from], first = 0, edges = 0;
    for (int64_t i = 0; i < n; i++) {
        edges += g->degree[relation][i];
        if (edges < PART_EDGES && i + 1 < n) continue;
        TRY(add_part(parts, FILE_GRAPH, relation, first, i + 1));
        first = i + 1;
        edges = 0;
    }
    return STATUS_OK;
}

static int cut(struct parts *parts, const struct made_vocabulary *v) {
    for (int t = 0; t < N_TERMINOLOGIES; t++) TRY(add_codes(parts, FILE_CODES, t, v->terminologies[t].n));
    for (int t = 0; t < N_TERMINOLOGIES; t++)
        if (terminology_needs_parents(&v->terminologies[t]))
            TRY(add_codes(parts, FILE_PARENTS, t, v->terminologies[t].n));
    for (int e = 0; e < N_EQUIVALENTS; e++)
        TRY(add_codes(parts, FILE_EQUIVALENTS, e, v->terminologies[EQUIVALENTS[e][0]].n));
    for (int t = 0; t < N_TERMINOLOGIES; t++) TRY(add_codes(parts, FILE_CLASSES, t, v->terminologies[t].n));
    for (int r = 0; r < N_MADE_RELATIONS; r++) TRY(add_relation(parts, &v->graph, r));
    return STATUS_OK;
}

/* ---- rows ---- */
static const char *system_of(const struct terminology *t) { return code_system_of(t->system); }

static void put_code(const struct made_vocabulary *v, const struct terminology *t, int64_t position,
                     struct rows *rows) {
    char code[MADE_CODE_BYTES], list[32 * MADE_MOST_LISTED] = "";
    struct made_text text;
    int64_t nodes[MADE_MOST_LISTED];
    int n = made_graph_list(&v->graph, t, position, nodes);
    for (int i = 0, at = 0; i < n; i++)
        at += snprintf(list + at, sizeof list - (size_t)at, "%s%lld", i ? ";" : "", (long long)nodes[i]);
    terminology_code(t, position, code);
    terminology_describe(t, position, &text);
    put_row(rows, "%s,%s,%c,%s", system_of(t), code, text.bytes, list);
}

static void put_pair(const struct terminology *from, int64_t a, const struct terminology *to, int64_t b,
                     struct rows *rows) {
    char code[2][MADE_CODE_BYTES];
    terminology_code(from, a, code[0]);
    terminology_code(to, b, code[1]);
    put_row(rows, "%s,%s,%s,%s", system_of(from), code[0], system_of(to), code[1]);
}

static void put_parent(const struct terminology *t, int64_t position, struct rows *rows) {
    int64_t above = terminology_above(t, position);
    if (above >= 0) put_pair(t, position, t, above, rows);
}

static void put_equivalents(const struct made_vocabulary *v, int pair, int64_t position, struct rows *rows) {
    const struct terminology *from = &v->terminologies[EQUIVALENTS[pair][0]],
                             *to = &v->terminologies[EQUIVALENTS[pair][1]];
    const struct concept_codes *list = &v->equivalents[pair];
    for (int64_t k = list->offsets[from->concept[position]]; k < list->offsets[from->concept[position] + 1]; k++)
        put_pair(from, position, to, list->codes[k], rows);
}

static void put_class(const struct made_vocabulary *v, const struct terminology *t, int64_t position,
                      struct rows *rows) {
    const int64_t *first = v->graph.first;
    enum node_kind kind = domain_nodes(t->domain);
    char code[MADE_CODE_BYTES];
    terminology_code(t, position, code);
    put_row(rows, "%s,%s,topic %i", system_of(t), code,
            made_topic(&v->graph, t->concept[position], first[kind + 1] - first[kind]) + 1);
}

static void put_of_code(const struct made_vocabulary *v, const struct part *part, int64_t position, struct rows *rows) {
    switch (part->file) {
        case FILE_CODES: put_code(v, &v->terminologies[part->of], position, rows); break;
        case FILE_PARENTS: put_parent(&v->terminologies[part->of], position, rows); break;
        case FILE_EQUIVALENTS: put_equivalents(v, part->of, position, rows); break;
        default: put_class(v, &v->terminologies[part->of], position, rows);
    }
}

/* scratch: of made_graph_put. */
static void put_part(const struct made_vocabulary *v, const struct part *part, int64_t *scratch, struct rows *rows) {
    if (part->file == FILE_GRAPH) made_graph_put(&v->graph, part->of, part->first, part->end, scratch, rows);
    for (int64_t p = part->first; p < part->end && part->file != FILE_GRAPH; p++) put_of_code(v, part, p, rows);
}

/* ---- files ---- */
static int open_files(struct table_files **files, const struct comm *comm, const char *folder, int level) {
    char(*paths)[PATH_MAX];
    const char *path[N_FILES];
    int status = mem_alloc(&paths, N_FILES, sizeof *paths);
    for (int f = 0; f < N_FILES && status == STATUS_OK; f++) {
        path[f] = paths[f];
        if (snprintf(paths[f], sizeof paths[f], "%s/%s", folder, FILE_NAMES[f]) >= (int)sizeof paths[f])
            status = status_set(STATUS_USAGE, "synth.folder is too long a path");
    }
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = table_files_open(files, comm, N_FILES, path, level);
    free(paths);
    return status;
}

static void put_headers(struct rows rows[N_FILES]) {
    static const char PAIRS[] = "from_system,from_code,to_system,to_code";
    put_row(&rows[FILE_CODES], "system,code,description,nodes");
    put_row(&rows[FILE_PARENTS], "%s", PAIRS);
    put_row(&rows[FILE_EQUIVALENTS], "%s", PAIRS);
    put_row(&rows[FILE_CLASSES], "system,code,group");
    put_row(&rows[FILE_GRAPH], "%s", MADE_GRAPH_HEADER);
}

static int write_parts(struct table_files *files, const struct comm *comm, const struct made_vocabulary *v,
                       const struct parts *parts, int64_t *scratch, struct rows rows[N_FILES]) {
    struct progress progress;
    if (comm->rank == 0) put_headers(rows);
    TRY(table_files_write(files, rows));
    progress_begin(&progress, "synth", parts->n, "parts");
    for (int64_t first = 0; first < parts->n; first += comm->size) {
        const struct part *part = &parts->items[first + comm->rank];
        if (first + comm->rank < parts->n) put_part(v, part, scratch, &rows[part->file]);
        TRY(comm_agree(comm, interrupt_poll()));
        TRY(table_files_write(files, rows));
        progress_update(&progress, first + comm->size < parts->n ? first + comm->size : parts->n);
    }
    progress_end(&progress, parts->n);
    return STATUS_OK;
}

static void log_files(const struct table_files *files, const struct made_vocabulary *v, const char *folder) {
    char size[32];
    int64_t bytes = 0, n_codes = 0;
    for (int f = 0; f < N_FILES; f++) bytes += table_files_get(files, f)->bytes;
    for (int t = 0; t < N_TERMINOLOGIES; t++) n_codes += v->terminologies[t].n;
    log_info("%lld codes, %lld nodes and %lld rows of a graph, %s, in %s", (long long)n_codes,
             (long long)v->graph.first[N_NODE_KINDS], (long long)table_files_get(files, FILE_GRAPH)->lines - 1,
             format_bytes(bytes, size, sizeof size), folder);
}

int made_vocabulary_write(const struct comm *comm, const struct synth_options *options, const char *folder,
                          const struct made_vocabulary *v) {
    struct parts parts = {0};
    struct rows rows[N_FILES] = {{0}};
    struct table_files *files = NULL;
    int64_t *scratch = NULL;
    int status = cut(&parts, v);
    if (status == STATUS_OK) status = mem_alloc(&scratch, v->graph.first[N_NODE_KINDS], sizeof *scratch);
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = open_files(&files, comm, folder, (int)options->gzip);
    if (status == STATUS_OK) {
        status = write_parts(files, comm, v, &parts, scratch, rows);
        if (status == STATUS_OK) log_files(files, v, folder);
        status = table_files_close(files, status);
    }
    for (int f = 0; f < N_FILES; f++) rows_free(&rows[f]);
    free(scratch);
    free(parts.items);
    return status;
}

/* ---- counts ---- */
void made_vocabulary_put_counts(struct json *j, const struct made_vocabulary *v) {
    json_object(j, "codes");
    for (int t = 0; t < N_TERMINOLOGIES; t++) { /* those of a system stand together */
        const struct terminology *last = &v->terminologies[t];
        if (t + 1 == N_TERMINOLOGIES || last[1].system != last->system)
            json_integer(j, system_of(last), last->first + last->n);
    }
    json_end(j);
    json_object(j, "nodes");
    for (int k = 0; k < N_NODE_KINDS; k++)
        json_integer(j, node_kind_name((enum node_kind)k), v->graph.first[k + 1] - v->graph.first[k]);
    json_end(j);
    json_object(j, "rows");
    for (int r = 0, n = 0; r < N_MADE_RELATIONS; r += n) {
        int64_t rows = 0;
        for (n = 0; r + n < N_MADE_RELATIONS && strcmp(made_relation_name(r), made_relation_name(r + n)) == 0; n++)
            rows += 2 * v->graph.n_edges[r + n];
        json_integer(j, made_relation_name(r), rows);
    }
    json_end(j);
    json_integer(j, "topics", v->graph.n_topics);
}
