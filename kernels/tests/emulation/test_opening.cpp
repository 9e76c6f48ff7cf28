/* Opening the CUDA backend on devices of several kinds, and on machines where there is none that can be used (emulation.h); and
 * that other users of the CUDA runtime in the same thread do not disturb it. */
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cuda_runtime.h"
#include "kernels.h"

static int failures;

static void expect(bool right, const char *what, const char *found) {
    if (right) return;
    printf("FAILED: %s; found: %s\n", what, found ? found : "nothing");
    failures++;
}

static bool has(const char *text, const char *words) { return text && strstr(text, words); }

static const char *const VARIABLES[] = {"MEDTOK_EMULATION_DRIVER", "MEDTOK_EMULATION_CAPABILITY",
                                        "MEDTOK_EMULATION_MULTIPROCESSORS", "MEDTOK_EMULATION_OPENS"};

/* Opens a device of the machine that the variable describes; whether it could be opened. */
static bool opens(struct device *device, const char *variable, const char *value,
                  enum precision_of_products products = PRODUCTS_F32) {
    for (const char *name : VARIABLES) unsetenv(name);
    if (variable) setenv(variable, value, 1);
    return device_open_cuda(device, 0, products, 0) == 0;
}

static void the_reason_for_no_device_is_told_and_whether_it_is_a_fault(void) {
    struct device device;
    const char *why = NULL;
    expect(!opens(&device, "MEDTOK_EMULATION_DRIVER", "12020"), "an old driver cannot be used", "a device");
    expect(has(device.error, "12.2") && has(device.error, "13.0"), "the versions of driver and toolkit", device.error);
    expect(device_cuda_count(&why) == 0 && has(why, "nvidia-smi"), "the cure", why);
    expect(device_cuda_fault(), "an old driver is a fault", "none");
    device_close(&device);
    expect(!opens(&device, "MEDTOK_EMULATION_DRIVER", "0") && has(device.error, "no CUDA driver"), "no driver", device.error);
    expect(!device_cuda_fault(), "no driver is no fault", "one");
    device_close(&device);
    expect(opens(&device, NULL, NULL) && !device_cuda_fault(), "a device", device.error);
    device_close(&device);
}

/* What stands in the way is said, and not another thing. */
static void failures_of_the_first_question_are_told_apart(void) {
    struct device device;
    char code[16];
    snprintf(code, sizeof code, "%d", cudaErrorNoKernelImageForDevice);
    expect(!opens(&device, "MEDTOK_EMULATION_OPENS", code) && has(device.error, "CMAKE_CUDA_ARCHITECTURES=80"),
           "a build without code for the device", device.error);
    device_close(&device);
    snprintf(code, sizeof code, "%d", cudaErrorDevicesUnavailable);
    expect(!opens(&device, "MEDTOK_EMULATION_OPENS", code) && has(device.error, "busy or unavailable") &&
               !has(device.error, "no code"),
           "a device that others have", device.error);
    device_close(&device);
}

static void tensor_cores_of_before_ampere_are_refused(void) {
    static const real ONES[64] = {1};
    struct device device;
    expect(!opens(&device, "MEDTOK_EMULATION_CAPABILITY", "75", PRODUCTS_TF32) && has(device.error, "tf32") &&
               has(device.error, "7.5") && has(device.error, "fp32"),
           "tf32 on 7.5", device.error);
    device_close(&device);
    expect(opens(&device, "MEDTOK_EMULATION_CAPABILITY", "75"), "fp32 on 7.5", device.error);
    expect(!device.run->linear_pack(&device, 8, 8, ONES, STORAGE_REAL, PRODUCTS_BF16) && has(device.error, "bf16"),
           "bf16 on 7.5", device.error);
    device_close(&device);
    expect(opens(&device, "MEDTOK_EMULATION_CAPABILITY", "86", PRODUCTS_BF16), "bf16 on 8.6", device.error);
    device_close(&device);
}

/* 128 rows for each three multiprocessors, and about 4,096 in all. */
static void products_fill_whole_waves(void) {
    static const struct {
        const char *n;
        int64_t rows;
    } WANTED[] = {{"1", 4096}, {"3", 4096}, {"56", 4608}, {"80", 6656}, {"108", 4608}, {"114", 4864}, {"132", 5632}, {"148", 6272}};
    for (const auto &wanted : WANTED) {
        struct device device;
        char found[32];
        opens(&device, "MEDTOK_EMULATION_MULTIPROCESSORS", wanted.n);
        snprintf(found, sizeof found, "%lld rows", (long long)device.linear_rows);
        expect(device.linear_rows == wanted.rows, wanted.n, found);
        device_close(&device);
    }
}

static void what_others_left_behind_is_not_taken_for_a_launchs_error(void) {
    struct device device;
    real host = 0;
    opens(&device, NULL, NULL);
    dev_real x = device_alloc_reals(&device, 1);
    cudaSetDevice(7); /* another library's mistake */
    device.run->fill(&device, 1, 3, x);
    device_download_reals(&device, &host, x, 1);
    expect(!device_error(&device) && host == 3, "the fill is done", device_error(&device));
    device_free_reals(&device, x);
    device_close(&device);
}

int main() {
    the_reason_for_no_device_is_told_and_whether_it_is_a_fault();
    failures_of_the_first_question_are_told_apart();
    tensor_cores_of_before_ampere_are_refused();
    products_fill_whole_waves();
    what_others_left_behind_is_not_taken_for_a_launchs_error();
    if (!failures) printf("all good\n");
    return failures != 0;
}
