#include "report/code_sample.h"

#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/rng.h"
#include "base/status.h"
#include "store/table_walk.h"
#include "store/vocabulary.h"

/* Codes read from the vocabulary at a time. */
enum { PIECE = 16384 };

const char *code_sample_code(const struct code_sample *s, int64_t row) {
    return s->table.code + row * s->table.code_bytes;
}
const char *code_sample_system(const struct code_sample *s, int64_t row) {
    return s->table.system + row * s->table.system_bytes;
}

/* Whether the vocabulary is the one that the table was made from; one of another training is passed over. */
static int find_vocabulary(struct code_sample *s, const char *path) {
    char *id;
    int is_of;
    if (h5file_kind(path) != KIND_VOCABULARY) return STATUS_OK;
    int status = table_is_of(&s->table, path, &is_of, &id);
    if (is_of) s->vocabulary = path;
    free(id);
    return status;
}

/* ---- descriptions ---- */
/* A copy of n bytes of UTF-8, cut between two characters. */
static int copy_description(const char *text, int64_t n, char **copy) {
    int64_t end = n;
    if (n > DESCRIPTION_BYTES) {
        end = DESCRIPTION_BYTES;
        while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80) end--;
    }
    *copy = strndup(text, (size_t)end);
    return *copy ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}

static int describe_piece(struct code_sample *s, const struct vocabulary *v, int64_t *at) {
    for (; *at < s->n && s->rows[*at] < v->first + v->n_codes; ++*at) {
        int64_t i = s->rows[*at] - v->first, begin = v->description_offsets[i];
        TRY(copy_description(v->description + begin, v->description_offsets[i + 1] - begin, &s->description[*at]));
    }
    return STATUS_OK;
}

/* Of rows that are no codes of the vocabulary, "". */
static int read_descriptions(struct code_sample *s) {
    int64_t at = 0, end = s->vocabulary ? s->table.shape.vocabulary_rows : 0;
    for (int64_t first = 0; first < end && at < s->n; first += PIECE) {
        struct vocabulary piece;
        if (s->rows[at] >= first + PIECE) continue;
        TRY(vocabulary_read(s->vocabulary, first, end - first < PIECE ? end - first : PIECE, VOCABULARY_DESCRIPTIONS,
                            &piece));
        int status = describe_piece(s, &piece, &at);
        vocabulary_free(&piece);
        TRY(status);
        TRY(interrupt_poll());
    }
    for (; at < s->n; at++) TRY(copy_description("", 0, &s->description[at]));
    return STATUS_OK;
}

int code_sample_describe(const struct code_sample *s, int64_t row, char **text) {
    struct vocabulary one = {0};
    if (!s->vocabulary || row >= s->table.shape.vocabulary_rows) return copy_description("", 0, text);
    TRY(vocabulary_read(s->vocabulary, row, 1, VOCABULARY_DESCRIPTIONS, &one));
    int status = copy_description(one.description, one.description_offsets[1], text);
    vocabulary_free(&one);
    return status;
}

/* ---- embeddings ---- */
static int read_embeddings(struct code_sample *s) {
    struct table_walk w;
    int64_t at = 0;
    int status = table_walk_begin(&w, &s->table, TABLE_EMBEDDING, 0, s->table.shape.n_codes);
    while (status == STATUS_OK && (status = table_walk_next(&w)) == STATUS_OK && w.count > 0) {
        for (; at < s->n && s->rows[at] < w.first + w.count; at++)
            memcpy(s->embedding + at * s->width, w.embedding + (s->rows[at] - w.first) * s->width,
                   (size_t)s->width * sizeof *s->embedding);
        status = interrupt_poll();
    }
    table_walk_end(&w);
    return status;
}

int code_sample_read(struct code_sample *s, const char *table, const char *vocabulary, uint64_t seed, int64_t most) {
    *s = (struct code_sample){0};
    TRY(table_open(&s->table, table));
    TRY(find_vocabulary(s, vocabulary));
    s->n = s->table.shape.n_codes;
    s->width = TABLE_GROUPS * s->table.shape.dim;
    TRY(mem_alloc(&s->rows, s->n, sizeof *s->rows));
    for (int64_t i = 0; i < s->n; i++) s->rows[i] = i;
    TRY(rng_draw(seed, RNG_MAP, most, s->rows, &s->n));
    TRY(mem_alloc(&s->embedding, s->n * s->width, sizeof *s->embedding));
    TRY(mem_alloc(&s->description, s->n, sizeof *s->description));
    TRY(read_embeddings(s));
    return read_descriptions(s);
}

void code_sample_free(struct code_sample *s) {
    for (int64_t i = 0; s->description && i < s->n; i++) free(s->description[i]);
    free(s->description);
    free(s->embedding);
    free(s->rows);
    table_close(&s->table);
    *s = (struct code_sample){0};
}
