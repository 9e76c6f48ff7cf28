/* Tensors in a safetensors file (https://github.com/huggingface/safetensors): 8 bytes length, a JSON header, then the bytes.
 *
 * The file is mapped, not read; every name, dtype, shape and range is checked when it is opened, so that a truncated or
 * forged file is an error that names the file and the tensor, never a crash: the header must lie in the file and be JSON
 * without duplicate keys, ranges must lie in the data, fit shape and dtype, and not overlap.
 */
#ifndef MEDTOK_LM_SAFETENSORS_H
#define MEDTOK_LM_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

enum tensor_type { TENSOR_F32, TENSOR_F16, TENSOR_BF16, TENSOR_OTHER /* known, but not a type of weights */ };
enum { TENSOR_MOST_DIMS = 8 };

struct tensor {
    char *name; /* owned */
    enum tensor_type type;
    int n_dims;
    int64_t dims[TENSOR_MOST_DIMS], count; /* count: product of dims */
    const unsigned char *bytes;            /* in the mapping, perhaps unaligned */
    int64_t first, end;                    /* range in the data */
};

struct safetensors {
    char *path; /* owned */
    void *map;  /* of the file, or NULL */
    size_t map_size;
    int64_t n;
    struct tensor *tensors; /* by name */
};

int safetensors_open(struct safetensors *file, const char *path);

/* The same on bytes in memory, which must stay; `name` stands in messages. */
int safetensors_read(struct safetensors *file, const char *name, const void *bytes, size_t size);

const struct tensor *safetensors_find(const struct safetensors *file, const char *name); /* NULL if it is not there */

/* Writes all values as float32 into out[count]. The tensor must not be TENSOR_OTHER. */
void tensor_values(const struct tensor *tensor, float *out);

void safetensors_close(struct safetensors *file);

#endif
