/* Writes down what the row functions of a format say of a data set, a line each (record_list.h): read_records ehrshot|omop|meds_csv FOLDER.
 * For tests/python/source_records.py, which reads the same files with pandas. */
#include "record_list.h"

#include "ingest/table_files.h"
#include "ingest/table_reader.h"

static int read_all(const char *format, const char *folder, struct source_files *files) {
    struct record_list list = {stdout};
    struct record_sink sink = record_list_sink(&list);
    void *labels = NULL;
    char path[512];
    struct cohort_options options = {.folder = path, .kinds = "all", .concepts = ""};
    const struct source_format *found;
    snprintf(path, sizeof path, "%s", folder);
    TRY(source_format_find(format, folder, &found));
    TRY(found->find ? found->find(&options, files) : source_tables_find(folder, found->tables, ~0U, files));
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
    source_files_free(&files);
    return status;
}
