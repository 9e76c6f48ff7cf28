/* One case per primitive: its operands, its call, and what it must give, over a table of shapes. Tests and `medtok bench` run
 * the same cases: tests at the shapes of the table, `bench` at the sizes of a training step.
 *
 * A case is one function. It asks for its operands in order, calls the primitive, and gives the outputs in plain loops of
 * doubles:
 *
 *     static void axpy(struct call *c) {
 *         int64_t n = c->size[0];
 *         struct operand x = call_in(c, n, NUMBERS), y = call_inout(c, n, NUMBERS);
 *         call_shape(c, "%lld", (long long)n);
 *         CALL(c, axpy, n, 0.7, x.real, y.real);
 *         REFERENCE(c) for (int64_t i = 0; i < n; i++) y.host[i] += 0.7 * x.host[i];
 *     }
 *
 * and stands in the table of its family: {"axpy", axpy, SHAPES(VECTORS), vector_of_a_step}. The function runs several times
 * (enum call_pass), so it asks for the same operands each time and does nothing but what these macros guard.
 *
 * A gradient is checked against central differences, not by a second set of formulas. A backward case gives the forward's
 * outputs in REFERENCE, and says whose gradient an operand is and which input is the gradient with respect to which output:
 *
 *     struct operand x = call_in(c, n, NUMBERS), y = call_made(c, n), dy = call_cotangent(c, y), dx = call_gradient(c, x, 1);
 *     PREPARE(c, activate, n, x.real, y.real);
 *     CALL(c, activate_backward, n, x.real, y.real, dy.real, dx.real);
 *     REFERENCE(c) activated(n, x.host, y.host);
 *
 * dx must then be what it was plus d(sum_i dy[i] y[i])/dx. A call that gives a value and its gradients at once names the value
 * with call_differentiate.
 *
 * What tests check of every case and shape (tests/test_cases.c): outputs against REFERENCE; gradients against differences, and
 * on CUDA against the CPU; that inputs and the memory around operands are left alone; on the CPU, that the number of threads
 * changes no bit. Outputs hold NaN before a call.
 */
#ifndef MEDTOK_KERNELS_CASES_CASES_H
#define MEDTOK_KERNELS_CASES_CASES_H

#include "cases/numbers.h"
#include "kernels.h"

enum { CASE_SIZES = 8, CALL_OPERANDS = 32 };

/* Sizes of a training step: so many codes, with graphs and texts of random lengths around a mean. */
struct step_sizes {
    int64_t batch, queries;       /* codes; vectors to quantise */
    int64_t nodes, edges, tokens; /* mean of a code */
    int64_t graph_nodes;          /* of the whole knowledge graph */
    int64_t node_dim, hidden, graph_heads;
    int64_t dim, heads; /* of the cross-attention and the quantiser */
    int64_t codebook, top_k, text_dim;
    int64_t batch_nodes, batch_tokens, linear_rows; /* of the batch; worth giving to `linear` at once */
    enum precision_of_products text_precision;      /* of `linear` */
};

/* Of bert-base: word pieces, and positions of a text. */
enum { WORD_PIECES = 30522, TEXT_POSITIONS = 512 };

struct call;

struct kernel_case {
    const char *name; /* the primitive's, or PRIMITIVE.VARIANT */
    void (*call)(struct call *);
    const int64_t (*shapes)[CASE_SIZES]; /* [n_shapes], see SHAPES; the case says what the sizes mean */
    int n_shapes;
    void (*of_step)(const struct step_sizes *step, int64_t *size); /* its sizes when it is measured; NULL: it is not */
};

/* `shapes` and `n_shapes` of a table; NO_SHAPES: for measuring alone. */
#define SHAPES(table) table, sizeof(table) / sizeof *(table)
#define NO_SHAPES     NULL, 0

/* All cases, in the order of list.h as far as families go; NULL: i is beyond the last. */
const struct kernel_case *kernel_case(int i);

/* ---- for cases: operands ---- */
enum fill {
    NUMBERS,   /* uniform in -1 .. 1 */
    POSITIVE,  /* uniform in 0.05 .. 1.05 */
    RECTIFIED, /* half of them 0, the others in 0 .. 1 */
    ALL_ZERO,
    UNIT_ROWS,    /* rows of length 1 */
    ONE_HOT_ROWS, /* rows of zeros and a one in one of four columns (or fewer): many are equal */
};

/* An operand: where it lies on the device, and, when REFERENCE runs, its values as doubles. */
struct operand {
    dev_real real; /* the kind that was asked for */
    dev_int ints;
    dev_half half;
    double *host;         /* reals and halves */
    int32_t *host_ints;   /* ints; at any time */
    const int32_t *found; /* what the call gave, of call_out_ints: for a reference that accepts more than one answer */
    int64_t n;
    int number; /* among the case's operands */
};

struct operand call_in(struct call *, int64_t n, enum fill); /* read */
struct operand call_in_rows(struct call *, int64_t rows, int64_t cols, enum fill);
struct operand call_inout(struct call *, int64_t n, enum fill);  /* read and written: added to */
struct operand call_out(struct call *, int64_t n);               /* overwritten */
struct operand call_made(struct call *, int64_t n);              /* written by PREPARE, then read */
struct operand call_cotangent(struct call *, struct operand of); /* d(loss)/d(of), read */
struct operand call_gradient(struct call *, struct operand of,
                             int accumulate);                 /* d(loss)/d(of), added or overwritten */
void call_differentiate(struct call *, struct operand value); /* d(loss)/d(value) = 1 */
/* For REFERENCE alone, not on the device: an input and an output of the forward that the backward does not read. */
struct operand call_point(struct call *, int64_t n, enum fill);
struct operand call_value(struct call *, int64_t n);

struct operand call_in_halves(struct call *, int64_t n); /* finite ones */
struct operand call_ints(struct call *, int64_t n);      /* read; the case sets host_ints under LAY_OUT */
struct operand call_indices(struct call *, int64_t n, int64_t least, int64_t end, uint64_t stream); /* least .. end-1 */
struct operand call_keys(struct call *, int64_t n);                                                 /* all different */
struct operand call_out_ints(struct call *, int64_t n);                                             /* overwritten */
struct operand call_made_ints(struct call *, int64_t n);                                            /* as call_made */

/* n segments. Measured: of 1 .. 2 mean - 1 rows. In tests: of 0 to 2 mean rows, the last one longer than all. */
struct call_segments {
    struct ragged rows;
    const int32_t *offsets; /* on the host */
};
struct call_segments call_segments(struct call *, int64_t n, int64_t mean, enum number_stream stream);

/* Edges within graphs. Measured: mean_edges for each mean_nodes nodes. In tests: 0 to 2 mean_edges / mean_nodes of a node, some
 * twice, and the first node of each graph has many. */
struct call_edges {
    struct edges edges;
    const int32_t *offsets, *sources;
};
struct call_edges call_edges(struct call *, struct call_segments graphs, int64_t mean_nodes, int64_t mean_edges);

/* What the sizes are, printf style, for messages and for bench. */
void call_shape(struct call *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- for cases: what is done with them ---- */
enum call_pass { PASS_LAY_OUT, PASS_PREPARE, PASS_RUN, PASS_REFERENCE };

#define CALL_IN_PASS(c, when, primitive, ...)                                                                          \
    do {                                                                                                               \
        if ((c)->pass == (when)) (c)->device->run->primitive((c)->device, __VA_ARGS__);                                \
    } while (0)
#define CALL(c, primitive, ...)    CALL_IN_PASS(c, PASS_RUN, primitive, __VA_ARGS__)
#define PREPARE(c, primitive, ...) CALL_IN_PASS(c, PASS_PREPARE, primitive, __VA_ARGS__)
#define LAY_OUT(c)                 if ((c)->pass == PASS_LAY_OUT)
#define REFERENCE(c)               if ((c)->pass == PASS_REFERENCE)

/* ---- for who runs cases: a call of a case at given sizes on a device ---- */
enum role { ROLE_IN, ROLE_INOUT, ROLE_OUT, ROLE_MADE };
enum kind { KIND_REALS, KIND_HALVES, KIND_INTS };

struct call_operand {
    enum kind kind;
    enum role role;
    enum fill fill;
    int on_host_alone;
    int64_t n, cols;
    int64_t at;                    /* of reals and halves: in a set; of ints: in those that all sets share */
    int gradient_of, cotangent_of; /* numbers of operands; -1: none */
    int differentiated;            /* it is part of the loss, with cotangent 1 */
    double *host, *initial;        /* see call_checked */
    int32_t *host_ints, *found;
};

struct call {
    const struct kernel_case *what;
    struct device *device;
    int64_t size[CASE_SIZES];
    int measured; /* at the sizes of a step: with data that are typical, not awkward */
    int checked;  /* with doubles on the host, and guards around operands */
    enum call_pass pass;
    char shape[96];
    struct call_operand operands[CALL_OPERANDS];
    int n_operands, next; /* next: that a case asks for in this pass */
    int64_t set_reals, n_ints, n_sets, set;
    dev_real reals; /* [n_sets, set_reals] */
    dev_int ints;
    struct packed_weights *packed; /* for cases that have them: made under PASS_PREPARE, freed by call_free */
};

/* Lays out the case's operands: then `shape` and set_reals are known. checked: for call_check. call_make then makes n_sets
 * sets of operands, which differ in their numbers, fills them and prepares each. Both return 0, or -1 and the device's error.
 * Free in any case; call_free is safe on a zeroed call. */
int call_lay_out(struct call *, const struct kernel_case *what, struct device *device, const int64_t *size,
                 int measured, int checked);
int call_make(struct call *, int64_t n_sets);
void call_free(struct call *);

/* Calls the primitive on the next set. */
void call_run(struct call *);

/* Operand k of the last set that was run, from the device. */
void call_download_reals(struct call *, int k, real *to);
void call_download_ints(struct call *, int k, int32_t *to);

/* Of a checked call with one set. The made operands of `from`, which is the same call on another device, become this one's. */
void call_take_made(struct call *, struct call *from);
/* Sets every operand's `host` to what it was before the call, but for inputs, and runs REFERENCE on them. */
void call_refer(struct call *);
/* Whether the memory around the operands is as it was; else the number of the operand in *k. */
int call_guards_hold(struct call *, int *k);

#endif
