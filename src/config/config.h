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

#include "config/job_list.h"

enum graph_encoder { GRAPH_GCN, GRAPH_GAT };
enum sides { SIDES_BOTH, SIDES_TEXT, SIDES_GRAPH };
enum empty_text { EMPTY_TEXT_CODE, EMPTY_TEXT_ABSENT };
enum text_encoder_name { TEXT_HASHED_NGRAMS, TEXT_BERT };
enum text_mode { TEXT_CACHED, TEXT_ONLINE };
enum text_features_kept { FEATURES_TOKENS, FEATURES_SENTENCE };
enum precision { PRECISION_FP16, PRECISION_FP32 };
enum loss_space { LOSS_SPACE_RAW, LOSS_SPACE_NORMALIZED };
enum shared_region { SHARED_ALL, SHARED_MIDDLE };
enum codebook_update { UPDATE_GRADIENT, UPDATE_EMA };
enum codebook_init { INIT_NORMAL, INIT_KMEANS };
enum negatives { NEGATIVES_LOCAL, NEGATIVES_GLOBAL };
enum sibling_negatives { SIBLINGS_KEEP, SIBLINGS_LEAVE_OUT };
enum partition { PARTITION_BLOCK, PARTITION_RANDOM };
enum device_choice { DEVICE_AUTO, DEVICE_CPU, DEVICE_CUDA };
enum compute { COMPUTE_FP32, COMPUTE_TF32, COMPUTE_BF16 }; /* numbered as kernels' precision_of_products */
enum schedule { SCHEDULE_CONSTANT, SCHEDULE_COSINE };
enum bench_data { BENCH_SYNTHETIC, BENCH_FILES };
enum resume { RESUME_AUTO, RESUME_NEVER };
enum stage_table { STAGE_TABLE_AUTO, STAGE_TABLE_ALWAYS, STAGE_TABLE_NEVER }; /* numbered as dist's stages_shown */

struct string_list {
    int n;
    char **items; /* owned */
};

struct config {
    /* from the command line, no settings: the files that were read, and --force (outputs that are there are made anew) */
    struct string_list sources;
    int force;
    struct { /* files.*: relative paths are relative to the working directory */
        struct string_list codes;
        char *graph, *vocabulary, *text, *checkpoint, *table, *export_folder, *metrics, *report;
    } files;
    struct {
        int64_t seed, threads;
        enum device_choice device;
        enum compute compute;
        enum stage_table stages;
        char *log_level;
    } run;
    struct {
        int64_t hops, max_nodes, node_dim, hidden, heads;
        enum graph_encoder encoder;
        double edge_drop;
    } graph;
    struct {
        enum text_encoder_name encoder;
        enum text_mode mode;
        char *model;
        int64_t dim, ngram_min, ngram_max, max_tokens;
        enum text_features_kept features;
        enum compute compute;
        enum precision precision;
        enum empty_text empty;
        double dropout;
    } text;
    struct {
        enum sides sides;
    } model;
    struct {
        int64_t heads, layers;
        double dropout;
    } attention;
    struct {
        int64_t size, dim, top_k, init_sample, revive_after;
        double commit, ema_decay, ema_epsilon;
        enum loss_space loss_space;
        enum shared_region shared_region;
        enum codebook_update update;
        enum codebook_init init;
    } quantizer;
    struct {
        double temperature, align, orthogonality;
        enum negatives negatives;
        enum sibling_negatives sibling_negatives;
    } loss;
    struct {
        int64_t batch, steps, warmup, checkpoint_every, keep, log_every, eval_every, eval_codes;
        double holdout;
        double rate, rate_end, beta1, beta2, epsilon, weight_decay, clip, max_loss, max_length, average;
        enum schedule schedule;
        enum partition partition;
        enum resume resume;
    } train;
    struct {
        int64_t batch;
        char *codes, *append_to;
    } tokenize;
    struct {
        int64_t resamples, sample;
    } inspect;
    struct {
        struct string_list items;
        enum bench_data data;
        int64_t repeats, queries, nodes, edges, tokens, graph_nodes;
        double seconds;
        char *json, *export_folder;
    } bench;
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
