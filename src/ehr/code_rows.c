/* Three shapes: a table with a row for each token; or a table for the tokens that are no medical codes, and beside it a map of frozen
 * vectors, or bags of rows of another table. */
#include "ehr/code_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "ehr/visits.h"

enum rows_shape arm_rows_shape(enum ehr_arm arm) {
    switch (arm) {
        case ARM_BASE:
        case ARM_MEDTOK_INIT: return ROWS_OF_TABLE;
        case ARM_HIERARCHY:
        case ARM_MEDTOK_TOKENS: return ROWS_OF_BAGS;
        default: return ROWS_OF_MAP;
    }
}

void code_bags_free(struct code_bags *b) {
    free(b->offsets);
    free(b->row);
    free(b->weight);
    free(b->vectors);
    *b = (struct code_bags){0};
}

/* ---- parameters ---- */
static int64_t first_vector(const struct code_rows *r) { return TOKEN_FIRST_CODE + r->source.n_own; }

void code_rows_add(struct code_rows *r, struct parameter_set *set, int64_t dim) {
    const struct code_rows_source *s = &r->source;
    enum rows_shape shape = arm_rows_shape(s->arm);
    struct init init = {.normal = EHR_INIT};
    r->dim = dim;
    r->table = parameter_add(set, first_vector(r) + (shape == ROWS_OF_TABLE ? s->n_vectors : 0), dim, init,
                             PARAMETER_DECAYS, "codes.table");
    if (shape == ROWS_OF_MAP) {
        r->vectors = parameter_add(set, s->n_vectors, s->width, (struct init){.normal = 1 / sqrt((double)s->width)},
                                   PARAMETER_FROZEN, "codes.vectors");
        r->map = linear_map_add_normal(set, dim, s->width, EHR_INIT, 1, 0, "codes.map");
    }
    if (shape == ROWS_OF_BAGS)
        r->bag = parameter_add(set, s->bags->n_rows, dim, (struct init){.normal = s->bags->std}, PARAMETER_DECAYS,
                               "codes.bag");
}

int64_t code_rows_learned(const struct code_rows *r) {
    int64_t n = r->table->rows * r->table->cols;
    if (r->bag) n += r->bag->rows * r->bag->cols;
    if (r->vectors) n += (r->source.width + 1) * r->dim;
    return n;
}

int64_t code_rows_in_train(const struct code_rows *r) {
    return TOKEN_FIRST_CODE + r->source.n_own + r->source.n_train_vectors;
}

struct parameter *code_rows_table(const struct code_rows *r) {
    return arm_rows_shape(r->source.arm) == ROWS_OF_TABLE ? r->table : NULL;
}

/* ---- first values ---- */
/* R x of each of x[n, width] into to[n, dim]; the values of R have their own place among the random numbers of first values. */
static int start_as_images(const struct code_rows *r, struct device *device, uint64_t seed, int64_t n, int64_t width,
                           const float *x, dev_real to) {
    enum { MAP = 0xffff }; /* no parameter has this number */
    double *map = NULL;
    real *rows = NULL;
    int status;
    TRY_DONE(mem_alloc(&map, r->dim * width, sizeof *map));
    TRY_DONE(mem_alloc(&rows, n * r->dim, sizeof *rows));
    for (int64_t i = 0; i < r->dim * width; i++) map[i] = EHR_INIT * rng_normal(seed, RNG_INIT, MAP, (uint64_t)i);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < r->dim; j++) {
            double sum = 0;
            for (int64_t k = 0; k < width; k++) sum += map[j * width + k] * x[i * width + k];
            rows[i * r->dim + j] = (real)sum;
        }
    device_upload_reals(device, to, rows, n * r->dim);
    device_synchronize(device);
done:
    free(map);
    free(rows);
    return status;
}

/* from[i]: whose vector code i has. Codes of one system change places, each order with the same chance. */
static int shuffle(const struct code_rows_source *s, uint64_t seed, int64_t *from) {
    int64_t *members;
    int32_t n_systems = 0;
    TRY(mem_alloc(&members, 2 * s->n_vectors, sizeof *members));
    int64_t *places = members + s->n_vectors;
    for (int64_t i = 0; i < s->n_vectors; i++)
        if (s->system[i] >= n_systems) n_systems = s->system[i] + 1;
    for (int32_t system = 0; system < n_systems; system++) {
        int64_t n = 0;
        for (int64_t i = 0; i < s->n_vectors; i++)
            if (s->system[i] == system) members[n] = places[n] = i, n++;
        rng_shuffle(seed, RNG_SHUFFLED_CODES, (uint32_t)system, 0, members, n);
        for (int64_t i = 0; i < n; i++) from[places[i]] = members[i];
    }
    free(members);
    return STATUS_OK;
}

static int start_vectors(const struct code_rows *r, struct device *device, uint64_t seed) {
    const struct code_rows_source *s = &r->source;
    int64_t n = s->n_vectors, width = s->width, *from = NULL;
    real *host = NULL;
    int status;
    TRY_DONE(mem_alloc(&from, n, sizeof *from));
    TRY_DONE(mem_alloc(&host, n * width, sizeof *host));
    for (int64_t i = 0; i < n; i++) from[i] = i;
    if (s->arm == ARM_SHUFFLED) TRY_DONE(shuffle(s, seed, from));
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < width; k++) host[i * width + k] = s->vectors[from[i] * width + k];
    device_upload_reals(device, r->vectors->value, host, n * width);
    device_synchronize(device);
done:
    free(from);
    free(host);
    return status;
}

int code_rows_start(const struct code_rows *r, struct device *device, uint64_t seed) {
    const struct code_rows_source *s = &r->source;
    if (r->bag && s->bags->vectors)
        return start_as_images(r, device, seed, s->bags->n_rows, s->bags->width, s->bags->vectors, r->bag->value);
    if (r->bag || !s->vectors) return STATUS_OK;
    if (r->vectors) return start_vectors(r, device, seed);
    return start_as_images(r, device, seed, s->n_vectors, s->width, s->vectors,
                           dev_real_at(r->table->value, first_vector(r) * r->dim));
}

/* ---- a list ---- */
/* What is made of a list: numbers of vectors, each once, in the order in which they are met. */
static int pack_made(struct code_list *list, struct pack *pack, const struct code_rows *r, int64_t n,
                     const int32_t *token, int32_t **vector) {
    int32_t *made, *place; /* place: of each vector in the list, + 1 */
    int32_t first = (int32_t)first_vector(r);
    TRY(pack_ints(pack, n, &made, &list->made));
    TRY(pack_ints(pack, n, vector, &list->vector));
    TRY(mem_alloc(&place, r->source.n_vectors, sizeof *place));
    list->n_made = 0;
    for (int64_t i = 0; i < n; i++) {
        made[i] = -1;
        if (token[i] < first) continue;
        int32_t code = token[i] - first;
        if (!place[code]) {
            (*vector)[list->n_made++] = code;
            place[code] = (int32_t)list->n_made;
        }
        made[i] = place[code] - 1;
    }
    free(place);
    pack_trim(pack, list->n_made);
    return STATUS_OK;
}

static int pack_bags(struct code_list *list, struct pack *pack, const struct code_bags *b, const int32_t *vector) {
    int64_t n_items = 0;
    int32_t *offsets, *row;
    real *weight;
    for (int64_t i = 0; i < list->n_made; i++) n_items += b->offsets[vector[i] + 1] - b->offsets[vector[i]];
    TRY(pack_ints(pack, list->n_made + 1, &offsets, &list->bags.items.offsets));
    TRY(pack_ints(pack, n_items, &row, &list->bags.index));
    TRY(pack_reals(pack, n_items, &weight, &list->bags.weight));
    list->bags.items.n = list->n_made;
    list->bags.items.n_rows = n_items;
    n_items = 0;
    for (int64_t i = 0; i < list->n_made; i++) {
        offsets[i] = (int32_t)n_items;
        for (int64_t p = b->offsets[vector[i]]; p < b->offsets[vector[i] + 1]; p++, n_items++) {
            row[n_items] = b->row[p];
            weight[n_items] = b->weight[p];
        }
    }
    offsets[list->n_made] = (int32_t)n_items;
    return STATUS_OK;
}

int code_list_pack(struct code_list *list, struct pack *pack, const struct code_rows *r, int64_t n,
                   const int32_t *token) {
    enum rows_shape shape = arm_rows_shape(r->source.arm);
    int32_t *learned, *vector;
    list->n = n;
    list->n_made = 0;
    TRY(pack_ints(pack, n, &learned, &list->learned));
    for (int64_t i = 0; i < n; i++) learned[i] = shape == ROWS_OF_TABLE || token[i] < first_vector(r) ? token[i] : -1;
    if (shape == ROWS_OF_TABLE) return STATUS_OK;
    TRY(pack_made(list, pack, r, n, token, &vector));
    return shape == ROWS_OF_BAGS ? pack_bags(list, pack, r->source.bags, vector) : STATUS_OK;
}

struct var *code_rows_look_up(const struct code_rows *r, struct tape *tape, const struct code_list *list) {
    struct var *x = nn_gather(tape, parameter_var(tape, r->table), list->learned, list->n), *made;
    if (list->n_made == 0) return x;
    if (r->bag) {
        dev_real none = {NULL};
        made = nn_bag(tape, parameter_var(tape, r->bag),
                      tape_borrow(tape, list->bags.items.n_rows, 1, list->bags.weight, none), list->bags);
    } else {
        made = nn_gather(tape, parameter_var(tape, r->vectors), list->vector, list->n_made);
        made = linear_map_apply(tape, made, r->map);
    }
    return nn_add(tape, x, nn_gather(tape, made, list->made, list->n));
}
