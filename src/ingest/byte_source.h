/* The bytes of a file, plain or gzip: what begins as a gzip file is decompressed, all its members one after the other.
 *
 * A gzip file that ends too early, that is damaged, or that goes on with anything but members (zero bytes, the padding of tapes
 * and block devices, aside) is an error: nothing of a file is left out in silence.
 */
#ifndef MEDTOK_INGEST_BYTE_SOURCE_H
#define MEDTOK_INGEST_BYTE_SOURCE_H

struct byte_source;

/* Fails as input_file_check does, and if the file cannot be read. `path` is borrowed. */
int byte_source_open(struct byte_source **source, const char *path);
void byte_source_close(struct byte_source *source); /* may be NULL */

/* Reads 1 to `size` bytes; *n is 0 at the end. */
int byte_source_read(struct byte_source *source, char *bytes, int size, int *n);

#endif
