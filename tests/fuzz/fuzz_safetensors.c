/* Any bytes are a safetensors file or an error; tensors that are found can be read to the last byte. */
#include <stdlib.h>

#include "lm/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct safetensors file;
    if (safetensors_read(&file, "fuzz", bytes, size)) return 0;
    for (int64_t i = 0; i < file.n; i++) {
        const struct tensor *t = safetensors_find(&file, file.tensors[i].name);
        float *values = t->type == TENSOR_OTHER ? NULL : malloc((size_t)t->count * sizeof *values + 1);
        if (values) tensor_values(t, values);
        free(values);
    }
    safetensors_close(&file);
    return 0;
}
