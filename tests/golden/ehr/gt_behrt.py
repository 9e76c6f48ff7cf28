"""GT-BEHRT (Poulain and Beheshti, 2024) and its pre-training, as src/ehr/models/gt_behrt.c describes them: specs, ehr-models-and-tasks 4."""
import math
from datetime import datetime, timedelta

import torch
import torch.nn.functional as F

from common import (DIAGNOSIS, DRUG, PROCEDURE, TABLE, TOKEN_FIRST_CODE, TOKEN_MASK, TOKEN_VISIT, age_classes, block, block_shapes, code_rows,
                    linear, linear_shapes, norm, norm_shapes, uniform, visits_of)

SETTINGS = {"ehr.dim": 20, "ehr.layers": 1, "ehr.heads": 2, "ehr.inner": 12, "ehr.pretrain_steps": 10}
GRAPH_LAYERS, GRAPH_HEADS, MOST_VISITS, STATIC_TYPE, MASKED_TYPE = 3, 2, 50, 4, 5
N_EDGE_TYPES, N_VISIT_TYPES, N_TOLD_TYPES = 8, 6, 5
RNG_GRAPH_MASK = 0x1550  # src/base/rng.h


def shapes(settings, data):
    dim, g = settings["ehr.dim"], settings["ehr.dim"] // 5
    wide, codes = GRAPH_HEADS * g, data.n_rows - TOKEN_FIRST_CODE
    s = {TABLE: (data.n_rows, g), "gt_behrt.edge": (N_EDGE_TYPES, g)}
    for layer in range(GRAPH_LAYERS):
        name = f"gt_behrt.graph.{layer}"
        s.update(norm_shapes(name + ".norm", g))
        s.update(linear_shapes(name + ".query", wide, g))
        s.update(linear_shapes(name + ".key_value", 2 * wide, g))
        s.update(linear_shapes(name + ".edge", wide, g, bias=False))
        if layer + 1 < GRAPH_LAYERS:
            s.update(linear_shapes(name + ".output", g, wide))
        s.update(norm_shapes(name + ".inner_norm", g))
        s.update(linear_shapes(name + ".up", g, g))
        s.update(linear_shapes(name + ".down", g, g))
    s.update({"gt_behrt.visit_type": (N_VISIT_TYPES, g), "gt_behrt.cls": (1, dim), **norm_shapes("gt_behrt.input.norm", dim),
              **linear_shapes("gt_behrt.input.first", dim, dim), **linear_shapes("gt_behrt.input.second", dim, dim),
              **norm_shapes("gt_behrt.input.last_norm", dim)})
    for layer in range(settings["ehr.layers"]):
        s.update(block_shapes(f"gt_behrt.block.{layer}", dim, settings["ehr.inner"]))
    s.update(linear_shapes("gt_behrt.pooler", dim, dim))
    for head, into in (("masked", g), ("missing", dim)):
        s.update({**linear_shapes(f"gt_behrt.{head}.dense", g, into), **norm_shapes(f"gt_behrt.{head}.norm", g),
                  f"gt_behrt.{head}.bias": (1, codes)})
    return {**s, **linear_shapes("gt_behrt.type", N_TOLD_TYPES, dim)}


# ---- visits as graphs ----
def edge_type(a, b):
    """Of two nodes by their kinds; None: the visit's own."""
    pairs = {(DIAGNOSIS, DIAGNOSIS): 0, (DRUG, DRUG): 1, (PROCEDURE, PROCEDURE): 2, (DIAGNOSIS, DRUG): 3, (DIAGNOSIS, PROCEDURE): 4,
             (DRUG, PROCEDURE): 5}
    if a is None or b is None:
        return 6
    return pairs.get((a, b), pairs.get((b, a), 7))


def visits_read(sample, data, settings):
    """The last 50, with the last codes: dicts of type, age, day (of the year), codes (row, kind)."""
    visits, most = visits_of(sample, data, settings), settings["ehr.max_length"]
    static = [v for v in visits if v["is_static"]]
    dated, kept = [v for v in visits if not v["is_static"]], []
    for v in static:
        v["codes"] = v["codes"][:most // 2]
    room = most - sum(len(v["codes"]) for v in static)
    for v in reversed(dated[-(MOST_VISITS - len(static)):]):
        v["codes"] = v["codes"][max(0, len(v["codes"]) - room):]
        if not v["codes"]:
            break
        room -= len(v["codes"])
        kept.insert(0, v)
    read = []
    for v in static + kept:
        day = 0 if v["is_static"] else (datetime(1970, 1, 1) + timedelta(microseconds=v["start"])).timetuple().tm_yday
        read.append(dict(type=STATIC_TYPE if v["is_static"] else v["kind"], age=v["age"], day=day,
                         codes=[(row, data.kind[c]) for row, c in v["codes"]]))
    return read


def graph_layer(p, layer, x, types):
    """Nodes x [n, g], types [n, n] of edges: the graph transformer's layer, with heads and their edges in plain sight."""
    name, n, g = f"gt_behrt.graph.{layer}", len(x), x.shape[1]
    u = norm(p, name + ".norm", x, 1e-5)
    q = linear(p, name + ".query", u).view(n, GRAPH_HEADS, g)
    k, v = (z.view(n, GRAPH_HEADS, g) for z in linear(p, name + ".key_value", u).chunk(2, -1))
    edge = linear(p, name + ".edge", p["gt_behrt.edge"]).view(-1, GRAPH_HEADS, g)[types]  # [n, n, heads, g]
    logits = torch.einsum("ihc,ijhc->hij", q, k[None] + edge) / math.sqrt(g)
    m = torch.einsum("hij,ijhc->ihc", logits.softmax(-1), v[None] + edge)
    x = x + (linear(p, name + ".output", m.reshape(n, -1)) if layer + 1 < GRAPH_LAYERS else m.mean(1))
    return x + linear(p, name + ".down", F.gelu(linear(p, name + ".up", norm(p, name + ".inner_norm", x, 1e-5))))


def graph(p, codes):
    """codes: (row, kind) of a visit; the states of its own node and of theirs."""
    kinds = [None] + [kind for _, kind in codes]
    types = torch.tensor([[edge_type(a, b) for b in kinds] for a in kinds])
    x = code_rows(p, [TOKEN_VISIT] + [row for row, _ in codes])
    for layer in range(GRAPH_LAYERS):
        x = graph_layer(p, layer, x, types)
        if layer + 1 < GRAPH_LAYERS:
            x = F.gelu(x)
    return x


# ---- the sequence of visits ----
def sinusoid(number, dim):
    """Frequencies by the column's own number, as in BEHRT's code."""
    j = torch.arange(dim, dtype=torch.float64)
    angle = number / 10000 ** (2 * j / dim)
    return torch.where(j % 2 == 0, angle.sin(), angle.cos())


def encode(p, states, visits, settings):
    """States of the visits' nodes -> rows of CLS and of each visit."""
    g, rows = settings["ehr.dim"] // 5, [p["gt_behrt.cls"][0]]
    for i, (state, v) in enumerate(zip(states, visits)):
        rows.append(torch.cat([state, p["gt_behrt.visit_type"][v["type"]], sinusoid(i, g), sinusoid(v["age"], g), sinusoid(v["day"], g)]))
    x = norm(p, "gt_behrt.input.norm", torch.stack(rows), 1e-5)
    x = F.gelu(linear(p, "gt_behrt.input.second", F.gelu(linear(p, "gt_behrt.input.first", x))))
    x = norm(p, "gt_behrt.input.last_norm", x, 1e-5)
    for layer in range(settings["ehr.layers"]):
        x = block(p, f"gt_behrt.block.{layer}", x, settings["ehr.heads"])
    return x


def represent(p, data, samples, settings):
    first = []
    for s in samples:
        visits = visits_read(s, data, settings)
        first.append(encode(p, [graph(p, v["codes"])[0] for v in visits], visits, settings)[0])
    return torch.tanh(linear(p, "gt_behrt.pooler", torch.stack(first)))


# ---- pre-training ----
def code_loss(p, head, state, row):
    y = norm(p, f"gt_behrt.{head}.norm", F.gelu(linear(p, f"gt_behrt.{head}.dense", state)), 1e-12)
    return F.cross_entropy(p[TABLE][TOKEN_FIRST_CODE:] @ y + p[f"gt_behrt.{head}.bias"][0], torch.tensor(row - TOKEN_FIRST_CODE))


def hide(visits, number, seed, step):
    """The visits as the model reads them; for each the masked nodes (place in the graph, row), the rows left out, the type to be told."""
    shown, hidden, t = [], [], 0
    for i, v in enumerate(visits):
        codes, masked, missing = [], [], []
        for row, kind in v["codes"]:
            u = uniform(seed, RNG_GRAPH_MASK, step, number << 20 | t) if row >= TOKEN_FIRST_CODE else 1
            t += 1
            if u < 0.15:
                masked.append((1 + len(codes), row))
            elif u < 0.25:
                missing.append(row)
                continue
            codes.append((TOKEN_MASK if u < 0.15 else row, kind))
        told = v["type"] if uniform(seed, RNG_GRAPH_MASK + 1, step, number << 20 | i) < 0.5 else None
        shown.append({**v, "codes": codes, "type": v["type"] if told is None else MASKED_TYPE})
        hidden.append((masked, missing, told))
    return shown, hidden


def pretrain(p, data, samples, settings, seed, step):
    losses = []
    for s in samples:
        visits, hidden = hide(visits_read(s, data, settings), s["number"], seed, step)
        graphs = [graph(p, v["codes"]) for v in visits]
        rows = encode(p, [x[0] for x in graphs], visits, settings)[1:]
        for nodes, visit, (masked, missing, told) in zip(graphs, rows, hidden):
            losses += [code_loss(p, "masked", nodes[at], row) for at, row in masked]
            losses += [code_loss(p, "missing", visit, row) for row in missing]
            if told is not None:
                losses.append(F.cross_entropy(linear(p, "gt_behrt.type", visit), torch.tensor(told)))
    return sum(losses), len(losses)
