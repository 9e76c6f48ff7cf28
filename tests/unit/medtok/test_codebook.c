/* What moves the codebook beside the gradient: moving averages of what was picked, and the revival of idle rows; each against
 * plain loops in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "made_model.h"

static double length(const real *x) {
    double square = 0;
    for (int j = 0; j < DIM; j++) square += (double)x[j] * x[j];
    return sqrt(square);
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

static void ema_moves_no_row_in_a_step_without_picks(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {"quantizer.update=ema", "quantizer.ema_decay=0.8", NULL};
    struct world *w = make_world(SETTINGS);
    const struct parameter *c = w->model.codebook;
    real before[SIZE * DIM];
    memcpy(before, c->value.at, sizeof before);
    codebook_sum_picks(&w->codebook, &w->output, 1); /* of the step before: to be forgotten */
    codebook_sum_picks(&w->codebook, NULL, 1);
    codebook_update(&w->codebook);
    assert_memory_equal(before, c->value.at, sizeof before);
    free_world(w);
}

/* ---- rows of length 1 ---- */
static void unit_rows_have_length_1_from_the_beginning_and_after_each_update(void **state) {
    (void)state;
    static const char *const GRADIENT[] = {"quantizer.rows=unit", "train.average=0.9", NULL};
    static const char *const EMA[] = {"quantizer.rows=unit", "train.average=0.9", "quantizer.update=ema", NULL};
    for (int ema = 0; ema < 2; ema++) {
        struct world *w = make_world(ema ? EMA : GRADIENT);
        const struct parameter *c = w->model.codebook;
        const real *average = optimiser_moments(&w->optimiser, c).average.at;
        for (int i = 0; i < SIZE * DIM; i++) assert_true(average[i] == c->value.at[i]);
        for (int step = 0; step < 2; step++) {
            for (int r = 0; r < SIZE; r++) close_to(length(c->value.at + r * DIM), 1, "length", r);
            real direction[DIM], before = length(c->value.at);
            for (int j = 0; j < DIM; j++) direction[j] = c->value.at[j] += (real)0.1 * (real)j;
            codebook_sum_picks(&w->codebook, ema ? &w->output : NULL, ema);
            codebook_update(&w->codebook);
            for (int j = 0; !ema && j < DIM; j++)
                close_to(c->value.at[j], direction[j] / length(direction), "direction", j);
            assert_true(ema || length(direction) != (double)before);
        }
        free_world(w);
    }
}

/* ---- revival ---- */
static int near_a_vector(const struct world *w, const real *row, int group) {
    for (int i = 0; i < rows_of(group); i++) {
        double dot = 0;
        for (int j = 0; j < DIM; j++) dot += (double)row[j] * w->u[group].value.at[i * DIM + j];
        if (dot / length(row) > 0.999) return i + 1; /* an angle of 0.01: cos is 1 - 0.00005 */
    }
    return 0;
}

static int revive(struct world *w, int64_t step, int64_t *n) {
    uint64_t picked[(SIZE + 63) / 64];
    usage_mark(&w->usage, picked);
    return codebook_revive(&w->codebook, &w->optimiser, picked, &w->output, &w->all, &w->present, step, n);
}

static void check_revived(struct world *w, int unit) {
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
        assert_int_equal(revive(w, step, &n), STATUS_OK);
        assert_int_equal(n, 0);
        assert_true(w->codebook.idle->value.at[DEAD] == step && w->codebook.idle->value.at[0] == 0);
    }
    assert_memory_equal(before, c->value.at, sizeof before);
    assert_int_equal(revive(w, 3, &n), STATUS_OK);
    assert_int_equal(n, 1);
    assert_memory_equal(before, c->value.at, DEAD * DIM * sizeof(real));
    assert_true(near_a_vector(w, c->value.at + DEAD * DIM, GRAPH_SPECIFIC));
    close_to(length(c->value.at + DEAD * DIM), unit ? 1 : sqrt(DIM), "length", DEAD);
    assert_true(w->codebook.idle->value.at[DEAD] == 0);
    for (int j = 0; j < DIM; j++) {
        int i = DEAD * DIM + j;
        assert_true(kept.m.at[i] == 0 && kept.v.at[i] == 0 && kept.m.at[j] == 1);
        assert_true(kept.average.at[i] == c->value.at[i]);
        if (w->codebook.ema) assert_true(w->codebook.ema->value.at[DEAD * (DIM + 1) + j] == c->value.at[i]);
    }
    if (w->codebook.ema) assert_true(w->codebook.ema->value.at[DEAD * (DIM + 1) + DIM] == 1);
}

static void revival_moves_idle_rows_to_vectors_of_the_batch(void **state) {
    (void)state;
    static const char *const GRADIENT[] = {"quantizer.revive_after=3", "train.average=0.9", NULL};
    static const char *const EMA[] = {"quantizer.revive_after=3", "train.average=0.9", "quantizer.update=ema", NULL};
    static const char *const UNIT[] = {"quantizer.revive_after=3", "train.average=0.9", "quantizer.rows=unit", NULL};
    const char *const *const settings[] = {GRADIENT, EMA, UNIT};
    for (int i = 0; i < 3; i++) {
        struct world *w = make_world(settings[i]);
        check_revived(w, i > 0);
        free_world(w);
    }
}

static double angle_between(const real *a, const real *b) {
    double along = 0;
    for (int j = 0; j < DIM; j++) along += (double)a[j] * b[j];
    return acos(along / length(a) / length(b));
}

static void a_revived_row_keeps_a_share_of_the_angle_to_the_row_that_its_vector_picked(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {"quantizer.revive_after=1", "quantizer.size=24",
                                           "quantizer.revive_angle=0.5", NULL};
    struct world *w = make_world(SETTINGS);
    const real *rows = w->model.codebook->value.at;
    real before[24 * DIM];
    int64_t n;
    int found[N] = {0};
    usage_clear(&w->usage);
    memcpy(before, rows, sizeof before);
    assert_int_equal(revive(w, 1, &n), STATUS_OK);
    for (int r = 0; r < N; r++) /* the five text rows that were revived */
        for (int i = 0; i < N; i++) {
            const real *u = w->u[TEXT_SPECIFIC].value.at + i * DIM;
            int picked = w->output.groups[TEXT_SPECIFIC].tokens.at[i * K];
            found[i] += fabs(angle_between(rows + r * DIM, u) - 0.5 * angle_between(before + picked * DIM, u)) < 1e-5;
        }
    for (int i = 0; i < N; i++) assert_int_equal(found[i], 1);
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
    assert_int_equal(revive(w, 1, &n), STATUS_OK);
    assert_int_equal(n, 5 + 8 + 3);
    for (int r = 0; r < 5; r++) taken[near_a_vector(w, c->value.at + r * DIM, TEXT_SPECIFIC)]++;
    for (int i = 1; i <= N; i++) assert_int_equal(taken[i], 1);
    assert_int_equal(near_a_vector(w, c->value.at + 5 * DIM, TEXT_SPECIFIC), 0);
    assert_true(w->codebook.idle->value.at[4] == 0 && w->codebook.idle->value.at[5] == 1);
    for (int r = 0; r < 5; r++) w->usage.counts[r] = 1;
    assert_int_equal(revive(w, 2, &n), STATUS_OK);
    assert_int_equal(n, 3 + 8 + 3);
    assert_true(near_a_vector(w, c->value.at + 5 * DIM, TEXT_SPECIFIC) > 0);
    free_world(w);
}

/* ---- residual quantisation ---- */
/* What level 1 was given: vectors of length 0.3 of their own. */
static void make_levels(struct world *w) {
    for (int g = 0; g < N_GROUPS; g++) {
        struct quantized *q = &w->output.groups[g];
        int n = rows_of(g);
        q->before = device_alloc_reals(&w->device, n * K * DIM);
        for (int i = 0; i < n; i++) {
            real *level = q->before.at + i * K * DIM, square = 0;
            memcpy(level, q->u->value.at + i * DIM, DIM * sizeof *level);
            for (int j = 0; j < DIM; j++) {
                level[DIM + j] = (real)rng_normal(6, 1, (uint32_t)g, (uint64_t)(i * DIM + j));
                square += level[DIM + j] * level[DIM + j];
            }
            for (int j = 0; j < DIM; j++) level[DIM + j] *= (real)0.3 / sqrtf(square);
        }
    }
}

static void free_levels_and_world(struct world *w) {
    for (int g = 0; g < N_GROUPS; g++) device_free_reals(&w->device, w->output.groups[g].before);
    free_world(w);
}

/* Whether the row is a vector, but for its length and noise, that `level` of the group was given. */
static int is_of_level(const struct world *w, const real *row, int group, int level) {
    for (int i = 0; i < rows_of(group); i++) {
        const real *given = w->output.groups[group].before.at + (i * K + level) * DIM;
        double dot = 0;
        for (int j = 0; j < DIM; j++) dot += (double)row[j] * given[j];
        if (dot / length(row) / length(given) > 0.999) return 1;
    }
    return 0;
}

static void residual_rows_are_revived_from_what_their_level_is_given(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {"quantizer.revive_after=1", "quantizer.size=24", "quantizer.assign=residual",
                                           NULL};
    struct world *w = make_world(SETTINGS);
    int64_t n;
    make_levels(w);
    usage_clear(&w->usage);
    assert_int_equal(revive(w, 1, &n), STATUS_OK);
    assert_int_equal(n, 4 + 4 + 4 + 4 + 3 + 3); /* levels have 4 rows; graph has 3 vectors */
    const real *rows = w->model.codebook->value.at;
    for (int r = 0; r < 8; r++) {
        assert_true(is_of_level(w, rows + r * DIM, TEXT_SPECIFIC, r / 4));
        assert_false(is_of_level(w, rows + r * DIM, TEXT_SPECIFIC, 1 - r / 4));
    }
    for (int r = 16; r < 24; r++) assert_int_equal(is_of_level(w, rows + r * DIM, GRAPH_SPECIFIC, r / 20), r % 4 < 3);
    free_levels_and_world(w);
}

static void residual_picks_count_what_their_level_was_given(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {"quantizer.update=ema", "quantizer.assign=residual", NULL};
    struct world *w = make_world(SETTINGS);
    double wanted[SIZE][DIM + 1] = {{0}};
    make_levels(w);
    for (int g = 0; g < N_GROUPS; g++)
        for (int i = 0; i < rows_of(g) * K; i++) {
            const struct quantized *q = &w->output.groups[g];
            double weight = q->weights.at[i];
            for (int j = 0; j < DIM; j++) wanted[q->tokens.at[i]][j] += weight * q->before.at[i * DIM + j];
            wanted[q->tokens.at[i]][DIM] += weight;
        }
    codebook_sum_picks(&w->codebook, &w->output, 1);
    for (int i = 0; i < SIZE * (DIM + 1); i++)
        close_to(w->codebook.picks.at[i], wanted[i / (DIM + 1)][i % (DIM + 1)], "picks", i);
    free_levels_and_world(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(residual_rows_are_revived_from_what_their_level_is_given),
        cmocka_unit_test(residual_picks_count_what_their_level_was_given),
        cmocka_unit_test(ema_moves_picked_rows_to_the_smoothed_mean_of_their_vectors),
        cmocka_unit_test(ema_moves_no_row_in_a_step_without_picks),
        cmocka_unit_test(unit_rows_have_length_1_from_the_beginning_and_after_each_update),
        cmocka_unit_test(revival_moves_idle_rows_to_vectors_of_the_batch),
        cmocka_unit_test(a_revived_row_keeps_a_share_of_the_angle_to_the_row_that_its_vector_picked),
        cmocka_unit_test(revival_gives_each_row_a_vector_of_its_own_and_lets_the_rest_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
