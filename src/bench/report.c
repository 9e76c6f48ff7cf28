/* Both forms of a report. */
#include "bench/report.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
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
static json_t *times(const struct measurement *m) {
    return json_pack("{s:f, s:f, s:f, s:f}", "median", m->median, "least", m->least, "most", m->most, "spread",
                     m->spread);
}

static json_t *item(const struct bench_report *r, const struct bench_item *x) {
    const struct measurement *m = &x->measurement;
    double by_flops = gemm_share(r, m), by_bytes = copy_share(r, m);
    json_t *o = json_pack("{s:s, s:s, s:I, s:o, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "name", x->name, "sizes", x->shape,
                          "calls", (json_int_t)m->calls, "seconds", times(m), "flops", m->flops, "bytes", m->bytes,
                          "flop_rate", m->flop_rate, "byte_rate", m->byte_rate, "share_of_gemm", by_flops,
                          "share_of_copy", by_bytes, "share", by_flops > by_bytes ? by_flops : by_bytes);
    if (o && x->codes > 0) {
        json_object_set_new(o, "codes", json_real(x->codes));
        json_object_set_new(o, "codes_rate", json_real(x->codes / m->median));
        json_object_set_new(o, "tape_bytes", json_integer(x->tape_bytes));
    }
    return o;
}

static json_t *backend(const struct bench_report *r) {
    const struct ceilings *c = &r->ceilings;
    json_t *items = json_array();
    for (int i = 0; items && i < r->n_items; i++) json_array_append_new(items, item(r, &r->items[i]));
    return json_pack("{s:s, s:i, s:i, s:{s:{s:s, s:f, s:o}, s:{s:s, s:f, s:o}}, s:o}", "name", r->backend, "ranks",
                     r->ranks, "threads", r->threads, "ceilings", "gemm", "sizes", c->gemm_shape, "flop_rate",
                     c->gemm.flop_rate, "seconds", times(&c->gemm), "copy", "sizes", c->copy_shape, "byte_rate",
                     c->copy.byte_rate, "seconds", times(&c->copy), "items", items);
}

static char *settings_text(const struct config *config) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    config_print(out, config, JOB_BENCH);
    fclose(out);
    return text;
}

static json_t *document(const struct config *config, const struct bench_report *reports, int n) {
    char machine[256], *settings = settings_text(config);
    json_t *backends = json_array();
    machine_name(machine, sizeof machine);
    for (int i = 0; backends && i < n; i++) json_array_append_new(backends, backend(&reports[i]));
    json_t *root = json_pack("{s:s, s:s, s:s, s:o}", "version", MEDTOK_VERSION, "machine", machine, "settings",
                             settings ? settings : "", "backends", backends);
    free(settings);
    return root;
}

int bench_write(const char *path, const struct config *config, const struct bench_report *reports, int n_reports) {
    struct atomic_file file;
    json_t *root = document(config, reports, n_reports);
    int status = root ? atomic_file_open(&file, path) : status_set(STATUS_FAILED, "out of memory");
    if (status == STATUS_OK && json_dumpf(root, file.stream, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) != 0)
        status = status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    status = root ? atomic_file_close(&file, status) : status;
    json_decref(root);
    return status;
}
