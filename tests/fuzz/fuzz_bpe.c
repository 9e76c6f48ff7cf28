/* Any bytes as tokenizer.json are refused with a message, or give texts ids that it has: of words that its expressions cut, and of one that
 * nothing cuts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "lm/bpe.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void encode(struct bpe *b, const char *text, int64_t size, int plain) {
    struct tokens tokens = {0};
    int status = bpe_encode(b, text, size, plain, &tokens);
    for (int64_t i = 0; status == STATUS_OK && i < tokens.n; i++)
        if (tokens.ids[i] < 0 || tokens.ids[i] >= b->n || !b->pieces.n) abort();
    if (status != STATUS_OK && !status_message()[0]) abort();
    tokens_free(&tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const char TEXT[] = "A 67-year-old isn't <|im_end|> well: 38.5 \xc3\xa9\xff\n\n \xe4\xb8\xad";
    char unbroken[512];
    struct bpe b;
    memset(unbroken, 'a', sizeof unbroken);
    FILE *file = fopen("tokenizer.json", "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) abort();
    if (bpe_open(&b, ".") != STATUS_OK) {
        if (!status_message()[0]) abort();
        return 0;
    }
    for (int plain = 0; plain < 2; plain++) encode(&b, TEXT, sizeof TEXT - 1, plain);
    encode(&b, unbroken, sizeof unbroken, 1);
    bpe_close(&b);
    return 0;
}
