/* Figures in a unit that fits them. */
#include "base/format.h"

#include <stdio.h>

const char *format_bytes(int64_t bytes, char *text, size_t size) {
    static const char *const UNITS[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    double amount = (double)bytes / 1000;
    int unit = 0;
    if (bytes < 1000) {
        snprintf(text, size, "%lld byte%s", (long long)bytes, bytes == 1 ? "" : "s");
        return text;
    }
    for (; amount >= 999.5; unit++) amount /= 1000; /* what would be written as 1000 is 1.00 of the next */
    snprintf(text, size, "%.*f %s", amount < 9.995 ? 2 : amount < 99.95 ? 1 : 0, amount, UNITS[unit]);
    return text;
}

const char *format_duration(double seconds, char *text, size_t size) {
    if (seconds < 120)
        snprintf(text, size, "%.0f s", seconds);
    else if (seconds < 7200)
        snprintf(text, size, "%.0f min", seconds / 60);
    else
        snprintf(text, size, "%.1f h", seconds / 3600);
    return text;
}
