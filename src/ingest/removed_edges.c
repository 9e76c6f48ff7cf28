/* Pairs are drawn one by one as rows come, so that the graph is read once. */
#include "ingest/removed_edges.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/status.h"
#include "dist/exchange.h"
#include "ingest/delimited.h"

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
/* The named relation of a row, or -1. */
static int32_t relation_of(const struct removed_edges *r, const struct removed_row *row) {
    for (int i = 0; i < 2; i++) {
        int32_t number = dictionary_find(&r->relations, row->relation[i].text, row->relation[i].size);
        if (number >= 0) return number;
    }
    return -1;
}

static int add_type(struct removed_edges *r, struct field name, int32_t *type) {
    return dictionary_add(&r->types, name.text, name.size, type);
}

int removed_edges_take(struct removed_edges *r, const struct removed_row *row, int64_t x, int64_t y, int64_t line,
                       int *taken) {
    int32_t relation = r->relations.n > 0 && x != y ? relation_of(r, row) : -1;
    uint64_t pair = x < y ? (uint64_t)x << 32 | (uint64_t)y : (uint64_t)y << 32 | (uint64_t)x;
    *taken = 0;
    if (relation < 0) return STATUS_OK;
    r->found[relation]++;
    *taken = rng_uniform(r->seed, RNG_REMOVED, 0, pair) < r->share;
    if (!*taken) return STATUS_OK;
    struct removed_edge edge = {.relation = relation, .x = (int32_t)x, .y = (int32_t)y, .line = line};
    TRY(add_type(r, row->type[0], &edge.x_type));
    TRY(add_type(r, row->type[1], &edge.y_type));
    TRY(mem_grow(&r->edges, &r->capacity, r->n + 1, sizeof *r->edges));
    r->edges[r->n++] = edge;
    r->n_rows++;
    return STATUS_OK;
}

/* ---- those of all ranks ---- */
/* All ranks' types as they come to rank 0: sizes of strings by rank, and strings. */
struct gathered_types {
    struct received_rows sizes, bytes;
};

/* Collective: sends this rank's strings to rank 0. count [ranks], zeros. */
static int send_types(const struct removed_edges *r, const struct comm *comm, int64_t *count,
                      struct gathered_types *got) {
    const struct dictionary *d = &r->types;
    int64_t *sizes;
    TRY(comm_agree(comm, mem_alloc(&sizes, d->n, sizeof *sizes)));
    for (int64_t i = 0; i < d->n; i++) sizes[i] = d->offsets[i + 1] - d->offsets[i];
    count[0] = d->n;
    int status = comm_exchange_rows(comm, sizeof *sizes, count, sizes, &got->sizes);
    free(sizes);
    TRY(status);
    count[0] = d->n > 0 ? d->offsets[d->n] : 0;
    return comm_exchange_rows(comm, 1, count, d->bytes, &got->bytes);
}

static int by_line(const void *a, const void *b) {
    const struct removed_edge *e = a, *f = b;
    return (e->line > f->line) - (e->line < f->line);
}

/* Rank 0: the number among all of type `type` of a rank, as they come. string [types of all ranks]: where each begins. */
static int renumber(struct removed_edges *r, const struct gathered_types *got, const int64_t *string, int32_t rank,
                    int32_t *type) {
    int64_t i = got->sizes.first[rank] + *type, size;
    memcpy(&size, got->sizes.rows + i * (int64_t)sizeof size, sizeof size);
    return dictionary_add(&r->types, got->bytes.rows + string[i], size, type);
}

/* Rank 0: takes the edges of all ranks in the order of their rows, so that types are numbered as if one rank had read all. */
static int take_all(struct removed_edges *r, const struct received_rows *edges, const struct gathered_types *got) {
    int64_t *string, at = 0;
    TRY(mem_grow(&r->edges, &r->capacity, edges->n, sizeof *r->edges));
    TRY(mem_alloc(&string, got->sizes.n, sizeof *string));
    for (int64_t i = 0; i < got->sizes.n; i++) {
        int64_t size;
        memcpy(&size, got->sizes.rows + i * (int64_t)sizeof size, sizeof size);
        string[i] = at;
        at += size;
    }
    r->n = edges->n;
    if (r->n > 0) {
        memcpy(r->edges, edges->rows, (size_t)r->n * sizeof *r->edges);
        qsort(r->edges, (size_t)r->n, sizeof *r->edges, by_line);
    }
    dictionary_free(&r->types);
    int status = STATUS_OK;
    for (long long i = 0; i < r->n && status == STATUS_OK; i++) {
        status = renumber(r, got, string, r->edges[i].rank, &r->edges[i].x_type);
        if (status == STATUS_OK) status = renumber(r, got, string, r->edges[i].rank, &r->edges[i].y_type);
    }
    free(string);
    return status;
}

/* Collective. */
static int gather(struct removed_edges *r, const struct comm *comm) {
    struct received_rows edges = {0};
    struct gathered_types got = {0};
    int64_t *count;
    TRY(comm_agree(comm, mem_alloc(&count, comm->size, sizeof *count)));
    for (long long i = 0; i < r->n; i++) r->edges[i].rank = comm->rank;
    count[0] = r->n;
    int status = comm_exchange_rows(comm, sizeof *r->edges, count, r->edges, &edges);
    if (status == STATUS_OK) status = send_types(r, comm, count, &got);
    if (status == STATUS_OK) status = comm_agree(comm, comm->rank == 0 ? take_all(r, &edges, &got) : STATUS_OK);
    free(count);
    received_rows_free(&edges);
    received_rows_free(&got.sizes);
    received_rows_free(&got.bytes);
    return status;
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

int removed_edges_finish(struct removed_edges *r, const struct comm *comm, const char *graph_path) {
    long long n = 0;
    if (r->relations.n == 0) return STATUS_OK;
    TRY(comm_sum_int64(comm, r->found, r->relations.n));
    TRY(comm_sum_int64(comm, &r->n_rows, 1));
    if (comm->size > 1) TRY(gather(r, comm));
    for (int64_t i = 0; i < r->relations.n; i++)
        if (r->found[i] == 0)
            return status_set(STATUS_FAILED, "graph.remove names %.*s, but no row of %s has this relation",
                              (int)(r->relations.offsets[i + 1] - r->relations.offsets[i]),
                              r->relations.bytes + r->relations.offsets[i], graph_path);
    if (r->n > 0) qsort(r->edges, (size_t)r->n, sizeof *r->edges, by_pair);
    for (long long i = 0; i < r->n; i++)
        if (n == 0 || !same_pair(&r->edges[i], &r->edges[n - 1])) r->edges[n++] = r->edges[i];
    r->n = n;
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
    int relation, x, y, more, type[2] = {delimited_column(rows, "x_type"), delimited_column(rows, "y_type")};
    TRY(delimited_need(rows, "relation", &relation));
    TRY(delimited_need(rows, "x_index", &x));
    TRY(delimited_need(rows, "y_index", &y));
    for (;;) {
        struct removed_edge edge = {.rank = 0};
        int64_t node[2];
        struct field types[2] = {{"", 0}, {"", 0}};
        TRY(delimited_next(rows, &more));
        if (!more) return STATUS_OK;
        struct field name = rows->fields[relation];
        TRY(delimited_integer(rows, "x_index", rows->fields[x], 0, INT32_MAX - 1, &node[0]));
        TRY(delimited_integer(rows, "y_index", rows->fields[y], 0, INT32_MAX - 1, &node[1]));
        TRY(dictionary_add(&r->relations, name.text, name.size, &edge.relation));
        if (r->relations.n > REMOVED_MOST_RELATIONS)
            return status_set(STATUS_FAILED, "%s:%lld: more than %d relations", rows->path, (long long)rows->row_line,
                              REMOVED_MOST_RELATIONS);
        for (int i = 0; i < 2; i++)
            if (type[i] >= 0) types[i] = rows->fields[type[i]];
        TRY(add_type(r, types[0], &edge.x_type));
        TRY(add_type(r, types[1], &edge.y_type));
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
