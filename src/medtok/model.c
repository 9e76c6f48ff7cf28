/* The formulas of method.md. t: sentence feature, G: node features, g: their mean; prime (second view) is _2. */
#include "medtok/model.h"

#include "base/rng.h"

/* Dropout sites: each draws numbers of its own. */
enum dropout_site { SITE_TEXT, SITE_ATTENTION /* 4 per layer: probabilities and output, text side and graph side */ };

static struct var *parameter(const struct model *model, struct tape *tape, int place) {
    const struct parameter *p = &model->parameters->list[place];
    dev_real none = {NULL};
    return tape_borrow(tape, p->rows, p->cols, p->value, tape->evaluating ? none : p->grad);
}

static struct var *linear(const struct model *model, struct tape *tape, struct var *x, const int places[2]) {
    return nn_linear(tape, x, parameter(model, tape, places[0]), parameter(model, tape, places[1]));
}

static struct dropout dropout_at(const struct model *model, const struct model_training *training, double rate,
                                 int site) {
    return (struct dropout){.rate = training ? rate : 0,
                            .seed = (uint64_t)model->config->run.seed,
                            .stream = (uint32_t)(RNG_DROPOUT + site),
                            .step = training ? training->step : 0};
}

/* ---- section 2: encoders ---- */

/* One layer of `heads` heads of graph attention, side by side. */
static struct var *attend_neighbours(const struct model *model, struct tape *tape, struct var *x, int layer,
                                     int64_t heads, struct graphs graphs) {
    const struct graph_layer *g = &model->parameters->graph[layer];
    struct var *h = nn_linear(tape, x, parameter(model, tape, g->linear[0]), NULL);
    struct var *source = nn_head_dots(tape, h, parameter(model, tape, g->source), heads);
    struct var *target = nn_head_dots(tape, h, parameter(model, tape, g->target), heads);
    struct var *y = nn_graph_attention(tape, h, source, target, graphs);
    return nn_add_bias(tape, y, parameter(model, tape, g->linear[1]));
}

/* GAT 64 -> heads x hidden, ReLU, GAT heads x hidden -> d with one head. */
static struct var *encode_gat(const struct model *model, struct tape *tape, struct var *x, struct graphs graphs) {
    struct var *h = attend_neighbours(model, tape, x, 0, model->config->graph.heads, graphs);
    return attend_neighbours(model, tape, nn_relu(tape, h), 1, 1, graphs);
}

/* First view: GCN 64 -> hidden, ReLU, GCN hidden -> d. Aggregation and the linear map commute, so each layer aggregates
 * on its narrower side. */
static struct var *encode_graph(const struct model *model, struct tape *tape, struct var *x, struct graphs graphs) {
    const struct parameters *p = model->parameters;
    if (model->config->graph.encoder == GRAPH_GAT) return encode_gat(model, tape, x, graphs);
    struct var *h = nn_relu(tape, linear(model, tape, nn_gcn_aggregate(tape, x, graphs), p->graph[0].linear));
    struct var *y = nn_linear(tape, h, parameter(model, tape, p->graph[1].linear[0]), NULL);
    return nn_add_bias(tape, nn_gcn_aggregate(tape, y, graphs), parameter(model, tape, p->graph[1].linear[1]));
}

/* Second view: only the mean over nodes is used, and the mean commutes with the last linear map too, which then has one
 * row a code instead of one a node. */
static struct var *encode_graph_mean(const struct model *model, struct tape *tape, struct var *x,
                                     struct graphs graphs) {
    const struct parameters *p = model->parameters;
    if (model->config->graph.encoder == GRAPH_GAT)
        return nn_segment_mean(tape, encode_gat(model, tape, x, graphs), graphs.nodes);
    struct var *h = nn_relu(tape, linear(model, tape, nn_gcn_aggregate(tape, x, graphs), p->graph[0].linear));
    return linear(model, tape, nn_segment_mean(tape, nn_gcn_aggregate(tape, h, graphs), graphs.nodes),
                  p->graph[1].linear);
}

/* Second view of the [CLS] rows: what the online encoder gave, or dropout of the cached features. */
static struct var *second_cls(const struct model *model, struct tape *tape, const struct batch *batch,
                              struct var *features, const struct model_training *training) {
    dev_real none = {NULL};
    if (batch->second_cls.at) return tape_borrow(tape, batch->n_text, batch->dim, batch->second_cls, none);
    struct dropout drop = dropout_at(model, training, model->config->text.dropout, SITE_TEXT);
    return nn_dropout(tape, nn_gather(tape, features, batch->cls_row, batch->n_text), batch->each, drop);
}

/* ---- section 3: cross-attention ---- */

/* One direction: `x` asks `y`. The keys and values of layer l are projected from y's distinct rows and, where
 * `key_row` is given, gathered to the ragged rows. */
struct attention_side {
    struct segments queries, keys;
    dev_int pairs, key_row;
    int64_t n_pairs, n_key_rows;
    int site; /* 0: text asks graph, 1: graph asks text */
};

static struct var *cross_attend(const struct model *model, struct tape *tape, struct var *x, struct var *y,
                                struct attention_side side, const struct model_training *training) {
    const struct config *c = model->config;
    for (int64_t l = 0; l < c->attention.layers; l++) {
        const struct attention_layer *a = &model->parameters->attention[l];
        int site = SITE_ATTENTION + 4 * (int)l + 2 * side.site;
        struct var *kv = linear(model, tape, y, a->key_value);
        if (side.key_row.at) kv = nn_gather(tape, kv, side.key_row, side.n_key_rows);
        struct var *o =
            nn_attention(tape, linear(model, tape, x, a->query), side.queries, kv, side.keys, side.pairs, side.n_pairs,
                         c->attention.heads, dropout_at(model, training, c->attention.dropout, site));
        o = nn_dropout(tape, linear(model, tape, o, a->output), side.queries,
                       dropout_at(model, training, c->attention.dropout, site + 1));
        x = nn_layer_norm(tape, nn_add(tape, x, o), parameter(model, tape, a->norm[0]),
                          parameter(model, tape, a->norm[1]));
    }
    return x;
}

/* ---- section 3: quantiser ---- */
struct codebook_context {
    struct var *rows; /* normalised */
    const struct model_training *training;
};

static struct quantized quantize(const struct model *model, struct tape *tape, struct var *z,
                                 const struct codebook_context *codebook, enum token_group group, int with_loss) {
    const struct config *c = model->config;
    const struct model_training *t = codebook->training;
    struct codebook_loss loss = {0};
    if (t && with_loss) {
        int total = group == TEXT_SPECIFIC || group == SHARED_TEXT ? t->text->total : t->graph->total;
        loss.weight = total ? 1.0 / ((double)total * (double)c->quantizer.dim) : 0;
        loss.commit = c->quantizer.commit;
        loss.normalized = c->quantizer.loss_space == LOSS_SPACE_NORMALIZED;
        loss.loss = loss_term(t->losses, (enum loss_term)(TERM_CODEBOOK_TEXT + group));
    }
    return quantizer_apply(tape, z, codebook->rows, quantizer_region(c, group), c->quantizer.top_k, loss);
}

/* The normalised rows. Under quantizer.update: ema they are constants here: q and the codebook loss send gradients to z
 * alone, and the rows move in codebook_update. */
static struct var *codebook_rows(const struct model *model, struct tape *tape, const struct model_training *training) {
    int place = model->parameters->codebook, learned = model->config->quantizer.update == UPDATE_GRADIENT;
    struct var *C = parameter(model, tape, place);
    dev_real none = {NULL};
    if (!learned) C = tape_borrow(tape, C->rows, C->cols, C->value, none);
    /* Backward reaches this record after the quantiser's: the codebook's gradient is then complete. */
    if (learned && training && training->codebook_ready) tape_notify(tape, training->codebook_ready, training->context);
    struct var *rows = nn_l2_normalize(tape, C);
    return learned ? rows : tape_borrow(tape, C->rows, C->cols, rows->value, none);
}

/* ---- section 4: token packing ---- */
struct views {
    struct var *t, *g, *t_2, *g_2;
};

/* Of the rows of x those of codes with both sides; `rows` tells where they are. */
static struct var *of_both(struct tape *tape, const struct batch *batch, struct var *x, dev_int rows) {
    return x->rows == batch->n_both ? x : nn_gather(tape, x, rows, batch->n_both);
}

static void packing_losses(const struct model *model, struct tape *tape, const struct batch *batch,
                           const struct views *v, const struct model_output *out, struct var *qt_2, struct var *qg_2,
                           const struct model_training *training) {
    const struct config *c = model->config;
    struct losses *l = training->losses;
    const struct row_shares *text = training->text, *graph = training->graph, *both = training->both;
    struct var *qt = out->groups[TEXT_SPECIFIC].value, *qg = out->groups[GRAPH_SPECIFIC].value;
    struct var *st = out->groups[SHARED_TEXT].value, *sg = out->groups[SHARED_GRAPH].value;
    /* A code has no tokens of a side that it lacks: it is left out where that side is compared, and the zero vector stands
     * beside the tokens of the side that it has. */
    struct var *sg_text = nn_gather(tape, sg, batch->graph_of_text, batch->n_text);
    struct var *st_graph = nn_gather(tape, st, batch->text_of_graph, batch->n_graph);
    struct var *st_both = of_both(tape, batch, st_graph, batch->both_graph);
    struct var *sg_both = of_both(tape, batch, sg, batch->both_graph);
    struct var *t_both = of_both(tape, batch, v->t, batch->both_text);
    struct var *g_both = of_both(tape, batch, v->g, batch->both_graph);
    loss_nce(l, TERM_SHARED, st_both, sg_both, both, batch->both_class);
    loss_nce(l, TERM_SHARED, sg_both, st_both, both, batch->both_class);
    loss_cosine(l, TERM_ALIGN, -2 * c->loss.align, t_both, g_both, both->total);
    loss_nce(l, TERM_SPECIFIC_TEXT, nn_concat(tape, qt, sg_text), nn_concat(tape, qt_2, sg_text), text,
             batch->text_class);
    loss_nce(l, TERM_SPECIFIC_GRAPH, nn_concat(tape, qg, st_graph), nn_concat(tape, qg_2, st_graph), graph,
             batch->graph_class);
    loss_orthogonality(l, TERM_ORTHOGONAL_TEXT, c->loss.orthogonality, qt, st);
    loss_orthogonality(l, TERM_ORTHOGONAL_GRAPH, c->loss.orthogonality, qg, sg);
}

/* ---- the whole ---- */
struct model_output model_forward(const struct model *model, struct tape *tape, const struct batch *batch,
                                  struct var *nodes, const struct model_training *training) {
    const struct parameters *p = model->parameters;
    struct var *features = tape_borrow(tape, batch->n_rows, batch->dim, batch->features, (dev_real){NULL});
    struct var *node_rows = nn_gather(tape, nodes, batch->node_row, batch->n_nodes);

    struct views v = {0};
    struct var *T = linear(model, tape, features, p->text_map); /* distinct rows; codes gather theirs */
    v.t = nn_gather(tape, T, batch->cls_row, batch->n_text);
    struct var *G = encode_graph(model, tape, node_rows, batch->graphs);
    v.g = nn_segment_mean(tape, G, batch->graphs.nodes);
    if (training) {
        v.t_2 = linear(model, tape, second_cls(model, tape, batch, features, training), p->text_map);
        v.g_2 = encode_graph_mean(model, tape, node_rows, batch->dropped);
    }

    struct attention_side text_asks = {batch->each,
                                       batch->text_nodes,
                                       batch->text_pairs,
                                       batch->text_node,
                                       batch->n_text_pairs,
                                       batch->n_text_pairs,
                                       0};
    struct attention_side graph_asks = {batch->graphs.nodes,
                                        batch->tokens,
                                        batch->graph_pairs,
                                        batch->token_row,
                                        batch->n_graph_pairs,
                                        batch->n_tokens,
                                        1};
    struct var *z_st = cross_attend(model, tape, v.t, G, text_asks, training);
    struct var *z_sg =
        nn_segment_mean(tape, cross_attend(model, tape, G, T, graph_asks, training), batch->graphs.nodes);

    struct codebook_context codebook = {codebook_rows(model, tape, training), training};
    struct model_output out;
    struct var *z_t = linear(model, tape, v.t, p->text_specific), *z_g = linear(model, tape, v.g, p->graph_specific);
    out.groups[TEXT_SPECIFIC] = quantize(model, tape, z_t, &codebook, TEXT_SPECIFIC, 1);
    out.groups[GRAPH_SPECIFIC] = quantize(model, tape, z_g, &codebook, GRAPH_SPECIFIC, 1);
    out.groups[SHARED_TEXT] = quantize(model, tape, z_st, &codebook, SHARED_TEXT, 1);
    out.groups[SHARED_GRAPH] = quantize(model, tape, z_sg, &codebook, SHARED_GRAPH, 1);
    if (training) {
        struct var *z_t2 = linear(model, tape, v.t_2, p->text_specific);
        struct var *z_g2 = linear(model, tape, v.g_2, p->graph_specific);
        struct quantized qt_2 = quantize(model, tape, z_t2, &codebook, TEXT_SPECIFIC, 0);
        struct quantized qg_2 = quantize(model, tape, z_g2, &codebook, GRAPH_SPECIFIC, 0);
        packing_losses(model, tape, batch, &v, &out, qt_2.value, qg_2.value, training);
    }
    return out;
}
