/* As cublas_library.c: NCCL has 200 MB, of use only where several GPUs sum. */
#include "cuda/nccl_library.h"

#include <dlfcn.h>
#include <nccl.h>
#include <stdio.h>

#define TEXT_OF(name) #name
#define TEXT(name)    TEXT_OF(name)
#define LIBRARY       "libnccl.so." TEXT(NCCL_MAJOR)

#define FUNCTIONS(X)                                                                                                   \
    X(get_version, ncclGetVersion)                                                                                     \
    X(get_unique_id, ncclGetUniqueId)                                                                                  \
    X(init_rank, ncclCommInitRankConfig)                                                                               \
    X(get_async_error, ncclCommGetAsyncError)                                                                          \
    X(all_reduce, ncclAllReduce)                                                                                       \
    X(destroy, ncclCommDestroy)                                                                                        \
    X(abort, ncclCommAbort)                                                                                            \
    X(last_error, ncclGetLastError)                                                                                    \
    X(error_string, ncclGetErrorString)

static struct {
#define X(field, function) __typeof__(function) *field;
    FUNCTIONS(X)
#undef X
} nccl;

const char *nccl_why_missing(void) {
    static char why_not[512];
    if (nccl.error_string) return NULL; /* the last one that is looked up */
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL), *found = library;
#define X(field, function)                                                                                             \
    if (found) {                                                                                                       \
        found = dlsym(library, TEXT(function));                                                                        \
        *(void **)&nccl.field = found;                                                                                 \
    }
    FUNCTIONS(X)
#undef X
    if (found) return NULL;
    const char *why = library ? NULL : dlerror();
    snprintf(why_not, sizeof why_not, "%s", why ? why : LIBRARY " is older than NCCL 2.14");
    return why_not;
}

/* A communicator, or an id, is had only with the library. */
ncclResult_t ncclGetVersion(int *version) { return nccl.get_version(version); }

ncclResult_t ncclGetUniqueId(ncclUniqueId *id) { return nccl_why_missing() ? ncclSystemError : nccl.get_unique_id(id); }

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int n_ranks, ncclUniqueId id, int rank, ncclConfig_t *config) {
    return nccl_why_missing() ? ncclSystemError : nccl.init_rank(comm, n_ranks, id, rank, config);
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *error) { return nccl.get_async_error(comm, error); }

ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream) {
    return nccl.all_reduce(from, to, count, type, op, comm, stream);
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) { return nccl.destroy(comm); }

ncclResult_t ncclCommAbort(ncclComm_t comm) { return nccl.abort(comm); }

const char *ncclGetErrorString(ncclResult_t result) {
    return nccl.error_string ? nccl.error_string(result) : nccl_why_missing();
}

const char *ncclGetLastError(ncclComm_t comm) { return nccl.last_error ? nccl.last_error(comm) : ""; }
