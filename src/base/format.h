/* How sizes and times are written for people, into text[size]; each returns text, so that it can stand in a call of printf. */
#ifndef MEDTOK_BASE_FORMAT_H
#define MEDTOK_BASE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/* "1 byte", "66 bytes", "1.25 kB", "681 MB", "2.50 GB": three digits, in powers of 1000. */
const char *format_bytes(int64_t bytes, char *text, size_t size);

/* "55 s", "12 min", "3.4 h". */
const char *format_duration(double seconds, char *text, size_t size);

#endif
