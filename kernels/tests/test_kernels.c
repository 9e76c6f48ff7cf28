/* The tests of the primitives on one backend: test_kernels cpu | cuda. Without a CUDA device the latter says so and
 * exits with 77: skipped. */
#include <stdio.h>
#include <string.h>

#include "support.h"

int main(int argc, char **argv) {
    int cuda = argc == 2 && strcmp(argv[1], "cuda") == 0;
    if (!cuda && !(argc == 2 && strcmp(argv[1], "cpu") == 0)) {
        fprintf(stderr, "usage: %s cpu | cuda\n", argv[0]);
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
    int failed = test_memory();
    failed += test_losses(); /* before the others: one test sees how much memory was ever used */
    failed += test_cases() + test_vectors_and_matrices() + test_rows() + test_attention() + test_activation() +
              test_linear() + test_tables();
    if (cuda) failed += test_parity();
    device_close(&device);
    return failed != 0;
}
