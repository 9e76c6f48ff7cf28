/* Checks the new codes, then runs prepare on them, and encode where the model's text features are cached. */
#include "new_codes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/status.h"
#include "ingest/code_table.h"
#include "jobs.h"
#include "store/checkpoint.h"
#include "store/part_journal.h"
#include "store/table.h"
#include "store/text_features.h"
#include "store/vocabulary.h"

/* ---- settings ---- */
static int name_scratch(char path[PATH_MAX], const char *table, const char *ending) {
    if (snprintf(path, PATH_MAX, "%s.scratch-medtok-%s.h5", table, ending) < PATH_MAX - 32) return STATUS_OK;
    path[0] = 0;
    return status_set(STATUS_USAGE, "files.table is too long a path: %s", table);
}

static int adopt_vocabulary_settings(struct new_codes *n, const char *path) {
    struct h5file *file = NULL;
    char *settings = NULL;
    TRY(h5file_open(&file, path, KIND_VOCABULARY));
    int status = h5file_get_text(file, "config", &settings);
    if (status == STATUS_OK) status = config_adopt(&n->config, path, settings);
    free(settings);
    h5file_close(file);
    return status;
}

/* The language model is looked for where it was, unless text.model says otherwise. */
static int adopt_text_settings(struct new_codes *n, const char *text_path) {
    struct h5file *file = NULL;
    char *settings = NULL, *inputs = NULL;
    int status;
    TRY(h5file_open(&file, text_path, KIND_TEXT));
    TRY_DONE(h5file_get_text(file, "config", &settings));
    TRY_DONE(h5file_get_text(file, "inputs", &inputs));
    TRY_DONE(config_adopt(&n->config, text_path, settings));
    provenance_find_path(inputs, "wordpiece-rules", n->model, sizeof n->model);
    if (!n->config.text.model[0]) n->config.text.model = n->model;
done:
    free(settings);
    free(inputs);
    h5file_close(file);
    return status;
}

static int copy_text(char **text) {
    *text = strdup(*text);
    return *text ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}

static int adopt_settings(struct new_codes *n, const struct config *config) {
    n->config = *config;
    TRY(copy_text(&n->config.subgraph.remove)); /* the vocabulary's takes its place */
    TRY(name_scratch(n->vocabulary, config->files.table, "vocabulary"));
    TRY(name_scratch(n->text, config->files.table, "text"));
    TRY(adopt_vocabulary_settings(n, config->files.vocabulary));
    if (config->text.mode == TEXT_CACHED) TRY(adopt_text_settings(n, config->files.text));
    n->config.text.nodes = NODE_TEXTS_NO; /* new codes have the nodes of the vocabulary */
    n->list[0] = config->tokenize.codes;
    n->config.files.codes = (struct string_list){1, n->list};
    n->config.files.vocabulary = n->vocabulary;
    n->config.files.text = n->text;
    n->config.run.stages = STAGE_TABLE_NEVER; /* tokenize's own table has their time */
    return STATUS_OK;
}

/* ---- checks, on rank 0 ---- */
static int check_against_vocabulary(const struct code_table *t, const char *path) {
    struct vocabulary v;
    struct code_index index;
    TRY(vocabulary_read(path, 0, -1, VOCABULARY_NAMES, &v));
    int status = code_index_make(&index, (struct strings){v.code, NULL, v.code_bytes},
                                 (struct strings){v.system, NULL, v.system_bytes}, v.n_codes);
    if (status == STATUS_OK) status = code_table_check_new(t, &index, path);
    code_index_free(&index);
    vocabulary_free(&v);
    return status;
}

static int check_checkpoint(struct table *table, const char *checkpoint_path) {
    struct h5file *checkpoint = NULL;
    char *id = NULL, *made_with = NULL;
    int status;
    TRY_DONE(h5file_open(&checkpoint, checkpoint_path, KIND_CHECKPOINT));
    TRY_DONE(h5file_get_text(checkpoint, "content_id", &id));
    TRY_DONE(h5file_get_text(table->file, "checkpoint_id", &made_with));
    if (strcmp(id, made_with) != 0)
        status = status_set(STATUS_FAILED,
                            "%s was made with another checkpoint than %s: tokens of two models do not go together",
                            h5file_path(table->file), checkpoint_path);
done:
    free(id);
    free(made_with);
    h5file_close(checkpoint);
    return status;
}

static int check_against_table(const struct code_table *t, const struct config *config) {
    struct table table;
    struct code_index index = {0};
    int status;
    TRY(table_open(&table, config->tokenize.append_to));
    TRY_DONE(check_checkpoint(&table, config->files.checkpoint));
    TRY_DONE(code_index_make(&index, (struct strings){table.code, NULL, table.code_bytes},
                             (struct strings){table.system, NULL, table.system_bytes}, table.shape.n_codes));
    TRY_DONE(code_table_check_new(t, &index, config->tokenize.append_to));
done:
    code_index_free(&index);
    table_close(&table);
    return status;
}

/* The table of the vocabulary is not to be lost to a forgotten files.table. */
static int check_target(const char *path) {
    struct h5file *file;
    int64_t rows = 1;
    if (access(path, F_OK) || h5file_open(&file, path, KIND_UNKNOWN) != STATUS_OK) return STATUS_OK; /* an empty file */
    if (h5file_get_int(file, "vocabulary_rows", &rows) != STATUS_OK) rows = 1;
    h5file_close(file);
    return rows == 0 ? STATUS_OK
                     : status_set(STATUS_USAGE,
                                  "%s holds the tokens of the vocabulary: name another file for the new codes, --set "
                                  "files.table=PATH, or append them, --append-to %s",
                                  path, path);
}

/* Whether the vocabulary was made from the files of `own` named `name`. */
static int is_of_vocabulary(const struct config *config, const struct provenance *own, const char *name, int *is) {
    struct h5file *vocabulary;
    char *inputs = NULL;
    int status;
    TRY(h5file_open(&vocabulary, config->files.vocabulary, KIND_VOCABULARY));
    TRY_DONE(h5file_get_text(vocabulary, "inputs", &inputs));
    *is = provenance_same_inputs(own->inputs, inputs, name);
done:
    free(inputs);
    h5file_close(vocabulary);
    return status;
}

static int check_graph(const struct code_table *t, const struct config *config) {
    struct provenance own = {0};
    int64_t first = 0;
    int status, is = 0;
    while (t->node_offsets[first + 1] == 0) first++;
    if (!config->files.graph[0])
        return status_set(STATUS_USAGE,
                          "%s:%lld: %s:%s has nodes: files.graph must name the knowledge graph that %s was made from",
                          config->tokenize.codes, (long long)t->line[first], t->text + t->system[first],
                          t->text + t->code[first], config->files.vocabulary);
    TRY_DONE(provenance_add_input(&own, "graph", config->files.graph));
    TRY_DONE(is_of_vocabulary(config, &own, "graph", &is));
    if (!is)
        status = status_set(STATUS_FAILED, "%s is another knowledge graph than %s was made from", config->files.graph,
                            config->files.vocabulary);
done:
    provenance_free(&own);
    return status;
}

/* Tables with parents belong to the vocabulary. */
static int check_parents(const struct config *config) {
    struct provenance own = {0};
    int status = STATUS_OK, is = 0;
    for (int i = 0; i < config->subgraph.parents.n; i++)
        TRY_DONE(provenance_add_input(&own, "parents", config->subgraph.parents.items[i]));
    TRY_DONE(is_of_vocabulary(config, &own, "parents", &is));
    if (!is)
        status = status_set(STATUS_USAGE, "graph.parents must name the tables that %s was made with, in their order",
                            config->files.vocabulary);
done:
    provenance_free(&own);
    return status;
}

static int check_codes(const struct new_codes *n, const struct config *config, int *have_nodes) {
    struct code_table t = {0};
    const struct comm alone = comm_self();
    int status;
    TRY_DONE(code_table_read(&t, &alone, &n->config.files.codes));
    TRY_DONE(check_against_vocabulary(&t, config->files.vocabulary));
    if (config->tokenize.append_to[0])
        TRY_DONE(check_against_table(&t, config));
    else
        TRY_DONE(check_target(config->files.table));
    TRY_DONE(check_parents(config));
    *have_nodes = t.n_nodes > 0;
    if (*have_nodes) TRY_DONE(check_graph(&t, config));
    log_info("%lld new codes in %s", (long long)t.n, config->tokenize.codes);
done:
    code_table_free(&t);
    return status;
}

int new_codes_make(struct new_codes *n, const struct comm *comm, const struct config *config) {
    static char nothing[] = "";
    int have_nodes = 0;
    TRY(comm_agree(comm, adopt_settings(n, config)));
    TRY(comm_agree(comm, comm->rank == 0 ? check_codes(n, config, &have_nodes) : STATUS_OK));
    TRY(comm_broadcast(comm, &have_nodes, sizeof have_nodes));
    if (!have_nodes) n->config.files.graph = nothing;
    n->config.subgraph.removed = nothing; /* what was removed is removed here too, and was written before */
    TRY(prepare_vocabulary(comm, &n->config, config->files.vocabulary));
    if (config->text.mode == TEXT_ONLINE) return STATUS_OK;
    return encode_descriptions(comm, &n->config, config->files.text);
}

void new_codes_remove(struct new_codes *n, const struct comm *comm, int status) {
    free(n->config.subgraph.remove);
    n->config.subgraph.remove = NULL;
    if (comm->rank > 0 || status == STATUS_INTERRUPTED || !n->text[0]) return;
    unlink(n->vocabulary);
    unlink(n->text);
    part_journal_discard(n->text);
}
