/* The first text map by principal components (model.text_map: principal): the map from the text encoder's features to code
 * vectors begins with the directions in which the sentence features of the codes differ most, and the text-specific map as
 * the identity, so that the first tokens are of what the encoder knew.
 */
#ifndef MEDTOK_MEDTOK_FIRST_TEXT_MAP_H
#define MEDTOK_MEDTOK_FIRST_TEXT_MAP_H

#include "medtok/model.h"
#include "train/optimiser.h"

/* Collective. With V the leading quantizer.dim principal components (feature_components.h) of the sentence features x (first rows of H)
 * and m their mean, sets
 *   text.map: x -> s V (x - m),   text.specific: x -> x,
 * and their averages; s makes the mean square of an entry 1. `dataset` has this rank's codes, with cached features; each code
 * counts by chance, about quantizer.init_sample of `n_codes` in all, keyed by (seed, code), so that the result is the same
 * on any number of ranks up to rounding. STATUS_USAGE if the features are narrower than a code vector; without any code with
 * text nothing changes. */
int first_text_map_make(const struct model *model, const struct comm *comm, struct optimiser *optimiser,
                        const struct dataset *dataset, int64_t n_codes);

#endif
