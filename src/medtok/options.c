#include "medtok/options.h"

#include "base/status.h"

/* Of both signs of each value, since ReLU keeps one. */
static int check_encoder_start(const struct graph_options *graph, int64_t dim) {
    int64_t n = graph->node_dim < dim ? graph->node_dim : dim;
    if (graph->encoder_start == ENCODER_START_RANDOM || graph->hidden >= 2 * n) return STATUS_OK;
    return status_set(STATUS_USAGE,
                      "graph.encoder_start: mean needs graph.hidden of at least %lld, twice the smaller of "
                      "graph.node_dim and quantizer.dim; it is %lld",
                      (long long)(2 * n), (long long)graph->hidden);
}

int model_options_check(const struct graph_options *graph, const struct attention_options *attention,
                        const struct quantizer_options *quantizer) {
    TRY(check_encoder_start(graph, quantizer->dim));
    if (quantizer->dim % attention->heads)
        return status_set(STATUS_USAGE, "attention.heads (%lld) must divide quantizer.dim (%lld)",
                          (long long)attention->heads, (long long)quantizer->dim);
    if (quantizer->top_k > quantizer->size / 3)
        return status_set(STATUS_USAGE,
                          "quantizer.top_k (%lld) is more than a third of quantizer.size (%lld): a region "
                          "has too few rows",
                          (long long)quantizer->top_k, (long long)quantizer->size);
    if (quantizer->assign == ASSIGN_RESIDUAL && quantizer->shared_region != SHARED_MIDDLE)
        return status_set(STATUS_USAGE,
                          "quantizer.assign: residual needs quantizer.shared_region: middle, so that a row "
                          "belongs to one level of one region");
    if (quantizer->rate > 0 && quantizer->update == UPDATE_EMA)
        return status_set(STATUS_USAGE,
                          "quantizer.rate (%g) is for quantizer.update: gradient; moving averages have no rate "
                          "(quantizer.ema_decay)",
                          quantizer->rate);
    return STATUS_OK;
}

int tokenize_options_check(const struct tokenize_options *o) {
    return o->append_to[0] && !o->codes[0]
               ? status_set(STATUS_USAGE, "tokenize.append_to needs tokenize.codes (--codes FILE): the codes to append")
               : STATUS_OK;
}
