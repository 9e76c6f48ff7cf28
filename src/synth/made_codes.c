/* Codes of the right form: letters and digits where a system has them, in categories of very different size. */
#include <stdio.h>
#include <string.h>

#include "synth/catalogue.h"

/* Category c of n_categories has so many codes: 1 to 40, few large (a fixed sequence, the same in every hospital). */
static int size_of(int64_t category) {
    uint64_t mixed = ((uint64_t)category + 1) * 0x9E3779B97F4A7C15u;
    unsigned share = (unsigned)(mixed >> 54); /* 0 .. 1023 */
    return 1 + (int)(40 * 24 / (24 + share));
}

/* The category that number `number` falls in; its place there in *place; -1: there is none. */
static int64_t category_of(int64_t number, int64_t n_categories, int *place) {
    for (int64_t c = 0; c < n_categories; c++) {
        if (number < size_of(c)) return *place = (int)number, c;
        number -= size_of(c);
    }
    return -1;
}

/* Behind the category one digit where ten suffice, else two. */
static void add_digits(char *code, int64_t category, int place) {
    size_t n = strlen(code);
    if (size_of(category) == 1) return; /* a category that is a code */
    if (size_of(category) <= 10)
        snprintf(code + n, SYNTH_CODE_BYTES - n, "%d", place % 10);
    else
        snprintf(code + n, SYNTH_CODE_BYTES - n, "%02d", place % 100);
}

static int made_diagnosis(int is_10, int64_t number, char *code) {
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTVWXYZ"; /* U is kept for provisional codes */
    int place = 0;
    int64_t c = category_of(number, is_10 ? 2500 : 999 + 91, &place);
    if (c < 0) return 0;
    if (is_10)
        snprintf(code, SYNTH_CODE_BYTES, "%c%02d", LETTERS[c / 100], (int)(c % 100));
    else if (c < 999)
        snprintf(code, SYNTH_CODE_BYTES, "%03d", (int)(c + 1));
    else
        snprintf(code, SYNTH_CODE_BYTES, "V%02d", (int)(c - 999 + 1));
    add_digits(code, c, place);
    return 1;
}

/* ICD-10-PCS: seven characters of 34 (no I, no O), section 0, a body system, and so on. ICD-9: two digits, and two more. */
static int made_procedure(int is_10, int64_t number, char *code) {
    static const char CHARACTERS[] = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    enum { ICD9_CATEGORIES = 99, ICD9_PLACES = 20 };
    int place = 0;
    int64_t c = is_10 ? category_of(number, 900, &place) : number / ICD9_PLACES;
    if (c < 0 || (!is_10 && c >= ICD9_CATEGORIES)) return 0;
    if (is_10)
        snprintf(code, SYNTH_CODE_BYTES, "0%c%c%c%cZZ", CHARACTERS[c / 30], CHARACTERS[c % 30 + 1],
                 CHARACTERS[place / 4], "0348"[place % 4]);
    else
        snprintf(code, SYNTH_CODE_BYTES, "%02d%02d", (int)c + 1, (int)(number % ICD9_PLACES));
    return 1;
}

/* ATC of the fifth level, the five of the drug task among them. */
static int made_drug(int64_t number, char *code) {
    static const char *const ASKED_FOR[] = {"B01AB01", "C07AB02", "C10AA05", "J01MA12", "J01XA01"};
    static const char GROUPS[] = "ABCDGHJLMNPRSV";
    if (number < 5) return strcpy(code, ASKED_FOR[number]), 1;
    number -= 5;
    if (number >= 14 * 10 * 12) return 0;
    int64_t group = number / 120, subgroup = number / 12 % 10, drug = number % 12;
    snprintf(code, SYNTH_CODE_BYTES, "%c%02d%c%c%02d", GROUPS[group], (int)(subgroup + 2), (int)('A' + drug / 6),
             (int)('C' + drug / 3 % 2), (int)(20 + drug));
    return 1;
}

int made_code(enum code_system system, int64_t number, char code[SYNTH_CODE_BYTES]) {
    switch (system) {
        case SYSTEM_ICD9CM: return made_diagnosis(0, number, code);
        case SYSTEM_ICD10CM: return made_diagnosis(1, number, code);
        case SYSTEM_ICD9PROC: return made_procedure(0, number, code);
        case SYSTEM_ICD10PCS: return made_procedure(1, number, code);
        case SYSTEM_ATC: return made_drug(number, code);
        default: return 0;
    }
}

void made_name(int64_t number, char name[SYNTH_NAME_BYTES]) {
    static const char *const FIRST[] = {"Ba", "Ce",  "Do", "Fa", "Gli", "Ke", "Lo", "Mi",
                                        "No", "Pra", "Re", "Sa", "Te",  "Vo", "Xe", "Zu"},
                             *const MIDDLE[] = {"bra", "cli", "da", "fe", "lo", "ma",
                                                "ni",  "pro", "ra", "si", "ta", "vu"},
                             *const LAST[] = {"dine",   "fenol", "lamide", "mycin", "pril",
                                              "statin", "tide",  "vir",    "xaban", "zole"};
    snprintf(name, SYNTH_NAME_BYTES, "%s%s%s", FIRST[number % 16], MIDDLE[number / 16 % 12], LAST[number / 192 % 10]);
}
