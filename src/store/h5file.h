/* One HDF5 file of the pipeline: written under a temporary name by all ranks, renamed when whole; read by any rank.
 *
 * Every file has the root attributes `kind`, `schema_version`, `program_version`, `created`, `ranks`, `config`, `inputs`,
 * `provenance_key` and `content_id`. Datasets are two-dimensional [rows, cols] (one-dimensional if cols is 1), chunked,
 * and compressed (shuffle, deflate 1) where asked. Blocks of rows have checksums (store/h5sums.h), which do not depend on the
 * number of ranks that wrote them, and whatever is read is checked by them; each dataset carries their sum, `xxh3_rows`.
 *
 * Writing functions are collective over the communicator and agree on errors before they return: on failure the caller
 * calls h5file_abandon. Reading needs no other rank.
 */
#ifndef MEDTOK_STORE_H5FILE_H
#define MEDTOK_STORE_H5FILE_H

#include <stddef.h>
#include <stdint.h>

#include "dist/comm.h"
#include "store/kinds.h"

enum h5type {
    H5_U8,
    H5_U16,
    H5_I32,
    H5_I64,
    H5_U64,
    H5_F16, /* IEEE half; its bits in a uint16_t in memory */
    H5_F32,
    H5_F64,
    H5_TEXT /* UTF-8 of fixed length, padded with zeros; cols is the length, the dataset has one dimension */
};

struct h5file; /* opaque */

/* What a file was made from and by; two files with the same key hold the same content. */
struct provenance {
    const char *job;    /* "prepare", ... */
    const char *config; /* canonical text of the settings that shape the content, one `key: value` a line */
    char *inputs;       /* lines `role<TAB>path<TAB>checksum`, owned; built by provenance_add_input */
    char key
        [33]; /* hex of XXH3-128 over job, schema version of its output, program version, config and the inputs' roles and checksums (not their paths); set by provenance_finish */
};

/* Adds an input: a file of ours (its content_id is used) or a foreign file (XXH3-128 of its bytes, as `xxhsum -H2`). */
int provenance_add_input(struct provenance *provenance, const char *role, const char *path);
/* The same with a checksum that the caller made. */
int provenance_add_checksum(struct provenance *provenance, const char *role, const char *path, const char *checksum);
/* Takes over the inputs of a role from another list of inputs. */
int provenance_copy_inputs(struct provenance *provenance, const char *inputs, const char *role);
/* Collective: rank 0's inputs to all, in place of theirs, so that it alone reads large files for their checksums; `status`: of adding them. */
int provenance_share(const struct comm *comm, struct provenance *provenance, int status);
/* Whether the inputs of `role` are the same, in number, order and checksums, in two lists of inputs. */
int provenance_same_inputs(const char *inputs, const char *others, const char *role);
/* The path of the first input of `role` into path[size]; "" if there is none. */
void provenance_find_path(const char *inputs, const char *role, char *path, size_t size);
void provenance_finish(struct provenance *provenance, enum file_kind output);
/* In what a file was made otherwise than `provenance` says, for a message: "train.steps 300 there and 2 here, another
 * vocabulary"; at most some of it fits text[size]. */
void provenance_difference(const struct provenance *provenance, struct h5file *file, char *text, size_t size);
void provenance_free(struct provenance *provenance);

/* Collective. Whether `path` is a whole file of this kind and schema version whose provenance_key is `key`: all of it is
 * read, each rank its share, and checked; a damaged one gives a warning. Fails only if the ranks cannot agree. */
int h5file_up_to_date(const struct comm *comm, const char *path, enum file_kind kind, const char *key, int *up_to_date);

/* Collective. Creates TARGET.tmp-medtok-NUMBER (and the folder, if it is missing), all ranks writing by MPI-IO; TARGET is
 * `path`, or what it leads to if it is a symbolic link. Errors name the folder and the reason (missing, not writable,
 * read-only, full). `bytes_expected` > 0: refuses when the file system has less free. Stale temporary files of the same
 * target are removed: the caller holds its lock (base/file_lock.h). */
int h5file_create(struct h5file **out, const struct comm *comm, const char *path, enum file_kind kind,
                  const struct provenance *provenance, int64_t bytes_expected);

/* Collective. Creates dataset `name` [n_rows, cols] and writes this rank's rows first..first+count-1 from `data`; ranks
 * may write nothing. Together the ranks must write each row once. */
int h5file_write(struct h5file *file, const char *name, enum h5type type, int64_t n_rows, int64_t cols, int64_t first,
                 int64_t count, const void *data, int compress);

/* The same in parts: create once, then write any rows any number of times (each call collective), then close, which
 * stores the checksum; abandon after a failure. inner > 0: three-dimensional, [rows, cols, inner]. chunk_rows 0: a chunk
 * near 1 MiB; H5_CONTIGUOUS: not in chunks at all (needs compress 0). */
enum { H5_CONTIGUOUS = -1 };
struct h5dataset; /* opaque */
int h5dataset_create(struct h5dataset **out, struct h5file *file, const char *name, enum h5type type, int64_t n_rows,
                     int64_t cols, int64_t inner, int64_t chunk_rows, int compress);
int h5dataset_write(struct h5dataset *dataset, int64_t first, int64_t count, const void *data);
int h5dataset_close(struct h5dataset *dataset);
void h5dataset_abandon(struct h5dataset *dataset); /* NULL is allowed */

/* Collective: one attribute of the root group. */
int h5file_set_text(struct h5file *file, const char *name, const char *value);
int h5file_set_int(struct h5file *file, const char *name, int64_t value);

/* Collective. Writes content_id, flushes, closes, fsyncs and renames to the final path; frees `file` in any case. On
 * failure the temporary file is removed and the old target is untouched. */
int h5file_commit(struct h5file *file);

/* Closes and removes the temporary file; frees `file`. NULL is allowed. */
void h5file_abandon(struct h5file *file);

/* Fails if there is a `path`.partial that is no HDF5 file, so nothing that a partial file (store/h5layout.h) may replace. One process. */
int h5file_check_partial(const char *path);
/* Collective. Makes what is created last through a killed process. */
int h5file_settle(struct h5file *file);
/* Closes the file and leaves it as it is; frees `file`. NULL is allowed. */
void h5file_suspend(struct h5file *file);

/* Opens for reading, this process alone; KIND_UNKNOWN: any. Errors: missing, not HDF5 or damaged, of another kind (says which job makes the
 * wanted kind), another schema version (says both, and to make it again). */
int h5file_open(struct h5file **out, const char *path, enum file_kind kind);
void h5file_close(struct h5file *file);

/* Shape of a dataset; an error names file and dataset if it is missing or of another type. */
int h5file_shape(struct h5file *file, const char *name, enum h5type type, int64_t *n_rows, int64_t *cols);

/* Reads rows first..first+count-1, all columns, into `data` ([count, cols] of the type's memory form), and checks them: the
 * blocks that they lie in are read whole. An error if they are not what was written. */
int h5file_read(struct h5file *file, const char *name, enum h5type type, int64_t first, int64_t count, void *data);

int h5file_get_text(struct h5file *file, const char *name, char **value); /* the caller frees */
int h5file_get_text_or(struct h5file *file, const char *name, const char *absent,
                       char **value); /* the same; absent: if it is not there */
int h5file_get_int(struct h5file *file, const char *name, int64_t *value);
int h5file_get_int_or(struct h5file *file, const char *name, int64_t absent,
                      int64_t *value); /* absent: if it is not there */

/* Reads every dataset and compares it with its checksums; the error names the first that differs. The blocks are dealt out
 * to n_parts callers, of which this is number `part`; 0 of 1: all. */
int h5file_verify(struct h5file *file, int part, int n_parts);

/* The kind of a file of this program; KIND_UNKNOWN if it is none, or is not there. Never fails. */
enum file_kind h5file_kind(const char *path);

const char *h5file_path(const struct h5file *file);

#endif
