/* One pass over a file. */
#include "ingest/code_map_files.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "ingest/code_columns.h"
#include "terms/code_form.h"

enum { CELL_BYTES = 256 };

/* What was taken so far of each code of a GEM. */
struct gem {
    struct dictionary codes;
    char *scenario;    /* [codes.n] of combinations; '0': a single code was taken */
    unsigned *choices; /* [codes.n] bits of choice lists that are served */
    long long scenario_capacity, choices_capacity;
};

struct map_file {
    struct delimited rows;
    int column[2], system_column[2], flags; /* system_column: -1: the same in all rows; flags: -1: none */
    const char *system[2];
    int all_choices;
    int is_gem; /* icd_9, icd_10, and no more is known yet */
    struct gem gem;
    int64_t n, n_left_out;
};

static int shape_of(struct map_file *f) {
    static const char *const SYSTEMS[2] = {"from_system", "to_system"}, *const CODES[2] = {"from_code", "to_code"};
    f->flags = delimited_column(&f->rows, "flags");
    f->system_column[0] = f->system_column[1] = -1;
    if (delimited_column(&f->rows, CODES[0]) >= 0) {
        for (int i = 0; i < 2; i++) {
            TRY(delimited_need(&f->rows, SYSTEMS[i], &f->system_column[i]));
            TRY(delimited_need(&f->rows, CODES[i], &f->column[i]));
        }
        return STATUS_OK;
    }
    if (!code_columns_find(&f->rows, f->column, f->system))
        return status_set(STATUS_FAILED,
                          "%s: no map between codes is told by its header: name two columns after the systems of their "
                          "codes (ndc, atc), or from_system, from_code, to_system, to_code",
                          f->rows.path);
    f->is_gem = code_system(f->system[0]) == SYSTEM_ICD9CM && code_system(f->system[1]) == SYSTEM_ICD10CM;
    return STATUS_OK;
}

/* Whether the flags say that the row is taken. */
static int take_flags(struct gem *g, const char *from, const char *flags, int all_choices, int *take) {
    int32_t code;
    int64_t known = g->codes.n;
    *take = all_choices && flags[1] != '1';
    if (flags[1] == '1' || all_choices) return STATUS_OK;
    TRY(dictionary_add(&g->codes, from, (int64_t)strlen(from), &code));
    TRY(mem_grow(&g->scenario, &g->scenario_capacity, g->codes.n, 1));
    TRY(mem_grow(&g->choices, &g->choices_capacity, g->codes.n, sizeof *g->choices));
    if (g->codes.n > known) {
        g->scenario[code] = flags[3];
        g->choices[code] = 0;
    }
    unsigned choice = 1U << (flags[4] - '0');
    *take = g->scenario[code] == flags[3] && !(g->choices[code] & choice);
    if (*take) g->choices[code] |= choice;
    return STATUS_OK;
}

static int bad_cell(const struct map_file *f, const char *what, const char *cell, const char *expected) {
    return status_set(STATUS_FAILED, "%s:%lld: %s is \"%s\": expected %s", f->rows.path, (long long)f->rows.row_line,
                      what, cell, expected);
}

/* Tells diagnoses from procedures by the first target, and checks the others. */
static int check_target(struct map_file *f, const char *to) {
    if (f->is_gem) {
        f->is_gem = 0;
        if (isdigit((unsigned char)to[0])) {
            f->system[0] = code_system_of(SYSTEM_ICD9PROC);
            f->system[1] = code_system_of(SYSTEM_ICD10PCS);
        }
    }
    enum code_system system = code_system(f->system[1]);
    if (system == SYSTEM_ICD10CM && !(isalpha((unsigned char)to[0]) && isdigit((unsigned char)to[1])))
        return bad_cell(f, "the target", to, "a code of ICD-10-CM, which begins with a letter and a digit");
    if (system == SYSTEM_ICD10PCS && strlen(to) != 7)
        return bad_cell(f, "the target", to, "a code of ICD-10-PCS, which has 7 characters");
    return STATUS_OK;
}

static int take_row(struct map_file *f, struct code_map *map) {
    char code[2][CELL_BYTES], system[2][CELL_BYTES], flags[CELL_BYTES];
    int take = 1;
    for (int i = 0; i < 2; i++) {
        code_column_copy(f->rows.fields[f->column[i]], code[i], CELL_BYTES);
        if (f->system_column[i] < 0) continue;
        code_column_copy(f->rows.fields[f->system_column[i]], system[i], CELL_BYTES);
        f->system[i] = system[i];
    }
    int empty = !code[0][0] || !code[1][0] || !f->system[0][0] || !f->system[1][0];
    if (!empty && f->flags >= 0) {
        code_column_copy(f->rows.fields[f->flags], flags, CELL_BYTES);
        if (strlen(flags) != 5 || strspn(flags, "0123456789") != 5) return bad_cell(f, "flags", flags, "five digits");
        TRY(take_flags(&f->gem, code[0], flags, f->all_choices, &take));
    }
    if (empty || !take) {
        f->n_left_out++;
        return STATUS_OK;
    }
    TRY(check_target(f, code[1]));
    f->n++;
    return code_map_add(map, f->system[0], code[0], f->system[1], code[1]);
}

static int read_rows(struct map_file *f, struct code_map *map) {
    int more;
    TRY(shape_of(f));
    for (;;) {
        TRY(delimited_next(&f->rows, &more));
        if (!more) break;
        TRY(take_row(f, map));
    }
    if (f->n == 0) return status_set(STATUS_FAILED, "%s: no row has two codes", f->rows.path);
    log_info("map %s: %lld pairs of codes%s%s%s%s, %lld rows left out (%s)", f->rows.path, (long long)f->n,
             f->system_column[0] < 0 ? " from " : "", f->system_column[0] < 0 ? f->system[0] : "",
             f->system_column[0] < 0 ? " to " : "", f->system_column[0] < 0 ? f->system[1] : "",
             (long long)f->n_left_out, f->all_choices ? "no code" : "no code, or not the first choice");
    return STATUS_OK;
}

static int read_map(struct code_map *map, const char *path, int all_choices) {
    struct map_file *f;
    TRY(mem_alloc(&f, 1, sizeof *f));
    f->all_choices = all_choices;
    int status = delimited_open(&f->rows, path);
    if (status == STATUS_OK) status = read_rows(f, map);
    delimited_close(&f->rows);
    dictionary_free(&f->gem.codes);
    free(f->gem.scenario);
    free(f->gem.choices);
    free(f);
    return status;
}

int code_map_read(struct code_map *map, const char *path) { return read_map(map, path, 0); }

int code_map_read_choices(struct code_map *map, const char *path) { return read_map(map, path, 1); }

int code_map_is_told(const char *path, int *is_map) {
    struct delimited *rows;
    const char *system[2];
    int column[2];
    *is_map = 0;
    TRY(mem_alloc(&rows, 1, sizeof *rows));
    int status = delimited_open(rows, path);
    if (status == STATUS_OK)
        *is_map = delimited_column(rows, "from_code") >= 0 || code_columns_find(rows, column, system);
    delimited_close(rows);
    free(rows);
    return status;
}
