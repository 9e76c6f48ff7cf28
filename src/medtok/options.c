#include "medtok/options.h"

#include "base/status.h"

int model_options_check(const struct attention_options *attention, const struct quantizer_options *quantizer) {
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
