#!/usr/bin/env bash
# The whole pipeline on a whole vocabulary: time and memory of each job, loss, codebook usage, and whether 1, 2 and 3 ranks write the
# same table. Writes a table to standard output.
#     whole_vocabulary.sh [CODES.tsv.gz KG.csv.gz]    the real vocabulary beside the project; about 3 minutes on 2 cores
#     whole_vocabulary.sh SCALE [FOLDER]              one that `synth` makes up, 1 as large as the published one, 0.01 to 10 times that, in FOLDER
# STEPS (200), RANKS (2; those of prepare, encode, train), TABLES ("1 2 3": ranks that each write the table), SETTINGS: more key=value.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
medtok=$(realpath "${MEDTOK:-$root/build/medtok}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1
steps=${STEPS:-200} ranks=${RANKS:-2}

# timed LABEL RANKS JOB ARGS...: seconds, processor seconds of all ranks, and the memory of the largest
timed() {
    "${PYTHON:-python3}" - "$@" 2>"$work/log" <<PY || { cat "$work/log" >&2; exit 1; }
import resource, subprocess, sys, time
label, ranks, *job = sys.argv[1:]
start = time.time()
code = subprocess.call(["mpirun", "-n", ranks, "$medtok", *job, "--config", "$work/whole.yaml"], stdout=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"| {label} | {ranks} | {time.time() - start:.1f} s | {usage.ru_utime + usage.ru_stime:.1f} s | {usage.ru_maxrss / 1e6:.2f} GB |", flush=True)
sys.exit(code)
PY
}
echo "| job | ranks | time | of processors | memory of the largest rank |"
echo "|---|---|---|---|---|"
codes=${1:-$root/../shared/data/vocabulary/codes.tsv.gz}
graph=${2:-$root/../shared/data/graph/kg.csv.gz}
if [[ $codes =~ ^[0-9.]+$ ]]; then
    scale=$codes folder=${2:-$work/made}
    echo "synth: {make: vocabulary, scale: $scale, folder: '$folder', gzip: 0}" >"$work/whole.yaml"
    timed synth "$ranks" synth
    codes=$folder/codes.csv graph=$folder/kg.csv
fi
cat >"$work/whole.yaml" <<YAML
files:
  codes: ['$codes']
  graph: '$graph'
  vocabulary: $work/vocabulary.h5
  text: $work/text.h5
  checkpoint: $work/checkpoint.h5
  table: $work/table.h5
train: {steps: $steps, batch: 1024, log_every: $steps}
YAML
more=${SETTINGS:+--set $SETTINGS}
timed prepare "$ranks" prepare $more
timed encode "$ranks" encode $more
timed "train, $steps steps of 1,024 codes" "$ranks" train $more
for n in ${TABLES:-1 2 3}; do
    timed tokenize "$n" tokenize $more --set files.table="$work/table.$n.h5"
    timed verify 1 verify $more --set files.table="$work/table.$n.h5"
    h5dump -a content_id "$work/table.$n.h5" | sed -n 's/.*(0): "\([0-9a-f]*\).*/\1/p' >>"$work/ids"
done
echo
echo "steps 1 and $steps of the metrics:"
sed -n '1p;$p' "$work/checkpoint.jsonl"
echo
(cd "$work" && ls -l *.h5) | awk '{printf "%s: %.2f GB\n", $NF, $5 / 1e9}'
[ "$(sort -u "$work/ids" | wc -l)" -eq 1 ] && echo "the tables of ${TABLES:-1 2 3} ranks have the same content id: $(sort -u "$work/ids")" || { echo "THE TABLES DIFFER" && exit 1; }
