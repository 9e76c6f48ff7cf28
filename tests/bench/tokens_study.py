"""The tables of tokens_study.sh: what each arm's tables find, mean over seeds, beside frozen text and untrained quantisers.

usage: tokens_study.py FOLDER ARM...     reads FOLDER/ARM.SEED.json, reports of `probe`; markdown to standard output
"""
import json
import os
import re
import sys

# Question, figure, heading. Those that a choice among arms may look at, and those that are for the report alone.
CHOOSE = [("ICD9CM to ICD10CM", "hit at 10", "GEM at 10"), ("ICD10CM", None, "chapter"),
          ("indication, disease to drug", "hit at 10", "disease to drug at 10")]
REPORT = [("ATC", None, "ATC level 1"), ("ICD10CM, linear map", None, "chapter, linear"), ("ICD9CM", None, "CCS"),
          ("ICD9PROC to ICD10PCS", "hit at 10", "GEM of procedures at 10"), ("RxNorm to ATC, by the drug's name", "hit at 10", "drug name to ATC at 10"),
          ("NDC to ATC", "hit at 10", "NDC to ATC at 10"), ("indication, drug to disease", "hit at 10", "drug to disease at 10"),
          ("drug_protein, drug to drug", "hit at 10", "drugs of a protein at 10"), ("ICD9PROC, hierarchy", None, "distance, procedures"),
          ("ICD9CM, hierarchy", None, "distance, ICD-9-CM")]
BASELINES = ["frozen text, mean of its tokens", "untrained, random rows", "untrained, random rows, tokens", "untrained, rows of codes",
             "untrained, rows of codes, tokens"]
OWN = [("embedding", "embedding"), ("embedding, groups that both have", "groups that both have"), ("tokens", "tokens alone")]


def figure(probes, question, name, row):
    found = probes.get(question, {}).get("figures", {}).get(row)
    return found and found[name or next(iter(found))]


def cell(reports, question, name, row):
    """Mean over seeds, the mean ends of the intervals of the seeds, and how far the seeds lie apart."""
    of = [f for f in (figure(r, question, name, row) for r in reports) if f]
    if not of:
        return ""
    mean, low, high = (sum(f[k] for f in of) / len(of) for k in ("value", "low", "high"))
    spread = max(f["value"] for f in of) - min(f["value"] for f in of)
    return f"{mean:.3f} ({low:.3f} to {high:.3f}; {spread:.3f})" if len(of) > 1 else f"{mean:.3f} ({low:.3f} to {high:.3f})"


def table(arms, questions):
    asked = [q for q in questions if any(q[0] in r for reports in arms.values() for r in reports)]
    lines = ["| | " + " | ".join(q[2] for q in asked) + " |", "|---" * (1 + len(asked)) + "|"]
    first = next(iter(arms.values()))
    for row in BASELINES:
        lines.append(f"| {row} | " + " | ".join(cell(first, *q[:2], row) for q in asked) + " |")
    for arm, reports in arms.items():
        for row, said in OWN:
            lines.append(f"| **{arm}**, {said} | " + " | ".join(cell(reports, *q[:2], row) for q in asked) + " |")
    return lines


def plot(arms, question, name, heading):
    """A chart over 1 .. 20 tokens, the heaviest first, mean over seeds: a line of each arm's tokens, and what does not depend on their number."""
    def mean(rows):
        return [sum(values) / len(values) for values in zip(*rows)]

    def curve(report):
        of = report[question]["curve"]
        return [point["value"] for point in of[name or next(iter(of))]]

    first = next(iter(arms.values()))
    lines = [mean([curve(r) for r in reports]) for reports in arms.values()]
    n = len(lines[0])
    lines += [[sum(figure(r, question, name, row)["value"] for r in first) / len(first)] * n
              for row in (BASELINES[0], "embedding", "untrained, random rows, tokens", "untrained, rows of codes, tokens")]
    top, bottom = max(map(max, lines)), min(map(min, lines))
    return ["```mermaid", "xychart-beta", f'    title "{heading}"', f'    x-axis "tokens of a code" 1 --> {n}',
            f'    y-axis "{heading}" {bottom - .02:.2f} --> {top + .02:.2f}',
            *("    line [" + ", ".join(f"{v:.3f}" for v in line) + "]" for line in lines), "```"]


def usage(folder, arm, seeds):
    return ", ".join("/".join(re.findall(r"uses ([0-9.]+) %", open(os.path.join(folder, f"{arm}.{seed}.usage")).read())) for seed in seeds)


def main():
    folder = sys.argv[1]
    found = {arm: {int(m.group(1)) for m in (re.fullmatch(re.escape(arm) + r"\.([0-9]+)\.json", f) for f in os.listdir(folder)) if m}
             for arm in sys.argv[2:]}
    seeds = sorted(set.intersection(*found.values()))
    if not seeds:
        sys.exit(f"{folder}: there is no seed that all arms have: " + ", ".join(f"{a} {sorted(s)}" for a, s in found.items()))
    arms = {arm: [json.load(open(os.path.join(folder, f"{arm}.{seed}.json")))["probes"] for seed in seeds] for arm in found}
    print(f"Seeds {', '.join(map(str, seeds))}. Mean over seeds (mean ends of the seeds' intervals of 95 %; largest less smallest seed).\n")
    print("## To choose by\n")
    print("\n".join(table(arms, CHOOSE)))
    print("\n## For the report alone\n")
    print("\n".join(table(arms, REPORT)))
    print("\n## Over the number of tokens\n")
    print(f"Rising: tokens of {', '.join(arms)}; level, the same of any number, in this order: frozen text, the embedding of {next(iter(arms))},")
    print("all tokens of the untrained quantisers, random rows and rows of codes.\n")
    for question in CHOOSE[:2]:
        print("\n".join(plot(arms, *question)), end="\n\n")
    print("\n## Rows in use\n\nText-specific/graph-specific/shared-text/shared-graph, per cent of the region, a seed each:\n")
    for arm in arms:
        print(f"- {arm}: {usage(folder, arm, seeds)}")


if __name__ == "__main__":
    main()
