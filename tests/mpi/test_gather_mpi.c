/* Gathering over several ranks: `mpirun -n RANKS test_gather_mpi`. Not a cmocka program: the checks of all ranks are counted
 * together, and rank 0 prints one line a behaviour. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/gather.h"
#include "mpi_check.h"

enum { ROW = 5 };

static void fill_row(char row[ROW], int64_t rank, int64_t i) {
    for (int k = 0; k < ROW; k++) row[k] = (char)(rank * 31 + i * 7 + k);
}

/* Rank r has n[r] rows. */
static void check_rows(const struct comm *comm, const int64_t *n) {
    int64_t own = n[comm->rank], n_all = -1, at = 0;
    char *rows = NULL, *all = NULL;
    CHECK(mem_alloc(&rows, own, ROW) == STATUS_OK);
    for (int64_t i = 0; i < own; i++) fill_row(rows + i * ROW, comm->rank, i);
    CHECK(comm_gather_rows(comm, own, ROW, rows, &n_all, &all) == STATUS_OK && all);
    for (int r = 0; all && r < comm->size; r++)
        for (int64_t i = 0; i < n[r]; i++) {
            char expected[ROW];
            fill_row(expected, r, i);
            if (memcmp(all + at++ * ROW, expected, ROW) != 0) {
                CHECK(!"the row is that of its rank");
                i = n[r];
            }
        }
    CHECK(n_all == at);
    free(rows);
    free(all);
}

static void rows_come_in_rank_order(const struct comm *comm) {
    static const int64_t FEW[] = {4, 0, 3}, NONE[] = {0, 0, 0}, LAST[] = {0, 1, 2};
    check_rows(comm, FEW);
    check_rows(comm, NONE);
    check_rows(comm, LAST);
}

static void more_than_one_message_holds_is_gathered(const struct comm *comm) {
    static const int64_t MANY[] = {15000000, 5, 7000000};
    check_rows(comm, MANY);
}

static void blocks_go_to_every_rank(const struct comm *comm) {
    static const int64_t N[] = {0, 1, 7, 8, 9, 64, 100}, BLOCKS[] = {1, 2, 4, 100};
    for (size_t i = 0; i < sizeof N / sizeof *N; i++)
        for (size_t k = 0; k < sizeof BLOCKS / sizeof *BLOCKS; k++) {
            double rows[100][2];
            for (int64_t r = 0; r < N[i]; r++) { /* what is not this rank's is anything */
                int own = r / BLOCKS[k] % comm->size == comm->rank;
                rows[r][0] = own ? (double)r : -1;
                rows[r][1] = own ? 0.5 * (double)r : -2;
            }
            CHECK(comm_gather_blocks(comm, N[i], BLOCKS[k], sizeof rows[0], rows) == STATUS_OK);
            for (int64_t r = 0; r < N[i]; r++) CHECK(rows[r][0] == (double)r && rows[r][1] == 0.5 * (double)r);
        }
}

/* Some ranks have none, and rows are of an odd size. */
static void rows_of_known_numbers_come_in_rank_order(const struct comm *comm) {
    enum { N = 60 };
    for (int empty = -1; empty < comm->size; empty++) {
        int64_t first[4] = {0};
        char own[N][ROW], all[3 * N][ROW], wanted[ROW];
        for (int r = 0; r < comm->size; r++) first[r + 1] = first[r] + (r == empty ? 0 : 20 * (r + 1));
        for (int64_t i = 0; i < first[comm->rank + 1] - first[comm->rank]; i++) fill_row(own[i], comm->rank, i);
        CHECK(comm_gather_known(comm, first, ROW, own, all) == STATUS_OK);
        for (int r = 0; r < comm->size; r++)
            for (int64_t i = first[r]; i < first[r + 1]; i++) {
                fill_row(wanted, r, i - first[r]);
                CHECK(memcmp(all[i], wanted, ROW) == 0);
            }
    }
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*check)(const struct comm *comm);
    } BEHAVIOURS[] = {{"rows_come_in_rank_order", rows_come_in_rank_order},
                      {"more_than_one_message_holds_is_gathered", more_than_one_message_holds_is_gathered},
                      {"blocks_go_to_every_rank", blocks_go_to_every_rank},
                      {"rows_of_known_numbers_come_in_rank_order", rows_of_known_numbers_come_in_rank_order}};
    struct comm comm;
    int bad = 0;
    if (comm_start(&comm, &argc, &argv) != STATUS_OK) {
        fprintf(stderr, "%s\n", status_message());
        return 2;
    }
    if (comm.size > 3) return 2;
    for (size_t b = 0; b < sizeof BEHAVIOURS / sizeof *BEHAVIOURS; b++) {
        BEHAVIOURS[b].check(&comm);
        bad += behaviour_failed(&comm, BEHAVIOURS[b].name);
    }
    comm_stop(&comm);
    return bad > 0;
}
