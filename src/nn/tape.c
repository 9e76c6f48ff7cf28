/* Order and memory of the tape. Variables form a list, newest first; a record tells which of them were made for it, so
 * that its memory can go when it has run: whoever used it was recorded later, and has run before. */
#include "nn/tape.h"

#include <stdio.h>

#include "base/device_status.h"

/* Gradients with a row for each code are small, those with a row for each node are not. Small ones that must begin as
 * zero are cut from memory that is cleared at once: one call instead of dozens, each of them a launch on a GPU. */
enum { MOST_SMALL_REALS = 1 << 18, FIRST_ZEROS = 1 << 14, MOST_ZEROS = 1 << 20 };

struct zeros {
    dev_real values;
    int64_t count, used;
    int pieces; /* cut from it and not given back */
};

struct gradient {
    dev_real at; /* NULL: nobody has asked for it yet */
    int64_t count;
    struct zeros *zeros; /* what it is cut from; NULL: it is a piece of the pool */
    unsigned filled : 1; /* 0: nobody has added anything, it counts as zero */
};

void tape_init(struct tape *tape, struct device *device) {
    *tape = (struct tape){.device = device};
    pool_init(&tape->pool, device);
}

void tape_free(struct tape *tape) {
    if (!tape->device) return;
    pool_free(&tape->pool);
    arena_free(&tape->host);
}

void tape_reset(struct tape *tape, int evaluating) {
    arena_reset(&tape->host);
    pool_reset(&tape->pool);
    tape->newest = tape->newest_at_record = NULL;
    tape->last = NULL;
    tape->passing = 0;
    tape->zeros = NULL;
    tape->zeros_most = tape->zeros_used;
    tape->zeros_used = 0;
    tape->evaluating = evaluating;
}

int64_t tape_peak_bytes(const struct tape *tape) { return tape->pool.most_used * (int64_t)sizeof(real); }

/* ---- failures ---- */
/* The first message stays. */
void tape_fail(struct tape *tape, const char *layer, const char *what) {
    if (!tape->failed) snprintf(tape->message, sizeof tape->message, "%s%s%s", layer, *layer ? ": " : "", what);
    tape->failed = 1;
}

int tape_status(const struct tape *tape) {
    TRY(device_status(tape->device));
    return tape->failed ? status_set(STATUS_FAILED, "%s", tape->message) : STATUS_OK;
}

int tape_check(struct tape *tape, const char *layer, int n, struct var *const *from) {
    for (int i = 0; i < n && !tape->failed; i++) {
        if (!from[i]) continue;
        if (from[i]->spent)
            tape_fail(tape, layer, "an input was overwritten by an in-place layer; use what that layer returned");
        else if (!from[i]->value.at)
            tape_fail(tape, layer, "an input's memory was given back; use it before that, or keep it with tape_keep");
        else if (from[i]->number < tape->passing)
            from[i]->saved = 1; /* the block that is passed reads it again in the backward pass */
    }
    return !tape->failed;
}

static dev_real take(struct tape *tape, int64_t count) {
    dev_real values = pool_take(&tape->pool, count);
    if (!values.at) tape_fail(tape, "", "out of device memory for the values of a step");
    return values;
}

/* ---- variables ---- */
void *tape_host(struct tape *tape, size_t size) {
    void *p = arena_alloc(&tape->host, size);
    if (!p) tape_fail(tape, "", "out of memory for the records of a step");
    return p;
}

static struct gradient *new_gradient(struct tape *tape, int64_t count, dev_real at) {
    struct gradient *g = tape_host(tape, sizeof *g);
    if (g) *g = (struct gradient){.at = at, .count = count, .filled = at.at != NULL};
    return g;
}

static int64_t next_number(const struct tape *tape) { return tape->newest ? tape->newest->number + 1 : 1; }

/* Stands in when the tape has failed: no rows, so that nothing is touched, but as wide as what was asked for, so that ranks go on
 * to exchange rows of one width. */
static struct var *no_var(struct tape *tape, int64_t cols) {
    static struct var nothing;
    struct var *v = tape_host(tape, sizeof *v);
    tape_fail(tape, "", "a variable over no memory was asked for");
    if (!v) return &nothing;
    v->cols = cols;
    return v;
}

/* A variable over `value`, last in the list. */
static struct var *new_var(struct tape *tape, int64_t rows, int64_t cols, dev_real value) {
    struct var *v = value.at ? tape_host(tape, sizeof *v) : NULL;
    if (!v) return no_var(tape, cols);
    *v = (struct var){.rows = rows, .cols = cols, .value = value, .older = tape->newest, .number = next_number(tape)};
    tape->newest = v;
    return v;
}

static struct var *new_owner(struct tape *tape, int64_t rows, int64_t cols) {
    struct var *v = new_var(tape, rows, cols, take(tape, rows * cols));
    if (v->value.at) v->memory = v;
    return v;
}

static void give_gradient(struct tape *tape, struct var *v) {
    if (v->value.at && (v->gradient = new_gradient(tape, v->rows * v->cols, (dev_real){NULL})))
        v->needs_grad = v->owns_gradient = 1;
}

struct var *tape_leaf(struct tape *tape, int64_t rows, int64_t cols) {
    struct var *v = new_owner(tape, rows, cols);
    if (!v->memory) return v;
    v->keep = v->is_leaf = 1;
    if (!tape->evaluating) give_gradient(tape, v);
    return v;
}

struct var *tape_constant(struct tape *tape, int64_t rows, int64_t cols) {
    return new_owner(tape, rows, cols);
}

struct var *tape_borrow(struct tape *tape, int64_t rows, int64_t cols, dev_real value, dev_real grad) {
    struct var *v = new_var(tape, rows, cols, value);
    if (v->value.at && grad.at && !tape->evaluating && (v->gradient = new_gradient(tape, rows * cols, grad)))
        v->needs_grad = 1;
    return v;
}

void tape_keep(struct var *v) {
    if (v->memory) v->memory->keep = 1;
}

static int one_needs_grad(int n, struct var *const *from) {
    for (int i = 0; i < n; i++)
        if (from[i] && from[i]->needs_grad) return 1;
    return 0;
}

struct var *tape_make(struct tape *tape, const char *layer, int64_t rows, int64_t cols, int n,
                      struct var *const *from) {
    int well = tape_check(tape, layer, n, from);
    struct var *v = well ? new_owner(tape, rows, cols) : no_var(tape, cols);
    if (one_needs_grad(n, from)) give_gradient(tape, v);
    return v;
}

struct var *tape_make_over(struct tape *tape, const char *layer, struct var *x, int n, struct var *const *from) {
    int well = tape_check(tape, layer, 1, &x) && tape_check(tape, layer, n, from);
    if (well && !x->memory)
        tape_fail(tape, layer, "works in place, but its input's memory is not the tape's own; copy it first");
    else if (well && x->memory->number < tape->passing)
        tape_fail(tape, layer, "works in place on what was made outside of the recomputed block; copy it first");
    else if (well && x->saved)
        tape_fail(tape, layer, "works in place, but another layer needs its input's value in the backward pass");
    else if (well && x->gradient && x->gradient->filled)
        tape_fail(tape, layer, "works in place, but a loss was computed of its input already; compute it afterwards");
    struct var *v = new_var(tape, x->rows, x->cols, tape->failed ? (dev_real){NULL} : x->value);
    if (tape->failed) return v;
    x->spent = 1;
    v->memory = x->memory;
    v->gradient = x->gradient;
    v->needs_grad = x->needs_grad;
    if (!v->needs_grad && one_needs_grad(n, from)) give_gradient(tape, v);
    return v;
}

dev_real tape_scratch(struct tape *tape, int64_t count) { return new_owner(tape, 1, count)->value; }

dev_real tape_reals(struct tape *tape, int64_t count) {
    struct var *v = new_owner(tape, 1, count);
    tape_keep(v);
    return v->value;
}

_Static_assert(sizeof(real) % sizeof(int32_t) == 0, "whole integers fit in a value");

dev_int tape_ints(struct tape *tape, int64_t count) {
    int64_t each = (int64_t)(sizeof(real) / sizeof(int32_t));
    return (dev_int){(void *)tape_reals(tape, (count + each - 1) / each).at};
}

/* ---- gradients ---- */
static void give_back_zeros(struct tape *tape, struct zeros *zeros) {
    if (zeros->pieces == 0) pool_give(&tape->pool, zeros->values, zeros->count);
}

/* Zeros for the small gradients that come, as many as the last step had. */
static struct zeros *new_zeros(struct tape *tape, int64_t least) {
    int64_t count = tape->zeros_most - tape->zeros_used;
    if (count < FIRST_ZEROS) count = FIRST_ZEROS;
    if (count > MOST_ZEROS) count = MOST_ZEROS;
    if (count < least) count = least;
    struct zeros *z = tape_host(tape, sizeof *z);
    if (!z) return NULL;
    *z = (struct zeros){.values = take(tape, count), .count = count};
    if (!z->values.at) return NULL;
    tape->device->run->fill(tape->device, count, 0, z->values);
    return z;
}

static void take_zeros(struct tape *tape, struct gradient *g) {
    g->at = take(tape, g->count);
    if (g->at.at) tape->device->run->fill(tape->device, g->count, 0, g->at);
}

static void cut_from_zeros(struct tape *tape, struct gradient *g) {
    int64_t count = (g->count + 15) / 16 * 16; /* 64-byte aligned */
    struct zeros *old = tape->zeros;
    if (!old || old->used + count > old->count) {
        struct zeros *z = new_zeros(tape, count);
        if (!z) {
            take_zeros(tape, g);
            return;
        }
        if (old) give_back_zeros(tape, old);
        tape->zeros = z;
    }
    g->zeros = tape->zeros;
    g->at = dev_real_at(g->zeros->values, g->zeros->used);
    g->zeros->used += count;
    g->zeros->pieces++;
    tape->zeros_used += count;
}

dev_real tape_grad(struct tape *tape, struct var *v) {
    struct gradient *g = v->gradient;
    if (g && tape->passing)
        tape_fail(tape, "nn_recompute", "a loss in a block that is computed again would count twice");
    if (!g) return (dev_real){NULL};
    if (!g->filled) {
        if (g->count <= MOST_SMALL_REALS)
            cut_from_zeros(tape, g);
        else
            take_zeros(tape, g);
        g->filled = 1;
    }
    return g->at;
}

dev_real tape_grad_begin(struct tape *tape, struct var *v, int *accumulate) {
    struct gradient *g = v->gradient;
    *accumulate = g && g->filled;
    if (!g) return (dev_real){NULL};
    if (!g->filled) g->at = take(tape, g->count);
    g->filled = 1;
    return g->at;
}

dev_real tape_grad_or_scratch(struct tape *tape, struct var *v) {
    if (v->gradient || tape->failed) return tape_grad(tape, v);
    dev_real zeros = tape_scratch(tape, v->rows * v->cols);
    if (zeros.at) tape->device->run->fill(tape->device, v->rows * v->cols, 0, zeros);
    return zeros;
}

static void give_back_gradient(struct tape *tape, struct gradient *g) {
    if (g->zeros) {
        g->zeros->pieces--;
        if (g->zeros != tape->zeros) give_back_zeros(tape, g->zeros);
    } else {
        pool_give(&tape->pool, g->at, g->count);
    }
    g->zeros = NULL;
    g->at.at = NULL;
}

/* ---- records ---- */
void *tape_record(struct tape *tape, size_t size, void (*backward)(struct tape *, struct op *), const struct var *y) {
    if (tape->evaluating || tape->passing || tape->failed || (y && !y->needs_grad)) return NULL;
    struct op *op = tape_host(tape, size);
    if (!op) return NULL;
    op->backward = backward;
    op->previous = tape->last;
    op->before = tape->newest_at_record;
    tape->newest_at_record = tape->newest;
    tape->last = op;
    return op;
}

void tape_save(struct var *v) { v->saved = 1; }

/* Gives back what the variables made after `floor` hold; those that are to stay do, unless `all` go. */
static void give_back(struct tape *tape, struct var *floor, int all) {
    struct var *v = tape->newest, *older, *kept = NULL, **end = &kept;
    for (; v != floor; v = older) {
        older = v->older;
        if (v->owns_gradient && (all || !v->is_leaf)) give_back_gradient(tape, v->gradient);
        if (v->keep && !all) {
            *end = v;
            end = &v->older;
            continue;
        }
        if (!v->memory || (v->memory->keep && !all)) continue; /* borrowed, or another name of what stays */
        if (v->memory == v) pool_give(&tape->pool, v->value, v->rows * v->cols);
        v->memory = NULL;
        v->value.at = NULL;
    }
    *end = floor;
    tape->newest = kept ? kept : floor;
}

static void run_records(struct tape *tape) {
    for (struct op *op = tape->last; op && !tape->failed; op = op->previous) {
        op->backward(tape, op);
        give_back(tape, op->before, 0);
    }
    tape->last = NULL;
}

void tape_backward(struct tape *tape) {
    run_records(tape);
    tape->newest_at_record = tape->newest;
}

struct notify_op {
    struct op op;
    void (*notify)(void *context);
    void *context;
};

static void notify_backward(struct tape *tape, struct op *op) {
    (void)tape;
    struct notify_op *n = (struct notify_op *)op;
    n->notify(n->context);
}

void tape_notify(struct tape *tape, void (*notify)(void *context), void *context) {
    struct notify_op *n = tape_record(tape, sizeof *n, notify_backward, NULL);
    if (!n) return;
    n->notify = notify;
    n->context = context;
}

/* ---- blocks of which only the result stays ---- */
struct tape_scope tape_scope_begin(const struct tape *tape) {
    return (struct tape_scope){tape->newest, tape->last};
}

struct var *tape_scope_end(struct tape *tape, struct tape_scope scope, struct var *y) {
    int64_t first = scope.newest ? scope.newest->number + 1 : 1;
    if (tape->failed || tape->last != scope.last) return y;
    if (!y || y->number < first) {
        give_back(tape, scope.newest, 1);
        return y;
    }
    struct var *memory = y->memory, was = *y;
    int moves = memory && memory->number >= first;
    if (moves) memory->memory = NULL; /* so that it is not given back */
    give_back(tape, scope.newest, 1);
    struct var *out = new_var(tape, was.rows, was.cols, was.value);
    if (tape->failed) return out;
    out->memory = moves ? out : memory;
    if (was.needs_grad) give_gradient(tape, out);
    return out;
}

struct recompute_op {
    struct op op;
    struct var *(*body)(struct tape *tape, void *self, struct var *x);
    void *self;
    struct var *x, *y;
};

/* The gradient of y becomes that of `again`, which the same block made. */
static void move_gradient(struct tape *tape, struct var *y, struct var *again) {
    struct gradient *from = y->gradient, *to = again->gradient;
    if (!from->filled || !to) return;
    if (to->filled) { /* the block made nothing, but gave a parameter */
        tape->device->run->axpy(tape->device, from->count, 1, from->at, to->at);
        return;
    }
    *to = *from;
    *from = (struct gradient){.count = to->count};
}

static void recompute_backward(struct tape *tape, struct op *op) {
    struct recompute_op *r = (struct recompute_op *)op;
    struct var *at_record = tape->newest_at_record, *floor = tape->newest;
    if (r->y->memory == r->y && !r->y->keep) { /* nobody reads it any more */
        pool_give(&tape->pool, r->y->value, r->y->rows * r->y->cols);
        r->y->memory = NULL;
        r->y->value.at = NULL;
    }
    tape->last = NULL;
    tape->newest_at_record = floor;
    struct var *again = r->body(tape, r->self, r->x);
    if (!tape->failed) move_gradient(tape, r->y, again);
    run_records(tape);
    if (!tape->failed) give_back(tape, floor, 1);
    tape->newest_at_record = at_record;
}

struct var *nn_recompute(struct tape *tape, struct var *x,
                         struct var *(*body)(struct tape *tape, void *self, struct var *x), void *self) {
    int64_t outside = tape->passing, first = next_number(tape);
    struct tape_scope scope = tape_scope_begin(tape);
    tape->passing = tape->evaluating ? 0 : first;
    struct var *y = tape_scope_end(tape, scope, body(tape, self, x));
    tape->passing = outside;
    if (tape->failed || y->number < first) return y;
    struct recompute_op *r = tape_record(tape, sizeof *r, recompute_backward, y);
    if (r) r->body = body, r->self = self, r->x = x, r->y = y;
    return y;
}
