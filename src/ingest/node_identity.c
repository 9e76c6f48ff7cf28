#include "ingest/node_identity.h"

#include <stdlib.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

#include "base/status.h"

enum { TYPE, SOURCE, ID, N_IDENTIFYING, NAME = N_IDENTIFYING, N_COLUMNS };

void node_identities_begin(struct node_identities *x, const struct delimited *r) {
    static const char *const NAMES[2][N_COLUMNS] = {{"x_type", "x_source", "x_id", "x_name"},
                                                    {"y_type", "y_source", "y_id", "y_name"}};
    *x = (struct node_identities){.n = 0};
    for (int end = 0; end < 2; end++)
        for (int c = 0; c < N_COLUMNS; c++) x->columns[end][c] = delimited_column(r, NAMES[end][c]);
}

static uint64_t identify(const struct node_identities *x, const struct delimited *r, int end, int64_t node) {
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    if (x->columns[end][ID] < 0) XXH3_64bits_update(&state, &node, sizeof node);
    for (int c = 0; c < N_IDENTIFYING && x->columns[end][ID] >= 0; c++) {
        int column = x->columns[end][c];
        if (column >= 0) XXH3_64bits_update(&state, r->fields[column].text, (size_t)r->fields[column].size);
        XXH3_64bits_update(&state, "\n", 1);
    }
    uint64_t hash = XXH3_64bits_digest(&state);
    return hash ? hash : 1;
}

/* The name, or the id. */
static int keep_name(struct node_identities *x, const struct delimited *r, int end, struct node_name *name) {
    static const int BY_WORTH[] = {NAME, ID};
    *name = (struct node_name){.at = x->n_name_bytes};
    for (int i = 0; i < 2 && name->size == 0; i++) {
        int column = x->columns[end][BY_WORTH[i]];
        if (column < 0 || r->fields[column].size == 0) continue;
        name->size = r->fields[column].size;
        TRY(mem_grow(&x->names, &x->names_capacity, x->n_name_bytes + name->size, 1));
        memcpy(x->names + x->n_name_bytes, r->fields[column].text, (size_t)name->size);
        x->n_name_bytes += name->size;
    }
    return STATUS_OK;
}

static int make_room(struct node_identities *x, int64_t n) {
    if (n <= x->n) return STATUS_OK;
    TRY(mem_grow(&x->of, &x->capacity, n, sizeof *x->of));
    TRY(mem_grow(&x->name, &x->name_capacity, n, sizeof *x->name));
    memset(x->of + x->n, 0, (size_t)(n - x->n) * sizeof *x->of);
    memset(x->name + x->n, 0, (size_t)(n - x->n) * sizeof *x->name);
    x->n = n;
    return STATUS_OK;
}

int node_identities_take(struct node_identities *x, const struct delimited *r, int end, int64_t node, int64_t most) {
    if (node < x->n && x->of[node]) return STATUS_OK;
    if (node >= most) {
        TRY(mem_grow(&x->late, &x->late_capacity, x->n_late + 1, sizeof *x->late));
        struct identified_node *late = &x->late[x->n_late++];
        *late = (struct identified_node){.node = node, .identity = identify(x, r, end, node)};
        return keep_name(x, r, end, &late->name);
    }
    TRY(make_room(x, node + 1));
    x->of[node] = identify(x, r, end, node);
    return keep_name(x, r, end, &x->name[node]);
}

int node_identities_finish(struct node_identities *x, int64_t n_nodes) {
    TRY(make_room(x, n_nodes));
    for (long long i = 0; i < x->n_late; i++)
        if (!x->of[x->late[i].node]) {
            x->of[x->late[i].node] = x->late[i].identity;
            x->name[x->late[i].node] = x->late[i].name;
        }
    free(x->late);
    x->late = NULL;
    x->n_late = x->late_capacity = 0;
    return STATUS_OK;
}

void node_identities_free(struct node_identities *x) {
    free(x->of);
    free(x->name);
    free(x->names);
    free(x->late);
    *x = (struct node_identities){.n = 0};
}
