/* The graph as METIS takes it: things first, then the parts that are shared, numbered anew; each edge from both its ends. */
#include "dist/graph_partition.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"

#ifndef MEDTOK_METIS
int graph_partition_is_there(void) { return 0; }

int graph_partition_check(const char *setting) {
    return status_set(STATUS_USAGE,
                      "%s needs METIS, without which this program was built: install it (Debian: libmetis-dev; on a "
                      "cluster load the module, "
                      "usually called metis) and build again, or set another",
                      setting);
}

const char *graph_partition_version(void) { return "none"; }

int graph_partition(const struct sharing *sharing, int n_pieces, int32_t *piece) {
    (void)sharing, (void)n_pieces, (void)piece;
    return graph_partition_check("a partition by a graph");
}
#else
#include <metis.h>

#define AS_TEXT(number)  AS_TEXT_(number)
#define AS_TEXT_(number) #number

int graph_partition_is_there(void) { return 1; }

int graph_partition_check(const char *setting) {
    (void)setting;
    return STATUS_OK;
}

const char *graph_partition_version(void) {
    return AS_TEXT(METIS_VER_MAJOR) "." AS_TEXT(METIS_VER_MINOR) "." AS_TEXT(METIS_VER_SUBMINOR) "-" AS_TEXT(
        IDXTYPEWIDTH) "-" AS_TEXT(REALTYPEWIDTH);
}

/* Sums of weights and of links must fit 32 bits. A part's weight is 1, so that no half of a bisection is empty, and things weigh so
 * much together that this hardly counts. */
enum { LEAST_THINGS_A_PIECE = 8, WEIGHT_OF_THINGS = 1000000000, MOST_LINKS = 1000000000 };

/* Edges beyond which things keep their rarest parts alone, and how many of these at least. */
enum { MANY_EDGES = 3000000, LEAST_PARTS = 4 };

struct csr {
    idx_t n;                                         /* vertices */
    idx_t *first, *to, *vertex_weight, *edge_weight; /* [n + 1], [first[n]], [n], [first[n]] */
    idx_t *vertex;                                   /* [n_parts] of a part; -1: left out */
};

static void csr_free(struct csr *g) {
    free(g->first);
    free(g->to);
    free(g->vertex_weight);
    free(g->edge_weight);
    free(g->vertex);
}

/* Numbers the parts that are shared, and counts the edges of every vertex, which then begin at first[]. */
static int count_edges(struct csr *g, const struct sharing *s) {
    TRY(mem_alloc(&g->vertex, s->n_parts, sizeof *g->vertex));
    for (int64_t k = 0; k < s->offsets[s->n]; k++) g->vertex[s->parts[k]]++;
    int64_t n = s->n, edges = 0;
    for (int64_t p = 0; p < s->n_parts; p++)
        if (g->vertex[p] > 1) n++, edges += g->vertex[p];
    if (n >= IDX_MAX || 2 * edges >= IDX_MAX)
        return status_set(STATUS_FAILED,
                          "a graph of %lld vertices and %lld edges is too large for this METIS, whose numbers have %d "
                          "bits: build with one of 64",
                          (long long)n, (long long)edges, IDXTYPEWIDTH);
    TRY(mem_alloc(&g->first, n + 1, sizeof *g->first));
    g->n = (idx_t)s->n;
    for (int64_t p = 0; p < s->n_parts; p++) {
        idx_t count = g->vertex[p];
        g->vertex[p] = count > 1 ? g->n : -1;
        if (count > 1) g->first[++g->n] = count;
    }
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t k = s->offsets[i]; k < s->offsets[i + 1]; k++) g->first[i + 1] += g->vertex[s->parts[k]] >= 0;
    for (idx_t v = 0; v < g->n; v++) g->first[v + 1] += g->first[v];
    return STATUS_OK;
}

static int add_edges(struct csr *g, const struct sharing *s) {
    idx_t *end;
    double all = 0;
    TRY(mem_alloc(&g->to, g->first[g->n], sizeof *g->to));
    TRY(mem_alloc(&g->edge_weight, g->first[g->n], sizeof *g->edge_weight));
    TRY(mem_alloc(&end, g->n, sizeof *end));
    for (int64_t i = 0; i < s->n; i++) all += (double)s->links[i] * (double)(s->offsets[i + 1] - s->offsets[i]);
    double scale = all > MOST_LINKS ? MOST_LINKS / all : 1;
    for (idx_t v = 0; v < g->n; v++) end[v] = g->first[v];
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t k = s->offsets[i]; k < s->offsets[i + 1]; k++) {
            idx_t part = g->vertex[s->parts[k]], links = (idx_t)ceil(scale * (double)s->links[i]);
            if (part < 0) continue;
            g->edge_weight[end[i]] = g->edge_weight[end[part]] = links;
            g->to[end[i]++] = part;
            g->to[end[part]++] = (idx_t)i;
        }
    free(end);
    return STATUS_OK;
}

/* A thing that weighs more than a piece counts as one: METIS cannot cut it, and would make too many pieces of the others. Returns the weight
 * of a piece then. */
static double most_of_a_thing(const struct sharing *s, int n_pieces) {
    enum { ROUNDS = 100 };
    double most = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        double all = 0;
        for (int64_t i = 0; i < s->n; i++) all += fmin(s->weight[i], most);
        if (all / n_pieces > 0.99 * most) break;
        most = all / n_pieces;
    }
    return most;
}

static int weigh(struct csr *g, const struct sharing *s, int n_pieces) {
    double most = most_of_a_thing(s, n_pieces), scale = most > 0 ? WEIGHT_OF_THINGS / (most * n_pieces) : 0;
    TRY(mem_alloc(&g->vertex_weight, g->n, sizeof *g->vertex_weight));
    for (idx_t v = 0; v < g->n; v++)
        g->vertex_weight[v] = 1 + (v < s->n ? (idx_t)(scale * fmin(s->weight[v], most)) : 0);
    return STATUS_OK;
}

static int cut(struct csr *g, const struct sharing *s, int n_pieces, int32_t *piece) {
    idx_t one = 1, pieces = n_pieces, cut_edges, options[METIS_NOPTIONS], *part;
    METIS_SetDefaultOptions(options);
    options[METIS_OPTION_SEED] = 1;
    TRY(mem_alloc(&part, g->n, sizeof *part));
    int code = METIS_PartGraphRecursive(&g->n, &one, g->first, g->to, g->vertex_weight, NULL, g->edge_weight, &pieces,
                                        NULL, NULL, options, &cut_edges, part);
    for (int64_t i = 0; i < s->n; i++) piece[i] = (int32_t)part[i];
    free(part);
    return code == METIS_OK ? STATUS_OK
                            : status_set(STATUS_FAILED, "METIS could not cut a graph of %lld vertices and %lld edges%s",
                                         (long long)g->n, (long long)g->first[g->n] / 2,
                                         code == METIS_ERROR_MEMORY ? ": out of memory" : "");
}

/* ---- the graph made small ---- */
/* Into kept [*n], of at most `most`, ascending by how many things have a part. */
static void insert_rare(const int64_t *count, int32_t part, int64_t most, int32_t *kept, int64_t *n) {
    int64_t at = *n;
    if (at < most)
        ++*n;
    else if (count[kept[--at]] <= count[part])
        return;
    for (; at > 0 && count[kept[at - 1]] > count[part]; at--) kept[at] = kept[at - 1];
    kept[at] = part;
}

/* A copy without the parts that one thing alone has; of a large graph, each thing with those that the fewest others have: what is rare tells where a thing belongs, what
 * most have lies everywhere. */
static int keep_rare(const struct sharing *s, struct sharing *rare, int64_t **offsets, int32_t **parts) {
    int64_t *count, n = 0, most = s->offsets[s->n] <= MANY_EDGES ? INT64_MAX : MANY_EDGES / s->n;
    if (most < LEAST_PARTS) most = LEAST_PARTS;
    *rare = *s;
    TRY(mem_alloc(offsets, s->n + 1, sizeof **offsets));
    TRY(mem_alloc(parts, s->offsets[s->n], sizeof **parts));
    TRY(mem_alloc(&count, s->n_parts, sizeof *count));
    for (int64_t k = 0; k < s->offsets[s->n]; k++) count[s->parts[k]]++;
    for (int64_t i = 0; i < s->n; i++) {
        int64_t kept = 0;
        for (int64_t k = s->offsets[i]; k < s->offsets[i + 1]; k++)
            if (count[s->parts[k]] > 1) insert_rare(count, s->parts[k], most, *parts + n, &kept);
        (*offsets)[i + 1] = n += kept;
    }
    free(count);
    rare->offsets = *offsets;
    rare->parts = *parts;
    return STATUS_OK;
}

int graph_partition(const struct sharing *s, int n_pieces, int32_t *piece) {
    struct csr g = {.n = 0};
    struct sharing rare;
    int64_t *offsets = NULL;
    int32_t *parts = NULL;
    int status;
    if (n_pieces > s->n / LEAST_THINGS_A_PIECE) n_pieces = (int)(s->n / LEAST_THINGS_A_PIECE);
    for (int64_t i = 0; i < s->n; i++) piece[i] = 0;
    if (n_pieces < 2) return STATUS_OK;
    TRY_DONE(keep_rare(s, &rare, &offsets, &parts));
    TRY_DONE(count_edges(&g, &rare));
    TRY_DONE(add_edges(&g, &rare));
    TRY_DONE(weigh(&g, s, n_pieces));
    status = cut(&g, s, n_pieces, piece);
done:
    csr_free(&g);
    free(offsets);
    free(parts);
    return status;
}
#endif
