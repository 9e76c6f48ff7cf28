/* A sorted array of normalised names. */
#include "store/code_index.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/status.h"

enum { NAME_BYTES = 80 };

/* Upper case, without dots and blanks. */
static void normalize(const char *name, char out[NAME_BYTES]) {
    int n = 0;
    for (; *name && n < NAME_BYTES - 1; name++)
        if (*name != '.' && *name != ' ') out[n++] = (char)toupper((unsigned char)*name);
    out[n] = 0;
}

static const char *code_at(const struct code_index *x, int64_t i) { return x->code + i * x->code_bytes; }
static const char *system_at(const struct code_index *x, int64_t i) { return x->system + i * x->system_bytes; }

struct entry {
    char name[NAME_BYTES];
    int32_t number;
};

static int by_name(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

int code_index_make(struct code_index *x, const char *code, int64_t code_bytes, const char *system,
                    int64_t system_bytes, int64_t n) {
    struct entry *entries;
    *x = (struct code_index){n, code_bytes, system_bytes, code, system, NULL};
    TRY(mem_alloc(&x->by_name, n, sizeof *x->by_name));
    TRY(mem_alloc(&entries, n, sizeof *entries));
    for (int64_t i = 0; i < n; i++) {
        normalize(code_at(x, i), entries[i].name);
        entries[i].number = (int32_t)i;
    }
    qsort(entries, (size_t)n, sizeof *entries, by_name);
    for (int64_t i = 0; i < n; i++) x->by_name[i] = entries[i].number;
    free(entries);
    return STATUS_OK;
}

void code_index_free(struct code_index *x) {
    free(x->by_name);
    *x = (struct code_index){0};
}

/* `SYSTEM:CODE` -> system and code; without a known system in front, all of it is the code. */
static const char *split_name(const struct code_index *x, const char *name, char system[NAME_BYTES]) {
    const char *colon = strchr(name, ':');
    system[0] = 0;
    if (!colon || colon - name >= NAME_BYTES) return name;
    memcpy(system, name, (size_t)(colon - name));
    system[colon - name] = 0;
    for (int64_t i = 0; i < x->n; i++)
        if (strcasecmp(system_at(x, i), system) == 0) return colon + 1;
    system[0] = 0;
    return name;
}

/* First place in by_name whose normalised code is not before `wanted`. */
static int64_t lower_bound(const struct code_index *x, const char *wanted) {
    int64_t begin = 0, end = x->n;
    while (begin < end) {
        int64_t middle = begin + (end - begin) / 2;
        char name[NAME_BYTES];
        normalize(code_at(x, x->by_name[middle]), name);
        if (strcmp(name, wanted) < 0)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

int64_t code_index_find(const struct code_index *x, const char *name, int64_t *found, int64_t most) {
    char system[NAME_BYTES], wanted[NAME_BYTES], here[NAME_BYTES];
    const char *code = split_name(x, name, system);
    normalize(code, wanted);
    for (int exact = 1; exact >= 0; exact--) {
        int64_t n = 0;
        for (int64_t at = lower_bound(x, wanted); at < x->n; at++) {
            int64_t i = x->by_name[at];
            normalize(code_at(x, i), here);
            if (strcmp(here, wanted) != 0) break;
            if (system[0] && strcasecmp(system_at(x, i), system) != 0) continue;
            if (exact && strcmp(code_at(x, i), code) != 0) continue;
            if (n < most) found[n] = i;
            n++;
        }
        if (n) return n;
    }
    return 0;
}

int64_t code_index_exact(const struct code_index *x, const char *system, const char *code) {
    char wanted[NAME_BYTES], here[NAME_BYTES];
    normalize(code, wanted);
    for (int64_t at = lower_bound(x, wanted); at < x->n; at++) {
        int64_t i = x->by_name[at];
        normalize(code_at(x, i), here);
        if (strcmp(here, wanted) != 0) break;
        if (strcmp(code_at(x, i), code) == 0 && strcmp(system_at(x, i), system) == 0) return i;
    }
    return -1;
}

static int edit_distance(const char *a, const char *b) {
    int row[NAME_BYTES + 1], n = (int)strlen(b);
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 0; a[i]; i++) {
        int diagonal = row[0];
        row[0] = i + 1;
        for (int j = 0; j < n; j++) {
            int best = diagonal + (a[i] != b[j]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j + 1] + 1 < best) best = row[j + 1] + 1;
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[n];
}

int64_t code_index_near(const struct code_index *x, const char *name, int64_t *found, int64_t most) {
    char system[NAME_BYTES], wanted[NAME_BYTES], here[NAME_BYTES];
    int distance[64];
    int64_t n = 0;
    if (most > 64) most = 64;
    normalize(split_name(x, name, system), wanted);
    for (int64_t i = 0; i < x->n; i++) {
        if (system[0] && strcasecmp(system_at(x, i), system) != 0) continue;
        normalize(code_at(x, i), here);
        int d = edit_distance(wanted, here);
        int64_t k = n < most ? n : most;
        while (k > 0 && d < distance[k - 1]) k--;
        if (k >= most) continue;
        if (n < most) n++;
        for (int64_t j = n - 1; j > k; j--) distance[j] = distance[j - 1], found[j] = found[j - 1];
        distance[k] = d;
        found[k] = i;
    }
    return n;
}
