/* The tests of the primitives on one backend: test_kernels cpu | cuda [PRIMITIVE]. Without a CUDA device it says so and exits with
 * 77: skipped. With a primitive, the tests whose names begin with its name. */
#include <stdio.h>
#include <string.h>

#include "support.h"

/* Leaves out all tests but those of a primitive; 0: there is none of that name. */
static int only(const char *primitive) {
    static char pattern[64];
    int known = 0;
    for (int i = 0; i < N_PRIMITIVES; i++) known |= strcmp(PRIMITIVE_NAMES[i], primitive) == 0;
    snprintf(pattern, sizeof pattern, "%s*", primitive);
    cmocka_set_test_filter(pattern);
    return known;
}

int main(int argc, char **argv) {
    int cuda = argc > 1 && strcmp(argv[1], "cuda") == 0;
    if ((!cuda && !(argc > 1 && strcmp(argv[1], "cpu") == 0)) || argc > 3 || (argc == 3 && !only(argv[2]))) {
        fprintf(stderr, "usage: %s cpu | cuda [PRIMITIVE]\n", argv[0]);
        return 2;
    }
    const char *why = NULL;
    if (cuda && device_cuda_count(&why) == 0) {
        printf("skipped: no CUDA device (%s)\n", why);
        return 77;
    }
    if (cuda ? device_open_cuda(&device, 0, PRODUCTS_F32, 1) : device_open_cpu(&device, 2)) {
        fprintf(stderr, "%s\n", device.error);
        return 1;
    }
    if (device_is_emulated()) device.linear_rows = 128; /* the rows that fill a block are computed, too */
    int failed = test_memory();
    failed += test_sums();
    failed += test_losses(); /* before the others: one test sees how much memory was ever used */
    failed += test_cases() + test_vectors_and_matrices() + test_rows() + test_attention() + test_activation() +
              test_linear() + test_tables();
    device_close(&device);
    return failed != 0;
}
