/* Names, order and removal of the ring's files; rank 0 looks at the folder, all ranks load. */
#include "medtok/checkpoint_ring.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/status.h"
#include "store/checkpoint.h"

/* `folder/name.h5` -> `folder/name` (its length); names without .h5 are used whole. */
static int stem_length(const char *path) {
    size_t n = strlen(path);
    return (int)(n > 3 && strcmp(path + n - 3, ".h5") == 0 ? n - 3 : n);
}

static void ring_path(const struct checkpoint_ring *ring, int64_t step, char *path, size_t size) {
    snprintf(path, size, "%.*s.step-%09lld.h5", stem_length(ring->final_path), ring->final_path, (long long)step);
}

/* The ring's files, oldest first (the step has a fixed number of digits). */
static int list_ring(const struct checkpoint_ring *ring, glob_t *files) {
    char pattern[PATH_MAX];
    snprintf(pattern, sizeof pattern, "%.*s.step-[0-9]*.h5", stem_length(ring->final_path), ring->final_path);
    int code = glob(pattern, 0, NULL, files);
    if (code == GLOB_NOMATCH) files->gl_pathc = 0;
    return code == 0 || code == GLOB_NOMATCH ? STATUS_OK
                                             : status_set(STATUS_FAILED, "cannot list the checkpoints %s", pattern);
}

/* Removes all but the newest `keep` files. Rank 0 only. */
static int remove_old(const struct checkpoint_ring *ring, int64_t keep) {
    glob_t files = {0};
    TRY(list_ring(ring, &files));
    for (size_t i = 0; i + (size_t)keep < files.gl_pathc; i++)
        if (unlink(files.gl_pathv[i])) log_warn("could not remove the old checkpoint %s", files.gl_pathv[i]);
    globfree(&files);
    return STATUS_OK;
}

/* Whether a file of the ring is whole and of this training. */
static int usable(const struct checkpoint_ring *ring, const char *path) {
    struct h5file *file;
    if (!h5file_up_to_date(path, CHECKPOINT_KIND, CHECKPOINT_VERSION, ring->provenance->key)) {
        log_info("%s is of a training with other settings or inputs, or damaged: not resumed from", path);
        return 0;
    }
    int status = h5file_open(&file, path, CHECKPOINT_KIND, CHECKPOINT_VERSION);
    if (status == STATUS_OK) {
        status = h5file_verify(file);
        h5file_close(file);
    }
    if (status != STATUS_OK) log_warn("passed over: %s", status_message());
    return status == STATUS_OK;
}

static int newest(const struct checkpoint_ring *ring, char *path, size_t size) {
    glob_t files = {0};
    path[0] = 0;
    TRY(list_ring(ring, &files));
    for (size_t i = files.gl_pathc; i-- > 0 && !path[0];)
        if (usable(ring, files.gl_pathv[i])) snprintf(path, size, "%s", files.gl_pathv[i]);
    globfree(&files);
    return STATUS_OK;
}

int checkpoint_ring_resume(const struct checkpoint_ring *ring, struct trainer *t) {
    char path[PATH_MAX] = "";
    TRY(comm_agree(t->comm, t->comm->rank == 0 ? newest(ring, path, sizeof path) : STATUS_OK));
    TRY(comm_broadcast(t->comm, path, sizeof path));
    if (!path[0]) return STATUS_OK;
    TRY(comm_agree(t->comm, parameters_load(&t->parameters, path, &t->step)));
    log_info("resumed from %s at step %lld", path, (long long)t->step);
    return STATUS_OK;
}

int checkpoint_ring_save(const struct checkpoint_ring *ring, struct trainer *t) {
    char path[PATH_MAX];
    ring_path(ring, t->step, path, sizeof path);
    TRY(parameters_save(&t->parameters, t->comm, path, ring->provenance, t->step));
    log_info("saved %s", path);
    return comm_agree(t->comm, t->comm->rank == 0 ? remove_old(ring, ring->keep) : STATUS_OK);
}

int checkpoint_ring_finish(const struct checkpoint_ring *ring, struct trainer *t) {
    TRY(parameters_save(&t->parameters, t->comm, ring->final_path, ring->provenance, t->step));
    return comm_agree(t->comm, t->comm->rank == 0 ? remove_old(ring, 0) : STATUS_OK);
}
