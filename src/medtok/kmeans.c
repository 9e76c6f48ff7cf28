/* Seeding and Lloyd's rounds. All ranks hold all points and centres on the host; a rank searches for its own share. */
#include "medtok/kmeans.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"

enum { SEED_ROUNDS = 16, LLOYD_ROUNDS = 8, BLOCK = 128 /* the quantiser's own block of queries */ };

/* Squared distances below this are rounding of float32: the vector is a centre already. */
static const double SAME = 1e-6;
/* Length of the noise beside a vector, as a share of the vectors' spread, and its least. */
static const double NEAR = 0.1, LEAST_NEAR = 0.01;

struct kmeans {
    const struct comm *comm;
    struct device *device;
    uint64_t seed;
    uint32_t stream;
    int64_t n, dim, k;
    const real *points;
    real *centres;
    int64_t first, count;     /* this rank's points */
    dev_real u, c, weight, q; /* [count, dim], [k, dim]; of the search */
    dev_int index;
    int32_t *local; /* [count] */
    double *found;  /* [2, n] nearest centre and D^2 of one search */
    double *nearest, *distance;
    struct draw *draws; /* [n] */
    double near;        /* length of the noise */
};

struct draw {
    double key;
    int64_t point;
};

static int make(struct kmeans *m) {
    int64_t blocks = (m->n + BLOCK - 1) / BLOCK, size = m->comm->size;
    int64_t last = blocks * (m->comm->rank + 1) / size * BLOCK;
    m->first = blocks * m->comm->rank / size * BLOCK;
    m->count = (last < m->n ? last : m->n) - m->first;
    TRY(mem_alloc(&m->local, m->count, sizeof *m->local));
    TRY(mem_alloc(&m->found, 2 * m->n, sizeof *m->found));
    TRY(mem_alloc(&m->nearest, m->n, sizeof *m->nearest));
    TRY(mem_alloc(&m->distance, m->n, sizeof *m->distance));
    TRY(mem_alloc(&m->draws, m->n, sizeof *m->draws));
    m->u = device_alloc_reals(m->device, m->count * m->dim);
    m->c = device_alloc_reals(m->device, m->k * m->dim);
    m->q = device_alloc_reals(m->device, m->count * m->dim);
    m->weight = device_alloc_reals(m->device, m->count);
    m->index = device_alloc_ints(m->device, m->count);
    if (device_error(m->device)) return status_set(STATUS_FAILED, "k-means: %s", device_error(m->device));
    device_upload_reals(m->device, m->u, m->points + m->first * m->dim, m->count * m->dim);
    return STATUS_OK;
}

static void discard(struct kmeans *m) {
    dev_real all[] = {m->u, m->c, m->weight, m->q};
    for (int i = 0; i < 4; i++) device_free_reals(m->device, all[i]);
    device_free_ints(m->device, m->index);
    free(m->local);
    free(m->found);
    free(m->nearest);
    free(m->distance);
    free(m->draws);
}

static double squared_distance(const real *a, const real *b, int64_t n) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += ((double)a[j] - b[j]) * ((double)a[j] - b[j]);
    return sum;
}

/* Each point's nearest of the centres first .. last-1, and D^2; `fresh`: forgets what was found before. */
static int search(struct kmeans *m, int64_t first, int64_t last, int fresh) {
    struct device *d = m->device;
    device_upload_reals(d, dev_real_at(m->c, first * m->dim), m->centres + first * m->dim, (last - first) * m->dim);
    struct quantize z = {.n = m->count, .dim = m->dim, .first = first, .last = last, .top_k = 1, .u = m->u, .c = m->c};
    d->run->quantize(d, &z, (struct picks){.index = m->index, .weight = m->weight}, m->q);
    device_download_ints(d, m->local, m->index, m->count);
    memset(m->found, 0, 2 * (size_t)m->n * sizeof *m->found);
    for (int64_t i = 0; i < m->count; i++) {
        int64_t point = m->first + i;
        m->found[point] = m->local[i];
        m->found[m->n + point] =
            squared_distance(m->points + point * m->dim, m->centres + m->local[i] * m->dim, m->dim);
    }
    TRY(comm_sum_double(m->comm, m->found, 2 * m->n));
    for (int64_t i = 0; i < m->n; i++)
        if (fresh || m->found[m->n + i] < m->distance[i])
            m->nearest[i] = m->found[i], m->distance[i] = m->found[m->n + i];
    return STATUS_OK;
}

/* Root mean square of the distances from the mean direction: |u - m / |m||^2 has the mean 2 - 2 |m|. */
static double spread(const struct kmeans *m) {
    double square = 0;
    for (int64_t j = 0; j < m->dim; j++) {
        double sum = 0;
        for (int64_t i = 0; i < m->n; i++) sum += m->points[i * m->dim + j];
        square += sum * sum;
    }
    return sqrt(fmax(0, 2 - 2 * sqrt(square) / (double)m->n));
}

static int by_key(const void *a, const void *b) {
    const struct draw *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->point < y->point ? -1 : x->point > y->point;
}

/* The order in which points are drawn in a round; returns how many can be. */
static int64_t order_draws(struct kmeans *m, uint32_t round) {
    int64_t n = 0;
    for (int64_t i = 0; i < m->n; i++) {
        if (m->distance[i] < SAME) continue;
        double exponential = -log(1 - rng_uniform(m->seed, m->stream, round, (uint64_t)i));
        m->draws[n++] = (struct draw){exponential / m->distance[i], i};
    }
    qsort(m->draws, (size_t)n, sizeof *m->draws, by_key);
    return n;
}

static void put_near_a_point(struct kmeans *m, int64_t centre, uint32_t round) {
    int64_t point = (int64_t)(rng_uniform(m->seed, m->stream + 1, round, (uint64_t)centre) * (double)m->n);
    double scale = m->near / sqrt((double)m->dim), square = 0;
    real *out = m->centres + centre * m->dim;
    for (int64_t j = 0; j < m->dim; j++) {
        uint64_t element = (uint64_t)(centre * m->dim + j);
        out[j] = m->points[point * m->dim + j] + (real)(scale * rng_normal(m->seed, m->stream + 2, round, element));
        square += (double)out[j] * out[j];
    }
    for (int64_t j = 0; j < m->dim; j++) out[j] = (real)(out[j] / sqrt(square));
}

/* Fills centres, the numbered ones, with drawn points. */
static void fill_centres(struct kmeans *m, const int64_t *centres, int64_t n, uint32_t round) {
    int64_t can = order_draws(m, round);
    for (int64_t i = 0; i < n; i++)
        if (i < can)
            memcpy(m->centres + centres[i] * m->dim, m->points + m->draws[i].point * m->dim,
                   (size_t)m->dim * sizeof(real));
        else
            put_near_a_point(m, centres[i], round);
}

static double mean_distance(const struct kmeans *m) {
    double sum = 0;
    for (int64_t i = 0; i < m->n; i++) sum += m->distance[i];
    return sum / (double)m->n;
}

static int seed_centres(struct kmeans *m, int64_t *numbers) {
    for (int64_t i = 0; i < m->n; i++) m->distance[i] = 8; /* more than any */
    for (uint32_t round = 0; round < SEED_ROUNDS; round++) {
        int64_t first = m->k * round / SEED_ROUNDS, last = m->k * (round + 1) / SEED_ROUNDS;
        if (first == last) continue;
        for (int64_t i = first; i < last; i++) numbers[i - first] = i;
        fill_centres(m, numbers, last - first, round);
        TRY(search(m, first, last, 0));
    }
    return STATUS_OK;
}

/* Means of what is nearest to each centre; sums [k, dim + 1]. */
static void move_centres(struct kmeans *m, uint32_t round, double *sums, int64_t *numbers) {
    int64_t width = m->dim + 1, empty = 0;
    memset(sums, 0, (size_t)(m->k * width) * sizeof *sums);
    for (int64_t i = 0; i < m->n; i++) {
        double *sum = sums + (int64_t)m->nearest[i] * width;
        for (int64_t j = 0; j < m->dim; j++) sum[j] += m->points[i * m->dim + j];
        sum[m->dim]++;
    }
    for (int64_t c = 0; c < m->k; c++) {
        double square = 0;
        for (int64_t j = 0; j < m->dim; j++) square += sums[c * width + j] * sums[c * width + j];
        if (sums[c * width + m->dim] == 0 || square == 0)
            numbers[empty++] = c;
        else
            for (int64_t j = 0; j < m->dim; j++)
                m->centres[c * m->dim + j] = (real)(sums[c * width + j] / sqrt(square));
    }
    if (empty) fill_centres(m, numbers, empty, round);
}

int kmeans(const struct comm *comm, struct device *device, uint64_t seed, uint32_t stream, int64_t n, int64_t dim,
           const real *points, int64_t k, real *centres, struct kmeans_fit *fit) {
    struct kmeans m = {.comm = comm, .device = device, .seed = seed, .stream = stream, .n = n, .dim = dim, .k = k};
    m.points = points;
    m.centres = centres;
    m.near = fmax(NEAR * spread(&m), LEAST_NEAR);
    int64_t *numbers = NULL;
    double *sums = NULL;
    int status = make(&m);
    if (status == STATUS_OK) status = mem_alloc(&numbers, k, sizeof *numbers);
    if (status == STATUS_OK) status = mem_alloc(&sums, k * (dim + 1), sizeof *sums);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(seed_centres(&m, numbers));
    fit->seeded = mean_distance(&m);
    for (uint32_t round = 0; round < LLOYD_ROUNDS; round++) {
        TRY_DONE(search(&m, 0, k, 1));
        fit->final = mean_distance(&m);
        move_centres(&m, SEED_ROUNDS + round, sums, numbers);
    }
done:
    discard(&m);
    free(numbers);
    free(sums);
    return status;
}
