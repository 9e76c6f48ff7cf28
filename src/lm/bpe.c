/* Read bpe_encode first. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "lm/bpe.h"

#include <limits.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/status.h"

/* A symbol of a word, between those that are left of its neighbours. */
struct symbol {
    int64_t before, next;          /* -1: none */
    int32_t id;                    /* -1: it went into the one before it */
    const struct bpe_merge *merge; /* with the next one; NULL: none */
};

/* A merge that was possible when it was noted: of the symbol at `at` with its next one. */
struct candidate {
    const struct bpe_merge *merge;
    int64_t at;
};

struct bpe_word {
    pcre2_match_data *match;
    pcre2_match_context *limits;
    /* the text without what is no UTF-8 */
    char *text;
    long long text_capacity;
    struct symbol *symbols;
    struct candidate *heap; /* [n_heap], the best first: the lowest rank, and of one rank the leftmost */
    int64_t n_heap;
    long long symbols_capacity, heap_capacity;
};

/* Expressions of these families take a few steps a character; one that takes more is none of them. */
enum { MOST_MATCH_STEPS = 1000000 };

/* ---- lists ---- */
int tokens_add(struct tokens *t, int32_t id) {
    TRY(mem_grow(&t->ids, &t->capacity, t->n + 1, sizeof *t->ids));
    t->ids[t->n++] = id;
    return STATUS_OK;
}

void tokens_free(struct tokens *t) {
    free(t->ids);
    *t = (struct tokens){0};
}

void bpe_word_free(struct bpe_word *w) {
    if (!w) return;
    pcre2_match_data_free(w->match);
    pcre2_match_context_free(w->limits);
    free(w->text);
    free(w->symbols);
    free(w->heap);
    free(w);
}

static int make_word(struct bpe *b) {
    if (!b->word) TRY(mem_alloc(&b->word, 1, sizeof *b->word));
    if (!b->word->match) b->word->match = pcre2_match_data_create(1, NULL);
    if (!b->word->limits) b->word->limits = pcre2_match_context_create(NULL);
    if (!b->word->match || !b->word->limits) return status_set(STATUS_FAILED, "out of memory");
    pcre2_set_match_limit(b->word->limits, MOST_MATCH_STEPS);
    return STATUS_OK;
}

/* ---- merging ---- */
static int by_pair(const void *a, const void *b) {
    const struct bpe_merge *x = a, *y = b;
    if (x->left != y->left) return (x->left > y->left) - (x->left < y->left);
    return (x->right > y->right) - (x->right < y->right);
}

static const struct bpe_merge *merge_of(const struct bpe *b, int32_t left, int32_t right) {
    struct bpe_merge key = {.left = left, .right = right};
    return b->n_merges ? bsearch(&key, b->merges, (size_t)b->n_merges, sizeof key, by_pair) : NULL;
}

static int is_better(const struct candidate *a, const struct candidate *b) {
    return a->merge->rank != b->merge->rank ? a->merge->rank < b->merge->rank : a->at < b->at;
}

static void push(struct bpe_word *w, struct candidate c) {
    int64_t i = w->n_heap++;
    for (; i > 0 && is_better(&c, &w->heap[(i - 1) / 2]); i = (i - 1) / 2) w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = c;
}

static struct candidate pop(struct bpe_word *w) {
    struct candidate best = w->heap[0], last = w->heap[--w->n_heap];
    int64_t i = 0, child;
    while ((child = 2 * i + 1) < w->n_heap) {
        child += child + 1 < w->n_heap && is_better(&w->heap[child + 1], &w->heap[child]);
        if (!is_better(&w->heap[child], &last)) break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return best;
}

/* Notes what symbol `at` and its next one can become. */
static void note(const struct bpe *b, struct bpe_word *w, int64_t at) {
    struct symbol *s = &w->symbols[at];
    s->merge = s->next >= 0 ? merge_of(b, s->id, w->symbols[s->next].id) : NULL;
    if (s->merge) push(w, (struct candidate){s->merge, at});
}

/* Joins symbols until no neighbours have a merge. A candidate whose merge is not that of its symbols any more is passed over. */
static void merge_symbols(const struct bpe *b, struct bpe_word *w, int64_t n) {
    w->n_heap = 0;
    for (int64_t i = 0; i < n; i++) w->symbols[i].before = i - 1, w->symbols[i].next = i + 1 < n ? i + 1 : -1;
    for (int64_t i = 0; i < n; i++) note(b, w, i);
    while (w->n_heap > 0) {
        struct candidate c = pop(w);
        struct symbol *s = &w->symbols[c.at];
        if (s->id < 0 || s->merge != c.merge) continue;
        int64_t gone = s->next;
        s->id = s->merge->result;
        s->next = w->symbols[gone].next;
        w->symbols[gone].id = -1;
        if (s->next >= 0) w->symbols[s->next].before = c.at;
        if (s->before >= 0) note(b, w, s->before);
        note(b, w, c.at);
    }
}

static int encode_word(struct bpe *b, const char *bytes, int64_t size, struct tokens *tokens) {
    struct bpe_word *w = b->word;
    int32_t whole = b->ignore_merges ? dictionary_find(&b->pieces, bytes, size) : -1;
    int64_t n = 0;
    if (whole >= 0) return tokens_add(tokens, b->id_of_piece[whole]);
    TRY(mem_grow(&w->symbols, &w->symbols_capacity, size, sizeof *w->symbols));
    TRY(mem_grow(&w->heap, &w->heap_capacity, 3 * size, sizeof *w->heap)); /* a pair each, and two for each merge */
    for (int64_t i = 0; i < size; i++)
        if (b->byte_id[(unsigned char)bytes[i]] >= 0) w->symbols[n++].id = b->byte_id[(unsigned char)bytes[i]];
    merge_symbols(b, w, n);
    for (int64_t i = n ? 0 : -1; i >= 0; i = w->symbols[i].next) TRY(tokens_add(tokens, w->symbols[i].id));
    return STATUS_OK;
}

/* ---- cutting ---- */
/* Cuts text[size] by the expressions from number `split` on, and encodes the words. */
static int cut(struct bpe *b, int split, const char *text, int64_t size, struct tokens *tokens) {
    int64_t done = 0, from = 0;
    if (size == 0) return STATUS_OK;
    if (split == b->n_splits) return encode_word(b, text, size, tokens);
    while (from < size) {
        int found = pcre2_match(b->splits[split], (PCRE2_SPTR)text, (size_t)size, (size_t)from, PCRE2_NO_UTF_CHECK,
                                b->word->match, b->word->limits);
        if (found == PCRE2_ERROR_NOMATCH) break;
        if (found < 0)
            return status_set(STATUS_FAILED, "PCRE2 gave up cutting a text of %lld bytes into words (error %d)",
                              (long long)size, found);
        const size_t *range = pcre2_get_ovector_pointer(b->word->match);
        int64_t first = (int64_t)range[0], end = (int64_t)range[1];
        if (end == first) break; /* of nothing there is no word; the expressions of these families match something */
        TRY(cut(b, split + 1, text + done, first - done, tokens));
        TRY(cut(b, split + 1, text + first, end - first, tokens));
        done = from = end;
    }
    return cut(b, split + 1, text + done, size - done, tokens);
}

/* ---- texts ---- */
/* text[size] to w->text, each byte that is no UTF-8 as U+FFFD; *clean is its size. */
static int clean_text(struct bpe_word *w, const char *text, int64_t size, int64_t *clean) {
    static const char REPLACEMENT[] = "\xef\xbf\xbd";
    int64_t n = 0;
    TRY(mem_grow(&w->text, &w->text_capacity, 3 * size + 1, 1));
    for (int64_t i = 0; i < size;) {
        utf8proc_int32_t character;
        utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)text + i, size - i, &character);
        int good = length > 0;
        memcpy(w->text + n, good ? text + i : REPLACEMENT, good ? (size_t)length : 3);
        n += good ? length : 3;
        i += good ? length : 1;
    }
    *clean = n;
    return STATUS_OK;
}

static int encode_between(struct bpe *b, const char *text, int64_t size, struct tokens *tokens) {
    utf8proc_uint8_t *composed = NULL;
    if (!b->composes || size == 0) return cut(b, 0, text, size, tokens);
    utf8proc_ssize_t n =
        utf8proc_map((const utf8proc_uint8_t *)text, size, &composed, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    int status = n < 0 ? status_set(STATUS_FAILED, "text of %lld bytes: %s", (long long)size, utf8proc_errmsg(n))
                       : cut(b, 0, (const char *)composed, n, tokens);
    free(composed);
    return status;
}

/* The added token that text[size] begins with; -1: none. */
static int32_t added_at(const struct bpe *b, const char *text, int64_t size) {
    for (int64_t i = 0; i < b->n_added; i++) {
        int64_t length;
        const char *bytes = bpe_bytes(b, b->added[i], &length);
        if (length <= size && memcmp(bytes, text, (size_t)length) == 0) return b->added[i];
    }
    return -1;
}

int bpe_encode(struct bpe *b, const char *text, int64_t size, int plain, struct tokens *tokens) {
    int64_t done = 0, length;
    TRY(make_word(b));
    struct bpe_word *w = b->word;
    TRY(clean_text(w, text, size, &size));
    for (int64_t i = 0; i < size && !plain; i++) {
        int32_t id = added_at(b, w->text + i, size - i);
        if (id < 0) continue;
        TRY(encode_between(b, w->text + done, i - done, tokens));
        TRY(tokens_add(tokens, id));
        (void)bpe_bytes(b, id, &length);
        done = i + length;
        i = done - 1;
    }
    return encode_between(b, w->text + done, size - done, tokens);
}

/* ---- tokens ---- */
const char *bpe_bytes(const struct bpe *b, int32_t id, int64_t *size) {
    *size = 0;
    if (id < 0 || id >= b->n || b->piece_of_id[id] < 0) return NULL;
    const int64_t *at = b->pieces.offsets + b->piece_of_id[id];
    *size = at[1] - at[0];
    return b->pieces.bytes + at[0];
}

int32_t bpe_added(const struct bpe *b, const char *name) {
    for (int64_t i = 0; i < b->n_added; i++) {
        int64_t size;
        const char *bytes = bpe_bytes(b, b->added[i], &size);
        if (size == (int64_t)strlen(name) && memcmp(bytes, name, (size_t)size) == 0) return b->added[i];
    }
    return -1;
}
