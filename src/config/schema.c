/* Every key, once. */
#include "config/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define AT(member)   offsetof(struct config, member)
#define MODEL_JOBS   (JOB_TRAIN | JOB_TOKENIZE | JOB_BENCH)
#define STEP_JOBS    (JOB_TRAIN | JOB_BENCH)
#define STAGE_JOBS   (JOB_PREPARE | JOB_ENCODE | JOB_TRAIN | JOB_TOKENIZE | JOB_INSPECT)
#define COMPUTE_JOBS (JOB_ENCODE | JOB_TRAIN | JOB_TOKENIZE | JOB_INSPECT | JOB_BENCH)

#define INTEGER(name, member, initial, least, most, unit, jobs, shapes, help)                                          \
    { name, KEY_INTEGER, AT(member), initial, least, most, unit, {NULL}, jobs, 0, NULL, shapes, help }
#define REAL(name, member, initial, least, most, jobs, shapes, help)                                                   \
    { name, KEY_REAL, AT(member), initial, least, most, "", {NULL}, jobs, 0, NULL, shapes, help }
/* A path that `readers` read and `writers` write. */
#define PATH(name, member, initial, readers, writers, kind, help)                                                      \
    { name, KEY_TEXT, AT(member), initial, 0, 0, "", {NULL}, (readers) | (writers), writers, kind, 0, help }
#define CHOICE(name, member, initial, jobs, shapes, help, ...)                                                         \
    { name, KEY_CHOICE, AT(member), initial, 0, 0, "", {__VA_ARGS__, NULL}, jobs, 0, NULL, shapes, help }

const struct key SCHEMA[] = {
    {"files.codes",
     KEY_LIST,
     AT(files.codes),
     "[]",
     0,
     0,
     "",
     {NULL},
     JOB_PREPARE,
     0,
     "codes",
     0,
     "code tables, TSV or CSV, plain or gzip; columns system, code, description, nodes or MedTok's own"},
    PATH("files.graph", files.graph, "", JOB_PREPARE | JOB_TOKENIZE, 0, "graph",
         "knowledge graph, PrimeKG's kg.csv, plain or gzip"),
    PATH("files.vocabulary", files.vocabulary, "results/vocabulary.h5",
         JOB_ENCODE | JOB_TRAIN | JOB_TOKENIZE | JOB_LOOKUP | JOB_VERIFY | JOB_INSPECT | JOB_BENCH, JOB_PREPARE,
         "vocabulary", "codes and subgraphs"),
    PATH("files.text", files.text, "results/text.h5", MODEL_JOBS, JOB_ENCODE, "text", "text features"),
    PATH("files.checkpoint", files.checkpoint, "results/checkpoint.h5", JOB_TOKENIZE, JOB_TRAIN, "checkpoint",
         "trained model"),
    PATH("files.table", files.table, "results/table.h5", JOB_LOOKUP | JOB_EXPORT | JOB_VERIFY | JOB_INSPECT,
         JOB_TOKENIZE, "table", "token table"),
    PATH("files.export", files.export_folder, "results/export", 0, JOB_EXPORT, "export", "folder for exported files"),
    PATH("files.metrics", files.metrics, "", 0, JOB_TRAIN, "metrics",
         "metrics, one JSON object a step; empty: beside the checkpoint, ending in .jsonl"),
    PATH("files.report", files.report, "", 0, JOB_INSPECT, "report",
         "quality measures as JSON; empty: beside the table, ending in .quality.json"),

    INTEGER("run.seed", run.seed, "0", 0, 9e15, "", JOB_ENCODE | STEP_JOBS | JOB_INSPECT, 1,
            "seed of all random numbers"),
    INTEGER("run.threads", run.threads, "0", 0, 1024, "threads a rank", COMPUTE_JOBS, 0,
            "0: the cores this rank may use, shared with the ranks that have the same"),
    CHOICE("run.device", run.device, "auto", COMPUTE_JOBS, 0,
           "where to compute; auto: on a GPU if there is one and the job has use for it", "auto", "cpu", "cuda"),
    CHOICE("run.compute", run.compute, "fp32", MODEL_JOBS, 1,
           "in what a GPU's matrix products multiply; sums are fp32, the quantiser's distances always fp32", "fp32",
           "tf32", "bf16"),
    CHOICE("run.stages", run.stages, "auto", STAGE_JOBS, 0,
           "table of where the time went, at the job's end; auto: on more than one rank", "auto", "always", "never"),
    {"run.log_level",
     KEY_TEXT,
     AT(run.log_level),
     "info",
     0,
     0,
     "",
     {"error", "warn", "info", "debug", NULL},
     ALL_JOBS,
     0,
     NULL,
     0,
     "most detailed log lines that are written"},

    INTEGER("graph.hops", graph.hops, "1", 0, 8, "hops", JOB_PREPARE, 1,
            "how far a code's subgraph grows from its listed nodes; 0: the listed nodes as given"),
    INTEGER("graph.max_nodes", graph.max_nodes, "64", 1, 65535, "nodes", JOB_PREPARE, 1,
            "largest subgraph of one code"),
    CHOICE("graph.encoder", graph.encoder, "gcn", MODEL_JOBS, 1, "graph encoder", "gcn", "gat"),
    INTEGER("graph.node_dim", graph.node_dim, "64", 1, 4096, "", MODEL_JOBS, 1, "width of a node's learned vector"),
    INTEGER("graph.hidden", graph.hidden, "128", 1, 4096, "", MODEL_JOBS, 1,
            "width between the two graph layers; gat: of each head"),
    INTEGER("graph.heads", graph.heads, "4", 1, 64, "", MODEL_JOBS, 1, "gat: heads of the first graph layer"),
    REAL("graph.edge_drop", graph.edge_drop, "0.1", 0, 0.99, STEP_JOBS, 1, "share of edges the second view loses"),

    CHOICE("text.empty", text.empty, "code", JOB_PREPARE, 1,
           "an empty description: the code stands in for it, or the code's text is absent", "code", "absent"),
    CHOICE("text.encoder", text.encoder, "hashed-ngrams", JOB_ENCODE, 1,
           "text encoder: hashed-ngrams needs no files; bert is the model in text.model", "hashed-ngrams", "bert"),
    CHOICE("text.mode", text.mode, "cached", MODEL_JOBS, 1,
           "cached: features from files.text; online: the bert in text.model runs in each step, its own dropout making "
           "the "
           "two views",
           "cached", "online"),
    PATH("text.model", text.model, "", JOB_ENCODE | MODEL_JOBS, 0, "model",
         "bert: folder of a Hugging Face model with model.safetensors"),
    INTEGER("text.max_tokens", text.max_tokens, "512", 2, 1048576, "tokens", JOB_ENCODE | MODEL_JOBS, 1,
            "bert: longer texts are cut; [CLS] and [SEP] count"),
    CHOICE("text.features", text.features, "tokens", JOB_ENCODE, 1,
           "bert: the hidden states of all tokens, or only that of [CLS]", "tokens", "sentence"),
    CHOICE(
        "text.compute", text.compute, "fp32", JOB_ENCODE | MODEL_JOBS, 1,
        "bert: in what matrix products multiply; bf16 needs a GPU, or a processor with AVX512_BF16 or AMX; tf32 a GPU",
        "fp32", "tf32", "bf16"),
    INTEGER("text.dim", text.dim, "768", 32, 4096, "", JOB_ENCODE | JOB_BENCH, 1,
            "hashed-ngrams: width of a text feature; a multiple of 32"),
    INTEGER("text.ngram_min", text.ngram_min, "3", 1, 16, "characters", JOB_ENCODE, 1,
            "hashed-ngrams: shortest n-gram"),
    INTEGER("text.ngram_max", text.ngram_max, "5", 1, 16, "characters", JOB_ENCODE, 1, "hashed-ngrams: longest n-gram"),
    CHOICE("text.precision", text.precision, "fp16", JOB_ENCODE, 1, "stored precision of text features", "fp16",
           "fp32"),
    REAL("text.dropout", text.dropout, "0.1", 0, 0.99, STEP_JOBS, 1,
         "cached: dropout that makes the second view of the text"),

    CHOICE("model.sides", model.sides, "both", MODEL_JOBS, 1,
           "sides of the codes that are looked at; the other counts as absent", "both", "text", "graph"),

    INTEGER("attention.heads", attention.heads, "4", 1, 64, "", MODEL_JOBS, 1,
            "heads of the cross-attention; divide quantizer.dim"),
    INTEGER("attention.layers", attention.layers, "2", 1, 8, "", MODEL_JOBS, 1, "layers of the cross-attention"),
    REAL("attention.dropout", attention.dropout, "0.1", 0, 0.99, STEP_JOBS, 1, "dropout in the cross-attention"),

    INTEGER("quantizer.size", quantizer.size, "21000", 3, 16777216, "rows", MODEL_JOBS, 1, "rows of the codebook"),
    INTEGER("quantizer.dim", quantizer.dim, "64", 1, 4096, "", MODEL_JOBS, 1, "width of a code vector"),
    INTEGER("quantizer.top_k", quantizer.top_k, "5", 1, 16, "tokens", MODEL_JOBS, 1, "tokens of a code in each group"),
    REAL("quantizer.commit", quantizer.commit, "0.25", 0, 1e6, STEP_JOBS, 1, "weight of the commitment loss"),
    CHOICE("quantizer.loss_space", quantizer.loss_space, "normalized", STEP_JOBS, 1,
           "what the codebook loss compares with q: z itself, or z / |z|", "raw", "normalized"),
    CHOICE("quantizer.shared_region", quantizer.shared_region, "middle", MODEL_JOBS, 1,
           "rows that shared tokens may pick", "all", "middle"),

    CHOICE("quantizer.update", quantizer.update, "gradient", STEP_JOBS, 1,
           "how code vectors learn: gradient: by Adam; ema: as moving averages of the z / |z| that pick them",
           "gradient", "ema"),
    REAL("quantizer.ema_decay", quantizer.ema_decay, "0.99", 0, 0.999999, STEP_JOBS, 1,
         "ema: share of the average that a step keeps"),
    REAL("quantizer.ema_epsilon", quantizer.ema_epsilon, "1e-5", 0, 1, STEP_JOBS, 1,
         "ema: count added to each row (Laplace smoothing)"),
    CHOICE("quantizer.init", quantizer.init, "normal", STEP_JOBS, 1,
           "first code vectors: by chance, or k-means of z / |z| at the first weights", "normal", "kmeans"),
    INTEGER("quantizer.init_sample", quantizer.init_sample, "32768", 1, 16777216, "codes", STEP_JOBS, 1,
            "kmeans: codes that are clustered"),
    INTEGER("quantizer.revive_after", quantizer.revive_after, "50", 0, 1000000, "steps", STEP_JOBS, 1,
            "rows that nothing picked for so long are moved to codes of the batch; 0: never"),

    REAL("loss.temperature", loss.temperature, "0.07", 1e-4, 1e4, STEP_JOBS, 1,
         "temperature of the contrastive losses"),
    REAL("loss.align", loss.align, "0.1", 0, 1e6, STEP_JOBS, 1, "weight of the cosine of text and graph"),
    REAL("loss.orthogonality", loss.orthogonality, "0.1", 0, 1e6, STEP_JOBS, 1, "weight of |specific^T shared|"),
    CHOICE("loss.negatives", loss.negatives, "global", STEP_JOBS, 1,
           "negatives of the contrastive losses: of the rank's own part (reference) or of the whole batch", "local",
           "global"),
    CHOICE("loss.sibling_negatives", loss.sibling_negatives, "leave-out", STEP_JOBS, 1,
           "leave-out: codes with the same parent in their system are not negatives of each other", "keep",
           "leave-out"),

    INTEGER("train.batch", train.batch, "1024", 2, 1048576, "codes", STEP_JOBS, 1, "codes in a step, over all ranks"),
    INTEGER("train.steps", train.steps, "3000", 1, 1e9, "steps", STEP_JOBS, 1, "length of training"),
    REAL("train.rate", train.rate, "1e-3", 0, 1e6, STEP_JOBS, 1, "Adam's learning rate"),
    CHOICE("train.schedule", train.schedule, "cosine", STEP_JOBS, 1,
           "rate after the warm-up: constant, or falling along half a cosine to the last step", "constant", "cosine"),
    INTEGER("train.warmup", train.warmup, "50", 0, 1e9, "steps", STEP_JOBS, 1, "the rate rises linearly so long"),
    REAL("train.rate_end", train.rate_end, "0", 0, 1, JOB_TRAIN, 1, "cosine: share of the rate at the last step"),
    REAL("train.beta1", train.beta1, "0.9", 0, 0.999999, JOB_TRAIN, 1, "Adam's decay of the mean"),
    REAL("train.beta2", train.beta2, "0.95", 0, 0.999999, JOB_TRAIN, 1, "Adam's decay of the square"),
    REAL("train.epsilon", train.epsilon, "1e-8", 1e-30, 1, JOB_TRAIN, 1, "Adam's epsilon"),
    REAL("train.weight_decay", train.weight_decay, "0", 0, 1e6, STEP_JOBS, 1,
         "decoupled decay, times the rate, of weight matrices; biases, norms, codebook and node vectors do not decay"),
    REAL("train.clip", train.clip, "1", 0, 1e12, STEP_JOBS, 1, "largest norm of the gradient; 0: no limit"),
    REAL("train.max_loss", train.max_loss, "1e6", 0, 1e300, JOB_TRAIN, 0,
         "a loss term beyond this stops the job: training diverges; 0: no limit"),
    REAL("train.max_length", train.max_length, "1e4", 0, 1e300, JOB_TRAIN, 0,
         "vectors to quantise whose root mean square of lengths is beyond this stop the job likewise; 0: no limit"),
    REAL("train.average", train.average, "0", 0, 0.999999, STEP_JOBS, 1,
         "decay of the moving average of all parameters, which tokenize then uses; 0: none"),
    CHOICE("train.partition", train.partition, "block", STEP_JOBS, 1,
           "which codes share a rank: neighbours in the input, or by chance", "block", "random"),
    INTEGER("train.checkpoint_every", train.checkpoint_every, "500", 0, 1e9, "steps", JOB_TRAIN, 0,
            "0: only at the end"),
    INTEGER("train.keep", train.keep, "2", 1, 1000, "checkpoints", JOB_TRAIN, 0, "checkpoints kept while training"),
    INTEGER("train.log_every", train.log_every, "10", 1, 1e9, "steps", JOB_TRAIN, 0, "steps between log lines"),
    CHOICE("train.resume", train.resume, "auto", JOB_TRAIN, 0,
           "auto: go on from the newest checkpoint of the same training", "auto", "never"),

    REAL("train.holdout", train.holdout, "0", 0, 0.5, JOB_TRAIN, 1,
         "share of the codes that training never draws, by (seed, code)"),
    INTEGER("train.eval_every", train.eval_every, "0", 0, 1e9, "steps", JOB_TRAIN, 0,
            "steps between quality measures of held-out codes, also at the end; 0: none"),
    INTEGER("train.eval_codes", train.eval_codes, "4096", 2, 1048576, "codes", JOB_TRAIN, 0,
            "at most so many held-out codes are measured"),

    INTEGER("tokenize.batch", tokenize.batch, "1024", 1, 1048576, "codes", JOB_TOKENIZE, 0,
            "codes computed at a time on a rank"),
    PATH("tokenize.codes", tokenize.codes, "", JOB_TOKENIZE, 0, "codes",
         "--codes: a code table of new codes to tokenise instead of the vocabulary; empty: the vocabulary"),
    PATH("tokenize.append_to", tokenize.append_to, "", JOB_TOKENIZE, 0, "table",
         "--append-to: a table of the same checkpoint that the new codes follow; empty: they get a table of their own"),

    INTEGER("inspect.resamples", inspect.resamples, "1000", 20, 1e6, "resamples", JOB_TRAIN | JOB_INSPECT, 0,
            "bootstrap resamples behind each interval"),
    INTEGER("inspect.sample", inspect.sample, "2000", 1, 1e6, "codes", JOB_TRAIN | JOB_INSPECT, 0,
            "codes whose nearest codes are compared with the knowledge graph"),

    {"bench.items",
     KEY_LIST,
     AT(bench.items),
     "[]",
     0,
     0,
     "names",
     {NULL},
     JOB_BENCH,
     0,
     NULL,
     0,
     "what to measure: primitives of kernels/kernels.h, and step, a whole training step; empty, or all: everything"},
    INTEGER("bench.repeats", bench.repeats, "7", 1, 1000, "samples", JOB_BENCH, 0,
            "times that each item is measured; their median counts"),
    REAL("bench.seconds", bench.seconds, "0.5", 0, 3600, JOB_BENCH, 0, "least time of all samples of an item together"),
    CHOICE("bench.data", bench.data, "synthetic", JOB_BENCH, 0,
           "what step trains on: made-up codes, or files.vocabulary and files.text", "synthetic", "files"),
    INTEGER("bench.queries", bench.queries, "0", 0, 16777216, "vectors", JOB_BENCH, 0,
            "vectors that the primitives of the quantiser work on; 0: train.batch"),
    INTEGER("bench.nodes", bench.nodes, "31", 1, 32767, "nodes", JOB_BENCH, 0, "made-up codes: mean nodes of a code"),
    INTEGER("bench.edges", bench.edges, "167", 0, 1000000, "edges", JOB_BENCH, 0,
            "made-up codes: mean directed edges of a code"),
    INTEGER("bench.tokens", bench.tokens, "24", 1, 32767, "tokens", JOB_BENCH, 0,
            "made-up codes: mean tokens of a code's text"),
    INTEGER("bench.graph_nodes", bench.graph_nodes, "129375", 1, 1e9, "nodes", JOB_BENCH, 0,
            "made-up codes: nodes of the knowledge graph"),
    PATH("bench.json", bench.json, "results/bench.json", 0, JOB_BENCH, "benchmark", "what was measured, as JSON"),
    PATH("bench.export", bench.export_folder, "", 0, JOB_BENCH, "arrays",
         "folder for the vectors, the codebook and the picks of quantize on rank 0, as raw arrays; empty: none"),
};
const int SCHEMA_SIZE = sizeof SCHEMA / sizeof *SCHEMA;
_Static_assert(sizeof SCHEMA / sizeof *SCHEMA <= SCHEMA_MOST, "SCHEMA_MOST is too small");

/* Where a key means something else to one job than to the others. */
static const struct {
    const char *name;
    enum job job;
    const char *help;
} HELP_OF_JOB[] = {
    {"files.graph", JOB_TOKENIZE, "the knowledge graph that the vocabulary was made from, for new codes with nodes"},
    {"run.device", JOB_BENCH, "where to compute; auto: on each backend in turn"},
};

const char *schema_help(const struct key *key, enum job job) {
    for (size_t i = 0; i < sizeof HELP_OF_JOB / sizeof *HELP_OF_JOB; i++)
        if (job == HELP_OF_JOB[i].job && strcmp(key->name, HELP_OF_JOB[i].name) == 0) return HELP_OF_JOB[i].help;
    return key->help;
}

const struct key *schema_find(const char *name) {
    for (int i = 0; i < SCHEMA_SIZE; i++)
        if (strcmp(SCHEMA[i].name, name) == 0) return &SCHEMA[i];
    return NULL;
}

/* ---- what was meant ---- */
static const char *behind_dot(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

static const char *whole(const char *name) { return name; }

/* The keys nearest to `name`, both reduced to a part of theirs, of those that differ in at most `best` letters. */
static int nearest_by(const char *(*part)(const char *), const char *name, int best, const struct key *nearest[],
                      int most) {
    int n = 0;
    for (int i = 0; i < SCHEMA_SIZE; i++) {
        int d = text_distance(part(name), part(SCHEMA[i].name));
        if (d > best) continue;
        if (d < best) n = 0;
        best = d;
        if (n < most) nearest[n++] = &SCHEMA[i];
    }
    return n;
}

int schema_nearest(const char *name, const struct key *nearest[], int most) {
    int in_all = (int)strlen(name) / 3, behind = (int)strlen(behind_dot(name));
    int n = nearest_by(whole, name, in_all < behind / 2 ? in_all : behind / 2, nearest, most);
    return n > 0 ? n : nearest_by(behind_dot, name, behind / 3, nearest, most);
}

/* The part of the key behind `section` and a dot, or NULL. */
static const char *in_section(const struct key *key, const char *section) {
    size_t n = strlen(section);
    return strncmp(key->name, section, n) == 0 && key->name[n] == '.' ? key->name + n + 1 : NULL;
}

int schema_is_section(const char *name) {
    for (int i = 0; i < SCHEMA_SIZE; i++)
        if (in_section(&SCHEMA[i], name)) return 1;
    return 0;
}

void schema_section_keys(const char *section, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < SCHEMA_SIZE && used < size; i++) {
        const char *name = in_section(&SCHEMA[i], section);
        if (name) used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", name);
    }
}

/* ---- what is allowed ---- */
void schema_allowed(const struct key *key, char *text, size_t size) {
    const char *open = key->unit[0] ? " (" : "", *close = key->unit[0] ? ")" : "";
    if (key->type == KEY_INTEGER)
        snprintf(text, size, "an integer, %.16g to %.16g%s%s%s", key->least, key->most, open, key->unit, close);
    else if (key->type == KEY_REAL)
        snprintf(text, size, "a number, %g to %g", key->least, key->most);
    else if (key->type == KEY_LIST)
        snprintf(text, size, "a list of %s", key->unit[0] ? key->unit : "paths");
    else if (!key->choices[0])
        snprintf(text, size, "a path");
    else {
        size_t used = (size_t)snprintf(text, size, "one of ");
        for (int i = 0; key->choices[i] && used < size; i++)
            used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", key->choices[i]);
    }
}
