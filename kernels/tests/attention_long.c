/* attention_long SEGMENTS TOKENS HEADS HEAD_DIM MOST_MB [DROPOUT]: causal self-attention on the CPU, forward and backward, with
 * q, k and v in one row. Prints times and the most memory that the process had; fails if that is more than MOST_MB, as it would
 * be if something grew with queries times keys. A decoder's step: attention_long 32 2048 12 64 8192. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "kernels.h"
#include "philox.h"

static struct device device;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static dev_real numbers(int64_t n) {
    static uint64_t counter;
    dev_real x = device_alloc_reals(&device, n);
    for (int64_t i = 0; x.at && i < n; i++) {
        uint32_t w[4];
        if (i % 4 == 0) philox4x32(1, 1, 0, counter++, 0, w);
        x.at[i] = (real)(w[i % 4] * 0x1p-31 - 1);
    }
    return x;
}

static void report(const char *what, double seconds, double flops) {
    printf("%-9s %8.2f s %8.1f GFLOP/s\n", what, seconds, flops / seconds * 1e-9);
}

static int run(int64_t n, int64_t length, int64_t heads, int64_t head_dim, double rate) {
    int64_t rows = n * length, dim = heads * head_dim;
    double product = (double)rows * (double)(length + 1) * (double)dim; /* operations of one of the seven products */
    dev_int offsets = device_alloc_ints(&device, n + 1), keys = device_alloc_ints(&device, n);
    dev_real qkv = numbers(rows * 3 * dim), out = numbers(rows * dim), dout = numbers(rows * dim);
    dev_real stats = numbers(rows * heads * 2), gradient = numbers(rows * 3 * dim);
    if (device_error(&device)) return 1;
    for (int64_t i = 0; i <= n; i++) offsets.at[i] = (int32_t)(i * length);
    for (int64_t i = 0; i < n; i++) keys.at[i] = (int32_t)i;
    struct attention a = {.heads = heads, .kv_heads = heads, .head_dim = head_dim, .ld_q = 3 * dim, .ld_kv = 3 * dim};
    a.queries = a.keys = spans_of((struct ragged){n, rows, offsets});
    a.causal = 1, a.scale = 1 / sqrt((double)head_dim), a.stats = stats;
    a.q = qkv, a.k = dev_real_at(qkv, dim), a.v = dev_real_at(qkv, 2 * dim);
    a.drop_keys = keys, a.dropout = (struct dropout){rate, 1, 2, 3};
    struct attention_gradients g = {.out = out, .dout = dout, .dq = gradient};
    g.dk = dev_real_at(gradient, dim), g.dv = dev_real_at(gradient, 2 * dim);
    double start = now();
    device.run->attention(&device, &a, out, (dev_real){NULL});
    double middle = now();
    device.run->attention_backward(&device, &a, &g);
    report("forward", middle - start, 2 * product);
    report("backward", now() - middle, 5 * product);
    dev_real const reals[] = {qkv, out, dout, stats, gradient};
    for (int i = 0; i < 5; i++) device_free_reals(&device, reals[i]);
    device_free_ints(&device, offsets);
    device_free_ints(&device, keys);
    return device_error(&device) != NULL;
}

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr, "usage: %s SEGMENTS TOKENS HEADS HEAD_DIM MOST_MB [DROPOUT]\n", argv[0]);
        return 2;
    }
    const char *threads = getenv("OMP_NUM_THREADS");
    double most = atof(argv[5]);
    struct rusage usage;
    if (device_open_cpu(&device, threads ? atoi(threads) : 2) ||
        run(atoll(argv[1]), atoll(argv[2]), atoll(argv[3]), atoll(argv[4]), argc > 6 ? atof(argv[6]) : 0)) {
        fprintf(stderr, "%s\n", device.error);
        return 1;
    }
    device_close(&device);
    getrusage(RUSAGE_SELF, &usage);
    double peak = (double)usage.ru_maxrss / 1024; /* Linux counts in kB */
    printf("peak      %8.0f MB of at most %.0f\n", peak, most);
    return peak > most;
}
