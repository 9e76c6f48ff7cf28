/* The CPU alone: results do not depend on the number of threads; of what has no case in kernels/cases. See support.h. */
#include <stdlib.h>
#include <string.h>

#include "support.h"

static void results_do_not_depend_on_the_number_of_threads(void **state) {
    (void)state;
    enum { N = 500, M = 900, DIM = 64 };
    static real first[(N + M) * DIM + 1], now[(N + M) * DIM + 1];
    dev_real a = values(N * DIM), b = values(M * DIM);
    normalize_rows(a, N, DIM);
    normalize_rows(b, M, DIM);
    for (int threads = 1; threads <= 3; threads++) {
        struct device d;
        assert_int_equal(device_open_cpu(&d, threads), 0);
        dev_real da = zeros(N * DIM), db = zeros(M * DIM), loss = zeros(1);
        d.run->nce(&d, N, M, DIM, 0, 0.1, 1, (dev_int){NULL}, (dev_int){NULL}, a, b, loss, da, db);
        real *results = threads > 1 ? now : first;
        memcpy(results, da.at, N * DIM * sizeof(real));
        memcpy(results + N * DIM, db.at, M * DIM * sizeof(real));
        results[(N + M) * DIM] = loss.at[0];
        assert_memory_equal(first, results, sizeof first);
        release(3, da, db, loss);
        device_close(&d);
    }
    release(2, a, b);
}

int test_threads(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_do_not_depend_on_the_number_of_threads),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
