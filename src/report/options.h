/* What the report shows: settings report.*. Its inputs are those of files.*, as the other jobs leave them. */
#ifndef MEDTOK_REPORT_OPTIONS_H
#define MEDTOK_REPORT_OPTIONS_H

#include "config/options.h"

#define REPORT_OPTIONS(KEY, in)                                                                                        \
    KEY(in, PATH, "report.page", page, "results/report.html", 0, JOB_REPORT, "page",                                   \
        "report as one HTML page that loads nothing")                                                                  \
    KEY(in, LIST, "report.runs", runs, "", JOB_REPORT, "config",                                                       \
        "configurations of further runs, which are shown beside this one")                                             \
    KEY(in, INTEGER, "report.points", points, "4000", 3, 20000, "codes", JOB_REPORT, LEAVES,                           \
        "codes on the map, drawn by run.seed; a page of 4000 is about 1 MB")                                           \
    KEY(in, INTEGER, "report.rows", rows, "400", 10, 10000, "rows", JOB_REPORT, LEAVES,                                \
        "steps in plots and tables of a training; of more, every second, third, ... is taken")
struct report_options {
    REPORT_OPTIONS(OPTION_MEMBER, )
};

#endif
