/* synth: a made-up hospital (src/synth) in the formats of health records, with what is true of it. */
#include <limits.h>
#include <stdlib.h>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/status.h"
#include "ingest/code_table.h"
#include "jobs.h"
#include "store/vocabulary.h"
#include "synth/hospital.h"

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
    TRY(code_table_read(t, &config->files.codes));
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

/* ---- the job ---- */
/* By this file a later run knows the folder as one that it may write to, so it stands first. */
static int write_facts(const struct config *config, int whole) {
    char path[PATH_MAX], *settings;
    struct atomic_file out;
    if (snprintf(path, sizeof path, "%s/hospital.json", config->synth.folder) >= (int)sizeof path)
        return status_set(STATUS_USAGE, "synth.folder is too long a path");
    TRY(config_provenance(config, JOB_SYNTH, &settings));
    int status = atomic_file_open(&out, path);
    if (status == STATUS_OK) {
        struct json j = json_begin(out.stream, 1);
        json_object(&j, NULL);
        json_text(&j, "hospital", "made up by medtok synth");
        json_text(&j, "version", MEDTOK_VERSION);
        json_integer(&j, "whole", whole);
        json_text(&j, "settings", settings);
        json_end(&j);
        status = atomic_file_close(&out, STATUS_OK);
    }
    free(settings);
    return status;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    struct catalogue catalogue = {0};
    struct synth_model model = {0};
    unsigned formats;
    (void)arguments;
    TRY(hospital_formats(&config->synth.formats, &formats));
    int status = comm_agree(comm, make_catalogue(config, &catalogue));
    if (status == STATUS_OK) status = model_make(&model, comm, &config->synth, config->run.seed, &catalogue);
    struct synth_hospital hospital = {&model, &catalogue};
    if (status == STATUS_OK) status = comm_agree(comm, comm->rank == 0 ? write_facts(config, 0) : STATUS_OK);
    if (status == STATUS_OK) status = hospital_write(comm, &config->synth, &hospital, formats);
    if (status == STATUS_OK) status = comm_agree(comm, comm->rank == 0 ? write_facts(config, 1) : STATUS_OK);
    model_free(&model);
    catalogue_free(&catalogue);
    return status;
}

static int check(const struct config *config) {
    unsigned formats;
    TRY(hospital_formats(&config->synth.formats, &formats));
    if (config->synth.codes == SYNTH_TABLES && config->files.codes.n == 0)
        return status_set(STATUS_USAGE, "synth.codes is tables, but files.codes names none");
    return STATUS_OK;
}

const struct job_entry SYNTH_JOB = {
    .job = JOB_SYNTH,
    .name = "synth",
    .arguments = "",
    .summary = "a made-up hospital of any size as MIMIC-III, MIMIC-IV, EHRSHOT, OMOP and MEDS files",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .check = check,
    .run = run,
};
