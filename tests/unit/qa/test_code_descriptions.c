/* Descriptions of questions' codes: those that the vocabulary has, each once, in the order of the codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/status.h"
#include "dist/comm.h"
#include "qa/code_descriptions.h"
#include "store/vocabulary.h"

static char path[] = "/tmp/medtok-descriptions-XXXXXX";

/* E11 diabetes, J45 asthma, 493 asthma too, and X without a description. */
static int make_vocabulary(void **state) {
    enum { N = 4, BYTES = 8 };
    char codes[N][BYTES] = {"E11", "J45", "493", "X"}, systems[N][BYTES] = {"ICD10CM", "ICD10CM", "ICD9CM", "OTHER"};
    char descriptions[] = "diabetesasthmaasthma", relation[1] = "";
    int64_t offsets[N + 1] = {0, 8, 14, 20, 20}, none[N + 1] = {0};
    int32_t n_listed[N] = {0};
    uint64_t identity[1] = {0};
    struct vocabulary v = {.n_codes = N,
                           .n_codes_total = N,
                           .n_nodes = 1,
                           .code_bytes = BYTES,
                           .system_bytes = BYTES,
                           .relation_bytes = 1,
                           .code = codes[0],
                           .system = systems[0],
                           .relation = relation,
                           .description_offsets = offsets,
                           .description = descriptions,
                           .n_listed = n_listed,
                           .node_offsets = none,
                           .edge_offsets = none,
                           .node_identity = identity,
                           .n_identities = 1};
    struct provenance provenance = {.job = "prepare", .config = ""};
    struct comm self = comm_self();
    (void)state;
    close(mkstemp(path));
    provenance_finish(&provenance, KIND_VOCABULARY);
    if (vocabulary_write(&self, path, &v, &provenance)) fail_msg("%s", status_message());
    return 0;
}

static int remove_vocabulary(void **state) {
    (void)state;
    return unlink(path);
}

static void read_texts(const char *codes, int64_t most, struct code_descriptions *d) {
    char line[512];
    struct questions q;
    snprintf(line, sizeof line,
             "{\"id\": \"0\", \"stem\": \"s\", \"options\": [\"a\", \"b\"], \"answer\": \"A\"}\n"
             "{\"id\": \"1\", \"stem\": \"t\", \"options\": [\"a\", \"b\"], \"answer\": \"A\", \"codes\": [%s]}\n",
             codes);
    assert_int_equal(questions_parse("q", line, (int64_t)strlen(line), &q), STATUS_OK);
    if (code_descriptions_read(d, path, &q, "q", most)) fail_msg("%s", status_message());
    questions_free(&q);
}

static void a_question_has_each_text_once_in_the_order_of_its_codes(void **state) {
    (void)state;
    struct code_descriptions d;
    int n;
    read_texts(
        "[\"ICD9CM\", \"493\"], [\"OTHER\", \"X\"], [\"ATC\", \"A01\"], [\"ICD10CM\", \"J45\"], [\"ICD10CM\", \"E11\"]",
        8, &d);
    assert_null(code_descriptions_of(&d, 0, &n));
    assert_int_equal(n, 0);
    const char *const *texts = code_descriptions_of(&d, 1, &n);
    assert_int_equal(n, 2);
    assert_string_equal(texts[0], "asthma");
    assert_string_equal(texts[1], "diabetes");
    assert_int_equal(strlen(d.vocabulary_id), 32);
    code_descriptions_free(&d);
}

static void no_more_than_asked_for_are_read(void **state) {
    (void)state;
    struct code_descriptions d;
    int n;
    read_texts("[\"OTHER\", \"X\"], [\"ICD10CM\", \"E11\"], [\"ICD10CM\", \"J45\"]", 1, &d);
    const char *const *texts = code_descriptions_of(&d, 1, &n);
    assert_int_equal(n, 1);
    assert_string_equal(texts[0], "diabetes");
    code_descriptions_free(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_has_each_text_once_in_the_order_of_its_codes),
        cmocka_unit_test(no_more_than_asked_for_are_read),
    };
    return cmocka_run_group_tests(tests, make_vocabulary, remove_vocabulary);
}
