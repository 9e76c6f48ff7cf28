/* The embedded text encoder: hashed character n-grams in a fixed random projection. Needs no download; similar words get similar
 * vectors.
 *
 * A word stands between marks, `<word>`. Each of its n-grams (n from text.ngram_min to text.ngram_max characters) and the whole
 * marked word has a vector of random signs, keyed by its hash; the word's row is their sum, scaled to the norm sqrt(dim), so
 * that a component has variance 1. The [CLS] row of a text is the sum over its words and over its pairs of neighbouring words,
 * scaled likewise. Sums are made in integers, so no rounding depends on their order. At most 511 words of a text are used.
 */
#ifndef MEDTOK_TEXT_NGRAM_ENCODER_H
#define MEDTOK_TEXT_NGRAM_ENCODER_H

#include "text/text_encoder.h"

enum { NGRAM_MAX_WORDS = 511 }; /* with [CLS], as many tokens as BERT takes */

int ngram_encoder_open(struct text_encoder *encoder, const struct text_options *options, uint64_t seed, int n_threads);

#endif
