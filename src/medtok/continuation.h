/* Going on from the checkpoint of another training (train.from), on a vocabulary that grew or on a new graph, so that token numbers keep their
 * meaning.
 *
 * All parameters begin as they are there (their averages, where it kept any: what its tokens were made with); a node begins as the node with the
 * same identity there (store/vocabulary.h). New nodes, and maps that the other training had not (loss.reconstruction), begin as in any training;
 * under graph.node_start: text new nodes begin with what the text encoder knows of their names, by the map of the other training, which must have had it too.
 * Moments, the learning rate and the count of steps begin anew.
 *
 * With train.anchor > 0 the codebook's rows stay as they are: they get no gradient, no moving average, no revival. What began elsewhere, p0, is
 * held to its beginning: behind each update of rate r
 *   p = p0 + max(0, 1 - r train.anchor) (p - p0),
 * decoupled decay (Loshchilov and Hutter, 2019) towards the start in place of 0 (L2-SP; Li, Grandvalet, Davoine, 2018). Adam moves a value by
 * about r at most, so that it ends within 1 / train.anchor of its beginning, whatever the number of steps. New nodes learn freely.
 *
 * Both, because one is not enough: behind frozen rows the encoders of a training at its usual rate turn away as far as in a fresh one
 * (src/medtok/README.md has the figures), and a codebook that is only held near may still have its unused rows revived.
 */
#ifndef MEDTOK_MEDTOK_CONTINUATION_H
#define MEDTOK_MEDTOK_CONTINUATION_H

#include "medtok/first_graph.h"
#include "train/optimiser.h"

struct continuation_options {
    const char *checkpoint;     /* of the other training; "": none */
    const char *old_vocabulary; /* that it was trained on; "": the one at the path that the checkpoint names */
    const char *vocabulary;     /* of this training */
    double anchor;              /* train.anchor */
};

struct continuation {
    struct continuation_options options;
    struct parameter_set *parameters;   /* borrowed; NULL: there is none */
    dev_real start[N_PARAMETER_GROUPS]; /* like the values of each group */
    dev_real keep;                      /* [1] share of the way that a step leaves */
    struct anchored_values {
        enum parameter_group group;
        int64_t first, n;
    } * anchored; /* values that are held to their start, of this rank; the codebook's are not among them */
    long long n_anchored, capacity;
};

/* Whether the checkpoint can be gone on from: old_vocabulary is that of the checkpoint (by its content), the text features have `text_dim`
 * values as there, and a vocabulary without the edges that `probe` asks for follows one without the same edges: else the model knew them. STATUS_FAILED says what to do. One process. */
int continuation_check(const struct continuation_options *options, int64_t text_dim);

/* Adds to what a training is made from that one before it, at whatever distance, had the parents of codes in its graph (graph.hierarchy): an
 * input CONTINUATION_HIERARCHY, the first such vocabulary. It is in the checkpoint and, by tokenize, in the table. One process. */
#define CONTINUATION_HIERARCHY "hierarchy"
int continuation_add_provenance(const struct continuation_options *options, struct provenance *provenance);

/* Reads where the parameters of `model`, which are in `parameters` at their first values, begin. A parameter of another shape is an error that
 * names it. The map of node_start, which is among the parameters, is set. Without a checkpoint nothing is done. One process. */
int continuation_make(struct continuation *continuation, const struct continuation_options *options,
                      const struct model *model, const struct node_start *node_start, struct parameter_set *parameters);
void continuation_free(struct continuation *continuation);

/* Sets the parameters, and their averages, to their start; codebook.ema and codebook.idle are left to codebook_begin. */
int continuation_begin(const struct continuation *continuation, struct optimiser *optimiser);

/* Whether the codebook's rows stay as they are. */
static inline int continuation_fixes_codebook(const struct continuation *c) {
    return c->parameters && c->options.anchor > 0;
}

/* Before an update of this rate, and behind it: holds values to their start, before averages follow them. What hold does is the same device
 * work in every step. */
void continuation_set_rate(struct continuation *continuation, double rate);
void continuation_hold(const struct continuation *continuation);

#endif
