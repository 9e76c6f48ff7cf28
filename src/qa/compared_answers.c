#include "qa/compared_answers.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

void compared_answers_free(struct compared_answers *x) {
    for (int a = 0; a < x->n_arms; a++) {
        free(x->arms[a].name);
        for (int s = 0; s < x->arms[a].n_seeds; s++)
            for (int o = 0; o < N_ANSWER_ORDERS; o++) free(x->arms[a].right[s][o]);
    }
    free(x->questions);
    free(x->model);
    free(x->model_id);
    dictionary_free(&x->ids);
    dictionary_free(&x->sets);
    *x = (struct compared_answers){0};
}

int compared_answers_arm(const struct compared_answers *x, const char *name) {
    for (int a = 0; a < x->n_arms; a++)
        if (strcmp(x->arms[a].name, name) == 0) return a;
    return -1;
}

static const char *text_of(json_t *object, const char *key) { return json_string_value(json_object_get(object, key)); }

/* A question's entry in a report. */
struct entry {
    const char *id, *set, *answer, *chosen, *over_orders; /* set, over_orders: NULL: not told */
    int n_options, with_codes;
};

static int read_entry(const char *path, json_t *object, struct entry *e) {
    *e = (struct entry){.id = text_of(object, "id"),
                        .set = text_of(object, "set"),
                        .answer = text_of(object, "answer"),
                        .chosen = text_of(object, "chosen"),
                        .over_orders = text_of(object, "chosen_over_all_orders"),
                        .n_options = (int)json_array_size(json_object_get(object, "scores")),
                        .with_codes = json_integer_value(json_object_get(object, "with_codes")) != 0};
    return e->id && e->answer && e->chosen ? STATUS_OK : status_set(STATUS_FAILED, "%s: no report of the job qa", path);
}

static int said_twice(const char *path, const char *id) {
    return status_set(STATUS_FAILED, "%s: question %s is there twice", path, id);
}

/* ---- questions ---- */
/* Those of the first report. */
static int add_question(struct compared_answers *x, const char *path, const struct entry *e) {
    struct compared_question *q = &x->questions[x->n];
    int32_t number, set = -1;
    TRY(dictionary_add(&x->ids, e->id, (int64_t)strlen(e->id), &number));
    if (number != x->n) return said_twice(path, e->id);
    if (e->set) TRY(dictionary_add(&x->sets, e->set, (int64_t)strlen(e->set), &set));
    *q = (struct compared_question){.set = set, .n_options = e->n_options, .answer = e->answer[0], .with_codes = 1};
    x->n++;
    return STATUS_OK;
}

static int is_same(const struct compared_question *q, const struct entry *e) {
    return q->answer == e->answer[0] && q->n_options == e->n_options;
}

/* ---- arms ---- */
/* A place for the answers of a report. */
static int add_run(struct compared_answers *x, const char *path, const char *name, int64_t seed,
                   struct compared_arm **arm) {
    int a = compared_answers_arm(x, name);
    if (a < 0 && x->n_arms == COMPARED_ARMS)
        return status_set(STATUS_FAILED, "%s: there are more than %d arms", path, COMPARED_ARMS);
    if (a < 0) {
        a = x->n_arms;
        x->arms[a].name = strdup(name);
        if (!x->arms[a].name) return status_set(STATUS_FAILED, "out of memory");
        x->n_arms++;
    }
    struct compared_arm *to = *arm = &x->arms[a];
    for (int s = 0; s < to->n_seeds; s++)
        if (to->seeds[s] == seed)
            return status_set(
                STATUS_FAILED,
                "%s: there is a report of the arm \"%s\" and seed %lld already; another arm needs another "
                "name (qa.arm)",
                path, name, (long long)seed);
    if (to->n_seeds == COMPARED_SEEDS)
        return status_set(STATUS_FAILED, "%s: the arm \"%s\" has more than %d seeds", path, name, COMPARED_SEEDS);
    to->seeds[to->n_seeds] = seed;
    to->n_seeds++;
    return STATUS_OK;
}

/* seen [questions]: 1 where the report has answered. */
static int fill_entries(struct compared_answers *x, const char *path, json_t *list, uint8_t **right, uint8_t *seen) {
    size_t k;
    json_t *object;
    json_array_foreach(list, k, object) {
        struct entry e;
        TRY(read_entry(path, object, &e));
        int32_t i = dictionary_find(&x->ids, e.id, (int64_t)strlen(e.id));
        if (i < 0 || !is_same(&x->questions[i], &e))
            return status_set(STATUS_FAILED,
                              "%s: question %s is %s in the first report: answers to the same questions "
                              "can be compared",
                              path, e.id, i < 0 ? "not" : "another one");
        if (seen[i]) return said_twice(path, e.id);
        seen[i] = 1;
        x->questions[i].with_codes &= (uint8_t)e.with_codes;
        right[ORDERS_AS_THEY_STAND][i] = e.chosen[0] == e.answer[0];
        right[ORDERS_ALL][i] = e.over_orders && e.over_orders[0] == e.answer[0];
        if (!e.over_orders) x->n_orders = 1;
    }
    return STATUS_OK;
}

static int fill(struct compared_answers *x, const char *path, json_t *list, struct compared_arm *arm) {
    uint8_t **right = arm->right[arm->n_seeds - 1], *seen;
    for (int o = 0; o < N_ANSWER_ORDERS; o++) TRY(mem_alloc(&right[o], x->n, 1));
    TRY(mem_alloc(&seen, x->n, 1));
    int status = fill_entries(x, path, list, right, seen);
    free(seen);
    return status;
}

/* All reports are of one model, and of questions that no arm learned from. */
static int check_source(struct compared_answers *x, const char *path, json_t *file) {
    const char *model = text_of(file, "answers_of"), *id = text_of(file, "model_id");
    size_t learned = json_array_size(json_object_get(file, "questions_learned_from"));
    if (!model || !id)
        return status_set(STATUS_FAILED, "%s: no report of the job qa%s", path,
                          model ? " of this release (model_id)" : "");
    if (!x->model && (!(x->model = strdup(model)) || !(x->model_id = strdup(id))))
        return status_set(STATUS_FAILED, "out of memory");
    if (strcmp(id, x->model_id) != 0)
        return status_set(
            STATUS_FAILED,
            "%s: the model %s (%s) answers, and in the first report %s (%s): arms of one model can be compared", path,
            model, id, x->model, x->model_id);
    if (learned)
        return status_set(STATUS_FAILED,
                          "%s: its adapter learned from %lld of the questions (questions_learned_from): ask others, or "
                          "learn without them",
                          path, (long long)learned);
    return STATUS_OK;
}

static int add_report(struct compared_answers *x, const char *path, json_t *file) {
    json_t *list = json_object_get(file, "questions"), *seed = json_object_get(file, "adapter_seed"), *object;
    const char *name = text_of(file, "arm");
    struct compared_arm *arm = NULL;
    size_t n = json_array_size(list), k;
    if (!name || !n) return status_set(STATUS_FAILED, "%s: no report of the job qa", path);
    TRY(check_source(x, path, file));
    if (!x->questions) {
        TRY(mem_alloc(&x->questions, (long long)n, sizeof *x->questions));
        json_array_foreach(list, k, object) {
            struct entry e;
            TRY(read_entry(path, object, &e));
            TRY(add_question(x, path, &e));
        }
    }
    if ((int64_t)n != x->n)
        return status_set(STATUS_FAILED, "%s: it has %lld questions, and the first report %lld", path, (long long)n,
                          (long long)x->n);
    TRY(add_run(x, path, name, json_is_integer(seed) ? (int64_t)json_integer_value(seed) : -1, &arm));
    arm->is_trained |= text_of(file, "adapter") != NULL;
    return fill(x, path, list, arm);
}

int compared_answers_read(struct compared_answers *x, const struct string_list *paths) {
    *x = (struct compared_answers){.n_orders = N_ANSWER_ORDERS};
    for (int i = 0; i < paths->n; i++) {
        json_error_t error;
        json_t *file = json_load_file(paths->items[i], JSON_REJECT_DUPLICATES, &error);
        int status = file ? add_report(x, paths->items[i], file)
                          : status_set(STATUS_FAILED, "%s:%d: %s", paths->items[i], error.line, error.text);
        json_decref(file);
        TRY(status);
    }
    return STATUS_OK;
}
