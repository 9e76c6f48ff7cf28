/* The CSV files of a data set that are not told by their names (those are ingest/table_reader.h's): all of a folder,
 * labels of tasks. */
#ifndef MEDTOK_INGEST_TABLE_FILES_H
#define MEDTOK_INGEST_TABLE_FILES_H

#include <limits.h>

#include "ingest/formats.h"
#include "ingest/label_files.h"

/* Before the name of a task in the role of its label files. */
#define LABEL_ROLE "labels of "

/* Finds FOLDER/NAME.csv or .csv.gz, in any case, and returns 1; 0: there is none. NAME may have folders in front,
 * spelled as they are. */
int table_file_find(const char *folder, const char *name, char path[PATH_MAX]);

/* Adds all CSV files in FOLDER/BELOW and below, by name; there has to be one. `only`: NULL, or what a file's name must
 * be without .csv, .csv.gz. */
int table_files_add_below(struct source_files *files, const struct table_kind *kind, const char *role,
                          const char *folder, const char *below, const char *only);

/* Whether there is a CSV file in FOLDER/BELOW or below: for struct source_format's recognise; no error. */
int table_files_any(const char *folder, const char *below);

/* Adds the label files FOLDER/LABELS/TASK/... of these tasks, in the order of names, or of all folders that are there,
 * where `tasks` is empty. Those that are not there are passed over: a task may be one that is labelled here. */
int table_files_add_labels(struct source_files *files, const struct table_kind *kind, const struct string_list *tasks,
                           const char *folder, const char *labels, const char *only);

/* Makes the state of the files' roles, which are "labels of TASK" for label files (struct source_format's prepare and
 * release). */
int label_files_prepare(const struct source_files *files, void **state);
void label_files_release(void *state);

#endif
