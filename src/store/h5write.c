/* Writing: a temporary file beside the target, collective datasets, checksums, and the rename that makes it exist. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
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

#include "base/log.h"
#include "base/status.h"
#include "store/h5internal.h"

#ifndef MEDTOK_VERSION
#define MEDTOK_VERSION "unknown"
#endif

static const int64_t CHUNK_BYTES = 1 << 20, LARGEST_WRITE = 1 << 30;
static const int64_t METADATA_BYTES = 1 << 16; /* more than the headers of a file or a dataset, and its end, take */

/* ---- the folder ---- */
static void folder_of(const char *path, char *folder, size_t size) {
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(folder, size, ".");
    else
        snprintf(folder, size, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static int make_folders(const char *folder) {
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", folder);
    for (char *p = part + 1;; p++) {
        if (*p && *p != '/') continue;
        char end = *p;
        *p = 0;
        if (mkdir(part, 0777) && errno != EEXIST)
            return status_set(STATUS_FAILED, "cannot make the output folder %s: %s", part, strerror(errno));
        if (!end) return STATUS_OK;
        *p = '/';
    }
}

static void remove_stale(const char *path) {
    char pattern[PATH_MAX];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s.tmp-*", path);
    if (glob(pattern, 0, NULL, &found)) return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        if (unlink(found.gl_pathv[i]) == 0) log_info("removed %s, left by an interrupted run", found.gl_pathv[i]);
    globfree(&found);
}

/* All that can be known to be wrong before a byte is written. Rank 0 only. */
static int check_target(const char *path, int64_t bytes_expected) {
    char folder[PATH_MAX];
    struct stat info;
    struct statvfs disk;
    folder_of(path, folder, sizeof folder);
    TRY(make_folders(folder));
    if (stat(folder, &info) || !S_ISDIR(info.st_mode))
        return status_set(STATUS_FAILED, "the output folder %s is not a folder", folder);
    if (access(folder, W_OK | X_OK))
        return status_set(STATUS_FAILED, "cannot write to the output folder %s: %s", folder, strerror(errno));
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return status_set(STATUS_FAILED, "%s is a folder; name a file", path);
    remove_stale(path);
    if (statvfs(folder, &disk) == 0 && bytes_expected > 0) {
        double have = (double)disk.f_bavail * (double)disk.f_frsize;
        if ((double)bytes_expected > have)
            return status_set(STATUS_FAILED, "%s needs about %.3f GB, but the file system of %s has %.3f GB free", path,
                              (double)bytes_expected * 1e-9, folder, have * 1e-9);
    }
    return STATUS_OK;
}

static int failed_to(const struct h5file *file, const char *what) {
    return status_set(STATUS_FAILED, "%s: %s: %s", file->path, what, h5_reason());
}

/* ---- room ---- */
/* Collective. Makes sure that the file can grow by `bytes` over what was reserved before, ahead of any rank's writing:
 * when a disk fills up inside a collective write, Open MPI 4.1 leaves the other ranks waiting for ever. Where the file
 * system cannot reserve (Lustre, NFS before 4.2), its free room is looked at, which is nearly as good. */
static int reserve(struct h5file *file, int64_t bytes) {
    struct statvfs fs;
    int reason = 0, status = STATUS_OK;
    if (file->comm.rank == 0 && fallocate(file->disk, FALLOC_FL_KEEP_SIZE, 0, (off_t)(file->reserved + bytes))) {
        reason = errno;
        if (reason == EOPNOTSUPP || reason == ENOSYS)
            reason =
                !fstatvfs(file->disk, &fs) && (double)fs.f_bavail * (double)fs.f_frsize < (double)bytes ? ENOSPC : 0;
    }
    if (reason)
        status = status_set(STATUS_FAILED, "%s: %s: %.6f GB more are needed", file->path, strerror(reason),
                            (double)bytes * 1e-9);
    file->reserved += bytes;
    return comm_agree(&file->comm, status);
}

/* ---- creation ---- */
static void free_file(struct h5file *file) {
    if (file->disk >= 0) close(file->disk);
    free(file->path);
    free(file->temporary);
    free(file->contents);
    free(file);
}

static int open_temporary(struct h5file *file, int again) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
    if (file->comm.size > 1) {
        H5Pset_fapl_mpio(access, file->comm.handle, MPI_INFO_NULL);
        H5Pset_all_coll_metadata_ops(access, 1);
        H5Pset_coll_metadata_write(access, 1);
    }
    file->id = again ? H5Fopen(file->temporary, H5F_ACC_RDWR, access)
                     : H5Fcreate(file->temporary, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
    if (file->id < 0) return failed_to(file, again ? "cannot go on with it" : "cannot create it");
    if (file->comm.rank > 0) return STATUS_OK;
    file->disk = open(file->temporary, O_WRONLY | O_CLOEXEC);
    return file->disk < 0 ? status_set(STATUS_FAILED, "%s: %s", file->path, strerror(errno)) : STATUS_OK;
}

static int set_provenance(struct h5file *file, const char *kind, int version, const struct provenance *p) {
    char now[32] = "";
    time_t t = time(NULL);
    struct tm tm;
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    TRY(comm_broadcast(&file->comm, now, sizeof now)); /* attributes must be the same on all ranks */
    TRY(h5file_set_text(file, "kind", kind));
    TRY(h5file_set_int(file, "schema_version", version));
    TRY(h5file_set_text(file, "program_version", MEDTOK_VERSION));
    TRY(h5file_set_text(file, "created", now));
    TRY(h5file_set_int(file, "ranks", file->comm.size));
    TRY(h5file_set_text(file, "config", p->config ? p->config : ""));
    TRY(h5file_set_text(file, "inputs", p->inputs ? p->inputs : ""));
    return h5file_set_text(file, "provenance_key", p->key);
}

static int allocate(struct h5file **out, const struct comm *comm, const char *path, const char *temporary,
                    int schema_version, const struct provenance *provenance) {
    struct h5file *file = calloc(1, sizeof *file);
    if (file) {
        *file = (struct h5file){.id = -1, .disk = -1, .comm = *comm, .writing = 1, .schema_version = schema_version};
        file->path = strdup(path);
        file->temporary = strdup(temporary);
        snprintf(file->key, sizeof file->key, "%s", provenance->key);
    }
    *out = file;
    return comm_agree(comm,
                      file && file->path && file->temporary ? STATUS_OK : status_set(STATUS_FAILED, "out of memory"));
}

/* Creates the temporary file and writes the head. On failure nothing is left. */
static int create(struct h5file **out, const struct comm *comm, const char *path, const char *temporary,
                  const char *kind, int schema_version, const struct provenance *provenance) {
    struct h5file *file;
    int status = allocate(&file, comm, path, temporary, schema_version, provenance);
    if (status == STATUS_OK) status = comm_agree(comm, open_temporary(file, 0));
    if (status == STATUS_OK)
        status = reserve(file, METADATA_BYTES + (int64_t)strlen(provenance->config ? provenance->config : ""));
    if (status == STATUS_OK) status = set_provenance(file, kind, schema_version, provenance);
    if (status != STATUS_OK) {
        h5file_abandon(file);
        file = NULL;
    }
    *out = file;
    return status;
}

int h5file_create(struct h5file **out, const struct comm *comm, const char *path, const char *kind, int schema_version,
                  const struct provenance *provenance, int64_t bytes_expected) {
    char temporary[PATH_MAX];
    h5_quiet();
    *out = NULL;
    TRY(comm_agree(comm, comm->rank == 0 ? check_target(path, bytes_expected) : STATUS_OK));
    snprintf(temporary, sizeof temporary, "%s.tmp-%ld", path, (long)getpid());
    TRY(comm_broadcast(comm, temporary, sizeof temporary));
    return create(out, comm, path, temporary, kind, schema_version, provenance);
}

/* ---- files that grow over several runs ---- */
int h5file_create_partial(struct h5file **out, const struct comm *comm, const char *path, const char *kind,
                          int schema_version, const struct provenance *provenance, int64_t bytes_expected) {
    char temporary[PATH_MAX];
    h5_quiet();
    *out = NULL;
    TRY(comm_agree(comm, comm->rank == 0 ? check_target(path, bytes_expected) : STATUS_OK));
    snprintf(temporary, sizeof temporary, "%s.partial", path);
    return create(out, comm, path, temporary, kind, schema_version, provenance);
}

int h5file_reopen_partial(struct h5file **out, const struct comm *comm, const char *path, int schema_version,
                          const struct provenance *provenance) {
    char temporary[PATH_MAX];
    struct h5file *file;
    h5_quiet();
    snprintf(temporary, sizeof temporary, "%s.partial", path);
    int status = allocate(&file, comm, path, temporary, schema_version, provenance);
    if (status == STATUS_OK) status = comm_agree(comm, open_temporary(file, 1));
    if (status != STATUS_OK) {
        h5file_suspend(file);
        file = NULL;
    }
    *out = file;
    return status;
}

int h5file_settle(struct h5file *file) {
    return comm_agree(&file->comm, H5Fflush(file->id, H5F_SCOPE_GLOBAL) < 0 ? failed_to(file, "flushing") : STATUS_OK);
}

void h5file_suspend(struct h5file *file) {
    if (!file) return;
    if (file->id >= 0) H5Fclose(file->id);
    H5Eclear2(H5E_DEFAULT);
    free_file(file);
}

/* ---- attributes ---- */
static int set_attribute(struct h5file *file, hid_t object, const char *name, hid_t type, const void *value) {
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    int bad = attribute < 0 || H5Awrite(attribute, type, value) < 0;
    int status = bad ? failed_to(file, name) : STATUS_OK;
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    return comm_agree(&file->comm, status);
}

int h5file_set_text(struct h5file *file, const char *name, const char *value) {
    hid_t type = h5_type(H5_TEXT, (int64_t)strlen(value) + 1);
    int status = set_attribute(file, file->id, name, type, value);
    H5Tclose(type);
    return status;
}

int h5file_set_int(struct h5file *file, const char *name, int64_t value) {
    return set_attribute(file, file->id, name, H5T_STD_I64LE, &value);
}

int h5file_set_real(struct h5file *file, const char *name, double value) {
    return set_attribute(file, file->id, name, H5T_IEEE_F64LE, &value);
}

/* ---- datasets ---- */
struct h5dataset {
    struct h5file *file;
    char name[64];
    hid_t id, type;
    int64_t n_rows, row_bytes, reserved_before;
    int rank, compressed; /* rank: dimensions of the dataset */
    hsize_t dims[3];
    uint64_t checksum;
};

static int64_t default_chunk(int64_t n_rows, int64_t row_bytes) {
    int64_t rows = CHUNK_BYTES / (row_bytes > 0 ? row_bytes : 1);
    if (rows < 1) rows = 1;
    return rows < n_rows ? rows : n_rows;
}

static void set_shape(struct h5dataset *d, enum h5type type, int64_t n_rows, int64_t cols, int64_t inner) {
    d->n_rows = n_rows;
    d->row_bytes = h5_row_bytes(type, cols, inner);
    d->dims[0] = (hsize_t)n_rows;
    d->rank = 1;
    if (type != H5_TEXT && (cols != 1 || inner > 0)) d->dims[d->rank++] = (hsize_t)cols;
    if (type != H5_TEXT && inner > 0) d->dims[d->rank++] = (hsize_t)inner;
}

static int create_dataset(struct h5dataset *d, int64_t chunk_rows, int compress) {
    hid_t space = H5Screate_simple(d->rank, d->dims, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_fill_time(create, H5D_FILL_TIME_NEVER);
    if (chunk_rows == H5_CONTIGUOUS) {
        H5Pset_alloc_time(create, H5D_ALLOC_TIME_EARLY);
    } else if (d->n_rows > 0) {
        hsize_t chunk[3] = {(hsize_t)(chunk_rows > 0 && chunk_rows < d->n_rows ? chunk_rows
                                      : chunk_rows > 0                         ? d->n_rows
                                                       : default_chunk(d->n_rows, d->row_bytes)),
                            d->dims[1], d->dims[2]};
        H5Pset_chunk(create, d->rank, chunk);
        if (compress) {
            H5Pset_shuffle(create);
            H5Pset_deflate(create, 1);
        } else {
            H5Pset_alloc_time(create, H5D_ALLOC_TIME_EARLY);
        }
    }
    d->id = H5Dcreate2(d->file->id, d->name, d->type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    H5Pclose(create);
    H5Sclose(space);
    return d->id < 0 ? failed_to(d->file, d->name) : STATUS_OK;
}

int h5dataset_create(struct h5dataset **out, struct h5file *file, const char *name, enum h5type type, int64_t n_rows,
                     int64_t cols, int64_t inner, int64_t chunk_rows, int compress) {
    struct h5dataset *d = calloc(1, sizeof *d);
    *out = NULL;
    TRY(comm_agree(&file->comm, d ? STATUS_OK : status_set(STATUS_FAILED, "out of memory")));
    d->file = file;
    d->id = -1;
    snprintf(d->name, sizeof d->name, "%s", name);
    d->type = h5_type(type, cols);
    set_shape(d, type, n_rows, cols, inner);
    d->compressed = compress;
    d->reserved_before = file->reserved;
    int status = reserve(file, METADATA_BYTES + (compress ? 0 : n_rows * d->row_bytes));
    if (status == STATUS_OK) status = comm_agree(&file->comm, create_dataset(d, chunk_rows, compress));
    if (status != STATUS_OK) {
        H5Tclose(d->type);
        free(d);
        return status;
    }
    *out = d;
    return STATUS_OK;
}

int h5dataset_open(struct h5dataset **out, struct h5file *file, const char *name) {
    struct h5dataset *d = calloc(1, sizeof *d);
    *out = NULL;
    TRY(comm_agree(&file->comm, d ? STATUS_OK : status_set(STATUS_FAILED, "out of memory")));
    d->file = file;
    snprintf(d->name, sizeof d->name, "%s", name);
    d->id = H5Dopen2(file->id, name, H5P_DEFAULT);
    d->type = d->id < 0 ? -1 : H5Dget_type(d->id);
    hid_t space = d->id < 0 ? -1 : H5Dget_space(d->id);
    d->rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    int bad = d->type < 0 || d->rank < 1 || d->rank > 3 || H5Sget_simple_extent_dims(space, d->dims, NULL) < 0;
    int status = bad ? failed_to(file, name) : STATUS_OK;
    if (space >= 0) H5Sclose(space);
    d->n_rows = (int64_t)d->dims[0];
    d->row_bytes = bad ? 0 : (int64_t)H5Tget_size(d->type);
    for (int k = 1; k < d->rank; k++) d->row_bytes *= (int64_t)d->dims[k];
    status = comm_agree(&file->comm, status);
    if (status == STATUS_OK)
        *out = d;
    else
        h5dataset_abandon(d);
    return status;
}

/* One collective write of at most LARGEST_WRITE bytes a rank; count 0 joins with an empty selection. */
static int write_part(struct h5dataset *d, int64_t first, int64_t count, const void *data) {
    hsize_t start[3] = {(hsize_t)first}, extent[3] = {(hsize_t)count, d->dims[1], d->dims[2]};
    hid_t file_space = H5Dget_space(d->id), memory_space = H5Screate_simple(d->rank, extent, NULL);
    hid_t transfer = H5Pcreate(H5P_DATASET_XFER);
    if (d->file->comm.size > 1) H5Pset_dxpl_mpio(transfer, H5FD_MPIO_COLLECTIVE);
    if (count > 0) {
        H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, extent, NULL);
    } else {
        H5Sselect_none(file_space);
        H5Sselect_none(memory_space);
    }
    herr_t code = H5Dwrite(d->id, d->type, memory_space, file_space, transfer, data);
    H5Pclose(transfer);
    H5Sclose(memory_space);
    H5Sclose(file_space);
    return code < 0 ? failed_to(d->file, "writing") : STATUS_OK;
}

/* Compressed rows take room when they are written: at most what they have, and a whole chunk at either end. */
static int reserve_for_rows(const struct h5dataset *d, int64_t count) {
    int64_t bytes = count * d->row_bytes + METADATA_BYTES;
    TRY(comm_sum_int64(&d->file->comm, &bytes, 1));
    return reserve(d->file, bytes);
}

int h5dataset_write(struct h5dataset *d, int64_t first, int64_t count, const void *data) {
    int64_t most = LARGEST_WRITE / (d->row_bytes > 0 ? d->row_bytes : 1), parts;
    static const char nothing[8];
    if (most < 1) most = 1;
    parts = (count + most - 1) / most;
    TRY(comm_max_int64(&d->file->comm, &parts, 1));
    for (int64_t p = 0; p < parts; p++) {
        int64_t at = p * most, n = at >= count ? 0 : at + most < count ? most : count - at;
        const char *from = n > 0 ? (const char *)data + at * d->row_bytes : nothing;
        if (d->compressed) TRY(reserve_for_rows(d, n));
        TRY(comm_agree(&d->file->comm, write_part(d, n > 0 ? first + at : 0, n, from)));
        d->checksum += h5_checksum(from, first + at, n, d->row_bytes);
    }
    return STATUS_OK;
}

int h5dataset_read(struct h5dataset *d, int64_t first, int64_t count, void *data) {
    hsize_t start[3] = {(hsize_t)first}, extent[3] = {(hsize_t)count, d->dims[1], d->dims[2]};
    hid_t file_space = H5Dget_space(d->id), memory_space = H5Screate_simple(d->rank, extent, NULL);
    H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, extent, NULL);
    herr_t code = H5Dread(d->id, d->type, memory_space, file_space, H5P_DEFAULT, data);
    H5Sclose(memory_space);
    H5Sclose(file_space);
    return code < 0 ? failed_to(d->file, "reading back") : STATUS_OK;
}

uint64_t h5dataset_checksum(const struct h5dataset *d, int64_t first, int64_t count, const void *data) {
    return h5_checksum(data, first, count, d->row_bytes);
}

void h5dataset_add_checksum(struct h5dataset *d, uint64_t checksum) { d->checksum += checksum; }

/* Remembers `name checksum` for the content id. */
static int add_content(struct h5file *file, const char *name, uint64_t checksum) {
    char line[128];
    int n = snprintf(line, sizeof line, "%s %016llx\n", name, (unsigned long long)checksum);
    TRY(mem_grow(&file->contents, &file->contents_capacity, file->contents_size + n + 1, 1));
    memcpy(file->contents + file->contents_size, line, (size_t)n + 1);
    file->contents_size += n;
    return STATUS_OK;
}

int h5dataset_close(struct h5dataset *d) {
    if (!d) return STATUS_OK;
    struct h5file *file = d->file;
    int status = comm_sum_uint64(&file->comm, &d->checksum, 1);
    if (status == STATUS_OK) status = set_attribute(file, d->id, "xxh3_rows", H5T_STD_U64LE, &d->checksum);
    if (status == STATUS_OK) status = add_content(file, d->name, d->checksum);
    if (d->compressed) file->reserved = d->reserved_before + METADATA_BYTES + (int64_t)H5Dget_storage_size(d->id);
    H5Dclose(d->id);
    H5Tclose(d->type);
    free(d);
    return comm_agree(&file->comm, status);
}

void h5dataset_abandon(struct h5dataset *d) {
    if (!d) return;
    if (d->id >= 0) H5Dclose(d->id);
    if (d->type >= 0) H5Tclose(d->type);
    free(d);
}

int h5file_adopt(struct h5file *file, const char *name) {
    uint64_t checksum = 0;
    hid_t attribute = H5Aopen_by_name(file->id, name, "xxh3_rows", H5P_DEFAULT, H5P_DEFAULT);
    int bad = attribute < 0 || H5Aread(attribute, H5T_NATIVE_UINT64, &checksum) < 0;
    int status = bad ? failed_to(file, name) : add_content(file, name, checksum);
    if (attribute >= 0) H5Aclose(attribute);
    return comm_agree(&file->comm, status);
}

int h5file_write(struct h5file *file, const char *name, enum h5type type, int64_t n_rows, int64_t cols, int64_t first,
                 int64_t count, const void *data, int compress) {
    struct h5dataset *d;
    TRY(h5dataset_create(&d, file, name, type, n_rows, cols, 0, 0, compress));
    int status = h5dataset_write(d, first, count, data);
    if (status != STATUS_OK) {
        h5dataset_abandon(d);
        return status;
    }
    return h5dataset_close(d);
}

/* ---- the end ---- */
static int sync_and_rename(const struct h5file *file) {
    char folder[PATH_MAX];
    folder_of(file->path, folder, sizeof folder);
    struct stat info;
    int place = open(folder, O_RDONLY | O_DIRECTORY);
    /* Cutting the file at its own length gives back what was reserved behind it. */
    int bad = fstat(file->disk, &info) || ftruncate(file->disk, info.st_size) || fsync(file->disk) ||
              rename(file->temporary, file->path);
    int status = bad ? status_set(STATUS_FAILED, "%s: %s", file->path, strerror(errno)) : STATUS_OK;
    if (status == STATUS_OK && place >= 0) fsync(place); /* some file systems refuse it for folders */
    if (place >= 0) close(place);
    return status;
}

int h5file_commit(struct h5file *file) {
    char id[33];
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, file->key, strlen(file->key));
    if (file->contents) XXH3_128bits_update(&state, file->contents, (size_t)file->contents_size);
    XXH128_hash_t hash = XXH3_128bits_digest(&state);
    snprintf(id, sizeof id, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
    int status = reserve(file, METADATA_BYTES);
    if (status == STATUS_OK) status = h5file_set_text(file, "content_id", id);
    if (status == STATUS_OK)
        status =
            comm_agree(&file->comm, H5Fflush(file->id, H5F_SCOPE_GLOBAL) < 0 ? failed_to(file, "flushing") : STATUS_OK);
    if (status == STATUS_OK) {
        int closed = H5Fclose(file->id);
        file->id = -1;
        status = comm_agree(&file->comm, closed < 0 ? failed_to(file, "closing") : STATUS_OK);
    }
    if (status == STATUS_OK) status = comm_agree(&file->comm, file->comm.rank == 0 ? sync_and_rename(file) : STATUS_OK);
    if (status != STATUS_OK) {
        h5file_abandon(file);
        return status;
    }
    free_file(file);
    return STATUS_OK;
}

void h5file_abandon(struct h5file *file) {
    if (!file) return;
    /* Closing flushes, which on a full disk fails again on every rank: let it, then take the file away. */
    if (file->id >= 0) H5Fclose(file->id);
    H5Eclear2(H5E_DEFAULT);
    if (file->comm.rank == 0 && file->temporary) unlink(file->temporary);
    free_file(file);
}
