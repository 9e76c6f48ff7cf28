/* Lists what a reader of health records finds: `[mpirun -n RANKS] list_records FORMAT FOLDER KINDS OUT`. KINDS: names of enum code_kind's
 * kinds, with commas between. Rank r writes OUT.r, a line for each call of the sink: what, file and line, and its arguments, with
 * tabs between; times in microseconds, - for none. Ends with 1 and the message if there is an error. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ingest/table_reader.h"

static const char *time_text(int64_t time, char text[32]) {
    snprintf(text, 32, time == COHORT_NO_TIME ? "-" : "%lld", (long long)time);
    return text;
}

static void begin(void *self, const char *what, struct row_position at) {
    fprintf(self, "%s\t%d\t%lld\t", what, (int)at.file, (long long)at.line);
}

static int list_subject(void *self, struct row_position at, const struct found_subject *s) {
    char birth[32], death[32];
    begin(self, "subject", at);
    fprintf(self, "%lld\t%s\t%s\t%d\t%d\n", (long long)s->subject, time_text(s->birth, birth),
            time_text(s->death, death), (int)s->death_precision, s->split);
    return STATUS_OK;
}

static int list_death(void *self, struct row_position at, int64_t subject, int64_t time,
                      enum time_precision precision) {
    begin(self, "death", at);
    fprintf(self, "%lld\t%lld\t%d\n", (long long)subject, (long long)time, (int)precision);
    return STATUS_OK;
}

static int list_visit(void *self, struct row_position at, int64_t subject, const struct cohort_visit *v) {
    char start[32], end[32];
    begin(self, "visit", at);
    fprintf(self, "%lld\t%lld\t%s\t%s\t%d\t%d\n", (long long)subject, (long long)v->id, time_text(v->start, start),
            time_text(v->end, end), v->kind, v->died);
    return STATUS_OK;
}

static int list_event(void *self, struct row_position at, const struct found_event *e) {
    char visit[32], time[32];
    begin(self, "event", at);
    fprintf(self, "%lld\t%s\t%s\t%d\t%s\t%.*s\t", (long long)e->subject, time_text(e->visit, visit),
            time_text(e->time, time), (int)e->precision, CODE_KIND_NAMES[e->kind], (int)e->code_size, e->code);
    fprintf(self, isnan(e->value) ? "-\n" : "%.9g\n", (double)e->value);
    return STATUS_OK;
}

static int list_label(void *self, struct row_position at, const struct found_label *l) {
    begin(self, "label", at);
    fprintf(self, "%s\t%lld\t%lld\t%d\n", l->task, (long long)l->subject, (long long)l->time, (int)l->label);
    return STATUS_OK;
}

static int list_fault(void *self, struct row_position at, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    begin(self, "fault", at);
    vfprintf(self, format, arguments);
    fputc('\n', self);
    va_end(arguments);
    return STATUS_OK;
}

static int list_left_out(void *self, struct row_position at, const char *rule) {
    begin(self, "left out", at);
    fprintf(self, "%s\n", rule);
    return STATUS_OK;
}

static const struct source_format *find_format(const char *name) {
    static const struct source_format *const FORMATS[] = {&MIMIC3_FORMAT, &MIMIC4_FORMAT};
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++)
        if (strcmp(FORMATS[i]->name, name) == 0) return FORMATS[i];
    return NULL;
}

static int list(const struct comm *comm, char **arguments, FILE *out) {
    const struct source_format *format = find_format(arguments[1]);
    struct record_sink sink = {out,        list_subject, list_death, list_visit,
                               list_event, list_label,   list_fault, list_left_out};
    struct source_files files = {0};
    unsigned kinds = 0;
    for (int k = 0; k < N_CODE_KINDS; k++)
        if (strstr(arguments[3], CODE_KIND_NAMES[k])) kinds |= 1u << k;
    if (!format || !out || !format->recognise(arguments[2]))
        return status_set(STATUS_FAILED, "%s is no folder of the format %s", arguments[2], arguments[1]);
    int status = source_tables_find(arguments[2], format->tables, kinds, &files);
    if (status == STATUS_OK) status = source_tables_read(comm, files.tables, files.n_tables, NULL, &sink, NULL);
    source_files_free(&files);
    return status;
}

int main(int argc, char **argv) {
    struct comm comm;
    char path[4096];
    if (comm_start(&comm, &argc, &argv) != STATUS_OK || argc != 5) return 2;
    snprintf(path, sizeof path, "%s.%d", argv[4], comm.rank);
    FILE *out = fopen(path, "w");
    int status = list(&comm, argv, out);
    if (status != STATUS_OK && comm.rank == 0) fprintf(stderr, "%s\n", status_message());
    if (!out || fclose(out) != 0) return 2;
    comm_stop(&comm);
    return status != STATUS_OK;
}
