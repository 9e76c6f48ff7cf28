/* How ranks were started, and what their nodes give them. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/format.h"
#include "base/python.h"
#include "base/status.h"
#include "base/string_list.h"
#include "dist/graph_partition.h"
#include "dist/work_counter.h"
#include "doctor_checks.h"

#define MIB ((int64_t)1 << 20)

static int environment_number(const char *name) {
    const char *value = getenv(name);
    return value ? atoi(value) : 0;
}

/* ---- launch ---- */
static const char *level_name(int level) {
    return level == MPI_THREAD_MULTIPLE     ? "multiple"
           : level == MPI_THREAD_SERIALIZED ? "serialized"
           : level == MPI_THREAD_FUNNELED   ? "funneled"
                                            : "single";
}

int examine_launch(struct examination *x) {
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    const struct comm *c = x->comm;
    int n, level, tasks = environment_number("SLURM_NTASKS");
    int64_t nodes = c->local_rank == 0;
    TRY(comm_sum_int64(c, &nodes, 1));
    MPI_Get_library_version(library, &n);
    library[strcspn(library, "\n,")] = 0;
    MPI_Query_thread(&level);
    if (level < MPI_THREAD_FUNNELED)
        return status_set(
            STATUS_FAILED,
            "%s gives the thread level \"single\", but ranks have threads: use an MPI that was built with "
            "threads (funneled or more)",
            library);
    if (c->size == 1 && tasks > 1 && !getenv("SLURM_STEP_ID"))
        return status_set(STATUS_FAILED,
                          "this SLURM job has %d tasks, but one process was started: start it with `srun --mpi=pmix "
                          "medtok ...` (site.srun)",
                          tasks);
    if (getenv("SLURM_STEP_NUM_NODES") && environment_number("SLURM_STEP_NUM_NODES") > nodes)
        return status_set(STATUS_FAILED,
                          "the step has %d nodes, but the ranks see %lld: containers or nodes that share a host name; "
                          "ranks that cannot share memory must not think so",
                          environment_number("SLURM_STEP_NUM_NODES"), (long long)nodes);
    snprintf(x->fine, sizeof x->fine, "%d rank(s) on %lld node(s), %.100s, thread level %s", c->size, (long long)nodes,
             library, level_name(level));
    return STATUS_OK;
}

/* The ranks of evaluate and of cohort take their work from a number on rank 0. */
int examine_one_sided(struct examination *x) {
    struct work_counter counter = {.own = 0};
    int64_t sum = 0, size = x->comm->size;
    int status = work_counter_open(&counter, x->comm);
    if (status == STATUS_OK) status = comm_agree(x->comm, work_counter_take(&counter, &sum));
    if (status == STATUS_OK) status = comm_sum_int64(x->comm, &sum, 1);
    work_counter_close(&counter);
    if (status == STATUS_OK && sum != size * (size - 1) / 2)
        status = status_set(STATUS_FAILED, "ranks that take a number each got the same");
    if (status != STATUS_OK)
        return status_set(STATUS_FAILED,
                          "%.2000s: one-sided MPI does not work between these ranks, by which evaluate deals out its "
                          "trainings: choose another way, export OMPI_MCA_osc=pt2pt (or ^ucx, ^sm)",
                          status_message());
    snprintf(x->fine, sizeof x->fine, "%lld rank(s) took a number each from rank 0", (long long)size);
    return STATUS_OK;
}

/* ---- cores ---- */
int examine_cores(struct examination *x) {
    const struct comm *c = x->comm;
    int own, of_node, there = (int)sysconf(_SC_NPROCESSORS_ONLN);
    TRY(comm_cores(c, &own, &of_node));
    x->threads = x->config->run.threads > 0 ? (int)x->config->run.threads : comm_threads(c, 0);
    if (c->local_size > of_node)
        return status_set(STATUS_FAILED,
                          "%d ranks of this node share %d core(s): start fewer (site.tasks), or ask for more "
                          "(site.cpus, srun --cpus-per-task)",
                          c->local_size, of_node);
    if (x->threads > own || (int64_t)x->threads * c->local_size > of_node)
        return status_set(
            STATUS_FAILED,
            "threads are oversubscribed: %d rank(s) of this node with %d thread(s) each, but they may use "
            "%d core(s), this one %d: leave run.threads at 0, give a task more cores (site.cpus; srun "
            "--cpus-per-task; mpirun --map-by slot:PE=%d), or bind to none",
            c->local_size, x->threads, of_node, own, x->threads);
    snprintf(x->fine, sizeof x->fine,
             "%d thread(s) a rank, which may use %d core(s); the ranks of a node %d, of %d that there are%s",
             x->threads, own, of_node, there,
             2 * of_node <= there ? ": more than half of the node is left idle, if nobody else has it" : "");
    return STATUS_OK;
}

/* ---- memory and limits ---- */
/* A number from a file of the kernel behind `key` (NULL: the whole); -1: there is none, or it is "max". */
static int64_t kernel_number(const char *path, const char *key) {
    char line[256];
    long long value = -1;
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    while (value < 0 && fgets(line, sizeof line, file))
        if (!key || strncmp(line, key, strlen(key)) == 0)
            if (sscanf(line + (key ? strlen(key) : 0), "%lld", &value) != 1) break;
    fclose(file);
    return value;
}

/* What SLURM or a container lets this process have, by the nearest limit of its control group; -1: none. */
static int64_t group_limit(void) {
    char line[1024] = "", path[1200];
    int64_t limit = -1;
    FILE *file = fopen("/proc/self/cgroup", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "0::", 3) == 0) break;
    if (file) fclose(file);
    line[strcspn(line, "\n")] = 0;
    while (strncmp(line, "0::/", 4) == 0 && limit < 0) { /* the group, and those above it */
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", line + 3);
        limit = kernel_number(path, NULL);
        char *slash = strrchr(line + 3, '/');
        if (slash == line + 3) break;
        *slash = 0;
    }
    return limit;
}

int examine_memory(struct examination *x) {
    enum { LEAST = 512 }; /* MiB a rank: the sample's training takes a third of it */
    int64_t available = kernel_number("/proc/meminfo", "MemAvailable:"), limit = group_limit();
    struct rlimit space;
    char text[32];
    if (available > 0) available *= 1024;
    if (limit > 0 && (available < 0 || limit < available)) available = limit;
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
        return status_set(
            STATUS_FAILED,
            "the address space is limited to %s (ulimit -v), which libraries of GPUs and MPI pass without "
            "using memory: ulimit -v unlimited",
            format_bytes((int64_t)space.rlim_cur, text, sizeof text));
    int64_t share = available / x->comm->local_size;
    format_bytes(share, text, sizeof text);
    if (available > 0 && share < LEAST * MIB)
        return status_set(STATUS_FAILED,
                          "%s of memory for each of the %d rank(s) of this node: ask for more (site.memory; "
                          "sbatch --mem), or start fewer ranks a node",
                          text, x->comm->local_size);
    snprintf(x->fine, sizeof x->fine, available > 0 ? "%s a rank%s" : "not known%.0s%s", text,
             limit > 0 ? ", by the limit of its control group" : "");
    return STATUS_OK;
}

int examine_limits(struct examination *x) {
    enum { FILES = 256, STACK = 1, SHARED = 64 }; /* MiB: of a thread's stack, and of shared memory a node */
    struct rlimit files, stack, locked;
    struct statvfs shared;
    char text[32];
    getrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_STACK, &stack);
    getrlimit(RLIMIT_MEMLOCK, &locked);
    if (files.rlim_cur < FILES)
        return status_set(STATUS_FAILED, "a process may open %lld files (ulimit -n): set it to 1024 or more",
                          (long long)files.rlim_cur);
    if (stack.rlim_cur != RLIM_INFINITY && (int64_t)stack.rlim_cur < STACK * MIB)
        return status_set(STATUS_FAILED, "stacks have %s (ulimit -s): set it to 8192 kB",
                          format_bytes((int64_t)stack.rlim_cur, text, sizeof text));
    if (access("/sys/class/infiniband", F_OK) == 0 && locked.rlim_cur != RLIM_INFINITY &&
        (int64_t)locked.rlim_cur < 64 * MIB)
        return status_set(
            STATUS_FAILED,
            "%s may be locked in memory (ulimit -l), too little for InfiniBand: unlimited is usual; SLURM "
            "hands on the login node's limits, unless PropagateResourceLimitsExcept=MEMLOCK",
            format_bytes((int64_t)locked.rlim_cur, text, sizeof text));
    if (x->comm->local_size > 1 && statvfs("/dev/shm", &shared) == 0 &&
        (double)shared.f_blocks * (double)shared.f_frsize < SHARED * (double)MIB)
        return status_set(STATUS_FAILED,
                          "/dev/shm has %s, by which the ranks of a node talk: give the container more (docker "
                          "--shm-size=1g), or export OMPI_MCA_btl=self,tcp",
                          format_bytes((int64_t)(shared.f_blocks * shared.f_frsize), text, sizeof text));
    snprintf(x->fine, sizeof x->fine, "%lld open files, stacks of %s", (long long)files.rlim_cur,
             stack.rlim_cur == RLIM_INFINITY ? "any size" : format_bytes((int64_t)stack.rlim_cur, text, sizeof text));
    return STATUS_OK;
}

/* ---- locale and Python ---- */
int examine_locale(struct examination *x) {
    const char *all = getenv("LC_ALL"), *lang = getenv("LANG"), *set = all && all[0] ? all : lang ? lang : "";
    int known = setlocale(LC_ALL, "") != NULL;
    setlocale(LC_ALL, "C"); /* numbers are written with a point, whatever the user's is */
    if (!known)
        return status_set(STATUS_FAILED,
                          "the locale %s is not installed on this node: programs beside this one warn, and Python may "
                          "refuse UTF-8: export LC_ALL=C.UTF-8",
                          set);
    snprintf(x->fine, sizeof x->fine, "%.100s", set[0] ? set : "C, since none is set");
    return STATUS_OK;
}

static int ask_pyarrow(char version[64]) {
    static const char TEXT[] =
        "import sys\n"
        "try: import pyarrow\n"
        "except ImportError: sys.exit(1)\n"
        "sys.stdout.write(pyarrow.__version__)\n";
    struct python python;
    struct string_list none = {0, NULL};
    size_t used = 0;
    ssize_t n = 0;
    TRY(python_start(&python, "", "cohort.python", TEXT, &none));
    while (used < 63 && (n = recv(python.socket, version + used, 63 - used, 0)) > 0) used += (size_t)n;
    version[used] = 0;
    return python_finish(&python);
}

int examine_python(struct examination *x) {
    const char *python = getenv("PYTHON");
    char version[64] = "";
    if (x->comm->rank != 0) return STATUS_OK;
    if (ask_pyarrow(version) != STATUS_OK)
        return status_set(
            STATUS_FAILED,
            "%s has no pyarrow, without which Parquet is neither read nor written (all else works): `python3 "
            "-m venv V && V/bin/pip install pyarrow`, and PYTHON=V/bin/python in the environment",
            python && python[0] ? python : "python3");
    snprintf(x->fine, sizeof x->fine, "pyarrow %s, for Parquet", version);
    return STATUS_OK;
}

/* ---- METIS ---- */
int examine_metis(struct examination *x) {
    TRY(graph_partition_check("train.partition: graph"));
    snprintf(x->fine, sizeof x->fine, "%s, for train.partition: graph", graph_partition_version());
    return STATUS_OK;
}
