/* Llama-family language models (Touvron et al., 2023; Llama 3, 2024; Qwen2.5, 2024) over ragged texts, without padding: RMS
 * norms, rotary positions, grouped queries, SwiGLU. Read llama_hidden first.
 *
 * Weights are frozen. On the CPU those of the blocks, and tables of float32, are multiplied from where the files are mapped, so
 * that the ranks of a node have them in memory once; keys' and values' maps, which are two tensors in the files and one here, and
 * what is stored in half precision are copied.
 */
#ifndef MEDTOK_LM_LLAMA_H
#define MEDTOK_LM_LLAMA_H

#include "lm/llama_config.h"
#include "lm/weight_files.h"
#include "nn/transformer.h"

/* [vocabulary, hidden] */
struct llama_table {
    dev_real rows;
    int is_owned; /* not the mapped file's */
};

struct llama {
    struct llama_config config;
    struct device *device; /* borrowed; NULL: not open */
    char *folder;          /* owned, for messages */
    struct weight_files weights;
    struct parameter_set parameters;
    struct llama_table embeddings, head; /* tied: one table */
    struct norm_map norm;                /* of the last states */
    struct block_shape shape;
    struct block *blocks; /* [layers] */
    dev_real frequency;   /* [head_dim / 2] */
};

/* Reads config.json and the weights of a model folder; products are made in `precision`. recompute: backward computes blocks
 * again, which keep only their results. Errors name the file, and the key or the tensor. */
int llama_open(struct llama *llama, struct device *device, const char *folder, enum precision_of_products precision,
               int recompute);
void llama_close(struct llama *llama);

/* Texts of a step, on the device. Row r is the embedding of a token, or a row of `prefix`. */
struct llama_rows {
    struct segments segments; /* texts; their keys are read by dropout alone */
    int64_t n_pairs;          /* of a row and one that it sees, to count work; 0: as if texts had equal lengths */
    dev_int token;            /* [rows] ids; -1: a row of the prefix */
    dev_int position;         /* [rows] in the text, from 0 */
    struct var *prefix;       /* [prefix rows, hidden], or NULL */
    dev_int prefix_row;       /* with `prefix`: [rows] its rows; -1: a token */
    struct dropout dropout;   /* seed, stream and step for what adapters drop */
};

/* The last states, [rows, hidden]. caches: NULL, or [layers] while evaluating. */
struct var *llama_hidden(const struct llama *llama, struct tape *tape, const struct llama_rows *rows,
                         const struct kv_cache *caches);

/* Table of the logits' map, a constant: logits are states head^T. */
struct var *llama_head(const struct llama *llama, struct tape *tape);

#endif
