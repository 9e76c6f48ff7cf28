#include "ingest/node_identity.h"

#include <stdlib.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

#include "base/status.h"
#include "dist/gather.h"

static uint64_t identify(const struct node_identities *x, int end, const struct node_fields *what, int64_t node) {
    const struct field identifying[3] = {what->type, what->source, what->id};
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    if (!x->with_ids[end]) XXH3_64bits_update(&state, &node, sizeof node);
    for (int i = 0; i < 3 && x->with_ids[end]; i++) {
        XXH3_64bits_update(&state, identifying[i].text, (size_t)identifying[i].size);
        XXH3_64bits_update(&state, "\n", 1);
    }
    uint64_t hash = XXH3_64bits_digest(&state);
    return hash ? hash : 1;
}

/* The name, or the id. */
static int keep_name(struct node_identities *x, const struct node_fields *what, struct node_name *name) {
    struct field called = what->name.size > 0 ? what->name : what->id;
    *name = (struct node_name){x->n_name_bytes, called.size};
    if (called.size == 0) return STATUS_OK;
    TRY(mem_grow(&x->names, &x->names_capacity, x->n_name_bytes + called.size, 1));
    memcpy(x->names + x->n_name_bytes, called.text, (size_t)called.size);
    x->n_name_bytes += called.size;
    return STATUS_OK;
}

static int make_room(struct node_identities *x, int64_t n) {
    if (n <= x->n) return STATUS_OK;
    TRY(mem_grow(&x->of, &x->capacity, n, sizeof *x->of));
    TRY(mem_grow(&x->line, &x->line_capacity, n, sizeof *x->line));
    TRY(mem_grow(&x->name, &x->name_capacity, n, sizeof *x->name));
    memset(x->of + x->n, 0, (size_t)(n - x->n) * sizeof *x->of);
    memset(x->name + x->n, 0, (size_t)(n - x->n) * sizeof *x->name);
    for (int64_t i = x->n; i < n; i++) x->line[i] = INT64_MAX;
    x->n = n;
    return STATUS_OK;
}

static void note(struct node_identities *x, const struct identified_node *seen) {
    if (x->line[seen->node] <= seen->line) return;
    x->of[seen->node] = seen->identity;
    x->line[seen->node] = seen->line;
    x->name[seen->node] = seen->name;
}

int node_identities_take(struct node_identities *x, int end, const struct node_fields *what, int64_t node, int64_t line,
                         int64_t most) {
    if (node < x->n && x->of[node]) return STATUS_OK;
    struct identified_node seen = {node, line, identify(x, end, what, node), {0}};
    TRY(keep_name(x, what, &seen.name));
    if (node >= most) {
        TRY(mem_grow(&x->late, &x->late_capacity, x->n_late + 1, sizeof *x->late));
        x->late[x->n_late++] = seen;
        return STATUS_OK;
    }
    TRY(make_room(x, node + 1));
    note(x, &seen);
    return STATUS_OK;
}

/* ---- what all ranks say ---- */
struct sized_name {
    int64_t node, size;
};

/* Names that this rank has, its nodes' identities being those of first rows alone; the caller frees both. */
static int pack_names(const struct node_identities *x, int64_t *n, struct sized_name **packed, int64_t *n_bytes,
                      char **bytes) {
    *packed = NULL;
    *bytes = NULL;
    *n = *n_bytes = 0;
    for (int64_t i = 0; i < x->n; i++)
        if (x->of[i] && x->name[i].size > 0) ++*n, *n_bytes += x->name[i].size;
    TRY(mem_alloc(packed, *n, sizeof **packed));
    TRY(mem_alloc(bytes, *n_bytes, 1));
    *n = *n_bytes = 0;
    for (int64_t i = 0; i < x->n; i++) {
        if (!x->of[i] || x->name[i].size == 0) continue;
        (*packed)[(*n)++] = (struct sized_name){i, x->name[i].size};
        memcpy(*bytes + *n_bytes, x->names + x->name[i].at, (size_t)x->name[i].size);
        *n_bytes += x->name[i].size;
    }
    return STATUS_OK;
}

/* Collective. */
static int unite_names(struct node_identities *x, const struct comm *comm) {
    struct sized_name *own, *all = NULL;
    char *own_bytes, *bytes = NULL;
    int64_t n, n_bytes, n_all, n_all_bytes, at = 0;
    int status;
    TRY_DONE(comm_agree(comm, pack_names(x, &n, &own, &n_bytes, &own_bytes)));
    TRY_DONE(comm_gather_rows(comm, n, sizeof *all, own, &n_all, &all));
    TRY_DONE(comm_gather_rows(comm, n_bytes, 1, own_bytes, &n_all_bytes, &bytes));
    memset(x->name, 0, (size_t)x->n * sizeof *x->name);
    for (int64_t i = 0; i < n_all; at += all[i++].size) x->name[all[i].node] = (struct node_name){at, all[i].size};
    free(x->names);
    x->names = bytes;
    x->n_name_bytes = x->names_capacity = n_all_bytes;
    bytes = NULL;
done:
    free(own);
    free(own_bytes);
    free(all);
    free(bytes);
    return status;
}

/* Collective: of each node that of the rank which has the first row. */
static int unite(struct node_identities *x, const struct comm *comm) {
    int64_t *first; /* the largest of negative lines */
    TRY(comm_agree(comm, mem_alloc(&first, x->n, sizeof *first)));
    for (int64_t i = 0; i < x->n; i++) first[i] = -x->line[i];
    int status = comm_max_int64(comm, first, x->n);
    for (int64_t i = 0; i < x->n; i++)
        if (-x->line[i] != first[i]) x->of[i] = 0;
    free(first);
    if (status == STATUS_OK) status = unite_names(x, comm);
    return status == STATUS_OK ? comm_or_uint64(comm, x->of, x->n) : status;
}

int node_identities_finish(struct node_identities *x, const struct comm *comm, int64_t n_nodes) {
    TRY(comm_agree(comm, make_room(x, n_nodes)));
    for (long long i = 0; i < x->n_late; i++) note(x, &x->late[i]);
    TRY(comm->size > 1 ? unite(x, comm) : STATUS_OK);
    free(x->late);
    free(x->line);
    x->late = NULL;
    x->line = NULL;
    x->n_late = x->late_capacity = x->line_capacity = 0;
    return STATUS_OK;
}

void node_identities_free(struct node_identities *x) {
    free(x->of);
    free(x->line);
    free(x->name);
    free(x->names);
    free(x->late);
    *x = (struct node_identities){.n = 0};
}
