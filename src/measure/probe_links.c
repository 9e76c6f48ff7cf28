/* Links by node, then the codes at their ends. */
#include "measure/probe_links.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"

/* Other ends of the links of each node: other[first[v] .. first[v + 1]). */
struct ends_of_nodes {
    int64_t *first;
    int32_t *other;
};

static int index_ends(struct ends_of_nodes *e, int64_t n_nodes, int64_t n, const struct probe_link *links) {
    TRY(mem_alloc(&e->first, n_nodes + 2, sizeof *e->first));
    TRY(mem_alloc(&e->other, n, sizeof *e->other));
    int64_t *next = e->first + 1; /* one ahead: after filling, first[v + 1] is the end of v */
    for (int64_t i = 0; i < n; i++) next[links[i].x + 1]++;
    for (int64_t v = 0; v < n_nodes; v++) next[v + 1] += next[v];
    for (int64_t i = 0; i < n; i++) e->other[next[links[i].x]++] = links[i].y;
    return STATUS_OK;
}

/* What is needed while the answers of one query after the other are listed. */
struct listing {
    const struct probe_codes *codes;
    const struct ends_of_nodes *ends;
    int64_t *linked, *right; /* [n] query + 1 of what the graph links to the query; of its right answers */
};

static int list_codes(struct query_codes *list, int64_t query, int32_t code) {
    TRY(mem_grow(&list->codes, &list->capacity, list->offsets[query + 1] + 1, sizeof *list->codes));
    list->codes[list->offsets[query + 1]++] = code;
    return STATUS_OK;
}

/* Marks the codes at the other ends of the links of a code. */
static void mark_right(const struct listing *x, int32_t query) {
    const struct code_links *l = &x->codes->links;
    for (int64_t k = l->listed_offsets[query]; k < l->listed_offsets[query + 1]; k++)
        for (int64_t e = x->ends->first[l->listed[k]]; e < x->ends->first[l->listed[k] + 1]; e++) {
            int32_t node = x->ends->other[e];
            for (int64_t c = l->code_offsets[node]; c < l->code_offsets[node + 1]; c++)
                if (l->codes[c] != query) x->right[l->codes[c]] = query + 1;
        }
}

/* How training saw a right answer of a query, which the question about it says. */
enum sight { NOT_SEEN, NODE_IN_COMMON, STILL_LINKED, N_SIGHTS };
static const char *const SIGHT_NAMES[N_SIGHTS] = {
    [NOT_SEEN] = "", [NODE_IN_COMMON] = ", a node in common", [STILL_LINKED] = ", still linked"};

static enum sight sight_of(const struct code_links *l, int64_t query, int64_t answer) {
    if (code_links_share_a_node(l, query, answer)) return NODE_IN_COMMON;
    return code_links_join(l, query, answer) ? STILL_LINKED : NOT_SEEN;
}

/* Appends a query with its answers of a sight, ascending, if it has any. */
static int add_query(const struct listing *x, int32_t query, enum sight sight, struct probe_question *q,
                     int64_t *queries) {
    const struct probe_codes *c = x->codes;
    int64_t number = q->n_queries;
    q->targets.offsets[number + 1] = q->targets.offsets[number];
    q->known.offsets[number + 1] = q->known.offsets[number];
    mark_right(x, query);
    code_links_mark(&c->links, query, x->linked);
    for (int64_t i = 0; i < c->n; i++) {
        int is_right = x->right[i] == query + 1, is_linked = x->linked[i] == query + 1;
        if (!q->is_candidate[i] || (!is_right && !is_linked)) continue;
        int is_asked = is_right && sight_of(&c->links, query, i) == sight;
        TRY(list_codes(is_asked ? &q->targets : &q->known, number, (int32_t)i));
    }
    if (q->targets.offsets[number + 1] == q->targets.offsets[number]) return STATUS_OK;
    queries[q->n_queries++] = query;
    return STATUS_OK;
}

/* The codes that are asked: some that list an end, at most `most` of them, ascending. */
static int draw_queries(const struct listing *x, int64_t most, uint64_t seed, int64_t **codes, int64_t *n) {
    const struct code_links *l = &x->codes->links;
    *n = 0;
    TRY(mem_alloc(codes, x->codes->n, sizeof **codes));
    for (int64_t i = 0; i < x->codes->n; i++) {
        int has_end = 0;
        for (int64_t k = l->listed_offsets[i]; k < l->listed_offsets[i + 1]; k++)
            has_end |= x->ends->first[l->listed[k] + 1] > x->ends->first[l->listed[k]];
        if (has_end) (*codes)[(*n)++] = i;
    }
    return rng_draw(seed, RNG_PROBE_QUERY, most, *codes, n);
}

static int mark_candidates(const struct probe_codes *c, int64_t n, const struct probe_link *links,
                           struct probe_question *q) {
    TRY(mem_alloc(&q->is_candidate, c->n, 1));
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = c->links.code_offsets[links[i].y]; k < c->links.code_offsets[links[i].y + 1]; k++)
            q->is_candidate[c->links.codes[k]] = 1;
    for (int64_t i = 0; i < c->n; i++) q->n_candidates += q->is_candidate[i];
    return STATUS_OK;
}

static int fill(const struct listing *x, int64_t n, const struct probe_link *links, enum sight sight, int64_t most,
                uint64_t seed, struct probe_question *q) {
    int64_t *codes = NULL, n_codes;
    int status;
    TRY_DONE(draw_queries(x, most, seed, &codes, &n_codes));
    TRY_DONE(mark_candidates(x->codes, n, links, q));
    TRY_DONE(mem_alloc(&q->targets.offsets, n_codes + 2, sizeof *q->targets.offsets));
    TRY_DONE(mem_alloc(&q->known.offsets, n_codes + 2, sizeof *q->known.offsets));
    for (int64_t i = 0; i < n_codes; i++) TRY_DONE(add_query(x, (int32_t)codes[i], sight, q, codes));
    TRY_DONE(mem_alloc(&q->queries, q->n_queries, sizeof *q->queries));
    for (int64_t i = 0; i < q->n_queries; i++) q->queries[i] = (int32_t)codes[i];
done:
    free(codes);
    return status;
}

static int ask_direction(const struct probe_codes *c, const struct link_ends *ends, int64_t n,
                         const struct probe_link *links, enum sight sight, int64_t most, uint64_t seed,
                         struct question_list *questions) {
    struct probe_question q = {.kind = QUESTION_RANK};
    struct ends_of_nodes index = {0};
    struct listing x = {.codes = c, .ends = &index};
    int status;
    snprintf(q.name, sizeof q.name, "%.30s, %.20s to %.20s%s", ends->relation, ends->x_type[0] ? ends->x_type : "x",
             ends->y_type[0] ? ends->y_type : "y", SIGHT_NAMES[sight]);
    TRY_DONE(index_ends(&index, c->links.n_nodes, n, links));
    TRY_DONE(mem_alloc(&x.linked, c->n, sizeof *x.linked));
    TRY_DONE(mem_alloc(&x.right, c->n, sizeof *x.right));
    TRY_DONE(fill(&x, n, links, sight, most, seed, &q));
    if (q.n_queries > 0) {
        TRY_DONE(question_list_add(questions, &q));
        q = (struct probe_question){0};
    }
done:
    probe_question_free(&q);
    free(index.first);
    free(index.other);
    free(x.linked);
    free(x.right);
    return status;
}

int probe_questions_of_links(const struct probe_codes *c, const struct link_ends *ends, int64_t n,
                             const struct probe_link *links, int64_t most, uint64_t seed,
                             struct question_list *questions) {
    struct link_ends back = {ends->relation, ends->y_type, ends->x_type};
    struct probe_link *turned;
    int status = STATUS_OK;
    TRY(mem_alloc(&turned, n, sizeof *turned));
    for (int64_t i = 0; i < n; i++) turned[i] = (struct probe_link){links[i].y, links[i].x};
    for (enum sight sight = NOT_SEEN; sight < N_SIGHTS && status == STATUS_OK; sight++) {
        status = ask_direction(c, ends, n, links, sight, most, seed, questions);
        if (status == STATUS_OK && strcmp(ends->x_type, ends->y_type) != 0)
            status = ask_direction(c, &back, n, turned, sight, most, seed, questions);
    }
    free(turned);
    return status;
}
