/* To rank 0 go reports and then one last word; from it each rank gets exactly one word, so that nothing is under way when all have ended. */
#include "dist/work_reports.h"

#include <time.h>

#include "base/status.h"

enum { TAG_REPORT = 7300, TAG_WORD };
enum { ENDED = -1, FAILED = -2 }; /* in place of a piece: the last word */

struct report {
    int64_t piece;
    uint64_t value;
};

/* Of MPI's failures nobody else can be told. */
static int failed(int code) { return status_alone(comm_status(code, "reporting work")); }

/* Waits for a message without keeping a core from who still works: the others may take seconds for their pieces. */
static int wait_for(const struct work_reports *r, int from, int tag) {
    const struct timespec moment = {.tv_nsec = 100000};
    int there = 0;
    for (;;) {
        TRY(failed(MPI_Iprobe(from, tag, r->comm->handle, &there, MPI_STATUS_IGNORE)));
        if (there) return STATUS_OK;
        nanosleep(&moment, NULL);
    }
}

/* Rank 0: the one word to all others. */
static int speak(struct work_reports *r, int64_t stop) {
    if (r->told) return STATUS_OK;
    for (int to = 1; to < r->comm->size; to++)
        TRY(failed(COMM_COUNTED(r->comm, (int64_t)sizeof stop,
                                MPI_Send(&stop, 1, MPI_INT64_T, to, TAG_WORD, r->comm->handle))));
    r->told = 1;
    return STATUS_OK;
}

/* Rank 0: the next report. */
static int receive(struct work_reports *r) {
    struct report report;
    TRY(wait_for(r, MPI_ANY_SOURCE, TAG_REPORT));
    TRY(failed(COMM_WAITED(r->comm, MPI_Recv(&report, sizeof report, MPI_BYTE, MPI_ANY_SOURCE, TAG_REPORT,
                                             r->comm->handle, MPI_STATUS_IGNORE))));
    if (report.piece >= 0) return r->note(r->self, report.piece, report.value);
    r->n_ended++;
    return report.piece == FAILED ? speak(r, 1) : STATUS_OK;
}

/* The word of rank 0. */
static int hear(struct work_reports *r, int *stop) {
    int64_t word;
    TRY(wait_for(r, 0, TAG_WORD));
    TRY(failed(COMM_WAITED(r->comm, MPI_Recv(&word, 1, MPI_INT64_T, 0, TAG_WORD, r->comm->handle, MPI_STATUS_IGNORE))));
    r->told = 1;
    *stop = word != 0;
    return STATUS_OK;
}

int work_reports_look(struct work_reports *r, int *stop) {
    int there = 0, from = r->comm->rank == 0 ? MPI_ANY_SOURCE : 0, tag = r->comm->rank == 0 ? TAG_REPORT : TAG_WORD;
    *stop = r->told;
    if (r->comm->size == 1) return STATUS_OK;
    for (;;) {
        TRY(failed(MPI_Iprobe(from, tag, r->comm->handle, &there, MPI_STATUS_IGNORE)));
        if (!there) break;
        TRY(r->comm->rank == 0 ? receive(r) : hear(r, stop));
    }
    if (r->comm->rank == 0) *stop = r->told;
    return STATUS_OK;
}

static int send(struct work_reports *r, int64_t piece, uint64_t value) {
    struct report report = {piece, value};
    return failed(COMM_COUNTED(r->comm, (int64_t)sizeof report,
                               MPI_Send(&report, sizeof report, MPI_BYTE, 0, TAG_REPORT, r->comm->handle)));
}

int work_reports_tell(struct work_reports *r, int64_t piece, uint64_t value) {
    return r->comm->rank == 0 ? r->note(r->self, piece, value) : send(r, piece, value);
}

int work_reports_end(struct work_reports *r, int status) {
    int stop;
    if (r->comm->size == 1 || status == STATUS_ALONE) return status;
    if (r->comm->rank > 0) {
        TRY(send(r, status == STATUS_OK ? ENDED : FAILED, 0));
        if (!r->told) TRY(hear(r, &stop));
        return comm_agree(r->comm, status);
    }
    struct kept_status first = {0};
    status_keep(&first, status);
    if (status != STATUS_OK) TRY(speak(r, 1));
    while (r->n_ended < r->comm->size - 1) {
        int noted = receive(r);
        if (noted == STATUS_ALONE) return noted;
        status_keep(&first, noted);
        if (noted != STATUS_OK) TRY(speak(r, 1));
    }
    TRY(speak(r, 0));
    return comm_agree(r->comm, status_take(&first));
}
