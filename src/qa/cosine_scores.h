/* Options scored without a language model: the cosine between the codes of the question and those of each option.
 *
 *   score(o) = cos(mean of v(c) over the codes c of the stem, mean of v(c) over the codes c of option o)
 *
 * with v the table's vectors of norm 1 (all groups side by side). An option without a vector has no score and is never chosen; a question
 * with no scored option is not answered. The first of equal scores is chosen. Where the options stand does not matter but for that.
 */
#ifndef MEDTOK_QA_COSINE_SCORES_H
#define MEDTOK_QA_COSINE_SCORES_H

#include "measure/proportion.h"
#include "qa/questions.h"
#include "store/table.h"

struct option_scores {
    int n_scored, chosen; /* chosen: -1: not answered */
    int with_codes;       /* whether the stem has codes; for answers with their vectors, some that have vectors */
    double scores[QUESTION_OPTIONS]; /* NaN: none */
};

/* scores [questions->n]. path: of the questions, for messages. */
int cosine_scores(const struct questions *questions, const char *path, struct table *table,
                  struct option_scores *scores);

/* Which questions are counted together. */
#define SCORE_GROUPS(GROUP)                                                                                            \
    GROUP(SCORE_ANSWERED, "answered")                                                                                  \
    GROUP(SCORE_ALL_OPTIONS, "all_options_scored")                                                                     \
    GROUP(SCORE_SOME_OPTIONS, "some_options_scored")                                                                   \
    GROUP(SCORE_STEM_CODES, "stem_has_codes")                                                                          \
    GROUP(SCORE_NO_STEM_CODES, "stem_has_none")                                                                        \
    GROUP(SCORE_ALL, "all")
#define SCORE_GROUP_NUMBER(number, name) number,
enum score_group { SCORE_GROUPS(SCORE_GROUP_NUMBER) N_SCORE_GROUPS };
extern const char *const SCORE_GROUP_NAMES[N_SCORE_GROUPS];

/* What the choices of a group are worth. */
struct choice_summary {
    int64_t n, n_answered, n_right;
    struct proportion accuracy; /* of those answered */
    double
        with_guesses; /* of all, one that is not answered counting as 1 / its options: what guessing gives on average */
    double chance;    /* mean of 1 / options */
    double
        guess_of_scored; /* mean of (1 if the answer is scored) / scored options, of those answered: guessing among what could be chosen */
    struct proportion majority; /* the letter that is right most often, for all: the accuracy of always saying it */
    int majority_letter;
    int64_t right_letters[QUESTION_OPTIONS], chosen_letters[QUESTION_OPTIONS];
};

void choices_summarize(const struct questions *questions, const struct option_scores *scores, enum score_group group,
                       struct choice_summary *summary);

#endif
