/* The measures of tokens, and how all are written. */
#include "measure/quality.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/rng.h"
#include "base/status.h"

/* Numbers of the bootstrap's streams, and of the draws of partners. */
enum { STREAM_CODES, STREAM_SIBLINGS, STREAM_CROSS_MODAL, STREAM_NEIGHBOURS };
enum { PARTNER_SIBLING, PARTNER_SYSTEM, PARTNER_CROSS_MODAL };

/* ---- token sets: the tokens of each group in ascending order ---- */
struct token_sets {
    int64_t n, top_k;
    int32_t *tokens; /* [4, n, K] sorted; -1 where absent */
};

static const int32_t *set_of(const struct token_sets *s, int group, int64_t code) {
    return s->tokens + (group * s->n + code) * s->top_k;
}

static void sort_tokens(int32_t *tokens, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        int32_t token = tokens[i];
        int64_t k = i;
        for (; k > 0 && tokens[k - 1] > token; k--) tokens[k] = tokens[k - 1];
        tokens[k] = token;
    }
}

static int make_sets(struct token_sets *s, const struct quality_tokens *t) {
    *s = (struct token_sets){.n = t->n, .top_k = t->top_k};
    TRY(mem_alloc(&s->tokens, N_GROUPS * t->n * t->top_k, sizeof *s->tokens));
    for (int g = 0; g < N_GROUPS; g++)
        for (int64_t i = 0; i < t->n; i++) {
            int32_t *set = s->tokens + (g * t->n + i) * t->top_k;
            memcpy(set, t->tokens + (i * N_GROUPS + g) * t->top_k, (size_t)t->top_k * sizeof *set);
            sort_tokens(set, t->top_k);
        }
    return STATUS_OK;
}

/* Adds the sizes of the intersection and the union of two sorted sets of k tokens; -1: empty. */
static void add_overlap(const int32_t *a, const int32_t *b, int64_t k, int *both, int *any) {
    int64_t i = a[0] < 0 ? k : 0, j = b[0] < 0 ? k : 0;
    *any += (int)(k - i + k - j);
    while (i < k && j < k) {
        int same = a[i] == b[j], a_first = a[i] <= b[j], b_first = b[j] <= a[i];
        *both += same;
        *any -= same;
        i += a_first;
        j += b_first;
    }
}

static double overlap(const struct token_sets *s, int64_t a, int64_t b) {
    int both = 0, any = 0;
    for (int g = 0; g < N_GROUPS; g++) add_overlap(set_of(s, g, a), set_of(s, g, b), s->top_k, &both, &any);
    return any > 0 ? (double)both / any : 0;
}

/* Overlap of the shared-text tokens of a with the shared-graph tokens of b. */
static double cross_overlap(const struct token_sets *s, int64_t a, int64_t b) {
    int both = 0, any = 0;
    add_overlap(set_of(s, SHARED_TEXT, a), set_of(s, SHARED_GRAPH, b), s->top_k, &both, &any);
    return any > 0 ? (double)both / any : 0;
}

/* ---- runs of codes with the same key ---- */
struct keyed {
    uint64_t key;
    int64_t code;
};

static int by_key(const void *a, const void *b) {
    const struct keyed *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->code > y->code) - (x->code < y->code);
}

static int sort_by_key(const uint64_t *keys, int64_t n, struct keyed **out) {
    TRY(mem_alloc(out, n, sizeof **out));
    for (int64_t i = 0; i < n; i++) (*out)[i] = (struct keyed){keys[i], i};
    qsort(*out, (size_t)n, sizeof **out, by_key);
    return STATUS_OK;
}

static int64_t run_end(const struct keyed *sorted, int64_t n, int64_t first) {
    int64_t end = first + 1;
    while (end < n && sorted[end].key == sorted[first].key) end++;
    return end;
}

/* partner[n]: for each code another one with the same key, all alike probable; -1 if it has none, or its key is 0. */
static int draw_partners(uint64_t seed, int number, const uint64_t *keys, int64_t n, int64_t *partner) {
    struct keyed *sorted;
    TRY(sort_by_key(keys, n, &sorted));
    for (int64_t first = 0, end; first < n; first = end) {
        end = run_end(sorted, n, first);
        for (int64_t i = first; i < end; i++) {
            int64_t code = sorted[i].code, others = end - first - 1;
            partner[code] = -1;
            if (others == 0 || sorted[i].key == 0) continue;
            int64_t other = first + (int64_t)(rng_uniform(seed, RNG_PARTNER + (uint32_t)number, 0, (uint64_t)code) *
                                              (double)others);
            partner[code] = sorted[other + (other >= i)].code;
        }
    }
    free(sorted);
    return STATUS_OK;
}

/* ---- usage, perplexity, entropy ---- */
struct histogram_context {
    const struct quality_tokens *tokens;
    const struct token_sets *sets;
};

static void count_group(const struct token_sets *s, int group, const uint8_t *weights, int32_t *counts) {
    for (int64_t i = 0; i < s->n; i++) {
        const int32_t *set = set_of(s, group, i);
        if (weights[i] == 0 || set[0] < 0) continue;
        for (int64_t k = 0; k < s->top_k; k++) counts[set[k]] += weights[i];
    }
}

/* Entropy in nats of counts [first, last), and the share of them that is not 0; NaN if all are 0. */
static double entropy(const int32_t *counts, struct region r, double *share) {
    double total = 0, sum = 0;
    int64_t used = 0;
    for (int64_t i = r.first; i < r.last; i++) {
        if (counts[i] == 0) continue;
        used++;
        total += counts[i];
        sum += counts[i] * log(counts[i]);
    }
    *share = used ? (double)used / (double)(r.last - r.first) : NAN;
    return used ? log(total) - sum / total : NAN;
}

static void measure_region(const int32_t *counts, struct region region, int number, double *results) {
    results[QUALITY_PERPLEXITY_TEXT + number] = exp(entropy(counts, region, &results[QUALITY_USAGE_TEXT + number]));
}

/* results: usage and perplexity of three regions, then the entropy of four groups. scratch [4, codebook_size]. */
static void measure_histograms(const void *context, const uint8_t *weights, void *scratch, double *results) {
    const struct histogram_context *c = context;
    const struct region *regions = c->tokens->regions;
    int64_t size = c->tokens->codebook_size;
    int32_t *counts = scratch, *shared_text = counts + SHARED_TEXT * size, *shared_graph = counts + SHARED_GRAPH * size;
    double share;
    memset(counts, 0, (size_t)(N_GROUPS * size) * sizeof *counts);
    for (int g = 0; g < N_GROUPS; g++) {
        count_group(c->sets, g, weights, counts + g * size);
        results[QUALITY_ENTROPY + g] = entropy(counts + g * size, regions[g], &share) / log(2);
    }
    measure_region(counts + TEXT_SPECIFIC * size, regions[TEXT_SPECIFIC], 0, results);
    measure_region(counts + GRAPH_SPECIFIC * size, regions[GRAPH_SPECIFIC], 1, results);
    for (int64_t i = 0; i < size; i++) shared_text[i] += shared_graph[i];
    measure_region(shared_text, regions[SHARED_TEXT], 2, results);
}

/* Number of codes that have a group, or another. */
static int64_t codes_with(const struct token_sets *s, int group, int other) {
    int64_t n = 0;
    for (int64_t i = 0; i < s->n; i++) n += set_of(s, group, i)[0] >= 0 || set_of(s, other, i)[0] >= 0;
    return n;
}

/* Codes that lack a group are resampled with the others, but its measures do not come from them. */
static void count_codes(struct quality *q, const struct token_sets *s) {
    static const int GROUPS[3][2] = {
        {TEXT_SPECIFIC, TEXT_SPECIFIC}, {GRAPH_SPECIFIC, GRAPH_SPECIFIC}, {SHARED_TEXT, SHARED_GRAPH}};
    for (int r = 0; r < 3; r++) {
        int64_t n = codes_with(s, GROUPS[r][0], GROUPS[r][1]);
        q->measures[QUALITY_USAGE_TEXT + r].n = q->measures[QUALITY_PERPLEXITY_TEXT + r].n = n;
    }
    for (int g = 0; g < N_GROUPS; g++) q->measures[QUALITY_ENTROPY + g].n = codes_with(s, g, g);
}

static int measure_usage(struct quality *q, const struct bootstrap *b, const struct quality_tokens *t,
                         const struct token_sets *sets) {
    struct histogram_context context = {t, sets};
    struct bootstrap_measure measure = {.n_units = t->n,
                                        .scratch_bytes = N_GROUPS * t->codebook_size * (int64_t)sizeof(int32_t),
                                        .n_results = QUALITY_DUPLICATES,
                                        .shift = UINT64_MAX,
                                        .stream = STREAM_CODES,
                                        .compute = measure_histograms,
                                        .context = &context};
    TRY(bootstrap_run(b, &measure, q->measures));
    count_codes(q, sets);
    return STATUS_OK;
}

/* ---- duplicates ---- */
struct duplicates {
    int64_t n;
    double *any, *other_text; /* [n] 1 if the token set is that of another code; of one with another description */
    double *share_of_set;     /* [n] 1 / number of codes with this token set */
};

static void measure_duplicates(const void *context, const uint8_t *weights, void *scratch, double *results) {
    const struct duplicates *d = context;
    double sums[3] = {0}, total = 0;
    (void)scratch;
    for (int64_t i = 0; i < d->n; i++) {
        total += weights[i];
        sums[0] += weights[i] * d->any[i];
        sums[1] += weights[i] * d->other_text[i];
        sums[2] += weights[i] * d->share_of_set[i];
    }
    for (int i = 0; i < 3; i++) results[i] = total > 0 ? sums[i] / total : NAN;
    results[2] *= (double)d->n;
}

static void hash_sets(const struct token_sets *s, uint64_t *hashes) {
    for (int64_t i = 0; i < s->n; i++) {
        hashes[i] = 0;
        for (int g = 0; g < N_GROUPS; g++)
            hashes[i] = XXH3_64bits_withSeed(set_of(s, g, i), (size_t)s->top_k * sizeof(int32_t), hashes[i]);
    }
}

static int find_duplicates(struct duplicates *d, const struct token_sets *s, const uint64_t *descriptions) {
    uint64_t *hashes = NULL;
    struct keyed *sorted = NULL;
    int status;
    *d = (struct duplicates){.n = s->n};
    TRY_DONE(mem_alloc(&d->any, s->n, sizeof *d->any));
    TRY_DONE(mem_alloc(&d->other_text, s->n, sizeof *d->other_text));
    TRY_DONE(mem_alloc(&d->share_of_set, s->n, sizeof *d->share_of_set));
    TRY_DONE(mem_alloc(&hashes, s->n, sizeof *hashes));
    hash_sets(s, hashes);
    TRY_DONE(sort_by_key(hashes, s->n, &sorted));
    for (int64_t first = 0, end; first < s->n; first = end) {
        int other_text = 0;
        end = run_end(sorted, s->n, first);
        for (int64_t i = first; i < end; i++)
            other_text |= descriptions[sorted[i].code] != descriptions[sorted[first].code];
        for (int64_t i = first; i < end; i++) {
            d->any[sorted[i].code] = end - first > 1;
            d->other_text[sorted[i].code] = other_text;
            d->share_of_set[sorted[i].code] = 1 / (double)(end - first);
        }
    }
done:
    free(hashes);
    free(sorted);
    return status;
}

static int measure_distinct(struct quality *q, const struct bootstrap *b, const struct token_sets *sets,
                            const uint64_t *descriptions) {
    struct duplicates d;
    struct bootstrap_measure measure = {
        .n_units = sets->n, .n_results = 3, .stream = STREAM_CODES, .compute = measure_duplicates, .context = &d};
    int status = comm_agree(b->comm, find_duplicates(&d, sets, descriptions));
    if (status == STATUS_OK) status = bootstrap_run(b, &measure, &q->measures[QUALITY_DUPLICATES]);
    free(d.any);
    free(d.other_text);
    free(d.share_of_set);
    return status;
}

/* ---- overlaps of pairs ---- */
struct pairs {
    int64_t n;
    double *a, *b; /* [at most n codes]: overlap with the partner, and with another code */
};

static int make_pairs(struct pairs *p, int64_t n) {
    *p = (struct pairs){0};
    TRY(mem_alloc(&p->a, n, sizeof *p->a));
    return mem_alloc(&p->b, n, sizeof *p->b);
}

static int pair_siblings(struct pairs *p, uint64_t seed, const struct token_sets *s, const struct code_keys *keys) {
    int64_t *partner = NULL, *other;
    int status;
    TRY_DONE(make_pairs(p, s->n));
    TRY_DONE(mem_alloc(&partner, 2 * s->n, sizeof *partner));
    other = partner + s->n;
    TRY_DONE(draw_partners(seed, PARTNER_SIBLING, keys->parent, s->n, partner));
    TRY_DONE(draw_partners(seed, PARTNER_SYSTEM, keys->system, s->n, other));
    for (int64_t i = 0; i < s->n; i++) {
        if (partner[i] < 0) continue;
        p->a[p->n] = overlap(s, i, partner[i]);
        p->b[p->n++] = overlap(s, i, other[i]);
    }
done:
    free(partner);
    return status;
}

static int pair_sides(struct pairs *p, uint64_t seed, const struct token_sets *s) {
    uint64_t *both_sides = NULL;
    int64_t *other = NULL;
    int status;
    TRY_DONE(make_pairs(p, s->n));
    TRY_DONE(mem_alloc(&both_sides, s->n, sizeof *both_sides));
    TRY_DONE(mem_alloc(&other, s->n, sizeof *other));
    for (int64_t i = 0; i < s->n; i++)
        both_sides[i] = set_of(s, SHARED_TEXT, i)[0] >= 0 && set_of(s, SHARED_GRAPH, i)[0] >= 0;
    TRY_DONE(draw_partners(seed, PARTNER_CROSS_MODAL, both_sides, s->n, other));
    for (int64_t i = 0; i < s->n; i++) {
        if (other[i] < 0) continue;
        p->a[p->n] = cross_overlap(s, i, i);
        p->b[p->n++] = cross_overlap(s, i, other[i]);
    }
done:
    free(both_sides);
    free(other);
    return status;
}

/* Takes over the pairs. */
static int measure_pairs(struct quality *q, const struct bootstrap *b, enum quality_measure first, uint32_t stream,
                         struct pairs *p, int status) {
    status = comm_agree(b->comm, status);
    if (status == STATUS_OK) status = bootstrap_compare(b, stream, p->n, p->a, p->b, &q->measures[first]);
    free(p->a);
    free(p->b);
    return status;
}

/* ---- all of them ---- */
/* The shift of an interval (measure/bootstrap.h) may lead out of the range of a share. */
static void keep_in_range(struct estimate *e) {
    if (e->low < 0) e->low = 0;
    if (e->high > 1) e->high = 1;
}

int quality_measure_tokens(struct quality *q, const struct bootstrap *b, const struct quality_tokens *t,
                           const struct code_keys *keys) {
    struct token_sets sets;
    struct pairs pairs;
    int status;
    TRY_DONE(comm_agree(b->comm, make_sets(&sets, t)));
    TRY_DONE(measure_usage(q, b, t, &sets));
    for (int i = QUALITY_USAGE_TEXT; i <= QUALITY_USAGE_SHARED; i++) keep_in_range(&q->measures[i]);
    TRY_DONE(measure_distinct(q, b, &sets, keys->description));
    status = pair_siblings(&pairs, b->seed, &sets, keys);
    TRY_DONE(measure_pairs(q, b, QUALITY_SIBLING_OVERLAP, STREAM_SIBLINGS, &pairs, status));
    status = pair_sides(&pairs, b->seed, &sets);
    TRY_DONE(measure_pairs(q, b, QUALITY_CROSS_MODAL_OWN, STREAM_CROSS_MODAL, &pairs, status));
done:
    free(sets.tokens);
    return status;
}

/* The queries with links of the kind. */
static int measure_links(struct quality *q, const struct bootstrap *b, int64_t n, const struct neighbour_recall *recall,
                         enum link_kind kind, double *found, double *chance) {
    int64_t used = 0;
    for (int64_t i = 0; i < n; i++) {
        if (isnan(recall[i].found[kind])) continue;
        found[used] = recall[i].found[kind];
        chance[used++] = recall[i].chance[kind];
    }
    return bootstrap_compare(b, STREAM_NEIGHBOURS, used, found, chance,
                             &q->measures[QUALITY_NEIGHBOUR_RECALL + 4 * (int)kind]);
}

int quality_measure_neighbours(struct quality *q, const struct bootstrap *b, int64_t n,
                               const struct neighbour_recall *recall) {
    double *values = NULL;
    int status = comm_agree(b->comm, mem_alloc(&values, 2 * n, sizeof *values));
    for (int kind = 0; kind < N_LINK_KINDS && status == STATUS_OK; kind++)
        status = measure_links(q, b, n, recall, (enum link_kind)kind, values, values + n);
    free(values);
    return status;
}

/* ---- writing ---- */
static const char NO_PICKS[] = "no code has tokens of this group", NO_CODES[] = "there are no codes",
                  NO_SIBLINGS[] = "no two codes share a parent that their strings tell",
                  NO_RANDOM[] = "no siblings, or random pairs share no tokens",
                  NO_SIDES[] = "fewer than two codes have both text and graph",
                  NO_OTHERS[] = "too few codes with both sides, or other codes share no tokens",
                  NO_LINKS[] = "no two codes with a graph are linked in the knowledge graph";

static const struct {
    const char *name, *title, *reason; /* reason: why it may be missing */
    enum unit { SHARE, ROWS, BITS, SETS, PLAIN, TIMES } unit;
} TEXTS[N_QUALITY_MEASURES] = {
    {"usage_text", "usage, text-specific region", NO_PICKS, SHARE},
    {"usage_graph", "usage, graph-specific region", NO_PICKS, SHARE},
    {"usage_shared", "usage, shared region", NO_PICKS, SHARE},
    {"perplexity_text", "perplexity, text-specific region", NO_PICKS, ROWS},
    {"perplexity_graph", "perplexity, graph-specific region", NO_PICKS, ROWS},
    {"perplexity_shared", "perplexity, shared region", NO_PICKS, ROWS},
    {"entropy_text_specific", "token entropy, text-specific", NO_PICKS, BITS},
    {"entropy_graph_specific", "token entropy, graph-specific", NO_PICKS, BITS},
    {"entropy_shared_text", "token entropy, shared-text", NO_PICKS, BITS},
    {"entropy_shared_graph", "token entropy, shared-graph", NO_PICKS, BITS},
    {"duplicates", "codes with the token set of another", NO_CODES, SHARE},
    {"duplicates_other_text", "  of one with another description", NO_CODES, SHARE},
    {"distinct_sets", "distinct token sets", NO_CODES, SETS},
    {"sibling_overlap", "overlap of siblings", NO_SIBLINGS, PLAIN},
    {"sibling_random", "  of random pairs of the same system", NO_SIBLINGS, PLAIN},
    {"sibling_difference", "  difference", NO_SIBLINGS, PLAIN},
    {"sibling_ratio", "  ratio", NO_RANDOM, TIMES},
    {"cross_modal_own", "overlap of shared-text and shared-graph", NO_SIDES, PLAIN},
    {"cross_modal_other", "  with another code's shared-graph", NO_SIDES, PLAIN},
    {"cross_modal_difference", "  difference", NO_SIDES, PLAIN},
    {"cross_modal_ratio", "  ratio", NO_OTHERS, TIMES},
    {"neighbour_recall", "KG-linked codes among the 50 nearest", NO_LINKS, PLAIN},
    {"neighbour_chance", "  by chance", NO_LINKS, PLAIN},
    {"neighbour_difference", "  difference", NO_LINKS, PLAIN},
    {"neighbour_ratio", "  ratio", NO_LINKS, TIMES},
    {"same_node_recall", "of those that list the same node", NO_LINKS, PLAIN},
    {"same_node_chance", "  by chance", NO_LINKS, PLAIN},
    {"same_node_difference", "  difference", NO_LINKS, PLAIN},
    {"same_node_ratio", "  ratio", NO_LINKS, TIMES},
    {"edge_recall", "of those that an edge joins", NO_LINKS, PLAIN},
    {"edge_chance", "  by chance", NO_LINKS, PLAIN},
    {"edge_difference", "  difference", NO_LINKS, PLAIN},
    {"edge_ratio", "  ratio", NO_LINKS, TIMES},
};

static void print_value(FILE *out, enum unit unit, double value) {
    static const struct {
        double scale;
        int digits;
        const char *suffix;
    } FORMS[] = {[SHARE] = {100, 2, " %"}, [ROWS] = {1, 1, ""},  [BITS] = {1, 3, " bits"},
                 [SETS] = {1, 0, ""},      [PLAIN] = {1, 4, ""}, [TIMES] = {1, 2, " x"}};
    char text[64];
    snprintf(text, sizeof text, "%.*f%s", FORMS[unit].digits, FORMS[unit].scale * value, FORMS[unit].suffix);
    fprintf(out, " %13s", text);
}

void quality_print(FILE *out, const struct quality *q) {
    fprintf(out, "%-40s %13s %13s %13s %9s\n", "measure", "value", "2.5 %", "97.5 %", "from");
    for (int i = 0; i < N_QUALITY_MEASURES; i++) {
        const struct estimate *e = &q->measures[i];
        fprintf(out, "%-40s", TEXTS[i].title);
        if (e->n == 0) {
            fprintf(out, "  none: %s\n", TEXTS[i].reason);
            continue;
        }
        print_value(out, TEXTS[i].unit, e->value);
        print_value(out, TEXTS[i].unit, e->low);
        print_value(out, TEXTS[i].unit, e->high);
        fprintf(out, " %9lld\n", (long long)e->n);
    }
}

const char *quality_name(enum quality_measure measure) { return TEXTS[measure].name; }

const char *quality_reason(enum quality_measure measure) { return TEXTS[measure].reason; }

void quality_write_json(struct json *json, const struct quality *q) {
    for (int i = 0; i < N_QUALITY_MEASURES; i++) {
        const struct estimate *e = &q->measures[i];
        json_object(json, TEXTS[i].name);
        if (e->n == 0) {
            json_text(json, "value", NULL);
            json_text(json, "reason", TEXTS[i].reason);
        } else {
            json_real(json, "value", e->value, 9);
            json_real(json, "low", e->low, 9);
            json_real(json, "high", e->high, 9);
            json_integer(json, "n", e->n);
        }
        json_end(json);
    }
}

void quality_summarize(const struct quality *q, char *text, size_t size) {
    static const struct {
        const char *label;
        enum quality_measure measure;
    } PARTS[] = {{"usage text", QUALITY_USAGE_TEXT},     {", graph", QUALITY_USAGE_GRAPH},
                 {", shared", QUALITY_USAGE_SHARED},     {"; overlap of siblings", QUALITY_SIBLING_OVERLAP},
                 {", random", QUALITY_SIBLING_RANDOM},   {"; of own sides", QUALITY_CROSS_MODAL_OWN},
                 {", other", QUALITY_CROSS_MODAL_OTHER}, {"; neighbour recall", QUALITY_NEIGHBOUR_RECALL},
                 {", chance", QUALITY_NEIGHBOUR_CHANCE}};
    size_t used = 0;
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS && used < size; i++) {
        const struct estimate *e = &q->measures[PARTS[i].measure];
        const char *format = e->n == 0 ? "%s none" : TEXTS[PARTS[i].measure].unit == SHARE ? "%s %.1f %%" : "%s %.4f";
        double scale = TEXTS[PARTS[i].measure].unit == SHARE ? 100 : 1;
        used += (size_t)snprintf(text + used, size - used, format, PARTS[i].label, scale * e->value);
    }
}
