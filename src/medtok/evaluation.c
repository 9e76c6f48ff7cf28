/* Choosing the codes, the model's forward pass over them, and the measures. */
#include "medtok/evaluation.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "dist/gather.h"
#include "store/vocabulary_pick.h"
#include "train/sampler.h"

enum { BLOCK = 256 }; /* codes computed at a time on a rank */

/* ---- which codes ---- */
/* codes [n], ascending; the caller frees. Of too many those with the smallest random numbers stay. */
static int choose_codes(const struct train_options *train, uint64_t seed, int64_t n_codes, int64_t **codes,
                        int64_t *n) {
    *n = 0;
    TRY(mem_alloc(codes, n_codes, sizeof **codes));
    for (int64_t i = 0; i < n_codes; i++)
        if (sampler_holds_out(seed, train->holdout, i)) (*codes)[(*n)++] = i;
    return rng_draw(seed, RNG_HOLDOUT, train->eval_codes, *codes, n);
}

/* ---- set-up ---- */
/* The dataset of codes[n], which it numbers from 0. */
static int read_codes(struct dataset *d, struct text_source *source, enum sides sides, const char *vocabulary,
                      const int64_t *codes, int64_t n) {
    const unsigned parts = VOCABULARY_NAMES | VOCABULARY_DESCRIPTIONS | VOCABULARY_GRAPHS;
    struct comm self = comm_self();
    *d = (struct dataset){.n_codes = n, .source = source, .sides = sides};
    TRY(mem_alloc(&d->codes, n, sizeof *d->codes));
    for (int64_t i = 0; i < n; i++) d->codes[i] = i;
    TRY(vocabulary_pick(&self, vocabulary, codes, n, parts, &d->vocabulary, STATUS_OK));
    return source->features_path
               ? text_features_read(&self, source->features_path, vocabulary, codes, n, &d->text, STATUS_OK)
               : text_source_read_ids(source, &self, vocabulary, codes, n, &d->ids);
}

static int prepare(struct evaluation *e, const struct evaluation_options *o) {
    struct vocabulary sizes;
    int64_t *codes = NULL, n;
    int status;
    TRY_DONE(vocabulary_read_sizes(o->vocabulary, &sizes));
    TRY_DONE(choose_codes(o->train, e->bootstrap.seed, sizes.n_codes_total, &codes, &n));
    if (n < 2) {
        status = status_set(STATUS_USAGE, "train.holdout %g holds out %lld of %lld codes: too few to evaluate",
                            o->train->holdout, (long long)n, (long long)sizes.n_codes_total);
        goto done;
    }
    TRY_DONE(read_codes(&e->dataset, o->text, e->model->settings.sides, o->vocabulary, codes, n));
    e->dataset.node_position = e->model->nodes->position;
    TRY_DONE(code_keys_make(&e->keys, n));
    code_keys_set(&e->keys, 0, &e->dataset.vocabulary);
    TRY_DONE(code_links_make(&e->links, n, vocabulary_graph_nodes(&sizes)));
    TRY_DONE(code_links_add(&e->links, &e->dataset.vocabulary));
    TRY_DONE(code_links_finish(&e->links));
    TRY_DONE(mem_alloc(&e->has_graph, n, 1));
    for (int64_t i = 0; i < n; i++) e->has_graph[i] = vocabulary_has_graph(&e->dataset.vocabulary, i) != 0;
    TRY_DONE(neighbour_queries(&e->links, e->bootstrap.seed, o->inspect->sample, &e->queries, &e->n_queries));
    TRY_DONE(batch_builder_make(&e->builder, e->device, &e->dataset));
    TRY_DONE(token_rows_make(&e->rows, n, &e->model->settings.quantizer));
done:
    free(codes);
    return status;
}

int evaluation_make(struct evaluation *e, const struct model *model, const struct comm *comm, struct device *device,
                    const struct evaluation_options *o) {
    *e = (struct evaluation){.model = model, .comm = comm, .device = device};
    e->bootstrap = (struct bootstrap){
        .comm = comm, .seed = model->settings.seed, .resamples = o->inspect->resamples, .threads = o->threads};
    inference_make(&e->inference, model, comm, device);
    return comm_agree(comm, prepare(e, o));
}

void evaluation_free(struct evaluation *e) {
    if (!e->model) return;
    inference_free(&e->inference);
    batch_builder_free(&e->builder);
    token_rows_free(&e->rows);
    code_links_free(&e->links);
    code_keys_free(&e->keys);
    dataset_free(&e->dataset);
    free(e->queries);
    free(e->has_graph);
    *e = (struct evaluation){0};
}

/* ---- forward ---- */
/* Collective. Codes first .. first+n-1; n may be 0. */
static int run_block(struct evaluation *e, int64_t first, int64_t n) {
    int64_t codes[BLOCK];
    for (int64_t i = 0; i < BLOCK; i++) codes[i] = first + i;
    TRY(inference_run(&e->inference, &e->dataset, &e->builder, codes, n, STATUS_OK));
    return n ? token_rows_set(&e->rows, &e->inference, first, 1) : STATUS_OK;
}

/* Each rank computes its blocks, and gets those of the others. */
static int run_blocks(struct evaluation *e) {
    const struct comm *comm = e->comm;
    int64_t n = e->rows.n, stride = (int64_t)BLOCK * comm->size;
    token_rows_clear(&e->rows, n);
    for (int64_t round = 0; round < n; round += stride) {
        int64_t first = round + (int64_t)BLOCK * comm->rank;
        int64_t count = first >= n ? 0 : first + BLOCK < n ? BLOCK : n - first;
        TRY(comm_agree(comm, run_block(e, first, count)));
    }
    TRY(comm_gather_blocks(comm, n, BLOCK, N_GROUPS * e->rows.top_k * (int64_t)sizeof *e->rows.tokens, e->rows.tokens));
    return comm_gather_blocks(comm, n, BLOCK, N_GROUPS * e->rows.dim * (int64_t)sizeof *e->rows.embedding,
                              e->rows.embedding);
}

/* ---- measures ---- */
static int read_embeddings(void *self, int64_t first, int64_t count, float *rows) {
    const struct evaluation *e = self;
    int64_t width = N_GROUPS * e->rows.dim;
    memcpy(rows, e->rows.embedding + first * width, (size_t)(count * width) * sizeof *rows);
    return STATUS_OK;
}

static int measure_neighbours(struct evaluation *e, struct quality *q) {
    struct vector_source source = {
        .n = e->rows.n, .width = N_GROUPS * e->rows.dim, .read = read_embeddings, .self = e, .used = e->has_graph};
    struct neighbour_question question = {e->n_queries, e->rows.n, e->queries, e->has_graph};
    struct neighbour_recall *recall = NULL;
    int status;
    TRY_DONE(comm_agree(e->comm, mem_alloc(&recall, e->n_queries, sizeof *recall)));
    TRY_DONE(neighbours_recall(e->comm, e->device, &source, &question, &e->links, recall));
    TRY_DONE(quality_measure_neighbours(q, &e->bootstrap, e->n_queries, recall));
done:
    free(recall);
    return status;
}

int evaluation_run(struct evaluation *e, struct quality *q) {
    const struct quantizer_options *o = &e->model->settings.quantizer;
    struct quality_tokens tokens = {
        .n = e->rows.n, .top_k = o->top_k, .codebook_size = o->size, .tokens = e->rows.tokens};
    quantizer_regions(o, tokens.regions);
    TRY(run_blocks(e));
    TRY(quality_measure_tokens(q, &e->bootstrap, &tokens, &e->keys));
    return measure_neighbours(e, q);
}
