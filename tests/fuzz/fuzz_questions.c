/* Any bytes are questions, each with its options and an answer among them, or an error. */
#include "qa/questions.h"

#include <stdlib.h>

#include "base/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct questions questions;
    if (questions_parse("fuzz", (const char *)bytes, (int64_t)size, &questions) != STATUS_OK) {
        if (!status_message()[0]) abort();
    } else {
        if (questions.n < 1) abort();
        for (int64_t i = 0; i < questions.n; i++) {
            const struct question *q = &questions.items[i];
            if (q->n_options < 2 || q->answer < 0 || q->answer >= q->n_options || !q->stem[0]) abort();
            for (int k = 0; k < q->n_options; k++)
                if (!q->options[k][0]) abort();
        }
    }
    questions_free(&questions);
    return 0;
}
