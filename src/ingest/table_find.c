/* Where the tables of a data set are. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "ingest/table_reader.h"

/* Whether a file of this name is the table. */
static int names_table(const char *file, const char *table) {
    size_t n = strlen(table);
    return strncasecmp(file, table, n) == 0 &&
           (strcasecmp(file + n, ".csv") == 0 || strcasecmp(file + n, ".csv.gz") == 0);
}

/* How many entries of the folder are the table (folder_name NULL), or are called folder_name; path: that of one of them. */
static int count_entries(const char *folder, const char *table, const char *folder_name, char path[PATH_MAX]) {
    int n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (folder_name ? strcasecmp(e->d_name, folder_name) != 0 : !names_table(e->d_name, table)) continue;
        if (n++ == 0) snprintf(path, PATH_MAX, "%s/%s", folder, e->d_name);
    }
    if (dir) closedir(dir);
    return n;
}

/* How many files are the table `name`, "hosp/admissions" or "admissions"; path: of one of them. */
static int count_files(const char *folder, const char *name, char path[PATH_MAX]) {
    const char *slash = strchr(name, '/'), *table = slash ? slash + 1 : name;
    char inner[PATH_MAX], found[PATH_MAX];
    int n = count_entries(folder, table, NULL, path);
    if (!slash) return n;
    char part[64];
    snprintf(part, sizeof part, "%.*s", (int)(slash - name), name);
    if (count_entries(folder, NULL, part, inner) == 0) return n;
    int n_inner = count_entries(inner, table, NULL, found);
    if (n_inner > 0) memcpy(path, found, sizeof found);
    return n + n_inner;
}

int source_folder_check(const char *folder) {
    char path[PATH_MAX];
    struct stat info;
    DIR *dir = opendir(folder);
    int status = STATUS_OK;
    if (!dir)
        return errno == EACCES ? status_set(STATUS_FAILED, "cohort.folder: %s: %s", folder, strerror(errno))
                               : STATUS_OK;
    for (struct dirent *e; status == STATUS_OK && (e = readdir(dir));) {
        if (snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= PATH_MAX) continue;
        if (strcmp(e->d_name, "..") == 0 || stat(path, &info) || !S_ISDIR(info.st_mode)) continue;
        if (access(path, R_OK | X_OK))
            status =
                status_set(STATUS_FAILED, "%s cannot be read: %s; its owner gives the right by chmod u+rx, or g+rx",
                           path, strerror(errno));
    }
    closedir(dir);
    return status;
}

static int add_table(const char *folder, const struct table_kind *kind, struct source_files *files) {
    char path[PATH_MAX];
    int n = count_files(folder, kind->name, path);
    if (n == 0 && !kind->required) return STATUS_OK;
    if (n == 0) TRY(source_folder_check(folder));
    if (n == 0)
        return status_set(STATUS_FAILED, "%s has no table %s: looked for %s.csv and %s.csv.gz, in any case", folder,
                          kind->name, kind->name, kind->name);
    if (n > 1)
        return status_set(STATUS_FAILED, "%s has the table %s %d times, once as %s: leave one", folder, kind->name, n,
                          path);
    struct source_table *table = &files->tables[files->n_tables];
    TRY(string_list_add(&files->paths, path));
    TRY(string_list_add(&files->roles, kind->name));
    table->kind = kind;
    table->path = strdup(path);
    if (!table->path) return status_set(STATUS_FAILED, "out of memory");
    files->n_tables++;
    return STATUS_OK;
}

int source_tables_find(const char *folder, const struct table_kind *const *kinds, unsigned wanted,
                       struct source_files *files) {
    int n = 0;
    *files = (struct source_files){0};
    while (kinds[n]) n++;
    TRY(mem_alloc(&files->tables, n, sizeof *files->tables));
    for (int i = 0; i < n; i++)
        if (kinds[i]->kinds == 0 || kinds[i]->kinds & wanted) TRY(add_table(folder, kinds[i], files));
    return STATUS_OK;
}

int source_table_has(const char *folder, const char *name, const char *column) {
    char path[PATH_MAX];
    struct delimited r;
    if (count_files(folder, name, path) == 0) return 0;
    if (!column) return 1;
    int has = delimited_open(&r, path) == STATUS_OK && delimited_column(&r, column) >= 0;
    delimited_close(&r);
    return has;
}
