/* results.h5: what is written is read again, whatever the form of the labels; what trainings share is kept once; damage is told. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/status.h"
#include "ehr/results.h"

static const char PATH[] = "/tmp/medtok-test-results.h5";

static void *list_of(int64_t n, size_t size) {
    void *list;
    assert_int_equal(mem_alloc(&list, n, (long long)size), STATUS_OK);
    return list;
}

/* Two samples of a task; `shift` makes others. */
static struct result_samples *two_samples(enum label_form form, int shift) {
    struct result_samples *s = list_of(1, sizeof *s);
    *s = (struct result_samples){.form = form, .n_classes = form == LABEL_BINARY ? 2 : 3, .n = 2};
    s->sample = list_of(2, 8), s->subject = list_of(2, 8), s->time = list_of(2, 8);
    s->label = list_of(2, 4), s->codes = list_of(2, 4), s->unseen = list_of(2, 4);
    s->frequency = list_of(2, sizeof(float));
    s->set_offsets = list_of(3, 8);
    s->set = list_of(form == LABEL_SET ? 3 : 0, 4);
    for (int i = 0; i < 2; i++) {
        s->sample[i] = 10 + i, s->subject[i] = 100 + i + shift, s->time[i] = -5 * i;
        s->label[i] = form == LABEL_SET ? 2 - i : i, s->codes[i] = 3 * i, s->unseen[i] = i;
        s->frequency[i] = i ? 2.5F : NAN;
        s->set_offsets[i + 1] = form == LABEL_SET ? 2 + i : 0;
    }
    for (int i = 0; i < s->set_offsets[2]; i++) s->set[i] = i;
    return s;
}

static struct result trial_of(struct results *r, const char *name, enum label_form form, int shift) {
    struct result t = {.name = strdup(name),
                       .task = strdup("death"),
                       .model = strdup("behrt"),
                       .arm = strdup("random"),
                       .settings = strdup("ehr.rate: 1\nehr.batch: 2\n"),
                       .key = strdup("0123"),
                       .failure = strdup(""),
                       .train_samples = 1000,
                       .seed = 3,
                       .step = 40,
                       .seconds = 1.5,
                       .tuning = 0.25,
                       .threshold = NAN,
                       .n_curve = 2};
    int64_t outputs = form == LABEL_BINARY ? 1 : 3;
    t.curve_step = list_of(2, 8), t.curve_precision = list_of(2, 8);
    t.curve_step[1] = 40, t.curve_precision[1] = 0.25;
    for (int s = 0; s < N_RESULT_SPLITS; s++) {
        assert_int_equal(results_take_samples(r, two_samples(form, shift + s), &t.list[s]), STATUS_OK);
        t.score[s] = list_of(2 * outputs, 8);
        for (int i = 0; i < 2 * outputs; i++) t.score[s][i] = 0.1 * (i + 1) + s;
    }
    return t;
}

static void write_to(const char *path, const struct results *written) {
    struct provenance provenance = {.job = "evaluate", .config = ""};
    provenance_finish(&provenance, KIND_RESULTS);
    assert_int_equal(results_write(written, path, &provenance), STATUS_OK);
    provenance_free(&provenance);
}

static void write_and_read(const struct results *written, struct results *read) {
    write_to(PATH, written);
    assert_int_equal(results_read(read, PATH), STATUS_OK);
}

/* As trial_of made them. */
static void assert_scores(const struct results *r, const struct result *t) {
    for (int s = 0; s < N_RESULT_SPLITS; s++) {
        const struct result_samples *samples = r->lists[t->list[s]];
        double *scores;
        assert_int_equal(result_scores_read(r, t, (enum result_split)s, &scores), STATUS_OK);
        for (int64_t i = 0; i < samples->n * (samples->form == LABEL_BINARY ? 1 : 3); i++)
            assert_true(scores[i] == 0.1 * (double)(i + 1) + s);
        free(scores);
    }
}

static void what_is_written_is_read(void **state) {
    (void)state;
    static const enum label_form FORMS[] = {LABEL_BINARY, LABEL_CLASS, LABEL_SET};
    struct results r = {0}, got = {0};
    for (int i = 0; i < 3; i++) {
        char name[] = {(char)('a' + i), 0};
        struct result t = trial_of(&r, name, FORMS[i], 0);
        assert_int_equal(results_add(&r, &t), STATUS_OK);
    }
    struct result failed = {.name = strdup("bad"), .failure = strdup("it diverged"), .list = {-1, -1}};
    assert_int_equal(results_add(&r, &failed), STATUS_OK);
    write_and_read(&r, &got);
    assert_true(got.n == 4 && got.n_lists == 6);
    assert_string_equal(got.trials[3].failure, "it diverged");
    assert_true(got.trials[3].list[0] == -1 && !got.trials[3].score[0] && got.trials[3].n_curve == 0);
    for (int i = 0; i < 3; i++) {
        const struct result *t = &got.trials[i];
        const struct result_samples *s = got.lists[t->list[RESULT_HELD_OUT]];
        assert_true(t->name[0] == 'a' + i && t->seed == 3 && t->step == 40 && t->train_samples == 1000);
        assert_true(t->tuning == 0.25 && isnan(t->threshold) && t->seconds == 1.5);
        assert_string_equal(t->settings, "ehr.rate: 1\nehr.batch: 2\n");
        assert_true(t->n_curve == 2 && t->curve_step[1] == 40 && t->curve_precision[1] == 0.25);
        assert_true(s->form == FORMS[i] && s->n == 2 && s->subject[1] == 102 && s->sample[1] == 11 && s->time[1] == -5);
        assert_true(isnan(s->frequency[0]) && s->frequency[1] == 2.5F && s->codes[1] == 3 && s->unseen[1] == 1);
        assert_scores(&got, t);
        if (FORMS[i] == LABEL_SET) assert_true(s->set_offsets[1] == 2 && s->set_offsets[2] == 3 && s->set[2] == 2);
    }
    results_free(&r);
    results_free(&got);
}

static void samples_that_trainings_share_are_kept_once(void **state) {
    (void)state;
    struct results r = {0}, got = {0};
    for (int i = 0; i < 3; i++) {
        struct result t = trial_of(&r, "t", LABEL_BINARY, i == 2 ? 10 : 0);
        assert_int_equal(results_add(&r, &t), STATUS_OK);
    }
    assert_true(r.n_lists == 4 && r.trials[1].list[0] == r.trials[0].list[0] && r.trials[2].list[0] == 2);
    write_and_read(&r, &got);
    assert_int_equal(results_read(&got, PATH), STATUS_OK); /* the same once more */
    assert_true(got.n == 6 && got.n_lists == 4 && got.trials[5].list[1] == got.trials[2].list[1]);
    results_free(&r);
    results_free(&got);
}

/* A grid's scores may be more than memory holds: they go from the trainings' files to that of all one training at a time. */
static void scores_stay_in_their_files_until_they_are_asked_for(void **state) {
    (void)state;
    static const char *const PATHS[] = {"/tmp/medtok-test-results-0.h5", "/tmp/medtok-test-results-1.h5"};
    struct results both = {0}, got = {0};
    for (int i = 0; i < 2; i++) {
        struct results one = {0};
        struct result t = trial_of(&one, i ? "b" : "a", i ? LABEL_SET : LABEL_BINARY, i);
        assert_int_equal(results_add(&one, &t), STATUS_OK);
        write_to(PATHS[i], &one);
        results_free(&one);
        assert_int_equal(results_read(&both, PATHS[i]), STATUS_OK);
        assert_null(both.trials[i].score[RESULT_TUNING]);
    }
    write_and_read(&both, &got);
    for (int i = 0; i < 2; i++) unlink(PATHS[i]);
    assert_true(got.n == 2 && got.trials[1].name[0] == 'b');
    for (int i = 0; i < 2; i++) assert_scores(&got, &got.trials[i]);
    double *scores;
    assert_int_not_equal(result_scores_read(&both, &both.trials[0], RESULT_TUNING, &scores), STATUS_OK);
    assert_non_null(strstr(status_message(), PATHS[0]));
    free(scores);
    results_free(&both);
    results_free(&got);
}

static void a_file_without_trainings_is_one(void **state) {
    (void)state;
    struct results r = {0}, got = {0};
    write_and_read(&r, &got);
    assert_true(got.n == 0 && got.n_lists == 0);
    results_free(&got);
    unlink(PATH);
    assert_int_not_equal(results_read(&got, PATH), STATUS_OK);
    results_free(&got);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_written_is_read),
                                       cmocka_unit_test(samples_that_trainings_share_are_kept_once),
                                       cmocka_unit_test(scores_stay_in_their_files_until_they_are_asked_for),
                                       cmocka_unit_test(a_file_without_trainings_is_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
