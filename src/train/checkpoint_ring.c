/* Names, order and removal of the ring's files; rank 0 looks at the folder, all ranks load. */
#include "train/checkpoint_ring.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "base/status.h"
#include "store/checkpoint.h"

static void ring_path(const struct checkpoint_ring *ring, int64_t step, char *path, size_t size) {
    char target[PATH_MAX], ending[48];
    if (path_resolve(ring->final_path, target) != STATUS_OK) snprintf(target, sizeof target, "%s", ring->final_path);
    snprintf(ending, sizeof ending, ".step-%09lld.h5", (long long)step);
    path_with_ending(target, ending, path, size);
}

static void best_path(const struct checkpoint_ring *ring, char *path, size_t size) {
    char target[PATH_MAX];
    if (path_resolve(ring->final_path, target) != STATUS_OK) snprintf(target, sizeof target, "%s", ring->final_path);
    path_with_ending(target, ".best.h5", path, size);
}

/* The ring's files, oldest first (the step has a fixed number of digits). */
struct ring_files {
    char **path;
    long long n, capacity;
    int status;
};

/* Whether a file is called as ring_path calls one: copies with other names are their owner's. */
static int is_of_ring(const char *path) {
    const char *step = NULL;
    for (const char *p = strstr(path, ".step-"); p; p = strstr(p + 1, ".step-")) step = p + strlen(".step-");
    size_t digits = step ? strspn(step, "0123456789") : 0;
    return digits >= 9 && strcmp(step + digits, ".h5") == 0;
}

static void add_path(const char *path, void *context) {
    struct ring_files *f = context;
    if (!is_of_ring(path)) return;
    if (f->status == STATUS_OK) f->status = mem_grow(&f->path, &f->capacity, f->n + 1, sizeof *f->path);
    if (f->status != STATUS_OK) return;
    f->path[f->n] = strdup(path);
    if (f->path[f->n])
        f->n++;
    else
        f->status = status_set(STATUS_FAILED, "out of memory");
}

static void free_ring(struct ring_files *f) {
    for (long long i = 0; i < f->n; i++) free(f->path[i]);
    free(f->path);
}

/* The caller calls free_ring if it succeeds. */
static int list_ring(const struct checkpoint_ring *ring, struct ring_files *files) {
    char stem[PATH_MAX], target[PATH_MAX];
    *files = (struct ring_files){0};
    TRY(path_resolve(ring->final_path, target));
    path_with_ending(target, "", stem, sizeof stem);
    int status = path_list(stem, ".step-[0-9]*.h5", add_path, files);
    if (status == STATUS_OK) status = files->status;
    if (status != STATUS_OK) free_ring(files);
    return status;
}

/* What is no checkpoint is not ours, whatever it is called. */
static void remove_file(const char *path) {
    if (h5file_kind(path) != KIND_CHECKPOINT)
        log_warn("%s is no checkpoint, or damaged: it is left there", path);
    else if (unlink(path))
        log_warn("could not remove the old checkpoint %s", path);
}

/* Removes all but the newest `keep` files up to that of `step`. Rank 0 only. */
static int remove_old(const struct checkpoint_ring *ring, int64_t step, int64_t keep) {
    char last[PATH_MAX];
    struct ring_files files;
    int64_t n = 0;
    ring_path(ring, step, last, sizeof last);
    TRY(list_ring(ring, &files));
    while (n < files.n && strcmp(files.path[n], last) <= 0) n++;
    for (int64_t i = 0; i < files.n; i++)
        if (i + keep < n || i >= n) remove_file(files.path[i]);
    free_ring(&files);
    return STATUS_OK;
}

/* ---- what another training made ---- */
/* Opens a checkpoint that can be read and has another provenance; *file NULL: it has the same, or is none. */
static void open_other(const struct checkpoint_ring *ring, const char *path, struct h5file **file) {
    char *key = NULL;
    *file = NULL;
    if (access(path, F_OK) || h5file_open(file, path, KIND_CHECKPOINT) != STATUS_OK) {
        if (h5file_kind(path) != KIND_CHECKPOINT || h5file_open(file, path, KIND_UNKNOWN) != STATUS_OK) return;
    }
    int same = h5file_get_text(*file, "provenance_key", &key) != STATUS_OK || strcmp(key, ring->provenance->key) == 0;
    free(key);
    if (!same) return;
    h5file_close(*file);
    *file = NULL;
}

static int would_be_lost(const struct checkpoint_ring *ring, struct h5file *file, const char *what) {
    char difference[1024];
    int64_t step = 0;
    if (h5file_get_int(file, "step", &step) != STATUS_OK) step = 0;
    provenance_difference(ring->provenance, file, difference, sizeof difference);
    return status_set(STATUS_FAILED,
                      "%s is %s of %lld steps, which would be lost (%s): name another file, --set "
                      "%s=PATH, or --force to replace it",
                      h5file_path(file), what, (long long)step, difference, ring->setting);
}

/* What is left of checkpoints whose writing was interrupted. */
static void remove_temporary(const char *path, void *context) {
    char target[PATH_MAX];
    const char *end = strstr(path, ".h5.tmp-medtok-");
    (void)context;
    snprintf(target, sizeof target, "%.*s", end ? (int)(end - path) + 3 : 0, path);
    if (is_of_ring(target)) path_remove_temporaries(target);
}

/* A file that is called as a checkpoint of the ring, but is a link or of another kind, is in the way. */
static int check_not_foreign(const struct checkpoint_ring *ring, const char *path) {
    struct stat info;
    enum file_kind kind = h5file_kind(path);
    if (lstat(path, &info) == 0 && S_ISREG(info.st_mode) && (kind == KIND_UNKNOWN || kind == KIND_CHECKPOINT))
        return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "%s is in the way: training makes a checkpoint of that name, and this is none; move it away, or "
                      "name another file, --set %s=PATH",
                      path, ring->setting);
}

/* A file of the ring, or the best weights. */
static int guard_file(const struct checkpoint_ring *ring, const char *path, int force, int resume) {
    struct h5file *other;
    int status = STATUS_OK;
    TRY(check_not_foreign(ring, path));
    open_other(ring, path, &other);
    if ((other || !resume) && force)
        remove_file(path);
    else if (other)
        status = would_be_lost(ring, other, "a checkpoint of an unfinished training");
    else if (!resume)
        status = status_set(STATUS_FAILED,
                            "%s is a checkpoint of this training, which train.resume=never would lose: name another "
                            "file, --set %s=PATH, or --force to drop it",
                            path, ring->setting);
    h5file_close(other);
    return status;
}

static int guard(const struct checkpoint_ring *ring, int force, int resume) {
    struct h5file *other;
    struct ring_files files;
    char target[PATH_MAX], stem[PATH_MAX], best[PATH_MAX];
    int status = STATUS_OK;
    open_other(ring, ring->final_path, &other);
    if (other && !force) status = would_be_lost(ring, other, "the finished training");
    h5file_close(other);
    TRY(status);
    TRY(list_ring(ring, &files));
    for (long long i = files.n; i-- > 0 && status == STATUS_OK;)
        status = guard_file(ring, files.path[i], force, resume);
    free_ring(&files);
    TRY(status);
    best_path(ring, best, sizeof best);
    if (access(best, F_OK) == 0) TRY(guard_file(ring, best, force, resume));
    path_remove_temporaries(best);
    TRY(path_resolve(ring->final_path, target));
    path_with_ending(target, "", stem, sizeof stem);
    return path_list(stem, ".step-*.h5.tmp-medtok-*", remove_temporary, NULL);
}

int checkpoint_ring_guard(const struct checkpoint_ring *ring, const struct comm *comm, int force, int resume) {
    return comm_agree(comm, comm->rank == 0 ? guard(ring, force, resume) : STATUS_OK);
}

/* ---- room ---- */
static int check_room(const struct checkpoint_ring *ring, const struct training_state *state, int64_t steps,
                      int64_t every, int with_best, int64_t metrics_bytes) {
    char target[PATH_MAX];
    struct ring_files files;
    int64_t on_the_way = every ? (steps - 1) / every : 0, reserved;
    int64_t bytes = training_state_file_bytes(state, &reserved);
    if (on_the_way > ring->keep) on_the_way = ring->keep;
    TRY(path_resolve(ring->final_path, target));
    TRY(path_make_folder_of(target));
    TRY(list_ring(ring, &files));
    int64_t more = on_the_way + 1 - files.n; /* one is written while those of the ring are there */
    free_ring(&files);
    if (more < 1) more = 1;
    return path_check_room(target, (more + (with_best != 0)) * bytes + reserved + metrics_bytes, ring->final_path);
}

int checkpoint_ring_check_room(const struct checkpoint_ring *ring, const struct comm *comm,
                               const struct training_state *state, int64_t steps, int64_t every, int with_best,
                               int64_t metrics_bytes) {
    return comm_agree(comm,
                      comm->rank == 0 ? check_room(ring, state, steps, every, with_best, metrics_bytes) : STATUS_OK);
}

/* ---- resuming ---- */
/* Whether a file of the ring is whole and of this training. Rank 0. */
static int usable(const struct checkpoint_ring *ring, const char *path) {
    struct comm self = comm_self();
    int good = 0;
    if (h5file_up_to_date(&self, path, KIND_CHECKPOINT, ring->provenance->key, &good) != STATUS_OK) good = 0;
    if (!good) log_info("%s is of another training, or damaged: not resumed from", path);
    return good;
}

static int newest(const struct checkpoint_ring *ring, char *path, size_t size) {
    struct ring_files files;
    path[0] = 0;
    TRY(list_ring(ring, &files));
    for (long long i = files.n; i-- > 0 && !path[0];)
        if (usable(ring, files.path[i])) snprintf(path, size, "%s", files.path[i]);
    free_ring(&files);
    return STATUS_OK;
}

int checkpoint_ring_resume(const struct checkpoint_ring *ring, const struct comm *comm, struct training_state *state) {
    char path[PATH_MAX] = "";
    TRY(comm_agree(comm, comm->rank == 0 ? newest(ring, path, sizeof path) : STATUS_OK));
    TRY(comm_broadcast(comm, path, sizeof path));
    if (!path[0]) return STATUS_OK;
    TRY(comm_agree(comm, training_state_load(state, path)));
    log_info("resumed from %s at step %lld", path, (long long)state->step);
    return STATUS_OK;
}

/* ---- saving ---- */
/* Rank 0: gives the file under way its name; one of the ring puts others out. */
static int seal(const struct checkpoint_ring *ring, struct saver *saver, int waits) {
    char of_ring[PATH_MAX];
    int sealed;
    TRY(saver_seal(saver, waits, &sealed));
    if (!sealed) return STATUS_OK;
    ring_path(ring, saver->step, of_ring, sizeof of_ring);
    if (strcmp(of_ring, saver->path) != 0) return STATUS_OK;
    log_info("saved %s", saver->path);
    return remove_old(ring, saver->step, ring->keep);
}

int checkpoint_ring_advance(const struct checkpoint_ring *ring, struct saver *saver, int64_t n_writing) {
    if (saver->is_writing && n_writing == 0) TRY(saver_end(saver));
    return seal(ring, saver, 0);
}

int checkpoint_ring_wait(const struct checkpoint_ring *ring, struct saver *saver) {
    if (saver->is_writing) TRY(saver_end(saver));
    return comm_agree(saver->comm, seal(ring, saver, 1));
}

/* Begins when the one before is through. Of `status` and what rank 0 has still to say of that one, the first failure counts. */
static int begin(const struct checkpoint_ring *ring, struct saver *saver, const char *path, int status) {
    struct kept_status kept = {0};
    status_keep(&kept, status);
    if (saver->is_writing) TRY(saver_end(saver));
    status_keep(&kept, seal(ring, saver, 1));
    return saver_begin(saver, path, ring->provenance, status_take(&kept));
}

int checkpoint_ring_save(const struct checkpoint_ring *ring, struct saver *saver, int status) {
    char path[PATH_MAX];
    ring_path(ring, saver->state->step, path, sizeof path);
    return begin(ring, saver, path, status);
}

/* ---- the best weights ---- */
int checkpoint_ring_save_best(const struct checkpoint_ring *ring, struct saver *saver) {
    char path[PATH_MAX];
    best_path(ring, path, sizeof path);
    TRY(begin(ring, saver, path, STATUS_OK));
    return checkpoint_ring_wait(ring, saver);
}

/* path: empty if there are none. Rank 0. */
static void find_best(const struct checkpoint_ring *ring, int64_t last_step, char *path, size_t size) {
    struct h5file *file;
    int64_t step;
    best_path(ring, path, size);
    if (access(path, F_OK) == 0 && usable(ring, path) && h5file_open(&file, path, KIND_CHECKPOINT) == STATUS_OK) {
        int status = h5file_get_int(file, "step", &step);
        h5file_close(file);
        if (status == STATUS_OK && step <= last_step) return;
    }
    path[0] = 0;
}

int checkpoint_ring_load_best(const struct checkpoint_ring *ring, const struct comm *comm, struct training_state *state,
                              int *found) {
    char path[PATH_MAX] = "";
    if (comm->rank == 0) find_best(ring, state->step, path, sizeof path);
    TRY(comm_broadcast(comm, path, sizeof path));
    *found = path[0] != 0;
    return *found ? comm_agree(comm, training_state_load(state, path)) : STATUS_OK;
}

static int remove_all(const struct checkpoint_ring *ring, int64_t step) {
    char best[PATH_MAX];
    best_path(ring, best, sizeof best);
    if (access(best, F_OK) == 0) remove_file(best);
    return remove_old(ring, step, 0);
}

int checkpoint_ring_finish(const struct checkpoint_ring *ring, struct saver *saver) {
    TRY(begin(ring, saver, ring->final_path, STATUS_OK));
    TRY(saver_end(saver));
    int status = seal(ring, saver, 1);
    if (status == STATUS_OK && saver->comm->rank == 0) status = remove_all(ring, saver->step);
    return comm_agree(saver->comm, status);
}
