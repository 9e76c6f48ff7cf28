#include "lm/model_id.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/status.h"
#include "lm/folder_json.h"
#include "lm/weight_files.h"

enum { BLOCK = 4096, N_BLOCKS = 256 };

static int add_file(XXH3_state_t *state, const char *folder, const char *name) {
    char path[PATH_MAX], bytes[BLOCK];
    folder_file(folder, name, path);
    FILE *file = fopen(path, "rb");
    if (!file) return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;) XXH3_128bits_update(state, bytes, n);
    int bad = ferror(file);
    fclose(file);
    return bad ? status_set(STATUS_FAILED, "%s: it cannot be read", path) : STATUS_OK;
}

/* The header is 8 bytes, its length, and so many more: safetensors_open has checked that they are there. */
static void add_weights(XXH3_state_t *state, const struct safetensors *file) {
    const unsigned char *bytes = file->map;
    uint64_t size = file->map_size, header = 8;
    for (int i = 0; i < 8; i++) header += (uint64_t)bytes[i] << (8 * i);
    XXH3_128bits_update(state, &size, sizeof size);
    XXH3_128bits_update(state, bytes, header);
    for (uint64_t k = 0; k < N_BLOCKS; k++) {
        uint64_t first = size / N_BLOCKS * k, n = size - first < BLOCK ? size - first : BLOCK;
        XXH3_128bits_update(state, bytes + first, n);
    }
}

int model_folder_id(const char *folder, char id[33]) {
    struct weight_files weights = {0};
    XXH3_state_t *state = XXH3_createState();
    int status = state ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
    TRY_DONE(status);
    XXH3_128bits_reset(state);
    TRY_DONE(add_file(state, folder, "config.json"));
    TRY_DONE(add_file(state, folder, "tokenizer.json"));
    TRY_DONE(weight_files_open(&weights, folder));
    for (int64_t i = 0; i < weights.n; i++) add_weights(state, &weights.files[i]);
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    snprintf(id, 33, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
done:
    weight_files_close(&weights);
    XXH3_freeState(state);
    return status;
}
