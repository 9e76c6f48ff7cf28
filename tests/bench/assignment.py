"""Rounds of ours and FAISS's top-5 (assignment.sh). `--peer FOLDER` is the peer's part, a process of its own each time."""
import argparse
import json
import statistics
import sys
import time

import rounds

TOP_K, DIM = 5, 64


def read(folder):
    import numpy

    u = numpy.fromfile(folder + "/vectors.f32", numpy.float32).reshape(-1, DIM)
    c = numpy.fromfile(folder + "/codebook.f32", numpy.float32).reshape(-1, DIM)
    return u, c, numpy.fromfile(folder + "/picks.i32", numpy.int32).reshape(-1, TOP_K)


def search(folder, threads, repeats):
    """Times FAISS, and says how many of our picks differ: between rows whose similarities are apart by more than rounding."""
    import faiss
    import numpy

    u, c, picks = read(folder)
    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(DIM)
    index.add(c)
    index.search(u[:1000], TOP_K)
    times = []
    for _ in range(repeats):
        since = time.perf_counter()
        _, found = index.search(u, TOP_K)
        times.append(time.perf_counter() - since)
    rows, columns = numpy.nonzero(found != picks)
    wide = u[rows].astype(numpy.float64)
    apart = numpy.abs((wide * c[found[rows, columns]]).sum(1) - (wide * c[picks[rows, columns]]).sum(1))
    # Rows have length 1: float32 sums of 64 products are within 64 x 2^-24 of the truth.
    wrong = int((apart > 64 * 2.0**-24).sum())
    json.dump({"seconds": statistics.median(times), "version": faiss.__version__, "tied": len(rows) - wrong,
               "wrong": wrong}, sys.stdout)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("work")
    p.add_argument("--vectors", type=int, default=100000)
    p.add_argument("--rows", type=int, default=21000)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--repeats", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--peer", action="store_true", help="time FAISS on the arrays in WORK/arrays and print JSON")
    a = p.parse_args()
    folder = a.work + "/arrays"
    if a.peer:
        return search(folder, a.threads, a.repeats)
    settings = ["bench.items=quantize", "run.device=cpu", "bench.queries=%d" % a.vectors, "bench.export=" + folder,
                "bench.repeats=%d" % a.repeats, "quantizer.size=%d" % a.rows, "quantizer.dim=%d" % DIM,
                "quantizer.top_k=%d" % TOP_K, "run.threads=%d" % a.threads]
    lines = []
    for _ in range(a.rounds):
        ours = rounds.bench(a.work, settings)
        item = ours["item"]["quantize"]
        theirs = json.loads(rounds.run([sys.executable, __file__, a.work, "--peer", "--threads", str(a.threads),
                                        "--repeats", str(a.repeats)]))
        if theirs["wrong"]:
            raise SystemExit("%d picks are not FAISS's" % theirs["wrong"])
        product = 2e-9 * a.vectors * a.rows * DIM
        ceiling = ours["ceilings"]["gemm"]["flop_rate"] * 1e-9
        own, peer = item["seconds"]["median"], theirs["seconds"]
        lines.append((own, peer, peer / own, ceiling, product / own, 100 * product / own / ceiling,
                      100 * product / peer / ceiling))
    print("Top %d of %d vectors against %d x %d, float32; %s, %d threads; %s.\n" % (
        TOP_K, a.vectors, a.rows, DIM, ours["machine"], a.threads, rounds.versions("FAISS " + theirs["version"])))
    print("Both pick the same rows; %d of %d picks differ between rows that are equally near in float32.\n" % (
        theirs["tied"], a.vectors * TOP_K))
    rounds.table([("ours, s", "%.3f"), ("FAISS IndexFlatIP, s", "%.3f"), ("ratio", "%.2f"),
                  ("sgemm ceiling, GFLOP/s", "%.1f"), ("ours, GFLOP/s of products", "%.1f"),
                  ("ours of ceiling", "%.1f %%"), ("FAISS of ceiling", "%.1f %%")], lines)


if __name__ == "__main__":
    main()
