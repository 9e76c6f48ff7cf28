/* Rows by index, and rows in segments. */
#include "cpu/cpu.h"
#include "half.h"

void cpu_gather_rows(struct device *device, int64_t n, int64_t cols, dev_real table, dev_int index, dev_real out) {
    if (device->error[0]) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (n * cols > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++) {
        if (index.at[i] < 0)
            memset(out.at + i * cols, 0, (size_t)cols * sizeof(real));
        else
            memcpy(out.at + i * cols, table.at + index.at[i] * cols, (size_t)cols * sizeof(real));
    }
}

void cpu_gather_halves(struct device *device, int64_t n, int64_t cols, dev_half table, dev_int index, dev_real out) {
    if (device->error[0]) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (n * cols > PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++) {
        real *to = out.at + i * cols;
        const uint16_t *from = table.at + index.at[i] * cols;
        if (index.at[i] < 0)
            memset(to, 0, (size_t)cols * sizeof(real));
        else
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) to[c] = (real)half_to_float(from[c]);
    }
}

/* Several inputs may add to one row, so threads share the columns, not the rows; each adds in input order. */
void cpu_scatter_add_rows(struct device *device, int64_t n, int64_t cols, dev_real x, dev_int index, dev_real table) {
    if (device->error[0]) return;
    int threads = cpu_threads(device);
    int64_t slice = (cols + threads - 1) / threads;
#pragma omp parallel for num_threads(threads) if (n * cols > PARALLEL_MIN) schedule(static, 1)
    for (int64_t first = 0; first < cols; first += slice) {
        int64_t end = first + slice < cols ? first + slice : cols;
        for (int64_t i = 0; i < n; i++) {
            if (index.at[i] < 0) continue;
            const real *from = x.at + i * cols;
            real *to = table.at + index.at[i] * cols;
#pragma omp simd
            for (int64_t c = first; c < end; c++) to[c] += from[c];
        }
    }
}

void cpu_segment_mean(struct device *device, struct ragged rows, int64_t cols, dev_real x, dev_real y) {
    if (device->error[0]) return;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(dynamic, 16)
    for (int64_t i = 0; i < rows.n; i++) {
        real *out = y.at + i * cols;
        memset(out, 0, (size_t)cols * sizeof(real));
        int64_t first = rows.offsets.at[i], end = rows.offsets.at[i + 1];
        for (int64_t r = first; r < end; r++)
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) out[c] += x.at[r * cols + c];
        real scale = end > first ? 1 / (real)(end - first) : 0;
        for (int64_t c = 0; c < cols; c++) out[c] *= scale;
    }
}

void cpu_segment_mean_backward(struct device *device, struct ragged rows, int64_t cols, dev_real dy, dev_real dx,
                               int accumulate) {
    if (device->error[0]) return;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(dynamic, 16)
    for (int64_t i = 0; i < rows.n; i++) {
        int64_t first = rows.offsets.at[i], end = rows.offsets.at[i + 1];
        real scale = end > first ? 1 / (real)(end - first) : 0;
        if (!accumulate) memset(dx.at + first * cols, 0, (size_t)((end - first) * cols) * sizeof(real));
        for (int64_t r = first; r < end; r++)
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) dx.at[r * cols + c] += scale * dy.at[i * cols + c];
    }
}
