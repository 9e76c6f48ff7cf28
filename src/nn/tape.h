/* The tape: matrices with gradients, and the record of how each was made, for reverse-mode differentiation.
 *
 * A step builds the tape by calling the functions of layers.h, then tape_backward runs the records in reverse. Everything
 * on the tape lives until tape_reset. Errors (out of memory, a device error) are sticky: functions still return a
 * variable, and tape_status reports the first failure, so that formulas stay formulas.
 */
#ifndef MEDTOK_NN_TAPE_H
#define MEDTOK_NN_TAPE_H

#include "base/arena.h"
#include "kernels.h"

/* A matrix [rows, cols] on the device. grad has the same shape; grad.at is NULL for constants. A gradient begins as zero, but is
 * not cleared before somebody wants to add to it or to read it: tape_grad() and tape_grad_begun() are the ways to it. */
struct var {
    int64_t rows, cols;
    dev_real value, grad;
    int begun;     /* there is something in the gradient; 0: it counts as zero, whatever its memory holds */
    int64_t place; /* of a small gradient among the small ones, in values; -1: it is none */
};

/* Small gradients lie side by side, in the order of their variables, and are cleared together: the first that is asked for clears
 * all that were made so far. One call in the place of dozens, each of them a launch on a GPU. */
struct small_gradients {
    dev_real room;         /* they are handed out from here */
    int64_t size, at;      /* values of the room, and place of its first */
    int64_t made, cleared; /* places handed out, and how many of these have been cleared */
};

struct tape;

/* One record. Each layer has its own struct that begins with this. */
struct op {
    void (*backward)(struct tape *tape, struct op *op);
    struct op *previous;
};

struct tape {
    struct device *device;
    struct arena host;         /* records and variables */
    struct op *last;           /* newest record */
    struct real_block *blocks; /* device memory of values and gradients, newest first */
    int64_t block_used;        /* values used in the newest block */
    struct small_gradients small;
    int evaluating; /* 1: no gradients, no dropout */
    int failed;
};

/* An empty tape on `device` (borrowed). */
void tape_init(struct tape *tape, struct device *device);
void tape_free(struct tape *tape);

/* Forgets all variables and records. evaluating: variables made from now on have no gradients, dropout does nothing. */
void tape_reset(struct tape *tape, int evaluating);

/* A new variable, value undefined, gradient zero (none when evaluating). */
struct var *tape_var(struct tape *tape, int64_t rows, int64_t cols);

/* A new variable that is a gradient alone: value NULL. */
struct var *tape_gradient(struct tape *tape, int64_t rows, int64_t cols);

/* A variable without gradient. */
struct var *tape_constant(struct tape *tape, int64_t rows, int64_t cols);

/* A variable over memory that outlives the tape (a parameter); grad is added to, never cleared, by the tape. */
struct var *tape_borrow(struct tape *tape, int64_t rows, int64_t cols, dev_real value, dev_real grad);

/* The gradient, to add to or to read. */
dev_real tape_grad(struct tape *tape, struct var *var);

/* For who can overwrite as well as add: whether there is something in the gradient already. From now on there is. */
int tape_grad_begun(struct tape *tape, struct var *var);

/* Scratch values on the device until reset. */
dev_real tape_reals(struct tape *tape, int64_t count);

/* Appends a record of `size` bytes (at least sizeof(struct op)), zeroed, with its backward function; NULL when
 * evaluating or out of memory. */
void *tape_record(struct tape *tape, size_t size, void (*backward)(struct tape *, struct op *));

/* Runs the records from the newest to the oldest. Gradients of the losses are on the variables already: a loss adds its
 * gradient when it is computed (losses.h). */
void tape_backward(struct tape *tape);

/* A record that runs `notify(context)` when backward passes it: all gradients that were made after this place, of
 * variables made before it, are then complete. For communication that overlaps the rest of the backward pass. */
void tape_notify(struct tape *tape, void (*notify)(void *context), void *context);

/* STATUS_OK, or the first failure of the tape or its device. */
int tape_status(const struct tape *tape);

#endif
