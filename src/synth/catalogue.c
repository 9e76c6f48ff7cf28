#include "synth/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "synth/draws.h"
#include "synth/graph_groups.h"

enum { BACKGROUND_EVERY = 5 };

/* The categories of the diseases that tasks ask for (issue 12: first diagnoses), without the dot. */
static const struct named {
    const char *prefixes[N_ICD][6];
} NAMED[SYNTH_NAMED] = {{{{"401", "402", "403", "404", "405"}, {"I10", "I11", "I12", "I13", "I15"}}},
                        {{{"272"}, {"E78"}}},
                        {{{"157"}, {"C25"}}},
                        {{{"410"}, {"I21", "I22"}}}};

/* ---- codes of a system ---- */
struct code_row {
    char code[SYNTH_CODE_BYTES], name[SYNTH_NAME_BYTES];
    int64_t given; /* number of a given code, or -1 */
};

struct code_rows {
    struct code_row *items;
    long long n, capacity;
};

static int by_code(const void *a, const void *b) {
    const struct code_row *x = a, *y = b;
    int order = strcmp(x->code, y->code);
    return order ? order : (x->given > y->given) - (x->given < y->given);
}

static int add_row(struct code_rows *rows, const char *code, const char *name, int64_t name_size, int64_t given) {
    TRY(mem_grow(&rows->items, &rows->capacity, rows->n + 1, sizeof *rows->items));
    struct code_row *row = &rows->items[rows->n++];
    *row = (struct code_row){.given = given};
    snprintf(row->code, sizeof row->code, "%s", code);
    if (name_size >= SYNTH_NAME_BYTES) name_size = SYNTH_NAME_BYTES - 1;
    if (name_size > 0) memcpy(row->name, name, (size_t)name_size);
    return STATUS_OK;
}

static int made_rows(enum code_system system, struct code_rows *rows) {
    char code[SYNTH_CODE_BYTES], name[SYNTH_NAME_BYTES] = "";
    for (int64_t i = 0; made_code(system, i, code); i++) {
        if (system == SYSTEM_ATC) made_name(i, name);
        TRY(add_row(rows, code, name, (int64_t)strlen(name), -1));
    }
    return STATUS_OK;
}

static int64_t description_size(const struct synth_given_codes *given, int64_t i) {
    return given->description_end ? given->description_end[i] - given->description.at[i]
                                  : (int64_t)strlen(string_at(&given->description, i));
}

/* Ranges (A00-A09), codes too long, and ATC's upper levels are none that a hospital writes. */
static int given_rows(enum code_system system, const struct synth_given_codes *given, struct code_rows *rows) {
    char form[CODE_FORM_BYTES];
    for (int64_t i = 0; i < given->n; i++) {
        if (code_system(string_at(&given->system, i)) != system) continue;
        code_form(system, string_at(&given->code, i), form);
        if (strlen(form) >= SYNTH_CODE_BYTES || strchr(form, '-') || (system == SYSTEM_ATC && strlen(form) != 7))
            continue;
        TRY(add_row(rows, form, string_at(&given->description, i),
                    system == SYSTEM_ATC ? description_size(given, i) : 0, i));
    }
    return STATUS_OK;
}

/* Sorted, each once, and of ICD only those that no other continues. */
static void keep_finest(struct code_rows *rows) {
    long long n = 0;
    if (rows->n) qsort(rows->items, (size_t)rows->n, sizeof *rows->items, by_code);
    for (long long i = 0; i < rows->n; i++) {
        size_t length = strlen(rows->items[i].code);
        int continued = i + 1 < rows->n && strncmp(rows->items[i].code, rows->items[i + 1].code, length) == 0;
        if (!continued) rows->items[n++] = rows->items[i];
    }
    rows->n = n;
}

static uint8_t dot_of(enum code_system system, const char *code) {
    int at = system == SYSTEM_ICD9PROC  ? 2
             : system == SYSTEM_ICD9CM  ? 3 + (code[0] == 'E')
             : system == SYSTEM_ICD10CM ? 3
                                        : 0;
    return (uint8_t)(at && strlen(code) > (size_t)at ? at : 0);
}

static int take_rows(struct synth_codes *codes, const struct code_rows *rows) {
    codes->n = (int32_t)rows->n;
    TRY(mem_alloc(&codes->code, rows->n, SYNTH_CODE_BYTES));
    TRY(mem_alloc(&codes->dot, rows->n, 1));
    TRY(mem_alloc(&codes->group, rows->n, sizeof *codes->group));
    TRY(mem_alloc(&codes->member, rows->n, sizeof *codes->member));
    TRY(mem_alloc(&codes->rank, rows->n, sizeof *codes->rank));
    TRY(mem_alloc(&codes->offsets, codes->n_groups + 1LL, sizeof *codes->offsets));
    for (int32_t i = 0; i < codes->n; i++) {
        memcpy(codes->code[i], rows->items[i].code, SYNTH_CODE_BYTES);
        codes->dot[i] = dot_of(codes->system, codes->code[i]);
        codes->group[i] = -1;
    }
    return STATUS_OK;
}

void catalogue_spelling(const struct synth_codes *codes, int32_t code, char *text) {
    const char *from = codes->code[code];
    unsigned char dot = codes->dot[code];
    if (dot)
        snprintf(text, SYNTH_CODE_BYTES + 1, "%.*s.%s", dot, from, from + dot);
    else
        snprintf(text, SYNTH_CODE_BYTES + 1, "%s", from);
}

/* ---- groups ---- */
static int has_prefix(const char *code, const char *const prefixes[6]) {
    for (int i = 0; i < 6 && prefixes[i]; i++)
        if (strncmp(code, prefixes[i], strlen(prefixes[i])) == 0) return 1;
    return 0;
}

static void name_groups(struct synth_codes *codes, int version) {
    for (int32_t i = 0; i < codes->n; i++)
        for (int g = 0; g < SYNTH_NAMED; g++)
            if (codes->group[i] < 0 && has_prefix(codes->code[i], NAMED[g].prefixes[version])) codes->group[i] = g;
}

/* Whether code i is of another category than `before` (-1: none); procedures by two characters, drugs one by one. */
static int other_category(const struct synth_codes *codes, int32_t before, int32_t i) {
    size_t n = codes->system == SYSTEM_ICD10CM || codes->system == SYSTEM_ICD9CM ? 3
               : codes->system == SYSTEM_ATC                                     ? 7
                                                                                 : 2;
    if (codes->system == SYSTEM_ICD9CM && codes->code[i][0] == 'E') n = 4;
    return before < 0 || strncmp(codes->code[i], codes->code[before], n) != 0;
}

/* How many units there are to cut: categories with codes in no group, or such codes one by one. */
static int32_t count_units(const struct synth_codes *codes, int by_category) {
    int32_t n = 0, before = -1;
    for (int32_t i = 0; i < codes->n; i++) {
        if (codes->group[i] >= 0) continue;
        n += !by_category || other_category(codes, before, i);
        before = i;
    }
    return n;
}

/* Cuts the codes that are in no group yet into runs of categories, or of codes where there are too few categories: every fifth run
 * is background, the others are the groups first, first + 1, ... */
static int cut_runs(struct synth_codes *codes, int32_t first, const char *what) {
    int32_t background = codes->n_groups - 1, n_groups = background - first, unit = -1, before = -1;
    int32_t n_runs = n_groups + (n_groups + BACKGROUND_EVERY - 2) / (BACKGROUND_EVERY - 1);
    int by_category = count_units(codes, 1) >= 2 * n_runs;
    int32_t n_units = count_units(codes, by_category);
    if (n_units < n_runs || n_units == 0)
        return status_set(STATUS_FAILED,
                          "%d diseases need %d groups of %s codes, but there are %d codes for them: lower "
                          "synth.diseases, or name more codes",
                          (int)background, (int)n_runs, what, (int)n_units);
    for (int32_t i = 0; i < codes->n; i++) {
        if (codes->group[i] >= 0) continue;
        unit += !by_category || other_category(codes, before, i);
        before = i;
        int32_t run = (int32_t)((int64_t)unit * n_runs / n_units), group = first + run - run / BACKGROUND_EVERY;
        codes->group[i] = run % BACKGROUND_EVERY == BACKGROUND_EVERY - 1 || group > background ? background : group;
    }
    return STATUS_OK;
}

/* member, offsets and rank from group; a random order within a group. */
static int list_members(struct synth_codes *codes, int64_t seed, int what) {
    int64_t *order, *fill;
    TRY(mem_alloc(&order, codes->n + codes->n_groups + 1LL, sizeof *order));
    fill = order + codes->n;
    for (int32_t i = 0; i < codes->n; i++) {
        order[i] = i;
        codes->offsets[codes->group[i] + 1]++;
    }
    for (int32_t g = 0; g < codes->n_groups; g++) codes->offsets[g + 1] += codes->offsets[g];
    for (int32_t g = 0; g < codes->n_groups; g++) fill[g] = codes->offsets[g];
    rng_shuffle((uint64_t)seed, RNG_SYNTH + DRAW_CODES, (uint32_t)what, 0, order, codes->n);
    for (int32_t i = 0; i < codes->n; i++) {
        int32_t code = (int32_t)order[i], g = codes->group[code];
        codes->rank[code] = (int32_t)fill[g] - codes->offsets[g];
        codes->member[fill[g]++] = code;
    }
    free(order);
    return STATUS_OK;
}

static int check_groups(const struct synth_codes *codes, const char *what) {
    for (int32_t g = 0; g < codes->n_groups; g++)
        if (codes->offsets[g] == codes->offsets[g + 1])
            return status_set(STATUS_FAILED, "no %s code is left for %s %d: lower synth.diseases, or name more codes",
                              what, g < codes->n_groups - 1 ? "disease" : "the background, group", (int)g);
    return STATUS_OK;
}

/* ---- all ---- */
static int make_codes(struct synth_codes *codes, enum code_system system, int32_t n_diseases,
                      const struct synth_given_codes *given, struct code_rows *rows) {
    rows->n = 0;
    codes->system = system;
    codes->n_groups = n_diseases + 1;
    TRY(given->n ? given_rows(system, given, rows) : made_rows(system, rows));
    keep_finest(rows);
    return take_rows(codes, rows);
}

static void make_drug(struct synth_drug *drug, const struct code_row *row, int64_t number) {
    static const char *const ASKED_FOR[][2] = {{"B01AB01", "Heparin"},
                                               {"C07AB02", "Metoprolol Tartrate"},
                                               {"C10AA05", "Atorvastatin"},
                                               {"J01MA12", "Levofloxacin"},
                                               {"J01XA01", "Vancomycin"}};
    snprintf(drug->atc, sizeof drug->atc, "%.7s", row->code);
    snprintf(drug->name, sizeof drug->name, "%s", row->name);
    for (int i = 0; i < 5; i++)
        if (strcmp(drug->atc, ASKED_FOR[i][0]) == 0) snprintf(drug->name, sizeof drug->name, "%s", ASKED_FOR[i][1]);
    for (char *c = drug->name; *c; c++)
        if (*c == '"' || (unsigned char)*c < ' ') *c = ' ';
    drug->n_packages = 1 + (int)(number % SYNTH_PACKAGES);
    for (int p = 0; p < drug->n_packages; p++) /* labeler, product, package: 5-4-2 */
        snprintf(drug->package[p], sizeof drug->package[p], "%05d%04d%02d",
                 (int)(1 + number * 37 % 9999 + number / 10000), (int)(number % 10000), 10 + p % SYNTH_PACKAGES);
}

static int make_drugs(struct catalogue *c, const struct synth_given_codes *given, struct code_rows *rows) {
    TRY(make_codes(&c->drug, SYSTEM_ATC, c->n_diseases, given, rows));
    TRY(mem_alloc(&c->drugs, c->drug.n, sizeof *c->drugs));
    for (int32_t i = 0; i < c->drug.n; i++) make_drug(&c->drugs[i], &rows->items[i], i);
    return STATUS_OK;
}

static int finish_codes(struct synth_codes *codes, int32_t first, int64_t seed, int what, const char *name) {
    TRY(cut_runs(codes, first, name));
    TRY(list_members(codes, seed, what));
    return check_groups(codes, name);
}

/* The given codes behind the diagnoses of both versions, for the groups of the graph. */
static int make_diagnoses(struct catalogue *c, const struct synth_options *options, int64_t seed,
                          const struct synth_given_codes *given, struct code_rows rows[N_ICD]) {
    static const enum code_system SYSTEMS[N_ICD] = {SYSTEM_ICD9CM, SYSTEM_ICD10CM};
    int64_t *number[N_ICD] = {NULL, NULL};
    int status = STATUS_OK;
    for (int v = 0; v < N_ICD && status == STATUS_OK; v++) {
        status = make_codes(&c->diagnosis[v], SYSTEMS[v], c->n_diseases, given, &rows[v]);
        if (status == STATUS_OK) status = mem_alloc(&number[v], rows[v].n, sizeof **number);
        if (status != STATUS_OK) break;
        for (long long i = 0; i < rows[v].n; i++) number[v][i] = rows[v].items[i].given;
        name_groups(&c->diagnosis[v], v);
    }
    if (status == STATUS_OK && given->node_offsets)
        status =
            graph_groups_make(c->diagnosis, (const int64_t *const *)number, given, SYNTH_NAMED,
                              (int32_t)(options->graph_share * (c->n_diseases - SYNTH_NAMED)), seed, &c->n_of_graph);
    for (int v = 0; v < N_ICD; v++) free(number[v]);
    TRY(status);
    TRY(finish_codes(&c->diagnosis[ICD9], SYNTH_NAMED + c->n_of_graph, seed, 0, "ICD9CM"));
    return finish_codes(&c->diagnosis[ICD10], SYNTH_NAMED + c->n_of_graph, seed, 1, "ICD10CM");
}

int catalogue_make(struct catalogue *c, const struct synth_options *options, int64_t seed,
                   const struct synth_given_codes *given) {
    struct code_rows rows[N_ICD] = {{0}};
    *c = (struct catalogue){.n_diseases = (int32_t)options->diseases};
    int status = make_diagnoses(c, options, seed, given, rows);
    if (status == STATUS_OK) status = make_codes(&c->procedure[ICD9], SYSTEM_ICD9PROC, c->n_diseases, given, rows);
    if (status == STATUS_OK) status = finish_codes(&c->procedure[ICD9], 0, seed, 2, "ICD9PROC");
    if (status == STATUS_OK) status = make_codes(&c->procedure[ICD10], SYSTEM_ICD10PCS, c->n_diseases, given, rows);
    if (status == STATUS_OK) status = finish_codes(&c->procedure[ICD10], 0, seed, 3, "ICD10PCS");
    if (status == STATUS_OK) status = make_drugs(c, given, rows);
    if (status == STATUS_OK) status = finish_codes(&c->drug, 0, seed, 4, "ATC");
    for (int v = 0; v < N_ICD; v++) free(rows[v].items);
    if (status != STATUS_OK) catalogue_free(c);
    return status;
}

static void codes_free(struct synth_codes *codes) {
    free(codes->code);
    free(codes->dot);
    free(codes->group);
    free(codes->member);
    free(codes->rank);
    free(codes->offsets);
}

void catalogue_free(struct catalogue *c) {
    for (int v = 0; v < N_ICD; v++) {
        codes_free(&c->diagnosis[v]);
        codes_free(&c->procedure[v]);
    }
    codes_free(&c->drug);
    free(c->drugs);
    *c = (struct catalogue){0};
}
