/* export: the token table as NumPy arrays (named as the reference names them), TSV, and JSON lines. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/path.h"
#include "base/status.h"
#include "base/text.h"
#include "jobs.h"
#include "store/table.h"

enum { BLOCK_ROWS = 4096 };

/* Rows of the table in hand. */
struct rows {
    int64_t first, count;
    int32_t *tokens;
    float *weights, *embedding;
};

struct export {
    const struct config *config;
    struct table table;
    struct rows rows;
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

static void jsonl_rows(struct export *x) {
    int64_t k = x->table.shape.top_k;
    for (int64_t i = 0; i < x->rows.count; i++) {
        const int32_t *tokens = x->rows.tokens + i * TABLE_GROUPS * k;
        const float *weights = x->rows.weights + i * TABLE_GROUPS * k;
        fprintf(x->file, "{\"system\": ");
        text_print_json(x->file, system_of(x, x->rows.first + i));
        fprintf(x->file, ", \"code\": ");
        text_print_json(x->file, code_of(x, x->rows.first + i));
        fprintf(x->file, ", \"tokens\": [");
        for (int64_t j = 0; j < TABLE_GROUPS * k; j++)
            fprintf(x->file, "%s%s%d%s", j && j % k == 0 ? ", " : "", j % k ? ", " : "[", tokens[j],
                    j % k == k - 1 ? "]" : "");
        fprintf(x->file, "], \"weights\": [");
        for (int64_t j = 0; j < TABLE_GROUPS * k; j++)
            fprintf(x->file, "%s%s%.7g%s", j && j % k == 0 ? ", " : "", j % k ? ", " : "[", (double)weights[j],
                    j % k == k - 1 ? "]" : "");
        fprintf(x->file, "]}\n");
    }
}

static const struct format FORMATS[] = {{"npy", "tokens_all.npy", tokens_head, tokens_rows},
                                        {"npy", "weights_all.npy", weights_head, weights_rows},
                                        {"npy", "embeddings_all.npy", embeddings_head, embeddings_rows},
                                        {"tsv", "tokens.tsv", tsv_head, tsv_rows},
                                        {"jsonl", "tokens.jsonl", no_head, jsonl_rows}};

/* ---- the job ---- */
static int write_format(struct export *x, const struct format *format) {
    int64_t n = x->table.shape.n_codes;
    int status = begin_file(x, format->file);
    if (status == STATUS_OK) format->head(x);
    for (int64_t first = 0; first < n && status == STATUS_OK; first += BLOCK_ROWS) {
        if (interrupt_asked())
            status = status_set(STATUS_INTERRUPTED,
                                "stopped by a signal; %s was not finished: run the same command again", x->out.path);
        if (status != STATUS_OK) break;
        x->rows.first = first;
        x->rows.count = first + BLOCK_ROWS < n ? BLOCK_ROWS : n - first;
        status = table_read(&x->table, first, x->rows.count, x->rows.tokens, x->rows.weights, x->rows.embedding);
        if (status == STATUS_OK) format->rows(x);
        if (status == STATUS_OK) status = atomic_file_error(&x->out);
    }
    return end_file(x, status);
}

static int wanted(const struct format *format, int n_args, char **args) {
    for (int i = 0; i < n_args; i++)
        if (strcmp(args[i], format->name) == 0) return 1;
    return n_args == 0;
}

static int check_args(int n_args, char **args) {
    for (int i = 0; i < n_args; i++)
        if (strcmp(args[i], "npy") && strcmp(args[i], "tsv") && strcmp(args[i], "jsonl"))
            return status_set(STATUS_USAGE, "export does not know the format %s; there are npy, tsv, jsonl", args[i]);
    return STATUS_OK;
}

static int export_all(struct export *x, int n_args, char **args) {
    int64_t picks = TABLE_GROUPS * x->table.shape.top_k;
    const char *folder = x->config->files.export_folder;
    TRY(path_make_folders(folder));
    TRY(mem_alloc(&x->rows.tokens, BLOCK_ROWS * picks, sizeof(int32_t)));
    TRY(mem_alloc(&x->rows.weights, BLOCK_ROWS * picks, sizeof(float)));
    TRY(mem_alloc(&x->rows.embedding, BLOCK_ROWS * TABLE_GROUPS * x->table.shape.dim, sizeof(float)));
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++)
        if (wanted(&FORMATS[i], n_args, args)) TRY(write_format(x, &FORMATS[i]));
    return STATUS_OK;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    int n_args = arguments->n;
    char **args = arguments->items;
    (void)comm;
    struct export x = {.config = config};
    TRY(check_args(n_args, args));
    int status = table_open(&x.table, config->files.table);
    if (status == STATUS_OK) status = export_all(&x, n_args, args);
    free(x.rows.tokens);
    free(x.rows.weights);
    free(x.rows.embedding);
    table_close(&x.table);
    return status;
}

const struct job_entry EXPORT_JOB = {
    .job = JOB_EXPORT,
    .name = "export",
    .arguments = "[npy] [tsv] [jsonl]",
    .summary = "write the table in other formats; none named: in all",
    .ranks = RANK_0,
    .interruptible = 1,
    .run = run,
};
