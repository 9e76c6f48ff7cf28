/* Low-rank adaptation (LoRA; Hu et al., 2022) of a Llama-family model, as `peft` has it and in its files: the map W of each layer that
 * is a target becomes W + alpha / r B A, with A [r, in] and B [out, r] trained and W frozen. A begins as PyTorch's nn.Linear, B at 0.
 */
#ifndef MEDTOK_LM_LORA_H
#define MEDTOK_LM_LORA_H

#include "lm/llama.h"

/* The maps of a layer, by the names that Hugging Face gives them: numbers of bits of `targets`. */
enum lora_target { LORA_Q, LORA_K, LORA_V, LORA_O, LORA_GATE, LORA_UP, LORA_DOWN, N_LORA_TARGETS };
extern const char *const LORA_TARGETS[N_LORA_TARGETS]; /* "q_proj", ... */

struct lora_options {
    int64_t rank;
    double alpha, dropout;
    unsigned targets; /* 1 << LORA_Q | ... */
};

struct lora {
    struct lora_options options;
    struct llama *llama; /* borrowed; its maps look at the adapters until lora_free */
    struct adapter *adapters;
    int64_t n_adapters;
    struct parameter **parameters; /* [n_parameters], of the set; named as in adapter_model.safetensors */
    int64_t n_parameters;
};

/* Adds the parameters to `set`, before parameter_set_allocate. */
int lora_add(struct lora *lora, struct llama *llama, struct parameter_set *set, const struct lora_options *options);
void lora_free(struct lora *lora);

/* Options of adapter_config.json. The error names what is not known here. */
int lora_options_read(struct lora_options *options, const char *folder);

/* Values from adapter_model.safetensors of a folder that peft or lora_save wrote. */
int lora_load(const struct lora *lora, const char *folder);

/* Writes adapter_model.safetensors and adapter_config.json into the folder, which is made if it is not there. One rank calls it. */
int lora_save(const struct lora *lora, const char *folder);

#endif
