/* NCCL is loaded when it is first asked for, and answers with its own words (cuda/nccl_library.c); that needs no GPU. A machine without the library
 * is told apart. */
#include <nccl.h>
#include <stdio.h>
#include <string.h>

#include "cuda/nccl_library.h"
#include "device.h"

static int is_loaded(void) {
    char line[4096];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) found |= strstr(line, "libnccl") != NULL;
    if (maps) fclose(maps);
    return found;
}

int main(void) {
    const char *why = NULL;
    if (is_loaded()) return printf("NCCL is loaded at the start\n"), 1;
    const char *name = device_sums_library(&why);
    if (!name && strstr(why, "libnccl")) return printf("skipped: %s\n", why), 77;
    if (!name) return printf("why not is not said: %s\n", why ? why : "nothing"), 1;
    printf("%s\n", name);
    if (!is_loaded()) return printf("NCCL is not loaded\n"), 1;
    if (strncmp(name, "NCCL 2.", 7) != 0) return 1;
    return !strstr(ncclGetErrorString(ncclInvalidArgument),
                   "invalid argument"); /* its own words, of which this program has none */
}
