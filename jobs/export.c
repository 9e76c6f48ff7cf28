/* export: the token table as NumPy arrays (named as the reference names them), TSV, JSON lines, and for Hugging Face. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/status.h"
#include "jobs.h"
#include "medtok/hugging_face.h"
#include "store/table_walk.h"

struct export {
    const struct config *config;
    struct table table;
    struct table_walk rows; /* in hand */
    struct atomic_file out;
    FILE *file; /* its stream */
};

/* ---- a file under a temporary name ---- */
static int begin_file(struct export *x, const char *name) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", x->config->files.export_folder, name) >= (int)sizeof path)
        return status_set(STATUS_FAILED, "the path is too long: %.200s...", path);
    TRY(atomic_file_open(&x->out, path));
    x->file = x->out.stream;
    return STATUS_OK;
}

static int end_file(struct export *x, int status) {
    TRY(atomic_file_close(&x->out, status));
    log_info("wrote %s", x->out.path);
    return STATUS_OK;
}

/* ---- formats: a head, then each block of rows ---- */
struct format {
    const char *name, *file;
    void (*head)(struct export *);
    void (*rows)(struct export *);
};

/* NPY version 1.0: magic, version, length of the header, the header padded so that the data begin at a multiple of 64. */
static void npy_head(struct export *x, const char *type, const char *shape) {
    char header[256];
    int n = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", type, shape);
    int padded = (10 + n + 1 + 63) / 64 * 64 - 10;
    fwrite("\x93NUMPY\x01\x00", 1, 8, x->file);
    fputc(padded & 255, x->file);
    fputc(padded >> 8, x->file);
    fprintf(x->file, "%s%*s\n", header, padded - n - 1, "");
}

static void picks_head(struct export *x, const char *type) {
    char shape[96];
    snprintf(shape, sizeof shape, "(%lld, %d, %lld)", (long long)x->table.shape.n_codes, TABLE_GROUPS,
             (long long)x->table.shape.top_k);
    npy_head(x, type, shape);
}

static void tokens_head(struct export *x) { picks_head(x, "<i4"); }
static void weights_head(struct export *x) { picks_head(x, "<f4"); }
static void embeddings_head(struct export *x) {
    char shape[96];
    snprintf(shape, sizeof shape, "(%lld, %lld)", (long long)x->table.shape.n_codes,
             (long long)(TABLE_GROUPS * x->table.shape.dim));
    npy_head(x, "<f4", shape);
}

static void tokens_rows(struct export *x) {
    fwrite(x->rows.tokens, 4 * TABLE_GROUPS * (size_t)x->table.shape.top_k, (size_t)x->rows.count, x->file);
}
static void weights_rows(struct export *x) {
    fwrite(x->rows.weights, 4 * TABLE_GROUPS * (size_t)x->table.shape.top_k, (size_t)x->rows.count, x->file);
}
static void embeddings_rows(struct export *x) {
    fwrite(x->rows.embedding, 4 * TABLE_GROUPS * (size_t)x->table.shape.dim, (size_t)x->rows.count, x->file);
}

static const char *code_of(const struct export *x, int64_t row) { return x->table.code + row * x->table.code_bytes; }
static const char *system_of(const struct export *x, int64_t row) {
    return x->table.system + row * x->table.system_bytes;
}

static void tsv_head(struct export *x) {
    static const char *const COLUMNS[] = {"text_specific", "graph_specific", "shared_text", "shared_graph"};
    fprintf(x->file, "system\tcode");
    for (int g = 0; g < TABLE_GROUPS; g++) fprintf(x->file, "\t%s_tokens\t%s_weights", COLUMNS[g], COLUMNS[g]);
    fprintf(x->file, "\n");
}

static void tsv_rows(struct export *x) {
    int64_t k = x->table.shape.top_k;
    for (int64_t i = 0; i < x->rows.count; i++) {
        fprintf(x->file, "%s\t%s", system_of(x, x->rows.first + i), code_of(x, x->rows.first + i));
        for (int g = 0; g < TABLE_GROUPS; g++) {
            const int32_t *tokens = x->rows.tokens + (i * TABLE_GROUPS + g) * k;
            const float *weights = x->rows.weights + (i * TABLE_GROUPS + g) * k;
            fputc('\t', x->file);
            for (int64_t j = 0; j < k && tokens[0] >= 0; j++) fprintf(x->file, "%s%d", j ? ";" : "", tokens[j]);
            fputc('\t', x->file);
            for (int64_t j = 0; j < k && tokens[0] >= 0; j++)
                fprintf(x->file, "%s%.7g", j ? ";" : "", (double)weights[j]);
        }
        fputc('\n', x->file);
    }
}

static void no_head(struct export *x) { (void)x; }

/* [4, K] values of a code as a list of lists; one of the two is given. */
static void write_groups(struct json *j, const char *name, int64_t k, const int32_t *tokens, const float *weights) {
    json_array(j, name);
    for (int64_t g = 0; g < TABLE_GROUPS; g++) {
        json_array(j, NULL);
        for (int64_t i = g * k; i < (g + 1) * k; i++)
            tokens ? json_integer(j, NULL, tokens[i]) : json_real(j, NULL, (double)weights[i], 7);
        json_end(j);
    }
    json_end(j);
}

static void jsonl_rows(struct export *x) {
    int64_t k = x->table.shape.top_k, picks = TABLE_GROUPS * k;
    for (int64_t i = 0; i < x->rows.count; i++) {
        struct json j = json_begin(x->file, 0);
        json_object(&j, NULL);
        json_text(&j, "system", system_of(x, x->rows.first + i));
        json_text(&j, "code", code_of(x, x->rows.first + i));
        write_groups(&j, "tokens", k, x->rows.tokens + i * picks, NULL);
        write_groups(&j, "weights", k, NULL, x->rows.weights + i * picks);
        json_end(&j);
        fputc('\n', x->file);
    }
}

static const struct format FORMATS[] = {{"npy", "tokens_all.npy", tokens_head, tokens_rows},
                                        {"npy", "weights_all.npy", weights_head, weights_rows},
                                        {"npy", "embeddings_all.npy", embeddings_head, embeddings_rows},
                                        {"tsv", "tokens.tsv", tsv_head, tsv_rows},
                                        {"jsonl", "tokens.jsonl", no_head, jsonl_rows}};

/* ---- the job ---- */
static int write_format(struct export *x, const struct format *format) {
    int status = begin_file(x, format->file);
    if (status == STATUS_OK) format->head(x);
    if (status == STATUS_OK)
        status = table_walk_begin(&x->rows, &x->table, TABLE_TOKENS | TABLE_WEIGHTS | TABLE_EMBEDDING, 0,
                                  x->table.shape.n_codes);
    while (status == STATUS_OK && (status = table_walk_next(&x->rows)) == STATUS_OK && x->rows.count > 0) {
        format->rows(x);
        status = atomic_file_error(&x->out);
        if (status == STATUS_OK && interrupt_asked())
            status = status_set(STATUS_INTERRUPTED,
                                "stopped by a signal; %s was not finished: run the same command again", x->out.path);
    }
    table_walk_end(&x->rows);
    return end_file(x, status);
}

/* Whether a format is named, or none is. */
static int wanted(const char *name, const struct job_arguments *arguments) {
    for (int i = 0; i < arguments->n; i++)
        if (strcmp(arguments->items[i], name) == 0) return 1;
    return arguments->n == 0;
}

static int is_format(const char *name) {
    return strcmp(name, "npy") == 0 || strcmp(name, "tsv") == 0 || strcmp(name, "jsonl") == 0 ||
           strcmp(name, "hf") == 0;
}

/* What stands behind hf is its folder. */
static int take(struct config *config, const struct job_arguments *arguments) {
    char assignment[PATH_MAX + 32];
    for (int i = 0; i < arguments->n; i++) {
        const char *name = arguments->items[i], *next = i + 1 < arguments->n ? arguments->items[i + 1] : NULL;
        if (!is_format(name))
            return status_set(STATUS_USAGE, "export does not know the format %s; there are npy, tsv, jsonl, hf", name);
        if (strcmp(name, "hf") != 0) continue;
        if (next && !is_format(next)) {
            snprintf(assignment, sizeof assignment, "files.hugging_face=%s", next);
            TRY(config_set(config, assignment));
            i++;
        } else if (!config->files.hugging_face[0]) {
            return status_set(STATUS_USAGE, "export hf needs a folder: medtok export hf FOLDER");
        }
    }
    return STATUS_OK;
}

static int write_hugging_face(struct export *x) {
    struct hugging_face_options options = {x->config->files.hugging_face, x->config->files.checkpoint,
                                           x->config->probe.report};
    return hugging_face_write(&x->table, &options);
}

static int export_all(struct export *x, const struct job_arguments *arguments) {
    int made = 0;
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++) {
        if (!wanted(FORMATS[i].name, arguments)) continue;
        if (!made++) TRY(path_make_folders(x->config->files.export_folder));
        TRY(write_format(x, &FORMATS[i]));
    }
    return wanted("hf", arguments) && x->config->files.hugging_face[0] ? write_hugging_face(x) : STATUS_OK;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    (void)comm;
    struct export x = {.config = config};
    int status = table_open(&x.table, config->files.table);
    if (status == STATUS_OK) status = export_all(&x, arguments);
    table_close(&x.table);
    return status;
}

const struct job_entry EXPORT_JOB = {
    .job = JOB_EXPORT,
    .name = "export",
    .arguments = "[npy] [tsv] [jsonl] [hf FOLDER]",
    .summary = "write the table in other formats; none named: in all",
    .ranks = RANK_0,
    .interruptible = 1,
    .take = take,
    .run = run,
};
