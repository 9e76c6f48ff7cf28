/* The mean over a code's tokens: of all rows, or the first row where it is the mean already. */
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
#include "store/text_features.h"
#include "store/vocabulary.h"

enum { N = 2, DIM = 2, TOKENS = 4 };

/* Code 0 has three tokens, code 1 one. */
static const int64_t OFFSETS[N + 1] = {0, 3, 4};
static const int32_t ROW[TOKENS] = {0, 1, 2, 3};
static const float CLS_FIRST[TOKENS][DIM] = {{1, 2}, {4, 5}, {7, 14}, {3, -8}};
static const float MEAN_FIRST[TOKENS][DIM] = {{4, 7}, {4, 5}, {7, 14}, {3, -8}};

static struct provenance made_by(const char *job, enum file_kind kind) {
    struct provenance p = {.job = job, .config = "seed: 1\n"};
    provenance_finish(&p, kind);
    return p;
}

/* A file that stands for a vocabulary, of which features keep only the content_id; owned. */
static char *write_vocabulary(const struct comm *comm, const char *path) {
    struct provenance provenance = made_by("prepare", KIND_VOCABULARY);
    struct h5file *file;
    char *id;
    assert_int_equal(h5file_create(&file, comm, path, KIND_VOCABULARY, &provenance, 0), STATUS_OK);
    assert_int_equal(h5file_commit(file), STATUS_OK);
    assert_int_equal(h5file_open(&file, path, KIND_VOCABULARY), STATUS_OK);
    assert_int_equal(h5file_get_text(file, "content_id", &id), STATUS_OK);
    h5file_close(file);
    return id;
}

static void write_features(const struct comm *comm, const char *path, const char *vocabulary, int first_is_mean) {
    struct provenance provenance = made_by("encode", KIND_TEXT);
    struct text_features_writer writer;
    struct text_features_index index = {.vocabulary = vocabulary,
                                        .encoder = "test",
                                        .first_is_mean = first_is_mean,
                                        .n_codes = N,
                                        .n_tokens = TOKENS,
                                        .n_rows = TOKENS,
                                        .dim = DIM,
                                        .n_offsets = N + 1,
                                        .n_own_tokens = TOKENS,
                                        .token_offsets = OFFSETS,
                                        .token_row = ROW};
    assert_int_equal(text_features_create(&writer, comm, path, &index, &provenance, 0), STATUS_OK);
    int status = text_features_write(&writer, 0, TOKENS, first_is_mean ? MEAN_FIRST : CLS_FIRST, NULL);
    assert_int_equal(text_features_close(&writer, status), STATUS_OK);
}

static void the_mean_of_a_text_counts_no_row_twice(void **state) {
    static const float WANTED[N][DIM] = {{4, 7}, {3, -8}};
    char folder[] = "/tmp/medtok_features_XXXXXX";
    struct comm comm = comm_self();
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    char *id = write_vocabulary(&comm, "vocabulary.h5");
    for (int first_is_mean = 0; first_is_mean < 2; first_is_mean++) {
        int64_t dim, codes[N] = {0, 1};
        float *means;
        write_features(&comm, "text.h5", "vocabulary.h5", first_is_mean);
        assert_int_equal(text_features_means("text.h5", id, N, codes, &dim, &means), STATUS_OK);
        assert_int_equal(dim, DIM);
        for (int i = 0; i < N * DIM; i++) assert_float_equal(means[i], WANTED[i / DIM][i % DIM], 1e-6);
        free(means);
        unlink("text.h5");
    }
    free(id);
    unlink("vocabulary.h5");
    rmdir(folder);
}

/* ---- a share of a large index ---- */
enum { MANY = 150000, WIDE = 4 };

static int64_t tokens_of(int64_t code) { return 1 + code % 2; }
static float feature_of(int64_t row, int col) { return (float)(row * 10 + col); }

/* Code i has one token or two; token t is row number t. */
static void write_many(const struct comm *comm) {
    struct provenance provenance = made_by("encode", KIND_TEXT);
    struct text_features_writer writer;
    int64_t *offsets = malloc((MANY + 1) * sizeof *offsets), n = 0;
    int32_t *rows = malloc(2 * MANY * sizeof *rows);
    float *features = malloc((size_t)2 * MANY * WIDE * sizeof *features);
    for (int64_t i = 0; i < MANY; i++) {
        offsets[i] = n;
        for (int64_t k = 0; k < tokens_of(i); k++, n++) rows[n] = (int32_t)n;
    }
    offsets[MANY] = n;
    for (int64_t i = 0; i < n * WIDE; i++) features[i] = feature_of(i / WIDE, (int)(i % WIDE));
    struct text_features_index index = {.vocabulary = "vocabulary.h5",
                                        .encoder = "test",
                                        .n_codes = MANY,
                                        .n_tokens = n,
                                        .n_rows = n,
                                        .dim = WIDE,
                                        .n_offsets = MANY + 1,
                                        .n_own_tokens = n,
                                        .token_offsets = offsets,
                                        .token_row = rows};
    assert_int_equal(text_features_create(&writer, comm, "text.h5", &index, &provenance, 0), STATUS_OK);
    assert_int_equal(text_features_close(&writer, text_features_write(&writer, 0, n, features, NULL)), STATUS_OK);
    free(offsets);
    free(rows);
    free(features);
}

static int64_t first_token(int64_t code) { return code + code / 2; } /* every second code has two */

static void check_code(const struct text_features *t, int64_t position, int64_t code) {
    float row[WIDE];
    int64_t at = t->token_offsets[position];
    assert_int_equal(t->token_offsets[position + 1] - at, tokens_of(code));
    for (int64_t k = 0; k < tokens_of(code); k++) {
        text_features_row(t, t->token_row[at + k], row);
        for (int c = 0; c < WIDE; c++) assert_true(row[c] == feature_of(first_token(code) + k, c));
    }
}

/* Bytes that the program has asked for, in all: mem_alloc() and mem_grow() go through here (tests/CMakeLists.txt). */
static int64_t asked;
int __real_mem_alloc(void *out, long long count, long long size);
int __wrap_mem_alloc(void *out, long long count, long long size);
int __wrap_mem_alloc(void *out, long long count, long long size) {
    asked += count * size;
    return __real_mem_alloc(out, count, size);
}
int __real_mem_grow(void *inout, long long *capacity, long long count, long long size);
int __wrap_mem_grow(void *inout, long long *capacity, long long count, long long size);
int __wrap_mem_grow(void *inout, long long *capacity, long long count, long long size) {
    long long before = *capacity;
    int status = __real_mem_grow(inout, capacity, count, size);
    asked += (*capacity - before) * size;
    return status;
}

static void read_share(int64_t rank, int64_t size) {
    int64_t first = MANY * rank / size, n = MANY * (rank + 1) / size - first,
            *codes = malloc((size_t)n * sizeof *codes);
    struct comm comm = comm_self();
    struct text_features t;
    for (int64_t i = 0; i < n; i++) codes[i] = first + i;
    assert_int_equal(text_features_read(&comm, "text.h5", "vocabulary.h5", codes, n, &t, STATUS_OK), STATUS_OK);
    assert_int_equal(t.n_rows, first_token(first + n) - first_token(first));
    for (int64_t i = 0; i < n; i += 997) check_code(&t, i, codes[i]);
    text_features_free(&t);
    free(codes);
}

/* Of what a rank asks for, with its share of the codes, only the bits that number rows stay alike: 0.2 bytes a row of the file, beside
 * pieces of one size (of the offsets, the index and the rows). */
static void a_rank_holds_no_more_than_its_share(void **state) {
    char folder[] = "/tmp/medtok_features_XXXXXX";
    struct comm comm = comm_self();
    int64_t whole = 0, fixed = 225000 / 5 + 3 * (1 << 21) + (1 << 19);
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    free(write_vocabulary(&comm, "vocabulary.h5"));
    write_many(&comm);
    for (int64_t size = 1; size <= 8; size *= 2) {
        asked = 0;
        read_share(size - 1, size);
        printf("%lld ranks: %lld bytes asked for by one\n", (long long)size, (long long)asked);
        if (size == 1) whole = asked;
        assert_true(asked <= whole / size + fixed);
    }
    unlink("text.h5");
    unlink("vocabulary.h5");
    rmdir(folder);
}

/* Far from each other, and more than once. */
static void scattered_codes_come_back_in_their_order(void **state) {
    static const int64_t CODES[] = {149999, 3, 65536, 70000, 65535, 0, 3, 140001};
    static const int64_t ASCENDING[] = {0, 3, 65535, 65536, 70000, 140001, 149999};
    enum { N_CODES = sizeof CODES / sizeof *CODES, N_ASCENDING = sizeof ASCENDING / sizeof *ASCENDING };
    char folder[] = "/tmp/medtok_features_XXXXXX";
    struct comm comm = comm_self();
    struct text_features t;
    float *means;
    int64_t dim;
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    char *id = write_vocabulary(&comm, "vocabulary.h5");
    write_many(&comm);
    assert_int_equal(text_features_read(&comm, "text.h5", "vocabulary.h5", ASCENDING, N_ASCENDING, &t, STATUS_OK),
                     STATUS_OK);
    for (int i = 0; i < N_ASCENDING; i++) check_code(&t, i, ASCENDING[i]);
    text_features_free(&t);
    assert_int_equal(text_features_means("text.h5", id, N_CODES, CODES, &dim, &means), STATUS_OK);
    for (int i = 0; i < N_CODES; i++) { /* of two neighbouring rows, which lie 10 apart */
        float wanted = feature_of(first_token(CODES[i]), 1) + (tokens_of(CODES[i]) == 2 ? 5 : 0);
        assert_float_equal(means[i * WIDE + 1], wanted, 0.5); /* float32 sums of a million and a half */
    }
    free(means);
    free(id);
    static const int64_t BEYOND[] = {MANY};
    assert_int_equal(text_features_read(&comm, "text.h5", "vocabulary.h5", BEYOND, 1, &t, STATUS_OK), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "text.h5 is damaged: token_offsets has 150001 rows"));
    assert_non_null(strstr(status_message(), "make it again with `medtok encode`"));
    unlink("text.h5");
    unlink("vocabulary.h5");
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_of_a_text_counts_no_row_twice),
        cmocka_unit_test(a_rank_holds_no_more_than_its_share),
        cmocka_unit_test(scattered_codes_come_back_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
