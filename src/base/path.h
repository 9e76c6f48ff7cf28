/* Paths of files to write: their folder, where links lead, whether two are one file, and room on the disk. */
#ifndef MEDTOK_BASE_PATH_H
#define MEDTOK_BASE_PATH_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

/* The folder of a path: "." if it names none. */
void path_folder(const char *path, char folder[PATH_MAX]);

/* Makes a folder and those above it, where they are missing. The error names the one that cannot be made. */
int path_make_folders(const char *folder);

/* The same for the folder of a file. */
int path_make_folder_of(const char *file);

/* Where a file that is written to `path` lies: symbolic links are followed, also when what they lead to does not exist yet. Of
 * a path whose folder does not exist, the part that exists is resolved; slashes at the end do not count. An error: too long, or links that lead in a circle. */
int path_resolve(const char *path, char resolved[PATH_MAX]);

/* Whether two paths name one file, there or not: by device and inode, and by where they lead. */
int path_same(const char *a, const char *b);

/* Whether `path` may be written to: it does not exist, or is a regular file; a link counts as what it leads to. Otherwise an
 * error that says what it is. */
int path_check_regular(const char *path);

/* Fails if the file system of `path` (whose folder exists) has less than `bytes` free; `what` needs them. */
int path_check_room(const char *path, int64_t bytes, const char *what);

/* Whether `path` is called as a file that a job makes beside its output `output` and may remove: its lock, temporary files, parts,
 * scratch files of new codes, checkpoints on the way. */
int path_is_beside(const char *path, const char *output);

/* Calls found(path, context) for each file called `stem` and then what matches `pattern` (as glob), in the order of their names;
 * characters that glob knows mean themselves in the stem. Fails if the folder cannot be read. */
int path_list(const char *stem, const char *pattern, void (*found)(const char *path, void *context), void *context);

/* What a file is called while this process writes it: `target`.tmp-medtok-NUMBER, of the process and of how many it has named:
 * on another node that name may still mean the file that had it before. An error: too long. */
int path_temporary(const char *target, char temporary[PATH_MAX]);

/* Removes what interrupted runs left of a target: files called exactly so, whatever the process. The caller holds the target's
 * lock (base/file_lock.h), so that no other process writes one. */
void path_remove_temporaries(const char *target);

/* Files of a name: `path` with `ending` instead of its ending .h5: "a/table.h5" -> "a/table.quality.json". */
void path_with_ending(const char *path, const char *ending, char *out, size_t size);

#endif
