#include "lm/llama_config.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "lm/folder_json.h"

static int unknown(const char *folder, const char *key, const char *value, const char *known) {
    return status_set(STATUS_FAILED, "%s/config.json: %s is %s; only %s is known here", folder, key,
                      value ? value : "missing", known);
}

static int is_text(json_t *entry, const char *text) {
    const char *value = json_string_value(entry);
    return value && strcmp(value, text) == 0;
}

static int read_family(struct llama_config *c, const char *folder, json_t *json) {
    json_t *type = json_object_get(json, "model_type"), *f = json_object_get(json, "hidden_act");
    static const char *const OFF[] = {"attention_bias", "mlp_bias", "use_sliding_window"};
    c->attention_bias = is_text(type, "qwen2");
    if (!c->attention_bias && !is_text(type, "llama"))
        return unknown(folder, "model_type", json_string_value(type),
                       "llama (Llama, SmolLM2) or qwen2 (Qwen2, Qwen2.5)");
    if (!is_text(f, "silu")) return unknown(folder, "hidden_act", json_string_value(f), "silu");
    for (int i = 0; i < 3; i++)
        if (json_is_true(json_object_get(json, OFF[i]))) return unknown(folder, OFF[i], "true", "false");
    c->tied = json_is_true(json_object_get(json, "tie_word_embeddings"));
    return STATUS_OK;
}

static int read_sizes(struct llama_config *c, const char *folder, json_t *json) {
    TRY(folder_count(folder, json, "hidden_size", 65536, &c->hidden));
    TRY(folder_count(folder, json, "num_hidden_layers", 1024, &c->layers));
    TRY(folder_count(folder, json, "num_attention_heads", 1024, &c->heads));
    TRY(folder_count(folder, json, "intermediate_size", 1048576, &c->intermediate));
    TRY(folder_count(folder, json, "vocab_size", 16777216, &c->vocabulary));
    TRY(folder_count(folder, json, "max_position_embeddings", 16777216, &c->positions));
    c->kv_heads = c->heads;
    json_t *kv_heads = json_object_get(json, "num_key_value_heads"), *head_dim = json_object_get(json, "head_dim");
    if (json_is_integer(kv_heads)) TRY(folder_count(folder, json, "num_key_value_heads", c->heads, &c->kv_heads));
    c->head_dim = c->hidden / c->heads;
    if (json_is_integer(head_dim)) TRY(folder_count(folder, json, "head_dim", 65536, &c->head_dim));
    if (c->head_dim < 2 || c->head_dim % 2 || c->heads % c->kv_heads ||
        (!json_is_integer(head_dim) && c->hidden % c->heads))
        return status_set(
            STATUS_FAILED,
            "%s/config.json: %lld heads over %lld of keys must divide them, and their width, %lld, be even", folder,
            (long long)c->heads, (long long)c->kv_heads, (long long)c->head_dim);
    return STATUS_OK;
}

/* rope_theta and rope_scaling, or both in rope_parameters, as newer folders have them. */
static int read_rope(struct llama_config *c, const char *folder, json_t *json) {
    json_t *both = json_object_get(json, "rope_parameters");
    json_t *scaling = json_is_object(both) ? both : json_object_get(json, "rope_scaling");
    json_t *type = json_object_get(scaling, json_object_get(scaling, "rope_type") ? "rope_type" : "type");
    c->rotary_base = folder_number(both, "rope_theta", folder_number(json, "rope_theta", 10000));
    if (!(c->rotary_base > 1)) return unknown(folder, "rope_theta", "1 or less", "a number above 1");
    int is_scaled = json_is_object(scaling) && (scaling != both || json_object_get(scaling, "factor"));
    if (is_text(type, "default") || (!is_scaled && !type)) return STATUS_OK;
    if (!is_text(type, "llama3"))
        return unknown(folder, "the rope_type of rope_scaling", json_string_value(type), "llama3 or default");
    c->scaling = (struct rope_scaling){.factor = folder_number(scaling, "factor", 0),
                                       .low = folder_number(scaling, "low_freq_factor", 0),
                                       .high = folder_number(scaling, "high_freq_factor", 0),
                                       .length = folder_number(scaling, "original_max_position_embeddings", 0)};
    const struct rope_scaling *s = &c->scaling;
    if (s->factor >= 1 && s->low > 0 && s->high > s->low && s->length > 0) return STATUS_OK;
    return unknown(folder, "rope_scaling", "incomplete",
                   "factor, low_freq_factor below high_freq_factor, original_max_position_embeddings");
}

int llama_config_read(struct llama_config *c, const char *folder) {
    json_t *json;
    int status;
    *c = (struct llama_config){0};
    TRY(folder_load_json(folder, "config.json", &json));
    TRY_DONE(read_family(c, folder, json));
    TRY_DONE(read_sizes(c, folder, json));
    TRY_DONE(read_rope(c, folder, json));
    c->epsilon = folder_number(json, "rms_norm_eps", 1e-6);
done:
    json_decref(json);
    return status;
}

void llama_frequencies(const struct llama_config *c, double *frequency) {
    const struct rope_scaling *s = &c->scaling;
    for (int64_t i = 0; i < c->head_dim / 2; i++) {
        double f = pow(c->rotary_base, -2.0 * (double)i / (double)c->head_dim);
        double waves = s->length * f / (2 * 3.14159265358979323846); /* over the length */
        double kept = s->factor > 0 ? (waves - s->low) / (s->high - s->low) : 1;
        kept = kept < 0 ? 0 : kept > 1 ? 1 : kept;
        frequency[i] = kept * f + (kept < 1 ? (1 - kept) * f / s->factor : 0);
    }
}
