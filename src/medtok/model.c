/* The formulas of METHOD.md. t: sentence feature, G: node features, g: their mean; prime (second view) is _2. */
#include "medtok/model.h"

#include <math.h>

#include "base/rng.h"

/* Dropout sites: each draws numbers of its own. */
enum dropout_site { SITE_TEXT, SITE_ATTENTION /* 4 per layer: probabilities and output, text side and graph side */ };

static struct dropout dropout_at(const struct model *model, const struct model_training *training, double rate,
                                 int site) {
    return (struct dropout){.rate = training ? rate : 0,
                            .seed = model->settings.seed,
                            .stream = (uint32_t)(RNG_DROPOUT + site),
                            .step = training ? training->step : 0};
}

/* ---- section 2: encoders ---- */

/* One layer of `heads` heads of graph attention, side by side; h: the nodes, mapped. */
static struct var *attend_neighbours(const struct model *model, struct tape *tape, struct var *h, int layer,
                                     int64_t heads, struct graphs graphs) {
    const struct graph_layer *g = &model->graph[layer];
    struct var *source = nn_head_dots(tape, h, parameter_var(tape, g->source), heads);
    struct var *target = nn_head_dots(tape, h, parameter_var(tape, g->target), heads);
    struct var *y = nn_graph_attention(tape, h, source, target, graphs);
    return nn_add_bias(tape, y, parameter_var(tape, g->map.bias));
}

/* GAT 64 -> heads x hidden, ReLU, GAT heads x hidden -> d with one head; x from node_rows(). */
static struct var *encode_gat(const struct model *model, struct tape *tape, struct var *x, struct graphs graphs) {
    struct var *weight = parameter_var(tape, model->graph[1].map.weight);
    struct var *h =
        nn_activate(tape, ACTIVATION_RELU, attend_neighbours(model, tape, x, 0, model->settings.graph.heads, graphs));
    return attend_neighbours(model, tape, nn_linear(tape, h, weight, NULL), 1, 1, graphs);
}

/* What the first layer aggregates, for each node of each graph. The linear map comes before it: its input is the node's
 * vector, the same in every graph and in both views, so that it is made once for each distinct node of the batch (`mapped`). */
static struct var *node_rows(struct tape *tape, struct var *mapped, const struct batch *batch) {
    return nn_gather(tape, mapped, batch->node_row, batch->n_nodes);
}

/* The same for the second view, with dropout; rows: those of the first view. */
static struct var *second_node_rows(const struct model *model, struct tape *tape, struct var *mapped, struct var *rows,
                                    const struct batch *batch, const struct model_training *training) {
    struct dropout drop = {.rate = model->settings.graph.dropout,
                           .seed = model->settings.seed,
                           .stream = RNG_NODE_DROPOUT,
                           .step = training->step};
    return drop.rate > 0 ? nn_dropout(tape, node_rows(tape, mapped, batch), batch->graphs.nodes, drop) : rows;
}

/* The first GCN layer, 64 -> hidden, and ReLU; x from node_rows(). */
static struct var *first_gcn_layer(const struct model *model, struct tape *tape, struct var *x, struct graphs graphs) {
    struct var *bias = parameter_var(tape, model->graph[0].map.bias);
    return nn_activate(tape, ACTIVATION_RELU, nn_add_bias(tape, nn_gcn_aggregate(tape, x, graphs), bias));
}

/* First view: GCN 64 -> hidden, ReLU, GCN hidden -> d; the second layer, too, maps before it aggregates. */
static struct var *encode_graph(const struct model *model, struct tape *tape, struct var *x, struct graphs graphs) {
    if (model->settings.graph.encoder == GRAPH_GAT) return encode_gat(model, tape, x, graphs);
    struct var *h = first_gcn_layer(model, tape, x, graphs);
    struct var *y = nn_linear(tape, h, parameter_var(tape, model->graph[1].map.weight), NULL);
    return nn_add_bias(tape, nn_gcn_aggregate(tape, y, graphs), parameter_var(tape, model->graph[1].map.bias));
}

/* The mean over the nodes that the second view keeps; no edge joins the others to them. */
static struct var *mean_of_kept(struct tape *tape, struct var *x, const struct batch *batch) {
    if (!batch->kept_rows.at) return nn_segment_mean(tape, x, batch->dropped.nodes);
    x = nn_gather(tape, x, batch->kept_rows, batch->kept_nodes.rows.n_rows);
    return nn_segment_mean(tape, x, batch->kept_nodes);
}

/* Second view: only the mean over nodes is used, and the mean commutes with the last linear map too, which then has one
 * row a code instead of one a node. */
static struct var *encode_graph_mean(const struct model *model, struct tape *tape, struct var *x,
                                     const struct batch *batch) {
    struct graphs graphs = batch->dropped;
    if (model->settings.graph.encoder == GRAPH_GAT)
        return mean_of_kept(tape, encode_gat(model, tape, x, graphs), batch);
    struct var *h = first_gcn_layer(model, tape, x, graphs);
    return linear_map_apply(tape, mean_of_kept(tape, nn_gcn_aggregate(tape, h, graphs), batch), model->graph[1].map);
}

/* Second view of the [CLS] rows: what the online encoder gave, or dropout of the cached features. */
static struct var *second_cls(const struct model *model, struct tape *tape, const struct batch *batch,
                              struct var *features, const struct model_training *training) {
    dev_real none = {NULL};
    if (batch->second_cls.at) return tape_borrow(tape, batch->n_text, batch->dim, batch->second_cls, none);
    struct dropout drop = dropout_at(model, training, model->settings.text_dropout, SITE_TEXT);
    return nn_dropout(tape, nn_gather(tape, features, batch->cls_row, batch->n_text), batch->text_codes, drop);
}

/* ---- section 3: cross-attention ---- */

/* x <- LayerNorm(x + dropout(W_o o + b_o)), o what attention gave. */
static struct var *finish_layer(struct tape *tape, struct var *x, struct var *o, const struct attention_layer *a,
                                struct segments segments, struct dropout dropout) {
    o = nn_dropout(tape, linear_map_apply(tape, o, a->output), segments, dropout);
    struct norm_terms norm = {.epsilon = 1e-5, .center = 1}; /* PyTorch's default */
    norm.gain = parameter_var(tape, a->gain), norm.bias = parameter_var(tape, a->bias);
    return nn_add_norm(tape, x, o, norm, NULL);
}

/* Text asks graph: one query row x a code, so the nodes G need no projection. With head h's parts of the weights,
 * q.(W_k g + b_k) = (W_k^T q).g + a constant that softmax cancels, and sum p (W_v g + b_v) = W_v (sum p g) + (sum p)
 * b_v. */
static struct var *text_asks(const struct model *model, struct tape *tape, struct var *x, struct var *G,
                             const struct batch *batch, const struct model_training *training) {
    const struct model_settings *c = &model->settings;
    int64_t heads = c->attention.heads, dim = c->quantizer.dim;
    struct attention shape = {.queries = spans_of_single_rows(batch->text_nodes.rows.n),
                              .keys = spans_of(batch->text_nodes.rows),
                              .heads = heads,
                              .kv_heads = 1,
                              .head_dim = dim,
                              .scale = 1 / sqrt((double)(dim / heads)),
                              .drop_keys = batch->text_nodes.keys};
    if (batch->text_node_rows.at) G = nn_gather(tape, G, batch->text_node_rows, batch->text_nodes.rows.n_rows);
    for (int64_t l = 0; l < c->attention.layers; l++) {
        const struct attention_layer *a = &model->attention[l];
        int site = SITE_ATTENTION + 4 * (int)l;
        struct var *sums, *key_weight = parameter_part(tape, a->key_value.weight, 0, dim, dim);
        struct var *value_weight = parameter_part(tape, a->key_value.weight, dim * dim, dim, dim);
        struct var *value_bias = parameter_part(tape, a->key_value.bias, dim, 1, dim);
        struct var *q = nn_head_linear_transposed(tape, linear_map_apply(tape, x, a->query), key_weight, heads);
        struct nn_attention attention = {.q = q, .k = G, .v = G, .shape = shape};
        attention.shape.dropout = dropout_at(model, training, c->attention.dropout, site);
        struct var *o = nn_attention(tape, &attention, &sums);
        o = nn_add_scaled_bias(tape, nn_head_linear(tape, o, value_weight, heads), sums, value_bias);
        x = finish_layer(tape, x, o, a, batch->text_codes, dropout_at(model, training, c->attention.dropout, site + 1));
    }
    return x;
}

/* Graph asks text: every node is a query. Keys and values are projected from the distinct text rows T, and then
 * gathered. */
static struct var *graph_asks(const struct model *model, struct tape *tape, struct var *x, struct var *T,
                              const struct batch *batch, const struct model_training *training) {
    const struct model_settings *c = &model->settings;
    int64_t heads = c->attention.heads, dim = c->quantizer.dim;
    struct attention shape = {.queries = spans_of(batch->graphs.nodes.rows),
                              .keys = spans_of(batch->tokens.rows),
                              .heads = heads,
                              .kv_heads = heads,
                              .head_dim = dim / heads,
                              .scale = 1 / sqrt((double)(dim / heads)),
                              .drop_keys = batch->graphs.nodes.keys};
    for (int64_t l = 0; l < c->attention.layers; l++) {
        struct tape_scope scope = tape_scope_begin(tape);
        const struct attention_layer *a = &model->attention[l];
        int site = SITE_ATTENTION + 4 * (int)l + 2;
        struct var *kv = nn_gather(tape, linear_map_apply(tape, T, a->key_value), batch->token_row, batch->n_tokens);
        struct nn_attention attention = {
            .q = linear_map_apply(tape, x, a->query), .k = kv, .v = kv, .v_column = dim, .shape = shape};
        attention.shape.dropout = dropout_at(model, training, c->attention.dropout, site);
        struct var *o = nn_attention(tape, &attention, NULL);
        x = finish_layer(tape, x, o, a, batch->graphs.nodes,
                         dropout_at(model, training, c->attention.dropout, site + 1));
        x = tape_scope_end(tape, scope, x);
    }
    return x;
}

/* ---- section 3: quantiser ---- */
struct codebook_context {
    struct var *rows; /* normalised; NULL while warming */
    const struct model_training *training;
};

static struct quantized quantize(const struct model *model, struct tape *tape, struct var *z,
                                 const struct codebook_context *codebook, enum token_group group, int with_loss) {
    const struct model_settings *c = &model->settings;
    const struct model_training *t = codebook->training;
    struct codebook_loss loss = {0};
    if (t && t->warming) return quantizer_pass(tape, z);
    if (t && with_loss) {
        int total = group_is_of_graph(group) ? t->graph->total : t->text->total;
        loss.weight = total ? 1.0 / ((double)total * (double)c->quantizer.dim) : 0;
        loss.commit = c->quantizer.commit;
        loss.normalized = c->quantizer.loss_space == LOSS_SPACE_NORMALIZED;
        loss.loss = loss_term(t->losses, (enum loss_term)(TERM_CODEBOOK_TEXT + group));
    }
    return quantizer_apply(tape, z, codebook->rows, quantizer_assignment(&c->quantizer, group), loss);
}

/* The normalised rows. Under quantizer.update: ema, and where they are fixed, they are constants here: q and the codebook loss send gradients to z
 * alone, and the rows move in codebook_update. */
static struct var *codebook_rows(const struct model *model, struct tape *tape, const struct model_training *training) {
    int learned = model->settings.quantizer.update == UPDATE_GRADIENT && !(training && training->codebook_fixed);
    struct var *C = parameter_var(tape, model->codebook);
    dev_real none = {NULL};
    if (!learned) C = tape_borrow(tape, C->rows, C->cols, C->value, none);
    /* Backward reaches this record after the quantiser's: the codebook's gradient is then complete. */
    if (learned && training && training->codebook_ready) tape_notify(tape, training->codebook_ready, training->context);
    return training && training->warming ? NULL : nn_l2_normalize(tape, C);
}

/* ---- section 4: token packing ---- */
struct views {
    struct var *t, *g, *t_2, *g_2;
    struct var *h, *h_2; /* the text features that t and t_2 are maps of */
    struct var *g_fixed; /* g without gradient, if a loss asks what the tokens keep of it */
};

/* Of the rows of x those of codes with both sides; `rows` tells where they are. */
static struct var *rows_of_both(struct tape *tape, const struct batch *batch, struct var *x, dev_int rows) {
    return x->rows == batch->n_both ? x : nn_gather(tape, x, rows, batch->n_both);
}

/* The weight of a part's |q^T s|_F, a sum over its rows; `total` rows lie in all parts. */
static double orthogonality(const struct loss_options *o, int total) {
    if (o->orthogonality_per == ORTHOGONAL_PER_BATCH || total == 0) return o->orthogonality;
    return o->orthogonality * (double)o->parts / total;
}

/* Codes should be near those by tokens that they are near to by what is known of one side. */
static struct neighbours same_neighbours(const struct loss_options *o, enum loss_term term, struct var *known,
                                         struct var *tokens, const struct row_shares *shares,
                                         const struct part_rows *parts) {
    return (struct neighbours){.term = term,
                               .weight = o->neighbours,
                               .known_temperature = o->neighbours_temperature,
                               .found_temperature = o->neighbours_token_temperature,
                               .known = known,
                               .found = tokens,
                               .shares = shares,
                               .parts = parts};
}

/* Of both sides, the number of them; without their weight 0. */
static int both_neighbours(const struct model *model, struct tape *tape, const struct views *v,
                           const struct model_output *out, const struct model_training *t,
                           struct neighbours near[MOST_NEIGHBOURS]) {
    const struct loss_options *o = &model->settings.loss;
    const struct quantized *q = out->groups;
    if (o->neighbours == 0) return 0;
    near[0] = same_neighbours(o, TERM_NEIGHBOURS_TEXT, v->h,
                              nn_concat(tape, q[TEXT_SPECIFIC].value, q[SHARED_TEXT].value), t->text, t->text_parts);
    near[1] =
        same_neighbours(o, TERM_NEIGHBOURS_GRAPH, v->g_fixed,
                        nn_concat(tape, q[GRAPH_SPECIFIC].value, q[SHARED_GRAPH].value), t->graph, t->graph_parts);
    return MOST_NEIGHBOURS;
}

static void packing_losses(const struct model *model, struct tape *tape, const struct batch *batch,
                           const struct views *v, const struct model_output *out, struct var *qt_2, struct var *qg_2,
                           const struct model_training *training) {
    const struct model_settings *c = &model->settings;
    struct losses *l = training->losses;
    const struct row_shares *text = training->text, *graph = training->graph, *both = training->both;
    struct var *qt = out->groups[TEXT_SPECIFIC].value, *qg = out->groups[GRAPH_SPECIFIC].value;
    struct var *st = out->groups[SHARED_TEXT].value, *sg = out->groups[SHARED_GRAPH].value;
    /* A code has no tokens of a side that it lacks: it is left out where that side is compared, and the zero vector
     * stands beside the tokens of the side that it has. */
    struct var *sg_text = nn_gather(tape, sg, batch->graph_of_text, batch->n_text);
    struct var *st_graph = nn_gather(tape, st, batch->text_of_graph, batch->n_graph);
    struct var *st_both = rows_of_both(tape, batch, st_graph, batch->both_graph);
    struct var *sg_both = rows_of_both(tape, batch, sg, batch->both_graph);
    struct var *t_both = rows_of_both(tape, batch, v->t, batch->both_text);
    struct var *g_both = rows_of_both(tape, batch, v->g, batch->both_graph);
    struct var *text_1 = nn_concat(tape, qt, sg_text), *text_2 = nn_concat(tape, qt_2, sg_text);
    struct var *graph_1 = nn_concat(tape, qg, st_graph), *graph_2 = nn_concat(tape, qg_2, st_graph);
    const struct part_rows *both_parts = training->both_parts;
    const struct contrast contrasts[] = {
        {TERM_SHARED, st_both, sg_both, both, both_parts, batch->both_class},
        {TERM_SHARED, sg_both, st_both, both, both_parts, batch->both_class},
        {TERM_SPECIFIC_TEXT, text_1, text_2, text, training->text_parts, batch->text_class},
        {TERM_SPECIFIC_GRAPH, graph_1, graph_2, graph, training->graph_parts, batch->graph_class}};
    const struct orthogonality apart[] = {
        {TERM_ORTHOGONAL_TEXT, orthogonality(&c->loss, text->total), qt, st, text, training->text_parts},
        {TERM_ORTHOGONAL_GRAPH, orthogonality(&c->loss, graph->total), qg, sg, graph, training->graph_parts}};
    loss_cosine(l, TERM_ALIGN, -2 * c->loss.align, t_both, g_both, both->total);
    struct neighbours near[MOST_NEIGHBOURS];
    int n_near = both_neighbours(model, tape, v, out, training, near);
    loss_comparisons(l, MOST_CONTRASTS, contrasts, n_near, near);
    loss_orthogonalities(l, MOST_ORTHOGONALITIES, apart);
}

/* A side's feature from its specific and its shared tokens. The frozen text feature keeps the tokens to what the text encoder
 * knew; the graph's feature learns, but not from being met. */
static void reconstruction_losses(const struct model *model, struct tape *tape, const struct views *v,
                                  const struct model_output *out, const struct model_training *training) {
    double weight = -model->settings.loss.reconstruction;
    const struct quantized *q = out->groups;
    if (weight == 0) return;
    struct var *text = nn_concat(tape, q[TEXT_SPECIFIC].value, q[SHARED_TEXT].value);
    struct var *graph = nn_concat(tape, q[GRAPH_SPECIFIC].value, q[SHARED_GRAPH].value);
    loss_cosine(training->losses, TERM_RECONSTRUCTION_TEXT, weight, linear_map_apply(tape, text, model->text_decoder),
                v->h, training->text->total);
    loss_cosine(training->losses, TERM_RECONSTRUCTION_GRAPH, weight,
                linear_map_apply(tape, graph, model->graph_decoder), v->g_fixed, training->graph->total);
}

/* The paper's L_KL: both shared vectors of a code should see the shared rows at the same distances, |u - c|^2 = 2 - 2 u.c. */
static void divergence_loss(const struct model *model, struct tape *tape, const struct batch *batch,
                            const struct model_output *out, const struct codebook_context *codebook) {
    const struct model_training *t = codebook->training;
    double weight = model->settings.loss.kl;
    if (weight == 0 || t->warming || t->both->total == 0) return;
    struct region rows = quantizer_region(&model->settings.quantizer, SHARED_TEXT);
    struct var *text = rows_of_both(tape, batch, out->groups[SHARED_TEXT].u, batch->both_text);
    struct var *graph = rows_of_both(tape, batch, out->groups[SHARED_GRAPH].u, batch->both_graph);
    nn_softmax_divergence(tape, text, graph, codebook->rows, rows.first, rows.last, 2, weight / t->both->total,
                          loss_term(t->losses, TERM_KL));
}

/* ---- the whole ---- */
struct model_output model_forward(const struct model *model, struct tape *tape, const struct batch *batch,
                                  struct var *nodes, const struct model_training *training) {
    struct var *features = tape_borrow(tape, batch->n_rows, batch->dim, batch->features, (dev_real){NULL});

    const struct loss_options *loss = &model->settings.loss;
    int of_feature = model->settings.text_specific == TEXT_SPECIFIC_FEATURE;
    int kept = training && (loss->neighbours > 0 || loss->reconstruction > 0); /* losses that look at the features */
    struct views v = {0};
    struct var *T = linear_map_apply(tape, features, model->text); /* distinct rows; codes gather theirs */
    v.t = nn_gather(tape, T, batch->cls_row, batch->n_text);
    if (of_feature || kept) v.h = nn_gather(tape, features, batch->cls_row, batch->n_text);
    struct tape_scope scope = tape_scope_begin(tape); /* what is made in between goes when evaluating */
    struct var *mapped = nn_linear(tape, nodes, parameter_var(tape, model->graph[0].map.weight), NULL);
    struct var *rows = node_rows(tape, mapped, batch);
    struct var *G = tape_scope_end(tape, scope, encode_graph(model, tape, rows, batch->graphs));
    v.g = nn_segment_mean(tape, G, batch->graphs.nodes);
    if (training) {
        v.h_2 = second_cls(model, tape, batch, features, training);
        v.t_2 = linear_map_apply(tape, v.h_2, model->text);
        if (kept) v.g_fixed = tape_borrow(tape, v.g->rows, v.g->cols, v.g->value, (dev_real){NULL});
        v.g_2 = encode_graph_mean(model, tape, second_node_rows(model, tape, mapped, rows, batch, training), batch);
    }

    scope = tape_scope_begin(tape);
    struct var *z_st = tape_scope_end(tape, scope, text_asks(model, tape, v.t, G, batch, training));
    scope = tape_scope_begin(tape);
    struct var *z_sg = nn_segment_mean(tape, graph_asks(model, tape, G, T, batch, training), batch->graphs.nodes);
    z_sg = tape_scope_end(tape, scope, z_sg);

    struct codebook_context codebook = {codebook_rows(model, tape, training), training};
    struct model_output out;
    struct var *z_t = linear_map_apply(tape, of_feature ? v.h : v.t, model->text_specific),
               *z_g = linear_map_apply(tape, v.g, model->graph_specific);
    out.groups[TEXT_SPECIFIC] = quantize(model, tape, z_t, &codebook, TEXT_SPECIFIC, 1);
    out.groups[GRAPH_SPECIFIC] = quantize(model, tape, z_g, &codebook, GRAPH_SPECIFIC, 1);
    out.groups[SHARED_TEXT] = quantize(model, tape, z_st, &codebook, SHARED_TEXT, 1);
    out.groups[SHARED_GRAPH] = quantize(model, tape, z_sg, &codebook, SHARED_GRAPH, 1);
    if (training) {
        struct var *z_t2 = linear_map_apply(tape, of_feature ? v.h_2 : v.t_2, model->text_specific);
        struct var *z_g2 = linear_map_apply(tape, v.g_2, model->graph_specific);
        struct quantized qt_2 = quantize(model, tape, z_t2, &codebook, TEXT_SPECIFIC, 0);
        struct quantized qg_2 = quantize(model, tape, z_g2, &codebook, GRAPH_SPECIFIC, 0);
        packing_losses(model, tape, batch, &v, &out, qt_2.value, qg_2.value, training);
        reconstruction_losses(model, tape, &v, &out, training);
        divergence_loss(model, tape, batch, &out, &codebook);
    }
    return out;
}
