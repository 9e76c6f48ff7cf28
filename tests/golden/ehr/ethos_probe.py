"""ETHOS (Renc et al., 2024): its line of units, its decoder and the next unit as pre-training, as specs: ehr-models-and-tasks 3.1, 3.2 describe
them; the sample's vector is the hidden state of the last unit. Codes are spelled in parts (the arm without tokens)."""
import math

import torch
import torch.nn.functional as F

from common import DIAGNOSIS, NO_TIME, TOKEN_MISSING, block, block_shapes, norm, norm_shapes, uniform

SETTINGS = {"ehr.dim": 12, "ehr.layers": 2, "ehr.heads": 3, "ehr.inner": 20, "ehr.pretrain_steps": 10}
EPSILON = 1e-5
RNG_WINDOW = 0x1600  # src/base/rng.h

MINUTE = 60 * 1000000
HOUR, DAY, MONTH = 60 * MINUTE, 1440 * MINUTE, 43830 * MINUTE
BOUNDS = [5 * MINUTE, 15 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY, 14 * DAY, MONTH, 3 * MONTH, 6 * MONTH]
FIVE_YEARS = 60 * MONTH

# The order of the units; src/ehr/models/ethos_vocabulary.h
INTERVAL, DECILE, MARKERS = 0, 13, 23
ADMISSION, DISCHARGE, ICU_ADMISSION, ICU_DISCHARGE, DEATH, END, MISSING, N_FIXED = range(MARKERS, MARKERS + 8)
N_AGES, N_YEARS = 24, 65
BEGINNINGS = {"HOSPITAL_ADMISSION": ADMISSION, "HOSPITAL_DISCHARGE": DISCHARGE, "ICU_ADMISSION": ICU_ADMISSION,
              "ICU_DISCHARGE": ICU_DISCHARGE, "MEDS_DEATH": DEATH}


def parts_of(text):
    """Of the spellings in the reference files; others are one part."""
    system, _, code = text.partition("/")
    code = code.replace(".", "")
    cuts = {"ICD10CM": [0, 3, 6], "ATC": [0, 3, 4], "ICD10PCS": range(7)}.get(system)
    if cuts is None:
        return [text]
    ends = [*list(cuts)[1:], None]
    return [f"{system}/{i + 1}/{code[a:b]}" for i, (a, b) in enumerate(zip(cuts, ends)) if code[a:b]]


class Vocabulary:
    def __init__(self, data, samples):
        self.parts = {}
        for text, row in zip(data.text, data.row):
            if row != TOKEN_MISSING:
                for part in parts_of(text):
                    self.parts.setdefault(part, N_FIXED + len(self.parts))
        self.data = data
        self.n_outputs = N_FIXED + len(self.parts)
        self.age, self.year = self.n_outputs, self.n_outputs + N_AGES
        self.n_units = self.year + N_YEARS
        values = {}
        for s in samples:
            for e in s["events"]:
                if e["time"] != NO_TIME and not math.isnan(e["value"]):
                    values.setdefault(e["code"], []).append(float(torch.tensor(e["value"], dtype=torch.float32)))
        self.deciles = {code: [sorted(v)[math.ceil(k * len(v) / 10) - 1] for k in range(1, 10)] for code, v in values.items() if len(v) >= 10}

    def spell(self, code):
        text = self.data.text[code]
        if text == "MEDS_BIRTH":
            return []
        marker = [unit for beginning, unit in BEGINNINGS.items() if text.startswith(beginning)]
        return marker if marker == [DEATH] else marker + [self.parts.get(part, MISSING) for part in parts_of(text)]


def intervals(gap):
    if gap >= BOUNDS[-1]:
        return [INTERVAL + 12] * math.floor(gap / BOUNDS[-1] + 0.5)
    return [INTERVAL + sum(gap >= b for b in BOUNDS) - 1] if gap >= BOUNDS[0] else []


def line_of(sample, v, whole):
    """Units of codes without time; and pairs of time and unit."""
    fixed, events, line = [], [], []
    for e in sample["events"]:
        if e["time"] == NO_TIME:
            fixed.extend(v.spell(e["code"]))
        else:
            events.append(e)
    discharge = {}  # of a visit: place among the events
    for i, e in enumerate(events):
        if e["visit"] >= 0 and v.spell(e["code"])[:1] == [DISCHARGE]:
            discharge[e["visit"]] = i

    def place(i):
        """A diagnosis of a visit that stands at its discharge, but before it, comes right behind it."""
        e, at = events[i], discharge.get(events[i]["visit"], -1)
        waits = v.data.kind[e["code"]] == DIAGNOSIS and i < at and events[at]["time"] == e["time"]
        return (at, i + 1) if waits else (i, 0)

    for i in sorted(range(len(events)), key=place):
        e = events[i]
        units = v.spell(e["code"])
        if not units:
            continue
        if e["code"] in v.deciles and not math.isnan(e["value"]):
            units = units + [DECILE + sum(e["value"] > d for d in v.deciles[e["code"]])]
        between = intervals(e["time"] - line[-1][0]) if line else []
        line.extend((e["time"], unit) for unit in between + units)
    if whole and line:
        line.append((line[-1][0], END))
    return fixed, line


def context(sample, v, fixed, time):
    age = 0 if sample["birth"] == NO_TIME or time < sample["birth"] else 1 + (time - sample["birth"]) // FIVE_YEARS
    year = max(0, 1 + (time + 14 * FIVE_YEARS) // FIVE_YEARS)
    return fixed + [v.age + min(age, N_AGES - 1), v.year + min(year, N_YEARS - 1)]


def window(sample, v, settings, first_of=None):
    """Length of the context, and the units: the last of the line, or those from the place that first_of gives."""
    length = settings["ehr.max_length"]
    fixed, line = line_of(sample, v, whole=first_of is not None)
    fixed = fixed[:length // 4]
    room = length - len(fixed) - 2
    last = max(0, len(line) - room)
    first = last
    if last and first_of:  # a window that is laid anywhere over the line, then moved into it
        first = min(max(0, int(first_of(sample) * (len(line) + room - 1)) - (room - 1)), last)
    units = context(sample, v, fixed, line[first][0] if line else sample["time"])
    return len(units), units + [unit for _, unit in line[first:first + room]]


def shapes(settings, data):
    dim, vocabulary = settings["ehr.dim"], Vocabulary(data, [])
    s = {"ethos.unit.weight": (vocabulary.n_units, dim), "ethos.position.weight": (settings["ehr.max_length"], dim)}
    for layer in range(settings["ehr.layers"]):
        s.update(block_shapes(f"ethos.block.{layer}", dim, settings["ehr.inner"], bias=False))
    return {**s, **norm_shapes("ethos.norm", dim, bias=False)}


def hidden(p, units, settings):
    x = p["ethos.unit.weight"][units] + p["ethos.position.weight"][:len(units)]
    for layer in range(settings["ehr.layers"]):
        x = block(p, f"ethos.block.{layer}", x, settings["ehr.heads"], epsilon=EPSILON, pre_norm=True, causal=True)
    return norm(p, "ethos.norm", x, EPSILON)


def represent(p, data, samples, settings):
    v = Vocabulary(data, samples)
    return torch.stack([hidden(p, window(s, v, settings)[1], settings)[-1] for s in samples])


def pretrain(p, data, samples, settings, seed, step):
    v, loss, n = Vocabulary(data, samples), 0, 0
    for s in samples:
        before, units = window(s, v, settings, lambda s: uniform(seed, RNG_WINDOW, step, s["number"]))
        if len(units) == before:
            continue
        logits = hidden(p, units, settings)[before - 1:-1] @ p["ethos.unit.weight"][:v.n_outputs].T
        loss, n = loss + F.cross_entropy(logits, torch.tensor(units[before:]), reduction="sum"), n + len(units) - before
    return loss, n
