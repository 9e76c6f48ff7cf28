/* Reading a rank's piece. */
#include "medtok/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* A side's fixed work for a code (quantiser, losses) in units of one node's work (GCN, attention), measured in training.
 * A code without a graph has one side only. */
static const double COST_OF_A_SIDE = 8;

static int index_codes(struct dataset *d, int64_t *count) {
    int64_t last = 0;
    d->first = INT64_MAX;
    for (int64_t i = 0; i < d->n_codes; i++) {
        if (d->codes[i] < d->first) d->first = d->codes[i];
        if (d->codes[i] > last) last = d->codes[i];
    }
    if (d->n_codes == 0) d->first = 0;
    *count = d->n_codes ? last - d->first + 1 : 0;
    TRY(mem_alloc(&d->place, *count, sizeof *d->place));
    for (int64_t i = 0; i < *count; i++) d->place[i] = -1;
    for (int64_t i = 0; i < d->n_codes; i++) d->place[d->codes[i] - d->first] = i;
    return STATUS_OK;
}

int dataset_read(struct dataset *d, const char *vocabulary_path, struct text_source *source, const int64_t *codes,
                 int64_t n_codes) {
    int64_t count;
    *d = (struct dataset){.n_codes = n_codes, .source = source};
    TRY(mem_alloc(&d->codes, n_codes, sizeof *d->codes));
    memcpy(d->codes, codes, (size_t)n_codes * sizeof *codes);
    TRY(index_codes(d, &count));
    TRY(vocabulary_read(vocabulary_path, d->first, count, VOCABULARY_GRAPHS, &d->vocabulary));
    return source->features_path
               ? text_features_read(source->features_path, vocabulary_path, codes, n_codes, &d->text)
               : text_source_read_ids(source, vocabulary_path, codes, n_codes, d->first, count, &d->ids);
}

void dataset_free(struct dataset *d) {
    free(d->codes);
    free(d->place);
    vocabulary_free(&d->vocabulary);
    text_features_free(&d->text);
    text_ids_free(&d->ids);
    *d = (struct dataset){0};
}

int dataset_costs(const char *vocabulary_path, double **cost, int64_t *n_codes) {
    struct h5file *file = NULL;
    int64_t *offsets = NULL, rows, cols;
    int status;
    *cost = NULL;
    TRY(h5file_open(&file, vocabulary_path, VOCABULARY_KIND, VOCABULARY_VERSION));
    TRY_DONE(h5file_shape(file, "node_offsets", H5_I64, &rows, &cols));
    TRY_DONE(mem_alloc(&offsets, rows, sizeof *offsets));
    TRY_DONE(mem_alloc(cost, rows, sizeof **cost));
    TRY_DONE(h5file_read(file, "node_offsets", H5_I64, 0, rows, offsets));
    *n_codes = rows - 1;
    for (int64_t i = 0; i < rows - 1; i++) {
        double nodes = (double)(offsets[i + 1] - offsets[i]);
        (*cost)[i] = COST_OF_A_SIDE + (nodes > 0 ? COST_OF_A_SIDE + nodes : 0);
    }
done:
    free(offsets);
    h5file_close(file);
    return status;
}
