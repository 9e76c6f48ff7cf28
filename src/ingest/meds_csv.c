/* MEDS 0.4 as CSV: which files there are; meds_csv_rows.h says what their rows become. */
#include "ingest/meds_csv_rows.h"

#include "base/status.h"
#include "ingest/code_lists.h"
#include "ingest/table_files.h"
#include "ingest/table_reader.h"

static int recognise(const char *folder) {
    return source_table_has(folder, "metadata/subject_splits", "subject_id") && table_files_any(folder, "data");
}

static int find(const struct cohort_options *options, struct source_files *files) {
    char path[PATH_MAX];
    static const struct table_kind *const SPLITS[] = {&MEDS_CSV_SPLITS, NULL};
    TRY(source_tables_find(options->folder, SPLITS, 0, files));
    TRY(table_files_add_below(files, &MEDS_CSV_EVENTS, "events", options->folder, "data", NULL));
    TRY(table_files_add_labels(files, &MEDS_CSV_LABELS, &options->tasks, options->folder, "labels", NULL));
    if (!table_file_find(options->folder, "metadata/codes", path)) return STATUS_OK;
    TRY(string_list_add(&files->roles, CODE_LIST_ROLE));
    return string_list_add(&files->paths, path);
}

static int add_rules(const struct cohort_options *options, const struct source_files *files,
                     struct source_code_rules *rules) {
    const char *path = source_files_path(files, CODE_LIST_ROLE);
    (void)options;
    return path ? code_parents_read(rules, path) : STATUS_OK;
}

const struct source_format MEDS_CSV_FORMAT = {.name = "meds_csv",
                                              .recognise = recognise,
                                              .find = find,
                                              .prepare = label_files_prepare,
                                              .release = label_files_release,
                                              .rules = add_rules,
                                              .derive_visits = 1,
                                              .subjects_from = "metadata/subject_splits"};
