/* Both forms of a report. */
#include "bench/report.h"

#include <string.h>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/status.h"

static double gemm_share(const struct bench_report *r, const struct measurement *m) {
    return m->flop_rate / r->ceilings.gemm.flop_rate;
}
static double copy_share(const struct bench_report *r, const struct measurement *m) {
    return m->byte_rate / r->ceilings.copy.byte_rate;
}

/* The processor's name as Linux tells it; "unknown" if it does not. */
static void machine_name(char *name, size_t size) {
    char line[512];
    snprintf(name, size, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file)) {
        char *colon = strstr(line, ": ");
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    if (file) fclose(file);
}

/* ---- the table ---- */
void bench_print(FILE *out, const struct bench_report *r) {
    const struct ceilings *c = &r->ceilings;
    fprintf(out, "%s: %d rank(s) x %d thread(s)\n", r->backend, r->ranks, r->threads);
    fprintf(out, "ceilings: gemm %s %.1f GFLOP/s; copy %s %.1f GB/s\n\n", c->gemm_shape, c->gemm.flop_rate * 1e-9,
            c->copy_shape, c->copy.byte_rate * 1e-9);
    fprintf(out, "%-26s %11s %7s %9s %8s %8s %8s  %s\n", "item", "time", "spread", "GFLOP/s", "GB/s", "of gemm",
            "of copy", "sizes");
    for (int i = 0; i < r->n_items; i++) {
        const struct bench_item *x = &r->items[i];
        const struct measurement *m = &x->measurement;
        fprintf(out, "%-26s %8.4g ms %5.1f %% %9.2f %8.2f %6.1f %% %6.1f %%  %s\n", x->name, m->median * 1e3,
                m->spread * 100, m->flop_rate * 1e-9, m->byte_rate * 1e-9, gemm_share(r, m) * 100,
                copy_share(r, m) * 100, x->shape);
        if (x->codes > 0)
            fprintf(out,
                    "\nstep: %.0f codes/s; its operations take %.4g ms at the gemm ceiling, its bytes %.4g ms at the "
                    "copy ceiling; its tape takes %.1f MB of device memory\n",
                    x->codes / m->median, m->flops / c->gemm.flop_rate * 1e3, m->bytes / c->copy.byte_rate * 1e3,
                    (double)x->tape_bytes * 1e-6);
    }
    fprintf(out, "\n");
}

/* ---- JSON ---- */
enum { DIGITS = 12 };

static void write_times(struct json *j, const struct measurement *m) {
    json_object(j, "seconds");
    json_real(j, "median", m->median, DIGITS);
    json_real(j, "least", m->least, DIGITS);
    json_real(j, "most", m->most, DIGITS);
    json_real(j, "spread", m->spread, DIGITS);
    json_end(j);
}

static void write_item(struct json *j, const struct bench_report *r, const struct bench_item *x) {
    const struct measurement *m = &x->measurement;
    double by_flops = gemm_share(r, m), by_bytes = copy_share(r, m);
    json_object(j, NULL);
    json_text(j, "name", x->name);
    json_text(j, "sizes", x->shape);
    json_integer(j, "calls", m->calls);
    write_times(j, m);
    json_real(j, "flops", m->flops, DIGITS);
    json_real(j, "bytes", m->bytes, DIGITS);
    json_real(j, "flop_rate", m->flop_rate, DIGITS);
    json_real(j, "byte_rate", m->byte_rate, DIGITS);
    json_real(j, "share_of_gemm", by_flops, DIGITS);
    json_real(j, "share_of_copy", by_bytes, DIGITS);
    json_real(j, "share", by_flops > by_bytes ? by_flops : by_bytes, DIGITS);
    if (x->codes > 0) {
        json_real(j, "codes", x->codes, DIGITS);
        json_real(j, "codes_rate", x->codes / m->median, DIGITS);
        json_integer(j, "tape_bytes", x->tape_bytes);
    }
    json_end(j);
}

static void write_ceiling(struct json *j, const char *name, const char *sizes, const char *rate, double value,
                          const struct measurement *m) {
    json_object(j, name);
    json_text(j, "sizes", sizes);
    json_real(j, rate, value, DIGITS);
    write_times(j, m);
    json_end(j);
}

static void write_backend(struct json *j, const struct bench_report *r) {
    const struct ceilings *c = &r->ceilings;
    json_object(j, NULL);
    json_text(j, "name", r->backend);
    json_integer(j, "ranks", r->ranks);
    json_integer(j, "threads", r->threads);
    json_object(j, "ceilings");
    write_ceiling(j, "gemm", c->gemm_shape, "flop_rate", c->gemm.flop_rate, &c->gemm);
    write_ceiling(j, "copy", c->copy_shape, "byte_rate", c->copy.byte_rate, &c->copy);
    json_end(j);
    json_array(j, "items");
    for (int i = 0; i < r->n_items; i++) write_item(j, r, &r->items[i]);
    json_end(j);
    json_end(j);
}
static void write_document(FILE *out, const char *settings, const struct bench_report *reports, int n) {
    char machine[256];
    struct json j = json_begin(out, 3);
    machine_name(machine, sizeof machine);
    json_object(&j, NULL);
    json_text(&j, "version", MEDTOK_VERSION);
    json_text(&j, "machine", machine);
    json_text(&j, "settings", settings);
    json_array(&j, "backends");
    for (int i = 0; i < n; i++) write_backend(&j, &reports[i]);
    json_end(&j);
    json_end(&j);
    fputc('\n', out);
}

int bench_write(const char *path, const char *settings, const struct bench_report *reports, int n_reports) {
    struct atomic_file file;
    TRY(atomic_file_open(&file, path));
    write_document(file.stream, settings, reports, n_reports);
    return atomic_file_close(&file, STATUS_OK);
}
