#!/usr/bin/env bash
# Whether two builds compute the same numbers, bit for bit: small pipelines on the sample, on 1 and 2 ranks, in six variants of
# the settings; SHA-256 of what must not change, the table's arrays, all datasets of the checkpoint and the metrics. Some 40 s
# on two quiet cores. Run it for each build and compare: diff OLD/sums NEW/sums.
# usage: same_numbers.sh MEDTOK FOLDER [VARIANT...]   FOLDER is made anew; variants: gcn gat ema sched textonly graphonly
set -euo pipefail
medtok=$(realpath "${1:?usage: same_numbers.sh MEDTOK FOLDER [VARIANT...]}") out=$(realpath -m "${2:?}")
shift 2
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMP_WAIT_POLICY=passive
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ ! -e "$out" ] || [ -e "$out/sums" ] || { echo "$out is there and is none of mine" >&2; exit 1; }
rm -rf "$out"
mkdir -p "$out"
: > "$out/sums"
base="--config configs/quickstart.yaml --config tests/support/plain.yaml --set run.threads=1 --set run.log_level=error --set run.device=cpu"
files() { for k in vocabulary text checkpoint table; do printf -- '--set files.%s=%s/%s.h5 ' $k "$out" "$1$k"; done; printf -- '--set files.export=%s/%sexport' "$out" "$1"; }
declare -A V=(
 [gcn]=""
 [gat]="graph.encoder=gat quantizer.loss_space=normalized quantizer.shared_region=middle"
 [ema]="quantizer.update=ema quantizer.init=kmeans quantizer.revive_after=20 train.holdout=0.1 train.eval_every=20"
 [sched]="train.schedule=cosine train.warmup=5 train.weight_decay=0.01 train.average=0.99 loss.sibling_negatives=leave-out loss.parts=4"
 [textonly]="model.sides=text" [graphonly]="model.sides=graph"
)
order="gcn gat ema sched textonly graphonly"
[ $# -eq 0 ] || order=$*
f=$(files "")
"$medtok" prepare $base $f >/dev/null; "$medtok" encode $base $f >/dev/null
for v in $order; do for n in 1 2; do
  sets=""; for s in ${V[$v]}; do sets="$sets --set $s"; done
  g="--set files.checkpoint=$out/$v$n.h5 --set files.table=$out/$v$n.table.h5 --set files.export=$out/$v$n.export --set files.metrics=$out/$v$n.jsonl"
  mpirun -n $n "$medtok" train $base $f $g $sets --set train.steps=40 --set train.checkpoint_every=0 --force >/dev/null
  mpirun -n $n "$medtok" tokenize $base $f $g $sets --force >/dev/null
  "$medtok" export npy $base $f $g $sets >/dev/null
  { echo "$v $n table $(cat $out/$v$n.export/*.npy | sha256sum)"
    echo "$v $n checkpoint $(for d in $(h5ls -r $out/$v$n.h5 | awk '/Dataset/{print $1}'); do case $d in *xxh3*) ;; *) h5dump -d $d -b NATIVE -o $out/raw.bin $out/$v$n.h5 >/dev/null && sha256sum < $out/raw.bin;; esac; done | sort | sha256sum)"
    echo "$v $n metrics $(sed -E 's/, "(seconds|codes_per_second|time)[a-z_]*": [0-9.e+-]+//g' $out/$v$n.jsonl | sha256sum)"; } >> "$out/sums"
done; done
cat "$out/sums"
