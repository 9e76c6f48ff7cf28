/* The table behind every setting (private to config/). */
#ifndef MEDTOK_CONFIG_SCHEMA_H
#define MEDTOK_CONFIG_SCHEMA_H

#include <stddef.h>

#include "config/config.h"

enum key_type { KEY_INTEGER, KEY_REAL, KEY_TEXT, KEY_LIST, KEY_CHOICE };

struct key {
    const char *name;
    enum key_type type;
    size_t offset;       /* in struct config */
    const char *initial; /* default, as it would be written */
    double least, most;  /* integers and reals; both ends included */
    const char *unit;    /* "" if none */
    const char
        *choices[6];  /* KEY_CHOICE, or KEY_TEXT with allowed values; NULL-terminated; a choice's number is its place */
    unsigned jobs;    /* which jobs use it */
    unsigned writers; /* paths: the jobs among them that write there; the others read it */
    const char *kind; /* of what is written there (config/paths.h) */
    int shapes_output; /* part of the provenance */
    const char *help;
};

enum { SCHEMA_MOST = 256 }; /* there are at most so many keys */
extern const struct key SCHEMA[];
extern const int SCHEMA_SIZE;

/* The key of that name, or NULL. */
const struct key *schema_find(const char *name);

/* The known keys that `name` may be meant for, at most `most`, all equally near: those from which it differs, by edit distance
 * and without regard to case, in at most a third of its letters and half of those behind the dot (a section alone is not
 * near); or, failing these, whose part behind the dot differs from its own in at most a third. Returns their number, 0 if
 * nothing is near. */
int schema_nearest(const char *name, const struct key *nearest[], int most);

/* Whether some key begins with `name` and a dot. */
int schema_is_section(const char *name);

/* The keys of a section, without its name: "hops, max_nodes, encoder". */
void schema_section_keys(const char *section, char *text, size_t size);

/* What the key means to `job`. */
const char *schema_help(const struct key *key, enum job job);

/* "integer, 1 to 65535 (nodes)", "one of gcn, gat", ... */
void schema_allowed(const struct key *key, char *text, size_t size);

#endif
