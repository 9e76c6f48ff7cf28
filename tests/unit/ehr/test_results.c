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

static void write_and_read(const struct results *written, struct results *read) {
    struct provenance provenance = {.job = "evaluate", .config = ""};
    provenance_finish(&provenance, KIND_RESULTS);
    assert_int_equal(results_write(written, PATH, &provenance), STATUS_OK);
    assert_int_equal(results_read(read, PATH), STATUS_OK);
    provenance_free(&provenance);
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
        assert_true(t->score[RESULT_HELD_OUT][1] == 0.2 + 1);
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
                                       cmocka_unit_test(a_file_without_trainings_is_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
