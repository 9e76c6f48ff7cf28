/* Memory and order of the tape. Device memory comes from blocks that are merged at reset, as in base/arena.c. */
#include "nn/tape.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* Blocks double up to MOST: a step takes at most that much more than it needs. */
enum { FIRST_BLOCK_REALS = 1 << 18, MOST_BLOCK_REALS = 1 << 26, ALIGN_REALS = 16 };

/* Gradients with a row for each code are small, those with a row for each node are not. */
enum { MOST_SMALL_REALS = 1 << 18, SMALL_ROOM_REALS = 1 << 22 };

struct real_block {
    struct real_block *next;
    int64_t size;
    dev_real values;
};

void tape_init(struct tape *tape, struct device *device) { *tape = (struct tape){.device = device}; }

static void free_blocks(struct tape *tape) {
    while (tape->blocks) {
        struct real_block *next = tape->blocks->next;
        device_free_reals(tape->device, tape->blocks->values);
        free(tape->blocks);
        tape->blocks = next;
    }
}

void tape_free(struct tape *tape) {
    if (!tape->device) return;
    free_blocks(tape);
    arena_free(&tape->host);
}

static int add_block(struct tape *tape, int64_t size) {
    struct real_block *block = calloc(1, sizeof *block);
    if (block) block->values = device_alloc_reals(tape->device, size);
    if (!block || !block->values.at) {
        free(block);
        tape->failed = 1;
        return STATUS_FAILED;
    }
    block->size = size;
    block->next = tape->blocks;
    tape->blocks = block;
    tape->block_used = 0;
    return STATUS_OK;
}

void tape_reset(struct tape *tape, int evaluating) {
    arena_reset(&tape->host);
    if (tape->blocks && tape->blocks->next) {
        int64_t total = 0;
        for (struct real_block *b = tape->blocks; b; b = b->next) total += b->size;
        free_blocks(tape);
        add_block(tape, total);
    }
    tape->block_used = 0;
    tape->small = (struct small_gradients){0};
    tape->last = NULL;
    tape->evaluating = evaluating;
}

dev_real tape_reals(struct tape *tape, int64_t count) {
    count = (count + ALIGN_REALS - 1) / ALIGN_REALS * ALIGN_REALS;
    if (!tape->blocks || tape->blocks->size - tape->block_used < count) {
        int64_t wanted = tape->blocks ? 2 * tape->blocks->size : FIRST_BLOCK_REALS;
        if (wanted > MOST_BLOCK_REALS) wanted = MOST_BLOCK_REALS;
        if (add_block(tape, wanted > count ? wanted : count) != STATUS_OK) return (dev_real){NULL};
    }
    dev_real p = dev_real_at(tape->blocks->values, tape->block_used);
    tape->block_used += count;
    return p;
}

struct var *tape_borrow(struct tape *tape, int64_t rows, int64_t cols, dev_real value, dev_real grad) {
    static struct var nothing; /* stands in when memory is out: no rows, so that nothing is touched */
    struct var *v = arena_alloc(&tape->host, sizeof *v);
    if (!v || !value.at) {
        tape->failed = 1;
        return &nothing;
    }
    *v = (struct var){.rows = rows, .cols = cols, .value = value, .grad = grad, .begun = 1, .place = -1};
    return v;
}

/* ---- gradients ---- */
static void clear_small(struct tape *tape) {
    struct small_gradients *s = &tape->small;
    if (s->cleared < s->made && !tape->failed)
        tape->device->run->fill(tape->device, s->made - s->cleared, 0, dev_real_at(s->room, s->cleared - s->at));
    s->cleared = s->made;
}

/* Room for a gradient of `count` values, and its place. */
static dev_real make_gradient(struct tape *tape, int64_t count, int64_t *place) {
    struct small_gradients *s = &tape->small;
    *place = -1;
    if (count > MOST_SMALL_REALS) return tape_reals(tape, count);
    count = (count + ALIGN_REALS - 1) / ALIGN_REALS * ALIGN_REALS;
    if (s->made + count > s->at + s->size) {
        clear_small(tape);
        *s = (struct small_gradients){tape_reals(tape, SMALL_ROOM_REALS), SMALL_ROOM_REALS, s->made, s->made, s->made};
    }
    *place = s->made;
    s->made += count;
    return s->room.at ? dev_real_at(s->room, *place - s->at) : s->room;
}

/* Whether the gradient's memory is in use from now on; small ones are cleared before, so that they are not afterwards. */
static int begin_gradient(struct tape *tape, struct var *v) {
    int begun = v->begun;
    if (!begun && v->place >= tape->small.cleared) clear_small(tape);
    v->begun = 1;
    return begun;
}

struct var *tape_constant(struct tape *tape, int64_t rows, int64_t cols) {
    return tape_borrow(tape, rows, cols, tape_reals(tape, rows * cols), (dev_real){NULL});
}

struct var *tape_var(struct tape *tape, int64_t rows, int64_t cols) {
    if (tape->evaluating) return tape_constant(tape, rows, cols);
    int64_t place;
    dev_real grad = make_gradient(tape, rows * cols, &place);
    struct var *v = tape_borrow(tape, rows, cols, tape_reals(tape, rows * cols), grad);
    v->begun = 0;
    v->place = place;
    return v;
}

struct var *tape_gradient(struct tape *tape, int64_t rows, int64_t cols) {
    int64_t place;
    dev_real grad = make_gradient(tape, rows * cols, &place);
    struct var *v = tape_borrow(tape, rows, cols, grad, grad);
    v->value.at = NULL;
    v->begun = 0;
    v->place = place;
    return v;
}

dev_real tape_grad(struct tape *tape, struct var *v) {
    if (!begin_gradient(tape, v) && v->place < 0 && v->grad.at)
        tape->device->run->fill(tape->device, v->rows * v->cols, 0, v->grad);
    return v->grad;
}

int tape_grad_begun(struct tape *tape, struct var *v) { return begin_gradient(tape, v); }

void *tape_record(struct tape *tape, size_t size, void (*backward)(struct tape *, struct op *)) {
    if (tape->evaluating || tape->failed) return NULL;
    struct op *op = arena_alloc(&tape->host, size);
    if (!op) {
        tape->failed = 1;
        return NULL;
    }
    op->backward = backward;
    op->previous = tape->last;
    tape->last = op;
    return op;
}

void tape_backward(struct tape *tape) {
    if (tape->failed) return;
    for (struct op *op = tape->last; op; op = op->previous) op->backward(tape, op);
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
    struct notify_op *n = tape_record(tape, sizeof *n, notify_backward);
    if (!n) return;
    n->notify = notify;
    n->context = context;
}

int tape_status(const struct tape *tape) {
    const char *error = device_error(tape->device);
    if (error) return status_set(STATUS_FAILED, "device %s: %s", tape->device->name, error);
    return tape->failed ? STATUS_FAILED : STATUS_OK;
}
