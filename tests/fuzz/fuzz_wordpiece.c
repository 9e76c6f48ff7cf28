/* Any bytes have token ids, at most as many as asked for, all of the vocabulary. The first byte chooses the rules. */
#include <stdlib.h>
#include <string.h>

#include "lm/wordpiece.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const char *const PIECES[] = {"[UNK]", "[CLS]", "[SEP]", "a", "##a", "##b", "ab", "中", ".", "é", "[MASK]"};
    static struct wordpiece w;
    int32_t ids[32], number;
    int64_t n;
    for (size_t i = 0; w.longest == 0 && i < sizeof PIECES / sizeof *PIECES; i++)
        if (dictionary_add(&w.vocabulary, PIECES[i], (int64_t)strlen(PIECES[i]), &number)) abort();
    if (w.longest == 0 && wordpiece_ready(&w, "fuzz")) abort();
    if (size == 0) return 0;
    w.rules = (struct wordpiece_rules){bytes[0] & 1, bytes[0] >> 1 & 1, bytes[0] >> 2 & 1, bytes[0] >> 3 & 1};
    int64_t most = 2 + bytes[0] % 31;
    if (wordpiece_encode(&w, (const char *)bytes + 1, (int64_t)size - 1, most, ids, &n)) return 0;
    if (n < 2 || n > most) abort();
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= w.vocabulary.n) abort();
    return 0;
}
