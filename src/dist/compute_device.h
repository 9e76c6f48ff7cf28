/* The device that a rank computes on: run.device, run.compute, run.threads. */
#ifndef MEDTOK_DIST_COMPUTE_DEVICE_H
#define MEDTOK_DIST_COMPUTE_DEVICE_H

#include "dist/comm.h"
#include "dist/options.h"
#include "kernels.h"

/* Collective. Opens this rank's device; needs_less (borrowed, or NULL) says which settings need less of its memory, for the message that there
 * is not enough. With run.device cuda, or auto where
 * there is a GPU, rank r of a node takes GPU r modulo their number (a warning says when several ranks share one); else the cores
 * that the rank may use, whose number is *threads in either case. Fails on all ranks, with the reason, if cuda is asked for and
 * not there, if run.compute is not of the device, or under auto if some ranks have a GPU that can be used and others have none.
 * Under auto the log says why no GPU is used, as a warning where one was to be expected: the driver is too old or the CUDA runtime
 * reports another error, or a device file, SLURM's variables or CUDA_VISIBLE_DEVICES tell of a GPU (a CUDA_VISIBLE_DEVICES that
 * is empty or -1 hides them on purpose). Close with device_close. */
int compute_device_open(const struct comm *comm, const struct run_options *run, const char *needs_less,
                        struct device *device, int *threads);

#endif
