/* Resamples are shared out among ranks and threads; each is computed whole by one of them. */
#include "measure/bootstrap.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "dist/gather.h"

/* 2^32 P(X <= k) of a Poisson(1) number X */
#define AT_MOST(probability) ((uint32_t)((probability)*4294967296.0))
static const uint32_t POISSON[] = {AT_MOST(0.36787944117144), AT_MOST(0.73575888234288), AT_MOST(0.91969860292861),
                                   AT_MOST(0.98101184312385), AT_MOST(0.99634015317266), AT_MOST(0.99940581518242),
                                   AT_MOST(0.99991675885071), AT_MOST(0.99998975080333)};
enum { N_POISSON = sizeof POISSON / sizeof *POISSON };

static void draw_weights(const struct bootstrap *b, const struct bootstrap_measure *m, int64_t resample,
                         uint8_t *weights) {
    for (int64_t u = 0; u < m->n_units; u += 4) {
        uint32_t words[4];
        rng_words(b->seed, RNG_BOOTSTRAP + m->stream, (uint32_t)resample, (uint64_t)(u / 4), 0, words);
        for (int64_t i = u; i < u + 4 && i < m->n_units; i++) {
            weights[i] = 0;
            for (int k = 0; k < N_POISSON; k++) weights[i] += words[i - u] >= POISSON[k];
        }
    }
}

/* Other ranks are as far, about. */
static void tell(const struct bootstrap *b, const int64_t *finished) {
    int64_t mine;
#pragma omp atomic read
    mine = *finished;
    progress_update(b->progress, b->progress->done + mine * b->comm->size);
}

/* values [resamples, n_results]: this rank's resamples. */
static int resample(const struct bootstrap *b, const struct bootstrap_measure *m, double *values) {
    int failed = 0;
    int64_t finished = 0;
#pragma omp parallel for num_threads(b->threads) schedule(dynamic) reduction(+ : failed)
    for (int64_t r = b->comm->rank; r < b->resamples; r += b->comm->size) {
        uint8_t *weights = malloc((size_t)m->n_units + 1);
        void *scratch = malloc((size_t)m->scratch_bytes + 1);
        if (weights && scratch) {
            draw_weights(b, m, r, weights);
            m->compute(m->context, weights, scratch, values + r * m->n_results);
        } else {
            failed++;
        }
        free(weights);
        free(scratch);
#pragma omp atomic
        finished++;
        if (b->progress && omp_get_thread_num() == 0) tell(b, &finished);
    }
    if (b->progress) b->progress->done += b->resamples;
    return failed ? status_set(STATUS_FAILED, "out of memory for resampling %lld units", (long long)m->n_units)
                  : STATUS_OK;
}

static int compute_once(const struct bootstrap_measure *m, double *results) {
    uint8_t *weights = NULL;
    void *scratch = NULL;
    int status;
    TRY_DONE(mem_alloc(&weights, m->n_units, 1));
    TRY_DONE(mem_alloc(&scratch, m->scratch_bytes, 1));
    memset(weights, 1, (size_t)m->n_units);
    m->compute(m->context, weights, scratch, results);
done:
    free(weights);
    free(scratch);
    return status;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int64_t n, double share) {
    double position = share * (double)(n - 1), below = floor(position);
    int64_t i = (int64_t)below, next = i + 1 < n ? i + 1 : i;
    return sorted[i] + (position - below) * (sorted[next] - sorted[i]);
}

/* Sorts values[n], of which those that are not finite are left out. */
static struct estimate summarize(const struct bootstrap_measure *m, int result, double value, double *values,
                                 int64_t n) {
    struct estimate e = {0};
    double sum = 0;
    int64_t finite = 0;
    if (!isfinite(value)) return e;
    for (int64_t r = 0; r < n; r++)
        if (isfinite(values[r])) sum += values[finite++] = values[r];
    e = (struct estimate){value, value, value, m->n_units};
    if (finite == 0) return e;
    qsort(values, (size_t)finite, sizeof *values, ascending);
    double shift = m->shift >> result & 1 ? value - sum / (double)finite : 0;
    e.low = quantile(values, finite, 0.025) + shift;
    e.high = quantile(values, finite, 0.975) + shift;
    return e;
}

int bootstrap_run(const struct bootstrap *b, const struct bootstrap_measure *m, struct estimate *estimates) {
    double once[BOOTSTRAP_MOST_RESULTS], *values = NULL, *column = NULL;
    int status;
    memset(estimates, 0, (size_t)m->n_results * sizeof *estimates);
    if (m->n_units == 0) return STATUS_OK;
    status = mem_alloc(&values, b->resamples * m->n_results, sizeof *values);
    if (status == STATUS_OK) status = mem_alloc(&column, b->resamples, sizeof *column);
    if (status == STATUS_OK && b->poll) status = b->poll();
    if (status == STATUS_OK) status = compute_once(m, once);
    if (status == STATUS_OK) status = resample(b, m, values);
    TRY_DONE(comm_agree(b->comm, status));
    TRY_DONE(comm_gather_blocks(b->comm, b->resamples, 1, m->n_results * (int64_t)sizeof *values, values));
    for (int i = 0; i < m->n_results; i++) {
        for (int64_t r = 0; r < b->resamples; r++) column[r] = values[r * m->n_results + i];
        estimates[i] = summarize(m, i, once[i], column, b->resamples);
    }
done:
    free(values);
    free(column);
    return status;
}

/* ---- pairs of values ---- */
struct comparison {
    int64_t n;
    const double *a, *b;
};

static void compare(const void *context, const uint8_t *weights, void *scratch, double *results) {
    const struct comparison *c = context;
    double a = 0, b = 0, n = 0;
    (void)scratch;
    for (int64_t i = 0; i < c->n; i++) {
        a += weights[i] * c->a[i];
        b += weights[i] * c->b[i];
        n += weights[i];
    }
    results[0] = n > 0 ? a / n : NAN;
    results[1] = n > 0 ? b / n : NAN;
    results[2] = results[0] - results[1];
    results[3] = b > 0 ? a / b : NAN;
}

int bootstrap_compare(const struct bootstrap *bootstrap, uint32_t stream, int64_t n, const double *a, const double *b,
                      struct estimate estimates[4]) {
    struct comparison comparison = {n, a, b};
    struct bootstrap_measure measure = {
        .n_units = n, .n_results = 4, .stream = stream, .compute = compare, .context = &comparison};
    return bootstrap_run(bootstrap, &measure, estimates);
}
