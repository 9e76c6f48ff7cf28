/* Descriptions in, text.h5 out: the work behind the encode job. The ranks plan the rows together (text/text_units.h); the work is cut into
 * parts of about equal cost, of which each rank computes and writes its own without waiting for others (dist/work_reports.h). Finished parts are
 * remembered in a journal (store/part_journal.h), so that a run that was stopped or killed goes on where it was, on any number of ranks with the same
 * kind of device. */
#ifndef MEDTOK_TEXT_ENCODE_H
#define MEDTOK_TEXT_ENCODE_H

#include "base/log.h"
#include "dist/stages.h"
#include "store/part_journal.h"
#include "store/text_features.h"
#include "text/text_units.h"

enum encode_stage { ENCODE_PLAN, ENCODE_OPEN, ENCODE_COMPUTE, ENCODE_WRITE, ENCODE_STAGES };
extern const char *const ENCODE_STAGE_NAMES[ENCODE_STAGES];

struct encoding {
    /* borrowed, set by the caller, all else zero */
    const struct comm *comm;
    struct device *device;
    int n_threads;
    const struct text_options *options;
    uint64_t seed;                 /* of hashed n-grams */
    const char *vocabulary, *path; /* vocabulary.h5 and text.h5 */
    struct stages *stages;         /* begun, with ENCODE_STAGE_NAMES */
    /* the plan */
    struct text_encoder encoder;
    struct shared_plan plan;
    struct text_units units; /* of the parts that this rank computes */
    int64_t first_part;      /* the first of these; -1: none */
    real *rows;              /* of a part; of device_host_alloc_reals */
    uint16_t *halves;        /* NULL for fp32 */
    int64_t *done;           /* [plan.n_parts] */
    uint64_t *checksum;
    int32_t *rank_of_part; /* [plan.n_parts] -1: done before */
    struct text_features_writer file;
    struct part_journal journal; /* rank 0 */
    struct progress progress;    /* rank 0, of all ranks' cost */
    int64_t cost_done;
};

/* Collective. Opens the encoder and plans the rows of all codes. Free in any case. */
int encoding_plan(struct encoding *encoding);
void encoding_free(struct encoding *encoding);

/* Collective. Computes the parts that are not there yet and writes the file. STATUS_INTERRUPTED after a signal: the finished parts are
 * kept, and the next run with the same provenance goes on. */
int encoding_run(struct encoding *encoding, const struct provenance *provenance);

/* Fails if the language model of the provenance is another than the one that the text file `like` was made with; `model`, its
 * folder, is named. */
int encoding_check_model(const struct provenance *provenance, const char *like, const char *model);

#endif
