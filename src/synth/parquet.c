#include "synth/parquet.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "csv_to_parquet.h"
#include "synth/format.h"

const char *const PARQUET_TEXT = CSV_TO_PARQUET;

/* What kind of table it is, by its name. */
static const char *kind_of(const char *name) {
    static const char *const KINDS[][2] = {
        {"data/", "event"}, {"labels/", "label"}, {"metadata/subject_splits", "split"}, {"metadata/codes", "code"}};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (strncmp(name, KINDS[i][0], strlen(KINDS[i][0])) == 0) return KINDS[i][1];
    return NULL;
}

static int add(struct string_list *list, const char *kind, const char *from, const char *to) {
    TRY(string_list_add(list, kind));
    TRY(string_list_add(list, from));
    return string_list_add(list, to);
}

int parquet_arguments(const char *folder, int gzip, int rank, int n_ranks, struct string_list *arguments) {
    const struct synth_format *meds = SYNTH_FORMAT_LIST[SYNTH_MEDS];
    char from[PATH_MAX], to[PATH_MAX];
    for (int t = 0; t < meds->n_tables; t++) {
        const char *name = meds->tables[t].name;
        if (t % n_ranks != rank) continue;
        if (snprintf(from, sizeof from, "%s/meds/%s.csv%s", folder, name, gzip ? ".gz" : "") >= (int)sizeof from ||
            snprintf(to, sizeof to, "%s/meds_parquet/%s.parquet", folder, name) >= (int)sizeof to)
            return status_set(STATUS_FAILED, "the path is too long: %.200s...", folder);
        TRY(add(arguments, kind_of(name), from, to));
    }
    if (rank != 0) return STATUS_OK;
    if (snprintf(to, sizeof to, "%s/meds_parquet/metadata/dataset.json", folder) >= (int)sizeof to)
        return status_set(STATUS_FAILED, "the path is too long: %.200s...", folder);
    return add(arguments, "facts", "", to);
}
