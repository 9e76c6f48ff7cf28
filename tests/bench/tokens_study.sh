#!/usr/bin/env bash
# By hand: what tokens are worth under several settings, several seeds each, by `probe`, for results/tokens.md. A seed is that of the training and of what
# `probe` draws. Some questions are there to choose among settings, others only to report (tokens_study.py
# says which). It goes on where it was stopped: an arm and seed whose report is there is not made again. Ends with the tables, as markdown, on
# standard output, of those seeds that all these arms have.
# usage: tokens_study.sh FOLDER [ARM...]     FOLDER keeps all that is made; ARM: of the list below, without: all
# MEDTOK: the program. DATA (../shared/data): its maps, graph and, without CODES, its code table. CODES: another one. MODEL: a Hugging Face folder
# that reads the descriptions, such as MiniLM's. STEPS (300). SEEDS ("0 1 2"). DEVICE (auto). THREADS (1). QUERIES (2000).
# MAPS (of DATA/maps: GEM of diagnoses and procedures, drugs to ATC by name and NDC): each must map some codes of CODES.
# LIMIT (0: none): seconds after which no further arm begins; what is there is reported.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
usage='usage: tokens_study.sh FOLDER [ARM...]'
mkdir -p "${1:?$usage}"
folder=$(cd "$1" && pwd)
shift
data=$(cd "${DATA:-../shared/data}" && pwd)
began=$SECONDS
declare -A settings=(
    [plain]="" # what the defaults were before 0.6, but for text.pool: all arms stand on it
    [rows]="quantizer.rate=10 quantizer.rows=unit quantizer.revive_angle=1"
    [start]="model.text_map=principal quantizer.init=kmeans train.steps=1 train.rate=1e-9"
    [residual]="model.text_map=principal quantizer.assign=residual quantizer.warmup=40 quantizer.init=kmeans quantizer.update=ema loss.orthogonality=0.005 loss.reconstruction=20"
    [nearest]="model.text_map=principal quantizer.warmup=40 quantizer.init=kmeans loss.orthogonality=0.005 loss.reconstruction=20 quantizer.rate=10 quantizer.rows=unit quantizer.revive_angle=1"
)
settings[start-residual]="${settings[start]} quantizer.assign=residual"
settings[start-names]="${settings[start]} graph.node_start=text graph.encoder_start=mean"
settings[residual-names]="${settings[residual]} graph.node_start=text graph.encoder_start=mean"
settings[residual-names-slow]="${settings[residual-names]} train.rate=2e-4 loss.reconstruction=100"
settings[nearest-names]="${settings[nearest]} graph.node_start=text graph.encoder_start=mean"
settings[nearest-slow]="${settings[nearest]} train.rate=2e-4"
settings[nearest-names-slow]="${settings[nearest-names]} train.rate=2e-4"
settings[slower]="${settings[nearest-names]} train.rate=5e-5 quantizer.rate=40 loss.reconstruction=0" # the rows' rate stays
settings[slower-neighbours]="${settings[slower]} loss.neighbours=20"
settings[slower-weighed]="${settings[slower]} model.graph_weight=0.7"
settings[slower-neighbours-weighed]="${settings[slower-neighbours]} model.graph_weight=0.7"
settings[start-names-weighed]="${settings[start-names]} model.graph_weight=0.7"
# For STEPS=3000: the maps go as far as those of slower go in 300 steps, and the rows' rate stays.
settings[slowest-neighbours-weighed]="${settings[slower-neighbours-weighed]} train.rate=5e-6 quantizer.rate=400 quantizer.warmup=0"
settings[sparse]="${settings[slowest-neighbours-weighed]} quantizer.assign=sparse"
settings[feature]="${settings[sparse]} model.text_specific=feature" # the defaults
settings[sparse-start]="${settings[start-names-weighed]} quantizer.assign=sparse"
settings[feature-start]="${settings[sparse-start]} model.text_specific=feature"
settings[residual-slowest]="${settings[slowest-neighbours-weighed]} quantizer.assign=residual"
order="plain rows start-residual start start-names residual residual-names residual-names-slow nearest nearest-slow nearest-names nearest-names-slow slower-neighbours slower-weighed slower-neighbours-weighed start-names-weighed slowest-neighbours-weighed sparse-start sparse feature-start feature residual-slowest"
[ $# -gt 0 ] || set -- $order
for arm in "$@"; do
    [ -n "${settings[$arm]+x}" ] || { echo "there is no arm $arm: $order" >&2 && exit 2; }
done

cat >"$folder/base.yaml" <<YAML
files: {codes: [$(realpath "${CODES:-$data/vocabulary/codes.tsv.gz}")], graph: $data/graph/kg.csv.gz, vocabulary: $folder/v.h5, text: $folder/t.h5}
graph: {remove: "indication,drug_protein,disease_phenotype_positive", removed: $folder/removed.tsv}
text: {encoder: bert, model: $(realpath "${MODEL:?a folder with a text encoder}"), pool: mean, nodes: yes}
train: {steps: ${STEPS:-300}, checkpoint_every: 0}
run: {threads: ${THREADS:-1}, device: ${DEVICE:-auto}, live_page: 0}
YAML
# job NAME JOB...: its log is FOLDER/NAME.log, shown if it fails.
job() {
    "$MEDTOK" "${@:2}" --config tests/support/plain.yaml --config "$folder/base.yaml" >>"$folder/$1.log" 2>&1 || { tail -n 3 "$folder/$1.log" >&2 && exit 1; }
}
[ -s "$folder/v.h5" ] || job prepare prepare
[ -s "$folder/t.h5" ] || job prepare encode

maps=$data/maps
asked=$(printf "$maps/%s\n" ${MAPS:-gem_icd9_to_icd10cm.csv.gz gem_icd9_to_icd10pcs.csv.gz mimic_drug_to_atc.csv.gz ndc_to_atc_demo.tsv.gz} | paste -sd ,)
for seed in ${SEEDS:-0 1 2}; do
    for arm in "$@"; do
        name=$arm.$seed
        [ ! -s "$folder/$name.json" ] || continue
        [ "${LIMIT:-0}" -eq 0 ] || [ $((SECONDS - began)) -lt "$LIMIT" ] || continue
        echo "$name" >&2
        job "$name" train --set ${settings[$arm]} run.seed="$seed" files.checkpoint="$folder/$name.c.h5"
        job "$name" tokenize --set ${settings[$arm]} run.seed="$seed" files.checkpoint="$folder/$name.c.h5" files.table="$folder/$name.h5"
        job "$name" probe --set run.device=cpu run.seed="$seed" files.table="$folder/$name.h5" \
            probe.maps="[$asked]" \
            probe.classes="[$maps/icd10cm_chapters.tsv.gz,$maps/ccs_icd9cm.tsv.gz]" probe.removed="$folder/removed.tsv" \
            probe.queries="${QUERIES:-2000}" probe.learned=500 probe.pairs=500 probe.resamples=200 probe.report="$folder/$name.part.json"
        "$MEDTOK" verify --set files.table="$folder/$name.h5" >"$folder/$name.usage" 2>/dev/null || true
        rm -f "$folder/$name.c.h5" "$folder/$name.h5"
        mv "$folder/$name.part.json" "$folder/$name.json"
    done
done
"$python" tests/bench/tokens_study.py "$folder" "$@"
