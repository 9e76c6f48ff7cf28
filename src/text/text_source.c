/* Cached or online text features. */
#include "text/text_source.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

#include "base/rng.h"
#include "base/sha256.h"
#include "base/status.h"
#include "store/text_features.h"
#include "store/vocabulary_pick.h"

/* ---- open and close ---- */
static int open_model(struct text_source *s, const struct text_options *text, struct device *device) {
    TRY(model_folder_open(&s->folder, text->model));
    s->dim = s->folder.config.hidden;
    s->most_tokens = text->max_tokens;
    s->pooling = text->pool;
    s->pool.device = device;
    TRY(model_folder_check_length(&s->folder, s->most_tokens));
    return bert_open(&s->bert, device, &s->folder, (enum precision_of_products)text->compute);
}

int text_source_open(struct text_source *s, const struct text_options *text, const char *features_path, uint64_t seed,
                     struct device *device) {
    *s = (struct text_source){.seed = seed};
    if (text->mode == TEXT_ONLINE) return open_model(s, text, device);
    s->features_path = features_path;
    return text_features_dim(s->features_path, &s->dim);
}

void text_source_close(struct text_source *s) {
    text_pool_room_free(&s->pool);
    bert_close(&s->bert);
    model_folder_close(&s->folder);
    *s = (struct text_source){0};
}

/* ---- token ids ---- */
void text_ids_free(struct text_ids *ids) {
    free(ids->offsets);
    free(ids->ids);
    *ids = (struct text_ids){0};
}

static int add_ids(struct text_source *s, const char *text, int64_t size, struct text_ids *t, long long *capacity,
                   int64_t i) {
    int64_t n;
    TRY(mem_grow(&t->ids, capacity, t->offsets[i] + s->most_tokens, sizeof *t->ids));
    TRY(wordpiece_encode(&s->folder.wordpiece, text, size, s->most_tokens, t->ids + t->offsets[i], &n));
    t->offsets[i + 1] = t->offsets[i] + n;
    return STATUS_OK;
}

int text_source_read_ids(struct text_source *s, const struct comm *comm, const char *vocabulary_path,
                         const int64_t *codes, int64_t n, struct text_ids *t) {
    struct vocabulary v;
    long long capacity = 0;
    *t = (struct text_ids){0};
    int status = mem_alloc(&t->offsets, n + 1, sizeof *t->offsets);
    status = vocabulary_pick(comm, vocabulary_path, codes, n, VOCABULARY_DESCRIPTIONS, &v, status);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) {
        const int64_t *d = v.description_offsets + i;
        status = add_ids(s, v.description + d[0], d[1] - d[0], t, &capacity, i);
    }
    vocabulary_free(&v);
    status = comm_agree(comm, status);
    if (status != STATUS_OK) text_ids_free(t);
    return status;
}

/* ---- hidden states ---- */
/* Texts first .. first+n-1, `tokens` in all. part [n + 1] is scratch. */
static int compute_part(struct text_source *s, int64_t first, int64_t n, const int32_t *offsets, const int32_t *ids,
                        const struct bert_dropout *dropout, int cls_only, int32_t *part, dev_real out) {
    struct bert_hidden hidden;
    struct device *d = s->bert.device;
    int64_t tokens = offsets[first + n] - offsets[first];
    for (int64_t i = 0; i <= n; i++) part[i] = offsets[first + i] - offsets[first];
    TRY(bert_forward(&s->bert, n, part, ids + offsets[first], dropout, &hidden));
    TRY(text_pool(&s->pool, s->pooling, n, tokens, s->dim, &hidden));
    if (cls_only)
        d->run->gather_rows(d, n, s->dim, hidden.rows, hidden.offsets, dev_real_at(out, first * s->dim));
    else
        d->run->copy_matrix(d, tokens, s->dim, (struct matrix){hidden.rows, s->dim},
                            (struct matrix){dev_real_at(out, offsets[first] * s->dim), s->dim}, 0);
    return STATUS_OK;
}

int text_source_compute(struct text_source *s, int64_t n, const int32_t *offsets, const int32_t *ids,
                        const int32_t *keys, enum text_view view, uint32_t step, int cls_only, dev_real out) {
    uint32_t stream = view == TEXT_VIEW_SECOND ? RNG_TEXT_SECOND : RNG_TEXT_FIRST;
    int32_t *part;
    int status = mem_alloc(&part, n + 1, sizeof *part);
    for (int64_t first = 0, count; first < n && status == STATUS_OK; first += count) {
        struct bert_dropout dropout = {.seed = s->seed, .stream = stream, .step = step, .keys = keys + first};
        for (count = 1;
             first + count < n && offsets[first + count + 1] - offsets[first] <= s->bert.device->linear_rows;)
            count++;
        status =
            compute_part(s, first, count, offsets, ids, view == TEXT_VIEW_PLAIN ? NULL : &dropout, cls_only, part, out);
    }
    free(part);
    return status;
}

/* ---- provenance ---- */
static int add_file(const struct comm *comm, struct provenance *provenance, const char *role, const char *path) {
    char sum[65] = "";
    TRY(comm_agree(comm, comm->rank == 0 ? sha256_file(path, sum) : STATUS_OK));
    TRY(comm_broadcast(comm, sum, sizeof sum));
    return comm_agree(comm, provenance_add_checksum(provenance, role, path, sum));
}

int text_source_add_model(const struct comm *comm, const char *path, struct provenance *provenance) {
    struct model_folder folder;
    char config[PATH_MAX];
    TRY(comm_agree(comm, model_folder_open(&folder, path)));
    int status = STATUS_OK;
    for (int64_t i = 0; i < folder.weights.n && status == STATUS_OK; i++)
        status = add_file(comm, provenance, "weights", folder.weights.files[i].path);
    if (status == STATUS_OK) status = add_file(comm, provenance, "wordpieces", folder.vocabulary_path);
    snprintf(config, sizeof config, "%s/config.json", path);
    if (status == STATUS_OK) status = add_file(comm, provenance, "model-config", config);
    if (status == STATUS_OK) {
        const struct wordpiece_rules *r = &folder.wordpiece.rules;
        snprintf(config, sizeof config, "lower=%d,strip_accents=%d,cjk_apart=%d,clean=%d", r->lower, r->strip_accents,
                 r->set_cjk_apart, r->clean);
        status = comm_agree(comm, provenance_add_checksum(provenance, "wordpiece-rules", path, config));
    }
    model_folder_close(&folder);
    return status;
}

int text_source_add_provenance(const struct comm *comm, const struct text_options *text, const char *features_path,
                               struct provenance *provenance) {
    if (text->mode == TEXT_ONLINE) return text_source_add_model(comm, text->model, provenance);
    return comm_agree(comm, provenance_add_input(provenance, "text", features_path));
}

/* Lines that begin with one of these. */
static void hash_lines(XXH3_state_t *state, const char *lines, const char *const beginnings[], int n) {
    for (const char *line = lines; line && *line; line += strcspn(line, "\n"), line += *line == '\n')
        for (int i = 0; i < n; i++)
            if (strncmp(line, beginnings[i], strlen(beginnings[i])) == 0)
                XXH3_64bits_update(state, line, strcspn(line, "\n"));
}

/* By their checksums, wherever they lie. */
static void hash_weights(XXH3_state_t *state, const char *inputs) {
    static const char ROLE[] = "weights\t";
    for (const char *line = inputs; line && *line; line = strchr(line, '\n') + 1) {
        const char *end = strchr(line, '\n'), *sum = end;
        if (strncmp(line, ROLE, sizeof ROLE - 1) != 0) continue;
        while (sum[-1] != '\t') sum--;
        XXH3_64bits_update(state, sum, (size_t)(end - sum));
    }
}

/* config NULL: of no n-grams. */
static int add_encoder(struct provenance *provenance, const char *name, const char *inputs, const char *config) {
    static const char *const NGRAMS[] = {"text.ngram_min: ", "text.ngram_max: ", "run.seed: "};
    char id[17];
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, name, strlen(name));
    hash_weights(&state, inputs);
    hash_lines(&state, config, NGRAMS, 3);
    snprintf(id, sizeof id, "%016llx", (unsigned long long)XXH3_64bits_digest(&state));
    return provenance_add_checksum(provenance, TEXT_ENCODER_INPUT, name, id);
}

static const char *name_pooled(int is_mean) { return is_mean ? "bert, text.pool: mean" : "bert, text.pool: cls"; }

int text_source_add_encoder(const struct text_options *text, const char *features_path, struct provenance *provenance) {
    struct h5file *file = NULL;
    char *encoder = NULL, *inputs = NULL, *config = NULL;
    int64_t is_mean;
    int status;
    if (text->mode == TEXT_ONLINE)
        return add_encoder(provenance, name_pooled(text->pool == POOL_MEAN), provenance->inputs, NULL);
    TRY_DONE(h5file_open(&file, features_path, KIND_TEXT));
    TRY_DONE(h5file_get_text(file, "encoder", &encoder));
    TRY_DONE(h5file_get_text(file, "inputs", &inputs));
    TRY_DONE(h5file_get_text(file, "config", &config));
    TRY_DONE(h5file_get_int_or(file, "first_is_mean", 0, &is_mean));
    int is_bert = strcmp(encoder, "bert") == 0;
    status = add_encoder(provenance, is_bert ? name_pooled(is_mean != 0) : encoder, inputs, is_bert ? NULL : config);
done:
    free(encoder);
    free(inputs);
    free(config);
    h5file_close(file);
    return status;
}
