#!/usr/bin/env bash
# The report: one well-formed HTML page that loads nothing, whose plots have text alternatives and whose numbers are those of the files;
# with hostile texts, with files missing, without gnuplot, of two runs side by side. tests/bench/report_screenshots.sh shows it, by hand.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v gnuplot >/dev/null || skip "there is no gnuplot (gnuplot-nox)"

# A run, with a code whose name and description are markup; 250.40 among the others looks like a number.
cat "$SAMPLE/codes.tsv" >codes.tsv
printf 'OTHER\t<script>alert(1)</script>\t"><img src=x onerror=alert(2)> & '\''\\n\t\n' >>codes.tsv
for i in $(seq 130); do printf 'SYSTEM%d\tX%d\tone of many systems\t\n' $i $i; done >>codes.tsv
sed "s|$SAMPLE/codes.tsv|codes.tsv|" small.yaml >run.yaml
for job in prepare encode train tokenize; do "$MEDTOK" $job --config run.yaml 2>log.txt || fail "$job: $(cat log.txt)"; done
medtok inspect --set inspect.resamples=20 >/dev/null 2>&1 || fail "inspect"
cat >scores.json <<'JSON'
{"cohort_id": "c", "split": "held_out", "comparisons": [
 {"task": "a <task> & more", "model": "behrt", "train_samples": 100, "shots": 0, "arms": [
  {"arm": "base", "seeds": 1, "average_precision": {"value": 0.25, "low": 0.125, "high": 0.5}, "auroc": {"value": 0.75, "low": 0.625, "high": 0.875}}]},
 {"task": "a <task> & more", "model": "behrt", "train_samples": 1000, "shots": 0, "arms": [
  {"arm": "base", "seeds": 1, "average_precision": {"value": 0.375, "low": 0.25, "high": 0.5}, "auroc": {"value": 0.8, "low": 0.7, "high": 0.9}}]},
 {"task": "few", "model": "behrt", "train_samples": 0, "shots": 8, "arms": [{"arm": "base", "average_precision": {"value": 0.1, "low": 0.05, "high": 0.2}}]},
 {"task": "few", "model": "behrt", "train_samples": 8, "shots": 0, "arms": [{"arm": "base", "average_precision": {"value": 0.2, "low": 0.1, "high": 0.3}}]},
 {"task": "few", "model": "behrt", "train_samples": 64, "shots": 0, "arms": [{"arm": "base", "average_precision": {"value": 0.3, "low": 0.2, "high": 0.4}}]},
 {"task": "few", "model": "behrt", "train_samples": 0, "shots": 0, "arms": [{"arm": "base", "average_precision": {"value": 0.4, "low": 0.3, "high": 0.5}}]}],
 "trainings": [{"name": "one", "step": 3, "seconds": 1.5, "parameters": 7, "average_precision": {"value": 0.25}, "auroc": {"value": null}}],
 "failures": [{"name": "two", "message": "diverged at </pre><b>"}]}
JSON
# What probe writes, with more metrics than a plot has series.
"$PYTHON" - "$(h5dump -a content_id table.h5 | sed -n 's/.*(0): "\([0-9a-f]*\).*/\1/p')" >probes.json <<'PY'
import json, sys
def of(k): return {"value": k / 32, "low": k / 64, "high": k / 16}
metrics = [f"nearest, class {k}" for k in range(17)]
figures = {space: {name: of(k + i) for k, name in enumerate(metrics)} for i, space in enumerate(("embedding", "tokens"))}
curve = {"MRR": [dict(tokens=t, **of(t)) for t in (1, 2, 3)]}
print(json.dumps({"probed_table": sys.argv[1], "probes": {"ATC": {"queries": 9, "seen": {"nearest, class 0": 0.12,
    "nearest, class 1": 0, "nearest, class 2": None}, "of_hierarchy": 1, "figures": figures, "differences": {"embedding - tokens": {
    "nearest, class 0": {"value": -0.5, "low": -0.75, "high": None}}}}, "A to B": {"figures": {}, "differences": {}, "curve": curve}}}))
PY
medtok report --set report.page=report.html probe.report=probes.json files.scores=scores.json files.cohort=none.h5 2>log.txt || fail "report: $(cat log.txt)"
sed 's/"probed_table": "[0-9a-f]*"/"probed_table": "another"/' probes.json >another.json
medtok report --set report.page=another.html probe.report=another.json files.cohort=none.h5 2>another.txt || fail "report: $(cat another.txt)"
grep -q 'another.json is of another table than .*table.h5' another.txt && ! grep -q 'nearest, class 3' another.html ||
    fail "probes of another table are shown: $(cat another.txt)"

cat >page.py <<'PY'
import csv, html.parser, io, json, re, sys, urllib.parse
VOID = {"meta", "link", "input", "br", "circle", "path", "rect"}
class Page(html.parser.HTMLParser):
    """Checks that each element is closed where it should be, and keeps what the checks below look at."""
    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.loads, self.tags, self.csv, self.images, self.texts = [], [], [], [], {}, [], []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"
    def handle_starttag(self, tag, pairs):
        attributes = dict(pairs)
        self.tags.append(tag)
        assert len(attributes) == len(pairs), f"an attribute twice in {tag}"
        self.ids += [v for k, v in pairs if k == "id"]
        self.loads += [v for k, v in pairs if k in ("src", "href", "xlink:href", "action", "srcset", "data") and v is not None]
        assert not any(k.startswith("on") for k in attributes), f"{tag} has a handler: {attributes}"
        if tag == "svg":
            self.images.append([attributes, {}])
        if "svg" in self.open and tag in ("title", "desc"):
            self.images[-1][1][attributes["id"]] = ""
            self.of = attributes["id"]
        if tag == "a" and "download" in attributes:
            head, body = attributes["href"].split(",", 1)
            assert head == "data:text/csv;charset=utf-8", head
            self.csv.setdefault(attributes["download"], urllib.parse.unquote(body))
        if tag not in VOID or (tag in ("circle", "path", "rect") and not self.get_starttag_text().endswith("/>")):
            self.open.append(tag)
    def handle_startendtag(self, tag, pairs):
        self.handle_starttag(tag, pairs)
        if self.open and self.open[-1] == tag:
            self.open.pop()
    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()
    def handle_data(self, data):
        if self.open and self.open[-1] in ("title", "desc") and "svg" in self.open:
            self.images[-1][1][self.of] += data
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

def read(path):
    text = open(path, encoding="utf-8").read()
    page = Page(text)
    page.text, page.words = text, "".join(page.texts)
    assert len(page.ids) == len(set(page.ids)), "an id twice"
    for load in page.loads:
        assert load.startswith(("data:", "#")), f"loads {load}"
    assert not re.search(r"url\(|@import|https?://", re.sub(r"<pre.*?</pre>", "", text, flags=re.S)), "a link to elsewhere"
    for attributes, texts in page.images:
        assert attributes.get("role") == "img"
        title, text = attributes["aria-labelledby"].split()
        assert texts[title].strip() and len(texts[text]) > 20, f"no text alternative: {texts}"
    assert len(text) < 5e6
    return page

def rows(page, name):
    return list(csv.DictReader(io.StringIO(page.csv[name + ".csv"])))
PY
check() { "$PYTHON" -c "import sys; sys.path.insert(0, '.'); from page import *
$1" || fail "$2"; }

check '
page = read("report.html")
steps = [json.loads(line) for line in open("checkpoint.jsonl") if line.startswith("{\"step\"")]
seen = set()
for name, of in (("loss", ["loss"]), ("usage", ["usage_text", "usage_graph", "usage_shared"]), ("perplexity", ["perplexity_text"]),
                 ("loss_terms", ["shared", "align", "orthogonal_text"]), ("rate", ["rate"]), ("gradient", ["gradient_norm"])):
    got = rows(page, name)
    told = [step for step in steps if of[0] in step] # usage: in the lines of the log, train.log_every
    assert told and [int(row["step"]) for row in got] == [step["step"] for step in told], name
    for row, step in zip(got, told):
        assert all(float(row[column]) == step[column] for column in of), (name, row, step)
quality = json.load(open("table.quality.json"))["measures"]
got = {row["measure"]: row for row in rows(page, "quality")}
assert set(got) == set(quality)
for name, measure in quality.items():
    assert all(row == "" if measure[k] is None else float(row) == measure[k] for k, row in ((k, got[name][k]) for k in ("value", "low", "high"))), name
curve = rows(page, "a <task> & more.behrt")
assert [(row["training samples"], row["base"], row["base low"]) for row in curve] == [("100", "0.25", "0.125"), ("1000", "0.375", "0.25")], curve
# shots are no samples, and what has no place on a curve is drawn beside it
curve = rows(page, "few.behrt")
assert [(row["training samples"], row["base"]) for row in curve] == [("8", "0.2"), ("64", "0.3")], curve
others = rows(page, "others.few.behrt")
assert [(row["arm"], row["average precision"]) for row in others] == [("base, 8 of each class", "0.1"), ("base, all", "0.4")], others
sizes = [(row["training samples"], row["shots of each class"]) for row in rows(page, "comparisons") if row["task"] == "few"]
assert sizes == [("", "8"), ("8", ""), ("64", ""), ("all", "")], sizes
stages = rows(page, "stages_seconds")
for job, path in (("prepare", "vocabulary"), ("encode", "text"), ("train", "checkpoint"), ("tokenize", "table"), ("inspect", "table.quality")):
    file = json.load(open(path + ".stages.json"))
    assert file["job"] == job and file["ranks"] == 1 and abs(sum(s["share"] for s in file["stages"]) - 1) < 1e-4, file
    assert [float(row["seconds"]) for row in stages if row["job"] == job] == [s["seconds"] for s in file["stages"] if s["share"] >= 1e-4], job
rates = {row["job"]: row for row in rows(page, "throughput")}
n_codes = sum(1 for line in open("codes.tsv", encoding="utf-8")) - 1
assert int(rates["train"]["done"]) == sum(step["codes"] for step in steps) and int(rates["tokenize"]["done"]) == int(rates["prepare"]["done"]) == n_codes, rates
nearest = rows(page, "nearest")
assert "OTHER" in {row["system"] for row in nearest} and all(row["cosine"] == "" or abs(float(row["cosine"])) <= 1 + 1e-6 for row in nearest)
' "numbers and structure of the page"
check '
page = read("report.html")
probes = json.load(open("probes.json"))["probes"]
figures = rows(page, "probe.ATC.figures")
heading = lambda metric: metric + ("* (seen 12 %)" if metric == "nearest, class 0" else "*")
assert [row["space"] for row in figures] == ["embedding", "tokens"], figures
for row in figures:
    for metric, of in probes["ATC"]["figures"][row["space"]].items():
        assert [float(row[heading(metric) + end]) for end in ("", " low", " high")] == [of[k] for k in ("value", "low", "high")], (metric, row)
assert page.words.count("Drawn are the first 16 of 17; the others are in the CSV alone.") == 1, "a plot that leaves something out"
assert [tuple(row.values()) for row in rows(page, "probe.ATC.differences")] == [("embedding - tokens", "-0.5", "-0.75", "")]
curve = rows(page, "probe.A to B.by number of tokens")
assert [(int(row["tokens"]), float(row["MRR"])) for row in curve] == [(p["tokens"], p["value"]) for p in probes["A to B"]["curve"]["MRR"]]
titles = {text for _, texts in page.images for name, text in texts.items() if name.endswith("-title")}
assert {"ATC: figures", "ATC: differences", "A to B: by number of tokens"} <= titles, titles
assert "What the table knows" in page.words
for mark in ("nearest, class 0* (seen 12 %)", "seen: the training", ". *: classes and distances of codes whose parents"):
    assert mark in page.words, mark
' "the probes"
check '
page = read("report.html")
assert page.tags.count("script") == 1 and "img" not in page.tags and "b" not in page.tags, "markup of a text is markup of the page"
for words in ("<script>alert(1)</script>", "diverged at </pre><b>", "a <task> & more", "missing"):
    assert words in page.words, words
dots = re.findall(r"<circle r=\"3\" [^>]*data-c=\"([^\"]*)\"", page.text)
codes = [line.split("\t")[1] for line in open("codes.tsv", encoding="utf-8").read().splitlines()[1:]]
assert sorted(map(html.unescape, dots)) == sorted(codes) and "250.40" in dots, "the codes of the map are not those of the table"
names = re.findall("<li>([^<]*)", re.search(r"<ol class=\"systems\".*?</ol>", page.text, re.S)[0])
of = re.findall(r"<circle r=\"3\" [^>]*class=\"s(\d+)\" [^>]*data-c=\"X(\d+)\"", page.text)
assert len(of) == 130 and all(names[int(number)] == "SYSTEM" + code for number, code in of), "a code under the name of another system"
' "texts and the map"

# The nearest codes are those of lookup.
check '
import subprocess, os
page = read("report.html")
first = [row for row in rows(page, "nearest")][:3]
out = subprocess.run([os.environ["MEDTOK"], "lookup", first[0]["system"] + ":" + first[0]["code"], "--near", "2", "--config", "small.yaml"], capture_output=True, text=True, check=True).stdout
for row in first[1:]:
    assert re.search(r"\s%s\s" % re.escape(row["code"]), out), (row, out)
' "nearest codes"

# A page is replaced (bare.html, below); another file is not.
cp report.html bare.html
echo mine >mine.html
expect_error 2 'report.page: mine.html is there already and is nothing that this job writes' medtok report --set report.page=mine.html
expect_error 2 'files.table and report.page are the same file' medtok report --set report.page=table.h5
expect_error 1 'there is nothing to report' "$MEDTOK" report --set files.table=no/table.h5 files.vocabulary=no files.text=no files.checkpoint=no files.cohort=no files.scores=no

# Few points and few steps of many, the last among them; without gnuplot; two runs side by side.
head -n 11 checkpoint.jsonl >two.jsonl
for i in $(seq 12 47); do sed -n "s/\"step\": 11,/\"step\": $i,/p" checkpoint.jsonl; done >>two.jsonl
for i in 20 40; do # what MedTok measures on the way is estimates
    printf '{"eval_step": %d, "usage_text": {"value": 0.%d, "low": 0.1, "high": 0.9, "n": 7}, "kept": %d}\n' $i $i $i
done >>two.jsonl
printf '{"step": 48, "codes": ' >>two.jsonl # under way
cat small.yaml >two.yaml && printf 'report: {rows: 10}\n' >>two.yaml && sed -i "s|^files:|files:\n  metrics: $work/two.jsonl|" two.yaml
medtok report --set report.page=both.html report.rows=10 "report.runs=[two.yaml]" 2>log.txt || fail "two runs: $(cat log.txt)"
mkdir bin && for tool in env bash; do ln -s "$(command -v $tool)" bin; done
PATH=$work/bin "$MEDTOK" report --config small.yaml --set report.page=bare.html report.points=50 2>log.txt || fail "without gnuplot: $(cat log.txt)"
[ "$(grep -c 'gnuplot-nox' log.txt)" -eq 1 ] || fail "no warning that names the package: $(cat log.txt)"
check '
both = read("both.html")
name = next(k for k in both.csv if k.startswith("loss.") and "(2)" in k)[:-4]
assert [row["step"] for row in rows(both, name)] == [str(s) for s in (1, *range(5, 46, 5), 47)], rows(both, name)
measured = rows(both, name.replace("loss", "evaluations", 1))
assert [(row["step"], row["usage_text"], row["kept"]) for row in measured] == [("20", "0.2", "20"), ("40", "0.4", "40")], measured
losses = rows(both, "loss_of_runs")
assert len(losses) == 6 + 1 + 11 and len(losses[0]) == 3, losses
bare = read("bare.html")
assert "gnuplot" in bare.words and len(bare.images) == 1 and "loss.csv" in bare.csv and bare.text.count("<circle r=\"3\"") == 50, "a page without gnuplot"
' "several runs, or without gnuplot"
finish
