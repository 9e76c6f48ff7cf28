/* The table of all settings, and what a job asks of several at once. */
#include "settings.h"

#include <stddef.h>
#include <string.h>

#include "base/status.h"
#include "config/values.h"

/* ---- the table ---- */
#define MODEL_JOBS (JOB_TRAIN | JOB_TOKENIZE | JOB_BENCH)
#define STEP_JOBS  (JOB_TRAIN | JOB_BENCH)
#define COMPUTE_JOBS                                                                                                   \
    (JOB_ENCODE | JOB_TRAIN | JOB_TOKENIZE | JOB_INSPECT | JOB_PROBE | JOB_EVALUATE | JOB_BENCH | JOB_DOCTOR |         \
     JOB_QA_TRAIN | JOB_QA)

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a member cannot stand in them */
#define OPTION_OFFSET(in, member)       offsetof(struct config, in.member)
#define CONFIG_KEYS(list, type, member) list(OPTION_KEY, member)
static const struct key KEYS[] = {CONFIG_OPTIONS(CONFIG_KEYS)};

/* Training on cached features asks nothing of the language model, and a training from its beginning has no anchor. */
static int applies(const void *values, unsigned job, const struct key *key) {
    const struct config *config = values;
    if (strcmp(key->name, "train.anchor") == 0) return config->continuation.from[0] != 0;
    return job == JOB_ENCODE || text_option_applies(&config->text, key->name);
}

static const struct key_help HELPS[] = {
    {"files.graph", JOB_TOKENIZE, "the knowledge graph that the vocabulary was made from, for new codes with nodes"},
    {"run.device", JOB_BENCH, "where to compute; auto: on each backend in turn"},
};

const struct schema CONFIG_SCHEMA = {KEYS,    sizeof KEYS / sizeof *KEYS,    HELPS, sizeof HELPS / sizeof *HELPS,
                                     applies, offsetof(struct config, given)};

/* ---- values ---- */
int config_defaults(struct config *config) {
    *config = (struct config){0};
    return values_set_defaults(&CONFIG_SCHEMA, config);
}

void config_free(struct config *config) {
    values_free(&CONFIG_SCHEMA, config);
    string_list_clear(&config->sources);
    *config = (struct config){0};
}

int config_read_file(struct config *config, const char *path) {
    TRY(values_read_file(&CONFIG_SCHEMA, config, path));
    return string_list_add(&config->sources, path);
}

int config_read_text(struct config *config, const char *name, const char *text, size_t size) {
    return values_read_text(&CONFIG_SCHEMA, config, name, text, size);
}

int config_set(struct config *config, const char *assignment) { return values_set(&CONFIG_SCHEMA, config, assignment); }

int config_given(const struct config *config, const char *name) { return values_given(&CONFIG_SCHEMA, config, name); }

int config_adopt(struct config *config, const char *path, char *lines) {
    return values_adopt(&CONFIG_SCHEMA, config, path, lines);
}

void config_print_help(FILE *out, enum job job) { values_print_help(out, &CONFIG_SCHEMA, job); }

void config_print(FILE *out, const struct config *config, enum job job) {
    values_print(out, &CONFIG_SCHEMA, config, job);
}

void config_print_given(FILE *out, const struct config *config, enum job job) {
    values_print_given(out, &CONFIG_SCHEMA, config, job);
}

int config_provenance(const struct config *config, enum job job, char **text) {
    return values_provenance(&CONFIG_SCHEMA, config, job, text);
}

/* ---- keys ---- */
unsigned config_jobs(const char *assignment) {
    const struct key *key = schema_find_assigned(&CONFIG_SCHEMA, assignment);
    return key ? key->jobs : 0;
}

int config_is_of_model(const char *assignment) {
    const struct key *key = schema_find_assigned(&CONFIG_SCHEMA, assignment);
    return key && (key->jobs & JOB_TRAIN) && key->shapes_output;
}
