/* Parameters in safetensors files of ours and of peft: each a float32 tensor [rows, cols] of its name. */
#ifndef MEDTOK_LM_PARAMETER_FILE_H
#define MEDTOK_LM_PARAMETER_FILE_H

#include "nn/parameters.h"

/* The file's tensors must be these n parameters, no more and no fewer; the error names what differs. */
int parameter_file_load(const char *path, struct device *device, int64_t n, struct parameter *const *list);

/* Writes the file anew, under a temporary name first. One rank calls it. */
int parameter_file_save(const char *path, struct device *device, int64_t n, struct parameter *const *list);

#endif
