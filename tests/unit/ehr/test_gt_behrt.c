/* Visits as graphs: what GT-BEHRT reads of a history (ehr/models/gt_behrt_input.h). The model itself: test_model_golden.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "ehr/models/gt_behrt_input.h"

static const int64_t DAY = (int64_t)86400 * 1000000;

/* Codes of each kind, twice. */
enum { DX, DX2, RX, RX2, PX, PX2, LAB, LAB2, N_CODES, MOST_EVENTS = 4000 };
static const uint8_t KINDS[N_CODES] = {CODE_KIND_DIAGNOSIS,   CODE_KIND_DIAGNOSIS,  CODE_KIND_DRUG,
                                       CODE_KIND_DRUG,        CODE_KIND_PROCEDURE,  CODE_KIND_PROCEDURE,
                                       CODE_KIND_MEASUREMENT, CODE_KIND_MEASUREMENT};

/* One sample, and its input. */
struct world {
    struct device device;
    struct pack pack;
    struct sample_event events[MOST_EVENTS];
    int64_t number[1], birth[1], time[1], n_static[1], offsets[2], visit_offsets[2], which[1];
    struct sample_set set;
    struct ehr_batch batch;
    struct ehr_options options;
    struct code_rows codes;
    struct gt_input input;
};

static int make_world(void **state) {
    struct world *w;
    assert_int_equal(mem_alloc(&w, 1, sizeof *w), STATUS_OK);
    assert_int_equal(device_open_cpu(&w->device, 1), 0);
    pack_make(&w->pack, &w->device);
    w->number[0] = 77;
    w->birth[0] = COHORT_NO_TIME;
    w->set = (struct sample_set){.n = 1,
                                 .number = w->number,
                                 .birth = w->birth,
                                 .time = w->time,
                                 .n_static = w->n_static,
                                 .offsets = w->offsets,
                                 .events = w->events,
                                 .visit_offsets = w->visit_offsets,
                                 .birth_code = -1,
                                 .code_kind = KINDS};
    w->batch = (struct ehr_batch){.n = 1, .set = &w->set, .which = w->which};
    w->options = (struct ehr_options){.visits = VISITS_DAYS, .age = AGE_YEARS, .max_length = 512};
    w->codes.source.n_own = N_CODES;
    *state = w;
    return 0;
}

static int free_world(void **state) {
    struct world *w = *state;
    gt_input_free(&w->input);
    pack_free(&w->pack);
    device_close(&w->device);
    free(w);
    return 0;
}

static void add_event(struct world *w, int64_t time, int code) {
    int64_t at = w->offsets[1]++;
    assert_true(at < MOST_EVENTS);
    w->events[at] = (struct sample_event){time, code, TOKEN_FIRST_CODE + code, -1, NAN};
    w->n_static[0] += time == COHORT_NO_TIME;
}

static void pack_it(struct world *w, enum ehr_stage stage, uint32_t step) {
    struct gt_terms terms = {&w->options, &w->codes, 5};
    w->batch.step = step;
    pack_begin(&w->pack);
    assert_int_equal(gt_input_pack(&w->input, &w->pack, &w->batch, stage, &terms), STATUS_OK);
}

static int32_t value(const struct world *w, enum gt_list list, int64_t i) {
    assert_true(i < gt_length(&w->input, list));
    return w->input.list[list].at[i];
}

/* ---- behaviours ---- */
/* The types of the reconstruction in specs, ehr-models-and-tasks 4.1; pairs with the laboratory's are ours. */
static void edges_have_the_types_of_their_ends(void **state) {
    struct world *w = *state;
    static const int32_t WANTED[N_CODES + 1][N_CODES + 1] = {/*         visit dx dx rx rx px px lab lab */
                                                             /* visit */ {6, 6, 6, 6, 6, 6, 6, 6, 6},
                                                             /* dx */ {6, 0, 0, 3, 3, 4, 4, 7, 7},
                                                             /* dx */ {6, 0, 0, 3, 3, 4, 4, 7, 7},
                                                             /* rx */ {6, 3, 3, 1, 1, 5, 5, 7, 7},
                                                             /* rx */ {6, 3, 3, 1, 1, 5, 5, 7, 7},
                                                             /* px */ {6, 4, 4, 5, 5, 2, 2, 7, 7},
                                                             /* px */ {6, 4, 4, 5, 5, 2, 2, 7, 7},
                                                             /* lab */ {6, 7, 7, 7, 7, 7, 7, 7, 7},
                                                             /* lab */ {6, 7, 7, 7, 7, 7, 7, 7, 7}};
    for (int code = N_CODES - 1; code >= 0; code--) add_event(w, 100 * DAY, code);
    pack_it(w, STAGE_TASK, 0);
    assert_int_equal(gt_length(&w->input, NODE_TOKEN), N_CODES + 1);
    assert_int_equal(value(w, NODE_TOKEN, 0), TOKEN_VISIT);
    for (int i = 0; i <= N_CODES; i++)
        for (int j = 0; j <= N_CODES; j++)
            assert_int_equal(value(w, EDGE_TYPES, value(w, NODE_KIND, i) * N_NODE_KINDS + value(w, NODE_KIND, j)),
                             WANTED[i][j]);
    assert_int_equal(w->input.n_pairs, (N_CODES + 1) * (N_CODES + 1));
    assert_int_equal(gt_length(&w->input, ASKED_NODE), 1); /* the visit's own alone */
}

static void the_last_fifty_visits_are_read(void **state) {
    struct world *w = *state;
    struct visits memory = {0};
    int64_t dropped;
    add_event(w, COHORT_NO_TIME, LAB);
    for (int day = 0; day < 60; day++) add_event(w, day * DAY, day % N_CODES);
    pack_it(w, STAGE_TASK, 0);
    assert_int_equal(gt_length(&w->input, VISIT_TYPE), MOST_VISITS);
    assert_int_equal(gt_length(&w->input, ROW_VISIT), MOST_VISITS + 1);
    assert_int_equal(value(w, VISIT_TYPE, 0), STATIC_TYPE);
    assert_int_equal(value(w, VISIT_DAY, 0), 0);
    for (int i = 1; i < MOST_VISITS; i++) {
        int day = 60 - MOST_VISITS + i; /* 1970 is no leap year: 31 days of January, 28 of February */
        assert_int_equal(value(w, VISIT_DAY, i), day + 1);
        assert_int_equal(value(w, VISIT_POSITION, i), i);
        assert_int_equal(value(w, NODE_TOKEN, 2 * i + 1), TOKEN_FIRST_CODE + day % N_CODES);
    }
    struct sample_history history = sample_set_history(&w->set, 0);
    assert_int_equal(gt_count_dropped(&memory, &history, &w->options, &dropped), STATUS_OK);
    assert_int_equal(dropped, 11);
    visits_free(&memory);
}

/* The latest codes stay: of the oldest visit its last ones. */
static void no_more_codes_than_max_length_are_read(void **state) {
    struct world *w = *state;
    add_event(w, COHORT_NO_TIME, LAB);
    for (int day = 0; day < 3; day++)
        for (int code = 0; code < 4; code++) add_event(w, day * DAY, code);
    w->options.max_length = 8;
    pack_it(w, STAGE_TASK, 0);
    static const int32_t WANTED[] = {-1, LAB, -1, DX2, RX, RX2, -1, DX, DX2, RX, RX2}; /* -1: a visit's own node */
    assert_int_equal(gt_length(&w->input, NODE_TOKEN), sizeof WANTED / sizeof *WANTED);
    for (size_t i = 0; i < sizeof WANTED / sizeof *WANTED; i++)
        assert_int_equal(value(w, NODE_TOKEN, (int64_t)i), WANTED[i] < 0 ? TOKEN_VISIT : TOKEN_FIRST_CODE + WANTED[i]);
}

static void a_sample_without_history_is_its_first_row_alone(void **state) {
    struct world *w = *state;
    pack_it(w, STAGE_TASK, 0);
    assert_int_equal(gt_length(&w->input, NODE_TOKEN), 0);
    assert_int_equal(gt_length(&w->input, ROW_VISIT), 1);
    assert_int_equal(value(w, ROW_CLS, 0), 0);
}

/* Each code is shown, masked in its place, or left out and told; what is told is what stood there. */
static void pretraining_hides_and_tells_the_same_codes(void **state) {
    struct world *w = *state;
    enum { DAYS = 40 };
    int64_t masked = 0, missing = 0, told = 0, steps = 50;
    for (int day = 0; day < DAYS; day++)
        for (int code = 0; code < N_CODES; code++) add_event(w, day * DAY, code);
    for (int64_t step = 0; step < steps; step++) {
        pack_it(w, STAGE_PRETRAIN, (uint32_t)step);
        int64_t at_masked = 0, at_missing = 0, node = 0;
        for (int64_t v = 0; v < DAYS; v++) {
            assert_int_equal(value(w, VISIT_NODES, v), node);
            assert_int_equal(value(w, NODE_TOKEN, node++), TOKEN_VISIT);
            for (int code = 0; code < N_CODES; code++) {
                if (at_missing < gt_length(&w->input, MISSING_CODE) && value(w, MISSING_CODE, at_missing) == code &&
                    value(w, MISSING_ROW, at_missing) == v + 1) {
                    at_missing++;
                } else if (value(w, NODE_TOKEN, node) == TOKEN_MASK) {
                    int32_t asked = value(w, MASKED_ASKED, at_masked);
                    assert_int_equal(value(w, MASKED_CODE, at_masked++), code);
                    assert_int_equal(value(w, ASKED_NODE, asked), node);
                    assert_int_equal(value(w, ASKED_KIND, asked), value(w, NODE_KIND, node));
                    node++;
                } else {
                    assert_int_equal(value(w, NODE_TOKEN, node++), TOKEN_FIRST_CODE + code);
                }
            }
        }
        assert_int_equal(node, gt_length(&w->input, NODE_TOKEN));
        assert_int_equal(at_masked, gt_length(&w->input, MASKED_CODE));
        assert_int_equal(at_missing, gt_length(&w->input, MISSING_CODE));
        for (int64_t i = 0; i < gt_length(&w->input, TOLD_ROW); i++)
            assert_int_equal(value(w, VISIT_TYPE, value(w, TOLD_ROW, i) - 1), MASKED_TYPE);
        masked += at_masked, missing += at_missing, told += gt_length(&w->input, TOLD_TYPE);
    }
    /* 16,000 codes and 2,000 visits: five standard deviations of a share of .15 are .014, of .1 .012, of .5 .056. */
    double codes = (double)(steps * DAYS * N_CODES), visits = (double)(steps * DAYS);
    assert_true(fabs((double)masked / codes - 0.15) < 0.014);
    assert_true(fabs((double)missing / codes - 0.1) < 0.012);
    assert_true(fabs((double)told / visits - 0.5) < 0.056);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(edges_have_the_types_of_their_ends, make_world, free_world),
        cmocka_unit_test_setup_teardown(the_last_fifty_visits_are_read, make_world, free_world),
        cmocka_unit_test_setup_teardown(no_more_codes_than_max_length_are_read, make_world, free_world),
        cmocka_unit_test_setup_teardown(a_sample_without_history_is_its_first_row_alone, make_world, free_world),
        cmocka_unit_test_setup_teardown(pretraining_hides_and_tells_the_same_codes, make_world, free_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
