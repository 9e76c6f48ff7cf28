/* Label files, one folder a task, and what stands in them. */
#ifndef MEDTOK_INGEST_LABEL_FILES_H
#define MEDTOK_INGEST_LABEL_FILES_H

#include "base/string_list.h"
#include "ingest/delimited.h"

/* The task of each file that is read: the state that the row functions of label files are given. */
struct label_files {
    struct string_list tasks; /* by number of the file (row_position.file); "" of one that has no labels */
};

static inline const char *label_files_task(const void *state, int32_t file) {
    return ((const struct label_files *)state)->tasks.items[file];
}

/* Whether the field says true or false (True, false, t, f), in any case; *value is 1 or 0 then. */
int field_truth(struct field field, int32_t *value);

#endif
