/* What a task file of ACES says, read and checked: between aces_file.c, which reads it, and aces.c, which evaluates it. */
#ifndef MEDTOK_EHR_TASKS_ACES_SPEC_H
#define MEDTOK_EHR_TASKS_ACES_SPEC_H

#include <stddef.h>
#include <stdint.h>

enum { ACES_NAME_BYTES = 128, ACES_MOST_PREDICATES = 64, ACES_MOST_WINDOWS = 32, ACES_MOST_RANGES = 32 };
enum { ACES_MOST_NODES = 1 + 2 * ACES_MOST_WINDOWS };

/* Behind the predicates of the file; of them by number. */
enum aces_special { ACES_ANY_EVENT, ACES_RECORD_START, ACES_RECORD_END, N_ACES_SPECIAL };

enum aces_form { ACES_CODES, ACES_REGEX, ACES_AND, ACES_OR };

/* An event that is of certain codes and, if bounds are given, has a value within; or other predicates, at one time. */
struct aces_predicate {
    char name[ACES_NAME_BYTES];
    enum aces_form form;
    char **texts; /* [n_texts] codes; the regular expression; names of predicates. Owned */
    int n_texts;
    int has_least, has_most, least_in, most_in; /* whether there are bounds, and whether they are within */
    float least, most;
    int inputs[ACES_MOST_PREDICATES]; /* [n_texts] of and, or: numbers */
    uint8_t *is_code;                 /* [n_codes] of the cohort; owned */
};

enum aces_bound {
    ACES_SAME,   /* the time of its parent */
    ACES_OFFSET, /* so long behind it, or before */
    ACES_NEXT,   /* the first event of the predicate behind it */
    ACES_LAST    /* the last one before */
};

/* The start or the end of a window, or the trigger, which is node 0; window w has nodes 1 + 2w (start) and 2 + 2w. */
struct aces_node {
    int parent, window; /* window: whose span lies between the parent and this, or -1 */
    enum aces_bound bound;
    int64_t offset; /* microseconds, not 0 */
    int predicate;
};

struct aces_range {
    int predicate;
    int64_t least, most; /* both within; INT64_MIN, INT64_MAX: none */
};

struct aces_window {
    char name[ACES_NAME_BYTES];
    int start_in, end_in; /* whether the ends are within */
    int spans;            /* node whose time, with its parent's, bounds the window */
    struct aces_range ranges[ACES_MOST_RANGES];
    int n_ranges;
};

struct aces_spec {
    int n_predicates, n_windows, n_nodes;
    struct aces_predicate predicates[ACES_MOST_PREDICATES];
    struct aces_window windows[ACES_MOST_WINDOWS];
    struct aces_node nodes[ACES_MOST_NODES];
    int order[ACES_MOST_NODES];        /* [n_nodes] parents before children */
    int derived[ACES_MOST_PREDICATES]; /* [n_derived] and, or: inputs before those that have them */
    int n_derived;
    int trigger; /* predicate */
    int label_window, label_predicate;
    int index_node; /* whose time is the prediction's */
};

/* Reads a file into a zeroed spec. STATUS_USAGE with file, line, key. Call aces_spec_free in any case. */
int aces_spec_read(struct aces_spec *spec, const char *path);
/* The same from memory; `path` stands in messages. */
int aces_spec_read_text(struct aces_spec *spec, const char *path, const char *text, size_t size);
void aces_spec_free(struct aces_spec *spec);

/* The bounds of a window as they are written; "": null. */
struct aces_bound_texts {
    char text[2][2 * ACES_NAME_BYTES];
    int line[2];
};

/* Makes the nodes of windows whose names are read; texts [n_windows]. For aces_file.c. */
int aces_spec_bind(struct aces_spec *spec, const char *path, const struct aces_bound_texts *texts);

/* Whether the window of the label never reaches behind the prediction time, so that the history says the label. */
int aces_label_is_past(const struct aces_spec *spec);

/* Number of a predicate or special one, or -1. */
int aces_spec_find(const struct aces_spec *spec, const char *name);

#endif
