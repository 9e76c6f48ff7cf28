/* Token ids of texts: `wordpiece_ids MODEL_FOLDER MOST <texts`, one text a line, to standard output. For check_text.py. */
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "lm/model_folder.h"

int main(int argc, char **argv) {
    struct model_folder folder;
    char *line = NULL;
    size_t capacity = 0;
    int64_t n, most = argc == 3 ? atoll(argv[2]) : 0;
    int32_t *ids = NULL;
    if (most < 2) {
        fprintf(stderr, "usage: %s MODEL_FOLDER MOST <texts\n", argv[0]);
        return 2;
    }
    int status = model_folder_open(&folder, argv[1]);
    if (status == STATUS_OK) status = mem_alloc(&ids, most, sizeof *ids);
    for (ssize_t size; status == STATUS_OK && (size = getline(&line, &capacity, stdin)) > 0;) {
        status = wordpiece_encode(&folder.wordpiece, line, size - (line[size - 1] == '\n'), most, ids, &n);
        for (int64_t i = 0; status == STATUS_OK && i < n; i++) printf("%d%c", ids[i], i + 1 < n ? ' ' : '\n');
    }
    if (status != STATUS_OK) fprintf(stderr, "%s\n", status_message());
    free(ids);
    free(line);
    model_folder_close(&folder);
    return status;
}
