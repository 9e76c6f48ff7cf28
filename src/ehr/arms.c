/* Each arm is a way to fill a struct code_rows_source. */
#include "ehr/arms.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"
#include "ehr/vector_space.h"
#include "store/table.h"
#include "terms/code_form.h"
#include "terms/meds_code.h"

enum { GROUP_OF_GRAPH = 1 }; /* store/table.h: the second group is graph-specific */

int arm_reads_table(enum ehr_arm arm) { return arm != ARM_BASE && arm != ARM_HIERARCHY; }
int arm_reads_text(enum ehr_arm arm) { return arm == ARM_TEXT_ONLY; }

void arm_make(struct arm *a, const struct ehr_options *options, const char *table, const char *text) {
    *a = (struct arm){.options = options, .table = table, .text = text};
    code_paths_make(&a->paths, options->min_count);
    medtok_vectors_make(&a->medtok, table, arm_reads_text(options->arm), options->arm == ARM_RANDOM_FROZEN);
}

static void free_read(struct arm *a) {
    free(a->vectors);
    free(a->system);
    code_bags_free(&a->bags);
    a->vectors = NULL;
    a->system = NULL;
}

void arm_free(struct arm *a) {
    free_read(a);
    *a = (struct arm){0};
}

const struct vector_source *arm_source(struct arm *a) {
    if (a->options->arm == ARM_BASE) return NULL;
    return a->options->arm == ARM_HIERARCHY ? &a->paths.source : &a->medtok.source;
}

/* ---- vectors ---- */
/* To the width of the table's. */
static int fit(struct arm *a, const struct comm *comm, int64_t n, int64_t from, struct code_rows_source *s) {
    float *fitted = NULL;
    TRY(medtok_vectors_width(&a->medtok, comm, &s->width));
    if (from == s->width) return STATUS_OK;
    int status = comm_agree(comm, vectors_change_width(n, from, s->width, a->vectors, &fitted));
    free(a->vectors);
    a->vectors = fitted;
    return status;
}

static int read_vectors(struct arm *a, const struct comm *comm, const struct ehr_data *d, struct code_rows_source *s) {
    int64_t n = d->n_vectors, width = 0;
    if (a->options->arm == ARM_TEXT_ONLY)
        TRY(medtok_texts_read(&a->medtok, comm, a->text, n, d->vector, &width, &a->vectors));
    else if (a->options->arm == ARM_GRAPH_ONLY)
        TRY(medtok_vectors_read(&a->medtok, comm, n, d->vector, GROUP_OF_GRAPH, 1, &width, &a->vectors));
    else
        TRY(medtok_vectors_read(&a->medtok, comm, n, d->vector, 0, TABLE_GROUPS, &width, &a->vectors));
    TRY(fit(a, comm, n, width, s));
    vectors_standardise(n, s->width, d->n_train_vectors, a->vectors);
    s->vectors = a->vectors;
    return STATUS_OK;
}

/* The systems of the codes with a vector. */
static int read_systems(struct arm *a, const struct ehr_data *d, struct code_rows_source *s) {
    char system[MEDS_PART_BYTES], code[MEDS_PART_BYTES];
    TRY(mem_alloc(&a->system, d->n_vectors, sizeof *a->system));
    for (int64_t i = 0; i < d->n_cohort_codes; i++) {
        int64_t at = d->row[i] - TOKEN_FIRST_CODE - d->n_own;
        if (at >= 0 && meds_code_split(ehr_code(d, i), system, code))
            a->system[at] =
                2 * (int32_t)code_system(system) + (at >= d->n_train_vectors); /* train's change among themselves */
    }
    s->system = a->system;
    return STATUS_OK;
}

/* ---- bags ---- */
/* Takes the mean row, as often as it is in bags of train, off the rows, and scales them so that bags of train have a mean squared length of 1. */
static int standardise_bags(struct code_bags *b, int64_t n_train) {
    double *sum, total = 0, square = 0;
    TRY(mem_alloc(&sum, b->width, sizeof *sum));
    for (int64_t p = 0; p < b->offsets[n_train]; p++) {
        total += b->weight[p];
        for (int64_t k = 0; k < b->width; k++) sum[k] += (double)b->weight[p] * b->vectors[b->row[p] * b->width + k];
    }
    for (int64_t i = 0; i < b->n_rows * b->width && total > 0; i++) b->vectors[i] -= (float)(sum[i % b->width] / total);
    for (int64_t i = 0; i < n_train; i++)
        for (int64_t k = 0; k < b->width; k++) {
            double value = 0;
            for (int64_t p = b->offsets[i]; p < b->offsets[i + 1]; p++)
                value += (double)b->weight[p] * b->vectors[b->row[p] * b->width + k];
            square += value * value;
        }
    double scale = square > 0 ? sqrt((double)n_train / square) : 1;
    for (int64_t i = 0; i < b->n_rows * b->width; i++) b->vectors[i] *= (float)scale;
    free(sum);
    return STATUS_OK;
}

static int read_bags(struct arm *a, const struct comm *comm, const struct ehr_data *d, struct code_rows_source *s) {
    s->bags = &a->bags;
    if (a->options->arm == ARM_HIERARCHY) return comm_agree(comm, code_paths_bags(d, a->options->min_count, &a->bags));
    TRY(medtok_tokens_read(&a->medtok, comm, d->n_vectors, d->vector, &a->bags));
    return comm_agree(comm, standardise_bags(&a->bags, d->n_train_vectors));
}

int arm_read(struct arm *a, const struct comm *comm, const struct ehr_data *d, struct code_rows_source *s) {
    free_read(a);
    *s = (struct code_rows_source){
        .arm = a->options->arm, .n_own = d->n_own, .n_vectors = d->n_vectors, .n_train_vectors = d->n_train_vectors};
    switch (s->arm) {
        case ARM_BASE: return STATUS_OK;
        case ARM_RANDOM_FROZEN: return medtok_vectors_width(&a->medtok, comm, &s->width);
        case ARM_HIERARCHY:
        case ARM_MEDTOK_TOKENS: return read_bags(a, comm, d, s);
        default: TRY(read_vectors(a, comm, d, s));
    }
    return s->arm == ARM_SHUFFLED ? comm_agree(comm, read_systems(a, d, s)) : STATUS_OK;
}
