/* The token packing loss (METHOD.md section 4). A loss ends the tape: it adds its value to its term and its gradient to
 * its arguments when it is computed.
 *
 * Sums run over the whole global batch: each rank adds its share, so that the sum of a term over ranks is the term, and the
 * sum of gradients over ranks is its gradient, for any number of ranks. The batch may be cut into parts (loss.parts) whose rows are
 * compared among themselves alone, as the publication's ranks do; parts know nothing of ranks.
 */
#ifndef MEDTOK_MEDTOK_LOSSES_H
#define MEDTOK_MEDTOK_LOSSES_H

#include "dist/row_lists.h"
#include "nn/layers.h"

enum loss_term {
    TERM_CODEBOOK_TEXT, /* the codebook losses, in the order of the token groups */
    TERM_CODEBOOK_GRAPH,
    TERM_CODEBOOK_SHARED_TEXT,
    TERM_CODEBOOK_SHARED_GRAPH,
    TERM_SHARED,        /* nce of the shared tokens, both ways */
    TERM_ALIGN,         /* -2 beta mean cos(t, g) */
    TERM_SPECIFIC_TEXT, /* nce of the two views */
    TERM_SPECIFIC_GRAPH,
    TERM_ORTHOGONAL_TEXT, /* lambda |qt^T st|_F */
    TERM_ORTHOGONAL_GRAPH,
    TERM_RECONSTRUCTION_TEXT, /* -rho mean cos(D_t [qt ; st], h) */
    TERM_RECONSTRUCTION_GRAPH,
    TERM_KL,              /* kappa mean KL(softmax(-dist(u_st, C)) || softmax(-dist(u_sg, C))) */
    TERM_NEIGHBOURS_TEXT, /* nu mean_i KL(softmax_j(cos(h_i, h_j) / tau_h) || softmax_j(cos(e_i, e_j) / tau)) */
    TERM_NEIGHBOURS_GRAPH,
    N_TERMS
};
extern const char *const LOSS_TERM_NAMES[N_TERMS];

struct losses {
    struct tape *tape;
    const struct comm *comm;
    struct row_lists *lists; /* memory for what ranks exchange (losses_make_lists); not looked at on one rank */
    double temperature;
    dev_real terms; /* [N_TERMS], added to */
    int status;     /* first failure of communication */
};

static inline dev_real loss_term(const struct losses *losses, enum loss_term term) {
    return dev_real_at(losses->terms, term);
}

/* Which rows of a list over all ranks each part of the batch has: first[part] .. first[part + 1] - 1. NULL: there is one part. */
struct part_rows {
    int n;      /* parts */
    int *first; /* [n + 1] */
};

static inline int part_count(const struct part_rows *parts) { return parts ? parts->n : 1; }

static inline int part_first(const struct part_rows *parts, const struct row_shares *shares, int part) {
    return parts ? parts->first[part] : part == 0 ? 0 : shares->total;
}

/* A contrastive loss: mean over the rows of all ranks of nce(a, b), the negatives of a row those of its part; a, b [n_local, dim] not
 * normalised; `shares` tells the rows of all ranks. sibling_class [n_local]: rows of one class (not -1) are not negatives of each
 * other; .at NULL: all are, on every rank. */
struct contrast {
    enum loss_term term;
    struct var *a, *b;
    const struct row_shares *shares;
    const struct part_rows *parts;
    dev_int sibling_class;
};
enum { MOST_CONTRASTS = 4 };

/* weight * mean over the rows of all ranks of KL(p_i || q_i): p_i, q_i = softmax over the other rows j of the part of cos(known_i, known_j) /
 * known_temperature, and of cos(found_i, found_j) / found_temperature. known [n_local, .] is constant, found [n_local, .] learns to have the same
 * neighbours. */
struct neighbours {
    enum loss_term term;
    double weight, known_temperature, found_temperature;
    struct var *known, *found;
    const struct row_shares *shares;
    const struct part_rows *parts;
};
enum { MOST_NEIGHBOURS = 2 };

/* Losses that compare rows with those of all ranks, some of either kind, whose rows travel together: ranks send two messages for all. */
void loss_comparisons(struct losses *losses, int n_contrasts, const struct contrast *contrasts, int n_neighbours,
                      const struct neighbours *neighbours);

/* weight * mean_i cos(a_i, b_i) over `total` rows of all ranks */
void loss_cosine(struct losses *losses, enum loss_term term, double weight, struct var *a, struct var *b, int total);

/* weight * mean over parts of |a^T b|_F, a^T b summed over the rows of the part on all ranks. Takes parts
 * dim^2 values of the device's memory, and sums as many over ranks, in each batch. */
struct orthogonality {
    enum loss_term term;
    double weight;
    struct var *a, *b;
    const struct row_shares *shares;
    const struct part_rows *parts;
};
enum { MOST_ORTHOGONALITIES = 2 };

/* n of them, of as many parts each and of one width, with one message for all. */
void loss_orthogonalities(struct losses *losses, int n, const struct orthogonality *terms);

/* Memory for what the losses of a batch exchange: of at most most_own codes of this rank and most_all of all, `parts` parts, and tokens of
 * `dim` values; known, found: values of a code that loss_comparisons' neighbours have. Not collective. */
int losses_make_lists(struct row_lists *lists, const struct comm *comm, struct device *device, int64_t most_own,
                      int64_t most_all, int64_t parts, int64_t dim, int64_t known, int64_t found);

#endif
