#!/usr/bin/env bash
# medtok plan: sizes that it foretells are near those of the files, times are a finished run's where there is one, and what cannot end well
# is refused; tests/slurm/chain.sh has more of that.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
plan() { medtok plan "$@" --set site.runs="$work/runs"; }
plan >first 2>log || fail "plan: $(cat log)"
[ -z "$(ls -- *.h5 2>/dev/null)" ] || fail "plan leaves files: $(ls)"
grep -q '^710 codes, by the code tables' first || fail "not the sample's codes: $(cat first)"
grep -q '^train .* by rates of other machines' first || fail "no time: $(cat first)"
for job in prepare encode train tokenize; do medtok $job --set run.threads=1 2>log || fail "$job: $(cat log)"; done
plan encode train tokenize >second 2>log || fail "plan: $(cat log)"
grep -q '^710 codes, by the vocabulary' second || fail "not the vocabulary's: $(cat second)"

# near STAGE FILE COPIES: within a factor of two of the file's size, times the copies that there are at a time.
near() {
    awk -v stage="$1" -v size="$(stat -c %s "$2")" -v copies="$3" '
        $1 == stage { foretold = $5 * ($6 == "kB" ? 1e3 : $6 == "MB" ? 1e6 : $6 == "GB" ? 1e9 : 1); found = 1
                      good = foretold >= size * copies / 2 && foretold <= size * copies * 2 }
        END { exit !(found && good) }' second || fail "$1 foretells another size than $2 has, $(stat -c %s "$2") bytes: $(cat second)"
}
near encode text.h5 1
# With text.nodes, room for the rows of the nodes' names too.
cp text.h5 codes_alone.h5
medtok encode --force --set text.nodes=yes run.threads=1 2>log || fail "encode with nodes: $(cat log)"
[ "$(stat -c %s text.h5)" -gt $(($(stat -c %s codes_alone.h5) * 4 / 3)) ] || fail "names of nodes take no room: $(ls -l text.h5 codes_alone.h5)"
plan encode --set text.nodes=yes >nodes 2>log || fail "plan: $(cat log)"
foretold() { awk '$1 == "encode" {print $5 * ($6 == "kB" ? 1e3 : $6 == "MB" ? 1e6 : 1)}' "$1"; }
awk -v codes="$(foretold second)" -v nodes="$(foretold nodes)" 'BEGIN {d = nodes - codes - 855 * (64 * 2 + 4); exit !(d > -2e3 && d < 2e3)}' ||
    fail "855 nodes are foretold to take another room than their rows: $(cat second nodes)"
near train checkpoint.h5 3 # two on the way are kept beside the one that is written
near tokenize table.h5 1

# A run that made 12 steps of 96 codes on 4 ranks in 96 s: 3 codes a second and rank, so 384 s on one.
mkdir -p runs/old/stages
grep -v '^#' small.yaml >runs/old/config.yaml
printf '1000\tsubmitted\tjob=1\tafter=\n1004\tbegan\tjob=1\trestart=0\tnodes=n\tranks=4\n1100\tended\tcode=0\n' >runs/old/stages/train.tsv
plan train >third 2>log || fail "plan: $(cat log)"
grep -q '^train .* 6 min, as a finished run$' third || fail "not by the finished run: $(cat third)"

# One that encoded 710 codes in 360 s: with the names of 855 nodes it is more than twice as long.
mkdir -p runs/texts/stages
grep -v '^#' small.yaml >runs/texts/config.yaml
printf '1000\tsubmitted\tjob=1\tafter=\n1004\tbegan\tjob=1\trestart=0\tnodes=n\tranks=1\n1364\tended\tcode=0\n' >runs/texts/stages/encode.tsv
plan encode >third 2>log || fail "plan: $(cat log)"
plan encode --set text.nodes=yes >nodes 2>log || fail "plan: $(cat log)"
grep -q '^encode .* 6 min, as a finished run$' third && grep -q '^encode .* 13 min, as a finished run$' nodes || fail "names of nodes take no time: $(cat third nodes)"

plan train --set site.gpus=4 run.sums=mpi >third 2>log || fail "plan: $(cat log)"
grep -q '^gradients of several GPUs are summed through the host.s memory, by MPI (run.sums: mpi)$' third || fail "how GPUs sum is not said: $(cat third)"
plan train --set site.time=2 --set site.signal=60 --set site.memory=50M >/dev/null 2>warnings || fail "plan: $(cat warnings)"
grep -q 'train needs about .* on a node, but site.memory is 50M' warnings || fail "too little memory is not said: $(cat warnings)"
grep -q 'train takes about 6 min, and a job has 2 min: it will be queued again about 6 times' warnings || fail "restarts are not foretold: $(cat warnings)"

expect_error 2 'site.time is "4h": expected minutes' medtok plan train --set site.time=4h
expect_error 2 'site.signal is 10 s, but a step, the checkpoint under way and the last one take about [0-9]+ s' plan train --set site.signal=10
# A checkpoint of 806 MB takes 8 s; another one may be under way when it is to be written, unless the last is the only one.
large="--set quantizer.size=2097152 site.signal=10 train.keep=1 site.runs=none"
expect_error 2 'the checkpoint under way and the last one take about 16 s' medtok plan train $large
medtok plan train $large train.checkpoint_every=0 >third 2>log || fail "one checkpoint: $(cat log)"
# Values, gradients and two moments of 269 MB each, and of all but the gradients the copy that is saved.
awk '$1 == "train" {good = $4 == "GB" && $3 > 7 * 0.269 && $3 < 8 * 0.269} END {exit !good}' third || fail "memory of a training: $(cat third)"
expect_error 2 'train would have 97 ranks for a batch of 96' medtok plan train --set site.tasks=97
expect_error 2 'inspect needs files.table, .*not there.*`tokenize` makes it' medtok plan inspect --set files.table=none.h5
expect_error 2 'plan knows the stages prepare, encode' medtok plan trian
expect_error 1 'the run needs about .* but the file system of' medtok plan train --set quantizer.size=16777216 --set quantizer.dim=4096
finish
