#include "base/format.h"

#include <stdio.h>

void format_bytes(double bytes, char *text, size_t size) {
    static const char *const UNITS[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    int unit = 0;
    while (bytes >= 999.5 && unit < 5) bytes /= 1000, unit++;
    if (unit == 0)
        snprintf(text, size, "%.0f %s", bytes, UNITS[0]);
    else
        snprintf(text, size, "%.3g %s", bytes, UNITS[unit]);
}
