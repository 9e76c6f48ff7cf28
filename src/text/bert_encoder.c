/* Plan: tokenise every description, keep each distinct sequence once; behind them those names of nodes that no description is, of which
 * the first row alone is kept. */
#include "text/bert_encoder.h"

#include <stdlib.h>

#include "base/device_status.h"
#include "lm/bert.h"
#include "text/text_pool.h"

struct bert_state {
    struct model_folder folder;
    struct device *device;
    struct bert bert; /* weights are read when the first row is asked for */
    int64_t most_tokens;
    int sentence;
    enum precision_of_products precision;
    enum text_pooling pooling;
    struct text_pool_room pool;
    struct dictionary texts; /* sequences of ids (int32) */
    int64_t n_described;     /* of these, those of descriptions, which come first */
    /* a batch */
    int32_t *offsets;
    long long offsets_capacity, cls_capacity;
    dev_real cls; /* [n_texts, dim] their first rows, where these alone are kept */
};

/* ---- plan ---- */
static int plan_code(struct bert_state *s, const char *text, int64_t size, int32_t *ids, struct text_plan *plan,
                     int64_t code) {
    int64_t n;
    TRY(wordpiece_encode(&s->folder.wordpiece, text, size, s->most_tokens, ids, &n));
    TRY(dictionary_add(&s->texts, ids, n * (int64_t)sizeof *ids, &plan->token_row[code])); /* for now the unit */
    plan->token_offsets[code + 1] = plan->token_offsets[code] + (s->sentence ? 1 : n);
    return STATUS_OK;
}

static int plan_descriptions(struct bert_state *s, const struct vocabulary *v, int32_t *ids, struct text_plan *plan) {
    for (int64_t i = 0; i < v->n_codes; i++)
        TRY(plan_code(s, v->description + v->description_offsets[i],
                      v->description_offsets[i + 1] - v->description_offsets[i], ids, plan, i));
    s->n_described = s->texts.n;
    return STATUS_OK;
}

static int plan_names(struct bert_state *s, const struct vocabulary *v, int32_t *ids, struct text_plan *plan) {
    if (!v->node_name_offsets) return STATUS_OK;
    plan->n_nodes = v->n_nodes;
    TRY(mem_alloc(&plan->node_row, v->n_nodes, sizeof *plan->node_row));
    for (int64_t i = 0; i < v->n_nodes; i++) {
        int64_t n, size = v->node_name_offsets[i + 1] - v->node_name_offsets[i];
        plan->node_row[i] = -1;
        if (size == 0) continue;
        TRY(wordpiece_encode(&s->folder.wordpiece, v->node_name + v->node_name_offsets[i], size, s->most_tokens, ids,
                             &n));
        TRY(dictionary_add(&s->texts, ids, n * (int64_t)sizeof *ids, &plan->node_row[i])); /* for now the unit */
    }
    return STATUS_OK;
}

static int64_t n_tokens(const struct bert_state *s, int64_t unit) {
    return (s->texts.offsets[unit + 1] - s->texts.offsets[unit]) / (int64_t)sizeof(int32_t);
}

/* Whether only the first row of a unit is kept. */
static int is_sentence(const struct bert_state *s, int64_t unit) { return s->sentence || unit >= s->n_described; }

static int number_rows(const struct bert_state *s, struct text_plan *plan) {
    TRY(mem_alloc(&plan->unit_rows, plan->n_units + 1, sizeof *plan->unit_rows));
    TRY(mem_alloc(&plan->unit_costs, plan->n_units + 1, sizeof *plan->unit_costs));
    for (int64_t u = 0; u < plan->n_units; u++) {
        plan->unit_costs[u + 1] = plan->unit_costs[u] + n_tokens(s, u);
        plan->unit_rows[u + 1] = plan->unit_rows[u] + (is_sentence(s, u) ? 1 : n_tokens(s, u));
    }
    plan->n_rows = plan->unit_rows[plan->n_units];
    return plan->n_rows < INT32_MAX ? STATUS_OK
                                    : status_set(STATUS_FAILED,
                                                 "%lld feature rows are more than 2^31 - 1; "
                                                 "text.features: sentence needs fewer",
                                                 (long long)plan->n_rows);
}

/* From the unit of each code to the rows of its tokens, and from that of each name to its first. */
static int list_rows(struct text_plan *plan) {
    int32_t *unit = plan->token_row;
    plan->token_row = NULL;
    int status = mem_alloc(&plan->token_row, plan->token_offsets[plan->n_codes], sizeof *plan->token_row);
    for (int64_t i = 0; status == STATUS_OK && i < plan->n_codes; i++)
        for (int64_t t = plan->token_offsets[i]; t < plan->token_offsets[i + 1]; t++)
            plan->token_row[t] = (int32_t)(plan->unit_rows[unit[i]] + t - plan->token_offsets[i]);
    for (int64_t i = 0; i < plan->n_nodes; i++)
        if (plan->node_row[i] >= 0) plan->node_row[i] = (int32_t)plan->unit_rows[plan->node_row[i]];
    free(unit);
    return status;
}

static int bert_plan(struct text_encoder *encoder, const struct vocabulary *v, struct text_plan *plan) {
    struct bert_state *s = encoder->state;
    int32_t *ids = NULL;
    *plan = (struct text_plan){.n_codes = v->n_codes};
    TRY(mem_alloc(&plan->token_offsets, v->n_codes + 1, sizeof *plan->token_offsets));
    TRY(mem_alloc(&plan->token_row, v->n_codes, sizeof *plan->token_row));
    TRY(mem_alloc(&ids, s->most_tokens, sizeof *ids));
    int status = plan_descriptions(s, v, ids, plan);
    if (status == STATUS_OK) status = plan_names(s, v, ids, plan);
    free(ids);
    TRY(status);
    plan->n_units = s->texts.n;
    TRY(number_rows(s, plan));
    return list_rows(plan);
}

/* ---- rows ---- */
static void make_room_for_cls(struct bert_state *s, int64_t n) {
    if (n <= s->cls_capacity) return;
    device_free_reals(s->device, s->cls);
    s->cls_capacity = n + n / 4;
    s->cls = device_alloc_reals(s->device, s->cls_capacity * s->folder.config.hidden);
}

/* Computes n units, all of descriptions or all of names, with `tokens` tokens in all, and copies their rows to out. */
static int run_batch(struct bert_state *s, int64_t first, int64_t n, int64_t tokens, real *out) {
    int64_t dim = s->folder.config.hidden;
    struct bert_hidden hidden;
    TRY(mem_grow(&s->offsets, &s->offsets_capacity, n + 1, sizeof *s->offsets));
    s->offsets[0] = 0;
    for (int64_t u = 0; u < n; u++) s->offsets[u + 1] = (int32_t)(s->offsets[u] + n_tokens(s, first + u));
    const int32_t *ids = (const int32_t *)(const void *)(s->texts.bytes + s->texts.offsets[first]);
    TRY(bert_forward(&s->bert, n, s->offsets, ids, NULL, &hidden));
    TRY(text_pool(&s->pool, s->pooling, n, tokens, dim, &hidden));
    if (is_sentence(s, first)) {
        make_room_for_cls(s, n);
        s->device->run->gather_rows(s->device, n, dim, hidden.rows, hidden.offsets, s->cls);
        device_download_reals(s->device, out, s->cls, n * dim);
    } else {
        device_download_reals(s->device, out, hidden.rows, tokens * dim);
    }
    return device_status(s->device);
}

static int bert_rows(struct text_encoder *encoder, int64_t first, int64_t count, real *out) {
    struct bert_state *s = encoder->state;
    if (!s->bert.device) TRY(bert_open(&s->bert, s->device, &s->folder, s->precision));
    int64_t end = first + count, most = s->device->linear_rows * (int64_t)sizeof(int32_t);
    while (first < end) { /* the batches of which encode's parts are made */
        int64_t of_kind = first < s->n_described && s->n_described < end ? s->n_described : end;
        int64_t next = text_batch_end(s->texts.offsets, first, of_kind, most);
        int64_t tokens = (s->texts.offsets[next] - s->texts.offsets[first]) / (int64_t)sizeof(int32_t);
        TRY(run_batch(s, first, next - first, tokens, out));
        out += (is_sentence(s, first) ? next - first : tokens) * encoder->dim;
        first = next;
    }
    return STATUS_OK;
}

/* ---- open and close ---- */
static void bert_encoder_close(struct text_encoder *encoder) {
    struct bert_state *s = encoder->state;
    if (!s) return;
    bert_close(&s->bert);
    free(s->offsets);
    device_free_reals(s->device, s->cls);
    text_pool_room_free(&s->pool);
    dictionary_free(&s->texts);
    model_folder_close(&s->folder);
    free(s);
    encoder->state = NULL;
}

int bert_encoder_open(struct text_encoder *encoder, const struct text_options *options, struct device *device) {
    struct bert_state *s;
    TRY(mem_alloc(&s, 1, sizeof *s));
    *encoder = (struct text_encoder){
        .name = "bert", .state = s, .plan = bert_plan, .rows = bert_rows, .close = bert_encoder_close};
    s->device = device;
    s->pool.device = device;
    s->pooling = options->pool;
    s->most_tokens = options->max_tokens;
    s->sentence = options->features == FEATURES_SENTENCE;
    s->precision = (enum precision_of_products)options->compute;
    TRY(model_folder_open(&s->folder, options->model));
    encoder->dim = s->folder.config.hidden;
    encoder->first_is_mean = s->pooling == POOL_MEAN;
    return model_folder_check_length(&s->folder, s->most_tokens);
}
