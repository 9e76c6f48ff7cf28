#include "ehr/baselines/few_shot.h"

#include <stdlib.h>

#include "base/rng.h"
#include "base/status.h"

enum { WITH_REPLACEMENT = 8 }; /* added to the stream */

struct drawn {
    double key;
    int64_t sample;
};

static int by_key(const void *a, const void *b) {
    const struct drawn *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->sample > y->sample) - (x->sample < y->sample);
}

static int by_sample(const void *a, const void *b) {
    int64_t x = ((const struct chosen_row *)a)->sample, y = ((const struct chosen_row *)b)->sample;
    return (x > y) - (x < y);
}

/* Samples of a split and, unless class is -1, a class. */
static int is_in(const struct sample_list *s, int64_t i, int split, int32_t class) {
    return s->split[i] == split && (class < 0 || s->label[i] == class);
}

static int list_samples(const struct sample_list *s, int split, int32_t class, int64_t *n, struct drawn **drawn) {
    *n = 0;
    for (int64_t i = 0; i < s->n; i++) *n += is_in(s, i, split, class);
    TRY(mem_alloc(drawn, *n, sizeof **drawn));
    *n = 0;
    for (int64_t i = 0; i < s->n; i++)
        if (is_in(s, i, split, class)) (*drawn)[(*n)++].sample = i;
    return STATUS_OK;
}

int split_rows(const struct sample_list *s, int split, int64_t *n, struct chosen_row **rows) {
    *n = 0;
    for (int64_t i = 0; i < s->n; i++) *n += s->split[i] == split;
    TRY(mem_alloc(rows, *n, sizeof **rows));
    *n = 0;
    for (int64_t i = 0; i < s->n; i++)
        if (s->split[i] == split) (*rows)[(*n)++] = (struct chosen_row){i, 1};
    return STATUS_OK;
}

/* Adds `size` samples of a class to set->rows[split]. */
static int draw_class(struct training_set *set, const struct sample_list *s, int split, int32_t class, int replace,
                      uint64_t seed) {
    struct drawn *drawn;
    struct chosen_row *rows = set->rows[split] + set->n[split];
    uint32_t stream = RNG_SHOTS + (uint32_t)split, step = (uint32_t)set->replicate;
    int64_t n;
    TRY(list_samples(s, split, class, &n, &drawn));
    if (n == 0) {
        free(drawn);
        return status_set(STATUS_FAILED, "the split %s has no sample of class %d to draw", SPLIT_NAMES[split], class);
    }
    for (int64_t i = 0; i < n; i++) drawn[i].key = rng_uniform(seed, stream, step, (uint64_t)drawn[i].sample);
    qsort(drawn, (size_t)n, sizeof *drawn, by_key);
    int64_t count = replace || set->size < n ? set->size : n;
    for (int64_t i = 0; i < count; i++) {
        int64_t k = i;
        if (i >= n)
            k = (int64_t)((double)n * rng_uniform(seed, stream + WITH_REPLACEMENT, step,
                                                  (uint64_t)(i * s->n_classes + (class < 0 ? 0 : class))));
        rows[i] = (struct chosen_row){drawn[k].sample, 1};
    }
    set->n[split] += count;
    free(drawn);
    return STATUS_OK;
}

/* Ascending by sample; those that were drawn several times become one. */
static void merge(struct training_set *set, int split) {
    struct chosen_row *rows = set->rows[split];
    int64_t n = 0;
    qsort(rows, (size_t)set->n[split], sizeof *rows, by_sample);
    for (int64_t i = 0; i < set->n[split]; i++)
        if (n && rows[n - 1].sample == rows[i].sample)
            rows[n - 1].weight += rows[i].weight;
        else
            rows[n++] = rows[i];
    set->n[split] = n;
}

static int draw(struct training_set *set, const struct sample_list *s, int split, uint64_t seed) {
    int shots = set->kind == TRAINING_SHOTS;
    if (set->kind == TRAINING_ALL || (set->kind == TRAINING_ROWS && split != SPLIT_TRAIN))
        return split_rows(s, split, &set->n[split], &set->rows[split]);
    TRY(mem_alloc(&set->rows[split], set->size * (shots ? s->n_classes : 1), sizeof *set->rows[split]));
    if (shots)
        for (int32_t class = 0; class < s->n_classes; class ++) TRY(draw_class(set, s, split, class, 1, seed));
    else
        TRY(draw_class(set, s, split, -1, 0, seed));
    merge(set, split);
    return STATUS_OK;
}

int training_set_draw(struct training_set *set, const struct sample_list *samples, enum training_kind kind,
                      int64_t size, uint64_t seed, int64_t replicate) {
    *set = (struct training_set){.kind = kind, .size = size, .replicate = replicate};
    TRY(draw(set, samples, SPLIT_TRAIN, seed));
    return draw(set, samples, SPLIT_TUNING, seed);
}

void training_set_free(struct training_set *set) {
    for (int s = 0; s < N_SPLITS; s++) free(set->rows[s]);
    *set = (struct training_set){0};
}
