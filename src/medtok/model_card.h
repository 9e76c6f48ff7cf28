/* The model card of an exported table: Markdown with the header that the Hugging Face Hub reads. Every figure comes from the files. */
#ifndef MEDTOK_MEDTOK_MODEL_CARD_H
#define MEDTOK_MEDTOK_MODEL_CARD_H

#include <stdio.h>

#include "store/table.h"

enum { CARD_MOST_SYSTEMS = 64 };

/* What is counted while rows go by. */
struct card_counts {
    struct card_system {
        const char *name; /* in the table */
        int64_t codes, with_text, with_graph;
    } systems[CARD_MOST_SYSTEMS];
    int n_systems;                     /* further ones are not told apart */
    unsigned char *used[TABLE_GROUPS]; /* [codebook_size] rows that a group picks */
};

int card_counts_make(struct card_counts *counts, const struct table *table);
void card_counts_free(struct card_counts *counts);

/* Adds rows first .. first + count - 1, whose tokens are [count, 4, K]. */
void card_counts_add(struct card_counts *counts, const struct table *table, int64_t first, int64_t count,
                     const int32_t *tokens);

struct model_card {
    const struct table *table;
    const struct card_counts *counts;
    const char *weights_sha256;     /* of model.safetensors */
    const char *checkpoint, *probe; /* files; used if they are the table's, "" or not there: none */
};

/* Errors: a table without provenance, a probe file that cannot be parsed. What cannot be written is the stream's error. */
int model_card_write(const struct model_card *card, FILE *out);

#endif
