/* A question as the tokens of a chat, up to where the letter of an answer is to come:
 *
 *   system  You answer multiple-choice medical questions. Reply with the letter of the right option alone: A, B, C or D.
 *   user    STEM, and a line for each option, "A: ...", then "Answer:"
 *   reply
 *
 * Where the question's codes are to be told in words, the user begins with a line "The question is about: NAME; NAME."
 *
 * A prefix of vectors comes behind the first token (struct prompt.prefix_at), where the pre-trained models' first token stays first.
 */
#ifndef MEDTOK_QA_PROMPT_H
#define MEDTOK_QA_PROMPT_H

#include "lm/chat.h"
#include "qa/questions.h"

enum { PROMPT_PREFIX_AT = 1 }; /* rows before the prefix */

enum { PROMPT_NAME_TOKENS = 48 }; /* names may add so many tokens each to a question, on the average */

/* What is asked: the option at place i is the one numbered (i + rotation) modulo their number in the file. All borrowed. */
struct prompt {
    const struct question *question;
    int rotation, n_names;
    const char *const *names; /* [n_names] of the question's codes */
};

/* What had no room. */
struct prompt_cuts {
    int stem, names; /* whether the middle of the stem was left out; how many names, the last ones */
};

/* Appends the tokens. If without the names they are more than `most`, the middle of the stem is left out, so that names change nothing of
 * the rest. The error says that options alone are too long. */
int prompt_encode(const struct chat *chat, const struct prompt *prompt, int64_t most, struct tokens *tokens,
                  struct prompt_cuts *cuts);

/* The tokens of the letters A to J as a reply begins with them. The error names a letter that is not one token, with or
 * without a space before it. */
int prompt_letters(const struct chat *chat, int32_t letters[QUESTION_OPTIONS]);

#endif
