/* tokenize: vocabulary.h5, text.h5 and checkpoint.h5 in, table.h5 out: every code, in order. With tokenize.codes: new codes
 * instead, behind the rows of the table tokenize.append_to if there is one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/path.h"
#include "base/status.h"
#include "dist/stages.h"
#include "dist/work_counter.h"
#include "jobs.h"
#include "dist/compute_device.h"
#include "medtok/tokenizer.h"
#include "model_settings.h"
#include "new_codes.h"
#include "outputs.h"
#include "recipe.h"
#include "store/checkpoint.h"

/* What needs less of the device's memory. */
static const char NEEDS_LESS[] = "a smaller tokenize.batch or graph.max_nodes, or text.features: sentence";

/* Blocks whose data a rank holds at a time, at most: bounds memory, and is the unit of progress. */
enum { BLOCKS_AT_A_TIME = 16, COPIED_ROWS = 4096 };

/* The model's settings come from the checkpoint, so that they cannot disagree with it. */
static int adopt_model_settings(struct config *config, int64_t *step) {
    struct h5file *file = NULL;
    char *text = NULL;
    int status;
    TRY(h5file_open(&file, config->files.checkpoint, KIND_CHECKPOINT));
    TRY_DONE(h5file_get_int(file, "step", step));
    TRY_DONE(h5file_get_text(file, "config", &text));
    settings_of_old_checkpoints(config);
    TRY_DONE(config_adopt(config, config->files.checkpoint, text));
done:
    free(text);
    h5file_close(file);
    return status;
}

/* Codes behind a table are compared with its own: their embeddings are weighed as those are. */
static int adopt_graph_weight(struct config *config) {
    const char *path = config->tokenize.append_to;
    struct table base;
    if (!path[0]) return STATUS_OK;
    TRY(table_open_unnamed(&base, path));
    double weight = base.shape.graph_weight;
    table_close(&base);
    if (weight != config->model.graph_weight)
        log_info("model.graph_weight is %g, that of %s, not %g", weight, path, config->model.graph_weight);
    config->model.graph_weight = weight;
    return STATUS_OK;
}

/* What the tokens are made from must be what the model was trained on; what trainings before knew goes on into the table. */
static int take_inputs(const struct config *config, struct provenance *provenance) {
    static const char *const ROLES[] = {"vocabulary", "text",         "weights",
                                        "wordpieces", "model-config", "wordpiece-rules"};
    struct h5file *checkpoint = NULL;
    char *trained_on = NULL, path[PATH_MAX];
    TRY(h5file_open(&checkpoint, config->files.checkpoint, KIND_CHECKPOINT));
    int status = h5file_get_text(checkpoint, "inputs", &trained_on);
    for (size_t i = 0; i < sizeof ROLES / sizeof *ROLES && status == STATUS_OK; i++) {
        if (provenance_same_inputs(provenance->inputs, trained_on, ROLES[i])) continue;
        provenance_find_path(provenance->inputs, ROLES[i], path, sizeof path);
        status = status_set(STATUS_FAILED,
                            "%s was trained with another %s than %s: train again, or name what it was trained with",
                            config->files.checkpoint, ROLES[i], path);
    }
    if (status == STATUS_OK) status = provenance_copy_inputs(provenance, trained_on, CONTINUATION_HIERARCHY);
    free(trained_on);
    h5file_close(checkpoint);
    return status;
}

enum tokenize_stage { STAGE_NEW_CODES, STAGE_LOAD, STAGE_CREATE, STAGE_COPY, STAGE_TOKENIZE, STAGE_WRITE, N_STAGES };
static const char *const STAGE_NAMES[N_STAGES] = {"new-codes", "load", "create", "copy", "tokenize", "write"};

struct table_job {
    const struct comm *comm;
    struct stages stages;
    const struct config *config; /* the files that the model was trained on */
    const struct config *codes;  /* the files of the codes to tokenise: the same, or those of new codes */
    struct table base;           /* the table that new codes follow; without rows if there is none */
    struct tokenizer tokenizer;
    struct table_writer *writer;
    struct token_rows rows;
    struct table_shape shape;
    int64_t step;
};

static void shape_table(struct table_job *job, int64_t n_codes) {
    const struct config *c = job->config;
    const struct table_shape *base = &job->base.shape;
    job->shape = (struct table_shape){.n_codes = base->n_codes + n_codes,
                                      .top_k = c->quantizer.top_k,
                                      .dim = c->quantizer.dim,
                                      .codebook_size = c->quantizer.size,
                                      .residual = c->quantizer.assign == ASSIGN_RESIDUAL,
                                      .sparse = c->quantizer.assign == ASSIGN_SPARSE,
                                      .graph_weight = c->model.graph_weight,
                                      .vocabulary_rows = job->codes == c ? n_codes : base->vocabulary_rows,
                                      .picked = base->picked,
                                      .base_rows = base->n_codes,
                                      .table_version = base->table_version + 1};
    for (int g = 0; g < N_GROUPS; g++) {
        struct region r = quantizer_region(&c->quantizer, (enum token_group)g);
        job->shape.region[g][0] = (int32_t)r.first;
        job->shape.region[g][1] = (int32_t)r.last;
    }
}

/* Names [rows, bytes] of the base, then those of the codes [n, bytes]. */
static int join_names(const char *base, int64_t base_bytes, int64_t n_base, const char *codes, int64_t codes_bytes,
                      int64_t n, char **out, int64_t *bytes) {
    *bytes = base_bytes > codes_bytes ? base_bytes : codes_bytes;
    TRY(mem_alloc(out, n_base + n, *bytes));
    for (int64_t i = 0; i < n_base; i++) strcpy(*out + i * *bytes, base + i * base_bytes);
    for (int64_t i = 0; i < n; i++) strcpy(*out + (n_base + i) * *bytes, codes + i * codes_bytes);
    return STATUS_OK;
}

/* The names of all rows; the caller frees both arrays. */
static int name_rows(const struct table_job *job, char **code, char **system, struct table_head *head) {
    const struct table *b = &job->base;
    struct vocabulary v;
    int64_t n = b->shape.n_codes;
    TRY(vocabulary_read(job->codes->files.vocabulary, 0, -1, VOCABULARY_NAMES, &v));
    int status = join_names(b->code, b->code_bytes, n, v.code, v.code_bytes, v.n_codes, code, &head->code_bytes);
    if (status == STATUS_OK)
        status =
            join_names(b->system, b->system_bytes, n, v.system, v.system_bytes, v.n_codes, system, &head->system_bytes);
    head->code = *code;
    head->system = *system;
    vocabulary_free(&v);
    return status;
}

/* ---- what rank 0 says of the table ---- */
struct head_texts {
    char *code, *system, *vocabulary_id, *checkpoint_id; /* owned */
    float *codebook;
};

static int read_content_id(const char *path, enum file_kind kind, char **id) {
    struct h5file *file;
    TRY(h5file_open(&file, path, kind));
    int status = h5file_get_text(file, "content_id", id);
    h5file_close(file);
    return status;
}

static int make_head(struct table_job *job, struct table_head *head, struct head_texts *t) {
    const struct config *c = job->config;
    TRY(mem_alloc(&t->codebook, job->shape.codebook_size * job->shape.dim, sizeof *t->codebook));
    TRY(tokenizer_codebook(&job->tokenizer, t->codebook));
    TRY(name_rows(job, &t->code, &t->system, head));
    TRY(read_content_id(c->files.vocabulary, KIND_VOCABULARY, &t->vocabulary_id));
    TRY(read_content_id(c->files.checkpoint, KIND_CHECKPOINT, &t->checkpoint_id));
    head->codebook = t->codebook;
    head->vocabulary_id = t->vocabulary_id;
    head->checkpoint_id = t->checkpoint_id;
    head->step = job->step;
    head->averaged = c->train.average > 0;
    return STATUS_OK;
}

static int create_table(struct table_job *job, const struct provenance *provenance) {
    struct head_texts texts = {0};
    struct table_head head = {0};
    int status = job->comm->rank == 0 ? make_head(job, &head, &texts) : STATUS_OK;
    status = table_create(&job->writer, job->comm, job->config->files.table, &job->shape, &head, provenance, status);
    free(texts.code);
    free(texts.system);
    free(texts.vocabulary_id);
    free(texts.checkpoint_id);
    free(texts.codebook);
    return status;
}

/* ---- rows: each rank writes what it has, and waits for nobody ---- */
/* The rows of the base, each rank a run of them. */
static int copy_base(struct table_job *job) {
    int64_t n = job->base.shape.n_codes, rank = job->comm->rank, size = job->comm->size;
    int64_t first = n * rank / size, end = n * (rank + 1) / size;
    struct token_rows rows;
    struct progress progress;
    if (n == 0) return STATUS_OK;
    stage_begin(&job->stages, STAGE_COPY);
    progress_begin(&progress, "copy", n, "rows");
    int status = token_rows_make(&rows, end - first < COPIED_ROWS ? end - first : COPIED_ROWS, &job->config->quantizer);
    for (int64_t at = first, count; at < end && status == STATUS_OK; at += count) {
        count = end - at < COPIED_ROWS ? end - at : COPIED_ROWS;
        status = interrupt_poll();
        if (status == STATUS_OK) status = table_read(&job->base, at, count, rows.tokens, rows.weights, rows.embedding);
        if (status == STATUS_OK)
            status = table_write(job->writer, at, count, rows.tokens, rows.weights, rows.embedding);
        progress_update(&progress, (at + count - first) * size < n ? (at + count - first) * size : n);
    }
    if (status == STATUS_OK) progress_end(&progress, n);
    token_rows_free(&rows);
    return status;
}

static int tokenize_piece(struct table_job *job, int64_t at, int64_t count) {
    TRY(interrupt_poll());
    stage_begin(&job->stages, STAGE_TOKENIZE);
    TRY(tokenizer_run(&job->tokenizer, at, count, &job->rows));
    stage_begin(&job->stages, STAGE_WRITE);
    return table_write(job->writer, job->shape.base_rows + at, count, job->rows.tokens, job->rows.weights,
                       job->rows.embedding);
}

/* Where pieces of whole blocks begin, first[*n_pieces] the end of all: as many blocks as bound the memory, fewer towards the end, so that none
 * waits long for the last one (guided self-scheduling; Polychronopoulos, Kuck, 1987). The caller frees it in any case. */
static int cut_pieces(int64_t n_blocks, int size, int64_t **first, int64_t *n_pieces) {
    int64_t n = 0, at = 0;
    TRY(mem_alloc(first, n_blocks + 1, sizeof **first));
    while (at < n_blocks) {
        int64_t share = (n_blocks - at) / (2 * size);
        (*first)[n++] = at;
        at += share < 1 ? 1 : share < BLOCKS_AT_A_TIME ? share : BLOCKS_AT_A_TIME;
    }
    (*first)[n] = n_blocks;
    *n_pieces = n;
    return STATUS_OK;
}

/* Each piece by the rank that is free. */
static int write_pieces(struct table_job *job, struct work_counter *counter, int64_t n_pieces, const int64_t *first) {
    int64_t n = job->shape.n_codes - job->shape.base_rows, block = job->config->tokenize.batch, piece;
    int64_t most = n_pieces ? (first[1] - first[0]) * block : 0;
    struct progress progress;
    TRY(token_rows_make(&job->rows, most < n ? most : n, &job->config->quantizer));
    progress_begin(&progress, "tokenize", n, "codes");
    for (;;) {
        TRY(work_counter_take(counter, &piece));
        if (piece >= n_pieces) break; /* or another rank has failed, which table_commit tells */
        int64_t at = first[piece] * block, end = first[piece + 1] * block < n ? first[piece + 1] * block : n;
        TRY(tokenize_piece(job, at, end - at));
        progress_update(&progress, end);
    }
    if (piece < WORK_STOPPED) progress_end(&progress, n);
    return STATUS_OK;
}

static int write_rows(struct table_job *job, struct work_counter *counter) {
    int64_t n = job->shape.n_codes - job->shape.base_rows, block = job->config->tokenize.batch;
    int64_t *first = NULL, n_pieces = 0;
    int status = cut_pieces((n + block - 1) / block, job->comm->size, &first, &n_pieces);
    if (status == STATUS_OK) status = write_pieces(job, counter, n_pieces, first);
    free(first);
    return status;
}

/* Collective: all rows and the end of the file. */
static int fill_table(struct table_job *job) {
    struct work_counter counter = {0};
    struct table_writer *writer = job->writer;
    int status = work_counter_open(&counter, job->comm);
    if (status == STATUS_OK) {
        status = copy_base(job);
        if (status == STATUS_OK) status = write_rows(job, &counter);
        if (status != STATUS_OK) work_counter_stop(&counter); /* what others have begun they finish */
    }
    job->writer = NULL;
    status = table_commit(writer, status);
    work_counter_close(&counter);
    return status;
}

/* Says what comes, since the names of all rows and the copy of the base take a while. */
static void announce(const struct table_job *job) {
    const struct table_shape *s = &job->shape;
    if (s->base_rows > 0)
        log_info("making %s: %lld new codes behind the %lld rows of %s", job->config->files.table,
                 (long long)(s->n_codes - s->base_rows), (long long)s->base_rows, job->config->tokenize.append_to);
}

/* new: not made yet; NULL: the codes of the vocabulary. */
static int tokenize(const struct comm *comm, const struct config *config, struct new_codes *new,
                    const struct provenance *provenance, int64_t step) {
    const struct config *codes = new ? &new->config : config;
    struct table_job job = {.comm = comm, .config = config, .codes = codes, .step = step};
    struct tokenizer_options options = tokenizer_options(config);
    struct device device = {0};
    struct vocabulary sizes;
    int threads, status;
    stages_begin(&job.stages, &device, STAGE_NAMES, N_STAGES);
    if (new) {
        stage_begin(&job.stages, STAGE_NEW_CODES);
        TRY_DONE(new_codes_make(new, comm, config));
    }
    stage_begin(&job.stages, STAGE_LOAD);
    TRY_DONE(compute_device_open(comm, &config->run, NEEDS_LESS, &device, &threads));
    status = vocabulary_read_sizes(codes->files.vocabulary, &sizes);
    if (status == STATUS_OK && config->tokenize.append_to[0]) /* names on rank 0, which writes them */
        status = (comm->rank == 0 ? table_open : table_open_unnamed)(&job.base, config->tokenize.append_to);
    TRY_DONE(tokenizer_make(&job.tokenizer, comm, &options, &device, status));
    tokenizer_turn_to(&job.tokenizer, codes->files.vocabulary, codes->files.text);
    if (config->train.average > 0) log_info("with the averaged weights of %s", config->files.checkpoint);
    shape_table(&job, sizes.n_codes_total);
    announce(&job);
    stage_begin(&job.stages, STAGE_CREATE);
    TRY_DONE(create_table(&job, provenance));
    TRY_DONE(fill_table(&job));
    job.stages.done = job.shape.n_codes - job.shape.base_rows;
    job.stages.unit = "codes";
    status =
        stages_log(&job.stages, comm, "tokenize", config->files.table, (enum stages_shown)config->run.stages, status);
    if (status == STATUS_OK) log_info("wrote %s", config->files.table);
done:
    token_rows_free(&job.rows);
    table_close(&job.base);
    tokenizer_free(&job.tokenizer);
    device_close(&device);
    return status;
}

/* The provenance key of the table that is to be replaced by one with these codes appended, if it is that one already; else "".
 * Rank 0. */
static void find_appended(const struct config *config, const struct provenance *provenance, char key[33]) {
    static const char *const ROLES[] = {"vocabulary", "checkpoint", "codes"};
    struct h5file *file;
    char *inputs = NULL, *found = NULL;
    const char *path = config->files.table;
    if (!config->tokenize.append_to[0] || !path_same(config->tokenize.append_to, path)) return;
    if (h5file_open(&file, path, KIND_TABLE) != STATUS_OK) return;
    int same = h5file_get_text(file, "inputs", &inputs) == STATUS_OK;
    for (size_t i = 0; i < sizeof ROLES / sizeof *ROLES && same; i++)
        same = provenance_same_inputs(inputs, provenance->inputs, ROLES[i]);
    if (same && h5file_get_text(file, "provenance_key", &found) == STATUS_OK) snprintf(key, 33, "%s", found);
    free(inputs);
    free(found);
    h5file_close(file);
}

/* Whether the same command with --append-to was run before. */
static int appended_before(const struct comm *comm, const struct config *config, const struct provenance *provenance,
                           int *before) {
    char key[33] = "";
    *before = 0;
    if (comm->rank == 0) find_appended(config, provenance, key);
    TRY(comm_broadcast(comm, key, sizeof key));
    if (!key[0]) return STATUS_OK;
    return output_is_current(comm, config, config->files.table, KIND_TABLE, key, before);
}

/* Codes that were appended to a table are nowhere else: a table of version 2 or more is replaced by its next version alone. */
static int check_replaced(const struct config *config) {
    struct h5file *file;
    const char *path = config->files.table;
    int64_t version = 0, rows = 0, codes = 0;
    if (config->force || (config->tokenize.append_to[0] && path_same(config->tokenize.append_to, path)))
        return STATUS_OK;
    if (access(path, F_OK) || h5file_open(&file, path, KIND_UNKNOWN) != STATUS_OK) return STATUS_OK; /* an empty file */
    int known = h5file_get_int(file, "table_version", &version) == STATUS_OK &&
                h5file_get_int(file, "vocabulary_rows", &rows) == STATUS_OK &&
                h5file_get_int(file, "n_codes", &codes) == STATUS_OK;
    h5file_close(file);
    if (!known)
        return status_set(STATUS_FAILED,
                          "%s does not say whether codes were appended to it, and they would be lost: name another "
                          "file, --set files.table=PATH, or --force to replace it",
                          path);
    if (version < 2 && rows == 0 && codes > 0)
        return status_set(STATUS_FAILED,
                          "%s holds the tokens of %lld new codes, which would be lost: name another file, --set "
                          "files.table=PATH, or --force to replace it",
                          path, (long long)codes);
    if (version < 2) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "%s is version %lld of its table, with %lld codes behind those of the vocabulary, which would be "
                      "lost: name another file, --set files.table=PATH, or --force to replace it",
                      path, (long long)version, (long long)(codes - rows));
}

static int check(const struct config *config) {
    TRY(tokenize_options_check(&config->tokenize));
    return text_options_check_mode(&config->text);
}

static int add_files(const struct config *config, struct provenance *provenance) {
    const char *codes = config->tokenize.codes, *base = config->tokenize.append_to;
    TRY(take_inputs(config, provenance));
    TRY(provenance_add_input(provenance, "checkpoint", config->files.checkpoint));
    if (codes[0]) TRY(provenance_add_input(provenance, "codes", codes));
    return base[0] ? provenance_add_input(provenance, "table", base) : STATUS_OK;
}

static int add_inputs(const struct comm *comm, const struct config *config, struct provenance *provenance, void *self) {
    (void)self;
    TRY(comm_agree(comm, provenance_add_input(provenance, "vocabulary", config->files.vocabulary)));
    TRY(text_source_add_provenance(comm, &config->text, config->files.text, provenance));
    return provenance_share(comm, provenance, comm->rank == 0 ? add_files(config, provenance) : STATUS_OK);
}

/* self: the step of the checkpoint. */
static int make(const struct comm *comm, const struct config *config, const struct provenance *provenance, void *self) {
    struct new_codes codes = {0};
    int64_t *step = self;
    int current = 0;
    TRY(appended_before(comm, config, provenance, &current));
    if (current) return STATUS_OK;
    int status = comm_agree(comm, comm->rank == 0 ? check_replaced(config) : STATUS_OK);
    if (status == STATUS_OK)
        status = tokenize(comm, config, config->tokenize.codes[0] ? &codes : NULL, provenance, *step);
    new_codes_remove(&codes, comm, status);
    return status;
}

static int run(const struct comm *comm, const struct config *given, const struct job_arguments *arguments) {
    (void)arguments;
    struct config config = *given; /* shallow: only numbers and choices are set from files */
    struct recipe recipe = {&TOKENIZE_JOB, KIND_TABLE, config.files.table, add_inputs, make};
    int64_t step = 0;
    int status = adopt_model_settings(&config, &step);
    if (status == STATUS_OK) status = adopt_graph_weight(&config);
    TRY(comm_agree(comm, status == STATUS_OK ? check(&config) : status));
    return recipe_run(&recipe, comm, &config, &step);
}

const struct job_entry TOKENIZE_JOB = {
    .job = JOB_TOKENIZE,
    .name = "tokenize",
    .arguments = "",
    .summary = "every code into table.h5; --codes FILE: new codes, with the same model",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .check = check,
    .run = run,
};
