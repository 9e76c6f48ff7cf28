/* Choosing the codes, the model's forward pass over them, and the measures. */
#include "medtok/evaluation.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "dist/gather.h"
#include "store/vocabulary_pick.h"

enum { BLOCK = 256 }; /* codes computed at a time on a rank */

/* ---- which codes ---- */
/* codes [n], ascending; the caller frees. Of too many those with the smallest random numbers stay. */
static int choose_codes(const struct config *c, int64_t n_codes, int64_t **codes, int64_t *n) {
    uint64_t seed = (uint64_t)c->run.seed;
    *n = 0;
    TRY(mem_alloc(codes, n_codes, sizeof **codes));
    for (int64_t i = 0; i < n_codes; i++)
        if (sampler_holds_out(seed, c->train.holdout, i)) (*codes)[(*n)++] = i;
    return rng_draw(seed, RNG_HOLDOUT, c->train.eval_codes, *codes, n);
}

/* ---- set-up ---- */
/* The dataset of codes[n], which it numbers from 0. */
static int read_codes(struct dataset *d, struct text_source *source, const char *vocabulary, const int64_t *codes,
                      int64_t n) {
    *d = (struct dataset){.n_codes = n, .source = source, .sides = source->sides};
    TRY(mem_alloc(&d->codes, n, sizeof *d->codes));
    TRY(mem_alloc(&d->place, n, sizeof *d->place));
    for (int64_t i = 0; i < n; i++) d->codes[i] = d->place[i] = i;
    TRY(vocabulary_pick(vocabulary, codes, n, &d->vocabulary));
    return source->features_path
               ? text_features_read(source->features_path, vocabulary, codes, n, &d->text)
               : text_source_read_ids(source, vocabulary, codes, n, codes[0], codes[n - 1] - codes[0] + 1, &d->ids);
}

static int prepare(struct evaluation *e) {
    struct trainer *t = e->trainer;
    const struct config *c = t->config;
    struct vocabulary sizes;
    int64_t *codes = NULL, n;
    int status;
    TRY_DONE(vocabulary_read_sizes(c->files.vocabulary, &sizes));
    TRY_DONE(choose_codes(c, sizes.n_codes_total, &codes, &n));
    if (n < 2) {
        status = status_set(STATUS_USAGE, "train.holdout %g holds out %lld of %lld codes: too few to evaluate",
                            c->train.holdout, (long long)n, (long long)sizes.n_codes_total);
        goto done;
    }
    TRY_DONE(read_codes(&e->dataset, &t->text, c->files.vocabulary, codes, n));
    TRY_DONE(code_keys_make(&e->keys, n));
    code_keys_set(&e->keys, 0, &e->dataset.vocabulary);
    TRY_DONE(code_links_make(&e->links, n, sizes.n_nodes));
    TRY_DONE(code_links_add(&e->links, &e->dataset.vocabulary));
    TRY_DONE(code_links_finish(&e->links));
    TRY_DONE(neighbour_queries(&e->links, e->bootstrap.seed, c->inspect.sample, &e->queries, &e->n_queries));
    TRY_DONE(batch_builder_make(&e->builder, t->device, &e->dataset));
    TRY_DONE(token_rows_make(&e->rows, n, c));
done:
    free(codes);
    return status;
}

int evaluation_make(struct evaluation *e, struct trainer *t, int threads) {
    const struct config *c = t->config;
    *e = (struct evaluation){0};
    if (c->train.eval_every == 0) return STATUS_OK;
    e->trainer = t;
    e->bootstrap = (struct bootstrap){
        .comm = t->comm, .seed = (uint64_t)c->run.seed, .resamples = c->inspect.resamples, .threads = threads};
    tape_init(&e->tape, t->device);
    return comm_agree(t->comm, prepare(e));
}

void evaluation_free(struct evaluation *e) {
    if (!e->trainer) return;
    row_plan_free(&e->plan, e->trainer->device);
    tape_free(&e->tape);
    batch_builder_free(&e->builder);
    token_rows_free(&e->rows);
    code_links_free(&e->links);
    code_keys_free(&e->keys);
    dataset_free(&e->dataset);
    free(e->queries);
    *e = (struct evaluation){0};
}

int evaluation_due(const struct evaluation *e) {
    const struct trainer *t = e->trainer;
    return t && (t->step % t->config->train.eval_every == 0 || t->step == t->config->train.steps);
}

/* ---- forward ---- */
static int place_tokens(struct evaluation *e, const struct model_output *out, const struct batch *batch,
                        int64_t first) {
    for (int g = 0; g < N_GROUPS; g++) {
        int graph_side = g == GRAPH_SPECIFIC || g == SHARED_GRAPH;
        TRY(token_rows_place(&e->rows, e->trainer->config, e->trainer->device, g, &out->groups[g],
                             graph_side ? batch->graph_position : batch->text_position, first));
    }
    return STATUS_OK;
}

/* Collective, since ranks fetch node vectors from each other. Codes first .. first+n-1; n may be 0. */
static int run_block(struct evaluation *e, int64_t first, int64_t n) {
    struct trainer *t = e->trainer;
    struct parameters parameters = parameters_to_use(&t->parameters);
    const struct parameter *table = &parameters.list[parameters.nodes];
    struct model model = {t->config, &parameters};
    struct batch batch;
    int64_t codes[BLOCK];
    for (int64_t i = 0; i < n; i++) codes[i] = first + i;
    TRY(comm_agree(t->comm, batch_build(&batch, &e->builder, &e->dataset, codes, n, (struct edge_drop){0})));
    batch_arrives(&e->builder);
    TRY(status_alone(row_plan_make(&e->plan, t->comm, t->device, table->rows, table->cols, batch.distinct_nodes,
                                   (int)batch.n_distinct)));
    tape_reset(&e->tape, 1);
    struct var *nodes = tape_constant(&e->tape, batch.n_distinct, table->cols);
    TRY(status_alone(row_plan_fetch(&e->plan, t->comm, t->device, table->cols, table->value, nodes->value)));
    if (n == 0) return STATUS_OK;
    struct model_output out = model_forward(&model, &e->tape, &batch, nodes, NULL);
    TRY(tape_status(&e->tape));
    return place_tokens(e, &out, &batch, first);
}

/* Each rank computes its blocks, and gets those of the others. */
static int run_blocks(struct evaluation *e) {
    const struct comm *comm = e->trainer->comm;
    const struct config *c = e->trainer->config;
    int64_t n = e->rows.n, stride = (int64_t)BLOCK * comm->size;
    token_rows_clear(&e->rows, c, n);
    for (int64_t round = 0; round < n; round += stride) {
        int64_t first = round + (int64_t)BLOCK * comm->rank;
        int64_t count = first >= n ? 0 : first + BLOCK < n ? BLOCK : n - first;
        TRY(comm_agree(comm, run_block(e, first, count)));
    }
    TRY(comm_gather_blocks(comm, n, BLOCK, N_GROUPS * c->quantizer.top_k * (int64_t)sizeof *e->rows.tokens,
                           e->rows.tokens));
    return comm_gather_blocks(comm, n, BLOCK, N_GROUPS * c->quantizer.dim * (int64_t)sizeof *e->rows.embedding,
                              e->rows.embedding);
}

/* ---- measures ---- */
static int search_neighbours(struct evaluation *e, struct neighbour_search *s, double *recall, double *chance) {
    int64_t width = N_GROUPS * e->trainer->config->quantizer.dim, codes[NEIGHBOUR_BLOCK];
    float *rows = NULL;
    int status =
        mem_alloc(&rows, (e->n_queries > NEIGHBOUR_BLOCK ? e->n_queries : NEIGHBOUR_BLOCK) * width, sizeof *rows);
    for (int64_t i = 0; status == STATUS_OK && i < e->n_queries; i++)
        memcpy(rows + i * width, e->rows.embedding + e->queries[i] * width, (size_t)width * sizeof *rows);
    if (status == STATUS_OK)
        status = neighbour_search_make(s, e->trainer->comm, e->trainer->device, width, e->n_queries, e->queries, rows);
    for (int64_t at = 0; status == STATUS_OK && at < e->rows.n;) {
        int64_t n = 0;
        for (; at < e->rows.n && n < NEIGHBOUR_BLOCK; at++) {
            if (!vocabulary_has_graph(&e->dataset.vocabulary, at)) continue;
            memcpy(rows + n * width, e->rows.embedding + at * width, (size_t)width * sizeof *rows);
            codes[n++] = at;
        }
        status = neighbour_search_add(s, n, codes, rows);
    }
    free(rows);
    TRY(comm_agree(e->trainer->comm, status));
    return neighbour_search_recall(s, &e->links, recall, chance);
}

static int measure_neighbours(struct evaluation *e, struct quality *q) {
    struct neighbour_search search = {0};
    double *recall = NULL, *chance = NULL;
    int status = mem_alloc(&recall, e->n_queries, sizeof *recall);
    if (status == STATUS_OK) status = mem_alloc(&chance, e->n_queries, sizeof *chance);
    TRY_DONE(comm_agree(e->trainer->comm, status));
    TRY_DONE(search_neighbours(e, &search, recall, chance));
    TRY_DONE(quality_measure_neighbours(q, &e->bootstrap, e->n_queries, recall, chance));
done:
    neighbour_search_free(&search);
    free(recall);
    free(chance);
    return status;
}

int evaluation_run(struct evaluation *e, struct quality *q) {
    const struct config *c = e->trainer->config;
    struct quality_tokens tokens = {
        .n = e->rows.n, .top_k = c->quantizer.top_k, .codebook_size = c->quantizer.size, .tokens = e->rows.tokens};
    quantizer_regions(c, tokens.regions);
    TRY(run_blocks(e));
    TRY(quality_measure_tokens(q, &e->bootstrap, &tokens, &e->keys));
    return measure_neighbours(e, q);
}
