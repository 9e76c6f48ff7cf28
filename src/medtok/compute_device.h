/* The device that a rank computes on: run.device, run.compute, run.threads. */
#ifndef MEDTOK_MEDTOK_COMPUTE_DEVICE_H
#define MEDTOK_MEDTOK_COMPUTE_DEVICE_H

#include "config/config.h"
#include "dist/comm.h"
#include "kernels.h"

/* Collective. Opens this rank's device: with run.device cuda, or auto where there is a GPU, rank r of a node takes GPU r modulo
 * their number (a warning says when several ranks share one); else the cores that the rank may use, whose number is
 * *threads in either case. Fails on all ranks, with the reason, if cuda is asked for and not there, or run.compute is not of the
 * device. Close with device_close. */
int compute_device_open(const struct comm *comm, const struct config *config, struct device *device, int *threads);

#endif
