/* NCCL between processes of one machine: sums in the order of the ranks, through memory that all of them map. A sum runs when its stream's
 * turn comes, as late as may be (runtime.cpp); its values are looked at as soon as it may begin, and the program stops if they are
 * others when it does.
 *
 * The memory has no name: it is a file descriptor of the process that made the id, which others open by /proc; so nothing is left behind, however the
 * processes end. Each process holds a lock of its own for as long as it is in the group, by which others see that it is gone. */
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <vector>

#include "cuda/nccl_library.h"
#include "nccl.h"

struct emulated_group;

namespace {

enum { MOST_RANKS = 16, PART_BYTES = 1 << 18 };

struct shared_memory {
    std::atomic<int> n_joined, n_connecting, n_aborted, n_waiting;
    std::atomic<unsigned> n_barriers;
    std::atomic<int> is_here[MOST_RANKS];
    std::atomic<size_t> count[MOST_RANKS]; /* of the sum that is under way */
    pthread_mutex_t held[MOST_RANKS];
    alignas(64) char parts[MOST_RANKS][PART_BYTES];
};

int id_file = -1;
std::vector<emulated_group *> aborted; /* what is queued may name them */

/* What the environment has in MEDTOK_EMULATION_NCCL: see emulation.h. */
bool environment_says(const char *word, int rank = -1) {
    const char *value = getenv("MEDTOK_EMULATION_NCCL");
    char wanted[32];
    snprintf(wanted, sizeof wanted, rank < 0 ? "%s" : "%s:%d", word, rank);
    return value && strcmp(value, wanted) == 0;
}

uint64_t checksum(const void *values, size_t bytes) {
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < bytes; i++) sum = (sum ^ static_cast<const unsigned char *>(values)[i]) * 1099511628211u;
    return sum;
}

}  // namespace

struct emulated_group {
    shared_memory *shared;
    int rank, size;
    bool is_lost; /* another process is gone */
    enum { AT_ONCE, LATE, CONNECTING } connects; /* late: in the first sum, when all have begun it */
};

namespace {

/* A lock that can be had is that of a process that has left, or has ended. */
bool is_gone(shared_memory *shared, int rank) {
    if (!shared->is_here[rank]) return false;
    int code = pthread_mutex_trylock(&shared->held[rank]);
    if (code == EBUSY) return false;
    if (code == 0 || code == EOWNERDEAD) pthread_mutex_unlock(&shared->held[rank]);
    return true;
}

bool any_is_gone(emulated_group *group) {
    for (int r = 0; r < group->size && !group->is_lost; r++)
        group->is_lost = r != group->rank && is_gone(group->shared, r);
    return group->is_lost;
}

/* Whether all came. */
bool barrier(emulated_group *group) {
    shared_memory *shared = group->shared;
    unsigned number = shared->n_barriers;
    if (++shared->n_waiting == group->size) {
        shared->n_waiting = 0;
        shared->n_barriers++;
        return true;
    }
    while (shared->n_barriers == number) {
        if (any_is_gone(group)) return shared->n_barriers != number;
        sched_yield();
    }
    return true;
}

template <typename T>
void add_parts(emulated_group *group, char *values, size_t n) {
    T *sum = reinterpret_cast<T *>(values);
    for (size_t i = 0; i < n; i++) sum[i] = 0;
    for (int r = 0; r < group->size; r++) {
        const T *part = reinterpret_cast<const T *>(group->shared->parts[r]);
        for (size_t i = 0; i < n; i++) sum[i] += part[i];
    }
}

void sum_now(emulated_group *group, char *values, size_t count, size_t size) {
    group->shared->count[group->rank] = count;
    if (!barrier(group)) return;
    for (int r = 0; r < group->size; r++)
        if (group->shared->count[r] != count) emulation_fail("processes sum %zu and %zu values", count, +group->shared->count[r]);
    for (size_t at = 0; at < count * size; at += PART_BYTES) {
        size_t bytes = std::min<size_t>(PART_BYTES, count * size - at);
        memcpy(group->shared->parts[group->rank], values + at, bytes);
        if (!barrier(group)) return;
        if (size == sizeof(float))
            add_parts<float>(group, values + at, bytes / size);
        else
            add_parts<double>(group, values + at, bytes / size);
        if (!barrier(group)) return;
    }
}

/* The lock is there before others look at it. */
void hold(emulated_group *group) {
    pthread_mutexattr_t kind;
    pthread_mutex_t *held = &group->shared->held[group->rank];
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(held, &kind);
    pthread_mutex_lock(held);
    group->shared->is_here[group->rank] = 1;
    group->shared->n_joined++;
}

}  // namespace

const char *nccl_why_missing(void) {
    return environment_says("none") ? "libnccl.so.2: cannot open shared object file: No such file or directory" : NULL;
}

ncclResult_t ncclGetVersion(int *version) {
    *version = 22809;
    return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
    if (id_file >= 0) close(id_file);
    id_file = memfd_create("emulated-nccl", MFD_CLOEXEC);
    if (id_file < 0 || ftruncate(id_file, sizeof(shared_memory))) return ncclSystemError;
    snprintf(id->internal, sizeof id->internal, "/proc/%ld/fd/%d", (long)getpid(), id_file);
    return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int n_ranks, ncclUniqueId id, int rank, ncclConfig_t *config) {
    if (config->blocking) emulation_fail("a communicator that blocks: a process that cannot join would hold up the others");
    if (n_ranks > MOST_RANKS) return ncclInvalidArgument;
    if (environment_says("refuse", rank)) return ncclSystemError;
    int file = open(id.internal, O_RDWR | O_CLOEXEC);
    if (file < 0) return ncclSystemError;
    void *memory = mmap(nullptr, sizeof(shared_memory), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) return ncclSystemError;
    const char *late = getenv("NCCL_RUNTIME_CONNECT");
    bool at_once = late && strcmp(late, "0") == 0;
    *comm = new emulated_group{static_cast<shared_memory *>(memory), rank, n_ranks, false,
                               at_once ? emulated_group::AT_ONCE : emulated_group::LATE};
    hold(*comm);
    return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *error) {
    bool all = comm->shared->n_joined >= comm->size;
    if (all && environment_says("lose", comm->rank)) {
        *error = ncclSystemError;
        return ncclSuccess;
    }
    if (comm->connects == emulated_group::CONNECTING && comm->shared->n_connecting < comm->size) all = false;
    *error = comm->is_lost || (!all && any_is_gone(comm)) ? ncclRemoteError : all ? ncclSuccess : ncclInProgress;
    return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t, ncclComm_t comm,
                           cudaStream_t stream) {
    size_t size = type == ncclDouble ? sizeof(double) : sizeof(float), bytes = count * size;
    if (from != to) return ncclInvalidArgument; /* not emulated */
    emulation_need_on_device(to, bytes, "a sum over devices");
    uint64_t *seen = new uint64_t(0);
    emulation_when_awaited(stream, [=] { *seen = checksum(to, bytes); });
    emulation_queue(stream, [=] {
        if (*seen != checksum(to, bytes)) emulation_fail("values of a sum over devices are changed between its start and its end");
        delete seen;
        if (!comm->is_lost) sum_now(comm, static_cast<char *>(to), count, size);
    });
    if (comm->connects != emulated_group::LATE) return ncclSuccess;
    comm->connects = emulated_group::CONNECTING;
    comm->shared->n_connecting++;
    return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
    if (comm->shared->n_aborted) emulation_fail("a communicator is destroyed that others have aborted, which waits for them");
    pthread_mutex_unlock(&comm->shared->held[comm->rank]);
    munmap(comm->shared, sizeof *comm->shared);
    delete comm;
    return ncclSuccess;
}

/* What is queued still finds the process lost, and does nothing. */
ncclResult_t ncclCommAbort(ncclComm_t comm) {
    comm->is_lost = true;
    comm->shared->n_aborted++;
    aborted.push_back(comm);
    pthread_mutex_unlock(&comm->shared->held[comm->rank]);
    return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result) {
    return result == ncclSystemError      ? "unhandled system error"
           : result == ncclRemoteError    ? "remote process exited or there was a network error"
           : result == ncclInvalidArgument ? "invalid argument"
                                           : "no error";
}

const char *ncclGetLastError(ncclComm_t) { return ""; }
