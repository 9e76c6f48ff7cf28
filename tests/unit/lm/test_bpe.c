/* Byte-level BPE against ids that Hugging Face's `tokenizers` gives (tests/golden/make_llama_golden.py). */
#include "golden_rows.h"

#include <time.h>

#include "base/status.h"
#include "lm/bpe.h"

#define GOLDEN "tests/golden/llama"

static const char *const FAMILIES[] = {"llama3", "qwen2", "smollm2"};
enum { N_FAMILIES = 3, MOST = 512 };

static struct bpe open_family(const char *name) {
    char folder[256];
    struct bpe bpe;
    snprintf(folder, sizeof folder, GOLDEN "/%s", name);
    if (bpe_open(&bpe, folder) != STATUS_OK) fail_msg("%s", status_message());
    return bpe;
}

static struct golden_rows open_rows(const char *name, const char *file) {
    char path[256];
    snprintf(path, sizeof path, GOLDEN "/%s/%s", name, file);
    return golden_open(path);
}

static void ids_are_those_of_hugging_face(void **state) {
    (void)state;
    for (int f = 0; f < N_FAMILIES; f++) {
        struct bpe bpe = open_family(FAMILIES[f]);
        struct golden_rows rows = open_rows(FAMILIES[f], "bpe.tsv");
        struct tokens tokens = {0};
        int n_texts = 0;
        for (; golden_next(&rows); n_texts++) {
            int32_t wanted[MOST];
            int64_t n = golden_ids(rows.field[1], MOST, wanted), size = golden_bytes(rows.field[0]);
            tokens.n = 0;
            assert_int_equal(bpe_encode(&bpe, rows.field[0], size, 0, &tokens), STATUS_OK);
            if (tokens.n != n || (n && memcmp(tokens.ids, wanted, (size_t)n * sizeof *wanted) != 0))
                fail_msg("%s, text %d \"%.*s\": %lld ids, %lld expected, or others", FAMILIES[f], n_texts, (int)size,
                         rows.field[0], (long long)tokens.n, (long long)n);
        }
        assert_true(n_texts > 40);
        tokens_free(&tokens);
        bpe_close(&bpe);
    }
}

/* Where each byte is in the vocabulary, the tokens' bytes are the text again. */
static void bytes_of_the_tokens_are_the_text(void **state) {
    (void)state;
    struct bpe bpe = open_family("llama3");
    struct golden_rows rows = open_rows("llama3", "bpe.tsv");
    struct tokens tokens = {0};
    while (golden_next(&rows)) {
        char text[4 * MOST];
        int64_t n = 0, piece, size = golden_bytes(rows.field[0]);
        tokens.n = 0;
        assert_int_equal(bpe_encode(&bpe, rows.field[0], size, 0, &tokens), STATUS_OK);
        for (int64_t i = 0; i < tokens.n; i++, n += piece) {
            const char *bytes = bpe_bytes(&bpe, tokens.ids[i], &piece);
            memcpy(text + n, bytes, (size_t)piece);
        }
        assert_int_equal(n, size);
        assert_memory_equal(text, rows.field[0], (size_t)size);
    }
    tokens_free(&tokens);
    bpe_close(&bpe);
}

static void names_of_added_tokens_in_plain_text_are_text(void **state) {
    (void)state;
    struct bpe bpe = open_family("qwen2");
    struct tokens tokens = {0};
    int32_t end = bpe_added(&bpe, "<|im_end|>");
    assert_true(end >= 0);
    assert_int_equal(bpe_added(&bpe, "<|im_en"), -1);
    assert_int_equal(bpe_encode(&bpe, "a<|im_end|>b", 12, 0, &tokens), STATUS_OK);
    assert_int_equal(tokens.n, 3);
    assert_int_equal(tokens.ids[1], end);
    tokens.n = 0;
    assert_int_equal(bpe_encode(&bpe, "a<|im_end|>b", 12, 1, &tokens), STATUS_OK);
    assert_true(tokens.n > 3);
    for (int64_t i = 0; i < tokens.n; i++) assert_int_not_equal(tokens.ids[i], end);
    tokens_free(&tokens);
    bpe_close(&bpe);
}

/* As Python's errors="replace" would have it for single bytes. */
static void invalid_utf8_is_the_replacement_character(void **state) {
    (void)state;
    struct bpe bpe = open_family("llama3");
    struct tokens bad = {0}, good = {0};
    assert_int_equal(bpe_encode(&bpe, "a\xff z\xe4", 5, 0, &bad), STATUS_OK);
    assert_int_equal(bpe_encode(&bpe, "a\xef\xbf\xbd z\xef\xbf\xbd", 9, 0, &good), STATUS_OK);
    assert_int_equal(bad.n, good.n);
    assert_memory_equal(bad.ids, good.ids, (size_t)bad.n * sizeof *bad.ids);
    tokens_free(&bad);
    tokens_free(&good);
    bpe_close(&bpe);
}

/* The work grows with the letters, and not with their square: a tenth of a second here, where the square takes minutes. */
static void a_word_of_many_letters_is_joined_in_time(void **state) {
    (void)state;
    enum { N = 200000 };
    struct bpe bpe = open_family("smollm2");
    struct tokens tokens = {0};
    char *text = malloc(N);
    int64_t n = 0, piece;
    for (int64_t i = 0; i < N; i++) text[i] = "thein"[i * 7 % 5];
    clock_t began = clock();
    assert_int_equal(bpe_encode(&bpe, text, N, 1, &tokens), STATUS_OK);
    assert_true((double)(clock() - began) / CLOCKS_PER_SEC < 10);
    assert_true(tokens.n < N);
    for (int64_t i = 0; i < tokens.n; n += piece, i++) {
        const char *bytes = bpe_bytes(&bpe, tokens.ids[i], &piece);
        assert_memory_equal(bytes, text + n, (size_t)piece);
    }
    assert_int_equal(n, N);
    free(text);
    tokens_free(&tokens);
    bpe_close(&bpe);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_those_of_hugging_face),
        cmocka_unit_test(bytes_of_the_tokens_are_the_text),
        cmocka_unit_test(names_of_added_tokens_in_plain_text_are_text),
        cmocka_unit_test(invalid_utf8_is_the_replacement_character),
        cmocka_unit_test(a_word_of_many_letters_is_joined_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
