/* The form of any string in any system: bounded, and a form of itself. The first byte picks the system. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "terms/code_form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char code[256], form[CODE_FORM_BYTES], again[CODE_FORM_BYTES];
    if (size == 0 || size > sizeof code) return 0;
    memcpy(code, data + 1, size - 1);
    code[size - 1] = 0;
    enum code_system system = (enum code_system)(data[0] % N_CODE_SYSTEMS);
    code_form(system, code, form);
    code_form(system, form, again);
    if (strcmp(form, again) != 0) abort();
    return code_system_same(code, code) ? 0 : -1;
}
