#include "synth/hospital.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "synth/table_files.h"

enum { BLOCK_PATIENTS = 512 };

struct writer {
    const struct comm *comm;
    const struct synth_options *options;
    const struct synth_hospital *hospital;
    unsigned formats;
    int n_tables, first[N_SYNTH_FORMATS]; /* of each format's tables in `rows` */
    struct rows *rows;                    /* [n_tables] */
    struct table_files *files;
    struct synth_patient patient;
    int64_t n_blocks;
};

int hospital_formats(const struct string_list *names, unsigned *formats) {
    *formats = names->n ? 0 : (1U << N_SYNTH_FORMATS) - 1;
    for (int i = 0; i < names->n; i++) {
        int found = 0;
        for (int f = 0; f < N_SYNTH_FORMATS; f++)
            if (strcmp(names->items[i], SYNTH_FORMAT_LIST[f]->name) == 0) {
                *formats |= 1U << f;
                found = 1;
            }
        if (!found) return status_set(STATUS_USAGE, "synth.formats: there is no %s; there is mimic4", names->items[i]);
    }
    return STATUS_OK;
}

/* ---- files ---- */
static int list_tables(struct writer *w) {
    for (int f = 0; f < N_SYNTH_FORMATS; f++) {
        w->first[f] = w->n_tables;
        if (w->formats & (1U << f)) w->n_tables += SYNTH_FORMAT_LIST[f]->n_tables;
    }
    return mem_alloc(&w->rows, w->n_tables, sizeof *w->rows);
}

static int name_tables(const struct writer *w, char **names) {
    int n = 0;
    for (int f = 0; f < N_SYNTH_FORMATS; f++)
        for (int t = 0; (w->formats & (1U << f)) && t < SYNTH_FORMAT_LIST[f]->n_tables; t++, n++) {
            const struct synth_format *format = SYNTH_FORMAT_LIST[f];
            size_t size = strlen(w->options->folder) + strlen(format->name) + strlen(format->tables[t].name) + 3;
            TRY(mem_alloc(&names[n], (long long)size, 1));
            snprintf(names[n], size, "%s/%s/%s", w->options->folder, format->name, format->tables[t].name);
        }
    return STATUS_OK;
}

static int open_files(struct writer *w) {
    char **names = NULL;
    int status = mem_alloc(&names, w->n_tables, sizeof *names);
    if (status == STATUS_OK) status = name_tables(w, names);
    status = comm_agree(w->comm, status);
    if (status == STATUS_OK)
        status = table_files_open(&w->files, w->comm, w->n_tables, (const char *const *)names, (int)w->options->gzip);
    for (int t = 0; t < w->n_tables && names; t++) free(names[t]);
    free(names);
    return status;
}

/* ---- blocks ---- */
static void put_heads(struct writer *w) {
    for (int f = 0; f < N_SYNTH_FORMATS; f++) {
        const struct synth_format *format = SYNTH_FORMAT_LIST[f];
        if (!(w->formats & (1U << f))) continue;
        for (int t = 0; t < format->n_tables; t++) {
            struct rows *rows = &w->rows[w->first[f] + t];
            if (!row_begin(rows)) continue;
            put_text(rows, format->tables[t].header);
            row_end(rows);
        }
        if (format->lists) format->lists(w->hospital, w->rows + w->first[f]);
    }
}

static int put_block(struct writer *w, int64_t block) {
    if (block == 0) put_heads(w);
    int64_t end = (block + 1) * BLOCK_PATIENTS;
    for (int64_t i = block * BLOCK_PATIENTS; i < end && i < w->options->patients; i++) {
        TRY(patient_make(&w->patient, w->hospital->model, w->hospital->catalogue, i));
        for (int f = 0; f < N_SYNTH_FORMATS; f++)
            if (w->formats & (1U << f)) SYNTH_FORMAT_LIST[f]->patient(w->hospital, &w->patient, w->rows + w->first[f]);
    }
    return interrupt_poll();
}

static int write_blocks(struct writer *w) {
    struct progress progress;
    progress_begin(&progress, "synth", w->options->patients, "patients");
    for (int64_t round = 0; round * w->comm->size < w->n_blocks; round++) {
        int64_t block = round * w->comm->size + w->comm->rank, done = (round + 1) * w->comm->size * BLOCK_PATIENTS;
        TRY(comm_agree(w->comm, block < w->n_blocks ? put_block(w, block) : STATUS_OK));
        TRY(table_files_write(w->files, w->rows));
        progress_update(&progress, done < w->options->patients ? done : w->options->patients);
    }
    progress_end(&progress, w->options->patients);
    return STATUS_OK;
}

static void log_files(const struct writer *w) {
    char size[32];
    int64_t bytes = 0;
    for (int t = 0; t < w->n_tables; t++) {
        const struct table_file *file = table_files_get(w->files, t);
        log_debug("%s: %lld rows", file->path, (long long)file->lines - 1);
        bytes += file->bytes;
    }
    log_info("%d tables, %s, in %s", w->n_tables, format_bytes(bytes, size, sizeof size), w->options->folder);
}

/* ---- all ---- */
static int write_all(struct writer *w) {
    TRY(comm_agree(w->comm, list_tables(w)));
    TRY(open_files(w));
    int status = write_blocks(w);
    if (status == STATUS_OK) log_files(w);
    return table_files_close(w->files, status);
}

int hospital_write(const struct comm *comm, const struct synth_options *options, const struct synth_hospital *hospital,
                   unsigned formats) {
    struct writer w = {.comm = comm, .options = options, .hospital = hospital, .formats = formats};
    w.n_blocks = (options->patients + BLOCK_PATIENTS - 1) / BLOCK_PATIENTS;
    int status = write_all(&w);
    for (int t = 0; t < w.n_tables && w.rows; t++) rows_free(&w.rows[t]);
    free(w.rows);
    patient_free(&w.patient);
    return status;
}
