"""Training speed of the models of health records (`evaluate`) beside PyTorch: run by ehr_speed.sh.

usage: ehr_speed.py WORK COHORT.h5 TASK ROUNDS MODEL[:SIZE]...

Of each model and size: tokens a second in training, forward, backward and AdamW's step, of padding none is counted. Both sides try the
batches of BATCHES in turns and their best one counts; PyTorch has batches of samples of like length, which costs it least padding, and two
threads, and is measured as usually written and with attention and dropout by hand; ours has two ranks of one thread, and batches as training
draws them. Sizes and flops: entries of PEERS; another model is another entry.

CLOCK=processor, for a machine that others use: a second is one of processor time, user's and system's, and both sides have one thread. Ours
is the difference of two trainings of unlike length, so that start, scores and report do not count; PyTorch's is taken between steps.
"""
import math
import os
import re
import resource
import sys
import time

import h5py
import numpy
import torch
import torch.nn.functional as F
from torch import nn

import rounds

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/ehr"))
import common  # noqa: E402
import ethos_probe  # noqa: E402
import transformehr  # noqa: E402

BY_PROCESSOR = os.environ.get("CLOCK") == "processor"
BATCHES = [int(b) for b in os.environ.get("BATCHES", "32 128 512").split()]
SECONDS, THREADS = float(os.environ.get("SECONDS", 6)), 1 if BY_PROCESSOR else 2
SETTINGS = {"ehr.visits": "days", "ehr.age": "years", "ehr.max_length": 512}


# ---- histories ----
def read_cohort(path, task):
    """Codes, and the samples of train as tests/golden/ehr/common.py has them."""
    with h5py.File(path) as file:
        names = [t.decode() for t in file["task"]]
        first, end = file["task_offsets"][names.index(task):][:2]
        get = {name: file[name][:] for name in ("split", "subject", "birth", "event_offsets", "event_time", "event_code", "event_value")}
        subject, times, label = (file["sample_" + x][first:end] for x in ("subject", "time", "label"))
        codes = [(c.decode(), k) for c, k in zip(file["code"][:], file["code_kind"][:])]
    samples = []
    for s, at, y in zip(subject, times, label):
        if get["split"][s]:
            continue
        a, b = get["event_offsets"][s:s + 2]
        b = a + int(numpy.searchsorted(get["event_time"][a:b], at, "right"))
        columns = (get["event_" + x][a:b].tolist() for x in ("time", "code", "value"))
        events = [dict(time=t, code=c, value=v, visit=-1) for t, c, v in zip(*columns)]
        samples.append(dict(birth=int(get["birth"][s]), time=int(at), label=int(y), events=events, visits=[]))
    seen = {e["code"] for s in samples for e in s["events"]}
    return common.Data(codes, [int(i in seen) for i in range(len(codes))], ["MEDS_BIRTH"]), samples


# ---- PyTorch's side ----
BY_HAND = False  # dropout and attention written out, which is faster on CPUs than PyTorch's own


def drop(x, rate, training):
    """PyTorch's own draws by bernoulli_, one number after the other; uniform numbers are made in vectors."""
    if not BY_HAND:
        return F.dropout(x, rate, training)
    return x * (torch.rand_like(x) >= rate) * (1 / (1 - rate)) if training and rate > 0 else x


def attend(q, k, v, mask, rate, causal=False):
    """PyTorch's own has no fused kernel with dropout for CPUs, and masks more than it must."""
    if not BY_HAND:
        return F.scaled_dot_product_attention(q, k, v, mask, rate, is_causal=causal)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -1e30)
    elif mask is not None:
        scores = scores.masked_fill(~mask, -1e30)
    return drop(torch.softmax(scores, -1), rate, True) @ v


class Dropout(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        return drop(x, self.rate, self.training)


class Block(nn.Module):
    """Post-norm, GELU; mask [n, 1, 1, t]: which keys there are."""

    def __init__(self, dim, heads, inner, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv, self.out, self.up, self.down = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim), nn.Linear(dim, inner), nn.Linear(inner, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim, 1e-12), nn.LayerNorm(dim, 1e-12)

    def forward(self, x, mask):
        n, t, dim = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        h = attend(q, k, v, mask, self.dropout if self.training else 0.0)
        h = self.out(h.transpose(1, 2).reshape(n, t, dim))
        x = self.norm1(x + drop(h, self.dropout, self.training))
        return self.norm2(x + drop(self.down(F.gelu(self.up(x))), self.dropout, self.training))


class Behrt(nn.Module):
    SIZES = {"small": dict(dim=64, layers=2, heads=4, inner=128), "published": dict(dim=288, layers=6, heads=12, inner=512)}

    def __init__(self, data, dim, layers, heads, inner, dropout=0.1):
        super().__init__()
        self.code, self.age = nn.Embedding(data.n_rows, dim), nn.Embedding(common.age_classes(SETTINGS), dim)
        self.segment, self.position = nn.Embedding(2, dim), nn.Embedding(SETTINGS["ehr.max_length"], dim).requires_grad_(False)
        self.norm, self.dropout = nn.LayerNorm(dim, 1e-12), Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, heads, inner, dropout) for _ in range(layers))
        self.pooler, self.head = nn.Linear(dim, dim), nn.Linear(dim, 1)

    @staticmethod
    def read(sample, data):
        """Lists of equal length; the first is the one whose length counts."""
        return list(zip(*common.timeline(sample, data, SETTINGS)))

    def forward(self, mask, token, age, visit):
        x = self.code(token) + self.age(age) + self.segment(visit % 2) + self.position(visit)
        x, mask = self.dropout(self.norm(x)), mask[:, None, None]
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.dropout(torch.tanh(self.pooler(x[:, 0]))))[:, 0]

    @staticmethod
    def flops(lengths, dim, layers, heads, inner):
        """Of products, forward and twice that backward, for samples of these lengths."""
        return 3 * sum(layers * (2 * t * (4 * dim * dim + 2 * dim * inner) + 4 * t * t * dim) + 2 * dim * dim for t in lengths)


class Attend(nn.Module):
    """What a decoder's block does for its begin alone, y [n, 1, dim]: it sees itself, and the memory x."""

    def __init__(self, dim, heads, inner, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.query, self.key_value, self.cross = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, inner), nn.Linear(inner, dim)
        self.norms = nn.ModuleList(nn.LayerNorm(dim, 1e-5) for _ in range(3))

    def add(self, i, y, part):
        return self.norms[i](y + drop(part, self.dropout, self.training))

    def forward(self, y, x, mask):
        (n, t, dim), rate = x.shape, self.dropout if self.training else 0.0
        q, k, v = self.qkv(y).view(n, 1, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        h = attend(q, k, v, None, rate)
        y = self.add(0, y, self.out(h.transpose(1, 2).reshape(n, 1, dim)))
        k, v = self.key_value(x).view(n, t, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        h = attend(self.query(y).view(n, 1, self.heads, -1).transpose(1, 2), k, v, mask, rate)
        y = self.add(1, y, self.cross(h.transpose(1, 2).reshape(n, 1, dim)))
        return self.add(2, y, self.down(F.gelu(self.up(y))))


class TransformEhr(nn.Module):
    SIZES = {"small": dict(dim=64, layers=2, heads=4, inner=256), "published": dict(dim=768, layers=6, heads=12, inner=3072)}

    def __init__(self, data, dim, layers, heads, inner, dropout=0.1):
        super().__init__()
        self.code, self.position = nn.Embedding(data.n_rows, dim), nn.Embedding(SETTINGS["ehr.max_length"], dim)
        self.year = nn.Embedding(112, dim).requires_grad_(False)
        self.month, self.day, self.begin = nn.Embedding(13, dim), nn.Embedding(32, dim), nn.Embedding(1, dim)
        self.norm, self.norm_begin, self.dropout = nn.LayerNorm(dim, 1e-5), nn.LayerNorm(dim, 1e-5), Dropout(dropout)
        self.encoder = nn.ModuleList(Block(dim, heads, inner, dropout) for _ in range(layers))
        self.decoder = nn.ModuleList(Attend(dim, heads, inner, dropout) for _ in range(layers))
        self.dense, self.head = nn.Linear(dim, dim), nn.Linear(dim, 1)

    @staticmethod
    def read(sample, data):
        visits = common.visits_of(sample, data, SETTINGS)
        start = transformehr.origin(sample, visits)
        return list(zip(*transformehr.read(sample, data, SETTINGS, visits, start, sample["time"])))

    def forward(self, mask, token, year, month, day):
        x = self.code(token) + self.position.weight[:token.shape[1]] + self.year(year) + self.month(month) + self.day(day)
        x, mask = self.dropout(self.norm(x)), mask[:, None, None]
        for block in self.encoder:
            x = block(x, mask)
        begin = self.code.weight[common.TOKEN_SEP] + self.begin.weight
        y = self.dropout(self.norm_begin(begin.expand(len(x), 1, -1)))
        for block in self.decoder:
            y = block(y, x, mask)
        return self.head(self.dropout(torch.tanh(self.dense(self.dropout(y)))))[:, 0, 0]

    @staticmethod
    def flops(lengths, dim, layers, heads, inner):
        """The decoder has one row a sample, and keys and values of all rows of the encoder."""
        wide, one = 4 * dim * dim + 2 * dim * inner, 6 * dim * dim + 2 * dim * inner
        return 3 * sum(layers * (2 * t * wide + 4 * t * t * dim + 4 * t * dim * dim + 2 * one + 4 * t * dim) + 2 * dim * dim
                       for t in lengths)


class CausalBlock(nn.Module):
    """Pre-norm, without biases; padding stands behind all that is read."""

    def __init__(self, dim, heads, inner, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.up, self.down = nn.Linear(dim, inner, bias=False), nn.Linear(inner, dim, bias=False)
        self.norm1, self.norm2 = nn.LayerNorm(dim, bias=False), nn.LayerNorm(dim, bias=False)

    def forward(self, x):
        n, t, dim = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        h = attend(q, k, v, None, self.dropout if self.training else 0.0, True)
        x = x + drop(self.out(h.transpose(1, 2).reshape(n, t, dim)), self.dropout, self.training)
        return x + drop(self.down(F.gelu(self.up(self.norm2(x)))), self.dropout, self.training)


class Ethos(nn.Module):
    """As ethos-probe: the hidden state of the last unit is the sample's vector."""

    SIZES = {"small": dict(dim=64, layers=2, heads=4, inner=256), "published": dict(dim=768, layers=6, heads=12, inner=3072)}
    vocabulary = None

    def __init__(self, data, dim, layers, heads, inner, dropout=0.1):
        super().__init__()
        self.unit, self.position = nn.Embedding(Ethos.vocabulary.n_units, dim), nn.Embedding(SETTINGS["ehr.max_length"], dim)
        self.blocks = nn.ModuleList(CausalBlock(dim, heads, inner, dropout) for _ in range(layers))
        self.norm, self.head, self.dropout = nn.LayerNorm(dim, bias=False), nn.Linear(dim, 1), Dropout(dropout)

    @staticmethod
    def read(sample, data):
        Ethos.vocabulary = Ethos.vocabulary or ethos_probe.Vocabulary(data, [])
        return [ethos_probe.window(sample, Ethos.vocabulary, SETTINGS)[1]]

    def forward(self, mask, unit):
        x = self.dropout(self.unit(unit) + self.position.weight[:unit.shape[1]])
        for block in self.blocks:
            x = block(x)
        last = x[torch.arange(len(x)), mask.sum(1) - 1]
        return self.head(self.dropout(self.norm(last)))[:, 0]

    @staticmethod
    def flops(lengths, dim, layers, heads, inner):
        """A unit sees half of the others."""
        return 3 * sum(layers * (2 * t * (4 * dim * dim + 2 * dim * inner) + 2 * t * t * dim) for t in lengths)


PEERS = {"behrt": Behrt, "transformehr": TransformEhr, "ethos-probe": Ethos}


def batches_of(inputs, labels, size):
    """Neighbours in length, padded, in random order."""
    order = sorted(range(len(inputs)), key=lambda i: len(inputs[i][0]))
    out = []
    for chosen in (order[i:i + size] for i in range(0, len(order), size)):
        most = max(len(inputs[i][0]) for i in chosen)
        mask = torch.tensor([[t < len(inputs[i][0]) for t in range(most)] for i in chosen])
        columns = [torch.tensor([list(inputs[i][c]) + [0] * (most - len(inputs[i][c])) for i in chosen]) for c in range(len(inputs[0]))]
        out.append((mask, columns, torch.tensor([float(labels[i]) for i in chosen])))
    return [out[i] for i in numpy.random.default_rng(1).permutation(len(out))]


def peer_rate(peer, data, samples, inputs, size, batch, by_hand):
    global BY_HAND
    BY_HAND = by_hand
    torch.manual_seed(1)
    model = peer(data, **peer.SIZES[size]).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.01, fused=True)
    todo, at, tokens, since = batches_of(inputs, [s["label"] for s in samples], batch), 0, 0, None
    warm, clock = 3, time.process_time if BY_PROCESSOR else time.perf_counter
    while since is None or clock() - since < SECONDS:
        mask, columns, y = todo[at % len(todo)]
        optimiser.zero_grad(set_to_none=True)
        F.binary_cross_entropy_with_logits(model(mask, *columns), y).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        at += 1
        tokens += int(mask.sum()) if since else 0
        since = clock() if at == warm else since
    return tokens / (clock() - since)


def product_rate(n=1536):
    """Operations a second of processor time of PyTorch's product, the best of some."""
    x, best = torch.ones(n, n), math.inf
    for _ in range(8):
        since = time.process_time()
        torch.mm(x, x)
        best = min(best, time.process_time() - since)
    return 2 * n**3 / best


# ---- ours ----
def train(work, cohort, task, model, size, batch, steps):
    """A training; what it logs, and its processor time."""
    command = ["mpirun", "--bind-to", "none", "-n", str(THREADS)] if THREADS > 1 else []
    settings = dict(SETTINGS, **{"files.cohort": cohort, "files.scores": work + "/scores.json", "ehr.task": task, "ehr.model": model,
                                 "ehr.size": size, "ehr.batch": batch, "ehr.steps": steps, "ehr.log_every": steps // 2,
                                 "ehr.eval_every": steps, "ehr.checkpoint_every": 0, "ehr.score": "tuning", "ehr.resamples": 20,
                                 "run.device": "cpu", "run.threads": 1})
    command += [rounds.MEDTOK, "evaluate", "--force", "--set", *(f"{k}={v}" for k, v in settings.items())]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    log = rounds.run(command, errors=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return log, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def our_rate(work, cohort, task, model, size, batch, mean_length):
    """Steps enough for some seconds. By the wall: the log's last line has the rate of the second half."""
    def rate_of(log):
        return float(re.findall(r"step \d+/\d+:.*?([0-9]+) samples/s", log)[-1])

    few = 4
    log, start = train(work, cohort, task, model, size, batch, few)
    steps = few + 2 * max(2, math.ceil(SECONDS * rate_of(log) / batch))
    log, seconds = train(work, cohort, task, model, size, batch, steps)
    rate = (steps - few) * batch / (seconds - start) if BY_PROCESSOR else rate_of(log)
    return rate * mean_length


def main():
    work, cohort, task, n_rounds, *wanted = sys.argv[1:]
    torch.set_num_threads(THREADS)
    data, samples = read_cohort(cohort, task)
    ceiling = rounds.bench(work, ["bench.items=activate.gelu", "run.device=cpu", "run.threads=1"], THREADS)
    gemm, machine = product_rate() if BY_PROCESSOR else ceiling["ceilings"]["gemm"]["flop_rate"], ceiling["machine"]
    print("Training, %s, %d thread(s) of PyTorch beside as many ranks of one%s; %s; gemm ceiling %.1f GFLOP/s.\n" % (
        machine, THREADS, ", by processor time" if BY_PROCESSOR else "", rounds.versions("PyTorch " + torch.__version__), gemm * 1e-9))
    for model, _, only in (m.partition(":") for m in wanted):
        inputs = [PEERS[model].read(s, data) for s in samples]
        lengths = [len(x[0]) for x in inputs]
        mean = sum(lengths) / len(lengths)
        for size, shape in PEERS[model].SIZES.items():
            if only not in ("", size):
                continue
            per_token = PEERS[model].flops(lengths, **shape) / sum(lengths)
            print("%s, %s: %s; %d samples of %.1f tokens\n" % (model, size, shape, len(lengths), mean))
            lines = []
            for _ in range(int(n_rounds)):
                turns = [((our_rate(work, cohort, task, model, size, b, mean), b),
                          (peer_rate(PEERS[model], data, samples, inputs, size, b, False), b),
                          (peer_rate(PEERS[model], data, samples, inputs, size, b, True), b)) for b in BATCHES]
                (ours, our_batch), (own, own_batch), (hand, hand_batch) = (max(side) for side in zip(*turns))
                lines.append((ours, our_batch, own, own_batch, ours / own, hand, hand_batch, ours / hand,
                              100 * ours * per_token / gemm))
            rounds.table([("ours, tokens/s", "%.0f"), ("best batch", "%d"), ("PyTorch, tokens/s", "%.0f"), ("best batch", "%d"),
                          ("ratio", "%.2f"), ("PyTorch by hand, tokens/s", "%.0f"), ("best batch", "%d"), ("ratio", "%.2f"),
                          ("ours, of the gemm ceiling", "%.0f %%")], lines)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
