/* Plan: tokenise every description, keep each distinct sequence once; likewise names of nodes, of which the first row alone is kept. */
#include "text/bert_encoder.h"

#include <stdlib.h>
#include <string.h>

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
    struct dictionary texts, names; /* sequences of ids (int32) */
    /* a batch */
    int32_t *offsets, *ids;
    long long offsets_capacity, ids_capacity, cls_capacity;
    dev_real cls; /* [n_texts, dim] their first rows, of sentence */
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

static int64_t n_tokens(const struct dictionary *d, int64_t unit) {
    return (d->offsets[unit + 1] - d->offsets[unit]) / (int64_t)sizeof(int32_t);
}

static int number_rows(const struct bert_state *s, struct text_plan *plan) {
    TRY(mem_alloc(&plan->unit_rows, plan->n_units + 1, sizeof *plan->unit_rows));
    TRY(mem_alloc(&plan->unit_costs, plan->n_units + 1, sizeof *plan->unit_costs));
    for (int64_t u = 0; u < plan->n_units; u++) {
        plan->unit_costs[u + 1] = plan->unit_costs[u] + n_tokens(&s->texts, u);
        plan->unit_rows[u + 1] = plan->unit_rows[u] + (s->sentence ? 1 : n_tokens(&s->texts, u));
    }
    plan->n_rows = plan->unit_rows[plan->n_units];
    return plan->n_rows < INT32_MAX ? STATUS_OK
                                    : status_set(STATUS_FAILED,
                                                 "%lld feature rows are more than 2^31 - 1; "
                                                 "text.features: sentence needs fewer",
                                                 (long long)plan->n_rows);
}

/* From the unit of each code to the rows of its tokens. */
static int list_rows(struct text_plan *plan) {
    int32_t *unit = plan->token_row;
    plan->token_row = NULL;
    int status = mem_alloc(&plan->token_row, plan->token_offsets[plan->n_codes], sizeof *plan->token_row);
    for (int64_t i = 0; status == STATUS_OK && i < plan->n_codes; i++)
        for (int64_t t = plan->token_offsets[i]; t < plan->token_offsets[i + 1]; t++)
            plan->token_row[t] = (int32_t)(plan->unit_rows[unit[i]] + t - plan->token_offsets[i]);
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
    int status = STATUS_OK;
    for (int64_t i = 0; i < v->n_codes && status == STATUS_OK; i++)
        status = plan_code(s, v->description + v->description_offsets[i],
                           v->description_offsets[i + 1] - v->description_offsets[i], ids, plan, i);
    free(ids);
    TRY(status);
    plan->n_units = s->texts.n;
    TRY(number_rows(s, plan));
    return list_rows(plan);
}

/* The work of names stands behind that of the texts. */
static int add_costs(const struct bert_state *s, struct text_plan *plan) {
    long long capacity = plan->n_units + 1;
    TRY(mem_grow(&plan->unit_costs, &capacity, plan->n_units + s->names.n + 1, sizeof *plan->unit_costs));
    for (int64_t i = 0; i < s->names.n; i++)
        plan->unit_costs[plan->n_units + i + 1] = plan->unit_costs[plan->n_units + i] + n_tokens(&s->names, i);
    return STATUS_OK;
}

static int bert_plan_names(struct text_encoder *encoder, int64_t n, const int64_t *offsets, const char *names,
                           struct text_plan *plan) {
    struct bert_state *s = encoder->state;
    int32_t *ids;
    TRY(mem_alloc(&plan->node_row, n, sizeof *plan->node_row));
    TRY(mem_alloc(&ids, s->most_tokens, sizeof *ids));
    int status = STATUS_OK;
    plan->n_nodes = n;
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) {
        int64_t size = offsets[i + 1] - offsets[i], n_ids = 0;
        plan->node_row[i] = -1;
        if (size == 0) continue;
        status = wordpiece_encode(&s->folder.wordpiece, names + offsets[i], size, s->most_tokens, ids, &n_ids);
        if (status == STATUS_OK)
            status = dictionary_add(&s->names, ids, n_ids * (int64_t)sizeof *ids, &plan->node_row[i]);
    }
    free(ids);
    encoder->dictionaries[encoder->n_kinds++] = &s->names;
    encoder->n_name_kinds = 1;
    return status == STATUS_OK ? add_costs(s, plan) : status;
}

/* ---- rows ---- */
static int32_t ids_of(const struct text_unit *unit) { return unit->size / (int32_t)sizeof(int32_t); }

static void make_room_for_cls(struct bert_state *s, int64_t n) {
    if (n <= s->cls_capacity) return;
    device_free_reals(s->device, s->cls);
    s->cls_capacity = n + n / 4;
    s->cls = device_alloc_reals(s->device, s->cls_capacity * s->folder.config.hidden);
}

/* Whether the first row alone of a unit is kept. */
static int is_sentence(const struct bert_state *s, const struct text_units *units, int64_t i) {
    return s->sentence || (units->kind_first[1] > 0 && units->list[i].unit >= units->kind_first[1]);
}

/* Computes units->list[first .. first+n-1], all of descriptions or all of names, and copies their rows to out; *n_rows: how many rows these are. */
static int run_batch(struct bert_state *s, const struct text_units *units, int64_t first, int64_t n, real *out,
                     int64_t *n_rows) {
    int64_t dim = s->folder.config.hidden, tokens = 0;
    struct bert_hidden hidden;
    TRY(mem_grow(&s->offsets, &s->offsets_capacity, n + 1, sizeof *s->offsets));
    s->offsets[0] = 0;
    for (int64_t u = 0; u < n; u++) tokens = s->offsets[u + 1] = s->offsets[u] + ids_of(&units->list[first + u]);
    TRY(mem_grow(&s->ids, &s->ids_capacity, tokens, sizeof *s->ids));
    for (int64_t u = 0; u < n; u++)
        memcpy(s->ids + s->offsets[u], units->bytes + units->list[first + u].at,
               (size_t)ids_of(&units->list[first + u]) * sizeof *s->ids);
    TRY(bert_forward(&s->bert, n, s->offsets, s->ids, NULL, &hidden));
    TRY(text_pool(&s->pool, s->pooling, n, tokens, dim, &hidden));
    *n_rows = is_sentence(s, units, first) ? n : tokens;
    if (is_sentence(s, units, first)) {
        make_room_for_cls(s, n);
        s->device->run->gather_rows(s->device, n, dim, hidden.rows, hidden.offsets, s->cls);
        device_download_reals(s->device, out, s->cls, n * dim);
    } else {
        device_download_reals(s->device, out, hidden.rows, tokens * dim);
    }
    return device_status(s->device);
}

/* The batches of which encode's parts are made (text_batch_end): as many units as have at most `most` ids, and at least one; of those of
 * which all rows are kept, or of the others. */
static int64_t batch_end(const struct bert_state *s, const struct text_units *units, int64_t first, int64_t end,
                         int64_t most) {
    int64_t next = first + 1, ids = ids_of(&units->list[first]);
    int kind = is_sentence(s, units, first);
    while (next < end && is_sentence(s, units, next) == kind && ids + ids_of(&units->list[next]) <= most)
        ids += ids_of(&units->list[next++]);
    return next;
}

static int bert_rows(struct text_encoder *encoder, const struct text_units *units, int64_t first, int64_t count,
                     real *out) {
    struct bert_state *s = encoder->state;
    int64_t end = first + count, n_rows;
    if (!s->bert.device) TRY(bert_open(&s->bert, s->device, &s->folder, s->precision));
    for (int64_t next; first < end; first = next) {
        next = batch_end(s, units, first, end, s->device->linear_rows);
        TRY(run_batch(s, units, first, next - first, out, &n_rows));
        out += n_rows * encoder->dim;
    }
    return STATUS_OK;
}

/* ---- open and close ---- */
static void bert_encoder_close(struct text_encoder *encoder) {
    struct bert_state *s = encoder->state;
    if (!s) return;
    bert_close(&s->bert);
    free(s->offsets);
    free(s->ids);
    device_free_reals(s->device, s->cls);
    text_pool_room_free(&s->pool);
    dictionary_free(&s->texts);
    dictionary_free(&s->names);
    model_folder_close(&s->folder);
    free(s);
    encoder->state = NULL;
}

int bert_encoder_open(struct text_encoder *encoder, const struct text_options *options, struct device *device) {
    struct bert_state *s;
    TRY(mem_alloc(&s, 1, sizeof *s));
    *encoder = (struct text_encoder){.name = "bert",
                                     .state = s,
                                     .plan = bert_plan,
                                     .plan_names = bert_plan_names,
                                     .rows = bert_rows,
                                     .close = bert_encoder_close,
                                     .n_kinds = 1,
                                     .dictionaries = {&s->texts}};
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
