/* EHRSHOT as it is published: which files there are; ehrshot_rows.h says what their rows become. */
#include "ingest/ehrshot_rows.h"

#include "base/status.h"
#include "ingest/code_lists.h"
#include "ingest/table_files.h"
#include "ingest/table_reader.h"

static int recognise(const char *folder) { return source_table_has(folder, "data/ehrshot", "patient_id"); }

static int find(const struct cohort_options *options, struct source_files *files) {
    static const struct table_kind *const TABLES_THERE[] = {&EHRSHOT_SPLITS, &EHRSHOT_EVENTS, NULL};
    TRY(source_tables_find(options->folder, TABLES_THERE, 0, files));
    TRY(table_files_add_labels(files, &EHRSHOT_LABELS, &options->tasks, options->folder, "benchmark",
                               "labeled_patients"));
    return code_concepts_find(options, files);
}

const struct source_format EHRSHOT_FORMAT = {.name = "ehrshot",
                                             .recognise = recognise,
                                             .find = find,
                                             .prepare = label_files_prepare,
                                             .release = label_files_release,
                                             .rules = code_concepts_set,
                                             .derive_died = 1,
                                             .subjects_from = "splits/person_id_map"};
