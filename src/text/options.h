/* Text features: settings text.*, but for text.empty (ingest/options.h). */
#ifndef MEDTOK_TEXT_OPTIONS_H
#define MEDTOK_TEXT_OPTIONS_H

#include "config/options.h"
#include "dist/options.h"

#define TEXT_ENCODERS(CHOICE) CHOICE(TEXT_HASHED_NGRAMS, "hashed-ngrams") CHOICE(TEXT_BERT, "bert")
enum text_encoder_name { TEXT_ENCODERS(OPTION_CHOICE_NUMBER) };
#define TEXT_MODES(CHOICE) CHOICE(TEXT_CACHED, "cached") CHOICE(TEXT_ONLINE, "online")
enum text_mode { TEXT_MODES(OPTION_CHOICE_NUMBER) };
#define TEXT_FEATURES_KEPT(CHOICE) CHOICE(FEATURES_TOKENS, "tokens") CHOICE(FEATURES_SENTENCE, "sentence")
enum text_features_kept { TEXT_FEATURES_KEPT(OPTION_CHOICE_NUMBER) };
#define TEXT_POOLINGS(CHOICE) CHOICE(POOL_CLS, "cls") CHOICE(POOL_MEAN, "mean")
enum text_pooling { TEXT_POOLINGS(OPTION_CHOICE_NUMBER) };
#define TEXTS_OF_NODES(CHOICE) CHOICE(NODE_TEXTS_NO, "no") CHOICE(NODE_TEXTS_YES, "yes")
enum text_nodes { TEXTS_OF_NODES(OPTION_CHOICE_NUMBER) };
#define PRECISIONS(CHOICE) CHOICE(PRECISION_FP16, "fp16") CHOICE(PRECISION_FP32, "fp32")
enum precision { PRECISIONS(OPTION_CHOICE_NUMBER) };

#define TEXT_OPTIONS(KEY, in)                                                                                          \
    KEY(in, CHOICE, "text.encoder", encoder, text_encoder_name, TEXT_ENCODERS, "hashed-ngrams", JOB_ENCODE, SHAPES,    \
        "text encoder: hashed-ngrams needs no files; bert is the model in text.model")                                 \
    KEY(in, CHOICE, "text.mode", mode, text_mode, TEXT_MODES, "cached", MODEL_JOBS, SHAPES,                            \
        "cached: features from files.text; online: the bert in text.model runs in each step, its own dropout making "  \
        "the two views")                                                                                               \
    KEY(in, PATH, "text.model", model, "", JOB_ENCODE | MODEL_JOBS, 0, "model",                                        \
        "bert: folder of a Hugging Face model with model.safetensors")                                                 \
    KEY(in, INTEGER, "text.max_tokens", max_tokens, "512", 2, 1048576, "tokens", JOB_ENCODE | MODEL_JOBS, SHAPES,      \
        "bert: longer texts are cut; [CLS] and [SEP] count")                                                           \
    KEY(in, CHOICE, "text.features", features, text_features_kept, TEXT_FEATURES_KEPT, "tokens", JOB_ENCODE, SHAPES,   \
        "bert: the hidden states of all tokens, or only the sentence feature")                                         \
    KEY(in, CHOICE, "text.pool", pool, text_pooling, TEXT_POOLINGS, "mean", JOB_ENCODE | MODEL_JOBS, SHAPES,           \
        "bert: the sentence feature, which stands first in a text: the hidden state of [CLS] (reference), or the "     \
        "mean over all tokens")                                                                                        \
    KEY(in, CHOICE, "text.nodes", nodes, text_nodes, TEXTS_OF_NODES, "yes", JOB_ENCODE, SHAPES,                        \
        "yes: sentence features of the names of the graph's nodes too, for graph.node_start: text; not set: no where " \
        "the vocabulary has no names")                                                                                 \
    KEY(in, CHOICE, "text.compute", compute, compute, COMPUTES, "fp32", JOB_ENCODE | MODEL_JOBS, SHAPES,               \
        "bert: in what matrix products multiply; bf16 needs a GPU, or a processor with AVX512_BF16 or AMX; tf32 a "    \
        "GPU")                                                                                                         \
    KEY(in, INTEGER, "text.dim", dim, "768", 32, 4096, "", JOB_ENCODE | JOB_BENCH, SHAPES,                             \
        "hashed-ngrams: width of a text feature; a multiple of 32")                                                    \
    KEY(in, INTEGER, "text.ngram_min", ngram_min, "3", 1, 16, "characters", JOB_ENCODE, SHAPES,                        \
        "hashed-ngrams: shortest n-gram")                                                                              \
    KEY(in, INTEGER, "text.ngram_max", ngram_max, "5", 1, 16, "characters", JOB_ENCODE, SHAPES,                        \
        "hashed-ngrams: longest n-gram")                                                                               \
    KEY(in, CHOICE, "text.precision", precision, precision, PRECISIONS, "fp16", JOB_ENCODE, SHAPES,                    \
        "stored precision of text features")                                                                           \
    KEY(in, REAL, "text.dropout", dropout, "0.1", 0, 0.99, STEP_JOBS, SHAPES,                                          \
        "cached: dropout that makes the second view of the text")
struct text_options {
    TEXT_OPTIONS(OPTION_MEMBER, )
};

/* What encode asks of them: a whole range of n-grams, a model for bert, a width that the hash fills. STATUS_USAGE. */
int text_options_check_encoder(const struct text_options *options);

/* What training and tokenizing ask: a model for online features. STATUS_USAGE. */
int text_options_check_mode(const struct text_options *options);

/* Whether the setting `name` matters to a training: those of the language model do with online features, text.dropout with cached
 * ones, all others always. */
int text_option_applies(const struct text_options *options, const char *name);

#endif
