#include "ehr/vector_space.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/status.h"

void vectors_standardise(int64_t n, int64_t width, int64_t n_mean, float *x) {
    double square = 0;
    if (n_mean == 0) return;
    for (int64_t j = 0; j < width; j++) {
        double mean = 0;
        for (int64_t i = 0; i < n_mean; i++) mean += x[i * width + j];
        mean /= (double)n_mean;
        for (int64_t i = 0; i < n; i++) x[i * width + j] -= (float)mean;
        for (int64_t i = 0; i < n_mean; i++) square += (double)x[i * width + j] * x[i * width + j];
    }
    double scale = square > 0 ? sqrt((double)n_mean / square) : 1;
    for (int64_t i = 0; i < n * width; i++) x[i] *= (float)scale;
}

static double dot(int64_t n, const double *a, const double *b) {
    double sum = 0;
    for (int64_t k = 0; k < n; k++) sum += a[k] * b[k];
    return sum;
}

/* n orthonormal rows of `width` values, n <= width: normal ones, made so by Gram and Schmidt, twice for accuracy. */
static void draw_orthonormal(int64_t n, int64_t width, double *rows) {
    for (int64_t i = 0; i < n; i++) {
        double *row = rows + i * width;
        for (int64_t k = 0; k < width; k++) row[k] = rng_normal(0, RNG_VECTOR_WIDTH, 0, (uint64_t)(i * width + k));
        for (int64_t j = 0; j < 2 * i; j++) {
            const double *before = rows + j % i * width;
            double part = dot(width, row, before);
            for (int64_t k = 0; k < width; k++) row[k] -= part * before[k];
        }
        double length = sqrt(dot(width, row, row));
        for (int64_t k = 0; k < width; k++) row[k] /= length;
    }
}

int vectors_change_width(int64_t n, int64_t from, int64_t to, const float *x, float **out) {
    int64_t few = from < to ? from : to, many = from < to ? to : from;
    int64_t by_out = from < to ? 1 : from, by_in = from < to ? to : 1; /* steps through S or its transpose */
    double *rows;
    *out = NULL;
    TRY(mem_alloc(&rows, few * many, sizeof *rows));
    int status = mem_alloc(out, n * to, sizeof **out);
    if (status == STATUS_OK) {
        draw_orthonormal(few, many, rows);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < to; j++) {
                double sum = 0;
                for (int64_t k = 0; k < from; k++) sum += rows[j * by_out + k * by_in] * x[i * from + k];
                (*out)[i * to + j] = (float)sum;
            }
    }
    free(rows);
    return status;
}
