/* Up to three walks over the vectors: those of the queries, how alike each query is to its right answers, and what stands before them. */
#include "measure/vector_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/device_status.h"
#include "base/interrupt.h"
#include "dist/gather.h"

enum { QUERY_BLOCK = 64 };
static const float TIE = 2e-6F; /* cosines of float32 products of some hundred terms differ by less in rounding */

/* ---- blocks of vectors ---- */
int64_t vector_part_first(const struct comm *comm, int64_t count, int rank) {
    int64_t pieces = (count + VECTOR_PIECE - 1) / VECTOR_PIECE, first = pieces * rank / comm->size * VECTOR_PIECE;
    return first < count ? first : count;
}

void vector_part(const struct comm *comm, int64_t first, int64_t count, int64_t *begin, int64_t *end) {
    *begin = first + vector_part_first(comm, count, comm->rank);
    *end = first + vector_part_first(comm, count, comm->rank + 1);
}

/* A walk over all blocks: rows [count, width], each part of norm 1 or 0. */
struct walk {
    const struct comm *comm;
    const struct vector_source *source;
    int64_t first, count; /* the block in hand; count 0: the walk is over */
    float *part, *rows;
    int64_t *part_first; /* [size + 1] in the block */
};

static int walk_begin(struct walk *w, const struct comm *comm, const struct vector_source *source) {
    *w = (struct walk){.comm = comm, .source = source, .first = -VECTOR_BLOCK};
    int status = mem_alloc(&w->part, VECTOR_BLOCK * source->width, sizeof *w->part);
    if (status == STATUS_OK) status = mem_alloc(&w->rows, VECTOR_BLOCK * source->width, sizeof *w->rows);
    if (status == STATUS_OK) status = mem_alloc(&w->part_first, comm->size + 1, sizeof *w->part_first);
    return comm_agree(comm, status);
}

static void walk_end(struct walk *w) {
    free(w->part);
    free(w->rows);
    free(w->part_first);
}

static void make_unit(int64_t n, int64_t width, float *rows) {
    for (int64_t i = 0; i < n; i++) {
        float *row = rows + i * width;
        double square = 0;
        for (int64_t c = 0; c < width; c++) square += (double)row[c] * (double)row[c];
        double scale = square > 0 ? 1 / sqrt(square) : 0;
        for (int64_t c = 0; c < width; c++) row[c] = (float)(scale * (double)row[c]);
    }
}

static int64_t parts_of(const struct vector_source *source) { return source->parts > 0 ? source->parts : 1; }

static int is_used(const struct vector_source *source, int64_t first, int64_t count) {
    return !source->used || memchr(source->used + first, 1, (size_t)count) != NULL;
}

/* Collective. */
static int walk_next(struct walk *w) {
    const struct vector_source *s = w->source;
    const struct comm *comm = w->comm;
    int64_t begin, end;
    do {
        w->first += VECTOR_BLOCK;
        w->count = s->n - w->first < VECTOR_BLOCK ? s->n - w->first : VECTOR_BLOCK;
        if (w->count <= 0) {
            w->count = 0;
            return STATUS_OK;
        }
    } while (!is_used(s, w->first, w->count));
    vector_part(comm, w->first, w->count, &begin, &end);
    int status = interrupt_poll();
    if (status == STATUS_OK && end > begin) status = s->read(s->self, begin, end - begin, w->part);
    TRY(comm_agree(comm, status));
    make_unit((end - begin) * parts_of(s), s->width / parts_of(s), w->part);
    for (int r = 0; r <= comm->size; r++) w->part_first[r] = vector_part_first(comm, w->count, r);
    return comm_gather_known(comm, w->part_first, s->width * (int64_t)sizeof *w->part, w->part, w->rows);
}

int vectors_collect(const struct comm *comm, const struct vector_source *source, int64_t n, const int32_t *codes,
                    float *rows) {
    struct walk w;
    int64_t at = 0, width = source->width;
    int status = walk_begin(&w, comm, source);
    while (status == STATUS_OK && (status = walk_next(&w)) == STATUS_OK && w.count > 0) {
        while (at < n && codes[at] < w.first) at++; /* of blocks that nothing uses */
        for (; at < n && codes[at] < w.first + w.count; at++)
            memcpy(rows + at * width, w.rows + (codes[at] - w.first) * width, (size_t)width * sizeof *rows);
    }
    walk_end(&w);
    return status;
}

/* ---- parts ---- */
int vector_is_zero(const float *row, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (row[i] != 0) return 0;
    return 1;
}

unsigned vector_parts(const float *row, int64_t width, int64_t parts) {
    unsigned bits = 0;
    for (int64_t p = 0; p < parts; p++)
        bits |= (unsigned)!vector_is_zero(row + p * (width / parts), width / parts) << p;
    return bits;
}

/* ---- rows that are kept ---- */
/* Marks the codes in row_of; how many. */
static int64_t mark_wanted(int64_t n, const struct probe_question *q, int32_t *row_of, int64_t marked) {
    for (int64_t i = 0; i < q->n_queries; i++) {
        marked += row_of[q->queries[i]] < 0;
        row_of[q->queries[i]] = 0;
    }
    for (int64_t c = 0; q->kind == QUESTION_LINEAR && c < n; c++) {
        if (!q->is_candidate[c]) continue;
        marked += row_of[c] < 0;
        row_of[c] = 0;
    }
    return marked;
}

static int list_wanted(struct vector_rows *r, int64_t n, int n_questions, const struct probe_question *questions,
                       int32_t **codes) {
    TRY(mem_alloc(&r->row_of, n, sizeof *r->row_of));
    for (int64_t c = 0; c < n; c++) r->row_of[c] = -1;
    for (int q = 0; q < n_questions; q++) r->n = mark_wanted(n, &questions[q], r->row_of, r->n);
    TRY(mem_alloc(codes, r->n, sizeof **codes));
    TRY(mem_alloc(&r->rows, r->n * r->width, sizeof *r->rows));
    int32_t row = 0;
    for (int64_t c = 0; c < n; c++) {
        if (r->row_of[c] < 0) continue;
        (*codes)[row] = (int32_t)c;
        r->row_of[c] = row++;
    }
    return STATUS_OK;
}

int vector_rows_make(struct vector_rows *r, const struct comm *comm, const struct vector_source *source,
                     int n_questions, const struct probe_question *questions) {
    int32_t *codes = NULL;
    *r = (struct vector_rows){.width = source->width, .parts = parts_of(source)};
    int status = comm_agree(comm, list_wanted(r, source->n, n_questions, questions, &codes));
    if (status == STATUS_OK) status = vectors_collect(comm, source, r->n, codes, r->rows);
    free(codes);
    return status;
}

void vector_rows_free(struct vector_rows *r) {
    free(r->row_of);
    free(r->rows);
    *r = (struct vector_rows){0};
}

/* ---- a question under way ---- */
struct asked {
    const struct probe_question *question;
    struct probe_answers *answers;
    uint8_t *has;  /* [n_queries] bits of the parts that a query has */
    float *best;   /* [n_queries] of the right answers; -2: none found */
    int64_t *next; /* [n_queries] the first target, and known code, in or behind the block in hand */
    int64_t *next_known;
    dev_real device_rows; /* [n_queries, width] */
};

struct search {
    const struct comm *comm;
    struct device *device;
    const struct vector_rows *rows;
    int64_t width, parts;
    int n;
    struct asked *asked;
    real *reals, *scores; /* [VECTOR_BLOCK, width] on their way to the device; [QUERY_BLOCK, VECTOR_BLOCK] */
    dev_real candidates, device_scores;
    int32_t *codes,
        *column;  /* [VECTOR_BLOCK] codes of the candidates in hand; column of each code of the block, or -1 */
    uint8_t *has; /* [VECTOR_BLOCK] bits of the parts that each of these has */
};

static int asked_make(struct asked *a, const struct probe_question *q, struct probe_answers *answers) {
    int64_t n = q->n_queries;
    *a = (struct asked){.question = q, .answers = answers};
    TRY(mem_alloc(&a->has, n, 1));
    if (q->kind != QUESTION_RANK) return STATUS_OK;
    TRY(mem_alloc(&a->best, n, sizeof *a->best));
    TRY(mem_alloc(&a->next, n, sizeof *a->next));
    return mem_alloc(&a->next_known, n, sizeof *a->next_known);
}

static const float *query_row(const struct search *s, const struct asked *a, int64_t query) {
    return vector_row(s->rows, a->question->queries[query]);
}

static int search_make(struct search *s, const struct probe_question *questions, struct probe_answers *answers) {
    TRY(mem_alloc(&s->asked, s->n, sizeof *s->asked));
    TRY(mem_alloc(&s->reals, VECTOR_BLOCK * s->width, sizeof *s->reals));
    TRY(mem_alloc(&s->scores, QUERY_BLOCK * VECTOR_BLOCK, sizeof *s->scores));
    TRY(mem_alloc(&s->codes, VECTOR_BLOCK, sizeof *s->codes));
    TRY(mem_alloc(&s->column, VECTOR_BLOCK, sizeof *s->column));
    TRY(mem_alloc(&s->has, VECTOR_BLOCK, 1));
    s->candidates = device_alloc_reals(s->device, VECTOR_BLOCK * s->width);
    s->device_scores = device_alloc_reals(s->device, QUERY_BLOCK * VECTOR_BLOCK);
    for (int i = 0; i < s->n; i++) TRY(asked_make(&s->asked[i], &questions[i], &answers[i]));
    return device_status(s->device);
}

static void search_free(struct search *s) {
    for (int i = 0; s->asked && i < s->n; i++) {
        free(s->asked[i].has);
        free(s->asked[i].best);
        free(s->asked[i].next);
        free(s->asked[i].next_known);
        device_free_reals(s->device, s->asked[i].device_rows);
    }
    free(s->asked);
    free(s->reals);
    free(s->scores);
    free(s->codes);
    free(s->column);
    free(s->has);
    device_free_reals(s->device, s->candidates);
    device_free_reals(s->device, s->device_scores);
}

/* The first n rows of s->reals. */
static void send_rows(struct search *s, dev_real to, int64_t n) {
    device_upload_reals(s->device, to, s->reals, n * s->width);
}

static void send_queries(struct search *s, const struct asked *a) {
    int64_t n = a->question->n_queries;
    for (int64_t first = 0; first < n; first += VECTOR_BLOCK) {
        int64_t count = n - first < VECTOR_BLOCK ? n - first : VECTOR_BLOCK;
        for (int64_t i = 0; i < count * s->width; i++)
            s->reals[i] = (real)query_row(s, a, first + i / s->width)[i % s->width];
        send_rows(s, dev_real_at(a->device_rows, first * s->width), count);
    }
}

static int send_all_queries(struct search *s) {
    for (int i = 0; i < s->n; i++) {
        struct asked *a = &s->asked[i];
        a->device_rows = device_alloc_reals(s->device, a->question->n_queries * s->width);
        TRY(device_status(s->device));
        for (int64_t q = 0; q < a->question->n_queries; q++)
            a->has[q] = (uint8_t)vector_parts(query_row(s, a, q), s->width, s->parts);
        send_queries(s, a);
    }
    return device_status(s->device);
}

/* ---- likeness ---- */
enum { PART_SETS = 1 << VECTOR_MOST_PARTS };
static const float NOT_ALIKE = -2; /* below every cosine: the two have no part in common */

/* Dot products [n] of a query that has the parts `has` with candidates, as means of cosines. */
static void mean_of_parts(const struct search *s, uint8_t has, int64_t n, real *scores) {
    real share[PART_SETS];
    for (unsigned set = 0; set < 1U << s->parts; set++) {
        int common = __builtin_popcount(set & has);
        share[set] = common ? (real)1 / (real)common : 0;
    }
    for (int64_t i = 0; i < n; i++) scores[i] = share[s->has[i]] > 0 ? scores[i] * share[s->has[i]] : (real)NOT_ALIKE;
}

static float dot(const float *a, const float *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return (float)sum;
}

/* Of this rank's queries. */
static void see_targets(struct search *s, const struct walk *w, struct asked *a) {
    const struct query_codes *t = &a->question->targets;
    for (int64_t q = 0; q < a->question->n_queries; q++) {
        if (q / QUERY_BLOCK % s->comm->size != s->comm->rank) continue;
        const float *row = query_row(s, a, q);
        for (; a->next[q] < t->offsets[q + 1] && t->codes[a->next[q]] < w->first + w->count; a->next[q]++) {
            const float *other = w->rows + (t->codes[a->next[q]] - w->first) * s->width;
            if (t->codes[a->next[q]] < w->first) continue;
            int common = __builtin_popcount(a->has[q] & vector_parts(other, s->width, s->parts));
            if (common == 0) continue;
            float likeness = dot(row, other, s->width) / (float)common;
            if (likeness > a->best[q]) a->best[q] = likeness;
        }
    }
}

static void to_first(struct asked *a) {
    const struct probe_question *q = a->question;
    for (int64_t i = 0; q->kind == QUESTION_RANK && i < q->n_queries; i++) {
        a->next[i] = q->targets.offsets[i];
        a->next_known[i] = q->known.offsets ? q->known.offsets[i] : 0;
    }
}

static int measure_targets(struct search *s, const struct vector_source *source) {
    struct walk w;
    int ranked = 0;
    for (int i = 0; i < s->n; i++) ranked |= s->asked[i].question->kind == QUESTION_RANK;
    if (!ranked) return STATUS_OK;
    int status = walk_begin(&w, s->comm, source);
    for (int i = 0; i < s->n && status == STATUS_OK; i++) {
        to_first(&s->asked[i]);
        for (int64_t q = 0; s->asked[i].best && q < s->asked[i].question->n_queries; q++) s->asked[i].best[q] = -2;
    }
    while (status == STATUS_OK && (status = walk_next(&w)) == STATUS_OK && w.count > 0)
        for (int i = 0; i < s->n; i++)
            if (s->asked[i].question->kind == QUESTION_RANK) see_targets(s, &w, &s->asked[i]);
    walk_end(&w);
    return status;
}

/* ---- all candidates ---- */
/* Takes the candidates of the block that have a vector; how many. */
static int64_t take_candidates(struct search *s, const struct walk *w, const struct probe_question *q) {
    int64_t n = 0;
    for (int64_t i = 0; i < w->count; i++) {
        const float *row = w->rows + i * s->width;
        uint8_t has = 0;
        s->column[i] = -1;
        if (q->is_candidate[w->first + i]) has = (uint8_t)vector_parts(row, s->width, s->parts);
        if (!has) continue;
        s->has[n] = has;
        for (int64_t c = 0; c < s->width; c++) s->reals[n * s->width + c] = (real)row[c];
        s->column[i] = (int32_t)n;
        s->codes[n++] = (int32_t)(w->first + i);
    }
    send_rows(s, s->candidates, n);
    return n;
}

/* Takes a candidate out of the counts; is_right: it is a right answer that is as much alike as the best. */
static void discount(struct rank_answer *rank, real score, float best, int is_right) {
    if ((float)score > best + TIE)
        rank->above--;
    else if ((float)score >= best - TIE) {
        rank->tied--;
        rank->right += is_right;
    }
}

static void discount_list(const struct search *s, const struct walk *w, const struct query_codes *list, int64_t end,
                          int64_t *next, const real *scores, float best, int is_right, struct rank_answer *rank) {
    for (; *next < end && list->codes[*next] < w->first + w->count; (*next)++) {
        int64_t at = list->codes[*next] - w->first;
        if (at >= 0 && s->column[at] >= 0) discount(rank, scores[s->column[at]], best, is_right);
    }
}

static void count_before(const struct search *s, const struct walk *w, struct asked *a, int64_t q, int64_t n,
                         const real *scores) {
    const struct probe_question *question = a->question;
    struct rank_answer *rank = &a->answers->ranks[q];
    int64_t above = 0, not_below = 0, own = question->queries[q] - w->first;
    float best = a->best[q];
    if (best < -1.5F) return;
    for (int64_t i = 0; i < n; i++) above += (float)scores[i] > best + TIE;
    for (int64_t i = 0; i < n; i++) not_below += (float)scores[i] >= best - TIE;
    rank->above += above;
    rank->tied += not_below - above;
    if (own >= 0 && own < w->count && s->column[own] >= 0) discount(rank, scores[s->column[own]], best, 0);
    discount_list(s, w, &question->targets, question->targets.offsets[q + 1], &a->next[q], scores, best, 1, rank);
    if (question->known.offsets)
        discount_list(s, w, &question->known, question->known.offsets[q + 1], &a->next_known[q], scores, best, 0, rank);
}

static void keep_nearest(const struct search *s, struct asked *a, int64_t q, int64_t n, const real *scores) {
    const struct probe_question *question = a->question;
    int k = a->answers->k;
    struct near_candidate *nearest = a->answers->nearest + q * k;
    int32_t own = question->queries[q];
    const int32_t *category = question->category;
    if (!a->has[q]) return;
    for (int64_t i = 0; i < n; i++) {
        if ((float)scores[i] <= NOT_ALIKE) continue;
        if (nearest[k - 1].code >= 0 && (float)scores[i] < nearest[k - 1].likeness) continue;
        if (s->codes[i] == own || (category && category[s->codes[i]] == category[own])) continue;
        near_candidates_add(nearest, k, (float)scores[i], s->codes[i]);
    }
}

static void ask_block(struct search *s, const struct walk *w, struct asked *a) {
    struct device *d = s->device;
    int64_t n_queries = a->question->n_queries, stride = (int64_t)QUERY_BLOCK * s->comm->size;
    int64_t n = take_candidates(s, w, a->question);
    for (int64_t first = (int64_t)QUERY_BLOCK * s->comm->rank; first < n_queries && n > 0; first += stride) {
        int64_t count = first + QUERY_BLOCK < n_queries ? QUERY_BLOCK : n_queries - first;
        struct gemm g = {.transpose_b = 1, .m = count, .n = n, .k = s->width, .alpha = 1};
        d->run->gemm(d, &g, (struct matrix){dev_real_at(a->device_rows, first * s->width), s->width},
                     (struct matrix){s->candidates, s->width}, (struct matrix){s->device_scores, n});
        device_download_reals(d, s->scores, s->device_scores, count * n);
#pragma omp parallel for num_threads(d->host_threads) schedule(static) if (count * n > 1 << 16)
        for (int64_t i = 0; i < count; i++) {
            if (s->parts > 1) mean_of_parts(s, a->has[first + i], n, s->scores + i * n);
            if (a->question->kind == QUESTION_RANK)
                count_before(s, w, a, first + i, n, s->scores + i * n);
            else
                keep_nearest(s, a, first + i, n, s->scores + i * n);
        }
    }
}

static int ask_all(struct search *s, const struct vector_source *source) {
    struct walk w;
    int status = walk_begin(&w, s->comm, source);
    for (int i = 0; i < s->n; i++) to_first(&s->asked[i]);
    while (status == STATUS_OK && (status = walk_next(&w)) == STATUS_OK && w.count > 0) {
        for (int i = 0; i < s->n; i++) ask_block(s, &w, &s->asked[i]);
        status = comm_agree(s->comm, device_status(s->device));
    }
    walk_end(&w);
    return status;
}

/* Collective: what each rank found, on all. */
static int share_answers(const struct comm *comm, struct asked *a) {
    int64_t n = a->question->n_queries;
    int k = a->answers->k;
    if (a->question->kind == QUESTION_RANK)
        return comm_gather_blocks(comm, n, QUERY_BLOCK, sizeof *a->answers->ranks, a->answers->ranks);
    return comm_gather_blocks(comm, n, QUERY_BLOCK, k * (int64_t)sizeof *a->answers->nearest, a->answers->nearest);
}

int vector_search(const struct comm *comm, struct device *device, const struct vector_source *source,
                  const struct vector_rows *rows, int n_questions, const struct probe_question *questions,
                  struct probe_answers *answers) {
    struct search s = {
        .comm = comm, .device = device, .rows = rows, .width = rows->width, .parts = rows->parts, .n = n_questions};
    int status = search_make(&s, questions, answers);
    if (status == STATUS_OK) status = send_all_queries(&s);
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = measure_targets(&s, source);
    if (status == STATUS_OK) status = ask_all(&s, source);
    for (int i = 0; i < n_questions && status == STATUS_OK; i++) status = share_answers(comm, &s.asked[i]);
    search_free(&s);
    return status;
}
