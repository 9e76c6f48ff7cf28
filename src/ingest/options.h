/* What prepare and cohort make of foreign files: settings graph.hops, graph.max_nodes, text.empty, cohort.*. */
#ifndef MEDTOK_INGEST_OPTIONS_H
#define MEDTOK_INGEST_OPTIONS_H

#include "config/options.h"

#define SUBGRAPH_OPTIONS(KEY, in)                                                                                      \
    KEY(in, INTEGER, "graph.hops", hops, "1", 0, 8, "hops", JOB_PREPARE, SHAPES,                                       \
        "how far a code's subgraph grows from its listed nodes; 0: the listed nodes as given")                         \
    KEY(in, INTEGER, "graph.max_nodes", max_nodes, "64", 1, 65535, "nodes", JOB_PREPARE, SHAPES,                       \
        "largest subgraph of one code")
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

#define CODE_LIST_OPTIONS(KEY, in)                                                                                     \
    KEY(in, LIST, "cohort.groups", groups, "", JOB_COHORT, "groups",                                                   \
        "groups of codes for tasks: CCS tables of ICD-9-CM, ICD-10-CM and ICD-10-PCS, TSV or CSV, plain or gzip")      \
    KEY(in, PATH, "cohort.concepts", concepts, "", JOB_COHORT, 0, "concepts",                                          \
        "folder with OMOP's concept.csv, for what concepts mean, and concept_ancestor.csv, for what is below one; "    \
        "empty: the data set's folder, if they are there")                                                             \
    KEY(in, PATH, "cohort.unmapped", unmapped, "", 0, JOB_COHORT, "unmapped",                                          \
        "codes that the vocabulary has not, by events, as TSV; empty: not written")

#define COHORT_OPTIONS(KEY, in)                                                                                        \
    KEY(in, PATH, "cohort.meds", meds, "", JOB_COHORT, 0, "meds",                                                      \
        "folder of a MEDS data set: data/, metadata/subject_splits.parquet, labels/TASK/")                             \
    KEY(in, LIST, "cohort.tasks", tasks, "names", JOB_COHORT, NULL,                                                    \
        "folders in labels/ whose samples are taken; empty: all that are there")                                       \
    KEY(in, PATH, "cohort.python", python, "", JOB_COHORT, 0, "python",                                                \
        "Python with pyarrow, which reads Parquet; empty: what PYTHON in the environment names, or python3")           \
    CODE_LIST_OPTIONS(KEY, in)
struct cohort_options {
    COHORT_OPTIONS(OPTION_MEMBER, )
};

#endif
