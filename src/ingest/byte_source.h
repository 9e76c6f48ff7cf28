/* The bytes of a file, plain or gzip: what begins as a gzip file is decompressed, all its members one after the other.
 *
 * A gzip file that ends too early, that is damaged, or that goes on with anything but members (zero bytes, the padding of tapes
 * and block devices, aside) is an error: nothing of a file is left out in silence.
 */
#ifndef MEDTOK_INGEST_BYTE_SOURCE_H
#define MEDTOK_INGEST_BYTE_SOURCE_H

#include <stdint.h>

struct byte_source;

/* Fails as input_file_check does, and if the file cannot be read. `path` is borrowed. */
int byte_source_open(struct byte_source **source, const char *path);
void byte_source_close(struct byte_source *source); /* may be NULL */

/* Reads 1 to `size` bytes, of one member; *n is 0 at the end. */
int byte_source_read(struct byte_source *source, char *bytes, int size, int *n);

/* Goes on at byte `offset` of the file, where a member of a gzip file begins. */
int byte_source_seek(struct byte_source *source, int64_t offset);

/* From now on, bytes of a plain file and members of a gzip file that begin at `offset` or behind are not read: as if the file ended there.
 * INT64_MAX: all are. */
void byte_source_limit(struct byte_source *source, int64_t offset);

/* Where in the file the next byte to read comes from, of a plain file; of a gzip file, where the next member may begin if no member is begun
 * and not ended, else -1. */
int64_t byte_source_offset(const struct byte_source *source);

#endif
