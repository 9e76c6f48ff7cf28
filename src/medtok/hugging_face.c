/* File after file into a folder that is not there yet. */
#include "medtok/hugging_face.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_folder.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/status.h"
#include "configuration_medtok.h"
#include "lm/safetensors_header.h"
#include "medtok/model_card.h"
#include "modeling_medtok.h"
#include "store/table_walk.h"
#include "tokenization_medtok.h"

const char *const HUGGING_FACE_FILES[N_HUGGING_FACE_FILES] = {
    "config.json", "model.safetensors",       "codes.tsv",          "tokenizer_config.json",
    "README.md",   "configuration_medtok.py", "modeling_medtok.py", "tokenization_medtok.py"};
const char HUGGING_FACE_BEGINS[] = "{\n \"model_type\": \"medtok\",";

struct writing {
    struct table *table;
    const struct hugging_face_options *options;
    struct atomic_folder folder;
    struct card_counts counts;
    int64_t name_bytes;       /* of the longest SYSTEM:CODE */
    char path[PATH_MAX + 32]; /* of the file in hand */
    FILE *file;               /* in hand */
    char weights_sha256[65];
};

/* ---- a file of the folder ---- */
static int failed(const struct writing *x) {
    return status_set(STATUS_FAILED, "%s: %s", x->path, strerror(errno ? errno : EIO));
}

static int open_file(struct writing *x, const char *name) {
    snprintf(x->path, sizeof x->path, "%s/%s", x->folder.temporary, name);
    x->file = fopen(x->path, "wb");
    return x->file ? STATUS_OK : failed(x);
}

static int close_file(struct writing *x, int status) {
    errno = 0;
    if (status == STATUS_OK && (fflush(x->file) || ferror(x->file) || fsync(fileno(x->file)))) status = failed(x);
    if (fclose(x->file) && status == STATUS_OK) status = failed(x);
    return status;
}

/* ---- names ---- */
static const char *system_of(const struct table *t, int64_t row) { return t->system + row * t->system_bytes; }
static const char *code_of(const struct table *t, int64_t row) { return t->code + row * t->code_bytes; }

static int64_t longest_name(const struct table *t) {
    size_t longest = 1;
    for (int64_t i = 0; i < t->shape.n_codes; i++) {
        size_t n = strlen(system_of(t, i)) + 1 + strlen(code_of(t, i));
        if (n > longest) longest = n;
    }
    return (int64_t)longest;
}

static int write_codes(struct writing *x) {
    const struct table *t = x->table;
    TRY(open_file(x, "codes.tsv"));
    fprintf(x->file, "system\tcode\n");
    for (int64_t i = 0; i < t->shape.n_codes; i++) fprintf(x->file, "%s\t%s\n", system_of(t, i), code_of(t, i));
    return close_file(x, STATUS_OK);
}

/* ---- the tensors, in the order of the header ---- */
enum { TENSOR_CODEBOOK, TENSOR_TOKENS, TENSOR_WEIGHTS, TENSOR_EMBEDDINGS, TENSOR_CODES, N_TENSORS };

static void shape_tensors(const struct writing *x, struct tensor_shape shapes[N_TENSORS]) {
    const struct table_shape *s = &x->table->shape;
    int64_t n = s->n_codes;
    shapes[TENSOR_CODEBOOK] = (struct tensor_shape){"codebook.weight", "F32", 4, 2, {s->codebook_size, s->dim}};
    shapes[TENSOR_TOKENS] = (struct tensor_shape){"tokens", "I32", 4, 3, {n, TABLE_GROUPS, s->top_k}};
    shapes[TENSOR_WEIGHTS] = (struct tensor_shape){"weights", "F32", 4, 3, {n, TABLE_GROUPS, s->top_k}};
    shapes[TENSOR_EMBEDDINGS] = (struct tensor_shape){"embeddings", "F32", 4, 2, {n, TABLE_GROUPS * s->dim}};
    shapes[TENSOR_CODES] = (struct tensor_shape){"codes", "U8", 1, 2, {n, x->name_bytes}};
}

static int write_codebook(struct writing *x) {
    int64_t n = x->table->shape.codebook_size * x->table->shape.dim;
    float *codebook;
    TRY(mem_alloc(&codebook, n, sizeof *codebook));
    int status = table_read_codebook(x->table, codebook);
    if (status == STATUS_OK) fwrite(codebook, sizeof *codebook, (size_t)n, x->file);
    free(codebook);
    return status;
}

static void write_names(struct writing *x) {
    const struct table *t = x->table;
    for (int64_t i = 0; i < t->shape.n_codes; i++) {
        int n = fprintf(x->file, "%s:%s", system_of(t, i), code_of(t, i));
        for (; n < x->name_bytes; n++) fputc(0, x->file);
    }
}

/* One part of every row. */
static int write_rows(struct writing *x, enum table_part part) {
    const struct table_shape *s = &x->table->shape;
    size_t picks = TABLE_GROUPS * (size_t)s->top_k, width = TABLE_GROUPS * (size_t)s->dim;
    struct table_walk w;
    int status = table_walk_begin(&w, x->table, part, 0, s->n_codes);
    while (status == STATUS_OK && (status = table_walk_next(&w)) == STATUS_OK && w.count > 0) {
        size_t n = (size_t)w.count;
        if (part == TABLE_TOKENS) card_counts_add(&x->counts, x->table, w.first, w.count, w.tokens);
        if (part == TABLE_TOKENS) fwrite(w.tokens, sizeof *w.tokens * picks, n, x->file);
        if (part == TABLE_WEIGHTS) fwrite(w.weights, sizeof *w.weights * picks, n, x->file);
        if (part == TABLE_EMBEDDING) fwrite(w.embedding, sizeof *w.embedding * width, n, x->file);
        errno = 0;
        status = ferror(x->file) ? failed(x) : interrupt_poll();
    }
    table_walk_end(&w);
    return status;
}

static int write_tensors(struct writing *x) {
    struct tensor_shape shapes[N_TENSORS];
    int64_t bytes = 1 << 16;
    shape_tensors(x, shapes);
    for (int i = 0; i < N_TENSORS; i++) bytes += tensor_shape_bytes(&shapes[i]);
    TRY(path_check_room(x->folder.temporary, bytes, x->options->folder));
    TRY(open_file(x, "model.safetensors"));
    int status = safetensors_write_header(x->file, N_TENSORS, shapes);
    if (status == STATUS_OK) status = write_codebook(x);
    if (status == STATUS_OK) status = write_rows(x, TABLE_TOKENS);
    if (status == STATUS_OK) status = write_rows(x, TABLE_WEIGHTS);
    if (status == STATUS_OK) status = write_rows(x, TABLE_EMBEDDING);
    if (status == STATUS_OK) write_names(x);
    TRY(close_file(x, status));
    return sha256_file(x->path, x->weights_sha256);
}

/* ---- what transformers read first ---- */
static int write_identity(struct writing *x, struct json *j) {
    static const char *const NAMES[] = {"program_version", "content_id", "vocabulary_id", "checkpoint_id"};
    int64_t step;
    TRY(h5file_get_int(x->table->file, "step", &step));
    json_object(j, "provenance");
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        char *value = NULL;
        int status = h5file_get_text(x->table->file, NAMES[i], &value);
        if (status == STATUS_OK) json_text(j, NAMES[i], value);
        free(value);
        TRY(status);
    }
    json_integer(j, "step", step);
    json_end(j);
    return STATUS_OK;
}

static int write_config_members(struct writing *x, struct json *j) {
    const struct table_shape *s = &x->table->shape;
    json_text(j, "model_type", "medtok");
    json_array(j, "architectures");
    json_text(j, NULL, "MedTokModel");
    json_end(j);
    json_object(j, "auto_map");
    json_text(j, "AutoConfig", "configuration_medtok.MedTokConfig");
    json_text(j, "AutoModel", "modeling_medtok.MedTokModel");
    json_end(j);
    json_text(j, "dtype", "float32");
    json_integer(j, "n_codes", s->n_codes);
    json_integer(j, "tokens_per_group", s->top_k);
    json_integer(j, "dim", s->dim);
    json_integer(j, "codebook_size", s->codebook_size);
    json_integer(j, "code_bytes", x->name_bytes);
    json_array(j, "groups");
    for (int g = 0; g < TABLE_GROUPS; g++) json_text(j, NULL, TABLE_GROUP_NAMES[g]);
    json_end(j);
    json_array(j, "regions");
    for (int g = 0; g < TABLE_GROUPS; g++) {
        json_array(j, NULL);
        json_integer(j, NULL, s->region[g][0]);
        json_integer(j, NULL, s->region[g][1]);
        json_end(j);
    }
    json_end(j);
    json_integer(j, "residual", s->residual);
    json_integer(j, "sparse", s->sparse);
    json_real(j, "graph_weight", s->graph_weight, 9);
    return write_identity(x, j);
}

static int write_config(struct writing *x) {
    TRY(open_file(x, "config.json"));
    struct json j = json_begin(x->file, 1);
    json_object(&j, NULL);
    int status = write_config_members(x, &j);
    json_end(&j);
    fputc('\n', x->file);
    return close_file(x, status);
}

static int write_tokenizer_config(struct writing *x) {
    TRY(open_file(x, "tokenizer_config.json"));
    struct json j = json_begin(x->file, 1);
    json_object(&j, NULL);
    json_text(&j, "tokenizer_class", "MedTokTokenizer");
    json_object(&j, "auto_map");
    json_array(&j, "AutoTokenizer");
    json_text(&j, NULL, "tokenization_medtok.MedTokTokenizer");
    json_text(&j, NULL, NULL);
    json_end(&j);
    json_end(&j);
    json_end(&j);
    fputc('\n', x->file);
    return close_file(x, STATUS_OK);
}

static int write_text(struct writing *x, const char *name, const char *text) {
    TRY(open_file(x, name));
    fputs(text, x->file);
    return close_file(x, STATUS_OK);
}

static int write_card(struct writing *x) {
    struct model_card card = {x->table, &x->counts, x->weights_sha256, x->options->checkpoint, x->options->probe};
    TRY(open_file(x, "README.md"));
    return close_file(x, model_card_write(&card, x->file));
}

/* ---- the whole ---- */
static int write_files(struct writing *x) {
    x->name_bytes = longest_name(x->table);
    TRY(card_counts_make(&x->counts, x->table));
    TRY(write_tensors(x));
    TRY(write_codes(x));
    TRY(write_config(x));
    TRY(write_tokenizer_config(x));
    TRY(write_text(x, "configuration_medtok.py", CONFIGURATION_MEDTOK));
    TRY(write_text(x, "tokenization_medtok.py", TOKENIZATION_MEDTOK));
    TRY(write_text(x, "modeling_medtok.py", MODELING_MEDTOK));
    return write_card(x);
}

int hugging_face_write(struct table *table, const struct hugging_face_options *options) {
    struct writing x = {.table = table, .options = options};
    TRY(atomic_folder_open(&x.folder, options->folder));
    int status = atomic_folder_close(&x.folder, write_files(&x));
    card_counts_free(&x.counts);
    if (status == STATUS_OK) log_info("wrote %s", options->folder);
    return status;
}
