/* MulT-EHR's graphs, made sample by sample on the host. */
#include "ehr/models/mult_ehr_input.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"

/* That a code is told in a visit. */
struct graph_edge {
    int32_t type, code, token;
    int32_t visit; /* row among the batch's visits */
    int32_t node;  /* row among the batch's codes of the type */
    int32_t any;   /* row among its codes of all types */
};

struct graph_visit {
    int32_t sample, age;
    int32_t n_codes;
};

/* The batch's, and one sample's visits; memory is reused. */
struct mult_ehr_graph {
    struct visits visits;
    struct graph_edge *edges; /* [n_edges] by sample, type, code, visit */
    struct graph_visit *visit;
    int32_t *facts, *tokens; /* tokens: room for a list */
    long long n_edges, n_visits, n_facts, edges_capacity, visit_capacity, facts_capacity, tokens_capacity;
    int64_t *edges_of, *visits_of, *facts_of; /* [samples + 1] where each begins */
    int64_t *nodes_of[N_NODE_TYPES];          /* [samples + 1]; of patients and visits unused */
    long long of_capacity[3 + N_NODE_TYPES];
    int64_t n_nodes[N_NODE_TYPES], n_any; /* of codes */
};

struct relation mult_ehr_relation(int number) {
    enum node_type other = number < 2 ? NODE_PATIENT : (enum node_type)(NODE_FIRST_CODE + (number - 2) / 2);
    return number % 2 == 0 ? (struct relation){other, NODE_VISIT} : (struct relation){NODE_VISIT, other};
}

enum node_type mult_ehr_node_type(uint8_t code_kind) {
    switch (code_kind) {
        case CODE_KIND_DIAGNOSIS: return NODE_DIAGNOSIS;
        case CODE_KIND_PROCEDURE: return NODE_PROCEDURE;
        case CODE_KIND_DRUG: return NODE_PRESCRIPTION;
        default: return NODE_OTHER;
    }
}

/* ---- a sample's graph ---- */
static int add_fact(struct mult_ehr_graph *g, int32_t token) {
    TRY(mem_grow(&g->facts, &g->facts_capacity, g->n_facts + 1, sizeof *g->facts));
    g->facts[g->n_facts++] = token;
    return STATUS_OK;
}

static int add_visit(struct mult_ehr_graph *g, int64_t sample, int32_t age, int64_t n_codes) {
    TRY(mem_grow(&g->visit, &g->visit_capacity, g->n_visits + 1, sizeof *g->visit));
    g->visit[g->n_visits++] = (struct graph_visit){(int32_t)sample, age, (int32_t)n_codes};
    return STATUS_OK;
}

static int add_edges(struct mult_ehr_graph *g, const struct visit_code *codes, int64_t n) {
    TRY(mem_grow(&g->edges, &g->edges_capacity, g->n_edges + n, sizeof *g->edges));
    for (int64_t i = 0; i < n; i++)
        g->edges[g->n_edges++] = (struct graph_edge){.type = (int32_t)mult_ehr_node_type(codes[i].kind),
                                                     .code = codes[i].code,
                                                     .token = codes[i].token,
                                                     .visit = (int32_t)(g->n_visits - 1)};
    return STATUS_OK;
}

static int by_node(const void *a, const void *b) {
    const struct graph_edge *x = a, *y = b;
    if (x->type != y->type) return x->type < y->type ? -1 : 1;
    if (x->code != y->code) return x->code < y->code ? -1 : 1;
    return (x->visit > y->visit) - (x->visit < y->visit);
}

/* Sorts the edges of the sample that was added last, and numbers its codes. */
static void number_nodes(struct mult_ehr_graph *g, long long first) {
    struct graph_edge *e = g->edges + first;
    long long n = g->n_edges - first;
    if (n > 0) qsort(e, (size_t)n, sizeof *e, by_node);
    for (long long i = 0; i < n; i++) {
        if (i == 0 || e[i].type != e[i - 1].type || e[i].code != e[i - 1].code) g->n_nodes[e[i].type]++, g->n_any++;
        e[i].node = (int32_t)(g->n_nodes[e[i].type] - 1);
        e[i].any = (int32_t)(g->n_any - 1);
    }
}

static int add_sample(struct mult_ehr_graph *g, int64_t sample, const struct sample_history *h,
                      const struct ehr_options *o) {
    long long first_edge = g->n_edges, first_visit = g->n_visits, first_fact = g->n_facts;
    int64_t dated = 0;
    TRY(visits_make(&g->visits, h, o));
    for (long long v = 0; v < g->visits.n; v++)
        if (!g->visits.visits[v].is_static) dated += g->visits.visits[v].n;
    for (long long v = 0; v < g->visits.n; v++) {
        const struct visit *x = &g->visits.visits[v];
        const struct visit_code *codes = g->visits.codes + x->first;
        if (x->is_static) {
            for (int64_t i = 0; i < x->n && g->n_facts - first_fact < o->max_length / 2; i++)
                TRY(add_fact(g, codes[i].token));
            continue;
        }
        int64_t skip = dated > o->max_length ? dated - o->max_length : 0;
        dated -= x->n;
        if (skip >= x->n) continue;
        TRY(add_visit(g, sample, x->age, x->n - skip));
        TRY(add_edges(g, codes + skip, x->n - skip));
    }
    if (g->n_visits == first_visit) TRY(add_visit(g, sample, 0, 0));
    number_nodes(g, first_edge);
    return STATUS_OK;
}

static int make_graph(struct mult_ehr_graph *g, const struct ehr_batch *b, const struct ehr_options *o) {
    int64_t **of[] = {&g->edges_of, &g->visits_of, &g->facts_of};
    for (int i = 0; i < 3; i++) TRY(mem_grow(of[i], &g->of_capacity[i], b->n + 1, sizeof **of[i]));
    for (int t = 0; t < N_NODE_TYPES; t++)
        TRY(mem_grow(&g->nodes_of[t], &g->of_capacity[3 + t], b->n + 1, sizeof *g->nodes_of[t]));
    g->n_edges = g->n_visits = g->n_facts = g->n_any = 0;
    memset(g->n_nodes, 0, sizeof g->n_nodes);
    for (int64_t i = 0; i <= b->n; i++) {
        g->edges_of[i] = g->n_edges;
        g->visits_of[i] = g->n_visits;
        g->facts_of[i] = g->n_facts;
        for (int t = 0; t < N_NODE_TYPES; t++) g->nodes_of[t][i] = g->n_nodes[t];
        if (i == b->n) break;
        struct sample_history h = sample_set_history(b->set, b->which[i]);
        TRY(add_sample(g, i, &h, o));
    }
    g->n_nodes[NODE_PATIENT] = b->n;
    g->n_nodes[NODE_VISIT] = g->n_visits;
    return STATUS_OK;
}

/* ---- for tasks ---- */
static int pack_offsets(struct pack *pack, int64_t n, const int64_t *offsets, dev_int *to) {
    int32_t *host;
    TRY(pack_ints(pack, n + 1, &host, to));
    for (int64_t i = 0; i <= n; i++) host[i] = (int32_t)(offsets ? offsets[i] : i);
    return STATUS_OK;
}

static int pack_nodes(struct mult_ehr_input *in, struct pack *pack, const struct ehr_batch *b) {
    const struct mult_ehr_graph *g = in->graph;
    for (int t = 0; t < N_NODE_TYPES; t++) {
        const int64_t *offsets = t == NODE_PATIENT ? NULL : t == NODE_VISIT ? g->visits_of : g->nodes_of[t];
        int32_t *keys;
        in->nodes[t].rows = (struct ragged){.n = b->n, .n_rows = g->n_nodes[t]};
        TRY(pack_offsets(pack, b->n, offsets, &in->nodes[t].rows.offsets));
        TRY(pack_ints(pack, b->n, &keys, &in->nodes[t].keys));
        for (int64_t i = 0; i < b->n; i++) keys[i] = (int32_t)b->set->number[b->which[i]];
    }
    return STATUS_OK;
}

/* Between patients and visits: those of a patient lie side by side. */
static int pack_visit_edges(struct mult_ehr_input *in, struct pack *pack, int64_t n) {
    const struct mult_ehr_graph *g = in->graph;
    int32_t *patient, *visit, *age, *last;
    in->edges[0].n = in->edges[1].n = g->n_visits;
    TRY(pack_offsets(pack, g->n_visits, NULL, &in->edges[0].offsets));
    TRY(pack_ints(pack, g->n_visits, &patient, &in->edges[0].sources));
    TRY(pack_offsets(pack, n, g->visits_of, &in->edges[1].offsets));
    TRY(pack_ints(pack, g->n_visits, &visit, &in->edges[1].sources));
    TRY(pack_ints(pack, g->n_visits, &age, &in->age));
    TRY(pack_ints(pack, n, &last, &in->last));
    for (long long v = 0; v < g->n_visits; v++) {
        patient[v] = g->visit[v].sample;
        visit[v] = (int32_t)v;
        age[v] = g->visit[v].age;
    }
    for (int64_t i = 0; i < n; i++) last[i] = (int32_t)(g->visits_of[i + 1] - 1);
    return STATUS_OK;
}

/* To the codes of a type the edges lie in their order; to the visits they are counted out. */
static int pack_code_edges(struct mult_ehr_input *in, struct pack *pack, int type) {
    const struct mult_ehr_graph *g = in->graph;
    int number = 2 * (type - NODE_VISIT);
    struct edges *to_visit = &in->edges[number], *to_code = &in->edges[number + 1];
    int32_t *by_visit, *by_code, *codes, *visits, n = 0;
    for (long long e = 0; e < g->n_edges; e++) n += g->edges[e].type == type;
    to_visit->n = to_code->n = n;
    TRY(pack_ints(pack, g->n_visits + 1, &by_visit, &to_visit->offsets));
    TRY(pack_ints(pack, n, &codes, &to_visit->sources));
    TRY(pack_ints(pack, g->n_nodes[type] + 1, &by_code, &to_code->offsets));
    TRY(pack_ints(pack, n, &visits, &to_code->sources));
    memset(by_visit, 0, (size_t)(g->n_visits + 1) * sizeof *by_visit);
    n = 0;
    for (long long e = 0; e < g->n_edges; e++) {
        if (g->edges[e].type != type) continue;
        visits[n++] = g->edges[e].visit;
        by_visit[g->edges[e].visit]++;
        by_code[g->edges[e].node + 1] = n;
    }
    by_code[0] = 0;
    for (int32_t v = 0, end = 0; v <= g->n_visits; v++) by_visit[v] = end += by_visit[v]; /* the last is 0 */
    for (long long e = g->n_edges - 1; e >= 0; e--)
        if (g->edges[e].type == type) codes[--by_visit[g->edges[e].visit]] = g->edges[e].node;
    return STATUS_OK;
}

static int pack_tokens(struct code_list *list, struct pack *pack, const struct mult_ehr_terms *terms,
                       struct mult_ehr_graph *g, int type) {
    TRY(mem_grow(&g->tokens, &g->tokens_capacity, g->n_any, sizeof *g->tokens));
    for (long long e = 0; e < g->n_edges; e++) {
        if (type == N_NODE_TYPES) g->tokens[g->edges[e].any] = g->edges[e].token;
        if (type == g->edges[e].type) g->tokens[g->edges[e].node] = g->edges[e].token;
    }
    return code_list_pack(list, pack, terms->rows, type == N_NODE_TYPES ? g->n_any : g->n_nodes[type], g->tokens);
}

static int pack_columns(struct mult_ehr_input *in, struct pack *pack, const struct ehr_options *o) {
    int32_t *each, *head;
    TRY(pack_ints(pack, o->dim, &each, &in->each));
    TRY(pack_ints(pack, o->dim, &head, &in->head));
    for (int64_t c = 0; c < o->dim; c++) {
        each[c] = (int32_t)c;
        head[c] = (int32_t)(c / (o->dim / o->heads));
    }
    return STATUS_OK;
}

static int pack_task(const struct mult_ehr_terms *terms, struct pack *pack, const struct ehr_batch *b,
                     struct mult_ehr_input *in) {
    struct mult_ehr_graph *g = in->graph;
    int32_t *index;
    TRY(pack_nodes(in, pack, b));
    TRY(pack_visit_edges(in, pack, b->n));
    for (int t = NODE_FIRST_CODE; t < N_NODE_TYPES; t++) {
        TRY(pack_code_edges(in, pack, t));
        TRY(pack_tokens(&in->codes[t - NODE_FIRST_CODE], pack, terms, g, t));
    }
    TRY(code_list_pack(&in->facts, pack, terms->rows, g->n_facts, g->facts));
    in->facts_of = (struct bag){.items = {.n = b->n, .n_rows = g->n_facts}};
    TRY(pack_offsets(pack, b->n, g->facts_of, &in->facts_of.items.offsets));
    TRY(pack_ints(pack, g->n_facts, &index, &in->facts_of.index));
    for (long long i = 0; i < g->n_facts; i++) index[i] = (int32_t)i;
    return pack_columns(in, pack, terms->options);
}

/* ---- for TransE ---- */
/* A pair that was drawn, and the first of its negatives. */
struct drawn_pair {
    const struct graph_edge *edge;
    int32_t patient, negative;
    int in_visit, in_others; /* whether its visit has other codes, and its patient other visits */
};

static int64_t draw(const struct mult_ehr_terms *terms, uint32_t stream, uint32_t step, int64_t number, int64_t at,
                    int64_t n) {
    return (int64_t)(rng_uniform(terms->seed, stream, step, (uint64_t)number << 20 | (uint64_t)at) * (double)n);
}

/* Pairs of all subjects, and tokens[TRANSE_NEGATIVES] of each. */
static int64_t draw_pairs(const struct mult_ehr_terms *terms, const struct mult_ehr_graph *g, const struct ehr_batch *b,
                          struct drawn_pair *pairs, int32_t *tokens) {
    int64_t n = 0;
    for (int64_t i = 0; i < b->n; i++) {
        int64_t edges = g->edges_of[i + 1] - g->edges_of[i], number = b->set->number[b->which[i]];
        if (edges < 2) continue; /* one code has no head */
        for (int64_t p = 0; p < TRANSE_PAIRS && p < edges; p++) {
            const struct graph_edge *e = &g->edges[g->edges_of[i] + draw(terms, RNG_TRANSE, b->step, number, p, edges)];
            int type = e->type - NODE_FIRST_CODE;
            if (terms->drawn[type].n == 0 || e->token < TOKEN_FIRST_CODE) continue;
            for (int64_t k = 0; k < TRANSE_NEGATIVES; k++)
                tokens[n * TRANSE_NEGATIVES + k] = terms->drawn[type].tokens[draw(
                    terms, RNG_TRANSE_NEGATIVE, b->step, number, p * TRANSE_NEGATIVES + k, terms->drawn[type].n)];
            pairs[n] = (struct drawn_pair){e, (int32_t)i, (int32_t)(n * TRANSE_NEGATIVES),
                                           g->visit[e->visit].n_codes > 1, g->visits_of[i + 1] - g->visits_of[i] > 1};
            n++;
        }
    }
    return n;
}

/* Which codes a visit has, and which visits a patient. */
static int pack_bags(struct transe_input *t, struct pack *pack, const struct mult_ehr_graph *g, int64_t n) {
    int32_t *offsets, *codes, *visits;
    t->visits = (struct bag){.items = {.n = g->n_visits, .n_rows = g->n_edges}};
    t->patients = (struct bag){.items = {.n = n, .n_rows = g->n_visits}};
    TRY(pack_ints(pack, g->n_visits + 1, &offsets, &t->visits.items.offsets));
    TRY(pack_ints(pack, g->n_edges, &codes, &t->visits.index));
    TRY(pack_offsets(pack, n, g->visits_of, &t->patients.items.offsets));
    TRY(pack_ints(pack, g->n_visits, &visits, &t->patients.index));
    offsets[g->n_visits] = (int32_t)g->n_edges;
    for (int32_t v = 0, end = 0; v < g->n_visits; v++) offsets[v] = end += g->visit[v].n_codes, visits[v] = v;
    for (long long e = g->n_edges - 1; e >= 0; e--) codes[--offsets[g->edges[e].visit]] = g->edges[e].any;
    return STATUS_OK;
}

static int pack_questions(struct transe_input *t, struct pack *pack, const struct drawn_pair *pairs, int64_t n) {
    int32_t *visit, *patient, *code, *left_out, *relation, *question, *negative;
    real *sign;
    int64_t q = 0, most = t->n_questions, answers = most * TRANSE_NEGATIVES;
    TRY(pack_ints(pack, most, &visit, &t->visit));
    TRY(pack_reals(pack, most, &sign, &t->sign));
    TRY(pack_ints(pack, most, &patient, &t->patient));
    TRY(pack_ints(pack, most, &code, &t->code));
    TRY(pack_ints(pack, most, &left_out, &t->left_out));
    TRY(pack_ints(pack, 2 * most, &relation, &t->relations.index));
    TRY(pack_ints(pack, answers, &question, &t->question));
    TRY(pack_ints(pack, answers, &negative, &t->negative));
    t->relations.items = (struct ragged){.n = most, .n_rows = 2 * most};
    t->n_answers = answers;
    for (int64_t i = 0; i < n; i++)
        for (int others = 0; others < 2; others++) {
            const struct drawn_pair *p = &pairs[i];
            if (!(others ? p->in_others : p->in_visit)) continue;
            visit[q] = p->edge->visit;
            sign[q] = others ? -1 : 1;
            patient[q] = others ? p->patient : -1;
            code[q] = p->edge->any;
            left_out[q] = others ? -1 : p->edge->any;
            relation[2 * q] = 1 + p->edge->type - NODE_FIRST_CODE;
            relation[2 * q + 1] = others ? 0 : -1;
            for (int64_t k = 0; k < TRANSE_NEGATIVES; k++) {
                question[q * TRANSE_NEGATIVES + k] = (int32_t)q;
                negative[q * TRANSE_NEGATIVES + k] = p->negative + (int32_t)k;
            }
            q++;
        }
    return STATUS_OK;
}

static int pack_pretrain(const struct mult_ehr_terms *terms, struct pack *pack, const struct ehr_batch *b,
                         struct mult_ehr_input *in, struct drawn_pair *pairs, int32_t *tokens) {
    struct transe_input *t = &in->transe;
    int64_t n = draw_pairs(terms, in->graph, b, pairs, tokens);
    t->n_visits = in->graph->n_visits;
    t->n_questions = 0;
    for (int64_t i = 0; i < n; i++) t->n_questions += pairs[i].in_visit + pairs[i].in_others;
    TRY(pack_tokens(&t->codes, pack, terms, in->graph, N_NODE_TYPES));
    TRY(code_list_pack(&t->negatives, pack, terms->rows, n * TRANSE_NEGATIVES, tokens));
    TRY(pack_bags(t, pack, in->graph, b->n));
    return pack_questions(t, pack, pairs, n);
}

int mult_ehr_pack(const struct mult_ehr_terms *terms, struct pack *pack, const struct ehr_batch *b,
                  enum ehr_stage stage, struct mult_ehr_input *in) {
    struct drawn_pair *pairs = NULL;
    int32_t *tokens = NULL;
    if (!in->graph) TRY(mem_alloc(&in->graph, 1, sizeof *in->graph));
    TRY(make_graph(in->graph, b, terms->options));
    if (stage == STAGE_TASK) return pack_task(terms, pack, b, in);
    int status = mem_alloc(&pairs, b->n * TRANSE_PAIRS, sizeof *pairs);
    if (status == STATUS_OK) status = mem_alloc(&tokens, b->n * TRANSE_PAIRS * TRANSE_NEGATIVES, sizeof *tokens);
    if (status == STATUS_OK) status = pack_pretrain(terms, pack, b, in, pairs, tokens);
    free(pairs);
    free(tokens);
    return status;
}

void mult_ehr_free_input(struct mult_ehr_input *in) {
    struct mult_ehr_graph *g = in->graph;
    if (!g) return;
    visits_free(&g->visits);
    free(g->edges);
    free(g->visit);
    free(g->facts);
    free(g->tokens);
    free(g->edges_of);
    free(g->visits_of);
    free(g->facts_of);
    for (int t = 0; t < N_NODE_TYPES; t++) free(g->nodes_of[t]);
    free(g);
    in->graph = NULL;
}
