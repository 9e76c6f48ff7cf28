/* Groups of ranks, and work that is dealt to whoever is free: `mpirun -n RANKS test_groups_mpi`. */
#include "dist/work_counter.h"
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

/* Each piece once, whoever takes it, however long the others make no MPI call. */
static void each_piece_is_dealt_once(const struct comm *comm) {
    enum { PIECES = 1000 };
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

/* The test's own, which fails once on the rank that is told to. */
static int fails_to_lock, fails_to_allocate;
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

int main(int argc, char **argv) {
    struct comm comm;
    int failed = comm_start(&comm, &argc, &argv) != STATUS_OK;
    log_configure(comm.rank, LOG_LEVEL_WARN);
#define RUN(name) (name(&comm), failed += behaviour_failed(&comm, #name))
    RUN(a_group_sums_and_agrees_alone);
    RUN(each_piece_is_dealt_once);
    RUN(who_stops_stops_all);
    RUN(a_counter_that_one_rank_cannot_open_fails_on_all);
    comm_stop(&comm);
    return failed > 0;
}
