/* Apart from the reader: jansson and base/json.h have functions of the same names. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/status.h"
#include "qa/adapter_record.h"

int adapter_record_write(const struct adapter_record *r, const char *folder) {
    char path[PATH_MAX], stem[17];
    struct atomic_file file;
    snprintf(path, sizeof path, "%s/" ADAPTER_RECORD_FILE, folder);
    TRY(atomic_file_open(&file, path));
    struct json j = json_begin(file.stream, 1);
    json_object(&j, NULL);
    json_text(&j, "prefix", QA_PREFIX_NAMES[r->prefix]);
    json_integer(&j, "codes", r->codes);
    json_integer(&j, "mean", r->mean);
    json_integer(&j, "seed", r->seed);
    json_text(&j, "table_id", r->table_id[0] ? r->table_id : NULL);
    json_text(&j, "model_id", r->model_id);
    json_text(&j, "training", r->training);
    json_array(&j, "stems");
    for (int64_t i = 0; i < r->n_stems; i++) {
        snprintf(stem, sizeof stem, "%016" PRIx64, r->stems[i]);
        json_text(&j, NULL, stem);
    }
    json_end(&j);
    json_end(&j);
    fputc('\n', file.stream);
    return atomic_file_close(&file, STATUS_OK);
}
