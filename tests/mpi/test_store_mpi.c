/* The store and the communicator over several ranks: `mpirun -n RANKS test_store_mpi` (in a folder that it makes and
 * removes), and `test_store_mpi --full FOLDER` where FOLDER is a file system of a few MB, to see what a full disk does.
 *
 * Not a cmocka program: the checks of all ranks are counted together, and rank 0 prints one line a behaviour.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/log.h"
#include "base/status.h"
#include "store/h5file.h"
#include "store/vocabulary.h"
#include "store/vocabulary_pick.h"
#include "mpi_check.h"

struct fixture {
    const struct comm *comm;
    const char *folder;
};

static void path_in(const struct fixture *fixture, const char *name, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%s", fixture->folder, name);
}

static struct provenance made_by(const char *job) {
    struct provenance p = {.job = job, .config = "seed: 1\n"};
    provenance_finish(&p, KIND_TABLE);
    return p;
}

/* Files in the folder whose name starts with `prefix`. */
static int count_files(const char *folder, const char *prefix) {
    DIR *dir = opendir(folder);
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    if (dir) closedir(dir);
    return n;
}

/* A rank's share of n rows, cut unevenly: the last rank gets nothing when there are three. */
static void share_of(const struct comm *comm, int64_t n, int64_t *first, int64_t *count) {
    int working = comm->size > 2 ? comm->size - 1 : comm->size;
    int64_t from = comm->rank < working ? n * comm->rank / working : n;
    int64_t to = comm->rank < working ? n * (comm->rank + 1) / working : n;
    *first = from;
    *count = to - from;
}

static float value_at(int64_t row, int64_t column) { return (float)(row * 31 % 1009) + 0.25f * (float)column; }

/* ---- the communicator ---- */
static void agreement_gives_every_rank_the_first_fault(const struct fixture *fixture) {
    const struct comm *comm = fixture->comm;
    CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK);
    int last = comm->size - 1;
    int status = comm->rank == last ? status_set(STATUS_USAGE, "fault of %d", comm->rank) : STATUS_OK;
    CHECK(comm_agree(comm, status) == STATUS_USAGE);
    char expected[64];
    snprintf(expected, sizeof expected, comm->size > 1 ? "rank %d: fault of %d" : "fault of %d", last, last);
    CHECK(strcmp(status_message(), expected) == 0);
    status = status_set(STATUS_FAILED + (comm->rank > 0), "fault of %d", comm->rank);
    CHECK(comm_agree(comm, status) == STATUS_FAILED);
    CHECK(strstr(status_message(), "fault of 0") != NULL);
    char once[256];
    snprintf(once, sizeof once, "%s", status_message());
    CHECK(comm_agree(comm, STATUS_FAILED) == STATUS_FAILED); /* agreeing again adds nothing */
    CHECK(strcmp(status_message(), once) == 0);
}

static void sums_and_broadcasts_are_the_same_on_every_rank(const struct fixture *fixture) {
    const struct comm *comm = fixture->comm;
    int64_t n = comm->size, ints[2] = {comm->rank, (int64_t)1 << 40}, most = -comm->rank;
    uint64_t wrapping = UINT64_MAX;
    double reals[1] = {0.5};
    CHECK(comm_sum_int64(comm, ints, 2) == STATUS_OK);
    CHECK(ints[0] == n * (n - 1) / 2 && ints[1] == n << 40);
    CHECK(comm_sum_uint64(comm, &wrapping, 1) == STATUS_OK && wrapping == 0 - (uint64_t)n);
    CHECK(comm_sum_double(comm, reals, 1) == STATUS_OK && reals[0] == 0.5 * (double)n);
    CHECK(comm_max_int64(comm, &most, 1) == STATUS_OK && most == 0);
    int64_t own[2] = {comm->rank, 1}, before[2] = {-1, -1}, all[2] = {-1, -1};
    CHECK(comm_sum_before(comm, 2, own, before, all) == STATUS_OK);
    CHECK(before[0] == comm->rank * (comm->rank - 1) / 2 && before[1] == comm->rank);
    CHECK(all[0] == n * (n - 1) / 2 && all[1] == n);
    char text[8] = "";
    if (comm->rank == 0) snprintf(text, sizeof text, "hello");
    CHECK(comm_broadcast(comm, text, sizeof text) == STATUS_OK && strcmp(text, "hello") == 0);
    CHECK(comm_broadcast(comm, text, 0) == STATUS_OK);
    CHECK(comm->local_size >= 1 && comm->local_rank < comm->local_size);
    CHECK(comm_threads(comm, 7) == 7 && comm_threads(comm, 0) >= 1);
}

/* ---- the files ---- */
enum { N_ROWS = 30011, N_COLS = 20 };

static int write_example(const struct fixture *fixture, const char *path, const char *job) {
    int64_t first, count;
    float *rows;
    struct h5file *file;
    struct provenance p = made_by(job);
    share_of(fixture->comm, N_ROWS, &first, &count);
    TRY(mem_alloc(&rows, count * N_COLS, sizeof *rows));
    for (int64_t i = 0; i < count; i++)
        for (int c = 0; c < N_COLS; c++) rows[i * N_COLS + c] = value_at(first + i, c);
    int status = h5file_create(&file, fixture->comm, path, KIND_TABLE, &p, 1000);
    if (status == STATUS_OK) {
        status = h5file_write(file, "rows", H5_F32, N_ROWS, N_COLS, first, count, rows, 1);
        if (status == STATUS_OK) status = h5file_write(file, "plain", H5_F32, N_ROWS, N_COLS, first, count, rows, 0);
        if (status == STATUS_OK) status = h5file_write(file, "empty", H5_I32, 0, 3, 0, 0, NULL, 1);
        if (status == STATUS_OK) status = h5file_set_int(file, "n_rows", N_ROWS);
        if (status == STATUS_OK)
            status = h5file_commit(file);
        else
            h5file_abandon(file);
    }
    free(rows);
    return status;
}

/* Every rank reads the whole file and compares it with what the formula says. */
static void check_example(const char *path) {
    struct h5file *file;
    int64_t n = 0, cols = 0, wrong = 0;
    CHECK(h5file_open(&file, path, KIND_TABLE) == STATUS_OK);
    if (!file) return;
    CHECK(h5file_verify(file, 0, 1) == STATUS_OK);
    CHECK(h5file_shape(file, "rows", H5_F32, &n, &cols) == STATUS_OK && n == N_ROWS && cols == N_COLS);
    float *rows = calloc(N_ROWS * N_COLS, sizeof *rows);
    static const char *const NAMES[] = {"rows", "plain"};
    for (int d = 0; rows && d < 2; d++) {
        CHECK(h5file_read(file, NAMES[d], H5_F32, 0, N_ROWS, rows) == STATUS_OK);
        for (int64_t i = 0; i < N_ROWS; i++)
            for (int c = 0; c < N_COLS; c++) wrong += rows[i * N_COLS + c] != value_at(i, c);
    }
    CHECK(rows && wrong == 0);
    CHECK(h5file_shape(file, "empty", H5_I32, &n, &cols) == STATUS_OK && n == 0 && cols == 3);
    free(rows);
    h5file_close(file);
}

static void rows_of_all_ranks_come_back_in_order(const struct fixture *fixture) {
    char path[PATH_MAX];
    path_in(fixture, "example.h5", path);
    CHECK(write_example(fixture, path, "tokenize") == STATUS_OK);
    check_example(path);
    CHECK(count_files(fixture->folder, "example.h5.tmp-") == 0);
}

/* The content id is that of the same rows written by one rank alone. */
static void content_does_not_depend_on_the_number_of_ranks(const struct fixture *fixture) {
    struct comm self = comm_self();
    char together[PATH_MAX], alone[PATH_MAX], name[64], *a = NULL, *b = NULL;
    struct h5file *file;
    path_in(fixture, "example.h5", together);
    snprintf(name, sizeof name, "alone-%d.h5", fixture->comm->rank);
    path_in(fixture, name, alone);
    struct fixture mine = {&self, fixture->folder};
    CHECK(write_example(&mine, alone, "tokenize") == STATUS_OK);
    CHECK(h5file_open(&file, together, KIND_TABLE) == STATUS_OK);
    CHECK(h5file_get_text(file, "content_id", &a) == STATUS_OK);
    h5file_close(file);
    CHECK(h5file_open(&file, alone, KIND_TABLE) == STATUS_OK);
    CHECK(h5file_get_text(file, "content_id", &b) == STATUS_OK);
    h5file_close(file);
    CHECK(a && b && strlen(a) == 32 && strcmp(a, b) == 0);
    free(a);
    free(b);
}

/* Rows in rounds, as tokenize writes them, some ranks running out before others; three dimensions. */
static void rounds_with_idle_ranks_join(const struct fixture *fixture) {
    enum { ROUND = 100 };
    int64_t first, count, rounds, n = 0, cols = 0;
    char path[PATH_MAX];
    struct h5file *file;
    struct h5dataset *d;
    struct provenance p = made_by("tokenize");
    int32_t block[ROUND * 8], back[8];
    path_in(fixture, "rounds.h5", path);
    share_of(fixture->comm, 1003, &first, &count);
    rounds = (count + ROUND - 1) / ROUND;
    CHECK(comm_max_int64(fixture->comm, &rounds, 1) == STATUS_OK);
    CHECK(h5file_create(&file, fixture->comm, path, KIND_TABLE, &p, 0) == STATUS_OK);
    CHECK(h5dataset_create(&d, file, "tokens", H5_I32, 1003, 4, 2, 64, 1) == STATUS_OK);
    for (int64_t r = 0; r < rounds; r++) {
        int64_t at = r * ROUND, m = at >= count ? 0 : at + ROUND < count ? ROUND : count - at;
        for (int64_t i = 0; i < m * 8; i++) block[i] = (int32_t)((first + at) * 8 + i);
        CHECK(h5dataset_write(d, first + at, m, block) == STATUS_OK);
    }
    CHECK(h5dataset_close(d) == STATUS_OK && h5file_commit(file) == STATUS_OK);
    CHECK(h5file_open(&file, path, KIND_TABLE) == STATUS_OK);
    CHECK(h5file_shape(file, "tokens", H5_I32, &n, &cols) == STATUS_OK && n == 1003 && cols == 8);
    CHECK(h5file_verify(file, 0, 1) == STATUS_OK);
    for (int64_t i = 0; i < 1003; i += 17) {
        CHECK(h5file_read(file, "tokens", H5_I32, i, 1, back) == STATUS_OK);
        CHECK(back[0] == (int32_t)(i * 8) && back[7] == (int32_t)(i * 8 + 7));
    }
    h5file_close(file);
}

/* Rows of a few bytes, of which many make a cell of the checksums: cut anywhere among ranks, or written by one. */
static void narrow_rows_are_checked_however_they_are_cut(const struct fixture *fixture) {
    enum { N = 1 << 20 };
    char path[PATH_MAX];
    struct h5file *file;
    struct provenance p = made_by("prepare");
    uint16_t *rows = calloc(N, sizeof *rows), *back = calloc(N, sizeof *back);
    int64_t first = (int64_t)N * fixture->comm->rank / fixture->comm->size + fixture->comm->rank,
            end = (int64_t)N * (fixture->comm->rank + 1) / fixture->comm->size + fixture->comm->rank + 1;
    if (fixture->comm->rank == fixture->comm->size - 1) end = N;
    for (int64_t i = 0; i < N; i++) rows[i] = (uint16_t)(i * 40503);
    path_in(fixture, "narrow.h5", path);
    CHECK(h5file_create(&file, fixture->comm, path, KIND_VOCABULARY, &p, 0) == STATUS_OK);
    CHECK(h5file_write(file, "cut", H5_U16, N, 1, first, end - first, rows + first, 1) == STATUS_OK);
    CHECK(h5file_write(file, "whole", H5_U16, N, 1, 0, fixture->comm->rank == 0 ? N : 0, rows, 0) == STATUS_OK);
    CHECK(h5file_commit(file) == STATUS_OK);
    CHECK(h5file_open(&file, path, KIND_VOCABULARY) == STATUS_OK);
    CHECK(h5file_verify(file, fixture->comm->rank, fixture->comm->size) == STATUS_OK);
    static const int64_t PARTS[][2] = {{0, N},         {0, 1},      {N - 1, 1},      {2047, 2},
                                       {1000, 700001}, {524287, 2}, {262144, 262144}};
    for (size_t k = 0; k < sizeof PARTS / sizeof *PARTS; k++) {
        int64_t from = PARTS[k][0], n = PARTS[k][1];
        for (int d = 0; d < 2; d++) {
            memset(back, 0, (size_t)n * sizeof *back);
            CHECK(h5file_read(file, d ? "cut" : "whole", H5_U16, from, n, back) == STATUS_OK);
            CHECK(memcmp(back, rows + from, (size_t)n * sizeof *back) == 0);
        }
    }
    h5file_close(file);
    free(rows);
    free(back);
}

/* Turns one bit where the file first holds these bytes. */
static int flip_where(const char *path, const void *bytes, size_t n) {
    FILE *file = fopen(path, "r+b");
    char *text = calloc(1 << 24, 1), *at = NULL;
    size_t size = file && text ? fread(text, 1, 1 << 24, file) : 0;
    if (size) at = memmem(text, size, bytes, n);
    if (at) {
        *at ^= 4;
        fseek(file, at - text, SEEK_SET);
        fputc(*at, file);
    }
    if (file) fclose(file);
    free(text);
    return at != NULL;
}

/* One wrong bit: an error where its block is read, also for other rows of it; elsewhere nothing. */
static void a_damaged_block_is_never_handed_out(const struct fixture *fixture) {
    char path[PATH_MAX];
    struct h5file *file;
    float row[N_COLS], want[N_COLS];
    path_in(fixture, "damaged.h5", path);
    CHECK(write_example(fixture, path, "tokenize") == STATUS_OK);
    for (int c = 0; c < N_COLS; c++) want[c] = value_at(20000, c);
    if (fixture->comm->rank == 0)
        CHECK(flip_where(path, want, sizeof want)); /* first found where "plain" has row 20000 or its like */
    MPI_Barrier(fixture->comm->handle);
    CHECK(h5file_open(&file, path, KIND_TABLE) == STATUS_OK);
    int64_t bad = 0, wrong = 0;
    for (int64_t i = 0; i < N_ROWS; i += 37) {
        int status = h5file_read(file, "plain", H5_F32, i, 1, row);
        bad += status != STATUS_OK;
        for (int c = 0; c < N_COLS && status == STATUS_OK; c++) wrong += row[c] != value_at(i, c);
    }
    CHECK(bad > 0 && bad < N_ROWS && wrong == 0);
    CHECK(h5file_verify(file, 0, 1) == STATUS_FAILED && strstr(status_message(), "plain") != NULL);
    h5file_close(file);
    struct provenance p = made_by("tokenize");
    int current = 1;
    CHECK(h5file_up_to_date(fixture->comm, path, KIND_TABLE, p.key, &current) == STATUS_OK && current == 0);
    path_in(fixture, "example.h5", path);
    CHECK(h5file_up_to_date(fixture->comm, path, KIND_TABLE, p.key, &current) == STATUS_OK && current == 1);
}

static void an_abandoned_file_leaves_the_old_one(const struct fixture *fixture) {
    char path[PATH_MAX];
    struct h5file *file;
    struct provenance p = made_by("tokenize");
    float row[N_COLS] = {0};
    path_in(fixture, "example.h5", path);
    CHECK(h5file_create(&file, fixture->comm, path, KIND_TABLE, &p, 0) == STATUS_OK);
    CHECK(h5file_write(file, "rows", H5_F32, 1, N_COLS, 0, fixture->comm->rank == 0, row, 0) == STATUS_OK);
    h5file_abandon(file);
    MPI_Barrier(fixture->comm->handle);
    check_example(path);
    CHECK(count_files(fixture->folder, "example.h5.tmp-") == 0);
}

static void one_ranks_fault_is_every_ranks_fault(const struct fixture *fixture) {
    struct h5file *file;
    struct provenance p = made_by("tokenize");
    char path[PATH_MAX];
    path_in(fixture, "example.h5/inside.h5", path); /* a file where a folder should be: seen by rank 0 alone */
    CHECK(h5file_create(&file, fixture->comm, path, KIND_TABLE, &p, 0) == STATUS_FAILED);
    CHECK(file == NULL && strstr(status_message(), "example.h5") != NULL);
    path_in(fixture, "big.h5", path);
    CHECK(h5file_create(&file, fixture->comm, path, KIND_TABLE, &p, (int64_t)1 << 60) == STATUS_FAILED);
    CHECK(strstr(status_message(), "free") != NULL && count_files(fixture->folder, "big.h5") == 0);
}

static void a_vocabulary_of_rank_0_is_read_by_all(const struct fixture *fixture) {
    static char code[2][8] = {"E11.9", "I10"}, system[2][8] = {"ICD10CM", "ICD10CM"}, relation[1][8] = {"parent"};
    int64_t description_offsets[] = {0, 8, 20}, node_offsets[] = {0, 2, 2}, edge_offsets[] = {0, 1, 1};
    int32_t listed[] = {1, 0}, nodes[] = {4, 2};
    uint16_t source[] = {0}, target[] = {1};
    uint8_t kind[] = {0};
    struct vocabulary v = {.n_codes = 2,
                           .n_codes_total = 2,
                           .n_nodes = 5,
                           .n_relations = 1,
                           .code_bytes = 8,
                           .system_bytes = 8,
                           .relation_bytes = 8,
                           .code = code[0],
                           .system = system[0],
                           .relation = relation[0],
                           .description_offsets = description_offsets,
                           .description = (char[]){"diabeteshypertension"},
                           .n_listed = listed,
                           .node_offsets = node_offsets,
                           .nodes = nodes,
                           .edge_offsets = edge_offsets,
                           .edge_source = source,
                           .edge_target = target,
                           .edge_relation = kind,
                           .graph_hops = 1,
                           .graph_max_nodes = 64};
    struct provenance p = made_by("prepare");
    char path[PATH_MAX];
    struct vocabulary back;
    path_in(fixture, "vocabulary.h5", path);
    CHECK(vocabulary_write(fixture->comm, path, fixture->comm->rank == 0 ? &v : NULL, &p) == STATUS_OK);
    CHECK(vocabulary_read(path, 1, -1, VOCABULARY_NAMES | VOCABULARY_DESCRIPTIONS | VOCABULARY_GRAPHS, &back) ==
          STATUS_OK);
    CHECK(back.n_codes == 1 && strcmp(vocabulary_code(&back, 0), "I10") == 0);
    CHECK(back.description && memcmp(back.description, "hypertension", 12) == 0);
    vocabulary_free(&back);
    const unsigned parts = VOCABULARY_NAMES | VOCABULARY_DESCRIPTIONS | VOCABULARY_GRAPHS;
    CHECK(vocabulary_pick(fixture->comm, path, (int64_t[]){1}, 1, parts, &back, STATUS_OK) == STATUS_OK);
    CHECK(back.n_codes == 1 && strcmp(vocabulary_code(&back, 0), "I10") == 0 && back.node_offsets[1] == 0);
    CHECK(back.description_offsets[1] == 12 && memcmp(back.description, "hypertension", 12) == 0);
    vocabulary_free(&back);
    CHECK(vocabulary_pick(fixture->comm, path, (int64_t[]){0, 1}, 2, parts, &back, STATUS_OK) == STATUS_OK);
    CHECK(back.n_codes == 2 && back.n_listed[0] == 1 && back.node_offsets[2] == 2 && back.nodes[1] == 2);
    CHECK(back.edge_offsets[2] == 1 && back.edge_target[0] == 1 && back.description_offsets[1] == 8);
    CHECK(strcmp(vocabulary_system(&back, 1), "ICD10CM") == 0);
    vocabulary_free(&back);
}

/* ---- a full disk ---- */
/* Bits that deflate cannot make smaller: a hash of the index. */
static int32_t noise(int64_t i) { return (int32_t)XXH32(&i, sizeof i, 1); }

/* Writes 16 MB where there is no room, in one or many datasets: the fault must come as a status, and leave nothing. */
static void fill(const struct fixture *fixture, int64_t n_rows, int n_datasets, int compress) {
    enum { COLS = 256 };
    char path[PATH_MAX], name[16];
    struct h5file *file;
    struct provenance p = made_by("encode");
    int64_t first, count;
    share_of(fixture->comm, n_rows, &first, &count);
    float *rows = calloc((size_t)(count * COLS + 1), sizeof *rows);
    for (int64_t i = 0; rows && i < count * COLS; i++) rows[i] = (float)noise(first * COLS + i);
    path_in(fixture, "full.h5", path);
    int status = h5file_create(&file, fixture->comm, path, KIND_TEXT, &p, 0);
    for (int d = 0; status == STATUS_OK && d < n_datasets; d++) {
        snprintf(name, sizeof name, "d%d", d);
        status = h5file_write(file, name, H5_F32, n_rows, COLS, first, count, rows, compress);
    }
    if (status == STATUS_OK)
        status = h5file_commit(file);
    else
        h5file_abandon(file);
    CHECK(status == STATUS_FAILED);
    CHECK(strstr(status_message(), "full.h5") != NULL && strstr(status_message(), "No space left") != NULL);
    MPI_Barrier(fixture->comm->handle);
    CHECK(count_files(fixture->folder, "full.h5") == 0);
    free(rows);
}

static void a_full_disk_is_one_message(const struct fixture *fixture) {
    fill(fixture, 16384, 1, 0);
    fill(fixture, 16384, 1, 1);
}
static void a_disk_that_fills_up_little_by_little_is_one_message(const struct fixture *fixture) {
    fill(fixture, 100, 200, 0);
    fill(fixture, 100, 200, 1);
    fill(fixture, 1, 4000, 0);
}

/* ---- running them ---- */
struct behaviour {
    const char *name;
    void (*check)(const struct fixture *fixture);
};
#define BEHAVIOUR(function)                                                                                            \
    { #function, function }

static const struct behaviour ALWAYS[] = {BEHAVIOUR(agreement_gives_every_rank_the_first_fault),
                                          BEHAVIOUR(sums_and_broadcasts_are_the_same_on_every_rank),
                                          BEHAVIOUR(rows_of_all_ranks_come_back_in_order),
                                          BEHAVIOUR(content_does_not_depend_on_the_number_of_ranks),
                                          BEHAVIOUR(rounds_with_idle_ranks_join),
                                          BEHAVIOUR(narrow_rows_are_checked_however_they_are_cut),
                                          BEHAVIOUR(a_damaged_block_is_never_handed_out),
                                          BEHAVIOUR(an_abandoned_file_leaves_the_old_one),
                                          BEHAVIOUR(one_ranks_fault_is_every_ranks_fault),
                                          BEHAVIOUR(a_vocabulary_of_rank_0_is_read_by_all),
                                          {NULL, NULL}};
static const struct behaviour FULL[] = {BEHAVIOUR(a_full_disk_is_one_message),
                                        BEHAVIOUR(a_disk_that_fills_up_little_by_little_is_one_message),
                                        {NULL, NULL}};

int main(int argc, char **argv) {
    struct comm comm;
    char made[PATH_MAX] = "";
    int full = argc == 3 && strcmp(argv[1], "--full") == 0, bad = 0;
    int status = comm_start(&comm, &argc, &argv);
    if (status == STATUS_OK && argc != 1 && !full)
        status = status_set(STATUS_USAGE, "usage: %s [--full FOLDER]", argv[0]);
    if (status == STATUS_OK && !full) status = make_folder(&comm, "store", made);
    if (status != STATUS_OK) {
        fprintf(stderr, "%s\n", status_message());
        return 2;
    }
    log_configure(comm.rank, LOG_LEVEL_WARN);
    struct fixture fixture = {&comm, full ? argv[2] : made};
    for (const struct behaviour *b = full ? FULL : ALWAYS; b->name; b++) {
        b->check(&fixture);
        bad += behaviour_failed(&comm, b->name);
    }
    if (!full && comm.rank == 0) remove_folder(made);
    comm_stop(&comm);
    return bad > 0;
}
