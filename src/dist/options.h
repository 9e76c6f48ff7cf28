/* How a job runs: settings run.*. */
#ifndef MEDTOK_DIST_OPTIONS_H
#define MEDTOK_DIST_OPTIONS_H

#include <stdint.h>

enum device_choice { DEVICE_AUTO, DEVICE_CPU, DEVICE_CUDA };
enum compute { COMPUTE_FP32, COMPUTE_TF32, COMPUTE_BF16 }; /* numbered as kernels' precision_of_products */
enum stage_table { STAGE_TABLE_AUTO, STAGE_TABLE_ALWAYS, STAGE_TABLE_NEVER }; /* numbered as stages.h's stages_shown */

struct run_options {
    int64_t seed, threads;
    enum device_choice device;
    enum compute compute;
    enum stage_table stages;
    char *log_level;
};

#endif
