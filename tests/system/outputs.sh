#!/usr/bin/env bash
# What a job writes never costs the user a file: outputs that are inputs, other people's files, what another training or an
# append made, two runs at once; links are followed; --force and "up to date" are what they say.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

same() { cmp -s "$1" "$2" || fail "$3: $1 has changed"; }
id_of() { medtok verify "$1" | grep -o 'content [0-9a-f]*'; }

medtok prepare 2>/dev/null && medtok encode 2>/dev/null && medtok train 2>/dev/null && medtok tokenize 2>/dev/null || fail "making the files"
printf 'system\tcode\tdescription\tnodes\nICD10CM\tZ99.998\tmade up\t\n' >new.tsv
mkdir good && cp vocabulary.h5 text.h5 checkpoint.h5 checkpoint.jsonl table.h5 new.tsv small.yaml good

# ---- every output of every job on every path that the job reads or writes, as `JOB --help` lists them ----
declare -A is=([files.codes]=new.tsv [files.graph]=kg.csv [files.vocabulary]=vocabulary.h5 [files.text]=text.h5 [files.checkpoint]=checkpoint.h5
    [files.table]=table.h5 [tokenize.codes]=new.tsv [tokenize.append_to]=table.h5 [qa.questions]=new.tsv [qa.tests]=new.tsv)
declare -A needs=([cohort]="--set cohort.folder=meds" [prepare]="--set graph.remove=ppi graph.removed=removed.tsv" # what a job asks for before it looks at its outputs
    [score]="--set score.predictions=p.csv score.leaderboard=board.csv score.shots=guo_los:1=p.csv"
    [qa-link]="--set link.questions=q.jsonl" [qa-cosine]="--set qa_cosine.questions=q.jsonl" [qa-prefix]="--set qa_prefix.questions=q.jsonl"
    [qa-compare]="--set qa_compare.reports=q.json" [qa-train]="--set qa.model=m qa.questions=q.jsonl" [qa]="--set qa.model=m qa.questions=q.jsonl")
cp "$SAMPLE/kg.csv" kg.csv && cp kg.csv good && mkdir meds
cases=0
for job in $("$MEDTOK" --help | sed -n '/^jobs:/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do
    help=$("$MEDTOK" "$job" --help)
    outputs=$(awk '/^  [a-z_]+\.[a-z_]+ /{key=$1} /a path, written|a list of paths, written/{print key}' <<<"$help")
    others=$(awk '/^  [a-z_]+\.[a-z_]+ /{key=$1} /, read;|, written;/{print key}' <<<"$help")
    for output in $outputs; do
        for other in $others; do
            file=${is[$other]:-}
            [ -n "$file" ] && [ "$other" != "$output" ] && [ "$output $other" != "files.table tokenize.append_to" ] || continue
            cases=$((cases + 1))
            for dry in "" --dry-run; do
                expect_error 2 "$output|$other" medtok "$job" $dry ${needs[$job]:-} --set "$other=$file" --set "$output=./$file"
            done
            same "$file" "good/$file" "$job $output=$other"
        done
        expect_error 2 "$output.*small.yaml" medtok "$job" ${needs[$job]:-} --set "$output=small.yaml"
        same small.yaml good/small.yaml "$job $output=small.yaml"
        expect_error 2 "$output" medtok "$job" ${needs[$job]:-} --set "$output=/dev/null"
        [ -c /dev/null ] || fail "$job: /dev/null is no device any more"
    done
done
[ "$cases" -ge 17 ] || fail "only $cases cases of an output on an input"
echo "$cases outputs on inputs"
echo "my notes" >notes
expect_error 2 'files.table: notes is there already' medtok tokenize --set files.table=notes
expect_error 2 'files.report: .*quality.json is there already' bash -c "echo mine >table.quality.json; '$MEDTOK' inspect --config small.yaml"
rm table.quality.json
mkdir export && echo mine >export/tokens.tsv
expect_error 2 'files.export: .*tokens.tsv is there already' medtok export npy
rm -r export

# What a job wrote itself it replaces: how its outputs begin is known.
for k in 1 2; do
    medtok inspect >/dev/null 2>log.txt || fail "inspect, for the $k. time: $(cat log.txt)"
    medtok export 2>log.txt || fail "export, for the $k. time: $(cat log.txt)"
    medtok train --force --set files.checkpoint=twice.h5 2>log.txt || fail "train, for the $k. time: $(cat log.txt)"
    medtok bench --set bench.items=quantize bench.json=b.json bench.export=arrays bench.repeats=1 bench.seconds=0 bench.queries=10 train.batch=8 \
        quantizer.size=60 quantizer.dim=8 attention.heads=2 >/dev/null 2>log.txt || fail "bench, for the $k. time: $(cat log.txt)"
done
echo '{"step": 57, "codes": 96, "loss": 1}' >resumed.jsonl # of a training that went on without its old metrics
medtok train --dry-run --set files.metrics=resumed.jsonl >/dev/null 2>log.txt || fail "metrics that begin later: $(cat log.txt)"
rm -r export arrays/picks.i32
expect_error 2 'bench.export: arrays is there already' medtok bench --set bench.export=arrays bench.items=gemm
mkdir dots && echo mine >dots/v.h5
medtok prepare --set files.vocabulary=.dots/v.h5 2>/dev/null || fail "a folder with a dot in front"
[ -s .dots/v.h5 ] && [ "$(cat dots/v.h5)" = mine ] || fail ".dots/v.h5 was written elsewhere"
expect_error 2 'files.export' medtok export --set files.export=table.h5/

# Names of files that jobs make beside their outputs, and may remove: nothing else is called so, or it is in the way.
for name in checkpoint.step-000000004.h5 checkpoint.h5.lock-medtok checkpoint.h5.tmp-medtok-12; do
    cp text.h5 $name
    expect_error 2 "files.text is $name, which is the name of a file that jobs make beside files.checkpoint" medtok train --force --set files.text=$name
    expect_error 2 "files.metrics is $name" medtok train --force --set files.metrics=$name
    cmp -s text.h5 $name || fail "$name was changed"
    rm $name
done
expect_error 2 'files.vocabulary is q.h5.scratch-medtok-vocabulary.h5' medtok tokenize --codes new.tsv --set files.table=q.h5 --set files.vocabulary=q.h5.scratch-medtok-vocabulary.h5
for file in table.h5 new.tsv; do
    cp $file ring.step-000000500.h5
    if [ $file = table.h5 ]; then
        expect_error 1 'ring.step-000000500.h5 is in the way' medtok train --force --set files.checkpoint=ring.h5
    else
        medtok train --force --set files.checkpoint=ring.h5 2>log.txt || fail "train beside a file that is no checkpoint: $(cat log.txt)"
    fi
    cmp -s $file ring.step-000000500.h5 || fail "a $file called as a checkpoint was changed or removed"
done
rm ring.step-000000500.h5 ring.h5 ring.jsonl
ln -s text.h5 ring.step-000000004.h5
expect_error 1 'ring.step-000000004.h5 is in the way' medtok train --set files.checkpoint=ring.h5
same text.h5 good/text.h5 "train through a link in the ring"
rm ring.step-000000004.h5
for ending in partial parts; do
    cp new.tsv grown.h5.$ending
    expect_error 1 "grown.h5.$ending is in the way" medtok encode --set files.text=grown.h5
    same new.tsv grown.h5.$ending "encode beside grown.h5.$ending"
    rm grown.h5.$ending
done
mkfifo pipe.h5.lock-medtok
expect_error 1 'pipe.h5.lock-medtok is in the way' timeout 20 "$MEDTOK" tokenize --config small.yaml --set files.table=pipe.h5
rm pipe.h5.lock-medtok
expect_error 2 'files.export is empty' medtok export --set files.export=
expect_error 2 'files.checkpoint is empty' medtok tokenize --set files.checkpoint=
expect_error 2 'files.report: .* is where standard output goes' bash -c "'$MEDTOK' inspect --config small.yaml --set files.report=/dev/stdout 2>&1 >out.txt"
expect_error 2 'file name is too long' medtok prepare --set files.vocabulary="$(printf 'v%.0s' $(seq 243))"
mkdir export && ln -s tokens.jsonl export/tokens.tsv
expect_error 2 'are the same file' medtok export
rm -r export
expect_error 1 'notes is no file of this program' medtok verify notes
expect_error 2 '--codes is given twice' medtok tokenize --codes new.tsv --codes kg.csv
medtok tokenize --codes new.tsv --set files.table=own.h5 2>/dev/null || fail "a table of new codes"
expect_error 1 'own.h5 holds the tokens of 1 new codes' medtok tokenize --set files.table=own.h5

# ---- links ----
mkdir scratch
ln -s scratch/link.h5 link.h5
medtok tokenize --set files.table=link.h5 2>/dev/null || fail "tokenize through a link"
[ -L link.h5 ] && [ -f scratch/link.h5 ] || fail "the link was replaced, not followed"
medtok tokenize --set files.table=link.h5 --force 2>/dev/null && [ -L link.h5 ] || fail "tokenize through a link that leads somewhere"
[ "$(id_of link.h5)" = "$(id_of table.h5)" ] || fail "another table through a link"
ln -s "$work/scratch/ring.h5" ring.h5
medtok train --set files.checkpoint=ring.h5 2>/dev/null && [ -L ring.h5 ] && [ -f scratch/ring.h5 ] || fail "train through a link"

# ---- up to date, damaged, --force ----
for file in vocabulary.h5:prepare text.h5:encode checkpoint.h5:train table.h5:tokenize; do
    job=${file#*:} file=${file%:*}
    before=$(id_of "$file")
    medtok "$job" 2>log.txt && grep -q 'up to date' log.txt || fail "$job is not up to date: $(cat log.txt)"
    same "$file" "good/$file" "$job, up to date"
    size=$(stat -c %s "$file")
    printf '\377\000\377' | dd of="$file" bs=1 seek=$((size / 2)) conv=notrunc status=none
    expect_error 1 "$file is damaged" medtok verify "$file"
    medtok "$job" 2>log.txt || fail "$job on a damaged $file: $(cat log.txt)"
    grep -q 'up to date' log.txt && fail "$job calls a damaged $file up to date"
    grep -q "warning: .*$file is damaged" log.txt || fail "$job does not say that $file was damaged: $(cat log.txt)"
    [ "$(id_of "$file")" = "$before" ] || fail "$job made another $file in place of the damaged one"
    touch -d '2001-01-01' "$file"
    medtok "$job" --force 2>log.txt || fail "$job --force: $(cat log.txt)"
    [ "$(stat -c %Y "$file")" -gt 1000000000 ] && [ "$(id_of "$file")" = "$before" ] || fail "$job --force did not make $file anew"
done
medtok verify vocabulary.h5 text.h5 checkpoint.h5 table.h5 >/dev/null || fail "verify of all kinds"

# ---- what another run made ----
cp checkpoint.h5 before.h5
expect_error 1 'checkpoint.h5 is the finished training of 12 steps.*train.steps 12 there and 3 here' medtok train --set train.steps=3
same checkpoint.h5 before.h5 "train with other settings"
medtok train --set train.steps=3 --force 2>/dev/null || fail "train --force"
cmp -s checkpoint.h5 before.h5 && fail "train --force kept the old checkpoint"
cp before.h5 checkpoint.h5
cp before.h5 other.step-000000009.h5
expect_error 1 'other.step-000000009.h5 is a checkpoint of an unfinished training.*run.seed' medtok train --set run.seed=9 --set files.checkpoint=other.h5
same other.step-000000009.h5 before.h5 "train beside another's checkpoints"
medtok train --set run.seed=9 --set files.checkpoint=other.h5 --force 2>/dev/null || fail "train --force beside another's checkpoints"
ls other.step-* >/dev/null 2>&1 && fail "another training's checkpoints are left"

medtok tokenize --codes new.tsv --append-to table.h5 2>/dev/null || fail "append"
cp table.h5 appended.h5
expect_error 1 'table.h5 is version 2 .* 1 codes' medtok tokenize
same table.h5 appended.h5 "a plain tokenize on an appended table"
medtok tokenize --codes new.tsv --append-to table.h5 2>log.txt && grep -q 'up to date' log.txt || fail "appending again: $(cat log.txt)"
if "$PYTHON" -c 'import h5py' 2>/dev/null; then # as a version of the program before this one wrote it
    cp table.h5 old.h5 && "$PYTHON" -c 'import h5py; h5py.File("old.h5","a").attrs["schema_version"] = 2'
    expect_error 1 'old.h5 is version 2 .* 1 codes' medtok tokenize --set files.table=old.h5
fi
medtok tokenize --force 2>/dev/null || fail "tokenize --force"
[ "$(id_of table.h5)" = "$(id_of good/table.h5)" ] || fail "tokenize --force made another table"

# ---- two runs ----
touch table.h5.tmp-backup table.h5.tmp-12 table.h5.tmp-medtok-99999999 two.h5.tmp-backup
medtok tokenize --force 2>/dev/null || fail "tokenize beside the user's files"
[ -e table.h5.tmp-backup ] && [ -e table.h5.tmp-12 ] || fail "the user's table.h5.tmp-... was removed"
[ -e table.h5.tmp-medtok-99999999 ] && fail "a temporary file of a process that is no more was left"
"$MEDTOK" train --config small.yaml --set files.checkpoint=two.h5 --set train.steps=4000 2>first.txt &
first=$!
for i in $(seq 500); do [ -e two.h5.lock-medtok ] && break; sleep 0.02; done
expect_error 1 "two.h5 is being written by process $first" medtok train --set files.checkpoint=two.h5 --set run.seed=1
expect_error 1 "two.jsonl is being written by process $first" medtok train --set files.checkpoint=three.h5 --set files.metrics=two.jsonl
kill -KILL $first
wait $first 2>/dev/null
[ -e two.h5.lock-medtok ] || fail "the killed run left no lock to test with"
medtok train --set files.checkpoint=two.h5 --set train.steps=4 --force 2>log.txt || fail "a stale lock was not taken over: $(cat log.txt)"
grep -q 'is no more' log.txt || fail "no word of the stale lock: $(cat log.txt)"
ls ./*.lock-medtok 2>/dev/null && fail "locks are left"
finish
