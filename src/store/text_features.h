/* text.h5: the frozen text encoder's output for every code, ragged, each distinct row stored once.
 *
 * Code i has tokens token_offsets[i] .. token_offsets[i+1]-1, at least one; the first is the [CLS] row (the whole text), or, where
 * first_is_mean is 1, the mean over the tokens, [CLS] among them (text.pool: mean).
 * Token t is feature row token_row[t]. Codes that share a description, or words, share rows.
 * Datasets: token_offsets i64 [n_codes+1], token_row i32 [n_tokens], features f16 or f32 [n_rows, dim] (src/medtok/METHOD.md: H_i).
 * With text.nodes: yes also node_row i32 [n_nodes]: the feature row of each node's name, that of the whole text; -1: it has no name
 * (store/node_features.h reads them). These rows lie behind those of the codes.
 * Root attributes: encoder, dim, n_codes, n_rows, n_nodes (0: no node_row), precision, first_is_mean, vocabulary_id (content_id of the vocabulary it was
 * made from).
 */
#ifndef MEDTOK_STORE_TEXT_FEATURES_H
#define MEDTOK_STORE_TEXT_FEATURES_H

#include <stdint.h>

#include "store/h5file.h"
#include "store/h5layout.h"

/* The features of some codes in host memory. Owned; free with text_features_free. */
struct text_features {
    int64_t n_codes, n_rows, dim;
    int64_t *token_offsets; /* [n_codes + 1], from 0 */
    int32_t *token_row;     /* rows of `rows`, renumbered to those held here */
    uint16_t *rows_f16;     /* [n_rows, dim] IEEE half bits, or NULL */
    float *rows_f32;        /* [n_rows, dim], or NULL; one of the two is set */
};

/* Collective (store/row_fetch.h: each rank reads its share of the file), every rank with codes of its own choice. Reads the features of
 * codes[n_codes] (global indices, ascending, each once), each row that they use once. Fails if the file was made from
 * another vocabulary (vocabulary_path's content_id), or holds indices out of range or values that are not finite (names
 * the code). `status`: what failed on this rank on the way here, which becomes every rank's. */
int text_features_read(const struct comm *comm, const char *path, const char *vocabulary_path, const int64_t *codes,
                       int64_t n_codes, struct text_features *features, int status);

/* The mean over the tokens (the first row, where that is it) of each of some codes (global indices, in any order, also more than once), float [n, *dim] in *means, which the
 * caller frees in any case. Fails if the file was made from a vocabulary whose content_id is another. */
int text_features_means(const char *path, const char *vocabulary_id, int64_t n, const int64_t *codes, int64_t *dim,
                        float **means);

/* Fails if the file was made from another vocabulary than is at vocabulary_path. */
int text_features_check_vocabulary(struct h5file *file, const char *vocabulary_path);

/* The width of the rows alone. */
int text_features_dim(const char *path, int64_t *dim);

/* Copies row `row` as float32 into out[dim]. */
void text_features_row(const struct text_features *features, int64_t row, float *out);

void text_features_free(struct text_features *features);

/* ---- writing ---- */
/* What a file holds besides its rows. Of the index a rank has a run of codes, one of tokens and one of nodes, cut anywhere, those of rank r
 * behind those of the ranks before it. All borrowed. */
struct text_features_index {
    const char *vocabulary, *encoder;       /* path of the vocabulary, name of the encoder */
    int half;                               /* rows are stored in half precision */
    int first_is_mean;                      /* the first row of a code is the mean over its tokens */
    int64_t n_codes, n_tokens, n_rows, dim; /* of all ranks */
    int64_t first_code, n_offsets;          /* this rank's of the n_codes + 1 offsets */
    int64_t first_token, n_own_tokens;      /* this rank's of the n_tokens rows */
    const int64_t *token_offsets;           /* [n_offsets] as in the file */
    const int32_t *token_row;               /* [n_own_tokens] */
    int64_t n_nodes;                        /* of all ranks; 0: names of nodes have no features */
    int64_t first_node, n_own_nodes;        /* this rank's */
    const int32_t *node_row;                /* [n_own_nodes] */
};

/* A file that is being written. It stays where it was created. */
struct text_features_writer {
    struct h5layout layout;
    struct h5layout_set sets[4]; /* token_offsets, token_row, node_row if there is one, and the rows */
    int rows;                    /* number of the rows' dataset */
};

/* Collective. Begins the file `path` with its index, or with `partial` the file `path`.partial, which lasts through killed processes (store/h5layout.h);
 * text_features_resume goes on with that, in which the same index is written again, and fails where there is none, it was made with other sizes, or is damaged
 * (*unfit: 1), and for what may pass, as a full disk (0).
 * `comm` and `writer` stay until text_features_close. On failure there is nothing to close. */
int text_features_create(struct text_features_writer *writer, const struct comm *comm, const char *path,
                         const struct text_features_index *index, const struct provenance *provenance, int partial);
int text_features_resume(struct text_features_writer *writer, const struct comm *comm, const char *path,
                         const struct text_features_index *index, const struct provenance *provenance, int *unfit);

/* Writes feature rows first .. first+count-1, each once over all ranks, half or float32; *checksum: theirs (NULL: not wanted). */
int text_features_write(struct text_features_writer *writer, int64_t first, int64_t count, const void *rows,
                        uint64_t *checksum);

/* Reads rows that an earlier run has written into `rows`. If they have this checksum they count as written: *kept. */
int text_features_keep(struct text_features_writer *writer, int64_t first, int64_t count, uint64_t checksum, void *rows,
                       int *kept);

/* Collective. With STATUS_OK on every rank the file gets its name; else it is removed, or if it is partial left for later. Returns `status`,
 * or what failed. */
int text_features_close(struct text_features_writer *writer, int status);

#endif
