/* Sample by sample, visit by visit, into lists; then the lists are packed. */
#include "ehr/models/gt_behrt_input.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "base/status.h"

static const double MASKED = 0.15, MISSING = 0.1, TYPE_MASKED = 0.5;

/* ---- kinds of nodes, types of edges ---- */
enum node_kind { NODE_VISIT, NODE_DIAGNOSIS, NODE_DRUG, NODE_PROCEDURE, NODE_OTHER };

static const int32_t TYPE_OF_EDGE[N_NODE_KINDS][N_NODE_KINDS] = {[NODE_VISIT] = {6, 6, 6, 6, 6},
                                                                 [NODE_DIAGNOSIS] = {6, 0, 3, 4, 7},
                                                                 [NODE_DRUG] = {6, 3, 1, 5, 7},
                                                                 [NODE_PROCEDURE] = {6, 4, 5, 2, 7},
                                                                 [NODE_OTHER] = {6, 7, 7, 7, 7}};

static enum node_kind node_kind(uint8_t code_kind) {
    switch (code_kind) {
        case CODE_KIND_DIAGNOSIS: return NODE_DIAGNOSIS;
        case CODE_KIND_DRUG: return NODE_DRUG;
        case CODE_KIND_PROCEDURE: return NODE_PROCEDURE;
        default: return NODE_OTHER;
    }
}

/* ---- lists ---- */
static int append(struct gt_input *in, enum gt_list list, int64_t value) {
    struct gt_ints *l = &in->list[list];
    TRY(mem_grow(&l->at, &l->capacity, l->n + 1, sizeof *l->at));
    l->at[l->n++] = (int32_t)value;
    return STATUS_OK;
}

/* ---- what of a history is read ---- */
/* From 1; 0 of no time, and of one that no calendar has. */
static int day_of_year(int64_t time) {
    const int64_t second = 1000000;
    time_t seconds = (time_t)(time / second - (time % second < 0));
    struct tm date;
    return time == COHORT_NO_TIME || !gmtime_r(&seconds, &date) ? 0 : date.tm_yday + 1;
}

/* The first dated visit that is read. */
static int64_t first_visit(const struct visits *v, int64_t n_static) {
    int64_t most = MOST_VISITS - n_static, n = v->n - n_static;
    return n_static + (n > most ? n - most : 0);
}

static int64_t static_visits(const struct visits *v) { return v->n > 0 && v->visits[0].is_static; }

/* Leaves the visits that are read, cut to the codes that are. */
static void cut(struct visits *v, int64_t max_length) {
    int64_t n_static = static_visits(v), room = max_length, kept = v->n, first = first_visit(v, n_static);
    if (v->n == 0) return;
    if (n_static) {
        if (v->visits[0].n > max_length / 2) v->visits[0].n = max_length / 2;
        room -= v->visits[0].n;
    }
    while (kept > first && room > 0) {
        struct visit *x = &v->visits[--kept];
        int64_t over = x->n > room ? x->n - room : 0;
        x->first += over;
        x->n -= over;
        room -= x->n;
    }
    v->n -= kept - n_static;
    memmove(v->visits + n_static, v->visits + kept, (size_t)(v->n - n_static) * sizeof *v->visits);
}

int gt_count_dropped(struct visits *memory, const struct sample_history *history, const struct ehr_options *options,
                     int64_t *dropped) {
    TRY(visits_make(memory, history, options));
    int64_t n_static = static_visits(memory);
    *dropped = first_visit(memory, n_static) - n_static;
    return STATUS_OK;
}

/* ---- graphs ---- */
/* What is hidden of the sample at work. */
struct hiding {
    int hides;
    uint64_t seed;
    uint32_t step;
    int64_t sample;  /* its number */
    int64_t at_code; /* codes that were passed */
    int64_t end;     /* of the tokens that can be told */
};

static double draw(const struct hiding *h, int what, int64_t place) {
    return rng_uniform(h->seed, RNG_GRAPH_MASK + (uint32_t)what, h->step, (uint64_t)h->sample << 20 | (uint64_t)place);
}

/* The node of a code, or what is told of it: `row` is its visit's in the sequences. */
static int add_code(struct gt_input *in, const struct visit_code *code, struct hiding *h, int64_t row) {
    enum node_kind kind = node_kind(code->kind);
    double u = h->hides && code->token >= TOKEN_FIRST_CODE && code->token < h->end ? draw(h, 0, h->at_code) : 1;
    h->at_code++;
    if (u >= MASKED && u < MASKED + MISSING) {
        TRY(append(in, MISSING_ROW, row));
        return append(in, MISSING_CODE, code->token - TOKEN_FIRST_CODE);
    }
    if (u < MASKED) {
        TRY(append(in, MASKED_ASKED, in->list[ASKED_NODE].n));
        TRY(append(in, MASKED_CODE, code->token - TOKEN_FIRST_CODE));
        TRY(append(in, ASKED_NODE, in->list[NODE_TOKEN].n));
        TRY(append(in, ASKED_KIND, kind));
    }
    TRY(append(in, NODE_TOKEN, u < MASKED ? TOKEN_MASK : code->token));
    return append(in, NODE_KIND, kind);
}

static int add_type(struct gt_input *in, const struct visit *v, const struct hiding *h, int64_t position, int64_t row) {
    int32_t type = v->is_static ? STATIC_TYPE : v->kind;
    int masked = h->hides && draw(h, 1, position) < TYPE_MASKED;
    if (masked) {
        TRY(append(in, TOLD_ROW, row));
        TRY(append(in, TOLD_TYPE, type));
    }
    return append(in, VISIT_TYPE, masked ? MASKED_TYPE : type);
}

static int add_visit(struct gt_input *in, int64_t position, struct hiding *h) {
    const struct visit *v = &in->visits.visits[position];
    int64_t nodes = in->list[NODE_TOKEN].n, asked = in->list[ASKED_NODE].n, row = in->list[ROW_VISIT].n;
    TRY(append(in, VISIT_NODES, nodes));
    TRY(append(in, VISIT_ASKED, asked));
    TRY(append(in, VISIT_KEY, h->sample * MOST_VISITS + position));
    TRY(append(in, VISIT_POSITION, position));
    TRY(append(in, VISIT_AGE, v->age));
    TRY(append(in, VISIT_DAY, day_of_year(v->start)));
    TRY(add_type(in, v, h, position, row));
    TRY(append(in, ASKED_NODE, nodes));
    TRY(append(in, ASKED_KIND, NODE_VISIT));
    TRY(append(in, NODE_TOKEN, TOKEN_VISIT));
    TRY(append(in, NODE_KIND, NODE_VISIT));
    for (int64_t i = 0; i < v->n; i++) TRY(add_code(in, &in->visits.codes[v->first + i], h, row));
    nodes = in->list[NODE_TOKEN].n - nodes;
    in->n_pairs += nodes * nodes;
    in->n_asked += nodes * (in->list[ASKED_NODE].n - asked);
    TRY(append(in, ROW_VISIT, in->list[VISIT_KEY].n - 1));
    return append(in, ROW_CLS, -1);
}

static int add_sample(struct gt_input *in, const struct ehr_batch *b, int64_t i, enum ehr_stage stage,
                      const struct gt_terms *terms) {
    struct sample_history history = sample_set_history(b->set, b->which[i]);
    struct hiding h = {stage == STAGE_PRETRAIN,     terms->seed, b->step,
                       b->set->number[b->which[i]], 0,           code_rows_in_train(terms->codes)};
    TRY(visits_make(&in->visits, &history, terms->options));
    cut(&in->visits, terms->options->max_length);
    TRY(append(in, SAMPLE_NODES, in->list[NODE_TOKEN].n));
    TRY(append(in, SAMPLE_ASKED, in->list[ASKED_NODE].n));
    TRY(append(in, SAMPLE_ROWS, in->list[ROW_VISIT].n));
    TRY(append(in, ROW_VISIT, -1));
    TRY(append(in, ROW_CLS, 0));
    for (int64_t v = 0; v < in->visits.n; v++) TRY(add_visit(in, v, &h));
    return STATUS_OK;
}

/* The ends of the last segments, and what is the same in each batch. */
static int end_lists(struct gt_input *in) {
    int64_t nodes = in->list[NODE_TOKEN].n, asked = in->list[ASKED_NODE].n;
    TRY(append(in, VISIT_NODES, nodes));
    TRY(append(in, SAMPLE_NODES, nodes));
    TRY(append(in, VISIT_ASKED, asked));
    TRY(append(in, SAMPLE_ASKED, asked));
    TRY(append(in, SAMPLE_ROWS, in->list[ROW_VISIT].n));
    for (int64_t i = 0; i <= asked; i++) TRY(append(in, ASKED_HEADS, i * GRAPH_HEADS));
    for (int a = 0; a < N_NODE_KINDS; a++)
        for (int b = 0; b < N_NODE_KINDS; b++) TRY(append(in, EDGE_TYPES, TYPE_OF_EDGE[a][b]));
    return STATUS_OK;
}

int gt_input_pack(struct gt_input *in, struct pack *pack, const struct ehr_batch *b, enum ehr_stage stage,
                  const struct gt_terms *terms) {
    for (int l = 0; l < N_GT_LISTS; l++) in->list[l].n = 0;
    in->n_pairs = in->n_asked = 0;
    for (int64_t i = 0; i < b->n; i++) TRY(add_sample(in, b, i, stage, terms));
    TRY(end_lists(in));
    for (int l = 0; l < N_GT_LISTS; l++) {
        const struct gt_ints *list = &in->list[l];
        int32_t *host;
        TRY(pack_ints(pack, list->n, &host, &in->on_device[l]));
        if (list->n > 0) memcpy(host, list->at, (size_t)list->n * sizeof *host);
    }
    return code_list_pack(&in->nodes, pack, terms->codes, in->list[NODE_TOKEN].n, in->list[NODE_TOKEN].at);
}

void gt_input_free(struct gt_input *in) {
    for (int l = 0; l < N_GT_LISTS; l++) free(in->list[l].at);
    visits_free(&in->visits);
    *in = (struct gt_input){0};
}
