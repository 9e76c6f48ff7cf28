/* The settings of every job: the sum of the options that the rooms declare. Adding options: a line in CONFIG_OPTIONS. */
#ifndef MEDTOK_JOBS_SETTINGS_H
#define MEDTOK_JOBS_SETTINGS_H

#include <stdio.h>

#include "bench/options.h"
#include "config/schema.h"
#include "dist/options.h"
#include "ehr/baselines/options.h"
#include "ehr/options.h"
#include "ehr/tasks/options.h"
#include "ingest/options.h"
#include "job_list.h"
#include "site_options.h"
#include "measure/options.h"
#include "medtok/options.h"
#include "qa/options.h"
#include "report/options.h"
#include "store/options.h"
#include "synth/options.h"
#include "text/options.h"
#include "train/options.h"

/* Options in the order of --help and of the provenance: list, struct, member. */
#define CONFIG_OPTIONS(OPTIONS)                                                                                        \
    OPTIONS(FILE_OPTIONS, file_options, files)                                                                         \
    OPTIONS(RUN_OPTIONS, run_options, run)                                                                             \
    OPTIONS(SUBGRAPH_OPTIONS, subgraph_options, subgraph)                                                              \
    OPTIONS(GRAPH_OPTIONS, graph_options, graph)                                                                       \
    OPTIONS(DESCRIPTION_OPTIONS, description_options, description)                                                     \
    OPTIONS(TEXT_OPTIONS, text_options, text)                                                                          \
    OPTIONS(MODEL_OPTIONS, model_options, model)                                                                       \
    OPTIONS(ATTENTION_OPTIONS, attention_options, attention)                                                           \
    OPTIONS(QUANTIZER_OPTIONS, quantizer_options, quantizer)                                                           \
    OPTIONS(LOSS_OPTIONS, loss_options, loss)                                                                          \
    OPTIONS(TRAIN_OPTIONS, train_options, train)                                                                       \
    OPTIONS(CONTINUE_OPTIONS, continue_options, continuation)                                                          \
    OPTIONS(TOKENIZE_OPTIONS, tokenize_options, tokenize)                                                              \
    OPTIONS(INSPECT_OPTIONS, inspect_options, inspect)                                                                 \
    OPTIONS(PROBE_OPTIONS, probe_options, probe)                                                                       \
    OPTIONS(SYNTH_OPTIONS, synth_options, synth)                                                                       \
    OPTIONS(COHORT_OPTIONS, cohort_options, cohort)                                                                    \
    OPTIONS(TASK_OPTIONS, task_options, tasks)                                                                         \
    OPTIONS(EHR_OPTIONS, ehr_options, ehr)                                                                             \
    OPTIONS(BASELINE_OPTIONS, baseline_options, baseline)                                                              \
    OPTIONS(SCORE_OPTIONS, score_options, score)                                                                       \
    OPTIONS(QA_COSINE_OPTIONS, qa_cosine_options, qa_cosine)                                                           \
    OPTIONS(QA_PREFIX_OPTIONS, qa_prefix_options, qa_prefix)                                                           \
    OPTIONS(LINK_OPTIONS, link_options, link)                                                                          \
    OPTIONS(QA_OPTIONS, qa_options, qa)                                                                                \
    OPTIONS(QA_COMPARE_OPTIONS, qa_compare_options, qa_compare)                                                        \
    OPTIONS(REPORT_OPTIONS, report_options, report)                                                                    \
    OPTIONS(BENCH_OPTIONS, bench_options, bench)                                                                       \
    OPTIONS(SITE_OPTIONS, site_options, site)

#define CONFIG_MEMBER(list, type, member) struct type member;
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a term of a sum */
#define CONFIG_ONE_KEY(...)              +1
#define CONFIG_COUNT(list, type, member) list(CONFIG_ONE_KEY, )
enum { N_CONFIG_KEYS = 0 CONFIG_OPTIONS(CONFIG_COUNT) };
struct config {
    /* from the command line, no settings: the files that were read, and --force (outputs that are there are made anew) */
    struct string_list sources;
    int force;
    unsigned char given[N_CONFIG_KEYS]; /* which keys a file or the command line set (config_given) */
    CONFIG_OPTIONS(CONFIG_MEMBER)
};
extern const struct schema CONFIG_SCHEMA;

/* Sets every key to its default. Call config_free at the end in any case. */
int config_defaults(struct config *config);
void config_free(struct config *config);

/* The functions of config/values.h over these settings; config_read_file notes the file in `sources`. */
int config_read_file(struct config *config, const char *path);
int config_read_text(struct config *config, const char *name, const char *text, size_t size);
int config_set(struct config *config, const char *assignment);
int config_given(const struct config *config, const char *name);
int config_adopt(struct config *config, const char *path, char *lines);
void config_print_help(FILE *out, enum job job);
void config_print(FILE *out, const struct config *config, enum job job);
void config_print_given(FILE *out, const struct config *config, enum job job);
int config_provenance(const struct config *config, enum job job, char **text);

/* The jobs that use the key of `key=value`, as a sum of enum job; 0: there is no such key. */
unsigned config_jobs(const char *assignment);

/* Whether the key of `key=value` is part of a trained model: tokenize takes its value from the checkpoint. */
int config_is_of_model(const char *assignment);

#endif
