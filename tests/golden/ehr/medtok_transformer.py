"""MedTok's own transformer: specs ehr-models-and-tasks 6, without the defects of section 8: codes of a visit have the visit's number for a
position, and a visit that has not ended is as long as it has lasted."""
import math

import torch

from common import (DAY, NO_TIME, TABLE, TOKEN_SEP, block, block_shapes, code_rows, linear, linear_shapes, timeline, visits_of)

SETTINGS = {"ehr.dim": 12, "ehr.layers": 2, "ehr.heads": 3, "ehr.inner": 20, "ehr.visits": "admissions"}
HOUR = DAY // 24
MOST_YEARS = 110  # src/ehr/visits.h
LEFT_FOR_TURNS = 4


def shapes(settings, data):
    dim = settings["ehr.dim"]
    s = {TABLE: (data.n_rows, dim), "medtok.years": (MOST_YEARS + 2, dim - LEFT_FOR_TURNS)}
    for layer in range(settings["ehr.layers"]):
        s.update(block_shapes(f"medtok.block.{layer}", dim, settings["ehr.inner"]))
    return {**s, **linear_shapes("medtok.last", dim, dim)}


def position(number, dim):
    """Vaswani et al. (2017)."""
    j = torch.arange(dim, dtype=torch.float64)
    angle = number / 10000 ** (2 * (j // 2) / dim)
    return torch.where(j % 2 == 0, angle.sin(), angle.cos())


def phi(p, duration):
    """None: not known."""
    if duration is None:
        return torch.cat([p["medtok.years"][0], torch.zeros(LEFT_FOR_TURNS, dtype=torch.float64)])
    days, hours = duration // DAY, duration // HOUR % 24
    year = 1 + min(days // 365, MOST_YEARS)
    turns = [2 * math.pi * (days % 365) / 365, 2 * math.pi * hours / 24]
    return torch.cat([p["medtok.years"][year], torch.tensor([f(a) for a in turns for f in (math.sin, math.cos)], dtype=torch.float64)])


def durations(sample, visits, at):
    """Length of the visit, and time since the visit before it ended, or since birth; of an end that is not known, its start."""
    v = visits[at]
    length = (sample["time"] if v["end"] == NO_TIME else v["end"]) - v["start"]
    if at and not visits[at - 1]["is_static"]:
        before = visits[at - 1]
        since = before["start"] if before["end"] == NO_TIME else before["end"]
    else:
        since = sample["birth"]
    return length, None if since == NO_TIME else max(0, v["start"] - since)


def represent(p, data, samples, settings):
    out = []
    for sample in samples:
        visits = visits_of(sample, data, settings)
        tokens = [t for t in timeline(sample, data, settings) if t[0] != TOKEN_SEP]
        x = code_rows(p, [token for token, *_ in tokens])
        added = []
        has_static = bool(visits) and visits[0]["is_static"]
        last = tokens[-1][2]  # the last visit is never cut
        for at, (_, _, visit) in enumerate(tokens):
            v = len(visits) - 1 - (last - visit)
            if at == 0 or has_static and visit == 0:
                added.append(torch.zeros_like(x[0]))
                continue
            length, since = durations(sample, visits, v)
            added.append(position(visit, x.shape[1]) + phi(p, length) + phi(p, since))
        x = x + torch.stack(added)
        for layer in range(settings["ehr.layers"]):
            x = block(p, f"medtok.block.{layer}", x, settings["ehr.heads"], torch.relu, 1e-5)
        out.append(x[0])
    return linear(p, "medtok.last", torch.stack(out))
