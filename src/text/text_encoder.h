/* What the encode job asks of a text encoder: which feature rows some codes need, and the rows themselves.
 *
 * `plan` reads descriptions once and numbers the distinct rows. Rows come in units (a distinct text, or one row) which are computed
 * whole, from what they hold: strings of the encoder's dictionaries. `rows` computes any stretch of units, planned by whatever encoder of
 * the same options. A row does not depend on which others are computed with it, or where.
 */
#ifndef MEDTOK_TEXT_TEXT_ENCODER_H
#define MEDTOK_TEXT_TEXT_ENCODER_H

#include "base/dictionary.h"
#include "text/options.h"
#include "kernels.h"
#include "store/vocabulary.h"

/* Tokens of every code as rows, the [CLS] row first; see store/text_features.h. Owned; free with text_plan_free. */
struct text_plan {
    int64_t n_codes, n_rows, n_units;
    int64_t *token_offsets; /* [n_codes + 1] */
    int32_t *token_row;
    int64_t *unit_rows;  /* [n_units + 1] first row of each unit; NULL: unit i is row i */
    int64_t *unit_costs; /* [n_units + 1] work before each unit, in tokens; NULL: one a unit */
    int64_t n_nodes;     /* whose names are planned too */
    int32_t *node_row;   /* [n_nodes] the number of the name among the different ones, or -1: there is none */
};
void text_plan_free(struct text_plan *plan);
int64_t text_plan_row(const struct text_plan *plan, int64_t unit);
int64_t text_plan_cost(const struct text_plan *plan, int64_t unit);

/* Where the batch that begins with unit `first` ends: as many units, up to `end`, as cost at most `most`, and at least one. costs[]:
 * the work before each unit, up to `end`; NULL: one a unit. */
int64_t text_batch_end(const int64_t *costs, int64_t first, int64_t end, int64_t most);

/* Cuts the units into parts of n_batches batches of at most batch_cost each, so that a part that is computed by itself fills its
 * batches. Fills part_first[n_parts + 1] (room for n_units + 1); returns n_parts. */
int64_t text_plan_cut(const struct text_plan *plan, int64_t batch_cost, int64_t n_batches, int64_t *part_first);

/* What units hold. Names of nodes are the last kind if they are planned; each has one row, behind all others. */
enum { TEXT_MOST_KINDS = 3 };

/* What some units hold, ascending. Owned; free with text_units_free. */
struct text_units {
    int64_t n,
        kind_first[TEXT_MOST_KINDS]; /* kind_first: the number of the first unit of each of the encoder's kinds */
    struct text_unit {
        int32_t unit, size; /* size: bytes[at] .. */
        int64_t at;
    } * list; /* [n] */
    char *bytes;
};
void text_units_free(struct text_units *units);

struct text_encoder {
    const char *name;
    int64_t dim;
    int first_is_mean; /* the first row of a text is the mean over its tokens */
    int64_t
        part_cost; /* of a part that is computed and written at once, in tokens; 0: rows are made by products, whole batches at once */
    void *state;
    int (*plan)(struct text_encoder *encoder, const struct vocabulary *vocabulary, struct text_plan *plan);
    /* the names of n nodes, behind plan(): offsets [n + 1] */
    int (*plan_names)(struct text_encoder *encoder, int64_t n, const int64_t *offsets, const char *names,
                      struct text_plan *plan);
    /* the rows of units->list[first .. first+count-1] into out [rows, dim]; from a GPU fastest into memory of device_host_alloc_reals */
    int (*rows)(struct text_encoder *encoder, const struct text_units *units, int64_t first, int64_t count, real *out);
    void (*close)(struct text_encoder *encoder);
    /* what the planned units hold: those of the first kind, then the second, then names of nodes, of which each unit has one row */
    int n_kinds, n_name_kinds; /* n_name_kinds: 1, of n_kinds, if plan_names was called; else 0 */
    struct dictionary *dictionaries[TEXT_MOST_KINDS];
};

/* Opens the encoder that text.encoder names, its vectors of random signs keyed by `seed`, to compute on `device` (borrowed) with n_threads on the host. */
int text_encoder_open(struct text_encoder *encoder, const struct text_options *options, uint64_t seed,
                      struct device *device, int n_threads);

#endif
