/* Parents of codes, and each quality measure on arrays small enough to calculate by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "store/code_hierarchy.h"

/* ---- parents ---- */
static void parents_are_those_that_the_string_tells(void **state) {
    (void)state;
    static const struct {
        const char *system, *code, *parent;
    } CASES[] = {
        {"ICD10CM", "E11.65", "E11.6"},
        {"ICD-10-CM", "E11.6", "E11"},
        {"icd10", "E1165", "E116"},
        {"icd10cm", "E116", "E11"},
        {"ICD10CM", "E11", ""},
        {"ICD10CM", "S72.001A", "S72.001"},
        {"ICD10CM", "A00-A09", ""},
        {"ICD10CM", "E11.", ""},
        {"ICD9CM", "250.00", "250.0"},
        {"ICD-9-CM", "250.0", "250"},
        {"icd9", "25000", "2500"},
        {"ICD9CM", "250", ""},
        {"ICD9CM", "E850.1", "E850"},
        {"ICD9CM", "E8501", "E850"},
        {"ICD9CM", "E850", ""},
        {"ICD9CM", "V10.0", "V10"},
        {"ICD9PROC", "14.23", "14.2"},
        {"ICD9PROC", "14.2", "14"},
        {"ICD9PROC", "142", "14"},
        {"ICD9PROC", "14", ""},
        {"ICD10PCS", "02B54ZX", "02B54Z"},
        {"icd10_pcs", "02B54Z", ""},
        {"ATC", "A10BA02", "A10BA"},
        {"atc", "A10BA", "A10B"},
        {"ATC", "A10B", "A10"},
        {"ATC", "A10", "A"},
        {"ATC", "A", ""},
        {"ATC", "A10BA0", ""},
        {"NDC", "00002-2024-02", "00002-2024"},
        {"NDC", "00002202402", ""},
        {"RxNorm", "706898", ""},
        {"HCPCS", "A6402", ""},
        {"SNOMED", "44054006", ""},
        {"ICD10C", "E11.65", ""},
        {"ICD10CMX", "E11.65", ""},
        {"", "E11.65", ""},
        {"ICD10CM", "", ""},
    };
    char parent[32];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int n = code_parent(CASES[i].system, CASES[i].code, parent, sizeof parent);
        if (strcmp(parent, CASES[i].parent) != 0) print_message("%s:%s\n", CASES[i].system, CASES[i].code);
        assert_string_equal(parent, CASES[i].parent);
        assert_int_equal(n, strlen(CASES[i].parent));
    }
    assert_int_equal(code_parent("ATC", "A10BA02", parent, 5), 0); /* no room: none, rather than a part */
    assert_string_equal(parent, "");
}
