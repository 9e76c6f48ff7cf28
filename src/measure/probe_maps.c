/* Codes are looked up in the map, and what it gives among the codes. */
#include "measure/probe_maps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/status.h"

/* ---- what a map says of a code ---- */
/* Systems whose codes are found by the names of their drugs: what their descriptions are. */
static int is_of_drugs(enum code_system system) { return system == SYSTEM_NDC || system == SYSTEM_RXNORM; }

/* A map, and how codes are found in it. */
struct mapping {
    const struct code_map *map;
    const int32_t *
        by_name; /* [n] the first entry of the name of each code's drug, or -1; NULL: codes are found by their own names */
};

static int32_t first_entry(const struct probe_codes *c, const struct mapping *m, int64_t code) {
    char name[CODE_NAME_BYTES];
    if (m->by_name) return m->by_name[code];
    probe_code_name(c, code, name);
    return code_map_find(m->map, name);
}

/* The codes of system `to` that the map gives a code, into targets (NULL: only counted). */
static int64_t equivalents(const struct probe_codes *c, const struct mapping *m, int64_t code, int to,
                           int32_t *targets) {
    const struct code_map *map = m->map;
    int64_t n = 0;
    for (int32_t e = first_entry(c, m, code); e >= 0; e = map->entries[e].next) {
        const struct dictionary *d = &map->to;
        int64_t at = d->offsets[map->entries[e].to];
        int32_t found = dictionary_find(&c->names, d->bytes + at, d->offsets[map->entries[e].to + 1] - at);
        if (found < 0 || c->system[c->code_of_name[found]] != to || c->code_of_name[found] == code) continue;
        if (targets) targets[n] = c->code_of_name[found];
        n++;
    }
    return n;
}

static int by_number(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int add_targets(const struct probe_codes *c, const struct mapping *map, int to, struct probe_question *q) {
    struct query_codes *t = &q->targets;
    TRY(mem_alloc(&t->offsets, q->n_queries + 1, sizeof *t->offsets));
    for (int64_t i = 0; i < q->n_queries; i++) {
        int64_t n = equivalents(c, map, q->queries[i], to, NULL);
        TRY(mem_grow(&t->codes, &t->capacity, t->offsets[i] + n, sizeof *t->codes));
        equivalents(c, map, q->queries[i], to, t->codes + t->offsets[i]);
        qsort(t->codes + t->offsets[i], (size_t)n, sizeof *t->codes, by_number);
        t->offsets[i + 1] = t->offsets[i] + n;
    }
    return STATUS_OK;
}

static int ask_of_systems(const struct probe_codes *c, const struct mapping *map, int from, int to, int64_t most,
                          uint64_t seed, struct probe_question *q) {
    int64_t *codes, n = 0;
    *q = (struct probe_question){.kind = QUESTION_RANK};
    snprintf(q->name, sizeof q->name, "%.30s to %.30s%s", c->systems[from], c->systems[to],
             map->by_name ? ", by the drug's name" : "");
    TRY(mem_alloc(&codes, c->n, sizeof *codes));
    for (int64_t i = 0; i < c->n; i++)
        if (c->system[i] == from && equivalents(c, map, i, to, NULL) > 0) codes[n++] = i;
    int status = probe_question_draw(q, codes, n, most, seed);
    free(codes);
    TRY(status);
    TRY(mem_alloc(&q->is_candidate, c->n, 1));
    for (int64_t i = 0; i < c->n; i++) q->n_candidates += q->is_candidate[i] = c->system[i] == to;
    return add_targets(c, map, to, q);
}

/* Whether any name of the dictionary is of the system: a map has few of them. */
static int names_system(const struct dictionary *names, const char *system) {
    size_t size = strlen(system);
    for (int64_t i = 0; i < names->n; i++) {
        int64_t n = names->offsets[i + 1] - names->offsets[i];
        const char *name = names->bytes + names->offsets[i];
        if (n > (int64_t)size && strncmp(name, system, size) == 0 && name[size] == '/') return 1;
    }
    return 0;
}

static int ask_pair(const struct probe_codes *c, const struct mapping *map, int from, int to, int64_t most,
                    uint64_t seed, struct question_list *questions) {
    struct probe_question q;
    int status = ask_of_systems(c, map, from, to, most, seed, &q);
    if (status == STATUS_OK && q.n_queries > 0)
        status = question_list_add(questions, &q);
    else
        probe_question_free(&q);
    return status;
}

/* ---- names of drugs ---- */
/* by_name [c->n] */
static int find_names(const struct probe_codes *c, const char *vocabulary_path, const struct code_map *map,
                      int32_t *by_name) {
    enum { PIECE = 16384 };
    char *text = NULL;
    long long capacity = 0;
    struct vocabulary v = {0};
    int status = STATUS_OK;
    for (int64_t first = 0; first < c->n && status == STATUS_OK; first += PIECE) {
        int64_t count = c->n - first < PIECE ? c->n - first : PIECE;
        TRY_DONE(vocabulary_read(vocabulary_path, first, count, VOCABULARY_DESCRIPTIONS, &v));
        for (int64_t i = 0; i < count; i++) {
            int64_t at = v.description_offsets[i], size = v.description_offsets[i + 1] - at;
            by_name[first + i] = -1;
            if (!is_of_drugs(code_system(c->systems[c->system[first + i]]))) continue;
            TRY_DONE(mem_grow(&text, &capacity, size + 1, 1));
            memcpy(text, v.description + at, (size_t)size);
            text[size] = 0;
            by_name[first + i] = code_map_find_drug(map, text);
        }
        vocabulary_free(&v);
        status = interrupt_poll();
    }
done:
    vocabulary_free(&v);
    free(text);
    return status;
}

static int ask_names(const struct probe_codes *c, const char *vocabulary_path, const struct code_map *map, int64_t most,
                     uint64_t seed, struct question_list *questions) {
    int32_t *by_name = NULL;
    int status;
    if (!names_system(&map->from, DRUG_NAME_SYSTEM)) return STATUS_OK;
    TRY(mem_alloc(&by_name, c->n, sizeof *by_name));
    status = find_names(c, vocabulary_path, map, by_name);
    struct mapping mapping = {map, by_name};
    for (int from = 0; from < c->n_systems; from++)
        for (int to = 0; to < c->n_systems && is_of_drugs(code_system(c->systems[from])); to++)
            if (status == STATUS_OK && to != from && names_system(&map->to, c->systems[to]))
                status = ask_pair(c, &mapping, from, to, most, seed, questions);
    free(by_name);
    return status;
}

int probe_questions_of_map(const struct probe_codes *c, const char *vocabulary_path, const struct code_map *map,
                           int64_t most, uint64_t seed, struct question_list *questions) {
    struct mapping mapping = {.map = map};
    for (int from = 0; from < c->n_systems; from++)
        for (int to = 0; to < c->n_systems && names_system(&map->from, c->systems[from]); to++)
            if (names_system(&map->to, c->systems[to])) TRY(ask_pair(c, &mapping, from, to, most, seed, questions));
    return ask_names(c, vocabulary_path, map, most, seed, questions);
}
