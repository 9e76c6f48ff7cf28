/* Writing and reading vocabulary.h5 (schema in the header). */
#include "store/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/sha256.h"
#include "base/status.h"

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

/* ---- writing: rank 0 has the data, the others join with nothing ---- */
static int write_whole(struct h5file *file, const struct comm *comm, const char *name, enum h5type type, int64_t rows,
                       int64_t cols, const void *data, int compress) {
    return h5file_write(file, name, type, rows, cols, 0, comm->rank == 0 ? rows : 0, data, compress);
}

static int write_removed(struct h5file *f, const struct comm *comm, const struct vocabulary *v) {
    char sum[sizeof v->removed_sha256];
    memcpy(sum, v->removed_sha256, sizeof sum);
    TRY(comm_broadcast(comm, sum, sizeof sum));
    return sum[0] ? h5file_set_text(f, "removed_sha256", sum) : STATUS_OK;
}

static int write_datasets(struct h5file *f, const struct comm *comm, const struct vocabulary *v, const int64_t *size) {
    int64_t n = size[0], texts = size[4], nodes = size[5], edges = size[6];
    TRY(write_whole(f, comm, "code", H5_TEXT, n, size[1], v->code, 1));
    TRY(write_whole(f, comm, "system", H5_TEXT, n, size[2], v->system, 1));
    TRY(write_whole(f, comm, "node_identity", H5_U64, size[13], 1, v->node_identity, 0));
    TRY(write_whole(f, comm, "description_offsets", H5_I64, n + 1, 1, v->description_offsets, 1));
    TRY(write_whole(f, comm, "description_bytes", H5_U8, texts, 1, v->description, 1));
    TRY(write_whole(f, comm, "n_listed", H5_I32, n, 1, v->n_listed, 1));
    TRY(write_whole(f, comm, "node_offsets", H5_I64, n + 1, 1, v->node_offsets, 1));
    TRY(write_whole(f, comm, "nodes", H5_I32, nodes, 1, v->nodes, 1));
    TRY(write_whole(f, comm, "edge_offsets", H5_I64, n + 1, 1, v->edge_offsets, 1));
    TRY(write_whole(f, comm, "edge_source", H5_U16, edges, 1, v->edge_source, 1));
    TRY(write_whole(f, comm, "edge_target", H5_U16, edges, 1, v->edge_target, 1));
    TRY(write_whole(f, comm, "edge_relation", H5_U8, edges, 1, v->edge_relation, 1));
    TRY(write_whole(f, comm, "relation", H5_TEXT, size[8], size[3], v->relation, 1));
    if (size[14] > 0) {
        TRY(write_whole(f, comm, "node_name_offsets", H5_I64, size[14], 1, v->node_name_offsets, 1));
        TRY(write_whole(f, comm, "node_name_bytes", H5_U8, size[15], 1, v->node_name, 1));
    }
    if (size[11] > 0) TRY(write_whole(f, comm, "hierarchy", H5_TEXT, size[11], size[12], v->hierarchy, 1));
    TRY(h5file_set_int(f, "n_codes", n));
    TRY(h5file_set_int(f, "n_nodes", size[7]));
    TRY(h5file_set_int(f, "n_relations", size[8]));
    TRY(h5file_set_int(f, "graph_hops", size[9]));
    TRY(h5file_set_int(f, "graph_max_nodes", size[10]));
    return h5file_set_int(f, "n_hierarchy", size[11]);
}

int vocabulary_write(const struct comm *comm, const char *path, const struct vocabulary *v,
                     const struct provenance *provenance) {
    int64_t size[16] = {0};
    static const struct vocabulary nothing;
    if (comm->rank == 0) {
        int64_t n = v->n_codes;
        int64_t sizes[] = {n,
                           v->code_bytes,
                           v->system_bytes,
                           v->relation_bytes,
                           v->description_offsets[n],
                           v->node_offsets[n],
                           v->edge_offsets[n],
                           v->n_nodes,
                           v->n_relations,
                           v->graph_hops,
                           v->graph_max_nodes,
                           v->n_hierarchy,
                           v->hierarchy_bytes,
                           v->n_identities,
                           v->node_name_offsets ? v->n_nodes + 1 : 0,
                           v->node_name_offsets ? v->node_name_offsets[v->n_nodes] : 0};
        memcpy(size, sizes, sizeof size);
    }
    TRY(comm_broadcast(comm, size, sizeof size));
    int64_t bytes = size[0] * (size[1] + size[2] + 28) + size[4] + 4 * size[5] + 5 * size[6];
    struct h5file *file;
    /* Sizes before compression, which at least halves them. */
    TRY(h5file_create(&file, comm, path, KIND_VOCABULARY, provenance, bytes / 4));
    int status = write_datasets(file, comm, comm->rank == 0 ? v : &nothing, size);
    if (status == STATUS_OK) status = write_removed(file, comm, comm->rank == 0 ? v : &nothing);
    if (status != STATUS_OK) {
        h5file_abandon(file);
        return status;
    }
    return h5file_commit(file);
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

static int check_graphs(const struct h5file *file, const struct vocabulary *v) {
    for (int64_t i = 0; i < v->n_codes; i++) {
        int64_t n = v->node_offsets[i + 1] - v->node_offsets[i];
        if (v->n_listed[i] < 0 || v->n_listed[i] > n) return damaged(file, "n_listed", v->first + i);
        for (int64_t k = v->node_offsets[i]; k < v->node_offsets[i + 1]; k++)
            if (v->nodes[k] < 0 || v->nodes[k] >= v->n_nodes) return damaged(file, "a node", v->first + i);
        for (int64_t e = v->edge_offsets[i]; e < v->edge_offsets[i + 1]; e++)
            if (v->edge_source[e] >= n || v->edge_target[e] >= n || v->edge_relation[e] >= v->n_relations ||
                (e > v->edge_offsets[i] && v->edge_target[e] < v->edge_target[e - 1]))
                return damaged(file, "an edge", v->first + i);
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
    return check_graphs(file, v);
}

static int read_node_names(struct h5file *file, struct vocabulary *v) {
    int64_t rows = 0, cols, bytes = 0, base;
    if (h5file_shape(file, "node_name_offsets", H5_I64, &rows, &cols) != STATUS_OK)
        return status_set(STATUS_FAILED,
                          "%s does not hold the names of nodes (an older release made it): run `medtok prepare` again",
                          h5file_path(file));
    TRY(h5file_shape(file, "node_name_bytes", H5_U8, &bytes, &cols));
    int damaged = rows != v->n_nodes + 1;
    if (!damaged) TRY(read_offsets(file, "node_name_offsets", 0, v->n_nodes, &v->node_name_offsets, &base));
    if (damaged || base != 0 || v->node_name_offsets[v->n_nodes] != bytes)
        return status_set(STATUS_FAILED, "%s is damaged: the names of nodes; run `medtok prepare` again",
                          h5file_path(file));
    return read_ragged(file, "node_name_bytes", H5_U8, 1, 0, bytes, &v->node_name);
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
    if (parts & VOCABULARY_NODE_NAMES) TRY(read_node_names(file, v));
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
