/* Defaults that give way. Some defaults ask for what not every job has: cached features, names of nodes, a wide enough graph encoder. Where
 * it is not there, a default becomes what needs nothing, with a line in the log; a value that a file or the command line sets stays, and is an
 * error where it cannot be. */
#ifndef MEDTOK_JOBS_DEFAULTS_H
#define MEDTOK_JOBS_DEFAULTS_H

#include "dist/comm.h"
#include "settings.h"

/* What other settings decide; before settings are checked and printed. `say`: in the log, too. */
void defaults_by_settings(struct config *config, int say);

/* What files decide. Collective.
 * encode: text.nodes is no where the vocabulary has no nodes, or (of an older release) no names of nodes.
 * train: model.text_map is random where text features are narrower than a code vector, model.text_specific map where they are narrower than two, or text_map is random; graph.node_start is random where the vocabulary has
 * no names, where they do not tell nodes apart, or where features are narrower than graph.node_dim. STATUS_FAILED if there are names, but
 * no features of them. */
int defaults_of_encode(const struct comm *comm, struct config *config);
int defaults_of_train(const struct comm *comm, struct config *config);

/* Warns if a training is much shorter or longer than what the default of train.rate is meant for, or if the default of quantizer.rate makes of a
 * train.rate that was set a rate of the codebook far from what it is meant to be. */
void defaults_warn_of_rate(const struct config *config);

#endif
