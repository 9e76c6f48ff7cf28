/* One rank's part of a batch, flattened to ragged arrays on the device.
 *
 * There are three lists of codes, each in the order of the batch: those with text, those with a graph, those with both.
 * A code may be in none. Distinct text rows and distinct KG nodes are listed once, so that each is mapped, fetched and
 * sent once.
 */
#ifndef MEDTOK_MEDTOK_BATCH_H
#define MEDTOK_MEDTOK_BATCH_H

#include "base/arena.h"
#include "loader/pack.h"
#include "loader/row_stage.h"
#include "medtok/dataset.h"
#include "nn/layers.h"

struct batch {
    int64_t n, n_text, n_graph, n_both;
    int32_t *codes;                /* host: [n] global code indices, which key all random numbers */
    int32_t *text_position;        /* host: [n_text] position in the batch of each code with text, ascending */
    int32_t *graph_position;       /* host: [n_graph] the same of each code with a graph */
    dev_int text_of_graph;         /* [n_graph] row among the codes with text, or -1 */
    dev_int graph_of_text;         /* [n_text] row among the codes with a graph, or -1 */
    dev_int both_text, both_graph; /* [n_both] rows among the codes with text, and among those with a graph */
    dev_int text_class, graph_class, both_class; /* sibling classes of each list; NULL if the dataset has none */

    /* text */
    int64_t n_rows, dim, n_tokens;
    dev_real features;          /* [n_rows, dim] rows of H: distinct (cached), or all tokens of each code (online) */
    dev_real second_cls;        /* [n_text, dim] online training: [CLS] rows of the second view; cached: .at NULL */
    dev_int cls_row;            /* [n_text] the [CLS] row of each code with text, a row of `features` */
    dev_int token_row;          /* [n_tokens] all tokens of the codes with both sides */
    struct segments text_codes; /* n_text segments of one row: the codes with text themselves */
    struct segments tokens;     /* n_graph segments: tokens of the codes with a graph, empty where text is absent */

    /* graph */
    int64_t n_nodes, n_distinct;
    int32_t *distinct_nodes;      /* host: [n_distinct] KG nodes, ascending: their positions, if the dataset has such */
    const int32_t *node_position; /* the dataset's */
    dev_int distinct;             /* the same on the device */
    dev_int node_row;             /* [n_nodes] index in distinct_nodes */
    struct graphs graphs;         /* n_graph graphs */
    struct graphs dropped;        /* second view: the same nodes, edges dropped (training only) */
    struct segments kept_nodes;   /* graph.node_drop: n_graph segments, the nodes that the second view keeps */
    dev_int kept_rows;            /* their rows among all nodes; NULL: it keeps all */
    struct segments text_nodes;   /* n_text segments: nodes of the codes with text, empty where the graph is absent */
    /* [text_nodes.rows.n_rows] the rows of these nodes; .at NULL: every graph has a text, so that they are all rows */
    dev_int text_node_rows;
};

/* Room for batches, grown as needed and reused. */
struct batch_builder {
    struct device *device;
    struct arena arena;
    int32_t *row_index;  /* [text rows] index among the rows of this batch, or -1 */
    int32_t *node_index; /* [KG nodes] index among the nodes of this batch, of those in it */
    uint64_t *node_bits; /* a bit for each KG node; 0 between calls */
    int64_t n_row_index, n_node_index;
    struct pack pack;
    struct row_stage features, second_cls;
    struct batch_text {                /* of the batch that is being made, in the arena */
        int32_t *rows;                 /* cached: the distinct feature rows */
        dev_int resident;              /* the same, where they are gathered from the dataset's rows on the device */
        int32_t *ids, *offsets, *keys; /* online: ids, offsets [n_text + 1] and keys [n_text] of the texts */
    } text;
};

struct view_drop {
    double rate; /* share of edges that the second view loses; `second_view` 0: it is not built */
    int second_view;
    uint64_t seed;
    uint32_t step;
    double node_rate; /* share of nodes that it loses */
};

int batch_builder_make(struct batch_builder *builder, struct device *device, const struct dataset *dataset);
void batch_builder_free(struct batch_builder *builder);

/* Flattens codes[n] (global indices held by the dataset): work of the host alone, which asks nothing of the device, so
 * that another thread may do it. */
int batch_flatten(struct batch *batch, struct batch_builder *builder, const struct dataset *dataset,
                  const int64_t *codes, int64_t n, struct view_drop drop);

/* Starts to send a flattened batch, which is valid until the next is flattened. Neither `batch` nor `builder` may move
 * in memory between the two calls. */
int batch_send(struct batch *batch, struct batch_builder *builder, const struct dataset *dataset,
               struct view_drop drop);

/* Both. */
int batch_build(struct batch *batch, struct batch_builder *builder, const struct dataset *dataset, const int64_t *codes,
                int64_t n, struct view_drop drop);

/* What is asked of the device from now on finds the batch there. */
void batch_arrives(struct batch_builder *builder);

#endif
