/* Answers by vectors in parts, against the mean of cosines in double precision, written out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "measure/vector_search.h"

enum { N = 300, PARTS = 4, PART = 5, WIDTH = PARTS * PART, QUERIES = 40, K = 7 };

static float rows[N * WIDTH];
static uint8_t candidates[N], used[N];
static int32_t categories[N], queries[QUERIES], targets[2 * QUERIES];
static int64_t target_offsets[QUERIES + 1];

static int read_made(void *self, int64_t first, int64_t count, float *out) {
    (void)self;
    memcpy(out, rows + first * WIDTH, (size_t)(count * WIDTH) * sizeof *out);
    return STATUS_OK;
}

/* Parts of a code: both sides, text alone, graph alone, none; numbers of one scale a part, so that a cosine over all is another. */
static int has_part(int code, int part) { return part % 2 == 0 ? code % 4 < 2 : code % 4 == 0 || code % 4 == 2; }

static void make_codes(void) {
    for (int i = 0; i < N * WIDTH; i++) {
        int code = i / WIDTH, part = i % WIDTH / PART;
        rows[i] = has_part(code, part) ? (float)((1 + 9 * part) * rng_normal(3, RNG_PROBE_ROWS, 0, (uint64_t)i)) : 0;
    }
    for (int i = 0; i < N; i++) {
        used[i] = 1;
        candidates[i] = i % 5 != 0;
        categories[i] = i / 10;
    }
    for (int q = 0; q < QUERIES; q++) {
        queries[q] = 3 * q;
        target_offsets[q + 1] = 2 * q + 2;
        targets[2 * q] = 6 + 5 * q;
        targets[2 * q + 1] = 6 + 5 * q + 1;
    }
}

/* The mean of the cosines of the parts that both have; -9: they have none in common. */
static double likeness(int a, int b) {
    double sum = 0;
    int n = 0;
    for (int p = 0; p < PARTS; p++) {
        double dot = 0, x = 0, y = 0;
        for (int c = p * PART; c < (p + 1) * PART; c++) {
            dot += (double)rows[a * WIDTH + c] * (double)rows[b * WIDTH + c];
            x += pow((double)rows[a * WIDTH + c], 2);
            y += pow((double)rows[b * WIDTH + c], 2);
        }
        if (x == 0 || y == 0) continue;
        sum += dot / sqrt(x * y);
        n++;
    }
    return n > 0 ? sum / n : -9;
}

static void check_rank(const struct probe_question *q, const struct probe_answers *a, int i) {
    double best = -9;
    int64_t above = 0;
    for (int64_t t = target_offsets[i]; t < target_offsets[i + 1]; t++)
        best = fmax(best, likeness(q->queries[i], targets[t]));
    for (int c = 0; c < N; c++)
        above += candidates[c] && c != q->queries[i] && best > -9 && likeness(q->queries[i], c) > best + 2e-6;
    assert_int_equal(a->ranks[i].right, best > -9);
    assert_int_equal(a->ranks[i].above, above);
    assert_int_equal(a->ranks[i].tied, 0);
}

static void check_nearest(const struct probe_question *q, const struct probe_answers *a, int i) {
    int32_t query = q->queries[i], left = 0;
    double last = 2;
    for (int c = 0; c < N; c++) left += candidates[c] && categories[c] != categories[query] && likeness(query, c) > -9;
    for (int k = 0; k < K; k++) {
        int32_t found = a->nearest[i * K + k].code, better = 0;
        if (k >= left) assert_int_equal(found, -1);
        if (found < 0) continue;
        double like = likeness(query, found);
        for (int c = 0; c < N; c++)
            better += candidates[c] && categories[c] != categories[query] && likeness(query, c) > like + 2e-6;
        assert_true(candidates[found] && categories[found] != categories[query]);
        assert_int_equal(better, k);
        assert_true(like < last);
        last = like;
    }
}

static void parts_count_where_both_codes_have_them(void **state) {
    struct vector_source source = {.n = N, .width = WIDTH, .read = read_made, .used = used, .parts = PARTS};
    struct probe_question questions[2] = {{.kind = QUESTION_RANK,
                                           .n_queries = QUERIES,
                                           .queries = queries,
                                           .is_candidate = candidates,
                                           .targets = {target_offsets, targets, 0}},
                                          {.kind = QUESTION_NEAREST,
                                           .n_queries = QUERIES,
                                           .queries = queries,
                                           .is_candidate = candidates,
                                           .category = categories}};
    struct probe_answers answers[2];
    struct vector_rows of_queries;
    struct comm comm = comm_self();
    struct device device;
    int found = 0, missed = 0;
    (void)state;
    make_codes();
    assert_int_equal(device_open_cpu(&device, 1), 0);
    for (int i = 0; i < 2; i++) assert_int_equal(probe_answers_make(&answers[i], &questions[i], K), STATUS_OK);
    assert_int_equal(vector_rows_make(&of_queries, &comm, &source, 2, questions), STATUS_OK);
    assert_int_equal(vector_search(&comm, &device, &source, &of_queries, 2, questions, answers), STATUS_OK);
    for (int i = 0; i < QUERIES; i++) {
        check_rank(&questions[0], &answers[0], i);
        check_nearest(&questions[1], &answers[1], i);
        found += answers[0].ranks[i].right;
        missed += !answers[0].ranks[i].right;
    }
    assert_true(found > 10 && missed > 5); /* text alone and graph alone have nothing in common */
    for (int i = 0; i < 2; i++) probe_answers_free(&answers[i]);
    vector_rows_free(&of_queries);
    device_close(&device);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_count_where_both_codes_have_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
