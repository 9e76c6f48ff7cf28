/* gzip files that one rank decompresses, in a thread beside, into blocks of whole rows. Between the thread and its caller stand
 * STREAM_BLOCKS blocks, so that memory is bounded and the thread seldom waits.
 */
#ifndef MEDTOK_INGEST_TABLE_STREAM_H
#define MEDTOK_INGEST_TABLE_STREAM_H

#include "ingest/table_reading.h"

enum { STREAM_BLOCKS = 8, STREAM_BLOCK_BYTES = 1 << 20 };

/* Rows of a table as they travel; a message is a block from its first byte to the end of its text. */
struct text_block {
    int64_t table; /* -1: there are no more */
    int64_t line;  /* where its first row begins, from 1 */
    int64_t last;  /* it ends where the file does */
    int64_t size;  /* of the text */
    char text[];
};

struct table_stream; /* opaque */

/* Begins to decompress tables[n] (copied), one after the other. */
int table_stream_make(struct table_stream **stream, const struct table_reading *reading, const int *tables, int n);

/* Ends the thread, whether or not it is done, and returns its status. Blocks stay until table_stream_free. */
int table_stream_finish(struct table_stream *stream);
void table_stream_free(struct table_stream *stream); /* NULL is allowed */

/* How many blocks are ready; *ended: the thread has ended, no more will come. Waits up to `seconds` if there is none. */
int table_stream_ready(struct table_stream *stream, double seconds, int *ended);

/* A block that is ready (table_stream_ready gave at least 1), and its way back. */
struct text_block *table_stream_take(struct table_stream *stream);
void table_stream_give_back(struct table_stream *stream, struct text_block *block);

#endif
