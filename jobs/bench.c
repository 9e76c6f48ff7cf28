/* bench: how fast the primitives and whole training steps are on each backend, beside the ceilings of the machine. All ranks
 * work at once, each on operands of its own; figures are sums over ranks. Steps are those of `train`, shared by the ranks. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/output.h"
#include "base/path.h"
#include "base/status.h"
#include "bench/report.h"
#include "bench/step.h"
#include "bench/workbench.h"
#include "jobs.h"
#include "model_settings.h"
#include "dist/compute_device.h"
#include "dist/reduce.h"

/* What needs less of the device's memory. */
static const char NEEDS_LESS[] = "a smaller train.batch, or fewer bench.items";

#define STEP "step"

/* ---- backends ---- */
struct backend {
    const char *name;
    enum device_choice choice;
    int (*present)(const char **why_not);
};

static int cpu_present(const char **why_not) {
    (void)why_not;
    return 1;
}

static int cuda_present(const char **why_not) { return device_cuda_count(why_not) > 0; }

static const struct backend BACKENDS[] = {{"cpu", DEVICE_CPU, cpu_present}, {"cuda", DEVICE_CUDA, cuda_present}};
enum { N_BACKENDS = sizeof BACKENDS / sizeof *BACKENDS };

/* With run.device auto, all that every rank has; else the one that is named, whether there or not. */
static int is_asked_for(const struct backend *backend, const struct comm *comm, const struct config *config,
                        int *asked) {
    const char *why_not = "another rank has none";
    int64_t absent = !backend->present(&why_not);
    *asked = config->run.device == backend->choice;
    if (config->run.device != DEVICE_AUTO) return STATUS_OK;
    TRY(comm_max_int64(comm, &absent, 1));
    if (absent) log_info("%s is left out: %s", backend->name, why_not);
    *asked = !absent;
    return STATUS_OK;
}

/* ---- which items ---- */
/* "gemm" asks for gemm and gemm.gradient; "gemm.gradient" for that alone. */
static int asks_for(const char *wanted, const char *name) {
    size_t n = strlen(wanted);
    return strcmp(wanted, "all") == 0 || (strncmp(wanted, name, n) == 0 && (name[n] == 0 || name[n] == '.'));
}

static int wants(const struct config *config, const char *name) {
    const struct string_list *items = &config->bench.items;
    for (int i = 0; i < items->n; i++)
        if (asks_for(items->items[i], name)) return 1;
    return items->n == 0;
}

static int check_names(const struct config *config) {
    char names[2048] = STEP;
    size_t used = strlen(names);
    for (int k = 0; kernel_case(k) && used < sizeof names; k++)
        if (kernel_case(k)->of_step)
            used += (size_t)snprintf(names + used, sizeof names - used, ", %s", kernel_case(k)->name);
    for (int i = 0; i < config->bench.items.n; i++) {
        const char *wanted = config->bench.items.items[i];
        int found = asks_for(wanted, STEP);
        for (int k = 0; kernel_case(k); k++) found |= kernel_case(k)->of_step && asks_for(wanted, kernel_case(k)->name);
        if (!found)
            return status_set(STATUS_USAGE, "bench.items: there is no item %s; there are all, %s", wanted, names);
    }
    return STATUS_OK;
}

/* ---- the primitives ---- */
struct bench {
    const struct config *config;
    struct step_sizes sizes;
    struct device device;
    struct measure_options options;
    struct workbench workbench;
    struct bench_report *report;
};

static struct step_sizes sizes_of(const struct config *c) {
    return (struct step_sizes){.batch = c->train.batch,
                               .queries = c->bench.queries ? c->bench.queries : c->train.batch,
                               .nodes = c->bench.nodes,
                               .edges = c->bench.edges,
                               .tokens = c->bench.tokens,
                               .graph_nodes = c->bench.graph_nodes,
                               .node_dim = c->graph.node_dim,
                               .hidden = c->graph.hidden,
                               .graph_heads = c->graph.heads,
                               .dim = c->quantizer.dim,
                               .heads = c->attention.heads,
                               .codebook = c->quantizer.size,
                               .top_k = c->quantizer.top_k,
                               .text_dim = c->text.dim,
                               .text_precision = (enum precision_of_products)c->text.compute};
}

static int run_item(void *context) {
    struct bench *b = context;
    workbench_run(&b->workbench);
    return STATUS_OK;
}

static struct bench_item *new_item(struct bench_report *report, const char *name, const char *shape) {
    struct bench_item *item = &report->items[report->n_items++];
    item->name = name;
    snprintf(item->shape, sizeof item->shape, "%s", shape);
    return item;
}

static int write_array(const char *folder, const char *name, const void *data, int64_t count) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    int good = file && fwrite(data, sizeof(float), (size_t)count, file) == (size_t)count;
    if (file) good &= fclose(file) == 0;
    return good ? STATUS_OK : status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
}

/* One more call, whose vectors, codebook and picks, its first three operands, are written: float32 and int32, no header. */
static int export_quantize(struct bench *b) {
    struct workbench *w = &b->workbench;
    const struct step_sizes *s = &w->sizes;
    const char *folder = b->config->bench.export_folder;
    int64_t n_u = s->queries * s->dim, n_c = s->codebook * s->dim, n_picks = s->queries * s->top_k;
    float *reals;
    workbench_run(w);
    TRY(mem_alloc(&reals, n_u > n_c ? n_u : n_c, sizeof *reals));
    int32_t *ints = NULL;
    int status = mem_alloc(&ints, n_picks, sizeof *ints);
    call_download_reals(&w->call, 0, reals);
    if (status == STATUS_OK) status = write_array(folder, "vectors.f32", reals, n_u);
    call_download_reals(&w->call, 1, reals);
    if (status == STATUS_OK) status = write_array(folder, "codebook.f32", reals, n_c);
    if (status == STATUS_OK) call_download_ints(&w->call, 2, ints);
    if (status == STATUS_OK) status = write_array(folder, "picks.i32", ints, n_picks);
    free(ints);
    free(reals);
    return status;
}

static int measure_primitive(struct bench *b, const struct kernel_case *what) {
    TRY(comm_agree(b->options.comm, workbench_prepare(&b->workbench, what)));
    struct bench_item *item = new_item(b->report, what->name, b->workbench.call.shape);
    TRY(measure(&b->options, run_item, b, &item->measurement));
    int exports =
        strcmp(what->name, "quantize") == 0 && b->config->bench.export_folder[0] && b->options.comm->rank == 0;
    return comm_agree(b->options.comm, exports ? export_quantize(b) : STATUS_OK);
}

static int measure_primitives(struct bench *b) {
    workbench_make(&b->workbench, &b->device, &b->sizes, b->config->bench.memory);
    for (int k = 0; kernel_case(k); k++)
        if (kernel_case(k)->of_step && wants(b->config, kernel_case(k)->name))
            TRY(measure_primitive(b, kernel_case(k)));
    return STATUS_OK;
}

/* ---- whole steps ---- */
static int measure_steps(struct bench *b) {
    struct bench_step step;
    char shape[96];
    if (!wants(b->config, STEP)) return STATUS_OK;
    struct medtok_learner_options options = learner_options(b->config, b->device.host_threads);
    int status = bench_step_make(&step, &b->config->bench, &b->sizes, &options, b->options.comm, &b->device);
    if (status == STATUS_OK) {
        double codes = (double)step.learner.sampler.n_strata;
        snprintf(shape, sizeof shape, "%.0f codes, %lld x %lld codebook", codes, (long long)b->config->quantizer.size,
                 (long long)b->config->quantizer.dim);
        struct bench_item *item = new_item(b->report, STEP, shape);
        item->codes = codes;
        status = measure(&b->options, bench_step_run, &step, &item->measurement);
        item->tape_bytes = tape_peak_bytes(&step.training.tape);
        if (status == STATUS_OK) status = comm_max_int64(b->options.comm, &item->tape_bytes, 1);
    }
    bench_step_free(&step);
    return status;
}

/* ---- the job ---- */
static int bench_device(struct bench *b, const struct comm *comm) {
    struct bench_report *report = b->report;
    log_info("measuring on %s, %d rank(s) x %d thread(s)", report->backend, report->ranks, report->threads);
    TRY(ceilings_measure(&b->options, &report->ceilings));
    TRY(measure_primitives(b));
    workbench_free(&b->workbench);
    TRY(measure_steps(b));
    if (comm->rank == 0) {
        bench_print(stdout, report);
        output_flush();
    }
    return STATUS_OK;
}

static int bench_backend(const struct backend *backend, const struct comm *comm, const struct config *config,
                         struct bench_report *report) {
    struct config here = *config; /* a view */
    struct bench b = {.config = &here, .sizes = sizes_of(config), .report = report};
    here.run.device = backend->choice;
    if (backend->choice == DEVICE_CPU && config->run.device == DEVICE_AUTO) here.run.compute = COMPUTE_FP32;
    b.options = (struct measure_options){comm, &b.device, config->bench.repeats, config->bench.seconds};
    *report = (struct bench_report){.backend = backend->name, .ranks = comm->size};
    int status = compute_device_open(comm, &here.run, NEEDS_LESS, &b.device, &report->threads);
    if (status == STATUS_OK)
        status = sums_choose(comm, backend->choice == DEVICE_CPU ? SUMS_AUTO : here.run.sums, &b.device);
    if (status == STATUS_OK) status = bench_device(&b, comm);
    workbench_free(&b.workbench);
    device_close(&b.device);
    return status;
}

/* All that would fail only when everything is measured. */
static int check_outputs(const struct config *config) {
    TRY(atomic_file_check(config->bench.json));
    return config->bench.export_folder[0] ? path_make_folders(config->bench.export_folder) : STATUS_OK;
}

static int write_report(const struct config *config, const struct bench_report *reports, int n) {
    char *settings = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&settings, &size);
    if (!out) return status_set(STATUS_FAILED, "out of memory");
    config_print(out, config, JOB_BENCH);
    int status = fclose(out) == 0 ? bench_write(config->bench.json, settings, reports, n)
                                  : status_set(STATUS_FAILED, "out of memory");
    free(settings);
    return status;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)arguments;
    struct bench_report *reports;
    int n = 0, asked, status;
    TRY(check_names(config));
    TRY(comm_agree(comm, comm->rank == 0 ? check_outputs(config) : STATUS_OK));
    TRY(comm_agree(comm, mem_alloc(&reports, N_BACKENDS, sizeof *reports)));
    for (int i = 0; i < N_BACKENDS; i++) {
        TRY_DONE(is_asked_for(&BACKENDS[i], comm, config, &asked));
        if (asked) TRY_DONE(bench_backend(&BACKENDS[i], comm, config, &reports[n++]));
    }
    TRY_DONE(comm_agree(comm, comm->rank == 0 ? write_report(config, reports, n) : STATUS_OK));
    log_info("wrote %s", config->bench.json);
done:
    free(reports);
    return status;
}

static int check(const struct config *config) {
    if (!config->bench.json[0])
        return status_set(STATUS_USAGE, "bench.json is empty: name the file for what is measured");
    return model_options_check(&config->graph, &config->attention, &config->quantizer);
}

const struct job_entry BENCH_JOB = {
    .job = JOB_BENCH,
    .name = "bench",
    .arguments = "",
    .summary = "time of primitives and training steps beside the ceilings of this machine, printed and as JSON",
    .ranks = ALL_RANKS,
    .interruptible = 0,
    .check = check,
    .run = run,
};
