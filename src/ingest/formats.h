/* The formats of health records that `cohort` reads, in one list. How to add one: src/ingest/FORMAT.c with a struct source_format, and a line
 * in SOURCE_FORMATS, which is also the choices of cohort.format.
 */
#ifndef MEDTOK_INGEST_FORMATS_H
#define MEDTOK_INGEST_FORMATS_H

#include "base/string_list.h"
#include "dist/comm.h"
#include "ingest/options.h"
#include "ingest/source_table.h"
#include "terms/source_code.h"

/* The files of a data set, the same on every rank. */
struct source_files {
    struct string_list paths; /* numbers are row_position.file */
    struct string_list roles; /* of each path, for the provenance: "events", "hosp/admissions" */
    struct source_table
        *tables; /* [n_tables] of a format of tables; table i is path i, files without rows come behind; owned */
    int n_tables;
};

struct source_format {
    const char *name;
    /* Whether a folder looks like one. */
    int (*recognise)(const char *folder);

    /* The files: those of the tables that are there (ingest/table_reader.h, source_tables_find); or, NULL, what `find` finds in
     * options->folder, with files->tables if tables are to be read. */
    const struct table_kind *const *tables; /* ended by NULL */
    int (*find)(const struct cohort_options *options, struct source_files *files);
    /* The rows of files that are no tables: collective, each rank reads a part. NULL: those of files->tables are read. */
    int (*read)(const struct comm *comm, const struct cohort_options *options, const struct source_files *files,
                const struct record_sink *sink);
    /* Reads what rows of tables need to be understood (concepts), the same on every rank; *state is handed to struct table_kind's row. NULL:
     * nothing. */
    int (*prepare)(const struct source_files *files, void **state);
    void (*release)(void *state);
    /* Adds to the rules what the data set says of its codes (concepts, parents), on every rank the same; what is handed over has to stay
     * there until the codes are made. NULL: nothing. */
    int (*rules)(const struct cohort_options *options, const struct source_files *files,
                 struct source_code_rules *rules);

    /* How visits and deaths in them are known, and where subjects are listed: as in struct collector_options. */
    int derive_visits, derive_died;
    const char *subjects_from;
};

#define SOURCE_FORMATS(FORMAT)          FORMAT(MIMIC3) FORMAT(MIMIC4) FORMAT(EHRSHOT) FORMAT(OMOP) FORMAT(MEDS) FORMAT(MEDS_CSV)
#define SOURCE_FORMAT_DECLARATION(name) extern const struct source_format name##_FORMAT;
SOURCE_FORMATS(SOURCE_FORMAT_DECLARATION)
#undef SOURCE_FORMAT_DECLARATION

/* Finds the format by its name, or, "auto", by the folder. An error lists those there are. */
int source_format_find(const char *name, const char *folder, const struct source_format **format);

/* The role of a file without rows, which says what codes are: MEDS' list of codes, OMOP's concepts. */
#define CODE_LIST_ROLE "codes"

/* The path of the first file of that role, or NULL. */
const char *source_files_path(const struct source_files *files, const char *role);

void source_files_free(struct source_files *files);

#endif
