#include "store/part_journal.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/status.h"

/* Beside the file itself, where `path` is a link to it, as the file that grows is. */
static void path_of(const char *path, const char *ending, char full[PATH_MAX]) {
    char target[PATH_MAX];
    if (path_resolve(path, target) != STATUS_OK) snprintf(target, sizeof target, "%s", path);
    if (snprintf(full, PATH_MAX, "%s%s", target, ending) >= PATH_MAX) full[0] = 0;
}

int part_journal_read(const char *path, const char *key, int64_t n_parts, int64_t *done, uint64_t *checksum,
                      int *found) {
    char full[PATH_MAX], line[128], end;
    *found = 0;
    path_of(path, ".parts", full);
    FILE *file = fopen(full, "r");
    if (!file) return errno == ENOENT ? STATUS_OK : status_set(STATUS_FAILED, "%s: %s", full, strerror(errno));
    int begun = fgets(line, sizeof line, file) != NULL;
    if (begun && strspn(line, "0123456789abcdef") < 32) {
        fclose(file);
        return status_set(STATUS_FAILED, "%s is in the way: it is not what encode leaves there; move it away", full);
    }
    if (begun && strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == '\n') *found = 1;
    while (*found && fgets(line, sizeof line, file)) {
        int64_t part;
        uint64_t sum;
        if (sscanf(line, "%" SCNd64 " %" SCNx64 "%c", &part, &sum, &end) != 3 || end != '\n') continue;
        if (part < 0 || part >= n_parts) continue;
        done[part] = 1;
        checksum[part] = sum;
    }
    int status = ferror(file) ? status_set(STATUS_FAILED, "%s cannot be read", full) : STATUS_OK;
    fclose(file);
    return status;
}

int part_journal_open(struct part_journal *j, const char *path, const char *key, int again) {
    char full[PATH_MAX];
    path_of(path, ".parts", full);
    *j = (struct part_journal){.file = fopen(full, again ? "a" : "w"), .path = strdup(full)};
    /* Going on, a new line first: the last one may have been cut. */
    if (j->file && j->path && fprintf(j->file, "%s\n", again ? "" : key) > 0 && fflush(j->file) == 0) return STATUS_OK;
    int status = status_set(STATUS_FAILED, "%s: %s", full, strerror(errno));
    part_journal_close(j);
    return status;
}

int part_journal_add(struct part_journal *j, int64_t part, uint64_t checksum) {
    if (fprintf(j->file, "%" PRId64 " %016" PRIx64 "\n", part, checksum) > 0 && fflush(j->file) == 0) return STATUS_OK;
    return status_set(STATUS_FAILED, "%s: %s", j->path, strerror(errno));
}

void part_journal_close(struct part_journal *j) {
    if (j->file) fclose(j->file);
    free(j->path);
    *j = (struct part_journal){0};
}

void part_journal_discard(const char *path) {
    char full[PATH_MAX];
    path_of(path, ".parts", full);
    unlink(full);
    path_of(path, ".partial", full);
    unlink(full);
}
