/* Any bytes are a configuration or an error. */
#include "settings.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct config config;
    if (config_defaults(&config) == 0) config_read_text(&config, "fuzz", (const char *)bytes, size);
    config_free(&config);
    return 0;
}
