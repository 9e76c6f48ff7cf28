/* The made-up vocabulary: what is dealt, names by number, and terminologies of published size whose codes are well-formed and know their
 * parents. Files are held to the published counts by tests/system/synth_vocabulary.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dictionary.h"
#include "base/status.h"
#include "synth/vocabulary/deal.h"
#include "synth/vocabulary/made_graph.h"
#include "terms/code_hierarchy.h"

/* ---- deal ---- */
static void what_is_dealt_follows_the_weights_between_least_and_most(void **state) {
    const double weight[] = {1, 2, 3, 4};
    int32_t count[4];
    (void)state;
    assert_int_equal(deal(20, 4, weight, 0, 100, count), 20);
    for (int i = 0; i < 4; i++) assert_int_equal(count[i], 2 * (i + 1));
    /* one each, then 6 by weight: 0.6, 1.8, 3.6, 6 from the front are 0, 1, 3, 6 */
    assert_int_equal(deal(10, 4, weight, 1, 100, count), 10);
    assert_int_equal(count[0], 1);
    assert_int_equal(count[1], 2);
    assert_int_equal(count[2], 3);
    assert_int_equal(count[3], 4);
    /* what the last may not have goes to the others */
    assert_int_equal(deal(12, 4, weight, 0, 4, count), 12);
    assert_int_equal(count[3], 4);
    assert_int_equal(count[0] + count[1] + count[2], 8);
    for (int i = 0; i < 3; i++) assert_in_range(count[i], 1, 4);
    assert_int_equal(deal(100, 4, weight, 1, 5, count), 20); /* all have the most */
    assert_int_equal(deal(3, 4, weight, 1, 5, count), 3);    /* not enough for one each */
}

/* ---- names ---- */
static void each_number_has_a_name_of_its_own(void **state) {
    enum { N = 30000 };
    static const enum name_kind KINDS[] = {NAME_CONDITION, NAME_DRUG,  NAME_SITE,       NAME_GROUP, NAME_OPERATION,
                                           NAME_SERVICE,   NAME_BRAND, NAME_AGENT_KIND, NAME_GENE,  NAME_PROCESS};
    (void)state;
    for (size_t k = 0; k < sizeof KINDS / sizeof *KINDS; k++) {
        struct dictionary names = {0};
        char name[MADE_NAME_BYTES];
        int32_t number;
        for (int64_t i = 0; i < N; i++) {
            made_name_put(KINDS[k], i, name);
            assert_int_equal(dictionary_add(&names, name, (int64_t)strlen(name), &number), STATUS_OK);
            if (number != i) fail_msg("%s is the name of %d and %d", name, (int)number, (int)i);
        }
        dictionary_free(&names);
    }
}

static void a_text_gets_the_words_that_it_lacks(void **state) {
    struct made_text text = {0};
    const enum made_qualifier kinds[2] = {QUALIFIER_ENCOUNTER, QUALIFIER_NONE};
    (void)state;
    made_text_add(&text, "acute hepatic injury");
    made_text_add_missing(&text, "hepatic edema acute");
    assert_string_equal(text.bytes, "acute hepatic injury edema");
    made_text_add_missing(&text, "hepat"); /* part of a word is none */
    made_text_qualify(&text, kinds, 0);
    assert_string_equal(text.bytes, "acute hepatic injury edema hepat, initial encounter");
    made_text_add_missing(&text, "encounter");
    made_text_qualify(&text, kinds, 10);
    assert_string_equal(text.bytes, "acute hepatic injury edema hepat, initial encounter, initial encounter variant 2");
}

/* ---- terminologies ---- */
static void make(struct terminology all[N_TERMINOLOGIES], double scale) {
    int64_t n_concepts[N_MADE_DOMAINS];
    for (int d = 0; d < N_MADE_DOMAINS; d++) n_concepts[d] = node_kind_count(domain_nodes((enum made_domain)d), scale);
    assert_int_equal(terminologies_make(all, scale, n_concepts, 5), STATUS_OK);
}

/* MedTok's table: arXiv 2502.04397. */
static const struct {
    enum code_system system;
    int64_t published;
} SIZES[] = {{SYSTEM_SNOMED, 303325}, {SYSTEM_ICD10CM, 81184}, {SYSTEM_RXNORM, 81151}, {SYSTEM_ICD10PCS, 61644},
             {SYSTEM_NDC, 54560},     {SYSTEM_ICD9CM, 18365},  {SYSTEM_CPT, 10602},    {SYSTEM_ATC, 6659}};
enum { N_SYSTEMS = sizeof SIZES / sizeof *SIZES };

/* All of a system's codes have a level, and what stands above each is a code before it. */
static void terminologies_have_their_share_of_the_published_sizes(void **state) {
    static const double SCALES[] = {0.01, 0.037, 1, 10};
    (void)state;
    for (size_t k = 0; k < sizeof SCALES / sizeof *SCALES; k++) {
        struct terminology all[N_TERMINOLOGIES];
        make(all, SCALES[k]);
        for (int s = 0; s < N_SYSTEMS; s++) {
            int64_t n = 0;
            for (int t = 0; t < N_TERMINOLOGIES; t++) n += all[t].system == SIZES[s].system ? all[t].n : 0;
            assert_int_equal(n, llround((double)SIZES[s].published * SCALES[k]));
        }
        for (int t = 0; t < N_TERMINOLOGIES; t++) {
            assert_int_equal(all[t].at[TERMINOLOGY_LEVELS], all[t].n);
            for (int64_t p = 0; p < all[t].n; p += 1 + all[t].n / 1000) {
                int64_t above = terminology_above(&all[t], p);
                assert_true(above < p && all[t].position[all[t].order[p]] == p);
            }
        }
        terminologies_free(all);
    }
}

/* In the system's own form, so that no code is another spelling of one; with the parent that the string tells. */
static void check_codes(const struct terminology *t, struct dictionary *codes) {
    for (int64_t p = 0; p < t->n; p++) {
        char code[MADE_CODE_BYTES], above[MADE_CODE_BYTES], parent[MADE_CODE_BYTES], form[CODE_FORM_BYTES];
        int32_t number, known = (int32_t)codes->n;
        terminology_code(t, p, code);
        code_form(t->system, code, form);
        assert_int_equal(dictionary_add(codes, form, (int64_t)strlen(form), &number), STATUS_OK);
        if (number != known) fail_msg("%s stands twice", code);
        if (terminology_needs_parents(t) || t->system == SYSTEM_ICD10PCS)
            continue; /* whose tables have three characters */
        int64_t up = terminology_above(t, p);
        int told = code_parent(code_system_of(t->system), code, parent, sizeof parent);
        assert_int_equal(told > 0, up >= 0);
        if (up >= 0) terminology_code(t, up, above);
        if (up >= 0) assert_string_equal(parent, above);
    }
}

static void codes_are_each_their_own_and_tell_their_parents(void **state) {
    static const double SCALES[] = {0.01,
                                    1.7}; /* at 1.7 ICD-9-CM has E codes and ICD-10-CM letters in the third place */
    (void)state;
    for (size_t k = 0; k < sizeof SCALES / sizeof *SCALES; k++) {
        struct terminology all[N_TERMINOLOGIES];
        make(all, SCALES[k]);
        for (int s = 0; s < N_SYSTEMS; s++) {
            struct dictionary codes = {0};
            for (int t = 0; t < N_TERMINOLOGIES; t++)
                if (all[t].system == SIZES[s].system) check_codes(&all[t], &codes);
            dictionary_free(&codes);
        }
        terminologies_free(all);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_dealt_follows_the_weights_between_least_and_most),
        cmocka_unit_test(each_number_has_a_name_of_its_own),
        cmocka_unit_test(a_text_gets_the_words_that_it_lacks),
        cmocka_unit_test(terminologies_have_their_share_of_the_published_sizes),
        cmocka_unit_test(codes_are_each_their_own_and_tell_their_parents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
