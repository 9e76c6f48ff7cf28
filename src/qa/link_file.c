#include "qa/link_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/status.h"

/* ---- texts ---- */
/* A copy of the text of a span. */
static int span_text(const char *text, const struct linked_span *span, char **copy) {
    *copy = strndup(text + span->term.begin, (size_t)(span->term.end - span->term.begin));
    return *copy ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}

static int is_same_text(const char *text, const struct linked_span *a, const struct linked_span *b) {
    int n = a->term.end - a->term.begin;
    return b->term.end - b->term.begin == n && memcmp(text + a->term.begin, text + b->term.begin, (size_t)n) == 0;
}

/* The texts of one topic. */
static int write_topic(struct json *j, const char *name, enum code_topic topic, const struct code_names *names,
                       const char *text, const struct text_links *links) {
    json_array(j, name);
    for (int64_t s = 0; s < links->n; s++) {
        const struct linked_span *span = &links->spans[s];
        int counts = !span->term.negated && code_names_topic(names, span->codes[0].row) == topic;
        for (int64_t k = 0; k < s && counts; k++)
            counts = links->spans[k].term.negated || !is_same_text(text, span, &links->spans[k]);
        if (!counts) continue;
        char *copy;
        TRY(span_text(text, span, &copy));
        json_text(j, NULL, copy);
        free(copy);
    }
    json_end(j);
    return STATUS_OK;
}

/* ---- spans ---- */
static int write_span(struct json *j, const struct code_names *names, const char *text,
                      const struct linked_span *span) {
    char *copy;
    TRY(span_text(text, span, &copy));
    json_object(j, NULL);
    json_text(j, "text", copy);
    json_integer(j, "begin", span->term.begin);
    json_integer(j, "end", span->term.end);
    json_integer(j, "negated", span->term.negated);
    json_integer(j, "candidates", span->n_candidates);
    json_array(j, "codes");
    for (int c = 0; c < span->n_codes; c++) {
        json_object(j, NULL);
        json_text(j, "system", vocabulary_system(&names->vocabulary, span->codes[c].row));
        json_text(j, "code", vocabulary_code(&names->vocabulary, span->codes[c].row));
        json_integer(j, "row", span->codes[c].row);
        json_real(j, "score", span->codes[c].score, 4);
        json_end(j);
    }
    json_end(j);
    json_end(j);
    free(copy);
    return STATUS_OK;
}

/* The rows of a text, *n of them, which the caller frees. */
static int rows_of(const struct text_links *links, int64_t **rows, int64_t *n) {
    TRY(mem_alloc(rows, links->n * SPAN_MOST_CODES, sizeof **rows));
    *n = text_links_rows(links, *rows, links->n * SPAN_MOST_CODES);
    return STATUS_OK;
}

static int write_text(struct json *j, const struct code_names *names, const char *text,
                      const struct text_links *links) {
    int64_t *rows, n;
    TRY(rows_of(links, &rows, &n));
    json_array(j, "rows");
    for (int64_t i = 0; i < n; i++) json_integer(j, NULL, rows[i]);
    json_end(j);
    free(rows);
    json_array(j, "spans");
    for (int64_t s = 0; s < links->n; s++) TRY(write_span(j, names, text, &links->spans[s]));
    json_end(j);
    return STATUS_OK;
}

int links_write(FILE *out, const struct code_names *names, const struct question *q,
                const struct question_links *links) {
    static const struct {
        const char *name;
        enum code_topic topic;
    } TOPICS[] = {{"diseases", TOPIC_DISEASE}, {"medications", TOPIC_MEDICATION}, {"procedures", TOPIC_PROCEDURE}};
    struct json j = json_begin(out, 0);
    json_object(&j, NULL);
    json_text(&j, "question", q->id);
    for (int t = 0; t < 3; t++) TRY(write_topic(&j, TOPICS[t].name, TOPICS[t].topic, names, q->stem, &links->stem));
    TRY(write_text(&j, names, q->stem, &links->stem));
    json_array(&j, "options");
    for (int i = 0; i < q->n_options; i++) {
        json_object(&j, NULL);
        TRY(write_text(&j, names, q->options[i], &links->options[i]));
        json_end(&j);
    }
    json_end(&j);
    json_end(&j);
    fputc('\n', out);
    return STATUS_OK;
}

/* ---- questions ---- */
static int write_codes(struct json *j, const char *name, const struct code_names *names,
                       const struct text_links *links) {
    int64_t *rows, n;
    TRY(rows_of(links, &rows, &n));
    json_array(j, name);
    for (int64_t i = 0; i < n; i++) {
        json_array(j, NULL);
        json_text(j, NULL, vocabulary_system(&names->vocabulary, rows[i]));
        json_text(j, NULL, vocabulary_code(&names->vocabulary, rows[i]));
        json_end(j);
    }
    json_end(j);
    free(rows);
    return STATUS_OK;
}

int linked_question_write(FILE *out, const struct code_names *names, const struct question *q,
                          const struct question_links *links) {
    const char letter[2] = {question_letter(q->answer), 0};
    struct json j = json_begin(out, 0);
    json_object(&j, NULL);
    TRY(write_codes(&j, "codes", names, &links->stem)); /* first: by this the file is known as ours (jobs/outputs.c) */
    json_text(&j, "id", q->id);
    if (q->set) json_text(&j, "set", q->set);
    json_text(&j, "stem", q->stem);
    json_array(&j, "options");
    for (int i = 0; i < q->n_options; i++) json_text(&j, NULL, q->options[i]);
    json_end(&j);
    json_text(&j, "answer", letter);
    json_array(&j, "option_codes");
    for (int i = 0; i < q->n_options; i++) TRY(write_codes(&j, NULL, names, &links->options[i]));
    json_end(&j);
    json_end(&j);
    fputc('\n', out);
    return STATUS_OK;
}
