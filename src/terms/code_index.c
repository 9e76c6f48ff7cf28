/* An open hash table of codes by form in upper case. Codes of one form lie in it in ascending order, since none is removed. */
#include "terms/code_index.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "base/status.h"
#include "base/text.h"
#include "terms/code_form.h"

struct code_slot {
    uint32_t hash;
    int32_t number; /* of the code, + 1; 0: empty */
};

static const char *code_at(const struct code_index *x, int64_t i) { return string_at(&x->code, i); }
static const char *system_at(const struct code_index *x, int64_t i) { return string_at(&x->system, i); }
static void form_at(const struct code_index *x, int64_t i, char form[CODE_FORM_BYTES]) {
    code_form((enum code_system)x->known[i], code_at(x, i), form);
}

static uint64_t hash_form(const char *form) {
    char key[CODE_FORM_BYTES];
    size_t n = 0;
    for (; form[n]; n++) key[n] = (char)toupper((unsigned char)form[n]);
    return XXH3_64bits(key, n);
}

/* The next code from slot *probe on with this hash, or -1; *probe is then behind it. */
static int64_t next_candidate(const struct code_index *x, uint64_t hash, uint64_t *probe) {
    for (;;) {
        struct code_slot slot = x->slots[*probe & (uint64_t)(x->n_slots - 1)];
        if (slot.number == 0) return -1;
        ++*probe;
        if (slot.hash == (uint32_t)(hash >> 32)) return slot.number - 1;
    }
}

static void add(struct code_index *x, int64_t i) {
    char form[CODE_FORM_BYTES];
    form_at(x, i, form);
    uint64_t hash = hash_form(form), mask = (uint64_t)(x->n_slots - 1), probe = hash & mask;
    while (x->slots[probe].number) probe = (probe + 1) & mask;
    x->slots[probe] = (struct code_slot){(uint32_t)(hash >> 32), (int32_t)i + 1};
}

int code_index_make(struct code_index *x, struct strings code, struct strings system, int64_t n) {
    *x = (struct code_index){.n = n, .code = code, .system = system, .n_slots = 16};
    while (x->n_slots < 2 * n) x->n_slots *= 2;
    TRY(mem_alloc(&x->known, n, 1));
    TRY(mem_alloc(&x->slots, x->n_slots, sizeof *x->slots));
    for (int64_t i = 0; i < n; i++) {
        int as_before = i > 0 && strcmp(system_at(x, i), system_at(x, i - 1)) == 0;
        x->known[i] = as_before ? x->known[i - 1] : (uint8_t)code_system(system_at(x, i));
        add(x, i);
    }
    return STATUS_OK;
}

void code_index_free(struct code_index *x) {
    free(x->known);
    free(x->slots);
    *x = (struct code_index){0};
}

/* ---- the same code ---- */
static int64_t first_same(const struct code_index *x, enum code_system known, const char *system, const char *code) {
    char wanted[CODE_FORM_BYTES], here[CODE_FORM_BYTES];
    code_form(known, code, wanted);
    uint64_t hash = hash_form(wanted), probe = hash;
    for (int64_t i; (i = next_candidate(x, hash, &probe)) >= 0;) {
        if (x->known[i] != known || (known == SYSTEM_OTHER && strcasecmp(system_at(x, i), system) != 0)) continue;
        form_at(x, i, here);
        if (strcmp(here, wanted) == 0) return i;
    }
    return -1;
}

int64_t code_index_same(const struct code_index *x, const char *system, const char *code) {
    return first_same(x, code_system(system), system, code);
}

int64_t code_index_twice(const struct code_index *x, int64_t pair[2]) {
    int64_t n = 0;
    for (int64_t i = 0; i < x->n; i++) {
        int64_t first = first_same(x, (enum code_system)x->known[i], system_at(x, i), code_at(x, i));
        if (first == i || ++n > 1) continue;
        pair[0] = first;
        pair[1] = i;
    }
    return n;
}

/* ---- names ---- */
/* `SYSTEM:CODE` -> system and code; without a system of the index in front, all of it is the code. */
static const char *split_name(const struct code_index *x, const char *name, char system[CODE_FORM_BYTES]) {
    const char *colon = strchr(name, ':');
    system[0] = 0;
    if (!colon || colon - name >= CODE_FORM_BYTES) return name;
    memcpy(system, name, (size_t)(colon - name));
    system[colon - name] = 0;
    for (int64_t i = 0; i < x->n; i++) {
        if (i > 0 && strcmp(system_at(x, i), system_at(x, i - 1)) == 0) continue;
        if (code_system_same(system_at(x, i), system)) return colon + 1;
    }
    system[0] = 0;
    return name;
}

/* What was found so far, the best first. */
struct list {
    int64_t *found, *rank; /* smaller is better; equal ones stay in order */
    int64_t n, most;
};

static void keep(struct list *list, int64_t number, int64_t rank) {
    int64_t k = list->n;
    while (k > 0 && rank < list->rank[k - 1]) k--;
    if (k >= list->most) return;
    if (list->n < list->most) list->n++;
    for (int64_t j = list->n - 1; j > k; j--) list->rank[j] = list->rank[j - 1], list->found[j] = list->found[j - 1];
    list->rank[k] = rank;
    list->found[k] = number;
}

enum { MOST_KEPT = 64 };

int64_t code_index_find(const struct code_index *x, const char *name, int64_t *found, int64_t most) {
    char system[CODE_FORM_BYTES], wanted[CODE_FORM_BYTES], here[CODE_FORM_BYTES];
    const char *code = split_name(x, name, system);
    int64_t rank[MOST_KEPT], n = 0;
    struct list list = {found, rank, 0, most < MOST_KEPT ? most : MOST_KEPT};
    for (int known = 0; known < N_CODE_SYSTEMS; known++) {
        code_form((enum code_system)known, code, wanted);
        uint64_t hash = hash_form(wanted), probe = hash;
        for (int64_t i; (i = next_candidate(x, hash, &probe)) >= 0;) {
            if (x->known[i] != known || (system[0] && !code_system_same(system_at(x, i), system))) continue;
            form_at(x, i, here);
            if (strcasecmp(here, wanted) != 0) continue;
            n++;
            keep(&list, i, strcmp(code_at(x, i), code) == 0 ? i - x->n : i);
        }
    }
    return n;
}

int64_t code_index_near(const struct code_index *x, const char *name, int64_t *found, int64_t most) {
    char system[CODE_FORM_BYTES], wanted[N_CODE_SYSTEMS][CODE_FORM_BYTES], here[CODE_FORM_BYTES];
    const char *code = split_name(x, name, system);
    int64_t rank[MOST_KEPT];
    struct list list = {found, rank, 0, most < MOST_KEPT ? most : MOST_KEPT};
    for (int known = 0; known < N_CODE_SYSTEMS; known++) code_form((enum code_system)known, code, wanted[known]);
    for (int64_t i = 0; i < x->n; i++) {
        if (system[0] && !code_system_same(system_at(x, i), system)) continue;
        form_at(x, i, here);
        keep(&list, i, text_distance(wanted[x->known[i]], here));
    }
    return list.n;
}
