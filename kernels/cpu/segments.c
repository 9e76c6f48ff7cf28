/* Rows by index, and rows in segments. */
#include "cpu/cpu.h"
#include "cpu/dropout_cpu.h"
#include "dropout.h"
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

/* Sixteen Philox counters side by side, so that the compiler makes vectors of the rounds. */
enum { LANES = DROPOUT_CHUNK / 8 };

void cpu_dropout_factors(struct dropout dropout, uint64_t key, int64_t chunk, real factor[DROPOUT_CHUNK]) {
    uint32_t c0[LANES], c1[LANES], c2[LANES], c3[LANES];
    uint32_t key0 = (uint32_t)dropout.seed, key1 = (uint32_t)(dropout.seed >> 32);
    uint32_t threshold = dropout_threshold(dropout.rate);
    real scale = (real)(1 / (1 - dropout.rate));
    for (int l = 0; l < LANES; l++) { /* the counter of philox4x32() */
        c0[l] = (uint32_t)(chunk * LANES + l);
        c1[l] = dropout.stream ^ ((uint32_t)(key >> 32) << 12);
        c2[l] = dropout.step;
        c3[l] = (uint32_t)key;
    }
    for (int round = 0; round < 10; round++) {
#pragma omp simd
        for (int l = 0; l < LANES; l++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[l], p1 = (uint64_t)0xCD9E8D57u * c2[l];
            uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1[l] ^ key0, n2 = (uint32_t)(p0 >> 32) ^ c3[l] ^ key1;
            c1[l] = (uint32_t)p1;
            c3[l] = (uint32_t)p0;
            c0[l] = n0;
            c2[l] = n2;
        }
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    for (int l = 0; l < LANES; l++) {
        uint32_t words[4] = {c0[l], c1[l], c2[l], c3[l]};
        for (int e = 0; e < 8; e++)
            factor[l * 8 + e] = (words[e / 2] >> (e % 2 * 16) & 0xffff) >= threshold ? scale : 0;
    }
}

void cpu_dropout_segment(struct dropout dropout, int32_t key, int64_t count, real *factor) {
    for (int64_t c = 0; c * DROPOUT_CHUNK < count; c++)
        cpu_dropout_factors(dropout, (uint64_t)(uint32_t)key, c, factor + c * DROPOUT_CHUNK);
}

void cpu_dropout(struct device *device, struct ragged rows, int64_t cols, dev_int keys, struct dropout dropout,
                 dev_real x, dev_real y, int accumulate) {
    if (device->error[0]) return;
    real keep = accumulate ? 1 : 0;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(dynamic, 16)
    for (int64_t i = 0; i < rows.n; i++) {
        const real *from = x.at + (int64_t)rows.offsets.at[i] * cols;
        real *to = y.at + (int64_t)rows.offsets.at[i] * cols, factor[DROPOUT_CHUNK];
        int64_t count = (int64_t)(rows.offsets.at[i + 1] - rows.offsets.at[i]) * cols;
        for (int64_t first = 0; first < count; first += DROPOUT_CHUNK) {
            int64_t m = first + DROPOUT_CHUNK < count ? DROPOUT_CHUNK : count - first;
            cpu_dropout_factors(dropout, (uint64_t)(uint32_t)keys.at[i], first / DROPOUT_CHUNK, factor);
#pragma omp simd
            for (int64_t e = 0; e < m; e++) {
                real kept = factor[e] * from[first + e];
                to[first + e] = keep == 0 ? kept : to[first + e] + kept;
            }
        }
    }
}
