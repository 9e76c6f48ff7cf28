/* Where a model's text features come from (text.mode): read from text.h5 (`cached`), or computed by the language model in
 * each step (`online`), its dropout making the two views as in the reference.
 *
 * Online, a rank tokenises the descriptions of its codes once and keeps the ids; feature rows of a batch are then all tokens
 * of its codes, in order, each code on its own, since dropout is drawn by code.
 */
#ifndef MEDTOK_TEXT_TEXT_SOURCE_H
#define MEDTOK_TEXT_TEXT_SOURCE_H

#include "dist/comm.h"
#include "lm/bert.h"
#include "store/h5file.h"
#include "text/options.h"
#include "text/text_pool.h"

struct text_source {
    int64_t dim;
    const char *features_path;  /* cached: text.h5, borrowed; NULL: online */
    struct model_folder folder; /* online */
    struct bert bert;
    int64_t most_tokens;
    uint64_t seed; /* of dropout */
    enum text_pooling pooling;
    struct text_pool_room pool;
};

/* Token ids of some codes' descriptions. Owned; free with text_ids_free. */
struct text_ids {
    int64_t *offsets; /* [n_codes + 1] */
    int32_t *ids;
};

/* cached: looks at text.h5, `features_path` (borrowed); online: reads the model of text.model onto the device (borrowed). */
int text_source_open(struct text_source *source, const struct text_options *text, const char *features_path,
                     uint64_t seed, struct device *device);
void text_source_close(struct text_source *source);

/* Collective (store/row_fetch.h). Tokenises the descriptions of codes[n] (global indices, ascending, each once). */
int text_source_read_ids(struct text_source *source, const struct comm *comm, const char *vocabulary_path,
                         const int64_t *codes, int64_t n, struct text_ids *ids);
void text_ids_free(struct text_ids *ids);

/* The two views of a text, or the one of evaluation, without dropout. */
enum text_view { TEXT_VIEW_PLAIN, TEXT_VIEW_FIRST, TEXT_VIEW_SECOND };

/* Last hidden states of n texts, text i being ids[offsets[i]] .. (host; offsets [n + 1] from 0), dropout keyed by
 * (seed, step, keys[i]): out [offsets[n], dim], or with cls_only their first rows alone, out [n, dim]. */
int text_source_compute(struct text_source *source, int64_t n, const int32_t *offsets, const int32_t *ids,
                        const int32_t *keys, enum text_view view, uint32_t step, int cls_only, dev_real out);

/* Collective. Adds what the features come from: text.h5 by its content, or the model's files by their SHA-256. */
int text_source_add_provenance(const struct comm *comm, const struct text_options *text, const char *features_path,
                               struct provenance *provenance);

/* Adds which encoder makes the features, and how it makes a text's first row, as an input TEXT_ENCODER_INPUT: its name ("bert, text.pool:
 * mean") and a hash of that and of its weights, or of the settings of the n-grams. The same vectors for the same text have the same. Behind
 * text_source_add_provenance. One process. */
#define TEXT_ENCODER_INPUT "encoder"
int text_source_add_encoder(const struct text_options *text, const char *features_path, struct provenance *provenance);

/* Collective. Adds the weights, word pieces, configuration and casing rules of a model folder. */
int text_source_add_model(const struct comm *comm, const char *path, struct provenance *provenance);

#endif
