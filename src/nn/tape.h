/* The tape: matrices with gradients, and the record of how each was made, for reverse-mode differentiation.
 *
 * A step builds the tape by calling the functions of layers.h, then tape_backward runs the records in reverse. Values
 * are there until the backward pass has run the record that made them, gradients from when they are first added to
 * until then; what is to stay longer is marked with tape_keep, or comes from tape_leaf. tape_reset forgets everything.
 *
 * Errors (out of memory, a device error, a variable used after a layer overwrote it) are sticky: functions still return
 * a variable, and tape_status reports the first failure, so that formulas stay formulas.
 */
#ifndef MEDTOK_NN_TAPE_H
#define MEDTOK_NN_TAPE_H

#include "base/arena.h"
#include "nn/pool.h"

struct tape;
struct gradient; /* tape.c's: memory that is taken when it is first asked for */
struct zeros;    /* tape.c's: cleared memory that small gradients are cut from */

/* A matrix [rows, cols] on the device. An in-place layer returns a new variable over the memory of the old one, which
 * is then spent; both have one gradient. */
struct var {
    int64_t rows, cols;
    dev_real value;       /* NULL once its memory was given back */
    unsigned needs_grad;  /* a gradient with respect to it is wanted */
    unsigned spent : 1;   /* an in-place layer has overwritten the value */
    unsigned saved : 1;   /* a record needs the value in its backward: it may not be overwritten */
    unsigned keep : 1;    /* the memory stays when the backward pass has run its record */
    unsigned is_leaf : 1; /* and so does the gradient's */
    unsigned owns_gradient : 1;
    struct gradient *gradient; /* NULL: needs none */
    struct var *memory;        /* whose memory the value is; NULL: the tape borrowed it, or gave it back */
    struct var *older;         /* made before this one */
    int64_t number;            /* of the variables of the tape, in the order in which they were made */
};

/* One record. Each layer has its own struct that begins with this. */
struct op {
    void (*backward)(struct tape *tape, struct op *op);
    struct op *previous;
    struct var *before; /* newest variable when the previous record was made: later ones were made for this one */
};

struct tape {
    struct device *device;
    struct arena host; /* records and variables */
    struct pool pool;  /* values and gradients */
    struct op *last;   /* newest record */
    struct var *newest, *newest_at_record;
    struct zeros *zeros;
    int64_t zeros_used, zeros_most; /* values cut from zeros in this step, and in the step before */
    int64_t passing; /* while nothing is recorded (nn_recompute): number of the first variable made since; else 0 */
    int evaluating;  /* 1: no gradients, no dropout */
    int failed;
    char message[256]; /* of the first failure that is not the device's */
};

/* An empty tape on `device` (borrowed). */
void tape_init(struct tape *tape, struct device *device);
void tape_free(struct tape *tape);

/* Forgets all variables and records. evaluating: variables made from now on have no gradients, dropout does nothing. */
void tape_reset(struct tape *tape, int evaluating);

/* STATUS_OK, or the first failure of the tape or its device, with its message set. */
int tape_status(const struct tape *tape);

/* The most bytes of device memory that the tape's variables ever took at once. */
int64_t tape_peak_bytes(const struct tape *tape);

/* ---- variables that do not come from layers ---- */
/* A new variable for the caller to fill, whose gradient is wanted (not when evaluating). Value and gradient stay until
 * reset. */
struct var *tape_leaf(struct tape *tape, int64_t rows, int64_t cols);

/* A new variable for the caller to fill, without gradient. */
struct var *tape_constant(struct tape *tape, int64_t rows, int64_t cols);

/* A variable over memory that outlives the tape (a parameter). grad is added to, never cleared, so that it collects the
 * gradients of several runs of the tape; NULL: a constant. */
struct var *tape_borrow(struct tape *tape, int64_t rows, int64_t cols, dev_real value, dev_real grad);

/* Keeps the value until reset. In a scope: until its end. */
void tape_keep(struct var *var);

/* ---- for layers ---- */
#define TAPE_COUNT(...) ((int)(sizeof((struct var *[]){__VA_ARGS__}) / sizeof(struct var *)))
#define TAPE_LIST(...)  ((struct var *[]){__VA_ARGS__})

/* The new variable [rows, cols] that the calling layer makes from the inputs (`...`; NULL ones are passed over): value
 * undefined, gradient zero. It needs one if an input does. An input that was overwritten or given back fails the tape
 * with the layer's name. */
#define tape_var(tape, rows, cols, ...)                                                                                \
    tape_make((tape), __func__, (rows), (cols), TAPE_COUNT(__VA_ARGS__), TAPE_LIST(__VA_ARGS__))
struct var *tape_make(struct tape *tape, const char *layer, int64_t rows, int64_t cols, int n, struct var *const *from);

/* The variable that the calling in-place layer makes over x, which is spent then; `...` are its other inputs. Fails the
 * tape if x may not be overwritten: a record needs its value, a loss has added to its gradient already, or it is
 * borrowed. */
#define tape_over(tape, x, ...) tape_make_over((tape), __func__, (x), TAPE_COUNT(__VA_ARGS__), TAPE_LIST(__VA_ARGS__))
struct var *tape_make_over(struct tape *tape, const char *layer, struct var *x, int n, struct var *const *from);

/* For who reads variables but makes none (a loss): the same look at the inputs. Returns whether the tape is well. */
#define tape_reads(tape, ...) tape_check((tape), __func__, TAPE_COUNT(__VA_ARGS__), TAPE_LIST(__VA_ARGS__))
int tape_check(struct tape *tape, const char *layer, int n, struct var *const *from);

/* Appends a record of `size` bytes (at least sizeof(struct op)), zeroed, with its backward function; NULL when y, which
 * the layer made, needs no gradient, when nothing is recorded, or when memory is out. */
void *tape_record(struct tape *tape, size_t size, void (*backward)(struct tape *, struct op *), const struct var *y);

/* The newest record needs the value of v in its backward. */
void tape_save(struct var *v);

/* Fails the tape with "layer: what", unless it has failed before. */
void tape_fail(struct tape *tape, const char *layer, const char *what);

/* The gradient, to add to or to read; NULL where none is needed. */
dev_real tape_grad(struct tape *tape, struct var *var);

/* The gradient, for who can overwrite as well as add: *accumulate says whether there is something in it that must be
 * added to. */
dev_real tape_grad_begin(struct tape *tape, struct var *var, int *accumulate);

/* The gradient or, where none is needed, zeros that nobody reads: for a primitive that gives the gradients of all its
 * arguments. */
dev_real tape_grad_or_scratch(struct tape *tape, struct var *var);

/* Device memory for the layer's record: given back when the backward pass has run the record, or, taken in a backward
 * function, when this returns. Contents undefined. */
dev_real tape_scratch(struct tape *tape, int64_t count);

/* `size` bytes of host memory, zeroed, until reset; NULL, and the tape has failed, if memory is out. */
void *tape_host(struct tape *tape, size_t size);

/* Device memory until reset. In a scope: until its end. */
dev_real tape_reals(struct tape *tape, int64_t count);
dev_int tape_ints(struct tape *tape, int64_t count);

/* ---- memory when nothing is recorded ---- */
/* What was made since tape_scope_begin is given back at tape_scope_end, but y (NULL: all), which goes on as the
 * variable that is returned. Does nothing, and returns y, if something was recorded since: records need what their
 * layers made. So it gives back while evaluating, in a block that is computed again, and of layers of constants. */
struct tape_scope {
    struct var *newest;
    struct op *last;
};
struct tape_scope tape_scope_begin(const struct tape *tape);
struct var *tape_scope_end(struct tape *tape, struct tape_scope scope, struct var *y);

/* y = body(tape, self, x). Of what body makes only y stays; the backward pass runs body again for the rest (Chen et
 * al., 2016), which gives the same bits: dropout is keyed. body may use variables that were made before, but computes
 * no loss, and overwrites nothing that it has not made; `self` stays as it is until the backward pass. */
struct var *nn_recompute(struct tape *tape, struct var *x,
                         struct var *(*body)(struct tape *tape, void *self, struct var *x), void *self);

/* ---- the backward pass ---- */
/* Runs the records from the newest to the oldest. Gradients of the losses are on the variables already: a loss adds its
 * gradient when it is computed (losses.h). */
void tape_backward(struct tape *tape);

/* A record that runs `notify(context)` when backward passes it: all gradients that were made after this point, of
 * variables made before it, are then complete. For communication that overlaps the rest of the backward pass. */
void tape_notify(struct tape *tape, void (*notify)(void *context), void *context);

#endif
