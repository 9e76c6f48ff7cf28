"""MulT-EHR: HGT (Hu et al., 2020) on a patient's own graph, edge by edge, and TransE (Bordes et al., 2013), as specs: ehr-models-and-tasks
5.2, 5.3 describe them, with the graph of src/ehr/models/mult_ehr_input.h."""
import math

import torch
import torch.nn.functional as F

from common import (DIAGNOSIS, DRUG, PROCEDURE, TABLE, TOKEN_FIRST_CODE, age_classes, linear, linear_shapes, norm, norm_shapes, uniform,
                    visits_of)

# So few codes are read that a history is cut, and so many that more than PAIRS are there to draw from.
SETTINGS = {"ehr.dim": 6, "ehr.layers": 2, "ehr.heads": 2, "ehr.inner": 5, "ehr.max_length": 20, "ehr.pretrain_steps": 10}
TYPES = ["patient", "visit", "diagnosis", "procedure", "prescription", "other"]
KIND_TYPES = {DIAGNOSIS: "diagnosis", PROCEDURE: "procedure", DRUG: "prescription"}
CODE_TYPES = TYPES[2:]
RELATIONS = [(a, b) for t in TYPES if t != "visit" for a, b in ((t, "visit"), ("visit", t))]
RNG_TRANSE, RNG_TRANSE_NEGATIVE = 0x1540, 0x1541  # src/base/rng.h
PAIRS, NEGATIVES, MARGIN = 16, 5, 0.1


def changed(layer, settings):
    return TYPES if layer + 1 < settings["ehr.layers"] else ["patient", "visit"]


def shapes(settings, data):
    dim, heads, inner = (settings["ehr." + key] for key in ("dim", "heads", "inner"))
    s = {TABLE: (data.n_rows, inner), "mult_ehr.age": (age_classes(settings), inner), "mult_ehr.transe.relations": (5, inner)}
    for t in TYPES:
        s.update(linear_shapes(f"mult_ehr.in.{t}", dim, inner))
    for layer in range(settings["ehr.layers"]):
        name, targets = f"mult_ehr.layer.{layer}.", changed(layer, settings)
        for t in TYPES:
            for what in ("key", "value", *(("query", "output") if t in targets else ())):
                s.update(linear_shapes(f"{name}{t}.{what}", dim, dim))
            if t in targets:
                s.update({**norm_shapes(f"{name}{t}.norm", dim), f"{name}{t}.skip": (1, 1)})
        for a, b in RELATIONS:
            if b in targets:
                s.update({f"{name}{a}_{b}.{what}.weight": (dim, dim // heads) for what in ("key", "value")})
                s[f"{name}{a}_{b}.prior"] = (heads, 1)
    return s


class Graph:
    def __init__(self, sample, data, settings):
        self.facts, self.ages, told, most = [], [], [], settings["ehr.max_length"]
        for v in visits_of(sample, data, settings):
            if v["is_static"]:
                self.facts = [token for token, _ in v["codes"]][:most // 2]
            else:
                told += [(v, token, code) for token, code in v["codes"]]
        told, visit = told[max(0, len(told) - most):], None
        self.pairs = []  # (type, code, visit, token)
        for v, token, code in told:
            if v is not visit:
                self.ages.append(v["age"])
                visit = v
            self.pairs.append((TYPES.index(KIND_TYPES.get(data.kind[code], "other")), code, len(self.ages) - 1, token))
        self.pairs.sort()
        self.ages = self.ages or [0]
        self.nodes = {t: sorted({(code, token) for u, code, _, token in self.pairs if TYPES[u] == t}) for t in CODE_TYPES}

    def edges(self, a, b):
        """(node of type a, node of type b) of the relation."""
        if a != "visit":
            return [(i, j) for j, i in self.edges(b, a)]
        if b == "patient":
            return [(v, 0) for v in range(len(self.ages))]
        codes = [code for code, _ in self.nodes[b]]
        return [(visit, codes.index(code)) for t, code, visit, _ in self.pairs if TYPES[t] == b]


def features(p, graph):
    def rows(tokens):
        return p[TABLE][torch.tensor(tokens, dtype=torch.long)]

    f = {"patient": rows(graph.facts).sum(0, keepdim=True), "visit": p["mult_ehr.age"][torch.tensor(graph.ages)]}
    f.update({t: rows([token for _, token in graph.nodes[t]]) for t in CODE_TYPES})
    return {t: F.gelu(linear(p, f"mult_ehr.in.{t}", f[t])) for t in TYPES}


def layer_of(p, graph, number, x, settings):
    name, heads = f"mult_ehr.layer.{number}.", settings["ehr.heads"]
    width = settings["ehr.dim"] // heads

    def relation(a, b):
        edges = graph.edges(a, b)
        out = torch.zeros(len(x[b]), heads * width, dtype=torch.float64)
        if not edges:
            return out
        source, target = torch.tensor(edges).T
        k, v = (torch.einsum("nhi,hoi->nho", linear(p, f"{name}{a}.{what}", x[a]).view(-1, heads, width),
                             p[f"{name}{a}_{b}.{what}.weight"].view(heads, width, width)) for what in ("key", "value"))
        q = linear(p, f"{name}{b}.query", x[b]).view(-1, heads, width)
        logits = (q[target] * k[source]).sum(-1) * p[f"{name}{a}_{b}.prior"][:, 0] / math.sqrt(width)
        rows = []
        for j in range(len(x[b])):
            mine = target == j
            rows.append((logits[mine].softmax(0)[:, :, None] * v[source[mine]]).sum(0).reshape(-1))
        return torch.stack(rows)

    y = dict(x)
    for t in changed(number, settings):
        message = torch.stack([relation(a, b) for a, b in RELATIONS if b == t]).mean(0)
        g = p[f"{name}{t}.skip"][0, 0].sigmoid()
        y[t] = norm(p, f"{name}{t}.norm", g * linear(p, f"{name}{t}.output", message) + (1 - g) * x[t], 1e-5)
    return y


def represent(p, data, samples, settings):
    rows = []
    for s in samples:
        graph = Graph(s, data, settings)
        x = features(p, graph)
        for layer in range(settings["ehr.layers"]):
            x = layer_of(p, graph, layer, x, settings)
        rows.append(torch.cat([x["visit"][-1], x["patient"][0]]))
    return torch.stack(rows)


def unit(x):
    return x / x.norm()


def pretrain(p, data, samples, settings, seed, step):
    known = {t: [row for kind, row, n in zip(data.kind, data.row, data.in_train)
                 if KIND_TYPES.get(kind, "other") == t and row >= TOKEN_FIRST_CODE and n > 0] for t in CODE_TYPES}
    loss, n, entity = 0, 0, lambda token: unit(p[TABLE][token])
    for s in samples:
        graph, number = Graph(s, data, settings), s["number"]
        if len(graph.pairs) < 2:
            continue

        def draw(stream, at, items):
            return items[int(uniform(seed, stream, step, number << 20 | at) * len(items))]

        for i in range(min(PAIRS, len(graph.pairs))):
            pair = draw(RNG_TRANSE, i, graph.pairs)
            type, code, visit, token = pair
            if token < TOKEN_FIRST_CODE:  # a missing code is no answer
                continue
            mine = [entity(q[3]) for q in graph.pairs if q[2] == visit and q is not pair]
            others = [entity(q[3]) for q in graph.pairs if q[2] != visit]
            wrong = [entity(draw(RNG_TRANSE_NEGATIVE, i * NEGATIVES + k, known[TYPES[type]])) for k in range(NEGATIVES)]
            r = p["mult_ehr.transe.relations"]
            for head, translation in ((mine, r[type - 1]), (others, r[0] + r[type - 1])):
                if not head:
                    continue
                z = unit(torch.stack(head).sum(0)) + translation
                right = (z - entity(token)).norm()
                loss = loss + sum(F.relu(MARGIN + right - (z - w).norm()) for w in wrong)
                n += NEGATIVES
    return loss, n
