"""Writes the reference files of tests/unit/ehr/test_model_golden.c: NAME.txt of each model NAME (common.py says how one is written).

usage: make_ehr_golden.py NAME ...    (needs torch and numpy)

A file holds, a word or number at a time:

  set KEY=VALUE
  seed SEED                          of the model
  adam RATE WEIGHT_DECAY             of the steps
  code KIND ROW IN_TRAIN TEXT        the codes of the cohort, in their order
  tensor NAME ROWS COLS values...    row by row

  event.* [events], visit.* [visits], sample.* [samples]: as in struct sample_set; offsets: events and visits of each sample
  initial.*            the parameters
  task.representation, task.loss, task.gradient.*       through the head of a binary label
  task.steps           the loss before each of ten steps of AdamW, at a constant rate, without clipping
  pretrain.*           likewise, without a representation; its step number is that of the draws
"""
import importlib
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

import common as c

HERE = os.path.dirname(os.path.abspath(__file__))
SEED, STEPS, RATE, WEIGHT_DECAY = 7, 10, 3e-3, 0.1

# Ascending, as in a cohort; texts as MEDS has them.
CODES = sorted([
    ("ATC/B01AC06", c.DRUG), ("ATC/C07AB02", c.DRUG), ("ATC/J01XA01", c.DRUG), ("DIAGNOSIS//ICD//9//41001", c.DIAGNOSIS),
    ("GENDER//F", c.FACT), ("GENDER//M", c.FACT), ("HOSPITAL_ADMISSION//EW EMER.", c.VISIT), ("HOSPITAL_DISCHARGE//HOME", c.VISIT),
    ("ICD10CM/E11.9", c.DIAGNOSIS), ("ICD10CM/I10", c.DIAGNOSIS), ("ICD10CM/I21.4", c.DIAGNOSIS), ("ICD10CM/N17.9", c.DIAGNOSIS),
    ("ICD10PCS/02703ZZ", c.PROCEDURE), ("LAB//50912//mg/dL", c.MEASUREMENT), ("LAB//50971//mEq/L", c.MEASUREMENT),
    ("MEDS_BIRTH", c.FACT), ("RACE//OTHER", c.FACT)])
MISSING = ["ATC/J01XA01", "MEDS_BIRTH"]  # have no row; each is in samples
INDEX = {text: i for i, (text, _) in enumerate(CODES)}


def draw_sample(random, number, n_admissions, n_days, birth_known, static):
    """Admissions of some days with events in them, and days outside; the last admission has not ended."""
    birth = int(random.integers(-40 * 365, 0)) * c.DAY
    events, visits, dated = [], [], [i for i, (_, kind) in enumerate(CODES) if kind not in (c.FACT, c.VISIT)]
    time = birth + int(random.integers(60 * 365, 80 * 365)) * c.DAY

    def add(code, at, visit):
        value = round(float(random.normal(100, 30)), 1) if CODES[code][1] == c.MEASUREMENT else np.nan
        events.append(dict(time=at, code=code, visit=visit, value=value))

    for kind in (["admission"] * n_admissions + ["day"] * n_days if number % 2 else ["day"] * n_days + ["admission"] * n_admissions):
        time += int(random.integers(2 * 86400, 200 * 86400)) * 1000000
        n, visit, start = int(random.integers(1, 6)), -1, time
        if kind == "admission":
            visit = len(visits)
            visits.append(dict(start=start, end=c.NO_TIME, kind=int(random.integers(1, 4))))
            add(INDEX["HOSPITAL_ADMISSION//EW EMER."], start, visit)
        for code in random.choice(dated, n):
            add(int(code), time, visit)
            time += int(random.integers(0, 30 * 3600)) * 1000000 if kind == "admission" else 1000000
        if kind == "admission" and visit + 1 < n_admissions:
            visits[visit]["end"] = time
            add(INDEX["HOSPITAL_DISCHARGE//HOME"], time, visit)
    facts = [dict(time=c.NO_TIME, code=INDEX[text], visit=-1, value=np.nan) for text in static]
    if birth_known:
        events.insert(0, dict(time=birth, code=INDEX["MEDS_BIRTH"], visit=-1, value=np.nan))
    return dict(number=number, subject=100 + number, birth=birth if birth_known else c.NO_TIME, time=time, n_static=len(facts),
                label=number % 2, events=facts + events, visits=visits)


def make_samples():
    random = np.random.default_rng(SEED)
    samples = [draw_sample(random, 0, 1, 1, True, ["GENDER//F"]), draw_sample(random, 1, 3, 4, True, ["GENDER//M", "RACE//OTHER"]),
               draw_sample(random, 4, 0, 3, True, []), draw_sample(random, 5, 2, 0, False, ["GENDER//F"]),
               draw_sample(random, 9, 0, 0, True, ["GENDER//M"]), draw_sample(random, 12, 2, 2, True, ["GENDER//F", "RACE//OTHER"]),
               draw_sample(random, 70000, 0, 0, False, [])]
    in_train = [sum(any(e["code"] == i for e in s["events"]) for s in samples) for i in range(len(CODES))]
    data = c.Data(CODES, in_train, MISSING)
    for s in samples:
        for e in s["events"]:
            e["token"] = data.row[e["code"]]
    return data, samples


# ---- values ----
def initial_values(shapes):
    """Of three digits after the point, so that the file is small."""
    random, values = np.random.default_rng(SEED + 1), {}
    for name, shape in shapes.items():
        x = random.normal(0, 0.1 if name.endswith((".gain", ".bias")) else 0.3, shape) + name.endswith(".gain")
        values[name] = torch.tensor(np.round(x, 3))
    return values


def differentiated(values, loss_of):
    """loss_of's result and the gradient of each parameter."""
    p = {name: x.clone().requires_grad_() for name, x in values.items()}
    loss, *rest = loss_of(p)
    loss.backward()
    return loss, rest, {name: torch.zeros_like(x) if x.grad is None else x.grad for name, x in p.items()}


def losses_of_steps(values, loss_of, decays):
    p = {name: x.clone().requires_grad_() for name, x in values.items()}
    groups = [{"params": [x for name, x in p.items() if decays(name) == d], "weight_decay": WEIGHT_DECAY * d} for d in (True, False)]
    optimiser, losses = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=1e-8), []
    for step in range(STEPS):
        for x in p.values():
            x.grad = torch.zeros_like(x)  # a parameter without part in the loss decays all the same
        loss = loss_of(p, step)[0]
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# ---- the file ----
def number(x):
    return "%d" % x if float(x).is_integer() and abs(x) < 2**63 else "%.9g" % x


class File:
    def __init__(self, path):
        self.file = open(path, "w")

    def line(self, *words):
        print(*words, file=self.file)

    def tensor(self, name, values):
        if isinstance(values, torch.Tensor):
            values = values.detach().numpy()
        rows = values if isinstance(values, np.ndarray) and values.ndim == 2 else [values]
        self.line("tensor", name, len(rows), len(rows[0]))
        for row in rows:
            self.line(*[str(x) if isinstance(x, int) else number(x) for x in row])


def offsets(samples, what):
    return [0] + [int(n) for n in np.cumsum([len(s[what]) for s in samples])]


def write_samples(file, samples):
    for field in ("number", "subject", "label", "birth", "time", "n_static"):
        file.tensor("sample." + field, [s[field] for s in samples])
    for what, fields in (("event", ("time", "code", "visit", "value")), ("visit", ("start", "end", "kind"))):
        file.tensor(what + ".offsets", offsets(samples, what + "s"))
        for field in fields:
            file.tensor(f"{what}.{field}", [x[field] for s in samples for x in s[what + "s"]])


def make(name):
    model = importlib.import_module(name)
    settings = {**c.DEFAULTS, "ehr.model": name.replace("_", "-"), **model.SETTINGS}
    data, samples = make_samples()
    decays = getattr(model, "decays", c.decays)
    shapes = model.shapes(settings, data)
    with torch.no_grad():
        width = model.represent(initial_values(shapes), data, samples, settings).shape[1]
    values = initial_values({**shapes, **c.linear_shapes("head.label", 1, width)})
    label = torch.tensor([s["label"] for s in samples], dtype=torch.float64)[:, None]

    def task_loss(p, step=0):
        h = model.represent(p, data, samples, settings)
        return F.binary_cross_entropy_with_logits(c.linear(p, "head.label", h), label), h

    def pretrain_loss(p, step=0):
        loss, n = model.pretrain(p, data, samples, settings, SEED, step)
        return loss / n, n

    file = File(os.path.join(HERE, name + ".txt"))
    for key, value in settings.items():
        file.line("set", f"{key}={value}")
    file.line("seed", SEED)
    file.line("adam", RATE, WEIGHT_DECAY)
    for i, text in enumerate(data.text):
        file.line("code", data.kind[i], data.row[i], data.in_train[i], text)
    write_samples(file, samples)
    for key, value in values.items():
        file.tensor("initial." + key, value)
    for stage, loss_of in (("task", task_loss), *([("pretrain", pretrain_loss)] if hasattr(model, "pretrain") else [])):
        loss, (other,), gradients = differentiated(values, loss_of)
        if stage == "task":
            file.tensor("task.representation", other)
        else:
            file.tensor("pretrain.targets", [other])
        file.tensor(stage + ".loss", [loss.item()])
        for key, value in gradients.items():
            file.tensor(f"{stage}.gradient.{key}", value)
        file.tensor(stage + ".steps", losses_of_steps(values, loss_of, decays))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for argument in sys.argv[1:]:
        make(argument)
