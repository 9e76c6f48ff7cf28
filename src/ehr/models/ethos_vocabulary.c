/* Spelling, then deciles. */
#include "ehr/models/ethos_vocabulary.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dictionary.h"
#include "base/rng.h"
#include "base/status.h"
#include "dist/gather.h"
#include "terms/code_form.h"
#include "terms/meds_code.h"

/* ---- a code in parts ---- */
/* Adds `size` characters of the form from `first` on, if it is so long, as part n of the system. */
static int add_part(char parts[ETHOS_MOST_PARTS][ETHOS_PART_BYTES], int n, const char *system, const char *form,
                    size_t first, size_t size) {
    if (strlen(form) <= first) return n;
    snprintf(parts[n], ETHOS_PART_BYTES, "%s/%d/%.*s", system, n + 1, (int)size, form + first);
    return n + 1;
}

int ethos_parts(const char *text, char parts[ETHOS_MOST_PARTS][ETHOS_PART_BYTES]) {
    char system[MEDS_PART_BYTES], code[MEDS_PART_BYTES], form[CODE_FORM_BYTES];
    enum code_system known = SYSTEM_OTHER;
    int n = 0;
    if (meds_code_split(text, system, code)) {
        known = code_system(system);
        code_form(known, code, form);
    }
    if (known == SYSTEM_ICD10CM) {
        n = add_part(parts, n, "ICD10CM", form, 0, 3);
        n = add_part(parts, n, "ICD10CM", form, 3, 3);
        n = add_part(parts, n, "ICD10CM", form, 6, CODE_FORM_BYTES);
    } else if (known == SYSTEM_ATC) {
        n = add_part(parts, n, "ATC", form, 0, 3);
        n = add_part(parts, n, "ATC", form, 3, 1);
        n = add_part(parts, n, "ATC", form, 4, CODE_FORM_BYTES);
    } else if (known == SYSTEM_ICD10PCS) {
        for (size_t i = 0; i + 1 < ETHOS_MOST_PARTS; i++) n = add_part(parts, n, "ICD10PCS", form, i, 1);
        n = add_part(parts, n, "ICD10PCS", form, ETHOS_MOST_PARTS - 1, CODE_FORM_BYTES);
    }
    if (n > 0) return n;
    snprintf(parts[0], ETHOS_PART_BYTES, "%s", text);
    return 1;
}

/* ---- spelling ---- */
struct speller {
    const struct ehr_data *data;
    const struct code_rows_source *codes;
    struct ethos_vocabulary *vocabulary;
    struct dictionary parts; /* base: names of parts; medtok-tokens: codebook rows, and texts of codes without */
    int64_t in_train;        /* the first so many of parts */
    long long capacity;
};

/* Texts by which the markers' codes begin, in capital letters. */
static const struct {
    const char *text;
    int32_t unit;
} MARKERS[] = {{"HOSPITAL_ADMISSION", ETHOS_ADMISSION},
               {"HOSPITAL_DISCHARGE", ETHOS_DISCHARGE},
               {"ICU_ADMISSION", ETHOS_ICU_ADMISSION},
               {"ICU_DISCHARGE", ETHOS_ICU_DISCHARGE},
               {"MEDS_DEATH", ETHOS_DEATH}};

static int32_t marker_of(const char *text) {
    for (size_t i = 0; i < sizeof MARKERS / sizeof *MARKERS; i++)
        if (strncmp(text, MARKERS[i].text, strlen(MARKERS[i].text)) == 0) return MARKERS[i].unit;
    return -1;
}

/* A name that no text has, of a codebook row. */
static const char CODEBOOK[] = "\1%d";

/* Of a code with tokens the heaviest of each group, the first of equals; a side that the code lacks has no groups. Else 0. */
static int heaviest(const struct speller *s, int64_t code, int32_t row[ETHOS_MOST_PARTS]) {
    const struct code_bags *b = s->codes->bags;
    int64_t vector = s->data->row[code] - TOKEN_FIRST_CODE - s->data->n_own;
    int n = 0;
    if (vector < 0) return 0;
    for (int64_t first = b->offsets[vector]; first < b->offsets[vector + 1] && n < ETHOS_MOST_PARTS;
         first += b->top_k) {
        int64_t best = first;
        for (int64_t i = first + 1; i < first + b->top_k; i++)
            if (b->weight[i] > b->weight[best]) best = i;
        row[n++] = b->row[best];
    }
    return n;
}

static int is_birth(const struct ehr_data *d, int64_t code) { return strcmp(ehr_code(d, code), "MEDS_BIRTH") == 0; }

/* The names of a code's parts. */
static int names_of(const struct speller *s, int64_t code, char names[ETHOS_MOST_PARTS][ETHOS_PART_BYTES]) {
    const char *text = ehr_code(s->data, code);
    int32_t row[ETHOS_MOST_PARTS];
    if (s->codes->arm == ARM_BASE) return ethos_parts(text, names);
    int n = heaviest(s, code, row);
    for (int i = 0; i < n; i++) snprintf(names[i], ETHOS_PART_BYTES, CODEBOOK, row[i]);
    if (n == 0) snprintf(names[n++], ETHOS_PART_BYTES, "%s", text);
    return n;
}

/* Numbers the parts of codes that train has (or has not), in the order of the codes. */
static int number_parts(struct speller *s, int in_train) {
    char names[ETHOS_MOST_PARTS][ETHOS_PART_BYTES];
    const struct ehr_data *d = s->data;
    for (int64_t c = 0; c < d->n_cohort_codes; c++) {
        int32_t number;
        int has_row = d->row[c] != TOKEN_MISSING && marker_of(ehr_code(d, c)) != ETHOS_DEATH && !is_birth(d, c);
        if (!has_row || (d->in_train[c] > 0) != in_train) continue;
        int n = names_of(s, c, names);
        for (int i = 0; i < n; i++) TRY(dictionary_add(&s->parts, names[i], (int64_t)strlen(names[i]), &number));
    }
    return STATUS_OK;
}

static int append(struct speller *s, int64_t code, int32_t unit) {
    struct ethos_vocabulary *v = s->vocabulary;
    TRY(mem_grow(&v->spelling, &s->capacity, v->offsets[code + 1] + 1, sizeof *v->spelling));
    v->spelling[v->offsets[code + 1]++] = unit;
    return STATUS_OK;
}

static int32_t part_unit(const struct speller *s, const char *name) {
    int32_t number = dictionary_find(&s->parts, name, (int64_t)strlen(name));
    if (number < 0) return ETHOS_MISSING;
    int64_t unit = N_ETHOS_FIXED + number;
    return (int32_t)(number < s->in_train ? unit : unit + N_ETHOS_AGES + N_ETHOS_YEARS);
}

static int spell(struct speller *s, int64_t code) {
    char names[ETHOS_MOST_PARTS][ETHOS_PART_BYTES];
    const char *text = ehr_code(s->data, code);
    int32_t marker = marker_of(text), row = s->data->row[code];
    if (is_birth(s->data, code)) return STATUS_OK;
    if (marker >= 0) TRY(append(s, code, marker));
    if (marker == ETHOS_DEATH) return STATUS_OK;
    if (s->vocabulary->by_rows)
        return append(
            s, code, row < TOKEN_FIRST_CODE ? ETHOS_MISSING : (int32_t)(s->vocabulary->n_own + row - TOKEN_FIRST_CODE));
    int n = names_of(s, code, names);
    for (int i = 0; i < n; i++) TRY(append(s, code, part_unit(s, names[i])));
    return STATUS_OK;
}

/* Which units are codebook rows. */
static int find_codebook(const struct speller *s) {
    struct ethos_vocabulary *v = s->vocabulary;
    TRY(mem_alloc(&v->codebook, v->n_own, sizeof *v->codebook));
    for (int64_t unit = 0; unit < v->n_own; unit++) v->codebook[unit] = -1;
    for (int64_t i = 0; i < s->parts.n; i++) {
        const char *name = s->parts.bytes + s->parts.offsets[i];
        int64_t unit = N_ETHOS_FIXED + i + (i < s->in_train ? 0 : N_ETHOS_AGES + N_ETHOS_YEARS);
        if (name[0] == CODEBOOK[0]) v->codebook[unit] = (int32_t)strtol(name + 1, NULL, 10); /* ends at the next name */
    }
    return STATUS_OK;
}

static int spell_all(struct speller *s) {
    struct ethos_vocabulary *v = s->vocabulary;
    const struct ehr_data *d = s->data;
    if (!v->by_rows) TRY(number_parts(s, 1));
    s->in_train = s->parts.n;
    if (!v->by_rows) TRY(number_parts(s, 0));
    v->n_own_outputs = N_ETHOS_FIXED + s->in_train;
    v->n_own = N_ETHOS_FIXED + N_ETHOS_AGES + N_ETHOS_YEARS + s->parts.n;
    v->n_row_outputs = v->by_rows ? d->n_own + d->n_train_vectors : 0;
    v->age = (int32_t)v->n_own_outputs;
    v->year = v->age + N_ETHOS_AGES;
    TRY(mem_alloc(&v->offsets, d->n_cohort_codes + 1, sizeof *v->offsets));
    for (int64_t c = 0; c < d->n_cohort_codes; c++) {
        v->offsets[c + 1] = v->offsets[c];
        TRY(spell(s, c));
    }
    TRY(mem_grow(&v->spelling, &s->capacity, 1, sizeof *v->spelling));
    return find_codebook(s);
}

/* ---- deciles ---- */
enum { MOST_VALUES = 16384 }; /* of a code */

struct code_value {
    int32_t numeric;
    float value;
};

static int by_code_and_value(const void *a, const void *b) {
    const struct code_value *x = a, *y = b;
    if (x->numeric != y->numeric) return x->numeric < y->numeric ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

struct code_count {
    int64_t code, n;
};

static int by_count(const void *a, const void *b) {
    const struct code_count *x = a, *y = b;
    if (x->n != y->n) return x->n > y->n ? -1 : 1;
    return x->code < y->code ? -1 : 1;
}

static int has_value(const struct sample_event *e) { return e->time != COHORT_NO_TIME && isfinite(e->value); }

/* Chooses the commonest codes with values; counts [codes of the cohort], of all ranks. */
static int choose_numeric(struct ethos_vocabulary *v, int64_t n_codes, const int64_t *counts) {
    struct code_count *list;
    TRY(mem_alloc(&list, n_codes, sizeof *list));
    for (int64_t c = 0; c < n_codes; c++) {
        v->numeric[c] = -1;
        if (counts[c] >= N_ETHOS_DECILES) list[v->n_numeric++] = (struct code_count){c, counts[c]};
    }
    if (v->n_numeric > 1) qsort(list, (size_t)v->n_numeric, sizeof *list, by_count);
    if (v->n_numeric > ETHOS_MOST_NUMERIC) v->n_numeric = ETHOS_MOST_NUMERIC;
    for (int64_t i = 0; i < v->n_numeric; i++) v->numeric[list[i].code] = (int32_t)i;
    free(list);
    return mem_alloc(&v->deciles, v->n_numeric * (N_ETHOS_DECILES - 1), sizeof *v->deciles);
}

/* The values of a subject that has several windows count with the first of them. */
static int counts_values(const struct sample_set *set, int64_t i) { return !set->window || set->window[i] == 0; }

/* This rank's part of the values: each with the same chance, so that of a code about MOST_VALUES are left. */
static int draw_values(const struct ethos_vocabulary *v, const struct sample_set *set, const int64_t *counts,
                       uint64_t seed, long long *n, struct code_value **values) {
    long long capacity = 0;
    for (int64_t i = 0; i < set->n; i++)
        for (int64_t e = set->offsets[i]; e < set->offsets[i + 1] && counts_values(set, i); e++) {
            const struct sample_event *event = &set->events[e];
            int32_t numeric = v->numeric[event->code];
            if (numeric < 0 || !has_value(event)) continue;
            uint64_t index = (uint64_t)set->number[i] << 24 | (uint64_t)((e - set->offsets[i]) & 0xffffff);
            if (rng_uniform(seed, RNG_ETHOS_VALUE, 0, index) * (double)counts[event->code] >= MOST_VALUES) continue;
            TRY(mem_grow(values, &capacity, *n + 1, sizeof **values));
            (*values)[(*n)++] = (struct code_value){numeric, event->value};
        }
    return STATUS_OK;
}

static void cut_deciles(struct ethos_vocabulary *v, int64_t n, struct code_value *values) {
    if (n > 1) qsort(values, (size_t)n, sizeof *values, by_code_and_value);
    for (int64_t first = 0, end; first < n; first = end) {
        for (end = first; end < n && values[end].numeric == values[first].numeric;) end++;
        float *deciles = v->deciles + (int64_t)values[first].numeric * (N_ETHOS_DECILES - 1);
        for (int k = 1; k < N_ETHOS_DECILES; k++)
            deciles[k - 1] = values[first + (k * (end - first) + N_ETHOS_DECILES - 1) / N_ETHOS_DECILES - 1].value;
    }
}

static int fit_deciles(struct ethos_vocabulary *v, const struct comm *comm, const struct ehr_data *d, uint64_t seed) {
    const struct sample_set *set = d->n_pretrain > 0 ? &d->pretrain : &d->sets[SPLIT_TRAIN];
    struct code_value *own = NULL, *all = NULL;
    int64_t *counts = NULL, n_all;
    long long n = 0;
    int status = mem_alloc(&counts, d->n_cohort_codes, sizeof *counts);
    if (status == STATUS_OK) status = mem_alloc(&v->numeric, d->n_cohort_codes, sizeof *v->numeric);
    TRY_DONE(comm_agree(comm, status));
    for (int64_t i = 0; i < set->n; i++)
        for (int64_t e = set->offsets[i]; e < set->offsets[i + 1] && counts_values(set, i); e++)
            counts[set->events[e].code] += has_value(&set->events[e]);
    TRY_DONE(comm_sum_int64(comm, counts, d->n_cohort_codes));
    status = choose_numeric(v, d->n_cohort_codes, counts);
    if (status == STATUS_OK) status = draw_values(v, set, counts, seed, &n, &own);
    TRY_DONE(comm_agree(comm, status));
    TRY_DONE(comm_gather_rows(comm, n, sizeof *own, own, &n_all, &all));
    cut_deciles(v, n_all, all);
done:
    free(counts);
    free(own);
    free(all);
    return status;
}

int ethos_decile(const struct ethos_vocabulary *v, int32_t code, float value) {
    int32_t numeric = v->numeric[code];
    int decile = 0;
    if (numeric < 0 || !isfinite(value)) return -1;
    const float *deciles = v->deciles + (int64_t)numeric * (N_ETHOS_DECILES - 1);
    while (decile < N_ETHOS_DECILES - 1 && value > deciles[decile]) decile++;
    return decile;
}

/* ---- the whole ---- */
int ethos_vocabulary_make(struct ethos_vocabulary *v, const struct comm *comm, const struct ehr_data *data,
                          const struct code_rows_source *codes, uint64_t seed) {
    struct speller s = {.data = data, .codes = codes, .vocabulary = v};
    *v = (struct ethos_vocabulary){.by_rows = codes->arm != ARM_BASE && codes->arm != ARM_MEDTOK_TOKENS};
    int status = comm_agree(comm, spell_all(&s));
    dictionary_free(&s.parts);
    return status == STATUS_OK ? fit_deciles(v, comm, data, seed) : status;
}

void ethos_vocabulary_free(struct ethos_vocabulary *v) {
    free(v->offsets);
    free(v->spelling);
    free(v->numeric);
    free(v->deciles);
    free(v->codebook);
    *v = (struct ethos_vocabulary){0};
}
