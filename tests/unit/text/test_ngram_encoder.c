/* The n-gram encoder: words of like spelling get like vectors, and a row is its text's alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "text/text_encoder.h"

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

/* All that was planned, as units: the words, then the texts, then names of nodes. */
static void list_units(const struct text_encoder *e, struct text_unit *list, char *bytes, struct text_units *units) {
    *units = (struct text_units){.kind_first = {0, e->dictionaries[0]->n}, .list = list, .bytes = bytes};
    int64_t at = 0;
    for (int k = 0; k < e->n_kinds; k++)
        for (int64_t i = 0; i < e->dictionaries[k]->n; i++) {
            const struct dictionary *d = e->dictionaries[k];
            int64_t size = d->offsets[i + 1] - d->offsets[i];
            list[units->n] = (struct text_unit){(int32_t)units->n, (int32_t)size, at};
            memcpy(bytes + at, d->bytes + d->offsets[i], (size_t)size);
            units->n++;
            at += size;
        }
}

/* Names of nodes: a description, none, and one with a word that no description has. Each has a row behind the words and texts, and it is that
 * of a text. */
static void names_of_nodes_get_the_rows_of_texts(void **state) {
    (void)state;
    static const char *const DESCRIPTION[] = {"metformin aspirin"}, *const ALONE[] = {"aspirin heart"};
    static const int64_t NAMED[] = {0, 17, 17, 30, 47};
    static const char NAMES[] = "metformin aspirinaspirin heartmetformin aspirin";
    struct text_encoder e, other;
    struct text_plan plan, wanted;
    struct text_unit list[8], of_text[8];
    struct text_units units, text_units;
    char bytes[256], text_bytes[256];
    real rows[8 * 256], row[8 * 256];
    encode_texts(&e, &plan, 1, DESCRIPTION);
    assert_int_equal(e.plan_names(&e, 4, NAMED, NAMES, &plan), STATUS_OK);
    assert_int_equal(e.dictionaries[0]->n, 2); /* words of the description alone */
    assert_int_equal(plan.n_nodes, 4);
    assert_true(plan.node_row[0] == 0 && plan.node_row[1] == -1 && plan.node_row[2] == 1 && plan.node_row[3] == 0);
    list_units(&e, list, bytes, &units);
    assert_int_equal(units.n, 2 + 1 + 2);
    assert_int_equal(e.rows(&e, &units, 0, units.n, rows), STATUS_OK);
    encode_texts(&other, &wanted, 1, ALONE);
    list_units(&other, of_text, text_bytes, &text_units);
    assert_int_equal(other.rows(&other, &text_units, 0, text_units.n, row), STATUS_OK);
    assert_memory_equal(rows + 3 * 256, rows + 2 * 256, 256 * sizeof *rows); /* the description */
    assert_memory_equal(rows + 4 * 256, row + wanted.token_row[0] * 256, 256 * sizeof *rows);
    text_plan_free(&plan);
    text_plan_free(&wanted);
    e.close(&e);
    other.close(&other);
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
    struct text_unit list[16];
    struct text_units units;
    char bytes[512];
    real *rows[6], all[16 * 256];
    encode_texts(&e, &plan, 6, TEXTS);
    assert_int_equal(plan.token_offsets[6], 2 + 2 + 2 + 2 + 3 + 3);
    assert_int_equal(plan.n_rows, 3 + 5); /* three words; "Metformin" is the text "metformin" */
    list_units(&e, list, bytes, &units);
    assert_int_equal(units.n, plan.n_rows);
    assert_int_equal(e.rows(&e, &units, 0, plan.n_rows, all), STATUS_OK);
    for (int i = 0; i < 6; i++) rows[i] = all + plan.token_row[plan.token_offsets[i]] * 256;
    assert_ptr_equal(rows[0], rows[3]);
    assert_true(cosine(rows[0], rows[1], 256) > 0.6);
    assert_true(fabs(cosine(rows[0], rows[2], 256)) < 0.3);
    assert_true(cosine(rows[4], rows[5], 256) > 0.8 && rows[4] != rows[5]); /* word order counts a little */
    real part[256]; /* a row does not depend on its neighbours */
    for (int64_t r = 0; r < plan.n_rows; r++) {
        assert_int_equal(e.rows(&e, &units, r, 1, part), STATUS_OK);
        assert_memory_equal(part, all + r * 256, sizeof part);
    }
    text_plan_free(&plan);
    e.close(&e);
}

/* In a buffer of its own, so that a sanitizer sees what is read beyond it. */
static void a_text_without_words_has_a_row_of_its_own(void **state) {
    (void)state;
    static const char *const LAST[] = {"aspirin", ""}, *const FIRST[] = {"", "metformin tablet"};
    real row[2][256];
    for (int turn = 0; turn < 2; turn++) {
        struct text_encoder e;
        struct text_plan plan;
        struct text_unit list[8];
        struct text_units units;
        char bytes[256], *own;
        encode_texts(&e, &plan, 2, turn ? FIRST : LAST);
        list_units(&e, list, bytes, &units);
        struct text_unit empty = list[plan.token_row[turn ? plan.token_offsets[0] : plan.token_offsets[1]]];
        own = malloc((size_t)empty.size);
        assert_non_null(own);
        memcpy(own, bytes + empty.at, (size_t)empty.size);
        empty.at = 0;
        units.list = &empty;
        units.bytes = own;
        assert_int_equal(e.rows(&e, &units, 0, 1, row[turn]), STATUS_OK);
        free(own);
        text_plan_free(&plan);
        e.close(&e);
    }
    assert_memory_equal(row[0], row[1], sizeof row[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_without_words_has_a_row_of_its_own),
        cmocka_unit_test(names_of_nodes_get_the_rows_of_texts),
        cmocka_unit_test(similar_words_get_similar_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
