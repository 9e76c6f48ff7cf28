/* Evaluation while training: the codes held out of it (train.holdout) go through the model as it is (with the averaged
 * weights under train.average), without dropout, and the quality of their tokens is measured among them. Neither
 * parameters nor random numbers of the training are touched.
 *
 * Ranks share the codes in blocks of fixed size; tokens and embeddings are then gathered on all of them.
 */
#ifndef MEDTOK_MEDTOK_EVALUATION_H
#define MEDTOK_MEDTOK_EVALUATION_H

#include "measure/neighbours.h"
#include "measure/options.h"
#include "measure/quality.h"
#include "medtok/tokenizer.h"
#include "train/options.h"

/* Which codes are evaluated, and how; all borrowed. */
struct evaluation_options {
    const struct train_options *train;
    const struct inspect_options *inspect;
    const char *vocabulary;
    struct text_source *text;
    int threads;
};

struct evaluation {
    const struct model *model;
    const struct comm *comm;
    struct device *device;
    struct bootstrap bootstrap;
    struct dataset dataset; /* the codes, numbered from 0 */
    struct code_keys keys;
    struct code_links links;
    int32_t *queries;
    int64_t n_queries;
    uint8_t *has_graph; /* [codes] */
    struct batch_builder builder;
    struct inference inference;
    struct token_rows rows; /* of all the codes */
};

/* Collective. Chooses and reads the held-out codes, at most train.eval_codes, by (seed, code). */
int evaluation_make(struct evaluation *evaluation, const struct model *model, const struct comm *comm,
                    struct device *device, const struct evaluation_options *options);
void evaluation_free(struct evaluation *evaluation);

/* Collective. The quality is the same on every rank. */
int evaluation_run(struct evaluation *evaluation, struct quality *quality);

#endif
