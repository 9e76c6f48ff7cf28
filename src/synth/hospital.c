#include "synth/hospital.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "synth/faults.h"
#include "synth/table_files.h"
#include "synth/truth.h"

enum { BLOCK_PATIENTS = 512 };

struct writer {
    const struct comm *comm;
    const struct synth_options *options;
    const char *folder;
    const struct synth_hospital *hospital;
    unsigned formats;
    int n_tables, first[N_SYNTH_FORMATS]; /* of each format's tables in `rows`; behind those of the truth */
    struct rows *rows;                    /* [n_tables] */
    struct table_files *files;
    struct synth_patient patient;
    struct synth_samples samples;
    struct code_counts counts;
    struct fault_list faults;
    struct truth_samples *held_out;
    int64_t n_blocks;
    long long next_fault; /* in the plan */
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
        if (!found)
            return status_set(STATUS_USAGE,
                              "synth.formats: there is no %s; there are mimic3, mimic4, ehrshot, omop, meds",
                              names->items[i]);
    }
    return STATUS_OK;
}

/* ---- files ---- */
static int list_tables(struct writer *w) {
    w->n_tables = N_TRUTH_TABLES;
    for (int f = 0; f < N_SYNTH_FORMATS; f++) {
        w->first[f] = w->n_tables;
        if (w->formats & (1U << f)) w->n_tables += SYNTH_FORMAT_LIST[f]->n_tables;
    }
    return mem_alloc(&w->rows, w->n_tables, sizeof *w->rows);
}

/* The table, and in *folder its format's folder; NULL: the truth, which has none. */
static const struct synth_table *table_at(const struct writer *w, int table, const char **folder) {
    *folder = NULL;
    if (table < N_TRUTH_TABLES) return &TRUTH_TABLES[table];
    int f = N_SYNTH_FORMATS - 1;
    while (w->first[f] > table || !(w->formats & (1U << f))) f--;
    *folder = SYNTH_FORMAT_LIST[f]->name;
    return &SYNTH_FORMAT_LIST[f]->tables[table - w->first[f]];
}

/* Under the hospital's folder, without ending. */
static void table_name(const struct writer *w, int table, char name[PATH_MAX]) {
    const char *folder;
    const struct synth_table *at = table_at(w, table, &folder);
    snprintf(name, PATH_MAX, "%s%s%s", folder ? folder : "", folder ? "/" : "", at->name);
}

static int name_tables(const struct writer *w, char **paths) {
    char name[PATH_MAX];
    for (int t = 0; t < w->n_tables; t++) {
        table_name(w, t, name);
        size_t size = strlen(w->folder) + strlen(name) + 2;
        TRY(mem_alloc(&paths[t], (long long)size, 1));
        snprintf(paths[t], size, "%s/%s", w->folder, name);
    }
    return STATUS_OK;
}

static int open_files(struct writer *w) {
    char **paths = NULL;
    int status = mem_alloc(&paths, w->n_tables, sizeof *paths);
    if (status == STATUS_OK) status = name_tables(w, paths);
    status = comm_agree(w->comm, status);
    if (status == STATUS_OK)
        status = table_files_open(&w->files, w->comm, w->n_tables, (const char *const *)paths, (int)w->options->gzip);
    for (int t = 0; t < w->n_tables && paths; t++) free(paths[t]);
    free(paths);
    return status;
}

/* ---- a patient ---- */
static int put_fault(struct writer *w, int32_t fault) {
    for (int f = 0; f < N_SYNTH_FORMATS; f++) {
        const struct synth_format *format = SYNTH_FORMAT_LIST[f];
        if (!(w->formats & (1U << f))) continue;
        int table = format->fault(&w->patient, (enum synth_fault)fault, w->rows + w->first[f]);
        if (table >= 0) TRY(faults_note(&w->faults, w->first[f] + table, fault, &w->rows[w->first[f] + table]));
    }
    return STATUS_OK;
}

static int keep_held_out(struct writer *w) {
    for (long long i = 0; i < w->samples.n && w->patient.split == SPLIT_HELD_OUT; i++) {
        const struct synth_sample *s = &w->samples.items[i];
        struct truth_samples *list = &w->held_out[s->task];
        TRY(mem_grow(&list->items, &list->capacity, list->n + 1, sizeof *list->items));
        double probability = round(s->probability * 1e9) / 1e9; /* as truth.csv has it, so that ties are the same */
        list->items[list->n++] = (struct truth_sample){w->patient.number * MOST_ADMISSIONS + s->admission,
                                                       w->patient.subject, s->label, probability};
    }
    return STATUS_OK;
}

static int put_patient(struct writer *w, int64_t number) {
    struct fault_list *faults = &w->faults;
    TRY(patient_make(&w->patient, w->hospital->model, w->hospital->catalogue, number));
    TRY(bayes_samples(&w->samples, w->hospital->model, &w->patient));
    truth_put_samples(&w->rows[TRUTH_SAMPLES], &w->patient, &w->samples, &w->counts);
    for (int f = 0; f < N_SYNTH_FORMATS; f++)
        if (w->formats & (1U << f))
            SYNTH_FORMAT_LIST[f]->patient(w->hospital, &w->patient, &w->samples, w->rows + w->first[f]);
    while (w->next_fault < faults->n_planned && faults->planned[w->next_fault].patient < number) w->next_fault++;
    for (; w->next_fault < faults->n_planned && faults->planned[w->next_fault].patient == number; w->next_fault++)
        TRY(put_fault(w, faults->planned[w->next_fault].fault));
    return keep_held_out(w);
}

/* ---- blocks ---- */
static void put_heads(struct writer *w) {
    const char *folder;
    for (int t = 0; t < w->n_tables; t++) put_row(&w->rows[t], "%s", table_at(w, t, &folder)->header);
    for (int f = 0; f < N_SYNTH_FORMATS; f++)
        if ((w->formats & (1U << f)) && SYNTH_FORMAT_LIST[f]->lists)
            SYNTH_FORMAT_LIST[f]->lists(w->hospital, w->rows + w->first[f]);
    truth_put_lists(w->rows, w->hospital, &w->counts);
}

static int put_block(struct writer *w, int64_t block) {
    if (block == 0) put_heads(w);
    int64_t end = (block + 1) * BLOCK_PATIENTS;
    for (int64_t i = block * BLOCK_PATIENTS; i < end && i < w->options->patients; i++) TRY(put_patient(w, i));
    return interrupt_poll();
}

static int count_block(struct writer *w, int64_t block) {
    int64_t end = (block + 1) * BLOCK_PATIENTS;
    for (int64_t i = block * BLOCK_PATIENTS; i < end && i < w->options->patients; i++) {
        TRY(patient_make(&w->patient, w->hospital->model, w->hospital->catalogue, i));
        code_counts_add(&w->counts, &w->patient);
    }
    return interrupt_poll();
}

/* Lines of faults in the block become lines in the file. */
static void settle_faults(struct writer *w) {
    struct fault_list *faults = &w->faults;
    for (; faults->n_settled < faults->n_planted; faults->n_settled++) {
        struct planted_fault *fault = &faults->planted[faults->n_settled];
        fault->line += table_files_get(w->files, fault->table)->first_line - 1;
    }
}

/* Which codes are rare in train is known before the first row is written: all patients are made twice. */
static int count_codes(struct writer *w) {
    struct progress progress;
    int status = code_counts_make(&w->counts, w->hospital->catalogue);
    progress_begin(&progress, "counting codes", w->options->patients, "patients");
    for (int64_t b = w->comm->rank; b < w->n_blocks && status == STATUS_OK; b += w->comm->size) {
        status = count_block(w, b);
        progress_update(&progress, b * BLOCK_PATIENTS);
    }
    TRY(comm_agree(w->comm, status));
    return code_counts_sum(&w->counts, w->comm, w->hospital->catalogue);
}

static int write_blocks(struct writer *w) {
    struct progress progress;
    progress_begin(&progress, "synth", w->options->patients, "patients");
    for (int64_t round = 0; round * w->comm->size < w->n_blocks; round++) {
        int64_t block = round * w->comm->size + w->comm->rank, done = (round + 1) * w->comm->size * BLOCK_PATIENTS;
        TRY(comm_agree(w->comm, block < w->n_blocks ? put_block(w, block) : STATUS_OK));
        TRY(table_files_write(w->files, w->rows));
        settle_faults(w);
        progress_update(&progress, done < w->options->patients ? done : w->options->patients);
    }
    progress_end(&progress, w->options->patients);
    return STATUS_OK;
}

static int write_faults(struct writer *w) {
    struct planted_fault *all = NULL;
    char name[PATH_MAX];
    int64_t n;
    TRY(faults_gather(&w->faults, w->comm, &n, &all));
    for (int64_t i = 0; i < n && w->comm->rank == 0; i++) {
        table_name(w, all[i].table, name);
        put_row(&w->rows[TRUTH_FAULTS], "%s%s,%i,%s", name, w->options->gzip ? ".csv.gz" : ".csv", all[i].line,
                SYNTH_FAULT_NAMES[all[i].fault]);
    }
    free(all);
    return table_files_write(w->files, w->rows);
}

static void log_files(const struct writer *w) {
    char size[32];
    int64_t bytes = 0;
    for (int t = 0; t < w->n_tables; t++) {
        const struct table_file *file = table_files_get(w->files, t);
        if (w->comm->rank == 0) log_debug("%s: %lld rows", file->path, (long long)file->lines - 1);
        bytes += file->bytes;
    }
    log_info("%d tables, %s, in %s", w->n_tables, format_bytes(bytes, size, sizeof size), w->folder);
}

/* ---- all ---- */
static int write_all(struct writer *w) {
    TRY(comm_agree(w->comm, list_tables(w)));
    TRY(faults_plan(&w->faults, w->comm, w->hospital->model, w->options->patients, w->options->faults));
    TRY(count_codes(w));
    TRY(open_files(w));
    int status = write_blocks(w);
    if (status == STATUS_OK) status = write_faults(w);
    if (status == STATUS_OK) log_files(w);
    return table_files_close(w->files, status);
}

int hospital_write(const struct comm *comm, const struct synth_options *options, const char *folder,
                   const struct synth_hospital *hospital, unsigned formats,
                   struct truth_samples held_out[N_SYNTH_TASKS]) {
    struct writer w = {.comm = comm,
                       .options = options,
                       .folder = folder,
                       .hospital = hospital,
                       .formats = formats,
                       .held_out = held_out};
    w.n_blocks = (options->patients + BLOCK_PATIENTS - 1) / BLOCK_PATIENTS;
    int status = write_all(&w);
    for (int t = 0; t < w.n_tables && w.rows; t++) rows_free(&w.rows[t]);
    free(w.rows);
    patient_free(&w.patient);
    bayes_free(&w.samples);
    code_counts_free(&w.counts);
    faults_free(&w.faults);
    return status;
}
