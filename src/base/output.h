/* Standard output: what a job prints is a result like any file, so what cannot be written of it is an error. */
#ifndef MEDTOK_BASE_OUTPUT_H
#define MEDTOK_BASE_OUTPUT_H

/* Before any file is opened: takes the descriptors of standard streams that were closed by whoever started us, so that no file of
 * ours gets their numbers, and what is printed there fails. */
void output_begin(void);

/* Writes out what was printed so far. Error: "standard output: REASON", also if an earlier part could not be written, so a job
 * that has more to do than printing may leave it to `main`, which asks at the end. */
int output_flush(void);

#endif
