"""A MEDS data set that is made up, whole or with one fault; and whether a cohort.h5 says the same.

usage: made_meds.py make FOLDER [FAULT]     made_meds.py check FOLDER cohort.h5
"""
import datetime
import os
import random
import sys

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

SPLITS = ["train", "tuning", "held_out"]
CODES = ["DIAGNOSIS//ICD//10//I10", "DIAGNOSIS//ICD//10//E11", "LAB//2160-0//mg/dL", "Ménière", "a b"]


def moment(day, microsecond=0):
    return datetime.datetime(1950, 1, 1) + datetime.timedelta(days=day, microseconds=microsecond)


def make_subjects(draw):
    """{split: [(subject, [(time, code, value)])]} in an order that is not that of their numbers."""
    subjects = {split: [] for split in SPLITS}
    for number in draw.sample(range(-50, 5000), 40):
        birth = draw.randrange(20000)
        rows = [(None, draw.choice(["SEX//F", "SEX//M"]), None), (moment(birth), "MEDS_BIRTH", None)]
        days = sorted(birth + draw.randrange(1, 9000) for _ in range(draw.randrange(30)))
        rows += [(moment(day, draw.choice([0, 0, 1, 999999])), draw.choice(CODES), draw.choice([None, 0.1, -2.5e7, 3]))
                 for day in days]
        rows[1:] = sorted(rows[1:], key=lambda row: row[0])
        if draw.random() < 0.3:
            rows.append((moment(birth + 9001), "MEDS_DEATH", None))
        if draw.random() < 0.3:
            rows.append((None, "NOTE", 7))  # static, behind the others, as pandas sorts them
        subjects[draw.choice(SPLITS)].append((number, rows))
    return subjects


def make_labels(draw, subjects):
    """[(subject, prediction time, label)] of two tasks, the second with several samples a subject."""
    tasks = {"death": [], "nested/stay": []}
    for people in subjects.values():
        for number, rows in people:
            times = sorted({time for time, _, _ in rows if time})
            tasks["death"].append((number, times[-1], draw.random() < 0.2))
            tasks["nested/stay"] += [(number, time, draw.random() < 0.5) for time in times[:3]]
    draw.shuffle(tasks["death"])
    return tasks


def write(path, columns):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pq.write_table(pa.table(columns), path)


def columns_of(rows, names, types):
    return {name: pa.array([row[i] for row in rows], kind) for i, (name, kind) in enumerate(zip(names, types))}


EVENT = (["subject_id", "time", "code", "numeric_value"], [pa.int64(), pa.timestamp("us"), pa.string(), pa.float32()])
LABEL = (["subject_id", "prediction_time", "boolean_value"], [pa.int64(), pa.timestamp("us"), pa.bool_()])
SPLIT = (["subject_id", "split"], [pa.int64(), pa.string()])


def spoil(fault, events, splits, labels):
    """Puts one fault into rows; events: those of the first file."""
    timed = [i for i in range(len(events) - 1) if events[i][1] and events[i + 1][0] == events[i][0] and events[i + 1][1]
             and events[i][1] < events[i + 1][1]]
    i = timed[3]
    if fault == "unsorted":
        events[i], events[i + 1] = events[i + 1], events[i]
    elif fault == "pieces":
        events.append(events[0])
    elif fault == "null-code":
        events[5] = (*events[5][:2], None, None)
    elif fault == "tab-code":
        events[5] = (*events[5][:2], "a\tb", None)
    elif fault == "two-births":
        events.insert(i + 1, (*events[i][:2], "MEDS_BIRTH", None))
    elif fault == "no-split":
        splits[:] = [row for row in splits if row[0] != events[0][0]]
    elif fault == "overlap":
        splits.append((splits[0][0], "tuning" if splits[0][1] != "tuning" else "train"))
    elif fault == "bad-split":
        splits[2] = (splits[2][0], "validation")
    elif fault == "unknown":
        labels["death"].append((99999, moment(20000), True))
    elif fault == "before-birth":
        labels["death"][1] = (labels["death"][1][0], moment(-1), True)
    elif fault == "twice":
        labels["death"].append(labels["death"][3])
    elif fault == "null-label":
        labels["death"][4] = (*labels["death"][4][:2], None)
    elif fault == "null-prediction":
        labels["death"][4] = (labels["death"][4][0], None, True)


def make(folder, fault):
    draw = random.Random(3)
    subjects = make_subjects(draw)
    labels = make_labels(draw, subjects)
    files = {}
    for split, people in subjects.items():
        for k in range(2):  # two files a split
            files[f"data/{split}/{k}.parquet"] = [(n, *row) for n, rows in people[k::2] for row in rows]
    splits = [(n, split) for split, people in subjects.items() for n, _ in people] + [(6000, "train")]  # without events
    spoil(fault, files["data/train/0.parquet"], splits, labels)
    if fault == "two-files":
        files["data/train/1.parquet"].append(files["data/train/0.parquet"][0])
    for path, rows in files.items():
        columns = columns_of(rows, *EVENT)
        columns["text_value"] = pa.array(["x"] * len(rows))
        if fault == "missing" and path == "data/tuning/1.parquet":
            del columns["numeric_value"], columns["time"]
        if fault == "text-times" and path == "data/tuning/1.parquet":
            columns["time"] = columns["time"].cast(pa.string())
        if path == "data/held_out/1.parquet":  # other types that say the same
            columns["code"] = columns["code"].dictionary_encode()
            columns["subject_id"] = columns["subject_id"].cast(pa.int32())
            columns["time"] = columns["time"].cast(pa.timestamp("ns"))
        write(os.path.join(folder, path), columns)
    write(os.path.join(folder, "metadata/subject_splits.parquet"), columns_of(splits, *SPLIT))
    for task, rows in labels.items():
        columns = columns_of(rows, *LABEL)
        if fault == "integer-label" and task == "death":
            columns["boolean_value"] = columns["boolean_value"].cast(pa.int64())
        write(os.path.join(folder, "labels", task, "0.parquet"), columns)
    if fault == "damaged":
        with open(os.path.join(folder, "data/tuning/0.parquet"), "r+b") as file:
            file.truncate(300)


# ---- the check ----
NORMAL = {"DIAGNOSIS//ICD//10//I10": "ICD10CM/I10", "DIAGNOSIS//ICD//10//E11": "ICD10CM/E11"}  # as a cohort calls them


def microseconds(time):
    return -2**63 if time is None else (time - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)


def rows_below(folder):
    for here, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            table = pq.read_table(os.path.join(here, name), partitioning=None)
            yield os.path.relpath(here, folder), table.to_pylist()


def check(folder, path):
    try:
        import h5py
        import numpy
    except ImportError as error:
        print("not compared:", error)
        return
    events, samples = {}, {}
    for _, rows in rows_below(os.path.join(folder, "data")):
        for row in rows:
            events.setdefault(row["subject_id"], []).append(
                (microseconds(row["time"]), NORMAL.get(row["code"], row["code"]), row["numeric_value"]))
    for task, rows in rows_below(os.path.join(folder, "labels")):
        for row in rows:
            samples.setdefault(task, []).append(
                (row["subject_id"], microseconds(row["prediction_time"]), int(row["boolean_value"])))
    splits = {row["subject_id"]: row["split"] for row in
              pq.read_table(os.path.join(folder, "metadata/subject_splits.parquet")).to_pylist()}
    with h5py.File(path) as file:
        codes = [code.decode() for code in file["code"][:]]
        counts = {code: [0, 0] for code in codes}
        assert codes == sorted(codes, key=str.encode)
        assert list(file["subject"][:]) == sorted(splits)
        for k, subject in enumerate(file["subject"][:]):
            first, end = file["event_offsets"][k:k + 2]
            got = list(zip(file["event_time"][first:end], [codes[c] for c in file["event_code"][first:end]],
                           file["event_value"][first:end]))
            expected = sorted(events.get(subject, []), key=lambda event: event[0])  # stable
            assert len(got) == len(expected)
            for (time, code, value), (wanted_time, wanted_code, wanted) in zip(got, expected):
                assert time == wanted_time and code == wanted_code, (subject, time, code)
                assert numpy.isnan(value) if wanted is None else value == numpy.float32(wanted), (subject, value, wanted)
                counts[code][0] += 1
                counts[code][1] += splits[subject] == "train"
            for fact, name in (("birth", "MEDS_BIRTH"), ("death", "MEDS_DEATH")):
                times = [time for time, code, _ in expected if code == name]
                assert file[fact][k] == (times[0] if times else -2**63)
            assert SPLITS[file["split"][k]] == splits[subject]
        assert (file["event_visit"][:] == -1).all() and len(file["visit_id"]) == 0
        assert [list(pair) for pair in zip(file["code_count"][:], file["code_count_train"][:])] == list(counts.values())
        names = [task.decode() for task in file["task"][:]]
        assert names == sorted(samples)
        for t, name in enumerate(names):
            first, end = file["task_offsets"][t:t + 2]
            got = list(zip(file["subject"][:][file["sample_subject"][first:end]], file["sample_time"][first:end],
                           file["sample_label"][first:end]))
            assert got == sorted(samples[name]), name
    print("the cohort is that of the data set")


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
    else:
        check(sys.argv[2], sys.argv[3])
