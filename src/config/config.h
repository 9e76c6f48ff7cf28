/* The settings of every job: one typed struct, filled from defaults, then a YAML file, then `--set key=value`.
 *
 * One table (schema.c) says for each key its name, type, range or allowed values, unit, default, help and the jobs that
 * use it; parsing, `--help`, `--dry-run` and the provenance text all come from that table. A file may hold the keys of
 * all jobs; a key that no job knows is an error that names file, line, the key, and the known keys that may be meant.
 */
#ifndef MEDTOK_CONFIG_CONFIG_H
#define MEDTOK_CONFIG_CONFIG_H

#include <stdint.h>
#include <stdio.h>

#include "base/string_list.h"
#include "bench/options.h"
#include "dist/options.h"
#include "measure/options.h"
#include "medtok/options.h"
#include "store/options.h"
#include "text/options.h"
#include "train/options.h"

enum job {
    JOB_PREPARE = 1,
    JOB_ENCODE = 2,
    JOB_TRAIN = 4,
    JOB_TOKENIZE = 8,
    JOB_LOOKUP = 16,
    JOB_EXPORT = 32,
    JOB_VERIFY = 64,
    JOB_INSPECT = 128,
    JOB_BENCH = 256
};

struct config {
    /* from the command line, no settings: the files that were read, and --force (outputs that are there are made anew) */
    struct string_list sources;
    int force;
    struct file_options files;
    struct run_options run;
    struct graph_options graph;
    struct text_options text;
    struct model_options model;
    struct attention_options attention;
    struct quantizer_options quantizer;
    struct loss_options loss;
    struct train_options train;
    struct tokenize_options tokenize;
    struct inspect_options inspect;
    struct bench_options bench;
};

/* Sets every key to its default. Call config_free at the end in any case. */
int config_defaults(struct config *config);
void config_free(struct config *config);

/* Reads a YAML file (nested or dotted keys) over what is set. Errors: file, line, key, what is allowed; STATUS_USAGE. */
int config_read_file(struct config *config, const char *path);

/* The same from memory; `name` stands in messages. */
int config_read_text(struct config *config, const char *name, const char *text, size_t size);

/* Applies one `key=value`; lists are written [a, b] or as a comma-separated value. The error names the argument. */
int config_set(struct config *config, const char *assignment);

/* The jobs that use the key of `key=value`, as a sum of enum job; 0: there is no such key. */
unsigned config_jobs(const char *assignment);

/* Whether the key of `key=value` is part of a trained model: tokenize takes its value from the checkpoint. */
int config_is_of_model(const char *assignment);

/* Applies the lines `key: value` that config_provenance wrote into the file `path`. */
int config_adopt(struct config *config, const char *path, char *lines);

/* Checks what spans keys (heads divide quantizer.dim, top_k fits a region, ...). */
int config_check(const struct config *config, enum job job);

/* Prints the keys that `job` uses with type, range, unit, default and help. */
void config_print_help(FILE *out, enum job job);

/* Prints the effective values of the keys that `job` uses, as YAML. */
void config_print(FILE *out, const struct config *config, enum job job);

/* The settings that shape the output of `job` as `key: value` lines in table order: no paths, threads, device, or logging.
 * The caller frees. */
int config_provenance(const struct config *config, enum job job, char **text);

#endif
