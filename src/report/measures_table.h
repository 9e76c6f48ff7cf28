/* Measures of all runs in one table, a row for each measure, and those that are shares in one plot. */
#ifndef MEDTOK_REPORT_MEASURES_TABLE_H
#define MEDTOK_REPORT_MEASURES_TABLE_H

#include "report/sections.h"

/* Of the file `file` of each run that has it. stem: names the CSV. */
int measures_table_write(struct report *report, enum report_file file, const char *stem, const char *title);

#endif
