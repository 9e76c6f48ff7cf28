/* The forward pass of BERT (Devlin et al., 2019) over ragged texts: no padding, and frozen weights, so that a text's result
 * depends neither on the texts beside it nor on where it stands among them.
 */
#ifndef MEDTOK_LM_BERT_H
#define MEDTOK_LM_BERT_H

#include "lm/model_folder.h"
#include "nn/transformer.h"

struct bert {
    struct bert_config config;
    struct device *device; /* borrowed; NULL: not open */
    struct parameter_set parameters;
    struct parameter
        *embeddings;      /* [vocabulary + positions, hidden]: words; positions, with the vector of type 0 added */
    struct norm_map norm; /* of the embeddings */
    struct block_shape shape;
    struct block *blocks; /* [layers] */
    struct tape tape;     /* of one batch */
    int32_t *host;        /* what of a batch is sent to the device */
    long long host_capacity;
};

/* Reads the weights and packs them for products in `precision`. */
int bert_open(struct bert *bert, struct device *device, const struct model_folder *folder,
              enum precision_of_products precision);
void bert_close(struct bert *bert);

/* Dropout where BERT has it (embeddings, attention, both outputs of a layer), with config.json's rates. */
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
