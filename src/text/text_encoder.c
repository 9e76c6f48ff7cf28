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
    free(plan->node_row);
    *plan = (struct text_plan){0};
}

void text_units_free(struct text_units *units) {
    free(units->list);
    free(units->bytes);
    *units = (struct text_units){0};
}

int64_t text_plan_row(const struct text_plan *plan, int64_t unit) {
    return plan->unit_rows ? plan->unit_rows[unit] : unit;
}

int64_t text_plan_cost(const struct text_plan *plan, int64_t unit) {
    return plan->unit_costs ? plan->unit_costs[unit] : unit;
}

int64_t text_batch_end(const int64_t *costs, int64_t first, int64_t end, int64_t most) {
    int64_t next = first + 1;
    if (!costs) return end - first < most ? end : first + most;
    while (next < end && costs[next + 1] - costs[first] <= most) next++;
    return next < end ? next : end;
}

int64_t text_plan_cut(const struct text_plan *plan, int64_t batch_cost, int64_t n_batches, int64_t *part_first) {
    int64_t n = 0, unit = 0;
    while (unit < plan->n_units) {
        part_first[n++] = unit;
        for (int64_t b = 0; b < n_batches && unit < plan->n_units; b++)
            unit = text_batch_end(plan->unit_costs, unit, plan->n_units, batch_cost);
    }
    part_first[n] = plan->n_units;
    return n;
}

int text_encoder_open(struct text_encoder *encoder, const struct text_options *options, uint64_t seed,
                      struct device *device, int n_threads) {
    switch (options->encoder) {
        case TEXT_HASHED_NGRAMS: return ngram_encoder_open(encoder, options, seed, n_threads);
        case TEXT_BERT: return bert_encoder_open(encoder, options, device);
    }
    return status_set(STATUS_USAGE, "text.encoder: unknown encoder");
}
