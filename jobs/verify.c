/* verify: checks a token table against itself and its vocabulary, and any other file of this program by its checksums; the
 * first fault is the error. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/status.h"
#include "jobs.h"
#include "kernels.h"
#include "store/cohort.h"
#include "store/table_walk.h"
#include "store/text_features.h"
#include "store/vocabulary.h"
#include "terms/code_index.h"

/* Weights are float32 sums of at most 16 terms, embeddings of at most 16 products; both are off by less. */
static const double WEIGHT_TOLERANCE = 1e-5, EMBEDDING_TOLERANCE = 1e-4, NORM_TOLERANCE = 1e-4;

struct verification {
    struct table table;
    float *codebook;
    unsigned char *used[TABLE_GROUPS]; /* rows of the codebook that the group picked */
    int64_t absent, n_without_tokens;  /* groups, codes */
    char *id;
};

static int fault(const struct verification *v, int64_t row, int group, const char *what) {
    const struct table *t = &v->table;
    return status_set(STATUS_FAILED, "%s: row %lld (%s:%s), %s tokens: %s", h5file_path(t->file), (long long)row,
                      t->system + row * t->system_bytes, t->code + row * t->code_bytes, TABLE_GROUP_NAMES[group], what);
}

/* ---- one group of one code ---- */
static int check_absent(struct verification *v, int64_t row, int g, const int32_t *tokens, const float *weights,
                        const float *embedding) {
    for (int64_t k = 0; k < v->table.shape.top_k; k++)
        if (tokens[k] != -1 || weights[k] != 0) return fault(v, row, g, "partly absent: -1 and weight 0 are expected");
    for (int64_t c = 0; c < v->table.shape.dim; c++)
        if (embedding[c] != 0) return fault(v, row, g, "absent, but the embedding is not zero");
    v->absent++;
    return STATUS_OK;
}

/* Tokens are different rows of the region; a residual table's token k is one of part k of it. */
static int check_tokens(struct verification *v, int64_t row, int g, const int32_t *tokens) {
    const struct table_shape *s = &v->table.shape;
    for (int64_t k = 0; k < s->top_k; k++) {
        int64_t first = s->region[g][0], last = s->region[g][1];
        if (s->residual) {
            first = residual_level_first(s->region[g][0], s->region[g][1], s->top_k, k);
            last = residual_level_first(s->region[g][0], s->region[g][1], s->top_k, k + 1);
        }
        if (tokens[k] < first || tokens[k] >= last) {
            char what[96];
            snprintf(what, sizeof what, "token %d is outside the region %lld to %lld", tokens[k], (long long)first,
                     (long long)last - 1);
            return fault(v, row, g, what);
        }
        for (int64_t j = 0; j < k; j++)
            if (tokens[j] == tokens[k]) return fault(v, row, g, "a token stands twice");
        v->used[g][tokens[k]] = 1;
    }
    return STATUS_OK;
}

/* Of the nearest rows: a softmax of rising distances. Residual: each takes its square from that of a unit vector. Sparse: of least squares
 * with a ridge, so that ridge |w|^2 = q . u - |q|^2 is 1/4 at most. */
static int check_weights(struct verification *v, int64_t row, int g, const float *weights) {
    double sum = 0, square = 0;
    const struct table_shape *s = &v->table.shape;
    double most = s->residual ? 1 : 1 / (4 * SPARSE_RIDGE);
    char what[96];
    for (int64_t k = 0; k < s->top_k; k++) {
        if (!(s->residual || s->sparse ? weights[k] >= 0 : weights[k] > 0))
            return fault(v, row, g, "a weight is not positive");
        if (!s->residual && k > 0 && weights[k] > weights[k - 1]) return fault(v, row, g, "weights do not fall");
        sum += (double)weights[k];
        square += (double)weights[k] * (double)weights[k];
    }
    if ((s->residual || s->sparse) && square > most + WEIGHT_TOLERANCE) {
        snprintf(what, sizeof what, "the squares of the weights sum to %.7f, more than %.4g", square, most);
        return fault(v, row, g, what);
    }
    if (!s->residual && !s->sparse && fabs(sum - 1) > WEIGHT_TOLERANCE) {
        snprintf(what, sizeof what, "weights sum to %.7f, not 1", sum);
        return fault(v, row, g, what);
    }
    return STATUS_OK;
}

static int check_embedding(struct verification *v, int64_t row, int g, const int32_t *tokens, const float *weights,
                           const float *embedding) {
    int64_t dim = v->table.shape.dim;
    double scale = table_group_weight(&v->table.shape, g);
    for (int64_t c = 0; c < dim; c++) {
        double sum = 0;
        for (int64_t k = 0; k < v->table.shape.top_k; k++)
            sum += (double)weights[k] * (double)v->codebook[tokens[k] * dim + c];
        if (!(fabs(scale * sum - (double)embedding[c]) <= EMBEDDING_TOLERANCE * (scale > 1 ? scale : 1)))
            return fault(v, row, g, "the embedding is not the weighted sum of its code vectors");
    }
    return STATUS_OK;
}

static int check_row(struct verification *v, int64_t row, const int32_t *tokens, const float *weights,
                     const float *embedding) {
    int64_t k = v->table.shape.top_k, dim = v->table.shape.dim, absent = v->absent;
    for (int g = 0; g < TABLE_GROUPS; g++) {
        const int32_t *t = tokens + g * k;
        const float *w = weights + g * k, *e = embedding + g * dim;
        /* Groups 2 and 3 are the shared tokens of the sides whose specific tokens are groups 0 and 1. */
        if ((t[0] < 0) != (tokens[g % 2 * k] < 0))
            return fault(v, row, g, "the two groups of a side are not absent together");
        if (t[0] < 0) {
            TRY(check_absent(v, row, g, t, w, e));
            continue;
        }
        TRY(check_tokens(v, row, g, t));
        TRY(check_weights(v, row, g, w));
        TRY(check_embedding(v, row, g, t, w, e));
    }
    v->n_without_tokens += v->absent - absent == TABLE_GROUPS;
    return STATUS_OK;
}

static int check_rows(struct verification *v) {
    int64_t picks = TABLE_GROUPS * v->table.shape.top_k, width = TABLE_GROUPS * v->table.shape.dim;
    struct table_walk w;
    int status =
        table_walk_begin(&w, &v->table, TABLE_TOKENS | TABLE_WEIGHTS | TABLE_EMBEDDING, 0, v->table.shape.n_codes);
    while (status == STATUS_OK && (status = table_walk_next(&w)) == STATUS_OK && w.count > 0)
        for (int64_t i = 0; i < w.count && status == STATUS_OK; i++)
            status = check_row(v, w.first + i, w.tokens + i * picks, w.weights + i * picks, w.embedding + i * width);
    table_walk_end(&w);
    return status;
}

/* ---- the whole ---- */
static int check_codebook(struct verification *v) {
    int64_t size = v->table.shape.codebook_size, dim = v->table.shape.dim;
    TRY(mem_alloc(&v->codebook, size * dim, sizeof *v->codebook));
    TRY(table_read_codebook(&v->table, v->codebook));
    for (int64_t r = 0; r < size; r++) {
        double square = 0;
        for (int64_t c = 0; c < dim; c++) square += (double)v->codebook[r * dim + c] * (double)v->codebook[r * dim + c];
        if (!(fabs(sqrt(square) - 1) <= NORM_TOLERANCE))
            return status_set(STATUS_FAILED, "%s: row %lld of the codebook has norm %g, not 1",
                              h5file_path(v->table.file), (long long)r, sqrt(square));
    }
    for (int g = 0; g < TABLE_GROUPS; g++) {
        const int32_t *region = v->table.shape.region[g];
        if (region[0] < 0 || region[1] > size || region[0] >= region[1])
            return status_set(STATUS_FAILED, "%s: the region of the %s tokens is %d to %d", h5file_path(v->table.file),
                              TABLE_GROUP_NAMES[g], region[0], region[1]);
        TRY(mem_alloc(&v->used[g], size, 1));
    }
    return STATUS_OK;
}

static int compare_ids(struct verification *v, const char *path) {
    char *id;
    int is_of, status = table_is_of(&v->table, path, &is_of, &id);
    free(id);
    TRY(status);
    if (is_of) return STATUS_OK;
    return status_set(STATUS_FAILED, "%s was made from another vocabulary than %s", h5file_path(v->table.file), path);
}

/* A row of a table without the vocabulary's rows, and the code of the vocabulary that it is, or -1. */
static int check_membership(const struct verification *v, const struct vocabulary *names, const char *path, int64_t row,
                            int64_t known) {
    const struct table *t = &v->table;
    const char *code = t->code + row * t->code_bytes, *system = t->system + row * t->system_bytes;
    if (row < t->shape.picked && known < 0)
        return status_set(STATUS_FAILED, "%s: row %lld is said to be of the vocabulary, but %s has no %s:%s",
                          h5file_path(t->file), (long long)row, path, system, code);
    if (row >= t->shape.picked && known >= 0)
        return status_set(STATUS_FAILED, "%s: row %lld is said to be a new code, but %s has %s:%s (in the row: %s)",
                          h5file_path(t->file), (long long)row, path, vocabulary_system(names, known),
                          vocabulary_code(names, known), code);
    return STATUS_OK;
}

/* Rows that were picked are codes of the vocabulary, and no other row is. */
static int check_memberships(const struct verification *v, const struct vocabulary *names, const char *path) {
    const struct table *t = &v->table;
    struct code_index index;
    int status = code_index_make(&index, (struct strings){names->code, NULL, names->code_bytes},
                                 (struct strings){names->system, NULL, names->system_bytes}, names->n_codes);
    for (int64_t i = 0; i < t->shape.n_codes && status == STATUS_OK; i++)
        status = check_membership(
            v, names, path, i, code_index_same(&index, t->system + i * t->system_bytes, t->code + i * t->code_bytes));
    code_index_free(&index);
    return status;
}

/* No code stands in two rows, in one spelling or in two. */
static int check_twice(const struct verification *v) {
    const struct table *t = &v->table;
    struct code_index index;
    int64_t row[2];
    int status = code_index_make(&index, (struct strings){t->code, NULL, t->code_bytes},
                                 (struct strings){t->system, NULL, t->system_bytes}, t->shape.n_codes);
    if (status == STATUS_OK && code_index_twice(&index, row))
        status = status_set(STATUS_FAILED, "%s: %s:%s stands in rows %lld and %lld (there: %s)", h5file_path(t->file),
                            t->system + row[0] * t->system_bytes, t->code + row[0] * t->code_bytes, (long long)row[0],
                            (long long)row[1], t->code + row[1] * t->code_bytes);
    code_index_free(&index);
    return status;
}

static int compare_names(struct verification *v, const char *path) {
    const struct table *t = &v->table;
    struct vocabulary names;
    int status = STATUS_OK;
    TRY(vocabulary_read(path, 0, -1, VOCABULARY_NAMES, &names));
    int64_t n = t->shape.vocabulary_rows;
    if (n > 0 && names.n_codes != n)
        status = status_set(STATUS_FAILED, "%s has %lld rows of the vocabulary, but %s has %lld codes",
                            h5file_path(t->file), (long long)n, path, (long long)names.n_codes);
    for (int64_t i = 0; i < n && status == STATUS_OK; i++) {
        const char *code = t->code + i * t->code_bytes, *system = t->system + i * t->system_bytes;
        if (strcmp(code, vocabulary_code(&names, i)) || strcmp(system, vocabulary_system(&names, i)))
            status = status_set(STATUS_FAILED, "%s: row %lld is %s:%s, but the vocabulary has %s:%s there",
                                h5file_path(t->file), (long long)i, system, code, vocabulary_system(&names, i),
                                vocabulary_code(&names, i));
    }
    if (status == STATUS_OK && n == 0) status = check_memberships(v, &names, path);
    vocabulary_free(&names);
    return status;
}

static void report(const struct verification *v) {
    const struct table_shape *s = &v->table.shape;
    printf("%s: ", h5file_path(v->table.file));
    if (s->vocabulary_rows > 0) printf("%lld codes in order, ", (long long)s->vocabulary_rows);
    if (s->picked > 0) printf("%lld picked codes, ", (long long)s->picked);
    int64_t n_new = s->n_codes - s->vocabulary_rows - s->picked;
    if (n_new > 0) printf("%lld new codes, ", (long long)n_new);
    printf("%lld of %lld groups absent", (long long)v->absent, (long long)s->n_codes * TABLE_GROUPS);
    if (v->n_without_tokens) printf(", %lld codes without any token", (long long)v->n_without_tokens);
    for (int g = 0; g < TABLE_GROUPS; g++) {
        const int32_t *region = v->table.shape.region[g];
        int64_t used = 0;
        for (int32_t r = region[0]; r < region[1]; r++) used += v->used[g][r];
        printf("; %s uses %.1f %% of its region", TABLE_GROUP_NAMES[g], 100.0 * (double)used / (region[1] - region[0]));
    }
    printf("; content %s; the table is good\n", v->id);
}

static int verify_table(const struct config *config, const char *path) {
    struct verification v = {0};
    int status;
    TRY_DONE(table_open(&v.table, path));
    TRY_DONE(h5file_verify(v.table.file, 0, 1));
    TRY_DONE(h5file_get_text(v.table.file, "content_id", &v.id));
    TRY_DONE(check_codebook(&v));
    TRY_DONE(check_twice(&v));
    if (access(config->files.vocabulary, F_OK) == 0) {
        TRY_DONE(compare_ids(&v, config->files.vocabulary));
        TRY_DONE(compare_names(&v, config->files.vocabulary));
    } else {
        log_warn("not compared with a vocabulary: %s does not exist", config->files.vocabulary);
    }
    TRY_DONE(check_rows(&v));
    report(&v);
done:
    free(v.codebook);
    free(v.id);
    for (int g = 0; g < TABLE_GROUPS; g++) free(v.used[g]);
    table_close(&v.table);
    return status;
}

/* ---- other files of this program: every row by its checksum ---- */
static int verify_rows(const char *path, enum file_kind kind) {
    struct h5file *file = NULL;
    char *created = NULL, *id = NULL;
    int status;
    TRY_DONE(h5file_open(&file, path, kind));
    TRY_DONE(h5file_verify(file, 0, 1));
    TRY_DONE(h5file_get_text(file, "created", &created));
    TRY_DONE(h5file_get_text(file, "content_id", &id));
    printf("%s: kind %s, made %s, content %s; the file is good\n", path, FILE_KIND_FACTS[kind].name, created, id);
done:
    free(created);
    free(id);
    h5file_close(file);
    return status;
}

/* And that it holds together, as its reader asks. */
static int verify_cohort(const char *path) {
    struct cohort cohort;
    TRY(cohort_read(path, 0, -1, &cohort));
    cohort_free(&cohort);
    return verify_rows(path, KIND_COHORT);
}

static int verify(const struct config *config, const char *path) {
    enum file_kind kind = h5file_kind(path);
    if (kind == KIND_UNKNOWN && access(path, R_OK) == 0)
        return status_set(STATUS_FAILED, "%s is no file of this program, or too damaged to tell", path);
    if (kind == KIND_COHORT) return verify_cohort(path);
    return kind == KIND_UNKNOWN || kind == KIND_TABLE ? verify_table(config, path) : verify_rows(path, kind);
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    int n_args = arguments->n;
    char **args = arguments->items;
    (void)comm;
    if (n_args == 0) return verify(config, config->files.table);
    for (int i = 0; i < n_args; i++) TRY(verify(config, args[i]));
    return STATUS_OK;
}

const struct job_entry VERIFY_JOB = {
    .job = JOB_VERIFY,
    .name = "verify",
    .arguments = "[FILE...]",
    .summary = "check the table, or the files named; exit code 1 and the first fault if one is bad",
    .ranks = RANK_0,
    .interruptible = 0,
    .run = run,
};
