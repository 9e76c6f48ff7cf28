/* One list inside the other. */
#include "ehr/grid.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "config/values.h"
#include "ehr/models.h"

static const char *const MODELS[] = {EHR_MODELS(OPTION_CHOICE_NAME)}, *const ARMS[] = {EHR_ARMS(OPTION_CHOICE_NAME)};
enum { N_MODELS = sizeof MODELS / sizeof *MODELS };

const char *ehr_model_name(enum ehr_model_number model) { return MODELS[model]; }
const char *ehr_arm_name(enum ehr_arm arm) { return ARMS[arm]; }

/* ---- settings by name ---- */
/* The options as a table of settings of their own: lists hold the names of settings and their values. */
enum { JOB_EVALUATE = 1 };
#define OPTION_OFFSET(in, member) offsetof(struct ehr_options, member)
static const struct key KEYS[] = {EHR_OPTIONS(OPTION_KEY, )};
static const struct schema SCHEMA = {KEYS, sizeof KEYS / sizeof *KEYS, NULL, 0, NULL, 0};

/* Sets `key`, neither a text nor a list, to the value that stands in `list`. */
static int set(struct ehr_options *o, const char *list, const char *key, const char *value) {
    char assignment[512];
    if (snprintf(assignment, sizeof assignment, "%s=%s", key, value) >= (int)sizeof assignment)
        return status_set(STATUS_USAGE, "%s: %.60s... is too long", list, value);
    int status = values_set(&SCHEMA, o, assignment);
    return status == STATUS_OK ? STATUS_OK : status_prefix(status, "%s", list);
}

static const char *behind_section(const struct key *key) { return strchr(key->name, '.') + 1; }

/* What a model may have of its own: what shapes a training, but for what the grid itself goes through. */
static int may_be_own(const struct key *key) {
    static const char *const OF_GRID[] = {"ehr.model", "ehr.embedding", "ehr.train_samples", "ehr.shots"};
    for (size_t i = 0; i < sizeof OF_GRID / sizeof *OF_GRID; i++)
        if (strcmp(key->name, OF_GRID[i]) == 0) return 0;
    return key->shapes_output && key->type != KEY_TEXT && key->type != KEY_PATH && key->type != KEY_LIST;
}

static int not_of_a_model(const char *setting) {
    char text[1024];
    size_t used = 0;
    for (int i = 0; i < SCHEMA.n && used < sizeof text; i++)
        if (may_be_own(&KEYS[i]))
            used +=
                (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? ", " : "", behind_section(&KEYS[i]));
    return status_set(STATUS_USAGE, "ehr.grid.settings: %s: expected MODEL.KEY=VALUE with one of the keys %s", setting,
                      text);
}

/* A setting of the form MODEL.KEY=VALUE; *model: whose. */
static int take_setting(struct ehr_options *o, const char *setting, enum ehr_model_number *model) {
    const char *dot = strchr(setting, '.'), *equals = strchr(setting, '=');
    struct ehr_options named = {0};
    char name[64], key[80];
    if (!dot || !equals || dot > equals || dot - setting >= (ptrdiff_t)sizeof name ||
        equals - dot >= (ptrdiff_t)sizeof name)
        return not_of_a_model(setting);
    snprintf(name, sizeof name, "%.*s", (int)(dot - setting), setting);
    TRY(set(&named, "ehr.grid.settings", "ehr.model", name));
    snprintf(key, sizeof key, "ehr.%.*s", (int)(equals - dot - 1), dot + 1);
    const struct key *found = schema_find(&SCHEMA, key);
    if (!found || !may_be_own(found)) return not_of_a_model(setting);
    *model = named.model;
    return set(o, "ehr.grid.settings", key, equals + 1);
}

/* Of options whose model is set: what the model has of its own. */
static int take_settings(struct ehr_options *o) {
    for (int i = 0; i < o->grid_settings.n; i++) {
        struct ehr_options with = *o;
        enum ehr_model_number model = o->model;
        TRY(take_setting(&with, o->grid_settings.items[i], &model));
        if (model == o->model) *o = with;
    }
    return STATUS_OK;
}

/* ---- one training ---- */
/* Samples in a batch, as far as settings tell. */
static double batch_of(const struct ehr_options *o) {
    double n = (double)o->batch;
    if (o->train_samples) n = fmin(n, (double)o->train_samples);
    return o->shots ? fmin(n, 2 * (double)o->shots) : n;
}

/* The products of a transformer of these sizes, which other models are near enough to; o: with sizes. */
static double cost_of(const struct ehr_options *o) {
    double layer = (double)o->dim * (4 * (double)o->dim + 2 * (double)o->inner);
    return ((double)o->steps * batch_of(o) + (double)o->pretrain_steps * (double)o->batch) *
           (1 + (double)o->layers * layer);
}

/* Appends a part and a point. */
static int add_part(char name[TRIAL_NAME], const char *part) {
    size_t used = strlen(name);
    if (used + strlen(part) + 2 > TRIAL_NAME)
        return status_set(STATUS_USAGE,
                          "a training of task, model, arm and size would be called %s%s..., too long for a file", name,
                          part);
    for (int i = 0; part[i]; i++)
        name[used++] = (char)(isalnum((unsigned char)part[i]) || strchr("_-", part[i]) ? part[i] : '-');
    name[used++] = '.';
    name[used] = 0;
    return STATUS_OK;
}

/* rate: as ehr.grid.rates has it; NULL: the training is no candidate. */
static int name_trial(struct grid_trial *t, int is_listed, const char *rate) {
    const struct ehr_options *o = &t->options;
    char size[32] = "all", seed[32], of_rate[64];
    if (o->train_samples) snprintf(size, sizeof size, "n%lld", (long long)o->train_samples);
    if (o->shots) snprintf(size, sizeof size, "k%lld", (long long)o->shots);
    snprintf(seed, sizeof seed, "seed-%llu", (unsigned long long)t->seed);
    snprintf(of_rate, sizeof of_rate, "rate-%s", rate ? rate : "");
    if (is_listed) {
        if (o->task[0]) TRY(add_part(t->name, o->task));
        TRY(add_part(t->name, MODELS[o->model]));
        TRY(add_part(t->name, ARMS[o->arm]));
        TRY(add_part(t->name, size));
        if (rate) TRY(add_part(t->name, of_rate));
    }
    TRY(add_part(t->name, seed));
    t->name[strlen(t->name) - 1] = 0;
    return STATUS_OK;
}

/* ---- the grid ---- */
int grid_is_listed(const struct ehr_options *o) {
    return o->grid_models.n + o->grid_arms.n + o->grid_tasks.n + o->grid_samples.n + o->grid_shots.n + o->grid_rates.n >
           0;
}

static int at_least_one(int n) { return n ? n : 1; }

int64_t grid_cells(const struct ehr_options *o) {
    return (int64_t)at_least_one(o->grid_tasks.n) * at_least_one(o->grid_models.n) *
           at_least_one(o->grid_shots.n + o->grid_samples.n);
}

/* Trainings of a cell and a seed: of the first arm one of each rate, of the other arms one. */
static int n_variants(const struct ehr_options *o) {
    return at_least_one(o->grid_rates.n) + at_least_one(o->grid_arms.n) - 1;
}

static int take_size(const struct ehr_options *o, int64_t size, struct ehr_options *out) {
    if (o->grid_shots.n + o->grid_samples.n) out->shots = out->train_samples = 0;
    if (size < o->grid_shots.n) return set(out, "ehr.grid.shots", "ehr.shots", o->grid_shots.items[size]);
    if (!o->grid_samples.n) return STATUS_OK;
    const char *samples = o->grid_samples.items[size - o->grid_shots.n];
    return set(out, "ehr.grid.samples", "ehr.train_samples", strcmp(samples, "all") == 0 ? "0" : samples);
}

static int make_trial(const struct ehr_options *o, uint64_t seed, int64_t i, struct grid_trial *t) {
    const int n_sizes = at_least_one(o->grid_shots.n + o->grid_samples.n), n_models = at_least_one(o->grid_models.n),
              n_rates = at_least_one(o->grid_rates.n);
    struct ehr_options sized, *out = &t->options;
    int64_t variant = i / o->seeds % n_variants(o), cell = i / o->seeds / n_variants(o);
    int64_t size = cell % n_sizes, model = cell / n_sizes % n_models, task = cell / n_sizes / n_models;
    int64_t arm = variant < n_rates ? 0 : variant - n_rates + 1;
    *t = (struct grid_trial){.options = *o, .seed = seed + (uint64_t)(i % o->seeds), .cell = cell, .rate = -1};
    if (o->grid_rates.n && arm == 0) t->rate = (int32_t)variant;
    const char *rate = t->rate < 0 ? NULL : o->grid_rates.items[t->rate];
    if (o->grid_tasks.n) out->task = o->grid_tasks.items[task];
    if (o->grid_models.n) TRY(set(out, "ehr.grid.models", "ehr.model", o->grid_models.items[model]));
    if (o->grid_arms.n) TRY(set(out, "ehr.grid.arms", "ehr.embedding", o->grid_arms.items[arm]));
    TRY(take_size(o, size, out));
    TRY(take_settings(out));
    if (o->grid_rates.n) TRY(set(out, "ehr.grid.rates", "ehr.rate", rate ? rate : o->grid_rates.items[0]));
    TRY(name_trial(t, grid_is_listed(o), rate));
    TRY(ehr_options_sized(out, &sized));
    t->cost = cost_of(&sized);
    return STATUS_OK;
}

static int by_name(const void *a, const void *b) {
    const struct grid_trial *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* Files are called by what trainings are: no two may be the same. */
static int check_names(const struct grid *g) {
    const struct grid_trial **sorted;
    int status = STATUS_OK;
    TRY(mem_alloc(&sorted, g->n, sizeof *sorted));
    for (int64_t i = 0; i < g->n; i++) sorted[i] = &g->trials[i];
    if (g->n) qsort(sorted, (size_t)g->n, sizeof *sorted, by_name);
    for (int64_t i = 1; i < g->n && status == STATUS_OK; i++)
        if (by_name(&sorted[i - 1], &sorted[i]) == 0)
            status = status_set(STATUS_USAGE,
                                "ehr.grid lists the training %s twice, or two of which the files would be called so: "
                                "name each model, arm, task, number and rate once",
                                sorted[i]->name);
    free(sorted);
    return status;
}

static int by_cost(const void *a, const void *b) {
    const struct grid_trial *const *x = a, *const *y = b;
    if ((*x)->cost != (*y)->cost) return (*x)->cost > (*y)->cost ? -1 : 1;
    return (*x > *y) - (*x < *y);
}

/* The longest first, of equal ones as they stand, so that seeds which read the same rows stay together. */
static int order(struct grid *g) {
    const struct grid_trial **sorted;
    TRY(mem_alloc(&g->by_cost, g->n, sizeof *g->by_cost));
    TRY(mem_alloc(&sorted, g->n, sizeof *sorted));
    for (int64_t i = 0; i < g->n; i++) sorted[i] = &g->trials[i];
    if (g->n) qsort(sorted, (size_t)g->n, sizeof *sorted, by_cost);
    for (int64_t i = 0; i < g->n; i++) g->by_cost[i] = sorted[i] - g->trials;
    free(sorted);
    return STATUS_OK;
}

/* What ehr.grid.rates can choose: a rate of models that learn labels, by base, and which nothing else names. */
static int check_rates(const struct ehr_options *o, const struct grid *g) {
    if (o->grid_arms.n > 1 && strcmp(o->grid_arms.items[0], "base") != 0)
        return status_set(STATUS_USAGE, "ehr.grid.rates: rates are chosen by base: name it first in ehr.grid.arms");
    for (int i = 0; i < o->grid_settings.n; i++) {
        const char *setting = o->grid_settings.items[i], *dot = strchr(setting, '.');
        if (dot && strncmp(dot, ".rate=", 6) == 0)
            return status_set(STATUS_USAGE, "ehr.grid.settings has %s, and ehr.grid.rates is to choose it: name one",
                              setting);
    }
    for (int64_t i = 0; i < g->n; i++)
        if (ehr_model(g->trials[i].options.model)->score)
            return status_set(STATUS_USAGE,
                              "ehr.grid.rates: %s learns no labels, and ehr.rate is nothing to it: a grid "
                              "of its own",
                              MODELS[g->trials[i].options.model]);
    for (int64_t k = 0; k < o->grid_rates.n; k++) /* the candidates of the first cell and seed */
        for (int64_t j = 0; j < k; j++)
            if (g->trials[k * o->seeds].options.rate == g->trials[j * o->seeds].options.rate)
                return status_set(STATUS_USAGE, "ehr.grid.rates: %s and %s are the same rate", o->grid_rates.items[j],
                                  o->grid_rates.items[k]);
    return STATUS_OK;
}

int grid_make(struct grid *g, const struct ehr_options *o, uint64_t seed) {
    enum { MOST_TRIALS = 20000 };
    const int lists[] = {at_least_one(o->grid_tasks.n), at_least_one(o->grid_models.n),
                         at_least_one(o->grid_shots.n + o->grid_samples.n), n_variants(o)};
    *g = (struct grid){.n = o->seeds};
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
        g->n *= lists[k];
        if (g->n > MOST_TRIALS) return status_set(STATUS_USAGE, "ehr.grid lists more than %d trainings", MOST_TRIALS);
    }
    TRY(mem_alloc(&g->trials, g->n, sizeof *g->trials));
    for (int64_t i = 0; i < g->n; i++) TRY(make_trial(o, seed, i, &g->trials[i]));
    if (o->grid_rates.n) TRY(check_rates(o, g));
    TRY(check_names(g));
    return order(g);
}

/* ---- parts of a grid ---- */
static int order_anew(struct grid *g, int64_t n) {
    g->n = n;
    free(g->by_cost);
    g->by_cost = NULL;
    return order(g);
}

int grid_keep_candidates(struct grid *g) {
    int64_t n = 0;
    for (int64_t i = 0; i < g->n; i++) {
        struct grid_trial t = g->trials[i];
        if (t.rate < 0) continue;
        t.for_choice = 1;
        t.options.score = SCORED_TUNING;
        t.options.weights = WEIGHTS_KEEP;
        g->trials[n++] = t;
    }
    return order_anew(g, n);
}

int grid_keep_chosen(struct grid *g, const int32_t *chosen) {
    int64_t n = 0;
    double rate = 0; /* of the cell: its candidates stand before the other arms */
    for (int64_t i = 0; i < g->n; i++) {
        struct grid_trial t = g->trials[i];
        if (t.rate >= 0 && t.rate != chosen[t.cell]) continue;
        if (t.rate >= 0)
            rate = t.options.rate;
        else
            t.options.rate = rate;
        g->trials[n++] = t;
    }
    return order_anew(g, n);
}

void grid_free(struct grid *g) {
    free(g->trials);
    free(g->by_cost);
    *g = (struct grid){0};
}

int grid_group_size(const struct grid *g, int64_t n, int ranks) {
    double most = ranks;
    if (n == 0 || g->n == 0) return 1;
    if (g->trials[0].options.grid_ranks)
        most = fmin(most, (double)g->trials[0].options.grid_ranks);
    else
        most = n >= ranks ? 1 : floor(most / (double)n);
    for (int64_t i = 0; i < g->n; i++) most = fmin(most, batch_of(&g->trials[i].options));
    return (int)fmax(most, 1);
}

int grid_same_data(const struct grid_trial *x, const struct grid_trial *y) {
    const struct ehr_options *a = &x->options, *b = &y->options;
    int draws = a->shots || a->train_samples; /* by the seed */
    return strcmp(a->task, b->task) == 0 && a->model == b->model && a->arm == b->arm && a->shots == b->shots &&
           a->train_samples == b->train_samples && (!draws || x->seed == y->seed) && a->visits == b->visits &&
           a->min_count == b->min_count && a->max_length == b->max_length && a->age == b->age && a->batch == b->batch &&
           (a->pretrain_steps > 0) == (b->pretrain_steps > 0);
}
