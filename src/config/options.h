/* How a room declares its settings: one line each, from which come the member of the room's struct and the key.
 *
 *   #define GRAPH_ENCODERS(CHOICE) CHOICE(GRAPH_GCN, "gcn") CHOICE(GRAPH_GAT, "gat")
 *   enum graph_encoder { GRAPH_ENCODERS(OPTION_CHOICE_NUMBER) };
 *
 *   #define GRAPH_OPTIONS(KEY, in)                                                                         \
 *       KEY(in, CHOICE, "graph.encoder", encoder, graph_encoder, GRAPH_ENCODERS, "gcn", JOB_TRAIN, SHAPES, \
 *           "graph encoder")                                                                               \
 *       KEY(in, INTEGER, "graph.heads", heads, "4", 1, 64, "heads", JOB_TRAIN, SHAPES, "gat: heads")
 *   struct graph_options {
 *       GRAPH_OPTIONS(OPTION_MEMBER, )
 *   };
 *
 * `in` is the member of the sum of all options that holds the struct (jobs/settings.h lists them); the order of lines is
 * that of --help and of the provenance. Behind the type stand name and member, and then
 *
 *   INTEGER  default, least, most, unit ("": none), jobs, shapes, help     int64_t
 *   REAL     default, least, most, jobs, shapes, help                      double
 *   CHOICE   enum, list of choices, default, jobs, shapes, help            that enum, numbered from 0 in the list's order
 *   TEXT     default, jobs, shapes, help                                   char *, "" if empty
 *   PATH     default, jobs that read it, jobs that write it, kind, help    char *, "" if empty; kind: see struct key
 *   LIST     unit ("": paths), jobs, kind (NULL: no paths), help           struct string_list, empty by default
 *
 * jobs: those that use the setting, a sum of enum job. shapes: SHAPES, the output depends on it, so it is part of the
 * provenance; or LEAVES it as it is. A default is written as in a file.
 */
#ifndef MEDTOK_CONFIG_OPTIONS_H
#define MEDTOK_CONFIG_OPTIONS_H

#include <stdint.h>

#include "base/string_list.h"

#define OPTION_CHOICE_NUMBER(number, name) number,
#define OPTION_CHOICE_NAME(number, name)   name,

/* The member of an option. */
#define OPTION_MEMBER(in, type, name, ...)        OPTION_MEMBER_##type(__VA_ARGS__)
#define OPTION_MEMBER_INTEGER(member, ...)        int64_t member;
#define OPTION_MEMBER_REAL(member, ...)           double member;
#define OPTION_MEMBER_CHOICE(member, choice, ...) enum choice member;
#define OPTION_MEMBER_TEXT(member, ...)           char *member; /* owned by whoever holds all options */
#define OPTION_MEMBER_PATH(member, ...)           char *member; /* owned by whoever holds all options */
#define OPTION_MEMBER_LIST(member, ...)           struct string_list member;

#endif
