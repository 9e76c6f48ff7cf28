/* What the families of cases give to cases.c: one file each. */
#ifndef MEDTOK_KERNELS_CASES_FAMILIES_H
#define MEDTOK_KERNELS_CASES_FAMILIES_H

#include "cases/cases.h"

/* f(x), for references. */
double case_activation(enum activation f, double x);

#define FAMILY(name)                                                                                                   \
    extern const struct kernel_case name[];                                                                            \
    extern const int N_##name

FAMILY(VECTOR_CASES);     /* vectors.c: vectors, optimiser */
FAMILY(MATRIX_CASES);     /* matrices.c */
FAMILY(ACTIVATION_CASES); /* activation.c: activations, gated units */
FAMILY(LINEAR_CASES);     /* linear.c */
FAMILY(NORM_CASES);       /* norm.c */
FAMILY(ROW_CASES);        /* rows.c: rows and segments */
FAMILY(GRAPH_CASES);      /* graphs.c */
FAMILY(QUANTIZER_CASES);  /* quantizer.c */
FAMILY(RESIDUAL_CASES);   /* residual.c: residual quantisation */
FAMILY(SPARSE_CASES);     /* sparse.c: sparse coding */
FAMILY(TABLE_CASES);      /* tables.c: bags, rotary embedding */
FAMILY(LOSS_CASES);       /* losses.c */
FAMILY(ATTENTION_CASES);  /* attention.c */

/* Ends a family's file: the number of its cases. */
#define END_OF_FAMILY(name) const int N_##name = sizeof(name) / sizeof *(name)

#endif
