/* Spans of a text that are terms: windows of words, looked up as sets. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "terms/negation.h"
#include "terms/term_key.h"

void term_spans_free(struct term_spans *s) {
    free(s->items);
    free(s->negated);
    text_words_free(&s->text);
    term_stream_free(&s->stream);
    *s = (struct term_spans){0};
}

/* ---- keys ---- */
struct term_key term_key_make(const struct term_stream *stream, int64_t first, int64_t end) {
    struct term_key key = {.n = 0};
    for (int64_t i = first; i < end; i++) {
        const struct term *term = &stream->items[i];
        if (term->role == TERM_SKIPPED) continue;
        int at = key.n;
        while (at > 0 && key.ids[at - 1] >= term->id) at--;
        if (at < key.n && key.ids[at] == term->id) continue;
        if (term->id < 0 || key.n == TERM_WORDS) return (struct term_key){.n = 0};
        memmove(key.ids + at + 1, key.ids + at, (size_t)(key.n - at) * sizeof *key.ids);
        key.ids[at] = term->id;
        key.n++;
    }
    return key;
}

int term_key_same(const struct term_key *a, const struct term_key *b) {
    return a->n == b->n && memcmp(a->ids, b->ids, (size_t)a->n * sizeof *a->ids) == 0;
}

static int32_t find_term(const struct term_index *x, const struct term_key *key) {
    return key->n ? dictionary_find(&x->terms, key->ids, key->n * (int64_t)sizeof *key->ids) : -1;
}

/* ---- windows ---- */
/* Whether terms i - 1 and i come from one rule at one place, which is not to be cut. */
static int is_inside(const struct term_stream *s, int64_t i) {
    const struct term *t = s->items;
    return i > 0 && i < s->n && t[i].rule != NO_RULE && t[i].rule == t[i - 1].rule && t[i].first == t[i - 1].first;
}

/* The term of another meaning, if the window first .. end - 1 is an abbreviation and nothing else. */
static int32_t other_meaning(const struct term_index *x, const struct term_stream *s, int64_t first, int64_t end) {
    int32_t rule = s->items[first].rule;
    if (rule == NO_RULE || s->items[first].first != s->items[end - 1].first || !x->rules.rules[rule].is_abbreviation)
        return -1;
    for (rule = x->rules.rules[rule].other; rule != NO_RULE; rule = x->rules.rules[rule].other) {
        const struct term_rule *meaning = &x->rules.rules[rule];
        struct term terms[RULE_WORDS] = {{0}};
        for (int k = 0; k < meaning->n_ids; k++) terms[k].id = meaning->ids[k];
        struct term_key key =
            term_key_make(&(struct term_stream){.n = meaning->n_ids, .items = terms}, 0, meaning->n_ids);
        int32_t term = find_term(x, &key);
        if (term >= 0) return term;
    }
    return -1;
}

static int add_span(struct term_spans *s, const struct term_index *x, int64_t first, int64_t end,
                    const struct term_key *key, int32_t term) {
    const struct term *t = s->stream.items;
    TRY(mem_grow(&s->items, &s->capacity, s->n + 1, sizeof *s->items));
    struct term_span *span = &s->items[s->n++];
    *span = (struct term_span){.begin = s->text.items[t[first].first].begin,
                               .end = s->text.items[t[end - 1].last].end,
                               .term = term,
                               .other_term = other_meaning(x, &s->stream, first, end),
                               .n_words = key->n,
                               .negated = s->negated[t[first].first]};
    if (span->other_term == term) span->other_term = -1;
    return STATUS_OK;
}

/* Whether a word that is a brand alone, if anything, is written as one. */
static int is_written_as_name(const struct text_words *w, const struct term *term) {
    const struct text_word *word = &w->items[term->first];
    return word->initial && word->breaks < BREAK_CLAUSE && !w->shouts;
}

/* All windows that begin at term `first`. */
static int match_from(struct term_spans *s, const struct term_index *x, int64_t first) {
    const struct term *t = s->stream.items;
    if (t[first].role != TERM_CONTENT || is_inside(&s->stream, first)) return STATUS_OK;
    for (int64_t end = first + 1, words = 0; end <= s->stream.n && words < TERM_WORDS; end++) {
        if (end > first + 1 && t[end - 1].breaks) break;
        if (t[end - 1].id < 0 && t[end - 1].role != TERM_SKIPPED) break;
        words += t[end - 1].role != TERM_SKIPPED;
        if (t[end - 1].role != TERM_CONTENT || is_inside(&s->stream, end)) continue;
        struct term_key key = term_key_make(&s->stream, first, end);
        int32_t term = find_term(x, &key);
        if (term >= 0 && key.n == 1 && x->only_brands[term] && !is_written_as_name(&s->text, &t[first])) continue;
        if (term >= 0) TRY(add_span(s, x, first, end, &key, term));
    }
    return STATUS_OK;
}

/* ---- those that stay ---- */
static int by_words(const void *a, const void *b) {
    const struct term_span *p = a, *q = b;
    if (p->n_words != q->n_words) return p->n_words > q->n_words ? -1 : 1;
    if (p->begin != q->begin) return p->begin < q->begin ? -1 : 1;
    return p->end > q->end ? -1 : p->end < q->end;
}

static int by_begin(const void *a, const void *b) {
    const struct term_span *p = a, *q = b;
    return p->begin < q->begin ? -1 : p->begin > q->begin;
}

static void choose(struct term_spans *s) {
    int64_t n = 0;
    if (s->n == 0) return;
    qsort(s->items, (size_t)s->n, sizeof *s->items, by_words);
    for (int64_t i = 0; i < s->n; i++) {
        const struct term_span *span = &s->items[i];
        int overlaps = 0;
        for (int64_t k = 0; k < n && !overlaps; k++)
            overlaps = s->items[k].begin < span->end && span->begin < s->items[k].end;
        if (!overlaps) s->items[n++] = *span;
    }
    s->n = n;
    qsort(s->items, (size_t)s->n, sizeof *s->items, by_begin);
}

int term_index_match(struct term_index *x, const char *text, int64_t size, struct term_spans *s) {
    s->n = 0;
    TRY(text_words_split(&s->text, text, size));
    TRY(mem_grow(&s->negated, &s->negated_capacity, s->text.n, 1));
    if (s->text.n) negation_mark(&s->text, s->negated);
    TRY(term_stream_make(&s->stream, &x->rules, &s->text, 0));
    for (int64_t i = 0; i < s->stream.n; i++) TRY(match_from(s, x, i));
    choose(s);
    return STATUS_OK;
}
