/* Streams of text are dealt out: a rank that decompresses files gives their blocks to ranks that ask, and takes some itself where nobody
 * asks in time. Ranks without files ask from the beginning, the others when their own files are done.
 *
 * Each rank asks each giver ASKS_AHEAD times in advance, so that a block is on its way while another is read; each ask is answered by a block, or
 * by one without text when the giver's files are done or a rank has failed. So a giver ends when it has said so ASKS_AHEAD times to each
 * rank, and a rank that asks when it has heard so from each giver. An ask says whether its sender has failed; then the giver
 * stops, and tells all.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/status.h"
#include "ingest/table_reading.h"
#include "ingest/table_stream.h"

enum { TAG_ASK = 4711, TAG_BLOCK = 4712, ASKS_AHEAD = 2 };
static const double NAP = 0.0001; /* seconds between looks for messages */

struct deal {
    struct table_reading *reading;
    const struct comm *comm;
    int *owner;          /* [n tables] rank that decompresses it, -1: no stream */
    int *files, n_files; /* [n_files] of this rank */
    int n_givers;        /* other ranks that have files */
    struct table_stream *stream;
    int *asked, n_asked; /* [ASKS_AHEAD * size] ranks that wait for a block, in the order of their asking */
    int ends_given, ends_got;
    int status, others_failed;
    struct text_block *sent[STREAM_BLOCKS]; /* on their way */
    MPI_Request sends[STREAM_BLOCKS];
    int n_sends;
    struct text_block *got;
    long long got_capacity;
};

static void fail(struct deal *d, int status) {
    if (d->status == STATUS_OK) d->status = status;
}

static int mpi(int code) { return status_alone(comm_status(code, "dealing out a table")); }

/* ---- who decompresses what ---- */
/* The largest files first, each to the rank that has the least. */
static int share_files(struct deal *d) {
    const struct table_reading *r = d->reading;
    int64_t *load;
    TRY(mem_alloc(&load, d->comm->size, sizeof *load));
    for (int t = 0; t < r->n; t++) d->owner[t] = -1;
    for (;;) {
        int largest = -1, rank = 0;
        for (int t = 0; t < r->n; t++)
            if (r->shapes[t].form == TABLE_STREAM && d->owner[t] < 0 &&
                (largest < 0 || r->shapes[t].size > r->shapes[largest].size))
                largest = t;
        if (largest < 0) break;
        for (int k = 1; k < d->comm->size; k++)
            if (load[k] < load[rank]) rank = k;
        if (load[rank] == 0 && rank != d->comm->rank) d->n_givers++;
        load[rank] += r->shapes[largest].size;
        d->owner[largest] = rank;
        if (rank == d->comm->rank) d->files[d->n_files++] = largest;
    }
    free(load);
    return STATUS_OK;
}

static int is_giver(const struct deal *d, int rank) {
    for (int t = 0; t < d->reading->n; t++)
        if (d->owner[t] == rank) return 1;
    return 0;
}

/* ---- messages ---- */
static int ask(struct deal *d, int giver) {
    static const int SAYS[2] = {0, 1};
    MPI_Request request;
    int code =
        COMM_COUNTED(d->comm, sizeof *SAYS,
                     MPI_Isend(&SAYS[d->status != STATUS_OK], 1, MPI_INT, giver, TAG_ASK, d->comm->handle, &request));
    TRY(mpi(code));
    return mpi(MPI_Request_free(&request));
}

/* Notes who has asked. */
static int hear_asks(struct deal *d) {
    for (;;) {
        int there, failed;
        MPI_Status from;
        TRY(mpi(MPI_Iprobe(MPI_ANY_SOURCE, TAG_ASK, d->comm->handle, &there, &from)));
        if (!there) return STATUS_OK;
        TRY(mpi(MPI_Recv(&failed, 1, MPI_INT, from.MPI_SOURCE, TAG_ASK, d->comm->handle, MPI_STATUS_IGNORE)));
        d->others_failed |= failed;
        d->asked[d->n_asked++] = from.MPI_SOURCE;
    }
}

static int next_asked(struct deal *d) {
    int rank = d->asked[0];
    d->n_asked--;
    memmove(d->asked, d->asked + 1, (size_t)d->n_asked * sizeof *d->asked);
    return rank;
}

/* Tells those who have asked that there is no more. */
static int give_ends(struct deal *d) {
    static const struct text_block END = {.table = -1};
    while (d->n_asked > 0) {
        MPI_Request request;
        int code =
            COMM_COUNTED(d->comm, sizeof END,
                         MPI_Isend(&END, sizeof END, MPI_BYTE, next_asked(d), TAG_BLOCK, d->comm->handle, &request));
        TRY(mpi(code));
        TRY(mpi(MPI_Request_free(&request)));
        d->ends_given++;
    }
    return STATUS_OK;
}

static int give_block(struct deal *d, struct text_block *block) {
    int64_t bytes = (int64_t)sizeof *block + block->size; /* below 2^31, as rows are at most 64 MiB */
    d->sent[d->n_sends] = block;
    return mpi(COMM_COUNTED(
        d->comm, bytes,
        MPI_Isend(block, (int)bytes, MPI_BYTE, next_asked(d), TAG_BLOCK, d->comm->handle, &d->sends[d->n_sends++])));
}

/* Takes back the blocks that have arrived. */
static int end_sends(struct deal *d) {
    int n, done[STREAM_BLOCKS], left = 0;
    if (d->n_sends == 0) return STATUS_OK;
    TRY(mpi(MPI_Testsome(d->n_sends, d->sends, &n, done, MPI_STATUSES_IGNORE)));
    if (n <= 0) return STATUS_OK;
    for (int i = 0; i < n; i++) {
        table_stream_give_back(d->stream, d->sent[done[i]]);
        d->sent[done[i]] = NULL;
    }
    for (int i = 0; i < d->n_sends; i++) {
        if (!d->sent[i]) continue;
        d->sent[left] = d->sent[i];
        d->sends[left++] = d->sends[i];
    }
    d->n_sends = left;
    return STATUS_OK;
}

/* ---- blocks ---- */
static void parse_block(struct deal *d, struct text_block *block) {
    int table = (int)block->table;
    if (d->status != STATUS_OK) return;
    struct row_scan s = table_scan(d->reading, table);
    s.bytes = block->text;
    s.size = s.stop = block->size;
    s.line = block->line;
    s.last = (int)block->last;
    if (block->line == 1 && s.size >= 3 && memcmp(s.bytes, "\xef\xbb\xbf", 3) == 0) s.at = 3;
    row_scan_move(&s);
    fail(d, table_rows(d->reading, table, &s));
}

static void nap(void) { usleep((useconds_t)(NAP * 1e6)); }

/* Gives or reads one block that is ready, or waits a little. Blocks are kept for those who will ask, unless there are many. */
static int serve_once(struct deal *d, int *more) {
    int ended, n = table_stream_ready(d->stream, 0, &ended);
    *more = n > 0 || !ended;
    if (n > 0 && d->n_asked > 0) return give_block(d, table_stream_take(d->stream));
    if (n > 0 && (d->comm->size == 1 || ended || n + d->n_sends >= STREAM_BLOCKS - 2)) {
        struct text_block *block = table_stream_take(d->stream);
        parse_block(d, block);
        table_stream_give_back(d->stream, block);
    } else if (n > 0) {
        nap();
    } else if (*more) {
        table_stream_ready(d->stream, NAP, &ended);
    }
    return STATUS_OK;
}

/* Reads this rank's files. */
static int serve(struct deal *d) {
    int more = 1;
    while (more && d->status == STATUS_OK && !d->others_failed) {
        if (d->comm->size > 1) {
            TRY(hear_asks(d));
            TRY(end_sends(d));
        }
        fail(d, interrupt_poll());
        TRY(serve_once(d, &more));
    }
    fail(d, table_stream_finish(d->stream));
    return STATUS_OK;
}

/* Receives a block, if one is there, and asks for another. */
static int take_block(struct deal *d, int *there) {
    MPI_Message message;
    MPI_Status from;
    int bytes;
    TRY(mpi(MPI_Improbe(MPI_ANY_SOURCE, TAG_BLOCK, d->comm->handle, there, &message, &from)));
    if (!*there) return STATUS_OK;
    TRY(mpi(MPI_Get_count(&from, MPI_BYTE, &bytes)));
    TRY(status_alone(mem_grow(&d->got, &d->got_capacity, bytes, 1)));
    TRY(mpi(MPI_Mrecv(d->got, bytes, MPI_BYTE, &message, MPI_STATUS_IGNORE)));
    if (d->got->table < 0) {
        d->ends_got++;
        return STATUS_OK;
    }
    parse_block(d, d->got);
    return ask(d, from.MPI_SOURCE);
}

/* Helps the other ranks with theirs, and tells them that this one has none left. */
static int help(struct deal *d) {
    int ends = d->n_files > 0 ? ASKS_AHEAD * (d->comm->size - 1) : 0;
    for (int k = 0; k < ASKS_AHEAD; k++)
        for (int i = 1; i < d->comm->size; i++) { /* each begins with another giver */
            int giver = (d->comm->rank + i) % d->comm->size;
            if (is_giver(d, giver)) TRY(ask(d, giver));
        }
    while (d->ends_got < ASKS_AHEAD * d->n_givers || d->ends_given < ends || d->n_sends > 0) {
        int there = 0;
        TRY(hear_asks(d));
        TRY(give_ends(d));
        TRY(end_sends(d));
        TRY(take_block(d, &there));
        fail(d, interrupt_poll());
        if (!there) nap();
    }
    return STATUS_OK;
}

static int begin(struct deal *d) {
    TRY(mem_alloc(&d->owner, d->reading->n, sizeof *d->owner));
    TRY(mem_alloc(&d->files, d->reading->n, sizeof *d->files));
    TRY(mem_alloc(&d->asked, (long long)ASKS_AHEAD * d->comm->size, sizeof *d->asked));
    TRY(share_files(d));
    return d->n_files > 0 ? table_stream_make(&d->stream, d->reading, d->files, d->n_files) : STATUS_OK;
}

int table_streams_read(struct table_reading *r) {
    struct deal d = {.reading = r, .comm = r->comm};
    int n = 0;
    for (int t = 0; t < r->n; t++) n += r->shapes[t].form == TABLE_STREAM;
    if (n == 0) return STATUS_OK;
    int agreed = comm_agree(r->comm, begin(&d)), status = STATUS_OK;
    if (agreed == STATUS_OK && d.n_files > 0) status = serve(&d);
    if (agreed == STATUS_OK && status == STATUS_OK && r->comm->size > 1) status = help(&d);
    if (status == STATUS_OK) status = d.status;
    table_stream_free(d.stream);
    free(d.owner);
    free(d.files);
    free(d.asked);
    free(d.got);
    return agreed == STATUS_OK ? status : agreed;
}
