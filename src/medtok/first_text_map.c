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

static int set_map(struct optimiser *optimiser, struct linear_map map, const struct feature_components *c) {
    real *weight = NULL, *bias = NULL;
    int status = mem_alloc(&weight, c->width * c->dim, sizeof *weight);
    if (status == STATUS_OK) status = mem_alloc(&bias, c->width, sizeof *bias);
    if (status == STATUS_OK) {
        feature_components_map(c, weight, bias);
        optimiser_set_rows(optimiser, map.weight, 0, c->width, weight);
        optimiser_set_rows(optimiser, map.bias, 0, 1, bias);
    }
    free(weight);
    free(bias);
    return status;
}

static int set_maps(const struct model *model, struct optimiser *optimiser, const struct feature_components *c) {
    TRY(set_map(optimiser, model->text, c));
    TRY(set_identity_map(optimiser, model->text_specific));
    log_info("text map: %lld principal components of %.0f texts have %.1f %% of their variance", (long long)c->width,
             c->n, 100 * c->share);
    return STATUS_OK;
}

int first_text_map_make(const struct model *model, const struct comm *comm, struct optimiser *optimiser,
                        const struct dataset *dataset, int64_t n_codes) {
    struct feature_components c;
    struct sentences sentences = {dataset, model->settings.seed,
                                  (double)model->settings.quantizer.init_sample / (double)(n_codes > 0 ? n_codes : 1)};
    struct feature_rows rows = {&sentences, dataset->n_codes, model->text.weight->cols, read_sentence};
    if (rows.dim < model->text.weight->rows)
        return status_set(
            STATUS_USAGE,
            "model.text_map: principal needs text features as wide as quantizer.dim (%lld); they have %lld",
            (long long)model->text.weight->rows, (long long)rows.dim);
    int status = feature_components_make(&c, comm, optimiser->parameters->device, &rows, model->text.weight->rows);
    if (status == STATUS_OK && c.n > 0) status = comm_agree(comm, set_maps(model, optimiser, &c));
    feature_components_free(&c);
    return status;
}
