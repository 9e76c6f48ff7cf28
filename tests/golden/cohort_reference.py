"""Samples, labels and counts per filter of every task, from MIMIC's published files by pandas and plain loops, compared with what `cohort` made.

    cohort_reference.py FOLDER mimic3|mimic4 clean|medtok COHORT.h5 --ndc MAP --ccs9 FILE --ccs10 FILE

Written from the definitions (the project's specs, ehr-models-and-tasks 7 and 10; heads of src/ehr/tasks/*.c and src/ingest/mimic*.h) and not
from the C code. FOLDER: MIMIC-III's files, or hosp/ and icu/ of MIMIC-IV. The splits are read from COHORT.h5, since they are drawn by a number
of its own. Prints a line for each task, and what differs; the exit code is 1 if something does.
"""
import argparse
import sys
from collections import Counter, defaultdict
from types import SimpleNamespace

import h5py
import pandas as pd
from mimic_files import DAY, NEVER, load

MINUTE = 60_000_000

SETS = {  # ICD-9-CM, ICD-10-CM
    "hypertension": (("401",), ("I10",)),
    "hyperlipidemia": (("2720", "2721", "2722", "2723", "2724"), ("E780", "E781", "E782", "E783", "E784", "E785")),
    "pancreatic_cancer": (("157",), ("C25",)),
    "ami": (("410",), ("I21", "I22")),
    "celiac": (("5790",), ("K900",)),
    "lupus": (("7100",), ("M32",)),
}
MEDTOK_AMI = ({"410" + d + e for d in "0123456789" for e in ("", "0", "1")}, {"I210", "I211", "I213", "I214", "I219"})
FIVE = ["J01XA01", "J01MA12", "B01AB01", "C07AB02", "C10AA05"]
PHENOTYPES = """Septicemia (except in labor)|Diabetes mellitus without complication|Diabetes mellitus with complications
Disorders of lipid metabolism|Fluid and electrolyte disorders|Essential hypertension
Hypertension with complications and secondary hypertension|Acute myocardial infarction
Coronary atherosclerosis and other heart disease|Conduction disorders|Cardiac dysrhythmias
Congestive heart failure; nonhypertensive|Acute cerebrovascular disease
Pneumonia (except that caused by tuberculosis or sexually transmitted disease)
Chronic obstructive pulmonary disease and bronchiectasis|Pleurisy; pneumothorax; pulmonary collapse
Respiratory failure; insufficiency; arrest (adult)|Other lower respiratory disease|Other upper respiratory disease
Other liver diseases|Gastrointestinal hemorrhage|Acute and unspecified renal failure|Chronic kidney disease
Complications of surgical procedures or medical care|Shock""".replace("\n", "|").split("|")
LABS = {  # items of MIMIC, and what makes a value one of the bounds' unit; classes by their bounds
    "lab_thrombocytopenia": ({51265, 51704}, 1, lambda v: 3 if v < 50 else 2 if v < 100 else 1 if v < 150 else 0),
    "lab_hyperkalemia": ({50971, 50822, 52610}, 1, lambda v: 3 if v > 7 else 2 if v > 6 else 1 if v > 5.5 else 0),
    "lab_hypoglycemia": ({50931, 50809, 52569}, 1 / 18, lambda v: 3 if v < 3 else 2 if v < 3.5 else 1 if v <= 3.9 else 0),
    "lab_hyponatremia": ({50983, 50824, 52623}, 1, lambda v: 3 if v < 125 else 2 if v < 130 else 1 if v <= 135 else 0),
    "lab_anemia": ({51222, 50811, 51640}, 10, lambda v: 3 if v < 70 else 2 if v < 110 else 1 if v < 120 else 0),
}


# ---- what tasks share ----
class Task:
    """Samples {(subject, time): (visit, label)} of a task, and what was left out, by filter."""

    def __init__(self):
        self.samples, self.left = {}, Counter()

    def add(self, subject, time, visit, label):
        self.samples[(subject, time, visit)] = label

    def out(self, why):
        self.left[why] += 1


def is_adult(task, subject, time):
    born = pd.Timestamp(subject.birth * 1000) if subject.birth > -9_000_000_000_000_000 else None
    grown = born + pd.DateOffset(years=18)
    if born.month == 2 and born.day == 29:
        grown = born + pd.DateOffset(years=18, days=1)
    if time * 1000 >= grown.value:
        return True
    task.out("younger than 18")
    return False


def stays_of(task, subject):
    """(index among the visits, visit) of the stays."""
    stays = []
    for i, v in enumerate(subject.visits):
        if v.end > v.start:
            stays.append((i, v))
        else:
            task.out("not in hospital: no inpatient visit, or its end is not known or not behind its begin")
    return stays


def goes_home(task, subject, stays, visit):
    if visit.died or (subject.death is not NEVER and subject.death <= visit.end):
        task.out("dead at the prediction time")
        return False
    if any(o is not visit and o.start <= visit.end < o.end for _, o in stays):
        task.out("in another stay at discharge")
        return False
    return True


def has_any(visit, name, exact=None):
    nine, ten = exact or SETS[name]
    for version, code in visit.dx:
        prefixes = nine if version == 9 else ten
        if code in prefixes if exact else code.startswith(tuple(prefixes)):
            return True
    return False


def first_diagnosis(subject, name):
    times = [v.end for v in subject.visits if has_any(v, name)]
    return min(times) if times else NEVER


def phenotypes_of(visit, groups):
    found = set()
    for version, code in visit.dx:
        table, shortest = groups[version], 4 if version == 9 and code.startswith("E") else 3
        while code not in table and len(code) > shortest:
            code = code[:-1]
        if table.get(code) in PHENOTYPES:
            found.add(table[code])
    return frozenset(found)


# ---- clean ----
def clean_mortality(task, number, subject, context):
    stays = stays_of(task, subject)
    for i, v in stays:
        if is_adult(task, subject, v.start) and goes_home(task, subject, stays, v):
            later = [o for _, o in stays if o.start > v.end]
            if later:
                task.add(number, v.end, i, later[0].died)
            else:
                task.out("no later stay")


def a_day_in(task, subject, stays):
    for i, v in stays:
        if is_adult(task, subject, v.start):
            if v.end - v.start <= DAY:
                task.out("discharged within 24 hours")
            elif subject.death is not NEVER and subject.death <= v.start + DAY:
                task.out("dead at the prediction time")
            else:
                yield i, v


def clean_mortality_24h(task, number, subject, context):
    for i, v in a_day_in(task, subject, stays_of(task, subject)):
        task.add(number, v.start + DAY, i, v.died)


def bin_of(days):
    return 0 if days < 1 else days if days <= 7 else 8 if days <= 14 else 9


def clean_length_of_stay(task, number, subject, context):
    for i, v in a_day_in(task, subject, stays_of(task, subject)):
        task.add(number, v.start + DAY, i, bin_of((v.end - v.start) // DAY))


def clean_los_7d(task, number, subject, context):
    for i, v in a_day_in(task, subject, stays_of(task, subject)):
        task.add(number, v.start + DAY, i, int(v.end - v.start > 7 * DAY))


def clean_readmission(days):
    def label(task, number, subject, context):
        stays = stays_of(task, subject)
        for i, v in stays:
            if is_adult(task, subject, v.start) and goes_home(task, subject, stays, v):
                back = any(v.end < o.start <= v.end + days * DAY for _, o in stays)
                if not back and subject.death is not NEVER and subject.death <= v.end + days * DAY:
                    task.out("died in the window, without the outcome")
                else:
                    task.add(number, v.end, i, int(back))

    return label


def clean_phenotypes(task, number, subject, context):
    for i, v in stays_of(task, subject):
        if is_adult(task, subject, v.start):
            if v.dx:
                task.add(number, v.start, i, phenotypes_of(v, context.groups))
            else:
                task.out("no diagnosis in the stay")


def clean_drugs(classes_of):
    def label(task, number, subject, context):
        for i, v in stays_of(task, subject):
            if is_adult(task, subject, v.start):
                if v.drugs:
                    task.add(number, v.end, i, classes_of(v, context))
                else:
                    task.out("no drug in the stay")

    return label


def clean_first(name):
    def label(task, number, subject, context):
        stays, first = stays_of(task, subject), first_diagnosis(subject, name)
        for i, v in stays:
            if is_adult(task, subject, v.start) and goes_home(task, subject, stays, v):
                if first is not NEVER and first <= v.end:
                    task.out("diagnosed before")
                elif first is not NEVER and first < v.end + DAY:
                    task.out("diagnosed within a day of the prediction")
                else:
                    task.add(number, v.end, i, int(first is not NEVER and first <= v.end + 365 * DAY))

    return label


# ---- medtok ----
def retained(task, subject, most_icu=None):
    kept = []
    for i, v in stays_of(task, subject):
        if not v.icu:
            task.out("no stay in intensive care")
        elif most_icu and len(v.icu) > most_icu:
            task.out("more than one stay in intensive care")
        elif not v.dx or not v.px or not v.atc:
            task.out("no diagnosis, no procedure or no drug")
        else:
            kept.append((i, v))
    if len(kept) < 2:
        if any(v.end > v.start for v in subject.visits):
            task.out("fewer than two visits are left")
        return []
    return kept


def with_next(visits):
    return [(i, v, visits[k + 1][1]) for k, (i, v) in enumerate(visits[:-1])]


def medtok_mortality(task, number, subject, context):
    for i, v, after in with_next(retained(task, subject)):
        task.add(number, v.end, i, after.died)


def medtok_readmission(days):
    def label(task, number, subject, context):
        for i, v, after in with_next(retained(task, subject)):
            task.add(number, v.end, i, int((after.start - v.start) // DAY <= days))

    return label


def medtok_length_of_stay(task, number, subject, context):
    for i, v, _ in with_next(retained(task, subject)):
        task.add(number, v.end, i, bin_of((v.end - v.start) // DAY))


def medtok_los_7d(task, number, subject, context):
    for i, v, _ in with_next(retained(task, subject)):
        days = (v.end - v.start) // DAY
        if days < 1:
            task.out("discharged within 24 hours")
        else:
            task.add(number, v.end, i, int(days > 7))


def medtok_phenotypes(task, number, subject, context):
    visits = retained(task, subject, 1)
    if any(not phenotypes_of(v, context.groups) for _, v in visits):
        task.out("a visit has none of the phenotypes")
        return
    for i, v, _ in with_next(visits):
        task.add(number, v.end, i, phenotypes_of(v, context.groups))


def medtok_drugs_5(task, number, subject, context):
    for i, v in retained(task, subject, 1):
        label = five_of(v, context)
        if label:
            task.add(number, v.end, i, label)
        else:
            task.out("none of the classes")


def medtok_drugs_atc3(task, number, subject, context):
    for i, v in retained(task, subject):
        task.add(number, v.end, i, atc3_of(v, context))


def medtok_first(name):
    def label(task, number, subject, context):
        for i, v, after in with_next(retained(task, subject)):
            found = has_any(after, name, MEDTOK_AMI if name == "ami" else None)
            task.add(number, v.end, i, int(found and (after.start - v.start) // DAY <= 365))

    return label


# ---- EHRSHOT ----
def last_minute(time):
    return (time // DAY + 1) * DAY - MINUTE


def guo_los(task, number, subject, context):
    for i, v in stays_of(task, subject):
        if is_adult(task, subject, last_minute(v.start)):
            if v.start // DAY == v.end // DAY:
                task.out("discharged on the day of admission")
            else:
                task.add(number, last_minute(v.start), i, int(v.end - v.start >= 7 * DAY))


def guo_icu(task, number, subject, context):
    for i, v in stays_of(task, subject):
        time = last_minute(v.start)
        if is_adult(task, subject, time):
            if v.end <= time:
                task.out("discharged on the day of admission")
            elif any(t <= time for t in v.icu):
                task.out("in intensive care on the day of admission")
            else:
                task.add(number, time, i, int(any(time < t <= v.end for t in v.icu)))


def guo_readmission(task, number, subject, context):
    stays, days, seen = stays_of(task, subject), set(), set()
    for i, v in stays:
        day, time = v.end // DAY, last_minute(v.end)
        joined, twice = day in days, time in seen
        if not joined:
            days.add(v.start // DAY)
            seen.add(time)
        if not is_adult(task, subject, time):
            continue
        if joined:
            task.out("discharged on the day of an earlier stay's admission")
        elif subject.death is not NEVER and day >= subject.death // DAY:
            task.out("dead at the prediction time")
        elif twice:
            task.out("the same prediction time as another's")
        else:
            task.add(number, time, i, int(any(time + MINUTE <= o.start <= time + 30 * DAY for _, o in stays)))


def new_diagnosis(name, published):
    def label(task, number, subject, context):
        first, seen = first_diagnosis(subject, name), set()
        times = [v.end for v in subject.visits if has_any(v, name)]
        for i, v in stays_of(task, subject):
            time, twice = last_minute(v.end), last_minute(v.end) in seen
            seen.add(time)
            if not is_adult(task, subject, time):
                continue
            if twice:
                task.out("the same prediction time as another's")
            elif first is not NEVER and first <= time:
                task.out("diagnosed before")
            elif not published and first is not NEVER and first < time + DAY:
                task.out("diagnosed within a day of the prediction")
            else:
                task.add(number, time, i, int(any(time + DAY <= t <= time + 365 * DAY for t in times)))

    return label


def lab(name):
    items, factor, grade = LABS[name]

    def label(task, number, subject, context):
        found = {}
        for time, item, value, unit in subject.labs:
            if item not in items or not is_adult(task, subject, time - MINUTE):
                continue
            if value is None:
                task.out("no number")
                continue
            scaled = value / 18 if factor < 1 else float(value) * factor
            found.setdefault(time, []).append(grade(float(f"{scaled:.6g}")))
        for time, classes in found.items():
            task.left["a worse one at the same time counts"] += len(classes) - 1
            task.add(number, time - MINUTE, None, max(classes))
        task.left += Counter()

    return label


# ---- all tasks ----
def five_of(visit, context):
    return frozenset(a for a in visit.atc if a in FIVE)


def atc3_of(visit, context):
    return frozenset(a[:4] for a in visit.atc if a[:4] in context.atc3)


def all_tasks(mode):
    names = {"hypertension": "hypertension", "hyperlipidemia": "hyperlipidemia", "pancan": "pancreatic_cancer", "celiac": "celiac",
             "lupus": "lupus", "acutemi": "ami"}
    tasks = {"guo_los": guo_los, "guo_icu": guo_icu, "guo_readmission": guo_readmission}
    tasks |= {f"new_{n}": new_diagnosis(s, mode == "medtok") for n, s in names.items()}
    tasks |= {n: lab(n) for n in LABS}
    tasks |= {"mortality_24h": clean_mortality_24h}
    if mode == "clean":
        tasks |= {"mortality": clean_mortality, "length_of_stay": clean_length_of_stay, "los_7d": clean_los_7d,
                  "readmission_15d": clean_readmission(15), "readmission_30d": clean_readmission(30),
                  "phenotypes": clean_phenotypes, "drugs_5": clean_drugs(five_of), "drugs_atc3": clean_drugs(atc3_of)}
    else:
        tasks |= {"mortality": medtok_mortality, "length_of_stay": medtok_length_of_stay, "los_7d": medtok_los_7d,
                  "readmission_15d": medtok_readmission(15), "readmission_30d": medtok_readmission(30),
                  "phenotypes": medtok_phenotypes, "drugs_5": medtok_drugs_5, "drugs_atc3": medtok_drugs_atc3}
    first = clean_first if mode == "clean" else medtok_first
    return tasks | {f"first_{n}": first(n) for n in ("hypertension", "hyperlipidemia", "pancreatic_cancer", "ami")}


# ---- what cohort made ----
def text(value):
    return value.decode().rstrip("\0") if isinstance(value, bytes) else str(value).rstrip("\0")


def read_cohort(path):
    """Samples {task: {(subject, time, visit): label or set of class names}}, and the subjects of train."""
    tasks = {}
    with h5py.File(path) as f:
        subjects, offsets = f["subject"][:], f["task_offsets"][:]
        train = {int(s) for s, split in zip(subjects, f["split"][:]) if split == 0}
        classes, class_offsets, set_offsets, sets = f["class"][:], f["class_offsets"][:], f["set_offsets"][:], f["set"][:]
        who, when, visit, label = (f[f"sample_{n}"][:] for n in ("subject", "time", "visit", "label"))
        for t, name in enumerate(f["task"][:]):
            names = [text(c) for c in classes[class_offsets[t]:class_offsets[t + 1]]]
            found, at = {}, int(set_offsets[t])
            for i in range(offsets[t], offsets[t + 1]):
                key = (int(subjects[who[i]]), int(when[i]), int(visit[i]))
                if f["task_form"][t] == 2:
                    found[key] = frozenset(names[c] for c in sets[at:at + label[i]])
                    at += int(label[i])
                else:
                    found[key] = int(label[i])
            tasks[text(name)] = found
    return tasks, train


def read_filters(path):
    filters = defaultdict(Counter)
    with h5py.File(path) as f:
        names = [text(n) for n in f["task"][:]]
        for task, why, count in zip(f["filter_task"][:], f["filter"][:], f["filter_count"][:]):
            filters[names[task]][text(why)] = int(count)
    return filters


def read_facts(path):
    """(subject, time, code) of sex and race; time None: static."""
    with h5py.File(path) as f:
        codes = [text(c) for c in f["code"][:]]
        facts = {i for i, c in enumerate(codes) if c.startswith(("GENDER//", "RACE//"))}
        offsets, code, time = f["event_offsets"][:], f["event_code"][:], f["event_time"][:]
        return sorted(((int(s), None if time[e] < -9_000_000_000_000_000_000 else int(time[e]), codes[code[e]])
                       for i, s in enumerate(f["subject"][:]) for e in range(offsets[i], offsets[i + 1]) if code[e] in facts), key=str)


def facts_of(subjects):
    """Sex; race as the first visit says it that says any, which is not known before unless that is the first of all."""
    facts = []
    for number, s in subjects.items():
        facts += [(number, None, "GENDER//" + s.sex)] if s.sex else []
        said = [v for v in s.visits if v.race][:1]
        facts += [(number, None if v is s.visits[0] else v.start, "RACE//" + v.race) for v in said]
    return sorted(facts, key=str)


def without_visit(samples):
    return {(s, t, None): label for (s, t, _), label in samples.items()}


def compare(name, task, made, filters):
    if name.startswith("lab_"):
        made = without_visit(made)
    faults = [f"{name}: subject {s} at {pd.Timestamp(t * 1000)}, visit {v}: {made.get((s, t, v))} there, {task.samples.get((s, t, v))} here"
              for s, t, v in sorted(set(made) | set(task.samples), key=str) if made.get((s, t, v)) != task.samples.get((s, t, v))]
    faults += [f"{name}: {why}: {filters[why]} there, {task.left[why]} here"
               for why in sorted(set(filters) | set(task.left)) if filters[why] != task.left[why]]
    labels = list(task.samples.values())
    positive = sum(bool(label) for label in labels)
    print(f"{name}: {len(labels)} samples, {positive} with a label that is not 0 or empty, {sum(task.left.values())} left out")
    return faults


def main():
    parser = argparse.ArgumentParser()
    for name in ("folder", "format", "mode", "cohort"):
        parser.add_argument(name)
    for name in ("ndc", "ccs9", "ccs10"):
        parser.add_argument(f"--{name}")
    options = parser.parse_args()
    subjects, groups = load(options, {item for items, _, _ in LABS.values() for item in items})
    made, train = read_cohort(options.cohort)
    filters = read_filters(options.cohort)
    atc3 = {a[:4] for n, s in subjects.items() if n in train for v in s.visits for a in v.atc}
    context = SimpleNamespace(groups=groups, atc3=atc3)
    faults, tasks = [], all_tasks(options.mode)
    for name in sorted(made):
        task = Task()
        for number, subject in sorted(subjects.items()):
            tasks[name](task, number, subject, context)
        faults += compare(name, task, made[name], filters[name])
    faults += [f"{name} was not labelled" for name in sorted(set(tasks) - set(made)) if not name.startswith("lab_")]
    facts = facts_of(subjects)
    dated = sum(time is not None for _, time, _ in facts)
    print(f"facts: {len(facts)}, of them {dated} dated at a later visit")
    found = read_facts(options.cohort)
    if facts != found:
        faults.append(f"facts: {sorted(set(facts) - set(found), key=str)[:3]} here, {sorted(set(found) - set(facts), key=str)[:3]} there")
    for fault in faults[:40]:
        print(f"DIFFERS: {fault}")
    print(f"{len(made)} tasks of {len(subjects)} subjects, {sum(len(s.visits) for s in subjects.values())} visits: {len(faults)} differences")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
