/* Finding the CSV files of a data set's folder: NAME.csv, plain or .gz, in any case. */
#ifndef MEDTOK_INGEST_TABLE_FILES_H
#define MEDTOK_INGEST_TABLE_FILES_H

#include <limits.h>

#include "ingest/formats.h"
#include "ingest/label_files.h"

/* Before the name of a task in the role of its label files. */
#define LABEL_ROLE "labels of "

/* Finds FOLDER/NAME.csv or .csv.gz, in any case, and returns 1; 0: there is none. NAME may have folders in front, spelled as they are. */
int table_file_find(const char *folder, const char *name, char path[PATH_MAX]);

/* Adds the file of a kind of table, whose name is its role; one that is not there and is required is an error. */
int table_files_add(struct source_files *files, const struct table_kind *kind, const char *folder);

/* Adds all CSV files in FOLDER/BELOW and below, by name; there has to be one. `only`: NULL, or what a file's name must be without .csv, .csv.gz. */
int table_files_add_below(struct source_files *files, const struct table_kind *kind, const char *role,
                          const char *folder, const char *below, const char *only);

/* Adds the label files FOLDER/LABELS/TASK/... of these tasks; of all folders that are there, where `tasks` is empty (no label files are no error
 * then, nor folders that have none). */
int table_files_add_labels(struct source_files *files, const struct table_kind *kind, const struct string_list *tasks,
                           const char *folder, const char *labels, const char *only);

/* Makes the state of the files' roles, which are "labels of TASK" for label files (struct source_format's prepare and release). */
int label_files_prepare(const struct source_files *files, void **state);
void label_files_release(void *state);

#endif
