#!/usr/bin/env bash
# The command line: options in all their forms, help, warnings, standard output that cannot be written, what log lines say.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# prints PATTERN command...: the command must end with 0 and print a line like PATTERN, on standard output or error.
prints() {
    local pattern=$1 out
    shift
    out=$("$@" 2>&1) || fail "$*: exit code $?: $out"
    grep -qE -- "$pattern" <<<"$out" || fail "$*: no line like /$pattern/ but: $out"
}
# silent_about PATTERN command...: the command must end with 0 and say nothing like PATTERN.
silent_about() {
    local pattern=$1 out
    shift
    out=$("$@" 2>&1) || fail "$*: exit code $?: $out"
    grep -qE -- "$pattern" <<<"$out" && fail "$*: there is a line like /$pattern/: $out"
}

# ---- a pipeline to work on ----
medtok prepare 2>/dev/null && medtok encode 2>encode.txt && medtok train 2>train.txt && medtok tokenize 2>/dev/null ||
    fail "the pipeline: $(cat encode.txt train.txt)"

# ---- jobs/README.md says of every job what a signal does to it ----
jobs=$("$MEDTOK" help | sed -n '/^jobs:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
[ -n "$jobs" ] || fail "help lists no jobs"
for job in $jobs; do sed -n '/^## Signals/,$p' "$ROOT/jobs/README.md" | grep -q "^|.*\`$job\`" || fail "jobs/README.md, Signals, lacks $job"; done

# ---- standard output that is full or closed ----
small_bench="--set bench.items=axpy bench.seconds=0 bench.repeats=1 run.device=cpu bench.graph_nodes=100 train.batch=8"
closed() { "$@" >&-; }
full() { "$@" >/dev/full; }
for way in full closed; do
    [ $way = full ] && why='standard output: No space left on device' || why='standard output: it is closed'
    for arguments in --help --version help "train --help" "train --dry-run" "lookup E11.9" "lookup E11.9 A10BA02 --near 3" verify \
        inspect "bench $small_bench --set bench.json=$way.json"; do
        # Help and version are no jobs, and have no settings.
        case $arguments in
            -* | help) expect_error 1 "$why" $way "$MEDTOK" $arguments ;;
            *) expect_error 1 "$why" $way medtok $arguments ;;
        esac
    done
    [ -s $way.json ] || fail "what was measured is lost with the printed table"
done
[ -s table.quality.json ] || fail "inspect lost its report with the printed table"
medtok_ranks 2 verify >/dev/null || fail "verify on two ranks"
# Jobs that print nothing need no standard output, and a file that they write does not get its number.
closed medtok encode --set files.text=closed.h5 2>/dev/null || fail "encode with a closed standard output"
cmp <(h5dump -d features text.h5 | tail -n +2) <(h5dump -d features closed.h5 | tail -n +2) || fail "a file got printed text"
# A search for nobody to read ends after the first code.
many=$(cut -f2 "$SAMPLE/codes.tsv" | sed -n '2,$p')
medtok lookup $many >all.txt 2>/dev/null || fail "lookup of all codes"
full medtok lookup nothing1 E11.9 nothing2 nothing3 2>stopped.txt && fail "lookup on a full standard output"
grep -q 'nothing1' stopped.txt && ! grep -q 'nothing3' stopped.txt || fail "lookup went on: $(cat stopped.txt)"

# ---- options ----
for form in "--set train.steps=7" "--set=train.steps=7" "--set train.batch=96 train.steps=7 --dry-run" "--set train.steps=5 --set train.steps=7"; do
    prints '^train.steps: 7$' medtok train $form --dry-run
done
echo 'train: {steps: 8}' >eight.yaml
prints '^train.steps: 8$' "$MEDTOK" train --config=eight.yaml --dry-run
prints '^train.steps: 7$' "$MEDTOK" train --set train.steps=7 --config eight.yaml --dry-run
cp eight.yaml ./--eight.yaml
prints '^train.steps: 8$' "$MEDTOK" train --config=--eight.yaml --dry-run
cut -f1-4 "$SAMPLE/codes.tsv" | sed -n '1p;2s/\t[^\t]*\t/\tNEW1\t/p;3s/\t[^\t]*\t/\tNEW2\t/p' >new.tsv
prints "^tokenize.codes: 'new.tsv'$" medtok tokenize --codes=new.tsv --dry-run
prints "^tokenize.append_to: 't.h5'$" medtok tokenize --codes new.tsv --append-to=t.h5 --dry-run
prints '^run.stages: always$' medtok train --stages --dry-run
[ "$(medtok lookup E11.9 --near=3 | grep -c '^   *[0-9-][0-9.]* ')" -eq 3 ] || fail "--near=3"
# Behind --set, lookup takes what names a key for a setting, and all else for a code.
expect_error 1 'a=b is not in the table' medtok lookup --set run.log_level=warn files.vocabulary=none a=b
prints 'E11.9' medtok lookup --set run.log_level=warn files.vocabulary=none E11.9
expect_error 2 '--config needs a value \(FILE\), but --dry-run follows' "$MEDTOK" train --config --dry-run
expect_error 2 '--set needs a value \(key=value...\), but --dry-run follows' "$MEDTOK" train --set --dry-run
expect_error 2 '--codes needs a value \(FILE\), but --append-to follows' medtok tokenize --codes --append-to t.h5
expect_error 2 '--set needs a value' "$MEDTOK" train --set
expect_error 2 '--config needs a value' "$MEDTOK" train --config=
expect_error 2 '--dry-run takes no value' "$MEDTOK" train --dry-run=1
expect_error 2 '--near is "-3": expected an integer' medtok lookup E11.9 --near -3
expect_error 2 'medtok train does not know --near, which is an option of: lookup' medtok train --near 3
expect_error 2 'medtok bench does not know --stages, which is an option of: prepare, encode, train, tokenize, inspect' medtok bench --stages
expect_error 2 'does not know train.steps=3; settings stand behind --set' medtok train train.steps=3
expect_error 2 'there is no key train.bath; did you mean train.batch' medtok train --set train.steps=3 train.bath=4
expect_error 2 'code 1 of 1 is empty' medtok lookup ''
expect_error 2 'code 2 of 2 is empty' medtok lookup E11.9 ' '
expect_error 1 '1 of 2 codes were not found' medtok lookup E11.9 nothing

# ---- help ----
prints '^usage: medtok export \[npy\] \[tsv\] \[jsonl\] \[hf FOLDER\] \[--config FILE\]' "$MEDTOK" export --help
prints '^usage: medtok lookup CODE\.\.\. \[--near N\]' "$MEDTOK" lookup --help
prints '^usage: \[mpirun -n RANKS\] medtok prepare \[--config' "$MEDTOK" prepare --help
prints '^usage: \[mpirun -n RANKS\] medtok tokenize \[--codes FILE\] \[--append-to TABLE\]' "$MEDTOK" tokenize --help
jobs=$("$MEDTOK" --help | sed -n '/^jobs:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
[ "$(wc -w <<<"$jobs")" -ge 9 ] || fail "jobs of the help: $jobs"
for job in $jobs; do
    "$MEDTOK" $job --help >help.txt || fail "$job --help"
    "$MEDTOK" help $job | cmp - help.txt || fail "medtok help $job is not medtok $job --help"
    grep -q "^usage: .*medtok $job " help.txt || fail "$job --help shows another usage: $(cat help.txt)"
    [ $job = lookup ] || ! grep -qE -- '--near|CODE' help.txt || fail "$job --help shows lookup's usage"
    [ $job = bench ] || ! grep -qE 'bench: |each backend' help.txt || fail "$job --help speaks of bench"
done
prints 'auto: on each backend in turn' "$MEDTOK" bench --help
expect_error 2 'there is no job nothing' "$MEDTOK" help nothing

# ---- settings that the job does not use ----
warned='warning: --set graph.max_nodes=3 changes nothing: it is a setting of prepare, not of train'
prints "$warned" medtok train --dry-run --set graph.max_nodes=3
[ "$(medtok_ranks 2 train --dry-run --set graph.max_nodes=3 2>&1 | grep -c "$warned")" -eq 1 ] || fail "not one warning from two ranks"
silent_about 'warning' medtok train --dry-run --set train.steps=3
silent_about 'warning' medtok train --dry-run --set graph.max_nodes=3 run.log_level=error
prints 'warning: --set quantizer.size=30 changes nothing: tokenize takes it from the checkpoint' \
    medtok tokenize --dry-run --set quantizer.size=30
# In a file they are for the other jobs.
silent_about 'warning' medtok encode --dry-run

# ---- log lines ----
grep -F '[0] info: ' train.txt >lines.txt
[ -s lines.txt ] && ! grep -vqE '^20[0-9]{2}-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9] \[0\] info: ' lines.txt ||
    fail "lines without a date: $(cat train.txt)"
grep -qE 'text.h5 will take [0-9.]+ kB$' encode.txt || fail "size or time of the text file: $(cat encode.txt)"

# ---- stages, and what is said of long waits ----
grep -q 'stages of' train.txt && fail "a stage table on one rank, not asked for"
medtok tokenize --stages --codes new.tsv --set files.table=new.h5 2>new.txt || fail "new codes: $(cat new.txt)"
[ "$(grep -c 'stages of' new.txt)" -eq 1 ] && grep -q 'new-codes ' new.txt || fail "not one stage table with the making of new codes: $(cat new.txt)"
medtok tokenize --set run.log_level=debug --codes new.tsv --set files.table=new2.h5 2>new.txt || fail "new codes: $(cat new.txt)"
[ "$(grep -c 'stages of' new.txt)" -eq 1 ] || fail "at level debug not one stage table: $(cat new.txt)"
medtok tokenize --codes new.tsv --append-to table.h5 --set files.table=more.h5 2>more.txt || fail "appending: $(cat more.txt)"
grep -q 'making more.h5: 2 new codes behind the 710 rows of table.h5' more.txt && grep -q 'copy: 710 rows in' more.txt ||
    fail "appending is silent: $(cat more.txt)"
medtok inspect --set files.table=more.h5 >/dev/null 2>inspect.txt || fail "inspect: $(cat inspect.txt)"
grep -q 'tokens: 4000 resamples in' inspect.txt && grep -q 'measured the neighbours of [0-9]* codes' inspect.txt || fail "inspect is silent: $(cat inspect.txt)"
if command -v script >/dev/null; then # a terminal, where progress comes every half second
    script -qec "'$MEDTOK' inspect --config small.yaml --set inspect.resamples=30000" /dev/null >terminal.txt || fail "inspect on a terminal"
    grep -qE 'tokens [0-9]+/120000 resamples [0-9]+ %, .* left' terminal.txt || fail "no progress of inspect: $(cat terminal.txt)"
fi
expect_error 1 'new.h5 holds new codes alone, and inspect measures the codes of a vocabulary: set files.table' medtok inspect --set files.table=new.h5

# ---- folders of outputs are made ----
"$MEDTOK" bench $small_bench --set bench.json=far/away/bench.json bench.items=quantize bench.queries=8 bench.export=far/arrays/x >/dev/null 2>bench.txt &&
    [ -s far/away/bench.json ] && [ -s far/arrays/x/picks.i32 ] || fail "bench into folders that are not there: $(cat bench.txt)"
medtok export tsv --set files.export=far/tables/x 2>/dev/null && [ -s far/tables/x/tokens.tsv ] || fail "export into a folder that is not there"
medtok inspect --set files.report=far/reports/x.json >/dev/null 2>&1 && [ -s far/reports/x.json ] || fail "inspect into a folder that is not there"
medtok train --set train.steps=1 files.checkpoint=one.h5 files.metrics=far/metrics/m.jsonl 2>/dev/null && [ -s far/metrics/m.jsonl ] ||
    fail "metrics into a folder that is not there"
finish
