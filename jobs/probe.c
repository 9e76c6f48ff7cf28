/* probe: what the tokens and embeddings of table.h5 know of their codes, beside what they were made from and quantisers that nobody trained
 * (measure/probe.h), as a table on standard output and as JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/output.h"
#include "base/status.h"
#include "dist/compute_device.h"
#include "dist/stages.h"
#include "ingest/code_class_files.h"
#include "ingest/code_map_files.h"
#include "ingest/removed_edges.h"
#include "jobs.h"
#include "measure/probe.h"
#include "measure/probe_baselines.h"
#include "measure/probe_heading.h"
#include "measure/probe_hierarchy.h"
#include "measure/probe_links.h"
#include "measure/probe_maps.h"
#include "measure/table_vectors.h"
#include "measured_table.h"
#include "store/text_features.h"

enum probe_stage { STAGE_LOAD, STAGE_TABLE, STAGE_TEXT, STAGE_UNTRAINED, STAGE_STRINGS, STAGE_REPORT, N_STAGES };
static const char *const STAGE_NAMES[N_STAGES] = {"load", "table", "text", "untrained", "strings", "report"};

struct probing {
    const struct config *config;
    const struct comm *comm;
    struct bootstrap bootstrap;
    struct table table;
    char *table_id, *vocabulary_id;
    int32_t *tokens; /* [n, 4, K] */
    float *weights;
    uint8_t *used; /* [n] codes that a question needs */
    struct probe_codes codes;
    struct question_list questions;
    struct code_classes classes[PROBE_MOST_METRICS];
    int n_classes;
    struct frozen_text text;
    struct text_components components;
    struct probe_run run;
    int embedding, common, token_bags, frozen; /* spaces of the report */
};

/* ---- load and check ---- */
static int load_table(struct probing *x) {
    const struct table_shape *s = &x->table.shape;
    TRY(measured_table_open(&x->table, x->config->files.table, x->config->files.vocabulary, "probe", &x->table_id,
                            &x->vocabulary_id));
    TRY(measured_table_tokens(&x->table, &x->tokens));
    TRY(mem_alloc(&x->weights, s->n_codes * TABLE_GROUPS * s->top_k, sizeof *x->weights));
    TRY(table_read(&x->table, 0, s->n_codes, NULL, x->weights, NULL));
    TRY(probe_codes_read(&x->codes, x->config->files.vocabulary));
    TRY(measured_table_hierarchy_before(&x->table, &x->codes.hierarchy_before));
    if (x->codes.n == s->n_codes) return STATUS_OK;
    return status_set(STATUS_FAILED, "%s has %lld rows of the vocabulary, but %s has %lld codes",
                      h5file_path(x->table.file), (long long)s->n_codes, x->config->files.vocabulary,
                      (long long)x->codes.n);
}

static int read_map(struct probing *x, const char *path) {
    struct code_map map = {0};
    long long known = x->questions.n;
    int status = code_map_read_choices(&map, path);
    if (status == STATUS_OK)
        status = probe_questions_of_map(&x->codes, x->config->files.vocabulary, &map, x->config->probe.queries,
                                        x->bootstrap.seed, &x->questions);
    if (status == STATUS_OK && x->questions.n == known)
        status = status_set(STATUS_FAILED, "%s maps no code of the vocabulary to another", path);
    code_map_free(&map);
    return status;
}

/* The edges of one relation between the types of edge `first`, and on behind those before them. */
static int ask_relation(struct probing *x, const struct removed_edges *r, long long first, uint8_t *done,
                        struct probe_link *links) {
    char names[3][QUESTION_NAME_BYTES];
    const struct removed_edge *e = r->edges, *of = &e[first];
    int64_t n = 0;
    for (long long i = first; i < r->n; i++) {
        if (done[i] || e[i].relation != of->relation || e[i].x_type != of->x_type || e[i].y_type != of->y_type)
            continue;
        if (e[i].x >= x->codes.links.n_nodes || e[i].y >= x->codes.links.n_nodes)
            return status_set(STATUS_FAILED, "%s: node %d is not in the graph of %s: it was made from another",
                              x->config->probe.removed, e[i].x > e[i].y ? e[i].x : e[i].y, x->config->files.vocabulary);
        done[i] = 1;
        links[n++] = (struct probe_link){e[i].x, e[i].y};
    }
    removed_edges_name(&r->relations, of->relation, names[0], sizeof names[0]);
    removed_edges_name(&r->types, of->x_type, names[1], sizeof names[1]);
    removed_edges_name(&r->types, of->y_type, names[2], sizeof names[2]);
    return probe_questions_of_links(&x->codes, &(struct link_ends){names[0], names[1], names[2]}, n, links,
                                    x->config->probe.queries, x->bootstrap.seed, &x->questions);
}

static int read_removed(struct probing *x) {
    struct removed_edges r = {0};
    struct probe_link *links = NULL;
    uint8_t *done = NULL;
    int status;
    if (!x->config->probe.removed[0]) return STATUS_OK;
    TRY_DONE(vocabulary_check_removed(x->config->files.vocabulary, x->config->probe.removed));
    TRY_DONE(removed_edges_read(&r, x->config->probe.removed));
    TRY_DONE(mem_alloc(&links, r.n, sizeof *links));
    TRY_DONE(mem_alloc(&done, r.n, 1));
    for (long long i = 0; i < r.n; i++)
        if (!done[i]) TRY_DONE(ask_relation(x, &r, i, done, links));
done:
    removed_edges_free(&r);
    free(links);
    free(done);
    return status;
}

/* Takes them over. */
static int add_classes(struct probing *x, struct code_classes *classes) {
    if (x->n_classes < PROBE_MOST_METRICS) {
        x->classes[x->n_classes++] = *classes;
        return STATUS_OK;
    }
    free(classes->class_of);
    return status_set(STATUS_USAGE,
                      "probe.classes: at most %d classes can be asked for, those that codes tell themselves (levels of "
                      "ATC, sections of ICD-10-PCS) among them: name fewer files",
                      PROBE_MOST_METRICS);
}

static int read_classes(struct probing *x, const char *path) {
    struct code_classes classes = {.class_of = NULL};
    int32_t *of_names = NULL;
    int status = mem_alloc(&of_names, x->codes.names.n, sizeof *of_names);
    if (status == STATUS_OK) status = code_classes_read(path, &x->codes.names, classes.name, of_names);
    if (status == STATUS_OK) status = code_classes_of_names(&x->codes, of_names, &classes);
    if (status == STATUS_OK) status = add_classes(x, &classes);
    free(of_names);
    return status;
}

static int add_string_classes(struct probing *x, int system) {
    struct code_classes classes;
    int found = 1;
    for (int i = 0; found; i++) {
        int status = code_classes_of_strings(&x->codes, system, i, &classes, &found);
        if (status != STATUS_OK) free(classes.class_of);
        TRY(status);
        if (found) TRY(add_classes(x, &classes));
    }
    return STATUS_OK;
}

/* The class that stands between categories and systems; NULL: it was not named. */
static const int32_t *chapters_of(const struct probing *x) {
    for (int i = 0; i < x->n_classes; i++)
        if (strcmp(x->classes[i].name, "chapter") == 0) return x->classes[i].class_of;
    return NULL;
}

static int make_questions(struct probing *x) {
    const struct probe_options *o = &x->config->probe;
    for (int i = 0; i < o->maps.n; i++) TRY(read_map(x, o->maps.items[i]));
    TRY(read_removed(x));
    for (int i = 0; i < o->classes.n; i++) TRY(read_classes(x, o->classes.items[i]));
    for (int s = 0; s < x->codes.n_systems; s++) TRY(add_string_classes(x, s));
    for (int s = 0; s < x->codes.n_systems; s++)
        TRY(probe_question_of_system(&x->codes, s, x->n_classes, x->classes, o->queries, x->bootstrap.seed,
                                     &x->questions));
    for (int s = 0; s < x->codes.n_systems; s++)
        TRY(probe_question_linear(&x->codes, s, x->n_classes, x->classes, o->queries, o->learned, x->bootstrap.seed,
                                  &x->questions));
    for (int s = 0; s < x->codes.n_systems; s++)
        TRY(probe_question_of_hierarchy(&x->codes, s, chapters_of(x), o->pairs, x->bootstrap.seed, &x->questions));
    if (x->questions.n > 0) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "there is nothing to ask of %s: name maps and classes of its codes in probe.maps "
                      "and probe.classes",
                      x->config->files.vocabulary);
}

static int load(struct probing *x) {
    TRY(load_table(x));
    TRY(make_questions(x));
    x->run.codes = &x->codes;
    x->run.questions = &x->questions;
    x->run.classes = x->classes;
    x->run.n_classes = x->n_classes;
    TRY(probe_run_make(&x->run));
    TRY(mem_alloc(&x->used, x->codes.n, 1));
    probe_run_mark_used(&x->run, x->used);
    return STATUS_OK;
}

/* ---- the table ---- */
static int ask_embedding(struct probing *x, const char *name, int64_t first, int64_t width, int parts, int *space) {
    struct table_vectors vectors;
    int status = comm_agree(x->comm, table_vectors_make(&vectors, &x->table, first, width, parts, x->used));
    if (status == STATUS_OK) status = probe_run_vectors(&x->run, name, &vectors.source, space);
    table_vectors_free(&vectors);
    return status;
}

static int ask_tokens(struct probing *x, const char *name, const struct token_bags *tokens, int64_t most, int *space) {
    struct bags bags = {0};
    int status = comm_agree(x->comm, bags_of_tokens(&bags, tokens, most));
    if (status == STATUS_OK) status = probe_run_bags(&x->run, name, &bags, space);
    bags_free(&bags);
    return status;
}

static int ask_table(struct probing *x) {
    static const char *const GROUPS[TABLE_GROUPS] = {"embedding, text-specific", "embedding, graph-specific",
                                                     "embedding, shared-text", "embedding, shared-graph"};
    const struct table_shape *s = &x->table.shape;
    int64_t most = TABLE_GROUPS * s->top_k;
    struct token_bags tokens = {x->codes.n, s->codebook_size, s->top_k, TABLE_GROUPS, x->tokens, x->weights, NULL};
    TRY(ask_embedding(x, "embedding", 0, TABLE_GROUPS * s->dim, 1, &x->embedding));
    TRY(ask_embedding(x, "embedding, groups that both have", 0, TABLE_GROUPS * s->dim, TABLE_GROUPS, &x->common));
    for (int g = 0; g < TABLE_GROUPS; g++) TRY(ask_embedding(x, GROUPS[g], g * s->dim, s->dim, 1, NULL));
    TRY(ask_tokens(x, "tokens", &tokens, most, &x->token_bags));
    return probe_run_curve(&x->run, &tokens, (int)(most < PROBE_MOST_TOKENS ? most : PROBE_MOST_TOKENS));
}

/* ---- what it was made from ---- */
static int ask_text(struct probing *x) {
    const struct table_shape *s = &x->table.shape;
    int components;
    TRY(frozen_text_make(&x->text, x->comm, x->config->files.text, x->vocabulary_id, x->codes.n, x->used));
    TRY(probe_run_vectors(&x->run, "frozen text, mean of its tokens", &x->text.source, &x->frozen));
    TRY(text_components_make(&x->components, x->comm, x->run.device, &x->text, x->bootstrap.seed,
                             TABLE_GROUPS * s->dim));
    TRY(probe_run_vectors(&x->run, "frozen text, principal components", &x->components.source, &components));
    TRY(probe_run_difference(&x->run, x->embedding, x->frozen));
    TRY(probe_run_difference(&x->run, x->common, x->frozen));
    return probe_run_difference(&x->run, x->token_bags, x->frozen);
}

static int ask_untrained(struct probing *x, enum untrained_rows kind, const char *const names[2]) {
    const struct table_shape *s = &x->table.shape;
    struct untrained_quantizer q = {0};
    struct first_components first = {0};
    struct region regions[N_GROUPS];
    int vectors, bags, status;
    for (int g = 0; g < N_GROUPS; g++) regions[g] = (struct region){s->region[g][0], s->region[g][1]};
    TRY_DONE(comm_agree(x->comm, first_components_make(&first, &x->components, s->dim)));
    TRY_DONE(untrained_quantizer_make(&q, x->comm, x->run.device, &first.source, regions, s->top_k, s->residual != 0,
                                      s->sparse != 0, x->bootstrap.seed, kind));
    TRY_DONE(probe_run_vectors(&x->run, names[0], &q.source, &vectors));
    struct token_bags tokens = {q.n, q.first[N_GROUPS], q.top_k, N_GROUPS, q.tokens, q.weights, q.first};
    TRY_DONE(ask_tokens(x, names[1], &tokens, N_GROUPS * q.top_k, &bags));
    TRY_DONE(probe_run_difference(&x->run, x->embedding, vectors));
    TRY_DONE(probe_run_difference(&x->run, x->token_bags, bags));
done:
    untrained_quantizer_free(&q);
    first_components_free(&first);
    return status;
}

static int ask_baselines(struct probing *x, struct stages *stages) {
    static const char *const RANDOM[2] = {"untrained, random rows", "untrained, random rows, tokens"};
    static const char *const CODES[2] = {"untrained, rows of codes", "untrained, rows of codes, tokens"};
    struct bags bags;
    stage_begin(stages, STAGE_TEXT);
    TRY(ask_text(x));
    stage_begin(stages, STAGE_UNTRAINED);
    TRY(ask_untrained(x, ROWS_RANDOM, RANDOM));
    TRY(ask_untrained(x, ROWS_CODES, CODES));
    stage_begin(stages, STAGE_STRINGS);
    int status = comm_agree(x->comm, probe_codes_node_bags(&x->codes, &bags));
    if (status == STATUS_OK) status = probe_run_bags(&x->run, "nodes that both list", &bags, NULL);
    bags_free(&bags);
    TRY(status);
    status = comm_agree(x->comm, probe_codes_prefix_bags(&x->codes, &bags));
    if (status == STATUS_OK) status = probe_run_bags(&x->run, "beginning of the code", &bags, NULL);
    bags_free(&bags);
    return status;
}

/* ---- write ---- */
static void print(const struct probing *x) {
    printf("%s: %lld codes; intervals of 95 %% from %lld bootstrap resamples of categories\n", x->config->files.table,
           (long long)x->codes.n, (long long)x->bootstrap.resamples);
    probe_report_print(stdout, &x->run.report);
    printf("\n%s\n", PROBE_SEEN_LEGEND);
    if (probe_codes_know_hierarchy(&x->codes)) printf("*: %s\n", PROBE_HIERARCHY_LEGEND);
    output_flush();
}

static void write_json(const struct probing *x, FILE *out) {
    struct json j = json_begin(out, 1);
    json_object(&j, NULL);
    json_text(&j, "probed_table", x->table_id);
    json_text(&j, "vocabulary_id", x->vocabulary_id);
    json_integer(&j, "codes", x->codes.n);
    json_integer(&j, "hierarchy_nodes", x->codes.ancestors.n_nodes);
    json_integer(&j, "hierarchy_before", x->codes.hierarchy_before);
    json_integer(&j, "neighbours", x->config->probe.neighbours);
    json_integer(&j, "resamples", x->bootstrap.resamples);
    json_integer(&j, "seed", (int64_t)x->bootstrap.seed);
    probe_report_write_json(&j, &x->run.report);
    json_end(&j);
    fputc('\n', out);
}

static int write_report(const struct probing *x) {
    struct atomic_file file;
    const char *path = x->config->probe.report;
    TRY(atomic_file_open(&file, path));
    write_json(x, file.stream);
    TRY(atomic_file_close(&file, STATUS_OK));
    log_info("wrote %s", path);
    return STATUS_OK;
}

/* ---- the job ---- */
static int probe(struct probing *x) {
    struct stages stages;
    int is_root = x->comm->rank == 0;
    stages_begin(&stages, x->run.device, STAGE_NAMES, N_STAGES);
    stage_begin(&stages, STAGE_LOAD);
    TRY(comm_agree(x->comm, is_root ? atomic_file_check(x->config->probe.report) : STATUS_OK));
    TRY(comm_agree(x->comm, load(x)));
    log_info("%lld questions about %lld codes", x->questions.n, (long long)x->codes.n);
    stage_begin(&stages, STAGE_TABLE);
    TRY(ask_table(x));
    TRY(ask_baselines(x, &stages));
    stage_begin(&stages, STAGE_REPORT);
    TRY(comm_agree(x->comm, interrupt_poll()));
    if (is_root) print(x);
    TRY(comm_agree(x->comm, is_root ? write_report(x) : STATUS_OK));
    return stages_log(&stages, x->comm, "probe", x->config->probe.report, (enum stages_shown)x->config->run.stages,
                      STATUS_OK);
}

static void free_all(struct probing *x) {
    probe_run_free(&x->run);
    text_components_free(&x->components);
    frozen_text_free(&x->text);
    for (int i = 0; i < x->n_classes; i++) free(x->classes[i].class_of);
    question_list_free(&x->questions);
    probe_codes_free(&x->codes);
    free(x->used);
    free(x->tokens);
    free(x->weights);
    free(x->table_id);
    free(x->vocabulary_id);
    table_close(&x->table);
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)arguments;
    struct probing x = {.comm = comm, .config = config};
    struct device device = {0};
    int threads, status = compute_device_open(comm, &config->run, NULL, &device, &threads);
    x.bootstrap = (struct bootstrap){.comm = comm,
                                     .seed = (uint64_t)config->run.seed,
                                     .resamples = config->probe.resamples,
                                     .threads = threads,
                                     .poll = interrupt_poll};
    x.run = (struct probe_run){
        .comm = comm, .device = &device, .bootstrap = &x.bootstrap, .k = (int)config->probe.neighbours};
    if (status == STATUS_OK) status = probe(&x);
    free_all(&x);
    device_close(&device);
    return status;
}

const struct job_entry PROBE_JOB = {
    .job = JOB_PROBE,
    .name = "probe",
    .arguments = "",
    .summary = "what tokens and embeddings know, beside text and untrained quantisers",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .run = run,
};
