/* Folders are walked by name, so that files have the same numbers wherever they are read. */
#include "ingest/table_files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/status.h"

static int is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static int join(const char *folder, const char *name, char path[PATH_MAX]) {
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX) return STATUS_OK;
    return status_set(STATUS_FAILED, "%.200s... is too long a path", folder);
}

/* Length of the name without its ending, or 0: it is no CSV file. */
static size_t csv_stem(const char *name) {
    size_t n = strlen(name);
    if (n > 3 && strcasecmp(name + n - 3, ".gz") == 0) n -= 3;
    return n > 4 && strncasecmp(name + n - 4, ".csv", 4) == 0 ? n - 4 : 0;
}

static int is_named(const char *file, const char *name) {
    size_t n = csv_stem(file);
    return n > 0 && n == strlen(name) && strncasecmp(file, name, n) == 0;
}

static int visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* ---- one file ---- */
int table_file_find(const char *folder, const char *name, char path[PATH_MAX]) {
    char parent[PATH_MAX];
    struct dirent **entries;
    int found = 0;
    const char *slash = strrchr(name, '/');
    if (slash ? snprintf(parent, sizeof parent, "%s/%.*s", folder, (int)(slash - name), name) >= PATH_MAX
              : snprintf(parent, sizeof parent, "%s", folder) >= PATH_MAX)
        return 0;
    if (slash) name = slash + 1;
    int n = scandir(parent, &entries, visible, alphasort);
    for (int i = 0; i < n; i++) {
        if (!found && is_named(entries[i]->d_name, name)) found = join(parent, entries[i]->d_name, path) == STATUS_OK;
        free(entries[i]);
    }
    if (n >= 0) free(entries);
    return found;
}

static int add(struct source_files *files, const struct table_kind *kind, const char *role, const char *path) {
    struct source_table *tables = realloc(files->tables, ((size_t)files->n_tables + 1) * sizeof *tables);
    if (!tables) return status_set(STATUS_FAILED, "out of memory");
    files->tables = tables;
    char *copy = strdup(path);
    if (!copy) return status_set(STATUS_FAILED, "out of memory");
    tables[files->n_tables++] = (struct source_table){kind, copy};
    TRY(string_list_add(&files->roles, role));
    return string_list_add(&files->paths, path);
}

/* ---- folders ---- */
enum { DEEPEST = 16 };

static int walk(struct source_files *files, const struct table_kind *kind, const char *role, const char *folder,
                const char *only, int depth) {
    struct dirent **entries;
    int n = scandir(folder, &entries, visible, alphasort), status = STATUS_OK;
    if (n < 0) return status_set(STATUS_FAILED, "%s: %s", folder, strerror(errno));
    if (depth > DEEPEST) status = status_set(STATUS_FAILED, "%s lies too deep", folder);
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        const char *name = entries[i]->d_name;
        if (status == STATUS_OK) status = join(folder, name, path);
        if (status == STATUS_OK && is_folder(path))
            status = walk(files, kind, role, path, only, depth + 1);
        else if (status == STATUS_OK && (only ? is_named(name, only) : csv_stem(name) > 0))
            status = add(files, kind, role, path);
        free(entries[i]);
    }
    free(entries);
    return status;
}

int table_files_add_below(struct source_files *files, const struct table_kind *kind, const char *role,
                          const char *folder, const char *below, const char *only) {
    char path[PATH_MAX];
    int before = files->n_tables;
    TRY(join(folder, below, path));
    TRY(walk(files, kind, role, path, only, 0));
    if (files->n_tables > before) return STATUS_OK;
    return status_set(STATUS_FAILED, "%s: there is no %s.csv (or .csv.gz)", path, only ? only : "file NAME");
}

int table_files_any(const char *folder, const char *below) {
    static const struct table_kind NO_KIND = {.name = ""};
    struct source_files files = {0};
    char path[PATH_MAX];
    int any = join(folder, below, path) == STATUS_OK && walk(&files, &NO_KIND, "", path, NULL, 0) == STATUS_OK &&
              files.n_tables > 0;
    source_files_free(&files);
    return any;
}

/* ---- labels ---- */
static int add_task(struct source_files *files, const struct table_kind *kind, const char *folder, const char *task,
                    const char *only) {
    char path[PATH_MAX], role[PATH_MAX];
    TRY(join(folder, task, path));
    snprintf(role, sizeof role, LABEL_ROLE "%.1000s", task);
    return is_folder(path) ? walk(files, kind, role, path, only, 0) : STATUS_OK;
}

static int add_all_tasks(struct source_files *files, const struct table_kind *kind, const char *folder,
                         const char *only) {
    struct dirent **entries;
    int n = scandir(folder, &entries, visible, alphasort), status = STATUS_OK;
    if (n < 0 && errno == ENOENT) return STATUS_OK;
    if (n < 0) return status_set(STATUS_FAILED, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < n; i++) {
        if (status == STATUS_OK) status = add_task(files, kind, folder, entries[i]->d_name, only);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int table_files_add_labels(struct source_files *files, const struct table_kind *kind, const struct string_list *tasks,
                           const char *folder, const char *labels, const char *only) {
    char path[PATH_MAX];
    TRY(join(folder, labels, path));
    if (tasks->n == 0) return add_all_tasks(files, kind, path, only);
    char **names;
    TRY(mem_alloc(&names, tasks->n, sizeof *names));
    for (int i = 0; i < tasks->n; i++) names[i] = tasks->items[i];
    qsort(names, (size_t)tasks->n, sizeof *names, by_text);
    int status = STATUS_OK;
    for (int i = 0; i < tasks->n && status == STATUS_OK; i++) status = add_task(files, kind, path, names[i], only);
    free(names);
    return status;
}

int label_files_prepare(const struct source_files *files, void **out) {
    struct label_files *labels;
    size_t front = strlen(LABEL_ROLE);
    int status = mem_alloc(&labels, 1, sizeof *labels);
    for (int i = 0; i < files->roles.n && status == STATUS_OK; i++) {
        const char *role = files->roles.items[i];
        status = string_list_add(&labels->tasks, strncmp(role, LABEL_ROLE, front) == 0 ? role + front : "");
    }
    *out = labels;
    return status;
}

void label_files_release(void *state) {
    struct label_files *labels = state;
    if (labels) string_list_clear(&labels->tasks);
    free(labels);
}
