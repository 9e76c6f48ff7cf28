/* Read prefix_apply first. */
#include "qa/prefix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dictionary.h"
#include "base/rng.h"
#include "base/status.h"
#include "qa/question_rows.h"

/* ---- vectors ---- */
/* The vector that stands for row number i of those that were read. */
static void draw(const struct prefix *p, const struct code_vectors *v, uint64_t seed, int64_t i, float *out) {
    double sum = 0;
    if (p->kind != QA_PREFIX_RANDOM) {
        memcpy(out, v->unit + i * p->width, (size_t)p->width * sizeof *out);
        return;
    }
    for (int64_t c = 0; c < p->width; c++) {
        out[c] = (float)rng_normal(seed, RNG_PREFIX, 0, (uint64_t)(v->rows[i] * p->width + c));
        sum += (double)out[c] * out[c];
    }
    for (int64_t c = 0; c < p->width; c++) out[c] /= (float)sqrt(sum);
}

/* Which of the vectors that were read is row `row`'s; -1: the table has none of it. */
static int64_t find(const struct code_vectors *v, int64_t row) {
    const float *at = row < 0 ? NULL : code_vector(v, row);
    return at ? (at - v->unit) / v->width : -1;
}

/* A question's vectors, from number `first` on; returns the number behind the last. */
static int64_t add_question(struct prefix *p, const struct code_vectors *v, uint64_t seed, int64_t n,
                            const int64_t *rows, int64_t first) {
    int64_t end = first;
    for (int64_t i = 0; i < n && end - first < p->most; i++) {
        int64_t which = find(v, rows[i]);
        if (which >= 0) draw(p, v, seed, which, p->vectors + end++ * p->width);
    }
    if (!p->is_mean || end - first < 2) return end;
    float *mean = p->vectors + first * p->width;
    for (int64_t c = 0; c < p->width; c++) {
        double sum = 0;
        for (int64_t i = 0; i < end - first; i++) sum += mean[i * p->width + c];
        mean[c] = (float)(sum / (double)(end - first));
    }
    return first + 1;
}

/* Whose vector each row of the table has instead of its own, from[n_codes]: codes of one system change places. It is a matter of table and
 * seed alone, so that a code has the same vector in every file of questions. */
static int shuffle_table(const struct table *t, uint64_t seed, int64_t *from) {
    struct dictionary systems = {0};
    int64_t n = t->shape.n_codes, *members = NULL;
    int32_t *system = NULL;
    int status;
    TRY_DONE(mem_alloc(&members, 2 * n, sizeof *members));
    TRY_DONE(mem_alloc(&system, n, sizeof *system));
    for (int64_t i = 0; i < n; i++) {
        const char *name = t->system + i * t->system_bytes;
        TRY_DONE(dictionary_add(&systems, name, (int64_t)strnlen(name, (size_t)t->system_bytes), &system[i]));
    }
    for (int32_t s = 0; s < (int32_t)systems.n; s++) {
        int64_t *places = members + n, count = 0;
        for (int64_t i = 0; i < n; i++)
            if (system[i] == s) members[count] = places[count] = i, count++;
        rng_shuffle(seed, RNG_PREFIX, (uint32_t)s + 1, 0, members, count);
        for (int64_t i = 0; i < count; i++) from[places[i]] = members[i];
    }
done:
    dictionary_free(&systems);
    free(members);
    free(system);
    return status;
}

static int shuffle_rows(const struct table *t, uint64_t seed, int64_t n, int64_t *rows) {
    int64_t *from;
    TRY(mem_alloc(&from, t->shape.n_codes, sizeof *from));
    int status = shuffle_table(t, seed, from);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++)
        if (rows[i] >= 0) rows[i] = from[rows[i]];
    free(from);
    return status;
}

/* offsets[n + 1] of all codes' rows in *rows. */
static int find_rows(const struct table *table, const char *path, const struct questions *q, int64_t **rows) {
    struct code_index index = {0};
    int64_t n = 0;
    for (int64_t i = 0; i < q->n; i++) n += q->items[i].n_codes;
    TRY(mem_alloc(rows, n, sizeof **rows));
    int status = question_rows_index(&index, table);
    n = 0;
    for (int64_t i = 0; i < q->n && status == STATUS_OK; i++) {
        status = question_rows(&index, path, q->items[i].n_codes, q->items[i].codes, *rows + n);
        n += q->items[i].n_codes;
    }
    code_index_free(&index);
    return status;
}

static int gather(struct prefix *p, const struct code_vectors *v, uint64_t seed, const struct questions *q,
                  const int64_t *rows) {
    int64_t n = 0;
    for (int64_t i = 0; i < q->n; i++) n += q->items[i].n_codes;
    int status = mem_alloc(&p->vectors, n * v->width, sizeof *p->vectors);
    for (int64_t i = 0, at = 0; i < q->n && status == STATUS_OK; at += q->items[i++].n_codes)
        p->offsets[i + 1] = add_question(p, v, seed, q->items[i].n_codes, rows + at, p->offsets[i]);
    return status;
}

static int read_vectors(struct prefix *p, const struct qa_options *o, const char *path, uint64_t seed,
                        const struct questions *q) {
    struct table table = {0};
    struct code_vectors vectors = {0};
    int64_t *rows = NULL, n = 0;
    char *id = NULL;
    int status;
    for (int64_t i = 0; i < q->n; i++) n += q->items[i].n_codes;
    TRY_DONE(table_open(&table, path));
    TRY_DONE(h5file_get_text(table.file, "content_id", &id));
    snprintf(p->table_id, sizeof p->table_id, "%s", id);
    TRY_DONE(find_rows(&table, o->questions, q, &rows));
    if (p->kind == QA_PREFIX_SHUFFLED) TRY_DONE(shuffle_rows(&table, seed, n, rows));
    TRY_DONE(code_vectors_read(&vectors, &table, n, rows));
    p->width = vectors.width;
    TRY_DONE(gather(p, &vectors, seed, q, rows));
done:
    free(id);
    free(rows);
    code_vectors_free(&vectors);
    table_close(&table);
    return status;
}

int prefix_make(struct prefix *p, const struct qa_options *o, const char *table, uint64_t seed,
                const struct questions *q, struct parameter_set *set, int64_t hidden) {
    *p = (struct prefix){.kind = o->prefix, .most = o->codes, .is_mean = o->mean, .n_questions = q->n};
    TRY(mem_alloc(&p->offsets, q->n + 1, sizeof *p->offsets));
    p->none = parameter_add(set, 1, hidden, (struct init){.normal = 0.02}, 0, "prefix.none");
    if (p->kind == QA_PREFIX_NULL) return STATUS_OK;
    TRY(read_vectors(p, o, table, seed, q));
    p->projector = linear_map_add_normal(set, hidden, p->width, 0.02, 1, 0, "prefix.projector");
    return STATUS_OK;
}

void prefix_free(struct prefix *p) {
    free(p->offsets);
    free(p->vectors);
    *p = (struct prefix){0};
}

/* ---- a batch ---- */
int64_t prefix_most_rows(const struct qa_options *o) {
    if (!prefix_has_rows(o->prefix)) return 0;
    return o->prefix == QA_PREFIX_NULL || o->mean ? 1 : o->codes;
}

int64_t prefix_vectors(const struct prefix *p, int64_t question) {
    return p->offsets[question + 1] - p->offsets[question];
}

int64_t prefix_rows(const struct prefix *p, int64_t question) {
    int64_t n = prefix_vectors(p, question);
    return n > 0 ? n : 1;
}

int prefix_pack(const struct prefix *p, struct pack *pack, int64_t n, const int64_t *questions,
                struct prefix_batch *b) {
    real *vectors;
    int32_t *vector, *none;
    int64_t row = 0, at = 0;
    *b = (struct prefix_batch){0};
    for (int64_t i = 0; i < n; i++) {
        b->n += prefix_rows(p, questions[i]);
        b->n_vectors += p->offsets[questions[i] + 1] - p->offsets[questions[i]];
    }
    TRY(pack_reals(pack, b->n_vectors * p->width, &vectors, &b->vectors));
    TRY(pack_ints(pack, b->n, &vector, &b->vector));
    TRY(pack_ints(pack, b->n, &none, &b->none));
    for (int64_t i = 0; i < n; i++) {
        int64_t first = p->offsets[questions[i]], count = p->offsets[questions[i] + 1] - first;
        for (int64_t k = 0; k < count * p->width; k++) vectors[at * p->width + k] = p->vectors[first * p->width + k];
        for (int64_t k = 0; k < (count ? count : 1); k++, row++) {
            vector[row] = count ? (int32_t)(at + k) : -1;
            none[row] = count ? -1 : 0;
        }
        at += count;
    }
    return STATUS_OK;
}

struct var *prefix_apply(const struct prefix *p, struct tape *tape, const struct prefix_batch *b) {
    struct var *none = nn_gather(tape, parameter_var(tape, p->none), b->none, b->n);
    if (b->n_vectors == 0) return none;
    struct var *z = tape_borrow(tape, b->n_vectors, p->width, b->vectors, (dev_real){NULL});
    return nn_add(tape, nn_gather(tape, linear_map_apply(tape, z, p->projector), b->vector, b->n), none);
}
