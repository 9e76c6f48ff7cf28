/* Baselines on 1, 2 and 3 ranks: logistic regressions equal scikit-learn's (tests/golden/make_logistic_golden.py), gradients equal
 * differences, training sets are nested, rows are what histories say by hand, and nothing depends on the number of ranks. */
#include <math.h>

#include "ehr/baselines/experiment.h"
#include "fit/logistic.h"
#include "made_cohort.h"
#include "mpi_check.h"
#include "store/vocabulary.h"

#define GOLDEN "tests/golden/baselines/logistic.txt"

#define NEED(condition)                                                                                                \
    do {                                                                                                               \
        CHECK(condition);                                                                                              \
        if (faults) return;                                                                                            \
    } while (0)

struct world {
    const struct comm *comm;
    char folder[PATH_MAX];
};

/* ---- golden fits ---- */
struct golden {
    char name[64];
    int64_t n, n_columns;
    int n_classes;
    double strength, objective;
    int32_t *label;
    struct chosen_row *chosen;
    struct sparse_rows rows; /* all */
    double *weights;         /* [columns + 1, outputs] */
};

static int outputs_of(int n_classes) { return n_classes > 2 ? n_classes : 1; }

static int read_golden(FILE *in, struct golden *g) {
    long long n, columns;
    int32_t column[256];
    float value[256];
    *g = (struct golden){.name = ""};
    if (fscanf(in, " case %63s %lld %lld %d %lf", g->name, &n, &columns, &g->n_classes, &g->strength) != 5) return 0;
    g->n = n;
    g->n_columns = columns;
    int64_t n_weights = (columns + 1) * outputs_of(g->n_classes);
    CHECK(mem_alloc(&g->label, n, sizeof *g->label) == STATUS_OK);
    CHECK(mem_alloc(&g->chosen, n, sizeof *g->chosen) == STATUS_OK);
    CHECK(mem_alloc(&g->weights, n_weights, sizeof *g->weights) == STATUS_OK);
    int read = 0, wanted = 0;
    for (int64_t i = 0; i < n; i++) {
        int entries = 0;
        g->chosen[i].sample = i;
        read += fscanf(in, "%d %lf %d", &g->label[i], &g->chosen[i].weight, &entries);
        for (int e = 0; e < entries && e < 256; e++) read += fscanf(in, "%d %f", &column[e], &value[e]);
        wanted += 3 + 2 * entries;
        CHECK(sparse_rows_add(&g->rows, entries, column, value) == STATUS_OK);
    }
    read += fscanf(in, " objective %lf", &g->objective);
    for (int64_t i = 0; i < n_weights; i++) read += fscanf(in, "%lf", &g->weights[i]);
    CHECK(read == wanted + 1 + n_weights);
    return 1;
}

static void golden_free(struct golden *g) {
    free(g->label);
    free(g->chosen);
    free(g->weights);
    sparse_rows_free(&g->rows);
}

/* A share of the rows for each rank of comm. */
static int make_design(struct design *d, const struct comm *comm, const struct golden *g, struct sparse_rows *own,
                       int64_t min_count) {
    int64_t first = g->n * comm->rank / comm->size, end = g->n * (comm->rank + 1) / comm->size;
    struct design_source source = {.rows = own, .first = first, .n_columns = g->n_columns, .label = g->label};
    *own = (struct sparse_rows){0};
    for (int64_t i = first; i < end; i++) {
        int64_t at = g->rows.offsets[i];
        TRY(sparse_rows_add(own, g->rows.offsets[i + 1] - at, g->rows.column + at, g->rows.value + at));
    }
    return design_make(d, comm, 2, &source, g->n, g->chosen, min_count);
}

/* The mean of the intercepts, which softmax does not tell. */
static double mean_intercept(const double *weights, int64_t n_columns, int n) {
    double sum = 0;
    for (int k = 0; k < n; k++) sum += weights[n_columns * n + k];
    return n > 1 ? sum / n : 0;
}

/* 2e-5: no weight is farther from its optimum than the gradient is long (1e-5), and the golden ones have 12 digits. */
static void check_fit(const struct golden *g, const struct logistic *l, const struct design *d) {
    int n = outputs_of(g->n_classes);
    double most = 0, shift = mean_intercept(l->weights, l->n_columns, n) - mean_intercept(g->weights, g->n_columns, n);
    for (int64_t j = 0; j <= d->n_columns; j++) {
        int64_t column = j < d->n_columns ? d->column_of[j] : g->n_columns;
        for (int k = 0; k < n; k++) {
            double off = l->weights[j * n + k] - g->weights[column * n + k] - (j == d->n_columns ? shift : 0);
            most = fmax(most, fabs(off));
        }
    }
    if (!(most < 2e-5)) fprintf(stderr, "%s: a weight is %g off\n", g->name, most);
    CHECK(most < 2e-5);
    CHECK(l->converged && fabs(l->objective - g->objective) <= 1e-9 * g->objective);
}

static const struct logistic_options USUAL = {.tolerance = 1e-5, .iterations = 2000};

static void a_logistic_regression_equals_scikit_learns(const struct world *w) {
    FILE *in = fopen(GOLDEN, "r");
    struct golden g;
    int n = 0;
    NEED(in != NULL);
    for (; read_golden(in, &g); n++) {
        struct sparse_rows own;
        struct design d;
        struct logistic l;
        struct logistic_options o = USUAL;
        o.strength = g.strength;
        NEED(make_design(&d, w->comm, &g, &own, 1) == STATUS_OK);
        NEED(logistic_make(&l, d.n_columns, outputs_of(g.n_classes)) == STATUS_OK);
        NEED(logistic_fit(&l, &d, &o) == STATUS_OK);
        check_fit(&g, &l, &d);
        logistic_free(&l);
        design_free(&d);
        sparse_rows_free(&own);
        golden_free(&g);
    }
    CHECK(n == 6);
    fclose(in);
}

/* The golden case of that number. */
static void read_case(struct golden *g, int number) {
    FILE *in = fopen(GOLDEN, "r");
    NEED(in != NULL);
    for (int i = 0; i <= number; i++) {
        if (i > 0) golden_free(g);
        NEED(read_golden(in, g));
    }
    fclose(in);
}

/* Central differences of the objective, with steps of 1e-4: errors of 1e-8 times the third derivative. */
static void check_differences(const struct world *w, const struct golden *g) {
    static const double STEP = 1e-4;
    struct sparse_rows own;
    struct design d;
    struct logistic l;
    double objective[2], *gradient, *other;
    NEED(make_design(&d, w->comm, g, &own, 1) == STATUS_OK);
    NEED(logistic_make(&l, d.n_columns, outputs_of(g->n_classes)) == STATUS_OK);
    int64_t n = (d.n_columns + 1) * l.n_outputs;
    NEED(mem_alloc(&gradient, n, sizeof *gradient) == STATUS_OK && mem_alloc(&other, n, sizeof *other) == STATUS_OK);
    for (int64_t j = 0; j < n; j++) l.weights[j] = 0.3 * sin((double)j);
    NEED(logistic_objective(&l, &d, g->strength, objective, gradient) == STATUS_OK);
    for (int64_t j = 0; j < n; j += j + 5 < n ? 5 : 1) {
        double at = l.weights[j];
        for (int k = 0; k < 2; k++) {
            l.weights[j] = at + (k ? -STEP : STEP);
            NEED(logistic_objective(&l, &d, g->strength, &objective[k], other) == STATUS_OK);
        }
        l.weights[j] = at;
        double difference = (objective[0] - objective[1]) / (2 * STEP);
        CHECK(fabs(difference - gradient[j]) < 1e-6 * fmax(1, fabs(gradient[j])));
    }
    free(gradient);
    free(other);
    logistic_free(&l);
    design_free(&d);
    sparse_rows_free(&own);
}

static void the_gradient_is_that_of_differences(const struct world *w) {
    static const int CASES[] = {0, 4}; /* two classes, three */
    for (int i = 0; i < 2; i++) {
        struct golden g;
        read_case(&g, CASES[i]);
        check_differences(w, &g);
        golden_free(&g);
    }
}

static void a_fit_is_the_same_bit_for_bit_on_any_number_of_ranks(const struct world *w) {
    struct comm self = comm_self();
    const struct comm *comms[] = {&self, w->comm};
    struct golden g;
    struct logistic l[2];
    read_case(&g, 4);
    for (int k = 0; k < 2; k++) {
        struct sparse_rows own;
        struct design d;
        struct logistic_options o = USUAL;
        o.strength = g.strength;
        NEED(make_design(&d, comms[k], &g, &own, 2) == STATUS_OK); /* without the rarest columns */
        NEED(logistic_make(&l[k], d.n_columns, outputs_of(g.n_classes)) == STATUS_OK);
        NEED(logistic_fit(&l[k], &d, &o) == STATUS_OK);
        design_free(&d);
        sparse_rows_free(&own);
    }
    CHECK(l[0].n_columns == l[1].n_columns && l[0].n_columns < g.n_columns && l[0].n_iterations > 5);
    CHECK(memcmp(l[0].weights, l[1].weights, (size_t)((l[0].n_columns + 1) * 3) * sizeof *l[0].weights) == 0);
    for (int k = 0; k < 2; k++) logistic_free(&l[k]);
    golden_free(&g);
}

/* ---- training sets ---- */
enum { SAMPLES = 600, CLASSES = 3 };

static void make_list(uint8_t *split, int32_t *label, struct sample_list *list) {
    for (int i = 0; i < SAMPLES; i++) {
        split[i] = (uint8_t)(i % 10 < 6 ? SPLIT_TRAIN : i % 10 < 8 ? SPLIT_TUNING : SPLIT_HELD_OUT);
        label[i] = i % 40 == 0 ? 2 : i * 7 % 13 == 0; /* the last class is rare: 15 samples, all of train */
    }
    for (int i = 6; i < 40; i += 40) label[i] = 2; /* and one of tuning */
    *list = (struct sample_list){.n = SAMPLES, .n_classes = CLASSES, .split = split, .label = label};
}

/* How often each sample is in it. */
static void count_rows(const struct training_set *set, int split, double count[SAMPLES]) {
    for (int i = 0; i < SAMPLES; i++) count[i] = 0;
    for (int64_t i = 0; i < set->n[split]; i++) {
        CHECK(i == 0 || set->rows[split][i].sample > set->rows[split][i - 1].sample);
        count[set->rows[split][i].sample] += set->rows[split][i].weight;
    }
}

static void few_shot_sets_are_nested_and_topped_up(const struct world *w) {
    static const int64_t SHOTS[] = {1, 2, 4, 8, 12, 16, 24, 32, 48};
    uint8_t split[SAMPLES];
    int32_t label[SAMPLES];
    struct sample_list list;
    double count[N_SPLITS][SAMPLES], before[N_SPLITS][SAMPLES] = {{0}};
    (void)w;
    make_list(split, label, &list);
    for (size_t k = 0; k < sizeof SHOTS / sizeof *SHOTS; k++) {
        struct training_set set;
        NEED(training_set_draw(&set, &list, TRAINING_SHOTS, SHOTS[k], 5, 1) == STATUS_OK);
        for (int s = SPLIT_TRAIN; s <= SPLIT_TUNING; s++) {
            double of_class[CLASSES] = {0}, most[CLASSES] = {0};
            count_rows(&set, s, count[s]);
            for (int i = 0; i < SAMPLES; i++) {
                CHECK(count[s][i] >= before[s][i] && (count[s][i] == 0 || split[i] == s));
                of_class[label[i]] += count[s][i];
                most[label[i]] = fmax(most[label[i]], count[s][i]);
            }
            for (int c = 0; c < CLASSES; c++) CHECK(of_class[c] == (double)SHOTS[k]);
            CHECK(most[0] <= 1); /* class 0 has enough */
            CHECK((most[2] > 1) == (SHOTS[k] > (s == SPLIT_TRAIN ? 15 : 1)));
        }
        memcpy(before, count, sizeof before);
        training_set_free(&set);
    }
}

static void draws_differ_and_curves_are_nested(const struct world *w) {
    uint8_t split[SAMPLES];
    int32_t label[SAMPLES];
    struct sample_list list;
    struct training_set a, b, c, all;
    double in_a[SAMPLES], in_b[SAMPLES], in_c[SAMPLES];
    int same = 1;
    (void)w;
    make_list(split, label, &list);
    NEED(training_set_draw(&a, &list, TRAINING_ROWS, 50, 5, 0) == STATUS_OK);
    NEED(training_set_draw(&b, &list, TRAINING_ROWS, 200, 5, 0) == STATUS_OK);
    NEED(training_set_draw(&c, &list, TRAINING_ROWS, 50, 5, 1) == STATUS_OK);
    NEED(training_set_draw(&all, &list, TRAINING_ROWS, 100000, 5, 1) == STATUS_OK);
    count_rows(&a, SPLIT_TRAIN, in_a);
    count_rows(&b, SPLIT_TRAIN, in_b);
    count_rows(&c, SPLIT_TRAIN, in_c);
    for (int i = 0; i < SAMPLES; i++) {
        CHECK(in_a[i] <= in_b[i] && in_b[i] <= (split[i] == SPLIT_TRAIN));
        same &= in_a[i] == in_c[i];
    }
    CHECK(!same && a.n[SPLIT_TRAIN] == 50 && b.n[SPLIT_TRAIN] == 200 && all.n[SPLIT_TRAIN] == SAMPLES * 6 / 10);
    CHECK(a.n[SPLIT_TUNING] == SAMPLES * 2 / 10); /* tuning is whole */
    training_set_free(&a);
    training_set_free(&b);
    training_set_free(&c);
    training_set_free(&all);
}

/* ---- a cohort whose rows are known ---- */
/* Subjects by number: split, sex, age in years, the codes known at the prediction time, label. Letters are those of CODES below. */
static const struct made_subject {
    int split;
    const char *codes;
    double years;
    int label;
} MADE[] = {
    {SPLIT_TRAIN, "faab", 64.5, 1}, {SPLIT_TRAIN, "mb", 30.25, 0},  {SPLIT_TRAIN, "fa", 101, 1},
    {SPLIT_TRAIN, "b", 9.9, 0},     {SPLIT_TUNING, "mab", 50, 1},   {SPLIT_TUNING, "fb", 51, 0},
    {SPLIT_HELD_OUT, "fc", 52, 1},  {SPLIT_HELD_OUT, "mbb", 53, 0}, {SPLIT_HELD_OUT, "m", 54, 0},
    {SPLIT_HELD_OUT, "cb", 55, 0},
};
enum { N_MADE = sizeof MADE / sizeof *MADE, MADE_CODES = 8, CODE_BYTES = 40, MOST_MADE = 8 };

/* In the order of the cohort: a, b, c of the strings above, then others. With `later` other codes stand between them. */
static const char *const CODES[MADE_CODES] = {"DIAGNOSIS//ICD//10//E1165", /* c: train has it not */
                                              "DIAGNOSIS//ICD//10//E119",  /* a */
                                              "DIAGNOSIS//ICD//10//E12",   /* behind all prediction times */
                                              "DIAGNOSIS//ICD//10//I10",   /* b */
                                              "GENDER//F",
                                              "GENDER//M",
                                              "MEDS_BIRTH",
                                              "X//later"}; /* behind all prediction times */

static int code_of(char letter) {
    return letter == 'c' ? 0 : letter == 'a' ? 1 : letter == 'b' ? 3 : letter == 'f' ? 4 : 5;
}

static const int64_t DAY = (int64_t)86400 * 1000000;

/* The same samples with labels of each form: one of three classes, 0 or 1, a set of two classes. */
enum { TASK_CLASS, TASK_BINARY, TASK_SET, N_TASKS };

struct made_arrays {
    char code[MADE_CODES][CODE_BYTES], task[N_TASKS][8], class_name[5][8];
    int64_t count[MADE_CODES], subject[N_MADE], birth[N_MADE], offsets[N_MADE + 1], task_offsets[N_TASKS + 1],
        class_offsets[N_TASKS + 1], sample_time[N_TASKS * N_MADE], sample_set[N_TASKS * N_MADE + 1];
    uint8_t split[N_MADE];
    uint8_t form[N_TASKS];
    int32_t label[N_TASKS * N_MADE], sample_subject[N_TASKS * N_MADE], event_code[N_MADE * MOST_MADE];
    int32_t n_classes[N_TASKS], set[2 * N_MADE];
    int64_t time[N_MADE * MOST_MADE];
    float value[N_MADE * MOST_MADE];
};

static void add_event(struct made_arrays *a, int64_t subject, int64_t time, int code) {
    int64_t at = a->offsets[subject + 1]++;
    a->time[at] = time;
    a->event_code[at] = code;
    a->value[at] = NAN;
    a->count[code]++;
}

static void make_subject(struct made_arrays *a, int64_t s, int later) {
    int64_t now = 365 * 50 * DAY + s;
    a->subject[s] = 10 + 3 * s;
    a->birth[s] = now - (int64_t)(MADE[s].years * 365.25 * (double)DAY);
    a->split[s] = (uint8_t)MADE[s].split;
    for (int t = 0; t < N_TASKS; t++) {
        a->sample_subject[t * N_MADE + s] = (int32_t)s;
        a->sample_time[t * N_MADE + s] = now;
    }
    a->offsets[s + 1] = a->offsets[s];
    for (const char *c = MADE[s].codes; *c; c++)
        if (strchr("fm", *c)) add_event(a, s, COHORT_NO_TIME, code_of(*c));
    add_event(a, s, a->birth[s], 6);
    int64_t left = (int64_t)strlen(MADE[s].codes);
    for (const char *c = MADE[s].codes; *c; c++, left--)
        if (!strchr("fm", *c)) add_event(a, s, now - (left - 1) * DAY, code_of(*c)); /* the last: inclusive */
    for (int i = 0; later && i < 3; i++) add_event(a, s, now + 1 + i, i == 0 ? 2 : i == 1 ? 7 : code_of('a'));
}

/* Class 2 is of those with E11, 1 of others with I10; the sets hold 0 for the one and 1 for the other. */
static void make_labels(struct made_arrays *a) {
    int64_t n = 0;
    for (int64_t s = 0; s < N_MADE; s++) {
        int diabetes = strpbrk(MADE[s].codes, "ac") != NULL, tension = strchr(MADE[s].codes, 'b') != NULL;
        a->label[TASK_CLASS * N_MADE + s] = diabetes ? 2 : tension;
        a->label[TASK_BINARY * N_MADE + s] = MADE[s].label;
        a->label[TASK_SET * N_MADE + s] = diabetes + tension;
        a->sample_set[TASK_SET * N_MADE + s] = n;
        if (diabetes) a->set[n++] = 0;
        if (tension) a->set[n++] = 1;
    }
    a->sample_set[N_TASKS * N_MADE] = n;
}

static int write_cohort(const char *path, int later) {
    static struct made_arrays a;
    struct provenance provenance = {.job = "cohort", .config = "", .inputs = strdup("")};
    a = (struct made_arrays){.task = {"class", "made", "set"},
                             .task_offsets = {0, N_MADE, 2 * N_MADE, 3 * N_MADE},
                             .form = {LABEL_CLASS, LABEL_BINARY, LABEL_SET},
                             .n_classes = {3, 2, 2},
                             .class_offsets = {0, 3, 3, 5},
                             .class_name = {"none", "i10", "e11", "e11", "i10"}};
    for (int i = 0; i < MADE_CODES; i++) snprintf(a.code[i], CODE_BYTES, "%s", CODES[i]);
    for (int64_t s = 0; s < N_MADE; s++) make_subject(&a, s, later);
    make_labels(&a);
    struct cohort_events events = {
        .n_subjects = N_MADE, .offsets = a.offsets, .time = a.time, .code = a.event_code, .value = a.value};
    struct cohort c = {.n_codes = MADE_CODES,
                       .code_bytes = CODE_BYTES,
                       .code = a.code[0],
                       .code_count = a.count,
                       .code_count_train = a.count,
                       .n_subjects = N_MADE,
                       .subject = a.subject,
                       .birth = a.birth,
                       .split = a.split,
                       .n_tasks = N_TASKS,
                       .task_form = a.form,
                       .task_classes = a.n_classes,
                       .class_bytes = sizeof a.class_name[0],
                       .class_offsets = a.class_offsets,
                       .class_name = a.class_name[0],
                       .sample_set = a.sample_set,
                       .set = a.set,
                       .task_bytes = sizeof a.task[0],
                       .task = a.task[0],
                       .task_offsets = a.task_offsets,
                       .sample_subject = a.sample_subject,
                       .sample_time = a.sample_time,
                       .sample_label = a.label,
                       .events = &events};
    provenance_finish(&provenance, KIND_COHORT);
    int status = made_cohort_write(path, &c, &provenance);
    provenance_free(&provenance);
    return status;
}

/* Descriptions of three codes; E11.65 has none of its own, E11.6 stands in. */
static int write_vocabulary(const char *path) {
    static char code[3][8] = {"E11.6", "E11.9", "I10"}, system[3][8] = {"ICD10CM", "ICD10CM", "ICD10CM"};
    static char text[] = "Diabetes, OTHER complicationsType-2 diabetesEssential hypertension";
    static int64_t offsets[] = {0, 29, 44, 66}, zero[4];
    static int32_t listed[3];
    struct comm self = comm_self();
    struct vocabulary v = {.n_codes = 3,
                           .n_codes_total = 3,
                           .code_bytes = 8,
                           .system_bytes = 8,
                           .relation_bytes = 1,
                           .code = code[0],
                           .system = system[0],
                           .description_offsets = offsets,
                           .description = text,
                           .n_listed = listed,
                           .node_offsets = zero,
                           .edge_offsets = zero};
    struct provenance provenance = {.job = "prepare", .config = "", .inputs = strdup("")};
    provenance_finish(&provenance, KIND_VOCABULARY);
    int status = vocabulary_write(&self, path, &v, &provenance);
    provenance_free(&provenance);
    return status;
}

/* Collective. Features of the made cohort. groups: up to five names. */
static int make_features(const struct world *w, const struct comm *comm, int later, enum baseline_values values,
                         struct string_list groups, struct features *f) {
    char cohort[2 * PATH_MAX], vocabulary[2 * PATH_MAX], task[] = "made";
    snprintf(cohort, sizeof cohort, "%s/cohort-%d.h5", w->folder, later);
    snprintf(vocabulary, sizeof vocabulary, "%s/vocabulary.h5", w->folder);
    struct baseline_options o = {.task = task, .values = values, .features = groups, .vocabulary = vocabulary};
    return features_make(f, comm, cohort, &o);
}

static char *ALL_GROUPS[] = {"age", "sex", "codes", "hierarchy", "words"};
static const struct string_list EVERYTHING = {5, ALL_GROUPS};

/* ---- what rows say ---- */
/* The value of a column by its name in a sample's row, if this rank has it; else `wanted`. */
static double value_of(const struct features *f, int64_t sample, const char *name, double wanted) {
    int64_t row = sample - f->first;
    int32_t column = dictionary_find(&f->columns.names, name, (int64_t)strlen(name));
    if (row < 0 || row >= f->rows.n) return wanted;
    for (int64_t e = f->rows.offsets[row]; column >= 0 && e < f->rows.offsets[row + 1]; e++)
        if (f->rows.column[e] == column) return (double)f->rows.value[e];
    return 0;
}

static int64_t entries_of(const struct features *f, int64_t sample, int64_t wanted) {
    int64_t row = sample - f->first;
    return row < 0 || row >= f->rows.n ? wanted : f->rows.offsets[row + 1] - f->rows.offsets[row];
}

static int has_column(const struct features *f, const char *name) {
    return dictionary_find(&f->columns.names, name, (int64_t)strlen(name)) >= 0;
}

static void rows_are_what_the_histories_say(const struct world *w) {
    struct features f;
    NEED(make_features(w, w->comm, 0, VALUES_COUNTS, EVERYTHING, &f) == STATUS_OK);
    /* age and 11 decades; 2 sexes; codes a, b; below E11; words type, diabetes, essential, hypertension (2 is too short) */
    static const int64_t FIRST[] = {0, 12, 14, 16, 17, 21};
    for (int g = 0; g <= N_FEATURE_GROUPS; g++) CHECK(f.columns.first[g] == FIRST[g]);
    CHECK(!has_column(&f, "code DIAGNOSIS//ICD//10//E1165") && !has_column(&f, "word other"));
#define VALUE(sample, name, wanted) CHECK(fabs(value_of(&f, sample, name, wanted) - (wanted)) < 1e-5)
    VALUE(0, "code DIAGNOSIS//ICD//10//E119", 2); /* twice */
    VALUE(0, "code DIAGNOSIS//ICD//10//I10", 1);
    VALUE(0, "below ICD10CM/E11", 2);
    VALUE(0, "word diabetes", 2);
    VALUE(0, "word hypertension", 1);
    VALUE(0, "sex female", 1);
    VALUE(0, "sex male", 0);
    VALUE(0, "age", 64.5);
    VALUE(0, "age 60 to 69", 1);
    CHECK(entries_of(&f, 0, 10) == 10); /* and type, essential */
    VALUE(2, "age 100 or more", 1);
    VALUE(3, "age 0 to 9", 1);
    CHECK(entries_of(&f, 3, 5) == 5); /* no sex; age, decade, I10, two words */
    VALUE(6, "below ICD10CM/E11", 1); /* a code that train has not: its ancestor's column, */
    VALUE(6, "word diabetes", 1);     /* and the words of E11.6 that are columns */
    CHECK(entries_of(&f, 6, 5) == 5);
    features_free(&f);
    NEED(make_features(w, w->comm, 0, VALUES_ONE_HOT, EVERYTHING, &f) == STATUS_OK);
    VALUE(0, "code DIAGNOSIS//ICD//10//E119", 1);
    VALUE(0, "below ICD10CM/E11", 1);
    VALUE(0, "age", 64.5);
#undef VALUE
    features_free(&f);
}

static void groups_that_are_not_asked_for_have_no_columns(const struct world *w) {
    struct features f;
    NEED(make_features(w, w->comm, 0, VALUES_ONE_HOT, (struct string_list){1, ALL_GROUPS + 3}, &f) == STATUS_OK);
    CHECK(features_n_columns(&f) == 1 && entries_of(&f, 0, 1) == 1 && entries_of(&f, 1, 0) == 0);
    features_free(&f);
    CHECK(make_features(w, w->comm, 0, VALUES_ONE_HOT, (struct string_list){0, NULL}, &f) == STATUS_OK);
    CHECK(features_n_columns(&f) == 16); /* codes, age, sex */
    features_free(&f);
}

static void events_after_the_prediction_time_change_no_row(const struct world *w) {
    struct features a, b;
    NEED(make_features(w, w->comm, 0, VALUES_COUNTS, EVERYTHING, &a) == STATUS_OK);
    NEED(make_features(w, w->comm, 1, VALUES_COUNTS, EVERYTHING, &b) == STATUS_OK);
    CHECK(a.rows.n == b.rows.n && features_n_columns(&a) == features_n_columns(&b));
    CHECK(a.columns.names.offsets[a.columns.names.n] == b.columns.names.offsets[b.columns.names.n]);
    CHECK(memcmp(a.columns.names.bytes, b.columns.names.bytes, (size_t)a.columns.names.offsets[a.columns.names.n]) ==
          0);
    if (a.rows.n && !faults) {
        size_t n = (size_t)a.rows.offsets[a.rows.n];
        CHECK(memcmp(a.rows.offsets, b.rows.offsets, (size_t)(a.rows.n + 1) * sizeof *a.rows.offsets) == 0);
        CHECK(memcmp(a.rows.column, b.rows.column, n * sizeof *a.rows.column) == 0);
        CHECK(memcmp(a.rows.value, b.rows.value, n * sizeof *a.rows.value) == 0);
    }
    features_free(&a);
    features_free(&b);
}

/* ---- a whole experiment ---- */
static void a_code_that_makes_the_label_is_found_and_unseen_codes_are_told(const struct world *w) {
    struct features f;
    struct experiment x = {0};
    char none[] = "", *all[] = {"1"}; /* few-shot, 1 of each class */
    struct baseline_options o = {.vocabulary = none,
                                 .xgboost = none,
                                 .min_count = 1,
                                 .tolerance = 1e-6,
                                 .iterations = 500,
                                 .replicates = 2,
                                 .shots = {1, all},
                                 .score = BASELINE_HELD_OUT};
    struct baseline_terms t = {.comm = w->comm, .options = &o, .features = &f, .threads = 1, .seed = 3};
    struct bootstrap b = {.comm = w->comm, .seed = 3, .resamples = 50, .threads = 1};
    NEED(make_features(w, w->comm, 0, VALUES_ONE_HOT, (struct string_list){2, ALL_GROUPS + 2}, &f) == STATUS_OK);
    NEED(baseline_terms_make(&t) == STATUS_OK);
    NEED(experiment_run(&x, &t, &b) == STATUS_OK);
    const struct baseline_trial *last = &x.trials[x.n - 1];
    CHECK(x.n == 3 && x.trials[0].n_rows == 2 && last->kind == TRAINING_ALL && last->n_rows == 4);
    CHECK(last->fitted.tuning == 1 && last->whole.n == 4 && last->whole.n_positive == 1);
    CHECK(last->whole.estimates[ESTIMATE_AVERAGE_PRECISION].value ==
          1); /* the label is E11, by a code that train has not */
    CHECK(last->unseen.n == 1 && last->unseen.n_positive == 1 && last->n_some_unseen == 2);
    CHECK(x.samples.n == 4 && x.samples.sample[0] == 6 && x.samples.subject[0] == 28);
    experiment_free(&x);
    baseline_terms_free(&t);
    features_free(&f);
}

/* Labels are a function of columns: each class is told, by one softmax or one regression a class, whatever train has of it. */
static void classes_and_sets_are_told(const struct world *w) {
    static char tasks[2][8] = {"class", "set"}, none[] = "", *strengths[] = {"10"};
    for (int k = 0; k < 2; k++) {
        struct features f;
        struct experiment x = {0};
        char cohort[2 * PATH_MAX];
        struct baseline_options o = {.task = tasks[k],
                                     .strengths = {1, strengths},
                                     .features = {2, ALL_GROUPS + 2},
                                     .vocabulary = none,
                                     .xgboost = none,
                                     .min_count = 1,
                                     .tolerance = 1e-6,
                                     .iterations = 500,
                                     .replicates = 1,
                                     .score = BASELINE_HELD_OUT};
        struct baseline_terms t = {.comm = w->comm, .options = &o, .features = &f, .threads = 1};
        struct bootstrap b = {.comm = w->comm, .resamples = 20, .threads = 1};
        snprintf(cohort, sizeof cohort, "%s/cohort-0.h5", w->folder);
        NEED(features_make(&f, w->comm, cohort, &o) == STATUS_OK);
        CHECK(f.form == (k ? LABEL_SET : LABEL_CLASS) && f.n_classes == (k ? 2 : 3));
        CHECK(strcmp(f.class_names.items[1], "i10") == 0 && features_has_class(&f, 0, k ? 0 : 2));
        CHECK(features_has_class(&f, 0, 1) == k && !features_has_class(&f, 8, 1));
        NEED(baseline_terms_make(&t) == STATUS_OK);
        NEED(experiment_run(&x, &t, &b) == STATUS_OK);
        const struct baseline_trial *last = &x.trials[x.n - 1];
        const double *p = x.samples.score; /* of subjects 6 to 9: "fc", "mbb", "m", "cb" */
        CHECK(x.samples.n == 4 && x.samples.n_outputs == f.n_classes && last->fitted.converged);
        if (k == 0) {
            for (int i = 0; i < 4; i++) CHECK(fabs(p[3 * i] + p[3 * i + 1] + p[3 * i + 2] - 1) < 1e-12);
            CHECK(p[2] > p[1] && p[3 + 1] > p[3 + 2] && p[9 + 2] > p[3 + 2]);
            CHECK(p[0] < 1e-3); /* no sample of train is of class 0 */
        } else {
            CHECK(p[0] > p[2] && p[0] > p[4] && p[6] > p[2] && p[3] > p[5] && p[7] > p[1]);
            CHECK(last->whole.estimates[CLASS_AVERAGE_PRECISION_MACRO].value == 1);
        }
        experiment_free(&x);
        baseline_terms_free(&t);
        features_free(&f);
    }
}

static void what_cannot_be_is_refused(const struct world *w) {
    struct features f;
    char *bad[] = {"code"}, none[] = "", *letters[] = {"1", "x"}, nowhere[] = "/nowhere/libxgboost.so";
    struct baseline_options o = {.features = {1, bad}, .task = none, .vocabulary = none, .xgboost = nowhere};
    struct baseline_terms t = {.comm = w->comm, .options = &o, .features = &f};
    unsigned groups;
    CHECK(feature_groups_parse(&o.features, &groups) == STATUS_USAGE && strstr(status_message(), "\"code\""));
    o.strengths = (struct string_list){2, letters};
    CHECK(baseline_terms_make(&t) == STATUS_USAGE && strstr(status_message(), "baseline.strengths has \"x\""));
    baseline_terms_free(&t);
    o.strengths.n = 0;
    o.model = BASELINE_TREES;
    t.options = &o;
    CHECK(baseline_terms_make(&t) == STATUS_FAILED && strstr(status_message(), "pip install xgboost"));
    baseline_terms_free(&t);
}

/* ---- main ---- */
static int make_world(struct world *w, const struct comm *comm) {
    char path[2 * PATH_MAX];
    int status = STATUS_OK;
    *w = (struct world){.comm = comm};
    TRY(make_folder(comm, "baselines", w->folder));
    for (int later = 0; later < 2 && comm->rank == 0 && status == STATUS_OK; later++) {
        snprintf(path, sizeof path, "%s/cohort-%d.h5", w->folder, later);
        status = write_cohort(path, later);
    }
    snprintf(path, sizeof path, "%s/vocabulary.h5", w->folder);
    if (comm->rank == 0 && status == STATUS_OK) status = write_vocabulary(path);
    return comm_agree(comm, status);
}

#define BEHAVIOUR(name)                                                                                                \
    { #name, name }

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*check)(const struct world *w);
    } BEHAVIOURS[] = {BEHAVIOUR(a_logistic_regression_equals_scikit_learns),
                      BEHAVIOUR(the_gradient_is_that_of_differences),
                      BEHAVIOUR(a_fit_is_the_same_bit_for_bit_on_any_number_of_ranks),
                      BEHAVIOUR(few_shot_sets_are_nested_and_topped_up),
                      BEHAVIOUR(draws_differ_and_curves_are_nested),
                      BEHAVIOUR(rows_are_what_the_histories_say),
                      BEHAVIOUR(groups_that_are_not_asked_for_have_no_columns),
                      BEHAVIOUR(events_after_the_prediction_time_change_no_row),
                      BEHAVIOUR(a_code_that_makes_the_label_is_found_and_unseen_codes_are_told),
                      BEHAVIOUR(classes_and_sets_are_told),
                      BEHAVIOUR(what_cannot_be_is_refused)};
    static struct world w;
    struct comm comm;
    int bad = 0, status = comm_start(&comm, &argc, &argv);
    if (status == STATUS_OK) status = make_world(&w, &comm);
    if (status != STATUS_OK) {
        fprintf(stderr, "%s\n", status_message());
        return 2;
    }
    log_configure(comm.rank, LOG_LEVEL_WARN);
    for (size_t b = 0; b < sizeof BEHAVIOURS / sizeof *BEHAVIOURS; b++) {
        BEHAVIOURS[b].check(&w);
        bad += behaviour_failed(&comm, BEHAVIOURS[b].name);
    }
    if (comm.rank == 0) remove_folder(w.folder);
    comm_stop(&comm);
    return bad > 0;
}
