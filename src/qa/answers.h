/* Questions answered by a language model: the log-probabilities of the offered letters where the reply begins, in one forward pass; the
 * most probable letter is the answer (the first of equal ones). */
#ifndef MEDTOK_QA_ANSWERS_H
#define MEDTOK_QA_ANSWERS_H

#include "dist/comm.h"
#include "qa/answer_model.h"
#include "qa/cosine_scores.h"

struct answers {
    int64_t n, n_cut, n_shortened; /* questions; of which the stem's middle, or some descriptions, were left out */
    struct option_scores *plain;   /* [n] options as they stand */
    struct option_scores *rotated; /* [n] mean of an option's scores over all cyclic orders; NULL: not asked for */
    int64_t n_same;                /* rotated: questions with the same option chosen in all orders */
};

/* Collective: each rank answers a share, and all get all answers. Free with answers_free in any case. */
int answers_make(struct answers *answers, const struct comm *comm, struct answer_model *model, int with_rotations);
void answers_free(struct answers *answers);

/* What another run chose: chosen [n], -1 where it has no such question, from the report of the job qa at `path`; *n_common: how many
 * questions it has too. The error names what is no such report. */
int answers_read(const char *path, const struct questions *questions, int *chosen, int64_t *n_common);

#endif
