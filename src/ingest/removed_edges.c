/* Pairs are drawn one by one as rows come, so that the graph is read once. */
#include "ingest/removed_edges.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/status.h"

enum { RELATION, DISPLAY_RELATION, X_TYPE, Y_TYPE };

int removed_edges_begin(struct removed_edges *r, const char *relations, double share, uint64_t seed) {
    *r = (struct removed_edges){.share = share, .seed = seed};
    while (*relations) {
        size_t size = strcspn(relations, ",");
        const char *name = relations;
        int32_t number;
        relations += size + (relations[size] == ',');
        while (size > 0 && *name == ' ') name++, size--;
        while (size > 0 && name[size - 1] == ' ') size--;
        if (size > 0) TRY(dictionary_add(&r->relations, name, (int64_t)size, &number));
    }
    if (r->relations.n <= REMOVED_MOST_RELATIONS) return STATUS_OK;
    return status_set(STATUS_USAGE, "graph.remove names %lld relations; at most %d can be", (long long)r->relations.n,
                      REMOVED_MOST_RELATIONS);
}

void removed_edges_free(struct removed_edges *r) {
    dictionary_free(&r->relations);
    dictionary_free(&r->types);
    free(r->edges);
    *r = (struct removed_edges){0};
}

/* ---- while the graph is read ---- */
void removed_edges_columns(struct removed_edges *r, const struct delimited *graph) {
    static const char *const COLUMNS[4] = {"relation", "display_relation", "x_type", "y_type"};
    for (int i = 0; i < 4; i++) r->column[i] = delimited_column(graph, COLUMNS[i]);
}

/* The named relation of the row in hand, or -1. */
static int32_t relation_of(const struct removed_edges *r, const struct delimited *graph) {
    for (int i = RELATION; i <= DISPLAY_RELATION; i++) {
        if (r->column[i] < 0) continue;
        struct field name = graph->fields[r->column[i]];
        int32_t number = dictionary_find(&r->relations, name.text, name.size);
        if (number >= 0) return number;
    }
    return -1;
}

static int add_type(struct removed_edges *r, const struct delimited *graph, int column, int32_t *type) {
    struct field name = column < 0 ? (struct field){"", 0} : graph->fields[column];
    return dictionary_add(&r->types, name.text, name.size, type);
}

int removed_edges_take(struct removed_edges *r, const struct delimited *graph, int64_t x, int64_t y, int *taken) {
    int32_t relation = r->relations.n > 0 && x != y ? relation_of(r, graph) : -1;
    uint64_t pair = x < y ? (uint64_t)x << 32 | (uint64_t)y : (uint64_t)y << 32 | (uint64_t)x;
    *taken = 0;
    if (relation < 0) return STATUS_OK;
    r->found[relation]++;
    *taken = rng_uniform(r->seed, RNG_REMOVED, 0, pair) < r->share;
    if (!*taken) return STATUS_OK;
    struct removed_edge edge = {relation, (int32_t)x, (int32_t)y, 0, 0};
    TRY(add_type(r, graph, r->column[X_TYPE], &edge.x_type));
    TRY(add_type(r, graph, r->column[Y_TYPE], &edge.y_type));
    TRY(mem_grow(&r->edges, &r->capacity, r->n + 1, sizeof *r->edges));
    r->edges[r->n++] = edge;
    r->n_rows++;
    return STATUS_OK;
}

static int compare(int32_t a, int32_t b) { return (a > b) - (a < b); }

/* By relation and pair; of one pair the direction from the type whose number is smaller, so that all pairs of two types stand alike. */
static int by_pair(const void *a, const void *b) {
    const struct removed_edge *e = a, *f = b;
    int order = compare(e->relation, f->relation);
    if (order == 0) order = compare(e->x < e->y ? e->x : e->y, f->x < f->y ? f->x : f->y);
    if (order == 0) order = compare(e->x < e->y ? e->y : e->x, f->x < f->y ? f->y : f->x);
    if (order == 0) order = compare(e->x_type, f->x_type);
    return order ? order : compare(e->x, f->x);
}

static int same_pair(const struct removed_edge *e, const struct removed_edge *f) {
    return e->relation == f->relation && ((e->x == f->x && e->y == f->y) || (e->x == f->y && e->y == f->x));
}

int removed_edges_finish(struct removed_edges *r, const char *graph_path) {
    long long n = 0;
    for (int64_t i = 0; i < r->relations.n; i++)
        if (r->found[i] == 0)
            return status_set(STATUS_FAILED, "graph.remove names %.*s, but no row of %s has this relation",
                              (int)(r->relations.offsets[i + 1] - r->relations.offsets[i]),
                              r->relations.bytes + r->relations.offsets[i], graph_path);
    if (r->n > 0) qsort(r->edges, (size_t)r->n, sizeof *r->edges, by_pair);
    for (long long i = 0; i < r->n; i++)
        if (n == 0 || !same_pair(&r->edges[i], &r->edges[n - 1])) r->edges[n++] = r->edges[i];
    r->n = n;
    if (r->relations.n > 0)
        log_info("removed %lld edges (%lld rows) of %lld relations, for probe", n, (long long)r->n_rows,
                 (long long)r->relations.n);
    return STATUS_OK;
}

/* ---- the file ---- */
static void print_string(FILE *out, const struct dictionary *d, int32_t i) {
    fwrite(d->bytes + d->offsets[i], 1, (size_t)(d->offsets[i + 1] - d->offsets[i]), out);
}

int removed_edges_write(const struct removed_edges *r, const char *path) {
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    fprintf(file.stream, "relation\tx_index\ty_index\tx_type\ty_type\n");
    for (long long i = 0; i < r->n; i++) {
        const struct removed_edge *e = &r->edges[i];
        print_string(file.stream, &r->relations, e->relation);
        fprintf(file.stream, "\t%d\t%d\t", e->x, e->y);
        print_string(file.stream, &r->types, e->x_type);
        fputc('\t', file.stream);
        print_string(file.stream, &r->types, e->y_type);
        fputc('\n', file.stream);
    }
    return atomic_file_close(&file, STATUS_OK);
}

void removed_edges_name(const struct dictionary *d, int32_t i, char *name, int64_t size) {
    int64_t n = d->offsets[i + 1] - d->offsets[i];
    if (n >= size) n = size - 1;
    memcpy(name, d->bytes + d->offsets[i], (size_t)n);
    name[n] = 0;
}

static int read_rows(struct removed_edges *r, struct delimited *rows) {
    int relation, x, y, more;
    TRY(delimited_need(rows, "relation", &relation));
    TRY(delimited_need(rows, "x_index", &x));
    TRY(delimited_need(rows, "y_index", &y));
    removed_edges_columns(r, rows);
    for (;;) {
        struct removed_edge edge;
        int64_t node[2];
        TRY(delimited_next(rows, &more));
        if (!more) return STATUS_OK;
        struct field name = rows->fields[relation];
        TRY(delimited_integer(rows, "x_index", rows->fields[x], 0, INT32_MAX - 1, &node[0]));
        TRY(delimited_integer(rows, "y_index", rows->fields[y], 0, INT32_MAX - 1, &node[1]));
        TRY(dictionary_add(&r->relations, name.text, name.size, &edge.relation));
        if (r->relations.n > REMOVED_MOST_RELATIONS)
            return status_set(STATUS_FAILED, "%s:%lld: more than %d relations", rows->path, (long long)rows->row_line,
                              REMOVED_MOST_RELATIONS);
        TRY(add_type(r, rows, r->column[X_TYPE], &edge.x_type));
        TRY(add_type(r, rows, r->column[Y_TYPE], &edge.y_type));
        edge.x = (int32_t)node[0];
        edge.y = (int32_t)node[1];
        TRY(mem_grow(&r->edges, &r->capacity, r->n + 1, sizeof *r->edges));
        r->edges[r->n++] = edge;
    }
}

int removed_edges_read(struct removed_edges *r, const char *path) {
    struct delimited *rows;
    *r = (struct removed_edges){0};
    TRY(mem_alloc(&rows, 1, sizeof *rows));
    int status = delimited_open(rows, path);
    if (status == STATUS_OK) status = read_rows(r, rows);
    delimited_close(rows);
    free(rows);
    return status;
}
