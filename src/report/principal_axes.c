#include "report/principal_axes.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"

/* The power method gains a digit in log(10) / log(l1 / l2) steps; axes whose eigenvalues are so near that this is not enough are as good
 * as any others of their plane. */
enum { MOST_STEPS = 2000 };
static const double CLOSE = 1e-12;

struct axes {
    int64_t n, width;
    const float *points;
    double *mean, *covariance; /* [width], [width, width] */
    double *axis, *next;       /* [width] */
};

static void make_mean(struct axes *a) {
    for (int64_t i = 0; i < a->n; i++)
        for (int64_t c = 0; c < a->width; c++) a->mean[c] += (double)a->points[i * a->width + c];
    for (int64_t c = 0; c < a->width; c++) a->mean[c] /= (double)a->n;
}

static void make_covariance(struct axes *a) {
    for (int64_t i = 0; i < a->n; i++) {
        for (int64_t c = 0; c < a->width; c++) a->next[c] = (double)a->points[i * a->width + c] - a->mean[c];
        for (int64_t r = 0; r < a->width; r++)
            for (int64_t c = 0; c < a->width; c++) a->covariance[r * a->width + c] += a->next[r] * a->next[c];
    }
    for (int64_t i = 0; i < a->width * a->width; i++) a->covariance[i] /= (double)a->n;
}

/* The row of the covariance with the largest diagonal is not at right angles to the first axis. */
static void begin(struct axes *a) {
    int64_t largest = 0;
    for (int64_t c = 1; c < a->width; c++)
        if (a->covariance[c * a->width + c] > a->covariance[largest * a->width + largest]) largest = c;
    for (int64_t c = 0; c < a->width; c++) a->axis[c] = a->covariance[largest * a->width + c];
}

/* Scales v to length 1, so that its largest entry is positive; its length before. */
static double normalize(int64_t width, double *v) {
    double square = 0, largest = 0;
    for (int64_t c = 0; c < width; c++) {
        square += v[c] * v[c];
        if (fabs(v[c]) > fabs(largest)) largest = v[c];
    }
    double length = sqrt(square), scale = length > 0 ? copysign(1 / length, largest) : 0;
    for (int64_t c = 0; c < width; c++) v[c] *= scale;
    return length;
}

/* One step: axis becomes C axis, of length 1. How far it moved; *eigenvalue: its length. */
static double step(struct axes *a, double *eigenvalue) {
    double moved = 0;
    for (int64_t r = 0; r < a->width; r++) {
        a->next[r] = 0;
        for (int64_t c = 0; c < a->width; c++) a->next[r] += a->covariance[r * a->width + c] * a->axis[c];
    }
    *eigenvalue = normalize(a->width, a->next);
    for (int64_t c = 0; c < a->width; c++) {
        moved += (a->next[c] - a->axis[c]) * (a->next[c] - a->axis[c]);
        a->axis[c] = a->next[c];
    }
    return moved;
}

/* The axis of the largest eigenvalue, which is taken out of the covariance. */
static double find_axis(struct axes *a) {
    double eigenvalue = 0;
    begin(a);
    normalize(a->width, a->axis);
    for (int i = 0; i < MOST_STEPS && step(a, &eigenvalue) > CLOSE * CLOSE; i++) continue;
    for (int64_t r = 0; r < a->width; r++)
        for (int64_t c = 0; c < a->width; c++) a->covariance[r * a->width + c] -= eigenvalue * a->axis[r] * a->axis[c];
    return eigenvalue;
}

static void place_points(const struct axes *a, int k, double *places) {
    for (int64_t i = 0; i < a->n; i++) {
        double place = 0;
        for (int64_t c = 0; c < a->width; c++) place += ((double)a->points[i * a->width + c] - a->mean[c]) * a->axis[c];
        places[i * PRINCIPAL_AXES + k] = place;
    }
}

int principal_axes(int64_t n, int64_t width, const float *points, double *places, double share[PRINCIPAL_AXES]) {
    struct axes a = {.n = n, .width = width, .points = points};
    double total = 0;
    int status;
    TRY_DONE(mem_alloc(&a.mean, width, sizeof *a.mean));
    TRY_DONE(mem_alloc(&a.covariance, width * width, sizeof *a.covariance));
    TRY_DONE(mem_alloc(&a.axis, width, sizeof *a.axis));
    TRY_DONE(mem_alloc(&a.next, width, sizeof *a.next));
    make_mean(&a);
    make_covariance(&a);
    for (int64_t c = 0; c < width; c++) total += a.covariance[c * width + c];
    for (int k = 0; k < PRINCIPAL_AXES; k++) {
        double eigenvalue = find_axis(&a);
        share[k] = total > 0 ? eigenvalue / total : 0;
        place_points(&a, k, places);
    }
done:
    free(a.mean);
    free(a.covariance);
    free(a.axis);
    free(a.next);
    return status;
}
