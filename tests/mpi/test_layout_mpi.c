/* Files that rank 0 lays out and all ranks write (store/h5layout.h), beside files that all ranks write through HDF5. */
#include "store/h5layout.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <hdf5.h>

#include "dist/row_owner.h"
#include "mpi_check.h"
#include "store/checkpoint.h"
#include "store/h5file.h"

enum { N_SETS = 4, MOST_VALUES = 80000 };
static const struct h5layout_set SETS[N_SETS] = {
    {"cut", H5_F32, 5003, 7, ROWS_OF_OWNERS, 0},   /* rows narrower than a cell of checksums */
    {"wide", H5_F32, 301, 100, ROWS_OF_OWNERS, 0}, /* rows that are cells */
    {"whole", H5_F32, 11, 3, ROWS_OF_ROOT, 0},     /* rank 0's */
    {"nothing", H5_F32, 0, 3, ROWS_OF_ROOT, 0}};

static char folder[PATH_MAX], path[PATH_MAX + 16], beside[PATH_MAX + 32];
static float values[MOST_VALUES];

/* ---- a disk that can fail ---- */
static int writes_a_part, read_fails, full_after, fsync_fails; /* full_after: writes, -1 never */
ssize_t __real_pwrite(int file, const void *from, size_t bytes, off_t offset);
int __real_fsync(int file);
ssize_t __wrap_pwrite(int file, const void *from, size_t bytes, off_t offset);
ssize_t __real_pread(int file, void *to, size_t bytes, off_t offset);
ssize_t __wrap_pread(int file, void *to, size_t bytes, off_t offset);
int __wrap_fsync(int file);

ssize_t __wrap_pread(int file, void *to, size_t bytes, off_t offset) {
    if (!read_fails) return __real_pread(file, to, bytes, offset);
    errno = EIO;
    return -1;
}

ssize_t __wrap_pwrite(int file, const void *from, size_t bytes, off_t offset) {
    static int interrupted;
    if (full_after == 0) errno = ENOSPC;
    if (full_after == 0) return -1;
    if (full_after > 0) full_after--;
    if (!writes_a_part) return __real_pwrite(file, from, bytes, offset);
    if ((interrupted = !interrupted)) errno = EINTR;
    return interrupted ? -1 : __real_pwrite(file, from, bytes > 1001 ? 1001 : bytes, offset);
}

int __wrap_fsync(int file) {
    if (!fsync_fails) return __real_fsync(file);
    errno = EIO;
    return -1;
}

static void mend_disk(void) { writes_a_part = 0, read_fails = 0, full_after = -1, fsync_fails = 0; }

static struct provenance made_by_train(void) {
    struct provenance p = {.job = "train", .config = "seed: 1\n"};
    provenance_finish(&p, KIND_CHECKPOINT);
    return p;
}

/* This rank's rows of a dataset, and their values. */
static void own_rows(const struct comm *comm, const struct h5layout_set *s, int64_t *first, int64_t *count) {
    *first = s->writer == ROWS_OF_OWNERS ? row_owner_first(s->n_rows, comm->rank, comm->size) : 0;
    *count = s->writer == ROWS_OF_OWNERS ? row_owner_first(s->n_rows, comm->rank + 1, comm->size) - *first
             : comm->rank                ? 0
                                         : s->n_rows;
    for (int64_t i = 0; i < *count * s->cols; i++) values[i] = (float)sin((double)(*first * s->cols + i));
}

/* Of the file under way; "" if there is none. */
static void temporary_name(char name[PATH_MAX]) {
    DIR *dir = opendir(folder);
    name[0] = 0;
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (strstr(e->d_name, ".tmp-medtok-")) snprintf(name, PATH_MAX, "%s", e->d_name);
    if (dir) closedir(dir);
}

static int write_own(struct h5layout *l) {
    for (int i = 0; i < N_SETS; i++) {
        int64_t first, count, half;
        own_rows(l->comm, &SETS[i], &first, &count);
        half = SETS[i].cols == 100 ? count / 3 : count; /* rows that are cells may come in parts */
        TRY(h5layout_write(l, i, first, half, values));
        TRY(h5layout_write(l, i, first + half, count - half, values + half * SETS[i].cols));
    }
    return h5layout_sync(l);
}

static int set_step(struct h5file *file, void *step) { return h5file_set_int(file, "step", *(const int64_t *)step); }

static int begin(struct h5layout *l) {
    struct provenance p = made_by_train();
    return h5layout_begin(l, path, KIND_CHECKPOINT, &p, 1 << 20, set_step, &(int64_t){12}, STATUS_OK);
}

static int count_files(void) {
    DIR *dir = opendir(folder);
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) n += e->d_name[0] != '.';
    if (dir) closedir(dir);
    return n;
}

/* To the end, on rank 0 alone what it alone does. */
static int finish(struct h5layout *l, int status) {
    TRY(h5layout_end(l, status));
    if (l->comm->rank == 0) {
        status = h5layout_complete(l);
        if (status == STATUS_OK) status = h5layout_seal(l);
        h5layout_close(l, status);
    }
    return comm_agree(l->comm, status);
}

static void write_beside(const struct comm *comm) {
    struct provenance p = made_by_train();
    struct h5file *file;
    CHECK(h5file_create(&file, comm, beside, KIND_CHECKPOINT, &p, 0) == STATUS_OK);
    CHECK(h5file_set_int(file, "step", 12) == STATUS_OK);
    for (int i = 0; i < N_SETS; i++) {
        int64_t first, count;
        own_rows(comm, &SETS[i], &first, &count);
        CHECK(h5file_write(file, SETS[i].name, H5_F32, SETS[i].n_rows, SETS[i].cols, first, count, values, 0) ==
              STATUS_OK);
    }
    CHECK(h5file_commit(file) == STATUS_OK);
}

static void check_alike(const struct comm *comm) {
    struct h5file *a, *b;
    char *id_a = NULL, *id_b = NULL;
    int64_t step, ranks;
    float back[100];
    CHECK(h5file_open(&a, path, KIND_CHECKPOINT) == STATUS_OK && h5file_open(&b, beside, KIND_CHECKPOINT) == STATUS_OK);
    CHECK(h5file_get_text(a, "content_id", &id_a) == STATUS_OK && h5file_get_text(b, "content_id", &id_b) == STATUS_OK);
    CHECK(id_a && id_b && strcmp(id_a, id_b) == 0);
    CHECK(h5file_get_int(a, "step", &step) == STATUS_OK && step == 12);
    CHECK(h5file_get_int(a, "ranks", &ranks) == STATUS_OK && ranks == comm->size);
    CHECK(h5file_verify(a, 0, 1) == STATUS_OK);
    CHECK(h5file_read(a, "wide", H5_F32, 300, 1, back) == STATUS_OK);
    for (int j = 0; j < 100; j++) CHECK(back[j] == (float)sin(300.0 * 100 + j));
    free(id_a);
    free(id_b);
    h5file_close(a);
    h5file_close(b);
}

/* That the rows of each dataset begin a page, and that the rest of their last page is empty. */
static void check_pages(void) {
    enum { PAGE = 4096 };
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    FILE *bytes = fopen(path, "rb");
    for (int i = 0; bytes && i < N_SETS; i++) {
        hid_t set = H5Dopen2(file, SETS[i].name, H5P_DEFAULT);
        int64_t at = SETS[i].n_rows ? (int64_t)H5Dget_offset(set) : 0, end = at + SETS[i].n_rows * SETS[i].cols * 4;
        CHECK(set >= 0 && at % PAGE == 0);
        CHECK(fseek(bytes, end, SEEK_SET) == 0);
        for (; end % PAGE; end++) CHECK(fgetc(bytes) <= 0);
        H5Dclose(set);
    }
    CHECK(file >= 0 && bytes && fclose(bytes) == 0);
    H5Fclose(file);
}

/* ---- behaviours ---- */
static void it_is_the_file_that_ranks_write_together(const struct comm *comm, struct h5layout *l) {
    int64_t before = comm_traffic().messages, sent = comm->size > 1;
    CHECK(begin(l) == STATUS_OK && write_own(l) == STATUS_OK);
    CHECK(comm_traffic().messages == before + sent);
    CHECK(finish(l, STATUS_OK) == STATUS_OK);
    CHECK(comm_traffic().messages == before + 3 * sent);
    write_beside(comm);
    check_alike(comm);
    CHECK(count_files() == 2); /* nothing temporary */
}

/* A client of a network file system that holds a page may write all of it, over what another wrote there. */
static void no_page_has_rows_and_what_rank_0_writes_of_the_file(const struct comm *comm, struct h5layout *l) {
    CHECK(begin(l) == STATUS_OK && finish(l, write_own(l)) == STATUS_OK);
    if (comm->size > 1 && comm->rank == 0) {
        struct stat info;
        int64_t rows = 0;
        for (int i = 0; i < N_SETS; i++) rows += SETS[i].n_rows * SETS[i].cols * 4;
        check_pages();
        CHECK(stat(path, &info) == 0);
        CHECK(info.st_size <= rows + N_SETS * CHECKPOINT_DATASET_BYTES + (1 << 15)); /* a file's own head and end */
    }
}

/* A client that still knows the name must not write into the file that had it before. */
static void each_file_has_a_name_of_its_own_while_it_is_written(const struct comm *comm, struct h5layout *l) {
    char first[PATH_MAX], second[PATH_MAX];
    for (int i = 0; i < 2; i++) {
        CHECK(begin(l) == STATUS_OK);
        temporary_name(i ? second : first);
        CHECK(finish(l, write_own(l)) == STATUS_OK);
        CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK);
    }
    CHECK(first[0] && second[0] && strcmp(first, second) != 0);
}

static void it_has_its_name_when_it_is_whole(const struct comm *comm, struct h5layout *l) {
    CHECK(begin(l) == STATUS_OK && write_own(l) == STATUS_OK);
    CHECK(access(path, F_OK) != 0);
    CHECK(h5layout_end(l, STATUS_OK) == STATUS_OK);
    CHECK(comm->rank > 0 || h5layout_complete(l) == STATUS_OK);
    CHECK(access(path, F_OK) != 0);
    CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK);
    if (comm->rank == 0) CHECK(h5layout_close(l, h5layout_seal(l)) == STATUS_OK);
    CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK);
    CHECK(access(path, F_OK) == 0);
}

static void a_rank_that_cannot_write_leaves_no_file(const struct comm *comm, struct h5layout *l) {
    int fails = comm->rank == comm->size - 1;
    CHECK(begin(l) == STATUS_OK);
    int status = write_own(l);
    CHECK(finish(l, fails ? status_set(STATUS_FAILED, "the disk is out") : status) == STATUS_FAILED);
    CHECK(strstr(status_message(), "the disk is out"));
    CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK && count_files() == 0);
    CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK);                      /* all have counted */
    CHECK(begin(l) == STATUS_OK && finish(l, write_own(l)) == STATUS_OK); /* and the next one is whole */
    write_beside(comm);
    check_alike(comm);
}

static void writes_that_take_a_part_or_are_interrupted_go_on(const struct comm *comm, struct h5layout *l) {
    CHECK(begin(l) == STATUS_OK);
    writes_a_part = 1;
    int status = write_own(l);
    mend_disk();
    CHECK(status == STATUS_OK && finish(l, status) == STATUS_OK);
    write_beside(comm);
    check_alike(comm);
}

/* `status` of writing, which failed on the last rank alone, or of a file that rank 0 could not seal. */
static void check_failed(const struct comm *comm, struct h5layout *l, int status, const char *reason) {
    CHECK(finish(l, status) == STATUS_FAILED && strstr(status_message(), reason));
    mend_disk();
    CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK && count_files() == 0);
    CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK); /* all have counted */
}

static void a_disk_that_is_full_for_one_rank_leaves_no_file(const struct comm *comm, struct h5layout *l) {
    CHECK(begin(l) == STATUS_OK);
    full_after = comm->rank == comm->size - 1 ? 1 : -1;
    check_failed(comm, l, write_own(l), "No space left on device");
}

static void what_cannot_be_made_to_last_leaves_no_file(const struct comm *comm, struct h5layout *l) {
    CHECK(begin(l) == STATUS_OK);
    fsync_fails = comm->rank == comm->size - 1;
    check_failed(comm, l, write_own(l), "Input/output error");
    CHECK(begin(l) == STATUS_OK);
    int status = write_own(l);
    fsync_fails = comm->rank == 0; /* when it seals */
    CHECK(status == STATUS_OK);
    check_failed(comm, l, status, "Input/output error");
}

static void what_rank_0_cannot_begin_fails_on_all(const struct comm *comm, struct h5layout *l) {
    struct provenance p = made_by_train();
    char nowhere[] = "/proc/nowhere/checkpoint.h5";
    CHECK(h5layout_begin(l, nowhere, KIND_CHECKPOINT, &p, 0, set_step, &(int64_t){1}, STATUS_OK) == STATUS_FAILED);
    CHECK(strstr(status_message(), "/proc/nowhere"));
    int before = comm->rank == 0 ? status_set(STATUS_FAILED, "the one before") : STATUS_OK;
    CHECK(h5layout_begin(l, path, KIND_CHECKPOINT, &p, 0, set_step, &(int64_t){1}, before) == STATUS_FAILED);
    CHECK(strstr(status_message(), "the one before") && count_files() == 0);
}

/* ---- rows that ranks cut anywhere ---- */
static const struct h5layout_set CUT_SETS[N_SETS] = {{"narrow", H5_F32, 5003, 1, ROWS_IN_ORDER, 0},
                                                     {"cut", H5_F32, 5003, 7, ROWS_IN_ORDER, 0},
                                                     {"wide", H5_F32, 301, 100, ROWS_IN_ORDER, 0},
                                                     {"few", H5_F32, 3, 1, ROWS_IN_ORDER, 0}};

/* Where the rows of a rank begin: unlike shares, some within one cell of checksums, and at `turn` 1 none for all but the last rank. */
static int64_t cut(int64_t n, int rank, int size, int turn) {
    if (rank == 0 || rank == size) return rank ? n : 0;
    return turn ? 0 : n * rank * rank / (3 * size * size) + (rank > 1);
}

static void write_cut(const struct comm *comm, struct h5layout *l, int turn) {
    struct h5layout_part parts[N_SETS];
    struct provenance p = made_by_train();
    float *at = values;
    for (int i = 0; i < N_SETS; i++) {
        int64_t n = CUT_SETS[i].n_rows, first = cut(n, comm->rank, comm->size, turn);
        int64_t count = cut(n, comm->rank + 1, comm->size, turn) - first;
        parts[i] = (struct h5layout_part){first, count, at};
        for (int64_t k = 0; k < count * CUT_SETS[i].cols; k++)
            *at++ = (float)sin((double)(first * CUT_SETS[i].cols + k));
    }
    CHECK(at <= values + MOST_VALUES);
    CHECK(h5layout_begin(l, path, KIND_CHECKPOINT, &p, 1 << 20, set_step, &(int64_t){12}, STATUS_OK) == STATUS_OK);
    int status = h5layout_write_parts(l, parts, STATUS_OK), synced = h5layout_sync(l);
    CHECK(status == STATUS_OK && synced == STATUS_OK);
    CHECK(finish(l, STATUS_OK) == STATUS_OK);
}

/* Beside it, the file that rank 0 writes alone. */
static void rows_that_ranks_cut_anywhere_are_those_of_one_rank(const struct comm *comm, struct h5layout *layout) {
    struct provenance p = made_by_train();
    struct h5layout l;
    struct h5file *file;
    (void)layout;
    CHECK(h5file_create(&file, comm, beside, KIND_CHECKPOINT, &p, 0) == STATUS_OK);
    CHECK(h5file_set_int(file, "step", 12) == STATUS_OK);
    for (int i = 0; i < N_SETS; i++) {
        int64_t n = CUT_SETS[i].n_rows, count = comm->rank ? 0 : n;
        for (int64_t k = 0; k < count * CUT_SETS[i].cols; k++) values[k] = (float)sin((double)k);
        CHECK(h5file_write(file, CUT_SETS[i].name, H5_F32, n, CUT_SETS[i].cols, 0, count, values, 0) == STATUS_OK);
    }
    CHECK(h5file_commit(file) == STATUS_OK);
    for (int turn = 0; turn < 2; turn++) {
        CHECK(h5layout_make(&l, comm, N_SETS, CUT_SETS) == STATUS_OK);
        write_cut(comm, &l, turn);
        h5layout_free(&l);
        check_alike(comm);
    }
}

static void a_rank_that_cannot_write_its_part_leaves_no_file(const struct comm *comm, struct h5layout *l) {
    struct h5layout_part parts[N_SETS];
    CHECK(begin(l) == STATUS_OK);
    for (int i = 0; i < N_SETS; i++)
        parts[i] = (struct h5layout_part){comm->rank ? SETS[i].n_rows : 0, comm->rank ? 0 : SETS[i].n_rows, values};
    full_after = comm->rank == 0 ? 1 : -1;
    int status = h5layout_write_parts(l, parts, STATUS_OK), synced = h5layout_sync(l);
    CHECK(status == STATUS_FAILED && synced == STATUS_OK);
    check_failed(comm, l, status, "No space left on device");
}

/* ---- files that grow over several runs ---- */
enum { GROWN_ROWS = 1001, GROWN_COLS = 3, GROWN_PARTS = 7, PART_ROWS = 143 };
static struct h5layout_set grown_sets[2] = {{"index", H5_F32, 5003, 1, ROWS_IN_ORDER, 0},
                                            {"rows", H5_F32, GROWN_ROWS, GROWN_COLS, ROWS_OF_ANY, 0}};

static void make_part(int part, float *rows) {
    for (int64_t k = 0; k < PART_ROWS * GROWN_COLS; k++)
        rows[k] = (float)sin((double)(part * PART_ROWS * GROWN_COLS + k));
}

/* A run, which leaves the file, or with `whole` ends it: parts below n_done are there; those of until n_parts it writes, dealt to the ranks. */
static int grow(const struct comm *comm, struct h5layout *l, int n_done, int n_parts, int whole) {
    struct provenance p = made_by_train();
    float rows[PART_ROWS * GROWN_COLS], wanted[PART_ROWS * GROWN_COLS];
    l->partial = 1;
    TRY(n_done == 0 ? h5layout_begin(l, path, KIND_CHECKPOINT, &p, 1 << 20, set_step, &(int64_t){12}, STATUS_OK)
                    : h5layout_resume(l, path, &p, &(int){0}));
    int64_t first = 5003 * comm->rank / comm->size, count = 5003 * (comm->rank + 1) / comm->size - first;
    for (int64_t k = 0; k < count; k++) values[k] = (float)(first + k);
    struct h5layout_part parts[2] = {{first, count, values}, {0, 0, NULL}};
    CHECK(h5layout_write_parts(l, parts, STATUS_OK) == STATUS_OK);
    for (int i = comm->rank; i < n_parts; i += comm->size) {
        make_part(i, wanted);
        if (i < n_done) {
            CHECK(h5layout_read(l, 1, i * PART_ROWS, PART_ROWS, rows) == STATUS_OK);
            CHECK(memcmp(rows, wanted, sizeof rows) == 0);
            CHECK(h5layout_checksum(l, 1, i * PART_ROWS, PART_ROWS, rows) ==
                  h5layout_checksum(l, 1, i * PART_ROWS, PART_ROWS, wanted));
            h5layout_count(l, 1, i * PART_ROWS, PART_ROWS, rows);
        } else {
            CHECK(h5layout_write(l, 1, i * PART_ROWS, PART_ROWS, wanted) == STATUS_OK);
        }
    }
    CHECK(h5layout_sync(l) == STATUS_OK);
    return finish(l, whole ? STATUS_OK : status_set(STATUS_INTERRUPTED, "stopped"));
}

static void check_left(const struct comm *comm) {
    char partial[PATH_MAX + 32];
    snprintf(partial, sizeof partial, "%s.partial", path);
    CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK && access(partial, F_OK) == 0);
    CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK);
}

/* Stopped twice; at its end something is in the way of the name, so that all is there and the next run ends it. */
static void a_file_of_several_runs_is_that_of_one(const struct comm *comm, struct h5layout *layout) {
    struct h5layout l;
    char *id[2] = {NULL, NULL};
    struct h5file *file;
    (void)layout;
    CHECK(h5layout_make(&l, comm, 2, grown_sets) == STATUS_OK);
    for (int turn = 0; turn < 2; turn++) {
        if (turn == 1) {
            CHECK(grow(comm, &l, 0, 2, 0) == STATUS_INTERRUPTED);
            check_left(comm);
            CHECK(grow(comm, &l, 2, 5, 0) == STATUS_INTERRUPTED);
            check_left(comm);
            if (comm->rank == 0) CHECK(unlink(path) == 0 && mkdir(path, 0777) == 0);
            CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK);
            CHECK(grow(comm, &l, 5, GROWN_PARTS, 1) == STATUS_FAILED);
            check_left(comm);
            if (comm->rank == 0) CHECK(rmdir(path) == 0);
        }
        CHECK(grow(comm, &l, turn ? GROWN_PARTS : 0, GROWN_PARTS, 1) == STATUS_OK && count_files() == 1);
        CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK); /* all have counted */
        CHECK(h5file_open(&file, path, KIND_CHECKPOINT) == STATUS_OK && h5file_verify(file, 0, 1) == STATUS_OK);
        CHECK(h5file_get_text(file, "content_id", &id[turn]) == STATUS_OK);
        h5file_close(file);
    }
    CHECK(id[0] && id[1] && strcmp(id[0], id[1]) == 0);
    free(id[0]);
    free(id[1]);
    h5layout_free(&l);
}

static void a_partial_file_of_other_sizes_is_refused_and_left(const struct comm *comm, struct h5layout *layout) {
    struct provenance p = made_by_train();
    struct h5layout l;
    int unfit = 0;
    (void)layout;
    for (int64_t more = 0; more < 2; more++) {
        grown_sets[1].n_rows = GROWN_ROWS + more;
        CHECK(h5layout_make(&l, comm, 2, grown_sets) == STATUS_OK);
        l.partial = 1;
        if (more)
            CHECK(h5layout_resume(&l, path, &p, &unfit) == STATUS_FAILED && unfit &&
                  strstr(status_message(), "rows has another"));
        if (!more) CHECK(grow(comm, &l, 0, 1, 0) == STATUS_INTERRUPTED);
        check_left(comm);
        h5layout_free(&l);
    }
    grown_sets[1].n_rows = GROWN_ROWS;
    snprintf(beside, sizeof beside, "%s.partial", path); /* goes with the behaviour's files */
}

/* `path`.partial cannot be resumed: for what is in it (1), or for something else (0). */
static void check_refused(const struct comm *comm, struct h5layout *l, int is_unfit, const char *why) {
    struct provenance p = made_by_train();
    int unfit = !is_unfit;
    CHECK(h5layout_resume(l, path, &p, &unfit) == STATUS_FAILED && unfit == is_unfit && strstr(status_message(), why));
    CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK);
}

/* So that what is finished is thrown away for the file's own faults alone. */
static void a_fault_that_passes_is_told_from_an_unfit_file(const struct comm *comm, struct h5layout *layout) {
    struct provenance p = made_by_train();
    struct h5layout l;
    struct rlimit files, none;
    float rows[PART_ROWS * GROWN_COLS];
    int root = comm->rank == 0, unfit;
    (void)layout;
    snprintf(beside, sizeof beside, "%s.partial", path); /* goes with the behaviour's files */
    CHECK(h5layout_make(&l, comm, 2, grown_sets) == STATUS_OK);
    l.partial = 1;
    check_refused(comm, &l, 1, "No such file");
    CHECK(grow(comm, &l, 0, 2, 0) == STATUS_INTERRUPTED);
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    int next = dup(0);
    CHECK(next >= 0 && close(next) == 0);
    none = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = files.rlim_max}; /* no more than are open */
    if (root) CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    int status = h5layout_resume(&l, path, &p, &unfit);
    if (root) CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
    CHECK(status == STATUS_FAILED && !unfit && strstr(status_message(), "Too many open files"));
    CHECK(h5layout_resume(&l, path, &p, &unfit) == STATUS_OK);
    read_fails = 1;
    status = h5layout_read(&l, 1, 0, PART_ROWS, rows);
    mend_disk();
    CHECK(status == STATUS_FAILED && strstr(status_message(), "Input/output error"));
    CHECK(h5layout_read(&l, 1, 0, PART_ROWS, rows) == STATUS_OK && rows[1] == (float)sin(1));
    CHECK(h5layout_sync(&l) == STATUS_OK &&
          finish(&l, status_set(STATUS_INTERRUPTED, "stopped")) == STATUS_INTERRUPTED);
    if (root) CHECK(truncate(beside, 2000) == 0);
    check_refused(comm, &l, 1, "cannot go on with it");
    if (root) CHECK(unlink(beside) == 0 && mkdir(beside, 0777) == 0);
    CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK);
    check_refused(comm, &l, 0, "cannot go on with it");
    if (root) CHECK(rmdir(beside) == 0);
    h5layout_free(&l);
}

#define BEHAVIOUR(name)                                                                                                \
    { #name, name }

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*check)(const struct comm *comm, struct h5layout *layout);
    } BEHAVIOURS[] = {BEHAVIOUR(it_is_the_file_that_ranks_write_together),
                      BEHAVIOUR(it_has_its_name_when_it_is_whole),
                      BEHAVIOUR(no_page_has_rows_and_what_rank_0_writes_of_the_file),
                      BEHAVIOUR(each_file_has_a_name_of_its_own_while_it_is_written),
                      BEHAVIOUR(writes_that_take_a_part_or_are_interrupted_go_on),
                      BEHAVIOUR(a_disk_that_is_full_for_one_rank_leaves_no_file),
                      BEHAVIOUR(what_cannot_be_made_to_last_leaves_no_file),
                      BEHAVIOUR(a_rank_that_cannot_write_leaves_no_file),
                      BEHAVIOUR(rows_that_ranks_cut_anywhere_are_those_of_one_rank),
                      BEHAVIOUR(a_rank_that_cannot_write_its_part_leaves_no_file),
                      BEHAVIOUR(what_rank_0_cannot_begin_fails_on_all),
                      BEHAVIOUR(a_file_of_several_runs_is_that_of_one),
                      BEHAVIOUR(a_partial_file_of_other_sizes_is_refused_and_left),
                      BEHAVIOUR(a_fault_that_passes_is_told_from_an_unfit_file)};
    struct comm comm;
    struct h5layout layout;
    int bad = 0, status = comm_start(&comm, &argc, &argv);
    if (status == STATUS_OK) status = make_folder(&comm, "layout", folder);
    if (status != STATUS_OK) {
        fprintf(stderr, "%s\n", status_message());
        return 2;
    }
    log_configure(comm.rank, LOG_LEVEL_WARN);
    snprintf(path, sizeof path, "%s/laid.h5", folder);
    snprintf(beside, sizeof beside, "%s/beside.h5", folder);
    mend_disk();
    CHECK(h5layout_make(&layout, &comm, N_SETS, SETS) == STATUS_OK);
    for (size_t b = 0; b < sizeof BEHAVIOURS / sizeof *BEHAVIOURS; b++) {
        BEHAVIOURS[b].check(&comm, &layout);
        CHECK(comm_agree(&comm, STATUS_OK) == STATUS_OK);
        if (comm.rank == 0) unlink(path), unlink(beside);
        CHECK(comm_agree(&comm, STATUS_OK) == STATUS_OK);
        bad += behaviour_failed(&comm, BEHAVIOURS[b].name);
    }
    h5layout_free(&layout);
    if (comm.rank == 0) remove_folder(folder);
    comm_stop(&comm);
    return bad > 0;
}
