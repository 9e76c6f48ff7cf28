/* What inspect and probe ask of a table before they measure it. */
#include "measured_table.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "medtok/continuation.h"

static int check_same_vocabulary(const struct table *table, const char *path, char **table_id, char **vocabulary_id) {
    int is_of;
    TRY(table_is_of(table, path, &is_of, vocabulary_id));
    TRY(h5file_get_text(table->file, "content_id", table_id));
    if (is_of) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "%s was made from another vocabulary than %s: name the vocabulary that it was made from",
                      h5file_path(table->file), path);
}

static int check_not_new_codes_alone(const struct table *table, const char *job) {
    const char *path = h5file_path(table->file);
    if (table->shape.vocabulary_rows > 0) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "%s holds new codes alone, and %s measures the codes of a vocabulary: set files.table to the "
                      "table of the vocabulary, or to one that these codes were appended to; `medtok verify` checks %s",
                      path, job, path);
}

int measured_table_open(struct table *table, const char *path, const char *vocabulary_path, const char *job,
                        char **table_id, char **vocabulary_id) {
    TRY(table_open(table, path));
    TRY(check_not_new_codes_alone(table, job));
    TRY(check_same_vocabulary(table, vocabulary_path, table_id, vocabulary_id));
    table->shape.n_codes = table->shape.vocabulary_rows;
    return STATUS_OK;
}

int measured_table_hierarchy_before(const struct table *table, int *before) {
    char *inputs, path[PATH_MAX];
    TRY(h5file_get_text(table->file, "inputs", &inputs));
    provenance_find_path(inputs, CONTINUATION_HIERARCHY, path, sizeof path);
    *before = path[0] != 0;
    free(inputs);
    return STATUS_OK;
}

static int check_tokens(const struct table *table, const int32_t *tokens) {
    const struct table_shape *s = &table->shape;
    for (int g = 0; g < TABLE_GROUPS; g++)
        if (s->region[g][0] < 0 || s->region[g][1] <= s->region[g][0] || s->region[g][1] > s->codebook_size)
            return status_set(STATUS_FAILED, "%s: the region of %s is %d to %d, outside the codebook; make it again",
                              h5file_path(table->file), TABLE_GROUP_NAMES[g], s->region[g][0], s->region[g][1]);
    for (int64_t i = 0; i < s->n_codes * TABLE_GROUPS; i++) {
        const int32_t *group = tokens + i * s->top_k, *region = s->region[i % TABLE_GROUPS];
        for (int64_t k = 0; k < s->top_k; k++)
            if (group[0] == -1 ? group[k] != -1 : group[k] < region[0] || group[k] >= region[1])
                return status_set(STATUS_FAILED, "%s: row %" PRId64 " has the %s token %d; `medtok verify` tells more",
                                  h5file_path(table->file), i / TABLE_GROUPS, TABLE_GROUP_NAMES[i % TABLE_GROUPS],
                                  group[k]);
    }
    return STATUS_OK;
}

int measured_table_tokens(struct table *table, int32_t **tokens) {
    const struct table_shape *s = &table->shape;
    TRY(mem_alloc(tokens, s->n_codes * TABLE_GROUPS * s->top_k, sizeof **tokens));
    TRY(table_read(table, 0, s->n_codes, *tokens, NULL, NULL));
    return check_tokens(table, *tokens);
}
