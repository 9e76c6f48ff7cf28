/* What the stages of a run need: memory, disk and time, before any of them runs. From the settings, the vocabulary (or, before there is one,
 * the code tables), and finished runs. */
#ifndef MEDTOK_JOBS_PLAN_NEEDS_H
#define MEDTOK_JOBS_PLAN_NEEDS_H

#include <stdint.h>

#include "jobs.h"

/* Of all stages. */
struct plan_sizes {
    int64_t n_codes, n_nodes;      /* n_nodes: of the knowledge graph, as far as is known */
    int from_vocabulary;           /* else from the code tables */
    int64_t parameters, cut;       /* of the model, and those of them that are cut among ranks */
    int64_t text_bytes;            /* text.h5 */
    int64_t vocabulary_bytes;      /* vocabulary.h5 */
    int64_t checkpoint_bytes;      /* one */
    int64_t checkpoints_at_a_time; /* while training */
    int64_t table_bytes;
};

struct stage_needs {
    const struct job_entry *entry;
    int64_t ranks;
    int64_t memory; /* bytes a rank; 0: not known */
    int64_t writes; /* bytes on the disk at a time; 0: not known */
    double seconds; /* at these ranks; -1: not known */
    int measured;   /* by a finished run */
};

/* `with_prepare`: the vocabulary is made by the run, so that one which is there already may be another. Reads the code tables or the
 * vocabulary, whose errors are its own. */
int plan_sizes_find(struct plan_sizes *sizes, const struct config *config, int with_prepare);

/* needs->entry and needs->ranks are given. */
int stage_needs_find(struct stage_needs *needs, const struct plan_sizes *sizes, const struct config *config);

/* Seconds that one checkpoint takes to write, and one step of training. */
double plan_checkpoint_seconds(const struct plan_sizes *sizes);

#endif
