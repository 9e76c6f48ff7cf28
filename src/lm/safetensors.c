/* The header is parsed by jansson; the checks are ours. */
#include "lm/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "half.h"
#include "base/status.h"

/* The format's own limit. */
static const uint64_t MOST_HEADER_BYTES = 100000000;

static const struct {
    const char *name;
    enum tensor_type type;
    int bits;
} TYPES[] = {{"F32", TENSOR_F32, 32},   {"F16", TENSOR_F16, 16},      {"BF16", TENSOR_BF16, 16},
             {"F64", TENSOR_OTHER, 64}, {"I64", TENSOR_OTHER, 64},    {"I32", TENSOR_OTHER, 32},
             {"I16", TENSOR_OTHER, 16}, {"I8", TENSOR_OTHER, 8},      {"U8", TENSOR_OTHER, 8},
             {"BOOL", TENSOR_OTHER, 8}, {"U16", TENSOR_OTHER, 16},    {"U32", TENSOR_OTHER, 32},
             {"U64", TENSOR_OTHER, 64}, {"F8_E4M3", TENSOR_OTHER, 8}, {"F8_E5M2", TENSOR_OTHER, 8}};

void safetensors_close(struct safetensors *file) {
    for (int64_t i = 0; i < file->n; i++) free(file->tensors[i].name);
    free(file->tensors);
    free(file->path);
    if (file->map) munmap(file->map, file->map_size);
    *file = (struct safetensors){0};
}

static int bad_tensor(const struct safetensors *file, const char *name, const char *what) {
    return status_set(STATUS_FAILED, "%s: damaged safetensors file: tensor %.200s: %s", file->path, name, what);
}

/* ---- one tensor of the header ---- */
static int read_type(const struct safetensors *file, const char *name, json_t *entry, struct tensor *t, int *bits) {
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    if (!type) return bad_tensor(file, name, "its dtype is missing");
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (strcmp(type, TYPES[i].name) == 0) {
            t->type = TYPES[i].type;
            *bits = TYPES[i].bits;
            return STATUS_OK;
        }
    return bad_tensor(file, name, "unknown dtype");
}

static int read_shape(const struct safetensors *file, const char *name, json_t *entry, struct tensor *t) {
    json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape)) return bad_tensor(file, name, "its shape is missing");
    if (json_array_size(shape) > TENSOR_MOST_DIMS) return bad_tensor(file, name, "too many dimensions");
    t->n_dims = (int)json_array_size(shape);
    t->count = 1;
    for (int d = 0; d < t->n_dims; d++) {
        json_t *dim = json_array_get(shape, (size_t)d);
        t->dims[d] = json_integer_value(dim);
        if (!json_is_integer(dim) || t->dims[d] < 0) return bad_tensor(file, name, "a dimension is not a count");
        if (__builtin_mul_overflow(t->count, t->dims[d], &t->count))
            return bad_tensor(file, name, "its shape is too large");
    }
    return STATUS_OK;
}

static int read_range(const struct safetensors *file, const char *name, json_t *entry, int64_t data_size, int bits,
                      struct tensor *t) {
    json_t *range = json_object_get(entry, "data_offsets"), *first = json_array_get(range, 0),
           *end = json_array_get(range, 1);
    int64_t bytes;
    if (json_array_size(range) != 2 || !json_is_integer(first) || !json_is_integer(end))
        return bad_tensor(file, name, "its data_offsets are not two numbers");
    t->first = json_integer_value(first);
    t->end = json_integer_value(end);
    if (t->first < 0 || t->end < t->first || t->end > data_size)
        return bad_tensor(file, name, "its data_offsets lie outside of the file (is the file truncated?)");
    if (__builtin_mul_overflow(t->count, (int64_t)(bits / 8), &bytes) || bytes != t->end - t->first)
        return bad_tensor(file, name, "its data_offsets do not fit shape and dtype");
    return STATUS_OK;
}

static int read_tensor(const struct safetensors *file, const char *name, json_t *entry, const unsigned char *data,
                       int64_t data_size, struct tensor *t) {
    int bits = 0;
    if (!json_is_object(entry)) return bad_tensor(file, name, "its entry is not an object");
    TRY(read_type(file, name, entry, t, &bits));
    TRY(read_shape(file, name, entry, t));
    TRY(read_range(file, name, entry, data_size, bits, t));
    t->bytes = data + t->first;
    t->name = strdup(name);
    return t->name ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}

/* ---- all of them ---- */
static int by_range(const void *a, const void *b) {
    const struct tensor *x = a, *y = b;
    if (x->first != y->first) return (x->first > y->first) - (x->first < y->first);
    return (x->end > y->end) - (x->end < y->end);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

static int check_overlap(const struct safetensors *file) {
    for (int64_t i = 1; i < file->n; i++)
        if (file->tensors[i].first < file->tensors[i - 1].end)
            return bad_tensor(file, file->tensors[i].name, "its bytes overlap with those of another tensor");
    return STATUS_OK;
}

static int read_tensors(struct safetensors *file, json_t *header, const unsigned char *data, int64_t data_size) {
    const char *name;
    json_t *entry;
    TRY(mem_alloc(&file->tensors, (long long)json_object_size(header), sizeof *file->tensors));
    json_object_foreach(header, name, entry) {
        if (strcmp(name, "__metadata__") == 0) continue;
        TRY(read_tensor(file, name, entry, data, data_size, &file->tensors[file->n]));
        file->n++;
    }
    qsort(file->tensors, (size_t)file->n, sizeof *file->tensors, by_range);
    TRY(check_overlap(file));
    qsort(file->tensors, (size_t)file->n, sizeof *file->tensors, by_name);
    return STATUS_OK;
}

static int read_header(struct safetensors *file, const unsigned char *bytes, size_t size) {
    uint64_t length = 0;
    json_error_t error;
    if (size < 8) return status_set(STATUS_FAILED, "%s: not a safetensors file: only %zu bytes", file->path, size);
    for (int i = 7; i >= 0; i--) length = length << 8 | bytes[i];
    if (length > MOST_HEADER_BYTES || length > size - 8)
        return status_set(
            STATUS_FAILED,
            "%s: not a safetensors file, or truncated: it claims a header of %llu bytes, and has %zu in all",
            file->path, (unsigned long long)length, size);
    json_t *header = json_loadb((const char *)bytes + 8, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(header)) {
        int status = status_set(STATUS_FAILED, "%s: damaged safetensors file: its header is no JSON object (%s)",
                                file->path, header ? "another kind" : error.text);
        json_decref(header);
        return status;
    }
    int status = read_tensors(file, header, bytes + 8 + length, (int64_t)(size - 8 - length));
    json_decref(header);
    return status;
}

int safetensors_read(struct safetensors *file, const char *name, const void *bytes, size_t size) {
    *file = (struct safetensors){.path = strdup(name)};
    int status = file->path ? read_header(file, bytes, size) : status_set(STATUS_FAILED, "out of memory");
    if (status != STATUS_OK) safetensors_close(file);
    return status;
}

int safetensors_open(struct safetensors *file, const char *path) {
    struct stat info;
    *file = (struct safetensors){0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &info)) {
        int status = status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
        if (descriptor >= 0) close(descriptor);
        return status;
    }
    size_t size = (size_t)info.st_size;
    void *map =
        S_ISREG(info.st_mode) && size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0) : MAP_FAILED;
    close(descriptor);
    if (map == MAP_FAILED) return status_set(STATUS_FAILED, "%s: empty, or not a file that can be mapped", path);
    int status = safetensors_read(file, path, map, size);
    if (status != STATUS_OK) {
        munmap(map, size);
        return status;
    }
    file->map = map;
    file->map_size = size;
    return STATUS_OK;
}

const struct tensor *safetensors_find(const struct safetensors *file, const char *name) {
    struct tensor key = {.name = (char *)(uintptr_t)name};
    return file->n ? bsearch(&key, file->tensors, (size_t)file->n, sizeof key, by_name) : NULL;
}

void tensor_values(const struct tensor *t, float *out) {
    for (int64_t i = 0; i < t->count; i++) {
        uint16_t half;
        uint32_t bits;
        if (t->type == TENSOR_F32) {
            memcpy(out + i, t->bytes + 4 * i, sizeof *out);
            continue;
        }
        memcpy(&half, t->bytes + 2 * i, sizeof half);
        bits = (uint32_t)half << 16;
        if (t->type == TENSOR_F16)
            out[i] = half_to_float(half);
        else
            memcpy(out + i, &bits, sizeof bits);
    }
}
