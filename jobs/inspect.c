/* inspect: how good the tokens of table.h5 are (measure/quality.h), as a table on standard output and as JSON. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/output.h"
#include "base/status.h"
#include "base/text.h"
#include "dist/compute_device.h"
#include "dist/stages.h"
#include "jobs.h"
#include "measure/compared_tables.h"
#include "measure/neighbours.h"
#include "measure/quality.h"
#include "measure/table_vectors.h"
#include "measured_table.h"
#include "paths.h"

/* Codes read from the vocabulary at a time, and systems that are told apart in the report. */
enum { PIECE = 16384, MOST_SYSTEMS = 64 };

/* How much hierarchy the codes of a system have. */
struct system_count {
    uint64_t key;
    const char *name; /* in the table */
    int64_t codes, with_parent;
};

enum inspect_stage { STAGE_LOAD, STAGE_TOKENS, STAGE_NEIGHBOURS, STAGE_OTHER, STAGE_REPORT, N_STAGES };
static const char *const STAGE_NAMES[N_STAGES] = {"load", "tokens", "neighbours", "other", "report"};

struct inspection {
    const struct comm *comm;
    const struct config *config;
    struct bootstrap bootstrap;
    struct table table;
    char *vocabulary_id, *table_id;
    int32_t *tokens;    /* [n, 4, K] */
    uint8_t *has_graph; /* [n] */
    struct code_keys keys;
    struct code_links links;
    int32_t *queries;
    int64_t n_queries;
    struct system_count systems[MOST_SYSTEMS];
    int n_systems;
    struct quality quality;
    int64_t n_hierarchy;  /* nodes of the hierarchy in the training's graph */
    int hierarchy_before; /* a training that it went on from had such nodes */
    /* inspect.other */
    struct table other;
    char *other_id;
    int64_t n_in_both;
    struct stability stability;
};

/* ---- load and check ---- */
static int add_piece(struct inspection *x, const struct vocabulary *v) {
    code_keys_set(&x->keys, v->first, v);
    for (int64_t i = 0; i < v->n_codes; i++) x->has_graph[v->first + i] = v->node_offsets[i + 1] > v->node_offsets[i];
    return code_links_add(&x->links, v);
}

static int read_vocabulary(struct inspection *x) {
    const char *path = x->config->files.vocabulary;
    int64_t n = x->table.shape.n_codes;
    struct vocabulary piece;
    TRY(vocabulary_read_sizes(path, &piece));
    if (piece.n_codes_total != n)
        return status_set(STATUS_FAILED, "%s has %lld rows of the vocabulary, but %s has %lld codes",
                          h5file_path(x->table.file), (long long)n, path, (long long)piece.n_codes_total);
    x->n_hierarchy = piece.n_hierarchy;
    TRY(code_keys_make(&x->keys, n));
    TRY(code_links_make(&x->links, n, vocabulary_graph_nodes(&piece)));
    TRY(mem_alloc(&x->has_graph, n, 1));
    for (int64_t first = 0; first < n; first += PIECE) {
        TRY(vocabulary_read(path, first, n - first < PIECE ? n - first : PIECE,
                            VOCABULARY_NAMES | VOCABULARY_DESCRIPTIONS | VOCABULARY_GRAPHS, &piece));
        int status = add_piece(x, &piece);
        vocabulary_free(&piece);
        TRY(status);
        TRY(interrupt_poll());
    }
    return code_links_finish(&x->links);
}

/* Every rank reads all tokens and names, and later all embeddings, block by block. */
static int load(struct inspection *x) {
    TRY(measured_table_open(&x->table, x->config->files.table, x->config->files.vocabulary, "inspect", &x->table_id,
                            &x->vocabulary_id));
    TRY(measured_table_hierarchy_before(&x->table, &x->hierarchy_before));
    TRY(measured_table_tokens(&x->table, &x->tokens));
    TRY(read_vocabulary(x));
    return neighbour_queries(&x->links, x->bootstrap.seed, x->config->inspect.sample, &x->queries, &x->n_queries);
}

static void count_systems(struct inspection *x) {
    for (int64_t i = 0; i < x->keys.n; i++) {
        int s = 0;
        while (s < x->n_systems && x->systems[s].key != x->keys.system[i]) s++;
        if (s == MOST_SYSTEMS) continue;
        if (s == x->n_systems)
            x->systems[x->n_systems++] =
                (struct system_count){x->keys.system[i], x->table.system + i * x->table.system_bytes, 0, 0};
        x->systems[s].codes++;
        x->systems[s].with_parent += x->keys.parent[i] != 0;
    }
}

/* ---- compute ---- */
static int measure_tokens(struct inspection *x) {
    const struct table_shape *s = &x->table.shape;
    struct quality_tokens tokens = {
        .n = s->n_codes, .top_k = s->top_k, .codebook_size = s->codebook_size, .tokens = x->tokens};
    for (int g = 0; g < N_GROUPS; g++) tokens.regions[g] = (struct region){s->region[g][0], s->region[g][1]};
    struct progress progress;
    progress_begin(&progress, "tokens", QUALITY_TOKEN_BOOTSTRAPS * x->bootstrap.resamples, "resamples");
    x->bootstrap.progress = &progress;
    int status = quality_measure_tokens(&x->quality, &x->bootstrap, &tokens, &x->keys);
    x->bootstrap.progress = NULL;
    if (status == STATUS_OK) progress_end(&progress, progress.done);
    return status;
}

static int measure_neighbours(struct inspection *x, struct device *device) {
    const struct table_shape *t = &x->table.shape;
    struct neighbour_question question = {x->n_queries, t->n_codes, x->queries, x->has_graph};
    struct table_vectors vectors = {0};
    struct neighbour_recall *recall = NULL;
    int status = table_vectors_make(&vectors, &x->table, 0, TABLE_GROUPS * t->dim, 1, x->has_graph);
    if (status == STATUS_OK) status = mem_alloc(&recall, x->n_queries, sizeof *recall);
    TRY_DONE(comm_agree(x->comm, status));
    TRY_DONE(neighbours_recall(x->comm, device, &vectors.source, &question, &x->links, recall));
    TRY_DONE(quality_measure_neighbours(&x->quality, &x->bootstrap, x->n_queries, recall));
done:
    table_vectors_free(&vectors);
    free(recall);
    return status;
}

/* ---- beside another table ---- */
static int open_other(struct inspection *x) {
    TRY(table_open(&x->other, x->config->inspect.other));
    return h5file_get_text(x->other.file, "content_id", &x->other_id);
}

static int compare(struct inspection *x, struct device *device) {
    struct compared_tables compared = {
        .comm = x->comm, .device = device, .tables = {&x->table, &x->other}, .sample = x->config->inspect.sample};
    int status = compared_tables_measure(&compared, &x->bootstrap, &x->stability);
    x->n_in_both = compared.n;
    compared_tables_free(&compared);
    if (status == STATUS_OK) log_info("compared %lld codes with %s", (long long)x->n_in_both, x->config->inspect.other);
    return status;
}

/* ---- write ---- */
static void print(const struct inspection *x) {
    printf("%s: %lld codes; intervals of 95 %% from %lld bootstrap resamples\n\n", x->config->files.table,
           (long long)x->table.shape.n_codes, (long long)x->bootstrap.resamples);
    quality_print(stdout, &x->quality);
    printf("\ncodes whose string tells a parent:");
    for (int i = 0; i < x->n_systems; i++)
        printf("%s %s %lld of %lld", i ? "," : "", x->systems[i].name, (long long)x->systems[i].with_parent,
               (long long)x->systems[i].codes);
    printf("\n");
    if (x->n_hierarchy > 0 || x->hierarchy_before)
        printf("siblings were seen: the graph of the training%s had the parents of codes (graph.hierarchy)\n",
               x->hierarchy_before ? ", or of one that it went on from," : "");
    if (x->other_id) {
        printf("\nbeside %s: %lld codes in both\n\n", x->config->inspect.other, (long long)x->n_in_both);
        stability_print(stdout, &x->stability);
    }
    output_flush();
}

static void write_json(const struct inspection *x, FILE *out) {
    struct json j = json_begin(out, 1);
    json_object(&j, NULL);
    json_text(&j, "table_id", x->table_id);
    json_text(&j, "vocabulary_id", x->vocabulary_id);
    json_integer(&j, "codes", x->table.shape.n_codes);
    json_integer(&j, "resamples", x->bootstrap.resamples);
    json_integer(&j, "seed", (int64_t)x->bootstrap.seed);
    json_integer(&j, "hierarchy_nodes", x->n_hierarchy);
    json_integer(&j, "hierarchy_before", x->hierarchy_before);
    json_object(&j, "systems");
    for (int i = 0; i < x->n_systems; i++) {
        json_object(&j, x->systems[i].name);
        json_integer(&j, "codes", x->systems[i].codes);
        json_integer(&j, "with_parent", x->systems[i].with_parent);
        json_end(&j);
    }
    json_end(&j);
    json_object(&j, "measures");
    quality_write_json(&j, &x->quality);
    json_end(&j);
    if (x->other_id) {
        json_object(&j, "stability");
        json_text(&j, "other_id", x->other_id);
        json_integer(&j, "codes", x->n_in_both);
        stability_write_json(&j, &x->stability);
        json_end(&j);
    }
    json_end(&j);
    fputc('\n', out);
}

/* Before anything is measured. */
static int check_report(const struct inspection *x) {
    char path[PATH_MAX];
    config_report_path(x->config, path);
    return atomic_file_check(path);
}

static int write_report(const struct inspection *x) {
    char path[PATH_MAX];
    struct atomic_file file;
    config_report_path(x->config, path);
    TRY(atomic_file_open(&file, path));
    write_json(x, file.stream);
    TRY(atomic_file_close(&file, STATUS_OK));
    log_info("wrote %s", path);
    return STATUS_OK;
}

/* ---- the job ---- */
static int inspect(struct inspection *x, struct device *device) {
    struct stages stages;
    char report[PATH_MAX];
    stages_begin(&stages, device, STAGE_NAMES, N_STAGES);
    stage_begin(&stages, STAGE_LOAD);
    TRY(comm_agree(x->comm, x->comm->rank == 0 ? check_report(x) : STATUS_OK));
    log_info("reading and checking %s", x->config->files.table);
    TRY(comm_agree(x->comm, load(x)));
    if (x->config->inspect.other[0]) TRY(comm_agree(x->comm, open_other(x)));
    log_info("read %lld codes", (long long)x->table.shape.n_codes);
    count_systems(x);
    stage_begin(&stages, STAGE_TOKENS);
    TRY(measure_tokens(x));
    stage_begin(&stages, STAGE_NEIGHBOURS);
    TRY(measure_neighbours(x, device));
    log_info("measured the neighbours of %lld codes", (long long)x->n_queries);
    stage_begin(&stages, STAGE_OTHER);
    if (x->other_id) TRY(compare(x, device));
    stage_begin(&stages, STAGE_REPORT);
    TRY(comm_agree(x->comm, interrupt_poll()));
    if (x->comm->rank == 0) print(x);
    TRY(comm_agree(x->comm, x->comm->rank == 0 ? write_report(x) : STATUS_OK));
    config_report_path(x->config, report);
    return stages_log(&stages, x->comm, "inspect", report, (enum stages_shown)x->config->run.stages, STATUS_OK);
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)arguments;
    struct inspection x = {.comm = comm, .config = config};
    struct device device = {0};
    int threads, status = compute_device_open(comm, &config->run, NULL, &device, &threads);
    x.bootstrap = (struct bootstrap){.comm = comm,
                                     .seed = (uint64_t)config->run.seed,
                                     .resamples = config->inspect.resamples,
                                     .threads = threads,
                                     .poll = interrupt_poll};
    if (status == STATUS_OK) status = inspect(&x, &device);
    code_links_free(&x.links);
    code_keys_free(&x.keys);
    free(x.queries);
    free(x.tokens);
    free(x.has_graph);
    free(x.vocabulary_id);
    free(x.table_id);
    free(x.other_id);
    table_close(&x.table);
    table_close(&x.other);
    device_close(&device);
    return status;
}

const struct job_entry INSPECT_JOB = {
    .job = JOB_INSPECT,
    .name = "inspect",
    .arguments = "",
    .summary = "quality of a table's tokens, printed and as JSON",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .run = run,
};
