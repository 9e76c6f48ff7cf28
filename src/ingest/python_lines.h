/* The lines that a Python text of this program writes to its standard output (base/python.h): how formats come in that C has no small
 * reader for (Parquet). */
#ifndef MEDTOK_INGEST_PYTHON_LINES_H
#define MEDTOK_INGEST_PYTHON_LINES_H

struct string_list;
struct python_lines;

/* Starts the interpreter as python_start does. What it reads on standard input are the items, each with a zero byte behind it: there may be
 * more of them than a command line holds. */
int python_lines_open(struct python_lines **out, const char *interpreter, const char *setting, const char *text,
                      const struct string_list *items);

/* The next line, without its end and terminated by a zero, valid until the next call; NULL at the end. Waits for it, and looks for
 * signals meanwhile (base/interrupt.h). */
int python_lines_next(struct python_lines *lines, char **line);

/* Waits for the interpreter to end. Fails if it ended with an error or by a signal. Frees `lines`. */
int python_lines_finish(struct python_lines *lines);

/* Ends the interpreter, whatever it does, and frees `lines`, which may be NULL. */
void python_lines_abandon(struct python_lines *lines);

#endif
