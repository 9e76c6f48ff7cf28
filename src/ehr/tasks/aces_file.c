/* Reading a task file of ACES.
 *
 * There is of its language (es-aces 0.7, docs/source/configuration.md):
 *
 *   predicates: {NAME: {code: TEXT | {any: [TEXT, ...]} | {regex: TEXT}, value_min, value_max, value_min_inclusive, value_max_inclusive}}
 *               {NAME: {expr: or(NAME, ...) | and(NAME, ...)}}
 *   trigger: NAME | _ANY_EVENT | _RECORD_START | _RECORD_END
 *   windows: {NAME: {start, end: null | REF | REF + 24h | REF - 24h | REF -> NAME | REF <- NAME, start_inclusive, end_inclusive,
 *             has: {NAME | _ANY_EVENT | "*": (min, max)}, label: NAME, index_timestamp: start | end}}
 *   description, metadata: passed over
 *
 * REF: trigger, start or end (of the window itself), WINDOW.start, WINDOW.end. A task has one label and one index_timestamp. There is not:
 * static predicates and patient_demographics, other columns than code and value, files of predicates apart, and an index_timestamp
 * of a window whose start is given as `end - 24h` (or none at all), of which ACES gives the other end.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/status.h"
#include "ehr/tasks/aces_spec.h"

struct reader {
    const char *path;
    yaml_document_t *document;
    struct aces_spec *spec;
    struct aces_bound_texts *bounds; /* [ACES_MOST_WINDOWS] */
};

static int fault(const struct reader *r, const yaml_node_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fault(const struct reader *r, const yaml_node_t *node, const char *format, ...) {
    char what[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return status_set(STATUS_USAGE, "%s:%zu: %s", r->path, node ? node->start_mark.line + 1 : 1, what);
}

/* ---- YAML ---- */
static const char *scalar(const yaml_node_t *node) {
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static int is_null(const yaml_node_t *node) {
    const char *text = scalar(node);
    return text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!text[0] || strcmp(text, "null") == 0 || strcmp(text, "~") == 0 || strcmp(text, "Null") == 0 ||
            strcmp(text, "NULL") == 0);
}

/* The pairs of a mapping, one after another: returns 0 at the end. */
static int next_pair(const struct reader *r, const yaml_node_t *mapping, int i, yaml_node_t **key,
                     yaml_node_t **value) {
    yaml_node_pair_t *pair = mapping->data.mapping.pairs.start + i;
    if (pair >= mapping->data.mapping.pairs.top) return 0;
    *key = yaml_document_get_node(r->document, pair->key);
    *value = yaml_document_get_node(r->document, pair->value);
    return 1;
}

static yaml_node_t *member(const struct reader *r, const yaml_node_t *mapping, const char *name) {
    yaml_node_t *key, *value;
    for (int i = 0; next_pair(r, mapping, i, &key, &value); i++)
        if (scalar(key) && strcmp(scalar(key), name) == 0) return value;
    return NULL;
}

static int check_mapping(const struct reader *r, const yaml_node_t *node, const char *what) {
    return node && node->type == YAML_MAPPING_NODE ? STATUS_OK : fault(r, node, "%s must be keys and values", what);
}

/* Fails on a key that is not in `known`, a list ended by NULL, and on one that stands twice. */
static int check_keys(const struct reader *r, const yaml_node_t *mapping, const char *what, const char *const *known) {
    yaml_node_t *key, *value, *other, *ignored;
    char list[512] = "";
    for (int k = 0; known[k]; k++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", k ? ", " : "", known[k]);
    for (int i = 0; next_pair(r, mapping, i, &key, &value); i++) {
        const char *name = scalar(key);
        int k = 0;
        while (name && known[k] && strcmp(known[k], name) != 0) k++;
        if (!name || !known[k])
            return fault(r, key, "%s: the key %s is not supported; supported are %s", what, name ? name : "(no word)",
                         list);
        for (int j = 0; j < i && next_pair(r, mapping, j, &other, &ignored); j++)
            if (strcmp(scalar(other), name) == 0) return fault(r, key, "%s: the key %s stands twice", what, name);
    }
    return STATUS_OK;
}

static int is_word(const char *text) {
    if (!text || !text[0] || strlen(text) >= ACES_NAME_BYTES) return 0;
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == 0;
}

static int read_flag(const struct reader *r, const yaml_node_t *node, const char *key, int *flag) {
    const char *text = scalar(node);
    static const char *const WORDS[2][3] = {{"false", "False", "FALSE"}, {"true", "True", "TRUE"}};
    if (!node || is_null(node)) return STATUS_OK;
    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 3 && text; i++)
            if (strcmp(text, WORDS[value][i]) == 0) {
                *flag = value;
                return STATUS_OK;
            }
    return fault(r, node, "%s must be true or false", key);
}

static int read_number(const struct reader *r, const yaml_node_t *node, const char *key, int *has, float *number) {
    const char *text = scalar(node);
    char *end;
    if (!node || is_null(node)) return STATUS_OK;
    errno = 0;
    *number = text ? strtof(text, &end) : 0;
    if (!text || end == text || *end || errno || !isfinite(*number))
        return fault(r, node, "%s must be a number, not %s", key, text ? text : "a list");
    *has = 1;
    return STATUS_OK;
}

/* ---- predicates ---- */
static int add_text(struct aces_predicate *p, const char *text, size_t size) {
    char **texts = realloc(p->texts, (size_t)(p->n_texts + 1) * sizeof *texts);
    if (!texts) return status_set(STATUS_FAILED, "out of memory");
    p->texts = texts;
    p->texts[p->n_texts] = strndup(text, size);
    return p->texts[p->n_texts++] ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}

static int read_any(const struct reader *r, const yaml_node_t *list, struct aces_predicate *p) {
    if (list->type != YAML_SEQUENCE_NODE || list->data.sequence.items.start == list->data.sequence.items.top)
        return fault(r, list, "predicates.%s.code.any must be a list of codes", p->name);
    for (yaml_node_item_t *i = list->data.sequence.items.start; i < list->data.sequence.items.top; i++) {
        yaml_node_t *item = yaml_document_get_node(r->document, *i);
        if (!scalar(item)) return fault(r, item, "predicates.%s.code.any must be a list of codes", p->name);
        TRY(add_text(p, scalar(item), strlen(scalar(item))));
    }
    return STATUS_OK;
}

static int read_code(const struct reader *r, const yaml_node_t *code, struct aces_predicate *p) {
    static const char *const KEYS[] = {"any", "regex", NULL};
    char what[ACES_NAME_BYTES + 32];
    snprintf(what, sizeof what, "predicates.%s.code", p->name);
    if (scalar(code)) {
        if (strcmp(scalar(code), "\?\?\?") == 0)
            return fault(r, code, "%s is left open (\?\?\?): write the data set's code here", what);
        return add_text(p, scalar(code), strlen(scalar(code)));
    }
    TRY(check_mapping(r, code, what));
    TRY(check_keys(r, code, what, KEYS));
    yaml_node_t *any = member(r, code, "any"), *regex = member(r, code, "regex");
    if (!any == !regex) return fault(r, code, "%s must have one of any and regex", what);
    if (any) return read_any(r, any, p);
    if (!scalar(regex) || !scalar(regex)[0]) return fault(r, regex, "%s.regex must be a regular expression", what);
    p->form = ACES_REGEX;
    return add_text(p, scalar(regex), strlen(scalar(regex)));
}

/* or(a, b), and(a, b) */
static int read_expression(const struct reader *r, const yaml_node_t *node, struct aces_predicate *p) {
    const char *text = scalar(node);
    size_t size = text ? strlen(text) : 0, at = size > 3 && strncmp(text, "or(", 3) == 0    ? 3
                                                : size > 4 && strncmp(text, "and(", 4) == 0 ? 4
                                                                                            : 0;
    if (at == 0 || text[size - 1] != ')')
        return fault(r, node, "predicates.%s.expr must be or(NAME, ...) or and(NAME, ...), not %s", p->name,
                     text ? text : "a list");
    p->form = at == 3 ? ACES_OR : ACES_AND;
    while (at < size) {
        at += strspn(text + at, " ");
        size_t n = strcspn(text + at, " ,)");
        if (n == 0 || p->n_texts == ACES_MOST_PREDICATES)
            return fault(r, node, "predicates.%s.expr: an empty name, or more than %d names", p->name,
                         ACES_MOST_PREDICATES);
        TRY(add_text(p, text + at, n));
        at += n;
        at += strspn(text + at, " ");
        if (text[at] != ',' && at + 1 < size)
            return fault(r, node, "predicates.%s.expr: names must have commas between them", p->name);
        at++;
    }
    return p->n_texts >= 2 ? STATUS_OK : fault(r, node, "predicates.%s.expr must have two names or more", p->name);
}

static int read_predicate(const struct reader *r, const yaml_node_t *name, const yaml_node_t *node,
                          struct aces_predicate *p) {
    static const char *const KEYS[] = {"code", "value_min", "value_max", "value_min_inclusive", "value_max_inclusive",
                                       "expr", NULL};
    char what[ACES_NAME_BYTES + 32];
    if (!is_word(scalar(name))) return fault(r, name, "predicates: a name must be of letters, digits and _");
    snprintf(p->name, sizeof p->name, "%s", scalar(name));
    snprintf(what, sizeof what, "predicates.%s", p->name);
    if (scalar(node) && strcmp(scalar(node), "\?\?\?") == 0)
        return fault(r, node, "%s is left open (\?\?\?): write the data set's code here", what);
    TRY(check_mapping(r, node, what));
    TRY(check_keys(r, node, what, KEYS));
    yaml_node_t *code = member(r, node, "code"), *expr = member(r, node, "expr");
    if (!code == !expr) return fault(r, node, "%s must have one of code and expr", what);
    TRY(read_number(r, member(r, node, "value_min"), "value_min", &p->has_least, &p->least));
    TRY(read_number(r, member(r, node, "value_max"), "value_max", &p->has_most, &p->most));
    TRY(read_flag(r, member(r, node, "value_min_inclusive"), "value_min_inclusive", &p->least_in));
    TRY(read_flag(r, member(r, node, "value_max_inclusive"), "value_max_inclusive", &p->most_in));
    if (expr && (p->has_least || p->has_most)) return fault(r, node, "%s: value_min and value_max go with code", what);
    return code ? read_code(r, code, p) : read_expression(r, expr, p);
}

int aces_spec_find(const struct aces_spec *spec, const char *name) {
    static const char *const SPECIAL[N_ACES_SPECIAL] = {"_ANY_EVENT", "_RECORD_START", "_RECORD_END"};
    for (int p = 0; p < spec->n_predicates; p++)
        if (strcmp(spec->predicates[p].name, name) == 0) return p;
    for (int s = 0; s < N_ACES_SPECIAL; s++)
        if (strcmp(SPECIAL[s], name) == 0) return spec->n_predicates + s;
    return strcmp(name, "*") == 0 ? spec->n_predicates + ACES_ANY_EVENT : -1;
}

static int need_predicate(const struct reader *r, const yaml_node_t *node, const char *name, int *predicate) {
    *predicate = aces_spec_find(r->spec, name);
    return *predicate >= 0 ? STATUS_OK : fault(r, node, "the predicate %s is not defined", name);
}

/* Puts and(), or() into an order in which their inputs come before them. */
static int order_derived(const struct reader *r, const yaml_node_t *node) {
    struct aces_spec *s = r->spec;
    uint8_t done[ACES_MOST_PREDICATES] = {0};
    for (int p = 0; p < s->n_predicates; p++) {
        struct aces_predicate *predicate = &s->predicates[p];
        done[p] = predicate->form < ACES_AND;
        for (int i = 0; i < predicate->n_texts && !done[p]; i++) {
            TRY(need_predicate(r, node, predicate->texts[i], &predicate->inputs[i]));
            if (predicate->inputs[i] >= s->n_predicates)
                return fault(r, node, "predicates.%s.expr: %s cannot stand in an expression", predicate->name,
                             predicate->texts[i]);
        }
    }
    for (int found = 1; found;) {
        found = 0;
        for (int p = 0; p < s->n_predicates; p++) {
            int ready = !done[p];
            for (int i = 0; i < s->predicates[p].n_texts && ready; i++) ready = done[s->predicates[p].inputs[i]];
            if (ready) s->derived[s->n_derived++] = p, done[p] = 1, found = 1;
        }
    }
    for (int p = 0; p < s->n_predicates; p++)
        if (!done[p]) return fault(r, node, "predicates.%s.expr: it is made of itself", s->predicates[p].name);
    return STATUS_OK;
}

static int read_predicates(const struct reader *r, const yaml_node_t *node) {
    yaml_node_t *key, *value;
    TRY(check_mapping(r, node, "predicates"));
    for (int i = 0; next_pair(r, node, i, &key, &value); i++) {
        if (i == ACES_MOST_PREDICATES) return fault(r, key, "predicates: more than %d", ACES_MOST_PREDICATES);
        if (scalar(key) && aces_spec_find(r->spec, scalar(key)) >= 0)
            return fault(r, key, "predicates: %s stands twice, or has a name that ACES keeps for itself", scalar(key));
        TRY(read_predicate(r, key, value, &r->spec->predicates[i]));
        r->spec->n_predicates = i + 1;
    }
    return order_derived(r, node);
}

/* ---- windows ---- */
/* (min, max), either None */
static int read_range(const struct reader *r, const yaml_node_t *node, const char *what, struct aces_range *range) {
    const char *text = scalar(node);
    int64_t *const ends[2] = {&range->least, &range->most};
    range->least = INT64_MIN, range->most = INT64_MAX;
    const char *p = text ? text + strspn(text, " (") : "";
    for (int e = 0; e < 2; e++) {
        char *end = NULL;
        size_t n = strcspn(p, " ,)");
        if (n > 0 && !(n == 4 && strncmp(p, "None", 4) == 0)) {
            *ends[e] = strtoll(p, &end, 10);
            if (end != p + n)
                return fault(r, node, "%s must be (min, max), each a whole number or None, not %s", what, text);
        }
        p += n;
        p += strspn(p, " ");
        if (*p != (e == 0 ? ',' : ')'))
            return fault(r, node, "%s must be (min, max), not %s", what, text ? text : "a list");
        p++;
        p += strspn(p, " ");
    }
    if (*p || (range->least == INT64_MIN && range->most == INT64_MAX) || range->least > range->most)
        return fault(r, node, "%s: %s allows everything, or nothing", what, text);
    return STATUS_OK;
}

static int read_has(const struct reader *r, const yaml_node_t *node, struct aces_window *w) {
    yaml_node_t *key, *value;
    char what[2 * ACES_NAME_BYTES + 32];
    if (!node || is_null(node)) return STATUS_OK;
    snprintf(what, sizeof what, "windows.%s.has", w->name);
    TRY(check_mapping(r, node, what));
    for (int i = 0; next_pair(r, node, i, &key, &value); i++) {
        if (i == ACES_MOST_RANGES || !scalar(key))
            return fault(r, key, "%s: more than %d lines, or no name", what, ACES_MOST_RANGES);
        struct aces_range *range = &w->ranges[w->n_ranges++];
        TRY(need_predicate(r, key, scalar(key), &range->predicate));
        snprintf(what, sizeof what, "windows.%s.has.%.100s", w->name, scalar(key));
        TRY(read_range(r, value, what, range));
    }
    return STATUS_OK;
}

static int keep_bound(const struct reader *r, const yaml_node_t *node, int window, int end) {
    const char *text = scalar(node);
    struct aces_bound_texts *bounds = &r->bounds[window];
    bounds->line[end] = node ? (int)node->start_mark.line + 1 : 1;
    if (!node || is_null(node)) return STATUS_OK;
    if (!text || !text[0] || strlen(text) >= sizeof bounds->text[end])
        return fault(r, node, "windows.%s: start and end must be short texts", r->spec->windows[window].name);
    snprintf(bounds->text[end], sizeof bounds->text[end], "%s", text);
    return STATUS_OK;
}

static int read_label(const struct reader *r, const yaml_node_t *node, int window) {
    if (!node || is_null(node)) return STATUS_OK;
    if (r->spec->label_window >= 0) return fault(r, node, "there are two labels: a task has one");
    if (!scalar(node)) return fault(r, node, "label must be the name of a predicate");
    r->spec->label_window = window;
    return need_predicate(r, node, scalar(node), &r->spec->label_predicate);
}

static int read_index(const struct reader *r, const yaml_node_t *node, int window) {
    const char *text = scalar(node);
    if (!node || is_null(node)) return STATUS_OK;
    if (r->spec->index_node >= 0) return fault(r, node, "there are two of index_timestamp: a task has one");
    if (!text || (strcmp(text, "start") != 0 && strcmp(text, "end") != 0))
        return fault(r, node, "index_timestamp must be start or end");
    r->spec->index_node = 1 + 2 * window + (text[0] == 'e');
    return STATUS_OK;
}

static int read_window(const struct reader *r, const yaml_node_t *name, const yaml_node_t *node, int window) {
    static const char *const KEYS[] = {"start", "end",   "start_inclusive", "end_inclusive",
                                       "has",   "label", "index_timestamp", NULL};
    struct aces_window *w = &r->spec->windows[window];
    char what[ACES_NAME_BYTES + 32];
    if (!is_word(scalar(name))) return fault(r, name, "windows: a name must be of letters, digits and _");
    snprintf(w->name, sizeof w->name, "%s", scalar(name));
    snprintf(what, sizeof what, "windows.%s", w->name);
    TRY(check_mapping(r, node, what));
    TRY(check_keys(r, node, what, KEYS));
    for (int k = 0; k < 4; k++)
        if (!member(r, node, KEYS[k])) return fault(r, node, "%s lacks the key %s", what, KEYS[k]);
    TRY(keep_bound(r, member(r, node, "start"), window, 0));
    TRY(keep_bound(r, member(r, node, "end"), window, 1));
    TRY(read_flag(r, member(r, node, "start_inclusive"), "start_inclusive", &w->start_in));
    TRY(read_flag(r, member(r, node, "end_inclusive"), "end_inclusive", &w->end_in));
    TRY(read_has(r, member(r, node, "has"), w));
    TRY(read_label(r, member(r, node, "label"), window));
    return read_index(r, member(r, node, "index_timestamp"), window);
}

static int read_windows(const struct reader *r, const yaml_node_t *node) {
    yaml_node_t *key, *value;
    TRY(check_mapping(r, node, "windows"));
    for (int i = 0; next_pair(r, node, i, &key, &value); i++) {
        if (i == ACES_MOST_WINDOWS) return fault(r, key, "windows: more than %d", ACES_MOST_WINDOWS);
        TRY(read_window(r, key, value, i));
        for (int j = 0; j < i; j++)
            if (strcmp(r->spec->windows[j].name, r->spec->windows[i].name) == 0)
                return fault(r, key, "windows: %s stands twice", r->spec->windows[i].name);
        r->spec->n_windows = i + 1;
    }
    if (r->spec->label_window < 0) return fault(r, node, "no window has a label, so that there is nothing to predict");
    if (r->spec->index_node < 0)
        return fault(r, node, "no window has an index_timestamp, which is the time of the prediction");
    return aces_spec_bind(r->spec, r->path, r->bounds);
}

/* ---- the file ---- */
static int read_root(const struct reader *r, const yaml_node_t *root) {
    static const char *const KEYS[] = {"description", "metadata", "predicates", "trigger", "windows", NULL};
    TRY(check_mapping(r, root, "the file"));
    TRY(check_keys(r, root, "the file", KEYS));
    for (int k = 2; k < 5; k++)
        if (!member(r, root, KEYS[k])) return fault(r, root, "the file lacks the key %s", KEYS[k]);
    yaml_node_t *trigger = member(r, root, "trigger");
    TRY(read_predicates(r, member(r, root, "predicates")));
    if (!scalar(trigger)) return fault(r, trigger, "trigger must be the name of a predicate");
    TRY(need_predicate(r, trigger, scalar(trigger), &r->spec->trigger));
    return read_windows(r, member(r, root, "windows"));
}

static int read_document(struct aces_spec *spec, const char *path, yaml_document_t *document) {
    struct reader reader = {path, document, spec, NULL};
    int status = mem_alloc(&reader.bounds, ACES_MOST_WINDOWS, sizeof *reader.bounds);
    if (status == STATUS_OK) status = read_root(&reader, yaml_document_get_root_node(document));
    free(reader.bounds);
    return status;
}

int aces_spec_read_text(struct aces_spec *spec, const char *path, const char *text, size_t size) {
    yaml_parser_t parser;
    yaml_document_t document;
    int status;
    spec->label_window = spec->index_node = -1;
    if (!yaml_parser_initialize(&parser)) return status_set(STATUS_FAILED, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (yaml_parser_load(&parser, &document)) {
        status = read_document(spec, path, &document);
        yaml_document_delete(&document);
    } else
        status = status_set(STATUS_USAGE, "%s:%zu: not valid YAML: %s", path, parser.problem_mark.line + 1,
                            parser.problem ? parser.problem : "unknown problem");
    yaml_parser_delete(&parser);
    return status;
}

int aces_spec_read(struct aces_spec *spec, const char *path) {
    enum { MOST = 1 << 20 };
    FILE *file = fopen(path, "rb");
    if (!file) return status_set(STATUS_USAGE, "cannot read the task file %s: %s", path, strerror(errno));
    char *text = malloc(MOST);
    size_t size = text ? fread(text, 1, MOST, file) : 0;
    int status = !text          ? status_set(STATUS_FAILED, "out of memory")
                 : ferror(file) ? status_set(STATUS_USAGE, "%s: %s", path, strerror(errno))
                 : size == MOST ? status_set(STATUS_USAGE, "%s is no task file: it is over 1 MB", path)
                                : aces_spec_read_text(spec, path, text, size);
    fclose(file);
    free(text);
    return status;
}

void aces_spec_free(struct aces_spec *spec) {
    for (int p = 0; p < ACES_MOST_PREDICATES; p++) {
        for (int i = 0; i < spec->predicates[p].n_texts; i++) free(spec->predicates[p].texts[i]);
        free(spec->predicates[p].texts);
        free(spec->predicates[p].is_code);
    }
    memset(spec, 0, sizeof *spec);
}
