/* Counting picks. */
#include "measure/usage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

const char *const USAGE_REGION_NAMES[N_USAGE_REGIONS] = {"text", "graph", "shared"};
static const enum token_group REGION_GROUP[N_USAGE_REGIONS] = {TEXT_SPECIFIC, GRAPH_SPECIFIC, SHARED_TEXT};

static int64_t *counts_of(const struct usage *u, enum token_group group) {
    return u->counts + (group == SHARED_TEXT || group == SHARED_GRAPH ? u->codebook_size : 0);
}

int usage_make(struct usage *u, int64_t codebook_size, const struct region regions[N_GROUPS]) {
    *u = (struct usage){.codebook_size = codebook_size};
    memcpy(u->regions, regions, sizeof u->regions);
    return mem_alloc(&u->counts, 2 * u->codebook_size, sizeof *u->counts);
}

void usage_free(struct usage *u) {
    free(u->counts);
    *u = (struct usage){0};
}

void usage_clear(struct usage *u) { memset(u->counts, 0, 2 * (size_t)u->codebook_size * sizeof *u->counts); }

void usage_add(struct usage *u, enum token_group group, const int32_t *tokens, int64_t n) {
    int64_t *counts = counts_of(u, group);
    for (int64_t i = 0; i < n; i++) counts[tokens[i]]++;
}

int usage_sum(struct usage *u, struct usage *other, int64_t *memory, const struct comm *comm) {
    int64_t n = 2 * u->codebook_size;
    if (comm->size == 1) return STATUS_OK;
    memcpy(memory, u->counts, (size_t)n * sizeof *memory);
    memcpy(memory + n, other->counts, (size_t)n * sizeof *memory);
    TRY(comm_sum_int64(comm, memory, 2 * n));
    memcpy(u->counts, memory, (size_t)n * sizeof *memory);
    memcpy(other->counts, memory + n, (size_t)n * sizeof *memory);
    return STATUS_OK;
}

void usage_mark(const struct usage *u, uint64_t *picked) {
    memset(picked, 0, (size_t)usage_words(u) * sizeof *picked);
    for (int64_t r = 0; r < u->codebook_size; r++)
        picked[r / 64] |= (uint64_t)(u->counts[r] + u->counts[u->codebook_size + r] > 0) << r % 64;
}

void usage_merge(struct usage *u, const struct usage *from) {
    for (int64_t i = 0; i < 2 * u->codebook_size; i++) u->counts[i] += from->counts[i];
}

struct usage_measure usage_measure(const struct usage *u, int region) {
    const int64_t *counts = counts_of(u, REGION_GROUP[region]);
    struct region r = u->regions[REGION_GROUP[region]];
    double total = 0, entropy = 0;
    int64_t used = 0;
    for (int64_t i = r.first; i < r.last; i++) {
        total += (double)counts[i];
        used += counts[i] > 0;
    }
    for (int64_t i = r.first; i < r.last; i++)
        if (counts[i]) entropy -= (double)counts[i] / total * log((double)counts[i] / total);
    return (struct usage_measure){(double)used / (double)(r.last - r.first), used ? exp(entropy) : 0};
}
