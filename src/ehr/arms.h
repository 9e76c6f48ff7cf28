/* What rows of codes are made from, by arm (ehr/code_rows.h): which codes of a cohort have a vector or a bag, and these themselves.
 *
 *   arm_make(&arm, options, table, text)
 *   ehr_data_make(.., arm_source(&arm))      asks which codes have one
 *   arm_read(&arm, comm, &data, &source)     reads them
 */
#ifndef MEDTOK_EHR_ARMS_H
#define MEDTOK_EHR_ARMS_H

#include "ehr/code_paths.h"
#include "ehr/medtok_vectors.h"

/* Whether an arm reads the token table, and whether it reads the text features too. */
int arm_reads_table(enum ehr_arm arm);
int arm_reads_text(enum ehr_arm arm);

struct arm {
    const struct ehr_options *options; /* borrowed, as the paths */
    const char *table, *text;          /* of arms that read them */
    struct code_paths paths;
    struct medtok_vectors medtok;
    float *vectors;
    int32_t *system;
    struct code_bags bags;
};

/* The arm of options->arm. Nothing is read yet. The arm must stay where it is; free it in any case. */
void arm_make(struct arm *arm, const struct ehr_options *options, const char *table, const char *text);
void arm_free(struct arm *arm);

/* For ehr_data_make; NULL in base. */
const struct vector_source *arm_source(struct arm *arm);

/* Collective. What the rows of the data's codes are made from, in *source, which borrows it from the arm. */
int arm_read(struct arm *arm, const struct comm *comm, const struct ehr_data *data, struct code_rows_source *source);

#endif
