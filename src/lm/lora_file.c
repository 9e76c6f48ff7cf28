/* Adapters from the files of `peft`. */
#include <string.h>

#include "base/status.h"
#include "lm/folder_json.h"
#include "lm/lora.h"
#include "lm/parameter_file.h"

/* ---- reading ---- */
static int unknown(const char *folder, const char *what) {
    return status_set(STATUS_FAILED, "%s/adapter_config.json: %s", folder, what);
}

static int read_targets(struct lora_options *o, const char *folder, json_t *targets) {
    size_t i;
    json_t *entry;
    json_array_foreach(targets, i, entry) {
        int t = 0;
        const char *name = json_string_value(entry);
        while (name && t < N_LORA_TARGETS && strcmp(name, LORA_TARGETS[t]) != 0) t++;
        if (!name || t == N_LORA_TARGETS)
            return unknown(folder, "target_modules has a name that is none of the maps of a layer");
        o->targets |= 1U << t;
    }
    return o->targets ? STATUS_OK : unknown(folder, "target_modules must be a list of names");
}

int lora_options_read(struct lora_options *o, const char *folder) {
    static const char *const OFF[] = {"use_rslora", "use_dora", "fan_in_fan_out"};
    json_t *json;
    int status = STATUS_OK;
    TRY(folder_load_json(folder, "adapter_config.json", &json));
    const char *type = json_string_value(json_object_get(json, "peft_type"));
    const char *bias = json_string_value(json_object_get(json, "bias"));
    json_t *rank = json_object_get(json, "r");
    *o = (struct lora_options){.rank = json_integer_value(rank),
                               .alpha = folder_number(json, "lora_alpha", 0),
                               .dropout = folder_number(json, "lora_dropout", 0)};
    if (!type || strcmp(type, "LORA") != 0) TRY_DONE(unknown(folder, "peft_type is not LORA"));
    if (o->rank < 1 || o->rank > 65536) TRY_DONE(unknown(folder, "r must be 1 to 65536"));
    if (!(o->alpha > 0) || !(o->dropout >= 0 && o->dropout < 1))
        TRY_DONE(unknown(folder, "lora_alpha must be above 0, lora_dropout in 0 to 1"));
    if (bias && strcmp(bias, "none") != 0) TRY_DONE(unknown(folder, "bias is not none, which alone is known here"));
    if (json_object_size(json_object_get(json, "rank_pattern")) ||
        json_object_size(json_object_get(json, "alpha_pattern")))
        TRY_DONE(unknown(folder, "rank_pattern and alpha_pattern are not known here"));
    for (int i = 0; i < 3; i++)
        if (json_is_true(json_object_get(json, OFF[i])))
            TRY_DONE(unknown(folder, "use_rslora, use_dora and fan_in_fan_out are not known here"));
    const char *start = json_string_value(json_object_get(json, "init_lora_weights"));
    if (start && (strncmp(start, "pissa", 5) == 0 || strcmp(start, "olora") == 0 || strcmp(start, "corda") == 0 ||
                  strcmp(start, "loftq") == 0))
        TRY_DONE(
            unknown(folder,
                    "init_lora_weights is pissa, olora, corda or loftq, which change the base model's weights too: "
                    "convert the adapter with peft's save_pretrained(path_initial_model_for_weight_conversion=...)"));
    status = read_targets(o, folder, json_object_get(json, "target_modules"));
done:
    json_decref(json);
    return status;
}

int lora_load(const struct lora *l, const char *folder) {
    char path[PATH_MAX];
    folder_file(folder, "adapter_model.safetensors", path);
    return parameter_file_load(path, l->llama->device, l->n_parameters, l->parameters);
}
