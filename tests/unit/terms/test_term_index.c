/* Terms of descriptions, and the spans of texts that are such terms: a small dictionary by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "terms/negation.h"
#include "terms/term_index.h"

#define LENGTH(array) (int)(sizeof(array) / sizeof *(array))

/* ---- words ---- */
static void forms_of(const char *text, char out[1024]) {
    struct text_words w = {0};
    size_t n = 0;
    assert_int_equal(text_words_split(&w, text, (int64_t)strlen(text)), STATUS_OK);
    out[0] = 0;
    for (int64_t i = 0; i < w.n; i++)
        n += (size_t)snprintf(out + n, 1024 - n, "%s%.*s", i ? " " : "", w.items[i].size, text_word_form(&w, i));
    text_words_free(&w);
}

static void words_have_one_form_in_any_spelling_case_and_number(void **state) {
    (void)state;
    static const char *const PAIRS[][2] = {
        {"Haemorrhages", "hemorrhage"},
        {"OEDEMA and tumours", "edema and tumor"},
        {"Ménière's disease", "meniere disease"},
        {"Hodgkin’s", "hodgkin"},
        {"Biopsies, diagnoses; arthritides", "biopsy diagnosis arthritis"},
        {"abscesses", "abscess"},
        {"uterus pelvis loss", "uterus pelvis loss"},
        {"UTIs", "uti"},
        {"2.5 mg/day.", "2.5 mg day"},
        {"\xef\xac\x81stula", "fistula"}, /* the ligature fi */
        {"", ""},
    };
    char out[1024];
    for (int i = 0; i < LENGTH(PAIRS); i++) {
        forms_of(PAIRS[i][0], out);
        assert_string_equal(out, PAIRS[i][1]);
    }
}

static void invalid_utf8_is_refused(void **state) {
    (void)state;
    struct text_words w = {0};
    assert_int_equal(text_words_split(&w, "a \xff b", 5), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "not valid UTF-8"));
    text_words_free(&w);
}

static void words_know_their_bytes_and_what_parts_them(void **state) {
    (void)state;
    const char *text = "é TB, (UTIs): x";
    struct text_words w = {0};
    assert_int_equal(text_words_split(&w, text, (int64_t)strlen(text)), STATUS_OK);
    assert_int_equal(w.n, 4);
    assert_int_equal(w.items[1].begin, 3);
    assert_int_equal(w.items[1].end, 5);
    assert_int_equal(w.items[1].capitals, 1);
    assert_int_equal(w.items[1].breaks, BREAK_NONE);
    assert_int_equal(w.items[2].capitals, 1);
    assert_int_equal(w.items[2].breaks, BREAK_COMMA);
    assert_int_equal(w.items[3].capitals, 0);
    assert_int_equal(w.items[3].breaks, BREAK_CLAUSE);
    text_words_free(&w);
}

/* ---- negation ---- */
/* The words of a text that are negated. */
static void negated_of(const char *text, char out[1024]) {
    struct text_words w = {0};
    uint8_t negated[64];
    size_t n = 0;
    assert_int_equal(text_words_split(&w, text, (int64_t)strlen(text)), STATUS_OK);
    assert_true(w.n <= 64);
    negation_mark(&w, negated);
    out[0] = 0;
    for (int64_t i = 0; i < w.n; i++)
        if (negated[i])
            n += (size_t)snprintf(out + n, 1024 - n, "%s%.*s", n ? " " : "", w.items[i].size, text_word_form(&w, i));
    text_words_free(&w);
}

static void negations_reach_to_the_end_of_their_statement(void **state) {
    (void)state;
    static const char *const PAIRS[][2] = {
        {"He has no fever, cough or rash. Asthma is known.", "fever cough or rash"},
        {"She denies pain but has vomiting", "pain"},
        {"A child without jaundice who had sepsis", "jaundice"},
        {"Asthma was ruled out; fever remains", "asthma was"},
        {"Tests were negative for malaria", "malaria"},
        {"A man without fever in whom asthma is known", "fever in"},
        {"Which is not a feature of asthma?", ""},
        {"There is no longer fever", ""},
        {"Diabetes without mention of complication", ""},
        {"non diabetic patients with gout", "diabetic"},
        {"fever", ""},
    };
    char out[1024];
    for (int i = 0; i < LENGTH(PAIRS); i++) {
        negated_of(PAIRS[i][0], out);
        assert_string_equal(out, PAIRS[i][1]);
    }
}

/* ---- the index ---- */
static const char *const DESCRIPTIONS[] = {
    "Type 2 diabetes mellitus",              /* 0 */
    "Diabetes mellitus",                     /* 1 */
    "Hepatitis, acute",                      /* 2 */
    "Essential (primary) hypertension",      /* 3 */
    "Pneumonia, unspecified organism",       /* 4 */
    "Other specified pneumonia",             /* 5 */
    "Left",                                  /* 6 */
    "Other",                                 /* 7 */
    "Myocardial infarction",                 /* 8 */
    "Chronic obstructive pulmonary disease", /* 9 */
    "Obstructive pulmonary disease",         /* 10 */
    "Multiple sclerosis",                    /* 11 */
    "Mitral stenosis",                       /* 12 */
    "Malignant neoplasm of lung",            /* 13 */
    "Lung",                                  /* 14 */
    "Hypo-osmolality and hyponatremia",      /* 15 */
    "Nasal polyps",                          /* 16 */
    "Vitamin A deficiency",                  /* 17 */
    "Deficiency of a vitamin",               /* 18 */
    "one two three four five six seven eight nine",
};

static void make(struct term_index *x) {
    assert_int_equal(term_index_begin(x), STATUS_OK);
    for (int i = 0; i < LENGTH(DESCRIPTIONS); i++)
        assert_int_equal(term_index_add(x, DESCRIPTIONS[i], (int64_t)strlen(DESCRIPTIONS[i]), NAME_DESCRIPTION, i),
                         STATUS_OK);
    assert_int_equal(term_index_add(x, "Zestril", 7, NAME_BRAND, 100), STATUS_OK);
    assert_int_equal(term_index_complete(x), STATUS_OK);
}

/* "TEXT=ROW ROW!": spans with the rows of their terms, best first; ! where negated, | before those of another meaning. */
static void spans_of(struct term_index *x, const char *text, char out[1024]) {
    struct term_spans s = {0};
    size_t n = 0;
    assert_int_equal(term_index_match(x, text, (int64_t)strlen(text), &s), STATUS_OK);
    out[0] = 0;
    for (int64_t i = 0; i < s.n; i++) {
        const struct term_span *span = &s.items[i];
        const int32_t terms[2] = {span->term, span->other_term};
        n += (size_t)snprintf(out + n, 1024 - n, "%s%.*s=", i ? "; " : "", span->end - span->begin, text + span->begin);
        for (int k = 0; k < 2 && terms[k] >= 0; k++) {
            int64_t n_rows;
            const struct term_candidate *c = term_candidates(x, terms[k], &n_rows);
            for (int64_t r = 0; r < n_rows; r++)
                n += (size_t)snprintf(out + n, 1024 - n, "%s%d", r ? " " : k ? "|" : "", c[r].row);
        }
        if (span->negated) n += (size_t)snprintf(out + n, 1024 - n, "!");
    }
    term_spans_free(&s);
}

static void check(const char *const (*pairs)[2], int n) {
    struct term_index x;
    char out[1024];
    make(&x);
    for (int i = 0; i < n; i++) {
        spans_of(&x, pairs[i][0], out);
        assert_string_equal(out, pairs[i][1]);
    }
    term_index_free(&x);
}

static void longest_match_wins_and_spans_do_not_overlap(void **state) {
    (void)state;
    static const char *const PAIRS[][2] = {
        {"a man with type 2 diabetes mellitus", "type 2 diabetes mellitus=0"},
        {"diabetes mellitus", "diabetes mellitus=1"},
        {"chronic obstructive pulmonary disease", "chronic obstructive pulmonary disease=9"},
        {"mild obstructive pulmonary disease", "obstructive pulmonary disease=10"},
        {"nasal polyps and acute hepatitis", "nasal polyps=16; acute hepatitis=2"},
    };
    check(PAIRS, LENGTH(PAIRS));
}

static void order_punctuation_plurals_and_brackets_of_descriptions_do_not_matter(void **state) {
    (void)state;
    static const char *const PAIRS[][2] = {
        {"Acute hepatitis?", "Acute hepatitis=2"},
        {"essential hypertension", "essential hypertension=3"},
        {"essential primary hypertension", "essential primary hypertension=3"},
        {"hypertension", "hypertension=3"}, /* clinical_terms.tsv */
        {"a nasal polyp", "nasal polyp=16"},
        {"cancer of the lung", "cancer of the lung=13"},
        {"hepatitis. Acute pain", ""}, /* a full stop parts words */
        {"hyponatraemia", "hyponatraemia=15"},
    };
    check(PAIRS, LENGTH(PAIRS));
}

static void what_is_unspecified_is_left_out_but_the_rest_of_a_category_is_not_the_whole(void **state) {
    (void)state;
    static const char *const PAIRS[][2] = {{"pneumonia", "pneumonia=4"}, {"specified pneumonia, other", "pneumonia=4"}};
    check(PAIRS, LENGTH(PAIRS));
}

static void words_that_say_nothing_are_no_terms(void **state) {
    (void)state;
    static const char *const PAIRS[][2] = {
        {"the left lung and other findings", ""},
        {"what is zestril?", ""},
        {"Zestril is a brand", ""},
        {"she used Zestril twice", "Zestril=100"},
    };
    check(PAIRS, LENGTH(PAIRS));
}

static void abbreviations_count_in_capitals_and_ambiguous_ones_have_both_meanings(void **state) {
    (void)state;
    static const char *const PAIRS[][2] = {
        {"COPD", "COPD=9"},
        {"copd", ""},
        {"Known MS since 2010", "MS=11|12"},
        {"PATIENTS WITH COPD DESERVE CARE", ""},
        {"MI in T2DM", "MI=8; T2DM=0"},
        {"a heart attack", "heart attack=8"},
    };
    check(PAIRS, LENGTH(PAIRS));
}

static void negated_spans_are_marked(void **state) {
    (void)state;
    static const char *const PAIRS[][2] = {
        {"no pneumonia, but diabetes mellitus", "pneumonia=4!; diabetes mellitus=1"},
        {"COPD was excluded", "COPD=9!"},
    };
    check(PAIRS, LENGTH(PAIRS));
}

static void the_letter_a_is_a_word_where_it_is_a_capital_inside_a_sentence(void **state) {
    (void)state;
    static const char *const PAIRS[][2] = {{"with vitamin A deficiency", "vitamin A deficiency=17"},
                                           {"A vitamin deficiency", "vitamin deficiency=18"},
                                           {"what causes a vitamin deficiency", "vitamin deficiency=18"}};
    check(PAIRS, LENGTH(PAIRS));
}

static void rules_of_a_user_come_behind_ours_and_faults_have_their_line(void **state) {
    (void)state;
    struct term_index x;
    char out[1024];
    const char *rules = "# mine\nsugar disease\tdiabetes mellitus\nXYZ\tnasal polyps\nheart attack\tpneumonia\n";
    assert_int_equal(term_index_begin(&x), STATUS_OK);
    assert_int_equal(term_rules_add(&x.rules, "mine.tsv", rules, (int64_t)strlen(rules)), STATUS_OK);
    for (int i = 0; i < LENGTH(DESCRIPTIONS); i++)
        assert_int_equal(term_index_add(&x, DESCRIPTIONS[i], (int64_t)strlen(DESCRIPTIONS[i]), NAME_DESCRIPTION, i),
                         STATUS_OK);
    assert_int_equal(term_index_complete(&x), STATUS_OK);
    spans_of(&x, "sugar disease, XYZ, heart attack", out);
    assert_string_equal(out, "sugar disease=1; XYZ=16; heart attack=4");
    term_index_free(&x);
    static const char *const BAD[][2] = {{"a\tb\nno tab", "mine.tsv:2: expected what is written, a tab"},
                                         {"AB CD\tx", "mine.tsv:1: an abbreviation is one word"},
                                         {"x\t", "mine.tsv:1: nothing stands behind the tab"},
                                         {"\tx", "mine.tsv:1: expected 1 to 8 words before"},
                                         {"x\t1 2 3 4 5 6 7 8 9", "mine.tsv:1: expected at most 8 words"}};
    for (int i = 0; i < LENGTH(BAD); i++) {
        assert_int_equal(term_index_begin(&x), STATUS_OK);
        assert_int_equal(term_rules_add(&x.rules, "mine.tsv", BAD[i][0], (int64_t)strlen(BAD[i][0])), STATUS_FAILED);
        if (!strstr(status_message(), BAD[i][1])) fail_msg("expected \"%s\" in \"%s\"", BAD[i][1], status_message());
        term_index_free(&x);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_have_one_form_in_any_spelling_case_and_number),
        cmocka_unit_test(invalid_utf8_is_refused),
        cmocka_unit_test(words_know_their_bytes_and_what_parts_them),
        cmocka_unit_test(negations_reach_to_the_end_of_their_statement),
        cmocka_unit_test(longest_match_wins_and_spans_do_not_overlap),
        cmocka_unit_test(order_punctuation_plurals_and_brackets_of_descriptions_do_not_matter),
        cmocka_unit_test(what_is_unspecified_is_left_out_but_the_rest_of_a_category_is_not_the_whole),
        cmocka_unit_test(words_that_say_nothing_are_no_terms),
        cmocka_unit_test(abbreviations_count_in_capitals_and_ambiguous_ones_have_both_meanings),
        cmocka_unit_test(negated_spans_are_marked),
        cmocka_unit_test(the_letter_a_is_a_word_where_it_is_a_capital_inside_a_sentence),
        cmocka_unit_test(rules_of_a_user_come_behind_ours_and_faults_have_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
