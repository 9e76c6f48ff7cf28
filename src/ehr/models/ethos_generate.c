/* Read ethos_generator_step first. */
#include "ehr/models/ethos_generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/status.h"
#include "dist/comm.h"

/* ---- set-up ---- */
int ethos_generator_make(struct ethos_generator *g, const struct ethos *m, struct device *device, int64_t n,
                         int keeps) {
    int64_t rows = n * m->max_length;
    *g = (struct ethos_generator){.ethos = m, .device = device, .n = n, .keeps = keeps};
    tape_init(&g->tape, device);
    pack_make(&g->pack, device);
    TRY(mem_alloc(&g->futures, n, sizeof *g->futures));
    TRY(mem_alloc(&g->caches, m->layers, sizeof *g->caches));
    TRY(mem_alloc(&g->step.offsets, n + 1, sizeof *g->step.offsets));
    TRY(mem_alloc(&g->step.future, n, sizeof *g->step.future));
    TRY(mem_alloc(&g->step.keys, n, sizeof *g->step.keys));
    TRY(mem_alloc(&g->step.unit, rows, sizeof *g->step.unit));
    TRY(mem_alloc(&g->step.position, rows, sizeof *g->step.position));
    TRY(mem_alloc(&g->step.window, m->max_length, sizeof *g->step.window));
    TRY(mem_alloc(&g->step.logits, n * ethos_n_outputs(&m->vocabulary), sizeof *g->step.logits));
    if (!keeps) return STATUS_OK;
    g->rows = device_alloc_reals(device, m->layers * rows * 2 * m->dim);
    if (!g->rows.at) return status_set(STATUS_FAILED, "%s", device->error);
    device->run->fill(device, m->layers * rows * 2 * m->dim, 0, g->rows);
    return STATUS_OK;
}

void ethos_generator_free(struct ethos_generator *g) {
    if (!g->device) return;
    for (int64_t i = 0; g->futures && i < g->n; i++) ethos_timeline_free(&g->futures[i].timeline);
    free(g->futures);
    free(g->caches);
    free(g->step.offsets);
    free(g->step.future);
    free(g->step.keys);
    free(g->step.unit);
    free(g->step.position);
    free(g->step.window);
    free(g->step.logits);
    free(g->packing.token);
    device_free_reals(g->device, g->rows);
    tape_free(&g->tape);
    pack_free(&g->pack);
    *g = (struct ethos_generator){0};
}

/* ---- the cache ---- */
static dev_real cache_of(const struct ethos_generator *g, int64_t layer, int64_t future) {
    return dev_real_at(g->rows, (layer * g->n + future) * g->ethos->max_length * 2 * g->ethos->dim);
}

/* Rows are added into the cache, so that those to come must be 0. */
static void clear_cache(struct ethos_generator *g, int64_t future) {
    struct ethos_future *f = &g->futures[future];
    for (int64_t l = 0; l < g->ethos->layers && f->n_used > 0; l++)
        g->device->run->fill(g->device, f->n_used * 2 * g->ethos->dim, 0, cache_of(g, l, future));
    f->n_kept = f->n_used = 0;
}

/* All futures begin with what the first one keeps of the history. */
static void share_cache(struct ethos_generator *g) {
    const struct ethos_future *from = &g->futures[0];
    int64_t n = from->n_kept * 2 * g->ethos->dim;
    for (int64_t i = 1; i < g->n; i++) {
        for (int64_t l = 0; l < g->ethos->layers; l++)
            g->device->run->copy_matrix(g->device, 1, n, (struct matrix){cache_of(g, l, 0), n},
                                        (struct matrix){cache_of(g, l, i), n}, 0);
        g->futures[i].n_kept = g->futures[i].n_used = from->n_kept;
    }
}

/* ---- windows ---- */
/* A window begins with an eighth of its room free. */
static int64_t first_unit(const struct ethos_generator *g, const struct ethos_timeline *t) {
    int64_t room = ethos_window_room(t, g->ethos->max_length), kept = room - (room + 7) / 8;
    return t->n > kept ? t->n - kept : 0;
}

/* The rows of future i's window that are not kept, at row `at` of the step; returns how many. */
static int64_t add_rows(struct ethos_generator *g, int64_t i, int64_t at) {
    const struct ethos *m = g->ethos;
    struct ethos_future *f = &g->futures[i];
    const struct ethos_timeline *t = &f->timeline;
    if (t->n - f->first > ethos_window_room(t, m->max_length)) {
        f->first = first_unit(g, t);
        clear_cache(g, i);
    }
    int64_t end = ethos_context_length(t, m->max_length) + t->n - f->first, n = end - f->n_kept;
    ethos_window(t, &m->vocabulary, m->max_length, f->first, t->n - f->first, g->step.window);
    for (int64_t r = f->n_kept; r < end; r++) {
        g->step.unit[at + r - f->n_kept] = g->step.window[r];
        g->step.position[at + r - f->n_kept] = (int32_t)r;
    }
    return n;
}

/* ---- the network ---- */
/* Where the new rows go in the cache, and how far each future's then reach. */
static int pack_cache(struct ethos_generator *g) {
    int32_t *first, *end, *added;
    int64_t n = g->step.n, rows = g->step.offsets[n], length = g->ethos->max_length;
    struct kv_cache cache = {.capacity = g->n * length, .spans = {.n = n, .n_rows = g->n * length}};
    for (int64_t l = 0; l < g->ethos->layers; l++) {
        cache.rows = cache_of(g, l, 0);
        g->caches[l] = cache;
    }
    struct kv_cache *shared = &g->caches[0];
    TRY(pack_ints(&g->pack, n, &first, &shared->spans.first));
    TRY(pack_ints(&g->pack, n, &end, &shared->spans.end));
    TRY(pack_ints(&g->pack, rows, &added, &shared->added));
    for (int64_t i = 0; i < n; i++) {
        int32_t begin = (int32_t)(g->step.future[i] * length);
        first[i] = begin;
        for (int64_t r = g->step.offsets[i]; r < g->step.offsets[i + 1]; r++) {
            added[r] = begin + g->step.position[r];
            end[i] = added[r] + 1;
        }
    }
    return STATUS_OK;
}

/* The logits of what comes next, for the futures of the step. */
static int compute(struct ethos_generator *g) {
    const struct ethos *m = g->ethos;
    int32_t *last;
    int64_t n = g->step.n;
    pack_begin(&g->pack);
    TRY(ethos_units_pack(&g->units, &g->packing, &g->pack, m, n, g->step.offsets, g->step.unit, g->step.position,
                         g->step.keys));
    TRY(pack_ints(&g->pack, n, &last, &g->last));
    for (int64_t i = 0; i < n; i++) last[i] = (int32_t)(g->step.offsets[i + 1] - 1);
    if (g->keeps) TRY(pack_cache(g));
    TRY(pack_send(&g->pack));
    for (int64_t l = 1; l < m->layers && g->keeps; l++) {
        g->caches[l].spans = g->caches[0].spans;
        g->caches[l].added = g->caches[0].added;
    }
    tape_reset(&g->tape, 1);
    struct var *h = ethos_hidden(m, &g->tape, &g->units, 0, g->keeps ? g->caches : NULL);
    struct var *logits = nn_linear(&g->tape, nn_gather(&g->tape, h, g->last, n), ethos_outputs(m, &g->tape), NULL);
    TRY(tape_status(&g->tape));
    device_download_reals(g->device, g->step.logits, logits->value, n * logits->cols);
    for (int64_t i = 0; i < n && g->keeps; i++) {
        struct ethos_future *f = &g->futures[g->step.future[i]];
        f->n_kept += g->step.offsets[i + 1] - g->step.offsets[i];
        f->n_used = f->n_kept;
    }
    return STATUS_OK;
}

/* ---- a unit ---- */
/* The first output up to which the probabilities, given what is known, add to more than u. */
static int64_t draw(const struct ethos_vocabulary *v, const struct ethos_progress *p, const real *logits, double u) {
    int64_t n = ethos_n_outputs(v), last = 0;
    double most = -INFINITY, sum = 0, before = 0;
    for (int64_t o = 0; o < n; o++)
        if (ethos_progress_share(p, ethos_unit_of(v, o)) > 0) most = fmax(most, (double)logits[last = o]);
    for (int64_t o = 0; o < n; o++) sum += ethos_progress_share(p, ethos_unit_of(v, o)) * exp((double)logits[o] - most);
    for (int64_t o = 0; o < n; o++) {
        before += ethos_progress_share(p, ethos_unit_of(v, o)) * exp((double)logits[o] - most);
        if (before > u * sum) return o;
    }
    return last;
}

/* Adds to future i the unit drawn from logits. */
static int extend(struct ethos_generator *g, const struct ethos_outcome *outcome, int64_t i, const real *logits,
                  double u) {
    const struct ethos_vocabulary *v = &g->ethos->vocabulary;
    struct ethos_future *f = &g->futures[i];
    int32_t unit = ethos_unit_of(v, draw(v, &f->progress, logits, u));
    ethos_progress_move(&f->progress, unit);
    TRY(ethos_timeline_add(&f->timeline, f->progress.time, unit));
    f->verdict = ethos_progress_step(&f->progress, outcome, v, &f->timeline);
    g->n_made++;
    return STATUS_OK;
}

int ethos_generator_step(struct ethos_generator *g, const struct ethos_outcome *outcome, int64_t number, int64_t unit) {
    enum { MOST_FUTURES = 1024 }; /* ehr.futures */
    int64_t outputs = ethos_n_outputs(&g->ethos->vocabulary);
    int is_shared = g->keeps && unit == 0; /* the futures differ from the second unit on */
    g->step.n = 0;
    for (int64_t i = 0; i < g->n; i++) {
        if (g->futures[i].verdict != ETHOS_OPEN || (is_shared && i > 0)) continue;
        int64_t k = g->step.n++;
        g->step.future[k] = g->step.keys[k] = (int32_t)i;
        g->step.offsets[k + 1] = g->step.offsets[k] + add_rows(g, i, g->step.offsets[k]);
    }
    TRY(compute(g));
    if (is_shared) share_cache(g);
    for (int64_t i = 0, k = 0; i < g->n; i++) {
        if (g->futures[i].verdict != ETHOS_OPEN) continue;
        const real *logits = g->step.logits + (is_shared ? 0 : k++) * outputs;
        TRY(extend(g, outcome, i, logits,
                   rng_uniform(g->ethos->seed, RNG_ETHOS_UNIT, (uint32_t)unit, (uint64_t)(number * MOST_FUTURES + i))));
    }
    return STATUS_OK;
}

/* ---- a sample ---- */
int ethos_generator_begin(struct ethos_generator *g, const struct ethos_outcome *outcome,
                          const struct sample_history *history) {
    for (int64_t i = 0; i < g->n; i++) {
        struct ethos_future *f = &g->futures[i];
        TRY(ethos_timeline_make(&f->timeline, &g->ethos->vocabulary, history, 0));
        clear_cache(g, i);
        f->progress = ethos_progress_begin(outcome, &f->timeline);
        f->verdict = ETHOS_OPEN;
        f->first = first_unit(g, &f->timeline);
    }
    return STATUS_OK;
}

static int64_t n_of(const struct ethos_generator *g, enum ethos_verdict verdict) {
    int64_t n = 0;
    for (int64_t i = 0; i < g->n; i++) n += g->futures[i].verdict == verdict;
    return n;
}

int ethos_generate(struct ethos_generator *g, const struct ethos_outcome *outcome, const struct sample_history *history,
                   int64_t number) {
    TRY(ethos_generator_begin(g, outcome, history));
    for (int64_t unit = 0; unit < ETHOS_MOST_UNITS && n_of(g, ETHOS_OPEN) > 0; unit++)
        TRY(ethos_generator_step(g, outcome, number, unit));
    return STATUS_OK;
}

int ethos_score(void *self, struct device *device, const struct sample_set *set, double *scores) {
    const struct ethos *m = self;
    struct ethos_generator g;
    struct progress progress;
    int64_t n_open = 0;
    double begun = clock_seconds();
    progress_begin(&progress, "ethos", set->n, "samples");
    int status = ethos_generator_make(&g, m, device, m->n_futures, 1);
    for (int64_t i = 0; i < set->n && status == STATUS_OK; i++) {
        struct sample_history history = sample_set_history(set, i);
        status = ethos_generate(&g, &m->outcome, &history, set->number[i]);
        scores[i] = (double)n_of(&g, ETHOS_HIT) / (double)g.n;
        n_open += n_of(&g, ETHOS_OPEN);
        progress_update(&progress, i + 1);
        if (status == STATUS_OK) status = interrupt_poll();
        comm_progress(); /* for those that train beside it */
    }
    log_info(
        "ethos: %lld futures of each of %lld samples of this rank by seed %llu: %lld units, %.0f a second; %lld "
        "futures were ended at %d units",
        (long long)m->n_futures, (long long)set->n, (unsigned long long)m->seed, (long long)g.n_made,
        (double)g.n_made / (clock_seconds() - begun), (long long)n_open, ETHOS_MOST_UNITS);
    ethos_generator_free(&g);
    return status;
}
