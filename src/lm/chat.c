#include "lm/chat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "lm/folder_json.h"

static int read_text(const char *path, char **text) {
    enum { MOST = 1 << 20 };
    FILE *file = fopen(path, "rb");
    if (!file) return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    int status = mem_alloc(text, MOST + 1, 1); /* a longer one is cut; zero behind its end */
    if (status == STATUS_OK) (*text)[fread(*text, 1, MOST, file)] = 0;
    fclose(file);
    return status;
}

/* Which family's names the folder's chat template has: chat_template of tokenizer_config.json, a text or a list of named ones, or the file
 * chat_template.jinja. */
static int read_template(const char *folder, int *is_llama3, int *is_ml) {
    char path[PATH_MAX], *text = NULL;
    json_t *json = NULL;
    *is_llama3 = *is_ml = 0;
    if (folder_has(folder, "chat_template.jinja")) {
        folder_file(folder, "chat_template.jinja", path);
        TRY(read_text(path, &text));
    } else if (folder_has(folder, "tokenizer_config.json")) {
        TRY(folder_load_json(folder, "tokenizer_config.json", &json));
    }
    if (json) text = json_dumps(json_object_get(json, "chat_template"), JSON_ENCODE_ANY);
    *is_llama3 = text && strstr(text, "<|start_header_id|>") != NULL;
    *is_ml = text && strstr(text, "<|im_start|>") != NULL;
    free(text);
    json_decref(json);
    return STATUS_OK;
}

/* A model with the tokens of both families is of the one that its chat template writes. */
static int choose(const char *folder, int *is_llama3, int *is_ml) {
    if (!*is_llama3 || !*is_ml) return STATUS_OK;
    TRY(read_template(folder, is_llama3, is_ml));
    if (*is_llama3 != *is_ml) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "%s/tokenizer.json: it has the chat tokens of Llama 3 and of ChatML, and no chat_template "
                      "(tokenizer_config.json or chat_template.jinja) tells which of them the model was trained with",
                      folder);
}

int chat_open(struct chat *c, struct bpe *bpe, const char *folder) {
    const struct chat llama3 = {.family = CHAT_LLAMA3,
                                .bpe = bpe,
                                .begin = bpe_added(bpe, "<|begin_of_text|>"),
                                .open = bpe_added(bpe, "<|start_header_id|>"),
                                .close = bpe_added(bpe, "<|end_header_id|>"),
                                .end = bpe_added(bpe, "<|eot_id|>")};
    const struct chat ml = {.family = CHAT_ML,
                            .bpe = bpe,
                            .begin = -1,
                            .open = bpe_added(bpe, "<|im_start|>"),
                            .close = -1,
                            .end = bpe_added(bpe, "<|im_end|>")};
    int is_llama3 = llama3.begin >= 0 && llama3.open >= 0 && llama3.close >= 0 && llama3.end >= 0;
    int is_ml = ml.open >= 0 && ml.end >= 0;
    TRY(choose(folder, &is_llama3, &is_ml));
    *c = is_llama3 ? llama3 : ml;
    if (is_llama3 || is_ml) return STATUS_OK;
    return status_set(
        STATUS_FAILED,
        "%s/tokenizer.json: no chat model that is known here: it has neither <|start_header_id|>, "
        "<|end_header_id|> and <|eot_id|> (Llama 3) nor <|im_start|> and <|im_end|> (ChatML: Qwen, SmolLM2)",
        folder);
}

int chat_begin(const struct chat *c, struct tokens *tokens) {
    return c->begin >= 0 ? tokens_add(tokens, c->begin) : STATUS_OK;
}

static int is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static int encode(const struct chat *c, const char *text, int64_t size, struct tokens *tokens) {
    return bpe_encode(c->bpe, text, size, 1, tokens);
}

/* What stands between special tokens is one text: `before` and text[size]. */
static int encode_both(const struct chat *c, const char *before, const char *text, int64_t size,
                       struct tokens *tokens) {
    int64_t n = (int64_t)strlen(before);
    char *both;
    TRY(mem_alloc(&both, n + size + 1, 1));
    memcpy(both, before, (size_t)n);
    if (size) memcpy(both + n, text, (size_t)size);
    int status = encode(c, both, n + size, tokens);
    free(both);
    return status;
}

static int header(const struct chat *c, const char *role, const char *text, int64_t size, struct tokens *tokens) {
    char before[32] = "\n\n";
    TRY(tokens_add(tokens, c->open));
    if (c->family == CHAT_LLAMA3) {
        TRY(encode(c, role, (int64_t)strlen(role), tokens));
        TRY(tokens_add(tokens, c->close));
    } else {
        size_t n = strnlen(role, sizeof before - 2);
        memcpy(before, role, n);
        memcpy(before + n, "\n", 2);
    }
    return encode_both(c, before, text, size, tokens);
}

int chat_turn(const struct chat *c, const char *role, const char *text, int64_t size, struct tokens *tokens) {
    int64_t first = 0;
    if (c->family == CHAT_LLAMA3) {
        while (first < size && is_space(text[first])) first++;
        while (first < size && is_space(text[size - 1])) size--;
    }
    TRY(header(c, role, text + first, size - first, tokens));
    TRY(tokens_add(tokens, c->end));
    return c->family == CHAT_ML ? encode(c, "\n", 1, tokens) : STATUS_OK;
}

int chat_reply(const struct chat *c, struct tokens *tokens) { return header(c, "assistant", "", 0, tokens); }
