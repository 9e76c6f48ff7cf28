/* From the sums of a step to a message that says where to look. */
#include "medtok/divergence.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"

enum { MOST_NAMED = 16, MOST_BYTES = 2560 }; /* names have at most 129 bytes */

/* ---- the codes of this rank, the most suspicious first ---- */
struct suspect {
    double size; /* largest value of its vectors before the quantiser; infinite if one is not finite */
    int64_t code;
};

static int largest_first(const void *a, const void *b) {
    const struct suspect *x = a, *y = b;
    if (x->size != y->size) return x->size < y->size ? 1 : -1;
    return (x->code > y->code) - (x->code < y->code);
}

/* place [z->rows]: which suspect each row is. */
static int look_at_group(struct device *device, const struct var *z, const int32_t *place, struct suspect *suspects) {
    real *values;
    TRY(mem_alloc(&values, z->rows * z->cols, sizeof *values));
    device_download_reals(device, values, z->value, z->rows * z->cols);
    for (int64_t i = 0; i < z->rows * z->cols; i++) {
        struct suspect *s = &suspects[place[i / z->cols]];
        double size = isfinite(values[i]) ? fabs((double)values[i]) : INFINITY;
        if (size > s->size) s->size = size;
    }
    free(values);
    return STATUS_OK;
}

static int find_suspects(const struct trainer *t, const struct batch *batch, const struct model_output *output,
                         struct suspect **suspects) {
    TRY(mem_alloc(suspects, batch->n, sizeof **suspects));
    for (int64_t i = 0; i < batch->n; i++) (*suspects)[i].code = batch->codes[i];
    for (int g = 0; g < N_GROUPS; g++) {
        int graph_side = g == GRAPH_SPECIFIC || g == SHARED_GRAPH;
        TRY(look_at_group(t->device, output->groups[g].z, graph_side ? batch->graph_position : batch->text_position,
                          *suspects));
    }
    qsort(*suspects, (size_t)batch->n, sizeof **suspects, largest_first);
    return STATUS_OK;
}

/* `ICD10CM:E11.9, ...` */
static void name_codes(const struct trainer *t, const struct suspect *suspects, int64_t n, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (int64_t i = 0; i < n && i < MOST_NAMED; i++) {
        char name[160];
        vocabulary_name(t->config->files.vocabulary, suspects[i].code, name, sizeof name);
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", name);
    }
    if (n > MOST_NAMED) snprintf(text + used, size - used, " and %lld more", (long long)(n - MOST_NAMED));
}

/* ---- the term ---- */
/* Writes what is wrong; 0: nothing. */
static int describe(const struct trainer *t, const struct step_report *r, char *text, size_t size) {
    double limit = t->config->train.max_loss, most = t->config->train.max_length;
    int largest = 0, longest = 0;
    for (int i = 0; i < N_TERMS; i++) {
        if (!isfinite(r->terms[i])) {
            snprintf(text, size, "%s is %g", LOSS_TERM_NAMES[i], r->terms[i]);
            return 1;
        }
        if (fabs(r->terms[i]) > fabs(r->terms[largest])) largest = i;
    }
    for (int g = 1; g < N_GROUPS; g++)
        if (!(r->length[g] <= r->length[longest])) longest = g;
    const char *name = LOSS_TERM_NAMES[largest];
    if (limit > 0 && fabs(r->terms[largest]) > limit)
        snprintf(text, size, "%s is %g, beyond train.max_loss (%g)", name, r->terms[largest], limit);
    else if (most > 0 && !(r->length[longest] <= most))
        snprintf(text, size, "%s compares vectors of length %g, beyond train.max_length (%g)",
                 LOSS_TERM_NAMES[TERM_CODEBOOK_TEXT + longest], r->length[longest], most);
    else if (!isfinite(r->gradient_norm))
        snprintf(text, size, "the gradient's norm is %g (largest loss term: %s, %g)", r->gradient_norm, name,
                 r->terms[largest]);
    else
        return 0;
    return 1;
}

int divergence_check(const struct trainer *t, const struct step_report *report, const struct batch *batch,
                     const struct model_output *output) {
    char what[256], codes[MOST_BYTES];
    struct suspect *suspects = NULL;
    if (!describe(t, report, what, sizeof what)) return STATUS_OK; /* the report is the same on every rank */
    int status = find_suspects(t, batch, output, &suspects);
    int64_t own = INT64_MIN;
    if (status == STATUS_OK && batch->n > 0) own = isfinite(suspects[0].size) ? ilogb(suspects[0].size) : INT64_MAX;
    int64_t most = own;
    status = comm_agree(t->comm, status);
    if (status == STATUS_OK) status = comm_max_int64(t->comm, &most, 1);
    if (status == STATUS_OK && own == most) {
        name_codes(t, suspects, batch->n, codes, sizeof codes);
        status =
            status_set(STATUS_FAILED,
                       "step %lld: %s; lower train.rate, or look for bad features of the codes of this batch, those "
                       "with the largest vectors first: %s",
                       (long long)t->step + 1, what, codes);
    }
    free(suspects);
    return comm_agree(t->comm, status);
}
