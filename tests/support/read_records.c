/* Writes down what the row functions of a format say of a data set, a line each (record_list.h): read_records ehrshot|omop|meds_csv FOLDER.
 * For tests/python/source_records.py, which reads the same files with pandas. */
#include "record_list.h"

#include "ingest/ehrshot.h"
#include "ingest/meds_csv.h"
#include "ingest/omop.h"
#include "ingest/table_files.h"

static int find(const char *format, const char *folder, struct source_files *files) {
    const struct string_list all = {0, NULL};
    if (strcmp(format, "ehrshot") == 0) {
        TRY(table_files_add(files, &EHRSHOT_SPLITS, folder));
        TRY(table_files_add(files, &EHRSHOT_EVENTS, folder));
        return table_files_add_labels(files, &EHRSHOT_LABELS, &all, folder, "benchmark", "labeled_patients");
    }
    if (strcmp(format, "meds_csv") == 0) {
        TRY(table_files_add(files, &MEDS_CSV_SPLITS, folder));
        TRY(table_files_add_below(files, &MEDS_CSV_EVENTS, "events", folder, "data", NULL));
        return table_files_add_labels(files, &MEDS_CSV_LABELS, &all, folder, "labels", NULL);
    }
    for (int i = 0; i < N_OMOP_TABLES; i++) TRY(table_files_add(files, OMOP_TABLES[i], folder));
    return STATUS_OK;
}

static int read_all(const char *format, const char *folder, struct source_files *files) {
    struct record_list list = {stdout};
    struct record_sink sink = record_list_sink(&list);
    void *labels = NULL;
    TRY(find(format, folder, files));
    int status = label_files_prepare(files, &labels);
    for (int i = 0; i < files->n_tables && status == STATUS_OK; i++)
        status = record_list_read(files->tables[i].kind, labels, files->tables[i].path, i, &sink);
    label_files_release(labels);
    return status;
}

int main(int n, char **arguments) {
    struct source_files files = {0};
    if (n != 3) return 2;
    int status = read_all(arguments[1], arguments[2], &files);
    if (status != STATUS_OK) fprintf(stderr, "%s\n", status_message());
    for (int i = 0; i < files.n_tables; i++) free(files.tables[i].path);
    free(files.tables);
    string_list_clear(&files.paths);
    string_list_clear(&files.roles);
    return status;
}
