/* The backward of the rotation trick: rows are short, and each is read twice. */
#include "cpu/cpu.h"
#include "cpu/row_math.h"

static real at_least(real norm) { return norm <= (real)1e-12 ? (real)1e-12 : norm; /* a NaN stays */ }

/* h = (z' + q') / |z' + q'| is not made: with s = z/|z| + q/|q| and t = max(|s|, 1e-12), h.dq = s.dq / t. */
static void rotate_row(int64_t dim, const real *z, const real *q, const real *dq, real *dz) {
    real length_z = at_least(real_sqrt(row_dot(z, z, dim))), length_q = real_sqrt(row_dot(q, q, dim));
    real of_z = 1 / length_z, of_q = 1 / at_least(length_q), square = 0, along_s = 0, along_q = 0;
#pragma omp simd reduction(+ : square, along_s, along_q)
    for (int64_t c = 0; c < dim; c++) {
        real s = of_z * z[c] + of_q * q[c];
        square += s * s;
        along_s += s * dq[c];
        along_q += of_q * q[c] * dq[c];
    }
    real length_s = at_least(real_sqrt(square)), scale = length_q * of_z, h = 2 * along_s / (length_s * length_s);
#pragma omp simd
    for (int64_t c = 0; c < dim; c++)
        dz[c] += scale * (dq[c] - h * (of_z * z[c] + of_q * q[c]) + 2 * along_q * of_z * z[c]);
}

void cpu_rotate_backward(struct device *device, int64_t n, int64_t dim, dev_real z, dev_real q, dev_real dq,
                         dev_real dz) {
    if (device->error[0]) return;
#pragma omp parallel for num_threads(cpu_threads(device)) if (n * dim > PARALLEL_MIN)
    for (int64_t r = 0; r < n; r++) rotate_row(dim, z.at + r * dim, q.at + r * dim, dq.at + r * dim, dz.at + r * dim);
}
