#include "text/options.h"

#include <string.h>

#include "base/status.h"

int text_options_check_encoder(const struct text_options *o) {
    if (o->ngram_min > o->ngram_max)
        return status_set(STATUS_USAGE, "text.ngram_min (%lld) is larger than text.ngram_max (%lld)",
                          (long long)o->ngram_min, (long long)o->ngram_max);
    if (o->encoder == TEXT_BERT && !o->model[0])
        return status_set(STATUS_USAGE, "text.encoder is bert: text.model must name the folder of a model");
    if (o->dim % 32)
        return status_set(STATUS_USAGE, "text.dim is %lld: it must be a multiple of 32", (long long)o->dim);
    return STATUS_OK;
}

int text_options_check_mode(const struct text_options *o) {
    return o->mode == TEXT_ONLINE && !o->model[0]
               ? status_set(STATUS_USAGE, "text.mode is online: text.model must name the folder of a model")
               : STATUS_OK;
}

int text_option_applies(const struct text_options *o, const char *name) {
    if (o->mode == TEXT_ONLINE) return strcmp(name, "text.dropout") != 0;
    return strcmp(name, "text.max_tokens") != 0 && strcmp(name, "text.pool") != 0 && strcmp(name, "text.compute") != 0;
}
