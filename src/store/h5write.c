/* Files that are written: a temporary one beside the target, its attributes, and the rename that makes it exist. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

#include "base/file_lock.h"
#include "base/format.h"
#include "base/log.h"
#include "base/path.h"
#include "base/status.h"
#include "store/h5internal.h"

#ifndef MEDTOK_VERSION
#define MEDTOK_VERSION "unknown"
#endif

/* ---- the target ---- */
int h5file_check_partial(const char *path) {
    char target[PATH_MAX], partial[PATH_MAX + 16];
    TRY(path_resolve(path, target));
    snprintf(partial, sizeof partial, "%s.partial", target);
    static const char HDF5[8] = "\x89HDF\r\n\x1a\n", ZEROS[8] = "";
    char head[8] = "";
    FILE *file = fopen(partial, "rb");
    size_t n = file ? fread(head, 1, sizeof head, file) : 0;
    if (file) fclose(file);
    if (n == 0 || memcmp(head, HDF5, n) == 0 || memcmp(head, ZEROS, n) == 0) return STATUS_OK;
    return status_set(STATUS_FAILED, "%s is in the way: it is not what encode leaves there; move it away", partial);
}

/* All that can be known to be wrong before a byte is written. Rank 0 only. */
static int check_target(const char *path, const char *target, int64_t bytes_expected) {
    char folder[PATH_MAX];
    struct stat info;
    path_folder(target, folder);
    TRY(path_make_folders(folder));
    if (stat(folder, &info) || !S_ISDIR(info.st_mode))
        return status_set(STATUS_FAILED, "the output folder %s is not a folder", folder);
    if (access(folder, W_OK | X_OK))
        return status_set(STATUS_FAILED, "cannot write to the output folder %s: %s", folder, strerror(errno));
    TRY(path_check_regular(target));
    path_remove_temporaries(target);
    return path_check_room(target, bytes_expected, path);
}

int h5_failed_to(struct h5file *file, const char *what) {
    const char *why = h5_reason();
    file->unfit = !h5_reason_is_system();
    return status_set(STATUS_FAILED, "%s: %s: %s", file->path, what, why);
}

/* ---- room ---- */
int h5_reserve(struct h5file *file, int64_t bytes) {
    struct statvfs fs;
    int reason = 0, status = STATUS_OK;
    if (file->comm.rank == 0 && fallocate(file->disk, FALLOC_FL_KEEP_SIZE, 0, (off_t)(file->reserved + bytes))) {
        reason = errno;
        if (reason == EOPNOTSUPP || reason == ENOSYS)
            reason =
                !fstatvfs(file->disk, &fs) && (double)fs.f_bavail * (double)fs.f_frsize < (double)bytes ? ENOSPC : 0;
    }
    if (reason) {
        char more[32];
        status = status_set(STATUS_FAILED, "%s: %s: %s more are needed", file->path, strerror(reason),
                            format_bytes(bytes, more, sizeof more));
    }
    file->reserved += bytes;
    return comm_agree(&file->comm, status);
}

/* ---- creation ---- */
static void free_file(struct h5file *file) {
    if (file->disk >= 0) close(file->disk);
    free(file->path);
    free(file->target);
    free(file->temporary);
    free(file->contents);
    free(file->sums);
    free(file);
}

static int open_temporary(struct h5file *file, int again) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
    if (file->ranks > file->comm.size || file->partial) H5Pset_alignment(access, 1, H5_PAGE_BYTES);
    if (file->comm.size > 1) {
        H5Pset_fapl_mpio(access, file->comm.handle, MPI_INFO_NULL);
        H5Pset_all_coll_metadata_ops(access, 1);
        H5Pset_coll_metadata_write(access, 1);
    }
    file->id = again ? H5Fopen(file->temporary, H5F_ACC_RDWR, access)
                     : H5Fcreate(file->temporary, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    int status = file->id < 0 ? h5_failed_to(file, again ? "cannot go on with it" : "cannot create it") : STATUS_OK;
    H5Pclose(access); /* after which HDF5 does not know why any more */
    if (status != STATUS_OK || file->comm.rank > 0) return status;
    file->disk = open(file->temporary, O_WRONLY | O_CLOEXEC);
    return file->disk < 0 ? status_set(STATUS_FAILED, "%s: %s", file->path, strerror(errno)) : STATUS_OK;
}

static int set_provenance(struct h5file *file, enum file_kind kind, const struct provenance *p) {
    char now[32] = "";
    time_t t = time(NULL);
    struct tm tm;
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    TRY(comm_broadcast(&file->comm, now, sizeof now)); /* attributes must be the same on all ranks */
    TRY(h5file_set_text(file, "kind", FILE_KIND_FACTS[kind].name));
    TRY(h5file_set_int(file, "schema_version", FILE_KIND_FACTS[kind].version));
    TRY(h5file_set_text(file, "program_version", MEDTOK_VERSION));
    TRY(h5file_set_text(file, "created", now));
    TRY(h5file_set_int(file, "ranks", file->ranks));
    TRY(h5file_set_text(file, "config", p->config ? p->config : ""));
    TRY(h5file_set_text(file, "inputs", p->inputs ? p->inputs : ""));
    return h5file_set_text(file, "provenance_key", p->key);
}

/* Where the output lies and what it is called until it is whole; rank 0 looks, all know. */
struct names {
    char target[PATH_MAX], temporary[PATH_MAX];
};

static int find_names(struct names *names, const struct comm *comm, const char *path, int partial) {
    int status = comm->rank == 0 ? path_resolve(path, names->target) : STATUS_OK;
    if (comm->rank == 0 && status == STATUS_OK) {
        if (!partial)
            status = path_temporary(names->target, names->temporary);
        else if (snprintf(names->temporary, PATH_MAX, "%s.partial", names->target) >= PATH_MAX)
            status = status_set(STATUS_USAGE, "the path is too long: %.200s...", path);
    }
    TRY(comm_agree(comm, status));
    return comm_broadcast(comm, names, sizeof *names);
}

static int allocate(struct h5file **out, const struct comm *comm, int ranks, const char *path,
                    const struct names *names, int partial, const struct provenance *provenance) {
    struct h5file *file = calloc(1, sizeof *file);
    int good = file != NULL;
    if (file) {
        *file = (struct h5file){.id = -1, .disk = -1, .comm = *comm, .ranks = ranks, .partial = partial};
        file->path = strdup(path);
        file->target = strdup(names->target);
        file->temporary = strdup(names->temporary);
        good = file->path && file->target && file->temporary;
        snprintf(file->key, sizeof file->key, "%s", provenance->key);
    }
    *out = file;
    return comm_agree(comm, good ? STATUS_OK : status_set(STATUS_FAILED, "out of memory"));
}

/* Creates the temporary file and writes the head. On failure nothing is left. */
static int create(struct h5file **out, const struct comm *comm, int ranks, const char *path, int partial,
                  enum file_kind kind, const struct provenance *provenance, int64_t bytes_expected) {
    struct names names;
    struct h5file *file = NULL;
    h5_quiet();
    *out = NULL;
    TRY(find_names(&names, comm, path, partial));
    TRY(comm_agree(comm, comm->rank == 0 ? check_target(path, names.target, bytes_expected) : STATUS_OK));
    int status = allocate(&file, comm, ranks, path, &names, partial, provenance);
    if (status == STATUS_OK) status = comm_agree(comm, open_temporary(file, 0));
    if (status == STATUS_OK)
        status = h5_reserve(file, H5_METADATA_BYTES + (int64_t)strlen(provenance->config ? provenance->config : ""));
    if (status == STATUS_OK) status = set_provenance(file, kind, provenance);
    if (status == STATUS_OK)
        *out = file;
    else
        h5file_abandon(file);
    return status;
}

int h5file_create(struct h5file **out, const struct comm *comm, const char *path, enum file_kind kind,
                  const struct provenance *provenance, int64_t bytes_expected) {
    return create(out, comm, comm->size, path, 0, kind, provenance, bytes_expected);
}

int h5_create_alone(struct h5file **out, const char *path, enum file_kind kind, const struct provenance *provenance,
                    int64_t bytes_expected, int ranks, int partial) {
    struct comm self = comm_self();
    return create(out, &self, ranks, path, partial, kind, provenance, bytes_expected);
}

/* ---- files that grow over several runs ---- */
/* What h5_end_file had written before it was interrupted. */
static int remove_end(struct h5file *file) {
    int bad = (H5Lexists(file->id, H5_SUMS, H5P_DEFAULT) > 0 && H5Ldelete(file->id, H5_SUMS, H5P_DEFAULT) < 0) ||
              (H5Aexists(file->id, "content_id") > 0 && H5Adelete(file->id, "content_id") < 0);
    return bad ? h5_failed_to(file, "cannot go on with it") : STATUS_OK;
}

int h5_reopen_alone(struct h5file **out, const char *path, const struct provenance *provenance, int ranks, int *unfit) {
    struct names names;
    struct h5file *file = NULL;
    struct comm self = comm_self();
    struct stat info;
    h5_quiet();
    *out = NULL;
    *unfit = 0;
    TRY(find_names(&names, &self, path, 1));
    if (stat(names.temporary, &info)) {
        *unfit = errno == ENOENT;
        return status_set(STATUS_FAILED, "%s: %s", names.temporary, strerror(errno));
    }
    int status = allocate(&file, &self, ranks, path, &names, 1, provenance);
    if (status == STATUS_OK) status = open_temporary(file, 1);
    if (status == STATUS_OK) status = remove_end(file);
    if (status == STATUS_OK && !fstat(file->disk, &info)) file->reserved = (int64_t)info.st_size;
    if (status != STATUS_OK && file) *unfit = file->unfit;
    if (status == STATUS_OK)
        *out = file;
    else
        h5file_suspend(file);
    return status;
}

int h5file_settle(struct h5file *file) {
    return comm_agree(&file->comm,
                      H5Fflush(file->id, H5F_SCOPE_GLOBAL) < 0 ? h5_failed_to(file, "flushing") : STATUS_OK);
}

void h5file_suspend(struct h5file *file) {
    if (!file) return;
    if (file->id >= 0) H5Fclose(file->id);
    H5Eclear2(H5E_DEFAULT);
    free_file(file);
}

/* ---- attributes ---- */
int h5_set_attribute(struct h5file *file, hid_t object, const char *name, hid_t type, hid_t space, const void *value) {
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    int bad = attribute < 0 || H5Awrite(attribute, type, value) < 0;
    int status = bad ? h5_failed_to(file, name) : STATUS_OK;
    if (attribute >= 0) H5Aclose(attribute);
    return comm_agree(&file->comm, status);
}

int h5_set_scalar(struct h5file *file, hid_t object, const char *name, hid_t type, const void *value) {
    hid_t space = H5Screate(H5S_SCALAR);
    int status = h5_set_attribute(file, object, name, type, space, value);
    H5Sclose(space);
    return status;
}

int h5file_set_text(struct h5file *file, const char *name, const char *value) {
    hid_t type = h5_type(H5_TEXT, (int64_t)strlen(value) + 1);
    int status = h5_set_scalar(file, file->id, name, type, value);
    H5Tclose(type);
    return status;
}

int h5file_set_int(struct h5file *file, const char *name, int64_t value) {
    return h5_set_scalar(file, file->id, name, H5T_STD_I64LE, &value);
}

/* ---- the end ---- */
int h5_sync_and_rename(const struct h5file *file) {
    char folder[PATH_MAX];
    TRY(file_lock_check());
    path_folder(file->target, folder);
    struct stat info;
    int directory = open(folder, O_RDONLY | O_DIRECTORY);
    /* Cutting the file at its own length gives back what was reserved behind it. */
    int bad = fstat(file->disk, &info) || ftruncate(file->disk, info.st_size) || fsync(file->disk) ||
              rename(file->temporary, file->target);
    int status = bad ? status_set(STATUS_FAILED, "%s: %s", file->path, strerror(errno)) : STATUS_OK;
    if (status == STATUS_OK && directory >= 0) fsync(directory); /* some file systems refuse it for folders */
    if (directory >= 0) close(directory);
    return status;
}

int h5_end_file(struct h5file *file) {
    char id[33];
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, file->key, strlen(file->key));
    if (file->contents) XXH3_128bits_update(&state, file->contents, (size_t)file->contents_size);
    XXH128_hash_t hash = XXH3_128bits_digest(&state);
    snprintf(id, sizeof id, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
    int status = h5_write_sums(file);
    if (status == STATUS_OK) status = h5_reserve(file, H5_METADATA_BYTES);
    if (status == STATUS_OK) status = h5file_set_text(file, "content_id", id);
    if (status == STATUS_OK)
        status = comm_agree(&file->comm,
                            H5Fflush(file->id, H5F_SCOPE_GLOBAL) < 0 ? h5_failed_to(file, "flushing") : STATUS_OK);
    if (status == STATUS_OK) {
        int closed = H5Fclose(file->id);
        file->id = -1;
        status = comm_agree(&file->comm, closed < 0 ? h5_failed_to(file, "closing") : STATUS_OK);
    }
    return status;
}

int h5file_commit(struct h5file *file) {
    int status = h5_end_file(file);
    if (status == STATUS_OK)
        status = comm_agree(&file->comm, file->comm.rank == 0 ? h5_sync_and_rename(file) : STATUS_OK);
    if (status == STATUS_OK)
        free_file(file);
    else
        h5file_abandon(file);
    return status;
}

void h5file_abandon(struct h5file *file) {
    if (!file) return;
    /* Closing flushes, which on a full disk fails again on every rank: let it, then take the file away. */
    if (file->id >= 0) H5Fclose(file->id);
    H5Eclear2(H5E_DEFAULT);
    if (file->comm.rank == 0 && file->temporary) unlink(file->temporary);
    free_file(file);
}
