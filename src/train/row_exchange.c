/* One plan for each parameter that a batch fetches from. */
#include "train/row_exchange.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

void row_exchange_free(struct row_exchange *x) {
    for (long long i = 0; i < x->capacity; i++) row_plan_free(&x->fetched[i].plan, x->device);
    free(x->fetched);
    x->fetched = NULL;
    x->n = x->capacity = 0;
}

void row_exchange_reset(struct row_exchange *x) { x->n = 0; }

/* Room for one more; plans behind the used ones keep their memory for the next batch. */
static int grow(struct row_exchange *x) {
    long long old = x->capacity;
    TRY(mem_grow(&x->fetched, &x->capacity, x->n + 1, sizeof *x->fetched));
    if (x->capacity > old) memset(x->fetched + old, 0, (size_t)(x->capacity - old) * sizeof *x->fetched);
    return STATUS_OK;
}

int row_exchange_fetch(struct row_exchange *x, struct tape *tape, const struct parameter *p, const int32_t *rows, int n,
                       struct var **out) {
    TRY(grow(x));
    struct fetched_rows *f = &x->fetched[x->n++];
    x->device = tape->device;
    f->parameter = p;
    TRY(row_plan_make(&f->plan, x->comm, tape->device, p->rows, p->cols, rows, n));
    f->rows = *out = p->grad.at ? tape_leaf(tape, n, p->cols) : tape_constant(tape, n, p->cols);
    return row_plan_fetch(&f->plan, x->comm, tape->device, p->cols, p->value, f->rows->value);
}

int row_exchange_return(struct row_exchange *x, struct tape *tape) {
    for (long long i = 0; i < x->n; i++) {
        struct fetched_rows *f = &x->fetched[i];
        if (!f->parameter->grad.at) continue;
        TRY(row_plan_return(&f->plan, x->comm, tape->device, f->parameter->cols, tape_grad(tape, f->rows),
                            f->parameter->grad));
    }
    return STATUS_OK;
}
