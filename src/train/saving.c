/* Host copies of parameters and moments, between the device and store/checkpoint.h, which is float32 alone. */
#include "train/saving.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/device_status.h"

#ifndef MEDTOK_REAL_DOUBLE
enum { N_PARTS = 4 };

/* The parts of an entry, and where each is on the device; NULL: it is not saved. */
static void list_parts(struct checkpoint_entry *e, float **host[N_PARTS]) {
    host[0] = &e->value, host[1] = &e->m, host[2] = &e->v, host[3] = &e->average;
}

/* optimiser NULL: the values to use are looked for, with `averaged` under the name of the average. */
static void find_parts(const struct parameter *p, const struct optimiser *optimiser, int averaged,
                       dev_real device[N_PARTS]) {
    for (int k = 0; k < N_PARTS; k++) device[k].at = NULL;
    if (optimiser) {
        struct moments kept = optimiser_moments(optimiser, p);
        device[0] = p->value, device[1] = kept.m, device[2] = kept.v, device[3] = kept.average;
    } else {
        device[averaged && !(p->flags & PARAMETER_FROZEN) ? 3 : 0] = p->value;
    }
}

static void free_entries(struct checkpoint_entry *entries, int64_t n) {
    for (int64_t i = 0; entries && i < n; i++) {
        float **host[N_PARTS];
        list_parts(&entries[i], host);
        for (int k = 0; k < N_PARTS; k++) free(*host[k]);
    }
    free(entries);
}

/* Host memory for every parameter; the caller calls free_entries in any case. */
static int make_entries(const struct parameter_set *set, const struct optimiser *optimiser, int averaged,
                        struct checkpoint_entry **entries) {
    TRY(mem_alloc(entries, set->n, sizeof **entries));
    for (int i = 0; i < set->n; i++) {
        const struct parameter *p = set->list[i];
        struct checkpoint_entry *e = &(*entries)[i];
        float **host[N_PARTS];
        dev_real device[N_PARTS];
        *e = (struct checkpoint_entry){
            .name = p->name, .rows = p->rows, .cols = p->cols, .first = p->first, .count = p->count};
        e->by_rows = (p->flags & PARAMETER_BY_ROWS) != 0;
        list_parts(e, host);
        find_parts(p, optimiser, averaged, device);
        for (int k = 0; k < N_PARTS; k++)
            if (device[k].at) TRY(mem_alloc(host[k], p->count * p->cols, sizeof(float)));
    }
    return STATUS_OK;
}

/* The parts of an entry that are there. */
static int entry_parts(struct checkpoint_entry *e, float *parts[N_PARTS]) {
    float **host[N_PARTS];
    int n = 0;
    list_parts(e, host);
    for (int k = 0; k < N_PARTS; k++)
        if (*host[k]) parts[n++] = *host[k];
    return n;
}

/* ---- saving ---- */
/* Parameters that are not cut are the same everywhere: only rank 0 brings them to a file. */
int saver_make(struct saver *s, const struct comm *comm, const struct training_state *state) {
    const struct parameter_set *set = state->parameters;
    *s = (struct saver){.comm = comm, .state = state};
    TRY(make_entries(set, &state->optimiser, 0, &s->entries));
    for (int i = 0; i < set->n; i++)
        if (!s->entries[i].by_rows && comm->rank > 0) s->entries[i].count = 0;
    for (int i = 0; i < set->n && state->row_order; i++)
        if (s->entries[i].by_rows) TRY(row_order_reserve(state->row_order, N_PARTS * s->entries[i].cols));
    TRY(checkpoint_writer_make(&s->writer, comm, s->entries, (int)set->n));
    return (s->worker = worker_make()) ? STATUS_OK : STATUS_FAILED;
}

void saver_free(struct saver *s) {
    if (!s->comm) return;
    worker_free(s->worker);
    checkpoint_writer_free(&s->writer);
    free_entries(s->entries, s->state->parameters->n);
    *s = (struct saver){0};
}

static int copy_state(struct saver *s) {
    const struct parameter_set *set = s->state->parameters;
    for (int i = 0; i < set->n; i++) {
        const struct parameter *p = set->list[i];
        float **host[N_PARTS];
        dev_real device[N_PARTS];
        list_parts(&s->entries[i], host);
        find_parts(p, &s->state->optimiser, 0, device);
        for (int k = 0; k < N_PARTS; k++)
            if (device[k].at) device_download_reals(set->device, *host[k], device[k], s->entries[i].count * p->cols);
    }
    return device_status(set->device);
}

/* Rows that lie by who uses them go to the ranks that write them. */
static int sort_rows(struct saver *s) {
    float *parts[N_PARTS];
    for (int i = 0; i < s->state->parameters->n && s->state->row_order; i++) {
        struct checkpoint_entry *e = &s->entries[i];
        if (e->by_rows) TRY(row_order_to_blocks(s->state->row_order, s->comm, entry_parts(e, parts), e->cols, parts));
    }
    return STATUS_OK;
}

static int write_rows(void *context) {
    struct saver *s = context;
    return checkpoint_writer_write(&s->writer);
}

static int seal(void *context) {
    struct saver *s = context;
    return checkpoint_writer_seal(&s->writer);
}

int saver_begin(struct saver *s, const char *path, const struct provenance *provenance, int status) {
    snprintf(s->path, sizeof s->path, "%s", path);
    s->step = s->state->step;
    if (s->state->join) s->state->join(s->state->context);
    s->copied = copy_state(s);
    TRY(sort_rows(s));
    TRY(checkpoint_writer_begin(&s->writer, path, provenance, s->step, status));
    s->is_writing = 1;
    if (s->copied == STATUS_OK) worker_begin(s->worker, write_rows, s);
    return STATUS_OK;
}

int saver_is_busy(const struct saver *s) {
    return s->is_writing && s->copied == STATUS_OK && !worker_is_done(s->worker);
}

int saver_end(struct saver *s) {
    int status = s->copied == STATUS_OK ? worker_finish(s->worker) : device_status(s->state->parameters->device);
    s->is_writing = 0;
    TRY(checkpoint_writer_end(&s->writer, status));
    if (s->comm->rank > 0) return STATUS_OK;
    s->is_sealing = 1;
    s->completed = checkpoint_writer_complete(&s->writer);
    if (s->completed == STATUS_OK) worker_begin(s->worker, seal, s);
    return STATUS_OK;
}

int saver_seal(struct saver *s, int waits, int *sealed) {
    *sealed = 0;
    if (!s->is_sealing || (!waits && !worker_is_done(s->worker))) return STATUS_OK;
    s->is_sealing = 0;
    int status = s->completed == STATUS_OK ? worker_finish(s->worker) : s->completed;
    checkpoint_writer_close(&s->writer, status);
    *sealed = status == STATUS_OK;
    return status;
}

int64_t training_state_file_bytes(const struct training_state *state, int64_t *while_written) {
    int64_t values = 0, datasets = 0;
    for (int i = 0; i < state->parameters->n; i++) {
        const struct parameter *p = state->parameters->list[i];
        int64_t parts = p->flags & PARAMETER_FROZEN ? 1 : state->optimiser.average > 0 ? N_PARTS : N_PARTS - 1;
        values += parts * p->rows * p->cols;
        datasets += parts;
    }
    *while_written = datasets * CHECKPOINT_RESERVED_BYTES;
    return values * (int64_t)sizeof(float) + datasets * CHECKPOINT_DATASET_BYTES;
}

/* ---- loading ---- */
/* Rows that lie by who uses them come from the ranks that read them. `status`: of reading. */
static int place_rows(const struct training_state *state, struct checkpoint_entry *entries, int status) {
    struct row_order *order = state->row_order;
    float *parts[N_PARTS];
    int64_t n = state->parameters->n;
    for (int64_t i = 0; i < n && status == STATUS_OK; i++)
        if (entries[i].by_rows) status = row_order_reserve(order, N_PARTS * entries[i].cols);
    TRY(comm_agree(state->comm, status));
    for (int64_t i = 0; i < n; i++) {
        struct checkpoint_entry *e = &entries[i];
        if (e->by_rows) TRY(row_order_from_blocks(order, state->comm, entry_parts(e, parts), e->cols, parts));
    }
    return STATUS_OK;
}

/* state: of a training; NULL: the values to use alone. */
static int load(struct parameter_set *set, const struct training_state *state, const char *path, int averaged,
                int64_t *step) {
    const struct optimiser *optimiser = state ? &state->optimiser : NULL;
    struct checkpoint_entry *entries = NULL;
    int status = make_entries(set, optimiser, averaged, &entries);
    if (status == STATUS_OK) status = checkpoint_read(path, entries, (int)set->n, step);
    if (state && state->row_order) status = place_rows(state, entries, status);
    for (int i = 0; i < set->n && status == STATUS_OK; i++) {
        const struct parameter *p = set->list[i];
        float **host[N_PARTS];
        dev_real device[N_PARTS];
        list_parts(&entries[i], host);
        find_parts(p, optimiser, averaged, device);
        for (int k = 0; k < N_PARTS; k++)
            if (device[k].at) device_upload_reals(set->device, device[k], *host[k], p->count * p->cols);
    }
    device_synchronize(set->device);
    if (status == STATUS_OK) status = device_status(set->device);
    free_entries(entries, set->n);
    return status;
}

int training_state_load(struct training_state *state, const char *path) {
    return load(state->parameters, state, path, 0, &state->step);
}

int parameters_load(struct parameter_set *set, const char *path, int averaged, int64_t *step) {
    return load(set, NULL, path, averaged, step);
}
#endif
