/* Read compute_block first. */
#include "nn/transformer.h"

#include <math.h>
#include <stdio.h>

#include "base/status.h"
#include "nn/layer.h"

/* ---- parameters ---- */
static int64_t head_dim(const struct block_shape *s, int64_t dim) { return s->head_dim ? s->head_dim : dim / s->heads; }

static int64_t kv_heads(const struct block_shape *s) { return s->kv_heads ? s->kv_heads : s->heads; }

enum { MOST_NAME = 128 };

struct block_adding {
    struct parameter_set *set;
    const struct block_shape *shape;
    unsigned flags;
    const char *name; /* of the block */
    const char *part; /* ".self", ".cross" or "" */
};

static const char *name_of(const struct block_adding *a, const char *field, char name[MOST_NAME]) {
    if (snprintf(name, MOST_NAME, "%s%s.%s", a->name, a->part, field) >= MOST_NAME && a->set->status == STATUS_OK)
        a->set->status = status_set(STATUS_FAILED, "the name of the block %s is too long", a->name);
    return name;
}

static struct linear_map add_map(const struct block_adding *a, const char *field, int64_t out, int64_t in, double std) {
    char name[MOST_NAME];
    return linear_map_add_normal(a->set, out, in, std, !a->shape->without_bias, a->flags, name_of(a, field, name));
}

/* Of queries, or of keys and values. */
static struct linear_map add_looking_map(const struct block_adding *a, const char *field, int64_t out, int64_t in) {
    char name[MOST_NAME];
    int has_bias = !a->shape->without_bias || a->shape->attention_bias;
    return linear_map_add_normal(a->set, out, in, a->shape->std, has_bias, a->flags, name_of(a, field, name));
}

static struct norm_map add_norm(const struct block_adding *a, int64_t dim) {
    char name[MOST_NAME];
    unsigned flags = a->flags & ~(unsigned)PARAMETER_PACKED;
    return norm_map_add(a->set, dim, !a->shape->without_bias, flags, name_of(a, "norm", name));
}

static double output_std(const struct block_shape *s) { return s->output_std != 0 ? s->output_std : s->std; }

static struct attention_maps add_attention(const struct block_adding *a, int64_t dim) {
    const struct block_shape *s = a->shape;
    int64_t width = s->heads * head_dim(s, dim), kv_width = 2 * kv_heads(s) * head_dim(s, dim);
    struct attention_maps maps;
    maps.query = add_looking_map(a, "query", width, dim);
    maps.key_value = add_looking_map(a, "key_value", kv_width, dim);
    maps.output = add_map(a, "output", dim, width, output_std(s));
    maps.norm = add_norm(a, dim);
    return maps;
}

static void check_heads(struct parameter_set *set, const struct block_shape *s, int64_t dim, const char *name) {
    int good = s->heads > 0 && (s->head_dim || dim % s->heads == 0) && s->heads % kv_heads(s) == 0 &&
               (s->rotary_base == 0 || head_dim(s, dim) % 2 == 0);
    if (good || set->status != STATUS_OK) return;
    set->status =
        status_set(STATUS_FAILED, "%s: %lld heads must divide the width %lld, and the %lld of keys must divide them%s",
                   name, (long long)s->heads, (long long)dim, (long long)kv_heads(s),
                   s->rotary_base > 0 ? "; a rotary head's width is even" : "");
}

void block_add(struct parameter_set *set, struct block *block, const struct block_shape *shape, int64_t dim,
               int64_t inner, unsigned flags, const char *name) {
    struct block_adding a = {set, shape, flags, name, ".self"};
    *block = (struct block){0};
    check_heads(set, shape, dim, name);
    if (set->status != STATUS_OK) return;
    block->self = add_attention(&a, dim);
    a.part = ".cross";
    if (shape->cross) block->cross = add_attention(&a, dim);
    a.part = "";
    block->up = add_map(&a, "up", inner, dim, shape->std);
    if (shape->gated) block->gate = add_map(&a, "gate", inner, dim, shape->std);
    block->down = add_map(&a, "down", dim, inner, output_std(shape));
    block->norm = add_norm(&a, dim);
}

/* ---- the forward pass ---- */
struct block_call {
    const struct block *block;
    const struct block_shape *shape;
    struct block_rows rows;
    const struct kv_cache *cache;
    int site;
    struct segments given; /* the rows that the block gives: all of x, or those that are wanted */
};

static struct dropout dropout_at(const struct block_call *c, double rate, int site) {
    struct dropout d = c->rows.dropout;
    d.rate = rate;
    d.stream += (uint32_t)(c->site + site);
    return d;
}

static struct var *drop(struct tape *tape, const struct block_call *c, struct var *x, int site) {
    return nn_dropout(tape, x, c->given, dropout_at(c, c->shape->hidden_dropout, site));
}

/* A map of rows in `segments`, with its adapter. */
static struct var *apply(struct tape *tape, const struct block_call *c, struct var *x, struct linear_map map,
                         struct segments segments) {
    return linear_map_adapted(tape, x, map, segments, c->rows.dropout);
}

static struct var *turn(struct tape *tape, const struct block_call *c, struct var *x, int64_t heads, int64_t dim) {
    struct rope rope = {.heads = heads,
                        .head_dim = dim,
                        .position = c->rows.position,
                        .base = c->shape->rotary_base,
                        .frequency = c->shape->rotary_frequency};
    return rope.base > 0 ? nn_rope(tape, x, rope) : x;
}

/* Puts the rows of kv into the cache, and returns all that it holds. */
static struct var *through_cache(struct tape *tape, const struct kv_cache *cache, const struct var *kv) {
    dev_real none = {NULL};
    if (!tape->failed)
        RUN(tape)->scatter_add_rows(tape->device, kv->rows, kv->cols, kv->value, cache->added, cache->rows);
    return tape_borrow(tape, cache->capacity, kv->cols, cache->rows, none);
}

/* Of a query and a key that it sees, to count work. */
static int64_t n_pairs(const struct block_call *c, int is_self) {
    const struct block_rows *r = &c->rows;
    if (r->wanted.index.at) return is_self ? r->segments.rows.n_rows : r->memory_segments.rows.n_rows;
    return is_self ? r->n_pairs : r->n_memory_pairs;
}

/* What x, the rows that the block gives, get from y's rows, before it is added; y: all rows that came in, or the memory. */
static struct var *attend(struct tape *tape, const struct block_call *c, const struct attention_maps *maps,
                          struct var *x, struct var *y, int is_self) {
    const struct block_shape *s = c->shape;
    struct tape_scope scope = tape_scope_begin(tape);
    int64_t heads = kv_heads(s), dim = maps->query.weight->rows / s->heads;
    int site = is_self ? 0 : BLOCK_SITES;
    struct segments of_x = c->given, of_y = is_self ? c->rows.segments : c->rows.memory_segments;
    struct var *q = apply(tape, c, x, maps->query, of_x), *kv = apply(tape, c, y, maps->key_value, of_y);
    if (is_self) q = turn(tape, c, q, s->heads, dim), kv = turn(tape, c, kv, heads, dim);
    if (is_self && c->cache) kv = through_cache(tape, c->cache, kv);
    struct nn_attention a = {.q = q, .k = kv, .v = kv, .v_column = heads * dim};
    a.shape = (struct attention){.queries = spans_of(of_x.rows),
                                 .keys = spans_of(of_y.rows),
                                 .heads = s->heads,
                                 .kv_heads = heads,
                                 .head_dim = dim,
                                 .scale = 1 / sqrt((double)dim),
                                 .causal = is_self && s->causal,
                                 .drop_keys = c->rows.segments.keys,
                                 .dropout = dropout_at(c, s->attention_dropout, site),
                                 .n_pairs = n_pairs(c, is_self)};
    if (is_self && c->cache) a.shape.keys = c->cache->spans;
    struct var *out = apply(tape, c, nn_attention(tape, &a, NULL), maps->output, of_x);
    return drop(tape, c, tape_scope_end(tape, scope, out), site + 1);
}

static struct var *feed_forward(struct tape *tape, const struct block_call *c, struct var *x) {
    struct tape_scope scope = tape_scope_begin(tape);
    struct segments rows = c->given;
    struct var *h;
    if (c->shape->gated) {
        struct var *gate = apply(tape, c, x, c->block->gate, rows);
        h = nn_glu(tape, c->shape->f, gate, apply(tape, c, x, c->block->up, rows));
    } else if (c->block->up.adapter) {
        h = nn_activate(tape, c->shape->f, apply(tape, c, x, c->block->up, rows));
    } else {
        struct linear_terms up = linear_map_terms(tape, c->block->up);
        up.f = c->shape->f;
        h = nn_linear_map(tape, x, up);
    }
    struct var *out = apply(tape, c, h, c->block->down, rows);
    return drop(tape, c, tape_scope_end(tape, scope, out), 2);
}

/* Adds what a part gave, in place of `part`, to x. `norm`: this part's, which the sum goes through (post-norm), or the next
 * part's, which reads the sum (pre-norm). Returns what the next part reads; *x is what it is added to. */
static struct var *add(struct tape *tape, const struct block_shape *s, struct var **x, struct var *part,
                       struct norm_map norm) {
    struct var *sum, *y = nn_add_norm(tape, *x, part, norm_map_terms(tape, norm, s->epsilon, s->center), &sum);
    *x = s->pre_norm ? sum : y;
    return y;
}

static struct var *compute_block(struct tape *tape, void *self, struct var *x) {
    const struct block_call *c = self;
    const struct block *b = c->block;
    const struct block_shape *s = c->shape;
    struct norm_map after_self = s->cross ? b->cross.norm : b->norm;
    dev_int wanted = c->rows.wanted.index;
    struct var *h = x;
    if (s->pre_norm) h = nn_norm(tape, x, norm_map_terms(tape, b->self.norm, s->epsilon, s->center));
    struct var *all = h;
    if (wanted.at) x = nn_gather(tape, x, wanted, c->given.rows.n);
    if (wanted.at) h = s->pre_norm ? nn_gather(tape, all, wanted, c->given.rows.n) : x;
    struct var *part = attend(tape, c, &b->self, h, all, 1);
    h = add(tape, s, &x, part, s->pre_norm ? after_self : b->self.norm);
    if (s->cross) {
        part = attend(tape, c, &b->cross, h, c->rows.memory, 0);
        h = add(tape, s, &x, part, s->pre_norm ? b->norm : b->cross.norm);
    }
    part = feed_forward(tape, c, h);
    return s->pre_norm ? nn_add(tape, x, part) : add(tape, s, &x, part, b->norm);
}

struct var *nn_block(struct tape *tape, struct var *x, const struct block *block, const struct block_shape *shape,
                     const struct block_rows *rows, const struct kv_cache *cache, int site) {
    int wanted = rows->wanted.index.at != NULL;
    struct block_call call = {block, shape, *rows, cache, site, wanted ? rows->wanted.segments : rows->segments};
    if (cache && !tape->evaluating) tape_fail(tape, __func__, "a cache passes no gradients on; it is for evaluating");
    if (shape->cross && !rows->memory) tape_fail(tape, __func__, "cross-attention lacks its memory");
    if (shape->rotary_base > 0 && !rows->position.at) tape_fail(tape, __func__, "rotary heads lack their positions");
    if (wanted && (cache || shape->rotary_base > 0))
        tape_fail(tape, __func__, "some rows alone cannot be wanted of rotary heads, nor with a cache");
    if (tape->failed) return x;
    if (shape->recompute && !tape->evaluating) {
        struct block_call *kept = tape_host(tape, sizeof *kept); /* until the backward pass */
        if (!kept) return x;
        *kept = call;
        return nn_recompute(tape, x, compute_block, kept);
    }
    struct tape_scope scope = tape_scope_begin(tape);
    return tape_scope_end(tape, scope, compute_block(tape, &call, x));
}
