/* One line. */
#include "measure/probe_heading.h"

#include <stdio.h>

void probe_heading(const char *metric, double seen, int is_of_hierarchy, char heading[PROBE_HEADING_BYTES]) {
    const char *mark = is_of_hierarchy ? "*" : "";
    if (seen > 0)
        snprintf(heading, PROBE_HEADING_BYTES, "%.110s%s (seen %.0f %%)", metric, mark, 100 * seen);
    else
        snprintf(heading, PROBE_HEADING_BYTES, "%.110s%s", metric, mark);
}
