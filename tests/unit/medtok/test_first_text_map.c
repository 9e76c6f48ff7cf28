/* The first text map: maps of features whose components are known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "made_dataset.h"
#include "made_model.h"
#include "medtok/first_text_map.h"

/* Texts at m + 3 e_2 s + 2 e_5 s' with all signs s, s', m far from 0: with vectors of width 2 the map finds these two axes, each
 * pointing up, so that no rounding turns it. */
static void the_map_keeps_the_directions_in_which_texts_differ(void **state) {
    (void)state;
    enum { TEXTS = 4 };
    static const char *const SETTINGS[] = {"quantizer.dim=2", "attention.heads=1", NULL};
    struct world *w = make_world(SETTINGS);
    struct dataset d;
    int64_t offsets[TEXTS + 1] = {0, 1, 2, 3, 4};
    make_dataset(&d, 0, TEXTS, N_NODES, 1, 1, TEXTS, TEXTS, TEXT_DIM);
    d.vocabulary.description_offsets = offsets;
    for (int i = 0; i < TEXTS; i++) {
        float *row = d.text.rows_f32 + i * TEXT_DIM;
        for (int j = 0; j < TEXT_DIM; j++) row[j] = (float)(4000 + j);
        row[2] += i & 1 ? 3 : -3;
        row[5] += i & 2 ? 2 : -2;
        d.text.token_row[i] = i;
        d.text.token_offsets[i + 1] = i + 1;
    }
    assert_int_equal(first_text_map_make(&w->model, &w->comm, &w->optimiser, &d, TEXTS), STATUS_OK);
    const real *weight = w->model.text.weight->value.at, *bias = w->model.text.bias->value.at;
    const double scale = sqrt(2 / (9.0 + 4.0));
    for (int i = 0; i < 2; i++) {
        int axis = i == 0 ? 2 : 5;
        for (int j = 0; j < TEXT_DIM; j++)
            close_to(weight[i * TEXT_DIM + j], j == axis ? (real)scale : 0, "weight", i * TEXT_DIM + j);
        close_to(bias[i], -weight[i * TEXT_DIM + axis] * (real)(4000 + axis), "bias", i);
        close_to(w->model.text_specific.bias->value.at[i], 0, "specific bias", i);
    }
    for (int i = 0; i < 4; i++) close_to(w->model.text_specific.weight->value.at[i], i % 3 == 0, "specific", i);
    d.vocabulary.description_offsets = NULL;
    dataset_free(&d);
    free_world(w);
}

/* 2^axes texts, differing along the first axes by 1, 2, ..., for vectors of width 2 of which the specific ones are of features; offsets: [2^axes + 1], of
 * the descriptions. */
static struct world *make_differing_texts(int axes, struct dataset *d, int64_t *offsets) {
    static const char *const SETTINGS[] = {"quantizer.dim=2", "attention.heads=1", "model.text_specific=feature", NULL};
    int n = 1 << axes;
    make_dataset(d, 0, n, N_NODES, 1, 1, n, n, TEXT_DIM);
    for (int i = 0; i <= n; i++) offsets[i] = d->text.token_offsets[i] = i;
    d->vocabulary.description_offsets = offsets;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < TEXT_DIM; j++)
            d->text.rows_f32[i * TEXT_DIM + j] = 5 + (float)(j < axes ? (i >> j & 1 ? j + 1 : -j - 1) : 0);
        d->text.token_row[i] = i;
    }
    struct world *w = make_world(SETTINGS);
    assert_int_equal(first_text_map_make(&w->model, &w->comm, &w->optimiser, d, n), STATUS_OK);
    return w;
}

static void free_texts(struct world *w, struct dataset *d) {
    d->vocabulary.description_offsets = NULL;
    dataset_free(d);
    free_world(w);
}

/* Text-specific vectors begin with the axes that the text map leaves. */
static void maps_of_features_begin_with_the_next_directions(void **state) {
    (void)state;
    enum { AXES = 4 };
    struct dataset d;
    int64_t offsets[(1 << AXES) + 1];
    struct world *w = make_differing_texts(AXES, &d, offsets);
    assert_int_equal(w->model.text_specific.weight->cols, TEXT_DIM);
    for (int k = 0; k < AXES; k++) {
        const struct linear_map *map = k < 2 ? &w->model.text : &w->model.text_specific;
        double scale = k < 2 ? sqrt(2 / (16.0 + 9.0)) : sqrt(2 / (4.0 + 1.0));
        for (int j = 0; j < TEXT_DIM; j++)
            close_to(map->weight->value.at[k % 2 * TEXT_DIM + j], j == AXES - 1 - k ? (real)scale : 0, "weight",
                     k * TEXT_DIM + j);
        close_to(map->bias->value.at[k % 2], (real)(-5 * scale), "bias", k);
    }
    free_texts(w, &d);
}

/* Behind two directions there is nothing but rounding. */
static void maps_of_features_of_few_directions_begin_as_the_text_map(void **state) {
    (void)state;
    enum { AXES = 2 };
    struct dataset d;
    int64_t offsets[(1 << AXES) + 1];
    struct world *w = make_differing_texts(AXES, &d, offsets);
    const struct linear_map *map = &w->model.text, *specific = &w->model.text_specific;
    for (int i = 0; i < 2 * TEXT_DIM; i++)
        close_to(specific->weight->value.at[i], map->weight->value.at[i], "weight", i);
    for (int i = 0; i < 2; i++) close_to(specific->bias->value.at[i], map->bias->value.at[i], "bias", i);
    assert_true(fabs((double)map->weight->value.at[1]) > 0.1);
    free_texts(w, &d);
}

static void features_narrower_than_vectors_are_an_error(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {NULL};
    struct world *w = make_world(SETTINGS); /* vectors of width 8, features of 6 */
    struct dataset d = {0};
    assert_int_equal(first_text_map_make(&w->model, &w->comm, &w->optimiser, &d, 1), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "as wide as quantizer.dim (8); they have 6"));
    free_world(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_map_keeps_the_directions_in_which_texts_differ),
        cmocka_unit_test(maps_of_features_begin_with_the_next_directions),
        cmocka_unit_test(maps_of_features_of_few_directions_begin_as_the_text_map),
        cmocka_unit_test(features_narrower_than_vectors_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
