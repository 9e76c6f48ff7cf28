/* Read from bottom to top: encode, pieces between special tokens, words, characters. */
#include "lm/wordpiece.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/status.h"

enum { MOST_CHARACTERS = 100 };

static const char *const SPECIAL_NAMES[N_SPECIAL_TOKENS] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

/* ---- what a character is ---- */
struct range {
    int32_t first, last;
};

/* Format characters, nonspacing marks and punctuation that came after Unicode 8 (and what lies between them). */
static const struct range NEWER[] = {
    {0x61d, 0x61d},     {0x7fd, 0x7fd},     {0x890, 0x8e2},     {0x9fd, 0x9fe},     {0xa76, 0xa76},
    {0xafa, 0xaff},     {0xb55, 0xb55},     {0xc04, 0xc3c},     {0xc77, 0xc77},     {0xc84, 0xc84},
    {0xd00, 0xd00},     {0xd3b, 0xd3c},     {0xd81, 0xd81},     {0xeba, 0xeba},     {0xece, 0xece},
    {0x180f, 0x1886},   {0x1abf, 0x1ace},   {0x1b7d, 0x1b7e},   {0x1df6, 0x1dfb},   {0x2e43, 0x2e5d},
    {0xa82c, 0xa82c},   {0xa8c5, 0xa8c5},   {0xa8ff, 0xa8ff},   {0xa9bd, 0xa9bd},   {0x10d24, 0x10f89},
    {0x11070, 0x11074}, {0x110c2, 0x110cd}, {0x111c9, 0x111c9}, {0x111cf, 0x111cf}, {0x1123e, 0x11241},
    {0x1133b, 0x1133b}, {0x11438, 0x1145e}, {0x11660, 0x1166c}, {0x116b9, 0x116b9}, {0x1182f, 0x11fff},
    {0x12ff1, 0x13455}, {0x16e97, 0x16f4f}, {0x16fe2, 0x16fe4}, {0x1cf00, 0x1cf46}, {0x1e000, 0x1e4ef},
    {0x1e944, 0x1e95f}};

static const struct range CJK[] = {{0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},  {0x20000, 0x2a6df},
                                   {0x2a700, 0x2b81f}, {0x2b920, 0x2ceaf}, {0x2f800, 0x2fa1f}};

static int within(int32_t c, const struct range *ranges, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (c >= ranges[i].first && c <= ranges[i].last) return 1;
    return 0;
}

static int newer(int32_t c) { return c >= 0x61d && within(c, NEWER, sizeof NEWER / sizeof *NEWER); }
static int is_cjk(int32_t c) { return c >= 0x3400 && within(c, CJK, sizeof CJK / sizeof *CJK); }

static int is_space(int32_t c) {
    return c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Control, format, private use; the decoder's mark for invalid input, and zero. */
static int is_dropped(int32_t c) {
    if (c >= ' ' && c < 0x7f) return 0;
    if (c == '\t' || c == '\n' || c == '\r') return 0;
    if (c == 0xfffd) return 1;
    utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CO || k == UTF8PROC_CATEGORY_CS ||
           (k == UTF8PROC_CATEGORY_CF && !newer(c));
}

static int is_mark(int32_t c) {
    return c >= 0x300 && ((utf8proc_category(c) == UTF8PROC_CATEGORY_MN && !newer(c)) || c == 0x1734);
}

static int is_punctuation(int32_t c) {
    if (c < 0x80) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
    utf8proc_category_t k = utf8proc_category(c);
    return (k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO && !newer(c)) || c == 0x166d || c == 0x111c9;
}

/* ---- cleaning: UTF-8 in, UTF-8 out ---- */
struct sink {
    struct wordpiece *wordpiece;
    int64_t size;
};

static int put(struct sink *s, int32_t c) {
    TRY(mem_grow(&s->wordpiece->text, &s->wordpiece->text_capacity, s->size + 4, 1));
    s->size += utf8proc_encode_char(c, (utf8proc_uint8_t *)s->wordpiece->text + s->size);
    return STATUS_OK;
}

/* The next character, 0xfffd for a byte that starts none; returns its bytes. */
static int64_t next_character(const char *text, int64_t size, int32_t *c) {
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, size, c);
    if (n > 0) return n;
    *c = 0xfffd;
    return 1;
}

static int clean(struct sink *s, const char *text, int64_t size) {
    struct wordpiece_rules rules = s->wordpiece->rules;
    int32_t c;
    for (int64_t at = 0; at < size;) {
        at += next_character(text + at, size - at, &c);
        if (rules.clean && is_dropped(c)) continue;
        if (rules.clean && is_space(c)) c = ' ';
        int apart = rules.set_cjk_apart && is_cjk(c);
        if (apart) TRY(put(s, ' '));
        TRY(put(s, c));
        if (apart) TRY(put(s, ' '));
    }
    return STATUS_OK;
}

/* Lower case; of all letters only I with dot becomes two characters. */
static int put_lowered(struct sink *s, int32_t c, int lower) {
    if (lower && c == 0x130) {
        TRY(put(s, 'i'));
        return put(s, 0x307);
    }
    return put(s, lower ? utf8proc_tolower(c) : c);
}

/* Strips accents and lowers, from the cleaned text to a new one in the same scratch. */
static int fold(struct sink *s) {
    struct wordpiece_rules rules = s->wordpiece->rules;
    utf8proc_uint8_t *from = NULL;
    utf8proc_ssize_t size = utf8proc_map((const utf8proc_uint8_t *)s->wordpiece->text, s->size, &from,
                                         rules.strip_accents ? UTF8PROC_STABLE | UTF8PROC_DECOMPOSE : UTF8PROC_STABLE);
    if (size < 0) return status_set(STATUS_FAILED, "a text cannot be decomposed: %s", utf8proc_errmsg(size));
    int status = STATUS_OK;
    int32_t c;
    s->size = 0;
    for (int64_t at = 0; at < size && status == STATUS_OK;) {
        at += next_character((const char *)from + at, size - at, &c);
        if (!rules.strip_accents || !is_mark(c)) status = put_lowered(s, c, rules.lower);
    }
    free(from);
    return status;
}

static int is_ascii(const char *text, int64_t size) {
    for (int64_t i = 0; i < size; i++)
        if ((unsigned char)text[i] >= 0x80) return 0;
    return 1;
}

static int normalize(struct sink *s, const char *text, int64_t size) {
    struct wordpiece_rules rules = s->wordpiece->rules;
    s->size = 0;
    TRY(clean(s, text, size));
    if (!is_ascii(s->wordpiece->text, s->size)) return rules.strip_accents || rules.lower ? fold(s) : STATUS_OK;
    for (int64_t i = 0; rules.lower && i < s->size; i++)
        if (s->wordpiece->text[i] >= 'A' && s->wordpiece->text[i] <= 'Z') s->wordpiece->text[i] += 'a' - 'A';
    return STATUS_OK;
}

/* ---- words to ids ---- */
struct ids {
    int32_t *at;
    int64_t n, most;
};

static void add_id(struct ids *ids, int32_t id) {
    if (ids->n < ids->most) ids->at[ids->n++] = id;
}

/* Id of the longest piece at the beginning of word[size]; its bytes in *length. Pieces inside a word begin with ##. */
static int32_t longest_piece(const struct wordpiece *w, const char *word, int64_t size, int inside, int64_t *length) {
    char piece[2 + 4 * MOST_CHARACTERS] = "##";
    int64_t mark = inside ? 2 : 0, n = size + mark < w->longest ? size : w->longest - mark;
    for (; n > 0; n--) {
        if (n < size && ((unsigned char)word[n] & 0xc0) == 0x80) continue; /* not between characters */
        memcpy(piece + mark, word, (size_t)n);
        int32_t id = dictionary_find(&w->vocabulary, piece, n + mark);
        if (id >= 0) {
            *length = n;
            return id;
        }
    }
    return -1;
}

static int64_t count_characters(const char *word, int64_t size) {
    int64_t n = 0;
    for (int64_t i = 0; i < size; i++) n += ((unsigned char)word[i] & 0xc0) != 0x80;
    return n;
}

static void add_word(const struct wordpiece *w, const char *word, int64_t size, struct ids *ids) {
    int64_t before = ids->n, length = 0;
    if (count_characters(word, size) > MOST_CHARACTERS) {
        add_id(ids, w->special[TOKEN_UNK]);
        return;
    }
    for (int64_t at = 0; at < size; at += length) {
        int32_t id = longest_piece(w, word + at, size - at, at > 0, &length);
        if (id < 0) {
            ids->n = before;
            add_id(ids, w->special[TOKEN_UNK]);
            return;
        }
        add_id(ids, id);
    }
}

static int add_text(struct wordpiece *w, const char *text, int64_t size, struct ids *ids) {
    struct sink s = {.wordpiece = w};
    int64_t word = 0;
    int32_t c;
    TRY(normalize(&s, text, size));
    for (int64_t at = 0; at < s.size && ids->n < ids->most;) {
        int64_t length = next_character(w->text + at, s.size - at, &c);
        int cut = is_space(c) ? 1 : is_punctuation(c) ? 2 : 0;
        if (cut && at > word) add_word(w, w->text + word, at - word, ids);
        if (cut == 2) add_word(w, w->text + at, length, ids);
        at += length;
        if (cut) word = at;
    }
    if (s.size > word) add_word(w, w->text + word, s.size - word, ids);
    return STATUS_OK;
}

/* The special token whose name begins here, or -1. */
static int special_at(const struct wordpiece *w, const char *text, int64_t size) {
    for (int k = 0; text[0] == '[' && k < N_SPECIAL_TOKENS; k++) {
        int64_t length = (int64_t)strlen(SPECIAL_NAMES[k]);
        if (w->special[k] >= 0 && size >= length && memcmp(text, SPECIAL_NAMES[k], (size_t)length) == 0) return k;
    }
    return -1;
}

int wordpiece_encode(struct wordpiece *w, const char *text, int64_t size, int64_t most, int32_t *ids, int64_t *n) {
    struct ids out = {ids, 0, most - 1}; /* [SEP] always fits */
    int64_t from = 0;
    add_id(&out, w->special[TOKEN_CLS]);
    for (int64_t at = 0; at < size; at++) {
        int special = special_at(w, text + at, size - at);
        if (special < 0) continue;
        TRY(add_text(w, text + from, at - from, &out));
        add_id(&out, w->special[special]);
        from = at + (int64_t)strlen(SPECIAL_NAMES[special]);
        at = from - 1;
    }
    TRY(add_text(w, text + from, size - from, &out));
    out.most = most;
    add_id(&out, w->special[TOKEN_SEP]);
    *n = out.n;
    return STATUS_OK;
}

int wordpiece_ready(struct wordpiece *w, const char *path) {
    for (int k = 0; k < N_SPECIAL_TOKENS; k++) {
        w->special[k] = dictionary_find(&w->vocabulary, SPECIAL_NAMES[k], (int64_t)strlen(SPECIAL_NAMES[k]));
        if (w->special[k] < 0 && (k == TOKEN_UNK || k == TOKEN_CLS || k == TOKEN_SEP))
            return status_set(STATUS_FAILED, "%s: the vocabulary lacks %s", path, SPECIAL_NAMES[k]);
    }
    w->longest = 0;
    for (int64_t i = 0; i < w->vocabulary.n; i++) {
        int64_t size = w->vocabulary.offsets[i + 1] - w->vocabulary.offsets[i];
        if (size > w->longest) w->longest = size;
    }
    if (w->longest > 4 * MOST_CHARACTERS) w->longest = 4 * MOST_CHARACTERS; /* no longer word is looked up */
    return STATUS_OK;
}

void wordpiece_free(struct wordpiece *w) {
    dictionary_free(&w->vocabulary);
    free(w->text);
    *w = (struct wordpiece){0};
}
