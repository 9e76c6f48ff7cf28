/* Text files that all ranks write together, in the order of the blocks of patients: the same bytes for any number of ranks.
 *
 * In each round every rank has one block of each file, or nothing; compressed (a block is a member of its own, which gzip allows: RFC
 * 1952, 2.2) it goes behind those of lower ranks. Files stand under temporary names until all are whole.
 */
#ifndef MEDTOK_SYNTH_TABLE_FILES_H
#define MEDTOK_SYNTH_TABLE_FILES_H

#include <limits.h>

#include "dist/comm.h"
#include "synth/rows.h"

struct table_file {
    char path[PATH_MAX], temporary[PATH_MAX];
    int descriptor;
    int64_t bytes, lines; /* written so far by all ranks, the header among them */
    int64_t first_line;   /* of this rank's block of the last round; the header is line 1 */
};

struct table_files; /* opaque */

/* Collective; paths [n] without ending: .csv, or .csv.gz at a level above 0. Makes their folders, and removes what earlier runs left
 * under these names (plain or gzip) when all is whole. */
int table_files_open(struct table_files **out, const struct comm *comm, int n, const char *const *paths, int level);

/* Collective: rows [n], one block of each file; cleared. */
int table_files_write(struct table_files *files, struct rows *rows);

/* Collective: syncs and renames all; `status` other than STATUS_OK, or a failure: removes all. Frees `files`. */
int table_files_close(struct table_files *files, int status);

const struct table_file *table_files_get(const struct table_files *files, int file);

#endif
