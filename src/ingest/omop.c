/* OMOP CDM 5.3 and 5.4 as CSV: which files there are; omop_rows.h says what their rows become. */
#include "ingest/omop_rows.h"

#include "base/status.h"
#include "ingest/code_lists.h"
#include "ingest/cohort_settings.h"
#include "ingest/table_reader.h"

static int recognise(const char *folder) { return source_table_has(folder, "person", "year_of_birth"); }

static int find(const struct cohort_options *options, struct source_files *files) {
    unsigned kinds;
    TRY(cohort_kinds(options, &kinds));
    TRY(source_tables_find(options->folder, OMOP_TABLES, kinds, files));
    return code_concepts_find(options, files);
}

const struct source_format OMOP_FORMAT = {.name = "omop",
                                          .recognise = recognise,
                                          .find = find,
                                          .rules = code_concepts_set,
                                          .derive_died = 1,
                                          .subjects_from = "person"};
