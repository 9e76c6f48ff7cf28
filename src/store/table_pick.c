#include "store/table_pick.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "store/table_walk.h"

struct pick {
    struct table *from;
    uint8_t *wanted; /* [rows of `from`] */
    int64_t n;       /* rows that are wanted */
    int64_t known;   /* of them those that are codes of the vocabulary, which come first in `from` */
    char *code, *system;
    int32_t *tokens;
    float *weights, *embedding, *codebook;
};

static void pick_free(struct pick *p) {
    free(p->wanted);
    free(p->code);
    free(p->system);
    free(p->tokens);
    free(p->weights);
    free(p->embedding);
    free(p->codebook);
}

static int mark(struct pick *p, int64_t n, const int64_t *rows) {
    const struct table_shape *s = &p->from->shape;
    TRY(mem_alloc(&p->wanted, s->n_codes, 1));
    for (int64_t i = 0; i < n; i++) {
        if (rows[i] < 0 || rows[i] >= s->n_codes)
            return status_set(STATUS_FAILED, "row %lld is none of the table's %lld", (long long)rows[i],
                              (long long)s->n_codes);
        if (p->wanted[rows[i]]) continue;
        p->n++;
        p->known += rows[i] < s->vocabulary_rows || rows[i] < s->picked;
        p->wanted[rows[i]] = 1;
    }
    return p->n ? STATUS_OK : status_set(STATUS_FAILED, "no row of the table is asked for");
}

static int make_room(struct pick *p) {
    const struct table_shape *s = &p->from->shape;
    TRY(mem_alloc(&p->code, p->n, p->from->code_bytes));
    TRY(mem_alloc(&p->system, p->n, p->from->system_bytes));
    TRY(mem_alloc(&p->tokens, p->n * TABLE_GROUPS * s->top_k, sizeof *p->tokens));
    TRY(mem_alloc(&p->weights, p->n * TABLE_GROUPS * s->top_k, sizeof *p->weights));
    TRY(mem_alloc(&p->embedding, p->n * TABLE_GROUPS * s->dim, sizeof *p->embedding));
    return mem_alloc(&p->codebook, s->codebook_size * s->dim, sizeof *p->codebook);
}

static void copy(void *to, int64_t at, const void *from, int64_t row, int64_t bytes) {
    memcpy((char *)to + at * bytes, (const char *)from + row * bytes, (size_t)bytes);
}

static int read_rows(struct pick *p) {
    const struct table *t = p->from;
    const struct table_shape *s = &t->shape;
    struct table_walk walk;
    int64_t at = 0, picks = TABLE_GROUPS * s->top_k, width = TABLE_GROUPS * s->dim;
    int status = table_walk_begin(&walk, p->from, TABLE_TOKENS | TABLE_WEIGHTS | TABLE_EMBEDDING, 0, s->n_codes);
    while (status == STATUS_OK && (status = table_walk_next(&walk)) == STATUS_OK && walk.count > 0)
        for (int64_t i = 0; i < walk.count; i++) {
            if (!p->wanted[walk.first + i]) continue;
            copy(p->code, at, t->code, walk.first + i, t->code_bytes);
            copy(p->system, at, t->system, walk.first + i, t->system_bytes);
            copy(p->tokens, at, walk.tokens, i, picks * (int64_t)sizeof *p->tokens);
            copy(p->weights, at, walk.weights, i, picks * (int64_t)sizeof *p->weights);
            copy(p->embedding, at++, walk.embedding, i, width * (int64_t)sizeof *p->embedding);
        }
    table_walk_end(&walk);
    TRY(status);
    return table_read_codebook(p->from, p->codebook);
}

/* What the table was made from and by, for its part. The texts are owned. */
static int read_head(const struct pick *p, struct table_head *head, char **vocabulary_id, char **checkpoint_id) {
    const struct table *t = p->from;
    int64_t averaged;
    TRY(h5file_get_text(t->file, "vocabulary_id", vocabulary_id));
    TRY(h5file_get_text(t->file, "checkpoint_id", checkpoint_id));
    TRY(h5file_get_int_or(t->file, "averaged", 0, &averaged));
    *head = (struct table_head){.code = p->code,
                                .system = p->system,
                                .code_bytes = t->code_bytes,
                                .system_bytes = t->system_bytes,
                                .codebook = p->codebook,
                                .vocabulary_id = *vocabulary_id,
                                .checkpoint_id = *checkpoint_id,
                                .averaged = averaged != 0};
    return h5file_get_int_or(t->file, "step", 0, &head->step);
}

static int write_table(const struct pick *p, const char *path, const struct provenance *provenance) {
    const struct comm self = comm_self();
    struct table_shape shape = p->from->shape;
    struct table_head head;
    struct table_writer *writer;
    char *vocabulary_id = NULL, *checkpoint_id = NULL;
    shape.n_codes = p->n;
    shape.vocabulary_rows = shape.base_rows = 0;
    shape.picked = p->known;
    shape.table_version = 1;
    int status = read_head(p, &head, &vocabulary_id, &checkpoint_id);
    status = table_create(&writer, &self, path, &shape, &head, provenance, status);
    if (status == STATUS_OK)
        status = table_commit(writer, table_write(writer, 0, p->n, p->tokens, p->weights, p->embedding));
    free(vocabulary_id);
    free(checkpoint_id);
    return status;
}

int table_pick(struct table *from, int64_t n, const int64_t *rows, const char *path,
               const struct provenance *provenance) {
    struct pick p = {.from = from};
    int status;
    TRY_DONE(mark(&p, n, rows));
    TRY_DONE(make_room(&p));
    TRY_DONE(read_rows(&p));
    TRY_DONE(write_table(&p, path, provenance));
done:
    pick_free(&p);
    return status;
}
