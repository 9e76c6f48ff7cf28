/* Plan: a dictionary of distinct words and one of distinct texts, a text being its words one behind the other. Rows: words first, then texts; a
 * text's row sums the unscaled vectors of its words, some of which are kept. */
#include "text/ngram_encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/rng.h"
#include "base/status.h"
#include "lm/normalize.h"

enum { MAX_WORD_BYTES = 256, WORD_HEAD = 2 }; /* longer words are cut; bytes of a word's length */

struct ngram_state {
    int64_t least, most;
    int n_threads;
    uint64_t seed;
    struct dictionary words, texts,
        names;              /* planned; a text is its words, each a byte of its length - 1 and its bytes */
    struct dictionary kept; /* words whose vectors are kept, in whatever order they came */
    int16_t *sums;          /* [kept.n, dim] unscaled */
    long long sums_capacity;
    int32_t *numbers; /* of the words of the texts in hand, among those kept */
    long long numbers_capacity;
    int64_t *first_number; /* [TEXTS_AT_ONCE + 1] where those of each text begin */
};

/* Texts computed at once, and words whose vectors are kept before all are forgotten: these bound the memory, whatever the vocabulary. */
enum { TEXTS_AT_ONCE = 512, MOST_KEPT = 65536 };

/* ---- plan ---- */
/* A word's bytes in a text. A text without a word has an empty one. */
static int64_t put_word(const char *word, int64_t size, char *to) {
    const uint16_t length = (uint16_t)size;
    memcpy(to, &length, WORD_HEAD);
    memcpy(to + WORD_HEAD, word, (size_t)size);
    return size + WORD_HEAD;
}

/* A text as words in a row, bytes [MOST_TEXT_BYTES]. */
enum { MOST_TEXT_BYTES = NGRAM_MAX_WORDS * (MAX_WORD_BYTES + WORD_HEAD) };
static int64_t put_words(const struct words *words, char *bytes) {
    int64_t n = 0;
    for (int64_t w = 0; w < words->n; w++) {
        const char *word = words->text + words->offsets[w];
        n += put_word(word, (int64_t)strnlen(word, MAX_WORD_BYTES), bytes + n);
    }
    return n;
}

static int plan_code(struct ngram_state *s, const char *text, int64_t size, struct words *words, struct text_plan *plan,
                     int64_t code, long long *capacity) {
    char bytes[MOST_TEXT_BYTES];
    int32_t numbers[NGRAM_MAX_WORDS], text_number;
    TRY(words_split(words, text, size, NGRAM_MAX_WORDS));
    for (int64_t w = 0; w < words->n; w++) {
        const char *word = words->text + words->offsets[w];
        TRY(dictionary_add(&s->words, word, (int64_t)strnlen(word, MAX_WORD_BYTES), &numbers[w]));
    }
    TRY(dictionary_add(&s->texts, bytes, put_words(words, bytes), &text_number));
    int64_t at = plan->token_offsets[code];
    TRY(mem_grow(&plan->token_row, capacity, at + 1 + words->n, sizeof *plan->token_row));
    plan->token_row[at] = -1 - text_number; /* text rows come behind the word rows, whose number is not yet known */
    memcpy(plan->token_row + at + 1, numbers, (size_t)words->n * sizeof *numbers);
    plan->token_offsets[code + 1] = at + 1 + words->n;
    return STATUS_OK;
}

static int ngram_plan(struct text_encoder *encoder, const struct vocabulary *v, struct text_plan *plan) {
    struct ngram_state *s = encoder->state;
    struct words words = {0};
    long long capacity = 0;
    *plan = (struct text_plan){.n_codes = v->n_codes};
    int status = mem_alloc(&plan->token_offsets, v->n_codes + 1, sizeof *plan->token_offsets);
    for (int64_t i = 0; i < v->n_codes && status == STATUS_OK; i++)
        status = plan_code(s, v->description + v->description_offsets[i],
                           v->description_offsets[i + 1] - v->description_offsets[i], &words, plan, i, &capacity);
    words_free(&words);
    TRY(status);
    for (int64_t t = 0; t < plan->token_offsets[v->n_codes]; t++)
        if (plan->token_row[t] < 0) plan->token_row[t] = (int32_t)(s->words.n - 1 - plan->token_row[t]);
    plan->n_rows = plan->n_units = s->words.n + s->texts.n;
    return STATUS_OK;
}

static int ngram_plan_names(struct text_encoder *encoder, int64_t n, const int64_t *offsets, const char *names,
                            struct text_plan *plan) {
    struct ngram_state *s = encoder->state;
    struct words words = {0};
    char bytes[MOST_TEXT_BYTES];
    TRY(mem_alloc(&plan->node_row, n, sizeof *plan->node_row));
    int status = STATUS_OK;
    plan->n_nodes = n;
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) {
        int64_t size = offsets[i + 1] - offsets[i];
        plan->node_row[i] = -1;
        if (size == 0) continue;
        status = words_split(&words, names + offsets[i], size, NGRAM_MAX_WORDS);
        if (status == STATUS_OK)
            status = dictionary_add(&s->names, bytes, put_words(&words, bytes), &plan->node_row[i]);
    }
    words_free(&words);
    encoder->dictionaries[encoder->n_kinds++] = &s->names;
    encoder->n_name_kinds = 1;
    return status;
}

/* ---- vectors ---- */
/* Adds the signs that 16 random bits say: -1 for one that is set. Without shifts, so that it becomes vector code. */
static inline void add_16_signs(uint16_t bits, int16_t *sum) {
    static const uint16_t BIT[16] = {1,      1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                                     1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};
#pragma omp simd
    for (int i = 0; i < 16; i++) sum[i] = (int16_t)(sum[i] + ((bits & BIT[i]) ? -1 : 1));
}

/* Adds the random signs of a hash: 128 in each Philox block. */
static void add_signs(uint64_t seed, uint64_t hash, int64_t dim, int16_t *sum) {
    for (int64_t first = 0; first < dim; first += 128) {
        uint32_t w[4];
        rng_words(seed, RNG_TEXT, (uint32_t)(hash >> 40), hash & 0xffffffffff, (uint32_t)(first / 128), w);
        int64_t n = dim - first < 128 ? dim - first : 128, c = 0;
        for (; c + 16 <= n; c += 16) add_16_signs((uint16_t)(w[c / 32] >> c % 32), sum + first + c);
        for (; c < n; c++) sum[first + c] += (int16_t)(1 - 2 * (int)(w[c / 32] >> (c % 32) & 1));
    }
}

/* Offsets in bytes of the characters of a UTF-8 text, and of its end. */
static int64_t character_offsets(const char *text, int64_t size, int64_t *offsets) {
    int64_t n = 0;
    for (int64_t i = 0; i < size; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80) offsets[n++] = i;
    offsets[n] = size;
    return n;
}

static void add_ngrams(const struct ngram_state *s, const char *word, int64_t size, int64_t dim, int16_t *sum) {
    char marked[MAX_WORD_BYTES + 2];
    int64_t offsets[MAX_WORD_BYTES + 3];
    marked[0] = '<';
    memcpy(marked + 1, word, (size_t)size);
    marked[size + 1] = '>';
    int64_t n = character_offsets(marked, size + 2, offsets);
    for (int64_t length = s->least; length <= s->most; length++)
        for (int64_t i = 0; i + length <= n; i++)
            add_signs(s->seed, XXH3_64bits_withSeed(marked + offsets[i], (size_t)(offsets[i + length] - offsets[i]), 1),
                      dim, sum);
    add_signs(s->seed, XXH3_64bits_withSeed(marked, (size_t)size + 2, 2), dim, sum);
}

static void scale_row(const int32_t *sum, int64_t dim, real *out) {
    double square = 0;
    for (int64_t c = 0; c < dim; c++) square += (double)sum[c] * (double)sum[c];
    double scale = square > 0 ? sqrt((double)dim / square) : 0;
    for (int64_t c = 0; c < dim; c++) out[c] = (real)(scale * sum[c]);
}

/* A text's words (`numbers` among those kept), and each pair of neighbours as one more n-gram, so that order counts a little. */
static void text_row(const struct ngram_state *s, const int32_t *numbers, int64_t n, int64_t dim, int32_t *sum,
                     int16_t *pair, real *out) {
    uint64_t before = 0;
    memset(sum, 0, (size_t)dim * sizeof *sum);
    for (int64_t w = 0; w < n; w++) {
        uint64_t hash = s->kept.hash[numbers[w]];
        const int16_t *row = s->sums + numbers[w] * dim;
        memset(pair, 0, (size_t)dim * sizeof *pair);
        if (w > 0) add_signs(s->seed, XXH3_64bits_withSeed(&hash, 8, before), dim, pair);
        for (int64_t c = 0; c < dim; c++) sum[c] += row[c] + pair[c];
        before = hash;
    }
    scale_row(sum, dim, out);
}

/* Numbers the words of a text, behind `n` numbers. */
static int number_words(struct ngram_state *s, const char *text, int64_t size, int64_t *n) {
    for (int64_t at = 0; at < size;) {
        uint16_t length;
        memcpy(&length, text + at, WORD_HEAD);
        TRY(mem_grow(&s->numbers, &s->numbers_capacity, *n + 1, sizeof *s->numbers));
        TRY(dictionary_add(&s->kept, text + at + WORD_HEAD, length, &s->numbers[(*n)++]));
        at += WORD_HEAD + length;
    }
    return STATUS_OK;
}

/* The words of these texts, and the vectors of those that are new. */
static int keep_words(struct ngram_state *s, const struct text_units *units, int64_t first, int64_t count,
                      int64_t dim) {
    int64_t n = 0;
    if (s->kept.n > MOST_KEPT) dictionary_free(&s->kept);
    int64_t known = s->kept.n;
    if (!s->first_number) TRY(mem_alloc(&s->first_number, TEXTS_AT_ONCE + 1, sizeof *s->first_number));
    TRY(mem_grow(&s->numbers, &s->numbers_capacity, 1, sizeof *s->numbers));
    for (int64_t i = 0; i < count; i++) {
        const struct text_unit *u = &units->list[first + i];
        s->first_number[i] = n;
        TRY(number_words(s, units->bytes + u->at, u->size, &n));
    }
    s->first_number[count] = n;
    TRY(mem_grow(&s->sums, &s->sums_capacity, s->kept.n * dim + 1, sizeof *s->sums));
    memset(s->sums + known * dim, 0, (size_t)((s->kept.n - known) * dim) * sizeof *s->sums);
    const struct dictionary *d = &s->kept;
#pragma omp parallel for num_threads(s->n_threads) schedule(dynamic, 64)
    for (int64_t w = known; w < d->n; w++)
        add_ngrams(s, d->bytes + d->offsets[w], d->offsets[w + 1] - d->offsets[w], dim, s->sums + w * dim);
    return STATUS_OK;
}

static int text_rows(struct text_encoder *encoder, const struct text_units *units, int64_t first, int64_t count,
                     real *out) {
    struct ngram_state *s = encoder->state;
    int64_t dim = encoder->dim;
    TRY(keep_words(s, units, first, count, dim));
#pragma omp parallel for num_threads(s->n_threads) schedule(dynamic, 64)
    for (int64_t i = 0; i < count; i++) {
        int32_t sum[dim];
        int16_t pair[dim];
        text_row(s, s->numbers + s->first_number[i], s->first_number[i + 1] - s->first_number[i], dim, sum, pair,
                 out + i * dim);
    }
    return STATUS_OK;
}

static void word_rows(struct text_encoder *encoder, const struct text_units *units, int64_t first, int64_t count,
                      real *out) {
    struct ngram_state *s = encoder->state;
    int64_t dim = encoder->dim;
#pragma omp parallel for num_threads(s->n_threads) schedule(dynamic, 64)
    for (int64_t i = 0; i < count; i++) {
        const struct text_unit *u = &units->list[first + i];
        int32_t sum[dim];
        int16_t vector[dim];
        memset(vector, 0, (size_t)dim * sizeof *vector);
        add_ngrams(s, units->bytes + u->at, u->size, dim, vector);
        for (int64_t c = 0; c < dim; c++) sum[c] = vector[c];
        scale_row(sum, dim, out + i * dim);
    }
}

/* Units below units->kind_first[1] are words. */
static int ngram_rows(struct text_encoder *encoder, const struct text_units *units, int64_t first, int64_t count,
                      real *out) {
    int64_t n = 0, dim = encoder->dim;
    while (n < count && units->list[first + n].unit < units->kind_first[1]) n++;
    word_rows(encoder, units, first, n, out);
    for (int64_t more; n < count; n += more) {
        more = count - n < TEXTS_AT_ONCE ? count - n : TEXTS_AT_ONCE;
        TRY(text_rows(encoder, units, first + n, more, out + n * dim));
    }
    return STATUS_OK;
}

static void ngram_close(struct text_encoder *encoder) {
    struct ngram_state *s = encoder->state;
    if (!s) return;
    dictionary_free(&s->words);
    dictionary_free(&s->texts);
    dictionary_free(&s->names);
    dictionary_free(&s->kept);
    free(s->sums);
    free(s->numbers);
    free(s->first_number);
    free(s);
    *encoder = (struct text_encoder){0};
}

int ngram_encoder_open(struct text_encoder *encoder, const struct text_options *options, uint64_t seed, int n_threads) {
    struct ngram_state *s;
    TRY(mem_alloc(&s, 1, sizeof *s));
    s->least = options->ngram_min;
    s->most = options->ngram_max;
    s->seed = seed;
    s->n_threads = n_threads;
    *encoder = (struct text_encoder){.name = "hashed-ngrams",
                                     .dim = options->dim,
                                     .state = s,
                                     .plan = ngram_plan,
                                     .plan_names = ngram_plan_names,
                                     .rows = ngram_rows,
                                     .close = ngram_close,
                                     .part_cost = TEXTS_AT_ONCE,
                                     .n_kinds = 2,
                                     .dictionaries = {&s->words, &s->texts}};
    return STATUS_OK;
}
