/* The lines of meds_parents_to_tsv.py, which describes them. */
#include "ingest/meds_parents.h"

#include <string.h>

#include "base/status.h"
#include "base/string_list.h"
#include "ingest/python_lines.h"
#include "meds_parents_to_tsv.h" /* made from meds_parents_to_tsv.py */

static int take_lines(struct python_lines *lines, struct source_code_rules *rules, int *at_end) {
    while (!*at_end) {
        char *line, *parent;
        TRY(python_lines_next(lines, &line));
        if (!line) return STATUS_OK;
        if (line[0] == '!') return status_set(STATUS_FAILED, "%s", line + 2);
        *at_end = strcmp(line, ".") == 0;
        parent = strchr(line, '\t');
        if (parent) TRY(source_code_rules_add_parent(rules, line, parent - line, parent + 1));
    }
    return STATUS_OK;
}

int meds_parents_read(struct source_code_rules *rules, const char *path, const char *python) {
    struct string_list paths = {0};
    struct python_lines *lines = NULL;
    int at_end = 0, status;
    TRY_DONE(string_list_add(&paths, path));
    TRY_DONE(python_lines_open(&lines, python, "cohort.python", MEDS_PARENTS, &paths));
    TRY_DONE(take_lines(lines, rules, &at_end));
    status = python_lines_finish(lines);
    lines = NULL;
    if (status == STATUS_OK && !at_end) status = status_set(STATUS_FAILED, "the reader of %s ended too early", path);
done:
    python_lines_abandon(lines);
    string_list_clear(&paths);
    return status;
}
