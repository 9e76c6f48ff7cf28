/* Levels are made from above, then sizes of subtrees from below, then positions. What a code is called follows from the numbers of the
 * children on the way to it. */
#include "synth/vocabulary/terminology.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "synth/draws.h"
#include "synth/vocabulary/deal.h"

enum { MANY = 1 << 30 };

/* Counts by level are ours, but for their sums by system: MedTok's 617,490 codes (arXiv 2502.04397). The last level has what the others
 * leave. */
static const struct made_shape {
    enum code_system system;
    enum made_domain domain;
    int n_levels;
    int64_t published, levels[TERMINOLOGY_LEVELS];
    int64_t most[TERMINOLOGY_LEVELS]; /* roots, and children that a code may have, as far as strings of the system go */
    enum name_kind root;
    int named_from;  /* codes above this level are called by their place alone, those from it on by their concept too */
    const char *end; /* of each description */
    /* Of level l, from 1. So that no two descriptions are the same, the first kind of a level stands nowhere else in the terminology. */
    enum made_qualifier qualifiers[TERMINOLOGY_LEVELS][2];
} SHAPES[N_TERMINOLOGIES] = {
    /* clang-format off */
    [MADE_SNOMED_CONDITIONS] = {SYSTEM_SNOMED, DOMAIN_CONDITION, 5, 181995, {12, 1500, 25000, 90000}, {MANY, MANY, MANY, MANY, MANY}, NAME_GROUP, 1, "(disorder)",
        {{0}, {QUALIFIER_CAUSE, QUALIFIER_EVIDENCE}, {QUALIFIER_SIDE, QUALIFIER_EVIDENCE},
         {QUALIFIER_COURSE, QUALIFIER_EVIDENCE}, {QUALIFIER_STAGE, QUALIFIER_EVIDENCE}}},
    [MADE_SNOMED_PROCEDURES] = {SYSTEM_SNOMED, DOMAIN_PROCEDURE, 5, 75831, {6, 600, 6000, 30000}, {MANY, MANY, MANY, MANY, MANY}, NAME_OPERATION, 2, "(procedure)",
        {{0}, {QUALIFIER_PURPOSE, QUALIFIER_STAGE}, {QUALIFIER_DEVICE, QUALIFIER_STAGE},
         {QUALIFIER_APPROACH, QUALIFIER_STAGE}, {QUALIFIER_SIDE, QUALIFIER_STAGE}}},
    [MADE_SNOMED_SUBSTANCES] = {SYSTEM_SNOMED, DOMAIN_DRUG, 5, 45499, {4, 100, 2000, 15000}, {MANY, MANY, MANY, MANY, MANY}, NAME_AGENT_KIND, 3, "(product)",
        {{0}, {QUALIFIER_ACTION, 0}, {QUALIFIER_CHEMISTRY, 0}, {QUALIFIER_FORM, 0}, {QUALIFIER_STRENGTH, 0}}},
    [MADE_ICD10CM] = {SYSTEM_ICD10CM, DOMAIN_CONDITION, 5, 81184, {1900, 10000, 20000, 24000}, {9360, 10, 10, 10, 10}, NAME_GROUP, 0, "",
        {{0}, {QUALIFIER_CAUSE, 0}, {QUALIFIER_COURSE, 0}, {QUALIFIER_SIDE, 0}, {QUALIFIER_ENCOUNTER, 0}}},
    [MADE_RXNORM] = {SYSTEM_RXNORM, DOMAIN_DRUG, 3, 81151, {9000, 25000}, {MANY, MANY, MANY}, NAME_BRAND, 0, "",
        {{0}, {QUALIFIER_STRENGTH, QUALIFIER_CHEMISTRY}, {QUALIFIER_FORM, QUALIFIER_CHEMISTRY}}},
    [MADE_ICD10PCS] = {SYSTEM_ICD10PCS, DOMAIN_PROCEDURE, 2, 61644, {900}, {17 * 34 * 34, 34 * 24}, NAME_OPERATION, 1, "",
        {{0}, {QUALIFIER_DEVICE, QUALIFIER_APPROACH}}},
    [MADE_NDC] = {SYSTEM_NDC, DOMAIN_DRUG, 2, 54560, {11000}, {MANY, 98}, NAME_BRAND, 0, "human prescription drug",
        {{0}, {QUALIFIER_PACKAGE, QUALIFIER_STRENGTH}}},
    [MADE_ICD9CM] = {SYSTEM_ICD9CM, DOMAIN_CONDITION, 3, 18365, {1090, 6500}, {2098, 10, 10}, NAME_GROUP, 0, "NEC",
        {{0}, {QUALIFIER_CAUSE, 0}, {QUALIFIER_COURSE, 0}}},
    [MADE_CPT] = {SYSTEM_CPT, DOMAIN_PROCEDURE, 4, 10602, {6, 100, 1500}, {MANY, MANY, MANY, MANY}, NAME_SERVICE, 1, "",
        {{0}, {QUALIFIER_PURPOSE, QUALIFIER_STAGE}, {QUALIFIER_APPROACH, QUALIFIER_STAGE},
         {QUALIFIER_SIDE, QUALIFIER_STAGE}}},
    [MADE_ATC] = {SYSTEM_ATC, DOMAIN_DRUG, 5, 6659, {14, 94, 270, 900}, {14, 98, 24, 24, 98}, NAME_AGENT_KIND, 4, "",
        {{0}, {QUALIFIER_ACTION, 0}, {QUALIFIER_CHEMISTRY, 0}, {QUALIFIER_PURPOSE, 0}, {QUALIFIER_FORM, 0}}},
    /* clang-format on */
};

/* ---- levels ---- */
static void scale_levels(struct terminology *t, const struct made_shape *shape, double scale) {
    int64_t above = 1, left = t->n;
    for (int l = 0; l < TERMINOLOGY_LEVELS; l++) {
        int64_t n = l < shape->n_levels - 1 ? llround((double)shape->levels[l] * scale)
                    : l < shape->n_levels   ? left
                                            : 0;
        int64_t most = l == 0 ? shape->most[0] : above * shape->most[l];
        if (l < shape->n_levels && n < 1) n = 1;
        if (n > most) n = most;
        if (n > left) n = left;
        t->at[l + 1] = t->at[l] + n;
        above = n;
        left -= n;
    }
}

/* Deals the codes of level l + 1 out to those of level l. */
static int make_children(struct terminology *t, const struct made_shape *shape, int l, uint64_t seed) {
    int64_t n = t->at[l + 1] - t->at[l];
    double *weight;
    int32_t *count;
    TRY(mem_alloc(&weight, n, sizeof *weight));
    int status = mem_alloc(&count, n, sizeof *count);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) {
        struct draws d = draws_begin(seed, DRAW_CHILDREN, (uint32_t)t->which, t->at[l] + i);
        weight[i] = 1 / (0.02 + draw_uniform(&d)); /* the largest some 50 times the smallest */
    }
    if (status == STATUS_OK) deal(t->at[l + 2] - t->at[l + 1], n, weight, 0, shape->most[l + 1], count);
    for (int64_t i = t->at[l], next = t->at[l + 1]; i < t->at[l + 1] && status == STATUS_OK; i++) {
        t->child[i] = (int32_t)next;
        for (int32_t k = 0; k < count[i - t->at[l]]; k++) t->parent[next++] = (int32_t)i;
    }
    free(weight);
    free(count);
    return status;
}

static int make_order(struct terminology *t) {
    int32_t *size;
    TRY(mem_alloc(&size, t->n, sizeof *size));
    for (int64_t i = t->n - 1; i >= 0; i--) {
        size[i]++;
        if (t->parent[i] >= 0) size[t->parent[i]] += size[i];
    }
    for (int64_t i = 0, next = 0; i < t->n; i++) {
        int is_first = t->parent[i] < 0 ? i == 0 : t->child[t->parent[i]] == i;
        if (is_first) next = t->parent[i] < 0 ? 0 : t->position[t->parent[i]] + 1;
        t->position[i] = (int32_t)next;
        t->order[next] = (int32_t)i;
        next += size[i];
    }
    free(size);
    return STATUS_OK;
}

static int make_concepts(struct terminology *t, int64_t n_concepts, uint64_t seed) {
    enum { ANY_EVERY = 10 };
    TRY(mem_alloc(&t->concept, t->n, sizeof *t->concept));
    for (int64_t p = 0; p < t->n; p++) {
        struct draws d = draws_begin(seed, DRAW_CONCEPTS, (uint32_t)t->which, p);
        int is_any = draw_below(&d, ANY_EVERY) == 0;
        t->concept[p] = (int32_t)(is_any ? draw_below(&d, n_concepts) : p * n_concepts / t->n);
    }
    return STATUS_OK;
}

static int make(struct terminology *t, double scale, int64_t n_concepts, uint64_t seed) {
    const struct made_shape *shape = &SHAPES[t->which];
    scale_levels(t, shape, scale);
    TRY(mem_alloc(&t->parent, t->n, sizeof *t->parent));
    TRY(mem_alloc(&t->child, t->n + 1, sizeof *t->child));
    TRY(mem_alloc(&t->order, t->n, sizeof *t->order));
    TRY(mem_alloc(&t->position, t->n, sizeof *t->position));
    for (int64_t i = 0; i < t->at[1]; i++) t->parent[i] = -1;
    for (int l = 0; l + 1 < shape->n_levels; l++) TRY(make_children(t, shape, l, seed));
    TRY(make_order(t));
    return make_concepts(t, n_concepts, seed);
}

int terminologies_make(struct terminology all[N_TERMINOLOGIES], double scale, const int64_t n_concepts[N_MADE_DOMAINS],
                       uint64_t seed) {
    int64_t published = 0, first = 0;
    memset(all, 0, N_TERMINOLOGIES * sizeof *all);
    for (int w = 0; w < N_TERMINOLOGIES; w++) {
        struct terminology *t = &all[w];
        if (w == 0 || SHAPES[w].system != SHAPES[w - 1].system) published = first = 0;
        published += SHAPES[w].published;
        *t = (struct terminology){.which = (enum made_terminology)w,
                                  .system = SHAPES[w].system,
                                  .domain = SHAPES[w].domain,
                                  .first = first,
                                  .n = llround((double)published * scale) - first};
        first += t->n;
        TRY(make(t, scale, n_concepts[t->domain], seed));
    }
    return STATUS_OK;
}

void terminologies_free(struct terminology all[N_TERMINOLOGIES]) {
    for (int w = 0; w < N_TERMINOLOGIES; w++) {
        free(all[w].parent);
        free(all[w].child);
        free(all[w].order);
        free(all[w].position);
        free(all[w].concept);
        all[w] = (struct terminology){0};
    }
}

int64_t terminology_above(const struct terminology *t, int64_t position) {
    int32_t parent = t->parent[t->order[position]];
    return parent < 0 ? -1 : t->position[parent];
}

int terminology_needs_parents(const struct terminology *t) {
    return t->system == SYSTEM_SNOMED || t->system == SYSTEM_RXNORM || t->system == SYSTEM_CPT;
}

/* ---- the way to a code ---- */
/* Its number among the roots, then among the children at each level, into way[]; returns its level. by_level: codes on the way. */
static int way_to(const struct terminology *t, int64_t position, int32_t way[TERMINOLOGY_LEVELS],
                  int32_t by_level[TERMINOLOGY_LEVELS]) {
    int level = 0;
    int32_t i = t->order[position];
    while (i >= t->at[level + 1]) level++;
    for (int l = level; l >= 0; l--) {
        by_level[l] = i;
        way[l] = l ? i - t->child[t->parent[i]] : i;
        i = t->parent[i];
    }
    return level;
}

/* ---- codes ---- */
static const char ICD_DIGITS[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                  PCS_DIGITS[] = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/* Root r of n spread over so many. */
static int64_t spread(const struct terminology *t, int64_t root, int64_t over) { return root * over / t->at[1]; }

static void put_icd10cm(const struct terminology *t, int level, const int32_t *way, char *code) {
    int with_letters = t->at[1] > 2600, third = with_letters ? 36 : 10;
    int64_t r = spread(t, way[0], 260 * third);
    int n = sprintf(code, "%c%d%c", (char)('A' + r / (10 * third)), (int)(r / third % 10), ICD_DIGITS[r % third]);
    for (int l = 1; l <= level; l++) n += sprintf(code + n, "%s%d", l == 1 ? "." : "", way[l]);
}

static void put_icd9cm(const struct terminology *t, int level, const int32_t *way, char *code) {
    enum { NUMBERS = 999, V_CODES = 99, E_CODES = 1000 };
    int64_t r = spread(t, way[0], t->at[1] > NUMBERS + V_CODES ? NUMBERS + V_CODES + E_CODES : NUMBERS + V_CODES);
    int n = r < NUMBERS             ? sprintf(code, "%03d", (int)r + 1)
            : r < NUMBERS + V_CODES ? sprintf(code, "V%02d", (int)(r - NUMBERS) + 1)
                                    : sprintf(code, "E%03d", (int)(r - NUMBERS - V_CODES));
    for (int l = 1; l <= level; l++) n += sprintf(code + n, "%s%d", l == 1 ? "." : "", way[l]);
}

static void put_icd10pcs(const struct terminology *t, int level, const int32_t *way, char *code) {
    static const char SECTIONS[] = "0123456789BCDFGHX";
    int64_t r = spread(t, way[0], 17 * 34 * 34), k = level ? way[1] : 0;
    int n = sprintf(code, "%c%c%c", SECTIONS[r / (34 * 34)], PCS_DIGITS[r / 34 % 34], PCS_DIGITS[r % 34]);
    if (level) sprintf(code + n, "%c%c%c%c", PCS_DIGITS[k / 24], "0348"[k / 6 % 4], "ZDJ"[k / 2 % 3], "ZX"[k % 2]);
}

static void put_atc(int level, const int32_t *way, char *code) {
    int n = sprintf(code, "%c", "ABCDGHJLMNPRSV"[way[0]]);
    if (level > 0) n += sprintf(code + n, "%02d", way[1] + 1);
    if (level > 1) n += sprintf(code + n, "%c", 'A' + way[2]);
    if (level > 2) n += sprintf(code + n, "%c", 'A' + way[3]);
    if (level > 3) sprintf(code + n, "%02d", way[4] + 1);
}

/* Numbers that say nothing: multiples of a number in the field of a prime, each once. */
static int64_t scatter(int64_t i, int64_t prime) { return (i * 48271 + 11) % prime; }

void terminology_code(const struct terminology *t, int64_t position, char code[MADE_CODE_BYTES]) {
    enum { PRIME_OF_8 = 99999989, PRIME_OF_7 = 9999991, PRODUCTS = 40, CPT_NUMBERS = 90000, CPT_LETTERS = 10000 };
    int32_t way[TERMINOLOGY_LEVELS], by_level[TERMINOLOGY_LEVELS];
    int level = way_to(t, position, way, by_level);
    switch (t->system) {
        case SYSTEM_ICD10CM: put_icd10cm(t, level, way, code); break;
        case SYSTEM_ICD9CM: put_icd9cm(t, level, way, code); break;
        case SYSTEM_ICD10PCS: put_icd10pcs(t, level, way, code); break;
        case SYSTEM_ATC: put_atc(level, way, code); break;
        case SYSTEM_NDC:
            level = level ? way[1] + 1 : 0;
            snprintf(code, MADE_CODE_BYTES, level ? "%05d-%04d-%02d" : "%05d-%04d", way[0] / PRODUCTS + 1,
                     way[0] % PRODUCTS * 25 + 100, level);
            break;
        case SYSTEM_CPT:
            if (position < CPT_NUMBERS)
                snprintf(code, MADE_CODE_BYTES, "%05d", (int)position + CPT_LETTERS);
            else
                snprintf(code, MADE_CODE_BYTES, "%04d%c", (int)(position - CPT_NUMBERS) % CPT_LETTERS,
                         "FTU"[(position - CPT_NUMBERS) / CPT_LETTERS]);
            break;
        case SYSTEM_RXNORM: snprintf(code, MADE_CODE_BYTES, "%lld", (long long)scatter(position, PRIME_OF_7)); break;
        default:
            snprintf(code, MADE_CODE_BYTES, "%lld", 100000000 + (long long)scatter(t->first + position, PRIME_OF_8));
    }
}

/* ---- descriptions ---- */
void concept_name(enum made_domain domain, int64_t concept, char name[MADE_NAME_BYTES]) {
    static const enum name_kind NAMES[N_MADE_DOMAINS] = {NAME_CONDITION, NAME_DRUG, NAME_SITE};
    made_name_put(NAMES[domain], concept, name);
}

void terminology_describe(const struct terminology *t, int64_t position, struct made_text *text) {
    const struct made_shape *shape = &SHAPES[t->which];
    int32_t way[TERMINOLOGY_LEVELS], by_level[TERMINOLOGY_LEVELS];
    char name[MADE_NAME_BYTES];
    int level = way_to(t, position, way, by_level);
    text->n = 0;
    made_name_put(shape->root, way[0], name);
    made_text_add(text, name);
    for (int l = 0; l <= level; l++) {
        if (l >= shape->named_from) {
            concept_name(t->domain, t->concept[t->position[by_level[l]]], name);
            made_text_add_missing(text, name);
        }
        if (l > 0) made_text_qualify(text, shape->qualifiers[l], way[l]);
    }
    if (shape->end[0]) made_text_add(text, shape->end);
}
