/* What training options do outside the gradient, each against a hand calculation or plain loops in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "medtok/codebook.h"
#include "medtok/kmeans.h"
#include "model_settings.h"
#include "train/schedule.h"

enum { SIZE = 12, DIM = 8, K = 2, N = 5, N_PRESENT = 3, TEXT_DIM = 6, N_NODES = 7 };

/* float32 values of size 1 through a handful of operations: a few times 2^-24. */
static const double TOLERANCE = 1e-6;

/* ---- a small world: parameters, and a batch of made-up tokens ---- */
struct world {
    struct config config;
    struct comm comm;
    struct device device;
    struct parameter_set parameters;
    struct model model;
    struct optimiser optimiser;
    struct codebook codebook;
    struct usage usage;
    struct row_shares all, present;
    int n_all, n_present, zero;
    struct model_output output;
    struct var u[N_GROUPS];
};

static int rows_of(int group) { return group == GRAPH_SPECIFIC || group == SHARED_GRAPH ? N_PRESENT : N; }

static void make_tokens(struct world *w) {
    for (int g = 0; g < N_GROUPS; g++) {
        int n = rows_of(g);
        struct region r = quantizer_region(&w->config.quantizer, (enum token_group)g);
        struct quantized *q = &w->output.groups[g];
        w->u[g] = (struct var){.rows = n, .cols = DIM, .value = device_alloc_reals(&w->device, n * DIM)};
        q->u = &w->u[g];
        q->tokens = device_alloc_ints(&w->device, n * K);
        q->weights = device_alloc_reals(&w->device, n * K);
        for (int i = 0; i < n; i++) {
            double square = 0;
            for (int j = 0; j < DIM; j++) {
                real x = (real)rng_normal(5, 1, (uint32_t)g, (uint64_t)(i * DIM + j));
                q->u->value.at[i * DIM + j] = x;
                square += (double)x * x;
            }
            for (int j = 0; j < DIM; j++) q->u->value.at[i * DIM + j] /= (real)sqrt(square);
            /* the last row of each region is never picked */
            for (int k = 0; k < K; k++) q->tokens.at[i * K + k] = (int32_t)(r.first + (i + k) % (r.last - r.first - 1));
            q->weights.at[i * K] = 0.75f;
            q->weights.at[i * K + 1] = 0.25f;
        }
        usage_add(&w->usage, (enum token_group)g, q->tokens.at, n * K);
    }
}

static struct world *make_world(const char *const *settings) {
    static const char *const SMALL[] = {
        "quantizer.size=12", "quantizer.dim=8",  "quantizer.top_k=2",  "attention.heads=2",
        "graph.hidden=5",    "graph.node_dim=4", "attention.layers=1", NULL};
    struct world *w;
    mem_alloc(&w, 1, sizeof *w);
    assert_int_equal(config_defaults(&w->config), STATUS_OK);
    for (int i = 0; SMALL[i]; i++) assert_int_equal(config_set(&w->config, SMALL[i]), STATUS_OK);
    for (int i = 0; settings[i]; i++) assert_int_equal(config_set(&w->config, settings[i]), STATUS_OK);
    w->comm = comm_self();
    w->n_all = N, w->n_present = N_PRESENT;
    w->all = (struct row_shares){&w->n_all, &w->zero, N};
    w->present = (struct row_shares){&w->n_present, &w->zero, N_PRESENT};
    assert_int_equal(device_open_cpu(&w->device, 1), 0);
    struct model_settings of_model = model_settings(&w->config);
    struct parameter_set *p = &w->parameters;
    struct region regions[N_GROUPS];
    assert_int_equal(model_make(&w->model, p, &of_model, TEXT_DIM, N_NODES), STATUS_OK);
    assert_int_equal(codebook_make(&w->codebook, &w->model, &w->comm, &w->device, p), STATUS_OK);
    assert_int_equal(parameter_set_allocate(p, &w->device, 0, 1, 1), STATUS_OK);
    assert_int_equal(parameter_set_initialize(p, 5), STATUS_OK);
    assert_int_equal(optimiser_make(&w->optimiser, p, &w->config.train), STATUS_OK);
    assert_int_equal(codebook_begin(&w->codebook), STATUS_OK);
    quantizer_regions(&w->config.quantizer, regions);
    assert_int_equal(usage_make(&w->usage, w->config.quantizer.size, regions), STATUS_OK);
    make_tokens(w);
    return w;
}

static void free_world(struct world *w) {
    for (int g = 0; g < N_GROUPS; g++) {
        device_free_reals(&w->device, w->u[g].value);
        device_free_ints(&w->device, w->output.groups[g].tokens);
        device_free_reals(&w->device, w->output.groups[g].weights);
    }
    usage_free(&w->usage);
    codebook_free(&w->codebook);
    optimiser_free(&w->optimiser);
    model_free(&w->model);
    parameter_set_free(&w->parameters);
    device_close(&w->device);
    config_free(&w->config);
    free(w);
}

static void close_to(double found, double wanted, const char *what, int64_t i) {
    if (!(fabs(found - wanted) <= TOLERANCE * (1 + fabs(wanted))))
        fail_msg("%s[%lld] is %.9g, not %.9g", what, (long long)i, found, wanted);
}

static double length(const real *x) {
    double square = 0;
    for (int j = 0; j < DIM; j++) square += (double)x[j] * x[j];
    return sqrt(square);
}

/* ---- schedule ---- */
static void schedule_warms_up_and_falls_along_a_cosine(void **state) {
    (void)state;
    struct config c;
    assert_int_equal(config_defaults(&c), STATUS_OK);
    c.train.rate = 2, c.train.steps = 50, c.train.warmup = 0, c.train.schedule = SCHEDULE_CONSTANT;
    for (int64_t step = 1; step <= 50; step++) assert_true(schedule_rate(&c.train, step) == 2);
    c.train.warmup = 10;
    close_to(schedule_rate(&c.train, 1), 0.2, "warm-up", 1);
    close_to(schedule_rate(&c.train, 10), 2, "warm-up", 10);
    assert_true(schedule_rate(&c.train, 50) == 2);
    c.train.schedule = SCHEDULE_COSINE, c.train.rate_end = 0.1;
    close_to(schedule_rate(&c.train, 5), 1, "warm-up", 5);
    close_to(schedule_rate(&c.train, 10), 2, "cosine", 10);
    close_to(schedule_rate(&c.train, 20), 2 * (0.1 + 0.9 * (1 + sqrt(0.5)) / 2), "cosine",
             20);                                                  /* a quarter: cos(pi/4) */
    close_to(schedule_rate(&c.train, 30), 2 * 0.55, "cosine", 30); /* half-way */
    close_to(schedule_rate(&c.train, 50), 0.2, "cosine", 50);
    config_free(&c);
}

/* ---- moving averages of the codebook ---- */
static void ema_moves_picked_rows_to_the_smoothed_mean_of_their_vectors(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {"quantizer.update=ema", "quantizer.ema_decay=0.8",
                                           "quantizer.ema_epsilon=0.01", NULL};
    struct world *w = make_world(SETTINGS);
    const struct parameter *c = w->model.codebook;
    double m[SIZE][DIM], count[SIZE], row[SIZE][DIM];
    for (int r = 0; r < SIZE; r++) {
        count[r] = 1;
        for (int j = 0; j < DIM; j++) {
            row[r][j] = c->value.at[r * DIM + j];
            m[r][j] = row[r][j] / length(c->value.at + r * DIM);
        }
    }
    for (int step = 0; step < 3; step++) {
        double picked[SIZE] = {0}, sum[SIZE][DIM] = {{0}}, total = 0;
        for (int g = 0; g < N_GROUPS; g++)
            for (int i = 0; i < rows_of(g) * K; i++) {
                const struct quantized *q = &w->output.groups[g];
                picked[q->tokens.at[i]] += q->weights.at[i];
                for (int j = 0; j < DIM; j++)
                    sum[q->tokens.at[i]][j] += (double)q->weights.at[i] * q->u->value.at[i / K * DIM + j];
            }
        for (int r = 0; r < SIZE; r++) {
            total += count[r] = 0.8 * count[r] + 0.2 * picked[r];
            for (int j = 0; j < DIM; j++) m[r][j] = 0.8 * m[r][j] + 0.2 * sum[r][j];
        }
        for (int r = 0; r < SIZE; r++)
            for (int j = 0; picked[r] > 0 && j < DIM; j++)
                row[r][j] = m[r][j] / (total * (count[r] + 0.01) / (total + 0.01 * SIZE));
        codebook_sum_picks(&w->codebook, &w->output, 1);
        codebook_update(&w->codebook);
        assert_true(picked[SIZE - 1] == 0 && picked[0] > 0);
        for (int r = 0; r < SIZE * DIM; r++) close_to(c->value.at[r], row[r / DIM][r % DIM], "row", r);
        w->output.groups[TEXT_SPECIFIC].tokens.at[0] = step; /* other picks in the next step */
    }
    free_world(w);
}

/* ---- k-means ---- */
enum { BLOBS = 12, POINTS = 600 };

/* Unit vectors around BLOBS axes of a space of 16 dimensions, at most a tenth away. */
static void make_blobs(real *points) {
    for (int i = 0; i < POINTS; i++) {
        double x[16], square = 0;
        for (int j = 0; j < 16; j++) {
            x[j] = (j == i % BLOBS) + 0.05 * (rng_uniform(2, 1, 0, (uint64_t)(i * 16 + j)) - 0.5);
            square += x[j] * x[j];
        }
        for (int j = 0; j < 16; j++) points[i * 16 + j] = (real)(x[j] / sqrt(square));
    }
}

static void kmeans_finds_separate_blobs(void **state) {
    (void)state;
    struct device device;
    struct comm comm = comm_self();
    struct kmeans_fit fit;
    static real points[POINTS * 16], centres[BLOBS * 16];
    int found[BLOBS] = {0};
    assert_int_equal(device_open_cpu(&device, 1), 0);
    make_blobs(points);
    assert_int_equal(kmeans(&comm, &device, 3, RNG_KMEANS, POINTS, 16, points, BLOBS, centres, &fit), STATUS_OK);
    for (int c = 0; c < BLOBS; c++)
        for (int axis = 0; axis < BLOBS; axis++) found[axis] += centres[c * 16 + axis] > 0.99;
    for (int axis = 0; axis < BLOBS; axis++)
        if (found[axis] != 1) fail_msg("%d centres lie in blob %d", found[axis], axis);
    /* 15 uniform deviations of variance 0.05^2 / 12 across the axis; the mean of 600 is within 10 % */
    assert_true(fabs(fit.final - 15 * 0.05 * 0.05 / 12) < 0.1 * 15 * 0.05 * 0.05 / 12);
    assert_true(fit.final < fit.seeded);
    device_close(&device);
}

static void kmeans_of_few_vectors_puts_the_other_centres_near_them(void **state) {
    (void)state;
    struct device device;
    struct comm comm = comm_self();
    struct kmeans_fit fit;
    enum { SAME = 40, DISTINCT = 4, CENTRES = 21 };
    static real points[SAME * 16], centres[CENTRES * 16];
    int exact = 0;
    assert_int_equal(device_open_cpu(&device, 1), 0);
    for (int i = 0; i < SAME; i++) points[i * 16 + i % DISTINCT] = 1;
    assert_int_equal(kmeans(&comm, &device, 3, RNG_KMEANS, SAME, 16, points, CENTRES, centres, &fit), STATUS_OK);
    for (int c = 0; c < CENTRES; c++) {
        double square = 0, most = 0;
        for (int j = 0; j < 16; j++) {
            square += (double)centres[c * 16 + j] * centres[c * 16 + j];
            if (j < DISTINCT && centres[c * 16 + j] > most) most = centres[c * 16 + j];
        }
        assert_true(fabs(square - 1) < 1e-5); /* rounding of 16 float32 values */
        assert_true(most > 0.97);             /* noise of length 0.1, give or take its spread */
        exact += most == 1;
    }
    assert_int_equal(exact, DISTINCT);
    device_close(&device);
}

/* ---- revival ---- */
static int near_a_vector(const struct world *w, const real *row, int group) {
    for (int i = 0; i < rows_of(group); i++) {
        double dot = 0;
        for (int j = 0; j < DIM; j++) dot += (double)row[j] * w->u[group].value.at[i * DIM + j];
        if (dot / length(row) > 0.999) return i + 1; /* noise of length 0.01: cos is 1 - 0.00005, give or take */
    }
    return 0;
}

static void check_revived(struct world *w, int ema) {
    const struct parameter *c = w->model.codebook;
    /* Shared tokens pick from all rows but the last, so that only the last row is idle; it is graph-specific. */
    enum { DEAD = SIZE - 1 };
    struct moments kept = optimiser_moments(&w->optimiser, c);
    int64_t n;
    real before[SIZE * DIM];
    for (int i = 0; i < SIZE * DIM; i++) kept.m.at[i] = kept.v.at[i] = 1;
    memset(w->usage.counts, 0, 2 * SIZE * sizeof *w->usage.counts);
    for (int r = 0; r < DEAD; r++) w->usage.counts[r % 2 * SIZE + r] = 1;
    memcpy(before, c->value.at, sizeof before);
    for (int step = 1; step <= 2; step++) {
        assert_int_equal(
            codebook_revive(&w->codebook, &w->optimiser, &w->usage, &w->output, &w->all, &w->present, step, &n),
            STATUS_OK);
        assert_int_equal(n, 0);
        assert_true(w->codebook.idle->value.at[DEAD] == step && w->codebook.idle->value.at[0] == 0);
    }
    assert_memory_equal(before, c->value.at, sizeof before);
    assert_int_equal(codebook_revive(&w->codebook, &w->optimiser, &w->usage, &w->output, &w->all, &w->present, 3, &n),
                     STATUS_OK);
    assert_int_equal(n, 1);
    assert_memory_equal(before, c->value.at, DEAD * DIM * sizeof(real));
    assert_true(near_a_vector(w, c->value.at + DEAD * DIM, GRAPH_SPECIFIC));
    close_to(length(c->value.at + DEAD * DIM), ema ? 1 : sqrt(DIM), "length", DEAD);
    assert_true(w->codebook.idle->value.at[DEAD] == 0);
    for (int j = 0; j < DIM; j++) {
        int i = DEAD * DIM + j;
        assert_true(kept.m.at[i] == 0 && kept.v.at[i] == 0 && kept.m.at[j] == 1);
        assert_true(kept.average.at[i] == c->value.at[i]);
        if (ema) assert_true(w->codebook.ema->value.at[DEAD * (DIM + 1) + j] == c->value.at[i]);
    }
    if (ema) assert_true(w->codebook.ema->value.at[DEAD * (DIM + 1) + DIM] == 1);
}

static void revival_moves_idle_rows_to_vectors_of_the_batch(void **state) {
    (void)state;
    static const char *const GRADIENT[] = {"quantizer.revive_after=3", "train.average=0.9", NULL};
    static const char *const EMA[] = {"quantizer.revive_after=3", "train.average=0.9", "quantizer.update=ema", NULL};
    struct world *w = make_world(GRADIENT);
    check_revived(w, 0);
    free_world(w);
    w = make_world(EMA);
    check_revived(w, 1);
    free_world(w);
}

static void revival_gives_each_row_a_vector_of_its_own_and_lets_the_rest_wait(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {"quantizer.revive_after=1", "quantizer.size=24", NULL};
    struct world *w = make_world(SETTINGS);
    const struct parameter *c = w->model.codebook;
    int64_t n;
    int taken[N + 1] = {0};
    usage_clear(&w->usage);
    /* All 8 + 8 + 8 rows are idle: text has 5 vectors, the shared groups 8, graph 3. */
    assert_int_equal(codebook_revive(&w->codebook, &w->optimiser, &w->usage, &w->output, &w->all, &w->present, 1, &n),
                     STATUS_OK);
    assert_int_equal(n, 5 + 8 + 3);
    for (int r = 0; r < 5; r++) taken[near_a_vector(w, c->value.at + r * DIM, TEXT_SPECIFIC)]++;
    for (int i = 1; i <= N; i++) assert_int_equal(taken[i], 1);
    assert_int_equal(near_a_vector(w, c->value.at + 5 * DIM, TEXT_SPECIFIC), 0);
    assert_true(w->codebook.idle->value.at[4] == 0 && w->codebook.idle->value.at[5] == 1);
    for (int r = 0; r < 5; r++) w->usage.counts[r] = 1;
    assert_int_equal(codebook_revive(&w->codebook, &w->optimiser, &w->usage, &w->output, &w->all, &w->present, 2, &n),
                     STATUS_OK);
    assert_int_equal(n, 3 + 8 + 3);
    assert_true(near_a_vector(w, c->value.at + 5 * DIM, TEXT_SPECIFIC) > 0);
    free_world(w);
}

/* ---- averages and decay ---- */
static void averages_follow_their_formula_for_dense_and_node_parameters(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {"train.average=0.4", NULL};
    struct world *w = make_world(SETTINGS);
    for (int i = 0; i < w->parameters.n; i++) {
        const struct parameter *q = w->parameters.list[i];
        if (q->flags & PARAMETER_FROZEN) continue;
        for (int64_t j = 0; j < q->rows * q->cols; j++)
            assert_true(optimiser_moments(&w->optimiser, q).average.at[j] == q->value.at[j]);
    }
    const struct parameter *checked[] = {w->model.text.weight, w->model.nodes};
    double average[2] = {checked[0]->value.at[3], checked[1]->value.at[3]};
    static const double KEEP[] = {2.0 / 11, 3.0 / 12, 4.0 / 13, 5.0 / 14, 6.0 / 15, 0.4, 0.4};
    for (int step = 1; step <= 7; step++) {
        for (int k = 0; k < 2; k++) {
            checked[k]->value.at[3] = (real)(step * step);
            average[k] = KEEP[step - 1] * average[k] + (1 - KEEP[step - 1]) * step * step;
        }
        optimiser_begin_update(&w->optimiser, 0.1, step, 1);
        optimiser_average(&w->optimiser);
        for (int k = 0; k < 2; k++)
            close_to(optimiser_moments(&w->optimiser, checked[k]).average.at[3], average[k], "average", step);
    }
    for (int times = 1; times <= 2; times++) { /* what evaluations see, and what training goes on with */
        optimiser_swap_averages(&w->optimiser);
        for (int k = 0; k < 2; k++) {
            close_to(checked[k]->value.at[3], times == 1 ? average[k] : 49, "value", k);
            close_to(optimiser_moments(&w->optimiser, checked[k]).average.at[3], times == 1 ? 49 : average[k],
                     "average", k);
        }
    }
    free_world(w);
}

static void set_all(const struct parameter_set *p, real value, real gradient) {
    for (int i = 0; i < p->n; i++)
        for (int64_t j = 0; j < p->list[i]->rows * p->list[i]->cols; j++) {
            p->list[i]->value.at[j] = value;
            if (p->list[i]->grad.at) p->list[i]->grad.at[j] = gradient;
        }
}

static void weight_decay_shrinks_matrices_only(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {"train.weight_decay=0.5", NULL};
    struct world *w = make_world(SETTINGS);
    const struct parameter_set *p = &w->parameters;
    int n_decayed = 0;
    set_all(p, 1, 0);
    optimiser_begin_update(&w->optimiser, 0.1, 1, 1);
    optimiser_update(&w->optimiser); /* all gradients are 0: Adam itself moves nothing */
    for (int i = 0; i < p->n; i++) {
        const struct parameter *q = p->list[i];
        size_t at = strlen(q->name) - strlen(".weight");
        int decays = strlen(q->name) > strlen(".weight") && strcmp(q->name + at, ".weight") == 0;
        for (int64_t j = 0; j < q->rows * q->cols; j++) close_to(q->value.at[j], decays ? 0.95 : 1, q->name, j);
        n_decayed += decays;
    }
    assert_int_equal(n_decayed, 8); /* text.map, two graph layers, three of the attention, two specific maps */
    free_world(w);
}

static void adam_passes_over_frozen_parameters_and_a_codebook_of_moving_averages(void **state) {
    (void)state;
    static const char *const EMA[] = {"quantizer.update=ema", NULL}, *const GRADIENT[] = {NULL};
    for (int ema = 0; ema < 2; ema++) {
        struct world *w = make_world(ema ? EMA : GRADIENT);
        const struct parameter_set *p = &w->parameters;
        int n_still = 0;
        set_all(p, 1, 1);
        optimiser_begin_update(&w->optimiser, 0.1, 1, 1);
        optimiser_update(&w->optimiser);
        for (int i = 0; i < p->n; i++) {
            const struct parameter *q = p->list[i];
            int still = q->flags & PARAMETER_FROZEN || (ema && q == w->model.codebook);
            for (int64_t j = 0; j < q->rows * q->cols; j++) /* the first step of Adam is the rate */
                close_to(q->value.at[j], still ? 1 : 0.9, q->name, j);
            n_still += still != 0;
        }
        assert_int_equal(n_still, ema ? 3 : 1); /* codebook.idle; codebook and codebook.ema */
        free_world(w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule_warms_up_and_falls_along_a_cosine),
        cmocka_unit_test(ema_moves_picked_rows_to_the_smoothed_mean_of_their_vectors),
        cmocka_unit_test(kmeans_finds_separate_blobs),
        cmocka_unit_test(kmeans_of_few_vectors_puts_the_other_centres_near_them),
        cmocka_unit_test(revival_moves_idle_rows_to_vectors_of_the_batch),
        cmocka_unit_test(revival_gives_each_row_a_vector_of_its_own_and_lets_the_rest_wait),
        cmocka_unit_test(averages_follow_their_formula_for_dense_and_node_parameters),
        cmocka_unit_test(weight_decay_shrinks_matrices_only),
        cmocka_unit_test(adam_passes_over_frozen_parameters_and_a_codebook_of_moving_averages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
