/* The beginning of a safetensors file (lm/safetensors.h): what tensors it holds. Their values follow, in the order given and without
 * gaps, little-endian, written by the caller as they come; so that no table is in memory as a whole. */
#ifndef MEDTOK_LM_SAFETENSORS_HEADER_H
#define MEDTOK_LM_SAFETENSORS_HEADER_H

#include <stdio.h>

#include "lm/safetensors.h"

struct tensor_shape {
    const char *name;
    const char *type; /* the format's name of it: F32, I32, U8 */
    int value_bytes;
    int n_dims;
    int64_t dims[TENSOR_MOST_DIMS];
};

/* Bytes of its values. */
int64_t tensor_shape_bytes(const struct tensor_shape *shape);

/* Writes the header of a file with these tensors, for PyTorch (transformers asks for that word), filled up with blanks so that values
 * begin at a multiple of 8. What cannot be written is the stream's error. */
int safetensors_write_header(FILE *out, int n, const struct tensor_shape *shapes);

#endif
