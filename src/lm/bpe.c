/* Read bpe_encode first. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "lm/bpe.h"

#include <limits.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/status.h"

struct bpe_word {
    pcre2_match_data *match;
    /* the text without what is no UTF-8 */
    char *text;
    long long text_capacity;
    /* symbols of a word, and the merge of each with the next one */
    int32_t *symbols;
    const struct bpe_merge **merges;
    long long symbols_capacity, merges_capacity;
};

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
    free(w->text);
    free(w->symbols);
    free(w->merges);
    free(w);
}

static int make_word(struct bpe *b) {
    if (!b->word) TRY(mem_alloc(&b->word, 1, sizeof *b->word));
    if (!b->word->match) b->word->match = pcre2_match_data_create(1, NULL);
    return b->word->match ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}

/* ---- merging ---- */
static int by_pair(const void *a, const void *b) {
    const struct bpe_merge *x = a, *y = b;
    if (x->left != y->left) return (x->left > y->left) - (x->left < y->left);
    return (x->right > y->right) - (x->right < y->right);
}

static const struct bpe_merge *merge_of(const struct bpe *b, const int32_t *pair) {
    struct bpe_merge key = {.left = pair[0], .right = pair[1]};
    return b->n_merges ? bsearch(&key, b->merges, (size_t)b->n_merges, sizeof key, by_pair) : NULL;
}

/* The leftmost of the best-ranked merges; -1: there is none. */
static int64_t best_merge(const struct bpe_word *w, int64_t n) {
    int64_t best = -1;
    for (int64_t i = 0; i + 1 < n; i++)
        if (w->merges[i] && (best < 0 || w->merges[i]->rank < w->merges[best]->rank)) best = i;
    return best;
}

/* Joins symbols until no neighbours have a merge; returns how many are left. */
static int64_t merge_symbols(const struct bpe *b, struct bpe_word *w, int64_t n) {
    for (int64_t i = 0; i + 1 < n; i++) w->merges[i] = merge_of(b, w->symbols + i);
    for (int64_t i; (i = best_merge(w, n)) >= 0;) {
        w->symbols[i] = w->merges[i]->result;
        memmove(w->symbols + i + 1, w->symbols + i + 2, (size_t)(n - i - 2) * sizeof *w->symbols);
        memmove(w->merges + i, w->merges + i + 1, (size_t)(n - i - 2) * sizeof(struct bpe_merge *));
        n--;
        if (i > 0) w->merges[i - 1] = merge_of(b, w->symbols + i - 1);
        if (i + 1 < n) w->merges[i] = merge_of(b, w->symbols + i);
    }
    return n;
}

static int encode_word(struct bpe *b, const char *bytes, int64_t size, struct tokens *tokens) {
    struct bpe_word *w = b->word;
    int32_t whole = b->ignore_merges ? dictionary_find(&b->pieces, bytes, size) : -1;
    int64_t n = 0;
    if (whole >= 0) return tokens_add(tokens, b->id_of_piece[whole]);
    TRY(mem_grow(&w->symbols, &w->symbols_capacity, size, sizeof *w->symbols));
    TRY(mem_grow(&w->merges, &w->merges_capacity, size, sizeof *w->merges));
    for (int64_t i = 0; i < size; i++)
        if (b->byte_id[(unsigned char)bytes[i]] >= 0) w->symbols[n++] = b->byte_id[(unsigned char)bytes[i]];
    n = merge_symbols(b, w, n);
    for (int64_t i = 0; i < n; i++) TRY(tokens_add(tokens, w->symbols[i]));
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
                                b->word->match, NULL);
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
