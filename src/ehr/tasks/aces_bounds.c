/* Starts and ends of ACES' windows as a tree below the trigger. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ehr/tasks/aces_spec.h"

/* ---- durations ---- */
static const struct {
    const char *name;
    int64_t seconds;
} UNITS[] = {{"w", 604800}, {"wk", 604800}, {"wks", 604800}, {"week", 604800}, {"weeks", 604800},
             {"d", 86400},  {"dy", 86400},  {"dys", 86400},  {"day", 86400},   {"days", 86400},
             {"h", 3600},   {"hr", 3600},   {"hrs", 3600},   {"hour", 3600},   {"hours", 3600},
             {"m", 60},     {"min", 60},    {"mins", 60},    {"minute", 60},   {"minutes", 60},
             {"s", 1},      {"sec", 1},     {"secs", 1},     {"second", 1},    {"seconds", 1}};

/* "24h", "1 day", "2 hours 30 min" in microseconds; returns 0 if the text is none. Units of pytimeparse, from weeks to seconds. */
static int aces_duration(const char *text, int64_t *duration) {
    double sum = 0;
    *duration = 0;
    do {
        char *end, unit[16] = "";
        size_t n = 0, u = 0;
        text += strspn(text, " ,");
        if (!isdigit((unsigned char)*text)) return 0;
        double number = strtod(text, &end);
        for (text = end + strspn(end, " "); isalpha((unsigned char)text[n]) && n + 1 < sizeof unit; n++)
            unit[n] = (char)tolower((unsigned char)text[n]);
        text += n;
        while (u < sizeof UNITS / sizeof *UNITS && strcmp(UNITS[u].name, unit) != 0) u++;
        if (u == sizeof UNITS / sizeof *UNITS) return 0;
        sum += number * (double)UNITS[u].seconds;
        text += strspn(text, " ,");
    } while (*text);
    if (!(sum < 1e11)) return 0; /* 3,000 years */
    *duration = llround(sum * 1e6);
    return 1;
}

/* ---- a bound ---- */
struct bound {
    char reference[ACES_NAME_BYTES * 2];
    struct aces_node node;
};

struct binder {
    struct aces_spec *spec;
    const char *path;
    int line, window;
    const char *text; /* of the bound in hand */
};

static int fault(const struct binder *b, const char *what) {
    return status_set(
        STATUS_USAGE,
        "%s:%d: windows.%s: %s in \"%s\"; a bound is null, REF, REF + 24h, REF - 24h, REF -> PREDICATE or REF <- "
        "PREDICATE, and REF is trigger, start, end, WINDOW.start or WINDOW.end",
        b->path, b->line, b->spec->windows[b->window].name, what, b->text);
}

static void trim(const char *from, size_t size, char *to, size_t room) {
    while (size > 0 && isspace((unsigned char)*from)) from++, size--;
    while (size > 0 && isspace((unsigned char)from[size - 1])) size--;
    snprintf(to, room, "%.*s", (int)size, from);
}

/* Splits REF, operator and what is behind it. */
static int read_bound(const struct binder *b, struct bound *bound) {
    const char *arrow = strstr(b->text, "->"), *back = strstr(b->text, "<-");
    const char *sign = arrow || back ? NULL : strpbrk(b->text, "+-");
    const char *mark = arrow ? arrow : back ? back : sign;
    char operand[ACES_NAME_BYTES * 2];
    if (arrow && back) return fault(b, "both -> and <-");
    trim(b->text, mark ? (size_t)(mark - b->text) : strlen(b->text), bound->reference, sizeof bound->reference);
    if (!mark) return STATUS_OK;
    mark += sign ? 1 : 2;
    trim(mark, strlen(mark), operand, sizeof operand);
    if (sign) {
        if (strpbrk(mark, "+-") || !aces_duration(operand, &bound->node.offset))
            return fault(b, "no length of time (24h, 2 days)");
        if (*sign == '-') bound->node.offset = -bound->node.offset;
        bound->node.bound = bound->node.offset ? ACES_OFFSET : ACES_SAME;
        return STATUS_OK;
    }
    bound->node.bound = arrow ? ACES_NEXT : ACES_LAST;
    bound->node.predicate = aces_spec_find(b->spec, operand);
    return bound->node.predicate >= 0 ? STATUS_OK : fault(b, "a predicate that is not defined");
}

/* The node that a reference means; start and end are the window's own. */
static int find_reference(const struct binder *b, const char *reference, int *node) {
    const struct aces_spec *s = b->spec;
    static const char *const ENDS[2] = {"start", "end"};
    *node = -1;
    if (strcmp(reference, "trigger") == 0) *node = 0;
    for (int e = 0; e < 2; e++) {
        if (strcmp(reference, ENDS[e]) == 0) *node = 1 + 2 * b->window + e;
        for (int w = 0; w < s->n_windows; w++) {
            size_t n = strlen(s->windows[w].name);
            if (strncmp(reference, s->windows[w].name, n) == 0 && reference[n] == '.' &&
                strcmp(reference + n + 1, ENDS[e]) == 0)
                *node = 1 + 2 * w + e;
        }
    }
    return *node >= 0 ? STATUS_OK : fault(b, "a reference that is not there");
}

/* ---- a window ---- */
/* One bound refers to the other; that one has the span of the window. */
static int bind_window(struct binder *b, const struct aces_bound_texts *texts) {
    struct aces_spec *s = b->spec;
    struct aces_window *w = &s->windows[b->window];
    int nodes[2] = {1 + 2 * b->window, 2 + 2 * b->window}, of_other[2] = {0, 0};
    for (int e = 0; e < 2; e++) {
        struct bound bound = {.node = {.window = -1}};
        b->line = texts->line[e];
        b->text = texts->text[e][0] ? texts->text[e] : "null";
        if (texts->text[e][0])
            TRY(read_bound(b, &bound));
        else {
            snprintf(bound.reference, sizeof bound.reference, "%s", e ? "start" : "end");
            bound.node.bound = e ? ACES_NEXT : ACES_LAST;
            bound.node.predicate = s->n_predicates + (e ? ACES_RECORD_END : ACES_RECORD_START);
        }
        TRY(find_reference(b, bound.reference, &bound.node.parent));
        of_other[e] = bound.node.parent == nodes[1 - e];
        if (bound.node.parent == nodes[e]) return fault(b, "a reference to itself");
        s->nodes[nodes[e]] = bound.node;
    }
    if (of_other[0] == of_other[1]) return fault(b, "start and end that refer to each other, or neither to the other,");
    int e = of_other[1];
    struct aces_node *span = &s->nodes[nodes[e]];
    int backward = span->bound == ACES_LAST || (span->bound == ACES_OFFSET && span->offset < 0);
    if (span->bound == ACES_SAME) return fault(b, "no length of the window");
    if (backward != (e == 0)) return fault(b, "a start behind its end");
    span->window = b->window;
    w->spans = nodes[e];
    return STATUS_OK;
}

/* Parents before children. */
static int order_nodes(struct binder *b) {
    struct aces_spec *s = b->spec;
    uint8_t done[ACES_MOST_NODES] = {1};
    s->order[0] = 0;
    int n = 1;
    for (int found = 1; found;) {
        found = 0;
        for (int i = 1; i < s->n_nodes; i++)
            if (!done[i] && done[s->nodes[i].parent]) s->order[n++] = i, done[i] = 1, found = 1;
    }
    if (n == s->n_nodes) return STATUS_OK;
    return status_set(STATUS_USAGE, "%s: windows refer to each other in a circle: one must begin at the trigger",
                      b->path);
}

/* ACES gives start + length as the end, also where the length is negative. */
static int check_index(const struct binder *b) {
    const struct aces_spec *s = b->spec;
    const struct aces_window *w = &s->windows[(s->index_node - 1) / 2];
    const struct aces_node *span = &s->nodes[w->spans];
    if (span->bound != ACES_OFFSET || span->offset > 0) return STATUS_OK;
    return status_set(
        STATUS_USAGE,
        "%s: windows.%s.index_timestamp: of a window whose start is `end - LENGTH` ACES gives the other end: put "
        "index_timestamp into a window whose end is `start + LENGTH`",
        b->path, w->name);
}

/* The latest time of a node against that of an ancestor, microseconds; INT64_MAX: there is no bound. earliest: likewise, INT64_MIN. Times of events
 * that are sought lie behind, or before, where the search begins. */
static int64_t distance(const struct aces_spec *s, int ancestor, int node, int earliest) {
    int64_t sum = 0;
    for (; node != ancestor; node = s->nodes[node].parent) {
        enum aces_bound bound = s->nodes[node].bound;
        if (bound == (earliest ? ACES_LAST : ACES_NEXT)) return earliest ? INT64_MIN : INT64_MAX;
        if (bound == ACES_OFFSET) sum += s->nodes[node].offset;
    }
    return sum;
}

/* Whether a node is never behind another: the latest time of the one against the earliest of the other, from where their ways part. */
static int is_never_behind(const struct aces_spec *s, int node, int other) {
    uint8_t above[ACES_MOST_NODES] = {0};
    int parts = other;
    for (int n = node; n >= 0; n = s->nodes[n].parent) above[n] = 1;
    while (!above[parts]) parts = s->nodes[parts].parent;
    int64_t latest = distance(s, parts, node, 0), earliest = distance(s, parts, other, 1);
    return latest != INT64_MAX && earliest != INT64_MIN && latest <= earliest;
}

int aces_label_is_past(const struct aces_spec *spec) {
    int span = spec->windows[spec->label_window].spans;
    return is_never_behind(spec, span, spec->index_node) &&
           is_never_behind(spec, spec->nodes[span].parent, spec->index_node);
}

int aces_spec_bind(struct aces_spec *spec, const char *path, const struct aces_bound_texts *texts) {
    struct binder b = {.spec = spec, .path = path};
    spec->n_nodes = 1 + 2 * spec->n_windows;
    spec->nodes[0] = (struct aces_node){.parent = -1, .window = -1};
    for (b.window = 0; b.window < spec->n_windows; b.window++) TRY(bind_window(&b, &texts[b.window]));
    TRY(order_nodes(&b));
    return check_index(&b);
}
