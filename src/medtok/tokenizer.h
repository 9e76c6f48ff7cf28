/* Every code of the vocabulary through a trained model: tokens, weights and embeddings, in order.
 *
 * The vocabulary is worked through in fixed blocks of `tokenize.batch` codes. A block is computed by one rank, and its
 * content does not depend on which, so the table is the same, bit for bit, from any number of ranks.
 */
#ifndef MEDTOK_MEDTOK_TOKENIZER_H
#define MEDTOK_MEDTOK_TOKENIZER_H

#include "medtok/model.h"
#include "store/table.h"

struct tokenizer {
    const struct config *config; /* the checkpoint's model settings, this run's files */
    struct device *device;
    struct text_source text;
    struct parameters parameters;
    struct tape tape;
};

/* Tokens of `n` codes on the host. */
struct token_rows {
    int64_t n;
    int32_t *tokens;  /* [n, 4, K], -1 where absent */
    float *weights;   /* [n, 4, K], 0 where absent */
    float *embedding; /* [n, 4, d], 0 where absent */
};

int token_rows_make(struct token_rows *rows, int64_t n, const struct config *config);
void token_rows_free(struct token_rows *rows);

/* Makes the first `count` codes absent in all groups. */
void token_rows_clear(struct token_rows *rows, const struct config *config, int64_t count);

/* Fetches one group's tokens from the device: row i goes to row offset + place[i]. */
int token_rows_place(struct token_rows *rows, const struct config *config, struct device *device, int group,
                     const struct quantized *quantized, const int32_t *place, int64_t offset);

/* Loads the model from config->files.checkpoint. */
int tokenizer_make(struct tokenizer *tokenizer, const struct config *config, struct device *device,
                   const struct comm *comm);
/* From now on tokenises the codes of config's files (borrowed), whose model settings are the same. */
void tokenizer_turn_to(struct tokenizer *tokenizer, const struct config *config);
void tokenizer_free(struct tokenizer *tokenizer);

/* Tokenises codes first .. first+count-1 of the vocabulary, block by block, into rows (room for count). */
int tokenizer_run(struct tokenizer *tokenizer, int64_t first, int64_t count, struct token_rows *rows);

/* The codebook with rows of norm 1, [size, dim]. */
int tokenizer_codebook(struct tokenizer *tokenizer, float *codebook);

#endif
