#include "lm/chat.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

int chat_open(struct chat *c, struct bpe *bpe, const char *folder) {
    *c = (struct chat){.family = CHAT_LLAMA3,
                       .bpe = bpe,
                       .begin = bpe_added(bpe, "<|begin_of_text|>"),
                       .open = bpe_added(bpe, "<|start_header_id|>"),
                       .close = bpe_added(bpe, "<|end_header_id|>"),
                       .end = bpe_added(bpe, "<|eot_id|>")};
    if (c->begin >= 0 && c->open >= 0 && c->close >= 0 && c->end >= 0) return STATUS_OK;
    *c = (struct chat){.family = CHAT_ML,
                       .bpe = bpe,
                       .begin = -1,
                       .open = bpe_added(bpe, "<|im_start|>"),
                       .close = -1,
                       .end = bpe_added(bpe, "<|im_end|>")};
    if (c->open >= 0 && c->end >= 0) return STATUS_OK;
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
