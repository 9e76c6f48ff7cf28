/* The codes that this rank works on, in host memory: their subgraphs and text features. */
#ifndef MEDTOK_MEDTOK_DATASET_H
#define MEDTOK_MEDTOK_DATASET_H

#include "medtok/text_source.h"
#include "store/text_features.h"
#include "store/vocabulary.h"

struct dataset {
    int64_t n_codes;
    int64_t *codes;               /* [n_codes] global code indices */
    int64_t *place;               /* [last - first + 1] place in `codes` of global code first + i, or -1 */
    int64_t first;                /* smallest code */
    struct vocabulary vocabulary; /* subgraphs of codes first .. last */
    struct text_source *source;   /* borrowed */
    struct text_features text;    /* cached: in the order of `codes` */
    struct text_ids ids;          /* online: the same */
};

/* Reads what the codes[n_codes] (copied) need; their text from `source` (borrowed). */
int dataset_read(struct dataset *dataset, const char *vocabulary_path, struct text_source *source, const int64_t *codes,
                 int64_t n_codes);
void dataset_free(struct dataset *dataset);

/* Expected work of every code of the vocabulary, in units of one node: cost[n_codes] (caller frees). */
int dataset_costs(const char *vocabulary_path, double **cost, int64_t *n_codes);

#endif
