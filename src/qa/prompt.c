#include "qa/prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* "A, B, C or D" */
static void write_letters(FILE *out, int n) {
    for (int i = 0; i < n; i++) fprintf(out, "%s%c", i == 0 ? "" : i + 1 < n ? ", " : " or ", question_letter(i));
}

/* The user's text with the stem's bytes first .. end - 1 left out. Owned by the caller. */
static char *user_text(const struct question *q, int rotation, size_t first, size_t end) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    fwrite(q->stem, 1, first, out);
    if (end > first) fputs(" ... ", out);
    fputs(q->stem + end, out);
    for (int i = 0; i < q->n_options; i++)
        fprintf(out, "\n%c: %s", question_letter(i), q->options[(i + rotation) % q->n_options]);
    fputs("\nAnswer:", out);
    if (fclose(out)) return NULL;
    return text;
}

static char *system_text(const struct question *q) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    fputs("You answer multiple-choice medical questions. Reply with the letter of the right option alone: ", out);
    write_letters(out, q->n_options);
    fputc('.', out);
    if (fclose(out)) return NULL;
    return text;
}

static int encode(const struct chat *chat, const struct question *q, int rotation, size_t first, size_t end,
                  struct tokens *tokens) {
    char *system = system_text(q), *user = user_text(q, rotation, first, end);
    int status = system && user ? chat_begin(chat, tokens) : status_set(STATUS_FAILED, "out of memory");
    if (status == STATUS_OK) status = chat_turn(chat, "system", system, (int64_t)strlen(system), tokens);
    if (status == STATUS_OK) status = chat_turn(chat, "user", user, (int64_t)strlen(user), tokens);
    if (status == STATUS_OK) status = chat_reply(chat, tokens);
    free(system);
    free(user);
    return status;
}

/* Whether a character of UTF-8 begins there. */
static int begins(char c) { return ((unsigned char)c & 0xc0) != 0x80; }

int prompt_encode(const struct chat *chat, const struct question *q, int rotation, int64_t most, struct tokens *tokens,
                  int *is_cut) {
    long long before = tokens->n;
    size_t length = strlen(q->stem), out = 0;
    *is_cut = 0;
    for (;;) {
        size_t first = (length - out) / 2, end = first + out;
        while (first > 0 && !begins(q->stem[first])) first--;
        while (end < length && !begins(q->stem[end])) end++;
        if (out == 0) end = first;
        tokens->n = before;
        TRY(encode(chat, q, rotation, first, end, tokens));
        int64_t over = tokens->n - before - most;
        if (over <= 0) return STATUS_OK;
        *is_cut = 1;
        if (out == length)
            return status_set(STATUS_FAILED,
                              "question %s: its options alone take %lld tokens, %lld more than there may be", q->id,
                              (long long)(over + most), (long long)over);
        out += (size_t)over; /* a token has at least a byte */
        if (out > length) out = length;
    }
}

int prompt_letters(const struct chat *chat, int32_t letters[QUESTION_OPTIONS]) {
    struct tokens tokens = {0};
    int status = STATUS_OK;
    for (int i = 0; i < QUESTION_OPTIONS && status == STATUS_OK; i++)
        for (int bare = 0; bare < 2 && status == STATUS_OK; bare++) {
            const char text[3] = {' ', question_letter(i), 0};
            tokens.n = 0;
            status = bpe_encode(chat->bpe, text + bare, 2 - bare, 1, &tokens);
            if (status == STATUS_OK && tokens.n != 1)
                status = status_set(STATUS_FAILED, "\"%s\" is %lld tokens of this model, but options are scored by one",
                                    text + bare, tokens.n);
            else if (status == STATUS_OK)
                letters[i] = tokens.ids[0];
        }
    tokens_free(&tokens);
    return status;
}
