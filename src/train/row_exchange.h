/* Rows of parameters that are cut among ranks (PARAMETER_BY_ROWS), as variables on a tape: a batch fetches those that
 * it needs from the ranks that own them (dist/row_owner.h), and afterwards sends their gradients back.
 */
#ifndef MEDTOK_TRAIN_ROW_EXCHANGE_H
#define MEDTOK_TRAIN_ROW_EXCHANGE_H

#include "dist/row_owner.h"
#include "nn/parameters.h"

/* Reused from batch to batch; zero it before the first but for comm. */
struct row_exchange {
    const struct comm *comm; /* borrowed */
    struct device *device;   /* of the last fetch */
    struct fetched_rows {
        struct row_plan plan;
        const struct parameter *parameter;
        struct var *rows;
    } * fetched; /* [n] since the last row_exchange_reset, memory for `capacity` */
    long long n, capacity;
};

void row_exchange_free(struct row_exchange *exchange);

/* Forgets what was fetched: a new batch begins. */
void row_exchange_reset(struct row_exchange *exchange);

/* Collective. *out [n, cols]: the rows `rows`[n] (ascending, distinct, numbers in the whole parameter; copied as
 * needed), a variable of `tape`, with a gradient unless the tape evaluates. Ranks fetch from the same parameters in the
 * same order. */
int row_exchange_fetch(struct row_exchange *exchange, struct tape *tape, const struct parameter *parameter,
                       const int32_t *rows, int n, struct var **out);

/* Collective. Adds the gradients of all that was fetched, of all ranks, to those of the parameters. */
int row_exchange_return(struct row_exchange *exchange, struct tape *tape);

#endif
