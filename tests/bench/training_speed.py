"""Rounds of our training steps and the peer's (training_speed.sh, peer_cuda.sh), and how far ours are from the floor that their
operations set: the operations of a step at the rate of the largest matrix product of the same run."""
import argparse
import re
import shlex
import sys

import rounds


def peer_rate(a, tokens):
    command = [sys.executable, a.peer, a.codes, a.graph, "--batch", str(a.batch), "--tokens", str(tokens)]
    command += shlex.split(a.peer_args) if a.peer_args else ["--steps", "5", "--threads", str(a.ranks)]
    out = rounds.run(command)
    return float(re.search(r"([0-9.]+) codes/s", out).group(1))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("work")
    p.add_argument("peer")
    p.add_argument("codes")
    p.add_argument("graph")
    p.add_argument("--backend", choices=["cpu", "cuda"], default="cpu")
    p.add_argument("--compute", default="fp32")
    p.add_argument("--batch", type=int, default=1024)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--ranks", type=int, default=1)
    p.add_argument("--seconds", type=float, default=8, help="least time of our steps in a round")
    p.add_argument("--tokens", type=int, nargs=2, default=[8, 24], help="lengths of the peer's texts")
    p.add_argument("--peer-args", default="")
    a = p.parse_args()
    settings = ["bench.items=step", "run.device=" + a.backend, "run.compute=" + a.compute, "bench.data=files",
                "bench.seconds=%g" % a.seconds, "bench.repeats=5", "train.batch=%d" % a.batch,
                "files.vocabulary=%s/v.h5" % a.work, "files.text=%s/t.h5" % a.work]
    settings += ["run.threads=1"] if a.backend == "cpu" else []
    lines = []
    for _ in range(a.rounds):
        ours = rounds.bench(a.work, settings, a.ranks)
        step = ours["item"]["step"]
        ceiling = ours["ceilings"]["gemm"]["flop_rate"]
        rate, floor = step["codes_rate"], step["flops"] / ceiling
        theirs = [peer_rate(a, tokens) for tokens in a.tokens]
        lines.append((rate, *theirs, rate / theirs[0], rate / theirs[1], 1e3 * step["seconds"]["median"],
                      step["flops"] * 1e-9, ceiling * 1e-9, 1e3 * floor, 100 * floor / step["seconds"]["median"]))
    import torch

    where = "%s, %d ranks of one thread" % (ours["machine"], a.ranks)
    if a.backend == "cuda":
        where = "%s, one rank, %s products" % (torch.cuda.get_device_name(0), a.compute)
    print("Training at batch %d, codebook 21,000 x 64; %s; %s.\n" % (
        a.batch, where, rounds.versions("PyTorch " + torch.__version__)))
    short, long = a.tokens
    middle = rounds.table([("ours, codes/s", "%.0f"), ("peer, %d tokens" % short, "%.0f"),
                           ("peer, %d tokens" % long, "%.0f"), ("ratio, %d" % short, "%.1f"),
                           ("ratio, %d" % long, "%.1f"), ("our step, ms", "%.1f"), ("GFLOP of a step", "%.2f"),
                           ("gemm ceiling, GFLOP/s", "%.1f"), ("floor, ms", "%.1f"), ("floor of the step", "%.1f %%")],
                          lines)
    print("Ratios of medians: %.1f (%d tokens), %.1f (%d tokens); our texts have %d tokens on average, rounded up." % (
        middle[0] / middle[1], short, middle[0] / middle[2], long, short))
    print("The operations of a step at the gemm ceiling, the floor, are %.1f %% of our step." % (
        100 * middle[8] / middle[5]))


if __name__ == "__main__":
    main()
