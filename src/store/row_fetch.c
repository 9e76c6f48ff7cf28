/* A question, then rounds: each reads a piece of its share, and all exchange what is wanted of it. */
#include "store/row_fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/exchange.h"
#include "dist/row_owner.h"
#include "store/h5internal.h"

/* A piece that is read at a time, and what a rank may send or get in a round: all may want the same rows. */
enum { PIECE_BYTES = 1 << 21, ROUND_BYTES = 1 << 23 };

struct fetch {
    struct h5file *file;
    const struct comm *comm;
    const char *name;
    enum h5type type;
    int64_t n_rows, row_bytes, piece; /* piece: rows */
    struct received_rows asked;       /* of struct row_range: what each rank wants of this one's share */
    int64_t *next;                    /* [size] in asked: the first range that is not served */
    int64_t *at;                      /* [size] where rows of each rank go on in `rows` */
    int64_t *count;                   /* [size] */
    char *block, *sent;               /* [piece]; rows on their way, by rank */
    long long sent_capacity;
    char *rows;
};

/* ---- the question ---- */
static int check_ranges(const struct fetch *f, int64_t n, const struct row_range *ranges) {
    int64_t end = 0;
    for (int64_t i = 0; i < n; i++) {
        const struct row_range *r = &ranges[i];
        if (r->first < end || r->count < 0 || r->count > f->n_rows - r->first) {
            char how[160];
            snprintf(how, sizeof how, "has %lld rows, and rows %lld to %lld are asked for behind row %lld",
                     (long long)f->n_rows, (long long)r->first, (long long)(r->first + r->count - 1), (long long)end);
            return h5_damaged(f->file, f->name, how);
        }
        end = r->first + r->count;
    }
    return STATUS_OK;
}

/* Cuts ranges where the shares of readers end; count [size] parts for each reader, of which it wants so many rows. */
static int cut_ranges(struct fetch *f, int64_t n, const struct row_range *ranges, struct row_range **parts) {
    int size = f->comm->size, reader = 0;
    int64_t n_parts = 0, rows = 0;
    TRY(mem_alloc(parts, n + size, sizeof **parts));
    f->at[0] = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t first = ranges[i].first, end = first + ranges[i].count; first < end;) {
            while (row_owner_first(f->n_rows, reader + 1, size) <= first) f->at[++reader] = rows;
            int64_t last = row_owner_first(f->n_rows, reader + 1, size);
            if (last > end) last = end;
            (*parts)[n_parts++] = (struct row_range){first, last - first};
            f->count[reader]++;
            rows += last - first;
            first = last;
        }
    while (++reader < size) f->at[reader] = rows;
    return STATUS_OK;
}

static int prepare(struct fetch *f, int64_t n, const struct row_range *ranges, struct row_range **parts) {
    int64_t cols;
    TRY(h5file_shape(f->file, f->name, f->type, &f->n_rows, &cols));
    f->row_bytes = h5_row_bytes(f->type, cols, 0);
    int64_t most = ROUND_BYTES / f->comm->size < PIECE_BYTES ? ROUND_BYTES / f->comm->size : PIECE_BYTES;
    f->piece = most > f->row_bytes ? most / f->row_bytes : 1;
    TRY(mem_alloc(&f->next, f->comm->size, sizeof *f->next));
    TRY(mem_alloc(&f->at, f->comm->size, sizeof *f->at));
    TRY(mem_alloc(&f->count, f->comm->size, sizeof *f->count));
    TRY(mem_alloc(&f->block, f->piece < f->n_rows ? f->piece : f->n_rows, f->row_bytes));
    TRY(check_ranges(f, n, ranges));
    return cut_ranges(f, n, ranges, parts);
}

static int ask(struct fetch *f, const struct row_range *parts) {
    TRY(comm_exchange_rows(f->comm, sizeof *parts, f->count, parts, &f->asked));
    for (int r = 0; r < f->comm->size; r++) f->next[r] = f->asked.first[r];
    return STATUS_OK;
}

/* ---- a round ---- */
static const struct row_range *asked_ranges(const struct fetch *f) {
    return (const struct row_range *)(const void *)f->asked.rows;
}

/* What of a piece, first .. end - 1, is wanted: a bit for each of at most 64 parts of it, of `rows` rows each. */
struct wanted_parts {
    int64_t first, end, rows, n_sent; /* n_sent: rows that go to all ranks */
    uint64_t bits;
};

static struct wanted_parts find_wanted(const struct fetch *f, int64_t first, int64_t end) {
    struct wanted_parts w = {.first = first, .end = end, .rows = (f->piece + 63) / 64};
    for (int r = 0; r < f->comm->size; r++)
        for (int64_t i = f->next[r]; i < f->asked.first[r + 1] && asked_ranges(f)[i].first < end; i++) {
            const struct row_range *a = &asked_ranges(f)[i];
            int64_t from = a->first > first ? a->first : first,
                    to = a->first + a->count < end ? a->first + a->count : end;
            if (from >= to) continue;
            w.n_sent += to - from;
            for (int64_t part = (from - first) / w.rows; part <= (to - 1 - first) / w.rows; part++)
                w.bits |= (uint64_t)1 << part;
        }
    return w;
}

/* Reads the wanted parts, neighbours at once, to their places in `block`. */
static int read_wanted(struct fetch *f, const struct wanted_parts *w) {
    for (int part = 0; part < 64; part++) {
        int n = 0;
        while (part + n < 64 && w->bits >> (part + n) & 1) n++;
        if (n == 0) continue;
        int64_t at = part * w->rows, end = at + n * w->rows < w->end - w->first ? at + n * w->rows : w->end - w->first;
        TRY(h5file_read(f->file, f->name, f->type, w->first + at, end - at, f->block + at * f->row_bytes));
        part += n;
    }
    return STATUS_OK;
}

/* What rank r wants of the rows in `block`, behind `to`; how many rows that are. */
static int64_t take_rows(struct fetch *f, int r, const struct wanted_parts *w, char *to) {
    int64_t n = 0;
    for (; f->next[r] < f->asked.first[r + 1]; f->next[r]++) {
        const struct row_range *a = &asked_ranges(f)[f->next[r]];
        int64_t from = a->first > w->first ? a->first : w->first, last = a->first + a->count;
        int64_t until = last < w->end ? last : w->end;
        if (from < until)
            memcpy(to + n * f->row_bytes, f->block + (from - w->first) * f->row_bytes,
                   (size_t)((until - from) * f->row_bytes));
        if (from < until) n += until - from;
        if (last > w->end) break; /* goes on in the next piece */
    }
    return n;
}

/* One rank alone: its rows go where they belong. */
static void keep_own(struct fetch *f, const struct wanted_parts *w) {
    f->at[0] += take_rows(f, 0, w, f->rows + f->at[0] * f->row_bytes);
}

static int send_rows(struct fetch *f, const struct wanted_parts *w, struct received_rows *received, int status) {
    int64_t n = 0;
    if (status == STATUS_OK) status = mem_grow(&f->sent, &f->sent_capacity, w->n_sent * f->row_bytes + 1, 1);
    TRY(comm_agree(f->comm, status));
    for (int r = 0; r < f->comm->size; r++) {
        f->count[r] = take_rows(f, r, w, f->sent + n * f->row_bytes);
        n += f->count[r];
    }
    TRY(comm_exchange_rows(f->comm, f->row_bytes, f->count, f->sent, received));
    for (int r = 0; r < f->comm->size; r++) {
        int64_t count = received->first[r + 1] - received->first[r];
        if (count)
            memcpy(f->rows + f->at[r] * f->row_bytes, received->rows + received->first[r] * f->row_bytes,
                   (size_t)(count * f->row_bytes));
        f->at[r] += count;
    }
    return STATUS_OK;
}

static int run_round(struct fetch *f, int64_t round, struct received_rows *received) {
    int64_t share = row_owner_first(f->n_rows, f->comm->rank + 1, f->comm->size);
    int64_t begin = row_owner_first(f->n_rows, f->comm->rank, f->comm->size) + round * f->piece, end = begin + f->piece;
    if (begin > share) begin = share;
    if (end > share) end = share;
    struct wanted_parts wanted = find_wanted(f, begin, end);
    int status = read_wanted(f, &wanted);
    if (f->comm->size > 1) return send_rows(f, &wanted, received, status);
    if (status == STATUS_OK) keep_own(f, &wanted);
    return status;
}

static int run_rounds(struct fetch *f) {
    struct received_rows received = {0};
    int64_t most = (f->n_rows + f->comm->size - 1) / f->comm->size;
    int status = STATUS_OK;
    for (int64_t round = 0; round * f->piece < most && status == STATUS_OK; round++)
        status = run_round(f, round, &received);
    received_rows_free(&received);
    return status;
}

int h5file_fetch(struct h5file *file, const struct comm *comm, const char *name, enum h5type type, int64_t n,
                 const struct row_range *ranges, void *rows, int status) {
    struct fetch f = {.file = file, .comm = comm, .name = name, .type = type, .rows = rows};
    struct row_range *parts = NULL;
    if (status == STATUS_OK) status = prepare(&f, n, ranges, &parts);
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = ask(&f, parts);
    free(parts);
    if (status == STATUS_OK) status = run_rounds(&f);
    received_rows_free(&f.asked);
    free(f.next);
    free(f.at);
    free(f.count);
    free(f.block);
    free(f.sent);
    return status;
}

/* ---- ragged data ---- */
/* The rows of an offsets dataset that items[n] need, each run of neighbours as one range; how many ranges. */
static int64_t offset_ranges(int64_t n, const int64_t *items, struct row_range *ranges) {
    int64_t n_ranges = 0;
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && items[i] == items[i - 1] + 1)
            ranges[n_ranges - 1].count++;
        else
            ranges[n_ranges++] = (struct row_range){items[i], 2};
    }
    return n_ranges;
}

static int set_spans(const struct h5file *file, const char *name, int64_t n, const int64_t *items,
                     const int64_t *offsets, struct row_range *spans, int64_t *n_values) {
    int64_t at = 0;
    *n_values = 0;
    for (int64_t i = 0; i < n; i++, at++) {
        if (i > 0 && items[i] != items[i - 1] + 1) at++; /* the end of the run before */
        spans[i] = (struct row_range){offsets[at], offsets[at + 1] - offsets[at]};
        if (spans[i].first < 0 || spans[i].count < 0) {
            char how[64];
            snprintf(how, sizeof how, "of code number %lld is out of order", (long long)items[i]);
            return h5_damaged(file, name, how);
        }
        *n_values += spans[i].count;
    }
    return STATUS_OK;
}

int h5file_fetch_spans(struct h5file *file, const struct comm *comm, const char *name, int64_t n, const int64_t *items,
                       struct row_range **spans, int64_t *n_values, int status) {
    struct row_range *ranges = NULL;
    int64_t *offsets = NULL, n_ranges = 0;
    *spans = NULL;
    *n_values = 0;
    if (status == STATUS_OK) status = mem_alloc(spans, n, sizeof **spans);
    if (status == STATUS_OK) status = mem_alloc(&ranges, n, sizeof *ranges);
    if (status == STATUS_OK) status = mem_alloc(&offsets, 2 * n, sizeof *offsets);
    if (status == STATUS_OK) n_ranges = offset_ranges(n, items, ranges);
    status = h5file_fetch(file, comm, name, H5_I64, n_ranges, ranges, offsets, status);
    if (status == STATUS_OK) status = set_spans(file, name, n, items, offsets, *spans, n_values);
    free(ranges);
    free(offsets);
    return comm_agree(comm, status);
}

void offsets_of_spans(int64_t n, const struct row_range *spans, int64_t *offsets) {
    offsets[0] = 0;
    for (int64_t i = 0; i < n; i++) offsets[i + 1] = offsets[i] + spans[i].count;
}
