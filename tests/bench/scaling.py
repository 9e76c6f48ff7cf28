"""results/scaling.md from counted messages (scaling.sh) and an alpha-beta model: a message of n bytes takes alpha + beta n seconds.

    scaling.py COUNTS TIMES BATCH STEPS DIM HELD # HELD: what tests/system/memory.sh prints; TIMES "": how long messages take is assumed

Collectives are taken to be those of Thakur, Rabenseifner, Gropp, "Optimization of Collective Communication Operations in MPICH" (2005)."""
import math
import sys

STEP = ["batch", "fetch", "forward", "backward", "reduce", "update"]
REAL, LISTS = 4, 6  # bytes of a value; tokens of a code that the contrastive losses exchange


def read(path):
    rows = [line.rstrip("\n").split("\t") for line in open(path)]
    return {(job, int(ranks), stage): tuple(map(int, rest)) for job, ranks, stage, *rest in rows}


def fit(path):
    """alpha and beta, by least squares of relative errors."""
    points = [tuple(map(float, line.split())) for line in open(path)]
    a = sum(1 / t**2 for _, t in points)
    b = sum(n / t**2 for n, t in points)
    c = sum(n * n / t**2 for n, t in points)
    d = sum(1 / t for _, t in points)
    e = sum(n / t for n, t in points)
    beta = (a * e - b * d) / (a * c - b * b)
    return max((d - b * beta) / a, 1e-9), beta


def total(counts, job, ranks, stages):
    parts = [counts.get((job, ranks, s), (0, 0, 0)) for s in stages]
    return [sum(p[i] for p in parts) for i in range(3)]


class Problem:
    """What a step exchanges; n codes a rank have about `distinct(n)` different nodes."""

    def __init__(self, dim=64, size=21000, nodes=129375, node_dim=64, of_code=31, dense=5.8e6, seconds=0.32 / 1024):
        self.dim, self.size, self.nodes, self.node_dim, self.of_code = dim, size, nodes, node_dim, of_code
        self.dense, self.seconds = dense, seconds

    def distinct(self, n):
        return self.nodes * (1 - math.exp(-self.of_code * n / self.nodes))

    def parts(self, ranks, batch, alpha, beta):
        """Seconds of each part of a step."""
        hops, apart = math.ceil(math.log2(ranks)) if ranks > 1 else 0, (ranks - 1) / ranks

        def allreduce(n):
            return 2 * hops * alpha + 2 * apart * n * beta

        rows = self.distinct(batch / ranks) * apart
        lists = batch * (LISTS * self.dim + 4) * REAL
        return {
            "compute": batch / ranks * self.seconds,
            "small sums": 3 * allreduce(0) + 2 * beta * apart * (8 * 3 * ranks + self.size / 8) + hops * alpha,
            "node rows": 3 * min(ranks - 1, rows) * alpha + rows * (4 + 2 * self.node_dim * REAL) * beta,
            "rows of losses": 2 * hops * alpha + 2 * apart * lists * beta + allreduce(2 * self.dim**2 * REAL),
            "gradients": 2 * allreduce(0) + 2 * apart * self.dense * beta,
            "usage": allreduce(4 * 8 * self.size) / 10,
        }


def counted_table(counts, steps, out):
    out.append("| ranks | a step: collectives | messages | bytes | a save: collectives | messages | bytes | tokenize: collectives | messages | bytes |")
    out.append("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for ranks in sorted({r for _, r, _ in counts}):
        step = [x / steps for x in total(counts, "train", ranks, STEP)]
        save = [x / 2 for x in total(counts, "train", ranks, ["save"])]
        table = total(counts, "tokenize", ranks, ["load", "create", "copy", "tokenize", "write"])
        out.append(f"| {ranks} | {step[0]:.1f} | {step[1]:.0f} | {step[2]:,.0f} | {save[0]:.1f} | {save[1]:.0f} | {save[2]:,.0f} | "
                   f"{table[0]} | {table[1]} | {table[2]:,} |")


def held_table(path, out):
    """What memory.sh printed: `job N ranks what ... MB`."""
    rows = {}
    for line in open(path):
        fields = line.split()
        if len(fields) > 4 and fields[2] == "ranks":
            rows.setdefault((fields[0], " ".join(fields[3:-2])), {})[int(fields[1])] = fields[-2]
    ranks = sorted({r for values in rows.values() for r in values})
    out.append("| job | a rank's | " + " | ".join(f"{r} ranks, MB" if r > 1 else "1 rank, MB" for r in ranks) + " |")
    out.append("|:--|:--|" + "--:|" * len(ranks))
    for (job, what), values in rows.items():
        out.append(f"| {job} | {what} | " + " | ".join(values.get(r, "") for r in ranks) + " |")


def formulas_table(counts, batch, steps, dim, out):
    """What a rank puts into the exchanges of the losses, by formula and counted."""
    out.append("| ranks | rows of losses, by formula | counted (stage forward) |")
    out.append("|--:|--:|--:|")
    for ranks in sorted({r for _, r, _ in counts}):
        if ranks == 1:
            continue
        values = batch * (LISTS * dim / ranks + 4 / ranks + LISTS * dim) + 2 * dim**2
        out.append(f"| {ranks} | {values * REAL:,.0f} | {total(counts, 'train', ranks, ['forward'])[2] / steps:,.0f} |")


NETWORKS = [("a network of 1.5 us and 12.5 GB/s a rank", 1.5e-6, 1 / 12.5e9),
            ("a network of 5 us and 1 GB/s a rank (64 ranks on a card of 64 GB/s, or old cards)", 5e-6, 1 / 1e9)]


def model_table(problem, alpha, beta, out):
    out.append("| batch | " + " | ".join(f"{p} ranks" for p in (32, 64, 128, 256, 512, 1024)) + " | computes less than half the time from |")
    out.append("|--:|" + "--:|" * 7)
    for batch in (1024, 4096, 16384, 65536):
        row = []
        for ranks in (32, 64, 128, 256, 512, 1024):
            parts = problem.parts(ranks, batch, alpha, beta)
            time = sum(parts.values())
            row.append(f"{1e3 * time:.2f} ms, {100 * parts['compute'] / time:.0f} %")
        half = next((p for p in range(1, min(batch, 1 << 16) + 1) if efficiency(problem, p, batch, alpha, beta) < 0.5), None)
        out.append(f"| {batch:,} | " + " | ".join(row) + f" | {half or 'over ' + format(batch, ',')} ranks |")


def efficiency(problem, ranks, batch, alpha, beta):
    parts = problem.parts(ranks, batch, alpha, beta)
    return parts["compute"] / sum(parts.values())


def shares_table(problem, alpha, beta, out):
    names = list(problem.parts(2, 1024, alpha, beta))
    out.append("| batch | ranks | " + " | ".join(names) + " |")
    out.append("|--:|--:|" + "--:|" * len(names))
    for batch, ranks in ((1024, 64), (1024, 1024), (65536, 1024)):
        parts = problem.parts(ranks, batch, alpha, beta)
        out.append(f"| {batch:,} | {ranks:,} | " + " | ".join(f"{1e3 * parts[n]:.3f} ms" for n in names) + " |")


# Measured once, with the binary of ebf40ae in place of the program's.
BEFORE = [
    "At commit ebf40ae, whatever the ranks: 13.4 MB read to train; 22.3 MB held by `tokenize` with the model loaded, and 31 MB at most; 8.9 MB by the plan of `encode`, 9.9 MB",
    "when texts are computed. With 8 ranks 17.6 MB were held when all was loaded to train. On the 327,891 real codes `encode` takes 8.1 s of processor time on one rank and 9.0 s on two,",
    "where it took 6.9 s and 10.9 s, since two ranks planned everything twice. Still whole on each rank: eight bytes a code for its cost and eight for its place in the order of a",
    "training and a quarter of a byte a row of text.h5, while it loads; some eight bytes a node for its batches; `inspect` and `probe` have the tokens and hashed names of all codes, since each resample goes through all.",
    "",
    "What rows that are not compressed cost: the table of the 327,891 real codes, most of which lack a graph, takes 389 MB where it took 210 MB. What they gain, beside the messages:",
    "0.80 s of processor time for 20,000 codes (one rank; codebook 300 x 32) where it was 0.94 s.",
]

# Measured by hand.
ON_ONE_NODE = """## On one node

Ranks of one node sum gradients, exchange rows of losses and divide the update of dense parameters through memory that they share
([how](../src/dist/README.md#how-gradients-are-summed)). What follows is of two ranks on the 327,891 real codes, batch 1,024, on 2026-11-26, on a machine on which much else ran: processor
time of each rank outside of MPI (an instrumented program), which waiting does not touch, but full caches do.

| 60 steps, two turns | before (commit 50176ab), the ranks' forward; backward | after |
|:--|--:|--:|
| first | 3.24, 3.33; 1.55, 1.46 s | 2.99, 2.99; 1.50, 1.36 s |
| second | 2.92, 3.18; 1.48, 1.46 s | 3.15, 3.22; 1.54, 1.42 s |

Ranks wait for each other at the end of the forward pass: there the one with more codes came 3 to 9 % after the other (four runs), and comes 0 to 4 % after it now (four runs) (`COST_OF_A_SIDE`, 16 nodes
where it was 8). The backward pass, half as long, is 7 to 10 % apart instead (before: 0 to 6 %): no cut balances both, since codes with large graphs lie together. The stage `batch` divides as the codes do (40 steps: 0.24 s on one rank,
0.10 s on each of two); the rest of its time on two ranks is waiting for the other's backward pass.

A sum of 5.4 MB between the two ranks, the best of 60 (the machine being loaded): 1.5 ms through shared memory, 3.1 ms by `MPI_Allreduce`, 60 ms by the `MPI_Iallreduce` that
`run.sums=mpi` starts in the backward pass, which goes on only when both ranks call MPI. Its copy in and out of staging is in each of them.

What does not fall with ranks, of a step that takes 141 ms on one (by samples of `perf`): the codebook's rows are brought to length 1 and its gradient goes that way back (0.7 ms each); its gradient is cleared
(0.3 ms). Adam on the dense parameters and their norm (1.1 ms and 0.2 ms, reckoned from bytes at 36 GB/s) are divided among the ranks of a node, not among nodes. None of that is in the model above: with 64 ranks
of such cores at batch 1,024, whose share of the step is 2.2 ms, it is the next limit.

A checkpoint every 20 steps, by processor time of the whole job on one rank, in turns, 101 steps: 17.1, 16.9, 17.5 s without and 17.8, 16.8, 17.5 s with five more, 1.3 % more in the mean, of rounds that differ by 3 % (3 %
were asked). On two ranks a save takes 27 ms of rank 0's own thread, 1.6 % of 20 steps of 82 ms; what its writing thread takes of the same core was not measured apart."""


def main():
    counts = read(sys.argv[1])
    batch, steps, dim = map(int, sys.argv[3:6])
    networks = list(NETWORKS)
    if sys.argv[2]:
        alpha, beta = fit(sys.argv[2])
        networks.append((f"the network of TIMES: {1e6 * alpha:.2f} us and {1e-9 / beta:.1f} GB/s", alpha, beta))
    out = ["# What ranks say to each other, and where more ranks stop helping", "",
           "`tests/bench/scaling.sh` makes this page. Counted is the sample (710 codes, batch 256, codebook 300 x 32) on a machine of two cores: for more",
           "ranks than cores messages are counted, not timed. Of each figure: the rank with the most of it. The ranks have a node each, as it were (`run.sums=mpi`).", ""]
    out += ["## Counted", ""]
    counted_table(counts, steps, out)
    out += ["", "A step makes 8 collective calls; 9 with `quantizer.revive_after`; two more when rows are revived; one more every `train.log_every` steps (here 2).",
            "Messages are from rank to rank: to each owner of a wanted row a question, rows back, and gradients. A save makes 3 calls when it is waited for; on the way 2, since",
            "the third rides on the sums of a step; its messages take node rows, which lie with their users, to the ranks that write them. At commit d39594b a step made 46 calls, and a save 1,412, those of HDF5's MPI-IO among them. `tests/system/messages.sh` holds",
            "the budgets. Ranks of one node make 4.5 of the 9.5 calls, and send 31,880 bytes of 456,688 on 2 ranks, 29,292 of 412,017 on 4: gradients and rows of losses go through memory that they",
            "share ([on one node](#on-one-node)). What the formula below says too much is of codes that lack a side: it takes all to have both.", "",
            "`tokenize` makes 16 calls, none of them while codes are tokenised: rank 0 lays the table out, each rank writes the rows that it has where they belong, and reads the",
            "vectors of the nodes in hand from the ranks that hold them (a Get to each; that and the number of the next piece of work are the messages). At commit ebf40ae it made 339",
            "(2 ranks) to 287, some 50 for each 16 blocks of a rank, since all ranks wrote compressed chunks together.", ""]
    formulas_table(counts, batch, steps, dim, out)
    out += ["", "## What a rank holds and reads", "",
            "The peak of what malloc and windows gave to the rank with the most, over what it was when MPI had started, and bytes read from files: 3,000 codes with random nodes of",
            "20,000, `train.partition: random`; for `encode` 20,000 codes. `tests/system/memory.sh` holds each to its share and a fixed part: a piece of the codes, a part of the",
            "texts, buffers.", ""]
    held_table(sys.argv[6], out)
    out += [""] + BEFORE
    out += ["", "## Carried to 1,024 ranks", "",
            "A message of n bytes takes alpha + beta n. A thousand ranks have a network, which is not here, and the cores of this machine are shared, so that times of messages say",
            "nothing: two networks are assumed; with TIMES the script fits alpha and beta to those of a cluster. The bytes are by formula, held above to what was counted. The problem is the published one: 129,375 nodes x 64, 31 nodes a code, codebook",
            "21,000 x 64, 5.8 MB of dense gradients; a code takes 0.31 ms of one core (0.16 s a step of 1,024 on two cores; a GPU is faster, so that",
            "its ranks stop helping earlier). No overlap of gradients with the backward pass, no waiting for the slowest rank: neither is in the model.",
            "Node rows are fetched as if they lay by chance: more than under `train.partition: graph` (below).",
            "Time of a step, and the share of it that computes:", ""]
    for name, a, b in networks:
        out += [f"### {name[0].upper()}{name[1:]}", ""]
        model_table(Problem(), a, b, out)
        out += ["", "Where the time goes:", ""]
        shares_table(Problem(), a, b, out)
        out.append("")
    worst = Problem(nodes=10_000_000)
    parts = worst.parts(1024, 65536, *NETWORKS[0][1:])
    out += ["## What breaks first", "",
            "At batch 1,024 it is the sum of dense gradients, whose bytes do not fall with ranks: 5.8 MB go twice through each rank however little it computes. Few ranks and a larger",
            "batch help; so would bfloat16 on the way. At batch 65,536 it is the rows of the losses, since each rank is sent those of all codes",
            f"({65536 * (LISTS * 64 + 4) * REAL / 1e6:.0f} MB) and sums their gradients; `loss.parts` does not change that.",
            f"Node rows come third, of a graph of 10 million nodes, too ({1e3 * parts['node rows']:.2f} ms of {1e3 * sum(parts.values()):.0f} ms at batch 65,536 on 1,024 ranks of the faster network):",
            "a rank asks only for what its codes have. `tokenize` cuts the node table too, 2.6 GB then.", "",
            "What to set: so many codes a rank that it computes most of the time, by the tables above 7 (batch 1,024) to 70 (65,536) on the faster network, 50 to 720 on the slower; more of",
            "them as the cores get faster. `train.log_every` costs a sum of 672 kB each time; `train.checkpoint_every` a copy in memory, and the disk while training goes on."]
    out += ["", ON_ONE_NODE]
    print("\n".join(out))


main()
