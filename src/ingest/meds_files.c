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

void meds_files_free(struct meds_files *f) {
    string_list_clear(&f->splits);
    string_list_clear(&f->events);
    string_list_clear(&f->labels);
}

const char *meds_label_path(const char *label) { return strchr(label, '=') + 1; }

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

/* Adds `prefix` and the path of each Parquet file in `folder` and below, by name; links to folders are followed. */
static int add_parquet(struct string_list *files, const char *prefix, const char *folder, int depth) {
    struct dirent **entries;
    int n = scandir(folder, &entries, visible, alphasort), status = STATUS_OK;
    if (n < 0) return status_set(STATUS_FAILED, "%s: %s", folder, strerror(errno));
    if (depth > DEEPEST) status = status_set(STATUS_FAILED, "%s lies too deep", folder);
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX], item[2 * PATH_MAX];
        if (status == STATUS_OK) status = join(folder, entries[i]->d_name, path);
        size_t length = strlen(entries[i]->d_name);
        if (status == STATUS_OK && is_folder(path)) {
            status = add_parquet(files, prefix, path, depth + 1);
        } else if (status == STATUS_OK && length > 8 && strcmp(entries[i]->d_name + length - 8, ".parquet") == 0) {
            snprintf(item, sizeof item, "%s%s", prefix, path);
            status = string_list_add(files, item);
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

/* ---- the three parts ---- */
static int add_task(struct meds_files *f, const char *labels, const char *task) {
    char folder[PATH_MAX], prefix[PATH_MAX];
    int before = f->labels.n;
    if (strpbrk(task, "=\t\n") || !task[0])
        return status_set(STATUS_USAGE, "cohort.tasks: \"%s\" is no name of a task: it must not hold = or tabs", task);
    TRY(join(labels, task, folder));
    if (!is_folder(folder))
        return status_set(STATUS_FAILED, "the task %s has no folder %s (cohort.tasks)", task, folder);
    snprintf(prefix, sizeof prefix, "%s=", task);
    TRY(add_parquet(&f->labels, prefix, folder, 0));
    return f->labels.n > before ? STATUS_OK : status_set(STATUS_FAILED, "%s: there is no .parquet file", folder);
}

static int add_all_tasks(struct meds_files *f, const char *labels) {
    struct dirent **entries;
    int n = scandir(labels, &entries, visible, alphasort), status = STATUS_OK;
    if (n < 0 && errno == ENOENT) return STATUS_OK; /* a data set without labels */
    if (n < 0) return status_set(STATUS_FAILED, "%s: %s", labels, strerror(errno));
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        if (status == STATUS_OK) status = join(labels, entries[i]->d_name, path);
        if (status == STATUS_OK && is_folder(path)) status = add_task(f, labels, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* In whatever order tasks are named, the files come in one, so that the cohort has one provenance. */
static int sort_labels(struct string_list *labels) {
    if (labels->n) qsort(labels->items, (size_t)labels->n, sizeof *labels->items, by_text);
    for (int i = 1; i < labels->n; i++)
        if (strcmp(labels->items[i - 1], labels->items[i]) == 0)
            return status_set(STATUS_USAGE, "cohort.tasks names %.*s twice", (int)strcspn(labels->items[i], "="),
                              labels->items[i]);
    return STATUS_OK;
}

static int find_files(const char *folder, const struct string_list *tasks, struct meds_files *f) {
    char path[PATH_MAX];
    struct stat info;
    if (!is_folder(folder))
        return status_set(STATUS_FAILED, "cohort.meds: %s is no folder; name one with data/, metadata/ and labels/",
                          folder);
    TRY(join(folder, "data", path));
    if (!is_folder(path))
        return status_set(STATUS_FAILED, "cohort.meds: %s is no MEDS data set: it has no folder data/", folder);
    TRY(add_parquet(&f->events, "", path, 0));
    if (f->events.n == 0) return status_set(STATUS_FAILED, "%s: there is no .parquet file", path);
    TRY(join(folder, "metadata/subject_splits.parquet", path));
    if (stat(path, &info))
        return status_set(STATUS_FAILED, "%s: %s; it says which split (train, tuning, held_out) each subject is in",
                          path, strerror(errno));
    TRY(string_list_add(&f->splits, path));
    TRY(join(folder, "labels", path));
    for (int i = 0; i < tasks->n; i++) TRY(add_task(f, path, tasks->items[i]));
    if (tasks->n == 0) TRY(add_all_tasks(f, path));
    return sort_labels(&f->labels);
}

int meds_find_files(const char *folder, const struct string_list *tasks, struct meds_files *f) {
    *f = (struct meds_files){0};
    int status = find_files(folder, tasks, f);
    if (status != STATUS_OK) meds_files_free(f);
    return status;
}
