/* cuBLAS is loaded when the first handle is asked for: before there is nothing of it, afterwards its functions answer (cuda/cublas_library.c). On a
 * machine without a GPU the answer is that there is none. */
#include <cublas_v2.h>
#include <stdio.h>
#include <string.h>

static int is_loaded(void) {
    char line[4096];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) found |= strstr(line, "libcublas") != NULL;
    if (maps) fclose(maps);
    return found;
}

int main(void) {
    cublasHandle_t handle;
    if (is_loaded()) return printf("cuBLAS is loaded at the start\n"), 1;
    cublasStatus_t status = cublasCreate(&handle);
    printf("a handle: %s\n", cublasGetStatusString(status));
    if (!is_loaded()) return printf("cuBLAS is not loaded\n"), 1;
    /* its own words, of which this program has none */
    if (!strstr(cublasGetStatusString(CUBLAS_STATUS_NOT_SUPPORTED), "not supported")) return 1;
    return status == CUBLAS_STATUS_SUCCESS && cublasDestroy(handle) != CUBLAS_STATUS_SUCCESS;
}
