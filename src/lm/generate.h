/* What a language model says next: one text at a time, with the keys and values of past tokens kept. */
#ifndef MEDTOK_LM_GENERATE_H
#define MEDTOK_LM_GENERATE_H

#include "lm/bpe.h"
#include "lm/llama.h"

struct generation {
    int64_t most; /* tokens at most */
    double
        temperature; /* 0: the most probable token each time; else tokens are drawn from softmax(logits / temperature) */
    double
        top_p; /* of the most probable tokens that together have this probability (Holtzman et al., 2020); 1: of all */
    uint64_t seed;        /* draws are keyed by it and the token's number */
    const int32_t *stops; /* [n_stops] tokens after which it ends; they are part of what is made */
    int64_t n_stops;
};

/* Appends to `made` what follows prompt[n] (at least one token). Prompt and `most` may not exceed the model's positions. */
int llama_generate(const struct llama *llama, const int32_t *prompt, int64_t n, const struct generation *how,
                   struct tokens *made);

#endif
