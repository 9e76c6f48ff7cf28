/* Two shapes: a table with a row for each token; or vectors and their map, with a table for the tokens without. */
#include "ehr/code_rows.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/status.h"
#include "ehr/visits.h"

void code_rows_add(struct code_rows *e, struct parameter_set *set, int64_t dim) {
    const struct code_rows_source *source = &e->source;
    struct init init = {.normal = EHR_INIT};
    int is_frozen = source->arm == ARM_MEDTOK_FROZEN || source->arm == ARM_RANDOM_FROZEN;
    *e = (struct code_rows){.source = *source, .dim = dim};
    e->table = parameter_add(set, TOKEN_FIRST_CODE + source->n_own + (is_frozen ? 0 : source->n_vectors), dim, init,
                             PARAMETER_DECAYS, "codes.table");
    if (!is_frozen) return;
    e->vectors =
        parameter_add(set, source->n_vectors, source->width, (struct init){.normal = 1 / sqrt((double)source->width)},
                      PARAMETER_FROZEN, "codes.vectors");
    e->projection.weight = parameter_add(set, dim, source->width, init, PARAMETER_DECAYS, "codes.projection.weight");
    e->projection.bias = parameter_add(set, 1, dim, (struct init){0}, 0, "codes.projection.bias");
}

/* R z of row i, into out[dim]; the values of R have their own place among the random numbers of first values. */
static void project(const struct code_rows *e, const double *map, int64_t i, real *out) {
    const float *z = e->source.vectors + i * e->source.width;
    for (int64_t j = 0; j < e->table->cols; j++) {
        double sum = 0;
        for (int64_t k = 0; k < e->source.width; k++) sum += map[j * e->source.width + k] * z[k];
        out[j] = (real)sum;
    }
}

static int start_table(const struct code_rows *e, struct device *device, uint64_t seed) {
    enum { MAP = 0xffff }; /* no parameter has this number */
    int64_t width = e->source.width, dim = e->table->cols, n = e->source.n_vectors;
    double *map = NULL;
    real *rows = NULL;
    int status = mem_alloc(&map, dim * width, sizeof *map);
    if (status == STATUS_OK) status = mem_alloc(&rows, n * dim, sizeof *rows);
    if (status == STATUS_OK) {
        for (int64_t i = 0; i < dim * width; i++) map[i] = EHR_INIT * rng_normal(seed, RNG_INIT, MAP, (uint64_t)i);
        for (int64_t i = 0; i < n; i++) project(e, map, i, rows + i * dim);
        device_upload_reals(device, dev_real_at(e->table->value, (TOKEN_FIRST_CODE + e->source.n_own) * dim), rows,
                            n * dim);
        device_synchronize(device);
    }
    free(map);
    free(rows);
    return status;
}

static int start_vectors(const struct code_rows *e, struct device *device) {
    int64_t n = e->source.n_vectors * e->source.width;
    real *host;
    TRY(mem_alloc(&host, n, sizeof *host));
    for (int64_t i = 0; i < n; i++) host[i] = e->source.vectors[i];
    device_upload_reals(device, e->vectors->value, host, n);
    device_synchronize(device);
    free(host);
    return STATUS_OK;
}

int code_rows_start(const struct code_rows *e, struct device *device, uint64_t seed) {
    if (!e->source.vectors) return STATUS_OK;
    return e->vectors ? start_vectors(e, device) : start_table(e, device, seed);
}

int code_list_pack(struct code_list *list, struct pack *pack, const struct code_rows *e, int64_t n,
                   const int32_t *token) {
    int32_t *copy, *learned, *vector, first_vector = (int32_t)(TOKEN_FIRST_CODE + e->source.n_own);
    list->n = n;
    TRY(pack_ints(pack, n, &copy, &list->token));
    TRY(pack_ints(pack, n, &learned, &list->learned));
    TRY(pack_ints(pack, n, &vector, &list->vector));
    for (int64_t i = 0; i < n; i++) {
        int has_vector = token[i] >= first_vector;
        copy[i] = token[i];
        learned[i] = has_vector ? -1 : token[i];
        vector[i] = has_vector ? token[i] - first_vector : -1;
    }
    return STATUS_OK;
}

struct var *code_rows_look_up(const struct code_rows *e, struct tape *tape, const struct code_list *list) {
    struct var *table = parameter_var(tape, e->table);
    if (!e->vectors) return nn_gather(tape, table, list->token, list->n);
    struct var *z = nn_gather(tape, parameter_var(tape, e->vectors), list->vector, list->n);
    return nn_add(tape, nn_gather(tape, table, list->learned, list->n), linear_map_apply(tape, z, e->projection));
}

struct parameter *code_rows_table(const struct code_rows *e) {
    return e->vectors ? NULL : e->table;
}
