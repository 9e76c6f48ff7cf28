/* Attentions for tests: their shapes and options in a table, their data, and the same in plain loops. */
#ifndef MEDTOK_KERNELS_TESTS_ATTENTION_PROBLEM_H
#define MEDTOK_KERNELS_TESTS_ATTENTION_PROBLEM_H

#include "kernels.h"

enum attention_layout {
    ALONE, /* q, k, v each with room between the rows */
    FUSED, /* one row has q, k and v */
    SHARED /* k is v */
};

enum { BIAS = 1, DOTS = 2 };

struct attention_shape {
    const char *what;
    int64_t n, most_queries,
        most_keys; /* segments of 0 .. most rows, the first of the most. most_queries 0: one row each */
    int64_t heads, kv_heads, head_dim;
    enum attention_layout layout;
    int causal, gaps; /* gaps: segments lie apart */
    int indexed;      /* by a key index with repetitions */
    int64_t n_types;  /* 0: none */
    int with_bias;    /* a sum of BIAS and DOTS */
    int with_sums;
};

extern const struct attention_shape ATTENTION_SHAPES[];
extern const int N_ATTENTION_SHAPES;

struct attention_problem {
    const char *what;
    struct device *on;
    struct attention a;
    int64_t n_types;                                  /* of sums */
    int64_t n_q, n_kv, n_bias, n_dots, n_out, n_sums; /* values, with those between the rows; n_sums 0: none wanted */
    int fused;
    dev_real out, sums, dout, dsums; /* sums lie behind out, dsums behind dout */
};

/* In double. row_used: of query rows; q_used, kv_used: of values of q, and of k and v. dv: NULL where it is dk. */
struct attention_wanted {
    double *out, *sums, *most, *total, *dq, *dk, *dv, *dbias, *ddots;
    char *row_used, *q_used, *kv_used;
};

/* Random data on the device, which the host sees. The caller frees. */
struct attention_problem attention_problem(struct device *on, const struct attention_shape *shape, double rate);
void free_problem(struct attention_problem *p);

/* Runs it: `problem` is a struct attention_problem. */
void run_attention(void *problem);
void run_attention_backward(const struct attention_problem *p, const struct attention_gradients *g);

/* Of all inputs, with random values, or with 0. */
struct attention_gradients new_gradients(const struct attention_problem *p, int add, int zero);
void free_gradients(const struct attention_problem *p, struct attention_gradients *g);

/* Outputs, and gradients from p->dout and p->dsums. The caller frees. */
struct attention_wanted attention_reference(const struct attention_problem *p);
void free_wanted(struct attention_wanted *w);

#endif
