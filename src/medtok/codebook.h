/* What happens to the codebook outside the gradient: moving averages (quantizer.update: ema) and the revival of rows
 * that nothing picks (quantizer.revive_after). Its first rows by k-means are made in first_codebook.h.
 *
 * Rows are normalised at every use, so that only their directions matter; where rows are set here under
 * `quantizer.update: gradient`, they get the length sqrt(dim) of normally distributed ones, which Adam turns as fast as
 * those. Under `quantizer.rows: unit` all rows have length 1 from the beginning and after each update. Everything here is the same on every rank, and on any number of ranks up to the rounding of sums.
 */
#ifndef MEDTOK_MEDTOK_CODEBOOK_H
#define MEDTOK_MEDTOK_CODEBOOK_H

#include "dist/row_lists.h"
#include "medtok/model.h"
#include "train/optimiser.h"

struct codebook {
    struct quantizer_options options;
    uint64_t seed;
    const struct comm *comm;
    struct device *device;
    const struct parameter *rows; /* the codebook itself, of the model */
    dev_real picks;               /* ema: [size, dim + 1] sums and counts of the step, which training sums over ranks */
    int64_t n_picks;              /* size (dim + 1), or 0 */
    dev_real lengths;             /* rows: unit: [size] room for what an update made of them; else NULL */
    /* states that are saved with the parameters, as frozen ones; NULL where the options do not ask for them */
    const struct parameter *ema;  /* codebook.ema [size, dim + 1]: moving averages of the picks */
    const struct parameter *idle; /* codebook.idle [size, 1]: steps since a row was picked, at most revive_after */
    real *idle_here; /* the same on the host once a step was made, so that no step waits for the device; owned */
    int idle_known;
};

/* Memory for what the options need; the states are added to `set`, which is not allocated yet. `model` was made over
 * it. */
int codebook_make(struct codebook *codebook, const struct model *model, const struct comm *comm, struct device *device,
                  struct parameter_set *set);
void codebook_free(struct codebook *codebook);

/* The states of a new training: each row's average is one pick of the row itself, (c_j, 1); no row is idle; with rows: unit all
 * have length 1, as the optimiser has them too, unless they are `fixed`: those stay as they are. */
int codebook_begin(struct codebook *codebook, struct optimiser *optimiser, int fixed);

/* ema: what this rank's batch gives to the rows, added to what the step's other batches gave unless it is the `first`
 * of them. A code's K picks in a group count by their weights w_k (of nearest rows they sum to 1); all four groups of the first view
 * count: picks_j = sum over groups and codes that picked j of w_k (u, 1), or, under quantizer.assign: residual, of
 * w_k (r_k, 1), r_k what level k was given. output NULL: the batch picked nothing. */
void codebook_sum_picks(struct codebook *codebook, const struct model_output *output, int first);

/* After Adam's update. ema: moves the averages by the summed picks and sets the rows that were picked (ema_rows in kernels.h). A
 * step without picks moves no row; its averages fade alike, until codebook_begin makes them anew. rows: unit: all rows get
 * length 1. */
void codebook_update(struct codebook *codebook);

/* Collective, after the update of step number `step`. Counts for how many steps each row was idle, `picked` having a bit for each row
 * that any group of any rank picked in it (bit row % 64 of picked[row / 64]). A row that was idle for revive_after steps becomes
 *   cos(a) u + sin(a) n,   a = max(revive_angle t, 0.01), n by chance, of norm 1 and across u,
 * with u of a code of this step's last batch (residual: r_k / |r_k|, for the rows of level k), and t the angle between u and the row
 * that it picked (its first token; residual: its token k). Rows of the first third take
 * text-specific vectors, rows of the last
 * third graph-specific ones, the others shared ones. A step revives at most one row (of each level) for each such vector, in an order
 * keyed by (seed, step); the rest wait for the next step. Adam's moments of the row become 0, its average the row
 * itself, and its ema state as in codebook_begin. */
int codebook_revive(struct codebook *codebook, struct optimiser *optimiser, const uint64_t *picked,
                    const struct model_output *output, const struct row_shares *text_rows,
                    const struct row_shares *graph_rows, int64_t step, int64_t *n_revived);

/* The rows that are filled from one kind of vectors: the thirds of the codebook. */
enum codebook_third { THIRD_TEXT, THIRD_SHARED, THIRD_GRAPH, N_THIRDS };
struct region codebook_third(const struct quantizer_options *options, enum codebook_third third);

#endif
