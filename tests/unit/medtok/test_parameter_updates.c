/* What an update does to each of MedTok's parameters: averages, weight decay, and what Adam passes over. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "made_model.h"

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
        optimiser_begin_update(&w->optimiser, 0.1, step, 1, 1);
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
    optimiser_begin_update(&w->optimiser, 0.1, 1, 1, 1);
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
        optimiser_begin_update(&w->optimiser, 0.1, 1, 1, 1);
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

static void a_codebook_apart_has_its_own_rate_and_is_not_clipped(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {"quantizer.rate=3", "train.epsilon=1", NULL};
    struct world *w = make_world(SETTINGS);
    const struct parameter_set *p = &w->parameters;
    set_all(p, 1, 1);
    optimiser_begin_update(&w->optimiser, 0.1, 1, 0.5, 0.1); /* two batches; a gradient ten times too long */
    optimiser_update(&w->optimiser);
    for (int i = 0; i < p->n; i++) {
        const struct parameter *q = p->list[i];
        /* The first step of Adam from the gradient g: rate g / (g + epsilon). */
        double moved = q == w->model.codebook ? 0.3 * 0.5 / 1.5 : 0.1 * 0.05 / 1.05;
        if (q->flags & PARAMETER_FROZEN) continue;
        for (int64_t j = 0; j < q->rows * q->cols; j++) close_to(q->value.at[j], 1 - moved, q->name, j);
    }
    free_world(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(averages_follow_their_formula_for_dense_and_node_parameters),
        cmocka_unit_test(weight_decay_shrinks_matrices_only),
        cmocka_unit_test(a_codebook_apart_has_its_own_rate_and_is_not_clipped),
        cmocka_unit_test(adam_passes_over_frozen_parameters_and_a_codebook_of_moving_averages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
