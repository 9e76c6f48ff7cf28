/* Unicode by utf8proc; spelling and plurals by rules on the letters a to z. */
#include "terms/text_words.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/status.h"

void text_words_free(struct text_words *w) {
    free(w->items);
    free(w->forms);
    *w = (struct text_words){0};
}

int text_word_is(const struct text_words *w, int64_t i, const char *form) {
    size_t size = strlen(form);
    return (size_t)w->items[i].size == size && memcmp(text_word_form(w, i), form, size) == 0;
}

/* ---- the form of a word ---- */
static int ends_with(const char *word, int size, const char *ending) {
    int n = (int)strlen(ending);
    return size > n && memcmp(word + size - n, ending, (size_t)n) == 0;
}

/* Replaces the last `cut` bytes by `by`, which is no longer; returns the new size. */
static int end_by(char *word, int size, int cut, const char *by) {
    int n = size - cut;
    while (*by) word[n++] = *by++;
    return n;
}

static int singular(char *word, int size) {
    static const struct {
        const char *ending;
        int least; /* size of the word */
        const char *by;
    } RULES[] = {{"itides", 8, "itis"}, {"ies", 5, "y"}, {"oses", 8, "osis"}, {"tases", 8, "tasis"},
                 {"sses", 5, "ss"},     {"xes", 5, "x"}, {"ches", 6, "ch"},   {"shes", 6, "sh"},
                 {"ss", 3, "ss"},       {"us", 3, "us"}, {"is", 3, "is"},     {"s", 4, ""}};
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
        if (size >= RULES[i].least && ends_with(word, size, RULES[i].ending))
            return end_by(word, size, (int)strlen(RULES[i].ending), RULES[i].by);
    return size;
}

/* American spelling: ae and oe are e in words of six letters or more, -our is -or. */
static int american(char *word, int size) {
    int n = 0;
    if (size < 6) return size;
    for (int i = 0; i < size; i++)
        if (!((word[i] == 'a' || word[i] == 'o') && i + 1 < size && word[i + 1] == 'e')) word[n++] = word[i];
    return ends_with(word, n, "our") ? end_by(word, n, 3, "or") : n;
}

/* Adds the form of text[size], a word. */
static int add_form(struct text_words *w, const char *text, int size, struct text_word *word) {
    utf8proc_uint8_t *folded = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, size, &folded,
                                      UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD |
                                          UTF8PROC_STRIPMARK | UTF8PROC_IGNORE);
    if (n < 0) return status_set(STATUS_FAILED, "a text cannot be normalised: %s", utf8proc_errmsg(n));
    int status = mem_grow(&w->forms, &w->bytes_capacity, w->n_bytes + n + 1, 1);
    if (status == STATUS_OK) {
        char *form = w->forms + w->n_bytes;
        memcpy(form, folded, (size_t)n);
        word->at = (int32_t)w->n_bytes;
        word->size = american(form, singular(form, (int)n));
        w->n_bytes += word->size;
    }
    free(folded);
    return status;
}

/* ---- words ---- */
struct scan {
    const utf8proc_uint8_t *text;
    int64_t size, at; /* at: behind the character in hand */
    int64_t last;     /* where it begins */
    utf8proc_int32_t point;
};

static int next_point(struct scan *s) {
    utf8proc_ssize_t n = utf8proc_iterate(s->text + s->at, s->size - s->at, &s->point);
    if (n <= 0) return status_set(STATUS_FAILED, "a text is not valid UTF-8");
    s->last = s->at;
    s->at += n;
    return STATUS_OK;
}

static int is_digit(int c) { return c >= '0' && c <= '9'; }

static int in_word(const struct scan *s) {
    utf8proc_category_t c = utf8proc_category(s->point);
    if (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NO) return 1; /* letters, marks, numbers */
    return s->point == '.' && s->last > 0 && s->at < s->size && is_digit(s->text[s->last - 1]) &&
           is_digit(s->text[s->at]);
}

static enum word_break break_of(utf8proc_int32_t point) {
    if (point < 0x80 && point && strchr(".;:?!\n", point)) return BREAK_CLAUSE;
    return point < 0x80 && point && strchr(",()[]{}", point) ? BREAK_COMMA : BREAK_NONE;
}

/* Whether all letters of text[size] are capitals; *size without the s of UTIs. */
static int are_capitals(const char *text, int *size) {
    int capitals = 0, n = *size;
    if (n > 2 && text[n - 1] == 's' && text[n - 2] >= 'A' && text[n - 2] <= 'Z') n--;
    for (int i = 0; i < n; i++) {
        if (text[i] >= 'A' && text[i] <= 'Z')
            capitals++;
        else if (!is_digit(text[i]))
            return 0;
    }
    if (capitals == 0 || (n < *size && capitals < 2)) return 0;
    *size = n;
    return 1;
}

/* Whether 's and the end of a word follow at byte `at`, with either apostrophe: its length. */
static int possessive(const struct scan *s, int64_t at) {
    const char *text = (const char *)s->text + at;
    int64_t left = s->size - at;
    int n = left >= 2 && text[0] == '\'' ? 1 : left >= 4 && memcmp(text, "\xe2\x80\x99", 3) == 0 ? 3 : 0;
    if (!n || (text[n] != 's' && text[n] != 'S')) return 0;
    return left == n + 1 || !((text[n + 1] | 32) >= 'a' && (text[n + 1] | 32) <= 'z') ? n + 1 : 0;
}

static int add_word(struct text_words *w, const struct scan *s, int64_t begin, int64_t end, enum word_break before) {
    const char *text = (const char *)s->text + begin;
    int size = (int)(end - begin);
    TRY(mem_grow(&w->items, &w->capacity, w->n + 1, sizeof *w->items));
    struct text_word *word = &w->items[w->n];
    *word = (struct text_word){.begin = (int32_t)begin, .end = (int32_t)end, .breaks = (uint8_t)before};
    word->initial = text[0] >= 'A' && text[0] <= 'Z';
    word->capitals = (uint8_t)are_capitals(text, &size);
    TRY(add_form(w, text, size, word));
    if (word->size > 0) w->n++; /* of marks alone nothing is left */
    return STATUS_OK;
}

static int shouts(const struct text_words *w) {
    int64_t n = 0, capitals = 0;
    for (int64_t i = 0; i < w->n; i++)
        if (w->items[i].end - w->items[i].begin >= 4) n++, capitals += w->items[i].capitals;
    return 2 * capitals > n && n > 2;
}

int text_words_split(struct text_words *w, const char *text, int64_t size) {
    struct scan s = {.text = (const utf8proc_uint8_t *)text, .size = size};
    enum word_break before = BREAK_CLAUSE;
    int64_t begin = -1;
    w->n = w->n_bytes = 0;
    if (size > INT32_MAX) return status_set(STATUS_FAILED, "a text of %lld bytes is too long", (long long)size);
    while (s.at < size) {
        TRY(next_point(&s));
        if (in_word(&s)) {
            if (begin < 0) begin = s.last;
            if (s.at < size) continue;
            s.last = s.at;
            s.point = 0;
        }
        if (begin >= 0) {
            TRY(add_word(w, &s, begin, s.last, before));
            s.at += possessive(&s, s.last) > 0 ? possessive(&s, s.last) - (s.at - s.last) : 0;
            begin = -1;
            before = BREAK_NONE;
        }
        if (break_of(s.point) > before) before = break_of(s.point);
    }
    w->shouts = shouts(w);
    return STATUS_OK;
}
