#include "qa/cosine_scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "qa/code_vectors.h"
#include "qa/question_rows.h"

#define SCORE_GROUP_NAME(number, name) name,
const char *const SCORE_GROUP_NAMES[N_SCORE_GROUPS] = {SCORE_GROUPS(SCORE_GROUP_NAME)};

/* ---- rows and vectors ---- */
/* The codes of all texts, one after the other: each question's stem, then its options. */
struct text_rows {
    int64_t n;
    int64_t *rows;
    struct code_vectors vectors;
};

static void text_rows_free(struct text_rows *r) {
    free(r->rows);
    code_vectors_free(&r->vectors);
}

static int read_rows(struct text_rows *r, const struct questions *questions, const char *path, struct table *table) {
    struct code_index index = {0};
    int64_t n = 0, at = 0;
    int status;
    for (int64_t q = 0; q < questions->n; q++) {
        n += questions->items[q].n_codes;
        for (int i = 0; i < questions->items[q].n_options; i++) n += questions->items[q].option_codes[i].n;
    }
    TRY_DONE(mem_alloc(&r->rows, n, sizeof *r->rows));
    TRY_DONE(question_rows_index(&index, table));
    for (int64_t q = 0; q < questions->n; q++) {
        const struct question *item = &questions->items[q];
        TRY_DONE(question_rows(&index, path, item->n_codes, item->codes, r->rows + at));
        at += item->n_codes;
        for (int i = 0; i < item->n_options; i++) {
            TRY_DONE(question_rows(&index, path, item->option_codes[i].n, item->option_codes[i].items, r->rows + at));
            at += item->option_codes[i].n;
        }
    }
    r->n = n;
    TRY_DONE(code_vectors_read(&r->vectors, table, n, r->rows));
done:
    code_index_free(&index);
    return status;
}

/* The mean of the vectors of rows[n]; returns whether there is one. */
static int mean_of(const struct code_vectors *vectors, int64_t n, const int64_t *rows, float *mean) {
    int any = 0;
    memset(mean, 0, (size_t)vectors->width * sizeof *mean);
    for (int64_t i = 0; i < n; i++) {
        const float *v = code_vector(vectors, rows[i]);
        any |= v != NULL;
        for (int64_t k = 0; v && k < vectors->width; k++) mean[k] += v[k]; /* a cosine does not ask for the divisor */
    }
    return any;
}

/* ---- scores ---- */
static void score_question(const struct question *q, const struct code_vectors *vectors, const int64_t *rows,
                           float *stem, float *option, struct option_scores *s) {
    int has_stem = mean_of(vectors, q->n_codes, rows, stem);
    rows += q->n_codes;
    *s = (struct option_scores){.chosen = -1, .with_codes = q->n_codes > 0};
    for (int i = 0; i < q->n_options; rows += q->option_codes[i++].n) {
        s->scores[i] = NAN;
        if (!mean_of(vectors, q->option_codes[i].n, rows, option) || !has_stem) continue;
        s->scores[i] = vector_cosine(stem, option, vectors->width);
        s->n_scored++;
        if (s->chosen < 0 || s->scores[i] > s->scores[s->chosen]) s->chosen = i;
    }
}

int cosine_scores(const struct questions *questions, const char *path, struct table *table,
                  struct option_scores *scores) {
    struct text_rows r = {0};
    float *stem = NULL, *option = NULL;
    int status;
    TRY_DONE(read_rows(&r, questions, path, table));
    TRY_DONE(mem_alloc(&stem, r.vectors.width, sizeof *stem));
    TRY_DONE(mem_alloc(&option, r.vectors.width, sizeof *option));
    const int64_t *rows = r.rows;
    for (int64_t q = 0; q < questions->n; q++) {
        const struct question *item = &questions->items[q];
        score_question(item, &r.vectors, rows, stem, option, &scores[q]);
        rows += item->n_codes;
        for (int i = 0; i < item->n_options; i++) rows += item->option_codes[i].n;
    }
done:
    text_rows_free(&r);
    free(stem);
    free(option);
    return status;
}

/* ---- summaries ---- */
static int is_in(const struct question *q, const struct option_scores *s, enum score_group group) {
    switch (group) {
        case SCORE_ANSWERED: return s->chosen >= 0;
        case SCORE_ALL_OPTIONS: return s->n_scored == q->n_options;
        case SCORE_SOME_OPTIONS: return s->n_scored > 0 && s->n_scored < q->n_options;
        case SCORE_STEM_CODES: return s->with_codes;
        case SCORE_NO_STEM_CODES: return !s->with_codes;
        default: return 1;
    }
}

void choices_summarize(const struct questions *questions, const struct option_scores *scores, enum score_group group,
                       struct choice_summary *x) {
    *x = (struct choice_summary){0};
    double guesses = 0;
    for (int64_t i = 0; i < questions->n; i++) {
        const struct question *q = &questions->items[i];
        const struct option_scores *s = &scores[i];
        if (!is_in(q, s, group)) continue;
        x->n++;
        x->right_letters[q->answer]++;
        x->chance += 1.0 / q->n_options;
        if (s->chosen < 0) {
            guesses += 1.0 / q->n_options;
            continue;
        }
        x->n_answered++;
        x->chosen_letters[s->chosen]++;
        x->n_right += s->chosen == q->answer;
        if (!isnan(s->scores[q->answer])) x->guess_of_scored += 1.0 / s->n_scored;
    }
    for (int k = 1; k < QUESTION_OPTIONS; k++)
        if (x->right_letters[k] > x->right_letters[x->majority_letter]) x->majority_letter = k;
    x->accuracy = proportion_wilson(x->n_right, x->n_answered);
    x->majority = proportion_wilson(x->right_letters[x->majority_letter], x->n);
    x->with_guesses = x->n ? (guesses + (double)x->n_right) / (double)x->n : NAN;
    x->chance = x->n ? x->chance / (double)x->n : NAN;
    x->guess_of_scored = x->n_answered ? x->guess_of_scored / (double)x->n_answered : NAN;
}
