/* The numeric primitives: `device->run->NAME(device, ...)`. Here: what holds for all of them, and the types of their
 * arguments. In list.h, once for each: shapes, meaning, arguments, cost, and who accumulates.
 *
 * Matrices are row-major and dense unless a leading dimension `ld` is given. Ragged data are (values, offsets): segment
 * i holds rows offsets[i] .. offsets[i+1]-1, and may be empty. `=` overwrites the output, `+=` adds to it: forward
 * functions overwrite, backward functions add, so that a value used twice collects both gradients; those with `accumulate` 0
 * overwrite the gradients of their rows (dx, dq, dkv), which then need not be cleared before. Sums over rows that
 * end in one number are kept in double. Results do not depend on the number of threads. Counts may be 0. On CUDA, where
 * many rows may add to one (scatter_add_rows, bag_backward, quantize_backward's, quantize_residual_backward's and quantize_sparse_backward's dc, sum_picks, attention_backward's dbias and, with a
 * key index, dk and dv), the order is not fixed: last bits may differ from run to run.
 */
#ifndef MEDTOK_KERNELS_KERNELS_H
#define MEDTOK_KERNELS_KERNELS_H

#include <math.h>

#include "device.h"

/* Rows in segments: segment i holds rows offsets[i] .. offsets[i+1]-1; n_rows = offsets[n] in all. */
struct ragged {
    int64_t n, n_rows;
    dev_int offsets;
};

/* Edges by target: node v's incoming edges are offsets[v] .. offsets[v+1]-1, and edge e comes from node sources[e] of the same
 * graph. n = the last offset, or more: it only serves to count work. */
struct edges {
    int64_t n;
    dev_int offsets, sources;
};

/* Segments with ends of their own: segment i holds rows first[i] .. end[i]-1, may be empty, and lies within 0 .. n_rows-1. Packed
 * rows are spans_of() their offsets; a cache with room to grow has two arrays. first NULL: segment i is row i alone. */
struct spans {
    int64_t n, n_rows;
    dev_int first, end;
};

static inline struct spans spans_of(struct ragged rows) {
    return (struct spans){rows.n, rows.n_rows, rows.offsets, {rows.offsets.at ? rows.offsets.at + 1 : NULL}};
}

static inline struct spans spans_of_single_rows(int64_t n) { return (struct spans){n, n, {NULL}, {NULL}}; }

/* Residual quantisation: the first row of level k, of top_k levels, among the candidates first .. last-1; of level top_k: the
 * end of the last. */
static inline int64_t residual_level_first(int64_t first, int64_t last, int64_t top_k, int64_t k) {
    return first + (last - first) * k / top_k;
}

/* Sparse coding: among how many of the nearest rows the picks are looked for, and the ridge of its least squares. */
enum { SPARSE_ROWS = 16 };
#define SPARSE_RIDGE 0.03

/* A matrix: its first value, and how many values further its next row begins. */
struct matrix {
    dev_real first;
    int64_t ld;
};

/* Matrices of one shape: the first, its leading dimension, and how many values further the next one begins. They may lie within
 * each other's rows (the heads of an attention: stride < ld), but share no value. */
struct matrices {
    dev_real first;
    int64_t ld, stride;
};

/* A product c = alpha op(a) op(b) + beta c of op(a) [m,k] and op(b) [k,n]. With beta 0, c is not read. */
struct gemm {
    int transpose_a, transpose_b; /* op(x) = x^T: a is stored [k,m], b [n,k] */
    int64_t m, n, k;
    double alpha, beta;
};

/* Which elements dropout sets to zero: element e of segment i survives if the 16-bit random number of
 * (seed, stream, step, index = segment_key[i], e) is at least rate * 65536 (see dropout_keeps in dropout.h);
 * survivors are divided by 1 - rate. rate 0: all survive. */
struct dropout {
    double rate;
    uint64_t seed;
    uint32_t stream, step;
};

/* What dropout goes over: element e of segment i counts row-major within the segment. */
struct dropout_rows {
    struct ragged rows;
    int64_t cols;
    dev_int keys; /* [rows.n] of the segments: global code indices */
    struct dropout dropout;
};

/* Graph convolution (Kipf and Welling, 2017) over the nodes and edges of graphs. */
struct gcn {
    struct ragged nodes;
    struct edges edges;
    int64_t cols;
    dev_real scale; /* [n_nodes] of gcn_scale() */
};

/* Rows of heads, and a vector for each head. */
struct head_dots {
    int64_t rows, heads, cols; /* cols: of a head */
    dev_real x, a;             /* [rows, heads * cols], [heads * cols] */
};

/* Graph attention (Velickovic et al., 2018), for each head: over node v itself and the sources u of its incoming edges, as often
 * as listed, p = softmax(LeakyReLU_0.2(source[u] + target[v])) and y[v] = sum p x[u]. */
struct graph_attention {
    struct ragged nodes;
    struct edges edges;
    int64_t heads, cols;     /* cols: of a head */
    dev_real source, target; /* [n_nodes, heads] */
    dev_real x;              /* [n_nodes, heads * cols] */
    /* [n_nodes + edges, heads] keeps p for backward: row v + edges.offsets[v] that of v itself, the following rows those of its
     * edges */
    dev_real probs;
};

/* y = f(x): x; max(x, 0); the same with the slope 0.2 below 0 (graph attention's); tanh x; 1 / (1 + exp(-x)); GELU (Hendrycks
 * and Gimpel, 2016), x Phi(x) with the normal distribution's Phi, or its approximation by tanh; SiLU, x / (1 + exp(-x)). */
enum activation {
    ACTIVATION_NONE,
    ACTIVATION_RELU,
    ACTIVATION_LEAKY_RELU,
    ACTIVATION_TANH,
    ACTIVATION_SIGMOID, /* up to here backward works from y */
    ACTIVATION_GELU,
    ACTIVATION_GELU_TANH,
    ACTIVATION_SILU,
    N_ACTIVATIONS
};

/* Types of pairs of a query and a key: y = type[kind_of_query[query row], kind_of_key[key]], type [kinds of queries, n_kinds].
 * A key's kind is found where the key is counted: at its row, or with a key index at its position there (so edges have kinds).
 * n_types 0: all pairs are of one type, without bias. */
struct pair_types {
    int64_t n_types, n_kinds; /* n_kinds: of keys */
    dev_int kind_of_query, kind_of_key, type;
    dev_real bias; /* [heads, n_types], added to the logits, finite (-1e9 shuts a type out); NULL: none */
    dev_real
        dots; /* [query rows, heads, n_types], added to q.k: the query's products with what its types add to a key (Shaw et
                    * al., 2018), finite; NULL: none */
};

/* Attention of the query rows of each segment to its key rows (Vaswani et al., 2017), for each of `heads` heads; head h has key
 * and value head h' = h kv_heads / heads (Ainslie et al., 2023). For query row t and key j that it may see,
 *   p = softmax over j of (scale (q[t,h].k[j,h'] + dots[t,h,y(t,j)]) + bias[h,y(t,j)]),   out[t,h] = sum over j of p f v[j,h'],
 *   sums[t,h,y] = sum of p f over the pairs of type y,
 * with f dropout's factors. A row that sees no key has out = sums = 0. */
struct attention {
    struct spans queries, keys;        /* as many segments of each */
    int64_t heads, kv_heads, head_dim; /* kv_heads divides heads */
    int64_t ld_q, ld_kv;               /* of q [rows, heads head_dim]; of k and v [rows, kv_heads head_dim] */
    double scale;
    int causal;       /* the last query sees all keys, the one before all but the last, ... */
    dev_real q, k, v; /* k and v may be the same, or lie in each other's rows */
    dev_real
        stats; /* [query rows, heads, 2]: the largest logit m, and the sum over j of exp(logit_j - m): what backward needs;
                        * NULL: not wanted */
    dev_int key_index; /* NULL: keys are the rows of k and v; else key j is their row key_index[j] */
    struct pair_types types;
    dev_int drop_keys; /* [segments] random keys; element (t heads + h) n_keys + j within the segment */
    struct dropout dropout;
    int64_t n_pairs; /* of a query and a key that it sees, to count work; 0: as if segments had equal lengths */
};

/* What attention_backward takes and gives, each of the shape of what it belongs to (dq [., ld_q], dk and dv [., ld_kv]). out and
 * sums are as attention() gave them. */
struct attention_gradients {
    dev_real out, sums, dout, dsums;   /* dsums NULL: none, sums is not read */
    dev_real dq, dk, dv, dbias, ddots; /* NULL: not wanted. Where v is k, dv may be dk: it collects both */
    int add_q, add_kv; /* 0: the rows of the segments are overwritten, not added to. dbias and ddots are added to */
};

/* Whether backward works from y, so that y may take x's memory; else it needs x. */
#define activation_from_output(f) ((f) <= ACTIVATION_SIGMOID)

/* A gated unit, y = f(gate) up, value by value; with SiLU that is SwiGLU (Shazeer, 2020). gate, up [n] */
struct glu {
    int64_t n;
    enum activation f;
    dev_real gate, up;
};

/* Each may be NULL: not wanted. accumulate: they are added to. */
struct glu_gradients {
    dev_real dgate, dup;
    int accumulate;
};

/* Of each row of s = x + residual: y = (s - mean) rstd gain + bias, with rstd = 1 / sqrt(mean of (s - mean)^2 + epsilon). Centred:
 * layer norm (Ba et al., 2016); else mean counts as 0: RMS norm (Zhang and Sennrich, 2019). */
struct norm {
    int64_t rows, cols;
    int center;
    double epsilon;
    dev_real x, residual; /* [rows, cols]; residual NULL: none */
    dev_real gain, bias;  /* [cols]; NULL: 1 and 0 */
    /* What is kept, each NULL if it is not wanted: sum [rows, cols], s where there is a residual (it may be x or residual); mean,
     * rstd [rows]. Backward needs rstd; sum, else x; and mean if centred. */
    dev_real sum, mean, rstd;
};

/* dx [rows, cols] is the gradient of s, so of x and of the residual; dgain, dbias [cols] are always added to. Each may be NULL:
 * not wanted. accumulate: dx is added to. */
struct norm_gradients {
    dev_real dx, dgain, dbias;
    int accumulate;
};

/* How weights lie in host memory: as reals, or as bfloat16, the upper half of a float32, as model files have them. */
enum storage { STORAGE_REAL, STORAGE_BF16 };

/* Weights of a frozen map in the layout that a backend multiplies from: linear_pack makes them. Only to be read. */
struct packed_weights {
    int64_t in, out;
    int weight_bytes; /* of one weight in device memory */
};

/* A linear map, trained or frozen: y = f(x W^T + b), or f(y + x W^T + b) if it accumulates; x [rows, in], y [rows, out]. */
struct linear {
    int64_t in, out;
    dev_real weight;               /* W [out, in]: may change from call to call; not read if `packed` is there */
    struct packed_weights *packed; /* frozen W, of linear_pack; NULL: none */
    dev_real bias;                 /* b [out]; NULL: none */
    enum activation f;
    int accumulate;
};

/* dx [rows, in]; dweight [out, in] and dbias [out] are always added to. Each may be NULL: not wanted. accumulate: dx is added
 * to. */
struct linear_gradients {
    dev_real dx, dweight, dbias;
    int accumulate;
};

/* Vectors that look for their rows of a codebook. */
struct quantize {
    int64_t n, dim;
    int64_t first, last; /* the candidates: rows first..last-1 of c; backward does not read them */
    int64_t top_k;       /* at most 16, at most last - first */
    dev_real u, c;       /* [n,dim], [.,dim]: rows of norm 1 (u of quantize_residual: any) */
};

/* What each vector has picked. */
struct picks {
    dev_int index;   /* [n,top_k] rows of c */
    dev_real weight; /* [n,top_k] */
    dev_real before; /* [n,top_k,dim]: what residual quantisation had left of u before each pick; else not used */
};

/* Moving averages of picks (van den Oord et al., 2017, appendix A.1; the smoothing of the counts is Laplace's). */
struct ema {
    int64_t size, dim; /* rows of the codebook, their width */
    double decay, epsilon;
};

/* Adam (Kingma and Ba, 2015, algorithm 1) with decoupled weight decay (Loshchilov and Hutter, 2019): with the gradient
 * g = gradient_scale * gradient,
 *   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2,
 *   p = (1 - rate weight_decay) p - rate m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + epsilon). */
struct adam {
    double beta1, beta2, epsilon, weight_decay;
};

/* The values that Adam trains and their moments, [n] each. */
struct adam_state {
    dev_real value, m, v;
};

/* What changes from one update to the next lies in device memory, so that updates can be recorded (device_run_recorded). */
enum adam_constant {
    ADAM_RATE,
    ADAM_CORRECTED_RATE, /* rate / (1 - beta1^step) */
    ADAM_CORRECTION,     /* 1 / sqrt(1 - beta2^step) */
    ADAM_GRADIENT_SCALE, /* of clipping */
    N_ADAM_CONSTANTS
};

/* Logits s[i,j] = scale a[i].b[j] + bias[j] of rows a over columns b (classes, tokens, other rows), and what each row should
 * choose. */
struct cross_entropy {
    int64_t n, m, dim; /* rows, columns, width */
    double scale;
    dev_real a, b;  /* [n,dim], [m,dim] */
    dev_real bias;  /* [m]; NULL: none */
    dev_int target; /* [n] the row's column; -1: the row is ignored. NULL: row i's is column first + i */
    int64_t first;
    double weight;    /* of all rows */
    dev_real weights; /* [n] of each; NULL: 1 */
    /* [n] and [m]; both NULL: no classes. A column of the row's own class is left out of the row's softmax, unless it is its
     * target. Class -1 leaves nothing out. */
    dev_int row_class, column_class;
    int exact; /* products in full precision whatever the device multiplies in: for a large scale */
};

/* Logits scale rows[i].columns[j]. */
struct similarities {
    int64_t dim;
    double scale;
    dev_real rows, columns; /* [n,dim], [m,dim] */
};

/* Two kinds of similarities of the same n rows to the same m columns, whose softmaxes are compared. */
struct softmax_divergence {
    int64_t n, m;
    struct similarities p, g;
    int64_t own; /* row i leaves column own + i out of both softmaxes, itself for instance; -1: none is left out */
    double weight;
};

/* Of the rows and columns of p and g; NULL: not wanted. Where two have the same columns, their gradients may be the same too. */
struct softmax_divergence_gradients {
    dev_real p_rows, p_columns, g_rows, g_columns;
};

/* Logits of independent labels, and the truth. */
struct bce {
    int64_t rows, labels;
    dev_real x;                /* [rows,labels] logits */
    dev_int y;                 /* [rows,labels] 1: has the label, 0: has not, -1: not known, ignored */
    dev_real positive_weights; /* [labels] of truths 1; NULL: 1 */
    double weight;             /* of all */
};

/* Weighted sums of a table's rows: bag i sums the items offsets[i] .. offsets[i+1]-1. */
struct bag {
    struct ragged items; /* offsets NULL: bags of n_rows / n items each */
    int64_t cols;        /* of the table */
    dev_int index;       /* [items.n_rows] rows of the table; -1 adds nothing */
    dev_real weight;     /* [items.n_rows]; NULL: 1 */
};

/* Rotary position embedding (Su et al., 2021) on rows of heads, of which ld values further the next row begins. The values c and c +
 * head_dim / 2 of a head are a pair, as in Hugging Face's rotate_half (the paper pairs neighbours: the same up to the order of
 * the weights' rows). */
struct rope {
    int64_t rows, heads, head_dim, ld; /* head_dim is even */
    dev_int position;                  /* [rows] */
    double base;                       /* pair c turns by base^(-2c / head_dim) a position */
    dev_real frequency;                /* [head_dim / 2] by which it turns instead; NULL: see base */
};

/* NOLINTBEGIN(bugprone-macro-parentheses): a name that is declared cannot stand in them */
/* The primitives. list.h says of each what it means. */
struct kernels {
#define PRIMITIVE(name, cost, arguments) void (*name)(struct device * PARAMETERS(arguments));
#define ENTRY(result, name, parameters)  result(*name) parameters;
#include "list.h"
};
/* NOLINTEND(bugprone-macro-parentheses) */

/* Their names in the order of the list; linear_pack, linear_borrow and linear_free, which prepare and do not compute, are left out. */
extern const char *const PRIMITIVE_NAMES[];
extern const int N_PRIMITIVES;

/* Fills constants[N_ADAM_CONSTANTS], on the host, for update number `step` (1 for the first). */
static inline void adam_constants(struct adam adam, double rate, int64_t step, double gradient_scale, real *constants) {
    constants[ADAM_RATE] = (real)rate;
    constants[ADAM_CORRECTED_RATE] = (real)(rate / (1 - pow(adam.beta1, (double)step)));
    constants[ADAM_CORRECTION] = (real)(1 / sqrt(1 - pow(adam.beta2, (double)step)));
    constants[ADAM_GRADIENT_SCALE] = (real)gradient_scale;
}

#endif
