/* Any bytes are a task file of ACES or an error. */
#include <stdint.h>

#include "ehr/tasks/aces_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct aces_spec spec;
    aces_spec_read_text(&spec, "fuzz", (const char *)bytes, size);
    aces_spec_free(&spec);
    return 0;
}
