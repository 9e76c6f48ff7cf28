/* Weighted sums of a table's rows. */
#include "cpu/cpu.h"
#include "cpu/row_math.h"

static int64_t first_item(const struct bag *b, int64_t bag) {
    return b->items.offsets.at ? b->items.offsets.at[bag] : bag * (b->items.n_rows / b->items.n);
}

static real weight_of(const struct bag *b, int64_t item) { return b->weight.at ? b->weight.at[item] : 1; }

/* y = a + b, weighted; `keep`: y +=. Two rows at once, because they come from memory. */
static void add_two(real weight_a, const real *a, real weight_b, const real *b, int keep, real *y, int64_t n) {
    if (keep)
#pragma omp simd
        for (int64_t c = 0; c < n; c++) y[c] = y[c] + weight_a * a[c] + weight_b * b[c];
    else
#pragma omp simd
        for (int64_t c = 0; c < n; c++) y[c] = weight_a * a[c] + weight_b * b[c];
}

void cpu_bag(struct device *device, const struct bag *b, dev_real table, dev_real y, int accumulate) {
    if (device->error[0]) return;
    int64_t cols = b->cols;
#pragma omp parallel for num_threads(cpu_threads(device)) if (b->items.n_rows * cols > PARALLEL_MIN)                   \
    schedule(dynamic, 64)
    for (int64_t i = 0; i < b->items.n; i++) {
        real *sum = y.at + i * cols, weight = 0;
        const real *waiting = NULL;
        int keep = accumulate;
        for (int64_t p = first_item(b, i); p < first_item(b, i + 1); p++) {
            if (b->index.at[p] < 0) continue;
            const real *row = table.at + b->index.at[p] * cols;
            if (waiting) {
                add_two(weight, waiting, weight_of(b, p), row, keep, sum, cols);
                keep = 1;
                waiting = NULL;
            } else {
                waiting = row;
                weight = weight_of(b, p);
            }
        }
        if (!keep) memset(sum, 0, (size_t)cols * sizeof *sum);
        if (waiting) row_add(weight, waiting, sum, cols);
    }
}

/* Several items may add to one row, so threads share the columns; each adds in the order of the items. */
static void add_to_table(struct device *device, const struct bag *b, const real *dy, real *dtable) {
    int64_t cols = b->cols, threads = cpu_threads(device), slice = (cols + threads - 1) / threads;
#pragma omp parallel for num_threads((int)threads) if (b->items.n_rows * cols > PARALLEL_MIN) schedule(static, 1)
    for (int64_t first = 0; first < cols; first += slice) {
        int64_t width = first + slice < cols ? slice : cols - first;
        for (int64_t i = 0; i < b->items.n; i++)
            for (int64_t p = first_item(b, i); p < first_item(b, i + 1); p++)
                if (b->index.at[p] >= 0)
                    row_add(weight_of(b, p), dy + i * cols + first, dtable + b->index.at[p] * cols + first, width);
    }
}

void cpu_bag_backward(struct device *device, const struct bag *b, dev_real table, dev_real dy, dev_real dtable,
                      dev_real dweight) {
    if (device->error[0]) return;
    int64_t cols = b->cols;
    if (dtable.at) add_to_table(device, b, dy.at, dtable.at);
    if (!dweight.at) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (b->items.n_rows * cols > PARALLEL_MIN)                   \
    schedule(dynamic, 64)
    for (int64_t i = 0; i < b->items.n; i++)
        for (int64_t p = first_item(b, i); p < first_item(b, i + 1); p++)
            if (b->index.at[p] >= 0) dweight.at[p] += row_dot(dy.at + i * cols, table.at + b->index.at[p] * cols, cols);
}
