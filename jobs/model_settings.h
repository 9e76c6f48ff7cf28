/* From the settings of a job to what MedTok asks for. */
#ifndef MEDTOK_JOBS_MODEL_SETTINGS_H
#define MEDTOK_JOBS_MODEL_SETTINGS_H

#include "medtok/learner.h"
#include "settings.h"

static inline struct model_settings model_settings(const struct config *c) {
    return (struct model_settings){.graph = c->graph,
                                   .attention = c->attention,
                                   .quantizer = c->quantizer,
                                   .loss = c->loss,
                                   .sides = c->model.sides,
                                   .text_map = c->model.text_map,
                                   .text_specific = c->model.text_specific,
                                   .text_dropout = c->text.dropout,
                                   .seed = (uint64_t)c->run.seed};
}

/* What a checkpoint was trained with whose settings name none of these: before taking over those that it names. */
static inline void settings_of_old_checkpoints(struct config *c) {
    c->text.pool = POOL_CLS;
    c->quantizer.assign = ASSIGN_NEAREST;
    c->model.text_specific = TEXT_SPECIFIC_MAP;
}

/* Points into the settings. */
static inline struct medtok_learner_options learner_options(const struct config *c, int threads) {
    return (struct medtok_learner_options){.model = model_settings(c),
                                           .text = &c->text,
                                           .train = &c->train,
                                           .inspect = &c->inspect,
                                           .vocabulary = c->files.vocabulary,
                                           .features = c->files.text,
                                           .continuation = {c->continuation.from, c->continuation.from_vocabulary,
                                                            c->files.vocabulary, c->continuation.anchor},
                                           .threads = threads};
}

static inline struct tokenizer_options tokenizer_options(const struct config *c) {
    return (struct tokenizer_options){.model = model_settings(c),
                                      .text = &c->text,
                                      .vocabulary = c->files.vocabulary,
                                      .features = c->files.text,
                                      .checkpoint = c->files.checkpoint,
                                      .averaged = c->train.average > 0,
                                      .graph_weight = c->model.graph_weight,
                                      .block = c->tokenize.batch};
}

#endif
