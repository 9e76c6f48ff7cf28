/* The runtime's interface: memory with known bounds, and streams whose work waits until somebody waits for it. */
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <vector>

#include "cuda_runtime.h"

struct emulated_graph {
    std::vector<std::function<void()>> work;
};

struct emulated_stream {
    std::deque<std::function<void()>> waiting;
    uint64_t n_queued, n_run;
    emulated_graph *capture; /* NULL: what is queued is done */
    bool capture_is_broken;
    emulated_stream *awaited; /* the last event that work on this stream waits for: where, and which; NULL: none yet */
    uint64_t awaited_ticket;
    std::deque<std::pair<uint64_t, std::function<void()>>> watchers; /* to be called when it has run so much */
};

struct emulated_event {
    emulated_stream *stream; /* NULL: never recorded */
    uint64_t ticket;         /* it has come when the stream has run so much */
};

namespace {

/* A small device: 4 GiB, and 3 multiprocessors, so that grids sized by their number walk in strides. */
const size_t TOTAL_BYTES = (size_t)4 << 30;
enum { RUNTIME_VERSION = 13000, MEMORY_ALIGNMENT = 256, FENCE = 0xa5 };
#ifdef __SANITIZE_ADDRESS__
enum { FENCE_BYTES = 0 }; /* it has its own */
#else
enum { FENCE_BYTES = 256 };
#endif

struct allocation {
    size_t bytes;
    bool on_device;
};

std::map<const char *, allocation> allocations;
std::vector<emulated_stream *> streams;
size_t used_bytes;
cudaError_t last_error;

cudaError_t failed(cudaError_t code) {
    if (code != cudaSuccess) last_error = code;
    return code;
}

/* A number from the environment: see emulation.h. */
int from_environment(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

/* Whether a stream captures, which what the caller does would break: as a GPU's driver does, it then says so. */
bool breaks_capture() {
    bool any = false;
    for (emulated_stream *s : streams)
        if (s->capture) any = s->capture_is_broken = true;
    return any;
}

/* The allocation that holds p; NULL: none. */
const allocation *find(const void *p, size_t bytes) {
    auto next = allocations.upper_bound(static_cast<const char *>(p));
    if (next == allocations.begin()) return nullptr;
    --next;
    size_t at = (size_t)(static_cast<const char *>(p) - next->first);
    return at < next->second.bytes && bytes <= next->second.bytes - at ? &next->second : nullptr;
}

/* How many devices there are. */
int n_devices() { return from_environment("MEDTOK_EMULATION_DEVICES", 1); }

void need_on_device(const void *p, size_t bytes, const char *what) {
    const allocation *a = find(p, bytes);
    if (!a || !a->on_device) emulation_fail("%s of %zu bytes is not inside device memory", what, bytes);
}

void run_until(emulated_stream *stream, uint64_t ticket) {
    while (stream->n_run < ticket) {
        std::function<void()> work = std::move(stream->waiting.front());
        stream->waiting.pop_front();
        work();
        stream->n_run++;
        for (; !stream->watchers.empty() && stream->watchers.front().first <= stream->n_run; stream->watchers.pop_front())
            stream->watchers.front().second();
    }
}

void check_fences(const char *p, size_t bytes) {
    for (size_t i = 0; i < FENCE_BYTES; i++)
        if ((unsigned char)p[-1 - (ptrdiff_t)i] != FENCE || (unsigned char)p[bytes + i] != FENCE)
            emulation_fail("memory next to an allocation of %zu bytes was written", bytes);
}

cudaError_t release(void *p, bool on_device) {
    if (!p) return cudaSuccess;
    if (breaks_capture()) return failed(cudaErrorStreamCaptureUnsupported);
    cudaDeviceSynchronize();
    auto found = allocations.find(static_cast<char *>(p));
    if (found == allocations.end() || found->second.on_device != on_device)
        emulation_fail("%s of what was not allocated so", on_device ? "cudaFree" : "cudaFreeHost");
    check_fences(found->first, found->second.bytes);
    if (on_device) used_bytes -= found->second.bytes;
    allocations.erase(found);
    free(static_cast<char *>(p) - FENCE_BYTES);
    return cudaSuccess;
}

}  // namespace

const char *cudaGetErrorString(cudaError_t code) {
    switch (code) {
        case cudaSuccess: return "no error";
        case cudaErrorMemoryAllocation: return "out of memory";
        case cudaErrorInvalidConfiguration: return "invalid configuration argument";
        case cudaErrorDevicesUnavailable: return "CUDA-capable device(s) is/are busy or unavailable";
        case cudaErrorInvalidDevice: return "invalid device ordinal";
        case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
        case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
        default: return "another error";
    }
}

cudaError_t cudaGetLastError(void) {
    cudaError_t code = last_error;
    last_error = cudaSuccess;
    return code;
}

cudaError_t cudaGetDeviceCount(int *n) {
    int driver, runtime;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    *n = driver >= runtime / 1000 * 1000 ? n_devices() : 0;
    return *n ? cudaSuccess : failed(cudaErrorInsufficientDriver);
}

cudaError_t cudaDriverGetVersion(int *version) {
    *version = from_environment("MEDTOK_EMULATION_DRIVER", RUNTIME_VERSION);
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = RUNTIME_VERSION;
    return cudaSuccess;
}

cudaError_t emulated_attributes(void) { return failed((cudaError_t)from_environment("MEDTOK_EMULATION_OPENS", 0)); }

cudaError_t cudaSetDevice(int ordinal) {
    return failed(ordinal >= 0 && ordinal < n_devices() ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaDeviceGetPCIBusId(char *text, int bytes, int ordinal) {
    snprintf(text, (size_t)bytes, "0000:%02x:00.0", ordinal + 1);
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int) {
    int capability = from_environment("MEDTOK_EMULATION_CAPABILITY", 80);
    *value = attribute == cudaDevAttrComputeCapabilityMajor   ? capability / 10
             : attribute == cudaDevAttrComputeCapabilityMinor ? capability % 10
                                                              : from_environment("MEDTOK_EMULATION_MULTIPROCESSORS", 3);
    return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void) {
    for (emulated_stream *stream : streams) run_until(stream, stream->n_queued);
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes) {
    *free_bytes = TOTAL_BYTES - used_bytes;
    *total_bytes = TOTAL_BYTES;
    return cudaSuccess;
}

cudaError_t emulated_malloc(void **p, size_t bytes, int on_device) {
    void *block = nullptr;
    *p = nullptr;
    if (bytes == 0) return cudaSuccess; /* and NULL */
    if (on_device && breaks_capture()) return failed(cudaErrorStreamCaptureUnsupported);
    if (on_device && bytes > TOTAL_BYTES - used_bytes) return failed(cudaErrorMemoryAllocation);
    if (bytes > SIZE_MAX / 2 || posix_memalign(&block, MEMORY_ALIGNMENT, bytes + 2 * FENCE_BYTES))
        return failed(cudaErrorMemoryAllocation);
    memset(block, FENCE, bytes + 2 * FENCE_BYTES);
    char *inside = static_cast<char *>(block) + FENCE_BYTES;
    memset(inside, 0xff, bytes);
    allocations[inside] = {bytes, on_device != 0};
    if (on_device) used_bytes += bytes;
    *p = inside;
    return cudaSuccess;
}

cudaError_t cudaFree(void *p) { return release(p, true); }
cudaError_t cudaFreeHost(void *p) { return release(p, false); }

/* Pageable host memory is read before the call returns, and written before it returns; pinned memory later. */
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    if (kind != cudaMemcpyHostToDevice) need_on_device(from, bytes, "the source of a copy");
    if (kind != cudaMemcpyDeviceToHost) need_on_device(to, bytes, "the target of a copy");
    if (kind == cudaMemcpyHostToDevice && !find(from, bytes)) {
        std::vector<char> kept(static_cast<const char *>(from), static_cast<const char *>(from) + bytes);
        emulation_queue(stream, [to, kept, bytes] { memcpy(to, kept.data(), bytes); });
        return cudaSuccess;
    }
    emulation_queue(stream, [to, from, bytes] { memcpy(to, from, bytes); });
    return kind == cudaMemcpyDeviceToHost && !find(to, bytes) ? cudaStreamSynchronize(stream) : cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
    if (bytes == 0) return cudaSuccess;
    need_on_device(to, bytes, "a set");
    emulation_queue(stream, [=] { memset(to, value, bytes); });
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
    *stream = new emulated_stream();
    streams.push_back(*stream);
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int) {
    return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    cudaStreamSynchronize(stream);
    streams.erase(std::find(streams.begin(), streams.end(), stream));
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    if (breaks_capture()) return failed(cudaErrorStreamCaptureUnsupported);
    run_until(stream, stream->n_queued);
    return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); } /* who asks is about to wait */

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    emulated_stream *other = event->stream;
    uint64_t ticket = event->ticket;
    stream->awaited = other;
    stream->awaited_ticket = ticket;
    if (other) emulation_queue(stream, [=] { run_until(other, ticket); });
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) {
    *event = new emulated_event();
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    *event = {stream, stream->n_queued};
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    if (event->stream) run_until(event->stream, event->ticket);
    return cudaSuccess;
}

/* Who asks again and again gets there. */
cudaError_t cudaEventQuery(cudaEvent_t event) {
    emulated_stream *stream = event->stream;
    if (!stream || stream->n_run >= event->ticket) return cudaSuccess;
    run_until(stream, stream->n_run + 1);
    return cudaErrorNotReady;
}

cudaError_t emulation_launch(const char *name, dim3 blocks, dim3 threads, size_t shared, cudaStream_t stream,
                      std::function<void()> kernel) {
    if (!emulation_can_launch(blocks, threads, shared)) return failed(cudaErrorInvalidConfiguration);
    emulation_queue(stream, [=] { emulation_run_grid(name, blocks, threads, shared, kernel); });
    return cudaSuccess;
}

void emulation_queue(cudaStream_t stream, std::function<void()> work) {
    if (!stream) emulation_fail("work on the default stream: every stream is named here");
    if (stream->capture) {
        stream->capture->work.push_back(std::move(work));
        return;
    }
    stream->waiting.push_back(std::move(work));
    stream->n_queued++;
}

void emulation_when_awaited(cudaStream_t stream, std::function<void()> look) {
    emulated_stream *other = stream->awaited;
    if (other && other->n_run < stream->awaited_ticket)
        other->watchers.push_back({stream->awaited_ticket, std::move(look)});
    else
        look();
}

void emulation_need_on_device(const void *p, size_t bytes, const char *what) { need_on_device(p, bytes, what); }

/* ---- graphs ---- */
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    if (stream->capture) return failed(cudaErrorInvalidValue);
    stream->capture = new emulated_graph();
    stream->capture_is_broken = false;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
    *graph = stream->capture;
    stream->capture = nullptr;
    if (!*graph) return failed(cudaErrorInvalidValue);
    if (!stream->capture_is_broken) return cudaSuccess;
    delete *graph;
    *graph = nullptr;
    return failed(cudaErrorStreamCaptureInvalidated);
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long) {
    *exec = new emulated_graph(*graph);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
    for (const auto &work : exec->work) emulation_queue(stream, work);
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    delete exec;
    return cudaSuccess;
}
