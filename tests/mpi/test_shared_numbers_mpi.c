/* Things numbered over all ranks (dist/shared_numbers.h), beside the numbers that one rank gives that sees all. */
#include "dist/shared_numbers.h"

#include "base/rng.h"
#include "mpi_check.h"

enum { N_THINGS = 700, MOST = 500 };

/* The things of a rank, in an order of its own: some of all, each once. */
static int64_t draw_things(int rank, int64_t *things) {
    int64_t all[N_THINGS], n = 0;
    for (int64_t i = 0; i < N_THINGS; i++) all[i] = i;
    rng_shuffle(7, RNG_ORDER, (uint32_t)rank, 0, all, N_THINGS);
    for (int64_t i = 0; i < N_THINGS && n < MOST; i++)
        if (rng_uniform(7, RNG_QUERY, (uint32_t)rank, (uint64_t)i) < 0.4) things[n++] = all[i];
    return n;
}

static struct shared_name name_of(int64_t thing) {
    return (struct shared_name){(uint64_t)thing * 0x9e3779b97f4a7c15, (uint64_t)thing};
}

/* number [N_THINGS] by first appearance, rank after rank; -1: nobody has it. first_rank: likewise. */
static int64_t number_alone(int size, int64_t *number, int *first_rank) {
    int64_t things[MOST], n = 0;
    for (int64_t i = 0; i < N_THINGS; i++) number[i] = -1;
    for (int r = 0; r < size; r++) {
        int64_t n_own = draw_things(r, things);
        for (int64_t i = 0; i < n_own; i++) {
            if (number[things[i]] >= 0) continue;
            first_rank[things[i]] = r;
            number[things[i]] = n++;
        }
    }
    return n;
}

static int numbers_are_those_of_one_rank_that_sees_all(const struct comm *comm) {
    int64_t things[MOST], wanted[N_THINGS], values[MOST], n_own = draw_things(comm->rank, things);
    int first_rank[N_THINGS];
    struct shared_name names[MOST];
    struct shared_numbers numbers;
    int64_t n = number_alone(comm->size, wanted, first_rank), n_first = 0;
    for (int64_t i = 0; i < n_own; i++) names[i] = name_of(things[i]);
    CHECK(shared_numbers_make(&numbers, comm, 1, &n_own, names, STATUS_OK) == STATUS_OK && numbers.n == n);
    for (int64_t i = 0; i < n_own; i++) {
        int is_first = first_rank[things[i]] == comm->rank;
        CHECK(numbers.number[i] == wanted[things[i]]);
        CHECK(shared_numbers_is_first(&numbers, comm, i) == is_first);
        if (is_first) CHECK(numbers.number[i] == numbers.first + n_first);
        n_first += is_first;
        values[i] = is_first ? 3 * things[i] : -1; /* what the first one alone knows */
    }
    CHECK(numbers.count == n_first);
    CHECK(shared_numbers_look_up(&numbers, comm, values) == STATUS_OK);
    for (int64_t i = 0; i < n_own; i++) CHECK(values[i] == 3 * things[i]);
    shared_numbers_free(&numbers);
    return behaviour_failed(comm, "numbers_are_those_of_one_rank_that_sees_all");
}

/* Kinds with the same names: of the second a rank has the things that its neighbour has of the first, the last rank none of the third. */
static int kinds_are_numbered_each_by_itself_in_the_same_messages(const struct comm *comm) {
    enum { KINDS = 3 };
    int64_t things[KINDS * MOST], n_own[KINDS], wanted[N_THINGS], values[MOST], n = 0, at = 0;
    int first_rank[N_THINGS];
    struct shared_name names[KINDS * MOST];
    struct shared_numbers kinds[KINDS], alone;
    number_alone(comm->size, wanted, first_rank);
    n += n_own[0] = draw_things(comm->rank, things);
    n += n_own[1] = draw_things(comm->rank + 1, things + n);
    n += n_own[2] = comm->rank == comm->size - 1 ? 0 : draw_things(comm->rank, things + n);
    for (int64_t i = 0; i < n; i++) names[i] = name_of(things[i]);
    int64_t before = comm_traffic().messages;
    CHECK(shared_numbers_make(kinds, comm, KINDS, n_own, names, STATUS_OK) == STATUS_OK);
    int64_t together = comm_traffic().messages - before;
    for (int k = 0; k < KINDS; k++) {
        before = comm_traffic().messages;
        CHECK(shared_numbers_make(&alone, comm, 1, &n_own[k], names + at, STATUS_OK) == STATUS_OK);
        CHECK(together == comm_traffic().messages - before);
        CHECK(kinds[k].n == alone.n && kinds[k].first == alone.first && kinds[k].count == alone.count);
        for (int64_t i = 0; i < n_own[k]; i++) {
            CHECK(kinds[k].number[i] == alone.number[i]);
            CHECK(shared_numbers_is_first(&kinds[k], comm, i) == shared_numbers_is_first(&alone, comm, i));
            if (k == 0) CHECK(kinds[k].number[i] == wanted[things[i]]);
        }
        shared_numbers_free(&alone);
        at += n_own[k];
    }
    for (int64_t i = 0; i < n_own[0]; i++) values[i] = shared_numbers_is_first(&kinds[0], comm, i) ? 3 * things[i] : -1;
    CHECK(shared_numbers_look_up(&kinds[0], comm, values) == STATUS_OK);
    for (int64_t i = 0; i < n_own[0]; i++) CHECK(values[i] == 3 * things[i]);
    shared_numbers_free(kinds);
    return behaviour_failed(comm, "kinds_are_numbered_each_by_itself_in_the_same_messages");
}

static int a_rank_may_have_nothing_and_a_fault_is_that_of_all(const struct comm *comm) {
    struct shared_name same = name_of(5);
    struct shared_numbers numbers;
    int has = comm->rank == comm->size - 1;
    CHECK(shared_numbers_make(&numbers, comm, 1, &(int64_t){has}, &same, STATUS_OK) == STATUS_OK && numbers.n == 1);
    if (has) CHECK(numbers.number[0] == 0 && numbers.count == 1);
    shared_numbers_free(&numbers);
    int before = has ? status_set(STATUS_FAILED, "no memory") : STATUS_OK;
    CHECK(shared_numbers_make(&numbers, comm, 1, &(int64_t){0}, NULL, before) == STATUS_FAILED);
    CHECK(strstr(status_message(), "no memory"));
    shared_numbers_free(&numbers);
    return behaviour_failed(comm, "a_rank_may_have_nothing_and_a_fault_is_that_of_all");
}

int main(int argc, char **argv) {
    struct comm comm;
    if (comm_start(&comm, &argc, &argv) != STATUS_OK) return 1;
    int failed = numbers_are_those_of_one_rank_that_sees_all(&comm);
    failed |= kinds_are_numbered_each_by_itself_in_the_same_messages(&comm);
    failed |= a_rank_may_have_nothing_and_a_fault_is_that_of_all(&comm);
    comm_stop(&comm);
    return failed;
}
