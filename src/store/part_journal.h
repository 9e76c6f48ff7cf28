/* Which parts of a file that grows over several runs are written: `PATH.parts`, a text file beside `PATH.partial` (of the
 * file that PATH leads to, if it is a link).
 *
 * The first line is the provenance key; each further line is `part checksum`, the checksum in hexadecimal. A line cut by a
 * kill is ignored. Rank 0 alone holds the file; the functions are not collective.
 */
#ifndef MEDTOK_STORE_PART_JOURNAL_H
#define MEDTOK_STORE_PART_JOURNAL_H

#include <stdint.h>
#include <stdio.h>

struct part_journal {
    FILE *file;
    char *path; /* owned */
};

/* Reads the journal of `path` if its key is `key`: done[p] = 1 and checksum[p] for each part p < n_parts that is written.
 * *found: whether there was one. */
int part_journal_read(const char *path, const char *key, int64_t n_parts, int64_t *done, uint64_t *checksum,
                      int *found);

/* Opens it to add lines; `again` 0: a new one with the key. */
int part_journal_open(struct part_journal *journal, const char *path, const char *key, int again);
int part_journal_add(struct part_journal *journal, int64_t part, uint64_t checksum);
void part_journal_close(struct part_journal *journal);

/* Removes the journal of `path` and `path`.partial, where they are. */
void part_journal_discard(const char *path);

/* Removes the journal of `path` if `path`.partial is not there: what it tells of has got its name, or is gone. */
void part_journal_tidy(const char *path);

#endif
