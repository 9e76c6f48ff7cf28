/* The plan, the parts, and the rounds in which ranks compute them. */
#include "text/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "half.h"
#include "store/vocabulary.h"

/* About the cost of a part in tokens: seconds of work. */
enum { PART_TOKENS = 16384, SAMPLE_TOKENS = 1024 };
static const double WORTH_SAYING_SECONDS = 30;

enum { JOURNAL_KEY = 120 }; /* bytes of its first line */

const char *const ENCODE_STAGE_NAMES[ENCODE_STAGES] = {"plan", "open", "encode", "write"};

/* ---- the plan ---- */
static int cut_parts(struct encoding *e) {
    const struct text_plan *p = &e->plan;
    TRY(mem_alloc(&e->part_first, p->n_units + 1, sizeof *e->part_first));
    int64_t batch = e->device->linear_rows, n_batches = (PART_TOKENS + batch / 2) / batch;
    e->n_parts = text_plan_cut(p, batch, n_batches > 0 ? n_batches : 1, e->part_first);
    TRY(mem_alloc(&e->done, e->n_parts, sizeof *e->done));
    return mem_alloc(&e->checksum, e->n_parts, sizeof *e->checksum);
}

static int64_t first_row(const struct encoding *e, int64_t part) {
    return text_plan_row(&e->plan, e->part_first[part]);
}
static int64_t n_rows(const struct encoding *e, int64_t part) { return first_row(e, part + 1) - first_row(e, part); }
static int64_t cost_before(const struct encoding *e, int64_t part) {
    return text_plan_cost(&e->plan, e->part_first[part]);
}

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

static int make_plan(struct encoding *e) {
    struct vocabulary v;
    int64_t most = 0;
    TRY(check_same_rows(e));
    TRY(text_encoder_open(&e->encoder, e->options, e->seed, e->device, e->n_threads));
    unsigned names = e->options->nodes == NODE_TEXTS_YES ? VOCABULARY_NODE_NAMES : 0;
    TRY(vocabulary_read(e->vocabulary, 0, -1, VOCABULARY_DESCRIPTIONS | names, &v));
    int status = e->encoder.plan(&e->encoder, &v, &e->plan);
    vocabulary_free(&v);
    TRY(status);
    TRY(cut_parts(e));
    for (int64_t p = 0; p < e->n_parts; p++) most = n_rows(e, p) > most ? n_rows(e, p) : most;
    e->rows = device_host_alloc_reals(e->device, most * e->encoder.dim);
    if (!e->rows) return status_set(STATUS_FAILED, "%s", device_error(e->device));
    return e->options->precision == PRECISION_FP16 ? mem_alloc(&e->halves, most * e->encoder.dim, sizeof *e->halves)
                                                   : STATUS_OK;
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
    int status = e->comm->rank == 0 ? part_journal_read(e->path, journal_key(e, provenance, key), e->n_parts, e->done,
                                                        e->checksum, found)
                                    : STATUS_OK;
    TRY(comm_agree(e->comm, status));
    TRY(comm_broadcast(e->comm, found, sizeof *found));
    TRY(comm_broadcast(e->comm, e->done, e->n_parts * (int64_t)sizeof *e->done));
    return comm_broadcast(e->comm, e->checksum, e->n_parts * (int64_t)sizeof *e->checksum);
}

/* Reads the finished parts back, each on one rank; those whose bytes are not what the journal says are forgotten. */
static int check_parts(struct encoding *e, struct h5dataset *features) {
    int status = STATUS_OK;
    void *rows = e->halves ? (void *)e->halves : (void *)e->rows;
    int64_t kept = 0;
    for (int64_t p = 0; p < e->n_parts && status == STATUS_OK; p++) {
        if (!e->done[p] || p % e->comm->size != e->comm->rank) {
            e->done[p] = 0;
            continue;
        }
        status = h5dataset_read(features, first_row(e, p), n_rows(e, p), rows);
        e->done[p] =
            status == STATUS_OK && h5dataset_checksum(features, first_row(e, p), n_rows(e, p), rows) == e->checksum[p];
        if (e->done[p]) h5dataset_add_rows(features, first_row(e, p), n_rows(e, p), rows);
    }
    TRY(comm_agree(e->comm, status));
    TRY(comm_sum_int64(e->comm, e->done, e->n_parts));
    for (int64_t p = 0; p < e->n_parts; p++) kept += e->done[p];
    log_info("going on with %s.partial: %lld of %lld parts are there", e->path, (long long)kept, (long long)e->n_parts);
    return STATUS_OK;
}

/* ---- the file ---- */
static int open_journal(struct encoding *e, const struct provenance *provenance, int again) {
    char key[JOURNAL_KEY];
    int status = e->comm->rank == 0 ? part_journal_open(&e->journal, e->path, journal_key(e, provenance, key), again)
                                    : STATUS_OK;
    return comm_agree(e->comm, status);
}

static int create_file(struct encoding *e, const struct provenance *provenance, struct text_features_writer *file) {
    const struct text_plan *p = &e->plan;
    struct text_features_index index = {.vocabulary = e->vocabulary,
                                        .encoder = e->encoder.name,
                                        .half = e->halves != NULL,
                                        .first_is_mean = e->encoder.first_is_mean,
                                        .n_codes = p->n_codes,
                                        .n_tokens = p->token_offsets[p->n_codes],
                                        .n_rows = p->n_rows,
                                        .dim = e->encoder.dim,
                                        .token_offsets = p->token_offsets,
                                        .token_row = p->token_row,
                                        .n_nodes = p->n_nodes,
                                        .node_row = p->node_row};
    TRY(comm_agree(e->comm, e->comm->rank == 0 ? h5file_check_partial(e->path) : STATUS_OK));
    if (e->comm->rank == 0) part_journal_discard(e->path);
    TRY(text_features_create(file, e->comm, e->path, &index, provenance, 1));
    int status = open_journal(e, provenance, 0);
    return status == STATUS_OK ? STATUS_OK : text_features_close(file, 0, status);
}

static int reopen_file(struct encoding *e, const struct provenance *provenance, struct text_features_writer *file) {
    TRY(text_features_reopen(file, e->comm, e->path, provenance));
    int status = check_parts(e, file->rows);
    if (status == STATUS_OK) status = open_journal(e, provenance, 1);
    return status == STATUS_OK ? STATUS_OK : text_features_close(file, 1, status);
}

/* A partial file that cannot be opened, or lacks what it should have, is made anew. */
static int open_file(struct encoding *e, const struct provenance *provenance, struct text_features_writer *file) {
    int found = 0;
    TRY(recall_parts(e, provenance, &found));
    if (found && reopen_file(e, provenance, file) == STATUS_OK) return STATUS_OK;
    if (found) log_warn("%s; starting anew", status_message());
    for (int64_t p = 0; p < e->n_parts; p++) e->done[p] = 0;
    return create_file(e, provenance, file);
}

/* ---- the work ---- */
static int compute_part(struct encoding *e, int64_t part) {
    int64_t first = e->part_first[part];
    TRY(e->encoder.rows(&e->encoder, first, e->part_first[part + 1] - first, e->rows));
    int64_t n = n_rows(e, part) * e->encoder.dim;
    if (e->halves)
#pragma omp parallel for simd num_threads(e->n_threads)
        for (int64_t i = 0; i < n; i++) e->halves[i] = half_from_float(e->rows[i]);
    return STATUS_OK;
}

/* A round: each rank computes a part (-1: none is left for it), all write, rank 0 notes. sums[size] is scratch. */
static int run_round(struct encoding *e, struct h5dataset *features, const int64_t *parts, uint64_t *sums) {
    int64_t mine = parts[e->comm->rank], count = mine < 0 ? 0 : n_rows(e, mine), at = mine < 0 ? 0 : first_row(e, mine);
    const void *rows = e->halves ? (void *)e->halves : (void *)e->rows;
    stage_begin(e->stages, ENCODE_COMPUTE);
    TRY(comm_agree(e->comm, mine < 0 ? STATUS_OK : compute_part(e, mine)));
    stage_begin(e->stages, ENCODE_WRITE);
    TRY(h5dataset_write(features, at, count, rows));
    memset(sums, 0, (size_t)e->comm->size * sizeof *sums);
    if (mine >= 0) sums[e->comm->rank] = h5dataset_checksum(features, at, count, rows);
    TRY(comm_sum_uint64(e->comm, sums, e->comm->size));
    int status = STATUS_OK;
    for (int r = 0; e->comm->rank == 0 && r < e->comm->size && status == STATUS_OK; r++)
        if (parts[r] >= 0) status = part_journal_add(&e->journal, parts[r], sums[r]);
    return comm_agree(e->comm, status);
}

/* Whether a signal has come to any rank. */
static int asked_to_stop(struct encoding *e, int *stop) {
    int64_t asked = interrupt_asked();
    TRY(comm_max_int64(e->comm, &asked, 1));
    *stop = (int)asked;
    return STATUS_OK;
}

static int run_rounds(struct encoding *e, struct h5dataset *features, int64_t *parts, uint64_t *sums) {
    struct progress progress;
    int64_t total = cost_before(e, e->n_parts), done = 0, next = 0;
    for (int64_t p = 0; p < e->n_parts; p++) done += e->done[p] ? cost_before(e, p + 1) - cost_before(e, p) : 0;
    progress_begin(&progress, "encode", total - done, "tokens");
    done = 0;
    for (;;) {
        int stop, taken = 0;
        for (int r = 0; r < e->comm->size; r++) {
            while (next < e->n_parts && e->done[next]) next++;
            parts[r] = next < e->n_parts ? next++ : -1;
            if (parts[r] >= 0) done += cost_before(e, parts[r] + 1) - cost_before(e, parts[r]), taken++;
        }
        if (!taken) break;
        TRY(asked_to_stop(e, &stop));
        if (stop)
            return status_set(STATUS_INTERRUPTED,
                              "stopped by a signal; the finished parts are kept, run the same command "
                              "again to go on");
        TRY(run_round(e, features, parts, sums));
        progress_update(&progress, done);
    }
    progress_end(&progress, done);
    return STATUS_OK;
}

/* Says what will be made. Computes a few units twice (the first time reads the weights) to say how long all will take,
 * where that is long: of a short computation it would promise a time in which the file is not even written. */
static int announce(struct encoding *e) {
    const struct text_plan *p = &e->plan;
    int64_t units = 1, size = e->halves ? 2 : 4;
    char bytes[32], duration[32], computing[64] = "";
    double seconds;
    while (units < e->part_first[1] && text_plan_cost(p, units) < SAMPLE_TOKENS) units++;
    int status = e->encoder.rows(&e->encoder, 0, units, e->rows);
    seconds = clock_seconds();
    if (status == STATUS_OK) status = e->encoder.rows(&e->encoder, 0, units, e->rows);
    seconds = (clock_seconds() - seconds) * (double)text_plan_cost(p, p->n_units) / (double)text_plan_cost(p, units);
    TRY(comm_agree(e->comm, status));
    seconds /= e->comm->size;
    if (seconds > WORTH_SAYING_SECONDS)
        snprintf(computing, sizeof computing, ", and about %s of computing on %d rank(s)",
                 format_duration(seconds, duration, sizeof duration), e->comm->size);
    log_info(
        "%lld codes have %lld tokens, %lld different texts or words with %lld rows of width %lld: %s will take %s%s",
        (long long)p->n_codes, (long long)p->token_offsets[p->n_codes], (long long)p->n_units, (long long)p->n_rows,
        (long long)e->encoder.dim, e->path, format_bytes(p->n_rows * e->encoder.dim * size, bytes, sizeof bytes),
        computing);
    return STATUS_OK;
}

int encoding_plan(struct encoding *e) {
    stage_begin(e->stages, ENCODE_PLAN);
    TRY(comm_agree(e->comm, make_plan(e)));
    return announce(e);
}

int encoding_run(struct encoding *e, const struct provenance *provenance) {
    struct text_features_writer file;
    int64_t *parts = NULL;
    uint64_t *sums = NULL;
    int status = mem_alloc(&parts, e->comm->size, sizeof *parts);
    if (status == STATUS_OK) status = mem_alloc(&sums, e->comm->size, sizeof *sums);
    TRY_DONE(comm_agree(e->comm, status));
    stage_begin(e->stages, ENCODE_OPEN);
    TRY_DONE(open_file(e, provenance, &file));
    status = run_rounds(e, file.rows, parts, sums);
    status = text_features_close(&file, 1, status);
    part_journal_close(&e->journal);
    if (status == STATUS_OK && e->comm->rank == 0) part_journal_discard(e->path);
done:
    free(parts);
    free(sums);
    return status;
}

void encoding_free(struct encoding *e) {
    if (e->encoder.close) e->encoder.close(&e->encoder);
    device_host_free_reals(e->device, e->rows);
    text_plan_free(&e->plan);
    free(e->halves);
    free(e->part_first);
    free(e->done);
    free(e->checksum);
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
