/* The samples of a split with what a training knew of them, and their scores as measures take them. */
#ifndef MEDTOK_EHR_RESULT_SAMPLES_H
#define MEDTOK_EHR_RESULT_SAMPLES_H

#include "ehr/data.h"
#include "ehr/results.h"
#include "measure/class_scores.h"
#include "measure/scores.h"

/* Collective. Those of all ranks, in their order, on every rank; the caller takes them over. */
int result_samples_gather(const struct comm *comm, const struct ehr_data *data, enum cohort_split split,
                          struct result_samples **samples);

/* Of a binary task, scores [n]: the caller frees *scored. */
int result_scored(const struct result_samples *samples, const double *scores, struct scored_sample **scored);

/* Of other tasks, scores [n, n_classes]: predictions borrow the samples and *floats, which the caller frees. There is no threshold. */
int result_predictions(const struct result_samples *samples, const double *scores,
                       struct class_predictions *predictions, float **floats);

#endif
