"""The PyTorch peer of MedTok's training on a GPU: the mathematics of src/medtok/METHOD.md sections 2 to 5 with cached text features, as in
shared/tools/peer_torch.py, written for a device: graphs, edges and codes live on it, batches are gathered there, nothing waits for
the host inside a step, Adam is fused. Prints codes per second and the time of a step.

usage: peer_torch_cuda.py CODES.tsv.gz KG.csv.gz [--batch 1024] [--tokens 24] [--compute fp32|tf32|bf16] [--compile]
--device cpu checks the mathematics: with the same arguments the loss is that of peer_torch.py, number for number drawn."""
import argparse
import collections
import csv
import gzip
import random
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

p = argparse.ArgumentParser()
p.add_argument("codes")
p.add_argument("graph")
p.add_argument("--batch", type=int, default=1024)
p.add_argument("--steps", type=int, default=50)
p.add_argument("--warmup", type=int, default=5)
p.add_argument("--tokens", type=int, default=24)
p.add_argument("--size", type=int, default=21000, help="rows of the codebook")
p.add_argument("--device", default="cuda")
p.add_argument("--compute", choices=["fp32", "tf32", "bf16"], default="fp32")
p.add_argument("--compile", action="store_true")
a = p.parse_args()

if a.device == "cuda" and not torch.cuda.is_available():
    print("no CUDA device")
    raise SystemExit(77)
torch.manual_seed(0)
random.seed(0)
torch.backends.cuda.matmul.allow_tf32 = a.compute == "tf32"
csv.field_size_limit(1 << 30)
device = torch.device(a.device)
DIM, TEXT, HEADS, TOP_K, MOST_NODES = 64, 768, 4, 5, 64


# ---- data: subgraphs of the codes that a run may draw ----
def read_graph(path):
    neighbours, largest = collections.defaultdict(list), 0
    for i, row in enumerate(csv.reader(gzip.open(path, "rt"))):
        if i:
            x, y = int(row[2]), int(row[7])
            neighbours[x].append(y)
            largest = max(largest, x, y)
    return neighbours, largest + 1


def read_codes(path):
    lines = [line.rstrip("\n").split("\t")[3] for i, line in enumerate(gzip.open(path, "rt")) if i]
    codes = [[int(v) for v in nodes.split(";")] for nodes in lines if nodes]
    random.shuffle(codes)
    return codes[: a.batch * 8]


def grow(listed, neighbours):
    nodes = list(dict.fromkeys(listed))
    seen = set(nodes)
    for v in list(nodes):
        for w in neighbours[v]:
            if w not in seen and len(nodes) < MOST_NODES:
                seen.add(w)
                nodes.append(w)
    index = {v: i for i, v in enumerate(nodes)}
    return nodes, [(index[v], index[w]) for v in nodes for w in neighbours[v] if w in index]


class Ragged:
    """Rows of several lengths, one after the other, on the device; lengths on the host too, where sizes must be known."""

    def __init__(self, lists):
        self.lengths = [len(x) for x in lists]
        self.length = torch.tensor(self.lengths, device=device)
        self.first = torch.cumsum(self.length, 0) - self.length
        self.values = torch.tensor([v for x in lists for v in x], dtype=torch.long, device=device)

    def gather(self, picked, host):
        """Values of the picked rows, and for each value the index of its row among the picked and its own index in that row."""
        total = sum(self.lengths[i] for i in host)
        length = self.length[picked]
        row = torch.repeat_interleave(torch.arange(len(host), device=device), length, output_size=total)
        inside = torch.arange(total, device=device) - (torch.cumsum(length, 0) - length)[row]
        return self.values[self.first[picked][row] + inside], row, inside


neighbours, n_nodes = read_graph(a.graph)
graphs = [grow(c, neighbours) for c in read_codes(a.codes)]
nodes_of = Ragged([g[0] for g in graphs])
edges_of = Ragged([g[1] for g in graphs])
print("codes", len(graphs), "mean nodes", sum(nodes_of.lengths) / len(graphs), "mean edges",
      sum(edges_of.lengths) / len(graphs))


# ---- the model ----
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.nodes = nn.Embedding(n_nodes, 64)
        self.gcn1, self.gcn2 = nn.Linear(64, 128), nn.Linear(128, DIM)
        self.text = nn.Linear(TEXT, DIM)
        self.codebook = nn.Embedding(a.size, DIM)
        self.text_specific, self.graph_specific = nn.Linear(DIM, DIM), nn.Linear(DIM, DIM)
        self.attention = nn.ModuleList(
            [nn.MultiheadAttention(DIM, HEADS, dropout=0.1, batch_first=True) for _ in range(2)])
        self.norm = nn.ModuleList([nn.LayerNorm(DIM) for _ in range(2)])

    def aggregate(self, x, source, target, layer):
        """D^-1/2 (A + I) D^-1/2 X W^T + b."""
        n = x.shape[0]
        loop = torch.arange(n, device=device)
        source, target = torch.cat([source, loop]), torch.cat([target, loop])
        scale = torch.zeros(n, device=device).index_add_(0, target, torch.ones(len(target), device=device)).rsqrt()
        h = F.linear(x, layer.weight)
        rows = h[source] * (scale[source] * scale[target])[:, None].to(h.dtype)
        return torch.zeros(n, h.shape[1], device=device, dtype=h.dtype).index_add_(0, target, rows) + layer.bias

    def encode(self, nodes, source, target, row, counts):
        h = F.relu(self.aggregate(self.nodes(nodes), source, target, self.gcn1))
        h = self.aggregate(h, source, target, self.gcn2)
        return h, torch.zeros(len(counts), DIM, device=device, dtype=h.dtype).index_add_(0, row, h) / counts[:, None]

    def attend(self, x, y, pad=None):
        for attention, norm in zip(self.attention, self.norm):
            x = norm(x + F.dropout(attention(x, y, y, key_padding_mask=pad, need_weights=False)[0], 0.1))
        return x

    def quantize(self, z, first, last):
        c, u = F.normalize(self.codebook.weight[first:last], dim=-1), F.normalize(z.float(), dim=-1)
        with torch.autocast(a.device, enabled=False):  # distances always in float32
            value, index = (2 - 2 * u @ c.t()).topk(TOP_K, largest=False)
        q = (torch.softmax(-value, 1)[..., None] * c[index]).sum(1)
        loss = ((q - z.detach()) ** 2).mean() + 0.25 * ((z - q.detach()) ** 2).mean()
        return z + (q - z).detach(), loss


def nce(x, y):
    logits = F.normalize(x, dim=-1) @ F.normalize(y, dim=-1).t() / 0.07
    return F.cross_entropy(logits, torch.arange(len(x), device=device))


def loss_of(net, H, nodes, row, inside, counts, source, target, most):
    n, third = len(counts), a.size // 3
    X, X_2 = net.text(H), net.text(F.dropout(H, 0.1))
    G, g = net.encode(nodes, source, target, row, counts)
    kept = torch.rand(len(source), device=device) > 0.1
    # A dropped edge goes from and to a node of its own, which no code has: sizes stay known to the host.
    spare = len(nodes)
    source_2 = torch.where(kept, source, spare)
    target_2 = torch.where(kept, target, spare)
    more_nodes, more_rows = torch.cat([nodes, nodes[:1]]), torch.cat([row, torch.full((1,), n, device=device)])
    g_2 = net.encode(more_nodes, source_2, target_2, more_rows, torch.cat([counts, counts[:1]]))[1][:n]

    padded = torch.zeros(n, most, DIM, device=device, dtype=G.dtype).index_put((row, inside), G)
    pad = torch.ones(n, most, dtype=torch.bool, device=device).index_put(
        (row, inside), torch.zeros((), dtype=torch.bool, device=device))
    z_text = net.attend(X[:, :1], padded, pad)[:, 0]
    there = (~pad).float()
    z_graph = (net.attend(padded, X) * there[..., None]).sum(1) / there.sum(1, keepdim=True)

    st, l1 = net.quantize(z_text, 0, a.size)
    sg, l2 = net.quantize(z_graph, 0, a.size)
    qt, l3 = net.quantize(net.text_specific(X[:, 0]), 0, third)
    qg, l4 = net.quantize(net.graph_specific(g), a.size - third, a.size)
    qt_2, _ = net.quantize(net.text_specific(X_2[:, 0]), 0, third)
    qg_2, _ = net.quantize(net.graph_specific(g_2), a.size - third, a.size)
    align = F.cosine_similarity(X[:, 0], g).mean()
    beside = lambda x, y: torch.cat([x, y], -1)
    return (l1 + l2 + l3 + l4 + nce(st, sg) + nce(sg, st) - 0.2 * align + nce(beside(qt, sg), beside(qt_2, sg)) +
            nce(beside(qg, st), beside(qg_2, st)) + 0.1 * (torch.norm(qt.t() @ st) + torch.norm(qg.t() @ sg)))


# ---- the step ----
net = Net().to(device).train()
optimiser = torch.optim.Adam(net.parameters(), lr=1e-4, betas=(0.9, 0.95), fused=a.device == "cuda")
loss_function = torch.compile(loss_of, dynamic=True) if a.compile else loss_of


def step():
    host = random.sample(range(len(graphs)), a.batch)
    picked = torch.tensor(host).to(device, non_blocking=True)
    nodes, row, inside = nodes_of.gather(picked, host)
    edges, edge_row, _ = edges_of.gather(picked, host)
    counts = nodes_of.length[picked]
    edges = edges + (torch.cumsum(counts, 0) - counts)[edge_row][:, None]
    H = torch.randn(a.batch, a.tokens, TEXT, device=device)
    with torch.autocast(a.device, dtype=torch.bfloat16, enabled=a.compute == "bf16"):
        loss = loss_function(net, H, nodes, row, inside, counts, edges[:, 0], edges[:, 1],
                             max(nodes_of.lengths[i] for i in host))
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()
    return loss


def wait():
    if a.device == "cuda":
        torch.cuda.synchronize()


for _ in range(a.warmup):
    step()
wait()
since = time.perf_counter()
for _ in range(a.steps):
    loss = step()
wait()
seconds = (time.perf_counter() - since) / a.steps
print("loss %.4f | %.1f codes/s, %.5f s a step of %d" % (loss.item(), a.batch / seconds, seconds, a.batch))
