/* A Hugging Face model folder of the BERT family: what config.json, the tokeniser's files and the weights' names say.
 *
 * Read: config.json; model.safetensors, or model.safetensors.index.json and the files it lists; vocab.txt, or the vocabulary
 * in tokenizer.json; the casing rules of tokenizer.json, else of tokenizer_config.json, else BERT's (lower case).
 * Errors name the file and the key, tensor or value, and what to do.
 */
#ifndef MEDTOK_LM_MODEL_FOLDER_H
#define MEDTOK_LM_MODEL_FOLDER_H

#include "kernels.h"
#include "lm/weight_files.h"
#include "lm/wordpiece.h"

struct bert_config {
    int64_t hidden, layers, heads, intermediate, vocabulary, positions, types;
    double layer_norm_epsilon, hidden_dropout, attention_dropout;
    enum activation activation;
};

struct model_folder {
    char *path; /* owned, as all here */
    struct bert_config config;
    struct wordpiece wordpiece;
    struct weight_files weights;
    char *vocabulary_path; /* the file that the vocabulary came from */
};

/* Opens and checks all of it; the weights are mapped, not read. */
int model_folder_open(struct model_folder *folder, const char *path);
void model_folder_close(struct model_folder *folder);

/* STATUS_USAGE if texts of text.max_tokens = `most_tokens` are longer than the model has positions. */
int model_folder_check_length(const struct model_folder *folder, int64_t most_tokens);

/* The weights tensor `name` (without the `bert.` prefix) as float32 [rows, cols] (cols 0: a vector) in out. The error names the
 * tensor that is missing, of another shape than config.json says, or not F32, F16 or BF16. */
int model_folder_tensor(const struct model_folder *folder, const char *name, int64_t rows, int64_t cols, float *out);

#endif
