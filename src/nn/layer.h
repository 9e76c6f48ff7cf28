/* For the files of layers alone. Each layer: its formula, then its backward, as neighbours. */
#ifndef MEDTOK_NN_LAYER_H
#define MEDTOK_NN_LAYER_H

#include "nn/layers.h"

/* The device's table of primitives. */
#define RUN(tape) ((tape)->device->run)

/* Records y = a + b, of which y is over b: a's gradient is y's. */
void nn_record_add(struct tape *tape, struct var *a, struct var *y);

/* The record of a layer of one or two inputs. */
struct pair_op {
    struct op op;
    struct var *a, *b, *y;
};

#endif
