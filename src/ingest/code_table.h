/* Code tables: which codes there are, what they mean, and which KG nodes they name.
 *
 * Columns `system, code, description, nodes` (nodes joined by `;`), or MedTok's own `med_code, desc, code_system,
 * pkg_index_list` (lists as `[1, 2]`, `1;2` or `1 2`), in any order and any case, others ignored. Without the column of nodes
 * no code has any. Systems that MedTok writes in lower case get our names (icd10 -> ICD10CM). Line breaks in a description
 * become blanks. The code stands in for a description that is empty: the two have the same offset.
 */
#ifndef MEDTOK_INGEST_CODE_TABLE_H
#define MEDTOK_INGEST_CODE_TABLE_H

#include "base/string_list.h"
#include "dist/comm.h"
#include "ingest/knowledge_graph.h"
#include "terms/code_index.h"

enum { CODE_MAX_NODES = 65535 }; /* that a code may list: more cannot be indices in a subgraph, see subgraph.h */

/* Descriptions of rows that one rank of several has read. */
struct code_texts {
    int64_t n;
    int64_t *number; /* [n] of the code, ascending; owned */
    int64_t *at;     /* [n] offset in text; owned */
    char *text;      /* owned */
};

struct code_table {
    int64_t n;
    char *text; /* strings, each ended by a zero byte */
    int64_t *code, *system,
        *description; /* [n] offsets in text; of several ranks, descriptions are in `read`: here CODE_TEXT_ELSEWHERE */
    struct code_texts read;
    int64_t *node_offsets; /* [n + 1] */
    int32_t *nodes;
    int64_t *line;                                   /* [n] where the code stands ... */
    int32_t *file;                                   /* [n] ... in files.items[file] */
    const struct string_list *files;                 /* borrowed */
    int64_t n_without_description, n_repeated_nodes; /* n_without_description: those whose offset is the code's */
    int64_t n_in_gaps;                               /* codes, see code_table_check_nodes */
    const char *of_medtok;                           /* a file with pkg_index_list, or NULL */
    int n_without_nodes;                             /* files without the column nodes; without_nodes is the first */
    const char *without_nodes;
    long long text_size, text_capacity, capacity[6], offsets_capacity, n_nodes, nodes_capacity;
};

#define CODE_TEXT_ELSEWHERE (-1)

/* Collective: the rows of all files, in order, are read by all ranks (ingest/table_reader.h), and each rank gets all codes with their nodes, but of
 * the descriptions those that it has read: some 70 bytes a code, and 4 a listed node, on every rank. Errors, of all ranks: what delimited.h says, an empty code, a bad node list or one too long, no codes at all, a
 * code listed twice, in one spelling or in two (terms/code_form.h): both rows are named, and how many more there are. */
int code_table_read(struct code_table *table, const struct comm *comm, const struct string_list *files);
void code_table_free(struct code_table *table);

/* Collective. The descriptions of codes first[rank] .. first[rank + 1] - 1 (first [ranks + 1], the same on every rank), of code i of these the
 * bytes offsets[i] .. offsets[i + 1] - 1 of *bytes; the caller frees both. absent: a description that is empty stays so; else it is the
 * code. They are taken out of the table. */
int code_table_take_texts(struct code_table *table, const struct comm *comm, const int64_t *first, int absent,
                          int64_t **offsets, char **bytes);

/* For code_table_read: rows that ranks have read, brought together in the order of files and lines. Collective. */
int code_table_unite(struct code_table *table, const struct comm *comm);

/* Fails if a code is among those of `known`, which came from the file `path`: says the first, and how many there are. */
int code_table_check_new(const struct code_table *table, const struct code_index *known, const char *path);

/* Fails if a code names a node beyond those of the graph. Codes that name one in a gap of its indices are counted in n_in_gaps,
 * and warned about once. */
int code_table_check_nodes(struct code_table *table, const struct knowledge_graph *graph, const char *graph_path);

#endif
