/* Adding, layout and first values. */
#include "nn/parameters.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/status.h"
#include "nn/layers.h"

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
            p->first = p->rows * part / n_parts;
            p->count = p->rows * (part + 1) / n_parts - p->first;
        }
        p->offset = set->group[p->group].n;
        set->group[p->group].n += p->count * p->cols;
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

/* ---- first values ---- */
static double first_value(const struct parameter *p, uint64_t seed, uint64_t element) {
    if (p->init.uniform > 0)
        return p->init.uniform * (2 * rng_uniform(seed, RNG_INIT, (uint32_t)p->index, element) - 1);
    if (p->init.normal > 0) return p->init.normal * rng_normal(seed, RNG_INIT, (uint32_t)p->index, element);
    return p->init.constant;
}

int parameter_set_initialize(struct parameter_set *set, uint64_t seed) {
    for (int i = 0; i < set->n; i++) {
        const struct parameter *p = set->list[i];
        int64_t n = p->count * p->cols, first = p->first * p->cols;
        real *host;
        TRY(mem_alloc(&host, n, sizeof *host));
        for (int64_t j = 0; j < n; j++) host[j] = (real)first_value(p, seed, (uint64_t)(first + j));
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

/* ---- linear maps ---- */
struct linear_map linear_map_add(struct parameter_set *set, int64_t out, int64_t in, double bound, unsigned flags,
                                 const char *name) {
    double weight = bound < 0 ? 1 / sqrt((double)in) : bound, bias = bound < 0 ? weight : 0;
    struct linear_map map;
    map.weight =
        parameter_add(set, out, in, (struct init){.uniform = weight}, flags | PARAMETER_DECAYS, "%s.weight", name);
    map.bias = parameter_add(set, 1, out, (struct init){.uniform = bias}, flags, "%s.bias", name);
    return map;
}

struct var *linear_map_apply(struct tape *tape, struct var *x, struct linear_map map) {
    return nn_linear(tape, x, parameter_var(tape, map.weight), parameter_var(tape, map.bias));
}

double init_glorot_bound(int64_t in, int64_t out) { return sqrt(6.0 / (double)(in + out)); }
