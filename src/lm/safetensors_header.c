#include "lm/safetensors_header.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/status.h"

int64_t tensor_shape_bytes(const struct tensor_shape *shape) {
    int64_t bytes = shape->value_bytes;
    for (int d = 0; d < shape->n_dims; d++) bytes *= shape->dims[d];
    return bytes;
}

static void write_tensor(struct json *j, const struct tensor_shape *shape, int64_t first) {
    json_object(j, shape->name);
    json_text(j, "dtype", shape->type);
    json_array(j, "shape");
    for (int d = 0; d < shape->n_dims; d++) json_integer(j, NULL, shape->dims[d]);
    json_end(j);
    json_array(j, "data_offsets");
    json_integer(j, NULL, first);
    json_integer(j, NULL, first + tensor_shape_bytes(shape));
    json_end(j);
    json_end(j);
}

static void write_all(FILE *out, int n, const struct tensor_shape *shapes) {
    struct json j = json_begin(out, 0);
    int64_t first = 0;
    json_object(&j, NULL);
    json_object(&j, "__metadata__");
    json_text(&j, "format", "pt");
    json_end(&j);
    for (int i = 0; i < n; i++) {
        write_tensor(&j, &shapes[i], first);
        first += tensor_shape_bytes(&shapes[i]);
    }
    json_end(&j);
}

int safetensors_write_header(FILE *out, int n, const struct tensor_shape *shapes) {
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (!memory) return status_set(STATUS_FAILED, "out of memory");
    write_all(memory, n, shapes);
    if (fclose(memory)) {
        free(text);
        return status_set(STATUS_FAILED, "out of memory");
    }
    size_t padded = (size + 7) / 8 * 8;
    for (int i = 0; i < 8; i++) fputc((int)(padded >> (8 * i) & 255), out);
    fprintf(out, "%s%*s", text, (int)(padded - size), "");
    free(text);
    return STATUS_OK;
}
