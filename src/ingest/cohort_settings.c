#include "ingest/cohort_settings.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"

static int add_kind(const char *word, size_t size, unsigned *kinds) {
    for (int k = 0; k < N_CODE_KINDS; k++)
        if (strlen(CODE_KIND_NAMES[k]) == size && strncmp(CODE_KIND_NAMES[k], word, size) == 0) {
            *kinds |= 1U << k;
            return STATUS_OK;
        }
    return status_set(STATUS_USAGE,
                      "cohort.kinds: \"%.*s\" is none of other, diagnosis, procedure, drug, measurement, visit, fact "
                      "(or all)",
                      (int)size, word);
}

int cohort_kinds(const struct cohort_options *o, unsigned *kinds) {
    *kinds = 0;
    if (strcmp(o->kinds, "all") == 0) {
        *kinds = (1U << N_CODE_KINDS) - 1;
        return STATUS_OK;
    }
    for (const char *at = o->kinds; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        at += strspn(at, " ");
        size_t size = strcspn(at, ",");
        while (size > 0 && at[size - 1] == ' ') size--;
        TRY(add_kind(at, size, kinds));
    }
    return STATUS_OK;
}

int cohort_shares(const struct cohort_options *o, double share[N_SPLITS]) {
    char rest;
    int n = sscanf(o->split, "%lf/%lf/%lf%c", &share[0], &share[1], &share[2], &rest);
    if (n != 3 || !(share[0] >= 0) || !(share[1] >= 0) || !(share[2] >= 0) || !(share[0] + share[1] + share[2] > 0))
        return status_set(STATUS_USAGE, "cohort.split is \"%s\": three shares are expected, as in 70/10/20", o->split);
    return STATUS_OK;
}
