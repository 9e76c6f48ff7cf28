/* Which share of its region of the codebook each view uses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include "measure/usage.h"

static void usage_counts_by_region(void **state) {
    (void)state;
    static const struct region REGIONS[N_GROUPS] = {{0, 4}, {8, 12}, {0, 12}, {0, 12}};
    struct usage u;
    assert_int_equal(usage_make(&u, 12, REGIONS), STATUS_OK);
    usage_add(&u, TEXT_SPECIFIC, (int32_t[]){0, 1, 1, 0}, 4);
    usage_add(&u, GRAPH_SPECIFIC, (int32_t[]){8, 8, 8}, 3);
    usage_add(&u, SHARED_TEXT, (int32_t[]){0, 3, 6}, 3);
    usage_add(&u, SHARED_GRAPH, (int32_t[]){9}, 1);
    struct usage_measure text = usage_measure(&u, 0), graph = usage_measure(&u, 1), shared = usage_measure(&u, 2);
    assert_true(text.share == 0.5 && fabs(text.perplexity - 2) < 1e-12);
    assert_true(graph.share == 0.25 && fabs(graph.perplexity - 1) < 1e-12);
    uint64_t picked = ~(uint64_t)0;
    usage_mark(&u, &picked);
    assert_true(usage_words(&u) == 1 && picked == (1 << 0 | 1 << 1 | 1 << 3 | 1 << 6 | 1 << 8 | 1 << 9));
    assert_true(fabs(shared.share - 4.0 / 12) < 1e-12 && fabs(shared.perplexity - 4) < 1e-12);
    usage_free(&u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage_counts_by_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
