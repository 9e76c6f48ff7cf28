/* The codes in two dimensions, drawn by us, so that each can be found; and the nearest of some. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/device_status.h"
#include "base/status.h"
#include "kernels.h"
#include "measure/neighbours.h"
#include "measure/table_vectors.h"
#include "fit/principal_components.h"
#include "report/code_chapter.h"
#include "report/code_sample.h"
#include "report/html.h"
#include "report/name_list.h"
#include "report/sections.h"

enum { WIDTH = 800, LEAST_HEIGHT = 300, MOST_HEIGHT = 640, MARGIN = 16, EXAMPLES = 8, NEAREST = 5 };

struct map {
    struct code_sample sample;
    double *places;                     /* [n, 2] */
    double share[2];                    /* of the variance, along each axis */
    double low[2], scale, left, height; /* of the drawing; left: where the leftmost code stands */
    struct name_list systems, chapters;
    int *system, *chapter; /* [n]; chapter -1: none */
    int64_t *of_system;    /* [systems.n] codes */
};

/* ---- places ---- */
/* Along the first two principal components of the embeddings, and the shares of the variance there. */
static void project(struct map *m, const struct principal_components *components) {
    const struct code_sample *s = &m->sample;
    double total = 0;
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t c = 0; c < s->width; c++) {
            double value = (double)s->embedding[i * s->width + c] - (double)components->mean[c];
            for (int k = 0; k < 2; k++)
                m->places[2 * i + k] += value * (double)components->directions[k * s->width + c];
            total += value * value;
        }
    for (int64_t i = 0; i < 2 * s->n && total > 0; i++) m->share[i % 2] += m->places[i] * m->places[i] / total;
}

static int place_codes(struct map *m, struct device *device) {
    const struct code_sample *s = &m->sample;
    struct principal_components components = {0};
    int status = principal_components_make(&components, device, s->n, s->width, s->embedding, 2);
    if (status == STATUS_OK) project(m, &components);
    principal_components_free(&components);
    return status;
}

/* Both axes have one scale. */
static void fit(struct map *m) {
    double high[2];
    for (int k = 0; k < 2; k++) {
        m->low[k] = INFINITY;
        high[k] = -INFINITY;
        for (int64_t i = 0; i < m->sample.n; i++) {
            m->low[k] = fmin(m->low[k], m->places[2 * i + k]);
            high[k] = fmax(high[k], m->places[2 * i + k]);
        }
    }
    double across = fmax(high[0] - m->low[0], 1e-12), down = high[1] - m->low[1];
    m->scale = fmin((WIDTH - 2 * MARGIN) / across, down > 0 ? (MOST_HEIGHT - 2 * MARGIN) / down : INFINITY);
    m->left = (WIDTH - m->scale * across) / 2;
    m->height = fmax(LEAST_HEIGHT, m->scale * down + 2 * MARGIN);
}

static int make_map(struct map *m, struct device *device) {
    const struct code_sample *s = &m->sample;
    TRY(mem_alloc(&m->places, 2 * s->n, sizeof *m->places));
    TRY(mem_alloc(&m->system, s->n, sizeof *m->system));
    TRY(mem_alloc(&m->chapter, s->n, sizeof *m->chapter));
    TRY(place_codes(m, device));
    fit(m);
    for (int64_t i = 0; i < s->n; i++) {
        const char *system = code_sample_system(s, s->rows[i]),
                   *chapter = code_chapter(system, code_sample_code(s, s->rows[i]));
        TRY(name_list_add(&m->systems, system, &m->system[i]));
        m->chapter[i] = -1;
        if (chapter) TRY(name_list_add(&m->chapters, chapter, &m->chapter[i]));
    }
    TRY(mem_alloc(&m->of_system, m->systems.n, sizeof *m->of_system));
    for (int64_t i = 0; i < s->n; i++) m->of_system[m->system[i]]++;
    return STATUS_OK;
}

static void map_free(struct map *m) {
    free(m->places);
    free(m->system);
    free(m->chapter);
    free(m->of_system);
    name_list_free(&m->systems);
    name_list_free(&m->chapters);
    code_sample_free(&m->sample);
}

/* ---- the drawing ---- */
static void write_point(const struct map *m, int64_t i, FILE *out) {
    const struct code_sample *s = &m->sample;
    fprintf(out, "<circle r=\"3\" cx=\"%.1f\" cy=\"%.1f\" class=\"s%d\" data-k=\"%d\" data-c=\"",
            m->left + m->scale * (m->places[2 * i] - m->low[0]),
            m->height - MARGIN - m->scale * (m->places[2 * i + 1] - m->low[1]), m->system[i], m->chapter[i]);
    html_text(out, code_sample_code(s, s->rows[i]));
    fputs("\" data-d=\"", out);
    html_text(out, s->description[i]);
    fputs("\"/>\n", out);
}

static void write_names(const char *class, const struct name_list *names, FILE *out) {
    fprintf(out, "<ol class=\"%s\" hidden>\n", class);
    for (int i = 0; i < names->n; i++) html_element(out, "li", NULL, names->items[i]);
    fputs("</ol>\n", out);
}

static void write_controls(int number, FILE *out) {
    fprintf(
        out,
        "<p class=\"controls\"><label for=\"find%d\">Find a code or a word</label> <input id=\"find%d\" "
        "type=\"search\" "
        "class=\"find\" autocomplete=\"off\"> <label for=\"colour%d\">Colour by</label> <select id=\"colour%d\" "
        "class=\"colour\"><option value=\"\">system</option></select></p>\n<p class=\"found\" role=\"status\"></p>\n",
        number, number, number, number);
}

static void describe(const struct map *m, FILE *out) {
    fprintf(
        out,
        "%lld codes as points; the horizontal axis is the first principal component of their embeddings (%.1f %% of "
        "the variance), the vertical the second (%.1f %%). ",
        (long long)m->sample.n, 100 * m->share[0], 100 * m->share[1]);
    for (int k = 0; k < m->systems.n; k++) {
        fprintf(out, "%s%lld of ", k ? ", " : "", (long long)m->of_system[k]);
        html_text(out, m->systems.items[k]);
    }
    fputs(".", out);
}

static int write_map(struct report *x, const struct map *m) {
    FILE *out = x->page.out;
    int number = ++x->page.n_figures;
    fputs("<figure class=\"map\">\n<figcaption>", out);
    describe(m, out);
    fprintf(out, " %lld codes are in the table.</figcaption>\n", (long long)m->sample.table.shape.n_codes);
    write_controls(number, out);
    fprintf(out,
            "<svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-labelledby=\"f%d-title f%d-text\"><title "
            "id=\"f%d-title\">Map of "
            "the codes</title><desc id=\"f%d-text\">",
            WIDTH, m->height, number, number, number, number);
    describe(m, out);
    fputs("</desc>\n", out);
    for (int64_t i = 0; i < m->sample.n; i++) write_point(m, i, out);
    fputs("</svg>\n<ul class=\"legend\"></ul>\n", out);
    write_names("systems", &m->systems, out);
    write_names("chapters", &m->chapters, out);
    fputs("</figure>\n", out);
    return STATUS_OK;
}

/* ---- nearest codes ---- */
/* The first drawn code of each system that has a description, at most EXAMPLES, ascending: their numbers in the sample. */
static int choose_examples(const struct map *m, int64_t chosen[EXAMPLES]) {
    int n = 0;
    for (int64_t i = 0; i < m->sample.n && n < EXAMPLES; i++) {
        int is_new = !m->sample.vocabulary || m->sample.description[i][0];
        for (int k = 0; k < n; k++) is_new &= m->system[chosen[k]] != m->system[i];
        if (is_new) chosen[n++] = i;
    }
    return n;
}

static int add_code(struct sheet *sheet, const struct code_sample *s, int64_t row, const char *to, double cosine) {
    char *description = NULL;
    TRY(sheet_add_row(sheet));
    TRY(sheet_set(sheet, 0, code_sample_system(s, row)));
    TRY(sheet_set(sheet, 1, code_sample_code(s, row)));
    TRY(code_sample_describe(s, row, &description));
    int status = sheet_set(sheet, 2, description);
    free(description);
    TRY(status);
    TRY(sheet_set(sheet, 3, to));
    return sheet_set_number(sheet, 4, cosine);
}

static int write_nearest(struct report *x, int run, const struct code_sample *s,
                         const struct neighbour_question *question, const struct near_candidate *nearest) {
    static const char *const COLUMNS[] = {"system", "code", "description", "nearest to", "cosine"};
    struct sheet sheet;
    char name[160], caption[96];
    int status = sheet_make(&sheet, 5, COLUMNS);
    for (int c = 0; c < 4 && status == STATUS_OK; c++) sheet_mark_text(&sheet, c);
    for (int64_t q = 0; q < question->n_queries && status == STATUS_OK; q++) {
        const struct near_candidate *best = nearest + q * NEAREST;
        status = add_code(&sheet, s, question->queries[q], "", NAN);
        for (int k = 0; k < NEAREST && best[k].code >= 0 && status == STATUS_OK; k++)
            status =
                add_code(&sheet, s, best[k].code, code_sample_code(s, question->queries[q]), (double)best[k].likeness);
    }
    snprintf(caption, sizeof caption, "The codes nearest to one of each of %d systems, by the cosine of embeddings",
             (int)question->n_queries);
    if (status == STATUS_OK) html_table(x->page.out, &sheet, caption);
    if (status == STATUS_OK) status = html_csv(x->page.out, &sheet, report_csv_name(x, run, "nearest", name));
    sheet_free(&sheet);
    return status;
}

static int find_nearest(struct report *x, int run, struct map *m, struct device *device) {
    struct code_sample *s = &m->sample;
    struct near_candidate nearest[EXAMPLES * NEAREST];
    struct table_vectors vectors = {0};
    uint8_t *all = NULL;
    int64_t chosen[EXAMPLES], n = s->table.shape.n_codes;
    int32_t queries[EXAMPLES];
    int status, n_chosen = choose_examples(m, chosen);
    struct neighbour_question question = {n_chosen, n, queries, NULL};
    for (int q = 0; q < n_chosen; q++) queries[q] = (int32_t)s->rows[chosen[q]];
    TRY_DONE(mem_alloc(&all, n, 1));
    memset(all, 1, (size_t)n);
    question.is_candidate = all;
    TRY_DONE(table_vectors_make(&vectors, &s->table, 0, s->width, 1, NULL));
    TRY_DONE(neighbours_find(x->comm, device, &vectors.source, &question, NEAREST, nearest));
    TRY_DONE(write_nearest(x, run, s, &question, nearest));
done:
    table_vectors_free(&vectors);
    free(all);
    return status;
}

/* ---- the section ---- */
static int write_run(struct report *x, int run) {
    const struct report_run *files = &x->runs[run];
    struct map map = {.places = NULL};
    struct device device = {0};
    int status;
    TRY_DONE(code_sample_read(&map.sample, files->path[REPORT_TABLE], files->path[REPORT_VOCABULARY], x->seed,
                              x->options->points));
    device_open_cpu(&device, 1);
    TRY_DONE(device_status(&device));
    TRY_DONE(make_map(&map, &device));
    TRY_DONE(write_map(x, &map));
    TRY_DONE(find_nearest(x, run, &map, &device));
done:
    device_close(&device);
    map_free(&map);
    return status;
}

int report_map_section(struct report *x) {
    return report_section_of(x, REPORT_TABLE, "map", "Map of the codes", write_run);
}
