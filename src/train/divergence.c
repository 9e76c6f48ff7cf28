/* From the sums of a step to a message that says where to look. */
#include "train/divergence.h"

#include <math.h>
#include <stdio.h>

#include "base/status.h"

enum { MOST_BYTES = 2816 }; /* of what the learner says */

/* Which watched vectors are longest, a length that is no number first. */
static int find_longest(const struct learner *l, const double *lengths) {
    int longest = 0;
    for (int i = 1; i < l->n_lengths; i++)
        if (!(lengths[i] <= lengths[longest])) longest = i;
    return longest;
}

/* Writes what is wrong; 0: nothing. */
static int describe(const struct training *t, const struct step_report *r, char *text, size_t size) {
    const struct learner *l = t->learner;
    double limit = t->options->max_loss, most = t->options->max_length;
    int largest = 0, longest = find_longest(l, r->lengths);
    for (int i = 0; i < l->n_terms; i++) {
        if (!isfinite(r->terms[i])) {
            snprintf(text, size, "%s is %g", l->terms[i], r->terms[i]);
            return 1;
        }
        if (fabs(r->terms[i]) > fabs(r->terms[largest])) largest = i;
    }
    if (limit > 0 && fabs(r->terms[largest]) > limit)
        snprintf(text, size, "%s is %g, beyond %s.max_loss (%g)", l->terms[largest], r->terms[largest], l->settings,
                 limit);
    else if (most > 0 && l->n_lengths > 0 && !(r->lengths[longest] <= most))
        snprintf(text, size, "%s compares vectors of length %g, beyond %s.max_length (%g)", l->lengths[longest].term,
                 r->lengths[longest], l->settings, most);
    else if (!isfinite(r->gradient_norm + r->norm_apart))
        snprintf(text, size, "the gradient's norm is %g (largest loss term: %s, %g)", r->gradient_norm + r->norm_apart,
                 l->terms[largest], r->terms[largest]);
    else
        return 0;
    return 1;
}

int divergence_check(const struct training *t, const struct step_report *report) {
    const struct learner *l = t->learner;
    char what[256], accused[MOST_BYTES] = "";
    int64_t own = INT64_MIN;
    if (!describe(t, report, what, sizeof what)) return STATUS_OK; /* the report is the same on every rank */
    int status = l->accuse ? l->accuse(l->self, &own, accused, sizeof accused) : STATUS_OK;
    int64_t most = own;
    status = comm_agree(t->comm, status);
    if (status == STATUS_OK) status = comm_max_int64(t->comm, &most, 1);
    if (status == STATUS_OK && own == most)
        status = status_set(STATUS_FAILED, "step %lld: %s; lower %s.rate%s%s", (long long)t->state.step + 1, what,
                            l->settings, accused[0] ? ", or " : "", accused);
    return comm_agree(t->comm, status);
}
