#include "ehr/baselines/terms.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* All `least` or more, whole ones if so; `usual` if the list is empty. */
static int parse_numbers(struct number_list *list, const char *key, const struct string_list *texts, double least,
                         int whole, int n_usual, const double *usual) {
    static const double MOST = 1e15;
    list->n = texts->n ? texts->n : n_usual;
    TRY(mem_alloc(&list->items, list->n, sizeof *list->items));
    for (int i = 0; i < n_usual && !texts->n; i++) list->items[i] = usual[i];
    for (int i = 0; i < texts->n; i++) {
        char *end;
        double x = strtod(texts->items[i], &end);
        if (end == texts->items[i] || *end || !(x >= least && x <= MOST) || (whole && x != floor(x)))
            return status_set(STATUS_USAGE, "%s has \"%s\": expected %snumbers, %g or more", key, texts->items[i],
                              whole ? "whole " : "", least);
        list->items[i] = x;
    }
    if (list->n > 1) qsort(list->items, (size_t)list->n, sizeof *list->items, ascending);
    return STATUS_OK;
}

static int parse_lists(struct baseline_terms *t) {
    static const double STRENGTHS[] = {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10}, DEPTHS[] = {3, 6},
                        RATES[] = {0.1, 0.3}, ROUNDS[] = {25, 50, 100, 200};
    const struct baseline_options *o = t->options;
    TRY(parse_numbers(&t->strengths, "baseline.strengths", &o->strengths, 1e-12, 0, 9, STRENGTHS));
    TRY(parse_numbers(&t->depths, "baseline.depths", &o->depths, 1, 1, 2, DEPTHS));
    TRY(parse_numbers(&t->rates, "baseline.rates", &o->rates, 1e-6, 0, 2, RATES));
    TRY(parse_numbers(&t->rounds, "baseline.rounds", &o->rounds, 1, 1, 4, ROUNDS));
    TRY(parse_numbers(&t->shots, "baseline.shots", &o->shots, 1, 1, 0, NULL));
    return parse_numbers(&t->sizes, "baseline.rows", &o->rows, 1, 1, 0, NULL);
}

int baseline_options_check(const struct baseline_options *o) {
    struct baseline_terms terms = {.options = o};
    unsigned groups;
    TRY(feature_groups_parse(&o->features, &groups));
    if ((groups & 1U << FEATURE_WORDS) && !o->vocabulary[0])
        return status_set(STATUS_USAGE,
                          "baseline.features has words: name a vocabulary.h5 with the descriptions of the "
                          "codes, --set baseline.vocabulary=PATH");
    int status = parse_lists(&terms);
    baseline_terms_free(&terms);
    return status;
}

int baseline_terms_make(struct baseline_terms *t) {
    TRY(parse_lists(t));
    return t->options->model == BASELINE_TREES ? xgboost_open(&t->library, t->options->xgboost) : STATUS_OK;
}

void baseline_terms_free(struct baseline_terms *t) {
    struct number_list *lists[] = {&t->strengths, &t->depths, &t->rates, &t->rounds, &t->shots, &t->sizes};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) free(lists[i]->items);
    xgboost_close(t->library);
    *t = (struct baseline_terms){0};
}
