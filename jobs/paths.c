/* Walks the table of settings for paths. */
#include "paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/status.h"
#include "config/schema.h"
#include "dist/stages.h"
#include "ehr/grid.h"
#include "ehr/predictions.h"

/* ---- outputs beside others ---- */
void config_metrics_path(const struct config *config, char path[PATH_MAX]) {
    if (config->files.metrics[0])
        snprintf(path, PATH_MAX, "%s", config->files.metrics);
    else
        path_with_ending(config->files.checkpoint, ".jsonl", path, PATH_MAX);
}

void config_report_path(const struct config *config, char path[PATH_MAX]) {
    if (config->files.report[0])
        snprintf(path, PATH_MAX, "%s", config->files.report);
    else
        path_with_ending(config->files.table, ".quality.json", path, PATH_MAX);
}

/* How much of a path stands in front of an ending; all of it, if it has another. */
static int stem_of(const char *path, const char *ending) {
    size_t n = strlen(path), m = strlen(ending);
    return (int)(n > m && strcmp(path + n - m, ending) == 0 ? n - m : n);
}

static int scores_stem(const struct config *config) { return stem_of(config->files.scores, ".json"); }

void config_trial_path(const struct config *config, const char *name, const char *ending, char path[PATH_MAX]) {
    const char *folder = grid_is_listed(&config->ehr) ? ".trials/" : ".";
    snprintf(path, PATH_MAX, "%.*s%s%s%s", scores_stem(config), config->files.scores, folder, name, ending);
}

void config_results_path(const struct config *config, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%.*s.h5", scores_stem(config), config->files.scores);
}

void config_predictions_path(const struct config *config, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%.*s.csv", scores_stem(config), config->files.scores);
}

void config_synth_folder(const struct config *config, char path[PATH_MAX]) {
    const char *otherwise = config->synth.make == SYNTH_MAKE_HOSPITAL ? "results/hospital" : "results/made-vocabulary";
    snprintf(path, PATH_MAX, "%s", config->synth.folder[0] ? config->synth.folder : otherwise);
}

const char *config_live_output(const struct config *config, enum job job) {
    return job == JOB_ENCODE     ? config->files.text
           : job == JOB_TRAIN    ? config->files.checkpoint
           : job == JOB_TOKENIZE ? config->files.table
                                 : config->files.scores;
}

void config_live_path(const struct config *config, enum job job, char path[PATH_MAX]) {
    char metrics[PATH_MAX];
    config_metrics_path(config, metrics);
    const char *beside = job == JOB_TRAIN ? metrics : config_live_output(config, job);
    int n = stem_of(beside, job == JOB_TRAIN ? ".jsonl" : job == JOB_EVALUATE ? ".json" : ".h5");
    snprintf(path, PATH_MAX, "%.*s.live.html", n, beside);
}

/* ---- the list ---- */
struct path_list {
    struct job_path *items;
    long long n, capacity;
};

static int add(struct path_list *list, const char *key, const char *kind, int written, const char *path) {
    if (!path[0]) return STATUS_OK;
    if (strlen(path) >= PATH_MAX) return status_set(STATUS_USAGE, "%s is too long a path: %.200s...", key, path);
    TRY(mem_grow(&list->items, &list->capacity, list->n + 1, sizeof *list->items));
    struct job_path *item = &list->items[list->n++];
    *item = (struct job_path){.key = key, .kind = kind, .written = written};
    item->path = strdup(path);
    return item->path ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}

static int add_list(struct path_list *list, const char *key, const char *kind, const struct string_list *paths) {
    for (int i = 0; i < paths->n; i++) TRY(add(list, key, kind, 0, paths->items[i]));
    return STATUS_OK;
}

static int add_beside(struct path_list *list, const struct key *key, const char *kind, const char *path) {
    TRY(add(list, key->name, kind, 1, path));
    list->items[list->n - 1].is_beside = 1;
    return STATUS_OK;
}

/* Where its time went, of a job that says so (dist/stages.h). */
static int add_stages(struct path_list *list, const struct key *key, enum job job, const char *path) {
    char stages[PATH_MAX];
    if (!(job & STAGE_JOBS) || !(key->writers & job) || strcmp(key->kind, "metrics") == 0) return STATUS_OK;
    stages_path(path, stages);
    return add_beside(list, key, "stages", stages);
}

/* The page beside it, of a job that has one (live.h). */
static int add_live(struct path_list *list, const struct config *config, const struct key *key, enum job job) {
    const char *of = job == JOB_ENCODE     ? "text"
                     : job == JOB_TRAIN    ? "metrics"
                     : job == JOB_TOKENIZE ? "table"
                                           : "scores";
    char path[PATH_MAX];
    if (!(job & LIVE_JOBS) || config->run.live_page == 0 || !(key->writers & job) || strcmp(key->kind, of) != 0)
        return STATUS_OK;
    config_live_path(config, job, path);
    return add_beside(list, key, "live", path);
}

/* What evaluate makes for each training, and for all. */
static int add_trials(struct path_list *list, const struct config *config, const struct key *key) {
    const char *const FILES[][2] = {
        {"checkpoint", ".h5"},           {"metrics", ".jsonl"},      {"predictions", predictions_ending(&config->ehr)},
        {"meds-scores", ".meds.json"},   {"results", ".results.h5"}, {"checkpoint", ".pretrained.h5"},
        {"metrics", ".pretrained.jsonl"}};
    char path[PATH_MAX];
    struct grid grid;
    config_results_path(config, path);
    TRY(add_beside(list, key, "results", path));
    int status = grid_make(&grid, &config->ehr, (uint64_t)config->run.seed);
    for (int64_t i = 0; i < grid.n && status == STATUS_OK; i++)
        for (size_t k = 0; k < sizeof FILES / sizeof *FILES && status == STATUS_OK; k++) {
            config_trial_path(config, grid.trials[i].name, FILES[k][1], path);
            status = add_beside(list, key, FILES[k][0], path);
        }
    grid_free(&grid);
    return status;
}

/* What synth makes has a kind by what that is. */
static const char *kind_of(const struct config *config, const struct key *key) {
    int is_made = strcmp(key->kind, "hospital") == 0 && config->synth.make == SYNTH_MAKE_VOCABULARY;
    return is_made ? "made-vocabulary" : key->kind;
}

static int add_key(struct path_list *list, const struct config *config, const struct key *key, enum job job) {
    const void *at = (const char *)config + key->offset;
    char derived[PATH_MAX];
    if (key->type == KEY_LIST) return add_list(list, key->name, key->kind, at);
    const char *path = *(char *const *)at;
    if (strcmp(key->name, "files.metrics") == 0) config_metrics_path(config, derived), path = derived;
    if (strcmp(key->name, "files.report") == 0) config_report_path(config, derived), path = derived;
    if (strcmp(key->name, "synth.folder") == 0) config_synth_folder(config, derived), path = derived;
    if (!path[0] && key->initial[0] && ((key->writers | JOB_TOKENIZE | JOB_INSPECT) & job) &&
        strcmp(key->kind, "text") != 0)
        return status_set(STATUS_USAGE, "%s is empty: name a file", key->name);
    TRY(add(list, key->name, kind_of(config, key), (key->writers & job) != 0, path));
    TRY(add_stages(list, key, job, path));
    TRY(add_live(list, config, key, job));
    if (strcmp(key->kind, "scores") != 0 || !(key->writers & job)) return STATUS_OK;
    if (job != JOB_BASELINE) return add_trials(list, config, key);
    config_predictions_path(config, derived);
    return add_beside(list, key, "predictions", derived);
}

int config_paths(const struct config *config, enum job job, struct job_path **paths, int *n) {
    struct path_list list = {0};
    int status = add_list(&list, "--config", "config", &config->sources);
    for (int i = 0; i < CONFIG_SCHEMA.n && status == STATUS_OK; i++)
        if (CONFIG_SCHEMA.keys[i].kind && (CONFIG_SCHEMA.keys[i].jobs & job))
            status = add_key(&list, config, &CONFIG_SCHEMA.keys[i], job);
    *paths = list.items;
    *n = (int)list.n;
    return status;
}

void job_paths_free(struct job_path *paths, int n) {
    for (int i = 0; i < n; i++) free(paths[i].path);
    free(paths);
}

/* ---- the check ---- */
/* A path and the file that it names. */
struct named_file {
    const struct job_path *path;
    int is_there;
    dev_t device;
    ino_t inode;
    char *resolved; /* owned; NULL: links that lead nowhere */
};

static int may_be_one(const struct job_path *a, const struct job_path *b) {
    return (strcmp(a->key, "files.table") == 0 && strcmp(b->key, "tokenize.append_to") == 0) ||
           (strcmp(b->key, "files.table") == 0 && strcmp(a->key, "tokenize.append_to") == 0);
}

/* Jobs make and remove files beside their outputs: nothing else may be called so. */
static int check_beside(const struct job_path *a, const struct job_path *b) {
    if (!path_is_beside(a->path, b->path)) return STATUS_OK;
    return status_set(STATUS_USAGE, "%s is %s, which is the name of a file that jobs make beside %s: choose another",
                      a->key, a->path, b->key);
}

/* The first two ways in which files are compared (base/path.h, path_same), as an order; of one file, those that are written first. */
static int by_file(const void *x, const void *y) {
    const struct named_file *a = x, *b = y;
    if (a->is_there != b->is_there) return a->is_there ? -1 : 1;
    if (a->is_there && a->device != b->device) return a->device < b->device ? -1 : 1;
    if (a->is_there && a->inode != b->inode) return a->inode < b->inode ? -1 : 1;
    int order = a->is_there ? 0 : strcmp(a->resolved, b->resolved);
    if (order) return order;
    if (a->path->written != b->path->written) return a->path->written ? -1 : 1;
    return (a->path > b->path) - (a->path < b->path);
}

static void free_files(struct named_file *files, int n) {
    for (int i = 0; files && i < n; i++) free(files[i].resolved);
    free(files);
}

static int look_at(struct named_file *file, const struct job_path *path) {
    char resolved[PATH_MAX];
    struct stat info;
    int leads_somewhere = path_resolve(path->path, resolved) == STATUS_OK;
    *file = (struct named_file){.path = path};
    /* table.h5/ is no file, and yet names table.h5 */
    file->is_there = stat(path->path, &info) == 0 || (leads_somewhere && stat(resolved, &info) == 0);
    if (file->is_there) file->device = info.st_dev, file->inode = info.st_ino;
    file->resolved = strdup(leads_somewhere ? resolved : "");
    return file->resolved ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}

static int is_one_file(const struct named_file *a, const struct named_file *b) {
    if (a->is_there || b->is_there) return a->is_there && b->is_there && a->device == b->device && a->inode == b->inode;
    return a->resolved[0] && strcmp(a->resolved, b->resolved) == 0;
}

/* Of one file. */
static int check_same(const struct job_path *a, const struct job_path *b) {
    if (a > b) return check_same(b, a);                 /* named in the order of the settings */
    if (a->is_beside && b->is_beside) return STATUS_OK; /* they are called by their numbers */
    if ((!a->written && !b->written) || may_be_one(a, b)) return STATUS_OK;
    return status_set(STATUS_USAGE, "%s and %s are the same file, %s: %s", a->key, b->key, a->path,
                      a->written && b->written ? "two outputs need two files" : "an output must not be an input");
}

/* Each against the first of its file, which is written if one of them is. Sorts the files. */
static int check_all_same(struct named_file *files, int n) {
    if (n > 1) qsort(files, (size_t)n, sizeof *files, by_file);
    for (int first = 0, i = 1; i < n; i++) {
        if (!is_one_file(&files[first], &files[i]))
            first = i;
        else
            TRY(check_same(files[first].path, files[i].path));
    }
    return STATUS_OK;
}

/* What names of files beside an output begin with: its path, and this without its ending. */
struct beginning {
    const char *text; /* borrowed */
    size_t length;
    const struct job_path *path;
};

static int compare_texts(const char *a, size_t n, const char *b, size_t m) {
    int order = memcmp(a, b, n < m ? n : m);
    return order ? order : (n > m) - (n < m);
}

static int by_text(const void *x, const void *y) {
    const struct beginning *a = x, *b = y;
    return compare_texts(a->text, a->length, b->text, b->length);
}

/* [2 n], ascending. */
static int list_beginnings(const struct named_file *files, int n, struct beginning **list) {
    char stem[PATH_MAX];
    TRY(mem_alloc(list, 2LL * n, sizeof **list));
    for (int i = 0; i < n; i++) {
        path_with_ending(files[i].resolved, "", stem, sizeof stem);
        (*list)[2 * i] = (struct beginning){files[i].resolved, strlen(files[i].resolved), files[i].path};
        (*list)[2 * i + 1] = (struct beginning){files[i].resolved, strlen(stem), files[i].path};
    }
    if (n > 0) qsort(*list, 2 * (size_t)n, sizeof **list, by_text);
    return STATUS_OK;
}

/* The file against all whose beginning is text[length]. */
static int check_beginning(const struct job_path *path, const char *text, size_t length, const struct beginning *list,
                           int n) {
    int low = 0, high = n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (compare_texts(list[middle].text, list[middle].length, text, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < n && compare_texts(list[low].text, list[low].length, text, length) == 0; low++)
        if (list[low].path != path && !(path->is_beside && list[low].path->is_beside))
            TRY(check_beside(path, list[low].path));
    return STATUS_OK;
}

/* All that jobs make beside a file goes on with a dot behind its beginning. */
static int check_all_beside(const struct named_file *files, int n) {
    struct beginning *list;
    int status = list_beginnings(files, n, &list);
    for (int i = 0; i < n && status == STATUS_OK; i++) {
        const char *name = files[i].resolved;
        for (const char *dot = strchr(name, '.'); dot && status == STATUS_OK; dot = strchr(dot + 1, '.'))
            status = check_beginning(files[i].path, name, (size_t)(dot - name), list, 2 * n);
    }
    free(list);
    return status;
}

int config_check_paths(const struct config *config, enum job job) {
    struct job_path *paths;
    struct named_file *files = NULL;
    int n, status = config_paths(config, job, &paths, &n);
    if (status == STATUS_OK) status = mem_alloc(&files, n, sizeof *files);
    for (int i = 0; i < n && status == STATUS_OK; i++) status = look_at(&files[i], &paths[i]);
    if (status == STATUS_OK) status = check_all_beside(files, n);
    if (status == STATUS_OK) status = check_all_same(files, n);
    free_files(files, n);
    job_paths_free(paths, n);
    return status;
}
