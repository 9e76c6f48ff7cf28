#include "report/code_chapter.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "terms/code_form.h"

/* Categories up to `last`, which is compared as text, behind those of the line before. */
struct chapter {
    const char *last, *name;
};
static const struct chapter ICD10CM[] = {{"B99", "A00-B99 infections"},
                                         {"D49", "C00-D49 neoplasms"},
                                         {"D89", "D50-D89 blood, immune mechanism"},
                                         {"E89", "E00-E89 endocrine, nutrition, metabolism"},
                                         {"F99", "F01-F99 mental, behavioural"},
                                         {"G99", "G00-G99 nervous system"},
                                         {"H59", "H00-H59 eye"},
                                         {"H95", "H60-H95 ear"},
                                         {"I99", "I00-I99 circulation"},
                                         {"J99", "J00-J99 respiration"},
                                         {"K95", "K00-K95 digestion"},
                                         {"L99", "L00-L99 skin"},
                                         {"M99", "M00-M99 muscles, bones"},
                                         {"N99", "N00-N99 genitourinary"},
                                         {"O9A", "O00-O9A pregnancy, childbirth"},
                                         {"P96", "P00-P96 perinatal period"},
                                         {"Q99", "Q00-Q99 malformations"},
                                         {"R99", "R00-R99 symptoms, findings"},
                                         {"T88", "S00-T88 injury, poisoning"},
                                         {"U85", "U00-U85 special purposes"},
                                         {"Y99", "V00-Y99 external causes"},
                                         {"Z99", "Z00-Z99 factors, contact with services"}};
static const struct chapter ICD9CM[] = {{"139", "001-139 infections"},
                                        {"239", "140-239 neoplasms"},
                                        {"279", "240-279 endocrine, nutrition, metabolism, immunity"},
                                        {"289", "280-289 blood"},
                                        {"319", "290-319 mental"},
                                        {"389", "320-389 nervous system, senses"},
                                        {"459", "390-459 circulation"},
                                        {"519", "460-519 respiration"},
                                        {"579", "520-579 digestion"},
                                        {"629", "580-629 genitourinary"},
                                        {"679", "630-679 pregnancy, childbirth"},
                                        {"709", "680-709 skin"},
                                        {"739", "710-739 muscles, bones"},
                                        {"759", "740-759 malformations"},
                                        {"779", "760-779 perinatal period"},
                                        {"799", "780-799 symptoms, ill-defined"},
                                        {"999", "800-999 injury, poisoning"},
                                        {"E99", "E000-E999 external causes"},
                                        {"V99", "V01-V91 factors, contact with services"}};
static const struct chapter ATC[] = {{"A", "A alimentary tract, metabolism"},
                                     {"B", "B blood"},
                                     {"C", "C cardiovascular"},
                                     {"D", "D dermatologicals"},
                                     {"G", "G genitourinary, sex hormones"},
                                     {"H", "H systemic hormones"},
                                     {"J", "J anti-infectives"},
                                     {"L", "L antineoplastic, immunomodulating"},
                                     {"M", "M musculoskeletal"},
                                     {"N", "N nervous system"},
                                     {"P", "P antiparasitic"},
                                     {"R", "R respiratory"},
                                     {"S", "S sensory organs"},
                                     {"V", "V various"}};
#define N_OF(chapters) (sizeof(chapters) / sizeof *(chapters))

/* By the first `length` characters of the code. */
static const char *find(const struct chapter *chapters, size_t n, const char *code, size_t length) {
    for (size_t i = 0; i < n; i++)
        if (strncmp(code, chapters[i].last, length) <= 0) return chapters[i].name;
    return NULL;
}

const char *code_chapter(const char *system, const char *code) {
    enum code_system known = code_system(system);
    char form[CODE_FORM_BYTES];
    code_form(known, code, form);
    if (strlen(form) < 3 && known != SYSTEM_ATC) return NULL;
    switch (known) {
        case SYSTEM_ICD10CM: return isalpha((unsigned char)form[0]) ? find(ICD10CM, N_OF(ICD10CM), form, 3) : NULL;
        case SYSTEM_ICD9CM: return find(ICD9CM, N_OF(ICD9CM), form, 3);
        case SYSTEM_ATC: return isalpha((unsigned char)form[0]) ? find(ATC, N_OF(ATC), form, 1) : NULL;
        default: return NULL;
    }
}
