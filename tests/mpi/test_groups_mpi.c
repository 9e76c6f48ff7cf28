/* Groups of ranks, and work that is dealt to whoever is free: `mpirun -n RANKS test_groups_mpi`. */
#include "dist/work_counter.h"
#include "dist/work_reports.h"
#include "mpi_check.h"

static void a_group_sums_and_agrees_alone(const struct comm *comm) {
    struct comm group;
    int64_t members = 1, numbers = comm->rank;
    CHECK(comm_split(comm, comm->rank / 2, &group) == STATUS_OK);
    int first = comm->rank / 2 * 2, size = first + 1 < comm->size ? 2 : 1;
    CHECK(group.size == size && group.rank == comm->rank - first && group.local_size == size);
    CHECK(comm_sum_int64(&group, &members, 1) == STATUS_OK && members == size);
    CHECK(comm_sum_int64(&group, &numbers, 1) == STATUS_OK && numbers == (size == 2 ? 2 * first + 1 : first));
    int status = comm_agree(&group, comm->rank == 1 ? status_set(STATUS_FAILED, "alone") : STATUS_OK);
    CHECK(status == (first == 0 && comm->size > 1 ? STATUS_FAILED : STATUS_OK));
    comm_free(&group);
}

enum { PIECES = 1000 };

/* Each piece once, whoever takes it, however long the others make no MPI call. */
static void each_piece_is_dealt_once(const struct comm *comm) {
    static int64_t taken[PIECES];
    struct work_counter counter;
    int64_t piece = 0;
    memset(taken, 0, sizeof taken);
    CHECK(work_counter_open(&counter, comm) == STATUS_OK);
    while (work_counter_take(&counter, &piece) == STATUS_OK && piece < PIECES) taken[piece]++;
    work_counter_close(&counter);
    CHECK(comm_sum_int64(comm, taken, PIECES) == STATUS_OK);
    for (int i = 0; i < PIECES; i++) CHECK(taken[i] == 1);
}

static void who_stops_stops_all(const struct comm *comm) {
    struct work_counter counter;
    int stopped = 1;
    int64_t piece = 0;
    CHECK(work_counter_open(&counter, comm) == STATUS_OK);
    CHECK(work_counter_stopped(&counter, &stopped) == STATUS_OK && !stopped);
    CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK);
    if (comm->rank == comm->size - 1) CHECK(work_counter_stop(&counter) == STATUS_OK);
    CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK);
    CHECK(work_counter_stop(&counter) == STATUS_OK); /* once more, by all */
    CHECK(work_counter_stopped(&counter, &stopped) == STATUS_OK && stopped);
    CHECK(work_counter_take(&counter, &piece) == STATUS_OK && piece >= WORK_STOPPED);
    work_counter_close(&counter);
}

/* ---- reports of work ---- */
struct notes {
    int64_t count[PIECES];
    int64_t wrong, fails_at; /* fails_at: the piece whose note fails, or -1 */
};

static int note(void *self, int64_t piece, uint64_t value) {
    struct notes *n = self;
    n->count[piece]++;
    n->wrong += value != (uint64_t)piece * 3;
    return piece == n->fails_at ? status_set(STATUS_FAILED, "the note") : STATUS_OK;
}

/* Each rank has every size-th piece; the last rank fails, if it is told to, before its second one. Until rank 0 has heard of that, others go on: *done
 * of all ranks. */
static int work(const struct comm *comm, struct notes *notes, int fails, int64_t *done) {
    struct work_reports reports = {.comm = comm, .note = note, .self = notes};
    int status = STATUS_OK, stop = 0;
    *done = 0;
    for (int64_t p = comm->rank; p < PIECES && status == STATUS_OK; p += comm->size) {
        status = work_reports_look(&reports, &stop);
        if (fails && comm->rank == comm->size - 1 && p >= comm->size)
            status = status_set(STATUS_FAILED, "the last rank");
        if (stop || status != STATUS_OK) break;
        status = work_reports_tell(&reports, p, (uint64_t)p * 3);
        ++*done;
    }
    status = work_reports_end(&reports, status);
    return comm_sum_int64(comm, done, 1) == STATUS_OK ? status : STATUS_FAILED;
}

static void every_report_is_noted_once_before_the_end(const struct comm *comm) {
    for (int turn = 0; turn < 3; turn++) { /* nothing of a turn is left for the next */
        struct notes notes = {.fails_at = -1};
        int64_t done, fails = turn == 1, noted = 0;
        CHECK(work(comm, &notes, (int)fails, &done) == (fails ? STATUS_FAILED : STATUS_OK));
        CHECK(!fails || strstr(status_message(), "the last rank"));
        CHECK(fails ? done < PIECES : done == PIECES);
        for (int p = 0; p < PIECES; p++) noted += notes.count[p];
        if (comm->rank == 0) CHECK(noted == done && notes.wrong == 0);
        for (int p = 0; p < PIECES && comm->rank == 0; p++) CHECK(notes.count[p] <= 1);
    }
}

static void a_note_that_fails_is_every_ranks_fault(const struct comm *comm) {
    struct notes notes = {.fails_at = 0};
    int64_t done;
    CHECK(work(comm, &notes, 0, &done) == STATUS_FAILED && strstr(status_message(), "the note"));
    notes = (struct notes){.fails_at = PIECES - 1}; /* when others may have ended */
    CHECK(work(comm, &notes, 0, &done) == STATUS_FAILED && strstr(status_message(), "the note"));
}

/* The test's own, which fails on the rank that is told to: once, or to probe, as long as it is told to. */
static int fails_to_lock, fails_to_allocate, fails_to_probe;
int MPI_Iprobe(int from, int tag, MPI_Comm comm, int *there, MPI_Status *status) {
    return fails_to_probe ? MPI_ERR_OTHER : PMPI_Iprobe(from, tag, comm, there, status);
}
int MPI_Win_lock_all(int assert, MPI_Win window) {
    if (fails_to_lock) return fails_to_lock = 0, MPI_ERR_OTHER;
    return PMPI_Win_lock_all(assert, window);
}
int MPI_Win_allocate(MPI_Aint size, int unit, MPI_Info info, MPI_Comm comm, void *base, MPI_Win *window) {
    int code = PMPI_Win_allocate(size, unit, info, comm, base, window);
    if (fails_to_allocate) return fails_to_allocate = 0, MPI_ERR_OTHER;
    return code;
}

/* No rank waits for another then, and the next counter works. */
static void a_counter_that_one_rank_cannot_open_fails_on_all(const struct comm *comm) {
    int expected = comm->size > 1 ? STATUS_FAILED : STATUS_OK;
    struct work_counter counter;
    int64_t piece = -1;
    fails_to_lock = comm->size > 1 && comm->rank == comm->size - 1;
    CHECK(work_counter_open(&counter, comm) == expected);
    work_counter_close(&counter);
    fails_to_allocate = comm->size > 1 && comm->rank == comm->size - 1;
    CHECK(work_counter_open(&counter, comm) == expected);
    work_counter_close(&counter);
    CHECK(work_counter_open(&counter, comm) == STATUS_OK);
    CHECK(work_counter_take(&counter, &piece) == STATUS_OK && piece >= 0 && piece < comm->size);
    work_counter_close(&counter);
}

/* It does not wait for reports that it cannot hear. In the program all ranks are ended then; here it hears again. */
static void who_cannot_hear_reports_fails_alone(const struct comm *comm) {
    struct notes notes = {.fails_at = -1};
    struct work_reports reports = {.comm = comm, .note = note, .self = &notes};
    int stop;
    if (comm->size == 1) return;
    if (comm->rank == 0) {
        fails_to_probe = 1;
        CHECK(work_reports_look(&reports, &stop) == STATUS_ALONE);
        CHECK(work_reports_end(&reports, STATUS_OK) == STATUS_ALONE && strstr(status_message(), "reporting work"));
        CHECK(work_reports_end(&reports, STATUS_ALONE) == STATUS_ALONE);
        fails_to_probe = 0;
    }
    CHECK(work_reports_end(&reports, STATUS_OK) == STATUS_OK);
}

int main(int argc, char **argv) {
    struct comm comm;
    int failed = comm_start(&comm, &argc, &argv) != STATUS_OK;
    log_configure(comm.rank, LOG_LEVEL_WARN);
#define RUN(name) (name(&comm), failed += behaviour_failed(&comm, #name))
    RUN(a_group_sums_and_agrees_alone);
    RUN(each_piece_is_dealt_once);
    RUN(who_stops_stops_all);
    RUN(a_counter_that_one_rank_cannot_open_fails_on_all);
    RUN(every_report_is_noted_once_before_the_end);
    RUN(a_note_that_fails_is_every_ranks_fault);
    RUN(who_cannot_hear_reports_fails_alone);
    comm_stop(&comm);
    return failed > 0;
}
