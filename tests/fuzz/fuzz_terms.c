/* Any bytes are rules of terms or an error; any bytes are a description, and a text with spans inside it, or an error. The first byte says how
 * long the rules are. */
#include "terms/term_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void match(struct term_index *index, const char *text, int64_t size) {
    struct term_spans spans = {0};
    if (term_index_match(index, text, size, &spans) == STATUS_OK)
        for (int64_t i = 0; i < spans.n; i++) {
            const struct term_span *s = &spans.items[i];
            if (s->begin < 0 || s->begin >= s->end || s->end > size || s->term < 0) abort();
            if (i > 0 && s->begin < spans.items[i - 1].end) abort();
        }
    term_spans_free(&spans);
}

/* Some names under our own rules and lists, made once. */
static struct term_index *ours(void) {
    static const char *const NAMES[] = {"Type 2 diabetes mellitus", "Asthma", "Hepatitis, acute, unspecified site",
                                        "Mitral (valve) stenosis", "Multiple sclerosis"};
    static struct term_index index;
    if (index.offsets) return &index;
    if (term_index_begin(&index) != STATUS_OK) abort();
    for (int i = 0; i < 5; i++)
        if (term_index_add(&index, NAMES[i], (int64_t)strlen(NAMES[i]), NAME_DESCRIPTION, i) != STATUS_OK) abort();
    if (term_index_complete(&index) != STATUS_OK) abort();
    return &index;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size == 0) return 0;
    int64_t n = bytes[0] < size ? bytes[0] : (int64_t)size - 1, text_size = (int64_t)size - 1 - n;
    const char *rules = (const char *)bytes + 1, *text = rules + n;
    struct term_index index = {0};
    if (term_rules_add(&index.rules, "fuzz", rules, n) != STATUS_OK && strncmp(status_message(), "fuzz:", 5) != 0)
        abort();
    term_index_add(&index, text, text_size, NAME_DESCRIPTION, 5); /* if it is valid, it is in the index */
    if (term_index_complete(&index) != STATUS_OK) abort();
    match(&index, text, text_size);
    match(ours(), text, text_size);
    term_index_free(&index);
    return 0;
}
