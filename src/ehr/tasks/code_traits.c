/* Sets of codes by prefix and concept.
 *
 * Sources. ICD-9-CM and ICD-10-CM: the titles of their tabular lists (NCHS, CMS): 401 and I10 essential hypertension; 272.0 to 272.4 and E78.0 to E78.5
 * disorders of lipids, which are CCS group 53; 157 and C25 malignant neoplasm of pancreas; 410 and I21, I22 acute and subsequent
 * myocardial infarction; 579.0 and K90.0 celiac disease; 710.0 and M32 systemic lupus. SNOMED CT: EHRSHOT's roots. Phenotypes: the 25 groups
 * that mimic3benchmark uses of HCUP's CCS 2015 (hcup_ccs_2015_definitions.yaml, use_in_benchmark).
 */
#include "ehr/tasks/code_traits.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/status.h"
#include "ehr/tasks/labs.h"
#include "terms/code_form.h"
#include "terms/code_groups.h"
#include "terms/code_map.h"
#include "terms/meds_code.h"

enum { MOST_PREFIXES = 8 };

static const struct diagnosis_set {
    const char *icd9[MOST_PREFIXES], *icd10[MOST_PREFIXES], *snomed;
} DIAGNOSIS_SETS[N_DIAGNOSIS_SETS] = {
    [SET_HYPERTENSION] = {{"401"}, {"I10"}, "59621000"},
    [SET_HYPERLIPIDEMIA] = {{"2720", "2721", "2722", "2723", "2724"},
                            {"E780", "E781", "E782", "E783", "E784", "E785"},
                            "55822004"},
    [SET_PANCREATIC_CANCER] = {{"157"}, {"C25"}, "372003004"},
    [SET_AMI] = {{"410"}, {"I21", "I22"}, "57054005"},
    [SET_CELIAC] = {{"5790"}, {"K900"}, "396331005"},
    [SET_LUPUS] = {{"7100"}, {"M32"}, "55464009"},
};

const char *const FIVE_DRUG_NAMES[N_FIVE_DRUGS] = {"J01XA01", "J01MA12", "B01AB01", "C07AB02", "C10AA05"};

const struct phenotype PHENOTYPES[N_PHENOTYPES] = {
    {2, "Septicemia (except in labor)"},
    {49, "Diabetes mellitus without complication"},
    {50, "Diabetes mellitus with complications"},
    {53, "Disorders of lipid metabolism"},
    {55, "Fluid and electrolyte disorders"},
    {98, "Essential hypertension"},
    {99, "Hypertension with complications and secondary hypertension"},
    {100, "Acute myocardial infarction"},
    {101, "Coronary atherosclerosis and other heart disease"},
    {105, "Conduction disorders"},
    {106, "Cardiac dysrhythmias"},
    {108, "Congestive heart failure; nonhypertensive"},
    {109, "Acute cerebrovascular disease"},
    {122, "Pneumonia (except that caused by tuberculosis or sexually transmitted disease)"},
    {127, "Chronic obstructive pulmonary disease and bronchiectasis"},
    {130, "Pleurisy; pneumothorax; pulmonary collapse"},
    {131, "Respiratory failure; insufficiency; arrest (adult)"},
    {133, "Other lower respiratory disease"},
    {134, "Other upper respiratory disease"},
    {151, "Other liver diseases"},
    {153, "Gastrointestinal hemorrhage"},
    {157, "Acute and unspecified renal failure"},
    {158, "Chronic kidney disease"},
    {238, "Complications of surgical procedures or medical care"},
    {249, "Shock"},
};

/* ---- sets ---- */
_Static_assert((int)N_TASK_CONCEPTS == (int)N_DIAGNOSIS_SETS, "each set of diagnoses has its concept");
void task_concepts(const char *concepts[N_TASK_CONCEPTS]) {
    for (int i = 0; i < N_TASK_CONCEPTS; i++) concepts[i] = DIAGNOSIS_SETS[i].snomed;
}

static int begins(const char *code, const char *const prefixes[MOST_PREFIXES]) {
    for (int i = 0; i < MOST_PREFIXES && prefixes[i]; i++)
        if (strncmp(code, prefixes[i], strlen(prefixes[i])) == 0) return 1;
    return 0;
}

/* The literal list: 410x, 410x0 and 410x1, and of ICD-10 five codes, of which I21.0 and so on are no billable ones ("I22x", its sixth, is
 * no code). */
static int is_medtok_ami(enum code_system system, const char *code) {
    static const char *const ICD10[] = {"I210", "I211", "I213", "I214", "I219"};
    if (system == SYSTEM_ICD9CM)
        return strncmp(code, "410", 3) == 0 && isdigit((unsigned char)code[3]) &&
               (!code[4] || ((code[4] == '0' || code[4] == '1') && !code[5]));
    for (size_t k = 0; system == SYSTEM_ICD10CM && k < sizeof ICD10 / sizeof *ICD10; k++)
        if (strcmp(code, ICD10[k]) == 0) return 1;
    return 0;
}

static unsigned diagnosis_sets(enum code_system system, const char *code) {
    unsigned sets = 0;
    for (int s = 0; s < N_DIAGNOSIS_SETS; s++) {
        const struct diagnosis_set *set = &DIAGNOSIS_SETS[s];
        int in = system == SYSTEM_ICD9CM    ? begins(code, set->icd9)
                 : system == SYSTEM_ICD10CM ? begins(code, set->icd10)
                 : system == SYSTEM_SNOMED  ? strcmp(code, set->snomed) == 0
                                            : 0;
        sets |= (unsigned)in << s;
    }
    return sets | (unsigned)is_medtok_ami(system, code) << SET_AMI_MEDTOK;
}

/* MIMIC-IV-MEDS' word, and EHRSHOT's care sites with "ICU" in their names (ehrshot/labelers/omop.py). */
static int begins_icu(const char *text) {
    static const char *const SITES[] = {"7928450", "7930385", "7930600", "7928852", "7928619", "7929727", "7928675",
                                        "7930225", "7928759", "7928227", "7928810", "7929179", "7928650", "7929351",
                                        "7928457", "7928195", "7930681", "7930670", "7930176", "7931420", "7929149",
                                        "7930857", "7931186", "7930934", "7930924"};
    static const char ICU[] = "ICU_ADMISSION", SITE[] = "CARE_SITE/";
    if (strncasecmp(text, ICU, sizeof ICU - 1) == 0) return 1;
    if (strncasecmp(text, SITE, sizeof SITE - 1) != 0) return 0;
    for (size_t i = 0; i < sizeof SITES / sizeof *SITES; i++)
        if (strcmp(text + sizeof SITE - 1, SITES[i]) == 0) return 1;
    return 0;
}

/* ---- a code ---- */
static void look_at_drug(struct code_traits *t, int64_t i, const char *code) {
    t->sets[i] |= 1 << SET_ATC;
    t->has_atc = 1;
    for (int d = 0; d < N_FIVE_DRUGS; d++)
        if (strcmp(code, FIVE_DRUG_NAMES[d]) == 0) t->five[i] = (int8_t)d;
}

/* The system and form of a code; SYSTEM_OTHER: it tells none. */
static enum code_system split(const char *text, char form[CODE_FORM_BYTES]) {
    char system[MEDS_PART_BYTES], code[MEDS_PART_BYTES];
    form[0] = 0;
    if (!meds_code_split(text, system, code)) return SYSTEM_OTHER;
    enum code_system known = code_system(system);
    code_form(known, code, form);
    return known;
}

static void look_at(struct code_traits *t, const struct task_codes *codes, int64_t i) {
    const char *text = string_at(&codes->text, i);
    char form[CODE_FORM_BYTES];
    enum code_system system = split(text, form);
    t->five[i] = t->phenotype[i] = t->lab[i] = -1;
    t->atc3[i] = -1;
    t->sets[i] = (uint16_t)(diagnosis_sets(system, form) | (unsigned)begins_icu(text) << SET_ICU);
    if (system == SYSTEM_ATC && codes->kind[i] == CODE_KIND_DRUG) look_at_drug(t, i, form);
    lab_of_code(text, &t->lab[i], &t->lab_unit[i]);
}

/* ---- groups from files ---- */
/* The codes by their names SYSTEM/FORM: number[i] in names. */
static int name_codes(const struct task_codes *codes, struct dictionary *names, int32_t *number) {
    char system[MEDS_PART_BYTES], code[MEDS_PART_BYTES], name[CODE_NAME_BYTES];
    for (int64_t i = 0; i < codes->n; i++) {
        const char *text = string_at(&codes->text, i);
        snprintf(name, sizeof name, "%s", text);
        if (meds_code_split(text, system, code)) code_name_make(system, code, name);
        TRY(dictionary_add(names, name, (int64_t)strlen(name), &number[i]));
    }
    return STATUS_OK;
}

static int find_members(const struct task_codes *codes, const struct dictionary *names, const char *group,
                        uint8_t *is_member, int64_t *n) {
    int32_t found = code_groups_find(codes->groups, group);
    *n = 0;
    memset(is_member, 0, (size_t)names->n);
    return found < 0 ? STATUS_OK : code_groups_members(codes->groups, found, names, is_member, n);
}

static int mark_members(struct code_traits *t, const struct task_codes *codes, const struct dictionary *names,
                        const int32_t *number, uint8_t *is_member) {
    char group[32];
    int64_t n;
    for (int p = 0; p < N_PHENOTYPES; p++) {
        TRY(find_members(codes, names, PHENOTYPES[p].name, is_member, &n));
        if (code_groups_find(codes->groups, PHENOTYPES[p].name) >= 0) t->n_phenotypes++;
        for (int64_t i = 0; i < codes->n && n > 0; i++)
            if (is_member[number[i]]) t->phenotype[i] = (int8_t)p;
    }
    for (int s = 0; s < N_DIAGNOSIS_SETS; s++) {
        snprintf(group, sizeof group, "SNOMED %s", DIAGNOSIS_SETS[s].snomed);
        TRY(find_members(codes, names, group, is_member, &n));
        for (int64_t i = 0; i < codes->n && n > 0; i++)
            if (is_member[number[i]]) t->sets[i] |= (uint16_t)(1U << s);
    }
    return STATUS_OK;
}

static int look_at_groups(struct code_traits *t, const struct task_codes *codes) {
    struct dictionary names = {0};
    int32_t *number = NULL;
    uint8_t *is_member = NULL;
    int status = mem_alloc(&number, codes->n, sizeof *number);
    if (status == STATUS_OK) status = mem_alloc(&is_member, codes->n, 1);
    if (status == STATUS_OK) status = name_codes(codes, &names, number);
    if (status == STATUS_OK) status = mark_members(t, codes, &names, number, is_member);
    dictionary_free(&names);
    free(number);
    free(is_member);
    return status;
}

/* ---- groups of drugs ---- */
static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int is_grouped(const struct code_traits *t, const struct task_codes *codes, int64_t i,
                      char form[CODE_FORM_BYTES]) {
    return (t->sets[i] >> SET_ATC & 1) && split(string_at(&codes->text, i), form) == SYSTEM_ATC &&
           strlen(form) >= ATC3_LETTERS;
}

/* The classes are the groups that train has: what is in the other splits alone cannot be learned. */
static int group_drugs(struct code_traits *t, const struct task_codes *codes) {
    char form[CODE_FORM_BYTES];
    long long capacity = 0;
    int32_t n = 0;
    for (int64_t i = 0; i < codes->n; i++) {
        if (!is_grouped(t, codes, i, form) || (codes->train_count && codes->train_count[i] == 0)) continue;
        form[ATC3_LETTERS] = 0;
        TRY(mem_grow(&t->atc3_names, &capacity, t->n_atc3 + 1, sizeof *t->atc3_names));
        t->atc3_names[t->n_atc3] = strdup(form);
        if (!t->atc3_names[t->n_atc3++]) return status_set(STATUS_FAILED, "out of memory");
    }
    if (t->n_atc3 == 0) return STATUS_OK;
    qsort(t->atc3_names, (size_t)t->n_atc3, sizeof *t->atc3_names, compare_names);
    for (int32_t i = 0; i < t->n_atc3; i++)
        if (n == 0 || strcmp(t->atc3_names[n - 1], t->atc3_names[i]) != 0)
            t->atc3_names[n++] = t->atc3_names[i];
        else
            free(t->atc3_names[i]);
    t->n_atc3 = n;
    for (int64_t i = 0; i < codes->n; i++) {
        if (!is_grouped(t, codes, i, form)) continue;
        form[ATC3_LETTERS] = 0;
        const char *name = form;
        char **found = bsearch(&name, t->atc3_names, (size_t)n, sizeof *t->atc3_names, compare_names);
        if (found) t->atc3[i] = (int32_t)(found - t->atc3_names);
    }
    return STATUS_OK;
}

/* ---- all codes ---- */
int code_traits_make(struct code_traits *t, const struct task_codes *codes) {
    *t = (struct code_traits){.n = codes->n, .kind = codes->kind};
    TRY(mem_alloc(&t->sets, codes->n, sizeof *t->sets));
    TRY(mem_alloc(&t->five, codes->n, sizeof *t->five));
    TRY(mem_alloc(&t->phenotype, codes->n, sizeof *t->phenotype));
    TRY(mem_alloc(&t->lab, codes->n, sizeof *t->lab));
    TRY(mem_alloc(&t->lab_unit, codes->n, sizeof *t->lab_unit));
    TRY(mem_alloc(&t->atc3, codes->n, sizeof *t->atc3));
    for (int64_t i = 0; i < codes->n; i++) look_at(t, codes, i);
    if (codes->groups) TRY(look_at_groups(t, codes));
    return group_drugs(t, codes);
}

void code_traits_free(struct code_traits *t) {
    for (int32_t i = 0; i < t->n_atc3; i++) free(t->atc3_names[i]);
    free(t->atc3_names);
    free(t->sets);
    free(t->five);
    free(t->phenotype);
    free(t->lab);
    free(t->lab_unit);
    free(t->atc3);
    *t = (struct code_traits){0};
}
