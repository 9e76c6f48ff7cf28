/* One pass over the vocabulary, then lists of codes. */
#include "measure/probe_codes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/rng.h"
#include "base/status.h"

/* ---- reading ---- */
static int system_number(struct probe_codes *c, const char *name) {
    for (int s = 0; s < c->n_systems; s++)
        if (strncmp(c->systems[s], name, PROBE_SYSTEM_BYTES - 1) == 0) return s;
    if (c->n_systems == PROBE_MOST_SYSTEMS) return PROBE_MOST_SYSTEMS - 1;
    snprintf(c->systems[c->n_systems], PROBE_SYSTEM_BYTES, "%s", name);
    return c->n_systems++;
}

static int add_category(struct probe_codes *c, int64_t i, const char *name, const char *system, const char *code) {
    char category[CODE_FORM_BYTES], probe[CODE_FORM_BYTES], full[CODE_NAME_BYTES];
    enum code_system known = code_system(system);
    const char *of = name;
    if (code_category(known, code, category)) {
        snprintf(full, sizeof full, "%s/%s//", code_system_of(known), category);
        of = full;
    } else {
        c->is_above[i] = known != SYSTEM_NDC && code_category(known, "E000000000", probe) > 0;
    }
    return dictionary_add(&c->categories, of, (int64_t)strlen(of), &c->category[i]);
}

static int add_code(struct probe_codes *c, int64_t i, const char *system, const char *code) {
    char name[CODE_NAME_BYTES];
    int64_t known = c->names.n;
    code_name_make(system, code, name);
    c->system[i] = (uint8_t)system_number(c, code_system_name(system));
    TRY(dictionary_add(&c->names, name, (int64_t)strlen(name), &c->name[i]));
    if (c->names.n > known) c->code_of_name[c->name[i]] = (int32_t)i;
    return add_category(c, i, name, system, code);
}

static int add_piece(struct probe_codes *c, const struct vocabulary *v) {
    for (int64_t i = 0; i < v->n_codes; i++)
        TRY(add_code(c, v->first + i, vocabulary_system(v, i), vocabulary_code(v, i)));
    TRY(code_ancestors_add(&c->ancestors, v));
    return code_links_add(&c->links, v);
}

int probe_codes_read(struct probe_codes *c, const char *path) {
    enum { PIECE = 16384 };
    struct vocabulary piece;
    *c = (struct probe_codes){0};
    TRY(vocabulary_read_sizes(path, &piece));
    c->n = piece.n_codes_total;
    TRY(code_links_make(&c->links, c->n, vocabulary_graph_nodes(&piece)));
    TRY(code_ancestors_make(&c->ancestors, c->n, &piece));
    TRY(mem_alloc(&c->name, c->n, sizeof *c->name));
    TRY(mem_alloc(&c->code_of_name, c->n, sizeof *c->code_of_name));
    TRY(mem_alloc(&c->system, c->n, 1));
    TRY(mem_alloc(&c->category, c->n, sizeof *c->category));
    TRY(mem_alloc(&c->is_above, c->n, 1));
    for (int64_t first = 0; first < c->n; first += PIECE) {
        TRY(vocabulary_read(path, first, c->n - first < PIECE ? c->n - first : PIECE,
                            VOCABULARY_NAMES | VOCABULARY_GRAPHS, &piece));
        int status = add_piece(c, &piece);
        vocabulary_free(&piece);
        TRY(status);
        TRY(interrupt_poll());
    }
    TRY(code_ancestors_finish(&c->ancestors));
    return code_links_finish(&c->links);
}

void probe_codes_free(struct probe_codes *c) {
    dictionary_free(&c->names);
    dictionary_free(&c->categories);
    code_links_free(&c->links);
    code_ancestors_free(&c->ancestors);
    free(c->name);
    free(c->code_of_name);
    free(c->system);
    free(c->category);
    free(c->is_above);
    *c = (struct probe_codes){0};
}

/* ---- bags ---- */
int probe_codes_node_bags(const struct probe_codes *c, struct bags *bags) {
    int32_t *items = NULL;
    float *weights = NULL;
    long long item_capacity = 0, weight_capacity = 0;
    int status = bags_make(bags, c->n, c->links.n_nodes);
    for (int64_t i = 0; i < c->n && status == STATUS_OK; i++) {
        int64_t first = c->links.listed_offsets[i], n = c->links.listed_offsets[i + 1] - first;
        status = mem_grow(&items, &item_capacity, n + 1, sizeof *items);
        if (status == STATUS_OK) status = mem_grow(&weights, &weight_capacity, n + 1, sizeof *weights);
        for (int64_t k = 0; k < n && status == STATUS_OK; k++) {
            items[k] = c->links.listed[first + k];
            weights[k] = 1;
        }
        if (status == STATUS_OK) status = bags_add(bags, n, items, weights);
    }
    free(items);
    free(weights);
    return status;
}

/* ---- classes ---- */
/* The name of a code, ended by a zero. */
void probe_code_name(const struct probe_codes *c, int64_t i, char name[CODE_NAME_BYTES]) {
    const struct dictionary *d = &c->names;
    int64_t at = d->offsets[c->name[i]], size = d->offsets[c->name[i] + 1] - at;
    memcpy(name, d->bytes + at, (size_t)size);
    name[size] = 0;
}

void probe_code_form(const struct probe_codes *c, int64_t code, char form[CODE_FORM_BYTES]) {
    char name[CODE_NAME_BYTES];
    probe_code_name(c, code, name);
    snprintf(form, CODE_FORM_BYTES, "%s", strchr(name, '/') + 1);
}

int probe_codes_prefix_bags(const struct probe_codes *c, struct bags *bags) {
    struct dictionary prefixes = {0};
    int status = bags_make(bags, c->n, 0);
    for (int64_t i = 0; i < c->n && status == STATUS_OK; i++) {
        char name[CODE_NAME_BYTES];
        int32_t items[CODE_FORM_BYTES];
        float weights[CODE_FORM_BYTES];
        int64_t n = 0;
        probe_code_name(c, i, name);
        const char *form = strchr(name, '/') + 1;
        for (int64_t size = (int64_t)strlen(form); n < size && n < CODE_FORM_BYTES && status == STATUS_OK; n++) {
            weights[n] = 1;
            status = dictionary_add(&prefixes, form, n + 1, &items[n]);
        }
        if (status == STATUS_OK) status = bags_add(bags, n, items, weights);
    }
    bags->n_items = prefixes.n;
    dictionary_free(&prefixes);
    return status;
}

int code_classes_of_strings(const struct probe_codes *c, int system, int number, struct code_classes *classes,
                            int *found) {
    char name[CODE_NAME_BYTES], value[CODE_FORM_BYTES];
    enum code_system known = code_system(c->systems[system]);
    struct dictionary values = {0};
    const char *title = code_string_class(known, number, "", value);
    int status;
    *found = title != NULL;
    *classes = (struct code_classes){0};
    if (!title) return STATUS_OK;
    snprintf(classes->name, sizeof classes->name, "%s", title);
    TRY(mem_alloc(&classes->class_of, c->n, sizeof *classes->class_of));
    for (int64_t i = 0; i < c->n; i++) {
        classes->class_of[i] = -1;
        if (c->system[i] != system) continue;
        probe_code_name(c, i, name);
        code_string_class(known, number, strchr(name, '/') + 1, value);
        if (value[0]) TRY_DONE(dictionary_add(&values, value, (int64_t)strlen(value), &classes->class_of[i]));
    }
    status = STATUS_OK;
done:
    dictionary_free(&values);
    return status;
}

int code_classes_of_names(const struct probe_codes *c, const int32_t *names_class, struct code_classes *classes) {
    TRY(mem_alloc(&classes->class_of, c->n, sizeof *classes->class_of));
    for (int64_t i = 0; i < c->n; i++) classes->class_of[i] = names_class[c->name[i]];
    return STATUS_OK;
}

/* ---- lists of queries ---- */
int probe_question_draw(struct probe_question *q, int64_t *codes, int64_t n, int64_t most, uint64_t seed) {
    TRY(rng_draw(seed, RNG_PROBE_QUERY, most, codes, &n));
    q->n_queries = n;
    TRY(mem_alloc(&q->queries, n, sizeof *q->queries));
    for (int64_t i = 0; i < n; i++) q->queries[i] = (int32_t)codes[i];
    return STATUS_OK;
}

int question_list_add(struct question_list *list, const struct probe_question *q) {
    TRY(mem_grow(&list->items, &list->capacity, list->n + 1, sizeof *list->items));
    struct probe_question *added = &list->items[list->n++];
    int same = 1;
    *added = *q;
    for (long long i = 0; i + 1 < list->n; i++) { /* two maps between the same systems */
        if (strcmp(list->items[i].name, added->name) != 0) continue;
        snprintf(added->name, sizeof added->name, "%.80s (%d)", q->name, ++same);
        i = -1;
    }
    return STATUS_OK;
}

void question_list_free(struct question_list *list) {
    for (long long i = 0; i < list->n; i++) probe_question_free(&list->items[i]);
    free(list->items);
    *list = (struct question_list){0};
}

/* ---- within a system ---- */
static int has_class(int n_classes, const struct code_classes *classes, int64_t code) {
    for (int k = 0; k < n_classes; k++)
        if (classes[k].class_of[code] >= 0) return 1;
    return 0;
}

int probe_question_tells(const struct probe_question *q, const int32_t *class_of) {
    int32_t first = -1;
    for (int64_t i = 0; i < q->n_queries; i++) {
        int32_t class = class_of[q->queries[i]];
        if (class < 0 || class == first) continue;
        if (first >= 0) return 1;
        first = class;
    }
    return 0;
}

static int tells_any(const struct probe_question *q, int n_classes, const struct code_classes *classes) {
    for (int k = 0; k < n_classes; k++)
        if (probe_question_tells(q, classes[k].class_of)) return 1;
    return 0;
}

int probe_question_of_system(const struct probe_codes *c, int system, int n_classes, const struct code_classes *classes,
                             int64_t most, uint64_t seed, struct question_list *questions) {
    struct probe_question q = {.kind = QUESTION_NEAREST, .category = c->category};
    int64_t *codes, n = 0;
    TRY(mem_alloc(&codes, c->n, sizeof *codes));
    int status = mem_alloc(&q.is_candidate, c->n, 1);
    for (int64_t i = 0; i < c->n && status == STATUS_OK; i++) {
        if (c->system[i] != system || c->is_above[i] || !has_class(n_classes, classes, i)) continue;
        q.n_candidates += q.is_candidate[i] = 1;
        codes[n++] = i;
    }
    snprintf(q.name, sizeof q.name, "%s", c->systems[system]);
    if (status == STATUS_OK) status = probe_question_draw(&q, codes, n, most, seed);
    free(codes);
    if (status == STATUS_OK && tells_any(&q, n_classes, classes))
        status = question_list_add(questions, &q);
    else
        probe_question_free(&q);
    return status;
}

/* ---- what the graph holds ---- */
/* Whether `other` is a right answer to query number i of QUESTION_NEAREST. */
static int is_answer(const struct probe_codes *c, const struct probe_question *q, int64_t i, const int32_t *class_of,
                     int64_t other) {
    int32_t query = q->queries[i];
    return q->is_candidate[other] && class_of[other] == class_of[query] && c->category[other] != c->category[query];
}

static int are_linked(const struct probe_codes *c, int64_t a, int64_t b) {
    return code_links_share_a_node(&c->links, a, b) || code_links_join(&c->links, a, b);
}

/* mark: code_links_mark was called for the query. */
static int answer_is_linked(const struct probe_codes *c, const struct probe_question *q, int64_t i,
                            const int32_t *class_of, const int64_t *mark) {
    int32_t query = q->queries[i];
    if (q->kind == QUESTION_RANK) {
        for (int64_t k = q->targets.offsets[i]; k < q->targets.offsets[i + 1]; k++)
            if (are_linked(c, query, q->targets.codes[k])) return 1;
        return 0;
    }
    for (int64_t other = 0; other < c->n; other++)
        if (mark[other] == query + 1 && is_answer(c, q, i, class_of, other)) return 1;
    return 0;
}

static int answer_is_below_the_same(const struct probe_codes *c, const struct probe_question *q, int64_t i,
                                    const int32_t *class_of) {
    const struct code_ancestors *a = &c->ancestors;
    int32_t query = q->queries[i];
    if (a->n_nodes == 0) return 0;
    if (q->kind == QUESTION_RANK) {
        for (int64_t k = q->targets.offsets[i]; k < q->targets.offsets[i + 1]; k++)
            if (code_ancestors_share(a, query, q->targets.codes[k])) return 1;
        return 0;
    }
    for (int64_t k = a->offsets[query]; k < a->offsets[query + 1]; k++)
        for (int64_t e = a->code_offsets[a->nodes[k]]; e < a->code_offsets[a->nodes[k] + 1]; e++)
            if (is_answer(c, q, i, class_of, a->codes[e])) return 1;
    return 0;
}

/* Of pairs. */
static double pairs_seen(const struct probe_codes *c, const struct probe_question *q) {
    int64_t n = 0;
    for (int64_t i = 0; i < q->n_pairs; i++) {
        int32_t a = q->queries[q->pairs[i].a], b = q->queries[q->pairs[i].b];
        n += are_linked(c, a, b) || (c->ancestors.n_nodes > 0 && code_ancestors_share(&c->ancestors, a, b));
    }
    return q->n_pairs > 0 ? (double)n / (double)q->n_pairs : NAN;
}

int probe_question_seen(const struct probe_codes *c, const struct probe_question *q, const int32_t *class_of,
                        double *seen) {
    int64_t *mark, n = 0, linked = 0;
    if (q->kind == QUESTION_DISTANCE) {
        *seen = pairs_seen(c, q);
        return STATUS_OK;
    }
    TRY(mem_alloc(&mark, c->n, sizeof *mark));
    for (int64_t i = 0; i < q->n_queries; i++) {
        if (class_of && class_of[q->queries[i]] < 0) continue;
        n++;
        int is_linked = 0;
        if (code_links_mark(&c->links, q->queries[i], mark) > 0 || q->kind == QUESTION_RANK)
            is_linked = answer_is_linked(c, q, i, class_of, mark);
        linked += is_linked || answer_is_below_the_same(c, q, i, class_of);
    }
    free(mark);
    *seen = n > 0 ? (double)linked / (double)n : NAN;
    return STATUS_OK;
}
