/* Adding, layout and first values. */
#include "nn/parameters.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/rng.h"
#include "base/status.h"

/* ---- adding ---- */
static char *print_name(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *name = malloc((size_t)length + 1);
    if (name) vsnprintf(name, (size_t)length + 1, format, arguments);
    return name;
}

static int append(struct parameter_set *set, struct parameter parameter) {
    struct parameter *p;
    TRY(mem_grow(&set->list, &set->capacity, set->n + 1, sizeof *set->list));
    TRY(mem_alloc(&p, 1, sizeof *p));
    *p = parameter;
    set->list[set->n++] = p;
    return STATUS_OK;
}

struct parameter *parameter_add(struct parameter_set *set, int64_t rows, int64_t cols, struct init init, unsigned flags,
                                const char *name, ...) {
    struct parameter p = {
        .index = (int)set->n, .rows = rows, .cols = cols, .count = rows, .init = init, .flags = flags};
    va_list arguments;
    va_start(arguments, name);
    p.name = print_name(name, arguments);
    va_end(arguments);
    p.group = flags & PARAMETER_FROZEN    ? PARAMETERS_FROZEN
              : flags & PARAMETER_BY_ROWS ? PARAMETERS_CUT
                                          : PARAMETERS_DENSE;
    int status = p.name ? append(set, p) : status_set(STATUS_FAILED, "out of memory for a parameter's name");
    if (status == STATUS_OK) return set->list[set->n - 1];
    free(p.name);
    if (set->status == STATUS_OK) set->status = status;
    return NULL;
}

/* ---- memory ---- */
static dev_real part_of(dev_real stretch, int64_t offset) {
    return stretch.at ? dev_real_at(stretch, offset) : stretch;
}

static void lay_out(struct parameter_set *set, int part, int n_parts) {
    for (int i = 0; i < set->n; i++) {
        struct parameter *p = set->list[i];
        if (p->flags & PARAMETER_BY_ROWS) {
            p->first = n_parts ? p->rows * part / n_parts : 0;
            p->count = n_parts ? p->rows * (part + 1) / n_parts - p->first : 0;
        }
        p->offset = set->group[p->group].n;
        if (!(p->flags & PARAMETER_PACKED)) set->group[p->group].n += p->count * p->cols;
    }
}

int parameter_set_allocate(struct parameter_set *set, struct device *device, int part, int n_parts,
                           int with_gradients) {
    TRY(set->status);
    set->device = device;
    lay_out(set, part, n_parts);
    for (int g = 0; g < N_PARAMETER_GROUPS; g++) {
        struct parameter_stretch *s = &set->group[g];
        s->value = device_alloc_reals(device, s->n);
        if (with_gradients && g != PARAMETERS_FROZEN) s->grad = device_alloc_reals(device, s->n);
    }
    if (device_error(device))
        return status_set(STATUS_FAILED, "device %s: parameters: %s", device->name, device_error(device));
    for (int i = 0; i < set->n; i++) {
        struct parameter *p = set->list[i];
        if (p->flags & PARAMETER_PACKED) continue;
        p->value = part_of(set->group[p->group].value, p->offset);
        p->grad = part_of(set->group[p->group].grad, p->offset);
    }
    parameter_set_clear_gradients(set);
    return STATUS_OK;
}

void parameter_set_free(struct parameter_set *set) {
    for (int g = 0; set->device && g < N_PARAMETER_GROUPS; g++) {
        device_free_reals(set->device, set->group[g].value);
        device_free_reals(set->device, set->group[g].grad);
    }
    for (int i = 0; i < set->n; i++) {
        if (set->list[i]->packed) set->device->run->linear_free(set->device, set->list[i]->packed);
        free(set->list[i]->name);
        free(set->list[i]);
    }
    free(set->list);
    *set = (struct parameter_set){0};
}

void parameter_set_clear_gradients(struct parameter_set *set) {
    for (int g = 0; g < N_PARAMETER_GROUPS; g++)
        if (set->group[g].grad.at) set->device->run->fill(set->device, set->group[g].n, 0, set->group[g].grad);
}

int64_t parameter_set_size(const struct parameter_set *set) {
    int64_t n = 0;
    for (int i = 0; i < set->n; i++)
        if (set->list[i]->group != PARAMETERS_FROZEN) n += set->list[i]->rows * set->list[i]->cols;
    return n;
}

int parameter_pack(struct parameter_set *set, struct parameter *p, const void *weight, enum storage storage,
                   enum precision_of_products precision) {
    p->packed = set->device->run->linear_pack(set->device, p->cols, p->rows, weight, storage, precision);
    if (p->packed) return STATUS_OK;
    return status_set(STATUS_FAILED, "device %s: %s: %s", set->device->name, p->name, device_error(set->device));
}

int parameter_borrow(struct parameter_set *set, struct parameter *p, const void *weight, enum storage storage,
                     enum precision_of_products precision) {
    p->packed = set->device->run->linear_borrow(set->device, p->cols, p->rows, weight, storage, precision);
    if (p->packed) return STATUS_OK;
    return status_set(STATUS_FAILED, "device %s: %s: %s", set->device->name, p->name, device_error(set->device));
}

/* ---- first values ---- */
static uint32_t key_of(const struct parameter_set *set, const struct parameter *p) {
    return set->values_by_name ? (uint32_t)XXH3_64bits(p->name, strlen(p->name)) : (uint32_t)p->index;
}

static double first_value(const struct parameter *p, uint64_t seed, uint32_t key, uint64_t element) {
    if (p->init.uniform > 0) return p->init.uniform * (2 * rng_uniform(seed, RNG_INIT, key, element) - 1);
    if (p->init.normal > 0) return p->init.normal * rng_normal(seed, RNG_INIT, key, element);
    return p->init.constant;
}

int parameter_set_initialize(struct parameter_set *set, uint64_t seed) {
    for (int i = 0; i < set->n; i++) {
        const struct parameter *p = set->list[i];
        int64_t n = p->count * p->cols;
        real *host;
        if (p->flags & PARAMETER_PACKED) continue;
        TRY(mem_alloc(&host, n, sizeof *host));
        for (int64_t r = 0; r < p->count; r++)
            for (int64_t j = 0; j < p->cols; j++)
                host[r * p->cols + j] =
                    (real)first_value(p, seed, key_of(set, p), (uint64_t)(parameter_row(p, r) * p->cols + j));
        device_upload_reals(set->device, p->value, host, n);
        device_synchronize(set->device);
        free(host);
    }
    return STATUS_OK;
}

/* ---- on a tape ---- */
struct var *parameter_var(struct tape *tape, const struct parameter *p) {
    return parameter_part(tape, p, 0, p->count, p->cols);
}

struct var *parameter_part(struct tape *tape, const struct parameter *p, int64_t first, int64_t rows, int64_t cols) {
    dev_real none = {NULL};
    return tape_borrow(tape, rows, cols, dev_real_at(p->value, first),
                       tape->evaluating || !p->grad.at ? none : dev_real_at(p->grad, first));
}

/* ---- linear maps and norms ---- */
static struct linear_map add_map(struct parameter_set *set, int64_t out, int64_t in, struct init weight,
                                 const struct init *bias, unsigned flags, const char *name) {
    struct linear_map map = {0};
    map.weight = parameter_add(set, out, in, weight, flags | PARAMETER_DECAYS, "%s.weight", name);
    flags &= ~(unsigned)PARAMETER_PACKED;
    if (bias) map.bias = parameter_add(set, 1, out, *bias, flags, "%s.bias", name);
    return map;
}

struct linear_map linear_map_add(struct parameter_set *set, int64_t out, int64_t in, double bound, unsigned flags,
                                 const char *name) {
    double weight = bound < 0 ? 1 / sqrt((double)in) : bound;
    struct init bias = {.uniform = bound < 0 ? weight : 0};
    return add_map(set, out, in, (struct init){.uniform = weight}, &bias, flags, name);
}

struct linear_map linear_map_add_normal(struct parameter_set *set, int64_t out, int64_t in, double std, int has_bias,
                                        unsigned flags, const char *name) {
    static const struct init ZERO = {0};
    return add_map(set, out, in, (struct init){.normal = std}, has_bias ? &ZERO : NULL, flags, name);
}

struct linear_terms linear_map_terms(struct tape *tape, struct linear_map map) {
    struct linear_terms terms = {.packed = map.weight->packed};
    if (!terms.packed) terms.weight = parameter_var(tape, map.weight);
    if (map.bias) terms.bias = parameter_var(tape, map.bias);
    return terms;
}

struct var *linear_map_apply(struct tape *tape, struct var *x, struct linear_map map) {
    return nn_linear_map(tape, x, linear_map_terms(tape, map));
}

/* b a drop(x) of part p */
static struct var *adapter_part(struct tape *tape, struct var *x, const struct adapter *adapter, int p,
                                struct segments segments, struct dropout dropout) {
    const double one = 1;
    dropout.rate = adapter->dropout;
    dropout.stream = adapter->parts[p].stream;
    if (dropout.rate > 0 && !tape->evaluating) x = nn_dropout(tape, nn_combine(tape, 1, &one, &x), segments, dropout);
    struct var *low = nn_linear(tape, x, parameter_var(tape, adapter->parts[p].a), NULL);
    return nn_linear(tape, low, parameter_var(tape, adapter->parts[p].b), NULL);
}

/* `left` and zeros beside it, up to column `cols`. */
static struct var *fill_up(struct tape *tape, struct var *left, int64_t rows, int64_t cols) {
    int64_t done = left ? left->cols : 0;
    if (done == cols) return left;
    struct var *zeros = tape_constant(tape, rows, cols - done);
    if (!tape->failed) tape->device->run->fill(tape->device, rows * (cols - done), 0, zeros->value);
    return left ? nn_concat(tape, left, zeros) : zeros;
}

struct var *linear_map_adapted(struct tape *tape, struct var *x, struct linear_map map, struct segments segments,
                               struct dropout dropout) {
    const struct adapter *adapter = map.adapter;
    struct var *y = linear_map_apply(tape, x, map), *more = NULL;
    for (int p = 0; adapter && p < adapter->n; p++) {
        struct var *part = adapter_part(tape, x, adapter, p, segments, dropout);
        more = fill_up(tape, more, x->rows, adapter->parts[p].first);
        more = more ? nn_concat(tape, more, part) : part;
    }
    if (!more) return y;
    const double alpha[2] = {1, adapter->scale};
    return nn_combine(tape, 2, alpha, (struct var *const[]){y, fill_up(tape, more, x->rows, y->cols)});
}

struct norm_map norm_map_add(struct parameter_set *set, int64_t dim, int has_bias, unsigned flags, const char *name) {
    struct norm_map map = {0};
    map.gain = parameter_add(set, 1, dim, (struct init){.constant = 1}, flags, "%s.gain", name);
    if (has_bias) map.bias = parameter_add(set, 1, dim, (struct init){0}, flags, "%s.bias", name);
    return map;
}

struct norm_terms norm_map_terms(struct tape *tape, struct norm_map map, double epsilon, int center) {
    return (struct norm_terms){.gain = parameter_var(tape, map.gain),
                               .bias = map.bias ? parameter_var(tape, map.bias) : NULL,
                               .epsilon = epsilon,
                               .center = center};
}

double init_glorot_bound(int64_t in, int64_t out) { return sqrt(6.0 / (double)(in + out)); }
