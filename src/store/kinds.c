#include "store/kinds.h"

#include <string.h>

#define FACTS(constant, name, version, job, what) {name, version, job, what},
const struct file_kind_facts FILE_KIND_FACTS[N_FILE_KINDS] = {{"?", 0, "?", "?"}, FILE_KINDS(FACTS)};

enum file_kind file_kind_named(const char *name) {
    int kind = N_FILE_KINDS - 1;
    while (kind > KIND_UNKNOWN && strcmp(FILE_KIND_FACTS[kind].name, name) != 0) kind--;
    return (enum file_kind)kind;
}
