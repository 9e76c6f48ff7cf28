/* A file without a name, for what does not fit the memory: it is gone with the process, however that ends. */
#ifndef MEDTOK_BASE_SCRATCH_FILE_H
#define MEDTOK_BASE_SCRATCH_FILE_H

#include <stdint.h>

struct scratch_file {
    int open;
    int descriptor;
    int64_t size;
    char *folder; /* owned, for messages */
};

/* Makes one in the folder of `beside`, which is made if it is missing. A zeroed struct is a file that is not open. */
int scratch_file_open(struct scratch_file *file, const char *beside);
void scratch_file_close(struct scratch_file *file);

/* Errors name the folder: the disk is full. */
int scratch_file_append(struct scratch_file *file, const void *bytes, int64_t n);
int scratch_file_read(const struct scratch_file *file, int64_t at, int64_t n, void *bytes);

#endif
