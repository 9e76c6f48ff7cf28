/* How the families of chat models write a talk down, as their chat templates do:
 *
 *   Llama 3                  <|begin_of_text|> then for each turn <|start_header_id|>ROLE<|end_header_id|>\n\nTEXT<|eot_id|>,
 *                            TEXT without white space around it
 *   ChatML (Qwen, SmolLM2)   for each turn <|im_start|>ROLE\nTEXT<|im_end|>\n
 *
 * Left out are the dates that Llama 3.1 puts before its system text, and the default system texts of Qwen and SmolLM2: a talk that
 * begins with a system turn has none of these. Names of special tokens in a text are text.
 */
#ifndef MEDTOK_LM_CHAT_H
#define MEDTOK_LM_CHAT_H

#include "lm/bpe.h"

enum chat_family { CHAT_LLAMA3, CHAT_ML };

struct chat {
    enum chat_family family;
    struct bpe *bpe;          /* borrowed */
    int32_t begin;            /* of the talk; -1: none */
    int32_t open, close, end; /* of a turn: before the role; Llama 3: behind it; behind the text */
};

/* The family is known by its special tokens, and where those of both are there by the chat template of the folder; the error says which are
 * looked for. */
int chat_open(struct chat *chat, struct bpe *bpe, const char *folder);

/* Appends the token that a talk begins with, if there is one. */
int chat_begin(const struct chat *chat, struct tokens *tokens);

/* Appends a turn of `role` ("system", "user", "assistant") with text[size]. */
int chat_turn(const struct chat *chat, const char *role, const char *text, int64_t size, struct tokens *tokens);

/* Appends what stands before the assistant's reply. */
int chat_reply(const struct chat *chat, struct tokens *tokens);

#endif
