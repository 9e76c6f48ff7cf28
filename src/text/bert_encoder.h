/* The text encoder `bert`: a Hugging Face model of the BERT family, run once over each distinct text.
 *
 * A unit is a distinct sequence of token ids. With text.features: tokens its rows are the last hidden states of all its
 * tokens, [CLS] first; with sentence, the [CLS] row alone. Texts are computed in batches of about device->linear_rows tokens,
 * never padded.
 */
#ifndef MEDTOK_TEXT_BERT_ENCODER_H
#define MEDTOK_TEXT_BERT_ENCODER_H

#include "text/text_encoder.h"

int bert_encoder_open(struct text_encoder *encoder, const struct text_options *options, struct device *device);

#endif
