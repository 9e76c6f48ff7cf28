/* The token table as a folder that Hugging Face's transformers load, without this program:
 *
 *   config.json, tokenizer_config.json   sizes, and which class is in which file
 *   model.safetensors   codebook.weight f32 [size, d], tokens i32 [n, 4, K], weights f32 [n, 4, K], embeddings f32 [n, 4 d] as in table.h5
 *                       (store/table.h), and codes u8 [n, bytes]: SYSTEM:CODE, filled up with zeros
 *   codes.tsv           system and code of each row
 *   *.py                the model, its configuration and its tokenizer: medtok/hugging_face/, which is part of this program
 *   README.md           the model card (medtok/model_card.h)
 *
 * AutoModel.from_pretrained(FOLDER, trust_remote_code=True) and AutoTokenizer do the rest.
 */
#ifndef MEDTOK_MEDTOK_HUGGING_FACE_H
#define MEDTOK_MEDTOK_HUGGING_FACE_H

#include "store/table.h"

struct hugging_face_options {
    const char *folder;     /* to write; what export made there before is replaced */
    const char *checkpoint; /* if it is the table's, its settings are on the card */
    const char *probe;      /* if it is of the table, its figures are on the card */
};

/* The files of a folder, and how its config.json begins. */
enum { N_HUGGING_FACE_FILES = 8 };
extern const char *const HUGGING_FACE_FILES[N_HUGGING_FACE_FILES];
extern const char HUGGING_FACE_BEGINS[];

/* One process. Blocks of rows are read and written one after the other: memory does not grow with the table, but for its codes. The
 * folder is there when it is whole. STATUS_INTERRUPTED if a signal comes. */
int hugging_face_write(struct table *table, const struct hugging_face_options *options);

#endif
