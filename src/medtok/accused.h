/* Which codes a diverged step is laid to. */
#ifndef MEDTOK_MEDTOK_ACCUSED_H
#define MEDTOK_MEDTOK_ACCUSED_H

#include "medtok/model.h"

/* Writes to `text` the end of a sentence that names the codes of the batch whose vectors before the quantiser are
 * largest, those with NaN first; *severity: the magnitude of the largest, INT64_MAX if it is not finite; unchanged
 * without codes. The output is that of the batch. Names are read from `vocabulary`. */
int accuse_codes(struct device *device, const struct batch *batch, const struct model_output *output,
                 const char *vocabulary, int64_t *severity, char *text, size_t size);

#endif
