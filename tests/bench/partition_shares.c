/* What each train.partition makes ranks fetch and compute, counted from a vocabulary in one process: tests/bench/partition.sh.
 *     partition_shares VOCABULARY BATCH BATCHES NODE_DIM RANKS...     lines of: partition, ranks, columns of print_line */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/status.h"
#include "dist/row_order.h"
#include "dist/row_owner.h"
#include "medtok/dataset.h"
#include "medtok/graph_order.h"
#include "train/sampler.h"

enum { SEED = 0 };
static const char *const NAMES[] = {
    [PARTITION_BLOCK] = "block", [PARTITION_RANDOM] = "random", [PARTITION_GRAPH] = "graph"};

struct counting {
    struct vocabulary vocabulary;
    double *cost;
    int64_t *graph_order, n_codes, batch, batches, node_dim;
    double seconds; /* of making graph_order */
    int size;
    struct sampler *samplers; /* [size] */
    int32_t *owner;           /* [nodes] */
};

struct sums {
    double wanted, fetched, asked, imbalance, most_fetched, most_given;
};

static double processor_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Blocks of numbers, but with partition graph by use, as the learner has it. */
static int find_owners(struct counting *c, enum partition partition) {
    const struct vocabulary *v = &c->vocabulary;
    int64_t n = v->n_nodes, *uses, *most;
    int32_t *user;
    TRY(mem_alloc(&uses, n, sizeof *uses));
    TRY(mem_alloc(&most, n, sizeof *most));
    TRY(mem_alloc(&user, n, sizeof *user));
    for (int r = 0; r < c->size; r++) {
        memset(uses, 0, (size_t)n * sizeof *uses);
        for (int64_t i = 0; i < c->samplers[r].n_local; i++)
            for (int64_t code = c->samplers[r].order[i], k = v->node_offsets[code]; k < v->node_offsets[code + 1]; k++)
                uses[v->nodes[k]]++;
        for (int64_t i = 0; i < n; i++)
            if (uses[i] > most[i]) most[i] = uses[i], user[i] = r;
    }
    int status = row_order_assign(n, c->size, most, user, c->owner);
    for (int r = 0; r < c->size && partition != PARTITION_GRAPH; r++)
        for (int64_t i = row_owner_first(n, r, c->size); i < row_owner_first(n, r + 1, c->size); i++) c->owner[i] = r;
    free(uses);
    free(most);
    free(user);
    return status;
}

/* Counts a rank's part of a batch, whose number is `stamp`; seen [nodes]: the last part that had a node; given [size]. Returns its cost. */
static double count_part(struct counting *c, int rank, int64_t batch, int64_t *codes, int64_t *seen, int64_t stamp,
                         double *given, struct sums *s) {
    const struct vocabulary *v = &c->vocabulary;
    int64_t n = sampler_draw(&c->samplers[rank], batch, codes), fetched = 0;
    uint8_t asks[1024] = {0};
    double cost = 0;
    for (int64_t i = 0; i < n; i++) {
        cost += c->cost[codes[i]];
        for (int64_t k = v->node_offsets[codes[i]]; k < v->node_offsets[codes[i] + 1]; k++) {
            int32_t node = v->nodes[k], owner = c->owner[node];
            if (seen[node] == stamp) continue;
            seen[node] = stamp;
            s->wanted++;
            if (owner == rank) continue;
            fetched++;
            given[owner]++;
            asks[owner] = 1;
        }
    }
    s->fetched += (double)fetched;
    for (int r = 0; r < c->size; r++) s->asked += asks[r];
    if ((double)fetched > s->most_fetched) s->most_fetched = (double)fetched;
    return cost;
}

static int count_batches(struct counting *c, struct sums *s) {
    int64_t *codes, *seen, stamp = 0;
    double *given;
    TRY(mem_alloc(&codes, c->batch, sizeof *codes));
    TRY(mem_alloc(&seen, c->vocabulary.n_nodes, sizeof *seen));
    TRY(mem_alloc(&given, c->size, sizeof *given));
    for (int64_t b = 0; b < c->batches; b++) {
        double most = 0, all = 0;
        memset(given, 0, (size_t)c->size * sizeof *given);
        for (int r = 0; r < c->size; r++) {
            double cost = count_part(c, r, b, codes, seen, ++stamp, given, s);
            all += cost;
            if (cost > most) most = cost;
        }
        s->imbalance += most * c->size / all;
        for (int r = 0; r < c->size; r++)
            if (given[r] > s->most_given) s->most_given = given[r];
    }
    free(codes);
    free(seen);
    free(given);
    return STATUS_OK;
}

/* Columns: partition, ranks; of a rank and batch: rows wanted, of them fetched, ranks asked; the most that one fetches, and gives, in any
 * batch; cost of the rank with the most over the mean; kB that a rank is sent with owners (questions, rows, gradients), and with a table on
 * every rank (numbers and gradients of all other ranks' rows); seconds of the order. */
static void print_line(const struct counting *c, enum partition partition, const struct sums *s) {
    double parts = (double)(c->batches * c->size), row = (double)c->node_dim * 4;
    printf("%s\t%d\t%.0f\t%.0f\t%.1f\t%.0f\t%.0f\t%.3f\t%.0f\t%.0f\t%.2f\n", NAMES[partition], c->size,
           s->wanted / parts, s->fetched / parts, s->asked / parts, s->most_fetched, s->most_given,
           s->imbalance / (double)c->batches, s->fetched / parts * (4 + 2 * row) / 1e3,
           s->wanted / parts * (c->size - 1) * (4 + row) / 1e3, partition == PARTITION_GRAPH ? c->seconds : 0);
}

static int count(struct counting *c, enum partition partition, int size) {
    struct sums sums = {0};
    c->size = size;
    TRY(mem_alloc(&c->samplers, size, sizeof *c->samplers));
    int status = STATUS_OK;
    for (int r = 0; r < size && status == STATUS_OK; r++) {
        struct comm comm = {.rank = r, .size = size};
        status = sampler_make(&c->samplers[r], &comm, partition, c->graph_order, SEED, 0, "codes", c->n_codes, c->batch,
                              c->cost);
    }
    if (status == STATUS_OK) status = find_owners(c, partition);
    if (status == STATUS_OK) status = count_batches(c, &sums);
    if (status == STATUS_OK) print_line(c, partition, &sums);
    for (int r = 0; r < size; r++) sampler_free(&c->samplers[r]);
    free(c->samplers);
    return status;
}

static int run(int n_arguments, char **arguments) {
    struct counting c = {.batch = atoll(arguments[2]), .batches = atoll(arguments[3]), .node_dim = atoll(arguments[4])};
    const struct comm comm = comm_self();
    int status;
    TRY_DONE(vocabulary_read(arguments[1], 0, -1, VOCABULARY_GRAPHS, &c.vocabulary));
    TRY_DONE(dataset_costs(arguments[1], SIDES_BOTH, &c.cost, &c.n_codes));
    c.seconds = -processor_seconds();
    TRY_DONE(graph_order_make(&comm, arguments[1], &c.graph_order, &c.n_codes));
    c.seconds += processor_seconds();
    TRY_DONE(mem_alloc(&c.owner, c.vocabulary.n_nodes, sizeof *c.owner));
    for (int p = PARTITION_BLOCK; p <= PARTITION_GRAPH; p++)
        for (int i = 5; i < n_arguments; i++) TRY_DONE(count(&c, (enum partition)p, atoi(arguments[i])));
done:
    vocabulary_free(&c.vocabulary);
    free(c.cost);
    free(c.graph_order);
    free(c.owner);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr, "usage: partition_shares VOCABULARY BATCH BATCHES NODE_DIM RANKS...\n");
        return 2;
    }
    log_configure(0, LOG_LEVEL_WARN);
    if (run(argc, argv) == STATUS_OK) return 0;
    fprintf(stderr, "%s\n", status_message());
    return 1;
}
