"""The method of MedTok written as its formulas, in PyTorch, and the reference files under tests/golden/medtok made with it.

usage: medtok_reference.py [CASE ...]    (needs torch and numpy; without arguments all of CASES, and medtok/VERSIONS)

Everything is dense and padded, and in float64 unless told otherwise; nothing is taken from the C code but its numbering of
random numbers (kernels/philox.h, kernels/dropout.h), so that both sides drop the same elements and edges and draw the same
batches. Each file medtok/CASE.txt is read by tests/unit/medtok/test_golden.c and holds, a word or number at a time:

  set KEY=VALUE                    settings, as for `--set`
  tensor NAME ROWS COLS values...  row by row

  input.*     codes with their tokens, features, nodes and edges, as in vocabulary.h5 and text.h5 (src/store/*.h); has_text: 0 where
              the text is absent; family: codes of one number have the same parent, -1 none
  initial.*   the parameters before the first step
  forward.*   step 0: t and g of the codes with both sides; z, q, tokens and weights of each group; z of the second views. Rows of
              the text's groups are the codes with text; rows of the graph's those with a graph
  loss.*      each term of the loss of step 0
  gradient.*  its gradient with respect to each parameter
  steps.*     the terms [steps, terms] and the norm of the gradient of each of the steps
  after.*     the parameters after the last step
  sure.*      where epsilon is smaller than the rounding of float32 (see SMALL): 1 where no step's gradient was that small, so that `after`
              can be compared
  table.*     what they make of all codes: tokens and weights [codes, 4 K], embedding [codes, 4 d]; an absent side's are -1, 0, 0

A new option: its formula below, its key in DEFAULTS, a line in CASES, the case's name in test_golden.c, and run this.
training_parity.py uses the same functions in float32 on real codes.
"""
import os
import platform
import sys

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "medtok")

# Keys of src/config/schema.c that change what is computed, with the settings of the publication.
DEFAULTS = {
    "run.seed": 0, "graph.encoder": "gcn", "graph.node_dim": 64, "graph.hidden": 128, "graph.heads": 4, "graph.edge_drop": 0.1,
    "text.dropout": 0.1, "model.text_specific": "map", "attention.heads": 4, "attention.layers": 2, "attention.dropout": 0.1, "quantizer.size": 21000,
    "quantizer.dim": 64, "quantizer.top_k": 5, "quantizer.commit": 0.25, "quantizer.loss_space": "raw",
    "quantizer.shared_region": "all", "quantizer.assign": "nearest", "quantizer.gradient": "straight_through", "quantizer.rate": 0, "quantizer.rows": "free", "loss.temperature": 0.07, "loss.align": 0.1, "loss.orthogonality": 0.1, "loss.orthogonality_per": "batch", "loss.reconstruction": 0, "loss.kl": 0, "loss.neighbours": 0, "loss.neighbours_temperature": 0.05, "loss.neighbours_token_temperature": 0.07, "loss.parts": 1,
    "quantizer.update": "gradient", "quantizer.ema_decay": 0.99, "quantizer.ema_epsilon": 1e-5, "quantizer.revive_after": 0, "quantizer.warmup": 0,
    "loss.sibling_negatives": "keep", "train.batch": 1024, "train.steps": 10, "train.schedule": "constant", "train.warmup": 0,
    "train.rate_end": 0, "train.weight_decay": 0, "train.rate": 1e-4, "train.beta1": 0.9, "train.beta2": 0.95, "train.epsilon": 1e-8, "train.clip": 1.0, "train.partition": "block"}

GROUPS = ["text", "graph", "shared_text", "shared_graph"]
TERMS = ["codebook_text", "codebook_graph", "codebook_shared_text", "codebook_shared_graph", "shared", "align", "specific_text",
         "specific_graph", "orthogonal_text", "orthogonal_graph", "reconstruction_text", "reconstruction_graph", "kl", "neighbours_text", "neighbours_graph"]


# ---- random numbers: Philox4x32-10 (Salmon et al., 2011), numbered as in src/base/rng.h ----
RNG_INIT, RNG_SAMPLER, RNG_DROPOUT, RNG_EDGE_DROP, RNG_ORDER = 0x100, 0x200, 0x300, 0x400, 0x600
WORD = np.uint64(0xffffffff)


def philox(seed, stream, step, index, block):
    """Four arrays of 32-bit words (in uint64), for arrays of counters (index, block)."""
    index, block = np.broadcast_arrays(np.asarray(index, np.uint64), np.asarray(block, np.uint64))
    c = [block & WORD, np.uint64(stream) ^ ((index >> np.uint64(32) << np.uint64(12)) & WORD), np.uint64(step), index & WORD]
    key = [seed & 0xffffffff, seed >> 32]
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [p1 >> np.uint64(32) ^ c[1] ^ np.uint64(key[0]), p1 & WORD, p0 >> np.uint64(32) ^ c[3] ^ np.uint64(key[1]), p0 & WORD]
        key = [(key[0] + 0x9E3779B9) & 0xffffffff, (key[1] + 0xBB67AE85) & 0xffffffff]
    return [np.broadcast_to(w, index.shape) for w in c]


def unit_interval(high, low):
    return ((high << np.uint64(32) | low) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def uniforms(seed, stream, step, index):
    w = philox(seed, stream, step, index, 0)
    return unit_interval(w[0], w[1])


def normals(seed, stream, step, index):
    w = philox(seed, stream, step, index, 0)
    return np.sqrt(-2 * np.log(1 - unit_interval(w[0], w[1]))) * np.cos(2 * np.pi * unit_interval(w[2], w[3]))


def shuffle(seed, stream, step, index, items):
    """Fisher and Yates, from the end."""
    positions = np.arange(len(items))
    w = philox(seed, stream, step, index, positions)
    for i, j in zip(positions[:0:-1], (unit_interval(w[0], w[1]) * (positions + 1)).astype(int)[:0:-1]):
        items[i], items[j] = items[j], items[i]


def survivors(rate, seed, stream, step, keys, counts):
    """Which of the elements 0 .. counts[i]-1 of each segment (with key keys[i]) survive dropout, one after the other. Eight
    neighbouring elements share a Philox call; each has 16 bits of it."""
    counts = np.asarray(counts, np.int64)
    if rate == 0:
        return np.ones(counts.sum(), bool)
    blocks = (counts + 7) // 8
    first = np.cumsum(blocks) - blocks
    block = np.arange(blocks.sum()) - np.repeat(first, blocks)
    words = philox(seed, stream, step, np.repeat(np.asarray(keys, np.int64), blocks), block)
    halves = np.stack([half for w in words for half in (w & np.uint64(0xffff), w >> np.uint64(16))], 1).reshape(-1)
    element = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return halves[np.repeat(8 * first, counts) + element] >= np.uint64(rate * 65536 + 0.5)


# ---- batches: stratified, as src/train/sampler.h says ----
class Sampler:
    def __init__(self, settings, n_codes):
        self.seed, self.n, self.epoch = settings["run.seed"], n_codes, -1
        self.order = np.arange(n_codes)
        if settings["train.partition"] == "random":
            shuffle(self.seed, RNG_ORDER, 0, 0, self.order)
        self.strata = min(settings["train.batch"], n_codes)
        self.steps_per_epoch = -(-n_codes // self.strata)

    def step(self, step):
        epoch, batch = divmod(step, self.steps_per_epoch)
        if epoch != self.epoch:
            first = [self.n * k // self.strata for k in range(self.strata + 1)]
            self.pieces = [self.order[a:b].copy() for a, b in zip(first, first[1:])]
            for k, piece in enumerate(self.pieces):
                shuffle(self.seed, RNG_SAMPLER, epoch, k, piece)
            self.epoch = epoch
        chosen, short = [], 0
        for piece in self.pieces:
            element = batch
            if len(piece) < self.steps_per_epoch:  # one short: it passes over a batch, each such stratum the next one
                passed, short = short % self.steps_per_epoch, short + 1
                element = None if batch == passed else batch - (batch > passed)
            if element is not None:
                chosen.append(piece[element])
        return np.array(chosen)


class Codes:
    """The inputs, ragged: code i has tokens token_row[token_offsets[i] : token_offsets[i+1]], rows of `features`, the first
    that of [CLS]; likewise nodes; edge_source and edge_target are indices in the code's list of nodes. has_text None: all have."""

    def __init__(self, has_text=None, family=None, **arrays):
        self.__dict__.update(arrays)
        self.n = len(self.token_offsets) - 1
        self.has_text, self.family = np.ones(self.n, int) if has_text is None else has_text, family

    def piece(self, name, i, offsets=None):
        offsets = getattr(self, (offsets or name) + "_offsets")
        return getattr(self, {"token": "token_row", "node": "nodes"}.get(name, name))[offsets[i]:offsets[i + 1]]


class Batch:
    """Some codes, padded: H [n, L, dim], token [n, L]; nodes [n, m], node [n, m]; A [n, m, m] counts the edges from u to v at
    [v, u], A_2 those that the second view keeps; `drop` holds the factors of dropout by site, 0 or 1 / (1 - rate). text, graph,
    both: indices of the codes that have these sides."""

    def __init__(self, settings, codes, chosen, step=None, dtype=torch.float64):
        self.settings, self.chosen, self.train, self.dtype = settings, chosen, step is not None, dtype
        self.warming = self.train and step < settings["quantizer.warmup"]  # the quantiser is passed over
        tokens = [codes.piece("token", i)[:None if codes.has_text[i] else 0] for i in chosen]
        nodes = [codes.piece("node", i) for i in chosen]
        self.n_tokens, self.n_nodes = np.array([len(t) for t in tokens]), np.array([len(v) for v in nodes])
        self.token = torch.arange(max(1, max(self.n_tokens)))[None] < torch.as_tensor(self.n_tokens)[:, None]
        self.node = torch.arange(max(1, max(self.n_nodes)))[None] < torch.as_tensor(self.n_nodes)[:, None]
        text, graph = self.token[:, 0], self.node[:, 0]
        self.text, self.graph, self.both = (x.nonzero()[:, 0] for x in (text, graph, text & graph))
        self.family = None
        if settings["loss.sibling_negatives"] == "leave-out":
            self.family = torch.as_tensor(codes.family[chosen])
        self.H = torch.zeros(*self.token.shape, codes.features.shape[1], dtype=dtype)
        self.H[self.token] = torch.as_tensor(codes.features[np.concatenate(tokens)]).to(dtype)
        self.nodes = torch.zeros(self.node.shape, dtype=torch.int64)
        self.nodes[self.node] = torch.as_tensor(np.concatenate(nodes)).long()
        self.A, self.A_2 = self.adjacency(codes, None), self.adjacency(codes, step)
        self.drop = self.dropout(step) if self.train else {}

    def side(self, group):
        return self.graph if "graph" in group else self.text

    def adjacency(self, codes, step):
        A = torch.zeros(len(self.chosen), self.node.shape[1], self.node.shape[1], dtype=self.dtype)
        edges = [codes.piece("edge_source", i, "edge") for i in self.chosen], [codes.piece("edge_target", i, "edge") for i in self.chosen]
        counts = [len(e) for e in edges[0]]
        rate = self.settings["graph.edge_drop"] if step is not None else 0
        keep = survivors(rate, self.settings["run.seed"], RNG_EDGE_DROP, step or 0, self.chosen, counts)
        code, source, target = (torch.as_tensor(np.asarray(x, np.int64)[keep]) for x in
                                (np.repeat(np.arange(len(counts)), counts), np.concatenate(edges[0]), np.concatenate(edges[1])))
        return A.index_put_((code, target, source), torch.ones(len(code), dtype=self.dtype), accumulate=True)

    def factors(self, rate, site, step, counts, valid):
        """Dropout's factors where `valid` is true, in their order."""
        keep = survivors(rate, self.settings["run.seed"], RNG_DROPOUT + site, step, self.chosen, counts)
        out = torch.zeros(valid.shape, dtype=self.dtype)
        out[valid] = torch.as_tensor(keep).to(self.dtype) / (1 - rate)
        return out

    def dropout(self, step):
        s, text, some = self.settings, self.token[:, 0], self.token[:, 0].int().numpy()
        heads, d, dim, rate = s["attention.heads"], s["quantizer.dim"], self.H.shape[2], s["attention.dropout"]
        every = lambda n: torch.ones(n, dtype=torch.bool)
        head = every(heads)[:, None]
        drop = {"text": self.factors(s["text.dropout"], 0, step, dim * some, text[:, None] & every(dim))}
        for layer in range(s["attention.layers"]):
            site = 1 + 4 * layer
            drop["text asks", layer, "p"] = self.factors(
                rate, site, step, heads * self.n_nodes * some, self.node[:, None, None, :] & text[:, None, None, None] & head)
            drop["text asks", layer, "out"] = self.factors(rate, site + 1, step, d * some, text[:, None, None] & every(d))
            drop["graph asks", layer, "p"] = self.factors(
                rate, site + 2, step, heads * self.n_nodes * self.n_tokens,
                self.node[:, :, None, None] & self.token[:, None, None, :] & head)
            drop["graph asks", layer, "out"] = self.factors(
                rate, site + 3, step, d * self.n_nodes, self.node[:, :, None] & every(d))
        return drop


# ---- parameters: names, shapes and initial values, in the order of src/medtok/parameters.c, which numbers the draws ----
def initial_parameters(settings, text_dim, n_nodes):
    """Name -> float32 array. nn.Linear's values for the text map and the specific maps, Glorot's for the graph and for the
    attention (one [3d, d] projection for query, key, value, as in nn.MultiheadAttention)."""
    d, size, hidden = settings["quantizer.dim"], settings["quantizer.size"], settings["graph.hidden"]
    gat = settings["graph.encoder"] == "gat"
    heads = settings["graph.heads"] if gat else 1
    glorot = lambda a, b: (6 / (a + b))**0.5
    table = [("codebook", (size, d), "normal", 1)]

    def linear(name, out, width, bound=None):
        table.append((name + ".weight", (out, width), "uniform", bound or width**-0.5))
        table.append((name + ".bias", (1, out), "constant", 0) if bound else (name + ".bias", (1, out), "uniform", width**-0.5))

    linear("text.map", d, text_dim)
    for layer, out, width, h in (0, hidden, settings["graph.node_dim"], heads), (1, d, heads * hidden, 1):
        linear(f"graph.layer{layer}", h * out, width, glorot(width, h * out))
        for half in ("source", "target") if gat else ():
            table.append((f"graph.layer{layer}.{half}", (1, h * out), "uniform", glorot(h, out)))
    for layer in range(settings["attention.layers"]):
        linear(f"attention.{layer}.query", d, d, glorot(d, 3 * d))
        linear(f"attention.{layer}.key_value", 2 * d, d, glorot(d, 3 * d))
        linear(f"attention.{layer}.output", d, d, d**-0.5)
        table.append((f"attention.{layer}.norm.gain", (1, d), "constant", 1))
        table.append((f"attention.{layer}.norm.bias", (1, d), "constant", 0))
    linear("text.specific", d, text_dim if settings["model.text_specific"] == "feature" else d)
    linear("graph.specific", d, d)
    table.append(("graph.nodes", (n_nodes, settings["graph.node_dim"]), "normal", 1))
    if settings["loss.reconstruction"]:
        linear("text.decoder", text_dim, 2 * d)
        linear("graph.decoder", d, 2 * d)
    values = {}
    for number, (name, shape, kind, scale) in enumerate(table):
        element = np.arange(shape[0] * shape[1], dtype=np.uint64)
        if kind == "uniform":
            x = scale * (2 * uniforms(settings["run.seed"], RNG_INIT, number, element) - 1)
        else:
            x = normals(settings["run.seed"], RNG_INIT, number, element) if kind == "normal" else np.full(len(element), scale)
        values[name] = x.astype(np.float32).reshape(shape)
    return values


# ---- section 2: encoders ----
def linear(P, name, x):
    return x @ P[name + ".weight"].T + P[name + ".bias"]


def gcn_layer(P, name, A, X):
    """D^-1/2 (A + I) D^-1/2 X W + b"""
    A = A + torch.eye(A.shape[1], dtype=A.dtype)
    degree = A.sum(-1)
    return linear(P, name, A / (degree[:, :, None] * degree[:, None, :]).sqrt() @ X)


def gat_layer(P, name, A, X, heads):
    """Velickovic et al. (2018): x'_v = sum over u of softmax_u(LeakyReLU(a_s.Wx_u + a_t.Wx_v)) Wx_u + b; an edge that is listed
    several times counts as often."""
    count = A + torch.eye(A.shape[1], dtype=A.dtype)
    X = (X @ P[name + ".weight"].T).unflatten(-1, (heads, -1))
    source = (X * P[name + ".source"].view(heads, -1)).sum(-1)
    target = (X * P[name + ".target"].view(heads, -1)).sum(-1)
    logits = F.leaky_relu(source[:, None, :, :] + target[:, :, None, :], 0.2)
    p = (logits + count.log()[..., None]).softmax(2)
    return torch.einsum("nvuh,nuhc->nvhc", p, X).flatten(-2) + P[name + ".bias"]


def encode_graph(P, settings, A, X):
    if settings["graph.encoder"] == "gcn":
        return gcn_layer(P, "graph.layer1", A, F.relu(gcn_layer(P, "graph.layer0", A, X)))
    return gat_layer(P, "graph.layer1", A, F.relu(gat_layer(P, "graph.layer0", A, X, settings["graph.heads"])), 1)


def mean_over(x, valid):
    """Mean over the valid rows; 0 where there are none."""
    return (x * valid[..., None]).sum(1) / valid.sum(1).clamp(min=1)[:, None].to(x.dtype)


# ---- section 3: cross-attention and quantiser ----
def cross_attention(P, batch, side, x, y, valid):
    """x [n, q, d] asks y [n, k, d], whose rows count where `valid`. A code without any gets 0 from the attention itself."""
    heads = batch.settings["attention.heads"]
    for layer in range(batch.settings["attention.layers"]):
        name = f"attention.{layer}"
        key, value = linear(P, name + ".key_value", y).chunk(2, -1)
        query, key, value = (z.unflatten(-1, (heads, -1)) for z in (linear(P, name + ".query", x), key, value))
        logits = torch.einsum("nqhc,nkhc->nqhk", query, key) / query.shape[-1]**0.5
        p = logits.masked_fill(~valid[:, None, None, :], -1e30).softmax(-1) * valid[:, None, None, :]
        out = torch.einsum("nqhk,nkhc->nqhc", p * batch.drop.get((side, layer, "p"), 1), value).flatten(-2)
        out = linear(P, name + ".output", out) * batch.drop.get((side, layer, "out"), 1)
        x = F.layer_norm(x + out, x.shape[-1:], P[name + ".norm.gain"][0], P[name + ".norm.bias"][0], 1e-5)
    return x


def region(settings, group):
    n, third = settings["quantizer.size"], settings["quantizer.size"] // 3
    if group == "text":
        return 0, third
    if group == "graph":
        return n - third, n
    return (third, n - third) if settings["quantizer.shared_region"] == "middle" else (0, n)


def rotated(z, q):
    """q as lambda R z with lambda R constant (Fifty et al., 2024, section 4): R = I - 2 r r^T + 2 q' z'^T, r halfway between the
    directions z' and q'."""
    with torch.no_grad():
        e, to = F.normalize(z, dim=-1), F.normalize(q, dim=-1)
        r = F.normalize(e + to, dim=-1)
        R = torch.eye(z.shape[1], dtype=z.dtype) - 2 * r[:, :, None] * r[:, None, :] + 2 * to[:, :, None] * e[:, None, :]
        scale = q.norm(dim=-1) / z.norm(dim=-1)
    return scale[:, None] * (R @ z[:, :, None])[:, :, 0]


class Quantized:
    """z [n, d] through the codebook C (rows of norm 1): tokens, weights, q, and `value`, which is q with z's gradient; given
    [n, k, d] is what each token was chosen for."""

    def __init__(self, settings, C, z, group):
        first, last = region(settings, group)
        self.z, self.u, k = z, F.normalize(z, dim=-1), settings["quantizer.top_k"]
        if settings["quantizer.assign"] == "residual":
            self.residual(C, [first + (last - first) * level // k for level in range(k + 1)])
        elif settings["quantizer.assign"] == "sparse":
            self.sparse(C, first, last, k)
        else:
            self.nearest(C, first, last, k)
        self.value = rotated(z, self.q) if settings["quantizer.gradient"] == "rotation" else z + (self.q - z).detach()

    def residual(self, C, edges):
        """Matching pursuit (Mallat and Zhang, 1993) with a dictionary for each level, and no negative weights."""
        given, tokens, weights, gaps, rest = [], [], [], [], self.u
        for begin, end in zip(edges, edges[1:]):
            with torch.no_grad():
                best, order = (rest @ C[begin:end].T).topk(2)
            c = C[begin + order[:, 0]]
            w = F.relu((rest * c).sum(-1))
            given.append(rest), tokens.append(begin + order[:, 0]), weights.append(w)
            gaps.append(torch.minimum(best[:, 0] - best[:, 1], best[:, 0].abs()))
            rest = rest - w[:, None] * c
        self.tokens, self.weights, self.gaps = (torch.stack(x, 1) for x in (tokens, weights, gaps))
        self.given, self.q = torch.stack(given, 1).detach(), self.u - rest

    def sparse(self, C, first, last, k):
        """Locality-constrained linear coding (Wang et al., 2010) by backward elimination: least squares with a ridge over the 16 nearest rows, of
        which the row of the lowest weight goes until k are left; then those below 0 get 0."""
        tokens, weights, values, gaps = [], [], [], []
        weigh = lambda rows, u: torch.linalg.solve(C[rows] @ C[rows].T + 0.03 * torch.eye(len(rows), dtype=C.dtype), C[rows] @ u)
        for u in self.u:
            with torch.no_grad():
                products, order = (C[first:last] @ u).sort(descending=True)
                rows, margins = (first + order[:16]).tolist(), (products[15:16] - products[16:17]).tolist()

                def drop(rows):
                    w = weigh(rows, u).sort()
                    margins.append(float(w.values[1] - w.values[0]) if len(rows) > 1 else 1.0)
                    return [r for i, r in enumerate(rows) if i != w.indices[0]]

                while len(rows) > k:
                    rows = drop(rows)
                used = rows
                while len(used) and weigh(used, u).min() < 0:
                    used = drop(used)
                heaviest = weigh(used, u).argsort(descending=True).tolist()
                rows = [used[i] for i in heaviest] + [r for r in rows if r not in used]
                used = rows[:len(used)]
            w = weigh(used, u)
            margins += (w.detach()[:-1] - w.detach()[1:]).tolist() + [float(w.detach().min())]
            tokens.append(torch.tensor(rows)), weights.append(F.pad(w, (0, k - len(used)))), values.append(w @ C[used]), gaps.append(min(margins))
        self.tokens, self.weights, self.q = torch.stack(tokens), torch.stack(weights), torch.stack(values)
        self.gaps, self.given = torch.tensor(gaps)[:, None], self.u[:, None].expand(-1, k, -1)

    def nearest(self, C, first, last, k):
        with torch.no_grad():
            distance = (self.u**2).sum(-1, keepdim=True) + (C[first:last]**2).sum(-1) - 2 * self.u @ C[first:last].T
            nearest, order = distance.topk(k + 1, largest=False)
            self.gaps = nearest.diff(dim=-1)  # a tie would be decided by rounding
        self.tokens = first + order[:, :k]
        c = C[self.tokens]
        distance = (self.u**2).sum(-1, keepdim=True) + (c**2).sum(-1) - 2 * (self.u[:, None] * c).sum(-1)
        self.weights = (-distance).softmax(-1)
        self.q = (self.weights[..., None] * c).sum(1)
        self.given = self.u[:, None].expand_as(c)

    def loss(self, settings):
        if self.value is self.u:
            return torch.zeros(())
        target = self.u if settings["quantizer.loss_space"] == "normalized" else self.z
        return ((target.detach() - self.q)**2).mean() + settings["quantizer.commit"] * ((target - self.q.detach())**2).mean()


# ---- section 4: token packing ----
def part_of(settings, n):
    """The part that each code of a batch of n is in: part p begins with code n p / parts, rounded down."""
    begins = torch.arange(settings["loss.parts"]) * n // settings["loss.parts"]
    return (begins[None, :] <= torch.arange(n)[:, None]).sum(1) - 1


def orthogonality(settings, parts, q, s):
    """The mean over the parts of the batch."""
    norms = [(q[parts == part].T @ s[parts == part]).norm() for part in range(settings["loss.parts"])]
    rows = len(q) / settings["loss.parts"] if settings["loss.orthogonality_per"] == "row" else 1
    return settings["loss.orthogonality"] * sum(norms) / settings["loss.parts"] / rows


def nce(settings, a, b, parts, family=None):
    """Codes of one family are not negatives of each other, where families are given, nor are those of different parts."""
    logits = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T / settings["loss.temperature"]
    if family is not None:
        siblings = (family[:, None] == family) & (family >= 0)
        logits = logits.masked_fill(siblings & ~torch.eye(len(logits), dtype=torch.bool), -torch.inf)
    logits = logits.masked_fill(parts[:, None] != parts, -torch.inf)
    return F.cross_entropy(logits, torch.arange(len(logits)))


def packing_losses(settings, batch, t, g, quantized, qt_2, qg_2):
    """A code has no tokens of a side that it lacks: it is left out where that side is compared, and the zero vector stands
    beside the tokens of the side that it has."""
    qt, qg, st, sg = (quantized[group].value for group in GROUPS)
    zero = torch.zeros(len(batch.chosen), st.shape[1], dtype=st.dtype)
    st_of_all, sg_of_all = zero.index_put((batch.text,), st), zero.index_put((batch.graph,), sg)
    st_here, sg_here = st_of_all[batch.graph], sg_of_all[batch.text]
    st, sg = st_of_all[batch.both], sg_of_all[batch.both]
    family = {side: None if batch.family is None else batch.family[getattr(batch, side)] for side in ("text", "graph", "both")}
    part = part_of(settings, len(batch.chosen))
    part = {side: part[getattr(batch, side)] for side in ("text", "graph", "both")}
    return {
        "shared": nce(settings, st, sg, part["both"], family["both"]) + nce(settings, sg, st, part["both"], family["both"]),
        "align": -2 * settings["loss.align"] * (F.normalize(t, dim=-1) * F.normalize(g, dim=-1)).sum(-1).mean(),
        "specific_text": nce(settings, torch.cat([qt, sg_here], 1), torch.cat([qt_2.value, sg_here], 1), part["text"], family["text"]),
        "specific_graph": nce(settings, torch.cat([qg, st_here], 1), torch.cat([qg_2.value, st_here], 1), part["graph"], family["graph"]),
        "orthogonal_text": orthogonality(settings, part["text"], qt, quantized["shared_text"].value),
        "orthogonal_graph": orthogonality(settings, part["graph"], qg, quantized["shared_graph"].value)}


def reconstruction_losses(P, settings, batch, g, quantized):
    """The frozen text feature and the graph's, which is constant here, from the tokens of their sides."""
    if not settings["loss.reconstruction"]:
        return {"reconstruction_text": torch.zeros(()), "reconstruction_graph": torch.zeros(())}
    value = {group: q.value for group, q in quantized.items()}
    of = lambda side: linear(P, side + ".decoder", torch.cat([value[side], value["shared_" + side]], 1))
    mean = lambda a, b: -settings["loss.reconstruction"] * F.cosine_similarity(a, b, dim=-1).mean()
    return {"reconstruction_text": mean(of("text"), batch.H[batch.text, 0]),
            "reconstruction_graph": mean(of("graph"), g[batch.graph].detach())}


def divergence(settings, batch, C, quantized):
    """The paper's L_KL: softmax(-dist(e_t^c, C)) is the target, softmax(-dist(e_g^c, C)) what is compared with it; squared
    distances of unit vectors, over the shared rows, of the codes with both sides."""
    if not settings["loss.kl"] or batch.warming:
        return torch.zeros(())
    first, last = region(settings, "shared_text")
    zero = torch.zeros(len(batch.chosen), C.shape[1], dtype=C.dtype)
    logs = []
    for group in "shared_text", "shared_graph":
        u = zero.index_put((batch.side(group),), quantized[group].u)[batch.both]
        logs.append((-((u[:, None] - C[first:last])**2).sum(-1)).log_softmax(-1))
    return settings["loss.kl"] * F.kl_div(logs[1], logs[0], log_target=True, reduction="batchmean")


def neighbours(settings, part, known, found):
    """Who is near whom: cosines of the tokens should have the same softmax over the other rows of the part as those of what is known."""
    total = torch.zeros((), dtype=found.dtype)
    for i in range(len(part)):
        others = [j for j in range(len(part)) if j != i and part[j] == part[i]]
        cosines = lambda x: F.cosine_similarity(x[i][None], x[others], dim=-1)
        p = (cosines(known) / settings["loss.neighbours_temperature"]).log_softmax(-1)
        q = (cosines(found) / settings["loss.neighbours_token_temperature"]).log_softmax(-1)
        total = total + F.kl_div(q, p, log_target=True, reduction="sum")
    return settings["loss.neighbours"] * total / len(part)


def neighbour_losses(settings, batch, g, quantized):
    """By the frozen text feature and by the graph's, which is constant here, and by the tokens of the same side."""
    if not settings["loss.neighbours"]:
        return {"neighbours_text": torch.zeros(()), "neighbours_graph": torch.zeros(())}
    part, value = part_of(settings, len(batch.chosen)), {group: q.value for group, q in quantized.items()}
    of = lambda side: torch.cat([value[side], value["shared_" + side]], 1)
    return {"neighbours_text": neighbours(settings, part[batch.text], batch.H[batch.text, 0], of("text")),
            "neighbours_graph": neighbours(settings, part[batch.graph], g[batch.graph].detach(), of("graph"))}


# ---- the whole ----
def forward(P, batch):
    """A dictionary: t and g of the codes with both sides; z, q, tokens, weights of each group, whose rows are the codes that
    have its side; in training also the terms of the loss."""
    settings = batch.settings
    T = linear(P, "text.map", batch.H)
    t = T[:, 0]
    X = P["graph.nodes"][batch.nodes]
    G = encode_graph(P, settings, batch.A, X)
    g = mean_over(G, batch.node)
    z_st = cross_attention(P, batch, "text asks", t[:, None], G, batch.node)[:, 0]
    z_sg = mean_over(cross_attention(P, batch, "graph asks", G, T, batch.token), batch.node)
    C = F.normalize(P["codebook"], dim=-1)
    if settings["quantizer.update"] == "ema":
        C = C.detach()
    of_feature = settings["model.text_specific"] == "feature"
    z = [linear(P, "text.specific", batch.H[:, 0] if of_feature else t), linear(P, "graph.specific", g), z_st, z_sg]
    quantized = {group: Quantized(settings, C, z_[batch.side(group)], group) for group, z_ in zip(GROUPS, z)}
    out = {"t": t[batch.both], "g": g[batch.both], "groups": quantized}
    if batch.warming:
        for q in quantized.values():
            q.value = q.q = q.u
    if batch.train:
        h_2 = batch.H[:, 0] * batch.drop["text"]
        t_2 = linear(P, "text.map", h_2)
        g_2 = mean_over(encode_graph(P, settings, batch.A_2, X), batch.node)
        qt_2 = Quantized(settings, C, linear(P, "text.specific", (h_2 if of_feature else t_2)[batch.text]), "text")
        qg_2 = Quantized(settings, C, linear(P, "graph.specific", g_2[batch.graph]), "graph")
        if batch.warming:
            qt_2.value, qg_2.value = qt_2.u, qg_2.u
        terms = {"codebook_" + group: q.loss(settings) for group, q in quantized.items()}
        terms |= packing_losses(settings, batch, out["t"], out["g"], quantized, qt_2, qg_2)
        terms |= neighbour_losses(settings, batch, g, quantized)
        terms |= reconstruction_losses(P, settings, batch, g, quantized) | {"kl": divergence(settings, batch, C, quantized)}
        out |= {"second": {"text": qt_2, "graph": qg_2}, "terms": [terms[name] for name in TERMS]}
    return out


class Training:
    """Adam on the clipped gradient, a step a call; all arithmetic in `dtype`."""

    def __init__(self, settings, codes, n_nodes, dtype=torch.float64):
        self.settings, self.codes, self.dtype, self.steps = settings, codes, dtype, 0
        self.initial = initial_parameters(settings, codes.features.shape[1], n_nodes)
        if settings["quantizer.rows"] == "unit":
            self.initial["codebook"] = F.normalize(torch.as_tensor(self.initial["codebook"]).double(), dim=-1).float().numpy()
        self.P = {name: torch.as_tensor(x).to(dtype).requires_grad_() for name, x in self.initial.items()}
        self.sampler = Sampler(settings, codes.n)
        self.learned = [p for name, p in self.P.items() if name != "codebook" or settings["quantizer.update"] == "gradient"]
        self.apart = [self.P["codebook"]] if settings["quantizer.rate"] else []  # a rate of its own, outside the clip
        self.clipped = [p for p in self.P.values() if not any(p is q for q in self.apart)]
        groups = [p for p in self.learned if any(p is q for q in self.clipped)], self.apart
        self.adam = torch.optim.Adam([{"params": group} for group in groups if group], lr=settings["train.rate"],
                                     eps=settings["train.epsilon"], betas=(settings["train.beta1"], settings["train.beta2"]))
        C = F.normalize(self.P["codebook"].detach(), dim=-1)
        self.sums, self.counts = C.clone(), torch.ones(len(C), dtype=dtype)  # of quantizer.update: ema

    @torch.no_grad()
    def unit_rows(self):
        if self.settings["quantizer.rows"] == "unit":
            self.P["codebook"].copy_(F.normalize(self.P["codebook"], dim=-1))

    def rate(self):
        """Linear warm-up, then constant, or half a cosine down to rate_end of the rate at the last step."""
        s, step = self.settings, self.steps + 1
        if step <= s["train.warmup"]:
            return s["train.rate"] * step / s["train.warmup"]
        if s["train.schedule"] == "constant":
            return s["train.rate"]
        done = (step - s["train.warmup"]) / (s["train.steps"] - s["train.warmup"])
        return s["train.rate"] * (s["train.rate_end"] + (1 - s["train.rate_end"]) * (1 + np.cos(np.pi * done)) / 2)

    @torch.no_grad()
    def decay(self):
        """Decoupled decay (Loshchilov and Hutter, 2019) of the matrices of linear maps."""
        for name, p in self.P.items():
            if name.endswith(".weight"):
                p *= 1 - self.rate() * self.settings["train.weight_decay"]

    @torch.no_grad()
    def move_codebook(self, groups):
        """Moving averages of the u that pick a row, each pick counting by its weight (van den Oord et al., 2017, A.1)."""
        s = self.settings
        sums, counts, size = torch.zeros_like(self.sums), torch.zeros_like(self.counts), len(self.counts)
        for q in groups.values():
            for k in range(q.tokens.shape[1]):
                sums.index_add_(0, q.tokens[:, k], q.weights[:, k, None] * q.given[:, k])
                counts.index_add_(0, q.tokens[:, k], q.weights[:, k])
        keep, epsilon, picked = s["quantizer.ema_decay"], s["quantizer.ema_epsilon"], counts > 0
        self.sums, self.counts = keep * self.sums + (1 - keep) * sums, keep * self.counts + (1 - keep) * counts
        total = self.counts.sum()
        smoothed = total * (self.counts + epsilon) / (total + size * epsilon)
        self.P["codebook"][picked] = (self.sums / smoothed[:, None])[picked]

    def step(self):
        """Returns what `forward` does, with the gradients and their norm before clipping."""
        batch = Batch(self.settings, self.codes, self.sampler.step(self.steps), self.steps, self.dtype)
        out = forward(self.P, batch)
        self.adam.zero_grad()
        sum(out["terms"]).backward()
        out["chosen"] = batch.chosen
        for p in self.P.values():
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        out["norm"] = sum((p.grad**2).sum() for p in self.clipped)**0.5
        out["gradients"] = {name: p.grad.clone() for name, p in self.P.items()}
        if self.settings["train.clip"] > 0 and out["norm"] > self.settings["train.clip"]:
            for p in self.clipped:
                p.grad *= self.settings["train.clip"] / out["norm"]
        self.decay()
        for group, factor in zip(self.adam.param_groups, (1, self.settings["quantizer.rate"])):
            group["lr"] = factor * self.rate()
        self.adam.step()
        if self.settings["quantizer.update"] == "ema" and not batch.warming:
            self.move_codebook(out["groups"])
        self.unit_rows()
        self.steps += 1
        return out


# ---- the cases ----
SMALL = {
    "run.seed": 12, "graph.node_dim": 6, "graph.hidden": 12, "graph.heads": 2, "graph.edge_drop": 0.3, "text.dropout": 0.2,
    "attention.heads": 2, "attention.dropout": 0.2, "quantizer.size": 48, "quantizer.dim": 8, "quantizer.top_k": 3, "train.batch": 12,
    "train.rate": 0.01,
    # Adam turns a gradient that is 0 but for rounding (a key's bias, which softmax cancels) into a step of full length,
    # unless epsilon is above that rounding.
    "train.epsilon": 1e-4}
CASES = {
    "gcn-raw-all": {},
    "gat-normalized-middle": {
        "run.seed": 13, "graph.encoder": "gat", "quantizer.loss_space": "normalized", "quantizer.shared_region": "middle",
        "train.partition": "random"},
    "gat-raw-all-unclipped": {
        "run.seed": 16, "graph.encoder": "gat", "graph.heads": 3, "attention.layers": 1, "train.clip": 0, "train.rate": 0.002,
        "train.epsilon": 0.01},
    "absent-sides-and-siblings": {"loss.sibling_negatives": "leave-out"},
    "ema-schedule-decay": {
        "quantizer.update": "ema", "quantizer.ema_decay": 0.8, "quantizer.ema_epsilon": 0.01, "quantizer.loss_space": "normalized",
        "train.schedule": "cosine", "train.warmup": 3, "train.rate_end": 0.2, "train.weight_decay": 0.5},
    "residual": {
        "run.seed": 14, "quantizer.assign": "residual", "quantizer.shared_region": "middle", "quantizer.loss_space": "normalized",
        "loss.reconstruction": 2, "loss.orthogonality": 3, "loss.orthogonality_per": "row"},
    "residual-ema": {
        "run.seed": 15, "quantizer.assign": "residual", "quantizer.shared_region": "middle", "quantizer.update": "ema",
        "quantizer.ema_decay": 0.8, "quantizer.ema_epsilon": 0.01, "quantizer.warmup": 4},
}
CASES["parts-absent-sides"] = {"loss.parts": 3, "loss.sibling_negatives": "leave-out", "run.seed": 15}
# The publication's rate and epsilon. Parts of three codes, as its 4 would be here, have losses that are all rounding.
CASES["publication"] = {"run.seed": 12, "train.rate": 1e-4, "train.epsilon": 1e-8, "loss.parts": 2}
WITHOUT_TEXT = {"absent-sides-and-siblings": [0, 2, 4, 9, 12, 17], "divergence-rotation": [0, 2, 4, 9, 12, 17], "parts-absent-sides": [0, 2, 4, 9, 12, 17]}  # 2 has no graph either
CASES["divergence-rotation"] = {"run.seed": 12, "loss.kl": 1.5, "quantizer.gradient": "rotation", "loss.sibling_negatives": "leave-out"}
CASES["residual-rotation-apart"] = {
    "run.seed": 14, "quantizer.assign": "residual", "quantizer.shared_region": "middle", "quantizer.loss_space": "normalized",
    "quantizer.gradient": "rotation", "quantizer.rate": 3, "quantizer.rows": "unit", "loss.kl": 0.5}
CASES["neighbours"] = {"run.seed": 14, "quantizer.loss_space": "normalized", "loss.neighbours": 2, "loss.neighbours_temperature": 0.3,
                       "loss.neighbours_token_temperature": 0.4, "loss.parts": 2, "loss.sibling_negatives": "leave-out"}
WITHOUT_TEXT["neighbours"] = [0, 2, 4, 9, 12, 17]
CASES["sparse"] = {"run.seed": 14, "quantizer.assign": "sparse", "quantizer.loss_space": "normalized", "quantizer.rate": 3, "quantizer.rows": "unit"}
CASES["specific-of-features"] = {"run.seed": 14, "model.text_specific": "feature", "loss.reconstruction": 2, "quantizer.loss_space": "normalized"}
WITHOUT_TEXT["specific-of-features"] = [0, 2, 4, 9, 12, 17]
N_NODES, TEXT_DIM, STEPS = 14, 10, 10


def small_codes(without_text):
    """20 codes: five have no graph, those in without_text no text; some share a text or nodes; some pairs of nodes have two edges in one direction."""
    rng = np.random.default_rng(2)
    n_nodes = np.array([3, 5, 0, 1, 4, 0, 2, 6, 3, 0, 5, 2, 1, 4, 0, 3, 6, 2, 0, 4])
    n_tokens = np.array([1, 2, 3, 4, 1, 5, 2, 3, 6, 2, 1, 3, 4, 2, 2, 1, 3, 5, 2, 3])
    texts = [[i if i < 16 else 16 + i % 3] + list(rng.integers(19, 30, n - 1)) for i, n in enumerate(n_tokens)]
    texts[13], texts[11] = texts[1], texts[7]
    edges = [sorted((t, s) for t in range(m) for s in range(m) for _ in range(rng.integers(0, 3)) if s != t) for m in n_nodes]
    offsets = lambda lists: np.concatenate([[0], np.cumsum([len(x) for x in lists])])
    nodes = [rng.permutation(N_NODES)[:m] for m in n_nodes]
    family = np.array([0, 0, 0, -1, 1, 1, 1, -1, 2, 2, 2, 2, 3, 3, 3, 3, -1, -1, 4, 4])
    return Codes(has_text=np.isin(np.arange(20), without_text, invert=True).astype(int), family=family,
                 token_offsets=offsets(texts), token_row=np.concatenate(texts).astype(int),
                 features=rng.standard_normal((30, TEXT_DIM)).astype(np.float32), node_offsets=offsets(nodes),
                 nodes=np.concatenate(nodes).astype(int), edge_offsets=offsets(edges),
                 edge_source=np.array([s for e in edges for _, s in e]), edge_target=np.array([t for e in edges for t, _ in e]))


class Writer:
    def __init__(self, name):
        self.file = open(os.path.join(HERE, name + ".txt"), "w", encoding="ascii")

    def set(self, settings):
        for key, value in settings.items():
            self.file.write(f"set {key}={value}\n")

    def tensor(self, name, values):
        x = np.asarray(values.detach() if torch.is_tensor(values) else values)
        x = x.reshape(x.shape[0] if x.ndim == 2 else 1, -1)
        self.file.write(f"tensor {name} {x.shape[0]} {x.shape[1]}\n")
        for row in x:
            self.file.write(" ".join(f"{v:.9g}" for v in row) + "\n")  # nine digits give a float32 back as it was


def check_no_ties(out, tokens_compared, residual):
    """A pick that rounding could change would make the comparison a matter of luck. float32's distances are off by 1e-6.
    Where tokens are compared, their order must be sure too, and always that of residual ones, each of which the later build on."""
    for q in list(out["groups"].values()) + list(out.get("second", {}).values()):
        smallest = q.gaps.min() if tokens_compared or residual else q.gaps[:, -1].min()
        assert smallest > 2e-5, f"two distances differ by {smallest:.1e}: choose another run.seed for this case"


def token_table(P, settings, codes, chosen, dtype=torch.float64):
    """tokens and weights [n, 4, K], embedding [n, 4, d] of some codes, and what `forward` gave."""
    batch = Batch(settings, codes, chosen, dtype=dtype)
    with torch.no_grad():
        out = forward(P, batch)
    n, k = len(chosen), settings["quantizer.top_k"]
    tokens, weights = torch.full((n, 4, k), -1), torch.zeros(n, 4, k, dtype=dtype)
    embedding = torch.zeros(n, 4, settings["quantizer.dim"], dtype=dtype)
    for i, group in enumerate(GROUPS):
        q, rows = out["groups"][group], batch.side(group)
        tokens[rows, i], weights[rows, i], embedding[rows, i] = q.tokens, q.weights, q.q
    return tokens, weights, embedding, out


def write_case(name):
    settings = DEFAULTS | SMALL | CASES[name]
    codes, out = small_codes(WITHOUT_TEXT.get(name, [])), Writer(name)
    training = Training(settings, codes, N_NODES)
    out.set(settings)
    for part in "has_text family token_offsets token_row features node_offsets nodes edge_offsets edge_source edge_target".split():
        out.tensor("input." + part, getattr(codes, part))
    for part, values in training.initial.items():
        out.tensor("initial." + part, values)
    terms, norms, smallest = [], [], {}
    for step in range(STEPS):
        result = training.step()
        check_no_ties(result, step == 0, settings["quantizer.assign"] == "residual")
        terms.append([float(x.detach()) for x in result["terms"]])
        norms.append(float(result["norm"]))
        for part, value in result["gradients"].items():
            share = value.abs() / value.abs().max().clamp_min(1e-30)
            smallest[part] = torch.minimum(smallest.get(part, share), share)
        if step > 0:
            continue
        out.tensor("forward.codes", result["chosen"])
        for part in "t", "g":
            out.tensor("forward." + part, result[part])
        for group, q in result["groups"].items():
            for part in "z", "q", "tokens", "weights":
                out.tensor(f"forward.{part}.{group}", getattr(q, part))
        for group, q in result["second"].items():
            out.tensor(f"forward.second.{group}", q.z)
        for part, value in zip(TERMS, terms[0]):
            out.tensor("loss." + part, [value])
        for part, value in result["gradients"].items():
            out.tensor("gradient." + part, value)
    out.tensor("steps.terms", np.array(terms))
    out.tensor("steps.norm", np.array(norms))
    for part, value in training.P.items():
        out.tensor("after." + part, value)
        if settings["train.epsilon"] < 1e-6:
            out.tensor("sure." + part, (smallest[part] > 1e-3).int())
    *table, result = token_table(training.P, settings, codes, np.arange(codes.n))
    check_no_ties(result, True, True)
    for part, values in zip(("tokens", "weights", "embedding"), table):
        out.tensor("table." + part, values.flatten(1))
    print(f"{name}: loss {sum(terms[0]):.6f} to {sum(terms[-1]):.6f}, norm of the gradient {norms[0]:.3f} to {norms[-1]:.3f}")


def main():
    os.makedirs(HERE, exist_ok=True)
    for name in sys.argv[1:] or CASES:
        write_case(name)
    with open(os.path.join(HERE, "VERSIONS"), "w", encoding="ascii") as out:
        out.write(f"Python {platform.python_version()}, PyTorch {torch.__version__}, NumPy {np.__version__}\n")


if __name__ == "__main__":
    main()
