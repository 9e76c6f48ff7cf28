/* One writer a file: an advisory lock as a file `PATH.lock-medtok` beside the output, which says who holds it.
 *
 * It is made with O_EXCL, so that it works on network file systems as well, and a thread gives a sign of life (the time of
 * the lock file) every LOCK_BEAT seconds. A lock is stale, and is taken over with a word, if its holder ran on this host (same
 * boot, same process numbers) and is no more, if it was this same SLURM job before it was queued again, or if it gave no sign
 * of life for LOCK_STALE seconds. Times are compared by the file server's clock. A process that was stopped for so long that
 * another took its lock finds out when it is to put a file in its place: file_lock_check.
 */
#ifndef MEDTOK_BASE_FILE_LOCK_H
#define MEDTOK_BASE_FILE_LOCK_H

#include <limits.h>

enum { LOCK_BEAT = 20, LOCK_STALE = 180 };

enum { LOCK_TEXT_BYTES = 768 };

struct file_lock {
    char path[PATH_MAX];        /* of the lock file; empty: not held */
    char text[LOCK_TEXT_BYTES]; /* what it says while it is ours */
    struct file_lock *next;     /* held by this process too */
};

/* Takes the lock of the output `path` (its folder is made if it is missing); *lock stays where it is until it is given back.
 * STATUS_FAILED with "table.h5 is being written by
 * process 123 (job 77) on node7 since ..." if another holds it. Where no file can be made in the folder (a read-only one), no
 * lock is held and STATUS_OK returned: writing will say so if it comes to that. */
int file_lock_take(struct file_lock *lock, const char *path);

/* Whether all locks that this process has taken are still its own; if not, what they were for must not be written. Asked by what
 * renames files to their final names. */
int file_lock_check(void);

/* Gives it back; a lock that is not held, or no longer ours, is let be. */
void file_lock_release(struct file_lock *lock);

#endif
