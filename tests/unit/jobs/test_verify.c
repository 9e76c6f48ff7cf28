/* verify finds a code that stands twice in a table, or is none of the new ones. The files are made by hand. */
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
#include "jobs.h"
#include "store/table.h"
#include "store/vocabulary.h"

enum { ROWS = 3, BYTES = 8 };
static char table_path[] = "/tmp/medtok-verify-XXXXXX", vocabulary_path[] = "/tmp/medtok-verify-XXXXXX";

/* One code, ICD10CM:E2, without nodes. Returns the file's content id, which the caller frees. */
static char *write_vocabulary(void) {
    struct comm self = comm_self();
    char code[] = "E2", system[] = "ICD10CM", relation[] = "", description[] = "x";
    int64_t one[] = {0, 1}, none[] = {0, 0};
    int32_t listed = 0;
    struct vocabulary v = {.n_codes = 1,
                           .code_bytes = sizeof code,
                           .system_bytes = sizeof system,
                           .relation_bytes = sizeof relation,
                           .code = code,
                           .system = system,
                           .relation = relation,
                           .description_offsets = one,
                           .description = description,
                           .n_listed = &listed,
                           .node_offsets = none,
                           .edge_offsets = none};
    struct provenance provenance = {.job = "prepare"};
    struct h5file *file;
    char *id;
    assert_int_equal(vocabulary_write(&self, vocabulary_path, &v, &provenance), STATUS_OK);
    assert_int_equal(h5file_open(&file, vocabulary_path, KIND_VOCABULARY), STATUS_OK);
    assert_int_equal(h5file_get_text(file, "content_id", &id), STATUS_OK);
    h5file_close(file);
    return id;
}

/* Each row has one token a group: row 0 of a codebook of width 1, with this weight. */
static float weight = 1;
static int64_t residual, sparse, picked;
static double graph_weight = 1, graph_vectors = 1; /* what the table says, and what its embeddings have */

static void write_table(const char *codes, const char *vocabulary_id) {
    struct comm self = comm_self();
    struct table_shape shape = {.n_codes = ROWS,
                                .top_k = 1,
                                .dim = 1,
                                .codebook_size = 1,
                                .vocabulary_rows = 0,
                                .table_version = 1,
                                .picked = picked,
                                .residual = residual,
                                .sparse = sparse,
                                .graph_weight = graph_weight};
    struct provenance provenance = {.job = "tokenize"};
    const int32_t tokens[ROWS * TABLE_GROUPS] = {0};
    float one = 1, weights[ROWS * TABLE_GROUPS], embedding[ROWS * TABLE_GROUPS];
    struct table_head head = {.code = codes,
                              .system = "ICD10CM\0ICD10CM\0B\0\0\0\0\0\0",
                              .code_bytes = BYTES,
                              .system_bytes = BYTES,
                              .codebook = &one,
                              .vocabulary_id = vocabulary_id};
    struct table_writer *writer;
    for (int i = 0; i < ROWS * TABLE_GROUPS; i++) {
        weights[i] = weight;
        embedding[i] = weight * (i % 2 ? (float)graph_vectors : 1);
    }
    for (int g = 0; g < TABLE_GROUPS; g++) shape.region[g][1] = 1;
    assert_int_equal(table_create(&writer, &self, table_path, &shape, &head, &provenance, STATUS_OK), STATUS_OK);
    assert_int_equal(table_write(writer, 0, ROWS, tokens, weights, embedding), STATUS_OK);
    assert_int_equal(table_commit(writer, STATUS_OK), STATUS_OK);
}

static int verify(const char *vocabulary) {
    struct config config;
    assert_int_equal(config_defaults(&config), STATUS_OK);
    char assignment[64];
    snprintf(assignment, sizeof assignment, "files.table=%s", table_path);
    assert_int_equal(config_set(&config, assignment), STATUS_OK);
    snprintf(assignment, sizeof assignment, "files.vocabulary=%s", vocabulary);
    assert_int_equal(config_set(&config, assignment), STATUS_OK);
    int status = VERIFY_JOB.run(NULL, &config, &(struct job_arguments){0});
    config_free(&config);
    return status;
}

static void the_same_code_of_another_system_is_another_code(void **state) {
    (void)state;
    write_table("E1\0\0\0\0\0\0E2\0\0\0\0\0\0E2\0\0\0\0\0", "");
    assert_int_equal(verify("/nowhere/vocabulary.h5"), STATUS_OK);
}

static void a_code_in_two_rows_is_a_fault(void **state) {
    (void)state;
    write_table("E1\0\0\0\0\0\0E1\0\0\0\0\0\0E1\0\0\0\0\0", "");
    assert_int_equal(verify("/nowhere/vocabulary.h5"), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "ICD10CM:E1 stands in rows 0 and 1"));
}

static void two_spellings_of_a_code_are_one(void **state) {
    (void)state;
    write_table("E11.9\0\0\0e119\0\0\0\0E119\0\0\0", "");
    assert_int_equal(verify("/nowhere/vocabulary.h5"), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "ICD10CM:E11.9 stands in rows 0 and 1 (there: e119)"));
    char *id = write_vocabulary();
    write_table("E1\0\0\0\0\0\0e2\0\0\0\0\0\0E2\0\0\0\0\0", id);
    assert_int_equal(verify(vocabulary_path), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "row 1 is said to be a new code, but"));
    assert_non_null(strstr(status_message(), "has ICD10CM:E2 (in the row: e2)"));
    free(id);
}

static void a_code_of_the_vocabulary_is_no_new_code(void **state) {
    (void)state;
    char *id = write_vocabulary();
    write_table("E1\0\0\0\0\0\0E3\0\0\0\0\0\0E2\0\0\0\0\0", id);
    assert_int_equal(verify(vocabulary_path), STATUS_OK); /* E2 is of system B there */
    write_table("E1\0\0\0\0\0\0E2\0\0\0\0\0\0E2\0\0\0\0\0", id);
    assert_int_equal(verify(vocabulary_path), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "row 1 is said to be a new code, but"));
    free(id);
}

static void a_picked_row_is_a_code_of_the_vocabulary(void **state) {
    (void)state;
    char *id = write_vocabulary();
    picked = 1;
    write_table("E2\0\0\0\0\0\0E3\0\0\0\0\0\0E2\0\0\0\0\0", id);
    if (verify(vocabulary_path)) fail_msg("%s", status_message());
    write_table("E3\0\0\0\0\0\0E4\0\0\0\0\0\0E2\0\0\0\0\0", id);
    assert_int_equal(verify(vocabulary_path), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "row 0 is said to be of the vocabulary, but"));
    picked = 0;
    write_table("E2\0\0\0\0\0\0E3\0\0\0\0\0\0E2\0\0\0\0\0", id);
    assert_int_equal(verify(vocabulary_path), STATUS_FAILED);
    free(id);
}

static void weights_sum_to_one_or_their_squares_to_at_most_one(void **state) {
    (void)state;
    static const char CODES[] = "E1\0\0\0\0\0\0E2\0\0\0\0\0\0E2\0\0\0\0\0";
    weight = 0.6f;
    write_table(CODES, "");
    assert_int_equal(verify("/nowhere/vocabulary.h5"), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "weights sum to 0.6"));
    residual = 1;
    write_table(CODES, "");
    assert_int_equal(verify("/nowhere/vocabulary.h5"), STATUS_OK);
    weight = 1.2f;
    write_table(CODES, "");
    assert_int_equal(verify("/nowhere/vocabulary.h5"), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "the squares of the weights sum to 1.44"));
    residual = 0;
    sparse = 1;
    write_table(CODES, "");
    assert_int_equal(verify("/nowhere/vocabulary.h5"), STATUS_OK);
    weight = 3;
    write_table(CODES, "");
    assert_int_equal(verify("/nowhere/vocabulary.h5"), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "the squares of the weights sum to 9.0000000, more than 8.333"));
    sparse = 0;
    weight = 1;
}

static void graph_vectors_are_as_long_as_the_table_says(void **state) {
    (void)state;
    static const char CODES[] = "E1\0\0\0\0\0\0E2\0\0\0\0\0\0E3\0\0\0\0\0";
    graph_weight = graph_vectors = 0.7;
    write_table(CODES, "");
    if (verify("/nowhere/vocabulary.h5")) fail_msg("%s", status_message());
    graph_vectors = 1;
    write_table(CODES, "");
    assert_int_equal(verify("/nowhere/vocabulary.h5"), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "graph-specific tokens: the embedding is not the weighted sum"));
    graph_weight = 1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_code_of_another_system_is_another_code),
        cmocka_unit_test(a_code_in_two_rows_is_a_fault),
        cmocka_unit_test(two_spellings_of_a_code_are_one),
        cmocka_unit_test(a_code_of_the_vocabulary_is_no_new_code),
        cmocka_unit_test(a_picked_row_is_a_code_of_the_vocabulary),
        cmocka_unit_test(graph_vectors_are_as_long_as_the_table_says),
        cmocka_unit_test(weights_sum_to_one_or_their_squares_to_at_most_one),
    };
    close(mkstemp(table_path));
    close(mkstemp(vocabulary_path));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(table_path);
    unlink(vocabulary_path);
    return failed;
}
