/* For LD_PRELOAD: how much memory a rank holds at most, and how much it reads from files, by the stages that the program names (MPI_Pcontrol, see
 * src/dist/stages.c). Memory is what malloc and its kin have given away, to the program and the libraries below it, and windows, and what ranks of a node share,
 * over what it was when MPI had started: unlike the resident size it is the same from run to run, whatever shares the machine. It is looked at behind each
 * request of 64 KiB and more, and where stages begin.
 *
 * At MPI_Finalize rank r writes the file MEMORY.r: `stage <tab> peak <tab> read` a line, both in bytes; the stage "all" is the whole run. */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <mpi.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc's own names of what is wrapped below. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

enum { MOST_STAGES = 32, NAME_BYTES = 32, ALL = 0, LARGE = 1 << 16 };

static struct stage {
    char name[NAME_BYTES];
    _Atomic long long peak, read;
} stages[MOST_STAGES] = {{.name = "all"}, {.name = "other"}};
static int n_stages = 2, running = 1;
static long long at_start, windows;

/* ---- memory ---- */
static void raise_peak(struct stage *s, long long now) {
    long long peak = atomic_load(&s->peak);
    while (now > peak && !atomic_compare_exchange_weak(&s->peak, &peak, now)) continue;
}

/* A block that malloc takes from the system by itself counts with what alignment leaves unused of it, which is never touched. */
__attribute__((constructor)) static void keep_one_heap(void) { mallopt(M_MMAP_MAX, 0); }

static long long held(void) {
    struct mallinfo2 m = mallinfo2();
    return (long long)m.uordblks + windows;
}

static void look(void) {
    long long now = held();
    raise_peak(&stages[ALL], now);
    raise_peak(&stages[running], now);
}

static void *seen(void *block, size_t size) {
    if (size >= LARGE) look();
    return block;
}

void *malloc(size_t size) { return seen(__libc_malloc(size), size); }
void *calloc(size_t n, size_t size) { return seen(__libc_calloc(n, size), n * size); }
void *realloc(void *block, size_t size) { return seen(__libc_realloc(block, size), size); }
void *memalign(size_t alignment, size_t size) { return seen(__libc_memalign(alignment, size), size); }
void *aligned_alloc(size_t alignment, size_t size) { return seen(__libc_memalign(alignment, size), size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
    void *made = __libc_memalign(alignment, size);
    if (!made && size) return ENOMEM;
    *block = seen(made, size);
    return 0;
}

/* ---- files ---- */
static ssize_t count_read(ssize_t n) {
    if (n > 0) atomic_fetch_add(&stages[ALL].read, n);
    if (n > 0) atomic_fetch_add(&stages[running].read, n);
    return n;
}

ssize_t read(int file, void *to, size_t n) { return count_read(syscall(SYS_read, file, to, n)); }
ssize_t pread(int file, void *to, size_t n, off_t at) { return count_read(syscall(SYS_pread64, file, to, n, at)); }
ssize_t pread64(int file, void *to, size_t n, off_t at) { return count_read(syscall(SYS_pread64, file, to, n, at)); }

/* ---- MPI ---- */
static int outer = 1;

static void enter(const char *name) {
    int i = 0;
    while (i < n_stages && strcmp(stages[i].name, name) != 0) i++;
    if (i == MOST_STAGES) return;
    if (i == n_stages) snprintf(stages[n_stages++].name, NAME_BYTES, "%s", name);
    outer = running;
    running = i;
    look();
}

int MPI_Pcontrol(const int level, ...) {
    va_list arguments;
    va_start(arguments, level);
    if (level == 1)
        enter(va_arg(arguments, const char *));
    else if (level == -1)
        running = outer, outer = 1;
    va_end(arguments);
    return MPI_SUCCESS;
}

int MPI_Init_thread(int *argc, char ***argv, int required, int *provided) {
    int code = PMPI_Init_thread(argc, argv, required, provided);
    at_start = held();
    for (int i = 0; i < n_stages; i++) atomic_store(&stages[i].peak, at_start), atomic_store(&stages[i].read, 0);
    return code;
}

/* A window's memory may be shared between processes, which is not malloc's. It is held to the end. */
int MPI_Win_allocate(MPI_Aint size, int unit, MPI_Info info, MPI_Comm comm, void *at, MPI_Win *window) {
    windows += size;
    look();
    return PMPI_Win_allocate(size, unit, info, comm, at, window);
}

static int is_of_node(int file) {
    char path[64], target[64] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return readlink(path, target, sizeof target - 1) > 0 && strstr(target, "/memfd:medtok-ranks");
}

/* Likewise what ranks of a node share: each has its own part of it made, or is told that there is no room. */
int posix_fallocate(int file, off_t at, off_t bytes) {
    static int (*made)(int, off_t, off_t);
    if (!made) *(void **)&made = dlsym(RTLD_NEXT, "posix_fallocate");
    int error = made(file, at, bytes);
    if (!error && is_of_node(file)) windows += bytes;
    look();
    return error;
}

int MPI_Finalize(void) {
    const char *name = getenv("MEMORY");
    char path[4096];
    int rank = 0, known = n_stages;
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    snprintf(path, sizeof path, "%s.%d", name ? name : "memory", rank);
    FILE *out = fopen(path, "w");
    for (int i = 0; out && i < known; i++)
        fprintf(out, "%s\t%lld\t%lld\n", stages[i].name, atomic_load(&stages[i].peak) - at_start,
                atomic_load(&stages[i].read));
    if (out) fclose(out);
    return PMPI_Finalize();
}
