/* Student's t against published values (tables of any textbook; SciPy's stats.t for parts of a degree of freedom). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "measure/student.h"

static void percentiles_are_those_of_the_tables(void **state) {
    static const double KNOWN[][2] = {{1, 12.706204736},  {2, 4.302652730},  {3, 3.182446305},  {4, 2.776445105},
                                      {5, 2.570581836},   {10, 2.228138852}, {30, 2.042272456}, {120, 1.979930405},
                                      {1e9, 1.959963985}, {2.5, 3.574654842}};
    (void)state;
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        assert_true(fabs(student_t(0.95, KNOWN[i][0]) - KNOWN[i][1]) < 1e-6);
}

static void a_share_of_sixty_per_cent_ends_at_the_eightieth_percentile(void **state) {
    static const double KNOWN[][2] = {{1, 1.376381920}, {2, 1.060660172}, {10, 0.879057829}, {1e9, 0.841621234}};
    (void)state;
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        assert_true(fabs(student_t(0.6, KNOWN[i][0]) - KNOWN[i][1]) < 1e-6);
}

/* df = 1 is Cauchy's distribution, df = 2 has P = t / sqrt(2 + t^2). */
static void probabilities_are_those_of_closed_forms(void **state) {
    (void)state;
    for (double t = 0; t < 20; t += 0.37) {
        assert_true(fabs(student_within(t, 1) - 2 * atan(t) / acos(-1)) < 1e-12);
        assert_true(fabs(student_within(t, 2) - t / sqrt(2 + t * t)) < 1e-12);
        assert_true(fabs(student_within(t, 1e6 + 1) - student_within(t, 1e6)) < 1e-5);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_those_of_the_tables),
        cmocka_unit_test(a_share_of_sixty_per_cent_ends_at_the_eightieth_percentile),
        cmocka_unit_test(probabilities_are_those_of_closed_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
