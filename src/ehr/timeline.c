/* Visit by visit; then what is too long is cut in front. */
#include "ehr/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

static void append_visit(struct timeline *t, const struct visits *v, int32_t of, int32_t number) {
    const struct visit *visit = &v->visits[of];
    for (int64_t i = 0; i < visit->n; i++)
        t->tokens[t->n++] = (struct timeline_token){v->codes[visit->first + i].token, visit->age, number, of};
    t->tokens[t->n++] = (struct timeline_token){TOKEN_SEP, visit->age, number, of};
}

/* Cuts the dated tokens, those from `dated` on, in front; a visit that lost tokens may be left, but no SEP without its
 * visit. */
static void cut(struct timeline *t, int64_t dated, int64_t max_length) {
    struct timeline_token *tokens = t->tokens;
    int64_t most_static = (max_length - 1) / 2, from = dated;
    if (dated - 1 > most_static) { /* its SEP stays */
        tokens[most_static] = tokens[dated - 1];
        dated = most_static + 1;
    }
    if (dated + t->n - from > max_length) from = dated + t->n - max_length;
    if (from > dated && from < t->n && tokens[from].token == TOKEN_SEP) from++;
    int32_t visits = from < t->n ? tokens[from].visit - (dated > 1 ? 1 : 0) : 0;
    t->dropped = from - dated;
    memmove(tokens + dated, tokens + from, (size_t)(t->n - from) * sizeof *tokens);
    t->n -= from - dated;
    for (int64_t i = dated; i < t->n; i++) tokens[i].visit -= visits;
}

int timeline_make(struct timeline *t, const struct visits *v, int64_t max_length) {
    int64_t dated = 1;
    TRY(mem_grow(&t->tokens, &t->capacity, 1 + v->n_codes + v->n, sizeof *t->tokens));
    t->n = 0;
    t->tokens[t->n++] = (struct timeline_token){TOKEN_CLS, 0, 0, -1};
    for (int32_t of = 0; of < v->n; of++) {
        append_visit(t, v, of, of);
        if (v->visits[of].is_static) dated = t->n;
    }
    cut(t, dated, max_length);
    if (t->n > 1) {
        t->tokens[0].age = t->tokens[1].age;
        t->tokens[0].of = t->tokens[1].of;
    }
    return STATUS_OK;
}

void timeline_free(struct timeline *t) {
    free(t->tokens);
    *t = (struct timeline){0};
}
