/* prepare: code tables and the knowledge graph in, vocabulary.h5 out. Each rank grows the subgraphs of its share of the codes. */
#include <stdlib.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "dist/stages.h"
#include "ingest/vocabulary_builder.h"
#include "jobs.h"
#include "recipe.h"
#include "store/vocabulary.h"

enum prepare_stage { STAGE_GRAPH, STAGE_CODES, STAGE_SUBGRAPHS, STAGE_WRITE, N_STAGES };
static const char *const STAGE_NAMES[N_STAGES] = {"graph", "codes", "subgraphs", "write"};

static int build(struct vocabulary_builder *builder, struct stages *stages) {
    stage_begin(stages, STAGE_GRAPH);
    TRY(vocabulary_builder_read_graph(builder));
    stage_begin(stages, STAGE_CODES);
    TRY(vocabulary_builder_read_codes(builder));
    stage_begin(stages, STAGE_SUBGRAPHS);
    return vocabulary_builder_grow_subgraphs(builder);
}

/* known: the vocabulary that new codes' model was trained on; NULL: none. */
static int add_files(struct provenance *provenance, const struct config *config, const char *known) {
    for (int i = 0; i < config->files.codes.n; i++)
        TRY(provenance_add_input(provenance, "codes", config->files.codes.items[i]));
    for (int i = 0; i < config->subgraph.parents.n; i++)
        TRY(provenance_add_input(provenance, "parents", config->subgraph.parents.items[i]));
    if (known) TRY(provenance_add_input(provenance, "vocabulary", known));
    return config->files.graph[0] ? provenance_add_input(provenance, "graph", config->files.graph) : STATUS_OK;
}

static int add_inputs(const struct comm *comm, const struct config *config, struct provenance *provenance, void *self) {
    return provenance_share(comm, provenance, comm->rank == 0 ? add_files(provenance, config, self) : STATUS_OK);
}

static int make(const struct comm *comm, const struct config *config, const struct provenance *provenance, void *self) {
    struct vocabulary_builder builder = {.comm = comm,
                                         .subgraphs = &config->subgraph,
                                         .descriptions = &config->description,
                                         .code_tables = &config->files.codes,
                                         .graph_path = config->files.graph,
                                         .threads = comm_threads(comm, (int)config->run.threads),
                                         .known_path = self};
    struct stages stages;
    stages_begin(&stages, NULL, STAGE_NAMES, N_STAGES);
    int status;
    TRY_DONE(build(&builder, &stages));
    TRY_DONE(comm_agree(comm, interrupt_poll()));
    stage_begin(&stages, STAGE_WRITE);
    TRY_DONE(vocabulary_write(comm, config->files.vocabulary, &builder.vocabulary, provenance));
    stages.done = builder.vocabulary.n_codes_total;
    stages.unit = "codes";
    TRY_DONE(
        stages_log(&stages, comm, "prepare", config->files.vocabulary, (enum stages_shown)config->run.stages, status));
    log_info("wrote %s", config->files.vocabulary);
done:
    vocabulary_builder_free(&builder);
    return status;
}

int prepare_vocabulary(const struct comm *comm, const struct config *config, char *known) {
    struct recipe recipe = {&PREPARE_JOB, KIND_VOCABULARY, config->files.vocabulary, add_inputs, make};
    return recipe_run(&recipe, comm, config, known);
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    const char *removed = config->subgraph.removed;
    (void)arguments;
    TRY(prepare_vocabulary(comm, config, NULL));
    if (!removed[0]) return STATUS_OK;
    if (access(removed, R_OK) == 0)
        return comm_agree(comm, vocabulary_check_removed(config->files.vocabulary, removed));
    return status_set(STATUS_FAILED,
                      "%s is up to date, but %s, which holds the edges that were removed, is not there: "
                      "run prepare --force",
                      config->files.vocabulary, removed);
}

static int check(const struct config *config) {
    if (config->files.codes.n == 0)
        return status_set(STATUS_USAGE,
                          "files.codes is empty: name at least one code table, in the configuration or with "
                          "--set files.codes=PATH");
    if (!config->files.graph[0])
        return status_set(STATUS_USAGE, "files.graph is empty: name the knowledge graph (PrimeKG's kg.csv)");
    if (config->subgraph.parents.n > 0 && config->subgraph.hierarchy == HIERARCHY_NO)
        return status_set(STATUS_USAGE,
                          "graph.parents has tables with parents, but graph.hierarchy is no: set it to "
                          "yes or inherit");
    if (!config->subgraph.remove[0] != !config->subgraph.removed[0])
        return status_set(STATUS_USAGE,
                          "graph.remove says which edges are removed, and graph.removed which file holds "
                          "them: %s is empty",
                          config->subgraph.remove[0] ? "graph.removed" : "graph.remove");
    return STATUS_OK;
}

const struct job_entry PREPARE_JOB = {
    .job = JOB_PREPARE,
    .name = "prepare",
    .arguments = "",
    .summary = "code tables and the knowledge graph into vocabulary.h5",
    .ranks = ALL_RANKS,
    .interruptible = 1,
    .check = check,
    .run = run,
};
