/* The program gnuplot, which draws. */
#ifndef MEDTOK_REPORT_GNUPLOT_H
#define MEDTOK_REPORT_GNUPLOT_H

#include <stddef.h>

/* Whether gnuplot can be started here, from the folders of PATH. */
int gnuplot_is_there(void);

/* Runs gnuplot, without anybody's settings, on a script that ends with what it draws to standard output; *drawing: that, ended by a
 * zero; the caller frees. Fails if gnuplot does, with the first line that it says. */
int gnuplot_run(const char *script, size_t size, char **drawing);

#endif
