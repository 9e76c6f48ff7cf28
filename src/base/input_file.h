/* Whether a path is one that a job can read as input. */
#ifndef MEDTOK_BASE_INPUT_FILE_H
#define MEDTOK_BASE_INPUT_FILE_H

/* Fails, without opening it, if the path is no regular file (after links): it is not there, a folder, a device, which may have
 * no end, or a pipe, whose bytes are gone after the checksum of an input is made, and which may never come. */
int input_file_check(const char *path);

#endif
