/* What the vectors of a table are measured against: the frozen text that it was made from, the text's principal components, and quantisers
 * that nobody trained. All are sources of vectors (measure/vector_search.h); each rank holds what it makes. */
#ifndef MEDTOK_MEASURE_PROBE_BASELINES_H
#define MEDTOK_MEASURE_PROBE_BASELINES_H

#include "fit/principal_components.h"
#include "measure/token_groups.h"
#include "measure/vector_search.h"

/* The mean over the tokens of each code's text, as the frozen encoder gave them. */
struct frozen_text {
    struct vector_source source;
    int32_t *row; /* [n] of each code in rows; -1: another rank's, or not used */
    float *rows;
};

/* Collective. path: text.h5, of the vocabulary with this content_id; n codes, used [n] those that are asked for (borrowed). */
int frozen_text_make(struct frozen_text *text, const struct comm *comm, const char *path, const char *vocabulary_id,
                     int64_t n, const uint8_t *used);
void frozen_text_free(struct frozen_text *text);

/* Principal components of the text's vectors of norm 1: of all codes that are used, or of 16,384 of them drawn by `seed`. */
struct text_components {
    struct vector_source source;
    const struct frozen_text *text; /* borrowed */
    struct device *device;
    struct principal_components components;
    real *host;
    dev_real rows, directions, out;
};

/* Collective. */
int text_components_make(struct text_components *components, const struct comm *comm, struct device *device,
                         const struct frozen_text *text, uint64_t seed, int64_t width);
void text_components_free(struct text_components *components);

/* The first `width` of the components, into rows [count, width]: struct vector_source's `read` of a narrower source. */
struct first_components {
    struct vector_source source;
    struct text_components *all; /* borrowed */
    float *rows;
};
int first_components_make(struct first_components *first, struct text_components *all, int64_t width);
void first_components_free(struct first_components *first);

/* A quantiser at the bits of a table's: for each of four groups as many rows as the group's region has, and top_k of them, as
 * src/medtok/METHOD.md section 3 picks and weighs them: the nearest to the code's vector, or, residual, one of each of
 * top_k levels, or, sparse, near ones by least squares.
 * The rows of each group are drawn anew by `seed`. */
enum untrained_rows {
    ROWS_RANDOM, /* of random direction */
    ROWS_CODES /* vectors of codes that have one; all of them where there are fewer than rows. Residual: of those dealt to a level, what
                  * the levels before it leave, of norm 1 (or 0) */
};
struct untrained_quantizer {
    struct vector_source source; /* the groups' sums of rows side by side, [4 width] */
    int64_t n, width, top_k;
    int residual, sparse;
    int64_t first[N_GROUPS + 1]; /* rows of the groups */
    float *rows;                 /* [first[N_GROUPS], width] */
    int32_t *tokens;             /* [n, 4, top_k] rows within the group, on every rank; -1: no vector */
    float *weights;              /* [n, 4, top_k] */
};

/* Collective. of: the vectors that are quantised. */
int untrained_quantizer_make(struct untrained_quantizer *quantizer, const struct comm *comm, struct device *device,
                             const struct vector_source *of, const struct region regions[N_GROUPS], int64_t top_k,
                             int residual, int sparse, uint64_t seed, enum untrained_rows kind);
void untrained_quantizer_free(struct untrained_quantizer *quantizer);

#endif
