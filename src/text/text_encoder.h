/* What the encode job asks of a text encoder: which feature rows a vocabulary needs, and the rows themselves.
 *
 * `plan` reads all descriptions once and numbers the distinct rows, in the same way on every rank. `rows` computes any stretch
 * of them; a row does not depend on which others are computed with it, or where.
 */
#ifndef MEDTOK_TEXT_TEXT_ENCODER_H
#define MEDTOK_TEXT_TEXT_ENCODER_H

#include "config/config.h"
#include "store/vocabulary.h"

/* Tokens of every code as rows, the [CLS] row first; see store/text_features.h. Owned; free with text_plan_free. */
struct text_plan {
    int64_t n_codes, n_rows;
    int64_t *token_offsets; /* [n_codes + 1] */
    int32_t *token_row;
};
void text_plan_free(struct text_plan *plan);

struct text_encoder {
    const char *name;
    int64_t dim;
    void *state;
    int (*plan)(struct text_encoder *encoder, const struct vocabulary *vocabulary, struct text_plan *plan);
    int (*rows)(struct text_encoder *encoder, int64_t first, int64_t count, int n_threads,
                float *out); /* [count, dim] */
    void (*close)(struct text_encoder *encoder);
};

/* Opens the encoder that text.encoder names. */
int text_encoder_open(struct text_encoder *encoder, const struct config *config);

#endif
