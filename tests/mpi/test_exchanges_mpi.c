/* What ranks exchange in a step, against sums and copies that each rank makes for itself: lists of rows (dist/row_lists.h), rows with
 * owners (dist/row_owner.h), gradients in buckets (dist/reduce.h), by messages and through the memory of a node. Messages are cut short here, as very long ones are. */
#include "dist/exchange.h"
#include "dist/reduce.h"
#include "dist/row_lists.h"
#include "dist/row_order.h"
#include "dist/row_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/mman.h>
#include <time.h>

#include "base/rng.h"
#include "mpi_check.h"

/* ---- lists of rows ---- */
enum { WIDTHS = 3, MOST_ROWS = 7 };
static const int64_t WIDTH[WIDTHS] = {5, 2, 4};

static int64_t rows_of(int list, int rank, int size) {
    return (list + rank * 3) % MOST_ROWS * (rank + 1 < size || list != 1);
}

/* Whole numbers: their sums are exact in any order. */
static real value_of(int list, int64_t row, int64_t col, int rank) {
    return (real)((list * 7 + row * 3 + col * 5 + rank * 11) % 101);
}

struct lists {
    struct row_shares shares[WIDTHS];
    struct row_list rows[WIDTHS];
    struct int_list ints[WIDTHS];
    int64_t own, all, summed; /* values */
};

static void make_lists(struct lists *l, const struct comm *comm, struct device *d) {
    *l = (struct lists){0};
    for (int i = 0; i < WIDTHS; i++) {
        int64_t n[comm->size];
        for (int r = 0; r < comm->size; r++) n[r] = rows_of(i, r, comm->size);
        CHECK(row_shares_make(&l->shares[i], comm->size) == STATUS_OK);
        row_shares_set(&l->shares[i], comm->size, n);
        int64_t total = l->shares[i].total;
        l->rows[i] = (struct row_list){&l->shares[i], WIDTH[i], device_alloc_reals(d, n[comm->rank] * WIDTH[i] + 1),
                                       device_alloc_reals(d, total * WIDTH[i] + 1)};
        l->ints[i] =
            (struct int_list){&l->shares[i], device_alloc_ints(d, n[comm->rank] + 1), device_alloc_ints(d, total + 1)};
        l->own += n[comm->rank] * (WIDTH[i] + 1);
        l->all += total * (WIDTH[i] + 1);
        l->summed += total * WIDTH[i];
        for (int64_t k = 0; k < n[comm->rank]; k++) {
            int64_t row = l->shares[i].first[comm->rank] + k;
            for (int64_t j = 0; j < WIDTH[i]; j++) l->rows[i].local.at[k * WIDTH[i] + j] = value_of(i, row, j, 0);
            l->ints[i].local.at[k] = (int32_t)(1000 * i + row - 500);
        }
    }
}

static void free_lists(struct lists *l, struct device *d) {
    for (int i = 0; i < WIDTHS; i++) {
        row_shares_free(&l->shares[i]);
        device_free_reals(d, l->rows[i].local);
        device_free_reals(d, l->rows[i].all);
        device_free_ints(d, l->ints[i].local);
        device_free_ints(d, l->ints[i].all);
    }
}

static void check_gathered(const struct lists *l) {
    for (int i = 0; i < WIDTHS; i++)
        for (int64_t row = 0; row < l->shares[i].total; row++) {
            for (int64_t j = 0; j < WIDTH[i]; j++)
                CHECK(l->rows[i].all.at[row * WIDTH[i] + j] == value_of(i, row, j, 0));
            CHECK(l->ints[i].all.at[row] == 1000 * i + row - 500);
        }
}

static void check_scattered(const struct lists *l, const struct comm *comm) {
    for (int i = 0; i < WIDTHS; i++)
        for (int64_t k = 0; k < l->shares[i].n[comm->rank]; k++)
            for (int64_t j = 0; j < WIDTH[i]; j++) {
                int64_t row = l->shares[i].first[comm->rank] + k;
                real wanted = value_of(i, row, j, 0);
                for (int r = 0; r < comm->size; r++) wanted += value_of(i, row, j, r);
                CHECK(l->rows[i].local.at[k * WIDTH[i] + j] == wanted);
            }
}

/* most_message 0: whole. */
static void exchange(struct row_lists *x, const struct comm *comm, struct device *d, int64_t most_message) {
    struct lists l;
    dev_real values = device_alloc_reals(d, 11);
    make_lists(&l, comm, d);
    int64_t before = comm_traffic().messages;
    CHECK(row_lists_gather(x, WIDTHS, l.rows, WIDTHS, l.ints) == STATUS_OK);
    check_gathered(&l);
    if (most_message == 0) CHECK(comm_traffic().messages == before + 1);
    if (most_message > 0) CHECK(comm_traffic().messages > before + 1);
    for (int i = 0; i < WIDTHS; i++)
        for (int64_t k = 0; k < l.shares[i].total * WIDTH[i]; k++)
            l.rows[i].all.at[k] = value_of(i, k / WIDTH[i], k % WIDTH[i], comm->rank);
    CHECK(row_lists_scatter_sum(x, WIDTHS, l.rows) == STATUS_OK);
    check_scattered(&l, comm);
    for (int k = 0; k < 11; k++) values.at[k] = (real)(k + comm->rank);
    CHECK(row_lists_sum(x, values, 11) == STATUS_OK);
    for (int k = 0; k < 11; k++) CHECK(values.at[k] == k * comm->size + comm->size * (comm->size - 1) / 2);
    free_lists(&l, d);
    device_free_reals(d, values);
}

static void exchange_lists(const struct comm *comm, struct device *d, int64_t most_message) {
    struct lists l;
    struct row_lists x;
    make_lists(&l, comm, d);
    CHECK(row_lists_make(&x, comm, d, l.own, l.all > 11 ? l.all : 11, l.summed > 11 ? l.summed : 11, most_message) ==
          STATUS_OK);
    exchange(&x, comm, d, most_message);
    row_lists_free(&x);
    free_lists(&l, d);
}

static void lists_of_rows_travel_as_one_message(const struct comm *comm, struct device *d) {
    if (comm->size > 1) exchange_lists(comm, d, 0);
}

static void long_messages_are_split(const struct comm *comm, struct device *d) {
    if (comm->size > 1) exchange_lists(comm, d, 2 * comm->size);
    enum { N = 23 };
    struct bucket bucket;
    dev_real values = device_alloc_reals(d, N);
    for (int64_t most = 1; most <= 24; most += 5) {
        for (int i = 0; i < N; i++) values.at[i] = (real)(i * (comm->rank + 1));
        CHECK(bucket_init(&bucket, comm, d, values, N, most) == STATUS_OK);
        CHECK(bucket_finish(&bucket, comm, d) == STATUS_OK);
        for (int i = 0; i < N; i++) CHECK(values.at[i] == i * comm->size * (comm->size + 1) / 2);
        bucket_free(&bucket, d);
    }
    device_free_reals(d, values);
}

/* ---- through the memory of a node ---- */
/* Whether ranks may see each other's memory here: by a file that rank 0 makes, looked for by all. */
static int can_share;

static void look_for_shared_memory(const struct comm *comm) {
    char path[64] = "";
    int file = comm->rank == 0 ? memfd_create("test", 0) : -1;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), file);
    CHECK(comm_broadcast(comm, path, sizeof path) == STATUS_OK);
    int seen = open(path, O_RDWR);
    int64_t lacks = seen < 0 || comm->local_size != comm->size;
    CHECK(comm_max_int64(comm, &lacks, 1) == STATUS_OK);
    if (seen >= 0) close(seen);
    if (file >= 0) close(file);
    can_share = !lacks;
    if (lacks && comm->rank == 0)
        printf("skipped: what ranks share, since /proc does not show them each other's files\n");
}

/* On the last rank there is no memory to share, if this is set. */
static int lacks_memory;
int __real_posix_fallocate(int file, off_t at, off_t bytes);
int __wrap_posix_fallocate(int file, off_t at, off_t bytes);
int __wrap_posix_fallocate(int file, off_t at, off_t bytes) {
    return lacks_memory ? ENOSPC : __real_posix_fallocate(file, at, bytes);
}

/* Ranks come late by turns, so that who does not wait for them is seen. */
static void come_late(const struct comm *comm, int turn) {
    const struct timespec late = {.tv_nsec = 300000};
    if ((turn + comm->rank) % comm->size == 0) nanosleep(&late, NULL);
}

static void ranks_of_a_node_exchange_lists_without_messages(const struct comm *comm, struct device *d) {
    struct lists l;
    struct row_lists x;
    if (comm->size == 1 || !can_share) return;
    make_lists(&l, comm, d);
    int64_t own = l.own + 10000 * comm->rank; /* the ranks' parts of a batch are not as large */
    CHECK(row_lists_make(&x, comm, d, own, l.all > 11 ? l.all : 11, l.summed > 11 ? l.summed : 11, 0) == STATUS_OK);
    CHECK(row_lists_share(&x) == STATUS_OK);
    CHECK(x.node.n_ranks == comm->size && !x.all);
    for (int turn = 0; turn < 8; turn++) {
        come_late(comm, turn);
        exchange(&x, comm, d, 0);
    }
    row_lists_free(&x);
    free_lists(&l, d);
}

/* Sums of 23 values, the next begun while others still take the last one. per_node: ranks of a node as it were; what nodes send each other is
 * split, too. */
static void sum_on_nodes(const struct comm *comm, struct device *d, int per_node, int64_t most, int is_open) {
    enum { N = 23 };
    struct bucket bucket;
    dev_real values = device_alloc_reals(d, N);
    CHECK(bucket_init(&bucket, comm, d, values, N, most) == STATUS_OK);
    CHECK(bucket_share(&bucket, comm, d, per_node) == STATUS_OK);
    CHECK((bucket.node.memory.n_ranks > 0) == is_open && (bucket.staging == NULL) == is_open);
    for (int turn = 0; turn < 8; turn++) {
        for (int i = 0; i < N; i++) values.at[i] = (real)(i * (comm->rank + 1) + turn);
        come_late(comm, turn);
        CHECK(bucket_start(&bucket, comm, d) == STATUS_OK);
        come_late(comm, turn + 1);
        CHECK(bucket_finish(&bucket, comm, d) == STATUS_OK);
        for (int i = 0; i < N; i++) CHECK(values.at[i] == i * comm->size * (comm->size + 1) / 2 + turn * comm->size);
    }
    bucket_free(&bucket, d);
    device_free_reals(d, values);
}

static void ranks_of_a_node_sum_parts_and_nodes_sum_these(const struct comm *comm, struct device *d) {
    if (comm->size == 1 || !can_share) return;
    sum_on_nodes(comm, d, 0, 5, 1);
    sum_on_nodes(comm, d, 1, 5, 0);                                       /* alone on a node */
    if (comm->size > 2) sum_on_nodes(comm, d, 2, 5, comm->size % 2 == 0); /* pairs; or nodes of different sizes */
    if (comm->size > 2) sum_on_nodes(comm, d, 2, 1000, comm->size % 2 == 0);
}

/* Each rank is brought its part of a sum and nothing else; on each node the parts are all that there is, once, so that squares of all parts are as
 * many times those of the sum as there are nodes. Parts of another array come together on each node likewise. */
static void divide_on_nodes(const struct comm *comm, struct device *d, int per_node, int n_nodes) {
    enum { N = 23 };
    struct bucket bucket;
    dev_real values = device_alloc_reals(d, N), other = device_alloc_reals(d, N);
    int64_t first = 0, n = 0;
    CHECK(bucket_init(&bucket, comm, d, values, N, 5) == STATUS_OK);
    CHECK(bucket_share(&bucket, comm, d, per_node) == STATUS_OK);
    CHECK(bucket_part(&bucket, &first, &n) && bucket.node.memory.n_ranks * n_nodes == comm->size);
    bucket_keep_part(&bucket);
    for (int turn = 0; turn < 8; turn++) {
        double squares = 0, wanted = 0;
        for (int i = 0; i < N; i++) {
            double sum = i * comm->size * (comm->size + 1) / 2 + turn * comm->size;
            values.at[i] = (real)(i * (comm->rank + 1) + turn);
            other.at[i] = i >= first && i < first + n ? (real)(3 * i + turn) : -1;
            wanted += sum * sum;
        }
        come_late(comm, turn);
        CHECK(bucket_finish(&bucket, comm, d) == STATUS_OK);
        for (int i = 0; i < N; i++) {
            int own = i >= first && i < first + n;
            CHECK(values.at[i] ==
                  (own ? i * comm->size * (comm->size + 1) / 2 + turn * comm->size : i * (comm->rank + 1) + turn));
            if (own) squares += (double)values.at[i] * (double)values.at[i];
        }
        CHECK(comm_sum_double(comm, &squares, 1) == STATUS_OK && squares == n_nodes * wanted);
        bucket_offer_part(&bucket, comm, d, other);
        come_late(comm, turn + 1);
        bucket_take_parts(&bucket, comm, d, other);
        for (int i = 0; i < N; i++) CHECK(other.at[i] == 3 * i + turn);
    }
    bucket_free(&bucket, d);
    device_free_reals(d, values);
    device_free_reals(d, other);
}

static void each_node_has_all_parts_of_a_sum_that_is_divided(const struct comm *comm, struct device *d) {
    if (!can_share) return;
    if (comm->size > 1) divide_on_nodes(comm, d, 0, 1);
    if (comm->size == 4) divide_on_nodes(comm, d, 2, 2);
}

static void where_one_rank_lacks_memory_to_share_all_send_messages(const struct comm *comm, struct device *d) {
    if (comm->size == 1) return;
    lacks_memory = comm->rank == comm->size - 1;
    sum_on_nodes(comm, d, 0, 5, 0);
    lacks_memory = 0;
}

/* ---- refusals ---- */
static void too_many_rows_are_refused_by_all_ranks(const struct comm *comm, struct device *d) {
    struct lists l;
    struct row_lists x;
    if (comm->size == 1) return;
    make_lists(&l, comm, d);
    CHECK(row_lists_make(&x, comm, d, l.own, l.all - 1, l.summed - 1, 0) == STATUS_OK);
    CHECK(row_lists_gather(&x, WIDTHS, l.rows, WIDTHS, l.ints) == STATUS_FAILED);
    CHECK(strstr(status_message(), "too many rows"));
    CHECK(row_lists_scatter_sum(&x, WIDTHS, l.rows) == STATUS_FAILED);
    CHECK(strstr(status_message(), "too many rows"));
    row_lists_free(&x);
    free_lists(&l, d);
}

/* Of no bytes each, so that they need no memory. A rank alone has no use for MPI, nor its limit. */
static void more_rows_than_mpi_counts_need_more_ranks(const struct comm *comm, struct device *d) {
    static const int64_t MANY = 3000000000;
    struct received_rows got = {0};
    int64_t count[comm->size];
    (void)d;
    for (int r = 0; r < comm->size; r++) count[r] = r == 0 && comm->rank + 1 == comm->size ? MANY : 0;
    int status = comm_exchange_rows(comm, 0, count, "", &got);
    if (comm->size == 1) {
        CHECK(status == STATUS_OK && got.n == MANY && got.first[1] == MANY);
    } else {
        CHECK(status == STATUS_FAILED);
        CHECK(strstr(status_message(), "3000000000 rows of 0 bytes") && strstr(status_message(), "take more ranks"));
    }
    received_rows_free(&got);
}

/* ---- rows with owners ---- */
enum { TABLE = 40, COLS = 3, BATCHES = 12 };

static int wants(uint32_t batch, int rank, int row) {
    double most = batch % 4 == 0 ? 0.1 : batch % 4 == 1 ? 0.9 : 0; /* few, many, or of one neighbour alone */
    if (most > 0) return rng_uniform(17, 3, batch, (uint64_t)(rank * TABLE + row)) < most;
    return row == (rank * 7 + (int)batch) % TABLE;
}

static int list_wanted(uint32_t batch, int rank, int32_t *rows) {
    int n = 0;
    for (int row = 0; row < TABLE; row++)
        if (wants(batch, rank, row)) rows[n++] = row;
    return n;
}

/* Messages that this rank sends in a batch: a question to each owner, and rows to each asker, and a gradient back. */
static int64_t messages_of(const struct comm *comm, uint32_t batch) {
    int64_t n = 0;
    for (int r = 0; r < comm->size; r++) {
        int asks = 0, asked = 0;
        for (int64_t row = row_owner_first(TABLE, r, comm->size); row < row_owner_first(TABLE, r + 1, comm->size);
             row++)
            asks |= wants(batch, comm->rank, (int)row);
        for (int64_t row = row_owner_first(TABLE, comm->rank, comm->size);
             row < row_owner_first(TABLE, comm->rank + 1, comm->size); row++)
            asked |= wants(batch, r, (int)row);
        if (r != comm->rank) n += 2 * asks + asked;
    }
    return n;
}

static void move_batch(const struct comm *comm, struct device *d, struct row_plan *plan, uint32_t batch) {
    int32_t rows[TABLE];
    int n = list_wanted(batch, comm->rank, rows);
    int64_t first = row_owner_first(TABLE, comm->rank, comm->size);
    int64_t own = row_owner_first(TABLE, comm->rank + 1, comm->size) - first, before = comm_traffic().messages;
    dev_real table = device_alloc_reals(d, TABLE * COLS), out = device_alloc_reals(d, TABLE * COLS);
    dev_real grad = device_alloc_reals(d, TABLE * COLS);
    for (int64_t i = 0; i < own * COLS; i++) table.at[i] = (real)(first * COLS + i), grad.at[i] = 0;
    CHECK(row_plan_make(plan, comm, d, TABLE, COLS, rows, n) == STATUS_OK);
    CHECK(row_plan_fetch(plan, comm, d, COLS, table, out) == STATUS_OK);
    for (int i = 0; i < n * COLS; i++) CHECK(out.at[i] == rows[i / COLS] * COLS + i % COLS);
    for (int i = 0; i < n * COLS; i++) out.at[i] = (real)(comm->rank + 1);
    CHECK(row_plan_return(plan, comm, d, COLS, out, grad) == STATUS_OK);
    for (int64_t i = 0; i < own * COLS; i++) {
        real wanted = 0;
        for (int r = 0; r < comm->size; r++) wanted += (real)((r + 1) * wants(batch, r, (int)(first + i / COLS)));
        CHECK(grad.at[i] == wanted);
    }
    if (comm->size > 1) CHECK(comm_traffic().messages - before == messages_of(comm, batch) + 1); /* and the barrier */
    device_free_reals(d, table);
    device_free_reals(d, out);
    device_free_reals(d, grad);
}

/* Two plans by turns, as of two tables; ranks that are through begin the next batch while others still listen. */
static void owners_are_asked_only_by_ranks_that_want_something(const struct comm *comm, struct device *d) {
    struct row_plan plans[2] = {0};
    for (uint32_t batch = 0; batch < BATCHES; batch++) move_batch(comm, d, &plans[batch % 2], batch);
    row_plan_free(&plans[0], d);
    row_plan_free(&plans[1], d);
}

/* ---- rows by who uses them ---- */
/* Worked out by hand: of 7 rows ranks 0, 1, 2 have room for 2, 2 and 3. Rows 6, 5 and 0, used most, want rank 0, which has room for two of them; 3 and 1
 * get what they want, and what is left fills up: 0 and 2 rank 1, then 2. */
static void rows_lie_with_the_rank_that_uses_them_most(const struct comm *comm, struct device *d) {
    static const int64_t USES[7] = {5, 2, 0, 4, 0, 6, 9};
    static const int32_t USER[7] = {0, 2, 0, 1, 0, 0, 0}, WANTED[7] = {1, 2, 2, 1, 2, 0, 0};
    int32_t owner[7];
    (void)comm, (void)d;
    CHECK(row_order_assign(7, 3, USES, USER, owner) == STATUS_OK);
    for (int i = 0; i < 7; i++) CHECK(owner[i] == WANTED[i]);
}

/* Rank (row x 7) mod size uses a row most. */
static void rows_go_to_the_blocks_of_their_numbers_and_back(const struct comm *comm, struct device *d) {
    enum { PARTS = 2 };
    int64_t uses[TABLE];
    float part[PARTS][TABLE * COLS], *rows[PARTS] = {part[0], part[1]};
    struct row_order order;
    (void)d;
    for (int row = 0; row < TABLE; row++) uses[row] = row % 5 == 0 ? 0 : 1 + (row * 7 % comm->size == comm->rank);
    CHECK(row_order_make(&order, comm, TABLE, uses) == STATUS_OK);
    CHECK(row_order_reserve(&order, PARTS * COLS) == STATUS_OK);
    for (int64_t i = 0; i < order.count; i++) {
        CHECK(order.position[order.held[i]] == order.first + i && (i == 0 || order.held[i] > order.held[i - 1]));
        for (int64_t k = 0; k < PARTS * COLS; k++)
            part[k / COLS][i * COLS + k % COLS] = (float)(order.held[i] * PARTS * COLS + k);
    }
    int64_t before = comm_traffic().messages;
    CHECK(row_order_to_blocks(&order, comm, PARTS, COLS, rows) == STATUS_OK);
    CHECK(comm_traffic().messages - before <= comm->size - 1);
    for (int64_t i = 0; i < order.count * PARTS * COLS; i++) {
        int64_t row = i / (PARTS * COLS), k = i % (PARTS * COLS);
        CHECK(part[k / COLS][row * COLS + k % COLS] == (float)((order.first + row) * PARTS * COLS + k));
    }
    CHECK(row_order_from_blocks(&order, comm, PARTS, COLS, rows) == STATUS_OK);
    for (int64_t i = 0; i < order.count * PARTS * COLS; i++) {
        int64_t row = i / (PARTS * COLS), k = i % (PARTS * COLS);
        CHECK(part[k / COLS][row * COLS + k % COLS] == (float)(order.held[row] * PARTS * COLS + k));
    }
    row_order_free(&order);
}

#define BEHAVIOUR(name)                                                                                                \
    { #name, name }

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*check)(const struct comm *comm, struct device *device);
    } BEHAVIOURS[] = {BEHAVIOUR(lists_of_rows_travel_as_one_message),
                      BEHAVIOUR(long_messages_are_split),
                      BEHAVIOUR(ranks_of_a_node_exchange_lists_without_messages),
                      BEHAVIOUR(ranks_of_a_node_sum_parts_and_nodes_sum_these),
                      BEHAVIOUR(each_node_has_all_parts_of_a_sum_that_is_divided),
                      BEHAVIOUR(where_one_rank_lacks_memory_to_share_all_send_messages),
                      BEHAVIOUR(too_many_rows_are_refused_by_all_ranks),
                      BEHAVIOUR(more_rows_than_mpi_counts_need_more_ranks),
                      BEHAVIOUR(owners_are_asked_only_by_ranks_that_want_something),
                      BEHAVIOUR(rows_lie_with_the_rank_that_uses_them_most),
                      BEHAVIOUR(rows_go_to_the_blocks_of_their_numbers_and_back)};
    struct comm comm;
    struct device device;
    int bad = 0;
    if (comm_start(&comm, &argc, &argv) != STATUS_OK || device_open_cpu(&device, 1)) {
        fprintf(stderr, "%s\n", status_message());
        return 2;
    }
    log_configure(comm.rank, LOG_LEVEL_INFO);
    look_for_shared_memory(&comm);
    for (size_t b = 0; b < sizeof BEHAVIOURS / sizeof *BEHAVIOURS; b++) {
        BEHAVIOURS[b].check(&comm, &device);
        bad += behaviour_failed(&comm, BEHAVIOURS[b].name);
    }
    device_close(&device);
    comm_stop(&comm);
    return bad > 0;
}
