/* Plan: tokenise every description, keep each distinct sequence once. */
#include "text/bert_encoder.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "text/bert.h"

/* Tokens that are computed together: enough to fill the cores, few enough to stay in the caches. */
enum { BATCH_TOKENS = 2048 };

struct bert_state {
    struct model_folder folder;
    struct device *device;
    struct bert bert; /* weights are read when the first row is asked for */
    int64_t most_tokens;
    int sentence;
    enum precision_of_products precision;
    struct dictionary texts; /* sequences of ids (int32) */
    /* a batch */
    long long capacity;
    int32_t *host; /* [3, capacity] offsets, ids, places */
    dev_int ints;
    real *values;
    long long values_capacity;
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

static int64_t n_tokens(const struct bert_state *s, int64_t unit) {
    return (s->texts.place[unit + 1] - s->texts.place[unit]) / (int64_t)sizeof(int32_t);
}

static int number_rows(const struct bert_state *s, struct text_plan *plan) {
    TRY(mem_alloc(&plan->unit_rows, plan->n_units + 1, sizeof *plan->unit_rows));
    TRY(mem_alloc(&plan->unit_costs, plan->n_units + 1, sizeof *plan->unit_costs));
    for (int64_t u = 0; u < plan->n_units; u++) {
        plan->unit_costs[u + 1] = plan->unit_costs[u] + n_tokens(s, u);
        plan->unit_rows[u + 1] = plan->unit_rows[u] + (s->sentence ? 1 : n_tokens(s, u));
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

/* ---- rows ---- */
static int make_room(struct bert_state *s, int64_t texts, int64_t tokens) {
    long long wanted = texts + 1 > tokens ? texts + 1 : tokens;
    if (wanted > s->capacity) {
        free(s->host);
        s->host = NULL;
        device_free_ints(s->device, s->ints);
        TRY(mem_alloc(&s->host, 3 * wanted, sizeof *s->host));
        s->ints = device_alloc_ints(s->device, 3 * wanted);
        s->capacity = wanted;
    }
    return mem_grow(&s->values, &s->values_capacity, tokens * s->folder.config.hidden, sizeof *s->values);
}

/* Computes n units with `tokens` tokens in all, and copies their rows to out. */
static int run_batch(struct bert_state *s, int64_t first, int64_t n, int64_t tokens, float *out) {
    int64_t dim = s->folder.config.hidden, at = 0;
    TRY(make_room(s, n, tokens));
    int32_t *offsets = s->host, *ids = s->host + s->capacity, *places = s->host + 2 * s->capacity;
    for (int64_t u = 0; u < n; u++) {
        int64_t length = n_tokens(s, first + u);
        offsets[u] = (int32_t)at;
        memcpy(ids + at, s->texts.bytes + s->texts.place[first + u], (size_t)length * sizeof *ids);
        for (int64_t t = 0; t < length; t++) places[at + t] = (int32_t)t;
        at += length;
    }
    offsets[n] = (int32_t)at;
    device_upload_ints(s->device, s->ints, s->host, 3 * s->capacity);
    dev_real hidden = bert_forward(&s->bert, n, tokens, s->ints, dev_int_at(s->ints, s->capacity),
                                   dev_int_at(s->ints, 2 * s->capacity), NULL);
    device_download_reals(s->device, s->values, hidden, tokens * dim);
    if (device_error(s->device)) return status_set(STATUS_FAILED, "%s", device_error(s->device));
    for (int64_t u = 0, row = 0; u < n; u++)
        for (int64_t t = offsets[u], end = s->sentence ? t + 1 : offsets[u + 1]; t < end; t++, row++)
            for (int64_t c = 0; c < dim; c++) out[row * dim + c] = (float)s->values[t * dim + c];
    return STATUS_OK;
}

static int bert_rows(struct text_encoder *encoder, int64_t first, int64_t count, float *out) {
    struct bert_state *s = encoder->state;
    if (!s->bert.device) TRY(bert_open(&s->bert, s->device, &s->folder, s->precision));
    for (int64_t done = 0; done < count;) {
        int64_t n = 0, tokens = 0;
        while (done + n < count && (n == 0 || tokens + n_tokens(s, first + done + n) <= BATCH_TOKENS))
            tokens += n_tokens(s, first + done + n++);
        TRY(run_batch(s, first + done, n, tokens, out));
        out += (s->sentence ? n : tokens) * encoder->dim;
        done += n;
    }
    return STATUS_OK;
}

/* ---- open and close ---- */
static void bert_encoder_close(struct text_encoder *encoder) {
    struct bert_state *s = encoder->state;
    if (!s) return;
    bert_close(&s->bert);
    if (s->capacity) device_free_ints(s->device, s->ints);
    free(s->host);
    free(s->values);
    dictionary_free(&s->texts);
    model_folder_close(&s->folder);
    free(s);
    encoder->state = NULL;
}

int bert_encoder_open(struct text_encoder *encoder, const struct config *config, struct device *device) {
    struct bert_state *s;
    TRY(mem_alloc(&s, 1, sizeof *s));
    *encoder = (struct text_encoder){
        .name = "bert", .state = s, .plan = bert_plan, .rows = bert_rows, .close = bert_encoder_close};
    s->device = device;
    s->most_tokens = config->text.max_tokens;
    s->sentence = config->text.features == FEATURES_SENTENCE;
    s->precision = config->text.compute == COMPUTE_BF16 ? PRODUCTS_BF16 : PRODUCTS_F32;
    TRY(model_folder_open(&s->folder, config->text.model));
    encoder->dim = s->folder.config.hidden;
    if (s->most_tokens > s->folder.config.positions)
        return status_set(STATUS_USAGE, "text.max_tokens is %lld, but %s has %lld positions", (long long)s->most_tokens,
                          config->text.model, (long long)s->folder.config.positions);
    return STATUS_OK;
}
