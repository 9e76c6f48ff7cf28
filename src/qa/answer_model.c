/* Read answer_states first. */
#include "qa/answer_model.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "lm/folder_json.h"
#include "lm/model_id.h"
#include "lm/parameter_file.h"

/* ---- set-up ---- */
static int read_lora_options(const struct qa_options *o, struct lora_options *lora) {
    *lora = (struct lora_options){.rank = o->rank, .alpha = o->alpha, .dropout = o->dropout};
    for (int i = 0; i < o->targets.n; i++) {
        int t = 0;
        while (t < N_LORA_TARGETS && strcmp(o->targets.items[i], LORA_TARGETS[t]) != 0) t++;
        if (t == N_LORA_TARGETS)
            return status_set(STATUS_USAGE,
                              "qa.targets: %s is none of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, "
                              "down_proj",
                              o->targets.items[i]);
        lora->targets |= 1U << t;
    }
    if (!lora->targets) lora->targets = 1U << LORA_Q | 1U << LORA_V;
    return STATUS_OK;
}

/* The parameters of the prefix stand first in the set. */
static int64_t n_of_prefix(const struct answer_model *m) {
    return m->prefix.kind == QA_PREFIX_NONE ? 0 : m->prefix.kind == QA_PREFIX_NULL ? 1 : 3;
}

static void prefix_path(const struct answer_model *m, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/prefix.safetensors", m->options.adapter);
}

static int load_trained(struct answer_model *m) {
    char path[PATH_MAX];
    TRY(lora_load(&m->lora, m->options.adapter));
    prefix_path(m, path);
    return n_of_prefix(m) ? parameter_file_load(path, m->device, n_of_prefix(m), m->parameters.list) : STATUS_OK;
}

/* The record of the adapter that will be trained, or of that which was. */
static int make_record(struct answer_model *m, const struct answer_terms *t) {
    const struct qa_options *o = &m->options;
    int is_there = 1;
    TRY(model_folder_id(o->model, m->model_id));
    if (!t->trains && !o->adapter[0]) return STATUS_OK;
    if (t->trains) {
        m->record =
            (struct adapter_record){.prefix = o->prefix, .codes = o->codes, .mean = o->mean, .seed = (int64_t)t->seed};
        snprintf(m->record.model_id, sizeof m->record.model_id, "%s", m->model_id);
        return adapter_record_add_stems(&m->record, m->questions);
    }
    TRY(adapter_record_read(&m->record, o->adapter, &is_there));
    if (is_there) return adapter_record_check(&m->record, o, m->model_id);
    if (!prefix_has_rows(o->prefix)) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "%s: no " ADAPTER_RECORD_FILE " in it, so it was not trained with a prefix: set qa.prefix=none",
                      o->adapter);
}

static int add_prefix(struct answer_model *m, const struct answer_terms *t) {
    uint64_t seed = t->trains ? t->seed : (uint64_t)m->record.seed;
    TRY(prefix_make(&m->prefix, &m->options, t->table, seed, m->questions, &m->parameters, m->llama.config.hidden));
    if (!t->trains) return adapter_record_check_table(&m->record, &m->options, t->table, m->prefix.table_id);
    snprintf(m->record.table_id, sizeof m->record.table_id, "%s", m->prefix.table_id);
    return STATUS_OK;
}

static int add_descriptions(struct answer_model *m, const struct answer_terms *t) {
    TRY(code_descriptions_read(&m->descriptions, t->vocabulary, m->questions, m->options.questions, m->options.codes));
    const char *id = m->descriptions.vocabulary_id;
    if (!t->trains)
        return m->record.model_id[0] ? adapter_record_check_table(&m->record, &m->options, t->vocabulary, id)
                                     : STATUS_OK;
    snprintf(m->record.table_id, sizeof m->record.table_id, "%s", id);
    return STATUS_OK;
}

static int add_parameters(struct answer_model *m, const struct answer_terms *t) {
    const struct qa_options *o = &m->options;
    struct lora_options lora;
    m->parameters.values_by_name = 1; /* arms of one seed start from the same adapter */
    if (prefix_has_rows(o->prefix)) TRY(add_prefix(m, t));
    if (o->prefix == QA_PREFIX_DESCRIPTIONS) TRY(add_descriptions(m, t));
    if (!t->trains && !o->adapter[0]) return STATUS_OK;
    TRY(t->trains ? read_lora_options(o, &lora) : lora_options_read(&lora, o->adapter));
    return lora_add(&m->lora, &m->llama, &m->parameters, &lora);
}

/* Texts may have the tokens and positions that the options and the tokeniser ask for. */
static int check_sizes(const struct answer_model *m) {
    const struct llama_config *c = &m->llama.config;
    int64_t more = prefix_most_rows(&m->options);
    if (m->options.prefix == QA_PREFIX_DESCRIPTIONS) more = m->options.codes * PROMPT_NAME_TOKENS;
    if (m->bpe.n > c->vocabulary)
        return status_set(STATUS_FAILED,
                          "%s: tokenizer.json has token %lld, but vocab_size of config.json is %lld: the two files are "
                          "not of one model",
                          m->options.model, (long long)m->bpe.n - 1, (long long)c->vocabulary);
    if (m->options.max_tokens + more > c->positions)
        return status_set(STATUS_FAILED,
                          "qa.max_tokens is %lld, with %lld of the prefix more than the %lld positions of %s: set "
                          "qa.max_tokens=%lld or less",
                          (long long)m->options.max_tokens, (long long)more, (long long)c->positions, m->options.model,
                          (long long)(c->positions - more));
    return STATUS_OK;
}

int answer_model_open(struct answer_model *m, struct device *device, const struct answer_terms *t,
                      const struct questions *questions) {
    int status;
    *m = (struct answer_model){.options = *t->options, .questions = questions, .device = device};
    TRY_DONE(llama_open(&m->llama, device, m->options.model, t->precision, t->trains && m->options.recompute));
    TRY_DONE(bpe_open(&m->bpe, m->options.model));
    TRY_DONE(check_sizes(m));
    TRY_DONE(chat_open(&m->chat, &m->bpe, m->options.model));
    TRY_DONE(prompt_letters(&m->chat, m->letters));
    TRY_DONE(make_record(m, t));
    TRY_DONE(add_parameters(m, t));
    TRY_DONE(parameter_set_allocate(&m->parameters, device, 0, 1, t->trains));
    TRY_DONE(parameter_set_initialize(&m->parameters, t->seed));
    if (!t->trains && m->options.adapter[0]) TRY_DONE(load_trained(m));
done:
    if (status != STATUS_OK) answer_model_close(m);
    return status;
}

void answer_model_close(struct answer_model *m) {
    adapter_record_free(&m->record);
    lora_free(&m->lora);
    prefix_free(&m->prefix);
    code_descriptions_free(&m->descriptions);
    parameter_set_free(&m->parameters);
    bpe_close(&m->bpe);
    llama_close(&m->llama);
    *m = (struct answer_model){0};
}

/* The record comes last, and goes first: where it stands, the rest is its own. */
int answer_model_save(struct answer_model *m, const char *training) {
    char path[PATH_MAX], record[PATH_MAX];
    folder_file(m->options.adapter, ADAPTER_RECORD_FILE, record);
    (void)remove(record);
    TRY(lora_save(&m->lora, m->options.adapter));
    prefix_path(m, path);
    if (n_of_prefix(m)) TRY(parameter_file_save(path, m->device, n_of_prefix(m), m->parameters.list));
    if (!n_of_prefix(m)) (void)remove(path); /* that of an adapter that was there before, if there was one */
    snprintf(m->record.training, sizeof m->record.training, "%s", training);
    return adapter_record_write(&m->record, m->options.adapter);
}

/* ---- a batch ---- */
void answer_batch_make(struct answer_batch *b, struct device *device) {
    *b = (struct answer_batch){0};
    pack_make(&b->pack, device);
}

void answer_batch_free(struct answer_batch *b) {
    tokens_free(&b->tokens);
    pack_free(&b->pack);
}

/* The rows of a batch on the host. */
struct host_rows {
    int32_t *offsets, *keys, *token, *position, *prefix_row, *last, *target;
};

static int declare(struct answer_batch *b, int64_t n, int64_t rows, struct host_rows *h) {
    struct llama_rows *r = &b->rows;
    r->segments.rows.n = n, r->segments.rows.n_rows = rows;
    TRY(pack_ints(&b->pack, n + 1, &h->offsets, &r->segments.rows.offsets));
    TRY(pack_ints(&b->pack, n, &h->keys, &r->segments.keys));
    TRY(pack_ints(&b->pack, rows, &h->token, &r->token));
    TRY(pack_ints(&b->pack, rows, &h->position, &r->position));
    TRY(pack_ints(&b->pack, rows, &h->prefix_row, &r->prefix_row));
    TRY(pack_ints(&b->pack, n, &h->last, &b->last));
    return pack_ints(&b->pack, n, &h->target, &b->target);
}

static int64_t rows_before(const struct answer_model *m, int64_t question) {
    return m->prefix.kind == QA_PREFIX_NONE ? 0 : prefix_rows(&m->prefix, question);
}

/* The tokens of the questions, one behind the other, in b->tokens; ends [n]. Takes as many as most_rows allows. */
static int encode_some(struct answer_batch *b, struct answer_model *m, int64_t n, const struct asked *asked,
                       int64_t most_rows, int64_t *ends) {
    int64_t rows = 0;
    b->tokens.n = b->n_cut = b->n_shortened = 0;
    for (b->n = 0; b->n < n; b->n++) {
        const struct asked *one = &asked[b->n];
        struct prompt prompt = {.question = &m->questions->items[one->question], .rotation = one->rotation};
        struct prompt_cuts cuts;
        int64_t before = b->tokens.n;
        prompt.names = code_descriptions_of(&m->descriptions, one->question, &prompt.n_names);
        TRY(prompt_encode(&m->chat, &prompt, m->options.max_tokens, &b->tokens, &cuts));
        rows += b->tokens.n - before + rows_before(m, one->question);
        if (most_rows > 0 && rows > most_rows && b->n > 0) {
            b->tokens.n = before;
            break;
        }
        b->n_cut += one->rotation == 0 && cuts.stem;
        b->n_shortened += one->rotation == 0 && cuts.names > 0;
        ends[b->n] = b->tokens.n;
    }
    return STATUS_OK;
}

/* Question i's tokens ids[n], with `more` rows of the prefix from number `prefix` on among them, from row `at` on. */
static void lay(const struct host_rows *h, const int32_t *ids, int64_t n, int64_t more, int64_t prefix, int64_t at) {
    for (int64_t r = 0; r < n + more; r++) {
        int64_t k = r - PROMPT_PREFIX_AT;
        int is_prefix = k >= 0 && k < more;
        h->token[at + r] = is_prefix ? -1 : ids[r < PROMPT_PREFIX_AT ? r : r - more];
        h->prefix_row[at + r] = is_prefix ? (int32_t)(prefix + k) : -1;
        h->position[at + r] = (int32_t)r;
    }
}

static int lay_all(struct answer_batch *b, const struct answer_model *m, int64_t n, const struct asked *asked,
                   const int64_t *ends) {
    int64_t rows = b->tokens.n, at = 0, prefix = 0;
    struct host_rows h;
    for (int64_t i = 0; i < n; i++) rows += rows_before(m, asked[i].question);
    TRY(declare(b, n, rows, &h));
    h.offsets[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        const struct question *q = &m->questions->items[asked[i].question];
        int64_t first = i ? ends[i - 1] : 0, more = rows_before(m, asked[i].question);
        int64_t length = ends[i] - first + more;
        lay(&h, b->tokens.ids + first, ends[i] - first, more, prefix, at);
        at += length, prefix += more;
        h.offsets[i + 1] = (int32_t)at;
        h.keys[i] = (int32_t)asked[i].question;
        h.last[i] = (int32_t)(at - 1);
        h.target[i] = m->letters[(q->answer - asked[i].rotation + q->n_options) % q->n_options];
        b->rows.n_pairs += length * (length + 1) / 2;
    }
    return STATUS_OK;
}

int answer_batch_pack(struct answer_batch *b, struct answer_model *m, int64_t n, const struct asked *asked,
                      int64_t most_rows) {
    int64_t *ends, *questions;
    int status;
    pack_begin(&b->pack);
    b->rows = (struct llama_rows){0};
    TRY(mem_alloc(&ends, 2 * n, sizeof *ends));
    questions = ends + n;
    for (int64_t i = 0; i < n; i++) questions[i] = asked[i].question;
    TRY_DONE(encode_some(b, m, n, asked, most_rows, ends));
    TRY_DONE(lay_all(b, m, b->n, asked, ends));
    if (m->prefix.kind != QA_PREFIX_NONE) TRY_DONE(prefix_pack(&m->prefix, &b->pack, b->n, questions, &b->prefix));
done:
    free(ends);
    return status;
}

struct var *answer_states(const struct answer_model *m, struct tape *tape, struct answer_batch *b) {
    if (m->prefix.kind != QA_PREFIX_NONE) b->rows.prefix = prefix_apply(&m->prefix, tape, &b->prefix);
    return nn_gather(tape, llama_hidden(&m->llama, tape, &b->rows, NULL), b->last, b->n);
}
