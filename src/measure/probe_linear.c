/* Codes are dealt to what is learned from and what is asked; then a few fits. */
#include "measure/probe_linear.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "fit/logistic.h"

/* ---- the question ---- */
enum { HELD_OUT = RNG_PROBE_FOLD, FOR_STRENGTH = RNG_PROBE_FOLD + 1 };

static int is_drawn(uint64_t seed, uint32_t stream, int32_t category, double share) {
    return rng_uniform(seed, stream, 0, (uint64_t)category) < share;
}

static int has_class(int n_classes, const struct code_classes *classes, int64_t code) {
    for (int k = 0; k < n_classes; k++)
        if (classes[k].class_of[code] >= 0) return 1;
    return 0;
}

/* The codes of the system of categories that are held out, or are not, at most `most`; codes [c->n]. */
static int draw_codes(const struct probe_codes *c, int system, int n_classes, const struct code_classes *classes,
                      int held_out, int64_t most, uint64_t seed, int64_t *codes, int64_t *n) {
    *n = 0;
    for (int64_t i = 0; i < c->n; i++)
        if (c->system[i] == system && !c->is_above[i] && has_class(n_classes, classes, i) &&
            is_drawn(seed, HELD_OUT, c->category[i], 0.25) == held_out)
            codes[(*n)++] = i;
    return rng_draw(seed, held_out ? RNG_PROBE_QUERY : RNG_PROBE_LEARNED, most, codes, n);
}

static int fill(const struct probe_codes *c, int system, int n_classes, const struct code_classes *classes,
                int64_t most, int64_t most_learned, uint64_t seed, struct probe_question *q) {
    int64_t *codes = NULL, n;
    int status;
    TRY_DONE(mem_alloc(&codes, c->n, sizeof *codes));
    TRY_DONE(draw_codes(c, system, n_classes, classes, 1, most, seed, codes, &q->n_queries));
    TRY_DONE(mem_alloc(&q->queries, q->n_queries, sizeof *q->queries));
    for (int64_t i = 0; i < q->n_queries; i++) q->queries[i] = (int32_t)codes[i];
    TRY_DONE(draw_codes(c, system, n_classes, classes, 0, most_learned, seed, codes, &n));
    TRY_DONE(mem_alloc(&q->is_candidate, c->n, 1));
    for (int64_t i = 0; i < n; i++) q->is_candidate[codes[i]] = 1;
    q->n_candidates = n;
done:
    free(codes);
    return status;
}

int probe_question_linear(const struct probe_codes *c, int system, int n_classes, const struct code_classes *classes,
                          int64_t most, int64_t most_learned, uint64_t seed, struct question_list *questions) {
    struct probe_question q = {.kind = QUESTION_LINEAR, .category = c->category};
    int tells = 0;
    snprintf(q.name, sizeof q.name, "%.40s, linear map", c->systems[system]);
    int status = fill(c, system, n_classes, classes, most, most_learned, seed, &q);
    for (int k = 0; k < n_classes && status == STATUS_OK; k++)
        tells |= linear_probe_tells(&q, c->n, classes[k].class_of);
    if (tells)
        status = question_list_add(questions, &q);
    else
        probe_question_free(&q);
    return status;
}

/* ---- classes ---- */
/* The classes [LOGISTIC_MOST_OUTPUTS] of the codes learned from, in the order of their first codes; how many, one more than fit in if they
 * are too many. */
static int list_classes(const struct probe_question *q, int64_t n_codes, const int32_t *class_of, int32_t *classes) {
    int n = 0;
    for (int64_t c = 0; c < n_codes && n <= LOGISTIC_MOST_OUTPUTS; c++) {
        int k = 0;
        if (!q->is_candidate[c] || class_of[c] < 0) continue;
        while (k < n && classes[k] != class_of[c]) k++;
        if (k == LOGISTIC_MOST_OUTPUTS) return k + 1;
        if (k == n) classes[n++] = class_of[c];
    }
    return n;
}

/* The number of a class among them, or -1. */
static int32_t label_of(int n, const int32_t *classes, int32_t class) {
    for (int k = 0; k < n && class >= 0; k++)
        if (classes[k] == class) return k;
    return -1;
}

int linear_probe_tells(const struct probe_question *q, int64_t n_codes, const int32_t *class_of) {
    int32_t classes[LOGISTIC_MOST_OUTPUTS];
    int n = list_classes(q, n_codes, class_of, classes);
    if (n < 2 || n > LOGISTIC_MOST_OUTPUTS) return 0;
    for (int64_t i = 0; i < q->n_queries; i++)
        if (label_of(n, classes, class_of[q->queries[i]]) >= 0) return 1;
    return 0;
}

/* ---- rows ---- */
struct codes {
    int64_t n;
    int32_t *code, *label;
};

/* A probe at work. */
struct probing {
    const struct linear_probe *probe;
    struct comm self;
    int n_outputs;
    int32_t *labels;                /* [n_queries] class among those learned, or -1 */
    struct codes all, fitted, kept; /* learned from; of those the fitted and the kept for the strength */
    double *mean;                   /* [width] of vectors of all */
    float *dense;                   /* [most rows, width] */
    struct sparse_rows sparse;
    int32_t *column_of; /* [bags' items] of the design in hand, or -1 */
};

static int codes_make(struct codes *c, int64_t most) {
    TRY(mem_alloc(&c->code, most, sizeof *c->code));
    return mem_alloc(&c->label, most, sizeof *c->label);
}

static void codes_free(struct codes *c) {
    free(c->code);
    free(c->label);
}

static void codes_add(struct codes *c, int32_t code, int32_t label) {
    c->code[c->n] = code;
    c->label[c->n++] = label;
}

/* Vectors less the mean, into w->dense; of several parts, whose norms are 1 each, as vectors of norm 1 where all are there. */
static void take_vectors(struct probing *w, const struct codes *codes) {
    const struct vector_rows *v = w->probe->rows.vectors;
    double scale = 1 / sqrt((double)v->parts);
    for (int64_t i = 0; i < codes->n; i++) {
        const float *row = vector_row(v, codes->code[i]);
        for (int64_t c = 0; c < v->width; c++)
            w->dense[i * v->width + c] = (float)(scale * ((double)row[c] - w->mean[c]));
    }
}

static void take_mean(struct probing *w) {
    const struct vector_rows *v = w->probe->rows.vectors;
    for (int64_t i = 0; i < w->all.n; i++) {
        const float *row = vector_row(v, w->all.code[i]);
        for (int64_t c = 0; c < v->width; c++) w->mean[c] += (double)row[c] / (double)w->all.n;
    }
}

static int make_sparse(struct probing *w, const struct codes *codes, struct design *d) {
    const struct bags *b = w->probe->rows.bags;
    struct chosen_row *chosen = NULL;
    struct design_source source = {.rows = &w->sparse, .n_columns = b->n_items, .label = codes->label, .unscaled = 1};
    int status = mem_alloc(&chosen, codes->n, sizeof *chosen);
    sparse_rows_free(&w->sparse);
    for (int64_t i = 0; i < codes->n && status == STATUS_OK; i++) {
        int64_t at = b->offsets[codes->code[i]];
        chosen[i] = (struct chosen_row){i, 1};
        status = sparse_rows_add(&w->sparse, b->offsets[codes->code[i] + 1] - at, b->items + at, b->weights + at);
    }
    if (status == STATUS_OK)
        status = design_make(d, &w->self, w->probe->device->host_threads, &source, codes->n, chosen, 1);
    free(chosen);
    return status;
}

static int make_design(struct probing *w, const struct codes *codes, struct design *d) {
    enum { WORTH_THREADS = 1 << 16 }; /* values: of fewer, an iteration takes less time than threads to meet */
    const struct vector_rows *v = w->probe->rows.vectors;
    int status;
    if (v) {
        take_vectors(w, codes);
        status =
            design_make_dense(d, &w->self, w->probe->device, codes->n, v->width, w->dense, codes->label, w->n_outputs);
    } else {
        status = make_sparse(w, codes, d);
    }
    if (codes->n * w->n_outputs < WORTH_THREADS) d->threads = 1;
    return status;
}

/* ---- what a fit says ---- */
static int32_t class_of_sums(int n_outputs, const double *z) {
    int best = 0;
    if (n_outputs == 1) return z[0] > 0;
    for (int k = 1; k < n_outputs; k++)
        if (z[k] > z[best]) best = k;
    return best;
}

static int sum_vectors(struct probing *w, const struct logistic *l, const struct codes *codes, double *z) {
    struct design d = {0};
    int status = make_design(w, codes, &d);
    if (status == STATUS_OK) status = logistic_sums(l, &d, z);
    design_free(&d);
    return status;
}

/* fitted: the design of the fit, which has no columns for items that nothing learned from has. */
static void sum_bags(const struct probing *w, const struct logistic *l, const struct design *fitted,
                     const struct codes *codes, double *z) {
    const struct bags *b = w->probe->rows.bags;
    int n = l->n_outputs;
    for (int64_t i = 0; i < b->n_items; i++) w->column_of[i] = -1;
    for (int64_t j = 0; j < fitted->n_columns; j++) w->column_of[fitted->column_of[j]] = (int32_t)j;
    for (int64_t i = 0; i < codes->n; i++) {
        memcpy(z + i * n, l->weights + l->n_columns * n, (size_t)n * sizeof *z);
        for (int64_t e = b->offsets[codes->code[i]]; e < b->offsets[codes->code[i] + 1]; e++)
            for (int k = 0; k < n && w->column_of[b->items[e]] >= 0; k++)
                z[i * n + k] += (double)b->weights[e] * l->weights[(int64_t)w->column_of[b->items[e]] * n + k];
    }
}

/* is_right [codes->n] */
static int judge(struct probing *w, const struct logistic *l, const struct design *fitted, const struct codes *codes,
                 uint8_t *is_right) {
    double *z;
    int status = STATUS_OK;
    TRY(mem_alloc(&z, codes->n * l->n_outputs, sizeof *z));
    if (w->probe->rows.vectors)
        status = sum_vectors(w, l, codes, z);
    else
        sum_bags(w, l, fitted, codes, z);
    for (int64_t i = 0; i < codes->n; i++)
        is_right[i] = class_of_sums(l->n_outputs, z + i * l->n_outputs) == codes->label[i];
    free(z);
    return status;
}

/* ---- fits ---- */
static const double STRENGTHS[] = {1, 10, 100};
enum { N_STRENGTHS = sizeof STRENGTHS / sizeof *STRENGTHS };

/* From the weights that are there. The gradient that is left, of the mean loss of a row, is as long as 1e-3: of weights in their thousands
 * each is then below 1e-4 by far, scikit-learn's default. */
static int fit(const struct probing *w, const struct design *d, double strength, struct logistic *l) {
    struct logistic_options o = {.strength = strength,
                                 .tolerance = 1e-3 * strength * d->total_weight,
                                 .iterations = 200,
                                 .pairs = 6,
                                 .poll = w->probe->poll};
    return logistic_fit(l, d, &o);
}

/* The strength that tells most of w->kept after a fit to w->fitted; of equal ones the least. */
static int choose_strength(struct probing *w, double *strength) {
    struct design d = {0};
    struct logistic l = {0};
    uint8_t *is_right = NULL;
    int64_t most = -1;
    int status;
    *strength = STRENGTHS[N_STRENGTHS / 2];
    if (w->fitted.n == 0 || w->kept.n == 0) return STATUS_OK;
    TRY_DONE(mem_alloc(&is_right, w->kept.n, 1));
    for (int s = 0; s < N_STRENGTHS; s++) {
        int64_t right = 0;
        if (s == 0) TRY_DONE(make_design(w, &w->fitted, &d));
        if (s == 0) TRY_DONE(logistic_make(&l, d.n_columns, w->n_outputs));
        TRY_DONE(fit(w, &d, STRENGTHS[s], &l));
        TRY_DONE(judge(w, &l, &d, &w->kept, is_right));
        for (int64_t i = 0; i < w->kept.n; i++) right += is_right[i];
        if (right > most) *strength = STRENGTHS[s];
        if (right > most) most = right;
    }
done:
    design_free(&d);
    logistic_free(&l);
    free(is_right);
    return status;
}

void linear_memory_forget(struct linear_memory *memory) {
    free(memory->weights);
    *memory = (struct linear_memory){0};
}

/* The weights that are remembered, where the design has their items. */
static void recall_weights(const struct linear_memory *memory, const struct design *d, struct logistic *l) {
    size_t row = (size_t)l->n_outputs * sizeof *l->weights;
    for (int64_t j = 0; j < d->n_columns; j++)
        memcpy(l->weights + j * l->n_outputs, memory->weights + (int64_t)d->column_of[j] * l->n_outputs, row);
    memcpy(l->weights + d->n_columns * l->n_outputs, memory->weights + memory->n_items * l->n_outputs, row);
}

static int remember_weights(struct linear_memory *memory, const struct bags *b, const struct design *d,
                            const struct logistic *l) {
    memory->n_items = b->n_items;
    if (!memory->weights) TRY(mem_alloc(&memory->weights, (b->n_items + 1) * l->n_outputs, sizeof *memory->weights));
    logistic_spread(l, d, b->n_items, memory->weights);
    return STATUS_OK;
}

/* Fits to all that is learned from: from the weights of a fit that is remembered, or from strength to strength, which takes fewer steps. */
static int fit_all(struct probing *w, struct linear_memory *memory, struct design *d, struct logistic *l) {
    const struct bags *bags = w->probe->rows.bags;
    TRY(make_design(w, &w->all, d));
    TRY(logistic_make(l, d->n_columns, w->n_outputs));
    if (bags && memory->weights) recall_weights(memory, d, l);
    for (int s = 0; s < N_STRENGTHS && !memory->weights; s++)
        if (STRENGTHS[s] < memory->strength) TRY(fit(w, d, STRENGTHS[s], l));
    TRY(fit(w, d, memory->strength, l));
    return bags ? remember_weights(memory, bags, d, l) : STATUS_OK;
}

/* asked: the queries that count; is_right [asked->n]. */
static int ask(struct probing *w, struct linear_memory *memory, const struct codes *asked, uint8_t *is_right) {
    struct design d = {0};
    struct logistic l = {0};
    int status = fit_all(w, memory, &d, &l);
    if (status == STATUS_OK) status = judge(w, &l, &d, asked, is_right);
    design_free(&d);
    logistic_free(&l);
    return status;
}

/* ---- the whole ---- */
static int deal_codes(struct probing *w) {
    const struct linear_probe *p = w->probe;
    const struct probe_question *q = p->question;
    int32_t classes[LOGISTIC_MOST_OUTPUTS];
    int n = list_classes(q, p->n_codes, p->class_of, classes);
    TRY(mem_alloc(&w->labels, q->n_queries, sizeof *w->labels));
    TRY(codes_make(&w->all, q->n_candidates));
    TRY(codes_make(&w->fitted, q->n_candidates));
    TRY(codes_make(&w->kept, q->n_candidates));
    w->n_outputs = n == 2 ? 1 : n;
    for (int64_t i = 0; i < q->n_queries; i++) w->labels[i] = label_of(n, classes, p->class_of[q->queries[i]]);
    for (int32_t c = 0; c < p->n_codes; c++) {
        int32_t label = q->is_candidate[c] ? label_of(n, classes, p->class_of[c]) : -1;
        if (label < 0) continue;
        codes_add(&w->all, c, label);
        codes_add(is_drawn(p->seed, FOR_STRENGTH, q->category[c], 0.2) ? &w->kept : &w->fitted, c, label);
    }
    return STATUS_OK;
}

static int allocate(struct probing *w) {
    const struct linear_probe *p = w->probe;
    int64_t most = p->question->n_queries > w->all.n ? p->question->n_queries : w->all.n;
    if (!p->rows.vectors) return mem_alloc(&w->column_of, p->rows.bags->n_items, sizeof *w->column_of);
    TRY(mem_alloc(&w->mean, p->rows.vectors->width, sizeof *w->mean));
    TRY(mem_alloc(&w->dense, most * p->rows.vectors->width, sizeof *w->dense));
    take_mean(w);
    return STATUS_OK;
}

static int make_values(struct probing *w, struct linear_memory *memory, double *values) {
    const struct probe_question *q = w->probe->question;
    struct codes asked = {0};
    uint8_t *is_right = NULL;
    int64_t at = 0;
    int status;
    TRY_DONE(deal_codes(w));
    TRY_DONE(allocate(w));
    TRY_DONE(codes_make(&asked, q->n_queries));
    TRY_DONE(mem_alloc(&is_right, q->n_queries, 1));
    for (int64_t i = 0; i < q->n_queries; i++)
        if (w->labels[i] >= 0) codes_add(&asked, q->queries[i], w->labels[i]);
    if (memory->strength == 0) TRY_DONE(choose_strength(w, &memory->strength));
    TRY_DONE(ask(w, memory, &asked, is_right));
    for (int64_t i = 0; i < q->n_queries; i++) values[i] = w->labels[i] >= 0 ? is_right[at++] : NAN;
done:
    codes_free(&asked);
    free(is_right);
    return status;
}

int linear_probe_ask(const struct linear_probe *probe, struct linear_memory *memory, double *values) {
    struct probing w = {.probe = probe, .self = comm_self()};
    int status = make_values(&w, memory, values);
    codes_free(&w.all);
    codes_free(&w.fitted);
    codes_free(&w.kept);
    sparse_rows_free(&w.sparse);
    free(w.labels);
    free(w.mean);
    free(w.dense);
    free(w.column_of);
    return status;
}
