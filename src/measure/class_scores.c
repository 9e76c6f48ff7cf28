/* All pairs of a sample and a class are sorted by score once. One walk over them serves every class and micro averages alike, since
 * the pairs of a class are sorted, too. */
#include "measure/class_scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "measure/keyed_sort.h"
#include "measure/tally.h"

enum { STREAM_SUBJECTS = 4 }; /* that of scores.c: the subjects of a binary task are resampled alike */

#define CLASS_SCORES_NAME(NAME, name) #name,
const char *const CLASS_SCORES_NAMES[N_CLASS_SCORES_MEASURES] = {CLASS_SCORES_MEASURES(CLASS_SCORES_NAME)};

/* The mark of a pair: these bits, and the class above them. */
enum { MARK_LABEL = 1, MARK_DECIDED = 2, MARK_CHOSEN = 4, N_MARKS = 8, MARK_BITS = 3 };

/* What samples have in the averages over them. */
enum { ROW_AVERAGE_PRECISION, ROW_AUROC, ROW_F1, ROW_F1_CHOSEN, ROW_PREVALENCE, N_ROW_MEASURES };

struct ranking {
    const struct class_predictions *predictions;
    struct subject_units units;
    int64_t n_pairs;
    struct keyed *pairs;            /* [n_pairs] from the highest score on */
    double (*rows)[N_ROW_MEASURES]; /* [n] of sets; NaN where it cannot be formed */
    int32_t *decided;               /* [n] of classes: that with the highest score */
};

static void ranking_free(struct ranking *r) {
    subject_units_free(&r->units);
    free(r->pairs);
    free(r->rows);
    free(r->decided);
    *r = (struct ranking){0};
}

/* ---- one sample ---- */
static int64_t highest(const float *scores, int32_t n) {
    int64_t best = 0;
    for (int32_t c = 1; c < n; c++)
        if (scores[c] > scores[best]) best = c;
    return best;
}

/* The marks of a sample's pairs: labels and decisions. */
static int mark_row(struct ranking *r, int64_t row, struct keyed *pairs) {
    const struct class_predictions *p = r->predictions;
    const float *scores = p->scores + row * p->n_classes;
    for (int32_t c = 0; c < p->n_classes; c++) {
        if (isnan(scores[c]))
            return status_set(STATUS_FAILED, "the score of class %d of sample %lld (subject %lld) is not a number", c,
                              (long long)row, (long long)p->subject[row]);
        uint32_t mark = (uint32_t)c << MARK_BITS;
        if (p->form == LABEL_SET)
            mark |= (scores[c] >= 0.5F ? MARK_DECIDED : 0U) | ((double)scores[c] >= p->threshold ? MARK_CHOSEN : 0U);
        pairs[c] = (struct keyed){key_of_score((double)scores[c]), r->units.unit[row], mark};
    }
    if (p->form == LABEL_SET) {
        for (int64_t i = p->set_offsets[row]; i < p->set_offsets[row + 1]; i++) pairs[p->set[i]].mark |= MARK_LABEL;
        return STATUS_OK;
    }
    r->decided[row] = (int32_t)highest(scores, p->n_classes);
    pairs[p->label[row]].mark |= MARK_LABEL;
    pairs[r->decided[row]].mark |= MARK_DECIDED;
    return STATUS_OK;
}

static double f1_of_marks(const double marks[N_MARKS], int decision) {
    double counts[2][2] = {{0}}; /* decision, label */
    for (int m = 0; m < N_MARKS; m++) counts[(m & decision) != 0][m & MARK_LABEL] += marks[m];
    return f1_of(counts[1][1], counts[1][0], counts[0][1]);
}

/* Measures over the classes of one sample, whose pairs [n] are sorted here. */
static void measure_row(int32_t n, struct keyed *pairs, double row[N_ROW_MEASURES]) {
    double marks[N_MARKS] = {0};
    struct tally tally = {0};
    keyed_sort(n, pairs);
    for (int32_t i = 0; i < n; i++) {
        tally_add(&tally, pairs[i].key, pairs[i].mark & MARK_LABEL, 1);
        marks[pairs[i].mark & (N_MARKS - 1)]++;
    }
    tally_settle(&tally);
    row[ROW_AVERAGE_PRECISION] = tally_average_precision(&tally);
    row[ROW_AUROC] = tally_auroc(&tally);
    row[ROW_F1] = f1_of_marks(marks, MARK_DECIDED);
    row[ROW_F1_CHOSEN] = f1_of_marks(marks, MARK_CHOSEN);
    row[ROW_PREVALENCE] = tally.above[1] > 0 ? tally_prevalence(&tally) : NAN;
}

/* Free in any case. */
static int ranking_make(struct ranking *r, const struct class_predictions *p) {
    *r = (struct ranking){.predictions = p, .n_pairs = p->n * p->n_classes};
    if (p->n_classes < 1 || p->n_classes >= 1 << (31 - MARK_BITS))
        return status_set(STATUS_FAILED, "%d classes cannot be scored", p->n_classes);
    TRY(subject_units_make(&r->units, p->n, p->subject, sizeof *p->subject));
    TRY(mem_alloc(&r->pairs, r->n_pairs, sizeof *r->pairs));
    if (p->form == LABEL_SET)
        TRY(mem_alloc(&r->rows, p->n, sizeof *r->rows));
    else
        TRY(mem_alloc(&r->decided, p->n, sizeof *r->decided));
    for (int64_t i = 0; i < p->n; i++) {
        struct keyed *pairs = r->pairs + i * p->n_classes;
        TRY(mark_row(r, i, pairs));
        if (r->rows) measure_row(p->n_classes, pairs, r->rows[i]);
    }
    keyed_sort(r->n_pairs, r->pairs);
    return STATUS_OK;
}

/* ---- the walk ---- */
/* Memory of one walk, of ranking_scratch() bytes. */
struct scratch {
    double *weights;          /* [units] */
    struct tally *tallies;    /* [n_classes] */
    double (*marks)[N_MARKS]; /* [n_classes] */
    double *margins[2];       /* [n_classes] of classes: decided, and true */
};

static int64_t scratch_bytes(const struct ranking *r) {
    int64_t of_class = (int64_t)(sizeof(struct tally) + sizeof(double[N_MARKS]) + sizeof(double[2]));
    return r->units.n * (int64_t)sizeof(double) + r->predictions->n_classes * of_class;
}

static struct scratch scratch_in(const struct ranking *r, void *memory) {
    int32_t n = r->predictions->n_classes;
    struct scratch s = {.weights = memory};
    s.tallies = (struct tally *)(s.weights + r->units.n);
    s.marks = (double(*)[N_MARKS])(s.tallies + n);
    s.margins[0] = (double *)(s.marks + n);
    s.margins[1] = s.margins[0] + n;
    memset(s.tallies, 0, (size_t)n * (sizeof *s.tallies + sizeof *s.marks + 2 * sizeof(double)));
    return s;
}

static void walk_pairs(const struct ranking *r, struct scratch *s, struct tally *micro) {
    for (int64_t i = 0; i < r->n_pairs; i++) {
        const struct keyed *pair = &r->pairs[i];
        uint32_t class = pair->mark >> MARK_BITS;
        double weight = s->weights[pair->unit];
        tally_add(&s->tallies[class], pair->key, pair->mark & MARK_LABEL, weight);
        tally_add(micro, pair->key, pair->mark & MARK_LABEL, weight);
        s->marks[class][pair->mark & (N_MARKS - 1)] += weight;
    }
    tally_settle(micro);
    for (int32_t c = 0; c < r->predictions->n_classes; c++) tally_settle(&s->tallies[c]);
}

/* ---- averages ---- */
struct mean {
    double sum, weight;
};

static void mean_add(struct mean *m, double weight, double value) {
    if (isnan(value)) return;
    m->sum += weight * value;
    m->weight += weight;
}

static double mean_of(const struct mean *m) { return m->weight > 0 ? m->sum / m->weight : NAN; }

/* values: micro stands there already; macro and weighted of the classes' values. */
static void average_classes(const struct scratch *s, int32_t n, double (*value_of)(const struct scratch *, int32_t),
                            double *values) {
    struct mean macro = {0}, weighted = {0};
    for (int32_t c = 0; c < n; c++) {
        double value = value_of(s, c);
        mean_add(&macro, 1, value);
        mean_add(&weighted, s->tallies[c].above[1], value);
    }
    values[1] = mean_of(&macro);
    values[2] = mean_of(&weighted);
}

static double class_average_precision(const struct scratch *s, int32_t c) {
    return tally_average_precision(&s->tallies[c]);
}
static double class_auroc(const struct scratch *s, int32_t c) { return tally_auroc(&s->tallies[c]); }
static double class_f1(const struct scratch *s, int32_t c) { return f1_of_marks(s->marks[c], MARK_DECIDED); }
static double class_f1_chosen(const struct scratch *s, int32_t c) { return f1_of_marks(s->marks[c], MARK_CHOSEN); }
static double class_prevalence(const struct scratch *s, int32_t c) {
    return s->tallies[c].above[1] > 0 ? tally_prevalence(&s->tallies[c]) : NAN;
}

static double average_rows(const struct ranking *r, const double *weights, int measure) {
    struct mean mean = {0};
    if (!r->rows) return NAN;
    for (int64_t i = 0; i < r->predictions->n; i++) mean_add(&mean, weights[r->units.unit[i]], r->rows[i][measure]);
    return mean_of(&mean);
}

static double micro_f1(const struct ranking *r, const struct scratch *s, int decision) {
    double marks[N_MARKS] = {0};
    for (int32_t c = 0; c < r->predictions->n_classes; c++)
        for (int m = 0; m < N_MARKS; m++) marks[m] += s->marks[c][m];
    return f1_of_marks(marks, decision);
}

/* Accuracy and kappa: 1 - sum |i - j| O_ij / sum |i - j| E_ij, O the share of samples of class i that are thought to be j, E the
 * product of their margins; sum |i - j| E_ij is a sum over the borders between classes of what lies on both sides. */
static void measure_decided(const struct ranking *r, struct scratch *s, double *values) {
    const struct class_predictions *p = r->predictions;
    double total = 0, right = 0, apart = 0, by_chance = 0, below[2] = {0};
    for (int64_t i = 0; i < p->n; i++) {
        double weight = s->weights[r->units.unit[i]];
        total += weight;
        if (r->decided[i] == p->label[i]) right += weight;
        apart += weight * abs(r->decided[i] - p->label[i]);
        s->margins[0][r->decided[i]] += weight;
        s->margins[1][p->label[i]] += weight;
    }
    for (int32_t c = 0; c + 1 < p->n_classes; c++) {
        for (int k = 0; k < 2; k++) below[k] += s->margins[k][c];
        by_chance += below[0] * (total - below[1]) + below[1] * (total - below[0]);
    }
    values[CLASS_ACCURACY] = total > 0 ? right / total : NAN;
    values[CLASS_KAPPA] = by_chance > 0 ? 1 - apart * total / by_chance : NAN;
}

/* values [N_CLASS_SCORES_MEASURES]; prevalence [N_CLASS_AVERAGES], or NULL. s->weights are set. */
static void measure(const struct ranking *r, struct scratch *s, double *values, double *prevalence) {
    int32_t n = r->predictions->n_classes;
    struct tally micro = {0};
    for (int i = 0; i < N_CLASS_SCORES_MEASURES; i++) values[i] = NAN;
    walk_pairs(r, s, &micro);
    values[CLASS_AVERAGE_PRECISION_MICRO] = tally_average_precision(&micro);
    values[CLASS_AUROC_MICRO] = tally_auroc(&micro);
    values[CLASS_F1_MICRO] = micro_f1(r, s, MARK_DECIDED);
    average_classes(s, n, class_average_precision, values + CLASS_AVERAGE_PRECISION_MICRO);
    average_classes(s, n, class_auroc, values + CLASS_AUROC_MICRO);
    average_classes(s, n, class_f1, values + CLASS_F1_MICRO);
    values[CLASS_AVERAGE_PRECISION_SAMPLES] = average_rows(r, s->weights, ROW_AVERAGE_PRECISION);
    values[CLASS_AUROC_SAMPLES] = average_rows(r, s->weights, ROW_AUROC);
    values[CLASS_F1_SAMPLES] = average_rows(r, s->weights, ROW_F1);
    if (r->rows && !isnan(r->predictions->threshold)) {
        values[CLASS_F1_CHOSEN_MICRO] = micro_f1(r, s, MARK_CHOSEN);
        average_classes(s, n, class_f1_chosen, values + CLASS_F1_CHOSEN_MICRO);
        values[CLASS_F1_CHOSEN_SAMPLES] = average_rows(r, s->weights, ROW_F1_CHOSEN);
    }
    if (r->decided) measure_decided(r, s, values);
    if (!prevalence) return;
    prevalence[0] = tally_prevalence(&micro);
    average_classes(s, n, class_prevalence, prevalence);
    prevalence[3] = average_rows(r, s->weights, ROW_PREVALENCE);
}

/* ---- values ---- */
static void fill_classes(const struct scratch *s, struct class_scores *scores) {
    for (int32_t c = 0; c < scores->n_classes; c++) {
        const struct tally *t = &s->tallies[c];
        scores->classes[c] = (struct class_score){.n_positive = (int64_t)t->above[1],
                                                  .prevalence = tally_prevalence(t),
                                                  .auroc = tally_auroc(t),
                                                  .average_precision = tally_average_precision(t)};
        scores->n_without_positive += t->above[1] == 0;
        scores->n_without_negative += t->above[0] == 0;
    }
}

int class_scores_compute(const struct class_predictions *p, struct class_scores *scores) {
    struct ranking r;
    void *memory = NULL;
    int status;
    *scores = (struct class_scores){.n = p->n, .n_classes = p->n_classes};
    TRY_DONE(ranking_make(&r, p));
    TRY_DONE(mem_alloc(&memory, scratch_bytes(&r), 1));
    TRY_DONE(mem_alloc(&scores->classes, p->n_classes, sizeof *scores->classes));
    scores->n_subjects = r.units.n;
    for (int w = 0; w < N_WEIGHTINGS; w++) {
        struct scratch s = scratch_in(&r, memory);
        subject_units_weigh(&r.units, (enum weighting)w, NULL, s.weights);
        measure(&r, &s, scores->values + (ptrdiff_t)w * N_CLASS_SCORES_MEASURES, scores->prevalence[w]);
        if (w == BY_SAMPLES) fill_classes(&s, scores);
    }
done:
    ranking_free(&r);
    free(memory);
    return status;
}

void class_scores_free(struct class_scores *scores) {
    free(scores->classes);
    *scores = (struct class_scores){0};
}

int class_scores_choose_threshold(const struct class_predictions *p, double *threshold) {
    struct ranking r;
    int64_t counts[2] = {0}, positive = 0;
    double best = 0;
    *threshold = INFINITY;
    int status = ranking_make(&r, p);
    int64_t n = status == STATUS_OK ? r.n_pairs : 0;
    for (int64_t i = 0; i < n; i++) positive += r.pairs[i].mark & MARK_LABEL;
    for (int64_t i = 0; i < n; i++) {
        counts[r.pairs[i].mark & MARK_LABEL]++;
        if (i + 1 < n && r.pairs[i + 1].key == r.pairs[i].key) continue;
        double f1 = f1_of((double)counts[1], (double)counts[0], (double)(positive - counts[1]));
        if (f1 > best) {
            best = f1;
            *threshold = score_of_key(r.pairs[i].key);
        }
    }
    ranking_free(&r);
    return status;
}

/* ---- intervals ---- */
struct arms {
    struct ranking ranking[2]; /* the second is empty if there is one arm */
    int n;
};

static void measure_arms(const void *context, const uint8_t *times, void *memory, double *results) {
    const struct arms *arms = context;
    double values[N_CLASS_SCORES_MEASURES];
    for (int a = 0; a < arms->n; a++)
        for (int w = 0; w < N_WEIGHTINGS; w++) {
            double *out = results + (ptrdiff_t)w * N_CLASS_SCORES_MEASURES;
            struct scratch s = scratch_in(&arms->ranking[a], memory);
            subject_units_weigh(&arms->ranking[a].units, (enum weighting)w, times, s.weights);
            measure(&arms->ranking[a], &s, values, NULL);
            for (int i = 0; i < N_CLASS_SCORES_MEASURES; i++) out[i] = a ? out[i] - values[i] : values[i];
        }
}

/* Takes over the rankings, made with `status`. */
static int run_bootstrap(const struct bootstrap *b, struct arms *arms, int status, struct estimate *estimates) {
    status = comm_agree(b->comm, status);
    if (status == STATUS_OK) {
        struct bootstrap_measure resampled = {.n_units = arms->ranking[0].units.n,
                                              .scratch_bytes = scratch_bytes(&arms->ranking[0]),
                                              .n_results = N_CLASS_SCORES_ESTIMATES,
                                              .stream = STREAM_SUBJECTS,
                                              .compute = measure_arms,
                                              .context = arms};
        status = bootstrap_run(b, &resampled, estimates);
    }
    for (int a = 0; a < arms->n; a++) ranking_free(&arms->ranking[a]);
    return status;
}

int class_scores_bootstrap(const struct bootstrap *b, const struct class_predictions *p,
                           struct estimate estimates[N_CLASS_SCORES_ESTIMATES]) {
    struct arms arms = {.n = 1};
    return run_bootstrap(b, &arms, ranking_make(&arms.ranking[0], p), estimates);
}

static int has_other_label(const struct class_predictions *a, const struct class_predictions *b, int64_t row) {
    if (a->form == LABEL_CLASS) return a->label[row] != b->label[row];
    int64_t first = a->set_offsets[row], n = a->set_offsets[row + 1] - first;
    return b->set_offsets[row] != first || b->set_offsets[row + 1] - first != n ||
           memcmp(a->set + first, b->set + first, (size_t)n * sizeof *a->set) != 0;
}

static int check_arms(const struct class_predictions *a, const struct class_predictions *b) {
    if (a->form != b->form || a->n != b->n || a->n_classes != b->n_classes)
        return status_set(STATUS_FAILED,
                          "two arms are compared on different samples: %lld of %d classes, and %lld of %d",
                          (long long)a->n, a->n_classes, (long long)b->n, b->n_classes);
    for (int64_t i = 0; i < a->n; i++)
        if (a->subject[i] != b->subject[i] || has_other_label(a, b, i))
            return status_set(STATUS_FAILED,
                              "two arms are compared on different samples: row %lld is of subject %lld in the one and "
                              "%lld in the other, or its labels differ",
                              (long long)i, (long long)a->subject[i], (long long)b->subject[i]);
    return STATUS_OK;
}

int class_scores_bootstrap_difference(const struct bootstrap *bootstrap, const struct class_predictions *a,
                                      const struct class_predictions *b,
                                      struct estimate estimates[N_CLASS_SCORES_ESTIMATES]) {
    struct arms arms = {.n = 2};
    int status = check_arms(a, b);
    if (status == STATUS_OK) status = ranking_make(&arms.ranking[0], a);
    if (status == STATUS_OK) status = ranking_make(&arms.ranking[1], b);
    return run_bootstrap(bootstrap, &arms, status, estimates);
}
