/* Sums over the devices of several processes, on the emulated NCCL (nccl.cpp): the backend's side of it (cuda/device_sums.cu) in
 * processes of which each has the device. */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "kernels.h"

enum { N = 150001, MOST = 3 }; /* more than one part of the shared memory */

/* What the processes have in common. */
struct board {
    std::atomic<int> has_id, one_failed;
    std::atomic<int> has_left;
    struct device_group_id id;
    char said[MOST][1024];
};
static struct board *board;
static int failures;

static void expect(int right, const char *what, const char *found) {
    if (right) return;
    printf("FAILED: %s; found: %s\n", what, found && found[0] ? found : "nothing");
    failures++;
}

/* GROUP_JOINED, or how it ended within some seconds. */
static enum device_group_state join(struct device *d, int rank, int size) {
    const char *why = "";
    enum device_group_state state = GROUP_JOINING;
    if (device_open_cuda(d, 0, PRODUCTS_F32, 0)) return GROUP_FAILED;
    if (rank == 0) {
        if (device_group_id(d, &board->id, &why)) return GROUP_FAILED;
        board->has_id = 1;
    }
    while (!board->has_id) usleep(100);
    device_group_join(d, &board->id, rank, size);
    why = ""; /* what device_group_id said went with the group of then */
    for (int i = 0; i < 20000 && !board->one_failed && (state = device_group_state(d, &why)) == GROUP_JOINING; i++) usleep(1000);
    snprintf(board->said[rank], sizeof board->said[rank], "%s", why);
    return state;
}

/* Runs a role in `size` processes. Each one's exit code, or minus its signal. */
static void run(int size, int (*role)(struct device *d, int rank, int size), int *codes) {
    pid_t children[MOST];
    new (board) struct board();
    fflush(stdout);
    for (int r = 0; r < size; r++) {
        children[r] = fork();
        if (children[r] == 0) {
            struct device d;
            if (!freopen("/dev/null", "w", stderr)) _exit(99); /* the emulation's last words */
            int code = role(&d, r, size);
            if (code == 0) device_close(&d);
            _exit(code);
        }
    }
    for (int r = 0; r < size; r++) {
        int status = 0;
        waitpid(children[r], &status, 0);
        codes[r] = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
}

/* ---- what processes do ---- */
static real value_of(int rank, int step, int64_t i) { return (real)((rank + 1) * 0.1 + step + (double)(i % 97) / 7); }

/* Uploads, sums, and adds up; several times, in two sums each. */
static int sums(struct device *d, int rank, int size) {
    static real host[N];
    if (join(d, rank, size) != GROUP_JOINED || d->group_size != size) return 1;
    dev_real x = device_alloc_reals(d, N);
    for (int step = 0; step < 3; step++) {
        for (int64_t i = 0; i < N; i++) host[i] = value_of(rank, step, i);
        device_upload_reals(d, x, host, N);
        device_sum_start(d, x, N / 3);
        device_sum_start(d, dev_real_at(x, N / 3), N - N / 3);
        device_sum_finish(d);
        device_download_reals(d, host, x, N);
        for (int64_t i = 0; i < N; i++) {
            real wanted = 0;
            for (int r = 0; r < size; r++) wanted += value_of(r, step, i);
            if (host[i] != wanted) return 2;
        }
    }
    device_free_reals(d, x);
    return device_error(d) ? 3 : 0;
}

/* Rank 1 clears values that are being summed. */
static int changes_values(struct device *d, int rank, int size) {
    real host[1];
    if (join(d, rank, size) != GROUP_JOINED) return 1;
    dev_real x = device_alloc_reals(d, N);
    d->run->fill(d, N, 1, x);
    device_sum_start(d, x, N);
    if (rank == 1) d->run->fill(d, 1, 2, dev_real_at(x, N - 1));
    device_sum_finish(d);
    device_download_reals(d, host, x, 1);
    return device_error(d) ? 3 : 0;
}

/* Rank 1 ends where the others sum. */
static int one_ends(struct device *d, int rank, int size) {
    real host[1];
    if (join(d, rank, size) != GROUP_JOINED) return 1;
    if (rank == 1) _exit(0);
    dev_real x = device_alloc_reals(d, N);
    d->run->fill(d, N, 1, x);
    device_sum_start(d, x, N);
    device_sum_finish(d);
    device_download_reals(d, host, x, 1);
    snprintf(board->said[rank], sizeof board->said[rank], "%s", device_error(d) ? device_error(d) : "");
    device_close(d);
    return 0;
}

/* Rank 1 cannot join; the others do not wait in NCCL, and leave. */
static int one_refuses(struct device *d, int rank, int size) {
    enum device_group_state state = join(d, rank, size);
    if (rank == 1) board->one_failed = 1;
    device_group_leave(d);
    return device_error(d) ? 3 : state != (rank == 1 ? GROUP_FAILED : GROUP_JOINING);
}

/* Rank 1 fails when rank 0 has joined; both leave. */
static int one_loses(struct device *d, int rank, int size) {
    enum device_group_state state = join(d, rank, size);
    if (rank == 1) {
        device_group_leave(d);
        board->has_left = 1;
        return state != GROUP_FAILED;
    }
    while (!board->has_left) usleep(100);
    device_group_leave(d);
    return device_error(d) ? 3 : state != GROUP_JOINED;
}

/* Rank 1 has no memory for its part of the first sum, and waits elsewhere until rank 0 has begun it. */
static int one_begins_no_sum(struct device *d, int rank, int size) {
    if (join(d, rank, size) != GROUP_JOINED) return 1;
    alarm(10);
    if (rank == 1) {
        device_alloc_reals(d, (int64_t)1 << 50);
        while (!board->has_left) usleep(100);
        return device_error(d) ? 0 : 2;
    }
    dev_real x = device_alloc_reals(d, N);
    device_sum_start(d, x, N);
    snprintf(board->said[rank], sizeof board->said[rank], "%s", device_error(d) ? device_error(d) : "");
    board->has_left = 1;
    _exit(0); /* as a job that is ended */
}

/* Uploads more than the ring of pinned memory holds behind a sum that rank 1, which has ended, does not take part in. */
static int one_ends_before_uploads(struct device *d, int rank, int size) {
    if (join(d, rank, size) != GROUP_JOINED) return 1;
    if (rank == 1) _exit(0);
    int64_t n = 5000000;
    dev_real x = device_alloc_reals(d, N), y = device_alloc_reals(d, n);
    real *host = static_cast<real *>(calloc((size_t)n, sizeof *host));
    alarm(10);
    device_sum_start(d, x, N);
    device_sum_finish(d);
    for (int i = 0; i < 3; i++) device_upload_reals(d, y, host, n);
    snprintf(board->said[rank], sizeof board->said[rank], "%s", device_error(d) ? device_error(d) : "");
    free(host);
    device_close(d);
    return 0;
}

/* ---- the tests ---- */
static void sums_are_those_of_all_in_the_order_of_ranks(void) {
    for (int size = 1; size <= MOST; size++) {
        int codes[MOST];
        run(size, sums, codes);
        for (int r = 0; r < size; r++) expect(codes[r] == 0, "sums of all", board->said[r]);
    }
}

static void values_that_change_under_way_are_noticed(void) {
    int codes[MOST];
    run(2, changes_values, codes);
    expect(codes[1] == -SIGABRT, "a process that changes values is stopped", "it goes on");
    expect(codes[0] != 0, "the other one does not take the sum for good", "it does");
}

static void a_process_that_ends_is_an_error_of_the_others(void) {
    int codes[MOST];
    run(3, one_ends, codes);
    for (int r = 0; r < 3; r += 2) {
        const char *said = board->said[r];
        expect(codes[r] == 0, "the others go on to their end", said);
        expect(strstr(said, "ncclAllReduce") && strstr(said, "remote process") && strstr(said, "NCCL_DEBUG=INFO") && strstr(said, "run.sums=mpi"),
               "the call, what happened and what helps", said);
    }
}

static void a_process_that_cannot_join_is_told_apart(void) {
    int codes[MOST];
    setenv("MEDTOK_EMULATION_NCCL", "refuse:1", 1);
    run(2, one_refuses, codes);
    unsetenv("MEDTOK_EMULATION_NCCL");
    expect(codes[0] == 0 && codes[1] == 0, "one fails, the other leaves", board->said[0]);
    expect(strstr(board->said[1], "ncclCommInitRankConfig: unhandled system error") != NULL, "the call and why", board->said[1]);
}

static void who_has_joined_leaves_without_who_has_not(void) {
    int codes[MOST];
    setenv("MEDTOK_EMULATION_NCCL", "lose:1", 1);
    run(2, one_loses, codes);
    unsetenv("MEDTOK_EMULATION_NCCL");
    expect(codes[0] == 0 && codes[1] == 0, "both leave", board->said[1]);
}

static void no_sum_waits_for_a_process_that_begins_none(void) {
    int codes[MOST];
    run(2, one_begins_no_sum, codes);
    expect(codes[0] == 0 && codes[1] == 0 && !board->said[0][0], "the host goes on", board->said[0]);
    setenv("NCCL_RUNTIME_CONNECT", "1", 1);
    run(2, one_begins_no_sum, codes);
    unsetenv("NCCL_RUNTIME_CONNECT");
    expect(codes[0] == 0 && codes[1] == 0 && strstr(board->said[0], "has not connected the GPUs in 1 s") &&
               strstr(board->said[0], "run.sums=mpi"),
           "devices that connect late end with an error", board->said[0]);
}

static void uploads_find_a_process_that_has_ended(void) {
    int codes[MOST];
    run(2, one_ends_before_uploads, codes);
    expect(codes[0] == 0 && strstr(board->said[0], "remote process"), "found while the ring of uploads is full", board->said[0]);
}

int main() {
    board = static_cast<struct board *>(mmap(nullptr, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    if (board == MAP_FAILED) return 1;
    sums_are_those_of_all_in_the_order_of_ranks();
    values_that_change_under_way_are_noticed();
    a_process_that_ends_is_an_error_of_the_others();
    a_process_that_cannot_join_is_told_apart();
    who_has_joined_leaves_without_who_has_not();
    no_sum_waits_for_a_process_that_begins_none();
    uploads_find_a_process_that_has_ended();
    if (!failures) printf("all good\n");
    return failures != 0;
}
