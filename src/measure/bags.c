/* Items are sorted and united; norms are 1. */
#include "measure/bags.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"

int bags_make(struct bags *b, int64_t n, int64_t n_items) {
    *b = (struct bags){.n_items = n_items};
    return mem_alloc(&b->offsets, n + 1, sizeof *b->offsets);
}

void bags_free(struct bags *b) {
    free(b->offsets);
    free(b->items);
    free(b->weights);
    *b = (struct bags){0};
}

/* By insertion: bags have some tens of items, and arrive nearly sorted where they are larger. */
static void sort(int64_t n, int32_t *items, float *weights) {
    for (int64_t i = 1; i < n; i++) {
        int32_t item = items[i];
        float weight = weights[i];
        int64_t at = i;
        for (; at > 0 && items[at - 1] > item; at--) {
            items[at] = items[at - 1];
            weights[at] = weights[at - 1];
        }
        items[at] = item;
        weights[at] = weight;
    }
}

int bags_add(struct bags *b, int64_t count, int32_t *items, float *weights) {
    int64_t first = b->offsets[b->n], n = first;
    double square = 0;
    sort(count, items, weights);
    TRY(mem_grow(&b->items, &b->item_capacity, first + count, sizeof *b->items));
    TRY(mem_grow(&b->weights, &b->weight_capacity, first + count, sizeof *b->weights));
    for (int64_t i = 0; i < count; i++) {
        if (!(weights[i] > 0)) continue;
        if (n > first && b->items[n - 1] == items[i]) {
            b->weights[n - 1] += weights[i];
            continue;
        }
        b->items[n] = items[i];
        b->weights[n++] = weights[i];
    }
    for (int64_t i = first; i < n; i++) square += (double)b->weights[i] * (double)b->weights[i];
    for (int64_t i = first; i < n; i++) b->weights[i] = (float)((double)b->weights[i] / sqrt(square));
    b->offsets[++b->n] = n;
    return STATUS_OK;
}

int bags_of_tokens(struct bags *b, const struct token_bags *t, int64_t most) {
    int32_t items[256];
    float weights[256];
    TRY(bags_make(b, t->n, t->n_items));
    for (int64_t i = 0; i < t->n; i++) {
        int64_t n = 0, at = i * t->groups * t->top_k;
        for (int64_t k = 0; k < t->top_k; k++)
            for (int g = 0; g < t->groups && n < most; g++) {
                int64_t token = at + g * t->top_k + k;
                if (t->tokens[token] < 0) continue;
                items[n] = (int32_t)(t->tokens[token] + (t->group_first ? t->group_first[g] : 0));
                weights[n++] = t->weights[token];
            }
        TRY(bags_add(b, n, items, weights));
    }
    return STATUS_OK;
}
