/* The encoders by name. */
#include "text/text_encoder.h"

#include <stdlib.h>

#include "base/status.h"
#include "text/bert_encoder.h"
#include "text/ngram_encoder.h"

void text_plan_free(struct text_plan *plan) {
    free(plan->token_offsets);
    free(plan->token_row);
    free(plan->unit_rows);
    free(plan->unit_costs);
    *plan = (struct text_plan){0};
}

int64_t text_plan_row(const struct text_plan *plan, int64_t unit) {
    return plan->unit_rows ? plan->unit_rows[unit] : unit;
}

int64_t text_plan_cost(const struct text_plan *plan, int64_t unit) {
    return plan->unit_costs ? plan->unit_costs[unit] : unit;
}

int text_encoder_open(struct text_encoder *encoder, const struct config *config, struct device *device, int n_threads) {
    switch (config->text.encoder) {
        case TEXT_HASHED_NGRAMS: return ngram_encoder_open(encoder, config, n_threads);
        case TEXT_BERT: return bert_encoder_open(encoder, config, device);
    }
    return status_set(STATUS_USAGE, "text.encoder: unknown encoder");
}
