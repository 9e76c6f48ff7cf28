/* JSON by jansson. */
#include "lm/model_folder.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"
#include "lm/folder_json.h"

/* ---- config.json ---- */
static int config_activation(const struct model_folder *f, json_t *json, enum activation *activation) {
    static const struct {
        const char *name;
        enum activation activation;
    } KNOWN[] = {{"gelu", ACTIVATION_GELU},
                 {"gelu_new", ACTIVATION_GELU_TANH},
                 {"gelu_pytorch_tanh", ACTIVATION_GELU_TANH},
                 {"relu", ACTIVATION_RELU}};
    json_t *entry = json_object_get(json, "hidden_act");
    const char *name = entry ? json_string_value(entry) : "gelu";
    for (size_t i = 0; name && i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (strcmp(name, KNOWN[i].name) == 0) {
            *activation = KNOWN[i].activation;
            return STATUS_OK;
        }
    return status_set(STATUS_FAILED,
                      "%s/config.json: hidden_act %s is not known here; known are gelu, gelu_new, "
                      "gelu_pytorch_tanh, relu",
                      f->path, name ? name : "(not a text)");
}

static int check_architecture(const struct model_folder *f, json_t *json) {
    const char *type = json_string_value(json_object_get(json, "model_type"));
    const char *first = json_string_value(json_array_get(json_object_get(json, "architectures"), 0));
    const char *positions = json_string_value(json_object_get(json, "position_embedding_type"));
    int bert = type ? strcmp(type, "bert") == 0 : first && strncmp(first, "Bert", 4) == 0;
    if (!bert)
        return status_set(STATUS_FAILED,
                          "%s/config.json: model_type is %s; only bert is known here (BERT, PubMedBERT, "
                          "BioClinicalBERT, SapBERT, MiniLM, ...)",
                          f->path, type ? type : "missing");
    if (positions && strcmp(positions, "absolute") != 0)
        return status_set(STATUS_FAILED, "%s/config.json: position_embedding_type is %s; only absolute is known here",
                          f->path, positions);
    return STATUS_OK;
}

static int read_config(struct model_folder *f) {
    struct bert_config *c = &f->config;
    json_t *json;
    int status;
    TRY(folder_load_json(f->path, "config.json", &json));
    TRY_DONE(check_architecture(f, json));
    TRY_DONE(folder_count(f->path, json, "hidden_size", 65536, &c->hidden));
    TRY_DONE(folder_count(f->path, json, "num_hidden_layers", 1024, &c->layers));
    TRY_DONE(folder_count(f->path, json, "num_attention_heads", 1024, &c->heads));
    TRY_DONE(folder_count(f->path, json, "intermediate_size", 1048576, &c->intermediate));
    TRY_DONE(folder_count(f->path, json, "vocab_size", 16777216, &c->vocabulary));
    TRY_DONE(folder_count(f->path, json, "max_position_embeddings", 1048576, &c->positions));
    c->types = 2;
    if (json_object_get(json, "type_vocab_size"))
        TRY_DONE(folder_count(f->path, json, "type_vocab_size", 1024, &c->types));
    TRY_DONE(config_activation(f, json, &c->activation));
    c->layer_norm_epsilon = folder_number(json, "layer_norm_eps", 1e-12);
    c->hidden_dropout = folder_number(json, "hidden_dropout_prob", 0.1);
    c->attention_dropout = folder_number(json, "attention_probs_dropout_prob", 0.1);
    if (c->hidden % c->heads)
        status = status_set(STATUS_FAILED, "%s/config.json: num_attention_heads %lld does not divide hidden_size %lld",
                            f->path, (long long)c->heads, (long long)c->hidden);
    else if (!(c->hidden_dropout >= 0 && c->hidden_dropout < 1 && c->attention_dropout >= 0 &&
               c->attention_dropout < 1))
        status = status_set(STATUS_FAILED, "%s/config.json: a dropout probability is not in 0 to 1", f->path);
done:
    json_decref(json);
    return status;
}

/* ---- the vocabulary and the rules ---- */
static int add_piece(struct model_folder *f, const char *piece, int64_t size, int64_t id) {
    int32_t number;
    TRY(dictionary_add(&f->wordpiece.vocabulary, piece, size, &number));
    if (number != id)
        return status_set(STATUS_FAILED, "%s: token %lld, %.*s, is there twice", f->vocabulary_path, (long long)id,
                          (int)size, piece);
    return STATUS_OK;
}

static int read_vocabulary_lines(struct model_folder *f) {
    FILE *file = fopen(f->vocabulary_path, "r");
    char *line = NULL;
    size_t capacity = 0;
    int64_t id = 0;
    int status = STATUS_OK;
    if (!file) return status_set(STATUS_FAILED, "%s: %s", f->vocabulary_path, strerror(errno));
    for (ssize_t n; status == STATUS_OK && (n = getline(&line, &capacity, file)) >= 0;) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) n--;
        status = add_piece(f, line, n, id++);
    }
    if (status == STATUS_OK && ferror(file))
        status = status_set(STATUS_FAILED, "%s: cannot be read", f->vocabulary_path);
    free(line);
    fclose(file);
    return status;
}

static int read_vocabulary_json(struct model_folder *f, json_t *tokenizer) {
    json_t *pieces = json_object_get(json_object_get(tokenizer, "model"), "vocab"), *id;
    int64_t n = (int64_t)json_object_size(pieces);
    const char **by_id = NULL, *piece;
    int status = STATUS_OK;
    if (n == 0) return status_set(STATUS_FAILED, "%s: no vocabulary in it, and no vocab.txt", f->vocabulary_path);
    TRY(mem_alloc(&by_id, n, sizeof *by_id));
    json_object_foreach(pieces, piece, id) {
        json_int_t at = json_integer_value(id);
        if (!json_is_integer(id) || at < 0 || at >= n || by_id[at])
            status = status_set(STATUS_FAILED, "%s: the id of token %s is not one of 0 to %lld, each once",
                                f->vocabulary_path, piece, (long long)n - 1);
        else
            by_id[at] = piece;
    }
    for (int64_t i = 0; i < n && status == STATUS_OK; i++)
        status = add_piece(f, by_id[i], (int64_t)strlen(by_id[i]), i);
    free(by_id);
    return status;
}

/* json true, false, or null or missing: otherwise. */
static int rule(json_t *json, const char *key, int otherwise) {
    json_t *entry = json_object_get(json, key);
    return json_is_boolean(entry) ? json_is_true(entry) : otherwise;
}

static void read_rules(struct wordpiece_rules *rules, json_t *tokenizer, json_t *tokenizer_config) {
    json_t *normalizer = json_object_get(tokenizer, "normalizer");
    if (json_is_object(normalizer)) {
        rules->lower = rule(normalizer, "lowercase", 1);
        rules->strip_accents = rule(normalizer, "strip_accents", rules->lower);
        rules->set_cjk_apart = rule(normalizer, "handle_chinese_chars", 1);
        rules->clean = rule(normalizer, "clean_text", 1);
        return;
    }
    rules->lower = rule(tokenizer_config, "do_lower_case", 1);
    rules->strip_accents = rule(tokenizer_config, "strip_accents", rules->lower);
    rules->set_cjk_apart = rule(tokenizer_config, "tokenize_chinese_chars", 1);
    rules->clean = 1;
}

/* tokenizer.json may describe any tokeniser; take ours, say what another is. */
static int check_tokenizer(const struct model_folder *f, json_t *tokenizer) {
    const char *model = json_string_value(json_object_get(json_object_get(tokenizer, "model"), "type"));
    const char *normalizer = json_string_value(json_object_get(json_object_get(tokenizer, "normalizer"), "type"));
    if (model && strcmp(model, "WordPiece") != 0)
        return status_set(STATUS_FAILED, "%s/tokenizer.json: its model is %s; only WordPiece is known here", f->path,
                          model);
    if (normalizer && strcmp(normalizer, "BertNormalizer") != 0)
        return status_set(STATUS_FAILED, "%s/tokenizer.json: its normalizer is %s; only BertNormalizer is known here",
                          f->path, normalizer);
    return STATUS_OK;
}

static int read_tokenizer(struct model_folder *f) {
    json_t *tokenizer = NULL, *tokenizer_config = NULL;
    char path[PATH_MAX];
    int status = STATUS_OK, lines = folder_has(f->path, "vocab.txt");
    if (folder_has(f->path, "tokenizer.json")) TRY_DONE(folder_load_json(f->path, "tokenizer.json", &tokenizer));
    if (folder_has(f->path, "tokenizer_config.json"))
        TRY_DONE(folder_load_json(f->path, "tokenizer_config.json", &tokenizer_config));
    if (!lines && !tokenizer) {
        status = status_set(STATUS_FAILED, "%s: neither vocab.txt nor tokenizer.json is in it", f->path);
        goto done;
    }
    if (tokenizer) TRY_DONE(check_tokenizer(f, tokenizer));
    folder_file(f->path, lines ? "vocab.txt" : "tokenizer.json", path);
    f->vocabulary_path = strdup(path);
    if (!f->vocabulary_path) {
        status = status_set(STATUS_FAILED, "out of memory");
        goto done;
    }
    TRY_DONE(lines ? read_vocabulary_lines(f) : read_vocabulary_json(f, tokenizer));
    TRY_DONE(wordpiece_ready(&f->wordpiece, f->vocabulary_path));
    read_rules(&f->wordpiece.rules, tokenizer, tokenizer_config);
    if (f->wordpiece.vocabulary.n > f->config.vocabulary)
        status = status_set(STATUS_FAILED, "%s: %lld tokens, but config.json says vocab_size %lld", f->vocabulary_path,
                            (long long)f->wordpiece.vocabulary.n, (long long)f->config.vocabulary);
done:
    json_decref(tokenizer);
    json_decref(tokenizer_config);
    return status;
}

/* ---- the weights ---- */
static const struct tensor *find_tensor(const struct model_folder *f, const char *name) {
    char longer[256];
    const struct tensor *t = weight_files_find(&f->weights, name);
    snprintf(longer, sizeof longer, "bert.%s", name);
    return t ? t : weight_files_find(&f->weights, longer);
}

/* Layer norms had other names in TensorFlow's time. */
static const struct tensor *find_old_tensor(const struct model_folder *f, const char *name) {
    char old[200];
    const char *dot = strrchr(name, '.');
    if (!dot || !strstr(name, "LayerNorm")) return NULL;
    snprintf(old, sizeof old, "%.*s.%.5s", (int)(dot - name), name, strcmp(dot, ".weight") == 0 ? "gamma" : "beta");
    return find_tensor(f, old);
}

int model_folder_tensor(const struct model_folder *f, const char *name, int64_t rows, int64_t cols, float *out) {
    const struct tensor *t = find_tensor(f, name);
    if (!t) t = find_old_tensor(f, name);
    if (!t)
        return status_set(STATUS_FAILED, "%s: the weights lack tensor %s (with or without `bert.` before it)", f->path,
                          name);
    TRY(weight_files_check(f->path, t, rows, cols));
    tensor_values(t, out);
    return STATUS_OK;
}

int model_folder_open(struct model_folder *f, const char *path) {
    *f = (struct model_folder){.path = strdup(path)};
    int status = f->path ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
    if (status == STATUS_OK && access(path, R_OK | X_OK))
        status = status_set(STATUS_FAILED, "text.model: cannot read the model folder %s: %s", path, strerror(errno));
    if (status == STATUS_OK) status = read_config(f);
    if (status == STATUS_OK) status = read_tokenizer(f);
    if (status == STATUS_OK) status = weight_files_open(&f->weights, f->path);
    if (status != STATUS_OK) model_folder_close(f);
    return status;
}

int model_folder_check_length(const struct model_folder *f, int64_t most_tokens) {
    if (most_tokens <= f->config.positions) return STATUS_OK;
    return status_set(STATUS_USAGE, "text.max_tokens is %lld, but %s has %lld positions", (long long)most_tokens,
                      f->path, (long long)f->config.positions);
}

void model_folder_close(struct model_folder *f) {
    weight_files_close(&f->weights);
    wordpiece_free(&f->wordpiece);
    free(f->vocabulary_path);
    free(f->path);
    *f = (struct model_folder){0};
}
