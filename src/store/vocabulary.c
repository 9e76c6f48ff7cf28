/* Writing and reading vocabulary.h5 (schema in the header). */
#include "store/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/sha256.h"
#include "base/status.h"
#include "dist/gather.h"
#include "store/h5layout.h"

void vocabulary_free(struct vocabulary *v) {
    free(v->code);
    free(v->system);
    free(v->relation);
    free(v->hierarchy);
    free(v->description_offsets);
    free(v->description);
    free(v->n_listed);
    free(v->node_offsets);
    free(v->nodes);
    free(v->edge_offsets);
    free(v->edge_source);
    free(v->edge_target);
    free(v->edge_relation);
    free(v->node_identity);
    free(v->node_name_offsets);
    free(v->node_name);
    *v = (struct vocabulary){0};
}

/* ---- writing ---- */
enum { CODES, TEXTS, NODES, EDGES, N_COUNTED };

/* The same on every rank, but for `before`. */
struct sizes {
    int64_t before[N_COUNTED], all[N_COUNTED]; /* of the ranks before this one, and of all */
    int64_t code_bytes, system_bytes, relation_bytes, hierarchy_bytes;
    int64_t n_nodes, n_hierarchy, n_relations, n_identities, hops, max_nodes;
    int64_t n_name_offsets, n_name_bytes;
    char removed_sha256[65];
};

/* Collective. */
static int count(struct sizes *z, const struct comm *comm, const struct vocabulary *v) {
    int64_t n = v->n_codes, ranks, *counts = NULL, bytes[2] = {v->code_bytes, v->system_bytes};
    int64_t own[N_COUNTED] = {n, n > 0 ? v->description_offsets[n] : 0, n > 0 ? v->node_offsets[n] : 0,
                              n > 0 ? v->edge_offsets[n] : 0};
    *z = (struct sizes){.relation_bytes = v->relation_bytes,
                        .hierarchy_bytes = v->hierarchy_bytes,
                        .n_nodes = v->n_nodes,
                        .n_hierarchy = v->n_hierarchy,
                        .n_relations = v->n_relations,
                        .n_identities = v->n_identities,
                        .n_name_offsets = v->node_name_offsets ? v->n_nodes + 1 : 0,
                        .n_name_bytes = v->node_name_offsets ? v->node_name_offsets[v->n_nodes] : 0,
                        .hops = v->graph_hops,
                        .max_nodes = v->graph_max_nodes};
    memcpy(z->removed_sha256, v->removed_sha256, sizeof z->removed_sha256);
    TRY(comm_broadcast(comm, z, sizeof *z));
    TRY(comm_max_int64(comm, bytes, 2));
    z->code_bytes = bytes[0];
    z->system_bytes = bytes[1];
    TRY(comm_gather_rows(comm, 1, sizeof own, own, &ranks, &counts));
    for (int64_t r = 0; r < ranks; r++)
        for (int k = 0; k < N_COUNTED; k++) {
            if (r < comm->rank) z->before[k] += counts[N_COUNTED * r + k];
            z->all[k] += counts[N_COUNTED * r + k];
        }
    free(counts);
    return STATUS_OK;
}

/* The datasets in their order. */
enum {
    CODE,
    SYSTEM,
    NODE_IDENTITY,
    DESCRIPTION_OFFSETS,
    DESCRIPTION_BYTES,
    N_LISTED,
    NODE_OFFSETS,
    NODE,
    EDGE_OFFSETS,
    EDGE_SOURCE,
    EDGE_TARGET,
    EDGE_RELATION,
    RELATION,
    NODE_NAME_OFFSETS,
    NODE_NAME_BYTES,
    HIERARCHY,
    N_SETS
};

static int list_sets(const struct sizes *z, struct h5layout_set sets[N_SETS]) {
    int64_t n = z->all[CODES], edges = z->all[EDGES];
    const struct h5layout_set all[N_SETS] = {
        [CODE] = {"code", H5_TEXT, n, z->code_bytes, ROWS_IN_ORDER, 0},
        [SYSTEM] = {"system", H5_TEXT, n, z->system_bytes, ROWS_IN_ORDER, 0},
        [NODE_IDENTITY] = {"node_identity", H5_U64, z->n_identities, 1, ROWS_IN_ORDER, 0},
        [DESCRIPTION_OFFSETS] = {"description_offsets", H5_I64, n + 1, 1, ROWS_IN_ORDER, 0},
        [DESCRIPTION_BYTES] = {"description_bytes", H5_U8, z->all[TEXTS], 1, ROWS_IN_ORDER, 0},
        [N_LISTED] = {"n_listed", H5_I32, n, 1, ROWS_IN_ORDER, 0},
        [NODE_OFFSETS] = {"node_offsets", H5_I64, n + 1, 1, ROWS_IN_ORDER, 0},
        [NODE] = {"nodes", H5_I32, z->all[NODES], 1, ROWS_IN_ORDER, 0},
        [EDGE_OFFSETS] = {"edge_offsets", H5_I64, n + 1, 1, ROWS_IN_ORDER, 0},
        [EDGE_SOURCE] = {"edge_source", H5_U16, edges, 1, ROWS_IN_ORDER, 0},
        [EDGE_TARGET] = {"edge_target", H5_U16, edges, 1, ROWS_IN_ORDER, 0},
        [EDGE_RELATION] = {"edge_relation", H5_U8, edges, 1, ROWS_IN_ORDER, 0},
        [RELATION] = {"relation", H5_TEXT, z->n_relations, z->relation_bytes, ROWS_IN_ORDER, 0},
        [NODE_NAME_OFFSETS] = {"node_name_offsets", H5_I64, z->n_name_offsets, 1, ROWS_IN_ORDER, 0},
        [NODE_NAME_BYTES] = {"node_name_bytes", H5_U8, z->n_name_bytes, 1, ROWS_IN_ORDER, 0},
        [HIERARCHY] = {"hierarchy", H5_TEXT, z->n_hierarchy, z->hierarchy_bytes, ROWS_IN_ORDER, 0}};
    memcpy(sets, all, sizeof all);
    return z->n_hierarchy > 0 ? N_SETS : HIERARCHY;
}

/* This rank's offsets as they are in the file. The last rank writes the end of all too. */
static int shift_offsets(const struct vocabulary *v, const int64_t *offsets, int64_t before, int64_t **shifted) {
    TRY(mem_alloc(shifted, v->n_codes + 1, sizeof **shifted));
    for (int64_t i = 0; i <= v->n_codes; i++) (*shifted)[i] = before + (v->n_codes > 0 ? offsets[i] : 0);
    return STATUS_OK;
}

static void list_parts(const struct comm *comm, const struct vocabulary *v, const struct sizes *z,
                       int64_t *const offsets[3], struct h5layout_part parts[N_SETS]) {
    int64_t first = z->before[CODES], n = v->n_codes, end = n + (comm->rank == comm->size - 1);
    int64_t nodes = n > 0 ? v->node_offsets[n] : 0, edges = n > 0 ? v->edge_offsets[n] : 0;
    int64_t edge = z->before[EDGES];
    const struct h5layout_part all[N_SETS] = {
        [CODE] = {first, n, v->code},
        [SYSTEM] = {first, n, v->system},
        [NODE_IDENTITY] = {0, z->n_identities, v->node_identity},
        [DESCRIPTION_OFFSETS] = {first, end, offsets[0]},
        [DESCRIPTION_BYTES] = {z->before[TEXTS], n > 0 ? v->description_offsets[n] : 0, v->description},
        [N_LISTED] = {first, n, v->n_listed},
        [NODE_OFFSETS] = {first, end, offsets[1]},
        [NODE] = {z->before[NODES], nodes, v->nodes},
        [EDGE_OFFSETS] = {first, end, offsets[2]},
        [EDGE_SOURCE] = {edge, edges, v->edge_source},
        [EDGE_TARGET] = {edge, edges, v->edge_target},
        [EDGE_RELATION] = {edge, edges, v->edge_relation},
        [RELATION] = {0, z->n_relations, v->relation},
        [NODE_NAME_OFFSETS] = {0, z->n_name_offsets, v->node_name_offsets},
        [NODE_NAME_BYTES] = {0, z->n_name_bytes, v->node_name},
        [HIERARCHY] = {0, z->n_hierarchy, v->hierarchy}};
    static const int OF_RANK_0[] = {NODE_IDENTITY, RELATION, NODE_NAME_OFFSETS, NODE_NAME_BYTES, HIERARCHY};
    memcpy(parts, all, sizeof all);
    for (size_t i = 0; i < sizeof OF_RANK_0 / sizeof *OF_RANK_0 && comm->rank > 0; i++) {
        struct h5layout_part *of_rank_0 = &parts[OF_RANK_0[i]];
        *of_rank_0 = (struct h5layout_part){of_rank_0->count, 0, NULL};
    }
}

static int write_rows(struct h5layout *l, const struct comm *comm, const struct vocabulary *v, const struct sizes *z) {
    struct h5layout_part parts[N_SETS];
    int64_t *offsets[3] = {0};
    int status = shift_offsets(v, v->description_offsets, z->before[TEXTS], &offsets[0]);
    if (status == STATUS_OK) status = shift_offsets(v, v->node_offsets, z->before[NODES], &offsets[1]);
    if (status == STATUS_OK) status = shift_offsets(v, v->edge_offsets, z->before[EDGES], &offsets[2]);
    if (status == STATUS_OK) list_parts(comm, v, z, offsets, parts);
    status = h5layout_write_parts(l, parts, status);
    for (int i = 0; i < 3; i++) free(offsets[i]);
    int synced = h5layout_sync(l);
    return status == STATUS_OK ? synced : status;
}

/* Rank 0 alone. */
static int set_attributes(struct h5file *f, void *sizes) {
    const struct sizes *z = sizes;
    TRY(h5file_set_int(f, "n_codes", z->all[CODES]));
    TRY(h5file_set_int(f, "n_nodes", z->n_nodes));
    TRY(h5file_set_int(f, "n_relations", z->n_relations));
    TRY(h5file_set_int(f, "graph_hops", z->hops));
    TRY(h5file_set_int(f, "graph_max_nodes", z->max_nodes));
    TRY(h5file_set_int(f, "n_hierarchy", z->n_hierarchy));
    return z->removed_sha256[0] ? h5file_set_text(f, "removed_sha256", z->removed_sha256) : STATUS_OK;
}

int vocabulary_write(const struct comm *comm, const char *path, const struct vocabulary *v,
                     const struct provenance *provenance) {
    static const struct vocabulary nothing;
    struct h5layout_set sets[N_SETS];
    struct h5layout layout = {.disk = -1};
    struct sizes z;
    int status;
    if (!v) v = &nothing;
    TRY(count(&z, comm, v));
    int n = list_sets(&z, sets);
    int64_t bytes = z.all[CODES] * (z.code_bytes + z.system_bytes + 28) + z.all[TEXTS] + 4 * z.all[NODES];
    TRY_DONE(comm_agree(comm, h5layout_make(&layout, comm, n, sets)));
    TRY_DONE(h5layout_begin(&layout, path, KIND_VOCABULARY, provenance, bytes + 5 * z.all[EDGES], set_attributes, &z,
                            STATUS_OK));
    TRY_DONE(h5layout_end(&layout, write_rows(&layout, comm, v, &z)));
    TRY_DONE(comm_agree(comm, comm->rank == 0 ? h5layout_finish(&layout) : STATUS_OK));
done:
    h5layout_free(&layout);
    return status;
}

/* ---- reading ---- */
static int damaged(const struct h5file *file, const char *what, int64_t code) {
    return status_set(STATUS_FAILED, "%s is damaged: %s of code number %lld; run `medtok prepare` again",
                      h5file_path(file), what, (long long)code);
}

static int read_sizes(struct h5file *file, struct vocabulary *v) {
    int64_t relations, hops, most;
    TRY(h5file_get_int(file, "n_codes", &v->n_codes_total));
    TRY(h5file_get_int(file, "n_nodes", &v->n_nodes));
    TRY(h5file_get_int(file, "n_hierarchy", &v->n_hierarchy));
    TRY(h5file_get_int(file, "n_relations", &relations));
    TRY(h5file_get_int(file, "graph_hops", &hops));
    TRY(h5file_get_int(file, "graph_max_nodes", &most));
    if (v->n_hierarchy < 0 || v->n_hierarchy > v->n_nodes)
        return status_set(STATUS_FAILED, "%s is damaged: %lld of %lld nodes are of the hierarchy", h5file_path(file),
                          (long long)v->n_hierarchy, (long long)v->n_nodes);
    v->n_relations = (int32_t)relations;
    v->graph_hops = (int32_t)hops;
    v->graph_max_nodes = (int32_t)most;
    return STATUS_OK;
}

static int read_text(struct h5file *file, const char *name, int64_t first, int64_t count, int64_t *bytes, char **out) {
    int64_t rows;
    TRY(h5file_shape(file, name, H5_TEXT, &rows, bytes));
    TRY(mem_alloc(out, count * *bytes + 1, 1));
    TRY(h5file_read(file, name, H5_TEXT, first, count, *out));
    for (int64_t i = 0; i < count; i++)
        if ((*out)[(i + 1) * *bytes - 1])
            return status_set(STATUS_FAILED, "%s is damaged: %s %lld has no end", h5file_path(file), name,
                              (long long)(first + i));
    return STATUS_OK;
}

/* Offsets of `count` codes, shifted to start at 0; `base` gets the first. */
static int read_offsets(struct h5file *file, const char *name, int64_t first, int64_t count, int64_t **offsets,
                        int64_t *base) {
    TRY(mem_alloc(offsets, count + 1, sizeof **offsets));
    TRY(h5file_read(file, name, H5_I64, first, count + 1, *offsets));
    int64_t *o = *offsets;
    *base = o[0];
    if (o[0] < 0) return damaged(file, name, first);
    for (int64_t i = 0; i < count; i++)
        if (o[i + 1] < o[i]) return damaged(file, name, first + i);
    for (int64_t i = 0; i <= count; i++) o[i] -= *base;
    return STATUS_OK;
}

static int read_ragged(struct h5file *file, const char *name, enum h5type type, int64_t size, int64_t base,
                       int64_t count, void *out) {
    TRY(mem_alloc(out, count, size));
    void *data;
    memcpy(&data, out, sizeof data);
    return h5file_read(file, name, type, base, count, data);
}

int vocabulary_check_graphs(const struct h5file *file, const struct vocabulary *v, const int64_t *codes) {
    for (int64_t i = 0; i < v->n_codes; i++) {
        int64_t n = v->node_offsets[i + 1] - v->node_offsets[i], code = codes ? codes[i] : v->first + i;
        if (v->n_listed[i] < 0 || v->n_listed[i] > n) return damaged(file, "n_listed", code);
        for (int64_t k = v->node_offsets[i]; k < v->node_offsets[i + 1]; k++)
            if (v->nodes[k] < 0 || v->nodes[k] >= v->n_nodes) return damaged(file, "a node", code);
        for (int64_t e = v->edge_offsets[i]; e < v->edge_offsets[i + 1]; e++)
            if (v->edge_source[e] >= n || v->edge_target[e] >= n || v->edge_relation[e] >= v->n_relations ||
                (e > v->edge_offsets[i] && v->edge_target[e] < v->edge_target[e - 1]))
                return damaged(file, "an edge", code);
    }
    return STATUS_OK;
}

static int read_graphs(struct h5file *file, struct vocabulary *v) {
    int64_t node_base, edge_base, n = v->n_codes;
    TRY(read_ragged(file, "n_listed", H5_I32, 4, v->first, n, &v->n_listed));
    TRY(read_offsets(file, "node_offsets", v->first, n, &v->node_offsets, &node_base));
    TRY(read_ragged(file, "nodes", H5_I32, 4, node_base, v->node_offsets[n], &v->nodes));
    TRY(read_offsets(file, "edge_offsets", v->first, n, &v->edge_offsets, &edge_base));
    int64_t edges = v->edge_offsets[n];
    TRY(read_ragged(file, "edge_source", H5_U16, 2, edge_base, edges, &v->edge_source));
    TRY(read_ragged(file, "edge_target", H5_U16, 2, edge_base, edges, &v->edge_target));
    TRY(read_ragged(file, "edge_relation", H5_U8, 1, edge_base, edges, &v->edge_relation));
    return vocabulary_check_graphs(file, v, NULL);
}

static int has_node_names(struct h5file *file, int64_t *rows) {
    int64_t cols;
    return h5file_shape(file, "node_name_offsets", H5_I64, rows, &cols) == STATUS_OK && *rows > 0;
}

int vocabulary_has_node_names(const char *path) {
    struct h5file *file = NULL;
    int64_t rows;
    int has = h5file_open(&file, path, KIND_VOCABULARY) == STATUS_OK && has_node_names(file, &rows);
    h5file_close(file);
    return has;
}

int vocabulary_read_node_names(const char *path, int64_t first, int64_t count, struct vocabulary *v) {
    struct h5file *file = NULL;
    int64_t rows = 0, base;
    int status;
    *v = (struct vocabulary){0};
    TRY_DONE(h5file_open(&file, path, KIND_VOCABULARY));
    TRY_DONE(read_sizes(file, v));
    if (!has_node_names(file, &rows))
        status = status_set(
            STATUS_FAILED, "%s does not hold the names of nodes (an older release made it): run `medtok prepare` again",
            path);
    else if (rows != v->n_nodes + 1 || first + count > v->n_nodes)
        status = status_set(STATUS_FAILED, "%s is damaged: the names of nodes; run `medtok prepare` again", path);
    TRY_DONE(status);
    TRY_DONE(read_offsets(file, "node_name_offsets", first, count, &v->node_name_offsets, &base));
    status = read_ragged(file, "node_name_bytes", H5_U8, 1, base, v->node_name_offsets[count], &v->node_name);
done:
    h5file_close(file);
    if (status != STATUS_OK) vocabulary_free(v);
    return status;
}

static int read_parts(struct h5file *file, int64_t first, int64_t count, unsigned parts, struct vocabulary *v) {
    TRY(read_sizes(file, v));
    if (count < 0) count = v->n_codes_total - first;
    if (first < 0 || count < 0 || first + count > v->n_codes_total)
        return status_set(STATUS_FAILED, "%s has %lld codes, but codes %lld to %lld are needed", h5file_path(file),
                          (long long)v->n_codes_total, (long long)first, (long long)(first + count - 1));
    v->first = first;
    v->n_codes = count;
    if (parts & VOCABULARY_NAMES) {
        TRY(read_text(file, "code", first, count, &v->code_bytes, &v->code));
        TRY(read_text(file, "system", first, count, &v->system_bytes, &v->system));
        TRY(read_text(file, "relation", 0, v->n_relations, &v->relation_bytes, &v->relation));
    }
    if (parts & VOCABULARY_HIERARCHY && v->n_hierarchy > 0)
        TRY(read_text(file, "hierarchy", 0, v->n_hierarchy, &v->hierarchy_bytes, &v->hierarchy));
    int64_t base = 0;
    if (parts & (VOCABULARY_DESCRIPTIONS | VOCABULARY_GRAPHS))
        TRY(read_offsets(file, "description_offsets", first, count, &v->description_offsets, &base));
    if (parts & VOCABULARY_DESCRIPTIONS)
        TRY(read_ragged(file, "description_bytes", H5_U8, 1, base, v->description_offsets[count], &v->description));
    return parts & VOCABULARY_GRAPHS ? read_graphs(file, v) : STATUS_OK;
}

int vocabulary_read(const char *path, int64_t first, int64_t count, unsigned parts, struct vocabulary *v) {
    struct h5file *file;
    *v = (struct vocabulary){0};
    TRY(h5file_open(&file, path, KIND_VOCABULARY));
    int status = read_parts(file, first, count, parts, v);
    h5file_close(file);
    if (status != STATUS_OK) vocabulary_free(v);
    return status;
}

int vocabulary_read_sizes(const char *path, struct vocabulary *v) { return vocabulary_read(path, 0, 0, 0, v); }

/* The work before a code: bytes of descriptions, and what each code costs beside them. */
static int work_before(struct h5file *file, int64_t code, int64_t *work) {
    enum { BYTES_OF_A_CODE = 8 };
    TRY(h5file_read(file, "description_offsets", H5_I64, code, 1, work));
    *work += code * BYTES_OF_A_CODE;
    return STATUS_OK;
}

/* The first of n codes with at least `share` of n_shares of the work before it. */
static int begin_of_share(struct h5file *file, int64_t n, int share, int n_shares, int64_t *first) {
    int64_t all, work, end = n;
    *first = 0;
    TRY(work_before(file, n, &all));
    while (*first < end) {
        int64_t middle = *first + (end - *first) / 2;
        TRY(work_before(file, middle, &work));
        if ((double)work < (double)all * share / n_shares)
            *first = middle + 1;
        else
            end = middle;
    }
    return STATUS_OK;
}

int vocabulary_share_descriptions(const char *path, int share, int n_shares, int64_t *first, int64_t *count) {
    struct h5file *file;
    int64_t n, cols, end = 0;
    *first = 0;
    TRY(h5file_open(&file, path, KIND_VOCABULARY));
    int status = h5file_shape(file, "description_offsets", H5_I64, &n, &cols);
    if (status == STATUS_OK) status = begin_of_share(file, n - 1, share, n_shares, first);
    if (status == STATUS_OK) status = begin_of_share(file, n - 1, share + 1, n_shares, &end);
    if (status == STATUS_OK && share == n_shares - 1) end = n - 1;
    *count = end - *first;
    if (status == STATUS_OK && *count < 0)
        status = status_set(STATUS_FAILED, "%s is damaged: offsets of descriptions descend", path);
    h5file_close(file);
    return status;
}

void vocabulary_name(const char *path, int64_t code, char *text, size_t size) {
    struct vocabulary v;
    if (vocabulary_read(path, code, 1, VOCABULARY_NAMES, &v) != STATUS_OK) {
        snprintf(text, size, "code number %lld", (long long)code);
        return;
    }
    snprintf(text, size, "%s:%s", vocabulary_system(&v, 0), vocabulary_code(&v, 0));
    vocabulary_free(&v);
}

/* Of the hierarchy's nodes, by their names. */
static int identify_hierarchy(struct h5file *file, struct vocabulary *v, uint64_t *identity) {
    if (v->n_hierarchy == 0) return STATUS_OK;
    TRY(read_text(file, "hierarchy", 0, v->n_hierarchy, &v->hierarchy_bytes, &v->hierarchy));
    for (int64_t i = 0; i < v->n_hierarchy; i++) {
        const char *name = v->hierarchy + i * v->hierarchy_bytes;
        identity[i] = XXH3_64bits_withSeed(name, strlen(name), 1); /* with another seed than nodes of the graph */
    }
    return STATUS_OK;
}

int vocabulary_read_identities(const char *path, uint64_t **identity, int64_t *n_nodes) {
    struct h5file *file = NULL;
    struct vocabulary v = {.first = 0};
    int64_t n, cols;
    int status;
    *identity = NULL;
    TRY_DONE(h5file_open(&file, path, KIND_VOCABULARY));
    TRY_DONE(read_sizes(file, &v));
    TRY_DONE(h5file_shape(file, "node_identity", H5_U64, &n, &cols));
    *n_nodes = v.n_nodes;
    TRY_DONE(mem_alloc(identity, v.n_nodes, sizeof **identity));
    if (n > v.n_nodes - v.n_hierarchy) n = v.n_nodes - v.n_hierarchy;
    if (n > 0) TRY_DONE(h5file_read(file, "node_identity", H5_U64, 0, n, *identity));
    TRY_DONE(identify_hierarchy(file, &v, *identity + (v.n_nodes - v.n_hierarchy)));
done:
    vocabulary_free(&v);
    h5file_close(file);
    return status;
}

int vocabulary_check_removed(const char *path, const char *removed) {
    struct h5file *file;
    char *wanted = NULL, found[65];
    TRY(h5file_open(&file, path, KIND_VOCABULARY));
    int status = h5file_get_text_or(file, "removed_sha256", "", &wanted);
    h5file_close(file);
    int some = status == STATUS_OK && wanted[0];
    if (some) status = sha256_file(removed, found);
    if (some && status == STATUS_OK && strcmp(found, wanted) != 0)
        status =
            status_set(STATUS_FAILED,
                       "%s does not hold the edges that were removed when %s was made: `medtok prepare --force` writes "
                       "both anew",
                       removed, path);
    free(wanted);
    return status;
}
