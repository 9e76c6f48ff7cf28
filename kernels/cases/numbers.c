/* All numbers come from one mixing function. */
#include "cases/numbers.h"

/* splitmix64 (Steele et al., 2014) */
static uint64_t mix(uint64_t stream, int64_t i) {
    uint64_t z = (uint64_t)i * 0x9e3779b97f4a7c15u + (stream + 1) * 0xd1b54a32d192ed03u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

int64_t number_pick(int64_t n, uint64_t stream, int64_t i) { return (int64_t)(mix(stream, i) % (uint64_t)n); }

double number_uniform(uint64_t stream, int64_t i) { return (double)(int64_t)(mix(stream, i) >> 40) * 0x1p-23 - 1; }

/* The sum of four numbers of 16 bits, less its mean, over its standard deviation. */
float number_normal(uint64_t stream, int64_t i) {
    uint64_t z = mix(stream, i);
    int64_t sum = (int64_t)((z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48));
    return (float)((double)(sum - 2 * 65535) / 37837.2);
}

int64_t number_length(int64_t mean, uint64_t stream, int64_t i) { return 1 + number_pick(2 * mean - 1, stream, i); }

void number_edge(int64_t n, int64_t n_edges, int64_t e, int64_t *source, int64_t *target) {
    /* Node v has the edges from v * n_edges / n, rounded up, on; its sources spread over the graph. */
    int64_t v = e * n / n_edges, first = (v * n_edges + n - 1) / n, degree = ((v + 1) * n_edges + n - 1) / n - first;
    *target = v;
    *source = ((e - first) * n + number_pick(n, SOURCES, e)) / (degree > 0 ? degree : 1);
}
