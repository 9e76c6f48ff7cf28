/* Files of questions: what they hold, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "qa/questions.h"

static int parse(const char *text, struct questions *q) {
    return questions_parse("q.json", text, (int64_t)strlen(text), q);
}

static void refuses(const char *text, const char *message) {
    struct questions q;
    assert_int_equal(parse(text, &q), STATUS_FAILED);
    if (!strstr(status_message(), message)) fail_msg("expected \"%s\" in \"%s\"", message, status_message());
    questions_free(&q);
}

static void released_form_is_cut_into_stem_options_and_rows(void **state) {
    (void)state;
    struct questions q;
    assert_int_equal(
        parse("[{\"input\": [\"A man.\\r\\n\\n A: no option \\nWhat?\\n A:  one\\n B: C: two\\nlines\\n C:  n/a\\n\", "
              "\"C\"], \"medical_codes\": [12, 617490, 7]},\n"
              "{\"input\": [\"S\\n A:  x\\n B:  y\", \"A\"], \"medical_codes\": []}]",
              &q),
        STATUS_OK);
    assert_int_equal(q.n, 2);
    assert_string_equal(q.items[0].id, "0");
    assert_string_equal(q.items[0].stem, "A man.\r\n\n A: no option \nWhat?");
    assert_int_equal(q.items[0].n_options, 3);
    assert_string_equal(q.items[0].options[0], "one");
    assert_string_equal(q.items[0].options[1], "C: two\nlines");
    assert_string_equal(q.items[0].options[2], "n/a");
    assert_int_equal(q.items[0].answer, 2);
    assert_int_equal(q.items[0].n_codes, 2); /* 617,490 is no code */
    assert_int_equal(q.items[0].codes[0].row, 12);
    assert_int_equal(q.items[0].codes[1].row, 7);
    assert_string_equal(q.items[1].id, "1");
    assert_int_equal(q.items[1].n_codes, 0);
    questions_free(&q);
}

static void our_form_has_an_object_a_line(void **state) {
    (void)state;
    struct questions q;
    assert_int_equal(
        parse("\n{\"id\": \"a\", \"stem\": \" S\\u00e9 \", \"options\": [\"x\", \"y\"], \"answer\": \"B\", "
              "\"codes\": [[\"ICD10CM\", \"E11.9\"], [\"ATC\", \"A10BA02\"]], \"option_codes\": [[], [[\"ATC\", "
              "\"N02\"]]]}\n\n"
              "{\"id\": \"b\", \"stem\": \"T\", \"options\": [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\","
              "\"10\"], \"answer\": \"J\"}",
              &q),
        STATUS_OK);
    assert_int_equal(q.n, 2);
    assert_string_equal(q.items[0].stem, "S\xc3\xa9");
    assert_int_equal(q.items[0].answer, 1);
    assert_int_equal(q.items[0].n_codes, 2);
    assert_string_equal(q.items[0].codes[1].system, "ATC");
    assert_string_equal(q.items[0].codes[1].code, "A10BA02");
    assert_int_equal(q.items[0].codes[1].row, -1);
    assert_int_equal(q.items[0].option_codes[0].n, 0);
    assert_int_equal(q.items[0].option_codes[1].n, 1);
    assert_string_equal(q.items[0].option_codes[1].items[0].code, "N02");
    assert_int_equal(q.items[1].n_options, 10);
    assert_int_equal(q.items[1].answer, 9);
    assert_int_equal(q.items[1].n_codes, 0);
    questions_free(&q);
}

#define RELEASED(text, answer, codes) "[{\"input\": [\"" text "\", " answer "], \"medical_codes\": " codes "}]"
#define OURS(id, options, rest)       "{\"id\": \"" id "\", \"stem\": \"S\", \"options\": " options ", " rest "}"

static void malformed_files_are_refused_with_their_place(void **state) {
    (void)state;
    refuses("", "q.json: expected questions");
    refuses("stem,answer\n", "q.json: expected questions");
    refuses("[]", "q.json: no questions");
    refuses("[{\"input\": [\n\"S\"", "q.json:2: ");
    refuses("[3]", "q.json: item 0: expected an object");
    refuses(RELEASED("S", "\"A\"", "[]"), "item 0: the text has no line \" A:");
    refuses(RELEASED("S\\n A:  x\\n", "\"A\"", "[]"), "item 0: one option");
    refuses(RELEASED(" \\n A:  x\\n B:  y", "\"A\"", "[]"), "item 0: the stem is empty");
    refuses(RELEASED("S\\n A:  \\n B:  y", "\"A\"", "[]"), "item 0: an option is empty");
    refuses(RELEASED("S\\n A:  x\\n B:  y", "\"C\"", "[]"), "item 0: the answer is \"C\"");
    refuses(RELEASED("S\\n A:  x\\n B:  y", "\"AB\"", "[]"), "item 0: the answer is \"AB\"");
    refuses(RELEASED("S\\n A:  x\\n B:  y", "1", "[]"), "item 0: the answer is no text");
    refuses(RELEASED("S\\n A:  x\\n B:  y", "\"A\"", "[-1]"), "medical_codes: entry 1");
    refuses(RELEASED("S\\n A:  x\\n B:  y", "\"A\"", "[1, \"2\"]"), "medical_codes: entry 2");
    refuses(RELEASED("S\\n A:  x\\n B:  y", "\"A\"", "null"), "medical_codes must be a list");
    refuses("[{\"input\": [\"S\"], \"medical_codes\": []}]", "item 0: input must be a list of two texts");
    refuses(OURS("1", "[\"x\"]", "\"answer\": \"A\""), "q.json:1: options must be a list of 2 to 10 texts");
    refuses(OURS("1", "[\"x\", 2]", "\"answer\": \"A\""), "q.json:1: an option must be a text");
    refuses(OURS("1", "[\"x\", \"y\"]", "\"answr\": \"A\""), "q.json:1: the key \"answr\"");
    refuses(OURS("1", "[\"x\", \"y\"]", "\"answer\": \"A\", \"answer\": \"B\""), "q.json:1: duplicate");
    refuses(OURS("1", "[\"x\", \"y\"]", "\"answer\": \"A\", \"codes\": [[\"ICD10CM\"]]"), "codes: entry 1 is not");
    refuses(OURS("1", "[\"x\", \"y\"]", "\"answer\": \"A\", \"option_codes\": [[]]"), "q.json:1: option_codes must be");
    refuses(OURS("1", "[\"x\", \"y\"]", "\"answer\": \"A\"") "\n" OURS("1", "[\"x\", \"y\"]", "\"answer\": \"A\""),
            "q.json:2: the id \"1\" is there twice");
    refuses(OURS("1", "[\"x\", \"y\"]", "\"answer\": \"A\"") "\n{\"id\"", "q.json:2: ");
}

static void stems_of_two_files_are_compared_without_case_and_punctuation(void **state) {
    (void)state;
    struct questions a, b;
    int64_t n, pair[2];
    assert_int_equal(parse(RELEASED("One\\n A:  x\\n B:  y", "\"A\"", "[]"), &a), STATUS_OK);
    assert_int_equal(parse(OURS("1", "[\"x\", \"y\"]", "\"answer\": \"A\""), &b), STATUS_OK);
    assert_int_equal(questions_shared_stems(&a, &b, &n, pair), STATUS_OK);
    assert_int_equal(n, 0);
    questions_free(&a);
    assert_int_equal(parse("[{\"input\": [\"T?\\n A:  x\\n B:  y\", \"A\"], \"medical_codes\": []},"
                           "{\"input\": [\"(s)...\\n A:  x\\n B:  y\", \"A\"], \"medical_codes\": []}]",
                           &a),
                     STATUS_OK);
    assert_int_equal(questions_shared_stems(&a, &b, &n, pair), STATUS_OK);
    assert_int_equal(n, 1);
    assert_int_equal(pair[0], 1);
    assert_int_equal(pair[1], 0);
    questions_free(&a);
    questions_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(released_form_is_cut_into_stem_options_and_rows),
        cmocka_unit_test(our_form_has_an_object_a_line),
        cmocka_unit_test(malformed_files_are_refused_with_their_place),
        cmocka_unit_test(stems_of_two_files_are_compared_without_case_and_punctuation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
