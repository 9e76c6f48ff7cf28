/* Texts and their features: settings text.*. */
#ifndef MEDTOK_TEXT_OPTIONS_H
#define MEDTOK_TEXT_OPTIONS_H

#include <stdint.h>

#include "dist/options.h"

enum empty_text { EMPTY_TEXT_CODE, EMPTY_TEXT_ABSENT };
enum text_encoder_name { TEXT_HASHED_NGRAMS, TEXT_BERT };
enum text_mode { TEXT_CACHED, TEXT_ONLINE };
enum text_features_kept { FEATURES_TOKENS, FEATURES_SENTENCE };
enum precision { PRECISION_FP16, PRECISION_FP32 };

struct text_options {
    enum text_encoder_name encoder;
    enum text_mode mode;
    char *model;
    int64_t dim, ngram_min, ngram_max, max_tokens;
    enum text_features_kept features;
    enum compute compute;
    enum precision precision;
    enum empty_text empty;
    double dropout;
};

#endif
