/* Each source makes the part of a block that it is asked for. */
#include "measure/probe_baselines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/device_status.h"
#include "base/rng.h"
#include "dist/gather.h"
#include "store/text_features.h"

/* ---- frozen text ---- */
static int read_text(void *self, int64_t first, int64_t count, float *rows) {
    const struct frozen_text *t = self;
    int64_t width = t->source.width;
    for (int64_t i = 0; i < count; i++) {
        int32_t row = t->row[first + i];
        if (row < 0)
            memset(rows + i * width, 0, (size_t)width * sizeof *rows);
        else
            memcpy(rows + i * width, t->rows + row * width, (size_t)width * sizeof *rows);
    }
    return STATUS_OK;
}

/* The codes whose vectors this rank is asked for. */
static int own_codes(const struct comm *comm, int64_t n, const uint8_t *used, int32_t *row, int64_t **codes,
                     int64_t *n_own) {
    *n_own = 0;
    TRY(mem_alloc(codes, n / comm->size + n / VECTOR_BLOCK * VECTOR_PIECE + VECTOR_BLOCK, sizeof **codes));
    for (int64_t i = 0; i < n; i++) row[i] = -1;
    for (int64_t first = 0; first < n; first += VECTOR_BLOCK) {
        int64_t begin, end;
        vector_part(comm, first, n - first < VECTOR_BLOCK ? n - first : VECTOR_BLOCK, &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            if (!used[i]) continue;
            row[i] = (int32_t)*n_own;
            (*codes)[(*n_own)++] = i;
        }
    }
    return STATUS_OK;
}

int frozen_text_make(struct frozen_text *t, const struct comm *comm, const char *path, const char *vocabulary_id,
                     int64_t n, const uint8_t *used) {
    int64_t *codes = NULL, n_own;
    *t = (struct frozen_text){.source = {.n = n, .read = read_text, .self = t, .used = used}};
    int status = mem_alloc(&t->row, n, sizeof *t->row);
    if (status == STATUS_OK) status = own_codes(comm, n, used, t->row, &codes, &n_own);
    if (status == STATUS_OK)
        status = text_features_means(path, vocabulary_id, n_own, codes, &t->source.width, &t->rows);
    free(codes);
    return comm_agree(comm, status);
}

void frozen_text_free(struct frozen_text *t) {
    free(t->row);
    free(t->rows);
    *t = (struct frozen_text){0};
}

/* ---- principal components ---- */
/* Of norm 1, less the mean; a code without text is 0. */
static void center(const struct text_components *p, int64_t code, real *out) {
    const struct frozen_text *t = p->text;
    int64_t in = t->source.width;
    const float *from = t->row[code] < 0 ? NULL : t->rows + t->row[code] * in;
    double square = 0;
    for (int64_t c = 0; from && c < in; c++) square += (double)from[c] * (double)from[c];
    for (int64_t c = 0; c < in; c++) out[c] = square > 0 ? from[c] / (real)sqrt(square) - p->components.mean[c] : 0;
}

static int read_components(void *self, int64_t first, int64_t count, float *rows) {
    struct text_components *p = self;
    struct device *d = p->device;
    int64_t in = p->text->source.width, out = p->source.width;
    for (int64_t at = 0; at < count; at += VECTOR_PIECE) {
        int64_t n = count - at < VECTOR_PIECE ? count - at : VECTOR_PIECE;
        for (int64_t i = 0; i < n; i++) center(p, first + at + i, p->host + i * in);
        device_upload_reals(d, p->rows, p->host, n * in);
        struct gemm g = {.transpose_b = 1, .m = n, .n = out, .k = in, .alpha = 1};
        d->run->gemm(d, &g, (struct matrix){p->rows, in}, (struct matrix){p->directions, in},
                     (struct matrix){p->out, out});
        device_download_reals(d, p->host, p->out, n * out);
        for (int64_t i = 0; i < n * out; i++) rows[at * out + i] = (float)p->host[i];
    }
    return device_status(d);
}

/* Their sorted numbers into codes[*n]. */
static int draw_used(const uint8_t *used, int64_t n_codes, uint64_t seed, uint32_t stream, int64_t most,
                     int32_t **codes, int64_t *n) {
    int64_t *all, n_all = 0;
    TRY(mem_alloc(&all, n_codes, sizeof *all));
    for (int64_t i = 0; i < n_codes; i++)
        if (used[i]) all[n_all++] = i;
    int status = rng_draw(seed, stream, most, all, &n_all);
    if (status == STATUS_OK) status = mem_alloc(codes, n_all, sizeof **codes);
    for (int64_t i = 0; i < n_all && status == STATUS_OK; i++) (*codes)[i] = (int32_t)all[i];
    *n = n_all;
    free(all);
    return status;
}

static int learn_components(struct text_components *p, const struct comm *comm, uint64_t seed, int64_t width) {
    enum { SAMPLE = 16384 };
    const struct vector_source *t = &p->text->source;
    int32_t *codes = NULL;
    float *rows = NULL;
    int64_t n = 0;
    int status = draw_used(t->used, t->n, seed, RNG_PROBE_SAMPLE, SAMPLE, &codes, &n);
    if (status == STATUS_OK) status = mem_alloc(&rows, n * t->width, sizeof *rows);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(vectors_collect(comm, t, n, codes, rows));
    TRY_DONE(comm_agree(comm, principal_components_make(&p->components, p->device, n, t->width, rows, width)));
    /* One rank's for all: their processors may round differently. */
    TRY_DONE(comm_broadcast(comm, p->components.mean, t->width * (int64_t)sizeof(real)));
    status = comm_broadcast(comm, p->components.directions, width * t->width * (int64_t)sizeof(real));
done:
    free(codes);
    free(rows);
    return status;
}

int text_components_make(struct text_components *p, const struct comm *comm, struct device *device,
                         const struct frozen_text *text, uint64_t seed, int64_t width) {
    int64_t in = text->source.width, out = width < in ? width : in;
    *p = (struct text_components){.source = text->source, .text = text, .device = device};
    p->source.width = out;
    p->source.read = read_components;
    p->source.self = p;
    TRY(learn_components(p, comm, seed, out));
    int status = mem_alloc(&p->host, VECTOR_PIECE * in, sizeof *p->host);
    p->rows = device_alloc_reals(device, VECTOR_PIECE * in);
    p->directions = device_alloc_reals(device, out * in);
    p->out = device_alloc_reals(device, VECTOR_PIECE * out);
    if (status == STATUS_OK) status = device_status(device);
    if (status == STATUS_OK) device_upload_reals(device, p->directions, p->components.directions, out * in);
    return comm_agree(comm, status);
}

void text_components_free(struct text_components *p) {
    if (!p->device) return;
    principal_components_free(&p->components);
    free(p->host);
    device_free_reals(p->device, p->rows);
    device_free_reals(p->device, p->directions);
    device_free_reals(p->device, p->out);
    *p = (struct text_components){0};
}

/* ---- the first of them ---- */
static int read_first(void *self, int64_t first, int64_t count, float *rows) {
    struct first_components *f = self;
    int64_t all = f->all->source.width, width = f->source.width;
    TRY(read_components(f->all, first, count, f->rows));
    for (int64_t i = 0; i < count; i++) memcpy(rows + i * width, f->rows + i * all, (size_t)width * sizeof *rows);
    return STATUS_OK;
}

int first_components_make(struct first_components *f, struct text_components *all, int64_t width) {
    *f = (struct first_components){.source = all->source, .all = all};
    if (width < all->source.width) f->source.width = width;
    f->source.read = read_first;
    f->source.self = f;
    return mem_alloc(&f->rows, VECTOR_BLOCK * all->source.width, sizeof *f->rows);
}

void first_components_free(struct first_components *f) {
    free(f->rows);
    *f = (struct first_components){0};
}

/* ---- untrained quantisers ---- */
/* The sum of its rows in each group. */
static int read_sums(void *self, int64_t first, int64_t count, float *out) {
    const struct untrained_quantizer *q = self;
    memset(out, 0, (size_t)(count * q->source.width) * sizeof *out);
    for (int64_t i = 0; i < count * N_GROUPS * q->top_k; i++) {
        int64_t group = i / q->top_k, at = first * N_GROUPS * q->top_k + i;
        if (q->tokens[at] < 0) continue;
        const float *row = q->rows + (q->first[group % N_GROUPS] + q->tokens[at]) * q->width;
        for (int64_t c = 0; c < q->width; c++) out[group * q->width + c] += q->weights[at] * row[c];
    }
    return STATUS_OK;
}

/* Random rows need no norm of 1 drawn: they get it here. */
static void draw_directions(uint64_t seed, uint32_t stream, int64_t n, int64_t width, float *rows) {
    for (int64_t i = 0; i < n; i++) {
        float *row = rows + i * width;
        double square = 0;
        for (int64_t c = 0; c < width; c++) {
            double x = rng_normal(seed, stream, 0, (uint64_t)(i * width + c));
            row[c] = (float)x;
            square += x * x;
        }
        for (int64_t c = 0; c < width; c++) row[c] = (float)((double)row[c] / sqrt(square));
    }
}

/* Collective. Which of the used codes have a vector that is not 0: present [n]. */
static int find_vectors(const struct comm *comm, const struct vector_source *of, uint8_t *present) {
    int64_t *found = NULL, begin, end;
    float *vectors = NULL;
    int status = mem_alloc(&found, of->n, sizeof *found);
    if (status == STATUS_OK) status = mem_alloc(&vectors, VECTOR_BLOCK * of->width, sizeof *vectors);
    for (int64_t first = 0; first < of->n && status == STATUS_OK; first += VECTOR_BLOCK) {
        vector_part(comm, first, of->n - first < VECTOR_BLOCK ? of->n - first : VECTOR_BLOCK, &begin, &end);
        if (end <= begin || !memchr(of->used + begin, 1, (size_t)(end - begin))) continue;
        status = of->read(of->self, begin, end - begin, vectors);
        for (int64_t i = begin; i < end; i++)
            found[i] = of->used[i] && !vector_is_zero(vectors + (i - begin) * of->width, of->width);
    }
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(comm_sum_int64(comm, found, of->n));
    for (int64_t i = 0; i < of->n; i++) present[i] = found[i] > 0;
done:
    free(found);
    free(vectors);
    return status;
}

/* By chance, so that a level has codes from everywhere. */
static int shuffle_rows(uint64_t seed, int group, int64_t n, int64_t width, float *rows) {
    int64_t *order = NULL;
    float *copy = NULL;
    int status = mem_alloc(&order, n, sizeof *order);
    if (status == STATUS_OK) status = mem_alloc(&copy, n * width, sizeof *copy);
    if (status == STATUS_OK) {
        memcpy(copy, rows, (size_t)(n * width) * sizeof *copy);
        for (int64_t i = 0; i < n; i++) order[i] = i;
        rng_shuffle(seed, RNG_PROBE_ROWS + (uint32_t)group, 1, 0, order, n);
        for (int64_t i = 0; i < n; i++) memcpy(rows + i * width, copy + order[i] * width, (size_t)width * sizeof *rows);
    }
    free(order);
    free(copy);
    return status;
}

static double dot(const float *a, const float *b, int64_t n) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < n; c++) sum += (double)a[c] * (double)b[c];
    return sum;
}

/* Takes from `vector` what its best row of rows[n, width] explains. */
static void leave(float *vector, int64_t n, int64_t width, const float *rows) {
    double most = 0;
    int64_t best = -1;
    for (int64_t r = 0; r < n; r++) {
        double x = dot(vector, rows + r * width, width);
        if (x > most) most = x, best = r;
    }
    for (int64_t c = 0; best >= 0 && c < width; c++)
        vector[c] = (float)((double)vector[c] - most * (double)rows[best * width + c]);
}

/* Makes the n rows of a group, of norm 1, those of top_k levels: each level's become what the levels before them leave of them. */
static void leave_levels(int64_t n, int64_t width, int64_t top_k, float *rows) {
    const double nothing = 1e-5; /* rounding of float32 leaves so much of a vector that is explained whole */
    for (int64_t k = 1; k < top_k; k++) {
        int64_t before = residual_level_first(0, n, top_k, k - 1), first = residual_level_first(0, n, top_k, k),
                end = residual_level_first(0, n, top_k, k + 1);
#pragma omp parallel for
        for (int64_t i = first; i < n; i++) leave(rows + i * width, first - before, width, rows + before * width);
        for (int64_t i = first; i < end; i++) {
            double norm = sqrt(dot(rows + i * width, rows + i * width, width));
            for (int64_t c = 0; c < width; c++)
                rows[i * width + c] = norm > nothing ? (float)((double)rows[i * width + c] / norm) : 0;
        }
    }
}

static int take_vectors(struct untrained_quantizer *q, const struct comm *comm, const struct vector_source *of,
                        const uint8_t *present, uint64_t seed, int group, int64_t most) {
    int32_t *codes = NULL;
    int64_t n = 0;
    float *rows = q->rows + q->first[group] * q->width;
    TRY(comm_agree(comm, draw_used(present, of->n, seed, RNG_PROBE_ROWS + (uint32_t)group, most, &codes, &n)));
    int status = vectors_collect(comm, of, n, codes, rows);
    free(codes);
    q->first[group + 1] = q->first[group] + n;
    if (status != STATUS_OK || !q->residual) return status;
    TRY(comm_agree(comm, shuffle_rows(seed, group, n, q->width, rows)));
    leave_levels(n, q->width, q->top_k, rows);
    return STATUS_OK;
}

static int make_rows(struct untrained_quantizer *q, const struct comm *comm, const struct vector_source *of,
                     const uint8_t *present, const struct region regions[N_GROUPS], uint64_t seed,
                     enum untrained_rows kind) {
    int64_t most = 0;
    for (int g = 0; g < N_GROUPS; g++) most += regions[g].last - regions[g].first;
    TRY(comm_agree(comm, mem_alloc(&q->rows, most * q->width, sizeof *q->rows)));
    for (int g = 0; g < N_GROUPS; g++) {
        int64_t n = regions[g].last - regions[g].first;
        if (kind == ROWS_CODES) {
            TRY(take_vectors(q, comm, of, present, seed, g, n));
            continue;
        }
        draw_directions(seed, RNG_PROBE_ROWS + (uint32_t)(N_GROUPS + g), n, q->width, q->rows + q->first[g] * q->width);
        q->first[g + 1] = q->first[g] + n;
    }
    for (int g = 0; g < N_GROUPS; g++)
        if (q->first[g + 1] - q->first[g] < q->top_k) q->top_k = q->first[g + 1] - q->first[g];
    return STATUS_OK;
}

/* Room on the device for a block. */
struct quantizing {
    struct device *device;
    real *host;
    float *vectors;
    dev_real u, rows, weight, before, sums;
    dev_int index;
    int32_t *index_host;
};

static int quantizing_make(struct quantizing *z, const struct untrained_quantizer *q) {
    int64_t n_rows = q->first[N_GROUPS];
    struct device *d = z->device;
    TRY(mem_alloc(&z->host, (n_rows > VECTOR_BLOCK ? n_rows : VECTOR_BLOCK) * (q->width + q->top_k), sizeof *z->host));
    TRY(mem_alloc(&z->vectors, VECTOR_BLOCK * q->width, sizeof *z->vectors));
    TRY(mem_alloc(&z->index_host, VECTOR_BLOCK * q->top_k, sizeof *z->index_host));
    z->u = device_alloc_reals(d, VECTOR_BLOCK * q->width);
    z->sums = device_alloc_reals(d, VECTOR_BLOCK * q->width);
    z->rows = device_alloc_reals(d, n_rows * q->width);
    z->weight = device_alloc_reals(d, VECTOR_BLOCK * q->top_k);
    if (q->residual) z->before = device_alloc_reals(d, VECTOR_PIECE * q->top_k * q->width);
    z->index = device_alloc_ints(d, VECTOR_BLOCK * q->top_k);
    for (int64_t i = 0; i < n_rows * q->width; i++) z->host[i] = (real)q->rows[i];
    TRY(device_status(d));
    device_upload_reals(d, z->rows, z->host, n_rows * q->width);
    return STATUS_OK;
}

static void quantizing_free(struct quantizing *z) {
    device_free_reals(z->device, z->u);
    device_free_reals(z->device, z->sums);
    device_free_reals(z->device, z->rows);
    device_free_reals(z->device, z->weight);
    device_free_reals(z->device, z->before);
    device_free_ints(z->device, z->index);
    free(z->host);
    free(z->vectors);
    free(z->index_host);
}

/* Of norm 1, to the device. */
static void send_unit(const struct untrained_quantizer *q, struct quantizing *z, int64_t n, const float *vectors) {
    for (int64_t i = 0; i < n; i++) {
        const float *from = vectors + i * q->width;
        double square = 0;
        for (int64_t c = 0; c < q->width; c++) square += (double)from[c] * (double)from[c];
        for (int64_t c = 0; c < q->width; c++)
            z->host[i * q->width + c] = square > 0 ? (real)((double)from[c] / sqrt(square)) : (real)0;
    }
    device_upload_reals(z->device, z->u, z->host, n * q->width);
}

/* Tokens and weights of a group for the codes first .. first + n - 1, whose vectors are on the device. */
static void quantize_group(struct untrained_quantizer *q, struct quantizing *z, int group, int64_t first, int64_t n,
                           const float *vectors) {
    struct device *d = z->device;
    struct quantize search = {.n = n,
                              .dim = q->width,
                              .first = q->first[group],
                              .last = q->first[group + 1],
                              .top_k = q->top_k,
                              .u = z->u,
                              .c = z->rows};
    struct picks picks = {.index = z->index, .weight = z->weight, .before = z->before};
    if (q->residual)
        d->run->quantize_residual(d, &search, picks, z->sums);
    else if (q->sparse)
        d->run->quantize_sparse(d, &search, picks, z->sums);
    else
        d->run->quantize(d, &search, picks, z->sums);
    device_download_ints(d, z->index_host, z->index, n * q->top_k);
    device_download_reals(d, z->host, z->weight, n * q->top_k);
    for (int64_t i = 0; i < n * q->top_k; i++) {
        int64_t code = i / q->top_k, at = ((first + code) * N_GROUPS + group) * q->top_k + i % q->top_k;
        int absent = vector_is_zero(vectors + code * q->width, q->width);
        q->tokens[at] = absent ? -1 : (int32_t)(z->index_host[i] - q->first[group]);
        q->weights[at] = absent ? 0 : (float)z->host[i];
    }
}

static int quantize_part(struct untrained_quantizer *q, struct quantizing *z, const struct vector_source *of,
                         int64_t first, int64_t count) {
    TRY(of->read(of->self, first, count, z->vectors));
    for (int64_t at = 0; at < count; at += VECTOR_PIECE) {
        int64_t n = count - at < VECTOR_PIECE ? count - at : VECTOR_PIECE;
        send_unit(q, z, n, z->vectors + at * q->width);
        for (int g = 0; g < N_GROUPS; g++) quantize_group(q, z, g, first + at, n, z->vectors + at * q->width);
    }
    return device_status(z->device);
}

/* Collective. Brings the block's parts together on every rank. */
static int share_block(const struct untrained_quantizer *q, const struct comm *comm, int64_t first, int64_t count,
                       int64_t *part_first, char *room) {
    int64_t bytes = N_GROUPS * q->top_k * (int64_t)sizeof(int32_t), begin, end;
    vector_part(comm, first, count, &begin, &end);
    for (int r = 0; r <= comm->size; r++) part_first[r] = vector_part_first(comm, count, r);
    char *items[] = {(char *)q->tokens, (char *)q->weights};
    for (int i = 0; i < 2; i++) {
        memcpy(room, items[i] + begin * bytes, (size_t)((end - begin) * bytes));
        TRY(comm_gather_known(comm, part_first, bytes, room, items[i] + first * bytes));
    }
    return STATUS_OK;
}

static int quantize_all(struct untrained_quantizer *q, const struct comm *comm, struct quantizing *z,
                        const struct vector_source *of) {
    int64_t *part_first = NULL, begin, end;
    char *room = NULL;
    int status = mem_alloc(&part_first, comm->size + 1, sizeof *part_first);
    if (status == STATUS_OK) status = mem_alloc(&room, VECTOR_BLOCK * N_GROUPS * q->top_k, sizeof(int32_t));
    TRY_DONE(comm_agree(comm, status));
    for (int64_t first = 0; first < q->n; first += VECTOR_BLOCK) {
        int64_t count = q->n - first < VECTOR_BLOCK ? q->n - first : VECTOR_BLOCK;
        if (!memchr(of->used + first, 1, (size_t)count)) continue;
        vector_part(comm, first, count, &begin, &end);
        TRY_DONE(comm_agree(comm, end > begin ? quantize_part(q, z, of, begin, end - begin) : STATUS_OK));
        TRY_DONE(share_block(q, comm, first, count, part_first, room));
    }
done:
    free(part_first);
    free(room);
    return status;
}

int untrained_quantizer_make(struct untrained_quantizer *q, const struct comm *comm, struct device *device,
                             const struct vector_source *of, const struct region regions[N_GROUPS], int64_t top_k,
                             int residual, int sparse, uint64_t seed, enum untrained_rows kind) {
    struct quantizing z = {.device = device};
    uint8_t *present = NULL;
    *q = (struct untrained_quantizer){
        .n = of->n, .width = of->width, .top_k = top_k, .residual = residual, .sparse = sparse};
    q->source = (struct vector_source){
        .n = of->n, .width = N_GROUPS * of->width, .read = read_sums, .self = q, .used = of->used};
    int status = kind == ROWS_CODES ? mem_alloc(&present, of->n, sizeof *present) : STATUS_OK;
    TRY_DONE(comm_agree(comm, status));
    if (present) TRY_DONE(find_vectors(comm, of, present));
    TRY_DONE(make_rows(q, comm, of, present, regions, seed, kind));
    int64_t n = q->n * N_GROUPS * q->top_k;
    status = mem_alloc(&q->tokens, n, sizeof *q->tokens);
    if (status == STATUS_OK) status = mem_alloc(&q->weights, n, sizeof *q->weights);
    if (status == STATUS_OK) memset(q->tokens, 0xff, (size_t)n * sizeof *q->tokens);
    if (status == STATUS_OK) status = quantizing_make(&z, q);
    TRY_DONE(comm_agree(comm, status));
    status = quantize_all(q, comm, &z, of);
done:
    quantizing_free(&z);
    free(present);
    return status;
}

void untrained_quantizer_free(struct untrained_quantizer *q) {
    free(q->rows);
    free(q->tokens);
    free(q->weights);
    *q = (struct untrained_quantizer){0};
}
