/* Codes of a table, drawn for a map, with what is shown of them. */
#ifndef MEDTOK_REPORT_CODE_SAMPLE_H
#define MEDTOK_REPORT_CODE_SAMPLE_H

#include "store/table.h"

struct code_sample {
    struct table table;
    const char *vocabulary; /* path, borrowed; NULL: there is none that fits the table, so no descriptions */
    int64_t n, width;       /* width: 4 * dim */
    int64_t *rows;          /* [n] of the table, ascending */
    float *embedding;       /* [n, width] */
    char **description;     /* [n], owned; at most DESCRIPTION_BYTES; "": unknown */
};
enum { DESCRIPTION_BYTES = 100 };

/* Draws at most `most` codes by `seed`, and reads them. vocabulary: its path, or "". Free it in any case. */
int code_sample_read(struct code_sample *sample, const char *table, const char *vocabulary, uint64_t seed,
                     int64_t most);
void code_sample_free(struct code_sample *sample);

/* Names of a row of the table. */
const char *code_sample_code(const struct code_sample *sample, int64_t row);
const char *code_sample_system(const struct code_sample *sample, int64_t row);

/* The description of any row, cut to DESCRIPTION_BYTES; the caller frees. */
int code_sample_describe(const struct code_sample *sample, int64_t row, char **text);

#endif
