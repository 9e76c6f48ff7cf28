#include "site_options.h"

#include <stdio.h>
#include <string.h>

long long site_seconds(const char *time) {
    long long days = 0, a, b, c;
    int n = 0, end = 0;
    const char *dash = strchr(time, '-');
    if (strspn(time, "0123456789:-") != strlen(time)) return -1;
    if (dash) {
        if (sscanf(time, "%lld-%n", &days, &n) != 1 || n == 0) return -1;
        time = dash + 1;
    }
    if (sscanf(time, "%lld:%lld:%lld%n", &a, &b, &c, &end) == 3 && !time[end])
        return 60 * (60 * (24 * days + a) + b) + c;
    if (sscanf(time, "%lld:%lld%n", &a, &b, &end) == 2 && !time[end])
        return dash ? 60 * (60 * (24 * days + a) + b) : 60 * a + b;
    if (sscanf(time, "%lld%n", &a, &end) == 1 && !time[end]) return dash ? 3600 * (24 * days + a) : 60 * a;
    return -1;
}
