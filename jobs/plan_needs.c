/* Sizes from the formulas of what is stored and held; times from finished runs, or from rates that were measured. */
#include "plan_needs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/status.h"
#include "ehr/grid.h"
#include "ingest/code_table.h"
#include "ingest/hierarchy.h"
#include "model_settings.h"
#include "plan_times.h"
#include "store/vocabulary.h"

/* On PrimeKG's neighbourhoods of 327,891 codes (31 nodes and 167 edges a code): bytes of a code's subgraph, name and description. */
enum { VOCABULARY_BYTES = 31 * 4 + 167 * 5 + 120 };
/* What each rank of prepare holds whole: names and lists of nodes of a code, and a node of PrimeKG with its 63 edges. */
enum { CODE_LIST_BYTES = 100, GRAPH_NODE_BYTES = 24 + 63 * 5 };
/* What the libraries of MPI, HDF5 and BLAS hold in a process before it has any data. */
enum { BASE_BYTES = 32 << 20 };
/* Rows of text features a code: of hashed n-grams, one a distinct word (1,344 of the sample's 710 codes); of a language model one a token. */
enum { WORD_ROWS = 2, TOKEN_ROWS = 12 };

/* ---- sizes ---- */
static int count_listed(const struct config *config, struct plan_sizes *z) {
    const struct subgraph_options *o = &config->subgraph;
    struct code_table table = {0};
    struct hierarchy hierarchy = {0};
    const struct comm alone = comm_self();
    int status = code_table_read(&table, &alone, &config->files.codes);
    z->n_codes = table.n;
    for (int64_t i = 0; i < table.n_nodes && status == STATUS_OK; i++)
        if (table.nodes[i] >= z->n_nodes) z->n_nodes = table.nodes[i] + 1;
    if (status == STATUS_OK) status = hierarchy_make(&hierarchy, &table, o->hierarchy, &o->parents, 0, 0, NULL);
    z->n_nodes += hierarchy.n_nodes;
    hierarchy_free(&hierarchy);
    code_table_free(&table);
    return status;
}

static int read_vocabulary(const struct config *config, struct plan_sizes *z) {
    struct vocabulary v;
    struct stat file;
    TRY(vocabulary_read_sizes(config->files.vocabulary, &v));
    z->n_codes = v.n_codes_total;
    z->n_nodes = v.n_nodes;
    z->from_vocabulary = 1;
    if (stat(config->files.vocabulary, &file) == 0) z->vocabulary_bytes = file.st_size;
    vocabulary_free(&v);
    return STATUS_OK;
}

static int64_t text_row_bytes(const struct config *c) {
    return c->text.dim * (c->text.precision == PRECISION_FP16 ? 2 : 4);
}

static int64_t text_code_bytes(const struct config *c) {
    int64_t rows = c->text.encoder == TEXT_HASHED_NGRAMS   ? WORD_ROWS
                   : c->text.features == FEATURES_SENTENCE ? 1
                                                           : TOKEN_ROWS;
    return rows * text_row_bytes(c);
}

/* A row for each node's name, of which few are alike, and where it lies. */
static int64_t node_text_bytes(const struct plan_sizes *z, const struct config *c) {
    return c->text.nodes == NODE_TEXTS_YES ? z->n_nodes * (text_row_bytes(c) + 4) : 0;
}

/* The model's parameters, without their values. */
static int count_parameters(const struct config *config, struct plan_sizes *z) {
    struct parameter_set set = {0};
    struct model model;
    struct model_settings settings = model_settings(config);
    int status = model_make(&model, &set, &settings, config->text.dim, z->n_nodes);
    for (int64_t i = 0; i < set.n && status == STATUS_OK; i++) {
        int64_t n = set.list[i]->rows * set.list[i]->cols;
        z->parameters += n;
        if (set.list[i]->flags & PARAMETER_BY_ROWS) z->cut += n;
    }
    model_free(&model);
    parameter_set_free(&set);
    return status;
}

int plan_sizes_find(struct plan_sizes *z, const struct config *c, int with_prepare) {
    *z = (struct plan_sizes){0};
    TRY(with_prepare ? count_listed(c, z) : read_vocabulary(c, z));
    TRY(count_parameters(c, z));
    if (!z->vocabulary_bytes) z->vocabulary_bytes = z->n_codes * VOCABULARY_BYTES;
    z->text_bytes = z->n_codes * text_code_bytes(c) + node_text_bytes(z, c);
    int64_t parts = c->train.average > 0 ? 4 : 3; /* values, two moments, averages */
    int64_t on_the_way = c->train.checkpoint_every ? (c->train.steps - 1) / c->train.checkpoint_every : 0;
    z->checkpoint_bytes = 4 * parts * z->parameters;
    z->checkpoints_at_a_time = (on_the_way < c->train.keep ? on_the_way : c->train.keep) + 1 + (c->train.patience > 0);
    z->table_bytes = z->n_codes * TABLE_GROUPS * (8 * c->quantizer.top_k + 4 * c->quantizer.dim) +
                     4 * c->quantizer.size * c->quantizer.dim;
    return STATUS_OK;
}

/* ---- memory a rank ---- */
/* A code's way through the model: its nodes' vectors and both graph layers, text and attention, and the quantiser's distances of four
 * groups; times three for what the backward pass keeps. */
static int64_t code_activations(const struct config *c) {
    int64_t nodes = c->subgraph.max_nodes < 31 ? c->subgraph.max_nodes : 31, d = c->quantizer.dim;
    int64_t graph = nodes * (c->graph.node_dim + 2 * c->graph.hidden + 2 * d);
    int64_t pairs = c->attention.layers * (8 * d + nodes * c->attention.heads);
    return 3 * 4 * (graph + pairs + c->text.dim + 8 * d);
}

/* Of rank 0, which has the most: it keeps a copy of all that it holds but the gradients, from which checkpoints are written; the others one
 * of their rows. */
static int64_t training_memory(const struct plan_sizes *z, const struct config *c, int64_t ranks) {
    int64_t copies = c->train.average > 0 ? 5 : 4; /* values, gradients, two moments, averages */
    copies += copies - 1;
    int64_t held = z->parameters - z->cut + z->cut / ranks;
    int64_t piece = (z->n_codes * text_code_bytes(c) + z->vocabulary_bytes) / ranks;
    return BASE_BYTES + 4 * copies * held + piece + 2 * (c->train.batch / ranks + 1) * code_activations(c);
}

static int64_t memory_of(enum job job, const struct plan_sizes *z, const struct config *c, int64_t ranks) {
    switch (job) {
        case JOB_PREPARE:
            return BASE_BYTES + z->vocabulary_bytes / ranks + z->n_codes * CODE_LIST_BYTES +
                   z->n_nodes * GRAPH_NODE_BYTES;
        case JOB_ENCODE: return BASE_BYTES + z->vocabulary_bytes / 4 / ranks;
        case JOB_TRAIN: return training_memory(z, c, ranks);
        case JOB_TOKENIZE:
            return BASE_BYTES + 4 * (z->parameters - z->cut + z->cut / ranks) + z->vocabulary_bytes / ranks +
                   c->tokenize.batch * code_activations(c);
        case JOB_INSPECT: return BASE_BYTES + z->table_bytes;
        case JOB_COHORT: return BASE_BYTES + (c->cohort.memory << 20);
        default: return 0;
    }
}

static int64_t writes_of(enum job job, const struct plan_sizes *z) {
    switch (job) {
        case JOB_PREPARE: return z->vocabulary_bytes;
        case JOB_ENCODE: return z->text_bytes;
        case JOB_TRAIN: return z->checkpoints_at_a_time * z->checkpoint_bytes;
        case JOB_TOKENIZE: return z->table_bytes;
        default: return 0;
    }
}

/* ---- time ---- */
int64_t plan_units(enum job job, int64_t n_codes, int64_t n_nodes, const struct config *c) {
    struct grid grid;
    int64_t units = 0;
    switch (job) {
        case JOB_PREPARE:
        case JOB_TOKENIZE:
        case JOB_INSPECT: return n_codes;
        case JOB_ENCODE: return n_codes + (c->text.nodes == NODE_TEXTS_YES ? n_nodes : 0);
        case JOB_TRAIN: return c->train.steps * c->train.batch * c->train.micro_batches;
        case JOB_EVALUATE:
            if (grid_make(&grid, &c->ehr, (uint64_t)c->run.seed) == STATUS_OK)
                for (int64_t i = 0; i < grid.n; i++)
                    units += grid.trials[i].options.steps * grid.trials[i].options.batch;
            grid_free(&grid);
            return units;
        default: return 0;
    }
}

/* Units a second and core: 617,490 codes took prepare 22.6 s of two cores of an AMD EPYC together (results/whole_vocabulary.md); on both, encode 8 s,
 * 100 steps of 1024 codes 20 s, tokenize 37 s. Hashed n-grams; a language model has no such rate. */
static double known_rate(enum job job, const struct config *c) {
    switch (job) {
        case JOB_PREPARE: return 617490 / 22.6;
        case JOB_ENCODE: return c->text.encoder == TEXT_HASHED_NGRAMS ? 617490 / 8.0 / 2 : 0;
        case JOB_TRAIN: return c->text.mode == TEXT_CACHED ? 102400 / 20.0 / 2 : 0;
        case JOB_TOKENIZE: return c->text.mode == TEXT_CACHED ? 617490 / 37.0 / 2 : 0;
        default: return 0;
    }
}

int stage_needs_find(struct stage_needs *s, const struct plan_sizes *z, const struct config *c) {
    enum job job = s->entry->job;
    int64_t units = plan_units(job, z->n_codes, z->n_nodes, c), cores = c->site.cpus > 0 ? c->site.cpus : 1;
    double rate = 0;
    s->memory = memory_of(job, z, c, s->ranks);
    s->writes = writes_of(job, z);
    TRY(past_rate(c->site.runs, s->entry, &rate));
    s->measured = rate > 0;
    if (!s->measured) rate = known_rate(job, c) * (double)cores;
    s->seconds = rate > 0 && units > 0 ? (double)units / rate / (double)s->ranks : -1;
    return STATUS_OK;
}

double plan_checkpoint_seconds(const struct plan_sizes *z) {
    const double RATE = 100e6; /* bytes a second: what a busy parallel file system gives one job */
    return (double)z->checkpoint_bytes / RATE;
}
