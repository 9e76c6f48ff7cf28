/* Intervals from few runs: Student's t in place of the normal distribution. */
#ifndef MEDTOK_MEASURE_STUDENT_H
#define MEDTOK_MEASURE_STUDENT_H

/* P(|T| <= t) of Student's t with df > 0 degrees of freedom, which need not be whole (INFINITY: the normal distribution):
 * 1 - I_x(df / 2, 1 / 2), x = df / (df + t^2) (Abramowitz and Stegun 26.7.1). */
double student_within(double t, double df);

/* The t >= 0 with student_within(t, df) = share, 0 to .99: of .95 1.96 of the normal distribution, 4.30 of df = 2; of .6 the 80th percentile. df below 1
 * counts as 1. */
double student_t(double share, double df);

#endif
