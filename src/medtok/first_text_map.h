/* The first text map by principal components (model.text_map: principal): the map from the text encoder's features to code
 * vectors begins with the directions in which the sentence features of the codes differ most, so that the first tokens are of what the encoder
 * knew, and the text-specific map with what the former leaves out, or as the identity (model.text_specific).
 */
#ifndef MEDTOK_MEDTOK_FIRST_TEXT_MAP_H
#define MEDTOK_MEDTOK_FIRST_TEXT_MAP_H

#include "medtok/model.h"
#include "train/optimiser.h"

/* Collective. With V the leading d = quantizer.dim principal components (feature_components.h) of the sentence features x (first rows of H), V'
 * the d behind them and m their mean, sets
 *   text.map: x -> s V (x - m)
 *   text.specific: x -> s' V' (x - m) of features (model.text_specific: feature; where texts differ along fewer than 2 d directions it begins
 *                  as text.map), t -> t of text.map's vectors (map)
 * and their averages; s, s' make the mean square of an entry 1. `dataset` has this rank's codes, with cached features; each code
 * counts by chance, about quantizer.init_sample of `n_codes` in all, keyed by (seed, code), so that the result is the same
 * on any number of ranks up to rounding. STATUS_USAGE if the features are narrower than d, for features than 2 d; without any code with
 * text nothing changes. */
int first_text_map_make(const struct model *model, const struct comm *comm, struct optimiser *optimiser,
                        const struct dataset *dataset, int64_t n_codes);

#endif
