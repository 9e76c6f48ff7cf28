/* Every case of kernels/cases at every shape: what is checked stands in cases.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases/cases.h"
#include "support.h"

/* Central differences are taken of at most so many values of an operand, spread over it. CUDA's gradients are compared with the
 * CPU's too, which are checked so themselves. */
enum { MOST_DIFFERENCES = 60, MOST_ON_CUDA = 6 };

#ifdef MEDTOK_REAL_DOUBLE
/* Of differences of doubles with a step of 1e-5: h^2 f''' / 6 and 1e-16 |f| / h are below 1e-8 here. */
static const double OF_GRADIENTS = 1e-6;
#else
/* Gradients are sums of products of what was already rounded: twice the tolerance of values. */
static const double OF_GRADIENTS = 4e-5;
#endif

/* The same call on another device: of CUDA, the CPU; of the CPU, one with another number of threads. */
struct pair {
    struct call call, other;
};

static struct device other;

/* Fails if the call's device has an error; takes it away, since the next case is on the same device. */
static void no_error(const struct call *c, const char *when) {
    char error[sizeof c->device->error];
    if (!device_error(c->device)) return;
    snprintf(error, sizeof error, "%s", c->device->error);
    c->device->error[0] = 0;
    fail_msg("%s at %s, %s: %s", c->what->name, c->shape, when, error);
}

/* Names an operand by its number in messages: a case asks for its operands in that order. */
static void differs(const struct call *c, int k, int64_t i, double found, double wanted, const char *from) {
    fail_msg("%s at %s: operand %d[%lld of %lld] is %.9g, %s %.9g", c->what->name, c->shape, k, (long long)i,
             (long long)c->operands[k].n, found, from, wanted);
}

static int same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

/* ---- outputs ---- */
static void check_ints(struct call *c, int k) {
    const struct call_operand *o = &c->operands[k];
    for (int64_t i = 0; i < o->n; i++)
        if (o->found[i] != o->host_ints[i]) differs(c, k, i, o->found[i], o->host_ints[i], "not");
}

static void check_reals(struct call *c, int k, const real *found) {
    const struct call_operand *o = &c->operands[k];
    for (int64_t i = 0; i < o->n; i++) {
        if (o->role == ROLE_IN || o->role == ROLE_MADE) {
            if (!same(found[i], o->initial[i])) differs(c, k, i, found[i], o->initial[i], "an input that was");
        } else if (!(fabs(found[i] - o->host[i]) <= TOLERANCE * (1 + fabs(o->host[i])))) {
            differs(c, k, i, found[i], o->host[i], "not");
        }
    }
}

/* ---- gradients ---- */
/* sum of cotangent * value, over the outputs of REFERENCE. */
static double loss(struct call *c) {
    double sum = 0;
    call_refer(c);
    for (int k = 0; k < c->n_operands; k++) {
        const struct call_operand *o = &c->operands[k];
        for (int64_t i = 0; o->cotangent_of >= 0 && i < o->n; i++)
            sum += o->host[i] * c->operands[o->cotangent_of].host[i];
        for (int64_t i = 0; o->differentiated && i < o->n; i++) sum += o->host[i];
    }
    return sum;
}

static void check_gradient_of_case(struct call *c, int k, const real *found) {
    const struct call_operand *o = &c->operands[k];
    double *x = c->operands[o->gradient_of].host;
    int64_t most = on_cpu() ? MOST_DIFFERENCES : MOST_ON_CUDA, n = o->n < most ? o->n : most;
    for (int64_t s = 0; s < n; s++) {
        int64_t i = s * o->n / n;
        double old = x[i], step = 1e-5, above, below;
        x[i] = old + step;
        above = loss(c);
        x[i] = old - step;
        below = loss(c);
        x[i] = old;
        double wanted = (above - below) / (2 * step) + (o->role == ROLE_INOUT ? o->initial[i] : 0);
        if (!(fabs(found[i] - wanted) <= OF_GRADIENTS * (1 + fabs(wanted))))
            differs(c, k, i, found[i], wanted, "by differences");
    }
}

/* ---- the other device ---- */
/* The CPU's threads change no bit. A GPU's gradients are near the CPU's; its other outputs were checked already. */
static void check_other(struct pair *p, int k, const real *found) {
    const struct call_operand *o = &p->call.operands[k];
    double tolerance = on_cpu() ? 0 : 2 * TOLERANCE;
    if (o->gradient_of < 0 && !on_cpu()) return;
    real *wanted = malloc((size_t)(o->n + 1) * sizeof *wanted);
    call_download_reals(&p->other, k, wanted);
    for (int64_t i = 0; i < o->n; i++)
        if (!same(found[i], wanted[i]) &&
            !(fabs((double)found[i] - wanted[i]) <= tolerance * (1 + fabs((double)wanted[i]))))
            differs(&p->call, k, i, found[i], wanted[i], on_cpu() ? "with other threads" : "on the CPU");
    free(wanted);
}

static void check_operand(struct pair *p, int k) {
    struct call *c = &p->call;
    struct call_operand *o = &c->operands[k];
    if (o->on_host_alone || o->kind == KIND_HALVES) return;
    if (o->kind == KIND_INTS) {
        check_ints(c, k);
        return;
    }
    real *found = malloc((size_t)(o->n + 1) * sizeof *found);
    call_download_reals(c, k, found);
    if (o->gradient_of < 0) {
        check_reals(c, k, found);
    } else {
        check_gradient_of_case(c, k, found);
        call_refer(c); /* without differences */
    }
    check_other(p, k, found);
    free(found);
}

/* ---- a case ---- */
static void begin(struct call *c, struct device *on, const struct kernel_case *what, const int64_t *size) {
    if (call_lay_out(c, what, on, size, 0, 1) == 0) call_make(c, 1);
    no_error(c, "made");
}

static void check_shape(const struct kernel_case *what, const int64_t *size) {
    struct pair p;
    int k;
    begin(&p.other, &other, what, size);
    begin(&p.call, &device, what, size);
    call_take_made(&p.call, &p.other);
    call_run(&p.other);
    call_run(&p.call);
    device_synchronize(&device);
    no_error(&p.call, "run");
    no_error(&p.other, "run on the other device");
    if (!call_guards_hold(&p.call, &k)) fail_msg("%s at %s: writes beyond operand %d", what->name, p.call.shape, k);
    for (k = 0; k < p.call.n_operands; k++)
        if (p.call.operands[k].kind == KIND_INTS) call_download_ints(&p.call, k, p.call.operands[k].found);
    call_refer(&p.call);
    for (k = 0; k < p.call.n_operands; k++) check_operand(&p, k);
    call_free(&p.call);
    call_free(&p.other);
}

static void case_holds(void **state) {
    const struct kernel_case *what = *state;
    for (int s = 0; s < what->n_shapes; s++) check_shape(what, what->shapes[s]);
}

/* ---- the list ---- */
static void every_primitive_has_a_case(void **state) {
    (void)state;
    for (int p = 0; p < N_PRIMITIVES; p++) {
        int found = 0;
        for (int i = 0; kernel_case(i); i++)
            found |= strcmp(kernel_case(i)->name, PRIMITIVE_NAMES[p]) == 0 && kernel_case(i)->n_shapes > 0;
        if (!found) fail_msg("no case that is named %s has shapes (kernels/cases)", PRIMITIVE_NAMES[p]);
    }
}

int test_cases(void) {
    enum { MOST = 256 };
    static struct CMUnitTest tests[MOST] = {cmocka_unit_test(every_primitive_has_a_case)};
    size_t n = 1;
    for (int i = 0; kernel_case(i); i++) {
        if (kernel_case(i)->n_shapes == 0) continue;
        if (n == MOST) return 1;
        tests[n++] = (struct CMUnitTest){kernel_case(i)->name, case_holds, NULL, NULL, (void *)kernel_case(i)};
    }
    if (device_open_cpu(&other, on_cpu() ? 3 : 2)) return 1;
    int failed = _cmocka_run_group_tests("cases", tests, n, NULL, NULL);
    device_close(&other);
    return failed;
}
