"""Made-up events, made-up task files, and the labels that es-aces gives for them: what tests/unit/ehr/test_aces.c compares ours with.

    VENV/bin/python tests/golden/make_aces_golden.py tests/golden/aces 24 1     # the folder, how many task files, the seed

Needs `pip install es-aces` (0.7.3 made what is in tests/golden/aces). More cases, against the same test:

    VENV/bin/python tests/golden/make_aces_golden.py /tmp/aces 500 7 && ACES_GOLDEN=/tmp/aces build/tests/test_aces
"""
import logging
import pathlib
import random
import sys
from datetime import datetime, timedelta

import polars as pl
import yaml

logging.disable(logging.CRITICAL)
from aces.config import TaskExtractorConfig  # noqa: E402
from aces.predicates import get_predicates_df  # noqa: E402
from aces.query import query  # noqa: E402

CODES = ["ADMISSION//A", "ADMISSION//B", "DISCHARGE", "LAB//K//mmol", "DRUG//X", "MEDS_DEATH"]
EPOCH = datetime(1970, 1, 1)


def make_events(rng):
    """Subjects with 1 to 40 events on a grid of hours, so that times meet; some codes have values, some events no time."""
    rows = []
    for subject in range(1, 31):
        hours = sorted(rng.choice([rng.randrange(0, 400), 24 * rng.randrange(0, 16)]) for _ in range(rng.randrange(1, 40)))
        if rng.random() < 0.5:
            rows.append((subject, None, "GENDER//F", None))
        for h in hours:
            code = rng.choice(CODES)
            value = round(rng.uniform(0, 10), 1) if code.startswith("LAB") and rng.random() < 0.9 else None
            rows.append((subject, datetime(2100, 1, 1) + timedelta(hours=h), code, value))
    return pl.DataFrame(rows, schema={"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String, "numeric_value": pl.Float32}, orient="row")


def make_predicates(rng):
    low, high = sorted((round(rng.uniform(0, 10), 1), round(rng.uniform(0, 10), 1)))
    return {
        "admission": {"code": {"regex": "^ADMISSION//.*"}},
        "discharge": {"code": "DISCHARGE"},
        "death": {"code": "MEDS_DEATH"},
        "drug_or_b": {"code": {"any": ["DRUG//X", "ADMISSION//B"]}},
        "lab": {"code": {"regex": "//K//mmol$"}, "value_min": low, "value_max": high,
                "value_min_inclusive": rng.random() < 0.5, "value_max_inclusive": rng.random() < 0.5},
        "out": {"expr": "or(discharge, death)"},
        "both": {"expr": "and(admission, drug_or_b)"},
        "nested": {"expr": "or(both, lab)"},
    }


NAMES = ["admission", "discharge", "death", "drug_or_b", "lab", "out", "both", "nested"]
LENGTHS = ["24h", "12 hours", "1 day", "2d", "90 minutes", "1 day 12h", "1w"]


def make_window(rng, references):
    """A window of which one end is at a reference, or away from it, and the other away from that."""
    reference = rng.choice(references)
    root = rng.choice([reference, reference, f"{reference} + {rng.choice(LENGTHS)}", f"{reference} - {rng.choice(LENGTHS)}",
                       f"{reference} -> {rng.choice(NAMES)}", f"{reference} <- {rng.choice(NAMES)}"])
    if rng.random() < 0.6:
        start, end = root, rng.choice([f"start + {rng.choice(LENGTHS)}", f"start -> {rng.choice(NAMES)}", None])
    else:
        start, end = rng.choice([f"end - {rng.choice(LENGTHS)}", f"end <- {rng.choice(NAMES)}", None]), root
    has = {}
    for name in rng.sample(NAMES + ["_ANY_EVENT"], rng.choice([0, 0, 1, 2])):
        has[name] = rng.choice(["(None, 0)", "(1, None)", "(0, 3)", "(1, 4)", "(None, 2)"])
    return {"start": start, "end": end, "start_inclusive": rng.random() < 0.5, "end_inclusive": rng.random() < 0.5, "has": has}


def make_task(rng):
    windows, references = {}, ["trigger"]
    for i in range(rng.randrange(1, 4)):
        windows[f"w{i}"] = make_window(rng, references)
        references += [f"w{i}.start", f"w{i}.end"]
    windows[rng.choice(list(windows))]["label"] = rng.choice(NAMES)
    forward = [n for n, w in windows.items() if not (w["start"] or "").startswith("end - ")]
    if not forward:
        return None
    windows[rng.choice(forward)]["index_timestamp"] = rng.choice(["start", "end"])
    trigger = rng.choice(NAMES[:6] + ["_ANY_EVENT"])
    return {"description": "made up", "predicates": make_predicates(rng), "trigger": trigger, "windows": windows}


def labels_of(path, events):
    """What es-aces says; None if it cannot. Of triggers with one prediction time the first counts; rows without a time, of windows without
    an end, are no labels."""
    class Data:
        standard, path, shard = "MEDS", events, False

    try:
        config = TaskExtractorConfig.load(path)
        result = query(config, get_predicates_df(config, Data))
    except Exception as error:  # noqa: BLE001
        print(f"{path}: {type(error).__name__}: {error}", file=sys.stderr)
        return None
    if result.is_empty():
        return []
    result = result.filter(pl.col("index_timestamp").is_not_null() & pl.col("trigger").is_not_null())
    found = {}
    for row in result.sort("subject_id", "trigger").iter_rows(named=True):
        found.setdefault((row["subject_id"], row["index_timestamp"]), int(row["label"] > 0))
    return sorted((s, t, label) for (s, t), label in found.items())


def micros(time):
    return "" if time is None else str((time - EPOCH) // timedelta(microseconds=1))


def main():
    folder, n, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    events = make_events(rng)
    parquet = folder / "events.parquet"
    events.write_parquet(parquet)
    with open(folder / "events.tsv", "w") as out:
        for s, t, c, v in events.iter_rows():
            out.write(f"{s}\t{micros(t)}\t{c}\t{'' if v is None else repr(v)}\n")
    made = empty = 0
    while made < n:
        task = make_task(rng)
        if task is None:
            continue
        path = folder / f"task_{made:03d}.yaml"
        path.write_text(yaml.safe_dump(task, sort_keys=False))
        labels = labels_of(path, parquet)
        if labels is None or (not labels and empty > made // 4):
            path.unlink()
            continue
        empty += not labels
        with open(path.with_suffix(".tsv"), "w") as out:
            out.writelines(f"{s}\t{micros(t)}\t{label}\n" for s, t, label in labels)
        made += 1
    parquet.unlink()


main()
