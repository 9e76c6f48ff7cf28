/* Plans of runs of the vocabulary, made one. */
#include "text/text_units.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/status.h"
#include "dist/exchange.h"

void shared_plan_free(struct shared_plan *p) {
    text_plan_free(&p->own);
    shared_numbers_free(p->kinds);
    free(p->part_unit);
    free(p->part_row);
    free(p->part_cost);
    *p = (struct shared_plan){0};
}

/* ---- this rank's codes ---- */
static int plan_names(struct shared_plan *p, const struct comm *comm, const char *path, struct text_encoder *encoder) {
    struct vocabulary v;
    TRY(vocabulary_read_sizes(path, &v));
    p->n_nodes = v.n_nodes;
    p->first_node = p->n_nodes * comm->rank / comm->size;
    int64_t n = p->n_nodes * (comm->rank + 1) / comm->size - p->first_node;
    TRY(vocabulary_read_node_names(path, p->first_node, n, &v));
    int status = encoder->plan_names(encoder, n, v.node_name_offsets, v.node_name, &p->own);
    vocabulary_free(&v);
    return status;
}

static int plan_own(struct shared_plan *p, const struct comm *comm, const char *path, struct text_encoder *encoder) {
    struct vocabulary v;
    TRY(vocabulary_read_sizes(path, &v));
    p->n_codes = v.n_codes_total;
    int64_t n;
    TRY(vocabulary_share_descriptions(path, comm->rank, comm->size, &p->first_code, &n));
    TRY(vocabulary_read(path, p->first_code, n, VOCABULARY_DESCRIPTIONS, &v));
    int status = encoder->plan(encoder, &v, &p->own);
    vocabulary_free(&v);
    return status;
}

/* ---- numbers of all ranks ---- */
/* Of all kinds, whose numbers are n_own[]. */
static int name_strings(const struct text_encoder *encoder, int64_t n_own[TEXT_MOST_KINDS],
                        struct shared_name **names) {
    int64_t n = 0, at = 0;
    for (int k = 0; k < encoder->n_kinds; k++) n += n_own[k] = encoder->dictionaries[k]->n;
    TRY(mem_alloc(names, n, sizeof **names));
    for (int k = 0; k < encoder->n_kinds; k++) {
        const struct dictionary *d = encoder->dictionaries[k];
        for (int64_t i = 0; i < d->n; i++) {
            XXH128_hash_t hash = XXH3_128bits(d->bytes + d->offsets[i], (size_t)(d->offsets[i + 1] - d->offsets[i]));
            (*names)[at++] = (struct shared_name){hash.high64, hash.low64};
        }
    }
    return STATUS_OK;
}

/* Collective. */
static int number_units(struct shared_plan *p, const struct comm *comm, const struct text_encoder *encoder) {
    struct shared_name *names = NULL;
    int64_t n_own[TEXT_MOST_KINDS];
    int status = name_strings(encoder, n_own, &names);
    status = shared_numbers_make(p->kinds, comm, encoder->n_kinds, n_own, names, status);
    free(names);
    TRY(status);
    for (int k = 0; k < encoder->n_kinds; k++) {
        p->kind_first[k] = p->n_units;
        p->n_units += p->kinds[k].n;
    }
    return STATUS_OK;
}

/* ---- rows of all ranks ---- */
/* Collective. row [own units]: the first row of each, but for names; of several rows a unit there is one kind alone beside these. */
static int find_rows(struct shared_plan *p, const struct comm *comm, int n_kinds, int64_t *row) {
    const struct text_plan *own = &p->own;
    int64_t next = 0, n = 0;
    if (!own->unit_rows) {
        for (int k = 0; k < n_kinds; k++)
            for (int64_t i = 0; i < p->kinds[k].n_own; i++) row[n++] = p->kind_first[k] + p->kinds[k].number[i];
        p->n_rows = p->n_units;
        return STATUS_OK;
    }
    for (int64_t i = 0; i < own->n_units; i++)
        if (shared_numbers_is_first(&p->kinds[0], comm, i)) n += own->unit_rows[i + 1] - own->unit_rows[i];
    TRY(comm_sum_before(comm, 1, &n, &next, &p->n_rows));
    for (int64_t i = 0; i < own->n_units; i++) {
        if (!shared_numbers_is_first(&p->kinds[0], comm, i)) continue;
        row[i] = next;
        next += own->unit_rows[i + 1] - own->unit_rows[i];
    }
    return shared_numbers_look_up(&p->kinds[0], comm, row);
}

/* The unit with this row among the own ones. */
static int64_t unit_of_row(const struct text_plan *own, int64_t row) {
    int64_t low = 0, high = own->n_units;
    if (!own->unit_rows) return row;
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if (own->unit_rows[middle] <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Names have the last rows. */
static void renumber_names(struct shared_plan *p, const struct shared_numbers *names) {
    int64_t first = p->n_rows - names->n;
    for (int64_t i = 0; i < p->own.n_nodes; i++)
        if (p->own.node_row[i] >= 0) p->own.node_row[i] = (int32_t)(first + names->number[p->own.node_row[i]]);
}

/* Collective: from rows of the own plan to those of all. */
static int renumber_rows(struct shared_plan *p, const struct comm *comm, const struct text_encoder *encoder) {
    int n_kinds = encoder->n_kinds - encoder->n_name_kinds;
    struct text_plan *own = &p->own;
    int64_t *row = NULL, n_tokens = own->token_offsets[own->n_codes];
    int status;
    TRY_DONE(comm_agree(comm, mem_alloc(&row, own->n_units, sizeof *row)));
    TRY_DONE(find_rows(p, comm, n_kinds, row));
    if (encoder->n_name_kinds && own->unit_rows) p->n_rows += p->kinds[n_kinds].n;
    if (p->n_rows >= INT32_MAX) {
        status =
            status_set(STATUS_FAILED, "%lld feature rows are more than 2^31 - 1; text.features: sentence needs fewer",
                       (long long)p->n_rows);
        goto done;
    }
    for (int64_t t = 0; t < n_tokens; t++) {
        int64_t unit = unit_of_row(own, own->token_row[t]);
        int64_t within = own->unit_rows ? own->token_row[t] - own->unit_rows[unit] : 0;
        own->token_row[t] = (int32_t)(row[unit] + within);
    }
    if (encoder->n_name_kinds) renumber_names(p, &p->kinds[n_kinds]);
    TRY_DONE(comm_sum_before(comm, 1, &n_tokens, &p->first_token, &p->n_tokens));
    for (int64_t i = 0; i <= own->n_codes; i++) own->token_offsets[i] += p->first_token;
done:
    free(row);
    return status;
}

/* ---- parts ---- */
static int allocate_parts(struct shared_plan *p, int64_t n_parts) {
    p->n_parts = n_parts;
    TRY(mem_alloc(&p->part_row, n_parts + 1, sizeof *p->part_row));
    return mem_alloc(&p->part_cost, n_parts + 1, sizeof *p->part_cost);
}

static int set_parts(struct shared_plan *p, const struct text_plan *all, int64_t batch_cost, int64_t n_batches) {
    int64_t each = batch_cost * n_batches, most = all->unit_costs ? p->n_units : (p->n_units + each - 1) / each;
    TRY(mem_alloc(&p->part_unit, most + 1, sizeof *p->part_unit));
    TRY(allocate_parts(p, text_plan_cut(all, batch_cost, n_batches, p->part_unit)));
    for (int64_t i = 0; i <= p->n_parts; i++) {
        p->part_row[i] = text_plan_row(all, p->part_unit[i]);
        p->part_cost[i] = text_plan_cost(all, p->part_unit[i]);
    }
    return STATUS_OK;
}

struct unit_size {
    int32_t rows, cost;
};

/* Of kind k: 0, or names, which are one row each and whose costs stand behind those of the units. */
static int own_sizes(const struct shared_plan *p, const struct comm *comm, int k, struct unit_size **sizes,
                     int64_t **count) {
    const struct text_plan *own = &p->own;
    const int64_t *costs = own->unit_costs + (k == 0 ? 0 : own->n_units);
    TRY(mem_alloc(sizes, p->kinds[k].count, sizeof **sizes));
    TRY(mem_alloc(count, comm->size, sizeof **count));
    for (int64_t i = 0; i < p->kinds[k].n_own; i++)
        if (shared_numbers_is_first(&p->kinds[k], comm, i))
            (*sizes)[(*count)[0]++] = (struct unit_size){
                k == 0 ? (int32_t)(own->unit_rows[i + 1] - own->unit_rows[i]) : 1, (int32_t)(costs[i + 1] - costs[i])};
    return STATUS_OK;
}

/* Collective: rank 0 gets the sizes of all units of kind k, in their order. */
static int gather_sizes(const struct shared_plan *p, const struct comm *comm, int k, struct received_rows *all) {
    struct unit_size *sizes = NULL;
    int64_t *count = NULL;
    int status = comm_agree(comm, own_sizes(p, comm, k, &sizes, &count));
    if (status == STATUS_OK) status = comm_exchange_rows(comm, sizeof *sizes, count, sizes, all);
    free(sizes);
    free(count);
    return status;
}

/* On rank 0: of the sizes of all units of both kinds. */
static int cut_by_sizes(struct shared_plan *p, const struct received_rows sizes[2], int64_t batch_cost,
                        int64_t n_batches) {
    struct text_plan all = {.n_units = p->n_units};
    int status = mem_alloc(&all.unit_rows, p->n_units + 1, sizeof *all.unit_rows);
    if (status == STATUS_OK) status = mem_alloc(&all.unit_costs, p->n_units + 1, sizeof *all.unit_costs);
    for (int64_t i = 0; i < p->n_units && status == STATUS_OK; i++) {
        struct unit_size size;
        int64_t of_texts = p->kinds[0].n;
        const char *from = i < of_texts ? sizes[0].rows + i * (int64_t)sizeof size
                                        : sizes[1].rows + (i - of_texts) * (int64_t)sizeof size;
        memcpy(&size, from, sizeof size);
        all.unit_rows[i + 1] = all.unit_rows[i] + size.rows;
        all.unit_costs[i + 1] = all.unit_costs[i] + size.cost;
    }
    if (status == STATUS_OK) status = set_parts(p, &all, batch_cost, n_batches);
    text_plan_free(&all);
    return status;
}

/* Collective: rank 0's parts to all. */
static int share_parts(struct shared_plan *p, const struct comm *comm) {
    int64_t n_parts = p->n_parts;
    int status = comm_broadcast(comm, &n_parts, sizeof n_parts);
    if (status == STATUS_OK && comm->rank > 0) status = mem_alloc(&p->part_unit, n_parts + 1, sizeof *p->part_unit);
    if (status == STATUS_OK && comm->rank > 0) status = allocate_parts(p, n_parts);
    TRY(comm_agree(comm, status));
    int64_t bytes = (n_parts + 1) * (int64_t)sizeof(int64_t);
    TRY(comm_broadcast(comm, p->part_unit, bytes));
    TRY(comm_broadcast(comm, p->part_row, bytes));
    return comm_broadcast(comm, p->part_cost, bytes);
}

/* Collective. Where all units cost the same, each rank cuts for itself. */
static int cut_parts(struct shared_plan *p, const struct comm *comm, int64_t batch_cost, int64_t n_batches) {
    struct text_plan alike = {.n_units = p->n_units};
    struct received_rows all[2] = {{0}};
    int status;
    if (!p->own.unit_costs) return comm_agree(comm, set_parts(p, &alike, batch_cost, n_batches));
    TRY_DONE(gather_sizes(p, comm, 0, &all[0]));
    if (p->n_nodes > 0) TRY_DONE(gather_sizes(p, comm, 1, &all[1]));
    TRY_DONE(comm_agree(comm, comm->rank == 0 ? cut_by_sizes(p, all, batch_cost, n_batches) : STATUS_OK));
    status = share_parts(p, comm);
done:
    received_rows_free(&all[0]);
    received_rows_free(&all[1]);
    return status;
}

int shared_plan_make(struct shared_plan *p, const struct comm *comm, const char *path, struct text_encoder *encoder,
                     int with_nodes, int64_t batch_cost, int64_t n_batches) {
    *p = (struct shared_plan){0};
    int status = plan_own(p, comm, path, encoder);
    if (status == STATUS_OK && with_nodes) status = plan_names(p, comm, path, encoder);
    TRY(comm_agree(comm, status));
    TRY(number_units(p, comm, encoder));
    TRY(renumber_rows(p, comm, encoder));
    return cut_parts(p, comm, batch_cost, n_batches);
}

/* ---- dealing what units hold ---- */
/* As it travels: a head, then the bytes, filled up to whole words. */
struct unit_head {
    int32_t unit, size;
};
enum { WORD = 4 };

static int64_t words_of(int64_t size) { return (int64_t)sizeof(struct unit_head) / WORD + (size + WORD - 1) / WORD; }

/* The part with a unit. */
static int64_t part_of(const struct shared_plan *p, int64_t unit) {
    int64_t low = 0, high = p->n_parts;
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if (p->part_unit[middle] <= unit)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Calls for each unit that appears first here and that some rank computes. */
struct dealing {
    const struct comm *comm;
    const struct shared_plan *plan;
    const int32_t *rank_of_part;
    int64_t *count, *next; /* [size] words for each rank, and where they go on */
    char *bytes;           /* NULL: they are counted */
};

static void deal_unit(struct dealing *d, int64_t unit, const char *bytes, int64_t size) {
    int rank = d->rank_of_part[part_of(d->plan, unit)];
    if (rank < 0) return;
    if (!d->bytes) {
        d->count[rank] += words_of(size);
        return;
    }
    char *to = d->bytes + d->next[rank] * WORD;
    struct unit_head head = {(int32_t)unit, (int32_t)size};
    memcpy(to, &head, sizeof head);
    memcpy(to + sizeof head, bytes, (size_t)size);
    d->next[rank] += words_of(size);
}

static void deal_units(struct dealing *d, const struct text_encoder *encoder) {
    for (int k = 0; k < encoder->n_kinds; k++) {
        const struct dictionary *dictionary = encoder->dictionaries[k];
        const struct shared_numbers *numbers = &d->plan->kinds[k];
        for (int64_t i = 0; i < dictionary->n; i++)
            if (shared_numbers_is_first(numbers, d->comm, i))
                deal_unit(d, d->plan->kind_first[k] + numbers->number[i], dictionary->bytes + dictionary->offsets[i],
                          dictionary->offsets[i + 1] - dictionary->offsets[i]);
    }
}

/* What a text takes whose row is a sum over its words, as so many bytes of them: most is not of its words, but of its row. */
enum { BYTES_OF_A_ROW = 100 };

int text_units_work(const struct shared_plan *plan, const struct comm *comm, const struct text_encoder *encoder,
                    int64_t *work) {
    for (int64_t p = 0; p < plan->n_parts; p++)
        work[p] = encoder->part_cost > 0 ? 0 : plan->part_cost[p + 1] - plan->part_cost[p];
    if (encoder->part_cost == 0) return STATUS_OK;
    for (int k = 0; k < encoder->n_kinds; k++) {
        const struct dictionary *d = encoder->dictionaries[k];
        for (int64_t i = 0; i < d->n; i++)
            if (shared_numbers_is_first(&plan->kinds[k], comm, i))
                work[part_of(plan, plan->kind_first[k] + plan->kinds[k].number[i])] +=
                    BYTES_OF_A_ROW + d->offsets[i + 1] - d->offsets[i];
    }
    return comm_sum_int64(comm, work, plan->n_parts);
}

void text_units_share(int64_t n_parts, const int64_t *work, const int64_t *done, int n_ranks, int32_t *rank_of_part) {
    int64_t all = 0, before = 0;
    for (int64_t p = 0; p < n_parts; p++) all += done[p] ? 0 : work[p];
    for (int64_t p = 0; p < n_parts; p++) {
        double middle = (double)before + (double)work[p] / 2;
        int32_t rank = all > 0 ? (int32_t)(middle / (double)all * n_ranks) : 0;
        if (rank > n_ranks - 1) rank = n_ranks - 1; /* of a last part without work the middle is the end */
        rank_of_part[p] = done[p] ? -1 : rank;
        before += done[p] ? 0 : work[p];
    }
}

static int pack(struct dealing *d, struct text_encoder *encoder) {
    int64_t n = 0;
    TRY(mem_alloc(&d->count, d->comm->size, sizeof *d->count));
    TRY(mem_alloc(&d->next, d->comm->size, sizeof *d->next));
    deal_units(d, encoder);
    for (int r = 0; r < d->comm->size; r++) {
        d->next[r] = n;
        n += d->count[r];
    }
    TRY(mem_alloc(&d->bytes, n + 1, WORD));
    deal_units(d, encoder);
    for (int k = 0; k < encoder->n_kinds; k++) dictionary_free(encoder->dictionaries[k]);
    return STATUS_OK;
}

static int by_unit(const void *a, const void *b) {
    const struct text_unit *x = a, *y = b;
    return (x->unit > y->unit) - (x->unit < y->unit);
}

/* Lists what came; its bytes go over to units. */
static int unpack(struct text_units *units, struct received_rows *received) {
    struct unit_head head;
    for (int64_t at = 0; at < received->n; at += words_of(head.size)) {
        memcpy(&head, received->rows + at * WORD, sizeof head);
        units->n++;
    }
    TRY(mem_alloc(&units->list, units->n, sizeof *units->list));
    int64_t at = 0;
    for (int64_t i = 0; i < units->n; i++, at += words_of(head.size)) {
        memcpy(&head, received->rows + at * WORD, sizeof head);
        units->list[i] = (struct text_unit){head.unit, head.size, at * WORD + (int64_t)sizeof head};
    }
    qsort(units->list, (size_t)units->n, sizeof *units->list, by_unit);
    units->bytes = received->rows;
    received->rows = NULL;
    return STATUS_OK;
}

int text_units_deal(struct text_units *units, const struct comm *comm, const struct shared_plan *plan,
                    struct text_encoder *encoder, const int32_t *rank_of_part) {
    struct dealing d = {.comm = comm, .plan = plan, .rank_of_part = rank_of_part};
    struct received_rows received = {0};
    *units = (struct text_units){.n = 0};
    memcpy(units->kind_first, plan->kind_first, sizeof units->kind_first);
    int status = comm_agree(comm, pack(&d, encoder));
    if (status == STATUS_OK) status = comm_exchange_rows(comm, WORD, d.count, d.bytes, &received);
    free(d.count);
    free(d.next);
    free(d.bytes);
    if (status == STATUS_OK) status = comm_agree(comm, unpack(units, &received));
    received_rows_free(&received);
    return status;
}
