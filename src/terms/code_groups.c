/* Pairs of group and code; few groups are ever asked for, so that a pass over all pairs finds their codes. */
#include "terms/code_groups.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "terms/code_map.h"

enum { GROUP_NAME_BYTES = 256 };

static void fold(const char *name, char text[GROUP_NAME_BYTES]) {
    int n = 0;
    for (; *name && n < GROUP_NAME_BYTES - 1; name++) {
        if (isalnum((unsigned char)*name) || (unsigned char)*name >= 0x80)
            text[n++] = (char)tolower((unsigned char)*name);
        else if (n > 0 && text[n - 1] != ' ')
            text[n++] = ' ';
    }
    while (n > 0 && text[n - 1] == ' ') n--;
    text[n] = 0;
}

void code_groups_free(struct code_groups *g) {
    dictionary_free(&g->names);
    dictionary_free(&g->members);
    free(g->entries);
    *g = (struct code_groups){0};
}

int code_groups_add(struct code_groups *g, const char *group, const char *system, const char *code) {
    char folded[GROUP_NAME_BYTES], name[CODE_NAME_BYTES];
    struct code_group_entry entry;
    fold(group, folded);
    code_name_make(system, code, name);
    TRY(dictionary_add(&g->names, folded, (int64_t)strlen(folded), &entry.group));
    TRY(dictionary_add(&g->members, name, (int64_t)strlen(name), &entry.member));
    TRY(mem_grow(&g->entries, &g->capacity, g->n + 1, sizeof *g->entries));
    g->entries[g->n++] = entry;
    return STATUS_OK;
}

int32_t code_groups_find(const struct code_groups *g, const char *group) {
    char folded[GROUP_NAME_BYTES];
    fold(group, folded);
    return dictionary_find(&g->names, folded, (int64_t)strlen(folded));
}

/* The code, or its nearest ancestor, that some group has; -1. `name` is used up. */
static int32_t nearest_member(const struct code_groups *g, char name[CODE_NAME_BYTES]) {
    char parent[CODE_NAME_BYTES];
    for (;;) {
        int32_t member = dictionary_find(&g->members, name, (int64_t)strlen(name));
        if (member >= 0 || !code_name_parent(name, parent)) return member;
        memcpy(name, parent, sizeof parent);
    }
}

int code_groups_members(const struct code_groups *g, int32_t group, const struct dictionary *codes, uint8_t *is_member,
                        int64_t *n) {
    uint8_t *of_group;
    TRY(mem_alloc(&of_group, g->members.n, 1));
    for (long long i = 0; i < g->n; i++)
        if (g->entries[i].group == group) of_group[g->entries[i].member] = 1;
    *n = 0;
    for (int64_t i = 0; i < codes->n; i++) {
        char name[CODE_NAME_BYTES];
        int64_t size = codes->offsets[i + 1] - codes->offsets[i];
        if (size >= CODE_NAME_BYTES) continue;
        memcpy(name, codes->bytes + codes->offsets[i], (size_t)size);
        name[size] = 0;
        int32_t member = nearest_member(g, name);
        if (member < 0 || !of_group[member]) continue;
        is_member[i] = 1;
        ++*n;
    }
    free(of_group);
    return STATUS_OK;
}
