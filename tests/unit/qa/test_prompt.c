/* Questions as tokens: options in any order, long stems cut in their middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "qa/prompt.h"

#define FOLDER "tests/golden/llama/llama3"

static struct bpe bpe;
static struct chat chat;

static int set_up(void **state) {
    (void)state;
    return bpe_open(&bpe, FOLDER) || chat_open(&chat, &bpe, FOLDER);
}

static int tear_down(void **state) {
    (void)state;
    bpe_close(&bpe);
    return 0;
}

/* The bytes of a question's tokens, owned by the caller. */
static char *named_prompt(const struct prompt *p, int64_t most, struct prompt_cuts *cuts, int64_t *n) {
    struct tokens tokens = {0};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (prompt_encode(&chat, p, most, &tokens, cuts)) fail_msg("%s", status_message());
    for (int64_t i = 0; i < tokens.n; i++) {
        int64_t length;
        const char *bytes = bpe_bytes(&bpe, tokens.ids[i], &length);
        fwrite(bytes, 1, (size_t)length, out);
    }
    fclose(out);
    *n = tokens.n;
    tokens_free(&tokens);
    return text;
}

static char *prompt(const struct question *q, int rotation, int64_t most, int *is_cut, int64_t *n) {
    struct prompt_cuts cuts;
    char *text = named_prompt(&(struct prompt){.question = q, .rotation = rotation}, most, &cuts, n);
    *is_cut = cuts.stem;
    assert_int_equal(cuts.names, 0);
    return text;
}

static struct question question(char *stem) {
    return (struct question){.id = "7", .stem = stem, .n_options = 3, .options = {"one", "two", "three"}, .answer = 1};
}

static void options_turn_under_letters_that_stay(void **state) {
    (void)state;
    struct question q = question("Which?");
    int cut;
    int64_t n;
    char *plain = prompt(&q, 0, 512, &cut, &n), *turned = prompt(&q, 2, 512, &cut, &n);
    assert_string_equal(plain,
                        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
                        "You answer multiple-choice medical questions. Reply with the letter of the right option "
                        "alone: A, B or C.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
                        "Which?\nA: one\nB: two\nC: three\nAnswer:<|eot_id|><|start_header_id|>assistant"
                        "<|end_header_id|>\n\n");
    assert_non_null(strstr(turned, "\nA: three\nB: one\nC: two\nAnswer:"));
    assert_false(cut);
    free(plain);
    free(turned);
}

/* Characters of two bytes, so that a cut in the midst of one would show. */
static void a_long_stem_loses_its_middle_alone(void **state) {
    (void)state;
    char stem[2048] = "It begins so ";
    while (strlen(stem) < 1600) strcat(stem, "\xc3\xa9\xc3\xa8 patient ");
    strcat(stem, "and ends so?");
    struct question q = question(stem);
    int cut;
    int64_t n;
    char *text = prompt(&q, 0, 300, &cut, &n);
    assert_true(cut);
    assert_true(n <= 300 && n > 150);
    assert_non_null(strstr(text, "It begins so "));
    assert_non_null(strstr(text, " ... "));
    assert_non_null(strstr(text, "and ends so?\nA: one\nB: two\nC: three\nAnswer:<|eot_id|>"));
    assert_null(strstr(text, "\xef\xbf\xbd"));
    struct tokens tokens = {0};
    struct prompt_cuts cuts;
    assert_int_equal(prompt_encode(&chat, &(struct prompt){.question = &q}, 64, &tokens, &cuts), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "question 7: its options alone"));
    tokens_free(&tokens);
    free(text);
}

/* Names have room of their own: the stem is what it is without them. */
static void names_stand_first_and_cut_nothing_else(void **state) {
    (void)state;
    char stem[1024] = "";
    while (strlen(stem) < 800) strcat(stem, "a patient ");
    struct question q = question(stem);
    const char *const names[] = {"gout", "asthma, mild"};
    struct prompt_cuts cuts;
    int cut;
    int64_t n, bare_n;
    char *bare = prompt(&q, 1, 250, &cut, &bare_n);
    char *text = named_prompt(&(struct prompt){&q, 1, 2, names}, 250, &cuts, &n);
    assert_true(cut && cuts.stem && cuts.names == 0 && n > bare_n && n <= bare_n + 2 * PROMPT_NAME_TOKENS);
    static const char LINE[] = "The question is about: gout; asthma, mild.\n";
    char *line = strstr(text, LINE);
    assert_non_null(line);
    memmove(line, line + sizeof LINE - 1, strlen(line + sizeof LINE - 1) + 1);
    assert_string_equal(text, bare);
    free(bare);
    free(text);
}

static void names_without_room_are_left_out_from_the_last_on(void **state) {
    (void)state;
    char longer[64 * PROMPT_NAME_TOKENS] = "";
    while (strlen(longer) + 8 < sizeof longer) strcat(longer, "x9z ");
    const char *const names[] = {"gout", longer, longer};
    struct question q = question("Which?");
    struct prompt_cuts cuts;
    int cut;
    int64_t n;
    char *text = named_prompt(&(struct prompt){&q, 0, 3, names}, 512, &cuts, &n);
    assert_int_equal(cuts.names, 2);
    assert_false(cuts.stem);
    assert_non_null(strstr(text, "The question is about: gout.\nWhich?\nA: one"));
    free(text);
    text = named_prompt(&(struct prompt){&q, 0, 1, names + 1}, 512, &cuts, &n);
    assert_int_equal(cuts.names, 1);
    char *bare = prompt(&q, 0, 512, &cut, &n);
    assert_string_equal(text, bare);
    free(text);
    free(bare);
}

static void letters_are_tokens(void **state) {
    (void)state;
    int32_t letters[QUESTION_OPTIONS];
    assert_int_equal(prompt_letters(&chat, letters), STATUS_OK);
    for (int i = 0; i < QUESTION_OPTIONS; i++) {
        int64_t size;
        const char *bytes = bpe_bytes(&bpe, letters[i], &size);
        assert_int_equal(size, 1);
        assert_int_equal(bytes[0], 'A' + i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_turn_under_letters_that_stay),
        cmocka_unit_test(a_long_stem_loses_its_middle_alone),
        cmocka_unit_test(names_stand_first_and_cut_nothing_else),
        cmocka_unit_test(names_without_room_are_left_out_from_the_last_on),
        cmocka_unit_test(letters_are_tokens),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
