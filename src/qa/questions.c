/* Syntax by jansson; what the objects must hold is checked here. */
#include "qa/questions.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/dictionary.h"
#include "base/status.h"

/* Where an item stands: "PATH: item 3" or "PATH:17". */
struct where {
    const char *path;
    int64_t item, line; /* line 0: the file is a list */
};

#define AT(w)        (w)->path, (w)->line ? ":" : ": item ", (long long)((w)->line ? (w)->line : (w)->item)
#define FAIL(w, ...) status_prefix(status_set(STATUS_FAILED, __VA_ARGS__), "%s%s%lld", AT(w))

/* ---- texts ---- */
static int is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* A copy of text[size] without blanks at its ends. */
static int copy_trimmed(const struct where *w, const char *what, const char *text, size_t size, char **copy) {
    while (size > 0 && is_blank(*text)) text++, size--;
    while (size > 0 && is_blank(text[size - 1])) size--;
    if (size == 0) return FAIL(w, "%s is empty", what);
    *copy = strndup(text, size);
    return *copy ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}

static int copy_text(const struct where *w, const char *what, const json_t *value, char **copy) {
    if (!json_is_string(value)) return FAIL(w, "%s must be a text", what);
    return copy_trimmed(w, what, json_string_value(value), json_string_length(value), copy);
}

static int parse_answer(const struct where *w, const json_t *value, struct question *q) {
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    q->answer = text[0] - 'A';
    if (!text[0] || text[1] || q->answer < 0 || q->answer >= q->n_options)
        return FAIL(w, "the answer is %s%.40s%s: expected the letter of one of its %d options, A to %c",
                    text[0] ? "\"" : "no text", text, text[0] ? "\"" : "", q->n_options,
                    question_letter(q->n_options - 1));
    return STATUS_OK;
}

/* Of an object that may have the keys of the list, NULL at its end, and no others. */
static int check_keys(const struct where *w, json_t *object, const char *const *known) {
    const char *key;
    json_t *value;
    if (!json_is_object(object)) return FAIL(w, "expected an object, with the keys %s, %s, ...", known[0], known[1]);
    json_object_foreach(object, key, value) {
        int k = 0;
        while (known[k] && strcmp(known[k], key) != 0) k++;
        if (!known[k]) return FAIL(w, "the key \"%.80s\" is not one of a question (qa/questions.h lists them)", key);
    }
    return STATUS_OK;
}

/* ---- as released ---- */
/* The line " A:  ..." of an option, among those of a text: the first, or the last; NULL: none. *text: behind the colon. */
static const char *option_line(const char *from, char letter, int last, const char **text) {
    const char *found = NULL;
    for (const char *line = from; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        if (line[0] != ' ' || line[1] != letter || line[2] != ':') continue;
        found = line;
        *text = line + 3;
        if (!last) break;
    }
    return found;
}

/* Cuts the text of a released question. */
static int cut_options(const struct where *w, const char *text, struct question *q) {
    const char *at, *begin = NULL, *next, *next_text = NULL;
    at = option_line(text, 'A', 1, &begin);
    if (!at) return FAIL(w, "the text has no line \" A:  ...\", where options begin");
    TRY(copy_trimmed(w, "the stem", text, (size_t)(at - text), &q->stem));
    for (; at && q->n_options < QUESTION_OPTIONS; at = next, begin = next_text) {
        next = option_line(strchr(begin, '\n'), question_letter(q->n_options + 1), 0, &next_text);
        TRY(copy_trimmed(w, "an option", begin, next ? (size_t)(next - begin) : strlen(begin),
                         &q->options[q->n_options]));
        q->n_options++;
    }
    if (at) return FAIL(w, "more than %d options", QUESTION_OPTIONS);
    return q->n_options < 2 ? FAIL(w, "one option; 2 to %d are needed", QUESTION_OPTIONS) : STATUS_OK;
}

static int parse_rows(const struct where *w, json_t *rows, struct question *q) {
    if (!json_is_array(rows)) return FAIL(w, "medical_codes must be a list of row numbers");
    TRY(mem_alloc(&q->codes, (long long)json_array_size(rows), sizeof *q->codes));
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (!json_is_integer(row) || json_integer_value(row) < 0)
            return FAIL(w, "medical_codes: entry %zu is no row number, which is an integer from 0", i + 1);
        if (json_integer_value(row) != QUESTION_NO_ROW)
            q->codes[q->n_codes++] = (struct question_code){.row = json_integer_value(row)};
    }
    return STATUS_OK;
}

static int parse_released(const struct where *w, json_t *object, struct question *q) {
    static const char *const KEYS[] = {"input", "medical_codes", NULL};
    TRY(check_keys(w, object, KEYS));
    const json_t *input = json_object_get(object, "input"), *text = json_array_get(input, 0);
    if (json_array_size(input) != 2 || !json_is_string(text))
        return FAIL(w,
                    "input must be a list of two texts: the question with its options, and the letter of the answer");
    char id[24];
    snprintf(id, sizeof id, "%lld", (long long)w->item);
    TRY(copy_trimmed(w, "id", id, strlen(id), &q->id));
    TRY(cut_options(w, json_string_value(text), q));
    TRY(parse_answer(w, json_array_get(input, 1), q));
    return parse_rows(w, json_object_get(object, "medical_codes"), q);
}

/* ---- ours ---- */
static int parse_options(const struct where *w, const json_t *options, struct question *q) {
    size_t n = json_array_size(options);
    if (n < 2 || n > QUESTION_OPTIONS)
        return FAIL(w, "options must be a list of 2 to %d texts%s", QUESTION_OPTIONS,
                    json_is_array(options) ? "" : ", and is none");
    for (size_t i = 0; i < n; i++, q->n_options++)
        TRY(copy_text(w, "an option", json_array_get(options, i), &q->options[i]));
    return STATUS_OK;
}

static int parse_codes(const struct where *w, const json_t *codes, int64_t *n, struct question_code **items) {
    if (!codes) return STATUS_OK;
    if (!json_is_array(codes)) return FAIL(w, "codes must be a list of [\"SYSTEM\", \"CODE\"]");
    TRY(mem_alloc(items, (long long)json_array_size(codes), sizeof **items));
    for (size_t i = 0; i < json_array_size(codes); i++) {
        const json_t *pair = json_array_get(codes, i);
        if (json_array_size(pair) != 2) return FAIL(w, "codes: entry %zu is not [\"SYSTEM\", \"CODE\"]", i + 1);
        struct question_code *code = &(*items)[(*n)++];
        code->row = -1;
        TRY(copy_text(w, "the system of a code", json_array_get(pair, 0), &code->system));
        TRY(copy_text(w, "a code", json_array_get(pair, 1), &code->code));
    }
    return STATUS_OK;
}

static int parse_option_codes(const struct where *w, const json_t *lists, struct question *q) {
    if (!lists) return STATUS_OK;
    if (!json_is_array(lists) || json_array_size(lists) != (size_t)q->n_options)
        return FAIL(w, "option_codes must be a list with one list of codes for each of the %d options", q->n_options);
    for (int i = 0; i < q->n_options; i++)
        TRY(parse_codes(w, json_array_get(lists, (size_t)i), &q->option_codes[i].n, &q->option_codes[i].items));
    return STATUS_OK;
}

static int parse_ours(const struct where *w, json_t *object, struct question *q) {
    static const char *const KEYS[] = {"id", "set", "stem", "options", "answer", "codes", "option_codes", NULL};
    TRY(check_keys(w, object, KEYS));
    TRY(copy_text(w, "id", json_object_get(object, "id"), &q->id));
    if (json_object_get(object, "set")) TRY(copy_text(w, "set", json_object_get(object, "set"), &q->set));
    TRY(copy_text(w, "stem", json_object_get(object, "stem"), &q->stem));
    TRY(parse_options(w, json_object_get(object, "options"), q));
    TRY(parse_answer(w, json_object_get(object, "answer"), q));
    TRY(parse_codes(w, json_object_get(object, "codes"), &q->n_codes, &q->codes));
    return parse_option_codes(w, json_object_get(object, "option_codes"), q);
}

/* ---- files ---- */
static int parse_list(const char *path, const char *bytes, size_t size, struct questions *questions) {
    json_error_t error;
    json_t *list = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (!list) return status_set(STATUS_FAILED, "%s:%d: %s", path, error.line, error.text);
    size_t n = json_array_size(list);
    int status = mem_alloc(&questions->items, (long long)n, sizeof *questions->items);
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        struct where w = {.path = path, .item = (int64_t)i};
        status = parse_released(&w, json_array_get(list, i), &questions->items[questions->n++]);
    }
    json_decref(list);
    return status;
}

/* Adds the question of a line. */
static int parse_line(const struct where *w, const char *line, size_t size, struct questions *questions,
                      long long *capacity) {
    json_error_t error;
    TRY(mem_grow(&questions->items, capacity, questions->n + 1, sizeof *questions->items));
    struct question *q = &questions->items[questions->n++];
    *q = (struct question){0};
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
    if (!object) return FAIL(w, "%s", error.text);
    int status = parse_ours(w, object, q);
    json_decref(object);
    return status;
}

static int parse_lines(const char *path, const char *bytes, size_t size, struct questions *questions) {
    struct dictionary ids = {0};
    struct where w = {.path = path};
    long long capacity = 0;
    int status = STATUS_OK;
    for (size_t at = 0, end; at < size && status == STATUS_OK; at = end + 1) {
        const char *newline = memchr(bytes + at, '\n', size - at);
        end = newline ? (size_t)(newline - bytes) : size;
        w.line++;
        size_t blank = at;
        while (blank < end && is_blank(bytes[blank])) blank++;
        if (blank == end) continue;
        TRY_DONE(parse_line(&w, bytes + at, end - at, questions, &capacity));
        const char *id = questions->items[questions->n - 1].id;
        int32_t number;
        TRY_DONE(dictionary_add(&ids, id, (int64_t)strlen(id), &number));
        if (ids.n < questions->n) TRY_DONE(FAIL(&w, "the id \"%.80s\" is there twice", id));
    }
done:
    dictionary_free(&ids);
    return status;
}

int questions_parse(const char *path, const char *bytes, int64_t size, struct questions *questions) {
    size_t n = (size_t)size, begin = 0;
    *questions = (struct questions){0};
    while (begin < n && is_blank(bytes[begin])) begin++;
    if (begin < n && bytes[begin] == '[')
        TRY(parse_list(path, bytes, n, questions));
    else if (begin < n && bytes[begin] == '{')
        TRY(parse_lines(path, bytes, n, questions));
    else
        return status_set(STATUS_FAILED,
                          "%s: expected questions: a JSON list, as released with MedTok, or a JSON object a line",
                          path);
    return questions->n > 0 ? STATUS_OK : status_set(STATUS_FAILED, "%s: no questions", path);
}

static void codes_free(int64_t n, struct question_code *codes) {
    for (int64_t i = 0; i < n; i++) {
        free(codes[i].system);
        free(codes[i].code);
    }
    free(codes);
}

static void question_free(struct question *q) {
    free(q->id);
    free(q->stem);
    free(q->set);
    for (int i = 0; i < QUESTION_OPTIONS; i++) {
        free(q->options[i]);
        codes_free(q->option_codes[i].n, q->option_codes[i].items);
    }
    codes_free(q->n_codes, q->codes);
}

void questions_free(struct questions *questions) {
    for (int64_t i = 0; i < questions->n; i++) question_free(&questions->items[i]);
    free(questions->items);
    *questions = (struct questions){0};
}
