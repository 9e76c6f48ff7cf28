/* A question as the tokens of a chat, up to where the letter of an answer is to come:
 *
 *   system  You answer multiple-choice medical questions. Reply with the letter of the right option alone: A, B, C or D.
 *   user    STEM, and a line for each option, "A: ...", then "Answer:"
 *   reply
 *
 * A prefix of vectors comes behind the first token (struct prompt.prefix_at), where the pre-trained models' first token stays first.
 */
#ifndef MEDTOK_QA_PROMPT_H
#define MEDTOK_QA_PROMPT_H

#include "lm/chat.h"
#include "qa/questions.h"

enum { PROMPT_PREFIX_AT = 1 }; /* rows before the prefix */

/* Appends the tokens of a question whose option at place i is the one numbered (i + rotation) modulo their number in the file. If they
 * are more than `most`, the middle of the stem is left out, and *is_cut is 1. The error says that options alone are too long. */
int prompt_encode(const struct chat *chat, const struct question *question, int rotation, int64_t most,
                  struct tokens *tokens, int *is_cut);

/* The tokens of the letters A to J as a reply begins with them. The error names a letter that is not one token, with or
 * without a space before it. */
int prompt_letters(const struct chat *chat, int32_t letters[QUESTION_OPTIONS]);

#endif
