"""BEHRT (Li et al., 2020) and its pre-training on masked codes, as specs: ehr-models-and-tasks 1.2, 1.3 describe them."""
import torch
import torch.nn.functional as F

from common import (TOKEN_FIRST_CODE, TOKEN_MASK, age_classes, block, block_shapes, code_rows, linear, linear_shapes, norm, norm_shapes,
                    timeline, uniform, TABLE)

SETTINGS = {"ehr.dim": 12, "ehr.layers": 2, "ehr.heads": 3, "ehr.inner": 20, "ehr.pretrain_steps": 10}
EPSILON = 1e-12
RNG_MASK = 0x1500  # src/base/rng.h


def shapes(settings, data):
    dim = settings["ehr.dim"]
    s = {TABLE: (data.n_rows, dim), "behrt.segment": (2, dim), "behrt.age": (age_classes(settings), dim), **norm_shapes("behrt.norm", dim)}
    for layer in range(settings["ehr.layers"]):
        s.update(block_shapes(f"behrt.block.{layer}", dim, settings["ehr.inner"]))
    return {**s, **linear_shapes("behrt.pooler", dim, dim), **linear_shapes("behrt.masked.dense", dim, dim),
            **norm_shapes("behrt.masked.norm", dim), "behrt.masked.bias": (1, data.n_own)}


def positions(visit, dim):
    """Frequencies by the column's own number, as in BEHRT's code."""
    j = torch.arange(dim, dtype=torch.float64)
    angle = visit[:, None] / 10000 ** (2 * j / dim)
    return torch.where(j % 2 == 0, angle.sin(), angle.cos())


def encode(p, token, age, visit, settings):
    visit = torch.tensor(visit, dtype=torch.float64)
    x = code_rows(p, token) + p["behrt.segment"][visit.long() % 2] + p["behrt.age"][torch.tensor(age)]
    x = norm(p, "behrt.norm", x + positions(visit, x.shape[1]), EPSILON)
    for layer in range(settings["ehr.layers"]):
        x = block(p, f"behrt.block.{layer}", x, settings["ehr.heads"])
    return x


def represent(p, data, samples, settings):
    first = [encode(p, *zip(*timeline(s, data, settings)), settings)[0] for s in samples]
    return torch.tanh(linear(p, "behrt.pooler", torch.stack(first)))


def hide(token, data, number, seed, step):
    """The tokens as the model reads them, and where which one is to be told."""
    shown, targets = list(token), []
    for t, row in enumerate(token):
        index = number << 20 | t
        if row < TOKEN_FIRST_CODE or uniform(seed, RNG_MASK, step, index) >= 0.15:
            continue
        targets.append((t, row - TOKEN_FIRST_CODE))
        how = uniform(seed, RNG_MASK + 1, step, index)
        if how < 0.8:
            shown[t] = TOKEN_MASK
        elif how < 0.9:
            shown[t] = TOKEN_FIRST_CODE + int(uniform(seed, RNG_MASK + 2, step, index) * data.n_own)
    return shown, targets


def pretrain(p, data, samples, settings, seed, step):
    loss, n = 0, 0
    for s in samples:
        token, age, visit = zip(*timeline(s, data, settings))
        token, targets = hide(token, data, s["number"], seed, step)
        h = encode(p, token, age, visit, settings)
        for at, code in targets:
            y = norm(p, "behrt.masked.norm", F.gelu(linear(p, "behrt.masked.dense", h[at])), EPSILON)
            logits = p[TABLE][TOKEN_FIRST_CODE:] @ y + p["behrt.masked.bias"][0]
            loss, n = loss + F.cross_entropy(logits, torch.tensor(code)), n + 1
    return loss, n
