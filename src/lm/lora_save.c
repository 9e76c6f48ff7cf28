/* Adapters to the files of `peft`. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/status.h"
#include "lm/lora.h"
#include "lm/parameter_file.h"

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
    char path[PATH_MAX];
    mkdir(folder, 0777); /* what is wrong with it, opening a file in it says */
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    TRY(parameter_file_save(path, l->llama->device, l->n_parameters, l->parameters));
    return write_config(l, folder);
}
