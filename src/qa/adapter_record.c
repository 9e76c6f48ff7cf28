#include "qa/adapter_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "lm/folder_json.h"
#include "qa/prefix.h"

const char *const QA_PREFIX_NAMES[] = {QA_PREFIXES(OPTION_CHOICE_NAME)};
enum { N_PREFIXES = sizeof QA_PREFIX_NAMES / sizeof *QA_PREFIX_NAMES };

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int adapter_record_add_stems(struct adapter_record *r, const struct questions *q) {
    TRY(mem_alloc(&r->stems, q->n, sizeof *r->stems));
    for (int64_t i = 0; i < q->n; i++) TRY(question_stem_hash(&q->items[i], &r->stems[i]));
    r->n_stems = q->n;
    if (q->n) qsort(r->stems, (size_t)q->n, sizeof *r->stems, ascending);
    return STATUS_OK;
}

void adapter_record_free(struct adapter_record *r) {
    free(r->stems);
    *r = (struct adapter_record){0};
}

/* ---- reading ---- */
static int read_stems(struct adapter_record *r, const char *folder, json_t *stems) {
    size_t i;
    json_t *entry;
    TRY(mem_alloc(&r->stems, (long long)json_array_size(stems), sizeof *r->stems));
    json_array_foreach(stems, i, entry) {
        const char *text = json_string_value(entry);
        if (!text || sscanf(text, "%16" SCNx64, &r->stems[i]) != 1)
            return status_set(STATUS_FAILED, "%s/" ADAPTER_RECORD_FILE ": stem %zu is no hash", folder, i);
        r->n_stems++;
    }
    if (r->n_stems) qsort(r->stems, (size_t)r->n_stems, sizeof *r->stems, ascending);
    return STATUS_OK;
}

static void read_id(json_t *json, const char *key, char id[33]) {
    const char *text = json_string_value(json_object_get(json, key));
    snprintf(id, 33, "%s", text ? text : "");
}

static int fill(struct adapter_record *r, const char *folder, json_t *json) {
    const char *prefix = json_string_value(json_object_get(json, "prefix"));
    json_t *codes = json_object_get(json, "codes"), *mean = json_object_get(json, "mean"),
           *seed = json_object_get(json, "seed");
    int p = 0;
    while (prefix && p < N_PREFIXES && strcmp(prefix, QA_PREFIX_NAMES[p]) != 0) p++;
    if (!prefix || p == N_PREFIXES || !json_is_integer(codes) || !json_is_integer(mean) || !json_is_integer(seed))
        return status_set(STATUS_FAILED, "%s/" ADAPTER_RECORD_FILE ": it has not the form that qa-train writes",
                          folder);
    r->prefix = (enum qa_prefix)p;
    r->codes = json_integer_value(codes);
    r->mean = json_integer_value(mean);
    r->seed = json_integer_value(seed);
    read_id(json, "table_id", r->table_id);
    read_id(json, "model_id", r->model_id);
    read_id(json, "training", r->training);
    return read_stems(r, folder, json_object_get(json, "stems"));
}

int adapter_record_read(struct adapter_record *r, const char *folder, int *is_there) {
    json_t *json;
    *r = (struct adapter_record){0};
    *is_there = folder_has(folder, ADAPTER_RECORD_FILE);
    if (!*is_there) return STATUS_OK;
    TRY(folder_load_json(folder, ADAPTER_RECORD_FILE, &json));
    int status = fill(r, folder, json);
    json_decref(json);
    return status;
}

int adapter_is_of(const char *folder, const char *training, int *is_of) {
    struct adapter_record r;
    int status = adapter_record_read(&r, folder, is_of);
    *is_of = *is_of && strcmp(r.training, training) == 0 && folder_has(folder, "adapter_config.json") &&
             folder_has(folder, "adapter_model.safetensors") &&
             (!prefix_has_rows(r.prefix) || folder_has(folder, "prefix.safetensors"));
    adapter_record_free(&r);
    return status;
}

/* ---- checks ---- */
int adapter_record_check(const struct adapter_record *r, const struct qa_options *o, const char *model_id) {
    int has_codes = prefix_has_vectors(r->prefix) || r->prefix == QA_PREFIX_DESCRIPTIONS;
    if (r->prefix != o->prefix)
        return status_set(STATUS_FAILED, "qa.prefix is %s, but the adapter %s was trained with %s: set qa.prefix=%s",
                          QA_PREFIX_NAMES[o->prefix], o->adapter, QA_PREFIX_NAMES[r->prefix],
                          QA_PREFIX_NAMES[r->prefix]);
    if (has_codes && (r->codes != o->codes || r->mean != o->mean))
        return status_set(STATUS_FAILED,
                          "qa.codes is %lld and qa.mean %lld, but the adapter %s was trained with qa.codes=%lld "
                          "qa.mean=%lld: set them so",
                          (long long)o->codes, (long long)o->mean, o->adapter, (long long)r->codes, (long long)r->mean);
    if (strcmp(r->model_id, model_id) != 0)
        return status_set(STATUS_FAILED, "the adapter %s was trained on another model than qa.model, %s: name that one",
                          o->adapter, o->model);
    return STATUS_OK;
}

int adapter_record_check_table(const struct adapter_record *r, const struct qa_options *o, const char *path,
                               const char *table_id) {
    const char *what = r->prefix == QA_PREFIX_DESCRIPTIONS ? "vocabulary" : "table";
    if (strcmp(r->table_id, table_id) == 0) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "the adapter %s was trained with another %s than files.%s, %s: its content_id was %s, and is %s",
                      o->adapter, what, what, path, r->table_id, table_id);
}

int adapter_record_has_stem(const struct adapter_record *r, uint64_t stem) {
    return r->n_stems > 0 && bsearch(&stem, r->stems, (size_t)r->n_stems, sizeof stem, ascending) != NULL;
}
