/* Names are walked upwards once, all that comes up being walked itself; then edges are sorted by the lower end. */
#include "ingest/hierarchy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "ingest/code_class_files.h"
#include "ingest/code_map_files.h"

enum relation { IS_A, REFERS_TO };

const char *hierarchy_relation(int relation) { return relation == IS_A ? "is a" : "refers to"; }

void hierarchy_free(struct hierarchy *h) {
    dictionary_free(&h->names);
    free(h->above);
    free(h->offsets);
    free(h->edges);
    free(h->node);
    free(h->source);
    free(h->known_code);
    *h = (struct hierarchy){0};
}

int hierarchy_walk_make(struct hierarchy_walk *w, const struct hierarchy *h) {
    *w = (struct hierarchy_walk){0};
    TRY(mem_alloc(&w->index, h->names.n, sizeof *w->index));
    TRY(mem_alloc(&w->is_found, h->names.n, 1));
    for (int64_t k = 0; k < h->names.n; k++) w->index[k] = -1;
    return STATUS_OK;
}

void hierarchy_walk_free(struct hierarchy_walk *w) {
    free(w->found);
    free(w->index);
    free(w->is_found);
    *w = (struct hierarchy_walk){0};
}

/* ---- names and what stands next above them ---- */
static void copy_name(const struct dictionary *d, int64_t i, char name[CODE_NAME_BYTES]) {
    int64_t size = d->offsets[i + 1] - d->offsets[i];
    if (size >= CODE_NAME_BYTES) size = CODE_NAME_BYTES - 1;
    memcpy(name, d->bytes + d->offsets[i], (size_t)size);
    name[size] = 0;
}

static int add_name(struct hierarchy *h, const char *name, int64_t size, int32_t *number) {
    int64_t known = h->names.n;
    TRY(dictionary_add(&h->names, name, size, number));
    TRY(mem_grow(&h->above, &h->above_capacity, h->names.n, sizeof *h->above));
    if (h->names.n > known) h->above[*number] = -1;
    return STATUS_OK;
}

static int add_edge(struct hierarchy *h, int32_t below, int32_t above) {
    if (below == above) return STATUS_OK;
    TRY(mem_grow(&h->edges, &h->edge_capacity, h->n_edges + 1, sizeof *h->edges));
    h->edges[h->n_edges++] = (struct hierarchy_edge){below, above};
    return STATUS_OK;
}

static int add_codes(struct hierarchy *h, const struct code_table *t) {
    for (int64_t i = 0; i < t->n; i++) {
        char name[CODE_NAME_BYTES];
        int32_t number;
        code_name_make(t->text + t->system[i], t->text + t->code[i], name);
        TRY(add_name(h, name, (int64_t)strlen(name), &number));
        if (number != i)
            return status_set(STATUS_FAILED, "%s:%lld: %s is the name of the code in line %lld too",
                              t->files->items[t->file[i]], (long long)t->line[i], name, (long long)t->line[number]);
    }
    return STATUS_OK;
}

/* Walks all names upwards, those that come up on the way too. */
static int walk_up(struct hierarchy *h, const struct code_map *maps) {
    for (int32_t k = 0; k < h->names.n; k++) {
        char name[CODE_NAME_BYTES], above[CODE_NAME_BYTES];
        int32_t number;
        copy_name(&h->names, k, name);
        if (code_name_above(name, above)) {
            TRY(add_name(h, above, (int64_t)strlen(above), &number));
            h->above[k] = number;
            TRY(add_edge(h, k, number));
        }
        for (int32_t e = code_map_find(maps, name); e >= 0; e = maps->entries[e].next) {
            copy_name(&maps->to, maps->entries[e].to, above);
            TRY(add_name(h, above, (int64_t)strlen(above), &number));
            TRY(add_edge(h, k, number));
        }
        if (k % 4096 == 0) TRY(interrupt_poll());
    }
    return STATUS_OK;
}

/* Of new codes, which may be of other systems than a table's, none need have a class. */
static int add_classes(struct hierarchy *h, const char *path) {
    struct dictionary titles = {0};
    int32_t *class_of, *title = NULL;
    int64_t n = h->names.n;
    int status = mem_alloc(&class_of, n, sizeof *class_of);
    if (status == STATUS_OK) status = code_classes_read_titled(path, &h->names, h->known != NULL, &titles, class_of);
    if (status == STATUS_OK) status = mem_alloc(&title, titles.n, sizeof *title);
    for (int64_t i = 0; i < titles.n && status == STATUS_OK; i++) title[i] = -1;
    for (int32_t k = 0; k < n && status == STATUS_OK; k++) {
        int32_t class = class_of[k];
        if (class < 0 || (h->above[k] >= 0 && class_of[h->above[k]] == class)) continue;
        if (title[class] < 0)
            status = add_name(h, titles.bytes + titles.offsets[class],
                              titles.offsets[class + 1] - titles.offsets[class], &title[class]);
        if (status == STATUS_OK) status = add_edge(h, k, title[class]);
    }
    dictionary_free(&titles);
    free(class_of);
    free(title);
    return status;
}

static int read_files(struct hierarchy *h, const struct string_list *files) {
    struct code_map maps = {0};
    int is_map, status = STATUS_OK;
    for (int i = 0; i < files->n && status == STATUS_OK; i++) {
        status = code_map_is_told(files->items[i], &is_map);
        if (status == STATUS_OK && is_map) status = code_map_read_choices(&maps, files->items[i]);
    }
    if (status == STATUS_OK) status = walk_up(h, &maps);
    code_map_free(&maps);
    for (int i = 0; i < files->n && status == STATUS_OK; i++) {
        status = code_map_is_told(files->items[i], &is_map);
        if (status == STATUS_OK && !is_map) status = add_classes(h, files->items[i]);
    }
    return status;
}

/* ---- edges by the lower end ---- */
static int by_ends(const void *a, const void *b) {
    const struct hierarchy_edge *x = a, *y = b;
    if (x->below != y->below) return x->below < y->below ? -1 : 1;
    return (x->above > y->above) - (x->above < y->above);
}

static int sort_edges(struct hierarchy *h) {
    long long n = 0;
    if (h->n_edges > 0) qsort(h->edges, (size_t)h->n_edges, sizeof *h->edges, by_ends);
    for (long long e = 0; e < h->n_edges; e++)
        if (n == 0 || by_ends(&h->edges[e], &h->edges[n - 1]) != 0) h->edges[n++] = h->edges[e];
    h->n_edges = n;
    TRY(mem_alloc(&h->offsets, h->names.n + 1, sizeof *h->offsets));
    for (long long e = 0; e < n; e++) h->offsets[h->edges[e].below + 1]++;
    for (int64_t k = 0; k < h->names.n; k++) h->offsets[k + 1] += h->offsets[k];
    return STATUS_OK;
}

/* ---- nodes ---- */
static int number_nodes(struct hierarchy *h) {
    for (long long e = 0; e < h->n_edges; e++) h->node[h->edges[e].above] = 0;
    for (int64_t k = 0; k < h->names.n; k++)
        if (h->node[k] == 0) h->node[k] = (int32_t)(h->first_node + h->n_nodes++);
    if (h->first_node + h->n_nodes <= INT32_MAX) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "graph.hierarchy: the graph and the codes' terminologies have more than 2^31 - 1 "
                      "nodes");
}

/* Those of the vocabulary that the model was trained on; what it did not have has no node. */
static int take_known(struct hierarchy *h) {
    const struct vocabulary *v = h->known;
    TRY(mem_alloc(&h->known_code, h->names.n, sizeof *h->known_code));
    for (int64_t k = 0; k < h->names.n; k++) h->known_code[k] = -1;
    h->n_nodes = v->n_hierarchy;
    for (int64_t i = 0; i < h->n_nodes; i++) {
        const char *name = v->hierarchy + i * v->hierarchy_bytes;
        int32_t k = dictionary_find(&h->names, name, (int64_t)strlen(name));
        if (k >= 0) h->node[k] = (int32_t)(h->first_node + i);
    }
    for (int64_t i = 0; i < v->n_codes; i++) {
        char name[CODE_NAME_BYTES];
        code_name_make(vocabulary_system(v, i), vocabulary_code(v, i), name);
        int32_t k = dictionary_find(&h->names, name, (int64_t)strlen(name));
        if (k >= 0) h->known_code[k] = (int32_t)i;
    }
    return STATUS_OK;
}

/* ---- the way up from a name, the nearest first ---- */
static int find_name(struct hierarchy_walk *w, int32_t k) {
    if (w->is_found[k]) return STATUS_OK;
    TRY(mem_grow(&w->found, &w->found_capacity, w->n_found + 1, sizeof *w->found));
    w->is_found[k] = 1;
    w->found[w->n_found++] = k;
    return STATUS_OK;
}

static int find_above(const struct hierarchy *h, struct hierarchy_walk *w, int32_t k) {
    w->n_found = 0;
    int status = find_name(w, k);
    for (long long i = 0; i < w->n_found && status == STATUS_OK; i++)
        for (int64_t e = h->offsets[w->found[i]]; e < h->offsets[w->found[i] + 1] && status == STATUS_OK; e++)
            status = find_name(w, h->edges[e].above);
    for (long long i = 0; i < w->n_found; i++) w->is_found[w->found[i]] = 0;
    return status;
}

static int lists_nodes(const struct hierarchy *h, const struct code_table *t, int32_t name) {
    if (name < t->n && t->node_offsets[name + 1] > t->node_offsets[name]) return 1;
    return h->known_code && h->known->n_listed && h->known_code[name] >= 0 &&
           h->known->n_listed[h->known_code[name]] > 0;
}

static int find_sources(struct hierarchy *h, struct hierarchy_walk *w, const struct code_table *t,
                        enum graph_hierarchy mode) {
    TRY(mem_alloc(&h->source, t->n, sizeof *h->source));
    for (int32_t i = 0; i < t->n; i++) {
        int has_node = 0;
        h->source[i] = i;
        TRY(find_above(h, w, i));
        for (long long k = 0; k < w->n_found; k++) has_node |= h->node[w->found[k]] >= 0;
        h->n_above += has_node;
        for (long long k = 0; mode == HIERARCHY_INHERIT && k < w->n_found; k++)
            if (lists_nodes(h, t, w->found[k])) {
                h->source[i] = w->found[k];
                break;
            }
        h->n_inherited += h->source[i] != i;
    }
    return STATUS_OK;
}

/* ---- the whole ---- */
static void log_hierarchy(const struct hierarchy *h, int64_t n_codes) {
    log_info("hierarchy: %lld nodes above %lld of %lld codes; %lld codes inherit the nodes that one above them lists",
             (long long)h->n_nodes, (long long)h->n_above, (long long)n_codes, (long long)h->n_inherited);
}

int hierarchy_make(struct hierarchy *h, const struct code_table *t, enum graph_hierarchy mode,
                   const struct string_list *files, int64_t first_node, int32_t first_relation,
                   const struct vocabulary *known) {
    *h = (struct hierarchy){.first_node = first_node, .first_relation = first_relation, .known = known};
    if (mode == HIERARCHY_NO) return STATUS_OK;
    if (first_relation + HIERARCHY_RELATIONS > KG_MAX_RELATIONS)
        return status_set(STATUS_FAILED, "graph.hierarchy needs %d relations of its own: the graph may have %d, not %d",
                          HIERARCHY_RELATIONS, KG_MAX_RELATIONS - HIERARCHY_RELATIONS, first_relation);
    TRY(add_codes(h, t));
    TRY(read_files(h, files));
    TRY(sort_edges(h));
    TRY(mem_alloc(&h->node, h->names.n, sizeof *h->node));
    for (int64_t k = 0; k < h->names.n; k++) h->node[k] = -1;
    TRY(known ? take_known(h) : number_nodes(h));
    struct hierarchy_walk walk = {0};
    int status = hierarchy_walk_make(&walk, h);
    if (status == STATUS_OK) status = find_sources(h, &walk, t, mode);
    hierarchy_walk_free(&walk);
    TRY(status);
    log_hierarchy(h, t->n);
    return STATUS_OK;
}

int hierarchy_node_names(const struct hierarchy *h, int64_t *bytes, char **names) {
    *bytes = 1;
    for (int64_t k = 0; k < h->names.n; k++)
        if (h->node[k] >= 0 && h->names.offsets[k + 1] - h->names.offsets[k] >= *bytes)
            *bytes = h->names.offsets[k + 1] - h->names.offsets[k] + 1;
    TRY(mem_alloc(names, h->n_nodes, *bytes));
    for (int64_t k = 0; k < h->names.n; k++)
        if (h->node[k] >= 0)
            memcpy(*names + (h->node[k] - h->first_node) * *bytes, h->names.bytes + h->names.offsets[k],
                   (size_t)(h->names.offsets[k + 1] - h->names.offsets[k]));
    return STATUS_OK;
}

/* ---- subgraphs ---- */
struct code_nodes hierarchy_list(const struct hierarchy *h, const struct code_table *t, int64_t i) {
    int64_t of = h->source ? h->source[i] : i;
    if (of >= t->n) return (struct code_nodes){t->nodes, 0}; /* no code of the table */
    return (struct code_nodes){t->nodes + t->node_offsets[of], t->node_offsets[of + 1] - t->node_offsets[of]};
}

static int add_both_ways(const struct hierarchy *h, struct subgraph *s, int32_t a, int32_t b, enum relation relation) {
    uint8_t number = (uint8_t)(h->first_relation + (int)relation);
    TRY(subgraph_add_edge(s, a, b, number));
    return subgraph_add_edge(s, b, a, number);
}

static int add_nodes(const struct hierarchy *h, struct hierarchy_walk *w, struct subgraph *s) {
    for (long long i = 0; i < w->n_found; i++) {
        int32_t k = w->found[i];
        if (h->node[k] < 0) continue;
        w->index[k] = (int32_t)s->n_nodes;
        TRY(subgraph_add_node(s, h->node[k]));
    }
    return STATUS_OK;
}

/* Whether the edge from name k to one next above it joins two nodes of the subgraph; of two that go both ways, in maps that go in a
 * circle, the first found alone does. */
static int joins_nodes(const struct hierarchy *h, const struct hierarchy_walk *w, int32_t k, int32_t above) {
    struct hierarchy_edge back = {above, k};
    if (w->index[k] < 0 || w->index[above] < 0) return 0;
    return w->index[k] < w->index[above] || !bsearch(&back, h->edges, (size_t)h->n_edges, sizeof back, by_ends);
}

static int add_edges(const struct hierarchy *h, const struct hierarchy_walk *w, int32_t source, struct subgraph *s) {
    for (long long i = 0; i < w->n_found; i++) {
        int32_t k = w->found[i];
        for (int64_t e = h->offsets[k]; e < h->offsets[k + 1]; e++)
            if (joins_nodes(h, w, k, h->edges[e].above))
                TRY(add_both_ways(h, s, w->index[k], w->index[h->edges[e].above], IS_A));
    }
    for (int32_t v = 0; w->index[source] >= 0 && v < s->n_listed; v++)
        TRY(add_both_ways(h, s, w->index[source], v, REFERS_TO));
    return STATUS_OK;
}

int hierarchy_extend(const struct hierarchy *h, struct hierarchy_walk *w, int64_t i, struct subgraph *s) {
    if (h->names.n == 0) return STATUS_OK;
    TRY(find_above(h, w, (int32_t)i));
    int64_t n_edges = s->n_edges;
    int status = add_nodes(h, w, s);
    if (status == STATUS_OK) status = add_edges(h, w, h->source[i], s);
    for (long long k = 0; k < w->n_found; k++) w->index[w->found[k]] = -1;
    if (s->n_edges > n_edges) subgraph_sort_edges(s);
    return status;
}
