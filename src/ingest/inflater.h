/* One member of a gzip file after the other, decompressed by ISA-L where the program is built with it (MEDTOK_ISAL), else by zlib. ISA-L takes
 * 0.4 of zlib's time.
 */
#ifndef MEDTOK_INGEST_INFLATER_H
#define MEDTOK_INGEST_INFLATER_H

struct inflater; /* opaque */

int inflater_make(struct inflater **inflater);
void inflater_free(struct inflater *inflater); /* may be NULL */

/* A member begins. */
void inflater_begin(struct inflater *inflater);

enum inflater_state { INFLATER_GOES_ON, INFLATER_ENDED, INFLATER_DAMAGED };

/* Decompresses the bytes next[0 .. left), as far as there is room for in `out` [size]; *next and *left move to what is not used, and *n is set
 * to the number of bytes in `out`. INFLATER_ENDED: of this member there is no more, and its checksum is right. INFLATER_DAMAGED: `*reason`
 * says why. */
enum inflater_state inflater_run(struct inflater *inflater, const unsigned char **next, unsigned *left, char *out,
                                 int size, int *n, const char **reason);

#endif
