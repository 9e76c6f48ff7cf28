/* A set of parameters: named matrices on the device, their gradients, and their first values. It knows no model.
 *
 * A model adds its parameters in an order of its choice, and then they are allocated, all at once: the values of those
 * that are trained and whole on every rank lie side by side in the order of adding, and so do their gradients, so that
 * one call sums or updates many of them; likewise those that are trained and cut by rows; likewise the frozen ones,
 * which have no gradient. What a training keeps beside a parameter (moments, averages) is the optimiser's
 * (train/optimiser.h).
 */
#ifndef MEDTOK_NN_PARAMETERS_H
#define MEDTOK_NN_PARAMETERS_H

#include "nn/layers.h"

enum parameter_flags {
    PARAMETER_DECAYS = 1, /* weight decay acts on it */
    PARAMETER_FROZEN =
        2, /* constant to the tape and to the optimiser; also what a model keeps beside its parameters and saves */
    PARAMETER_BY_ROWS = 4, /* cut among ranks: each holds, and updates, a run of its rows */
    PARAMETER_SELF_MOVED =
        8, /* it has a gradient and an average, but its model sets it: the optimiser's update passes it over */
    PARAMETER_PACKED =
        16, /* with FROZEN: a weight for products alone, held as linear_pack lays it out (parameter_pack); it has no value */
    PARAMETER_APART =
        32, /* trained at a rate of its own (apart_rate), its gradient outside the clip; not with BY_ROWS */
};

/* First values: U(-uniform, uniform) if uniform > 0, else N(0, normal^2) if normal > 0, else the constant. */
struct init {
    double uniform, normal, constant;
};

enum parameter_group { PARAMETERS_DENSE, PARAMETERS_CUT, PARAMETERS_FROZEN, N_PARAMETER_GROUPS };

struct parameter {
    char *name;           /* as in a checkpoint; owned */
    int index;            /* in the order of adding */
    int64_t rows, cols;   /* of the whole parameter */
    int64_t first, count; /* rows held here */
    struct init init;
    unsigned flags;
    enum parameter_group group;
    int64_t offset;                /* of its values among those of its group */
    dev_real value, grad;          /* [count, cols]; grad.at NULL: frozen, or allocated without gradients */
    struct packed_weights *packed; /* of a packed one; owned */
    /* Of one that is cut by rows, whose rows may lie in another order than that of their numbers (dist/row_order.h): position [rows] of each
     * row, and the rows held [count], ascending. Borrowed; NULL: in that of their numbers. */
    const int32_t *position, *held;
};

struct parameter_set {
    struct device *device;   /* borrowed; NULL: not allocated yet */
    struct parameter **list; /* [n] in the order of adding; owned */
    long long n, capacity;
    struct parameter_stretch {
        dev_real value, grad;
        int64_t n; /* values held here */
    } group[N_PARAMETER_GROUPS];
    int status; /* first failure of parameter_add */
    /* First values are keyed by a parameter's name, not by its index: variants of a model, of which one has a parameter more, start alike. */
    int values_by_name;
    double apart_rate; /* of PARAMETER_APART: a multiple of the others' rate */
};

/* The number of row i of those held here. */
static inline int64_t parameter_row(const struct parameter *p, int64_t i) {
    return p->held ? p->held[i] : p->first + i;
}

/* An empty set is all zeros. */
void parameter_set_free(struct parameter_set *set);

/* Adds a parameter [rows, cols], before parameter_set_allocate; flags: a sum of enum parameter_flags. The name is
 * printf's. NULL without memory, which parameter_set_allocate reports. The parameter is the set's and stays where it
 * is. */
struct parameter *parameter_add(struct parameter_set *set, int64_t rows, int64_t cols, struct init init, unsigned flags,
                                const char *name, ...) __attribute__((format(printf, 6, 7)));

/* Allocates values, undefined, and, with_gradients, gradients of 0 for all that are not frozen. Of a parameter that is
 * cut by rows this process holds part `part` of `n_parts` (a rank of all ranks; 0 of 1: all rows; 0 of 0: none, something else
 * has them), as dist/row_owner.h cuts a table. */
int parameter_set_allocate(struct parameter_set *set, struct device *device, int part, int n_parts, int with_gradients);

/* Sets the first values, keyed by (seed, index or name of the parameter, element): the same however the rows are cut. */
int parameter_set_initialize(struct parameter_set *set, uint64_t seed);

/* Gives a packed parameter its weight [rows, cols], in host memory, read once, of the type `storage`; products are then made in
 * `precision` (linear_pack). After parameter_set_allocate. */
int parameter_pack(struct parameter_set *set, struct parameter *parameter, const void *weight, enum storage storage,
                   enum precision_of_products precision);

/* The same where the weight is multiplied from where it lies, if the backend can (linear_borrow): it stays until the set is freed. */
int parameter_borrow(struct parameter_set *set, struct parameter *parameter, const void *weight, enum storage storage,
                     enum precision_of_products precision);

/* Clears all gradients: device work that is the same every time. */
void parameter_set_clear_gradients(struct parameter_set *set);

/* Values of all parameters, over all ranks, that are not frozen. */
int64_t parameter_set_size(const struct parameter_set *set);

/* ---- on a tape ---- */
/* The rows that are held here. Its gradient is added to; a tape that evaluates sees a constant. */
struct var *parameter_var(struct tape *tape, const struct parameter *parameter);

/* Its values from value `first` on, as a matrix [rows, cols]. */
struct var *parameter_part(struct tape *tape, const struct parameter *parameter, int64_t first, int64_t rows,
                           int64_t cols);

/* ---- linear maps and norms ---- */
/* What a map learns beside a frozen weight (low-rank adaptation, LoRA; Hu et al., 2022): outputs first .. first + out - 1 of
 * part p get scale b a drop(x) more, with a [rank, in] and b [out, rank]. */
enum { ADAPTER_MOST_PARTS = 2 }; /* keys and values are one map */
struct adapter {
    int n;          /* parts, which do not overlap, in the order of their outputs */
    double scale;   /* of all parts */
    double dropout; /* rate */
    struct {
        struct parameter *a, *b;
        int64_t first;
        uint32_t stream; /* of what is dropped */
    } parts[ADAPTER_MOST_PARTS];
};

struct linear_map {
    struct parameter *weight, *bias; /* [out, in]; [1, out], or NULL */
    const struct adapter *adapter;   /* borrowed; NULL: none. linear_map_adapted reads it */
};

/* Adds NAME.weight, which decays, and NAME.bias; flags: further ones of both. bound < 0: PyTorch's nn.Linear, that is
 * U(-b, b) with b = 1/sqrt(in) for both; otherwise the weight is U(-bound, bound) and the bias 0. */
struct linear_map linear_map_add(struct parameter_set *set, int64_t out, int64_t in, double bound, unsigned flags,
                                 const char *name);

/* The same with a weight of N(0, std^2), and a bias, of 0, only if has_bias. PARAMETER_PACKED holds for the weight. */
struct linear_map linear_map_add_normal(struct parameter_set *set, int64_t out, int64_t in, double std, int has_bias,
                                        unsigned flags, const char *name);

/* For nn_linear_map, without activation. */
struct linear_terms linear_map_terms(struct tape *tape, struct linear_map map);

/* x weight^T + bias */
struct var *linear_map_apply(struct tape *tape, struct var *x, struct linear_map map);

/* The same, and what the map's adapter adds. What it drops is keyed by the segments' keys and by seed and step of `dropout`. */
struct var *linear_map_adapted(struct tape *tape, struct var *x, struct linear_map map, struct segments segments,
                               struct dropout dropout);

struct norm_map {
    struct parameter *gain, *bias; /* [1, dim]; bias may be NULL */
};

/* Adds NAME.gain, of 1, and, if has_bias, NAME.bias, of 0. */
struct norm_map norm_map_add(struct parameter_set *set, int64_t dim, int has_bias, unsigned flags, const char *name);

/* For nn_norm and nn_add_norm. */
struct norm_terms norm_map_terms(struct tape *tape, struct norm_map map, double epsilon, int center);

/* The bound of Glorot and Bengio (2010) for uniform first values: sqrt(6 / (in + out)). */
double init_glorot_bound(int64_t in, int64_t out);

#endif
