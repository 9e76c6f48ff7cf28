/* From source codes to the codes of a cohort, and from those to a vocabulary and to groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "terms/code_groups.h"
#include "terms/drug_name.h"
#include "terms/omop_code.h"
#include "terms/source_code.h"
#include "terms/source_pattern.h"
#include "terms/vocabulary_match.h"

#define LENGTH(array) (int)(sizeof(array) / sizeof *(array))

static void add_codes(struct dictionary *codes, const char *const *list, int n) {
    int32_t number;
    for (int i = 0; i < n; i++) assert_int_equal(dictionary_add(codes, list[i], (int64_t)strlen(list[i]), &number), 0);
}

/* What code i became, joined with blanks. */
static void targets_of(const struct code_targets *t, int64_t i, char text[4096]) {
    size_t n = 0;
    text[0] = 0;
    for (int64_t k = t->offsets[i]; k < t->offsets[i + 1]; k++) {
        const struct dictionary *d = &t->names;
        int32_t name = t->target[k];
        n += (size_t)snprintf(text + n, 4096 - n, "%s%.*s", n ? " " : "",
                              (int)(d->offsets[name + 1] - d->offsets[name]), d->bytes + d->offsets[name]);
    }
}

/* Checks that each code of pairs[n][2] becomes what stands behind it. */
static void check(const struct source_code_rules *rules, const char *const (*pairs)[2], int n) {
    struct dictionary codes = {0};
    struct code_targets targets;
    char text[4096];
    for (int i = 0; i < n; i++) add_codes(&codes, &pairs[i][0], 1);
    assert_int_equal(codes.n, n);
    assert_int_equal(code_targets_make(&targets, rules, &codes), STATUS_OK);
    for (int i = 0; i < n; i++) {
        targets_of(&targets, i, text);
        assert_string_equal(text, pairs[i][1]);
    }
    code_targets_free(&targets);
    dictionary_free(&codes);
}

static struct source_code_rules *new_rules(void) {
    struct source_code_rules *rules;
    assert_int_equal(source_code_rules_new(&rules), STATUS_OK);
    return rules;
}

static void codes_of_each_data_set_are_known_by_the_built_in_patterns(void **state) {
    static const char *const PAIRS[][2] = {
        {"DIAGNOSIS//ICD//9//4280", "ICD9CM/4280"},
        {"ICD9CM/428.0", "ICD9CM/4280"},
        {"DIAGNOSIS//ICD//10//I21.01", "ICD10CM/I2101"},
        {"DIAGNOSIS//ICD//11//5A11", "DIAGNOSIS//ICD//11//5A11"},
        {"PROCEDURE//ICD//9//3893", "ICD9PROC/3893"},
        {"ICD9Proc/38.93", "ICD9PROC/3893"},
        {"PROCEDURE//ICD//10//02hv33z", "ICD10PCS/02HV33Z"},
        {"CPT4/99213", "CPT/99213"},
        {"SNOMED/44054006", "SNOMED/44054006"},
        {"RxNorm/161", "RxNorm/161"},
        {"RxNorm Extension/OMOP12", "RxNorm Extension/OMOP12"},
        {"LOINC/718-7", "LOINC/718-7"},
        {"NDC/0002-1200-01", "NDC/00002120001"},
        {"MEDICATION//NDC//00002120001", "NDC/00002120001"},
        {"MEDICATION//NDC//0002120001", "NDC/0002120001"}, /* 10 digits: which segment lacks a zero is not known */
        {"MEDICATION//NDC//0", "MEDICATION//NDC//0"},
        {"MEDICATION//ATC//n02be01", "ATC/N02BE01"},
        {"MEDICATION//NAME//Heparin", "MEDICATION//NAME//Heparin"},
        {"LAB//50912//mg/dL", "LAB//50912//mg/dL"},
        {"LAB//LOINC//mg", "LAB//LOINC//mg"},
        {"HCPCS//J1885", "HCPCS/J1885"},
        {"HCPCS//Hospital observation per hr", "HCPCS//Hospital observation per hr"},
        {"DRG//HCFA//871//SEPTICEMIA", "DRG//HCFA//871//SEPTICEMIA"},
        {"Gender/F", "GENDER//F"},
        {"GENDER//F", "GENDER//F"},
        {"Race/5", "RACE//WHITE"},
        {"RACE//WHITE", "RACE//WHITE"},
        {"Race/OTHER", "RACE//OTHER"},
        {"Ethnicity/Hispanic", "ETHNICITY//Hispanic"},
        {"MIMIC_LAB/50853//ng/mL", "LAB//50853//ng/mL"},
        {"LOINC/718-7//g/dL", "LOINC/718-7//g/dL"},
        {"X/718-7//g/dL", "X/718-7//g/dL"},
        {"Visit/IP", "Visit/IP"},
        {"MEDS_BIRTH", "MEDS_BIRTH"},
    };
    (void)state;
    struct source_code_rules *rules = new_rules();
    check(rules, PAIRS, LENGTH(PAIRS));
    source_code_rules_free(rules);
}

static void a_pattern_of_the_user_comes_before_those_built_in(void **state) {
    static const char *const PAIRS[][2] = {
        {"DX10:E11.9", "ICD10CM/E119"},
        {"rx|00002120001|oral", "NDC/00002120001"},
        {"LAB//50912//mg/dL", "MIMIC_LAB/50912"},
        {"MEDICATION//NDC//00002120001", "MEDICATION//NDC//00002120001"},
        {"MEDICATION//NDC//x", "MEDICATION//NDC//x"},
    };
    (void)state;
    struct source_code_rules *rules = new_rules();
    static const char *const LINES[] = {"DX10: -> ICD10CM", "^rx\\|([0-9]+)\\|.*$ -> NDC",
                                        "^LAB//([0-9]+)//.*$ -> MIMIC_LAB", "MEDICATION//NDC// -> -"};
    for (int i = 0; i < LENGTH(LINES); i++) assert_int_equal(source_code_rules_add_pattern(rules, LINES[i]), STATUS_OK);
    check(rules, PAIRS, LENGTH(PAIRS));
    source_code_rules_free(rules);
}

static void a_pattern_that_is_none_is_refused(void **state) {
    static const char *const CASES[][2] = {{"LAB//", "has no \" -> \""},
                                           {"LAB// -> ", "names no system"},
                                           {" -> NDC", "has nothing before the arrow"},
                                           {"LAB// -> MIMIC LAB", "names no system"},
                                           {"^LAB//[0-9]+ -> X", "no group"},
                                           {"^LAB//([0-9+ -> X", "no regular expression"}};
    (void)state;
    struct source_code_rules *rules = new_rules();
    for (int i = 0; i < LENGTH(CASES); i++) {
        assert_int_equal(source_code_rules_add_pattern(rules, CASES[i][0]), STATUS_USAGE);
        assert_non_null(strstr(status_message(), CASES[i][1]));
        assert_non_null(strstr(status_message(), CASES[i][0]));
    }
    source_code_rules_free(rules);
}

static void maps_follow_one_another_and_may_give_several_codes(void **state) {
    static const char *const PAIRS[][2] = {
        {"MEDICATION//NDC//00002120001", "ATC/A10AB01 ATC/A10AC01"}, /* NDC, RxNorm, ATC */
        {"NDC/0002-1200-01", "ATC/A10AB01 ATC/A10AC01"},
        {"NDC/00002120059", "ATC/A10AB01 ATC/A10AC01"}, /* another package of the product */
        {"NDC/00002120159", "NDC/00002120159"},         /* another product */
        {"RxNorm/5856", "ATC/A10AB01 ATC/A10AC01"},
        {"RxNorm/1", "RxNorm/1"},
        {"ICD9CM/250.00", "ICD10CM/E119"},
    };
    (void)state;
    struct source_code_rules *rules = new_rules();
    struct code_map *map = source_code_rules_map(rules);
    assert_int_equal(code_map_add(map, "NDC", "0002-1200-01", "RxNorm", "5856"), STATUS_OK);
    assert_int_equal(code_map_add(map, "rxnorm", "5856", "ATC", "a10ab01"), STATUS_OK);
    assert_int_equal(code_map_add(map, "RxNorm", "5856", "ATC", "A10AC01"), STATUS_OK);
    assert_int_equal(code_map_add(map, "RxNorm", "5856", "ATC", "A10AB01"), STATUS_OK); /* again */
    assert_int_equal(code_map_add(map, "icd9", "25000", "icd10", "E11.9"), STATUS_OK);
    check(rules, PAIRS, LENGTH(PAIRS));
    source_code_rules_free(rules);
}

static void maps_in_a_circle_are_an_error_that_names_the_code(void **state) {
    (void)state;
    struct source_code_rules *rules = new_rules();
    struct code_targets targets;
    struct dictionary codes = {0};
    static const char *const CODES[] = {"ICD9CM/4280"};
    assert_int_equal(code_map_add(source_code_rules_map(rules), "ICD9CM", "4280", "ICD10CM", "I509"), STATUS_OK);
    assert_int_equal(code_map_add(source_code_rules_map(rules), "ICD10CM", "I509", "ICD9CM", "4280"), STATUS_OK);
    add_codes(&codes, CODES, 1);
    assert_int_equal(code_targets_make(&targets, rules, &codes), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "circle"));
    assert_non_null(strstr(status_message(), "I509"));
    dictionary_free(&codes);
    source_code_rules_free(rules);
}

static void a_code_that_a_map_leaves_as_it_is_is_no_circle(void **state) {
    static const char *const PAIRS[][2] = {{"ATC/N02BE01", "ATC/N02BE01"}};
    (void)state;
    struct source_code_rules *rules = new_rules();
    assert_int_equal(code_map_add(source_code_rules_map(rules), "ATC", "N02BE01", "ATC", "N02BE01"), STATUS_OK);
    check(rules, PAIRS, 1);
    source_code_rules_free(rules);
}

static void names_of_drugs_are_matched_by_their_spellings(void **state) {
    static const char *const PAIRS[][2] = {
        {"MEDICATION//NAME//heparin   sodium", "ATC/B01AB01"},
        {"MEDICATION//NAME//*NF* Heparin (Porcine) Sodium", "ATC/B01AB01"},
        {"MEDICATION//START//Metoprolol Tartrate 25 mg Tab", "ATC/C07AB02"},
        {"MEDICATION//Metoprolol Tartrate XL//Administered", "ATC/C07AB02"},
        {"MEDICATION//Metoprolol//Not Given", "MEDICATION//Metoprolol//Not Given"},
        {"MEDICATION//STOP//Metoprolol", "MEDICATION//STOP//Metoprolol"},
        {"MEDICATION//NAME//Metoprololum", "MEDICATION//NAME//Metoprololum"},
        {"MEDICATION//NAME//5% Dextrose", "ATC/B05BA03"},
        {"MEDICATION//NAME//5%", "MEDICATION//NAME//5%"},
        {"MEDICATION//NDC//00904198861//Metoprolol", "ATC/C07AB03"}, /* the NDC first */
        {"MEDICATION//NDC//11111111111//Metoprolol", "ATC/C07AB02"},
        {"MEDICATION//NDC//0//Metoprolol", "ATC/C07AB02"},
        {"MEDICATION//NDC//11111111111//Unknown", "NDC/11111111111"},
        {"MEDICATION//NDC//0//Unknown", "MEDICATION//NDC//0//Unknown"},
    };
    (void)state;
    struct source_code_rules *rules = new_rules();
    struct code_map *map = source_code_rules_map(rules);
    assert_int_equal(code_map_add(map, DRUG_NAME_SYSTEM, "Heparin Sodium", "ATC", "B01AB01"), STATUS_OK);
    assert_int_equal(code_map_add(map, DRUG_NAME_SYSTEM, "METOPROLOL", "ATC", "C07AB02"), STATUS_OK);
    assert_int_equal(code_map_add(map, "NDC", "00904198861", "ATC", "C07AB03"), STATUS_OK);
    assert_int_equal(code_map_add(map, DRUG_NAME_SYSTEM, "5% Dextrose", "ATC", "B05BA03"), STATUS_OK);
    check(rules, PAIRS, LENGTH(PAIRS));
    source_code_rules_free(rules);
}

static void spellings_of_a_drug_go_from_the_exact_to_the_ingredient(void **state) {
    static const char *const CASES[][N_DRUG_NAME_SPELLINGS + 1] = {
        {" Heparin  Flush (10 units/ml) ", "HEPARIN FLUSH (10 UNITS/ML)", "HEPARIN FLUSH", "HEPARIN FLUSH",
         "HEPARIN FLUSH"},
        {"*NF* Aspirin EC 81 mg", "*NF* ASPIRIN EC 81 MG", "ASPIRIN EC 81 MG", "ASPIRIN EC", "ASPIRIN"},
        {"0.9% Sodium Chloride", "0.9% SODIUM CHLORIDE", "0.9% SODIUM CHLORIDE", "0.9% SODIUM CHLORIDE",
         "0.9% SODIUM CHLORIDE"},
        {"Sodium", "SODIUM", "SODIUM", "SODIUM", "SODIUM"}, /* an ending alone is a name */
        {"(x", "(X", "(X", "(X", "(X"},
        {"(x)", "(X)", "", "", ""},
        {"", "", "", "", ""}};
    char text[DRUG_NAME_BYTES];
    (void)state;
    for (int i = 0; i < LENGTH(CASES); i++)
        for (int s = 0; s < N_DRUG_NAME_SPELLINGS; s++) {
            drug_name_spelling(CASES[i][0], s, text);
            assert_string_equal(text, CASES[i][s + 1]);
        }
}

static void parents_tell_the_system_where_no_pattern_does(void **state) {
    static const char *const PAIRS[][2] = {{"LAB//50912//mg/dL", "LOINC/2160-0//mg/dL"},
                                           {"LAB//1//x", "LAB//1//x"},
                                           {"DIAGNOSIS//ICD//9//4280", "ICD9CM/4280"}};
    (void)state;
    struct source_code_rules *rules = new_rules();
    assert_int_equal(source_code_rules_add_parent(rules, "LAB//50912//mg/dL", 17, "nothing known"), STATUS_OK);
    assert_int_equal(source_code_rules_add_parent(rules, "LAB//50912//mg/dL", 17, "LOINC/2160-0"), STATUS_OK);
    assert_int_equal(source_code_rules_add_parent(rules, "LAB//50912//mg/dL", 17, "SNOMED/1"), STATUS_OK);
    assert_int_equal(source_code_rules_add_parent(rules, "DIAGNOSIS//ICD//9//4280", 23, "ICD9CM/428"), STATUS_OK);
    check(rules, PAIRS, LENGTH(PAIRS));
    source_code_rules_free(rules);
}

/* ---- OMOP ---- */
static void omop_codes_are_the_source_code_else_the_standard_concept(void **state) {
    static const char *const PAIRS[][2] = {
        {"OMOP//condition_occurrence//44835752//133729////25200", "ICD9CM/25200"}, /* by its concept */
        {"OMOP//condition_occurrence//99//133729////see note", "SNOMED/36348003"}, /* the standard concept */
        {"OMOP//condition_occurrence//0//77////see note", "CONCEPT/77"},           /* which is not in the table */
        {"OMOP//condition_occurrence//0//0////see note", "OMOP//condition_occurrence//see note"},
        {"OMOP//condition_occurrence//0//0////5853", "ICD9CM/5853"}, /* by its shape */
        {"OMOP//procedure_occurrence//2//0////x", "CPT/99213"},
        {"OMOP//measurement//0//0//g/dL//718-7", "LOINC/718-7//g/dL"},
        {"CONCEPT/133729", "SNOMED/36348003"},
        {"CONCEPT/5", "CONCEPT/5"},
    };
    (void)state;
    struct source_code_rules *rules = new_rules();
    assert_int_equal(source_code_rules_add_concept(rules, 44835752, "ICD9CM", "252.00"), STATUS_OK);
    assert_int_equal(source_code_rules_add_concept(rules, 133729, "SNOMED", "36348003"), STATUS_OK);
    assert_int_equal(source_code_rules_add_concept(rules, 2, "CPT4", "99213"), STATUS_OK);
    check(rules, PAIRS, LENGTH(PAIRS));
    source_code_rules_free(rules);
}

static void a_source_value_tells_its_system_by_shape_as_far_as_it_does(void **state) {
    static const struct {
        const char *table, *value;
        enum code_system system; /* of one alone, else OTHER */
    } CASES[] = {
        {"condition_occurrence", "25200", SYSTEM_ICD9CM},
        {"condition_occurrence", "428.0", SYSTEM_ICD9CM},
        {"condition_occurrence", "I21.01", SYSTEM_ICD10CM},
        {"condition_occurrence", "E119", SYSTEM_ICD10CM},
        {"condition_occurrence", "E9289", SYSTEM_ICD9CM},
        {"condition_occurrence", "E8490", SYSTEM_OTHER},
        {"condition_occurrence", "V4511", SYSTEM_OTHER},
        {"condition_occurrence", "44054006", SYSTEM_OTHER},
        {"procedure_occurrence", "3893", SYSTEM_ICD9PROC},
        {"procedure_occurrence", "36215", SYSTEM_CPT},
        {"procedure_occurrence", "G0008", SYSTEM_HCPCS},
        {"procedure_occurrence", "02HV33Z", SYSTEM_ICD10PCS},
        {"procedure_occurrence", "4004F", SYSTEM_CPT},
        {"procedure_occurrence", "insertion", SYSTEM_OTHER},
        {"drug_exposure", "65862001090", SYSTEM_NDC},
        {"drug_exposure", "0002-1200-01", SYSTEM_NDC},
        {"drug_exposure", "J1885", SYSTEM_HCPCS},
        {"drug_exposure", "12345", SYSTEM_OTHER},
        {"measurement", "718-7", SYSTEM_LOINC},
        {"measurement", "82310", SYSTEM_CPT},
        {"observation", "90960", SYSTEM_OTHER},
        {"device_exposure", "A9502", SYSTEM_HCPCS},
        {"unknown", "25200", SYSTEM_OTHER},
        {"condition_occurrence", "", SYSTEM_OTHER},
    };
    struct omop_tables none = {0};
    (void)state;
    for (int i = 0; i < LENGTH(CASES); i++) {
        struct omop_code code = {.source_concept = 0};
        snprintf(code.table, sizeof code.table, "%s", CASES[i].table);
        snprintf(code.value, sizeof code.value, "%s", CASES[i].value);
        if (omop_value_system(&none, &code) != CASES[i].system) fail_msg("%s %s", CASES[i].table, CASES[i].value);
    }
}

static void a_value_of_two_systems_is_of_the_one_that_the_table_uses(void **state) {
    static const char *const ICD9[][2] = {{"OMOP//condition_occurrence//0//7////V4511", "ICD9CM/V4511"},
                                          {"OMOP//condition_occurrence//0//0////25200", "ICD9CM/25200"}};
    static const char *const BOTH[][2] = {{"OMOP//condition_occurrence//0//7////V4511", "CONCEPT/7"},
                                          {"OMOP//condition_occurrence//0//0////25200", "ICD9CM/25200"},
                                          {"OMOP//condition_occurrence//0//0////I2101", "ICD10CM/I2101"}};
    static const char *const OTHER_TABLE[][2] = {{"OMOP//condition_occurrence//0//7////V4511", "CONCEPT/7"},
                                                 {"OMOP//observation//0//0////V451", "OMOP//observation//V451"},
                                                 {"OMOP//procedure_occurrence//0//0////3893", "ICD9PROC/3893"}};
    (void)state;
    struct source_code_rules *rules = new_rules();
    check(rules, ICD9, LENGTH(ICD9));
    check(rules, BOTH, LENGTH(BOTH));
    check(rules, OTHER_TABLE, LENGTH(OTHER_TABLE));
    source_code_rules_free(rules);
}

static int read_concepts(void *self, struct source_code_rules *rules, const struct dictionary *codes) {
    *(int64_t *)self = codes->n;
    return source_code_rules_add_concept(rules, 7, "SNOMED", "36348003");
}

static void concepts_are_read_once_the_codes_are_known(void **state) {
    static const char *const PAIRS[][2] = {{"CONCEPT/7", "SNOMED/36348003"}, {"CONCEPT/8", "CONCEPT/8"}};
    int64_t n = 0;
    (void)state;
    struct source_code_rules *rules = new_rules();
    source_code_rules_set_reader(rules, &n, read_concepts, NULL);
    check(rules, PAIRS, LENGTH(PAIRS));
    assert_int_equal(n, 2);
    source_code_rules_free(rules);
}

static void the_name_of_an_omop_event_is_read_back_as_written(void **state) {
    char code[OMOP_CODE_BYTES], value[600];
    struct omop_code parts;
    (void)state;
    memset(value, 'x', sizeof value);
    int n = omop_code_write(code, "measurement", 3, INT64_MAX, "mg/dL", 5, "a//b", 4);
    assert_int_equal(n, strlen(code));
    assert_true(omop_code_read(code, &parts));
    assert_string_equal(parts.table, "measurement");
    assert_string_equal(parts.value, "a//b");
    assert_string_equal(parts.unit, "mg/dL");
    assert_int_equal(parts.source_concept, 3);
    assert_true(parts.concept == INT64_MAX);
    omop_code_write(code, "measurement", 3, 4, value, sizeof value, value, sizeof value);
    assert_true(omop_code_read(code, &parts));
    assert_int_equal(strlen(parts.value), OMOP_VALUE_BYTES - 1);
    assert_string_equal(parts.unit, "");
    static const char *const NOT[] = {
        "OMOP//", "OMOP//x", "OMOP//x//1//", "OMOP//x//1//2", "OMOP//x//a//2////v", "OMOP//x//1//2//v", "LAB//1"};
    for (int i = 0; i < LENGTH(NOT); i++) assert_false(omop_code_read(NOT[i], &parts));
}

/* ---- kinds ---- */
static void codes_tell_what_an_event_is_about(void **state) {
    static const struct {
        const char *code;
        enum code_kind kind;
    } CASES[] = {{"DIAGNOSIS//ICD//9//4280", CODE_KIND_DIAGNOSIS},
                 {"ICD10CM/E11", CODE_KIND_DIAGNOSIS},
                 {"CPT4/99213", CODE_KIND_PROCEDURE},
                 {"RxNorm/161", CODE_KIND_DRUG},
                 {"MEDICATION//START//x", CODE_KIND_DRUG},
                 {"LOINC/718-7", CODE_KIND_MEASUREMENT},
                 {"LAB//50912//mg/dL", CODE_KIND_MEASUREMENT},
                 {"HOSPITAL_ADMISSION//EW", CODE_KIND_VISIT},
                 {"Visit/IP", CODE_KIND_VISIT},
                 {"GENDER//F", CODE_KIND_FACT},
                 {"Gender/F", CODE_KIND_FACT},
                 {"MEDS_BIRTH", CODE_KIND_FACT},
                 {"SNOMED/44054006", CODE_KIND_OTHER},
                 {"", CODE_KIND_OTHER}};
    (void)state;
    for (int i = 0; i < LENGTH(CASES); i++)
        assert_int_equal(source_code_kind(CASES[i].code, (int64_t)strlen(CASES[i].code)), CASES[i].kind);
}

/* ---- the vocabulary ---- */
static const char VOCABULARY_CODES[][16] = {"428", "4280", "E11.9", "N02BE", "N02BE01", "0002-1200", "161", "410"};
static const char VOCABULARY_SYSTEMS[][16] = {"ICD9CM", "icd9cm", "ICD10CM", "ATC", "ATC", "NDC", "RxNorm", "CCS"};

static struct vocabulary made_vocabulary(void) {
    return (struct vocabulary){.n_codes = LENGTH(VOCABULARY_CODES),
                               .code = (char *)VOCABULARY_CODES,
                               .system = (char *)VOCABULARY_SYSTEMS,
                               .code_bytes = 16,
                               .system_bytes = 16};
}

static void a_code_is_matched_exactly_else_by_its_nearest_ancestor(void **state) {
    static const struct {
        const char *code;
        int row;
        enum match_kind kind;
    } CASES[] = {{"ICD9CM/4280", 1, MATCH_EXACT},          {"ICD9CM/42801", 1, MATCH_ANCESTOR},
                 {"ICD9CM/4281", 0, MATCH_ANCESTOR},       {"ICD9CM/429", -1, MATCH_MISSING},
                 {"ICD10CM/E119", 2, MATCH_EXACT},         {"ICD10CM/E118", -1, MATCH_MISSING},
                 {"ATC/N02BE51", 3, MATCH_ANCESTOR},       {"NDC/00002120001", 5, MATCH_ANCESTOR},
                 {"NDC/00002120101", -1, MATCH_MISSING},   {"RxNorm/161", 6, MATCH_EXACT},
                 {"SNOMED/161", -1, MATCH_MISSING},        {"ccs/410", 7, MATCH_EXACT},
                 {"LAB//50912//mg/dL", -1, MATCH_MISSING}, {"MEDS_BIRTH", -1, MATCH_MISSING},
                 {"ICD9PROC/4280", -1, MATCH_MISSING}};
    struct dictionary codes = {0};
    struct vocabulary vocabulary = made_vocabulary();
    struct vocabulary_match match;
    (void)state;
    for (int i = 0; i < LENGTH(CASES); i++) add_codes(&codes, &CASES[i].code, 1);
    assert_int_equal(vocabulary_match_make(&match, &vocabulary, &codes), STATUS_OK);
    assert_int_equal(match.n, LENGTH(CASES));
    for (int i = 0; i < LENGTH(CASES); i++)
        if (match.row[i] != CASES[i].row || match.kind[i] != CASES[i].kind) fail_msg("%s", CASES[i].code);
    vocabulary_match_free(&match);
    dictionary_free(&codes);
}

static void the_report_counts_events_by_system_and_lists_the_most_frequent_missing_codes(void **state) {
    static const char *const CODES[] = {"ICD9CM/4280", "ICD9CM/4281", "LAB//1//x",
                                        "LAB//2//x",   "SNOMED/1",    "ICD9CM/001"};
    static const int64_t COUNT[] = {10, 5, 7, 20, 7, 1};
    struct dictionary codes = {0};
    struct vocabulary vocabulary = made_vocabulary();
    struct vocabulary_match match;
    struct match_report report;
    char path[] = "/tmp/medtok-match-XXXXXX", line[256];
    (void)state;
    add_codes(&codes, CODES, LENGTH(CODES));
    assert_int_equal(vocabulary_match_make(&match, &vocabulary, &codes), STATUS_OK);
    assert_int_equal(match_report_make(&report, &match, &codes, COUNT), STATUS_OK);
    assert_int_equal(report.n_systems, 3);
    assert_string_equal(report.systems[0].system, "(LAB)");
    assert_int_equal(report.systems[0].events[MATCH_MISSING], 27);
    assert_string_equal(report.systems[1].system, "ICD9CM");
    assert_int_equal(report.systems[1].events[MATCH_EXACT], 10);
    assert_int_equal(report.systems[1].events[MATCH_ANCESTOR], 5);
    assert_int_equal(report.systems[1].events[MATCH_MISSING], 1);
    assert_int_equal(report.systems[1].codes[MATCH_MISSING], 1);
    assert_int_equal(report.all.events[MATCH_MISSING], 35);
    static const int32_t MISSING[] = {3, 2, 4, 5}; /* equal counts by name */
    assert_int_equal(report.n_missing, LENGTH(MISSING));
    assert_memory_equal(report.missing, MISSING, sizeof MISSING);

    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(match_report_write(&report, &codes, COUNT, path), STATUS_OK);
    FILE *written = fopen(path, "r");
    assert_non_null(fgets(line, sizeof line, written));
    assert_string_equal(line, "system\tcode\tevents\tshare_of_events\n");
    assert_non_null(fgets(line, sizeof line, written));
    assert_string_equal(line, "(LAB)\tLAB//2//x\t20\t0.4\n");
    fclose(written);
    remove(path);
    match_report_free(&report);
    vocabulary_match_free(&match);
    dictionary_free(&codes);
}

/* ---- groups ---- */
static void codes_are_in_the_group_of_themselves_or_of_their_nearest_ancestor(void **state) {
    static const struct {
        const char *code;
        int in;
    } CASES[] = {{"ICD9CM/41001", 1}, {"ICD10CM/I2101", 1}, {"ICD10CM/I213", 1},   {"ICD10CM/I219", 0},
                 {"ICD10CM/I22", 0},  {"ICD9CM/410", 0},    {"ICD9PROC/41001", 0}, {"LAB//x", 0}};
    struct code_groups groups = {0};
    struct dictionary codes = {0};
    uint8_t in[LENGTH(CASES)] = {0};
    int64_t n;
    (void)state;
    assert_int_equal(code_groups_add(&groups, "Acute myocardial infarction", "ICD9CM", "410.01"), STATUS_OK);
    assert_int_equal(code_groups_add(&groups, "acute  myocardial, infarction", "ICD10CM", "I21"), STATUS_OK);
    assert_int_equal(code_groups_add(&groups, "Other", "ICD10CM", "I21.9"), STATUS_OK); /* nearer than I21 */
    for (int i = 0; i < LENGTH(CASES); i++) add_codes(&codes, &CASES[i].code, 1);
    int32_t group = code_groups_find(&groups, "ACUTE MYOCARDIAL INFARCTION");
    assert_true(group >= 0);
    assert_int_equal(code_groups_find(&groups, "Septicemia"), -1);
    assert_int_equal(code_groups_members(&groups, group, &codes, in, &n), STATUS_OK);
    for (int i = 0; i < LENGTH(CASES); i++)
        if (in[i] != CASES[i].in) fail_msg("%s", CASES[i].code);
    assert_int_equal(n, 3);
    code_groups_free(&groups);
    dictionary_free(&codes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_of_each_data_set_are_known_by_the_built_in_patterns),
        cmocka_unit_test(a_pattern_of_the_user_comes_before_those_built_in),
        cmocka_unit_test(a_pattern_that_is_none_is_refused),
        cmocka_unit_test(maps_follow_one_another_and_may_give_several_codes),
        cmocka_unit_test(maps_in_a_circle_are_an_error_that_names_the_code),
        cmocka_unit_test(a_code_that_a_map_leaves_as_it_is_is_no_circle),
        cmocka_unit_test(names_of_drugs_are_matched_by_their_spellings),
        cmocka_unit_test(spellings_of_a_drug_go_from_the_exact_to_the_ingredient),
        cmocka_unit_test(parents_tell_the_system_where_no_pattern_does),
        cmocka_unit_test(omop_codes_are_the_source_code_else_the_standard_concept),
        cmocka_unit_test(a_source_value_tells_its_system_by_shape_as_far_as_it_does),
        cmocka_unit_test(a_value_of_two_systems_is_of_the_one_that_the_table_uses),
        cmocka_unit_test(concepts_are_read_once_the_codes_are_known),
        cmocka_unit_test(the_name_of_an_omop_event_is_read_back_as_written),
        cmocka_unit_test(codes_tell_what_an_event_is_about),
        cmocka_unit_test(a_code_is_matched_exactly_else_by_its_nearest_ancestor),
        cmocka_unit_test(the_report_counts_events_by_system_and_lists_the_most_frequent_missing_codes),
        cmocka_unit_test(codes_are_in_the_group_of_themselves_or_of_their_nearest_ancestor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
