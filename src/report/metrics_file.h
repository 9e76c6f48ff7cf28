/* The metrics of a training, one JSON object a line (train/metrics.h), into sheets. */
#ifndef MEDTOK_REPORT_METRICS_FILE_H
#define MEDTOK_REPORT_METRICS_FILE_H

#include <stdint.h>

#include "report/sheet.h"

struct metrics_sheets {
    struct sheet steps, evaluations; /* column 0: step; evaluations has no column if there are none */
    int64_t n_steps, every;          /* steps in the file; each `every`th is a row, and the first and the last */
};

/* Reads a file with at most about `most_rows` rows. Columns are those of all rows; of an estimate its value. The line of a step that is not finished, as of a
 * training under way, ends the file; another line that is no JSON object is an error. Free in any case. */
int metrics_sheets_read(struct metrics_sheets *metrics, const char *path, int64_t most_rows);
void metrics_sheets_free(struct metrics_sheets *metrics);

#endif
