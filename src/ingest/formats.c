#include "ingest/formats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/status.h"
#include "ingest/table_reader.h"

#define SOURCE_FORMAT_ADDRESS(name) &name##_FORMAT,
static const struct source_format *const FORMATS[] = {SOURCE_FORMATS(SOURCE_FORMAT_ADDRESS)};
enum { N_FORMATS = sizeof FORMATS / sizeof *FORMATS };

/* "meds, mimic3, mimic4". */
static void list_names(char *names, size_t size) {
    size_t used = 0;
    for (int i = 0; i < N_FORMATS && used < size; i++)
        used += (size_t)snprintf(names + used, size - used, "%s%s", i ? ", " : "", FORMATS[i]->name);
}

int source_format_find(const char *name, const char *folder, const struct source_format **format) {
    char names[256];
    for (int i = 0; i < N_FORMATS; i++) {
        *format = FORMATS[i];
        if (strcmp(name, "auto") == 0 ? FORMATS[i]->recognise(folder) : strcmp(name, FORMATS[i]->name) == 0)
            return STATUS_OK;
    }
    TRY(interrupt_poll()); /* which ends looking at files, too */
    if (strcmp(name, "auto") == 0) TRY(source_folder_check(folder));
    list_names(names, sizeof names);
    if (strcmp(name, "auto") != 0)
        return status_set(STATUS_USAGE, "cohort.format is %s: expected auto or one of %s", name, names);
    return status_set(STATUS_FAILED,
                      "%s is no data set of a format that is known (%s): name its folder by cohort.folder, and its "
                      "format by cohort.format if files have other names",
                      folder, names);
}

const char *source_files_path(const struct source_files *files, const char *role) {
    for (int i = 0; i < files->roles.n; i++)
        if (strcmp(files->roles.items[i], role) == 0) return files->paths.items[i];
    return NULL;
}

void source_files_free(struct source_files *files) {
    string_list_clear(&files->paths);
    string_list_clear(&files->roles);
    for (int i = 0; i < files->n_tables; i++) free(files->tables[i].path);
    free(files->tables);
    *files = (struct source_files){0};
}
