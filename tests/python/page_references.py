"""What the pages name is there: links and their headings, files, settings, options, jobs; README.md fits a newcomer; no page is lost."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from pages import LANGUAGES, ROOT, pages  # noqa: E402

MEDTOK = os.environ.get("MEDTOK", os.path.join(ROOT, "build", "medtok"))
# Options of other programs that the pages speak of: mpirun, srun, scancel, apptainer, perf, pkg-config, cmake.
FOREIGN = {"--oversubscribe", "--map-by", "--bind-to", "--mca", "--signal", "--requeue", "--gpu-bind", "--mpi", "--nv", "--cflags", "--libs",
           "--build", "--target", "--kill-on-bad-exit"}
# Names with a dot that begin as settings do and are none: files, and keys of other programs.
ENDINGS = "h5|partial|parts|c|h|cu|cuh|py|sh|md|json|jsonl|csv|tsv|html|yaml|svg|txt|npy|npz|gz|parquet|safetensors|def|mk|sif|log|css|svm|so"
FOREIGN_NAMES = {"model.lookup"}  # of Python, which looks like a setting
failures = []


def fail(page, text):
    failures.append(f"{page.path}: {text}")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


all_pages = pages()
by_path = {page.path: page for page in all_pages}
usage = run(MEDTOK, "--help")
jobs = re.findall(r"^  ([a-z][a-z-]*) ", usage.split("\njobs:\n")[1].split("\n\n")[0], re.M)
helps = {job: run(MEDTOK, "help", job) for job in jobs}
settings = {name for text in helps.values() for name in re.findall(r"^  ([a-z_]+(?:\.[a-z0-9_]+)+) ", text, re.M)}
sections = {name.split(".")[0] for name in settings}
ours = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", usage + "".join(helps.values())))
for script in ("jobs/quickstart", "jobs/test", "jobs/evaluate-demo", "slurm/submit"):
    ours |= set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", run("bash", script, "--help")))
assert len(jobs) > 15 and len(settings) > 150, (jobs, len(settings))


def check_links(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.prose):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        path = os.path.normpath(os.path.join(page.folder, path)) if path else page.path
        if not os.path.exists(os.path.join(ROOT, path)):
            fail(page, f"the link {target} leads nowhere")
        elif anchor and (path not in by_path or anchor not in set(by_path[path].anchors())):
            fail(page, f"the link {target} leads to no heading")


def check_files(page):
    """Paths that begin with a folder of the repository; scripts of commands among them."""
    texts = page.spans + [text for language, text, _ in page.fences if language == "sh"]
    for text in texts:
        for path in re.findall(r"(?<![\w./$-])((?:src|jobs|kernels|tests|configs|slurm)/[\w./*-]+)", text):
            path = path.rstrip(".")
            if path == "configs/site.yaml":  # the user's own
                continue
            near = [os.path.join(ROOT, path), os.path.join(ROOT, page.folder, path)]
            if "*" not in path and not any(os.path.exists(p) for p in near):
                fail(page, f"there is no {path}")


def check_settings(page):
    of_all = "|".join(sorted(sections))
    for text in page.spans + [text for language, text, _ in page.fences if language == "sh"]:
        for name in re.findall(rf"(?<![\w./$-])((?:{of_all})(?:\.[a-z][a-z0-9_]*)+)\b(?!/|\*)", text):
            if not re.search(rf"\.({ENDINGS})$", name) and name not in settings | FOREIGN_NAMES and not any(s.startswith(name + ".") for s in settings):
                fail(page, f"there is no setting {name}")


def check_options(page):
    for span in page.spans:
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", span):
            if option not in ours | FOREIGN:
                fail(page, f"no program has the option {option}")


def check_jobs(page):
    texts = page.spans + [text for language, text, _ in page.fences if language == "sh"]
    for text in texts:
        for job in re.findall(r"(?:^|\s)(?:build/medtok|\$?medtok|\$MEDTOK) ([a-z][a-z_-]*)", text):
            if job not in jobs and job != "help":
                fail(page, f"medtok has no job {job}")


for page in all_pages:
    check_links(page)
    if page.folder == "results" and page.path != "results/README.md":
        continue  # what was run then, and with what was there then
    check_files(page)
    check_settings(page)
    check_options(page)
    check_jobs(page)
    for language, _, _ in page.fences:
        if language not in LANGUAGES:
            fail(page, f"a fence has the language {language!r}, not one of {sorted(LANGUAGES)}")

readme = by_path["README.md"]
if readme.text.count("\n") > 150:
    fail(readme, f"{readme.text.count(chr(10))} lines are more than a newcomer reads (150)")
for job in jobs:
    if f"`{job}`" not in readme.text.split("## The jobs")[1]:
        fail(readme, f"the list of jobs lacks {job}")

# Every page can be reached from the first one, and every file of results from its list.
reached, todo = {"README.md"}, [readme]
while todo:
    page = todo.pop()
    for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.prose):
        path = os.path.normpath(os.path.join(page.folder, target))
        if path in by_path and path not in reached:
            reached.add(path)
            todo.append(by_path[path])
for path in sorted(set(by_path) - reached):
    failures.append(f"{path}: no page leads here from README.md")

print("\n".join("FAILED: " + f for f in failures) or "all good")
sys.exit(bool(failures))
