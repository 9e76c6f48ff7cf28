#include "ingest/subject_runs.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum { GROUP_RECORDS = 256, BLOCK_BYTES = 1 << 20, MOST_RECORD_BYTES = 64, FEW = 32 };

static int64_t subject_at(const char *records, int64_t i, int64_t bytes) {
    int64_t subject;
    memcpy(&subject, records + i * bytes, sizeof subject);
    return subject;
}

/* ---- sorting ---- */
/* In an order of unsigned numbers. */
static uint64_t key_at(const char *records, int64_t i, int64_t bytes) {
    return (uint64_t)subject_at(records, i, bytes) ^ (uint64_t)1 << 63;
}

static void insertion_sort(char *records, int64_t n, int64_t bytes) {
    char held[MOST_RECORD_BYTES];
    for (int64_t i = 1; i < n; i++) {
        uint64_t key = key_at(records, i, bytes);
        int64_t to = i;
        while (to > 0 && key_at(records, to - 1, bytes) > key) to--;
        if (to == i) continue;
        memcpy(held, records + i * bytes, (size_t)bytes);
        memmove(records + (to + 1) * bytes, records + to * bytes, (size_t)((i - to) * bytes));
        memcpy(records + to * bytes, held, (size_t)bytes);
    }
}

static void swap(char *a, char *b, int64_t bytes) {
    char held[MOST_RECORD_BYTES];
    memcpy(held, a, (size_t)bytes);
    memcpy(a, b, (size_t)bytes);
    memcpy(b, held, (size_t)bytes);
}

/* Radix sort from the byte at `shift` down, in place (McIlroy, Bostic, McIlroy, "Engineering radix sort", 1993: American flag sort). */
static void radix_sort(char *records, int64_t n, int64_t bytes, int shift) {
    int64_t first[257] = {0}, next[256];
    if (n <= FEW) {
        insertion_sort(records, n, bytes);
        return;
    }
    for (int64_t i = 0; i < n; i++) first[(key_at(records, i, bytes) >> shift & 255) + 1]++;
    for (int b = 0; b < 256; b++) {
        first[b + 1] += first[b];
        next[b] = first[b];
    }
    for (int b = 0; b < 256; b++)
        while (next[b] < first[b + 1]) {
            int to = (int)(key_at(records, next[b], bytes) >> shift & 255);
            if (to == b)
                next[b]++;
            else
                swap(records + next[b] * bytes, records + next[to]++ * bytes, bytes);
        }
    for (int b = 0; b < 256 && shift > 0; b++)
        if (first[b + 1] - first[b] > 1)
            radix_sort(records + first[b] * bytes, first[b + 1] - first[b], bytes, shift - 8);
}

/* Sorts records by subject, where they lie. */
static void subject_records_sort(char *records, int64_t n, int64_t bytes) {
    uint64_t differ = 0, before = n ? key_at(records, 0, bytes) : 0, sorted = 1;
    for (int64_t i = 0; i < n; i++) {
        uint64_t key = key_at(records, i, bytes);
        differ |= key ^ key_at(records, 0, bytes);
        sorted &= key >= before;
        before = key;
    }
    int shift = 56;
    while (shift > 0 && differ >> shift == 0) shift -= 8;
    if (!sorted) radix_sort(records, n, bytes, shift);
}

int64_t subject_records_find(const char *records, int64_t n, int64_t bytes, int64_t subject) {
    int64_t low = 0, high = n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (subject_at(records, middle, bytes) < subject)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- filling ---- */
void subject_runs_init(struct subject_runs *r, int64_t record_bytes, int64_t most_bytes, const char *beside) {
    *r = (struct subject_runs){.record_bytes = record_bytes, .most = most_bytes / record_bytes, .beside = beside};
}

void subject_runs_free(struct subject_runs *r) {
    for (long long k = 0; k < r->n_runs; k++) free(r->runs[k].block);
    free(r->runs);
    free(r->groups);
    free(r->buffer);
    scratch_file_close(&r->file);
    *r = (struct subject_runs){0};
}

/* Groups of the sorted buffer: a subject's records are in one. */
static int add_groups(struct subject_runs *r) {
    int64_t first = 0;
    for (int64_t i = 1; i <= r->n; i++) {
        if (i < r->n && (i - first < GROUP_RECORDS ||
                         subject_at(r->buffer, i, r->record_bytes) == subject_at(r->buffer, i - 1, r->record_bytes)))
            continue;
        TRY(mem_grow(&r->groups, &r->groups_capacity, r->n_groups + 1, sizeof *r->groups));
        r->groups[r->n_groups++] = (struct subject_group){subject_at(r->buffer, first, r->record_bytes), i - first};
        first = i;
    }
    return STATUS_OK;
}

/* The buffer becomes a run: in the file, or, keep, where it is. */
static int end_run(struct subject_runs *r, int keep) {
    if (r->n == 0) return STATUS_OK;
    subject_records_sort(r->buffer, r->n, r->record_bytes);
    TRY(add_groups(r));
    TRY(mem_grow(&r->runs, &r->runs_capacity, r->n_runs + 1, sizeof *r->runs));
    if (!keep && !r->file.open) TRY(scratch_file_open(&r->file, r->beside));
    r->runs[r->n_runs++] = (struct subject_run){.at = keep ? -1 : r->file.size, .n = r->n};
    if (keep) return STATUS_OK;
    TRY(scratch_file_append(&r->file, r->buffer, r->n * r->record_bytes));
    r->n = 0;
    return STATUS_OK;
}

int subject_runs_add(struct subject_runs *r, const void *record) {
    if (r->n == r->most) TRY(end_run(r, 0));
    if (r->n == r->capacity) {
        int64_t more = r->capacity ? 2 * r->capacity : 4096;
        if (more > r->most) more = r->most;
        char *buffer = realloc(r->buffer, (size_t)(more * r->record_bytes));
        if (!buffer)
            return status_set(STATUS_FAILED, "out of memory: %lld bytes for records; lower cohort.memory",
                              (long long)(more * r->record_bytes));
        r->buffer = buffer;
        r->capacity = more;
    }
    memcpy(r->buffer + r->n++ * r->record_bytes, record, (size_t)r->record_bytes);
    return STATUS_OK;
}

int subject_runs_close(struct subject_runs *r, int64_t keep_bytes) {
    int keep = r->n_runs == 0 && r->n * r->record_bytes <= keep_bytes;
    TRY(end_run(r, keep));
    if (keep) return STATUS_OK;
    free(r->buffer);
    r->buffer = NULL;
    r->capacity = 0;
    return STATUS_OK;
}

/* ---- taking ---- */
/* The records of a run from `next` on, as many as are in memory. */
static int look(struct subject_runs *r, struct subject_run *run, const char **records, int64_t *n) {
    int64_t block = BLOCK_BYTES / r->record_bytes;
    if (run->at < 0) {
        *records = r->buffer + run->next * r->record_bytes;
        *n = run->n - run->next;
        return STATUS_OK;
    }
    if (run->next >= run->block_first + run->block_n) {
        run->block_first = run->next;
        run->block_n = run->n - run->next < block ? run->n - run->next : block;
        TRY(mem_grow(&run->block, &run->block_capacity, run->block_n, r->record_bytes));
        TRY(scratch_file_read(&r->file, run->at + run->next * r->record_bytes, run->block_n * r->record_bytes,
                              run->block));
    }
    *records = run->block + (run->next - run->block_first) * r->record_bytes;
    *n = run->block_first + run->block_n - run->next;
    return STATUS_OK;
}

int subject_runs_take(struct subject_runs *r, int64_t end, int last, char **records, long long *capacity, int64_t *n) {
    int64_t bytes = r->record_bytes, from = *n;
    int pieces = 0;
    for (long long k = 0; k < r->n_runs; k++) {
        struct subject_run *run = &r->runs[k];
        int64_t before = *n;
        while (run->next < run->n) {
            const char *some;
            int64_t n_some;
            TRY(look(r, run, &some, &n_some));
            int64_t taken = last ? n_some : subject_records_find(some, n_some, bytes, end);
            TRY(mem_grow(records, capacity, (*n + taken) * bytes + 1, 1));
            memcpy(*records + *n * bytes, some, (size_t)(taken * bytes));
            *n += taken;
            run->next += taken;
            if (taken < n_some) break;
        }
        pieces += *n > before;
    }
    if (pieces > 1) subject_records_sort(*records + from * bytes, *n - from, bytes);
    return STATUS_OK;
}

int subject_runs_each(struct subject_runs *r, void *self, void (*each)(void *self, const void *record)) {
    for (long long k = 0; k < r->n_runs; k++) {
        struct subject_run *run = &r->runs[k];
        while (run->next < run->n) {
            const char *some;
            int64_t n;
            TRY(look(r, run, &some, &n));
            for (int64_t i = 0; i < n; i++) each(self, some + i * r->record_bytes);
            run->next += n;
        }
        run->next = run->block_first = run->block_n = 0;
    }
    return STATUS_OK;
}
