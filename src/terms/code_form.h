/* Whether two strings are spellings of one code: the normal form of a code in its system.
 *
 * Within a system two codes are the same if their forms are equal. What a user wrote is what is stored and shown; the form is
 * for comparing alone. In the systems known here neither case nor blanks count.
 *
 *   ICD9CM    without the dot behind the third character (E codes: the fourth). Leading zeros, E and V are part of the code
 *   ICD9PROC  without the dot behind the second. Another system than ICD9CM: 42.80 and 428.0 are two codes
 *   ICD10CM   without the dot behind the third
 *   ICD10PCS  without dots and dashes, which it does not use
 *   NDC       a package is 11 digits, 5-4-2: of labeler-product-package each segment is filled up from the left with zeros
 *             (4-4-2, 5-3-2 and 5-4-1 as on packages; a labeler 6 long loses a leading zero). `*`, which fills up in the FDA's
 *             files, is a zero. A product, labeler-product, is another level than its packages: 5-4 with the dash. Without
 *             dashes 11 digits are whole; 10 may lack a zero at any of three positions, 9 may be a product or have lost two: they
 *             stay as they are, codes of their own
 *   ATC, CPT, HCPCS, RxNorm, SNOMED, LOINC   as written, in upper case; leading zeros and dashes (modifiers, check digits) count
 *   others    as written, but for blanks around it: some systems tell codes apart by case (Read codes) or by dots
 *
 * A dot elsewhere is no spelling of an ICD code and stays. Dashes in ICD codes go (E11.-, E-08), but for the one of a range of
 * categories (A00-A09), which is a code of its own.
 *
 * Sources. ICD: the official tabular lists for where the dot stands, the files of CMS, which leave it out. NDC: 21 CFR 207.33 for
 * the configurations on packages, the 5-4-2 of claims (HIPAA, CMS), FDA's description of the NDC Directory's asterisk, the 6-4-2
 * of the VA's drug file. ATC is often printed with blanks between levels (N02B E01).
 */
#ifndef MEDTOK_TERMS_CODE_FORM_H
#define MEDTOK_TERMS_CODE_FORM_H

enum code_system {
    SYSTEM_OTHER,
    SYSTEM_ICD9CM,
    SYSTEM_ICD9PROC,
    SYSTEM_ICD10CM,
    SYSTEM_ICD10PCS,
    SYSTEM_NDC,
    SYSTEM_ATC,
    SYSTEM_CPT,
    SYSTEM_HCPCS,
    SYSTEM_RXNORM,
    SYSTEM_SNOMED,
    SYSTEM_LOINC,
    N_CODE_SYSTEMS
};

/* Room for a form. Codes are at most 64 bytes long (ingest/code_table.h); a longer string is cut. */
enum { CODE_FORM_BYTES = 80 };

/* The system of this name, by its letters and digits in any case: ICD-10-CM, icd10 and ICD10CM are one. */
enum code_system code_system(const char *name);

/* What a system is called here, however a table spells it: "ICD10CM", "RxNorm". The name itself for other systems. */
const char *code_system_name(const char *name);

/* The same of a system known here, not SYSTEM_OTHER. */
const char *code_system_of(enum code_system system);

/* Whether two names mean one system; those of other systems agree but for case. */
int code_system_same(const char *a, const char *b);

/* Writes the form of a code of `system`. */
void code_form(enum code_system system, const char *code, char form[CODE_FORM_BYTES]);

#endif
