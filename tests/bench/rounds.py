"""What the benchmarks share: running `medtok bench`, medians over rounds, and markdown tables."""
import json
import os
import platform
import statistics
import subprocess

MEDTOK = os.environ.get("MEDTOK", "build/medtok")


def bench(work, settings, ranks=1):
    """Runs `medtok bench` on one backend, with the steps of plain settings, which peers have too; its part of bench.json."""
    path = os.path.join(work, "bench.json")
    command = ["mpirun", "--bind-to", "none", "-n", str(ranks)] if ranks > 1 else []
    command += [MEDTOK, "bench", "--config", os.path.join(os.path.dirname(__file__), "..", "support", "plain.yaml"), "--set", "bench.json=" + path]
    for setting in settings:
        command += ["--set", setting]
    run(command)
    with open(path) as file:
        document = json.load(file)
    (backend,) = document["backends"]
    backend["machine"] = document["machine"]
    backend["item"] = {x["name"]: x for x in backend["items"]}
    return backend


def run(command, errors=False):
    """Standard output of a command, or what it logs (errors); the latter is shown if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit("%s\n%s%s" % (" ".join(command), done.stdout[-2000:], done.stderr[-2000:]))
    return done.stderr if errors else done.stdout


def versions(*others):
    """One line: this program and what it is compared with."""
    first = run([MEDTOK, "--version"]).splitlines()
    return ", ".join([first[0]] + [x for x in others if x] + ["Python " + platform.python_version()])


def table(head, rows, total="median"):
    """A markdown table of numbers with a last line of the columns' medians. head: (title, format) each."""
    print("| round | " + " | ".join(title for title, _ in head) + " |")
    print("|---" * (len(head) + 1) + "|")
    middle = [statistics.median(column) for column in zip(*rows)]
    for name, row in [*enumerate(rows, 1), (total, middle)]:
        print("| %s | " % name + " | ".join(form % x for (_, form), x in zip(head, row)) + " |")
    print()
    return middle
