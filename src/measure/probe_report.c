/* Printing, JSON, and the intervals. */
#include "measure/probe_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "measure/probe_heading.h"

/* ---- intervals ---- */
struct sums {
    int n_metrics;
    int64_t n_units;
    double *sum, *count; /* [n_units, n_metrics] */
};

static void compute_means(const void *context, const uint8_t *weights, void *scratch, double *results) {
    const struct sums *s = context;
    (void)scratch;
    for (int m = 0; m < s->n_metrics; m++) {
        double sum = 0, count = 0;
        for (int64_t u = 0; u < s->n_units; u++) {
            sum += weights[u] * s->sum[u * s->n_metrics + m];
            count += weights[u] * s->count[u * s->n_metrics + m];
        }
        results[m] = count > 0 ? sum / count : NAN;
    }
}

int probe_estimate(const struct bootstrap *bootstrap, int64_t n, const int32_t *unit, int64_t n_units, int n_metrics,
                   const double *values, struct estimate *estimates) {
    enum { STREAM = 0x90 }; /* one: all spaces of a question are resampled alike */
    struct sums s = {.n_metrics = n_metrics, .n_units = n_units};
    struct bootstrap_measure measure = {
        .n_units = n_units, .n_results = n_metrics, .stream = STREAM, .compute = compute_means, .context = &s};
    int status = mem_alloc(&s.sum, n_units * n_metrics, sizeof *s.sum);
    if (status == STATUS_OK) status = mem_alloc(&s.count, n_units * n_metrics, sizeof *s.count);
    TRY_DONE(comm_agree(bootstrap->comm, status));
    for (int m = 0; m < n_metrics; m++)
        for (int64_t i = 0; i < n; i++) {
            if (isnan(values[m * n + i])) continue;
            s.sum[unit[i] * n_metrics + m] += values[m * n + i];
            s.count[unit[i] * n_metrics + m]++;
        }
    TRY_DONE(bootstrap_run(bootstrap, &measure, estimates));
done:
    free(s.sum);
    free(s.count);
    return status;
}

/* ---- the table ---- */
static const char *const CANDIDATES[] = {[QUESTION_RANK] = "candidates",
                                         [QUESTION_NEAREST] = "candidates",
                                         [QUESTION_LINEAR] = "learned from",
                                         [QUESTION_DISTANCE] = "pairs"};

static void print_figures(FILE *out, const char *name, int n_metrics, const struct estimate *e) {
    fprintf(out, "  %-38s", name);
    for (int m = 0; m < n_metrics; m++) {
        if (e[m].n == 0)
            fprintf(out, "  %-25s", "none");
        else
            fprintf(out, "  %6.3f [%6.3f, %6.3f] ", e[m].value, e[m].low, e[m].high);
    }
    fprintf(out, "\n");
}

static void print_result(FILE *out, const struct probe_report *r, const struct probe_result *x) {
    char text[2 * QUESTION_NAME_BYTES], heading[PROBE_HEADING_BYTES];
    fprintf(out,
            x->kind == QUESTION_DISTANCE ? "\n%s: %lld codes in %lld %s\n  %-38s"
                                         : "\n%s: %lld codes asked, %lld %s\n  %-38s",
            x->name, (long long)x->n_queries, (long long)x->n_candidates, CANDIDATES[x->kind], "");
    for (int m = 0; m < x->n_metrics; m++) {
        probe_heading(x->metric[m], x->seen[m], x->is_of_hierarchy, heading);
        fprintf(out, "  %-25s", heading);
    }
    fprintf(out, "\n");
    for (int s = 0; s < r->n_spaces; s++) print_figures(out, r->space[s], x->n_metrics, x->spaces[s]);
    for (int p = 0; p < r->n_pairs; p++) {
        snprintf(text, sizeof text, "%s - %s", r->space[r->pairs[p].a], r->space[r->pairs[p].b]);
        print_figures(out, text, x->n_metrics, x->pairs[p]);
    }
    for (int m = 0; m < x->n_metrics && r->n_curve > 0; m++) {
        fprintf(out, "  %s by 1 ... %d tokens:", x->metric[m], r->n_curve);
        for (int t = 0; t < r->n_curve; t++) fprintf(out, " %.3f", x->curve[t][m].value);
        fprintf(out, "\n");
    }
}

void probe_report_print(FILE *out, const struct probe_report *r) {
    for (int64_t i = 0; i < r->n_results; i++) print_result(out, r, &r->results[i]);
}

/* ---- JSON ---- */
static void write_values(struct json *j, const struct estimate *e) {
    json_real(j, "value", e->n > 0 ? e->value : NAN, 9);
    json_real(j, "low", e->n > 0 ? e->low : NAN, 9);
    json_real(j, "high", e->n > 0 ? e->high : NAN, 9);
}

static void write_figures(struct json *j, const char *name, const struct probe_result *x, const struct estimate *e) {
    json_object(j, name);
    for (int m = 0; m < x->n_metrics; m++) {
        json_object(j, x->metric[m]);
        write_values(j, &e[m]);
        json_end(j);
    }
    json_end(j);
}

static void write_curve(struct json *j, const struct probe_report *r, const struct probe_result *x) {
    json_object(j, "curve");
    for (int m = 0; m < x->n_metrics; m++) {
        json_array(j, x->metric[m]);
        for (int t = 0; t < r->n_curve; t++) {
            json_object(j, NULL);
            json_integer(j, "tokens", t + 1);
            write_values(j, &x->curve[t][m]);
            json_end(j);
        }
        json_end(j);
    }
    json_end(j);
}

static void write_result(struct json *j, const struct probe_report *r, const struct probe_result *x) {
    char name[2 * QUESTION_NAME_BYTES];
    json_object(j, x->name);
    json_integer(j, "queries", x->n_queries);
    json_integer(j, x->kind == QUESTION_LINEAR ? "learned_from" : CANDIDATES[x->kind], x->n_candidates);
    json_integer(j, "units", x->n_units);
    json_object(j, "seen");
    for (int m = 0; m < x->n_metrics; m++) json_real(j, x->metric[m], x->seen[m], 9);
    json_end(j);
    json_integer(j, "of_hierarchy", x->is_of_hierarchy);
    json_object(j, "figures");
    for (int s = 0; s < r->n_spaces; s++) write_figures(j, r->space[s], x, x->spaces[s]);
    json_end(j);
    json_object(j, "differences");
    for (int p = 0; p < r->n_pairs; p++) {
        snprintf(name, sizeof name, "%s - %s", r->space[r->pairs[p].a], r->space[r->pairs[p].b]);
        write_figures(j, name, x, x->pairs[p]);
    }
    json_end(j);
    if (r->n_curve > 0) write_curve(j, r, x);
    json_end(j);
}

void probe_report_write_json(struct json *j, const struct probe_report *r) {
    json_object(j, "probes");
    for (int64_t i = 0; i < r->n_results; i++) write_result(j, r, &r->results[i]);
    json_end(j);
}
