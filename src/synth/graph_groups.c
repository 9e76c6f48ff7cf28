#include "synth/graph_groups.h"

#include <stdlib.h>

#include "base/status.h"
#include "synth/draws.h"

enum { FEWEST_CODES = 3, MOST_CODES = 300 };

struct node_code {
    int32_t node, version, code;
};

struct pairs {
    struct node_code *items;
    long long n, capacity;
};

static int by_node(const void *a, const void *b) {
    const struct node_code *x = a, *y = b;
    if (x->node != y->node) return (x->node > y->node) - (x->node < y->node);
    if (x->version != y->version) return x->version - y->version;
    return (x->code > y->code) - (x->code < y->code);
}

static int find_pairs(struct pairs *pairs, const struct synth_codes *codes, const int64_t *number, int32_t version,
                      const struct synth_given_codes *given) {
    for (int32_t i = 0; i < codes->n; i++) {
        if (codes->group[i] >= 0 || number[i] < 0) continue;
        int64_t begin = given->node_offsets[number[i]], end = given->node_offsets[number[i] + 1];
        if (given->n_listed && begin + given->n_listed[number[i]] < end) end = begin + given->n_listed[number[i]];
        for (int64_t k = begin; k < end; k++) {
            TRY(mem_grow(&pairs->items, &pairs->capacity, pairs->n + 1, sizeof *pairs->items));
            pairs->items[pairs->n++] = (struct node_code){given->nodes[k], version, i};
        }
    }
    return STATUS_OK;
}

/* Gives the codes of pairs[begin, end), all of one node, to the group, if enough of them are free in both versions. */
static int take_node(struct synth_codes diagnosis[N_ICD], const struct pairs *pairs, long long begin, long long end,
                     int32_t group) {
    int free_codes[N_ICD] = {0, 0};
    for (long long i = begin; i < end; i++)
        free_codes[pairs->items[i].version] += diagnosis[pairs->items[i].version].group[pairs->items[i].code] < 0;
    for (int v = 0; v < N_ICD; v++)
        if (free_codes[v] < FEWEST_CODES || free_codes[v] > MOST_CODES) return 0;
    for (long long i = begin; i < end; i++) {
        int32_t *at = &diagnosis[pairs->items[i].version].group[pairs->items[i].code];
        if (*at < 0) *at = group;
    }
    return 1;
}

static int take_nodes(struct synth_codes diagnosis[N_ICD], const struct pairs *pairs, int32_t first, int32_t most,
                      int64_t seed, int32_t *n) {
    int64_t *begin, n_nodes = 0;
    TRY(mem_alloc(&begin, pairs->n + 1, sizeof *begin));
    for (long long i = 0; i < pairs->n; i++)
        if (i == 0 || pairs->items[i].node != pairs->items[i - 1].node) begin[n_nodes++] = i;
    rng_shuffle((uint64_t)seed, RNG_SYNTH + DRAW_CODES, 5, 0, begin, n_nodes);
    for (int64_t k = 0; k < n_nodes && *n < most; k++) {
        long long end = begin[k];
        while (end < pairs->n && pairs->items[end].node == pairs->items[begin[k]].node) end++;
        *n += take_node(diagnosis, pairs, begin[k], end, first + *n);
    }
    free(begin);
    return STATUS_OK;
}

int graph_groups_make(struct synth_codes diagnosis[N_ICD], const int64_t *const number[N_ICD],
                      const struct synth_given_codes *given, int32_t first, int32_t most, int64_t seed, int32_t *n) {
    struct pairs pairs = {0};
    int status = STATUS_OK;
    *n = 0;
    for (int32_t v = 0; v < N_ICD && status == STATUS_OK; v++)
        status = find_pairs(&pairs, &diagnosis[v], number[v], v, given);
    if (status == STATUS_OK && pairs.n) {
        qsort(pairs.items, (size_t)pairs.n, sizeof *pairs.items, by_node);
        status = take_nodes(diagnosis, &pairs, first, most, seed, n);
    }
    free(pairs.items);
    return status;
}
