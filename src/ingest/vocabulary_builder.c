/* Codes are cut into shares; names and descriptions of each are copied, subgraphs grown (subgraph_work.h). */
#include "ingest/vocabulary_builder.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sha256.h"
#include "base/status.h"
#include "dist/gather.h"
#include "ingest/subgraph_work.h"

void vocabulary_builder_free(struct vocabulary_builder *b) {
    code_table_free(&b->codes);
    knowledge_graph_free(&b->graph);
    removed_edges_free(&b->removed);
    hierarchy_free(&b->hierarchy);
    vocabulary_free(&b->known);
    vocabulary_free(&b->vocabulary);
    free(b->first);
}

/* ---- names and descriptions ---- */
static int64_t longest(const struct code_table *t, const int64_t *offsets) {
    size_t most = 0;
    for (int64_t i = 0; i < t->n; i++) {
        size_t n = strlen(t->text + offsets[i]);
        if (n > most) most = n;
    }
    return (int64_t)most + 1;
}

static int copy_names(const struct code_table *t, const int64_t *offsets, const struct vocabulary *v, int64_t *bytes,
                      char **out) {
    *bytes = longest(t, offsets);
    TRY(mem_alloc(out, v->n_codes, *bytes));
    for (int64_t i = 0; i < v->n_codes; i++) strcpy(*out + i * *bytes, t->text + offsets[v->first + i]);
    return STATUS_OK;
}

/* Of this rank's codes. */
static int copy_texts(struct vocabulary_builder *b) {
    struct vocabulary *v = &b->vocabulary;
    int status = copy_names(&b->codes, b->codes.code, v, &v->code_bytes, &v->code);
    if (status == STATUS_OK) status = copy_names(&b->codes, b->codes.system, v, &v->system_bytes, &v->system);
    TRY(comm_agree(b->comm, status));
    return code_table_take_texts(&b->codes, b->comm, b->first, b->descriptions->empty == EMPTY_TEXT_ABSENT,
                                 &v->description_offsets, &v->description);
}

/* ---- shares ---- */
/* What a code costs, in ns of one core: measured on 2026-11-26, at PrimeKG's size. A subgraph is some 64 nodes however long the list; a hub's
 * neighbours are all looked at. */
static int64_t cost_of(const struct vocabulary_builder *b, int64_t i) {
    enum { CODE = 500, SUBGRAPH = 20000, NEIGHBOUR = 6 };
    struct code_nodes list = hierarchy_list(&b->hierarchy, &b->codes, i);
    int64_t cost = CODE + (list.n > 0 ? SUBGRAPH : 0);
    for (int64_t k = 0; k < list.n && b->subgraphs->hops > 0; k++)
        cost += NEIGHBOUR * (int64_t)b->graph.degree[list.nodes[k]];
    return cost;
}

/* Cuts the codes into pieces of like cost, one a rank. */
static int share_codes(struct vocabulary_builder *b) {
    struct vocabulary *v = &b->vocabulary;
    const int64_t n = b->codes.n;
    double all = 0, before = 0;
    int rank = 0, size = b->comm->size;
    TRY(mem_alloc(&b->first, size + 1, sizeof *b->first));
    for (int64_t i = 0; i < n; i++) all += (double)cost_of(b, i);
    for (int64_t i = 0; i < n; i++) {
        while (rank < size && before * size >= all * rank) b->first[rank++] = i;
        before += (double)cost_of(b, i);
    }
    while (rank <= size) b->first[rank++] = n;
    v->n_codes_total = n;
    v->first = b->first[b->comm->rank];
    v->n_codes = b->first[b->comm->rank + 1] - v->first;
    return STATUS_OK;
}

/* ---- what was found ---- */
static void log_graph(const struct vocabulary_builder *b) {
    const struct knowledge_graph *g = &b->graph;
    log_info("%s: %lld nodes, %lld directed edges, %d relations", b->graph_path, (long long)g->n_nodes,
             (long long)g->n_edges, g->n_relations);
    if (g->n_repeated || g->n_self_loops)
        log_info("dropped %lld repeated rows and %lld self loops", (long long)g->n_repeated,
                 (long long)g->n_self_loops);
    if (g->n_one_way)
        log_warn_once("%lld edges lack their reverse; PrimeKG lists both directions of every edge",
                      (long long)g->n_one_way);
}

/* What is counted over all codes. */
struct counts {
    int64_t without, nothing, nodes, edges, cut; /* without a graph; with neither graph nor text */
};

/* Collective. linked [n of all codes]: of the codes of each run of one system, by the first of the run, those with a graph. */
static int count_codes(const struct vocabulary_builder *b, struct counts *counts, int64_t *linked) {
    const struct vocabulary *v = &b->vocabulary;
    const struct code_table *t = &b->codes;
    *counts =
        (struct counts){.nodes = v->node_offsets[v->n_codes], .edges = v->edge_offsets[v->n_codes], .cut = b->n_cut};
    for (int64_t i = 0, run = 0, n_runs = 0; i < t->n; i++) {
        if (i == 0 || strcmp(t->text + t->system[i], t->text + t->system[run]) != 0) run = i, n_runs++;
        if (i < v->first || i >= v->first + v->n_codes) continue;
        int has_graph = vocabulary_has_graph(v, i - v->first);
        linked[n_runs - 1] += has_graph;
        counts->without += !has_graph;
        counts->nothing += !has_graph && !vocabulary_has_text(v, i - v->first);
    }
    TRY(comm_sum_int64(b->comm, &counts->without, sizeof *counts / sizeof(int64_t)));
    return comm_sum_int64(b->comm, linked, t->n);
}

/* Runs of one system; a system in two runs is listed twice. */
static void log_systems(const struct code_table *t, const int64_t *linked) {
    for (int64_t first = 0; first < t->n;) {
        int64_t end = first + 1;
        while (end < t->n && strcmp(t->text + t->system[end], t->text + t->system[first]) == 0) end++;
        log_info("%-10s %8lld codes, %8lld with a graph", t->text + t->system[first], (long long)(end - first),
                 (long long)*linked++);
        first = end;
    }
}

static void log_counts(const struct vocabulary_builder *b, const struct counts *c) {
    const struct code_table *t = &b->codes;
    int64_t with = t->n - c->without;
    log_info("%lld codes; %lld without a graph get text tokens only", (long long)t->n,
             (long long)(c->without - c->nothing));
    log_info("a graph has %.1f nodes and %.1f edges on average", with > 0 ? (double)c->nodes / (double)with : 0.0,
             with > 0 ? (double)c->edges / (double)with : 0.0);
    if (t->n_without_description)
        log_info("%lld codes have no description: %s", (long long)t->n_without_description,
                 b->descriptions->empty == EMPTY_TEXT_ABSENT ? "their text is absent" : "the code stands in for it");
    if (c->nothing)
        log_warn_once("%lld codes have neither description nor graph: they will have no tokens", (long long)c->nothing);
    if (t->n_without_nodes == 1)
        log_info("%s has no column nodes: its codes have no nodes", t->without_nodes);
    else if (t->n_without_nodes > 1)
        log_info("%d code tables, the first %s, have no column nodes: their codes have no nodes", t->n_without_nodes,
                 t->without_nodes);
    if (t->n_repeated_nodes) log_info("%lld nodes were listed twice for a code", (long long)t->n_repeated_nodes);
    if (c->cut)
        log_info("the node lists of %lld codes were longer than graph.max_nodes (%lld) and were cut", (long long)c->cut,
                 (long long)b->subgraphs->max_nodes);
}

static int log_codes(const struct vocabulary_builder *b) {
    struct counts counts;
    int64_t *linked;
    TRY(comm_agree(b->comm, mem_alloc(&linked, b->codes.n, sizeof *linked)));
    int status = count_codes(b, &counts, linked);
    if (status == STATUS_OK) {
        log_systems(&b->codes, linked);
        log_counts(b, &counts);
    }
    free(linked);
    return status;
}

/* ---- the steps ---- */
static int write_removed(struct vocabulary_builder *b, const char *path) {
    TRY(removed_edges_write(&b->removed, path));
    return sha256_file(path, b->vocabulary.removed_sha256);
}

static int read_graph(struct vocabulary_builder *b) {
    const struct subgraph_options *o = b->subgraphs;
    TRY(comm_agree(b->comm, removed_edges_begin(&b->removed, o->remove, o->remove_share, (uint64_t)o->remove_seed)));
    TRY(knowledge_graph_read(&b->graph, b->comm, b->graph_path, &b->removed));
    log_graph(b);
    return o->removed[0] && b->comm->rank == 0 ? write_removed(b, o->removed) : STATUS_OK;
}

int vocabulary_builder_read_graph(struct vocabulary_builder *b) {
    return comm_agree(b->comm, b->graph_path[0] ? read_graph(b) : STATUS_OK);
}

/* In MedTok's own table the list is the subgraph. */
static void warn_of_grown_lists(const struct vocabulary_builder *b) {
    if (b->codes.of_medtok && b->subgraphs->hops > 0)
        log_warn_once(
            "%s has MedTok's pkg_index_list, which lists the nodes of the whole subgraph: with graph.hops %lld it is "
            "grown and cut at graph.max_nodes (%lld); graph.hops=0 takes it as it is",
            b->codes.of_medtok, (long long)b->subgraphs->hops, (long long)b->subgraphs->max_nodes);
}

/* New codes have the nodes and relations of the vocabulary before. */
static int read_known(struct vocabulary_builder *b) {
    unsigned parts = VOCABULARY_NAMES | VOCABULARY_HIERARCHY;
    if (!b->known_path || b->subgraphs->hierarchy == HIERARCHY_NO) return STATUS_OK;
    if (b->subgraphs->hierarchy == HIERARCHY_INHERIT) parts |= VOCABULARY_GRAPHS;
    return vocabulary_read(b->known_path, 0, -1, parts, &b->known);
}

static int name_relations(struct vocabulary_builder *b, int32_t n_of_graph) {
    struct vocabulary *v = &b->vocabulary;
    int hierarchy = b->subgraphs->hierarchy != HIERARCHY_NO;
    v->n_relations = n_of_graph + (hierarchy ? HIERARCHY_RELATIONS : 0);
    v->relation_bytes = KG_RELATION_BYTES;
    TRY(mem_alloc(&v->relation, v->n_relations, KG_RELATION_BYTES));
    if (b->known.relation)
        memcpy(v->relation, b->known.relation, (size_t)n_of_graph * KG_RELATION_BYTES);
    else
        memcpy(v->relation, b->graph.relation, (size_t)n_of_graph * KG_RELATION_BYTES);
    for (int r = 0; hierarchy && r < HIERARCHY_RELATIONS; r++)
        strcpy(v->relation + (int64_t)(n_of_graph + r) * KG_RELATION_BYTES, hierarchy_relation(r));
    return STATUS_OK;
}

/* Of the nodes of the graph; new codes have those of the vocabulary before, which tells them. */
static int identify_nodes(struct vocabulary_builder *b) {
    struct vocabulary *v = &b->vocabulary;
    const struct node_identities *known = &b->graph.identities;
    v->n_identities = b->graph.n_nodes;
    TRY(mem_alloc(&v->node_identity, v->n_identities, sizeof *v->node_identity));
    if (known->n > 0) memcpy(v->node_identity, known->of, (size_t)known->n * sizeof *known->of);
    return STATUS_OK;
}

/* Descriptions of codes that stand above others, by node of the hierarchy. */
struct described {
    struct node_name *name; /* [n_hierarchy] size 0: none */
    char *bytes;
};

static int pack_described(const struct vocabulary_builder *b, int64_t *n, struct node_name **packed, int64_t *n_bytes,
                          char **bytes) {
    const struct vocabulary *v = &b->vocabulary;
    *packed = NULL;
    *bytes = NULL;
    *n = *n_bytes = 0;
    TRY(mem_alloc(packed, v->n_codes, sizeof **packed));
    TRY(mem_alloc(bytes, v->description_offsets[v->n_codes], 1));
    for (int64_t i = 0; i < v->n_codes && b->hierarchy.node; i++) {
        const int64_t *at = v->description_offsets + i;
        if (b->hierarchy.node[v->first + i] < 0 || at[1] == at[0]) continue;
        (*packed)[(*n)++] =
            (struct node_name){b->hierarchy.node[v->first + i] - b->hierarchy.first_node, at[1] - at[0]};
        memcpy(*bytes + *n_bytes, v->description + at[0], (size_t)(at[1] - at[0]));
        *n_bytes += at[1] - at[0];
    }
    return STATUS_OK;
}

/* Collective: of the codes of all ranks. */
static int gather_described(const struct vocabulary_builder *b, struct described *d) {
    struct node_name *own, *all = NULL;
    char *own_bytes;
    int64_t n, n_bytes, n_all, n_all_bytes, at = 0;
    int status = pack_described(b, &n, &own, &n_bytes, &own_bytes);
    if (status == STATUS_OK) status = mem_alloc(&d->name, b->vocabulary.n_hierarchy, sizeof *d->name);
    TRY_DONE(comm_agree(b->comm, status));
    TRY_DONE(comm_gather_rows(b->comm, n, sizeof *all, own, &n_all, &all));
    TRY_DONE(comm_gather_rows(b->comm, n_bytes, 1, own_bytes, &n_all_bytes, &d->bytes));
    for (int64_t i = 0; i < n_all; at += all[i++].size) d->name[all[i].at] = (struct node_name){at, all[i].size};
done:
    free(own);
    free(own_bytes);
    free(all);
    return status;
}

/* What node i is called. */
static struct field node_name(const struct vocabulary_builder *b, const struct described *d, int64_t i) {
    const struct vocabulary *v = &b->vocabulary;
    const struct node_identities *graph = &b->graph.identities;
    int64_t above = i - vocabulary_graph_nodes(v);
    if (above < 0) {
        if (i >= graph->n || graph->name[i].size == 0) return (struct field){"", 0};
        return (struct field){graph->names + graph->name[i].at, graph->name[i].size};
    }
    if (d->name[above].size > 0) return (struct field){d->bytes + d->name[above].at, d->name[above].size};
    const char *name = v->hierarchy + above * v->hierarchy_bytes;
    return (struct field){name, (int64_t)strlen(name)};
}

static int list_node_names(struct vocabulary_builder *b, const struct described *d) {
    struct vocabulary *v = &b->vocabulary;
    TRY(mem_alloc(&v->node_name_offsets, v->n_nodes + 1, sizeof *v->node_name_offsets));
    for (int64_t i = 0; i < v->n_nodes; i++)
        v->node_name_offsets[i + 1] = v->node_name_offsets[i] + node_name(b, d, i).size;
    TRY(mem_alloc(&v->node_name, v->node_name_offsets[v->n_nodes], 1));
    for (int64_t i = 0; i < v->n_nodes; i++) {
        struct field name = node_name(b, d, i);
        if (name.size > 0) memcpy(v->node_name + v->node_name_offsets[i], name.text, (size_t)name.size);
    }
    return STATUS_OK;
}

/* Collective. Rank 0 has the names, of the vocabulary that a model is trained on; its new codes have the same nodes. */
static int name_nodes(struct vocabulary_builder *b) {
    struct described d = {0};
    int status = gather_described(b, &d);
    if (status == STATUS_OK) status = comm_agree(b->comm, b->comm->rank == 0 ? list_node_names(b, &d) : STATUS_OK);
    free(d.name);
    free(d.bytes);
    return status;
}

/* Nodes and relations: those of the graph, and behind them those of the hierarchy. */
static int number_nodes(struct vocabulary_builder *b) {
    struct vocabulary *v = &b->vocabulary;
    TRY(read_known(b));
    const struct vocabulary *known = b->known.code ? &b->known : NULL;
    int64_t n_nodes = known ? vocabulary_graph_nodes(known) : b->graph.n_nodes;
    int32_t n_relations = known ? known->n_relations - HIERARCHY_RELATIONS : b->graph.n_relations;
    TRY(hierarchy_make(&b->hierarchy, &b->codes, b->subgraphs->hierarchy, &b->subgraphs->parents, n_nodes, n_relations,
                       known));
    TRY(name_relations(b, n_relations));
    TRY(identify_nodes(b));
    v->n_hierarchy = b->hierarchy.n_nodes;
    v->n_nodes = n_nodes + v->n_hierarchy;
    if (v->n_hierarchy == 0) return STATUS_OK;
    if (!known) return hierarchy_node_names(&b->hierarchy, &v->hierarchy_bytes, &v->hierarchy);
    v->hierarchy_bytes = known->hierarchy_bytes;
    TRY(mem_alloc(&v->hierarchy, v->n_hierarchy, v->hierarchy_bytes));
    memcpy(v->hierarchy, known->hierarchy, (size_t)(v->n_hierarchy * v->hierarchy_bytes));
    return STATUS_OK;
}

static int number_and_share(struct vocabulary_builder *b) {
    TRY(code_table_check_nodes(&b->codes, &b->graph, b->graph_path));
    warn_of_grown_lists(b);
    TRY(number_nodes(b));
    return share_codes(b);
}

int vocabulary_builder_read_codes(struct vocabulary_builder *b) {
    struct vocabulary *v = &b->vocabulary;
    TRY(code_table_read(&b->codes, b->comm, b->code_tables));
    TRY(comm_agree(b->comm, number_and_share(b)));
    v->graph_hops = (int32_t)b->subgraphs->hops;
    v->graph_max_nodes = (int32_t)b->subgraphs->max_nodes;
    TRY(copy_texts(b));
    return b->known_path ? STATUS_OK : name_nodes(b);
}

int vocabulary_builder_grow_subgraphs(struct vocabulary_builder *b) {
    const struct subgraph_work work = {.comm = b->comm,
                                       .codes = &b->codes,
                                       .graph = &b->graph,
                                       .hierarchy = &b->hierarchy,
                                       .options = b->subgraphs,
                                       .known = &b->known,
                                       .threads = b->threads};
    TRY(comm_agree(b->comm, subgraph_work_do(&work, &b->vocabulary, &b->n_cut)));
    return log_codes(b);
}
