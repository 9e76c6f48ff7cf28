/* Kinds of outputs, how each is known, and their locks. */
#include "outputs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "base/status.h"
#include "medtok/hugging_face.h"
#include "paths.h"
#include "store/h5file.h"

/* How files that are no HDF5 files of ours begin. */
struct text_kind {
    const char *kind, *begins;
};
static const struct text_kind TEXTS[] = {{"report", "{\"table_id\":"},
                                         {"report", "{\n \"table_id\":"},
                                         {"removed", "relation\tx_index\ty_index\tx_type\ty_type\n"},
                                         {"probe", "{\n \"probed_table\":"},
                                         {"benchmark", "{\n \"version\":"},
                                         {"scores", "{\n \"cohort_id\":"},
                                         {"stages", "{\n \"job\": \""},
                                         {"live", "<!doctype html>\n<html lang=\"en\">\n<head>\n"},
                                         {"page", "<!doctype html>\n<html lang=\"en\">\n<head>\n"},
                                         {"evaluation", "# Evaluation\n"},
                                         {"matrix", "# medtok baseline rows of "},
                                         {"score", "{\n \"samples\": "},
                                         {"leaderboard", "model,metric,task,all,"},
                                         {"links", "{\"question\": "},
                                         {"linked", "{\"codes\": ["},
                                         {"qa-cosine", "{\n \"questions_by_codes\": "},
                                         {"qa", "{\n \"answers_of\": "},
                                         {"qa-compare", "{\n \"compared_arm\": "},
                                         {"unmapped", "system\tcode\tevents\t"},
                                         {"meds-scores", "{\n \"samples_equally_weighted\": {"},
                                         {"predictions", "subject_id,prediction_time,classes,"},
                                         {"predictions", "PAR1"},
                                         {"predictions", "subject_id,prediction_time,boolean_value,"}};
enum { N_TEXTS = sizeof TEXTS / sizeof *TEXTS };

/* What is written in folders. Those of one kind that begin with nothing (raw numbers) are known by being there together, but for
 * those that are not always written. */
struct folder_kind {
    const char *kind, *file, *begins;
    int is_optional;
};
static const struct folder_kind FOLDERS[] = {{"export", "tokens_all.npy", "\x93NUMPY", 0},
                                             {"export", "weights_all.npy", "\x93NUMPY", 0},
                                             {"export", "embeddings_all.npy", "\x93NUMPY", 0},
                                             {"export", "tokens.tsv", "system\tcode\ttext_specific_tokens\t", 0},
                                             {"export", "tokens.jsonl", "{\"system\":", 0},
                                             {"adapter", "adapter_config.json", "{\n \"peft_type\": \"LORA\"", 0},
                                             {"adapter", "adapter_model.safetensors", "", 0},
                                             {"adapter", "prefix.safetensors", "", 1},
                                             {"adapter", "medtok_adapter.json", "{\n \"prefix\": \"", 0},
                                             {"prefix", "vectors.npy", "\x93NUMPY", 0},
                                             {"prefix", "counts.npy", "\x93NUMPY", 0},
                                             {"prefix", "questions.tsv", "id\n", 0},
                                             {"arrays", "vectors.f32", "", 0},
                                             {"arrays", "codebook.f32", "", 0},
                                             {"arrays", "picks.i32", "", 0}};
enum { N_FOLDERS = sizeof FOLDERS / sizeof *FOLDERS };

static int begins_with(const char *path, const char *begins) {
    char text[64] = "";
    FILE *file = fopen(path, "rb");
    size_t n = file ? fread(text, 1, strlen(begins), file) : 0;
    if (file) fclose(file);
    return n == strlen(begins) && memcmp(text, begins, n) == 0;
}

/* A line of metrics, `{"step": N, "SAMPLES": `, whatever the learner calls them; the first is of any step where a training went on
 * without its old metrics. */
static int begins_as_metrics(const char *path) {
    char text[64] = "";
    int end = 0;
    FILE *file = fopen(path, "rb");
    if (file && fread(text, 1, sizeof text - 1, file) == 0) text[0] = 0;
    if (file) fclose(file);
    sscanf(text, "{\"step\": %*[0-9], \"%*[a-z_]\": %n", &end);
    return end > 0;
}

/* ---- checks ---- */
static int is_foreign(const struct job_path *p, const char *path) {
    return status_set(STATUS_USAGE,
                      "%s: %s is there already and is nothing that this job writes (%s), or too damaged to tell; name "
                      "another file, or "
                      "move it away",
                      p->key, path, p->kind);
}

static int check_regular(const struct job_path *p, const char *path) {
    struct stat file, stream;
    int status = path_check_regular(path);
    if (status != STATUS_OK) return status_prefix(STATUS_USAGE, "%s", p->key);
    if (stat(path, &file)) return STATUS_OK;
    for (int fd = 1; fd <= 2; fd++)
        if (fstat(fd, &stream) == 0 && stream.st_dev == file.st_dev && stream.st_ino == file.st_ino)
            return status_set(STATUS_USAGE, "%s: %s is where standard %s goes; name another file", p->key, path,
                              fd == 1 ? "output" : "error");
    return access(path, R_OK) == 0 ? STATUS_OK
                                   : status_set(STATUS_USAGE, "%s: %s is there already and cannot be looked at: %s",
                                                p->key, path, strerror(errno));
}

static int is_new(const char *path) {
    struct stat info;
    return stat(path, &info) || info.st_size == 0;
}

static int check_folder(const struct job_path *p) {
    struct stat info;
    char path[2 * PATH_MAX], other[2 * PATH_MAX];
    if (stat(p->path, &info) == 0 && !S_ISDIR(info.st_mode))
        return status_set(STATUS_USAGE, "%s: %s is a file; name a folder", p->key, p->path);
    int raw = 0, there = 0;
    for (int k = 0; k < N_FOLDERS; k++) {
        if (strcmp(FOLDERS[k].kind, p->kind) != 0) continue;
        snprintf(path, sizeof path, "%s/%s", p->path, FOLDERS[k].file);
        TRY(check_regular(p, path));
        if (!is_new(path) && !begins_with(path, FOLDERS[k].begins)) return is_foreign(p, path);
        int is_raw = !FOLDERS[k].begins[0] && !FOLDERS[k].is_optional;
        raw += is_raw;
        there += is_raw && !is_new(path);
        for (int j = 0; j < k; j++) {
            if (strcmp(FOLDERS[j].kind, p->kind) != 0) continue;
            snprintf(other, sizeof other, "%s/%s", p->path, FOLDERS[j].file);
            if (path_same(path, other))
                return status_set(STATUS_USAGE, "%s: %s and %s are the same file", p->key, path, other);
        }
    }
    return there == 0 || there == raw ? STATUS_OK : is_foreign(p, p->path);
}

/* What synth makes has files of the names that real data have: a folder with other people's files is none for it. */
static int check_made(const struct job_path *p) {
    int is_hospital = strcmp(p->kind, "hospital") == 0;
    char path[2 * PATH_MAX];
    struct stat info;
    if (stat(p->path, &info)) return STATUS_OK;
    if (!S_ISDIR(info.st_mode)) return status_set(STATUS_USAGE, "%s: %s is a file; name a folder", p->key, p->path);
    snprintf(path, sizeof path, "%s/%s.json", p->path, is_hospital ? "hospital" : "vocabulary");
    DIR *folder = opendir(p->path);
    int n = 0;
    while (folder && n <= 2 && readdir(folder)) n++; /* two are . and .. */
    if (folder) closedir(folder);
    int is_ours = begins_with(path, is_hospital ? "{\n \"hospital\":" : "{\n \"vocabulary\":");
    return (folder && n <= 2) || is_ours ? STATUS_OK : is_foreign(p, p->path);
}

/* One that export made before is replaced, with all that lies in it: nothing else may. */
static int check_hugging_face(const struct job_path *p) {
    char path[2 * PATH_MAX];
    struct stat info;
    int n = 0, status = STATUS_OK;
    if (stat(p->path, &info)) return STATUS_OK;
    if (!S_ISDIR(info.st_mode)) return status_set(STATUS_USAGE, "%s: %s is a file; name a folder", p->key, p->path);
    DIR *folder = opendir(p->path);
    if (!folder) return status_set(STATUS_USAGE, "%s: %s: %s", p->key, p->path, strerror(errno));
    for (const struct dirent *entry; status == STATUS_OK && (entry = readdir(folder));) {
        int known = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        n += !known;
        for (int i = 0; i < N_HUGGING_FACE_FILES; i++)
            known = known || strcmp(entry->d_name, HUGGING_FACE_FILES[i]) == 0;
        snprintf(path, sizeof path, "%s/%.255s", p->path, entry->d_name);
        if (!known) status = is_foreign(p, path);
    }
    closedir(folder);
    snprintf(path, sizeof path, "%s/%s", p->path, HUGGING_FACE_FILES[0]);
    return status != STATUS_OK || n == 0 || begins_with(path, HUGGING_FACE_BEGINS) ? status : is_foreign(p, p->path);
}

/* What begins as a text of the kind, or is an HDF5 file of ours of the kind. One that is too damaged to tell is not thrown
 * away unasked. */
static int is_of_kind(const char *path, const char *kind) {
    if (strcmp(kind, "metrics") == 0) return begins_as_metrics(path);
    for (int k = 0; k < N_TEXTS; k++)
        if (strcmp(TEXTS[k].kind, kind) == 0 && begins_with(path, TEXTS[k].begins)) return 1;
    enum file_kind found = h5file_kind(path);
    return found != KIND_UNKNOWN && found == file_kind_named(kind);
}

static int check_output(const struct job_path *p) {
    if (strcmp(p->kind, "export") == 0 || strcmp(p->kind, "arrays") == 0 || strcmp(p->kind, "labels") == 0 ||
        strcmp(p->kind, "prefix") == 0 || strcmp(p->kind, "adapter") == 0)
        return check_folder(p);
    if (strcmp(p->kind, "hospital") == 0 || strcmp(p->kind, "made-vocabulary") == 0) return check_made(p);
    if (strcmp(p->kind, "hugging-face") == 0) return check_hugging_face(p);
    TRY(check_regular(p, p->path));
    return is_new(p->path) || is_of_kind(p->path, p->kind) ? STATUS_OK : is_foreign(p, p->path);
}

int outputs_check(const struct config *config, enum job job) {
    struct job_path *paths;
    int n;
    TRY(config_check_paths(config, job));
    int status = config_paths(config, job, &paths, &n);
    for (int i = 0; i < n && status == STATUS_OK; i++)
        if (paths[i].written) status = check_output(&paths[i]);
    job_paths_free(paths, n);
    return status;
}

/* ---- locks ---- */
static int lock_all(struct outputs *o, const struct config *config, enum job job) {
    struct job_path *paths;
    int n, status = config_paths(config, job, &paths, &n);
    if (status == STATUS_OK) status = mem_alloc(&o->locks, n, sizeof *o->locks);
    for (int i = 0; i < n && status == STATUS_OK; i++)
        if (paths[i].written && !paths[i].is_beside) status = file_lock_take(&o->locks[o->n++], paths[i].path);
    job_paths_free(paths, n);
    return status;
}

int outputs_lock(struct outputs *o, const struct comm *comm, const struct config *config, enum job job) {
    int status = comm_agree(comm, comm->rank == 0 ? lock_all(o, config, job) : STATUS_OK);
    if (status != STATUS_OK) outputs_unlock(o);
    return status;
}

void outputs_unlock(struct outputs *o) {
    for (int i = 0; i < o->n; i++) file_lock_release(&o->locks[i]);
    free(o->locks);
    *o = (struct outputs){0};
}

int output_is_current(const struct comm *comm, const struct config *config, const char *path, enum file_kind kind,
                      const char *key, int *current) {
    *current = 0;
    if (config->force) return STATUS_OK;
    TRY(h5file_up_to_date(comm, path, kind, key, current));
    if (*current) log_info("%s is up to date", path);
    return STATUS_OK;
}
