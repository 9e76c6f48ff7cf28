"""MIMIC's published files by pandas, as tests/golden/cohort_reference.py needs them: subjects with their visits, and what visits have."""
import pathlib
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pandas as pd

DAY = 86_400_000_000
NEVER = None


def read(folder, name):
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.name.lower().split(".")[0] == name and ".csv" in path.name.lower():
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
            frame.columns = [c.lower() for c in frame.columns]
            return frame
    return None


def micros(text):
    return NEVER if not text else int(pd.Timestamp(text).value // 1000)


def end_of(time):
    return (time // DAY + 1) * DAY - 1


def read_subjects(folder, form):
    subjects = {}
    for p in read(folder, "patients").itertuples():
        if form == "mimic3":
            birth = micros(p.dob)
            if birth < micros("2000-01-01"):  # of the over 89, moved to 300 years before: put back to 91
                birth += 76336 * DAY
        else:
            birth = micros(f"{int(p.anchor_year) - int(p.anchor_age):04d}-01-01")
        day = micros(p.dod)
        subjects[int(p.subject_id)] = SimpleNamespace(
            birth=birth, death=NEVER if day is NEVER else end_of(day), exact=[], visits=[], labs=[], sex=p.gender)
    return subjects


def read_visits(folder, subjects):
    visits = {}
    for a in read(folder, "admissions").itertuples():
        start, end, death, died = micros(a.admittime), micros(a.dischtime), micros(a.deathtime), a.hospital_expire_flag == "1"
        if death is not NEVER:
            subjects[int(a.subject_id)].exact.append(death)
        if died and death is not NEVER and death > end:
            end = death
        if end < start:
            continue
        visit = SimpleNamespace(id=int(a.hadm_id), start=start, end=end, died=int(died), dx=[], px=0, atc=[], drugs=0, icu=[],
                                race=(a.ethnicity if hasattr(a, "ethnicity") else a.race).strip())
        visits[visit.id] = visit
        subjects[int(a.subject_id)].visits.append(visit)
    for s in subjects.values():
        s.visits.sort(key=lambda v: (v.start, v.end, v.id))
        if s.exact:
            s.death = min(s.exact)
    return visits


def read_codes(folder, form, visits):
    for d in read(folder, "diagnoses_icd").itertuples():
        code = d.icd9_code if form == "mimic3" else d.icd_code
        if code.strip() and int(d.hadm_id) in visits:
            visits[int(d.hadm_id)].dx.append((9 if form == "mimic3" else int(d.icd_version), code.strip().replace(".", "")))
    for p in read(folder, "procedures_icd").itertuples():
        code = p.icd9_code if form == "mimic3" else p.icd_code
        if code.strip() and int(p.hadm_id) in visits:
            visits[int(p.hadm_id)].px += 1
    for i in read(folder, "icustays").itertuples():
        if i.hadm_id and int(i.hadm_id) in visits:
            visits[int(i.hadm_id)].icu.append(micros(i.intime))


def read_drugs(folder, visits, map_path):
    table = pd.read_csv(map_path, sep="\t", dtype=str)
    packages, products = defaultdict(set), defaultdict(set)
    for ndc, atc in zip(table["ndc11"], table["atc_code"]):
        packages[ndc].add(atc)
        products[ndc[:9]].add(atc)
    for d in read(folder, "prescriptions").itertuples():
        if not d.hadm_id or int(d.hadm_id) not in visits:
            continue
        visit = visits[int(d.hadm_id)]
        number = int(float(d.ndc)) if d.ndc.strip() else 0
        ndc = f"{number:011d}"
        if len(str(number)) < 7:  # MIMIC's 0, for none: the name is the drug, which has no map here
            visit.drugs += bool(d.drug.strip())
            continue
        visit.drugs += 1
        visit.atc += sorted(packages.get(ndc) or products.get(ndc[:9]) or ())


def read_labs(folder, subjects, wanted):
    table = read(folder, "labevents")
    if table is None:
        return
    table = table[table.itemid.astype(int).isin(wanted)]
    for row in table.itertuples():
        value = np.float32(row.valuenum) if row.valuenum else None
        subjects[int(row.subject_id)].labs.append((micros(row.charttime), int(row.itemid), value, row.valueuom))


def read_groups(path, separator, column, name):
    table = pd.read_csv(path, sep=separator, dtype=str)
    return {code.replace(".", ""): group for code, group in zip(table[column], table[name])}


def load(options, wanted):
    subjects = read_subjects(options.folder, options.format)
    visits = read_visits(options.folder, subjects)
    read_codes(options.folder, options.format, visits)
    read_drugs(options.folder, visits, options.ndc)
    read_labs(options.folder, subjects, wanted)
    groups = {9: read_groups(options.ccs9, "\t", "icd9cm", "ccs_name"), 10: read_groups(options.ccs10, "\t", "icd10cm", "ccs_desc")}
    return subjects, groups
