/* synth: a made-up hospital in the formats of health records, or a made-up vocabulary, with what is true of it (src/synth). */
#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/status.h"
#include "ingest/code_table.h"
#include "ingest/python_lines.h"
#include "jobs.h"
#include "measure/scores.h"
#include "store/vocabulary.h"
#include "paths.h"
#include "synth/hospital.h"
#include "synth/parquet.h"
#include "synth/vocabulary/made_vocabulary.h"

/* ---- codes that are given ---- */
struct sources {
    struct vocabulary vocabulary;
    struct code_table table;
};

static int read_vocabulary(const struct config *config, struct vocabulary *v, struct synth_given_codes *given) {
    TRY(vocabulary_read(config->files.vocabulary, 0, -1, VOCABULARY_NAMES | VOCABULARY_DESCRIPTIONS | VOCABULARY_GRAPHS,
                        v));
    *given = (struct synth_given_codes){.n = v->n_codes,
                                        .code = {.text = v->code, .stride = v->code_bytes},
                                        .system = {.text = v->system, .stride = v->system_bytes},
                                        .description = {.text = v->description, .at = v->description_offsets},
                                        .description_end = v->description_offsets + 1,
                                        .node_offsets = v->node_offsets,
                                        .nodes = v->nodes,
                                        .n_listed = v->n_listed};
    return STATUS_OK;
}

static int read_tables(const struct config *config, struct code_table *t, struct synth_given_codes *given) {
    const struct comm alone = comm_self();
    TRY(code_table_read(t, &alone, &config->files.codes));
    *given = (struct synth_given_codes){.n = t->n,
                                        .code = {.text = t->text, .at = t->code},
                                        .system = {.text = t->text, .at = t->system},
                                        .description = {.text = t->text, .at = t->description},
                                        .node_offsets = t->node_offsets,
                                        .nodes = t->nodes};
    return STATUS_OK;
}

static int make_catalogue(const struct config *config, struct catalogue *catalogue) {
    struct sources s = {0};
    struct synth_given_codes given = {0};
    int status = STATUS_OK;
    if (config->synth.codes == SYNTH_VOCABULARY) status = read_vocabulary(config, &s.vocabulary, &given);
    if (config->synth.codes == SYNTH_TABLES) status = read_tables(config, &s.table, &given);
    if (status == STATUS_OK) status = catalogue_make(catalogue, &config->synth, config->run.seed, &given);
    if (config->synth.codes == SYNTH_VOCABULARY) vocabulary_free(&s.vocabulary);
    if (config->synth.codes == SYNTH_TABLES) code_table_free(&s.table);
    return status;
}

/* ---- what is written beside the tables ---- */
/* How the Bayes probabilities score on the samples of held_out: what no model can beat but by chance. */
static int score(const struct comm *comm, struct truth_samples *own, struct scores *scores) {
    struct scored_sample *mine = NULL, *all = NULL;
    int64_t n = 0;
    int status = mem_alloc(&mine, own->n, sizeof *mine);
    for (long long i = 0; i < own->n && status == STATUS_OK; i++)
        mine[i] = (struct scored_sample){.sample = own->items[i].number,
                                         .subject = own->items[i].subject,
                                         .label = own->items[i].label,
                                         .score = own->items[i].probability};
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = scored_samples_gather(comm, own->n, mine, &n, &all);
    if (status == STATUS_OK) status = scores_compute(n, all, scores);
    free(mine);
    free(all);
    return comm_agree(comm, status);
}

static void log_scores(const char *task, const struct scores *s) {
    if (s->n == 0)
        log_info("%s: held_out has no samples: there is nothing to score", task);
    else if (isnan(s->auroc))
        log_info("%s: the samples of held_out, %lld, are all %s: AUROC is not defined", task, (long long)s->n,
                 s->prevalence > 0 ? "true" : "false");
    else
        log_info(
            "%s: the Bayes probabilities have AUROC %.4f and AP %.4f on %lld samples of held_out, of which %.4f are "
            "true",
            task, s->auroc, s->average_precision, (long long)s->n, s->prevalence);
}

static void put_scores(struct json *j, const struct scores scores[N_SYNTH_TASKS]) {
    json_object(j, "bayes_held_out");
    for (int t = 0; t < N_SYNTH_TASKS; t++) {
        json_object(j, SYNTH_TASK_NAMES[t]);
        json_integer(j, "samples", scores[t].n);
        json_real(j, "prevalence", scores[t].prevalence, 6);
        json_real(j, "roc_auc_score", scores[t].auroc, 6);
        json_real(j, "average_precision_score", scores[t].average_precision, 6);
        json_real(j, "brier_score", scores[t].brier, 6);
        json_end(j);
    }
    json_end(j);
}

static void put_model(struct json *j, const struct synth_model *m) {
    json_object(j, "model");
    json_real(j, "death", m->death, 17);
    json_real(j, "age", AGE_EFFECT, 17);
    json_real(j, "back", m->back, 17);
    json_real(j, "within_15_days", WITHIN_15, 17);
    json_real(j, "stay", m->stay, 17);
    json_real(j, "stay_sd", STAY_SD, 17);
    json_real(j, "later", m->later, 17);
    json_end(j);
}

struct hospital_facts {
    const struct synth_model *model;
    const struct scores *scores; /* [N_SYNTH_TASKS] */
};

static void put_hospital(struct json *j, const void *made) {
    const struct hospital_facts *facts = made;
    put_model(j, facts->model);
    put_scores(j, facts->scores);
}

static void put_vocabulary(struct json *j, const void *made) { made_vocabulary_put_counts(j, made); }

static const char *what_is_made(const struct config *config) {
    return config->synth.make == SYNTH_MAKE_HOSPITAL ? "hospital" : "vocabulary";
}

static int facts_path(const struct config *config, const char *folder, char path[PATH_MAX]) {
    if (snprintf(path, PATH_MAX, "%s/%s.json", folder, what_is_made(config)) < PATH_MAX) return STATUS_OK;
    return status_set(STATUS_USAGE, "synth.folder is too long a path");
}

/* By this file a later run knows the folder as one that it may write to, so it stands there first. made NULL: not yet whole. */
static int write_facts(const struct config *config, const char *folder, const void *made) {
    char path[PATH_MAX], *settings;
    struct atomic_file out;
    TRY(facts_path(config, folder, path));
    TRY(config_provenance(config, JOB_SYNTH, &settings));
    int status = atomic_file_open(&out, path);
    if (status == STATUS_OK) {
        struct json j = json_begin(out.stream, 2);
        json_object(&j, NULL);
        json_text(&j, what_is_made(config), "made up by medtok synth");
        json_text(&j, "version", MEDTOK_VERSION);
        json_integer(&j, "whole", made != NULL);
        json_text(&j, "settings", settings);
        if (made) (config->synth.make == SYNTH_MAKE_HOSPITAL ? put_hospital : put_vocabulary)(&j, made);
        json_end(&j);
        fputc('\n', out.stream);
        status = atomic_file_close(&out, STATUS_OK);
    }
    free(settings);
    return status;
}

static int make_parquet(const struct comm *comm, const struct config *config, const char *folder) {
    struct string_list arguments = {0};
    struct python_lines *lines = NULL;
    char *line = NULL;
    int status = parquet_arguments(folder, config->synth.gzip > 0, comm->rank, comm->size, &arguments);
    if (status == STATUS_OK && arguments.n) {
        status = python_lines_open(&lines, config->synth.python, "synth.python", PARQUET_TEXT, &arguments);
        if (status == STATUS_OK) status = python_lines_next(lines, &line);
        if (status == STATUS_OK && (!line || line[0] != '.'))
            status = status_set(STATUS_FAILED, "%s",
                                line && line[0] == '!' ? line + 2 : "Python said nothing of MEDS as Parquet");
        if (status == STATUS_OK)
            status = python_lines_finish(lines);
        else
            python_lines_abandon(lines);
    }
    string_list_clear(&arguments);
    return status;
}

/* ---- what was stopped ---- */
/* Below the folder itself; what is not empty stays. */
static int remove_empty(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info;
    if (kind == FTW_DP && at->level > 0) rmdir(path);
    return 0;
}

static int is_entry(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* Of a folder in which nothing was before this run: empty folders go, and where no table stands its facts too. is_made: the folder as well. */
static void clear_stopped(const char *folder, const char *facts, int is_made) {
    enum { OPEN_FOLDERS = 8 };
    struct dirent **entries;
    nftw(folder, remove_empty, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
    int n = scandir(folder, &entries, is_entry, NULL);
    if (n == 1) unlink(facts);
    for (int i = 0; i < n; i++) free(entries[i]);
    if (n >= 0) free(entries);
    if (is_made) rmdir(folder);
}

/* ---- the job ---- */
static int write_hospital(const struct comm *comm, const struct config *config, const char *folder,
                          const struct synth_hospital *hospital) {
    struct truth_samples held_out[N_SYNTH_TASKS] = {{0}};
    struct scores scores[N_SYNTH_TASKS] = {{0}};
    struct hospital_facts facts = {hospital->model, scores};
    unsigned formats;
    int status = hospital_formats(&config->synth.formats, &formats);
    if (status == STATUS_OK) status = hospital_write(comm, &config->synth, folder, hospital, formats, held_out);
    if (status == STATUS_OK && config->synth.parquet == SYNTH_PARQUET)
        status = comm_agree(comm, make_parquet(comm, config, folder));
    for (int t = 0; t < N_SYNTH_TASKS; t++) {
        if (status == STATUS_OK) status = score(comm, &held_out[t], &scores[t]);
        if (status == STATUS_OK) log_scores(SYNTH_TASK_NAMES[t], &scores[t]);
        free(held_out[t].items);
    }
    if (status == STATUS_OK)
        status = comm_agree(comm, comm->rank == 0 ? write_facts(config, folder, &facts) : STATUS_OK);
    return status;
}

static int make_hospital(const struct comm *comm, const struct config *config, const char *folder) {
    struct catalogue catalogue = {0};
    struct synth_model model = {0};
    int status = comm_agree(comm, make_catalogue(config, &catalogue));
    if (status == STATUS_OK) status = synth_model_make(&model, comm, &config->synth, config->run.seed, &catalogue);
    struct synth_hospital hospital = {&model, &catalogue};
    if (status == STATUS_OK) status = comm_agree(comm, comm->rank == 0 ? write_facts(config, folder, NULL) : STATUS_OK);
    if (status == STATUS_OK) status = write_hospital(comm, config, folder, &hospital);
    synth_model_free(&model);
    catalogue_free(&catalogue);
    return status;
}

static int make_vocabulary(const struct comm *comm, const struct config *config, const char *folder) {
    struct made_vocabulary vocabulary = {0};
    int status = comm_agree(comm, made_vocabulary_make(&vocabulary, config->synth.scale, (uint64_t)config->run.seed));
    if (status == STATUS_OK) status = comm_agree(comm, comm->rank == 0 ? write_facts(config, folder, NULL) : STATUS_OK);
    if (status == STATUS_OK) status = made_vocabulary_write(comm, &config->synth, folder, &vocabulary);
    if (status == STATUS_OK)
        status = comm_agree(comm, comm->rank == 0 ? write_facts(config, folder, &vocabulary) : STATUS_OK);
    made_vocabulary_free(&vocabulary);
    return status;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    char folder[PATH_MAX], facts[PATH_MAX];
    (void)arguments;
    config_synth_folder(config, folder);
    TRY(facts_path(config, folder, facts));
    int is_made = access(folder, F_OK) != 0, is_new = access(facts, F_OK) != 0;
    int status = (config->synth.make == SYNTH_MAKE_HOSPITAL ? make_hospital : make_vocabulary)(comm, config, folder);
    if (status != STATUS_OK && comm->rank == 0 && is_new) clear_stopped(folder, facts, is_made);
    return status;
}

static int check(const struct config *config) {
    unsigned formats;
    if (config->synth.make == SYNTH_MAKE_VOCABULARY) return STATUS_OK;
    TRY(hospital_formats(&config->synth.formats, &formats));
    if (config->synth.codes == SYNTH_TABLES && config->files.codes.n == 0)
        return status_set(STATUS_USAGE, "synth.codes is tables, but files.codes names none");
    if (config->synth.parquet == SYNTH_PARQUET && !(formats & (1U << SYNTH_MEDS)))
        return status_set(STATUS_USAGE, "synth.parquet is made of MEDS, which synth.formats does not name");
    if (config->synth.parquet == SYNTH_PARQUET && config->synth.faults)
        return status_set(STATUS_USAGE,
                          "synth.parquet cannot hold faulty rows: set synth.faults to 0, or synth.parquet to no");
    return STATUS_OK;
}

const struct job_entry SYNTH_JOB = {
    .job = JOB_SYNTH,
    .name = "synth",
    .arguments = "",
    .summary = "a made-up hospital as MIMIC-III, MIMIC-IV, EHRSHOT, OMOP and MEDS files, or a vocabulary, of any size",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .check = check,
    .run = run,
};
