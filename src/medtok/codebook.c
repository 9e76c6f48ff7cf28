/* Moving averages and revival. Revival works on few rows, seldom: it is done on the host. */
#include "medtok/codebook.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/status.h"

/* Between a revived row and its vector: it keeps apart the rows revived from equal vectors. */
static const double LEAST_ANGLE = 0.01;

/* ---- set-up ---- */
int codebook_make(struct codebook *b, const struct model *model, const struct comm *comm, struct device *device,
                  struct parameter_set *set) {
    const struct quantizer_options *o = &model->settings.quantizer;
    const struct init zero = {0};
    *b = (struct codebook){
        .options = *o, .seed = model->settings.seed, .comm = comm, .device = device, .rows = model->codebook};
    if (o->revive_after > 0) {
        b->idle = parameter_add(set, o->size, 1, zero, PARAMETER_FROZEN, "codebook.idle");
        TRY(mem_alloc(&b->idle_here, o->size, sizeof *b->idle_here));
    }
    if (o->rows == ROWS_UNIT) b->lengths = device_alloc_reals(device, o->size);
    if (o->update != UPDATE_EMA) return set->status;
    b->n_picks = o->size * (o->dim + 1);
    b->picks = device_alloc_reals(device, b->n_picks);
    b->ema = parameter_add(set, o->size, o->dim + 1, zero, PARAMETER_FROZEN, "codebook.ema");
    return set->status;
}

void codebook_free(struct codebook *b) {
    if (b->device) device_free_reals(b->device, b->picks);
    if (b->device) device_free_reals(b->device, b->lengths);
    free(b->idle_here);
    *b = (struct codebook){0};
}

struct region codebook_third(const struct quantizer_options *options, enum codebook_third third) {
    struct region text = quantizer_region(options, TEXT_SPECIFIC), graph = quantizer_region(options, GRAPH_SPECIFIC);
    return third == THIRD_TEXT ? text : third == THIRD_GRAPH ? graph : (struct region){text.last, graph.first};
}

static void normalize(double *x, int64_t n) {
    double square = 0;
    for (int64_t j = 0; j < n; j++) square += x[j] * x[j];
    for (int64_t j = 0; j < n; j++) x[j] /= fmax(sqrt(square), 1e-12);
}

/* The rows as they are now, of length 1, on the host. */
static int unit_rows(const struct codebook *b, real *rows) {
    const struct parameter *c = b->rows;
    double *row;
    TRY(mem_alloc(&row, c->cols, sizeof *row));
    device_download_reals(b->device, rows, c->value, c->rows * c->cols);
    for (int64_t r = 0; r < c->rows; r++) {
        for (int64_t j = 0; j < c->cols; j++) row[j] = rows[r * c->cols + j];
        normalize(row, c->cols);
        for (int64_t j = 0; j < c->cols; j++) rows[r * c->cols + j] = (real)row[j];
    }
    free(row);
    return STATUS_OK;
}

int codebook_begin(struct codebook *b, struct optimiser *optimiser, int fixed) {
    const struct parameter *c = b->rows;
    struct device *device = b->device;
    real *rows = NULL, *ema = NULL;
    int64_t dim = c->cols;
    int status;
    if (b->idle) device->run->fill(device, c->rows, 0, b->idle->value);
    b->idle_known = 0;
    if (!b->ema && !b->lengths.at) return STATUS_OK;
    TRY_DONE(mem_alloc(&rows, c->rows * dim, sizeof *rows));
    TRY_DONE(unit_rows(b, rows));
    if (b->lengths.at && !fixed) optimiser_set_rows(optimiser, c, 0, c->rows, rows);
    if (b->ema) {
        TRY_DONE(mem_alloc(&ema, b->n_picks, sizeof *ema));
        for (int64_t i = 0; i < b->n_picks; i++)
            ema[i] = i % (dim + 1) < dim ? rows[i / (dim + 1) * dim + i % (dim + 1)] : 1;
        device_upload_reals(device, b->ema->value, ema, b->n_picks);
    }
    device_synchronize(device);
done:
    free(rows);
    free(ema);
    return status;
}

/* ---- moving averages ---- */
void codebook_sum_picks(struct codebook *b, const struct model_output *output, int first) {
    struct device *device = b->device;
    if (first) device->run->fill(device, b->n_picks, 0, b->picks);
    for (int g = 0; output && g < N_GROUPS; g++) {
        const struct quantized *q = &output->groups[g];
        struct picks picks = {.index = q->tokens, .weight = q->weights};
        int64_t n = q->u->rows, k = b->options.top_k;
        if (q->before.at) /* each pick with the vector that its level was given */
            device->run->sum_picks(device, n * k, q->u->cols, 1, q->before, picks, b->picks);
        else
            device->run->sum_picks(device, n, q->u->cols, k, q->u->value, picks, b->picks);
    }
}

void codebook_update(struct codebook *b) {
    const struct quantizer_options *o = &b->options;
    struct ema ema = {.size = o->size, .dim = o->dim, .decay = o->ema_decay, .epsilon = o->ema_epsilon};
    dev_real rows = b->rows->value;
    if (b->ema) b->device->run->ema_rows(b->device, &ema, b->picks, b->ema->value, rows);
    if (b->lengths.at) b->device->run->l2_normalize(b->device, o->size, o->dim, rows, rows, b->lengths);
}

/* ---- revival ---- */

/* Vectors of the global batch, in the order of ranks, which is that of the batch: `first` shares, then `second`. */
struct candidates {
    const struct row_shares *shares[2];
    const struct quantized *of[2];
    int64_t n, level; /* residual: those that this level was given */
};

static struct candidates candidates_of(enum codebook_third third, int64_t level, const struct model_output *out,
                                       const struct row_shares *text_rows, const struct row_shares *graph_rows) {
    const struct quantized *g = out->groups;
    struct candidates c = {{text_rows, NULL}, {&g[TEXT_SPECIFIC], NULL}, text_rows->total, level};
    if (third == THIRD_GRAPH)
        c = (struct candidates){{graph_rows, NULL}, {&g[GRAPH_SPECIFIC], NULL}, graph_rows->total, level};
    if (third == THIRD_SHARED)
        c = (struct candidates){{text_rows, graph_rows},
                                {&g[SHARED_TEXT], &g[SHARED_GRAPH]},
                                (int64_t)text_rows->total + graph_rows->total,
                                level};
    return c;
}

/* Rows to revive and what they become. */
struct revival {
    int64_t n;
    int64_t *rows;   /* [n] */
    double *vectors; /* [n, dim + 1]: of norm 1, and the angle by which the candidate was off; zeros but on one rank */
};

/* The angle of a vector of norm 1 to a row of the codebook. */
static double angle_to_row(struct codebook *b, const double *vector, int32_t row, real *scratch) {
    int64_t dim = b->options.dim;
    double along = 0, square = 0;
    device_download_reals(b->device, scratch, dev_real_at(b->rows->value, row * dim), dim);
    for (int64_t j = 0; j < dim; j++) {
        along += vector[j] * scratch[j];
        square += (double)scratch[j] * scratch[j];
    }
    return acos(fmax(-1, fmin(1, along / fmax(sqrt(square), 1e-12))));
}

/* Turns the vector [dim + 1] by quantizer.revive_angle of its angle, in a direction by chance; side [dim]: room. */
static void turn(const struct codebook *b, int64_t row, int64_t step, double *vector, double *side) {
    int64_t dim = b->options.dim;
    double angle = fmax(b->options.revive_angle * vector[dim], LEAST_ANGLE), along = 0;
    for (int64_t j = 0; j < dim; j++) {
        side[j] = rng_normal(b->seed, RNG_REVIVAL + 1, (uint32_t)step, (uint64_t)(row * dim + j));
        along += side[j] * vector[j];
    }
    for (int64_t j = 0; j < dim; j++) side[j] -= along * vector[j];
    normalize(side, dim);
    for (int64_t j = 0; j < dim; j++) vector[j] = cos(angle) * vector[j] + sin(angle) * side[j];
}

/* Room for a row [dim + 1] and for a direction [dim]. */
struct revival_scratch {
    real *row;
    double *side;
};

/* Whether this rank holds candidate `i`; sets vector [dim + 1] to it, of norm 1, and its angle to the row that it picked. */
static int take_candidate(struct codebook *b, const struct candidates *c, int64_t i, real *scratch, double *vector) {
    int part = i >= c->shares[0]->total;
    int64_t dim = b->options.dim;
    int64_t local = i - (part ? c->shares[0]->total : 0) - c->shares[part]->first[b->comm->rank];
    if (local < 0 || local >= c->shares[part]->n[b->comm->rank]) return 0;
    const struct quantized *q = c->of[part];
    dev_real at = q->before.at ? dev_real_at(q->before, (local * b->options.top_k + c->level) * dim)
                               : dev_real_at(q->u->value, local * dim);
    device_download_reals(b->device, scratch, at, dim);
    for (int64_t j = 0; j < dim; j++) vector[j] = scratch[j];
    normalize(vector, dim);
    if (b->options.revive_angle == 0) return 1;
    int32_t picked;
    device_download_ints(b->device, &picked, (dev_int){q->tokens.at + local * b->options.top_k + c->level}, 1);
    vector[dim] = angle_to_row(b, vector, picked, scratch);
    return 1;
}

/* The dead rows of a level of a third, as many as there are candidates, each with one of its own, which the rank that holds it turns. */
static int revive_level(struct codebook *b, enum codebook_third third, const struct candidates *c, const real *idle,
                        int64_t step, struct revival_scratch scratch, struct revival *revival) {
    struct region rows = quantizer_level(&b->options, codebook_third(&b->options, third), c->level);
    int64_t n = 0, *order;
    uint64_t number = (uint64_t)(third * quantizer_levels(&b->options) + c->level);
    TRY(mem_alloc(&order, c->n, sizeof *order));
    for (int64_t i = 0; i < c->n; i++) order[i] = i;
    rng_shuffle(b->seed, RNG_REVIVAL, (uint32_t)step, number, order, c->n);
    for (int64_t r = rows.first; r < rows.last && n < c->n; r++) {
        if (idle[r] < (real)b->options.revive_after) continue;
        double *vector = revival->vectors + revival->n * (b->options.dim + 1);
        if (take_candidate(b, c, order[n++], scratch.row, vector)) turn(b, r, step, vector, scratch.side);
        revival->rows[revival->n++] = r;
    }
    free(order);
    return STATUS_OK;
}

/* Sets everything that is kept about a row; vector [dim] has norm 1, scratch [dim + 1]. */
static void set_row(struct codebook *b, struct optimiser *optimiser, int64_t row, const double *vector, real *scratch) {
    int64_t dim = b->options.dim;
    for (int64_t j = 0; j < dim; j++) scratch[j] = (real)vector[j];
    scratch[dim] = 1;
    if (b->ema)
        device_upload_reals(b->device, dev_real_at(b->ema->value, row * (dim + 1)), scratch, dim + 1);
    else if (!b->lengths.at)
        for (int64_t j = 0; j < dim; j++) scratch[j] = (real)(vector[j] * sqrt((double)dim));
    optimiser_set_rows(optimiser, b->rows, row, 1, scratch);
}

static int64_t count_idle(const struct codebook *b, const uint64_t *picked, real *idle) {
    real most = (real)b->options.revive_after;
    int64_t dead = 0;
    for (int64_t r = 0; r < b->options.size; r++) {
        idle[r] = picked[r / 64] >> r % 64 & 1 ? 0 : idle[r] + 1 < most ? idle[r] + 1 : most;
        dead += idle[r] >= most;
    }
    return dead;
}

int codebook_revive(struct codebook *b, struct optimiser *optimiser, const uint64_t *picked,
                    const struct model_output *output, const struct row_shares *text_rows,
                    const struct row_shares *graph_rows, int64_t step, int64_t *n_revived) {
    int64_t size = b->options.size, dim = b->options.dim, dead = 0;
    struct revival revival = {0};
    struct revival_scratch scratch = {0};
    real *idle = b->idle_here;
    *n_revived = 0;
    if (!b->idle) return STATUS_OK;
    if (!b->idle_known) device_download_reals(b->device, idle, b->idle->value, size);
    b->idle_known = 1;
    dead = count_idle(b, picked, idle);
    if (dead == 0) { /* the same on all ranks */
        device_upload_reals(b->device, b->idle->value, idle, size);
        return STATUS_OK;
    }
    int status = mem_alloc(&revival.rows, dead, sizeof *revival.rows);
    if (status == STATUS_OK) status = mem_alloc(&revival.vectors, dead * (dim + 1), sizeof *revival.vectors);
    if (status == STATUS_OK) status = mem_alloc(&scratch.row, dim + 1, sizeof *scratch.row);
    if (status == STATUS_OK) status = mem_alloc(&scratch.side, dim, sizeof *scratch.side);
    int64_t levels = quantizer_levels(&b->options);
    for (int64_t i = 0; status == STATUS_OK && i < N_THIRDS * levels; i++) {
        enum codebook_third third = (enum codebook_third)(i / levels);
        struct candidates c = candidates_of(third, i % levels, output, text_rows, graph_rows);
        status = revive_level(b, third, &c, idle, step, scratch, &revival);
    }
    TRY_DONE(comm_agree(b->comm, status));
    TRY_DONE(comm_sum_double(b->comm, revival.vectors, revival.n * (dim + 1)));
    for (int64_t i = 0; i < revival.n; i++) {
        set_row(b, optimiser, revival.rows[i], revival.vectors + i * (dim + 1), scratch.row);
        idle[revival.rows[i]] = 0;
    }
    device_upload_reals(b->device, b->idle->value, idle, size);
    *n_revived = revival.n;
done:
    free(scratch.row);
    free(scratch.side);
    free(revival.rows);
    free(revival.vectors);
    return status;
}
