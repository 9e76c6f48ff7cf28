/* Groups of codes: the Clinical Classifications Software of AHRQ (CCS; the 25 phenotypes are 25 of its groups), a
 * disease as the descendants of a concept. Names of groups and codes are compared as people spell them: without regard
 * to case and punctuation in names ("Impulse control disorders, NEC" and "... disorders NEC" are one), by form in codes
 * (terms/code_form.h). Files: ingest/code_group_files.h.
 */
#ifndef MEDTOK_TERMS_CODE_GROUPS_H
#define MEDTOK_TERMS_CODE_GROUPS_H

#include <stdint.h>

#include "base/dictionary.h"

struct code_groups {
    struct dictionary names;   /* of the groups, in lower case, punctuation as one blank */
    struct dictionary members; /* SYSTEM/FORM */
    struct code_group_entry {
        int32_t group, member; /* numbers */
    } * entries;
    long long n, capacity;
};

/* Puts a code into a group. The same twice counts once in what follows. */
int code_groups_add(struct code_groups *groups, const char *group, const char *system, const char *code);
void code_groups_free(struct code_groups *groups);

/* Number of the group, or -1. */
int32_t code_groups_find(const struct code_groups *groups, const char *group);

/* Which codes of a cohort (SYSTEM/FORM) are in the group: is_member[i] becomes 1, and stays as it is for the others, so
 * that several groups may be put together. A code that no group has is where its nearest ancestor is that one has
 * (terms/code_hierarchy.h), so that a list may name categories: I21 stands for I21.01. Returns through *n how many
 * codes are in the group. */
int code_groups_members(const struct code_groups *groups, int32_t group, const struct dictionary *codes,
                        uint8_t *is_member, int64_t *n);

#endif
