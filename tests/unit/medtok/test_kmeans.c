/* k-means of unit vectors: blobs that lie apart, and fewer vectors than centres. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "medtok/kmeans.h"

enum { BLOBS = 12, POINTS = 600 };

/* Unit vectors around BLOBS axes of a space of 16 dimensions, at most a tenth away. */
static void make_blobs(real *points) {
    for (int i = 0; i < POINTS; i++) {
        double x[16], square = 0;
        for (int j = 0; j < 16; j++) {
            x[j] = (j == i % BLOBS) + 0.05 * (rng_uniform(2, 1, 0, (uint64_t)(i * 16 + j)) - 0.5);
            square += x[j] * x[j];
        }
        for (int j = 0; j < 16; j++) points[i * 16 + j] = (real)(x[j] / sqrt(square));
    }
}

static void kmeans_finds_separate_blobs(void **state) {
    (void)state;
    struct device device;
    struct comm comm = comm_self();
    struct kmeans_fit fit;
    static real points[POINTS * 16], centres[BLOBS * 16];
    int found[BLOBS] = {0};
    assert_int_equal(device_open_cpu(&device, 1), 0);
    make_blobs(points);
    assert_int_equal(kmeans(&comm, &device, 3, RNG_KMEANS, POINTS, 16, points, BLOBS, centres, &fit), STATUS_OK);
    for (int c = 0; c < BLOBS; c++)
        for (int axis = 0; axis < BLOBS; axis++) found[axis] += centres[c * 16 + axis] > 0.99;
    for (int axis = 0; axis < BLOBS; axis++)
        if (found[axis] != 1) fail_msg("%d centres lie in blob %d", found[axis], axis);
    /* 15 uniform deviations of variance 0.05^2 / 12 across the axis; the mean of 600 is within 10 % */
    assert_true(fabs(fit.final - 15 * 0.05 * 0.05 / 12) < 0.1 * 15 * 0.05 * 0.05 / 12);
    assert_true(fit.final < fit.seeded);
    device_close(&device);
}

static void kmeans_of_few_vectors_puts_the_other_centres_near_them(void **state) {
    (void)state;
    struct device device;
    struct comm comm = comm_self();
    struct kmeans_fit fit;
    enum { SAME = 40, DISTINCT = 4, CENTRES = 21 };
    static real points[SAME * 16], centres[CENTRES * 16];
    int exact = 0;
    assert_int_equal(device_open_cpu(&device, 1), 0);
    for (int i = 0; i < SAME; i++) points[i * 16 + i % DISTINCT] = 1;
    assert_int_equal(kmeans(&comm, &device, 3, RNG_KMEANS, SAME, 16, points, CENTRES, centres, &fit), STATUS_OK);
    for (int c = 0; c < CENTRES; c++) {
        double square = 0, most = 0;
        for (int j = 0; j < 16; j++) {
            square += (double)centres[c * 16 + j] * centres[c * 16 + j];
            if (j < DISTINCT && centres[c * 16 + j] > most) most = centres[c * 16 + j];
        }
        assert_true(fabs(square - 1) < 1e-5); /* rounding of 16 float32 values */
        assert_true(most > 0.97);             /* noise of length 0.1, give or take its spread */
        exact += most == 1;
    }
    assert_int_equal(exact, DISTINCT);
    device_close(&device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kmeans_finds_separate_blobs),
        cmocka_unit_test(kmeans_of_few_vectors_puts_the_other_centres_near_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
