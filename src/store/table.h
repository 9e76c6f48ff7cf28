/* table.h5: the token table, the product of the program. One row per code: those of the vocabulary in its order, then new
 * codes (which the model was not trained on) in the order in which they were given; either may be lacking.
 *
 * Datasets (n codes, K = top_k, d = dim, groups text-specific, graph-specific, shared-text, shared-graph), of which tokens, weights and embedding
 * are not compressed, so that any rank writes any rows where they belong (results/scaling.md says what that costs and gains):
 *   code text [n], system text [n]
 *   tokens i32 [n, 4, K]    codebook rows, nearest (heaviest) first, -1 where the side is absent
 *   weights f32 [n, 4, K]   sum to 1 in each group (see residual, sparse), 0 where absent
 *   embedding f32 [n, 4*d] the four quantised vectors side by side, the graph's times graph_weight; 0 where absent
 *   codebook f32 [size, d] rows of norm 1
 *   group text [4]         names of the groups, in order
 *   region i32 [4, 2]      first and one past the last candidate row of each group
 * Root attributes: n_codes, top_k, dim, codebook_size, vocabulary_id (of the vocabulary that the model was trained on),
 * checkpoint_id, step; vocabulary_rows (the first rows are the vocabulary), table_version (1; one more each time that codes
 * are appended) and base_rows (rows of the version before); picked (qa_prefix.table: the first so many rows are codes of that vocabulary, some of
 * it; 0 or absent in other tables); averaged (1: made with the moving average of the weights,
 * train.average); residual (1, quantizer.assign: residual, or 0; absent in older tables, which is 0): token k of a group is
 * then a row of part k of top_k equal parts of its region, and its weight, at least 0, its code vector's product with what
 * the tokens before it leave, so that the squares of the weights sum to 1 at most; sparse (1, quantizer.assign: sparse, or 0; absent in older
 * tables, which is 0): tokens are rows near the vector, heaviest first, and their weights, at least 0, those of least squares; graph_weight (a number as text; absent in older tables,
 * which is 1): what the graph's vectors are multiplied by in embeddings.
 */
#ifndef MEDTOK_STORE_TABLE_H
#define MEDTOK_STORE_TABLE_H

#include <stdint.h>

#include "store/h5file.h"

enum { TABLE_GROUPS = 4 };
extern const char *const TABLE_GROUP_NAMES[TABLE_GROUPS];

struct table_shape {
    int64_t n_codes, top_k, dim, codebook_size, vocabulary_rows, base_rows, table_version;
    int64_t picked; /* the first rows that are codes of the vocabulary, of which others are lacking */
    int32_t region[TABLE_GROUPS][2];
    int64_t
        residual;   /* 1: token k of a group is of part k of top_k parts of its region; weights are what it explains */
    int64_t sparse; /* 1: weights are those of least squares */
    double graph_weight; /* of the graph's two groups in embeddings */
};

/* What the sum of a group's code vectors by their weights is multiplied by in embeddings: groups 1 and 3 are the graph's. */
static inline double table_group_weight(const struct table_shape *shape, int64_t group) {
    return group % 2 ? shape->graph_weight : 1;
}

/* ---- writing: rank 0 lays the file out, all ranks write rows (store/h5layout.h) ---- */
struct table_writer; /* opaque */

/* What a file holds besides its rows; all borrowed. */
struct table_head {
    const char *code, *system; /* [n_codes, bytes] names, with zeros behind */
    int64_t code_bytes, system_bytes;
    const float *codebook;                     /* [codebook_size, dim] */
    const char *vocabulary_id, *checkpoint_id; /* NULL: none */
    int64_t step;
    int averaged;
};

/* Collective, one message. Creates the file; `head` and `status`, of what went before, are looked at on rank 0 alone: its failure becomes every
 * rank's. */
int table_create(struct table_writer **out, const struct comm *comm, const char *path, const struct table_shape *shape,
                 const struct table_head *head, const struct provenance *provenance, int status);

/* Not collective. Writes rows first .. first+count-1, any that no other rank writes, each once. */
int table_write(struct table_writer *writer, int64_t first, int64_t count, const int32_t *tokens, const float *weights,
                const float *embedding);

/* Collective: checksums, rename; frees the writer in any case. `status`: of this rank's writing, whose failure becomes every rank's, and there
 * is no file. */
int table_commit(struct table_writer *writer, int status);

/* ---- reading, one process ---- */
struct table {
    struct table_shape shape;
    int64_t code_bytes, system_bytes;
    char *code, *system; /* [n_codes, bytes] */
    struct h5file *file;
};
int table_open(struct table *table, const char *path);         /* names and shape; checks them */
int table_open_unnamed(struct table *table, const char *path); /* without the names, which grow with the table */
void table_close(struct table *table);
/* Whether the table was made from the vocabulary at `path`, and that one's content_id, which the caller frees in any case. */
int table_is_of(const struct table *table, const char *path, int *is_of, char **vocabulary_id);
/* Rows first .. first+count-1 into caller's arrays; NULL arrays are passed over. */
int table_read(struct table *table, int64_t first, int64_t count, int32_t *tokens, float *weights, float *embedding);
int table_read_codebook(struct table *table, float *codebook);

#endif
