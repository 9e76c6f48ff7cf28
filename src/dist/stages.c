/* Differences of counters at the stages' edges; two reductions make the table. */
#include "dist/stages.h"

#include <stdio.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/status.h"
#include "ranges.h"

static const char *stage_name(const struct stages *s, int i) { return i < s->n ? s->names[i] : "other"; }

static struct work work_now(const struct stages *s) { return s->device ? s->device->work : (struct work){0}; }

/* ---- one rank ---- */
static void start(struct stages *s, int stage) {
    s->running = stage;
    s->since = clock_seconds();
    s->work = work_now(s);
    s->traffic = comm_traffic();
}

/* Adds what was spent since the last edge to the running stage. */
static void settle(struct stages *s) {
    struct stage_totals *t = &s->of[s->running];
    struct work work = work_now(s);
    struct traffic traffic = comm_traffic();
    double seconds = clock_seconds() - s->since;
    t->seconds += seconds;
    t->own_seconds += seconds - (traffic.seconds - s->traffic.seconds);
    t->flops += work.flops - s->work.flops;
    t->bytes += work.bytes - s->work.bytes;
    t->messages += (double)(traffic.messages - s->traffic.messages);
    t->sent += (double)(traffic.bytes - s->traffic.bytes);
}

/* For profilers that listen to MPI: 1 begins, -1 ends the region `name` (as IPM has it). */
static void tell_profilers(int level, const char *name) {
    int started = 0;
    MPI_Initialized(&started);
    if (started) MPI_Pcontrol(level, name);
}

void stages_begin(struct stages *s, const struct device *device, const char *const *names, int n) {
    *s = (struct stages){.names = names, .n = n, .device = device};
    start(s, s->n);
}

void stage_begin(struct stages *s, int stage) {
    settle(s);
    if (s->running < s->n) {
        range_pop();
        tell_profilers(-1, stage_name(s, s->running));
    }
    if (stage < s->n) {
        range_push(stage_name(s, stage));
        tell_profilers(1, stage_name(s, stage));
    }
    start(s, stage);
}

void stage_end(struct stages *s) { stage_begin(s, s->n); }

/* ---- all ranks ---- */
static double ratio(double a, double b) { return b > 0 ? a / b : 0; }

void stages_summarize(const struct stage_totals *sum, const struct stage_totals *most, int n, int n_ranks,
                      struct stage_row *rows) {
    double total = 0;
    for (int i = 0; i < n; i++) total += sum[i].seconds;
    for (int i = 0; i < n; i++)
        rows[i] = (struct stage_row){.seconds = most[i].seconds,
                                     .share = ratio(sum[i].seconds, total),
                                     .imbalance = ratio(most[i].own_seconds * n_ranks, sum[i].own_seconds),
                                     .in_mpi = ratio(sum[i].seconds - sum[i].own_seconds, sum[i].seconds),
                                     .flop_rate = ratio(sum[i].flops, most[i].seconds),
                                     .byte_rate = ratio(sum[i].bytes, most[i].seconds),
                                     .messages = sum[i].messages,
                                     .sent = sum[i].sent};
}

static void log_table(const struct stages *s, const char *job, int n_ranks, const struct stage_row *rows,
                      void (*log_line)(const char *format, ...)) {
    int width = 10; /* of the longest name that is shown, at least */
    for (int i = 0; i <= s->n; i++)
        if (rows[i].seconds > 0 && (int)strlen(stage_name(s, i)) > width) width = (int)strlen(stage_name(s, i));
    log_line("stages of %s on %d rank(s):", job, n_ranks);
    log_line("%-*s %9s %7s %6s %6s %9s %8s %9s %9s", width, "stage", "s", "share", "imbal", "MPI", "GFLOP/s", "GB/s",
             "messages", "MB sent");
    for (int i = 0; i <= s->n; i++)
        if (rows[i].seconds > 0)
            log_line("%-*s %9.3f %5.1f %% %6.2f %4.0f %% %9.2f %8.2f %9.0f %9.2f", width, stage_name(s, i),
                     rows[i].seconds, 100 * rows[i].share, rows[i].imbalance, 100 * rows[i].in_mpi,
                     1e-9 * rows[i].flop_rate, 1e-9 * rows[i].byte_rate, rows[i].messages, 1e-6 * rows[i].sent);
}

/* ---- the file ---- */
void stages_path(const char *output, char path[PATH_MAX]) {
    size_t n = strlen(output), json = strlen(".json");
    if (n > json && strcmp(output + n - json, ".json") == 0)
        snprintf(path, PATH_MAX, "%.*s.stages.json", (int)(n - json), output);
    else
        path_with_ending(output, ".stages.json", path, PATH_MAX);
}

static int write_file(const struct stages *s, const char *job, const char *output, int n_ranks,
                      const struct stage_row *rows) {
    enum { DIGITS = 6 };
    char path[PATH_MAX];
    struct atomic_file file;
    stages_path(output, path);
    TRY(atomic_file_open(&file, path));
    struct json j = json_begin(file.stream, 2);
    json_object(&j, NULL);
    json_text(&j, "job", job);
    json_integer(&j, "ranks", n_ranks);
    json_integer(&j, "done", s->done);
    json_text(&j, "unit", s->unit);
    json_array(&j, "stages");
    for (int i = 0; i <= s->n; i++) {
        if (rows[i].seconds <= 0) continue;
        json_object(&j, NULL);
        json_text(&j, "stage", stage_name(s, i));
        json_real(&j, "seconds", rows[i].seconds, DIGITS);
        json_real(&j, "share", rows[i].share, DIGITS);
        json_real(&j, "imbalance", rows[i].imbalance, DIGITS);
        json_real(&j, "in_mpi", rows[i].in_mpi, DIGITS);
        json_real(&j, "flop_rate", rows[i].flop_rate, DIGITS);
        json_real(&j, "byte_rate", rows[i].byte_rate, DIGITS);
        json_real(&j, "messages", rows[i].messages, DIGITS);
        json_real(&j, "bytes_sent", rows[i].sent, DIGITS);
        json_end(&j);
    }
    json_end(&j);
    json_end(&j);
    fputc('\n', file.stream);
    return atomic_file_close(&file, STATUS_OK);
}

int stages_log(struct stages *s, const struct comm *comm, const char *job, const char *output, enum stages_shown shown,
               int status) {
    enum { N_VALUES = sizeof(struct stage_totals) / sizeof(double) };
    struct stage_totals sum[MOST_STAGES + 1], most[MOST_STAGES + 1];
    struct stage_row rows[MOST_STAGES + 1];
    if (status != STATUS_OK && status != STATUS_INTERRUPTED) return status;
    stage_end(s);
    if (shown == STAGES_NEVER) return status;
    int n = s->n + 1, info = shown == STAGES_ALWAYS || comm->size > 1;
    for (int i = 0; i < n; i++) sum[i] = most[i] = s->of[i];
    TRY(comm_sum_double(comm, &sum[0].seconds, n * N_VALUES));
    TRY(comm_max_double(comm, &most[0].seconds, n * N_VALUES));
    stages_summarize(sum, most, n, comm->size, rows);
    log_table(s, job, comm->size, rows, info ? log_info : log_debug); /* debug on one rank alone: all ranks write it */
    if (status == STATUS_OK && comm->rank == 0 && output && write_file(s, job, output, comm->size, rows) != STATUS_OK)
        log_warn("%s", status_message());
    return status;
}
