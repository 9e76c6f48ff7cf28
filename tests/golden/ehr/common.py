"""What the PyTorch implementations of the models of health records (src/ehr/models) share, and how a new one is written.

A model NAME has a file NAME.py here, functional, in float64, one sample after the other, so that nothing is padded:

  SETTINGS                                    settings as for `--set`, with tiny sizes; DEFAULTS stand for the others
  shapes(settings, data)                      {name of a parameter as in the C code: (rows, columns)}; frozen ones are left out, and so
                                              are those of the heads
  represent(p, data, samples, settings)       [n, width]; p: {name: tensor}
  pretrain(p, data, samples, settings, seed, step)   (sum of the losses, number of targets); a model without pre-training has none
  decays(name)                                whether weight decay acts on a parameter; if it is not as decays() below says

`make_ehr_golden.py NAME` writes NAME.txt, which is committed, and tests/unit/ehr/test_model_golden.c compares the model of that name in
src/ehr/models with it: a new model needs its NAME.py, NAME.txt, and its name in that test's list. The arm is `random`: each code has a
row of its own or is missing. Dropout is 0.

data       Data below: codes of the cohort, their kinds and rows
samples    a list of dicts, as struct sample_history (src/ehr/visits.h): number, subject, label, birth, time, n_static,
           events: dicts of time, code, token, visit, value;   visits: dicts of start, end, kind

Random numbers, for what pre-training hides, are those of src/base/rng.h: uniform(seed, stream, step, index).
"""
import math
import os
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from medtok_reference import uniforms  # noqa: E402

DEFAULTS = {"ehr.embedding": "random", "ehr.visits": "days", "ehr.age": "years", "ehr.max_length": 24, "ehr.dropout": 0,
            "ehr.pretrain_steps": 0}

# src/ehr/visits.h
TOKEN_CLS, TOKEN_SEP, TOKEN_MASK, TOKEN_VISIT, TOKEN_MISSING, TOKEN_FIRST_CODE = range(6)
# src/store/subject_record.h
OTHER, DIAGNOSIS, PROCEDURE, DRUG, MEASUREMENT, VISIT, FACT = range(7)
NO_TIME = -2**63
DAY = 86400 * 1000000
TABLE = "codes.table"  # src/ehr/code_rows.c


class Data:
    """The codes of the cohort in ascending order: text, kind, row, samples of train with it; n_rows as in struct ehr_data."""

    def __init__(self, codes, in_train, missing):
        self.text, self.kind = [text for text, _ in codes], [kind for _, kind in codes]
        self.in_train = in_train
        self.row, self.n_rows = [], TOKEN_FIRST_CODE
        for text, n in zip(self.text, in_train):
            has_row = n > 0 and text not in missing
            self.row.append(self.n_rows if has_row else TOKEN_MISSING)
            self.n_rows += has_row
        self.n_own = self.n_rows - TOKEN_FIRST_CODE


def uniform(seed, stream, step, index):
    return float(uniforms(seed, stream, step, index))


def decays(name):
    """Weight matrices and rows of codes."""
    return name.endswith(".weight") or name == TABLE


# ---- histories: src/ehr/visits.h, src/ehr/timeline.h ----
def age_class(birth, time, settings):
    if NO_TIME in (birth, time) or time < birth:
        return 0
    unit = 12 if settings["ehr.age"] == "months" else 1
    return min(1 + int(unit * (time - birth) / (365.25 * DAY)), 1 + 110 * unit)


def age_classes(settings):
    return 2 + 110 * (12 if settings["ehr.age"] == "months" else 1)


def visits_of(sample, data, settings):
    """Dicts of start, end, kind, age (class), is_static, codes: (token, code) once each in the order of codes."""
    groups = {}
    for e in sample["events"]:
        if data.text[e["code"]] == "MEDS_BIRTH":
            continue
        if e["time"] == NO_TIME:
            key = (NO_TIME, -1)
        elif settings["ehr.visits"] == "admissions" and e["visit"] >= 0:
            key = (sample["visits"][e["visit"]]["start"], e["visit"])
        else:
            key = (e["time"] // DAY * DAY, -1)
        groups.setdefault(key, []).append(e)
    visits = []
    for (start, number), events in sorted(groups.items()):
        times = [e["time"] for e in events]
        v = dict(start=min(times), end=max(times), kind=0, is_static=start == NO_TIME)
        if number >= 0:
            v.update(sample["visits"][number])
        v["age"] = age_class(sample["birth"], v["start"], settings)
        v["codes"] = [(data.row[c], c) for c in sorted({e["code"] for e in events})]
        visits.append(v)
    return visits


def timeline(sample, data, settings, visits=None):
    """(token, age, visit) of CLS, and of each visit's codes and its SEP: cut in front to ehr.max_length. visits: some of visits_of."""
    static, dated, length = [], [], settings["ehr.max_length"]
    for number, v in enumerate(visits_of(sample, data, settings) if visits is None else visits):
        tokens = [token for token, _ in v["codes"]] + [TOKEN_SEP]
        (static if v["is_static"] else dated).extend((token, v["age"], number) for token in tokens)
    most = (length - 1) // 2
    if len(static) > most:
        static = static[:most - 1] + static[-1:]
    kept = dated[max(0, len(dated) - (length - 1 - len(static))):]
    if kept and len(kept) < len(dated) and kept[0][0] == TOKEN_SEP:
        kept = kept[1:]
    first = kept[0][2] if kept else 0
    kept = [(token, age, visit - first + (1 if static else 0)) for token, age, visit in kept]
    rest = static + kept
    return [(TOKEN_CLS, rest[0][1] if rest else 0, 0)] + rest


# ---- layers: src/nn/parameters.h, src/nn/transformer.h, with the names that they give ----
def linear(p, name, x):
    return F.linear(x, p[name + ".weight"], p[name + ".bias"][0] if name + ".bias" in p else None)


def linear_shapes(name, out, into, bias=True):
    return {name + ".weight": (out, into), **({name + ".bias": (1, out)} if bias else {})}


def norm(p, name, x, epsilon):
    bias = p[name + ".bias"][0] if name + ".bias" in p else None
    return F.layer_norm(x, x.shape[-1:], p[name + ".gain"][0], bias, epsilon)


def norm_shapes(name, dim, bias=True):
    return {name + ".gain": (1, dim), **({name + ".bias": (1, dim)} if bias else {})}


def block_shapes(name, dim, inner, cross=False, bias=True):
    s = {}
    for part in (["self", "cross"] if cross else ["self"]):
        for field, out in (("query", dim), ("key_value", 2 * dim), ("output", dim)):
            s.update(linear_shapes(f"{name}.{part}.{field}", out, dim, bias))
        s.update(norm_shapes(f"{name}.{part}.norm", dim, bias))
    s.update(linear_shapes(f"{name}.up", inner, dim, bias))
    s.update(linear_shapes(f"{name}.down", dim, inner, bias))
    s.update(norm_shapes(f"{name}.norm", dim, bias))
    return s


def attention(p, name, x, y, heads, mask):
    """Of x [t, d] to y [s, d]; mask [t, s] is added to the logits, or None."""
    q, (k, v) = linear(p, name + ".query", x), linear(p, name + ".key_value", y).chunk(2, -1)
    q, k, v = (z.view(len(z), heads, -1).transpose(0, 1) for z in (q, k, v))
    logits = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    if mask is not None:
        logits = logits + mask
    return linear(p, name + ".output", (logits.softmax(-1) @ v).transpose(0, 1).reshape(len(x), -1))


def block(p, name, x, heads, f=F.gelu, epsilon=1e-12, pre_norm=False, causal=False, memory=None):
    """One block over the rows x [t, d] of one sample; memory [s, d]: what it attends to besides, or None."""
    mask = torch.full((len(x), len(x)), -math.inf, dtype=x.dtype).triu(1) if causal else None
    parts = [(".self.norm", lambda h: attention(p, name + ".self", h, h, heads, mask))]
    if memory is not None:
        parts.append((".cross.norm", lambda h: attention(p, name + ".cross", h, memory, heads, None)))
    parts.append((".norm", lambda h: linear(p, name + ".down", f(linear(p, name + ".up", h)))))
    for n, part in parts:
        x = x + part(norm(p, name + n, x, epsilon)) if pre_norm else norm(p, name + n, x + part(x), epsilon)
    return x


def code_rows(p, tokens):
    return p[TABLE][torch.as_tensor(tokens)]
