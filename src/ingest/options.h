/* What prepare and cohort make of foreign files: settings graph.hops ... graph.parents, text.empty, cohort.*. */
#ifndef MEDTOK_INGEST_OPTIONS_H
#define MEDTOK_INGEST_OPTIONS_H

#include "config/options.h"

#define GRAPH_HIERARCHIES(CHOICE)                                                                                      \
    CHOICE(HIERARCHY_NO, "no") CHOICE(HIERARCHY_YES, "yes") CHOICE(HIERARCHY_INHERIT, "inherit")
enum graph_hierarchy { GRAPH_HIERARCHIES(OPTION_CHOICE_NUMBER) };

#define SUBGRAPH_OPTIONS(KEY, in)                                                                                      \
    KEY(in, INTEGER, "graph.hops", hops, "1", 0, 8, "hops", JOB_PREPARE, SHAPES,                                       \
        "how far a code's subgraph grows from its listed nodes; 0: the listed nodes as given")                         \
    KEY(in, INTEGER, "graph.max_nodes", max_nodes, "64", 1, 65535, "nodes", JOB_PREPARE, SHAPES,                       \
        "largest subgraph of one code")                                                                                \
    KEY(in, TEXT, "graph.remove", remove, "", JOB_PREPARE, SHAPES,                                                     \
        "relations of which edges are removed, for probe.removed, with commas between: names of the columns relation " \
        "or display_relation")                                                                                         \
    KEY(in, REAL, "graph.remove_share", remove_share, "0.1", 0, 1, JOB_PREPARE, SHAPES,                                \
        "share of their edges that are removed")                                                                       \
    KEY(in, INTEGER, "graph.remove_seed", remove_seed, "0", 0, 9e15, "", JOB_PREPARE, SHAPES, "seed that draws them")  \
    KEY(in, PATH, "graph.removed", removed, "", 0, JOB_PREPARE, "removed", "the edges that were removed, as TSV")      \
    KEY(in, CHOICE, "graph.hierarchy", hierarchy, graph_hierarchy, GRAPH_HIERARCHIES, "no", JOB_PREPARE, SHAPES,       \
        "yes: what stands above a code in its terminology becomes nodes and edges of its subgraph, beside those of "   \
        "the graph; inherit: and a code that lists no nodes takes those of the nearest code above it")                 \
    KEY(in, LIST, "graph.parents", parents, "", JOB_PREPARE | JOB_TOKENIZE, "parents",                                 \
        "graph.hierarchy: tables with more parents than the strings of codes tell: maps as in cohort.maps (NDC to "    \
        "ATC), classes as in probe.classes (chapters, CCS)")
struct subgraph_options {
    SUBGRAPH_OPTIONS(OPTION_MEMBER, )
};

#define EMPTY_TEXTS(CHOICE) CHOICE(EMPTY_TEXT_CODE, "code") CHOICE(EMPTY_TEXT_ABSENT, "absent")
enum empty_text { EMPTY_TEXTS(OPTION_CHOICE_NUMBER) };

#define DESCRIPTION_OPTIONS(KEY, in)                                                                                   \
    KEY(in, CHOICE, "text.empty", empty, empty_text, EMPTY_TEXTS, "code", JOB_PREPARE, SHAPES,                         \
        "an empty description: the code stands in for it, or the code's text is absent")
struct description_options {
    DESCRIPTION_OPTIONS(OPTION_MEMBER, )
};

#define COHORT_OPTIONS(KEY, in)                                                                                        \
    KEY(in, PATH, "cohort.folder", folder, "", JOB_COHORT, 0, "folder", "folder of the data set")                      \
    KEY(in, TEXT, "cohort.format", format, "auto", JOB_COHORT, LEAVES,                                                 \
        "format of the data set: mimic3, mimic4, ehrshot, omop, meds, meds_csv; auto: what the folder looks like")     \
    KEY(in, TEXT, "cohort.kinds", kinds, "all", JOB_COHORT, SHAPES,                                                    \
        "kinds of events that are read: some of other, diagnosis, procedure, drug, measurement, visit, fact, with "    \
        "commas between")                                                                                              \
    KEY(in, LIST, "cohort.tasks", tasks, "names", JOB_COHORT, NULL,                                                    \
        "tasks, by name: folders of label files in the data set, or tasks that are labelled here; empty: the label "   \
        "files that are there, or, if there are none, all tasks that any visits allow")                                \
    KEY(in, TEXT, "cohort.split", split, "70/10/20", JOB_COHORT, SHAPES,                                               \
        "shares of train, tuning and held_out, by a number drawn for each subject, where the data set has no splits")  \
    KEY(in, REAL, "cohort.most_bad", most_bad, "0.005", 0, 1, JOB_COHORT, SHAPES,                                      \
        "share of a file's rows that may be faulty; more are an error")                                                \
    KEY(in, INTEGER, "cohort.memory", memory, "1024", 1, 1048576, "MiB", JOB_COHORT, LEAVES,                           \
        "memory of a rank for rows; what is beyond it waits on the disk, beside the output")                           \
    KEY(in, PATH, "cohort.vocabulary", vocabulary, "", JOB_COHORT, 0, "vocabulary",                                    \
        "vocabulary.h5 in which codes are looked up; empty: none")                                                     \
    KEY(in, PATH, "cohort.unmapped", unmapped, "", 0, JOB_COHORT, "unmapped",                                          \
        "codes that the vocabulary has not, by events, as TSV; empty: not written")                                    \
    KEY(in, LIST, "cohort.patterns", patterns, "patterns", JOB_COHORT, NULL,                                           \
        "what tells a code's system, before what is built in: \"PREFIX -> SYSTEM\"")                                   \
    KEY(in, LIST, "cohort.maps", maps, "", JOB_COHORT, "maps",                                                         \
        "tables that map codes: NDC to ATC, names of drugs to ATC, ICD-9-CM to ICD-10-CM")                             \
    KEY(in, LIST, "cohort.groups", groups, "", JOB_COHORT | JOB_EXPLAIN, "groups",                                     \
        "groups of codes for tasks: CCS tables of ICD-9-CM, ICD-10-CM and ICD-10-PCS, TSV or CSV, plain or gzip")      \
    KEY(in, PATH, "cohort.concepts", concepts, "", JOB_COHORT | JOB_EXPLAIN, 0, "concepts",                            \
        "folder with OMOP's concept.csv, for what concepts mean, and concept_ancestor.csv, for what is below one; "    \
        "empty: the data set's folder, if they are there")                                                             \
    KEY(in, PATH, "cohort.python", python, "", JOB_COHORT, 0, "python",                                                \
        "Python with pyarrow, which reads Parquet; empty: what PYTHON in the environment names, or python3")
struct cohort_options {
    COHORT_OPTIONS(OPTION_MEMBER, )
};

#endif
