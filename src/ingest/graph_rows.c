/* Each rank numbers relations as they come and notes the line where each node and relation is first named; afterwards lines tell what was
 * first in the file. */
#include "ingest/graph_rows.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/gather.h"
#include "ingest/table_reader.h"
#include "ingest/row_faults.h"

/* Gaps between indices that are borne, and nodes of a graph however small. */
enum { MOST_GAPS = 16, ALWAYS_GOOD = 1 << 18 };

/* Fields as read_row gets them. */
enum {
    X_INDEX,
    Y_INDEX,
    SHOWN,
    RELATION,
    DISPLAY_RELATION,
    X_TYPE,
    X_SOURCE,
    X_ID,
    X_NAME,
    Y_TYPE,
    Y_SOURCE,
    Y_ID,
    Y_NAME
};

void graph_rows_free(struct graph_rows *rows) {
    free(rows->items);
    node_identities_free(&rows->identities);
    *rows = (struct graph_rows){0};
}

/* ---- a row ---- */
/* Nodes of a graph of so many rows: an index beyond is a wrong number. */
static int64_t most_nodes(int64_t n_rows) { return MOST_GAPS * 2 * n_rows + ALWAYS_GOOD; }

/* Most rows have the relation of the row before. One beyond all numbers is noted, and what follows has its number, which is an error in the
 * end. */
static int relation_number(struct graph_rows *rows, struct field name, int64_t line) {
    int64_t size = name.size < KG_RELATION_BYTES ? name.size : KG_RELATION_BYTES - 1;
    for (int i = 0; i <= rows->n_relations; i++) {
        int k = i == 0 ? rows->last : i - 1;
        if (k >= rows->n_relations) continue;
        if (strncmp(rows->relations[k].name, name.text, (size_t)size) == 0 && rows->relations[k].name[size] == 0) {
            rows->last = k;
            return k;
        }
    }
    if (rows->n_relations > KG_MAX_RELATIONS) return KG_MAX_RELATIONS;
    struct graph_relation *relation = &rows->relations[rows->n_relations];
    memcpy(relation->name, name.text, (size_t)size);
    relation->line = line;
    rows->last = rows->n_relations++;
    return rows->last;
}

static void see_node(struct graph_rows *rows, int column, int64_t node, int64_t line) {
    if (node < rows->n_nodes) return;
    rows->n_nodes = node + 1;
    rows->largest_line = line;
    rows->largest_column = column;
}

static int read_row(const void *state, const struct field *fields, struct row_position at,
                    const struct record_sink *sink) {
    struct graph_rows *rows = sink->self;
    int64_t source, target;
    int taken = 0;
    (void)state;
    TRY(row_integer(rows->path, at.line, "x_index", fields[X_INDEX], 0, INT32_MAX - 1, &source));
    TRY(row_integer(rows->path, at.line, "y_index", fields[Y_INDEX], 0, INT32_MAX - 1, &target));
    int relation = relation_number(rows, fields[SHOWN], at.line);
    see_node(rows, 0, source, at.line);
    see_node(rows, 1, target, at.line);
    const struct node_fields x = {fields[X_TYPE], fields[X_SOURCE], fields[X_ID], fields[X_NAME]};
    const struct node_fields y = {fields[Y_TYPE], fields[Y_SOURCE], fields[Y_ID], fields[Y_NAME]};
    TRY(node_identities_take(&rows->identities, 0, &x, source, at.line, most_nodes(rows->n)));
    TRY(node_identities_take(&rows->identities, 1, &y, target, at.line, most_nodes(rows->n)));
    rows->n_self_loops += source == target;
    const struct removed_row row = {{fields[RELATION], fields[DISPLAY_RELATION]}, {fields[X_TYPE], fields[Y_TYPE]}};
    if (rows->removed) TRY(removed_edges_take(rows->removed, &row, source, target, at.line, &taken));
    if (taken) source = target; /* the row still names a node, as a self loop, which is dropped */
    TRY(mem_grow(&rows->items, &rows->capacity, rows->n + 1, sizeof *rows->items));
    rows->items[rows->n++] = (struct graph_row){(int32_t)source, (int32_t)target, (uint8_t)relation};
    return STATUS_OK;
}

static int row_fault(void *self, struct row_position at, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int row_fault(void *self, struct row_position at, const char *format, ...) {
    const struct graph_rows *rows = self;
    va_list arguments;
    va_start(arguments, format);
    int status = row_fault_fails(rows->path, at, format, arguments);
    va_end(arguments);
    return status;
}

/* ---- what all rows say ---- */
static int by_line(const void *a, const void *b) {
    const struct graph_relation *x = a, *y = b;
    return (x->line > y->line) - (x->line < y->line);
}

/* The relations of all ranks by first appearance; number [own]: of this rank's. */
static int number_relations(struct graph_rows *rows, struct graph_relation *all, int64_t n_all, int *number) {
    int32_t n_own = rows->n_relations, n = 0;
    struct graph_relation own[KG_MAX_RELATIONS + 1];
    memcpy(own, rows->relations, sizeof own);
    if (n_all > 0) qsort(all, (size_t)n_all, sizeof *all, by_line);
    for (int64_t i = 0; i < n_all; i++) {
        int known = 0;
        for (int32_t k = 0; k < n && !known; k++) known = strcmp(rows->relations[k].name, all[i].name) == 0;
        if (known) continue;
        if (n == KG_MAX_RELATIONS)
            return status_set(STATUS_FAILED, "%s:%lld: more than %d relations", rows->path, (long long)all[i].line,
                              KG_MAX_RELATIONS);
        rows->relations[n++] = all[i];
    }
    rows->n_relations = n;
    for (int32_t i = 0; i < n_own; i++)
        for (int32_t k = 0; k < n; k++)
            if (strcmp(own[i].name, rows->relations[k].name) == 0) number[i] = k;
    return STATUS_OK;
}

/* Collective. */
static int unite_relations(struct graph_rows *rows, const struct comm *comm) {
    struct graph_relation *all;
    int number[KG_MAX_RELATIONS + 1] = {0};
    int64_t n_all;
    TRY(comm_gather_rows(comm, rows->n_relations, sizeof *all, rows->relations, &n_all, &all));
    int status = number_relations(rows, all, n_all, number);
    free(all);
    for (long long i = 0; i < rows->n && status == STATUS_OK; i++)
        rows->items[i].relation = (uint8_t)number[rows->items[i].relation];
    return status;
}

/* Collective: the largest index, and where it first stands. */
static int unite_largest(struct graph_rows *rows, const struct comm *comm) {
    int64_t own[3] = {rows->n_nodes, rows->largest_line, rows->largest_column}, n, *all;
    TRY(comm_gather_rows(comm, 1, sizeof own, own, &n, &all));
    for (int64_t r = 0; r < n; r++) {
        const int64_t *x = all + 3 * r;
        if (x[0] < rows->n_nodes || (x[0] == rows->n_nodes && x[1] >= rows->largest_line)) continue;
        rows->n_nodes = x[0];
        rows->largest_line = x[1];
        rows->largest_column = (int)x[2];
    }
    free(all);
    return STATUS_OK;
}

static int by_number(const void *a, const void *b) {
    const int32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Sorts numbers and drops repeats; gives how many are left. */
static int64_t sort_distinct(int32_t *numbers, int64_t n) {
    int64_t to = 0;
    if (n > 0) qsort(numbers, (size_t)n, sizeof *numbers, by_number);
    for (int64_t i = 0; i < n; i++)
        if (to == 0 || numbers[i] != numbers[to - 1]) numbers[to++] = numbers[i];
    return to;
}

/* Collective. How many nodes all rows name, in memory by rows: for an index that is an error anyhow. */
static int count_by_sorting(const struct graph_rows *rows, const struct comm *comm, int64_t *n_named) {
    int32_t *own, *all;
    int64_t n_all;
    TRY(comm_agree(comm, mem_alloc(&own, 2 * rows->n, sizeof *own)));
    for (long long i = 0; i < rows->n; i++) {
        own[2 * i] = rows->items[i].source;
        own[2 * i + 1] = rows->items[i].target;
    }
    int status = comm_gather_rows(comm, sort_distinct(own, 2 * rows->n), sizeof *own, own, &n_all, &all);
    free(own);
    TRY(status);
    *n_named = sort_distinct(all, n_all);
    free(all);
    return STATUS_OK;
}

/* Collective. Names all nodes, or fails if the largest index is beyond all that the rows name. */
static int unite_nodes(struct graph_rows *rows, const struct comm *comm) {
    int64_t n_named = 0;
    int likely = rows->n_nodes <= most_nodes(rows->n_all);
    if (likely)
        TRY(node_identities_finish(&rows->identities, comm, rows->n_nodes));
    else
        TRY(count_by_sorting(rows, comm, &n_named));
    for (int64_t v = 0; likely && v < rows->n_nodes; v++) n_named += rows->identities.of[v] != 0;
    if (rows->n_nodes <= MOST_GAPS * n_named + ALWAYS_GOOD) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "%s:%lld: %s is %lld, far beyond the %lld nodes that the file names: is it a wrong number? Nodes "
                      "are counted from 0, with few gaps",
                      rows->path, (long long)rows->largest_line, rows->largest_column ? "y_index" : "x_index",
                      (long long)rows->n_nodes - 1, (long long)n_named);
}

/* ---- all rows ---- */
#define OPTIONAL_COLUMNS                                                                                               \
    { "relation", "display_relation", "x_type", "x_source", "x_id", "x_name", "y_type", "y_source", "y_id", "y_name" }
static const struct table_kind BY_DISPLAY_RELATION = {
    .columns = {"x_index", "y_index", "display_relation"}, .optional = OPTIONAL_COLUMNS, .row = read_row};
static const struct table_kind BY_RELATION = {
    .columns = {"x_index", "y_index", "relation"}, .optional = OPTIONAL_COLUMNS, .row = read_row};

/* Whether the graph has these columns. Rank 0. */
struct found_columns {
    int display_relation, ids;
};

static int find_columns(const char *path, struct found_columns *found) {
    struct delimited reader;
    int status = delimited_open(&reader, path);
    if (status == STATUS_OK) {
        found->display_relation = delimited_column(&reader, "display_relation") >= 0;
        found->ids = (delimited_column(&reader, "x_id") >= 0) | (delimited_column(&reader, "y_id") >= 0) << 1;
    }
    delimited_close(&reader);
    return status;
}

static int read_all(struct graph_rows *rows, const struct comm *comm, const char *path) {
    const struct record_sink sink = {.self = rows, .fault = row_fault};
    struct found_columns found = {0};
    TRY(comm_agree(comm, comm->rank == 0 ? find_columns(path, &found) : STATUS_OK));
    TRY(comm_broadcast(comm, &found, sizeof found));
    rows->identities.with_ids[0] = found.ids & 1;
    rows->identities.with_ids[1] = found.ids >> 1;
    const struct source_table table = {found.display_relation ? &BY_DISPLAY_RELATION : &BY_RELATION, (char *)path};
    TRY(source_tables_read(comm, &table, 1, NULL, &sink, NULL));
    rows->n_all = rows->n;
    TRY(comm_sum_int64(comm, &rows->n_all, 1));
    return comm_sum_int64(comm, &rows->n_self_loops, 1);
}

int graph_rows_read(struct graph_rows *rows, const struct comm *comm, const char *path, struct removed_edges *removed) {
    *rows = (struct graph_rows){.path = path, .removed = removed};
    TRY(read_all(rows, comm, path));
    if (rows->n_all == 0)
        return status_set(STATUS_FAILED, "%s holds no edges: there is nothing behind the header", path);
    TRY(unite_relations(rows, comm));
    TRY(unite_largest(rows, comm));
    if (removed) TRY(removed_edges_finish(removed, comm, path));
    return unite_nodes(rows, comm);
}
