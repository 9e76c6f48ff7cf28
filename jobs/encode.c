/* encode: descriptions in, text.h5 out. Every rank plans all rows; each computes and writes a stretch of them. */
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/log.h"
#include "base/status.h"
#include "jobs.h"
#include "store/text_features.h"
#include "store/vocabulary.h"
#include "text/text_encoder.h"

enum { BLOCK_ROWS = 8192 };

struct encoding {
    const struct comm *comm;
    const struct config *config;
    struct text_encoder encoder;
    struct text_plan plan;
    float *rows;
    uint16_t *halves; /* NULL for fp32 */
    int n_threads;
};

static int plan_rows(struct encoding *e) {
    struct vocabulary v;
    TRY(vocabulary_read(e->config->files.vocabulary, 0, -1, VOCABULARY_DESCRIPTIONS, &v));
    int status = text_encoder_open(&e->encoder, e->config);
    if (status == STATUS_OK) status = e->encoder.plan(&e->encoder, &v, &e->plan);
    vocabulary_free(&v);
    TRY(status);
    TRY(mem_alloc(&e->rows, BLOCK_ROWS * e->encoder.dim, sizeof *e->rows));
    return e->config->text.precision == PRECISION_FP16
               ? mem_alloc(&e->halves, BLOCK_ROWS * e->encoder.dim, sizeof *e->halves)
               : STATUS_OK;
}

static int compute_block(struct encoding *e, int64_t first, int64_t count) {
    TRY(e->encoder.rows(&e->encoder, first, count, e->n_threads, e->rows));
    for (int64_t i = 0; e->halves && i < count * e->encoder.dim; i++) e->halves[i] = half_from_float(e->rows[i]);
    return STATUS_OK;
}

/* All ranks make the same number of collective writes, the last ones perhaps empty. */
static int write_features(struct encoding *e, struct h5dataset *features) {
    int64_t n = e->plan.n_rows, size = e->comm->size;
    int64_t first = n * e->comm->rank / size, end = n * (e->comm->rank + 1) / size, most = (n + size - 1) / size;
    struct progress progress;
    progress_begin(&progress, "encode", n, "rows");
    for (int64_t done = 0; done < most; done += BLOCK_ROWS) {
        int64_t at = first + done < end ? first + done : end, count = end - at < BLOCK_ROWS ? end - at : BLOCK_ROWS;
        TRY(comm_agree(e->comm, compute_block(e, at, count)));
        TRY(h5dataset_write(features, at, count, e->halves ? (void *)e->halves : (void *)e->rows));
        progress_update(&progress, (done + BLOCK_ROWS) * size < n ? (done + BLOCK_ROWS) * size : n);
    }
    progress_end(&progress, n);
    return STATUS_OK;
}

static int write_index(struct encoding *e, struct h5file *file) {
    const struct text_plan *p = &e->plan;
    int64_t n = p->n_codes + 1, tokens = p->token_offsets[p->n_codes];
    int root = e->comm->rank == 0;
    TRY(h5file_write(file, "token_offsets", H5_I64, n, 1, 0, root ? n : 0, p->token_offsets, 1));
    return h5file_write(file, "token_row", H5_I32, tokens, 1, 0, root ? tokens : 0, p->token_row, 1);
}

static int write_attributes(struct encoding *e, struct h5file *file) {
    struct h5file *vocabulary;
    char *id = NULL;
    int status = h5file_open(&vocabulary, e->config->files.vocabulary, VOCABULARY_KIND, VOCABULARY_VERSION);
    if (status == STATUS_OK) {
        status = h5file_get_text(vocabulary, "content_id", &id);
        h5file_close(vocabulary);
    }
    status = comm_agree(e->comm, status);
    if (status == STATUS_OK) status = h5file_set_text(file, "vocabulary_id", id);
    if (status == STATUS_OK) status = h5file_set_text(file, "encoder", e->encoder.name);
    if (status == STATUS_OK) status = h5file_set_text(file, "precision", e->halves ? "fp16" : "fp32");
    if (status == STATUS_OK) status = h5file_set_int(file, "dim", e->encoder.dim);
    if (status == STATUS_OK) status = h5file_set_int(file, "n_codes", e->plan.n_codes);
    if (status == STATUS_OK) status = h5file_set_int(file, "n_rows", e->plan.n_rows);
    free(id);
    return status;
}

static int write_file(struct encoding *e, const struct provenance *provenance) {
    struct h5file *file;
    struct h5dataset *features = NULL;
    int64_t size = e->halves ? 2 : 4, bytes = e->plan.n_rows * e->encoder.dim * size;
    log_info("%lld codes have %lld tokens, %lld distinct rows of width %lld: %s will take %.3f GB",
             (long long)e->plan.n_codes, (long long)e->plan.token_offsets[e->plan.n_codes], (long long)e->plan.n_rows,
             (long long)e->encoder.dim, e->config->files.text, (double)bytes * 1e-9);
    TRY(h5file_create(&file, e->comm, e->config->files.text, TEXT_FEATURES_KIND, TEXT_FEATURES_VERSION, provenance,
                      bytes + 4 * e->plan.token_offsets[e->plan.n_codes]));
    int status = write_attributes(e, file);
    if (status == STATUS_OK) status = write_index(e, file);
    if (status == STATUS_OK)
        status = h5dataset_create(&features, file, "features", e->halves ? H5_F16 : H5_F32, e->plan.n_rows,
                                  e->encoder.dim, 0, 0, 0);
    if (status == STATUS_OK) status = write_features(e, features);
    if (status != STATUS_OK) {
        h5dataset_abandon(features);
        h5file_abandon(file);
        return status;
    }
    status = h5dataset_close(features);
    if (status != STATUS_OK) {
        h5file_abandon(file);
        return status;
    }
    return h5file_commit(file);
}

int job_encode(const struct comm *comm, const struct config *config) {
    struct provenance provenance = {.job = "encode"};
    struct encoding e = {.comm = comm, .config = config};
    char *settings = NULL;
    int status = config_provenance(config, JOB_ENCODE, &settings);
    provenance.config = settings;
    if (status == STATUS_OK) status = provenance_add_input(&provenance, "vocabulary", config->files.vocabulary);
    TRY_DONE(comm_agree(comm, status));
    provenance_finish(&provenance, TEXT_FEATURES_VERSION);
    if (h5file_up_to_date(config->files.text, TEXT_FEATURES_KIND, TEXT_FEATURES_VERSION, provenance.key)) {
        log_info("%s is up to date", config->files.text);
        goto done;
    }
    e.n_threads = comm_threads(comm, (int)config->run.threads);
    TRY_DONE(comm_agree(comm, plan_rows(&e)));
    TRY_DONE(write_file(&e, &provenance));
    log_info("wrote %s", config->files.text);
done:
    if (e.encoder.close) e.encoder.close(&e.encoder);
    text_plan_free(&e.plan);
    free(e.rows);
    free(e.halves);
    provenance_free(&provenance);
    free(settings);
    return status;
}
