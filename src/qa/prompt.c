#include "qa/prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* "A, B, C or D" */
static void write_letters(FILE *out, int n) {
    for (int i = 0; i < n; i++) fprintf(out, "%s%c", i == 0 ? "" : i + 1 < n ? ", " : " or ", question_letter(i));
}

/* A question's text with the stem's bytes first .. end - 1 left out, below n_names of its names. */
struct excerpt {
    size_t first, end;
    int n_names;
};

/* Owned by the caller. */
static char *user_text(const struct prompt *p, const struct excerpt *x) {
    const struct question *q = p->question;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    for (int i = 0; i < x->n_names; i++) fprintf(out, "%s%s", i == 0 ? "The question is about: " : "; ", p->names[i]);
    if (x->n_names) fputs(".\n", out);
    fwrite(q->stem, 1, x->first, out);
    if (x->end > x->first) fputs(" ... ", out);
    fputs(q->stem + x->end, out);
    for (int i = 0; i < q->n_options; i++)
        fprintf(out, "\n%c: %s", question_letter(i), q->options[(i + p->rotation) % q->n_options]);
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

static int encode(const struct chat *chat, const struct prompt *p, const struct excerpt *x, struct tokens *tokens) {
    char *system = system_text(p->question), *user = user_text(p, x);
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

/* Without names: as much of the stem as `most` tokens allow. */
static int fit_stem(const struct chat *chat, const struct prompt *p, int64_t most, struct tokens *tokens,
                    struct excerpt *x) {
    const char *stem = p->question->stem;
    long long before = tokens->n;
    size_t length = strlen(stem), out = 0;
    for (;;) {
        x->first = (length - out) / 2, x->end = x->first + out;
        while (x->first > 0 && !begins(stem[x->first])) x->first--;
        while (x->end < length && !begins(stem[x->end])) x->end++;
        if (out == 0) x->end = x->first;
        tokens->n = before;
        TRY(encode(chat, p, x, tokens));
        int64_t over = tokens->n - before - most;
        if (over <= 0) return STATUS_OK;
        if (out == length)
            return status_set(STATUS_FAILED,
                              "question %s: its options alone take %lld tokens, %lld more than there may be",
                              p->question->id, (long long)(over + most), (long long)over);
        out += (size_t)over; /* a token has at least a byte */
        if (out > length) out = length;
    }
}

int prompt_encode(const struct chat *chat, const struct prompt *p, int64_t most, struct tokens *tokens,
                  struct prompt_cuts *cuts) {
    struct excerpt x = {.n_names = 0};
    long long before = tokens->n;
    TRY(fit_stem(chat, p, most, tokens, &x));
    int64_t room = tokens->n - before + (int64_t)PROMPT_NAME_TOKENS * p->n_names;
    for (x.n_names = p->n_names; x.n_names > 0; x.n_names--) {
        tokens->n = before;
        TRY(encode(chat, p, &x, tokens));
        if (tokens->n - before <= room) break;
    }
    if (x.n_names == 0 && p->n_names > 0) {
        tokens->n = before;
        TRY(encode(chat, p, &x, tokens));
    }
    *cuts = (struct prompt_cuts){.stem = x.end > x.first, .names = p->n_names - x.n_names};
    return STATUS_OK;
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
