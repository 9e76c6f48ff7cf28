/* Sizes as people read them. */
#ifndef MEDTOK_BASE_FORMAT_H
#define MEDTOK_BASE_FORMAT_H

#include <stddef.h>

/* "17 bytes", "66.1 kB", "681 MB", "8.06 GB": three digits, units of a thousand. */
void format_bytes(double bytes, char *text, size_t size);

#endif
