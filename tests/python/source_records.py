"""Readers of EHRSHOT and OMOP on ../shared/data/ehr: every record that their row functions give is one that pandas finds in the same
files, and the other way round. Skipped where the data, pandas or the program read_records are not there."""
import os
import re
import subprocess
import sys
from collections import Counter

try:
    import numpy as np
    import pandas as pd
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

ROOT = os.environ.get("ROOT", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
DATA = os.path.join(ROOT, "../shared/data/ehr")
PROGRAM = os.environ.get("READ_RECORDS", "")
if not os.path.exists(PROGRAM) or not os.path.isdir(DATA):
    print("skipped: READ_RECORDS or ../shared/data/ehr is not there")
    sys.exit(77)


def read(folder, name):
    return pd.read_csv(os.path.join(DATA, folder, name), dtype=str, keep_default_na=False)


def time(text):
    stamp = pd.Timestamp(text)
    fraction = f".{stamp.microsecond:06d}" if stamp.microsecond else ""
    return stamp.strftime("%Y-%m-%dT%H:%M:%S") + fraction


def is_midnight(text):
    return pd.Timestamp(text) == pd.Timestamp(text).normalize()


def number(text):
    """The value as the program prints it, or nothing."""
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text):
        return ""
    return f" {float(np.float32(float(text))):.9g}"


def program(kind, folder):
    out = subprocess.run([PROGRAM, kind, os.path.join(DATA, folder)], check=True, capture_output=True, text=True)
    return Counter(out.stdout.splitlines())


def compare(name, found, expected):
    words = Counter()
    for line, n in found.items():
        words[line.split()[0]] += n
    missing, extra = expected - found, found - expected
    for line in list(missing)[:5]:
        print(f"  only pandas: {line}")
    for line in list(extra)[:5]:
        print(f"  only the program: {line}")
    print(f"{name}: {dict(words)}")
    assert sum(words.values()) > 100
    if missing or extra:
        sys.exit(f"{name}: {sum(missing.values())} records only in pandas, {sum(extra.values())} only in the program")


# ---- EHRSHOT ----
def ehrshot(folder):
    kinds = {"condition_occurrence": "diagnosis", "procedure_occurrence": "procedure", "drug_exposure": "drug",
             "measurement": "measurement"}
    lines = Counter()
    split = {"train": "train", "val": "tuning", "test": "held_out"}
    for r in read(folder, "splits/person_id_map.csv").itertuples():
        lines[f"subject {r.omop_person_id} birth - death - exact split {split[r.split]}"] += 1
    for r in read(folder, "data/ehrshot.csv.gz").itertuples():
        p, start = r.patient_id, time(r.start)
        precision = "day" if is_midnight(r.start) else "exact"
        if r.code == "SNOMED/3950001":
            lines[f"subject {p} birth {start} death - exact split - adds"] += 1
        elif r.omop_table == "death":
            lines[f"death {p} {start} {precision}"] += 1
        elif r.omop_table == "person":
            lines[f"event {p} visit - - exact fact {r.code}"] += 1
        elif r.omop_table == "visit_occurrence":
            assert r.code == "Visit/IP"
            lines[f"visit {p} id {r.visit_id} {start} to {time(r.end)} inpatient"] += 1
        else:
            kind = kinds[r.omop_table]
            unit = f"//{r.unit.strip()}" if kind == "measurement" and r.unit.strip() else ""
            lines[f"event {p} visit {r.visit_id or '-'} {start} {precision} {kind} {r.code}{unit}{number(r.value)}"] += 1
    for task in sorted(os.listdir(os.path.join(DATA, folder, "benchmark"))):
        for r in read(folder, f"benchmark/{task}/labeled_patients.csv").itertuples():
            lines[f"label {r.patient_id} {time(r.prediction_time)} {task} {int(r.value == 'True')}"] += 1
    compare(folder, program("ehrshot", folder), lines)


# ---- OMOP ----
def moment(date, datetime):
    """Time and precision of a date and a datetime."""
    if datetime and not is_midnight(datetime) and pd.Timestamp(datetime).date() == pd.Timestamp(date).date():
        return time(datetime), "exact"
    return time(date), "day"


def omop(folder):
    lines = Counter()
    sexes, races = {"8507": "M", "8532": "F"}, {"8527": "WHITE", "8516": "BLACK/AFRICAN AMERICAN", "8515": "ASIAN"}
    for r in read(folder, "person.csv.gz").itertuples():
        birth = f"{int(r.year_of_birth):04d}-{int(r.month_of_birth):02d}-{int(r.day_of_birth):02d}"
        lines[f"subject {r.person_id} birth {time(birth)} death - exact split -"] += 1
        lines[f"event {r.person_id} visit - - exact fact GENDER//{sexes[r.gender_concept_id]}"] += 1
        lines[f"event {r.person_id} visit - - exact fact RACE//{races.get(r.race_concept_id, r.race_source_value)}"] += 1
    for r in read(folder, "death.csv.gz").itertuples():
        lines[f"death {r.person_id} {time(r.death_date)} day"] += 1
    visits = {"9201": "inpatient", "9202": "outpatient", "0": "other"}
    for r in read(folder, "visit_occurrence.csv.gz").itertuples():
        end = pd.Timestamp(r.visit_end_date) + pd.Timedelta(days=1) - pd.Timedelta(microseconds=1)
        lines[f"visit {r.person_id} id {r.visit_occurrence_id} {time(r.visit_start_date)} to {time(end)} "
              f"{visits[r.visit_concept_id]}"] += 1
    tables = {"condition_occurrence": ("condition", "diagnosis", "condition_start_date", "condition_start_datetime"),
              "procedure_occurrence": ("procedure", "procedure", "procedure_date", "procedure_datetime"),
              "drug_exposure": ("drug", "drug", "drug_exposure_start_date", "drug_exposure_start_datetime"),
              "measurement": ("measurement", "measurement", "measurement_date", "measurement_datetime"),
              "observation": ("observation", "other", "observation_date", "observation_datetime"),
              "device_exposure": ("device", "other", "device_exposure_start_date", "device_exposure_start_datetime")}
    for table, (word, kind, date, datetime) in tables.items():
        frame = read(folder, f"{table}.csv.gz")
        for row in frame.to_dict("records"):
            when, precision = moment(row[date], row.get(datetime, ""))
            code = (f"OMOP//{table}//{int(row[word + '_source_concept_id'] or 0)}//{int(row[word + '_concept_id'] or 0)}"
                    f"////{row[word + '_source_value']}")
            lines[f"event {row['person_id']} visit {row['visit_occurrence_id'] or '-'} {when} {precision} {kind} {code}"] += 1
    compare(folder, program("omop", folder), lines)


ehrshot("ehrshot_shape_mimic4demo")
omop("synpuf50_omop")
