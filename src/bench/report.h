/* What was measured, as a table and as JSON. */
#ifndef MEDTOK_BENCH_REPORT_H
#define MEDTOK_BENCH_REPORT_H

#include <stdio.h>

#include "bench/ceilings.h"

enum { BENCH_MOST_ITEMS = 64 };

struct bench_item {
    const char *name;
    char shape[96];
    struct measurement measurement;
    double codes;       /* step: codes of a step; else 0 */
    int64_t tape_bytes; /* step: the most device memory that the tape of a rank took at once */
};

struct bench_report {
    const char *backend;
    int ranks, threads; /* threads of each rank */
    struct ceilings ceilings;
    struct bench_item items[BENCH_MOST_ITEMS];
    int n_items;
};

/* A table: time, rates, and the shares of the two ceilings. */
void bench_print(FILE *out, const struct bench_report *report);

/* Writes {"version", "machine", "settings", "backends": [...]} to `path`, whole or not at all; times in seconds, rates a
 * second. settings: as YAML. An item's "share" is the larger of its two shares: that of the ceiling that it is nearer to. */
int bench_write(const char *path, const char *settings, const struct bench_report *reports, int n_reports);

#endif
