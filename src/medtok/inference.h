/* Codes through the model as it is: no dropout, no second view, no losses. Who wants the tokens or vectors of codes
 * comes here.
 */
#ifndef MEDTOK_MEDTOK_INFERENCE_H
#define MEDTOK_MEDTOK_INFERENCE_H

#include "medtok/model.h"
#include "train/row_exchange.h"

struct inference {
    const struct model *model; /* borrowed */
    struct tape tape;
    struct row_exchange rows;
    struct batch batch;         /* of the last block */
    struct model_output output; /* valid until the next block */
};

/* comm, device: borrowed. */
void inference_make(struct inference *inference, const struct model *model, const struct comm *comm,
                    struct device *device);
void inference_free(struct inference *inference);

/* Puts codes[n], which `dataset` holds, through the model, by way of `builder`, which was made for the dataset. Where
 * `comm` has several ranks, the node table is cut among them and this is collective, since they fetch node vectors from
 * each other: all come with a block each, or with none (n 0: dataset and builder are not looked at). `status`: what
 * failed on this rank on the way here; all ranks then return together. What fails behind the exchange is of this rank
 * alone. */
int inference_run(struct inference *inference, const struct dataset *dataset, struct batch_builder *builder,
                  const int64_t *codes, int64_t n, int status);

/* The nodes of a batch as a variable [n_distinct, node_dim]: from the ranks that own them (collective), or from the
 * whole table. */
int batch_nodes(const struct batch *batch, const struct parameter *table, struct row_exchange *rows, struct tape *tape,
                struct var **nodes);

#endif
