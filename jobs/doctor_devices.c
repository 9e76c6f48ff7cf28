/* GPUs, and files on the file system that is named. */
#include <dlfcn.h>
#include <errno.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/format.h"
#include "base/status.h"
#include "device.h"
#include "doctor_checks.h"
#include "store/h5file.h"

/* ---- GPUs ---- */
/* How ranks with GPUs would sum gradients (run.sums): a failure if not as it is asked for. */
static int examine_sums(struct examination *x, char *text, size_t size) {
    const char *why = "run.sums: mpi", *library = NULL;
    if (x->config->run.sums != SUMS_MPI) library = device_sums_library(&why);
    if (!library && x->config->run.sums == SUMS_NCCL)
        return status_set(
            STATUS_FAILED,
            "run.sums is nccl, but NCCL cannot be used: %.300s. Load its module, build where nccl.h is found "
            "(NCCL_HOME), or set run.sums=auto",
            why);
    if (library)
        snprintf(text, size, "%s sums gradients between them", library);
    else
        snprintf(text, size, "gradients are summed through the host's memory (%.300s)", why);
    return STATUS_OK;
}

int examine_gpus(struct examination *x) {
    const char *why_none = "", *visible = getenv("CUDA_VISIBLE_DEVICES");
    enum device_choice choice = x->config->run.device;
    int count = choice == DEVICE_CPU ? 0 : device_cuda_count(&why_none);
    struct device device = {0};
    char sums[400];
    if (choice == DEVICE_CPU) return snprintf(x->fine, sizeof x->fine, "not asked for (run.device: cpu)"), STATUS_OK;
    if (count == 0 && (choice == DEVICE_CUDA || device_cuda_fault()))
        return status_set(
            STATUS_FAILED,
            "no GPU can be used: %s%s. Ask SLURM for GPUs (site.gpus), load the driver's and CUDA's modules "
            "that belong together (nvidia-smi shows the driver's CUDA), or set run.device=cpu",
            why_none, choice == DEVICE_CUDA ? "; but run.device is cuda" : "");
    if (count == 0) return snprintf(x->fine, sizeof x->fine, "none, so the cores compute: %s", why_none), STATUS_OK;
    if (x->comm->local_size > count && !visible)
        return status_set(STATUS_FAILED,
                          "%d ranks of this node share %d GPU(s): one rank a GPU is faster (site.tasks "
                          "= site.gpus)",
                          x->comm->local_size, count);
    if (device_open_cuda(&device, x->comm->local_rank % count, PRODUCTS_F32, 0))
        return status_set(STATUS_FAILED, "GPU %d cannot be opened: %.400s. nvidia-smi shows who has it",
                          x->comm->local_rank % count, device.error);
    device_close(&device);
    TRY(examine_sums(x, sums, sizeof sums));
    snprintf(x->fine, sizeof x->fine, "%d on this node, one a rank; %s", count, sums);
    return STATUS_OK;
}

/* ---- HDF5 ---- */
/* The function is looked up by name, so that a library without it is a finding and no broken link. */
static int opens_with_mpi(void) {
    herr_t (*set)(hid_t, MPI_Comm, MPI_Info);
    *(void **)&set = dlsym(RTLD_DEFAULT, "H5Pset_fapl_mpio");
    if (!set) return 0;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    int good = set(access, MPI_COMM_WORLD, MPI_INFO_NULL) >= 0;
    H5Pclose(access);
    return good;
}

int examine_hdf5(struct examination *x) {
    unsigned major, minor, release;
    H5get_libversion(&major, &minor, &release);
    if (!opens_with_mpi())
        return status_set(
            STATUS_FAILED,
            "HDF5 %u.%u.%u, which is loaded, is a serial build, but all ranks write one file: load a parallel "
            "one (modules hdf5-mpi, phdf5; Debian: libhdf5-openmpi-dev), see `ldd $(command -v medtok)` and "
            "LD_LIBRARY_PATH, and build against it (-DHDF5_ROOT=PATH)",
            major, minor, release);
    snprintf(x->fine, sizeof x->fine, "%u.%u.%u, parallel", major, minor, release);
    if (major != H5_VERS_MAJOR || minor != H5_VERS_MINOR)
        return status_set(
            STATUS_FAILED,
            "HDF5 %u.%u.%u is loaded, but the program was built with %d.%d.%d: load the module it was built "
            "with",
            major, minor, release, H5_VERS_MAJOR, H5_VERS_MINOR, H5_VERS_RELEASE);
    return STATUS_OK;
}

/* ---- the file system ---- */
int examine_disk(struct examination *x) {
    const double LEAST =
        1e9; /* bytes: a table of 300,000 codes has 0.4 GB, and a training three checkpoints beside it */
    struct statvfs disk;
    char text[32];
    if (statvfs(x->folder, &disk))
        return status_set(STATUS_FAILED, "%s: %s; on every node the folder must be there", x->folder, strerror(errno));
    double left = (double)disk.f_bavail * (double)disk.f_frsize;
    format_bytes((int64_t)left, text, sizeof text);
    if (left < LEAST)
        return status_set(STATUS_FAILED,
                          "the file system of %s is full: %s free. Remove what is not needed, or name another folder "
                          "(files.*); `medtok plan` says how much a run takes",
                          x->folder, text);
    if (disk.f_files > 0 && disk.f_favail < 1000)
        return status_set(STATUS_FAILED, "the file system of %s has room for %lld more files: remove some", x->folder,
                          (long long)disk.f_favail);
    snprintf(x->fine, sizeof x->fine, "%s free in %.300s", text, x->folder);
    return STATUS_OK;
}

enum { TRIAL_ROWS = 4096, TRIAL_WIDTH = 32 }; /* half a megabyte a rank */

static float trial_value(int rank, int64_t i) { return (float)(rank * 1000 + i % 1000); }

static int write_trial(struct examination *x, const char *path) {
    struct provenance provenance = {.job = "doctor", .config = ""};
    struct h5file *file = NULL;
    float *rows = NULL;
    int64_t n = TRIAL_ROWS, size = x->comm->size, rank = x->comm->rank;
    provenance_finish(&provenance, KIND_TEXT);
    int status = comm_agree(x->comm, mem_alloc(&rows, n * TRIAL_WIDTH, sizeof *rows));
    for (int64_t i = 0; i < n * TRIAL_WIDTH && status == STATUS_OK; i++) rows[i] = trial_value((int)rank, i);
    if (status == STATUS_OK) status = h5file_create(&file, x->comm, path, KIND_TEXT, &provenance, 0);
    if (status == STATUS_OK) status = h5file_write(file, "rows", H5_F32, n * size, TRIAL_WIDTH, n * rank, n, rows, 0);
    if (status == STATUS_OK)
        status = h5file_commit(file);
    else
        h5file_abandon(file);
    provenance_free(&provenance);
    free(rows);
    return status;
}

/* The rows of the next rank, which may be on another node. */
static int read_trial(struct examination *x, const char *path) {
    int of = (x->comm->rank + 1) % x->comm->size;
    struct h5file *file = NULL;
    float *rows = NULL;
    int status;
    TRY_DONE(mem_alloc(&rows, (int64_t)TRIAL_ROWS * TRIAL_WIDTH, sizeof *rows));
    TRY_DONE(h5file_open(&file, path, KIND_TEXT));
    TRY_DONE(h5file_read(file, "rows", H5_F32, (int64_t)TRIAL_ROWS * of, TRIAL_ROWS, rows));
    for (int64_t i = 0; i < (int64_t)TRIAL_ROWS * TRIAL_WIDTH && status == STATUS_OK; i++)
        if (rows[i] != trial_value(of, i))
            status = status_set(STATUS_FAILED, "%s: what rank %d wrote reads otherwise", path, of);
done:
    free(rows);
    h5file_close(file);
    return status;
}

int examine_folder(struct examination *x) {
    char path[PATH_MAX];
    double began = MPI_Wtime();
    snprintf(path, sizeof path, "%.3000s/medtok-doctor-%ld.h5", x->folder, (long)getpid());
    TRY(comm_broadcast(x->comm, path, sizeof path));
    int status = access(x->folder, F_OK) ? status_set(STATUS_FAILED, "%s: %s", x->folder, strerror(errno)) : STATUS_OK;
    TRY(comm_agree(x->comm, status)); /* it is not made here */
    status = write_trial(x, path);
    if (status == STATUS_OK) status = comm_agree(x->comm, read_trial(x, path));
    if (x->comm->rank == 0) unlink(path);
    if (status != STATUS_OK)
        return status_set(status,
                          "%.3000s. The folder must be one that all nodes share and may write (not /tmp of each); on "
                          "Lustre and GPFS ask for ROMIO or OMPIO hints, on NFS export OMPI_MCA_io=romio321",
                          status_message());
    snprintf(x->fine, sizeof x->fine, "%d rank(s) wrote one file in %.300s, and read each other's rows, in %.2f s",
             x->comm->size, x->folder, MPI_Wtime() - began);
    return STATUS_OK;
}
