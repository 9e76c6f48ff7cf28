/* The sampler, usage measures, the n-gram encoder, and finding codes by name. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/status.h"
#include "lm/normalize.h"
#include "measure/usage.h"
#include "text/text_encoder.h"
#include "train/sampler.h"

/* ---- sampler: ranks are made by hand, so no MPI is needed ---- */
static void draw(int size, enum partition partition, int64_t n, int64_t batch, int64_t step, char *drawn) {
    double *cost = malloc((size_t)n * sizeof *cost);
    for (int64_t i = 0; i < n; i++) cost[i] = 1 + (double)(i % 7) * (i < n / 2); /* uneven */
    memset(drawn, 0, (size_t)n);
    for (int rank = 0; rank < size; rank++) {
        struct comm comm = {.rank = rank, .size = size};
        struct sampler s;
        assert_int_equal(sampler_make(&s, &comm, partition, 3, 0, "codes", n, batch, cost), STATUS_OK);
        int64_t codes[1024], most = s.end_stratum - s.first_stratum, m = sampler_draw(&s, step, codes);
        assert_true(most >= 1 && m <= most);
        for (int64_t i = 0; i < m; i++) {
            int owned = 0;
            for (int64_t k = 0; k < s.n_local; k++) owned |= s.order[k] == codes[i];
            assert_true(owned); /* a rank draws from its own piece */
            drawn[codes[i]]++;
        }
        sampler_free(&s);
    }
    free(cost);
}

static void batches_are_the_same_set_for_any_number_of_ranks(void **state) {
    (void)state;
    enum { N = 103, BATCH = 10 };
    char one[N], many[N];
    for (int p = PARTITION_BLOCK; p <= PARTITION_RANDOM; p++)
        for (int64_t step = 0; step < 25; step += 4)
            for (int size = 2; size <= BATCH; size++) {
                draw(1, (enum partition)p, N, BATCH, step, one);
                draw(size, (enum partition)p, N, BATCH, step, many);
                assert_memory_equal(one, many, N);
            }
}

static void an_epoch_visits_each_code_once(void **state) {
    (void)state;
    enum { N = 103, BATCH = 10, STEPS = 11 };
    for (int epoch = 0; epoch < 2; epoch++) {
        int total[N] = {0};
        char drawn[N];
        for (int64_t step = 0; step < STEPS; step++) {
            draw(3, PARTITION_BLOCK, N, BATCH, epoch * STEPS + step, drawn);
            for (int i = 0; i < N; i++) total[i] += drawn[i];
        }
        for (int i = 0; i < N; i++) assert_int_equal(total[i], 1);
    }
}

static void more_ranks_than_codes_are_refused(void **state) {
    (void)state;
    struct comm comm = {.rank = 0, .size = 9};
    struct sampler s;
    double cost[20] = {0};
    assert_int_equal(sampler_make(&s, &comm, PARTITION_BLOCK, 0, 0, "codes", 20, 8, cost), STATUS_USAGE);
    sampler_free(&s);
    assert_int_equal(sampler_make(&s, &comm, PARTITION_BLOCK, 0, 0, "codes", 8, 100, cost), STATUS_USAGE);
    sampler_free(&s);
}

static void held_out_codes_are_never_drawn_by_any_number_of_ranks(void **state) {
    (void)state;
    enum { N = 400, BATCH = 20 };
    double cost[N] = {0};
    int drawn[2][N] = {{0}}, held_out = 0;
    for (int size = 1; size <= 2; size++)
        for (int rank = 0; rank < size; rank++) {
            struct comm comm = {.rank = rank, .size = size};
            struct sampler s;
            int64_t codes[BATCH];
            assert_int_equal(sampler_make(&s, &comm, PARTITION_BLOCK, 3, 0.25, "codes", N, BATCH, cost), STATUS_OK);
            for (int64_t step = 0; step < s.batches_per_epoch; step++) {
                int64_t n = sampler_draw(&s, step, codes);
                for (int64_t i = 0; i < n; i++) drawn[size - 1][codes[i]]++;
            }
            sampler_free(&s);
        }
    for (int i = 0; i < N; i++) {
        assert_int_equal(drawn[0][i], !sampler_holds_out(3, 0.25, i));
        assert_int_equal(drawn[1][i], drawn[0][i]);
        held_out += sampler_holds_out(3, 0.25, i);
    }
    assert_in_range(held_out, 74, 126); /* 100 expected, three standard deviations of sqrt(400 / 4 * 3 / 4) */
}

/* ---- usage ---- */
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
    assert_true(fabs(shared.share - 4.0 / 12) < 1e-12 && fabs(shared.perplexity - 4) < 1e-12);
    usage_free(&u);
}

/* ---- text ---- */
static void words_are(const char *text, int n, const char *const *wanted) {
    struct words w = {0};
    assert_int_equal(words_split(&w, text, (int64_t)strlen(text), 511), STATUS_OK);
    assert_int_equal(w.n, n);
    for (int i = 0; i < n; i++) assert_string_equal(w.text + w.place[i], wanted[i]);
    words_free(&w);
}

static void words_are_folded_and_composed(void **state) {
    (void)state;
    words_are("Type 2 Diabetes, (NOS)", 4, (const char *const[]){"type", "2", "diabetes", "nos"});
    words_are("M\xc3\x89NI\xc3\x88RE's", 2, (const char *const[]){"m\xc3\xa9ni\xc3\xa8re", "s"});
    words_are("ME\xcc\x81", 1, (const char *const[]){"m\xc3\xa9"}); /* a combining accent composes */
    words_are("---", 1, (const char *const[]){"---"});
    words_are("", 1, (const char *const[]){""});
}

static void encode_texts(struct text_encoder *encoder, struct text_plan *plan, int n, const char *const *texts) {
    struct text_options options = {.encoder = TEXT_HASHED_NGRAMS, .dim = 256, .ngram_min = 3, .ngram_max = 5};
    struct vocabulary v = {.n_codes = n};
    char bytes[512] = "";
    int64_t offsets[16] = {0};
    for (int i = 0; i < n; i++) {
        strcat(bytes, texts[i]);
        offsets[i + 1] = (int64_t)strlen(bytes);
    }
    v.description_offsets = offsets;
    v.description = bytes;
    assert_int_equal(text_encoder_open(encoder, &options, 0, NULL, 2), STATUS_OK);
    assert_int_equal(encoder->plan(encoder, &v, plan), STATUS_OK);
}

static double cosine(const real *a, const real *b, int n) {
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < n; i++) ab += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
    assert_true(fabs(aa - n) < 1e-3 * n); /* norm sqrt(dim) */
    return ab / sqrt(aa * bb);
}

static void similar_words_get_similar_vectors(void **state) {
    (void)state;
    static const char *const TEXTS[] = {"metformin", "metformine",        "aspirin",
                                        "Metformin", "metformin aspirin", "aspirin metformin"};
    struct text_encoder e;
    struct text_plan plan;
    real *rows[6], all[16 * 256];
    encode_texts(&e, &plan, 6, TEXTS);
    assert_int_equal(plan.token_offsets[6], 2 + 2 + 2 + 2 + 3 + 3);
    assert_int_equal(plan.n_rows, 3 + 5); /* three words; "Metformin" is the text "metformin" */
    assert_int_equal(e.rows(&e, 0, plan.n_rows, all), STATUS_OK);
    for (int i = 0; i < 6; i++) rows[i] = all + plan.token_row[plan.token_offsets[i]] * 256;
    assert_ptr_equal(rows[0], rows[3]);
    assert_true(cosine(rows[0], rows[1], 256) > 0.6);
    assert_true(fabs(cosine(rows[0], rows[2], 256)) < 0.3);
    assert_true(cosine(rows[4], rows[5], 256) > 0.8 && rows[4] != rows[5]); /* word order counts a little */
    real part[256]; /* a row does not depend on its neighbours */
    for (int64_t r = 0; r < plan.n_rows; r++) {
        assert_int_equal(e.rows(&e, r, 1, part), STATUS_OK);
        assert_memory_equal(part, all + r * 256, sizeof part);
    }
    text_plan_free(&plan);
    e.close(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_the_same_set_for_any_number_of_ranks),
        cmocka_unit_test(an_epoch_visits_each_code_once),
        cmocka_unit_test(more_ranks_than_codes_are_refused),
        cmocka_unit_test(held_out_codes_are_never_drawn_by_any_number_of_ranks),
        cmocka_unit_test(usage_counts_by_region),
        cmocka_unit_test(words_are_folded_and_composed),
        cmocka_unit_test(similar_words_get_similar_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
