/* table.h5: the token table, the product of the program. One row per code: those of the vocabulary in its order, then new
 * codes (which the model was not trained on) in the order in which they were given; either may be lacking.
 *
 * Datasets (n codes, K = top_k, d = dim, groups text-specific, graph-specific, shared-text, shared-graph):
 *   code text [n], system text [n]
 *   tokens i32 [n, 4, K]    codebook rows, nearest first, -1 where the side is absent
 *   weights f32 [n, 4, K]   sum to 1 in each group (see residual), 0 where absent
 *   embedding f32 [n, 4*d] the four quantised vectors side by side, 0 where absent
 *   codebook f32 [size, d] rows of norm 1
 *   group text [4]         names of the groups, in order
 *   region i32 [4, 2]      first and one past the last candidate row of each group
 * Root attributes: n_codes, top_k, dim, codebook_size, vocabulary_id (of the vocabulary that the model was trained on),
 * checkpoint_id, step; vocabulary_rows (the first rows are the vocabulary), table_version (1; one more each time that codes
 * are appended) and base_rows (rows of the version before); averaged (1: made with the moving average of the weights,
 * train.average); residual (1, quantizer.assign: residual, or 0; absent in older tables, which is 0): token k of a group is
 * then a row of part k of top_k equal parts of its region, and its weight, at least 0, its code vector's product with what
 * the tokens before it leave, so that the squares of the weights sum to 1 at most.
 */
#ifndef MEDTOK_STORE_TABLE_H
#define MEDTOK_STORE_TABLE_H

#include <stdint.h>

#include "store/h5file.h"

enum { TABLE_GROUPS = 4 };
extern const char *const TABLE_GROUP_NAMES[TABLE_GROUPS];

struct table_shape {
    int64_t n_codes, top_k, dim, codebook_size, vocabulary_rows, base_rows, table_version;
    int32_t region[TABLE_GROUPS][2];
    int64_t
        residual; /* 1: token k of a group is of part k of top_k parts of its region; weights are what it explains */
};

/* ---- writing, collective: all ranks call each function the same number of times ---- */
struct table_writer; /* opaque */

/* Creates the file; names[n_codes, bytes] of codes and systems, and the codebook [codebook_size, dim], are needed on
 * rank 0 only. */
struct table_names {
    const char *code, *system;
    int64_t code_bytes, system_bytes;
};
int table_create(struct table_writer **out, const struct comm *comm, const char *path, const struct table_shape *shape,
                 const struct table_names *names, const float *codebook, const struct provenance *provenance);

/* Writes rows first .. first+count-1 (count may be 0 on some ranks). */
int table_write(struct table_writer *writer, int64_t first, int64_t count, const int32_t *tokens, const float *weights,
                const float *embedding);

int table_set_text(struct table_writer *writer, const char *name, const char *value); /* a root attribute */
int table_set_int(struct table_writer *writer, const char *name, int64_t value);
int table_commit(struct table_writer *writer); /* checksums, rename; frees the writer in any case */
void table_abandon(struct table_writer *writer);

/* ---- reading, one process ---- */
struct table {
    struct table_shape shape;
    int64_t code_bytes, system_bytes;
    char *code, *system; /* [n_codes, bytes] */
    struct h5file *file;
};
int table_open(struct table *table, const char *path); /* names and shape; checks them */
void table_close(struct table *table);
/* Whether the table was made from the vocabulary at `path`, and that one's content_id, which the caller frees in any case. */
int table_is_of(const struct table *table, const char *path, int *is_of, char **vocabulary_id);
/* Rows first .. first+count-1 into caller's arrays; NULL arrays are passed over. */
int table_read(struct table *table, int64_t first, int64_t count, int32_t *tokens, float *weights, float *embedding);
int table_read_codebook(struct table *table, float *codebook);

#endif
