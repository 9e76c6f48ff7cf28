/* A table of settings, made from the options that rooms declare (options.h), and what can be asked of it. */
#ifndef MEDTOK_CONFIG_SCHEMA_H
#define MEDTOK_CONFIG_SCHEMA_H

#include <stddef.h>

#include "config/options.h"

enum key_type { KEY_INTEGER, KEY_REAL, KEY_CHOICE, KEY_TEXT, KEY_PATH, KEY_LIST };

struct key {
    const char *name; /* section.word */
    enum key_type type;
    size_t offset;           /* in the values */
    const char *initial;     /* default, as it would be written */
    double least, most;      /* integers and reals; both ends included */
    const char *unit;        /* "" if none */
    const char *choices[16]; /* KEY_CHOICE; NULL-terminated; the index is the number of the choice */
    unsigned jobs;           /* which jobs use it */
    unsigned writers;        /* paths: the jobs among them that write there; the others read it */
    const char *kind;        /* of the file there (jobs/paths.h) */
    int shapes_output;       /* part of the provenance */
    const char *help;
};

struct schema {
    const struct key *keys; /* [n] */
    int n;
    const struct key_help { /* [n_helps] where a key means something else to one job than to the others */
        const char *name;
        unsigned job;
        const char *help;
    } * helps;
    int n_helps;
    /* whether a key matters to the output of `job` under the other values; NULL: all do */
    int (*applies)(const void *values, unsigned job, const struct key *key);
    size_t
        given; /* offset in the values of unsigned char [n]: 1 where a file or an assignment set the key; 0: not kept */
};

/* The key of an option, for a table `const struct key KEYS[]`. Whoever makes one defines OPTION_OFFSET(in, member): offset of
 * the member `member` of the options `in` in the values. */
enum { LEAVES, SHAPES };
#define OPTION_KEY(in, type, name, ...) OPTION_KEY_##type(in, name, __VA_ARGS__)
#define OPTION_KEY_INTEGER(in, name, member, initial, least, most, unit, jobs, shapes, help)                           \
    {name, KEY_INTEGER, OPTION_OFFSET(in, member), initial, least, most, unit, {NULL}, jobs, 0, NULL, shapes, help},
#define OPTION_KEY_REAL(in, name, member, initial, least, most, jobs, shapes, help)                                    \
    {name, KEY_REAL, OPTION_OFFSET(in, member), initial, least, most, "", {NULL}, jobs, 0, NULL, shapes, help},
#define OPTION_KEY_CHOICE(in, name, member, choice, choices, initial, jobs, shapes, help)                              \
    {name,                                                                                                             \
     KEY_CHOICE,                                                                                                       \
     OPTION_OFFSET(in, member),                                                                                        \
     initial,                                                                                                          \
     0,                                                                                                                \
     0,                                                                                                                \
     "",                                                                                                               \
     {choices(OPTION_CHOICE_NAME) NULL},                                                                               \
     jobs,                                                                                                             \
     0,                                                                                                                \
     NULL,                                                                                                             \
     shapes,                                                                                                           \
     help},
#define OPTION_KEY_TEXT(in, name, member, initial, jobs, shapes, help)                                                 \
    {name, KEY_TEXT, OPTION_OFFSET(in, member), initial, 0, 0, "", {NULL}, jobs, 0, NULL, shapes, help},
#define OPTION_KEY_PATH(in, name, member, initial, readers, writers, kind, help)                                       \
    {name,   KEY_PATH, OPTION_OFFSET(in, member), initial, 0, 0, "", {NULL}, (readers) | (writers), writers, kind,     \
     LEAVES, help},
#define OPTION_KEY_LIST(in, name, member, unit, jobs, kind, help)                                                      \
    {name, KEY_LIST, OPTION_OFFSET(in, member), "[]", 0, 0, unit, {NULL}, jobs, 0, kind, LEAVES, help},

/* The key of that name, or NULL. */
const struct key *schema_find(const struct schema *schema, const char *name);

/* The key of `key=value`, or NULL. */
const struct key *schema_find_assigned(const struct schema *schema, const char *assignment);

/* The known keys that `name` may be meant for, at most `most`, all equally near: those from which it differs, by edit distance
 * and without regard to case, in at most a third of its letters and half of those behind the dot (a section alone is not
 * near); or, failing these, whose part behind the dot differs from its own in at most a third. Returns their number, 0 if
 * nothing is near. */
int schema_nearest(const struct schema *schema, const char *name, const struct key *nearest[], int most);

/* Whether some key begins with `name` and a dot. */
int schema_is_section(const struct schema *schema, const char *name);

/* The keys of a section, without its name: "hops, max_nodes, encoder". */
void schema_section_keys(const struct schema *schema, const char *section, char *text, size_t size);

/* What the key means to `job`. */
const char *schema_help(const struct schema *schema, const struct key *key, unsigned job);

/* "integer, 1 to 65535 (nodes)", "one of gcn, gat", ... */
void schema_allowed(const struct key *key, char *text, size_t size);

#endif
