/* Reports of the job qa beside each other: arms, each trained from one seed or several, that answered the same questions. */
#ifndef MEDTOK_QA_COMPARED_ANSWERS_H
#define MEDTOK_QA_COMPARED_ANSWERS_H

#include <stdint.h>

#include "base/dictionary.h"
#include "base/string_list.h"

enum { COMPARED_SEEDS = 32, COMPARED_ARMS = 24 };

/* Options as they stand; or chosen by the mean scores over all cyclic orders. */
enum answer_orders { ORDERS_AS_THEY_STAND, ORDERS_ALL, N_ANSWER_ORDERS };

struct compared_arm {
    char *name;     /* owned */
    int is_trained; /* with an adapter */
    int n_seeds;
    int64_t seeds[COMPARED_SEEDS];                   /* -1: not trained */
    uint8_t *right[COMPARED_SEEDS][N_ANSWER_ORDERS]; /* [questions] 1: right. ORDERS_ALL may be NULL. Owned */
};

struct compared_question {
    int set, n_options; /* set: number in `sets`, or -1 */
    char answer;
    uint8_t with_codes; /* every arm says that it has codes, as of those with vectors only such that have one */
};

struct compared_answers {
    char *model, *model_id; /* qa.model of the first report, and the id of all; owned */
    int64_t n;
    struct dictionary ids, sets;
    struct compared_question *questions; /* [n] in the first report's order */
    int n_orders;                        /* 1, or 2: all reports have all orders */
    int n_arms;
    struct compared_arm arms[COMPARED_ARMS]; /* in the order in which reports first name them */
};

/* Reads reports of qa. The error names the file: one that is none; of another model than the first (by what is in its folder, wherever it lies), or with other questions; with a question
 * twice, or one that its adapter learned from; of an arm and a seed that are there already. Free in any case. */
int compared_answers_read(struct compared_answers *answers, const struct string_list *paths);
void compared_answers_free(struct compared_answers *answers);

/* The number of the arm of that name; -1: none. */
int compared_answers_arm(const struct compared_answers *answers, const char *name);

#endif
