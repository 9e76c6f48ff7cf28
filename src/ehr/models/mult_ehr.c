/* MulT-EHR (Chan et al., 2024): a graph transformer for nodes and edges of several types (HGT; Hu et al., 2020) on a graph of patient, visits
 * and codes (models/mult_ehr_input.h), learned on several tasks at once (ehr.also), and TransE (Bordes et al., 2013) before.
 *
 * Features: of a code its row, of a patient the sum of the rows of static codes, of a visit the row of its age. Rows are read as they
 * begin, small, and not scaled to the size of the original's features, which are standard normal: what little was tried (one seed, on
 * tuning) was better so.
 * With t the type of node v:
 *   x_v = GELU(W_t f_v + b_t)                                                the bias is what all nodes of a type have in common
 * Layer, head by head, for each relation r from nodes of type s to those of type t:
 *   a_r(u,v) = softmax over r's edges (u,v) into v of  mu_r (Q_t x_v).(A_r K_s x_u) / sqrt(width of a head)
 *   m_v      = mean over the relations into t of  sum over u of a_r(u,v) M_r V_s x_u
 *   x_v      = dropout(LayerNorm_t(g_t (W_t m_v + b_t) + (1 - g_t) x_v)),    g_t = sigmoid(skip_t)
 *   h        = [x of the last visit ; x of the patient]
 * K, Q, V are made once for a type, and in the last layer only what patients and visits need.
 *
 * TransE: |z + r - c| is small for a code c and a head z that has it (models/mult_ehr_input.h), with all code vectors, sums z, and negatives
 * c' scaled to length 1:
 *   L = sum over questions and negatives of max(0, margin + |z + r - c| - |z + r - c'|)
 * r: the type's vector; if the patient's other visits are the head, plus that of "makes", by which a patient leads to a visit.
 *
 * Otherwise than in the original: a sample's graph holds nothing of other patients, and no codes of its visit that the task hides; visits and
 * patients, which at test are new, have no vectors of their own, in TransE neither. Two layers then carry codes of earlier visits to the patient's
 * node, but not on to the last visit: so h has both. Other codes than diagnoses, procedures and drugs are nodes of a fourth type. Left out are the
 * branch for "causal" features, whose loss is no task's; the temperature; and the variance over tasks, which has no gradient.
 */
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/status.h"
#include "ehr/models/mult_ehr_input.h"

static const double EPSILON = 1e-5, MARGIN = 0.1;

#define NODE_TYPE_NAME(number, name) name,
static const char *const TYPE_NAMES[N_NODE_TYPES] = {NODE_TYPES(NODE_TYPE_NAME)};

struct layer {
    struct linear_map key[N_NODE_TYPES], value[N_NODE_TYPES];
    /* of types that the layer changes */
    struct linear_map query[N_NODE_TYPES], output[N_NODE_TYPES];
    struct norm_map norm[N_NODE_TYPES];
    struct parameter *skip[N_NODE_TYPES];
    /* of relations to them */
    struct parameter *relation_key[N_RELATIONS], *relation_value[N_RELATIONS], *prior[N_RELATIONS];
};

struct mult_ehr {
    struct mult_ehr_terms terms;
    struct parameter *age;
    struct linear_map in[N_NODE_TYPES];
    struct layer *layers;        /* [ehr.layers], owned */
    struct parameter *relations; /* TransE's vectors: "makes", then of each type of codes; NULL: no pre-training */
};

static int check(const struct ehr_options *o) {
    if (o->layers >= 2) return STATUS_OK;
    return status_set(
        STATUS_USAGE,
        "ehr.layers %lld: codes of earlier visits reach the patient's node in the second layer of mult-ehr: "
        "use 2 or more",
        (long long)o->layers);
}

/* Of codes nothing is read behind the last layer. */
static int is_changed(const struct mult_ehr *m, int64_t layer, int type) {
    return type < NODE_FIRST_CODE || layer + 1 < m->terms.options->layers;
}

/* ---- parameters ---- */
static struct linear_map add_map(struct parameter_set *set, int64_t dim, int64_t layer, int type, const char *what) {
    char name[80];
    snprintf(name, sizeof name, "mult_ehr.layer.%lld.%s.%s", (long long)layer, TYPE_NAMES[type], what);
    return linear_map_add(set, dim, dim, -1, 0, name);
}

static void add_type(struct layer *l, struct parameter_set *set, int64_t dim, int64_t number, int type,
                     int is_changed) {
    char name[80];
    l->key[type] = add_map(set, dim, number, type, "key");
    l->value[type] = add_map(set, dim, number, type, "value");
    if (!is_changed) return;
    l->query[type] = add_map(set, dim, number, type, "query");
    l->output[type] = add_map(set, dim, number, type, "output");
    snprintf(name, sizeof name, "mult_ehr.layer.%lld.%s.norm", (long long)number, TYPE_NAMES[type]);
    l->norm[type] = norm_map_add(set, dim, 1, 0, name);
    l->skip[type] = parameter_add(set, 1, 1, (struct init){.constant = 1}, 0, "mult_ehr.layer.%lld.%s.skip",
                                  (long long)number, TYPE_NAMES[type]);
}

static void add_relation(struct layer *l, struct parameter_set *set, int64_t dim, int64_t heads, int64_t number,
                         int r) {
    struct relation relation = mult_ehr_relation(r);
    const char *from = TYPE_NAMES[relation.source], *to = TYPE_NAMES[relation.target];
    int64_t each = dim / heads;
    struct init init = {.uniform = init_glorot_bound(each, each)};
    l->relation_key[r] = parameter_add(set, dim, each, init, PARAMETER_DECAYS, "mult_ehr.layer.%lld.%s_%s.key.weight",
                                       (long long)number, from, to);
    l->relation_value[r] = parameter_add(set, dim, each, init, PARAMETER_DECAYS,
                                         "mult_ehr.layer.%lld.%s_%s.value.weight", (long long)number, from, to);
    l->prior[r] = parameter_add(set, heads, 1, (struct init){.constant = 1}, 0, "mult_ehr.layer.%lld.%s_%s.prior",
                                (long long)number, from, to);
}

static void add_parameters(struct mult_ehr *m, struct parameter_set *set) {
    const struct ehr_options *o = m->terms.options;
    struct init init = {.normal = EHR_INIT};
    char name[80];
    m->age = parameter_add(set, age_classes(o->age), o->inner, init, 0, "mult_ehr.age");
    for (int t = 0; t < N_NODE_TYPES; t++) {
        snprintf(name, sizeof name, "mult_ehr.in.%s", TYPE_NAMES[t]);
        m->in[t] = linear_map_add(set, o->dim, o->inner, -1, 0, name);
    }
    for (int64_t l = 0; l < o->layers; l++) {
        for (int t = 0; t < N_NODE_TYPES; t++) add_type(&m->layers[l], set, o->dim, l, t, is_changed(m, l, t));
        for (int r = 0; r < N_RELATIONS; r++)
            if (is_changed(m, l, mult_ehr_relation(r).target)) add_relation(&m->layers[l], set, o->dim, o->heads, l, r);
    }
    if (o->pretrain_steps > 0)
        m->relations = parameter_add(set, 1 + N_CODE_NODES, o->inner, init, 0, "mult_ehr.transe.relations");
}

/* What negatives are drawn from. */
static int list_codes(struct mult_ehr *m, const struct ehr_data *d) {
    for (int t = 0; t < N_CODE_NODES; t++)
        TRY(mem_alloc(&m->terms.drawn[t].tokens, d->n_cohort_codes, sizeof *m->terms.drawn[t].tokens));
    for (int64_t c = 0; c < d->n_cohort_codes; c++) {
        int t = (int)mult_ehr_node_type(d->code_kind[c]) - NODE_FIRST_CODE;
        if (d->in_train[c] > 0 && d->row[c] >= TOKEN_FIRST_CODE)
            m->terms.drawn[t].tokens[m->terms.drawn[t].n++] = d->row[c];
    }
    return STATUS_OK;
}

static int make(void **self, const struct ehr_model_terms *terms, int64_t *width) {
    struct mult_ehr *m;
    TRY(mem_alloc(&m, 1, sizeof *m));
    *self = m;
    m->terms = (struct mult_ehr_terms){.options = terms->options, .rows = terms->codes, .seed = terms->seed};
    TRY(mem_alloc(&m->layers, terms->options->layers, sizeof *m->layers));
    if (terms->options->pretrain_steps > 0) TRY(list_codes(m, terms->data));
    code_rows_add(terms->codes, terms->set, terms->options->inner);
    add_parameters(m, terms->set);
    *width = 2 * terms->options->dim;
    return STATUS_OK;
}

static void free_model(void *self) {
    struct mult_ehr *m = self;
    if (!m) return;
    for (int t = 0; t < N_CODE_NODES; t++) free(m->terms.drawn[t].tokens);
    free(m->layers);
    free(m);
}

static int pack(const void *self, struct pack *pack, const struct ehr_batch *batch, enum ehr_stage stage, void *input) {
    const struct mult_ehr *m = self;
    return mult_ehr_pack(&m->terms, pack, batch, stage, input);
}

static void free_input(void *input) { mult_ehr_free_input(input); }

/* ---- HGT ---- */
static void enter(const struct mult_ehr *m, struct tape *tape, const struct mult_ehr_input *in, struct var **x) {
    for (int t = 0; t < N_NODE_TYPES; t++) {
        struct var *f;
        if (t == NODE_PATIENT)
            f = nn_bag(tape, code_rows_look_up(m->terms.rows, tape, &in->facts), NULL, in->facts_of);
        else if (t == NODE_VISIT)
            f = nn_gather(tape, parameter_var(tape, m->age), in->age, in->nodes[t].rows.n_rows);
        else
            f = code_rows_look_up(m->terms.rows, tape, &in->codes[t - NODE_FIRST_CODE]);
        struct linear_terms map = linear_map_terms(tape, m->in[t]);
        map.f = ACTIVATION_GELU;
        x[t] = nn_linear_map(tape, f, map);
    }
}

/* What relation r brings to its target's nodes; mu_r multiplies A_r. */
static struct var *message(const struct mult_ehr *m, struct tape *tape, const struct mult_ehr_input *in, int r,
                           const struct layer *l, struct var *query, struct var *key, struct var *value) {
    int64_t dim = query->cols, heads = m->terms.options->heads;
    struct edges edges = in->edges[r];
    struct var *prior = nn_gather(tape, parameter_var(tape, l->prior[r]), in->head, dim);
    struct bag rows = {.items = {.n = dim, .n_rows = dim}, .index = in->each};
    struct var *weight = nn_bag(tape, parameter_var(tape, l->relation_key[r]), prior, rows);
    struct nn_attention a = {
        .shape = {.queries = spans_of_single_rows(query->rows),
                  .keys = {query->rows, edges.n, edges.offsets, dev_int_at(edges.offsets, 1)},
                  .heads = heads,
                  .kv_heads = heads,
                  .head_dim = dim / heads,
                  .scale = 1 / sqrt((double)dim / (double)heads),
                  .key_index = edges.sources,
                  .n_pairs = edges.n},
        .q = query,
        .k = nn_head_linear(tape, key, weight, heads),
        .v = nn_head_linear(tape, value, parameter_var(tape, l->relation_value[r]), heads),
    };
    return nn_attention(tape, &a, NULL);
}

static struct var *update(const struct mult_ehr *m, struct tape *tape, const struct ehr_batch *b, int64_t number,
                          int type, struct var *messages, struct var *x) {
    const struct mult_ehr_input *in = b->input;
    const struct layer *l = &m->layers[number];
    struct dropout dropout = {m->terms.options->dropout, m->terms.seed,
                              RNG_DROPOUT + (uint32_t)(number * N_NODE_TYPES + type), b->step};
    struct var *y = linear_map_apply(tape, messages, l->output[type]);
    y = nn_mix(tape, parameter_var(tape, l->skip[type]), y, x);
    y = nn_norm(tape, y, norm_map_terms(tape, l->norm[type], EPSILON, 1));
    return nn_dropout(tape, y, in->nodes[type], dropout);
}

static void apply_layer(const struct mult_ehr *m, struct tape *tape, const struct ehr_batch *b, int64_t number,
                        struct var **x) {
    const struct layer *l = &m->layers[number];
    struct var *key[N_NODE_TYPES], *value[N_NODE_TYPES], *y[N_NODE_TYPES];
    for (int t = 0; t < N_NODE_TYPES; t++) {
        key[t] = linear_map_apply(tape, x[t], l->key[t]);
        value[t] = linear_map_apply(tape, x[t], l->value[t]);
    }
    for (int t = 0; t < N_NODE_TYPES; t++) {
        struct var *query, *messages[N_RELATIONS];
        double share[N_RELATIONS];
        int n = 0;
        y[t] = x[t];
        if (!is_changed(m, number, t)) continue;
        query = linear_map_apply(tape, x[t], l->query[t]);
        for (int r = 0; r < N_RELATIONS; r++) {
            struct relation relation = mult_ehr_relation(r);
            if ((int)relation.target != t) continue;
            messages[n++] = message(m, tape, b->input, r, l, query, key[relation.source], value[relation.source]);
        }
        for (int i = 0; i < n; i++) share[i] = 1.0 / n;
        y[t] = update(m, tape, b, number, t, nn_combine(tape, n, share, messages), x[t]);
    }
    for (int t = 0; t < N_NODE_TYPES; t++) x[t] = y[t];
}

static struct var *represent(void *self, struct tape *tape, const struct ehr_batch *b) {
    const struct mult_ehr *m = self;
    const struct mult_ehr_input *in = b->input;
    struct var *x[N_NODE_TYPES];
    enter(m, tape, in, x);
    for (int64_t l = 0; l < m->terms.options->layers; l++) apply_layer(m, tape, b, l, x);
    return nn_concat(tape, nn_gather(tape, x[NODE_VISIT], in->last, b->n), x[NODE_PATIENT]);
}

/* ---- TransE ---- */
static struct var *filled(struct tape *tape, int64_t cols, double value) {
    struct var *x = tape_constant(tape, 1, cols);
    if (!tape->failed) tape->device->run->fill(tape->device, cols, value, x->value);
    return x;
}

/* |a - b| of each row, since a vector's product with itself scaled to length 1 is its length. */
static struct var *distances(struct tape *tape, struct var *a, struct var *b) {
    struct var *x = nn_combine(tape, 2, (const double[]){1, -1}, (struct var *[]){a, b});
    return nn_head_dots(tape, nn_glu(tape, ACTIVATION_NONE, x, nn_l2_normalize(tape, x)), filled(tape, x->cols, 1), 1);
}

/* z + r: the codes of the visit but the one that is asked for, or of the patient's other visits. */
static struct var *translated_heads(const struct mult_ehr *m, struct tape *tape, const struct transe_input *t,
                                    struct var *codes) {
    int64_t n = t->n_questions;
    struct var *visits = nn_bag(tape, codes, NULL, t->visits), *patients = nn_bag(tape, visits, NULL, t->patients);
    struct var *sign = tape_borrow(tape, n, 1, t->sign, (dev_real){NULL});
    struct bag signed_visit = {.items = {.n = n, .n_rows = n}, .index = t->visit};
    struct var *parts[] = {nn_bag(tape, visits, sign, signed_visit), nn_gather(tape, patients, t->patient, n),
                           nn_gather(tape, codes, t->left_out, n)};
    struct var *head = nn_l2_normalize(tape, nn_combine(tape, 3, (const double[]){1, 1, -1}, parts));
    return nn_add(tape, head, nn_bag(tape, parameter_var(tape, m->relations), NULL, t->relations));
}

static int64_t targets(const void *input) { return ((const struct mult_ehr_input *)input)->transe.n_answers; }

static void pretrain(void *self, struct tape *tape, const struct ehr_batch *b, double weight, dev_real loss) {
    const struct mult_ehr *m = self;
    const struct transe_input *t = &((const struct mult_ehr_input *)b->input)->transe;
    struct var *codes = nn_l2_normalize(tape, code_rows_look_up(m->terms.rows, tape, &t->codes));
    struct var *wrong = nn_l2_normalize(tape, code_rows_look_up(m->terms.rows, tape, &t->negatives));
    struct var *z = translated_heads(m, tape, t, codes);
    struct var *right = distances(tape, z, nn_gather(tape, codes, t->code, t->n_questions));
    struct var *compared[] = {nn_gather(tape, right, t->question, t->n_answers),
                              distances(tape, nn_gather(tape, z, t->question, t->n_answers),
                                        nn_gather(tape, wrong, t->negative, t->n_answers))};
    struct var *excess = nn_combine(tape, 2, (const double[]){1, -1}, compared);
    excess = nn_add_bias(tape, excess, filled(tape, 1, MARGIN));
    nn_sum(tape, nn_activate(tape, ACTIVATION_RELU, excess), weight, loss);
}

const struct ehr_model EHR_MULT_EHR_MODEL = {
    .sizes = {[SIZE_SMALL] = {.dim = 32, .layers = 2, .heads = 4, .inner = 32, .dropout = 0.05},
              [SIZE_PUBLISHED] = {.dim = 64, .layers = 2, .heads = 8, .inner = 128, .dropout = 0.05}},
    .input_bytes = sizeof(struct mult_ehr_input),
    .check = check,
    .make = make,
    .pack = pack,
    .free_input = free_input,
    .represent = represent,
    .targets = targets,
    .pretrain = pretrain,
    .free = free_model,
};
