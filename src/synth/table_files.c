#include "synth/table_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file_lock.h"
#include "base/path.h"
#include "base/status.h"
#include "dist/gather.h"

struct packed {
    unsigned char *bytes;
    long long n, capacity;
};

struct block_size {
    int64_t bytes, lines;
};

struct table_files {
    const struct comm *comm; /* borrowed */
    int n, level;
    struct table_file *files; /* [n] */
    struct packed *packed;    /* [n] blocks in hand */
    struct block_size *sizes; /* [n] */
    z_stream stream;
    int stream_is_open;
};

static int file_failed(const struct table_file *file) {
    return status_set(STATUS_FAILED, "%s: %s", file->path, strerror(errno ? errno : EIO));
}

/* ---- open ---- */
/* Rank 0: makes the file, so that the others can open it. */
static int create(struct table_file *file) {
    char target[PATH_MAX];
    TRY(path_resolve(file->path, target));
    snprintf(file->path, sizeof file->path, "%s", target);
    TRY(path_make_folder_of(target));
    path_remove_temporaries(target);
    TRY(path_temporary(target, file->temporary));
    int descriptor = open(file->temporary, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);
    if (descriptor < 0) return file_failed(file);
    file->descriptor = descriptor;
    return STATUS_OK;
}

static int open_all(struct table_files *f) {
    int status = STATUS_OK;
    for (int t = 0; t < f->n && status == STATUS_OK && f->comm->rank == 0; t++) status = create(&f->files[t]);
    TRY(comm_agree(f->comm, status));
    for (int t = 0; t < f->n; t++) {
        struct table_file *file = &f->files[t];
        TRY(comm_broadcast(f->comm, file->path, sizeof file->path));
        TRY(comm_broadcast(f->comm, file->temporary, sizeof file->temporary));
    }
    for (int t = 0; t < f->n && status == STATUS_OK && f->comm->rank != 0; t++) {
        struct table_file *file = &f->files[t];
        file->descriptor = open(file->temporary, O_WRONLY | O_CLOEXEC);
        if (file->descriptor < 0) status = file_failed(file);
    }
    return comm_agree(f->comm, status);
}

static int set_up(struct table_files *f, const char *const *paths) {
    TRY(mem_alloc(&f->files, f->n, sizeof *f->files));
    TRY(mem_alloc(&f->packed, f->n, sizeof *f->packed));
    TRY(mem_alloc(&f->sizes, f->n, sizeof *f->sizes));
    for (int t = 0; t < f->n; t++) f->files[t].descriptor = -1;
    for (int t = 0; t < f->n; t++)
        if (snprintf(f->files[t].path, PATH_MAX, "%s%s", paths[t], f->level ? ".csv.gz" : ".csv") >= PATH_MAX)
            return status_set(STATUS_FAILED, "the path is too long: %.200s...", paths[t]);
    if (!f->level) return STATUS_OK;
    f->stream_is_open = deflateInit2(&f->stream, f->level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    return f->stream_is_open ? STATUS_OK : status_set(STATUS_FAILED, "zlib cannot start: out of memory");
}

int table_files_open(struct table_files **out, const struct comm *comm, int n, const char *const *paths, int level) {
    struct table_files *f;
    *out = NULL;
    int status = mem_alloc(&f, 1, sizeof *f);
    if (status == STATUS_OK) {
        *f = (struct table_files){.comm = comm, .n = n, .level = level};
        status = set_up(f, paths);
    }
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = open_all(f);
    if (status != STATUS_OK) return f ? table_files_close(f, status) : status;
    *out = f;
    return STATUS_OK;
}

const struct table_file *table_files_get(const struct table_files *f, int file) { return &f->files[file]; }

/* ---- write ---- */
/* A member of gzip; the header says no time, so that the same rows are the same bytes. */
static int pack(struct table_files *f, const struct rows *rows, struct packed *packed) {
    if (rows->n == 0) return STATUS_OK;
    deflateReset(&f->stream); /* before the bound, which of a finished stream leaves out gzip's header */
    long long most = (long long)deflateBound(&f->stream, (uLong)rows->n);
    TRY(mem_grow(&packed->bytes, &packed->capacity, most, 1));
    f->stream.next_in = (unsigned char *)rows->bytes;
    f->stream.avail_in = (uInt)rows->n;
    f->stream.next_out = packed->bytes;
    f->stream.avail_out = (uInt)most;
    if (deflate(&f->stream, Z_FINISH) != Z_STREAM_END)
        return status_set(STATUS_FAILED, "zlib could not compress a block of %lld bytes", rows->n);
    packed->n = most - (long long)f->stream.avail_out;
    return STATUS_OK;
}

static int pack_all(struct table_files *f, const struct rows *rows) {
    for (int t = 0; t < f->n; t++) {
        TRY(rows[t].status == STATUS_OK ? STATUS_OK
                                        : status_set(rows[t].status, "out of memory for rows of %s", f->files[t].path));
        f->packed[t].n = 0;
        if (f->level) TRY(pack(f, &rows[t], &f->packed[t]));
        f->sizes[t] = (struct block_size){f->level ? f->packed[t].n : rows[t].n, rows[t].n_rows};
    }
    return STATUS_OK;
}

static int write_at(const struct table_file *file, const void *bytes, int64_t n, int64_t at) {
    for (int64_t done = 0; done < n;) {
        ssize_t written = pwrite(file->descriptor, (const char *)bytes + done, (size_t)(n - done), at + done);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return file_failed(file);
        done += written;
    }
    return STATUS_OK;
}

int table_files_write(struct table_files *f, struct rows *rows) {
    struct block_size *all = NULL;
    int64_t n_all;
    TRY(comm_agree(f->comm, pack_all(f, rows)));
    TRY(comm_gather_rows(f->comm, 1, (int64_t)f->n * (int64_t)sizeof *f->sizes, f->sizes, &n_all, &all));
    int status = STATUS_OK;
    for (int t = 0; t < f->n; t++) {
        struct table_file *file = &f->files[t];
        for (int r = 0; r < f->comm->size; r++) {
            const struct block_size *size = &all[(int64_t)r * f->n + t];
            if (r == f->comm->rank) {
                file->first_line = file->lines + 1;
                if (status == STATUS_OK)
                    status =
                        write_at(file, f->level ? (void *)f->packed[t].bytes : rows[t].bytes, size->bytes, file->bytes);
            }
            file->bytes += size->bytes;
            file->lines += size->lines;
        }
        rows_clear(&rows[t]);
    }
    free(all);
    return comm_agree(f->comm, status);
}

/* ---- close ---- */
/* The same table of an earlier run in the other form would be read as well. */
static void remove_other_form(const struct table_file *file) {
    char other[PATH_MAX + 4];
    size_t n = strlen(file->path);
    if (n > 3 && strcmp(file->path + n - 3, ".gz") == 0)
        snprintf(other, sizeof other, "%.*s", (int)(n - 3), file->path);
    else
        snprintf(other, sizeof other, "%s.gz", file->path);
    unlink(other);
}

static int rename_all(struct table_files *f) {
    TRY(file_lock_check());
    for (int t = 0; t < f->n; t++) {
        if (rename(f->files[t].temporary, f->files[t].path)) return file_failed(&f->files[t]);
        f->files[t].temporary[0] = 0;
        remove_other_form(&f->files[t]);
    }
    return STATUS_OK;
}

static void free_files(struct table_files *f) {
    for (int t = 0; t < f->n && f->packed; t++) free(f->packed[t].bytes);
    if (f->stream_is_open) deflateEnd(&f->stream);
    free(f->packed);
    free(f->sizes);
    free(f->files);
    free(f);
}

int table_files_close(struct table_files *f, int status) {
    const struct comm *comm = f->comm;
    for (int t = 0; t < f->n && f->files; t++) {
        if (f->files[t].descriptor < 0) continue;
        if (status == STATUS_OK && fsync(f->files[t].descriptor)) status = file_failed(&f->files[t]);
        if (close(f->files[t].descriptor) && status == STATUS_OK) status = file_failed(&f->files[t]);
    }
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = comm_agree(comm, comm->rank == 0 ? rename_all(f) : STATUS_OK);
    for (int t = 0; t < f->n && f->files && comm->rank == 0; t++)
        if (f->files[t].temporary[0]) unlink(f->files[t].temporary);
    free_files(f);
    return status;
}
