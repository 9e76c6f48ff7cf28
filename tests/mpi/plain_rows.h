/* The made-up data of test_train_mpi.c, and what is learned from it in plain loops in double precision. */
#ifndef MEDTOK_TESTS_PLAIN_ROWS_H
#define MEDTOK_TESTS_PLAIN_ROWS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/rng.h"
#include "real.h"
#include "train/options.h"

enum { N = 48, DIM = 4, GROUPS = 7, STEPS = 24 };
static const double OFFSET = 0.25; /* frozen */

/* ---- the data ---- */
static double x_of(int64_t row, int j) { return rng_normal(11, 1, (uint32_t)j, (uint64_t)row); }
static int group_of(int64_t row) { return (int)(row * 5 % GROUPS); }
static double sign_of(int64_t row) { return x_of(row, 0) - 0.5 * x_of(row, 1) + 0.3 * group_of(row) > 0.8 ? 1 : -1; }

/* ---- the same in plain loops ---- */
enum { N_VALUES = DIM + GROUPS + 1 };

struct plain {
    double value[N_VALUES], m[N_VALUES], v[N_VALUES], average[N_VALUES]; /* weight, effect, bias */
    double loss;
};

static struct plain plain_start(void) {
    struct plain p = {0};
    for (int j = 0; j < DIM; j++) p.value[j] = (real)(0.1 * rng_normal(5, RNG_INIT, 0, (uint64_t)j));
    for (int g = 0; g < GROUPS; g++)
        p.value[DIM + g] = (real)(0.1 * (2 * rng_uniform(5, RNG_INIT, 2, (uint64_t)g) - 1));
    memcpy(p.average, p.value, sizeof p.value);
    return p;
}

static void plain_gradient(struct plain *p, double *gradient) {
    memset(gradient, 0, N_VALUES * sizeof *gradient);
    p->loss = 0;
    for (int i = 0; i < N; i++) {
        double z = p->value[N_VALUES - 1] + p->value[DIM + group_of(i)] + OFFSET, y = sign_of(i);
        for (int j = 0; j < DIM; j++) z += p->value[j] * x_of(i, j);
        p->loss += log1p(exp(-y * z)) / N;
        double dz = -y / (1 + exp(y * z)) / N;
        for (int j = 0; j < DIM; j++) gradient[j] += dz * x_of(i, j);
        gradient[DIM + group_of(i)] += dz;
        gradient[N_VALUES - 1] += dz;
    }
}

static void plain_step(struct plain *p, const struct train_options *o, int step) {
    double gradient[N_VALUES], square = 0, keep = fmin(o->average, (1.0 + step) / (10.0 + step));
    plain_gradient(p, gradient);
    for (int k = 0; k < N_VALUES; k++) square += gradient[k] * gradient[k];
    double scale = sqrt(square) > o->clip ? o->clip / sqrt(square) : 1;
    for (int k = 0; k < N_VALUES; k++) {
        double g = scale * gradient[k], decay = k < DIM ? o->weight_decay : 0;
        p->m[k] = o->beta1 * p->m[k] + (1 - o->beta1) * g;
        p->v[k] = o->beta2 * p->v[k] + (1 - o->beta2) * g * g;
        double m = p->m[k] / (1 - pow(o->beta1, step)), v = p->v[k] / (1 - pow(o->beta2, step));
        p->value[k] = (1 - o->rate * decay) * p->value[k] - o->rate * m / (sqrt(v) + o->epsilon);
        p->average[k] = keep * p->average[k] + (1 - keep) * p->value[k];
    }
}

#endif
