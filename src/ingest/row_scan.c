/* Masks of 64 bytes give the ends of fields; rows with quotes or bytes beyond ASCII take a second look. */
#include "ingest/row_scan.h"

#include <stdio.h>
#include <string.h>

#include "ingest/byte_masks.h"

/* The bytes at p, of which `left` are there, with zeros behind if these are fewer than 64. */
static const char *sixty_four(const char *p, int64_t left, char padded[64]) {
    if (left >= 64) return p;
    memset(padded, 0, 64);
    memcpy(padded, p, (size_t)left);
    return padded;
}

static int set_bits(uint64_t mask) { return __builtin_popcountll(mask); }

/* Bits 0 .. n - 1; n < 64. */
static uint64_t bits_below(int n) { return ((uint64_t)1 << n) - 1; }

/* ---- UTF-8 ---- */
static int sequence_length(const unsigned char *p, const unsigned char *end) {
    int n = p[0] < 0x80                   ? 1
            : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
            : (p[0] & 0xf0) == 0xe0       ? 3
            : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                          : 0;
    if (n == 0 || end - p < n) return 0;
    for (int i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] >= 0x90))
        return 0; /* overlong, surrogate, or beyond U+10FFFF */
    return n;
}

static enum row_state check_utf8(struct row_scan *s, const char *row, int64_t size) {
    const unsigned char *p = (const unsigned char *)row, *end = p + size;
    while (p < end) {
        uint64_t word;
        if (end - p >= 8 && (memcpy(&word, p, 8), !(word & 0x8080808080808080u))) {
            p += 8;
            continue;
        }
        int n = sequence_length(p, end);
        if (n == 0) {
            snprintf(
                s->fault, sizeof s->fault,
                "byte %lld of the row (0x%02x) is not UTF-8: turn the file into UTF-8, e.g. `iconv -f latin1 -t utf-8`",
                (long long)(p - (const unsigned char *)row) + 1, *p);
            return ROW_BAD;
        }
        p += n;
    }
    return ROW_GOOD;
}

/* ---- quotes ---- */
/* Takes the quotes from fields that are quoted as a whole and hold none. 0: some field is of another kind; all stays as it is then. */
static int strip_quotes(struct field *fields, int n) {
    for (int i = 0; i < n; i++) {
        const char *p = fields[i].text;
        int64_t size = fields[i].size;
        int quoted = size >= 2 && p[0] == '"' && p[size - 1] == '"';
        if (memchr(quoted ? p + 1 : p, '"', (size_t)(quoted ? size - 2 : size))) return 0;
    }
    for (int i = 0; i < n; i++)
        if (fields[i].size >= 2 && fields[i].text[0] == '"') fields[i].text++, fields[i].size -= 2;
    return 1;
}

/* Removes the quotes of a field in place: "a ""b""" -> a "b". p is behind the opening quote. */
static char *unquote(char *p, char *end, struct field *field) {
    char *to = p;
    field->text = p;
    while (p < end) {
        if (*p == '"') {
            if (p + 1 < end && p[1] == '"')
                p++;
            else
                break;
        }
        *to++ = *p++;
    }
    field->size = to - field->text;
    return p + 1; /* behind the closing quote */
}

/* Fields of a row with doubled quotes, or with a quote within a field that is not quoted, where it hides no comma. */
static enum row_state split_quoted(struct row_scan *s, char *row, int64_t size, int *n_fields) {
    char *p = row, *end = row + size;
    int n = 0;
    for (;; n++) {
        struct field beyond, *field = n < ROW_MAX_COLUMNS ? &s->fields[n] : &beyond;
        if (p < end && *p == '"') {
            p = unquote(p + 1, end, field);
            if (p < end && *p != ',') {
                snprintf(s->fault, sizeof s->fault,
                         "text behind a closing quote; a quote within a quoted field must be doubled");
                return ROW_BAD;
            }
        } else {
            char *stop = memchr(p, ',', (size_t)(end - p));
            if (!stop) stop = end;
            *field = (struct field){p, stop - p};
            p = stop;
        }
        if (p >= end) break;
        p++; /* the separator */
    }
    *n_fields = n + 1;
    return ROW_GOOD;
}

/* ---- rows ---- */
void row_scan_move(struct row_scan *s) {
    s->block = s->at - 64;
    s->ends = s->lines = s->quoted_lines = s->inside = s->quotes = s->high = 0;
}

/* The next 64 bytes; 0 if there are none. */
static int next_block(struct row_scan *s) {
    s->block += 64;
    if (s->block >= s->size) return 0;
    char padded[64];
    struct byte_masks m = byte_masks(sixty_four(s->bytes + s->block, s->size - s->block, padded), s->separator);
    uint64_t inside = 0;
    s->quotes = s->separator == ',' ? m.quote : 0;
    if (s->quotes | s->inside) inside = byte_masks_inside(s->quotes, &s->inside);
    s->lines = m.line & ~inside;
    s->ends = (m.separator & ~inside) | s->lines;
    s->quoted_lines = m.line & inside;
    s->high = m.high;
    s->row_quotes |= s->quotes;
    s->row_high |= m.high;
    return 1;
}

/* Finds the fields of the row at `at`; those beyond ROW_MAX_COLUMNS are counted only. Gives their number, and where the row ends, with the
 * number of line breaks in it; or 0 if its end is not there. */
static int find_fields(struct row_scan *s, int64_t *end, int64_t *n_lines) {
    int64_t begin = s->at;
    int n = 0;
    *n_lines = 0;
    s->row_quotes = s->quotes; /* those of the row before may be among them: a look in vain */
    s->row_high = s->high;
    for (;;) {
        while (s->ends) {
            int bit = __builtin_ctzll(s->ends);
            int64_t stop = s->block + bit;
            s->ends &= s->ends - 1;
            if (n < ROW_MAX_COLUMNS) s->fields[n] = (struct field){s->bytes + begin, stop - begin};
            n++;
            begin = stop + 1;
            if (!(s->lines >> bit & 1)) continue;
            uint64_t passed = s->quoted_lines & bits_below(bit);
            *n_lines += set_bits(passed);
            s->quoted_lines ^= passed;
            *end = stop;
            return n;
        }
        *n_lines += set_bits(s->quoted_lines);
        if (!next_block(s)) break;
    }
    if (!s->last || s->inside || s->at >= s->size) return 0;
    if (n < ROW_MAX_COLUMNS) s->fields[n] = (struct field){s->bytes + begin, s->size - begin};
    *end = s->size;
    return n + 1;
}

/* The row of n fields at bytes[row .. end) without its line end. */
static enum row_state finish_row(struct row_scan *s, int64_t row, int64_t end, int n) {
    if (s->row_high && check_utf8(s, s->bytes + row, end - row) == ROW_BAD) return ROW_BAD;
    if (s->row_quotes && !strip_quotes(s->fields, n < ROW_MAX_COLUMNS ? n : ROW_MAX_COLUMNS) &&
        split_quoted(s, s->bytes + row, end - row, &n) == ROW_BAD)
        return ROW_BAD;
    if (n > ROW_MAX_COLUMNS) {
        snprintf(s->fault, sizeof s->fault, "more than %d columns", (int)ROW_MAX_COLUMNS);
        return ROW_BAD;
    }
    if (s->n_columns == 0) s->n_columns = n;
    if (n == s->n_columns) return ROW_GOOD;
    snprintf(s->fault, sizeof s->fault, "%d fields, but the header has %d columns", n, s->n_columns);
    return ROW_BAD;
}

enum row_state row_scan_next(struct row_scan *s) {
    while (s->at < s->stop) {
        int64_t end, n_lines, row = s->at;
        int n = find_fields(s, &end, &n_lines);
        s->row_line = s->line;
        if (n == 0) return s->last && s->inside ? ROW_OPEN : ROW_NONE;
        s->line += n_lines + (end < s->size);
        s->at = end + (end < s->size);
        if (end > row && s->bytes[end - 1] == '\r') {
            end--;
            if (n <= ROW_MAX_COLUMNS) s->fields[n - 1].size--;
        }
        if (end > row) return finish_row(s, row, end, n);
    }
    return ROW_NONE;
}

/* ---- where rows begin ---- */
void row_scan_count(const char *bytes, int64_t size, int64_t *n_lines, int64_t *n_quotes) {
    char padded[64];
    *n_lines = *n_quotes = 0;
    for (int64_t i = 0; i < size; i += 64) {
        struct byte_masks m = byte_masks(sixty_four(bytes + i, size - i, padded), ',');
        *n_lines += set_bits(m.line);
        *n_quotes += set_bits(m.quote);
    }
}

int64_t row_scan_first(const char *bytes, int64_t size, int quoting, int inside, int64_t *n_lines) {
    char padded[64];
    uint64_t within = quoting && inside ? ~(uint64_t)0 : 0;
    *n_lines = 0;
    for (int64_t i = 0; i < size; i += 64) {
        struct byte_masks m = byte_masks(sixty_four(bytes + i, size - i, padded), ',');
        uint64_t ends = m.line & ~byte_masks_inside(quoting ? m.quote : 0, &within);
        if (ends) {
            int bit = __builtin_ctzll(ends);
            *n_lines += set_bits(m.line & bits_below(bit)) + 1;
            return i + bit + 1;
        }
        *n_lines += set_bits(m.line);
    }
    return -1;
}

void row_cut_add(struct row_cut *cut, const char *bytes, int64_t size) {
    char padded[64];
    for (int64_t i = 0; i < size; i += 64) {
        int64_t n = size - i < 64 ? size - i : 64;
        struct byte_masks m = byte_masks(sixty_four(bytes + i, n, padded), ',');
        uint64_t inside = byte_masks_inside(cut->quoting ? m.quote : 0, &cut->inside), ends = m.line & ~inside;
        if (ends) {
            int bit = 63 - __builtin_clzll(ends);
            cut->cut = cut->size + i + bit + 1;
            cut->n_lines_at_cut = cut->n_lines + set_bits(m.line & bits_below(bit)) + 1;
        }
        cut->n_lines += set_bits(m.line);
    }
    cut->size += size;
}
