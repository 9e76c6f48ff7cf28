/* Which files a MEDS folder holds. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "ingest/meds.h"

static const char LABELS_OF[] = "labels of ";

const char *meds_task_of(const char *role) { return role + strlen(LABELS_OF); }

/* ---- walking ---- */
static int visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static int is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static int join(const char *folder, const char *name, char path[PATH_MAX]) {
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX) return STATUS_OK;
    return status_set(STATUS_FAILED, "%.200s... is too long a path", folder);
}

enum { DEEPEST = 16 };

static int ends_in_parquet(const char *name) {
    size_t length = strlen(name);
    return length > 8 && strcmp(name + length - 8, ".parquet") == 0;
}

static int add_file(struct source_files *files, const char *role, const char *path) {
    TRY(string_list_add(&files->paths, path));
    return string_list_add(&files->roles, role);
}

/* Adds each Parquet file in `folder` and below, by name; links to folders are followed. */
static int add_parquet(struct source_files *files, const char *role, const char *folder, int depth) {
    struct dirent **entries;
    int n = scandir(folder, &entries, visible, alphasort), status = STATUS_OK;
    if (n < 0) return status_set(STATUS_FAILED, "%s: %s", folder, strerror(errno));
    if (depth > DEEPEST) status = status_set(STATUS_FAILED, "%s lies too deep", folder);
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        if (status == STATUS_OK) status = join(folder, entries[i]->d_name, path);
        if (status == STATUS_OK && is_folder(path))
            status = add_parquet(files, role, path, depth + 1);
        else if (status == STATUS_OK && ends_in_parquet(entries[i]->d_name))
            status = add_file(files, role, path);
        free(entries[i]);
    }
    free(entries);
    return status;
}

/* ---- the three parts ---- */
static int add_task(struct source_files *files, const char *labels, const char *task) {
    char folder[PATH_MAX], role[PATH_MAX];
    int before = files->paths.n;
    if (strpbrk(task, "\t\n") || !task[0])
        return status_set(STATUS_USAGE, "cohort.tasks: \"%s\" is no name of a task: it must not hold tabs", task);
    TRY(join(labels, task, folder));
    if (!is_folder(folder)) return STATUS_OK; /* no task of the data set; perhaps one of ours (ehr/tasks/tasks.h) */
    if (snprintf(role, sizeof role, "%s%s", LABELS_OF, task) >= (int)sizeof role)
        return status_set(STATUS_USAGE, "cohort.tasks: %.200s... is too long a name", task);
    TRY(add_parquet(files, role, folder, 0));
    return files->paths.n > before ? STATUS_OK : status_set(STATUS_FAILED, "%s: there is no .parquet file", folder);
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* In whatever order tasks are named, their files come in one, so that the cohort has one provenance. */
static int add_named_tasks(struct source_files *files, const char *labels, const struct string_list *tasks) {
    char **names;
    TRY(mem_alloc(&names, tasks->n, sizeof *names));
    for (int i = 0; i < tasks->n; i++) names[i] = tasks->items[i];
    qsort(names, (size_t)tasks->n, sizeof *names, by_text);
    int status = STATUS_OK;
    for (int i = 0; i < tasks->n && status == STATUS_OK; i++) status = add_task(files, labels, names[i]);
    free(names);
    return status;
}

static int add_all_tasks(struct source_files *files, const char *labels) {
    struct dirent **entries;
    int n = scandir(labels, &entries, visible, alphasort), status = STATUS_OK;
    if (n < 0 && errno == ENOENT) return STATUS_OK; /* a data set without labels */
    if (n < 0) return status_set(STATUS_FAILED, "%s: %s", labels, strerror(errno));
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        if (status == STATUS_OK) status = join(labels, entries[i]->d_name, path);
        if (status == STATUS_OK && is_folder(path)) status = add_task(files, labels, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return status;
}

int meds_recognise(const char *folder) {
    struct source_files files = {0};
    char path[PATH_MAX];
    int found = join(folder, "data", path) == STATUS_OK && is_folder(path) &&
                add_parquet(&files, "events", path, 0) == STATUS_OK && files.paths.n > 0;
    source_files_free(&files);
    return found;
}

static int find_files(const char *folder, const struct string_list *tasks, struct source_files *files) {
    char path[PATH_MAX];
    struct stat info;
    TRY(join(folder, "metadata/subject_splits.parquet", path));
    if (stat(path, &info))
        return status_set(STATUS_FAILED, "%s: %s; it says which split (train, tuning, held_out) each subject is in",
                          path, strerror(errno));
    TRY(add_file(files, "splits", path));
    TRY(join(folder, "data", path));
    if (!is_folder(path))
        return status_set(STATUS_FAILED, "%s is no MEDS data set: it has no folder data/ (cohort.folder)", folder);
    TRY(add_parquet(files, "events", path, 0));
    if (files->paths.n == 1) return status_set(STATUS_FAILED, "%s: there is no .parquet file", path);
    TRY(join(folder, "labels", path));
    TRY(tasks->n ? add_named_tasks(files, path, tasks) : add_all_tasks(files, path));
    TRY(join(folder, "metadata/codes.parquet", path));
    return stat(path, &info) ? STATUS_OK : add_file(files, CODE_LIST_ROLE, path);
}

int meds_find_files(const struct cohort_options *options, struct source_files *files) {
    *files = (struct source_files){0};
    int status = find_files(options->folder, &options->tasks, files);
    if (status != STATUS_OK) source_files_free(files);
    return status;
}
