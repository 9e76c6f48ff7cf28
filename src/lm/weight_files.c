#include "lm/weight_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "lm/folder_json.h"

static int open_shards(struct weight_files *w, const char *folder) {
    json_t *index, *map, *file;
    const char *tensor, *name;
    char path[PATH_MAX];
    int status = STATUS_OK;
    TRY(folder_load_json(folder, "model.safetensors.index.json", &index));
    map = json_object_get(index, "weight_map");
    TRY_DONE(mem_alloc(&w->files, (long long)json_object_size(map), sizeof *w->files));
    json_object_foreach(map, tensor, file) {
        int known = 0;
        name = json_string_value(file);
        if (!name || strchr(name, '/')) {
            status = status_set(STATUS_FAILED, "%s/model.safetensors.index.json: the file of tensor %s is no file name",
                                folder, tensor);
            break;
        }
        folder_file(folder, name, path);
        for (int64_t i = 0; i < w->n; i++) known |= strcmp(w->files[i].path, path) == 0;
        if (known) continue;
        status = safetensors_open(&w->files[w->n], path);
        if (status != STATUS_OK) break;
        w->n++;
    }
done:
    json_decref(index);
    return status;
}

int weight_files_open(struct weight_files *w, const char *folder) {
    char path[PATH_MAX];
    *w = (struct weight_files){0};
    if (folder_has(folder, "model.safetensors")) {
        TRY(mem_alloc(&w->files, 1, sizeof *w->files));
        folder_file(folder, "model.safetensors", path);
        TRY(safetensors_open(&w->files[0], path));
        w->n = 1;
        return STATUS_OK;
    }
    if (folder_has(folder, "model.safetensors.index.json")) return open_shards(w, folder);
    if (folder_has(folder, "pytorch_model.bin") || folder_has(folder, "pytorch_model.bin.index.json"))
        return status_set(
            STATUS_FAILED,
            "%s holds its weights only as pytorch_model.bin, a Python pickle, which can run any code when it is "
            "read. Convert it once: python3 -c \"from transformers import AutoModel; "
            "AutoModel.from_pretrained('%s').save_pretrained('%s')\"",
            folder, folder, folder);
    return status_set(STATUS_FAILED, "%s: no model.safetensors in it", folder);
}

void weight_files_close(struct weight_files *w) {
    for (int64_t i = 0; i < w->n; i++) safetensors_close(&w->files[i]);
    free(w->files);
    *w = (struct weight_files){0};
}

const struct tensor *weight_files_find(const struct weight_files *w, const char *name) {
    const struct tensor *t = NULL;
    for (int64_t i = 0; i < w->n && !t; i++) t = safetensors_find(&w->files[i], name);
    return t;
}

int weight_files_check(const char *folder, const struct tensor *t, int64_t rows, int64_t cols) {
    int fits = cols ? t->n_dims == 2 && t->dims[0] == rows && t->dims[1] == cols : t->n_dims == 1 && t->dims[0] == rows;
    if (!fits)
        return status_set(STATUS_FAILED, "%s: tensor %s is [%lld%s%lld], but config.json asks for [%lld, %lld]", folder,
                          t->name, (long long)(t->n_dims > 0 ? t->dims[0] : 0),
                          t->n_dims > 1 ? ", " : "; dimensions: ", (long long)(t->n_dims > 1 ? t->dims[1] : t->n_dims),
                          (long long)rows, (long long)cols);
    if (t->type == TENSOR_OTHER)
        return status_set(STATUS_FAILED, "%s: tensor %s is neither F32 nor F16 nor BF16", folder, t->name);
    return STATUS_OK;
}
