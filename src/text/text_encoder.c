/* The encoders by name. */
#include "text/text_encoder.h"

#include <stdlib.h>

#include "base/status.h"
#include "text/ngram_encoder.h"

void text_plan_free(struct text_plan *plan) {
    free(plan->token_offsets);
    free(plan->token_row);
    *plan = (struct text_plan){0};
}

int text_encoder_open(struct text_encoder *encoder, const struct config *config) {
    switch (config->text.encoder) {
        case TEXT_HASHED_NGRAMS: return ngram_encoder_open(encoder, config);
    }
    return status_set(STATUS_USAGE, "text.encoder: unknown encoder");
}
