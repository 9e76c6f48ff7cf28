/* The method: settings graph.*, model.*, attention.*, quantizer.*, loss.*, and those of tokenize. */
#ifndef MEDTOK_MEDTOK_OPTIONS_H
#define MEDTOK_MEDTOK_OPTIONS_H

#include "config/options.h"

#define GRAPH_ENCODERS(CHOICE) CHOICE(GRAPH_GCN, "gcn") CHOICE(GRAPH_GAT, "gat")
enum graph_encoder { GRAPH_ENCODERS(OPTION_CHOICE_NUMBER) };

#define NODE_STARTS(CHOICE) CHOICE(NODE_START_RANDOM, "random") CHOICE(NODE_START_TEXT, "text")
enum node_start_from { NODE_STARTS(OPTION_CHOICE_NUMBER) };
#define ENCODER_STARTS(CHOICE) CHOICE(ENCODER_START_RANDOM, "random") CHOICE(ENCODER_START_MEAN, "mean")
enum encoder_start { ENCODER_STARTS(OPTION_CHOICE_NUMBER) };

#define GRAPH_OPTIONS(KEY, in)                                                                                         \
    KEY(in, CHOICE, "graph.encoder", encoder, graph_encoder, GRAPH_ENCODERS, "gcn", MODEL_JOBS, SHAPES,                \
        "graph encoder")                                                                                               \
    KEY(in, INTEGER, "graph.node_dim", node_dim, "64", 1, 4096, "", MODEL_JOBS, SHAPES,                                \
        "width of a node's learned vector")                                                                            \
    KEY(in, INTEGER, "graph.hidden", hidden, "128", 1, 4096, "", MODEL_JOBS, SHAPES,                                   \
        "width between the two graph layers; gat: of each head")                                                       \
    KEY(in, INTEGER, "graph.heads", heads, "4", 1, 64, "", MODEL_JOBS, SHAPES, "gat: heads of the first graph layer")  \
    KEY(in, REAL, "graph.edge_drop", edge_drop, "0.1", 0, 0.99, STEP_JOBS, SHAPES,                                     \
        "share of edges the second view loses")                                                                        \
    KEY(in, REAL, "graph.node_drop", node_drop, "0", 0, 0.99, STEP_JOBS, SHAPES,                                       \
        "share of nodes the second view loses, with their edges; a graph keeps one at least")                          \
    KEY(in, REAL, "graph.dropout", dropout, "0", 0, 0.99, STEP_JOBS, SHAPES,                                           \
        "dropout of the second view's nodes, behind the first map")                                                    \
    KEY(in, CHOICE, "graph.node_start", node_start, node_start_from, NODE_STARTS, "text", JOB_TRAIN, SHAPES,           \
        "first vectors of nodes: by chance, or what the text encoder knows of their names (encode with text.nodes); "  \
        "not set: random where nodes have no names")                                                                   \
    KEY(in, CHOICE, "graph.encoder_start", encoder_start, encoder_start, ENCODER_STARTS, "mean", STEP_JOBS, SHAPES,    \
        "first weights of the graph encoder: by chance, or so that a node becomes the mean over its neighbours and "   \
        "theirs; not set: random where graph.hidden is too small for that")
struct graph_options {
    GRAPH_OPTIONS(OPTION_MEMBER, )
};

#define SIDES(CHOICE) CHOICE(SIDES_BOTH, "both") CHOICE(SIDES_TEXT, "text") CHOICE(SIDES_GRAPH, "graph")
enum sides { SIDES(OPTION_CHOICE_NUMBER) };

#define TEXT_MAPS(CHOICE) CHOICE(TEXT_MAP_RANDOM, "random") CHOICE(TEXT_MAP_PRINCIPAL, "principal")
enum text_map { TEXT_MAPS(OPTION_CHOICE_NUMBER) };
#define TEXT_SPECIFICS(CHOICE) CHOICE(TEXT_SPECIFIC_MAP, "map") CHOICE(TEXT_SPECIFIC_FEATURE, "feature")
enum text_specific { TEXT_SPECIFICS(OPTION_CHOICE_NUMBER) };

#define MODEL_OPTIONS(KEY, in)                                                                                         \
    KEY(in, CHOICE, "model.sides", sides, sides, SIDES, "both", MODEL_JOBS, SHAPES,                                    \
        "sides of the codes that are looked at; the other counts as absent")                                           \
    KEY(in, CHOICE, "model.text_map", text_map, text_map, TEXT_MAPS, "principal", STEP_JOBS, SHAPES,                   \
        "first map of text features to code vectors: by chance, or their principal components; not set: random with "  \
        "text.mode: online, or features narrower than quantizer.dim")                                                  \
    KEY(in, CHOICE, "model.text_specific", text_specific, text_specific, TEXT_SPECIFICS, "feature", MODEL_JOBS,        \
        SHAPES,                                                                                                        \
        "what text-specific vectors are maps of: map: of the vector that shared tokens begin with; feature: of the "   \
        "text feature itself, first of the components behind those of that vector; not set: map with text_map: "       \
        "random, or features narrower than twice quantizer.dim")                                                       \
    KEY(in, REAL, "model.graph_weight", graph_weight, "0.7", 1e-3, 1e3, JOB_TOKENIZE, SHAPES,                          \
        "weight of the graph's two vectors in a code's embedding, beside the text's; tokenize.append_to: that "        \
        "table's")
struct model_options {
    MODEL_OPTIONS(OPTION_MEMBER, )
};

#define ATTENTION_OPTIONS(KEY, in)                                                                                     \
    KEY(in, INTEGER, "attention.heads", heads, "4", 1, 64, "", MODEL_JOBS, SHAPES,                                     \
        "heads of the cross-attention; divide quantizer.dim")                                                          \
    KEY(in, INTEGER, "attention.layers", layers, "2", 1, 8, "", MODEL_JOBS, SHAPES, "layers of the cross-attention")   \
    KEY(in, REAL, "attention.dropout", dropout, "0.1", 0, 0.99, STEP_JOBS, SHAPES, "dropout in the cross-attention")
struct attention_options {
    ATTENTION_OPTIONS(OPTION_MEMBER, )
};

#define LOSS_SPACES(CHOICE) CHOICE(LOSS_SPACE_RAW, "raw") CHOICE(LOSS_SPACE_NORMALIZED, "normalized")
enum loss_space { LOSS_SPACES(OPTION_CHOICE_NUMBER) };
#define SHARED_REGIONS(CHOICE) CHOICE(SHARED_ALL, "all") CHOICE(SHARED_MIDDLE, "middle")
enum shared_region { SHARED_REGIONS(OPTION_CHOICE_NUMBER) };
#define CODEBOOK_UPDATES(CHOICE) CHOICE(UPDATE_GRADIENT, "gradient") CHOICE(UPDATE_EMA, "ema")
enum codebook_update { CODEBOOK_UPDATES(OPTION_CHOICE_NUMBER) };
#define CODEBOOK_INITS(CHOICE) CHOICE(INIT_NORMAL, "normal") CHOICE(INIT_KMEANS, "kmeans")
enum codebook_init { CODEBOOK_INITS(OPTION_CHOICE_NUMBER) };

#define QUANTIZER_ASSIGNMENTS(CHOICE)                                                                                  \
    CHOICE(ASSIGN_NEAREST, "nearest") CHOICE(ASSIGN_RESIDUAL, "residual") CHOICE(ASSIGN_SPARSE, "sparse")
enum quantizer_assignment { QUANTIZER_ASSIGNMENTS(OPTION_CHOICE_NUMBER) };

#define QUANTIZER_GRADIENTS(CHOICE)                                                                                    \
    CHOICE(GRADIENT_STRAIGHT_THROUGH, "straight_through") CHOICE(GRADIENT_ROTATION, "rotation")
enum quantizer_gradient { QUANTIZER_GRADIENTS(OPTION_CHOICE_NUMBER) };
#define CODEBOOK_ROWS(CHOICE) CHOICE(ROWS_FREE, "free") CHOICE(ROWS_UNIT, "unit")
enum codebook_rows { CODEBOOK_ROWS(OPTION_CHOICE_NUMBER) };

enum { MAX_TOP_K = 16 };

#define QUANTIZER_OPTIONS(KEY, in)                                                                                     \
    KEY(in, INTEGER, "quantizer.size", size, "21000", 3, 16777216, "rows", MODEL_JOBS, SHAPES, "rows of the codebook") \
    KEY(in, INTEGER, "quantizer.dim", dim, "64", 1, 4096, "", MODEL_JOBS, SHAPES, "width of a code vector")            \
    KEY(in, INTEGER, "quantizer.top_k", top_k, "5", 1, MAX_TOP_K, "tokens", MODEL_JOBS, SHAPES,                        \
        "tokens of a code in each group")                                                                              \
    KEY(in, CHOICE, "quantizer.assign", assign, quantizer_assignment, QUANTIZER_ASSIGNMENTS, "sparse", MODEL_JOBS,     \
        SHAPES,                                                                                                        \
        "tokens of a group: nearest: the top_k nearest rows; residual: one row of each of top_k parts of the region, " \
        "the nearest to what those before it leave; sparse: of the 16 nearest rows those top_k that explain the "      \
        "vector best by a sum, weighed by least squares")                                                              \
    KEY(in, CHOICE, "quantizer.gradient", gradient, quantizer_gradient, QUANTIZER_GRADIENTS, "straight_through",       \
        STEP_JOBS, SHAPES,                                                                                             \
        "what z gets of q(z)'s gradient: straight_through: the gradient itself; rotation: the gradient turned and "    \
        "scaled back by what takes z to q(z)")                                                                         \
    KEY(in, REAL, "quantizer.commit", commit, "0.25", 0, 1e6, STEP_JOBS, SHAPES, "weight of the commitment loss")      \
    KEY(in, CHOICE, "quantizer.loss_space", loss_space, loss_space, LOSS_SPACES, "normalized", STEP_JOBS, SHAPES,      \
        "what the codebook loss compares with q: z itself, or z / |z|")                                                \
    KEY(in, CHOICE, "quantizer.shared_region", shared_region, shared_region, SHARED_REGIONS, "middle", MODEL_JOBS,     \
        SHAPES, "rows that shared tokens may pick")                                                                    \
    KEY(in, CHOICE, "quantizer.update", update, codebook_update, CODEBOOK_UPDATES, "gradient", STEP_JOBS, SHAPES,      \
        "how code vectors learn: gradient: by Adam; ema: as moving averages of the z / |z| that pick them")            \
    KEY(in, REAL, "quantizer.rate", rate, "400", 0, 1e6, STEP_JOBS, SHAPES,                                            \
        "update: gradient: the codebook's rate as a multiple of train.rate, its gradient being left out of "           \
        "train.clip; "                                                                                                 \
        "0: the codebook is updated and clipped with all other parameters; not set: 0 with update: ema")               \
    KEY(in, CHOICE, "quantizer.rows", rows, codebook_rows, CODEBOOK_ROWS, "unit", STEP_JOBS, SHAPES,                   \
        "lengths of code vectors, of which only the directions are used: free: as updates leave them; unit: 1 again "  \
        "after each update")                                                                                           \
    KEY(in, REAL, "quantizer.ema_decay", ema_decay, "0.99", 0, 0.999999, STEP_JOBS, SHAPES,                            \
        "ema: share of the average that a step keeps")                                                                 \
    KEY(in, REAL, "quantizer.ema_epsilon", ema_epsilon, "1e-5", 0, 1, STEP_JOBS, SHAPES,                               \
        "ema: count added to each row (Laplace smoothing)")                                                            \
    KEY(in, CHOICE, "quantizer.init", init, codebook_init, CODEBOOK_INITS, "kmeans", STEP_JOBS, SHAPES,                \
        "first code vectors: by chance, or k-means of z / |z| at the first weights")                                   \
    KEY(in, INTEGER, "quantizer.warmup", warmup, "0", 0, 1000000, "steps", STEP_JOBS, SHAPES,                          \
        "first steps without quantiser, fewer than train.steps: z / |z| goes on as it is; init: kmeans then clusters " \
        "behind them")                                                                                                 \
    KEY(in, INTEGER, "quantizer.init_sample", init_sample, "32768", 1, 16777216, "codes", STEP_JOBS, SHAPES,           \
        "kmeans: codes that are clustered")                                                                            \
    KEY(in, INTEGER, "quantizer.revive_after", revive_after, "50", 0, 1000000, "steps", STEP_JOBS, SHAPES,             \
        "rows that nothing picked for so long are moved to codes of the batch; 0: never")                              \
    KEY(in, REAL, "quantizer.revive_angle", revive_angle, "1", 0, 1, STEP_JOBS, SHAPES,                                \
        "how far a moved row stays from its code, as a share of the angle to the row that the code picked: 0: on the " \
        "code; 1: no nearer than that row, so that no loss jumps; rows must then learn to come nearer")
struct quantizer_options {
    QUANTIZER_OPTIONS(OPTION_MEMBER, )
};

#define SIBLING_NEGATIVES(CHOICE) CHOICE(SIBLINGS_KEEP, "keep") CHOICE(SIBLINGS_LEAVE_OUT, "leave-out")
enum sibling_negatives { SIBLING_NEGATIVES(OPTION_CHOICE_NUMBER) };

#define ORTHOGONALITIES(CHOICE) CHOICE(ORTHOGONAL_PER_BATCH, "batch") CHOICE(ORTHOGONAL_PER_ROW, "row")
enum orthogonality_per { ORTHOGONALITIES(OPTION_CHOICE_NUMBER) };

#define LOSS_OPTIONS(KEY, in)                                                                                          \
    KEY(in, REAL, "loss.temperature", temperature, "0.07", 1e-4, 1e4, STEP_JOBS, SHAPES,                               \
        "temperature of the contrastive losses")                                                                       \
    KEY(in, REAL, "loss.align", align, "0.1", 0, 1e6, STEP_JOBS, SHAPES, "weight of the cosine of text and graph")     \
    KEY(in, REAL, "loss.orthogonality", orthogonality, "0.005", 0, 1e6, STEP_JOBS, SHAPES,                             \
        "weight of |specific^T shared|")                                                                               \
    KEY(in, CHOICE, "loss.orthogonality_per", orthogonality_per, orthogonality_per, ORTHOGONALITIES, "batch",          \
        STEP_JOBS, SHAPES,                                                                                             \
        "batch: of the sum over rows, which grows with the batch; row: divided by the rows of a part")                 \
    KEY(in, REAL, "loss.reconstruction", reconstruction, "0", 0, 1e6, STEP_JOBS, SHAPES,                               \
        "weight of the cosine of each side's feature with what a linear map makes of its tokens; 0: no such map")      \
    KEY(in, REAL, "loss.kl", kl, "0", 0, 1e6, STEP_JOBS, SHAPES,                                                       \
        "weight of the paper's L_KL, the divergence of shared-graph from shared-text distances to the codebook")       \
    KEY(in, REAL, "loss.neighbours", neighbours, "20", 0, 1e6, STEP_JOBS, SHAPES,                                      \
        "weight of the divergence of who is near whom, by each side's tokens, from who is by its feature")             \
    KEY(in, REAL, "loss.neighbours_temperature", neighbours_temperature, "0.05", 1e-4, 1e4, STEP_JOBS, SHAPES,         \
        "temperature of the features' cosines that loss.neighbours compares")                                          \
    KEY(in, REAL, "loss.neighbours_token_temperature", neighbours_token_temperature, "0.07", 1e-4, 1e4, STEP_JOBS,     \
        SHAPES, "temperature of the tokens' cosines: as many times the other as the features' cosines are narrower")   \
    KEY(in, INTEGER, "loss.parts", parts, "1", 1, 65536, "parts", STEP_JOBS, SHAPES,                                   \
        "parts of each batch (with train.micro_batches: of each of them), at most train.batch, each of which has "     \
        "negatives and an orthogonality of its own; 4: the publication, one for each of its ranks")                    \
    KEY(in, CHOICE, "loss.sibling_negatives", sibling_negatives, sibling_negatives, SIBLING_NEGATIVES, "leave-out",    \
        STEP_JOBS, SHAPES, "leave-out: codes with the same parent in their system are not negatives of each other")
struct loss_options {
    LOSS_OPTIONS(OPTION_MEMBER, )
};

#define CONTINUE_OPTIONS(KEY, in)                                                                                      \
    KEY(in, PATH, "train.from", from, "", JOB_TRAIN, 0, "checkpoint",                                                  \
        "--from: checkpoint of another training, of the same sizes, that this one goes on from, so that token "        \
        "numbers keep their meaning")                                                                                  \
    KEY(in, PATH, "train.from_vocabulary", from_vocabulary, "", JOB_TRAIN, 0, "vocabulary",                            \
        "vocabulary that train.from was trained on; empty: where it was then")                                         \
    KEY(in, REAL, "train.anchor", anchor, "300", 0, 1e9, JOB_TRAIN, SHAPES,                                            \
        "with train.from: the codebook stays as it is, and what else began there within about 1 / anchor of its "      \
        "beginning; 0: all "                                                                                           \
        "learns freely")
struct continue_options {
    CONTINUE_OPTIONS(OPTION_MEMBER, )
};

#define TOKENIZE_OPTIONS(KEY, in)                                                                                      \
    KEY(in, INTEGER, "tokenize.batch", batch, "1024", 1, 1048576, "codes", JOB_TOKENIZE, LEAVES,                       \
        "codes computed at a time on a rank")                                                                          \
    KEY(in, PATH, "tokenize.codes", codes, "", JOB_TOKENIZE, 0, "codes",                                               \
        "--codes: a code table of new codes to tokenise instead of the vocabulary; empty: the vocabulary")             \
    KEY(in, PATH, "tokenize.append_to", append_to, "", JOB_TOKENIZE, 0, "table",                                       \
        "--append-to: a table of the same checkpoint that the new codes follow; empty: they get a table of their own")
struct tokenize_options {
    TOKENIZE_OPTIONS(OPTION_MEMBER, )
};

/* STATUS_USAGE unless the heads divide the width of a code vector, a region of the codebook has top_k rows, the regions of
 * quantizer.assign: residual are apart, a codebook with a rate of its own learns by gradient, and graph.encoder_start: mean has the hidden
 * values that it needs. */
int model_options_check(const struct graph_options *graph, const struct attention_options *attention,
                        const struct quantizer_options *quantizer);

/* STATUS_USAGE if there is a table to append to, but no codes. */
int tokenize_options_check(const struct tokenize_options *options);

#endif
