"""What qa-compare says of made-up reports is what SciPy and NumPy compute of them: Wilson's intervals, McNemar's exact test, the exact
permutation test of seeds together, the bootstrap over questions, groups, and the words; and what cannot be compared is refused."""
import itertools
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from scipy import stats
except ImportError as missing:
    print(f"skipped: {missing.name} is not installed for {sys.executable}")
    sys.exit(77)

MEDTOK = os.path.abspath(os.environ["MEDTOK"])
work = tempfile.mkdtemp()
draw = np.random.default_rng(5)
N = 240
questions = [{"id": f"q{i}", "set": "one" if i % 3 else "two", "n": 5 if i % 3 == 0 else 4, "answer": "ABCD"[draw.integers(4)],
              "codes": int(draw.random() < 0.4)} for i in range(N)]
skill = draw.random(N)


def report(name, arm, seed, share, orders=True, items=questions, **more):
    """Writes a report of qa that is right on about that share, more often where other reports are; returns whether it is right."""
    right, entries = {"chosen": [], "chosen_over_all_orders": []}, []
    for i, q in enumerate(items):
        entry = {"id": q["id"], "set": q["set"], "answer": q["answer"], "scores": [-1.0] * q["n"], "with_codes": q["codes"]}
        for key in ["chosen"] + ["chosen_over_all_orders"] * orders:
            hit = 0.5 * (skill[i] + draw.random()) < share
            entry[key] = q["answer"] if hit else "ABCD"[("ABCD".index(q["answer"]) + 1) % 4]
            right[key].append(int(hit))
        entries.append(entry)
    content = {"answers_of": "model", "model_id": "1", "arm": arm, "adapter": None if seed is None else "a", **({"adapter_seed": seed} if seed is not None else {}), "questions": entries, **more}
    with open(os.path.join(work, name), "w", encoding="utf-8") as out:
        json.dump(content, out)
    return {key: np.array(values) for key, values in right.items()}


def compare(*names, settings=(), code=0):
    command = [MEDTOK, "qa-compare", "--set", f"qa_compare.reports=[{', '.join(names)}]", "qa_compare.report=c.json", "run.threads=1", *settings]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    assert done.returncode == code, (done.returncode, done.stderr)
    return done.stdout if code == 0 else done.stderr


def near(value, expected, tolerance, what):
    assert abs(value - expected) <= tolerance, f"{what}: {value}, and expected {expected}"


def bootstrap(a, b):
    """Poisson bootstrap of the difference of means of runs [seeds, questions], of other random numbers: questions, and the runs of an arm, whose mean
    then varies by their sample variance / seeds."""
    weights = draw.poisson(1, (10000, a.shape[1]))

    def means(runs):
        k = len(runs)
        by_run = weights @ runs.T / weights.sum(1, keepdims=True)
        counts = draw.poisson(1, (10000, k))
        return by_run.mean(1) + ((counts - counts.mean(1, keepdims=True)) * by_run).sum(1) / np.sqrt(max(k * (k - 1), 1))
    return np.percentile(means(a) - means(b), [2.5, 97.5])


rights = {("zero-shot", None): report("zero.json", "zero-shot", None, 0.4)}
for s in range(3):
    rights["null prefix", s] = report(f"null{s}.json", "null prefix", s, 0.5)
    rights["MedTok", s] = report(f"medtok{s}.json", "MedTok", s, 0.56)
names = ["zero.json"] + [f"{a}{s}.json" for a in ("null", "medtok") for s in range(3)]
text = compare(*names)
got = json.load(open(os.path.join(work, "c.json"), encoding="utf-8"))
groups = {"all": range(N), "with codes": [i for i in range(N) if questions[i]["codes"]], "without codes": [i for i in range(N) if not questions[i]["codes"]],
          "4 options": [i for i in range(N) if i % 3], "5 options": range(0, N, 3), "one": [i for i in range(N) if i % 3],
          "two, with codes": [i for i in range(0, N, 3) if questions[i]["codes"]]}
assert {g["group"] for g in got["all_orders"]} == set(groups) | {"two", "one, with codes", "one, without codes", "two, without codes"}
seeds = {"zero-shot": [None], "null prefix": [0, 1, 2], "MedTok": [0, 1, 2]}
for orders, key in (("as_they_stand", "chosen"), ("all_orders", "chosen_over_all_orders")):
    for found in got[orders]:
        if found["group"] not in ("all", "with codes", "5 options", "two, with codes")[orders == "all_orders":]:
            continue
        members = list(groups[found["group"]])
        n = len(members)
        assert found["questions"] == n
        near(found["chance"], np.mean([1 / questions[i]["n"] for i in members]), 1e-5, "chance")
        near(found["majority"], max(np.mean([questions[i]["answer"] == k for i in members]) for k in "ABCD"), 1e-5, "majority")
        counts = {arm: sum(rights[arm, s][key][members] for s in seeds[arm]) for arm in seeds}
        for arm in found["arms"]:
            k = len(seeds[arm["arm"]])
            by_seed = [np.mean(rights[arm["arm"], s][key][members]) for s in seeds[arm["arm"]]]
            assert np.allclose(arm["by_seed"], by_seed, atol=1e-5)
            near(arm["accuracy"]["value"], np.mean(by_seed), 1e-5, "accuracy")
            if k == 1:
                wilson = stats.binomtest(int(counts[arm["arm"]].sum()), n).proportion_ci(method="wilson")
                near(arm["accuracy"]["low"], wilson.low, 1e-5, "Wilson")
                near(arm["accuracy"]["high"], wilson.high, 1e-5, "Wilson")
            else:
                near(arm["deviation"], np.std(by_seed, ddof=1), 1e-5, "deviation")
            if arm["arm"] == "MedTok":
                continue
            gain, other = arm["gain_of_compared_arm"], counts[arm["arm"]] / k
            d = counts["MedTok"] / 3 - other
            near(gain["value"], d.mean(), 1e-5, "gain")
            low, high = bootstrap(*(np.array([rights[name, s][key][members] for s in seeds[name]]) for name in ("MedTok", arm["arm"])))
            # Welch and Satterthwaite: the variance over questions is known well, that over an arm's three seeds with two degrees of freedom.
            by_arm = [np.var([np.mean(rights[name, s][key][members]) for s in seeds[name]], ddof=1) / 3 for name in ("MedTok", arm["arm"]) if seeds[name] != [None]]
            df = (d.var() / n + sum(by_arm)) ** 2 / sum(v ** 2 / 2 for v in by_arm)
            near(gain["student_t"], stats.t.ppf(0.975, max(df, 1)), 1e-4, "Student's t")
            near(gain["detectable"], min(1, stats.t.ppf([0.975, 0.8], max(df, 1)).sum() * np.sqrt(np.mean(d ** 2) / n + sum(by_arm))), 1e-5, "detectable")
            low, high = (max(-1, min(1, d.mean() + (end - d.mean()) * gain["student_t"] / stats.norm.ppf(0.975))) for end in (low, high))
            width = 0.06 * (high - low)  # a percentile of 10,000 resamples has a standard error of 1.5 % of the interval's length
            near(gain["low"], low, width, "low")
            near(gain["high"], high, width, "high")
            drawn = stats.permutation_test((counts["MedTok"] / 3, other), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples",
                                           n_resamples=4000, vectorized=True, rng=draw)
            near(gain["paired_p"], drawn.pvalue, 4 * np.sqrt(gain["paired_p"] * (1 - gain["paired_p"]) / 4000) + 1e-3, "p by drawn permutations")
            assert not gain["these_runs_alone"]
            assert gain["told_apart"] == int(not gain["low"] <= 0 <= gain["high"] and gain["paired_p"] < 0.05)

# ---- few questions: all signs, and one seed each: McNemar ----
few = questions[:12]
a, b = (sum(report(f"few-{arm}{s}.json", arm, s, share, items=few)["chosen"] for s in range(2)) for arm, share in (("MedTok", 0.7), ("other", 0.4)))
compare(*[f"few-{arm}{s}.json" for arm in ("MedTok", "other") for s in range(2)])
p = json.load(open(os.path.join(work, "c.json"), encoding="utf-8"))["as_they_stand"][0]["arms"][1]["gain_of_compared_arm"]["paired_p"]
signs = np.array(list(itertools.product([1, -1], repeat=12)))
near(p, np.mean(abs(signs @ (a - b)) >= abs((a - b).sum())), 1e-6, "p by all signs")
text_of_one = compare("zero.json", "medtok1.json")
one = json.load(open(os.path.join(work, "c.json"), encoding="utf-8"))["as_they_stand"][0]["arms"][0]["gain_of_compared_arm"]
x, y = rights["MedTok", 1]["chosen"], rights["zero-shot", None]["chosen"]
near(one["paired_p"], stats.binomtest(int(((x == 1) & (y == 0)).sum()), int((x != y).sum())).pvalue, 1e-6, "McNemar")

# ---- lucky seeds: by questions alone 9 points are ten standard errors, but one seed's mean of another training is as far ----
for arm, counts in (("MedTok", (150, 100, 110)), ("other", (101, 100, 99))):
    for s, count in enumerate(counts):
        items = [{"id": q["id"], "answer": q["answer"], "chosen": q["answer"] if i < count else "-", "scores": [0] * 4} for i, q in enumerate(questions)]
        report(f"lucky-{arm}{s}.json", arm, s, 0.5, questions=items)
luck = [f"lucky-{arm}{s}.json" for arm in ("MedTok", "other") for s in range(3)]
text_of_luck = compare(*luck)
gain = json.load(open(os.path.join(work, "c.json"), encoding="utf-8"))["as_they_stand"][0]["arms"][1]["gain_of_compared_arm"]
assert gain["paired_p"] < 1e-6 and gain["low"] < 0 < gain["high"] and not gain["told_apart"], gain
assert ": not told apart; by seed +20.4, +0.0, +4.6" in text_of_luck, text_of_luck
text_of_runs = compare(luck[0], *luck[3:])  # one seed against three
gain = json.load(open(os.path.join(work, "c.json"), encoding="utf-8"))["as_they_stand"][0]["arms"][1]["gain_of_compared_arm"]
assert gain["low"] > 0 and gain["these_runs_alone"] and not gain["told_apart"], gain
assert "other, these runs: +20.8 points" in text_of_runs and "), paired test p < .0001: these runs differ" in text_of_runs, text_of_runs

# ---- three questions of which all are answered otherwise: no gain of more than 100 points ----
for arm in ("MedTok", "other"):
    report(f"three-{arm}.json", arm, 0, 0.5, questions=[{"id": str(i), "answer": "A", "chosen": "AB"[(i + (arm == "other")) % 2], "scores": [0] * 4} for i in range(3)])
assert "A difference of 100.0 could have been seen in four of five cases." in compare("three-MedTok.json", "three-other.json")

# ---- in words ----
assert "- MedTok over the best other arm, null prefix: +" in text and "exact paired test p = ." in text and "; by seed " in text
assert "## Options in all orders" in text and "| two, without codes |" in text
assert "McNemar p" in text_of_one and "- MedTok over the best other arm, zero-shot, these runs: +" in text_of_one
report("same.json", "null prefix", 7, 0.5, orders=False)
text = compare("medtok0.json", "same.json")
assert "all orders" not in text

# ---- refusals ----
assert 'no report is of the arm "X"; the first is of "zero-shot"' in compare(*names, settings=["qa_compare.arm=X"], code=2)
assert 'there is a report of the arm "MedTok" and seed 0 already' in compare("medtok0.json", "medtok0.json", code=1)
assert "it has 12 questions, and the first report 240" in compare("medtok0.json", "few-other0.json", code=1)
report("moved.json", "null prefix", 9, 0.5, items=[{**q, "id": f"z{q['id']}"} for q in questions])
assert "moved.json: question zq0 is not in the first report" in compare("medtok0.json", "moved.json", code=1)
report("other.json", "null prefix", 10, 0.5, model_id="2")
assert "other.json: the model model (2) answers, and in the first report model (1)" in compare("medtok0.json", "other.json", code=1)
report("learned.json", "null prefix", 11, 0.5, questions_learned_from=["q3", "q7"])
assert "learned.json: its adapter learned from 2 of the questions" in compare("medtok0.json", "learned.json", code=1)
report("twice.json", "null prefix", 12, 0.5, items=[*questions[:-1], questions[0]])
for pair in (("medtok0.json", "twice.json"), ("twice.json", "medtok0.json")):
    assert "twice.json: question q0 is there twice" in compare(*pair, code=1)
with open(os.path.join(work, "none.json"), "w", encoding="utf-8") as out:
    out.write('{"questions": []}')
assert "none.json: no report of the job qa" in compare("none.json", code=1)
assert "qa_compare.reports is empty" in subprocess.run([MEDTOK, "qa-compare"], cwd=work, capture_output=True, text=True).stderr
subprocess.run(["rm", "-r", work], check=True)
print("all good")
