/* Every numeric primitive, once: shapes, meaning, and who accumulates. `device->run->NAME(device, ...)`.
 *
 * Matrices are row-major and dense unless a leading dimension `ld` is given. Ragged data are (values, offsets): segment
 * i holds rows offsets[i] .. offsets[i+1]-1, and may be empty. `=` overwrites the output, `+=` adds to it: forward
 * functions overwrite, backward functions add, so that a value used twice collects both gradients; those with `accumulate` 0
 * overwrite the gradients of their rows (dx, dq, dkv), which then need not be cleared before. Sums over rows that
 * end in one number are kept in double. Results do not depend on the number of threads. Counts may be 0. On CUDA, where
 * many rows may add to one (scatter_add_rows, quantize_backward's dc, sum_picks, attention_backward's dbias and, with a key
 * index, dk and dv), the order is not fixed: last bits may differ from run to run.
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

/* Matrices of one shape: the first, its leading dimension, and how many values further the next one begins. They may lie within
 * each other's rows (the heads of an attention: stride < ld), but share no value. */
struct matrices {
    dev_real first;
    int64_t ld, stride;
};

/* Which elements dropout sets to zero: element e of segment i survives if the 16-bit random number of
 * (seed, stream, step, index = segment_key[i], e) is at least rate * 65536 (see dropout_keeps in dropout.h);
 * survivors are divided by 1 - rate. rate 0: all survive. */
struct dropout {
    double rate;
    uint64_t seed;
    uint32_t stream, step;
};

/* GELU (Hendrycks and Gimpel, 2016): x Phi(x) with the normal distribution's Phi, or its approximation by tanh. */
enum activation { ACTIVATION_NONE, ACTIVATION_RELU, ACTIVATION_GELU, ACTIVATION_GELU_TANH };

/* Types of pairs of a query and a key: y = type[kind_of_query[query row], kind_of_key[key]], type [kinds of queries, n_kinds].
 * A key's kind is found where the key is counted: at its row, or with a key index at its position there (so edges have kinds).
 * n_types 0: all pairs are of one type, without bias. */
struct pair_types {
    int64_t n_types, n_kinds; /* n_kinds: of keys */
    dev_int kind_of_query, kind_of_key, type;
    dev_real bias; /* [heads, n_types], added to the logits; NULL: none */
};

/* Attention of the query rows of each segment to its key rows (Vaswani et al., 2017), for each of `heads` heads; head h has key
 * and value head h' = h kv_heads / heads (Ainslie et al., 2023). For query row t and key j that it may see,
 *   p = softmax over j of (scale q[t,h].k[j,h'] + bias[h,y(t,j)]),   out[t,h] = sum over j of p f v[j,h'],
 *   sums[t,h,y] = sum of p f over the pairs of type y,
 * with f dropout's factors. A row that sees no key has out = sums = 0. */
struct attention {
    struct spans queries, keys;           /* as many segments of each */
    int64_t heads, kv_heads, head_dim;    /* kv_heads divides heads */
    int64_t ld_q, ld_kv;                  /* of q [rows, heads head_dim]; of k and v [rows, kv_heads head_dim] */
    double scale;
    int causal;                           /* the last query sees all keys, the one before all but the last, ... */
    dev_real q, k, v;                     /* k and v may be the same, or lie in each other's rows */
    dev_real stats;                       /* [query rows, heads, 2]: the largest logit m and sum over j of exp(logit_j - m): what
                                             backward needs; NULL: not wanted */
    dev_int key_index;                    /* NULL: keys are the rows of k and v; else key j is their row key_index[j] */
    struct pair_types types;
    dev_int drop_keys;                    /* [segments] random keys; element (t heads + h) n_keys + j within the segment */
    struct dropout dropout;
    int64_t n_pairs;                      /* of a query and a key that it sees, to count work; 0: as if segments had equal lengths */
};

/* What attention_backward takes and gives, each of the shape of what it belongs to (dq [., ld_q], dk and dv [., ld_kv]). out and
 * sums are as attention() gave them. */
struct attention_gradients {
    dev_real out, sums, dout, dsums; /* dsums NULL: none, sums is not read */
    dev_real dq, dk, dv, dbias;      /* NULL: not wanted. Where v is k, dv may be dk: it collects both */
    int add_q, add_kv;               /* 0: the rows of the segments are overwritten, not added to. dbias is added to */
};

struct linear; /* packed weights of a linear map; opaque, each backend has its own */

/* Adam (Kingma and Ba, 2015, algorithm 1) with decoupled weight decay (Loshchilov and Hutter, 2019): with the gradient
 * g = gradient_scale * gradient,
 *   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2,
 *   p = (1 - rate weight_decay) p - rate m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + epsilon). */
struct adam {
    double beta1, beta2, epsilon, weight_decay;
};

/* What changes from one update to the next lies in device memory, so that updates are repeated work (device_repeat). */
enum adam_now {
    ADAM_RATE,
    ADAM_CORRECTED_RATE, /* rate / (1 - beta1^step) */
    ADAM_CORRECTION,     /* 1 / sqrt(1 - beta2^step) */
    ADAM_GRADIENT_SCALE, /* of clipping */
    N_ADAM_NOW
};

struct kernels {
    /* ---- vectors ---- */
    /* x[n] = value */
    void (*fill)(struct device *, int64_t n, double value, dev_real x);
    /* y[n] += alpha x[n] */
    void (*axpy)(struct device *, int64_t n, double alpha, dev_real x, dev_real y);
    /* y[n] = keep[0] y + (1 - keep[0]) x: one step of an exponential moving average */
    void (*blend)(struct device *, int64_t n, dev_real keep, dev_real x, dev_real y);
    /* out[0] += alpha sum_i a[i] b[i] */
    void (*dot)(struct device *, int64_t n, double alpha, dev_real a, dev_real b, dev_real out);
    /* out[0] += alpha sum_i (a[i] - b[i])^2 */
    void (*squared_distance)(struct device *, int64_t n, double alpha, dev_real a, dev_real b, dev_real out);
    /* da[n] += alpha 2 (a - b); the gradient of alpha |a - b|^2 with respect to a */
    void (*squared_distance_backward)(struct device *, int64_t n, double alpha, dev_real a, dev_real b, dev_real da);
    /* loss[0] += weight |x|_2, and dx[n] = weight x / |x| (0 if |x| = 0) */
    void (*norm_loss)(struct device *, int64_t n, double weight, dev_real x, dev_real loss, dev_real dx);
    /* out[0] = number of values that are NaN or infinite */
    void (*count_nonfinite)(struct device *, int64_t n, dev_real x, dev_real out);

    /* ---- matrices ---- */
    /* c[m,n] = alpha op(a) op(b) + beta c, with op(a) [m,k] and op(b) [k,n]; transpose_a: a is stored [k,m] */
    void (*gemm)(struct device *, int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k, double alpha,
                 dev_real a, int64_t lda, dev_real b, int64_t ldb, double beta, dev_real c, int64_t ldc);
    /* `count` products of that kind at once: matrix i of an operand begins i * stride values after the first */
    void (*gemm_batch)(struct device *, int64_t count, int transpose_a, int transpose_b, int64_t m, int64_t n,
                       int64_t k, double alpha, struct matrices a, struct matrices b, double beta, struct matrices c);
    /* y[rows,cols] += bias[cols] in each row */
    void (*add_bias)(struct device *, int64_t rows, int64_t cols, dev_real bias, dev_real y);
    /* out[cols] += sum over rows of x[rows,cols] */
    void (*sum_rows)(struct device *, int64_t rows, int64_t cols, dev_real x, dev_real out);
    /* y[n] = max(y, 0);  dy = 0 where y is 0 */
    void (*relu)(struct device *, int64_t n, dev_real y);
    void (*relu_backward)(struct device *, int64_t n, dev_real y, dev_real dy);
    /* y[rows,cols] (ldy) = x[rows,cols] (ldx); accumulate: += */
    void (*copy_matrix)(struct device *, int64_t rows, int64_t cols, dev_real x, int64_t ldx, dev_real y, int64_t ldy,
                        int accumulate);
    /* y[r] = x[r] / norm[r], norm[r] = max(|x[r]|_2, 1e-12);  dx += (dy - y (y.dy)) / norm */
    void (*l2_normalize)(struct device *, int64_t rows, int64_t cols, dev_real x, dev_real y, dev_real norm);
    void (*l2_normalize_backward)(struct device *, int64_t rows, int64_t cols, dev_real y, dev_real norm, dev_real dy,
                                  dev_real dx);
    /* y = (x - mean) rstd gain + bias per row, biased variance + epsilon (1e-5); mean, rstd [rows] are kept for backward.
     * Backward adds to dx, dgain, dbias. */
    void (*layer_norm)(struct device *, int64_t rows, int64_t cols, dev_real x, dev_real gain, dev_real bias,
                       dev_real y, dev_real mean, dev_real rstd);
    void (*layer_norm_backward)(struct device *, int64_t rows, int64_t cols, dev_real x, dev_real gain, dev_real mean,
                                dev_real rstd, dev_real dy, dev_real dx, dev_real dgain, dev_real dbias,
                                int accumulate);

    /* ---- rows and segments ---- */
    /* out[i] = table[index[i]], [n,cols]; index -1 gives a zero row. gather_halves: of a table in half precision, widened. */
    void (*gather_rows)(struct device *, int64_t n, int64_t cols, dev_real table, dev_int index, dev_real out);
    void (*gather_halves)(struct device *, int64_t n, int64_t cols, dev_half table, dev_int index, dev_real out);
    /* table[index[i]] += x[i]; -1 is passed over. */
    void (*scatter_add_rows)(struct device *, int64_t n, int64_t cols, dev_real x, dev_int index, dev_real table);
    /* y[i] = mean of the rows of segment i of x, [n,cols]; an empty segment gives 0 */
    void (*segment_mean)(struct device *, struct ragged rows, int64_t cols, dev_real x, dev_real y);
    void (*segment_mean_backward)(struct device *, struct ragged rows, int64_t cols, dev_real dy, dev_real dx,
                                  int accumulate);
    /* y = dropout(x), or y += with accumulate; x,y [n_rows, cols]. Element e of segment i counts row-major within the
     * segment. keys[n] are the segments' keys (global code indices). Its own backward. y may be x. */
    void (*dropout)(struct device *, struct ragged rows, int64_t cols, dev_int keys, struct dropout dropout, dev_real x,
                    dev_real y, int accumulate);

    /* ---- graphs: segment i of `nodes` is graph i; `edges` are numbered through the batch ---- */
    /* scale[v] = 1 / sqrt(1 + number of incoming edges), for n_nodes nodes */
    void (*gcn_scale)(struct device *, int64_t n_nodes, dev_int edge_offsets, dev_real scale);
    /* y[v] = scale[v] (scale[v] x[v] + sum over incoming edges of scale[u] x[u]): D^-1/2 (A + I) D^-1/2 X */
    void (*gcn_aggregate)(struct device *, struct ragged nodes, struct edges edges, int64_t cols, dev_real scale,
                          dev_real x, dev_real y);
    /* dx += transpose of the above applied to dy */
    void (*gcn_aggregate_backward)(struct device *, struct ragged nodes, struct edges edges, int64_t cols,
                                   dev_real scale, dev_real dy, dev_real dx, int accumulate);

    /* out[rows,heads] = sum over c of x[r,h,c] a[h,c], with x [rows, heads * cols] and a [heads * cols] */
    void (*head_dots)(struct device *, int64_t rows, int64_t heads, int64_t cols, dev_real x, dev_real a, dev_real out);
    /* dx[r,h,c] += dout[r,h] a[h,c] and da[h,c] += sum over rows of dout[r,h] x[r,h,c] */
    void (*head_dots_backward)(struct device *, int64_t rows, int64_t heads, int64_t cols, dev_real x, dev_real a,
                               dev_real dout, dev_real dx, dev_real da);
    /* Graph attention (Velickovic et al., 2018), for each head: over node v itself and the sources u of its incoming
     * edges, as often as listed, p = softmax(LeakyReLU_0.2(source[u] + target[v])) and y[v] = sum p x[u]. x, y [n_nodes,
     * heads * cols]; source, target [n_nodes, heads]; probs [n_nodes + edges, heads] keeps p: row v + edge_offsets[v]
     * that of v itself, the following rows those of its edges. */
    void (*graph_attention)(struct device *, struct ragged nodes, struct edges edges, int64_t heads, int64_t cols,
                            dev_real source, dev_real target, dev_real x, dev_real probs, dev_real y);
    /* dsource, dtarget, dx += the gradients of the above, from dy */
    void (*graph_attention_backward)(struct device *, struct ragged nodes, struct edges edges, int64_t heads,
                                     int64_t cols, dev_real source, dev_real target, dev_real x, dev_real probs,
                                     dev_real dy, dev_real dsource, dev_real dtarget, dev_real dx);

    /* ---- attention: see struct attention. out [query rows, heads * head_dim]; sums [query rows, heads, n_types, or 1 without
     * types], NULL: not wanted. Nothing that grows with queries times keys is stored. ---- */
    void (*attention)(struct device *, const struct attention *attention, dev_real out, dev_real sums);
    /* Segments may share key rows only by a key index; then add_kv is taken for 1. */
    void (*attention_backward)(struct device *, const struct attention *attention,
                               const struct attention_gradients *gradients);

    /* ---- a frozen transformer (Devlin et al., 2019), forward only ---- */
    /* Packs the map y = x W^T + b for linear(): weight [out,in] and bias [out] are host memory, read once. NULL if memory is
     * out or the precision is not there (the device's error says so); free with linear_free, NULL is allowed. */
    struct linear *(*linear_pack)(struct device *, int64_t in, int64_t out, const real *weight, const real *bias,
                                  enum precision_of_products precision);
    void (*linear_free)(struct linear *);
    /* y[rows,out] = f(x[rows,in] W^T + b). A row's result does not depend on the other rows or on its place. */
    void (*linear)(struct device *, const struct linear *, int64_t rows, dev_real x, enum activation f, dev_real y);
    /* y[i] = words[id[i]] + places[place[i]], [n,cols] */
    void (*embed_tokens)(struct device *, int64_t n, int64_t cols, dev_real words, dev_int id, dev_real places,
                         dev_int place, dev_real y);
    /* y = layer norm of x + residual, by rows (see layer_norm). residual may be NULL; y may be x or residual. */
    void (*add_layer_norm)(struct device *, int64_t rows, int64_t cols, dev_real x, dev_real residual, dev_real gain,
                           dev_real bias, double epsilon, dev_real y);

    /* ---- quantiser (method.md section 3). u [n,dim] and c [.,dim] have rows of norm 1; the candidates are rows
     *      first..last-1 of c; top_k <= 16, top_k <= last-first ---- */
    /* index[n,top_k]: the rows of c nearest to u by |u|^2+|c|^2-2u.c, nearest first, ties to the smaller index;
     * weight[n,top_k] = softmax(-distance); q[n,dim] = sum_k weight c[index]. The distance matrix is never stored. */
    void (*quantize)(struct device *, int64_t n, int64_t dim, int64_t first, int64_t last, int64_t top_k, dev_real u,
                     dev_real c, dev_int index, dev_real weight, dev_real q);
    /* From dq: du += and dc[index] += the gradients through the weights and the code vectors themselves. dc may be NULL. */
    void (*quantize_backward)(struct device *, int64_t n, int64_t dim, int64_t top_k, dev_real u, dev_real c,
                              dev_int index, dev_real weight, dev_real dq, dev_real du, dev_real dc);

    /* What the picks give to the rows: picks[.,dim+1] at row index[i,k] += (weight[i,k] u[i], weight[i,k]), sums of the
     * vectors and, in the last column, counts; added in the order of i, then k. */
    void (*sum_picks)(struct device *, int64_t n, int64_t dim, int64_t top_k, dev_real u, dev_int index,
                      dev_real weight, dev_real picks);
    /* Moving averages of such sums, and the rows that they make (van den Oord et al., 2017, appendix A.1; the smoothing
     * of the counts is Laplace's): for each row j of picks, average[size,dim+1],
     *   average_j = decay average_j + (1 - decay) picks_j,   and with average_j = (m_j, N_j) and N = sum_j N_j,
     *   c_j = m_j / (N (N_j + epsilon) / (N + size epsilon)) where picks_j has a count above 0;
     * other rows of c [size,dim] stay: their m_j and N_j only shrink alike. */
    void (*ema_rows)(struct device *, int64_t size, int64_t dim, double decay, double epsilon, dev_real picks,
                     dev_real average, dev_real c);

    /* ---- contrastive cross-entropy, value and gradients at once: logits = a b^T / temperature, row i's positive is
     *      column positive + i. loss[0] += weight sum_i -log softmax(logits_i)[positive + i];
     *      da[n,dim] += and db[m,dim] += its gradients.
     *      row_class[n], column_class[m]: a column of the row's own class is no negative of it: it is left out of the
     *      row's softmax, unless it is the positive. Class -1 leaves nothing out; both may be NULL: no classes. ---- */
    void (*nce)(struct device *, int64_t n, int64_t m, int64_t dim, int64_t positive, double temperature, double weight,
                dev_int row_class, dev_int column_class, dev_real a, dev_real b, dev_real loss, dev_real da,
                dev_real db);

    /* ---- optimiser: Adam on n values; value, m and v are updated in place. now[N_ADAM_NOW]: see adam_now ---- */
    void (*adam)(struct device *, int64_t n, struct adam adam, dev_real now, dev_real gradient, dev_real value,
                 dev_real m, dev_real v);
};

/* Fills now[N_ADAM_NOW], on the host, for update number `step` (1 for the first). */
static inline void adam_now(struct adam adam, double rate, int64_t step, double gradient_scale, real *now) {
    now[ADAM_RATE] = (real)rate;
    now[ADAM_CORRECTED_RATE] = (real)(rate / (1 - pow(adam.beta1, (double)step)));
    now[ADAM_CORRECTION] = (real)(1 / sqrt(1 - pow(adam.beta2, (double)step)));
    now[ADAM_GRADIENT_SCALE] = (real)gradient_scale;
}

#endif
