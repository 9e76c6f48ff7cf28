/* Attention of one query row a segment, with rows that are key and value of every head. Threads share the segments. */
#include <omp.h>

#include "cpu/cpu.h"
#include "cpu/dropout_cpu.h"
#include "cpu/row_math.h"

/* The longest segment. */
static int64_t longest(struct ragged rows) {
    int64_t most = 0;
    for (int64_t i = 0; i < rows.n; i++)
        if (rows.offsets.at[i + 1] - rows.offsets.at[i] > most) most = rows.offsets.at[i + 1] - rows.offsets.at[i];
    return most;
}

/* Dropout factors of the segment's heads * n probabilities; NULL: none. */
static const real *drop_factors(struct dropout dropout, dev_int drop_keys, int64_t segment, int64_t count,
                                real *factor) {
    if (dropout.rate == 0) return NULL;
    cpu_dropout_segment(dropout, drop_keys.at[segment], count, factor);
    return factor;
}

void cpu_shared_attention(struct device *device, struct ragged rows, int64_t heads, int64_t dim, double scale,
                          dev_int drop_keys, struct dropout dropout, dev_real q, dev_real x, dev_real probs,
                          dev_real out, dev_real sums) {
    if (device->error[0]) return;
    int64_t room = dropout_room(longest(rows) * heads);
    real *scratch = cpu_scratch(device, cpu_threads(device) * room);
    if (!scratch) return;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(dynamic, 8)
    for (int64_t i = 0; i < rows.n; i++) {
        int64_t first = rows.offsets.at[i], n = rows.offsets.at[i + 1] - first;
        const real *factor = drop_factors(dropout, drop_keys, i, n * heads, scratch + omp_get_thread_num() * room);
        const real *segment = x.at + first * dim;
        for (int64_t h = 0; h < heads; h++) {
            const real *query = q.at + (i * heads + h) * dim;
            real *p = probs.at + first * heads + h * n, *o = out.at + (i * heads + h) * dim, sum = 0;
            memset(o, 0, (size_t)dim * sizeof(real));
            for (int64_t r = 0; r < n; r++) p[r] = (real)scale * row_dot(query, segment + r * dim, dim);
            if (n > 0) row_softmax(p, n);
            for (int64_t r = 0; r < n; r++) {
                real w = factor ? factor[h * n + r] * p[r] : p[r];
                row_add(w, segment + r * dim, o, dim);
                sum += w;
            }
            sums.at[i * heads + h] = sum;
        }
    }
}

/* One head: w_r = p_r f_r, dw_r = dout.x_r + dsum, ds_r = p_r (f_r dw_r - sum_j p_j f_j dw_j). slope [n] is scratch. */
static void head_backward(int64_t n, int64_t dim, real scale, const real *factor, const real *query, const real *x,
                          const real *p, const real *dout, real dsum, real *dquery, real *dx, real *slope) {
    real mean = 0;
    for (int64_t r = 0; r < n; r++) {
        real f = factor ? factor[r] : 1;
        slope[r] = f * (row_dot(dout, x + r * dim, dim) + dsum);
        mean += p[r] * slope[r];
        row_add(f * p[r], dout, dx + r * dim, dim);
    }
    for (int64_t r = 0; r < n; r++) {
        real s = scale * p[r] * (slope[r] - mean);
        row_add(s, x + r * dim, dquery, dim);
        row_add(s, query, dx + r * dim, dim);
    }
}

void cpu_shared_attention_backward(struct device *device, struct ragged rows, int64_t heads, int64_t dim, double scale,
                                   dev_int drop_keys, struct dropout dropout, dev_real q, dev_real x, dev_real probs,
                                   dev_real dout, dev_real dsums, dev_real dq, dev_real dx) {
    if (device->error[0]) return;
    int64_t most = longest(rows), room = dropout_room(most * heads) + most;
    real *scratch = cpu_scratch(device, cpu_threads(device) * room);
    if (!scratch) return;
#pragma omp parallel for num_threads(cpu_threads(device)) schedule(dynamic, 8)
    for (int64_t i = 0; i < rows.n; i++) {
        int64_t first = rows.offsets.at[i], n = rows.offsets.at[i + 1] - first;
        real *slope = scratch + omp_get_thread_num() * room;
        const real *factor = drop_factors(dropout, drop_keys, i, n * heads, slope + most);
        for (int64_t h = 0; h < heads; h++)
            head_backward(n, dim, (real)scale, factor ? factor + h * n : NULL, q.at + (i * heads + h) * dim,
                          x.at + first * dim, probs.at + first * heads + h * n, dout.at + (i * heads + h) * dim,
                          dsums.at[i * heads + h], dq.at + (i * heads + h) * dim, dx.at + first * dim, slope);
    }
}
