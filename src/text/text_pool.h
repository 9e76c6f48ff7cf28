/* The sentence feature of a text (text.pool): what stands in its first row, where models look for the whole text. */
#ifndef MEDTOK_TEXT_TEXT_POOL_H
#define MEDTOK_TEXT_TEXT_POOL_H

#include "lm/bert.h"
#include "text/options.h"

/* Room on the device, kept from batch to batch; zero it before use. */
struct text_pool_room {
    struct device *device; /* borrowed */
    dev_real mean, cls;
    int64_t capacity; /* values of each */
};
void text_pool_room_free(struct text_pool_room *room);

/* cls: leaves the rows as they are; mean: the first row of each of n_texts texts becomes the mean of all its rows, [CLS] and [SEP] among them
 * (sentence-transformers' mean pooling). n_tokens rows of `dim`. */
int text_pool(struct text_pool_room *room, enum text_pooling pooling, int64_t n_texts, int64_t n_tokens, int64_t dim,
              const struct bert_hidden *hidden);

#endif
