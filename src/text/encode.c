/* The plan, the parts, and how the ranks compute them. */
#include "text/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "base/interrupt.h"
#include "base/status.h"
#include "dist/work_reports.h"
#include "half.h"

/* About the cost of a part of batches in tokens: seconds of work. */
enum { PART_TOKENS = 16384, SAMPLE_TOKENS = 1024 };
static const double WORTH_SAYING_SECONDS = 30;

enum { JOURNAL_KEY = 120 }; /* bytes of its first line */

const char *const ENCODE_STAGE_NAMES[ENCODE_STAGES] = {"plan", "open", "encode", "write"};

/* ---- the plan ---- */
static int64_t first_row(const struct encoding *e, int64_t part) { return e->plan.part_row[part]; }
static int64_t n_rows(const struct encoding *e, int64_t part) { return first_row(e, part + 1) - first_row(e, part); }
static int64_t cost_before(const struct encoding *e, int64_t part) { return e->plan.part_cost[part]; }

/* All ranks must cut the same parts, and what a product's rows are is a matter of the kind of GPU. */
static int check_same_rows(const struct encoding *e) {
    int64_t rows[2] = {e->device->linear_rows, -e->device->linear_rows};
    TRY(comm_max_int64(e->comm, rows, 2));
    return rows[0] == -rows[1]
               ? STATUS_OK
               : status_set(STATUS_FAILED,
                            "the ranks' GPUs are of different kinds (here %s): encode needs one kind, so "
                            "ask for nodes of one, or set run.device=cpu",
                            e->device->name);
}

static int allocate(struct encoding *e) {
    int64_t most = 0, n = e->plan.n_parts;
    for (int64_t p = 0; p < n; p++) most = n_rows(e, p) > most ? n_rows(e, p) : most;
    TRY(mem_alloc(&e->done, n, sizeof *e->done));
    TRY(mem_alloc(&e->checksum, n, sizeof *e->checksum));
    e->rows = device_host_alloc_reals(e->device, most * e->encoder.dim);
    if (!e->rows) return status_set(STATUS_FAILED, "%s", device_error(e->device));
    return e->options->precision == PRECISION_FP16 ? mem_alloc(&e->halves, most * e->encoder.dim, sizeof *e->halves)
                                                   : STATUS_OK;
}

static int make_plan(struct encoding *e) {
    int64_t batch = e->device->linear_rows, n_batches = (PART_TOKENS + batch / 2) / batch;
    TRY(check_same_rows(e));
    TRY(comm_agree(e->comm, text_encoder_open(&e->encoder, e->options, e->seed, e->device, e->n_threads)));
    if (e->encoder.part_cost > 0) batch = e->encoder.part_cost, n_batches = 1;
    TRY(shared_plan_make(&e->plan, e->comm, e->vocabulary, &e->encoder, e->options->nodes == NODE_TEXTS_YES, batch,
                         n_batches > 0 ? n_batches : 1));
    return comm_agree(e->comm, allocate(e));
}

/* ---- what was done before ---- */
/* Parts are cut to the device, and one kind of device computes them all: the journal of another kind is none of ours. */
static const char *journal_key(const struct encoding *e, const struct provenance *provenance, char key[JOURNAL_KEY]) {
    snprintf(key, JOURNAL_KEY, "%s %s %lld", provenance->key, e->device->name, (long long)e->device->linear_rows);
    return key;
}

/* Reads the journal on rank 0 and tells all ranks. */
static int recall_parts(struct encoding *e, const struct provenance *provenance, int *found) {
    char key[JOURNAL_KEY];
    int status = e->comm->rank == 0 ? part_journal_read(e->path, journal_key(e, provenance, key), e->plan.n_parts,
                                                        e->done, e->checksum, found)
                                    : STATUS_OK;
    TRY(comm_agree(e->comm, status));
    TRY(comm_broadcast(e->comm, found, sizeof *found));
    TRY(comm_broadcast(e->comm, e->done, e->plan.n_parts * (int64_t)sizeof *e->done));
    return comm_broadcast(e->comm, e->checksum, e->plan.n_parts * (int64_t)sizeof *e->checksum);
}

/* Reads the finished parts back, each on one rank; those whose bytes are not what the journal says are forgotten. */
static int check_parts(struct encoding *e) {
    int status = STATUS_OK;
    void *rows = e->halves ? (void *)e->halves : (void *)e->rows;
    int64_t kept = 0;
    for (int64_t p = 0; p < e->plan.n_parts; p++) {
        int same = 0;
        if (e->done[p] && p % e->comm->size == e->comm->rank && status == STATUS_OK)
            status = text_features_keep(&e->file, first_row(e, p), n_rows(e, p), e->checksum[p], rows, &same);
        e->done[p] = same;
    }
    TRY(comm_agree(e->comm, status));
    TRY(comm_sum_int64(e->comm, e->done, e->plan.n_parts));
    for (int64_t p = 0; p < e->plan.n_parts; p++) kept += e->done[p];
    log_info("going on with %s.partial: %lld of %lld parts are there", e->path, (long long)kept,
             (long long)e->plan.n_parts);
    return STATUS_OK;
}

/* ---- the file ---- */
static int open_journal(struct encoding *e, const struct provenance *provenance, int again) {
    char key[JOURNAL_KEY];
    int status = e->comm->rank == 0 ? part_journal_open(&e->journal, e->path, journal_key(e, provenance, key), again)
                                    : STATUS_OK;
    return comm_agree(e->comm, status);
}

static struct text_features_index index_of(const struct encoding *e) {
    const struct shared_plan *p = &e->plan;
    int is_last = e->comm->rank == e->comm->size - 1;
    return (struct text_features_index){.vocabulary = e->vocabulary,
                                        .encoder = e->encoder.name,
                                        .half = e->halves != NULL,
                                        .first_is_mean = e->encoder.first_is_mean,
                                        .n_codes = p->n_codes,
                                        .n_tokens = p->n_tokens,
                                        .n_rows = p->n_rows,
                                        .dim = e->encoder.dim,
                                        .first_code = p->first_code,
                                        .n_offsets = p->own.n_codes + is_last,
                                        .first_token = p->first_token,
                                        .n_own_tokens = p->own.token_offsets[p->own.n_codes] - p->first_token,
                                        .token_offsets = p->own.token_offsets,
                                        .token_row = p->own.token_row,
                                        .n_nodes = p->n_nodes,
                                        .first_node = p->first_node,
                                        .n_own_nodes = p->own.n_nodes,
                                        .node_row = p->own.node_row};
}

static int create_file(struct encoding *e, const struct provenance *provenance) {
    struct text_features_index index = index_of(e);
    TRY(comm_agree(e->comm, e->comm->rank == 0 ? h5file_check_partial(e->path) : STATUS_OK));
    if (e->comm->rank == 0) part_journal_discard(e->path);
    TRY(text_features_create(&e->file, e->comm, e->path, &index, provenance, 1));
    int status = open_journal(e, provenance, 0);
    return status == STATUS_OK ? STATUS_OK : text_features_close(&e->file, status);
}

static int resume_file(struct encoding *e, const struct provenance *provenance, int *unfit) {
    struct text_features_index index = index_of(e);
    TRY(text_features_resume(&e->file, e->comm, e->path, &index, provenance, unfit));
    int status = check_parts(e);
    if (status == STATUS_OK) status = open_journal(e, provenance, 1);
    return status == STATUS_OK ? STATUS_OK : text_features_close(&e->file, status);
}

/* A partial file that is not there, or lacks what it should have, is made anew. What fails otherwise may pass: the finished parts stay for a
 * later run. */
static int open_file(struct encoding *e, const struct provenance *provenance) {
    int found = 0, unfit = 0;
    TRY(recall_parts(e, provenance, &found));
    int status = found ? resume_file(e, provenance, &unfit) : STATUS_OK;
    if (found && !unfit) return status;
    if (found) log_warn("%s; starting anew", status_message());
    for (int64_t p = 0; p < e->plan.n_parts; p++) e->done[p] = 0;
    return create_file(e, provenance);
}

/* ---- the work ---- */
/* Each rank gets a run of the parts that are not done: texts that lie together have many words in common, and many were planned where
 * they are computed. What units hold goes there. */
static int deal_parts(struct encoding *e) {
    int64_t *work = NULL;
    int status = mem_alloc(&e->rank_of_part, e->plan.n_parts, sizeof *e->rank_of_part);
    if (status == STATUS_OK) status = mem_alloc(&work, e->plan.n_parts, sizeof *work);
    TRY_DONE(comm_agree(e->comm, status));
    TRY_DONE(text_units_work(&e->plan, e->comm, &e->encoder, work));
    text_units_share(e->plan.n_parts, work, e->done, e->comm->size, e->rank_of_part);
    e->first_part = -1;
    for (int64_t p = e->plan.n_parts - 1; p >= 0; p--)
        if (e->rank_of_part[p] == e->comm->rank) e->first_part = p;
    status = text_units_deal(&e->units, e->comm, &e->plan, &e->encoder, e->rank_of_part);
done:
    free(work);
    return status;
}

/* Where the units of a part begin in e->units. */
static int64_t find_units(const struct encoding *e, int64_t part) {
    int64_t low = 0, high = e->units.n;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (e->units.list[middle].unit < e->plan.part_unit[part])
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int compute_part(struct encoding *e, int64_t part) {
    int64_t n_units = e->plan.part_unit[part + 1] - e->plan.part_unit[part];
    TRY(e->encoder.rows(&e->encoder, &e->units, find_units(e, part), n_units, e->rows));
    int64_t n = n_rows(e, part) * e->encoder.dim;
    if (e->halves)
#pragma omp parallel for simd num_threads(e->n_threads)
        for (int64_t i = 0; i < n; i++) e->halves[i] = half_from_float(e->rows[i]);
    return STATUS_OK;
}

static int64_t cost_of(const struct encoding *e, int64_t part) {
    return cost_before(e, part + 1) - cost_before(e, part);
}

/* On rank 0: a part is written, though a crash of the machine may still lose it: a run that goes on looks at its checksum. */
static int note_part(void *self, int64_t part, uint64_t checksum) {
    struct encoding *e = self;
    e->cost_done += cost_of(e, part);
    progress_update(&e->progress, e->cost_done);
    return part_journal_add(&e->journal, part, checksum);
}

static int run_part(struct encoding *e, struct work_reports *reports, int64_t part) {
    uint64_t checksum;
    stage_begin(e->stages, ENCODE_COMPUTE);
    TRY(compute_part(e, part));
    stage_begin(e->stages, ENCODE_WRITE);
    TRY(text_features_write(&e->file, first_row(e, part), n_rows(e, part),
                            e->halves ? (void *)e->halves : (void *)e->rows, &checksum));
    return work_reports_tell(reports, part, checksum);
}

/* This rank's, until it is asked to stop or another rank is, or has failed. */
static int run_own_parts(struct encoding *e, struct work_reports *reports) {
    for (int64_t p = 0; p < e->plan.n_parts; p++) {
        int stop;
        if (e->rank_of_part[p] != e->comm->rank) continue;
        if (interrupt_asked())
            return status_set(STATUS_INTERRUPTED,
                              "stopped by a signal; the finished parts are kept, run the same command "
                              "again to go on");
        TRY(work_reports_look(reports, &stop));
        if (stop) break;
        TRY(run_part(e, reports, p));
    }
    return STATUS_OK;
}

static int run_parts(struct encoding *e) {
    struct work_reports reports = {.comm = e->comm, .note = note_part, .self = e};
    int64_t left = 0;
    for (int64_t p = 0; p < e->plan.n_parts; p++) left += e->done[p] ? 0 : cost_of(e, p);
    progress_begin(&e->progress, "encode", left, "tokens");
    TRY(work_reports_end(&reports, run_own_parts(e, &reports)));
    progress_end(&e->progress, e->cost_done);
    return STATUS_OK;
}

/* Seconds for this rank's parts, from the first few units of the first one, computed twice: the first time reads the weights. 0: it has none. */
static int estimate_seconds(struct encoding *e, double *seconds) {
    const struct shared_plan *p = &e->plan;
    int64_t part = e->first_part, own = 0;
    *seconds = 0;
    if (part < 0) return STATUS_OK;
    for (int64_t i = part; i < p->n_parts; i++) own += e->rank_of_part[i] == e->comm->rank ? cost_of(e, i) : 0;
    int64_t units = p->part_unit[part + 1] - p->part_unit[part];
    double cost = (double)cost_of(e, part), share = SAMPLE_TOKENS / cost;
    int64_t sample = share < 1 ? (int64_t)(share * (double)units) + 1 : units;
    cost *= (double)sample / (double)units;
    TRY(e->encoder.rows(&e->encoder, &e->units, find_units(e, part), sample, e->rows));
    double since = clock_seconds();
    TRY(e->encoder.rows(&e->encoder, &e->units, find_units(e, part), sample, e->rows));
    *seconds = (clock_seconds() - since) * (double)own / cost;
    return STATUS_OK;
}

/* Says what will be made, and where that is long, how long it will take: of a short computation it would promise a time in which the file
 * is not even written. */
static int announce(struct encoding *e) {
    const struct shared_plan *p = &e->plan;
    char bytes[32], duration[32], computing[64] = "";
    double seconds;
    TRY(comm_agree(e->comm, estimate_seconds(e, &seconds)));
    TRY(comm_max_double(e->comm, &seconds, 1)); /* all are done when the slowest is */
    if (seconds > WORTH_SAYING_SECONDS)
        snprintf(computing, sizeof computing, ", and about %s of computing on %d rank(s)",
                 format_duration(seconds, duration, sizeof duration), e->comm->size);
    log_info(
        "%lld codes have %lld tokens, %lld different texts or words with %lld rows of width %lld: %s will take %s%s",
        (long long)p->n_codes, (long long)p->n_tokens, (long long)p->n_units, (long long)p->n_rows,
        (long long)e->encoder.dim, e->path,
        format_bytes(p->n_rows * e->encoder.dim * (e->halves ? 2 : 4), bytes, sizeof bytes), computing);
    return STATUS_OK;
}

int encoding_plan(struct encoding *e) {
    stage_begin(e->stages, ENCODE_PLAN);
    return make_plan(e);
}

int encoding_run(struct encoding *e, const struct provenance *provenance) {
    stage_begin(e->stages, ENCODE_OPEN);
    TRY(open_file(e, provenance));
    text_plan_free(&e->plan.own);
    int status = deal_parts(e);
    if (status == STATUS_OK) status = announce(e);
    if (status == STATUS_OK) status = run_parts(e);
    part_journal_close(&e->journal);
    if (status == STATUS_ALONE) return status; /* the others do not close the file with this rank */
    status = text_features_close(&e->file, status);
    if (status == STATUS_OK && e->comm->rank == 0) part_journal_discard(e->path);
    return status;
}

void encoding_free(struct encoding *e) {
    if (e->encoder.close) e->encoder.close(&e->encoder);
    device_host_free_reals(e->device, e->rows);
    shared_plan_free(&e->plan);
    text_units_free(&e->units);
    free(e->halves);
    free(e->done);
    free(e->checksum);
    free(e->rank_of_part);
}

/* ---- the model of another file ---- */
int encoding_check_model(const struct provenance *provenance, const char *like, const char *model) {
    static const char *const ROLES[] = {"weights", "wordpieces", "model-config", "wordpiece-rules"};
    struct h5file *file;
    char *inputs = NULL;
    TRY(h5file_open(&file, like, KIND_TEXT));
    int status = h5file_get_text(file, "inputs", &inputs);
    for (size_t i = 0; i < sizeof ROLES / sizeof *ROLES && status == STATUS_OK; i++)
        if (!provenance_same_inputs(provenance->inputs, inputs, ROLES[i]))
            status = status_set(STATUS_FAILED,
                                "%s was made with another model than %s (%s differ): name its folder, "
                                "--set text.model=PATH",
                                like, model, ROLES[i]);
    free(inputs);
    h5file_close(file);
    return status;
}
