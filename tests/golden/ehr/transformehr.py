"""TransformEHR (Yang et al., 2023) and its pre-training on the last visit, as specs: ehr-models-and-tasks 2 describes them, on BART's
encoder and decoder (Lewis et al., 2020); with dates of life, counted from birth or else from the first visit."""
import math

import torch
import torch.nn.functional as F

from common import (DAY, NO_TIME, TABLE, TOKEN_CLS, TOKEN_MISSING, TOKEN_SEP, block, block_shapes, code_rows, linear, linear_shapes, norm,
                    norm_shapes, timeline, visits_of)

SETTINGS = {"ehr.dim": 8, "ehr.layers": 2, "ehr.heads": 2, "ehr.inner": 12, "ehr.pretrain_steps": 10,
            "ehr.position_scale": 0.3}
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


def year_row(year, settings):
    """Sines in the first half of the columns, cosines in the second."""
    dim = settings["ehr.dim"]
    if year == 0:
        return torch.zeros(dim, dtype=torch.float64)
    angle = (year - 1) / 10000 ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    return settings["ehr.position_scale"] * torch.cat([angle.sin(), angle.cos()])


# ---- encoder and decoder ----
def through(p, part, x, settings, memory=None):
    x = norm(p, f"transformehr.{part}.norm", x + p[f"transformehr.{part}.position"][:len(x)], EPSILON)
    for layer in range(settings["ehr.layers"]):
        x = block(p, f"transformehr.{part}.block.{layer}", x, settings["ehr.heads"], epsilon=EPSILON, causal=memory is not None,
                  memory=memory)
    return x


def read(sample, data, settings, visits, start, now):
    """(token, year, month, day) of each of the visits' tokens, all but the tokens rows of tables."""
    rows = timeline(sample, data, settings, visits)
    skipped = len(visits) - 1 - rows[-1][2]  # the last ones are kept
    out = []
    for token, _, number in rows:
        at = visits[0 if number == 0 and visits[0]["is_static"] else number + skipped]["start"] if token != TOKEN_CLS else now
        out.append((token, *date(start, at)))
    return out


def encode(p, sample, data, settings, visits, start, now):
    """The encoder's states of the visits' tokens."""
    tokens, year, month, day = (list(x) for x in zip(*read(sample, data, settings, visits, start, now)))
    dates = torch.stack([year_row(y, settings) for y in year]) + p["transformehr.month"][month] + p["transformehr.day"][day]
    return through(p, "encoder", code_rows(p, tokens) + dates, settings)


def represent(p, data, samples, settings):
    last = []
    for s in samples:
        visits = visits_of(s, data, settings)
        memory = encode(p, s, data, settings, visits, origin(s, visits), s["time"])
        last.append(through(p, "decoder", code_rows(p, [TOKEN_SEP]), settings, memory)[-1])
    return torch.tanh(linear(p, "transformehr.dense", torch.stack(last)))


def pretrain(p, data, samples, settings, seed, step):
    loss, n = 0, 0
    for s in samples:
        visits = visits_of(s, data, settings)
        if not visits or visits[-1]["is_static"]:
            continue
        told = [token for token, _ in visits[-1]["codes"] if token != TOKEN_MISSING]
        memory = encode(p, s, data, settings, visits[:-1], origin(s, visits), visits[-1]["start"])
        read = ([TOKEN_SEP] + told)[:settings["ehr.max_length"]]
        targets = (told + [TOKEN_SEP])[:len(read)]
        logits = through(p, "decoder", code_rows(p, read), settings, memory) @ p[TABLE].T
        loss, n = loss + F.cross_entropy(logits, torch.tensor(targets), reduction="sum"), n + len(targets)
    return loss, n
