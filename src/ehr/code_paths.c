/* Nodes are counted once over the codes of train, then each code looks for those of its path. */
#include "ehr/code_paths.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dictionary.h"
#include "base/status.h"
#include "terms/code_map.h"
#include "terms/meds_code.h"

struct nodes {
    struct dictionary names; /* SYSTEM/FORM */
    int64_t *count;          /* [names.n] */
    long long capacity;
};

static void nodes_free(struct nodes *nodes) {
    dictionary_free(&nodes->names);
    free(nodes->count);
}

/* The name of a code as a node; 0: it is no medical code. */
static int first_node(const char *text, char name[CODE_NAME_BYTES]) {
    char system[MEDS_PART_BYTES], code[MEDS_PART_BYTES];
    if (!meds_code_split(text, system, code)) return 0;
    code_name_make(system, code, name);
    return 1;
}

static int next_node(char name[CODE_NAME_BYTES]) {
    char parent[CODE_NAME_BYTES];
    if (!code_name_parent(name, parent)) return 0;
    memcpy(name, parent, sizeof parent);
    return 1;
}

static int count_path(struct nodes *nodes, const char *text, int64_t count) {
    char name[CODE_NAME_BYTES];
    for (int more = first_node(text, name); more; more = next_node(name)) {
        int64_t known = nodes->names.n;
        int32_t node;
        TRY(dictionary_add(&nodes->names, name, (int64_t)strlen(name), &node));
        TRY(mem_grow(&nodes->count, &nodes->capacity, nodes->names.n, sizeof *nodes->count));
        if (nodes->names.n > known) nodes->count[node] = 0;
        nodes->count[node] += count;
    }
    return STATUS_OK;
}

static int32_t find_node(const struct nodes *nodes, const char *name, int64_t min_count) {
    int32_t node = dictionary_find(&nodes->names, name, (int64_t)strlen(name));
    return node >= 0 && nodes->count[node] >= min_count ? node : -1;
}

/* ---- which codes have a path ---- */
static int64_t find_path(const struct nodes *nodes, const char *text, int64_t code, int64_t min_count) {
    char name[CODE_NAME_BYTES];
    if (!first_node(text, name)) return VECTOR_OWN_ROW;
    do
        if (find_node(nodes, name, min_count) >= 0) return code;
    while (next_node(name));
    return VECTOR_MISSING;
}

static int find(void *self, const struct cohort *cohort, const int64_t *in_train, const uint8_t *wanted, int64_t *row) {
    const struct code_paths *paths = self;
    struct nodes nodes = {0};
    int status = STATUS_OK;
    for (int64_t i = 0; i < cohort->n_codes && status == STATUS_OK; i++)
        if (in_train[i] > 0) status = count_path(&nodes, cohort_code(cohort, i), in_train[i]);
    for (int64_t i = 0; i < cohort->n_codes && status == STATUS_OK; i++)
        row[i] = wanted[i] ? find_path(&nodes, cohort_code(cohort, i), i, paths->min_count) : VECTOR_MISSING;
    nodes_free(&nodes);
    return status;
}

void code_paths_make(struct code_paths *paths, int64_t min_count) {
    *paths = (struct code_paths){{find, paths, 0}, min_count};
}

/* ---- their nodes ---- */
/* number: of the nodes that count, -1 of the others. */
static int number_nodes(const struct nodes *nodes, int64_t min_count, int32_t **number, int64_t *n) {
    TRY(mem_alloc(number, nodes->names.n, sizeof **number));
    *n = 0;
    for (int64_t i = 0; i < nodes->names.n; i++) (*number)[i] = nodes->count[i] >= min_count ? (int32_t)(*n)++ : -1;
    return STATUS_OK;
}

static int add_path(struct code_bags *b, long long *capacity, const struct nodes *nodes, const int32_t *number,
                    const char *text) {
    char name[CODE_NAME_BYTES];
    for (int more = first_node(text, name); more; more = next_node(name)) {
        int32_t node = dictionary_find(&nodes->names, name, (int64_t)strlen(name));
        if (node < 0 || number[node] < 0) continue;
        TRY(mem_grow(&b->row, capacity, b->n_items + 1, sizeof *b->row));
        b->row[b->n_items++] = number[node];
    }
    return STATUS_OK;
}

static int add_paths(struct code_bags *b, const struct ehr_data *d, const struct nodes *nodes, const int32_t *number) {
    long long capacity = 0;
    TRY(mem_alloc(&b->offsets, d->n_vectors + 1, sizeof *b->offsets));
    for (int64_t i = 0; i < d->n_vectors; i++) {
        TRY(add_path(b, &capacity, nodes, number, ehr_code(d, d->vector[i])));
        b->offsets[i + 1] = b->n_items;
    }
    TRY(mem_alloc(&b->weight, b->n_items, sizeof *b->weight));
    for (int64_t p = 0; p < b->n_items; p++) b->weight[p] = 1;
    return STATUS_OK;
}

int code_paths_bags(const struct ehr_data *d, int64_t min_count, struct code_bags *b) {
    struct nodes nodes = {0};
    int32_t *number = NULL;
    int status = STATUS_OK;
    *b = (struct code_bags){0};
    for (int64_t i = 0; i < d->n_cohort_codes && status == STATUS_OK; i++)
        if (d->in_train[i] > 0) status = count_path(&nodes, ehr_code(d, i), d->in_train[i]);
    if (status == STATUS_OK) status = number_nodes(&nodes, min_count, &number, &b->n_rows);
    if (status == STATUS_OK) status = add_paths(b, d, &nodes, number);
    if (status == STATUS_OK && d->n_train_vectors > 0)
        b->std = EHR_INIT / sqrt((double)b->offsets[d->n_train_vectors] / (double)d->n_train_vectors);
    free(number);
    nodes_free(&nodes);
    return status;
}
