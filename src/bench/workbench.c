/* The sizes of a step, and how many sets of operands are laid out. */
#include "bench/workbench.h"

#include <unistd.h>

#include "base/status.h"

/* Unless told otherwise, the sets of a case fill at least this much, or twice the last cache if that is more, and at most MOST_RING. */
static const int64_t LEAST_RING = INT64_C(128) << 20, MOST_RING = INT64_C(1) << 30;
enum { MOST_SETS = 4096 };

static int64_t total_length(int64_t n, int64_t mean, uint64_t stream) {
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++) sum += number_length(mean, stream, i);
    return sum;
}

int64_t bench_edge_count(const struct step_sizes *s, int64_t n) { return n * s->edges / s->nodes; }

static int64_t ring_bytes(int64_t megabytes) {
    int64_t twice_the_cache = 2 * sysconf(_SC_LEVEL3_CACHE_SIZE);
    int64_t bytes = LEAST_RING > twice_the_cache ? LEAST_RING : twice_the_cache;
    if (megabytes > 0) return megabytes * 1000000;
    return bytes < MOST_RING ? bytes : MOST_RING;
}

void workbench_make(struct workbench *w, struct device *device, const struct step_sizes *sizes, int64_t megabytes) {
    *w = (struct workbench){.device = device, .sizes = *sizes, .ring_bytes = ring_bytes(megabytes)};
    w->sizes.batch_nodes = total_length(sizes->batch, sizes->nodes, GRAPH_LENGTHS);
    w->sizes.batch_tokens = total_length(sizes->batch, sizes->tokens, TEXT_LENGTHS);
    w->sizes.linear_rows = device->linear_rows;
}

void workbench_free(struct workbench *w) { call_free(&w->call); }

int workbench_prepare(struct workbench *w, const struct kernel_case *what) {
    int64_t size[CASE_SIZES] = {0};
    call_free(&w->call);
    what->of_step(&w->sizes, size);
    int bad = call_lay_out(&w->call, what, w->device, size, 1, 0);
    int64_t reals = w->call.set_reals > 0 ? w->call.set_reals : 1;
    int64_t n = w->ring_bytes / (reals * (int64_t)sizeof(real));
    bad = bad || call_make(&w->call, n < 1 ? 1 : n > MOST_SETS ? MOST_SETS : n);
    return bad ? status_set(STATUS_FAILED, "%s", device_error(w->device)) : STATUS_OK;
}

void workbench_run(struct workbench *w) { call_run(&w->call); }
