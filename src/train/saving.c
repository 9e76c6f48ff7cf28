/* Host copies of parameters and moments, between the device and store/checkpoint.h, which is float32 alone. */
#include "train/saving.h"

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
        list_parts(e, host);
        find_parts(p, optimiser, averaged, device);
        for (int k = 0; k < N_PARTS; k++)
            if (device[k].at) TRY(mem_alloc(host[k], p->count * p->cols, sizeof(float)));
    }
    return STATUS_OK;
}

/* Parameters that are not cut are the same everywhere: only rank 0 brings them to a file. */
static int fetch_entries(const struct training_state *state, const struct comm *comm,
                         struct checkpoint_entry *entries) {
    for (int i = 0; i < state->parameters->n; i++) {
        const struct parameter *p = state->parameters->list[i];
        float **host[N_PARTS];
        dev_real device[N_PARTS];
        if (!(p->flags & PARAMETER_BY_ROWS) && comm->rank > 0) entries[i].count = 0;
        list_parts(&entries[i], host);
        find_parts(p, &state->optimiser, 0, device);
        for (int k = 0; k < N_PARTS; k++)
            if (device[k].at)
                device_download_reals(state->parameters->device, *host[k], device[k], entries[i].count * p->cols);
    }
    return device_status(state->parameters->device);
}

int training_state_save(const struct training_state *state, const struct comm *comm, const char *path,
                        const struct provenance *provenance) {
    struct checkpoint_entry *entries = NULL;
    int n = (int)state->parameters->n, status = make_entries(state->parameters, &state->optimiser, 0, &entries);
    if (status == STATUS_OK) status = fetch_entries(state, comm, entries);
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = checkpoint_write(comm, path, provenance, state->step, entries, n);
    free_entries(entries, n);
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

static int load(struct parameter_set *set, const struct optimiser *optimiser, const char *path, int averaged,
                int64_t *step) {
    struct checkpoint_entry *entries = NULL;
    int status;
    TRY_DONE(make_entries(set, optimiser, averaged, &entries));
    TRY_DONE(checkpoint_read(path, entries, (int)set->n, step));
    for (int i = 0; i < set->n; i++) {
        const struct parameter *p = set->list[i];
        float **host[N_PARTS];
        dev_real device[N_PARTS];
        list_parts(&entries[i], host);
        find_parts(p, optimiser, averaged, device);
        for (int k = 0; k < N_PARTS; k++)
            if (device[k].at) device_upload_reals(set->device, device[k], *host[k], p->count * p->cols);
    }
    device_synchronize(set->device);
    status = device_status(set->device);
done:
    free_entries(entries, set->n);
    return status;
}

int training_state_load(struct training_state *state, const char *path) {
    return load(state->parameters, &state->optimiser, path, 0, &state->step);
}

int parameters_load(struct parameter_set *set, const char *path, int averaged, int64_t *step) {
    return load(set, NULL, path, averaged, step);
}
#endif
