/* A tree of all ancestors, the codes in its order, so that those below a node are a run; then pairs by node and distance. */
#include "measure/probe_hierarchy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "terms/code_hierarchy.h"

enum { MOST_DEPTH = CODE_FORM_BYTES, MOST_DISTANCE = 2 * MOST_DEPTH };

/* ---- ancestors ---- */
/* Strings of a code and of what stands above it, nearest first; the system last, as "". Returns how many. */
static int list_ancestors(const char *system, const char *form, int32_t chapter,
                          char names[MOST_DEPTH + 12][CODE_FORM_BYTES]) {
    enum code_system known = code_system(system);
    char value[CODE_FORM_BYTES];
    int n = 1;
    snprintf(names[0], CODE_FORM_BYTES, "%s", form);
    while (n < MOST_DEPTH && code_parent(system, names[n - 1], names[n], CODE_FORM_BYTES) > 0) n++;
    if (code_category(known, form, value) > 0 && strlen(value) < strlen(names[n - 1]))
        memcpy(names[n++], value, CODE_FORM_BYTES);
    for (int i = 8; i-- > 0;) /* from the finest up */
        if (code_string_class(known, i, form, value) && value[0] && strlen(value) < strlen(names[n - 1]))
            memcpy(names[n++], value, CODE_FORM_BYTES);
    if (chapter >= 0) snprintf(names[n++], CODE_FORM_BYTES, "chapter %d", chapter);
    names[n++][0] = 0;
    return n;
}

/* ---- the tree ---- */
struct tree {
    struct dictionary names;
    int32_t *parent, *depth; /* [nodes] the system: -1, 0 */
    long long parent_capacity, depth_capacity;
    int32_t *node;         /* [n] of the codes in hand */
    int64_t n, *code;      /* [n] in the order of the tree */
    int64_t *first, *size; /* [nodes] codes at and below a node: code[first .. first + size) */
    int32_t *node_at;      /* [n] of code[i] */
};

/* A node below another (-1: the first of all). */
static int add_node(struct tree *t, const char *name, int32_t parent, int32_t *number) {
    int64_t known = t->names.n;
    TRY(dictionary_add(&t->names, name, (int64_t)strlen(name), number));
    if (t->names.n == known) return STATUS_OK;
    TRY(mem_grow(&t->parent, &t->parent_capacity, t->names.n, sizeof *t->parent));
    TRY(mem_grow(&t->depth, &t->depth_capacity, t->names.n, sizeof *t->depth));
    t->parent[*number] = parent;
    t->depth[*number] = parent < 0 ? 0 : t->depth[parent] + 1;
    return STATUS_OK;
}

/* From the system down, so that a parent's number is less than its children's. */
static int add_code(struct tree *t, const char *system, const char *form, int32_t chapter, int32_t *node) {
    char names[MOST_DEPTH + 12][CODE_FORM_BYTES];
    int32_t parent = -1;
    for (int k = list_ancestors(system, form, chapter, names); k-- > 0; parent = *node)
        TRY(add_node(t, names[k], parent, node));
    return STATUS_OK;
}

static int add_codes(struct tree *t, const struct probe_codes *c, int system, const int32_t *chapters, int64_t *codes) {
    char form[CODE_FORM_BYTES];
    TRY(mem_alloc(&t->node, c->n, sizeof *t->node));
    for (int64_t i = 0; i < c->n; i++) {
        if (c->system[i] != system) continue;
        probe_code_form(c, i, form);
        if (strchr(form, '-') && c->is_above[i]) continue; /* a range of categories */
        TRY(add_code(t, c->systems[system], form, chapters ? chapters[i] : -1, &t->node[t->n]));
        codes[t->n++] = i;
    }
    return STATUS_OK;
}

static int sort_codes(struct tree *t, const int64_t *codes) {
    int64_t n_nodes = t->names.n, *next;
    TRY(mem_alloc(&t->code, t->n, sizeof *t->code));
    TRY(mem_alloc(&t->node_at, t->n, sizeof *t->node_at));
    TRY(mem_alloc(&t->first, n_nodes, sizeof *t->first));
    TRY(mem_alloc(&t->size, n_nodes, sizeof *t->size));
    TRY(mem_alloc(&next, n_nodes, sizeof *next));
    for (int64_t i = 0; i < t->n; i++) next[t->node[i]]++;
    for (int64_t v = n_nodes; v-- > 0;) {
        t->size[v] += next[v];
        if (t->parent[v] >= 0) t->size[t->parent[v]] += t->size[v];
    }
    for (int64_t v = 0; v < n_nodes;
         v++) { /* own codes first, then a run for each child; next: where the next child begins */
        int64_t own = next[v];
        if (t->parent[v] >= 0) {
            t->first[v] = next[t->parent[v]];
            next[t->parent[v]] += t->size[v];
        }
        next[v] = t->first[v] + own;
    }
    for (int64_t v = 0; v < n_nodes; v++) next[v] = t->first[v];
    for (int64_t i = 0; i < t->n; i++) {
        t->code[next[t->node[i]]] = codes[i];
        t->node_at[next[t->node[i]]++] = t->node[i];
    }
    free(next);
    return STATUS_OK;
}

static void tree_free(struct tree *t) {
    dictionary_free(&t->names);
    free(t->parent);
    free(t->depth);
    free(t->node);
    free(t->code);
    free(t->first);
    free(t->size);
    free(t->node_at);
}

/* ---- pairs ---- */
struct drawn_pair {
    int64_t a, b, number; /* codes, a < b; which draw */
    int32_t distance;
};

/* The number of draws makes each distance that there is come up often enough, in all but the rarest strata. */
enum { DRAWS_A_PAIR = 8 };

/* A code, one of what stands above it or itself, and a code below that but not below the same child. *distance 0: there is none. */
static struct drawn_pair draw_pair(const struct tree *t, uint64_t seed, uint64_t key) {
    struct drawn_pair pair = {.number = (int64_t)key};
    int64_t at = (int64_t)(rng_uniform(seed, RNG_PROBE_PAIR, 0, key) * (double)t->n);
    int32_t own = t->node_at[at], below = own, up = own;
    int levels = (int)(rng_uniform(seed, RNG_PROBE_PAIR, 1, key) * (double)(t->depth[own] + 1));
    for (int k = 0; k < levels; k++) {
        below = up;
        up = t->parent[up];
    }
    int64_t first = t->first[up], left_out = t->first[below], n_out = levels ? t->size[below] : 0;
    int64_t n = t->size[up] - n_out, other = first;
    if (n <= 0) return pair;
    other += (int64_t)(rng_uniform(seed, RNG_PROBE_PAIR, 2, key) * (double)n);
    if (other >= left_out) other += n_out;
    pair.a = t->code[at] < t->code[other] ? t->code[at] : t->code[other];
    pair.b = t->code[at] < t->code[other] ? t->code[other] : t->code[at];
    pair.distance = t->depth[own] + t->depth[t->node_at[other]] - 2 * t->depth[up];
    return pair;
}

static int by_pair(const void *a, const void *b) {
    const struct drawn_pair *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    if (x->a != y->a) return x->a < y->a ? -1 : 1;
    if (x->b != y->b) return x->b < y->b ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static int by_number(const void *a, const void *b) {
    const struct drawn_pair *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/* Each once, by distance and then in the order of the draws; how many. */
static int64_t unite_pairs(struct drawn_pair *pairs, int64_t n) {
    int64_t kept = 0;
    if (n == 0) return 0;
    qsort(pairs, (size_t)n, sizeof *pairs, by_pair);
    for (int64_t i = 0; i < n; i++)
        if (kept == 0 || pairs[kept - 1].distance != pairs[i].distance || pairs[kept - 1].a != pairs[i].a ||
            pairs[kept - 1].b != pairs[i].b)
            pairs[kept++] = pairs[i];
    qsort(pairs, (size_t)kept, sizeof *pairs, by_number);
    return kept;
}

/* How many of each distance's count make `most` in all, as even as can be: the rest of what a rare one lacks goes to the others. */
static void share_out(int64_t most, int64_t count[MOST_DISTANCE]) {
    int64_t quota[MOST_DISTANCE] = {0};
    for (int more = 1; more && most > 0;) {
        more = 0;
        for (int d = 0; d < MOST_DISTANCE && most > 0; d++) {
            if (quota[d] == count[d]) continue;
            quota[d]++;
            most--;
            more = 1;
        }
    }
    memcpy(count, quota, sizeof quota);
}

/* Takes the pairs that are kept to the front; how many, and of how many distances. */
static int64_t choose_pairs(struct drawn_pair *pairs, int64_t n, int64_t most, int *n_distances) {
    int64_t count[MOST_DISTANCE] = {0}, kept = 0;
    for (int64_t i = 0; i < n; i++) count[pairs[i].distance]++;
    share_out(most, count);
    *n_distances = 0;
    for (int d = 0; d < MOST_DISTANCE; d++) *n_distances += count[d] > 0;
    for (int64_t i = 0; i < n; i++)
        if (count[pairs[i].distance]-- > 0) pairs[kept++] = pairs[i];
    return kept;
}

/* ---- the question ---- */
/* The codes of the pairs become queries, and the pairs places among them. */
static int fill_question(struct probe_question *q, int64_t n_codes, int64_t n, const struct drawn_pair *pairs) {
    int32_t *place;
    TRY(mem_alloc(&q->pairs, n, sizeof *q->pairs));
    TRY(mem_alloc(&q->queries, 2 * n, sizeof *q->queries));
    TRY(mem_alloc(&place, n_codes, sizeof *place));
    for (int64_t i = 0; i < n; i++) place[pairs[i].a] = place[pairs[i].b] = 1;
    for (int64_t c = 0; c < n_codes; c++) {
        if (!place[c]) continue;
        q->queries[q->n_queries] = (int32_t)c;
        place[c] = (int32_t)q->n_queries++;
    }
    for (int64_t i = 0; i < n; i++)
        q->pairs[i] = (struct code_pair){place[pairs[i].a], place[pairs[i].b], pairs[i].distance};
    q->n_pairs = n;
    free(place);
    return STATUS_OK;
}

static int ask(const struct probe_codes *c, int system, const struct tree *t, int64_t most, uint64_t seed,
               struct question_list *questions) {
    struct probe_question q = {.kind = QUESTION_DISTANCE};
    struct drawn_pair *pairs;
    int64_t n = 0;
    int n_distances;
    TRY(mem_alloc(&pairs, DRAWS_A_PAIR * most, sizeof *pairs));
    for (int64_t i = 0; i < DRAWS_A_PAIR * most; i++) {
        pairs[n] = draw_pair(t, seed, (uint64_t)system << 40 | (uint64_t)i);
        n += pairs[n].distance > 0;
    }
    n = choose_pairs(pairs, unite_pairs(pairs, n), most, &n_distances);
    snprintf(q.name, sizeof q.name, "%.40s, hierarchy", c->systems[system]);
    int status = n_distances > 1 ? fill_question(&q, c->n, n, pairs) : STATUS_OK;
    free(pairs);
    if (status == STATUS_OK && q.n_pairs > 0)
        status = question_list_add(questions, &q);
    else
        probe_question_free(&q);
    return status;
}

int probe_question_of_hierarchy(const struct probe_codes *c, int system, const int32_t *chapters, int64_t most,
                                uint64_t seed, struct question_list *questions) {
    struct tree t = {0};
    int64_t *codes = NULL;
    int status;
    TRY_DONE(mem_alloc(&codes, c->n, sizeof *codes));
    TRY_DONE(add_codes(&t, c, system, chapters, codes));
    TRY_DONE(sort_codes(&t, codes));
    if (t.n > 1) status = ask(c, system, &t, most, seed, questions);
done:
    tree_free(&t);
    free(codes);
    return status;
}
