/* Links, folders and free room by POSIX calls. */
#include "base/path.h"

#include <errno.h>
#include <glob.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/format.h"
#include "base/log.h"
#include "base/status.h"

enum { MOST_LINKS = 40 };

void path_folder(const char *path, char folder[PATH_MAX]) {
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(folder, PATH_MAX, ".");
    else
        snprintf(folder, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static int make_one(const char *folder) {
    struct stat info;
    if (mkdir(folder, 0777) == 0) return STATUS_OK;
    int reason = errno; /* of a folder that is there: EEXIST, and of some that are not ours to write, EACCES or EROFS */
    if (stat(folder, &info) == 0) {
        if (S_ISDIR(info.st_mode)) return STATUS_OK;
        reason = ENOTDIR;
    }
    return status_set(STATUS_FAILED, "cannot make the folder %s: %s", folder, strerror(reason));
}

int path_make_folders(const char *folder) {
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s", folder) >= (int)sizeof part)
        return status_set(STATUS_FAILED, "cannot make the folder %s: %s", folder, strerror(ENAMETOOLONG));
    for (char *p = part + 1; part[0]; p++) {
        char end = *p;
        if (end && end != '/') continue;
        *p = 0;
        TRY(make_one(part));
        if (!end) return STATUS_OK;
        *p = '/';
    }
    return STATUS_OK;
}

int path_make_folder_of(const char *file) {
    char folder[PATH_MAX];
    path_folder(file, folder);
    return path_make_folders(folder);
}

/* ---- where a path leads ---- */
static int too_long(const char *path) { return status_set(STATUS_USAGE, "the path is too long: %.200s...", path); }

/* Replaces a link, which is the last part of `path`, by what it says. */
static int follow(char path[PATH_MAX], int *is_link) {
    char said[PATH_MAX], folder[PATH_MAX], joined[2 * PATH_MAX];
    ssize_t n = readlink(path, said, sizeof said - 1);
    *is_link = n >= 0;
    if (n < 0) return STATUS_OK;
    said[n] = 0;
    path_folder(path, folder);
    snprintf(joined, sizeof joined, "%s%s%s", said[0] == '/' ? "" : folder, said[0] == '/' ? "" : "/", said);
    if (strlen(joined) >= PATH_MAX) return too_long(joined);
    memcpy(path, joined, strlen(joined) + 1);
    return STATUS_OK;
}

/* The longest part of the folder that exists, resolved, and the rest of the absolute `path` behind it. */
static int resolve_folder(const char *path, char resolved[PATH_MAX]) {
    char part[PATH_MAX], shorter[PATH_MAX], found[PATH_MAX], joined[2 * PATH_MAX];
    path_folder(path, part);
    while (!realpath(part, found)) {
        if (strcmp(part, "/") == 0) return status_set(STATUS_FAILED, "/: %s", strerror(errno));
        path_folder(part, shorter);
        memcpy(part, shorter, sizeof part);
    }
    const char *rest = path + strlen(part);
    while (*rest == '/') rest++;
    snprintf(joined, sizeof joined, "%s/%s", strcmp(found, "/") == 0 ? "" : found, rest);
    if (strlen(joined) >= PATH_MAX) return too_long(joined);
    memcpy(resolved, joined, strlen(joined) + 1);
    return STATUS_OK;
}

/* From the root, without slashes at the end. */
static int make_absolute(const char *path, char absolute[PATH_MAX]) {
    char here[PATH_MAX] = "", joined[2 * PATH_MAX];
    if (strlen(path) >= PATH_MAX) return too_long(path);
    if (path[0] != '/' && !getcwd(here, sizeof here))
        return status_set(STATUS_FAILED, "the working directory: %s", strerror(errno));
    snprintf(joined, sizeof joined, "%s%s%s", here, path[0] == '/' ? "" : "/", path);
    size_t n = strlen(joined);
    while (n > 1 && joined[n - 1] == '/') joined[--n] = 0;
    if (n >= PATH_MAX) return too_long(path);
    memcpy(absolute, joined, n + 1);
    return STATUS_OK;
}

int path_resolve(const char *path, char resolved[PATH_MAX]) {
    char at[PATH_MAX];
    int is_link = 1, links = 0;
    TRY(make_absolute(path, at));
    while (is_link) {
        if (links++ > MOST_LINKS) return status_set(STATUS_USAGE, "%s: symbolic links that lead in a circle", path);
        TRY(follow(at, &is_link));
    }
    return resolve_folder(at, resolved);
}

int path_same(const char *a, const char *b) {
    struct stat x, y;
    char p[PATH_MAX], q[PATH_MAX];
    if (stat(a, &x) == 0 && stat(b, &y) == 0) return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
    return path_resolve(a, p) == STATUS_OK && path_resolve(b, q) == STATUS_OK && strcmp(p, q) == 0;
}

/* ---- what may be written ---- */
int path_check_regular(const char *path) {
    struct stat info;
    char resolved[PATH_MAX];
    TRY(path_resolve(path, resolved));
    if (stat(path, &info)) return STATUS_OK;
    if (S_ISREG(info.st_mode)) return STATUS_OK;
    const char *what = S_ISDIR(info.st_mode)    ? "a folder"
                       : S_ISCHR(info.st_mode)  ? "a device"
                       : S_ISBLK(info.st_mode)  ? "a device"
                       : S_ISFIFO(info.st_mode) ? "a pipe"
                                                : "no regular file";
    return status_set(STATUS_USAGE, "%s is %s; name a file", path, what);
}

int path_check_room(const char *path, int64_t bytes, const char *what) {
    struct statvfs disk;
    char folder[PATH_MAX], need[32], have[32];
    path_folder(path, folder);
    if (bytes <= 0 || statvfs(folder, &disk)) return STATUS_OK;
    double left = (double)disk.f_bavail * (double)disk.f_frsize;
    if ((double)bytes <= left) return STATUS_OK;
    return status_set(STATUS_FAILED, "%s needs about %s, but the file system of %s has %s free", what,
                      format_bytes(bytes, need, sizeof need), folder, format_bytes((int64_t)left, have, sizeof have));
}

/* ---- files of a name ---- */
/* Of a folder that is not there the answer is known: no file. */
static int is_worth_an_error(const char *folder, int reason) {
    (void)folder;
    return reason != ENOENT;
}

int path_list(const char *stem, const char *pattern, void (*found)(const char *path, void *context), void *context) {
    char escaped[2 * PATH_MAX + 64];
    size_t n = 0;
    glob_t files;
    for (const char *p = stem; *p && n < 2 * PATH_MAX; p++) {
        if (strchr("*?[\\", *p)) escaped[n++] = '\\';
        escaped[n++] = *p;
    }
    snprintf(escaped + n, sizeof escaped - n, "%s", pattern);
    int code = glob(escaped, 0, is_worth_an_error, &files);
    if (code == GLOB_NOMATCH) return STATUS_OK;
    if (code) return status_set(STATUS_FAILED, "cannot list the files %s%s", stem, pattern);
    for (size_t i = 0; i < files.gl_pathc; i++) found(files.gl_pathv[i], context);
    globfree(&files);
    return STATUS_OK;
}

/* `.step-` and nine digits or more, `.h5` */
static int is_step(const char *ending) {
    size_t digits = strncmp(ending, ".step-", 6) == 0 ? strspn(ending + 6, "0123456789") : 0;
    return digits >= 9 && strcmp(ending + 6 + digits, ".h5") == 0;
}

int path_is_beside(const char *path, const char *output) {
    static const char *const ENDINGS[] = {".lock-medtok", ".tmp-medtok-", ".partial", ".parts", ".scratch-medtok-"};
    char p[PATH_MAX], o[PATH_MAX], stem[PATH_MAX];
    if (path_resolve(path, p) != STATUS_OK || path_resolve(output, o) != STATUS_OK) return 0;
    path_with_ending(o, "", stem, sizeof stem);
    size_t n = strlen(o), m = strlen(stem);
    if (strncmp(p, stem, m) == 0 && (is_step(p + m) || strcmp(p + m, ".best.h5") == 0)) return 1;
    if (strncmp(p, o, n) != 0) return 0;
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++)
        if (strncmp(p + n, ENDINGS[i], strlen(ENDINGS[i])) == 0) return 1;
    return 0;
}

/* ---- temporary files ---- */
#define TEMPORARY ".tmp-medtok-"

int path_temporary(const char *target, char temporary[PATH_MAX]) {
    enum { LONGEST_ENDING = 32 }; /* of what is made beside it */
    static atomic_uint n;
    const char *slash = strrchr(target, '/');
    if (strlen(slash ? slash + 1 : target) + LONGEST_ENDING > NAME_MAX)
        return status_set(STATUS_USAGE, "the file name is too long, at most %d bytes go: %.255s",
                          NAME_MAX - LONGEST_ENDING, target);
    int length =
        snprintf(temporary, PATH_MAX, "%s" TEMPORARY "%ld%06u", target, (long)getpid(), atomic_fetch_add(&n, 1));
    if (length < PATH_MAX) return STATUS_OK;
    return too_long(target);
}

static void remove_temporary(const char *path, void *target) {
    const char *digits = path + strlen(target) + strlen(TEMPORARY);
    if (*digits && strspn(digits, "0123456789") == strlen(digits) && unlink(path) == 0)
        log_info("removed %s, left by an interrupted run", path);
}

void path_remove_temporaries(const char *target) {
    char context[PATH_MAX];
    snprintf(context, sizeof context, "%s", target);
    path_list(target, TEMPORARY "*", remove_temporary, context);
}

void path_with_ending(const char *path, const char *ending, char *out, size_t size) {
    size_t n = strlen(path);
    int stem = (int)(n > 3 && strcmp(path + n - 3, ".h5") == 0 ? n - 3 : n);
    snprintf(out, size, "%.*s%s", stem, path, ending);
}
