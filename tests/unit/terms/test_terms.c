/* Spellings of codes, and finding codes by them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "terms/code_form.h"
#include "terms/code_index.h"
#include "terms/meds_code.h"

/* Forms as a reader of the rules' sources would write them down; NDC examples: FDA's NDC Directory and CMS. */
static void codes_have_one_form(void **state) {
    (void)state;
    static const char *const CASES[][3] = {
        {"ICD10CM", "E11.9", "E119"},
        {"ICD10CM", "e119", "E119"},
        {"ICD10CM", " E11.9\t", "E119"},
        {"ICD10CM", "E 11.9", "E119"},
        {"ICD10CM", "E-11.9", "E119"},
        {"ICD10CM", "E11.-", "E11"},
        {"ICD10CM", "E11.", "E11"},
        {"ICD10CM", "E11..9", "E119"},
        {"ICD10CM", "c7a.090", "C7A090"},
        {"ICD10CM", "T36.0x1a", "T360X1A"},
        {"ICD10CM", "E1.19", "E1.19"}, /* a dot elsewhere is no spelling */
        {"ICD10CM", "E119.", "E119."},
        {"ICD10CM", "A00-A09", "A00-A09"}, /* a range of MedTok's table */
        {"ICD10CM", "a00.0-a09.9", "A000-A099"},
        {"ICD10CM", "Z66-Z66", "Z66-Z66"},
        {"icd-10-cm", "e11.9", "E119"},
        {"ICD10", "e11.9", "E119"},
        {"ICD9CM", "250.00", "25000"},
        {"ICD9CM", "25000", "25000"},
        {"ICD9CM", "008.45", "00845"},
        {"ICD9CM", "8.45", "8.45"}, /* leading zeros are not made up */
        {"ICD9CM", "v12.3", "V123"},
        {"ICD9CM", "E879.5", "E8795"},
        {"ICD9CM", "e8795", "E8795"},
        {"ICD9CM", "E87.95", "E87.95"},
        {"ICD9CM", "E-879.5", "E8795"},
        {"ICD9CM", "428.0", "4280"},
        {"ICD9CM", "42.80", "42.80"},
        {"ICD9CM", "001-009", "001-009"},
        {"ICD9CM", "250-00", "25000"},
        {"ICD9CM", "E800-E807", "E800-E807"},
        {"ICD9PROC", "42.80", "4280"},
        {"ICD9PROC", "428.0", "428.0"},
        {"ICD9PROC", "00.66", "0066"},
        {"ICD9PROC", "01-05", "01-05"}, /* a chapter, not 01.05 */
        {"ICD10PCS", "0dbj4zz", "0DBJ4ZZ"},
        {"ICD10PCS", "0DB.J4-ZZ", "0DBJ4ZZ"},
        {"ATC", "n02 be01", "N02BE01"},
        {"NDC", "0002-1200-01", "00002120001"},  /* 4-4-2 */
        {"NDC", "50242-040-62", "50242004062"},  /* 5-3-2 */
        {"NDC", "60575-4112-1", "60575411201"},  /* 5-4-1 */
        {"NDC", "00002-1200-01", "00002120001"}, /* 5-4-2 */
        {"NDC", "000002-1200-01", "00002120001"},
        {"NDC", "100002-1200-01", "100002-1200-01"},
        {"NDC", "00002120001", "00002120001"},
        {"NDC", "50242-*040-62", "50242004062"},
        {"NDC", "60575-4112-*1", "60575411201"},
        {"NDC", "60575*11201", "60575011201"},
        {"NDC", "0002120001", "0002120001"}, /* 10 digits: which segment lacks a zero is not known */
        {"NDC", "000021200", "000021200"},
        {"NDC", "0002-1200", "00002-1200"}, /* a product */
        {"NDC", "50242-040", "50242-0040"},
        {"NDC", "0002-1200-01-1", "0002-1200-01-1"},
        {"NDC", "0002-1200-", "0002-1200-"},
        {"NDC", "0002--01", "0002--01"},
        {"NDC", "0002-12000-01", "0002-12000-01"},
        {"NDC", "1234-12345678901234567890123456789012345678901234567890123456789",
         "1234-12345678901234567890123456789012345678901234567890123456789"},
        {"HCPCS", "j1885", "J1885"},
        {"CPT", "99213-25", "99213-25"},
        {"CPT4", "0001f", "0001F"},
        {"RxNorm", " 00860975", "00860975"},
        {"SNOMED", "073211009", "073211009"},
        {"LOINC", "4548-4", "4548-4"},
        {"READ", "C10E. ", "C10E."}, /* case and dots tell codes apart */
        {"READ", "XaBVJ", "XaBVJ"},
        {"LOCAL", "a 1-b.", "a 1-b."},
        {"LOCAL", "", ""},
        {"ICD10CM", "", ""},
        {"NDC", "", ""},
    };
    char form[CODE_FORM_BYTES];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        code_form(code_system(CASES[i][0]), CASES[i][1], form);
        if (strcmp(form, CASES[i][2]) != 0)
            fail_msg("%s:%s has the form %s, not %s", CASES[i][0], CASES[i][1], form, CASES[i][2]);
    }
}

static void forms_are_forms_of_themselves(void **state) {
    (void)state;
    static const char *const CODES[] = {"E11.9",         "A00.0-A09.9", "E879.5", "0002-1200-01", "0002-1200",
                                        "50242-*040-62", "42.80",       "E-08.1", "V12.3-V13.4"};
    char form[CODE_FORM_BYTES], again[CODE_FORM_BYTES];
    for (int system = 0; system < N_CODE_SYSTEMS; system++)
        for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++) {
            code_form((enum code_system)system, CODES[i], form);
            code_form((enum code_system)system, form, again);
            assert_string_equal(form, again);
        }
}

static void a_code_too_long_is_cut(void **state) {
    (void)state;
    char code[200], form[CODE_FORM_BYTES];
    memset(code, 'a', sizeof code);
    code[sizeof code - 1] = 0;
    for (int system = 0; system < N_CODE_SYSTEMS; system++) {
        code_form((enum code_system)system, code, form);
        assert_int_equal(strlen(form), CODE_FORM_BYTES - 1);
    }
}

static void systems_are_known_by_letters_and_digits(void **state) {
    (void)state;
    assert_int_equal(code_system("ICD-10-CM"), SYSTEM_ICD10CM);
    assert_int_equal(code_system("icd9proc"), SYSTEM_ICD9PROC);
    assert_int_equal(code_system("Mine"), SYSTEM_OTHER);
    assert_int_equal(code_system("ICD10CM extended by us"), SYSTEM_OTHER);
    assert_true(code_system_same("ICD10", "icd-10-cm") && code_system_same("Mine", "MINE"));
    assert_false(code_system_same("ICD9CM", "ICD9PROC") || code_system_same("Mine", "Mi-ne"));
}

/* ---- codes by name ---- */
enum { BYTES = 16 };

static void make(struct code_index *x, const char (*codes)[2][BYTES], int64_t n) {
    assert_int_equal(code_index_make(x, (struct strings){codes[0][1], NULL, 2 * BYTES},
                                     (struct strings){codes[0][0], NULL, 2 * BYTES}, n),
                     STATUS_OK);
}

static void check_found(const struct code_index *x, const char *name, int64_t n, const int64_t *wanted) {
    int64_t found[8];
    if (code_index_find(x, name, found, 8) != n) fail_msg("%s is not found %d times", name, (int)n);
    for (int64_t i = 0; i < n; i++) assert_int_equal(found[i], wanted[i]);
}

static void codes_are_found_as_people_write_them(void **state) {
    (void)state;
    static const char CODES[][2][BYTES] = {
        {"ICD10CM", "E11.9"}, {"OTHER", "E119"},     {"ICD9CM", "250.00"}, {"ATC", "A10BA02"}, {"ICD10CM", "E11"},
        {"ICD9CM", "4280"},   {"ICD9PROC", "42.80"}, {"READ", "XE0Uc"},    {"READ", "XE0UC"},  {"NDC", "0002-1200-01"}};
    struct code_index x;
    int64_t found[3];
    make(&x, CODES, 10);
    check_found(&x, "E11.9", 1, (int64_t[]){0});
    check_found(&x, "icd10cm:E119", 1, (int64_t[]){0});
    check_found(&x, "ICD-10-CM:e11.9", 1, (int64_t[]){0});
    check_found(&x, "E119", 2, (int64_t[]){1, 0}); /* spelled so first; a code of another system hides nothing */
    check_found(&x, "25000", 1, (int64_t[]){2});
    check_found(&x, "428.0", 1, (int64_t[]){5}); /* no spelling of the procedure 42.80 */
    check_found(&x, "4280", 2, (int64_t[]){5, 6});
    check_found(&x, "XE0UC", 2, (int64_t[]){8, 7});
    check_found(&x, "xe0uc", 2, (int64_t[]){7, 8});
    check_found(&x, "00002120001", 1, (int64_t[]){9});
    check_found(&x, "0002120001", 0, NULL);
    check_found(&x, "ATC:E11", 0, NULL);
    check_found(&x, "", 0, NULL);
    assert_int_equal(code_index_find(&x, "E119", found, 1), 2);
    assert_int_equal(found[0], 1);
    assert_int_equal(code_index_near(&x, "A10BA03", found, 1), 1);
    assert_int_equal(found[0], 3);
    assert_int_equal(code_index_near(&x, "E11.99", found, 3), 3);
    assert_int_equal(found[0], 0);
    code_index_free(&x);
}

static void a_code_in_two_spellings_is_there_twice(void **state) {
    (void)state;
    static const char CODES[][2][BYTES] = {{"ICD9CM", "428.0"}, {"ICD9PROC", "42.80"}, {"READ", "XE0Uc"},
                                           {"READ", "XE0UC"},   {"Mine", "1"},         {"MINE", "2"},
                                           {"MINE", "1"},       {"ICD9", "4280"}};
    struct code_index x;
    int64_t pair[2];
    make(&x, CODES, 6);
    assert_int_equal(code_index_twice(&x, pair), 0);
    assert_int_equal(code_index_same(&x, "ICD9CM", "4280"), 0);
    assert_int_equal(code_index_same(&x, "ICD9PROC", "4280"), 1);
    assert_int_equal(code_index_same(&x, "READ", "XE0uc"), -1);
    assert_int_equal(code_index_same(&x, "ATC", "4280"), -1);
    code_index_free(&x);
    make(&x, CODES, 8);
    assert_int_equal(code_index_twice(&x, pair), 2);
    assert_int_equal(pair[0], 4);
    assert_int_equal(pair[1], 6);
    code_index_free(&x);
    make(&x, CODES, 0);
    assert_int_equal(code_index_twice(&x, pair), 0);
    assert_int_equal(code_index_same(&x, "ICD9CM", "4280"), -1);
    code_index_free(&x);
}

/* ---- codes of MEDS data sets ---- */
static void meds_codes_tell_system_and_code_by_their_parts(void **state) {
    (void)state;
    static const char *const CASES[][3] = {{"DIAGNOSIS//ICD//10//E11", "ICD10CM", "E11"},
                                           {"DIAGNOSIS//ICD//9//4280", "ICD9CM", "4280"},
                                           {"PROCEDURE//ICD//9//3893", "ICD9PROC", "3893"},
                                           {"PROCEDURE//ICD//10//0FT44ZZ", "ICD10PCS", "0FT44ZZ"},
                                           {"MEDICATION//ATC//N02BE01", "ATC", "N02BE01"},
                                           {"RxNorm//161", "RxNorm", "161"},
                                           {"ICD10CM/E11.9", "ICD10CM", "E11.9"},
                                           {"GENDER//F", NULL, NULL},
                                           {"DIAGNOSIS//ICD//11//5A11", NULL, NULL},
                                           {"DIAGNOSIS//ICD", NULL, NULL},
                                           {"MEDS_BIRTH", NULL, NULL},
                                           {"ATC", NULL, NULL},
                                           {"a//b//c//d//e//f//g//h//i//j", NULL, NULL},
                                           {"", NULL, NULL}};
    char system[MEDS_PART_BYTES], code[MEDS_PART_BYTES];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        assert_int_equal(meds_code_split(CASES[i][0], system, code), CASES[i][1] != NULL);
        if (!CASES[i][1]) continue;
        assert_string_equal(system, CASES[i][1]);
        assert_string_equal(code, CASES[i][2]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_one_form),
        cmocka_unit_test(forms_are_forms_of_themselves),
        cmocka_unit_test(a_code_too_long_is_cut),
        cmocka_unit_test(systems_are_known_by_letters_and_digits),
        cmocka_unit_test(codes_are_found_as_people_write_them),
        cmocka_unit_test(a_code_in_two_spellings_is_there_twice),
        cmocka_unit_test(meds_codes_tell_system_and_code_by_their_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
