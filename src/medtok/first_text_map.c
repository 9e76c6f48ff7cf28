/* The components of the codes' sentence features, as the map. */
#include "medtok/first_text_map.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/status.h"
#include "medtok/feature_components.h"

/* The sentence features of this rank's codes. */
struct sentences {
    const struct dataset *dataset;
    uint64_t seed;
    double share; /* of the codes that count */
};

static int read_sentence(void *self, int64_t i, float *row, int *counts) {
    const struct sentences *s = self;
    const struct dataset *d = s->dataset;
    int64_t code = d->codes[i];
    *counts = dataset_has_text(d, code) && rng_uniform(s->seed, RNG_TEXT_MAP, 0, (uint64_t)code) < s->share;
    if (*counts) text_features_row(&d->text, dataset_view(d, code).tokens[0], row);
    return STATUS_OK;
}

/* The map along as many directions as it has rows, from `first` on; their share of the variance. */
static int set_map(struct optimiser *optimiser, struct linear_map map, const struct feature_components *c,
                   int64_t first, double *share) {
    int64_t n = map.weight->rows;
    real *weight = NULL, *bias = NULL;
    int status = mem_alloc(&weight, n * c->dim, sizeof *weight);
    if (status == STATUS_OK) status = mem_alloc(&bias, n, sizeof *bias);
    if (status == STATUS_OK) {
        *share = feature_components_map(c, first, n, weight, bias);
        optimiser_set_rows(optimiser, map.weight, 0, n, weight);
        optimiser_set_rows(optimiser, map.bias, 0, 1, bias);
    }
    free(weight);
    free(bias);
    return status;
}

static int set_maps(const struct model *model, struct optimiser *optimiser, const struct feature_components *c) {
    long long d = model->text.weight->rows;
    double share;
    TRY(set_map(optimiser, model->text, c, 0, &share));
    log_info("text map: %lld principal components of %.0f texts have %.1f %% of their variance", d, c->n, 100 * share);
    if (model->settings.text_specific == TEXT_SPECIFIC_MAP) return set_identity_map(optimiser, model->text_specific);
    int64_t found = feature_components_found(c);
    int behind = found == c->width;
    TRY(set_map(optimiser, model->text_specific, c, behind ? d : 0, &share));
    if (behind)
        log_info("map of text-specific vectors: the %lld components behind them have %.1f %%", d, 100 * share);
    else
        log_info(
            "map of text-specific vectors: the text map, since the texts differ along %lld directions alone, not twice "
            "%lld",
            (long long)found, d);
    return STATUS_OK;
}

int first_text_map_make(const struct model *model, const struct comm *comm, struct optimiser *optimiser,
                        const struct dataset *dataset, int64_t n_codes) {
    int64_t width = model->text.weight->rows * (model->settings.text_specific == TEXT_SPECIFIC_FEATURE ? 2 : 1);
    struct feature_components c;
    struct sentences sentences = {dataset, model->settings.seed,
                                  (double)model->settings.quantizer.init_sample / (double)(n_codes > 0 ? n_codes : 1)};
    struct feature_rows rows = {&sentences, dataset->n_codes, model->text.weight->cols, read_sentence};
    if (rows.dim < width)
        return status_set(
            STATUS_USAGE,
            "model.text_map: principal needs text features as wide as quantizer.dim (%lld)%s; they have %lld",
            (long long)model->text.weight->rows,
            width > model->text.weight->rows ? ", with model.text_specific: feature twice that" : "",
            (long long)rows.dim);
    int status = feature_components_make(&c, comm, optimiser->parameters->device, &rows, width);
    if (status == STATUS_OK && c.n > 0) status = comm_agree(comm, set_maps(model, optimiser, &c));
    feature_components_free(&c);
    return status;
}
