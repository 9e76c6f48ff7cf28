/* lookup: prints the tokens of codes, and the codes nearest to them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/output.h"
#include "base/status.h"
#include "jobs.h"
#include "store/table_walk.h"
#include "store/vocabulary.h"
#include "terms/code_index.h"

enum { MOST_SYSTEMS = 32, SUGGESTIONS = 5 };

struct lookup {
    struct table table;
    struct code_index index;
    const char *vocabulary_path; /* NULL: none that fits the table, so no descriptions */
};

/* ---- descriptions, where the vocabulary is at hand ---- */
/* Finds out whether the vocabulary at `path` is the table's. One that is there and cannot be read is an error. */
static int find_vocabulary(struct lookup *l, const char *path) {
    struct h5file *file = NULL;
    char *id = NULL, *made_from = NULL;
    int status;
    if (access(path, F_OK)) return STATUS_OK;
    TRY_DONE(h5file_open(&file, path, KIND_VOCABULARY));
    TRY_DONE(h5file_get_text(file, "content_id", &id));
    TRY_DONE(h5file_get_text(l->table.file, "vocabulary_id", &made_from));
    if (strcmp(id, made_from) == 0) l->vocabulary_path = path;
done:
    free(id);
    free(made_from);
    h5file_close(file);
    return status == STATUS_OK
               ? STATUS_OK
               : status_prefix(status, "descriptions (--set files.vocabulary= looks codes up without them)");
}

static int print_name(struct lookup *l, int64_t row) {
    const struct table *t = &l->table;
    struct vocabulary v = {0};
    int described = l->vocabulary_path && row < t->shape.vocabulary_rows;
    if (described) TRY(vocabulary_read(l->vocabulary_path, row, 1, VOCABULARY_DESCRIPTIONS, &v));
    printf("%-9s %-12s", t->system + row * t->system_bytes, t->code + row * t->code_bytes);
    if (described) printf(" %.*s", (int)v.description_offsets[1], v.description);
    printf("\n");
    vocabulary_free(&v);
    return STATUS_OK;
}

/* ---- tokens ---- */
static int print_tokens(struct lookup *l, int64_t row) {
    int64_t k = l->table.shape.top_k;
    int32_t *tokens = NULL;
    float *weights = NULL;
    int status;
    TRY_DONE(mem_alloc(&tokens, TABLE_GROUPS * k, sizeof *tokens));
    TRY_DONE(mem_alloc(&weights, TABLE_GROUPS * k, sizeof *weights));
    TRY_DONE(table_read(&l->table, row, 1, tokens, weights, NULL));
    TRY_DONE(print_name(l, row));
    for (int g = 0; g < TABLE_GROUPS; g++) {
        printf("  %-15s", TABLE_GROUP_NAMES[g]);
        if (tokens[g * k] < 0) printf(" none: this side of the code is absent");
        for (int64_t j = 0; j < k && tokens[g * k] >= 0; j++)
            printf(" %6d (%.3f)", tokens[g * k + j], (double)weights[g * k + j]);
        printf("\n");
    }
done:
    free(tokens);
    free(weights);
    return status;
}

/* ---- nearest by the cosine of embeddings ---- */
struct neighbour {
    double cosine;
    int64_t row;
};

static double dot(const float *a, const float *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Keeps the list sorted, best first; equal ones stay in order of rows. */
static void keep(struct neighbour *best, int *n, int most, struct neighbour candidate) {
    int k = *n;
    while (k > 0 && candidate.cosine > best[k - 1].cosine) k--;
    if (k >= most) return;
    if (*n < most) ++*n;
    memmove(best + k + 1, best + k, (size_t)(*n - 1 - k) * sizeof *best);
    best[k] = candidate;
}

static int print_near(struct lookup *l, int64_t row, int near) {
    int64_t width = TABLE_GROUPS * l->table.shape.dim, n = l->table.shape.n_codes;
    float *own = NULL;
    struct neighbour *best = NULL;
    struct table_walk w = {0};
    int status, found = 0;
    TRY_DONE(mem_alloc(&own, width, sizeof *own));
    TRY_DONE(mem_alloc(&best, near + 1, sizeof *best));
    TRY_DONE(table_read(&l->table, row, 1, NULL, NULL, own));
    double own_norm = sqrt(dot(own, own, width));
    TRY_DONE(table_walk_begin(&w, &l->table, TABLE_EMBEDDING, 0, n));
    while ((status = table_walk_next(&w)) == STATUS_OK && w.count > 0) {
        for (int64_t i = 0; i < w.count; i++) {
            const float *other = w.embedding + i * width;
            double norm = own_norm * sqrt(dot(other, other, width));
            if (w.first + i != row)
                keep(best, &found, near, (struct neighbour){norm > 0 ? dot(own, other, width) / norm : 0, w.first + i});
        }
    }
    TRY_DONE(status);
    printf("  nearest by embedding:\n");
    for (int i = 0; i < found; i++) {
        printf("  %6.3f  ", best[i].cosine);
        TRY_DONE(print_name(l, best[i].row));
    }
done:
    table_walk_end(&w);
    free(own);
    free(best);
    return status;
}

/* ---- the job ---- */
static int unknown_code(struct lookup *l, const char *name) {
    int64_t near[SUGGESTIONS];
    int64_t n = code_index_near(&l->index, name, near, SUGGESTIONS);
    char text[512];
    size_t used = 0;
    for (int64_t i = 0; i < n && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s:%s", i ? ", " : "",
                                 l->table.system + near[i] * l->table.system_bytes,
                                 l->table.code + near[i] * l->table.code_bytes);
    return status_set(STATUS_FAILED, "%s is not in the table; spelled most like it: %s", name, text);
}

static int look_up(struct lookup *l, const char *name, int near) {
    int64_t rows[MOST_SYSTEMS], n = code_index_find(&l->index, name, rows, MOST_SYSTEMS);
    if (n == 0) return unknown_code(l, name);
    for (int64_t i = 0; i < n && i < MOST_SYSTEMS; i++) {
        TRY(print_tokens(l, rows[i]));
        if (near > 0) TRY(print_near(l, rows[i], near));
    }
    return STATUS_OK;
}

static int check_names(int n_args, char **args) {
    if (n_args == 0) return status_set(STATUS_USAGE, "lookup needs at least one code, e.g. `medtok lookup E11.9`");
    for (int i = 0; i < n_args; i++)
        if (args[i][strspn(args[i], " \t\n")] == 0)
            return status_set(STATUS_USAGE, "code %d of %d is empty; name codes, e.g. `medtok lookup E11.9`", i + 1,
                              n_args);
    return STATUS_OK;
}

static int run(const struct comm *comm, const struct config *config, const struct job_arguments *arguments) {
    int n_args = arguments->n, near = arguments->near;
    char **args = arguments->items;
    (void)comm;
    struct lookup l = {0};
    int status, failed = 0;
    TRY(check_names(n_args, args));
    TRY_DONE(table_open(&l.table, config->files.table));
    TRY_DONE(code_index_make(&l.index, (struct strings){l.table.code, NULL, l.table.code_bytes},
                             (struct strings){l.table.system, NULL, l.table.system_bytes}, l.table.shape.n_codes));
    TRY_DONE(find_vocabulary(&l, config->files.vocabulary));
    for (int i = 0; i < n_args; i++) {
        status = look_up(&l, args[i], near);
        if (n_args == 1) TRY_DONE(status);
        if (status != STATUS_OK) {
            failed++;
            log_warn("%s", status_message()); /* the others are looked up all the same */
        }
        TRY_DONE(output_flush()); /* a search that nobody can read is not gone on with */
    }
    if (failed > 0) status = status_set(STATUS_FAILED, "%d of %d codes were not found", failed, n_args);
done:
    code_index_free(&l.index);
    table_close(&l.table);
    return status;
}

const struct job_entry LOOKUP_JOB = {
    .job = JOB_LOOKUP,
    .name = "lookup",
    .arguments = "CODE...",
    .summary = "print the tokens of codes; --near N: and the N nearest codes",
    .ranks = RANK_0,
    .interruptible = 0,
    .run = run,
};
