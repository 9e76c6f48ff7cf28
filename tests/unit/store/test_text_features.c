/* The mean over a code's tokens: of all rows, or the first row where it is the mean already. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
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
                                        .token_offsets = OFFSETS,
                                        .token_row = ROW};
    assert_int_equal(text_features_create(&writer, comm, path, &index, &provenance, 0), STATUS_OK);
    int status = h5dataset_write(writer.rows, 0, TOKENS, first_is_mean ? MEAN_FIRST : CLS_FIRST);
    assert_int_equal(text_features_close(&writer, 0, status), STATUS_OK);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_of_a_text_counts_no_row_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
