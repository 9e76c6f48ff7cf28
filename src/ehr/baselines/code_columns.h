/* The columns of a baseline, and which of them a code has.
 *
 *   age        "age", years at the prediction time; "age 60 to 69" and so on, 1 in that decade of life
 *   sex        "sex female", "sex male": a code whose last part is female or male ("OBSERVATION//Male"), or f or m behind GENDER or SEX
 *   codes      "code X": the code X, but for those of sex and MEDS_BIRTH
 *   hierarchy  "below S/X": codes at or below X of the system S, as far as their strings tell (terms/code_hierarchy.h)
 *   words      "word x": codes with x in their description, or where they have none in that of their nearest ancestor
 *
 * Columns come from the codes that train has, and do not depend on others; a code that train has not has columns all the same, if its
 * ancestors or words have.
 */
#ifndef MEDTOK_EHR_BASELINES_CODE_COLUMNS_H
#define MEDTOK_EHR_BASELINES_CODE_COLUMNS_H

#include "base/dictionary.h"
#include "base/string_list.h"
#include "store/cohort.h"

#define FEATURE_GROUPS(GROUP)                                                                                          \
    GROUP(AGE, "age") GROUP(SEX, "sex") GROUP(CODES, "codes") GROUP(HIERARCHY, "hierarchy") GROUP(WORDS, "words")
#define FEATURE_GROUP_NUMBER(group, name) FEATURE_##group,
enum feature_group { FEATURE_GROUPS(FEATURE_GROUP_NUMBER) N_FEATURE_GROUPS };
#undef FEATURE_GROUP_NUMBER
extern const char *const FEATURE_GROUP_NAMES[N_FEATURE_GROUPS];

/* Decades of life, the last without an end. */
enum { AGE_DECADES = 11, AGE_COLUMNS = 1 + AGE_DECADES };

enum { SEX_NONE, SEX_FEMALE, SEX_MALE };

struct code_columns {
    struct dictionary names;             /* of the columns */
    int64_t first[N_FEATURE_GROUPS + 1]; /* columns of group g: first[g] .. first[g + 1] - 1 */
    int64_t n_codes;
    int64_t *offsets; /* [n_codes + 1] the columns of each code, ascending, those of age and sex left out */
    int32_t *columns;
    uint8_t *sex;     /* [n_codes] */
    uint8_t *birth;   /* [n_codes] MEDS_BIRTH */
    uint8_t *medical; /* [n_codes] the text tells a system of codes */
    long long columns_capacity;
};

/* The groups that a list names, as bits 1 << enum feature_group; STATUS_USAGE if a name is none. */
int feature_groups_parse(const struct string_list *names, unsigned *groups);

/* in_train [n_codes]: whether train has the code. vocabulary: file with the descriptions of words.
 * Free in any case. */
int code_columns_make(struct code_columns *columns, const struct cohort *cohort, const uint8_t *in_train,
                      unsigned groups, const char *vocabulary);
void code_columns_free(struct code_columns *columns);

/* The name of a column into text[size]. */
void code_columns_name(const struct code_columns *columns, int64_t column, char *text, size_t size);

#endif
