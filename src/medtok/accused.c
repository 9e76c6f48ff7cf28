/* The codes of this rank, the most suspicious first. */
#include "medtok/accused.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"

enum { MOST_NAMED = 16 };

struct suspect {
    double size; /* largest value of its vectors before the quantiser; infinite if one is not finite */
    int64_t code;
};

static int largest_first(const void *a, const void *b) {
    const struct suspect *x = a, *y = b;
    if (x->size != y->size) return x->size < y->size ? 1 : -1;
    return (x->code > y->code) - (x->code < y->code);
}

/* positions [z->rows]: which suspect each row is. */
static int look_at_group(struct device *device, const struct var *z, const int32_t *positions,
                         struct suspect *suspects) {
    real *values;
    TRY(mem_alloc(&values, z->rows * z->cols, sizeof *values));
    device_download_reals(device, values, z->value, z->rows * z->cols);
    for (int64_t i = 0; i < z->rows * z->cols; i++) {
        struct suspect *s = &suspects[positions[i / z->cols]];
        double size = isfinite(values[i]) ? fabs((double)values[i]) : INFINITY;
        if (size > s->size) s->size = size;
    }
    free(values);
    return STATUS_OK;
}

/* `..., those with the largest vectors first: ICD10CM:E11.9, ...` */
static void name_codes(const char *vocabulary, const struct suspect *suspects, int64_t n, char *text, size_t size) {
    size_t used = (size_t)snprintf(
        text, size, "look for bad features of the codes of this batch, those with the largest vectors first: ");
    for (int64_t i = 0; i < n && i < MOST_NAMED && used < size; i++) {
        char name[160];
        vocabulary_name(vocabulary, suspects[i].code, name, sizeof name);
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", name);
    }
    if (n > MOST_NAMED && used < size)
        snprintf(text + used, size - used, " and %lld more", (long long)(n - MOST_NAMED));
}

int accuse_codes(struct device *device, const struct batch *batch, const struct model_output *output,
                 const char *vocabulary, int64_t *severity, char *text, size_t size) {
    struct suspect *suspects;
    TRY(mem_alloc(&suspects, batch->n, sizeof *suspects));
    for (int64_t i = 0; i < batch->n; i++) suspects[i].code = batch->codes[i];
    int status = STATUS_OK;
    for (int g = 0; g < N_GROUPS && status == STATUS_OK; g++)
        status = look_at_group(device, output->groups[g].z, group_positions(batch, (enum token_group)g), suspects);
    if (status == STATUS_OK && batch->n > 0) {
        qsort(suspects, (size_t)batch->n, sizeof *suspects, largest_first);
        *severity = isfinite(suspects[0].size) ? ilogb(suspects[0].size) : INT64_MAX;
        name_codes(vocabulary, suspects, batch->n, text, size);
    }
    free(suspects);
    return status;
}
