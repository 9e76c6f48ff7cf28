/* How a text is cut into words: folded, composed, without punctuation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "lm/normalize.h"

static void words_are(const char *text, int n, const char *const *wanted) {
    struct words w = {0};
    assert_int_equal(words_split(&w, text, (int64_t)strlen(text), 511), STATUS_OK);
    assert_int_equal(w.n, n);
    for (int i = 0; i < n; i++) assert_string_equal(w.text + w.offsets[i], wanted[i]);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_folded_and_composed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
