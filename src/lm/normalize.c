/* Normalisation by utf8proc: canonical composition and case folding. */
#include "lm/normalize.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/status.h"

void words_free(struct words *w) {
    free(w->text);
    free(w->offsets);
    *w = (struct words){0};
}

static int belongs_to_word(utf8proc_int32_t point) {
    utf8proc_category_t c = utf8proc_category(point);
    return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NO); /* letters, marks, numbers */
}

static int add_word(struct words *w, const char *text, int64_t size) {
    TRY(mem_grow(&w->text, &w->text_capacity, w->text_size + size + 1, 1));
    TRY(mem_grow(&w->offsets, &w->offsets_capacity, w->n + 1, sizeof *w->offsets));
    w->offsets[w->n++] = w->text_size;
    memcpy(w->text + w->text_size, text, (size_t)size);
    w->text[w->text_size + size] = 0;
    w->text_size += size + 1;
    return STATUS_OK;
}

static int split(struct words *w, const utf8proc_uint8_t *text, int64_t size, int64_t most) {
    int64_t begin = -1, at = 0;
    while (at < size && w->n < most) {
        utf8proc_int32_t point;
        utf8proc_ssize_t n = utf8proc_iterate(text + at, size - at, &point);
        if (n <= 0) return status_set(STATUS_FAILED, "a description is not valid UTF-8");
        if (belongs_to_word(point)) {
            if (begin < 0) begin = at;
        } else if (begin >= 0) {
            TRY(add_word(w, (const char *)text + begin, at - begin));
            begin = -1;
        }
        at += n;
    }
    if (begin >= 0 && w->n < most) TRY(add_word(w, (const char *)text + begin, size - begin));
    return w->n ? STATUS_OK : add_word(w, (const char *)text, size);
}

int words_split(struct words *w, const char *text, int64_t size, int64_t most) {
    utf8proc_uint8_t *folded = NULL;
    w->n = 0;
    w->text_size = 0;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, size, &folded,
                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
    if (n < 0) return status_set(STATUS_FAILED, "a description cannot be normalised: %s", utf8proc_errmsg(n));
    int status = split(w, folded, n, most);
    free(folded);
    return status;
}
