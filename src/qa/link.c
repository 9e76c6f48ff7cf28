#include "qa/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/status.h"
#include "terms/code_form.h"
#include "terms/code_hierarchy.h"

void question_links_free(struct question_links *links) {
    free(links->stem.spans);
    for (int i = 0; i < QUESTION_OPTIONS; i++) free(links->options[i].spans);
    *links = (struct question_links){0};
}

struct linker {
    struct code_names *names;
    int n_codes;                 /* of a span */
    struct code_vectors vectors; /* of all candidates; none without a table */
    float *context, *mean;       /* [width] */
};

/* ---- matching ---- */
static int match_text(struct code_names *names, const char *text, struct term_spans *scratch,
                      struct text_links *links) {
    TRY(term_index_match(&names->terms, text, (int64_t)strlen(text), scratch));
    TRY(mem_alloc(&links->spans, scratch->n, sizeof *links->spans));
    for (; links->n < scratch->n; links->n++) links->spans[links->n].term = scratch->items[links->n];
    return STATUS_OK;
}

static int match_question(struct code_names *names, const struct question *q, struct term_spans *scratch,
                          struct question_links *links) {
    TRY(match_text(names, q->stem, scratch, &links->stem));
    for (int i = 0; i < q->n_options; i++) TRY(match_text(names, q->options[i], scratch, &links->options[i]));
    return STATUS_OK;
}

/* ---- candidates ---- */
static int has_row(const struct term_candidate *found, int n, int64_t row) {
    for (int i = 0; i < n; i++)
        if (found[i].row == row) return 1;
    return 0;
}

/* Whether a code above this one is among those found: of the same name, the more general is meant. */
static int has_ancestor(const struct linker *l, const struct term_candidate *found, int n, int64_t row) {
    const struct vocabulary *v = &l->names->vocabulary;
    char code[CODE_FORM_BYTES], parent[CODE_FORM_BYTES];
    snprintf(code, sizeof code, "%s", vocabulary_code(v, row));
    while (code_parent(vocabulary_system(v, row), code, parent, sizeof parent) > 0) {
        if (has_row(found, n, code_index_same(&l->names->codes, vocabulary_system(v, row), parent))) return 1;
        memcpy(code, parent, sizeof code);
    }
    return 0;
}

/* Those of a span, of both meanings of an abbreviation; returns how many. */
static int candidates_of(const struct linker *l, const struct term_span *span,
                         struct term_candidate found[2 * LINK_CANDIDATES]) {
    const int32_t terms[2] = {span->term, span->other_term};
    int n = 0;
    for (int k = 0; k < 2 && terms[k] >= 0; k++) {
        int64_t n_all;
        const struct term_candidate *all = term_candidates(&l->names->terms, terms[k], &n_all);
        for (int64_t i = 0; i < n_all && i < LINK_CANDIDATES; i++)
            if (!has_row(found, n, all[i].row)) found[n++] = all[i];
    }
    int n_kept = 0, has_substance = 0;
    uint8_t goes[2 * LINK_CANDIDATES];
    for (int i = 0; i < n; i++)
        has_substance |=
            l->names->system[found[i].row] == SYSTEM_ATC || l->names->system[found[i].row] == SYSTEM_RXNORM;
    for (int i = 0; i < n; i++)
        goes[i] = (uint8_t)(has_ancestor(l, found, n, found[i].row) ||
                            (has_substance && l->names->system[found[i].row] == SYSTEM_NDC));
    for (int i = 0; i < n; i++)
        if (!goes[i]) found[n_kept++] = found[i];
    return n_kept;
}

struct row_list {
    int64_t *rows;
    long long n, capacity;
};

static int collect_rows(const struct linker *l, const struct text_links *links, struct row_list *list) {
    struct term_candidate found[2 * LINK_CANDIDATES];
    for (int64_t s = 0; s < links->n; s++) {
        int n = candidates_of(l, &links->spans[s].term, found);
        TRY(mem_grow(&list->rows, &list->capacity, list->n + n, sizeof *list->rows));
        for (int i = 0; i < n; i++) list->rows[list->n++] = found[i].row;
    }
    return STATUS_OK;
}

/* The vectors of all candidates. */
static int read_vectors(struct linker *l, struct table *table, const struct questions *questions, int64_t first,
                        int64_t n, const struct question_links *links) {
    struct row_list list = {0};
    int status = STATUS_OK;
    for (int64_t q = 0; q < n && status == STATUS_OK; q++) {
        status = collect_rows(l, &links[q].stem, &list);
        for (int i = 0; i < questions->items[first + q].n_options && status == STATUS_OK; i++)
            status = collect_rows(l, &links[q].options[i], &list);
    }
    if (status == STATUS_OK) status = code_vectors_read(&l->vectors, table, list.n, list.rows);
    free(list.rows);
    TRY(status);
    TRY(mem_alloc(&l->context, l->vectors.width, sizeof *l->context));
    return mem_alloc(&l->mean, l->vectors.width, sizeof *l->mean);
}

/* ---- ranking ---- */
/* Adds the mean of a span's vectors to the context; returns whether there was one. */
static int add_context(struct linker *l, const struct term_span *span) {
    struct term_candidate found[2 * LINK_CANDIDATES];
    int n = candidates_of(l, span, found), n_vectors = 0;
    const int64_t width = l->vectors.width;
    memset(l->mean, 0, (size_t)width * sizeof *l->mean);
    for (int i = 0; i < n; i++) {
        const float *v = code_vector(&l->vectors, found[i].row);
        n_vectors += v != NULL;
        for (int64_t k = 0; v && k < width; k++) l->mean[k] += v[k];
    }
    for (int64_t k = 0; n_vectors && k < width; k++) l->context[k] += l->mean[k] / (float)n_vectors;
    return n_vectors > 0;
}

/* The context of a span: the other spans of the stem, itself aside. Whether there is any. */
static int make_context(struct linker *l, const struct text_links *stem, const struct linked_span *of) {
    int any = 0;
    if (!l->context) return 0;
    memset(l->context, 0, (size_t)l->vectors.width * sizeof *l->context);
    for (int64_t s = 0; s < stem->n; s++)
        if (&stem->spans[s] != of && !stem->spans[s].term.negated) any |= add_context(l, &stem->spans[s].term);
    return any;
}

/* Whether a comes before b. */
static int is_better(const struct code_names *names, const struct linked_code *a, const struct linked_code *b) {
    if (a->score != b->score) return a->score > b->score;
    int p = code_names_preference(names, a->row), q = code_names_preference(names, b->row);
    if (p != q) return p < q;
    size_t n = strlen(vocabulary_code(&names->vocabulary, a->row)),
           m = strlen(vocabulary_code(&names->vocabulary, b->row));
    return n != m ? n < m : a->row < b->row;
}

/* Keeps the best of each system, at most l->n_codes, best first. */
static void keep(const struct linker *l, struct linked_span *span, struct linked_code code) {
    struct linked_code *codes = span->codes;
    int at = 0;
    while (at < span->n_codes && l->names->system[codes[at].row] != l->names->system[code.row]) at++;
    if (at == l->n_codes) at--; /* there is no room for another system: against the worst */
    if (at == span->n_codes)
        span->n_codes++;
    else if (!is_better(l->names, &code, &codes[at]))
        return;
    codes[at] = code;
    for (; at > 0 && is_better(l->names, &codes[at], &codes[at - 1]); at--) {
        struct linked_code swapped = codes[at];
        codes[at] = codes[at - 1];
        codes[at - 1] = swapped;
    }
}

/* Of one text's words the codes are of one topic, that of the best: "hepatitis B" is no vaccine. */
static void drop_other_topics(const struct code_names *names, struct linked_span *span) {
    int n = 0;
    for (int i = 0; i < span->n_codes; i++)
        if (code_names_topic(names, span->codes[i].row) == code_names_topic(names, span->codes[0].row))
            span->codes[n++] = span->codes[i];
    span->n_codes = n;
}

static void rank_span(struct linker *l, const struct text_links *stem, struct linked_span *span) {
    struct term_candidate found[2 * LINK_CANDIDATES];
    int n = candidates_of(l, &span->term, found), has_context = make_context(l, stem, span);
    span->n_candidates = n;
    for (int i = 0; i < n; i++) {
        struct linked_code code = {.row = found[i].row, .score = (double)found[i].fit};
        const float *v = has_context ? code_vector(&l->vectors, code.row) : NULL;
        if (v) code.score *= (1 + vector_cosine(v, l->context, l->vectors.width)) / 2;
        keep(l, span, code);
    }
    drop_other_topics(l->names, span);
}

static void rank_text(struct linker *l, const struct text_links *stem, struct text_links *text) {
    for (int64_t s = 0; s < text->n; s++) rank_span(l, stem, &text->spans[s]);
}

int link_questions(struct code_names *names, struct table *table, const struct questions *questions, int64_t first,
                   int64_t n, int n_codes, struct question_links *links) {
    struct linker l = {.names = names, .n_codes = n_codes};
    struct term_spans scratch = {0};
    int status = STATUS_OK;
    for (int64_t q = 0; q < n; q++) {
        TRY_DONE(match_question(names, &questions->items[first + q], &scratch, &links[q]));
        TRY_DONE(interrupt_poll());
    }
    if (table) TRY_DONE(read_vectors(&l, table, questions, first, n, links));
    for (int64_t q = 0; q < n; q++) {
        rank_text(&l, &links[q].stem, &links[q].stem);
        for (int i = 0; i < questions->items[first + q].n_options; i++)
            rank_text(&l, &links[q].stem, &links[q].options[i]);
    }
done:
    term_spans_free(&scratch);
    code_vectors_free(&l.vectors);
    free(l.context);
    free(l.mean);
    return status;
}

int64_t text_links_rows(const struct text_links *links, int64_t *rows, int64_t most) {
    int64_t n = 0;
    for (int64_t s = 0; s < links->n; s++)
        for (int c = 0; c < links->spans[s].n_codes && !links->spans[s].term.negated; c++) {
            int64_t row = links->spans[s].codes[c].row;
            int twice = 0;
            for (int64_t i = 0; i < n && i < most; i++) twice |= rows[i] == row;
            if (twice) continue;
            if (n < most) rows[n] = row;
            n++;
        }
    return n;
}
