/* The losses when one rank has failed: `mpirun -n RANKS test_losses_mpi`. It must make the same collective calls as the others, with
 * messages as long, or they would wait for ever or read what is not there. Not a cmocka program: the checks of all ranks are
 * counted together, and rank 0 prints one line a behaviour. */
#include <stdio.h>

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
    struct row_lists lists;
    int64_t rows[comm->size];
    dev_real terms = device_alloc_reals(device, N_TERMS);
    tape_init(&tape, device);
    device->run->fill(device, N_TERMS, 0, terms);
    for (int r = 0; r < comm->size; r++) rows[r] = ROWS;
    CHECK(row_shares_make(&shares, comm->size) == STATUS_OK);
    row_shares_set(&shares, comm->size, rows);
    CHECK(losses_make_lists(&lists, comm, device, ROWS, shares.total, 2, 2 * DIM, DIM, 2 * DIM) == STATUS_OK);
    if (fails) fail(&tape);
    struct losses losses = {.tape = &tape, .comm = comm, .lists = &lists, .temperature = 0.5, .terms = terms};
    struct part_rows parts = {2, (int[]){0, 2, shares.total}}; /* the second has rows of every rank */
    struct var *a = made(&tape), *b = made(&tape);
    const struct contrast contrasts[] = {{TERM_SHARED, a, b, &shares, NULL, {NULL}},
                                         {TERM_SHARED, a, b, &shares, &parts, {NULL}}};
    const struct neighbours near = {
        TERM_NEIGHBOURS_TEXT, 1, 0.5, 0.7, tape_constant(&tape, ROWS, DIM), a, &shares, &parts};
    loss_comparisons(&losses, 2, contrasts, 1, &near);
    loss_orthogonalities(&losses, 1, &(struct orthogonality){TERM_ORTHOGONAL_TEXT, 0.7, a, b, &shares, &parts});
    CHECK(losses.status == STATUS_OK);
    CHECK((tape_status(&tape) != STATUS_OK) == fails);
    int64_t sum = 1;
    CHECK(comm_sum_int64(comm, &sum, 1) == STATUS_OK && sum == comm->size); /* no rank is a call behind */
    row_shares_free(&shares);
    row_lists_free(&lists);
    tape_free(&tape);
    device_free_reals(device, terms);
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
        run_losses(&comm, &device, BEHAVIOURS[b].fail, comm.rank == comm.size - 1);
        device_close(&device);
        bad += behaviour_failed(&comm, BEHAVIOURS[b].name);
    }
    comm_stop(&comm);
    return bad > 0;
}
