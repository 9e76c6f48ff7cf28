/* Adapters to the files of `peft`. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/status.h"
#include "lm/lora.h"

static int write_header(const struct lora *l, FILE *stream) {
    char *text = NULL;
    size_t size = 0;
    int64_t at = 0;
    FILE *memory = open_memstream(&text, &size);
    if (!memory) return status_set(STATUS_FAILED, "out of memory");
    fprintf(memory, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int64_t i = 0; i < l->n_parameters; i++) {
        const struct parameter *p = l->parameters[i];
        int64_t end = at + p->rows * p->cols * (int64_t)sizeof(float);
        fprintf(memory, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[%lld,%lld],\"data_offsets\":[%lld,%lld]}", p->name,
                (long long)p->rows, (long long)p->cols, (long long)at, (long long)end);
        at = end;
    }
    fputc('}', memory);
    while (ftell(memory) % 8) fputc(' ', memory); /* so that the data are aligned */
    if (fclose(memory)) return status_set(STATUS_FAILED, "out of memory");
    for (int i = 0; i < 8; i++) fputc((int)((uint64_t)size >> 8 * i & 255), stream);
    fwrite(text, 1, size, stream);
    free(text);
    return STATUS_OK;
}

static int write_values(const struct lora *l, const struct parameter *p, FILE *stream) {
    int64_t n = p->rows * p->cols;
    real *values;
    TRY(mem_alloc(&values, n, sizeof *values));
    device_download_reals(l->llama->device, values, p->value, n);
    for (int64_t i = 0; i < n; i++) {
        float value = (float)values[i];
        fwrite(&value, sizeof value, 1, stream);
    }
    free(values);
    return STATUS_OK;
}

static int write_weights(const struct lora *l, const char *folder) {
    char path[PATH_MAX];
    struct atomic_file file;
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    TRY(atomic_file_open(&file, path));
    int status = write_header(l, file.stream);
    for (int64_t i = 0; i < l->n_parameters && status == STATUS_OK; i++)
        status = write_values(l, l->parameters[i], file.stream);
    return atomic_file_close(&file, status);
}

static int write_config(const struct lora *l, const char *folder) {
    char path[PATH_MAX];
    struct atomic_file file;
    snprintf(path, sizeof path, "%s/adapter_config.json", folder);
    TRY(atomic_file_open(&file, path));
    struct json j = json_begin(file.stream, 1);
    json_object(&j, NULL);
    json_text(&j, "peft_type", "LORA");
    json_text(&j, "task_type", "CAUSAL_LM");
    json_text(&j, "base_model_name_or_path", l->llama->folder);
    json_integer(&j, "r", l->options.rank);
    json_real(&j, "lora_alpha", l->options.alpha, 17);
    json_real(&j, "lora_dropout", l->options.dropout, 17);
    json_text(&j, "bias", "none");
    json_array(&j, "target_modules");
    for (int t = 0; t < N_LORA_TARGETS; t++)
        if (l->options.targets >> t & 1) json_text(&j, NULL, LORA_TARGETS[t]);
    json_end(&j);
    json_end(&j);
    fputc('\n', file.stream);
    return atomic_file_close(&file, STATUS_OK);
}

int lora_save(const struct lora *l, const char *folder) {
    mkdir(folder, 0777); /* what is wrong with it, opening a file in it says */
    TRY(write_weights(l, folder));
    return write_config(l, folder);
}
