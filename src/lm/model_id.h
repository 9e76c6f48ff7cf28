/* Which model a Hugging Face folder holds, without reading all of its weights. */
#ifndef MEDTOK_LM_MODEL_ID_H
#define MEDTOK_LM_MODEL_ID_H

/* Hex of XXH3-128 over config.json, tokenizer.json, and of each file of weights its size, its header (names, types and shapes of tensors) and
 * 256 blocks of 4 KiB that are spread evenly over it: enough to tell two trainings of one architecture apart. */
int model_folder_id(const char *folder, char id[33]);

#endif
