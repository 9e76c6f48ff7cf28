"""TransformEHR (Yang et al., 2023) and its pre-training on the last visit, as specs: ehr-models-and-tasks 2 describes them, on BART's
encoder and decoder (Lewis et al., 2020); with dates of life, counted from birth or else from the first visit."""
import math

import torch
import torch.nn.functional as F

from common import (DAY, NO_TIME, TABLE, TOKEN_CLS, TOKEN_MISSING, TOKEN_SEP, block, block_shapes, code_rows, linear, linear_shapes, norm,
                    norm_shapes, timeline, visits_of)

SETTINGS = {"ehr.dim": 8, "ehr.layers": 2, "ehr.heads": 2, "ehr.inner": 12, "ehr.pretrain_steps": 10}
EPSILON = 1e-5


def shapes(settings, data):
    dim = settings["ehr.dim"]
    s = {TABLE: (data.n_rows, dim), "transformehr.month": (13, dim), "transformehr.day": (32, dim)}
    for part in ("encoder", "decoder"):
        s[f"transformehr.{part}.position"] = (settings["ehr.max_length"], dim)
        s.update(norm_shapes(f"transformehr.{part}.norm", dim))
        for layer in range(settings["ehr.layers"]):
            s.update(block_shapes(f"transformehr.{part}.block.{layer}", dim, settings["ehr.inner"], cross=part == "decoder"))
    return {**s, **linear_shapes("transformehr.dense", dim, dim)}


# ---- dates ----
def origin(sample, visits):
    if sample["birth"] != NO_TIME:
        return sample["birth"]
    return min((v["start"] for v in visits if not v["is_static"]), default=NO_TIME)


def date(start, time):
    """(year, month, day) as rows: 0 if there is no date."""
    if NO_TIME in (start, time) or time < start:
        return 0, 0, 0
    days = (time - start) // DAY
    year = math.floor(days / 365.25)
    month = math.floor((days - 365.25 * year) / 30.4375)
    day = math.floor(days - 365.25 * year - 30.4375 * month)
    return min(1 + year, 111), 1 + month, 1 + day


def year_row(year, dim):
    """Sines in the first half of the columns, cosines in the second, as large as N(0, 0.02^2)."""
    if year == 0:
        return torch.zeros(dim, dtype=torch.float64)
    angle = (year - 1) / 10000 ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    return 0.02 * math.sqrt(2) * torch.cat([angle.sin(), angle.cos()])


# ---- encoder and decoder ----
def through(p, part, x, settings, memory=None):
    x = norm(p, f"transformehr.{part}.norm", x + p[f"transformehr.{part}.position"][:len(x)], EPSILON)
    for layer in range(settings["ehr.layers"]):
        x = block(p, f"transformehr.{part}.block.{layer}", x, settings["ehr.heads"], epsilon=EPSILON, causal=memory is not None,
                  memory=memory)
    return x


def encode(p, sample, data, settings, visits, start, now):
    """Tokens of the visits, and the encoder's states of them."""
    tokens, _, numbers = zip(*timeline(sample, data, settings, visits))
    rows = []
    for token, number in zip(tokens, numbers):
        at = visits[number + len(visits) - 1 - numbers[-1]] if token != TOKEN_CLS else {"start": now}  # the last ones are kept
        if token != TOKEN_CLS and number == 0 and visits[0]["is_static"]:
            at = visits[0]
        year, month, day = date(start, at["start"])
        rows.append(year_row(year, settings["ehr.dim"]) + p["transformehr.month"][month] + p["transformehr.day"][day])
    return tokens, through(p, "encoder", code_rows(p, tokens) + torch.stack(rows), settings)


def represent(p, data, samples, settings):
    last = []
    for s in samples:
        visits = visits_of(s, data, settings)
        tokens, memory = encode(p, s, data, settings, visits, origin(s, visits), s["time"])
        last.append(through(p, "decoder", code_rows(p, (TOKEN_SEP,) + tokens[:-1]), settings, memory)[-1])
    return torch.tanh(linear(p, "transformehr.dense", torch.stack(last)))


def pretrain(p, data, samples, settings, seed, step):
    loss, n = 0, 0
    for s in samples:
        visits = visits_of(s, data, settings)
        if not visits or visits[-1]["is_static"]:
            continue
        told = [token for token, _ in visits[-1]["codes"] if token != TOKEN_MISSING]
        _, memory = encode(p, s, data, settings, visits[:-1], origin(s, visits), visits[-1]["start"])
        read = ([TOKEN_SEP] + told)[:settings["ehr.max_length"]]
        targets = (told + [TOKEN_SEP])[:len(read)]
        logits = through(p, "decoder", code_rows(p, read), settings, memory) @ p[TABLE].T
        loss, n = loss + F.cross_entropy(logits, torch.tensor(targets), reduction="sum"), n + len(targets)
    return loss, n
