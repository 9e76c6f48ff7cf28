/* Futures of a patient, made by ETHOS unit by unit, and the share of them that has an outcome: scores without a head.
 *
 * A sample's futures are made side by side, apart from those of other samples, and their units are drawn by number of the sample, of the
 * future and of the unit: so they are the same on any number of ranks. Keys and values of past units are kept. When the window
 * (ehr.max_length) is full, the oldest eighth of its line is dropped, the context is made anew, and since positions move what is kept is
 * made again. A future of MOST_UNITS units is ended, without a hit.
 */
#ifndef MEDTOK_EHR_MODELS_ETHOS_GENERATE_H
#define MEDTOK_EHR_MODELS_ETHOS_GENERATE_H

#include "ehr/models/ethos.h"

enum { ETHOS_MOST_UNITS = 2048 };

struct ethos_future {
    struct ethos_timeline timeline; /* the history, and what was made */
    struct ethos_progress progress;
    enum ethos_verdict verdict;
    int64_t first;          /* unit of the line at which the window begins */
    int64_t n_kept, n_used; /* rows of the window that are in the cache; rows of the cache that are not 0 */
};

struct ethos_generator {
    const struct ethos *ethos; /* borrowed */
    struct device *device;     /* borrowed */
    int keeps;                 /* keys and values; 0: each step computes the whole window, for comparison */
    int64_t n;
    struct ethos_future *futures; /* [n], owned, as what follows */
    dev_real rows;                /* [layers, n, max_length, 2 dim] keys and values */
    struct kv_cache *caches;      /* [layers] */
    struct tape tape;
    struct pack pack;
    struct ethos_packing packing;
    struct ethos_units units;
    dev_int last; /* [futures that go on] */
    struct {      /* of a step, on the host; what is `rows` long: of all windows */
        int64_t n, *offsets;
        int32_t *future, *keys, *unit, *position, *window;
        real *logits;
    } step;
    int64_t n_made; /* units, since it was made */
};

/* n: futures of a sample. Free in any case. */
int ethos_generator_make(struct ethos_generator *generator, const struct ethos *ethos, struct device *device, int64_t n,
                         int keeps);
void ethos_generator_free(struct ethos_generator *generator);

/* Makes the futures of a history, that of sample `number`: until they have the outcome or cannot any more. */
int ethos_generate(struct ethos_generator *generator, const struct ethos_outcome *outcome,
                   const struct sample_history *history, int64_t number);

/* The same in two parts: the futures as they begin; and one unit more for each that is open, their logits [step.n, ethos_n_outputs] staying in
 * generator->step. */
int ethos_generator_begin(struct ethos_generator *generator, const struct ethos_outcome *outcome,
                          const struct sample_history *history);
int ethos_generator_step(struct ethos_generator *generator, const struct ethos_outcome *outcome, int64_t number,
                         int64_t unit);

/* struct ehr_model's score: the share of futures with the outcome, in double. */
int ethos_score(void *self, struct device *device, const struct sample_set *set, double *scores);

#endif
