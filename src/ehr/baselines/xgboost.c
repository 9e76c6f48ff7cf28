/* Calls of XGBoost's C interface (xgboost/c_api.h), whose few functions are declared here as its documentation says. */
#include "ehr/baselines/xgboost.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

#define XGBOOST_FUNCTIONS(FUNCTION)                                                                                    \
    FUNCTION(const char *, XGBGetLastError, (void))                                                                    \
    FUNCTION(void, XGBoostVersion, (int *major, int *minor, int *patch))                                               \
    FUNCTION(int, XGDMatrixCreateFromCSR,                                                                              \
             (const char *indptr, const char *indices, const char *data, uint64_t columns, const char *config,         \
              void **matrix))                                                                                          \
    FUNCTION(int, XGDMatrixSetFloatInfo, (void *matrix, const char *field, const float *values, uint64_t n))           \
    FUNCTION(int, XGDMatrixFree, (void *matrix))                                                                       \
    FUNCTION(int, XGBoosterCreate, (void *const matrices[], uint64_t n, void **booster))                               \
    FUNCTION(int, XGBoosterFree, (void *booster))                                                                      \
    FUNCTION(int, XGBoosterSetParam, (void *booster, const char *name, const char *value))                             \
    FUNCTION(int, XGBoosterUpdateOneIter, (void *booster, int round, void *matrix))                                    \
    FUNCTION(int, XGBoosterSaveModelToBuffer, (void *booster, const char *config, uint64_t *size, const char **bytes)) \
    FUNCTION(int, XGBoosterLoadModelFromBuffer, (void *booster, const void *bytes, uint64_t size))                     \
    FUNCTION(int, XGBoosterPredictFromDMatrix,                                                                         \
             (void *booster, void *matrix, const char *config, const uint64_t **shape, uint64_t *n_dims,               \
              const float **result))

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration cannot stand in them */
#define MEMBER(type, name, arguments) type(*name) arguments;
struct xgboost {
    void *handle;
    XGBOOST_FUNCTIONS(MEMBER)
};

/* ---- the library ---- */
static int missing(const char *path) {
    return status_set(STATUS_FAILED,
                      "baseline.model is xgboost, but its library cannot be used: %s; install it (Debian: apt install "
                      "libxgboost-dev; or pip install xgboost) and name its file, --set "
                      "baseline.xgboost=PATH/libxgboost.so%s",
                      dlerror(), path[0] ? "" : ", if the system does not find it");
}

int xgboost_open(struct xgboost **out, const char *path) {
    static const char *const NAMES[] = {"libxgboost.so.0", "libxgboost.so"};
    struct xgboost *x;
    TRY(mem_alloc(out, 1, sizeof **out));
    x = *out;
    if (path[0]) x->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES && !path[0] && !x->handle; i++)
        x->handle = dlopen(NAMES[i], RTLD_NOW | RTLD_LOCAL);
    int found = x->handle != NULL;
#define FIND(type, name, arguments)                                                                                    \
    if (found) {                                                                                                       \
        void *symbol = dlsym(x->handle, #name);                                                                        \
        memcpy(&x->name, &symbol, sizeof symbol);                                                                      \
        found = symbol != NULL;                                                                                        \
    }
    XGBOOST_FUNCTIONS(FIND)
    if (found) return STATUS_OK;
    int status = missing(path);
    xgboost_close(x);
    *out = NULL;
    return status;
}

/* The library stays loaded: its threads live as long as the process. */
void xgboost_close(struct xgboost *x) { free(x); }

void xgboost_version(const struct xgboost *x, char text[32]) {
    int major, minor, patch;
    x->XGBoostVersion(&major, &minor, &patch);
    snprintf(text, 32, "%d.%d.%d", major, minor, patch);
}

static int called(const struct xgboost *x, int code) {
    if (code == 0) return STATUS_OK;
    const char *text = x->XGBGetLastError();
    return status_set(STATUS_FAILED, "XGBoost: %.*s", (int)strcspn(text, "\n"), text);
}

/* ---- matrices ---- */
/* An array in the words of __array_interface__. */
static void array_text(const void *data, int64_t n, const char *type, char text[160]) {
    snprintf(text, 160,
             "{\"data\": [%" PRIuPTR ", true], \"typestr\": \"%s\", \"shape\": [%" PRId64 "], \"version\": 3}",
             (uintptr_t)data, type, n);
}

static int make_matrix(const struct xgboost *x, const struct sparse_rows *rows, int64_t n_columns, int threads,
                       void **matrix) {
    static const int64_t NO_ROWS[1] = {0};
    const int64_t *offsets = rows->n ? rows->offsets : NO_ROWS;
    char indptr[160], indices[160], data[160], config[80];
    array_text(offsets, rows->n + 1, "<i8", indptr);
    array_text(rows->column, offsets[rows->n], "<i4", indices);
    array_text(rows->value, offsets[rows->n], "<f4", data);
    snprintf(config, sizeof config, "{\"missing\": NaN, \"nthread\": %d}", threads);
    return called(x, x->XGDMatrixCreateFromCSR(indptr, indices, data, (uint64_t)n_columns, config, matrix));
}

/* ---- fitting ---- */
static int set_parameters(const struct xgboost *x, void *booster, const struct xgboost_settings *s) {
    char depth[24], rate[32], classes[16], threads[16];
    snprintf(depth, sizeof depth, "%" PRId64, s->depth);
    snprintf(rate, sizeof rate, "%.9g", s->rate);
    snprintf(classes, sizeof classes, "%d", s->n_classes);
    snprintf(threads, sizeof threads, "%d", s->threads);
    TRY(called(x, x->XGBoosterSetParam(booster, "objective", s->n_classes > 2 ? "multi:softprob" : "binary:logistic")));
    if (s->n_classes > 2) TRY(called(x, x->XGBoosterSetParam(booster, "num_class", classes)));
    TRY(called(x, x->XGBoosterSetParam(booster, "tree_method", "hist")));
    TRY(called(x, x->XGBoosterSetParam(booster, "verbosity", "0")));
    TRY(called(x, x->XGBoosterSetParam(booster, "nthread", threads)));
    TRY(called(x, x->XGBoosterSetParam(booster, "max_depth", depth)));
    return called(x, x->XGBoosterSetParam(booster, "eta", rate));
}

static int save_model(const struct xgboost *x, void *booster, int64_t *size, char **model) {
    const char *bytes;
    uint64_t n;
    TRY(called(x, x->XGBoosterSaveModelToBuffer(booster, "{\"format\": \"ubj\"}", &n, &bytes)));
    TRY(mem_alloc(model, (long long)n, 1));
    memcpy(*model, bytes, n);
    *size = (int64_t)n;
    return STATUS_OK;
}

int xgboost_fit(const struct xgboost *x, const struct xgboost_settings *s, const struct sparse_rows *rows,
                int64_t n_columns, const float *label, const float *weight, int64_t *size, char **model) {
    void *matrix = NULL, *booster = NULL;
    int status;
    TRY_DONE(make_matrix(x, rows, n_columns, s->threads, &matrix));
    TRY_DONE(called(x, x->XGDMatrixSetFloatInfo(matrix, "label", label, (uint64_t)rows->n)));
    TRY_DONE(called(x, x->XGDMatrixSetFloatInfo(matrix, "weight", weight, (uint64_t)rows->n)));
    TRY_DONE(called(x, x->XGBoosterCreate(&matrix, 1, &booster)));
    TRY_DONE(set_parameters(x, booster, s));
    for (int round = 0; round < s->rounds; round++)
        TRY_DONE(called(x, x->XGBoosterUpdateOneIter(booster, round, matrix)));
    status = save_model(x, booster, size, model);
done:
    if (booster) x->XGBoosterFree(booster);
    if (matrix) x->XGDMatrixFree(matrix);
    return status;
}

int xgboost_predict(const struct xgboost *x, int64_t size, const char *model, int64_t rounds, int threads,
                    const struct sparse_rows *rows, int64_t n_columns, int outputs, float *probability) {
    void *matrix = NULL, *booster = NULL;
    const uint64_t *shape;
    const float *result;
    uint64_t n_dims, n = 1;
    char config[160], text[16];
    int status;
    if (rows->n == 0) return STATUS_OK;
    snprintf(config, sizeof config,
             "{\"type\": 0, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": %" PRId64
             ", \"strict_shape\": true}",
             rounds);
    snprintf(text, sizeof text, "%d", threads);
    TRY_DONE(make_matrix(x, rows, n_columns, threads, &matrix));
    TRY_DONE(called(x, x->XGBoosterCreate(NULL, 0, &booster)));
    TRY_DONE(called(x, x->XGBoosterLoadModelFromBuffer(booster, model, (uint64_t)size)));
    TRY_DONE(called(x, x->XGBoosterSetParam(booster, "nthread", text)));
    TRY_DONE(called(x, x->XGBoosterPredictFromDMatrix(booster, matrix, config, &shape, &n_dims, &result)));
    for (uint64_t d = 0; d < n_dims; d++) n *= shape[d];
    if (n == (uint64_t)(rows->n * outputs))
        memcpy(probability, result, n * sizeof *result);
    else
        status = status_set(STATUS_FAILED, "XGBoost gave %llu probabilities for %lld rows", (unsigned long long)n,
                            (long long)rows->n);
done:
    if (booster) x->XGBoosterFree(booster);
    if (matrix) x->XGDMatrixFree(matrix);
    return status;
}
