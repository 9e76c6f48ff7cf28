/* Every code of the vocabulary through a trained model: tokens, weights and embeddings, in order.
 *
 * The vocabulary is worked through in fixed blocks of `tokenize.batch` codes. A block is computed by one rank, and its
 * content does not depend on which, so the table is the same, bit for bit, from any number of ranks. The node table is cut among
 * the ranks; each reads the rows of the nodes that its codes have in hand (dist/row_window.h), and waits for nobody.
 */
#ifndef MEDTOK_MEDTOK_TOKENIZER_H
#define MEDTOK_MEDTOK_TOKENIZER_H

#include "dist/row_window.h"
#include "medtok/inference.h"
#include "store/table.h"

/* What a tokenizer is made from; texts and options are borrowed. */
struct tokenizer_options {
    struct model_settings model; /* those of the checkpoint */
    const struct text_options *text;
    const char *vocabulary, *features, *checkpoint; /* files */
    int averaged;                                   /* the checkpoint has averages of the parameters, which are used */
    double graph_weight;                            /* of the graph's vectors in embeddings */
    int64_t block;                                  /* tokenize.batch */
};

struct tokenizer {
    struct tokenizer_options options;
    struct device *device;
    struct text_source text;
    struct parameter_set parameters;
    struct model model;
    struct comm self; /* blocks are computed without other ranks */
    struct inference inference;
    struct row_window table; /* all nodes' vectors, of the ranks together */
    struct parameter nodes;  /* those of the codes in hand, in place of the model's own */
    int32_t *list;           /* their numbers */
    float *rows;             /* their vectors on the host */
    long long list_capacity, rows_capacity, nodes_capacity;
};

/* Tokens of `n` codes on the host. */
struct token_rows {
    int64_t n, top_k, dim;
    int32_t *tokens;  /* [n, 4, K], -1 where absent */
    float *weights;   /* [n, 4, K], 0 where absent */
    float *embedding; /* [n, 4, d], the graph's times a weight; 0 where absent */
};

int token_rows_make(struct token_rows *rows, int64_t n, const struct quantizer_options *options);
void token_rows_free(struct token_rows *rows);

/* Makes the first `count` codes absent in all groups. */
void token_rows_clear(struct token_rows *rows, int64_t count);

/* Fetches what inference_run made of a block: the codes of the block go to rows `offset`..., the graph's vectors times
 * graph_weight. */
int token_rows_set(struct token_rows *rows, const struct inference *inference, int64_t offset, double graph_weight);

/* Collective over comm (borrowed). Loads the model from the checkpoint, of its node table this rank's share. `status`: what failed on
 * this rank on the way here, which becomes every rank's. Free it (collective) in any case. */
int tokenizer_make(struct tokenizer *tokenizer, const struct comm *comm, const struct tokenizer_options *options,
                   struct device *device, int status);
/* From now on tokenises the codes of other files (borrowed), for which the model is as good. */
void tokenizer_turn_to(struct tokenizer *tokenizer, const char *vocabulary, const char *features);
void tokenizer_free(struct tokenizer *tokenizer);

/* Not collective. Tokenises codes first .. first+count-1 of the vocabulary, block by block, into rows (room for count). */
int tokenizer_run(struct tokenizer *tokenizer, int64_t first, int64_t count, struct token_rows *rows);

/* The codebook with rows of norm 1, [size, dim]. */
int tokenizer_codebook(struct tokenizer *tokenizer, float *codebook);

#endif
