/* OMOP CDM 5.3 and 5.4 as CSV: which files there are; omop_rows.h says what their rows become. */
#include "ingest/omop_rows.h"

#include "base/status.h"
#include "ingest/code_lists.h"
#include "ingest/table_reader.h"

static int recognise(const char *folder) { return source_table_has(folder, "person", "year_of_birth"); }

static int add_rules(const struct cohort_options *options, const struct source_files *files,
                     struct source_code_rules *rules) {
    (void)files;
    return code_concepts_set(rules, options, options->folder);
}

const struct source_format OMOP_FORMAT = {.name = "omop",
                                          .recognise = recognise,
                                          .tables = OMOP_TABLES,
                                          .rules = add_rules,
                                          .derive_died = 1,
                                          .subjects_from = "person"};
