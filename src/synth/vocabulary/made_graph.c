/* Edges are made node by node: how many is dealt beforehand, so that any rank can make those of any node. An edge between two kinds is
 * begun by a node of the first; one within a kind by the node from which the other is at most half way around. */
#include "synth/vocabulary/made_graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "synth/draws.h"
#include "synth/vocabulary/deal.h"

const char MADE_GRAPH_HEADER[] =
    "relation,display_relation,x_index,x_id,x_type,x_name,x_source,y_index,y_id,y_type,y_name,y_source";

enum { LEAST_NODES = 8, NODES_A_TOPIC = 100, MOST_TOPICS = 200, LEAST_TOPICS = 8 };
static const double NEAR_SHARE = 0.6, WITHOUT_NODES = 0.03;

/* Counts as published with PrimeKG (doi:10.7910/DVN/IXA7BM). */
static const struct {
    const char *name, *source;
    int64_t published;
    enum name_kind names;
    const char *suffix;
} KINDS[N_NODE_KINDS] = {
    [NODE_PROCESS] = {"biological_process", "GO", 28642, NAME_PROCESS, ""},
    [NODE_GENE] = {"gene/protein", "NCBI", 27671, NAME_GENE, ""},
    [NODE_DISEASE] = {"disease", "MONDO", 17080, NAME_CONDITION, ""},
    [NODE_PHENOTYPE] = {"effect/phenotype", "HPO", 15311, NAME_CONDITION, " finding"},
    [NODE_ANATOMY] = {"anatomy", "UBERON", 14035, NAME_SITE, ""},
    [NODE_FUNCTION] = {"molecular_function", "GO", 11169, NAME_PROCESS, " activity"},
    [NODE_DRUG] = {"drug", "DrugBank", 7957, NAME_DRUG, ""},
    [NODE_COMPONENT] = {"cellular_component", "GO", 4176, NAME_PROCESS, " complex"},
    [NODE_PATHWAY] = {"pathway", "REACTOME", 2516, NAME_PROCESS, " pathway"},
    [NODE_EXPOSURE] = {"exposure", "CTD", 818, NAME_PROCESS, " disruptor"},
};

/* Rows as published, both directions of each edge; within drug_protein by display_relation. Each kind begins the edges of some relation
 * with more edges than it has nodes, so that no node is without. */
static const struct {
    const char *name, *shown;
    enum node_kind from, to;
    int64_t rows;
} RELATIONS[N_MADE_RELATIONS] = {
    {"protein_protein", "ppi", NODE_GENE, NODE_GENE, 642150},
    {"drug_protein", "carrier", NODE_DRUG, NODE_GENE, 1728},
    {"drug_protein", "enzyme", NODE_DRUG, NODE_GENE, 10634},
    {"drug_protein", "target", NODE_DRUG, NODE_GENE, 32760},
    {"drug_protein", "transporter", NODE_DRUG, NODE_GENE, 6184},
    {"contraindication", "contraindication", NODE_DRUG, NODE_DISEASE, 61350},
    {"indication", "indication", NODE_DRUG, NODE_DISEASE, 18776},
    {"off-label use", "off-label use", NODE_DRUG, NODE_DISEASE, 5136},
    {"drug_drug", "synergistic interaction", NODE_DRUG, NODE_DRUG, 2672628},
    {"phenotype_protein", "associated with", NODE_PHENOTYPE, NODE_GENE, 6660},
    {"phenotype_phenotype", "parent-child", NODE_PHENOTYPE, NODE_PHENOTYPE, 37472},
    {"disease_phenotype_negative", "phenotype absent", NODE_DISEASE, NODE_PHENOTYPE, 2386},
    {"disease_phenotype_positive", "phenotype present", NODE_DISEASE, NODE_PHENOTYPE, 300634},
    {"disease_protein", "associated with", NODE_DISEASE, NODE_GENE, 160822},
    {"disease_disease", "parent-child", NODE_DISEASE, NODE_DISEASE, 64388},
    {"drug_effect", "side effect", NODE_DRUG, NODE_PHENOTYPE, 129568},
    {"bioprocess_bioprocess", "parent-child", NODE_PROCESS, NODE_PROCESS, 105772},
    {"molfunc_molfunc", "parent-child", NODE_FUNCTION, NODE_FUNCTION, 27148},
    {"cellcomp_cellcomp", "parent-child", NODE_COMPONENT, NODE_COMPONENT, 9690},
    {"molfunc_protein", "interacts with", NODE_FUNCTION, NODE_GENE, 139060},
    {"cellcomp_protein", "interacts with", NODE_COMPONENT, NODE_GENE, 166804},
    {"bioprocess_protein", "interacts with", NODE_PROCESS, NODE_GENE, 289610},
    {"exposure_protein", "interacts with", NODE_EXPOSURE, NODE_GENE, 2424},
    {"exposure_disease", "linked to", NODE_EXPOSURE, NODE_DISEASE, 4608},
    {"exposure_exposure", "parent-child", NODE_EXPOSURE, NODE_EXPOSURE, 4140},
    {"exposure_bioprocess", "interacts with", NODE_EXPOSURE, NODE_PROCESS, 3250},
    {"exposure_molfunc", "interacts with", NODE_EXPOSURE, NODE_FUNCTION, 90},
    {"exposure_cellcomp", "interacts with", NODE_EXPOSURE, NODE_COMPONENT, 20},
    {"anatomy_anatomy", "parent-child", NODE_ANATOMY, NODE_ANATOMY, 28064},
    {"anatomy_protein_present", "expression present", NODE_ANATOMY, NODE_GENE, 3036406},
    {"anatomy_protein_absent", "expression absent", NODE_ANATOMY, NODE_GENE, 39774},
    {"pathway_pathway", "parent-child", NODE_PATHWAY, NODE_PATHWAY, 5070},
    {"pathway_protein", "interacts with", NODE_PATHWAY, NODE_GENE, 85292},
};

/* ---- nodes ---- */
int64_t node_kind_count(enum node_kind kind, double scale) {
    int64_t n = llround((double)KINDS[kind].published * scale);
    return n < LEAST_NODES ? LEAST_NODES : n;
}

enum node_kind domain_nodes(enum made_domain domain) {
    return domain == DOMAIN_CONDITION ? NODE_DISEASE : domain == DOMAIN_DRUG ? NODE_DRUG : NODE_ANATOMY;
}

const char *node_kind_name(enum node_kind kind) { return KINDS[kind].name; }
const char *made_relation_name(int relation) { return RELATIONS[relation].name; }
enum node_kind made_relation_from(int relation) { return RELATIONS[relation].from; }

static int64_t count_of(const struct made_graph *g, enum node_kind kind) { return g->first[kind + 1] - g->first[kind]; }

int64_t made_topic(const struct made_graph *g, int64_t node, int64_t n) { return node * g->n_topics / n; }

static int make_nodes(struct made_graph *g) {
    enum { ABOUT_BYTES = 192 };
    long long used = 0, capacity = 0;
    TRY(mem_alloc(&g->about_at, g->first[N_NODE_KINDS], sizeof *g->about_at));
    for (int k = 0; k < N_NODE_KINDS; k++)
        for (int64_t v = g->first[k]; v < g->first[k + 1]; v++) {
            char name[MADE_NAME_BYTES];
            TRY(mem_grow(&g->about, &capacity, used + ABOUT_BYTES, 1));
            made_name_put(KINDS[k].names, v - g->first[k], name);
            g->about_at[v] = used;
            used += 1 + snprintf(g->about + used, ABOUT_BYTES, "%lld,%s,%s%s,%s", (long long)(v - g->first[k]) + 1,
                                 KINDS[k].name, name, KINDS[k].suffix, KINDS[k].source);
        }
    return STATUS_OK;
}

static int make_hubs(struct made_graph *g) {
    int64_t *order;
    TRY(mem_alloc(&g->hub, g->first[N_NODE_KINDS], sizeof *g->hub));
    TRY(mem_alloc(&order, g->first[N_NODE_KINDS], sizeof *order));
    for (int k = 0; k < N_NODE_KINDS; k++) {
        int64_t n = count_of(g, (enum node_kind)k);
        for (int64_t i = 0; i < n; i++) order[i] = i;
        rng_shuffle(g->seed, RNG_SYNTH + DRAW_HUBS, (uint32_t)k, 0, order, n);
        for (int64_t i = 0; i < n; i++) g->hub[g->first[k] + i] = (int32_t)order[i];
    }
    free(order);
    return STATUS_OK;
}

/* ---- degrees ---- */
/* How many edges a node may begin: to half of the nodes of the other kind; within a kind to all that are at most half way around, of which
 * each edge has one end. */
static int64_t most_edges(const struct made_graph *g, int relation) {
    int64_t n = count_of(g, RELATIONS[relation].to);
    return RELATIONS[relation].from == RELATIONS[relation].to ? (n - 1) / 2 : n / 2;
}

static int make_degrees(struct made_graph *g, int relation, double scale) {
    enum node_kind from = RELATIONS[relation].from;
    int64_t n = count_of(g, from), most = most_edges(g, relation),
            total = llround((double)RELATIONS[relation].rows / 2 * scale);
    double *weight;
    if (total < 1) total = 1;
    if (total > n * most / 2) total = n * most / 2;
    TRY(mem_alloc(&g->degree[relation], n, sizeof **g->degree));
    TRY(mem_alloc(&weight, n, sizeof *weight));
    for (int64_t r = 0; r < n; r++) weight[g->hub[g->first[from] + r]] = 1 / sqrt((double)(r + 1));
    g->n_edges[relation] = deal(total, n, weight, 1, most, g->degree[relation]);
    free(weight);
    return STATUS_OK;
}

int made_graph_make(struct made_graph *g, double scale, uint64_t seed) {
    *g = (struct made_graph){.seed = seed};
    for (int k = 0; k < N_NODE_KINDS; k++) g->first[k + 1] = g->first[k] + node_kind_count((enum node_kind)k, scale);
    g->n_topics = count_of(g, NODE_DISEASE) / NODES_A_TOPIC;
    if (g->n_topics < LEAST_TOPICS) g->n_topics = LEAST_TOPICS;
    if (g->n_topics > MOST_TOPICS) g->n_topics = MOST_TOPICS;
    TRY(make_nodes(g));
    TRY(make_hubs(g));
    for (int r = 0; r < N_MADE_RELATIONS; r++) TRY(make_degrees(g, r, scale));
    return STATUS_OK;
}

void made_graph_free(struct made_graph *g) {
    for (int r = 0; r < N_MADE_RELATIONS; r++) free(g->degree[r]);
    free(g->hub);
    free(g->about);
    free(g->about_at);
    *g = (struct made_graph){0};
}

/* ---- edges ---- */
/* Nodes of a topic among those of a kind: first .. end - 1. */
static void topic_nodes(const struct made_graph *g, int64_t topic, enum node_kind kind, int64_t *first, int64_t *end) {
    int64_t n = count_of(g, kind);
    *first = (topic * n + g->n_topics - 1) / g->n_topics;
    *end = ((topic + 1) * n + g->n_topics - 1) / g->n_topics;
}

/* Rank r with a density of r^(-2/3): the cube of a uniform number. */
static int64_t draw_hub(const struct made_graph *g, enum node_kind kind, struct draws *d) {
    double u = draw_uniform(d);
    return g->hub[g->first[kind] + (int64_t)(u * u * u * (double)count_of(g, kind))];
}

/* The nodes that a node's near edges lead to: its topic's, and where among them it stands itself. */
struct surroundings {
    int64_t first, end, middle;
};

/* The nearer the likelier, by the square of a uniform number, to either side; around from the topic's last to its first. */
static int64_t draw_near(const struct surroundings *s, struct draws *d) {
    double u = draw_uniform(d);
    int64_t n = s->end - s->first, away = (int64_t)(u * u * (double)(n + 1) / 2);
    return s->first + (s->middle - s->first + n + (draw_is(d, 0.5) ? away : n - away)) % n;
}

/* An end that is not yet used, near or anywhere: the next behind the one that was drawn. used[v] is `mark` where it is. */
static int64_t draw_other(const struct made_graph *g, enum node_kind kind, const struct surroundings *s, int is_near,
                          struct draws *d, const int64_t *used, int64_t mark) {
    int64_t n = count_of(g, kind), v = is_near ? draw_near(s, d) : draw_hub(g, kind, d);
    while (used[v] == mark) v = v + 1 < n ? v + 1 : 0;
    return v;
}

/* The same within the kind: at most half way around, in front of the node in the middle. */
static int64_t draw_ahead(const struct made_graph *g, enum node_kind kind, const struct surroundings *s, int is_near,
                          struct draws *d, const int64_t *used, int64_t mark) {
    enum { TRIES = 16 };
    int64_t n = count_of(g, kind), half = (n - 1) / 2, n_near = (s->end - s->first + 1) / 2, ahead = 0;
    double u = draw_uniform(d);
    if (is_near) ahead = 1 + (int64_t)(u * u * (double)(n_near < half ? n_near : half));
    for (int i = 0; i < TRIES && ahead == 0; i++) {
        ahead = (draw_hub(g, kind, d) - s->middle + n) % n;
        if (ahead > half) ahead = 0;
    }
    if (ahead == 0) ahead = 1 + draw_below(d, half);
    while (used[(s->middle + ahead) % n] == mark) ahead = ahead < half ? ahead + 1 : 1;
    return (s->middle + ahead) % n;
}

static void put_edge(const struct made_graph *g, int relation, int64_t x, int64_t y, struct rows *rows) {
    const char *name = RELATIONS[relation].name, *shown = RELATIONS[relation].shown;
    const char *about_x = g->about + g->about_at[x], *about_y = g->about + g->about_at[y];
    put_row(rows, "%s,%s,%i,%s,%i,%s", name, shown, x, about_x, y, about_y);
    put_row(rows, "%s,%s,%i,%s,%i,%s", name, shown, y, about_y, x, about_x);
}

static void put_node(const struct made_graph *g, int relation, int64_t node, int64_t *used, int64_t mark,
                     struct rows *rows) {
    enum node_kind from = RELATIONS[relation].from, to = RELATIONS[relation].to;
    struct surroundings s = {.middle = node * count_of(g, to) / count_of(g, from)};
    struct draws d = draws_begin(g->seed, DRAW_EDGES, (uint32_t)relation, node);
    topic_nodes(g, made_topic(g, node, count_of(g, from)), to, &s.first, &s.end);
    int64_t degree = g->degree[relation][node], n_near = (int64_t)(NEAR_SHARE * (double)degree + draw_uniform(&d));
    if (n_near > (s.end - s.first) / 2) n_near = (s.end - s.first) / 2;
    for (int64_t e = 0; e < degree; e++) {
        int64_t other = from == to ? draw_ahead(g, to, &s, e < n_near, &d, used, mark)
                                   : draw_other(g, to, &s, e < n_near, &d, used, mark);
        used[other] = mark;
        put_edge(g, relation, g->first[from] + node, g->first[to] + other, rows);
    }
}

void made_graph_put(const struct made_graph *g, int relation, int64_t first, int64_t end, int64_t *scratch,
                    struct rows *rows) {
    for (int64_t node = first; node < end; node++) {
        int64_t mark = 1 + relation * g->first[N_NODE_KINDS] + node; /* different for each node and relation */
        put_node(g, relation, node, scratch, mark, rows);
    }
}

/* ---- codes ---- */
int made_graph_list(const struct made_graph *g, const struct terminology *t, int64_t position,
                    int64_t nodes[MADE_MOST_LISTED]) {
    static const struct {
        enum node_kind kind;
        double share;
    } MORE[N_MADE_DOMAINS][MADE_MOST_LISTED - 1] = {[DOMAIN_CONDITION] = {{NODE_PHENOTYPE, 0.5}, {NODE_GENE, 0.25}},
                                                    [DOMAIN_DRUG] = {{NODE_GENE, 0.5}, {NODE_DISEASE, 0.25}},
                                                    [DOMAIN_PROCEDURE] = {{NODE_DISEASE, 0.5}, {NODE_PROCESS, 0.25}}};
    enum node_kind of_concepts = domain_nodes(t->domain);
    struct draws d = draws_begin(g->seed, DRAW_LISTED, (uint32_t)t->which, position);
    int64_t concept = t->concept[position], topic = made_topic(g, concept, count_of(g, of_concepts)), first, end;
    int n = 0;
    if (draw_is(&d, WITHOUT_NODES)) return 0;
    nodes[n++] = g->first[of_concepts] + concept;
    for (int i = 0; i < MADE_MOST_LISTED - 1; i++) {
        topic_nodes(g, topic, MORE[t->domain][i].kind, &first, &end);
        if (draw_is(&d, MORE[t->domain][i].share))
            nodes[n++] = g->first[MORE[t->domain][i].kind] + first + draw_below(&d, end - first);
    }
    return n;
}
