/* Each rank counts its own codes, and the counts are summed. */
#include "medtok/batch_parts.h"

#include <stdlib.h>

#include "base/status.h"

int batch_parts_make(struct batch_parts *p, int64_t n) {
    *p = (struct batch_parts){.n = (int)n};
    if (n == 1) return STATUS_OK;
    for (int l = 0; l < N_LISTS; l++) {
        p->lists[l].n = (int)n;
        TRY(mem_alloc(&p->lists[l].first, n + 1, sizeof *p->lists[l].first));
    }
    return STATUS_OK;
}

void batch_parts_free(struct batch_parts *p) {
    for (int l = 0; l < N_LISTS; l++) free(p->lists[l].first);
    *p = (struct batch_parts){0};
}

/* The part of the code at `position` in the global batch of `total` codes: part p begins at total p / n. */
static int64_t part_of(int64_t position, int64_t total, int64_t n) {
    int64_t part = position * n / total;
    while (part + 1 < n && total * (part + 1) / n <= position) part++;
    return part;
}

void batch_parts_count(const struct batch_parts *p, const struct batch *b, int64_t before, int64_t total,
                       int64_t *counts) {
    int64_t text = 0, graph = 0;
    if (p->n == 1) return;
    for (int64_t i = 0; i < b->n; i++) {
        int64_t part = part_of(before + i, total, p->n);
        int has_text = text < b->n_text && b->text_position[text] == i;
        int has_graph = graph < b->n_graph && b->graph_position[graph] == i;
        text += has_text;
        graph += has_graph;
        counts[LIST_TEXT * p->n + part] += has_text;
        counts[LIST_GRAPH * p->n + part] += has_graph;
        counts[LIST_BOTH * p->n + part] += has_text && has_graph;
    }
}

void batch_parts_set(struct batch_parts *p, const int64_t *counts) {
    if (p->n == 1) return;
    for (int l = 0; l < N_LISTS; l++)
        for (int part = 0; part < p->n; part++)
            p->lists[l].first[part + 1] = p->lists[l].first[part] + (int)counts[l * p->n + part];
}
