/* The forward pass of BERT (Devlin et al., 2019) over ragged texts: no padding, so a text's result does not depend on the
 * texts beside it. Post-norm blocks: x <- LN(x + W_o attention(x)); x <- LN(x + W_2 f(W_1 x)).
 */
#ifndef MEDTOK_LM_BERT_H
#define MEDTOK_LM_BERT_H

#include "lm/model_folder.h"

struct bert_layer {
    struct linear query, key_value, attended, inner, outer;        /* frozen; their own packed weights and biases */
    dev_real attended_gain, attended_bias, outer_gain, outer_bias; /* layer norms */
};

struct bert {
    struct bert_config config;
    struct device *device; /* borrowed */
    dev_real words;        /* [vocabulary, hidden] */
    dev_real places;       /* [positions, hidden], with the vector of type 0 added */
    dev_real gain, bias;   /* layer norm of the embeddings */
    struct bert_layer *layers;
    /* a batch, grown as needed */
    long long token_capacity, int_capacity;
    dev_real x, y, q, kv, inner;
    int32_t
        *host; /* what `ints` is sent from: offsets [n_texts + 1], ids [n_tokens], places [n_tokens], keys [n_texts] */
    dev_int ints;
};

/* Reads the weights and packs them for the device. */
int bert_open(struct bert *bert, struct device *device, const struct model_folder *folder,
              enum precision_of_products precision);
void bert_close(struct bert *bert);

/* Dropout at BERT's places (embeddings, attention, both outputs of a layer), with config.json's rates. */
struct bert_dropout {
    uint64_t seed;
    uint32_t stream, step; /* the streams stream .. stream + 3 * layers are drawn from */
    const int32_t *keys;   /* host: [n_texts] keys of the random numbers: global code indices */
};

/* What bert_forward gives, on the device, valid until the next call. */
struct bert_hidden {
    dev_real rows;   /* [n_tokens, hidden] last hidden states */
    dev_int offsets; /* [n_texts + 1]; the [CLS] row of text i is row offsets[i] */
};

/* Last hidden states of n_texts texts; text i has the tokens ids[offsets[i]] .. ids[offsets[i + 1] - 1] (host memory, offsets
 * from 0). dropout: NULL for none. Fails if memory is out or the device has failed. */
int bert_forward(struct bert *bert, int64_t n_texts, const int32_t *offsets, const int32_t *ids,
                 const struct bert_dropout *dropout, struct bert_hidden *hidden);

#endif
