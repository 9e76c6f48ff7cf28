/* The tables of a data set, read by all ranks at once into a record_sink (record_sink.h).
 *
 * Who reads what:
 *   a plain file        is cut into parts of 8 MiB, which are dealt out in turn; what is in front of a part (quotes left open, lines) is
 *                       exchanged before its rows are looked at;
 *   a gzip file of bgzip (blocks of at most 64 KiB that say so in their heads) likewise, in parts of 2 MiB;
 *   any other gzip file is decompressed by one rank, in a thread beside, and dealt out in blocks of whole rows, 1 MiB each, to the ranks
 *                       that ask for work; at most STREAM_BLOCKS blocks wait or travel at a time. Files are shared out by their sizes.
 * Rows have their exact file and line whoever reads them, so what is found does not depend on the number of ranks; only the order in which
 * the sink gets rows does.
 *
 * A row that cannot be read (another number of fields than the header, invalid UTF-8, text behind a closing quote) goes to sink->fault, and
 * reading goes on. What is wrong with a file is an error: it cannot be read, a gzip file that is truncated or damaged, zero bytes, no header,
 * a missing column, a quote that is never closed, a row of more than 64 MiB. An error on one rank ends all.
 */
#ifndef MEDTOK_INGEST_TABLE_READER_H
#define MEDTOK_INGEST_TABLE_READER_H

#include "dist/comm.h"
#include "ingest/formats.h"

/* Finds the tables of `kinds` (ended by NULL) under `folder` that give subjects or visits, or events of the kinds `wanted` (bits 1 << enum
 * code_kind): NAME.csv or NAME.csv.gz in any case, "hosp/admissions" in the folder hosp or in `folder` itself. Fails, with what was looked for, if a
 * required one is not there, or one is there twice. files: to be freed with source_files_free; fills all of it. */
int source_tables_find(const char *folder, const struct table_kind *const *kinds, unsigned wanted,
                       struct source_files *files);

/* Where a table was looked for in vain: STATUS_FAILED if the folder, or one in it, is there and must not be read, with its path and what helps. */
int source_folder_check(const char *folder);

/* Whether there is a table of that name, and, if column is not NULL, it has that column. For struct source_format's recognise; no error. */
int source_table_has(const char *folder, const char *name, const char *column);

/* Collective. Reads all rows of tables [n], the same on every rank; row_position.file is the index of the table. n_rows [n], or NULL: gets the
 * number of rows of each table, those with faults too, the same on every rank. */
int source_tables_read(const struct comm *comm, const struct source_table *tables, int n, const void *state,
                       const struct record_sink *sink, int64_t *n_rows);

#endif
