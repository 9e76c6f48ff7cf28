/* Nodes of codes, then codes of nodes. */
#include "measure/code_ancestors.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

int code_ancestors_make(struct code_ancestors *a, int64_t n_codes, const struct vocabulary *sizes) {
    *a = (struct code_ancestors){.first_node = vocabulary_graph_nodes(sizes), .n_nodes = sizes->n_hierarchy};
    TRY(mem_alloc(&a->offsets, n_codes + 1, sizeof *a->offsets));
    return mem_alloc(&a->code_offsets, a->n_nodes + 2, sizeof *a->code_offsets);
}

void code_ancestors_free(struct code_ancestors *a) {
    free(a->offsets);
    free(a->nodes);
    free(a->code_offsets);
    free(a->codes);
    *a = (struct code_ancestors){0};
}

int code_ancestors_add(struct code_ancestors *a, const struct vocabulary *v) {
    for (int64_t i = 0; i < v->n_codes; i++) {
        int64_t n = a->offsets[a->n_codes];
        for (int64_t k = v->node_offsets[i]; k < v->node_offsets[i + 1]; k++) {
            if (v->nodes[k] < a->first_node) continue;
            TRY(mem_grow(&a->nodes, &a->capacity, n + 1, sizeof *a->nodes));
            a->nodes[n++] = (int32_t)(v->nodes[k] - a->first_node);
        }
        a->offsets[++a->n_codes] = n;
    }
    return STATUS_OK;
}

int code_ancestors_finish(struct code_ancestors *a) {
    int64_t n = a->offsets[a->n_codes];
    int64_t *next = a->code_offsets + 1; /* one ahead: after filling, code_offsets[v + 1] is the end of v */
    TRY(mem_alloc(&a->codes, n, sizeof *a->codes));
    for (int64_t k = 0; k < n; k++) next[a->nodes[k] + 1]++;
    for (int64_t v = 0; v < a->n_nodes; v++) next[v + 1] += next[v];
    for (int64_t i = 0; i < a->n_codes; i++)
        for (int64_t k = a->offsets[i]; k < a->offsets[i + 1]; k++) a->codes[next[a->nodes[k]]++] = (int32_t)i;
    return STATUS_OK;
}

int code_ancestors_share(const struct code_ancestors *a, int64_t code, int64_t other) {
    for (int64_t i = a->offsets[code]; i < a->offsets[code + 1]; i++)
        for (int64_t k = a->offsets[other]; k < a->offsets[other + 1]; k++)
            if (a->nodes[i] == a->nodes[k]) return 1;
    return 0;
}
