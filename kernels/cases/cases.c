/* The families of cases. */
#include "cases/families.h"

#define ALL_OF(family) family, &N_##family

static const struct {
    const struct kernel_case *cases;
    const int *n;
} FAMILIES[] = {
    {ALL_OF(VECTOR_CASES)},    {ALL_OF(MATRIX_CASES)}, {ALL_OF(ACTIVATION_CASES)}, {ALL_OF(LINEAR_CASES)},
    {ALL_OF(NORM_CASES)},      {ALL_OF(ROW_CASES)},    {ALL_OF(GRAPH_CASES)},      {ALL_OF(QUANTIZER_CASES)},
    {ALL_OF(RESIDUAL_CASES)},  {ALL_OF(SPARSE_CASES)}, {ALL_OF(TABLE_CASES)},      {ALL_OF(LOSS_CASES)},
    {ALL_OF(ATTENTION_CASES)},
};

const struct kernel_case *kernel_case(int i) {
    for (size_t f = 0; f < sizeof FAMILIES / sizeof *FAMILIES; f++) {
        if (i < *FAMILIES[f].n) return &FAMILIES[f].cases[i];
        i -= *FAMILIES[f].n;
    }
    return NULL;
}
