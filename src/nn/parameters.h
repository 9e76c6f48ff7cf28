/* The trained parameters, their gradients, Adam's moments and their moving average, on the device.
 *
 * Dense parameters lie side by side in one buffer (so that gradients are summed over ranks in two messages and updated
 * in one call), the codebook first, since its gradient is the largest and the first to be ready. The node table is cut
 * by rows: each rank holds and updates the rows it owns (dist/row_owner.h).
 */
#ifndef MEDTOK_NN_PARAMETERS_H
#define MEDTOK_NN_PARAMETERS_H

#include "config/config.h"
#include "dist/comm.h"
#include "kernels.h"
#include "store/checkpoint.h"

enum { MAX_LAYERS = 8, MAX_PARAMETERS = 16 + 10 * MAX_LAYERS, MAX_STATES = 2 };

struct parameter {
    char name[48];                    /* as in the checkpoint */
    int64_t rows, cols;               /* whole parameter */
    int64_t first, count;             /* rows held here */
    double uniform, normal, constant; /* initial values: U(-uniform, uniform), N(0, normal^2), or constant */
    dev_real value, grad, m, v;       /* [count, cols] */
    dev_real average;                 /* the same, when training with train.average; else NULL */
    int decays;                       /* train.weight_decay acts on it */
};

/* What training keeps beside the parameters and saves with them; the same on every rank. */
struct training_state {
    const char *name; /* as in the checkpoint, borrowed */
    int64_t rows, cols;
    dev_real value;
};

struct parameters {
    struct device *device;
    struct parameter list[MAX_PARAMETERS];
    int n, nodes;                        /* number of parameters; which one is the node table */
    dev_real value, grad, m, v, average; /* dense parameters, n_dense values each */
    int64_t n_dense, n_codebook;
    dev_real node_value, node_grad, node_m, node_v, node_average;
    int averaged; /* train.average is not 0 */
    dev_real now; /* [N_ADAM_NOW + 1] what parameters_begin_update uploads */
    struct training_state states[MAX_STATES];
    int n_states;
    /* places in `list` */
    int codebook, text_map[2], text_specific[2], graph_specific[2];
    struct graph_layer {
        int linear[2], source, target; /* source, target: graph attention's logits, gat only */
    } graph[2];
    struct attention_layer {
        int query[2], key_value[2], output[2], norm[2];
    } attention[MAX_LAYERS];
};

/* Lays out all parameters of the configuration and allocates them. text_dim and n_nodes come from the input files. When
 * `training` is 0 there are no gradients and moments, and every rank holds the whole node table. */
int parameters_make(struct parameters *parameters, struct device *device, const struct comm *comm,
                    const struct config *config, int64_t text_dim, int64_t n_nodes, int training);
void parameters_free(struct parameters *parameters);

/* Initial values, keyed by (seed, parameter, element): the same on any number of ranks; averages begin as they are. */
int parameters_initialize(struct parameters *parameters, uint64_t seed);

/* Adds a state of zeros, [rows, cols], owned by `parameters`. */
int parameters_add_state(struct parameters *parameters, const char *name, int64_t rows, int64_t cols, dev_real *value);

/* Uploads what changes from update to update, for the two functions that follow; these are repeated work (device_repeat).
 * `step`: 1 for the first update. */
void parameters_begin_update(struct parameters *parameters, const struct config *config, double rate, int64_t step,
                             double gradient_scale);

/* One step of Adam on all parameters (kernels.h), with the weight decay train.weight_decay for the matrices of linear maps,
 * 0 for biases, norms, the codebook and the node table. Under quantizer.update: ema the codebook is passed over. */
void parameters_update(struct parameters *parameters, const struct config *config);

/* Moves the averages of all parameters:
 *   average = keep average + (1 - keep) value,   keep = min(train.average, (1 + step) / (10 + step)),
 * so that the first values are soon forgotten. Does nothing without train.average. */
void parameters_average(struct parameters *parameters);

/* The values that tokens are made with: the averages where there are any. A view, which owns nothing. */
struct parameters parameters_to_use(const struct parameters *parameters);

/* Collective. Writes all to `path`; `step` updates were made. */
int parameters_save(struct parameters *parameters, const struct comm *comm, const char *path,
                    const struct provenance *provenance, int64_t step);

/* The size of such a file, at most, and what more it takes while it is written. */
int64_t parameters_file_bytes(const struct parameters *parameters, int64_t *while_written);

/* Reads what this rank holds: when training, moments, averages and states too; otherwise the values to use, which are the
 * averages where the training kept them. */
int parameters_load(struct parameters *parameters, const char *path, int64_t *step);

#endif
