/* Half precision, the arena, random numbers, status messages, figures for people, and folders. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/atomic_folder.h"
#include "base/format.h"
#include "base/path.h"
#include "half.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/worker.h"

/* Value of a half by its definition. */
static double half_value(uint16_t h) {
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double v = exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024 + mantissa, exponent - 25);
    return h & 0x8000 ? -v : v;
}

static void half_to_float_is_exact_for_every_finite_half(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        if ((h & 0x7c00) == 0x7c00) continue;
        assert_true((double)half_to_float((uint16_t)h) == half_value((uint16_t)h));
        assert_int_equal(half_from_float(half_to_float((uint16_t)h)), h);
    }
    assert_true(isinf(half_to_float(0x7c00)) && isnan(half_to_float(0x7e01)));
}

static void half_from_float_rounds_to_nearest_even(void **state) {
    (void)state;
    for (uint32_t h = 1; h < 0x7bff; h++) { /* between two neighbours: the middle goes to the even one */
        float low = half_to_float((uint16_t)h), high = half_to_float((uint16_t)(h + 1)), middle = (low + high) / 2;
        assert_int_equal(half_from_float(middle), h % 2 ? h + 1 : h);
        assert_int_equal(half_from_float(nextafterf(middle, 0)), h);
        assert_int_equal(half_from_float(-nextafterf(middle, INFINITY)), 0x8000 | (h + 1));
    }
    assert_int_equal(half_from_float(65519.0f), 0x7bff);
    assert_int_equal(half_from_float(65520.0f), 0x7c00);
    assert_int_equal(half_from_float(-INFINITY), 0xfc00);
    assert_int_equal(half_from_float(NAN) & 0x7c00, 0x7c00);
    assert_int_equal(half_from_float(1e-9f), 0);
}

static void arena_memory_is_zero_aligned_and_reused(void **state) {
    (void)state;
    struct arena arena = {0};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 200; i++) {
            unsigned char *p = arena_alloc(&arena, (size_t)(i * 37 + 1));
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 64, 0);
            for (int k = 0; k < i * 37 + 1; k++) assert_int_equal(p[k], 0);
            memset(p, 0xff, (size_t)(i * 37 + 1));
        }
        arena_reset(&arena);
        assert_int_equal(arena.total, 0);
    }
    arena_free(&arena);
}

static void random_numbers_have_the_moments_and_depend_on_each_key(void **state) {
    (void)state;
    enum { N = 100000 };
    double sum = 0, square = 0, mean = 0;
    for (int i = 0; i < N; i++) {
        double z = rng_normal(1, RNG_INIT, 2, (uint64_t)i), u = rng_uniform(1, RNG_INIT, 2, (uint64_t)i);
        assert_true(u >= 0 && u < 1);
        sum += z, square += z * z, mean += u;
    }
    assert_true(fabs(sum / N) < 5 / sqrt(N)); /* five standard errors each */
    assert_true(fabs(square / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(mean / N - 0.5) < 5 / sqrt(12.0 * N));
    double base = rng_uniform(1, 2, 3, 4);
    assert_true(base == rng_uniform(1, 2, 3, 4));
    assert_true(base != rng_uniform(2, 2, 3, 4) && base != rng_uniform(1, 3, 3, 4) && base != rng_uniform(1, 2, 4, 4));
    assert_true(base != rng_uniform(1, 2, 3, 5) && base != rng_uniform(1, 2, 3, 4 + (1ULL << 33)));
}

static void shuffle_is_a_permutation_that_depends_on_the_key(void **state) {
    (void)state;
    int64_t a[100], b[100];
    char seen[100] = {0};
    for (int i = 0; i < 100; i++) a[i] = b[i] = i;
    rng_shuffle(1, RNG_SAMPLER, 0, 0, a, 100);
    rng_shuffle(1, RNG_SAMPLER, 1, 0, b, 100);
    for (int i = 0; i < 100; i++) seen[a[i]]++;
    for (int i = 0; i < 100; i++) assert_int_equal(seen[i], 1);
    assert_memory_not_equal(a, b, sizeof a);
}

static void status_messages_are_cut_not_overrun(void **state) {
    (void)state;
    char *longer = malloc(10000);
    memset(longer, 'x', 9999);
    longer[9999] = 0;
    assert_int_equal(status_set(STATUS_FAILED, "%s", longer), STATUS_FAILED);
    assert_int_equal(strlen(status_message()), 4095);
    status_prefix(STATUS_FAILED, "before");
    assert_memory_equal(status_message(), "before: xxx", 11);
    assert_true(strlen(status_message()) <= 4095);
    status_set(STATUS_USAGE, "again: %.5s", status_message()); /* its own message as an argument */
    assert_string_equal(status_message(), "again: befor");
    free(longer);
    void *p = NULL;
    assert_int_equal(mem_alloc(&p, INT64_MAX / 2, 16), STATUS_FAILED);
}

static void the_first_failure_is_kept_with_its_own_message(void **state) {
    struct kept_status kept = {0};
    (void)state;
    assert_int_equal(status_take(&kept), STATUS_OK);
    status_keep(&kept, STATUS_OK);
    status_keep(&kept, status_set(STATUS_USAGE, "the first"));
    status_keep(&kept, status_set(STATUS_FAILED, "the second"));
    assert_int_equal(status_take(&kept), STATUS_USAGE);
    assert_string_equal(status_message(), "the first");
    assert_int_equal(status_take(&kept), STATUS_OK);
}

static void sizes_are_written_in_the_unit_that_fits(void **state) {
    (void)state;
    static const struct {
        int64_t bytes;
        const char *text;
    } CASES[] = {{0, "0 bytes"},      {1, "1 byte"},         {999, "999 bytes"},      {1000, "1.00 kB"},
                 {66000, "66.0 kB"},  {9994, "9.99 kB"},     {9996, "10.0 kB"},       {999499, "999 kB"},
                 {999500, "1.00 MB"}, {681234567, "681 MB"}, {2500000000, "2.50 GB"}, {INT64_MAX, "9.22 EB"}};
    char text[32];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_string_equal(format_bytes(CASES[i].bytes, text, sizeof text), CASES[i].text);
}

static void folders_are_made_with_those_that_they_lie_in(void **state) {
    (void)state;
    char root[] = "/tmp/test_base.XXXXXX", path[128], inner[128];
    struct stat info;
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/a/b", root);
    assert_int_equal(path_make_folders(path), STATUS_OK);
    assert_int_equal(path_make_folders(path), STATUS_OK); /* it is there */
    assert_true(stat(path, &info) == 0 && S_ISDIR(info.st_mode));
    assert_int_equal(rmdir(path), 0);
    snprintf(inner, sizeof inner, "%s/a/b/file.json", root);
    assert_int_equal(path_make_folder_of(inner), STATUS_OK);
    assert_true(stat(path, &info) == 0 && S_ISDIR(info.st_mode));
    assert_int_not_equal(stat(inner, &info), 0);
    assert_int_equal(path_make_folder_of("file.json"), STATUS_OK);
    assert_int_equal(path_make_folder_of("/file.json"), STATUS_OK);
    assert_int_equal(fclose(fopen(inner, "w")), 0);
    assert_int_equal(path_make_folders(inner), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "file.json: Not a directory"));
    unlink(inner);
    rmdir(path);
    snprintf(path, sizeof path, "%s/a", root);
    rmdir(path);
    assert_int_equal(rmdir(root), 0);
}

/* ---- a thread beside ---- */
struct piece {
    int number, done, fails;
};

static int do_piece(void *context) {
    struct piece *p = context;
    p->done = p->number;
    return p->fails ? status_set(STATUS_FAILED, "piece %d failed", p->number) : STATUS_OK;
}

static void a_worker_does_one_piece_after_the_other_and_brings_its_message(void **state) {
    (void)state;
    struct worker *worker = worker_make();
    assert_non_null(worker);
    for (int i = 1; i <= 100; i++) {
        struct piece piece = {.number = i, .fails = i % 3 == 0};
        char message[32];
        snprintf(message, sizeof message, "piece %d failed", i);
        worker_begin(worker, do_piece, &piece);
        assert_int_equal(worker_finish(worker), piece.fails ? STATUS_FAILED : STATUS_OK);
        assert_int_equal(piece.done, i);
        if (piece.fails) assert_string_equal(status_message(), message);
    }
    static struct piece left = {.number = 7};
    worker_begin(worker, do_piece, &left);
    worker_free(worker); /* waits for it */
    assert_int_equal(left.done, 7);
    worker_free(NULL);
}

/* ---- folders ---- */
static int write_name(const char *folder, const char *name) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    return file ? fclose(file) : -1;
}

static int is_there(const char *folder, const char *name) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static void a_folder_is_there_whole_or_not_at_all(void **state) {
    (void)state;
    char parent[] = "/tmp/medtok-folder-XXXXXX", target[64];
    struct atomic_folder folder;
    assert_non_null(mkdtemp(parent));
    snprintf(target, sizeof target, "%s/target", parent);
    assert_int_equal(atomic_folder_open(&folder, target), STATUS_OK);
    assert_int_equal(write_name(folder.temporary, "first"), 0);
    assert_int_equal(is_there(parent, "target"), 0);
    assert_int_equal(atomic_folder_close(&folder, STATUS_OK), STATUS_OK);
    assert_int_equal(is_there(target, "first"), 1);
    assert_int_equal(atomic_folder_open(&folder, target), STATUS_OK);
    assert_int_equal(write_name(folder.temporary, "half"), 0);
    assert_int_equal(atomic_folder_close(&folder, STATUS_FAILED), STATUS_FAILED);
    assert_int_equal(access(folder.temporary, F_OK), -1);
    assert_int_equal(is_there(target, "first"), 1);
    assert_int_equal(is_there(target, "half"), 0);
    assert_int_equal(atomic_folder_open(&folder, target), STATUS_OK);
    assert_int_equal(write_name(folder.temporary, "second"), 0);
    assert_int_equal(atomic_folder_close(&folder, STATUS_OK), STATUS_OK);
    assert_int_equal(is_there(target, "first"), 0);
    assert_int_equal(is_there(target, "second"), 1);
    snprintf(folder.path, sizeof folder.path, "%s/second", target);
    unlink(folder.path);
    assert_int_equal(rmdir(target), 0);
    assert_int_equal(rmdir(parent), 0); /* nothing else is left */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_does_one_piece_after_the_other_and_brings_its_message),
        cmocka_unit_test(half_to_float_is_exact_for_every_finite_half),
        cmocka_unit_test(half_from_float_rounds_to_nearest_even),
        cmocka_unit_test(arena_memory_is_zero_aligned_and_reused),
        cmocka_unit_test(random_numbers_have_the_moments_and_depend_on_each_key),
        cmocka_unit_test(shuffle_is_a_permutation_that_depends_on_the_key),
        cmocka_unit_test(status_messages_are_cut_not_overrun),
        cmocka_unit_test(the_first_failure_is_kept_with_its_own_message),
        cmocka_unit_test(sizes_are_written_in_the_unit_that_fits),
        cmocka_unit_test(folders_are_made_with_those_that_they_lie_in),
        cmocka_unit_test(a_folder_is_there_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
