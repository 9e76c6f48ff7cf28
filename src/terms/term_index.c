/* The index: from descriptions to terms. Spans of texts: term_match.c. */
#include "terms/term_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "clinical_terms.h"
#include "not_terms.h"
#include "terms/term_key.h"

#define FIT_WHOLE      1.0F
#define FIT_NO_BRACKET 0.95F
#define FIT_ANY        0.9F
#define FIT_ELSEWHERE  0.95F /* of FIT_ANY: "not elsewhere classified" is less than all of it */
#define FIT_PART       0.9F  /* of FIT_ANY */

void term_index_free(struct term_index *x) {
    term_rules_free(&x->rules);
    dictionary_free(&x->terms);
    free(x->candidates);
    free(x->offsets);
    free(x->only_brands);
    free(x->says);
    text_words_free(&x->text);
    term_stream_free(&x->stream);
    *x = (struct term_index){0};
}

/* ---- words that say nothing alone ---- */
/* The lists of not_terms.txt, each below a comment. */
enum { SAYS_ALL, SAYS_NOTHING, IS_FINDING, IS_PLACE };

static int read_list(struct term_index *x, const char *text, int64_t size, uint8_t kind) {
    int32_t id;
    TRY(text_words_split(&x->text, text, size));
    for (int64_t i = 0; i < x->text.n; i++) {
        TRY(dictionary_add(&x->rules.words, text_word_form(&x->text, i), x->text.items[i].size, &id));
        if (id < x->n_said) continue; /* the first list counts */
        TRY(mem_grow(&x->says, &x->says_capacity, id + 1, 1));
        x->says[id] = kind;
        x->n_said = id + 1;
    }
    return STATUS_OK;
}

static int read_not_terms(struct term_index *x) {
    uint8_t kind = SAYS_ALL;
    int in_comment = 0;
    for (const char *line = NOT_TERMS, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        if (*line == '#')
            kind += !in_comment;
        else
            TRY(read_list(x, line, end - line, kind));
        in_comment = *line == '#';
    }
    return STATUS_OK;
}

int term_index_begin(struct term_index *x) {
    *x = (struct term_index){0};
    TRY(read_not_terms(x));
    return term_rules_add(&x->rules, "clinical_terms.tsv", CLINICAL_TERMS, (int64_t)strlen(CLINICAL_TERMS));
}

/* ---- whether a set of words is a term ---- */
static int count_letters(const char *word, int64_t size) {
    int n = 0;
    for (int64_t i = 0; i < size; i++) n += (word[i] & 0x80) || (word[i] >= 'a' && word[i] <= 'z');
    return n;
}

static int is_term(const struct term_index *x, const struct term_key *key) {
    const struct dictionary *d = &x->rules.words;
    int findings = 0, places = 0;
    for (int i = 0; i < key->n; i++) {
        int32_t id = key->ids[i];
        uint8_t says = id < x->n_said ? x->says[id] : SAYS_ALL;
        int letters = count_letters(d->bytes + d->offsets[id], d->offsets[id + 1] - d->offsets[id]);
        if (says == SAYS_ALL && letters >= (key->n > 1 ? 2 : 4)) return 1;
        findings += says == IS_FINDING;
        places += says == IS_PLACE;
    }
    return findings > 0 && places > 0;
}

static int add_term(struct term_index *x, const struct term_key *key, struct term_candidate candidate) {
    if (key->n == 0 || !is_term(x, key)) return STATUS_OK;
    TRY(dictionary_add(&x->terms, key->ids, key->n * (int64_t)sizeof *key->ids, &candidate.term));
    TRY(mem_grow(&x->candidates, &x->capacity, x->n_candidates + 1, sizeof *x->candidates));
    x->candidates[x->n_candidates++] = candidate;
    return STATUS_OK;
}

/* ---- what a description leaves out ---- */
enum { KEEP, IN_BRACKETS, UNSPECIFIED };

static int is_one_of(const struct text_words *w, int64_t i, const char *const *list) {
    if (i < 0 || i >= w->n) return 0;
    for (; *list; list++)
        if (text_word_is(w, i, *list)) return 1;
    return 0;
}

/* The words from i on that leave open what a term is: "unspecified" with the noun behind it, NOS, "not otherwise specified", "without
 * (mention of) complication"; how many, 0: none. */
static int count_open(const struct text_words *w, int64_t i) {
    static const char *const OPEN[] = {"unspecified", "nos", NULL}, *const NOT[] = {"not", NULL};
    static const char *const NOUNS[] = {"site",    "organism",   "type",     "cause",     "side",   "part",
                                        "region",  "location",   "severity", "trimester", "degree", "etiology",
                                        "episode", "laterality", "age",      "body",      NULL};
    static const char *const OTHERWISE[] = {"otherwise", "specified", "elsewhere", "classified", NULL};
    static const char *const WITHOUT[] = {"without", NULL}, *const MENTION[] = {"mention", "of", "complication", NULL};
    int n = 1;
    if (is_one_of(w, i, OPEN)) {
        while (is_one_of(w, i + n, NOUNS)) n++;
        return n;
    }
    if (is_one_of(w, i, NOT) && is_one_of(w, i + 1, OTHERWISE)) return 3;
    if (!is_one_of(w, i, WITHOUT)) return 0;
    while (is_one_of(w, i + n, MENTION)) n++;
    return text_word_is(w, i + n - 1, "complication") ? n : 0;
}

/* Whether a character stands between words i - 1 and i. */
static int stands_before(const struct text_words *w, const char *text, int64_t i, char c) {
    if (i < 1 || i >= w->n) return 0;
    const int32_t begin = w->items[i - 1].end;
    return memchr(text + begin, c, (size_t)(w->items[i].begin - begin)) != NULL;
}

/* Whether "unspecified" stands in the part between commas that begins at word i, which is not the first; *end: behind it. */
static int is_open_part(const struct text_words *w, const char *text, int64_t i, int64_t *end) {
    int open = 0;
    for (*end = i; *end < w->n && (*end == i || w->items[*end].breaks == BREAK_NONE); ++*end)
        open |= text_word_is(w, *end, "unspecified");
    return open && stands_before(w, text, i, ',');
}

static void mark_unspecified(const struct text_words *w, const char *text, uint8_t *left_out) {
    for (int64_t i = 0, end; i<w->n; i = end> i ? end : i + 1) {
        if (!is_open_part(w, text, i, &end)) end = i + count_open(w, i);
        if (end > w->n) end = w->n;
        if (end > i && i > 0 && text_word_is(w, i - 1, "of")) left_out[i - 1] = UNSPECIFIED;
        for (int64_t k = i; k < end; k++) left_out[k] = UNSPECIFIED;
    }
}

static void mark_brackets(const struct text_words *w, const char *text, uint8_t *left_out) {
    int depth = 0;
    int64_t at = 0;
    for (int64_t i = 0; i < w->n; i++) {
        for (; at < w->items[i].begin; at++) {
            if (text[at] == '(' || text[at] == '[') depth++;
            if ((text[at] == ')' || text[at] == ']') && depth > 0) depth--;
        }
        if (depth > 0 && left_out[i] == KEEP) left_out[i] = IN_BRACKETS;
    }
}

static int has_one_of(const struct text_words *w, const char *const *list) {
    for (int64_t i = 0; i < w->n; i++)
        if (is_one_of(w, i, list)) return 1;
    return 0;
}

/* A rest of a category, or what was and is not any more. */
static int is_rest(const struct text_words *w) {
    static const char *const REST[] = {"other", "history", NULL};
    return has_one_of(w, REST);
}

/* The term of those words of x->text that are not left out so far as `most` says; key->n 0: none. */
static int make_key(struct term_index *x, const uint8_t *left_out, int most, struct term_key *key) {
    struct text_words kept = x->text;
    kept.items = NULL;
    kept.n = 0;
    TRY(mem_alloc(&kept.items, x->text.n, sizeof *kept.items));
    for (int64_t i = 0; i < x->text.n; i++) {
        if (left_out[i] != KEEP && left_out[i] <= most) continue;
        kept.items[kept.n] = x->text.items[i];
        kept.items[kept.n++].breaks = BREAK_NONE; /* punctuation of descriptions inverts them, and parts nothing */
    }
    int status = term_stream_make(&x->stream, &x->rules, &kept, 1);
    if (status == STATUS_OK) *key = term_key_make(&x->stream, 0, x->stream.n);
    free(kept.items);
    return status;
}

/* Whether a word is a disease by its ending. */
static int is_disease(const struct text_words *w, int64_t i) {
    static const char *const ENDINGS[] = {"itis",  "osis",  "emia",  "oma",    "opathy", "algia",   "uria",
                                          "penia", "rrhea", "iasis", "plegia", "megaly", "ectasis", NULL};
    for (const char *const *ending = ENDINGS; *ending; ending++) {
        int n = (int)strlen(*ending), size = w->items[i].size;
        if (size > n + 2 && memcmp(text_word_form(w, i) + size - n, *ending, (size_t)n) == 0) return 1;
    }
    return 0;
}

/* The parts of "A and B": B one word and a disease, A one word, or two joined by a hyphen, and alone only if it is a
 * disease too. */
static int add_parts(struct term_index *x, const char *text, const uint8_t *left_out, struct term_candidate candidate) {
    uint8_t *out;
    int64_t n_kept = 0, joint = -1;
    struct term_key key;
    for (int64_t i = 0; i < x->text.n; i++) {
        if (left_out[i]) continue;
        if (text_word_is(&x->text, i, "of") || (joint >= 0 && text_word_is(&x->text, i, "and"))) return STATUS_OK;
        if (text_word_is(&x->text, i, "and")) joint = i;
        n_kept++;
    }
    if (joint < 1 || joint != x->text.n - 2 || n_kept > 4 || (joint == 2 && !stands_before(&x->text, text, 1, '-')) ||
        joint > 2 || !is_disease(&x->text, joint + 1))
        return STATUS_OK;
    TRY(mem_alloc(&out, x->text.n, 1));
    candidate.fit *= FIT_PART;
    int status = STATUS_OK;
    for (int side = !is_disease(&x->text, joint - 1); side < 2 && status == STATUS_OK; side++) {
        for (int64_t i = 0; i < x->text.n; i++) out[i] = left_out[i] || i == joint || (i < joint) == side;
        status = make_key(x, out, UNSPECIFIED, &key);
        if (status == STATUS_OK) status = add_term(x, &key, candidate);
    }
    free(out);
    return status;
}

static int add_terms(struct term_index *x, const char *text, struct term_candidate candidate, uint8_t *left_out) {
    static const float FITS[] = {FIT_WHOLE, FIT_NO_BRACKET, FIT_ANY};
    static const char *const ELSEWHERE[] = {"elsewhere", NULL};
    const float fit = candidate.fit;
    struct term_key key, before = {.n = 0};
    mark_unspecified(&x->text, text, left_out);
    mark_brackets(&x->text, text, left_out);
    int last = is_rest(&x->text) ? IN_BRACKETS : UNSPECIFIED;
    for (int most = KEEP; most <= last; most++) {
        TRY(make_key(x, left_out, most, &key));
        candidate.fit = fit * FITS[most];
        if (most == UNSPECIFIED && has_one_of(&x->text, ELSEWHERE)) candidate.fit *= FIT_ELSEWHERE;
        if (most == KEEP || !term_key_same(&key, &before)) TRY(add_term(x, &key, candidate));
        before = key;
    }
    return last == UNSPECIFIED ? add_parts(x, text, left_out, candidate) : STATUS_OK;
}

int term_index_add(struct term_index *x, const char *text, int64_t size, enum name_kind kind, int32_t row) {
    uint8_t *left_out;
    int64_t n_before = x->n_candidates;
    if (x->n_descriptions++ == 0) TRY(term_rules_complete(&x->rules));
    TRY(text_words_split(&x->text, text, size));
    TRY(mem_alloc(&left_out, x->text.n, 1));
    int status =
        add_terms(x, text,
                  (struct term_candidate){
                      .row = row, .fit = kind == NAME_BRAND ? BRAND_FIT : 1.0F, .is_brand = kind == NAME_BRAND},
                  left_out);
    x->n_without_term += x->n_candidates == n_before;
    free(left_out);
    return status;
}

/* ---- complete ---- */
static int by_term(const void *a, const void *b) {
    const struct term_candidate *p = a, *q = b;
    if (p->term != q->term) return p->term < q->term ? -1 : 1;
    if (p->row != q->row) return p->row < q->row ? -1 : 1;
    return p->fit > q->fit ? -1 : p->fit < q->fit;
}

static int by_fit(const void *a, const void *b) {
    const struct term_candidate *p = a, *q = b;
    if (p->term != q->term) return p->term < q->term ? -1 : 1;
    if (p->fit != q->fit) return p->fit > q->fit ? -1 : 1;
    return p->row < q->row ? -1 : p->row > q->row;
}

int term_index_complete(struct term_index *x) {
    struct term_candidate *c = x->candidates;
    int64_t n = 0;
    TRY(mem_alloc(&x->offsets, x->terms.n + 1, sizeof *x->offsets));
    TRY(mem_alloc(&x->only_brands, x->terms.n, 1));
    if (x->terms.n) memset(x->only_brands, 1, (size_t)x->terms.n);
    if (x->n_candidates) qsort(c, (size_t)x->n_candidates, sizeof *c, by_term);
    for (int64_t i = 0; i < x->n_candidates; i++)
        if (n == 0 || c[n - 1].term != c[i].term || c[n - 1].row != c[i].row) c[n++] = c[i];
    x->n_candidates = n;
    if (n) qsort(c, (size_t)n, sizeof *c, by_fit);
    for (int64_t i = 0; i < n; i++) {
        x->offsets[c[i].term + 1]++;
        if (!c[i].is_brand) x->only_brands[c[i].term] = 0;
    }
    for (int64_t t = 0; t < x->terms.n; t++) x->offsets[t + 1] += x->offsets[t];
    return STATUS_OK;
}
