/* Batch, node vectors, forward. */
#include "medtok/inference.h"

#include "base/status.h"

void inference_make(struct inference *i, const struct model *model, const struct comm *comm, struct device *device) {
    *i = (struct inference){.model = model, .rows.comm = comm};
    tape_init(&i->tape, device);
}

void inference_free(struct inference *i) {
    if (!i->model) return;
    row_exchange_free(&i->rows);
    tape_free(&i->tape);
    *i = (struct inference){0};
}

int batch_nodes(const struct batch *batch, const struct parameter *table, struct row_exchange *rows, struct tape *tape,
                struct var **nodes) {
    if (batch->n_distinct > 0 && batch->node_position != table->position)
        return status_set(STATUS_FAILED, "internal error: a batch counts the rows of %s in another order", table->name);
    if (rows->comm->size > 1 || !tape->evaluating)
        return row_exchange_fetch(rows, tape, table, batch->distinct_nodes, (int)batch->n_distinct, nodes);
    *nodes = nn_gather(tape, parameter_var(tape, table), batch->distinct, batch->n_distinct);
    return STATUS_OK;
}

int inference_run(struct inference *i, const struct dataset *dataset, struct batch_builder *builder,
                  const int64_t *codes, int64_t n, int status) {
    struct var *nodes;
    i->batch = (struct batch){0};
    if (n && status == STATUS_OK) status = batch_build(&i->batch, builder, dataset, codes, n, (struct view_drop){0});
    TRY(comm_agree(i->rows.comm, status));
    if (n) batch_arrives(builder);
    tape_reset(&i->tape, 1);
    row_exchange_reset(&i->rows);
    TRY(status_alone(batch_nodes(&i->batch, i->model->nodes, &i->rows, &i->tape, &nodes)));
    if (n == 0) return STATUS_OK;
    i->output = model_forward(i->model, &i->tape, &i->batch, nodes, NULL);
    return tape_status(&i->tape);
}
