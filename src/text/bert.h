/* The forward pass of BERT (Devlin et al., 2019) over ragged texts: no padding, so a text's result does not depend on the
 * texts beside it. Post-norm blocks: x <- LN(x + W_o attention(x)); x <- LN(x + W_2 f(W_1 x)).
 */
#ifndef MEDTOK_TEXT_BERT_H
#define MEDTOK_TEXT_BERT_H

#include "text/model_folder.h"

struct bert_layer {
    struct linear *query, *key_value, *attended, *inner, *outer;
    dev_real attended_gain, attended_bias, outer_gain, outer_bias; /* layer norms */
};

struct bert {
    struct bert_config config;
    struct device *device; /* borrowed */
    dev_real words;        /* [vocabulary, hidden] */
    dev_real places;       /* [positions, hidden], with the vector of type 0 added */
    dev_real gain, bias;   /* layer norm of the embeddings */
    struct bert_layer *layers;
    /* activations, grown as needed */
    long long capacity;
    dev_real x, y, q, kv, inner;
};

/* Reads the weights and packs them for the device. */
int bert_open(struct bert *bert, struct device *device, const struct model_folder *folder,
              enum precision_of_products precision);
void bert_close(struct bert *bert);

/* Dropout at BERT's places (embeddings, attention, both outputs of a layer), with config.json's rates. */
struct bert_dropout {
    uint64_t seed;
    uint32_t stream, step; /* the streams stream .. stream + 3 * layers are drawn from */
    dev_int keys;          /* [n_texts] keys of the random numbers: global code indices */
};

/* Hidden states of n_texts texts: text i has the tokens id[offsets[i]] .. at places place[] (0, 1, ...). Gives the device
 * buffer [n_tokens, hidden], valid until the next call. dropout: NULL for none. Errors are the device's. */
dev_real bert_forward(struct bert *bert, int64_t n_texts, int64_t n_tokens, dev_int offsets, dev_int id, dev_int place,
                      const struct bert_dropout *dropout);

#endif
