/* Counting, then token by token. */
#include "ehr/batch.h"

#include "base/status.h"

static int pack_tokens(struct ehr_batch *b, struct pack *pack, const struct sample_set *set, const int64_t *which) {
    int32_t *token, *learned, *vector, *age, *visit, *parity;
    int64_t rows = b->tokens.rows.n_rows, at = 0;
    TRY(pack_ints(pack, rows, &token, &b->token));
    TRY(pack_ints(pack, rows, &learned, &b->learned));
    TRY(pack_ints(pack, rows, &vector, &b->vector));
    TRY(pack_ints(pack, rows, &age, &b->age));
    TRY(pack_ints(pack, rows, &visit, &b->visit));
    TRY(pack_ints(pack, rows, &parity, &b->visit_parity));
    for (int64_t i = 0; i < b->n; i++) {
        for (int64_t t = set->offsets[which[i]]; t < set->offsets[which[i] + 1]; t++, at++) {
            const struct timeline_token *x = &set->tokens[t];
            int has_vector = x->token >= set->first_vector;
            token[at] = x->token;
            learned[at] = has_vector ? -1 : x->token;
            vector[at] = has_vector ? x->token - set->first_vector : -1;
            age[at] = x->age;
            visit[at] = x->visit;
            parity[at] = x->visit % 2;
        }
    }
    return STATUS_OK;
}

int ehr_batch_pack(struct ehr_batch *b, struct pack *pack, const struct sample_set *set, int64_t n,
                   const int64_t *which) {
    int32_t *offsets, *keys, *one, *one_keys, *first, *label;
    int64_t rows = 0;
    *b = (struct ehr_batch){.n = n};
    pack_begin(pack);
    TRY(pack_ints(pack, n + 1, &offsets, &b->tokens.rows.offsets));
    TRY(pack_ints(pack, n, &keys, &b->tokens.keys));
    TRY(pack_ints(pack, n + 1, &one, &b->each.rows.offsets));
    TRY(pack_ints(pack, n, &one_keys, &b->each.keys));
    TRY(pack_ints(pack, n, &first, &b->first));
    TRY(pack_ints(pack, n, &label, &b->label));
    for (int64_t i = 0; i < n; i++) {
        offsets[i] = first[i] = (int32_t)rows;
        keys[i] = one_keys[i] = (int32_t)set->number[which[i]];
        one[i] = (int32_t)i;
        label[i] = set->label[which[i]];
        rows += set->offsets[which[i] + 1] - set->offsets[which[i]];
    }
    offsets[n] = (int32_t)rows;
    one[n] = (int32_t)n;
    b->tokens.rows.n = b->each.rows.n = b->each.rows.n_rows = n;
    b->tokens.rows.n_rows = rows;
    return pack_tokens(b, pack, set, which);
}
