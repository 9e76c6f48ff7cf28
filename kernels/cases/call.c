/* Laying out the operands of a call, filling them, and running the passes of its case. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases/cases.h"
#include "half.h"

enum { ALIGNED = 16, GUARD = 16, PIECE = 1 << 20, JUNK = -77 };

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t padded(int64_t n) { return (n + ALIGNED - 1) / ALIGNED * ALIGNED; }

/* How many reals hold an operand on the device. */
static int64_t reals_of(const struct call_operand *o) {
    if (o->on_host_alone) return 0;
    return o->kind == KIND_HALVES ? (o->n * 2 + (int64_t)sizeof(real) - 1) / (int64_t)sizeof(real) : o->n;
}

static void run_pass(struct call *c, enum call_pass pass) {
    c->pass = pass;
    c->next = 0;
    c->what->call(c);
}

static void *zeroed(struct call *c, int64_t count, size_t size) {
    void *p = calloc((size_t)larger(count, 1), size);
    if (!p && !c->device->error[0]) snprintf(c->device->error, sizeof c->device->error, "out of memory");
    return p;
}

/* ---- what cases ask for ---- */
static dev_real real_at(const struct call *c, int64_t set, int64_t at) {
    return c->reals.at ? dev_real_at(c->reals, set * c->set_reals + at) : (dev_real){NULL};
}

static struct operand view(const struct call *c, int k) {
    const struct call_operand *o = &c->operands[k];
    struct operand x = {.n = o->n, .number = k, .host = o->host, .host_ints = o->host_ints, .found = o->found};
    if (o->kind == KIND_INTS)
        x.ints = c->ints.at ? dev_int_at(c->ints, o->at) : x.ints;
    else if (!o->on_host_alone)
        x.real = real_at(c, c->set, o->at);
    if (o->kind == KIND_HALVES) {
        x.half.at = (uint16_t *)x.real.at;
        x.real.at = NULL;
    }
    return x;
}

/* The next operand: laid out in the first pass, found again in the others. */
static struct operand next(struct call *c, struct call_operand wanted) {
    if (c->pass != PASS_LAY_OUT) return view(c, c->next++);
    if (c->n_operands == CALL_OPERANDS) {
        fprintf(stderr, "case %s: more than %d operands: raise CALL_OPERANDS (cases.h)\n", c->what->name,
                CALL_OPERANDS);
        abort();
    }
    struct call_operand *o = &c->operands[c->n_operands];
    *o = wanted;
    if (o->kind == KIND_INTS) {
        o->at = c->n_ints;
        c->n_ints += padded(o->n);
        o->host_ints = zeroed(c, o->n, sizeof *o->host_ints);
        if (c->checked) o->found = zeroed(c, o->n, sizeof *o->found);
    } else {
        int64_t guard = c->checked ? GUARD : 0;
        o->at = c->set_reals + guard;
        c->set_reals = o->at + padded(reals_of(o)) + guard;
        if (c->checked) {
            o->host = zeroed(c, o->n, sizeof *o->host);
            o->initial = zeroed(c, o->n, sizeof *o->initial);
        }
    }
    return view(c, c->n_operands++);
}

static struct operand reals(struct call *c, enum role role, int64_t rows, int64_t cols, enum fill fill) {
    return next(c, (struct call_operand){.kind = KIND_REALS,
                                         .role = role,
                                         .fill = fill,
                                         .n = rows * cols,
                                         .cols = cols,
                                         .gradient_of = -1,
                                         .cotangent_of = -1});
}

static struct operand integers(struct call *c, enum role role, int64_t n) {
    return next(c, (struct call_operand){
                       .kind = KIND_INTS, .role = role, .n = n, .cols = 1, .gradient_of = -1, .cotangent_of = -1});
}

struct operand call_in(struct call *c, int64_t n, enum fill fill) {
    return reals(c, ROLE_IN, n, 1, fill);
}
struct operand call_in_rows(struct call *c, int64_t rows, int64_t cols, enum fill fill) {
    return reals(c, ROLE_IN, rows, cols, fill);
}
struct operand call_inout(struct call *c, int64_t n, enum fill fill) {
    return reals(c, ROLE_INOUT, n, 1, fill);
}
struct operand call_out(struct call *c, int64_t n) {
    return reals(c, ROLE_OUT, n, 1, NUMBERS);
}
struct operand call_made(struct call *c, int64_t n) {
    return reals(c, ROLE_MADE, n, 1, NUMBERS);
}

struct operand call_cotangent(struct call *c, struct operand of) {
    struct operand d = call_in(c, of.n, NUMBERS);
    c->operands[d.number].cotangent_of = of.number;
    return d;
}

struct operand call_gradient(struct call *c, struct operand of, int accumulate) {
    struct operand d = reals(c, accumulate ? ROLE_INOUT : ROLE_OUT, of.n, 1, NUMBERS);
    c->operands[d.number].gradient_of = of.number;
    return d;
}

void call_differentiate(struct call *c, struct operand value) { c->operands[value.number].differentiated = 1; }

static struct operand on_host(struct call *c, struct operand x) {
    struct call_operand *o = &c->operands[x.number];
    LAY_OUT(c) c->set_reals -= padded(o->n), o->on_host_alone = 1;
    return view(c, x.number);
}

struct operand call_point(struct call *c, int64_t n, enum fill fill) {
    return on_host(c, call_in(c, n, fill));
}
struct operand call_value(struct call *c, int64_t n) {
    return on_host(c, call_made(c, n));
}

struct operand call_in_halves(struct call *c, int64_t n) {
    return next(c, (struct call_operand){
                       .kind = KIND_HALVES, .role = ROLE_IN, .n = n, .cols = 1, .gradient_of = -1, .cotangent_of = -1});
}

struct operand call_ints(struct call *c, int64_t n) {
    return integers(c, ROLE_IN, n);
}
struct operand call_out_ints(struct call *c, int64_t n) {
    return integers(c, ROLE_OUT, n);
}
struct operand call_made_ints(struct call *c, int64_t n) {
    return integers(c, ROLE_MADE, n);
}

struct operand call_indices(struct call *c, int64_t n, int64_t least, int64_t end, uint64_t stream) {
    struct operand x = call_ints(c, n);
    LAY_OUT(c)
    for (int64_t i = 0; i < n; i++) x.host_ints[i] = (int32_t)(least + number_pick(end - least, stream, i));
    return x;
}

struct operand call_keys(struct call *c, int64_t n) {
    struct operand x = call_ints(c, n);
    LAY_OUT(c)
    for (int64_t i = 0; i < n; i++) x.host_ints[i] = (int32_t)(c->measured ? i : 17 + 1001 * i);
    return x;
}

static int64_t segment_length(const struct call *c, int64_t n, int64_t mean, uint64_t stream, int64_t i) {
    if (c->measured) return number_length(mean, stream, i);
    return i == n - 1 ? 6 * mean : number_pick(2 * mean + 1, stream, i);
}

struct call_segments call_segments(struct call *c, int64_t n, int64_t mean, enum number_stream stream) {
    struct operand offsets = call_ints(c, n + 1);
    LAY_OUT(c)
    for (int64_t i = 0; i < n; i++)
        offsets.host_ints[i + 1] = offsets.host_ints[i] + (int32_t)segment_length(c, n, mean, stream, i);
    return (struct call_segments){{n, offsets.host_ints[n], offsets.ints}, offsets.host_ints};
}

/* Of graph g: the offsets of its nodes' edges. */
static void lay_out_edges(const struct call *c, const int32_t *graphs, int64_t g, int64_t mean_nodes,
                          int64_t mean_edges, int32_t *offsets) {
    int64_t first = graphs[g], n = graphs[g + 1] - first, n_edges = n * mean_edges / mean_nodes, source, target, at = 0;
    for (int64_t e = 0; c->measured && e < n_edges; e++) {
        number_edge(n, n_edges, e, &source, &target);
        while (at <= target) offsets[first + at + 1] = offsets[first + at], at++;
        offsets[first + target + 1]++;
    }
    for (; c->measured && at < n; at++) offsets[first + at + 1] = offsets[first + at];
    for (; at < n; at++) {
        int64_t most = 2 * mean_edges / mean_nodes,
                degree = at == 0 ? 10 * most : number_pick(most + 1, SOURCES, first + at);
        offsets[first + at + 1] = offsets[first + at] + (int32_t)degree;
    }
}

struct call_edges call_edges(struct call *c, struct call_segments graphs, int64_t mean_nodes, int64_t mean_edges) {
    struct operand offsets = call_ints(c, graphs.rows.n_rows + 1);
    LAY_OUT(c)
    for (int64_t g = 0; g < graphs.rows.n; g++)
        lay_out_edges(c, graphs.offsets, g, mean_nodes, mean_edges, offsets.host_ints);
    int64_t n = offsets.host_ints[graphs.rows.n_rows];
    struct operand sources = call_ints(c, n);
    LAY_OUT(c)
    for (int64_t g = 0; g < graphs.rows.n; g++) {
        int64_t first = graphs.offsets[g], nodes = graphs.offsets[g + 1] - first, begin = offsets.host_ints[first];
        int64_t edges = offsets.host_ints[first + nodes] - begin, source, target;
        for (int64_t e = 0; e < edges; e++) {
            if (c->measured)
                number_edge(nodes, edges, e, &source, &target);
            else
                source = number_pick(nodes, NODES, begin + e);
            sources.host_ints[begin + e] = (int32_t)(first + source);
        }
    }
    return (struct call_edges){{n, offsets.ints, sources.ints}, offsets.host_ints, sources.host_ints};
}

void call_shape(struct call *c, const char *format, ...) {
    if (c->pass != PASS_LAY_OUT) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->shape, sizeof c->shape, format, arguments);
    va_end(arguments);
}

/* ---- filling ---- */
static void fill_row(const struct call_operand *o, uint64_t stream, int64_t row, real *x) {
    double square = 0;
    for (int64_t j = 0; j < o->cols; j++) {
        int64_t i = row * o->cols + j;
        double u = number_uniform(stream, i);
        switch (o->fill) {
            case POSITIVE: u = fabs(u) + 0.05; break;
            case RECTIFIED: u = u > 0 ? u : 0; break;
            case ALL_ZERO: u = 0; break;
            case ONE_HOT_ROWS: u = j == number_pick(o->cols < 4 ? o->cols : 4, stream, row); break;
            default: break;
        }
        x[j] = (real)u;
        square += (double)x[j] * x[j];
    }
    for (int64_t j = 0; o->fill == UNIT_ROWS && j < o->cols; j++) x[j] = (real)(x[j] / sqrt(square));
}

/* Sends an operand's numbers, whole rows at a time. */
static void fill_reals(struct call *c, int k, int64_t set, real *piece) {
    struct call_operand *o = &c->operands[k];
    int64_t rows = o->cols > 0 ? o->n / o->cols : 0, step = larger(PIECE / larger(o->cols, 1), 1);
    if (o->on_host_alone && !c->checked) return;
    int blank = c->checked && (o->role == ROLE_OUT || o->role == ROLE_MADE);
    for (int64_t r = 0; r < rows; r += step) {
        int64_t n = rows - r < step ? rows - r : step;
        for (int64_t i = 0; i < n; i++)
            fill_row(o, (uint64_t)(OPERANDS + set * CALL_OPERANDS + k), r + i, piece + i * o->cols);
        for (int64_t i = 0; i < n * o->cols; i++) {
            if (blank) piece[i] = (real)NAN;
            if (c->checked) o->host[r * o->cols + i] = o->initial[r * o->cols + i] = piece[i];
        }
        if (!o->on_host_alone) device_upload_reals(c->device, real_at(c, set, o->at + r * o->cols), piece, n * o->cols);
    }
}

static void fill_halves(struct call *c, int k, int64_t set, real *piece) {
    struct call_operand *o = &c->operands[k];
    int64_t words = reals_of(o), step = PIECE, each = (int64_t)(sizeof(real) / sizeof(uint16_t));
    uint16_t *halves = (uint16_t *)piece;
    for (int64_t w = 0; w < words; w += step) {
        int64_t n = words - w < step ? words - w : step;
        for (int64_t i = 0; i < n * each; i++) {
            int64_t at = w * each + i;
            uint16_t bits = (uint16_t)number_pick(65536, (uint64_t)(OPERANDS + set * CALL_OPERANDS + k), at);
            halves[i] = (bits & 0x7c00) == 0x7c00 ? 0 : bits;
            if (c->checked && at < o->n) o->host[at] = o->initial[at] = half_to_float(halves[i]);
        }
        device_upload_reals(c->device, real_at(c, set, o->at + w), piece, n);
    }
}

static void fill_guards(struct call *c, const struct call_operand *o, real *piece) {
    int64_t n = reals_of(o);
    for (int64_t i = 0; i < 2 * GUARD; i++) piece[i] = (real)NAN;
    device_upload_reals(c->device, real_at(c, 0, o->at - GUARD), piece, GUARD);
    device_upload_reals(c->device, real_at(c, 0, o->at + n), piece, padded(n) - n + GUARD);
}

static void fill_set(struct call *c, int64_t set, real *piece) {
    for (int k = 0; k < c->n_operands; k++) {
        const struct call_operand *o = &c->operands[k];
        if (o->kind == KIND_REALS) fill_reals(c, k, set, piece);
        if (o->kind == KIND_HALVES) fill_halves(c, k, set, piece);
        if (o->kind != KIND_INTS && c->checked) fill_guards(c, o, piece);
    }
}

static void fill_ints(struct call *c) {
    for (int k = 0; k < c->n_operands; k++) {
        struct call_operand *o = &c->operands[k];
        if (o->kind != KIND_INTS) continue;
        for (int64_t i = 0; o->role != ROLE_IN && i < o->n; i++) o->host_ints[i] = c->measured ? 0 : JUNK;
        device_upload_ints(c->device, dev_int_at(c->ints, o->at), o->host_ints, o->n);
    }
}

/* ---- calls ---- */
int call_lay_out(struct call *c, const struct kernel_case *what, struct device *device, const int64_t *size,
                 int measured, int checked) {
    *c = (struct call){.what = what, .device = device, .measured = measured, .checked = checked};
    memcpy(c->size, size, sizeof c->size);
    run_pass(c, PASS_LAY_OUT);
    return device_error(device) ? -1 : 0;
}

int call_make(struct call *c, int64_t n_sets) {
    real *piece = zeroed(c, PIECE, sizeof *piece);
    for (int k = 0; k < c->n_operands; k++)
        if (c->operands[k].cols > PIECE) abort();
    c->n_sets = n_sets;
    c->reals = device_alloc_reals(c->device, n_sets * c->set_reals);
    c->ints = device_alloc_ints(c->device, c->n_ints);
    for (int64_t set = 0; set < n_sets && !device_error(c->device); set++) {
        if (set == 0) fill_ints(c);
        fill_set(c, set, piece);
        c->set = set;
        run_pass(c, PASS_PREPARE);
    }
    free(piece);
    c->set = n_sets - 1; /* so that the first run is on the first set */
    if (c->checked && !device_error(c->device)) call_take_made(c, c);
    return device_error(c->device) ? -1 : 0;
}

void call_free(struct call *c) {
    if (!c->device) return;
    device_free_reals(c->device, c->reals);
    device_free_ints(c->device, c->ints);
    c->device->run->linear_free(c->device, c->packed);
    for (int k = 0; k < c->n_operands; k++) {
        free(c->operands[k].host);
        free(c->operands[k].initial);
        free(c->operands[k].host_ints);
        free(c->operands[k].found);
    }
    *c = (struct call){0};
}

void call_run(struct call *c) {
    c->set = c->set + 1 < c->n_sets ? c->set + 1 : 0;
    run_pass(c, PASS_RUN);
}

void call_download_reals(struct call *c, int k, real *to) {
    device_download_reals(c->device, to, real_at(c, c->set, c->operands[k].at), reals_of(&c->operands[k]));
}

void call_download_ints(struct call *c, int k, int32_t *to) {
    device_download_ints(c->device, to, dev_int_at(c->ints, c->operands[k].at), c->operands[k].n);
}

void call_take_made(struct call *c, struct call *from) {
    for (int k = 0; k < c->n_operands; k++) {
        struct call_operand *o = &c->operands[k];
        if (o->role != ROLE_MADE || o->on_host_alone) continue;
        if (o->kind == KIND_INTS) {
            call_download_ints(from, k, o->host_ints);
            device_upload_ints(c->device, dev_int_at(c->ints, o->at), o->host_ints, o->n);
            continue;
        }
        real *values = zeroed(c, o->n, sizeof *values);
        if (!values) return;
        call_download_reals(from, k, values);
        device_upload_reals(c->device, real_at(c, c->set, o->at), values, o->n);
        for (int64_t i = 0; i < o->n; i++) o->initial[i] = o->host[i] = values[i];
        free(values);
    }
}

void call_refer(struct call *c) {
    for (int k = 0; k < c->n_operands; k++) {
        struct call_operand *o = &c->operands[k];
        if (o->kind != KIND_INTS && o->role != ROLE_IN) memcpy(o->host, o->initial, (size_t)o->n * sizeof *o->host);
    }
    run_pass(c, PASS_REFERENCE);
}

int call_guards_hold(struct call *c, int *k) {
    for (*k = 0; *k < c->n_operands; ++*k) {
        const struct call_operand *o = &c->operands[*k];
        real around[2 * GUARD + ALIGNED];
        if (o->kind == KIND_INTS) continue;
        int64_t n = reals_of(o), after = padded(n) - n + GUARD;
        device_download_reals(c->device, around, real_at(c, c->set, o->at - GUARD), GUARD);
        device_download_reals(c->device, around + GUARD, real_at(c, c->set, o->at + n), after);
        for (int64_t i = 0; i < GUARD + after; i++)
            if (!isnan(around[i])) return 0;
    }
    return 1;
}
