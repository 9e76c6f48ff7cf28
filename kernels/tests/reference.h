/* Formulas in double that several tests compare with. */
#ifndef MEDTOK_KERNELS_TESTS_REFERENCE_H
#define MEDTOK_KERNELS_TESTS_REFERENCE_H

#include "kernels.h"

/* f(x), and its slope by central differences: good to 1e-9, if x is not within 1e-5 of a bend. */
double activated(double x, enum activation f);
double activated_slope(double x, enum activation f);

#endif
