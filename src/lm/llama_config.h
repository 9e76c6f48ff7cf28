/* config.json of a Llama-family model: Llama 2 and 3, Qwen2 and Qwen2.5, SmolLM2. */
#ifndef MEDTOK_LM_LLAMA_CONFIG_H
#define MEDTOK_LM_LLAMA_CONFIG_H

#include <stdint.h>

/* Llama 3's frequencies for texts longer than it was first trained on. factor 0: none. */
struct rope_scaling {
    double factor, low, high; /* low_freq_factor, high_freq_factor */
    double length;            /* original_max_position_embeddings */
};

struct llama_config {
    int64_t hidden, layers, heads, kv_heads, head_dim, intermediate, vocabulary, positions;
    double epsilon, rotary_base;
    struct rope_scaling scaling;
    int attention_bias; /* queries, keys and values have one (Qwen2) */
    int tied;           /* the head is the table of embeddings */
};

/* The error names the file, the key, and what is not known here. */
int llama_config_read(struct llama_config *config, const char *folder);

/* frequency[head_dim / 2]: pair c turns by base^(-2c / head_dim) a position; with scaling, waves longer than length / low are
 * slowed by `factor`, those shorter than length / high are not, and those between by a mean of the two. */
void llama_frequencies(const struct llama_config *config, double *frequency);

#endif
