/* The callbacks, in the order in which a step makes them. */
#include "medtok/learner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/status.h"
#include "dist/reduce.h"
#include "medtok/accused.h"
#include "medtok/first_codebook.h"
#include "medtok/first_text_map.h"
#include "medtok/graph_order.h"

/* The vectors that the groups quantise, and the terms that compare them. */
static const struct watched_length LENGTHS[N_GROUPS] = {{"length_text", "codebook_text"},
                                                        {"length_graph", "codebook_graph"},
                                                        {"length_shared_text", "codebook_shared_text"},
                                                        {"length_shared_graph", "codebook_shared_graph"}};

/* ---- a new training ---- */
/* The codebook's first rows, and what is kept about them. */
static int begin_codebook(struct medtok_learner *m, struct optimiser *optimiser) {
    if (m->model.settings.quantizer.init == INIT_KMEANS)
        TRY(first_codebook_make(&m->model, m->comm, optimiser, &m->text, m->options.vocabulary,
                                m->options.train->holdout));
    return comm_agree(m->comm, codebook_begin(&m->codebook, optimiser, 0));
}

static int begin(void *self, struct optimiser *optimiser) {
    struct medtok_learner *m = self;
    if (m->continuation.parameters) {
        int status = continuation_begin(&m->continuation, optimiser);
        if (status == STATUS_OK)
            status = codebook_begin(&m->codebook, optimiser, continuation_fixes_codebook(&m->continuation));
        return comm_agree(m->comm, status);
    }
    if (m->model.settings.text_map == TEXT_MAP_PRINCIPAL)
        TRY(first_text_map_make(&m->model, m->comm, optimiser, &m->dataset, m->sampler.n_samples));
    TRY(node_start_begin(&m->node_start, &m->model, m->comm, optimiser));
    if (m->model.settings.graph.encoder_start == ENCODER_START_MEAN)
        TRY(comm_agree(m->comm, first_encoder_make(&m->model, optimiser)));
    if (m->model.settings.quantizer.warmup > 0) return comm_agree(m->comm, codebook_begin(&m->codebook, optimiser, 0));
    return begin_codebook(m, optimiser);
}

/* ---- a batch ---- */
static int draw(void *self, int64_t batch, int slot) {
    struct medtok_learner *m = self;
    struct medtok_slot *s = &m->slots[slot];
    const struct graph_options *graph = &m->model.settings.graph;
    s->drop = (struct view_drop){.rate = graph->edge_drop,
                                 .second_view = 1,
                                 .seed = m->model.settings.seed,
                                 .step = (uint32_t)batch,
                                 .node_rate = graph->node_drop};
    s->n_codes = sampler_draw(&m->sampler, batch, s->codes);
    sampler_position(&m->sampler, batch, &s->before, &s->total);
    return batch_flatten(&s->batch, &s->builder, &m->dataset, s->codes, s->n_codes, s->drop);
}

static int send(void *self, int slot) {
    struct medtok_learner *m = self;
    struct medtok_slot *s = &m->slots[slot];
    return batch_send(&s->batch, &s->builder, &m->dataset, s->drop);
}

/* The rows of each rank in each list, and of each part. */
static void tell(void *self, int slot, int64_t *numbers) {
    struct medtok_learner *m = self;
    struct medtok_slot *s = &m->slots[slot];
    const int64_t own[N_LISTS] = {s->batch.n_text, s->batch.n_graph, s->batch.n_both};
    for (int l = 0; l < N_LISTS; l++) numbers[l * m->comm->size + m->comm->rank] = own[l];
    batch_parts_count(&s->parts, &s->batch, s->before, s->total, numbers + N_LISTS * m->comm->size);
}

static void share(void *self, int slot, const int64_t *sums) {
    struct medtok_learner *m = self;
    struct medtok_slot *s = &m->slots[slot];
    for (int l = 0; l < N_LISTS; l++) row_shares_set(&s->rows[l], m->comm->size, sums + l * m->comm->size);
    batch_parts_set(&s->parts, sums + N_LISTS * m->comm->size);
}

static int fetch(void *self, struct row_exchange *exchange, struct tape *tape, int slot) {
    struct medtok_learner *m = self;
    struct medtok_slot *s = &m->slots[slot];
    batch_arrives(&s->builder);
    return batch_nodes(&s->batch, m->model.nodes, exchange, tape, &m->nodes);
}

/* Adds the squared lengths of the vectors that each group quantises. */
static void sum_lengths(const struct medtok_learner *m, const struct tape *tape, struct loss_sums *sums) {
    for (int g = 0; g < N_GROUPS; g++) {
        const struct var *z = m->output.groups[g].z;
        sums->vectors[g] += group_is_of_graph((enum token_group)g) ? m->slot->batch.n_graph : m->slot->batch.n_text;
        if (!tape->failed)
            m->device->run->dot(m->device, z->rows * z->cols, 1, z->value, z->value, dev_real_at(sums->lengths, g));
    }
}

static void loss(void *self, struct tape *tape, int slot, struct loss_sums *sums) {
    struct medtok_learner *m = self;
    const struct model_settings *settings = &m->model.settings;
    struct medtok_slot *s = &m->slots[slot];
    int ema = settings->quantizer.update == UPDATE_EMA;
    int fixed = continuation_fixes_codebook(&m->continuation);
    struct losses losses = {.tape = tape,
                            .comm = m->comm,
                            .lists = &m->lists,
                            .temperature = settings->loss.temperature,
                            .terms = sums->terms};
    struct model_training training = {.losses = &losses,
                                      .text = &s->rows[LIST_TEXT],
                                      .graph = &s->rows[LIST_GRAPH],
                                      .both = &s->rows[LIST_BOTH],
                                      .text_parts = batch_parts_of(&s->parts, LIST_TEXT),
                                      .graph_parts = batch_parts_of(&s->parts, LIST_GRAPH),
                                      .both_parts = batch_parts_of(&s->parts, LIST_BOTH),
                                      .step = (uint32_t)sums->batch,
                                      .codebook_fixed = fixed,
                                      .context = sums->context};
    if (!ema && !fixed) training.codebook_ready = sums->early_ready;
    m->warming = training.warming = sums->batch / m->options.train->micro_batches < settings->quantizer.warmup;
    m->slot = s;
    m->output = model_forward(&m->model, tape, &s->batch, m->nodes, &training);
    sum_lengths(m, tape, sums);
    if (ema && !tape->failed) codebook_sum_picks(&m->codebook, m->warming || fixed ? NULL : &m->output, sums->first);
    if ((ema || fixed) && !tape->failed && sums->early_ready) sums->early_ready(sums->context);
    sums->samples = s->n_codes;
    sums->status = losses.status;
}

/* ---- what the step counts, and the update ---- */
static void count(void *self, int first) {
    struct medtok_learner *m = self;
    int64_t top_k = m->model.settings.quantizer.top_k;
    if (first) usage_clear(&m->usage);
    for (int g = 0; g < N_GROUPS && !m->warming; g++) {
        int64_t n = m->output.groups[g].value->rows * top_k;
        device_download_ints(m->device, m->tokens, m->output.groups[g].tokens, n);
        usage_add(&m->usage, (enum token_group)g, m->tokens, n);
    }
}

static void set_rate(void *self, double rate) {
    struct medtok_learner *m = self;
    if (m->continuation.parameters) continuation_set_rate(&m->continuation, rate);
}

static void move(void *self) {
    struct medtok_learner *m = self;
    if (m->continuation.parameters) continuation_hold(&m->continuation);
    if (continuation_fixes_codebook(&m->continuation)) return;
    codebook_update(&m->codebook); /* while warming, too: without picks it moves no row */
}

/* Rows that are picked by nobody are revived: all ranks know which were picked, and by whom does not matter. */
static int revive(struct medtok_learner *m, struct optimiser *optimiser, int64_t step) {
    const struct quantizer_options *o = &m->model.settings.quantizer;
    const struct medtok_slot *s = m->slot;
    m->n_revived = 0;
    if (o->revive_after == 0 || step <= o->warmup || continuation_fixes_codebook(&m->continuation)) return STATUS_OK;
    usage_mark(&m->usage, m->picked);
    TRY(comm_or_uint64(m->comm, m->picked, usage_words(&m->usage)));
    TRY(codebook_revive(&m->codebook, optimiser, m->picked, &m->output, &s->rows[LIST_TEXT], &s->rows[LIST_GRAPH], step,
                        &m->n_revived));
    m->revived_logged += m->n_revived;
    return STATUS_OK;
}

/* The counts go over the ranks when a line of the log is due: it tells those of all steps since the last one, the step's metrics
 * those of the step. */
static int report_usage(struct medtok_learner *m, int64_t step, struct measures *measures) {
    static const char *const NAMES[N_USAGE_REGIONS][2] = {
        {"usage_text", "perplexity_text"}, {"usage_graph", "perplexity_graph"}, {"usage_shared", "perplexity_shared"}};
    const struct train_options *o = m->options.train;
    enum { ROUGH = 6 }; /* digits */
    usage_merge(&m->usage_logged, &m->usage);
    if (step % o->log_every != 0 && step != o->steps) return STATUS_OK;
    TRY(usage_sum(&m->usage, &m->usage_logged, m->summed, m->comm));
    for (int r = 0; r < N_USAGE_REGIONS; r++) {
        struct usage_measure u = usage_measure(&m->usage, r);
        m->logged[r] = usage_measure(&m->usage_logged, r);
        measures_add(measures, NAMES[r][0], m->warming ? NAN : u.share, ROUGH);
        measures_add(measures, NAMES[r][1], m->warming ? NAN : u.perplexity, ROUGH);
    }
    usage_clear(&m->usage_logged);
    return STATUS_OK;
}

static int after(void *self, struct optimiser *optimiser, int64_t step, struct step_report *report) {
    struct medtok_learner *m = self;
    enum { EXACT = 15 }; /* digits */
    if (step == m->model.settings.quantizer.warmup) TRY(begin_codebook(m, optimiser));
    TRY(revive(m, optimiser, step));
    measures_add(report->measures, "revived", (double)m->n_revived, EXACT);
    return report_usage(m, step, report->measures);
}

static void describe(void *self, char *text, size_t size) {
    struct medtok_learner *m = self;
    if (m->warming) {
        snprintf(text, size, "no tokens yet (quantizer.warmup)");
        return;
    }
    size_t used = (size_t)snprintf(text, size, "usage (perplexity)");
    for (int r = 0; r < N_USAGE_REGIONS && used < size; r++)
        used += (size_t)snprintf(text + used, size - used, "%s %s %.1f %% (%.0f)", r ? "," : "", USAGE_REGION_NAMES[r],
                                 100 * m->logged[r].share, m->logged[r].perplexity);
    if (m->model.settings.quantizer.revive_after && used < size)
        snprintf(text + used, size - used, ", %lld rows revived", (long long)m->revived_logged);
    m->revived_logged = 0;
}

/* ---- evaluation, divergence ---- */
static int evaluate(void *self, struct measures *measures) {
    struct medtok_learner *m = self;
    struct quality quality;
    TRY(evaluation_run(&m->evaluation, &quality));
    for (int i = 0; i < N_QUALITY_MEASURES; i++) {
        const struct estimate *e = &quality.measures[i];
        measures_add_estimate(measures, (struct measure){.name = quality_name((enum quality_measure)i),
                                                         .value = e->value,
                                                         .low = e->low,
                                                         .high = e->high,
                                                         .n = e->n,
                                                         .reason = quality_reason((enum quality_measure)i)});
    }
    measures->watched = QUALITY_NEIGHBOUR_RECALL;
    quality_summarize(&quality, measures->summary, sizeof measures->summary);
    return STATUS_OK;
}

static int accuse(void *self, int64_t *severity, char *text, size_t size) {
    struct medtok_learner *m = self;
    return accuse_codes(m->device, &m->slot->batch, &m->output, m->options.vocabulary, severity, text, size);
}

/* ---- set-up ---- */
/* A code without sides costs nothing. */
static void warn_if_nothing_to_learn(const struct medtok_learner *m, const double *cost, int64_t n_codes) {
    enum sides sides = m->model.settings.sides;
    int64_t i = 0;
    while (i < n_codes && cost[i] == 0) i++;
    if (i < n_codes || m->comm->rank > 0) return;
    log_warn("no code of %s has a %s: nothing can be learned, and no code will get a token", m->options.vocabulary,
             sides == SIDES_TEXT    ? "description"
             : sides == SIDES_GRAPH ? "graph"
                                    : "description or a graph");
}

/* The text features, and the work of all codes. */
static int open_inputs(struct medtok_learner *m, double **cost, int64_t *n_codes) {
    const struct medtok_learner_options *o = &m->options;
    TRY(text_source_open(&m->text, o->text, o->features, o->model.seed, m->device));
    TRY(continuation_check(&o->continuation, m->text.dim));
    TRY(dataset_costs(o->vocabulary, o->model.sides, cost, n_codes));
    warn_if_nothing_to_learn(m, *cost, *n_codes);
    return STATUS_OK;
}

/* Which codes are this rank's. Collective; what fails behind the order is of this rank alone. */
static int choose_piece(struct medtok_learner *m) {
    const struct medtok_learner_options *o = &m->options;
    const enum partition partition = train_partition(o->train);
    double *cost = NULL;
    int64_t n_codes = 0, *graph_order = NULL;
    int status;
    TRY_DONE(comm_agree(m->comm, open_inputs(m, &cost, &n_codes)));
    if (partition == PARTITION_GRAPH) TRY_DONE(graph_order_make(m->comm, o->vocabulary, &graph_order, &n_codes));
    status = sampler_make(&m->sampler, m->comm, partition, graph_order, o->model.seed, o->train->holdout, "codes",
                          n_codes, o->train->batch, cost);
done:
    free(cost);
    free(graph_order);
    return status;
}

/* Under train.partition: graph each node lies with the rank whose codes have it most; on one rank there is nothing to order. Collective. */
static int order_nodes(struct medtok_learner *m) {
    int64_t *uses = NULL, n = m->dataset.vocabulary.n_nodes;
    if (train_partition(m->options.train) != PARTITION_GRAPH || m->comm->size == 1) return STATUS_OK;
    int status = comm_agree(m->comm, dataset_count_nodes(&m->dataset, &uses));
    if (status == STATUS_OK) status = row_order_make(&m->row_order, m->comm, n, uses);
    free(uses);
    m->dataset.node_position = m->row_order.position;
    return status;
}

/* Collective. */
static int read_piece(struct medtok_learner *m) {
    const struct medtok_learner_options *o = &m->options;
    int status = choose_piece(m); /* which makes the sampler */
    TRY(dataset_read(&m->dataset, m->comm, o->vocabulary, &m->text, o->model.sides, m->sampler.order,
                     m->sampler.n_local, status));
    status = dataset_keep_on_device(&m->dataset, m->device);
    return o->model.loss.sibling_negatives == SIBLINGS_LEAVE_OUT
               ? dataset_find_siblings(&m->dataset, m->comm, o->vocabulary, status)
               : status;
}

static int make_slot(struct medtok_learner *m, struct medtok_slot *s) {
    TRY(batch_builder_make(&s->builder, m->device, &m->dataset));
    TRY(batch_parts_make(&s->parts, m->options.model.loss.parts));
    for (int l = 0; l < N_LISTS; l++) TRY(row_shares_make(&s->rows[l], m->comm->size));
    return mem_alloc(&s->codes, m->sampler.end_stratum - m->sampler.first_stratum, sizeof *s->codes);
}

static int make_model(struct medtok_learner *m) {
    struct vocabulary sizes;
    TRY(vocabulary_read_sizes(m->options.vocabulary, &sizes));
    TRY(model_make(&m->model, &m->parameters, &m->options.model, m->text.dim, sizes.n_nodes));
    m->model.nodes->position = m->row_order.position;
    m->model.nodes->held = m->row_order.held;
    TRY(codebook_make(&m->codebook, &m->model, m->comm, m->device, &m->parameters));
    TRY(node_start_make(&m->node_start, &m->model, &m->parameters, m->options.features, m->options.vocabulary,
                        m->text.dim));
    TRY(node_start_check(&m->node_start));
    TRY(parameter_set_allocate(&m->parameters, m->device, m->comm->rank, m->comm->size, 1));
    TRY(parameter_set_initialize(&m->parameters, m->options.model.seed));
    return continuation_make(&m->continuation, &m->options.continuation, &m->model, &m->node_start, &m->parameters);
}

static int make_usage(struct usage *usage, const struct quantizer_options *options) {
    struct region regions[N_GROUPS];
    quantizer_regions(options, regions);
    return usage_make(usage, options->size, regions);
}

static int make(struct medtok_learner *m) {
    m->model.settings = m->options.model; /* what reading looks at */
    TRY(comm_agree(m->comm, read_piece(m)));
    TRY(order_nodes(m));
    TRY(make_model(m));
    const struct model_settings *o = &m->options.model;
    int64_t most_own = m->sampler.end_stratum - m->sampler.first_stratum;
    for (int i = 0; i < 2; i++) TRY(make_slot(m, &m->slots[i]));
    int near = o->loss.neighbours > 0;
    TRY(losses_make_lists(&m->lists, m->comm, m->device, most_own, m->sampler.n_strata, o->loss.parts, o->quantizer.dim,
                          near * (m->text.dim + o->quantizer.dim), near * 4 * o->quantizer.dim));
    TRY(mem_alloc(&m->tokens, most_own * o->quantizer.top_k, sizeof *m->tokens));
    TRY(mem_alloc(&m->summed, 4 * o->quantizer.size, sizeof *m->summed));
    TRY(mem_alloc(&m->picked, (o->quantizer.size + 63) / 64, sizeof *m->picked));
    TRY(make_usage(&m->usage, &m->options.model.quantizer));
    return make_usage(&m->usage_logged, &m->options.model.quantizer);
}

/* Under quantizer.update: ema the codebook has no gradient, and its picks are summed early instead. */
static struct early_sum early_sum(const struct medtok_learner *m) {
    const struct parameter *codebook = m->model.codebook;
    int64_t n = codebook->rows * codebook->cols;
    int ema = m->options.model.quantizer.update == UPDATE_EMA;
    return (struct early_sum){
        .values = ema ? m->codebook.picks : codebook->grad, .n = ema ? m->codebook.n_picks : n, .n_gradients = n};
}

int medtok_learner_make(struct medtok_learner *m, const struct medtok_learner_options *options, const struct comm *comm,
                        struct device *device) {
    struct evaluation_options evaluation = {options->train, options->inspect, options->vocabulary, &m->text,
                                            options->threads};
    *m = (struct medtok_learner){.options = *options, .comm = comm, .device = device};
    if (options->continuation.checkpoint[0]) m->options.model.quantizer.warmup = 0; /* its codebook is there */
    TRY(comm_agree(comm, make(m)));
    if (!sums_by_mpi()) TRY(row_lists_share(&m->lists));
    m->learner = (struct learner){.self = m,
                                  .parameters = &m->parameters,
                                  .settings = "train",
                                  .samples = "codes",
                                  .batch = m->sampler.n_strata,
                                  .evaluated = "held-out codes",
                                  .terms = LOSS_TERM_NAMES,
                                  .n_terms = N_TERMS,
                                  .lengths = LENGTHS,
                                  .n_lengths = N_GROUPS,
                                  .early = early_sum(m),
                                  .row_order = m->row_order.n ? &m->row_order : NULL,
                                  .begin = begin,
                                  .draw = draw,
                                  .send = send,
                                  .tell = tell,
                                  .share = share,
                                  .n_shared = N_LISTS * comm->size + batch_parts_shared(&m->slots[0].parts),
                                  .fetch = fetch,
                                  .loss = loss,
                                  .count = count,
                                  .set_rate = set_rate,
                                  .move = move,
                                  .after = after,
                                  .accuse = accuse,
                                  .describe = describe};
    if (options->train->eval_every == 0) return STATUS_OK;
    m->learner.evaluate = evaluate;
    return evaluation_make(&m->evaluation, &m->model, comm, device, &evaluation);
}

void medtok_learner_free(struct medtok_learner *m) {
    if (!m->device) return;
    continuation_free(&m->continuation);
    evaluation_free(&m->evaluation);
    for (int i = 0; i < 2; i++) {
        for (int l = 0; l < N_LISTS; l++) row_shares_free(&m->slots[i].rows[l]);
        batch_parts_free(&m->slots[i].parts);
        batch_builder_free(&m->slots[i].builder);
        free(m->slots[i].codes);
    }
    row_lists_free(&m->lists);
    free(m->tokens);
    free(m->summed);
    free(m->picked);
    codebook_free(&m->codebook);
    model_free(&m->model);
    parameter_set_free(&m->parameters);
    dataset_free(&m->dataset);
    row_order_free(&m->row_order);
    text_source_close(&m->text);
    sampler_free(&m->sampler);
    usage_free(&m->usage);
    usage_free(&m->usage_logged);
}
