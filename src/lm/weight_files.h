/* The weights of a Hugging Face model folder: model.safetensors, or the files that model.safetensors.index.json lists. They are
 * mapped, not read: what ranks of a node read of them lies in memory once. */
#ifndef MEDTOK_LM_WEIGHT_FILES_H
#define MEDTOK_LM_WEIGHT_FILES_H

#include "lm/safetensors.h"

struct weight_files {
    int64_t n;
    struct safetensors *files; /* owned */
};

/* Opens and checks them; `folder` stands in messages. After a failure what was opened is still to be closed. */
int weight_files_open(struct weight_files *weights, const char *folder);
void weight_files_close(struct weight_files *weights);

const struct tensor *weight_files_find(const struct weight_files *weights, const char *name); /* NULL: not there */

/* The error names the tensor that is not [rows, cols] (cols 0: a vector of `rows`), or not F32, F16 or BF16. */
int weight_files_check(const char *folder, const struct tensor *tensor, int64_t rows, int64_t cols);

#endif
