/* What a file was made from: content checksums of inputs, settings, version, and the key made of them. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

#include "base/input_file.h"
#include "base/interrupt.h"
#include "base/status.h"
#include "store/h5internal.h"

#ifndef MEDTOK_VERSION
#define MEDTOK_VERSION "unknown"
#endif

static void hex128(XXH128_hash_t hash, char text[33]) {
    snprintf(text, 33, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}

static int hash_file(const char *path, char text[33]) {
    enum { SIZE = 1 << 20 };
    TRY(input_file_check(path)); /* before it is opened: a pipe may make that wait for ever, a device has no end */
    FILE *file = fopen(path, "rb");
    if (!file) return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    XXH3_state_t *state = XXH3_createState();
    char *buffer = malloc(SIZE);
    int status = state && buffer ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
    if (status == STATUS_OK) {
        XXH3_128bits_reset(state);
        for (size_t n; status == STATUS_OK && (n = fread(buffer, 1, SIZE, file)) > 0; status = interrupt_poll())
            XXH3_128bits_update(state, buffer, n);
        if (ferror(file)) status = status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
        hex128(XXH3_128bits_digest(state), text);
    }
    free(buffer);
    XXH3_freeState(state);
    fclose(file);
    return status;
}

/* Roles that are files of ours are named as their kinds, so that a missing one is said with the job that makes it. */
static int content_id(const char *role, const char *path, char text[33]) {
    struct h5file *file = NULL;
    char *id = NULL;
    int ours = file_kind_named(role) != KIND_UNKNOWN, there = access(path, F_OK) == 0;
    if (!ours) return hash_file(path, text);
    int status = h5file_open(&file, path, there ? KIND_UNKNOWN : file_kind_named(role));
    if (status == STATUS_OK) status = h5file_get_text(file, "content_id", &id);
    if (status == STATUS_OK) snprintf(text, 33, "%s", id);
    free(id);
    h5file_close(file);
    return status;
}

int provenance_add_checksum(struct provenance *p, const char *role, const char *path, const char *checksum) {
    size_t old = p->inputs ? strlen(p->inputs) : 0, more = strlen(role) + strlen(path) + strlen(checksum) + 4;
    char *inputs = realloc(p->inputs, old + more);
    if (!inputs) return status_set(STATUS_FAILED, "out of memory");
    snprintf(inputs + old, more, "%s\t%s\t%s\n", role, path, checksum);
    p->inputs = inputs;
    return STATUS_OK;
}

int provenance_add_input(struct provenance *p, const char *role, const char *path) {
    char id[33] = "";
    TRY(content_id(role, path, id));
    return provenance_add_checksum(p, role, path, id);
}

int provenance_share(const struct comm *comm, struct provenance *p, int status) {
    int64_t size = 0;
    TRY(comm_agree(comm, status));
    if (comm->size == 1) return STATUS_OK;
    if (comm->rank == 0) size = p->inputs ? (int64_t)strlen(p->inputs) + 1 : 0;
    TRY(comm_broadcast(comm, &size, sizeof size));
    if (comm->rank > 0) {
        free(p->inputs);
        p->inputs = NULL;
        if (size > 0) status = mem_alloc(&p->inputs, size, 1);
    }
    TRY(comm_agree(comm, status));
    return comm_broadcast(comm, p->inputs, size);
}

/* The first line of `role` at or behind `line`, or NULL. */
static const char *find_role(const char *line, const char *role) {
    size_t n = strlen(role);
    for (; line && *line; line = strchr(line, '\n') + 1)
        if (strncmp(line, role, n) == 0 && line[n] == '\t') return line;
    return NULL;
}

/* The checksum of a line (with its end) and what follows. */
static const char *checksum_of(const char *line, size_t *size) {
    const char *end = strchr(line, '\n'), *checksum = end;
    while (checksum[-1] != '\t') checksum--;
    *size = (size_t)(end - checksum) + 1;
    return checksum;
}

int provenance_copy_inputs(struct provenance *p, const char *inputs, const char *role) {
    for (const char *line = find_role(inputs, role); line; line = find_role(strchr(line, '\n') + 1, role)) {
        size_t old = p->inputs ? strlen(p->inputs) : 0, size = (size_t)(strchr(line, '\n') - line) + 1;
        char *more = realloc(p->inputs, old + size + 1);
        if (!more) return status_set(STATUS_FAILED, "out of memory");
        memcpy(more + old, line, size);
        more[old + size] = 0;
        p->inputs = more;
    }
    return STATUS_OK;
}

int provenance_same_inputs(const char *inputs, const char *others, const char *role) {
    const char *a = find_role(inputs, role), *b = find_role(others, role);
    while (a && b) {
        size_t n, m;
        const char *x = checksum_of(a, &n), *y = checksum_of(b, &m);
        if (n != m || memcmp(x, y, n) != 0) return 0;
        a = find_role(x + n, role);
        b = find_role(y + m, role);
    }
    return !a && !b;
}

void provenance_find_path(const char *inputs, const char *role, char *path, size_t size) {
    const char *line = find_role(inputs, role);
    size_t n;
    path[0] = 0;
    if (!line) return;
    line += strlen(role) + 1;
    snprintf(path, size, "%.*s", (int)(checksum_of(line, &n) - 1 - line), line);
}

/* The inputs' roles and checksums count, their paths do not: a moved file is the same file. */
static void hash_inputs(XXH3_state_t *state, const char *inputs) {
    for (const char *line = inputs; line && *line;) {
        const char *end = strchr(line, '\n'), *tab = strchr(line, '\t'), *checksum = end;
        while (checksum[-1] != '\t') checksum--;
        XXH3_128bits_update(state, line, (size_t)(tab - line));
        XXH3_128bits_update(state, checksum, (size_t)(end - checksum));
        line = end + 1;
    }
}

void provenance_finish(struct provenance *p, enum file_kind output) {
    char head[256];
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    int n = snprintf(head, sizeof head, "%s %d %s\n", p->job, FILE_KIND_FACTS[output].version, MEDTOK_VERSION);
    XXH3_128bits_update(&state, head, (size_t)n);
    if (p->config) XXH3_128bits_update(&state, p->config, strlen(p->config));
    hash_inputs(&state, p->inputs);
    hex128(XXH3_128bits_digest(&state), p->key);
}

/* ---- differences ---- */
struct difference {
    char *text;
    size_t size, used;
};

static void add_difference(struct difference *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_difference(struct difference *d, const char *format, ...) {
    va_list args;
    if (d->used + 4 >= d->size) return;
    if (d->used) d->used += (size_t)snprintf(d->text + d->used, d->size - d->used, ", ");
    va_start(args, format);
    int n = vsnprintf(d->text + d->used, d->size - d->used, format, args);
    va_end(args);
    d->used += n < 0 ? 0 : (size_t)n;
    if (d->used >= d->size) d->used = d->size - 1;
}

/* The value behind `key: ` in settings, and its length; NULL if it is not there. */
static const char *value_of(const char *settings, const char *key, size_t key_size, int *size) {
    for (const char *line = settings; line && *line;) {
        const char *end = strchrnul(line, '\n');
        if ((size_t)(end - line) > key_size + 2 && strncmp(line, key, key_size) == 0 && line[key_size] == ':') {
            *size = (int)(end - line - (ptrdiff_t)key_size - 2);
            return line + key_size + 2;
        }
        line = *end ? end + 1 : NULL;
    }
    return NULL;
}

static void compare_settings(struct difference *d, const char *here, const char *there) {
    for (const char *line = here; line && *line;) {
        const char *end = strchrnul(line, '\n'), *colon = strchr(line, ':');
        int n = 0, m = 0;
        if (!colon || colon > end) break;
        const char *mine = value_of(here, line, (size_t)(colon - line), &n);
        const char *other = value_of(there, line, (size_t)(colon - line), &m);
        if (mine && (!other || n != m || strncmp(mine, other, (size_t)n) != 0))
            add_difference(d, "%.*s %.*s there and %.*s here", (int)(colon - line), line, other ? m : 4,
                           other ? other : "none", n, mine);
        line = *end ? end + 1 : NULL;
    }
}

static void compare_inputs(struct difference *d, const char *here, const char *there) {
    for (const char *line = here; line && *line; line = strchr(line, '\n') + 1) {
        char role[64];
        snprintf(role, sizeof role, "%.*s", (int)strcspn(line, "\t"), line);
        if (find_role(here, role) == line && !provenance_same_inputs(here, there, role))
            add_difference(d, "another %s", role);
    }
}

void provenance_difference(const struct provenance *p, struct h5file *file, char *text, size_t size) {
    struct difference d = {text, size, 0};
    char *config = NULL, *inputs = NULL, *version = NULL;
    text[0] = 0;
    if (h5file_get_text(file, "config", &config) == STATUS_OK && p->config) compare_settings(&d, p->config, config);
    if (h5file_get_text(file, "inputs", &inputs) == STATUS_OK && p->inputs) compare_inputs(&d, p->inputs, inputs);
    if (h5file_get_text(file, "program_version", &version) == STATUS_OK && strcmp(version, MEDTOK_VERSION) != 0)
        add_difference(&d, "made by version %s, this is %s", version, MEDTOK_VERSION);
    if (!d.used) add_difference(&d, "other settings");
    free(config);
    free(inputs);
    free(version);
}

void provenance_free(struct provenance *p) {
    free(p->inputs);
    p->inputs = NULL;
}
