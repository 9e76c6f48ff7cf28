/* Words for true and false. */
#include "ingest/label_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ingest/field_values.h"
#include "ingest/table_files.h"

int label_files_prepare(const struct source_files *files, void **out) {
    struct label_files *labels;
    size_t front = strlen(LABEL_ROLE);
    int status = mem_alloc(&labels, 1, sizeof *labels);
    for (int i = 0; i < files->roles.n && status == STATUS_OK; i++) {
        const char *role = files->roles.items[i];
        status = string_list_add(&labels->tasks, strncmp(role, LABEL_ROLE, front) == 0 ? role + front : "");
    }
    *out = labels;
    return status;
}

void label_files_release(void *state) {
    struct label_files *labels = state;
    if (labels) string_list_clear(&labels->tasks);
    free(labels);
}

int field_truth(struct field field, int32_t *value) {
    int yes = field_is(field, "true") || field_is(field, "t"), no = field_is(field, "false") || field_is(field, "f");
    if (yes || no) *value = yes;
    return yes || no;
}
