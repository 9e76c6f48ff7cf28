/* The losses, and the exchanges between ranks, when one rank has failed: `mpirun -n RANKS test_losses_mpi`. It must make the same collective calls as the others, with
 * messages as long, or they would wait for ever or read what is not there. Not a cmocka program: the checks of all ranks are
 * counted together, and rank 0 prints one line a behaviour. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "medtok/losses.h"
#include "mpi_check.h"

enum { ROWS = 3, DIM = 8 };

static struct var *made(struct tape *tape) {
    struct var *x = tape_leaf(tape, ROWS, DIM);
    for (int64_t i = 0; i < x->rows * x->cols; i++) x->value.at[i] = (real)(i % 5 + 1);
    return nn_concat(tape, x, x);
}

/* A rank that `fails` goes through all of it. */
static void run_losses(const struct comm *comm, struct device *device, void (*fail)(struct tape *), int fails) {
    struct tape tape;
    struct row_shares shares;
    dev_real terms = device_alloc_reals(device, N_TERMS);
    tape_init(&tape, device);
    device->run->fill(device, N_TERMS, 0, terms);
    CHECK(row_shares_make(&shares, comm, ROWS) == STATUS_OK);
    if (fails) fail(&tape);
    struct losses losses = {.tape = &tape, .comm = comm, .temperature = 0.5, .terms = terms};
    struct part_rows parts = {2, (int[]){0, 2, shares.total}}; /* the second has rows of every rank */
    struct var *a = made(&tape), *b = made(&tape);
    loss_nce(&losses, TERM_SHARED, a, b, &shares, NULL, (dev_int){NULL});
    loss_nce(&losses, TERM_SHARED, a, b, &shares, &parts, (dev_int){NULL});
    loss_orthogonality(&losses, TERM_ORTHOGONAL_TEXT, 0.7, a, b, &shares, &parts);
    CHECK(losses.status == STATUS_OK);
    CHECK((tape_status(&tape) != STATUS_OK) == fails);
    int64_t sum = 1;
    CHECK(comm_sum_int64(comm, &sum, 1) == STATUS_OK && sum == comm->size); /* no rank is a call behind */
    row_shares_free(&shares);
    tape_free(&tape);
    device_free_reals(device, terms);
}

/* More values than MPI's counts can say; no rank sends anything. */
static void check_limit(const struct comm *comm, struct device *device) {
    struct row_shares shares;
    const dev_real none = {NULL};
    CHECK(row_shares_make(&shares, comm, 1) == STATUS_OK);
    shares.total = 1 << 20;
    CHECK(gather_rows_over_ranks(comm, device, &shares, 4096, none, none) == STATUS_FAILED);
    CHECK(strstr(status_message(), "set a smaller batch"));
    row_shares_free(&shares);
}

/* ---- host memory: mem_alloc() goes through here (tests/CMakeLists.txt) ---- */
static int allocations_left = -1; /* before one fails; -1: none does */

int __real_mem_alloc(void *out, long long count, long long size);
int __wrap_mem_alloc(void *out, long long count, long long size);
int __wrap_mem_alloc(void *out, long long count, long long size) {
    if (allocations_left != 0) {
        allocations_left -= allocations_left > 0;
        return __real_mem_alloc(out, count, size);
    }
    memset(out, 0, sizeof(void *));
    allocations_left = -1;
    return status_set(STATUS_FAILED, "out of memory, in a test");
}

/* One after another of a rank's allocations fails: that exchange fails on all ranks, and the next one works. */
static void check_allocations(const struct comm *comm, struct device *device, int fails) {
    enum { MOST = 40 };
    dev_real rows = device_alloc_reals(device, ROWS * DIM), all = device_alloc_reals(device, comm->size * ROWS * DIM);
    dev_int index = device_alloc_ints(device, ROWS), all_indices = device_alloc_ints(device, comm->size * ROWS);
    int64_t whole = 0;
    for (int i = 0; i < ROWS; i++) index.at[i] = i;
    device->run->fill(device, ROWS * DIM, 1, rows);
    device->run->fill(device, comm->size * ROWS * DIM, 1, all);
    for (int64_t k = 0; k < MOST && !whole; k++) {
        struct row_shares shares;
        int failed = 0;
        allocations_left = fails ? (int)k : -1;
        while (row_shares_make(&shares, comm, ROWS) != STATUS_OK) row_shares_free(&shares), failed++;
        failed += gather_rows_over_ranks(comm, device, &shares, DIM, rows, all) != STATUS_OK;
        failed += gather_ints_over_ranks(comm, device, &shares, index, all_indices) != STATUS_OK;
        failed += scatter_sum_rows_over_ranks(comm, device, &shares, DIM, all, rows) != STATUS_OK;
        failed += sum_over_ranks(comm, device, rows, ROWS) != STATUS_OK;
        whole = fails && allocations_left >= 0; /* there were fewer */
        CHECK(comm_sum_int64(comm, &whole, 1) == STATUS_OK);
        CHECK(failed == !whole);
        row_shares_free(&shares);
    }
    CHECK(whole);
    allocations_left = -1;
    device_free_reals(device, rows);
    device_free_reals(device, all);
    device_free_ints(device, index);
    device_free_ints(device, all_indices);
}

static void runs_out_of_memory(struct tape *tape) {
    snprintf(tape->device->error, sizeof tape->device->error, "out of memory, in a test");
}

static void uses_what_was_overwritten(struct tape *tape) {
    struct var *x = nn_l2_normalize(tape, tape_constant(tape, ROWS, DIM));
    nn_activate(tape, ACTIVATION_RELU, x);
    nn_l2_normalize(tape, x);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*fail)(struct tape *);
    } BEHAVIOURS[] = {{"a_rank_without_memory_keeps_in_step", runs_out_of_memory},
                      {"a_rank_whose_tape_failed_keeps_in_step", uses_what_was_overwritten}};
    struct comm comm;
    struct device device;
    int bad = 0;
    if (comm_start(&comm, &argc, &argv) != STATUS_OK) {
        fprintf(stderr, "%s\n", status_message());
        return 2;
    }
    for (size_t b = 0; b < sizeof BEHAVIOURS / sizeof *BEHAVIOURS; b++) {
        if (device_open_cpu(&device, 1)) return 2;
        check_limit(&comm, &device);
        run_losses(&comm, &device, BEHAVIOURS[b].fail, comm.rank == comm.size - 1);
        device_close(&device);
        bad += behaviour_failed(&comm, BEHAVIOURS[b].name);
    }
    if (device_open_cpu(&device, 1)) return 2;
    check_allocations(&comm, &device, comm.rank == comm.size - 1);
    device_close(&device);
    bad += behaviour_failed(&comm, "a_rank_without_host_memory_fails_an_exchange_on_all_ranks");
    comm_stop(&comm);
    return bad > 0;
}
