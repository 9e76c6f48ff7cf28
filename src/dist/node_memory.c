/* The memory has no name that could stay behind: the first rank of a node makes it, and the others open what that one holds. */
#include "dist/node_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/status.h"

static const char NAME[] = "medtok-ranks";
enum { PAGE = 4096, APART = 128 /* bytes: no two ranks write to one line of a cache */ };

/* The last turn in which a rank has done each step. */
struct node_turns {
    _Atomic uint64_t done[N_NODE_STEPS];
    char apart[APART - N_NODE_STEPS * sizeof(uint64_t)];
};

/* ---- why not ---- */
/* Why a rank cannot share, with errno below; the largest is said. Who has no neighbour misses nothing. */
enum lack { LACK_NEIGHBOUR, LACK_ROOM, LACK_SIGHT, LACK_FILE };

void node_memory_say_apart(const char *format, ...) {
    static int said;
    char why[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    if (!said) log_info("ranks of a node do not share memory, what they sum goes by MPI: %s", why);
    said = 1;
}

static int64_t lack_of(enum lack lack, int error) { return (int64_t)lack << 32 | error; }

static void say_lack(int64_t lack, size_t bytes) {
    const char *error = strerror((int)(lack & 0xffffffff));
    switch ((enum lack)(lack >> 32)) {
        case LACK_FILE: node_memory_say_apart("memfd_create or ftruncate: %s", error); break;
        case LACK_SIGHT:
            node_memory_say_apart("a rank cannot open what another one holds in /proc/PID/fd: %s", error);
            break;
        case LACK_NEIGHBOUR: break;
        default: node_memory_say_apart("a node lacks %.1f MB of memory: %s", (double)bytes / 1e6, error);
    }
}

/* ---- open and close ---- */
struct held_file {
    int64_t process, file; /* of the rank that holds it; file -1: there is none */
};

static size_t header_bytes(const struct node_memory *m) {
    return ((size_t)m->n_ranks * sizeof(struct node_turns) + PAGE - 1) / PAGE * PAGE;
}

static int create(size_t bytes) {
    int file = memfd_create(NAME, MFD_CLOEXEC);
    if (file >= 0 && ftruncate(file, (off_t)bytes) == 0) return file;
    if (file >= 0) close(file);
    return -1;
}

/* What another process holds, or -1 and errno, if it is what that one made: ranks in containers may each number processes in a way of their own. */
static int open_held(struct held_file held, size_t bytes) {
    char path[64], target[64] = "";
    struct stat info;
    snprintf(path, sizeof path, "/proc/%lld/fd/%lld", (long long)held.process, (long long)held.file);
    if (readlink(path, target, sizeof target - 1) < 0) return -1;
    errno = ENOENT;
    if (!strstr(target, NAME)) return -1;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0 || (fstat(file, &info) == 0 && info.st_size == (off_t)bytes)) return file;
    close(file);
    errno = ENOENT;
    return -1;
}

/* Each rank has the pages of its own values made, near its core; a node that lacks memory says so here. Returns what is lacking, or 0. */
static int64_t map(struct node_memory *m, int file) {
    size_t header = header_bytes(m), own = (size_t)m->stride * sizeof(real);
    off_t at = (off_t)(header + (size_t)m->rank * own);
    int error = posix_fallocate(file, at, (off_t)own);
    if (!error && m->rank == 0) error = posix_fallocate(file, 0, (off_t)header);
    if (error) return lack_of(LACK_ROOM, error);
    void *memory = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) return lack_of(LACK_ROOM, errno);
    m->turns = memory;
    m->values = (real *)(void *)((char *)memory + header);
    return 0;
}

/* The file of the node, or -1; *lack as of map. */
static int get_file(const struct node_memory *m, MPI_Comm node, int *file, int64_t *lack) {
    struct held_file held = {getpid(), -1};
    *file = -1;
    *lack = 0;
    if (m->rank == 0) *file = (int)(held.file = create(m->bytes));
    if (m->rank == 0 && *file < 0) *lack = lack_of(LACK_FILE, errno);
    TRY(comm_status(MPI_Bcast(&held, sizeof held, MPI_BYTE, 0, node), "sharing memory"));
    if (m->rank == 0 || held.file < 0) return STATUS_OK;
    *file = open_held(held, m->bytes);
    if (*file < 0) *lack = lack_of(LACK_SIGHT, errno);
    return STATUS_OK;
}

int node_memory_open(struct node_memory *m, const struct comm *comm, MPI_Comm node, int64_t count) {
    int64_t lack = lack_of(LACK_NEIGHBOUR, 1);
    int file = -1, status = STATUS_OK;
    *m = (struct node_memory){.stride = (count + PAGE) / PAGE * PAGE};
    MPI_Comm_rank(node, &m->rank);
    MPI_Comm_size(node, &m->n_ranks);
    m->bytes = header_bytes(m) + (size_t)m->n_ranks * (size_t)m->stride * sizeof(real);
    if (m->n_ranks > 1) status = get_file(m, node, &file, &lack);
    if (file >= 0) lack = map(m, file);
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = comm_max_int64(comm, &lack, 1);
    if (file >= 0) close(file); /* by all: behind the sum they have opened it */
    if (status == STATUS_OK && lack) say_lack(lack, m->bytes);
    if (status != STATUS_OK || lack) node_memory_close(m);
    return status;
}

int node_memory_open_all(struct node_memory *m, const struct comm *comm, int64_t count) {
    MPI_Comm node = MPI_COMM_NULL;
    *m = (struct node_memory){0};
    if (comm->size == 1) return STATUS_OK;
    int code = MPI_Comm_split_type(comm->handle, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &node);
    int64_t apart = comm->local_size != comm->size;
    int status = comm_agree(comm, comm_status(code, "finding the node"));
    if (status == STATUS_OK) status = comm_max_int64(comm, &apart, 1);
    if (status == STATUS_OK && !apart) status = node_memory_open(m, comm, node, count);
    if (node != MPI_COMM_NULL) MPI_Comm_free(&node);
    return status;
}

void node_memory_close(struct node_memory *m) {
    if (m->turns) munmap(m->turns, m->bytes);
    *m = (struct node_memory){0};
}

/* ---- turns ---- */
void node_memory_reach(struct node_memory *m, enum node_step step) {
    atomic_store_explicit(&m->turns[m->rank].done[step], m->turn, memory_order_release);
}

static int await(const struct node_memory *m, enum node_step step, uint64_t turn) {
    for (int r = 0; r < m->n_ranks; r++)
        while (atomic_load_explicit(&m->turns[r].done[step], memory_order_acquire) < turn) {
            TRY(comm_progress());
            sched_yield();
        }
    return STATUS_OK;
}

int node_memory_await(const struct node_memory *m, const struct comm *comm, enum node_step step) {
    return COMM_WAITED(comm, await(m, step, m->turn));
}

real *node_memory_values(const struct node_memory *m, int rank) { return m->values + rank * m->stride; }

real *node_memory_begin(struct node_memory *m, const struct comm *comm) {
    (void)node_memory_await(m, comm,
                            NODE_TAKEN); /* who is gone is missed again when the others' values are waited for */
    m->turn++;
    return node_memory_values(m, m->rank);
}

void node_memory_offer(struct node_memory *m, const struct comm *comm, int64_t n) {
    COMM_COUNTED(comm, n * (int64_t)sizeof(real), (node_memory_reach(m, NODE_OFFERED), MPI_SUCCESS));
}

int node_memory_wait(const struct node_memory *m, const struct comm *comm) {
    return node_memory_await(m, comm, NODE_OFFERED);
}

void node_memory_end(struct node_memory *m) { node_memory_reach(m, NODE_TAKEN); }
