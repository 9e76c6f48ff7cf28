/* What MedTok's token table (store/table.h) says of the codes of a cohort: a source of vectors (ehr/data.h), and their reading.
 *
 * A code of the cohort is the table's code of the same system and form (terms/meds_code.h, terms/code_form.h); failing that its
 * nearest ancestor that the table has (terms/code_hierarchy.h). A text that tells no system is no medical code, and gets a row of its own.
 */
#ifndef MEDTOK_EHR_MEDTOK_VECTORS_H
#define MEDTOK_EHR_MEDTOK_VECTORS_H

#include "ehr/code_rows.h"
#include "ehr/data.h"

struct medtok_vectors {
    struct vector_source source; /* of the table */
    const char *path;            /* borrowed */
    int in_vocabulary;           /* rows of the vocabulary alone are found, not those of new codes */
    int64_t n_exact, n_ancestor; /* codes that were found so; on rank 0 */
};

/* in_vocabulary: for what is known of the vocabulary alone (text features); in_train: codes that train has not are missing. */
void medtok_vectors_make(struct medtok_vectors *vectors, const char *table, int in_vocabulary, int in_train);

/* Collective, as all that follow. The width of the table's vectors, of all groups. */
int medtok_vectors_width(const struct medtok_vectors *vectors, const struct comm *comm, int64_t *width);

/* The vectors of rows[n], of groups first .. first + count - 1 side by side: float [n, *width] in *out, which the caller frees in any case. */
int medtok_vectors_read(const struct medtok_vectors *vectors, const struct comm *comm, int64_t n, const int64_t *rows,
                        int first, int count, int64_t *width, float **out);

/* The tokens of rows[n] with their weights (the graph's times the table's graph_weight, as in embeddings), as bags of those codebook rows
 * that some of them have, which are their vectors. Those of an absent side are left out. */
int medtok_tokens_read(const struct medtok_vectors *vectors, const struct comm *comm, int64_t n, const int64_t *rows,
                       struct code_bags *bags);

/* The means of the text encoder's features (files.text) of rows[n]: float [n, *width] in *out, which the caller frees in any case. */
int medtok_texts_read(const struct medtok_vectors *vectors, const struct comm *comm, const char *text, int64_t n,
                      const int64_t *rows, int64_t *width, float **out);

#endif
