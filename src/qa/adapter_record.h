/* What an adapter was trained as, in medtok_adapter.json beside the files that `peft` reads: the arm, the model and the table that it belongs
 * to, and which stems it has seen.
 *
 *   {"prefix": "vectors", "codes": 8, "mean": 0, "seed": 1, "table_id": "...", "model_id": "...", "training": "...", "stems": ["...", ...]}
 *
 * seed: of random and exchanged vectors. table_id: content_id of the table, or with descriptions of the vocabulary; null without. model_id: lm/model_id.h. training: the provenance key
 * of the checkpoint that the adapter is of. stems: hashes of the stems learned from (question_stem_hash), as hexadecimal digits.
 */
#ifndef MEDTOK_QA_ADAPTER_RECORD_H
#define MEDTOK_QA_ADAPTER_RECORD_H

#include "qa/options.h"
#include "qa/questions.h"

#define ADAPTER_RECORD_FILE "medtok_adapter.json"

struct adapter_record {
    enum qa_prefix prefix;
    int64_t codes, mean, seed;
    char table_id[33], model_id[33], training[33]; /* "": none */
    int64_t n_stems;
    uint64_t *stems; /* [n_stems] ascending, owned */
};
extern const char *const QA_PREFIX_NAMES[];

/* Fills record->stems with those of the questions. Free with adapter_record_free in any case. */
int adapter_record_add_stems(struct adapter_record *record, const struct questions *questions);
void adapter_record_free(struct adapter_record *record);

/* The error names the file. One rank writes. */
int adapter_record_write(const struct adapter_record *record, const char *folder);

/* *is_there: 0 if the folder has no such file, as an adapter that peft made. */
int adapter_record_read(struct adapter_record *record, const char *folder, int *is_there);

/* Whether the folder has an adapter of the training whose provenance key that is, with all of its files. */
int adapter_is_of(const char *folder, const char *training, int *is_of);

/* Whether the options are those of its training; the error says what to set. */
int adapter_record_check(const struct adapter_record *record, const struct qa_options *options, const char *model_id);

/* Whether it was trained with that table, or vocabulary. */
int adapter_record_check_table(const struct adapter_record *record, const struct qa_options *options, const char *path,
                               const char *table_id);

/* Whether the adapter learned from a question with this stem. */
int adapter_record_has_stem(const struct adapter_record *record, uint64_t stem);

#endif
