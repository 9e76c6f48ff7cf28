/* Code tables that several ranks have read: names and nodes of all codes to every rank, descriptions to the rank that has the code. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dist/exchange.h"
#include "dist/gather.h"
#include "ingest/code_table.h"

/* ---- names and nodes ---- */
/* A row as it travels; its strings and nodes travel beside. */
struct row {
    int64_t line;
    int64_t index; /* among those that its rank has read */
    int32_t file, rank, n_nodes;
    uint8_t code_bytes, system_bytes, has_text; /* bytes: with the zero */
};

/* Rows of one or all ranks: strings and nodes in the order of rows. */
struct rows {
    struct row *items;
    char *names; /* of each row its code, then its system */
    int32_t *nodes;
    int64_t n, names_size, n_nodes;
};

/* Where a row's strings and nodes are, for rows that are sorted. */
struct placed_row {
    struct row row;
    int64_t names, nodes;
};

static void rows_free(struct rows *r) {
    free(r->items);
    free(r->names);
    free(r->nodes);
    *r = (struct rows){0};
}

/* The rows that this rank has read; nodes stay the table's. */
static int pack(const struct code_table *t, int rank, struct rows *out) {
    TRY(mem_alloc(&out->items, t->n, sizeof *out->items));
    for (int64_t i = 0; i < t->n; i++) {
        out->items[i] = (struct row){.line = t->line[i],
                                     .index = i,
                                     .file = t->file[i],
                                     .rank = rank,
                                     .n_nodes = (int32_t)(t->node_offsets[i + 1] - t->node_offsets[i]),
                                     .code_bytes = (uint8_t)(strlen(t->text + t->code[i]) + 1),
                                     .system_bytes = (uint8_t)(strlen(t->text + t->system[i]) + 1),
                                     .has_text = t->description[i] != t->code[i]};
        out->names_size += out->items[i].code_bytes + out->items[i].system_bytes;
    }
    TRY(mem_alloc(&out->names, out->names_size, 1));
    char *to = out->names;
    for (int64_t i = 0; i < t->n; i++) {
        to = stpcpy(to, t->text + t->code[i]) + 1;
        to = stpcpy(to, t->text + t->system[i]) + 1;
    }
    out->n = t->n;
    return STATUS_OK;
}

/* Collective. */
static int gather(const struct code_table *t, const struct comm *comm, struct rows *all) {
    struct rows own = {0};
    int status = comm_agree(comm, pack(t, comm->rank, &own));
    if (status == STATUS_OK) status = comm_gather_rows(comm, own.n, sizeof *own.items, own.items, &all->n, &all->items);
    if (status == STATUS_OK)
        status = comm_gather_rows(comm, own.names_size, 1, own.names, &all->names_size, &all->names);
    if (status == STATUS_OK)
        status = comm_gather_rows(comm, t->n_nodes, sizeof *t->nodes, t->nodes, &all->n_nodes, &all->nodes);
    rows_free(&own);
    return status;
}

static int by_position(const void *a, const void *b) {
    const struct row *x = &((const struct placed_row *)a)->row, *y = &((const struct placed_row *)b)->row;
    if (x->file != y->file) return x->file < y->file ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

static int sort_rows(const struct rows *all, struct placed_row **sorted) {
    int64_t names = 0, nodes = 0;
    TRY(mem_alloc(sorted, all->n, sizeof **sorted));
    for (int64_t i = 0; i < all->n; i++) {
        const struct row *row = &all->items[i];
        (*sorted)[i] = (struct placed_row){*row, names, nodes};
        names += row->code_bytes + row->system_bytes;
        nodes += row->n_nodes;
    }
    if (all->n > 0) qsort(*sorted, (size_t)all->n, sizeof **sorted, by_position);
    return STATUS_OK;
}

static int make_room(struct code_table *t, const struct rows *all) {
    TRY(mem_alloc(&t->text, all->names_size, 1));
    TRY(mem_alloc(&t->nodes, all->n_nodes, sizeof *t->nodes));
    TRY(mem_alloc(&t->code, all->n, sizeof *t->code));
    TRY(mem_alloc(&t->system, all->n, sizeof *t->system));
    TRY(mem_alloc(&t->description, all->n, sizeof *t->description));
    TRY(mem_alloc(&t->line, all->n, sizeof *t->line));
    TRY(mem_alloc(&t->file, all->n, sizeof *t->file));
    return mem_alloc(&t->node_offsets, all->n + 1, sizeof *t->node_offsets);
}

/* Puts row i in its place. */
static void put_row(struct code_table *t, int64_t i, const struct rows *all, const struct placed_row *p) {
    const struct row *row = &p->row;
    memcpy(t->text + t->text_size, all->names + p->names, (size_t)(row->code_bytes + row->system_bytes));
    t->code[i] = t->text_size;
    t->system[i] = t->text_size + row->code_bytes;
    t->text_size += row->code_bytes + row->system_bytes;
    t->description[i] = row->has_text ? CODE_TEXT_ELSEWHERE : t->code[i];
    t->line[i] = row->line;
    t->file[i] = row->file;
    if (row->n_nodes > 0) memcpy(t->nodes + t->n_nodes, all->nodes + p->nodes, (size_t)row->n_nodes * sizeof *t->nodes);
    t->n_nodes += row->n_nodes;
    t->node_offsets[i + 1] = t->n_nodes;
}

/* The table of all rows; descriptions of those of this rank go from `own` into `read`. */
static int put_all(struct code_table *t, const struct rows *all, const struct placed_row *sorted, int rank,
                   struct code_table *own) {
    TRY(make_room(t, all));
    TRY(mem_alloc(&t->read.number, own->n, sizeof *t->read.number));
    TRY(mem_alloc(&t->read.at, own->n, sizeof *t->read.at));
    for (int64_t i = 0; i < all->n; i++) {
        const struct row *row = &sorted[i].row;
        put_row(t, i, all, &sorted[i]);
        if (row->rank != rank || !row->has_text) continue;
        t->read.number[t->read.n] = i;
        t->read.at[t->read.n++] = own->description[row->index];
    }
    t->n = all->n;
    t->read.text = own->text;
    own->text = NULL;
    return STATUS_OK;
}

int code_table_unite(struct code_table *t, const struct comm *comm) {
    struct code_table own = *t;
    struct rows all = {0};
    struct placed_row *sorted = NULL;
    int status = gather(&own, comm, &all);
    *t = (struct code_table){.files = own.files,
                             .n_without_description = own.n_without_description,
                             .n_repeated_nodes = own.n_repeated_nodes,
                             .of_medtok = own.of_medtok,
                             .n_without_nodes = own.n_without_nodes,
                             .without_nodes = own.without_nodes};
    if (status == STATUS_OK) status = sort_rows(&all, &sorted);
    if (status == STATUS_OK) status = put_all(t, &all, sorted, comm->rank, &own);
    rows_free(&all);
    free(sorted);
    code_table_free(&own);
    TRY(comm_agree(comm, status));
    TRY(comm_sum_int64(comm, &t->n_without_description, 1));
    return comm_sum_int64(comm, &t->n_repeated_nodes, 1);
}

/* ---- descriptions ---- */
/* On its way: bytes follow. */
struct text_head {
    int64_t number, size;
};

/* Those that this rank has read, by the rank that gets them; count [ranks] bytes. */
static int pack_texts(const struct code_texts *read, const int64_t *first, int64_t *count, char **packed) {
    int64_t size = 0, rank = 0;
    for (int64_t i = 0; i < read->n; i++)
        size += (int64_t)(sizeof(struct text_head) + strlen(read->text + read->at[i]));
    TRY(mem_alloc(packed, size, 1));
    char *to = *packed;
    for (int64_t i = 0; i < read->n; i++) {
        const char *text = read->text + read->at[i];
        struct text_head head = {read->number[i], (int64_t)strlen(text)};
        while (head.number >= first[rank + 1]) rank++;
        memcpy(to, &head, sizeof head);
        memcpy(to + sizeof head, text, (size_t)head.size);
        to += sizeof head + (size_t)head.size;
        count[rank] += (int64_t)sizeof head + head.size;
    }
    return STATUS_OK;
}

/* What stands for code i where no description came: nothing, or the code. */
static int64_t stand_in(const struct code_table *t, int64_t i, int absent) {
    return absent || t->description[i] != t->code[i] ? 0 : (int64_t)strlen(t->text + t->code[i]);
}

/* got: texts with their heads. Codes begin .. end - 1. */
static int place_texts(const struct code_table *t, const struct received_rows *got, int64_t begin, int64_t end,
                       int absent, int64_t *offsets, char **bytes) {
    struct text_head head;
    for (int64_t i = begin; i < end; i++) offsets[i - begin + 1] = stand_in(t, i, absent);
    for (int64_t at = 0; at < got->n; at += (int64_t)sizeof head + head.size) {
        memcpy(&head, got->rows + at, sizeof head);
        offsets[head.number - begin + 1] = head.size;
    }
    for (int64_t i = begin; i < end; i++) offsets[i - begin + 1] += offsets[i - begin];
    TRY(mem_alloc(bytes, offsets[end - begin], 1));
    for (int64_t i = begin; i < end; i++)
        memcpy(*bytes + offsets[i - begin], t->text + t->code[i], (size_t)stand_in(t, i, absent));
    for (int64_t at = 0; at < got->n; at += (int64_t)sizeof head + head.size) {
        memcpy(&head, got->rows + at, sizeof head);
        memcpy(*bytes + offsets[head.number - begin], got->rows + at + sizeof head, (size_t)head.size);
    }
    return STATUS_OK;
}

/* A table that one rank has read: its descriptions are in its text. */
static int list_own_texts(struct code_table *t) {
    struct code_texts *read = &t->read;
    TRY(mem_alloc(&read->number, t->n, sizeof *read->number));
    TRY(mem_alloc(&read->at, t->n, sizeof *read->at));
    for (int64_t i = 0; i < t->n; i++) {
        if (t->description[i] == t->code[i]) continue;
        read->number[read->n] = i;
        read->at[read->n++] = t->description[i];
    }
    return STATUS_OK;
}

int code_table_take_texts(struct code_table *t, const struct comm *comm, const int64_t *first, int absent,
                          int64_t **offsets, char **bytes) {
    struct received_rows got = {0};
    struct code_texts read;
    int64_t *count = NULL, begin = first[comm->rank], end = first[comm->rank + 1];
    char *packed = NULL;
    *bytes = NULL;
    int status = mem_alloc(offsets, end - begin + 1, sizeof **offsets);
    if (status == STATUS_OK) status = mem_alloc(&count, comm->size, sizeof *count);
    if (status == STATUS_OK && comm->size == 1) status = list_own_texts(t);
    read = t->read;
    if (comm->size == 1) read.text = t->text;
    if (status == STATUS_OK) status = pack_texts(&read, first, count, &packed);
    status = comm_agree(comm, status);
    if (status == STATUS_OK) status = comm_exchange_rows(comm, 1, count, packed, &got);
    free(packed);
    free(count);
    if (status == STATUS_OK) status = comm_agree(comm, place_texts(t, &got, begin, end, absent, *offsets, bytes));
    received_rows_free(&got);
    free(t->read.number);
    free(t->read.at);
    free(t->read.text);
    t->read = (struct code_texts){0};
    return status;
}
