#include "terms/term_rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

void term_rules_free(struct term_rules *r) {
    dictionary_free(&r->words);
    dictionary_free(&r->shorts);
    free(r->first);
    free(r->rules);
    *r = (struct term_rules){0};
}

void term_stream_free(struct term_stream *s) {
    free(s->items);
    *s = (struct term_stream){0};
}

static int word_id(struct term_rules *r, const struct text_words *w, int64_t i, int grow, int32_t *id) {
    const char *form = text_word_form(w, i);
    if (grow) return dictionary_add(&r->words, form, w->items[i].size, id);
    *id = dictionary_find(&r->words, form, w->items[i].size);
    return STATUS_OK;
}

/* ---- finding ---- */
/* Writes '=' and the form of a word; its size, or 0 if there is no room. */
static int abbreviation_key(const struct text_words *w, int64_t i, char key[64]) {
    if (w->items[i].size >= 63) return 0;
    key[0] = '=';
    memcpy(key + 1, text_word_form(w, i), (size_t)w->items[i].size);
    return w->items[i].size + 1;
}

/* The rule for what stands at word i, whose ids are ids[n], and how many words it takes; NO_RULE: none. */
static int32_t find_rule(const struct term_rules *r, const struct text_words *w, int64_t i, const int32_t *ids, int n,
                         int *taken) {
    char key[64];
    int32_t found = -1;
    *taken = 1;
    if (w->items[i].capitals && !w->shouts) found = dictionary_find(&r->shorts, key, abbreviation_key(w, i, key));
    for (int k = n; k > 0 && found < 0; k--) {
        found = dictionary_find(&r->shorts, ids, k * (int64_t)sizeof *ids);
        *taken = k;
    }
    return found < 0 ? NO_RULE : r->first[found];
}

/* ---- the stream ---- */
static enum term_role role_of(const struct text_words *w, int64_t i) {
    static const char *const SKIPPED[] = {"of", "the", "an", "in", "to", "by", "due", "from", "for", "at", "on", "as"};
    static const char *const JOINS[] = {"and", "with", "or", "without", "no", "not"};
    /* vitamin A, hepatitis A: a letter, not the article */
    if (text_word_is(w, i, "a"))
        return w->items[i].capitals && w->items[i].breaks < BREAK_CLAUSE ? TERM_CONTENT : TERM_SKIPPED;
    for (size_t k = 0; k < sizeof SKIPPED / sizeof *SKIPPED; k++)
        if (text_word_is(w, i, SKIPPED[k])) return TERM_SKIPPED;
    for (size_t k = 0; k < sizeof JOINS / sizeof *JOINS; k++)
        if (text_word_is(w, i, JOINS[k])) return TERM_JOINS;
    return TERM_CONTENT;
}

static int add_term(struct term_stream *s, struct term term) {
    TRY(mem_grow(&s->items, &s->capacity, s->n + 1, sizeof *s->items));
    s->items[s->n++] = term;
    return STATUS_OK;
}

/* The terms of a rule in place of words first .. last. */
static int add_meaning(struct term_stream *s, const struct term_rules *r, int32_t rule, int64_t first, int64_t last,
                       uint8_t breaks) {
    const struct term_rule *meaning = &r->rules[rule];
    for (int k = 0; k < meaning->n_ids; k++)
        TRY(add_term(s, (struct term){.id = meaning->ids[k],
                                      .first = (int32_t)first,
                                      .last = (int32_t)last,
                                      .rule = rule,
                                      .breaks = k ? BREAK_NONE : breaks,
                                      .role = TERM_CONTENT}));
    return STATUS_OK;
}

/* The ids of the words from i on that may be one rule's: as many as there are before a break. */
static int ids_from(struct term_rules *r, const struct text_words *w, int64_t i, int grow, int32_t ids[RULE_WORDS],
                    int *n) {
    for (*n = 0; *n < (r->longest ? r->longest : 1) && i + *n < w->n; ++*n) {
        if (*n > 0 && w->items[i + *n].breaks) break;
        TRY(word_id(r, w, i + *n, grow, &ids[*n]));
    }
    return STATUS_OK;
}

int term_stream_make(struct term_stream *s, struct term_rules *r, const struct text_words *w, int grow) {
    int32_t ids[RULE_WORDS];
    int n, taken;
    s->n = 0;
    for (int64_t i = 0; i < w->n; i += taken) {
        TRY(ids_from(r, w, i, grow, ids, &n));
        int32_t rule = find_rule(r, w, i, ids, n, &taken);
        if (rule != NO_RULE)
            TRY(add_meaning(s, r, rule, i, i + taken - 1, w->items[i].breaks));
        else
            TRY(add_term(s, (struct term){.id = ids[0],
                                          .first = (int32_t)i,
                                          .last = (int32_t)i,
                                          .rule = NO_RULE,
                                          .breaks = w->items[i].breaks,
                                          .role = (uint8_t)role_of(w, i)}));
    }
    return STATUS_OK;
}

/* ---- reading rules ---- */
static int count_capitals(const char *text, int64_t size) {
    int n = 0;
    for (int64_t i = 0; i < size; i++) n += text[i] >= 'A' && text[i] <= 'Z';
    return n;
}

/* The rule joins the others of the same left side. */
static int enter_rule(struct term_rules *r, const void *key, int64_t size, const struct term_rule *rule) {
    int32_t number;
    int64_t before = r->shorts.n;
    TRY(dictionary_add(&r->shorts, key, size, &number));
    TRY(mem_grow(&r->rules, &r->rules_capacity, r->n + 1, sizeof *r->rules));
    TRY(mem_grow(&r->first, &r->first_capacity, r->shorts.n, sizeof *r->first));
    r->rules[r->n] = *rule;
    if (number == before) {
        r->first[number] = (int32_t)r->n++;
        return STATUS_OK;
    }
    int32_t last = r->first[number];
    if (!rule->is_abbreviation) {
        r->rules[last] = *rule;
        return STATUS_OK;
    }
    while (r->rules[last].other != NO_RULE) last = r->rules[last].other;
    r->rules[last].other = (int32_t)r->n++;
    return STATUS_OK;
}

static int add_left(struct term_rules *r, struct text_words *w, const char *text, int64_t size,
                    struct term_rule *rule) {
    int32_t ids[RULE_WORDS];
    char key[64];
    TRY(text_words_split(w, text, size));
    if (w->n < 1 || w->n > RULE_WORDS)
        return status_set(STATUS_FAILED, "expected 1 to %d words before the tab", RULE_WORDS);
    rule->is_abbreviation = count_capitals(text, size) >= 2;
    if (rule->is_abbreviation) {
        if (w->n > 1 || !w->items[0].capitals)
            return status_set(STATUS_FAILED, "an abbreviation is one word, in capitals");
        return enter_rule(r, key, abbreviation_key(w, 0, key), rule);
    }
    for (int64_t i = 0; i < w->n; i++) TRY(word_id(r, w, i, 1, &ids[i]));
    if (w->n > r->longest) r->longest = (int)w->n;
    return enter_rule(r, ids, w->n * (int64_t)sizeof *ids, rule);
}

static int add_line(struct term_rules *r, struct text_words *w, const char *line, int64_t size) {
    struct term_rule rule = {.other = NO_RULE};
    const char *tab = memchr(line, '\t', (size_t)size);
    if (!tab) return status_set(STATUS_FAILED, "expected what is written, a tab, and what it means");
    TRY(text_words_split(w, tab + 1, line + size - tab - 1));
    for (int64_t i = 0; i < w->n; i++) {
        if (role_of(w, i) == TERM_SKIPPED) continue;
        if (rule.n_ids == RULE_WORDS)
            return status_set(STATUS_FAILED, "expected at most %d words behind the tab", RULE_WORDS);
        TRY(word_id(r, w, i, 1, &rule.ids[rule.n_ids++]));
    }
    if (rule.n_ids == 0) return status_set(STATUS_FAILED, "nothing stands behind the tab");
    return add_left(r, w, line, tab - line, &rule);
}

int term_rules_add(struct term_rules *r, const char *name, const char *text, int64_t size) {
    struct text_words words = {0};
    int64_t line = 0;
    int status = STATUS_OK;
    for (int64_t at = 0, end; at < size && status == STATUS_OK; at = end + 1) {
        const char *newline = memchr(text + at, '\n', (size_t)(size - at));
        end = newline ? newline - text : size;
        line++;
        int64_t n = end - at - (end > at && text[end - 1] == '\r');
        if (n == 0 || text[at] == '#') continue;
        status = add_line(r, &words, text + at, n);
        if (status != STATUS_OK) status_prefix(status, "%s:%lld", name, (long long)line);
    }
    text_words_free(&words);
    return status;
}

/* ---- meanings by the rules ---- */
/* Rewrites ids[*n]; what does not fit stays as it was. */
static void rewrite(const struct term_rules *r, int32_t self, int32_t ids[RULE_WORDS], int *n) {
    int32_t out[RULE_WORDS];
    int n_out = 0;
    for (int i = 0, k; i < *n; i += k) {
        int32_t found = -1;
        const struct term_rule *rule = NULL;
        for (k = *n - i; k > 0; k--) {
            found = dictionary_find(&r->shorts, ids + i, k * (int64_t)sizeof *ids);
            if (found >= 0 && r->first[found] != self) break;
            found = -1;
        }
        if (found < 0) k = 1;
        if (found >= 0) rule = &r->rules[r->first[found]];
        int m = rule ? rule->n_ids : 1;
        if (n_out + m > RULE_WORDS) return;
        memcpy(out + n_out, rule ? rule->ids : ids + i, (size_t)m * sizeof *ids);
        n_out += m;
    }
    memcpy(ids, out, (size_t)n_out * sizeof *ids);
    *n = n_out;
}

int term_rules_complete(struct term_rules *r) {
    struct term_rule *complete;
    TRY(mem_alloc(&complete, r->n, sizeof *complete));
    if (r->n) memcpy(complete, r->rules, (size_t)r->n * sizeof *complete);
    for (int64_t i = 0; i < r->n; i++) rewrite(r, (int32_t)i, complete[i].ids, &complete[i].n_ids);
    free(r->rules);
    r->rules = complete;
    r->rules_capacity = r->n;
    return STATUS_OK;
}
