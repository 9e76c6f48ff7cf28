/* The files of all jobs: settings files.*. Relative paths are relative to the working directory. */
#ifndef MEDTOK_STORE_OPTIONS_H
#define MEDTOK_STORE_OPTIONS_H

#include "base/string_list.h"

struct file_options {
    struct string_list codes;
    char *graph, *vocabulary, *text, *checkpoint, *table, *export_folder, *metrics, *report;
};

#endif
