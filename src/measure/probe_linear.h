/* Linear probes: what class does a linear map of a space give to codes of categories that it never saw?
 *
 * A multinomial logistic regression with an L2 penalty (fit/logistic.h: scikit-learn's LogisticRegression) on rows of norm 1, from which
 * the mean of those learned from is taken where they are vectors (bags stay sparse). Its strength C is one of 1, 10, 100: that which tells
 * most of the classes of a fifth of the categories of the codes learned from, after a fit to the others; the fit that counts is to all
 * of them. Of classes that no code learned from has nothing can be known: their codes do not count.
 */
#ifndef MEDTOK_MEASURE_PROBE_LINEAR_H
#define MEDTOK_MEASURE_PROBE_LINEAR_H

#include "measure/bags.h"
#include "measure/probe_codes.h"
#include "measure/vector_search.h"

/* Appends the question (QUESTION_LINEAR) about the codes of a system that have a class in one of classes[n_classes]: a quarter of their
 * categories, drawn by `seed`, is held out; of their codes at most `most` are asked, of the others at most `most_learned` learned from.
 * Nothing is appended if no class can be learned. */
int probe_question_linear(const struct probe_codes *codes, int system, int n_classes,
                          const struct code_classes *classes, int64_t most, int64_t most_learned, uint64_t seed,
                          struct question_list *questions);

/* Whether codes learned from have two of the classes (class_of [n_codes], -1: none) at least, and no more than a fit can have, and a query
 * has one of them. */
int linear_probe_tells(const struct probe_question *question, int64_t n_codes, const int32_t *class_of);

/* Rows of a space: one of the two. */
struct linear_rows {
    const struct vector_rows *vectors;
    const struct bags *bags;
};

struct linear_probe {
    const struct probe_question *question;
    int64_t n_codes;
    const int32_t *class_of; /* [n_codes] */
    struct linear_rows rows;
    struct device *device;
    uint64_t seed;
    int (*poll)(void); /* as of struct logistic_options */
};

/* What is kept of a probe for the next like it: zero before the first. */
struct linear_memory {
    double strength; /* 0: to be chosen */
    int64_t n_items;
    double *weights; /* [n_items + 1, outputs] of bags; NULL: none */
};
void linear_memory_forget(struct linear_memory *memory);

/* Not collective. values [n_queries]: 1 where the query gets its class, 0 where another, NaN where it does not count. What `memory` has is
 * taken for granted (the strength) and begun with (the weights, of bags of as many items): bags that differ little from those before
 * take few steps. */
int linear_probe_ask(const struct linear_probe *probe, struct linear_memory *memory, double *values);

#endif
