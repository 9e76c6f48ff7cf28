/* A language model that answers multiple-choice questions: a frozen Llama-family model, with an adapter and a prefix of code vectors if
 * they are wanted. Training and testing make the same rows of a question here. */
#ifndef MEDTOK_QA_ANSWER_MODEL_H
#define MEDTOK_QA_ANSWER_MODEL_H

#include "lm/lora.h"
#include "qa/adapter_record.h"
#include "qa/code_descriptions.h"
#include "qa/prefix.h"
#include "qa/prompt.h"

struct answer_model {
    struct qa_options options; /* its texts are borrowed */
    const struct questions *questions;
    struct device *device;
    struct llama llama;
    struct bpe bpe;
    struct chat chat;
    int32_t letters[QUESTION_OPTIONS];
    struct parameter_set parameters;       /* what is learned: adapter and prefix */
    struct lora lora;                      /* .llama NULL: none */
    struct prefix prefix;                  /* .kind QA_PREFIX_NONE: none */
    struct code_descriptions descriptions; /* of the questions' codes, for the prompts; .offsets NULL: none */
    char model_id[33];                     /* of qa.model (lm/model_id.h) */
    struct adapter_record
        record; /* of the adapter that is or will be there; .model_id "": none, as one that peft made */
};

struct answer_terms {
    const struct qa_options *options;
    const char *table, *vocabulary; /* of codes' vectors, of their descriptions */
    enum precision_of_products precision;
    uint64_t seed;
    int trains; /* with an adapter to be trained; else with that of options->adapter, or "": none */
};

/* Opens all of it for these questions (borrowed). An adapter that is read must have been trained with the same options, model and table;
 * random and exchanged vectors are those of its own seed. The longest prompt must fit the model's positions. */
int answer_model_open(struct answer_model *model, struct device *device, const struct answer_terms *terms,
                      const struct questions *questions);
void answer_model_close(struct answer_model *model);

/* Writes adapter, prefix and record into the folder options.adapter; training: the key of the checkpoint that they are of. One rank calls
 * it. */
int answer_model_save(struct answer_model *model, const char *training);

/* A question with its options turned by `rotation` (qa/prompt.h). */
struct asked {
    int64_t question;
    int rotation;
};

struct answer_batch {
    int64_t n, n_cut,
        n_shortened; /* n_cut: questions of which the stem's middle was left out; n_shortened: some descriptions */
    struct pack pack;
    struct llama_rows rows;
    struct prefix_batch prefix;
    dev_int last, target; /* [n] the row behind which the letter comes; the right letter's token */
    struct tokens tokens; /* scratch */
};
void answer_batch_make(struct answer_batch *batch, struct device *device);
void answer_batch_free(struct answer_batch *batch);

/* Makes the batch of the first of asked[n] on the host, batch->n of them: as many as take `most_rows` rows at most, but one at least; 0: all.
 * Cut ones are counted among questions in their first order. pack_send(&batch->pack) sends it. */
int answer_batch_pack(struct answer_batch *batch, struct answer_model *model, int64_t n, const struct asked *asked,
                      int64_t most_rows);

/* The states behind which the letters come, [n, hidden]. */
struct var *answer_states(const struct answer_model *model, struct tape *tape, struct answer_batch *batch);

#endif
