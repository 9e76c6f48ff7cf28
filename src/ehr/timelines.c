#include "ehr/timelines.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

int timelines_make(struct timelines *x, const struct ehr_batch *b, const struct ehr_options *options) {
    x->n = 0;
    TRY(mem_grow(&x->offsets, &x->offsets_capacity, b->n + 1, sizeof *x->offsets));
    x->offsets[0] = 0;
    for (int64_t i = 0; i < b->n; i++) {
        struct sample_history history = sample_set_history(b->set, b->which[i]);
        const struct timeline *t = &x->timeline;
        TRY(visits_make(&x->visits, &history, options));
        TRY(timeline_make(&x->timeline, &x->visits, options->max_length));
        TRY(mem_grow(&x->tokens, &x->capacity, x->n + t->n, sizeof *x->tokens));
        memcpy(x->tokens + x->n, t->tokens, (size_t)t->n * sizeof *t->tokens);
        x->offsets[i + 1] = x->n += t->n;
    }
    return STATUS_OK;
}

static int pack_tokens(struct timelines *x, struct pack *pack, const struct code_rows *codes) {
    int32_t *age, *visit, *parity;
    TRY(pack_ints(pack, x->n, &age, &x->age));
    TRY(pack_ints(pack, x->n, &visit, &x->visit));
    TRY(pack_ints(pack, x->n, &parity, &x->visit_parity));
    TRY(mem_grow(&x->token, &x->token_capacity, x->n, sizeof *x->token));
    for (int64_t i = 0; i < x->n; i++) {
        x->token[i] = x->tokens[i].token;
        age[i] = x->tokens[i].age;
        visit[i] = x->tokens[i].visit;
        parity[i] = x->tokens[i].visit % 2;
    }
    return code_list_pack(&x->codes, pack, codes, x->n, x->token);
}

int timelines_pack(struct timelines *x, struct pack *pack, const struct ehr_batch *b, const struct code_rows *codes) {
    int32_t *offsets, *keys, *first;
    x->rows.rows.n = b->n;
    x->rows.rows.n_rows = x->n;
    TRY(pack_ints(pack, b->n + 1, &offsets, &x->rows.rows.offsets));
    TRY(pack_ints(pack, b->n, &keys, &x->rows.keys));
    TRY(pack_ints(pack, b->n, &first, &x->first));
    for (int64_t i = 0; i <= b->n; i++) offsets[i] = (int32_t)x->offsets[i];
    for (int64_t i = 0; i < b->n; i++) {
        first[i] = offsets[i];
        keys[i] = (int32_t)b->set->number[b->which[i]];
    }
    return pack_tokens(x, pack, codes);
}

void timelines_free(struct timelines *x) {
    free(x->tokens);
    free(x->offsets);
    free(x->token);
    visits_free(&x->visits);
    timeline_free(&x->timeline);
    *x = (struct timelines){0};
}
