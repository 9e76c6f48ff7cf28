/* Columns to and from results.h5, most of them by tables. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ehr/results.h"

static const struct {
    const char *name;
    size_t offset;
} TEXTS[] = {{"trial_name", offsetof(struct result, name)},         {"trial_task", offsetof(struct result, task)},
             {"trial_model", offsetof(struct result, model)},       {"trial_arm", offsetof(struct result, arm)},
             {"trial_settings", offsetof(struct result, settings)}, {"trial_key", offsetof(struct result, key)},
             {"trial_failure", offsetof(struct result, failure)}};
enum { N_TEXTS = sizeof TEXTS / sizeof *TEXTS };

/* Of eight bytes each. */
static const struct {
    const char *name;
    enum h5type type;
    size_t offset;
} NUMBERS[] = {{"trial_train_samples", H5_I64, offsetof(struct result, train_samples)},
               {"trial_shots", H5_I64, offsetof(struct result, shots)},
               {"trial_seed", H5_I64, offsetof(struct result, seed)},
               {"trial_step", H5_I64, offsetof(struct result, step)},
               {"trial_parameters", H5_I64, offsetof(struct result, parameters)},
               {"trial_learned", H5_I64, offsetof(struct result, learned)},
               {"trial_seconds", H5_F64, offsetof(struct result, seconds)},
               {"trial_tuning", H5_F64, offsetof(struct result, tuning)},
               {"trial_threshold", H5_F64, offsetof(struct result, threshold)}};
enum { N_NUMBERS = sizeof NUMBERS / sizeof *NUMBERS };

static const struct {
    const char *name;
    enum h5type type;
    size_t size, offset;
} SAMPLES[] = {{"sample", H5_I64, sizeof(int64_t), offsetof(struct result_samples, sample)},
               {"sample_subject", H5_I64, sizeof(int64_t), offsetof(struct result_samples, subject)},
               {"sample_time", H5_I64, sizeof(int64_t), offsetof(struct result_samples, time)},
               {"sample_label", H5_I32, sizeof(int32_t), offsetof(struct result_samples, label)},
               {"sample_codes", H5_I32, sizeof(int32_t), offsetof(struct result_samples, codes)},
               {"sample_unseen", H5_I32, sizeof(int32_t), offsetof(struct result_samples, unseen)},
               {"sample_frequency", H5_F32, sizeof(float), offsetof(struct result_samples, frequency)}};
enum { N_SAMPLE_COLUMNS = sizeof SAMPLES / sizeof *SAMPLES };

static int64_t outputs_of(const struct result_samples *s) { return s->form == LABEL_BINARY ? 1 : s->n_classes; }

static void *member(const void *of, size_t offset) { return (char *)of + offset; }
static void *pointer(const void *of, size_t offset) { return *(void **)member(of, offset); }

/* ---- scores ---- */
static int64_t n_scores(const struct results *r, const struct result *t, int split) {
    return t->list[split] < 0 ? 0 : r->lists[t->list[split]]->n * outputs_of(r->lists[t->list[split]]);
}

int result_scores_read(const struct results *r, const struct result *t, enum result_split split, double **scores) {
    int64_t n = n_scores(r, t, split);
    struct h5file *file;
    TRY(mem_alloc(scores, n, sizeof **scores));
    if (!t->file) {
        if (n) memcpy(*scores, t->score[split], (size_t)n * sizeof **scores);
        return STATUS_OK;
    }
    TRY(h5file_open(&file, t->file, KIND_RESULTS));
    int status = h5file_read(file, "score", H5_F64, t->first[split], n, *scores);
    h5file_close(file);
    return status;
}

/* ---- writing ---- */
static int put(struct h5file *file, const char *name, enum h5type type, int64_t n, int64_t cols, const void *data) {
    return h5file_write(file, name, type, n, cols, 0, n, data, 1);
}

static int put_texts(struct h5file *file, const struct results *r, int column) {
    int64_t most = 1;
    char *texts;
    for (int64_t i = 0; i < r->n; i++) {
        const char *text = pointer(&r->trials[i], TEXTS[column].offset);
        if (text && (int64_t)strlen(text) >= most) most = (int64_t)strlen(text) + 1;
    }
    TRY(mem_alloc(&texts, r->n, most));
    for (int64_t i = 0; i < r->n; i++) {
        const char *text = pointer(&r->trials[i], TEXTS[column].offset);
        if (text) strcpy(texts + i * most, text);
    }
    int status = put(file, TEXTS[column].name, H5_TEXT, r->n, most, texts);
    free(texts);
    return status;
}

static int put_numbers(struct h5file *file, const struct results *r, int column) {
    int64_t *values;
    TRY(mem_alloc(&values, r->n, sizeof *values));
    for (int64_t i = 0; i < r->n; i++)
        memcpy(&values[i], member(&r->trials[i], NUMBERS[column].offset), sizeof *values);
    int status = put(file, NUMBERS[column].name, NUMBERS[column].type, r->n, 1, values);
    free(values);
    return status;
}

/* Pieces of `size` bytes a row, one behind the other, with where each begins. */
struct joined {
    int64_t n, *offsets;
    char *rows;
};

static void joined_free(struct joined *j) {
    free(j->offsets);
    free(j->rows);
}

static int joined_make(struct joined *j, int64_t n_pieces, size_t size, const int64_t *count, const void *const *from) {
    *j = (struct joined){0};
    TRY(mem_alloc(&j->offsets, n_pieces + 1, sizeof *j->offsets));
    for (int64_t i = 0; i < n_pieces; i++) j->offsets[i + 1] = j->offsets[i] + count[i];
    j->n = j->offsets[n_pieces];
    TRY(mem_alloc(&j->rows, j->n, (long long)size));
    for (int64_t i = 0; i < n_pieces; i++)
        if (count[i]) memcpy(j->rows + (size_t)j->offsets[i] * size, from[i], (size_t)count[i] * size);
    return STATUS_OK;
}

/* offsets NULL: they are not written. */
static int put_joined(struct h5file *file, const char *offsets, const char *name, enum h5type type, size_t size,
                      int64_t n_pieces, const int64_t *count, const void *const *from) {
    struct joined j;
    int status = joined_make(&j, n_pieces, size, count, from);
    if (status == STATUS_OK && offsets) status = put(file, offsets, H5_I64, n_pieces + 1, 1, j.offsets);
    if (status == STATUS_OK) status = put(file, name, type, j.n, 1, j.rows);
    joined_free(&j);
    return status;
}

static int put_curves(struct h5file *file, const struct results *r) {
    int64_t *count = NULL;
    const void **from = NULL;
    int status;
    TRY_DONE(mem_alloc(&count, r->n, sizeof *count));
    TRY_DONE(mem_alloc(&from, r->n, sizeof *from));
    for (int64_t i = 0; i < r->n; i++) count[i] = r->trials[i].n_curve;
    for (int64_t i = 0; i < r->n; i++) from[i] = r->trials[i].curve_step;
    TRY_DONE(put_joined(file, "curve_offsets", "curve_step", H5_I64, sizeof(int64_t), r->n, count, from));
    for (int64_t i = 0; i < r->n; i++) from[i] = r->trials[i].curve_precision;
    status = put_joined(file, NULL, "curve_average_precision", H5_F64, sizeof(double), r->n, count, from);
done:
    free(count);
    free(from);
    return status;
}

/* Of trial i / N_RESULT_SPLITS, split i % N_RESULT_SPLITS, from row offsets[i] on. */
static int put_score_rows(struct h5file *file, const struct results *r, const int64_t *offsets) {
    int64_t n = N_RESULT_SPLITS * r->n;
    struct h5dataset *to;
    TRY(h5dataset_create(&to, file, "score", H5_F64, offsets[n], 1, 0, 0, 1));
    int status = STATUS_OK;
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) {
        double *scores = NULL;
        if (offsets[i + 1] == offsets[i]) continue;
        status =
            result_scores_read(r, &r->trials[i / N_RESULT_SPLITS], (enum result_split)(i % N_RESULT_SPLITS), &scores);
        if (status == STATUS_OK) status = h5dataset_write(to, offsets[i], offsets[i + 1] - offsets[i], scores);
        free(scores);
    }
    if (status == STATUS_OK) return h5dataset_close(to);
    h5dataset_abandon(to);
    return status;
}

static int put_scores(struct h5file *file, const struct results *r) {
    int64_t n = N_RESULT_SPLITS * r->n, *offsets = NULL, *list = NULL;
    int status;
    TRY_DONE(mem_alloc(&offsets, n + 1, sizeof *offsets));
    TRY_DONE(mem_alloc(&list, n, sizeof *list));
    for (int64_t i = 0; i < n; i++) {
        const struct result *t = &r->trials[i / N_RESULT_SPLITS];
        list[i] = t->list[i % N_RESULT_SPLITS];
        offsets[i + 1] = offsets[i] + n_scores(r, t, (int)(i % N_RESULT_SPLITS));
    }
    TRY_DONE(put(file, "trial_samples", H5_I64, r->n, N_RESULT_SPLITS, list));
    TRY_DONE(put(file, "score_offsets", H5_I64, n + 1, 1, offsets));
    status = put_score_rows(file, r, offsets);
done:
    free(offsets);
    free(list);
    return status;
}

static int put_trials(struct h5file *file, const struct results *r) {
    for (int c = 0; c < N_TEXTS; c++) TRY(put_texts(file, r, c));
    for (int c = 0; c < N_NUMBERS; c++) TRY(put_numbers(file, r, c));
    TRY(put_curves(file, r));
    return put_scores(file, r);
}

/* Where the classes of each sample begin among those of all lists. */
static int put_sets(struct h5file *file, const struct results *r, int64_t *count, const void **from) {
    int64_t n = 0, at = 0, base = 0, *offsets;
    for (int64_t i = 0; i < r->n_lists; i++) n += r->lists[i]->n;
    TRY(mem_alloc(&offsets, n + 1, sizeof *offsets));
    for (int64_t i = 0; i < r->n_lists; i++) {
        const struct result_samples *s = r->lists[i];
        for (int64_t k = 0; k < s->n; k++) offsets[at++] = base + s->set_offsets[k];
        count[i] = s->set_offsets[s->n];
        base += count[i];
        from[i] = s->set;
    }
    offsets[n] = base;
    int status = put(file, "set_offsets", H5_I64, n + 1, 1, offsets);
    free(offsets);
    return status == STATUS_OK ? put_joined(file, NULL, "set", H5_I32, sizeof(int32_t), r->n_lists, count, from)
                               : status;
}

static int put_lists(struct h5file *file, const struct results *r) {
    int64_t *count = NULL;
    int32_t *facts = NULL;
    const void **from = NULL;
    int status;
    TRY_DONE(mem_alloc(&count, r->n_lists, sizeof *count));
    TRY_DONE(mem_alloc(&facts, r->n_lists, sizeof *facts));
    TRY_DONE(mem_alloc(&from, r->n_lists, sizeof *from));
    for (int64_t i = 0; i < r->n_lists; i++) facts[i] = (int32_t)r->lists[i]->form;
    TRY_DONE(put(file, "list_form", H5_I32, r->n_lists, 1, facts));
    for (int64_t i = 0; i < r->n_lists; i++) facts[i] = r->lists[i]->n_classes;
    TRY_DONE(put(file, "list_classes", H5_I32, r->n_lists, 1, facts));
    for (int64_t i = 0; i < r->n_lists; i++) count[i] = r->lists[i]->n;
    for (int c = 0; c < N_SAMPLE_COLUMNS; c++) {
        for (int64_t i = 0; i < r->n_lists; i++) from[i] = pointer(r->lists[i], SAMPLES[c].offset);
        TRY_DONE(put_joined(file, c ? NULL : "list_offsets", SAMPLES[c].name, SAMPLES[c].type, SAMPLES[c].size,
                            r->n_lists, count, from));
    }
    status = put_sets(file, r, count, from);
done:
    free(count);
    free(facts);
    free(from);
    return status;
}

int results_write(const struct results *r, const char *path, const struct provenance *provenance) {
    struct comm self = comm_self();
    struct h5file *file;
    TRY(h5file_create(&file, &self, path, KIND_RESULTS, provenance, 0));
    int status = put_trials(file, r);
    if (status == STATUS_OK) status = put_lists(file, r);
    if (status == STATUS_OK) return h5file_commit(file);
    h5file_abandon(file);
    return status;
}

/* ---- reading ---- */
/* All rows of a dataset of one column; *n: how many; -1: any number. The caller frees. */
static int get(struct h5file *file, const char *name, enum h5type type, size_t size, int64_t *n, void *data) {
    int64_t rows, cols;
    *(void **)data = NULL;
    TRY(h5file_shape(file, name, type, &rows, &cols));
    if (*n < 0) *n = rows;
    if (rows != *n)
        return status_set(STATUS_FAILED, "%s: %s has %lld rows, not %lld: the file is damaged", h5file_path(file), name,
                          (long long)rows, (long long)*n);
    TRY(mem_alloc(data, rows * cols, (long long)size));
    return h5file_read(file, name, type, 0, rows, *(void **)data);
}

/* Offsets [n + 1] that ascend from 0; *end: the last. */
static int get_offsets(struct h5file *file, const char *name, int64_t n, int64_t **offsets, int64_t *end) {
    int64_t rows = n + 1;
    TRY(get(file, name, H5_I64, sizeof **offsets, &rows, offsets));
    for (int64_t i = 0; i <= n; i++)
        if ((*offsets)[i] < (i ? (*offsets)[i - 1] : 0) || (*offsets)[0] != 0)
            return status_set(STATUS_FAILED, "%s: %s does not ascend from 0: the file is damaged", h5file_path(file),
                              name);
    *end = (*offsets)[n];
    return STATUS_OK;
}

static int copy(void *to, const void *from, int64_t n, size_t size) {
    TRY(mem_alloc(to, n, (long long)size));
    if (n) memcpy(*(void **)to, from, (size_t)n * size);
    return STATUS_OK;
}

static int get_text(struct h5file *file, int column, int64_t n, struct result *trials) {
    int64_t rows, cols;
    char *texts = NULL;
    TRY(h5file_shape(file, TEXTS[column].name, H5_TEXT, &rows, &cols));
    int status = get(file, TEXTS[column].name, H5_TEXT, 1, &n, &texts);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) {
        char **text = member(&trials[i], TEXTS[column].offset);
        *text = strndup(texts + i * cols, (size_t)cols);
        if (!*text) status = status_set(STATUS_FAILED, "out of memory");
    }
    free(texts);
    return status;
}

static int get_number(struct h5file *file, int column, int64_t n, struct result *trials) {
    int64_t *values = NULL;
    int status = get(file, NUMBERS[column].name, NUMBERS[column].type, sizeof *values, &n, &values);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++)
        memcpy(member(&trials[i], NUMBERS[column].offset), &values[i], sizeof *values);
    free(values);
    return status;
}

static int get_curves(struct h5file *file, int64_t n, struct result *trials) {
    int64_t *offsets = NULL, *step = NULL, end;
    double *precision = NULL;
    int status;
    TRY_DONE(get_offsets(file, "curve_offsets", n, &offsets, &end));
    TRY_DONE(get(file, "curve_step", H5_I64, sizeof *step, &end, &step));
    TRY_DONE(get(file, "curve_average_precision", H5_F64, sizeof *precision, &end, &precision));
    for (int64_t i = 0; i < n; i++) {
        trials[i].n_curve = offsets[i + 1] - offsets[i];
        TRY_DONE(copy(&trials[i].curve_step, step + offsets[i], trials[i].n_curve, sizeof *step));
        TRY_DONE(copy(&trials[i].curve_precision, precision + offsets[i], trials[i].n_curve, sizeof *precision));
    }
done:
    free(offsets);
    free(step);
    free(precision);
    return status;
}

/* Where the scores are. */
static int find_scores(struct h5file *file, int64_t n, struct result *trials, int64_t n_lists,
                       struct result_samples *const *lists) {
    int64_t *offsets = NULL, *list = NULL, end;
    int status;
    TRY_DONE(get(file, "trial_samples", H5_I64, sizeof *list, &n, &list));
    TRY_DONE(get_offsets(file, "score_offsets", N_RESULT_SPLITS * n, &offsets, &end));
    for (int64_t i = 0; i < N_RESULT_SPLITS * n; i++) {
        struct result *t = &trials[i / N_RESULT_SPLITS];
        int64_t count = offsets[i + 1] - offsets[i];
        t->list[i % N_RESULT_SPLITS] = list[i];
        t->first[i % N_RESULT_SPLITS] = offsets[i];
        if (list[i] < 0) continue;
        if (list[i] >= n_lists || count != lists[list[i]]->n * outputs_of(lists[list[i]])) {
            status = status_set(STATUS_FAILED, "%s: the scores of %s do not fit its samples: the file is damaged",
                                h5file_path(file), t->name);
            goto done;
        }
    }
done:
    free(offsets);
    free(list);
    return status;
}

static int get_trials(struct h5file *file, int64_t *n, struct result **trials, int64_t n_lists,
                      struct result_samples *const *lists) {
    int64_t cols;
    TRY(h5file_shape(file, "trial_name", H5_TEXT, n, &cols));
    TRY(mem_alloc(trials, *n, sizeof **trials));
    for (int c = 0; c < N_TEXTS; c++) TRY(get_text(file, c, *n, *trials));
    for (int c = 0; c < N_NUMBERS; c++) TRY(get_number(file, c, *n, *trials));
    TRY(get_curves(file, *n, *trials));
    for (int64_t i = 0; i < *n; i++)
        if (!((*trials)[i].file = strdup(h5file_path(file)))) return status_set(STATUS_FAILED, "out of memory");
    return find_scores(file, *n, *trials, n_lists, lists);
}

/* ---- lists ---- */
static int get_list_column(struct h5file *file, int column, int64_t n, const int64_t *offsets,
                           struct result_samples **lists) {
    int64_t rows = offsets[n];
    char *all = NULL;
    int status = get(file, SAMPLES[column].name, SAMPLES[column].type, SAMPLES[column].size, &rows, &all);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++)
        status = copy(member(lists[i], SAMPLES[column].offset), all + (size_t)offsets[i] * SAMPLES[column].size,
                      offsets[i + 1] - offsets[i], SAMPLES[column].size);
    free(all);
    return status;
}

static int get_sets(struct h5file *file, int64_t n, const int64_t *offsets, struct result_samples **lists) {
    int64_t *begins = NULL, end;
    int32_t *set = NULL;
    int status;
    TRY_DONE(get_offsets(file, "set_offsets", offsets[n], &begins, &end));
    TRY_DONE(get(file, "set", H5_I32, sizeof *set, &end, &set));
    for (int64_t i = 0; i < n; i++) {
        struct result_samples *s = lists[i];
        const int64_t *of_list = begins + offsets[i];
        TRY_DONE(copy(&s->set_offsets, of_list, s->n + 1, sizeof *begins));
        for (int64_t k = 0; k <= s->n; k++) s->set_offsets[k] -= of_list[0];
        TRY_DONE(copy(&s->set, set + of_list[0], s->set_offsets[s->n], sizeof *set));
        for (int64_t k = 0; k < s->set_offsets[s->n]; k++)
            if (s->set[k] < 0 || s->set[k] >= s->n_classes)
                status = status_set(STATUS_FAILED, "%s: there is no class %d: the file is damaged", h5file_path(file),
                                    s->set[k]);
        if (status != STATUS_OK) break;
    }
done:
    free(begins);
    free(set);
    return status;
}

static int check_labels(struct h5file *file, const struct result_samples *s) {
    for (int64_t i = 0; i < s->n && s->form != LABEL_SET; i++)
        if (s->label[i] < 0 || s->label[i] >= s->n_classes)
            return status_set(STATUS_FAILED, "%s: a label is %d, of %d classes: the file is damaged", h5file_path(file),
                              s->label[i], s->n_classes);
    return STATUS_OK;
}

static int get_lists(struct h5file *file, int64_t *n, struct result_samples ***lists) {
    int64_t *offsets = NULL, end;
    int32_t *form = NULL, *classes = NULL;
    int status;
    *n = -1;
    TRY_DONE(get(file, "list_form", H5_I32, sizeof *form, n, &form));
    TRY_DONE(get(file, "list_classes", H5_I32, sizeof *classes, n, &classes));
    TRY_DONE(get_offsets(file, "list_offsets", *n, &offsets, &end));
    TRY_DONE(mem_alloc(lists, *n, sizeof(struct result_samples *)));
    for (int64_t i = 0; i < *n; i++) {
        TRY_DONE(mem_alloc(&(*lists)[i], 1, sizeof(struct result_samples)));
        (*lists)[i]->form = (enum label_form)form[i];
        (*lists)[i]->n_classes = classes[i];
        (*lists)[i]->n = offsets[i + 1] - offsets[i];
    }
    for (int c = 0; c < N_SAMPLE_COLUMNS; c++) TRY_DONE(get_list_column(file, c, *n, offsets, *lists));
    TRY_DONE(get_sets(file, *n, offsets, *lists));
    for (int64_t i = 0; i < *n; i++) TRY_DONE(check_labels(file, (*lists)[i]));
done:
    free(offsets);
    free(form);
    free(classes);
    return status;
}

/* Moves what was read into the results. */
static int merge(struct results *r, int64_t n, struct result *trials, int64_t n_lists, struct result_samples **lists) {
    int64_t *list;
    int status = mem_alloc(&list, n_lists, sizeof *list);
    for (int64_t i = 0; i < n_lists && status == STATUS_OK; i++) {
        status = results_take_samples(r, lists[i], &list[i]);
        lists[i] = NULL;
    }
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) {
        for (int s = 0; s < N_RESULT_SPLITS; s++)
            if (trials[i].list[s] >= 0) trials[i].list[s] = list[trials[i].list[s]];
        status = results_add(r, &trials[i]);
    }
    free(list);
    return status;
}

int results_read(struct results *r, const char *path) {
    struct h5file *file;
    struct result *trials = NULL;
    struct result_samples **lists = NULL;
    int64_t n = 0, n_lists = 0;
    TRY(h5file_open(&file, path, KIND_RESULTS));
    int status = get_lists(file, &n_lists, &lists);
    if (status == STATUS_OK) status = get_trials(file, &n, &trials, n_lists, lists);
    h5file_close(file);
    if (status == STATUS_OK) status = merge(r, n, trials, n_lists, lists);
    for (int64_t i = 0; trials && i < n; i++) result_free(&trials[i]);
    for (int64_t i = 0; lists && i < n_lists; i++) result_samples_free(lists[i]);
    free(trials);
    free(lists);
    return status;
}
