/* Plan: a dictionary of distinct words and one of distinct word sequences. Rows: words of descriptions first, then texts, the names of
 * nodes last; a text's row sums the unscaled vectors of its words, which are kept. */
#include "text/ngram_encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/rng.h"
#include "base/status.h"
#include "base/dictionary.h"
#include "lm/normalize.h"

enum { MAX_WORD_BYTES = 256 }; /* longer words are cut */

struct ngram_state {
    int64_t least, most;
    int n_threads;
    uint64_t seed;
    struct dictionary words, texts; /* a text is the sequence of its word numbers (int32) */
    int64_t n_word_rows;            /* words of descriptions, which come first */
    int16_t *word_sums;             /* [words.n, dim] unscaled */
};

/* ---- plan ---- */
/* Its words, whose numbers go to numbers[NGRAM_MAX_WORDS], and its own number. */
static int plan_text(struct ngram_state *s, const char *text, int64_t size, struct words *words, int32_t *numbers,
                     int32_t *text_number) {
    TRY(words_split(words, text, size, NGRAM_MAX_WORDS));
    for (int64_t w = 0; w < words->n; w++) {
        const char *word = words->text + words->offsets[w];
        TRY(dictionary_add(&s->words, word, (int64_t)strnlen(word, MAX_WORD_BYTES), &numbers[w]));
    }
    return dictionary_add(&s->texts, numbers, words->n * (int64_t)sizeof *numbers, text_number);
}

static int plan_code(struct ngram_state *s, const char *text, int64_t size, struct words *words, struct text_plan *plan,
                     int64_t code, long long *capacity) {
    int32_t numbers[NGRAM_MAX_WORDS], text_number;
    TRY(plan_text(s, text, size, words, numbers, &text_number));
    int64_t at = plan->token_offsets[code];
    TRY(mem_grow(&plan->token_row, capacity, at + 1 + words->n, sizeof *plan->token_row));
    plan->token_row[at] = -1 - text_number; /* text rows come behind the word rows, whose number is not yet known */
    memcpy(plan->token_row + at + 1, numbers, (size_t)words->n * sizeof *numbers);
    plan->token_offsets[code + 1] = at + 1 + words->n;
    return STATUS_OK;
}

static int plan_names(struct ngram_state *s, const struct vocabulary *v, struct words *words, struct text_plan *plan) {
    int32_t numbers[NGRAM_MAX_WORDS];
    s->n_word_rows = s->words.n;
    if (!v->node_name_offsets) return STATUS_OK;
    plan->n_nodes = v->n_nodes;
    TRY(mem_alloc(&plan->node_row, v->n_nodes, sizeof *plan->node_row));
    for (int64_t i = 0; i < v->n_nodes; i++) {
        int64_t size = v->node_name_offsets[i + 1] - v->node_name_offsets[i];
        plan->node_row[i] = -1;
        if (size == 0) continue;
        TRY(plan_text(s, v->node_name + v->node_name_offsets[i], size, words, numbers, &plan->node_row[i]));
        plan->node_row[i] += (int32_t)s->n_word_rows;
    }
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
    if (status == STATUS_OK) status = plan_names(s, v, &words, plan);
    words_free(&words);
    TRY(status);
    for (int64_t t = 0; t < plan->token_offsets[v->n_codes]; t++)
        if (plan->token_row[t] < 0) plan->token_row[t] = (int32_t)(s->n_word_rows - 1 - plan->token_row[t]);
    plan->n_rows = plan->n_units = s->n_word_rows + s->texts.n;
    return STATUS_OK;
}

/* ---- vectors ---- */
/* Adds the random signs of a hash: 128 in each Philox block. */
static void add_signs(uint64_t seed, uint64_t hash, int64_t dim, int16_t *sum) {
    for (int64_t first = 0; first < dim; first += 128) {
        uint32_t w[4];
        rng_words(seed, RNG_TEXT, (uint32_t)(hash >> 40), hash & 0xffffffffff, (uint32_t)(first / 128), w);
        int64_t n = dim - first < 128 ? dim - first : 128;
        for (int64_t c = 0; c < n; c++) sum[first + c] += (int16_t)(1 - 2 * (int)(w[c / 32] >> (c % 32) & 1));
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

static void add_word(const struct ngram_state *s, int64_t word, int64_t dim, int16_t *sum) {
    const struct dictionary *d = &s->words;
    add_ngrams(s, d->bytes + d->offsets[word], d->offsets[word + 1] - d->offsets[word], dim, sum);
}

static void scale_row(const int32_t *sum, int64_t dim, real *out) {
    double square = 0;
    for (int64_t c = 0; c < dim; c++) square += (double)sum[c] * (double)sum[c];
    double scale = square > 0 ? sqrt((double)dim / square) : 0;
    for (int64_t c = 0; c < dim; c++) out[c] = (real)(scale * sum[c]);
}

/* A text's words, and each pair of neighbours as one more n-gram, so that order counts a little. */
static void text_row(const struct ngram_state *s, int64_t text, int64_t dim, int32_t *sum, int16_t *pair, real *out) {
    const struct dictionary *d = &s->texts;
    int64_t n = (d->offsets[text + 1] - d->offsets[text]) / (int64_t)sizeof(int32_t);
    const char *numbers = d->bytes + d->offsets[text];
    uint64_t before = 0;
    memset(sum, 0, (size_t)dim * sizeof *sum);
    for (int64_t w = 0; w < n; w++) {
        int32_t word;
        memcpy(&word, numbers + w * (int64_t)sizeof word, sizeof word);
        const int16_t *row = s->word_sums + word * dim;
        memset(pair, 0, (size_t)dim * sizeof *pair);
        if (w > 0) add_signs(s->seed, XXH3_64bits_withSeed(&s->words.hash[word], 8, before), dim, pair);
        for (int64_t c = 0; c < dim; c++) sum[c] += row[c] + pair[c];
        before = s->words.hash[word];
    }
    scale_row(sum, dim, out);
}

static int sum_words(struct text_encoder *encoder) {
    struct ngram_state *s = encoder->state;
    int64_t dim = encoder->dim;
    TRY(mem_alloc(&s->word_sums, s->words.n * dim, sizeof *s->word_sums));
#pragma omp parallel for num_threads(s->n_threads) schedule(dynamic, 64)
    for (int64_t w = 0; w < s->words.n; w++) add_word(s, w, dim, s->word_sums + w * dim);
    return STATUS_OK;
}

static int ngram_rows(struct text_encoder *encoder, int64_t first, int64_t count, real *out) {
    struct ngram_state *s = encoder->state;
    int64_t dim = encoder->dim;
    if (!s->word_sums) TRY(sum_words(encoder));
#pragma omp parallel for num_threads(s->n_threads) schedule(dynamic, 64)
    for (int64_t i = 0; i < count; i++) {
        int32_t sum[dim];
        int16_t pair[dim];
        int64_t row = first + i;
        if (row >= s->n_word_rows) {
            text_row(s, row - s->n_word_rows, dim, sum, pair, out + i * dim);
            continue;
        }
        for (int64_t c = 0; c < dim; c++) sum[c] = s->word_sums[row * dim + c];
        scale_row(sum, dim, out + i * dim);
    }
    return STATUS_OK;
}

static void ngram_close(struct text_encoder *encoder) {
    struct ngram_state *s = encoder->state;
    if (!s) return;
    dictionary_free(&s->words);
    dictionary_free(&s->texts);
    free(s->word_sums);
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
                                     .rows = ngram_rows,
                                     .close = ngram_close};
    return STATUS_OK;
}
