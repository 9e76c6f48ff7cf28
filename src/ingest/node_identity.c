#include "ingest/node_identity.h"

#include <stdlib.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

#include "base/status.h"

static uint64_t identify(const struct node_identities *x, int end, const struct field what[3], int64_t node) {
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    if (!x->with_ids[end]) XXH3_64bits_update(&state, &node, sizeof node);
    for (int i = 0; i < 3 && x->with_ids[end]; i++) {
        XXH3_64bits_update(&state, what[i].text, (size_t)what[i].size);
        XXH3_64bits_update(&state, "\n", 1);
    }
    uint64_t hash = XXH3_64bits_digest(&state);
    return hash ? hash : 1;
}

static int make_room(struct node_identities *x, int64_t n) {
    if (n <= x->n) return STATUS_OK;
    TRY(mem_grow(&x->of, &x->capacity, n, sizeof *x->of));
    TRY(mem_grow(&x->line, &x->line_capacity, n, sizeof *x->line));
    memset(x->of + x->n, 0, (size_t)(n - x->n) * sizeof *x->of);
    for (int64_t i = x->n; i < n; i++) x->line[i] = INT64_MAX;
    x->n = n;
    return STATUS_OK;
}

static void note(struct node_identities *x, int64_t node, uint64_t identity, int64_t line) {
    if (x->line[node] <= line) return;
    x->of[node] = identity;
    x->line[node] = line;
}

int node_identities_take(struct node_identities *x, int end, const struct field what[3], int64_t node, int64_t line,
                         int64_t most) {
    if (node < x->n && x->of[node]) return STATUS_OK;
    if (node >= most) {
        TRY(mem_grow(&x->late, &x->late_capacity, x->n_late + 1, sizeof *x->late));
        x->late[x->n_late++] = (struct identified_node){node, line, identify(x, end, what, node)};
        return STATUS_OK;
    }
    TRY(make_room(x, node + 1));
    note(x, node, identify(x, end, what, node), line);
    return STATUS_OK;
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
    return status == STATUS_OK ? comm_or_uint64(comm, x->of, x->n) : status;
}

int node_identities_finish(struct node_identities *x, const struct comm *comm, int64_t n_nodes) {
    TRY(comm_agree(comm, make_room(x, n_nodes)));
    for (long long i = 0; i < x->n_late; i++) note(x, x->late[i].node, x->late[i].identity, x->late[i].line);
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
    free(x->late);
    *x = (struct node_identities){.n = 0};
}
