/* Key by key, with its reason. */
#include "defaults.h"

#include "base/log.h"
#include "base/status.h"
#include "store/node_features.h"
#include "store/text_features.h"
#include "store/vocabulary.h"

/* ---- by settings ---- */
static int is_default(const struct config *c, const char *key) { return !config_given(c, key); }

static void drop_text_map(struct config *c, int say, const char *reason) {
    c->model.text_map = TEXT_MAP_RANDOM;
    if (say) log_info("model.text_map is random: %s", reason);
}

/* It begins with the components behind those of the text map. */
static void drop_text_specific(struct config *c, int say, const char *reason) {
    c->model.text_specific = TEXT_SPECIFIC_MAP;
    if (say) log_info("model.text_specific is map: %s", reason);
}

static void drop_node_start(struct config *c, int say, const char *reason) {
    c->graph.node_start = NODE_START_RANDOM;
    if (say) log_info("graph.node_start is random: %s", reason);
}

static void settle_starts(struct config *c, int say) {
    int online = c->text.mode == TEXT_ONLINE;
    int64_t least = 2 * (c->graph.node_dim < c->quantizer.dim ? c->graph.node_dim : c->quantizer.dim);
    if (online && is_default(c, "model.text_map"))
        drop_text_map(c, say, "with text.mode: online there are no features to begin with");
    if (is_default(c, "model.text_specific") && c->model.text_map == TEXT_MAP_RANDOM) drop_text_specific(c, 0, "");
    if (is_default(c, "graph.node_start")) {
        if (online) drop_node_start(c, say, "with text.mode: online there are no features of nodes' names");
        if (c->text.nodes == NODE_TEXTS_NO) drop_node_start(c, say, "text.nodes is no");
        if (c->model.sides == SIDES_TEXT) drop_node_start(c, 0, "");
    }
    if (is_default(c, "graph.encoder_start") && c->graph.hidden < least) {
        c->graph.encoder_start = ENCODER_START_RANDOM;
        if (say)
            log_info("graph.encoder_start is random: mean needs graph.hidden of at least %lld, and it is %lld",
                     (long long)least, (long long)c->graph.hidden);
    }
}

void defaults_by_settings(struct config *c, int say) {
    settle_starts(c, say);
    if (is_default(c, "quantizer.rate") && c->quantizer.update == UPDATE_EMA)
        c->quantizer.rate = 0; /* they have none */
}

/* ---- by files ---- */
/* Whether the vocabulary has names of nodes. */
static int find_names(const char *path, int *named) {
    struct vocabulary v;
    TRY(vocabulary_read_sizes(path, &v));
    *named = v.n_nodes > 0 && vocabulary_has_node_names(path);
    return STATUS_OK;
}

int defaults_of_encode(const struct comm *comm, struct config *c) {
    int named = 1;
    if (c->text.nodes == NODE_TEXTS_NO || !is_default(c, "text.nodes")) return STATUS_OK;
    TRY(comm_agree(comm, comm->rank == 0 ? find_names(c->files.vocabulary, &named) : STATUS_OK));
    TRY(comm_broadcast(comm, &named, sizeof named));
    if (named) return STATUS_OK;
    c->text.nodes = NODE_TEXTS_NO;
    log_info("text.nodes is no: %s has no names of nodes", c->files.vocabulary);
    return STATUS_OK;
}

/* Why nodes cannot begin with their names; NULL: they can. */
static int find_obstacle(const struct config *c, int64_t dim, const char **reason) {
    struct node_features f = {0};
    int named = 0, apart = 0, status;
    *reason = NULL;
    TRY(find_names(c->files.vocabulary, &named));
    if (!named)
        *reason = "the vocabulary has no names of nodes";
    else if (dim < c->graph.node_dim)
        *reason = "text features are narrower than graph.node_dim";
    if (*reason) return STATUS_OK;
    TRY_DONE(node_features_open(&f, c->files.text, c->files.vocabulary));
    TRY_DONE(node_features_differ(&f, &apart));
    if (!apart) *reason = "the text encoder does not tell the names of nodes from each other";
done:
    node_features_close(&f);
    return status;
}

/* On rank 0. */
static int settle_by_files(struct config *c) {
    int64_t dim;
    const char *reason;
    TRY(text_features_dim(c->files.text, &dim));
    if (is_default(c, "model.text_map") && c->model.text_map == TEXT_MAP_PRINCIPAL && dim < c->quantizer.dim)
        drop_text_map(c, 1, "text features are narrower than quantizer.dim");
    if (is_default(c, "model.text_specific") && c->model.text_specific == TEXT_SPECIFIC_FEATURE &&
        dim < 2 * c->quantizer.dim)
        drop_text_specific(c, 1, "text features are narrower than twice quantizer.dim");
    if (!is_default(c, "graph.node_start") || c->graph.node_start == NODE_START_RANDOM) return STATUS_OK;
    TRY(find_obstacle(c, dim, &reason));
    if (reason) drop_node_start(c, 1, reason);
    return STATUS_OK;
}

int defaults_of_train(const struct comm *comm, struct config *c) {
    int asked = (is_default(c, "model.text_map") && c->model.text_map == TEXT_MAP_PRINCIPAL) ||
                (is_default(c, "model.text_specific") && c->model.text_specific == TEXT_SPECIFIC_FEATURE) ||
                (is_default(c, "graph.node_start") && c->graph.node_start == NODE_START_TEXT);
    if (!asked) return STATUS_OK;
    TRY(comm_agree(comm, comm->rank == 0 ? settle_by_files(c) : STATUS_OK));
    int32_t starts[3] = {(int32_t)c->model.text_map, (int32_t)c->graph.node_start, (int32_t)c->model.text_specific};
    TRY(comm_broadcast(comm, starts, sizeof starts));
    c->model.text_map = (enum text_map)starts[0];
    c->graph.node_start = (enum node_start_from)starts[1];
    c->model.text_specific = (enum text_specific)starts[2];
    return STATUS_OK;
}

/* ---- the rate ---- */
void defaults_warn_of_rate(const struct config *c) {
    const double MEANT_FOR = 3000, FAR = 3; /* steps; results/study.md */
    const double CODEBOOK = 2e-3;           /* the rate of the codebook, whatever the steps */
    double share = MEANT_FOR / (double)c->train.steps, codebook = c->train.rate * c->quantizer.rate / CODEBOOK;
    int rate_is_default = is_default(c, "quantizer.rate") && c->quantizer.rate > 0;
    if (!is_default(c, "train.rate") && rate_is_default && (codebook >= FAR || codebook <= 1 / FAR))
        log_warn(
            "quantizer.rate is at its default, %g times train.rate, which makes the codebook's rate %.2g; it is meant "
            "to be %g: "
            "quantizer.rate=%.2g",
            c->quantizer.rate, c->train.rate * c->quantizer.rate, CODEBOOK, CODEBOOK / c->train.rate);
    if (!is_default(c, "train.rate") || (share < FAR && share > 1 / FAR)) return;
    if (rate_is_default)
        log_warn(
            "train.rate is at its default, which is meant for %g steps; for %lld, train.rate=%.2g quantizer.rate=%.2g "
            "take text map and encoders as far, and leave the codebook's rate",
            MEANT_FOR, (long long)c->train.steps, c->train.rate * share, c->quantizer.rate / share);
    else
        log_warn(
            "train.rate is at its default, which is meant for %g steps; for %lld, train.rate=%.2g takes text map and "
            "encoders as far",
            MEANT_FOR, (long long)c->train.steps, c->train.rate * share);
}
